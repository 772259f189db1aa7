//! Every path on one screen.
//!
//! **Invariant:** each path answers the methods of its row and no other, on the surface of its row
//! (`each_route_answers_its_methods_and_no_other`).
//! **Source:** PROTOCOL of the service, "Tokens, keys, origins" (`RILLMARK_INTERNAL_LISTEN`); RFC 9110 §9.3, §15.5.6.

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::{Error, HttpRequest, HttpResponse, Resource, web};

use super::access_log::Watched;
use super::door::{self, Need, Needs};
use super::frame::frame;
use super::guard::{admit, screen};
use super::problem::Problem;
use super::problem_kinds::Kind;
use super::{Http, client, demo, docs, health, pages, paths, problem_pages, publish, render, render_stream, sse, ws};
use crate::auth::Auth;
use crate::limits::Limits;

/// Which listeners serve a route when there are internal ones. Without them, all serve all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// The public listeners, and the internal ones too.
    Public,
    /// The internal listeners only.
    Internal,
}

/// One path.
#[derive(Clone, Copy, Debug)]
pub struct RouteSpec {
    /// The pattern.
    pub path: &'static str,
    /// The methods, as `Allow` lists them.
    pub allow: &'static str,
    /// Who serves it.
    pub surface: Surface,
    /// The refusals of its own, besides those that any route may give.
    pub problems: &'static [Kind],
}

const GET: &str = "GET, HEAD, OPTIONS";

/// Of answers without an end there is no head alone.
const GET_ALONE: &str = "GET, OPTIONS";

const SUBSCRIBE: Needs = &[("GET", Need::Subscribe)];
const SOCKET: Needs = &[("GET", Need::Socket)];

const fn open(path: &'static str, problems: &'static [Kind]) -> RouteSpec {
    RouteSpec { path, allow: GET, surface: Surface::Public, problems }
}

const fn internal(path: &'static str) -> RouteSpec {
    RouteSpec { path, allow: GET, surface: Surface::Internal, problems: &[] }
}

const fn subscribed(path: &'static str) -> RouteSpec {
    RouteSpec { path, allow: GET_ALONE, surface: Surface::Public, problems: SUBSCRIBING }
}

/// What subscribing may refuse.
const SUBSCRIBING: &[Kind] = &[
    Kind::InvalidName,
    Kind::InvalidOption,
    Kind::Unauthorized,
    Kind::RateLimited,
    Kind::TooManyConnections,
    Kind::Draining,
];

/// What reading and rendering a body may refuse.
const RENDERING: &[Kind] = &[
    Kind::InvalidJson,
    Kind::InvalidOption,
    Kind::UnsupportedMediaType,
    Kind::BodyTooLarge,
    Kind::Unauthorized,
    Kind::RateLimited,
    Kind::Busy,
    Kind::Timeout,
];

/// What rendering a source that is being written may refuse.
const STREAM_RENDERING: &[Kind] = &[
    Kind::InvalidOption,
    Kind::InvalidName,
    Kind::OptionNotStreamable,
    Kind::UnsupportedMediaType,
    Kind::Unauthorized,
    Kind::RateLimited,
    Kind::Draining,
];

/// What publishing may refuse.
const PUBLISHING: &[Kind] = &[
    Kind::InvalidJson,
    Kind::InvalidOption,
    Kind::InvalidOp,
    Kind::InvalidName,
    Kind::OptionNotStreamable,
    Kind::UnsupportedMediaType,
    Kind::BodyTooLarge,
    Kind::OpTooLarge,
    Kind::StreamTooLarge,
    Kind::ChannelTooLarge,
    Kind::StreamKind,
    Kind::StreamDone,
    Kind::StreamCancelled,
    Kind::StreamFailed,
    Kind::StreamBusy,
    Kind::TooManyStreams,
    Kind::ChannelEnded,
    Kind::EpochChanged,
    Kind::IdempotencyMismatch,
    Kind::TooManyChannels,
    Kind::LogUnavailable,
    Kind::Unauthorized,
    Kind::NotFound,
    Kind::RateLimited,
    Kind::Busy,
    Kind::Draining,
    Kind::Timeout,
];

/// What asking for a channel, or its end, may refuse.
const MANAGING: &[Kind] =
    &[Kind::InvalidName, Kind::LogUnavailable, Kind::Unauthorized, Kind::NotFound, Kind::RateLimited];

const OPS: &str = "POST, OPTIONS";
const STREAM: &str = "GET, HEAD, POST, DELETE, OPTIONS";
const CHANNEL: &str = "GET, HEAD, DELETE, OPTIONS";
/// What public listeners take of a stream where there are internal ones: who watches a reply may stop it.
const PUBLIC_STREAM: &str = "DELETE, OPTIONS";

const OPS_NEEDS: Needs = &[("POST", Need::Publish)];
const STREAM_NEEDS: Needs =
    &[("GET", Need::Manage), ("HEAD", Need::Manage), ("POST", Need::Publish), ("DELETE", Need::Cancel)];
const CHANNEL_NEEDS: Needs = &[("GET", Need::Manage), ("HEAD", Need::Manage), ("DELETE", Need::Manage)];

/// What paths of channels ask of who calls them, for the API document.
pub(super) const NEEDS: &[(&str, Needs)] = &[
    ("/channels/{channel}/ops", OPS_NEEDS),
    ("/channels/{channel}/streams/{stream}", STREAM_NEEDS),
    ("/channels/{channel}", CHANNEL_NEEDS),
    ("/channels/{channel}/sse", SUBSCRIBE),
    ("/channels/{channel}/ws", SOCKET),
    ("/sse", SUBSCRIBE),
    ("/ws", SOCKET),
];

/// All paths. `DELETE` of a stream is public in any case. Where `/` is live it also takes `POST`, and there is `/demo`.
pub const ROUTES: &[RouteSpec] = &[
    RouteSpec { path: "/render", allow: "POST, OPTIONS", surface: Surface::Internal, problems: RENDERING },
    RouteSpec {
        path: "/render/stream",
        allow: "POST, OPTIONS",
        surface: Surface::Internal,
        problems: STREAM_RENDERING,
    },
    RouteSpec { path: "/channels/{channel}/ops", allow: OPS, surface: Surface::Internal, problems: PUBLISHING },
    RouteSpec {
        path: "/channels/{channel}/streams/{stream}",
        allow: STREAM,
        surface: Surface::Internal,
        problems: PUBLISHING,
    },
    RouteSpec { path: "/channels/{channel}", allow: CHANNEL, surface: Surface::Internal, problems: MANAGING },
    subscribed("/channels/{channel}/sse"),
    subscribed("/channels/{channel}/ws"),
    subscribed("/sse"),
    subscribed("/ws"),
    open("/healthz", &[]),
    open("/readyz", &[Kind::Draining]),
    internal("/metrics"),
    internal("/openapi.json"),
    internal("/docs"),
    internal("/docs/"),
    RouteSpec { path: "/docs/{file}", allow: GET, surface: Surface::Internal, problems: &[Kind::NotFound] },
    open("/", &[]),
    open("/assets/{file}", &[Kind::NotFound]),
    open("/client.js", &[]),
    open("/client-{hash}.js", &[Kind::NotFound]),
    open("/problems", &[]),
    open("/problems/{slug}", &[Kind::NotFound]),
];

/// Adds the routes of `surface` to an application. `alone`: there are no internal listeners, so public ones serve all.
pub(super) fn configure(app: &mut web::ServiceConfig, http: &Http, surface: Surface, alone: bool) {
    let whole = alone || surface == Surface::Internal;
    http.share(app, whole);
    // Tried in this order, so what is asked most stands first.
    if whole {
        app.service(costly("/render", "POST, OPTIONS").route(web::post().to(render::render)));
        publishing(app);
        let stream = costly("/render/stream", "POST, OPTIONS");
        app.service(stream.route(web::post().to(render_stream::render_stream)));
        app.service(get("/metrics", health::metrics));
        app.service(get("/openapi.json", docs::openapi));
        app.service(get("/docs", docs::to_folder));
        app.service(get("/docs/", docs::index));
        app.service(get("/docs/{file}", docs::file));
    }
    if !whole {
        let stream = guarded("/channels/{channel}/streams/{stream}", PUBLIC_STREAM, STREAM_NEEDS);
        app.service(stream.route(web::delete().to(publish::cancel)));
    }
    app.service(guarded("/channels/{channel}/sse", GET_ALONE, SUBSCRIBE).route(web::get().to(sse::of_channel)));
    app.service(guarded("/channels/{channel}/ws", GET_ALONE, SOCKET).route(web::get().to(ws::of_channel)));
    app.service(guarded("/sse", GET_ALONE, SUBSCRIBE).route(web::get().to(sse::of_several)));
    app.service(guarded("/ws", GET_ALONE, SOCKET).route(web::get().to(ws::of_several)));
    app.service(get("/healthz", health::healthz));
    app.service(get("/readyz", health::readyz));
    app.service(get("/assets/{file}", pages::asset));
    app.service(get("/client.js", client::module));
    app.service(get("/client-{hash}.js", client::hashed));
    app.service(get("/problems", problem_pages::list));
    app.service(get("/problems/{slug}", problem_pages::page));
    if http.front_page(whole).live {
        let front = costly("/", "GET, HEAD, POST, OPTIONS");
        let front = front.route(web::get().to(pages::index)).route(web::head().to(pages::index));
        app.service(front.route(web::post().to(pages::index_form)));
        app.service(costly("/demo", "POST, OPTIONS").route(web::post().to(demo::play)));
        app.service(costly("/demo/{channel}/cut", "POST, OPTIONS").route(web::post().to(demo::cut)));
    } else {
        app.service(get("/", pages::index));
    }
    app.default_service(web::route().to(not_found).wrap(from_fn(screen)).wrap(from_fn(frame)));
}

/// The paths of publishers.
fn publishing(app: &mut web::ServiceConfig) {
    let ops = guarded("/channels/{channel}/ops", OPS, OPS_NEEDS);
    app.service(ops.route(web::post().to(publish::ops)));
    let stream = guarded("/channels/{channel}/streams/{stream}", STREAM, STREAM_NEEDS);
    let stream = stream.route(web::get().to(publish::stream)).route(web::head().to(publish::stream));
    app.service(stream.route(web::post().to(publish::reply)).route(web::delete().to(publish::cancel)));
    let channel = guarded("/channels/{channel}", CHANNEL, CHANNEL_NEEDS);
    let channel = channel.route(web::get().to(publish::channel)).route(web::head().to(publish::channel));
    app.service(channel.route(web::delete().to(publish::end)));
}

/// The pattern that a request matched, as the label of logs and metrics: one word for all that matched none.
pub(super) fn pattern_of(request: &HttpRequest) -> String {
    request.match_pattern().map_or_else(|| "unmatched".to_owned(), paths::pattern_of)
}

/// A path with one handler for `GET` and `HEAD`.
fn get<F, Args>(path: &'static str, handler: F) -> Resource<impl Framed>
where
    F: actix_web::Handler<Args> + Clone,
    Args: actix_web::FromRequest + 'static,
    F::Output: actix_web::Responder + 'static,
{
    resource(path, GET).route(web::get().to(handler.clone())).route(web::head().to(handler))
}

/// A path inside the frame, for everyone whom keyless mode answers.
fn resource(path: &'static str, allow: &'static str) -> Resource<impl Framed> {
    bare(path, allow).wrap(from_fn(screen)).wrap(from_fn(frame))
}

/// A path inside the frame whose `POST` costs: for callers with a key, from allowed pages, within their rate.
fn costly(path: &'static str, allow: &'static str) -> Resource<impl Framed> {
    bare(path, allow).wrap(from_fn(admit)).wrap(from_fn(screen)).wrap(from_fn(frame))
}

/// A path of channels inside the frame, for who has what its methods need. `allow` ends in `OPTIONS`.
fn guarded(path: &'static str, allow: &'static str, needs: Needs) -> Resource<impl Framed> {
    let methods = allow.strip_suffix(", OPTIONS").expect("every path answers OPTIONS");
    let guard =
        move |auth: web::Data<Auth>, limits: web::Data<Limits>, request: ServiceRequest, next: Next<BoxBody>| {
            door::guard((needs, methods), (auth, limits), request, next)
        };
    bare(path, allow).wrap(from_fn(guard)).wrap(from_fn(screen)).wrap(from_fn(frame))
}

/// A path that answers `OPTIONS` and refuses every method it has no route for.
fn bare(path: &'static str, allow: &'static str) -> Resource {
    let refuse = move || async move {
        let problem = Problem::new(Kind::MethodNotAllowed, format!("this path takes {allow}"));
        Err::<HttpResponse, _>(problem.header(header::ALLOW, HeaderValue::from_static(allow)))
    };
    let tell = move || async move { HttpResponse::NoContent().insert_header((header::ALLOW, allow)).finish() };
    web::resource(paths::routed(path))
        .route(web::method(actix_web::http::Method::OPTIONS).to(tell))
        .default_service(web::to(refuse))
}

/// What a resource inside the frame is to actix.
trait Framed:
    ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse<Watched>, Error = Error, InitError = ()>
{
}

impl<T> Framed for T where
    T: ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse<Watched>, Error = Error, InitError = ()>
{
}

async fn not_found(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let path: String = request.path().chars().take(80).collect();
    Err(Problem::new(Kind::NotFound, format!("there is nothing at `{path}`")))
}
