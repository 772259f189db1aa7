//! `POST /render/stream`: Markdown in as it is written, frames out as they are ready, on one request.
//!
//! It is a stream of a channel without the channel: one private view, fed by the request's body, whose ticks are the
//! answer's body. Nothing is left when it ends, and nothing can be resumed.
//!
//! The answer is made as it is taken. Who does not read it is not read from either.
//!
//! **Invariant:** frames come while the source is still being sent (`frames_come_before_the_source_ends`), and what they
//! show at the end is the one-shot render (`a_streamed_source_ends_as_the_render_of_the_whole`).
//! **Source:** `openapi/protocol.md`, "Rendering a stream"; WHATWG HTML §9.2.6 (comments keep a connection alive).

mod run;

use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{self, HeaderName};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures_util::stream;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::budget::{Budget, Held};
use super::exchange::Exchange;
use super::media_type;
use super::negotiate;
use super::open_body::{Came, OpenBody};
use super::problem::Problem;
use super::stream_query::StreamQuery;
use super::subscribe::read_wire;
use super::{HttpOptions, Readiness};
use crate::channel::{HubOptions, INTERRUPTED, Readiness as TickReadiness};
use crate::limits::{Limits, SMALL_SOURCE_BYTES_MAX};
use crate::markdown::Policy;
use crate::protocol::{DomOp, Epoch, StreamName};
use crate::telemetry::Metrics;

use run::{Form, Run};

/// The media types of bodies that are taken.
const TAKES: &[&str] = &["text/markdown", "text/plain"];
/// The name of the stream where the query names none.
const STREAM: &str = "response";
/// After how long a large document asks again for a place among the renders.
const BUSY_WAIT: Duration = Duration::from_millis(100);
/// What a document in memory takes for each byte of its source, about: the source twice, and its HTML.
const BYTES_PER_SOURCE_BYTE: usize = 4;

/// Renders sources that are being written. A clone is a handle to the same budget.
#[derive(Clone)]
pub(super) struct StreamRenderer {
    policy: Arc<Policy>,
    documents: Budget,
    limits: Arc<Limits>,
    metrics: Metrics,
    readiness: Readiness,
    source_bytes_max: usize,
    tick: Duration,
    idle: Duration,
    keep_alive: Duration,
}

/// Renders a source while it is being written.
#[utoipa::path(
    post, path = "/render/stream", tag = "render", operation_id = "render_stream",
    summary = "Render Markdown while it is being written",
    description = "The body is Markdown and may go on for as long as something comes; the answer's body are the frames \
        that it gives, each as soon as it is ready, while the source is still being sent: as Server-Sent Events, or a \
        frame a line where `Accept` prefers `application/x-ndjson`. The first frame has `start`, the last `done`, or \
        `error` where the source broke off, fell silent or grew too long. A page applies the ops in order to the element \
        `[dj-stream='NAME']`. An `id` ends each tick as in a channel, but nothing is kept and nothing can be resumed. HTTP clients that send a whole body before they read see all frames at \
        its end.",
    params(("stream" = Option<String>, Query, description = "The name in the frames and their targets; `response` where \
        there is none", example = "response", pattern = "^[A-Za-z0-9_.:@~-]{1,128}$"),
        ("wire" = Option<String>, Query, pattern = "^(djust|compact)$",
         description = "In which form frames come: `djust` where nothing is said")),
    request_body(content(
        (String = "text/markdown", example = "Hello **world**\n"),
        (String = "text/plain", example = "Hello **world**\n"),
    ), description = "The source as it is written."),
    responses((status = 200, description = "The frames", content(
        (String = "text/event-stream",
            example = "data: {\"type\":\"stream\",\"stream\":\"response\",\"ops\":[{\"op\":\"start\",\"target\":\"[dj-stream='response']\"}],\"id\":\"1f3a-1\"}\nid: 1f3a-1\n\n"),
        (String = "application/x-ndjson",
            example = "{\"type\":\"stream\",\"stream\":\"response\",\"ops\":[{\"op\":\"start\",\"target\":\"[dj-stream='response']\"}],\"id\":\"1f3a-1\"}\n"),
    ))),
)]
pub(super) async fn render_stream(
    request: HttpRequest,
    payload: web::Payload,
    renderer: web::Data<StreamRenderer>,
) -> Result<HttpResponse, Problem> {
    let live = renderer.begin(&request, payload).map_err(Problem::closing)?;
    let media = live.form.media_type();
    // The request's body stays until the answer's is gone: see `OpenBody`.
    let kept = Rc::new(Cell::new(None));
    let frames = stream::unfold(live, move |mut live| {
        let kept = Rc::clone(&kept);
        async move {
            if let Some(bytes) = live.next().await {
                return Some((Ok::<_, Infallible>(bytes), live));
            }
            kept.set(Some(live.body));
            None
        }
    });
    Ok(HttpResponse::Ok()
        .content_type(media)
        .insert_header((header::CACHE_CONTROL, "no-cache, no-transform"))
        .insert_header((HeaderName::from_static("x-accel-buffering"), "no"))
        .insert_header((header::VARY, "Accept"))
        // Its body may not be read to the end, and nobody could tell where the next request begins.
        .force_close()
        .streaming(frames))
}

impl StreamRenderer {
    /// Under the operator's options, with documents paid from `documents`.
    pub(super) fn new(
        http: &HttpOptions,
        channels: &HubOptions,
        documents: Budget,
        (limits, metrics, readiness): (Arc<Limits>, Metrics, Readiness),
    ) -> Self {
        Self {
            policy: Arc::new(http.policy.clone()),
            documents,
            limits,
            metrics,
            readiness,
            source_bytes_max: channels.stream_bytes_max,
            tick: channels.tick,
            idle: channels.stream_idle,
            keep_alive: http.streams.keep_alive,
        }
    }

    /// Judges a request's head and starts its run.
    fn begin(&self, request: &HttpRequest, payload: web::Payload) -> Result<Live, Problem> {
        if self.readiness.is_draining() {
            return Err(Problem::draining());
        }
        media_type::of_body(request.headers(), TAKES)?;
        media_type::refuse_codings(request.headers())?;
        let query = StreamQuery::parse(request.query_string(), &["stream", "wire"])?;
        let name = StreamName::parse(query.named("stream").unwrap_or(STREAM))?;
        let offers = ["text/event-stream", "application/x-ndjson"];
        let form = [Form::Events, Form::Lines][negotiate::media(request.headers(), &offers)];
        let epoch = Epoch::new(Uuid::now_v7().as_u64_pair().1);
        let wire = query.named("wire").map(read_wire).transpose()?.unwrap_or_default();
        let run = Run::new(name, (epoch, wire), query.options()?, Arc::clone(&self.policy));
        Ok(Live {
            renderer: self.clone(),
            body: OpenBody::new(payload, self.idle),
            reading: true,
            exchange: request.conn_data::<Exchange>().cloned(),
            run,
            form,
            held: Held::default(),
            next_tick: Instant::now(),
            next_comment: Instant::now() + self.keep_alive,
        })
    }
}

/// One source on its way.
struct Live {
    renderer: StreamRenderer,
    body: OpenBody,
    /// Whether more of it is wanted.
    reading: bool,
    exchange: Option<Exchange>,
    run: Run,
    form: Form,
    held: Held,
    next_tick: Instant,
    /// When a comment is due, if nothing is written before.
    next_comment: Instant,
}

impl Live {
    /// What is to be written next, once there is something; `None` when all is.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let due = self.due();
            if due.is_some_and(|due| due <= Instant::now()) {
                let frames = self.tick().await;
                if !frames.is_empty() {
                    self.next_comment = Instant::now() + self.renderer.keep_alive;
                    return Some(frames);
                }
                continue;
            }
            if !self.reading {
                sleep_until(due?).await;
                continue;
            }
            let ending = self.renderer.readiness.ending();
            tokio::select! {
                biased;
                came = self.body.next() => self.take(came),
                () = sleep_until(due.unwrap_or(self.next_comment)), if due.is_some() => {}
                () = sleep_until(self.next_comment), if self.form == Form::Events => {
                    self.next_comment = Instant::now() + self.renderer.keep_alive;
                    return Some(Bytes::from_static(b": keep-alive\n\n"));
                }
                () = ending => self.fail(INTERRUPTED),
            }
        }
    }

    /// When the next tick may be made; `None` where there is nothing to show.
    fn due(&self) -> Option<Instant> {
        match self.run.ready() {
            TickReadiness::Idle => None,
            TickReadiness::Ready => Some(self.next_tick),
            TickReadiness::Wait(wait) => Some(self.next_tick.max(Instant::now() + wait)),
        }
    }

    fn take(&mut self, came: Came) {
        match came {
            Came::Bytes(bytes) => self.grow(&bytes),
            Came::End => {
                self.reading = false;
                self.run.end(DomOp::Done { target: None, cancelled: false });
            }
            Came::Broken | Came::Silence => self.fail(INTERRUPTED),
        }
    }

    fn grow(&mut self, bytes: &[u8]) {
        let grown = self.run.source_bytes() + bytes.len();
        if grown > self.renderer.source_bytes_max {
            return self.fail(&format!("The source is longer than {} bytes", self.renderer.source_bytes_max));
        }
        if !self.renderer.documents.cover(&mut self.held, grown * BYTES_PER_SOURCE_BYTE) {
            return self.fail("The service is busy");
        }
        self.run.push(bytes);
    }

    /// Ends the run with an error. What the sender still sends is thrown away.
    fn fail(&mut self, words: &str) {
        self.reading = false;
        self.exchange.iter().for_each(Exchange::leave_unread);
        self.run.end(DomOp::Error { target: None, error: words.to_owned() });
    }

    /// Shows what is new: a large document off the worker and within the gate of renders, a small one here.
    async fn tick(&mut self) -> Bytes {
        let cost = self.run.cost();
        let frames = if cost <= SMALL_SOURCE_BYTES_MAX {
            self.run.tick(self.form)
        } else {
            let Ok(permit) = self.renderer.limits.render_gate.enter(cost).await else {
                self.next_tick = Instant::now() + BUSY_WAIT;
                return Bytes::new();
            };
            let (mut run, form) = (self.run.lend(), self.form);
            let work = tokio::task::spawn_blocking(move || {
                let frames = run.tick(form);
                drop(permit);
                (frames, run)
            });
            match work.await {
                Ok((frames, run)) => {
                    self.run = run;
                    frames
                }
                Err(_) => {
                    // The run is gone; the answer ends without its last frame.
                    self.renderer.metrics.panicked();
                    self.reading = false;
                    Bytes::new()
                }
            }
        };
        self.next_tick = Instant::now() + self.renderer.tick;
        frames
    }
}
