//! A source whose definitions the parser does not know: their labels are changed so that no reference names one.
//!
//! **Invariant:** the labels of definitions are changed, and nothing else (`labels_are_hidden_and_nothing_else_moves`),
//! in linear time (`hiding_definitions_costs_linear_time`).
//!
//! **Source:** CommonMark 0.31.2 §4.7.

use pulldown_cmark::{Event, Tag};
use std::ops::Range;

/// Stands in the labels of hidden definitions. The normaliser leaves none of it in a source, so no reference names one.
const HIDDEN: u8 = 0x01;

/// What no leaf of a document covers, gathered from its events: there is nothing but definitions and the marks of
/// containers. So those definitions are found too that lose against an earlier one of their label, which the parser
/// does not list.
#[derive(Debug, Default)]
pub(in crate::markdown) struct Gaps {
    /// How far leaves have covered the source.
    covered: usize,
    found: Vec<Range<usize>>,
}

impl Gaps {
    /// Takes in the next event.
    pub(in crate::markdown) fn see(&mut self, event: &Event<'_>, range: &Range<usize>) {
        if range.end <= self.covered || is_container(event) {
            return;
        }
        // The least definition is `[a]:b`: what is shorter holds none.
        if range.start > self.covered + 4 {
            self.found.push(self.covered..range.start);
        }
        self.covered = range.end;
    }

    /// The source, byte for byte as long, with the label of every definition changed. All events have been seen.
    pub(in crate::markdown) fn hide(self, source: &str, footnotes: bool) -> String {
        let mut bytes = source.as_bytes().to_vec();
        let behind = self.covered..bytes.len();
        for gap in self.found.into_iter().chain([behind]) {
            hide_labels(&mut bytes[gap], footnotes);
        }
        String::from_utf8(bytes).unwrap_or_else(|_| source.to_owned())
    }
}

fn is_container(event: &Event<'_>) -> bool {
    match event {
        Event::Start(tag) => {
            matches!(tag, Tag::BlockQuote(_) | Tag::List(_) | Tag::Item | Tag::FootnoteDefinition(_))
        }
        Event::End(_) => true,
        _ => false,
    }
}

/// Changes every `[label]:` that begins a line in a stretch of definitions. What begins a line inside a title is changed
/// too, which does no harm; a destination is stepped over, since there it would.
fn hide_labels(gap: &mut [u8], footnotes: bool) {
    let mut at = 0;
    while at < gap.len() {
        at = after_containers(gap, at, footnotes);
        if gap.get(at) == Some(&b'[')
            && let Some(close) = label_end(gap, at + 1)
            && gap.get(close + 1) == Some(&b':')
        {
            hide_label(&mut gap[at + 1..close]);
            at = after_destination(gap, close + 2);
        }
        at = memchr::memchr(b'\n', &gap[at..]).map_or(gap.len(), |feed| at + feed + 1);
    }
}

/// Behind the marks of containers that a line begins with.
fn after_containers(gap: &[u8], mut at: usize, footnotes: bool) -> usize {
    loop {
        at += gap[at..].iter().take_while(|b| b" \t>-+*0123456789.)".contains(b)).count();
        if !(footnotes && gap[at..].starts_with(b"[^")) {
            return at;
        }
        match label_end(gap, at + 1).filter(|close| gap.get(close + 1) == Some(&b':')) {
            Some(close) => at = close + 2,
            None => return at,
        }
    }
}

/// Behind the destination of a definition, which may stand on the next line.
fn after_destination(gap: &[u8], at: usize) -> usize {
    let blank = |b: &&u8| matches!(b, b' ' | b'\t');
    let mut start = at + gap[at..].iter().take_while(blank).count();
    if gap.get(start) == Some(&b'\n') {
        start += 1;
        start += gap[start..].iter().take_while(|b| matches!(b, b' ' | b'\t' | b'>')).count();
    }
    start + gap[start..].iter().take_while(|b| !b.is_ascii_whitespace()).count()
}

/// Where the label that begins at `at` ends: at the first `]` that no backslash protects, if no `[` comes before it.
fn label_end(gap: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr::memchr3(b'[', b']', b'\\', gap.get(at..)?)?;
        match gap[at] {
            b'\\' => at = (at + 2).min(gap.len()),
            b']' => return Some(at),
            _ => return None,
        }
    }
}

/// Overwrites the label's first character that is neither white space nor the mark of a quote on a new line.
fn hide_label(label: &mut [u8]) {
    let mut new_line = false;
    let mut at = 0;
    while at < label.len() {
        match label[at] {
            b'\n' => new_line = true,
            b' ' | b'\t' | b'\r' => {}
            b'>' if new_line => {}
            b'\\' if at + 1 < label.len() && label[at + 1].is_ascii_punctuation() => {
                return label[at..at + 2].fill(HIDDEN);
            }
            byte => {
                let rest = label[at + 1..].iter().take_while(|b| byte >= 0x80 && (**b & 0xC0) == 0x80).count();
                return label[at..=at + rest].fill(HIDDEN);
            }
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulldown_cmark::{Options as Flags, Parser};

    fn hide(source: &str, flags: Flags) -> String {
        let mut gaps = Gaps::default();
        Parser::new_ext(source, flags).into_offset_iter().for_each(|(event, range)| gaps.see(&event, &range));
        gaps.hide(source, flags.contains(Flags::ENABLE_FOOTNOTES))
    }

    #[test]
    fn labels_are_hidden_and_nothing_else_moves() {
        for (source, expected) in [
            ("[a]: /u\n\n[a]", "[\u{1}]: /u\n\n[a]"),
            ("[a]: /u\n[a]: /v\n\ntext [a]: x\n", "[\u{1}]: /u\n[\u{1}]: /v\n\ntext [a]: x\n"),
            ("> [\n> é]: /u\n", "> [\n> \u{1}\u{1}]: /u\n"),
            ("[\\]]: /u\n", "[\u{1}\u{1}]: /u\n"),
            ("- [a]: /u\n- b\n", "- [\u{1}]: /u\n- b\n"),
            ("    [a]: /u\n", "    [a]: /u\n"),
            ("[a]: /u 'x\n[b]: y'\n", "[\u{1}]: /u 'x\n[\u{1}]: y'\n"),
            ("```\n[a]: /u\n```\n[a]: /u", "```\n[a]: /u\n```\n[\u{1}]: /u"),
        ] {
            assert_eq!(hide(source, Flags::empty()), expected, "{source:?}");
        }
        assert_eq!(hide("[^a]: x\n", Flags::ENABLE_FOOTNOTES), "[^a]: x\n");
    }

    #[test]
    fn hiding_definitions_costs_linear_time() {
        // Each of these is one gap between leaves; looked at anew from every line, it takes minutes.
        let lines = 300_000;
        for source in [
            format!("[a]: /{}\n{}", "x".repeat(2_050), "\n".repeat(lines)),
            format!("[a]: /u '{}'\n", "x\n".repeat(lines)),
            format!("[a]: /u '{}'\n", "[x\n".repeat(lines)),
            format!("[a]: /u '{}'\n", "[^x\n".repeat(lines)),
            "[a]: /u\n".repeat(lines / 8),
        ] {
            assert_eq!(hide(&source, Flags::ENABLE_FOOTNOTES).len(), source.len());
        }
    }
}
