//! Which characters are punctuation, by the parser's own word: it decides what opens beside them, and its table is not
//! public.
//!
//! **Invariant:** a character is punctuation here iff it is for the parser (`the_parser_is_asked`).

use pulldown_cmark::{Event, Parser, Tag};
use std::sync::OnceLock;

/// So many characters are asked about at once.
const PAGE_CHARS: u32 = 256;
const PAGES: usize = (char::MAX as u32 / PAGE_CHARS + 1) as usize;

/// For each page a bit per character; a page is asked for when the first of its characters is.
static ANSWERS: [OnceLock<Box<[bool; PAGE_CHARS as usize]>>; PAGES] = [const { OnceLock::new() }; PAGES];

/// Whether the parser takes `c` for punctuation (or a symbol). O(1) but for the first character of a page.
pub(super) fn is_punctuation(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_punctuation();
    }
    if c.is_whitespace() {
        return false;
    }
    let (page, index) = (c as u32 / PAGE_CHARS, c as u32 % PAGE_CHARS);
    ANSWERS[page as usize].get_or_init(|| ask(page))[index as usize]
}

/// A paragraph for each character of a page, in which emphasis opens before it unless it is punctuation.
fn ask(page: u32) -> Box<[bool; PAGE_CHARS as usize]> {
    let mut source = String::with_capacity(12 * PAGE_CHARS as usize);
    for c in (page * PAGE_CHARS..).take(PAGE_CHARS as usize) {
        source.push_str("a*");
        source.push(char::from_u32(c).unwrap_or('a'));
        source.push_str("b*\n\n");
    }
    let mut answers = Box::new([true; PAGE_CHARS as usize]);
    let mut paragraphs = 0_usize;
    for event in Parser::new(&source) {
        match event {
            Event::Start(Tag::Paragraph) => paragraphs += 1,
            Event::Start(Tag::Emphasis) => answers[paragraphs - 1] = false,
            _ => {}
        }
    }
    answers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parser_is_asked() {
        let letters = ['a', '1', 'é', '中', '\u{301}', '\u{200B}', '\u{FE0F}', '\u{94D}', '\u{E000}', '\u{10FFFF}'];
        let spaces = [' ', '\n', '\u{A0}', '\u{2028}', '\u{3000}'];
        for c in letters.into_iter().chain(spaces) {
            assert!(!is_punctuation(c), "{c:?}");
        }
        for c in ['!', '*', '~', '«', '“', '—', '。', '€', '👍', 'Ⓐ', '⁂'] {
            assert!(is_punctuation(c), "{c:?}");
        }
        for c in ('\u{80}'..=char::MAX).step_by(97).filter(|c| !c.is_whitespace()) {
            let source = format!("a*{c}b*");
            let opens = Parser::new(&source).any(|event| matches!(event, Event::Start(Tag::Emphasis)));
            assert_eq!(is_punctuation(c), !opens, "{c:?}");
        }
    }
}
