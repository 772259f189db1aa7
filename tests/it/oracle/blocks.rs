//! Raw HTML, language classes, footnote labels, heading ids.

use pulldown_cmark::{CodeBlockKind, Event, Tag, TagEnd};
use rillmark::markdown::options::Options;

use super::write::Placed;

/// Heading ids have at most this many characters behind their prefix.
const SLUG_CHARS_MAX: usize = 64;

/// A block of HTML becomes a paragraph of text, inline HTML becomes text.
pub(crate) fn html_to_text(events: Vec<Placed>) -> Vec<Placed> {
    let mut out = Vec::new();
    let mut events = events.into_iter();
    while let Some((event, range)) = events.next() {
        match event {
            Event::Start(Tag::HtmlBlock) => {
                let lines: String = events
                    .by_ref()
                    .take_while(|(event, _)| *event != Event::End(TagEnd::HtmlBlock))
                    .map(|(event, _)| match event {
                        Event::Html(text) | Event::Text(text) | Event::InlineHtml(text) => text.to_string(),
                        other => panic!("{other:?} in a block of HTML"),
                    })
                    .collect();
                out.push((Event::Start(Tag::Paragraph), range.clone()));
                // Not yet text, in which bare URLs would become links.
                out.push((Event::Html(lines.trim_end_matches('\n').to_owned().into()), range.clone()));
                out.push((Event::End(TagEnd::Paragraph), range));
            }
            other => out.push((other, range)),
        }
    }
    out
}

/// Raw HTML is written as text.
pub(crate) fn escape_html(events: Vec<Placed>) -> Vec<Placed> {
    let escaped = |event| match event {
        Event::Html(text) | Event::InlineHtml(text) => Event::Text(text),
        other => other,
    };
    events.into_iter().map(|(event, range)| (escaped(event), range)).collect()
}

/// The language class of a fence: letters, digits and `+ # . _ -`, up to the first other character.
pub(crate) fn languages(events: Vec<Placed>, options: &Options) -> Vec<Placed> {
    let class = |info: &str| -> String {
        let named = info.chars().take_while(|c| c.is_alphanumeric() || "+#._-".contains(*c));
        if options.code_classes { named.collect() } else { String::new() }
    };
    let filtered = |event| match event {
        Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(class(&info).into())))
        }
        other => other,
    };
    events.into_iter().map(|(event, range)| (filtered(event), range)).collect()
}

/// What footnotes are called in `id` and `href`.
pub(crate) fn footnote_names(events: Vec<Placed>, options: &Options) -> Vec<Placed> {
    let name = |label: &str| format!("user-content-{}fn-{label}", options.id_prefix);
    let named = |event| match event {
        Event::FootnoteReference(label) => Event::FootnoteReference(name(&label).into()),
        Event::Start(Tag::FootnoteDefinition(label)) => Event::Start(Tag::FootnoteDefinition(name(&label).into())),
        other => other,
    };
    events.into_iter().map(|(event, range)| (named(event), range)).collect()
}

/// Gives each heading its id; not to one that reaches beyond `complete`, the end of the complete lines.
pub(crate) fn heading_ids(mut events: Vec<Placed>, options: &Options, complete: usize) -> Vec<Placed> {
    let (mut slugs, mut given): (Vec<String>, Vec<String>) = Default::default();
    for i in 0..events.len() {
        if !matches!(events[i].0, Event::Start(Tag::Heading { .. })) || events[i].1.end > complete {
            continue;
        }
        let inside = events[i..].iter().map(|(event, _)| event);
        let slug = slug(&text(inside.take_while(|event| !matches!(event, Event::End(TagEnd::Heading(_))))));
        if slug.is_empty() {
            continue;
        }
        let equal = slugs.iter().filter(|earlier| **earlier == slug).count();
        let numbered = |n: usize| if n == 0 { slug.clone() } else { format!("{slug}-{n}") };
        let name = (equal..).map(numbered).find(|name| !given.contains(name)).expect("one of them is free");
        slugs.push(slug);
        if let Event::Start(Tag::Heading { id, .. }) = &mut events[i].0 {
            *id = Some(format!("user-content-{}{name}", options.id_prefix).into());
        }
        given.push(name);
    }
    events
}

fn text<'a>(events: impl Iterator<Item = &'a Event<'a>>) -> String {
    let of_one = |event: &'a Event<'a>| match event {
        Event::Text(t) | Event::Code(t) | Event::InlineHtml(t) | Event::InlineMath(t) | Event::DisplayMath(t) => &**t,
        Event::SoftBreak | Event::HardBreak => " ",
        _ => "",
    };
    events.map(of_one).collect()
}

fn slug(text: &str) -> String {
    let lower = |word: &str| word.chars().flat_map(char::to_lowercase).collect();
    let words: Vec<String> = text.split_whitespace().map(lower).collect();
    let kept = |c: &char| c.is_alphanumeric() || *c == '_' || *c == '-';
    words.join("-").chars().filter(kept).take(SLUG_CHARS_MAX).collect()
}
