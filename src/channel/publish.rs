//! What is published: judged, appended, told. And the ends that the hub sets itself.
//!
//! ```text
//!  batch ─▶ same key before? ─▶ writer ─▶ ledger: plan ─▶ log: append ─▶ ledger: commit ─▶ pending ─▶ tick
//!           its id again                  refusal: nothing has changed
//! ```
//!
//! **Invariant:** what is answered with an id is in the log, once (`a_batch_with_a_key_counts_once`).
//!
//! **Source:** `openapi/protocol.md`, "Publishing", "Cancel", "Ending a channel".

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;

use tokio::time::Instant;

use super::begun::{Published, RunEffect};
use super::hub::{Hub, Inner};
use super::idempotency::{Claim, Mismatch};
use super::ledger::{End, Ledger, Plan, Right};
use super::open::{INTERRUPTED, OpenEnd};
use super::refusal::{PublishError, PublishRefusal};
use super::schedule::Slot;
use super::topic::{Live, Topic, Writer};
use super::view::View;
use crate::auth::Caller;
use crate::oplog::{Expect, Fold, Logged, OpLog as _};
use crate::protocol::{Batch, ChannelName, Entry, Epoch, Op, Position, RunState, StreamName};
use crate::telemetry::OP_KINDS;

/// Entries that wait for a tick, in bytes, beyond which publishers wait for the next one. 8 MiB: half a second at the
/// rate that one publisher may have.
const PENDING_BYTES_MAX: usize = 8 * 1024 * 1024;

/// To make room for one publish, so many channels are given up at most, and so many passed by that others are at.
const CANDIDATES_MAX: usize = 64;

/// So many channels are looked at for one to give up, but for those that were written to since they got their place in the
/// schedule: to move one of those to where it belongs is paid by what was written.
const LOOKED_AT_MAX: usize = 1_024;

/// Who publishes.
#[derive(Clone, Copy, Debug)]
pub struct Publisher {
    /// What it may send.
    pub right: Right,
    /// Who it is: an Idempotency-Key counts within it.
    pub caller: Caller,
    /// [`fingerprint`](super::fingerprint) of the body; of no meaning without a key.
    pub fingerprint: u64,
}

/// What became of a cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled {
    /// Where the channel stands; none where it has no log.
    pub id: Option<Position>,
    /// Whether there was a run to stop.
    pub cancelled: bool,
}

impl Hub {
    /// Appends one batch. The id is in the log when this is ready.
    ///
    /// # Errors
    /// [`PublishError`]; nothing was appended then.
    ///
    /// # Cancel safety
    /// Dropped, the batch was appended or was not; with a key, a retry finds out. It is to be polled or dropped: left
    /// alone, it may keep its turn from the channel's other publishers.
    pub async fn publish(
        &self,
        channel: &ChannelName,
        batch: Batch,
        publisher: Publisher,
    ) -> Result<Position, PublishError> {
        Ok(self.publish_telling(channel, batch, publisher).await?.id)
    }

    /// As [`Hub::publish`], and tells whether a run has begun by it.
    ///
    /// # Errors
    /// The same.
    pub async fn publish_telling(
        &self,
        channel: &ChannelName,
        mut batch: Batch,
        publisher: Publisher,
    ) -> Result<Published, PublishError> {
        let hub = self.inner();
        let Some(key) = batch.key.take() else { return hub.publish(channel, batch, publisher.right).await };
        match hub.keys.claim(channel, publisher.caller, &key, publisher.fingerprint).await {
            Err(Mismatch) => Err(PublishError::IdempotencyMismatch),
            Ok(Claim::Again(id)) => Ok(Published { id, effect: RunEffect::None }),
            Ok(Claim::First(ticket)) => {
                let published = hub.publish(channel, batch, publisher.right).await?;
                ticket.applied(published.id);
                Ok(published)
            }
        }
    }

    /// Stops a run: the page sees `done` with `cancelled`, an open body is told.
    ///
    /// # Errors
    /// [`PublishError::Log`] only.
    pub async fn cancel(&self, channel: &ChannelName, stream: &StreamName) -> Result<Cancelled, PublishError> {
        let hub = self.inner();
        let Some((topic, mut writer)) = hub.existing(channel).await else {
            return Ok(Cancelled { id: None, cancelled: false });
        };
        let Some(live) = writer.live.as_mut() else { return Ok(Cancelled { id: None, cancelled: false }) };
        let plan = live.ledger.plan_end(stream, End::Cancelled);
        let cancelled = plan.is_some();
        if let Some(plan) = plan {
            hub.append(&topic, live, plan).await?;
            topic.poke(hub);
        }
        Ok(Cancelled { id: Some(live.head), cancelled })
    }

    /// Ends a channel: active runs get an error, then subscribers are told that nothing follows. `None` where there is no
    /// such channel; ended twice, it stays as it is.
    ///
    /// # Errors
    /// [`PublishError::Log`] only.
    pub async fn end(&self, channel: &ChannelName) -> Result<Option<Position>, PublishError> {
        let hub = self.inner();
        let Some((topic, mut writer)) = hub.existing(channel).await else { return Ok(None) };
        let Some(live) = writer.live.as_mut() else { return Ok(None) };
        let active = live.ledger.active_streams();
        hub.end_runs(&topic, live, &active, OpenEnd::Ended).await?;
        if !std::mem::replace(&mut live.ended, true) {
            hub.place(&topic, live, Slot::Idle(Instant::now()));
        }
        let mut waiting = Vec::new();
        {
            let mut feed = topic.feed.lock();
            feed.ended = Some(live.head.offset);
            if feed.is_over() {
                feed.watchers.take(&mut waiting);
            }
        }
        waiting.into_iter().for_each(Waker::wake);
        topic.poke(hub);
        Ok(Some(live.head))
    }
}

impl Inner {
    async fn publish(
        self: &Arc<Self>,
        channel: &ChannelName,
        batch: Batch,
        right: Right,
    ) -> Result<Published, PublishError> {
        let Batch { stream, ops, epoch, .. } = batch;
        let names: Vec<&str> = ops.iter().map(Op::name).collect();
        let before = AtomicU64::new(0);
        let plan = |ledger: &Ledger, now| {
            before.store(ledger.last_run(&stream), Ordering::Relaxed);
            ledger.plan(&stream, ops, right, now)
        };
        let effect = |live: &mut Live| RunEffect::of(before.load(Ordering::Relaxed), &stream, live);
        let (id, effect) = self.write(channel, epoch, plan, effect).await?;
        for same in names.chunk_by(|a, b| a == b) {
            self.count_op(same[0], same.len() as u64);
        }
        Ok(Published { id, effect })
    }

    pub(super) fn count_op(&self, name: &str, count: u64) {
        if let Some(at) = OP_KINDS.iter().position(|kind| *kind == name) {
            self.metrics.ops_published(at).inc_by(count);
        }
    }

    /// Appends what `plan` makes of it to a channel, which is begun where it has no log. `then` runs before anyone else
    /// may write.
    pub(super) async fn write<R>(
        self: &Arc<Self>,
        channel: &ChannelName,
        epoch: Option<Epoch>,
        plan: impl FnOnce(&Ledger, Instant) -> Result<Plan, PublishRefusal>,
        then: impl FnOnce(&mut Live) -> R,
    ) -> Result<(Position, R), PublishError> {
        loop {
            let topic = self.topic(channel);
            let _tidy = Tidy { hub: self, topic: &topic };
            let mut writer = topic.writer.lock().await;
            if topic.feed.lock().removed {
                continue;
            }
            if self.is_draining() {
                return Err(PublishError::Draining);
            }
            topic.room().await;
            let live = writer.live.as_ref();
            let current = live.map(|live| live.head.epoch);
            if epoch.is_some_and(|epoch| current != Some(epoch)) {
                return Err(PublishError::EpochChanged { current });
            }
            if live.is_some_and(|live| live.ended) {
                return Err(PublishError::ChannelEnded);
            }
            let now = Instant::now();
            let plan = match live {
                Some(live) => plan(&live.ledger, now)?,
                None => plan(&Ledger::new(self.rules), now)?,
            };
            self.make_room().await?;
            if current.is_none() {
                self.begin(&topic, &mut writer).await?;
            }
            let live = writer.live.as_mut().expect("it was there, or has begun");
            let appended = self.append(&topic, live, plan).await.map(|position| (position, then(live)));
            if live.head.offset == 0 {
                self.give_up(&topic, &mut writer).await;
            }
            drop(writer);
            topic.poke(self);
            return appended;
        }
    }

    /// A channel begins: its log comes with the first entry.
    async fn begin(self: &Arc<Self>, topic: &Arc<Topic>, writer: &mut Writer) -> Result<(), PublishError> {
        let max = self.options.channels_max;
        if self.channels.fetch_add(1, Ordering::AcqRel) >= max && !self.give_up_longest_idle().await {
            self.channels.fetch_sub(1, Ordering::AcqRel);
            return Err(PublishError::TooManyChannels { max });
        }
        topic.scene.lock().view = Some(View::new(Fold::new(self.keep), Arc::clone(&self.policy)));
        let head = topic.feed.lock().epoch.at(0);
        writer.live = Some(Live {
            head,
            ledger: Ledger::new(self.rules),
            bodies: Default::default(),
            ended: false,
            last_entry: Instant::now(),
            slot: None,
        });
        Ok(())
    }

    /// Sees to it that the logs have room.
    pub(super) async fn make_room(self: &Arc<Self>) -> Result<(), PublishError> {
        let max = self.logs_bytes_max;
        for _ in 0..CANDIDATES_MAX {
            if self.bytes() < max {
                return Ok(());
            }
            if !self.give_up_longest_idle().await {
                break;
            }
        }
        Err(PublishError::LogsFull { max: usize::try_from(max).unwrap_or(usize::MAX) })
    }

    /// Gives up the channel that nobody has written to for longest, of those that may be given up. Those that may not
    /// are moved to the end, so that they are not in the way of the next who asks.
    async fn give_up_longest_idle(self: &Arc<Self>) -> bool {
        let now = Instant::now();
        let (mut passed, mut looked, mut moved) = (0, 0, 0_usize);
        while looked < LOOKED_AT_MAX {
            let next = self.schedule.lock().idle_since(now, passed + 1).into_iter().nth(passed);
            let Some(topic) = next.filter(|_| passed < CANDIDATES_MAX) else { return false };
            looked += 1;
            let locked = topic.writer.try_lock();
            let Ok(mut writer) = locked else {
                passed += 1;
                continue;
            };
            match writer.live.as_mut() {
                Some(live) if matches!(live.slot, Some(Slot::Idle(at)) if at < live.last_entry) => {
                    self.place(&topic, live, Slot::Idle(live.last_entry));
                    drop(writer);
                    (looked, moved) = (looked - 1, moved + 1);
                    if moved.is_multiple_of(LOOKED_AT_MAX) {
                        tokio::task::yield_now().await;
                    }
                }
                Some(live) if !topic.is_watched_feed(live) => {
                    self.give_up(&topic, &mut writer).await;
                    drop(writer);
                    self.tidy(&topic);
                    return true;
                }
                Some(live) if matches!(live.slot, Some(Slot::Idle(at)) if at < now) => {
                    self.place(&topic, live, Slot::Idle(now));
                }
                _ => passed += 1,
            }
        }
        false
    }

    /// Appends a plan. The ledger has it when the log has it.
    pub(super) async fn append(
        self: &Arc<Self>,
        topic: &Arc<Topic>,
        live: &mut Live,
        plan: Plan,
    ) -> Result<Position, PublishError> {
        let (ops, stream, life) = plan.split();
        let entry = Arc::new(Entry { stream, ops, at: self.unix_millis() });
        let expect = match live.head {
            Position { epoch, offset: 0 } => Expect::Nothing(epoch),
            head => Expect::Head(head),
        };
        let appended = self.log.append(&topic.name, expect, Arc::clone(&entry)).await;
        let position = appended.map_err(|error| PublishError::Log(error.to_string()))?;
        let now = Instant::now();
        let (active, state) = (live.ledger.active(), life.state);
        live.head = position;
        live.last_entry = now;
        live.ledger.commit(entry.stream.clone(), life);
        let changed = i64::try_from(live.ledger.active()).unwrap_or(i64::MAX) - i64::try_from(active).unwrap_or(0);
        self.metrics.runs_active().add(changed);
        self.metrics.entries().inc();
        if live.ledger.life(&entry.stream).is_some_and(|life| life.body.is_none())
            && let Some(body) = live.bodies.remove(&entry.stream)
        {
            let end = if state == RunState::Cancelled { OpenEnd::Cancelled } else { OpenEnd::Ended };
            body.end.send_if_modified(|told| told.is_none() && told.replace(end).is_none());
        }
        topic.feed.lock().append(Logged { offset: position.offset, entry }, now);
        self.reschedule(topic, live);
        Ok(position)
    }

    /// Ends runs with an error; bodies that wrote them are told why.
    pub(super) async fn end_runs(
        self: &Arc<Self>,
        topic: &Arc<Topic>,
        live: &mut Live,
        streams: &[StreamName],
        why: OpenEnd,
    ) -> Result<(), PublishError> {
        for stream in streams {
            let Some(plan) = live.ledger.plan_end(stream, End::Error(INTERRUPTED)) else { continue };
            if let Some(body) = live.bodies.get(stream) {
                body.end.send_replace(Some(why));
            }
            self.append(topic, live, plan).await?;
        }
        Ok(())
    }

    /// Moves a channel that has become busy or idle.
    pub(super) fn reschedule(&self, topic: &Arc<Topic>, live: &mut Live) {
        let busy = live.ledger.expiring() > 0;
        match live.slot {
            Some(Slot::Busy(_)) if busy => {}
            Some(Slot::Idle(_)) if !busy => {}
            _ if busy => self.place(topic, live, Slot::Busy(Instant::now() + self.options.stream_idle)),
            _ => self.place(topic, live, Slot::Idle(Instant::now())),
        }
    }

    pub(super) fn place(&self, topic: &Arc<Topic>, live: &mut Live, slot: Slot) {
        self.schedule.lock().place(topic.id, topic, live.slot, Some(slot));
        live.slot = Some(slot);
    }
}

impl Topic {
    /// Waits until few enough entries wait for a tick.
    pub(super) async fn room(&self) {
        loop {
            let drained = self.drained.notified();
            if self.feed.lock().pending_bytes <= PENDING_BYTES_MAX {
                return;
            }
            drained.await;
        }
    }

    /// Whether it is a live feed that someone watches: it was never started, so that it never ends for idleness.
    pub(super) fn is_watched_feed(&self, live: &Live) -> bool {
        !live.ended && live.ledger.active() > 0 && self.feed.lock().watchers.len() > 0
    }
}

/// Takes the name off the map if, after a publish that was refused or given up, nobody uses it.
struct Tidy<'a> {
    hub: &'a Inner,
    topic: &'a Arc<Topic>,
}

impl Drop for Tidy<'_> {
    fn drop(&mut self) {
        let unused = {
            let feed = self.topic.feed.lock();
            !feed.published && !feed.removed && feed.watchers.len() == 0
        };
        if unused {
            self.hub.tidy(self.topic);
        }
    }
}
