//! What a reader sees of a source that is not finished: `escape` shows its last line as text, `complete` shows the
//! source as its writer means it.
//!
//! `complete`, in short: find the open leaf; hold back block markers that may still mean something else; scan the leaf's
//! text for what is half-typed; close what is open; render, with the closing itself hidden. All rules are general.
//!
//! Decisions where the definition leaves room:
//! - A leaf that starts on the last line starts that line's `r` too: list markers are container prefixes (`- --`).
//! - In `r`, blanks behind `=` do not count: `== ` still underlines.
//! - A table row is empty after the cut if all its cells are; else only the last cell is.
//! - Markers in an unclosed tag are not stripped from the end: nothing can take them back.
//! - The header row is the last line of the leaf that holds text: a line feed behind it changes nothing.
//! - A hold that takes a whole leaf which began on an earlier line leaves what stood before it closed.
//! - Indented code that has no character yet is a marker (`-     `).
//! - Behind a bound that has tripped all is text as it is, under both tails: a blank last line, too.
//! - The separator stands only where a run is closed; the line feeds before any closer become one blank.

use rillmark::markdown::options::{Options, Policy};

use super::inline;
use super::leaf::{self, Kind, Leaf, Probed, Text, without_prefix};
use super::references;
use super::runs::{self, Outcome};
use super::syntax::{self, BLANKS};
use super::write::{self, Cut, Placed, parse};
use super::{finished, trip};

use pulldown_cmark::{CodeBlockKind, Event, Tag};

/// So many lines are held, one after the other; what is left then is shown as if it were finished.
const HOLDS_MAX: usize = 4;

/// `tail: "escape"`, of a normalised source.
pub(crate) fn escape(source: &str, options: &Options, policy: &Policy) -> String {
    let (complete, rest) = source.split_at(line_start(source));
    if trip(complete).is_some() {
        return finished(source, options, policy);
    }
    if rest.chars().all(|c| c == ' ' || c == '\t') {
        return finished(complete, options, policy);
    }
    if in_open_fence(source, complete.len(), options) {
        return finished(source, options, policy);
    }
    let complete = finished(complete, options, policy);
    format!("{complete}<p class=\"djust-md-provisional\">{}</p>", write::escape_text(rest))
}

/// Whether the last leaf is a fenced block that began before `line` and goes on behind it.
fn in_open_fence(source: &str, line: usize, options: &Options) -> bool {
    let mut last = None;
    for (event, range) in parse(source, options) {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(_))) => last = Some(range),
            Event::End(_) => {}
            Event::Text(_) if last.as_ref().is_some_and(|fence| fence.contains(&range.start)) => {}
            _ => last = None,
        }
    }
    last.is_some_and(|fence| fence.start < line && line < fence.end)
}

fn line_start(source: &str) -> usize {
    source.rfind('\n').map_or(0, |at| at + 1)
}

/// What is to be done with a source.
enum Verdict {
    /// Show it without its last line; or, if that is empty, without the line before.
    HoldLine,
    /// Start again with so much of it.
    Hold(usize),
    /// Show as much of it as if it were finished.
    Finished(usize),
    /// Show this.
    Closed(String, Cut),
}

/// `tail: "complete"`, of a normalised source.
pub(crate) fn complete(source: &str, options: &Options, policy: &Policy) -> String {
    if trip(source).is_some() {
        return finished(source, options, policy);
    }
    let mut shown = source;
    for _ in 0..HOLDS_MAX {
        let view = View { source: shown, line: line_start(shown), options };
        match view.judge() {
            Verdict::HoldLine if view.line < shown.len() => shown = &shown[..view.line],
            Verdict::HoldLine => shown = &shown[..line_start(&shown[..view.line - 1])],
            Verdict::Hold(end) => shown = &shown[..end],
            Verdict::Finished(end) => return finished(&shown[..end], options, policy),
            Verdict::Closed(text, cut) => return write::html(&text, options, policy, Some(&cut)),
        }
    }
    finished(shown, options, policy)
}

struct View<'a> {
    source: &'a str,
    /// Where its last line starts.
    line: usize,
    options: &'a Options,
}

impl View<'_> {
    fn whole(&self) -> Verdict {
        Verdict::Finished(self.source.len())
    }

    /// Rules 1 to 6: the block.
    fn judge(&self) -> Verdict {
        let blank = self.source[self.line..].trim_matches(BLANKS).is_empty();
        let (probed, events) = leaf::probe(self.source, "", self.options);
        let leaf = match probed {
            Probed::Leaf(leaf) => leaf,
            Probed::Info => return Verdict::HoldLine,
            Probed::Table => return self.whole(),
            Probed::Lost if blank => return self.whole(),
            Probed::Lost => return Verdict::HoldLine,
        };
        match leaf.kind {
            Kind::Fence => return self.fence(&leaf),
            Kind::Indented if leaf.start < self.source.len() => return self.whole(),
            Kind::Html => return self.html(&leaf),
            _ => {}
        }
        let r = self.r(&leaf);
        if begins_after(&leaf, self.source) {
            let row = leaf.kind == Kind::Cell && !only_pipes(r);
            return if blank || row { self.whole() } else { Verdict::HoldLine };
        }
        if let Some(verdict) = self.ambiguous(&leaf, self.source) {
            return verdict;
        }
        let text = Text::of(&leaf, self.source);
        if self.is_definition(&leaf, &text) {
            let start = line_start(&self.source[..leaf.start]);
            return if start < self.line { Verdict::Finished(start) } else { Verdict::HoldLine };
        }
        self.header(&leaf).unwrap_or_else(|| self.leaf(&leaf, &text, &events))
    }

    /// The last line without its container prefix.
    fn r(&self, leaf: &Leaf) -> &str {
        r(self.source, leaf)
    }

    fn fence(&self, leaf: &Leaf) -> Verdict {
        let fence = self.source[leaf.block..].trim_start_matches(|c| c != '`' && c != '~').chars().next();
        let closing = self.r(leaf).chars().all(|c| c == ' ' || c == '\t' || Some(c) == fence);
        Verdict::Finished(if closing { self.line } else { self.source.len() })
    }

    fn html(&self, leaf: &Leaf) -> Verdict {
        let name = self.source[leaf.block..].trim_start().strip_prefix('<');
        let only_name = name.is_some_and(|name| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "+.-".contains(c))
        });
        if only_name { Verdict::HoldLine } else { self.whole() }
    }

    /// Rule 7: the last line may still be a marker.
    fn ambiguous(&self, leaf: &Leaf, source: &str) -> Option<Verdict> {
        let r = r(source, leaf);
        if leaf.kind == Kind::Heading || leaf.kind == Kind::Cell && r.contains('|') {
            return None;
        }
        let line = line_start(source);
        let first = leaf.start >= line;
        let above = if first { "" } else { &source[line_start(&source[..line - 1])..line] };
        let delimiters =
            self.options.tables && !r.is_empty() && r.chars().all(|c| "|:- \t".contains(c)) && above.contains('|');
        if delimiters && self.is_table_from(above.len()) {
            return Some(self.whole());
        }
        let item_start = self.options.task_lists && leaf.first_in_item && first;
        let task = item_start && ["[ ]", "[x]", "[X]"].iter().any(|task| task.starts_with(r));
        let alert = self.options.alerts && leaf.first_in_quote && first && alert_prefix(r);
        let pipes = self.options.tables && r.contains('|') && only_pipes(r) && (first || !r.starts_with("||"));
        let held =
            is_rule_prefix(r) || !first && is_underline(r) || is_number(r) || pipes || delimiters || task || alert;
        held.then_some(Verdict::HoldLine)
    }

    /// Whether the last two lines (the upper one `above` bytes long) are a table already.
    fn is_table_from(&self, above: usize) -> bool {
        let upper = self.line - above;
        let events = parse(self.source, self.options);
        let is_there = |(event, range): &Placed| {
            matches!(event, Event::Start(Tag::Table(_))) && (upper..self.line).contains(&range.start)
        };
        events.iter().any(is_there)
    }

    /// Rule 8: the leaf may become a definition.
    fn is_definition(&self, leaf: &Leaf, text: &Text) -> bool {
        if !matches!(leaf.kind, Kind::Paragraph | Kind::Tight) {
            return false;
        }
        let text = text.string(0..text.chars.len());
        if syntax::definition_prefix(&text) {
            return true;
        }
        if let Some(label) = text.strip_prefix('[') {
            let label = label.strip_suffix(']').unwrap_or(label);
            let footnote = self.options.footnotes
                && label.strip_prefix('^').is_some_and(|l| !l.contains([' ', '\t', '\x0c', '\n', '[', ']']));
            return footnote || leaf.kind == Kind::Paragraph && !label.contains(['[', ']', '`', '*', '~', '!', '\n']);
        }
        text.starts_with(['"', '\'', '(']) && syntax::title_prefix(&text) && self.under_definition(leaf)
    }

    /// Whether the line above the leaf ends a definition without a title.
    fn under_definition(&self, leaf: &Leaf) -> bool {
        let all = references::list(&self.source[..leaf.start], write::extensions(self.options));
        let above = |end: usize| {
            let between = &self.source[end.min(leaf.start)..leaf.start];
            end <= leaf.start
                && between.matches('\n').count() <= 1
                && between.chars().all(|c| c == '>' || c.is_whitespace())
        };
        all.iter().any(|definition| {
            !definition.titled && leaf.container <= definition.span.start && above(definition.span.end)
        })
    }

    /// Rule 11: a row that may become the header of a table is shown as one.
    fn header(&self, leaf: &Leaf) -> Option<Verdict> {
        if !self.options.tables || !matches!(leaf.kind, Kind::Paragraph | Kind::Tight) {
            return None;
        }
        let nothing_yet = leaf.start < self.line && self.r(leaf).trim_matches([' ', '\t']).is_empty();
        let source = if nothing_yet { &self.source[..self.line - 1] } else { self.source };
        let line = line_start(source);
        let row = r(source, leaf);
        if !row.starts_with('|')
            || row.starts_with("||")
            || line > leaf.start && r(&source[..line - 1], leaf).starts_with('|')
        {
            return None;
        }
        let left_empty = |end: usize| only_pipes(r(&source[..end], leaf));
        let finished = source.len() < self.source.len();
        if left_empty(source.len()) {
            return None;
        }
        let prefix: String = source[line..source.len() - row.len()].chars().map(blank_but_quote).collect();
        let cells_max = row.matches('|').count() + 2;
        let delimiters = |head: &str| delimiter_row(head, line, &prefix, cells_max, self.options);
        let behind = delimiters(&format!("{source}{}", leaf::PROBE))?;
        let (Probed::Leaf(cell), events) = leaf::probe(source, &behind, self.options) else { return None };
        if cell.kind != Kind::Cell {
            return None;
        }
        if cell.start >= source.len() {
            let text = format!("{source}{}", delimiters(source)?);
            return Some(self.closed(runs::Closed {
                text,
                end: source.len(),
                hidden: Vec::new(),
                openers: Vec::new(),
                node: None,
                code: None,
            }));
        }
        let mut text = Text::of(&cell, source);
        if finished {
            text.chars.push('\n');
        }
        let scan = inline::scan(&text, &events, self.options);
        let whole = Text::of(leaf, source);
        let guard = |end: usize| match left_empty(end) {
            true => Some(self.hold(leaf, end)),
            false => self.guard(leaf, &whole, end),
        };
        match runs::close(source, &cell, &text, scan, &delimiters, &guard, self.options) {
            // The line feed behind the row is shown too.
            Outcome::Closed(closed) if finished && closed.end == source.len() => {
                Some(self.closed(runs::Closed { end: self.line, ..closed }))
            }
            Outcome::Closed(closed) => Some(self.closed(closed)),
            Outcome::Guarded(verdict) => Some(verdict),
            Outcome::Nothing => None,
        }
    }

    /// Rules 10 and 12, the scan, the guard.
    fn leaf(&self, leaf: &Leaf, text: &Text, events: &[Placed]) -> Verdict {
        let mut scan = inline::scan(text, events, self.options);
        if leaf.kind == Kind::Heading {
            let kept = without_closing_hashes(&text.chars);
            if kept == 0 {
                return Verdict::HoldLine;
            }
            scan.end_at(kept);
        }
        let nothing = |_: &str| Some(String::new());
        let guard = |end| self.guard(leaf, text, end);
        match runs::close(self.source, leaf, text, scan, &nothing, &guard, self.options) {
            Outcome::Closed(closed) if self.is_as_closed(&closed) => self.closed(closed),
            Outcome::Guarded(verdict) => verdict,
            Outcome::Closed(_) | Outcome::Nothing => self.whole(),
        }
    }

    /// Whether math and code are there that were closed.
    fn is_as_closed(&self, closed: &runs::Closed) -> bool {
        let events = parse(&closed.text, self.options);
        let math = |place: usize| {
            events.iter().any(|(event, range)| matches!(event, Event::Text(_)) && range.contains(&place))
        };
        let code =
            |place: usize| events.iter().any(|(event, range)| matches!(event, Event::Code(_)) && range.start == place);
        closed.node.as_ref().is_none_or(|(place, _)| math(*place)) && closed.code.is_none_or(code)
    }

    fn closed(&self, closed: runs::Closed) -> Verdict {
        let end = closed.node.as_ref().map_or(closed.end, |(place, _)| *place);
        Verdict::Closed(
            closed.text,
            Cut {
                end,
                complete: self.line,
                hidden: closed.hidden,
                openers: closed.openers,
                node: closed.node,
                stand_in: None,
            },
        )
    }

    /// Holds the line that `end` stands on; a leaf of which nothing is left leaves what stood before it closed.
    fn hold(&self, leaf: &Leaf, end: usize) -> Verdict {
        let line = line_start(&self.source[..end]);
        let first = line_start(&self.source[..leaf.start]);
        if line > leaf.start {
            Verdict::Hold(line)
        } else if first < self.line {
            Verdict::Finished(first)
        } else {
            Verdict::HoldLine
        }
    }

    /// What the cut leaves must be the same leaf.
    fn guard(&self, leaf: &Leaf, text: &Text, end: usize) -> Option<Verdict> {
        let cut = &self.source[..end];
        let hold = Some(self.hold(leaf, end));
        let kept = text.string(0..text.index(end));
        if leaf.kind == Kind::Cell && kept.trim_matches(BLANKS).is_empty() {
            return if only_pipes(r(cut, leaf)) { hold } else { None };
        }
        let paragraph = matches!(leaf.kind, Kind::Paragraph | Kind::Tight);
        let defines = || syntax::definition_prefix(&kept) || syntax::title_prefix(&kept) && self.under_definition(leaf);
        if paragraph && defines() {
            return Some(self.whole());
        }
        match leaf::probe(cut, "", self.options).0 {
            Probed::Leaf(left) if left.kind == leaf.kind && left.start == leaf.start && !begins_after(&left, cut) => {
                self.ambiguous(leaf, cut).and(hold)
            }
            _ => hold,
        }
    }
}

/// Nothing of the leaf has come yet.
fn begins_after(leaf: &Leaf, source: &str) -> bool {
    source.get(leaf.start..).is_none_or(|begun| begun.trim_matches(BLANKS).is_empty())
}

/// The last line of `source` without its container prefix; if the leaf starts on it, what stands before the leaf.
fn r<'a>(source: &'a str, leaf: &Leaf) -> &'a str {
    let line = line_start(source);
    if leaf.start >= line && leaf.start <= source.len() && leaf.kind != Kind::Cell {
        return &source[leaf.start..];
    }
    without_prefix(&source[line..], leaf.quotes)
}

/// The delimiter row that makes a table of the last line of `head`, with the line feed before it, and before that a
/// blank, lest a backslash breaks the line.
fn delimiter_row(head: &str, line: usize, prefix: &str, cells_max: usize, options: &Options) -> Option<String> {
    let rows = (1..=cells_max).map(|cells| format!(" \n{prefix}|{}", "---|".repeat(cells)));
    rows.into_iter().find(|row| {
        let events = parse(&format!("{head}{row}"), options);
        events.iter().any(|(event, range)| matches!(event, Event::Start(Tag::Table(_))) && range.start >= line)
    })
}

fn blank_but_quote(c: char) -> char {
    if c == '>' || c == '\t' { c } else { ' ' }
}

/// A row without content.
fn only_pipes(r: &str) -> bool {
    r.chars().all(|c| c == '|' || BLANKS.contains(&c))
}

/// `c(blank|c)*` for one of `-*_`.
fn is_rule_prefix(r: &str) -> bool {
    let marker = r.chars().next();
    matches!(marker, Some('-' | '*' | '_')) && r.chars().all(|c| Some(c) == marker || c == ' ' || c == '\t')
}

fn is_underline(r: &str) -> bool {
    let bare = r.trim_end_matches(BLANKS);
    !bare.is_empty() && ['=', '-'].iter().any(|mark| bare.chars().all(|c| c == *mark))
}

fn is_number(r: &str) -> bool {
    let number = r.strip_suffix(['.', ')']).unwrap_or(r);
    (1..=9).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit())
}

/// `[` or `[!letters]?`.
fn alert_prefix(r: &str) -> bool {
    let Some(name) = r.strip_prefix('[') else { return false };
    let Some(name) = name.strip_prefix('!') else { return name.is_empty() };
    name.strip_suffix(']').unwrap_or(name).chars().all(|c| c.is_ascii_alphabetic())
}

/// How much of a heading's text stands before what may be its closing sequence.
fn without_closing_hashes(text: &[char]) -> usize {
    let trimmed = |end: usize, dropped: &str| text[..end].iter().rev().skip_while(|c| dropped.contains(**c)).count();
    let end = trimmed(text.len(), " \t");
    let before = trimmed(end, "#");
    if before == end {
        return text.len();
    }
    if before == 0 || text[before - 1] == ' ' || text[before - 1] == '\t' { trimmed(before, " \t") } else { text.len() }
}
