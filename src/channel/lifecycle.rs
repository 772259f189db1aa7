//! What time does to channels: runs that nobody feeds end, channels that nobody uses are given up, and at a stop
//! everything published is told before subscribers are sent away.
//!
//! **Invariant:** a channel is given up only while it is idle, and its next life has another epoch
//! (`an_idle_channel_is_given_up_and_comes_back_under_another_epoch`).
//!
//! **Invariant:** at a stop nothing is lost that was acknowledged (`a_stop_tells_everything_before_it_sends_away`).
//!
//! **Source:** `openapi/protocol.md`, "A stream's life", "How long a channel is kept".

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use super::hub::{Hub, Inner, random_epoch};
use super::open::OpenEnd;
use super::schedule::Slot;
use super::topic::{Topic, Writer};
use crate::oplog::OpLog as _;

/// How often it is looked what time has done.
const SWEEP: Duration = Duration::from_secs(1);

/// Channels that are looked at between two chances for others to run.
const AT_ONCE: usize = 256;

/// How often all channels are looked at, for what they keep and no longer need.
const TRIM: Duration = Duration::from_secs(60);

/// After how long without an entry a channel keeps no ticks: who comes back gets a difference out of the log.
const QUIET: Duration = Duration::from_secs(60);

/// Channels whose last ticks are made at the same time when the service stops.
const FLUSHED_AT_ONCE: usize = 16;

impl Hub {
    /// Sees to what time does to channels; for ever. To be run once.
    pub async fn keep(&self) {
        let mut sweeps = interval(SWEEP);
        sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut trimmed = Instant::now();
        loop {
            sweeps.tick().await;
            self.sweep().await;
            if trimmed.elapsed() >= TRIM {
                trimmed = Instant::now();
                self.inner().trim().await;
            }
            self.load();
        }
    }

    /// Ends runs that nobody has fed for long, and gives up channels that have been idle for long.
    pub async fn sweep(&self) {
        let hub = self.inner();
        for topic in std::mem::take(&mut *hub.orphans.lock()) {
            topic.poke(hub);
        }
        hub.drop_old_snapshots();
        hub.end_unfed_runs().await;
        hub.give_up_idle().await;
    }

    /// Stops: no publish is taken any more; what was taken is told; then every subscriber gets its last delivery. Ready
    /// when all of them are gone, or after `deadline`.
    pub async fn drain(&self, deadline: Duration) {
        let hub = self.inner();
        let deadline = Instant::now() + deadline;
        hub.draining.store(true, Ordering::Release);
        for topics in hub.topics().collect::<Vec<_>>() {
            let flushed = futures_util::stream::iter(topics)
                .for_each_concurrent(FLUSHED_AT_ONCE, |topic| async move { hub.tell_all(&topic).await });
            if timeout_at(deadline, flushed).await.is_err() {
                tracing::warn!("the last frames were not all made in time");
                break;
            }
        }
        hub.closing.store(true, Ordering::Release);
        for topics in hub.topics() {
            for topic in topics {
                let mut waiting = Vec::new();
                topic.feed.lock().watchers.take(&mut waiting);
                waiting.into_iter().for_each(Waker::wake);
            }
        }
        loop {
            let left = hub.left.notified();
            if hub.subscribers() == 0 || timeout_at(deadline, left).await.is_err() {
                return;
            }
        }
    }
}

impl Inner {
    /// The last of a channel: runs that can't go on end, and everything is made a tick.
    pub(super) async fn tell_all(self: &Arc<Self>, topic: &Arc<Topic>) {
        let mut writer = topic.writer.lock().await;
        let Some(live) = writer.live.as_mut() else { return };
        let streams = live.ledger.expiring_streams();
        if let Err(error) = self.end_runs(topic, live, &streams, OpenEnd::Draining).await {
            tracing::warn!(channel = %topic.name, %error, "runs were not ended");
        }
        drop(writer);
        topic.flush(self).await;
    }

    async fn end_unfed_runs(self: &Arc<Self>) {
        loop {
            let now = Instant::now();
            let due = self.schedule.lock().due(now, AT_ONCE);
            for topic in &due {
                let mut writer = topic.writer.lock().await;
                let Some(live) = writer.live.as_mut() else {
                    drop(writer);
                    self.tidy(topic);
                    continue;
                };
                let unfed = now.checked_sub(self.options.stream_idle).map(|since| live.ledger.unfed(since));
                let ended = self.end_runs(topic, live, &unfed.unwrap_or_default(), OpenEnd::Ended).await;
                if let Err(error) = ended {
                    tracing::warn!(channel = %topic.name, %error, "idle runs were not ended");
                }
                match live.ledger.longest_unfed() {
                    Some(fed) => {
                        self.place(topic, live, Slot::Busy((fed + self.options.stream_idle).max(now + SWEEP / 2)))
                    }
                    None => self.place(topic, live, Slot::Idle(now)),
                }
                drop(writer);
                topic.poke(self);
            }
            if due.len() < AT_ONCE {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    async fn give_up_idle(self: &Arc<Self>) {
        loop {
            let now = Instant::now();
            let Some(since) = now.checked_sub(self.options.retention) else { return };
            let idle = self.schedule.lock().idle_since(since, AT_ONCE);
            for topic in &idle {
                let mut writer = topic.writer.lock().await;
                let Some(live) = writer.live.as_mut() else {
                    drop(writer);
                    self.tidy(topic);
                    continue;
                };
                if topic.is_watched_feed(live) {
                    self.place(topic, live, Slot::Idle(now));
                } else if live.last_entry > since && !live.ended {
                    self.place(topic, live, Slot::Idle(live.last_entry));
                } else {
                    self.give_up(topic, &mut writer).await;
                    drop(writer);
                    self.tidy(topic);
                }
            }
            if idle.len() < AT_ONCE {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Forgets a channel's log and all that was made of it. Subscribers stay, and keep what they show.
    pub(super) async fn give_up(self: &Arc<Self>, topic: &Arc<Topic>, writer: &mut Writer) {
        let Some(live) = writer.live.take() else { return };
        self.schedule.lock().place(topic.id, topic, live.slot, None);
        if let Err(error) = self.log.forget(&topic.name).await {
            tracing::warn!(channel = %topic.name, %error, "a log was not given up");
        }
        let scene = std::mem::take(&mut *topic.scene.lock());
        self.view_bytes_changed(scene.counted, 0);
        drop(scene);
        let mut waiting = Vec::new();
        {
            let mut feed = topic.feed.lock();
            self.kept_bytes_changed(feed.ring.bytes(), 0);
            feed.forget(random_epoch(), &mut waiting);
        }
        waiting.into_iter().for_each(Waker::wake);
        let active = i64::try_from(live.ledger.active()).unwrap_or(0);
        self.metrics.runs_active().sub(active);
        self.channels.fetch_sub(1, Ordering::AcqRel);
    }

    fn drop_old_snapshots(&self) {
        let now = Instant::now();
        let snapped = std::mem::take(&mut *self.snapped.lock());
        let young = snapped.into_iter().filter(|topic| {
            let mut feed = topic.feed.lock();
            let old = feed.snapshots.each_mut().map(|place| place.take_if(|snapshot| !snapshot.is_fresh(now)));
            let kept = feed.snapshots.iter().any(Option::is_some);
            drop(feed);
            drop(old);
            kept
        });
        let young: Vec<_> = young.collect();
        self.snapped.lock().extend(young);
    }

    /// Folds what is older than the retention, and keeps no ticks where nothing happens.
    async fn trim(self: &Arc<Self>) {
        let before =
            self.unix_millis().saturating_sub(u64::try_from(self.options.retention.as_millis()).unwrap_or(u64::MAX));
        for topics in self.topics().collect::<Vec<_>>() {
            for (at, topic) in topics.into_iter().enumerate() {
                if let Err(error) = self.log.trim(&topic.name, before).await {
                    tracing::warn!(channel = %topic.name, %error, "a log was not trimmed");
                }
                self.drop_ticks_of_the_quiet(&topic);
                if at % AT_ONCE == AT_ONCE - 1 {
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    fn drop_ticks_of_the_quiet(&self, topic: &Topic) {
        let mut feed = topic.feed.lock();
        if feed.last_append.elapsed() >= QUIET {
            self.kept_bytes_changed(feed.ring.bytes(), 0);
            feed.ring.clear();
        }
    }
}
