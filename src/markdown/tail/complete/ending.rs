//! What is known of the end of a view that shows all of its source (`tail/end.rs`).
//!
//! Each rule names what makes the answer certain. All else is [`End::Unknown`].

use super::Work;
use super::closing::Closed;
use super::inlines::{Open, Scan};
use super::leaf::{Kind, Leaf};
use super::link_tail::{may_be_title, may_begin_definition};
use super::text::last_line_of;
use crate::markdown::tail::{End, FenceEnd, TextEnd, last_line};

/// ASCII punctuation that is a text's last character only as text.
const PLAIN: &str = ",.;:'\"(){}?%+=/@#-^$";

/// Code in an open fence.
pub(super) fn of_fence(source: &str, leaf: &Leaf) -> End {
    FenceEnd::new(source, leaf.start, last_line(source), leaf.line_start).map_or(End::Unknown, End::Fence)
}

/// Indented code, or raw HTML: a line of either that is not blank stays what it is, but for the first, which may still
/// begin something else, or go on with a table.
pub(super) fn of_literal(source: &str, leaf: &Leaf) -> End {
    let line = last_line(source);
    let is_text = source[line..].bytes().any(|byte| !matches!(byte, b' ' | b'\t' | b'>' | b'\x0c'));
    if is_text && leaf.start < line { End::Line } else { End::Unknown }
}

/// Text that is shown to its end, as `closed` shows it.
pub(super) fn of_text(work: &Work<'_, '_>, scan: &Scan, closed: &Closed) -> End {
    let (leaf, options) = (work.leaf, work.options);
    let text = work.text.as_str();
    let whole = scan.cut == text.len() && work.end == text.len() && scan.dead_from.is_none() && !scan.doubtful;
    if !whole || text.ends_with('\n') || (options.math && text.contains('$')) {
        return End::Unknown;
    }
    let line = last_line_of(text);
    if !is_decided(work.source, leaf, line)
        || (may_begin_definition(text) && matches!(leaf.kind, Kind::Paragraph | Kind::Tight))
        || (may_be_title(text) && work.source[..leaf.start].contains("]:"))
        || (options.autolinks && may_be_address(line))
    {
        return End::Unknown;
    }
    let trimmed = text.trim_end_matches(' ');
    let closed = closed.is_suffixed() || scan.open.is_some();
    let code = match scan.open {
        // The parser takes a space from both ends of a span.
        Some(Open::Code { at, ticks }) if text[at + ticks..].starts_with([' ', '\n']) => return End::Unknown,
        Some(Open::Code { .. }) => true,
        Some(Open::Math(_)) => return End::Unknown,
        None => false,
    };
    let text_ends = trimmed.ends_with(|c: char| c.is_ascii_alphanumeric() || !c.is_ascii() || PLAIN.contains(c));
    let behind_inline = leaf.atoms.iter().any(|atom| work.text.end_in_text(atom.range.end) == trimmed.len());
    // Where what ends it is an inline element, what follows is parsed.
    if (!code && (!text_ends || behind_inline)) || trimmed.ends_with(|c: char| c.is_ascii_whitespace()) {
        return End::Unknown;
    }
    let wraps = matches!(leaf.kind, Kind::Paragraph | Kind::Tight) && !closed;
    let spaces = if closed { 0 } else { text.len() - trimmed.len() };
    End::Text(TextEnd { spaces, closed, code, heading: leaf.kind == Kind::Heading, wraps })
}

/// Whether the last line cannot become another block any more: it has a letter, which no marker has, and does not begin
/// as a tag does.
fn is_decided(source: &str, leaf: &Leaf, line: &str) -> bool {
    let bare = match leaf.kind {
        Kind::Cell => super::blocks::bare_last_line(source, leaf.quotes),
        _ => line,
    };
    leaf.kind == Kind::Heading
        || (!bare.starts_with('<') && bare.bytes().any(|byte| byte.is_ascii_alphabetic() || !byte.is_ascii()))
}

/// Whether the line's last word may become a bare URL or an e-mail address, or more of one: each has a full stop.
fn may_be_address(line: &str) -> bool {
    let word = line.trim_end_matches(' ');
    let word = &word[word.rfind([' ', '\t']).map_or(0, |blank| blank + 1)..];
    word.contains('.')
}
