//! Delimiter runs that are open at the end: which they are, and what closes them.

use pulldown_cmark::{Event, Tag, TagEnd};
use rillmark::markdown::options::Options;

use super::inline::{Closer, Scan};
use super::leaf::{Leaf, Text};
use super::syntax::BLANKS;
use super::write::{Placed, parse};

/// One punctuation mark and one letter: closers behind them close, whatever stands before. Not shown.
const SEPARATOR: &str = "\u{2016}\u{A4D0}";
/// Stands for a node of math; punctuation to the parser, as the dollars are.
const NODE: &str = "\u{2017}";
/// So often a run that does not close is left out before all are.
const ATTEMPTS: usize = 8;

/// A source that has been closed.
pub(crate) struct Closed {
    pub text: String,
    /// How much of the source is shown.
    pub end: usize,
    pub hidden: Vec<usize>,
    /// Where something begins that the source does not close.
    pub openers: Vec<usize>,
    pub node: Option<(usize, Event<'static>)>,
    /// Where code begins that is closed.
    pub code: Option<usize>,
}

/// A literal run of one delimiter, as much as is left of it.
#[derive(Clone, Copy, PartialEq)]
struct Run {
    start: usize,
    length: usize,
    marker: char,
}

struct Closing<'a> {
    source: &'a str,
    leaf: &'a Leaf,
    text: &'a Text,
    scan: Scan,
    behind: &'a dyn Fn(&str) -> Option<String>,
    options: &'a Options,
}

/// What comes of closing a source.
pub(crate) enum Outcome<V> {
    Closed(Closed),
    /// The guard's verdict on a cut.
    Guarded(V),
    /// Nothing can stand behind it as it must.
    Nothing,
}

/// Closes `source`, of which the scan shows a part; `behind` gives what must stand behind it, on lines of its own. Each
/// cut is shown to the guard.
pub(crate) fn close<V>(
    source: &str,
    leaf: &Leaf,
    text: &Text,
    scan: Scan,
    behind: &dyn Fn(&str) -> Option<String>,
    guard: &dyn Fn(usize) -> Option<V>,
    options: &Options,
) -> Outcome<V> {
    let mut closing = Closing { source, leaf, text, scan, behind, options };
    loop {
        let end = closing.end();
        if end < source.len()
            && let Some(verdict) = guard(end)
        {
            return Outcome::Guarded(verdict);
        }
        let Some(base) = closing.compose(&[]) else { return Outcome::Nothing };
        let events = parse(&base.text, options);
        let open: Vec<Run> = closing.literal_runs(&events).into_iter().filter(|run| closing.is_open(run)).collect();
        let empty = open.iter().find(|run| !closing.has_content(run, &events));
        let Some(run) = empty else { return closing.close(closable(open)).map_or(Outcome::Nothing, Outcome::Closed) };
        closing.scan.cut = closing.text.index(run.start);
        closing.scan.closer = Closer::None;
        assert!(closing.end() < end, "each round cuts");
    }
}

impl Closing<'_> {
    /// Where what is shown of the source stops.
    fn end(&self) -> usize {
        if self.scan.cut == self.text.chars.len() { self.source.len() } else { self.text.place(self.scan.cut) }
    }

    /// What is shown, closed by what closes these runs.
    fn compose(&self, runs: &[Run]) -> Option<Closed> {
        let (closer, shown) = match &self.scan.closer {
            Closer::None => (String::new(), self.scan.cut),
            Closer::Code { length, .. } => ("`".repeat(*length), self.scan.cut),
            Closer::Math { opener, .. } => (NODE.to_owned(), *opener),
        };
        let mut hidden = self.scan.hidden.clone();
        let math = matches!(self.scan.closer, Closer::Math { .. });
        let closes = !math && (!runs.is_empty() || self.scan.closer != Closer::None);
        let mut text = self.head(shown, closes);
        let node = match &self.scan.closer {
            Closer::Math { opener, display } => {
                let content = opener + 1 + usize::from(*display);
                let tex = self.text.string(content..self.scan.cut).into();
                Some((text.len(), if *display { Event::DisplayMath(tex) } else { Event::InlineMath(tex) }))
            }
            _ => None,
        };
        text += &closer;
        if !runs.is_empty() {
            hidden.extend(SEPARATOR.char_indices().map(|(at, _)| text.len() + at));
            text += SEPARATOR;
        }
        for run in runs.iter().rev() {
            text.extend(std::iter::repeat_n(run.marker, run.length));
        }
        text += &(self.behind)(&text)?;
        let code = match self.scan.closer {
            Closer::Code { opener, .. } | Closer::Math { opener, .. } => Some(self.text.place(opener)),
            Closer::None => None,
        };
        let openers = runs.iter().map(|run| run.start).chain(code).collect();
        let code = code.filter(|_| node.is_none());
        Some(Closed { text, end: self.end(), hidden, openers, node, code })
    }

    /// The source up to a character of the text; where something closes it, line feeds at its end become one blank.
    fn head(&self, shown: usize, closes: bool) -> String {
        let end = if shown == self.text.chars.len() { self.source.len() } else { self.text.place(shown) };
        let trailing = self.text.chars[..shown].iter().rev().take_while(|c| **c == '\n' || BLANKS.contains(c)).count();
        let solid = shown - trailing;
        if closes && self.text.chars[solid..shown].contains(&'\n') {
            return format!("{} ", &self.source[..self.text.place(solid)]);
        }
        self.source[..end].to_owned()
    }

    /// The literal runs directly in the leaf.
    fn literal_runs(&self, events: &[Placed]) -> Vec<Run> {
        let limit = self.end().min(self.text.place(self.scan.dead));
        let mut runs: Vec<Run> = Vec::new();
        let mut depth = 0;
        for (event, range) in events.iter().filter(|(_, range)| range.start >= self.leaf.start) {
            match event {
                Event::Start(tag) if is_inline(tag) => depth += 1,
                Event::End(
                    TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough | TagEnd::Link | TagEnd::Image,
                ) => depth -= 1,
                Event::Text(text) if depth == 0 && text.len() == range.len() => {
                    let placed = text.char_indices().map(|(at, c)| (range.start + at, c));
                    for (at, marker) in placed.filter(|(at, c)| *at < limit && self.is_marker(*at, *c)) {
                        match runs.last_mut() {
                            Some(run) if run.marker == marker && run.start + run.length == at => run.length += 1,
                            _ => runs.push(Run { start: at, length: 1, marker }),
                        }
                    }
                }
                _ => {}
            }
        }
        runs
    }

    fn is_marker(&self, at: usize, c: char) -> bool {
        let marker = c == '*' || c == '_' || c == '~' && self.options.strikethrough;
        let backslashes = self.source[..at].bytes().rev().take_while(|b| *b == b'\\').count();
        marker && backslashes % 2 == 0
    }

    /// The characters beside the whole run, of which some may have been used.
    fn beside(&self, run: &Run) -> (Option<char>, Option<char>) {
        let mut from = run.start;
        while self.source[..from].ends_with(run.marker) && self.is_marker(from - 1, run.marker) {
            from -= 1;
        }
        let behind = self.source[run.start..].trim_start_matches(run.marker);
        let next = if self.source.len() - behind.len() < self.end() { behind.chars().next() } else { None };
        (self.source[..from].chars().next_back(), next)
    }

    fn is_open(&self, run: &Run) -> bool {
        let (before, after) = self.beside(run);
        let blank = |c: Option<char>| c.is_none_or(char::is_whitespace);
        let mark = |c: Option<char>| c.is_some_and(is_punctuation);
        let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        let left_flanking = !blank(after) && (!mark(after) || blank(before) || mark(before));
        left_flanking
            && match run.marker {
                '_' => blank(before) || mark(before),
                '~' => run.length == 2,
                _ => !(digit(before) && digit(after)),
            }
    }

    /// Whether something is shown behind the run that is more than punctuation.
    fn has_content(&self, run: &Run, events: &[Placed]) -> bool {
        let behind = run.start + run.length;
        let counts = |event: &Event<'_>| match event {
            Event::Start(tag) => matches!(tag, Tag::Link { .. } | Tag::Image { .. }),
            Event::Code(_)
            | Event::InlineHtml(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::FootnoteReference(_) => true,
            _ => false,
        };
        let text = &self.source[behind.min(self.end())..self.end()];
        text.chars().any(|c| !c.is_whitespace() && !c.is_ascii_punctuation())
            || events.iter().any(|(event, range)| range.start >= behind && counts(event))
            || self.scan.closer != Closer::None
    }

    /// Closes the runs that can be closed.
    fn close(&self, mut open: Vec<Run>) -> Option<Closed> {
        for _ in 0..ATTEMPTS {
            let closed = self.compose(&open)?;
            if open.is_empty() {
                return Some(closed);
            }
            let events = parse(&closed.text, self.options);
            let shown = |from: usize, to: usize| {
                let is_text = |event: &Event<'_>| matches!(event, Event::Text(_));
                events.iter().any(|(event, range)| is_text(event) && range.start < to && from < range.end)
            };
            let suffix: usize = open.iter().map(|run| run.length).sum();
            let suffix_start = closed.hidden.last().expect("the separator is hidden")
                + SEPARATOR.chars().next_back().map_or(0, char::len_utf8);
            let literal = open.iter().rposition(|run| shown(run.start, run.start + run.length));
            match literal {
                Some(run) => drop(open.remove(run)),
                None if shown(suffix_start, suffix_start + suffix) => drop(open.pop()),
                None => return Some(closed),
            }
        }
        self.compose(&[])
    }
}

/// The closers of two runs of tildes side by side would be one run that closes nothing: only the inner is closed.
fn closable(open: Vec<Run>) -> Vec<Run> {
    let markers: Vec<char> = open.iter().skip(1).map(|run| run.marker).chain(['*']).collect();
    open.into_iter().zip(markers).filter(|(run, next)| run.marker != '~' || *next != '~').map(|(run, _)| run).collect()
}

fn is_inline(tag: &Tag<'_>) -> bool {
    matches!(tag, Tag::Emphasis | Tag::Strong | Tag::Strikethrough | Tag::Link { .. } | Tag::Image { .. })
}

/// By the parser's word: before punctuation, no emphasis begins within a word.
fn is_punctuation(c: char) -> bool {
    if c.is_ascii() || c.is_whitespace() {
        return c.is_ascii_punctuation();
    }
    let events = parse(&format!("a*{c}b*"), &Options::default());
    !events.iter().any(|(event, _)| matches!(event, Event::Start(Tag::Emphasis)))
}
