//! Closing what is open: the suffix that makes the parser show unfinished emphasis as emphasis.
//!
//! **Invariant:** nothing of the suffix is shown (`the_suffix_is_never_seen`).

use super::blocks::ends_apart;
use super::inlines::{Open, Scan};
use super::leaf::Leaf;
use super::page::Page;
use super::punctuation::is_punctuation;
use super::rows::Header;
use super::text::Text;
use crate::markdown::Options;
use crate::markdown::parser::Document;
use crate::markdown::tail::last_line;
use crate::markdown::writer::Edits;
use pulldown_cmark::{Event, Tag, TagEnd};
use std::ops::Range;

/// Stands between the text and the markers that close it, and is not shown. A marker after a blank or beside a literal
/// one would not close, `_` does not before a letter, and one after punctuation could also open: hence a punctuation
/// mark and a letter.
const SEPARATOR: &str = "\u{2042}\u{A66E}";
/// So often a closing marker is given up that did not close, before all are.
const TRIES_MAX: usize = 8;

/// A leaf that is to be closed.
pub(super) struct Draft<'d> {
    pub(super) source: &'d str,
    /// So many bytes of the document stand before the source.
    pub(super) before: isize,
    pub(super) leaf: &'d Leaf,
    pub(super) text: &'d Text,
    pub(super) scan: &'d Scan,
    /// The table row that this line may be the head of.
    pub(super) header: Option<&'d Header>,
    pub(super) options: &'d Options,
}

/// What becomes of a draft.
pub(super) enum Closing {
    /// Its last markers have nothing behind them: the text is to be cut here.
    CutAt(usize),
    Closed(Closed),
}

/// A source with all that is open closed.
#[derive(Debug)]
pub(super) struct Closed {
    pub(super) text: String,
    /// What of it is not shown.
    pub(super) hidden: Vec<Range<usize>>,
    /// Where what was written ends and what closes it begins.
    pub(super) cut: usize,
    /// Where something opens that the source does not close, ascending.
    pub(super) openers: Vec<usize>,
    /// What the math that starts there holds.
    pub(super) math: Option<(usize, String)>,
    /// Where code or math starts that was open.
    opened: Option<usize>,
    markers: Range<usize>,
    /// The parser sees in it the table, the code or the math that it was made for.
    pub(super) confirmed: bool,
}

impl Closed {
    /// Whether markers close something.
    pub(super) fn is_suffixed(&self) -> bool {
        !self.markers.is_empty()
    }
}

/// Delimiters that the parser left as text, by their place in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    at: usize,
    len: usize,
    marker: u8,
}

/// Closes what is open in a draft, and writes it. O(source): a fixed number of parses.
pub(super) fn close(draft: &Draft<'_>, page: &mut Page<'_>) -> Closing {
    let mut plain = draft.assemble(&[]);
    let shown = &draft.text.as_str()[..draft.scan.cut];
    let mut runs = match shown.bytes().any(|byte| matches!(byte, b'*' | b'_' | b'~')) {
        true => draft.open_runs(&plain),
        false => Vec::new(),
    };
    let content_end = draft.content_end();
    if let Some(run) = runs.iter().find(|run| draft.text.in_text(run.at) + run.len > content_end) {
        return Closing::CutAt(draft.text.in_text(run.at));
    }
    // Side by side, what closes two of them would be one run of four tildes, which closes none: the inner is closed.
    runs.dedup_by(|inner, outer| {
        let both = inner.marker == b'~' && outer.marker == b'~';
        if both {
            *outer = *inner;
        }
        both
    });
    for _ in 0..super::tries(draft.source.len().saturating_add_signed(draft.before), TRIES_MAX) {
        if runs.is_empty() {
            break;
        }
        let mut closed = draft.assemble(&runs);
        match closed.write(&runs, draft, page) {
            None => return Closing::Closed(closed),
            Some(index) => {
                runs.remove(index);
            }
        }
    }
    if draft.is_as_probed() && page.is_probed(draft.source.len()) {
        plain.confirmed = true;
    } else {
        plain.write(&[], draft, page);
    }
    Closing::Closed(plain)
}

impl Closed {
    /// Writes it, and looks whether it shows what it was made to show. The index of the last run that did not close; the
    /// last of all if one of the markers that close them is seen.
    fn write(&mut self, runs: &[Run], draft: &Draft<'_>, page: &mut Page<'_>) -> Option<usize> {
        let edits = Edits {
            hidden: &self.hidden,
            open_line: last_line(&self.text[..self.cut]),
            cut: self.cut,
            openers: &self.openers,
            math: self.math.as_ref().map(|(at, content)| (*at, content.as_str())),
        };
        let row = draft.header.map(Header::row);
        let (mut opened, mut table) = (self.opened.is_none(), row.is_none());
        let (mut seen, mut last_literal, mut next) = (false, None, 0);
        page.write(&self.text, &edits, &mut |event, range| match event {
            Event::Text(_) => {
                seen |= range.start < self.markers.end && self.markers.start < range.end;
                while runs.get(next).is_some_and(|run| run.at + run.len <= range.start) {
                    next += 1;
                }
                while runs.get(next).is_some_and(|run| run.at < range.end) {
                    last_literal = Some(next);
                    next += 1;
                }
            }
            Event::Code(_) | Event::InlineMath(_) | Event::DisplayMath(_) => {
                opened |= self.opened == Some(range.start);
            }
            Event::Start(Tag::Table(_)) => table |= row == Some(range.start),
            _ => {}
        });
        self.confirmed = opened && table;
        last_literal.or((seen && !runs.is_empty()).then(|| runs.len() - 1))
    }
}

impl Draft<'_> {
    /// The source up to the cut, and what closes it.
    fn assemble(&self, runs: &[Run]) -> Closed {
        let shown = &self.text.as_str()[..self.scan.cut];
        let follows = !runs.is_empty() || self.scan.open.is_some() || self.header.is_some();
        let content = shown.trim_end_matches([' ', '\t', '\x0c', '\n']);
        let breaks = follows && shown[content.len()..].contains('\n');
        let end = if breaks { content.len() } else { shown.len() };
        // The end of a byte, not the start of the next: a container's marker may stand between.
        let cut = end.checked_sub(1).map_or(self.text.to_source(0), |last| self.text.to_source(last) + 1);
        let cut = if follows { cut } else { self.text.to_source(end) };

        let mut text = String::with_capacity(cut + 64);
        text.push_str(&self.source[..cut]);
        if breaks {
            text.push(' ');
        }
        let cut = text.len();
        let math = self.close_open(&mut text, shown);
        let cut = math.as_ref().map_or(cut, |math| math.0);
        let mut hidden: Vec<_> =
            self.scan.hidden.iter().map(|&at| self.text.to_source(at)).map(|at| at..at + 1).collect();
        if !runs.is_empty() {
            hidden.push(text.len()..text.len() + SEPARATOR.len());
            text.push_str(SEPARATOR);
        }
        let markers = text.len();
        for run in runs.iter().rev() {
            text.extend(std::iter::repeat_n(char::from(run.marker), run.len));
        }
        let markers = markers..text.len();
        if let Some(header) = self.header {
            header.push_delimiter_row(&mut text);
        }
        let open = self.scan.open.map(|open| self.text.to_source(open.at()));
        let openers = runs.iter().map(|run| run.at).chain(open).collect();
        Closed { text, hidden, cut, openers, math, opened: open, markers, confirmed: false }
    }

    /// Closes an open code span. Open math gives way to a stand-in, whose place and real content are returned: no text
    /// could close it that the braces in it would not undo.
    fn close_open(&self, text: &mut String, shown: &str) -> Option<(usize, String)> {
        match self.scan.open? {
            Open::Code { ticks, .. } => {
                text.extend(std::iter::repeat_n('`', ticks));
                None
            }
            Open::Math(math) => {
                let at = self.text.to_source(math.at);
                let dollars = if math.display { "$$" } else { "$" };
                text.truncate(at);
                text.extend([dollars, "x", dollars]);
                Some((at, shown[math.at + dollars.len()..].to_owned()))
            }
        }
    }

    /// The runs of delimiters that are literal in `plain` and open.
    fn open_runs(&self, plain: &Closed) -> Vec<Run> {
        let end = match self.scan.dead_from {
            Some(dead) => self.text.to_source(dead),
            None => plain.cut,
        };
        let mut runs = match self.is_as_probed() {
            true => self.probed_runs(),
            false => literal_runs(&plain.text, self.leaf.text_start..end, self.header_cell(), self.options),
        };
        runs.retain(|run| self.is_open(run));
        runs
    }

    /// Whether all of the source is shown as it stands, and the parser takes it as it did when words stood behind it:
    /// nothing is cut or closed, nothing hides what follows it, and no delimiter touches them.
    fn is_as_probed(&self) -> bool {
        let Scan { cut, ref hidden, open, dead_from, .. } = *self.scan;
        let text = self.text.as_str();
        let plain = hidden.is_empty() && open.is_none() && dead_from.is_none() && self.header.is_none();
        let dollars = self.options.math && text.contains('$');
        plain && !dollars && cut == text.len() && ends_apart(text) && ends_apart(self.source)
    }

    /// The literal runs that were met when the source was probed.
    fn probed_runs(&self) -> Vec<Run> {
        let mut runs = Vec::new();
        self.leaf.texts.iter().for_each(|text| gather_runs(self.source, text.clone(), &mut runs));
        runs
    }

    /// Where the last cell of a header row starts in the source: what stands before it is closed.
    fn header_cell(&self) -> usize {
        self.header.map_or(0, |header| self.text.to_source(header.cell))
    }

    fn is_open(&self, run: &Run) -> bool {
        let shown = &self.text.as_str()[..self.scan.cut];
        let bytes = shown.as_bytes();
        let at = self.text.in_text(run.at);
        let escapes = |at: usize| at >= 2 && bytes[at - 2] == b'\\';
        let mut start = at;
        while start > 0 && bytes[start - 1] == run.marker && !escapes(start) {
            start -= 1;
        }
        let end = at + bytes[at..].iter().take_while(|&&byte| byte == run.marker).count();
        let from = self.header.map_or(0, |header| header.cell).min(start);
        let before = shown[from..start].chars().next_back().unwrap_or(' ');
        let after = shown[end..].chars().next().unwrap_or(' ');
        match run.marker {
            b'~' => self.options.strikethrough && run.len == 2 && end - start == 2 && is_left_flanking(before, after),
            b'_' => is_left_flanking(before, after) && (!is_right_flanking(before, after) || is_punctuation(before)),
            _ => is_left_flanking(before, after) && !(before.is_ascii_digit() && after.is_ascii_digit()),
        }
    }

    /// Where the last thing ends that a reader would miss: a character that is neither blank nor ASCII punctuation, a
    /// code span, math, a link.
    fn content_end(&self) -> usize {
        let shown = &self.text.as_str()[..self.scan.cut];
        if self.scan.open.is_some() {
            return shown.len();
        }
        let is_content = |c: char| !c.is_whitespace() && !c.is_ascii_punctuation();
        let letters = shown.char_indices().rev().find(|&(_, c)| is_content(c)).map_or(0, |(at, c)| at + c.len_utf8());
        let atoms = self.header.map_or(&self.leaf.atoms, |header| &header.atoms);
        let atoms = atoms.iter().map(|atom| self.text.end_in_text(atom.range.end));
        atoms.filter(|&end| end <= shown.len()).fold(letters, usize::max)
    }
}

/// The runs of `*`, `_` and `~` that the parser left as text directly in the leaf whose text stands in `leaf`, from
/// `from` on.
fn literal_runs(source: &str, leaf: Range<usize>, from: usize, options: &Options) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let (mut depth, mut read) = (0_usize, leaf.start);
    for (event, range) in Document::new(source, options).events() {
        if range.start < leaf.start.max(from) {
            continue;
        }
        match event {
            Event::Start(Tag::Emphasis | Tag::Strong | Tag::Strikethrough | Tag::Link { .. } | Tag::Image { .. }) => {
                depth += 1;
                read = range.start;
            }
            Event::End(TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough | TagEnd::Link | TagEnd::Image) => {
                depth = depth.saturating_sub(1);
                read = range.end;
            }
            Event::Text(text) => {
                if depth == 0 && text.len() == range.len() && range.end <= leaf.end {
                    // The parser's text starts behind the backslash that escapes its first character.
                    let escaped = read < range.start && source.as_bytes()[range.start - 1] == b'\\';
                    let from = range.start + usize::from(escaped);
                    gather_runs(source, from..range.end, &mut runs);
                }
                read = range.end;
            }
            // A block: what it holds comes with events of its own.
            Event::Start(_) | Event::End(_) => {}
            _ => read = range.end,
        }
    }
    runs
}

fn gather_runs(source: &str, range: Range<usize>, runs: &mut Vec<Run>) {
    let bytes = source.as_bytes();
    for at in memchr::memchr3_iter(b'*', b'_', b'~', &bytes[range.clone()]).map(|at| range.start + at) {
        match runs.last_mut() {
            Some(run) if run.at + run.len == at && run.marker == bytes[at] => run.len += 1,
            _ => runs.push(Run { at, len: 1, marker: bytes[at] }),
        }
    }
}

fn is_left_flanking(before: char, after: char) -> bool {
    !after.is_whitespace() && (!is_punctuation(after) || before.is_whitespace() || is_punctuation(before))
}

fn is_right_flanking(before: char, after: char) -> bool {
    is_left_flanking(after, before)
}
