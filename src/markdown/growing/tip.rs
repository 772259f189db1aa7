//! The end of what is shown, where most of what is pushed can be put without a look at the rest.
//!
//! A frame that parses learns how its view ends ([`End`]). As long as the bytes that follow mean nothing there, the
//! next frames only append them, escaped, to the element that ends the page: O(new bytes).
//!
//! Which bytes mean nothing is a function of the options and of where the text stands: [`Inert`]. What is not shown yet
//! may grow as well, a link's destination above all: that shows nothing. In the body of a table text goes on from cell to
//! cell; behind a finished inline element it stands beside that, not in it ([`Spot`]).
//!
//! **Invariant:** a frame without a parse shows what a parse would have shown
//! (`frames_without_a_parse_show_the_view`); every byte that may mean something is looked at
//! (`bytes_that_mean_something_are_parsed`).

use std::mem;

use super::{Edits, Path, Step};
use crate::markdown::bounds::Scan;
use crate::markdown::options::Tail;
use crate::markdown::tail::{End, FenceEnd, PROVISIONAL, TextEnd, is_of_destination, tries_alike};
use crate::markdown::writer::{self, Out};
use crate::markdown::{Options, escape};

/// The end of the page, and what is known of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Tip {
    end: End,
    /// Where in the page text is appended, once it was looked for.
    spot: Option<Spot>,
    inert: Inert,
    /// A line feed was read that shows once its line goes on.
    feed: bool,
    /// What of a line is not shown yet, because nothing on it has decided what it is.
    waiting: String,
    scan: Scan,
}

/// Where text is appended.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Spot {
    path: Path,
    /// So many bytes of HTML follow.
    behind: usize,
    /// It is a cell of a table's body.
    in_cell: bool,
}

/// Close inline elements that may stand before text.
const INLINES: [&str; 7] = ["</a>", "</code>", "</em>", "</strong>", "</del>", "</span>", "</sup>"];
/// The body of a table that has only a head.
const NO_ROWS: &str = "<tbody></tbody>";

impl Tip {
    pub(super) fn new(options: &Options) -> Self {
        Self { inert: Inert::new(options), ..Self::default() }
    }

    /// A frame has parsed all of the text, and its view ends so.
    pub(super) fn set(&mut self, end: End) {
        self.inert.heading = matches!(&end, End::Text(text) if text.heading);
        self.feed = matches!(&end, End::Text(text) if text.feed);
        self.end = end;
        self.spot = None;
        self.waiting.clear();
    }

    /// Shows what `text` has gained from offset `from` on, if that takes no parse. If it does, nothing is changed, and
    /// a parse must follow.
    ///
    /// O(new bytes + end tags of the page's end).
    pub(super) fn grow(&mut self, text: &str, from: usize, shown: &mut String, edits: &mut Edits) -> bool {
        if self.end == End::Unknown || !tries_alike(from, text.len()) {
            return false;
        }
        if self.end != End::Rest && self.scan.advance(text).is_some() {
            return false;
        }
        let mut html = String::with_capacity(text.len() - from + 8);
        let grown = match &self.end {
            End::Unknown => return false,
            End::Held => return text[from..].bytes().all(is_of_destination),
            End::Text(end) if end.cells.is_some() => return self.grow_cells(*end, text, from, shown, edits),
            End::Text(end) => self.grow_text(*end, text.as_bytes()[from - 1], &text[from..], &mut html),
            End::Fence(end) if end.decided && !text[from..].contains('\n') => {
                escape::text(&mut html, &text[from..]);
                self.append(html, shown, edits);
                return true;
            }
            End::Fence(end) => self.grow_fence(&end.clone(), &text[from..], &mut html),
            End::Line => self.grow_line(&text[from..], &mut html),
            End::LineStart => return self.begin_line(text, from, shown, edits),
            End::Rest => {
                escape::text(&mut html, &text[from..]);
                Some(End::Rest)
            }
        };
        let Some(grown) = grown else { return false };
        self.append(html, shown, edits);
        self.end = grown;
        true
    }

    fn append(&mut self, html: String, shown: &mut String, edits: &mut Edits) {
        if !html.is_empty() {
            let outside = matches!(&self.end, End::Text(end) if end.outside);
            let spot = self.spot.get_or_insert_with(|| Spot::find(shown, outside, None));
            shown.insert_str(shown.len() - spot.behind, &html);
            edits.append_text(&spot.path, html);
        }
    }

    fn grow_line(&self, new: &str, html: &mut String) -> Option<End> {
        if new.contains('\n') {
            return None;
        }
        escape::text(html, new);
        Some(End::Line)
    }

    /// The line waits until something stands on it; then it is a paragraph of its own.
    fn begin_line(&mut self, text: &str, from: usize, shown: &mut String, edits: &mut Edits) -> bool {
        if text[from..].contains('\n') {
            return false;
        }
        let line = memchr::memrchr(b'\n', text.as_bytes()).map_or(0, |feed| feed + 1);
        if text[line..].bytes().all(|byte| matches!(byte, b' ' | b'\t')) {
            return true;
        }
        let mut out = Out::default();
        writer::paragraph(PROVISIONAL, &text[line..], &mut out);
        shown.push_str(&out.html);
        edits.append(&[], out.html);
        self.end = End::Line;
        self.spot = None;
        true
    }

    /// `before`: the byte that stands before `new` in the source.
    fn grow_text(&mut self, end: TextEnd, before: u8, new: &str, html: &mut String) -> Option<End> {
        let mut state = (end.spaces, self.feed);
        let (spaces, feed) = (&mut state.0, &mut state.1);
        let (bytes, mut plain) = (new.as_bytes(), 0);
        for (at, &byte) in bytes.iter().enumerate() {
            if byte == b'\n' || (byte == b' ' && !end.closed) {
                escape::text(html, &new[plain..at]);
                plain = at + 1;
                match byte {
                    // What a paragraph's line begins with is not shown, and makes nothing else of it.
                    b' ' if *feed => {}
                    b' ' => *spaces += 1,
                    // Two spaces break the line.
                    _ if !end.wraps || *feed || *spaces >= 2 => return None,
                    _ => (*spaces, *feed) = (0, true),
                }
                continue;
            }
            let before = if at == 0 { before } else { bytes[at - 1] };
            if !self.inert.holds(before, byte, bytes.get(at + 1).copied(), end.code) {
                return None;
            }
            if *feed {
                if !byte.is_ascii_alphabetic() {
                    return None;
                }
                html.push('\n');
                *feed = false;
            }
            html.extend(std::iter::repeat_n(' ', mem::take(spaces)));
        }
        escape::text(html, &new[plain..]);
        self.feed = state.1;
        Some(End::Text(TextEnd { spaces: state.0, ..end }))
    }

    /// In the body of a table, a pipe ends a cell. Each part of what is new is a cell's: first all are looked at, then
    /// all are shown.
    fn grow_cells(&mut self, end: TextEnd, text: &str, from: usize, shown: &mut String, edits: &mut Edits) -> bool {
        let (mut parts, mut end, mut at) = (Vec::new(), end, from);
        for part in text[from..].split_inclusive('|') {
            let words = part.trim_end_matches('|');
            let begins = if end.blank { words.trim_start_matches(' ') } else { words };
            let mut html = String::new();
            if !end.blank || begins.starts_with(|c: char| c.is_ascii_alphanumeric()) {
                let new_at = at + words.len() - begins.len();
                let Some(End::Text(grown)) = self.grow_text(end, text.as_bytes()[new_at - 1], begins, &mut html) else {
                    return false;
                };
                parts.push((end, html));
                end = TextEnd { blank: false, ..grown };
            } else if !begins.is_empty() {
                return false;
            }
            at += part.len();
            if words.len() < part.len() {
                let Some(cells) = end.cells.filter(|&cells| cells > 0 && !end.blank) else { return false };
                end = TextEnd { spaces: 0, outside: false, blank: true, cells: Some(cells - 1), ..end };
            }
        }
        self.append_cells(parts, end, shown, edits)
    }

    /// Each of the `parts` goes into a cell that ends so, or into the next.
    fn append_cells(
        &mut self,
        parts: Vec<(TextEnd, String)>,
        end: TextEnd,
        shown: &mut String,
        edits: &mut Edits,
    ) -> bool {
        let begins = parts.iter().filter(|(end, _)| end.blank);
        // A table that stands too deep is not one on the page.
        if begins.map(|(end, _)| Spot::find(shown, false, end.cells)).any(|spot| !spot.in_cell) {
            return false;
        }
        for (before, html) in parts {
            if before.blank {
                self.spot = Some(Spot::find(shown, false, before.cells));
            }
            self.append(html, shown, edits);
        }
        self.end = End::Text(end);
        true
    }

    fn grow_fence(&mut self, end: &FenceEnd, new: &str, html: &mut String) -> Option<End> {
        let mut line = FenceLine { end: end.clone(), waiting: self.waiting.clone(), escaped: self.inert.escaped };
        let mut rest = new;
        while !rest.is_empty() {
            rest = line.advance(rest, html)?;
        }
        self.waiting = line.waiting;
        Some(End::Fence(line.end))
    }
}

/// A line of code that grows.
struct FenceLine {
    end: FenceEnd,
    waiting: String,
    /// An unfinished line is shown as soon as it has anything on it, be it half a fence.
    escaped: bool,
}

impl FenceLine {
    /// Takes a part of `rest`, to the end of its line at most, and returns what is left. `None` if it takes a parse.
    fn advance<'r>(&mut self, rest: &'r str, html: &mut String) -> Option<&'r str> {
        if !self.end.decided {
            return self.decide(rest, html);
        }
        let (line, behind) = match memchr::memchr(b'\n', rest.as_bytes()) {
            Some(feed) => rest.split_at(feed + 1),
            None => (rest, ""),
        };
        escape::text(html, line);
        if line.ends_with('\n') {
            self.end.prefix.as_ref()?;
            self.end.decided = false;
        }
        Some(behind)
    }

    /// Takes the next character of a line on which nothing stands that says it is code.
    fn decide<'r>(&mut self, rest: &'r str, html: &mut String) -> Option<&'r str> {
        let prefix = self.end.prefix.as_deref()?;
        let next = rest.chars().next()?;
        let behind = &rest[next.len_utf8()..];
        let read = self.waiting.len();
        // An unfinished line of quotes' markers alone may be shown otherwise.
        if prefix.contains('>') && self.escaped {
            return None;
        }
        match next {
            '\n' if read == 0 && !prefix.contains('>') => html.push('\n'),
            '\n' => return None,
            _ if read < prefix.len() => {
                if !prefix[read..].starts_with(next) {
                    return None;
                }
                self.waiting.push(next);
            }
            ' ' | '\t' if !self.end.widest => return None,
            ' ' | '\t' => self.waiting.push(next),
            _ if next == char::from(self.end.fence) => {
                if self.escaped {
                    return None;
                }
                self.waiting.push(next);
            }
            _ => {
                escape::text(html, &self.waiting[prefix.len()..]);
                self.waiting.clear();
                self.end.decided = true;
                return Some(rest);
            }
        }
        Some(behind)
    }
}

impl Spot {
    /// The end of the text that ends a page: only end tags, and the empty cells that fill a row, stand behind it. If the
    /// text is `outside`, an inline element may stand before it. If so many `cells` follow, it may be empty itself.
    fn find(html: &str, outside: bool, cells: Option<usize>) -> Self {
        let mut path = Path::new();
        let mut end = html.len();
        let (mut filled, mut in_cell, mut bodiless) = (0, false, false);
        // Text that goes on for long is not looked through.
        let tag = |end: usize| html[..end].strip_suffix('>')?.rfind('<').filter(|&at| html[at..].starts_with("</"));
        while let Some(start) = tag(end) {
            if outside && INLINES.contains(&&html[start..end]) {
                break;
            }
            if html[..end].ends_with(NO_ROWS) {
                (end, bodiless) = (end - NO_ROWS.len(), true);
                continue;
            }
            let cell = &html[start..end] == "</td>";
            let opened =
                if cell { html[..start].rfind("<td").filter(|&at| is_one_tag(&html[at..start])) } else { None };
            if let Some(opened) = opened
                && cells.is_none_or(|cells| filled < cells)
            {
                (end, filled) = (opened, filled + 1);
                continue;
            }
            let step = match cell && filled > 0 {
                true => Step::Child(cells_of(&html[..start])),
                false if std::mem::take(&mut bodiless) => Step::Child(1),
                false => Step::Last,
            };
            path.push(step);
            end = start;
            in_cell = opened.is_some();
            if cell && cells.is_some() {
                break;
            }
        }
        Self { path, behind: html.len() - end, in_cell: in_cell && cells.is_none_or(|cells| cells == filled) }
    }
}

/// Whether a tag begins `html` and all of it is that tag.
fn is_one_tag(html: &str) -> bool {
    html.find('>') == Some(html.len() - 1)
}

/// The cells of the last row so far.
fn cells_of(html: &str) -> usize {
    let row = html.rfind("<tr>").unwrap_or(0);
    html[row..].matches("<td").count()
}

/// Bytes that mean nothing in text, by class.
#[derive(Clone, Debug, Default)]
struct Inert {
    /// Classes that mean nothing under the options.
    classes: u8,
    /// The text is a heading's.
    heading: bool,
    /// An unfinished line is shown as it stands.
    escaped: bool,
}

/// Letters, digits, what is not ASCII, and punctuation that no rule looks at behind a letter.
const PLAIN: u8 = 1;
/// Cells stand between them.
const TABLES: u8 = 2;
/// Math.
const MATH: u8 = 4;
/// No bare URL and no address is without one.
const AUTOLINKS: u8 = 8;
/// What may close a heading.
const HEADING: u8 = 16;
/// Held until something else than `[` follows.
const BEFORE_BRACKET: u8 = 32;
/// Neither opens nor closes anything within a word.
const IN_WORD: u8 = 64;

/// The class of each byte; 0 for those that always mean something.
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let letter = byte >= 0x80 || (byte as u8).is_ascii_alphanumeric();
        classes[byte] = if letter { PLAIN } else { 0 };
        byte += 1;
    }
    let kinds: [(&[u8], u8); 7] = [
        (b" ,;:'\"()?%+=>-/@{}^", PLAIN),
        (b"|", TABLES),
        (b"$", MATH),
        (b".", AUTOLINKS),
        (b"#", HEADING),
        (b"!", BEFORE_BRACKET),
        (b"_", IN_WORD),
    ];
    let mut kind = 0;
    while kind < kinds.len() {
        let mut at = 0;
        while at < kinds[kind].0.len() {
            classes[kinds[kind].0[at] as usize] = kinds[kind].1;
            at += 1;
        }
        kind += 1;
    }
    classes
};

impl Inert {
    fn new(options: &Options) -> Self {
        let mut classes = PLAIN | HEADING | BEFORE_BRACKET | IN_WORD;
        for (class, on) in [(TABLES, options.tables), (MATH, options.math), (AUTOLINKS, options.autolinks)] {
            classes |= if on { 0 } else { class };
        }
        Self { classes, heading: false, escaped: options.tail == Tail::Escape }
    }

    /// Whether a byte behind `before`, and before `next` if that is there, means nothing in text, or in an open code
    /// span.
    fn holds(&self, before: u8, byte: u8, next: Option<u8>, code: bool) -> bool {
        #[cfg(test)]
        if tests::PLANTED.get() == Some(byte) {
            return true;
        }
        if code {
            let block = (byte == b'|' && self.classes & TABLES == 0) || (byte == b'#' && self.heading);
            return !byte.is_ascii_control() && byte != b'`' && !block;
        }
        match CLASSES[usize::from(byte)] & self.classes {
            0 => false,
            HEADING => !self.heading,
            BEFORE_BRACKET => next.is_some(),
            IN_WORD => before.is_ascii_alphanumeric() && next.is_some_and(|next| next.is_ascii_alphanumeric()),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests;
