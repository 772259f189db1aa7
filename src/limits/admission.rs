//! Which renders run now, which wait and which are refused. Pure: events in, grants out; no clock, no task, no lock.
//!
//! A render needs a place and memory, and gets both in one step or neither, so that no two renders hold what the other
//! waits for. Small and large ones wait in a queue each, first come first served within a queue.
//!
//! - A large render may not take the last place ([`Rules::places_large`]), and a share of the memory is kept from it
//!   ([`Rules::memory_small`]), so small ones go on beside the largest document.
//! - A render that needs more than its share takes all of it, and so runs alone among its kind.
//! - While a large render waits for memory, small ones keep to their share, so it is not put off for ever.
//!
//! **Invariant:** the rules hold after every step; whoever waits is served once all others left
//! (`no_order_of_events_breaks_a_rule_or_forgets_a_waiter`).

use std::collections::VecDeque;

/// Where a render runs, and by which rules it is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    Small,
    Large,
}

/// What is held while a render runs. Given back by [`Admission::leave`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) size: Size,
    pub(super) memory: u64,
}

/// The caps. Every number is at least 1, but those of the queues.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Renders at once.
    pub(super) places: usize,
    /// Small renders at once.
    pub(super) places_small: usize,
    /// Large renders at once: fewer than `places`.
    pub(super) places_large: usize,
    /// Bytes of all renders at once.
    pub(super) memory: u64,
    /// Bytes of these that large renders never take.
    pub(super) memory_small: u64,
    /// Renders that wait.
    pub(super) queue: usize,
    /// Large renders among these.
    pub(super) queue_large: usize,
}

/// What became of an arrival.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival<W> {
    /// It runs.
    Granted(Grant),
    /// It waits under this ticket; [`Admission::next`] will hand the waiter back with its grant.
    Waits(Ticket),
    /// The queue is full. The waiter comes back.
    Refused(W),
}

/// One who waits. Tickets grow in order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

struct Waiting<W> {
    ticket: Ticket,
    memory: u64,
    waiter: W,
}

/// Who runs and who waits.
pub(super) struct Admission<W> {
    rules: Rules,
    running_small: usize,
    running_large: usize,
    memory_small: u64,
    memory_large: u64,
    small: VecDeque<Waiting<W>>,
    large: VecDeque<Waiting<W>>,
    tickets: u64,
}

impl<W> Admission<W> {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            running_small: 0,
            running_large: 0,
            memory_small: 0,
            memory_large: 0,
            small: VecDeque::new(),
            large: VecDeque::new(),
            tickets: 0,
        }
    }

    /// A render that needs `memory` bytes arrives.
    pub(super) fn arrive(&mut self, size: Size, memory: u64, waiter: impl FnOnce() -> W) -> Arrival<W> {
        let memory = memory.min(self.share(size));
        if self.queue(size).is_empty() && self.fits(size, memory) {
            return Arrival::Granted(self.grant(size, memory));
        }
        let waiter = waiter();
        let full =
            self.waiting() >= self.rules.queue || (size == Size::Large && self.large.len() >= self.rules.queue_large);
        if full {
            return Arrival::Refused(waiter);
        }
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        self.queue(size).push_back(Waiting { ticket, memory, waiter });
        Arrival::Waits(ticket)
    }

    /// A render is over. Call [`Admission::next`] then, until it gives none.
    pub(super) fn leave(&mut self, grant: &Grant) {
        match grant.size {
            Size::Small => {
                self.running_small -= 1;
                self.memory_small -= grant.memory;
            }
            Size::Large => {
                self.running_large -= 1;
                self.memory_large -= grant.memory;
            }
        }
    }

    /// Someone no longer waits, if he did. Call [`Admission::next`] then, until it gives none.
    pub(super) fn give_up(&mut self, ticket: Ticket) {
        for queue in [&mut self.small, &mut self.large] {
            if let Ok(at) = queue.binary_search_by_key(&ticket, |waiting| waiting.ticket) {
                queue.remove(at);
            }
        }
    }

    /// The next waiter whose turn has come: of the two at the heads of their queues, the one who came first, if it fits,
    /// else the other.
    pub(super) fn next(&mut self) -> Option<(W, Grant)> {
        let first = |queue: &VecDeque<Waiting<W>>| queue.front().map(|waiting| waiting.ticket);
        let large_came_first = match (first(&self.large), first(&self.small)) {
            (Some(large), Some(small)) => large < small,
            (large, _) => large.is_some(),
        };
        let order = if large_came_first { [Size::Large, Size::Small] } else { [Size::Small, Size::Large] };
        order.into_iter().find_map(|size| {
            let memory = self.queue(size).front()?.memory;
            if !self.fits(size, memory) {
                return None;
            }
            let Waiting { waiter, .. } = self.queue(size).pop_front()?;
            Some((waiter, self.grant(size, memory)))
        })
    }

    pub(super) fn waiting(&self) -> usize {
        self.small.len() + self.large.len()
    }

    /// Small and large renders that run.
    pub(super) fn running(&self) -> (usize, usize) {
        (self.running_small, self.running_large)
    }

    /// Bytes that renders hold.
    pub(super) fn memory(&self) -> u64 {
        self.memory_small + self.memory_large
    }

    fn queue(&mut self, size: Size) -> &mut VecDeque<Waiting<W>> {
        match size {
            Size::Small => &mut self.small,
            Size::Large => &mut self.large,
        }
    }

    /// The most that one render of this size is charged.
    fn share(&self, size: Size) -> u64 {
        match size {
            Size::Small => self.rules.memory_small,
            Size::Large => self.rules.memory - self.rules.memory_small,
        }
    }

    fn fits(&self, size: Size, memory: u64) -> bool {
        let rules = &self.rules;
        let place = self.running_small + self.running_large < rules.places
            && match size {
                Size::Small => self.running_small < rules.places_small,
                Size::Large => self.running_large < rules.places_large,
            };
        let share = match size {
            Size::Small => self.large.is_empty() || self.memory_small.saturating_add(memory) <= self.share(size),
            Size::Large => self.memory_large.saturating_add(memory) <= self.share(size),
        };
        place && share && memory <= rules.memory - self.memory()
    }

    fn grant(&mut self, size: Size, memory: u64) -> Grant {
        match size {
            Size::Small => {
                self.running_small += 1;
                self.memory_small += memory;
            }
            Size::Large => {
                self.running_large += 1;
                self.memory_large += memory;
            }
        }
        Grant { size, memory }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Size::{Large, Small};
    use super::*;

    /// Four places, three for large ones; 100 bytes, 20 of them for small ones; four may wait, two of them large.
    const RULES: Rules =
        Rules { places: 4, places_small: 4, places_large: 3, memory: 100, memory_small: 20, queue: 4, queue_large: 2 };

    fn granted(admission: &mut Admission<u32>, size: Size, memory: u64) -> Grant {
        match admission.arrive(size, memory, || 0) {
            Arrival::Granted(grant) => grant,
            other => panic!("{other:?}"),
        }
    }

    fn waits(admission: &mut Admission<u32>, size: Size, memory: u64, waiter: u32) -> Ticket {
        match admission.arrive(size, memory, || waiter) {
            Arrival::Waits(ticket) => ticket,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn large_renders_leave_the_last_place() {
        let mut admission = Admission::new(RULES);
        let first = granted(&mut admission, Large, 1);
        granted(&mut admission, Large, 1);
        granted(&mut admission, Large, 1);
        waits(&mut admission, Large, 1, 7);
        granted(&mut admission, Small, 1);
        waits(&mut admission, Small, 1, 8);
        admission.leave(&first);
        assert_eq!(admission.next(), Some((7, Grant { size: Large, memory: 1 })));
        assert_eq!(admission.next(), None);
    }

    #[test]
    fn a_document_beyond_its_share_takes_all_of_it_and_small_ones_go_on() {
        let mut admission = Admission::new(RULES);
        let huge = granted(&mut admission, Large, 1_000_000);
        assert_eq!(huge, Grant { size: Large, memory: 80 });
        waits(&mut admission, Large, 1, 7);
        let small = granted(&mut admission, Small, 10);
        granted(&mut admission, Small, 10);
        waits(&mut admission, Small, 10, 8);
        admission.leave(&small);
        assert_eq!(admission.next(), Some((8, Grant { size: Small, memory: 10 })));
        admission.leave(&huge);
        assert_eq!(admission.next(), Some((7, Grant { size: Large, memory: 1 })));
    }

    #[test]
    fn small_renders_keep_to_their_share_while_a_large_one_waits() {
        let mut admission = Admission::new(RULES);
        let small: Vec<Grant> = (0..3).map(|_| granted(&mut admission, Small, 20)).collect();
        let huge = waits(&mut admission, Large, 80, 7);
        waits(&mut admission, Small, 1, 8);
        admission.leave(&small[0]);
        assert_eq!(admission.next(), None, "40 of the small ones' 20 are still held");
        admission.leave(&small[1]);
        assert_eq!(admission.next(), Some((7, Grant { size: Large, memory: 80 })));
        admission.give_up(huge);
        assert_eq!(admission.next(), None, "the budget is full");
        admission.leave(&small[2]);
        assert_eq!(admission.next(), Some((8, Grant { size: Small, memory: 1 })));
    }

    #[test]
    fn who_gives_up_frees_the_way_for_those_behind() {
        let mut admission = Admission::new(RULES);
        granted(&mut admission, Small, 20);
        granted(&mut admission, Large, 70);
        let large = waits(&mut admission, Large, 20, 7);
        waits(&mut admission, Small, 5, 8);
        assert_eq!(admission.next(), None);
        admission.give_up(large);
        assert_eq!(admission.next(), Some((8, Grant { size: Small, memory: 5 })));
        assert_eq!(admission.waiting(), 0);
    }

    #[test]
    fn the_queue_is_bounded_and_large_ones_leave_half_of_it() {
        let mut admission = Admission::new(RULES);
        granted(&mut admission, Large, 80);
        waits(&mut admission, Large, 1, 1);
        waits(&mut admission, Large, 1, 2);
        assert_eq!(admission.arrive(Large, 1, || 3), Arrival::Refused(3));
        for _ in 0..3 {
            granted(&mut admission, Small, 1);
        }
        waits(&mut admission, Small, 1, 4);
        waits(&mut admission, Small, 1, 5);
        assert_eq!(admission.arrive(Small, 1, || 6), Arrival::Refused(6));
    }

    #[derive(Clone, Debug)]
    enum Event {
        Arrive { large: bool, memory: u64 },
        Leave { which: usize },
        GiveUp { which: usize },
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            3 => (any::<bool>(), 0u64..150).prop_map(|(large, memory)| Event::Arrive { large, memory }),
            2 => (0usize..8).prop_map(|which| Event::Leave { which }),
            1 => (0usize..8).prop_map(|which| Event::GiveUp { which }),
        ]
    }

    fn rules() -> impl Strategy<Value = Rules> {
        (1usize..5, 2u64..100, 0usize..6).prop_map(|(places, memory, queue)| Rules {
            places: places.max(2),
            places_small: places,
            places_large: (places - 1).max(1),
            memory,
            memory_small: (memory / 4).max(1),
            queue,
            queue_large: queue.div_ceil(2),
        })
    }

    fn assert_rules_hold(admission: &Admission<u32>, running: &[Grant]) {
        let rules = &admission.rules;
        let (small, large) = admission.running();
        assert_eq!((small, large, admission.memory()), {
            let count = |size| running.iter().filter(|grant| grant.size == size).count();
            (count(Small), count(Large), running.iter().map(|grant| grant.memory).sum())
        });
        assert!(small + large <= rules.places && small <= rules.places_small && large <= rules.places_large);
        assert!(large < rules.places && admission.memory_large <= rules.memory - rules.memory_small);
        assert!(admission.memory() <= rules.memory);
        assert!(admission.waiting() <= rules.queue && admission.large.len() <= rules.queue_large);
    }

    proptest! {
        #[test]
        fn no_order_of_events_breaks_a_rule_or_forgets_a_waiter(
            rules in rules(),
            events in prop::collection::vec(event(), 0..60),
        ) {
            let mut admission = Admission::new(rules);
            let (mut running, mut waiting) = (Vec::new(), Vec::<(u32, Ticket)>::new());
            for (name, event) in (0u32..).zip(events) {
                match event {
                    Event::Arrive { large, memory } => {
                        match admission.arrive(if large { Large } else { Small }, memory, || name) {
                            Arrival::Granted(grant) => running.push(grant),
                            Arrival::Waits(ticket) => waiting.push((name, ticket)),
                            Arrival::Refused(_) => {}
                        }
                    }
                    Event::Leave { which } if which < running.len() => admission.leave(&running.swap_remove(which)),
                    Event::GiveUp { which } if which < waiting.len() => admission.give_up(waiting.remove(which).1),
                    Event::Leave { .. } | Event::GiveUp { .. } => {}
                }
                while let Some((name, grant)) = admission.next() {
                    waiting.retain(|(waiter, _)| *waiter != name);
                    running.push(grant);
                }
                assert_rules_hold(&admission, &running);
                prop_assert_eq!(admission.waiting(), waiting.len());
            }
            while let Some(grant) = running.pop() {
                admission.leave(&grant);
                while let Some((name, grant)) = admission.next() {
                    waiting.retain(|(waiter, _)| *waiter != name);
                    running.push(grant);
                }
            }
            prop_assert!(waiting.is_empty(), "{:?} wait for ever", waiting);
            prop_assert_eq!(admission.memory(), 0);
        }
    }
}
