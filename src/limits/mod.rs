//! How much anyone may ask for at once: rates, renders at once, bytes in flight.
//!
//! **Source:** the table of defaults is the README's table of settings; draft-ietf-httpapi-ratelimit-headers-11 (what
//! a caller is told about its rate).

mod admission;
mod buckets;
pub mod gate;
mod places;
pub mod rate;

use std::time::Duration;

pub use gate::{RenderGate, RenderLoad, RenderPermit};
pub use places::{OpenPlace, TooMany};
pub use rate::{Policy, Rate, Standing};

use crate::auth::address::ClientAddress;
use crate::auth::{Caller, Subject};
use places::Places;
use rate::weight_of_bytes;

/// Sources up to this many bytes are *small*: rendered where the request is read, in well under a millisecond. Longer
/// ones are *large*: they run off the worker, and may not take the last place (see [`LimitsOptions::render_concurrency`]).
pub const SMALL_SOURCE_BYTES_MAX: usize = 64 * 1024;

/// Limits as the operator set them. `Default` holds the documented defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitsOptions {
    /// Renders per second and caller (API key, else client address); 0 = no limit. Default 200.
    pub render_rate: u32,
    /// Ops published per second and caller (API key, else a token's `sub`, else client address); 0 = no limit. Default
    /// 2,000.
    pub publish_rate: u32,
    /// Bytes published per second and caller; 0 = no limit. Default 16 MiB.
    pub publish_bytes_rate: u32,
    /// Subscriptions opened per second and caller; 0 = no limit. Default 100.
    pub subscribe_rate: u32,
    /// Connections that stay open of one token's `sub`. Default 1,000. Where the client has no address of its own,
    /// behind a Unix socket, this is what holds.
    pub connections_per_subject_max: usize,
    /// Connections that stay open of one client's address, behind whatever proxy. Default 1,000. The same as of all
    /// connections of a peer: `server` hands it in.
    pub connections_per_address_max: usize,
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
    /// [`LimitsOptions::memory_bytes_per_source_byte`] × their sources. Default 256 MiB. A share of it, enough for
    /// [`LimitsOptions::render_concurrency`] small renders but at most a quarter, is kept from large ones; a document
    /// that needs more than the rest waits for all of the rest, and then is the only large one.
    pub render_memory_bytes: u64,
    /// What a render may need for each byte of its source, in bytes. Default 170, as measured on the worst input.
    pub memory_bytes_per_source_byte: u64,
}

impl Default for LimitsOptions {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            render_rate: 200,
            publish_rate: 2_000,
            publish_bytes_rate: 16 * 1024 * 1024,
            subscribe_rate: 100,
            connections_per_subject_max: 1_000,
            connections_per_address_max: 1_000,
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

/// A refusal for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("come back in {} s", self.retry_after_seconds())]
pub struct Denied {
    /// After how long it is worth another try.
    pub retry_after: Duration,
    /// How the caller stands, where it was its rate that refused.
    pub standing: Option<Standing>,
}

impl Denied {
    /// The value of `Retry-After`: whole seconds, rounded up, at least 1.
    pub fn retry_after_seconds(&self) -> u64 {
        whole_seconds(self.retry_after)
    }
}

/// Whole seconds, rounded up, at least 1.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0 || duration.is_zero())
}

/// Everything that is limited.
#[derive(Debug)]
pub struct Limits {
    /// Renders per second and caller.
    pub render_rate: Rate,
    /// Renders at once.
    pub render_gate: RenderGate,
    /// Ops published per second and caller.
    pub publish_rate: Rate,
    /// Bytes published per second and caller.
    pub publish_bytes_rate: Rate,
    /// Subscriptions opened per second and caller.
    pub subscribe_rate: Rate,
    places: Places,
}

impl Limits {
    /// Takes the operator's settings; numbers below their least are taken as that.
    pub fn new(options: &LimitsOptions) -> Self {
        let rate = |name, per_second| Rate::new(name, per_second, options.burst_seconds, options.addresses_max);
        let (bytes, burst, addresses) = (options.publish_bytes_rate, options.burst_seconds, options.addresses_max);
        Self {
            render_rate: rate("render", options.render_rate),
            render_gate: RenderGate::new(options),
            publish_rate: rate("publish", options.publish_rate),
            publish_bytes_rate: Rate::of_bytes("publish-bytes", bytes, burst, addresses),
            subscribe_rate: rate("subscribe", options.subscribe_rate),
            places: Places::new(options.connections_per_subject_max, options.connections_per_address_max),
        }
    }

    /// Counts a publish against `caller`. How it stands is told of its ops.
    ///
    /// # Errors
    /// [`Denied`] where the rate of ops, or of bytes, is used up.
    pub fn publish(&self, caller: Caller, ops: u32, bytes: usize) -> Result<Option<Standing>, Denied> {
        let standing = self.publish_rate.check_n(caller, ops)?;
        self.publish_bytes_rate.check_n(caller, weight_of_bytes(bytes))?;
        Ok(standing)
    }

    /// Counts a publish against `caller` as soon as its rates allow it: who reads an open body reads it slower then, and
    /// its sender feels that.
    ///
    /// # Cancel safety
    /// Dropping the future keeps what was counted, at most this publish.
    pub async fn publish_paced(&self, caller: Caller, ops: u32, bytes: usize) {
        self.publish_rate.wait_for(caller, ops).await;
        self.publish_bytes_rate.wait_for(caller, weight_of_bytes(bytes)).await;
    }

    /// A place for one more connection that stays open, of a token's holder and from an address, where they are known.
    ///
    /// # Errors
    /// [`TooMany`] where one of them has as many as it may.
    pub fn open_place(&self, subject: Option<Subject>, from: Option<ClientAddress>) -> Result<OpenPlace, TooMany> {
        self.places.take(subject, from)
    }
}
