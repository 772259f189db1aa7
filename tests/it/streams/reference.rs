//! The page that took every op of the log alone, in order: what any other way to an id must give.
//!
//! Markdown is the naive twin's (`oracle`), rendered anew for every op, as one `replace` of the element. Nothing of
//! `channel` or `oplog` is used.

use std::collections::BTreeMap;

use rillmark::markdown::options::{Options, Policy, Tail};
use rillmark::protocol::{DomOp, Entry, Epoch, Frame, Op, Place, StreamName};

use crate::oracle;
use crate::oracle::dom::Node;
use crate::page::{Page, PageEvent};

/// A stream's markdown run, while it is active.
struct Run {
    source: String,
    options: Options,
}

/// A page, how it looked after each entry, and what it was told.
pub(super) struct Reference {
    page: Page,
    epoch: Epoch,
    runs: BTreeMap<StreamName, Run>,
    /// Whether the last run of a stream failed: `done` changes nothing then.
    failed: BTreeMap<StreamName, bool>,
    bodies: Vec<Vec<Node>>,
    /// The frame of each entry.
    messages: Vec<String>,
    /// How many events the page had been told after each entry.
    told: Vec<usize>,
    /// The page itself, after some of the entries: a copy costs more than all else.
    pages: BTreeMap<u64, Page>,
}

/// One in so many pages is kept.
const PAGES_KEPT: u64 = 4;

impl Reference {
    pub(super) fn new(fresh: &Page, epoch: Epoch) -> Self {
        Self {
            page: fresh.clone(),
            epoch,
            runs: BTreeMap::new(),
            failed: BTreeMap::new(),
            bodies: vec![fresh.body()],
            messages: Vec::new(),
            told: vec![0],
            pages: BTreeMap::from([(0, fresh.clone())]),
        }
    }

    /// The pages after some numbers of entries.
    pub(super) fn pages(&self) -> impl Iterator<Item = (u64, &Page)> {
        self.pages.iter().map(|(offset, page)| (*offset, page))
    }

    /// What the page showed after so many entries.
    pub(super) fn body_at(&self, offset: u64) -> &[Node] {
        &self.bodies[usize::try_from(offset).unwrap()]
    }

    /// The frames that it took, one for each entry.
    pub(super) fn messages(&self) -> &[String] {
        &self.messages
    }

    /// What the page was told between two offsets.
    pub(super) fn told(&self, from: u64, to: u64) -> &[PageEvent] {
        let place = |offset: u64| self.told[usize::try_from(offset).unwrap()];
        &self.page.events()[place(from)..place(to)]
    }

    /// Takes the next entry.
    pub(super) fn apply(&mut self, entry: &Entry) {
        let mut ops = Vec::new();
        for op in &entry.ops {
            self.op(&entry.stream, op, &mut ops);
        }
        let offset = self.bodies.len() as u64;
        let id = self.epoch.at(offset);
        let mut json = Vec::new();
        Frame::new(entry.stream.clone(), ops).write(&mut json, None, Some(id), None);
        let message = String::from_utf8(json).unwrap();
        self.page.message(&message);
        self.messages.push(message);
        self.bodies.push(self.page.body());
        self.told.push(self.page.events().len());
        if offset.is_multiple_of(PAGES_KEPT) {
            self.pages.insert(offset, self.page.clone());
        }
    }

    fn op(&mut self, stream: &StreamName, op: &Op<String>, out: &mut Vec<DomOp>) {
        let op = match op {
            Op::Markdown { text, options } => {
                let run = self.runs.entry(stream.clone()).or_insert_with(|| {
                    let options = options.as_deref().map(|map| (map.contains_key("tail"), map.contains_key("math")));
                    let (escape, rich) = options.unwrap_or_default();
                    let tail = if escape { Tail::Escape } else { Tail::Complete };
                    let options = Options { tail, dense: true, ..Options::default() };
                    let options = Options { heading_ids: rich, math: rich, footnotes: rich, ..options };
                    Run { source: String::new(), options }
                });
                run.source += text;
                out.push(run.replace(true));
                return;
            }
            Op::Dom(op) => op,
        };
        match op {
            DomOp::Done { .. } if self.failed.get(stream) == Some(&true) => return,
            DomOp::Start { .. } | DomOp::Done { .. } | DomOp::Error { .. } => {
                self.failed.insert(stream.clone(), matches!(op, DomOp::Error { .. }));
                out.extend(self.runs.remove(stream).map(|run| run.replace(false)));
            }
            _ => {}
        }
        out.push(op.clone());
    }
}

impl Run {
    fn replace(&self, provisional: bool) -> DomOp {
        // A carriage return at the end may yet be half of a line end.
        let source = if provisional { self.source.strip_suffix('\r').unwrap_or(&self.source) } else { &self.source };
        let options = Options { provisional, ..self.options.clone() };
        let html = oracle::render(source, &options, &Policy::default());
        DomOp::Html { place: Place::Replace, target: None, html }
    }
}
