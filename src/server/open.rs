//! How many answers go on: a drain waits for them.
//!
//! The workers of the server underneath count only requests that the dispatcher answers, and an answer that goes on is
//! none of those any more. So it is counted here.
//!
//! **Invariant:** a drain waits for every answer that goes on, and for no longer (`a_drain_ends_with_the_last_answer`).

use tokio::sync::watch;

/// The count. A clone is a handle to the same one.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    count: watch::Sender<usize>,
}

impl Default for Opened {
    fn default() -> Self {
        Self { count: watch::Sender::new(0) }
    }
}

impl Opened {
    /// One more goes on, until what is returned is dropped.
    pub(super) fn open(&self) -> Open {
        self.count.send_modify(|count| *count += 1);
        Open { opened: self.clone() }
    }

    /// Waits until none goes on.
    ///
    /// # Cancel safety
    /// It only waits.
    pub(super) async fn none(&self) {
        // The sender lives as long as we do.
        let _ = self.count.subscribe().wait_for(|count| *count == 0).await;
    }
}

/// An answer that goes on.
#[derive(Debug)]
pub(super) struct Open {
    opened: Opened,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.opened.count.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_drain_ends_with_the_last_answer() {
        let opened = Opened::default();
        opened.none().await;
        let (one, other) = (opened.open(), opened.clone().open());
        let mut none = std::pin::pin!(opened.none());
        drop(one);
        assert!(none.as_mut().now_or_never().is_none());
        drop(other);
        none.await;
    }
}
