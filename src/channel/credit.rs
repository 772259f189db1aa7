//! When a growing document may be framed: work is bounded by *when* a frame is made, never by what it shows.
//!
//! A stream earns credit by the bytes it gets and by the time that passes; the next frame may be made when the credit
//! covers what the last one cost, or when it has waited as long as a reader should ever wait. So a document that costs
//! little is framed at every tick, and one huge open block takes a small share of one core.
//!
//! **Invariant:** whatever is pushed, frames take at most the share of a core that time earns, and what the pushed bytes
//! earn (`frames_cost_what_was_earned`).

use std::time::{Duration, Instant};

/// What it takes to parse and write one byte, about. Prose takes half of it, hostile input some times as much.
const NANOS_PER_BYTE: u64 = 10;

/// Bytes of parsing that each pushed byte earns. With 16, a document whose open part is short is never held up.
const EARNED_PER_BYTE: u64 = 16;

/// One part in so many of a core is what a stream earns by waiting.
const SHARE: u64 = 50;

/// What a reader waits at the longest,
const LATEST: Duration = Duration::from_millis(250);

/// or so many times what the last frame cost, if that is longer.
const LATEST_COSTS: u32 = 20;

/// What one stream has earned since its last frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Credit {
    /// When its last frame was made.
    framed: Instant,
    /// What that frame cost.
    cost: Duration,
}

impl Credit {
    /// The credit after a frame that parsed so many bytes.
    pub(super) fn after(now: Instant, parsed: usize) -> Self {
        Self { framed: now, cost: work(parsed as u64) }
    }

    /// One more frame was made. What several frames of one tick cost is owed together.
    pub(super) fn charge(&mut self, now: Instant, parsed: usize) {
        let before = if self.framed == now { self.cost } else { Duration::ZERO };
        *self = Self { framed: now, cost: before + work(parsed as u64) };
    }

    /// When the next frame may be made, if so many bytes are waiting for it.
    pub(super) fn next(&self, waiting: usize) -> Instant {
        let owed = self.cost.saturating_sub(work((waiting as u64).saturating_mul(EARNED_PER_BYTE)));
        let earned = Duration::from_nanos(nanos(owed).saturating_mul(SHARE));
        let latest = LATEST.max(self.cost * LATEST_COSTS);
        self.framed + earned.min(latest)
    }

    /// By how much earlier the next frame may be made, at most, if so many bytes more are waiting for it.
    pub(super) fn earned_by(bytes: usize) -> Duration {
        let earned = work((bytes as u64).saturating_mul(EARNED_PER_BYTE));
        Duration::from_nanos(nanos(earned).saturating_mul(SHARE))
    }
}

/// How long it takes to parse so many bytes.
fn work(bytes: u64) -> Duration {
    Duration::from_nanos(bytes.saturating_mul(NANOS_PER_BYTE))
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_waits_for_what_the_last_one_cost() {
        let now = Instant::now();
        // The last frame's bytes, the bytes that wait, the milliseconds until the next.
        for (parsed, waiting, millis) in [
            (0, 0, 0),
            (16_000, 1_000, 0),
            (32_000, 0, 16),
            (100_000, 0, 50),
            (100_000, 3_125, 25),
            (100_000, 6_250, 0),
            (500_000, 0, 250),
            (1_000_000, 0, 250),
            (2_000_000, 4, 400),
            (2_000_000, 125_000, 0),
        ] {
            let next = Credit::after(now, parsed).next(waiting);
            assert_eq!(next, now + Duration::from_millis(millis), "{parsed} parsed, {waiting} waiting");
        }
    }

    #[test]
    fn frames_cost_what_was_earned() {
        let start = Instant::now();
        // One open block that grows by 4 bytes every 2 ms for 100 s, from each size.
        for size in [10_000_usize, 100_000, 1_000_000, 10_000_000] {
            let (mut now, mut waiting, mut block, mut spent) = (start, 0, size, 0);
            let mut credit = Credit::after(now, block);
            let (mut longest, mut pushed) = (Duration::ZERO, 0_u64);
            for _ in 0..50_000 {
                now += Duration::from_millis(2);
                (waiting, pushed) = (waiting + 4, pushed + 4);
                if now >= credit.next(waiting) {
                    longest = longest.max(now - credit.framed);
                    block += std::mem::take(&mut waiting);
                    spent += block as u64;
                    credit = Credit::after(now, block);
                }
            }
            let share = work(spent).as_secs_f64() / (now - start).as_secs_f64();
            let pushed = work(pushed * EARNED_PER_BYTE).as_secs_f64() / (now - start).as_secs_f64();
            let most = (1.0 / SHARE as f64).max(1.0 / f64::from(LATEST_COSTS)) + pushed;
            assert!(share <= most * 1.1, "{size}: {share} of a core");
            let latest = LATEST.max(work(block as u64) * LATEST_COSTS) + Duration::from_millis(2);
            assert!(longest <= latest, "{size}: a reader waited {longest:?}");
        }
    }

    #[test]
    fn more_bytes_never_earn_more_than_is_said() {
        let now = Instant::now();
        for parsed in [1_000, 100_000, 600_000, 3_000_000] {
            for (waiting, more) in [(0, 1), (0, 1_000), (7, 20_000), (5_000, 100_000)] {
                let credit = Credit::after(now, parsed);
                let earlier = credit.next(waiting) - credit.next(waiting + more);
                assert!(earlier <= Credit::earned_by(more), "{parsed} parsed, {waiting} + {more} waiting");
            }
        }
        let all = Credit::after(now, 100_000);
        assert_eq!(all.next(0) - all.next(3_125), Credit::earned_by(3_125), "and just that where all of it counts");
    }

    #[test]
    fn no_number_overflows() {
        let _ = Credit::earned_by(usize::MAX);
        let now = Instant::now();
        let _ = Credit::after(now, usize::MAX >> 20).next(usize::MAX);
    }
}
