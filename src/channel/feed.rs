//! What a channel's subscribers read: the ticks that are kept, in a row without a hole, and who waits for the next.
//!
//! A subscriber holds a number, that of the next tick it has not seen, and nothing else is kept for it. One that is
//! slower than the kept ticks last finds its number gone, and is brought back as any late joiner is.
//!
//! ```text
//!  pending entries ──tick──▶ │ 7 │ 8 │ 9 │ 10 │  end = 11: who stands here waits
//!                              ▲       ▲
//!                            first   a slow one      below first: behind
//! ```
//!
//! Everything here is done under one short lock, without a parse, an await or a wake inside it.
//!
//! **Invariant:** the kept ticks are adjacent, and within their bytes but for the last one
//! (`kept_ticks_are_adjacent_and_bounded`).
//!
//! **Source:** `openapi/protocol.md`, "Ids".

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use tokio::time::Instant;

use super::snapshot_cache::Snapshot;
use super::ticker::Waiting;
use crate::oplog::Logged;
use crate::protocol::{Declared, EncodedTick, Epoch, Position, StreamName, Wire, Wires};

/// Ticks that are kept of one channel, in bytes. 4 MiB: some seconds of a flow that a browser could follow at all.
const KEPT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Ticks that are kept of one channel. 4,096: about a minute at full pace.
const KEPT_TICKS_MAX: usize = 4_096;

/// A tick in the row.
#[derive(Clone, Debug)]
pub(super) struct KeptTick {
    pub(super) tick: Arc<EncodedTick>,
    /// When the first of its entries was published.
    pub(super) since: Instant,
    /// Streams whose runs were stopped in it; none mostly.
    pub(super) cancelled: Option<Arc<[StreamName]>>,
}

/// What follows a number.
pub(super) enum After {
    /// This tick.
    Tick(KeptTick),
    /// Nothing yet.
    End,
    /// It is no longer kept.
    Gone,
}

/// The kept ticks.
#[derive(Debug, Default)]
pub(super) struct Ring {
    first: u64,
    ticks: VecDeque<KeptTick>,
    bytes: usize,
}

impl Ring {
    /// The number that the next tick will have.
    pub(super) fn end(&self) -> u64 {
        self.first + self.ticks.len() as u64
    }

    /// The number of the oldest one.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn after(&self, number: u64) -> After {
        match number.checked_sub(self.first).map(|at| self.ticks.get(usize::try_from(at).unwrap_or(usize::MAX))) {
            None => After::Gone,
            Some(Some(kept)) => After::Tick(kept.clone()),
            Some(None) => After::End,
        }
    }

    /// The number of the tick that starts at an offset, or of the next one where that is the head.
    pub(super) fn starting_at(&self, offset: u64, head: u64) -> Option<u64> {
        if offset == head {
            return Some(self.end());
        }
        let from = |kept: &KeptTick| kept.tick.from().map_or(0, |from| from.offset);
        let at = self.ticks.binary_search_by_key(&offset, from).ok()?;
        Some(self.first + at as u64)
    }

    /// Whether the tick of this number, and so all that follow, can be taken in this wire.
    pub(super) fn serves(&self, number: u64, wire: Wire) -> bool {
        match self.after(number) {
            After::Tick(kept) => kept.tick.has(wire),
            After::End => true,
            After::Gone => false,
        }
    }

    /// What was declared on the compact wire before the tick of this number, if it or one behind it says so.
    fn declared_before(&self, number: u64) -> Option<&Declared> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        self.ticks.range(at.min(self.ticks.len())..).find_map(|kept| kept.tick.before())
    }

    fn push(&mut self, kept: KeptTick) {
        self.bytes += kept.tick.bytes();
        self.ticks.push_back(kept);
        while self.ticks.len() > KEPT_TICKS_MAX || (self.bytes > KEPT_BYTES_MAX && self.ticks.len() > 1) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(kept) = self.ticks.pop_front() {
            self.bytes -= kept.tick.bytes();
            self.first += 1;
        }
    }

    /// Keeps none; numbers go on.
    pub(super) fn clear(&mut self) {
        self.first = self.end();
        self.ticks = VecDeque::new();
        self.bytes = 0;
    }
}

/// Subscribers that wait. A slot is held for each, whether it waits or not.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    slots: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl Watchers {
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn enter(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        })
    }

    /// What it gives back is to be dropped with the lock free, since a waker may own what takes the lock again.
    #[must_use]
    pub(super) fn leave(&mut self, slot: usize) -> Option<Waker> {
        let waker = self.slots[slot].take();
        self.free.push(slot);
        if self.free.len() == self.slots.len() {
            *self = Self::default();
        }
        waker
    }

    /// What it gives back is to be dropped with the lock free.
    #[must_use]
    pub(super) fn wait(&mut self, slot: usize, waker: &Waker) -> Option<Waker> {
        match &mut self.slots[slot] {
            Some(known) if known.will_wake(waker) => None,
            place => place.replace(waker.clone()),
        }
    }

    /// Takes all who wait; they are to be woken with the lock free.
    pub(super) fn take(&mut self, into: &mut Vec<Waker>) {
        into.extend(self.slots.iter_mut().filter_map(Option::take));
    }
}

/// A channel as its subscribers see it.
#[derive(Debug)]
pub(super) struct Feed {
    /// The epoch of the log; of a channel that has none, the one that its next log will have.
    pub(super) epoch: Epoch,
    /// Grows each time the log is given up: numbers of ticks count within one life.
    pub(super) generation: u64,
    /// The number behind the last tick of the life before, made or not: who has not come so far has missed something.
    pub(super) forgotten: u64,
    /// Whether there is a log.
    pub(super) published: bool,
    /// Where the last tick ends.
    pub(super) head: u64,
    /// Where the log ends.
    pub(super) log_head: u64,
    /// Where the channel has ended, if it has.
    pub(super) ended: Option<u64>,
    pub(super) ring: Ring,
    pub(super) watchers: Watchers,
    /// The wires that anybody has ever watched in: ticks are made for these.
    pub(super) wires: Wires,
    /// What was declared on the compact wire up to the last tick.
    pub(super) declared: Declared,
    /// Entries of which no tick was made yet.
    pub(super) pending: VecDeque<Logged>,
    pub(super) pending_bytes: usize,
    /// When the first of them was published.
    pub(super) pending_since: Option<Instant>,
    /// When the last entry was published.
    pub(super) last_append: Instant,
    /// Before this there is no next tick.
    pub(super) next_tick: Instant,
    /// Whether a timer task will look at `pending`.
    pub(super) timer: bool,
    /// Where it waits for a document's credit: how long.
    pub(super) waiting: Option<Waiting>,
    /// The last snapshots: of everything, and of the active documents.
    pub(super) snapshots: [Option<Arc<Snapshot>>; 2],
    /// How often all connections were cut, and when who was cut comes back.
    pub(super) cuts: u64,
    pub(super) away_ms: u64,
    /// Whether the name was taken off the map: who still holds it looks it up anew.
    pub(super) removed: bool,
}

impl Feed {
    pub(super) fn new(epoch: Epoch, now: Instant) -> Self {
        Self {
            epoch,
            generation: 0,
            forgotten: 0,
            published: false,
            head: 0,
            log_head: 0,
            ended: None,
            ring: Ring::default(),
            watchers: Watchers::default(),
            wires: Wires::default(),
            declared: Declared::default(),
            pending: VecDeque::new(),
            pending_bytes: 0,
            pending_since: None,
            last_append: now,
            next_tick: now,
            timer: false,
            waiting: None,
            snapshots: [None, None],
            cuts: 0,
            away_ms: 0,
            removed: false,
        }
    }

    /// Where the last tick ends, as an id.
    pub(super) fn position(&self) -> Position {
        self.epoch.at(self.head)
    }

    /// An entry was appended.
    pub(super) fn append(&mut self, logged: Logged, now: Instant) {
        self.published = true;
        self.log_head = logged.offset;
        self.last_append = now;
        self.pending_bytes += logged.entry.bytes();
        self.pending_since.get_or_insert(now);
        self.pending.push_back(logged);
    }

    /// Takes all entries of which no tick was made.
    pub(super) fn take_pending(&mut self) -> (VecDeque<Logged>, Option<Instant>) {
        self.pending_bytes = 0;
        (std::mem::take(&mut self.pending), self.pending_since.take())
    }

    /// What the tick of this number, or the next one, takes for told on the compact wire.
    pub(super) fn declared_at(&self, number: u64) -> Declared {
        self.ring.declared_before(number).unwrap_or(&self.declared).clone()
    }

    /// A tick was made. Those who wait are put into `waiting`.
    pub(super) fn push(&mut self, kept: KeptTick, waiting: &mut Vec<Waker>) {
        self.head = kept.tick.to().offset;
        self.ring.push(kept);
        self.watchers.take(waiting);
    }

    /// The log was given up: the next one will have `epoch`. Subscribers stay; those who wait are put into `waiting`.
    pub(super) fn forget(&mut self, epoch: Epoch, waiting: &mut Vec<Waker>) {
        self.forgotten = self.ring.end() + u64::from(self.head < self.log_head);
        self.watchers.take(waiting);
        self.epoch = epoch;
        self.generation += 1;
        self.published = false;
        (self.head, self.log_head, self.ended) = (0, 0, None);
        self.ring = Ring::default();
        self.declared = Declared::default();
        self.take_pending();
        self.snapshots = [None, None];
    }

    /// Whether a page has everything that there was of the life before this one.
    pub(super) fn has_all_of_before(&self, generation: u64, next: u64) -> bool {
        generation + 1 == self.generation && next >= self.forgotten
    }

    /// Whether the channel has ended and everything of it was told.
    pub(super) fn is_over(&self) -> bool {
        self.ended.is_some_and(|at| self.head >= at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{ChannelName, DomOp, Frame};

    fn kept(from: u64, to: u64, bytes: usize) -> KeptTick {
        let epoch = Epoch::new(1);
        let ops = vec![DomOp::Text { target: None, text: "x".repeat(bytes), mode: None }];
        let frames = [Frame::new(StreamName::parse("s").unwrap(), ops)];
        let name = ChannelName::parse("c").unwrap();
        let tick = Arc::new(EncodedTick::tick(name, epoch.at(from), epoch.at(to), &frames));
        KeptTick { tick, since: Instant::now(), cancelled: None }
    }

    #[test]
    fn kept_ticks_are_adjacent_and_bounded() {
        let mut ring = Ring::default();
        for n in 0..2_000_u64 {
            ring.push(kept(3 * n, 3 * n + 3, usize::try_from(n % 97).unwrap() * 300));
            assert!(ring.bytes() <= KEPT_BYTES_MAX && ring.end() == n + 1);
            let total: usize = ring.ticks.iter().map(|kept| kept.tick.bytes()).sum();
            assert_eq!(ring.bytes(), total);
        }
        assert!(ring.first() > 0, "it was filled");
        let head = 6_000;
        for number in ring.first()..ring.end() {
            let After::Tick(kept) = ring.after(number) else { panic!("{number} is kept") };
            assert_eq!(kept.tick.from().unwrap().offset, 3 * number);
            assert_eq!(ring.starting_at(3 * number, head), Some(number));
            assert_eq!(ring.starting_at(3 * number + 1, head), None, "no tick starts there");
        }
        assert!(matches!(ring.after(ring.first() - 1), After::Gone));
        assert!(matches!(ring.after(ring.end()), After::End));
        assert_eq!(ring.starting_at(head, head), Some(ring.end()));
        let end = ring.end();
        ring.clear();
        assert_eq!((ring.first(), ring.end(), ring.bytes()), (end, end, 0));
    }

    #[test]
    fn a_tick_larger_than_all_is_kept_alone() {
        let mut ring = Ring::default();
        ring.push(kept(0, 1, 10));
        ring.push(kept(1, 2, KEPT_BYTES_MAX));
        assert!(matches!(ring.after(0), After::Gone));
        assert!(matches!(ring.after(1), After::Tick(_)));
    }

    #[test]
    fn a_slot_is_used_again_and_nobody_is_woken_twice() {
        let mut watchers = Watchers::default();
        let (a, b) = (watchers.enter(), watchers.enter());
        let _ = watchers.wait(a, Waker::noop());
        let _ = watchers.wait(b, Waker::noop());
        let mut woken = Vec::new();
        watchers.take(&mut woken);
        watchers.take(&mut woken);
        assert_eq!((woken.len(), watchers.len()), (2, 2));
        let _ = watchers.wait(a, Waker::noop());
        let _ = watchers.leave(a);
        watchers.take(&mut woken);
        assert_eq!((woken.len(), watchers.len(), watchers.enter()), (2, 1, a));
        let _ = watchers.leave(a);
        let _ = watchers.leave(b);
        assert!(watchers.slots.is_empty() && watchers.free.is_empty(), "the memory goes with the last");
    }
}
