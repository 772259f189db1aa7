//! Random lives of a channel: entries as the service logs them, of runs of both kinds, on a page with nested streams.
//!
//! Any bytes make a history that the service would take, so that a failing one shrinks to one that it would take, too.

use rillmark::protocol::{Detail, DomOp, Edge, Entry, Kind, Mode, Op, Place, RunState, StreamName, Target};
use serde_json::json;

/// The page: an element that brings streams along, one that replaces, one within another, two for replies.
pub(super) const BODY: &str = "<p id=\"y\">y</p>\
    <div dj-stream=\"feed\">came <b class=\"k\">with</b></div>\
    <div dj-stream=\"status\" dj-stream-mode=\"replace\">old</div>\
    <section dj-stream=\"outer\"><i id=\"x\">x</i><div dj-stream=\"inner\">in</div></section>\
    <div dj-stream=\"reply\">placeholder</div>\
    <div dj-stream=\"second\"></div>";

/// `deep` is there only while `feed` holds it.
pub(super) const STREAMS: [&str; 7] = ["feed", "status", "outer", "inner", "deep", "reply", "second"];

/// Streams that meet, and the few kinds of ops by which they do: chance alone brings them together too seldom.
const MEETING: [[usize; 2]; 3] = [[0, 4], [2, 3], [0, 1]];
const MEETING_OPS: [u8; 8] = [0, 2, 3, 8, 13, 7, 12, 10];

/// Streams that no other one touches, and that always have their element.
pub(super) const APART: [&str; 3] = ["status", "reply", "second"];

/// Streams whose runs may be of Markdown.
const REPLIES: [&str; 2] = ["reply", "second"];

const TEXTS: [&str; 6] = ["a", "b ", "é", "<x>", "", "line\n"];
/// The last two are found by other streams' targets.
const HTML: [&str; 7] =
    ["<p>a", "b</p>", "tail", "", "<p>f</p><p>g</p>", "<i class=\"k\">c</i>", "<b id=\"x\">d</b><u>e</u>"];
const BRINGS: &str = "<s>h</s><div dj-stream=\"deep\"><em>i</em></div>";
const TARGETS: [&str; 8] = [
    "#x",
    "#y",
    ".k",
    "[dj-stream='outer']",
    "[dj-stream='inner']",
    "[dj-stream='feed']",
    "[dj-stream='deep']",
    "[dj-stream='outer'] > :last-child",
];
const DELETED: [&str; 4] = ["#x", ".k", "[dj-stream='inner']", "[dj-stream='outer'] > :first-child"];
const MARKDOWN: [&str; 24] = [
    "a",
    " word",
    "\n",
    "\n\n",
    "*b*",
    "**c",
    "- d\n",
    "1. e",
    "```\n",
    "# f",
    "| g | h |\n",
    "|---|---|\n",
    "[i](/j",
    ")",
    "`k",
    "> l\n",
    "&amp;",
    "<m>",
    "[n]: /o\n",
    "[n]",
    "\r",
    "    p\n",
    "===\n",
    "é\u{301}",
];

/// One byte each: which stream, what, and how.
pub(super) type Draw = [u8; 4];

fn pick<T: Copy>(of: &[T], byte: u8) -> T {
    of[usize::from(byte) % of.len()]
}

fn target(selector: &str) -> Target {
    Target::parse(selector).unwrap()
}

/// What the service remembers of a stream to judge its next op.
#[derive(Clone, Copy)]
struct Life {
    state: RunState,
    kind: Option<Kind>,
}

/// Makes entries from draws.
pub(super) struct Publisher {
    lives: [Life; STREAMS.len()],
    entries: u64,
    /// The streams of a history that is about two of them.
    pair: Option<[usize; 2]>,
}

impl Publisher {
    /// Of histories one half are about all streams, the others about two that meet.
    pub(super) fn new(about: u8) -> Self {
        let pair = MEETING.get(usize::from(about) % 6).copied();
        Self { lives: [Life { state: RunState::Idle, kind: None }; STREAMS.len()], entries: 0, pair }
    }

    /// The next entry: of one op, or of two.
    pub(super) fn entry(&mut self, drawn: Draw) -> Entry {
        let (stream, draw) = match self.pair {
            None => (usize::from(drawn[0]) % STREAMS.len(), drawn),
            Some(pair) => (pick(&pair, drawn[0]), [drawn[0] / 2, pick(&MEETING_OPS, drawn[1]), drawn[2] / 2, drawn[3]]),
        };
        let mut ops = Vec::new();
        self.op(stream, draw, &mut ops);
        if draw[0] >= 200 {
            self.op(stream, [draw[0], draw[2], draw[3], draw[1]], &mut ops);
        }
        self.entries += 1;
        Entry { stream: StreamName::parse(STREAMS[stream]).unwrap(), ops, at: self.entries }
    }

    fn op(&mut self, stream: usize, [_, what, how, which]: Draw, ops: &mut Vec<Op<String>>) {
        let (name, markdown) = (STREAMS[stream], REPLIES.contains(&STREAMS[stream]));
        let apart = APART.contains(&name);
        let elsewhere = (!apart && how >= 128).then(|| target(pick(&TARGETS, which)));
        match what % 16 {
            0 | 1 => self.start(stream, how >= 160, elsewhere.filter(|_| which >= 200), ops),
            2 => self.end(
                stream,
                elsewhere.filter(|_| which >= 200),
                DomOp::Done { target: None, cancelled: how % 2 == 0 },
                ops,
            ),
            3 => {
                let error = if how.is_multiple_of(2) { "broken" } else { "" };
                let op = DomOp::Error { target: None, error: error.to_owned() };
                self.end(stream, elsewhere.filter(|_| which >= 200), op, ops);
            }
            4 => ops.push(Op::Dom(DomOp::Event {
                target: elsewhere,
                name: pick(&["title", "usage", "n"], which).to_owned(),
                detail: Detail::new(&serde_json::value::to_raw_value(&json!([self.entries, how])).unwrap()),
                keep: how.is_multiple_of(2),
            })),
            5..=8 if markdown => self.markdown(stream, how, which, ops),
            5 | 9 if !apart => {
                self.content(stream, true, ops);
                ops.push(Op::Dom(DomOp::Delete { target: target(pick(&DELETED, which)) }));
            }
            6 | 10 => {
                self.content(stream, true, ops);
                let edge = if how.is_multiple_of(2) { Edge::Top } else { Edge::Bottom };
                ops.push(Op::Dom(DomOp::Prune { target: elsewhere, limit: u32::from(which % 3), edge }));
            }
            7 | 11 | 12 => {
                self.content(stream, false, ops);
                let places = [Place::Append, Place::Prepend, Place::Replace, Place::Replace];
                let place = pick(&places, how);
                let feeds = name == "feed" && place == Place::Replace && elsewhere.is_none();
                let brings = feeds && !which.is_multiple_of(4);
                let html = if apart { &HTML[..5] } else { &HTML[..] };
                let html = if brings { BRINGS } else { pick(html, which) }.to_owned();
                ops.push(Op::Dom(DomOp::Html { place, target: elsewhere, html }));
            }
            _ => {
                self.content(stream, false, ops);
                let mode = pick(
                    &[None, None, Some(Mode::Append), Some(Mode::Append), Some(Mode::Replace), Some(Mode::Prepend)],
                    how,
                );
                ops.push(Op::Dom(DomOp::Text { target: elsewhere, text: pick(&TEXTS, which).to_owned(), mode }));
            }
        }
    }

    fn start(&mut self, stream: usize, clear: bool, target: Option<Target>, ops: &mut Vec<Op<String>>) {
        self.lives[stream] = Life { state: RunState::Active, kind: None };
        ops.push(Op::Dom(DomOp::Start { target, clear }));
    }

    /// A content op of an ops run follows: what must stand before it is put there.
    fn content(&mut self, stream: usize, takes_away: bool, ops: &mut Vec<Op<String>>) {
        let Life { state, kind } = self.lives[stream];
        let active = state == RunState::Active && kind != Some(Kind::Markdown);
        let over = matches!(state, RunState::Done | RunState::Cancelled) && kind == Some(Kind::Ops);
        if !(active || over && takes_away) {
            self.start(stream, false, None, ops);
        }
        self.lives[stream].kind = Some(Kind::Ops);
    }

    fn markdown(&mut self, stream: usize, how: u8, which: u8, ops: &mut Vec<Op<String>>) {
        let Life { state, kind } = self.lives[stream];
        if state != RunState::Active || kind == Some(Kind::Ops) {
            self.start(stream, how.is_multiple_of(7), None, ops);
        }
        let first = self.lives[stream].kind.is_none();
        self.lives[stream].kind = Some(Kind::Markdown);
        let options = match how % 4 {
            0 => Some(json!({"tail": "escape"})),
            1 => Some(json!({"heading_ids": true, "math": true, "footnotes": true})),
            _ => None,
        };
        let options = options.filter(|_| first).map(|options| Box::new(options.as_object().unwrap().clone()));
        ops.push(Op::Markdown { text: pick(&MARKDOWN, which).to_owned(), options });
    }

    fn end(&mut self, stream: usize, target: Option<Target>, mut op: DomOp, ops: &mut Vec<Op<String>>) {
        let life = self.lives[stream];
        let is_done = matches!(op, DomOp::Done { .. });
        let failed_again =
            life.state == RunState::Error && (is_done || matches!(&op, DomOp::Error { error, .. } if error.is_empty()));
        if life.state != RunState::Active && !failed_again {
            self.start(stream, false, None, ops);
        }
        match &mut op {
            DomOp::Done { target: own, .. } | DomOp::Error { target: own, .. } => *own = target,
            _ => unreachable!("an end"),
        }
        if life.state != RunState::Error || !is_done {
            self.lives[stream].state = match op {
                DomOp::Done { cancelled: true, .. } => RunState::Cancelled,
                DomOp::Done { .. } => RunState::Done,
                _ => RunState::Error,
            };
        }
        ops.push(Op::Dom(op));
    }
}
