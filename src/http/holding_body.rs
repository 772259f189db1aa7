//! The body of an answer that is whole, and holds something until it is sent or given up.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;

/// Bytes, and what is kept alive with them: a share of a budget, a request's body.
#[derive(Debug)]
pub(super) struct HoldingBody<T> {
    bytes: Bytes,
    _held: T,
}

impl<T> HoldingBody<T> {
    /// A body of these bytes.
    pub(super) fn new(bytes: Bytes, held: T) -> Self {
        Self { bytes, _held: held }
    }
}

impl<T: Unpin> MessageBody for HoldingBody<T> {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.bytes.len() as u64)
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let bytes = std::mem::take(&mut self.bytes);
        Poll::Ready((!bytes.is_empty()).then_some(Ok(bytes)))
    }
}
