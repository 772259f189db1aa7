//! A connection whose answer goes on: the socket, what is still to be written to it, and nothing else.
//!
//! When the head of such an answer is written, the [connection](super::connection) gives its socket to a [`Courier`],
//! and the dispatcher over it ends. From then on the courier alone reads and writes:
//!
//! ```text
//!           ┌─ too little taken for too long: cut off
//!  open ────┤─ the client closes its half or resets: gone
//!           └─ the feed's last byte is written ──▶ closing (our half is closed; what still comes is thrown away)
//!                                                   └─ the client closes too, or LINGER is over
//! ```
//!
//! It is written by the courier's task, on the worker of its connection; or, where a publish has few subscribers, at once
//! by whoever publishes (see [`may_deliver_here`]): to wake another worker for one write costs more than the write.
//!
//! The feed is asked for more only when little is left to write, so a reader that takes nothing costs the few bytes that
//! it was about to be sent, and those are shared with the others (CWE-770).
//!
//! A TCP client that takes nothing for the write timeout is ended by the kernel (`TCP_USER_TIMEOUT`), which sees every
//! byte. We see only that there is room again, which a slow reader may not make for long: so here the same is asked as of
//! all connections, [`DRIP_BYTES_MIN`] within [`DRIP_WINDOWS`] times that.
//!
//! **Invariant:** a reader that takes nothing is cut off, one that drips too, one that is only slow is not
//! (`a_subscriber_that_never_reads_is_cut_off`, `a_subscriber_that_drips_is_cut_off`,
//! `a_subscriber_that_stops_now_and_then_is_kept`); while it takes nothing the feed is
//! not asked (`a_feed_is_asked_only_when_there_is_room`); who publishes writes what there is, and leaves to the task all
//! that is more than one write (`who_publishes_writes_what_can_be_written`).
//! **Source:** RFC 9112 §9.6 (closing in stages).

use std::collections::VecDeque;
use std::future::Future;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::connection::{DRIP_BYTES_MIN, DRIP_WINDOWS};
use super::open::Open;
use super::slots::Slot;
use crate::channel::may_deliver_here;
use crate::http::Ongoing;

/// How long the client has to close its half after we have closed ours.
const LINGER: Duration = Duration::from_secs(2);
/// The feed is asked for more while less than this is left to write.
const AHEAD_BYTES: usize = 16 * 1024;
/// And while fewer pieces than this are.
const AHEAD_PIECES: usize = 16;
/// Room that a connection keeps while it waits.
const IDLE_PIECES: usize = 4;
/// Read at once.
const READ_BYTES: usize = 8 * 1024;

/// A socket and the answer that it carries. A future that is ready when the connection is over.
pub(super) struct Courier<T> {
    shared: Arc<Shared<T>>,
    /// Wakes the feed's way: [`Shared`].
    waker: Waker,
}

/// What the feed's waker leads to: the task, or what is to be done in its place.
struct Shared<T> {
    task: AtomicWaker,
    /// `None` when the task has ended: the feed holds a waker, so that this and the feed would hold each other.
    line: Mutex<Option<Line<T>>>,
}

/// The socket, and what is on its way to it.
struct Line<T> {
    io: T,
    ongoing: Box<Ongoing>,
    /// What is to be written, in order.
    out: VecDeque<Bytes>,
    state: State,
    /// Runs while the client takes nothing, or while we wait for it to close.
    timer: Option<Box<Stall>>,
    write: Duration,
    _slot: Slot,
    _open: Open,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The feed may have more.
    Open,
    /// The feed has said its last.
    Last,
    /// All is written, and our half is being closed or is closed.
    Closing,
}

/// The time that a client has, and what it took in it.
#[derive(Debug)]
struct Stall {
    sleep: Pin<Box<Sleep>>,
    taken: usize,
}

/// The connection is over.
#[derive(Debug)]
struct Over;

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Courier<T> {
    /// `write`: how long a client may take nothing, as far as we see it.
    pub(super) fn new(io: T, ongoing: Box<Ongoing>, write: Duration, slot: Slot, open: Open) -> Self {
        let (out, state) = (VecDeque::new(), State::Open);
        let line = Line { io, ongoing, out, state, timer: None, write, _slot: slot, _open: open };
        let shared = Arc::new(Shared { task: AtomicWaker::new(), line: Mutex::new(Some(line)) });
        Self { waker: Arc::clone(&shared).into(), shared }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Wake for Shared<T> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    /// The feed has something.
    fn wake_by_ref(self: &Arc<Self>) {
        // Taken: the task is at it, or someone who publishes too.
        if may_deliver_here()
            && let Some(mut line) = self.line.try_lock()
            && let Some(line) = line.as_mut()
            && line.deliver(self)
        {
            return;
        }
        self.task.wake();
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Line<T> {
    /// Reads what the client sends while the feed has room for it. Ready when it will send no more.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Over> {
        let mut space = [const { MaybeUninit::uninit() }; READ_BYTES];
        while self.state == State::Closing || self.ongoing.feed().has_room() {
            let mut buffer = ReadBuf::uninit(&mut space);
            match ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                _ => return Poll::Ready(Over),
            }
            if self.state == State::Open {
                self.ongoing.feed().receive(buffer.filled());
            }
        }
        Poll::Pending
    }

    /// Takes what the feed has and writes it, in the task's place. Says whether that was all there is to do.
    fn deliver(&mut self, shared: &Arc<Shared<T>>) -> bool
    where
        T: Send + 'static,
    {
        if self.state != State::Open || !self.out.is_empty() {
            return false;
        }
        let had_room = self.ongoing.feed().has_room();
        let waker = Arc::clone(shared).into();
        let asked = self.fill(&mut Context::from_waker(&waker));
        // Where the client takes no more, the task looks too, and waits.
        let written = self.poll_out(&mut Context::from_waker(Waker::noop()));
        let talks = !had_room && self.ongoing.feed().has_room();
        asked && matches!(written, Poll::Ready(Ok(()))) && !talks
    }

    /// Asks the feed for more while there is room ahead. Says whether it has no more for now.
    fn fill(&mut self, cx: &mut Context<'_>) -> bool {
        let mut ahead: usize = self.out.iter().map(Bytes::len).sum();
        while self.state == State::Open && ahead < AHEAD_BYTES && self.out.len() < AHEAD_PIECES {
            match self.ongoing.feed().poll_next(cx) {
                Poll::Pending => return true,
                Poll::Ready(None) => self.state = State::Last,
                Poll::Ready(Some(bytes)) => {
                    ahead += bytes.len();
                    if !bytes.is_empty() {
                        self.out.push_back(bytes);
                    }
                }
            }
        }
        false
    }

    /// Writes what there is. Pending when the client takes no more for now, and ready when it took too little for too
    /// long.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Over>> {
        match self.poll_out(cx) {
            Poll::Pending => self.poll_stall(cx).map(Err),
            ready => ready,
        }
    }

    /// Writes what there is. Pending when the client takes no more for now.
    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Over>> {
        while let Some(first) = self.out.front() {
            let outcome = match self.out.len() {
                1 => Pin::new(&mut self.io).poll_write(cx, first),
                _ => {
                    let mut slices = [std::io::IoSlice::new(&[]); AHEAD_PIECES];
                    let pieces = self.out.iter().zip(&mut slices);
                    let pieces = pieces.map(|(piece, slice)| *slice = std::io::IoSlice::new(piece)).count();
                    Pin::new(&mut self.io).poll_write_vectored(cx, &slices[..pieces])
                }
            };
            match outcome {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(_) => return Poll::Ready(Err(Over)),
            }
            if let Poll::Ready(Ok(written)) = outcome {
                self.took(written);
            }
        }
        self.timer = None;
        Poll::Ready(Ok(()))
    }

    /// The client's side has taken so many bytes.
    fn took(&mut self, mut bytes: usize) {
        self.ongoing.sent(bytes);
        if let Some(stall) = &mut self.timer {
            stall.taken += bytes;
        }
        while let Some(first) = self.out.front_mut() {
            if bytes < first.len() {
                first.advance(bytes);
                return;
            }
            bytes -= first.len();
            self.out.pop_front();
        }
        if self.out.capacity() > IDLE_PIECES {
            self.out = VecDeque::new();
        }
    }

    /// The client takes nothing at the moment. Ready when it took too little for too long.
    fn poll_stall(&mut self, cx: &mut Context<'_>) -> Poll<Over> {
        let window = self.write * DRIP_WINDOWS;
        let stall = self.timer.get_or_insert_with(|| Box::new(Stall::new(window)));
        while stall.sleep.as_mut().poll(cx).is_ready() {
            if stall.taken < DRIP_BYTES_MIN {
                return Poll::Ready(Over);
            }
            stall.taken = 0;
            stall.sleep.as_mut().reset(Instant::now() + window);
        }
        Poll::Pending
    }

    /// Closes our half and waits for the client to close its own, so that nothing written is lost to a reset.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.state == State::Last {
            self.ongoing.completed();
            self.state = State::Closing;
            self.timer = Some(Box::new(Stall::new(LINGER)));
        }
        match Pin::new(&mut self.io).poll_shutdown(cx) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(_)) => return Poll::Ready(()),
            Poll::Pending => {}
        }
        if self.poll_read(cx).is_ready() {
            return Poll::Ready(());
        }
        self.timer.as_mut().map_or(Poll::Ready(()), |stall| stall.sleep.as_mut().poll(cx))
    }
}

impl Stall {
    fn new(time: Duration) -> Self {
        Self { sleep: Box::pin(tokio::time::sleep(time)), taken: 0 }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Line<T> {
    /// Does what can be done. `cx` is the task's, `feed` what the feed wakes. Ready when the connection is over.
    fn poll(&mut self, cx: &mut Context<'_>, feed: &mut Context<'_>) -> Poll<()> {
        while self.state != State::Closing {
            let had_room = self.ongoing.feed().has_room();
            if self.poll_read(cx).is_ready() {
                return Poll::Ready(());
            }
            self.fill(feed);
            let idle = self.out.is_empty();
            match self.poll_write(cx) {
                Poll::Pending => {
                    // What it sends may matter although it takes nothing.
                    if !had_room && self.ongoing.feed().has_room() {
                        continue;
                    }
                    return Poll::Pending;
                }
                Poll::Ready(Err(Over)) => return Poll::Ready(()),
                Poll::Ready(Ok(())) => {}
            }
            match self.state {
                State::Open if idle && (had_room || !self.ongoing.feed().has_room()) => return Poll::Pending,
                State::Open => {}
                State::Last | State::Closing => break,
            }
        }
        self.poll_close(cx)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Future for Courier<T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.shared.task.register(cx.waker());
        let mut line = self.shared.line.lock();
        let line = line.as_mut().expect("it is taken when this is dropped");
        line.poll(cx, &mut Context::from_waker(&self.waker))
    }
}

impl<T> Drop for Courier<T> {
    fn drop(&mut self) {
        let line = self.shared.line.lock().take();
        // With the lock free: the feed's end may wake.
        drop(line);
    }
}

#[cfg(test)]
mod tests;
