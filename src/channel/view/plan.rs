//! Which frame of a tick takes which entry, and after which entries the documents are framed.
//!
//! Everything in the order of the log, adjacent entries of one stream in one slot; where a tick is of markdown runs
//! alone, one slot a stream, since none can see another.
//!
//! **Source:** `openapi/protocol.md`, "Ticks".

use std::collections::HashMap;

use ahash::RandomState;

use crate::markdown::growing::Edits;
use crate::oplog::Logged;
use crate::protocol::{DomOp, Entry, Kind, Op, StreamName};

/// In one tick, a document is framed at so many places at most, of which the last one is always its last in the tick.
/// Where its entries alternate with those of other streams each place would be a frame, and work and bytes would grow
/// with the square of what waits.
const FRAMES_PER_TICK_MAX: usize = 4;

/// Which frame takes which entry.
pub(super) struct Plan {
    pub(super) slots: Vec<Slot>,
    /// Of each entry, its slot.
    pub(super) places: Vec<usize>,
    /// Of each stream, by [`Slot::number`], how many events asked for the document first.
    pub(super) events: Vec<Events>,
    /// Whether an entry is the last one of its slot.
    last: Vec<bool>,
}

/// The events of a stream in one tick, however many slots they are in.
#[derive(Clone, Default)]
pub(super) struct Events(usize);

/// What is to be in a frame.
pub(super) enum SlotOp {
    /// One op.
    Op(DomOp),
    /// Edits of the stream's document.
    Edits(Edits),
}

/// A frame to be.
pub(super) struct Slot {
    pub(super) stream: StreamName,
    pub(super) ops: Vec<SlotOp>,
    /// Of its stream, among those of the tick.
    pub(super) number: usize,
    /// Whether open documents are framed at its end.
    framed: bool,
}

impl Events {
    /// An event comes after what was written before it. So the document is framed first, but for the first few events
    /// only: a frame for each would cost what a frame for each entry would.
    pub(super) fn may_frame(&mut self) -> bool {
        self.0 += 1;
        self.0 <= FRAMES_PER_TICK_MAX
    }
}

impl Plan {
    /// `kind` tells what the streams' current runs are made of.
    pub(super) fn new(pending: &[Logged], kind: impl Fn(&StreamName) -> Option<Kind>) -> Self {
        if let [only] = pending {
            let slot = Slot { stream: only.entry.stream.clone(), ops: Vec::with_capacity(1), number: 0, framed: true };
            return Self { slots: vec![slot], places: vec![0], events: vec![Events::default()], last: vec![true] };
        }
        let regrouped = is_markdown_alone(pending, kind);
        let mut slots: Vec<Slot> = Vec::new();
        let mut of: HashMap<&StreamName, (usize, Vec<usize>), RandomState> = HashMap::default();
        let mut places = Vec::with_capacity(pending.len());
        for Logged { entry, .. } in pending {
            let streams = of.len();
            let (number, known) = of.entry(&entry.stream).or_insert_with(|| (streams, Vec::new()));
            let open = known.last().filter(|slot| regrouped || **slot + 1 == slots.len());
            let place = open.copied().unwrap_or_else(|| {
                slots.push(Slot { stream: entry.stream.clone(), ops: Vec::new(), number: *number, framed: false });
                known.push(slots.len() - 1);
                slots.len() - 1
            });
            places.push(place);
        }
        for (_, known) in of.values() {
            let first = known.iter().take(FRAMES_PER_TICK_MAX - 1);
            first.chain(known.last()).for_each(|slot| slots[*slot].framed = true);
        }
        let mut last = vec![false; pending.len()];
        let mut seen = vec![false; slots.len()];
        for (i, place) in places.iter().enumerate().rev() {
            last[i] = !std::mem::replace(&mut seen[*place], true);
        }
        let events = vec![Events::default(); of.len()];
        Self { slots, places, events, last }
    }

    /// Whether the open document of an entry's stream is framed once the entry is in its slot.
    pub(super) fn is_framed_after(&self, entry: usize) -> bool {
        self.last[entry] && self.slots[self.places[entry]].framed
    }
}

/// Whether all entries are of markdown runs, and do nothing but to their own elements. An ops run's `start` alone may
/// already change what stands in there of other streams: it takes back the first error that it finds.
fn is_markdown_alone(pending: &[Logged], kind: impl Fn(&StreamName) -> Option<Kind>) -> bool {
    let mut streams: HashMap<&StreamName, bool, RandomState> = HashMap::default();
    for Logged { entry, .. } in pending {
        let of_markdown = match kind(&entry.stream) {
            Some(Kind::Ops) => return false,
            Some(Kind::Markdown) => true,
            None => entry.ops.iter().any(|op| matches!(op, Op::Markdown { .. })),
        };
        *streams.entry(&entry.stream).or_default() |= of_markdown;
    }
    streams.values().all(|of_markdown| *of_markdown) && pending.iter().all(|logged| stays_at_home(&logged.entry))
}

/// Whether an entry does nothing but grow a document, bracket a run or tell events, all at its stream's own element.
fn stays_at_home(entry: &Entry) -> bool {
    entry.ops.iter().all(|op| match op {
        Op::Markdown { .. } => true,
        Op::Dom(op) => !op.is_content() && op.target().is_none(),
    })
}
