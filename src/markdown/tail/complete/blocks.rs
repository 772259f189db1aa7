//! Markers of blocks that are not whole yet: what a line's beginning may still turn out to be.
//!
//! Each function looks at one line, or at one leaf's text, and at nothing else.

use super::leaf::{Kind, Leaf};
use super::text::{last_line_of, without_prefix};
use crate::markdown::Options;
use crate::markdown::tail::last_line;

/// Whether the last line may still become another block than the text it looks like.
///
/// `text` is the leaf's text up to the cut, `line` the whole last line without its containers' markers.
pub(super) fn is_ambiguous(leaf: &Leaf, text: &str, line: &str, options: &Options) -> bool {
    let row = match leaf.kind {
        Kind::Heading | Kind::Fence | Kind::Indented | Kind::Html => return false,
        Kind::Cell if line.contains('|') => return false,
        Kind::Cell => line,
        _ => last_line_of(text),
    };
    if is_blank(row) {
        return false;
    }
    let first_line = !text.contains('\n');
    is_rule_or_bullet(row)
        || (!first_line && is_underline(row))
        || is_number(row)
        || (options.tables && is_only(row, b"|\x0c") && (first_line || !row.starts_with("||")))
        || (options.task_lists && first_line && leaf.first_in_item && begins_box(row))
        || (options.alerts && first_line && leaf.first_in_quote && begins_alert(row))
}

/// Whether the last line may still become a delimiter row: only `|`, `:`, `-` and blanks, below a line with a `|`.
pub(super) fn may_be_delimiter_row(leaf: &Leaf, text: &str, options: &Options) -> bool {
    let mut lines = text.rsplit('\n');
    let (row, above) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    options.tables
        && matches!(leaf.kind, Kind::Paragraph | Kind::Tight)
        && !is_blank(row)
        && is_only(row, b"|:-")
        && above.contains('|')
}

/// The last line of `source`, without the markers of the quotes its leaf stands in.
pub(super) fn bare_last_line(source: &str, quotes: usize) -> &str {
    without_prefix(&source[last_line(source)..], quotes)
}

/// Whether a line holds only bytes of `set`, spaces and tabs.
pub(super) fn is_only(line: &str, set: &[u8]) -> bool {
    line.bytes().all(|byte| set.contains(&byte) || matches!(byte, b' ' | b'\t'))
}

/// Whether the parser takes a line, or what is left of one, for blank: to it a form feed is a blank there, though not
/// before a line's text, in a thematic break or behind a closing fence.
pub(super) fn is_blank(line: &str) -> bool {
    is_only(line, b"\x0c")
}

/// Whether a block of raw HTML is so far only a tag's name: an autolink's scheme looks the same.
pub(super) fn is_only_a_tag_name(block: &str) -> bool {
    block.strip_prefix('<').is_some_and(|name| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'.' | b'-'))
    })
}

/// Whether words that follow `text` touch nothing but a word of it, or the line feed of a line that nothing breaks.
pub(super) fn ends_apart(text: &str) -> bool {
    match text.strip_suffix('\n') {
        Some(line) => !line.ends_with([' ', '\t', '\n', '\x0c', '\x0b', '\\']),
        None => text.ends_with(char::is_alphanumeric),
    }
}

/// How much of a heading's text stands before its closing number signs: all of it if there are none.
pub(super) fn before_closing_number_signs(text: &str) -> usize {
    let bare = text.trim_end_matches([' ', '\t']).trim_end_matches('#');
    let has_signs = bare.len() < text.trim_end_matches([' ', '\t']).len();
    let content = bare.trim_end_matches([' ', '\t']);
    if has_signs && (content.len() < bare.len() || bare.is_empty()) { content.len() } else { text.len() }
}

/// `***`, `- -`, `_`: a thematic break, a list's marker, a setext underline, or emphasis.
fn is_rule_or_bullet(line: &str) -> bool {
    matches!(line.as_bytes().first(), Some(c @ (b'-' | b'*' | b'_')) if is_only(line, &[*c]))
}

/// What makes a heading of the lines above it.
fn is_underline(line: &str) -> bool {
    ['=', '-'].iter().any(|&c| line.starts_with(c) && is_blank(line.trim_start_matches(c)))
}

/// `12`, `12.` or `12)`: an ordered list's marker.
fn is_number(line: &str) -> bool {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    (1..=9).contains(&digits) && matches!(&line[digits..], "" | "." | ")")
}

/// A prefix of a task's box.
fn begins_box(line: &str) -> bool {
    ["[ ]", "[x]", "[X]"].iter().any(|whole| whole.starts_with(line))
}

/// A prefix of an alert's title, such as `[!NOTE]`.
fn begins_alert(line: &str) -> bool {
    let Some(rest) = line.strip_prefix('[') else { return false };
    let Some(rest) = rest.strip_prefix('!') else { return rest.is_empty() };
    rest.strip_suffix(']').unwrap_or(rest).bytes().all(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::super::leaf::{Probed, probe};
    use super::super::text::Text;
    use super::*;

    fn everything() -> Options {
        Options { task_lists: true, alerts: true, ..Options::default() }
    }

    fn ambiguous(source: &str) -> bool {
        let Probed::Leaf(leaf) = probe(source, &everything()) else { panic!("no leaf in {source:?}") };
        let text = Text::new(source, &leaf);
        is_ambiguous(&leaf, text.as_str(), bare_last_line(source, leaf.quotes), &everything())
    }

    #[test]
    fn a_marker_alone_may_still_be_a_block() {
        for source in [
            "**",
            "a\n**",
            "a\n_ _ ",
            "a\n=",
            "a\n===",
            "a\n= \x0c",
            "a\n-\x0c",
            "a\n|",
            "a\n| |",
            "1",
            "a\n12.",
            "a\n123456789)",
            "||",
            "| |",
            "|\x0c",
            "- [",
            "- [x",
            "> [",
            "> [!",
            "> [!NOTE",
            "> [!NOTE]",
            "a\n> **",
            "- --",
            "|a|\n|-|\n1",
        ] {
            assert!(ambiguous(source), "{source:?}");
        }
    }

    #[test]
    fn text_is_text() {
        for source in [
            "a",
            "*a",
            "-a",
            "=",
            "==",
            "1.5",
            "1a",
            "1234567890",
            "-\x0c",
            "1.\x0c",
            "| \u{a0}",
            "| a",
            "a\n||",
            "[x",
            "- a\n  [x",
            "> [!a b",
            "> [a",
            "# 1",
            "# -",
            "|a|\n|-|\n|-",
            "|a|\n|-|\n\x0c-",
            "a\n",
        ] {
            assert!(!ambiguous(source), "{source:?}");
        }
    }

    #[test]
    fn a_delimiter_row_stands_below_a_pipe() {
        for (source, expected) in
            [("|a|\n|", true), ("a|b\n-|", true), ("|a|\n|:-", true), ("a\n|-", false), ("|a|\n", false), ("|-", false)]
        {
            let Probed::Leaf(leaf) = probe(source, &everything()) else { panic!("no leaf in {source:?}") };
            let text = Text::new(source, &leaf);
            assert_eq!(may_be_delimiter_row(&leaf, text.as_str(), &everything()), expected, "{source:?}");
        }
    }

    #[test]
    fn closing_number_signs_are_left_out() {
        for (text, shown) in
            [("a #", "a"), ("a ##", "a"), ("a # ", "a"), ("#", ""), ("a#", "a#"), ("a # b", "a # b"), ("a", "a")]
        {
            assert_eq!(&text[..before_closing_number_signs(text)], shown, "{text:?}");
        }
    }

    #[test]
    fn a_tag_name_may_be_a_scheme() {
        for (block, expected) in [("<div", true), ("<a+b.c-1", true), ("<", false), ("<div>", false), ("<div a", false)]
        {
            assert_eq!(is_only_a_tag_name(block), expected, "{block:?}");
        }
    }
}
