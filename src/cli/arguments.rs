//! Flags from tables: one for each setting, one for each render option.

use clap::builder::PossibleValuesParser;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches};

use crate::config::print::CONFIG_DOC;
use crate::config::setting::{Kind, Preset};
use crate::config::settings::CONFIG;
use crate::config::{Flags, SETTINGS, Setting};
use crate::markdown::options::{self, OPTIONS, OptionSpec};

/// The flags of the settings whose group is `wanted`, and `--config`.
pub(super) fn setting_args(wanted: impl Fn(&str) -> bool) -> Vec<Arg> {
    let config = Arg::new(CONFIG).long(CONFIG).value_name("FILE");
    let mut args = vec![config.help(CONFIG_DOC).long_help(format!("{CONFIG_DOC}\n[env: RILLMARK_CONFIG]"))];
    for setting in SETTINGS.iter().filter(|setting| wanted(setting.group)) {
        args.push(setting_arg(setting));
        if setting.is_secret() {
            let name = format!("{}_file", setting.name);
            let arg = Arg::new(&name).long(format!("{}-file", setting.flag())).value_name("FILE");
            let doc = format!("Names a file that holds what --{} takes, a line or a comma between.", setting.flag());
            let long = format!("{doc}\n[env: {}_FILE]", setting.variable());
            args.push(arg.help(doc).long_help(long).help_heading(setting.group));
        }
    }
    args
}

/// The same flags for a command whose help need not repeat them.
pub(super) fn hidden_setting_args() -> impl Iterator<Item = Arg> {
    setting_args(|_| true).into_iter().map(|arg| arg.hide(true))
}

fn setting_arg(setting: &Setting) -> Arg {
    let default = match setting.default {
        Preset::Text("") => String::new(),
        default => format!(" [default: {}]", default.shown()),
    };
    let short = format!("{}{default}", setting.doc);
    let long = format!("{}\nTakes {}.\n[env: {}]{default}", setting.doc, setting.expected(), setting.variable());
    let arg = Arg::new(setting.name).long(setting.flag()).help_heading(setting.group).help(short).long_help(long);
    match setting.kind {
        Kind::Count { .. } => arg.value_name("N"),
        Kind::Seconds { .. } => arg.value_name("SECONDS"),
        Kind::Bytes { .. } => arg.value_name("BYTES"),
        Kind::Flag(_) => boolean(arg),
        Kind::Word(_) => arg.value_name("WORD"),
        Kind::Text { .. } => arg.value_name("TEXT"),
        Kind::List { .. } | Kind::Secrets { .. } => arg.value_name("LIST").action(ArgAction::Append),
    }
}

/// `--name`, `--name=true`, `--name=false`.
fn boolean(arg: Arg) -> Arg {
    arg.value_name("BOOL").num_args(0..=1).require_equals(true).default_missing_value("true")
}

/// What the command line sets, of the command and of those it stands under: `rillmark --listen … config print` and
/// `rillmark config print --listen …` say the same.
pub(super) fn flags(matches: &ArgMatches) -> Flags {
    let mut found = Flags::new();
    let mut level = Some(matches);
    while let Some(matches) = level {
        let given = matches.ids().map(clap::Id::as_str).filter(|id| is_setting(id));
        for id in given.filter(|id| matches.value_source(id) == Some(ValueSource::CommandLine)) {
            let values: Vec<&str> =
                matches.get_many::<String>(id).map(|values| values.map(String::as_str).collect()).unwrap_or_default();
            found.insert(id.to_owned(), values.join(","));
        }
        level = matches.subcommand().map(|(_, below)| below);
    }
    found
}

fn is_setting(id: &str) -> bool {
    id == CONFIG
        || SETTINGS.iter().any(|setting| id.strip_prefix(setting.name).is_some_and(|end| ["", "_file"].contains(&end)))
}

/// A flag for each option of a render. `default_of` says what holds without it.
pub(super) fn option_args(default_of: impl Fn(&OptionSpec) -> &'static str) -> impl Iterator<Item = Arg> {
    OPTIONS.iter().map(move |spec| {
        let default = default_of(spec);
        let default = if default.is_empty() { String::new() } else { format!(" [default: {default}]") };
        let arg = Arg::new(spec.name).long(spec.name.replace('_', "-")).help(format!("{}{default}", spec.doc));
        match spec.kind {
            options::Kind::Bool => boolean(arg),
            options::Kind::Word(words) => arg.value_name("WORD").value_parser(PossibleValuesParser::new(words)),
            options::Kind::Text { .. } => arg.value_name("TEXT"),
        }
    })
}

#[cfg(test)]
mod tests {
    use clap::Command;

    use super::*;

    fn check(arguments: &str, expected: &[(&str, &str)]) {
        let below = Command::new("below").args(hidden_setting_args());
        let command = Command::new("rillmark").args(setting_args(|_| true)).subcommand(below);
        let words = ["rillmark"].into_iter().chain(arguments.split_whitespace());
        let found = flags(&command.try_get_matches_from(words).unwrap());
        let expected: Flags = expected.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect();
        assert_eq!(found, expected, "{arguments}");
    }

    #[test]
    fn flags_are_collected_by_the_names_of_settings() {
        check("", &[]);
        check("--render-rate 5 --config a.toml", &[("render_rate", "5"), ("config", "a.toml")]);
        check("--listen a --listen b,c", &[("listen", "a,b,c")]);
        check("--demo", &[("demo", "true")]);
        check("--demo=false", &[("demo", "false")]);
        check("--api-keys-file keys --image-prefixes=", &[("api_keys_file", "keys"), ("image_prefixes", "")]);
        check("--workers 1 below --workers 2 --log-format json", &[("workers", "2"), ("log_format", "json")]);
    }
}
