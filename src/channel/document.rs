//! A markdown run's document in a channel's view: growing while its run is active, at rest afterwards.
//!
//! Edits of a document leave as `replace`, `append` and `delete`, on the stream's element or on one below it; on the
//! compact wire as changes at paths.
//!
//! **Source:** `openapi/protocol.md`, "Markdown runs", "Compact wire".

use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};

use super::run_options::streamed;
use crate::markdown::growing::{Edit, Edits, FineEdit, Growing, Step};
use crate::markdown::{Options, Policy, render};
use crate::oplog::{Body, Document};
use crate::protocol::{Change, DomOp, Place, StreamName, Target};

/// A document, whole or growing.
#[derive(Debug)]
pub struct PageDocument {
    options: Options,
    policy: Arc<Policy>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Boxed: most streams of a channel are at rest.
    Growing(Box<Growing>),
    /// Its HTML is made when someone asks for it first: who resumes does not need it.
    AtRest { source: String, html: OnceLock<String> },
}

impl PageDocument {
    /// The document that a log's fold holds as source, as a page shows it that has applied everything up to there.
    pub(super) fn restored(document: Document<String>, policy: &Arc<Policy>) -> Self {
        let mut restored = Self::begin(policy, document.options.as_deref());
        if document.finished {
            restored.state = State::AtRest { source: document.body, html: OnceLock::new() };
        } else {
            restored.push(&document.body);
            restored.frame(&mut Edits::default());
        }
        restored
    }

    /// Appends what makes the page show everything pushed so far.
    pub(super) fn frame(&mut self, edits: &mut Edits) {
        if let State::Growing(growing) = &mut self.state {
            growing.frame_into(edits);
        }
    }

    /// Whether the page is yet to be told something.
    pub(super) fn pending(&self) -> bool {
        matches!(&self.state, State::Growing(growing) if growing.pending())
    }

    /// What the next frame will parse, in bytes.
    pub(super) fn cost(&self) -> usize {
        match &self.state {
            State::Growing(growing) => growing.cost(),
            State::AtRest { .. } => 0,
        }
    }

    /// What the page holds since the last frame.
    #[must_use]
    pub fn html(&self) -> &str {
        match &self.state {
            State::Growing(growing) => growing.html(),
            State::AtRest { source, html } => html.get_or_init(|| {
                let options = Options { provisional: false, dense: true, ..self.options.clone() };
                render(source, &options, &self.policy)
            }),
        }
    }
}

impl Body for PageDocument {
    type Maker = Arc<Policy>;
    /// In both vocabularies: it comes once a run.
    type Ending = Edits;

    fn begin(policy: &Arc<Policy>, options: Option<&Map<String, Value>>) -> Self {
        // They were judged before they were logged. What another release wrote, and this one does not know, is left out.
        let options = streamed(options).or_else(|_| streamed(None)).expect("the defaults of streams are streamable");
        let growing = Growing::new(options.clone(), Arc::clone(policy));
        Self { options, policy: Arc::clone(policy), state: State::Growing(Box::new(growing)) }
    }

    fn push(&mut self, text: &str) {
        if let State::Growing(growing) = &mut self.state {
            growing.push(text);
        }
    }

    fn finish(&mut self) -> Edits {
        let mut edits = Edits::of(true, true);
        if let State::Growing(growing) = &mut self.state {
            growing.finish_into(&mut edits);
            let html = OnceLock::from(growing.html().to_owned());
            self.state = State::AtRest { source: growing.source().to_owned(), html };
        }
        edits
    }

    fn source(&self) -> &str {
        match &self.state {
            State::Growing(growing) => growing.source(),
            State::AtRest { source, .. } => source,
        }
    }
}

/// The op that makes an edit on the page.
pub(super) fn dom_op(stream: &StreamName, edit: Edit) -> DomOp {
    match edit {
        Edit::Replace { path, html } => DomOp::Html { place: Place::Replace, target: target(stream, &path), html },
        Edit::Append { path, html } => DomOp::Html { place: Place::Append, target: target(stream, &path), html },
        Edit::Delete { path } => DomOp::Delete { target: target(stream, &path).unwrap_or_else(|| Target::own(stream)) },
    }
}

/// The change that makes a fine edit on the page.
pub(super) fn change(edit: FineEdit) -> Change {
    match edit {
        FineEdit::AppendText { path, text } => Change::AppendText { path: spelled(&path), text },
        FineEdit::AppendHtml { path, html } => Change::AppendHtml { path: spelled(&path), html },
        FineEdit::Trim { path, units } => Change::Trim { path: spelled(&path), units },
        FineEdit::DeleteLast { path } => Change::DeleteLast { path: spelled(&path) },
        FineEdit::Replace { path, html } => Change::Replace { path: spelled(&path), html },
        FineEdit::Splice { path, back, remove, html } => Change::Splice { path: spelled(&path), back, remove, html },
    }
}

/// A path as the compact wire spells it.
fn spelled(path: &[Step]) -> String {
    let mut out = String::new();
    for step in path {
        let dot = if out.is_empty() { "" } else { "." };
        let written = match step {
            Step::Child(n) => write!(out, "{dot}{}", n - 1),
            Step::Last => write!(out, "{dot}-1"),
        };
        written.expect("a string takes all");
    }
    out
}

/// The element at the end of a path; none: the stream's own.
fn target(stream: &StreamName, path: &[Step]) -> Option<Target> {
    let mut selector = String::new();
    for (i, step) in path.iter().enumerate() {
        let arrow = if i == 0 { "" } else { " > " };
        let written = match step {
            Step::Child(n) => write!(selector, "{arrow}:nth-child({n})"),
            Step::Last => write!(selector, "{arrow}:last-child"),
        };
        written.expect("a string takes all");
    }
    (!path.is_empty()).then(|| Target::below(stream, &selector))
}
