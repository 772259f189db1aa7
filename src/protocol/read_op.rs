//! One op as published: what it may have, and what each of its fields may be.
//!
//! **Source:** `openapi/protocol.md`, "Ops".

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::batch::{BatchError, Sizes};
use super::detail::Detail;
use super::name::StreamName;
use super::object::Object;
use super::op::{DomOp, Edge, Mode, Op, Place};
use super::piece::Piece;
use super::target::Target;

/// Reads the op at this place of a batch of `stream`.
pub(super) fn read_op(
    at: usize,
    mut object: Object<'_>,
    stream: &StreamName,
    sizes: &Sizes,
) -> Result<Op<Piece>, BatchError> {
    let name = object.required("op")?;
    let op = if name == "markdown" { read_markdown(&mut object)? } else { read_dom_op(&name, &mut object, stream)? };
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

/// Longest `options`, in bytes of JSON: several times what all known ones need.
const OPTIONS_BYTES_MAX: usize = 4096;

fn read_markdown(object: &mut Object<'_>) -> Result<Op<Piece>, BatchError> {
    let options = match object.take("options").map(RawValue::get) {
        Some(json) if json.len() > OPTIONS_BYTES_MAX => {
            return Err(object.fault("options", "may have at most 4096 bytes"));
        }
        Some(json) => Some(serde_json::from_str(json).map_err(|_| object.fault("options", "must be an object"))?),
        None => None,
    };
    Ok(Op::Markdown { text: object.piece("text")?, options: options.map(Box::new) })
}

fn read_dom_op(name: &str, object: &mut Object<'_>, stream: &StreamName) -> Result<Op<Piece>, BatchError> {
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
        "event" => read_event(object, target)?,
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

fn read_event(object: &mut Object<'_>, target: Option<Target>) -> Result<DomOp<Piece>, BatchError> {
    let name = object.required("name")?.into_owned();
    if name.is_empty() || name.len() > EVENT_NAME_BYTES_MAX || name.contains(char::is_control) {
        return Err(object.fault("name", "must have 1 to 128 bytes and no control characters"));
    }
    let detail = object.take("detail").map_or_else(Detail::null, Detail::new);
    Ok(DomOp::Event { target, name, detail, keep: object.flag("keep")? })
}
