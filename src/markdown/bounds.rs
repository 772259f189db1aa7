//! Where a source stops being parsed, because what follows could cost the parser more than linear time or memory.
//!
//! One scan from left to right whose state depends only on bytes already read. A line trips a bound when it has more
//! than [`MARKERS_MAX`] container markers or [`COLUMNS_MAX`] columns of indentation (counted as they come), or when it
//! is a table row whose missing cells, which the parser fills in, bring their sum over [`MISSING_CELLS_FREE`] plus a
//! quarter of the bytes so far (counted when its line feed has been read). The start of the first such line is the
//! offset at which parsing ends, for good: what is appended later never moves it.
//!
//! All of it counts more than the parser does, never less: every option counts as on, and only the inside of a fence
//! that is certainly one (see `place.rs`) is exempt. What the bounds allow is linear: at most
//! `MARKERS_MAX + COLUMNS_MAX / 2` containers are ever open.
//!
//! **Invariant:** the offset is the same however the text arrives, and stays once it is there
//! (`any_split_trips_at_the_same_offset`, `once_tripped_every_extension_trips_there`). The parser never has more
//! containers open, fills in more cells or is outside a code block where a line was exempt
//! (`counts_at_least_what_the_parser_does`), so its work and the output stay in proportion to the source
//! (`work_and_output_grow_with_the_source_behind_every_fake_fence`).
//!
//! **Source:** CommonMark 0.31.2 §4.5 (fences), §4.6 (HTML blocks), §5 (containers); GFM 0.29 §4.10 (tables).

const _: () = assert!(MARKERS_MAX * 4 <= COLUMNS_MAX, "the short cut for short lines");

mod place;
mod prefix;
mod suspicion;
mod table;

use place::Place;
use prefix::Prefix;
use table::Table;

/// Container markers on one line. A page that nests deeper is not written by anybody; the parser's cost for each line
/// that follows grows with the depth.
pub const MARKERS_MAX: usize = 64;
/// Columns of white space before and between the container markers of one line: two can hold one list level open.
pub const COLUMNS_MAX: usize = 1_000;
/// Cells that the rows of a document may lack beside one per four bytes. Each costs the parser and the page like a
/// cell that was written, and costs the sender nothing.
pub const MISSING_CELLS_FREE: usize = 512;
/// Bytes of HTML that one byte of source may become, beside 64 KiB for the whole document. The worst byte is a `|` in a
/// table of centred columns: 36 for its cell, 9 for the quarter of a missing cell, and 8 that references may bring in
/// for it further down.
pub const OUTPUT_FACTOR: usize = 54;

/// First bytes of a line that can begin nothing but a paragraph's text, or go on in it.
const PLAIN: [bool; 256] = {
    let mut plain = [true; 256];
    let special = b" \t\x0c>-*+0123456789[<`~|:#";
    let mut i = 0;
    while i < special.len() {
        plain[special[i] as usize] = false;
        i += 1;
    }
    plain
};

/// Returns the offset of the line at which a bound trips. `source` is normalised text.
///
/// ```
/// use rillmark::markdown::bounds::trip;
/// assert_eq!(trip("> a\n"), None);
/// let deep = ">".repeat(65);
/// assert_eq!(trip(&format!("text\n{deep}")), Some(5));
/// ```
pub fn trip(source: &str) -> Option<usize> {
    if suspicion::is_suspect(source.as_bytes()) { Scan::default().advance(source) } else { None }
}

/// The scan over a text that may still be growing.
///
/// ```
/// use rillmark::markdown::bounds::Scan;
/// let mut scan = Scan::default();
/// let mut source = ">".repeat(64);
/// assert_eq!(scan.advance(&source), None);
/// source.push('>');
/// assert_eq!(scan.advance(&source), Some(0));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Scan {
    tripped: Option<usize>,
    /// Where the search for the next line feed goes on.
    read: usize,
    /// Where the line before begins.
    before: usize,
    /// Where the line begins that is being read.
    line: usize,
    prefix: Prefix,
    table: Table,
    place: Place,
}

impl Scan {
    /// Reads on. `source` is the whole normalised text so far: what an earlier call saw, and any number of bytes more.
    /// Costs a look at what is new. Returns as [`trip`] would for all of it.
    pub fn advance(&mut self, source: &str) -> Option<usize> {
        if self.tripped.is_some() {
            return self.tripped;
        }
        let bytes = source.as_bytes();
        let from = self.read;
        for feed in memchr::memchr_iter(b'\n', &bytes[from..]) {
            let end = from + feed;
            if !self.pass_plain(&bytes[self.line..end]) {
                if self.finish_line(bytes, end) {
                    self.tripped = Some(self.line);
                    return self.tripped;
                }
                self.prefix = Prefix::default();
            }
            self.before = self.line;
            self.line = end + 1;
        }
        self.read = bytes.len();
        if !self.place.is_exempt() && self.prefix.advance(&bytes[self.line..], false) {
            self.tripped = Some(self.line);
        }
        self.tripped
    }

    /// The offset at which a bound has tripped so far.
    pub fn tripped(&self) -> Option<usize> {
        self.tripped
    }

    /// Takes in a line that holds nothing to count, which most do, or returns false.
    #[inline]
    fn pass_plain(&mut self, line: &[u8]) -> bool {
        match line.first() {
            _ if self.table.is_open() || self.prefix.is_begun() => false,
            None => self.place.pass_blank(),
            Some(&byte) => PLAIN[usize::from(byte)] && self.place.pass_text(),
        }
    }

    /// Takes in the line that ends with the line feed at `end`, and tells whether it trips a bound.
    fn finish_line(&mut self, bytes: &[u8], end: usize) -> bool {
        let line = &bytes[self.line..end];
        if self.place.is_exempt() {
            self.place.read_in_fence(line);
            return false;
        }
        // A marker takes a byte, and a byte is at most four columns: a short line trips neither bound.
        if line.len() > MARKERS_MAX && self.prefix.advance(line, true) {
            return true;
        }
        self.table.read(&bytes[self.before..self.line], line);
        if self.table.missing() > MISSING_CELLS_FREE + (end + 1) / 4 {
            return true;
        }
        self.place.read(line);
        if self.place.is_exempt() {
            self.table.end();
        }
        false
    }
}

#[cfg(test)]
mod tests;
