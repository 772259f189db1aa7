//! One rate, kept for each caller: a bucket that holds some seconds' worth and refills evenly (GCRA).
//!
//! **Invariant:** no caller gets more than the burst plus the rate times the time that passed
//! (`a_caller_gets_its_burst_then_its_rate`); no number of addresses grows the memory beyond its cap, and at the cap
//! known callers keep their own buckets (`beyond_the_cap_newcomers_share_one_bucket`).
//!
//! **Source:** draft-ietf-httpapi-ratelimit-headers-11 §3 and §4 (`RateLimit-Policy`, `RateLimit`).

use std::fmt;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock, Reference};
use governor::middleware::StateInformationMiddleware;
use governor::{Quota, RateLimiter};

use super::Denied;
use super::buckets::Buckets;
use crate::auth::Caller;

type Limiter<C> = RateLimiter<Caller, Buckets, C, StateInformationMiddleware>;

/// One rate with everybody's buckets. The clock is real but in tests.
pub struct Rate<C: Clock = DefaultClock> {
    policy: Policy,
    /// None: no limit.
    limiter: Option<Limiter<C>>,
    start: C::Instant,
    /// When stale buckets were last thrown away, in nanoseconds after `start`.
    swept: AtomicU64,
}

/// What everyone may ask for, for the `RateLimit-Policy` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The rate's name.
    pub name: &'static str,
    /// How many may come at once after a pause.
    pub quota: u32,
    /// In how many seconds that many come back.
    pub window_seconds: u32,
    /// How many bytes one of them is; none where they are not bytes.
    pub bytes_each: Option<u32>,
}

/// How many bytes are counted as one in a rate of bytes: a step of the clock must not be shorter than it can tell, and a
/// token of a few letters must not weigh much more than it is.
const BYTES_EACH: u32 = 64;

/// How a caller stands after being let through or refused, for the `RateLimit` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The policy that was applied.
    pub policy: Policy,
    /// How many more would be let through at once.
    pub remaining: u32,
    /// After how many seconds there is more: until the bucket is full again; for one that was refused, until the next
    /// is let through, as `Retry-After` says.
    pub reset_seconds: u64,
}

impl Rate {
    /// A rate of `per_second` (0 = no limit), with `burst_seconds` worth of it at once, for at most `addresses_max`
    /// remembered addresses.
    pub fn new(name: &'static str, per_second: u32, burst_seconds: u32, addresses_max: usize) -> Self {
        Self::with_clock(name, per_second, burst_seconds, addresses_max, DefaultClock::default())
    }

    /// The same of bytes: what is checked is weighed by `weight_of_bytes`.
    pub fn of_bytes(name: &'static str, per_second: u32, burst_seconds: u32, addresses_max: usize) -> Self {
        let mut rate = Self::new(name, per_second.div_ceil(BYTES_EACH), burst_seconds, addresses_max);
        rate.policy.bytes_each = Some(BYTES_EACH);
        rate
    }

    /// Waits until `n` can be counted against `caller`, and counts them. More than a burst are counted in turns.
    ///
    /// # Cancel safety
    /// Dropping the future keeps what was counted, at most `n`.
    pub async fn wait_for(&self, caller: Caller, mut n: u32) {
        let turn = self.policy.quota;
        while n > 0 && turn > 0 {
            match self.check_n(caller, n.min(turn)) {
                Ok(_) => n = n.saturating_sub(turn),
                Err(denied) => tokio::time::sleep(denied.retry_after).await,
            }
        }
    }
}

impl<C: Clock> Rate<C> {
    /// As [`Rate::new`], by another clock.
    pub fn with_clock(name: &'static str, per_second: u32, burst_seconds: u32, addresses_max: usize, clock: C) -> Self {
        let window_seconds = burst_seconds.max(1);
        let quota = per_second.saturating_mul(window_seconds);
        let policy = Policy { name, quota, window_seconds, bytes_each: None };
        let start = clock.now();
        let limits = NonZeroU32::new(per_second).zip(NonZeroU32::new(policy.quota));
        let limiter = limits.map(|(per_second, burst)| {
            let quota = Quota::per_second(per_second).allow_burst(burst);
            Limiter::new(quota, Buckets::new(addresses_max), clock)
        });
        Self { policy, limiter, start, swept: AtomicU64::new(0) }
    }

    /// Counts one against `caller`. None where there is no limit.
    ///
    /// # Errors
    /// [`Denied`] where the caller's bucket is empty; nothing is counted then.
    pub fn check(&self, caller: Caller) -> Result<Option<Standing>, Denied> {
        self.check_n(caller, 1)
    }

    /// Counts `n` against `caller`, all or none. More than a whole burst are counted as that, or they could never pass.
    ///
    /// # Errors
    /// [`Denied`] where the caller's bucket does not hold as many; nothing is counted then.
    pub fn check_n(&self, caller: Caller, n: u32) -> Result<Option<Standing>, Denied> {
        let (Some(limiter), Some(n)) = (&self.limiter, NonZeroU32::new(n.min(self.policy.quota))) else {
            return Ok(None);
        };
        let now = limiter.clock().now();
        self.sweep(limiter, now);
        let counted = limiter.check_key_n(&caller, n).expect("no more than a burst is asked for");
        match counted {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                let missing = u64::from(self.policy.quota.saturating_sub(remaining));
                let per_window = u64::from(self.policy.quota);
                let reset_seconds = (missing * u64::from(self.policy.window_seconds)).div_ceil(per_window);
                Ok(Some(Standing { policy: self.policy, remaining, reset_seconds }))
            }
            Err(until) => {
                let retry_after = until.wait_time_from(now);
                let reset_seconds = super::whole_seconds(retry_after);
                let standing = Standing { policy: self.policy, remaining: 0, reset_seconds };
                Err(Denied { retry_after, standing: Some(standing) })
            }
        }
    }

    /// How many addresses are remembered.
    pub fn addresses(&self) -> usize {
        self.limiter.as_ref().map_or(0, RateLimiter::len)
    }

    /// Throws away buckets that are full again, at most once in the time that takes. One caller in that time pays for
    /// it: well under 10 ms at 100,000 addresses.
    fn sweep(&self, limiter: &Limiter<C>, now: C::Instant) {
        let now = now.duration_since(self.start).as_u64();
        let swept = self.swept.load(Ordering::Relaxed);
        let period = Duration::from_secs(self.policy.window_seconds.into()).as_nanos();
        if u128::from(now.saturating_sub(swept)) < period {
            return;
        }
        if self.swept.compare_exchange(swept, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            limiter.retain_recent();
        }
    }
}

impl<C: Clock> fmt::Debug for Rate<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rate").field("policy", &self.policy).field("addresses", &self.addresses()).finish()
    }
}

/// What bytes weigh in a rate of bytes: at least 1, if there are any.
pub(super) fn weight_of_bytes(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(BYTES_EACH as usize)).unwrap_or(u32::MAX)
}

impl Policy {
    /// The value of `RateLimit-Policy`: `"render";q=400;w=2`.
    pub fn header(&self) -> String {
        let unit = if self.bytes_each.is_some() { ";qu=\"content-bytes\";w=" } else { ";w=" };
        header(self.name, [(";q=", self.shown(self.quota)), (unit, self.window_seconds.into())])
    }

    /// A number of the policy as people count it.
    fn shown(&self, n: u32) -> u64 {
        u64::from(n) * u64::from(self.bytes_each.unwrap_or(1))
    }
}

impl Standing {
    /// The value of `RateLimit`: `"render";r=399;t=1`.
    pub fn header(&self) -> String {
        header(self.policy.name, [(";r=", self.policy.shown(self.remaining)), (";t=", self.reset_seconds)])
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.header())
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.header())
    }
}

/// A quoted name and two numbers. Two of these stand on every answer: put together by hand they take a fifth of the time.
fn header(name: &str, numbers: [(&str, u64); 2]) -> String {
    /// Digits of the largest number.
    const DIGITS: usize = 20;
    let mut header = String::with_capacity(name.len() + 2 + 2 * (DIGITS + 3));
    header.push('"');
    header.push_str(name);
    header.push('"');
    for (label, mut number) in numbers {
        header.push_str(label);
        let (mut digits, mut from) = ([b'0'; DIGITS], DIGITS);
        while number > 0 || from == DIGITS {
            from -= 1;
            digits[from] = b'0' + (number % 10) as u8;
            number /= 10;
        }
        header.extend(digits[from..].iter().map(|digit| char::from(*digit)));
    }
    header
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use governor::clock::FakeRelativeClock;

    use super::*;
    use crate::auth::ClientAddress;

    fn rate(per_second: u32, burst_seconds: u32, addresses_max: usize) -> (Rate<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (Rate::with_clock("render", per_second, burst_seconds, addresses_max, clock.clone()), clock)
    }

    fn address(n: u32) -> Caller {
        Caller::Address(ClientAddress::from(IpAddr::from(n.to_be_bytes())))
    }

    fn let_through(rate: &Rate<FakeRelativeClock>, caller: Caller, tries: usize) -> usize {
        (0..tries).filter(|_| rate.check(caller).is_ok()).count()
    }

    #[test]
    fn a_caller_gets_its_burst_then_its_rate() {
        let (rate, clock) = rate(200, 2, 10);
        assert_eq!(let_through(&rate, address(1), 1_000), 400);
        clock.advance(Duration::from_millis(100));
        assert_eq!(let_through(&rate, address(1), 1_000), 20);
        clock.advance(Duration::from_secs(60));
        assert_eq!(let_through(&rate, address(1), 1_000), 400);
    }

    #[test]
    fn callers_do_not_share_their_buckets() {
        let (rate, _) = rate(1, 3, 10);
        assert_eq!(let_through(&rate, address(1), 9), 3);
        assert_eq!(let_through(&rate, address(2), 9), 3);
        assert_eq!(let_through(&rate, Caller::Local, 9), 3);
    }

    #[test]
    fn headers_say_what_is_left_and_when_to_return() {
        let (rate, clock) = rate(2, 2, 10);
        let standings: Vec<String> = (0..4).map(|_| rate.check(address(1)).unwrap().unwrap().to_string()).collect();
        assert_eq!(standings, ["r=3;t=1", "r=2;t=1", "r=1;t=2", "r=0;t=2"].map(|rest| format!("\"render\";{rest}")));
        clock.advance(Duration::from_millis(100));
        let denied = rate.check(address(1)).unwrap_err();
        assert_eq!(denied.retry_after, Duration::from_millis(400));
        assert_eq!(denied.retry_after_seconds(), 1);
        let standing = denied.standing.unwrap();
        assert_eq!(standing.to_string(), r#""render";r=0;t=1"#);
        assert_eq!(standing.policy.to_string(), r#""render";q=4;w=2"#);
        clock.advance(denied.retry_after);
        assert!(rate.check(address(1)).is_ok(), "what Retry-After promised");
    }

    #[test]
    fn beyond_the_cap_newcomers_share_one_bucket() {
        let (rate, clock) = rate(1, 2, 3);
        for known in 0..3 {
            assert_eq!(let_through(&rate, address(known), 1), 1);
        }
        let newcomers: usize = (100..200).map(|n| let_through(&rate, address(n), 1)).sum();
        assert_eq!(newcomers, 2, "one burst for all of them");
        assert_eq!(rate.addresses(), 3);
        assert_eq!(let_through(&rate, address(0), 9), 1, "a known address keeps its own");
        assert_eq!(let_through(&rate, Caller::Local, 9), 2, "callers that are no addresses are not capped");
        clock.advance(Duration::from_secs(3));
        assert_eq!(let_through(&rate, address(300), 9), 2, "quiet addresses made room");
        assert_eq!(rate.addresses(), 1);
    }

    #[test]
    fn a_rate_of_zero_is_no_limit() {
        let (rate, _) = rate(0, 2, 10);
        assert!((0..10_000).all(|_| rate.check(address(1)) == Ok(None)));
        assert_eq!(rate.addresses(), 0);
    }

    #[test]
    fn several_are_counted_all_or_none() {
        let (rate, clock) = rate(10, 2, 10);
        assert_eq!(rate.check_n(address(1), 15).unwrap().unwrap().remaining, 5);
        let denied = rate.check_n(address(1), 15).unwrap_err();
        assert_eq!(denied.retry_after, Duration::from_secs(1));
        assert_eq!(rate.check_n(address(1), 5).unwrap().unwrap().remaining, 0, "the refused ones were not counted");
        clock.advance(Duration::from_secs(2));
        assert!(rate.check_n(address(1), 1_000).is_ok(), "more than a burst is a burst");
        assert!(rate.check_n(address(1), 1).is_err());
        assert_eq!(rate.check_n(address(1), 0), Ok(None));
    }

    #[test]
    fn bytes_are_counted_in_steps_and_told_as_bytes() {
        let rate = Rate::of_bytes("publish-bytes", 16 << 20, 2, 10);
        assert_eq!(rate.policy.to_string(), r#""publish-bytes";q=33554432;qu="content-bytes";w=2"#);
        for (bytes, weight) in [(0, 0), (1, 1), (64, 1), (65, 2), (1 << 20, 1 << 14), (usize::MAX, u32::MAX)] {
            assert_eq!(weight_of_bytes(bytes), weight, "{bytes}");
        }
        let standing = rate.check_n(address(1), weight_of_bytes(1 << 20)).unwrap().unwrap();
        assert!(standing.to_string().starts_with(r#""publish-bytes";r=325"#), "{standing}");
        assert!(rate.check_n(address(1), weight_of_bytes(32 << 20)).is_err());
    }

    #[tokio::test]
    async fn who_waits_is_paced_by_the_rate() {
        let rate = Rate::new("publish", 1_000, 1, 10);
        let start = std::time::Instant::now();
        rate.wait_for(address(1), 1_150).await;
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(140), "{took:?}");
        assert!(rate.check_n(address(1), 900).is_err(), "what was waited for is counted");
    }

    #[test]
    fn extreme_rates_neither_panic_nor_lock_out() {
        for (per_second, burst_seconds) in [(u32::MAX, u32::MAX), (1, 0), (1, 3600), (u32::MAX, 1)] {
            let (rate, _) = rate(per_second, burst_seconds, 0);
            assert!(rate.check(address(1)).is_ok(), "{per_second} {burst_seconds}");
        }
    }
}
