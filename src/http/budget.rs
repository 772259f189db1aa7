//! What all bodies together, or all answers together, may hold in memory.
//!
//! Up to [`FREE_BYTES`] cost nothing; what is longer takes its bytes from one budget and gives them back when it is
//! dropped (CWE-770). One that is longer than the whole budget takes all of it, and so goes alone.
//!
//! **Invariant:** what is held together is at most the budget (`one_over_the_whole_budget_takes_all_of_it`).

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Up to this many bytes take nothing from a budget: ten thousand connections hold 640 MiB of them at most, and only if
/// every one has such a body or answer at once.
pub(super) const FREE_BYTES: usize = 64 * 1024;
/// A budget is counted in blocks of this many bytes.
const BLOCK_BYTES: usize = 1024;
/// The largest budget, in blocks: 2 TiB.
const BLOCKS_MAX: usize = 1 << 31;

/// Bytes that many may hold together. A clone is a handle to the same budget.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    total: usize,
    blocks: Arc<Semaphore>,
}

/// What one holds; dropping it gives it back.
#[derive(Debug, Default)]
pub(super) struct Held(Option<OwnedSemaphorePermit>);

impl Budget {
    /// A budget of this many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        let blocks = (bytes / BLOCK_BYTES).clamp(1, BLOCKS_MAX);
        Self { blocks: Arc::new(Semaphore::new(blocks)), total: blocks }
    }

    /// Lets `held` be enough for `bytes`, of which [`FREE_BYTES`] are free if that is all. Whether it could; if not,
    /// `held` is as it was.
    pub(super) fn cover(&self, held: &mut Held, bytes: usize) -> bool {
        let needed = if bytes <= FREE_BYTES { 0 } else { bytes.div_ceil(BLOCK_BYTES).min(self.total) };
        let missing = needed.saturating_sub(held.blocks());
        if missing == 0 {
            return true;
        }
        let missing = u32::try_from(missing).expect("a budget has fewer blocks than u32 counts");
        let Ok(more) = Arc::clone(&self.blocks).try_acquire_many_owned(missing) else { return false };
        match &mut held.0 {
            Some(permit) => permit.merge(more),
            none => *none = Some(more),
        }
        true
    }
}

impl Held {
    fn blocks(&self) -> usize {
        self.0.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(budget: &Budget, bytes: usize) -> Option<Held> {
        let mut held = Held::default();
        budget.cover(&mut held, bytes).then_some(held)
    }

    #[test]
    fn one_over_the_whole_budget_takes_all_of_it() {
        let budget = Budget::new(100 * BLOCK_BYTES);
        let mut all = take(&budget, 1 << 40).unwrap();
        assert_eq!(all.blocks(), 100);
        assert!(budget.cover(&mut all, 1 << 41), "to grow costs it nothing more");
        assert!(take(&budget, FREE_BYTES + 1).is_none());
        assert_eq!(take(&budget, FREE_BYTES).unwrap().blocks(), 0, "short ones are free");
        drop(all);
        assert_eq!(take(&budget, FREE_BYTES + 1).unwrap().blocks(), 65);
    }

    #[test]
    fn what_grows_takes_only_what_is_missing() {
        let budget = Budget::new(200 * BLOCK_BYTES);
        let mut held = take(&budget, 70 * BLOCK_BYTES).unwrap();
        let other = take(&budget, 100 * BLOCK_BYTES).unwrap();
        assert!(budget.cover(&mut held, 100 * BLOCK_BYTES));
        assert!(!budget.cover(&mut held, 101 * BLOCK_BYTES));
        assert_eq!(held.blocks(), 100);
        drop(other);
        assert!(budget.cover(&mut held, 200 * BLOCK_BYTES));
        drop(held);
        assert_eq!(take(&budget, 200 * BLOCK_BYTES).unwrap().blocks(), 200);
    }
}
