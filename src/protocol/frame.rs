//! Frames: ops of one stream, adjacent in a tick, in djust's wire form.
//!
//! **Invariant:** every op carries its `target`, and `mode` only if the publisher set it
//! (`an_op_is_written_as_djust_writes_it`).
//!
//! **Source:** `openapi/protocol.md`, "Frames".

use serde::{Deserialize, Serialize};

use super::compact::CompactOp;
use super::json;
use super::name::{ChannelName, StreamName};
use super::op::{DomOp, Edge, Mode};
use super::position::Position;

/// What a run of a stream has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// It has not been started: a live feed, or a stream that only told events.
    Idle,
    /// It is being written.
    Active,
    /// It has ended by `done`.
    Done,
    /// Someone stopped it.
    Cancelled,
    /// It failed.
    Error,
}

impl RunState {
    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Active => "active",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
            Self::Error => "error",
        }
    }
}

/// What a run is made of, fixed by its first content op.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One document that grows by `markdown` ops.
    Markdown,
    /// Content ops on the page, in order.
    Ops,
}

impl Kind {
    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Markdown => "markdown",
            Self::Ops => "ops",
        }
    }
}

/// Why a page has to begin anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResetReason {
    /// The log no longer reaches back to its id, or never wrote it.
    Gap,
    /// The log has begun anew.
    Epoch,
}

impl ResetReason {
    /// Its name on the wire. In a frame, only `epoch` is told.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::Epoch => "epoch",
        }
    }
}

/// Ops of one stream, to be applied in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Whose.
    pub stream: StreamName,
    /// The ops.
    pub ops: Vec<DomOp>,
    /// What it says on the compact wire, where that is not just its ops.
    pub compact: Option<Vec<CompactOp>>,
    /// The state of the stream's run: named by the frames of a snapshot only.
    pub state: Option<RunState>,
}

impl Frame {
    /// A frame of a tick.
    #[must_use]
    pub fn new(stream: StreamName, ops: Vec<DomOp>) -> Self {
        Self { stream, ops, compact: None, state: None }
    }

    /// Whether it says nothing, on any wire.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty() && self.compact.as_ref().is_none_or(Vec::is_empty)
    }

    /// Appends the frame as JSON, without a line feed. `id` stands on the last frame of a tick or of a snapshot.
    pub fn write(
        &self,
        out: &mut Vec<u8>,
        channel: Option<&ChannelName>,
        id: Option<Position>,
        reset: Option<ResetReason>,
    ) {
        json::raw(out, OPENING);
        if let Some(channel) = channel {
            write_channel(out, channel);
        }
        json::parts(out, ["\"stream\":\"", self.stream.as_str(), "\",\"ops\":["]);
        for (i, op) in self.ops.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            write_op(out, Some(&self.stream), op);
        }
        out.push(b']');
        write_standing(out, self.state, reset);
        if let Some(id) = id {
            json::display(out, format_args!(",\"id\":\"{id}\""));
        }
        out.push(b'}');
    }

    /// About how many bytes its JSON has, so that a buffer need not grow often.
    #[must_use]
    pub fn bytes_hint(&self) -> usize {
        let each = 64 + self.stream.as_str().len();
        self.ops.iter().map(|op| op.bytes() + each).sum::<usize>() + 2 * each
    }
}

/// How every frame begins; what tells the channel comes right after it.
pub(super) const OPENING: &str = "{\"type\":\"stream\",";

/// Appends the member that tells the channel, for connections that watch several.
pub(super) fn write_channel(out: &mut Vec<u8>, channel: &ChannelName) {
    json::parts(out, ["\"channel\":\"", channel.as_str(), "\","]);
}

/// Appends the head of a frame of the compact wire that stands for itself: what the members of other frames say.
pub(super) fn write_compact_head(out: &mut Vec<u8>, frame: &Frame, reset: Option<ResetReason>) {
    json::parts(out, ["{\"stream\":\"", frame.stream.as_str(), "\""]);
    write_standing(out, frame.state, reset);
    out.push(b'}');
}

/// Appends what a frame of a snapshot says of its stream, and whether the page begins anew.
fn write_standing(out: &mut Vec<u8>, state: Option<RunState>, reset: Option<ResetReason>) {
    if let Some(state) = state {
        json::parts(out, [",\"state\":\"", state.as_str(), "\""]);
    }
    if let Some(reason) = reset {
        json::raw(out, ",\"reset\":true");
        if reason == ResetReason::Epoch {
            json::raw(out, ",\"reason\":\"epoch\"");
        }
    }
}

/// Appends `{"op":…,"target":…`, without the closing brace.
fn open_op(out: &mut Vec<u8>, stream: Option<&StreamName>, name: &str, op: &DomOp) {
    json::parts(out, ["{\"op\":\"", name, "\""]);
    match (op.target(), stream) {
        (Some(target), _) => {
            json::raw(out, ",\"target\":");
            json::value(out, target.as_str());
        }
        (None, Some(stream)) => json::parts(out, [",\"target\":\"[dj-stream='", stream.as_str(), "']\""]),
        (None, None) => {}
    }
}

/// Appends an op; the own element of the stream is its target where `stream` is given, else that goes without saying.
pub(super) fn write_op(out: &mut Vec<u8>, stream: Option<&StreamName>, op: &DomOp) {
    if let DomOp::Start { clear: true, .. } = op {
        open_op(out, stream, "replace", op);
        json::raw(out, ",\"html\":\"\"},");
    }
    open_op(out, stream, op.name(), op);
    match op {
        DomOp::Text { text, mode, .. } => {
            member(out, "text", text);
            if let Some(mode) = mode {
                json::parts(out, [",\"mode\":\"", mode_name(*mode), "\""]);
            }
        }
        DomOp::Html { html, .. } => member(out, "html", html),
        DomOp::Prune { limit, edge, .. } => {
            let edge = if *edge == Edge::Top { "top" } else { "bottom" };
            json::display(out, format_args!(",\"limit\":{limit},\"edge\":\"{edge}\""));
        }
        DomOp::Error { error, .. } => member(out, "error", error),
        DomOp::Done { cancelled: true, .. } => json::raw(out, ",\"cancelled\":true"),
        DomOp::Event { name, detail, .. } => {
            member(out, "name", name);
            json::parts(out, [",\"detail\":", detail.as_json()]);
        }
        DomOp::Start { .. } | DomOp::Delete { .. } | DomOp::Done { .. } => {}
    }
    out.push(b'}');
}

fn member(out: &mut Vec<u8>, name: &str, text: &str) {
    json::parts(out, [",\"", name, "\":"]);
    json::value(out, text);
}

fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Append => "append",
        Mode::Replace => "replace",
        Mode::Prepend => "prepend",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Detail, Place, Target};

    fn own(op: DomOp) -> String {
        written(&Frame::new(StreamName::parse("s").unwrap(), vec![op]), None, None, None)
    }

    fn written(
        frame: &Frame,
        channel: Option<&ChannelName>,
        id: Option<Position>,
        reset: Option<ResetReason>,
    ) -> String {
        let mut out = Vec::new();
        frame.write(&mut out, channel, id, reset);
        let text = String::from_utf8(out).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        text
    }

    #[test]
    fn an_op_is_written_as_djust_writes_it() {
        let check = |op: DomOp, expected: &str| {
            assert_eq!(own(op), format!(r#"{{"type":"stream","stream":"s","ops":[{expected}]}}"#));
        };
        let target = None;
        let text = |mode| DomOp::Text { target: None, text: "a\n\"<\u{2028}\u{0}".into(), mode };
        let plain = "\"text\":\"a\\n\\\"<\u{2028}\\u0000\"";
        check(text(None), &format!(r#"{{"op":"text","target":"[dj-stream='s']",{plain}}}"#));
        check(
            text(Some(Mode::Append)),
            &format!(r#"{{"op":"text","target":"[dj-stream='s']",{plain},"mode":"append"}}"#),
        );
        check(
            text(Some(Mode::Replace)),
            &format!(r#"{{"op":"text","target":"[dj-stream='s']",{plain},"mode":"replace"}}"#),
        );
        check(
            text(Some(Mode::Prepend)),
            &format!(r#"{{"op":"text","target":"[dj-stream='s']",{plain},"mode":"prepend"}}"#),
        );
        for (place, name) in [(Place::Append, "append"), (Place::Prepend, "prepend"), (Place::Replace, "replace")] {
            let expected = format!(r#"{{"op":"{name}","target":"[dj-stream='s']","html":"<p>"}}"#);
            check(DomOp::Html { place, target: None, html: "<p>".into() }, &expected);
        }
        check(
            DomOp::Delete { target: Target::parse("a[b=\"c\"]").unwrap() },
            r#"{"op":"delete","target":"a[b=\"c\"]"}"#,
        );
        check(
            DomOp::Prune { target: Target::parse("#l"), limit: 3, edge: Edge::Bottom },
            r##"{"op":"prune","target":"#l","limit":3,"edge":"bottom"}"##,
        );
        check(
            DomOp::Error { target: target.clone(), error: "no".into() },
            r#"{"op":"error","target":"[dj-stream='s']","error":"no"}"#,
        );
        let done = |cancelled| DomOp::Done { target: None, cancelled };
        check(done(false), r#"{"op":"done","target":"[dj-stream='s']"}"#);
        check(done(true), r#"{"op":"done","target":"[dj-stream='s']","cancelled":true}"#);
        let detail = Detail::try_from(r#"{ "n": 1 }"#.to_owned()).unwrap();
        check(
            DomOp::Event { target, name: "title".into(), detail, keep: true },
            r#"{"op":"event","target":"[dj-stream='s']","name":"title","detail":{"n":1}}"#,
        );
    }

    #[test]
    fn a_start_that_clears_empties_first() {
        let start = |clear| own(DomOp::Start { target: None, clear });
        let start_only = r#"{"op":"start","target":"[dj-stream='s']"}"#;
        assert_eq!(start(false), format!(r#"{{"type":"stream","stream":"s","ops":[{start_only}]}}"#));
        let empty = r#"{"op":"replace","target":"[dj-stream='s']","html":""}"#;
        assert_eq!(start(true), format!(r#"{{"type":"stream","stream":"s","ops":[{empty},{start_only}]}}"#));
    }

    #[test]
    fn a_frame_says_only_what_applies() {
        let mut frame = Frame::new(StreamName::parse("s").unwrap(), Vec::new());
        let channel = ChannelName::parse("c").unwrap();
        let id = Some("1f-7".parse().unwrap());
        assert_eq!(written(&frame, None, None, None), r#"{"type":"stream","stream":"s","ops":[]}"#);
        assert_eq!(written(&frame, None, id, None), r#"{"type":"stream","stream":"s","ops":[],"id":"1f-7"}"#);
        frame.state = Some(RunState::Cancelled);
        assert_eq!(
            written(&frame, Some(&channel), id, Some(ResetReason::Epoch)),
            r#"{"type":"stream","channel":"c","stream":"s","ops":[],"state":"cancelled","reset":true,"reason":"epoch","id":"1f-7"}"#
        );
        assert_eq!(
            written(&frame, None, None, Some(ResetReason::Gap)),
            r#"{"type":"stream","stream":"s","ops":[],"state":"cancelled","reset":true}"#
        );
    }
}
