//! URLs, `rel`, images that are not loaded, links within links.

use pulldown_cmark::{CowStr, Event, LinkType, Tag, TagEnd};
use rillmark::markdown::options::{Images, Options, Policy};

use super::write::{Marks, Placed};

/// Judges URLs as a browser would read them.
pub(crate) struct Url<'a> {
    options: &'a Options,
    policy: &'a Policy,
}

/// What is left of an attribute's value when a browser has read it as a URL.
fn as_read(url: &str) -> String {
    let trimmed = url.trim_matches(|c: char| c <= ' ');
    trimmed.chars().filter(|c| !matches!(c, '\t' | '\n' | '\r')).collect()
}

fn scheme(url: &str) -> Option<String> {
    let (scheme, _) = url.split_once(':')?;
    let mut chars = scheme.chars();
    let begins = chars.next()?.is_ascii_alphabetic();
    let goes_on = chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    (begins && goes_on).then(|| scheme.to_ascii_lowercase())
}

impl<'a> Url<'a> {
    /// Judges by what the caller asked for and the operator allows.
    pub(crate) fn new(options: &'a Options, policy: &'a Policy) -> Self {
        Self { options, policy }
    }

    /// The URL as it may be written.
    pub(crate) fn judge(&self, url: &str) -> String {
        let allowed = scheme(&as_read(url)).is_none_or(|scheme| self.policy.url_schemes.contains(&scheme));
        if allowed { url.to_owned() } else { "#".to_owned() }
    }

    /// Whether an image with this (judged) URL is loaded.
    fn loads(&self, url: &str) -> bool {
        if self.options.images == Images::None {
            return false;
        }
        let url = as_read(url);
        let climbs = url.split(['/', '?', '#']).any(|part| part.to_ascii_lowercase().replace("%2e", ".") == "..");
        let plain = !url.contains('\\') && !climbs;
        let prefixes = &self.policy.image_prefixes;
        prefixes.is_empty() || plain && prefixes.iter().any(|prefix| begins(&url, prefix))
    }

    /// Whether a link to this (judged) URL leaves the site.
    fn leaves(&self, url: &str) -> bool {
        let url = as_read(url);
        matches!(scheme(&url).as_deref(), Some("http" | "https")) || url.starts_with("//")
    }
}

fn begins(url: &str, prefix: &str) -> bool {
    url.starts_with(prefix) && !(prefix.starts_with('/') && !prefix.starts_with("//") && url.starts_with("//"))
}

/// Every URL is judged, once, here.
pub(crate) fn judge_urls(events: Vec<Placed>, url: &Url) -> Vec<Placed> {
    let judged = |event| match event {
        Event::Start(Tag::Link { link_type: LinkType::Email, dest_url, title, id }) => {
            let whole = format!("mailto:{dest_url}");
            Event::Start(Tag::Link { link_type: LinkType::Inline, dest_url: url.judge(&whole).into(), title, id })
        }
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
            Event::Start(Tag::Link { link_type, dest_url: url.judge(&dest_url).into(), title, id })
        }
        Event::Start(Tag::Image { link_type, dest_url, title, id }) => {
            Event::Start(Tag::Image { link_type, dest_url: url.judge(&dest_url).into(), title, id })
        }
        other => other,
    };
    events.into_iter().map(|(event, range)| (judged(event), range)).collect()
}

/// A link within a link is written as its content.
pub(crate) fn unnest_links(events: Vec<Placed>) -> Vec<Placed> {
    let mut depth = 0;
    let mut kept = |event: &Event<'_>| match event {
        Event::Start(Tag::Link { .. }) => {
            depth += 1;
            depth == 1
        }
        Event::End(TagEnd::Link) => {
            depth -= 1;
            depth == 0
        }
        _ => true,
    };
    events.into_iter().filter(|(event, _)| kept(event)).collect()
}

/// The patch for `rel` goes behind the start of each link that leaves the site.
pub(crate) fn mark_rel(events: Vec<Placed>, url: &Url, marks: &Marks) -> Vec<Placed> {
    let mut out = Vec::new();
    for (event, range) in events {
        let leaves = matches!(&event, Event::Start(Tag::Link { dest_url, .. }) if url.leaves(dest_url));
        out.push((event, range.clone()));
        if leaves && !url.options.link_rel.is_empty() {
            out.push((marks.rel(), range));
        }
    }
    out
}

/// An image that is not loaded becomes its alternative text in a `span`.
pub(crate) fn blind_images(events: Vec<Placed>, url: &Url, marks: &Marks) -> Vec<Placed> {
    let mut out = Vec::new();
    let mut events = events.into_iter();
    while let Some((event, range)) = events.next() {
        match &event {
            Event::Start(Tag::Image { dest_url, .. }) => {
                let within = image_content(&mut events);
                if url.loads(dest_url) {
                    out.push((event, range.clone()));
                    out.extend(within);
                    out.push((Event::End(TagEnd::Image), range));
                } else {
                    out.push((Event::InlineHtml("<span class=\"rillmark-image\">".into()), range.clone()));
                    out.extend(alt_text(within, marks));
                    out.push((Event::InlineHtml("</span>".into()), range));
                }
            }
            _ => out.push((event, range)),
        }
    }
    out
}

/// What stands in an image is text: marks and links in it are not written.
pub(crate) fn flatten_images(events: Vec<Placed>) -> Vec<Placed> {
    let mut depth = 0;
    let mut kept = |event: &Event<'_>| match event {
        Event::Start(Tag::Image { .. }) => {
            depth += 1;
            depth == 1
        }
        Event::End(TagEnd::Image) => {
            depth -= 1;
            depth == 0
        }
        Event::Start(_) | Event::End(_) => depth == 0,
        _ => true,
    };
    events.into_iter().filter(|(event, _)| kept(event)).collect()
}

/// Takes what stands in an image, its end included.
pub(crate) fn image_content(events: &mut impl Iterator<Item = Placed>) -> Vec<Placed> {
    events.take_while(|(event, _)| !matches!(event, Event::End(TagEnd::Image))).collect()
}

/// Events that write what the stock writer would put into `alt`.
pub(crate) fn alt_text(within: Vec<Placed>, marks: &Marks) -> Vec<Placed> {
    let mut out = Vec::new();
    for (event, range) in within {
        let text: CowStr<'static> = match event {
            Event::Text(text) | Event::Code(text) | Event::InlineHtml(text) => text,
            Event::InlineMath(math) => format!("${math}$").into(),
            Event::DisplayMath(math) => format!("$${math}$$").into(),
            Event::SoftBreak | Event::HardBreak | Event::Rule => " ".into(),
            Event::TaskListMarker(done) => if done { "[x]" } else { "[ ]" }.into(),
            Event::FootnoteReference(_) => {
                out.push((Event::Text("[".into()), range.clone()));
                out.extend(marks.number_only(event, range.clone()));
                "]".into()
            }
            Event::Start(_) | Event::End(_) | Event::Html(_) => continue,
        };
        out.push((Event::Text(text), range));
    }
    out
}
