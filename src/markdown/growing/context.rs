//! What a part of a document must know of the rest to be rendered alone: the link reference definitions.
//!
//! They are put before the part, spelled anew as definitions, so that whoever parses it finds them where the parser
//! looks. A blank line parts them from the text.
//!
//! **Invariant:** a definition spelled anew says what it said (`definitions_say_what_they_said`).

use std::fmt::Write as _;

use crate::markdown::parser::Definition;

/// So much may stand before a part. A document with more definitions is rendered as a whole.
pub(super) const BYTES_MAX: usize = 16 * 1024;

/// Spells definitions and the blank line after them; nothing if there are none.
pub(super) fn spell<'d>(definitions: impl IntoIterator<Item = &'d Definition>) -> String {
    let mut out = String::new();
    for definition in definitions {
        out.push('[');
        out.push_str(&definition.label);
        out.push_str("]: <");
        escaped(&mut out, &definition.url);
        out.push('>');
        if !definition.title.is_empty() {
            out.push_str(" \"");
            escaped(&mut out, &definition.title);
            out.push('"');
        }
        out.push('\n');
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out
}

/// Text of a destination or a title in which nothing means more than itself.
fn escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\\' | '<' | '>' | '"' | '&' => out.extend(['\\', c]),
            c if c.is_ascii_control() => {
                // Writing to a string cannot fail.
                let _ = write!(out, "&#{};", u32::from(c));
            }
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markdown::Options;
    use crate::markdown::parser::Document;

    fn definitions(source: &str) -> Vec<Definition> {
        Document::new(source, &Options::default()).definitions().unwrap()
    }

    #[test]
    fn definitions_say_what_they_said() {
        for source in [
            "[a]: /u\n",
            "[a b]: </u v> 'title'\n",
            "[\\]é]: /u?x=1&amp;y=2 \"a \\\"b\\\" & <c>\"\n",
            "[a\n b]: /u\\\\ (a\nb\n  c)\n",
            "[a]: <> ''\n[b]: /x&#10;y&#1;\n",
            "> [A]:\n> /u\n> 'x\n> y'\n",
            "- [x]: /a\n  - [y]: /b\n",
            "[^a]: /u\n",
        ] {
            let mut found = definitions(source);
            assert!(!found.is_empty(), "{source:?}");
            let spelled = spell(&found);
            let mut again = definitions(&spelled);
            for definition in found.iter_mut().chain(&mut again) {
                definition.span = 0..0;
            }
            assert_eq!(again, found, "{source:?} → {spelled:?}");
        }
    }
}
