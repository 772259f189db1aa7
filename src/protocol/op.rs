//! Ops: what a publisher may ask for, and what reaches the page.
//!
//! All but `markdown` reach the page as they are ([`DomOp`]); a `markdown` op grows the stream's document, which
//! leaves as `replace`, `append` and `delete`. The text of an op is a [`Piece`](super::Piece) as published and a
//! `String` once halves of code points have been joined.
//!
//! **Source:** `openapi/protocol.md`, "Ops".

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::detail::Detail;
use super::target::Target;

/// How a `text` op joins what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// After it.
    Append,
    /// Instead of it.
    Replace,
    /// Before it.
    Prepend,
}

/// Where HTML goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// After the target's children.
    Append,
    /// Before them.
    Prepend,
    /// Instead of them.
    Replace,
}

/// From which end `prune` takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Edge {
    /// The first children go.
    #[default]
    Top,
    /// The last ones go.
    Bottom,
}

/// An op as published (`T` is a [`Piece`](super::Piece)) or as logged (`T` is a `String`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op<T> {
    /// One that reaches the page as it is.
    Dom(DomOp<T>),
    /// Grows the stream's document.
    Markdown {
        /// The next part of the source.
        text: T,
        /// The options of the document, on the first op of a run; as published, not yet judged.
        options: Option<Box<Map<String, Value>>>,
    },
}

/// An op that reaches the page. Without a target it acts on the stream's own element.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DomOp<T = String> {
    /// A run begins: the element becomes active, an error is taken back.
    Start {
        /// On whom.
        target: Option<Target>,
        /// Whether the element is emptied first. Leaves as a `replace` with nothing before the `start`.
        clear: bool,
    },
    /// Plain text.
    Text {
        /// On whom.
        target: Option<Target>,
        /// The text.
        text: T,
        /// How it joins what is there; without it the element's own `dj-stream-mode` decides.
        mode: Option<Mode>,
    },
    /// HTML of a trusted publisher, or of a growing document.
    Html {
        /// `append`, `prepend` or `replace`.
        place: Place,
        /// On whom.
        target: Option<Target>,
        /// The HTML.
        html: String,
    },
    /// The element is removed.
    Delete {
        /// Which.
        target: Target,
    },
    /// At most `limit` children stay.
    Prune {
        /// On whom.
        target: Option<Target>,
        /// How many element children stay.
        limit: u32,
        /// From which end the others go.
        edge: Edge,
    },
    /// A run fails: the message is shown after what is there.
    Error {
        /// On whom.
        target: Option<Target>,
        /// The message.
        error: String,
    },
    /// A run ends.
    Done {
        /// On whom.
        target: Option<Target>,
        /// Whether someone stopped it.
        cancelled: bool,
    },
    /// A DOM event for the page's own code.
    Event {
        /// On whom it is dispatched.
        target: Option<Target>,
        /// Its name.
        name: String,
        /// What it says.
        detail: Detail,
        /// Whether the last of its name is told to those who come later.
        keep: bool,
    },
}

impl<T> DomOp<T> {
    /// Its name on the wire.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Start { .. } => "start",
            Self::Text { .. } => "text",
            Self::Html { place: Place::Append, .. } => "append",
            Self::Html { place: Place::Prepend, .. } => "prepend",
            Self::Html { place: Place::Replace, .. } => "replace",
            Self::Delete { .. } => "delete",
            Self::Prune { .. } => "prune",
            Self::Error { .. } => "error",
            Self::Done { .. } => "done",
            Self::Event { .. } => "event",
        }
    }

    /// Whom it acts on, if not on the stream's own element.
    #[must_use]
    pub fn target(&self) -> Option<&Target> {
        match self {
            Self::Delete { target } => Some(target),
            Self::Start { target, .. }
            | Self::Text { target, .. }
            | Self::Html { target, .. }
            | Self::Prune { target, .. }
            | Self::Error { target, .. }
            | Self::Done { target, .. }
            | Self::Event { target, .. } => target.as_ref(),
        }
    }

    /// Whether it changes content: a run's first content op fixes its kind.
    #[must_use]
    pub fn is_content(&self) -> bool {
        matches!(self, Self::Text { .. } | Self::Html { .. } | Self::Delete { .. } | Self::Prune { .. })
    }
}

impl<T> Op<T> {
    /// Its name on the wire.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Dom(op) => op.name(),
            Self::Markdown { .. } => "markdown",
        }
    }

    /// Whether it changes content: a run's first content op fixes its kind.
    #[must_use]
    pub fn is_content(&self) -> bool {
        match self {
            Self::Dom(op) => op.is_content(),
            Self::Markdown { .. } => true,
        }
    }
}

impl<T: AsRef<[u8]>> DomOp<T> {
    /// What it weighs, in bytes: its text, HTML, message, name and detail, and its target.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let content = match self {
            Self::Text { text, .. } => text.as_ref().len(),
            Self::Html { html, .. } => html.len(),
            Self::Error { error, .. } => error.len(),
            Self::Event { name, detail, .. } => name.len() + detail.as_json().len(),
            Self::Start { .. } | Self::Delete { .. } | Self::Prune { .. } | Self::Done { .. } => 0,
        };
        content + self.target().map_or(0, |target| target.as_str().len())
    }
}

impl<T: AsRef<[u8]>> Op<T> {
    /// What it weighs, in bytes: its content and its target. Options are small, and refused where they are not.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Dom(op) => op.bytes(),
            Self::Markdown { text, .. } => text.as_ref().len(),
        }
    }
}
