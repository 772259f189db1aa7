//! Channels: what is published becomes entries of a log, what is subscribed to is the fold of them.

pub mod options;

pub use options::HubOptions;
