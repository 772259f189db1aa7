//! A quick look at a whole text: whether any bound could trip in it at all. Hardly any text gives reason to look closer.
//!
//! **Invariant:** where this sees nothing, the scan finds nothing (`what_is_not_suspect_never_trips`).

use super::table::{Table, delimited};
use super::{COLUMNS_MAX, MARKERS_MAX, MISSING_CELLS_FREE};
use memchr::{memchr, memrchr};

/// Bytes looked at together.
const BLOCK: usize = 32;

// A head that trips is a run of more bytes than two blocks, so one whole block lies within it.
const _: () = assert!(MARKERS_MAX >= 2 * BLOCK && COLUMNS_MAX / 4 >= 2 * BLOCK);

/// Whether `bytes` hold a head of a line that is long enough to trip, or a table that lacks enough cells.
pub(super) fn is_suspect(bytes: &[u8]) -> bool {
    // A footnote's label may stand between markers, and hold anything.
    memchr(b'^', bytes).is_some() || holds_long_head(bytes) || (may_lack_cells(bytes) && lacks_cells(bytes))
}

/// Whether a whole block has neither letters nor anything else from `@` upwards: markers and white space have none.
fn holds_long_head(bytes: &[u8]) -> bool {
    bytes.chunks_exact(BLOCK).any(|block| block.iter().fold(0, |all, &byte| all | byte) & 0xc0 == 0)
}

/// Whether the tables would lack more cells than any document may if every cell of every row were missing, and every
/// table went on to the next empty line.
fn may_lack_cells(bytes: &[u8]) -> bool {
    // Columns of the tables that may be open, all together, and cells.
    let (mut columns, mut cells, mut line) = (0, 0, 0);
    while line < bytes.len() {
        if columns == 0 {
            let Some(pipe) = memchr(b'|', &bytes[line..]) else { return false };
            line += memrchr(b'\n', &bytes[line..line + pipe]).map_or(0, |feed| feed + 1);
        }
        let Some(length) = memchr(b'\n', &bytes[line..]) else { return false };
        if length == 0 {
            columns = 0;
        } else {
            columns += delimited(&bytes[line..line + length]);
            cells += columns;
        }
        if cells > MISSING_CELLS_FREE {
            return true;
        }
        line += length + 1;
    }
    false
}

/// Whether the tables lack more cells than any document may, wherever they stand.
fn lacks_cells(bytes: &[u8]) -> bool {
    let mut table = Table::default();
    let (mut before, mut line) = (0, 0);
    while line < bytes.len() {
        if !table.is_open() {
            // Without a pipe nothing begins: on to the next line that has one.
            let Some(pipe) = memchr(b'|', &bytes[line..]) else { return false };
            if let Some(feed) = memrchr(b'\n', &bytes[line..line + pipe]) {
                line += feed + 1;
                before = line;
            }
        }
        let Some(length) = memchr(b'\n', &bytes[line..]) else { return false };
        table.read(&bytes[before..line], &bytes[line..line + length]);
        if table.missing() > MISSING_CELLS_FREE {
            return true;
        }
        before = line;
        line += length + 1;
    }
    false
}
