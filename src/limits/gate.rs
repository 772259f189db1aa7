//! The gate that every render passes: a place and memory for each, a short queue, and a refusal beyond it.
//!
//! The rules are in `admission`; here are the lock, the clock and the waking.
//!
//! **Invariant:** what a permit holds comes back exactly once: when it is dropped, however its render or its waiter
//! ended (`a_waiter_that_leaves_takes_nothing_with_it`).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::admission::{Admission, Arrival, Grant, Rules, Size, Ticket};
use super::{Denied, LimitsOptions, SMALL_SOURCE_BYTES_MAX};

/// Lets renders in. A clone is a handle to the same gate.
#[derive(Clone)]
pub struct RenderGate(Arc<Gate>);

struct Gate {
    admission: Mutex<Admission<oneshot::Sender<RenderPermit>>>,
    wait: Duration,
    memory_bytes_per_source_byte: u64,
}

/// What the gate holds now, for the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RenderLoad {
    /// Small renders that run.
    pub running_small: usize,
    /// Large renders that run.
    pub running_large: usize,
    /// Renders that wait.
    pub waiting: usize,
    /// Memory that running renders may need, in bytes.
    pub memory_bytes: u64,
}

/// The right to run one render. It travels with the render, off the worker too, and comes back when dropped: only then
/// is the place free, even if the client went away before.
#[must_use = "the place is free as soon as the permit is dropped"]
pub struct RenderPermit {
    gate: RenderGate,
    grant: Grant,
}

impl RenderGate {
    /// A gate with nobody in it.
    pub fn new(options: &LimitsOptions) -> Self {
        let small_needs = (SMALL_SOURCE_BYTES_MAX as u64).saturating_mul(options.memory_bytes_per_source_byte);
        let places = options.render_concurrency.max(1);
        let memory = options.render_memory_bytes.max(2);
        let rules = Rules {
            places: places.max(2),
            places_small: places,
            places_large: (places - 1).max(1),
            memory,
            memory_small: small_needs.saturating_mul(places as u64).clamp(1, (memory / 4).max(1)),
            queue: options.render_queue,
            queue_large: options.render_queue.div_ceil(2),
        };
        Self(Arc::new(Gate {
            admission: Mutex::new(Admission::new(rules)),
            wait: options.render_queue_wait,
            memory_bytes_per_source_byte: options.memory_bytes_per_source_byte,
        }))
    }

    /// Waits for a place and memory for a render of `source_bytes`.
    ///
    /// # Errors
    /// [`Denied`] where the queue is full, or the wait was as long as the options allow.
    ///
    /// # Cancel safety
    /// Dropped while it waits, it leaves the queue and holds nothing.
    pub async fn enter(&self, source_bytes: usize) -> Result<RenderPermit, Denied> {
        let size = if source_bytes > SMALL_SOURCE_BYTES_MAX { Size::Large } else { Size::Small };
        let memory = (source_bytes as u64).saturating_mul(self.0.memory_bytes_per_source_byte);
        let mut turn = None;
        let arrival = self.0.admission.lock().arrive(size, memory, || {
            let (sender, receiver) = oneshot::channel();
            turn = Some(receiver);
            sender
        });
        let denied = Denied { retry_after: self.0.wait, standing: None };
        let (ticket, turn) = match (arrival, turn) {
            (Arrival::Granted(grant), _) => return Ok(RenderPermit { gate: self.clone(), grant }),
            (Arrival::Waits(ticket), Some(turn)) => (ticket, turn),
            _ => return Err(denied),
        };
        let _leaving = Leaving { gate: self, ticket };
        match tokio::time::timeout(self.0.wait, turn).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(denied),
        }
    }

    /// Who is in and who waits.
    pub fn load(&self) -> RenderLoad {
        let admission = self.0.admission.lock();
        let (running_small, running_large) = admission.running();
        RenderLoad { running_small, running_large, waiting: admission.waiting(), memory_bytes: admission.memory() }
    }

    /// Changes the state and hands permits to those whose turn has come. They are sent with the lock free, since one
    /// whose receiver is gone comes back at once, through its own drop.
    fn step(&self, change: impl FnOnce(&mut Admission<oneshot::Sender<RenderPermit>>)) {
        let mut admission = self.0.admission.lock();
        change(&mut admission);
        let granted: Vec<_> = std::iter::from_fn(|| admission.next()).collect();
        drop(admission);
        for (turn, grant) in granted {
            drop(turn.send(RenderPermit { gate: self.clone(), grant }));
        }
    }
}

impl RenderPermit {
    /// Whether the render is large, and so belongs off the worker.
    pub fn is_large(&self) -> bool {
        self.grant.size == Size::Large
    }
}

impl Drop for RenderPermit {
    fn drop(&mut self) {
        self.gate.step(|admission| admission.leave(&self.grant));
    }
}

/// Takes a waiter out of the queue, however its wait ends.
struct Leaving<'a> {
    gate: &'a RenderGate,
    ticket: Ticket,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.gate.step(|admission| admission.give_up(self.ticket));
    }
}

impl fmt::Debug for RenderGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RenderGate").field(&self.load()).finish()
    }
}

impl fmt::Debug for RenderPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RenderPermit").field(&self.grant).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    const LARGE: usize = SMALL_SOURCE_BYTES_MAX + 1;

    fn gate(render_concurrency: usize, render_queue: usize) -> RenderGate {
        RenderGate::new(&LimitsOptions { render_concurrency, render_queue, ..Default::default() })
    }

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_is_refused_and_leaves_the_queue() {
        let gate = gate(1, 4);
        let _held = gate.enter(1).await.unwrap();
        let began = tokio::time::Instant::now();
        let denied = gate.enter(1).await.unwrap_err();
        assert_eq!(began.elapsed(), Duration::from_secs(1));
        assert_eq!((denied.retry_after_seconds(), denied.standing), (1, None));
        assert_eq!(gate.load().waiting, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_refuses_at_once() {
        let gate = gate(1, 1);
        let _held = gate.enter(1).await.unwrap();
        let mut waiting = pin!(gate.enter(1));
        assert!(poll(waiting.as_mut()).is_pending());
        let began = tokio::time::Instant::now();
        assert!(gate.enter(1).await.is_err());
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_goes_to_the_one_who_waited_longest() {
        let gate = gate(1, 4);
        let held = gate.enter(1).await.unwrap();
        let (mut first, mut second) = (pin!(gate.enter(1)), pin!(gate.enter(1)));
        assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
        drop(held);
        assert!(poll(second.as_mut()).is_pending());
        let Poll::Ready(Ok(permit)) = poll(first.as_mut()) else { panic!("the first has its turn") };
        drop(permit);
        assert!(matches!(poll(second.as_mut()), Poll::Ready(Ok(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_that_leaves_takes_nothing_with_it() {
        let gate = gate(1, 4);
        let held = gate.enter(1).await.unwrap();
        {
            let mut before_its_turn = pin!(gate.enter(1));
            assert!(poll(before_its_turn.as_mut()).is_pending());
        }
        assert_eq!(gate.load().waiting, 0);
        {
            let mut with_its_turn = pin!(gate.enter(1));
            assert!(poll(with_its_turn.as_mut()).is_pending());
            drop(held);
            assert_eq!(gate.load().running_small, 1, "the turn is on its way");
        }
        assert_eq!(gate.load(), RenderLoad::default());
    }

    #[tokio::test(start_paused = true)]
    async fn with_one_place_a_large_render_runs_beside_a_small_one() {
        let gate = gate(1, 0);
        let large = gate.enter(LARGE).await.unwrap();
        let small = gate.enter(1).await.unwrap();
        assert!(large.is_large() && !small.is_large());
        assert!(gate.enter(1).await.is_err() && gate.enter(LARGE).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn the_largest_document_stays_within_the_memory_and_lets_small_ones_pass() {
        let options = LimitsOptions { render_concurrency: 8, render_queue: 0, ..Default::default() };
        let gate = RenderGate::new(&options);
        let _huge = gate.enter(10 * 1024 * 1024).await.unwrap();
        assert!(gate.enter(LARGE).await.is_err(), "it runs alone among the large ones");
        let small: Vec<_> = [SMALL_SOURCE_BYTES_MAX; 5].map(|bytes| gate.enter(bytes)).into();
        for permit in futures_util::future::join_all(small).await {
            std::mem::forget(permit.unwrap());
        }
        assert!(gate.load().memory_bytes <= options.render_memory_bytes, "{:?}", gate.load());
    }

    #[tokio::test(start_paused = true)]
    async fn no_setting_locks_a_render_out() {
        for (concurrency, memory, per_byte) in [(0, 0, 0), (0, 0, u64::MAX), (usize::MAX / 2, u64::MAX, u64::MAX)] {
            let gate = RenderGate::new(&LimitsOptions {
                render_concurrency: concurrency,
                render_memory_bytes: memory,
                memory_bytes_per_source_byte: per_byte,
                ..Default::default()
            });
            for bytes in [0, 1, LARGE, usize::MAX] {
                assert!(gate.enter(bytes).await.is_ok(), "{concurrency} {memory} {per_byte} {bytes}");
            }
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn threads_together_stay_within_places_and_memory() {
        let options = LimitsOptions {
            render_concurrency: 3,
            render_queue: 1_000,
            render_queue_wait: Duration::from_secs(600),
            render_memory_bytes: 1 << 20,
            memory_bytes_per_source_byte: 1,
            ..Default::default()
        };
        let gate = RenderGate::new(&options);
        let tasks = (0..400usize).map(|n| {
            let gate = gate.clone();
            tokio::spawn(async move {
                let permit = gate.enter((n * 7919) % (4 * LARGE)).await.unwrap();
                for _ in 0..n % 5 {
                    tokio::task::yield_now().await;
                    let load = gate.load();
                    assert!(load.running_small + load.running_large <= 3 && load.running_large <= 2, "{load:?}");
                    assert!(load.memory_bytes <= 1 << 20, "{load:?}");
                }
                drop(permit);
            })
        });
        for task in futures_util::future::join_all(tasks).await {
            task.unwrap();
        }
        assert_eq!(gate.load(), RenderLoad::default());
    }
}
