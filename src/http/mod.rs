//! HTTP: routes, extractors, thin handlers, problems.
//!
//! A request's way: the connection (in `server`) → [`frame`](self) with its context → the checks → a handler → the
//! frame again, which makes a problem of every refusal, compresses, and logs one line.

mod access_log;
mod body;
mod budget;
mod client;
mod compress;
mod context;
mod cors;
mod demo;
mod docs;
mod door;
mod exchange;
mod facts;
mod fixed;
mod frame;
mod guard;
mod health;
mod holding_body;
mod json_body;
mod json_common;
mod json_text;
mod json_words;
mod media_type;
mod negotiate;
mod ongoing;
mod open_body;
mod openapi;
mod openapi_ops;
mod pages;
mod paths;
mod problem;
mod problem_kinds;
mod problem_pages;
mod publish;
mod publish_problems;
mod render;
mod render_request;
mod render_stream;
mod request_id;
mod routes;
mod source;
mod sse;
mod stream_options;
mod stream_query;
mod subscribe;
mod ws;

use std::sync::Arc;
use std::time::Duration;

use actix_web::web;

use crate::auth::Auth;
use crate::channel::{Hub, HubOptions};
use crate::limits::Limits;
use crate::markdown::Policy;
use crate::telemetry::Metrics;

pub use context::RequestContext;
pub use exchange::{Answering, Exchange};
pub use health::Readiness;
pub use ongoing::{Begin, Feed, Ongoing};
pub use openapi::DOCUMENT as OPENAPI_DOCUMENT;
pub use paths::read_path;
pub use problem::{PROBLEM_TYPE, Problem};
pub use problem_kinds::{KINDS, Kind, Row};
pub use request_id::RequestId;
pub use routes::{ROUTES, RouteSpec, Surface};
pub use stream_options::StreamOptions;

use demo::Demo;
use pages::FrontPage;
use publish::Publishing;
use render::Renderer;
use render_stream::StreamRenderer;
use subscribe::Subscribing;

/// What the operator decides about HTTP.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// The longest `text/markdown` or `text/plain` body of `POST /render`, in bytes. 16 MiB: above the 10 MiB that are
    /// parsed, so that "too big to parse" is an answer, not a refusal. Longer → 413.
    pub render_body_bytes_max: usize,
    /// The longest JSON body of `POST /render`, in bytes. 64 MiB, since JSON may write one byte of source as six.
    /// Longer → 413.
    pub render_json_bytes_max: usize,
    /// What all bodies over 64 KiB that are being read may hold together, in bytes. 256 MiB. A body beyond it → 503.
    pub bodies_in_flight_bytes_max: usize,
    /// What all answers over 64 KiB that are not yet sent may hold together, in bytes. 256 MiB. An answer beyond it → 503.
    pub answers_in_flight_bytes_max: usize,
    /// How long a request's body may take to arrive. Longer → 408.
    pub body_timeout: Duration,
    /// What the renderer may write, the same for every request.
    pub policy: Policy,
    /// Whether `/` is a live demo. It is only ever offered when no key is needed to render.
    pub demo: bool,
    /// Connections that stay open.
    pub streams: StreamOptions,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            render_body_bytes_max: 16 * 1024 * 1024,
            render_json_bytes_max: 64 * 1024 * 1024,
            bodies_in_flight_bytes_max: 256 * 1024 * 1024,
            answers_in_flight_bytes_max: 256 * 1024 * 1024,
            body_timeout: Duration::from_secs(30),
            policy: Policy::default(),
            demo: true,
            streams: StreamOptions::default(),
        }
    }
}

/// All that handlers share. A clone is a handle to the same state.
#[derive(Clone)]
pub struct Http {
    auth: Arc<Auth>,
    limits: Arc<Limits>,
    metrics: Metrics,
    readiness: Readiness,
    renderer: Renderer,
    stream_renderer: StreamRenderer,
    publishing: Publishing,
    subscribing: Subscribing,
    player: Demo,
    demo: bool,
}

impl Http {
    /// Puts the state together, over this hub with its options.
    pub fn new(
        options: &HttpOptions,
        auth: Auth,
        limits: Limits,
        hub: Hub,
        channels: &HubOptions,
        metrics: Metrics,
        readiness: Readiness,
    ) -> Self {
        let (auth, limits) = (Arc::new(auth), Arc::new(limits));
        let renderer = Renderer::new(options, Arc::clone(&limits), metrics.clone());
        let shared = (Arc::clone(&limits), metrics.clone(), readiness.clone());
        let stream_renderer = StreamRenderer::new(options, channels, renderer.budget(), shared);
        let publishing = Publishing::new(options, channels, (hub.clone(), readiness.clone()), renderer.budget());
        let doors = (Arc::clone(&auth), Arc::clone(&limits));
        let told = (metrics.clone(), readiness.clone());
        let player = Demo::new(hub.clone());
        let subscribing = Subscribing::new(hub, doors, told, options.streams.clone(), channels);
        let demo = options.demo;
        Self { auth, limits, metrics, readiness, renderer, stream_renderer, publishing, subscribing, player, demo }
    }

    /// Adds the routes of `surface` to an application. `alone`: there are no internal listeners.
    pub fn configure(&self, app: &mut web::ServiceConfig, surface: Surface, alone: bool) {
        routes::configure(app, self, surface, alone);
    }

    /// Gives handlers and checks the handles they name.
    fn share(&self, app: &mut web::ServiceConfig, whole: bool) {
        app.app_data(web::Data::from(Arc::clone(&self.auth)));
        app.app_data(web::Data::from(Arc::clone(&self.limits)));
        app.app_data(web::Data::new(self.metrics.clone()));
        app.app_data(web::Data::new(self.readiness.clone()));
        app.app_data(web::Data::new(self.renderer.clone()));
        app.app_data(web::Data::new(self.stream_renderer.clone()));
        app.app_data(web::Data::new(self.publishing.clone()));
        app.app_data(web::Data::new(self.subscribing.clone()));
        app.app_data(web::Data::new(self.player.clone()));
        app.app_data(web::Data::new(self.front_page(whole)));
    }

    /// What the front page offers where all routes are served, or not.
    fn front_page(&self, whole: bool) -> FrontPage {
        let keyless = self.auth.is_keyless();
        FrontPage { live: self.demo && whole && keyless, docs: whole, needs_key: !keyless }
    }
}
