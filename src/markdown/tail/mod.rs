//! What a reader sees of a source that is still being written: the two views of an unfinished end.
//!
//! Both are pure functions of the normalised source so far. [`escape`] shows the unfinished line as it stands, apart;
//! [`complete`] shows it as its writer means it.
//!
//! **Invariant:** a view costs time linear in the source (`views_are_linear`).

mod complete;
mod end;
mod escape;

pub(super) use complete::{complete, is_no_tail, may_be_title, may_begin_definition, tries_alike};
pub(super) use end::{End, FenceEnd, TextEnd, is_of_destination};
pub(super) use escape::{PROVISIONAL, escape};

/// Where the last line of `source` starts; `source.len()` if its line feed has been read.
fn last_line(source: &str) -> usize {
    memchr::memrchr(b'\n', source.as_bytes()).map_or(0, |feed| feed + 1)
}

/// Whether a line, or what there is of it, holds nothing but spaces and tabs.
fn is_blank(line: &str) -> bool {
    line.bytes().all(|byte| matches!(byte, b' ' | b'\t'))
}
