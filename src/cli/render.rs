//! `rillmark render [FILE]`: Markdown in, the bytes that `POST /render` would answer out.
//!
//! The text of a file is finished, so `provisional` is off unless asked for; all other defaults are the service's.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::ValueParser;
use clap::{Arg, ArgMatches, Command};

use super::arguments::{option_args, setting_args};
use super::{Failure, out};
use crate::config::Settings;
use crate::config::table::RENDERING_GROUP;
use crate::markdown::options::{OPTIONS, OptionSpec, Value};
use crate::markdown::{self, Options};

/// Longest input, in bytes. What is over the 10 MiB that are parsed comes back escaped; far beyond them nobody means
/// it, and the memory would be gone before the answer came.
const INPUT_BYTES_MAX: u64 = 1024 * 1024 * 1024;

pub(super) fn command() -> Command {
    let file =
        Arg::new("FILE").value_parser(ValueParser::path_buf()).help("Markdown; none or `-` reads standard input");
    Command::new("render")
        .about("Render Markdown to safe HTML on standard output")
        .arg(file)
        .args(option_args(default_of))
        .args(setting_args(|group| group == RENDERING_GROUP))
}

/// What an option is where nobody gives it.
fn default_of(spec: &OptionSpec) -> &'static str {
    if spec.name == "provisional" { "false" } else { spec.default }
}

pub(super) fn run(matches: &ArgMatches, settings: &Settings) -> Result<ExitCode, Failure> {
    let policy = settings.check_group(RENDERING_GROUP)?.options.http.policy;
    let mut options = Options::default();
    for spec in OPTIONS {
        let text = matches.get_one::<String>(spec.name).map_or_else(|| default_of(spec), String::as_str);
        options.set(spec.name, Value::Raw(text)).map_err(|error| Failure::Other(error.to_string()))?;
    }
    let source = read(matches.get_one::<PathBuf>("FILE"))?;
    Ok(out::say(&markdown::render(&String::from_utf8_lossy(&source), &options, &policy)))
}

fn read(path: Option<&PathBuf>) -> Result<Vec<u8>, Failure> {
    let path = path.filter(|path| path.as_os_str() != "-");
    let name = path.map_or_else(|| "standard input".to_owned(), |path| path.display().to_string());
    let input: io::Result<Box<dyn Read>> = match path {
        Some(path) => File::open(path).map(|file| Box::new(file) as Box<dyn Read>),
        None => Ok(Box::new(io::stdin().lock())),
    };
    let mut bytes = Vec::new();
    let told = input.and_then(|input| input.take(INPUT_BYTES_MAX + 1).read_to_end(&mut bytes));
    told.map_err(|error| Failure::Other(format!("cannot read {name}: {error}")))?;
    if bytes.len() as u64 > INPUT_BYTES_MAX {
        return Err(Failure::Other(format!("{name} is longer than {INPUT_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}
