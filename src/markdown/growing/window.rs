//! What of the text is parsed anew for a frame, and what of the page it shows.
//!
//! ```text
//!   text     | done with          | from here on it is parsed anew |
//!   window   | context | prefix   | the same                       |
//!   its HTML |      guard         | visible                        |
//!   page     | hidden             | visible                        |
//! ```
//!
//! The *context* spells the definitions that the window may ask for; the *prefix* stands in for what is left out of the
//! block that is open: it opens the same containers. What both give is the *guard*: it is in no page, and if it ever
//! comes out different, the window does not show what the whole would, and a wider one must be taken. What is *hidden*
//! stands in the page in its place, with as many elements open at its end.
//!
//! **Invariant:** hidden and visible together are the page (`parts_show_what_the_whole_shows`).

use super::spine::Spine;

/// The window, but for the context, which is made for each frame.
#[derive(Clone, Debug)]
pub(super) struct Window {
    /// Stands in for text before `from`.
    pub prefix: String,
    /// So many bytes at its end stand in for the beginning of a paragraph that is cut.
    pub stand_in: usize,
    /// Where the text begins that is parsed.
    pub from: usize,
    /// What the prefix gives: the window's HTML begins with it.
    pub guard: String,
    /// Where the visible part begins in the page.
    pub visible: usize,
    /// The elements that are open there.
    pub spine: Spine,
}

impl Window {
    /// A window on a document's end that begins with a top-level block, behind so many elements.
    pub(super) fn whole_blocks(from: usize, visible: usize, elements: usize) -> Self {
        Self { prefix: String::new(), stand_in: 0, from, guard: String::new(), visible, spine: Spine::root(elements) }
    }

    /// What is parsed. The one place that puts a window's text together.
    pub(super) fn source(&self, context: &str, text: &str) -> String {
        [context, &self.prefix, &text[self.from..]].concat()
    }

    /// How many bytes stand before the text, less those that stand in for them.
    pub(super) fn before(&self, context: &str) -> isize {
        self.from.wrapping_sub(context.len() + self.prefix.len()).cast_signed()
    }

    /// Where an offset of what is parsed stands in the text; `None` for one in the context or the prefix.
    pub(super) fn in_text(&self, context: &str, at: usize) -> Option<usize> {
        at.checked_sub(context.len() + self.prefix.len()).map(|behind| self.from + behind)
    }
}

/// Where the line begins that the byte before `at` belongs to, or that begins there.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    memchr::memrchr(b'\n', &text.as_bytes()[..at]).map_or(0, |feed| feed + 1)
}
