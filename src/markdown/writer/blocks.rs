//! Blocks: start and end of every tag, rules, HTML blocks, checkboxes.
//!
//! **Invariant:** line feeds between blocks fall where the stock writer has them; `dense` leaves out all of them and
//! nothing else (`dense_leaves_out_only_separators`).

use super::Writer;
use super::slug::slug;
use crate::markdown::elements::{self as el, Element};
use crate::markdown::options::TableAlign;
use pulldown_cmark::{Alignment, BlockQuoteKind, CodeBlockKind, CowStr, HeadingLevel, Tag, TagEnd};

/// A heading whose text is being gathered for its id.
pub(super) struct HeadingId {
    /// Where the heading starts in the source.
    start: usize,
    /// Where the `>` of its start tag stands.
    at: usize,
    pub(super) text: String,
}

impl<'e> Writer<'_, 'e> {
    pub(super) fn start(&mut self, tag: &mut Tag<'e>, at: usize) {
        if !self.plain_text {
            self.line_begins = !is_inline(tag.to_end());
        }
        match tag {
            Tag::Paragraph => self.open_block(&el::P),
            Tag::Item => self.start_item(),
            Tag::Emphasis => self.open_inline(&el::EM),
            Tag::Strong => self.open_inline(&el::STRONG),
            Tag::Strikethrough => self.open_inline(&el::DEL),
            Tag::Link { link_type, dest_url, title, .. } => self.start_link(*link_type, dest_url, title),
            Tag::Image { dest_url, title, .. } => {
                self.start_image(dest_url, std::mem::replace(title, CowStr::Borrowed("")))
            }
            Tag::CodeBlock(kind) => self.start_code_block(kind),
            Tag::Heading { level, .. } => self.start_heading(*level, at),
            Tag::List(start) => self.start_list(*start),
            Tag::BlockQuote(kind) => self.start_quote(*kind),
            Tag::TableCell => self.start_cell(),
            Tag::TableRow => self.start_row(),
            Tag::TableHead => self.start_head(),
            Tag::Table(alignments) => self.start_table(std::mem::take(alignments)),
            Tag::HtmlBlock => {
                self.html_block_feeds = 0;
                self.open_block(&el::P);
            }
            Tag::FootnoteDefinition(label) => self.start_footnote(label),
            // Their options are never set.
            Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition
            | Tag::Superscript
            | Tag::Subscript
            | Tag::MetadataBlock(_) => self.written.push(false),
        }
    }

    pub(super) fn end(&mut self, tag: TagEnd) {
        if !self.plain_text {
            self.line_begins = !is_inline(tag);
        }
        match tag {
            TagEnd::Paragraph => self.close_block(&el::P),
            TagEnd::HtmlBlock => {
                self.html_block_feeds = 0;
                self.close_block(&el::P);
            }
            TagEnd::Item => self.close_block(&el::LI),
            TagEnd::Emphasis => self.close_inline(&el::EM),
            TagEnd::Strong => self.close_inline(&el::STRONG),
            TagEnd::Strikethrough => self.close_inline(&el::DEL),
            TagEnd::Link => self.end_link(),
            TagEnd::CodeBlock => {
                self.in_code = false;
                self.close_inline(&el::CODE);
                self.close_block(&el::PRE);
            }
            TagEnd::Heading(level) => self.end_heading(level),
            TagEnd::List(ordered) => self.close_block(if ordered { &el::OL } else { &el::UL }),
            TagEnd::BlockQuote(_) => self.close_block(&el::BLOCKQUOTE),
            TagEnd::TableCell => self.end_cell(),
            TagEnd::TableRow => self.end_row(),
            TagEnd::TableHead => self.end_head(),
            TagEnd::Table => self.end_table(),
            TagEnd::FootnoteDefinition => self.close_block(&el::DIV),
            // An image ends where its alternative text does (`image_event`); the others' options are never set.
            TagEnd::Image
            | TagEnd::DefinitionList
            | TagEnd::DefinitionListTitle
            | TagEnd::DefinitionListDefinition
            | TagEnd::Superscript
            | TagEnd::Subscript
            | TagEnd::MetadataBlock(_) => {
                self.written.pop();
            }
        }
    }

    #[inline(always)]
    fn open_block(&mut self, element: &Element) {
        self.html.fresh_line();
        self.open_inline(element);
    }

    #[inline(always)]
    fn close_block(&mut self, element: &Element) {
        let written = self.written.pop().unwrap_or(false);
        self.html.close(element, written);
        if written {
            self.html.separator();
        }
    }

    #[inline(always)]
    fn open_inline(&mut self, element: &Element) {
        let written = self.html.open(element);
        self.written.push(written);
    }

    #[inline(always)]
    fn close_inline(&mut self, element: &Element) {
        let written = self.written.pop().unwrap_or(false);
        self.html.close(element, written);
    }

    fn start_heading(&mut self, level: HeadingLevel, start: usize) {
        self.html.fresh_line();
        let wants_id = self.options.heading_ids && (self.headings.from..self.edits.open_line).contains(&start);
        self.open_inline(heading(level));
        if wants_id && self.written.last() == Some(&true) {
            self.heading = Some(HeadingId { start, at: self.html.position() - 1, text: String::new() });
        }
    }

    fn end_heading(&mut self, level: HeadingLevel) {
        if let Some(HeadingId { start, at, text }) = self.heading.take()
            && let Some(slug) = slug(&text)
        {
            self.headings.found.push((start, slug.clone()));
            let id = format!("user-content-{}{}", self.options.id_prefix, self.headings.slugs.give(slug));
            self.html.insert_id(heading(level), at, &id);
        }
        self.close_block(heading(level));
    }

    fn start_quote(&mut self, kind: Option<BlockQuoteKind>) {
        self.html.fresh_line();
        let written = match kind {
            None => self.html.open(&el::BLOCKQUOTE),
            Some(kind) => self.html.open_with_word(&el::BLOCKQUOTE, "class", alert_class(kind)),
        };
        self.written.push(written);
        if written {
            self.html.separator();
        }
    }

    fn start_code_block(&mut self, kind: &CodeBlockKind<'_>) {
        self.in_code = true;
        self.html.fresh_line();
        self.open_inline(&el::PRE);
        let class = match kind {
            CodeBlockKind::Fenced(info) if self.options.code_classes => language(info),
            _ => "",
        };
        let code = match class {
            "" => self.html.open(&el::CODE),
            _ => {
                let tag = self.html.tag(&el::CODE);
                tag.map(|tag| tag.text("class", &["language-", class]).end()).is_some()
            }
        };
        // Too deep for both: a browser drops the first line feed in a `<pre>`, so it gets one that is not content.
        if !code && self.written.last() == Some(&true) {
            self.html.line_feed();
        }
        self.written.push(code);
    }

    /// A list is written if there is room for its items.
    fn start_list(&mut self, start: Option<u64>) {
        let written = self.html.has_room(2);
        self.written.push(written);
        if written {
            self.html.fresh_line();
            match start {
                None => self.html.open(&el::UL),
                Some(1) => self.html.open(&el::OL),
                Some(start) => self.html.tag(&el::OL).map(|tag| tag.number("start", start).end()).is_some(),
            };
            self.html.separator();
        }
    }

    /// An item goes with its list: where the list was written, there is room for it.
    fn start_item(&mut self) {
        let listed = self.written.last().copied().unwrap_or(false);
        if listed {
            self.html.fresh_line();
            self.html.open(&el::LI);
            self.html.content_follows();
        }
        self.written.push(listed);
    }

    fn start_footnote(&mut self, label: &CowStr<'e>) {
        self.html.fresh_line();
        let id = self.footnote_id(label);
        let number = self.footnote_number(label).to_string();
        let tag = self.html.tag(&el::DIV);
        let written =
            tag.map(|tag| tag.word("class", "footnote-definition").text("id", &[id.as_str()]).end()).is_some();
        self.written.push(written);
        let mark = self.html.open_with_word(&el::SUP, "class", "footnote-definition-label");
        self.html.text(&number);
        self.html.close(&el::SUP, mark);
    }

    fn start_table(&mut self, alignments: Vec<Alignment>) {
        let written = self.html.has_room(4);
        self.table = super::Table { written, alignments, in_head: true, cell: 0 };
        self.open_part(&el::TABLE);
    }

    fn start_head(&mut self) {
        self.table.cell = 0;
        self.open_part(&el::THEAD);
        self.open_part(&el::TR);
    }

    fn end_head(&mut self) {
        self.close_part(&el::TR);
        self.close_part(&el::THEAD);
        self.open_part(&el::TBODY);
        self.table_line();
        self.table.in_head = false;
    }

    fn start_row(&mut self) {
        self.table.cell = 0;
        self.open_part(&el::TR);
    }

    fn end_row(&mut self) {
        self.close_part(&el::TR);
        self.table_line();
    }

    fn end_table(&mut self) {
        self.close_part(&el::TBODY);
        self.close_part(&el::TABLE);
        self.table_line();
    }

    fn table_line(&mut self) {
        if self.table.written {
            self.html.separator();
        }
    }

    fn start_cell(&mut self) {
        let cell: &'static Element = if self.table.in_head { &el::TH } else { &el::TD };
        let side = match self.table.alignments.get(self.table.cell) {
            Some(Alignment::Left) => ("text-align: left", "left"),
            Some(Alignment::Center) => ("text-align: center", "center"),
            Some(Alignment::Right) => ("text-align: right", "right"),
            Some(Alignment::None) | None => return self.open_part(cell),
        };
        if self.table.written {
            match self.options.table_align {
                TableAlign::Style => self.html.open_with_word(cell, "style", side.0),
                TableAlign::Attribute => self.html.open_with_word(cell, "align", side.1),
            };
            self.html.content_follows();
        }
    }

    fn end_cell(&mut self) {
        self.table.cell += 1;
        self.close_part(if self.table.in_head { &el::TH } else { &el::TD });
    }

    /// A part of a table is written where the table is, and there is room for it then.
    #[inline(always)]
    fn open_part(&mut self, element: &Element) {
        if self.table.written {
            self.html.open(element);
            self.html.content_follows();
        }
    }

    #[inline(always)]
    fn close_part(&mut self, element: &Element) {
        self.html.close(element, self.table.written);
    }

    pub(super) fn rule(&mut self) {
        self.html.fresh_line();
        if let Some(tag) = self.html.tag(&el::HR) {
            tag.end_void(" />");
            self.html.separator();
        }
    }

    /// One line of an HTML block, as text. Its last line feeds are not content.
    pub(super) fn html_block_line(&mut self, line: &str) {
        let content = line.trim_end_matches('\n');
        if !content.is_empty() {
            self.html_block_feeds();
            self.html.text(content);
        }
        self.html_block_feeds += line.len() - content.len();
    }

    /// Writes the line feeds of an HTML block before what follows them in it.
    pub(super) fn html_block_feeds(&mut self) {
        for _ in 0..std::mem::take(&mut self.html_block_feeds) {
            self.html.line_feed();
        }
    }

    pub(super) fn checkbox(&mut self, checked: bool) {
        if let Some(tag) = self.html.tag(&el::INPUT) {
            let tag = tag.word("disabled", "").word("type", "checkbox");
            let tag = if checked { tag.word("checked", "") } else { tag };
            tag.end_void("/>");
        }
        self.html.line_feed();
    }
}

fn is_inline(tag: TagEnd) -> bool {
    matches!(tag, TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough | TagEnd::Link | TagEnd::Image)
}

fn heading(level: HeadingLevel) -> &'static Element {
    match level {
        HeadingLevel::H1 => &el::H1,
        HeadingLevel::H2 => &el::H2,
        HeadingLevel::H3 => &el::H3,
        HeadingLevel::H4 => &el::H4,
        HeadingLevel::H5 => &el::H5,
        HeadingLevel::H6 => &el::H6,
    }
}

fn alert_class(kind: BlockQuoteKind) -> &'static str {
    match kind {
        BlockQuoteKind::Note => "markdown-alert-note",
        BlockQuoteKind::Tip => "markdown-alert-tip",
        BlockQuoteKind::Important => "markdown-alert-important",
        BlockQuoteKind::Warning => "markdown-alert-warning",
        BlockQuoteKind::Caution => "markdown-alert-caution",
    }
}

/// The language that an info string names: up to the first character that could begin another class.
fn language(info: &str) -> &str {
    let end = info.find(|c: char| !(c.is_alphanumeric() || matches!(c, '+' | '#' | '.' | '_' | '-')));
    &info[..end.unwrap_or(info.len())]
}

#[cfg(test)]
mod tests {
    use super::language;

    #[test]
    fn a_language_is_letters_digits_and_a_few_signs() {
        for (info, expected) in [
            ("rust", "rust"),
            ("c++ ignored", "c++"),
            ("c#", "c#"),
            ("objective-c.x_y", "objective-c.x_y"),
            ("föö\tbar", "föö"),
            ("a\u{C}b", "a"),
            ("rust,ignore", "rust"),
            ("\"onclick=", ""),
            ("{.python}", ""),
            ("", ""),
        ] {
            assert_eq!(language(info), expected, "{info:?}");
        }
    }
}
