//! The table that may be open, and the cells that its rows lack.
//!
//! **Source:** GFM 0.29 §4.10 (tables).

use super::place::{fence_opener, starts_with_list_marker};

/// The widest table that may be open, and what all tables so far lack.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Table {
    /// Columns of the open table; 0 if there is none.
    columns: usize,
    missing: usize,
}

impl Table {
    /// Cells that the parser may have filled in so far.
    pub(super) fn missing(&self) -> usize {
        self.missing
    }

    /// Whether a table may be open.
    #[inline]
    pub(super) fn is_open(&self) -> bool {
        self.columns > 0
    }

    /// The table, if one was open, is over.
    pub(super) fn end(&mut self) {
        self.columns = 0;
    }

    /// Takes in a finished line (without its line feed) and the line before it.
    pub(super) fn read(&mut self, before: &[u8], line: &[u8]) {
        let Some(start) = line.iter().position(|b| !matches!(b, b' ' | b'\t' | b'>')) else {
            self.end();
            return;
        };
        if self.columns == 0 && !matches!(line[start], b'|' | b':' | b'-') {
            return;
        }
        let row = &line[start..];
        let columns = delimiter_columns(row).filter(|&columns| columns <= pipes(before) + 1);
        if self.columns > 0 {
            if columns.is_none() && ends_table(row) {
                self.end();
                return;
            }
            self.missing += self.columns.saturating_sub(cells(row));
        }
        self.columns = self.columns.max(columns.unwrap_or(0));
    }
}

/// Columns that a line delimits, whatever stands before it; 0 if it is no delimiter row.
pub(super) fn delimited(line: &[u8]) -> usize {
    let start = line.iter().position(|b| !matches!(b, b' ' | b'\t' | b'>')).unwrap_or(line.len());
    delimiter_columns(&line[start..]).unwrap_or(0)
}

/// Columns of a delimiter row, or `None` if it is none.
fn delimiter_columns(row: &[u8]) -> Option<usize> {
    let mut columns = 0;
    let mut pipe = false;
    // Of the column being read: anything, and a hyphen.
    let (mut begun, mut hyphen) = (false, false);
    let mut any_hyphen = false;
    for (i, &byte) in row.iter().enumerate() {
        match byte {
            b' ' => {}
            b':' => begun = true,
            b'-' => (begun, hyphen, any_hyphen) = (true, true, true),
            b'|' => {
                pipe = true;
                if i > 0 {
                    if !hyphen {
                        return None;
                    }
                    columns += 1;
                }
                (begun, hyphen) = (false, false);
            }
            _ => return None,
        }
    }
    (pipe && any_hyphen).then_some(columns + usize::from(begun))
}

/// Pipes that part cells.
fn pipes(line: &[u8]) -> usize {
    memchr::memchr_iter(b'|', line).filter(|&i| i == 0 || line[i - 1] != b'\\').count()
}

/// Cells of a row that begins with its first non-blank byte.
fn cells(row: &[u8]) -> usize {
    let row = row.trim_ascii_end();
    let outer = usize::from(row.starts_with(b"|")) + usize::from(row.ends_with(b"|") && !row.ends_with(b"\\|"));
    (pipes(row) + 1).saturating_sub(outer)
}

/// Whether `row` certainly is no row, and so ends the table: a lone pipe, a heading, a list item or a fence.
fn ends_table(row: &[u8]) -> bool {
    let hashes = row.iter().take_while(|&&b| b == b'#').count();
    let heading = (1..=6).contains(&hashes) && row.get(hashes).is_none_or(|b| matches!(b, b' ' | b'\t'));
    heading || row.trim_ascii_end() == b"|" || starts_with_list_marker(row) || fence_opener(row).is_some()
}
