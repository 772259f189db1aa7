//! The head of a line: container markers and white space, counted byte by byte as they come.
//!
//! **Source:** CommonMark 0.31.2 §2.2 (tabs), §4.1 (thematic breaks), §5 (containers).

use super::{COLUMNS_MAX, MARKERS_MAX};

/// What has been counted on one line. It can be fed an unfinished line and go on when more of it is there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Prefix {
    state: State,
    /// Offset in the line of the next byte to look at.
    at: usize,
    /// Visual column of that byte, with tab stops of four.
    column: usize,
    /// Columns of white space so far.
    columns: usize,
    /// Markers so far, but for those of `run`.
    markers: usize,
    /// The latest markers, all of them `run_byte`: they are a thematic break if the line ends so, and count if not.
    run: usize,
    run_byte: u8,
    /// The line holds a `[^` where a footnote may begin.
    footnote: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Among markers.
    #[default]
    Head,
    /// In what may be a footnote's label: each `]:` from here on may end it, and markers may follow.
    Label,
    /// In the text of the line: nothing more to count.
    Text,
}

/// What stands at an offset of the head.
enum Token {
    Space,
    Tab,
    /// `>`, or a list marker of so many bytes.
    Marker(usize),
    /// `[^`.
    Footnote,
    /// The bytes that would decide are not there yet.
    Undecided,
    Text,
}

impl Prefix {
    /// Whether a part of the line was counted already.
    #[inline]
    pub(super) fn is_begun(&self) -> bool {
        self.at > 0 || self.state != State::Head
    }

    /// Counts on. `line` is all of the line so far, without its line feed; `finished` says that the line feed came.
    /// Tells whether a bound is exceeded.
    pub(super) fn advance(&mut self, line: &[u8], finished: bool) -> bool {
        loop {
            let more = match self.state {
                State::Head => self.pass_token(line, finished),
                State::Label => self.pass_label(line),
                State::Text => false,
            };
            let exceeded = self.markers > MARKERS_MAX || self.columns > COLUMNS_MAX;
            if exceeded || !more {
                return exceeded;
            }
        }
    }

    #[cfg(test)]
    pub(super) fn markers(&self) -> usize {
        self.markers
    }

    #[cfg(test)]
    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// Takes one token of the head. Returns false where the line so far holds no more to take.
    fn pass_token(&mut self, line: &[u8], finished: bool) -> bool {
        let Some(&byte) = line.get(self.at) else {
            if finished && self.run < 3 {
                self.commit_run();
            }
            return false;
        };
        match token(&line[self.at..], finished) {
            Token::Undecided => return false,
            Token::Space => self.pass_space(1),
            Token::Tab => self.pass_space(4 - self.column % 4),
            Token::Marker(length) => self.pass_marker(byte, length),
            Token::Footnote => {
                self.footnote = true;
                self.pass_marker(byte, 2);
                self.state = State::Label;
            }
            Token::Text => {
                self.commit_run();
                self.state = if self.footnote { State::Label } else { State::Text };
            }
        }
        true
    }

    fn pass_space(&mut self, width: usize) {
        self.at += 1;
        self.column += width;
        self.columns += width;
    }

    fn pass_marker(&mut self, byte: u8, length: usize) {
        self.at += length;
        self.column += length;
        if matches!(byte, b'-' | b'*') {
            if byte != self.run_byte {
                self.commit_run();
                self.run_byte = byte;
            }
            self.run += 1;
        } else {
            self.commit_run();
            self.markers += 1;
        }
    }

    fn commit_run(&mut self) {
        self.markers += self.run;
        self.run = 0;
    }

    /// Looks for the next `]:`. Which one ends the label depends on escapes, so behind each of them markers count.
    fn pass_label(&mut self, line: &[u8]) -> bool {
        let Some(found) = memchr::memchr(b']', &line[self.at..]) else {
            self.at = line.len();
            return false;
        };
        self.at += found;
        let Some(&next) = line.get(self.at + 1) else { return false };
        self.at += 1;
        if next == b':' {
            self.at += 1;
            self.column = self.at;
            self.state = State::Head;
        }
        true
    }
}

/// The first token of `rest`, which is not empty.
fn token(rest: &[u8], finished: bool) -> Token {
    match rest[0] {
        // The parser takes a form feed as white space behind a footnote's label only: it counts wherever it stands.
        b' ' | 0x0c => Token::Space,
        b'\t' => Token::Tab,
        b'>' => Token::Marker(1),
        b'-' | b'*' | b'+' => list_marker(rest, 1, finished),
        b'0'..=b'9' => {
            let digits = rest.iter().take(10).take_while(|b| b.is_ascii_digit()).count();
            match rest.get(digits) {
                Some(b'.' | b')') if digits < 10 => list_marker(rest, digits + 1, finished),
                None if digits < 10 && !finished => Token::Undecided,
                _ => Token::Text,
            }
        }
        b'[' => match rest.get(1) {
            Some(b'^') => Token::Footnote,
            None if !finished => Token::Undecided,
            _ => Token::Text,
        },
        _ => Token::Text,
    }
}

/// A list marker of `length` bytes, if white space or the end of the line follows.
fn list_marker(rest: &[u8], length: usize, finished: bool) -> Token {
    match rest.get(length) {
        Some(b' ' | b'\t') => Token::Marker(length),
        None if finished => Token::Marker(length),
        None => Token::Undecided,
        Some(_) => Token::Text,
    }
}
