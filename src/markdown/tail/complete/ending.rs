//! What is known of the end of a view that shows all of its source (`tail/end.rs`).
//!
//! Each rule names what makes the answer certain. All else is [`End::Unknown`].

use super::Work;
use super::closing::Closed;
use super::inlines::{Open, Scan};
use super::leaf::{AtomKind, Kind, Leaf};
use super::link_tail::{may_be_title, may_begin_definition};
use super::rows::Header;
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

/// A cell that begins behind a pipe: its row is shown.
pub(super) fn of_empty_cell(leaf: &Leaf, bare: &str) -> End {
    if !bare.trim_end_matches(' ').ends_with('|') {
        return End::Unknown;
    }
    let cells = Some(leaf.cells);
    End::Text(TextEnd { cells, blank: true, ..TextEnd::default() })
}

/// Text, as `closed` shows it.
pub(super) fn of_text(work: &Work<'_, '_>, scan: &Scan, closed: &Closed, header: Option<&Header>) -> End {
    let (leaf, options) = (work.leaf, work.options);
    let text = work.text.as_str();
    // On a line that holds what begins a destination, no block begins any more, and the cut stays where it is. A line
    // that looks like a header row is looked at twice.
    if scan.held
        && !text[scan.cut..].contains('\n')
        && (leaf.kind == Kind::Cell || !last_line_of(text).starts_with('|'))
    {
        return End::Held;
    }
    let whole = scan.cut == text.len() && work.end == text.len() && scan.dead_from.is_none() && !scan.doubtful;
    // A quote's marker behind the line feed may be text yet.
    let line_ends = if work.source.ends_with('\n') { text.strip_suffix('\n') } else { None };
    let (text, feed) = line_ends.map_or((text, false), |line| (line, true));
    if !whole || text.ends_with('\n') || (options.math && text.contains('$')) {
        return End::Unknown;
    }
    let line = last_line_of(text);
    if !is_decided(work.source, leaf, line)
        || (may_begin_definition(text) && matches!(leaf.kind, Kind::Paragraph | Kind::Tight))
        || (may_be_title(text) && work.source[..leaf.start].contains("]:"))
        || (options.autolinks && may_be_address(line))
        || (options.footnotes && line.starts_with("[^"))
    {
        // The last: a footnote's definition ends a paragraph, whatever is open in it.
        return End::Unknown;
    }
    // A row that is a table's head grows in its last cell.
    let (from, atoms) = header.map_or((0, &leaf.atoms), |header| (header.cell, &header.atoms));
    if header.is_some() && (scan.open.is_some() || text[from..].trim_start_matches(' ').is_empty()) {
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
    let inline = atoms.iter().rfind(|atom| work.text.end_in_text(atom.range.end) == trimmed.len());
    // Behind an inline element goes on what goes on behind a letter, but what is only one by a reference: an alert's title
    // is one until something follows it.
    let outside = !code && !closed && inline.is_some_and(|atom| is_closed_for_good(atom.kind));
    let goes_on = code || outside || (text_ends && inline.is_none());
    if !goes_on || trimmed.ends_with(|c: char| c.is_ascii_whitespace()) || (feed && trimmed.len() < text.len()) {
        return End::Unknown;
    }
    let heading = leaf.kind == Kind::Heading;
    let wraps = matches!(leaf.kind, Kind::Paragraph | Kind::Tight) && !closed && header.is_none();
    if feed && !wraps {
        return End::Unknown;
    }
    let spaces = if closed { 0 } else { text.len() - trimmed.len() };
    let done = leaf.kind == Kind::Cell && !closed && scan.hidden.is_empty();
    let cells = done.then_some(leaf.cells);
    End::Text(TextEnd { spaces, closed, code, heading, wraps, feed, outside, cells, blank: false })
}

/// Whether an inline that ends stays what it is, whatever text follows that is not markup.
fn is_closed_for_good(kind: AtomKind) -> bool {
    matches!(kind, AtomKind::Code | AtomKind::Angle | AtomKind::Inline)
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
