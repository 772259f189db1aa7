//! Ticks and snapshots, encoded once for everyone who watches.
//!
//! One buffer holds the SSE events of all frames; a WebSocket takes the JSON of each out of the same buffer. What the
//! connections that watch several channels need is made from it, the first time one asks.
//!
//! ```text
//! size⏎data: {"type":"stream","stream":"a","ops":[…]}⏎⏎data: {"type":"stream","stream":"b","ops":[…],"id":"1f-7"}⏎id: 1f-7⏎⏎ ⏎ heads
//!            ╰──────── frames()[0] ─────────────────╯        ╰──────── frames()[1] ────────────────────────────╯
//!      ╰─────────────────────────────── sse_without_id() ────────────────────────────────────────────────────────╯
//! ```
//!
//! Around the events stands the framing of an HTTP chunk, and behind them the head of each frame as a WebSocket message:
//! so both are written to a socket from this one buffer, as they are.
//!
//! **Invariant:** only the last frame of a tick or of a snapshot carries the id (`only_the_last_frame_commits`).
//! **Invariant:** every form says the same (`every_form_of_a_tick_says_the_same`).
//!
//! **Source:** `openapi/protocol.md`, "Ids", "Server-Sent Events"; WHATWG HTML §9.2; RFC 9112 §7.1 (chunks); RFC 6455 §5.2
//! (frames).

use std::ops::Range;
use std::sync::{LazyLock, OnceLock};

use bytes::Bytes;

use super::compact::{self, Declared};
use super::frame::{self, Frame, OPENING, ResetReason};
use super::json;
use super::name::ChannelName;
use super::position::Position;
use super::wire::{Wire, Wires};

const DATA: &str = "data: ";

/// Frames that are sent at once, encoded, in one wire or in several.
#[derive(Debug)]
pub struct EncodedTick {
    channel: ChannelName,
    from: Option<Position>,
    to: Position,
    /// By wire.
    forms: [Option<Form>; 2],
    /// What was declared on the compact wire before it.
    before: Option<Declared>,
}

/// A tick in one wire.
#[derive(Debug)]
struct Form {
    plain: EncodedFrames,
    with_channel: OnceLock<EncodedFrames>,
}

/// The frames of a tick in one form. Clones share the bytes.
#[derive(Clone, Debug, Default)]
pub struct EncodedFrames {
    /// The chunk, then the WebSocket heads. Empty where there is no frame.
    all: Bytes,
    /// Where the chunk ends.
    chunk_end: usize,
    /// Where the `id:` line begins.
    id_at: usize,
    frames: Box<[Place]>,
}

/// Where the parts of a frame stand.
#[derive(Clone, Debug)]
struct Place {
    json: Range<usize>,
    /// The head of its WebSocket message.
    head: Range<usize>,
}

/// The size of a chunk, in as many digits as any takes, and the line's end.
const CHUNK_HEAD_BYTES: usize = 10;
const CHUNK_TAIL: &str = "\r\n";

/// What a wire says that it does not have.
static NOTHING: LazyLock<EncodedFrames> = LazyLock::new(EncodedFrames::default);

impl EncodedTick {
    /// What leads from `from` to `to`, in djust's wire: may be no frame at all.
    #[must_use]
    pub fn tick(channel: ChannelName, from: Position, to: Position, frames: &[Frame]) -> Self {
        let wires = Wires::only(Wire::Djust);
        Self::next(channel, (from, to), frames, wires, &mut Declared::default())
    }

    /// What rebuilds the state at `to`, in djust's wire; `reset` where the page has an id already.
    #[must_use]
    pub fn snapshot(channel: ChannelName, to: Position, frames: &[Frame], reset: Option<ResetReason>) -> Self {
        Self::alone(channel, (None, to), frames, reset, (Wire::Djust, &Declared::default()))
    }

    /// What leads from one id to another and is sent to all, in these wires; `declared` moves on with it.
    #[must_use]
    pub fn next(
        channel: ChannelName,
        (from, to): (Position, Position),
        frames: &[Frame],
        wires: Wires,
        declared: &mut Declared,
    ) -> Self {
        let djust = wires.has(Wire::Djust).then(|| Form::new(EncodedFrames::djust(frames, to, None)));
        let before = wires.has(Wire::Compact).then(|| declared.clone());
        let compact = before.as_ref().map(|_| Form::new(EncodedFrames::compact(frames, (from, to), declared)));
        Self { channel, from: Some(from), to, forms: [djust, compact], before }
    }

    /// What one page is sent that joins, in its wire: a difference from its id, or a snapshot. `declared` is what the
    /// tick that follows takes for told.
    #[must_use]
    pub fn alone(
        channel: ChannelName,
        (from, to): (Option<Position>, Position),
        frames: &[Frame],
        reset: Option<ResetReason>,
        (wire, declared): (Wire, &Declared),
    ) -> Self {
        let forms = match wire {
            Wire::Djust => [Some(Form::new(EncodedFrames::djust(frames, to, reset))), None],
            Wire::Compact => [None, Some(Form::new(EncodedFrames::compact_alone(frames, to, reset, declared)))],
        };
        Self { channel, from, to, forms, before: None }
    }

    /// The channel.
    #[must_use]
    pub fn channel(&self) -> &ChannelName {
        &self.channel
    }

    /// The id that it continues from; a snapshot continues from none.
    #[must_use]
    pub fn from(&self) -> Option<Position> {
        self.from
    }

    /// The id at which a page stands that has applied it.
    #[must_use]
    pub fn to(&self) -> Position {
        self.to
    }

    /// Whether a page of this wire can take it. One that says nothing is in every wire.
    #[must_use]
    pub fn has(&self, wire: Wire) -> bool {
        self.forms[wire as usize].is_some() || self.forms.iter().flatten().any(|form| form.plain.is_empty())
    }

    /// What was declared on the compact wire before it, where it is in it.
    #[must_use]
    pub fn before(&self) -> Option<&Declared> {
        self.before.as_ref()
    }

    /// Its frames in a wire: for a connection that watches `several` channels, with the channel's name.
    #[must_use]
    pub fn frames(&self, wire: Wire, several: bool) -> &EncodedFrames {
        let Some(form) = &self.forms[wire as usize] else { return &NOTHING };
        if !several {
            return &form.plain;
        }
        form.with_channel.get_or_init(|| {
            let mut member = Vec::new();
            let at = match wire {
                Wire::Djust => {
                    frame::write_channel(&mut member, &self.channel);
                    OPENING.len()
                }
                Wire::Compact => {
                    json::parts(&mut member, ["\"", self.channel.as_str(), "\","]);
                    1
                }
            };
            form.plain.with_inserted(at, &member)
        })
    }

    /// Its frames in djust's wire, for a connection that watches this channel alone.
    #[must_use]
    pub fn plain(&self) -> &EncodedFrames {
        self.frames(Wire::Djust, false)
    }

    /// Its frames in djust's wire with the member `channel`, for a connection that watches several.
    #[must_use]
    pub fn with_channel(&self) -> &EncodedFrames {
        self.frames(Wire::Djust, true)
    }

    /// What it keeps in memory, in bytes, when all forms are made.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let form = |form: &Form| 2 * (form.plain.all.len() + form.plain.frames.len() * size_of::<Place>());
        let forms = self.forms.iter().flatten().map(form).sum::<usize>();
        size_of::<Self>() + forms + self.before.as_ref().map_or(0, Declared::bytes)
    }
}

impl Form {
    fn new(plain: EncodedFrames) -> Self {
        Self { plain, with_channel: OnceLock::new() }
    }
}

/// Events on their way into a buffer.
struct Events {
    out: Vec<u8>,
    places: Vec<Range<usize>>,
}

impl Events {
    fn new(frames: &[Frame]) -> Self {
        let hint = frames.iter().map(Frame::bytes_hint).sum();
        let mut out = Vec::with_capacity(hint);
        out.extend_from_slice(&[0; CHUNK_HEAD_BYTES]);
        Self { out, places: Vec::with_capacity(frames.len()) }
    }

    fn push(&mut self, last: bool, write: impl FnOnce(&mut Vec<u8>)) {
        json::raw(&mut self.out, DATA);
        let start = self.out.len();
        write(&mut self.out);
        self.places.push(start..self.out.len());
        json::raw(&mut self.out, if last { "\n" } else { "\n\n" });
    }

    fn end(mut self, to: Position) -> EncodedFrames {
        let id_at = self.out.len();
        json::display(&mut self.out, format_args!("id: {to}\n\n"));
        EncodedFrames::framed(self.out, self.places, id_at)
    }
}

impl EncodedFrames {
    fn djust(frames: &[Frame], to: Position, reset: Option<ResetReason>) -> Self {
        let mut events = Events::new(frames);
        for (i, frame) in frames.iter().enumerate() {
            let last = i + 1 == frames.len();
            events.push(last, |out| frame.write(out, None, last.then_some(to), reset.filter(|_| i == 0)));
        }
        events.end(to)
    }

    fn compact(frames: &[Frame], (from, to): (Position, Position), declared: &mut Declared) -> Self {
        let mut events = Events::new(frames);
        for (i, frame) in frames.iter().enumerate() {
            let last = i + 1 == frames.len();
            events.push(last, |out| declared.write(out, frame, last.then_some((from, to))));
        }
        if frames.is_empty() {
            declared.silence();
        }
        events.end(to)
    }

    fn compact_alone(frames: &[Frame], to: Position, reset: Option<ResetReason>, declared: &Declared) -> Self {
        let mut events = Events::new(frames);
        // Where there is no frame, one without a stream says what is declared.
        let all = frames.iter().map(Some).chain(frames.is_empty().then_some(None));
        let (count, mut cursor) = (frames.len().max(1), None);
        for (i, frame) in all.enumerate() {
            let last = (i + 1 == count).then_some((to, declared));
            let reset = reset.filter(|_| i == 0);
            events.push(last.is_some(), |out| compact::write_alone(out, (i, frame), reset, last, &mut cursor));
        }
        events.end(to)
    }

    /// The same with something put into every frame, so many bytes behind its beginning.
    fn with_inserted(&self, at: usize, member: &[u8]) -> Self {
        let mut out = Vec::with_capacity(self.all.len() + self.frames.len() * member.len());
        let mut places = Vec::with_capacity(self.frames.len());
        let mut copied = 0;
        for Place { json: place, .. } in &self.frames {
            let cut = place.start + at;
            let start = out.len() + place.start - copied;
            out.extend_from_slice(&self.all[copied..cut]);
            out.extend_from_slice(member);
            out.extend_from_slice(&self.all[cut..place.end]);
            places.push(start..out.len());
            copied = place.end;
        }
        let id_at = out.len() + self.id_at - copied;
        let events_end = self.chunk_end.saturating_sub(CHUNK_TAIL.len());
        out.extend_from_slice(&self.all[copied..events_end]);
        Self::framed(out, places, id_at)
    }

    /// Puts the framing around events that have [`CHUNK_HEAD_BYTES`] free before them.
    fn framed(mut out: Vec<u8>, places: Vec<Range<usize>>, id_at: usize) -> Self {
        if places.is_empty() {
            return Self { all: Bytes::new(), chunk_end: 0, id_at: 0, frames: Box::default() };
        }
        let size = u32::try_from(out.len() - CHUNK_HEAD_BYTES).expect("what a channel keeps is far below 4 GiB");
        out[..CHUNK_HEAD_BYTES].copy_from_slice(format!("{size:08X}\r\n").as_bytes());
        json::raw(&mut out, CHUNK_TAIL);
        let chunk_end = out.len();
        let frames = places.into_iter().map(|json| {
            let start = out.len();
            write_text_head(&mut out, json.len());
            Place { json, head: start..out.len() }
        });
        let frames = frames.collect();
        Self { all: out.into(), chunk_end, id_at, frames }
    }

    /// All frames as SSE events, the last with the `id:` of this channel. Empty where there is no frame.
    #[must_use]
    pub fn sse(&self) -> Bytes {
        let Some(events_end) = self.chunk_end.checked_sub(CHUNK_TAIL.len()) else { return Bytes::new() };
        self.all.slice(CHUNK_HEAD_BYTES..events_end)
    }

    /// [`EncodedFrames::sse`] as one chunk of an HTTP/1.1 body. Empty where there is no frame.
    #[must_use]
    pub fn sse_chunk(&self) -> Bytes {
        self.all.slice(..self.chunk_end)
    }

    /// [`EncodedFrames::sse`] without the last event's `id:` line and end: a connection that watches several channels writes
    /// `id: POSITIONS⏎⏎` itself. Empty where there is no frame, and then nothing may follow.
    #[must_use]
    pub fn sse_without_id(&self) -> Bytes {
        if self.is_empty() { Bytes::new() } else { self.all.slice(CHUNK_HEAD_BYTES..self.id_at) }
    }

    /// The head of a frame's WebSocket message, by its place in the tick; [`EncodedFrames::get`] gives what follows it.
    #[must_use]
    pub fn websocket_head(&self, index: usize) -> Option<Bytes> {
        self.frames.get(index).map(|place| self.all.slice(place.head.clone()))
    }

    /// The JSON of each frame, in order; the bytes are shared.
    pub fn json(&self) -> impl ExactSizeIterator<Item = Bytes> + '_ {
        self.frames.iter().map(|place| self.all.slice(place.json.clone()))
    }

    /// The JSON of one frame, by its place in the tick.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Bytes> {
        self.frames.get(index).map(|place| self.all.slice(place.json.clone()))
    }

    /// How many frames there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }
}

/// The head of an unfragmented text message of so many bytes, from a server.
fn write_text_head(out: &mut Vec<u8>, bytes: usize) {
    const TEXT: u8 = 0x81;
    match (u8::try_from(bytes), u16::try_from(bytes)) {
        (Ok(short @ ..=125), _) => out.extend_from_slice(&[TEXT, short]),
        (_, Ok(medium)) => {
            out.extend_from_slice(&[TEXT, 126]);
            out.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            out.extend_from_slice(&[TEXT, 127]);
            out.extend_from_slice(&(bytes as u64).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::protocol::{DomOp, StreamName};

    fn frame(stream: &str, text: &str) -> Frame {
        let op = DomOp::Text { target: None, text: text.into(), mode: None };
        Frame::new(StreamName::parse(stream).unwrap(), vec![op])
    }

    fn tick(frames: &[Frame]) -> EncodedTick {
        EncodedTick::tick(ChannelName::parse("c").unwrap(), at("1f-4"), at("1f-7"), frames)
    }

    fn at(id: &str) -> Position {
        id.parse().unwrap()
    }

    fn text(bytes: &Bytes) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_tick_is_written_as_events_of_which_the_last_commits() {
        let tick = tick(&[frame("a", "x"), frame("b", "y\r\n")]);
        let a = r#"{"type":"stream","stream":"a","ops":[{"op":"text","target":"[dj-stream='a']","text":"x"}]}"#;
        let b = r#"{"type":"stream","stream":"b","ops":[{"op":"text","target":"[dj-stream='b']","text":"y\r\n"}],"id":"1f-7"}"#;
        assert_eq!(text(&tick.plain().sse()), format!("data: {a}\n\ndata: {b}\nid: 1f-7\n\n"));
        assert_eq!(text(&tick.plain().sse_without_id()), format!("data: {a}\n\ndata: {b}\n"));
        assert_eq!(tick.plain().json().collect::<Vec<_>>(), [a, b]);
        assert_eq!((tick.from(), tick.to()), (Some(at("1f-4")), at("1f-7")));
    }

    #[test]
    fn a_tick_without_frames_says_nothing() {
        let tick = tick(&[]);
        for frames in [tick.plain(), tick.with_channel()] {
            assert!(frames.is_empty() && frames.sse().is_empty() && frames.sse_without_id().is_empty());
            assert!(frames.sse_chunk().is_empty() && frames.websocket_head(0).is_none());
            assert_eq!((frames.len(), frames.json().len(), frames.get(0)), (0, 0, None));
        }
    }

    #[test]
    fn a_snapshot_resets_with_its_first_frame() {
        let frames = [frame("a", "x"), frame("b", "y")];
        let encode = |reset| EncodedTick::snapshot(ChannelName::parse("c").unwrap(), at("1f-7"), &frames, reset);
        let members = |tick: &EncodedTick| -> Vec<(Value, Value, Value)> {
            let frames = tick.plain().json().map(|json| serde_json::from_slice::<Value>(&json).unwrap());
            frames.map(|frame| (frame["reset"].clone(), frame["reason"].clone(), frame["id"].clone())).collect()
        };
        let id = Value::from("1f-7");
        let none = || (Value::Null, Value::Null);
        let last = (none().0, none().1, id);
        assert_eq!(members(&encode(None)), [(none().0, none().1, Value::Null), last.clone()]);
        let gap = members(&encode(Some(ResetReason::Gap)));
        assert_eq!(gap, [(Value::Bool(true), Value::Null, Value::Null), last.clone()]);
        let epoch = members(&encode(Some(ResetReason::Epoch)));
        assert_eq!(epoch, [(Value::Bool(true), Value::from("epoch"), Value::Null), last]);
        assert_eq!(encode(None).from(), None);
    }

    /// For texts around each length at which the head of a message grows.
    #[test]
    fn chunk_and_heads_frame_the_events_of_each_form() {
        for bytes in (0..140).chain([65_300, 65_400, 65_500, 65_600]) {
            let frames = [frame("a", &"x".repeat(bytes)), frame("b", "y")];
            let tick = tick(&frames);
            for form in [tick.plain(), tick.with_channel()] {
                let chunk = form.sse_chunk();
                let (size, rest) = chunk.split_at(CHUNK_HEAD_BYTES);
                let size = str::from_utf8(size).unwrap().strip_suffix("\r\n").unwrap();
                assert_eq!(usize::from_str_radix(size, 16).unwrap(), form.sse().len());
                assert_eq!(rest, [&form.sse()[..], b"\r\n"].concat());
                assert_eq!(form.sse(), [&form.sse_without_id()[..], b"id: 1f-7\n\n"].concat());
                for (i, json) in form.json().enumerate() {
                    let head = form.websocket_head(i).unwrap();
                    let (told, wide) = match head[1] {
                        126 => (usize::from(u16::from_be_bytes([head[2], head[3]])), 4),
                        127 => (usize::try_from(u64::from_be_bytes(head[2..].try_into().unwrap())).unwrap(), 10),
                        short => (usize::from(short), 2),
                    };
                    assert_eq!((head[0], told, head.len()), (0x81, json.len(), wide));
                    assert_eq!(
                        wide,
                        if json.len() < 126 {
                            2
                        } else if json.len() < 65_536 {
                            4
                        } else {
                            10
                        }
                    );
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn only_the_last_frame_commits(texts in vec(any::<String>(), 1..6)) {
            let frames: Vec<Frame> = texts.iter().map(|text| frame("a", text)).collect();
            let tick = tick(&frames);
            for (i, json) in tick.plain().json().enumerate() {
                let id = &serde_json::from_slice::<Value>(&json).unwrap()["id"];
                prop_assert_eq!(id.as_str(), (i + 1 == texts.len()).then_some("1f-7"));
            }
            let sse = tick.plain().sse();
            prop_assert_eq!(text(&sse).matches("\nid: ").count(), 1);
            prop_assert!(text(&sse).ends_with("\nid: 1f-7\n\n"));
        }

        #[test]
        fn every_form_of_a_tick_says_the_same(texts in vec(any::<String>(), 0..6)) {
            let frames: Vec<Frame> = texts.iter().map(|text| frame("a", text)).collect();
            let tick = tick(&frames);
            let plain: Vec<Value> = tick.plain().json().map(|json| serde_json::from_slice(&json).unwrap()).collect();
            let mut named: Vec<Value> =
                tick.with_channel().json().map(|json| serde_json::from_slice(&json).unwrap()).collect();
            for frame in &mut named {
                prop_assert_eq!(frame.as_object_mut().unwrap().remove("channel"), Some(Value::from("c")));
            }
            prop_assert_eq!(&named, &plain);
            for frames in [tick.plain(), tick.with_channel()] {
                let (sse, cut) = (frames.sse(), frames.sse_without_id());
                // One line of data an event, whatever the text holds.
                let data: Vec<&str> = text(&sse).split('\n').filter_map(|line| line.strip_prefix("data: ")).collect();
                let json: Vec<Bytes> = frames.json().collect();
                prop_assert_eq!(&data, &json.iter().map(text).collect::<Vec<_>>());
                prop_assert!(!text(&sse).contains('\r'));
                let end = if texts.is_empty() { "" } else { "id: 1f-7\n\n" };
                prop_assert_eq!(text(&sse), format!("{}{end}", text(&cut)));
                prop_assert_eq!((0..frames.len()).filter_map(|i| frames.get(i)).collect::<Vec<_>>(), json);
            }
        }
    }
}
