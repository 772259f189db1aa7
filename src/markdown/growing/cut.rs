//! Where the text of an open paragraph can be cut: what stands before is left out of the window, and a letter stands in
//! for it.
//!
//! ```text
//!   source   - One *long* line of `text`. And it goes on and on
//!              ↑ text            cut ↑
//!   window   - x And it goes on and on
//! ```
//!
//! A cut is made at a space between words directly in the paragraph, behind which nothing can reach back over it: every
//! mark before it either has found its partner or can find none any more. A cut behind the paragraph's first line leaves
//! two lines, `x` and `y`, since a table may begin with the last line of a paragraph, and other rules are for the first.
//!
//! Brackets that are open stop every cut, so those before it have their partners, as a link or as text. Only where `(`
//! follows could what comes still change which: the parser looks ahead for a destination and a title, over line ends
//! too. If its own line shows that there is no such tail ([`is_no_tail`]), the brackets are a reference or text for good;
//! should their label be defined later, that widens the window, as for any other.
//!
//! **Invariant:** a window that is cut so shows what the whole shows, whatever follows
//! (`a_cut_paragraph_shows_what_the_whole_shows`).
//!
//! **Source:** CommonMark 0.31.2 §6 (which inlines bind how tightly), and what the parser keeps of a paragraph's text.

use std::ops::Range;

use pulldown_cmark::{Event, LinkType, Tag, TagEnd};

use crate::markdown::Options;
use crate::markdown::parser::Document;
use crate::markdown::tail::{is_no_tail, may_be_title, may_begin_definition};

/// A place to cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// Where the paragraph's text starts.
    pub text: usize,
    /// What stands in for the text before the cut.
    pub stand_in: &'static str,
    /// The space at which the rest starts.
    pub at: usize,
}

/// The last place where the paragraph that ends `source` can be cut. O(source): one parse.
///
/// `cut_before`: the paragraph's text already begins with a stand-in.
pub(super) fn find(source: &str, cut_before: bool, options: &Options) -> Option<Cut> {
    let mut search = Search { source, options, leaf: None, in_item: false };
    for (event, range) in Document::new(source, options).events() {
        search.event(&event, range);
    }
    let leaf = search.leaf?;
    let at = leaf.cut?;
    if !cut_before && may_be_definition(source, leaf.text) {
        return None;
    }
    let stand_in = if leaf.cut_on_first_line { "x" } else { "x\ny" };
    Some(Cut { text: leaf.text, stand_in, at })
}

/// Whether the paragraph whose text starts at `at` may still turn out to define something, or to be a title.
fn may_be_definition(source: &str, at: usize) -> bool {
    let text = &source[at..];
    may_begin_definition(text) || (may_be_title(text) && source[..at].contains("]:"))
}

struct Search<'s> {
    source: &'s str,
    options: &'s Options,
    leaf: Option<Leaf>,
    /// Inlines that come next stand directly in an item.
    in_item: bool,
}

/// The text that is being read.
struct Leaf {
    text: usize,
    cut: Option<usize>,
    cut_on_first_line: bool,
    /// Behind here something may still find a partner that is not there yet.
    stopped: bool,
    /// Emphasis, links and images that are open.
    depth: usize,
    /// Literal brackets that are open.
    brackets: usize,
    /// An address stands here: its brackets are none.
    in_address: bool,
    first_line: bool,
    /// Its block, or the item it stands in, has ended: at the end of the source, or before other text.
    ended: bool,
    /// Of the line so far: up to where it was looked at, and what was found.
    line_read: usize,
    line_has_letter: bool,
    line_has_pipe: bool,
    /// Where the event before ends.
    read: usize,
}

impl Leaf {
    fn new(text: usize) -> Self {
        Self {
            text,
            cut: None,
            cut_on_first_line: false,
            stopped: false,
            depth: 0,
            brackets: 0,
            in_address: false,
            first_line: true,
            ended: false,
            line_read: text,
            line_has_letter: false,
            line_has_pipe: false,
            read: text,
        }
    }

    fn begin_line(&mut self, at: usize) {
        self.first_line = false;
        (self.line_read, self.line_has_letter, self.line_has_pipe) = (at, false, false);
    }

    /// Takes in the line up to `at`, and tells whether it may be cut there: it cannot be another block's line, nor one
    /// of a table.
    fn line_allows(&mut self, source: &str, at: usize) -> bool {
        for &byte in &source.as_bytes()[self.line_read..at] {
            self.line_has_letter |= byte.is_ascii_alphanumeric();
            self.line_has_pipe |= byte == b'|';
        }
        self.line_read = at;
        self.line_has_letter && !self.line_has_pipe
    }
}

impl Search<'_> {
    fn event(&mut self, event: &Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(Tag::Link { link_type: LinkType::Autolink | LinkType::Email, .. }) => {
                self.inline(range.start, |leaf| (leaf.depth, leaf.in_address) = (leaf.depth + 1, true));
            }
            Event::Start(Tag::Emphasis | Tag::Strong | Tag::Strikethrough | Tag::Link { .. } | Tag::Image { .. }) => {
                self.inline(range.start, |leaf| leaf.depth += 1);
            }
            Event::End(TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough | TagEnd::Link | TagEnd::Image) => {
                self.inline(range.end, |leaf| (leaf.depth, leaf.in_address) = (leaf.depth.saturating_sub(1), false));
            }
            Event::Start(tag) => {
                self.leaf = matches!(tag, Tag::Paragraph).then(|| Leaf::new(range.start));
                self.in_item = matches!(tag, Tag::Item);
            }
            Event::End(_) => {
                self.in_item = false;
                if let Some(leaf) = &mut self.leaf {
                    leaf.ended = true;
                }
            }
            Event::Rule | Event::Html(_) => self.leaf = None,
            Event::TaskListMarker(_) => {
                let blanks = self.source.as_bytes()[range.end..].iter().take_while(|&&byte| byte == b' ').count();
                self.leaf = Some(Leaf::new(range.end + blanks));
            }
            Event::SoftBreak | Event::HardBreak => {
                let source = self.source;
                self.inline(range.end, |leaf| {
                    let feed = memchr::memchr(b'\n', &source.as_bytes()[range.start..]);
                    leaf.begin_line(feed.map_or(range.end, |feed| range.start + feed + 1));
                });
            }
            Event::Text(text) => self.text(text.len(), &range),
            _ => self.inline(range.end, |_| {}),
        }
    }

    /// Something stands in the text, and what is known of it ends at `read`.
    fn inline(&mut self, read: usize, change: impl FnOnce(&mut Leaf)) {
        self.leaf = self.leaf.take().filter(|leaf| !leaf.ended);
        if self.in_item && self.leaf.is_none() {
            // Tight text that begins with markup: where it starts is not looked into.
            self.in_item = false;
        }
        if let Some(leaf) = &mut self.leaf {
            change(leaf);
            leaf.read = leaf.read.max(read);
        }
    }

    fn text(&mut self, bytes: usize, range: &Range<usize>) {
        self.leaf = self.leaf.take().filter(|leaf| !leaf.ended);
        if self.in_item && self.leaf.is_none() {
            let escaped = range.start > 0 && self.source.as_bytes()[range.start - 1] == b'\\';
            self.leaf = (!escaped).then(|| Leaf::new(range.start));
            self.in_item = false;
        }
        let Some(leaf) = &mut self.leaf else { return };
        if !leaf.stopped && !leaf.in_address && bytes == range.len() {
            read_text(leaf, self.source, range, self.options);
        }
        leaf.read = leaf.read.max(range.end);
    }
}

/// Looks at text that stands in the source as it is.
fn read_text(leaf: &mut Leaf, source: &str, range: &Range<usize>, options: &Options) {
    let bytes = source.as_bytes();
    let mut at = range.start;
    // The parser's text starts behind the backslash that escapes its first character.
    if leaf.read < at && bytes[at - 1] == b'\\' {
        leaf.stopped = bytes[at] == b'`';
        at += source[at..].chars().next().map_or(1, char::len_utf8);
    }
    while at < range.end && !leaf.stopped {
        let next = bytes.get(at + 1);
        match bytes[at] {
            // A word follows, or text that may be a link's, so that the space is shown.
            b' ' if at > leaf.text
                && leaf.depth == 0
                && leaf.brackets == 0
                && next.is_some_and(|next| next.is_ascii_alphanumeric() || *next == b'[') =>
            {
                let glued = matches!(bytes[at - 1], b' ' | b'\\' | b'\n' | b'!' | b'[');
                if !glued && leaf.line_allows(source, at) {
                    (leaf.cut, leaf.cut_on_first_line) = (Some(at), leaf.first_line);
                }
            }
            b'[' => leaf.brackets += 1,
            b']' => {
                leaf.brackets = leaf.brackets.saturating_sub(1);
                leaf.stopped = next == Some(&b'(') && !is_no_tail(source, at + 2);
            }
            b'(' => leaf.stopped = at > 0 && bytes[at - 1] == b']' && !is_no_tail(source, at + 1),
            b'\\' | b'`' => leaf.stopped = true,
            b'$' => leaf.stopped = options.math,
            b'<' => leaf.stopped = !matches!(next, Some(b' ' | b'\n')),
            mark @ (b'*' | b'_' | b'~') if leaf.depth == 0 => {
                let end = at + bytes[at..].iter().take_while(|&&byte| byte == mark).count();
                leaf.stopped = !is_spent(source, at..end, mark) || end > range.end;
                at = end - 1;
            }
            _ => {}
        }
        at += 1;
    }
}

/// Whether a literal run of marks can open nothing: blanks follow, or it is an underscore in a word.
fn is_spent(source: &str, run: Range<usize>, mark: u8) -> bool {
    let bytes = source.as_bytes();
    let before = run.start.checked_sub(1).map(|at| bytes[at]);
    let after = bytes.get(run.end);
    let in_word = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    before != Some(mark)
        && (matches!(after, Some(b' ' | b'\n')) || (mark == b'_' && in_word(before) && in_word(after.copied())))
}
