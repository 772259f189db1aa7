//! `POST /render`: Markdown in, safe HTML out.
//!
//! Small requests are parsed and rendered where they are read, in well under a millisecond. Larger ones are parsed,
//! rendered and encoded on the blocking pool, so that a document of 10 MiB never delays another client's answer. The
//! permit and what the body holds of its budget travel with the work and are given back when it is over, even if the
//! client has gone. A long answer holds its own bytes of another budget until it is sent or dropped.
//!
//! **Invariant:** both body forms give the same HTML (`json_and_text_bodies_render_the_same`).
//! **Source:** RFC 9110 §8.3, §12.5.1.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use actix_web::http::header::{self, HeaderMap};
use actix_web::{HttpRequest, HttpResponse, web};

use super::HttpOptions;
use super::body::{BUSY_WAIT, Body, BodyBudget, BodyLimits};
use super::budget::{Budget, FREE_BYTES, Held};
use super::holding_body::HoldingBody;
use super::json_text;
use super::media_type;
use super::negotiate;
use super::openapi::{RenderAnswer, RenderBody};
use super::problem::Problem;
use super::problem_kinds::Kind;
use super::render_request::RenderRequest;
use crate::limits::{Limits, RenderPermit};
use crate::markdown::{self, Options, Policy};
use crate::telemetry::Metrics;

/// The media types of bodies that are taken.
const TAKES: &[&str] = &["application/json", "text/markdown", "text/plain"];

/// Renders requests. A clone is a handle to the same gate, budget and metrics.
#[derive(Clone, Debug)]
pub(super) struct Renderer {
    policy: Arc<Policy>,
    bodies: BodyBudget,
    answers: Budget,
    limits: Arc<Limits>,
    metrics: Metrics,
    text: BodyLimits,
    json: BodyLimits,
}

/// Which form a body has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Json,
    Text,
}

/// Which form the answer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AnswerForm {
    Json,
    Html,
}

/// Renders Markdown to safe HTML.
#[utoipa::path(
    post, path = "/render", tag = "render", operation_id = "render",
    summary = "Render Markdown to safe HTML",
    description = "Takes Markdown, finished or half-written, and answers with HTML that is safe to put on a page. \
        Send JSON, or the bare source as `text/markdown` or `text/plain`. Options are query parameters, or `options` of \
        the JSON body, which win. \
        The answer is JSON, or the bare fragment where `Accept` prefers `text/html`. A source over 10 MiB comes back \
        as an escaped `<pre class=\"djust-md-toobig\">`.",
    request_body(content(
        (RenderBody = "application/json", example = json!({"source": "Hello **world**\n", "options": {"provisional": false}})),
        (String = "text/markdown", example = "Hello **world**\n"),
        (String = "text/plain", example = "Hello **world**\n"),
    ), description = "The source and how to render it."),
    responses((status = 200, description = "The HTML", content(
        (RenderAnswer = "application/json", example = json!({"html": "<p>Hello <strong>world</strong></p>\n"})),
        (String = "text/html", example = "<p>Hello <strong>world</strong></p>\n"),
    ))),
)]
pub(super) async fn render(
    request: HttpRequest,
    payload: web::Payload,
    renderer: web::Data<Renderer>,
) -> Result<HttpResponse, Problem> {
    let form = Form::of(request.headers())?;
    let answer =
        [AnswerForm::Json, AnswerForm::Html][negotiate::media(request.headers(), &["application/json", "text/html"])];
    let body = renderer.bodies.read(request.headers(), payload, renderer.body_limits(form)).await?;
    let rendered = renderer.answer(form, request.query_string(), body, answer).await?;
    let mut response = HttpResponse::Ok();
    response.content_type(answer.media_type()).insert_header((header::VARY, "Accept"));
    if answer == AnswerForm::Html {
        // For whoever opens the fragment itself: it runs nothing and asks for nothing.
        response.insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"));
    }
    Ok(response.body(rendered))
}

/// A rendered answer, with what it holds of the budget of answers: one that nobody takes counts until it is dropped.
type Rendered = HoldingBody<Held>;

impl Renderer {
    /// A renderer under the operator's options.
    pub(super) fn new(options: &HttpOptions, limits: Arc<Limits>, metrics: Metrics) -> Self {
        let limits_of = |bytes_max| BodyLimits { bytes_max, timeout: options.body_timeout };
        Self {
            policy: Arc::new(options.policy.clone()),
            bodies: BodyBudget(Budget::new(options.bodies_in_flight_bytes_max)),
            answers: Budget::new(options.answers_in_flight_bytes_max),
            limits,
            metrics,
            text: limits_of(options.render_body_bytes_max),
            json: limits_of(options.render_json_bytes_max),
        }
    }

    /// The budget of bodies that are being read.
    pub(super) fn budget(&self) -> Budget {
        self.bodies.0.clone()
    }

    /// Reads a short body, for handlers that take one.
    ///
    /// # Errors
    /// As [`BodyBudget::read`].
    pub(super) async fn read(
        &self,
        request: &HttpRequest,
        payload: web::Payload,
        bytes_max: usize,
    ) -> Result<Body, Problem> {
        let limits = BodyLimits { bytes_max, ..self.text };
        self.bodies.read(request.headers(), payload, limits).await
    }

    /// Renders one small source, within the gate.
    ///
    /// # Errors
    /// `busy` where the gate is full.
    pub(super) async fn small(&self, source: &str, options: Options) -> Result<String, Problem> {
        let _permit = self.limits.render_gate.enter(source.len()).await?;
        Ok(self.html(&RenderRequest { source: Cow::Borrowed(source), options }))
    }

    fn body_limits(&self, form: Form) -> BodyLimits {
        match form {
            Form::Json => self.json,
            Form::Text => self.text,
        }
    }

    async fn answer(&self, form: Form, query: &str, body: Body, answer: AnswerForm) -> Result<Rendered, Problem> {
        let Body { bytes, held } = body;
        if bytes.len() <= FREE_BYTES {
            let asked = form.parse(&bytes, query)?;
            let permit = self.limits.render_gate.enter(asked.source.len()).await?;
            if !permit.is_large() {
                return self.finish(&asked, answer);
            }
            return self.answer_large(asked.into_owned(), answer, permit, held).await;
        }
        let query = query.to_owned();
        let parse = move || (form.parse(&bytes, &query).map(RenderRequest::into_owned), held);
        // While it waits for its turn, the source counts as the body that it was.
        let (asked, held) = self.off_worker(parse).await?;
        let asked = asked?;
        let permit = self.limits.render_gate.enter(asked.source.len()).await?;
        self.answer_large(asked, answer, permit, held).await
    }

    async fn answer_large(
        &self,
        asked: RenderRequest<'static>,
        answer: AnswerForm,
        permit: RenderPermit,
        held: Held,
    ) -> Result<Rendered, Problem> {
        let renderer = self.clone();
        self.off_worker(move || {
            let rendered = renderer.finish(&asked, answer);
            drop((permit, held));
            rendered
        })
        .await?
    }

    /// Renders, encodes, and takes what the answer holds from the budget of answers.
    fn finish(&self, asked: &RenderRequest<'_>, answer: AnswerForm) -> Result<Rendered, Problem> {
        let bytes = answer.encode(self.html(asked));
        let mut held = Held::default();
        if self.answers.cover(&mut held, bytes.len()) {
            return Ok(Rendered::new(bytes.into(), held));
        }
        let detail = "other large answers are being sent; come back when they are taken";
        Err(Problem::new(Kind::Busy, detail).retry_after(BUSY_WAIT))
    }

    fn html(&self, asked: &RenderRequest<'_>) -> String {
        let began = Instant::now();
        let html = markdown::render(&asked.source, &asked.options, &self.policy);
        self.metrics.rendered(asked.source.len(), html.len(), began.elapsed());
        html
    }

    async fn off_worker<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
        tokio::task::spawn_blocking(work).await.map_err(|error| {
            self.metrics.panicked();
            Problem::internal(format!("off the worker: {error}"))
        })
    }
}

impl Form {
    /// Judges `Content-Type`.
    fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        Ok(match media_type::of_body(headers, TAKES)? {
            0 => Self::Json,
            _ => Self::Text,
        })
    }

    fn parse<'a>(self, body: &'a [u8], query: &str) -> Result<RenderRequest<'a>, Problem> {
        match self {
            Self::Text => RenderRequest::from_text(body, query),
            Self::Json => RenderRequest::from_json(body, query),
        }
    }
}

impl AnswerForm {
    fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Html => "text/html; charset=utf-8",
        }
    }

    fn encode(self, html: String) -> Vec<u8> {
        match self {
            Self::Html => html.into_bytes(),
            Self::Json => {
                // HTML has a quote to escape about every thirty bytes.
                let mut json = Vec::with_capacity(html.len() + html.len() / 16 + 16);
                json.extend_from_slice(b"{\"html\":");
                json_text::write(&mut json, &html);
                json.push(b'}');
                json
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::limits::LimitsOptions;

    #[test]
    fn a_body_counts_until_the_work_on_it_is_over_even_if_its_client_has_gone() {
        let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            let options = HttpOptions { bodies_in_flight_bytes_max: 1 << 20, ..HttpOptions::default() };
            let limits = Arc::new(Limits::new(&LimitsOptions::default()));
            let renderer = Renderer::new(&options, limits, Metrics::new());
            let all_is_back = || renderer.bodies.0.cover(&mut Held::default(), 1 << 20);
            // The one thread for long work is taken, so that the body's own waits.
            let (release, taken) = std::sync::mpsc::channel::<()>();
            let occupied = tokio::task::spawn_blocking(move || taken.recv());

            let mut held = Held::default();
            assert!(renderer.bodies.0.cover(&mut held, 200_000));
            let body = Body { bytes: vec![b'a'; 200_000].into(), held };
            let mut answer = Box::pin(renderer.answer(Form::Text, "", body, AnswerForm::Html));
            assert!((&mut answer).now_or_never().is_none());
            drop(answer);
            assert!(!all_is_back(), "its bytes are still there");
            drop(release);
            assert!(occupied.await.unwrap().is_err());
            tokio::task::spawn_blocking(|| {}).await.unwrap();
            assert!(all_is_back());
        });
    }

    #[test]
    fn json_answers_are_json() {
        let html = "<p>\"a\" \\ \u{1f44d}\n</p>".to_owned();
        let json: serde_json::Value = serde_json::from_slice(&AnswerForm::Json.encode(html.clone())).unwrap();
        assert_eq!(json["html"], html);
        assert_eq!(AnswerForm::Html.encode(html.clone()), html.into_bytes());
    }
}
