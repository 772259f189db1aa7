//! One thing that is kept of a stream's content, and how text joins the text before it.
//!
//! **Source:** `openapi/protocol.md`, "Merging".

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Body, OpAt};
use crate::protocol::{DomOp, Mode, Target};

/// Text is joined up to this many bytes an item, so that a long feed is forgotten bit by bit, not all at once.
const JOINED_BYTES_MAX: usize = 64 * 1024;

/// Text that is put *before* what is there is joined up to this many bytes an item: each join copies the item.
const PREPENDED_BYTES_MAX: usize = 4 * 1024;

/// What an item weighs beside its content, in bytes: the item itself.
const ITEM_BYTES: usize = 128;

/// A markdown run's document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document<B> {
    /// The options, as they were published.
    pub options: Option<Box<Map<String, Value>>>,
    /// Whether its run has ended.
    pub finished: bool,
    /// What it holds.
    pub body: B,
}

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What<B> {
    /// An op. Its target is none where it acts on the stream's own element.
    Op(DomOp),
    /// A document, which stands for a `replace` of the stream's own element. Boxed: it is much larger than an op.
    Document(Box<Document<B>>),
}

/// One kept thing and its place in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept<B> {
    /// Where it stands: of joined text, where its first part stood.
    pub at: OpAt,
    /// The last op that was joined to it.
    pub upto: OpAt,
    /// Whether it is text without a mode that directly follows text of its kind, so that the two before a third may
    /// become one.
    pub follows: bool,
    /// What it is.
    pub what: What<B>,
}

impl<B: Body> Kept<B> {
    pub(super) fn new(at: OpAt, what: What<B>) -> Self {
        Self { at, upto: at, follows: false, what }
    }

    /// What it weighs, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        ITEM_BYTES
            + match &self.what {
                What::Op(op) => op.bytes(),
                What::Document(document) => document.body.source().len(),
            }
    }

    /// Whether it acts on the stream's own element.
    pub(super) fn is_own(&self) -> bool {
        match &self.what {
            What::Op(op) => op.target().is_none(),
            What::Document(_) => true,
        }
    }

    /// Whether it makes its element active, as text does.
    pub(super) fn activates(&self) -> bool {
        matches!(self.what, What::Op(DomOp::Text { .. }))
    }

    /// Whether this is text of that target and mode.
    pub(super) fn is_text(&self, target: Option<&Target>, mode: Option<Mode>) -> bool {
        matches!(&self.what, What::Op(DomOp::Text { target: own, mode: m, .. }) if own.as_ref() == target && *m == mode)
    }

    fn text_mut(&mut self) -> Option<&mut String> {
        match &mut self.what {
            What::Op(DomOp::Text { text, .. }) => Some(text),
            _ => None,
        }
    }

    pub(super) fn map<C>(self, grow: &mut impl FnMut(Document<B>) -> C) -> Kept<C> {
        let what = match self.what {
            What::Op(op) => What::Op(op),
            What::Document(document) => {
                let (options, finished) = (document.options.clone(), document.finished);
                What::Document(Box::new(Document { options, finished, body: grow(*document) }))
            }
        };
        Kept { at: self.at, upto: self.upto, follows: self.follows, what }
    }

    /// Joins text of the same target and mode that follows directly; says whether it fitted. Text without a mode is
    /// not joined here ([`shift`]).
    pub(super) fn join(&mut self, at: OpAt, text: &str, mode: Mode) -> bool {
        let Some(own) = self.text_mut() else { return false };
        match mode {
            Mode::Append if own.len() + text.len() <= JOINED_BYTES_MAX => own.push_str(text),
            Mode::Prepend if own.len() + text.len() <= PREPENDED_BYTES_MAX => own.insert_str(0, text),
            Mode::Replace => text.clone_into(own),
            Mode::Append | Mode::Prepend => return false,
        }
        self.upto = at;
        true
    }
}

/// Of three texts in a row without a mode the first two are joined, whatever the element does with them: what it
/// appends comes out the same, and what it replaces is gone. `last` becomes the third. Says whether they fitted.
pub(super) fn shift<B: Body>(first: &mut Kept<B>, last: &mut Kept<B>, at: OpAt, text: &str) -> bool {
    let (Some(before), Some(after)) = (first.text_mut(), last.text_mut()) else { return false };
    if before.len() + after.len() > JOINED_BYTES_MAX {
        return false;
    }
    before.push_str(after);
    text.clone_into(after);
    first.upto = last.upto;
    (last.at, last.upto) = (at, at);
    true
}
