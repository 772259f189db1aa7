//! The order of the steps, the stock writer, and the patches of what it wrote.

use std::ops::Range;

use pulldown_cmark::{CowStr, Event, LinkType, Options as Extensions, Parser, Tag, TagEnd, html::push_html};
use rillmark::markdown::options::{Options, Policy, TableAlign};

use super::links::Url;
use super::{autolinks, blocks, depth, links, references};

/// An event and where it stands in the source.
pub(crate) type Placed = (Event<'static>, Range<usize>);

/// How the rendering of an unfinished source, closed for show, differs from that of a finished one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cut {
    /// Where what is shown of the source stops: a bare URL that reaches it is text.
    pub end: usize,
    /// A heading that reaches beyond this offset has no id yet.
    pub complete: usize,
    /// The characters that begin here are not shown.
    pub hidden: Vec<usize>,
    /// Stands for them until bare URLs have been looked for.
    pub stand_in: Option<char>,
    /// Where markup begins that the source does not close. A bare URL that touches it, or something hidden, is text.
    pub openers: Vec<usize>,
    /// The character that begins here stands for this event.
    pub node: Option<(usize, Event<'static>)>,
}

/// The parser's extensions for these options.
pub(crate) fn extensions(options: &Options) -> Extensions {
    let table = [
        (options.tables, Extensions::ENABLE_TABLES),
        (options.strikethrough, Extensions::ENABLE_STRIKETHROUGH),
        (options.task_lists, Extensions::ENABLE_TASKLISTS),
        (options.footnotes, Extensions::ENABLE_FOOTNOTES),
        (options.alerts, Extensions::ENABLE_GFM),
        (options.math, Extensions::ENABLE_MATH),
    ];
    table.into_iter().filter(|(on, _)| *on).map(|(_, extension)| extension).collect()
}

/// R(S), or R'(S) with a `cut`.
pub(crate) fn html(text: &str, options: &Options, policy: &Policy, cut: Option<&Cut>) -> String {
    let url = Url::new(options, policy);
    let mut events = references::parse(text, extensions(options));
    let marks = Marks::unused_in(text, &events, cut);
    let cut = cut.map(|cut| Cut { stand_in: Some(marks.hidden), ..cut.clone() });
    let cut = cut.as_ref();
    if let Some(cut) = cut {
        events = hide(events, cut);
    }
    let events = links::flatten_images(events);
    let events = blocks::html_to_text(events);
    let events = blocks::languages(events, options);
    let events = blocks::footnote_names(events, options);
    let events = if options.heading_ids {
        blocks::heading_ids(events, options, cut.map_or(text.len(), |cut| cut.complete))
    } else {
        events
    };
    let events = if options.autolinks { autolinks::link(events, text, cut, &url) } else { events };
    let events = if cut.is_some() { drop_hidden(events, marks.hidden) } else { events };
    let events = blocks::escape_html(events);
    let events = links::unnest_links(events);
    let events = links::judge_urls(events, &url);
    let events = depth::limit(events, &marks);
    let events = links::blind_images(events, &url, &marks);
    let events = links::mark_rel(events, &url, &marks);
    let events = controls(events, &marks);
    let events = if options.dense { protect_line_feeds(events, &marks) } else { events };
    let written = stock(events.into_iter().map(|(event, _)| event));
    let patched = marks.patch(&written, &options.link_rel);
    let aligned = if options.table_align == TableAlign::Attribute { align_by_attribute(&patched) } else { patched };
    let spaced = if options.dense { aligned.replace('\n', "") } else { aligned };
    spaced.replace(marks.line_feed, "\n").replace(marks.carriage_return, "&#13;")
}

/// What the stock writer makes of events.
fn stock<'a>(events: impl Iterator<Item = Event<'a>>) -> String {
    let mut html = String::new();
    push_html(&mut html, events);
    html
}

/// `text` as HTML text.
pub(crate) fn escape_text(text: &str) -> String {
    stock([Event::Text(text.into())].into_iter())
}

/// `text` as the content of a `pre`, whose first line feed an HTML parser drops.
pub(crate) fn pre_text(text: &str) -> String {
    let extra = if text.starts_with('\n') { "\n" } else { "" };
    format!("{extra}{}", escape_text(text))
}

fn link_len(dest: &str, title: &str) -> usize {
    let (dest_url, title) = (CowStr::from(dest), CowStr::from(title));
    let tag = Tag::Link { link_type: LinkType::Inline, dest_url, title, id: "".into() };
    stock([Event::Start(tag), Event::End(TagEnd::Link)].into_iter()).len()
}

/// The bytes of a URL as the stock writer writes it.
pub(crate) fn href_len(dest: &str) -> usize {
    link_len(dest, "") - link_len("", "")
}

/// The bytes of an attribute's value as the stock writer writes it.
pub(crate) fn attribute_len(title: &str) -> usize {
    if title.is_empty() { 0 } else { link_len("", title) - (link_len("", "x") - 1) }
}

fn align_by_attribute(html: &str) -> String {
    let mut html = html.to_owned();
    for way in ["left", "center", "right"] {
        for cell in ["th", "td"] {
            html = html.replace(&format!("<{cell} style=\"text-align: {way}\">"), &format!("<{cell} align=\"{way}\">"));
        }
    }
    html
}

/// Takes the hidden characters out of the text, and puts the node in.
fn hide(events: Vec<Placed>, cut: &Cut) -> Vec<Placed> {
    let mut out = Vec::new();
    for (event, range) in events {
        let Event::Text(text) = &event else {
            out.push((event, range));
            continue;
        };
        if text.len() != range.len() {
            out.push((event, range));
            continue;
        }
        let mut shown = String::new();
        for (at, c) in text.char_indices().map(|(at, c)| (range.start + at, c)) {
            match &cut.node {
                Some((place, node)) if *place == at => {
                    out.push((Event::Text(std::mem::take(&mut shown).into()), range.clone()));
                    out.push((node.clone(), range.clone()));
                }
                _ if cut.hidden.contains(&at) => shown.extend(cut.stand_in),
                _ => shown.push(c),
            }
        }
        out.push((Event::Text(shown.into()), range));
    }
    out.retain(|(event, _)| !matches!(event, Event::Text(text) if text.is_empty()));
    out
}

/// Takes the stand-ins out of the text.
fn drop_hidden(events: Vec<Placed>, stand_in: char) -> Vec<Placed> {
    let mut events = map_texts(events, |text| text.replace(stand_in, ""));
    events.retain(|(event, _)| !matches!(event, Event::Text(text) if text.is_empty()));
    events
}

/// Applies `change` to every text that events carry and the writer writes as text or into an attribute that is not a URL.
fn map_texts(events: Vec<Placed>, change: impl Fn(&str) -> String) -> Vec<Placed> {
    let changed = |text: &CowStr<'_>| CowStr::from(change(text));
    let mapped = |event| match event {
        Event::Text(text) => Event::Text(changed(&text)),
        Event::Code(text) => Event::Code(changed(&text)),
        Event::InlineMath(text) => Event::InlineMath(changed(&text)),
        Event::DisplayMath(text) => Event::DisplayMath(changed(&text)),
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
            Event::Start(Tag::Link { link_type, dest_url, title: changed(&title), id })
        }
        Event::Start(Tag::Image { link_type, dest_url, title, id }) => {
            Event::Start(Tag::Image { link_type, dest_url, title: changed(&title), id })
        }
        other => other,
    };
    events.into_iter().map(|(event, range)| (mapped(event), range)).collect()
}

/// HTML text holds no controls but white space; a carriage return has to be spelled.
fn controls(events: Vec<Placed>, marks: &Marks) -> Vec<Placed> {
    let of_char = |c: char| match c {
        '\r' => marks.carriage_return,
        '\t' | '\n' | '\x0c' => c,
        c if c < ' ' => '\u{FFFD}',
        c => c,
    };
    map_texts(events, |text| text.chars().map(of_char).collect())
}

/// Line feeds of the content are marked, so that those of the writer can be told from them.
fn protect_line_feeds(events: Vec<Placed>, marks: &Marks) -> Vec<Placed> {
    let kept = marks.line_feed.to_string();
    let events = map_texts(events, |text| text.replace('\n', &kept));
    let html = |text: &str| Event::InlineHtml(format!("{text}{kept}").into());
    let mut in_image = false;
    let mut kept_after = |event| match event {
        Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => {
            in_image = !in_image;
            event
        }
        Event::SoftBreak if !in_image => html(""),
        Event::HardBreak if !in_image => html("<br />"),
        Event::TaskListMarker(_) => html(stock([event].into_iter()).trim_end()),
        other => other,
    };
    events.into_iter().map(|(event, range)| (kept_after(event), range)).collect()
}

/// Characters that the document does not hold: they go through the stock writer and say what is to be patched.
pub(crate) struct Marks {
    line_feed: char,
    carriage_return: char,
    rel: char,
    last_tag: char,
    next_tag: char,
    label: char,
    link: char,
    number: char,
    end: char,
    hidden: char,
}

impl Marks {
    fn unused_in(text: &str, events: &[Placed], cut: Option<&Cut>) -> Self {
        let stand_in = cut.and_then(|cut| cut.node.as_ref()).map(|(_, node)| node);
        let decoded = stock(events.iter().map(|(event, _)| event).chain(stand_in).cloned());
        let private = '\u{F0000}'..='\u{FFFFD}';
        let mut free = private.filter(|c| !text.contains(*c) && !decoded.contains(*c));
        let mut next = || free.next().expect("a document holds fewer characters than there are");
        Self {
            line_feed: next(),
            carriage_return: next(),
            rel: next(),
            last_tag: next(),
            next_tag: next(),
            label: next(),
            link: next(),
            number: next(),
            end: next(),
            hidden: next(),
        }
    }

    fn event(mark: char) -> Event<'static> {
        Event::InlineHtml(mark.to_string().into())
    }

    /// Behind a link's start: gives it `rel`.
    pub(crate) fn rel(&self) -> Event<'static> {
        Self::event(self.rel)
    }

    /// Drops the tag in front.
    pub(crate) fn drop_last_tag(&self) -> Event<'static> {
        Self::event(self.last_tag)
    }

    /// Drops the tag behind.
    pub(crate) fn drop_next_tag(&self) -> Event<'static> {
        Self::event(self.next_tag)
    }

    /// Behind a footnote definition's start: its label's number stands alone.
    pub(crate) fn drop_label(&self) -> Event<'static> {
        Self::event(self.label)
    }

    /// A footnote reference without its link.
    pub(crate) fn without_link(&self, reference: Event<'static>, range: Range<usize>) -> Vec<Placed> {
        let events = [Self::event(self.link), reference, Self::event(self.end)];
        events.map(|event| (event, range.clone())).to_vec()
    }

    /// A footnote's number without any tag.
    pub(crate) fn only_number(&self, footnote: Event<'static>) -> Vec<Event<'static>> {
        vec![Self::event(self.number), footnote, Self::event(self.end)]
    }

    /// A footnote reference's number without any tag.
    pub(crate) fn number_only(&self, reference: Event<'static>, range: Range<usize>) -> Vec<Placed> {
        self.only_number(reference).into_iter().map(|event| (event, range.clone())).collect()
    }

    /// Does what the marks in `html` say.
    fn patch(&self, html: &str, rel: &str) -> String {
        let mut out = String::new();
        let mut rest = html;
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            if c == self.rel {
                out.truncate(out.len() - 1);
                out += &format!(" rel=\"{rel}\">");
            } else if c == self.last_tag {
                out.truncate(out.rfind('<').expect("a tag stands in front"));
                if rest.starts_with(['\n', self.line_feed]) {
                    out.push(self.line_feed);
                }
            } else if c == self.next_tag {
                rest = rest.split_once('>').expect("a tag stands behind").1;
            } else if c == self.label {
                let tag = out.rfind("<sup").expect("the label stands in front");
                let label = out.split_off(tag);
                out += &without_tags(&label, "");
            } else if c == self.link || c == self.number {
                let (inside, behind) = rest.split_once(self.end).expect("the end is marked");
                out += &without_tags(inside, if c == self.link { "sup" } else { "" });
                rest = behind;
            } else {
                out.push(c);
            }
        }
        out
    }
}

/// `html` without its tags, but for those of `kept`; without line feeds.
fn without_tags(html: &str, kept: &str) -> String {
    let mut out = String::new();
    for part in html.replace('\n', "").split_inclusive('>') {
        let (text, tag) = part.split_at(part.find('<').unwrap_or(part.len()));
        let name: String = tag.trim_start_matches(['<', '/']).chars().take_while(char::is_ascii_alphabetic).collect();
        out += text;
        if !name.is_empty() && name == kept {
            out += tag;
        }
    }
    out
}

/// The events of a source, as the parser gives them.
pub(crate) fn parse(text: &str, options: &Options) -> Vec<Placed> {
    let events = Parser::new_ext(text, extensions(options)).into_offset_iter();
    events.map(|(event, range)| (event.into_static(), range)).collect()
}
