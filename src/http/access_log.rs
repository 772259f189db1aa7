//! One line and one measurement for each request, when the last byte of its answer has left or the client has gone.
//!
//! The line has the path and not the query string, since queries may carry tokens (CWE-532); no header is logged but the
//! request id, and that only if it is harmless.
//!
//! **Invariant:** each request gives exactly one line, however it ends (`each_request_is_one_access_line`).

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::Method;
use bytes::Bytes;

use super::context::RequestContext;
use super::exchange::Answering;
use crate::telemetry::Metrics;

/// The status that is logged where the client went away before there was an answer (as nginx has it).
const CLIENT_GONE: u16 = 499;
/// Longer paths are cut in the log.
const PATH_CHARS_MAX: usize = 200;

/// One request from its head to the end of its answer. Dropping it writes the line.
#[derive(Debug)]
pub(super) struct Visit {
    metrics: Metrics,
    context: RequestContext,
    began: Instant,
    method: Method,
    route: String,
    path: String,
    status: u16,
    body_bytes: u64,
    complete: bool,
    _answering: Option<Answering>,
}

impl Visit {
    /// A request begins.
    pub(super) fn new(
        metrics: Metrics,
        context: RequestContext,
        method: Method,
        route: String,
        path: &str,
        answering: Option<Answering>,
    ) -> Self {
        metrics.requests_in_flight().inc();
        Self {
            metrics,
            context,
            began: Instant::now(),
            method,
            route,
            path: path.chars().take(PATH_CHARS_MAX).collect(),
            status: CLIENT_GONE,
            body_bytes: 0,
            complete: false,
            _answering: answering,
        }
    }

    /// The answer's body, watched to its end.
    pub(super) fn watch(mut self, status: u16, body: BoxBody) -> Watched {
        self.status = status;
        self.complete = matches!(body.size(), BodySize::None | BodySize::Sized(0));
        Watched { visit: self, body }
    }

    /// The method for labels: those that exist, so that a stranger cannot make up a label.
    fn method_label(&self) -> &'static str {
        match self.method {
            Method::GET => "GET",
            Method::HEAD => "HEAD",
            Method::POST => "POST",
            Method::PUT => "PUT",
            Method::DELETE => "DELETE",
            Method::PATCH => "PATCH",
            Method::OPTIONS => "OPTIONS",
            _ => "other",
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        self.metrics.requests_in_flight().dec();
        self.metrics.request(&self.route, self.method_label(), self.status, took, self.body_bytes);
        tracing::info!(
            target: "rillmark::access",
            method = %self.method,
            route = %self.route,
            path = %self.path,
            status = self.status,
            duration_ms = took.as_secs_f64() * 1000.0,
            bytes = self.body_bytes,
            complete = self.complete,
            client = %self.context.client_text(),
            request_id = self.context.id.as_str(),
            trace_id = self.context.trace.as_ref().map(|trace| trace.id()),
            "request"
        );
    }
}

/// A body that counts its bytes and ends its visit when it is dropped.
#[derive(Debug)]
pub(super) struct Watched {
    visit: Visit,
    body: BoxBody,
}

impl MessageBody for Watched {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_next(cx);
        match &polled {
            Poll::Ready(Some(Ok(chunk))) if self.visit.method != Method::HEAD => {
                self.visit.body_bytes += chunk.len() as u64;
            }
            Poll::Ready(None) => self.visit.complete = true,
            _ => {}
        }
        polled
    }
}
