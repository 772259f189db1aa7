//! One connection: the bytes between the kernel and the HTTP/1 dispatcher, and the times that the dispatcher does not
//! keep.
//!
//! - **Heads.** The dispatcher times the first request's head only; here every one has [`Times::head`] from its first
//!   byte, answered 408 beyond it. Slow heads are CWE-400.
//! - **Rest.** Between requests a connection may lie still for [`Times::keep_alive`].
//! - **Writes.** The dispatcher does not look at a body while the client takes nothing, so nobody would notice. The
//!   kernel ends TCP connections whose peer takes nothing for [`Times::write`] (`TCP_USER_TIMEOUT`); what drips is
//!   ended here: less than [`DRIP_BYTES_MIN`] within [`DRIP_WINDOWS`] times that.
//! - **Lingering.** An answer given before its request was read would be lost when the socket is closed on unread bytes
//!   (the kernel sends RST). So the rest is read and thrown away for up to [`LINGER`], after our half is closed.
//! - **Refusals.** What the dispatcher says to malformed requests is replaced by a problem. It drops a connection right
//!   after such an answer, so the connection closes and lingers before it lets the answer count as written.
//!
//! ```text
//!            first byte            request read (begun)
//!  at rest ───────────▶ in a head ─────────────────────▶ answering
//!     ▲  keep_alive: close   head: 408, close                │
//!     └──────────────────────────────────────────────────────┘ answer ended
//! ```
//!
//! **Invariant:** a connection at rest or in a head always has a deadline (`a_second_head_that_drips_is_ended`,
//! `a_half_sent_pipelined_head_is_ended`).
//! **Source:** RFC 9112 §9.3 (persistence), §9.6 (closing in stages); RFC 5482 (user timeout).

use std::future::Future as _;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::refusal::{Bare, tell};
use crate::http::{Exchange, Kind, Problem};
use crate::telemetry::Metrics;

/// How long what nobody wants is read before the socket is closed. Time alone bounds it: clients that send a whole body
/// before they read anything are the ones that need it.
const LINGER: Duration = Duration::from_secs(2);
/// How many write timeouts a client has to take [`DRIP_BYTES_MIN`].
pub(super) const DRIP_WINDOWS: u32 = 6;
/// What a client must take within that time: about 1 KiB/s by default, slower than any line in use.
pub(super) const DRIP_BYTES_MIN: usize = 64 * 1024;

/// How long a connection may take for what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// From the first byte of a head to its last; from accept to the first byte.
    pub(super) head: Duration,
    /// Between an answer and the next request's first byte.
    pub(super) keep_alive: Duration,
    /// For a client to take something of an answer.
    pub(super) write: Duration,
}

/// A connection between the kernel and the dispatcher.
#[derive(Debug)]
pub(super) struct Connection<T> {
    io: T,
    peer: Option<SocketAddr>,
    exchange: Exchange,
    times: Times,
    metrics: Metrics,
    rest: Rest,
    stall: Option<Stall>,
    /// What is still to be written in place of the dispatcher's last bytes.
    last_words: Option<Bytes>,
    linger: Option<Pin<Box<Sleep>>>,
}

/// The deadline of a connection that is not answering.
#[derive(Debug)]
struct Rest {
    timer: Pin<Box<Sleep>>,
    /// How many requests had begun when the deadline was set; another number voids it.
    begun: u64,
    /// Whether bytes of a head have come since.
    in_head: bool,
}

#[derive(Debug)]
struct Stall {
    timer: Pin<Box<Sleep>>,
    taken: usize,
}

impl<T> Connection<T> {
    /// `peer`: who connected, for the log; `None` over a Unix socket.
    pub(super) fn new(io: T, peer: Option<SocketAddr>, times: Times, metrics: Metrics) -> Self {
        let exchange = Exchange::default();
        let rest = Rest { timer: Box::pin(tokio::time::sleep(times.head)), begun: 0, in_head: false };
        Self { io, peer, exchange, times, metrics, rest, stall: None, last_words: None, linger: None }
    }

    /// The socket alone.
    pub(super) fn into_io(self) -> T {
        self.io
    }

    /// What this connection and its requests tell each other.
    pub(super) fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// Bytes came. The first of a head moves its deadline.
    fn note_read(&mut self) {
        if self.exchange.is_idle() && !(self.rest.in_head && self.rest.begun == self.exchange.begun()) {
            self.rest.begun = self.exchange.begun();
            self.rest.in_head = true;
            self.rest.timer.as_mut().reset(Instant::now() + self.times.head);
        }
    }

    /// Watches the deadline of a connection that is not answering. Ready when it has passed.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.exchange.is_idle() {
            return Poll::Pending;
        }
        if self.rest.begun != self.exchange.begun() {
            self.rest.begun = self.exchange.begun();
            self.rest.in_head = false;
            self.rest.timer.as_mut().reset(Instant::now() + self.times.keep_alive);
        }
        self.rest.timer.as_mut().poll(cx)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Connection<T> {
    /// The deadline has passed: says so if a request had begun to arrive. Then the connection ends.
    fn end_rest(&mut self, cx: &mut Context<'_>) {
        if self.rest.in_head {
            let problem = Problem::new(Kind::Timeout, "the request's head did not arrive in time");
            let bytes = tell(&problem, self.peer, &self.metrics);
            // The send buffer of a connection at rest is empty: it takes a few hundred bytes at once, or never will.
            let _ = Pin::new(&mut self.io).poll_write(cx, &bytes);
        }
        self.exchange.leave_unread();
    }

    /// What is written in place of `bytes`, which end in a refusal: what stands before it, and a problem. Where the
    /// answer before it was to be the last (it refused a body whose framing broke, or the client asked to close), only
    /// that.
    fn in_place_of(&self, bytes: &[u8], bare: &Bare) -> Bytes {
        let mut words = bytes[..bare.at].to_vec();
        if !(bare.closes && self.exchange.begun() > 0) {
            words.extend(tell(&bare.problem, self.peer, &self.metrics));
        }
        words.into()
    }

    /// Writes the last words to their end, closes our half, and lingers.
    fn poll_last_words(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(words) = self.last_words.as_ref().filter(|words| !words.is_empty()) {
            let outcome = Pin::new(&mut self.io).poll_write(cx, words);
            let written = ready!(self.watch_write(cx, outcome))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.last_words.iter_mut().for_each(|words| words.advance(written));
        }
        self.poll_close(cx)
    }

    /// Closes our half, and lingers if something was left unread.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            ready!(Pin::new(&mut self.io).poll_shutdown(cx))?;
        }
        if self.exchange.is_unread() {
            ready!(self.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }

    /// Judges the outcome of a write: what is not taken in time ends the connection.
    fn watch_write(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let window = self.times.write * DRIP_WINDOWS;
        match outcome {
            Poll::Ready(Ok(written)) => {
                if let Some(stall) = &mut self.stall {
                    stall.taken += written;
                }
                Poll::Ready(Ok(written))
            }
            Poll::Pending => {
                let new = || Stall { timer: Box::pin(tokio::time::sleep(window)), taken: 0 };
                let stall = self.stall.get_or_insert_with(new);
                while stall.timer.as_mut().poll(cx).is_ready() {
                    if stall.taken < DRIP_BYTES_MIN {
                        return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                    }
                    stall.taken = 0;
                    stall.timer.as_mut().reset(Instant::now() + window);
                }
                Poll::Pending
            }
            failed => failed,
        }
    }

    /// Reads and throws away until the client is done or the linger's time is over.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let linger = self.linger.get_or_insert_with(|| Box::pin(tokio::time::sleep(LINGER)));
        let mut bin = [0_u8; 16 * 1024];
        loop {
            if linger.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let mut buffer = ReadBuf::new(&mut bin);
            match Pin::new(&mut self.io).poll_read(cx, &mut buffer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(()),
            }
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Connection<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        match Pin::new(&mut this.io).poll_read(cx, buffer) {
            Poll::Pending => {
                ready!(this.poll_rest(cx));
                this.end_rest(cx);
                Poll::Ready(Ok(())) // Nothing read is the end of the stream.
            }
            Poll::Ready(Ok(())) if buffer.filled().len() > before => {
                this.note_read();
                // A head that comes a byte at a time is always ready: its deadline counts all the same.
                if this.poll_rest(cx).is_ready() {
                    buffer.set_filled(before);
                    this.end_rest(cx);
                }
                Poll::Ready(Ok(()))
            }
            ended => ended,
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Connection<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.last_words.is_none()
            && let Some(bare) = Bare::find(bytes)
        {
            this.exchange.leave_unread();
            this.last_words = Some(this.in_place_of(bytes, &bare));
        }
        if this.last_words.is_some() {
            ready!(this.poll_last_words(cx))?;
            return Poll::Ready(Ok(bytes.len()));
        }
        let outcome = Pin::new(&mut this.io).poll_write(cx, bytes);
        this.watch_write(cx, outcome)
    }

    /// The dispatcher flushes when all it has is written: no write waits, and the answer may just have ended.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.stall = None;
        if this.poll_rest(cx).is_ready() {
            // The next read will find it passed.
            cx.waker().wake_by_ref();
        }
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_close(cx)
    }
}

/// Tells a client that there is no place for its connection, and closes it.
///
/// # Cancel safety
/// Dropping the future closes the socket at once.
pub(super) async fn turn_away<T: AsyncRead + AsyncWrite + Unpin>(
    mut io: T,
    peer: Option<SocketAddr>,
    metrics: Metrics,
) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let problem = Problem::new(Kind::TooManyConnections, "as many connections are open as may be");
    let bytes = tell(&problem, peer, &metrics);
    let telling = async {
        io.write_all(&bytes).await?;
        io.shutdown().await?;
        let mut bin = [0_u8; 1024];
        while io.read(&mut bin).await? > 0 {}
        io::Result::Ok(())
    };
    // Whoever is turned away takes a socket for this long at most, and nothing else.
    let _ = tokio::time::timeout(Duration::from_millis(250), telling).await;
}
