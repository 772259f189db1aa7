//! What surrounds every handler: context, log span, panics, problems, headers, compression, the access line.
//!
//! It wraps each resource (not the application), so that the route is known before the handler runs and is told even
//! where the handler panics.
//!
//! **Invariant:** whatever a handler does, the caller gets an answer with a request id, and from status 400 up it is a
//! problem (`every_refusal_is_a_problem`, `a_panic_is_answered_and_the_service_lives`).

use std::any::Any;
use std::panic::AssertUnwindSafe;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpRequest, HttpResponse, web};
use futures_util::FutureExt as _;
use tracing::Instrument as _;

use super::access_log::{Visit, Watched};
use super::compress::compress;
use super::context::RequestContext;
use super::exchange::Exchange;
use super::ongoing::take_feed;
use super::problem::{PROBLEM_TYPE, Problem};
use super::problem_kinds::{KINDS, Kind};
use super::routes::pattern_of;
use crate::auth::Auth;
use crate::telemetry::Metrics;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACERESPONSE: HeaderName = HeaderName::from_static("traceresponse");

/// Runs the rest of a request inside the frame.
///
/// # Errors
/// None: errors become answers here.
pub(super) async fn frame<B: MessageBody + 'static>(
    auth: web::Data<Auth>,
    metrics: web::Data<Metrics>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<Watched>, Error> {
    let context = RequestContext::of(&request, &auth);
    let exchange = request.conn_data::<Exchange>().cloned();
    let visit = Visit::new(
        metrics.get_ref().clone(),
        context.clone(),
        request.method().clone(),
        pattern_of(request.request()),
        request.path(),
    );
    let answering = exchange.as_ref().map(Exchange::begin);
    request.extensions_mut().insert(context.clone());
    let span = tracing::info_span!("request", request_id = context.id.as_str());
    let kept = request.request().clone();
    let answered = AssertUnwindSafe(next.call(request).instrument(span.clone())).catch_unwind().await;
    let response = span.in_scope(|| match answered {
        Ok(Ok(response)) => settle(response.map_into_boxed_body(), &context, &metrics),
        Ok(Err(error)) => {
            let problem = Refused::of_error(&error);
            ServiceResponse::new(kept.clone(), problem.answer(&kept, &context, &metrics))
        }
        Err(panic) => {
            metrics.panicked();
            let problem = Refused::Ours(Problem::internal(format!("a handler panicked: {}", panic_text(&*panic))));
            ServiceResponse::new(kept.clone(), problem.answer(&kept, &context, &metrics))
        }
    });
    let mut response = compress(response);
    put_headers(&mut response, &context);
    if let Some(exchange) = exchange.as_ref().filter(|_| is_refusal(response.status()) && has_body(response.request()))
    {
        // Read or not: who is refused may still be sending.
        exchange.leave_unread();
    }
    let status = response.status().as_u16();
    let feed = take_feed(response.response_mut());
    Ok(response.map_body(|_, body| match feed.zip(exchange) {
        Some(feed) => visit.hand_over(status, body, feed, answering),
        None => visit.watch(status, body, answering),
    }))
}

/// A refusal, made by us or found in an answer.
enum Refused<'a> {
    Ours(Problem),
    Theirs(&'a Problem),
}

impl<'a> Refused<'a> {
    /// Our problem if the error is one; else the kind that fits the status the error stands for.
    fn of_error(error: &'a Error) -> Self {
        match error.as_error::<Problem>() {
            Some(problem) => Self::Theirs(problem),
            None => Self::Ours(by_status(error.as_response_error().status_code().as_u16(), &error.to_string())),
        }
    }

    /// Logs, counts and answers.
    fn answer(&self, request: &HttpRequest, context: &RequestContext, metrics: &Metrics) -> HttpResponse {
        let problem = match self {
            Self::Ours(problem) => problem,
            Self::Theirs(problem) => problem,
        };
        if let Some(cause) = problem.cause() {
            tracing::error!(request_id = context.id.as_str(), cause, "request failed");
        }
        metrics.refused(problem.kind().row().slug);
        problem.respond(context.id.as_str(), request.path())
    }
}

/// Makes a problem of every refusal that is none yet.
fn settle(response: ServiceResponse<BoxBody>, context: &RequestContext, metrics: &Metrics) -> ServiceResponse<BoxBody> {
    let status = response.status();
    if !is_refusal(status) {
        return response;
    }
    let answer = match response.response().error() {
        Some(error) => Refused::of_error(error).answer(response.request(), context, metrics),
        None if response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == PROBLEM_TYPE) => {
            return response;
        }
        None => Refused::Ours(by_status(status.as_u16(), "an answer without a reason")).answer(
            response.request(),
            context,
            metrics,
        ),
    };
    let (request, old) = response.into_parts();
    ServiceResponse::new(request, with_headers_of(&old, answer))
}

/// Keeps what checks have added to the answer that is replaced.
fn with_headers_of(old: &HttpResponse, mut new: HttpResponse) -> HttpResponse {
    for (name, value) in old.headers() {
        let own = [header::CONTENT_TYPE, header::CONTENT_LENGTH].contains(name) || new.headers().contains_key(name);
        if !own {
            new.headers_mut().append(name.clone(), value.clone());
        }
    }
    new
}

fn by_status(status: u16, cause: &str) -> Problem {
    match KINDS.iter().find(|row| row.status == status && status < 500) {
        Some(row) => Problem::new(row.kind, row.title),
        None if status < 500 => Problem::new(Kind::InvalidHeader, "the request was not understood"),
        None => Problem::internal(cause),
    }
}

fn is_refusal(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

/// Whether the request says that a body comes.
fn has_body(request: &HttpRequest) -> bool {
    let headers = request.headers();
    headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0")
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

fn put_headers(response: &mut ServiceResponse<BoxBody>, context: &RequestContext) {
    let headers = response.headers_mut();
    let id = HeaderValue::from_str(context.id.as_str()).expect("request ids are ASCII letters, digits and . _ -");
    headers.insert(X_REQUEST_ID, id);
    if let Some(trace) = &context.trace {
        let value = HeaderValue::from_str(&trace.response()).expect("trace ids are hexadecimal");
        headers.insert(TRACERESPONSE, value);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    put_vary(headers);
}

/// Adds `Origin` to what the answer depends on, so that no cache mixes pages up; one line, each name once.
fn put_vary(headers: &mut HeaderMap) {
    let mut lines = headers.get_all(header::VARY).map(HeaderValue::as_bytes);
    // What most answers say, put together beforehand.
    let known = match (lines.next(), lines.next(), lines.next()) {
        (None, ..) => Some("Origin"),
        (Some(b"Accept-Encoding"), None, _) => Some("Origin, Accept-Encoding"),
        (Some(b"Accept"), Some(b"Accept-Encoding"), None) => Some("Origin, Accept, Accept-Encoding"),
        _ => None,
    };
    if let Some(known) = known {
        headers.insert(header::VARY, HeaderValue::from_static(known));
        return;
    }
    let mut names = vec!["Origin"];
    let found = headers.get_all(header::VARY).filter_map(|value| value.to_str().ok());
    for name in found.flat_map(|line| line.split(',')).map(str::trim) {
        if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            names.push(name);
        }
    }
    let value = HeaderValue::try_from(names.join(", ")).expect("parts of header values make one");
    headers.insert(header::VARY, value);
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use actix_web::middleware::from_fn;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};
    use actix_web::{App, HttpResponse, web};

    use super::*;
    use crate::auth::AuthOptions;

    /// Log lines, as they are written.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Lines {
        fn capture(&self) -> tracing::subscriber::DefaultGuard {
            let lines = self.clone();
            let subscriber =
                tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || lines.clone()).finish();
            tracing::subscriber::set_default(subscriber)
        }

        fn of(&self, target: &str) -> Vec<serde_json::Value> {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
            lines.filter(|line| line["target"] == target).collect()
        }
    }

    #[test]
    fn what_an_answer_depends_on_is_one_line_with_each_name_once() {
        for (lines, expected) in [
            (&[][..], "Origin"),
            (&["Accept-Encoding"], "Origin, Accept-Encoding"),
            (&["Accept", "Accept-Encoding"], "Origin, Accept, Accept-Encoding"),
            (&["Accept"], "Origin, Accept"),
            (&["accept", "Accept, ORIGIN", "Accept-Encoding"], "Origin, accept, Accept-Encoding"),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::VARY, HeaderValue::from_static(line));
            }
            put_vary(&mut headers);
            let values: Vec<_> = headers.get_all(header::VARY).collect();
            assert_eq!(values, [expected], "{lines:?}");
        }
    }

    async fn panics() -> HttpResponse {
        panic!("by design");
    }

    macro_rules! service {
        ($metrics:expr) => {
            init_service(
                App::new()
                    .app_data(web::Data::new(Auth::new(AuthOptions::default())))
                    .app_data(web::Data::new($metrics.clone()))
                    .service(web::resource("/panics").route(web::get().to(panics)).wrap(from_fn(frame)))
                    .service(
                        web::resource("/never")
                            .route(web::get().to(std::future::pending::<HttpResponse>))
                            .wrap(from_fn(frame)),
                    )
                    .service(web::resource("/ok/{x}").route(web::get().to(|| async { "fine" })).wrap(from_fn(frame))),
            )
            .await
        };
    }

    #[tokio::test]
    async fn a_panic_is_answered_and_the_service_lives() {
        let (metrics, lines) = (Metrics::new(), Lines::default());
        let _guard = lines.capture();
        let service = service!(metrics);
        let answer = call_service(&service, TestRequest::get().uri("/panics").to_request()).await;
        assert_eq!(answer.status(), 500);
        let id = answer.headers().get("x-request-id").unwrap().to_str().unwrap().to_owned();
        let body: serde_json::Value = serde_json::from_slice(&read_body(answer).await).unwrap();
        assert_eq!((&body["type"], &body["instance"]), (&"/problems/internal".into(), &id.into()));
        assert!(!body.to_string().contains("by design"));
        let told = lines.of("rillmark::http::frame");
        assert_eq!(told.len(), 1, "the cause is logged once: {told:?}");
        assert!(told[0]["cause"].as_str().unwrap().contains("by design"));
        assert!(metrics.text().contains("rillmark_panics_total 1"));
        let answer = call_service(&service, TestRequest::get().uri("/ok/1").to_request()).await;
        assert_eq!(read_body(answer).await, "fine");
    }

    #[tokio::test]
    async fn each_request_is_one_access_line() {
        let (metrics, lines) = (Metrics::new(), Lines::default());
        let _guard = lines.capture();
        let service = service!(metrics);
        let request = TestRequest::get()
            .uri("/ok/1?token=s3cret")
            .insert_header(("authorization", "Bearer s3cret"))
            .insert_header(("x-request-id", "mine"))
            .insert_header(("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
        read_body(call_service(&service, request.to_request()).await).await;
        let gone = call_service(&service, TestRequest::get().uri("/never").to_request());
        assert!(tokio::time::timeout(std::time::Duration::from_millis(1), gone).await.is_err());
        let told = lines.of("rillmark::access");
        assert_eq!(told.len(), 2, "{told:?}");
        for (field, expected) in [
            ("method", serde_json::json!("GET")),
            ("route", "/ok/{x}".into()),
            ("path", "/ok/1".into()),
            ("status", 200.into()),
            ("bytes", 4.into()),
            ("complete", true.into()),
            ("request_id", "mine".into()),
            ("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736".into()),
            ("client", "local".into()),
        ] {
            assert_eq!(told[0][field], expected, "{field}");
        }
        assert!(told[0]["duration_ms"].is_f64());
        assert_eq!((&told[1]["status"], &told[1]["complete"]), (&499.into(), &false.into()), "the client has gone");
        assert!(!String::from_utf8(lines.0.lock().unwrap().clone()).unwrap().contains("s3cret"));
    }
}
