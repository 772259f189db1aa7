//! Composition: sockets, workers, the order of a shutdown.
//!
//! [`Server::bind`] binds every socket and fails if one cannot be; [`Server::run_until`] serves until its future is
//! ready, then drains: not ready → a short delay, in which load balancers notice → answers that go on end → no new
//! connections, idle ones closed → running answers finish → at the deadline whatever is left is cut off.
//!
//! **Invariant:** the drain ends by its deadline (`the_drain_cuts_off_what_outlasts_its_deadline`), and what was begun
//! in time is answered (`a_request_that_runs_when_the_signal_comes_is_answered`).

pub mod listen;

mod connection;
mod courier;
mod descriptors;
mod held;
mod open;
mod refusal;
mod slots;
mod socket;
mod workers;

use std::future::Future;
use std::io;
use std::time::Duration;

use actix_server::ServerHandle;
use futures_util::future::try_join_all;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use crate::auth::{Auth, AuthOptions};
use crate::channel::{Hub, HubOptions};
use crate::http::{Http, HttpOptions, Readiness, Surface};
use crate::limits::{Limits, LimitsOptions};
use crate::oplog::LogOptions;
use crate::telemetry::Metrics;

use open::Opened;
use slots::Slots;
use socket::Bound;
use workers::{Kit, assemble};

pub use listen::{Listen, NotAListen};
pub use socket::BindError;

/// The options of every room.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Who may call.
    pub auth: AuthOptions,
    /// How much anyone may ask for.
    pub limits: LimitsOptions,
    /// How much the logs keep.
    pub oplog: LogOptions,
    /// Channels and their streams.
    pub hub: HubOptions,
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

/// The service, with its sockets bound and nobody served yet.
pub struct Server {
    http: Http,
    hub: Hub,
    readiness: Readiness,
    public: Vec<Bound>,
    internal: Vec<Bound>,
    slots: Slots,
    metrics: Metrics,
    options: ServerOptions,
}

impl Server {
    /// Binds every socket.
    ///
    /// # Errors
    /// [`BindError`] for the first place that cannot be listened at; those bound before it are given up again.
    pub fn bind(options: Options) -> Result<Self, BindError> {
        let Options { auth, mut limits, http, mut hub, oplog, server, .. } = options;
        let bind = |places: &[Listen]| -> Result<Vec<Bound>, BindError> {
            places.iter().map(|place| Bound::new(place, server.unix_mode)).collect()
        };
        let (public, internal) = (bind(&server.listen)?, bind(&server.internal_listen)?);
        let (metrics, readiness) = (Metrics::new(), Readiness::default());
        let (all, per_address) = (server.connections_max, server.connections_per_address_max);
        let slots = Slots::new(all, per_address, auth.trusted_proxies.clone(), metrics.clone());
        limits.connections_per_address_max = per_address;
        hub.policy = http.policy.clone();
        hub.come_back_spread = http.streams.come_back_spread;
        let channels = Hub::new(hub.clone(), &oplog, metrics.streams().clone());
        let (auth, limits) = (Auth::new(auth), Limits::new(&limits));
        let http = Http::new(&http, auth, limits, channels.clone(), &hub, metrics.clone(), readiness.clone());
        Ok(Self { http, hub: channels, readiness, public, internal, slots, metrics, options: server })
    }

    /// Where the public is served, with the ports that the system chose.
    pub fn local_addrs(&self) -> Vec<Listen> {
        self.public.iter().map(Bound::local).collect()
    }

    /// Where the internal routes are served, if not with the public ones.
    pub fn internal_addrs(&self) -> Vec<Listen> {
        self.internal.iter().map(Bound::local).collect()
    }

    /// The switch behind `/readyz`.
    pub fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }

    /// Serves until `shutdown` is ready, then drains by the deadline. Needs a tokio runtime.
    ///
    /// # Errors
    /// What the system says when workers cannot be started.
    ///
    /// # Cancel safety
    /// Dropping the future cuts every connection off.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let Self { http, hub, readiness, public, internal, slots, metrics, options } = self;
        descriptors::warn_if_few(options.connections_max);
        let alone = internal.is_empty();
        let opened = Opened::default();
        let mut keeping = JoinSet::new();
        keeping.spawn({
            let hub = hub.clone();
            async move { hub.keep().await }
        });
        let mut files = Vec::new();
        let mut servers = Vec::new();
        for (surface, sockets) in [(Surface::Public, public), (Surface::Internal, internal)] {
            if sockets.is_empty() {
                continue;
            }
            let (slots, opened, metrics) = (slots.clone(), opened.clone(), metrics.clone());
            let kit = Kit { http: http.clone(), slots, opened, metrics, surface, alone };
            servers.push(assemble(kit, sockets, &options, &mut files)?);
        }
        let handles: Vec<ServerHandle> = servers.iter().map(actix_server::Server::handle).collect();
        let mut serving = std::pin::pin!(try_join_all(servers));
        tokio::select! {
            ended = &mut serving => return ended.map(drop),
            () = shutdown => {}
        }
        readiness.drain();
        let deadline = Instant::now() + options.drain;
        tracing::info!(deadline_seconds = options.drain.as_secs_f32(), "draining");
        let drained = timeout_at(deadline, async {
            let delay = options.drain_delay.min(options.drain / 2);
            tokio::select! {
                _ = &mut serving => return,
                () = tokio::time::sleep(delay) => {}
            }
            // No publish is taken from here on; what was taken is told, and then that there is nothing more.
            // Who does not take it must not hold up the rest.
            let left = deadline.saturating_duration_since(Instant::now());
            hub.drain(left * 3 / 5).await;
            readiness.end();
            // The workers' own count knows nothing of answers that go on.
            let _ = timeout(left / 5, opened.none()).await;
            for handle in &handles {
                // The stop is under way when the call returns; the future is only about its end.
                drop(handle.stop(true));
            }
            let _ = (&mut serving).await;
        })
        .await;
        match drained {
            Ok(()) => tracing::info!("drained"),
            Err(_) => tracing::warn!("the drain's deadline cut off what was left"),
        }
        drop(files);
        Ok(())
    }
}

/// Takes SIGTERM and SIGINT over, from now on; the future is ready at the first of either. Needs a tokio runtime.
///
/// # Errors
/// What the system says when the handlers cannot be set.
pub fn terminated() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        let name = tokio::select! {
            _ = term.recv() => "SIGTERM",
            _ = int.recv() => "SIGINT",
        };
        tracing::info!(signal = name, "told to stop");
    })
}
