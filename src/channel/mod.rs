//! Channels: what is published becomes entries of a log, what is subscribed to is the fold of them.

mod begun;
mod credit;
mod document;
mod feed;
mod hub;
mod idempotency;
mod join;
mod ledger;
mod lifecycle;
mod merge;
mod open;
pub mod options;
mod publish;
mod refusal;
pub mod run_options;
mod schedule;
mod snapshot;
mod snapshot_cache;
mod state;
mod subscription;
#[cfg(test)]
mod tests;
mod ticker;
mod topic;
pub mod view;

pub use begun::{BegunRun, Published, RunEffect};
pub use document::PageDocument;
pub use hub::{Hub, HubLoad};
pub use idempotency::fingerprint;
pub use ledger::Right;
pub use open::{Finished, INTERRUPTED, OpenEnd, OpenRun};
pub use options::HubOptions;
pub use publish::{Cancelled, Publisher};
pub use refusal::{PublishError, PublishRefusal, SubscribeError};
pub use state::{ChannelLife, ChannelState, StreamContent, StreamState, StreamSummary};
pub use subscription::{Delivery, From, Subscription, Watching};
#[cfg(test)]
pub(crate) use ticker::deliver_here;
pub use ticker::may_deliver_here;
pub use view::{Readiness, Tick, View, difference};
