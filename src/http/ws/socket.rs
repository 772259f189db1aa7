//! A WebSocket: what its client says, one thing after the other, and what it is told.
//!
//! ```text
//!  handshake ──▶ unknown ──token──▶ open ──┬─ client closes ────────▶ answered, over
//!                   │                 ▲    ├─ it breaks a rule ─────▶ 1002 … 1009, over
//!                   └─ 10 s: 4104     │    ├─ token's time over ────▶ 4100, over
//!                               no token   ├─ silent for 30 s ──────▶ 4000, over
//!                                needed    └─ the service stops ────▶ 1012, over
//! ```
//!
//! Nothing waits in a queue that grows: while an answer is due to what was said, no more is read, and frames are taken
//! from the channels only when the socket has room.
//!
//! **Invariant:** what is said is answered in order (`what_is_said_is_answered_in_order`); a client that says much and
//! reads nothing is not read any further (`a_client_that_only_talks_is_not_heard_forever`); a silent one is closed
//! (`a_silent_client_is_pinged_and_then_closed`).
//! **Source:** `openapi/protocol.md`, "WebSocket", "Close codes"; RFC 6455 §5.5, §7.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use serde_json::value::RawValue;
use tokio::time::{Instant, Sleep};

use super::super::ongoing::Feed;
use super::super::problem::Problem;
use super::super::problem_kinds::Kind;
use super::super::source::Sources;
use super::desk::{Desk, Work};
use super::input::{HEAD_BYTES_MAX, Input, Said};
use super::output;
use crate::channel::{Delivery, From};
use crate::protocol::{
    ChannelName, ClientMessage, Close, Control, EncodedTick, MessageError, Position, Reference, Sizes, SubscribeFrom,
};
use crate::telemetry::{Carrier, Metrics};

/// Answers that may wait to be written before no more is read.
const ANSWERS_MAX: usize = 16;
/// A client that takes at least this much in a second has not gone, although it says nothing: it will come to our ping
/// when it has read what stands before it.
const READS_BYTES_PER_SECOND: u64 = 16 * 1024;

/// How a WebSocket is served.
#[derive(Clone, Debug)]
pub(in crate::http) struct Manner {
    /// The longest message, in bytes.
    pub(in crate::http) message_bytes_max: usize,
    /// After how long of silence it is pinged, and closed.
    pub(in crate::http) ping: Duration,
    pub(in crate::http) gone: Duration,
    /// How long it may take to bring a token.
    pub(in crate::http) token_wait: Duration,
    /// Channels that it may watch.
    pub(in crate::http) channels_max: usize,
    /// Sizes of what it publishes.
    pub(in crate::http) sizes: Sizes,
}

/// What is watched from the start.
#[derive(Clone, Debug)]
pub(super) struct Only {
    /// The channel of the path: the one that this connection watches, so that frames do not name it.
    pub(super) channel: ChannelName,
    /// Where it begins; taken when the client is known.
    pub(super) from: Option<From>,
}

/// One connection.
pub(super) struct Socket<D: Desk> {
    desk: D,
    manner: Arc<Manner>,
    metrics: Metrics,
    only: Option<Box<Only>>,
    input: Input,
    sources: Sources<D::Source>,
    answers: VecDeque<Bytes>,
    /// The tick that is being sent, the frame that is next, and whether its head is out.
    tick: Option<(Arc<EncodedTick>, usize, bool)>,
    work: Option<(Reference, Work)>,
    stopping: Option<Pin<Box<dyn Future<Output = u64> + Send>>>,
    clock: Clock,
    over: bool,
}

/// When what is due.
struct Clock {
    timer: Pin<Box<Sleep>>,
    began: Instant,
    /// When the client was last heard, and what it was sent since.
    heard: Instant,
    sent_since: u64,
    pinged: bool,
}

impl<D: Desk> Socket<D> {
    pub(super) fn new(desk: D, manner: Arc<Manner>, metrics: Metrics, only: Option<Only>) -> Self {
        let now = Instant::now();
        let timer = Box::pin(tokio::time::sleep_until(now));
        let mut socket = Self {
            input: Input::new(manner.message_bytes_max),
            only: only.map(Box::new),
            sources: Sources::new(Vec::new()),
            answers: VecDeque::new(),
            clock: Clock { timer, began: now, heard: now, sent_since: 0, pinged: false },
            tick: None,
            work: None,
            stopping: None,
            over: false,
            desk,
            manner,
            metrics,
        };
        socket.begin();
        socket
    }

    /// Watches the channel of the path as soon as the client is known.
    fn begin(&mut self) {
        let Some(only) = self.only.as_mut().filter(|_| self.desk.is_known()) else { return };
        let Some(from) = only.from.take() else { return };
        let channel = only.channel.clone();
        if !self.desk.may_watch(&channel) {
            return self.close(Close::Forbidden, 0);
        }
        match self.desk.watch(&channel, from) {
            Ok(source) => self.sources.put(source),
            Err(problem) => {
                self.tell_refused(None, Some(channel), &problem);
                let close = if problem.kind() == Kind::Draining { Close::Restart } else { Close::Busy };
                self.close(close, problem.retry_after_seconds().unwrap_or(1) * 1000);
            }
        }
    }

    /// More came with the handshake than a client can have a reason to send before it is answered.
    pub(super) fn refuse_early(&mut self) {
        self.close(Close::TooLarge, 0);
    }

    fn tell(&mut self, control: &Control) {
        self.answers.push_back(output::text(&control.json()));
    }

    /// Says why, and that nothing follows.
    fn close(&mut self, close: Close, after_ms: u64) {
        self.tell(&Control::Bye { reason: close.name(), come_back: close.come_back(), after_ms });
        self.answers.push_back(output::close(close));
        self.over = true;
    }

    /// Refuses a message. It counts all the same, or one socket could keep a core busy with refusals (CWE-770). A
    /// client that is known and over its rate is told to wait instead.
    fn refuse(&mut self, reference: Option<Reference>, channel: Option<ChannelName>, problem: &Problem) {
        self.tell_refused(reference, channel, problem);
        if !(self.desk.is_known() && problem.kind() == Kind::RateLimited) {
            self.charge();
        }
    }

    /// Counts a message that did nothing. Too many end the connection.
    fn charge(&mut self) {
        if let Err(problem) = self.desk.charge() {
            self.close(Close::Busy, problem.retry_after_seconds().unwrap_or(1) * 1000);
        }
    }

    fn tell_refused(&mut self, reference: Option<Reference>, channel: Option<ChannelName>, problem: &Problem) {
        let problem_json = RawValue::from_string(self.desk.refused(problem)).expect("a problem's body is JSON");
        let retry_after = problem.retry_after_seconds();
        self.tell(&Control::Refused { reference, channel, problem: problem_json, retry_after });
    }

    fn answer(&mut self, reference: Reference, outcome: Result<Position, Problem>) {
        match outcome {
            Ok(id) => self.tell(&Control::Ack { reference, id }),
            Err(problem) => self.refuse(Some(reference), None, &problem),
        }
    }

    /// Takes the next thing that the client has said. Whether there was one.
    fn hear(&mut self) -> bool {
        if self.work.is_some() || self.answers.len() >= ANSWERS_MAX {
            return false;
        }
        match self.input.next() {
            Ok(None) => return false,
            Ok(Some(Said::Pong)) => {}
            Ok(Some(Said::Ping(carried))) => self.answers.push_back(output::pong(&carried)),
            Ok(Some(Said::Close(code))) => {
                self.answers.push_back(output::close_back(code));
                self.over = true;
            }
            Ok(Some(Said::Text(text))) => match ClientMessage::parse(text.as_bytes(), &self.manner.sizes) {
                Ok(message) => self.obey(message, text.len()),
                Err(error) => self.correct(error),
            },
            Err(close) => self.close(close, 0),
        }
        true
    }

    /// A message that could not be read: told where it can be, else the end.
    fn correct(&mut self, error: MessageError) {
        match error.reference {
            Some(reference) => self.refuse(Some(reference), None, &error.problem.into()),
            None if error.unknown_type => self.close(Close::Unsupported, 0),
            None => self.close(Close::BadMessage, 0),
        }
    }

    /// Does what a message of so many bytes asks.
    fn obey(&mut self, message: ClientMessage, bytes: usize) {
        match message {
            ClientMessage::Token { token } => self.present(&token),
            ClientMessage::Subscribe { channel, id, from, token } => {
                if let Some(token) = token {
                    self.present(&token);
                }
                if !self.over {
                    self.subscribe(channel, id, from);
                }
            }
            ClientMessage::Unsubscribe { channel } => {
                let watched = self.sources.remove(&channel);
                self.tell(&Control::Unsubscribed { channel, reason: "asked" });
                if !watched {
                    self.charge();
                }
            }
            ClientMessage::Publish { channel, batch, reference } => {
                let work = self.desk.publish(channel, batch, bytes);
                self.begin_work(reference, work);
            }
            ClientMessage::Cancel { channel, stream, reference } => {
                let work = self.desk.cancel(channel, stream);
                self.begin_work(reference, work);
            }
        }
    }

    fn begin_work(&mut self, reference: Reference, work: Result<Work, Problem>) {
        match work {
            Ok(work) => self.work = Some((reference, work)),
            Err(problem) => self.refuse(Some(reference), None, &problem),
        }
    }

    /// A token came: what it does not allow is watched no more.
    fn present(&mut self, token: &str) {
        match self.desk.present(token) {
            Ok(()) => {}
            Err(problem) if problem.kind() == Kind::Unauthorized => return self.close(Close::TokenExpired, 0),
            Err(problem) => return self.refuse(None, None, &problem),
        }
        let lost: Vec<_> = self.sources.channels().filter(|channel| !self.desk.may_watch(channel)).cloned().collect();
        for channel in lost {
            self.sources.remove(&channel);
            self.tell(&Control::Unsubscribed { channel, reason: Kind::Forbidden.row().slug });
        }
        self.begin();
        self.clock.timer.as_mut().reset(Instant::now());
    }

    fn subscribe(&mut self, channel: ChannelName, id: Option<String>, from: SubscribeFrom) {
        let known = self.sources.channels().any(|watched| *watched == channel);
        let problem = if self.only.as_ref().is_some_and(|only| only.channel != channel) {
            Problem::new(Kind::InvalidOption, "this connection watches the channel of its path; open /ws for others")
        } else if !self.desk.may_watch(&channel) {
            Problem::new(Kind::Forbidden, "the token does not allow to watch this channel")
        } else if !known && self.sources.len() >= self.manner.channels_max {
            let max = self.manner.channels_max;
            Problem::new(Kind::InvalidOption, format!("one connection watches at most {max} channels"))
        } else {
            let from = match (id, from) {
                (Some(id), _) => From::At(id),
                (None, SubscribeFrom::Beginning) => From::Beginning,
                (None, SubscribeFrom::Now) => From::Now,
            };
            match self.desk.watch(&channel, from) {
                Ok(source) => return self.sources.put(source),
                Err(problem) => problem,
            }
        };
        self.refuse(None, Some(channel), &problem);
    }

    /// What comes of a channel.
    fn take(&mut self, channel: ChannelName, delivery: Delivery) {
        match delivery {
            Delivery::Tick(tick) => {
                let frames = self.frames_of(&tick);
                let (count, bytes) = (frames.len() as u64, frames.json().map(|json| json.len() as u64).sum());
                if count > 0 {
                    self.metrics.streams().delivered(Carrier::WebSocket, count, bytes);
                    self.tick = Some((tick, 0, false));
                }
            }
            Delivery::Subscribed { id, by, declared } => {
                self.tell(&Control::Subscribed { channel, id, by, declared });
            }
            Delivery::Reset { id, reason, declared } => {
                self.tell(&Control::Reset { channel, id, reason: reason.as_str(), declared });
            }
            Delivery::Cancelled(stream) => self.tell(&Control::Cancelled { channel, stream }),
            Delivery::Ended => {
                self.sources.remove(&channel);
                self.tell(&Control::Ended { channel });
                if self.only.is_some() {
                    self.close(Close::Ended, 0);
                }
            }
            Delivery::Bye { come_back, after_ms } => {
                // The others may still have something to say before they go.
                self.sources.remove(&channel);
                if self.sources.is_empty() {
                    self.close(if come_back { Close::Restart } else { Close::CutOff }, after_ms);
                }
            }
        }
    }

    fn frames_of<'a>(&self, tick: &'a EncodedTick) -> &'a crate::protocol::EncodedFrames {
        tick.frames(self.desk.wire(), self.only.is_none())
    }

    /// The next bytes of the tick that is being sent: a frame's head, then the frame.
    fn next_of_tick(&mut self) -> Option<Bytes> {
        let (tick, index, head_is_out) = self.tick.take()?;
        let frames = self.frames_of(&tick);
        if !head_is_out {
            let head = frames.websocket_head(index)?;
            self.tick = Some((tick, index, true));
            return Some(head);
        }
        let json = frames.get(index)?;
        self.tick = Some((tick, index + 1, false));
        Some(json)
    }

    /// What the clock says. Whether there is something to tell.
    fn poll_clock(&mut self, cx: &mut Context<'_>) -> bool {
        while self.clock.timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            let manner = &self.manner;
            if self.desk.until().is_some_and(|until| until <= now) {
                self.close(Close::TokenExpired, 0);
                return true;
            }
            let token_by = (!self.desk.is_known()).then(|| self.clock.began + manner.token_wait);
            if token_by.is_some_and(|by| by <= now) {
                self.close(Close::TokenMissing, 0);
                return true;
            }
            let reading = Duration::from_secs(self.clock.sent_since / READS_BYTES_PER_SECOND);
            let (ping_at, gone_at) = (self.clock.heard + manner.ping, self.clock.heard + manner.gone + reading);
            if gone_at <= now {
                self.close(Close::Silent, 0);
                return true;
            }
            let ping = !self.clock.pinged && ping_at <= now;
            self.clock.pinged |= ping;
            let next = if self.clock.pinged { gone_at } else { ping_at };
            let next = [self.desk.until(), token_by].into_iter().flatten().fold(next, Instant::min);
            self.clock.timer.as_mut().reset(next);
            if ping {
                self.answers.push_back(output::PING);
                return true;
            }
        }
        false
    }

    /// Whether the service stops, where no channel would say so.
    fn poll_stopping(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.sources.is_empty() {
            self.stopping = None;
            return false;
        }
        let stopping = self.stopping.get_or_insert_with(|| self.desk.stopping());
        let Poll::Ready(after_ms) = stopping.as_mut().poll(cx) else { return false };
        self.close(Close::Restart, after_ms);
        true
    }

    /// Does the next thing that can be done. Whether there was one.
    fn step(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some((_, work)) = &mut self.work
            && let Poll::Ready(outcome) = work.as_mut().poll(cx)
        {
            let (reference, _) = self.work.take().expect("it was polled");
            self.answer(reference, outcome);
            return true;
        }
        if self.hear() {
            return true;
        }
        // Also where the channels always have something.
        if self.desk.until().is_some_and(|until| until <= Instant::now()) {
            self.close(Close::TokenExpired, 0);
            return true;
        }
        // Who is told to go has the answer to what it said last.
        if self.work.is_none()
            && let Poll::Ready((channel, delivery)) = self.sources.poll_next(cx)
        {
            self.take(channel, delivery);
            return true;
        }
        self.poll_clock(cx) || self.work.is_none() && self.poll_stopping(cx)
    }
}

impl<D: Desk> Feed for Socket<D> {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            let in_frame = matches!(self.tick, Some((_, _, true)));
            let bytes = match in_frame {
                true => self.next_of_tick(),
                false => self.answers.pop_front().or_else(|| if self.over { None } else { self.next_of_tick() }),
            };
            if let Some(bytes) = bytes {
                self.clock.sent_since += bytes.len() as u64;
                return Poll::Ready(Some(bytes));
            }
            if self.over {
                return Poll::Ready(None);
            }
            if !self.step(cx) {
                return Poll::Pending;
            }
        }
    }

    fn has_room(&self) -> bool {
        !self.over
            && self.answers.len() < ANSWERS_MAX
            && self.input.waiting() < self.manner.message_bytes_max + HEAD_BYTES_MAX
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.clock.heard = Instant::now();
        self.clock.sent_since = 0;
        if self.clock.pinged {
            self.clock.pinged = false;
            self.clock.timer.as_mut().reset(self.clock.heard);
        }
        self.input.push(bytes);
    }
}
