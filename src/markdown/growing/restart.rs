//! Where a narrower window could begin: at the last leaf of the lines that are complete, or inside it.
//!
//! What is said here is a proposal. Whoever takes it parses both windows and compares what they show.

use super::leaves::{self, Kind, Leaf};
use super::skeleton;
use super::window::line_of;
use crate::markdown::Options;

/// What stands between two leaves may hold more than markers and blank lines: definitions, whose lines go on as a
/// paragraph's do, and marks that are taken away without a trace.
const UNCLEAR: [&str; 3] = ["]:", "[!", "[^"];

/// Places in a window's source where narrower ones could begin.
#[derive(Debug, Default)]
pub(super) struct Restarts {
    /// The line of the top-level block that the last leaf is in, and where the block itself starts.
    pub top: Option<Restart>,
    /// In that block, behind a skeleton.
    pub inside: Option<Restart>,
}

impl Restarts {
    /// Their marks, ascending.
    pub(super) fn marks(&self) -> Vec<usize> {
        let mut marks: Vec<usize> = self.top.iter().chain(&self.inside).map(|restart| restart.mark).collect();
        marks.sort_unstable();
        marks
    }
}

/// A place where a narrower window could begin.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Restart {
    /// Stands in for what is before it.
    pub prefix: String,
    /// The start of a line.
    pub from: usize,
    /// Where the first thing starts that is visible then.
    pub mark: usize,
    /// Of each list in the prefix, whether it is loose.
    pub loose: Vec<bool>,
    /// What is visible may begin with text that stands in the same element as what is hidden.
    pub within_text: bool,
}

/// Looks for places behind `behind` in `source`, which ends with a line feed. O(source): one parse.
pub(super) fn find(source: &str, behind: usize, options: &Options) -> Restarts {
    let Some(leaf) = leaves::last(source, options) else { return Restarts::default() };
    let top_line = line_at(source, leaf.top);
    let top = (top_line > behind && is_clear(source, leaf.top_after, top_line)).then(|| Restart {
        prefix: String::new(),
        from: top_line,
        mark: leaf.top,
        loose: Vec::new(),
        within_text: false,
    });
    Restarts { top, inside: inside(source, behind, &leaf) }
}

fn inside(source: &str, behind: usize, leaf: &Leaf) -> Option<Restart> {
    let line = line_at(source, leaf.range.start);
    let skeleton = skeleton::of(source, leaf, line)?;
    if line >= behind && !is_clear(source, leaf.after, line) {
        return None;
    }
    if let Some((head, from)) = elision(source, leaf, line)
        && from > behind
    {
        let prefix = skeleton.text + &source[line..head];
        return Some(Restart { prefix, from, mark: from, loose: skeleton.loose, within_text: true });
    }
    let (mark, within_text) = (leaf.range.start, false);
    (line > behind).then_some(Restart { prefix: skeleton.text, from: line, mark, loose: skeleton.loose, within_text })
}

/// What of an open leaf can be left out: the lines between where its head ends and its last complete line.
fn elision(source: &str, leaf: &Leaf, line: usize) -> Option<(usize, usize)> {
    let head_lines = match leaf.kind {
        Kind::Fence | Kind::Indented | Kind::Html => 1,
        // Its delimiter row.
        Kind::Table => 2,
        Kind::Paragraph | Kind::Tight | Kind::Other => return None,
    };
    if leaf.range.end < source.len() {
        return None;
    }
    let head = memchr::memchr_iter(b'\n', &source.as_bytes()[line..]).nth(head_lines - 1)? + line + 1;
    let from = line_of(source, source.len() - 1);
    // Blank lines at its end may turn out to be none of it.
    let is_code = matches!(leaf.kind, Kind::Indented | Kind::Html);
    let is_blank = source[from..].bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\x0c' | b'>'));
    (head < from && !(is_code && is_blank)).then_some((head, from))
}

/// The start of the line on which something stands whose range starts at `at`.
fn line_at(source: &str, at: usize) -> usize {
    let blanks = source.as_bytes()[at..].iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n')).count();
    line_of(source, at + blanks)
}

fn is_clear(source: &str, from: usize, to: usize) -> bool {
    let between = source.get(from..to).unwrap_or_default();
    !UNCLEAR.iter().any(|unclear| between.contains(unclear))
}

/// Whether the lists of a skeleton are as loose as they are to be, by the HTML that it gives.
pub(super) fn is_loose(guard: &str, loose: &[bool]) -> bool {
    let mut items = guard.split("<li>").skip(1);
    loose.iter().all(|&loose| items.next().is_some_and(|item| item.starts_with(if loose { "<p>x</p>" } else { "x" })))
}
