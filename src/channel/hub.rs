//! All channels of the service: who is looked up, who is let in, what is counted.
//!
//! A name is in the map while it has a log or subscribers; what nobody uses is taken off it by the last who did. How a
//! publish goes on from here is in [`publish`](super::publish), how a subscription does in
//! [`subscription`](super::subscription), and who tidies up in [`lifecycle`](super::lifecycle).
//!
//! **Invariant:** a name that nobody uses is not held (`names_that_nobody_uses_are_not_held`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};

use std::time::{SystemTime, UNIX_EPOCH};

use ahash::{AHashMap, RandomState};
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedMutexGuard, Semaphore};
use tokio::time::Instant;

use super::idempotency::Keys;
use super::ledger::Rules;
use super::options::HubOptions;
use super::refusal::SubscribeError;
use super::schedule::Schedule;
use super::topic::{Topic, Writer};
use crate::markdown::{Policy, SOURCE_BYTES_MAX};
use crate::oplog::{Keep, LogOptions, MemoryLog, OpLog as _};
use crate::protocol::{ChannelName, Epoch};
use crate::telemetry::StreamMetrics;

/// Parts of the map, each with its own lock, so that look-ups seldom meet.
const SHARDS: usize = 16;

/// All channels. A clone is a handle to the same ones.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

pub(super) struct Inner {
    pub(super) options: HubOptions,
    pub(super) policy: Arc<Policy>,
    pub(super) rules: Rules,
    pub(super) keep: Keep,
    pub(super) logs_bytes_max: u64,
    pub(super) log: MemoryLog,
    pub(super) keys: Keys,
    pub(super) metrics: StreamMetrics,
    pub(super) schedule: Mutex<Schedule<Topic>>,
    /// Topics that hold a snapshot.
    pub(super) snapped: Mutex<Vec<Arc<Topic>>>,
    /// Topics whose timer went with its runtime: a worker that has crashed.
    pub(super) orphans: Mutex<Vec<Arc<Topic>>>,
    /// Ticks that parse much: as many at a time as there are cores, since each may hold much memory.
    pub(super) ticks: Arc<Semaphore>,
    /// What brings one page up to date: half as many, so that who joins does not hold up who watches.
    pub(super) joins: Arc<Semaphore>,
    /// Told when a subscriber leaves.
    pub(super) left: Notify,
    shards: [Mutex<AHashMap<ChannelName, Arc<Topic>>>; SHARDS],
    hasher: RandomState,
    numbers: AtomicU64,
    /// Names in the map.
    names: AtomicUsize,
    /// Of these, those that have a log.
    pub(super) channels: AtomicUsize,
    subscribers: AtomicUsize,
    kept_bytes: AtomicI64,
    view_bytes: AtomicI64,
    pub(super) draining: AtomicBool,
    pub(super) closing: AtomicBool,
    /// A moment, and what the clock on the wall said then.
    began: (Instant, SystemTime),
}

/// What the hub holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HubLoad {
    /// Channels that have a log.
    pub channels: usize,
    /// Names that are waited for and have none.
    pub waiting: usize,
    /// Subscriptions.
    pub subscribers: usize,
    /// What the logs hold, in bytes.
    pub log_bytes: u64,
    /// What the kept ticks hold beside them, in bytes.
    pub kept_bytes: u64,
    /// What is kept of streams for those who come later, in bytes: sources and ops.
    pub view_bytes: u64,
}

impl Hub {
    /// A hub without channels.
    pub fn new(options: HubOptions, logs: &LogOptions, metrics: StreamMetrics) -> Self {
        let keep = options.keep();
        let rules = Rules {
            streams_max: options.streams_per_channel_max,
            stream_bytes_max: options.stream_bytes_max.min(SOURCE_BYTES_MAX),
            channel_bytes_max: options.channel_kept_bytes_max,
            html_ops: options.html_ops,
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Inner {
            policy: Arc::new(options.policy.clone()),
            rules,
            keep,
            logs_bytes_max: logs.bytes_max as u64,
            log: MemoryLog::new(logs, keep),
            keys: Keys::new(options.idempotency),
            metrics,
            schedule: Mutex::default(),
            snapped: Mutex::default(),
            orphans: Mutex::default(),
            ticks: Arc::new(Semaphore::new(cores)),
            joins: Arc::new(Semaphore::new(cores.div_ceil(2))),
            left: Notify::new(),
            shards: Default::default(),
            hasher: RandomState::new(),
            numbers: AtomicU64::new(1),
            names: AtomicUsize::new(0),
            channels: AtomicUsize::new(0),
            subscribers: AtomicUsize::new(0),
            kept_bytes: AtomicI64::new(0),
            view_bytes: AtomicI64::new(0),
            draining: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            began: (Instant::now(), SystemTime::now()),
            options,
        }))
    }

    pub(super) fn inner(&self) -> &Arc<Inner> {
        &self.0
    }

    /// What the hub holds now, for whoever asks; the gauges of the metrics are set with it.
    pub fn load(&self) -> HubLoad {
        let load = self.0.load();
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.0.metrics.log_bytes().set(signed(load.log_bytes + load.kept_bytes + load.view_bytes));
        self.0.metrics.channels().set(signed((load.channels + load.waiting) as u64));
        load
    }
}

impl Inner {
    fn load(&self) -> HubLoad {
        let channels = self.channels.load(Ordering::Relaxed);
        HubLoad {
            channels,
            waiting: self.names.load(Ordering::Relaxed).saturating_sub(channels),
            subscribers: self.subscribers.load(Ordering::Relaxed),
            log_bytes: self.log.bytes(),
            kept_bytes: sum_of(&self.kept_bytes),
            view_bytes: sum_of(&self.view_bytes),
        }
    }

    /// What logs, kept ticks and views hold, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.log.bytes() + sum_of(&self.kept_bytes) + sum_of(&self.view_bytes)
    }

    pub(super) fn kept_bytes_changed(&self, before: usize, after: usize) {
        change(&self.kept_bytes, before, after);
    }

    pub(super) fn view_bytes_changed(&self, before: usize, after: usize) {
        change(&self.view_bytes, before, after);
    }

    /// Milliseconds since 1970, by a clock that never goes back.
    pub(super) fn unix_millis(&self) -> u64 {
        let (began, then) = self.began;
        let since = then.duration_since(UNIX_EPOCH).unwrap_or_default() + began.elapsed();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    /// A number that no other call gets.
    pub(super) fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn subscribers(&self) -> usize {
        self.subscribers.load(Ordering::Acquire)
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// After how many milliseconds the subscriber of that number comes back: all of them spread evenly.
    pub(super) fn spread(&self, number: u64) -> u64 {
        let spread = u64::try_from(self.options.come_back_spread.as_millis()).unwrap_or(u64::MAX);
        // Neighbours land far apart, so that a few spread as well as many (Weyl's sequence).
        let turn = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        (spread >> 32).wrapping_mul(turn) + (((spread & 0xffff_ffff) * turn) >> 32)
    }

    fn shard(&self, channel: &ChannelName) -> &Mutex<AHashMap<ChannelName, Arc<Topic>>> {
        let hash = usize::try_from(self.hasher.hash_one(channel) % SHARDS as u64).expect("fewer than SHARDS");
        &self.shards[hash]
    }

    /// Everyone on the map, a part at a time.
    pub(super) fn topics(&self) -> impl Iterator<Item = Vec<Arc<Topic>>> + '_ {
        self.shards.iter().map(|shard| shard.lock().values().cloned().collect())
    }

    /// Looks a name up.
    pub(super) fn known(&self, channel: &ChannelName) -> Option<Arc<Topic>> {
        self.shard(channel).lock().get(channel).cloned()
    }

    /// Looks a name up, or puts it on the map.
    pub(super) fn topic(&self, channel: &ChannelName) -> Arc<Topic> {
        Arc::clone(self.shard(channel).lock().entry(channel.clone()).or_insert_with(|| self.new_topic(channel)))
    }

    fn new_topic(&self, channel: &ChannelName) -> Arc<Topic> {
        self.names.fetch_add(1, Ordering::Relaxed);
        Topic::new(self.next_number(), channel.clone(), random_epoch())
    }

    /// The writer of a channel that has a log.
    pub(super) async fn existing(&self, channel: &ChannelName) -> Option<(Arc<Topic>, OwnedMutexGuard<Writer>)> {
        let topic = self.known(channel)?;
        let writer = Arc::clone(&topic.writer).lock_owned().await;
        if writer.live.is_none() {
            // Who left meanwhile found it in use.
            drop(writer);
            self.tidy(&topic);
            return None;
        }
        Some((topic, writer))
    }

    /// A subscriber enters: it gets a slot, and with it the name stays.
    pub(super) fn enter(&self, channel: &ChannelName) -> Result<(Arc<Topic>, usize), SubscribeError> {
        if self.is_draining() {
            return Err(SubscribeError::Draining);
        }
        let mut shard = self.shard(channel).lock();
        let topic = match shard.get(channel) {
            Some(topic) => Arc::clone(topic),
            None => {
                let max = self.options.waiting_names_max;
                let waiting = self.names.load(Ordering::Relaxed).saturating_sub(self.channels.load(Ordering::Relaxed));
                if waiting >= max {
                    return Err(SubscribeError::TooManyNames { max });
                }
                let topic = self.new_topic(channel);
                shard.insert(channel.clone(), Arc::clone(&topic));
                topic
            }
        };
        let mut feed = topic.feed.lock();
        let max = self.options.subscribers_per_channel_max;
        if feed.watchers.len() >= max {
            return Err(SubscribeError::TooManySubscribers { max });
        }
        let slot = feed.watchers.enter();
        drop(feed);
        self.subscribers.fetch_add(1, Ordering::AcqRel);
        Ok((topic, slot))
    }

    /// A subscriber leaves.
    pub(super) fn leave(&self, topic: &Arc<Topic>, slot: usize) {
        let (waker, unused) = {
            let mut feed = topic.feed.lock();
            let waker = feed.watchers.leave(slot);
            (waker, feed.watchers.len() == 0 && !feed.published)
        };
        drop(waker);
        if unused {
            self.tidy(topic);
        }
        self.subscribers.fetch_sub(1, Ordering::AcqRel);
        self.left.notify_waiters();
    }

    /// Takes a name off the map, unless someone uses it. Whoever holds the writer keeps it, and tidies up afterwards.
    pub(super) fn tidy(&self, topic: &Arc<Topic>) {
        let mut shard = self.shard(&topic.name).lock();
        let Ok(writer) = topic.writer.try_lock() else { return };
        let mut feed = topic.feed.lock();
        if writer.live.is_some() || feed.watchers.len() > 0 || std::mem::replace(&mut feed.removed, true) {
            return;
        }
        drop(feed);
        shard.remove(&topic.name);
        self.names.fetch_sub(1, Ordering::Relaxed);
    }
}

fn change(sum: &AtomicI64, before: usize, after: usize) {
    let signed = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX);
    if before != after {
        sum.fetch_add(signed(after) - signed(before), Ordering::Relaxed);
    }
}

/// Parts of it may be counted in another order than they came.
fn sum_of(bytes: &AtomicI64) -> u64 {
    u64::try_from(bytes.load(Ordering::Relaxed)).unwrap_or(0)
}

/// An epoch that no other life of any log has, but by a chance of one in some billions of billions.
pub(super) fn random_epoch() -> Epoch {
    let random = uuid::Uuid::now_v7().as_u128();
    Epoch::new(u64::try_from(random & u128::from(u64::MAX)).expect("masked") & (u64::MAX >> 2))
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Hub").field(&self.0.load()).finish()
    }
}
