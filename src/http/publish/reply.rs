//! `POST /channels/{channel}/streams/{stream}`: a whole reply as one body that goes on.
//!
//! The run begins with the request's head and ends with its body. Whatever ends it, the text that came stays.
//!
//! ```text
//!                    the body ends, or the provider says so ──▶ done
//!  head ──▶ active ──┤ someone cancels ─────────────────────────▶ cancelled   answered at once; what the sender
//!             ▲   │  │ the channel ends, the stream's cap ──────▶ error         still sends is thrown away
//!             └───┘  │ the provider's error or early end ───────▶ error
//!            pieces  └ it breaks off, or falls silent ──────────▶ error
//! ```
//!
//! **Invariant:** a body that breaks off leaves an error and the text so far
//! (`a_body_that_breaks_off_leaves_an_error_and_its_text`), and a cancelled sender gets to see its answer
//! (`a_cancel_answers_the_open_body_at_once`).
//! **Source:** `openapi/protocol.md`, "Open bodies", "Cancel"; RFC 7240 §3 (`Preference-Applied`).

use std::pin::pin;

use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use tokio::time::Instant;

use super::answers::{ReplyAnswer, head};
use super::reply_request::{Form, ReplyRequest};
use super::{Publishing, Sender, channel_of, prefer, stream_of};
use crate::channel::{Finished, INTERRUPTED, OpenEnd, OpenRun};
use crate::http::budget::{FREE_BYTES, Held};
use crate::http::door::Visitor;
use crate::http::open_body::{Came, OpenBody};
use crate::http::problem::Problem;
use crate::ingest::{Ending, Provider};
use crate::limits::Limits;

/// Publishes a reply while it is being written.
#[utoipa::path(
    post, path = "/channels/{channel}/streams/{stream}", tag = "publish", operation_id = "publish_reply",
    summary = "Publish a whole reply as one open-ended body",
    description = "The body is Markdown, as `text/markdown` or `text/plain`, or a model provider's own stream, as \
        `text/event-stream` or `application/x-ndjson`, which a backend can pipe straight in: its shape is recognised, or \
        named by `format`. The run is started and ended by itself. The body may go on for as long as something comes; it \
        is answered at its end. A body that breaks off, a provider's error, or a provider's stream without its own end \
        leave an `error` on the page, and the text so far. A cancel answers at once and closes the connection. \
        Inside the body the rate is back-pressure: it is read more slowly.",
    params(
        ("channel" = String, Path, description = "The channel's name", example = "chat-42",
            pattern = "^[A-Za-z0-9_.:@~-]{1,128}$"),
        ("stream" = String, Path, description = "The stream's name", example = "response",
            pattern = "^[A-Za-z0-9_.:@~-]{1,128}$"),
        ("format" = Option<String>, Query, description = "The shape of a provider's stream: `openai-chat`, \
            `openai-responses`, `anthropic`, `gemini`, `ai-sdk` or `ollama`. Without it, it is recognised."),
        ("epoch" = Option<String>, Query, description = "The epoch that the publisher goes by (an id up to the hyphen); \
            if the channel is in another, nothing is applied"),
        ("Prefer" = Option<String>, Header, description = "`return=representation`: the answer holds source and HTML",
            example = "return=representation"),
    ),
    request_body(content(
        (String = "text/markdown", example = "Hello **world**\n"),
        (String = "text/plain", example = "Hello **world**\n"),
        (String = "text/event-stream",
            example = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\"}}]}\n\ndata: [DONE]\n\n"),
        (String = "application/x-ndjson",
            example = "{\"response\":\"Hello\",\"done\":false}\n{\"response\":\"\",\"done\":true}\n"),
    ), description = "The reply as it is written."),
    responses((status = 200, description = "The reply has ended", body = ReplyAnswer)),
)]
pub(in crate::http) async fn reply(
    request: HttpRequest,
    payload: web::Payload,
    visitor: web::ReqData<Visitor>,
    publishing: web::Data<Publishing>,
    limits: web::Data<Limits>,
) -> Result<HttpResponse, Problem> {
    let sender = Sender::of(visitor.pass()?);
    answer(&request, payload, &publishing, &limits, &sender).await.map_err(Problem::closing)
}

async fn answer(
    request: &HttpRequest,
    payload: web::Payload,
    publishing: &Publishing,
    limits: &Limits,
    sender: &Sender,
) -> Result<HttpResponse, Problem> {
    let (channel, stream) = (channel_of(request)?, stream_of(request)?);
    let ReplyRequest { form, options, epoch, representation } = ReplyRequest::of(request)?;
    let run = publishing.hub.open(&channel, &stream, options, epoch).await?;
    let mut carrier = Carrier {
        run,
        body: OpenBody::new(payload, publishing.idle),
        source: Source::of(form, publishing.sizes.batch_bytes_max),
        held: Held::default(),
        publishing,
        limits,
        sender,
    };
    let outcome = carrier.carry().await;
    let Carrier { run, mut body, .. } = carrier;
    let (finished, error) = conclude(run, &outcome, representation).await?;
    // What a provider's stream holds behind its end is not much, and the connection may go on after it.
    let over = match outcome {
        Outcome::Done { over } | Outcome::Failed { over, .. } => over || body.discard().await,
        Outcome::Stopped(_) => false,
    };
    let answer = ReplyAnswer::write(finished, error).await?;
    let mut response = head();
    if representation {
        response.insert_header(prefer::applied());
    }
    Ok(if over { response.body(answer) } else { body.answer_early(request, &mut response, answer.into()) })
}

/// Why no more is carried. `over`: the body has ended too.
enum Outcome {
    Done { over: bool },
    Failed { ending: Failure, over: bool },
    Stopped(OpenEnd),
}

/// What went wrong with a body.
enum Failure {
    Provider(Ending),
    Broken,
    Silence,
    Busy,
}

/// Ends the run as it came to its end, and says why if with an error.
async fn conclude(
    run: OpenRun,
    outcome: &Outcome,
    representation: bool,
) -> Result<(Finished, Option<String>), Problem> {
    Ok(match outcome {
        Outcome::Done { .. } => (run.finish(representation).await, None),
        Outcome::Failed { ending, .. } => {
            let (page, sender) = ending.words();
            (run.fail(&page, representation).await, Some(sender))
        }
        Outcome::Stopped(OpenEnd::Draining) => return Err(Problem::draining()),
        Outcome::Stopped(OpenEnd::Log) => return Err(Problem::log_unavailable("while a body was open")),
        Outcome::Stopped(end) => {
            let why = match end {
                OpenEnd::TooLarge { max } => format!("the stream would hold more than {max} bytes"),
                _ => "the run was ended by another request".to_owned(),
            };
            (run.finish(representation).await, Some(why))
        }
    })
}

impl Failure {
    /// What the page shows, and what the sender is told.
    fn words(&self) -> (String, String) {
        let told = match self {
            Self::Provider(Ending::Failed(words)) => return (words.clone(), words.clone()),
            Self::Provider(ending) => ending.to_string(),
            Self::Broken => "the body broke off".to_owned(),
            Self::Silence => "nothing came for too long".to_owned(),
            Self::Busy => "other large bodies are being read".to_owned(),
        };
        (INTERRUPTED.to_owned(), told)
    }
}

/// A body on its way into a run.
struct Carrier<'a> {
    run: OpenRun,
    body: OpenBody,
    source: Source,
    held: Held,
    publishing: &'a Publishing,
    limits: &'a Limits,
    sender: &'a Sender,
}

impl Carrier<'_> {
    /// Feeds the run piece by piece until something ends it.
    async fn carry(&mut self) -> Outcome {
        let (mut stopped, mut fed) = (pin!(self.run.cancelled()), Instant::now());
        loop {
            let came = tokio::select! {
                biased;
                end = &mut stopped => return Outcome::Stopped(end),
                came = self.body.next() => came,
            };
            let (text, end) = self.source.take(came);
            // A provider that thinks for long, and says so, has not fallen silent.
            if !text.is_empty() || (end.is_none() && fed.elapsed() > self.publishing.idle / 2) {
                fed = Instant::now();
                tokio::select! {
                    biased;
                    end = &mut stopped => return Outcome::Stopped(end),
                    () = self.limits.publish_paced(self.sender.caller, 1, text.len()) => {}
                }
                if let Err(end) = self.run.push(&text).await {
                    return Outcome::Stopped(end);
                }
            }
            if let Some(outcome) = end {
                return outcome;
            }
            if self.source.held_bytes() <= FREE_BYTES {
                self.held = Held::default();
            } else if !self.publishing.bodies.0.cover(&mut self.held, self.source.held_bytes()) {
                return Outcome::Failed { ending: Failure::Busy, over: false };
            }
        }
    }
}

/// What the bytes of a body are.
enum Source {
    Text,
    Provider(Box<Provider>),
}

impl Source {
    fn of(form: Form, event_bytes_max: usize) -> Self {
        match form {
            Form::Text => Self::Text,
            Form::Provider(framing, format) => {
                Self::Provider(Box::new(Provider::new(framing, format, event_bytes_max)))
            }
        }
    }

    /// The text in what came, and the end if it is one.
    fn take(&mut self, came: Came) -> (Bytes, Option<Outcome>) {
        let failed = |ending, over| Some(Outcome::Failed { ending, over });
        let provider = match (self, &came) {
            (_, Came::Broken) => return (Bytes::new(), failed(Failure::Broken, false)),
            (_, Came::Silence) => return (Bytes::new(), failed(Failure::Silence, false)),
            (Self::Text, _) => {
                return match came {
                    Came::Bytes(bytes) => (bytes, None),
                    _ => (Bytes::new(), Some(Outcome::Done { over: true })),
                };
            }
            (Self::Provider(provider), _) => provider,
        };
        let mut text = Vec::new();
        let (ending, over) = match came {
            Came::Bytes(bytes) => {
                provider.push(&bytes, &mut text);
                (provider.ending().cloned(), false)
            }
            _ => (Some(provider.finish(&mut text)), true),
        };
        let outcome = ending.map(|ending| match ending {
            Ending::Done => Outcome::Done { over },
            ending => Outcome::Failed { ending: Failure::Provider(ending), over },
        });
        (text.into(), outcome)
    }

    fn held_bytes(&self) -> usize {
        match self {
            Self::Text => 0,
            Self::Provider(provider) => provider.held_bytes(),
        }
    }
}
