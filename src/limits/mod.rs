//! How much anyone may ask for at once: rates, renders at once, bytes in flight.
//!
//! **Source:** the table of defaults is the README's table of settings; draft-ietf-httpapi-ratelimit-headers-11 (what
//! a caller is told about its rate).

use std::time::Duration;

/// Sources up to this many bytes are *small*: rendered where the request is read, in well under a millisecond. Longer
/// ones are *large*: they run off the worker, and may not take the last place (see [`LimitsOptions::render_concurrency`]).
pub const SMALL_SOURCE_BYTES_MAX: usize = 64 * 1024;

/// Limits as the operator set them. `Default` holds the documented defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitsOptions {
    /// Renders per second and caller (API key, else client address); 0 = no limit. Default 200.
    pub render_rate: u32,
    /// How many seconds' worth of a rate may come at once after a pause. Default 2, at least 1.
    pub burst_seconds: u32,
    /// Client addresses whose rate is remembered. Beyond it, new addresses share one bucket until the known ones have
    /// been quiet for [`LimitsOptions::burst_seconds`]. Default 100,000 (about 6 MiB), at least 1.
    pub addresses_max: usize,
    /// Renders at once. Large ones leave one place free; with 1, one large render may run beside the one small.
    /// Default: the processor's cores, at least 1.
    pub render_concurrency: usize,
    /// Renders that may wait for a place, large ones at most half of them. 0 = none waits. Default 4 × cores.
    pub render_queue: usize,
    /// How long a render waits for a place before it is refused. Default 1 s.
    pub render_queue_wait: Duration,
    /// Memory that renders at once may need, in bytes, counted as
    /// [`LimitsOptions::memory_bytes_per_source_byte`] × their sources. Default 256 MiB.
    pub render_memory_bytes: u64,
    /// What a render may need for each byte of its source, in bytes. Default 170, as measured on the worst input.
    pub memory_bytes_per_source_byte: u64,
}

impl Default for LimitsOptions {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            render_rate: 200,
            burst_seconds: 2,
            addresses_max: 100_000,
            render_concurrency: cores,
            render_queue: 4 * cores,
            render_queue_wait: Duration::from_secs(1),
            render_memory_bytes: 256 * 1024 * 1024,
            memory_bytes_per_source_byte: 170,
        }
    }
}
