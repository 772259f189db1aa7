//! Settings in print: the effective ones with where each comes from, and the documents made from the table.
//!
//! **Invariant:** what [`toml()`] and [`env()`] print is read back as the same settings, secrets aside
//! (`printed_settings_are_read_back`).

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use super::setting::{Kind, Preset, Setting, variable_of};
use super::settings::{CONFIG, PORT, Settings, Value};
use super::table::SETTINGS;

/// Widest line of the printed files.
const WIDTH: usize = 100;

/// The effective settings as a settings file.
pub fn toml(settings: &Settings) -> String {
    each(settings, |value| {
        let name = value.setting.name;
        match secret(value) {
            Some(told) => format!("# {name}: {told}"),
            None => format!("{name} = {}", toml_value(value)),
        }
    })
}

/// The effective settings as a file of variables.
pub fn env(settings: &Settings) -> String {
    each(settings, |value| {
        let name = value.setting.variable();
        match secret(value) {
            Some(told) => format!("# {name}: {told}"),
            None => format!("{name}={}", text_of(value)),
        }
    })
}

/// The effective settings as a JSON object: `{"listen": {"value": ["127.0.0.1:8700"], "from": "RILLMARK_LISTEN"}}`.
/// The value of a secret is null, with how many there are as `count`.
pub fn json(settings: &Settings) -> String {
    let entry = |value: &Value| {
        let from = value.origin.to_string();
        let entry = if value.setting.is_secret() {
            json!({ "value": null, "count": value.written.items().len(), "from": from })
        } else if value.setting.is_list() {
            json!({ "value": value.written.items(), "from": from })
        } else {
            let text = text_of(value);
            let plain = is_plain(value.setting).then(|| serde_json::from_str::<Json>(&text).ok()).flatten();
            json!({ "value": plain.unwrap_or(Json::String(text)), "from": from })
        };
        (value.setting.name.to_owned(), entry)
    };
    let object: serde_json::Map<String, Json> = settings.values.iter().map(entry).collect();
    format!("{:#}\n", Json::Object(object))
}

/// One line for each setting behind its origin, under the headings of the groups.
fn each(settings: &Settings, line: impl Fn(&Value) -> String) -> String {
    let mut text = String::new();
    let mut group = "";
    for value in &settings.values {
        if value.setting.group != group {
            group = value.setting.group;
            let gap = if text.is_empty() { "" } else { "\n" };
            put(&mut text, format_args!("{gap}## {group}\n"));
        }
        put(&mut text, format_args!("# {}\n{}\n", value.origin, line(value)));
    }
    text
}

/// What is told of a secret in its place.
fn secret(value: &Value) -> Option<String> {
    value.setting.is_secret().then(|| match value.written.items().len() {
        0 => "none set".to_owned(),
        count => format!("{count} set, not shown"),
    })
}

/// Whether the file writes it without quotes.
fn is_plain(setting: &Setting) -> bool {
    matches!(setting.kind, Kind::Count { .. } | Kind::Seconds { .. } | Kind::Flag(_))
}

fn text_of(value: &Value) -> String {
    match &value.written {
        super::setting::Written::Text(text) if !value.setting.is_list() => text.trim().to_owned(),
        written => written.items().join(","),
    }
}

fn toml_value(value: &Value) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    if value.setting.is_list() {
        let items: Vec<String> = value.written.items().into_iter().map(quoted).collect();
        return format!("[{}]", items.join(", "));
    }
    let text = text_of(value);
    if is_plain(value.setting) { text } else { quoted(&text) }
}

/// The README's table of settings, from [`SETTINGS`].
pub fn readme_table() -> String {
    let mut text = "| variable | default | takes | what it sets |\n|---|---|---|---|\n".to_owned();
    for setting in SETTINGS {
        let default = match setting.default {
            Preset::Text("") => "none".to_owned(),
            Preset::Text(shown) => format!("`{shown}`"),
            Preset::PerCore(_) => setting.default.shown(),
        };
        let also = setting.is_secret().then(|| format!(" `{}_FILE` names a file instead.", setting.variable()));
        let also = also.unwrap_or_default();
        let (variable, takes, doc) = (setting.variable(), setting.bounds(), setting.doc);
        put(&mut text, format_args!("| `{variable}` | {default} | {takes} | {doc}{also} |\n"));
    }
    put(&mut text, format_args!("| `{}` | none | the path of a file | {CONFIG_DOC} |\n", variable_of(CONFIG)));
    put(&mut text, format_args!("| `{PORT}` | none | 1 to 65535 | {PORT_DOC} |\n"));
    text
}

/// What the settings file's own setting does.
pub const CONFIG_DOC: &str =
    "A settings file in TOML. Its keys are the variables' names without `RILLMARK_`, in lower case.";
/// What `PORT` does.
pub const PORT_DOC: &str = "As platforms set it: listens at `0.0.0.0:PORT` where nothing says `listen`.";

/// `deploy/settings.example.env`, from [`SETTINGS`].
pub fn example_env() -> String {
    let mut text = "# Every setting of Rillmark with its default. Take the leading `#` off to set one.\n\
        # Made from the table of settings in src/config/table.rs: `RILLMARK_BLESS=1 cargo test --test it settings`.\n"
        .to_owned();
    let mut group = "";
    for setting in SETTINGS {
        if setting.group != group {
            group = setting.group;
            put(&mut text, format_args!("\n## {group}\n"));
        }
        let per_core = matches!(setting.default, Preset::PerCore(_));
        let default = if per_core { format!(" Default: {}.", setting.default.shown()) } else { String::new() };
        text.push('\n');
        comment(&mut text, &format!("{}{default}", setting.doc));
        comment(
            &mut text,
            &format!("Takes {}{}.", setting.expected(), if setting.is_list() { "; several by comma" } else { "" }),
        );
        let value = if per_core { String::new() } else { setting.default.shown() };
        put(&mut text, format_args!("#{}={value}\n", setting.variable()));
        if setting.is_secret() {
            put(&mut text, format_args!("#{}_FILE=\n", setting.variable()));
        }
    }
    text
}

/// `words` as comment lines of at most [`WIDTH`] characters.
fn comment(text: &mut String, words: &str) {
    let mut width = WIDTH;
    for word in words.split(' ') {
        let length = word.chars().count() + 1;
        if width + length > WIDTH {
            let gap = if text.ends_with('\n') { "" } else { "\n" };
            text.push_str(gap);
            text.push('#');
            width = 1;
        }
        put(text, format_args!(" {word}"));
        width += length;
    }
    text.push('\n');
}

fn put(text: &mut String, args: std::fmt::Arguments<'_>) {
    text.write_fmt(args).expect("writing to a String cannot fail");
}
