//! One publish as it arrives: `{"stream":…,"ops":[…]}`, read strictly, so that a mistake is told and not carried on.
//!
//! **Invariant:** a refusal names the op and the field (`a_refusal_names_the_op_and_the_field`).
//!
//! **Source:** `openapi/protocol.md`, "Publishing"; vectors in `tests/vectors/batches.json`.

use std::borrow::Cow;

use thiserror::Error;

use super::detail::Detail;
use super::name::{InvalidName, StreamName};
use super::object::{Envelope, Object};
use super::op::{DomOp, Edge, Mode, Op, Place};
use super::piece::Piece;
use super::position::Epoch;
use super::target::Target;

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
    #[error("{}`{field}` {detail}", place(*.op))]
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

/// How a refusal begins that is about an op.
fn place(op: Option<usize>) -> String {
    op.map_or_else(String::new, |op| format!("op {op}: "))
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

fn read_op(at: usize, mut object: Object<'_>, stream: &StreamName, sizes: &Sizes) -> Result<Op<Piece>, BatchError> {
    let name = object.required("op")?;
    let op =
        if name == "markdown" { read_markdown(&mut object)? } else { read_dom_op(&name, &mut object, stream, sizes)? };
    if let Op::Dom(DomOp::Event { detail, .. }) = &op {
        let (bytes, max) = (detail.as_json().len(), sizes.event_detail_bytes_max);
        if bytes > max {
            return Err(BatchError::OpTooLarge { op: at, bytes, max });
        }
    }
    if op.bytes() > sizes.op_bytes_max {
        return Err(BatchError::OpTooLarge { op: at, bytes: op.bytes(), max: sizes.op_bytes_max });
    }
    object.finish(fields_of(&name))?;
    Ok(op)
}

fn read_markdown(object: &mut Object<'_>) -> Result<Op<Piece>, BatchError> {
    let options = match object.take("options") {
        Some(value) => {
            let options =
                serde_json::from_str(value.get()).map_err(|_| object.fault("options", "must be an object"))?;
            Some(Box::new(options))
        }
        None => None,
    };
    Ok(Op::Markdown { text: object.piece("text")?, options })
}

fn read_dom_op(
    name: &str,
    object: &mut Object<'_>,
    stream: &StreamName,
    sizes: &Sizes,
) -> Result<Op<Piece>, BatchError> {
    let named = read_target(object)?;
    let target = named.clone().filter(|target| !target.is_own(stream));
    Ok(Op::Dom(match name {
        "start" => DomOp::Start { target, clear: object.flag("clear")? },
        "text" => DomOp::Text { target, text: object.piece("text")?, mode: read_mode(object)? },
        "append" => DomOp::Html { place: Place::Append, target, html: read_html(object)? },
        "prepend" => DomOp::Html { place: Place::Prepend, target, html: read_html(object)? },
        "replace" => DomOp::Html { place: Place::Replace, target, html: read_html(object)? },
        "delete" => DomOp::Delete { target: named.ok_or_else(|| object.fault("target", "is missing"))? },
        "prune" => DomOp::Prune { target, limit: read_limit(object)?, edge: read_edge(object)? },
        "error" => DomOp::Error { target, error: read_error(object)? },
        "done" => DomOp::Done { target, cancelled: false },
        "event" => read_event(object, target, sizes)?,
        _ => {
            return Err(object.fault(
                "op",
                "is none of start, text, append, prepend, replace, delete, prune, error, done, event, markdown",
            ));
        }
    }))
}

/// What an op may have besides `op`.
fn fields_of(name: &str) -> &'static str {
    match name {
        "start" => "`start` has `target` and `clear`",
        "text" => "`text` has `target`, `text` and `mode`",
        "append" | "prepend" | "replace" => "it has `target` and `html`",
        "delete" => "`delete` has `target`",
        "prune" => "`prune` has `target`, `limit` and `edge`",
        "error" => "`error` has `target` and `error`",
        "done" => "`done` has `target`",
        "event" => "`event` has `target`, `name`, `detail` and `keep`",
        _ => "`markdown` has `text` and `options`",
    }
}

fn read_target(object: &mut Object<'_>) -> Result<Option<Target>, BatchError> {
    let Some(selector) = object.string("target")? else { return Ok(None) };
    match Target::parse(&selector) {
        Some(target) => Ok(Some(target)),
        None => Err(object.fault("target", "must be a selector of 1 to 1024 bytes without NUL")),
    }
}

fn read_html(object: &mut Object<'_>) -> Result<String, BatchError> {
    object.required("html").map(Cow::into_owned)
}

fn read_mode(object: &mut Object<'_>) -> Result<Option<Mode>, BatchError> {
    match object.string("mode")?.as_deref() {
        None => Ok(None),
        Some("append") => Ok(Some(Mode::Append)),
        Some("replace") => Ok(Some(Mode::Replace)),
        Some("prepend") => Ok(Some(Mode::Prepend)),
        Some(_) => Err(object.fault("mode", "must be append, replace or prepend")),
    }
}

/// Strict: a limit that a browser would read as "not a number" removes every child.
fn read_limit(object: &mut Object<'_>) -> Result<u32, BatchError> {
    let value = object.take("limit").ok_or_else(|| object.fault("limit", "is missing"))?;
    value.get().parse().map_err(|_| object.fault("limit", "must be a whole number from 0 to 4294967295"))
}

fn read_edge(object: &mut Object<'_>) -> Result<Edge, BatchError> {
    match object.string("edge")?.as_deref() {
        None | Some("top") => Ok(Edge::Top),
        Some("bottom") => Ok(Edge::Bottom),
        Some(_) => Err(object.fault("edge", "must be top or bottom")),
    }
}

/// The message that the page shows where the publisher gave none.
const ERROR_DEFAULT: &str = "Stream error";

fn read_error(object: &mut Object<'_>) -> Result<String, BatchError> {
    let message = object.string("error")?.filter(|message| !message.is_empty());
    Ok(message.map_or_else(|| ERROR_DEFAULT.to_owned(), Cow::into_owned))
}

/// Longest name of an event, in bytes.
const EVENT_NAME_BYTES_MAX: usize = 128;

fn read_event(object: &mut Object<'_>, target: Option<Target>, _: &Sizes) -> Result<DomOp<Piece>, BatchError> {
    let name = object.required("name")?.into_owned();
    if name.is_empty() || name.len() > EVENT_NAME_BYTES_MAX || name.contains(char::is_control) {
        return Err(object.fault("name", "must have 1 to 128 bytes and no control characters"));
    }
    let detail = object.take("detail").map_or_else(Detail::null, Detail::new);
    Ok(DomOp::Event { target, name, detail, keep: object.flag("keep")? })
}
