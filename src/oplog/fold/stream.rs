//! The state of one stream: its run, and what is kept of its content.
//!
//! ```text
//!         first content op          done          cancelled
//!  Idle ───────────────────► Active ─────► Done   Cancelled   Error
//!    ╰──────── start ───────►  ▲  ╰───────────────────┴─────────┤
//!                              ╰──────────── start ─────────────╯
//! ```
//!
//! Whether an op is *allowed* in a state is judged before it is logged; here every sequence of ops has a meaning.
//!
//! **Source:** `openapi/protocol.md`, "A stream's life".

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::kept::shift;
use super::{Applied, Body, Document, Keep, Kept, OpAt, What, is_elsewhere};
use crate::protocol::{DomOp, Kind, Mode, Op, Place, RunState, StreamName, Target};

/// Controls that are kept of one stream: two each run, and only as many runs as walls came between. Beyond it the
/// oldest are forgotten, which only an element that is no more could tell.
const CONTROLS_MAX: usize = 256;

/// The state of one stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamFold<B> {
    runs: u64,
    state: RunState,
    kind: Option<Kind>,
    error: Option<String>,
    fed: u64,
    /// The document of the active run.
    open: Option<Kept<B>>,
    /// Where the document of the current run began, active or ended.
    document: Option<OpAt>,
    /// Content ops and the documents of earlier runs, oldest first.
    content: VecDeque<Kept<B>>,
    /// `start`, `done` and `error` on the own element, oldest first.
    controls: Vec<Kept<B>>,
    /// The last event of each name that asked to be kept, by when it was told.
    events: Vec<Kept<B>>,
    bytes: usize,
    /// What stands up to here cannot die any more.
    wall: OpAt,
    /// The last op of its own that looked at other streams' elements: the controls up to here had their say in what it
    /// found there, and stay.
    looked: OpAt,
    /// Whether the own element surely holds no element of another stream.
    alone: bool,
}

/// The reading side.
impl<B: Body> StreamFold<B> {
    /// What the current run has come to.
    #[must_use]
    pub fn state(&self) -> RunState {
        self.state
    }

    /// What the current run is made of; none before its first content op.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        self.kind
    }

    /// How often it was started.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// The message of the current run's error.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// When it last got an entry: milliseconds since 1970.
    #[must_use]
    pub fn last_fed(&self) -> u64 {
        self.fed
    }

    /// The document of the current run, while it is active or after it ended; none for an ops run.
    #[must_use]
    pub fn document(&self) -> Option<&Document<B>> {
        let ended = || self.content.get(self.content.binary_search_by_key(&self.document?, |kept| kept.at).ok()?);
        match &self.open.as_ref().or_else(ended)?.what {
            What::Document(document) => Some(document),
            What::Op(_) => None,
        }
    }

    /// Whether the current run has a document that still grows.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// The options of the current run's document, as they were published with its first op.
    #[must_use]
    pub fn options(&self) -> Option<&Map<String, Value>> {
        self.document()?.options.as_deref()
    }

    /// What is kept, in bytes: of documents the source.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Everything that is kept, in no order: sort it by [`Kept::at`], controls after content.
    pub fn kept(&self) -> impl Iterator<Item = &Kept<B>> {
        self.content.iter().chain(&self.open).chain(&self.controls).chain(&self.events)
    }
}

/// The writing side.
impl<B: Body> StreamFold<B> {
    pub(super) fn new() -> Self {
        Self {
            runs: 0,
            state: RunState::Idle,
            kind: None,
            error: None,
            fed: 0,
            open: None,
            document: None,
            content: VecDeque::new(),
            controls: Vec::new(),
            events: Vec::new(),
            bytes: 0,
            wall: OpAt::default(),
            looked: OpAt::default(),
            alone: false,
        }
    }

    pub(super) fn fed(&mut self, at: u64) {
        self.fed = at;
    }

    pub(super) fn wall(&mut self, at: OpAt) {
        self.wall = at;
    }

    pub(super) fn looked(&mut self, at: OpAt) {
        self.looked = at;
    }

    pub(super) fn may_hold_others(&mut self) {
        self.alone = false;
    }

    /// Whether an op looks at what its element holds, and that may be other streams' elements: `text` joins theirs, an
    /// `error` is shown where one of them shows its own, and what takes an error back takes the first that it finds,
    /// where another stream (`failed`) may show one.
    pub(super) fn looks_at_others(&self, op: &Op<String>, failed: impl FnOnce() -> bool) -> bool {
        let Op::Dom(op) = op else { return false };
        match op {
            _ if self.alone => false,
            DomOp::Error { .. } => true,
            DomOp::Text { mode, .. } if *mode != Some(Mode::Replace) => true,
            DomOp::Text { .. } | DomOp::Html { .. } | DomOp::Start { .. } => failed(),
            _ => false,
        }
    }

    pub(super) fn open_body(&mut self) -> Option<&mut B> {
        match &mut self.open.as_mut()?.what {
            What::Document(document) => Some(&mut document.body),
            What::Op(_) => None,
        }
    }

    /// Applies an op. `last`: where the last op of any stream stood.
    pub(super) fn apply(
        &mut self,
        maker: &B::Maker,
        name: &StreamName,
        at: OpAt,
        op: &Op<String>,
        last: OpAt,
        keep: &Keep,
    ) -> Applied<B::Ending> {
        let applied = match op {
            Op::Markdown { text, options } => {
                self.markdown(maker, at, text, options.as_deref());
                Applied { ending: None, shown: false }
            }
            Op::Dom(op) if op.is_content() => {
                self.content_op(name, at, op, last);
                Applied { ending: None, shown: true }
            }
            Op::Dom(event @ DomOp::Event { .. }) => {
                self.event(name, at, event, keep);
                Applied { ending: None, shown: true }
            }
            Op::Dom(control) => self.control(name, at, control),
        };
        while self.bytes > keep.stream_bytes_max && self.forgettable().is_some() {
            self.forget();
        }
        applied
    }

    fn markdown(&mut self, maker: &B::Maker, at: OpAt, text: &str, options: Option<&Map<String, Value>>) {
        self.kind = Some(Kind::Markdown);
        self.state = RunState::Active;
        if self.open.is_none() {
            self.supersede();
            self.alone = true;
            let body = B::begin(maker, options);
            let document =
                Document { options: options.map(|options| Box::new(options.clone())), finished: false, body };
            let kept = Kept::new(at, What::Document(Box::new(document)));
            self.bytes += kept.bytes();
            (self.open, self.document) = (Some(kept), Some(at));
        }
        if let Some(body) = self.open_body() {
            body.push(text);
            self.bytes += text.len();
        }
    }

    fn content_op(&mut self, name: &StreamName, at: OpAt, op: &DomOp, last: OpAt) {
        self.kind.get_or_insert(Kind::Ops);
        if self.state == RunState::Idle {
            self.state = RunState::Active;
        }
        let own = !is_elsewhere(op, name);
        let replaces =
            matches!(op, DomOp::Html { place: Place::Replace, .. } | DomOp::Text { mode: Some(Mode::Replace), .. });
        if own && replaces {
            self.supersede();
        }
        if own {
            self.alone |= replaces || matches!(op, DomOp::Text { .. });
        }
        let target = op.target().filter(|_| !own);
        match op {
            DomOp::Text { text, mode, .. } => self.text(at, text, *mode, target, last),
            _ => self.push(at, retargeted(op, target)),
        }
    }

    fn text(&mut self, at: OpAt, text: &str, mode: Option<Mode>, target: Option<&Target>, last: OpAt) {
        // Whether nothing came between that the text would have to stay behind.
        let wall = self.wall;
        let adjoins = |kept: &Kept<B>| {
            kept.is_text(target, mode) && if target.is_none() { kept.upto >= wall } else { kept.upto == last }
        };
        let follows = self.content.back().is_some_and(adjoins);
        if follows && self.join(at, text, mode) {
            return;
        }
        let op = DomOp::Text { target: target.cloned(), text: text.to_owned(), mode };
        let kept = Kept { follows, ..Kept::new(at, What::Op(op)) };
        self.bytes += kept.bytes();
        self.content.push_back(kept);
    }

    /// Joins text to the last of the content; says whether it fitted.
    fn join(&mut self, at: OpAt, text: &str, mode: Option<Mode>) -> bool {
        let weigh = |content: &VecDeque<Kept<B>>| content.iter().rev().take(2).map(Kept::bytes).sum::<usize>();
        let before = weigh(&self.content);
        let mut from_the_end = self.content.iter_mut().rev();
        let joined = match (mode, from_the_end.next(), from_the_end.next()) {
            (Some(mode), Some(last), _) => last.join(at, text, mode),
            (None, Some(last), Some(first)) if last.follows => shift(first, last, at, text),
            _ => false,
        };
        self.bytes = self.bytes + weigh(&self.content) - before;
        joined
    }

    fn push(&mut self, at: OpAt, op: DomOp) {
        let kept = Kept::new(at, What::Op(op));
        self.bytes += kept.bytes();
        self.content.push_back(kept);
    }

    /// What the own element holds is replaced: what made it is dead, up to the wall. That dead text made the element
    /// active is still to be told.
    fn supersede(&mut self) {
        let mut active = None;
        while let Some(dead) = self.content.pop_back_if(|kept| kept.at > self.wall && kept.is_own()) {
            self.bytes -= dead.bytes();
            if active.is_none() && dead.activates() {
                active = Some(dead.upto);
            }
        }
        let told = |kept: &Kept<B>| kept.at > self.wall;
        if let Some(at) = active.filter(|_| !self.controls.last().is_some_and(told)) {
            self.push_control(at, DomOp::Start { target: None, clear: false });
        }
    }

    fn push_control(&mut self, at: OpAt, op: DomOp) {
        let kept = Kept::new(at, What::Op(op));
        self.bytes += kept.bytes();
        self.controls.push(kept);
        if self.controls.len() > CONTROLS_MAX {
            self.bytes -= self.controls.remove(0).bytes();
        }
    }

    /// Takes the controls away that a new one makes dead, up to the wall. A `start` that is the first behind a wall stays:
    /// it may have taken an error back that another stream put there, and what was written after it is not to join that
    /// error's message.
    fn retire_controls(&mut self, dead: impl Fn(&DomOp) -> bool) {
        let (wall, bytes) = (self.wall.max(self.looked), &mut self.bytes);
        let mut behind_a_wall = wall > OpAt::default();
        self.controls.retain(|kept| {
            let What::Op(op) = &kept.what else { return true };
            if kept.at <= wall {
                return true;
            }
            let mends = behind_a_wall && matches!(op, DomOp::Start { .. });
            behind_a_wall &= !mends;
            let dies = dead(op) && !mends;
            if dies {
                *bytes -= kept.bytes();
            }
            !dies
        });
    }

    fn control(&mut self, name: &StreamName, at: OpAt, op: &DomOp) -> Applied<B::Ending> {
        if matches!(op, DomOp::Done { .. }) && !matches!(self.state, RunState::Active | RunState::Idle) {
            return Applied { ending: None, shown: false };
        }
        let ending = self.close();
        match op {
            DomOp::Start { .. } => {
                self.runs += 1;
                (self.state, self.kind, self.error, self.document) = (RunState::Active, None, None, None);
            }
            DomOp::Error { error, .. } => {
                self.state = RunState::Error;
                self.error = Some(error.clone());
            }
            DomOp::Done { cancelled: true, .. } => self.state = RunState::Cancelled,
            _ => self.state = RunState::Done,
        }
        if is_elsewhere(op, name) {
            self.push(at, op.clone());
        } else {
            self.own_control(at, op);
        }
        Applied { ending, shown: true }
    }

    fn own_control(&mut self, at: OpAt, op: &DomOp) {
        let mut op = retargeted(op, None);
        if let DomOp::Start { clear, .. } = &mut op {
            if std::mem::take(clear) {
                self.supersede();
                self.push(at, DomOp::Html { place: Place::Replace, target: None, html: String::new() });
                self.alone = true;
            }
            self.retire_controls(|_| true);
        } else {
            self.retire_controls(|dead| !matches!(dead, DomOp::Start { .. }));
        }
        self.push_control(at, op);
    }

    /// Ends the document of the run, if there is one. It becomes content.
    fn close(&mut self) -> Option<B::Ending> {
        let mut kept = self.open.take()?;
        let What::Document(document) = &mut kept.what else { return None };
        document.finished = true;
        let ending = document.body.finish();
        self.content.push_back(kept);
        Some(ending)
    }

    fn event(&mut self, name: &StreamName, at: OpAt, op: &DomOp, keep: &Keep) {
        let DomOp::Event { name: of, keep: true, target, .. } = op else { return };
        let same = |kept: &Kept<B>| matches!(&kept.what, What::Op(DomOp::Event { name, .. }) if name == of);
        if let Some(old) = self.events.iter().position(same) {
            self.bytes -= self.events.remove(old).bytes();
        }
        let target = target.as_ref().filter(|target| !target.is_own(name));
        let kept = Kept::new(at, What::Op(retargeted(op, target)));
        self.bytes += kept.bytes();
        self.events.push(kept);
        while self.events.len() > keep.events_max {
            self.bytes -= self.events.remove(0).bytes();
        }
    }

    /// Where the oldest thing stands that may be forgotten: not the document of the current run, and not the last thing.
    pub(super) fn forgettable(&self) -> Option<OpAt> {
        let oldest = self.content.get(self.oldest())?;
        (self.oldest() + 1 < self.content.len()).then_some(oldest.at)
    }

    /// Forgets the oldest content, and says how many bytes that were.
    pub(super) fn forget(&mut self) -> usize {
        let bytes = self.content.remove(self.oldest()).map_or(0, |kept| kept.bytes());
        self.bytes -= bytes;
        bytes
    }

    /// Which of the content is the oldest but for the document of the current run.
    fn oldest(&self) -> usize {
        usize::from(self.content.front().is_some_and(|kept| self.document == Some(kept.at)))
    }

    pub(super) fn map<C>(self, grow: &mut impl FnMut(Document<B>) -> C) -> StreamFold<C> {
        let mut map = |kept: Kept<B>| kept.map(grow);
        StreamFold {
            runs: self.runs,
            state: self.state,
            kind: self.kind,
            error: self.error,
            fed: self.fed,
            open: self.open.map(&mut map),
            document: self.document,
            content: self.content.into_iter().map(&mut map).collect(),
            controls: self.controls.into_iter().map(&mut map).collect(),
            events: self.events.into_iter().map(map).collect(),
            bytes: self.bytes,
            wall: self.wall,
            looked: self.looked,
            alone: self.alone,
        }
    }
}

/// The op with this target.
fn retargeted(op: &DomOp, to: Option<&Target>) -> DomOp {
    let mut op = op.clone();
    match &mut op {
        DomOp::Delete { .. } => {}
        DomOp::Start { target, .. }
        | DomOp::Text { target, .. }
        | DomOp::Html { target, .. }
        | DomOp::Prune { target, .. }
        | DomOp::Error { target, .. }
        | DomOp::Done { target, .. }
        | DomOp::Event { target, .. } => *target = to.cloned(),
    }
    op
}
