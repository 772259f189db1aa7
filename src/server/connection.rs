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
//! - **Refusals.** What the dispatcher says to malformed requests is replaced by a problem.
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
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::slots::Slot;
use crate::http::{Exchange, Kind, Problem, RequestId};
use crate::telemetry::Metrics;

/// How long what nobody wants is read before the socket is closed.
const LINGER: Duration = Duration::from_secs(2);
/// The most that is thrown away in that time: enough for what is on its way on any common line.
const LINGER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// How many write timeouts a client has to take [`DRIP_BYTES_MIN`].
const DRIP_WINDOWS: u32 = 6;
/// What a client must take within that time: about 1 KiB/s by default, slower than any line in use.
const DRIP_BYTES_MIN: usize = 64 * 1024;

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
    exchange: Exchange,
    times: Times,
    metrics: Metrics,
    rest: Rest,
    stall: Option<Stall>,
    /// A problem that is written in place of so many of the dispatcher's bytes.
    replacement: Option<Replacement>,
    linger: Option<Linger>,
    _slot: Slot,
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

#[derive(Debug)]
struct Replacement {
    bytes: Vec<u8>,
    written: usize,
    stands_for: usize,
}

#[derive(Debug)]
struct Linger {
    timer: Pin<Box<Sleep>>,
    bytes: usize,
}

impl<T> Connection<T> {
    pub(super) fn new(io: T, times: Times, metrics: Metrics, slot: Slot) -> Self {
        let exchange = Exchange::default();
        let rest = Rest { timer: Box::pin(tokio::time::sleep(times.head)), begun: 0, in_head: false };
        Self { io, exchange, times, metrics, rest, stall: None, replacement: None, linger: None, _slot: slot }
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
            self.metrics.refused(problem.kind().row().slug);
            // The send buffer of a connection at rest is empty: it takes a few hundred bytes at once, or never will.
            let _ = Pin::new(&mut self.io).poll_write(cx, &problem.raw(RequestId::make().as_str()));
        }
        self.exchange.leave_unread();
    }

    /// Writes the replacement to its end; then the bytes it stands for count as written.
    fn poll_replacement(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(replacement) = &mut self.replacement else { return Poll::Ready(Ok(0)) };
        while replacement.written < replacement.bytes.len() {
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, &replacement.bytes[replacement.written..]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            replacement.written += written;
        }
        let stands_for = replacement.stands_for;
        self.replacement = None;
        Poll::Ready(Ok(stands_for))
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

    /// Reads and throws away until the client is done, or the linger's time or bytes are used up.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let new = || Linger { timer: Box::pin(tokio::time::sleep(LINGER)), bytes: 0 };
        let linger = self.linger.get_or_insert_with(new);
        if linger.timer.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let mut bin = [0_u8; 16 * 1024];
        loop {
            let mut buffer = ReadBuf::new(&mut bin);
            match Pin::new(&mut self.io).poll_read(cx, &mut buffer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() && linger.bytes < LINGER_BYTES_MAX => {
                    linger.bytes += buffer.filled().len();
                }
                Poll::Ready(_) => return Poll::Ready(()),
            }
        }
    }
}

/// The problem to write in place of what the dispatcher says to a request that never became one. Its answers are bare:
/// a status, no body, no request id.
fn refusal_for(bytes: &[u8]) -> Option<Problem> {
    const BARE_BYTES_MAX: usize = 256;
    let status = bytes.strip_prefix(b"HTTP/1.1 ")?.first_chunk::<3>()?;
    let (status, detail) = match status {
        b"400" => (StatusCode::BAD_REQUEST, "the request's head or framing is malformed"),
        b"431" => (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the request's head is too large"),
        _ => return None,
    };
    let has = |what: &[u8]| memchr::memmem::find(bytes, what).is_some();
    let bare = bytes.len() <= BARE_BYTES_MAX && bytes.ends_with(b"\r\n\r\n") && has(b"content-length: 0\r\n");
    let bare = bare && !has(b"x-request-id");
    bare.then(|| Problem::new(Kind::InvalidHeader, detail).with_status(status))
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
        if this.replacement.is_none()
            && let Some(problem) = refusal_for(bytes)
        {
            this.metrics.refused(problem.kind().row().slug);
            this.exchange.leave_unread();
            let raw = problem.raw(RequestId::make().as_str());
            this.replacement = Some(Replacement { bytes: raw, written: 0, stands_for: bytes.len() });
        }
        let outcome = match &this.replacement {
            Some(_) => this.poll_replacement(cx),
            None => Pin::new(&mut this.io).poll_write(cx, bytes),
        };
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
        let this = self.get_mut();
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
        }
        if this.exchange.is_unread() {
            ready!(this.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}

/// Tells a client that there is no place for its connection, and closes it.
///
/// # Cancel safety
/// Dropping the future closes the socket at once.
pub(super) async fn turn_away<T: AsyncRead + AsyncWrite + Unpin>(mut io: T, metrics: Metrics) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let problem = Problem::new(Kind::TooManyConnections, "as many connections are open as may be");
    metrics.refused(problem.kind().row().slug);
    let telling = async {
        io.write_all(&problem.raw(RequestId::make().as_str())).await?;
        io.shutdown().await?;
        let mut bin = [0_u8; 1024];
        while io.read(&mut bin).await? > 0 {}
        io::Result::Ok(())
    };
    // Whoever is turned away takes a socket for this long at most, and nothing else.
    let _ = tokio::time::timeout(Duration::from_millis(250), telling).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bare_refusals_of_the_dispatcher_are_replaced() {
        let bare = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\ndate: x\r\n\r\n";
        assert_eq!(refusal_for(bare).unwrap().kind(), Kind::InvalidHeader);
        let large = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\n\r\n";
        assert!(refusal_for(large).is_some());
        let ours = Problem::new(Kind::InvalidJson, "x").raw("id");
        assert!(refusal_for(&ours).is_none());
        for other in [&b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"[..], b"HTTP/1.1 4", b"", b"400"] {
            assert!(refusal_for(other).is_none());
        }
        let with_id = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nx-request-id: a\r\n\r\n";
        assert!(refusal_for(with_id).is_none());
    }
}
