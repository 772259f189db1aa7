//! `rillmark config check` and `rillmark config print`.

use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgMatches, Command};

use super::arguments::hidden_setting_args;
use super::{Failure, checked, out};
use crate::config::{Config, Settings, print};

/// The forms of `print`.
const FORMATS: [&str; 3] = ["toml", "env", "json"];

pub(super) fn command() -> Command {
    let flags = "Takes the flags of all settings too, as `rillmark --help` lists them.";
    let check = Command::new("check")
        .about("Check all settings, tell all mistakes together, and say what would listen where")
        .after_help(flags)
        .args(hidden_setting_args());
    let format = Arg::new("format").long("format").value_name("FORMAT").default_value(FORMATS[0]);
    let print = Command::new("print")
        .about("Print all settings as they stand, each with where it comes from; secrets are not shown")
        .after_help(flags)
        .arg(format.value_parser(PossibleValuesParser::new(FORMATS)).help("A settings file, variables, or JSON"))
        .args(hidden_setting_args());
    Command::new("config")
        .about("Check or print the settings")
        .subcommand_required(true)
        .subcommand(check)
        .subcommand(print)
}

pub(super) fn run(matches: &ArgMatches, settings: &Settings) -> Result<ExitCode, Failure> {
    let config = checked(settings)?;
    let text = match matches.subcommand() {
        Some(("print", print)) => match print.get_one::<String>("format").map(String::as_str) {
            Some("env") => print::env(settings),
            Some("json") => print::json(settings),
            _ => print::toml(settings),
        },
        _ => summary(&config),
    };
    Ok(out::say(&text))
}

/// What a service with these settings would do, in a few lines.
fn summary(config: &Config) -> String {
    let server = &config.options.server;
    let mut text = "ok\n".to_owned();
    for listen in &server.listen {
        text.push_str(&format!("listens at {listen}\n"));
    }
    for listen in &server.internal_listen {
        text.push_str(&format!("listens at {listen} (internal)\n"));
    }
    let auth = &config.options.auth;
    let several = |count: usize, one: &str| format!("{count} {one}{}\n", if count == 1 { "" } else { "s" });
    let (keys, secrets) = (auth.api_keys.len(), auth.token_secrets.len() + auth.token_public_keys.len());
    text.push_str(&match (keys, secrets) {
        (0, 0) => "no API keys and no token secrets: serves this machine only\n".to_owned(),
        (0, _) => {
            format!("{}no API keys: nobody can render, nor publish without a token\n", several(secrets, "token secret"))
        }
        (_, 0) => format!("{}no token secrets: nobody can subscribe without an API key\n", several(keys, "API key")),
        _ => several(keys, "API key") + &several(secrets, "token secret"),
    });
    text
}
