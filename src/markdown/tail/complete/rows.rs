//! Table rows: a header row that is a table before its delimiter row has come, and which cell of a row is open.

use super::blocks::is_only;
use super::leaf::{self, Atom, Kind, PROBE, Probed};
use super::text::Text;
use crate::markdown::Options;
use crate::markdown::parser::Document;
use crate::markdown::tail::last_line;
use pulldown_cmark::{Event, Tag};

/// A line that looks like the head of a table; offsets are in the leaf's text.
#[derive(Debug)]
pub(super) struct Header {
    /// Where its first `|` stands.
    start: usize,
    /// Where its last cell starts.
    pub(super) cell: usize,
    /// Where the row starts in the source.
    row: usize,
    /// What stands before it on its line: quotes' markers as they are, all else as blanks.
    prefix: String,
    cells: usize,
    /// What is finished in the last cell.
    pub(super) atoms: Vec<Atom>,
}

impl Header {
    /// The head of a table that `text`'s last line would be: it begins with one `|`, the line above it does not, there is
    /// more in it than pipes, and the parser sees a table if a delimiter row follows.
    pub(super) fn find(source: &str, text: &Text, options: &Options) -> Option<Self> {
        let whole = text.as_str().trim_end_matches([' ', '\t', '\n']);
        let start = whole.rfind('\n').map_or(0, |feed| feed + 1);
        let above = whole[..start].lines().next_back().unwrap_or_default();
        if !whole[start..].starts_with('|') || whole[start..].starts_with("||") || above.starts_with('|') {
            return None;
        }
        let row = text.to_source(start);
        let before = &source[last_line(&source[..row])..row];
        let prefix = before.chars().map(|c| if matches!(c, '>' | '\t') { c } else { ' ' }).collect();
        let mut header = Self { start, cell: start, row, prefix, cells: 0, atoms: Vec::new() };
        header.cell = start + pipes(&whole[start..]).last().map_or(0, |pipe| pipe + 1);
        if !header.count_cells(whole) {
            return None;
        }
        let source = &source[..text.to_source(whole.len())];
        let mut table = [source, PROBE].concat();
        header.count_cells(&[whole, PROBE].concat());
        header.push_delimiter_row(&mut table);
        let Probed::Leaf(cell) = leaf::find(source, &table, options) else { return None };
        header.count_cells(whole);
        header.atoms = cell.atoms;
        (cell.kind == Kind::Cell).then_some(header)
    }

    /// Counts the cells of the row in `text`, which ends with it. False if only pipes are left.
    pub(super) fn count_cells(&mut self, text: &str) -> bool {
        let row = text[self.start..].trim_end_matches([' ', '\t', '\x0c', '\n']);
        let count = pipes(row).count();
        let closed = pipes(row).last().is_some_and(|pipe| pipe + 1 == row.len());
        self.cells = if closed { count - 1 } else { count };
        !is_only(row, b"|\x0c")
    }

    /// Appends the line that makes a table of it; before it a blank, lest a backslash breaks the line.
    pub(super) fn push_delimiter_row(&self, text: &mut String) {
        text.push_str(" \n");
        text.push_str(&self.prefix);
        text.push('|');
        for _ in 0..self.cells {
            text.push_str("---|");
        }
    }

    /// Where the row starts in the source.
    pub(super) fn row(&self) -> usize {
        self.row
    }
}

/// Whether the line that starts at `line` is the delimiter row of a table in `source`.
pub(super) fn is_delimiter_row(source: &str, line: usize, options: &Options) -> bool {
    let mut document = Document::new(source, options);
    document
        .events()
        .any(|(event, range)| matches!(event, Event::Start(Tag::Table(_))) && range.start < line && line < range.end)
}

/// The pipes of a row that part cells: those without a backslash before them.
fn pipes(row: &str) -> impl Iterator<Item = usize> {
    let bytes = row.as_bytes();
    memchr::memchr_iter(b'|', bytes).filter(move |&at| at == 0 || bytes[at - 1] != b'\\')
}

#[cfg(test)]
mod tests {
    use super::super::leaf::{Probed, probe};
    use super::*;

    fn header(source: &str) -> Option<(Header, Text)> {
        let Probed::Leaf(leaf) = probe(source, &Options::default()) else { panic!("no leaf in {source:?}") };
        let text = Text::new(source, &leaf);
        Header::find(source, &text, &Options::default()).map(|header| (header, text))
    }

    #[test]
    fn a_row_becomes_a_table_at_once() {
        for (source, row) in [
            ("| a", " \n|---|"),
            ("| a | b", " \n|---|---|"),
            ("| a | b |", " \n|---|---|"),
            ("| a \\| b", " \n|---|"),
            ("a\n| b", " \n|---|"),
            ("> | a", " \n> |---|"),
            ("- | a", " \n  |---|"),
            ("1. > | a", " \n   > |---|"),
        ] {
            let (header, _) = header(source).unwrap();
            let mut whole = source.to_owned();
            header.push_delimiter_row(&mut whole);
            assert_eq!(&whole[source.len()..], row, "{source:?}");
            let mut document = Document::new(&whole, &Options::default());
            let is_it = |event: &Event<'_>| matches!(event, Event::Start(Tag::Table(_)));
            assert!(document.events().any(|(event, at)| is_it(&event) && at.start == header.row()), "{source:?}");
        }
    }

    #[test]
    fn the_last_cell_is_open() {
        for (source, cell) in [("| a", " a"), ("| a | b", " b"), ("| a |", ""), ("x\n| a | b\n", " b\n")] {
            let (header, text) = header(source).unwrap();
            assert_eq!(&text.as_str()[header.cell..], cell, "{source:?}");
        }
    }

    #[test]
    fn other_lines_are_no_header() {
        for source in ["a | b", "|| a", "| a\n| b", "a", "|\n", "a\n    | b", "> a\n| b", "| a\n\x0c\n"] {
            assert!(header(source).is_none(), "{source:?}");
        }
    }
}
