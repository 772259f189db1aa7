//! Nothing stands deeper than [`DEPTH_MAX`]: an element that would is written as its content.
//!
//! Every element that is written counts, blocks and inlines alike. A list is kept only with its items, a table only
//! with its cells.

use pulldown_cmark::{Event, Tag, TagEnd};

use super::DEPTH_MAX;
use super::links::{alt_text, image_content};
use super::write::{Marks, Placed};

/// What became of an open block or inline.
#[derive(Clone, Copy)]
struct Open {
    /// How many elements it wrote.
    elements: usize,
    link: bool,
}

/// How many levels a kind of block or inline needs to be written at all, and how many it then holds open.
fn levels(tag: &Tag<'_>) -> (usize, usize) {
    match tag {
        Tag::List(_) => (2, 1),
        Tag::Table(_) => (4, 1),
        Tag::TableHead | Tag::TableRow => (2, 2),
        _ => (1, 1),
    }
}

/// Drops what is too deep.
pub(crate) fn limit(events: Vec<Placed>, marks: &Marks) -> Vec<Placed> {
    let mut open: Vec<Open> = Vec::new();
    let mut out = Vec::new();
    let mut events = events.into_iter();
    while let Some((event, range)) = events.next() {
        let depth: usize = open.iter().map(|open| open.elements).sum();
        let fits = |levels| depth + levels <= DEPTH_MAX;
        match event {
            Event::Start(Tag::Image { .. }) => {
                let within = image_content(&mut events);
                if fits(1) {
                    out.push((event, range.clone()));
                    out.extend(within);
                    out.push((Event::End(TagEnd::Image), range));
                } else {
                    out.extend(alt_text(within, marks));
                }
            }
            Event::Start(tag) => {
                let (needs, holds) = levels(&tag);
                let of_dropped = matches!(tag, Tag::Item | Tag::TableHead | Tag::TableRow | Tag::TableCell)
                    && open.last().is_some_and(|parent| parent.elements == 0);
                let written = !of_dropped && fits(needs);
                open.push(Open { elements: if written { holds } else { 0 }, link: matches!(tag, Tag::Link { .. }) });
                out.extend(start(tag, written, fits(2), marks).into_iter().map(|event| (event, range.clone())));
            }
            Event::End(tag) => {
                let closed = open.pop().expect("the parser closes what it opened");
                let code_dropped = tag == TagEnd::CodeBlock && closed.elements == 1 && depth == DEPTH_MAX;
                if code_dropped {
                    out.push((marks.drop_next_tag(), range.clone()));
                }
                if closed.elements > 0 {
                    out.push((Event::End(tag), range));
                }
            }
            Event::FootnoteReference(_) if !fits(1) => out.extend(marks.number_only(event, range)),
            Event::FootnoteReference(_) if !fits(2) || open.iter().any(|open| open.link) => {
                out.extend(marks.without_link(event, range));
            }
            Event::Rule if !fits(1) => {}
            Event::HardBreak | Event::TaskListMarker(_) if !fits(1) => out.push((Event::SoftBreak, range)),
            Event::Code(text) | Event::InlineMath(text) | Event::DisplayMath(text) if !fits(1) => {
                out.push((Event::Text(text), range));
            }
            event => out.push((event, range)),
        }
    }
    out
}

/// What is written for the start of a block or inline; `second` if its second element fits too.
fn start(tag: Tag<'static>, written: bool, second: bool, marks: &Marks) -> Vec<Event<'static>> {
    match tag {
        Tag::FootnoteDefinition(_) if !written => marks.only_number(Event::Start(tag)),
        Tag::FootnoteDefinition(_) if !second => vec![Event::Start(tag), marks.drop_label()],
        Tag::CodeBlock(_) if written && !second => vec![Event::Start(tag), marks.drop_last_tag()],
        tag if written => vec![Event::Start(tag)],
        _ => Vec::new(),
    }
}
