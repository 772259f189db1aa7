//! A body that goes on for as long as its sender has something to say.
//!
//! It has no deadline, but may not be silent for longer than the idle time.
//!
//! An answer may come before its end. Behind such an answer the connection is closed only while the body is still held:
//! of one that is dropped, the HTTP library reads and throws away what comes, for as long as the sender likes.
//!
//! **Source:** `openapi/protocol.md`, "Open bodies"; RFC 9112 §7.1 (a chunked body says its own end).

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::time::{Instant, timeout_at};

use super::exchange::Exchange;
use super::holding_body::HoldingBody;

/// For how long the rest of a body is thrown away that nobody wants any more, before the answer closes the connection.
const DISCARD: Duration = Duration::from_secs(2);

/// A request's body, as it comes.
pub(super) struct OpenBody {
    payload: web::Payload,
    idle: Duration,
    /// When something came last.
    fed: Instant,
}

/// What came.
#[derive(Debug)]
pub(super) enum Came {
    /// A piece of the body.
    Bytes(Bytes),
    /// Its end, as its framing wants it.
    End,
    /// It broke off.
    Broken,
    /// Nothing for the idle time.
    Silence,
}

impl OpenBody {
    /// A body that may be silent for `idle`.
    pub(super) fn new(payload: web::Payload, idle: Duration) -> Self {
        Self { payload, idle, fed: Instant::now() }
    }

    /// The next piece.
    ///
    /// # Cancel safety
    /// Nothing is lost, and the silence goes on.
    pub(super) async fn next(&mut self) -> Came {
        match timeout_at(self.fed + self.idle, self.payload.next()).await {
            Ok(Some(Ok(bytes))) => {
                self.fed = Instant::now();
                Came::Bytes(bytes)
            }
            Ok(None) => Came::End,
            Ok(Some(Err(_))) => Came::Broken,
            Err(_) => Came::Silence,
        }
    }

    /// Throws away what still comes, for two seconds at most. Whether the body ended.
    pub(super) async fn discard(&mut self) -> bool {
        let until = Instant::now() + DISCARD;
        loop {
            match timeout_at(until, self.payload.next()).await {
                Ok(Some(Ok(_))) => {}
                Ok(None) => return true,
                Ok(Some(Err(_))) | Err(_) => return false,
            }
        }
    }
}

/// An answer that is given while the request's body is still being sent. The connection closes its half behind it and
/// throws away what comes for a while, so that the sender gets to see the answer; then it is closed.
type LastWords = HoldingBody<OpenBody>;

impl OpenBody {
    /// Answers although more of the body may come.
    pub(super) fn answer_early(
        self,
        request: &HttpRequest,
        response: &mut HttpResponseBuilder,
        bytes: Bytes,
    ) -> HttpResponse {
        if let Some(exchange) = request.conn_data::<Exchange>() {
            exchange.leave_unread();
        }
        response.force_close().body(LastWords::new(bytes, self))
    }
}
