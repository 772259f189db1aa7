//! The labels that a text may ask for or define, found without parsing it: all of them and some more.
//!
//! A label stands between brackets and holds none but escaped ones. Where its lines stand in quotes, their markers are no
//! part of it.
//!
//! **Invariant:** every label that the parser asks for in a text, or defines in it, is among them
//! (`no_label_is_missed`).
//!
//! **Source:** CommonMark 0.31.2 §6.3 (link labels, and how they are matched).

use std::hash::{DefaultHasher, Hash, Hasher};

use unicase::UniCase;

/// A label as labels are compared: white space collapsed, in any case.
pub(super) type Label = UniCase<String>;

/// What is kept of a label that is asked for: a long document asks for very many. Two labels may have the same; what asks
/// for one is then looked at for the other too, and does not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Digest(u32);

impl Digest {
    pub(super) fn of(label: &Label) -> Self {
        let mut hasher = DefaultHasher::new();
        label.hash(&mut hasher);
        let hash = hasher.finish();
        Self((hash ^ (hash >> 32)) as u32)
    }
}

/// So many bytes a label may have: 999 characters.
const LABEL_BYTES_MAX: usize = 4 * 999;
/// Quotes that lines of a label may stand in: more than the bounds of containers allow.
const QUOTES_MAX: usize = 65;

/// Calls `found` with each label. O(text), but for text full of escaped brackets.
pub(super) fn labels(text: &str, mut found: impl FnMut(Label)) {
    let bytes = text.as_bytes();
    for end in memchr::memchr_iter(b']', bytes) {
        let mut at = end;
        let from = end.saturating_sub(LABEL_BYTES_MAX);
        while let Some(before) = memchr::memrchr2(b'[', b']', &bytes[from..at]) {
            at = from + before;
            if bytes[at] == b'[' {
                spellings(&text[at + 1..end], &mut found);
            }
            if at == 0 || bytes[at - 1] != b'\\' {
                break;
            }
        }
    }
}

/// The labels that stand between two brackets, by what may not be part of it.
fn spellings(inside: &str, found: &mut impl FnMut(Label)) {
    let quotes = match inside.contains('\n') {
        true => memchr::memchr_iter(b'>', inside.as_bytes()).count().min(QUOTES_MAX),
        false => 0,
    };
    for quotes in 0..=quotes {
        let label = normal(inside, quotes);
        if label.contains("\\|") {
            // In a table the backslash is none of it.
            found(UniCase::new(label.replace("\\|", "|")));
        }
        found(UniCase::new(label));
    }
}

/// A label with its white space collapsed, and without so many quotes' markers at the start of its lines.
fn normal(label: &str, quotes: usize) -> String {
    let mut normal = String::with_capacity(label.len());
    for (index, mut line) in label.split('\n').enumerate() {
        for _ in 0..if index > 0 { quotes } else { 0 } {
            line = line.trim_start_matches([' ', '\t']);
            line = line.strip_prefix('>').unwrap_or(line);
        }
        for word in line.split([' ', '\t', '\x0b', '\x0c', '\r']).filter(|word| !word.is_empty()) {
            if !normal.is_empty() {
                normal.push(' ');
            }
            normal.push_str(word);
        }
    }
    normal
}

/// A definition's label, as it is compared.
pub(super) fn of_definition(label: &str) -> Label {
    UniCase::new(normal(label, 0))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;
    use pulldown_cmark::{BrokenLink, Parser};

    use super::*;
    use crate::markdown::Options;
    use crate::markdown::parser::parser_options;

    const PIECES: &[&str] = &[
        "[a",
        "a]",
        "]",
        "[",
        "[]",
        "][",
        "[b\n",
        "> ",
        ">",
        "\n",
        "- ",
        "  ",
        "\t",
        "\\",
        "\\[",
        "\\]",
        "]: /u\n",
        "É",
        " x  y ",
        "|",
        "\\|",
        "|a|\n|-|\n",
        "`",
        "*",
        "!",
        "\x0c",
        "[^a]",
    ];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_label_is_missed(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..30)) {
            let source = pieces.concat();
            let mut all = HashSet::new();
            labels(&source, |label| {
                all.insert(label);
            });
            let mut asked = Vec::new();
            let ask = |link: BrokenLink<'_>| {
                asked.push(link.reference.to_string());
                None
            };
            let flags = parser_options(&Options::default());
            let parser = Parser::new_with_broken_link_callback(&source, flags, Some(ask));
            let defined: Vec<String> = parser.reference_definitions().iter().map(|(label, _)| label.to_owned()).collect();
            parser.for_each(drop);
            for label in asked.into_iter().chain(defined) {
                prop_assert!(all.contains(&of_definition(&label)), "{label:?} in {source:?}");
            }
        }
    }
}
