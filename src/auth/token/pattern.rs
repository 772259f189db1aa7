//! Patterns of channel names: which channels a token is about.
//!
//! **Invariant:** a pattern matches a name only as it is written, or as a prefix where it ends in `*`
//! (`patterns_match_names_and_prefixes`).
//!
//! **Source:** `openapi/protocol.md`, "Tokens".

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest pattern, in bytes: a whole name and the `*`.
pub const PATTERN_BYTES_MAX: usize = 129;

/// The name of one channel, or the beginning of names followed by `*`.
///
/// ```
/// use rillmark::auth::Pattern;
/// let of_a_user: Pattern = "user-7-*".parse().unwrap();
/// assert!(of_a_user.matches("user-7-inbox") && !of_a_user.matches("user-70"));
/// assert!("*".parse::<Pattern>().unwrap().matches("anything"));
/// assert!("a*b".parse::<Pattern>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    start: Box<str>,
    open: bool,
}

/// The text is neither a name nor the beginning of one with a `*` at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the name of a channel (A-Z a-z 0-9 _ . : @ ~ -), or the beginning of names followed by one `*`")]
pub struct PatternError;

impl Pattern {
    /// Whether the channel of this name is meant.
    pub fn matches(&self, name: &str) -> bool {
        if self.open { name.starts_with(&*self.start) } else { *self.start == *name }
    }
}

impl std::str::FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (start, open) = text.strip_suffix('*').map_or((text, false), |start| (start, true));
        let known = |b: u8| b.is_ascii_alphanumeric() || b"_.:@~-".contains(&b);
        let fits = text.len() < PATTERN_BYTES_MAX + usize::from(open) && (open || !start.is_empty());
        if !fits || !start.bytes().all(known) {
            return Err(PatternError);
        }
        Ok(Self { start: start.into(), open })
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.start, if self.open { "*" } else { "" })
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_names_and_prefixes() {
        let long = "c".repeat(128);
        for (pattern, name, expected) in [
            ("chat-42", "chat-42", true),
            ("chat-42", "chat-421", false),
            ("chat-42", "Chat-42", false),
            ("chat-42", "", false),
            ("chat-*", "chat-42", true),
            ("chat-*", "chat-", true),
            ("chat-*", "chat", false),
            ("chat-*", "xchat-1", false),
            ("*", "chat", true),
            ("a.b:c@d~e_f", "a.b:c@d~e_f", true),
            ("a.c", "abc", false),
            (&*long, &*long, true),
        ] {
            assert_eq!(pattern.parse::<Pattern>().unwrap().matches(name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in ["", "**", "a*b", "*a", "a b", "chat/42", "chat%2D42", "ä", "a\n", "a?", &"c".repeat(129)] {
            assert_eq!(text.parse::<Pattern>(), Err(PatternError), "{text:?}");
        }
        assert!(format!("{}*", "c".repeat(128)).parse::<Pattern>().is_ok());
        assert!(format!("{}*", "c".repeat(129)).parse::<Pattern>().is_err());
    }
}
