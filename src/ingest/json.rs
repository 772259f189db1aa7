//! JSON as providers send it: looked into no further than is asked, and never refused for a string that nobody asked
//! for.
//!
//! A string may hold half of a surrogate pair as an escape, where its writer cut a text between two UTF-16 units. Such a
//! half is kept as three bytes (WTF-8), so that it can be joined with the other half in the next piece.
//!
//! **Invariant:** halves of a pair pass (`halves_of_surrogate_pairs_pass`).
//! **Source:** RFC 8259 §8.2 (lone surrogates), §4 (of equal names the last counts, as in browsers).

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members of an object, unread.
#[derive(Debug, Default)]
pub(super) struct Object<'a>(Vec<(Text, &'a RawValue)>);

/// A string as WTF-8.
#[derive(Debug)]
struct Text(Vec<u8>);

impl<'a> Object<'a> {
    /// Parses an object; nothing if it is something else, or no JSON.
    pub(super) fn parse(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    /// The member that is an object.
    pub(super) fn object(&self, name: &str) -> Option<Object<'a>> {
        Self::parse(self.get(name)?)
    }

    /// The objects in the member that is an array.
    pub(super) fn objects(&self, name: &str) -> Option<Vec<Object<'a>>> {
        let items: Vec<&'a RawValue> = serde_json::from_str(self.get(name)?).ok()?;
        Some(items.into_iter().filter_map(|item| Self::parse(item.get())).collect())
    }

    /// The member that is a string, as WTF-8.
    pub(super) fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        serde_json::from_str::<Text>(self.get(name)?).ok().map(|text| text.0)
    }

    /// The member that is a string, with U+FFFD for what is half a pair.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        Some(String::from_utf8_lossy(&self.bytes(name)?).into_owned())
    }

    /// Whether the member is `true`.
    pub(super) fn is_true(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    /// Whether the member is there and not null.
    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some_and(|json| json != "null")
    }

    /// The member that is a whole number.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        serde_json::from_str(self.get(name)?).ok()
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        let found = self.0.iter().rev().find(|(key, _)| key.0 == name.as_bytes());
        found.map(|(_, value)| value.get())
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Object(members))
    }
}

impl<'de> Deserialize<'de> for Text {
    /// serde_json gives strings that are read as bytes out as WTF-8.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(TextVisitor)
    }
}

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Text(bytes.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_had_by_name_and_type() {
        let json = r#" {"a": "x\n\u00e4", "b": {"a": 1, "a": {}}, "c": [{"d": true}, 7, null, {"d": "true"}], "n": null, "i": 3} "#;
        let object = Object::parse(json).unwrap();
        assert_eq!(object.text("a").as_deref(), Some("x\nä"));
        assert!(object.text("b").is_none() && object.text("c").is_none() && object.text("missing").is_none());
        assert!(object.object("b").unwrap().object("a").is_some(), "the last of a name counts");
        let items = object.objects("c").unwrap();
        assert_eq!(items.iter().map(|item| item.is_true("d")).collect::<Vec<_>>(), [true, false]);
        assert!(object.has("a") && !object.has("n") && !object.has("missing"));
        assert_eq!((object.number("i"), object.number("a")), (Some(3), None));
    }

    #[test]
    fn only_whole_objects_are_objects() {
        for json in ["", "{", r#"{"a":1"#, r#"{"a":1}x"#, "[]", "7", "null", "[DONE]", r#"{"a":}"#, r#"{"a":tru}"#] {
            assert!(Object::parse(json).is_none(), "{json}");
        }
    }

    #[test]
    fn halves_of_surrogate_pairs_pass() {
        let json = r#"{"a": "x\ud83d", "b": "\ude00y", "c": {"\udfff": ["\ud800"]}}"#;
        let object = Object::parse(json).unwrap();
        assert_eq!(object.bytes("a").unwrap(), b"x\xed\xa0\xbd");
        assert_eq!(object.bytes("b").unwrap(), b"\xed\xb8\x80y");
        assert!(object.object("c").is_some());
    }

    #[test]
    fn deep_nesting_is_passed_over() {
        let json = format!(r#"{{"a":{}{},"b":"c"}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(Object::parse(&json).unwrap().text("b").as_deref(), Some("c"));
    }
}
