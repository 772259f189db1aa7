//! The log of each channel: entries in, positions out; what is trimmed away stays as a fold of it.
//!
//! [`OpLog`] is what a backend has to do, [`MemoryLog`] the one that lives in this process. [`Fold`] is the state of
//! all streams after some entries, and nothing else than a function of them: a log keeps one as its checkpoint, the
//! room `channel` another, whose markdown runs are growing documents.
//!
//! **Invariant:** every backend passes the one suite of `contract.rs` (`the_memory_log_keeps_the_contract`).

mod fold;
mod log;
mod memory;
pub mod options;

#[cfg(test)]
mod contract;

pub use fold::{Applied, Body, Document, Fold, Keep, Kept, OpAt, StreamFold, What};
pub use log::{AppendError, Expect, Folded, Logged, OpLog, ReadError, Unavailable};
pub use memory::MemoryLog;
pub use options::{Backend, LogOptions};
