//! What has become of channels and streams, and their end: `GET` and `DELETE`.
//!
//! A page that a backend renders from a stream's HTML carries the stream's `id` and joins from there: nothing flashes,
//! nothing comes twice. The bare fragment has the id in a header.
//!
//! **Source:** `openapi/protocol.md`, "State", "Cancel", "Ending a channel".

use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};

use super::answers::{CancelAnswer, ChannelAnswer, EndAnswer, StreamAnswer, head, json};
use super::{Publishing, channel_of, stream_of};
use crate::channel::{Cancelled, StreamContent};
use crate::http::negotiate;
use crate::http::problem::Problem;
use crate::http::problem_kinds::Kind;

/// Where the channel stood when the answer was made.
const RILLMARK_ID: HeaderName = HeaderName::from_static("rillmark-id");

/// Tells what a channel holds.
#[utoipa::path(
    get, path = "/channels/{channel}", tag = "publish", operation_id = "get_channel",
    summary = "The state of a channel",
    description = "Where it stands, who watches, and its streams in short. 404 where nothing was ever published, or it \
        was freed.",
    params(("channel" = String, Path, description = "The channel's name", example = "chat-42",
        pattern = "^[A-Za-z0-9_.:@~-]{1,128}$")),
    responses((status = 200, description = "The channel", body = ChannelAnswer)),
)]
pub(in crate::http) async fn channel(
    request: HttpRequest,
    publishing: web::Data<Publishing>,
) -> Result<HttpResponse, Problem> {
    let name = channel_of(&request)?;
    let found = publishing.hub.channel_state(&name).await.ok_or_else(no_channel)?;
    Ok(json(&ChannelAnswer::new(name.as_str().to_owned(), found)))
}

/// Ends a channel.
#[utoipa::path(
    delete, path = "/channels/{channel}", tag = "publish", operation_id = "end_channel",
    summary = "End a channel",
    description = "Streams that are being written get an `error`, subscribers are told that it is over and stay away. \
        Its content is kept for a while for those who come later; then the name is free. Repeating it changes nothing.",
    params(("channel" = String, Path, description = "The channel's name", example = "chat-42",
        pattern = "^[A-Za-z0-9_.:@~-]{1,128}$")),
    responses((status = 200, description = "The channel has ended, or there is none", body = EndAnswer)),
)]
pub(in crate::http) async fn end(
    request: HttpRequest,
    publishing: web::Data<Publishing>,
) -> Result<HttpResponse, Problem> {
    let id = publishing.hub.end(&channel_of(&request)?).await?;
    Ok(json(&EndAnswer { id }))
}

/// Tells what a stream holds.
#[utoipa::path(
    get, path = "/channels/{channel}/streams/{stream}", tag = "publish", operation_id = "get_stream",
    summary = "The state and content of a stream",
    description = "Of a Markdown run its source and HTML, or the bare fragment where `Accept` prefers `text/html`; of an \
        ops run its kept ops, since it has no HTML without its page. A page rendered from it sets \
        `data-rillmark-id` to the `id` and joins there.",
    params(
        ("channel" = String, Path, description = "The channel's name", example = "chat-42",
            pattern = "^[A-Za-z0-9_.:@~-]{1,128}$"),
        ("stream" = String, Path, description = "The stream's name", example = "response",
            pattern = "^[A-Za-z0-9_.:@~-]{1,128}$"),
    ),
    responses((status = 200, description = "The stream", content(
        (StreamAnswer = "application/json", example = json!({"state": "done", "id": "1f3a-42",
            "source": "Hello **world**\n", "html": "<p>Hello <strong>world</strong></p>"})),
        (String = "text/html", example = "<p>Hello <strong>world</strong></p>"),
    ), headers(("Rillmark-Id" = String, description = "The `id` of the content")))),
)]
pub(in crate::http) async fn stream(
    request: HttpRequest,
    publishing: web::Data<Publishing>,
) -> Result<HttpResponse, Problem> {
    let (channel, name) = (channel_of(&request)?, stream_of(&request)?);
    let found = publishing.hub.stream_state(&channel, &name).await.ok_or_else(no_stream)?;
    let html_preferred = negotiate::media(request.headers(), &["application/json", "text/html"]) == 1;
    let id = found.id;
    let mut response = match found.content {
        StreamContent::Markdown { html, .. } if html_preferred => fragment(html),
        _ => head().body(StreamAnswer::write(name, found).await?),
    };
    let headers = response.headers_mut();
    headers.insert(RILLMARK_ID, HeaderValue::try_from(id.to_string()).expect("an id is visible ASCII"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    Ok(response)
}

/// Stops what is being written.
#[utoipa::path(
    delete, path = "/channels/{channel}/streams/{stream}", tag = "publish", operation_id = "cancel_stream",
    summary = "Stop a stream that is being written",
    description = "\"Stop generating\": the page gets `done` with `cancelled`, and a publisher's open request is answered \
        and closed. For publishers, and for tokens that allow `cancel`. Where nothing is being written it changes \
        nothing.",
    params(
        ("channel" = String, Path, description = "The channel's name", example = "chat-42",
            pattern = "^[A-Za-z0-9_.:@~-]{1,128}$"),
        ("stream" = String, Path, description = "The stream's name", example = "response",
            pattern = "^[A-Za-z0-9_.:@~-]{1,128}$"),
    ),
    responses((status = 200, description = "What the cancel found", body = CancelAnswer)),
)]
pub(in crate::http) async fn cancel(
    request: HttpRequest,
    publishing: web::Data<Publishing>,
) -> Result<HttpResponse, Problem> {
    let (channel, name) = (channel_of(&request)?, stream_of(&request)?);
    let Cancelled { id, cancelled } = publishing.hub.cancel(&channel, &name).await?;
    Ok(json(&CancelAnswer { id, cancelled }))
}

/// The bare fragment. For whoever opens it itself: it runs nothing and asks for nothing.
fn fragment(html: String) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
        .body(html)
}

fn no_channel() -> Problem {
    Problem::new(Kind::NotFound, "nothing is published to this channel")
}

fn no_stream() -> Problem {
    Problem::new(Kind::NotFound, "there is no such stream")
}
