//! What a WebSocket may ask of the service, whoever answers: the hub and the rights of a token, or a test.

use std::future::Future;
use std::pin::Pin;

use tokio::time::Instant;

use super::super::problem::Problem;
use super::super::source::Source;
use crate::channel::From;
use crate::protocol::{Batch, ChannelName, Position, StreamName, Wire};

/// A publish or a cancel that is under way.
pub(super) type Work = Pin<Box<dyn Future<Output = Result<Position, Problem>> + Send>>;

/// The service, as one connection sees it.
pub(super) trait Desk: Send {
    /// A channel that is watched.
    type Source: Source;

    /// Whether the client has shown who it is, or need not.
    fn is_known(&self) -> bool;

    /// When the connection's right to be there ends.
    fn until(&self) -> Option<Instant>;

    /// Counts what was asked in vain against who asked.
    fn charge(&self) -> Result<(), Problem>;

    /// Takes a token for what follows, in place of the one before.
    fn present(&mut self, token: &str) -> Result<(), Problem>;

    /// Whether the channel may be watched.
    fn may_watch(&self, channel: &ChannelName) -> bool;

    /// The form of frames.
    fn wire(&self) -> Wire {
        Wire::default()
    }

    /// Watches a channel.
    fn watch(&mut self, channel: &ChannelName, from: From) -> Result<Self::Source, Problem>;

    /// Appends to a channel what came in a message of so many bytes.
    fn publish(&mut self, channel: ChannelName, batch: Batch, bytes: usize) -> Result<Work, Problem>;

    /// Stops a run.
    fn cancel(&mut self, channel: ChannelName, stream: StreamName) -> Result<Work, Problem>;

    /// Is ready when the service stops. Asked only while nothing is watched: channels say it themselves.
    fn stopping(&self) -> Pin<Box<dyn Future<Output = u64> + Send>>;

    /// A refusal is counted, and told with this id.
    fn refused(&self, problem: &Problem) -> String;
}
