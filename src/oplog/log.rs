//! What every backend of the log does.
//!
//! A channel's log is a run of entries with dense offsets from 1, under an epoch that its first append brought along.
//! What lies before some offset may have been trimmed: it is then part of the checkpoint, a [`Fold`] at that offset.
//!
//! ```text
//!            checkpoint = fold of 1..=5        entries 6 … 9
//! offset 0 ─────────────────────────────5──────6──7──8──9 = head
//!           read: Trimmed{oldest: 5}    ╰ read and fold_at reach from here on
//! ```
//!
//! **Source:** `openapi/protocol.md`, "Ids".

use std::sync::Arc;

use thiserror::Error;

use super::fold::Fold;
use crate::protocol::{ChannelName, Entry, Epoch, Position};

/// Where the appending side believes the log to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// There is no log of this channel: one begins, under this epoch. Random, so that no id of an earlier life of the
    /// channel is taken for one of this.
    Nothing(Epoch),
    /// The log ends here.
    Head(Position),
}

/// An entry with its offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Which entry of its log it is, from 1.
    pub offset: u64,
    /// The entry.
    pub entry: Arc<Entry>,
}

/// The state at a position and what followed.
#[derive(Clone, Debug)]
pub struct Folded {
    /// The fold of all entries up to the position that was asked for.
    pub fold: Fold<String>,
    /// The entries after it, up to the head.
    pub later: Vec<Logged>,
    /// Where the log ended when it was asked.
    pub head: Position,
}

/// The backend cannot be reached, or holds what it cannot read. Never of a log in memory.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the log is not available: {0}")]
pub struct Unavailable(pub String);

/// Why nothing was appended.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AppendError {
    /// The log does not end where the appending side believes: another one appended, or the log is gone.
    #[error("the log has moved on")]
    Moved {
        /// Where it ends; none: there is no log.
        head: Option<Position>,
    },
    /// See [`Unavailable`]. Whether the entry was appended is not known.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why the log cannot tell what follows a position.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    /// There is no log of this channel.
    #[error("the channel has no log")]
    Missing,
    /// The position belongs to another life of the channel.
    #[error("the log is of another epoch")]
    OtherEpoch {
        /// Where the log ends now.
        head: Position,
    },
    /// The position lies before the checkpoint.
    #[error("the log reaches back to {oldest} only")]
    Trimmed {
        /// The first position from which the log can be read.
        oldest: Position,
    },
    /// The position lies after the head: this log never gave it out.
    #[error("the log ends at {head}")]
    Beyond {
        /// Where it ends.
        head: Position,
    },
    /// See [`Unavailable`].
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// A store of logs. Clones are handles of the same store.
///
/// One appends at a time, or is told so: an append names the head that it was resolved against, and is refused if the
/// log has moved on. Dropping a future of `append` before it is ready leaves open whether the entry is in the log.
pub trait OpLog: Clone + Send + Sync + 'static {
    /// Appends one entry, and trims the log to its sizes.
    ///
    /// # Errors
    /// [`AppendError::Moved`] where the log does not end as expected; nothing is appended then.
    fn append(
        &self,
        channel: &ChannelName,
        expect: Expect,
        entry: Arc<Entry>,
    ) -> impl Future<Output = Result<Position, AppendError>> + Send;

    /// Where the channel's log ends; none if it has none.
    ///
    /// # Errors
    /// [`Unavailable`].
    fn head(&self, channel: &ChannelName) -> impl Future<Output = Result<Option<Position>, Unavailable>> + Send;

    /// At most `limit` entries after a position, in order. Empty at the head.
    ///
    /// # Errors
    /// [`ReadError`], of which `Trimmed` names the oldest position that still works.
    fn read(
        &self,
        channel: &ChannelName,
        after: Position,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Logged>, ReadError>> + Send;

    /// The state at a position, and every entry after it. `None` asks for the oldest state that the log still has.
    ///
    /// # Errors
    /// As [`OpLog::read`].
    fn fold_at(
        &self,
        channel: &ChannelName,
        at: Option<Position>,
    ) -> impl Future<Output = Result<Folded, ReadError>> + Send;

    /// Folds the entries that were published before `before` (milliseconds since 1970) into the checkpoint. Trimming
    /// by size and number happens at each append.
    ///
    /// # Errors
    /// [`Unavailable`]. A channel without a log is none.
    fn trim(&self, channel: &ChannelName, before: u64) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// Gives the channel's log up: the next append begins a new one. Says whether there was one.
    ///
    /// # Errors
    /// [`Unavailable`].
    fn forget(&self, channel: &ChannelName) -> impl Future<Output = Result<bool, Unavailable>> + Send;

    /// What all logs hold in this process, in bytes, checkpoints included.
    fn bytes(&self) -> u64;
}
