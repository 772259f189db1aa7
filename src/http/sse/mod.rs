//! Server-Sent Events: `GET /channels/{channel}/sse`, `GET /sse?channel=…`.
//!
//! **Invariant:** an answer is what a browser's own `EventSource` takes, and what proxies leave alone
//! (`an_event_stream_says_what_browsers_and_proxies_need`).
//! **Source:** `openapi/protocol.md`, "Server-Sent Events"; WHATWG HTML §9.2.

mod feed;
#[cfg(test)]
mod tests;

use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};

use super::door::Visitor;
use super::ongoing::{Feed, endless};
use super::problem::Problem;
use super::problem_kinds::Kind;
use super::publish::channel_of;
use super::subscribe::{self, Asked, Subscribing};
use crate::auth::Action;
use crate::channel::{Subscription, Watching};
use crate::limits::OpenPlace;
use crate::protocol::{ChannelName, Positions};
use crate::telemetry::Carrier;

use feed::{Events, Manner};

/// Watch one channel.
#[utoipa::path(
    get, path = "/channels/{channel}/sse", tag = "subscribe", operation_id = "subscribe",
    summary = "Subscribe to a channel",
    description = "Server-Sent Events without end: what brings the page up to date, then each frame as it is made. \
        `data:` is a frame in JSON, `id:` commits it with all frames before it; events named `rillmark` are controls. \
        A channel that nobody has published to may be watched. See the protocol.",
    params(
        ("channel" = String, Path, description = "The channel's name", example = "chat-42"),
        ("last_event_id" = Option<String>, Query, description = "The id that the page has; what it missed follows"),
        ("Last-Event-ID" = Option<String>, Header, description = "The same; beats the query"),
        ("from" = Option<String>, Query, pattern = "^(now|beginning)$",
         description = "`now`: without history, but for documents being written"),
        ("wire" = Option<String>, Query, pattern = "^(djust|compact)$",
         description = "In which form frames come: `djust` where nothing is said"),
        ("token" = Option<String>, Query, description = "A token that expires within a minute, where no header can be set"),
    ),
    responses(
        (status = 200, description = "Events", content_type = "text/event-stream", body = String,
         example = "id: 1f3a-1\n"),
        (status = 204, description = "The channel has ended and the page has all of it: it need not come back"),
    )
)]
pub(super) async fn of_channel(
    request: HttpRequest,
    visitor: web::ReqData<Visitor>,
    subscribing: web::Data<Subscribing>,
) -> Result<HttpResponse, Problem> {
    let channel = channel_of(&request)?;
    let asked = Asked::read(&request, subscribing.options.channels_per_connection_max)?;
    let source = subscribing.watch(&channel, asked.start(), watching(&asked))?;
    answer(&request, &visitor, &subscribing, vec![source], (None, &asked))
}

/// Watch several channels.
#[utoipa::path(
    get, path = "/sse", tag = "subscribe", operation_id = "subscribeToSeveral",
    summary = "Subscribe to several channels",
    description = "As for one channel, on one connection; every frame has the member `channel`, and an id names the \
        position in each.",
    params(
        ("channel" = Vec<String>, Query, description = "The channels, at most 32", example = json!(["chat-42"])),
        ("last_event_id" = Option<String>, Query, description = "The id that the page has; what it missed follows"),
        ("Last-Event-ID" = Option<String>, Header, description = "The same; beats the query"),
        ("from" = Option<String>, Query, pattern = "^(now|beginning)$",
         description = "`now`: without history, but for documents being written"),
        ("wire" = Option<String>, Query, pattern = "^(djust|compact)$",
         description = "In which form frames come: `djust` where nothing is said"),
        ("token" = Option<String>, Query, description = "A token that expires within a minute, where no header can be set"),
    ),
    responses(
        (status = 200, description = "Events", content_type = "text/event-stream", body = String,
         example = "id: chat-42=1f3a-1\n"),
        (status = 204, description = "All channels have ended and the page has all of them: it need not come back"),
    )
)]
pub(super) async fn of_several(
    request: HttpRequest,
    visitor: web::ReqData<Visitor>,
    subscribing: web::Data<Subscribing>,
) -> Result<HttpResponse, Problem> {
    let asked = Asked::read(&request, subscribing.options.channels_per_connection_max)?;
    if asked.channels.is_empty() {
        return Err(Problem::new(Kind::InvalidOption, "`channel` names what to watch").naming("channel"));
    }
    let pass = visitor.pass()?;
    for channel in &asked.channels {
        pass.demand(Action::Subscribe, channel.as_str())?;
    }
    // The first was counted at the door.
    let more = u32::try_from(asked.channels.len() - 1).unwrap_or(u32::MAX);
    if more > 0 {
        subscribing.limits.subscribe_rate.check_n(pass.caller(), more)?;
    }
    let positions = asked.positions();
    let watch =
        |channel: &ChannelName| subscribing.watch(channel, asked.start_of(channel, &positions), watching(&asked));
    let sources = asked.channels.iter().map(watch).collect::<Result<_, _>>()?;
    let positions = asked.channels.iter().filter_map(|channel| Some((channel, positions.get(channel)?)));
    let positions = positions.fold(Positions::default(), |mut all, (channel, position)| {
        all.set(channel, position);
        all
    });
    answer(&request, &visitor, &subscribing, sources, (Some(positions), &asked))
}

/// How the channels of such a connection are watched.
fn watching(asked: &Asked) -> Watching {
    Watching { transport: Carrier::Sse, cancels: false, wire: asked.wire.unwrap_or_default() }
}

/// Events of these sources, or word that there are none to wait for.
fn answer(
    request: &HttpRequest,
    visitor: &Visitor,
    subscribing: &Subscribing,
    sources: Vec<Subscription>,
    (positions, asked): (Option<Positions>, &Asked),
) -> Result<HttpResponse, Problem> {
    if sources.iter().all(Subscription::already_over) {
        return Ok(HttpResponse::NoContent().insert_header((header::CACHE_CONTROL, "no-store")).finish());
    }
    let pass = visitor.pass()?;
    let place = subscribing.limits.open_place(pass.subject(), visitor.address())?;
    let (options, chunked) = (&subscribing.options, subscribe::is_chunked(request));
    let until = subscribe::until(pass);
    let wire = asked.wire.unwrap_or_default();
    let manner = Manner { chunked, retry: options.retry, keep_alive: options.keep_alive, until, wire };
    let events = Events::new(sources, positions, manner, subscribing.metrics.clone());
    let mut answer = HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-cache, no-transform"))
        .insert_header((HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")))
        // What follows the last event on this connection would be nothing.
        .force_close()
        .finish();
    answer.head_mut().no_chunking(!chunked);
    Ok(endless(answer, Placed { events, _place: place }))
}

/// Events, and the place that their connection takes.
struct Placed {
    events: Events<Subscription>,
    _place: OpenPlace,
}

impl Feed for Placed {
    fn poll_next(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Option<bytes::Bytes>> {
        self.events.poll_next(cx)
    }
}
