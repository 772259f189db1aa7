//! Names of channels and streams: one to 128 characters of `A-Z a-z 0-9 _ . : @ ~ -`.
//!
//! A name stands in a path, in a selector (quoted) and in the list of positions; none of these needs it escaped.
//!
//! **Source:** `openapi/protocol.md`, "Names".

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// Longest name, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// A text that is no name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("a {what}'s name {fault}")]
pub struct InvalidName {
    /// What it should have named: `channel` or `stream`.
    pub what: &'static str,
    /// What is wrong with it.
    pub fault: NameFault,
}

/// What is wrong with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NameFault {
    /// There is none.
    #[error("may not be empty")]
    Empty,
    /// It is longer than 128 bytes.
    #[error("may have at most 128 characters, not {bytes}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It holds another character than the allowed ones.
    #[error("may hold A-Z a-z 0-9 _ . : @ ~ - only, not {character:?}")]
    Character {
        /// The first such character.
        character: char,
    },
}

fn check(name: &str) -> Result<(), NameFault> {
    if name.is_empty() {
        return Err(NameFault::Empty);
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.:@~-".contains(c);
    if let Some(character) = name.chars().find(|c| !allowed(*c)) {
        return Err(NameFault::Character { character });
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(NameFault::TooLong { bytes: name.len() });
    }
    Ok(())
}

/// Defines one type of name. `$what` is what it names.
macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Reads a name, after percent-decoding where it came in a path.
            ///
            /// # Errors
            /// Where it is empty, longer than 128 characters, or holds a character that no name may.
            pub fn parse(name: &str) -> Result<Self, InvalidName> {
                check(name).map_err(|fault| InvalidName { what: $what, fault })?;
                Ok(Self(name.into()))
            }

            /// The name.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidName;

            fn from_str(name: &str) -> Result<Self, InvalidName> {
                Self::parse(name)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let name = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                Self::parse(&name).map_err(serde::de::Error::custom)
            }
        }
    };
}

name_type! {
    /// The name of a channel, what a page subscribes to: `chat-42`. Cheap to clone.
    ChannelName, "channel"
}
name_type! {
    /// The name of a stream, a part of a channel: `response` of `<div dj-stream="response">`. Cheap to clone.
    StreamName, "stream"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_needs_no_escape_in_a_path_or_a_selector() {
        let check = |name: &str, expected: Result<(), NameFault>| {
            assert_eq!(ChannelName::parse(name).map(|_| ()).map_err(|e| e.fault), expected, "{name}");
            assert_eq!(StreamName::parse(name).map(|_| ()).map_err(|e| e.fault), expected, "{name}");
        };
        check("chat-42", Ok(()));
        check("a", Ok(()));
        check("user:7@host.example~v1_x", Ok(()));
        check(&"n".repeat(128), Ok(()));
        check("", Err(NameFault::Empty));
        check(&"n".repeat(129), Err(NameFault::TooLong { bytes: 129 }));
        for character in [' ', '/', '\'', '"', ']', '%', '=', ',', '*', '\n', '\0', 'é', '\u{2028}'] {
            check(&format!("a{character}b"), Err(NameFault::Character { character }));
        }
    }

    #[test]
    fn a_name_says_what_is_wrong_with_it() {
        let error = StreamName::parse("a b").unwrap_err();
        assert_eq!(error.to_string(), "a stream's name may hold A-Z a-z 0-9 _ . : @ ~ - only, not ' '");
        let error = ChannelName::parse("").unwrap_err();
        assert_eq!(error.to_string(), "a channel's name may not be empty");
    }

    #[test]
    fn a_name_is_checked_where_it_is_read_from_json() {
        assert_eq!(serde_json::from_str::<StreamName>(r#""response""#).unwrap().as_str(), "response");
        assert_eq!(serde_json::from_str::<StreamName>(r#""\u0061""#).unwrap().as_str(), "a");
        assert!(serde_json::from_str::<StreamName>(r#""a b""#).is_err());
        assert_eq!(serde_json::to_string(&ChannelName::parse("c").unwrap()).unwrap(), r#""c""#);
    }
}
