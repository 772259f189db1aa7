//! Server-Sent Events, read as a browser reads them.
//!
//! Lines end with LF, CRLF or CR; a line that begins with a colon is a comment; the values of several `data` lines are
//! joined by LF; an empty line ends an event, and one without `data` is none. `id` and `retry` mean nothing here.
//!
//! A browser throws away what no empty line ends. A reply's last event is worth more than that, so [`Events::finish`]
//! gives it to whoever can tell whether it is whole.
//!
//! **Invariant:** how the body was cut does not matter (`any_cut_gives_the_same_events`), and no more than the cap and one
//! piece is held (`an_event_too_long_is_told_at_once_and_the_next_is_read`).
//! **Source:** WHATWG HTML §9.2.5 (parsing), §9.2.6 (interpreting).

use memchr::memchr2;

use super::TooLong;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Room that is kept for the next line; what a longer one needed is given back.
const KEPT_BYTES: usize = 64 * 1024;

/// Cuts what is pushed into events.
///
/// ```
/// # use rillmark::ingest::Events;
/// let mut events = Events::new(1024);
/// events.push(b"event: ping\r\ndata: {}\r\n\r\n: hello\ndata:a\ndata: b\n\n");
/// let event = events.next_event().unwrap().unwrap();
/// assert_eq!((event.name.as_str(), event.data.as_str()), ("ping", "{}"));
/// assert_eq!(events.next_event().unwrap().unwrap().data, "a\nb");
/// assert_eq!(events.next_event(), None);
/// ```
#[derive(Debug)]
pub struct Events {
    held: Vec<u8>,
    /// Where in `held` the current line begins.
    at: usize,
    /// Up to where `held` is known to have no line's end.
    seen: usize,
    /// Whether the last line ended with CR, so that a LF right behind it ends no other.
    after_cr: bool,
    /// Whether nothing but a byte order mark has come.
    first: bool,
    passing: Passing,
    name: Vec<u8>,
    /// The values of the `data` lines, each with a LF.
    data: Vec<u8>,
    bytes_max: usize,
}

/// What is passed over, since an event was too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Passing {
    Nothing,
    /// The rest of the event.
    Event,
    /// The rest of the line, then that of the event.
    Line,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The value of `event`; empty where there was none.
    pub name: String,
    /// The values of its `data` lines. Bytes that are not UTF-8 have become U+FFFD.
    pub data: String,
}

/// What stands behind the last whole event when the body is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Nothing, or a comment.
    Nothing,
    /// Data that no empty line ended. Its last line may be torn.
    Event(Event),
    /// The beginning of an event, before its data.
    Torn,
}

impl Events {
    /// Events of up to `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            held: Vec::new(),
            at: 0,
            seen: 0,
            after_cr: false,
            first: true,
            passing: Passing::Nothing,
            name: Vec::new(),
            data: Vec::new(),
            bytes_max,
        }
    }

    /// Takes what came. What is whole by now is to be had from [`Events::next_event`].
    pub fn push(&mut self, bytes: &[u8]) {
        self.held.drain(..self.at);
        self.seen -= self.at;
        self.at = 0;
        if self.held.is_empty() && self.held.capacity() > KEPT_BYTES {
            self.held = Vec::new();
        }
        self.held.extend_from_slice(bytes);
    }

    /// What is held of events that are not whole yet, in bytes.
    pub fn held_bytes(&self) -> usize {
        self.held.len() - self.at + self.data.len()
    }

    /// The next event that is whole; or that one is too long, as soon as that is clear.
    pub fn next_event(&mut self) -> Option<Result<Event, TooLong>> {
        loop {
            if self.after_cr && self.at < self.held.len() {
                self.after_cr = false;
                self.at += usize::from(self.held[self.at] == b'\n');
                self.seen = self.seen.max(self.at);
            }
            let Some(end) = memchr2(b'\n', b'\r', &self.held[self.seen..]).map(|found| self.seen + found) else {
                return self.unended();
            };
            self.after_cr = self.held[end] == b'\r';
            let start = self.at;
            (self.at, self.seen) = (end + 1, end + 1);
            match self.read_line(start, end) {
                None => {}
                found => return found,
            }
        }
    }

    /// The body is over.
    pub fn finish(&mut self) -> Rest {
        let (start, end) = (self.at, self.held.len());
        let torn = !matches!(self.held[start..end].first(), None | Some(b':'));
        (self.at, self.seen) = (end, end);
        if self.passing != Passing::Nothing {
            return Rest::Nothing;
        }
        self.take_field(start, end);
        if self.data.is_empty() {
            return if torn || !self.name.is_empty() { Rest::Torn } else { Rest::Nothing };
        }
        Rest::Event(self.dispatch())
    }

    /// Reads a line; an event if it ends one.
    fn read_line(&mut self, start: usize, end: usize) -> Option<Result<Event, TooLong>> {
        let empty = start == end || (self.first && self.held[start..end] == *BYTE_ORDER_MARK);
        match self.passing {
            Passing::Line => self.passing = Passing::Event,
            _ if empty => {
                self.first = false;
                self.passing = Passing::Nothing;
                if !self.data.is_empty() {
                    return Some(Ok(self.dispatch()));
                }
                self.name.clear();
            }
            Passing::Event => {}
            Passing::Nothing if end - start > self.room() => return Some(Err(self.pass(Passing::Event))),
            Passing::Nothing => {
                self.take_field(start, end);
                if self.data.len() + self.name.len() > self.bytes_max.saturating_add(1) {
                    return Some(Err(self.pass(Passing::Event)));
                }
            }
        }
        None
    }

    /// Takes what the line at `start..end` says into the event.
    fn take_field(&mut self, start: usize, end: usize) {
        let mut line = &self.held[start..end];
        if std::mem::take(&mut self.first) {
            line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        }
        let (field, value) = match line.iter().position(|byte| *byte == b':') {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &b""[..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => {
                self.data.extend_from_slice(value);
                self.data.push(b'\n');
            }
            b"event" => value.clone_into(&mut self.name),
            _ => {}
        }
    }

    /// The event that the lines since the last make.
    fn dispatch(&mut self) -> Event {
        self.data.pop();
        let event = Event {
            name: String::from_utf8_lossy(&self.name).into_owned(),
            data: String::from_utf8_lossy(&self.data).into_owned(),
        };
        self.clear();
        event
    }

    /// There is no line's end yet. An event that is too long all the same is told of, once.
    fn unended(&mut self) -> Option<Result<Event, TooLong>> {
        self.seen = self.held.len();
        match self.passing {
            Passing::Line => self.at = self.seen,
            Passing::Event if self.seen > self.at => {
                self.at = self.seen;
                self.passing = Passing::Line;
            }
            Passing::Event => {}
            Passing::Nothing if self.seen - self.at > self.room() => {
                self.at = self.seen;
                return Some(Err(self.pass(Passing::Line)));
            }
            Passing::Nothing => {}
        }
        None
    }

    /// The most bytes that a line is waited for: the field's name and a byte order mark do not count.
    fn room(&self) -> usize {
        (self.bytes_max + BYTE_ORDER_MARK.len() + "event: ".len()).saturating_sub(self.data.len())
    }

    fn pass(&mut self, what: Passing) -> TooLong {
        self.passing = what;
        self.first = false;
        self.clear();
        TooLong { bytes_max: self.bytes_max }
    }

    fn clear(&mut self) {
        self.name.clear();
        self.data.clear();
        if self.data.capacity() > KEPT_BYTES {
            self.data = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The events of a body that comes in these pieces, each as `name|data`, and what is left; `!` is one too long.
    fn events(pieces: &[&[u8]], bytes_max: usize) -> (Vec<String>, Rest) {
        let mut events = Events::new(bytes_max);
        let mut found = Vec::new();
        for piece in pieces {
            events.push(piece);
            while let Some(event) = events.next_event() {
                found.push(event.map_or_else(|_| "!".to_owned(), |event| format!("{}|{}", event.name, event.data)));
            }
        }
        (found, events.finish())
    }

    fn check(body: &str, expected: &[&str]) {
        assert_eq!(
            events(&[body.as_bytes()], 1000),
            (expected.iter().map(|s| (*s).to_owned()).collect(), Rest::Nothing)
        );
    }

    #[test]
    fn fields_are_read_as_browsers_read_them() {
        check("", &[]);
        check("data: a\n\n", &["|a"]);
        check("data:a\n\n", &["|a"]);
        check("data:  a\n\n", &["| a"]);
        check("data\n\n", &["|"]);
        check("data:\n\n", &["|"]);
        check("data: a\ndata: b\ndata\n\n", &["|a\nb\n"]);
        check("event: x\ndata: a\n\ndata: b\n\n", &["x|a", "|b"]);
        check("event: x\n\ndata: b\n\n", &["|b"]);
        check("event: x\nevent: y\ndata: b\n\n", &["y|b"]);
        check(": c\n:\ndata: a\n: d\n\n\n\n: e\n\n", &["|a"]);
        check("id: 7\nretry: 9\nunknown: 1\nDATA: no\ndata : no\n data: no\ndata: a\n\n", &["|a"]);
        check("data: a:b\n\n", &["|a:b"]);
        check("\u{feff}data: a\n\n\u{feff}data: b\n\n", &["|a"]);
        check("\u{feff}\n\ndata: a\n\n", &["|a"]);
    }

    #[test]
    fn lines_end_with_lf_crlf_or_cr() {
        for end in ["\n", "\r\n", "\r"] {
            check(&"event: x;data: a;data: b;;data: c;;".replace(';', end), &["x|a\nb", "|c"]);
        }
        check("data: a\r\rdata: b\n\r\ndata: c\r\n\n", &["|a", "|b", "|c"]);
        let mut events = Events::new(10);
        events.push(b"data: a\r\r");
        assert!(events.next_event().is_some(), "an event is not held back for a LF that may come");
    }

    #[test]
    fn what_no_empty_line_ends_is_told_apart() {
        let rest = |body: &str| events(&[body.as_bytes()], 1000).1;
        let event = |name: &str, data: &str| Rest::Event(Event { name: name.to_owned(), data: data.to_owned() });
        assert_eq!(rest("event: x\ndata: a"), event("x", "a"));
        assert_eq!(rest("data: a\ndata: b\n"), event("", "a\nb"));
        assert_eq!(rest("data: a\nda"), event("", "a"));
        assert_eq!(rest("data: a\n\nda"), Rest::Torn);
        assert_eq!(rest("data: a\n\nevent: x\n"), Rest::Torn);
        assert_eq!(rest("data: a\n\n: bye"), Rest::Nothing);
        assert_eq!(rest("data: a\n\n\r"), Rest::Nothing);
    }

    #[test]
    fn any_cut_gives_the_same_events() {
        let body = "\u{feff}: hi\r\nevent: ä\r\ndata: {\"\u{1f44d}\"\r\ndata:}\r\n\r\rdata: b\n\n\
            data: 0123456789012345678901234567890123456789\nevent: z\n\ndata: c\r\n\r\n\
            : a comment that is longer than an event may be\n\n: end\n";
        let whole = events(&[body.as_bytes()], 20);
        assert_eq!(whole.0, ["ä|{\"\u{1f44d}\"\n}", "|b", "!", "|c", "!"]);
        for first in 0..=body.len() {
            let (left, right) = body.as_bytes().split_at(first);
            for second in 0..=right.len() {
                assert_eq!(events(&[left, &right[..second], &right[second..]], 20), whole, "at {first} and {second}");
            }
        }
        assert_eq!(events(&body.as_bytes().chunks(1).collect::<Vec<_>>(), 20), whole);
    }

    #[test]
    fn an_event_too_long_is_told_at_once_and_the_next_is_read() {
        let mut events = Events::new(10);
        events.push(b"data: 123456\ndata: 789");
        assert_eq!(events.next_event(), None);
        for (piece, expected) in [(&b"0123456789012345678"[..], Some(Err(TooLong { bytes_max: 10 }))), (b"more", None)]
        {
            events.push(piece);
            assert_eq!(events.next_event(), expected);
        }
        for _ in 0..1000 {
            events.push(&[b'a'; 100]);
            assert_eq!(events.next_event(), None);
            assert!(events.held.len() <= 100 && events.data.is_empty(), "nothing of it is kept");
        }
        events.push(b"\ndata: c\n\ndata: d\n\n");
        assert_eq!(events.next_event().unwrap().unwrap().data, "d");
        let many = "data: 1\n".repeat(100);
        assert_eq!(self::events(&[many.as_bytes(), b"\ndata: e\n\n"], 10).0, ["!", "|e"]);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_replaced() {
        assert_eq!(events(&[b"data: a\xffb\n\n"], 100).0, ["|a\u{fffd}b"]);
    }
}
