//! Composition: sockets, workers, the order of a shutdown.
//!
//! [`Server::bind`] binds every socket and fails if one cannot be; [`Server::run_until`] serves until its future is
//! ready, then drains: not ready → a short delay, in which load balancers notice → no new connections, idle ones
//! closed → running answers finish → at the deadline whatever is left is cut off.
//!
//! **Invariant:** the drain ends by its deadline (`the_drain_cuts_off_what_outlasts_its_deadline`), and what was begun
//! in time is answered (`a_request_that_runs_when_the_signal_comes_is_answered`).

pub mod listen;

mod connection;
mod slots;
mod socket;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive};
use actix_server::{GracefulShutdownSignal, ServerBuilder, ServerHandle};
use actix_service::{IntoServiceFactory as _, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::App;
use actix_web::dev::AppConfig;
use futures_util::future::try_join_all;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout_at};

use crate::auth::{Auth, AuthOptions};
use crate::http::{Exchange, Http, HttpOptions, Readiness, Surface};
use crate::limits::{Limits, LimitsOptions};
use crate::telemetry::Metrics;

use connection::{Connection, Times, turn_away};
use slots::Slots;
use socket::Bound;

pub use listen::{Listen, NotAListen};
pub use socket::BindError;

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

/// The service, with its sockets bound and nobody served yet.
pub struct Server {
    http: Http,
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
        let Options { auth, limits, http, server } = options;
        let bind = |places: &[Listen]| -> Result<Vec<Bound>, BindError> {
            places.iter().map(|place| Bound::new(place, server.unix_mode)).collect()
        };
        let (public, internal) = (bind(&server.listen)?, bind(&server.internal_listen)?);
        let (metrics, readiness) = (Metrics::new(), Readiness::default());
        let (all, per_address) = (server.connections_max, server.connections_per_address_max);
        let slots = Slots::new(all, per_address, auth.trusted_proxies.clone(), metrics.clone());
        let http = Http::new(&http, Auth::new(auth), Limits::new(&limits), metrics.clone(), readiness.clone());
        Ok(Self { http, readiness, public, internal, slots, metrics, options: server })
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
        let Self { http, readiness, public, internal, slots, metrics, options } = self;
        let alone = internal.is_empty();
        let mut files = Vec::new();
        let mut servers = Vec::new();
        for (surface, sockets) in [(Surface::Public, public), (Surface::Internal, internal)] {
            if sockets.is_empty() {
                continue;
            }
            let kit = Kit { http: http.clone(), slots: slots.clone(), metrics: metrics.clone(), surface, alone };
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

/// What each worker builds its application and its connections from.
#[derive(Clone)]
struct Kit {
    http: Http,
    slots: Slots,
    metrics: Metrics,
    surface: Surface,
    alone: bool,
}

/// One server over all sockets of a surface.
fn assemble(
    kit: Kit,
    sockets: Vec<Bound>,
    options: &ServerOptions,
    files: &mut Vec<socket::SocketFile>,
) -> io::Result<actix_server::Server> {
    let workers = options.workers.max(1);
    let times = Times { head: options.header_timeout, keep_alive: options.keep_alive, write: options.write_timeout };
    let mut builder = ServerBuilder::new()
        .workers(workers)
        // The slots count and refuse in words; this is only there so that no worker takes all.
        .max_concurrent_connections(options.connections_max.saturating_add(1024))
        .disable_signals()
        // Our own deadline is at most this.
        .shutdown_timeout(options.drain.as_secs() + 1);
    for bound in sockets {
        let (kit, draining) = (kit.clone(), builder.graceful_shutdown_signal());
        let name = format!("{:?} {}", kit.surface, bound.local());
        builder = match bound {
            Bound::Tcp(listener) => builder.listen(name, listener, move || {
                let kit_of_connection = kit.clone();
                fn_service(move |io: TcpStream| {
                    let kit = kit_of_connection.clone();
                    async move {
                        let peer = io.peer_addr().ok();
                        prepare(&io, times.write);
                        kit.admit(io, peer, times).await
                    }
                })
                .and_then(kit.service(draining.clone()))
            })?,
            Bound::Unix(listener, file) => {
                files.push(file);
                builder.listen_uds(name, listener, move || {
                    let kit_of_connection = kit.clone();
                    fn_service(move |io: UnixStream| {
                        let kit = kit_of_connection.clone();
                        async move { kit.admit(io, None, times).await }
                    })
                    .and_then(kit.service(draining.clone()))
                })?
            }
        };
    }
    Ok(builder.run())
}

impl Kit {
    /// Gives a connection its slot, or turns it away.
    async fn admit<T: AsyncRead + AsyncWrite + Unpin + 'static>(
        &self,
        io: T,
        peer: Option<SocketAddr>,
        times: Times,
    ) -> Result<(Connection<T>, Option<SocketAddr>), DispatchError> {
        match self.slots.take(peer.map(|peer| peer.ip())) {
            Some(slot) => Ok((Connection::new(io, times, self.metrics.clone(), slot), peer)),
            None => {
                turn_away(io, self.metrics.clone()).await;
                Err(DispatchError::Io(io::ErrorKind::QuotaExceeded.into()))
            }
        }
    }

    /// HTTP/1 over our connections, with the application of this surface.
    fn service<T: AsyncRead + AsyncWrite + Unpin + 'static>(
        &self,
        draining: GracefulShutdownSignal,
    ) -> impl ServiceFactory<
        (Connection<T>, Option<SocketAddr>),
        Config = (),
        Response = (),
        Error = DispatchError,
        InitError = (),
    > + use<T> {
        let Self { http, surface, alone, .. } = self.clone();
        let app = App::new().configure(move |app| http.configure(app, surface, alone));
        let app = app.into_factory().map_err(|error: actix_web::Error| error.error_response());
        HttpService::build()
            .graceful_shutdown_signal(move || {
                let draining = draining.clone();
                async move { draining.notified().await }
            })
            // The connection keeps these times itself, for every request and not the first alone.
            .keep_alive(KeepAlive::Os)
            .client_request_timeout(Duration::ZERO)
            // Anything but zero would hold back the end of a WebSocket; the connection lingers by itself where it must.
            .client_disconnect_timeout(Duration::ZERO)
            // A client that has closed its half has gone: its request is dropped at once.
            .h1_allow_half_closed(false)
            .on_connect_ext(|connection: &Connection<T>, extensions| {
                extensions.insert::<Exchange>(connection.exchange().clone());
            })
            .h1(map_config(app, |()| AppConfig::default()))
    }
}

/// Sets what the kernel does for us. A socket that is gone already refuses; its connection ends by itself.
fn prepare(io: &TcpStream, write_timeout: Duration) {
    /// Bytes that the kernel takes before it could send them: so that what we see taken is what the client takes.
    const NOT_SENT_BYTES: u32 = 256 * 1024;
    let socket = SockRef::from(io);
    let _ = socket.set_tcp_nodelay(true);
    #[cfg(target_os = "linux")]
    {
        let _ = socket.set_tcp_user_timeout(Some(write_timeout));
        let _ = socket.set_tcp_notsent_lowat(NOT_SENT_BYTES);
    }
}
