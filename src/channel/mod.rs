//! Channels: what is published becomes entries of a log, what is subscribed to is the fold of them.

mod idempotency;
mod ledger;
pub mod options;
mod refusal;
pub mod run_options;

pub use idempotency::fingerprint;
pub use ledger::Right;
pub use options::HubOptions;
pub use refusal::{PublishError, PublishRefusal, SubscribeError};
