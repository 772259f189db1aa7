//! Inlines: text, code, links, images, breaks.
//!
//! **Invariant:** at most one `<a>` is open (`links_do_not_nest`); no URL is written that was not judged
//! (`unsafe_urls_are_a_number_sign`).

use super::Writer;
use crate::markdown::autolink;
use crate::markdown::elements as el;
use crate::markdown::options::Images;
use crate::markdown::url;
use pulldown_cmark::{CowStr, Event, LinkType};
use std::borrow::Cow;
use std::ops::Range;

/// An image whose alternative text is being written.
pub(super) struct Image<'e> {
    /// Tags open inside it.
    nesting: usize,
    title: CowStr<'e>,
    shown: Shown,
}

#[derive(Clone, Copy, PartialEq)]
enum Shown {
    /// `<img>`: the text goes into `alt`.
    Loaded,
    /// A span that holds the text; whether there was room for it.
    Text { span: bool },
}

/// Adjacent text, in which bare URLs are looked for.
#[derive(Default)]
pub(super) struct Run {
    text: String,
    /// Offset of its first byte in the source.
    start: usize,
    end: usize,
    /// Where in `text` something of the source is not shown. A bare URL does not reach across.
    seams: Vec<usize>,
    /// It begins a block or a line.
    begins_line: bool,
}

impl Run {
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }
}

impl<'e> Writer<'_, 'e> {
    #[inline]
    pub(super) fn text(&mut self, text: &CowStr<'e>, range: &Range<usize>) {
        if self.html_block_feeds > 0 {
            // What a tab leaves of an indentation, behind a line of the block.
            return self.html_block_line(text);
        }
        if self.plain_text {
            return self.write_text(text);
        }
        let text = self.without_hidden(text, range);
        self.note(&text);
        if self.options.autolinks && self.links == 0 && !self.in_code {
            return self.gather(&text, range);
        }
        self.html.decoded(&text);
    }

    #[inline]
    fn write_text(&mut self, text: &CowStr<'_>) {
        match text {
            CowStr::Borrowed(text) => self.html.text(text),
            CowStr::Boxed(text) => self.html.decoded(text),
            CowStr::Inlined(text) => self.html.decoded(text),
        }
    }

    /// Adds visible text to the id of the heading that is being written, if one is.
    #[inline]
    fn note(&mut self, text: &str) {
        if let Some(heading) = &mut self.heading {
            heading.text.push_str(text);
        }
    }

    /// Whether what stands at `range` is not shown.
    pub(super) fn is_hidden(&self, range: &Range<usize>) -> bool {
        !self.plain_text
            && self.edits.hidden.iter().any(|hidden| hidden.start <= range.start && range.end <= hidden.end)
    }

    fn without_hidden<'t>(&self, text: &'t str, range: &Range<usize>) -> Cow<'t, str> {
        let first = self.edits.hidden.partition_point(|hidden| hidden.end <= range.start);
        let touching = self.edits.hidden[first..].iter().take_while(|hidden| hidden.start < range.end);
        if text.len() != range.len() || touching.clone().next().is_none() {
            return text.into();
        }
        let (mut shown, mut from) = (String::new(), range.start);
        for hidden in touching {
            shown.push_str(&text[from - range.start..hidden.start.max(from) - range.start]);
            from = hidden.end.min(range.end);
        }
        shown.push_str(&text[from - range.start..]);
        shown.into()
    }

    fn gather(&mut self, text: &str, range: &Range<usize>) {
        if self.run.is_empty() {
            self.run.start = range.start;
            self.run.begins_line = self.line_begins;
        }
        self.gathering = true;
        let hidden = &self.edits.hidden;
        let first = hidden.partition_point(|hidden| hidden.end <= range.start);
        if let Some(hidden) = hidden.get(first).filter(|hidden| hidden.start < range.end) {
            self.run.seams.push(self.run.text.len() + hidden.start.saturating_sub(range.start));
        }
        self.run.text.push_str(text);
        self.run.end = range.end;
    }

    /// Writes the gathered text, with its bare URLs as links.
    pub(super) fn flush_run(&mut self) {
        let run = std::mem::take(&mut self.run);
        self.gathering = false;
        let before = if run.begins_line { None } else { self.source[..run.start].chars().next_back() };
        let text = run.text.as_str();
        let mut from = 0;
        for found in autolink::find(text, before) {
            if self.is_unfinished(&run, &found) || !self.html.has_room(1) {
                continue;
            }
            let shown = &text[found.range.clone()];
            if !url::is_allowed(&format!("{}{shown}", found.scheme), self.policy) {
                continue;
            }
            self.html.decoded(&text[from..found.range.start]);
            self.open_link(found.scheme, shown, "");
            self.html.decoded(shown);
            self.end_link();
            from = found.range.end;
        }
        self.html.decoded(&text[from..]);
    }

    /// Whether a bare URL may still become another: it reaches the end, or markup that is not closed is part of it.
    fn is_unfinished(&self, run: &Run, found: &autolink::Found) -> bool {
        let (edits, range) = (self.edits, &found.range);
        let opens = |at: usize| edits.openers.binary_search(&at).is_ok();
        let seam = run.seams.partition_point(|&seam| seam < range.start);
        // An address may begin with `_`, and so with one that opens emphasis.
        let underscores = || self.source[..run.start].bytes().rev().take_while(|&byte| byte == b'_').count();
        (found.reach == run.text.len() && (run.end >= edits.cut || opens(run.end)))
            || run.seams.get(seam).is_some_and(|&seam| seam <= found.reach)
            || (found.scheme == "mailto:"
                && range.start == 0
                && !edits.openers.is_empty()
                && (1..=underscores()).any(|count| opens(run.start - count)))
    }

    pub(super) fn code(&mut self, text: &str) {
        self.line_begins = false;
        self.note(text);
        let written = self.html.open(&el::CODE);
        self.html.decoded(text);
        self.html.close(&el::CODE, written);
    }

    pub(super) fn math(&mut self, class: &'static str, text: &str, at: usize) {
        self.line_begins = false;
        let text = self.edits.math.filter(|&(stand_in, _)| stand_in == at).map_or(text, |(_, open)| open);
        self.note(text);
        let written = self.html.open_with_word(&el::SPAN, "class", class);
        self.html.quoted(text);
        self.html.close(&el::SPAN, written);
    }

    pub(super) fn inline_html(&mut self, text: &str) {
        self.line_begins = false;
        self.note(text);
        self.html.text(text);
    }

    pub(super) fn soft_break(&mut self) {
        self.line_begins = true;
        self.note(" ");
        self.html.line_feed();
    }

    pub(super) fn hard_break(&mut self) {
        self.line_begins = true;
        self.note(" ");
        if let Some(tag) = self.html.tag(&el::BR) {
            tag.end_void(" />");
        }
        self.html.line_feed();
    }

    pub(super) fn footnote_reference(&mut self, label: &CowStr<'e>) {
        self.line_begins = false;
        let id = self.footnote_id(label);
        let number = self.footnote_number(label).to_string();
        let mark = self.html.open_with_word(&el::SUP, "class", "footnote-reference");
        let tag = if self.links == 0 { self.html.tag(&el::A) } else { None };
        let link = tag.map(|tag| tag.text("href", &["#", &id]).end()).is_some();
        self.html.text(&number);
        self.html.close(&el::A, link);
        self.html.close(&el::SUP, mark);
    }

    pub(super) fn start_link(&mut self, link_type: LinkType, dest: &str, title: &str) {
        let scheme = if link_type == LinkType::Email { "mailto:" } else { "" };
        if self.links > 0 || !self.html.has_room(1) {
            self.written.push(false);
            return self.html.content_follows();
        }
        let allowed = match scheme {
            "" => url::is_allowed(dest, self.policy),
            _ => url::is_allowed(scheme, self.policy),
        };
        if allowed { self.open_link(scheme, dest, title) } else { self.open_link("", url::REFUSED, title) }
    }

    /// `<a href title rel>`; there is room for it.
    fn open_link(&mut self, scheme: &'static str, dest: &str, title: &str) {
        let leaves =
            !self.options.link_rel.is_empty() && url::leaves_site(if scheme.is_empty() { dest } else { scheme });
        let Some(mut tag) = self.html.tag(&el::A) else { return };
        tag = tag.url("href", scheme, dest);
        if !title.is_empty() {
            tag = tag.text("title", &[title]);
        }
        if leaves {
            tag = tag.text("rel", &[self.options.link_rel.as_str()]);
        }
        tag.end();
        self.written.push(true);
        self.links += 1;
    }

    pub(super) fn end_link(&mut self) {
        let written = self.written.pop().unwrap_or(false);
        self.links -= usize::from(written);
        self.html.close(&el::A, written);
    }

    pub(super) fn start_image(&mut self, dest: &str, title: CowStr<'e>) {
        let dest = if url::is_allowed(dest, self.policy) { dest } else { url::REFUSED };
        let loaded = self.options.images == Images::All && url::image_is_loaded(dest, self.policy);
        let shown = match self.html.has_room(1) {
            true if loaded => {
                if let Some(tag) = self.html.tag(&el::IMG) {
                    tag.url("src", "", dest).value_follows("alt");
                }
                Shown::Loaded
            }
            _ if loaded => Shown::Text { span: false },
            _ => Shown::Text { span: self.html.open_with_word(&el::SPAN, "class", "rillmark-image") },
        };
        self.gathering = true;
        self.image = Some(Image { nesting: 0, title, shown });
    }

    /// Everything inside an image is alternative text.
    pub(super) fn image_event(&mut self, event: &Event<'e>, range: &Range<usize>) {
        match event {
            Event::Start(_) => self.nest_image(1),
            Event::End(_) if self.image.as_ref().is_some_and(|image| image.nesting > 0) => self.nest_image(-1),
            Event::End(_) => self.end_image(),
            Event::Text(text) => {
                let text = self.without_hidden(text, range);
                self.alternative(&text);
            }
            Event::Code(text) | Event::InlineHtml(text) => self.alternative(text),
            Event::InlineMath(text) => self.alternative(&format!("${text}$")),
            Event::DisplayMath(text) => self.alternative(&format!("$${text}$$")),
            Event::SoftBreak | Event::HardBreak | Event::Rule => self.alternative(" "),
            Event::FootnoteReference(label) => {
                let number = self.footnote_number(label);
                self.alternative(&format!("[{number}]"));
            }
            Event::TaskListMarker(checked) => self.alternative(if *checked { "[x]" } else { "[ ]" }),
            Event::Html(_) => {}
        }
    }

    fn nest_image(&mut self, by: isize) {
        if let Some(image) = &mut self.image {
            image.nesting = image.nesting.saturating_add_signed(by);
        }
    }

    fn alternative(&mut self, text: &str) {
        self.note(text);
        match self.image.as_ref().map(|image| image.shown) {
            Some(Shown::Loaded) => self.html.quoted(text),
            _ => self.html.decoded(text),
        }
    }

    fn end_image(&mut self) {
        let Some(image) = self.image.take() else { return };
        self.line_begins = false;
        self.gathering = false;
        match image.shown {
            Shown::Text { span } => self.html.close(&el::SPAN, span),
            Shown::Loaded => {
                let mut tag = self.html.resume(&el::IMG);
                if !image.title.is_empty() {
                    tag = tag.text("title", &[&image.title]);
                }
                tag.end_void(" />");
            }
        }
    }
}
