//! The whole state of a channel as frames, made once for all who need it within a second.
//!
//! Encoded for each kind of page only when one asks: a fresh one, one that comes from a gap, one of another epoch; in its
//! wire; off the worker where that is much.
//!
//! **Invariant:** a large snapshot is encoded off the worker, a small one where it is asked for
//! (`the_worker_is_spared_the_encoding_of_a_large_snapshot`).

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;

use super::feed::Feed;
use super::ticker::SMALL_BYTES;
use crate::protocol::{ChannelName, Declared, EncodedTick, Frame, Position, ResetReason, Wire};

/// How long a snapshot serves while newer ticks are there that lead on from it: under a storm of joins one a second.
const FRESH: Duration = Duration::from_secs(1);

/// A snapshot.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// The life of the channel that it is of.
    pub(super) generation: u64,
    /// The number of the tick that leads on from it.
    pub(super) next: u64,
    /// The id that a page has with it.
    pub(super) at: Position,
    pub(super) made: Instant,
    channel: ChannelName,
    frames: Vec<Frame>,
    /// What the tick that leads on takes for told on the compact wire.
    pub(super) declared: Declared,
    encoded: [[OnceLock<Arc<EncodedTick>>; 3]; 2],
}

impl Snapshot {
    /// As of the last tick of the feed.
    pub(super) fn new(feed: &Feed, channel: ChannelName, frames: Vec<Frame>) -> Self {
        let (generation, next, at) = (feed.generation, feed.ring.end(), feed.position());
        let (made, declared) = (Instant::now(), feed.declared.clone());
        Self { generation, next, at, made, channel, frames, declared, encoded: Default::default() }
    }

    /// Whether it is recent enough for another page.
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        now.duration_since(self.made) < FRESH
    }

    /// Whether [`Snapshot::encoded`] has little to do: it was asked for the same before, or there is not much to write.
    pub(super) fn is_at_hand(&self, reset: Option<ResetReason>, wire: Wire) -> bool {
        let bytes = || self.frames.iter().map(Frame::bytes_hint).sum::<usize>();
        self.encoded[wire as usize][place(reset)].get().is_some() || bytes() <= SMALL_BYTES
    }

    /// The frames for a page that has an id (`reset`), or a fresh one. `None` where there is nothing to show.
    pub(super) fn encoded(&self, reset: Option<ResetReason>, wire: Wire) -> Option<Arc<EncodedTick>> {
        if self.frames.is_empty() {
            return None;
        }
        let make = || {
            let wire = (wire, &self.declared);
            Arc::new(EncodedTick::alone(self.channel.clone(), (None, self.at), &self.frames, reset, wire))
        };
        Some(Arc::clone(self.encoded[wire as usize][place(reset)].get_or_init(make)))
    }
}

/// Where what is encoded for such a page is kept.
fn place(reset: Option<ResetReason>) -> usize {
    match reset {
        None => 0,
        Some(ResetReason::Gap) => 1,
        Some(ResetReason::Epoch) => 2,
    }
}
