//! One batch on its way through a stream's life: the life as it would be, and the ops as the log would have them.
//!
//! **Source:** `openapi/protocol.md`, "A stream's life", "Text in pieces".

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Life, Opening, Plan, Right, Rules};
use crate::channel::refusal::PublishRefusal;
use crate::channel::run_options::streamed;
use crate::protocol::{DomOp, Joiner, Kind, Mode, Op, Piece, RunState, StreamName, Target};

/// What one code point that waits for its rest may become: U+FFFD, once or twice.
const HELD_BYTES: usize = 6;

pub(super) struct Draft<'a> {
    rules: &'a Rules,
    stream: &'a StreamName,
    pub(super) life: Life,
    /// Markdown that the stream holds before.
    before: usize,
    ops: Vec<Op<String>>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(rules: &'a Rules, stream: &'a StreamName, life: Life) -> Self {
        Self { rules, stream, before: life.markdown_bytes(), life, ops: Vec::new() }
    }

    /// So many ops will be taken, and one may be put before them.
    pub(super) fn expect(&mut self, ops: usize) {
        self.ops.reserve_exact(ops + 1);
    }

    pub(super) fn into_plan(self) -> Plan {
        Plan { stream: self.stream.clone(), ops: self.ops, life: self.life }
    }

    /// Whether the sender may send this at all, whatever the stream's state.
    pub(super) fn allow(&self, at: usize, op: &Op<Piece>, right: Right) -> Result<(), PublishRefusal> {
        if let Op::Dom(DomOp::Html { .. }) = op
            && !self.rules.html_ops
        {
            return Err(PublishRefusal::HtmlRejected { op: at });
        }
        if right == Right::Backend {
            return Ok(());
        }
        let Op::Dom(dom) = op else { return Ok(()) };
        if matches!(dom, DomOp::Html { .. } | DomOp::Delete { .. } | DomOp::Prune { .. }) {
            return Err(PublishRefusal::Forbidden { op: at, why: "a token may not send this op" });
        }
        if dom.target().is_some_and(|target| !target.is_own(self.stream)) {
            return Err(PublishRefusal::Forbidden { op: at, why: "a token may act on the stream's own element only" });
        }
        Ok(())
    }

    /// Takes one op, or refuses it.
    pub(super) fn take(&mut self, at: usize, op: Op<Piece>) -> Result<(), PublishRefusal> {
        let dom = match op {
            Op::Markdown { text, options } => return self.markdown(at, &text, options),
            Op::Dom(dom) => dom,
        };
        match dom {
            DomOp::Event { target, name, detail, keep } => {
                self.push(DomOp::Event { target, name, detail, keep });
            }
            DomOp::Start { target, clear } => {
                self.flush();
                self.begin(true, DomOp::Start { target, clear });
            }
            DomOp::Done { .. } if self.life.state == RunState::Error => {}
            DomOp::Done { target, cancelled } => {
                self.running(at)?;
                self.end(DomOp::Done { target, cancelled });
            }
            DomOp::Error { target, error } if self.life.state == RunState::Error => {
                self.push(DomOp::Error { target, error });
            }
            DomOp::Error { target, error } => {
                self.running(at)?;
                self.end(DomOp::Error { target, error });
            }
            DomOp::Delete { target } => self.removal(at, DomOp::Delete { target })?,
            DomOp::Prune { target, limit, edge } => self.removal(at, DomOp::Prune { target, limit, edge })?,
            DomOp::Html { place, target, html } => {
                self.content(at, Kind::Ops)?;
                self.push(DomOp::Html { place, target, html });
            }
            DomOp::Text { target, text, mode } => self.text(at, target, &text, mode)?,
        }
        Ok(())
    }

    /// `delete` and `prune`, which an ops run takes after its end too.
    fn removal(&mut self, at: usize, op: DomOp) -> Result<(), PublishRefusal> {
        let ended = matches!(self.life.state, RunState::Done | RunState::Cancelled);
        if !(ended && self.life.kind == Some(Kind::Ops)) {
            self.content(at, Kind::Ops)?;
        }
        self.push(op);
        Ok(())
    }

    fn text(
        &mut self,
        at: usize,
        target: Option<Target>,
        piece: &Piece,
        mode: Option<Mode>,
    ) -> Result<(), PublishRefusal> {
        self.content(at, Kind::Ops)?;
        let (elsewhere, prepends) = (target.clone().filter(|t| !t.is_own(self.stream)), mode == Some(Mode::Prepend));
        if (&elsewhere, prepends) != (&self.life.text_target, self.life.text_prepends) {
            // The other half can't come here: what is held belongs to another text.
            self.flush();
        }
        let mut text = String::with_capacity(piece.len());
        self.life.joiner.push(piece.as_bytes(), &mut text);
        (self.life.text_target, self.life.text_prepends) = (elsewhere, prepends);
        // All of it waits: sent as empty text it would blank an element whose text is replaced.
        if !text.is_empty() || piece.is_empty() {
            self.push(DomOp::Text { target, text, mode });
        }
        Ok(())
    }

    fn markdown(
        &mut self,
        at: usize,
        piece: &Piece,
        options: Option<Box<Map<String, Value>>>,
    ) -> Result<(), PublishRefusal> {
        self.content(at, Kind::Markdown)?;
        let options = self.settle(at, options.filter(|options| !options.is_empty()))?;
        let mut text = String::with_capacity(piece.len());
        self.life.joiner.push(piece.as_bytes(), &mut text);
        self.life.expires = true;
        self.life.bytes += text.len();
        let held = if self.life.joiner.is_empty() { 0 } else { HELD_BYTES };
        if self.life.bytes + held > self.rules.stream_bytes_max {
            return Err(PublishRefusal::StreamTooLarge { max: self.rules.stream_bytes_max });
        }
        self.ops.push(Op::Markdown { text, options });
        Ok(())
    }

    /// The options that this `markdown` op has in the log: those of the run on its first, none on later ones, which may
    /// repeat them but not change them.
    fn settle(
        &mut self,
        at: usize,
        said: Option<Box<Map<String, Value>>>,
    ) -> Result<Option<Box<Map<String, Value>>>, PublishRefusal> {
        let judged = match (&said, &self.life.options) {
            (None, Some(_)) => None,
            _ => Some(streamed(said.as_deref()).map_err(|refusal| PublishRefusal::of_options(Some(at), refusal))?),
        };
        match (&self.life.options, judged) {
            (Some(settled), Some(judged)) if **settled != judged => {
                return Err(PublishRefusal::OptionsDiffer { op: at });
            }
            (Some(_), _) => {}
            (None, judged) => {
                self.life.options = judged.map(Arc::new);
                return Ok(said);
            }
        }
        Ok(self.life.opening.take().and_then(|Opening(options)| options))
    }

    /// Content comes: the run is begun where that may stay unsaid, and is of this kind or becomes so.
    fn content(&mut self, at: usize, kind: Kind) -> Result<(), PublishRefusal> {
        match self.life.state {
            RunState::Error if kind == Kind::Markdown || self.life.kind == Some(Kind::Markdown) => {
                return Err(PublishRefusal::StreamFailed { op: at });
            }
            // Whoever started the run that failed goes on with this one, and may fall silent as well.
            RunState::Error => self.begin(self.life.expires, DomOp::Start { target: None, clear: false }),
            _ => self.running(at)?,
        }
        match self.life.kind {
            None => self.life.kind = Some(kind),
            Some(fixed) if fixed != kind => return Err(PublishRefusal::StreamKind { op: at, kind: fixed }),
            Some(_) => {}
        }
        Ok(())
    }

    /// The run is active, or is begun where there never was one.
    fn running(&mut self, at: usize) -> Result<(), PublishRefusal> {
        match self.life.state {
            RunState::Active => Ok(()),
            RunState::Idle => {
                self.begin(false, DomOp::Start { target: None, clear: false });
                Ok(())
            }
            RunState::Done => Err(PublishRefusal::StreamDone { op: at }),
            RunState::Cancelled => Err(PublishRefusal::StreamCancelled { op: at }),
            RunState::Error => Err(PublishRefusal::StreamFailed { op: at }),
        }
    }

    fn begin(&mut self, expires: bool, start: DomOp) {
        self.life = Life { run: self.life.run + 1, state: RunState::Active, expires, ..Life::new(self.life.fed) };
        self.push(start);
    }

    /// Ends the run with `op`, behind all that is still held.
    pub(super) fn end(&mut self, op: DomOp) {
        self.flush();
        self.life.state = match op {
            DomOp::Error { .. } => RunState::Error,
            DomOp::Done { cancelled: true, .. } => RunState::Cancelled,
            _ => RunState::Done,
        };
        self.life.body = None;
        self.push(op);
    }

    /// Says what is left to say of the run: the document of a body that brought no text, halves that stayed alone.
    fn flush(&mut self) {
        if let Some(Opening(options)) = self.life.opening.take() {
            self.ops.push(Op::Markdown { text: String::new(), options });
        }
        let mut text = String::new();
        std::mem::replace(&mut self.life.joiner, Joiner::new()).finish(&mut text);
        if text.is_empty() {
            return;
        }
        if self.life.kind == Some(Kind::Markdown) {
            self.life.bytes += text.len();
            self.ops.push(Op::Markdown { text, options: None });
        } else {
            let mode = if self.life.text_prepends { Mode::Prepend } else { Mode::Append };
            self.push(DomOp::Text { target: self.life.text_target.clone(), text, mode: Some(mode) });
        }
    }

    fn push(&mut self, op: DomOp) {
        self.ops.push(Op::Dom(op));
    }

    /// Refuses Markdown that all streams of the channel together can't hold.
    pub(super) fn check_channel(&self, channel_bytes: usize) -> Result<(), PublishRefusal> {
        let grown = self.life.markdown_bytes().saturating_sub(self.before);
        if grown > 0 && channel_bytes.saturating_add(grown) > self.rules.channel_bytes_max {
            return Err(PublishRefusal::ChannelTooLarge { max: self.rules.channel_bytes_max });
        }
        Ok(())
    }
}
