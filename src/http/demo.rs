//! The reply that the front page plays: `POST /demo` streams a source into a new channel as a model would write it.
//!
//! Offered where the front page is live (keyless mode). It takes Markdown alone, and little of it: each reply has its own
//! channel of a random name, ends within a minute, and there are fifty at once. The channel has two streams: `raw`, the
//! tokens as text, and `reply`, the document.
//!
//! `POST /demo/{channel}/cut` closes the connections of those who watch, as a network would, and shows how they resume.
//!
//! **Invariant:** no more replies are played at once than may (`the_demo_plays_within_its_bounds`).
//! **Source:** `openapi/protocol.md`, "Open bodies".

use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Map, Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

use super::media_type;
use super::problem::Problem;
use super::problem_kinds::Kind;
use super::publish::channel_of;
use super::render::Renderer;
use super::stream_query::StreamQuery;
use crate::auth::Caller;
use crate::channel::{Hub, OpenRun, Publisher, Right};
use crate::protocol::{Batch, ChannelName, DomOp, Op, Piece, StreamName};

/// The longest source, in bytes. 64 KiB: an answer of many pages.
const SOURCE_BYTES_MAX: usize = 64 * 1024;
/// How long a reply may be played. Then it ends with an error.
const TIME_MAX: Duration = Duration::from_secs(60);
/// Replies that are played at once.
const REPLIES_MAX: usize = 50;
/// Tokens in a second, if the page does not say.
const RATE: u32 = 60;
/// The most that a page can ask for.
const RATE_MAX: u32 = 1_000;
/// When those whose connection was cut come back: long enough to see that they were away.
const AWAY: Duration = Duration::from_millis(1_500);
/// How many characters of a word a token has.
const TOKEN_CHARS: usize = 4;
const PREFIX: &str = "demo-";
const TAKES: &[&str] = &["text/markdown", "text/plain"];

/// What playing needs. A clone is a handle to the same places.
#[derive(Clone)]
pub(super) struct Demo {
    hub: Hub,
    places: Arc<Semaphore>,
}

impl Demo {
    pub(super) fn new(hub: Hub) -> Self {
        Self { hub, places: Arc::new(Semaphore::new(REPLIES_MAX)) }
    }
}

/// `POST /demo`.
///
/// # Errors
/// `unsupported-media-type`, `body-too-large`, `invalid-option`, `option-not-streamable`, `busy`.
pub(super) async fn play(
    request: HttpRequest,
    payload: web::Payload,
    renderer: web::Data<Renderer>,
    demo: web::Data<Demo>,
) -> Result<HttpResponse, Problem> {
    media_type::of_body(request.headers(), TAKES)?;
    let query = StreamQuery::parse(request.query_string(), &["rate"])?;
    let rate = query.named("rate").map_or(Ok(RATE), |text| text.parse().map_err(|_| refuse_rate()))?;
    if !(1..=RATE_MAX).contains(&rate) {
        return Err(refuse_rate());
    }
    let options = options(query.options()?);
    let place = Arc::clone(&demo.places).try_acquire_owned().map_err(|_| {
        Problem::new(Kind::Busy, format!("{REPLIES_MAX} replies are being played")).retry_after(Duration::from_secs(5))
    })?;
    let body = renderer.read(&request, payload, SOURCE_BYTES_MAX).await?;
    let source = String::from_utf8_lossy(&body.bytes).into_owned();
    let channel = format!("{PREFIX}{}", uuid::Uuid::now_v7().simple());
    let channel = ChannelName::parse(&channel).expect("letters and digits");
    let run = demo.hub.open(&channel, &stream("reply"), Some(options), None).await?;
    let reply = Reply { hub: demo.hub.clone(), channel: channel.clone(), run, _place: place };
    actix_web::rt::spawn(reply.play(source, rate));
    Ok(HttpResponse::Ok().json(json!({ "channel": channel.as_str() })))
}

/// `POST /demo/{channel}/cut`.
///
/// # Errors
/// `not-found` for a channel that is none of the demo's.
pub(super) async fn cut(request: HttpRequest, demo: web::Data<Demo>) -> Result<HttpResponse, Problem> {
    let channel = channel_of(&request)?;
    if !channel.as_str().starts_with(PREFIX) {
        return Err(Problem::new(Kind::NotFound, "only connections of the demo can be cut"));
    }
    demo.hub.cut(&channel, AWAY);
    Ok(HttpResponse::NoContent().finish())
}

fn refuse_rate() -> Problem {
    Problem::new(Kind::InvalidOption, format!("`rate` takes 1 to {RATE_MAX} tokens a second")).naming("rate")
}

fn stream(name: &str) -> StreamName {
    StreamName::parse(name).expect("one of two names")
}

/// What the page asks for, over what suits a page of ours: no images from elsewhere, no inline styles.
fn options(asked: Option<Map<String, Value>>) -> Map<String, Value> {
    let ours =
        json!({ "images": "none", "table_align": "attribute", "task_lists": true, "math": true, "alerts": true });
    let Value::Object(mut options) = ours else { unreachable!("an object was written") };
    options.extend(asked.unwrap_or_default());
    options
}

/// A reply that is being played.
struct Reply {
    hub: Hub,
    channel: ChannelName,
    run: OpenRun,
    _place: OwnedSemaphorePermit,
}

impl Reply {
    async fn play(mut self, source: String, rate: u32) {
        let begun = Instant::now();
        let mut stopped = Box::pin(self.run.cancelled());
        for (number, token) in (0_u32..).zip(tokens(&source)) {
            let due = begun + Duration::from_secs(1) * number / rate;
            if due > begun + TIME_MAX {
                self.run.fail("Replies of the demo end after a minute", false).await;
                return;
            }
            tokio::select! {
                biased;
                _ = &mut stopped => return,
                () = sleep_until(due) => {}
            }
            if self.show(token).await.is_err() || self.run.push(token.as_bytes()).await.is_err() {
                return;
            }
        }
        self.run.finish(false).await;
    }

    /// The token as it is, beside what it does.
    async fn show(&self, token: &str) -> Result<(), crate::channel::PublishError> {
        let text = Piece::from_bytes(token.as_bytes().to_vec());
        let op = Op::Dom(DomOp::Text { target: None, text, mode: None });
        let batch = Batch { stream: stream("raw"), ops: vec![op], key: None, epoch: None };
        let publisher = Publisher { right: Right::Backend, caller: Caller::Local, fingerprint: 0 };
        self.hub.publish(&self.channel, batch, publisher).await.map(drop)
    }
}

/// A source as a model might cut it: at the beginning of words, and long words into pieces.
fn tokens(source: &str) -> impl Iterator<Item = &str> {
    let mut rest = source;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let space = if first.is_whitespace() { first.len_utf8() } else { 0 };
        let word = rest[space..].char_indices().take_while(|(_, c)| !c.is_whitespace()).take(TOKEN_CHARS);
        let end = space + word.last().map_or(0, |(at, c)| at + c.len_utf8());
        let (token, left) = rest.split_at(end);
        rest = left;
        Some(token)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_the_source_in_small_pieces() {
        let cut = |source| tokens(source).collect::<Vec<_>>();
        assert_eq!(cut("# Hello wonderful\n\n```\n"), ["#", " Hell", "o", " wond", "erfu", "l", "\n", "\n```", "\n"]);
        assert_eq!(cut("äöüß€ 😀"), ["äöüß", "€", " 😀"]);
        assert_eq!(cut(""), Vec::<&str>::new());
        let long = "  a\tb ".repeat(1000);
        assert_eq!(cut(&long).concat(), long);
    }

    #[test]
    fn the_page_may_choose_but_for_nothing() {
        let asked = json!({ "tail": "escape", "math": false });
        let Value::Object(asked) = asked else { unreachable!() };
        let options = options(Some(asked));
        assert_eq!(
            (&options["tail"], &options["math"], &options["images"]),
            (&json!("escape"), &json!(false), &json!("none"))
        );
    }
}
