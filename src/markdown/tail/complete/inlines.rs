//! One scan of the open leaf's text, left to right: where it is cut, and which brackets are not shown.
//!
//! What is finished (code, math, raw HTML, links) the parser has told; what is not is decided here by what it may
//! still become.
//!
//! **Invariant:** O(text): every look-ahead that reaches the text's end also ends the scan (`views_are_linear`).

use super::angle::{self, Angle};
use super::dollar::{Dollars, OpenMath};
use super::leaf::{Atom, AtomKind};
use super::link_tail::{self, Tail};
use super::text::Text;
use crate::markdown::Options;
use crate::markdown::tail::is_of_destination;

/// What the scan found; offsets are in the text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    /// The text is shown up to here.
    pub(super) cut: usize,
    /// Brackets before the cut that open a link which is not finished, ascending.
    pub(super) hidden: Vec<usize>,
    /// A code span or math that is open at the cut.
    pub(super) open: Option<Open>,
    /// From here on nothing is markup: a tag or a comment is open.
    pub(super) dead_from: Option<usize>,
    /// Something shown as text may become other markup with what follows, however plain that is.
    pub(super) doubtful: bool,
    /// What is cut off is a destination or a URL so far, of plain bytes, and stays so with more of them.
    pub(super) held: bool,
}

impl Scan {
    /// Moves the cut back to `cut`.
    pub(super) fn shorten(&mut self, cut: usize) {
        self.cut = cut;
        self.hidden.retain(|&at| at < cut);
        self.open = self.open.filter(|open| open.at() < cut);
        self.dead_from = self.dead_from.filter(|&at| at < cut);
    }
}

/// What is open at the cut and reaches from its opener to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Open {
    /// A code span: where its backticks stand, and how many they are.
    Code {
        at: usize,
        ticks: usize,
    },
    Math(OpenMath),
}

impl Open {
    pub(super) fn at(self) -> usize {
        match self {
            Self::Code { at, .. } | Self::Math(OpenMath { at, .. }) => at,
        }
    }
}

/// What the scan has to know beside the text itself.
pub(super) struct Context<'c> {
    pub(super) text: &'c Text,
    pub(super) atoms: &'c [Atom],
    pub(super) options: &'c Options,
}

/// Scans the text from `from`. No more of it is shown than up to `end`: what follows closes a heading.
pub(super) fn scan(context: &Context<'_>, from: usize, end: usize) -> Scan {
    let text = context.text.as_str();
    let dollars = if context.options.math { Dollars::new(text) } else { Dollars::default() };
    let mut scanner = Scanner {
        context,
        text,
        end,
        dollars,
        openers: Vec::new(),
        dead_openers: 0,
        hidden: Vec::new(),
        protected: from,
        open: None,
        dead_from: None,
        doubtful: false,
        held: false,
        atom: 0,
    };
    let mut at = from;
    let cut = loop {
        let Some(skip) = next_special(text.as_bytes(), at).filter(|&skip| skip < end) else { break end };
        match scanner.step(skip) {
            Step::Go(next) => at = next,
            Step::Cut(cut) => break cut,
        }
    };
    scanner.finish(cut)
}

/// The next byte at or after `at` that the scan has to look at.
fn next_special(bytes: &[u8], at: usize) -> Option<usize> {
    let special = |byte: &u8| matches!(byte, b'\\' | b'`' | b'$' | b'<' | b'&' | b'!' | b'[' | b']');
    bytes[at..].iter().position(special).map(|ahead| at + ahead)
}

enum Step {
    /// Go on at this offset.
    Go(usize),
    /// The scan ends; the text is shown up to this offset.
    Cut(usize),
}

struct Opener {
    at: usize,
    image: bool,
    /// It stands where an index or TeX would have it, and is shown until `](` says otherwise.
    index: bool,
    /// What was protected when it came.
    protected: usize,
}

struct Scanner<'c> {
    context: &'c Context<'c>,
    text: &'c str,
    end: usize,
    dollars: Dollars,
    openers: Vec<Opener>,
    /// So many of the openers, from the first, hold a link and so can be none.
    dead_openers: usize,
    hidden: Vec<usize>,
    /// What stands before this offset is not markup that could be stripped.
    protected: usize,
    open: Option<Open>,
    dead_from: Option<usize>,
    doubtful: bool,
    held: bool,
    /// The first of the finished inlines that may start here or later.
    atom: usize,
}

impl Scanner<'_> {
    fn step(&mut self, at: usize) -> Step {
        let rest = &self.text[at..];
        match rest.as_bytes()[0] {
            b'\\' => self.backslash(at, rest),
            b'`' => self.backticks(at, rest),
            b'$' if self.context.options.math => self.dollar(at, rest),
            b'<' => self.angle(at, rest),
            b'&' => self.ampersand(at, rest),
            b'!' if rest.starts_with("![") => self.bracket(at, true),
            b'[' => self.bracket(at, false),
            b']' => self.close(at),
            _ => Step::Go(at + 1),
        }
    }

    /// Goes on behind `end`, and leaves all before it as it is.
    fn keep(&mut self, end: usize) -> Step {
        self.protected = self.protected.max(end);
        Step::Go(end)
    }

    /// The end of the finished inline of one of `kinds` that starts at `at`.
    fn atom_end(&mut self, at: usize, kinds: &[AtomKind]) -> Option<usize> {
        let source = self.context.text.to_source(at);
        let atoms = self.context.atoms;
        while atoms.get(self.atom).is_some_and(|atom| atom.range.start < source) {
            self.atom += 1;
        }
        let atom = atoms.get(self.atom).filter(|atom| atom.range.start == source && kinds.contains(&atom.kind))?;
        let end = self.context.text.end_in_text(atom.range.end);
        (end <= self.text.len()).then_some(end)
    }

    fn backslash(&mut self, at: usize, rest: &str) -> Step {
        match rest.as_bytes().get(1) {
            None => Step::Cut(at),
            Some(b'\n') if rest.len() == 2 => Step::Cut(at),
            Some(next) if next.is_ascii_punctuation() => self.keep(at + 2),
            Some(_) => Step::Go(at + 1),
        }
    }

    fn backticks(&mut self, at: usize, rest: &str) -> Step {
        if let Some(end) = self.atom_end(at, &[AtomKind::Code]) {
            return self.keep(end);
        }
        let ticks = rest.bytes().take_while(|&byte| byte == b'`').count();
        let content = rest[ticks..(self.end - at).max(ticks)].trim_end_matches('`');
        if content.trim().is_empty() {
            return self.open_and_empty(at);
        }
        self.open = Some(Open::Code { at, ticks });
        self.protected = at + ticks + content.len();
        Step::Cut(self.protected)
    }

    fn dollar(&mut self, at: usize, rest: &str) -> Step {
        if let Some(end) = self.atom_end(at, &[AtomKind::Math]) {
            return self.keep(end);
        }
        let Some(math) = self.dollars.opens(self.text, at) else { return Step::Go(at + 1) };
        let content = at + 1 + usize::from(math.display);
        if math.blank || content >= self.end {
            return self.open_and_empty(at);
        }
        self.open = Some(Open::Math(math));
        self.protected = at + rest.trim_end_matches('$').len();
        Step::Cut(self.protected)
    }

    /// Code or math that is open at `at` and holds nothing waits, unless what closes a heading follows.
    fn open_and_empty(&self, at: usize) -> Step {
        Step::Cut(if self.end < self.text.len() { self.end } else { at })
    }

    fn angle(&mut self, at: usize, rest: &str) -> Step {
        if let Some(end) = self.atom_end(at, &[AtomKind::Angle]) {
            return self.keep(end);
        }
        match angle::unclosed(rest, is_after_word(self.text, at)) {
            Angle::Autolink => {
                self.held = angle::is_url(rest);
                Step::Cut(at)
            }
            Angle::Html if rest.len() > 1 => {
                self.dead_from = Some(at);
                self.protected = self.text.len();
                Step::Cut(self.text.len())
            }
            Angle::Html | Angle::Literal => {
                self.doubtful |= angle::unclosed(rest, false) != Angle::Literal;
                Step::Go(at + 1)
            }
        }
    }

    fn ampersand(&mut self, at: usize, rest: &str) -> Step {
        let name = &rest.as_bytes()[1..];
        let may_be_entity =
            name.len() <= 31 && name.iter().all(|&b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'#'));
        self.doubtful |= may_be_entity;
        if may_be_entity && !is_after_word(self.text, at) { Step::Cut(at) } else { Step::Go(at + 1) }
    }

    /// `[` or `![`.
    fn bracket(&mut self, at: usize, image: bool) -> Step {
        let inside = at + 1 + usize::from(image);
        if self.context.options.footnotes && self.text[inside..].starts_with('^') {
            let open = inside - 1;
            if let Some(end) = self.atom_end(open, &[AtomKind::Footnote]) {
                // The parser forgets all openers before a footnote's number.
                self.openers.clear();
                self.dead_openers = 0;
                return self.keep(end);
            }
            match link_tail::label(self.text, inside + 1) {
                Tail::Possible if !self.text[inside..].contains('\n') => return Step::Cut(at),
                _ => {}
            }
        }
        let before = self.text[..at].bytes().next_back();
        let index = before.is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'}' | b')' | b']'));
        self.openers.push(Opener { at, image, index: index && !image, protected: self.protected });
        Step::Go(inside)
    }

    fn close(&mut self, at: usize) -> Step {
        let Some(opener) = self.openers.pop() else { return Step::Go(at + 1) };
        let dead = self.openers.len() < self.dead_openers && !opener.image;
        self.dead_openers = self.dead_openers.min(self.openers.len());
        if dead {
            return Step::Go(at + 1);
        }
        let behind = &self.text[at + 1..];
        let unfinished = if behind.is_empty() {
            let inside = opener.at + 1 + usize::from(opener.image);
            !opener.index && !self.text[inside..at].trim().is_empty()
        } else if behind.starts_with('(') {
            link_tail::inline_tail(self.text, at + 2) == Tail::Possible
        } else if behind.starts_with('[') {
            !opener.index && link_tail::label(self.text, at + 2) == Tail::Possible
        } else {
            false
        };
        if unfinished {
            self.held = behind.strip_prefix('(').is_some_and(|tail| tail.bytes().all(is_of_destination));
            return self.cut_link(&opener, at);
        }
        match self.link_end(opener.at) {
            Some(end) => {
                if !opener.image {
                    self.dead_openers = self.openers.len();
                }
                self.keep(end.max(at + 1))
            }
            None => Step::Go(at + 1),
        }
    }

    /// Where the finished link or image that starts at `at` ends.
    fn link_end(&self, at: usize) -> Option<usize> {
        let source = self.context.text.to_source(at);
        let first = self.context.atoms.partition_point(|atom| atom.range.start < source);
        let atom = self.context.atoms.get(first).filter(|atom| atom.range.start == source)?;
        let is_link = matches!(atom.kind, AtomKind::Inline | AtomKind::Reference);
        let end = self.context.text.end_in_text(atom.range.end);
        (is_link && end <= self.text.len()).then_some(end)
    }

    /// The text of a link shows at once, an image not before it is whole.
    fn cut_link(&mut self, opener: &Opener, close: usize) -> Step {
        if opener.image {
            self.protected = opener.protected;
            return Step::Cut(opener.at);
        }
        self.hidden.push(opener.at);
        Step::Cut(close)
    }

    fn finish(mut self, mut cut: usize) -> Scan {
        for (index, opener) in self.openers.iter().enumerate() {
            if opener.image && opener.at < cut {
                (cut, self.protected) = (opener.at, opener.protected);
            } else if !opener.image && index >= self.dead_openers && !opener.index {
                self.hidden.push(opener.at);
            }
        }
        self.hidden.sort_unstable();
        let (open, dead_from, doubtful, held) = (self.open, self.dead_from, self.doubtful, self.held);
        let mut scan = Scan { cut, hidden: self.hidden, open, dead_from, doubtful, held };
        // What closes a heading also tells that nothing follows the markers before it.
        let closed = cut >= self.end && self.end < self.text.len();
        scan.shorten(if closed { self.end } else { strip(self.text, cut, self.protected, self.context.options) });
        scan
    }
}

/// Leaves out markers at the end that nothing follows yet.
fn strip(text: &str, cut: usize, protected: usize, options: &Options) -> usize {
    let waits = |byte: u8| match byte {
        b'*' | b'_' | b'!' | b'[' | b'<' => true,
        b'~' => options.strikethrough,
        b'$' => options.math,
        _ => false,
    };
    let floor = protected.min(cut);
    let mut cut = cut;
    loop {
        cut -= text.as_bytes()[floor..cut].iter().rev().take_while(|&&byte| waits(byte)).count();
        match final_hard_break(&text[floor..cut]) {
            Some(backslash) => cut = floor + backslash,
            None => return cut,
        }
    }
}

/// Where the backslash stands that ends the last line but for which nothing is left behind it: no line to break yet.
fn final_hard_break(text: &str) -> Option<usize> {
    let line = text.trim_end_matches([' ', '\t']).strip_suffix('\n')?;
    let backslashes = line.bytes().rev().take_while(|&byte| byte == b'\\').count();
    (backslashes % 2 == 1).then(|| line.len() - 1)
}

fn is_after_word(text: &str, at: usize) -> bool {
    text[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::super::leaf::{Probed, probe};
    use super::*;

    /// What is shown of a paragraph's text, hidden brackets left out, and what is open at its end.
    fn check(source: &str, shown: &str, open: &str) {
        let options = Options { math: true, footnotes: true, ..Options::default() };
        let Probed::Leaf(leaf) = probe(source, &options) else { panic!("no leaf in {source:?}") };
        let text = Text::new(source, &leaf);
        let context = Context { text: &text, atoms: &leaf.atoms, options: &options };
        let scan = scan(&context, 0, text.as_str().len());
        let visible: String = text.as_str()[..scan.cut]
            .char_indices()
            .filter(|(at, _)| !scan.hidden.contains(at))
            .map(|(_, c)| c)
            .collect();
        assert_eq!(visible, shown, "{source:?}");
        let found = match scan.open {
            Some(Open::Code { ticks, .. }) => "`".repeat(ticks),
            Some(Open::Math(math)) => "$".repeat(1 + usize::from(math.display)),
            None => String::new(),
        };
        assert_eq!(found, open, "{source:?}");
    }

    #[test]
    fn code_and_math_are_open_to_the_end() {
        for (source, shown, open) in [
            ("a `b", "a `b", "`"),
            ("a ``b` c``` ", "a ``b` c``` ", "``"),
            ("a `b``", "a `b", "`"),
            ("a `b` c", "a `b` c", ""),
            ("a `", "a ", ""),
            ("a ` ", "a ", ""),
            ("`a* [", "`a* [", "`"),
            ("a $x", "a $x", "$"),
            ("a $$x$", "a $$x", "$$"),
            ("a $x$ b", "a $x$ b", ""),
            ("a $5 and [b", "a $5 and b", ""),
        ] {
            check(source, shown, open);
        }
    }

    #[test]
    fn link_text_shows_without_its_brackets() {
        for (source, shown) in [
            ("a [b", "a b"),
            ("a [b]", "a b"),
            ("a [b](", "a b"),
            ("a [b](/u \"t", "a b"),
            ("a [b](/u) c", "a [b](/u) c"),
            ("a [b](/u v c", "a [b](/u v c"),
            ("a [b][c", "a b"),
            ("a [b][c] d", "a [b][c] d"),
            ("a [b] c", "a [b] c"),
            ("a [ ]", "a [ ]"),
            ("a [b [c](/u) d", "a [b [c](/u) d"),
            ("a [b ![c](/u) d", "a b ![c](/u) d"),
            ("a[0", "a[0"),
            ("a[0]", "a[0]"),
            ("a[0](/u", "a0"),
            ("a ![b", "a "),
            ("a ![b]", "a "),
            ("a ![b](/u", "a "),
            ("a ![b](/u) c", "a ![b](/u) c"),
            ("a [b `c", "a b `c"),
        ] {
            check(source, shown, if source.ends_with("`c") { "`" } else { "" });
        }
    }

    #[test]
    fn what_may_still_be_something_else_waits() {
        for (source, shown) in [
            ("a **", "a "),
            ("a *_~~![<$", "a "),
            ("a \\*", "a \\*"),
            ("a \\", "a "),
            ("a\\\n", "a"),
            ("a\\\nb", "a\\\nb"),
            ("a <https://b", "a "),
            ("a <b@c", "a "),
            ("1<2", "1<2"),
            ("a <b href=\"*", "a <b href=\"*"),
            ("a <b> *", "a <b> "),
            ("a &amp", "a "),
            ("a &amp; b", "a &amp; b"),
            ("AT&T", "AT&T"),
            ("a [^b", "a "),
            ("a!", "a"),
        ] {
            check(source, shown, "");
        }
    }
}
