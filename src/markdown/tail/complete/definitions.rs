//! Link reference definitions that are not whole yet. They are never text, so they are not shown as text meanwhile.

use super::leaf::{Kind, Leaf};
use super::link_tail::{is_definition, is_title, label_end};
use crate::markdown::Options;
use crate::markdown::parser::Document;
use crate::markdown::tail::is_of_destination;
use pulldown_cmark::Event;

/// Whether the leaf may still turn out to be a definition, or the label of one, or the title of the one above it.
pub(super) fn may_define(source: &str, leaf: &Leaf, text: &str, options: &Options) -> bool {
    matches!(leaf.kind, Kind::Paragraph | Kind::Tight)
        && (defines(source, leaf, text, options)
            || (leaf.kind == Kind::Paragraph && is_lone_label(text))
            || (options.footnotes && is_footnote_label(text)))
}

/// Whether all of `text`, which starts the leaf, is a definition or the title of the one above it, whole or not.
pub(super) fn defines(source: &str, leaf: &Leaf, text: &str, options: &Options) -> bool {
    is_definition(text) || (is_title(text) && continues_a_definition(source, leaf, options))
}

/// Whether all of `text` is `[label]:` and a destination so far, of plain bytes: it stays so with more of them.
pub(super) fn is_destination(text: &str) -> bool {
    let Some(rest) = label_end(text).and_then(|end| text[end..].strip_prefix(':')) else { return false };
    let destination = rest.trim_start_matches(' ');
    !destination.is_empty() && destination.bytes().all(is_of_destination)
}

/// `[label` or `[label]`: a link's text would show other marks than these.
fn is_lone_label(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('[') else { return false };
    let label = rest.strip_suffix(']').unwrap_or(rest);
    !label.bytes().any(|byte| matches!(byte, b'[' | b']' | b'`' | b'*' | b'~' | b'!' | b'\n'))
}

/// `[^label` or `[^label]`.
fn is_footnote_label(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("[^") else { return false };
    let label = rest.strip_suffix(']').unwrap_or(rest);
    !label.bytes().any(|byte| matches!(byte, b'[' | b']') || byte.is_ascii_whitespace())
}

/// Whether a title in place of the leaf would belong to a definition above it: then the parser takes it without a trace.
fn continues_a_definition(source: &str, leaf: &Leaf, options: &Options) -> bool {
    let above = &source[..leaf.start];
    if !above.contains("]:") {
        return false;
    }
    let titled = format!("{above}\"\u{F8F0}\"");
    let at = leaf.start + 1;
    let mut document = Document::new(&titled, options);
    !document.events().any(|(event, range)| matches!(event, Event::Text(_) | Event::Html(_)) && range.contains(&at))
}

#[cfg(test)]
mod tests {
    use super::super::leaf::{Probed, probe};
    use super::super::text::Text;
    use super::*;

    fn check(source: &str, expected: bool) {
        let options = Options { footnotes: true, ..Options::default() };
        let Probed::Leaf(leaf) = probe(source, &options) else { panic!("no leaf in {source:?}") };
        let text = Text::new(source, &leaf);
        assert_eq!(may_define(source, &leaf, text.as_str(), &options), expected, "{source:?}");
    }

    #[test]
    fn what_may_be_a_definition_is_known() {
        for source in [
            "[a",
            "[a]",
            "[a]:",
            "[a]: /u",
            "[a]: /u\n\"t",
            "[a]: /u\n'b' ",
            "- [a]: /u",
            "> [a]: /u\n> (t",
            "[^a",
            "[^a]",
            "- [^a",
            "x\n\n[a b",
        ] {
            check(source, true);
        }
    }

    #[test]
    fn other_text_defines_nothing() {
        for source in [
            "a",
            "- [a",
            "- [a]",
            "[a*",
            "[a] b",
            "[a\nb",
            "\"t",
            "[a]: /u\n\n\"t",
            "[a]: /u\n\"t\" b",
            "[a]: /u 't'\n\"b",
            "x\n[a]: /u\n\"t",
            "# [a]: /u",
        ] {
            check(source, false);
        }
    }
}
