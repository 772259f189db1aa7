//! Answers that go on: what a subscriber's connection is fed from, and what is known of its request meanwhile.
//!
//! The dispatcher writes the head of such an answer. Then the connection (in `server`) takes the socket for itself, and
//! with it an [`Ongoing`]; the dispatcher, with its buffers and the request, is gone. So an answer that waits costs its
//! socket, its place in the channel and little more, and what goes out is written from the bytes that all subscribers
//! share, never from a copy.
//!
//! A handler answers with [`endless`]; `frame` finds the [`Feed`] in the answer and hands it over with the request's
//! visit, so that the access line is written when the last byte has left.
//!
//! **Invariant:** such an answer is one access line, with its bytes, when it ends (`an_ongoing_answer_is_one_access_line`).

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::HttpResponse;
use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;

use super::access_log::Visit;

/// What goes out on an answer without an end, and what becomes of the bytes that its client still sends.
pub trait Feed {
    /// The next bytes, shared by all who get the same. `None`: that was all; it is not asked again.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>>;

    /// Whether bytes of the client can be taken now. While not, none are read: the client has to wait.
    fn has_room(&self) -> bool {
        true
    }

    /// The client has sent this. What nobody asked for is thrown away.
    fn receive(&mut self, bytes: &[u8]) {
        let _ = bytes;
    }
}

/// An answer that goes on, with its request's visit.
pub struct Ongoing {
    feed: Box<dyn Feed>,
    visit: Visit,
}

impl Ongoing {
    pub(super) fn new(feed: Box<dyn Feed>, visit: Visit) -> Self {
        Self { feed, visit }
    }

    /// One whose visit is of no interest.
    #[cfg(test)]
    pub fn for_tests(feed: Box<dyn Feed>) -> Self {
        let context = super::RequestContext { id: super::RequestId::make(), trace: None, client: None };
        let (route, path) = ("/x".to_owned(), "/x");
        let metrics = crate::telemetry::Metrics::new();
        Self::new(feed, Visit::new(metrics, context, actix_web::http::Method::GET, route, path, None))
    }

    /// What the answer is fed from.
    pub fn feed(&mut self) -> &mut dyn Feed {
        &mut *self.feed
    }

    /// So many bytes have left.
    pub fn sent(&mut self, bytes: usize) {
        self.visit.sent(bytes);
    }

    /// The last byte has left: the feed is given up, although the connection may still take its time to close.
    pub fn completed(&mut self) {
        self.visit.completed();
        self.feed = Box::new(Over);
    }
}

impl fmt::Debug for Ongoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ongoing").field("visit", &self.visit).finish_non_exhaustive()
    }
}

/// A feed that has nothing more.
struct Over;

impl Feed for Over {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Bytes>> {
        Poll::Ready(None)
    }
}

/// A feed on its way from the handler to the frame, among the answer's extensions.
struct Handed(Box<dyn Feed>);

/// The answer whose body `feed` gives, from its first byte: no coding is added on the way, so a feed of HTTP/1.1 gives
/// chunks.
pub(super) fn endless(answer: HttpResponse, feed: impl Feed + 'static) -> HttpResponse {
    let mut answer = answer.set_body(Endless).map_into_boxed_body();
    answer.extensions_mut().insert(Handed(Box::new(feed)));
    answer
}

/// The feed of an answer that was made with [`endless`].
pub(super) fn take_feed(answer: &mut HttpResponse) -> Option<Box<dyn Feed>> {
    answer.extensions_mut().remove::<Handed>().map(|handed| handed.0)
}

/// A body of no known length, of which the dispatcher never gets a byte.
struct Endless;

impl MessageBody for Endless {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Pending
    }
}
