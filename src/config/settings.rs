//! Settings as written: what each flag, variable and line of the file says, and where it stands. Flag before variable,
//! variable before file, file before default; an empty variable is none.
//!
//! **Invariant:** the first source that has a setting decides it, and every mistake is kept with its place
//! (`the_first_source_decides`, `mistakes_of_reading_are_all_told`).

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::names::{is_service_link, nearest};
use super::setting::{PREFIX, Setting, Written, shown, variable_of};
use super::strings::{Strings, read_file};
use super::table::SETTINGS;

/// The name of the settings file's own setting: `--config`, `RILLMARK_CONFIG`.
pub const CONFIG: &str = "config";
/// The variable by which platforms name the port to listen at.
pub const PORT: &str = "PORT";

/// Longest settings file: room for every setting and a page of comments on each.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Longest file with secrets: some hundred keys.
const SECRET_FILE_BYTES_MAX: u64 = 64 * 1024;

/// What the command line gave: by the setting's name (or `NAME_file` for a secret, or `config`), the text.
pub type Flags = BTreeMap<String, String>;

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere: it is the default.
    Default,
    /// `--listen`.
    Flag(String),
    /// `RILLMARK_LISTEN`.
    Variable(String),
    /// A key of the settings file.
    File {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Flag(name) | Self::Variable(name) => f.write_str(name),
            Self::File { path, key } => write!(f, "{key} in {}", path.display()),
        }
    }
}

/// Something wrong with one setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The place, as the one who wrote it knows it: `RILLMARK_LISTEN`, `--listen`, `listen in /etc/rillmark.toml`.
    pub place: String,
    /// What was found and what is expected.
    pub fault: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.fault)
    }
}

/// One setting as it stands.
#[derive(Clone)]
pub struct Value {
    /// Which one.
    pub setting: &'static Setting,
    /// What was written.
    pub written: Written,
    /// Where.
    pub origin: Origin,
}

/// All settings as written, one [`Value`] for each row of [`SETTINGS`], in its order; and what could not be read.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The values.
    pub values: Vec<Value>,
    /// What was wrong with reading them.
    pub mistakes: Vec<Mistake>,
    /// Variables that are no setting and resemble none: perhaps another program's, or another version's.
    pub warnings: Vec<Mistake>,
}

impl Settings {
    /// Reads the command line, the environment and the settings file that either names.
    pub fn read(flags: &Flags, strings: &impl Strings) -> Self {
        let (mut mistakes, mut warnings) = (Vec::new(), Vec::new());
        let variables = read_variables(strings, &mut mistakes, &mut warnings);
        let file = read_settings_file(flags, &variables, &mut mistakes);
        let mut layers = vec![
            Layer {
                origin: Box::new(|name| Origin::Flag(format!("--{}", name.replace('_', "-")))),
                texts: flags.iter().map(|(name, text)| (name.clone(), Written::Text(text.clone()))).collect(),
            },
            Layer { origin: Box::new(|name| Origin::Variable(variable_of(name))), texts: variables },
        ];
        if let Some((path, texts)) = file {
            let origin = Box::new(move |key: &str| Origin::File { path: path.clone(), key: key.to_owned() });
            layers.push(Layer { origin, texts });
        }
        let port = strings.get(PORT).map(|port| port.to_string_lossy().into_owned()).filter(|port| !port.is_empty());
        let values = SETTINGS.iter().map(|setting| {
            let found = layers.iter().find_map(|layer| layer.value(setting, &mut mistakes));
            found.unwrap_or_else(|| fallback(setting, port.as_deref(), &mut mistakes))
        });
        let values = values.collect();
        Self { values, mistakes, warnings }
    }

    /// Where the value of `name` stands, for a mistake that shows only beside other settings.
    pub(super) fn place(&self, name: &str) -> String {
        let value = self.values.iter().find(|value| value.setting.name == name);
        value.map_or_else(|| name.to_owned(), Value::place)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Value");
        shown.field("setting", &self.setting.name).field("origin", &self.origin);
        if self.setting.is_secret() {
            shown.finish_non_exhaustive()
        } else {
            shown.field("written", &self.written).finish()
        }
    }
}

impl Value {
    /// Its place; for a default, the variable that would set it.
    pub(super) fn place(&self) -> String {
        match &self.origin {
            Origin::Default => self.setting.variable(),
            other => other.to_string(),
        }
    }
}

/// One source of settings.
struct Layer {
    texts: BTreeMap<String, Written>,
    origin: Box<dyn Fn(&str) -> Origin>,
}

impl Layer {
    fn value(&self, setting: &'static Setting, mistakes: &mut Vec<Mistake>) -> Option<Value> {
        let by_file = setting.is_secret().then(|| format!("{}_file", setting.name));
        let by_file = by_file.filter(|name| self.texts.contains_key(name));
        let here = self.texts.get(setting.name);
        let Some(file_name) = by_file else {
            let origin = (self.origin)(setting.name);
            return here.map(|written| Value { setting, written: written.clone(), origin });
        };
        let origin = (self.origin)(&file_name);
        let mut refuse = |fault: String| mistakes.push(Mistake { place: origin.to_string(), fault });
        if here.is_some() {
            refuse(format!("{} is set as well: keep one of the two", (self.origin)(setting.name)));
        }
        let text = match &self.texts[&file_name] {
            // What is no absolute path may be a secret in the wrong place: it is not repeated.
            Written::Text(path) if path.starts_with('/') => read_file(Path::new(path), SECRET_FILE_BYTES_MAX)
                .map_err(|fault| format!("cannot read {path}: {fault}")),
            Written::Text(path) => read_file(Path::new(path), SECRET_FILE_BYTES_MAX)
                .map_err(|fault| format!("cannot read the file of that name (not shown): {fault}")),
            Written::Items(_) => Err("expected the path of a file, found a list".to_owned()),
        };
        let text = text.map_err(refuse).unwrap_or_default();
        Some(Value { setting, written: Written::Text(text), origin })
    }
}

/// What holds where no source has the setting.
fn fallback(setting: &'static Setting, port: Option<&str>, mistakes: &mut Vec<Mistake>) -> Value {
    let mut origin = Origin::Default;
    let mut written = setting.default.written();
    if let Some(port) = port.filter(|_| setting.name == "listen") {
        origin = Origin::Variable(PORT.to_owned());
        match port.parse::<u16>() {
            Ok(number) if number > 0 => written = Written::Text(format!("0.0.0.0:{number}")),
            _ => mistakes.push(Mistake {
                place: PORT.to_owned(),
                fault: format!("expected a port from 1 to 65535, found {}", shown(port)),
            }),
        }
    }
    Value { setting, written, origin }
}

/// Every name that a source may use: the settings, `NAME_file` of the secrets, and `config` where `with_config`.
fn known_names(with_config: bool) -> Vec<String> {
    let own = SETTINGS.iter().map(|setting| setting.name.to_owned());
    let files = SETTINGS.iter().filter(|setting| setting.is_secret()).map(|setting| format!("{}_file", setting.name));
    own.chain(files).chain(with_config.then(|| CONFIG.to_owned())).collect()
}

/// Our variables by the names of their settings. One that resembles a setting is a mistake, since a slip in the name of
/// the keys could else leave a service open; one that resembles none is only warned of, since clients and tests share
/// the prefix; those that Kubernetes makes are passed over.
fn read_variables(
    strings: &impl Strings,
    mistakes: &mut Vec<Mistake>,
    warnings: &mut Vec<Mistake>,
) -> BTreeMap<String, Written> {
    let known = known_names(true);
    let mut found = BTreeMap::new();
    for variable in strings.names() {
        let Some(name) = variable.strip_prefix(PREFIX).map(str::to_ascii_lowercase) else { continue };
        let text = strings.get(&variable).unwrap_or_default();
        if text.is_empty() || is_service_link(&variable, &text.to_string_lossy()) {
            continue;
        }
        let told = |fault| Mistake { place: variable.clone(), fault };
        if variable != variable_of(&name) || !known.contains(&name) {
            let meant = nearest(&name, known.iter().map(String::as_str));
            let list = if meant.is_some() { &mut *mistakes } else { &mut *warnings };
            list.push(told(unknown("variable", meant.map(variable_of))));
        } else if let Ok(text) = text.into_string() {
            found.insert(name, Written::Text(text));
        } else {
            mistakes.push(told("is not UTF-8".to_owned()));
        }
    }
    found
}

fn unknown(what: &str, meant: Option<String>) -> String {
    let hint = meant.map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
    format!("there is no such {what}{hint}")
}

type File = (PathBuf, BTreeMap<String, Written>);

fn read_settings_file(
    flags: &Flags,
    variables: &BTreeMap<String, Written>,
    mistakes: &mut Vec<Mistake>,
) -> Option<File> {
    let (place, path) = match (flags.get(CONFIG), variables.get(CONFIG)) {
        (Some(path), _) => (format!("--{CONFIG}"), path),
        (None, Some(Written::Text(path))) => (variable_of(CONFIG), path),
        _ => return None,
    };
    let path = PathBuf::from(path);
    let text = read_file(&path, FILE_BYTES_MAX).map_err(|fault| format!("cannot read {}: {fault}", path.display()));
    let table = text.and_then(|text| {
        text.parse::<toml::Table>().map_err(|error| {
            // Not the error's own text: it quotes the line, and the line may hold a secret.
            let line = text[..error.span().map_or(0, |span| span.start)].matches('\n').count() + 1;
            format!("{} is not TOML: line {line}: {}", path.display(), error.message())
        })
    });
    match table {
        Ok(table) => Some((path.clone(), keys_of(table, &path, mistakes))),
        Err(fault) => {
            mistakes.push(Mistake { place, fault });
            None
        }
    }
}

fn keys_of(table: toml::Table, path: &Path, mistakes: &mut Vec<Mistake>) -> BTreeMap<String, Written> {
    let known = known_names(false);
    let mut found = BTreeMap::new();
    for (key, value) in table {
        let meant = nearest(&key, known.iter().map(String::as_str)).map(str::to_owned);
        let written = if known.contains(&key) { written(value) } else { Err(unknown("setting", meant)) };
        match written {
            Ok(written) => {
                found.insert(key, written);
            }
            Err(fault) => {
                let place = Origin::File { path: path.to_owned(), key }.to_string();
                mistakes.push(Mistake { place, fault });
            }
        }
    }
    found
}

/// A value of the file as text: strings as they are, numbers and booleans as TOML writes them.
fn written(value: toml::Value) -> Result<Written, String> {
    let text = |value: toml::Value| match value {
        toml::Value::String(text) => Ok(text),
        toml::Value::Integer(_) | toml::Value::Float(_) | toml::Value::Boolean(_) => Ok(value.to_string()),
        other => {
            Err(format!("expected a text, a number, true or false, or an array of texts, found {}", type_of(&other)))
        }
    };
    match value {
        toml::Value::Array(items) => Ok(Written::Items(items.into_iter().map(text).collect::<Result<_, _>>()?)),
        other => text(other).map(Written::Text),
    }
}

fn type_of(value: &toml::Value) -> &'static str {
    match value {
        toml::Value::Table(_) => "a table",
        toml::Value::Datetime(_) => "a date",
        _ => "an array",
    }
}
