//! Where a narrower window could begin: at the last leaf of the lines that are complete, or inside it.
//!
//! What is said here is a proposal. Whoever takes it parses both windows and compares what they show.

use super::leaves::{self, Kind, Leaf};
use super::skeleton::{self, Skeleton};
use super::window::line_of;
use crate::markdown::Options;
use crate::markdown::writer::Mark;

/// What stands between two leaves may hold more than markers and blank lines: definitions, whose lines go on as a
/// paragraph's do, and marks that are taken away without a trace.
const UNCLEAR: [&str; 3] = ["]:", "[!", "[^"];

/// What a line holds on which nothing stands.
const BLANK: [char; 5] = [' ', '\t', '\n', '\x0c', '>'];

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
    pub(super) fn marks(&self) -> Vec<Mark> {
        let all = self.top.iter().chain(&self.inside);
        let mut marks: Vec<Mark> = all.map(|restart| restart.mark_at(restart.mark)).collect();
        marks.sort_unstable_by_key(|mark| mark.source);
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
    /// Nothing may be visible from there on.
    pub or_end: bool,
    /// Of each list in the prefix, whether it is loose.
    pub loose: Vec<bool>,
    /// What is visible may begin with text that stands in the same element as what is hidden.
    pub within_text: bool,
}

impl Restart {
    /// Its mark, at an offset in another source.
    pub(super) fn mark_at(&self, source: usize) -> Mark {
        Mark { source, html: None, or_end: self.or_end }
    }
}

/// Looks for places behind `behind` in `source`, which ends with a line feed. O(source): one parse.
pub(super) fn find(source: &str, behind: usize, options: &Options) -> Restarts {
    let found = leaves::last(source, options);
    if let Some(top) = found.definition.and_then(|at| definition(source, behind, at, found.leaf.as_ref())) {
        return Restarts { top: Some(top), inside: None };
    }
    let Some(leaf) = found.leaf else { return Restarts::default() };
    let top_line = line_at(source, leaf.top);
    let top = (top_line > behind && is_clear(source, leaf.top_after, top_line)).then(|| Restart {
        prefix: String::new(),
        from: top_line,
        mark: leaf.top,
        or_end: false,
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
        return Some(Restart { prefix, from, mark: from, or_end: false, loose: skeleton.loose, within_text: true });
    }
    let (mark, within_text) = (leaf.range.start, false);
    let Skeleton { text: prefix, loose } = skeleton;
    (line > behind).then_some(Restart { prefix, from: line, mark, or_end: false, loose, within_text })
}

/// At a definition behind the last leaf, which begins its line, if it stands in no container for sure: its title may
/// still come, but what stands before it is done with.
fn definition(source: &str, behind: usize, at: usize, leaf: Option<&Leaf>) -> Option<Restart> {
    let after = leaf.map_or(0, |leaf| leaf.range.end);
    let mut line = line_of(source, at);
    if at <= behind || at < after || line != at || leaf.is_some_and(|leaf| !leaf.containers.is_empty()) {
        return None;
    }
    // A run of lines goes on in the container in which it began.
    while line > behind.max(after) {
        let above = line_of(source, line - 1);
        if above < after || source[above..line].trim_matches(BLANK).is_empty() && !source[above..line].contains('>') {
            break;
        }
        if source[above..].starts_with('>') || source[above..].starts_with([' ', '\t']) {
            return None;
        }
        line = above;
    }
    Some(Restart { prefix: String::new(), from: at, mark: at, or_end: true, loose: Vec::new(), within_text: false })
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
    let from = match leaf.kind {
        // Blank lines at its end may turn out to be none of it.
        Kind::Html => line_of(source, source.trim_end_matches(BLANK).len()),
        _ => line_of(source, source.len() - 1),
    };
    let is_open = leaf.kind != Kind::Indented || !source[from..].trim_end_matches(BLANK).is_empty();
    (head < from && is_open).then_some((head, from))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What would be parsed from each place on: of the top-level block, and behind a skeleton.
    fn places(source: &str) -> (Option<&str>, Option<String>) {
        let options = Options { alerts: true, ..Options::default() };
        let Restarts { top, inside } = find(source, 0, &options);
        assert!(top.iter().all(|top| top.prefix.is_empty()));
        (top.map(|top| &source[top.from..]), inside.map(|inside| inside.prefix + "|" + &source[inside.from..]))
    }

    #[test]
    fn a_window_begins_at_the_last_leaf_or_in_it() {
        for (source, top, inside) in [
            ("a\n", None, None),
            ("a\n\nb\nc\n", Some("b\nc\n"), Some("|b\nc\n")),
            ("a\n\n- b\n  - c\n", Some("- b\n  - c\n"), Some("- x\n  # x\n|  - c\n")),
            ("- b\n- c\n", None, Some("-    x\n|- c\n")),
            ("> a\n>\n> b\n", None, Some("|> b\n")),
            ("```\na\nb\nc\n", None, Some("```\n|c\n")),
            ("| a |\n|---|\n| b |\n| c |\n", None, Some("| a |\n|---|\n|| c |\n")),
            ("- x\n\n      a\n      b\n      c\n", None, Some("- x\n\n  # x\n      a\n|      c\n")),
            ("<div>\na\nb\n\n", None, None),
            ("<!--\na\nb\n\n", None, Some("<!--\n|b\n\n")),
            // A definition ends what stands before it.
            ("a\n\n[b]: /u\n", Some("[b]: /u\n"), None),
            ("a\n\n[b]: /u\n[c]: /v\n", Some("[c]: /v\n"), None),
            ("> a\n\n[b]: /u\n", None, None),
        ] {
            let found = places(source);
            assert_eq!((found.0, found.1.as_deref()), (top, inside), "{source:?}");
        }
    }

    #[test]
    fn no_window_begins_behind_what_may_become_something_else() {
        for source in
            ["> [a]: /u\n> 'title\n", "- a\n\n  [b]: /u\n  text\n", "> [!NOTE]\n> text\n", "> a\n>\n> [^b]: c\n> d\n"]
        {
            assert_eq!(places(source).1, None, "{source:?}");
        }
        assert_eq!(places("[a]: /u\n'title\n"), (None, None));
    }
}
