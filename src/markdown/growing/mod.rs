//! A source that is still being written, and the page that shows it.
//!
//! [`Growing`] takes text in any pieces ([`Growing::push`], no work but a copy) and says, whenever asked, which
//! [`Edit`]s bring the page from what it was told last to the view of everything pushed ([`Growing::frame`]), and at the
//! end to the finished render ([`Growing::finish`]). The very first edit replaces all children of the root, which the
//! document owns from then on, even where nothing is to be seen yet.
//!
//! Most frames only append: what is pushed means nothing where it stands, and what is shown gains it as text (`tip`).
//!
//! How the others work: what no later text can change is cut off into parts that keep their HTML (`parts`). Of the block
//! that is open a *window* is rendered anew for every frame (`window`): its last leaf, behind the definitions that came
//! before (`known`) and a skeleton of the containers it stands in (`skeleton`). What it shows is compared with what the
//! page shows there: equal blocks stand, what grew is followed down to the spot that changed (`spine`), in the
//! vocabularies that are asked for (`edits`): djust's (`diff`) and a finer one (`fine`). A definition that comes late
//! renders anew the parts that asked for it, or the open block; ids of headings go on behind those before the window
//! (`headings`). Where parts do not know enough of each other (footnotes, a bound that is near or has tripped, a heading
//! whose id a late definition changes) the document is rendered as a whole from then on.
//!
//! ```text
//!   pushed ──► text ──► open ── looks through the ─► window ──► view ──► edits (diff, fine)
//!                        ▲                                       │
//!                        └── parts ◄── narrow ◄── restart ◄──────┘ when lines are complete
//!                                                (leaves, skeleton)
//! ```
//!
//! A frame that parses costs one to three parses of the open text (the leaf is probed, and what closes it is judged as it
//! is written), and as many more when lines are complete and a narrower window is looked for, which [`Growing::cost`] tells; whoever asks for frames spaces
//! them by it.
//!
//! ```
//! use rillmark::markdown::{Options, Policy};
//! use rillmark::markdown::growing::{Edit, Growing};
//! let mut growing = Growing::new(Options::default(), Policy::default().into());
//! let mut edits = Vec::new();
//! growing.push("Hello\n\n");
//! growing.frame(&mut edits);
//! assert_eq!(edits, [Edit::Replace { path: vec![], html: "<p>Hello</p>".into() }]);
//! ```
//!
//! **Invariant:** after every frame the page is the view of the text so far, however it was cut; after the end it is
//! the finished render, byte for byte (`the_page_is_the_view_after_every_frame`, `a_finished_page_is_the_render`).
//!
//! **Invariant:** a block that did not change is not touched (`blocks_that_stand_are_not_touched`).

mod context;
mod cut;
mod diff;
mod edits;
mod fine;
mod headings;
mod known;
mod labels;
mod leaves;
mod nodes;
mod open;
#[cfg(test)]
mod page;
mod parts;
mod restart;
mod skeleton;
mod spine;
mod text;
mod tip;
mod window;

use std::mem;
use std::sync::Arc;

use super::writer::Out;
use super::{Options, Policy, view};
pub use edits::Edits;
use open::{Open, Unfit};
use text::Text;
use tip::Tip;

/// One step from an element to one of its element children.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The n-th element child, from 1 (`:nth-child`).
    Child(usize),
    /// The last element child (`:last-child`).
    Last,
}

/// The way from the root, the element that holds the document, to an element in it. Empty: the root.
pub type Path = Vec<Step>;

/// One change of the page. Edits apply in order, each to the page that the ones before it left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// All children of the element give way to these.
    Replace {
        /// The element.
        path: Path,
        /// Its new children.
        html: String,
    },
    /// The element gains these children at its end.
    Append {
        /// The element.
        path: Path,
        /// Text and elements.
        html: String,
    },
    /// The element goes.
    Delete {
        /// The element.
        path: Path,
    },
}

/// One change of the page in the finer vocabulary: as [`Edit`], but text is taken back and grows as text, and nodes are
/// put where they belong. Child nodes are counted from the end, text nodes that touch as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FineEdit {
    /// The element's content goes on with this text, which is no HTML.
    AppendText {
        /// The element.
        path: Path,
        /// The text.
        text: String,
    },
    /// The element gains these children at its end.
    AppendHtml {
        /// The element.
        path: Path,
        /// Text and elements.
        html: String,
    },
    /// The text that the element ends with loses its end; the node goes if nothing is left.
    Trim {
        /// The element.
        path: Path,
        /// So many UTF-16 code units.
        units: usize,
    },
    /// The element loses its last child, whatever it is.
    DeleteLast {
        /// The element.
        path: Path,
    },
    /// All children of the element give way to these.
    Replace {
        /// The element.
        path: Path,
        /// Its new children.
        html: String,
    },
    /// Some children of the element give way to these.
    Splice {
        /// The element.
        path: Path,
        /// They begin so many child nodes before the end.
        back: usize,
        /// So many child nodes go.
        remove: usize,
        /// What comes in their place.
        html: String,
    },
}

/// A document that grows, with what its page holds.
#[derive(Clone, Debug)]
pub struct Growing {
    options: Arc<Options>,
    policy: Arc<Policy>,
    text: Text,
    /// What the page holds.
    shown: String,
    /// Whether the page was ever told anything: before, its element may hold what the page came with.
    begun: bool,
    /// So much of the pushed text has been looked at.
    framed: usize,
    /// So much of the normalised text has been looked at.
    seen: usize,
    /// What may be appended without a parse.
    tip: Tip,
    /// Frames that parsed.
    parses: usize,
    finished: bool,
    /// What is cut off and what is open; `None` once the document is rendered as a whole.
    open: Option<Open>,
}

impl Growing {
    /// A document without text. Of `options`, `provisional` and `dense` are as streams have them: on.
    pub fn new(options: Options, policy: Arc<Policy>) -> Self {
        let options = Arc::new(Options { provisional: true, dense: true, ..options });
        let open = Open::new(&options);
        let (text, shown, tip) = (Text::default(), String::new(), Tip::new(&options));
        let (begun, finished) = (false, false);
        Self { options, policy, text, shown, begun, framed: 0, seen: 0, tip, parses: 0, finished, open }
    }

    /// Adds text at the end. O(text); nothing is parsed. After [`Growing::finish`] it is ignored.
    pub fn push(&mut self, text: &str) {
        if !self.finished {
            self.text.push(text);
        }
    }

    /// Appends to `edits` what makes the page the view of all text so far. A carriage return at the very end waits for
    /// what follows it, since a line feed would make one line end of both.
    ///
    /// O([`Growing::cost`]).
    pub fn frame(&mut self, edits: &mut Vec<Edit>) {
        in_coarse(edits, |edits| self.frame_into(edits));
    }

    /// [`Growing::frame`] in the vocabularies that are asked for.
    pub fn frame_into(&mut self, edits: &mut Edits) {
        if !self.pending() {
            return;
        }
        text::grow_by_little(&mut self.shown);
        let text = self.text.normalised();
        let due = !self.begun || self.open.as_ref().is_some_and(|open| open.is_due(text));
        if due || !self.tip.grow(text, self.seen, &mut self.shown, edits) {
            let options = Arc::clone(&self.options);
            self.show(&options, edits);
        }
        self.framed = self.text.pushed().len();
        self.seen = self.text.normalised().len();
    }

    /// Appends to `edits` what makes the page the finished render of all text. Nothing changes after it.
    pub fn finish(&mut self, edits: &mut Vec<Edit>) {
        in_coarse(edits, |edits| self.finish_into(edits));
    }

    /// [`Growing::finish`] in the vocabularies that are asked for.
    pub fn finish_into(&mut self, edits: &mut Edits) {
        if mem::replace(&mut self.finished, true) {
            return;
        }
        self.text.finish();
        let options = Options { provisional: false, ..(*self.options).clone() };
        self.show(&options, edits);
    }

    /// Brings the page to the view under these options.
    fn show(&mut self, options: &Options, edits: &mut Edits) {
        self.parses += 1;
        let text = self.text.normalised();
        let from = edits.mark();
        if let Some(open) = &mut self.open {
            match open.show(text, options, &self.policy, &mut self.shown, edits) {
                Ok(end) => self.tip.set(end),
                Err(Unfit) => {
                    edits.back_to(from);
                    self.open = None;
                }
            }
        }
        if self.open.is_none() {
            let mut out = Out::default();
            view(text, 0, super::bounds::trip(text), options, &self.policy, &mut out);
            edits.change(0, &self.shown, &out.html);
            self.shown = out.html;
            self.tip.set(out.end);
        }
        if !mem::replace(&mut self.begun, true) {
            edits.back_to(from);
            edits.replace_root(&self.shown);
        }
    }

    /// The text so far, as it was pushed.
    pub fn source(&self) -> &str {
        self.text.pushed()
    }

    /// What the page holds since the last frame.
    pub fn html(&self) -> &str {
        &self.shown
    }

    /// Whether the page is yet to be told something: anything was pushed since the last frame, or there was none.
    pub fn pending(&self) -> bool {
        !self.finished && (!self.begun || self.framed < self.text.pushed().len())
    }

    /// How many frames had to parse. The others only appended text.
    pub fn parses(&self) -> usize {
        self.parses
    }

    /// Whether [`Growing::finish`] was called.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Bytes of text that the next frame parses, a few times over.
    pub fn cost(&self) -> usize {
        let before = self.open.as_ref().map_or(0, Open::start);
        self.text.normalised().len() - before
    }

    /// The options of the document.
    pub fn options(&self) -> &Options {
        &self.options
    }
}

/// Has edits made in djust's vocabulary alone.
fn in_coarse(edits: &mut Vec<Edit>, make: impl FnOnce(&mut Edits)) {
    let mut made = Edits { coarse: Some(mem::take(edits)), fine: None };
    make(&mut made);
    *edits = made.coarse.unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edits_of(pieces: &[&str]) -> Vec<Vec<Edit>> {
        let mut growing = Growing::new(Options::default(), Policy::default().into());
        let mut all: Vec<Vec<Edit>> = Vec::new();
        for piece in pieces {
            let mut edits = Vec::new();
            growing.push(piece);
            growing.frame(&mut edits);
            all.push(edits);
        }
        all
    }

    fn append(path: &[Step], html: &str) -> Edit {
        Edit::Append { path: path.to_vec(), html: html.into() }
    }

    #[test]
    fn blocks_that_stand_are_not_touched() {
        let edits = edits_of(&["one\n\n", "two\n\n", "three\n\n"]);
        assert_eq!(edits[0], [Edit::Replace { path: vec![], html: "<p>one</p>".into() }]);
        assert_eq!(edits[1], [append(&[], "<p>two</p>")]);
        assert_eq!(edits[2], [append(&[], "<p>three</p>")]);
    }

    #[test]
    fn text_grows_where_it_stands() {
        let edits = edits_of(&["a\n\n- b\n- c\n", "  d\n", "- e\n"]);
        assert_eq!(edits[1], [append(&[Step::Last, Step::Last], "\nd")]);
        assert_eq!(edits[2], [append(&[Step::Last], "<li>e</li>")]);
    }

    #[test]
    fn what_shows_nothing_says_nothing_but_that_the_document_begins() {
        let edits = edits_of(&["\n", "[a]: /b\n", "\n", "[a]\n"]);
        assert_eq!(edits[0], [Edit::Replace { path: vec![], html: String::new() }]);
        assert!(edits[1..3].iter().all(Vec::is_empty));
        assert_eq!(edits[3], [append(&[], "<p><a href=\"/b\">a</a></p>")]);
    }

    #[test]
    fn a_carriage_return_waits_for_what_follows() {
        let mut growing = Growing::new(Options::default(), Policy::default().into());
        let mut edits = Vec::new();
        for piece in ["a\r", "\n\r", "\n"] {
            growing.push(piece);
            growing.frame(&mut edits);
        }
        assert_eq!(growing.html(), "<p>a</p>");
        growing.finish(&mut edits);
        growing.push("late");
        growing.frame(&mut edits);
        assert_eq!((growing.html(), growing.source()), ("<p>a</p>", "a\r\n\r\n"));
    }
}
