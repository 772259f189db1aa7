//! What runs on the workers: connections let in, HTTP/1 over them, the application behind.
//!
//! actix-web's own `HttpServer` takes no connection type but its own, so its parts are put together here.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, KeepAlive};
use actix_server::{GracefulShutdownSignal, ServerBuilder};
use actix_service::{
    IntoServiceFactory as _, Service as _, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config,
};
use actix_web::App;
use actix_web::dev::AppConfig;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::ServerOptions;
use super::connection::{Times, turn_away};
use super::held::Held;
use super::open::Opened;
use super::slots::Slots;
use super::socket::{Bound, SocketFile};
use crate::http::{Exchange, Http, Surface, read_path};
use crate::telemetry::Metrics;

/// What each worker builds its application and its connections from.
#[derive(Clone)]
pub(super) struct Kit {
    pub(super) http: Http,
    pub(super) slots: Slots,
    pub(super) opened: Opened,
    pub(super) metrics: Metrics,
    pub(super) surface: Surface,
    pub(super) alone: bool,
}

/// One server over all sockets of a surface.
pub(super) fn assemble(
    kit: Kit,
    sockets: Vec<Bound>,
    options: &ServerOptions,
    files: &mut Vec<SocketFile>,
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
                        // Reset before it was accepted. Without an address it would count as one of a Unix socket.
                        let peer = io.peer_addr().map_err(DispatchError::Io)?;
                        prepare(&io, times.write);
                        kit.admit(io, Some(peer), times).await
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
    async fn admit<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        io: T,
        peer: Option<SocketAddr>,
        times: Times,
    ) -> Result<(Held<T>, Option<SocketAddr>), DispatchError> {
        match self.slots.take(peer.map(|peer| peer.ip())) {
            Some(slot) => {
                let (metrics, opened) = (self.metrics.clone(), self.opened.clone());
                Ok((Held::new(io, peer, times, metrics, slot, opened), peer))
            }
            None => {
                turn_away(io, peer, self.metrics.clone()).await;
                Err(DispatchError::Io(io::ErrorKind::QuotaExceeded.into()))
            }
        }
    }

    /// HTTP/1 over our connections, with the application of this surface.
    fn service<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        &self,
        draining: GracefulShutdownSignal,
    ) -> impl ServiceFactory<
        (Held<T>, Option<SocketAddr>),
        Config = (),
        Response = (),
        Error = DispatchError,
        InitError = (),
    > + use<T> {
        let Self { http, surface, alone, .. } = self.clone();
        let app = App::new().configure(move |app| http.configure(app, surface, alone));
        let app = app.wrap_fn(|mut request, routes| {
            read_path(&mut request);
            routes.call(request)
        });
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
            .on_connect_ext(|connection: &Held<T>, extensions| {
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
