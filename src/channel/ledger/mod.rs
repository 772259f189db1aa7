//! The judge before a channel's log: which ops a stream takes, and what they are once all that they leave unsaid is said.
//!
//! Pure: a batch in, the ops of an entry out, or a refusal that changes nothing. [`Ledger::plan`] decides,
//! [`Ledger::commit`] makes it so once the log has the entry.
//!
//! A stream's life, and what it takes (all others are refused by name):
//!
//! ```text
//!          content op, `done`, `error` (an implicit `start` is put first)
//!   idle ────────────────────────────────────────────────▶ active ──`done`──▶ done ──────┐
//!     └──────────────────── `start` ─────────────────────────▶ ▲ │ ──cancel──▶ cancelled ──┤ `start`;
//!                                                              │ └──`error`──▶ error ──────┤ an ops run also
//!                                                              └───────────────────────────┘ `delete`, `prune`
//!   `event`: always. `start` on an active run begins the next one. After an error of an ops run, content ops put a
//!   `start` first; a Markdown run needs an explicit one. `done` after an error changes nothing.
//! ```
//!
//! **Invariant:** a refusal changes nothing (`a_refused_batch_changes_nothing`).
//!
//! **Invariant:** a run's text is that of its pieces, wherever they were cut, and what is never completed becomes U+FFFD
//! before the run ends (`halves_join_across_batches_and_end_as_replacement`).
//!
//! **Invariant:** the log replays alone: the fold of the entries knows each stream as the ledger does
//! (`the_fold_of_the_entries_agrees_with_the_ledger`).
//!
//! **Source:** `openapi/protocol.md`, "A stream's life".

mod draft;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use ahash::AHashMap;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::refusal::PublishRefusal;
use super::run_options::streamed;
use crate::markdown::Options;
use crate::protocol::{DomOp, Joiner, Kind, Op, Piece, RunState, StreamName, Target};

use draft::Draft;

/// Who sends ops, and so which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// An application's backend: all ops.
    Backend,
    /// A browser whose token allows to publish: `start`, `text`, `markdown`, `done`, `error` and `event`, on the stream's
    /// own element.
    Browser,
}

/// What the ledger holds streams to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) streams_max: usize,
    pub(super) stream_bytes_max: usize,
    pub(super) channel_bytes_max: usize,
    pub(super) html_ops: bool,
}

/// One open body: no two of a process are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BodyId(pub(super) u64);

/// Which run of a stream, counted from 1.
pub(super) type RunNumber = u64;

/// The lives of a channel's streams.
#[derive(Debug)]
pub(super) struct Ledger {
    rules: Rules,
    streams: AHashMap<StreamName, Life>,
    /// Runs that are active.
    active: usize,
    /// Active runs that end when nobody feeds them.
    expiring: usize,
    /// Source of all streams' Markdown runs, in bytes.
    markdown_bytes: usize,
}

/// One stream.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) run: RunNumber,
    pub(super) state: RunState,
    pub(super) kind: Option<Kind>,
    /// The source of a Markdown run, in bytes.
    pub(super) bytes: usize,
    /// Whether the run ends with an error when nobody feeds it: it was started, or fed by Markdown.
    pub(super) expires: bool,
    /// What the run's document is made with, once that is said.
    options: Option<Arc<Options>>,
    /// The options of an open body's first `markdown` op, which is yet to be sent.
    opening: Option<Opening>,
    joiner: Joiner,
    /// Where text that is held belongs.
    text_target: Option<Target>,
    text_prepends: bool,
    pub(super) body: Option<BodyId>,
    fed: Instant,
}

/// The options that an open body brought.
#[derive(Clone, Debug)]
struct Opening(Option<Box<Map<String, Value>>>);

/// What an entry will hold, and the stream's life after it.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) stream: StreamName,
    pub(super) ops: Vec<Op<String>>,
    life: Life,
}

impl Life {
    fn new(now: Instant) -> Self {
        Self {
            run: 0,
            state: RunState::Idle,
            kind: None,
            bytes: 0,
            expires: false,
            options: None,
            opening: None,
            joiner: Joiner::new(),
            text_target: None,
            text_prepends: false,
            body: None,
            fed: now,
        }
    }

    fn is_active(&self) -> bool {
        self.state == RunState::Active
    }

    fn markdown_bytes(&self) -> usize {
        if self.kind == Some(Kind::Markdown) { self.bytes } else { 0 }
    }
}

impl Ledger {
    pub(super) fn new(rules: Rules) -> Self {
        Self { rules, streams: AHashMap::new(), active: 0, expiring: 0, markdown_bytes: 0 }
    }

    /// What a batch comes to. All of it or nothing.
    pub(super) fn plan(
        &self,
        stream: &StreamName,
        ops: Vec<Op<Piece>>,
        right: Right,
        now: Instant,
    ) -> Result<Plan, PublishRefusal> {
        let mut draft = self.draft(stream, now)?;
        draft.expect(ops.len());
        for (at, op) in ops.into_iter().enumerate() {
            draft.allow(at, &op, right)?;
            draft.take(at, op)?;
        }
        draft.check_channel(self.markdown_bytes)?;
        Ok(draft.into_plan())
    }

    /// The `start` of an open body. Its options are judged now and sent with its first text.
    pub(super) fn plan_body(
        &self,
        stream: &StreamName,
        options: Option<Map<String, Value>>,
        body: BodyId,
        now: Instant,
    ) -> Result<Plan, PublishRefusal> {
        let judged = streamed(options.as_ref()).map_err(|refusal| PublishRefusal::of_options(None, refusal))?;
        let mut draft = self.draft(stream, now)?;
        if draft.life.body.is_some() {
            return Err(PublishRefusal::StreamBusy);
        }
        draft.take(0, Op::Dom(DomOp::Start { target: None, clear: false }))?;
        draft.life.kind = Some(Kind::Markdown);
        draft.life.options = Some(Arc::new(judged));
        draft.life.opening = Some(Opening(options.map(Box::new)));
        draft.life.body = Some(body);
        Ok(draft.into_plan())
    }

    /// The end of an active run by the hub itself; `None` where it is not active.
    pub(super) fn plan_end(&self, stream: &StreamName, end: End<'_>) -> Option<Plan> {
        let life = self.streams.get(stream).filter(|life| life.is_active())?;
        let mut draft = Draft::new(&self.rules, stream, life.clone());
        draft.end(match end {
            End::Done => DomOp::Done { target: None, cancelled: false },
            End::Cancelled => DomOp::Done { target: None, cancelled: true },
            End::Error(message) => DomOp::Error { target: None, error: message.to_owned() },
        });
        Some(draft.into_plan())
    }

    fn draft<'a>(&'a self, stream: &'a StreamName, now: Instant) -> Result<Draft<'a>, PublishRefusal> {
        let life = match self.streams.get(stream) {
            Some(life) => Life { fed: now, ..life.clone() },
            None if self.streams.len() >= self.rules.streams_max => {
                return Err(PublishRefusal::TooManyStreams { max: self.rules.streams_max });
            }
            None => Life::new(now),
        };
        Ok(Draft::new(&self.rules, stream, life))
    }

    /// The entry is in the log.
    pub(super) fn commit(&mut self, stream: StreamName, life: Life) {
        self.count(&life, 1);
        if let Some(before) = self.streams.insert(stream, life) {
            self.count(&before, -1);
        }
    }

    fn count(&mut self, life: &Life, sign: isize) {
        let add = |number: &mut usize, n: usize| *number = number.saturating_add_signed(sign * n.cast_signed());
        add(&mut self.active, usize::from(life.is_active()));
        add(&mut self.expiring, usize::from(life.is_active() && life.expires));
        add(&mut self.markdown_bytes, life.markdown_bytes());
    }

    /// A stream, if there was ever one of the name.
    pub(super) fn life(&self, stream: &StreamName) -> Option<&Life> {
        self.streams.get(stream)
    }

    /// How many runs are active.
    pub(super) fn active(&self) -> usize {
        self.active
    }

    /// How many active runs there are that end when nobody feeds them: live feeds are none.
    pub(super) fn expiring(&self) -> usize {
        self.expiring
    }

    /// The active streams, in the order of their names.
    pub(super) fn active_streams(&self) -> Vec<StreamName> {
        self.named(Life::is_active)
    }

    /// The streams whose runs end when nobody feeds them, in the order of their names.
    pub(super) fn expiring_streams(&self) -> Vec<StreamName> {
        self.named(|life| life.is_active() && life.expires)
    }

    /// The streams that nobody has fed since `since`, of those that [`Ledger::expiring`] counts.
    pub(super) fn unfed(&self, since: Instant) -> Vec<StreamName> {
        self.named(|life| life.is_active() && life.expires && life.fed <= since)
    }

    /// When the run that has waited longest was last fed, of those that [`Ledger::expiring`] counts.
    pub(super) fn longest_unfed(&self) -> Option<Instant> {
        self.streams.values().filter(|life| life.is_active() && life.expires).map(|life| life.fed).min()
    }

    fn named(&self, wanted: impl Fn(&Life) -> bool) -> Vec<StreamName> {
        let mut names: Vec<_> =
            self.streams.iter().filter(|(_, life)| wanted(life)).map(|(name, _)| name.clone()).collect();
        names.sort_unstable();
        names
    }
}

/// How the hub ends a run.
#[derive(Clone, Copy, Debug)]
pub(super) enum End<'a> {
    Done,
    Cancelled,
    Error(&'a str),
}

impl Plan {
    /// The ops for the log, and the two that [`Ledger::commit`] takes once they are there.
    pub(super) fn split(self) -> (Vec<Op<String>>, StreamName, Life) {
        (self.ops, self.stream, self.life)
    }
}
