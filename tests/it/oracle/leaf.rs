//! The open leaf of an unfinished source: the paragraph, heading, cell or block that would take the next letter.
//!
//! It is found by parsing the source with two words behind it that no source holds, and looking where the first went.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, Tag};
use rillmark::markdown::options::Options;

use super::write::{Placed, parse};

/// Two words: the first shows which leaf is open, the second keeps it from being a link's destination or an info string
/// that could still be finished.
pub(crate) const PROBE: &str = " \u{E000} \u{E001}";

/// What kind of leaf it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Paragraph,
    /// The text of a tight list item.
    Tight,
    Heading,
    Cell,
    Fence,
    Indented,
    Html,
}

/// The open leaf.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    pub kind: Kind,
    /// Where its block starts.
    pub block: usize,
    /// Its first inline character; beyond the source if it has none yet.
    pub start: usize,
    /// How many quotes it stands in.
    pub quotes: usize,
    /// Where the innermost container starts that it stands in.
    pub container: usize,
    /// It is the first thing in a list item.
    pub first_in_item: bool,
    /// It is the first thing in a quote that has no alert's title.
    pub first_in_quote: bool,
}

/// Where the probe went.
#[derive(Clone, Debug)]
pub(crate) enum Probed {
    Leaf(Leaf),
    /// Into the info string of a fence.
    Info,
    /// Nowhere, and a table is open.
    Table,
    /// Nowhere.
    Lost,
}

/// A block that is open while events are read.
struct Frame {
    tag: Tag<'static>,
    range: Range<usize>,
    /// The first inline character since the last block within.
    inline: Option<usize>,
    /// How many blocks and runs of inlines began in it.
    parts: usize,
}

fn is_inline(tag: &Tag<'_>) -> bool {
    matches!(tag, Tag::Emphasis | Tag::Strong | Tag::Strikethrough | Tag::Link { .. } | Tag::Image { .. })
}

/// Parses `source` + [`PROBE`] + `behind`, and finds the open leaf.
pub(crate) fn probe(source: &str, behind: &str, options: &Options) -> (Probed, Vec<Placed>) {
    let probed = format!("{source}{PROBE}{behind}");
    let events = parse(&probed, options);
    (find(source, &probed, &events), events)
}

fn find(source: &str, probed: &str, events: &[Placed]) -> Probed {
    let word = source.len() + 1;
    let mut open: Vec<Frame> = Vec::new();
    let mut table = false;
    for (event, range) in events {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(_)))
                if range.end > word && !source[range.start..].contains('\n') =>
            {
                return Probed::Info;
            }
            Event::Start(tag) if !is_inline(tag) => {
                table |= matches!(tag, Tag::Table(_)) && range.end > word;
                if let Some(parent) = open.last_mut() {
                    parent.inline = None;
                    parent.parts += 1;
                }
                open.push(Frame { tag: tag.clone(), range: range.clone(), inline: None, parts: 0 });
            }
            Event::End(end) if open.last().is_some_and(|frame| frame.tag.to_end() == *end) => {
                open.pop();
                if let Some(parent) = open.last_mut() {
                    parent.inline = None;
                }
            }
            Event::Rule => {
                if let Some(parent) = open.last_mut() {
                    parent.inline = None;
                    parent.parts += 1;
                }
            }
            Event::End(_) | Event::TaskListMarker(_) => {}
            _ => {
                if let Some(frame) = open.last_mut()
                    && frame.inline.is_none()
                {
                    frame.inline = Some(first_character(probed, range.start));
                    frame.parts += 1;
                }
            }
        }
        let holds = matches!(event, Event::Text(_) | Event::Html(_)) && range.contains(&word);
        if holds && let Some(leaf) = leaf(&open) {
            return Probed::Leaf(leaf);
        }
    }
    if table { Probed::Table } else { Probed::Lost }
}

/// The text after a backslash starts behind it.
fn first_character(text: &str, start: usize) -> usize {
    let backslashes = text[..start].bytes().rev().take_while(|b| *b == b'\\').count();
    start - backslashes % 2
}

fn leaf(open: &[Frame]) -> Option<Leaf> {
    let (frame, above) = open.split_last()?;
    let kind = match &frame.tag {
        Tag::Paragraph => Kind::Paragraph,
        Tag::Item => Kind::Tight,
        Tag::Heading { .. } => Kind::Heading,
        Tag::TableCell => Kind::Cell,
        Tag::CodeBlock(CodeBlockKind::Fenced(_)) => Kind::Fence,
        Tag::CodeBlock(CodeBlockKind::Indented) => Kind::Indented,
        Tag::HtmlBlock => Kind::Html,
        _ => return None,
    };
    let start = frame.inline?;
    let quotes = open.iter().filter(|frame| matches!(frame.tag, Tag::BlockQuote(_))).count();
    let parent = above.last();
    let first_of = |is: fn(&Tag<'_>) -> bool| parent.is_some_and(|parent| is(&parent.tag) && parent.parts == 1);
    let tight_first = kind == Kind::Tight && frame.parts == 1;
    Some(Leaf {
        kind,
        block: if kind == Kind::Tight { start } else { frame.range.start },
        start,
        quotes,
        container: if kind == Kind::Tight { frame.range.start } else { parent.map_or(0, |parent| parent.range.start) },
        first_in_item: tight_first || first_of(|tag| matches!(tag, Tag::Item)),
        first_in_quote: first_of(|tag| matches!(tag, Tag::BlockQuote(None))),
    })
}

/// The text of a leaf: its characters, each with its place in the source, container prefixes left out.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub chars: Vec<char>,
    places: Vec<usize>,
    end: usize,
}

impl Text {
    /// The text of `leaf` up to the end of `source`.
    pub(crate) fn of(leaf: &Leaf, source: &str) -> Self {
        let mut text = Self { chars: Vec::new(), places: Vec::new(), end: source.len() };
        let mut at = leaf.start;
        for (number, line) in source[leaf.start..].split_inclusive('\n').enumerate() {
            let content = if number == 0 { line } else { without_prefix(line, leaf.quotes) };
            let skipped = at + line.len() - content.len();
            for (i, c) in content.char_indices() {
                text.chars.push(c);
                text.places.push(skipped + i);
            }
            at += line.len();
        }
        text
    }

    /// The place of a character in the source; the source's end for the one behind the last.
    pub(crate) fn place(&self, index: usize) -> usize {
        self.places.get(index).copied().unwrap_or(self.end)
    }

    /// The first character at or behind a place in the source.
    pub(crate) fn index(&self, place: usize) -> usize {
        self.places.partition_point(|p| *p < place)
    }

    /// A part as a string.
    pub(crate) fn string(&self, range: Range<usize>) -> String {
        self.chars[range].iter().collect()
    }
}

/// A line without blanks and at most `quotes` quote markers in front.
pub(crate) fn without_prefix(line: &str, quotes: usize) -> &str {
    let mut rest = line.trim_start_matches([' ', '\t']);
    for _ in 0..quotes {
        let Some(inner) = rest.strip_prefix('>') else { break };
        rest = inner.trim_start_matches([' ', '\t']);
    }
    rest
}
