//! What a subscriber reads: frames, controls and comments as events.
//!
//! **Invariant:** what a tick costs each of its subscribers is a pointer to the shared bytes
//! (`subscribers_get_the_shared_bytes`); an id names all channels that the connection watches
//! (`an_id_names_every_channel`); silence is broken by a comment in time (`silence_is_broken_by_comments`).
//! **Source:** `openapi/protocol.md`, "Server-Sent Events", "Controls"; WHATWG HTML §9.2; RFC 9112 §7.1 (chunks).

use std::collections::VecDeque;
use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, Sleep};

use super::super::ongoing::Feed;
use super::super::source::{Source, Sources};
use crate::channel::Delivery;
use crate::protocol::{ChannelName, Close, Control, EncodedTick, Positions, Wire};
use crate::telemetry::{Carrier, Metrics};

/// A comment, as a chunk and bare.
const COMMENT: (Bytes, Bytes) = (Bytes::from_static(b"3\r\n:\n\n\r\n"), Bytes::from_static(b":\n\n"));
/// The end of a chunked body.
const LAST_CHUNK: Bytes = Bytes::from_static(b"0\r\n\r\n");

/// How a connection is served.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// Whether the body goes out in chunks: HTTP/1.1, not 1.0.
    pub(super) chunked: bool,
    /// What `retry:` says at first.
    pub(super) retry: Duration,
    /// After how long of silence there is a comment.
    pub(super) keep_alive: Duration,
    /// When the token's time is over.
    pub(super) until: Option<Instant>,
    /// The form of frames.
    pub(super) wire: Wire,
}

/// The events of one connection.
pub(super) struct Events<S> {
    sources: Sources<S>,
    /// Where the page stands in each channel, where it watches several.
    positions: Option<Positions>,
    /// Made and not yet given out.
    ready: VecDeque<Bytes>,
    manner: Manner,
    timer: Pin<Box<Sleep>>,
    spoke: Instant,
    over: bool,
    metrics: Metrics,
}

impl<S: Source> Events<S> {
    /// `positions`: where the page stands, if it watches several channels.
    pub(super) fn new(sources: Vec<S>, positions: Option<Positions>, manner: Manner, metrics: Metrics) -> Self {
        let now = Instant::now();
        let first = now + manner.keep_alive;
        let timer = Box::pin(tokio::time::sleep_until(manner.until.map_or(first, |until| until.min(first))));
        let (sources, ready) = (Sources::new(sources), VecDeque::new());
        let mut events = Self { sources, positions, ready, manner, timer, spoke: now, over: false, metrics };
        events.say(format!("retry: {}\n\n", manner.retry.as_millis()).as_bytes());
        events
    }

    /// Adds what this connection alone gets.
    fn say(&mut self, event: &[u8]) {
        let bytes = match self.manner.chunked {
            true => [format!("{:X}\r\n", event.len()).as_bytes(), event, b"\r\n"].concat(),
            false => event.to_vec(),
        };
        self.ready.push_back(bytes.into());
    }

    fn control(&mut self, control: &Control) {
        self.say(&control.sse(None));
    }

    /// Nothing follows what is ready.
    fn end(&mut self) {
        self.over = true;
        if self.manner.chunked {
            self.ready.push_back(LAST_CHUNK);
        }
    }

    /// Sends the client away, to come back after a time or not at all.
    fn bye(&mut self, close: Close, after_ms: u64) {
        let bye = Control::Bye { reason: close.name(), come_back: close.come_back(), after_ms };
        let retry = if close.come_back() { format!("retry: {after_ms}\n") } else { String::new() };
        self.say(&[retry.as_bytes(), &bye.sse(None)].concat());
        self.end();
    }

    fn take(&mut self, channel: ChannelName, delivery: Delivery) {
        match delivery {
            Delivery::Tick(tick) => self.tick(&channel, &tick),
            Delivery::Subscribed { id, by, declared } => {
                self.control(&Control::Subscribed { channel, id, by, declared });
            }
            Delivery::Reset { id, reason, declared } => {
                let written = match &mut self.positions {
                    None => id.to_string(),
                    Some(positions) => {
                        positions.set(&channel, id);
                        positions.to_string()
                    }
                };
                let reset = Control::Reset { channel, id, reason: reason.as_str(), declared };
                self.say(&reset.sse(Some(&written)));
            }
            Delivery::Ended => {
                self.control(&Control::Ended { channel: channel.clone() });
                self.sources.remove(&channel);
                if self.sources.is_empty() {
                    self.end();
                }
            }
            Delivery::Bye { come_back, after_ms } => {
                // The others may still have something to say before they go.
                self.sources.remove(&channel);
                if self.sources.is_empty() {
                    self.bye(if come_back { Close::Restart } else { Close::CutOff }, after_ms);
                }
            }
            // Told to those who publish over their connection.
            Delivery::Cancelled(_) => {}
        }
    }

    fn tick(&mut self, channel: &ChannelName, tick: &EncodedTick) {
        let frames = tick.frames(self.manner.wire, self.positions.is_some());
        if frames.is_empty() {
            return;
        }
        let chunked = self.manner.chunked;
        let bytes = match &mut self.positions {
            None => {
                let bytes = if chunked { frames.sse_chunk() } else { frames.sse() };
                self.ready.push_back(bytes.clone());
                bytes.len()
            }
            Some(positions) => {
                positions.set(channel, tick.to());
                let (events, id) = (frames.sse_without_id(), format!("id: {positions}\n\n"));
                let bytes = events.len() + id.len();
                let (head, tail) = match chunked {
                    true => (format!("{bytes:X}\r\n"), id + "\r\n"),
                    false => (String::new(), id),
                };
                self.ready.extend([head.into(), events, tail.into()]);
                bytes
            }
        };
        self.metrics.streams().delivered(Carrier::Sse, frames.len() as u64, bytes as u64);
    }

    /// Looks at the clock. Whether there is something to say.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> bool {
        while self.timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if self.manner.until.is_some_and(|until| until <= now) {
                return true; // It is looked at before anything is said.
            }
            let silent = self.spoke + self.manner.keep_alive;
            let next = if silent <= now { now + self.manner.keep_alive } else { silent };
            self.timer.as_mut().reset(self.manner.until.map_or(next, |until| until.min(next)));
            if silent <= now {
                self.ready.push_back(if self.manner.chunked { COMMENT.0 } else { COMMENT.1 });
                return true;
            }
        }
        false
    }
}

impl<S: Source> Feed for Events<S> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if let Some(bytes) = self.ready.pop_front() {
                self.spoke = Instant::now();
                return Poll::Ready(Some(bytes));
            }
            if self.over {
                return Poll::Ready(None);
            }
            // Also where the channels always have something.
            if self.manner.until.is_some_and(|until| until <= Instant::now()) {
                self.bye(Close::TokenExpired, 0);
                continue;
            }
            match self.sources.poll_next(cx) {
                Poll::Ready((channel, delivery)) => self.take(channel, delivery),
                Poll::Pending if self.sources.is_empty() => self.end(),
                Poll::Pending => {
                    if !self.poll_timer(cx) {
                        return Poll::Pending;
                    }
                }
            }
        }
    }
}
