//! Lines of an NDJSON body, as they become whole.
//!
//! A line ends with LF; a CR before it goes, and so does a byte order mark before the first. Lines of white space alone
//! are passed over, but counted, so that numbers are those an editor shows. The last line needs no LF.
//!
//! **Invariant:** how the body was cut does not matter (`any_cut_gives_the_same_lines`), and no more than the cap and one
//! piece is held (`a_line_too_long_is_told_at_once_and_the_next_is_read`).
//! **Source:** the NDJSON specification, §3.1 (LF, CRLF), §3.2 (empty lines may be ignored).

use memchr::memchr;

use super::TooLong;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Room that is kept for the next line; what a longer one needed is given back.
const KEPT_BYTES: usize = 64 * 1024;

/// Cuts what is pushed into lines.
///
/// ```
/// # use rillmark::ingest::Lines;
/// let mut lines = Lines::new(1024);
/// lines.push(b"{\"a\":1}\r\n\n{\"b\"");
/// assert_eq!(lines.next_line().map(|line| (line.number, line.bytes)), Some((1, Ok(&b"{\"a\":1}"[..]))));
/// assert_eq!(lines.next_line(), None);
/// lines.push(b":2}");
/// assert_eq!(lines.last_line().map(|line| (line.number, line.bytes)), Some((3, Ok(&b"{\"b\":2}"[..]))));
/// ```
#[derive(Debug)]
pub struct Lines {
    held: Vec<u8>,
    /// Where in `held` the current line begins.
    at: usize,
    /// Up to where `held` is known to have no LF.
    seen: usize,
    /// Whether the rest of a line that was too long is being passed over.
    passing: bool,
    /// Lines begun before the current one.
    number: u64,
    bytes_max: usize,
}

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Counted from 1, empty ones too.
    pub number: u64,
    /// Without its end.
    pub bytes: Result<&'a [u8], TooLong>,
}

impl Lines {
    /// Lines of up to `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self { held: Vec::new(), at: 0, seen: 0, passing: false, number: 0, bytes_max }
    }

    /// Takes what came. What is whole by now is to be had from [`Lines::next_line`].
    pub fn push(&mut self, bytes: &[u8]) {
        self.held.drain(..self.at);
        self.seen -= self.at;
        self.at = 0;
        if self.held.is_empty() && self.held.capacity() > KEPT_BYTES {
            self.held = Vec::new();
        }
        self.held.extend_from_slice(bytes);
    }

    /// What is held of lines that are not whole yet, in bytes.
    pub fn held_bytes(&self) -> usize {
        self.held.len() - self.at
    }

    /// The next line that is whole and not empty; or that one is too long, as soon as that is clear.
    pub fn next_line(&mut self) -> Option<Line<'_>> {
        loop {
            let Some(end) = memchr(b'\n', &self.held[self.seen..]).map(|found| self.seen + found) else {
                return self.unended();
            };
            let (start, passed) = (self.at, std::mem::take(&mut self.passing));
            (self.at, self.seen) = (end + 1, end + 1);
            self.number += 1;
            if passed {
                continue;
            }
            if let Some(line) = self.line(start, end) {
                return Some(Line { number: self.number, bytes: line.map(|(start, end)| &self.held[start..end]) });
            }
        }
    }

    /// What stands behind the last LF, when the body is over and [`Lines::next_line`] has nothing more.
    pub fn last_line(&mut self) -> Option<Line<'_>> {
        let (start, end) = (self.at, self.held.len());
        (self.at, self.seen) = (end, end);
        if std::mem::take(&mut self.passing) {
            return None;
        }
        self.number += 1;
        let line = self.line(start, end)?;
        Some(Line { number: self.number, bytes: line.map(|(start, end)| &self.held[start..end]) })
    }

    /// Where a line stands without its frills; nothing if it is empty.
    fn line(&self, start: usize, end: usize) -> Option<Result<(usize, usize), TooLong>> {
        if end - start > self.room() {
            return Some(Err(self.too_long()));
        }
        let bom = self.number == 1 && self.held[start..end].starts_with(BYTE_ORDER_MARK);
        let start = if bom { start + BYTE_ORDER_MARK.len() } else { start };
        let end = if self.held[start..end].ends_with(b"\r") { end - 1 } else { end };
        if self.held[start..end].trim_ascii().is_empty() {
            return None;
        }
        Some(if end - start > self.bytes_max { Err(self.too_long()) } else { Ok((start, end)) })
    }

    /// There is no LF yet. A line that is too long all the same is told of, once.
    fn unended(&mut self) -> Option<Line<'static>> {
        self.seen = self.held.len();
        if self.seen - self.at <= self.room() && !self.passing {
            return None;
        }
        self.at = self.seen;
        if std::mem::replace(&mut self.passing, true) {
            return None;
        }
        Some(Line { number: self.number + 1, bytes: Err(self.too_long()) })
    }

    /// The most bytes that a line is waited for: a CR or a byte order mark may turn out not to count.
    fn room(&self) -> usize {
        self.bytes_max.saturating_add(BYTE_ORDER_MARK.len() + 1)
    }

    fn too_long(&self) -> TooLong {
        TooLong { bytes_max: self.bytes_max }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of a body that comes in these pieces: number and text, or nothing for one too long.
    fn lines(pieces: &[&[u8]], bytes_max: usize) -> Vec<(u64, Option<String>)> {
        let mut lines = Lines::new(bytes_max);
        let mut found = Vec::new();
        let mut keep = |line: Line<'_>| {
            found.push((line.number, line.bytes.ok().map(|bytes| String::from_utf8_lossy(bytes).into_owned())));
        };
        for piece in pieces {
            lines.push(piece);
            while let Some(line) = lines.next_line() {
                keep(line);
            }
        }
        if let Some(line) = lines.last_line() {
            keep(line);
        }
        found
    }

    fn text(number: u64, text: &str) -> (u64, Option<String>) {
        (number, Some(text.to_owned()))
    }

    #[test]
    fn lines_end_with_lf_or_crlf_and_the_last_with_nothing() {
        for (body, expected) in [
            (&b""[..], vec![]),
            (b"\n\r\n \t\n", vec![]),
            (b"a", vec![text(1, "a")]),
            (b"a\n", vec![text(1, "a")]),
            (b"a\r\nb\nc\r", vec![text(1, "a"), text(2, "b"), text(3, "c")]),
            (b"\n\na\n\r\nb", vec![text(3, "a"), text(5, "b")]),
            (b"a\rb\n", vec![text(1, "a\rb")]),
            (b"\xef\xbb\xbfa\n\xef\xbb\xbfb", vec![text(1, "a"), text(2, "\u{feff}b")]),
            (b"\xef\xbb\xbf\na", vec![text(2, "a")]),
            (b" a \n", vec![text(1, " a ")]),
        ] {
            assert_eq!(lines(&[body], 9), expected, "{:?}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn any_cut_gives_the_same_lines() {
        let body = "\u{feff}{\"ä\":1}\r\n\n0123456789\nx\r\n 0123456789-\n\n\u{1f44d}\r\n                    \nlast"
            .as_bytes();
        let whole = lines(&[body], 10);
        assert_eq!(whole.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 3, 4, 5, 7, 8, 9]);
        assert!(whole[3].1.is_none() && whole[5].1.is_none(), "two are too long");
        for first in 0..=body.len() {
            for second in first..=body.len() {
                assert_eq!(lines(&[&body[..first], &body[first..second], &body[second..]], 10), whole);
            }
        }
        assert_eq!(lines(&body.chunks(1).collect::<Vec<_>>(), 10), whole);
    }

    #[test]
    fn a_line_too_long_is_told_at_once_and_the_next_is_read() {
        let mut lines = Lines::new(10);
        lines.push(&[b'a'; 100]);
        assert_eq!(lines.next_line(), Some(Line { number: 1, bytes: Err(TooLong { bytes_max: 10 }) }));
        for _ in 0..1000 {
            lines.push(&[b'a'; 100]);
            assert_eq!(lines.next_line(), None);
            assert!(lines.held.len() <= 100, "nothing of it is kept");
        }
        lines.push(b"\nb\n");
        assert_eq!(lines.next_line(), Some(Line { number: 2, bytes: Ok(b"b") }));
        lines.push(&[b'a'; 100]);
        assert_eq!(lines.next_line().unwrap().bytes, Err(TooLong { bytes_max: 10 }));
        assert_eq!(lines.last_line(), None, "it is told once");
    }

    #[test]
    fn the_room_that_a_long_line_needed_is_given_back() {
        let mut lines = Lines::new(1 << 20);
        lines.push(&[b'a'; 1 << 20]);
        lines.push(b"\n");
        assert!(lines.next_line().unwrap().bytes.is_ok());
        lines.push(b"b");
        assert!(lines.held.capacity() <= KEPT_BYTES);
    }
}
