//! The last block of a text that holds no other blocks, and the containers it stands in: where a narrower window could
//! begin.
//!
//! **Invariant:** none that is not final: the text ends with a line feed, so no later line changes where its last leaf
//! begins (`parts_show_what_the_whole_shows`).

use std::ops::Range;

use pulldown_cmark::{Event, Tag, TagEnd};

use crate::markdown::Options;
use crate::markdown::parser::Document;

/// What kind of block a leaf is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Paragraph,
    /// The text of a tight item.
    Tight,
    Fence,
    Indented,
    Html,
    Table,
    /// A heading, a thematic break, an item without anything in it.
    Other,
}

/// A container that a leaf stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    /// A list, with the number of its first item.
    List {
        start: usize,
        ordered: bool,
        looseness: Looseness,
    },
    Item {
        start: usize,
    },
    Quote {
        start: usize,
    },
}

/// Whether the paragraphs of a list are written as such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looseness {
    /// No paragraph stands directly in an item so far.
    Unknown,
    Tight,
    Loose,
}

/// A block that holds no other.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    pub kind: Kind,
    /// Where it stands.
    pub range: Range<usize>,
    /// Where the leaf before it ends: between, nothing but markers, blank lines and definitions.
    pub after: usize,
    /// From the outermost on.
    pub containers: Vec<Container>,
    /// The top-level block that it is in.
    pub top: usize,
    /// Where the last leaf before that block ends.
    pub top_after: usize,
}

/// What stands last in a source.
#[derive(Debug)]
pub(super) struct Found {
    pub leaf: Option<Leaf>,
    /// Where the last definition starts.
    pub definition: Option<usize>,
}

/// The last leaf of `source`, which ends with a line feed, and the last definition. O(source): one parse.
pub(super) fn last(source: &str, options: &Options) -> Found {
    let mut document = Document::new(source, options);
    let definition = document.last_definition();
    let mut search = Search::default();
    for (event, range) in document.events() {
        search.event(&event, range);
    }
    Found { leaf: search.last, definition }
}

#[derive(Default)]
struct Search {
    /// Open containers, with those of them that the last leaf stands in.
    open: Vec<Container>,
    last: Option<Leaf>,
    /// How many blocks and inlines are open in the leaf.
    depth: usize,
    /// Tight text is being read.
    tight: bool,
    top: usize,
    top_after: usize,
}

impl Search {
    fn event(&mut self, event: &Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(tag) => self.start(tag, range),
            Event::End(tag) => self.end(*tag),
            Event::Rule => {
                self.block(range.start);
                self.leaf(Kind::Other, range);
            }
            // It may stand before a paragraph or in it, and says nothing about the list.
            Event::TaskListMarker(_) => self.inline(range, false),
            _ => self.inline(range, true),
        }
    }

    fn start(&mut self, tag: &Tag<'_>, range: Range<usize>) {
        if self.depth > 0 {
            self.depth += 1;
            return;
        }
        let kind = match tag {
            Tag::List(first) => {
                self.block(range.start);
                let looseness = Looseness::Unknown;
                self.open.push(Container::List { start: range.start, ordered: first.is_some(), looseness });
                return;
            }
            Tag::BlockQuote(_) => {
                self.block(range.start);
                self.open.push(Container::Quote { start: range.start });
                return;
            }
            Tag::Item => {
                self.tight = false;
                self.open.push(Container::Item { start: range.start });
                return self.leaf(Kind::Other, range);
            }
            Tag::Emphasis | Tag::Strong | Tag::Strikethrough | Tag::Link { .. } | Tag::Image { .. } => {
                self.inline(range, true);
                self.depth += 1;
                return;
            }
            Tag::Paragraph => {
                self.see_paragraph(Looseness::Loose);
                Kind::Paragraph
            }
            Tag::CodeBlock(kind) if kind.is_fenced() => Kind::Fence,
            Tag::CodeBlock(_) => Kind::Indented,
            Tag::HtmlBlock => Kind::Html,
            Tag::Table(_) => Kind::Table,
            _ => Kind::Other,
        };
        self.block(range.start);
        self.leaf(kind, range);
        self.depth = 1;
    }

    fn end(&mut self, tag: TagEnd) {
        if self.depth > 0 {
            self.depth -= 1;
            return;
        }
        self.tight = false;
        let closed = self.open.pop();
        // What the last leaf knows of the list it stands in may have been learned later than it.
        if let (TagEnd::List(_), Some(closed), Some(leaf)) = (tag, closed, &mut self.last)
            && let Some(known) = leaf.containers.get_mut(self.open.len())
        {
            *known = closed;
        }
    }

    /// A block begins.
    fn block(&mut self, at: usize) {
        self.tight = false;
        if self.open.is_empty() {
            self.top = at;
            self.top_after = self.last.as_ref().map_or(0, |leaf| leaf.range.end);
        }
    }

    fn inline(&mut self, range: Range<usize>, is_text: bool) {
        if self.depth > 0 {
            return;
        }
        if is_text {
            self.see_paragraph(Looseness::Tight);
        }
        if !self.tight {
            self.leaf(Kind::Tight, range.clone());
            self.tight = true;
        }
        if let Some(leaf) = &mut self.last {
            leaf.range.end = leaf.range.end.max(range.end);
        }
    }

    /// A paragraph says how loose the list is whose item it stands in.
    fn see_paragraph(&mut self, seen: Looseness) {
        if let [.., Container::List { looseness, .. }, Container::Item { .. }] = self.open.as_mut_slice()
            && *looseness != Looseness::Loose
        {
            *looseness = seen;
        }
    }

    fn leaf(&mut self, kind: Kind, range: Range<usize>) {
        // An item is a leaf only until something stands in it.
        let after = match &self.last {
            Some(item)
                if item.kind == Kind::Other && item.range.start <= range.start && range.end <= item.range.end =>
            {
                item.after
            }
            Some(leaf) => leaf.range.end,
            None => 0,
        };
        let (top, top_after) = (self.top, self.top_after);
        self.last = Some(Leaf { kind, range, after, containers: self.open.clone(), top, top_after });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kind and text of the last leaf, what stands before it unread, and its containers: `Q`uotes, `L`ists that are
    /// `?` unknown, `t`ight or `l`oose, and their items.
    fn last_of(source: &str) -> (Kind, &str, &str, String) {
        let options = Options { alerts: true, task_lists: true, ..Options::default() };
        let leaf = last(source, &options).leaf.unwrap();
        let containers = leaf.containers.iter().map(|container| match container {
            Container::Quote { .. } => "Q",
            Container::Item { .. } => "I",
            Container::List { looseness: Looseness::Unknown, .. } => "L?",
            Container::List { looseness: Looseness::Tight, .. } => "Lt",
            Container::List { looseness: Looseness::Loose, .. } => "Ll",
        });
        (leaf.kind, &source[leaf.range.clone()], &source[leaf.after..leaf.range.start], containers.collect())
    }

    #[test]
    fn the_last_leaf_is_found_in_its_containers() {
        for (source, kind, text, before, containers) in [
            ("a\n\nb *c*\nd\n", Kind::Paragraph, "b *c*\nd\n", "\n", ""),
            ("# a\n", Kind::Other, "# a\n", "", ""),
            ("a\n\n---\n", Kind::Other, "---\n", "\n", ""),
            ("a\n===\n    b\n", Kind::Indented, "b\n", "    ", ""),
            ("```\na\n", Kind::Fence, "```\na\n", "", ""),
            ("<div>\na\n", Kind::Html, "<div>\na\n", "", ""),
            ("| a |\n|---|\n| b |\n", Kind::Table, "| a |\n|---|\n| b |\n", "", ""),
            ("- a\n- b *c*\n", Kind::Tight, "b *c*", "- ", "LtI"),
            ("- a\n\n- b\n", Kind::Paragraph, "b\n", "- ", "LlI"),
            ("- # a\n", Kind::Other, "# a\n", "- ", "L?I"),
            ("- a\n-\n", Kind::Other, "-\n", "", "LtI"),
            ("- a\n  - [ ] b\n", Kind::Tight, "[ ] b", "  - ", "LtILtI"),
            ("> a\n> > - b\n", Kind::Tight, "b", "> > - ", "QQLtI"),
            ("> [!NOTE]\n> a\n", Kind::Paragraph, "a\n", "> [!NOTE]\n> ", "Q"),
            ("[a]: /u\n\nb [a]\n", Kind::Paragraph, "b [a]\n", "[a]: /u\n\n", ""),
            ("- a\n\n  b\n\n  - c\n", Kind::Tight, "c", "\n  - ", "LlILtI"),
        ] {
            let found = last_of(source);
            let before_it = found.2.trim_start_matches('\n');
            assert_eq!((found.0, found.1, &*found.3), (kind, text, containers), "{source:?}");
            assert_eq!(before_it, before.trim_start_matches('\n'), "{source:?}");
        }
    }

    #[test]
    fn the_last_definition_is_found() {
        let found = last("a\n\n[b]: /u\n[c]: /v\n", &Options::default());
        assert_eq!(found.definition, Some(11));
        assert_eq!(found.leaf.unwrap().range, 0..2);
        let found = last("\n\n", &Options::default());
        assert!(found.leaf.is_none() && found.definition.is_none());
    }
}
