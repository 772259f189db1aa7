//! The open leaf: the block that would take the next letter.
//!
//! It is found by asking the parser: two words that nobody writes are put behind the source, and the block that holds
//! the first of them is it. Two, because one would be taken for a fence's info string, a definition's destination or
//! a surplus cell without a trace.
//!
//! **Invariant:** what is found depends on nothing but the source and the options (`the_leaf_takes_the_next_letter`).

use super::blocks::is_blank;
use crate::markdown::Options;
use crate::markdown::parser::Document;
use pulldown_cmark::{BlockQuoteKind, Event, LinkType, Tag, TagEnd};
use std::ops::Range;

/// What stands behind the source when it is probed. The words are of private-use code points.
pub(super) const PROBE: &str = " \u{F8F0} \u{F8F0}";

/// What kind of block the open leaf is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A paragraph with a `<p>`.
    Paragraph,
    /// The text of a tight list item.
    Tight,
    /// An ATX heading.
    Heading,
    /// A cell of a table's body.
    Cell,
    /// A fenced code block.
    Fence,
    /// An indented code block.
    Indented,
    /// A block of raw HTML.
    Html,
}

/// What a finished inline is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AtomKind {
    Code,
    Math,
    /// Raw HTML, `<https://…>` or `<a@b.c>`.
    Angle,
    Footnote,
    /// `[text](…)`.
    Inline,
    /// `[text][label]`, `[label][]` or `[label]`.
    Reference,
}

/// An inline that is finished, by its place in the source.
#[derive(Clone, Debug)]
pub(super) struct Atom {
    pub(super) kind: AtomKind,
    pub(super) range: Range<usize>,
}

/// The open leaf.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) kind: Kind,
    /// Where the block starts in the source.
    pub(super) start: usize,
    /// Where its text starts in the source: behind `#`, `|`, a task's box and blanks.
    pub(super) text_start: usize,
    /// How many quotes it stands in.
    pub(super) quotes: usize,
    /// It is the first block of a list item.
    pub(super) first_in_item: bool,
    /// It is the first block of a quote that has no alert's title.
    pub(super) first_in_quote: bool,
    /// Its finished inlines, in the order of their starts.
    pub(super) atoms: Vec<Atom>,
    /// Where text stands directly in it, in no other inline, as it is written in the source.
    pub(super) texts: Vec<Range<usize>>,
    /// Of a cell: how many follow it in its row.
    pub(super) cells: usize,
    /// Where the text starts that would take the next letter: of code, what its containers leave of the last line.
    pub(super) line_start: usize,
}

/// Where the next letter would go.
#[derive(Debug)]
pub(super) enum Probed {
    Leaf(Leaf),
    /// No text would take it; whether that is because its table has no more columns.
    Swallowed {
        in_table: bool,
    },
}

/// Finds the open leaf of `source`. O(source): one parse.
pub(super) fn probe(source: &str, options: &Options) -> Probed {
    let mut probed = String::with_capacity(source.len() + PROBE.len());
    probed.push_str(source);
    probed.push_str(PROBE);
    find(source, &probed, options)
}

/// Finds the leaf that takes the words behind `source` in `probed`, which begins with it and [`PROBE`].
pub(super) fn find(source: &str, probed: &str, options: &Options) -> Probed {
    let mut document = Document::new(probed, options);
    let mut probing = Probing::new(source);
    for (event, range) in document.events() {
        probing.see(&event, &range);
        if probing.found.is_some() {
            break;
        }
    }
    probing.finish()
}

/// The same search, while somebody else goes through the events of the probed source.
pub(super) struct Probing<'s> {
    search: Search<'s>,
    /// Where the text starts that takes the probe.
    found: Option<usize>,
    /// That text is as it is written in the source.
    pub(super) verbatim: bool,
}

impl<'s> Probing<'s> {
    pub(super) fn new(source: &'s str) -> Self {
        Self { search: Search::new(source, source.len() + 1), found: None, verbatim: false }
    }

    pub(super) fn see(&mut self, event: &Event<'_>, range: &Range<usize>) {
        if self.found.is_some() {
            return;
        }
        if self.search.takes_the_probe(event, range) {
            self.found = Some(range.start);
            self.verbatim = matches!(event, Event::Text(text) if text.len() == range.len());
            return;
        }
        self.search.event(event, range);
    }

    pub(super) fn finish(self) -> Probed {
        match self.found {
            Some(line_start) => Probed::Leaf(self.search.leaf(line_start)),
            None => Probed::Swallowed { in_table: self.search.row.contains(&self.search.probe) },
        }
    }
}

/// A block that is open at this event.
struct Open {
    role: Role,
    /// Blocks in it so far.
    children: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Role {
    Item,
    Quote { alert: bool },
    Leaf(Kind),
    Other,
}

struct Search<'s> {
    source: &'s str,
    /// Where the first probe word stands.
    probe: usize,
    open: Vec<Open>,
    /// The last table row.
    row: Range<usize>,
    /// How many cells its table has in a row, and how many of them have begun in this one.
    columns: usize,
    cells: usize,
    /// The leaf that is being read: its block's start, its text's start.
    start: usize,
    text_start: usize,
    /// Where the last task's box ended.
    box_end: usize,
    /// A run of inlines directly in an item is being read.
    tight: bool,
    inlines_open: usize,
    atoms: Vec<Atom>,
    texts: Vec<Range<usize>>,
    /// So far the leaf's inlines have been read.
    read: usize,
}

impl<'s> Search<'s> {
    fn new(source: &'s str, probe: usize) -> Self {
        Self {
            source,
            probe,
            open: Vec::new(),
            row: 0..0,
            columns: 0,
            cells: 0,
            start: 0,
            text_start: 0,
            box_end: 0,
            tight: false,
            inlines_open: 0,
            atoms: Vec::new(),
            texts: Vec::new(),
            read: 0,
        }
    }

    fn takes_the_probe(&mut self, event: &Event<'_>, range: &Range<usize>) -> bool {
        let takes = matches!(event, Event::Text(_) | Event::Html(_)) && range.contains(&self.probe);
        if takes && let Event::Text(text) = event {
            self.inline(range.start);
            self.text(text, range);
        }
        takes
    }

    fn event(&mut self, event: &Event<'_>, range: &Range<usize>) {
        match event {
            Event::Start(tag) => self.start(tag, range),
            Event::End(tag) => self.end(*tag, range.end),
            Event::Rule => self.begin_block(),
            Event::TaskListMarker(_) => {
                self.box_end = range.end;
                self.text_start = skip_blanks(self.source, range.end);
                // Alone on its line a box begins no text: what comes on the next may be any block.
                if self.source.as_bytes().get(self.text_start) != Some(&b'\n') {
                    self.begin_tight_text(range.end);
                }
            }
            Event::Html(_) => {}
            Event::Code(_) => self.atom(AtomKind::Code, range),
            Event::InlineMath(_) | Event::DisplayMath(_) => self.atom(AtomKind::Math, range),
            Event::InlineHtml(_) => self.atom(AtomKind::Angle, range),
            Event::FootnoteReference(_) => self.atom(AtomKind::Footnote, range),
            Event::Text(text) => {
                self.inline(range.start);
                self.text(text, range);
            }
            Event::SoftBreak | Event::HardBreak => {
                self.inline(range.start);
                self.read = range.end;
            }
        }
    }

    /// Text that may hold delimiters which the parser left as they are.
    fn text(&mut self, text: &str, range: &Range<usize>) {
        if self.inlines_open == 0 && text.len() == range.len() {
            // The parser's text starts behind the backslash that escapes its first character.
            let escaped = self.read < range.start && self.source.as_bytes().get(range.start - 1) == Some(&b'\\');
            let end = range.end.min(self.source.len());
            self.texts.push((range.start + usize::from(escaped)).min(end)..end);
        }
        self.read = range.end;
    }

    fn start(&mut self, tag: &Tag<'_>, range: &Range<usize>) {
        match tag {
            Tag::Link { link_type, .. } | Tag::Image { link_type, .. } => {
                self.atom(atom_of(*link_type), range);
                self.read = range.start;
                self.inlines_open += 1;
            }
            Tag::Emphasis | Tag::Strong | Tag::Strikethrough => {
                self.inline(range.start);
                self.read = range.start;
                self.inlines_open += 1;
            }
            _ => self.start_block(tag, range),
        }
    }

    fn start_block(&mut self, tag: &Tag<'_>, range: &Range<usize>) {
        self.begin_block();
        match tag {
            Tag::Table(alignments) => self.columns = alignments.len(),
            Tag::TableHead | Tag::TableRow => (self.row, self.cells) = (range.clone(), 0),
            Tag::TableCell => self.cells += 1,
            _ => {}
        }
        let role = match tag {
            Tag::Item => Role::Item,
            Tag::BlockQuote(kind) => Role::Quote { alert: is_alert(*kind) },
            Tag::Paragraph => Role::Leaf(Kind::Paragraph),
            Tag::Heading { .. } => Role::Leaf(Kind::Heading),
            Tag::TableCell => Role::Leaf(Kind::Cell),
            Tag::CodeBlock(kind) if kind.is_fenced() => Role::Leaf(Kind::Fence),
            Tag::CodeBlock(_) => Role::Leaf(Kind::Indented),
            Tag::HtmlBlock => Role::Leaf(Kind::Html),
            _ => Role::Other,
        };
        if let Role::Leaf(kind) = role {
            self.start = range.start;
            self.text_start = text_start(self.source, kind, range.start.max(self.box_end));
            self.begin_leaf();
        }
        self.open.push(Open { role, children: 0 });
    }

    /// A block begins: it is a child of the innermost open one, and ends the tight text before it.
    fn begin_block(&mut self) {
        self.tight = false;
        if let Some(parent) = self.open.last_mut() {
            parent.children += 1;
        }
    }

    fn end(&mut self, tag: TagEnd, end: usize) {
        match tag {
            TagEnd::Link | TagEnd::Image | TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough => {
                self.inlines_open -= 1;
                self.read = end;
            }
            _ => {
                self.tight = false;
                self.open.pop();
            }
        }
    }

    fn atom(&mut self, kind: AtomKind, range: &Range<usize>) {
        self.inline(range.start);
        self.atoms.push(Atom { kind, range: range.clone() });
        self.read = range.end;
    }

    fn begin_leaf(&mut self) {
        self.atoms.clear();
        self.texts.clear();
        self.read = self.text_start;
    }

    fn inline(&mut self, at: usize) {
        if self.inlines_open == 0 {
            // The parser's text starts behind the backslash that escapes its first character.
            let escaped = at > 0 && self.source.as_bytes().get(at - 1) == Some(&b'\\');
            self.begin_tight_text(at - usize::from(escaped));
        }
    }

    /// An inline directly in an item begins the item's text, unless it goes on with it.
    fn begin_tight_text(&mut self, at: usize) {
        let in_leaf = matches!(self.open.last(), Some(Open { role: Role::Leaf(_), .. }));
        if in_leaf || self.tight {
            return;
        }
        self.begin_block();
        self.tight = true;
        self.start = at;
        self.text_start = skip_blanks(self.source, at);
        self.begin_leaf();
    }

    fn leaf(self, line_start: usize) -> Leaf {
        let last = self.open.last().map(|open| open.role);
        let (kind, container) = match last {
            Some(Role::Leaf(kind)) => (kind, self.open.len().checked_sub(2)),
            _ => (Kind::Tight, self.open.len().checked_sub(1)),
        };
        let container = container.map(|index| &self.open[index]);
        let is_first_in = |role: Role| container.is_some_and(|open| open.role == role && open.children == 1);
        Leaf {
            kind,
            start: self.start,
            text_start: self.text_start,
            quotes: self.open.iter().filter(|open| matches!(open.role, Role::Quote { .. })).count(),
            first_in_item: is_first_in(Role::Item),
            first_in_quote: is_first_in(Role::Quote { alert: false }),
            atoms: self.atoms,
            texts: self.texts,
            cells: self.columns.saturating_sub(self.cells),
            line_start,
        }
    }
}

fn is_alert(kind: Option<BlockQuoteKind>) -> bool {
    kind.is_some()
}

fn atom_of(link_type: LinkType) -> AtomKind {
    match link_type {
        LinkType::Inline => AtomKind::Inline,
        LinkType::Autolink | LinkType::Email => AtomKind::Angle,
        _ => AtomKind::Reference,
    }
}

/// Where a leaf's text starts, if its block starts at `at`.
fn text_start(source: &str, kind: Kind, at: usize) -> usize {
    let number_signs = match kind {
        Kind::Heading => source.as_bytes().get(at..).unwrap_or_default().iter().take_while(|&&b| b == b'#').count(),
        _ => 0,
    };
    let start = skip_blanks(source, at + number_signs);
    // The parser drops form feeds too, but not before a paragraph.
    match (kind, source.as_bytes().get(start)) {
        (Kind::Heading | Kind::Cell, Some(b'\x0c')) => text_start(source, Kind::Cell, start + 1),
        _ => start,
    }
}

fn skip_blanks(source: &str, at: usize) -> usize {
    let rest = source.as_bytes().get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

impl Leaf {
    /// Whether the next letter would begin the leaf: nothing of it has been read.
    pub(super) fn begins_after(&self, source: &str) -> bool {
        match self.kind {
            Kind::Fence | Kind::Indented | Kind::Html => self.start >= source.len(),
            _ => source.get(self.text_start..).is_none_or(is_blank),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn everything() -> Options {
        Options { task_lists: true, footnotes: true, alerts: true, math: true, ..Options::default() }
    }

    #[test]
    fn the_leaf_takes_the_next_letter() {
        use Kind::{Cell, Fence, Heading, Html, Indented, Paragraph, Tight};
        let cases = [
            ("a", Paragraph, "a"),
            ("a\nb\n", Paragraph, "a\nb\n"),
            ("a\n\nb", Paragraph, "b"),
            ("- a", Tight, "a"),
            ("- \\*a", Tight, "\\*a"),
            ("- [x] a", Tight, "a"),
            ("- a\n\n- [x] b", Paragraph, "b"),
            ("- a\n  - b\n\n    c", Paragraph, "c"),
            ("- # a\n  b *c* d", Tight, "b *c* d"),
            ("> a\nb", Paragraph, "a\nb"),
            ("## a b", Heading, "a b"),
            ("|a|\n|-|\n| b c", Cell, "b c"),
            ("|a|b|\n|-|-|\n| b | c", Cell, "c"),
            ("[^a]: b", Paragraph, "b"),
            ("> [!NOTE]\n> b", Paragraph, "b"),
            ("    a", Indented, "a"),
            ("<div>a", Html, "<div>a"),
            ("```\na", Fence, "```\na"),
        ];
        for (source, kind, text) in cases {
            let Probed::Leaf(leaf) = probe(source, &everything()) else { panic!("no leaf in {source:?}") };
            assert_eq!(leaf.kind, kind, "{source:?}");
            assert_eq!(&source[leaf.text_start..], text, "{source:?}");
            assert!(!leaf.begins_after(source), "{source:?}");
        }
    }

    #[test]
    fn markers_alone_begin_no_leaf() {
        for source in [
            "",
            "a\n\n",
            "- ",
            "-",
            "1. ",
            "> ",
            "#",
            "## ",
            "- [ ] ",
            "- \x0c",
            "#\x0c",
            "[^1]:",
            "|a|\n|-|\n|",
            "```\n```\n",
        ] {
            let Probed::Leaf(leaf) = probe(source, &everything()) else { panic!("no leaf in {source:?}") };
            assert!(leaf.begins_after(source), "{source:?}");
        }
    }

    #[test]
    fn info_strings_and_surplus_cells_take_nothing() {
        for (source, surplus) in [("```", false), ("```ru", false), ("|a|\n|-|\n|b|", true), ("|a|\n|-|\nb|c", true)] {
            let Probed::Swallowed { in_table } = probe(source, &everything()) else { panic!("a leaf in {source:?}") };
            assert_eq!(in_table, surplus, "{source:?}");
        }
    }

    #[test]
    fn the_first_block_of_a_container_is_known() {
        let cases = [
            ("- [", true, false),
            ("- a\n\n  [", false, false),
            ("> [", false, true),
            ("> a\n>\n> [", false, false),
            ("> - [", true, false),
            ("- > [", false, true),
        ];
        for (source, item, quote) in cases {
            let Probed::Leaf(leaf) = probe(source, &everything()) else { panic!("no leaf in {source:?}") };
            assert_eq!((leaf.first_in_item, leaf.first_in_quote), (item, quote), "{source:?}");
        }
    }

    #[test]
    fn finished_inlines_are_known() {
        use AtomKind::{Angle, Code, Footnote, Inline, Math, Reference};
        let source = "[f]: /\n[^n]: n\n\n`a` $x$ <b> <http://a.b> [^n] [c](d) ![e](f) [f]";
        let Probed::Leaf(leaf) = probe(source, &everything()) else { panic!("no leaf") };
        let found: Vec<_> = leaf.atoms.iter().map(|atom| (atom.kind, &source[atom.range.clone()])).collect();
        let expected = [
            (Code, "`a`"),
            (Math, "$x$"),
            (Angle, "<b>"),
            (Angle, "<http://a.b>"),
            (Footnote, "[^n]"),
            (Inline, "[c](d)"),
            (Inline, "![e](f)"),
            (Reference, "[f]"),
        ];
        assert_eq!(found, expected);
    }
}
