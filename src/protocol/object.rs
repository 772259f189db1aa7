//! JSON objects taken apart member by member, so that a refusal can name the op and the field.
//!
//! A body is walked once to find its members; each value is then read by the one who knows what it should be.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::batch::BatchError;
use super::piece::Piece;

/// Members of an object that are looked at. No object has as many that are known, so among so many one is unknown or
/// stands twice, and the object is refused by its name; what follows is skipped, and costs nothing more.
const MEMBERS_MAX: usize = 16;

/// The members of an object that nobody has taken yet, and where the object stands.
pub(super) struct Object<'a> {
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
    /// The op that it is, by its place in the batch; `None` for the batch itself.
    op: Option<usize>,
}

/// A batch or a message: its members, and the objects of its `ops`.
pub(super) struct Envelope<'a> {
    pub(super) members: Object<'a>,
    pub(super) ops: Option<Vec<Object<'a>>>,
}

impl<'a> Object<'a> {
    /// Reads the next member's value and keeps it, if there is room.
    fn read<A: MapAccess<'a>>(&mut self, name: Cow<'a, str>, map: &mut A) -> Result<(), A::Error> {
        if self.members.len() == MEMBERS_MAX {
            return map.next_value::<IgnoredAny>().map(drop);
        }
        self.members.push((name, map.next_value()?));
        Ok(())
    }

    /// A refusal of one of its fields.
    pub(super) fn fault(&self, field: &str, detail: impl Into<String>) -> BatchError {
        BatchError::Field { op: self.op, field: shortened(field), detail: detail.into() }
    }

    /// Takes a member's value. `null` counts as absent.
    pub(super) fn take(&mut self, field: &str) -> Option<&'a RawValue> {
        let at = self.members.iter().position(|(name, _)| name == field)?;
        let (_, value) = self.members.swap_remove(at);
        Some(value).filter(|value| value.get() != "null")
    }

    /// Takes a string.
    pub(super) fn string(&mut self, field: &str) -> Result<Option<Cow<'a, str>>, BatchError> {
        let Some(value) = self.take(field) else { return Ok(None) };
        match serde_json::from_str::<Text<'a>>(value.get()) {
            Ok(Text(text)) => Ok(Some(text)),
            Err(_) if value.get().starts_with('"') => Err(self.fault(field, "holds half of a surrogate pair")),
            Err(_) => Err(self.fault(field, "must be a string")),
        }
    }

    /// Takes a string that must be there.
    pub(super) fn required(&mut self, field: &str) -> Result<Cow<'a, str>, BatchError> {
        self.string(field)?.ok_or_else(|| self.fault(field, "is missing"))
    }

    /// Takes text that must be there and may be cut anywhere: lone halves of surrogate pairs are kept.
    pub(super) fn piece(&mut self, field: &str) -> Result<Piece, BatchError> {
        let value = self.take(field).ok_or_else(|| self.fault(field, "is missing"))?;
        let mut deserializer = serde_json::Deserializer::from_str(value.get());
        deserializer.deserialize_bytes(PieceVisitor).map_err(|_| self.fault(field, "must be a string"))
    }

    /// Takes `true` or `false`; absent is `false`.
    pub(super) fn flag(&mut self, field: &str) -> Result<bool, BatchError> {
        match self.take(field).map(RawValue::get) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(self.fault(field, "must be true or false")),
        }
    }

    /// Refuses what nobody took. `known` says what is known, for the reader of the refusal.
    pub(super) fn finish(self, known: &str) -> Result<(), BatchError> {
        match self.members.first() {
            Some((name, _)) => Err(self.fault(name, format!("is not known here: {known}"))),
            None => Ok(()),
        }
    }

    /// Refuses a member that stands twice.
    fn without_doubles(self) -> Result<Self, BatchError> {
        let twice = |(i, (name, _)): (usize, &(Cow<'a, str>, &'a RawValue))| {
            self.members[..i].iter().any(|(other, _)| other == name).then(|| name.clone())
        };
        match self.members.iter().enumerate().find_map(twice) {
            Some(name) => Err(self.fault(&name, "stands there twice")),
            None => Ok(self),
        }
    }
}

impl<'a> Envelope<'a> {
    /// Takes a body apart; at most `ops_max` ops.
    pub(super) fn parse(body: &'a [u8], ops_max: usize) -> Result<Self, BatchError> {
        let text = std::str::from_utf8(body)
            .map_err(|error| BatchError::Json { detail: format!("not UTF-8 at byte {}", error.valid_up_to()) })?;
        let at = Cell::new(At::Body);
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let parsed = EnvelopeSeed { at: &at, ops_max }.deserialize(&mut deserializer);
        let parsed = parsed.and_then(|envelope| deserializer.end().map(|()| envelope));
        let envelope = parsed.map_err(|error| match at.get() {
            _ if !error.is_data() => BatchError::Json { detail: error.to_string() },
            At::Body => BatchError::Field { op: None, field: String::new(), detail: "must be an object".into() },
            At::Ops => BatchError::Field { op: None, field: "ops".into(), detail: "must be an array".into() },
            At::TwoOps => BatchError::Field { op: None, field: "ops".into(), detail: "stands there twice".into() },
            At::Op(i) if i == ops_max => {
                BatchError::Field { op: None, field: "ops".into(), detail: format!("may hold at most {ops_max} ops") }
            }
            At::Op(i) => BatchError::Field { op: Some(i), field: String::new(), detail: "must be an object".into() },
        })?;
        let ops = envelope.ops.map(|ops| ops.into_iter().map(Object::without_doubles).collect());
        Ok(Self { members: envelope.members.without_doubles()?, ops: ops.transpose()? })
    }
}

/// A field's name in a refusal: an unknown one may be as long as the body.
fn shortened(field: &str) -> String {
    let mut name: String = field.chars().take(64).collect();
    if name.len() < field.len() {
        name.push('…');
    }
    name
}

/// Where the walk is, to tell what should have stood there.
#[derive(Clone, Copy)]
enum At {
    Body,
    Ops,
    TwoOps,
    Op(usize),
}

struct EnvelopeSeed<'c> {
    at: &'c Cell<At>,
    ops_max: usize,
}

impl<'de> DeserializeSeed<'de> for EnvelopeSeed<'_> {
    type Value = Envelope<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for EnvelopeSeed<'_> {
    type Value = Envelope<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut envelope = Envelope { members: Object { members: Vec::with_capacity(4), op: None }, ops: None };
        while let Some(Text(name)) = map.next_key()? {
            if name != "ops" {
                envelope.members.read(name, &mut map)?;
                continue;
            }
            if envelope.ops.is_some() {
                self.at.set(At::TwoOps);
                return Err(A::Error::custom("twice"));
            }
            self.at.set(At::Ops);
            envelope.ops = Some(map.next_value_seed(OpsSeed { at: self.at, ops_max: self.ops_max })?);
            self.at.set(At::Body);
        }
        Ok(envelope)
    }
}

struct OpsSeed<'c> {
    at: &'c Cell<At>,
    ops_max: usize,
}

impl<'de> DeserializeSeed<'de> for OpsSeed<'_> {
    type Value = Vec<Object<'de>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for OpsSeed<'_> {
    type Value = Vec<Object<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut ops = Vec::new();
        self.at.set(At::Op(0));
        while let Some(mut op) = seq.next_element::<Object<'de>>()? {
            if ops.len() == self.ops_max {
                return Err(A::Error::custom("too many"));
            }
            op.op = Some(ops.len());
            ops.push(op);
            self.at.set(At::Op(ops.len()));
        }
        Ok(ops)
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut object = Object { members: Vec::with_capacity(4), op: None };
                while let Some(Text(name)) = map.next_key()? {
                    object.read(name, &mut map)?;
                }
                Ok(object)
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// A string, borrowed where it has no escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrowing;
        impl<'de> Visitor<'de> for Borrowing {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Borrowing)
    }
}

struct PieceVisitor;

impl Visitor<'_> for PieceVisitor {
    type Value = Piece;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Piece, E> {
        Ok(Piece::from_bytes(bytes.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_members_some_are_kept_and_one_is_named() {
        let mut body = (0..100_000).fold(String::from("{"), |body, n| body + &format!("\"m{n}\":1,"));
        body.push_str("\"stream\":\"s\"}");
        let envelope = Envelope::parse(body.as_bytes(), 1).unwrap();
        assert_eq!(envelope.members.members.len(), MEMBERS_MAX);
        let refusal = envelope.members.finish("nothing").unwrap_err();
        assert!(matches!(refusal, BatchError::Field { op: None, ref field, .. } if field == "m0"), "{refusal:?}");
    }
}
