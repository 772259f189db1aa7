//! When each channel is to be looked at: the busy ones for runs that nobody feeds, the idle ones to be given up.
//!
//! Times are those of the last change between the two, so that a publish moves nothing here: who looks finds out what
//! has happened since, and puts the channel back to where it belongs.
//!
//! **Invariant:** a channel with a log stands in one place (`a_channel_stands_in_one_place`).

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::time::Instant;

/// Where a channel stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// It has runs that end when nobody feeds them: to be looked at by then.
    Busy(Instant),
    /// It has none since then.
    Idle(Instant),
}

/// All channels with a log. `T` is a channel, told apart by its number.
#[derive(Debug)]
pub(super) struct Schedule<T> {
    busy: BTreeMap<(Instant, u64), Arc<T>>,
    idle: BTreeMap<(Instant, u64), Arc<T>>,
}

impl<T> Default for Schedule<T> {
    fn default() -> Self {
        Self { busy: BTreeMap::new(), idle: BTreeMap::new() }
    }
}

impl<T> Schedule<T> {
    /// Moves a channel to another place, or off the schedule.
    pub(super) fn place(&mut self, id: u64, channel: &Arc<T>, from: Option<Slot>, to: Option<Slot>) {
        match from {
            Some(Slot::Busy(at)) => drop(self.busy.remove(&(at, id))),
            Some(Slot::Idle(at)) => drop(self.idle.remove(&(at, id))),
            None => {}
        }
        match to {
            Some(Slot::Busy(at)) => drop(self.busy.insert((at, id), Arc::clone(channel))),
            Some(Slot::Idle(at)) => drop(self.idle.insert((at, id), Arc::clone(channel))),
            None => {}
        }
    }

    /// Busy channels whose time has come, at most `max`.
    pub(super) fn due(&self, now: Instant, max: usize) -> Vec<Arc<T>> {
        self.busy.range(..=(now, u64::MAX)).take(max).map(|(_, channel)| Arc::clone(channel)).collect()
    }

    /// Channels that have been idle since `since` or longer, the longest first, at most `max`.
    pub(super) fn idle_since(&self, since: Instant, max: usize) -> Vec<Arc<T>> {
        self.idle.range(..=(since, u64::MAX)).take(max).map(|(_, channel)| Arc::clone(channel)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_channel_stands_in_one_place() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let names = |found: Vec<Arc<&'static str>>| found.iter().map(|name| **name).collect::<String>();
        let mut schedule = Schedule::default();
        let (a, b, c) = (Arc::new("a"), Arc::new("b"), Arc::new("c"));
        schedule.place(1, &a, None, Some(Slot::Idle(at(5))));
        schedule.place(2, &b, None, Some(Slot::Idle(at(5))));
        schedule.place(3, &c, None, Some(Slot::Idle(at(3))));
        assert_eq!(names(schedule.idle_since(at(9), 9)), "cab");
        assert_eq!(names(schedule.idle_since(at(9), 2)), "ca");
        assert_eq!(names(schedule.idle_since(at(4), 9)), "c");
        schedule.place(3, &c, Some(Slot::Idle(at(3))), Some(Slot::Busy(at(7))));
        assert_eq!(names(schedule.idle_since(at(9), 9)), "ab");
        assert_eq!((names(schedule.due(at(6), 9)), names(schedule.due(at(7), 9))), (String::new(), "c".to_owned()));
        schedule.place(3, &c, Some(Slot::Busy(at(7))), None);
        schedule.place(1, &a, Some(Slot::Idle(at(5))), None);
        assert_eq!(
            (names(schedule.due(at(9), 9)), names(schedule.idle_since(at(9), 9))),
            (String::new(), "b".to_owned())
        );
    }
}
