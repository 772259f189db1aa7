//! Composition: sockets, workers, the order of a shutdown.

pub mod listen;

use std::time::Duration;

use crate::auth::AuthOptions;
use crate::http::HttpOptions;
use crate::limits::LimitsOptions;
pub use listen::{Listen, NotAListen};

/// The options of every room.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Who may call.
    pub auth: AuthOptions,
    /// How much anyone may ask for.
    pub limits: LimitsOptions,
    /// Bodies, times, the renderer's policy.
    pub http: HttpOptions,
    /// Sockets, workers, times.
    pub server: ServerOptions,
}

/// What the operator decides about sockets, workers and times.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Where the public listens.
    pub listen: Vec<Listen>,
    /// Where rendering, metrics and docs are served. Empty: on [`ServerOptions::listen`] too; else only here.
    pub internal_listen: Vec<Listen>,
    /// Worker threads (for each set of listeners). At least 1; by default the cores.
    pub workers: usize,
    /// From the first byte of a request to the end of its headers, and from accept to the first byte. 5 s.
    pub header_timeout: Duration,
    /// How long a connection without a request is kept. 30 s.
    pub keep_alive: Duration,
    /// How long an answer may wait for a client that takes none of it. 10 s.
    pub write_timeout: Duration,
    /// From the signal to the last byte. 5 s: orchestrators may kill soon after.
    pub drain: Duration,
    /// From "not ready" to "no new connections", so that load balancers see it first. Part of `drain`.
    pub drain_delay: Duration,
    /// Open connections, all together. 10,000; one more is answered 503 and closed.
    pub connections_max: usize,
    /// Open connections of one address (one /64). 1,000. Trusted proxies and Unix sockets are not counted.
    pub connections_per_address_max: usize,
    /// The mode of Unix socket files. `0o660`.
    pub unix_mode: u32,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            listen: vec![Listen::Tcp(([127, 0, 0, 1], 8700).into())],
            internal_listen: Vec::new(),
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            header_timeout: Duration::from_secs(5),
            keep_alive: Duration::from_secs(30),
            write_timeout: Duration::from_secs(10),
            drain: Duration::from_secs(5),
            drain_delay: Duration::from_millis(200),
            connections_max: 10_000,
            connections_per_address_max: 1_000,
            unix_mode: 0o660,
        }
    }
}
