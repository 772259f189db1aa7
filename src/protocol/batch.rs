//! One publish as it arrives: `{"stream":…,"ops":[…]}`, read strictly, so that a mistake is told and not carried on.
//!
//! **Invariant:** a refusal names the op and the field (`a_refusal_names_the_op_and_the_field`).
//!
//! **Source:** `openapi/protocol.md`, "Publishing"; vectors in `tests/vectors/batches.json`.

use std::borrow::Cow;

use thiserror::Error;

use super::name::{InvalidName, StreamName};
use super::object::Envelope;
use super::op::Op;
use super::piece::Piece;
use super::position::Epoch;
use super::read_op::read_op;

/// How large what arrives may be. `Default` holds the documented defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Content and target of one op, in bytes. Default 1 MiB.
    pub op_bytes_max: usize,
    /// Ops of one batch. Default 1,000.
    pub batch_ops_max: usize,
    /// The JSON of one batch, in bytes. Default 4 MiB.
    pub batch_bytes_max: usize,
    /// The JSON of an event's detail, in bytes. Default 16 KiB.
    pub event_detail_bytes_max: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            op_bytes_max: 1024 * 1024,
            batch_ops_max: 1000,
            batch_bytes_max: 4 * 1024 * 1024,
            event_detail_bytes_max: 16 * 1024,
        }
    }
}

/// A batch or a message that was refused. Nothing of it counts.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BatchError {
    /// It is no JSON.
    #[error("{detail}")]
    Json {
        /// What and where.
        detail: String,
    },
    /// A field is missing, unknown, or holds what it may not.
    #[error("{} {detail}", place(*.op, .field))]
    Field {
        /// The op by its place in the batch, from 0; `None` for the batch itself.
        op: Option<usize>,
        /// The field; empty for the op or batch as a whole.
        field: String,
        /// What is wrong with it.
        detail: String,
    },
    /// An op is too large.
    #[error("op {op} has {bytes} bytes; {max} are allowed")]
    OpTooLarge {
        /// The op by its place in the batch, from 0.
        op: usize,
        /// What it weighs.
        bytes: usize,
        /// What one op may weigh.
        max: usize,
    },
    /// The whole is too large.
    #[error("the batch has {bytes} bytes; {max} are allowed")]
    TooLarge {
        /// What it weighs.
        bytes: usize,
        /// What one batch may weigh.
        max: usize,
    },
    /// A name is none.
    #[error(transparent)]
    Name(#[from] InvalidName),
}

/// How a refusal begins: which op, which field.
fn place(op: Option<usize>, field: &str) -> String {
    match (op, field) {
        (None, "") => "the batch".to_owned(),
        (None, field) => format!("`{field}`"),
        (Some(op), "") => format!("op {op}: the op"),
        (Some(op), field) => format!("op {op}: `{field}`"),
    }
}

/// One publish: ops of one stream, all or none of which count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The stream.
    pub stream: StreamName,
    /// The ops, at least one. A target that is the stream's own element is left out of them (but of `delete`).
    pub ops: Vec<Op<Piece>>,
    /// The publisher's name for it, so that a retry does not count twice: 1 to 255 visible ASCII characters.
    pub key: Option<String>,
    /// The life of the log that the publisher thinks it writes to.
    pub epoch: Option<Epoch>,
}

impl Batch {
    /// Longest key, in bytes.
    pub const KEY_BYTES_MAX: usize = 255;

    /// A batch of these ops, without key or epoch.
    #[must_use]
    pub fn new(stream: StreamName, ops: Vec<Op<Piece>>) -> Self {
        Self { stream, ops, key: None, epoch: None }
    }

    /// Reads one JSON batch or one line of NDJSON. A `type` is accepted if it is `stream`, as in a frame.
    ///
    /// # Errors
    /// Names what is wrong: no JSON, an unknown or missing field, an op that is too large.
    pub fn parse(json: &[u8], sizes: &Sizes) -> Result<Self, BatchError> {
        if json.len() > sizes.batch_bytes_max {
            return Err(BatchError::TooLarge { bytes: json.len(), max: sizes.batch_bytes_max });
        }
        let mut envelope = Envelope::parse(json, sizes.batch_ops_max)?;
        if envelope.members.string("type")?.is_some_and(|kind| kind != "stream") {
            return Err(envelope.members.fault("type", "must be \"stream\" or absent"));
        }
        let batch = Self::take(&mut envelope, sizes)?;
        envelope.members.finish("a batch has `stream`, `ops`, `key` and `epoch`")?;
        Ok(batch)
    }

    /// Takes the members of a batch out of an envelope that may hold others.
    pub(super) fn take(envelope: &mut Envelope<'_>, sizes: &Sizes) -> Result<Self, BatchError> {
        let members = &mut envelope.members;
        let stream = StreamName::parse(&members.required("stream")?)?;
        let key = members.string("key")?.map(Cow::into_owned);
        if key.as_deref().is_some_and(|key| !Self::is_key(key)) {
            return Err(members.fault("key", "must be 1 to 255 visible ASCII characters"));
        }
        let epoch = match members.string("epoch")? {
            Some(text) => Some(text.parse().map_err(|_| members.fault("epoch", "is no epoch of this service"))?),
            None => None,
        };
        let objects = envelope.ops.take().ok_or_else(|| members.fault("ops", "is missing"))?;
        if objects.is_empty() {
            return Err(members.fault("ops", "must hold at least one op"));
        }
        let ops = objects.into_iter().enumerate().map(|(i, object)| read_op(i, object, &stream, sizes));
        Ok(Self { ops: ops.collect::<Result<_, _>>()?, stream, key, epoch })
    }

    /// Whether a text can name a publish.
    #[must_use]
    pub fn is_key(key: &str) -> bool {
        (1..=Self::KEY_BYTES_MAX).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic())
    }

    /// What its ops weigh, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.ops.iter().map(Op::bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{DomOp, Target};

    fn parse(json: &str) -> Result<Batch, BatchError> {
        Batch::parse(json.as_bytes(), &Sizes::default())
    }

    /// The only op of a batch that holds this one.
    fn op(json: &str) -> Result<Op<Piece>, BatchError> {
        parse(&format!(r#"{{"stream":"s","ops":[{json}]}}"#)).map(|mut batch| batch.ops.remove(0))
    }

    #[test]
    fn a_batch_is_read_whatever_the_order_of_its_members() {
        let batch = parse(
            r#" {"epoch":"1f","ops":[{"text":"a","op":"text"},{"op":"done"}],"type":"stream","key":"k-1","stream":"s"} "#,
        );
        let batch = batch.unwrap();
        let text = DomOp::Text { target: None, text: "a".into(), mode: None };
        let done = DomOp::Done { target: None, cancelled: false };
        assert_eq!(batch.ops, [Op::Dom(text), Op::Dom(done)]);
        assert_eq!((batch.stream.as_str(), batch.key.as_deref()), ("s", Some("k-1")));
        assert_eq!(batch.epoch, Some(Epoch::new(0x1f)));
        assert_eq!(batch.bytes(), 1);
    }

    #[test]
    fn null_counts_as_absent() {
        let batch = parse(
            r#"{"stream":"s","key":null,"epoch":null,"ops":[{"op":"text","text":"","mode":null,"target":null}]}"#,
        );
        assert_eq!(batch.unwrap().ops, [Op::Dom(DomOp::Text { target: None, text: "".into(), mode: None })]);
    }

    #[test]
    fn the_own_target_is_left_out_but_of_delete() {
        let own = op(r#"{"op":"text","text":"a","target":"[dj-stream=\"s\"]"}"#).unwrap();
        assert_eq!(own, Op::Dom(DomOp::Text { target: None, text: "a".into(), mode: None }));
        let other = op(r#"{"op":"done","target":"[dj-stream='t']"}"#).unwrap();
        assert_eq!(other, Op::Dom(DomOp::Done { target: Target::parse("[dj-stream='t']"), cancelled: false }));
        let deleted = op(r#"{"op":"delete","target":"[dj-stream='s']"}"#).unwrap();
        assert_eq!(deleted, Op::Dom(DomOp::Delete { target: Target::parse("[dj-stream='s']").unwrap() }));
    }

    #[test]
    fn text_may_end_in_half_a_character() {
        let text = |json: &str| match op(&format!(r#"{{"op":"markdown","text":"{json}"}}"#)) {
            Ok(Op::Markdown { text, .. }) => text.as_bytes().to_vec(),
            other => panic!("{other:?}"),
        };
        assert_eq!(text(r"a\ud83d"), b"a\xED\xA0\xBD");
        assert_eq!(text(r"\ude00b"), b"\xED\xB8\x80b");
        assert_eq!(text(r"\ud83d\ude00"), "😀".as_bytes());
        assert_eq!(text(r"\ud83d\u0041"), b"\xED\xA0\xBDA");
        assert_eq!(text("é\\u0000"), "é\0".as_bytes());
        let html = op(r#"{"op":"append","html":"\ud83d"}"#).unwrap_err();
        assert_eq!(html.to_string(), "op 0: `html` holds half of a surrogate pair");
    }

    #[test]
    fn a_refusal_names_the_op_and_the_field() {
        let check = |json: &str, expected: &str| {
            assert_eq!(parse(json).map_err(|error| error.to_string()).unwrap_err(), expected, "{json}");
        };
        let check_op = |json: &str, expected: &str| {
            let batch = format!(r#"{{"stream":"s","ops":[{{"op":"done"}},{json}]}}"#);
            check(&batch, &format!("op 1: {expected}"));
        };
        check("[]", "the batch must be an object");
        check("5", "the batch must be an object");
        check(r#"{"ops":[{"op":"done"}]}"#, "`stream` is missing");
        check(r#"{"stream":"s"}"#, "`ops` is missing");
        check(r#"{"stream":"s","ops":[]}"#, "`ops` must hold at least one op");
        check(r#"{"stream":"s","ops":{}}"#, "`ops` must be an array");
        check(r#"{"stream":5,"ops":[{"op":"done"}]}"#, "`stream` must be a string");
        check(r#"{"stream":"s","ops":[{"op":"done"}],"ops":[]}"#, "`ops` stands there twice");
        check(r#"{"stream":"s","stream":"s","ops":[{"op":"done"}]}"#, "`stream` stands there twice");
        check(r#"{"stream":"s","op":"done"}"#, "`ops` is missing");
        let known = "is not known here: a batch has `stream`, `ops`, `key` and `epoch`";
        check(r#"{"stream":"s","ops":[{"op":"done"}],"opz":1}"#, &format!("`opz` {known}"));
        check(r#"{"stream":"s","ops":[{"op":"done"}],"type":"x"}"#, "`type` must be \"stream\" or absent");
        check(r#"{"stream":"s","ops":[{"op":"done"}],"key":"a b"}"#, "`key` must be 1 to 255 visible ASCII characters");
        check(r#"{"stream":"s","ops":[{"op":"done"}],"epoch":"01"}"#, "`epoch` is no epoch of this service");
        check(
            r#"{"stream":"a b","ops":[{"op":"done"}]}"#,
            "a stream's name may hold A-Z a-z 0-9 _ . : @ ~ - only, not ' '",
        );

        check_op("7", "the op must be an object");
        check_op("{}", "`op` is missing");
        check_op(
            r#"{"op":"fly"}"#,
            "`op` is none of start, text, append, prepend, replace, delete, prune, error, done, event, markdown",
        );
        check_op(r#"{"op":"text"}"#, "`text` is missing");
        check_op(r#"{"op":"text","text":5}"#, "`text` must be a string");
        check_op(r#"{"op":"text","text":["a"]}"#, "`text` must be a string");
        check_op(r#"{"op":"text","text":"a","mode":"after"}"#, "`mode` must be append, replace or prepend");
        check_op(
            r#"{"op":"text","text":"a","html":"a"}"#,
            "`html` is not known here: `text` has `target`, `text` and `mode`",
        );
        check_op(r#"{"op":"text","text":"a","text":"b"}"#, "`text` stands there twice");
        check_op(r#"{"op":"append"}"#, "`html` is missing");
        check_op(r#"{"op":"delete"}"#, "`target` is missing");
        check_op(r#"{"op":"delete","target":""}"#, "`target` must be a selector of 1 to 1024 bytes without NUL");
        check_op(r#"{"op":"prune"}"#, "`limit` is missing");
        let number = "`limit` must be a whole number from 0 to 4294967295";
        for limit in ["\"3\"", "-1", "3.0", "1e2", "4294967296", "[3]"] {
            check_op(&format!(r#"{{"op":"prune","limit":{limit}}}"#), number);
        }
        check_op(r#"{"op":"prune","limit":1,"edge":"left"}"#, "`edge` must be top or bottom");
        check_op(r#"{"op":"done","cancelled":true}"#, "`cancelled` is not known here: `done` has `target`");
        check_op(r#"{"op":"start","clear":"yes"}"#, "`clear` must be true or false");
        check_op(r#"{"op":"event"}"#, "`name` is missing");
        check_op(r#"{"op":"event","name":"a\n"}"#, "`name` must have 1 to 128 bytes and no control characters");
        check_op(r#"{"op":"markdown","text":"a","options":[]}"#, "`options` must be an object");
        check_op(
            r#"{"op":"markdown","text":"a","target":"p"}"#,
            "`target` is not known here: `markdown` has `text` and `options`",
        );
    }

    #[test]
    fn what_is_no_json_says_where() {
        for (json, part) in [
            ("", "EOF while parsing"),
            ("{", "EOF while parsing"),
            (r#"{"stream":"s","ops":[{"op":"done"}]} x"#, "trailing characters at line 1 column 38"),
            ("{\"stream\":\"s\",\"ops\":[{\"op\":\"text\",\"text\":\"a\nb\"}]}", "control character"),
            (r#"{"stream":"s","ops":[{"op":"text","text":"\ux"}]}"#, "invalid escape"),
            (r#"{"stream":"s","ops":[{"op":"done"},]}"#, "trailing comma"),
        ] {
            match parse(json) {
                Err(BatchError::Json { detail }) => assert!(detail.contains(part), "{json}: {detail}"),
                other => panic!("{json}: {other:?}"),
            }
        }
        let error = Batch::parse(b"{\"stream\":\"\xFF\"}", &Sizes::default()).unwrap_err();
        assert_eq!(error.to_string(), "not UTF-8 at byte 11");
    }

    #[test]
    fn every_size_has_its_bound() {
        let sizes = Sizes { op_bytes_max: 4, batch_ops_max: 2, batch_bytes_max: 200, event_detail_bytes_max: 3 };
        let parse = |ops: &str| Batch::parse(format!(r#"{{"stream":"s","ops":[{ops}]}}"#).as_bytes(), &sizes);
        let done = r#"{"op":"done"}"#;
        assert!(parse(&format!("{done},{done}")).is_ok());
        let error = parse(&format!("{done},{done},{done}")).unwrap_err();
        assert_eq!(error.to_string(), "`ops` may hold at most 2 ops");
        assert!(parse(r#"{"op":"text","text":"abcd"}"#).is_ok());
        let error = parse(&format!(r#"{done},{{"op":"text","text":"abcde"}}"#)).unwrap_err();
        assert_eq!(error, BatchError::OpTooLarge { op: 1, bytes: 5, max: 4 });
        let error = parse(r#"{"op":"text","text":"abc","target":"p b"}"#).unwrap_err();
        assert_eq!(error, BatchError::OpTooLarge { op: 0, bytes: 6, max: 4 });
        assert!(parse(r#"{"op":"event","name":"n","detail": [ 1 ] }"#).is_ok());
        let error = parse(r#"{"op":"event","name":"n","detail":[12]}"#).unwrap_err();
        assert_eq!(error, BatchError::OpTooLarge { op: 0, bytes: 4, max: 3 });
        let error = Batch::parse(&[b' '; 201], &sizes).unwrap_err();
        assert_eq!(error, BatchError::TooLarge { bytes: 201, max: 200 });
        let options = format!(r#"{{"op":"markdown","text":"","options":{{"a":"{}"}}}}"#, "x".repeat(5000));
        assert_eq!(op(&options).unwrap_err().to_string(), "op 0: `options` may have at most 4096 bytes");
    }

    #[test]
    fn an_unknown_field_is_named_shortly() {
        let error = op(&format!(r#"{{"op":"done","{}":1}}"#, "é".repeat(1000))).unwrap_err();
        assert!(error.to_string().len() < 300, "{error}");
    }

    #[test]
    fn deep_json_is_no_danger() {
        let deep = format!("{}{}", "[".repeat(8000), "]".repeat(8000));
        assert!(op(&format!(r#"{{"op":"event","name":"n","detail":{deep}}}"#)).is_ok());
        assert!(op(&format!(r#"{{"op":"markdown","text":"","options":{deep}}}"#)).is_err());
        assert!(op(&format!(r#"{{"op":"done","target":{deep}}}"#)).is_err());
    }
}
