//! What a subscriber asks for, whether over SSE or a WebSocket: which channels, from where.
//!
//! `Last-Event-ID` beats `last_event_id` in the query: a browser's own `EventSource` comes back with the first to a URL
//! that still has the second. An id beats `from=now` for the same reason.
//!
//! **Invariant:** an id that cannot be read is no refusal: the page is brought back by a snapshot
//! (`each_channel_begins_where_the_page_stands`).
//! **Source:** `openapi/protocol.md`, "Subscribing", "Ids"; WHATWG HTML §9.2.4 (`Last-Event-ID`).

use std::sync::Arc;
use std::time::SystemTime;

use actix_web::http::Version;
use actix_web::http::header::HeaderName;
use actix_web::{HttpRequest, web};
use tokio::time::Instant;

use super::facts;
use super::health::Readiness;
use super::problem::Problem;
use super::problem_kinds::Kind;
use super::stream_options::StreamOptions;
use super::ws;
use crate::auth::{Auth, Header, Pass};
use crate::channel::{From, Hub, HubOptions, SubscribeError, Subscription, Watching};
use crate::limits::Limits;
use crate::protocol::{ChannelName, Positions, Sizes, Wire};
use crate::telemetry::Metrics;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// What subscribing needs. A clone is a handle to the same hub.
#[derive(Clone)]
pub(super) struct Subscribing {
    pub(super) hub: Hub,
    pub(super) auth: Arc<Auth>,
    pub(super) limits: Arc<Limits>,
    pub(super) metrics: Metrics,
    pub(super) readiness: Readiness,
    pub(super) options: StreamOptions,
    /// How WebSockets are served.
    pub(super) manner: Arc<ws::Manner>,
}

impl Subscribing {
    pub(super) fn new(
        hub: Hub,
        (auth, limits): (Arc<Auth>, Arc<Limits>),
        (metrics, readiness): (Metrics, Readiness),
        options: StreamOptions,
        channels: &HubOptions,
    ) -> Self {
        let manner = Arc::new(ws::Manner {
            message_bytes_max: options.ws_message_bytes_max,
            ping: options.ws_ping,
            gone: options.ws_gone,
            token_wait: options.ws_token_wait,
            channels_max: options.channels_per_connection_max,
            sizes: Sizes {
                op_bytes_max: channels.op_bytes_max,
                batch_ops_max: channels.batch_ops_max,
                batch_bytes_max: channels.batch_bytes_max,
                event_detail_bytes_max: channels.event_detail_bytes_max,
            },
        });
        Self { hub, auth, limits, metrics, readiness, options, manner }
    }

    /// Watches a channel.
    pub(super) fn watch(&self, channel: &ChannelName, from: From, watching: Watching) -> Result<Subscription, Problem> {
        Ok(self.hub.subscribe(channel, from, watching)?)
    }
}

impl std::convert::From<SubscribeError> for Problem {
    fn from(error: SubscribeError) -> Self {
        /// When to try again: by then some have gone, or another instance answers.
        const RETRY: std::time::Duration = std::time::Duration::from_secs(1);
        let kind = match error {
            SubscribeError::TooManySubscribers { .. } | SubscribeError::TooManyNames { .. } => Kind::TooManyConnections,
            SubscribeError::Draining => Kind::Draining,
        };
        Self::new(kind, error.to_string()).retry_after(RETRY)
    }
}

/// What the query and the headers ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// The channels of the query, each once.
    pub(super) channels: Vec<ChannelName>,
    /// What the page has applied last, as it came.
    id: Option<String>,
    now: bool,
    /// In which form frames are wanted, if that was said.
    pub(super) wire: Option<Wire>,
}

impl Asked {
    /// Reads them. What is not known is somebody else's.
    pub(super) fn read(request: &HttpRequest, channels_max: usize) -> Result<Self, Problem> {
        let mut asked = Self { channels: Vec::new(), id: None, now: false, wire: None };
        let query = web::Query::<Vec<(String, String)>>::from_query(request.query_string());
        let query = query.map_err(|error| Problem::new(Kind::InvalidOption, format!("the query: {error}")))?;
        for (name, value) in query.into_inner() {
            match (name.as_str(), value) {
                ("channel", value) => {
                    let channel = ChannelName::parse(&value)?;
                    if !asked.channels.contains(&channel) {
                        asked.channels.push(channel);
                    }
                }
                ("last_event_id", value) => asked.id = Some(value),
                ("wire", value) => asked.wire = Some(read_wire(&value)?),
                ("from", value) if value == "now" => asked.now = true,
                ("from", value) if value == "beginning" => asked.now = false,
                ("from", _) => {
                    return Err(Problem::new(Kind::InvalidOption, "`from` takes now or beginning").naming("from"));
                }
                _ => {}
            }
        }
        if asked.channels.len() > channels_max {
            let detail = format!("one connection watches at most {channels_max} channels");
            return Err(Problem::new(Kind::InvalidOption, detail).naming("channel"));
        }
        match facts::single(request.headers(), LAST_EVENT_ID) {
            Header::One(id) if !id.is_empty() => asked.id = Some(id.to_owned()),
            Header::Unreadable => asked.id = Some(String::new()),
            Header::Absent | Header::One(_) => {}
        }
        Ok(asked)
    }

    /// Where a connection that watches one channel begins.
    pub(super) fn start(&self) -> From {
        match (&self.id, self.now) {
            (Some(id), _) => From::At(id.clone()),
            (None, true) => From::Now,
            (None, false) => From::Beginning,
        }
    }

    /// Where a connection that watches several stands in each: what its id names.
    pub(super) fn positions(&self) -> Positions {
        self.id.as_deref().map(Positions::read).unwrap_or_default()
    }

    /// Where a connection that watches several begins with one of them. An id of others says nothing of it: the page has
    /// seen nothing of it yet. An id that can't be read at all may be of any.
    pub(super) fn start_of(&self, channel: &ChannelName, positions: &Positions) -> From {
        let Some(id) = &self.id else { return self.start() };
        let named = id.split(',').any(|part| part.split_once('=').is_some_and(|(name, _)| name == channel.as_str()));
        match positions.get(channel) {
            Some(position) => From::At(position.to_string()),
            None if named || positions.iter().next().is_none() => From::At(String::new()),
            None => From::Beginning,
        }
    }
}

/// The wire of this name.
pub(super) fn read_wire(name: &str) -> Result<Wire, Problem> {
    let refuse = || Problem::new(Kind::InvalidOption, "`wire` takes djust or compact").naming("wire");
    Wire::parse(name).ok_or_else(refuse)
}

/// When what a pass opened is closed, by the clock that timers use.
pub(super) fn until(pass: &Pass) -> Option<Instant> {
    let left = pass.until()?.duration_since(SystemTime::now()).unwrap_or_default();
    Instant::now().checked_add(left)
}

/// Whether the answer's body goes out in chunks.
pub(super) fn is_chunked(request: &HttpRequest) -> bool {
    request.version() >= Version::HTTP_11
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn ask(uri: &str, header: Option<&str>) -> Result<Asked, Problem> {
        let request = TestRequest::with_uri(uri);
        let request = match header {
            Some(id) => request.insert_header((LAST_EVENT_ID, id)),
            None => request,
        };
        Asked::read(&request.to_http_request(), 3)
    }

    #[test]
    fn the_header_beats_the_query_and_an_id_beats_now() {
        let at = |id: &str| From::At(id.to_owned());
        for (uri, header, expected) in [
            ("/sse", None, From::Beginning),
            ("/sse?from=now", None, From::Now),
            ("/sse?from=now&_=17", Some("1-2"), at("1-2")),
            ("/sse?last_event_id=1-2", None, at("1-2")),
            ("/sse?last_event_id=1-2", Some("1-3"), at("1-3")),
            ("/sse?last_event_id=1-2", Some(""), at("1-2")),
            ("/sse?last_event_id=%C3%A4+b", None, at("\u{e4} b")),
            ("/sse?last_event_id=", None, at("")),
        ] {
            assert_eq!(ask(uri, header).unwrap().start(), expected, "{uri} {header:?}");
        }
    }

    #[test]
    fn what_cannot_be_asked_is_refused() {
        for (uri, kind) in [
            ("/sse?from=then", Kind::InvalidOption),
            ("/sse?wire=dense", Kind::InvalidOption),
            ("/sse?channel=a&channel=b&channel=c&channel=d", Kind::InvalidOption),
            ("/sse?channel=a%20b", Kind::InvalidName),
            ("/sse?channel=", Kind::InvalidName),
        ] {
            assert_eq!(ask(uri, None).unwrap_err().kind(), kind, "{uri}");
        }
        assert_eq!(ask("/sse?channel=a&channel=b&channel=c&channel=a", None).unwrap().channels.len(), 3);
    }

    #[test]
    fn each_channel_begins_where_the_page_stands() {
        let at = |id: &str| From::At(id.to_owned());
        for (id, a, b) in [
            ("a=1-2,b=3-4", at("1-2"), at("3-4")),
            ("a=1-2", at("1-2"), From::Beginning),
            ("a=1-2,b=x", at("1-2"), at("")),
            ("1-2", at(""), at("")),
            ("", at(""), at("")),
        ] {
            let asked = ask("/sse?channel=a&channel=b&from=now", Some(id).filter(|id| !id.is_empty()));
            let asked = match id {
                "" => ask("/sse?channel=a&channel=b&last_event_id=", None),
                _ => asked,
            };
            let (asked, [first, second]) = (asked.unwrap(), ["a", "b"].map(|name| ChannelName::parse(name).unwrap()));
            let positions = asked.positions();
            assert_eq!((asked.start_of(&first, &positions), asked.start_of(&second, &positions)), (a, b), "{id}");
        }
        let asked = ask("/sse?from=now", None).unwrap();
        assert_eq!(asked.start_of(&ChannelName::parse("a").unwrap(), &asked.positions()), From::Now);
    }
}
