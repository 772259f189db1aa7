//! Every setting, one row each: name, kind, unit, bound, default, doc, and what it sets.
//!
//! From these rows come the flags and `--help`, the variables, the keys of the file, `config print`, the README's table
//! and `deploy/settings.example.env`. A new setting is a new row, and nothing else.
//!
//! **Invariant:** each row sets something of its own, and its default is what the room that takes it has as its own
//! (`every_row_sets_something_of_its_own`, `defaults_are_the_rooms_own`).

mod access;
mod limits;
mod operating;
mod streams;

use super::setting::Setting;

/// The group of settings that decide what a render looks like.
pub const RENDERING_GROUP: &str = "Rendering";

/// The group of settings that decide who may call.
pub const ACCESS_GROUP: &str = "Access";

/// The rows by file, in the order in which people read them.
const PARTS: &[&[Setting]] = &[access::ROWS, operating::RENDERING_ROWS, streams::ROWS, limits::ROWS, operating::ROWS];

const COUNT: usize = {
    let (mut count, mut part) = (0, 0);
    while part < PARTS.len() {
        count += PARTS[part].len();
        part += 1;
    }
    count
};

const ALL: [Setting; COUNT] = {
    let mut all = [PARTS[0][0]; COUNT];
    let (mut at, mut part) = (0, 0);
    while part < PARTS.len() {
        let mut row = 0;
        while row < PARTS[part].len() {
            all[at] = PARTS[part][row];
            at += 1;
            row += 1;
        }
        part += 1;
    }
    all
};

/// Every setting, in the order in which people read them.
pub const SETTINGS: &[Setting] = &ALL;

#[cfg(test)]
mod tests {
    use super::super::setting::{Kind, Written};
    use super::*;
    use crate::config::Config;

    /// A value that the setting takes and that is not its default.
    fn another(setting: &Setting) -> String {
        match (setting.name, setting.kind) {
            ("listen", _) => "[::1]:1".to_owned(),
            ("internal_listen", _) => "unix:/run/internal.sock".to_owned(),
            ("unix_socket_mode", _) => "600".to_owned(),
            ("api_keys", _) => "0123456789abcdef".to_owned(),
            ("token_secret", _) => "0123456789abcdef0123456789abcdef".to_owned(),
            ("token_audience", _) => "another".to_owned(),
            ("allowed_origins", _) => "https://app.example".to_owned(),
            ("trusted_proxies", _) => "10.0.0.0/8".to_owned(),
            ("url_schemes", _) => "https,xmpp".to_owned(),
            ("image_prefixes", _) => "/media/".to_owned(),
            ("stream_bytes_max", _) => "1MiB".to_owned(),
            ("log_filter", _) => "debug".to_owned(),
            (_, Kind::Count { max, .. } | Kind::Bytes { max, .. }) => max.to_string(),
            (_, Kind::Seconds { max, .. }) => max.to_string(),
            (_, Kind::Flag(_)) => "false".to_owned(),
            (_, Kind::Word(words)) => words[1].0.to_owned(),
            (name, _) => panic!("give `{name}` another value here"),
        }
    }

    #[test]
    fn every_row_sets_something_of_its_own() {
        let mut seen = vec![format!("{:?}", Config::default())];
        let takes_one_word = |setting: &&Setting| matches!(setting.kind, Kind::Word([_]));
        // Public keys need files, and a feature.
        let apart = |setting: &&Setting| takes_one_word(setting) || setting.name == "token_public_keys";
        for setting in SETTINGS.iter().filter(|setting| !apart(setting)) {
            let mut config = Config::default();
            setting.apply(&Written::Text(another(setting)), &mut config).unwrap();
            let config = format!("{config:?}");
            assert!(!seen.contains(&config), "{}", setting.name);
            seen.push(config);
        }
    }

    #[test]
    fn defaults_are_the_rooms_own() {
        for setting in SETTINGS {
            let mut config = Config::default();
            setting.apply(&setting.default.written(), &mut config).unwrap();
            assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()), "{}", setting.name);
        }
    }

    #[test]
    fn bounds_hold_the_default_and_refuse_what_is_beyond() {
        for setting in SETTINGS {
            let (low, high) = match setting.kind {
                Kind::Count { min, max, .. } | Kind::Bytes { min, max, .. } => (min, max),
                Kind::Seconds { min, max, .. } => (u64::from(min), u64::from(max)),
                _ => continue,
            };
            let takes = |n: u64| setting.apply(&Written::Text(n.to_string()), &mut Config::default()).is_ok();
            assert!(takes(low) && takes(high), "{}", setting.name);
            assert!(!takes(high + 1) && (low == 0 || !takes(low - 1)), "{}", setting.name);
        }
    }

    #[test]
    fn names_are_single_snake_case_and_documented() {
        for (index, setting) in SETTINGS.iter().enumerate() {
            let snake = setting.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            assert!(snake, "{}", setting.name);
            assert!(SETTINGS[..index].iter().all(|other| other.name != setting.name), "{} twice", setting.name);
            assert!(setting.doc.ends_with('.') && !setting.expected().is_empty(), "{}", setting.name);
            let seconds = matches!(setting.kind, Kind::Seconds { .. });
            assert!(!seconds || setting.name.ends_with("_seconds"), "{} hides its unit", setting.name);
            let bytes = matches!(setting.kind, Kind::Bytes { .. });
            assert!(!bytes || setting.name.contains("_bytes"), "{} hides its unit", setting.name);
        }
    }
}
