//! Ticks: everything new of a channel, at once, about sixty times a second at most.
//!
//! The first entry after quiet is made a tick where it is published. What comes within a tick's time of it waits for
//! one timer, which is there only while something waits. A tick that parses much is made off the worker.
//!
//! Who publishes wakes those who watch. Where they are few they are told that they may take it at once, on the thread of
//! who publishes ([`may_deliver_here`]): the task of another worker need not be woken then.
//!
//! **Invariant:** ticks of a channel are at least [`HubOptions::tick`](super::HubOptions::tick) apart, but for those that
//! someone who joins or leaves needs (`ticks_keep_their_distance_and_the_first_is_at_once`).
//!
//! **Invariant:** what a tick parses is known before it is made, also of entries that the view has not seen yet
//! (`the_worker_is_spared_every_tick_of_a_large_document`).
//!
//! **Invariant:** a tick that waits for a document's credit is made when time or text has earned it, whichever is first
//! (`text_that_earns_a_frame_is_not_kept_waiting`, `a_tick_made_for_another_ends_the_wait_for_credit`).
//!
//! **Invariant:** no entry is left without a tick, and no timer without an entry
//! (`a_timer_is_there_only_while_something_waits`, `a_timer_that_dies_with_its_worker_is_made_up_for`).

use std::cell::Cell;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};

use super::credit::Credit;
use super::feed::{Feed, KeptTick};
use super::hub::Inner;
use super::topic::{Scene, Topic};
use super::view::Readiness;
use crate::limits::SMALL_SOURCE_BYTES_MAX;
use crate::oplog::Logged;
use crate::protocol::{DomOp, EncodedTick, Op};

/// Up to this much to parse and encode is done where the entry is published, as small renders are.
pub(super) const SMALL_BYTES: usize = SMALL_SOURCE_BYTES_MAX;

/// So many subscribers are served where a tick is made; more are served by their workers, side by side.
const SERVED_HERE_MAX: usize = 2;

thread_local! {
    static HERE: Cell<bool> = const { Cell::new(false) };
}

/// Whether who is woken now may take its delivery within the wake. The channel's locks that deliveries need are free.
pub fn may_deliver_here() -> bool {
    HERE.get()
}

/// Runs what wakes, with leave to deliver or without.
pub(crate) fn deliver_here<R>(may: bool, wake: impl FnOnce() -> R) -> R {
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            HERE.set(self.0);
        }
    }
    let _before = Before(HERE.replace(may));
    wake()
}

/// Waits for credit are cut short by no less than this: a timer knows no less.
const NOTICEABLE: Duration = Duration::from_millis(1);

/// The timer's wait for the credit of a document.
#[derive(Debug)]
pub(super) struct Waiting {
    /// When time alone has earned it.
    at: Instant,
    /// Before this it is not worth another look, whatever comes.
    earliest: Instant,
    /// When the timer looks again.
    due: Instant,
}

impl Waiting {
    fn new(at: Instant, earliest: Instant, published: usize) -> Self {
        let mut new = Self { at, earliest, due: at };
        new.cut_short(published);
        new
    }

    /// So many bytes were published since the timer looked. Whether it is to look again earlier than it knows.
    fn cut_short(&mut self, published: usize) -> bool {
        let earned = self.at.checked_sub(Credit::earned_by(published)).unwrap_or(self.earliest);
        let due = earned.max(self.earliest).min(self.at);
        let noticeable = due + NOTICEABLE <= self.due;
        if noticeable {
            self.due = due;
        }
        noticeable
    }
}

impl Scene {
    /// Whether the next tick is little work: of what the view holds, and of what the feed has for it. Few entries are
    /// looked at, since each weighs something.
    pub(super) fn is_small(&self, feed: &Feed) -> bool {
        let Some(room) = SMALL_BYTES.checked_sub(feed.pending_bytes) else { return false };
        let coming = feed.pending.iter().map(|logged| &logged.entry.stream);
        self.view.as_ref().is_none_or(|view| view.cost(coming) <= room)
    }
}

impl Topic {
    /// Something was published: makes a tick of it now, or sees to it that one is made.
    pub(super) fn poke(self: &Arc<Self>, hub: &Arc<Inner>) {
        let now = Instant::now();
        let earliest = {
            let mut feed = self.feed.lock();
            let published = feed.pending_bytes;
            if feed.waiting.as_mut().is_some_and(|waiting| waiting.cut_short(published)) {
                self.earned.notify_one();
            }
            if feed.timer || feed.pending.is_empty() {
                return;
            }
            feed.next_tick
        };
        if earliest > now {
            return self.arm(hub, earliest);
        }
        match self.tick_if_small(hub) {
            Some(None) => {}
            // Also where a document has no credit yet: the timer knows how to wait for that.
            Some(Some(_)) | None => self.arm(hub, now),
        }
    }

    /// Makes a tick here where that is little work and nobody else is at it. The answer is `tick`'s.
    fn tick_if_small(&self, hub: &Arc<Inner>) -> Option<Option<Instant>> {
        let mut scene = self.scene.try_lock()?;
        let small = scene.is_small(&self.feed.lock());
        small.then(|| self.tick(hub, &mut scene, false))
    }

    /// Makes a tick of all that was published. Says when to look again, where a document has no credit yet; a forced
    /// tick does not ask for it.
    pub(super) fn tick(&self, hub: &Arc<Inner>, scene: &mut Scene, forced: bool) -> Option<Instant> {
        let now = Instant::now();
        let (epoch, wires, mut declared, (pending, since)) = {
            let mut feed = self.feed.lock();
            (feed.epoch, feed.wires.or_default(), feed.declared.clone(), feed.take_pending())
        };
        self.drained.notify_waiters();
        let view = scene.view.as_mut()?;
        scene.since = scene.since.or(since);
        for Logged { offset, entry } in pending {
            let cancels = |op: &Op<String>| matches!(op, Op::Dom(DomOp::Done { cancelled: true, .. }));
            if entry.ops.iter().any(cancels) {
                scene.cancelled.push(entry.stream.clone());
            }
            view.apply(offset, entry);
        }
        match view.ready(now.into_std()) {
            Readiness::Idle => return None,
            Readiness::Wait(wait) if !forced => return Some(now + wait),
            _ => {}
        }
        view.serve(wires);
        let tick = view.tick(now.into_std());
        let (from, to) = (epoch.at(tick.from), epoch.at(tick.to));
        let kept = KeptTick {
            tick: Arc::new(EncodedTick::next(self.name.clone(), (from, to), &tick.frames, wires, &mut declared)),
            since: scene.since.take().unwrap_or(now),
            cancelled: (!scene.cancelled.is_empty()).then(|| std::mem::take(&mut scene.cancelled).into()),
        };
        hub.metrics.ticks().inc();
        {
            let mut feed = self.feed.lock();
            let before = feed.ring.bytes();
            feed.declared = declared;
            feed.push(kept, &mut scene.waiting);
            feed.next_tick = now + hub.options.tick;
            if feed.waiting.take().is_some() {
                self.earned.notify_one();
            }
            hub.kept_bytes_changed(before, feed.ring.bytes());
        }
        let bytes = view.bytes();
        hub.view_bytes_changed(std::mem::replace(&mut scene.counted, bytes), bytes);
        let few = scene.waiting.len() <= SERVED_HERE_MAX;
        deliver_here(few, || scene.waiting.drain(..).for_each(Waker::wake));
        None
    }

    /// Sees to it that a tick is made at `at`, unless a timer runs: that one will see what is pending.
    pub(super) fn arm(self: &Arc<Self>, hub: &Arc<Inner>, at: Instant) {
        if std::mem::replace(&mut self.feed.lock().timer, true) {
            return;
        }
        let timer = Timer { hub: Arc::clone(hub), topic: Arc::clone(self), over: false };
        hub.metrics.tasks().inc();
        tokio::spawn(timer.run(at));
    }

    /// Makes a tick wherever there is time for it.
    async fn tick_somewhere(self: &Arc<Self>, hub: &Arc<Inner>) -> Option<Instant> {
        match self.tick_if_small(hub) {
            Some(next) => next,
            None => {
                let tick = |topic: &Arc<Self>, hub: &Arc<Inner>| topic.tick(hub, &mut topic.scene.lock(), false);
                self.off_the_worker(hub, &hub.ticks, tick).await?
            }
        }
    }

    /// Makes a tick of all that was published before, whatever it costs.
    pub(super) async fn flush(self: &Arc<Self>, hub: &Arc<Inner>) {
        let done = self.scene.try_lock().is_some_and(|mut scene| {
            let small = scene.is_small(&self.feed.lock());
            if small {
                self.tick(hub, &mut scene, true);
            }
            small
        });
        if !done {
            let tick = |topic: &Arc<Self>, hub: &Arc<Inner>| topic.tick(hub, &mut topic.scene.lock(), true);
            self.off_the_worker(hub, &hub.ticks, tick).await;
        }
    }

    /// Runs something long when it has its turn, off the worker. `None` where it panicked, which is logged.
    pub(super) async fn off_the_worker<R: Send + 'static>(
        self: &Arc<Self>,
        hub: &Arc<Inner>,
        turns: &Arc<Semaphore>,
        work: impl FnOnce(&Arc<Self>, &Arc<Inner>) -> R + Send + 'static,
    ) -> Option<R> {
        let permit = Arc::clone(turns).acquire_owned().await.expect("the semaphore is never closed");
        let (topic, hub) = (Arc::clone(self), Arc::clone(hub));
        let done = tokio::task::spawn_blocking(move || {
            let done = work(&topic, &hub);
            drop(permit);
            done
        });
        match done.await {
            Ok(done) => Some(done),
            Err(error) => {
                tracing::error!(channel = %self.name, %error, "a channel's work failed");
                None
            }
        }
    }
}

/// The one timer of a channel.
struct Timer {
    hub: Arc<Inner>,
    topic: Arc<Topic>,
    /// Whether it said itself that it is gone: by now there may be another.
    over: bool,
}

impl Timer {
    async fn run(mut self, mut at: Instant) {
        loop {
            sleep_until(at).await;
            if let Some(earned) = self.topic.tick_somewhere(&self.hub).await {
                self.wait_for_credit(earned).await;
                at = Instant::now();
                continue;
            }
            let mut feed = self.topic.feed.lock();
            if feed.pending.is_empty() {
                feed.timer = false;
                self.over = true;
                return;
            }
            at = feed.next_tick;
        }
    }

    /// Waits until a document has earned its frame: by time at `at`, or by what is published before. A tick made for
    /// another reason ends the wait too.
    async fn wait_for_credit(&self, at: Instant) {
        let mut due = {
            let mut feed = self.topic.feed.lock();
            let waiting = Waiting::new(at, Instant::now() + self.hub.options.tick, feed.pending_bytes);
            feed.waiting.insert(waiting).due
        };
        loop {
            let earlier = self.topic.earned.notified();
            if tokio::time::timeout_at(due, earlier).await.is_err() {
                self.topic.feed.lock().waiting = None;
                return;
            }
            match &self.topic.feed.lock().waiting {
                Some(waiting) => due = waiting.due,
                None => return,
            }
        }
    }
}

/// Where the task is dropped with its runtime, the next sweep sees to what is pending.
impl Drop for Timer {
    fn drop(&mut self) {
        if !self.over {
            let mut feed = self.topic.feed.lock();
            (feed.timer, feed.waiting) = (false, None);
            drop(feed);
            self.hub.orphans.lock().push(Arc::clone(&self.topic));
        }
        self.hub.metrics.tasks().dec();
    }
}
