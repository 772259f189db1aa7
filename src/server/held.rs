//! What the dispatcher takes for its connection: the [`Connection`], until an answer goes on by itself.
//!
//! When the head of such an answer is written, the socket and its slot go to a [`Courier`] of their own. To the dispatcher
//! the connection is closed from then on, so it ends, and its buffers and the request with it.
//!
//! A client that goes before that head is written leaves an answer that nobody will go on with. It holds its place on
//! the exchange, and the exchange holds it: so it is thrown away with the connection.
//!
//! **Invariant:** an answer that goes on begins after its head and after all answers before it
//! (`an_ongoing_answer_comes_after_those_before_it`); one that nobody takes over ends with its connection
//! (`an_answer_that_nobody_goes_on_with_ends_with_its_connection`).

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection::{Connection, Times};
use super::courier::Courier;
use super::open::Opened;
use super::slots::Slot;
use crate::http::Exchange;
use crate::telemetry::Metrics;

/// A connection, while the dispatcher has it.
#[derive(Debug)]
pub(super) struct Held<T> {
    /// `None`: a courier has the socket.
    here: Option<Connection<T>>,
    exchange: Exchange,
    times: Times,
    opened: Opened,
    slot: Option<Slot>,
}

impl<T> Held<T> {
    /// `peer`: who connected, for the log; `None` over a Unix socket.
    pub(super) fn new(
        io: T,
        peer: Option<SocketAddr>,
        times: Times,
        metrics: Metrics,
        slot: Slot,
        opened: Opened,
    ) -> Self {
        let here = Connection::new(io, peer, times, metrics);
        let exchange = here.exchange().clone();
        Self { here: Some(here), exchange, times, opened, slot: Some(slot) }
    }

    /// What this connection and its requests tell each other.
    pub(super) fn exchange(&self) -> &Exchange {
        &self.exchange
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Held<T> {
    /// All that the dispatcher had is written: gives the socket away if an answer is to go on.
    fn give_away(&mut self, cx: &mut Context<'_>) {
        let Some(ongoing) = self.exchange.take_over() else { return };
        let Some((here, slot)) = self.here.take().zip(self.slot.take()) else { return };
        let courier = Courier::new(here.into_io(), ongoing, self.times.write, slot, self.opened.open());
        drop(tokio::task::spawn_local(courier));
        // The dispatcher is to look: it will read the end of the stream.
        cx.waker().wake_by_ref();
    }
}

impl<T> Drop for Held<T> {
    fn drop(&mut self) {
        self.exchange.give_up();
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Held<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().here {
            Some(here) => Pin::new(here).poll_read(cx, buffer),
            None => Poll::Ready(Ok(())), // The end of the stream.
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> AsyncWrite for Held<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().here {
            Some(here) => Pin::new(here).poll_write(cx, bytes),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(here) = &mut this.here {
            ready!(Pin::new(here).poll_flush(cx))?;
            this.give_away(cx);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().here {
            Some(here) => Pin::new(here).poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::time::Duration;

    use bytes::Bytes;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::task::LocalSet;

    use super::*;
    use crate::http::{Answering, Begin, Feed};
    use crate::server::slots::Slots;

    const TIMES: Times =
        Times { head: Duration::from_secs(9), keep_alive: Duration::from_secs(9), write: Duration::from_secs(9) };

    struct Once(Option<Bytes>);

    impl Feed for Once {
        fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Bytes>> {
            Poll::Ready(self.0.take())
        }
    }

    /// Through a pipe that holds less than the answer before it.
    #[tokio::test]
    async fn an_ongoing_answer_comes_after_those_before_it() {
        LocalSet::new()
            .run_until(async {
                let (mut client, io) = duplex(16);
                let slots = Slots::new(1, 1, Vec::new(), Metrics::new());
                let (slot, opened) = (slots.take(None).unwrap(), Opened::default());
                let mut held = Held::new(io, None, TIMES, Metrics::new(), slot, opened.clone());
                let before = "the answers before it, and its head;";
                let reading = tokio::task::spawn_local(async move {
                    let mut read = String::new();
                    client.read_to_string(&mut read).await.unwrap();
                    read
                });
                held.exchange().hand_over_for_tests(Box::new(Once(Some(Bytes::from_static(b" what follows")))));
                held.write_all(before.as_bytes()).await.unwrap();
                held.flush().await.unwrap();
                assert_eq!(held.read(&mut [0; 9]).await.unwrap(), 0, "closed, to the dispatcher");
                held.shutdown().await.unwrap();
                drop(held);
                assert!(slots.take(None).is_none(), "the courier has the slot");
                assert_eq!(reading.await.unwrap(), format!("{before} what follows"));
                opened.none().await;
                assert!(slots.take(None).is_some());
            })
            .await;
    }

    /// A feed that has its place on the exchange, as a real one has.
    struct Placed {
        _answering: Answering,
        _lives: Rc<()>,
    }

    impl Begin for Placed {
        fn begin(self: Box<Self>) -> Box<dyn Feed> {
            Box::new(Once(None))
        }
    }

    #[tokio::test]
    async fn an_answer_that_nobody_goes_on_with_ends_with_its_connection() {
        let (client, io) = duplex(16);
        let slots = Slots::new(1, 1, Vec::new(), Metrics::new());
        let mut held = Held::new(io, None, TIMES, Metrics::new(), slots.take(None).unwrap(), Opened::default());
        let lives = Rc::new(());
        let placed = Placed { _answering: held.exchange().begin(), _lives: lives.clone() };
        held.exchange().hand_over_for_tests(Box::new(placed));
        drop(client);
        assert!(held.write_all(b"the head").await.is_err(), "the client has gone");
        assert_eq!(Rc::strong_count(&lives), 2);
        drop(held);
        assert_eq!(Rc::strong_count(&lives), 1);
    }
}
