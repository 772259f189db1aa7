//! The buckets of a rate: a store for governor that never holds more addresses than its cap.
//!
//! **Invariant:** `addresses` counts the addresses in all shards, and never passes the cap
//! (`threads_together_do_not_pass_the_cap`).

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use ahash::RandomState;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;
use parking_lot::Mutex;

use crate::auth::Caller;

/// Locks are held for some 100 ns, so a few shards are enough for many cores.
const SHARDS: usize = 16;

/// What governor remembers of each caller. Holders of keys are as many as there are keys; addresses, and holders of
/// tokens, of whom there may be any number, need a cap.
pub(super) struct Buckets {
    shards: [Mutex<HashMap<Caller, Nanos, RandomState>>; SHARDS],
    hasher: RandomState,
    addresses: AtomicUsize,
    addresses_max: usize,
    /// One bucket for all addresses beyond the cap: a flood of new ones shares one caller's rate.
    overflow: Mutex<Option<Nanos>>,
}

/// Whether callers of this kind may be any number.
fn is_capped(caller: &Caller) -> bool {
    matches!(caller, Caller::Address(_) | Caller::Subject(_))
}

impl Buckets {
    pub(super) fn new(addresses_max: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
            addresses: AtomicUsize::new(0),
            addresses_max,
            overflow: Mutex::new(None),
        }
    }

    /// Takes a place for one more bucket of `caller`.
    fn admit(&self, caller: &Caller) -> bool {
        let one_more = |n: usize| (n < self.addresses_max).then_some(n + 1);
        !is_capped(caller) || self.addresses.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }
}

impl StateStore for Buckets {
    type Key = Caller;

    fn measure_and_replace<T, F, E>(&self, caller: &Caller, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut shard = self.shards[self.hasher.hash_one(caller) as usize % SHARDS].lock();
        if let Some(known) = shard.get_mut(caller) {
            let (outcome, next) = decide(Some(*known))?;
            *known = next;
            return Ok(outcome);
        }
        let (outcome, next) = decide(None)?;
        if self.admit(caller) {
            shard.insert(*caller, next);
            return Ok(outcome);
        }
        drop(shard);
        let mut overflow = self.overflow.lock();
        let (outcome, next) = decide(*overflow)?;
        *overflow = Some(next);
        Ok(outcome)
    }
}

impl ShrinkableKeyedStateStore<Caller> for Buckets {
    fn retain_recent(&self, drop_below: Nanos) {
        for shard in &self.shards {
            let mut gone = 0;
            let mut shard = shard.lock();
            shard.retain(|caller, next| {
                let recent = *next > drop_below;
                gone += usize::from(!recent && is_capped(caller));
                recent
            });
            if shard.capacity() > 4 * shard.len() {
                shard.shrink_to_fit();
            }
            self.addresses.fetch_sub(gone, Ordering::Relaxed);
        }
    }

    fn len(&self) -> usize {
        self.addresses.load(Ordering::Relaxed)
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::auth::ClientAddress;

    #[test]
    fn threads_together_do_not_pass_the_cap() {
        let buckets = Buckets::new(100);
        std::thread::scope(|scope| {
            for thread in 0..4u32 {
                let buckets = &buckets;
                scope.spawn(move || {
                    for n in 0..500u32 {
                        let caller =
                            Caller::Address(ClientAddress::from(IpAddr::from((thread * 400 + n).to_be_bytes())));
                        buckets.measure_and_replace(&caller, |_| Ok::<_, ()>(((), Nanos::new(u64::from(n))))).unwrap();
                    }
                });
            }
        });
        let held = |buckets: &Buckets| buckets.shards.iter().map(|shard| shard.lock().len()).sum::<usize>();
        assert_eq!((buckets.len(), held(&buckets)), (100, 100));
        buckets.retain_recent(Nanos::new(1_000));
        assert_eq!((buckets.len(), held(&buckets)), (0, 0));
    }
}
