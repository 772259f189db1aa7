//! The one way in which text reaches the parser: line ends are LF and no control character is left but TAB, LF and FF.
//!
//! A leading byte order mark goes. CRLF and a lone CR become LF. NUL and every other C0 control become U+FFFD, since
//! HTML text may hold no control but ASCII white space. So U+0001 and its kin never occur in normalised text, and the
//! rooms behind may use them as marks of their own.
//!
//! **Invariant:** what comes out is what a character-by-character reading of these rules gives, and it is borrowed
//! where they change nothing (`agrees_with_the_rules_read_one_character_at_a_time`).
//!
//! **Source:** CommonMark 0.31.2 §2.1 (line endings), §2.3 (insecure characters); WHATWG HTML §13.1.2 (text).

use std::borrow::Cow;

/// Bytes looked at together on the way to the first one that needs a change.
const BLOCK: usize = 64;

/// Normalises `source`. Costs nothing but the look where nothing is to be changed.
///
/// ```
/// use rillmark::markdown::normalise::normalise;
/// assert_eq!(normalise("\u{feff}a\r\nb\rc\0"), "a\nb\nc\u{fffd}");
/// ```
pub fn normalise(source: &str) -> Cow<'_, str> {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    match find_special(source.as_bytes()) {
        None => Cow::Borrowed(source),
        Some(at) => Cow::Owned(rewrite(source, at)),
    }
}

/// Rewrites `source`, whose first special byte is at `at`.
fn rewrite(source: &str, mut at: usize) -> String {
    let mut out = String::with_capacity(source.len() + 16);
    let mut rest = source;
    loop {
        // Special bytes are ASCII, so `at` and `at + 1` are character boundaries.
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if rest.as_bytes()[at] == b'\r' {
            out.push('\n');
            rest = after.strip_prefix('\n').unwrap_or(after);
        } else {
            out.push('\u{fffd}');
            rest = after;
        }
        match find_special(rest.as_bytes()) {
            Some(next) => at = next,
            None => break,
        }
    }
    out.push_str(rest);
    out
}

/// Where the first byte that must change stands. Whole blocks are judged without a branch in them, which the compiler
/// turns into vector code.
fn find_special(bytes: &[u8]) -> Option<usize> {
    let mut blocks = bytes.chunks_exact(BLOCK);
    let mut at = 0;
    // A dense run of special bytes must not pay for a block each.
    let near = bytes.iter().take(8).position(|&b| is_special(b));
    if near.is_some() {
        return near;
    }
    for block in &mut blocks {
        if block.iter().fold(false, |any, &b| any | is_special(b)) {
            return block.iter().position(|&b| is_special(b)).map(|i| at + i);
        }
        at += BLOCK;
    }
    blocks.remainder().iter().position(|&b| is_special(b)).map(|i| at + i)
}

const fn is_special(b: u8) -> bool {
    (b < 0x20) & (b != b'\t') & (b != b'\n') & (b != 0x0c)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn check(source: &str, expected: &str) {
        assert_eq!(normalise(source), expected, "{source:?}");
    }

    #[test]
    fn line_ends_become_lf() {
        check("a\r\nb", "a\nb");
        check("a\rb", "a\nb");
        check("a\r\r\n\n\rb", "a\n\n\n\nb");
        check("a\r", "a\n");
        check("\r\n", "\n");
    }

    #[test]
    fn controls_become_the_replacement_character() {
        check("\0", "\u{fffd}");
        check("a\u{1}b\u{8}c\u{b}d\u{e}e\u{1f}f\u{1b}", "a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}e\u{fffd}f\u{fffd}");
    }

    #[test]
    fn white_space_of_html_and_other_characters_stay() {
        for same in ["a\tb\nc\u{c}d", "\u{7f}\u{80}\u{85}\u{2028}\u{fffd}", "a\u{feff}", "", "日本語 🦀"] {
            assert!(matches!(normalise(same), Cow::Borrowed(text) if text == same), "{same:?}");
        }
    }

    #[test]
    fn one_leading_byte_order_mark_goes_without_a_copy() {
        assert!(matches!(normalise("\u{feff}a"), Cow::Borrowed("a")));
        check("\u{feff}\u{feff}a", "\u{feff}a");
        check("\u{feff}\r\n", "\n");
    }

    fn one_at_a_time(source: &str) -> String {
        let mut out = String::new();
        let mut chars = source.chars().enumerate().peekable();
        while let Some((i, c)) = chars.next() {
            match c {
                '\u{feff}' if i == 0 => {}
                '\r' => {
                    chars.next_if(|(_, next)| *next == '\n');
                    out.push('\n');
                }
                '\t' | '\n' | '\u{c}' => out.push(c),
                c if (c as u32) < 0x20 => out.push('\u{fffd}'),
                c => out.push(c),
            }
        }
        out
    }

    proptest! {
        #[test]
        fn agrees_with_the_rules_read_one_character_at_a_time(
            source in "(\u{feff})?([a-z ]{0,80}|\r\n|\r|\n|\u{0}|\u{1}|\u{c}|é|🦀){0,12}",
        ) {
            let out = normalise(&source);
            prop_assert_eq!(&*out, one_at_a_time(&source));
            let changed = *out != *source.strip_prefix('\u{feff}').unwrap_or(&source);
            prop_assert_eq!(matches!(out, Cow::Owned(_)), changed);
            prop_assert_eq!(&*normalise(out.strip_prefix('\u{feff}').unwrap_or(&out)), out.strip_prefix('\u{feff}').unwrap_or(&out));
        }
    }
}
