//! Answers that go on: what a subscriber's connection is fed from, and what is known of its request meanwhile.
//!
//! The dispatcher writes the head of such an answer. Then the connection (in `server`) takes the socket for itself, and
//! with it an [`Ongoing`]; the dispatcher, with its buffers and the request, is gone. So an answer that waits costs its
//! socket, its place in the channel and little more, and what goes out is written from the bytes that all subscribers
//! share, never from a copy.
//!
//! A handler answers with [`endless`]; `frame` finds what it gave in the answer and hands it over with the request's
//! visit, so that the access line is written when the last byte has left. Up to there all belongs to the request's
//! thread; what the connection goes on with does not, since whoever publishes may write it ([`Feed`] is `Send`).
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
use super::exchange::Answering;

/// What goes out on an answer without an end, and what becomes of the bytes that its client still sends.
pub trait Feed: Send {
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

/// What a handler gives for a feed: it may hold on to the request until the head of the answer is written.
pub trait Begin {
    /// The head is written: this goes on.
    fn begin(self: Box<Self>) -> Box<dyn Feed>;
}

impl<F: Feed + 'static> Begin for F {
    fn begin(self: Box<Self>) -> Box<dyn Feed> {
        self
    }
}

/// An answer whose head is on its way, with its place on the exchange.
pub(super) struct Beginning {
    pub(super) feed: Box<dyn Begin>,
    pub(super) visit: Visit,
    pub(super) answering: Option<Answering>,
}

impl Beginning {
    /// The head is written. The connection is the answer's alone from here on, so its place on the exchange ends.
    pub(super) fn go_on(self) -> Box<Ongoing> {
        let Self { feed, visit, answering } = self;
        drop(answering);
        Box::new(Ongoing { feed: feed.begin(), visit })
    }
}

/// An answer that goes on, with its request's visit.
pub struct Ongoing {
    feed: Box<dyn Feed>,
    visit: Visit,
}

impl Ongoing {
    /// One whose visit is of no interest.
    #[cfg(test)]
    pub fn for_tests(feed: Box<dyn Feed>) -> Self {
        Self { feed, visit: Visit::for_tests() }
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

/// A feed-to-be on its way from the handler to the frame, among the answer's extensions.
struct Handed(Box<dyn Begin>);

/// The answer whose body `feed` gives, from its first byte: no coding is added on the way, so a feed of HTTP/1.1 gives
/// chunks.
pub(super) fn endless(answer: HttpResponse, feed: impl Begin + 'static) -> HttpResponse {
    let mut answer = answer.set_body(Endless).map_into_boxed_body();
    answer.extensions_mut().insert(Handed(Box::new(feed)));
    answer
}

/// The feed of an answer that was made with [`endless`].
pub(super) fn take_feed(answer: &mut HttpResponse) -> Option<Box<dyn Begin>> {
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
