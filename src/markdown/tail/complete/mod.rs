//! `tail: "complete"`: the unfinished end, shown as its writer means it.
//!
//! What is open is closed, half-typed syntax is not shown, link text shows before its URL is known. The open thing is
//! the last open *leaf* ([`leaf`]), not the last line. Its last line waits while it may still become another block
//! ([`blocks`], [`definitions`], [`rows`]); its text is cut where markup is half-typed ([`inlines`]); what is open there
//! is closed by a suffix that is parsed but not shown ([`closing`]).
//!
//! **Invariant:** every character shown is in the source, or in the render of it (`nothing_is_made_up`).
//!
//! **Invariant:** no URL is written before its end has been read (`no_url_before_its_end`).
//!
//! **Invariant:** on a blank line after a block, the view is the render (`a_finished_block_is_shown_as_it_is`).
//!
//! **Invariant:** what complete lines have closed does not change with the line that is being written
//! (`what_complete_lines_have_closed_stays_closed`).

mod angle;
mod blocks;
mod closing;
mod definitions;
mod dollar;
mod ending;
mod inlines;
mod leaf;
mod link_tail;
mod page;
mod punctuation;
mod rows;
#[cfg(test)]
mod tests;
mod text;

use super::{End, last_line};
use crate::markdown::writer::Out;
use crate::markdown::{Options, Policy, render_finished};
use blocks::{is_blank, is_only};
use closing::{Closing, Draft};
use inlines::{Context, Scan};
use leaf::{Kind, Leaf, Probed};
pub(in crate::markdown) use link_tail::{is_no_tail, may_be_title, may_begin_definition};
use page::Page;
use rows::Header;
use text::{Text, last_line_of};

/// So many lines, one after the other, may be held back; then what stands before them is shown as it is. Three were the
/// most in 280,000 prefixes of random markup; more takes lines that each end in half a marker and are one without it.
const HOLDS_MAX: usize = 4;
/// So often the cut may move back before nothing is closed.
const CUTS_MAX: usize = 4;
/// Each hold and each cut parses the source again. From this length on they are held to [`LARGE_SOURCE_TRIES_MAX`]: no
/// reply that people read is as long, and a large source must not cost dozens of parses.
const LARGE_SOURCE_BYTES: usize = 256 * 1024;
/// Holds, cuts and closers that may be tried in a large source.
const LARGE_SOURCE_TRIES_MAX: usize = 2;

/// Appends the view of a normalised source as its writer means it. `trip` is where a bound trips in it.
///
/// O(source): a fixed number of parses. `before`: so many bytes of the same document stand before the source, less those
/// of the source that stand in for them.
pub(in crate::markdown) fn complete(
    source: &str,
    before: isize,
    trip: Option<usize>,
    options: &Options,
    policy: &Policy,
    out: &mut Out,
) {
    if trip.is_some() {
        return render_finished(source, trip, options, policy, out);
    }
    let mut page = Page::new(options, policy, out);
    let (view, held) = view(source, before, &mut page);
    let end = match view {
        View::Finished(source) => {
            page.write_plain(source);
            End::Unknown
        }
        View::Literal(source, end) => {
            page.write_plain(source);
            end
        }
        View::Written(end) => end,
    };
    out.end = held.unwrap_or(end);
}

/// What is rendered in place of the source.
enum View<'s> {
    /// So much of it, as if it were finished.
    Finished(&'s str),
    /// All of it, as if it were finished, and what is known of its end.
    Literal(&'s str, End),
    /// So much of it, with what is open closed: the page has it.
    Written(End),
}

/// What one look at a source says.
enum Look<'s> {
    Show(View<'s>),
    /// Look again at so much of it, a whole number of lines.
    Hold(usize),
    /// The same: the rest is a definition, as far as its destination.
    HoldDestination(usize),
}

/// How often something may be tried that costs a parse of so many bytes; `most` where it is of usual length.
fn tries(source_bytes: usize, most: usize) -> usize {
    if source_bytes < LARGE_SOURCE_BYTES { most } else { most.min(LARGE_SOURCE_TRIES_MAX) }
}

/// Whether sources of so many bytes and of so many are given the same tries.
pub(in crate::markdown) fn tries_alike(bytes: usize, more: usize) -> bool {
    (bytes < LARGE_SOURCE_BYTES) == (more < LARGE_SOURCE_BYTES)
}

/// The view, and, if lines are held back, what is known of their end.
fn view<'s>(source: &'s str, before: isize, page: &mut Page<'_>) -> (View<'s>, Option<End>) {
    let mut source = source;
    let mut held = None;
    for _ in 0..tries(source.len().saturating_add_signed(before), HOLDS_MAX) {
        match look(source, before, page) {
            Look::Show(view) => return (view, held),
            Look::Hold(end) => {
                held.get_or_insert(End::Unknown);
                source = &source[..end];
            }
            Look::HoldDestination(end) => {
                held.get_or_insert(End::Held);
                source = &source[..end];
            }
        }
    }
    (View::Finished(source), held)
}

/// The rules for blocks that are no text; text goes on to [`look_at_text`].
fn look<'s>(source: &'s str, before: isize, page: &mut Page<'_>) -> Look<'s> {
    let line = last_line(source);
    let unfinished = &source[line..];
    let all = Look::Show(View::Finished(source));
    let leaf = match page.probe(source) {
        Probed::Leaf(leaf) => leaf,
        Probed::Swallowed { in_table } if in_table || is_blank(unfinished) => return all,
        Probed::Swallowed { .. } => return Look::Hold(line),
    };
    let bare = blocks::bare_last_line(source, leaf.quotes);
    if leaf.begins_after(source) {
        let is_row = leaf.kind == Kind::Cell && !is_only(bare, b"|\x0c");
        return match is_row {
            true => Look::Show(View::Literal(source, ending::of_empty_cell(&leaf, bare))),
            false if is_blank(unfinished) => all,
            false => Look::Hold(line),
        };
    }
    match leaf.kind {
        Kind::Fence => {
            let fence = source.as_bytes()[leaf.start];
            let may_close = is_only(bare, &[fence]);
            let shown = if may_close { &source[..line] } else { source };
            Look::Show(View::Literal(shown, ending::of_fence(source, &leaf)))
        }
        Kind::Indented => Look::Show(View::Literal(source, ending::of_literal(source, &leaf))),
        Kind::Html if blocks::is_only_a_tag_name(source[leaf.start..].trim_start()) => Look::Hold(line),
        Kind::Html => Look::Show(View::Literal(source, ending::of_literal(source, &leaf))),
        Kind::Paragraph | Kind::Tight | Kind::Heading | Kind::Cell => look_at_text(source, before, &leaf, bare, page),
    }
}

/// The rules for text whose line may still become another block.
fn look_at_text<'s>(source: &'s str, before: isize, leaf: &Leaf, bare: &str, page: &mut Page<'_>) -> Look<'s> {
    let options = page.options;
    let line = last_line(source);
    let text = Text::new(source, leaf);
    if blocks::is_ambiguous(leaf, text.as_str(), bare, options) {
        return Look::Hold(line);
    }
    if blocks::may_be_delimiter_row(leaf, text.as_str(), options) {
        let is_table = rows::is_delimiter_row(source, line, options);
        return if is_table { Look::Show(View::Finished(source)) } else { Look::Hold(line) };
    }
    if definitions::may_define(source, leaf, text.as_str(), options) {
        let earlier = leaf.start < line;
        let cut = last_line(&source[..leaf.start]);
        return match earlier {
            true => Look::Show(View::Finished(&source[..cut])),
            false if definitions::is_destination(text.as_str()) => Look::HoldDestination(line),
            false => Look::Hold(line),
        };
    }
    let end = match leaf.kind {
        Kind::Heading => blocks::before_closing_number_signs(text.as_str()),
        _ => text.as_str().len(),
    };
    let work = Work { source, before, leaf, text: &text, end, options };
    let may_be_header = options.tables && matches!(leaf.kind, Kind::Paragraph | Kind::Tight);
    let header = if may_be_header { Header::find(source, &text, options) } else { None };
    if let Some(look) = header.and_then(|header| work.show(Some(header), page)) {
        return look;
    }
    work.show(None, page).unwrap_or(Look::Show(View::Finished(source)))
}

/// A leaf of text that is being shown.
struct Work<'s, 'w> {
    source: &'s str,
    /// So many bytes of the document stand before the source.
    before: isize,
    leaf: &'w Leaf,
    text: &'w Text,
    /// Its text is looked at up to here.
    end: usize,
    options: &'w Options,
}

impl<'s> Work<'s, '_> {
    /// Cuts the text and closes what is open there. `None` if the parser sees no table, code or math where this does.
    fn show(&self, mut header: Option<Header>, page: &mut Page<'_>) -> Option<Look<'s>> {
        let from = header.as_ref().map_or(0, |header| header.cell);
        let (text, options) = (self.text, self.options);
        let atoms = header.as_ref().map_or(&self.leaf.atoms, |header| &header.atoms);
        let mut scan = inlines::scan(&Context { text, atoms, options }, from, self.end);
        for _ in 0..tries(self.source.len().saturating_add_signed(self.before), CUTS_MAX) {
            let shown = &text.as_str()[..scan.cut];
            let only_pipes = match &mut header {
                Some(header) => !header.count_cells(shown),
                None => false,
            };
            if only_pipes {
                return Some(self.hold(scan.cut));
            }
            if scan.cut < text.as_str().len()
                && let Some(look) = self.guard(&scan)
            {
                return Some(look);
            }
            let (source, leaf, scan_now, header_now) = (self.source, self.leaf, &scan, header.as_ref());
            let before = self.before;
            let draft = Draft { source, before, leaf, text, scan: scan_now, header: header_now, options };
            match closing::close(&draft, page) {
                Closing::Closed(closed) => {
                    let end = ending::of_text(self, &scan, &closed, header.as_ref());
                    return closed.confirmed.then_some(Look::Show(View::Written(end)));
                }
                Closing::CutAt(cut) => scan.shorten(cut),
            }
        }
        Some(self.hold(scan.cut))
    }

    /// The line that holds the offset `cut` of the text waits. If it is complete, and the leaf goes with it, then the
    /// leaf before is not opened again: what complete lines have closed stays closed.
    fn hold(&self, cut: usize) -> Look<'s> {
        let end = last_line(&self.source[..self.text.to_source(cut)]);
        if end <= self.leaf.start && end < last_line(self.source) {
            return Look::Show(View::Finished(&self.source[..end]));
        }
        Look::Hold(end)
    }

    /// Whether what is left after a cut is the same leaf for sure: the cut is in the last line, what is left of it begins
    /// with a letter, and no block's marker does. A row's cells begin where they did.
    fn is_certain(&self, shown: &str, bare: &str) -> bool {
        let line = match self.leaf.kind {
            Kind::Cell => bare.trim_start_matches('|'),
            _ => last_line_of(shown),
        };
        !self.text.as_str()[shown.len()..].contains('\n')
            && line.trim_start_matches(' ').starts_with(char::is_alphabetic)
            && !is_blank(shown)
    }

    /// What is left after a cut must be the same leaf.
    fn guard(&self, scan: &Scan) -> Option<Look<'s>> {
        let shown = &self.text.as_str()[..scan.cut];
        let source = &self.source[..self.text.to_source(scan.cut)];
        let bare = blocks::bare_last_line(source, self.leaf.quotes);
        if self.leaf.kind == Kind::Cell && is_blank(shown) {
            return is_only(bare, b"|\x0c").then(|| self.hold(scan.cut));
        }
        let same = self.is_certain(shown, bare)
            || match leaf::probe(source, self.options) {
                Probed::Leaf(left) => {
                    left.kind == self.leaf.kind && left.start == self.leaf.start && !left.begins_after(source)
                }
                Probed::Swallowed { .. } => false,
            };
        let ambiguous = blocks::is_ambiguous(self.leaf, shown, bare, self.options)
            || blocks::may_be_delimiter_row(self.leaf, shown, self.options);
        if !same || ambiguous {
            return Some(self.hold(scan.cut));
        }
        let text = matches!(self.leaf.kind, Kind::Paragraph | Kind::Tight);
        let defines = text && definitions::defines(self.source, self.leaf, shown, self.options);
        defines.then_some(Look::Show(View::Finished(self.source)))
    }
}
