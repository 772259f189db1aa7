//! Channels: what is published becomes entries of a log, what is subscribed to is the fold of them.

mod credit;
mod document;
mod idempotency;
mod ledger;
mod merge;
pub mod options;
mod refusal;
pub mod run_options;
mod snapshot;
pub mod view;

pub use document::PageDocument;
pub use idempotency::fingerprint;
pub use ledger::Right;
pub use options::HubOptions;
pub use refusal::{PublishError, PublishRefusal, SubscribeError};
pub use view::{Readiness, Tick, View, difference};
