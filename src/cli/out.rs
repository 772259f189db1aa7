//! Words to people: what was asked for on standard output, complaints on standard error.

use std::io::{self, Write as _};
use std::process::ExitCode;

use super::FAILURE;

/// Writes to standard output. Whoever closes the pipe has seen enough: that is no failure.
pub(super) fn say(text: &str) -> ExitCode {
    let mut out = io::stdout().lock();
    let told = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    told.map_or_else(|error| exit_code(&error), |()| ExitCode::SUCCESS)
}

/// Writes a line to standard error.
pub(super) fn complain(text: &str) {
    // Where standard error is gone, nobody is left to be told.
    let _ = writeln!(io::stderr().lock(), "rillmark: {text}");
}

/// How a process ends that could not write its output.
pub(super) fn exit_code(error: &io::Error) -> ExitCode {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return ExitCode::SUCCESS;
    }
    complain(&format!("cannot write: {error}"));
    ExitCode::from(FAILURE)
}
