//! What a setting is: its names, what it takes, and how a value as written becomes one that is ready to use.
//!
//! **Invariant:** a setting either takes a value whole or tells why not and takes nothing of it but the good items of a
//! list (`values_are_taken_or_told`).

use std::fmt::Display;
use std::time::Duration;

use super::Config;

/// What every variable begins with.
pub const PREFIX: &str = "RILLMARK_";

/// One setting: one row of [`super::SETTINGS`].
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its name in the file. Flag and variable are spelled from it.
    pub name: &'static str,
    /// Under which heading people find it.
    pub group: &'static str,
    /// What it takes, and where that goes.
    pub kind: Kind,
    /// What holds where nobody sets it.
    pub default: Preset,
    /// A sentence or two for people.
    pub doc: &'static str,
}

/// A default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// As one would write it; empty where there is none.
    Text(&'static str),
    /// So many times the processor's cores.
    PerCore(usize),
}

/// What a setting takes, and where it puts it.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A whole number from `min` to `max` of `unit`.
    Count {
        /// Of what, in the plural.
        unit: &'static str,
        /// The least.
        min: u64,
        /// The most.
        max: u64,
        /// Puts it where it belongs.
        set: fn(&mut Config, u64),
    },
    /// Seconds from `min` to `max`, with decimals where wanted: `0.2`.
    Seconds {
        /// The least.
        min: u32,
        /// The most.
        max: u32,
        /// Puts it where it belongs.
        set: fn(&mut Config, Duration),
    },
    /// Bytes from `min` to `max`: `65536`, `64KiB`, `16MiB`, `1GiB`.
    Bytes {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
        /// Puts it where it belongs.
        set: fn(&mut Config, u64),
    },
    /// `true` or `false`.
    Flag(fn(&mut Config, bool)),
    /// One of these words, each with what it does.
    Word(&'static [Choice]),
    /// A text; the function says what is wrong with it.
    Text {
        /// What it takes, for people.
        expected: &'static str,
        /// Puts it where it belongs, or says why not.
        set: fn(&mut Config, &str) -> Result<(), String>,
    },
    /// Texts: by comma in a variable or flag, an array in the file.
    List {
        /// What each item is, for people.
        expected: &'static str,
        /// Puts the good ones where they belong and says what is wrong with the others.
        set: fn(&mut Config, &[&str]) -> Vec<String>,
    },
    /// As a list; never shown. `NAME_FILE` names a file that holds it, a line or a comma between items.
    Secrets {
        /// What each item is, for people.
        expected: &'static str,
        /// Puts the good ones where they belong and says what is wrong with the others, without showing them.
        set: fn(&mut Config, &[&str]) -> Vec<String>,
    },
}

/// A word that a setting takes, and what it does.
pub type Choice = (&'static str, fn(&mut Config));

/// A value as somebody wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// Text of a variable, a flag or a file; lists have commas or line feeds between their items.
    Text(String),
    /// An array of the settings file.
    Items(Vec<String>),
}

impl Written {
    /// The items of a list, without white space around them and without empty ones.
    pub fn items(&self) -> Vec<&str> {
        let items: Vec<&str> = match self {
            Self::Text(text) => text.split([',', '\n']).collect(),
            Self::Items(items) => items.iter().map(String::as_str).collect(),
        };
        items.into_iter().map(str::trim).filter(|item| !item.is_empty()).collect()
    }
}

impl Preset {
    /// The default as a value.
    pub fn written(self) -> Written {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        Written::Text(match self {
            Self::Text(text) => text.to_owned(),
            Self::PerCore(times) => (times * cores()).to_string(),
        })
    }

    /// The default for people, the same on every machine.
    pub fn shown(self) -> String {
        match self {
            Self::Text(text) => text.to_owned(),
            Self::PerCore(1) => "the cores".to_owned(),
            Self::PerCore(times) => format!("{times} × the cores"),
        }
    }
}

impl Setting {
    /// Its variable: `RILLMARK_LISTEN`.
    pub fn variable(&self) -> String {
        variable_of(self.name)
    }

    /// Its flag without the dashes in front: `internal-listen`.
    pub fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    /// Whether its value is never shown.
    pub fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Secrets { .. })
    }

    /// Whether it takes several items.
    pub fn is_list(&self) -> bool {
        matches!(self.kind, Kind::List { .. } | Kind::Secrets { .. })
    }

    /// What it takes, for people.
    pub fn expected(&self) -> String {
        match self.kind {
            Kind::Count { unit, min, max, .. } => format!("a whole number of {unit} from {min} to {max}"),
            Kind::Seconds { min, max, .. } => format!("a number of seconds from {min} to {max}"),
            Kind::Bytes { min, max, .. } => {
                format!("a number of bytes from {} to {}, such as 65536, 64KiB or 16MiB", bytes(min), bytes(max))
            }
            Kind::Flag(_) => "true or false".to_owned(),
            Kind::Word(words) => {
                let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                let (last, others) = words.split_last().expect("a setting of words has some");
                if others.is_empty() { (*last).to_owned() } else { format!("{} or {last}", others.join(", ")) }
            }
            Kind::Text { expected, .. } | Kind::List { expected, .. } | Kind::Secrets { expected, .. } => {
                expected.to_owned()
            }
        }
    }

    /// What it takes, in few words.
    pub fn bounds(&self) -> String {
        match self.kind {
            Kind::Count { unit, min, max, .. } => format!("{min} to {max} {unit}"),
            Kind::Seconds { min, max, .. } => format!("{min} to {max} s"),
            Kind::Bytes { min, max, .. } => format!("{} to {}", bytes(min), bytes(max)),
            _ => self.expected(),
        }
    }

    /// Puts `written` where it belongs in `config`.
    ///
    /// # Errors
    /// What is wrong with it, a sentence for each fault.
    pub fn apply(&self, written: &Written, config: &mut Config) -> Result<(), Vec<String>> {
        if let Kind::List { set, .. } | Kind::Secrets { set, .. } = self.kind {
            let faults = set(config, &written.items());
            return if faults.is_empty() { Ok(()) } else { Err(faults) };
        }
        let text = match written {
            Written::Text(text) => text.trim(),
            Written::Items(_) => return Err(vec![format!("expected {}, found a list", self.expected())]),
        };
        let refused = || vec![format!("expected {}, found {}", self.expected(), shown(text))];
        match self.kind {
            Kind::Count { min, max, set, .. } => {
                set(config, text.parse().ok().filter(|n| (min..=max).contains(n)).ok_or_else(refused)?);
            }
            Kind::Seconds { min, max, set } => {
                set(config, parse_seconds(text, min, max).ok_or_else(refused)?);
            }
            Kind::Bytes { min, max, set } => {
                set(config, parse_bytes(text).filter(|n| (min..=max).contains(n)).ok_or_else(refused)?);
            }
            Kind::Flag(set) => set(config, text.parse().map_err(|_| refused())?),
            Kind::Word(words) => words.iter().find(|(word, _)| *word == text).ok_or_else(refused)?.1(config),
            Kind::Text { set, .. } => set(config, text).map_err(|fault| vec![fault])?,
            Kind::List { .. } | Kind::Secrets { .. } => unreachable!("lists are done with above"),
        }
        Ok(())
    }
}

/// The variable of a setting, from its name in the file.
pub fn variable_of(name: &str) -> String {
    format!("{PREFIX}{}", name.to_ascii_uppercase())
}

/// Fills `slot` with what `items` parse to and returns what the others' parser said.
pub fn fill<T, E: Display>(slot: &mut Vec<T>, items: &[&str], parse: impl Fn(&str) -> Result<T, E>) -> Vec<String> {
    let mut faults = Vec::new();
    slot.clear();
    for item in items {
        match parse(item) {
            Ok(value) => slot.push(value),
            Err(fault) => faults.push(fault.to_string()),
        }
    }
    faults
}

/// What was found, quoted and no longer than a line.
pub fn shown(text: &str) -> String {
    let short: String = text.chars().take(80).collect();
    if short.len() < text.len() { format!("{short:?}…") } else { format!("{short:?}") }
}

fn parse_seconds(text: &str, min: u32, max: u32) -> Option<Duration> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let seconds: f64 = text.parse().ok().filter(|_| plain)?;
    (f64::from(min)..=f64::from(max)).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

const BYTE_UNITS: &[(&str, u64)] = &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

fn parse_bytes(text: &str) -> Option<u64> {
    let end = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = (&text[..end], text[end..].trim_start());
    let factor = match unit {
        "" => 1,
        _ => BYTE_UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?.1,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

/// A number of bytes as people write it.
fn bytes(count: u64) -> String {
    let whole = BYTE_UNITS.iter().find(|(_, factor)| count > 0 && count.is_multiple_of(*factor));
    whole.map_or_else(|| count.to_string(), |(name, factor)| format!("{}{name}", count / factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(kind: Kind) -> Setting {
        Setting { name: "some_name", group: "", kind, default: Preset::Text(""), doc: "" }
    }

    fn check(kind: Kind, text: &str, expected: Result<&str, &str>) {
        let mut config = Config::default();
        let told = setting(kind).apply(&Written::Text(text.to_owned()), &mut config);
        match expected {
            // The setters below leave what they were given where it can be read back.
            Ok(value) => assert_eq!((told, config.log.filter.as_str()), (Ok(()), value), "{text:?}"),
            Err(fault) => {
                assert_eq!(told, Err(vec![fault.to_owned()]), "{text:?}");
                assert_eq!(config.log.filter, Config::default().log.filter, "{text:?}");
            }
        }
    }

    #[test]
    fn values_are_taken_or_told() {
        let count = Kind::Count { unit: "cats", min: 1, max: 9, set: |c, n| c.log.filter = n.to_string() };
        check(count, " 9 ", Ok("9"));
        for (text, found) in [("0", "\"0\""), ("10", "\"10\""), ("-1", "\"-1\""), ("2.5", "\"2.5\""), ("x", "\"x\"")] {
            check(count, text, Err(&format!("expected a whole number of cats from 1 to 9, found {found}")));
        }
        let seconds = Kind::Seconds { min: 0, max: 60, set: |c, d| c.log.filter = d.as_millis().to_string() };
        check(seconds, "0.2", Ok("200"));
        check(seconds, "60", Ok("60000"));
        for text in ["61", "-1", "1e1", "inf", "NaN", "5s", "", "+1"] {
            check(seconds, text, Err(&format!("expected a number of seconds from 0 to 60, found {text:?}")));
        }
        let size = Kind::Bytes { min: 1024, max: 1 << 30, set: |c, n| c.log.filter = n.to_string() };
        check(size, "1024", Ok("1024"));
        check(size, "64KiB", Ok("65536"));
        check(size, "64 mib", Ok("67108864"));
        check(size, "1GiB", Ok("1073741824"));
        for text in ["1023", "2GiB", "64MB", "64k", "KiB", "1.5MiB", "99999999999GiB"] {
            let fault = "expected a number of bytes from 1KiB to 1GiB, such as 65536, 64KiB or 16MiB, found";
            check(size, text, Err(&format!("{fault} {text:?}")));
        }
        check(Kind::Flag(|c, on| c.log.filter = on.to_string()), "true", Ok("true"));
        check(Kind::Flag(|c, on| c.log.filter = on.to_string()), "yes", Err("expected true or false, found \"yes\""));
        let word = Kind::Word(&[("red", |c| c.log.filter = "R".to_owned()), ("blue", |c| c.log.filter.clear())]);
        check(word, "red", Ok("R"));
        check(word, "Red", Err("expected red or blue, found \"Red\""));
        check(Kind::Word(&[("red", |c| c.log.filter.clear())]), "blue", Err("expected red, found \"blue\""));
    }

    #[test]
    fn lists_keep_the_good_and_tell_the_bad() {
        let list = Kind::List {
            expected: "numbers",
            set: |c, items| {
                let mut slot = Vec::new();
                let faults = fill(&mut slot, items, |item| item.parse::<u8>().map_err(|e| format!("{item}: {e}")));
                c.log.filter = format!("{slot:?}");
                faults
            },
        };
        check(list, "1, 2,,3\n4,", Ok("[1, 2, 3, 4]"));
        let items = Written::Items(vec!["1".to_owned(), "x".to_owned(), "300".to_owned()]);
        let told = setting(list).apply(&items, &mut Config::default());
        assert_eq!(told.unwrap_err().len(), 2);
    }

    #[test]
    fn one_value_is_not_a_list_and_long_ones_are_cut() {
        let count = Kind::Count { unit: "cats", min: 0, max: 9, set: |_, _| {} };
        let told = setting(count).apply(&Written::Items(Vec::new()), &mut Config::default());
        assert_eq!(told, Err(vec!["expected a whole number of cats from 0 to 9, found a list".to_owned()]));
        assert_eq!(shown(&"é".repeat(90)), format!("\"{}\"…", "é".repeat(80)));
    }
}
