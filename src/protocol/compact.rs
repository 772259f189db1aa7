//! The compact wire: numbers for streams, deltas for ids, paths for selectors, and nothing said twice in a row.
//!
//! ```text
//!  ["response","1f-1",[{"op":"start"},[4,"","<p>Hi</p>"]]]     a new stream: its name, and it has number 0 from now on
//!  [0,1,[[0,"-1"," the"]]]                                     ids go on by one; text into the last element
//!  [0,1,["re"]]                                                the same once more
//!   │ │   ╰─ the cursor: stream, code and path of the last op that added something
//!   │ ╰─ commit: 0 none yet, n so many entries further, or a whole id
//!   ╰─ stream
//! ```
//!
//! What an encoded tick means depends on what was said before it: the numbers given so far, and the cursor. That is
//! [`Declared`], and is told to whoever begins to read in the middle.
//!
//! **Invariant:** a client that was told what is declared at a tick reads it and all that follow
//! (`a_reader_may_begin_at_every_tick`).
//!
//! **Source:** `openapi/protocol.md`, "Compact wire".

use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap as _, SerializeTuple as _, Serializer};

use super::frame::{self, Frame, ResetReason};
use super::json;
use super::name::StreamName;
use super::position::Position;

/// A change of a document, below the element of its stream. A path goes by element children, from 0, or -1 for the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The element's content goes on with this text.
    AppendText {
        /// The element.
        path: String,
        /// Plain text.
        text: String,
    },
    /// The element gains these children at its end.
    AppendHtml {
        /// The element.
        path: String,
        /// Text and elements.
        html: String,
    },
    /// The text that the element ends with loses its end.
    Trim {
        /// The element.
        path: String,
        /// So many UTF-16 code units.
        units: usize,
    },
    /// The element loses its last child node.
    DeleteLast {
        /// The element.
        path: String,
    },
    /// All children of the element give way to these.
    Replace {
        /// The element.
        path: String,
        /// Its new children.
        html: String,
    },
    /// Some child nodes of the element give way to these.
    Splice {
        /// The element.
        path: String,
        /// They begin so many child nodes before the end.
        back: usize,
        /// So many go.
        remove: usize,
        /// What comes in their place.
        html: String,
    },
}

/// What a frame says on the compact wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompactOp {
    /// The op of the frame that has this place among them.
    Op(usize),
    /// A change of the stream's document.
    Change(Change),
}

/// The last op that added something: what a bare string repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    stream: u32,
    code: u8,
    path: Arc<str>,
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut all = serializer.serialize_tuple(3)?;
        all.serialize_element(&self.stream)?;
        all.serialize_element(&self.code)?;
        all.serialize_element(&*self.path)?;
        all.end()
    }
}

/// What the frames so far have declared. Clones are cheap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// The streams in the order of their numbers.
    streams: Arc<[StreamName]>,
    cursor: Option<Cursor>,
    /// Whether the id before the next tick may not have been told: it then tells its own whole.
    unsure: bool,
}

impl Default for Declared {
    fn default() -> Self {
        Self { streams: Arc::default(), cursor: None, unsure: true }
    }
}

impl Declared {
    fn number(&self, stream: &StreamName) -> Option<u32> {
        let at = self.streams.iter().position(|known| known == stream)?;
        u32::try_from(at).ok()
    }

    /// Gives a stream the next number.
    fn add(&mut self, stream: &StreamName) -> u32 {
        self.streams = self.streams.iter().chain([stream]).cloned().collect();
        u32::try_from(self.streams.len() - 1).unwrap_or(u32::MAX)
    }

    /// What it keeps in memory, in bytes, beside the names.
    pub(super) fn bytes(&self) -> usize {
        self.cursor.as_ref().map_or(0, |cursor| cursor.path.len())
    }

    /// A tick was made that says nothing: clients don't learn its id.
    pub(super) fn silence(&mut self) {
        self.unsure = true;
    }

    /// Appends a frame of a tick. `id`: on the last one, the ids before and after the tick.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, frame: &Frame, id: Option<(Position, Position)>) {
        out.push(b'[');
        let number = match self.number(&frame.stream) {
            Some(number) => {
                json::display(out, format_args!("{number}"));
                number
            }
            None => {
                json::value(out, &frame.stream);
                self.add(&frame.stream)
            }
        };
        match id {
            None => json::raw(out, ",0,["),
            Some((from, to)) if !self.unsure && from.epoch == to.epoch => {
                json::display(out, format_args!(",{},[", to.offset - from.offset));
            }
            Some((_, to)) => json::display(out, format_args!(",\"{to}\",[")),
        }
        if id.is_some() {
            self.unsure = false;
        }
        Ops { out, number, cursor: &mut self.cursor }.write(frame);
        json::raw(out, "]]");
    }
}

/// Appends a frame of a difference or a snapshot, or that it has none: it stands for itself, so its stream is named
/// without a number. The `last` one has the id, and says what is declared for the tick that follows.
pub(super) fn write_alone(
    out: &mut Vec<u8>,
    (place, frame): (usize, Option<&Frame>),
    reset: Option<ResetReason>,
    last: Option<(Position, &Declared)>,
    cursor: &mut Option<Cursor>,
) {
    out.push(b'[');
    match frame {
        Some(frame) => frame::write_compact_head(out, frame, reset),
        None => json::raw(out, "null"),
    }
    match last {
        Some((id, _)) => json::display(out, format_args!(",\"{id}\",[")),
        None => json::raw(out, ",0,["),
    }
    if let Some(frame) = frame {
        // Each frame by itself: what one has added, the next does not repeat.
        let number = u32::try_from(place).unwrap_or(u32::MAX);
        Ops { out, number, cursor }.write(frame);
    }
    out.push(b']');
    if let Some((_, declared)) = last {
        out.push(b',');
        json::value(out, declared);
    }
    out.push(b']');
}

impl Serialize for Declared {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut all = serializer.serialize_map(Some(2))?;
        all.serialize_entry("streams", &*self.streams)?;
        all.serialize_entry("cursor", &self.cursor)?;
        all.end()
    }
}

/// The ops of a frame.
struct Ops<'a> {
    out: &'a mut Vec<u8>,
    number: u32,
    cursor: &'a mut Option<Cursor>,
}

impl Ops<'_> {
    fn write(&mut self, frame: &Frame) {
        let start = self.out.len();
        let next = |this: &mut Self| {
            if this.out.len() > start {
                this.out.push(b',');
            }
        };
        match &frame.compact {
            None => {
                for op in &frame.ops {
                    next(self);
                    frame::write_op(self.out, None, op);
                }
            }
            Some(all) => {
                for op in all {
                    next(self);
                    match op {
                        CompactOp::Op(at) => frame.ops.get(*at).into_iter().for_each(|op| {
                            frame::write_op(self.out, None, op);
                        }),
                        CompactOp::Change(change) => self.change(change),
                    }
                }
            }
        }
    }

    fn change(&mut self, change: &Change) {
        match change {
            Change::AppendText { path, text } => self.add(0, path, text),
            Change::AppendHtml { path, html } => self.add(1, path, html),
            Change::Replace { path, html } => self.add(4, path, html),
            Change::Trim { path, units } => json::display(self.out, format_args!("[2,\"{path}\",{units}]")),
            Change::DeleteLast { path } => json::display(self.out, format_args!("[3,\"{path}\"]")),
            Change::Splice { path, back, remove, html } => {
                json::display(self.out, format_args!("[5,\"{path}\",{back},{remove},"));
                json::value(self.out, html);
                self.out.push(b']');
            }
        }
    }

    /// Something is added: as a bare string where the last one was added in the same way.
    fn add(&mut self, code: u8, path: &str, content: &str) {
        let same = |cursor: &Cursor| cursor.stream == self.number && cursor.code == code && *cursor.path == *path;
        if self.cursor.as_ref().is_some_and(same) {
            return json::value(self.out, content);
        }
        json::display(self.out, format_args!("[{code},\"{path}\","));
        json::value(self.out, content);
        self.out.push(b']');
        *self.cursor = Some(Cursor { stream: self.number, code, path: path.into() });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::protocol::{ChannelName, DomOp, EncodedTick, Wire, Wires};

    fn frame(stream: &str, changes: Vec<Change>) -> Frame {
        let compact = changes.into_iter().map(CompactOp::Change).collect();
        Frame { compact: Some(compact), ..Frame::new(StreamName::parse(stream).unwrap(), Vec::new()) }
    }

    fn text(path: &str, text: &str) -> Change {
        Change::AppendText { path: path.into(), text: text.into() }
    }

    fn at(id: &str) -> Position {
        id.parse().unwrap()
    }

    /// The messages of a tick from offset `from` to `to`.
    fn tick(declared: &mut Declared, from: u64, to: u64, frames: &[Frame]) -> Vec<String> {
        let epoch = at("1f-0").epoch;
        let channel = ChannelName::parse("c").unwrap();
        let wires = Wires::only(Wire::Compact);
        let tick = EncodedTick::next(channel, (epoch.at(from), epoch.at(to)), frames, wires, declared);
        messages(&tick)
    }

    fn messages(tick: &EncodedTick) -> Vec<String> {
        tick.frames(Wire::Compact, false).json().map(|json| String::from_utf8(json.to_vec()).unwrap()).collect()
    }

    #[test]
    fn nothing_is_said_twice_in_a_row() {
        let mut declared = Declared::default();
        let start = Frame::new(StreamName::parse("a").unwrap(), vec![DomOp::Start { target: None, clear: false }]);
        assert_eq!(tick(&mut declared, 0, 1, &[start]), [r#"["a","1f-1",[{"op":"start"}]]"#]);
        let root = Change::Replace { path: String::new(), html: "<p>x</p>".into() };
        assert_eq!(tick(&mut declared, 1, 2, &[frame("a", vec![root])]), [r#"[0,1,[[4,"","<p>x</p>"]]]"#]);
        let words = vec![text("-1", "y"), text("-1", "\"z")];
        assert_eq!(tick(&mut declared, 2, 5, &[frame("a", words)]), [r#"[0,3,[[0,"-1","y"],"\"z"]]"#]);
        let both = [frame("b", vec![text("", "b")]), frame("a", vec![text("-1", "w")])];
        assert_eq!(tick(&mut declared, 5, 6, &both), [r#"["b",0,[[0,"","b"]]]"#, r#"[0,1,[[0,"-1","w"]]]"#]);
        // What takes back leaves the cursor where it is.
        let back = vec![
            Change::Trim { path: "-1".into(), units: 2 },
            Change::DeleteLast { path: "0.1".into() },
            Change::Splice { path: "2".into(), back: 3, remove: 1, html: "<b>".into() },
            text("-1", "v"),
        ];
        let said = r#"[0,1,[[2,"-1",2],[3,"0.1"],[5,"2",3,1,"<b>"],"v"]]"#;
        assert_eq!(tick(&mut declared, 6, 7, &[frame("a", back)]), [said]);
        let cursor = serde_json::to_value(&declared).unwrap();
        assert_eq!(cursor, json!({ "streams": ["a", "b"], "cursor": [0, 0, "-1"] }));
    }

    #[test]
    fn an_id_that_follows_silence_is_told_whole() {
        let mut declared = Declared::default();
        let word = || [frame("a", vec![text("", "x")])];
        assert_eq!(tick(&mut declared, 3, 4, &word()), [r#"["a","1f-4",[[0,"","x"]]]"#]);
        assert!(tick(&mut declared, 4, 5, &[]).is_empty());
        assert_eq!(tick(&mut declared, 5, 6, &word()), [r#"[0,"1f-6",["x"]]"#]);
        assert_eq!(tick(&mut declared, 6, 8, &word()), [r#"[0,2,["x"]]"#]);
    }

    #[test]
    fn what_one_page_is_sent_stands_for_itself_and_says_what_is_declared() {
        let mut declared = Declared::default();
        tick(&mut declared, 0, 1, &[frame("a", vec![text("", "x")])]);
        let channel = ChannelName::parse("c").unwrap();
        let alone = |frames: &[Frame], reset| {
            let wire = (Wire::Compact, &declared);
            messages(&EncodedTick::alone(channel.clone(), (None, at("1f-1")), frames, reset, wire))
        };
        let state = Some(super::super::RunState::Active);
        let frames = [frame("a", vec![text("", "x"), text("", "y")]), frame("b", vec![text("", "z")])];
        let frames = frames.map(|frame| Frame { state, ..frame });
        let said = r#"{"streams":["a"],"cursor":[0,0,""]}"#;
        assert_eq!(
            alone(&frames, Some(ResetReason::Epoch)),
            [
                r#"[{"stream":"a","state":"active","reset":true,"reason":"epoch"},0,[[0,"","x"],"y"]]"#.to_owned(),
                format!(r#"[{{"stream":"b","state":"active"}},"1f-1",[[0,"","z"]],{said}]"#),
            ]
        );
        assert_eq!(alone(&[], None), [format!(r#"[null,"1f-1",[],{said}]"#)]);
    }

    /// A client's side, as short as it can be: what is declared, and frames made explicit.
    #[derive(Clone, PartialEq, Debug)]
    struct Reader {
        streams: Vec<Value>,
        cursor: Value,
        offset: u64,
    }

    impl Reader {
        fn of(declared: &Declared, offset: u64) -> Self {
            let said = serde_json::to_value(declared).unwrap();
            Self { streams: said["streams"].as_array().unwrap().clone(), cursor: said["cursor"].clone(), offset }
        }

        fn read(&mut self, message: &str) -> Vec<Value> {
            let frame: Value = serde_json::from_str(message).unwrap();
            let number = frame[0].as_u64().unwrap_or_else(|| {
                self.streams.push(frame[0].clone());
                self.streams.len() as u64 - 1
            });
            match &frame[1] {
                Value::String(id) => self.offset = id.split_once('-').unwrap().1.parse().unwrap(),
                delta => self.offset += delta.as_u64().unwrap(),
            }
            let stream = self.streams[usize::try_from(number).unwrap()].clone();
            let mut ops = Vec::new();
            for op in frame[2].as_array().unwrap() {
                if op.is_string() {
                    assert_eq!(self.cursor[0], number, "a bare string in a frame of another stream");
                    ops.push(json!([self.cursor[1], self.cursor[2], op]));
                    continue;
                }
                if [0, 1, 4].iter().any(|code| op[0] == *code) {
                    self.cursor = json!([number, op[0], op[1]]);
                }
                ops.push(op.clone());
            }
            // Before the commit each may stand where it was told last.
            let id = (frame[1] != 0).then_some(self.offset);
            ops.into_iter().map(|op| json!([stream, op, id])).collect()
        }
    }

    type Draw = (u8, Vec<(u8, u8)>);

    proptest! {
        #[test]
        fn a_reader_may_begin_at_every_tick(
            ticks in proptest::collection::vec(proptest::collection::vec(
                (0..3_u8, proptest::collection::vec((0..6_u8, 0..3_u8), 1..4)), 0..3), 1..12),
        ) {
            let mut declared = Declared::default();
            let mut first = Reader::of(&declared, 0);
            let mut readers: Vec<Reader> = Vec::new();
            for (from, tick_drawn) in (0..).zip(&ticks) {
                readers.push(Reader::of(&declared, from));
                let frames: Vec<Frame> = tick_drawn.iter().map(drawn).collect();
                let messages = tick(&mut declared, from, from + 1, &frames);
                for message in messages {
                    let said = first.read(&message);
                    for reader in &mut readers {
                        prop_assert_eq!(&reader.read(&message), &said);
                    }
                }
                if !frames.is_empty() {
                    prop_assert_eq!(first.offset, from + 1);
                    prop_assert!(readers.iter().all(|reader| *reader == first));
                }
            }
        }
    }

    fn drawn((stream, changes): &Draw) -> Frame {
        let change = |(what, path): &(u8, u8)| {
            let path = ["", "-1", "0.-1"][usize::from(*path)].to_owned();
            match what {
                0 | 1 => Change::AppendText { path, text: "t".into() },
                2 => Change::AppendHtml { path, html: "<p>".into() },
                3 => Change::Trim { path, units: 1 },
                4 => Change::Replace { path, html: "<i>".into() },
                _ => Change::Splice { path, back: 1, remove: 0, html: "<u>".into() },
            }
        };
        frame(["a", "b", "c"][usize::from(*stream)], changes.iter().map(change).collect())
    }
}
