//! The `detail` of an event: any JSON value, kept as the text that the publisher wrote.
//!
//! Kept as text, numbers keep their digits and objects their order. White space between the parts is left out, so that
//! a detail is one line, whatever carries it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A JSON value as compact text. Cheap to clone. In a log it is a string, so that any format may hold it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Detail(Arc<str>);

impl Detail {
    /// `null`: what an event without a detail has.
    #[must_use]
    pub fn null() -> Self {
        Self("null".into())
    }

    /// The value, without the white space around its parts.
    #[must_use]
    pub fn new(value: &RawValue) -> Self {
        let mut out = String::with_capacity(value.get().len());
        let (mut inside, mut escaped) = (false, false);
        for character in value.get().chars() {
            if inside {
                inside = escaped || character != '"';
                escaped = !escaped && character == '\\';
            } else if matches!(character, ' ' | '\t' | '\r' | '\n') {
                continue;
            } else {
                inside = character == '"';
            }
            out.push(character);
        }
        Self(out.into())
    }

    /// The JSON text.
    #[must_use]
    pub fn as_json(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Detail {
    type Error = serde_json::Error;

    fn try_from(json: String) -> Result<Self, Self::Error> {
        serde_json::from_str::<&RawValue>(&json).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detail_keeps_its_digits_and_loses_its_white_space() {
        let check = |json: &str, expected: &str| {
            assert_eq!(Detail::try_from(json.to_owned()).unwrap().as_json(), expected, "{json}");
        };
        check("null", "null");
        check(
            " { \"b\" : 1.0000000000000000001 ,\r\n\t\"a\": [ 1e400 , \"x \\\" y\" ] } ",
            r#"{"b":1.0000000000000000001,"a":[1e400,"x \" y"]}"#,
        );
        check(r#""a\\" "#, r#""a\\""#);
        check("\"\\\\\\\" \"", "\"\\\\\\\" \"");
        assert!(Detail::try_from("{".to_owned()).is_err());
    }

    #[test]
    fn a_detail_is_a_string_in_a_log() {
        let detail = Detail::try_from(r#"{"a":1}"#.to_owned()).unwrap();
        let written = serde_json::to_string(&detail).unwrap();
        assert_eq!(written, r#""{\"a\":1}""#);
        assert_eq!(serde_json::from_str::<Detail>(&written).unwrap(), detail);
    }
}
