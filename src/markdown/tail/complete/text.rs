//! The open leaf's text, without the markers of the containers it stands in, and where each byte of it comes from.

use super::leaf::Leaf;

/// A leaf's text. Offsets into it and into the source are mapped onto each other.
#[derive(Debug)]
pub(super) struct Text {
    text: String,
    /// For each line: where it starts here, and in the source.
    lines: Vec<(usize, usize)>,
}

impl Text {
    /// The text of `leaf`, from its first character to the end of `source`. O(text).
    pub(super) fn new(source: &str, leaf: &Leaf) -> Self {
        let from = leaf.text_start.min(source.len());
        let mut text = String::with_capacity(source.len() - from);
        let mut lines = Vec::new();
        let mut at = from;
        for (index, line) in source[from..].split_inclusive('\n').enumerate() {
            let prefix = if index == 0 { 0 } else { line.len() - without_prefix(line, leaf.quotes).len() };
            lines.push((text.len(), at + prefix));
            text.push_str(&line[prefix..]);
            at += line.len();
        }
        if lines.is_empty() || text.ends_with('\n') {
            lines.push((text.len(), source.len()));
        }
        Self { text, lines }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// The offset in the source of the byte at `at`; the source's end for the text's.
    pub(super) fn to_source(&self, at: usize) -> usize {
        let line = self.lines.partition_point(|&(here, _)| here <= at).saturating_sub(1);
        let (here, source) = self.lines[line];
        source + (at - here)
    }

    /// The offset here of the byte at `at` in the source; a byte of a container's marker counts as the one behind it.
    pub(super) fn in_text(&self, at: usize) -> usize {
        let line = self.lines.partition_point(|&(_, source)| source <= at).saturating_sub(1);
        let (here, source) = self.lines[line];
        let end = self.lines.get(line + 1).map_or(self.text.len(), |&(next, _)| next);
        (here + at.saturating_sub(source)).min(end)
    }

    /// The offset here of the end of something that ends at `end` in the source.
    pub(super) fn end_in_text(&self, end: usize) -> usize {
        end.checked_sub(1).map_or(0, |last| (self.in_text(last) + 1).min(self.text.len()))
    }
}

/// A line without blanks and at most `quotes` markers of quotes before its text.
pub(super) fn without_prefix(line: &str, quotes: usize) -> &str {
    let mut rest = line.trim_start_matches([' ', '\t']);
    for _ in 0..quotes {
        let Some(inner) = rest.strip_prefix('>') else { break };
        rest = inner.trim_start_matches([' ', '\t']);
    }
    rest
}

/// The last line of a text: what stands behind its last line feed.
pub(super) fn last_line_of(text: &str) -> &str {
    text.rsplit('\n').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::leaf::{Probed, probe};
    use super::*;
    use crate::markdown::Options;

    fn text(source: &str) -> Text {
        let Probed::Leaf(leaf) = probe(source, &Options::default()) else { panic!("no leaf in {source:?}") };
        Text::new(source, &leaf)
    }

    #[test]
    fn containers_are_left_out() {
        let cases = [
            ("a\n  b", "a\nb"),
            ("> a\n> b\n>c\nd", "a\nb\nc\nd"),
            ("- > a\n  > b", "a\nb"),
            ("- a\n  b\n", "a\nb\n"),
            ("> a\n> ", "a\n"),
        ];
        for (source, expected) in cases {
            assert_eq!(text(source).as_str(), expected, "{source:?}");
        }
    }

    #[test]
    fn offsets_go_there_and_back() {
        let source = "> aé\n> b\nc\n";
        let text = text(source);
        for (at, c) in text.as_str().char_indices().filter(|&(_, c)| c != '\n') {
            let there = text.to_source(at);
            assert!(source[there..].starts_with(c), "{at}");
            assert_eq!(text.in_text(there), at);
            assert_eq!(text.end_in_text(there + 1), at + 1);
        }
        assert_eq!(text.to_source(text.as_str().len()), source.len());
    }
}
