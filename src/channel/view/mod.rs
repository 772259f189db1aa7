//! What the pages of a channel show, and what is to be sent so that they show more: entries in, frames out.
//!
//! ```text
//!            apply                     tick
//!  log ───────────────► pending ──────────────► fold of documents ──► snapshot
//!   1 2 3 4 5 6 7        5 6 7        │             1 2 3 4
//!                                     ╰──► frames 4 → 7
//! ```
//!
//! The fold stands where the last tick led: that is the head for whoever joins. A page that comes back to an older id
//! gets the same: a view made of the log's fold at that id, the entries after it applied, one tick.
//!
//! **Order.** A tick holds everything new in the order of the log, adjacent entries of one stream as one frame. A tick
//! of markdown runs alone has one frame a stream, since none can see another.
//!
//! **Invariant:** however entries are cut into ticks, and from wherever a page comes back, it ends as the same page
//! (`every_way_to_an_id_makes_the_same_page`).
//!
//! **Source:** `openapi/protocol.md`, "Ticks".

mod plan;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ahash::RandomState;

use plan::{Events, Plan, Slot, SlotOp};

use super::credit::Credit;
use super::document::{PageDocument, change, dom_op};
use super::merge::merge;
use super::snapshot;
use crate::markdown::Policy;
use crate::markdown::growing::Edits;
use crate::oplog::{Body as _, Document, Fold, Logged, OpAt, StreamFold};
use crate::protocol::{CompactOp, DomOp, Entry, Frame, Op, StreamName, Wire, Wires};

/// Whether a tick may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Nothing is new.
    Idle,
    /// A tick may be made.
    Ready,
    /// A document has not earned its next frame yet; ask again after this time, or when more was published.
    Wait(Duration),
}

/// What is sent at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tick {
    /// The offset that it continues from.
    pub from: u64,
    /// The offset that it leads to.
    pub to: u64,
    /// The frames, in order. None: nothing changes on the page.
    pub frames: Vec<Frame>,
}

/// What the pages of one channel show.
#[derive(Debug)]
pub struct View {
    policy: Arc<Policy>,
    fold: Fold<PageDocument>,
    pending: Vec<Logged>,
    /// Of each stream that has something pending and a document, or will have one: how many bytes of Markdown.
    waiting: BTreeMap<StreamName, usize>,
    credits: HashMap<StreamName, Credit, RandomState>,
    /// What the frames of ticks are for.
    wires: Wires,
}

impl View {
    /// The view of pages that have applied everything that `fold` holds.
    #[must_use]
    pub fn new(fold: Fold<String>, policy: Arc<Policy>) -> Self {
        let fold = fold.map(|document| PageDocument::restored(document, &policy));
        let (pending, waiting, credits) = (Vec::new(), BTreeMap::new(), HashMap::default());
        Self { policy, fold, pending, waiting, credits, wires: Wires::only(Wire::Djust) }
    }

    /// From now on the frames of ticks are for these wires.
    pub fn serve(&mut self, wires: Wires) {
        self.wires = wires;
    }

    /// The offset that the last tick led to: of everything that was sent, and of a snapshot.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.fold.offset()
    }

    /// The offset of the last entry that was applied.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.fold.offset() + self.pending.len() as u64
    }

    /// Takes the entry after the head. It reaches the fold, and pages, with the next tick. O(ops).
    pub fn apply(&mut self, offset: u64, entry: Arc<Entry>) {
        debug_assert_eq!(offset, self.head() + 1, "entries are dense");
        let markdown = entry.ops.iter().map(|op| if let Op::Markdown { text, .. } = op { text.len() } else { 0 });
        let bytes = markdown.sum::<usize>();
        // Most streams of ops have none, and then there is nothing to parse.
        let parsed = bytes > 0 || self.document_of(&entry.stream).is_some();
        match self.waiting.get_mut(&entry.stream) {
            Some(waiting) => *waiting += bytes,
            None if !parsed => {}
            None => drop(self.waiting.insert(entry.stream.clone(), bytes)),
        }
        self.pending.push(Logged { offset, entry });
    }

    /// Whether a tick may be made now: not while a document that would be framed has not earned it. A tick takes every
    /// stream or none.
    #[must_use]
    pub fn ready(&self, now: Instant) -> Readiness {
        if self.pending.is_empty() {
            return Readiness::Idle;
        }
        let documents = self.waiting.iter().filter(|(_, bytes)| **bytes > 0);
        let next = documents.filter_map(|(name, bytes)| Some(self.credits.get(name)?.next(*bytes)));
        match next.max().map(|next| next.saturating_duration_since(now)) {
            None | Some(Duration::ZERO) => Readiness::Ready,
            Some(wait) => Readiness::Wait(wait),
        }
    }

    /// What the next tick will parse, in bytes, about: where entries of the streams `coming` are applied before it, but
    /// for their own text. Any entry may have its stream's document parsed, as an end does.
    #[must_use]
    pub fn cost<'a>(&'a self, coming: impl IntoIterator<Item = &'a StreamName>) -> usize {
        let with_cost = |name| Some((name, self.document_of(name)?.body.cost()));
        let streams: BTreeMap<&StreamName, usize> = self.waiting.keys().chain(coming).filter_map(with_cost).collect();
        streams.into_values().sum::<usize>() + self.waiting.values().sum::<usize>()
    }

    fn document_of(&self, name: &StreamName) -> Option<&Document<PageDocument>> {
        self.fold.stream(name).and_then(StreamFold::document)
    }

    /// Everything new, as frames; the fold moves on to the head. To be asked [`View::ready`] first is the caller's
    /// choice: a tick may always be made.
    pub fn tick(&mut self, now: Instant) -> Tick {
        let from = self.fold.offset();
        let pending = std::mem::take(&mut self.pending);
        let mut plan = Plan::new(&pending, |stream| self.fold.stream(stream).and_then(StreamFold::kind));
        for (i, logged) in pending.iter().enumerate() {
            let framed = plan.is_framed_after(i);
            let slot = &mut plan.slots[plan.places[i]];
            self.take(logged, now, slot, &mut plan.events[slot.number]);
            if framed {
                self.frame(now, slot);
            }
        }
        self.waiting.clear();
        let active = |name: &StreamName| self.fold.stream(name).is_some_and(StreamFold::is_open);
        self.credits.retain(|name, _| active(name));
        let frames = plan.slots.into_iter().map(|slot| frame_of(slot, self.wires));
        Tick { from, to: self.fold.offset(), frames: frames.filter(|frame| !frame.is_empty()).collect() }
    }

    /// Folds one entry and appends what it shows, but for the text of a document that stays open.
    fn take(&mut self, logged: &Logged, now: Instant, slot: &mut Slot, events: &mut Events) {
        let Logged { offset, entry } = logged;
        for (index, op) in (0..).zip(&entry.ops) {
            if matches!(op, Op::Dom(DomOp::Event { .. })) && events.may_frame() {
                self.frame(now, slot);
            }
            let at = OpAt { offset: *offset, index };
            let applied = self.fold.apply_op(&self.policy, &entry.stream, at, op);
            slot.ops.extend(applied.ending.filter(|edits| !edits.is_empty()).map(SlotOp::Edits));
            if let (true, Op::Dom(op)) = (applied.shown, op) {
                slot.ops.push(SlotOp::Op(op.clone()));
            }
        }
        self.fold.seal(*offset, entry);
    }

    /// Appends what brings the open document of the slot's stream up to date.
    fn frame(&mut self, now: Instant, slot: &mut Slot) {
        let stream = &slot.stream;
        let Some(document) = self.fold.open_document(stream).filter(|document| document.pending()) else { return };
        let cost = document.cost();
        let mut edits = Edits::of(self.wires.has(Wire::Djust), self.wires.has(Wire::Compact));
        document.frame(&mut edits);
        if !edits.is_empty() {
            slot.ops.push(SlotOp::Edits(edits));
        }
        self.credits.entry(stream.clone()).or_insert(Credit::after(now, 0)).charge(now, cost);
    }

    /// The frames that rebuild everything up to [`View::offset`] on a fresh page. None: there is nothing to show.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Frame> {
        snapshot::whole(&self.fold)
    }

    /// The frames of the active markdown runs alone, whole: for a page that joins at [`View::offset`] without history.
    #[must_use]
    pub fn active_documents(&self) -> Vec<Frame> {
        snapshot::active_documents(&self.fold)
    }

    /// All streams at [`View::offset`], by name.
    pub fn streams(&self) -> impl ExactSizeIterator<Item = (&StreamName, &StreamFold<PageDocument>)> {
        self.fold.streams()
    }

    /// One stream at [`View::offset`].
    #[must_use]
    pub fn stream(&self, name: &StreamName) -> Option<&StreamFold<PageDocument>> {
        self.fold.stream(name)
    }

    /// The source and HTML of a stream whose current run is a markdown run.
    #[must_use]
    pub fn markdown(&self, name: &StreamName) -> Option<(&str, &str)> {
        let document = self.fold.stream(name)?.document()?;
        Some((document.body.source(), document.body.html()))
    }

    /// The kept ops of a stream, merged, in the order of the log.
    #[must_use]
    pub fn ops(&self, name: &StreamName) -> Option<Vec<DomOp>> {
        self.fold.stream(name).map(snapshot::ops)
    }

    /// What is kept of all streams, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.fold.bytes()
    }
}

/// The frame of a slot: text that stands side by side is merged, and where a document changes, the compact wire has words
/// of its own for it.
fn frame_of(slot: Slot, wires: Wires) -> Frame {
    let Slot { stream, ops: all, .. } = slot;
    let all = match <[SlotOp; 1]>::try_from(all) {
        Ok([SlotOp::Op(only)]) => return Frame::new(stream, vec![only]),
        Ok(edits) => Vec::from(edits),
        Err(all) => all,
    };
    let (mut ops, mut compact, mut side_by_side) = (Vec::new(), Vec::new(), Vec::new());
    let mut changes = false;
    let flush = |side_by_side: &mut Vec<DomOp>, ops: &mut Vec<DomOp>, compact: &mut Vec<CompactOp>| {
        let from = ops.len();
        ops.extend(merge(std::mem::take(side_by_side)));
        if wires.has(Wire::Compact) {
            compact.extend((from..ops.len()).map(CompactOp::Op));
        }
    };
    for op in all {
        match op {
            SlotOp::Op(op) => side_by_side.push(op),
            SlotOp::Edits(edits) => {
                flush(&mut side_by_side, &mut ops, &mut compact);
                if wires.has(Wire::Djust) {
                    ops.extend(edits.coarse.into_iter().flatten().map(|edit| dom_op(&stream, edit)));
                }
                if wires.has(Wire::Compact) {
                    changes = true;
                    compact.extend(edits.fine.into_iter().flatten().map(|edit| CompactOp::Change(change(edit))));
                }
            }
        }
    }
    flush(&mut side_by_side, &mut ops, &mut compact);
    Frame { compact: changes.then_some(compact), ..Frame::new(stream, ops) }
}

/// What brings a page from the state of `fold` to after `later`: one tick, for these wires.
#[must_use]
pub fn difference(fold: Fold<String>, later: Vec<Logged>, policy: Arc<Policy>, now: Instant, wires: Wires) -> Tick {
    let mut view = View::new(fold, policy);
    view.serve(wires);
    for Logged { offset, entry } in later {
        view.apply(offset, entry);
    }
    view.tick(now)
}
