//! One name, whoever it belongs to by now: a channel with its log, or subscribers who wait for one.
//!
//! Three locks, taken in this order and each held for a little only:
//!
//! | lock | over | held while |
//! |---|---|---|
//! | `writer` | the ledger | an entry is judged and appended: one publish at a time, also over the log's await |
//! | `scene` | the view | a tick or a snapshot is made; off the worker where that is much work |
//! | `feed` | kept ticks, pending entries, subscribers | a few fields are read or written |

use std::sync::Arc;
use std::task::Waker;

use ahash::AHashMap;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::feed::Feed;
use super::join::CatchingUp;
use super::ledger::Ledger;
use super::open::OpenEnd;
use super::schedule::Slot;
use super::view::View;
use crate::protocol::{ChannelName, Epoch, Position, StreamName};

/// One name.
pub(super) struct Topic {
    /// No two of a process are equal.
    pub(super) id: u64,
    pub(super) name: ChannelName,
    pub(super) writer: Arc<tokio::sync::Mutex<Writer>>,
    pub(super) scene: Mutex<Scene>,
    pub(super) feed: Mutex<Feed>,
    /// Told when pending entries were taken: who published too many waits for it.
    pub(super) drained: Notify,
    /// Told when the timer's wait for a document's credit has become shorter, or needless.
    pub(super) earned: Notify,
    /// One snapshot is made at a time; who comes meanwhile takes the same.
    pub(super) snapping: tokio::sync::Mutex<()>,
    /// Differences that are being made.
    pub(super) catching_up: Mutex<CatchingUp>,
}

/// What publishing works on: nothing where the name has no log.
#[derive(Default)]
pub(super) struct Writer {
    pub(super) live: Option<Live>,
}

/// A channel with a log.
pub(super) struct Live {
    pub(super) head: Position,
    pub(super) ledger: Ledger,
    pub(super) bodies: AHashMap<StreamName, Body>,
    pub(super) ended: bool,
    pub(super) last_entry: Instant,
    /// Where the schedule has the channel.
    pub(super) slot: Option<Slot>,
}

/// The open body that writes a stream.
pub(super) struct Body {
    pub(super) end: watch::Sender<Option<OpenEnd>>,
}

/// What ticks and snapshots are made of.
#[derive(Default)]
pub(super) struct Scene {
    pub(super) view: Option<View>,
    /// What of the view counts among what the hub keeps, in bytes.
    pub(super) counted: usize,
    /// When the first entry was published of which no tick was made.
    pub(super) since: Option<Instant>,
    /// Streams whose runs were stopped since the last tick.
    pub(super) cancelled: Vec<StreamName>,
    /// Empty; kept for its memory.
    pub(super) waiting: Vec<Waker>,
}

impl Topic {
    pub(super) fn new(id: u64, name: ChannelName, epoch: Epoch) -> Arc<Self> {
        Arc::new(Self {
            id,
            name,
            writer: Arc::default(),
            scene: Mutex::default(),
            feed: Mutex::new(Feed::new(epoch, Instant::now())),
            drained: Notify::new(),
            earned: Notify::new(),
            snapping: tokio::sync::Mutex::default(),
            catching_up: Mutex::default(),
        })
    }
}
