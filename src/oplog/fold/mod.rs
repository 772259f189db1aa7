//! The state of a channel's streams after some entries: a pure function of them, and of how much is kept.
//!
//! What is kept of a stream is what brings a fresh page to where the stream is: its ops in the order of the log, but for
//! those that nobody can see any more.
//!
//! ```text
//!  entries ──► content   ops on the page, documents                 ┐
//!              controls  start, done, error of the own element      ├─ sorted by OpAt: the snapshot
//!              events    the last of each name that asked for it    ┘
//! ```
//!
//! **When is an op dead?** A content op on the stream's own element is, once the element's content is replaced (by
//! `replace`, by `text` with that mode, by a document, by `start` with `clear`), where no *wall* stands between. A wall
//! is an op that may have looked at what the dead op did, or changed whom it meant:
//!
//! - an op with another target than its stream's own element, and every `delete`;
//! - for the other streams, `text` that is added to an element which may still hold elements of theirs (djust's client
//!   joins their text into its own), an `error` on such an element (it takes the place of theirs), and what takes an
//!   error back there, while one of theirs may be shown;
//! - for the other streams, HTML that brings stream elements along: from there on a name may mean another element.
//!
//! The same walls bound the joining of text. So a stream that is replaced again and again stays small whatever its
//! neighbours do, and what is left gives the same page. A page has one element of each stream's name at a time: where
//! it has two, the first counts, and what ops did to the second in between may be forgotten.
//!
//! **Invariant:** a page that takes the kept ops is the page that took all (`every_way_to_an_id_makes_the_same_page`).
//! **Invariant:** kept bytes stay within their bounds, and are counted right (`kept_bytes_are_bounded_and_true`).
//!
//! **Source:** `openapi/protocol.md`, "A stream's life".

mod kept;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::protocol::{DomOp, Entry, Op, RunState, StreamName};

pub use kept::{Document, Kept, What};
pub use stream::StreamFold;

/// Where an op stands in the log: the offset of its entry, and its place in there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OpAt {
    /// The entry's offset.
    pub offset: u64,
    /// Which of its ops, from 0.
    pub index: u32,
}

/// What a markdown run's content is: in a log's checkpoint the source alone, in a channel's view a growing document.
pub trait Body: Sized {
    /// What it takes to begin one.
    type Maker;
    /// What its end changes on the page.
    type Ending;

    /// An empty one, with the options of the run as they were published.
    fn begin(maker: &Self::Maker, options: Option<&Map<String, Value>>) -> Self;
    /// Adds text.
    fn push(&mut self, text: &str);
    /// Ends it. Called once.
    fn finish(&mut self) -> Self::Ending;
    /// All text so far.
    fn source(&self) -> &str;
}

impl Body for String {
    type Maker = ();
    type Ending = ();

    fn begin((): &(), _: Option<&Map<String, Value>>) -> Self {
        Self::new()
    }

    fn push(&mut self, text: &str) {
        self.push_str(text);
    }

    fn finish(&mut self) {}

    fn source(&self) -> &str {
        self
    }
}

/// How much of a channel's streams is kept for those who come later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Of one stream, in bytes. 10 MiB. Beyond it the oldest ops are forgotten, down to the last one.
    pub stream_bytes_max: usize,
    /// Of all streams of a channel, in bytes. 32 MiB. Beyond it the oldest of all is forgotten, also documents
    /// of earlier runs; those of the current ones stay, since these are refused more.
    pub channel_bytes_max: usize,
    /// Names of events that are kept of one stream. 32. Beyond it the one that was told longest ago is forgotten.
    pub events_max: usize,
}

impl Default for Keep {
    fn default() -> Self {
        Self { stream_bytes_max: 10 * 1024 * 1024, channel_bytes_max: 32 * 1024 * 1024, events_max: 32 }
    }
}

/// What applying an op came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied<E> {
    /// The op ended a document: what that changes on the page, before the op itself.
    pub ending: Option<E>,
    /// Whether the op itself reaches the page: not a `markdown` op, nor a `done` that comes after the end.
    pub shown: bool,
}

/// The state of all streams of a channel after its first [`Fold::offset`] entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fold<B> {
    /// How many entries are folded.
    offset: u64,
    /// The last op that was no event: two texts with a target of their own join only if nothing came between.
    last: OpAt,
    /// The sum of the streams' bytes.
    bytes: usize,
    /// Boxed: a map's node has room for eleven, and most channels have one.
    streams: BTreeMap<StreamName, Box<StreamFold<B>>>,
    #[serde(skip)]
    keep: Keep,
}

impl<B: Body> Fold<B> {
    /// The state before the first entry.
    #[must_use]
    pub fn new(keep: Keep) -> Self {
        Self { offset: 0, last: OpAt::default(), bytes: 0, streams: BTreeMap::new(), keep }
    }

    /// The same state under these bounds: they are no part of what is stored. They hold from the next op on.
    #[must_use]
    pub fn with_keep(self, keep: Keep) -> Self {
        Self { keep, ..self }
    }

    /// How many entries are folded.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// What is kept of all streams, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// All streams, by name.
    pub fn streams(&self) -> impl ExactSizeIterator<Item = (&StreamName, &StreamFold<B>)> {
        self.streams.iter().map(|(name, stream)| (name, &**stream))
    }

    /// One stream.
    #[must_use]
    pub fn stream(&self, name: &StreamName) -> Option<&StreamFold<B>> {
        self.streams.get(name).map(Box::as_ref)
    }

    /// The open document of a stream, while its markdown run is active.
    pub fn open_document(&mut self, name: &StreamName) -> Option<&mut B> {
        self.streams.get_mut(name)?.open_body()
    }

    /// Applies the next entry.
    pub fn apply(&mut self, maker: &B::Maker, offset: u64, entry: &Entry) {
        for (index, op) in (0..).zip(&entry.ops) {
            self.apply_op(maker, &entry.stream, OpAt { offset, index }, op);
        }
        self.seal(offset, entry);
    }

    /// Says that all ops of an entry have been applied, by [`Fold::apply_op`].
    pub fn seal(&mut self, offset: u64, entry: &Entry) {
        debug_assert_eq!(offset, self.offset + 1, "entries are dense");
        self.offset = offset;
        if let Some(stream) = self.streams.get_mut(&entry.stream) {
            stream.fed(entry.at);
        }
    }

    /// Applies one op of the next entry.
    pub fn apply_op(&mut self, maker: &B::Maker, name: &StreamName, at: OpAt, op: &Op<String>) -> Applied<B::Ending> {
        if !self.streams.contains_key(name) {
            self.streams.insert(name.clone(), Box::new(StreamFold::new()));
        }
        let failed = || self.streams.iter().any(|(other, s)| other != name && s.state() == RunState::Error);
        let (looks, brings) = (self.streams[name].looks_at_others(op, failed), brings_streams(op));
        let stream = self.streams.get_mut(name).expect("just put there");
        let before = stream.bytes();
        let applied = stream.apply(maker, name, at, op, self.last, &self.keep);
        self.bytes = self.bytes + stream.bytes() - before;
        if looks {
            stream.looked(at);
        }
        match op {
            Op::Dom(DomOp::Event { .. }) => return applied,
            Op::Dom(op) if is_elsewhere(op, name) => self.wall(at, None),
            _ if looks || brings => self.wall(at, Some(name)),
            _ => {}
        }
        if brings {
            self.streams.values_mut().for_each(|stream| stream.may_hold_others());
        }
        self.last = at;
        if self.bytes > self.keep.channel_bytes_max {
            self.forget_oldest();
        }
        applied
    }

    /// Raises a wall for all streams but one.
    fn wall(&mut self, at: OpAt, but: Option<&StreamName>) {
        for (_, stream) in self.streams.iter_mut().filter(|(name, _)| Some(*name) != but) {
            stream.wall(at);
        }
    }

    /// Forgets the oldest ops of all streams until the channel is within its bound, or nothing is left to forget.
    fn forget_oldest(&mut self) {
        while self.bytes > self.keep.channel_bytes_max {
            let oldest = self.streams.values_mut().filter_map(|stream| Some((stream.forgettable()?, stream)));
            let Some((_, stream)) = oldest.min_by_key(|(at, _)| *at) else { return };
            self.bytes -= stream.forget();
        }
    }

    /// The same state with bodies of another kind: `grow` makes each from a document.
    #[must_use]
    pub fn map<C>(self, mut grow: impl FnMut(Document<B>) -> C) -> Fold<C> {
        let streams = self.streams.into_iter().map(|(name, stream)| (name, Box::new(stream.map(&mut grow)))).collect();
        Fold { offset: self.offset, last: self.last, bytes: self.bytes, streams, keep: self.keep }
    }
}

/// Whether an op acts on another element than its stream's own.
pub(super) fn is_elsewhere(op: &DomOp, stream: &StreamName) -> bool {
    matches!(op, DomOp::Delete { .. }) || op.target().is_some_and(|target| !target.is_own(stream))
}

/// Whether an op may bring elements of streams along: it holds HTML with the attribute that marks one.
fn brings_streams(op: &Op<String>) -> bool {
    const MARK: &str = "dj-stream";
    let Op::Dom(DomOp::Html { html, .. }) = op else { return false };
    let bytes = html.as_bytes();
    let marks = |dash: usize| bytes.get(dash.wrapping_sub(2)..dash + MARK.len() - 2);
    memchr::memchr_iter(b'-', bytes).filter_map(marks).any(|found| found.eq_ignore_ascii_case(MARK.as_bytes()))
}
