//! Parts of a document that no later text can change, but for references in them whose definitions come late.
//!
//! The text is cut where a top-level block begins behind a blank line. The parser keeps nothing across such a place
//! but definitions, so the parts rendered alone, one after the other, are the document.
//!
//! The last [`LINES_OPEN_MIN`] lines are never cut off: the view of an unfinished end may hold lines back and look at
//! what stands before them as if it were the end.
//!
//! **Source:** CommonMark 0.31.2 §5 and §6 (blocks first, inlines after); what the parser keeps was read in its source.

use pulldown_cmark::{BrokenLink, Event, Parser};
use unicase::UniCase;

use crate::markdown::Options;
use crate::markdown::parser::parser_options;

/// Whole lines that stay open, at least. The view holds back four at most.
const LINES_OPEN_MIN: usize = 6;

/// A part that is done with.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// Where its text begins in the document; it ends where the next one begins.
    pub start: usize,
    /// How many top-level elements it is on the page.
    pub elements: usize,
    /// Bytes of its HTML on the page.
    pub html_bytes: usize,
    /// `]` from the document's beginning to its end: as many references as can stand there.
    pub closers: usize,
    /// Labels that its references ask for and nobody defined yet.
    pub wanted: Vec<UniCase<String>>,
    /// Definitions that stand before it: so many of the document's.
    pub known: usize,
}

impl Part {
    /// Whether a reference in it asks for this label, and nothing before its end defines it.
    pub(super) fn wants(&self, label: &UniCase<String>) -> bool {
        self.wanted.binary_search(label).is_ok()
    }
}

/// Where `text`, of which the first `from` bytes are context, can be cut: the last offset behind which enough lines stay
/// open.
pub(super) fn cut(text: &str, from: usize, options: &Options) -> Option<usize> {
    let last_feed = memchr::memrchr(b'\n', text.as_bytes())?;
    let mut feeds = memchr::memrchr_iter(b'\n', &text.as_bytes()[..last_feed]);
    let latest = feeds.nth(LINES_OPEN_MIN - 1)? + 1;
    let mut depth = 0;
    let mut found = None;
    for (event, range) in Parser::new_ext(&text[..=last_feed], parser_options(options)).into_offset_iter() {
        let begins = match event {
            Event::Start(_) => {
                depth += 1;
                depth == 1
            }
            Event::End(_) => {
                depth -= 1;
                false
            }
            Event::Rule => depth == 0,
            _ => false,
        };
        if begins {
            let start = memchr::memrchr(b'\n', &text.as_bytes()[..range.start]).map_or(0, |feed| feed + 1);
            if start > latest {
                break;
            }
            if start > from && is_behind_a_blank_line(text, start) {
                found = Some(start);
            }
        }
    }
    found
}

fn is_behind_a_blank_line(text: &str, start: usize) -> bool {
    let before = text[..start].strip_suffix('\n').unwrap_or_default();
    let line = &before[memchr::memrchr(b'\n', before.as_bytes()).map_or(0, |feed| feed + 1)..];
    line.bytes().all(|byte| matches!(byte, b' ' | b'\t'))
}

/// The labels in `text` that are asked for and not defined in it.
pub(super) fn wanted(text: &str, options: &Options) -> Vec<UniCase<String>> {
    let mut labels = Vec::new();
    let ask = |link: BrokenLink<'_>| {
        labels.push(UniCase::new(link.reference.to_string()));
        None
    };
    Parser::new_with_broken_link_callback(text, parser_options(options), Some(ask)).for_each(drop);
    labels.sort();
    labels.dedup();
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<usize>) {
        assert_eq!(cut(text, 0, &Options::default()), expected, "{text:?}");
    }

    #[test]
    fn text_is_cut_where_a_block_begins_behind_a_blank_line() {
        let open = "x\n".repeat(LINES_OPEN_MIN);
        check(&format!("a\n\n{open}"), Some(3));
        check(&format!("a\n\n{}", "x\n".repeat(LINES_OPEN_MIN - 1)), None);
        check(&format!("# a\n{open}"), None);
        check(&format!("a\n\n# b\nc\n\n{open}"), Some(10));
        check(&format!("```\na\n\nb\n{open}"), None);
        check(&format!("- a\n\n- b\n\n  c\n\n  {open}"), None);
        check(&format!("- a\n \t\n---\n{open}"), Some(7));
    }

    #[test]
    fn labels_that_nobody_defined_are_wanted() {
        let labels =
            |text| -> Vec<String> { wanted(text, &Options::default()).into_iter().map(UniCase::into_inner).collect() };
        assert_eq!(labels("[a] [B][] [x][c] `[d]` ![e]\n\n[a]: /u\n"), ["B", "c", "e"]);
    }
}
