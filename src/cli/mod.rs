//! The command line: `rillmark` alone serves; `render`, `token`, `config`, `healthcheck` and `openapi` help around it.
//!
//! Exit codes: 0 done; 1 it failed, and standard error says why; 2 the command line is wrong; 78 the settings are.
//!
//! **Invariant:** every setting is a flag and stands in `--help` (`help_lists_every_setting`).
//!
//! **Source:** sysexits(3) for 78, `EX_CONFIG`.

mod arguments;
mod healthcheck;
mod out;
mod render;
mod serve;
mod settings;
mod token;

use std::process::ExitCode;

use clap::{ArgMatches, Command};

use self::arguments::{flags, setting_args};
use crate::config::{Config, Environment, Mistakes, Settings};
use crate::http::OPENAPI_DOCUMENT;

/// It failed, and standard error says why.
const FAILURE: u8 = 1;
/// The command line is wrong.
const USAGE: u8 = 2;
/// The settings are wrong: `EX_CONFIG`.
const CONFIG: u8 = 78;

const AFTER_HELP: &str = "\
Every setting is a flag, a variable and a key of the settings file alike: --render-rate, RILLMARK_RENDER_RATE, \
render_rate. A flag goes before a variable, a variable before the file. An empty variable counts as not set. \
PORT=n listens at 0.0.0.0:n where nothing says `listen`.

Exit codes: 0 done, 1 failed, 2 wrong command line, 78 wrong settings.";

/// Why a command ended without success.
#[derive(Debug)]
enum Failure {
    /// The settings are wrong.
    Settings(Mistakes),
    /// Something else, for people.
    Other(String),
}

impl From<Mistakes> for Failure {
    fn from(mistakes: Mistakes) -> Self {
        Self::Settings(mistakes)
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let matches = match command().try_get_matches_from(std::env::args_os()) {
        Ok(matches) => matches,
        Err(told) => {
            // Help and version are "errors" too; a closed pipe is all that can go wrong here.
            let code = if told.use_stderr() { USAGE } else { 0 };
            return told.print().map_or_else(|error| out::exit_code(&error), |()| ExitCode::from(code));
        }
    };
    match run(&matches) {
        Ok(code) => code,
        Err(Failure::Settings(mistakes)) => {
            out::complain(&mistakes.to_string());
            ExitCode::from(CONFIG)
        }
        Err(Failure::Other(why)) => {
            out::complain(&why);
            ExitCode::from(FAILURE)
        }
    }
}

fn run(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    match matches.subcommand() {
        None => serve::run(&read_settings(matches)),
        Some(("openapi", _)) => Ok(out::say(&OPENAPI_DOCUMENT)),
        Some(("render", render)) => render::run(render, &read_settings(matches)),
        Some(("token", token)) => token::run(token, &read_settings(matches)),
        Some(("config", config)) => settings::run(config, &read_settings(matches)),
        Some(("healthcheck", check)) => healthcheck::run(check, &read_settings(matches)),
        Some((name, _)) => unreachable!("the parser knows no command {name}"),
    }
}

fn read_settings(matches: &ArgMatches) -> Settings {
    Settings::read(&flags(matches), &Environment)
}

/// The whole command line.
fn command() -> Command {
    Command::new("rillmark")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Markdown to safe HTML as a service. Without a command it serves.")
        .after_long_help(AFTER_HELP)
        .after_help("--help says more of each. Exit codes: 0 done, 1 failed, 2 wrong command line, 78 wrong settings.")
        .max_term_width(120)
        .disable_help_subcommand(true)
        .args(setting_args(|_| true))
        .subcommand(render::command())
        .subcommand(token::command())
        .subcommand(settings::command())
        .subcommand(healthcheck::command())
        .subcommand(Command::new("openapi").about("Print the API document, as the service serves it at /openapi.json"))
}

/// The settings, checked; what was only odd about them goes to standard error.
fn checked(settings: &Settings) -> Result<Config, Failure> {
    for warning in &settings.warnings {
        out::complain(&format!("warning: {warning}"));
    }
    Ok(settings.check()?)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        super::command().debug_assert();
    }
}
