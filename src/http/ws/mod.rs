//! WebSockets: `GET /channels/{channel}/ws`, `GET /ws`.
//!
//! The handshake is `actix-ws`'s, and so are the codes of a close and the writing of small frames. Its session and its
//! stream of messages are dropped unused: they would bring a queue and a task of their own, and with the HTTP library's
//! buffers cost several times the 2 to 3 KB that an idle subscriber costs here. Behind the head of the answer the
//! connection is taken over, and its bytes come to the [`Socket`](socket::Socket) as they are: so it can judge a length
//! before it keeps anything, wait with reading, and write frames that all subscribers share.
//!
//! **Invariant:** what a client sent with its handshake, too early, is heard like the rest
//! (`what_comes_with_the_handshake_is_heard`).
//! **Source:** `openapi/protocol.md`, "WebSocket"; RFC 6455 §4.2 (handshake).

mod counter;
mod desk;
mod input;
mod output;
mod socket;
#[cfg(test)]
mod tests;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use actix_http::ws::HandshakeError;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{FromRequest as _, HttpRequest, HttpResponse, web};
use futures_util::Stream as _;

use super::context::RequestContext;
use super::door::Visitor;
use super::ongoing::{Begin, Feed, endless};
use super::problem::{Problem, ProblemBody};
use super::problem_kinds::Kind;
use super::publish::channel_of;
use super::subscribe::{Asked, Subscribing};
use crate::protocol::Wire;

use counter::Counter;
pub(super) use socket::Manner;
use socket::{Only, Socket};

/// The subprotocols, for clients that want to name one; it says the wire, too.
const SUBPROTOCOLS: [(&str, Wire); 2] = [("rillmark.v1", Wire::Djust), ("rillmark.v1.compact", Wire::Compact)];
/// What may come with the handshake: less than the dispatcher reads ahead, so that all of it is here.
const EARLY_BYTES_MAX: usize = 16 * 1024;

/// Watch one channel, and publish, over a WebSocket.
#[utoipa::path(
    get, path = "/channels/{channel}/ws", tag = "subscribe", operation_id = "openChannelSocket",
    summary = "Open a WebSocket on a channel",
    description = "Text messages in JSON, both ways: frames and controls out, publishes and cancels in. A socket that \
        comes without a token brings one in its first message. See the protocol.",
    params(
        ("channel" = String, Path, description = "The channel's name", example = "chat-42"),
        ("last_event_id" = Option<String>, Query, description = "The id that the page has; what it missed follows"),
        ("from" = Option<String>, Query, pattern = "^(now|beginning)$",
         description = "`now`: without history, but for documents being written"),
        ("wire" = Option<String>, Query, pattern = "^(djust|compact)$",
         description = "In which form frames come: as the subprotocol says, or `djust`, where nothing is said"),
        ("token" = Option<String>, Query, description = "A token that expires within a minute"),
    ),
    responses(
        (status = 101, description = "A WebSocket"),
        (status = 426, description = "This is no handshake; `Upgrade` says what would be", body = ProblemBody,
         content_type = "application/problem+json"),
    ),
)]
pub(super) async fn of_channel(
    request: HttpRequest,
    payload: web::Payload,
    visitor: web::ReqData<Visitor>,
    context: web::ReqData<RequestContext>,
    subscribing: web::Data<Subscribing>,
) -> Result<HttpResponse, Problem> {
    let channel = channel_of(&request)?;
    let asked = Asked::read(&request, subscribing.options.channels_per_connection_max)?;
    let only = Only { channel, from: Some(asked.start()) };
    let who = (visitor.into_inner(), context.into_inner());
    open(&request, payload, who, subscribing.into_inner(), (Some(only), asked.wire))
}

/// Watch several channels, and publish, over a WebSocket.
#[utoipa::path(
    get, path = "/ws", tag = "subscribe", operation_id = "openSocket",
    summary = "Open a WebSocket",
    description = "As on one channel, but it watches what `subscribe` messages name, and every frame has the member \
        `channel`.",
    params(
        ("wire" = Option<String>, Query, pattern = "^(djust|compact)$",
         description = "In which form frames come: as the subprotocol says, or `djust`, where nothing is said"),
        ("token" = Option<String>, Query, description = "A token that expires within a minute"),
    ),
    responses(
        (status = 101, description = "A WebSocket"),
        (status = 426, description = "This is no handshake; `Upgrade` says what would be", body = ProblemBody,
         content_type = "application/problem+json"),
    ),
)]
pub(super) async fn of_several(
    request: HttpRequest,
    payload: web::Payload,
    visitor: web::ReqData<Visitor>,
    context: web::ReqData<RequestContext>,
    subscribing: web::Data<Subscribing>,
) -> Result<HttpResponse, Problem> {
    let asked = Asked::read(&request, subscribing.options.channels_per_connection_max)?;
    let who = (visitor.into_inner(), context.into_inner());
    open(&request, payload, who, subscribing.into_inner(), (None, asked.wire))
}

fn open(
    request: &HttpRequest,
    payload: web::Payload,
    (visitor, context): (Visitor, RequestContext),
    subscribing: Arc<Subscribing>,
    (only, wire): (Option<Only>, Option<Wire>),
) -> Result<HttpResponse, Problem> {
    let offered = offered(request);
    let wire = wire.or(offered.first().map(|(_, wire)| *wire)).unwrap_or_default();
    let named = offered.iter().find(|(_, of)| *of == wire).or(offered.first());
    let answer = handshake(request, named.map(|(name, _)| *name))?;
    let (manner, metrics) = (Arc::clone(&subscribing.manner), subscribing.metrics.clone());
    let counter = Counter::new(subscribing, visitor, context.id, wire)?;
    let socket = Socket::new(counter, manner, metrics, only);
    Ok(endless(answer, Opening { early: payload, socket }))
}

/// The head of the answer, which names this subprotocol. The library's session and stream end here: the stream is given
/// none of the request's payload, which [`Opening`] hears, and the session's body gives way to the socket.
fn handshake(request: &HttpRequest, subprotocol: Option<&'static str>) -> Result<HttpResponse, Problem> {
    let nothing = web::Payload::extract(request).into_inner().map_err(refuse)?;
    let shaken = actix_ws::handle_with_protocols(request, nothing, subprotocol.as_slice());
    shaken.map(|(answer, _session, _messages)| answer).map_err(refuse)
}

/// The subprotocols of ours that the client offers, in its order.
fn offered(request: &HttpRequest) -> Vec<(&'static str, Wire)> {
    let offers = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL).filter_map(|offer| offer.to_str().ok());
    let names = offers.flat_map(|offer| offer.split(',')).map(str::trim);
    names.filter_map(|name| SUBPROTOCOLS.into_iter().find(|(known, _)| *known == name)).collect()
}

/// Says what a handshake lacks.
fn refuse(error: actix_web::Error) -> Problem {
    let problem = Problem::new(Kind::InvalidHeader, format!("this path takes WebSockets: {error}"));
    let Some(error) = error.as_error::<HandshakeError>() else { return Problem::internal(error) };
    match error {
        HandshakeError::NoWebsocketUpgrade | HandshakeError::NoConnectionUpgrade => problem
            .with_status(StatusCode::UPGRADE_REQUIRED)
            .header(header::UPGRADE, HeaderValue::from_static("websocket")),
        HandshakeError::NoVersionHeader | HandshakeError::UnsupportedVersion => problem
            .with_status(StatusCode::UPGRADE_REQUIRED)
            .header(header::UPGRADE, HeaderValue::from_static("websocket"))
            .header(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")),
        HandshakeError::GetMethodRequired | HandshakeError::BadWebsocketKey => problem,
    }
}

/// A socket whose client may have sent something with its handshake.
struct Opening {
    early: web::Payload,
    socket: Socket<Counter>,
}

impl Begin for Opening {
    /// Hears what was read with the handshake, which stands before what comes now. More than a client can have a reason
    /// to send is heard no further.
    fn begin(self: Box<Self>) -> Box<dyn Feed> {
        let Self { mut early, mut socket } = *self;
        let mut heard = 0;
        while let Poll::Ready(Some(Ok(bytes))) = Pin::new(&mut early).poll_next(&mut Context::from_waker(Waker::noop()))
        {
            heard += bytes.len();
            if heard > EARLY_BYTES_MAX {
                socket.refuse_early();
                break;
            }
            socket.receive(&bytes);
        }
        Box::new(socket)
    }
}
