//! The log of each channel: entries in, positions out.

pub mod options;

pub use options::{Backend, LogOptions};
