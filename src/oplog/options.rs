//! What the operator decides about logs.

/// How much is kept. `Default` holds the documented defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// Where entries are kept (`RILLMARK_OPLOG`).
    pub backend: Backend,
    /// The entries that one channel's log holds behind its checkpoint, in bytes. 16 MiB: some hundred long replies.
    /// Beyond it the oldest are folded into the checkpoint, and who comes back to before them gets a snapshot.
    pub channel_bytes_max: usize,
    /// The same as a number of entries. 10,000: so many are read and folded in some milliseconds.
    pub channel_entries_max: usize,
    /// What all logs together may hold, in bytes, checkpoints included. 1 GiB. Beyond it the channel that has been idle
    /// longest is given up.
    pub bytes_max: usize,
}

/// Where entries are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Backend {
    /// In this process: gone with it, and never shared.
    #[default]
    Memory,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            backend: Backend::Memory,
            channel_bytes_max: 16 * 1024 * 1024,
            channel_entries_max: 10_000,
            bytes_max: 1024 * 1024 * 1024,
        }
    }
}
