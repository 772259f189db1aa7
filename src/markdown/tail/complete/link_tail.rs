//! The grammar behind a link's text and behind a definition's label, over text that may end in the middle of it.
//!
//! **Source:** CommonMark 0.31.2 §4.7, §6.3, as the parser reads them.

use super::blocks::is_blank;

/// What text may be that starts like a tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// It is one, or the text ends while it still may become one.
    Possible,
    /// It is none, whatever follows.
    Impossible,
    /// It ended before this offset.
    Ended(usize),
}

/// Parentheses may nest this deep in a destination.
const PARENTHESES_MAX: usize = 32;
/// A label may have this many characters.
const LABEL_CHARS_MAX: usize = 999;

/// Reads `(destination "title")`; `at` is behind the `(`.
pub(super) fn inline_tail(text: &str, at: usize) -> Tail {
    let bytes = text.as_bytes();
    let Tail::Ended(at) = destination(bytes, separator(bytes, at)) else {
        return destination(bytes, separator(bytes, at));
    };
    let mut at = separator(bytes, at);
    if matches!(bytes.get(at), Some(b'"' | b'\'' | b'(')) {
        match title(bytes, at) {
            Tail::Ended(end) => at = separator(bytes, end),
            other => return other,
        }
    }
    match bytes.get(at) {
        None => Tail::Possible,
        Some(b')') => Tail::Ended(at + 1),
        Some(_) => Tail::Impossible,
    }
}

/// Whether what stands behind a link's text is none of its tail, whatever follows: a destination stands there and, behind
/// blanks, what is neither the end of the tail nor the beginning of a title. `at` is behind the `(`; what decides stands
/// on its line.
pub(in crate::markdown) fn is_no_tail(text: &str, at: usize) -> bool {
    let line = &text.as_bytes()[at..];
    let line = &line[..memchr::memchr(b'\n', line).unwrap_or(line.len())];
    match destination(line, separator(line, 0)) {
        Tail::Impossible => true,
        Tail::Possible => false,
        Tail::Ended(end) => {
            let behind = line.get(separator(line, end));
            behind.is_some_and(|byte| !matches!(byte, b')' | b'"' | b'\'' | b'('))
        }
    }
}

/// Reads a label; `at` is behind its `[`. It ends behind its `]`.
pub(super) fn label(text: &str, at: usize) -> Tail {
    let (bytes, mut ix) = (text.as_bytes(), at);
    let mut blank = true;
    while let Some(&byte) = bytes.get(ix) {
        match byte {
            b'[' => return Tail::Impossible,
            b']' if blank => return Tail::Impossible,
            b']' => return Tail::Ended(ix + 1),
            b'\\' if bytes.get(ix + 1).is_some_and(u8::is_ascii_punctuation) => {
                blank = false;
                ix += 1;
            }
            _ => blank &= byte.is_ascii_whitespace(),
        }
        ix += 1;
        if ix - at > 4 * LABEL_CHARS_MAX {
            return Tail::Impossible;
        }
    }
    Tail::Possible
}

/// Where the label ends that `text` begins with.
pub(super) fn label_end(text: &str) -> Option<usize> {
    match label(text.starts_with('[').then_some(text)?, 1) {
        Tail::Ended(end) => Some(end),
        _ => None,
    }
}

/// Whether all of `text` is `[label]: destination "title"` without its line feed, or the beginning of one that has
/// come as far as its colon.
pub(super) fn is_definition(text: &str) -> bool {
    let Some(rest) = label_end(text).and_then(|end| text[end..].strip_prefix(':')) else { return false };
    let bytes = rest.as_bytes();
    let at = separator(bytes, 0);
    if at == bytes.len() {
        return true;
    }
    match destination(bytes, at) {
        Tail::Possible => true,
        Tail::Ended(end) if end == bytes.len() => end > at,
        Tail::Ended(end) if end > at => {
            let next = separator(bytes, end);
            next == bytes.len() || (next > end && is_title(&rest[next..]))
        }
        _ => false,
    }
}

/// Whether all of `text` is the title of a definition, or the beginning of one.
pub(super) fn is_title(text: &str) -> bool {
    if !text.starts_with(['"', '\'', '(']) {
        return false;
    }
    match title(text.as_bytes(), 0) {
        Tail::Possible => true,
        Tail::Impossible => false,
        Tail::Ended(end) => is_blank(&text[end..]),
    }
}

/// Whether what the text begins with may become a definition: not if its first bracket is closed, and no colon follows.
pub(in crate::markdown) fn may_begin_definition(text: &str) -> bool {
    let Some(label) = text.strip_prefix('[') else { return false };
    let mut escaped = false;
    let close = label.bytes().position(|byte| {
        let closes = byte == b']' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    });
    close.is_none_or(|close| label[close + 1..].starts_with(':') || label.len() == close + 1)
}

/// Whether the text may be a title of the definition before it: blanks that the parser passes over may stand before one.
pub(in crate::markdown) fn may_be_title(text: &str) -> bool {
    text.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '\x0b').starts_with(['"', '\'', '('])
}

/// Skips blanks and at most one line feed.
fn separator(bytes: &[u8], mut at: usize) -> usize {
    let blanks = |at: usize| bytes[at..].iter().take_while(|b| matches!(b, b' ' | b'\t' | 0x0b | 0x0c)).count();
    at += blanks(at);
    if bytes.get(at) == Some(&b'\n') {
        at += 1;
        at += blanks(at);
    }
    at
}

/// Reads a destination, which may be empty. It ends before what follows it.
fn destination(bytes: &[u8], at: usize) -> Tail {
    if bytes.get(at) == Some(&b'<') { pointy_destination(bytes, at + 1) } else { bare_destination(bytes, at) }
}

fn pointy_destination(bytes: &[u8], mut at: usize) -> Tail {
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\n' | b'<' => return Tail::Impossible,
            b'>' => return Tail::Ended(at + 1),
            b'\\' if bytes.get(at + 1).is_some_and(u8::is_ascii_punctuation) => at += 1,
            _ => {}
        }
        at += 1;
    }
    Tail::Possible
}

fn bare_destination(bytes: &[u8], mut at: usize) -> Tail {
    let mut open = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            0..=b' ' => return if open == 0 { Tail::Ended(at) } else { Tail::Impossible },
            b'(' if open > PARENTHESES_MAX => return Tail::Impossible,
            b'(' => open += 1,
            b')' if open == 0 => return Tail::Ended(at),
            b')' => open -= 1,
            b'\\' if bytes.get(at + 1).is_some_and(u8::is_ascii_punctuation) => at += 1,
            _ => {}
        }
        at += 1;
    }
    if open == 0 { Tail::Ended(at) } else { Tail::Possible }
}

/// Reads a title; `at` is at its opening mark. It ends behind its closing one.
fn title(bytes: &[u8], at: usize) -> Tail {
    let open = bytes[at];
    let close = if open == b'(' { b')' } else { open };
    let mut at = at + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            _ if byte == close => return Tail::Ended(at + 1),
            _ if byte == open => return Tail::Impossible,
            b'\\' if bytes.get(at + 1).is_some_and(u8::is_ascii_punctuation) => at += 1,
            _ => {}
        }
        at += 1;
    }
    Tail::Possible
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_tail_may_end_anywhere() {
        use Tail::{Ended, Impossible, Possible};
        let cases = [
            ("", Possible),
            ("/u", Possible),
            ("/u)", Ended(3)),
            (")", Ended(1)),
            ("<a b", Possible),
            ("<a b>)", Ended(6)),
            ("<a\n", Impossible),
            ("a(b", Possible),
            ("a(b)", Possible),
            ("a(b))", Ended(5)),
            ("a(b c", Impossible),
            ("/u ", Possible),
            ("/u \"t", Possible),
            ("/u \"t\"", Possible),
            ("/u \"t\")", Ended(7)),
            ("/u 't' x", Impossible),
            ("/u x", Impossible),
            ("/u\n(t (", Impossible),
            ("/u\n\n", Impossible),
        ];
        for (text, expected) in cases {
            assert_eq!(inline_tail(text, 0), expected, "{text:?}");
        }
    }

    #[test]
    fn a_definition_may_end_anywhere_behind_its_colon() {
        for text in [
            "[a]:",
            "[a]: ",
            "[a]:\n",
            "[a]: /u",
            "[a]: <u",
            "[a]: <u v>",
            "[a]: /u ",
            "[a]: /u \"",
            "[a]: /u \"t\nt",
            "[a]: /u 't'",
            "[a]: /u (t) ",
            "[a\\]b]: /u",
            "[a\nb]: /u",
            "[a]: /u\n'",
        ] {
            assert!(is_definition(text), "{text:?}");
        }
        for text in ["[a", "[a]", "[a] :", "[a]: /u x", "[a]: /u \"t\" x", "[]: /u", "[a[]: u", "[a]: <u>v", "a]: /u"] {
            assert!(!is_definition(text), "{text:?}");
        }
    }

    #[test]
    fn a_title_may_end_anywhere() {
        for (text, expected) in [
            ("\"", true),
            ("\"a", true),
            ("'a' ", true),
            ("'a'\x0c", true),
            ("(a)", true),
            ("(a(", false),
            ("'a' b", false),
            ("a", false),
        ] {
            assert_eq!(is_title(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_label_ends_at_its_bracket() {
        use Tail::{Ended, Impossible, Possible};
        for (text, expected) in [
            ("a]", Ended(2)),
            ("a", Possible),
            ("", Possible),
            ("]", Impossible),
            ("a[", Impossible),
            ("a\\]", Possible),
        ] {
            assert_eq!(label(text, 0), expected, "{text:?}");
        }
    }
}
