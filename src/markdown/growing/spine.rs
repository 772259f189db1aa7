//! The elements that are open where the visible part of a page begins, and what is hidden in each.
//!
//! ```text
//!   <ul><li>one</li><li>two<ul><li>a</li>|<li>b</li></ul></li></ul>
//!                                        ↑ hidden before, visible behind
//!   levels:  root, 0 children   <ul>, 2   <li>, 1   <ul>, 1      (those that the spine goes through count)
//!   chunks:  <li>b</li>  of the inner <ul>, then nothing of <li>, <ul> and the root
//! ```
//!
//! **Invariant:** a level's content begins where its start tag ends, and its children are those that begin in what is
//! hidden (`hidden_elements_are_counted_at_their_level`).

use std::ops::Range;

use super::nodes::{is_void, tag_end};
use super::{Path, Step};

/// An open element, or the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Level {
    /// Where its content begins in what is shown.
    pub content: usize,
    /// How many of its element children begin in what is hidden.
    pub elements: usize,
}

/// The root, and the elements that are open in what is hidden, each in the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spine {
    levels: Vec<Level>,
}

/// What changes in one element of the spine.
#[derive(Debug)]
pub(super) struct Change<'h> {
    /// The element.
    pub path: Path,
    /// Its element children before those that are compared.
    pub elements: usize,
    /// All that stands before them in it.
    pub hidden: [&'h str; 2],
    pub old: &'h str,
    pub new: &'h str,
}

impl Change<'_> {
    /// Whether what stands before ends in text, which text that follows goes on with.
    pub(super) fn ends_in_text(&self) -> bool {
        let [first, last] = self.hidden;
        let before = if last.is_empty() { first } else { last };
        !before.is_empty() && !before.ends_with('>')
    }
}

impl Spine {
    /// The root alone, with so many children before what is visible.
    pub(super) fn root(elements: usize) -> Self {
        Self { levels: vec![Level { content: 0, elements }] }
    }

    /// How many elements are open.
    pub(super) fn depth(&self) -> usize {
        self.levels.len() - 1
    }

    /// How many children of the root begin in what is hidden.
    pub(super) fn elements(&self) -> usize {
        self.levels[0].elements
    }

    /// What stands at `range` of `shown`, right behind what is hidden already, is hidden from now on. `None` if it closes
    /// more elements than are open. O(range).
    pub(super) fn hide(&mut self, shown: &str, range: Range<usize>) -> Option<()> {
        let html = &shown[..range.end];
        for start in memchr::memchr_iter(b'<', &html.as_bytes()[range.start..]) {
            let at = range.start + start;
            if html.as_bytes().get(at + 1) == Some(&b'/') {
                self.levels.pop();
                self.levels.last()?;
                continue;
            }
            let end = tag_end(html, at);
            self.levels.last_mut()?.elements += 1;
            if !is_void(&html[at..end]) {
                self.levels.push(Level { content: end, elements: 0 });
            }
        }
        Some(())
    }

    /// What is hidden grew by so many bytes, outside of every element that is open.
    pub(super) fn shift(&mut self, by: isize) {
        for level in &mut self.levels[1..] {
            level.content = level.content.saturating_add_signed(by);
        }
    }

    /// The levels at which the visible part changes from `old` to `new`, the innermost first. `None` if one of them does
    /// not close exactly the elements that are open. O(old + new).
    ///
    /// Changes apply in this order: what stands behind an element is still the old when the element is changed.
    pub(super) fn changes<'h>(&self, hidden: &'h str, old: &'h str, new: &'h str) -> Option<Vec<Change<'h>>> {
        let (before, after) = (self.chunks(old)?, self.chunks(new)?);
        let step = |depth: usize| match old[before[self.depth() - depth].clone()].contains('<') {
            true => Step::Child(self.levels[depth].elements),
            false => Step::Last,
        };
        let path: Path = (0..self.depth()).map(step).collect();
        let mut changes = Vec::new();
        for (at, (b, a)) in before.into_iter().zip(after).enumerate() {
            if old[b.clone()] == new[a.clone()] {
                continue;
            }
            let depth = self.depth() - at;
            let Level { content, elements } = self.levels[depth];
            let hidden = [&hidden[content..], &new[..a.start]];
            changes.push(Change { path: path[..depth].to_vec(), elements, hidden, old: &old[b], new: &new[a] });
        }
        Some(changes)
    }

    /// Cuts the visible part of a page into the content of each level, the innermost first. `None` if it does not close
    /// exactly the elements that are open. O(html).
    pub(super) fn chunks(&self, html: &str) -> Option<Vec<Range<usize>>> {
        let mut chunks = Vec::with_capacity(self.levels.len());
        let (mut depth, mut from) = (0_usize, 0);
        for at in memchr::memchr_iter(b'<', html.as_bytes()) {
            let closes = html.as_bytes().get(at + 1) == Some(&b'/');
            if closes && depth == 0 {
                chunks.push(from..at);
                from = tag_end(html, at);
            } else if closes {
                depth -= 1;
            } else if !is_void(&html[at..tag_end(html, at)]) {
                depth += 1;
            }
        }
        chunks.push(from..html.len());
        (chunks.len() == self.levels.len()).then_some(chunks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "<hr /><ul><li>one</li><li>two<ul><li>a</li><li>b</li></ul></li></ul>";

    #[test]
    fn hidden_elements_are_counted_at_their_level() {
        let mut spine = Spine::root(0);
        let visible = PAGE.find("<li>b").unwrap();
        for (from, to) in [(0, 6), (6, 20), (20, visible)] {
            spine.hide(PAGE, from..to).unwrap();
        }
        let elements: Vec<usize> = spine.levels.iter().map(|level| level.elements).collect();
        assert_eq!(elements, [2, 2, 1, 1]);
        assert_eq!(&PAGE[spine.levels[3].content..visible], "<li>a</li>");
        assert_eq!(&PAGE[spine.levels[2].content..][..3], "two");
        assert!(Spine::root(0).hide("</p>", 0..4).is_none());
    }

    #[test]
    fn what_is_visible_is_cut_at_the_ends_of_the_spine() {
        let mut spine = Spine::root(0);
        let visible = PAGE.find("<li>b").unwrap();
        spine.hide(PAGE, 0..visible).unwrap();
        let html = "<li>b<br /></li></ul>text</li></ul><p>x</p>";
        let chunks: Vec<&str> = spine.chunks(html).unwrap().into_iter().map(|chunk| &html[chunk]).collect();
        assert_eq!(chunks, ["<li>b<br /></li>", "text", "", "<p>x</p>"]);
        assert!(spine.chunks("</ul>").is_none());
    }

    #[test]
    fn each_level_changes_by_itself() {
        let mut spine = Spine::root(0);
        let (hidden, old) = PAGE.split_at(PAGE.find("<li>b").unwrap());
        spine.hide(PAGE, 0..hidden.len()).unwrap();
        let new = "<li>b</li><li>c</li></ul></li><li>three</li></ul>";
        let changes = spine.changes(hidden, old, new).unwrap();
        let said: Vec<_> = changes.iter().map(|c| (c.path.as_slice(), c.elements, c.old, c.new)).collect();
        let inner: &[Step] = &[Step::Last; 3];
        assert_eq!(said, [(inner, 1, "<li>b</li>", "<li>b</li><li>c</li>"), (&inner[..1], 2, "", "<li>three</li>")]);
        assert!(!changes[0].ends_in_text());
        let changes = spine.changes(hidden, "</ul></li><li>x</li></ul>", "<p></p></ul></li></ul>").unwrap();
        assert_eq!(changes[0].path, [Step::Last, Step::Child(2), Step::Last]);
    }
}
