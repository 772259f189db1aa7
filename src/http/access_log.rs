//! One line and one measurement for each request, when the last byte of its answer has left or the client has gone.
//!
//! The line has the path and not the query string, since queries may carry tokens (CWE-532); no header is logged but the
//! request id, and that only if it is harmless.
//!
//! **Invariant:** each request gives exactly one line, however it ends (`each_request_is_one_access_line`); a body goes
//! out in slices (`a_long_body_goes_out_in_slices_and_whole`).

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::Method;
use bytes::Bytes;

use super::context::RequestContext;
use super::exchange::{Answering, Exchange};
use super::ongoing::{Begin, Beginning};
use crate::telemetry::Metrics;

/// The status that is logged where the client went away before there was an answer (as nginx has it).
const CLIENT_GONE: u16 = 499;
/// Bodies go out in slices of this many bytes.
const SLICE_BYTES: usize = 64 * 1024;
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
}

impl Visit {
    /// A request begins.
    pub(super) fn new(metrics: Metrics, context: RequestContext, method: Method, route: String, path: &str) -> Self {
        metrics.requests_in_flight().inc();
        Self {
            metrics,
            context,
            began: Instant::now(),
            method,
            route,
            path: path.char_indices().nth(PATH_CHARS_MAX).map_or(path, |(end, _)| &path[..end]).to_owned(),
            status: CLIENT_GONE,
            body_bytes: 0,
            complete: false,
        }
    }

    /// One that is of no interest.
    #[cfg(test)]
    pub(super) fn for_tests() -> Self {
        let context = RequestContext { id: super::RequestId::make(), trace: None, client: None };
        Self::new(Metrics::new(), context, Method::GET, "/x".to_owned(), "/x")
    }

    /// The answer's body, watched to its end, and until then answering.
    pub(super) fn watch(mut self, status: u16, body: BoxBody, answering: Option<Answering>) -> Watched {
        self.status = status;
        self.complete = matches!(body.size(), BodySize::None | BodySize::Sized(0));
        Watched { body, rest: Bytes::new(), visit: Some(self), feed: None, answering }
    }

    /// The answer that goes on by itself, once the connection has written its head.
    pub(super) fn hand_over(
        mut self,
        status: u16,
        body: BoxBody,
        (feed, exchange): (Box<dyn Begin>, Exchange),
        answering: Option<Answering>,
    ) -> Watched {
        self.status = status;
        Watched { body, rest: Bytes::new(), visit: Some(self), feed: Some((exchange, feed)), answering }
    }

    /// So many bytes of the body have left.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.body_bytes += bytes as u64;
    }

    /// The last byte of the body has left.
    pub(super) fn completed(&mut self) {
        self.complete = true;
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
            // Words as words: `%` would format each before it is escaped.
            method = self.method.as_str(),
            route = self.route.as_str(),
            path = self.path.as_str(),
            status = self.status,
            duration_ms = took.as_secs_f64() * 1000.0,
            bytes = self.body_bytes,
            complete = self.complete,
            client = self.context.client_text().as_str(),
            request_id = self.context.id.as_str(),
            trace_id = self.context.trace.as_ref().map(|trace| trace.id()),
            "request"
        );
    }
}

/// A body that counts its bytes and ends its visit when it is dropped. It goes out in slices: what the connection copies
/// for a reader that takes nothing is one slice, however long the body is (CWE-770).
pub(super) struct Watched {
    body: BoxBody,
    /// What the body gave and is not sent.
    rest: Bytes,
    /// The visit; gone where the connection watches the answer.
    visit: Option<Visit>,
    /// What the connection is to go on with.
    feed: Option<(Exchange, Box<dyn Begin>)>,
    answering: Option<Answering>,
}

impl MessageBody for Watched {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let Self { body, rest, visit, feed, answering } = &mut *self;
        if let Some((exchange, feed)) = feed.take()
            && let Some(visit) = visit.take()
        {
            exchange.hand_over(Beginning { feed, visit, answering: answering.take() });
        }
        let Some(visit) = visit else { return Poll::Pending };
        if rest.is_empty() {
            match ready!(Pin::new(body).poll_next(cx)) {
                Some(Ok(chunk)) => *rest = chunk,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    visit.completed();
                    return Poll::Ready(None);
                }
            }
        }
        let bytes = rest.len().min(SLICE_BYTES);
        if visit.method != Method::HEAD {
            visit.sent(bytes);
        }
        Poll::Ready(Some(Ok(rest.split_to(bytes))))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;
    use crate::http::RequestId;

    #[tokio::test]
    async fn a_long_body_goes_out_in_slices_and_whole() {
        let context = RequestContext { id: RequestId::make(), trace: None, client: None };
        let visit = Visit::new(Metrics::new(), context, Method::GET, "/".to_owned(), "/");
        let long: Bytes = (0..200_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<u8>>().into();
        let mut watched = visit.watch(200, BoxBody::new(long.clone()), None);
        let mut sent = Vec::new();
        while let Some(slice) = poll_fn(|cx| Pin::new(&mut watched).poll_next(cx)).await {
            let slice = slice.unwrap();
            assert!((1..=SLICE_BYTES).contains(&slice.len()));
            sent.extend_from_slice(&slice);
        }
        assert_eq!(sent, long);
        let visit = watched.visit.take().unwrap();
        assert!(visit.complete && visit.body_bytes == long.len() as u64);
    }

    #[tokio::test]
    async fn an_ongoing_answer_is_one_access_line() {
        struct Nothing;
        impl super::super::Feed for Nothing {
            fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Bytes>> {
                Poll::Ready(None)
            }
        }
        let (metrics, exchange) = (Metrics::new(), Exchange::default());
        let context = RequestContext { id: RequestId::make(), trace: None, client: None };
        let answering = Some(exchange.begin());
        let visit = Visit::new(metrics.clone(), context, Method::GET, "/x".to_owned(), "/x");
        let feed = (Box::new(Nothing) as Box<dyn Begin>, exchange.clone());
        let mut watched = visit.hand_over(200, BoxBody::new(()), feed, answering);
        for _ in 0..2 {
            let next = poll_fn(|cx| Poll::Ready(Pin::new(&mut watched).poll_next(cx))).await;
            assert!(next.is_pending(), "the dispatcher gets nothing");
        }
        assert!(!exchange.is_idle(), "nobody goes on with it yet");
        let mut ongoing = exchange.take_over().unwrap();
        assert!(exchange.take_over().is_none());
        drop(watched);
        assert!(exchange.is_idle() && !metrics.text().contains("/x"), "it goes on, by itself");
        ongoing.sent(700);
        ongoing.sent(77);
        ongoing.completed();
        drop(ongoing);
        let text = metrics.text();
        for line in [
            "rillmark_http_request_duration_seconds_count{method=\"GET\",route=\"/x\",status=\"2xx\"} 1",
            "rillmark_http_response_bytes_total 777",
            "rillmark_http_requests_in_flight 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}");
        }
    }
}
