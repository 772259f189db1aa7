//! The JSON form of a render, read without copying a source that has no escapes.
//!
//! A JSON string may hold lone surrogates as escapes, which no UTF-8 text can; each becomes U+FFFD, as it would in a
//! browser. What is valid JSON and says the wrong thing is told from what does not parse.
//!
//! **Invariant:** a lone surrogate is one U+FFFD (`lone_surrogates_become_replacement_characters`); what is refused is
//! named (`what_is_unknown_doubled_or_mistyped_is_named`).
//! **Source:** RFC 8259 §7 (control characters), §8.1 (UTF-8), §8.2 (lone surrogates).

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::json_common;
use super::problem::Problem;
use super::problem_kinds::Kind;
use super::render_request::{RenderRequest, refuse, twice};
use crate::markdown::Options;
use crate::markdown::options::Value;

/// Parses `{"source": "…", "options": {…}}`; what `options` does not say stays as `base` has it.
///
/// # Errors
/// `invalid-json` where it does not parse, `invalid-option` where it says something that is not understood.
pub(super) fn parse(body: &[u8], base: Options) -> Result<RenderRequest<'_>, Problem> {
    match json_common::parse(body, &base) {
        Some(asked) => Ok(asked),
        None => parse_any(body, base),
    }
}

/// The same, whatever shape the body has.
pub(super) fn parse_any(body: &[u8], base: Options) -> Result<RenderRequest<'_>, Problem> {
    // serde_json judges neither UTF-8 nor control characters in strings that are read as bytes, so both are judged
    // here.
    let text = std::str::from_utf8(body).map_err(|error| {
        Problem::new(Kind::InvalidJson, format!("the byte at offset {} is not UTF-8", error.valid_up_to()))
    })?;
    if let Some(at) = control_in_string(body) {
        let detail = format!("an unescaped control character at offset {at}");
        return Err(Problem::new(Kind::InvalidJson, detail));
    }
    let mut fields = Fields { source: None, base, options: None, at: "", refusal: None };
    let mut json = serde_json::Deserializer::from_str(text);
    let parsed = json.deserialize_map(&mut fields).and_then(|()| json.end());
    match (parsed, fields.refusal) {
        (Ok(()), _) => {}
        (Err(_), Some(refusal)) => return Err(refusal),
        (Err(error), None) if error.is_data() => return Err(mistyped(fields.at)),
        (Err(error), None) => return Err(Problem::new(Kind::InvalidJson, error.to_string())),
    }
    let source = fields.source.ok_or_else(|| refuse("source", "`source` is missing"))?;
    Ok(RenderRequest { source, options: fields.options.unwrap_or(fields.base) })
}

/// Where a string holds a control character that JSON wants escaped.
fn control_in_string(body: &[u8]) -> Option<usize> {
    // Compact JSON holds none at all, which one pass over whole words tells.
    body.iter().any(|byte| *byte < 0x20).then_some(())?;
    let (mut quoted, mut escaped) = (false, false);
    body.iter().position(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            _ => {}
        }
        quoted && *byte < 0x20
    })
}

/// What stands at the place `at` is valid JSON of the wrong type.
fn mistyped(at: &'static str) -> Problem {
    match at {
        "source" => refuse(at, "`source` takes a string"),
        "options" => refuse(at, "`options` takes an object"),
        _ => refuse("source", "the body is to be an object with `source`, a string, and `options`, an object"),
    }
}

/// The fields of the JSON form as they are found. A refusal of ours waits in `refusal` while serde unwinds with an error
/// of its own, which then does not matter.
struct Fields<'a> {
    source: Option<Cow<'a, str>>,
    /// What the query asks for.
    base: Options,
    /// That, and what the body asks for.
    options: Option<Options>,
    at: &'static str,
    refusal: Option<Problem>,
}

impl<'de> Fields<'de> {
    fn refuse<E: de::Error>(&mut self, problem: Problem) -> E {
        self.refusal = Some(problem);
        E::custom("refused")
    }

    fn read_source<A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        self.at = "source";
        if self.source.is_some() {
            return Err(self.refuse(twice("source")));
        }
        self.source = Some(map.next_value::<Wtf8<'de>>()?.0);
        Ok(())
    }

    fn read_options<A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        self.at = "options";
        if self.options.is_some() {
            return Err(self.refuse(twice("options")));
        }
        map.next_value_seed(OptionsField(self))
    }
}

impl<'de> Visitor<'de> for &mut Fields<'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a `source`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            match &*name {
                "source" => self.read_source(&mut map)?,
                "options" => self.read_options(&mut map)?,
                _ => {
                    let short: String = name.chars().take(80).collect();
                    let detail = format!("unknown field `{short}`; there are `source` and `options`");
                    return Err(self.refuse(refuse(&short, detail)));
                }
            }
            self.at = "";
        }
        Ok(())
    }
}

/// The value of `options`: each goes through the renderer's table.
struct OptionsField<'f, 'de>(&'f mut Fields<'de>);

impl<'de> DeserializeSeed<'de> for OptionsField<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OptionsField<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of options")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut options = self.0.base.clone();
        let mut seen: Vec<Cow<'de, str>> = Vec::new();
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            let found: Found<'de> = map.next_value()?;
            if let Err(error) = options.set(&name, found.as_value()) {
                return Err(self.0.refuse(error.into()));
            }
            if seen.contains(&name) {
                return Err(self.0.refuse(twice(&name)));
            }
            seen.push(name);
        }
        self.0.options = Some(options);
        Ok(())
    }
}

/// One JSON value as options take it.
enum Found<'a> {
    Text(Cow<'a, str>),
    Bool(bool),
    Other(&'static str),
}

impl Found<'_> {
    fn as_value(&self) -> Value<'_> {
        match self {
            Self::Text(text) => Value::Str(text),
            Self::Bool(on) => Value::Bool(*on),
            Self::Other(name) => Value::Other(name),
        }
    }
}

impl<'de> Deserialize<'de> for Found<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FoundVisitor)
    }
}

struct FoundVisitor;

impl<'de> Visitor<'de> for FoundVisitor {
    type Value = Found<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: de::Error>(self, on: bool) -> Result<Self::Value, E> {
        Ok(Found::Bool(on))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Found::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Found::Other("number"))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Found::Other("number"))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Found::Other("number"))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Found::Other("null"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Found::Other("array"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Found::Other("object"))
    }
}

/// A JSON string that may hold lone surrogates. serde_json hands strings that are read as bytes out as WTF-8.
struct Wtf8<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Wtf8<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(Wtf8Visitor)
    }
}

struct Wtf8Visitor;

impl<'de> Visitor<'de> for Wtf8Visitor {
    type Value = Wtf8<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_bytes<E: de::Error>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        Ok(Wtf8(std::str::from_utf8(bytes).map_or_else(|_| Cow::Owned(replace_surrogates(bytes)), Cow::Borrowed)))
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        let text = std::str::from_utf8(bytes).map_or_else(|_| replace_surrogates(bytes), str::to_owned);
        Ok(Wtf8(Cow::Owned(text)))
    }
}

/// WTF-8 to UTF-8: each surrogate, three bytes that begin `ED A0`…`ED BF`, becomes one U+FFFD.
fn replace_surrogates(wtf8: &[u8]) -> String {
    let mut text = String::with_capacity(wtf8.len());
    let mut rest = wtf8;
    loop {
        match std::str::from_utf8(rest) {
            Ok(valid) => {
                text.push_str(valid);
                return text;
            }
            Err(error) => {
                let (valid, from_fault) = rest.split_at(error.valid_up_to());
                text.push_str(&String::from_utf8_lossy(valid));
                text.push(char::REPLACEMENT_CHARACTER);
                rest = from_fault.get(3..).unwrap_or_default();
            }
        }
    }
}
