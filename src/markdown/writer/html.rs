//! The only way out: tags by rows of the table, text by its escapes.
//!
//! **Invariant:** an element is written only while fewer than [`DEPTH_MAX`](super::DEPTH_MAX) are open, and every tag
//! that is opened is closed by the same caller (`deep_elements_are_their_content`).

use super::DEPTH_MAX;
use crate::markdown::elements::{Element, Shape};
use crate::markdown::escape;

pub(super) struct Html<'o> {
    out: &'o mut String,
    dense: bool,
    /// Whether the stock writer's last byte would be a line feed.
    end_newline: bool,
    depth: usize,
}

impl<'o> Html<'o> {
    pub(super) fn new(out: &'o mut String, dense: bool) -> Self {
        Self { out, dense, end_newline: true, depth: 0 }
    }

    /// So many bytes have been written.
    pub(super) fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether `levels` more elements may stand inside one another here.
    #[inline(always)]
    pub(super) fn has_room(&self, levels: usize) -> bool {
        self.depth + levels <= DEPTH_MAX
    }

    /// A line feed between blocks, if the last one does not end in one and there is room for another.
    #[inline(always)]
    pub(super) fn fresh_line(&mut self) {
        if !self.end_newline && self.has_room(1) {
            self.separator();
        }
    }

    /// A line feed between blocks.
    #[inline(always)]
    pub(super) fn separator(&mut self) {
        if !self.dense {
            self.out.push('\n');
        }
        self.end_newline = true;
    }

    /// `<name>`. Returns whether there was room for it.
    #[inline(always)]
    pub(super) fn open(&mut self, element: &Element) -> bool {
        let room = self.has_room(1);
        if room {
            self.end_newline = false;
            self.out.push_str(element.open);
            self.depth += 1;
        }
        room
    }

    /// `</name>`, if the element was written.
    #[inline(always)]
    pub(super) fn close(&mut self, element: &Element, written: bool) {
        if written {
            self.end_newline = false;
            self.out.push_str(element.close);
            self.depth -= 1;
        }
    }

    /// `<name` with attributes to come; [`Tag::end`] ends it.
    pub(super) fn tag<'h>(&'h mut self, element: &'static Element) -> Option<Tag<'h, 'o>> {
        self.has_room(1).then(|| {
            self.end_newline = false;
            self.out.push_str(element.head);
            Tag { html: self, element }
        })
    }

    /// An element with one attribute of fixed words, or none.
    pub(super) fn open_with_word(&mut self, element: &'static Element, name: &str, word: &str) -> bool {
        self.tag(element).map(|tag| tag.word(name, word).end()).is_some()
    }

    /// Text that stands in the source as it is.
    #[inline]
    pub(super) fn text(&mut self, text: &str) {
        escape::text(self.out, text);
        self.end_newline = text.ends_with('\n');
    }

    /// Text that came out of an entity or an escape.
    pub(super) fn decoded(&mut self, text: &str) {
        escape::decoded(self.out, text);
        self.end_newline = text.ends_with('\n');
    }

    /// Text with the quotes escaped too, as the stock writer has math and alternative text.
    pub(super) fn quoted(&mut self, text: &str) {
        escape::attribute(self.out, text);
        self.end_newline = text.ends_with('\n');
    }

    /// A line feed that is content, not a separator.
    #[inline]
    pub(super) fn line_feed(&mut self) {
        self.out.push('\n');
        self.end_newline = true;
    }

    /// A block has begun: what follows stands on its line.
    #[inline(always)]
    pub(super) fn content_follows(&mut self) {
        self.end_newline = false;
    }

    /// Where the next byte will stand.
    pub(super) fn position(&self) -> usize {
        self.out.len()
    }

    /// Puts an `id` into a start tag whose `>` stands at `at`. Only the text since then is moved.
    pub(super) fn insert_id(&mut self, element: &Element, at: usize, id: &str) {
        let mut spelled = String::from(element.attribute("id").lead);
        escape::attribute(&mut spelled, id);
        spelled.push('"');
        self.out.insert_str(at, &spelled);
    }
}

/// A start tag that is being written.
pub(super) struct Tag<'h, 'o> {
    html: &'h mut Html<'o>,
    element: &'static Element,
}

impl Tag<'_, '_> {
    /// An attribute whose value is one of the words that its row lists.
    pub(super) fn word(self, name: &str, word: &str) -> Self {
        let row = self.element.attribute(name);
        debug_assert!(matches!(row.shape, Shape::Word(words) if words.contains(&word)), "{name}={word}");
        self.raw(row.lead, word)
    }

    /// A number.
    pub(super) fn number(self, name: &str, number: u64) -> Self {
        let row = self.element.attribute(name);
        debug_assert_eq!(row.shape, Shape::Number);
        self.raw(row.lead, &number.to_string())
    }

    /// Text, an id, a class or a relation: escaped.
    pub(super) fn text(self, name: &str, parts: &[&str]) -> Self {
        self.html.out.push_str(self.element.attribute(name).lead);
        for part in parts {
            escape::attribute(self.html.out, part);
        }
        self.html.out.push('"');
        self
    }

    /// A URL that was judged: `scheme` (`mailto:`, `http://` or nothing) and the rest, percent-encoded.
    pub(super) fn url(self, name: &str, scheme: &str, url: &str) -> Self {
        let row = self.element.attribute(name);
        debug_assert_eq!(row.shape, Shape::Url);
        self.html.out.push_str(row.lead);
        self.html.out.push_str(scheme);
        escape::href(self.html.out, url);
        self.html.out.push('"');
        self
    }

    fn raw(self, lead: &str, value: &str) -> Self {
        self.html.out.push_str(lead);
        self.html.out.push_str(value);
        self.html.out.push('"');
        self
    }

    /// Opens an attribute whose value the caller writes by [`Html::quoted`], and ends with [`Html::resume`].
    pub(super) fn value_follows(self, name: &str) {
        self.html.out.push_str(self.element.attribute(name).lead);
    }

    /// `>`: the element is open.
    pub(super) fn end(self) {
        self.html.out.push('>');
        self.html.depth += 1;
    }

    /// Ends an element that has no content, as the stock writer spells it (` />`, or `/>` for checkboxes).
    pub(super) fn end_void(self, spelling: &str) {
        self.html.out.push_str(spelling);
    }
}

impl<'o> Html<'o> {
    /// Ends the value begun by [`Tag::value_follows`]: more attributes may come.
    pub(super) fn resume<'h>(&'h mut self, element: &'static Element) -> Tag<'h, 'o> {
        self.out.push('"');
        self.end_newline = false;
        Tag { html: self, element }
    }
}
