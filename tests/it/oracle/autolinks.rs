//! GFM's extended autolinks: bare URLs and e-mail addresses in literal text.
//!
//! They are looked for in the text of a run of text events with nothing between them, outside links, images, code and
//! math. A URL begins with `http://`, `https://` or `www.`, whatever the letters' case.
//!
//! **Source:** GFM 0.29, section 6.9.

use std::ops::Range;

use pulldown_cmark::{Event, LinkType, Tag, TagEnd};

use super::write::Placed;

/// A link found in a text: what it covers, and where it leads.
struct Found {
    range: Range<usize>,
    dest: String,
}

/// Links bare URLs; not one that reaches `end`, since it may go on there.
pub(crate) fn link(events: Vec<Placed>, source: &str, end: Option<usize>) -> Vec<Placed> {
    let mut out: Vec<Placed> = Vec::new();
    let mut barred = 0;
    let mut i = 0;
    while i < events.len() {
        let (event, range) = &events[i];
        match event {
            Event::Start(Tag::Link { .. } | Tag::Image { .. } | Tag::CodeBlock(_)) => barred += 1,
            Event::End(TagEnd::Link | TagEnd::Image | TagEnd::CodeBlock) => barred -= 1,
            Event::Text(_) if barred == 0 => {
                let run = run_at(&events[i..]);
                let whole = range.start..events[i + run.len() - 1].1.end;
                let before = if at_line_start(&out) { None } else { source[..whole.start].chars().next_back() };
                out.extend(linked(&run.concat(), &whole, before, end));
                i += run.len();
                continue;
            }
            _ => {}
        }
        out.push(events[i].clone());
        i += 1;
    }
    out
}

/// The texts at the front.
fn run_at(events: &[Placed]) -> Vec<String> {
    let texts = events.iter().map_while(|(event, _)| match event {
        Event::Text(text) => Some(text.to_string()),
        _ => None,
    });
    texts.collect()
}

/// Whether what comes next begins a block or a line.
fn at_line_start(before: &[Placed]) -> bool {
    let last = before.last().map(|(event, _)| event);
    match last {
        None | Some(Event::SoftBreak | Event::HardBreak | Event::TaskListMarker(_) | Event::Rule) => true,
        Some(Event::Start(tag)) => !matches!(tag, Tag::Emphasis | Tag::Strong | Tag::Strikethrough),
        Some(Event::End(tag)) => {
            !matches!(tag, TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough | TagEnd::Link | TagEnd::Image)
        }
        Some(_) => false,
    }
}

fn linked(text: &str, whole: &Range<usize>, before: Option<char>, end: Option<usize>) -> Vec<Placed> {
    let mut out = Vec::new();
    let mut rest = 0;
    let literal = |part: &str| (Event::Text(part.to_owned().into()), whole.clone());
    let mut at = 0;
    while at < text.len() {
        let before = text[..at].chars().next_back().or(before);
        let free = before.is_none_or(|c| c.is_whitespace() || "*_~(".contains(c));
        let touching = end.is_some_and(|end| whole.start <= end && end <= whole.end);
        let found =
            if free && at >= rest { url_at(text, at, touching).or_else(|| email_at(text, at, touching)) } else { None };
        if let Some(found) = found {
            if rest < found.range.start {
                out.push(literal(&text[rest..found.range.start]));
            }
            let (dest_url, title, id) = (found.dest.into(), "".into(), "".into());
            let tag = Tag::Link { link_type: LinkType::Autolink, dest_url, title, id };
            out.push((Event::Start(tag), whole.clone()));
            out.push(literal(&text[found.range.clone()]));
            out.push((Event::End(TagEnd::Link), whole.clone()));
            rest = found.range.end;
            at = found.range.end;
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    if rest < text.len() {
        out.push(literal(&text[rest..]));
    }
    out
}

fn begins(text: &str, with: &str) -> bool {
    text.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with))
}

fn url_at(text: &str, at: usize, touching: bool) -> Option<Found> {
    let rest = &text[at..];
    let (skip, scheme) = if begins(rest, "http://") {
        (7, "")
    } else if begins(rest, "https://") {
        (8, "")
    } else if begins(rest, "www.") {
        (0, "http://")
    } else {
        return None;
    };
    if !valid_domain(&rest[skip..]) {
        return None;
    }
    let whole = rest.find(|c: char| c.is_whitespace() || c == '<').map_or(rest, |stop| &rest[..stop]);
    if touching && whole.len() == rest.len() {
        return None;
    }
    let link = without_trailing(whole);
    Some(Found { range: at..at + link.len(), dest: format!("{scheme}{link}") })
}

fn valid_domain(rest: &str) -> bool {
    let host = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let end = rest.find(|c| !host(c)).unwrap_or(rest.len());
    let labels: Vec<&str> = rest[..end].trim_end_matches('.').split('.').collect();
    let last_two = &labels[labels.len().saturating_sub(2)..];
    labels.len() >= 2 && labels.iter().all(|l| !l.is_empty()) && last_two.iter().all(|l| !l.contains('_'))
}

/// Without what at the end of a URL is rather the sentence's.
fn without_trailing(mut url: &str) -> &str {
    loop {
        let shorter = match url.chars().next_back() {
            Some('?' | '!' | '.' | ',' | ':' | '*' | '_' | '~' | '\'' | '"') => &url[..url.len() - 1],
            Some(')') if url.matches(')').count() > url.matches('(').count() => &url[..url.len() - 1],
            Some(';') => match url.rfind('&') {
                Some(and) if is_name(&url[and + 1..url.len() - 1]) => &url[..and],
                _ => return url,
            },
            _ => return url,
        };
        url = shorter;
    }
}

fn is_name(entity: &str) -> bool {
    !entity.is_empty() && entity.chars().all(|c| c.is_ascii_alphanumeric())
}

fn email_at(text: &str, at: usize, touching: bool) -> Option<Found> {
    let rest = &text[at..];
    let local = rest.find(|c: char| !c.is_ascii_alphanumeric() && !".-_+".contains(c))?;
    if local == 0 || !rest[local..].starts_with('@') {
        return None;
    }
    let domain = &rest[local + 1..];
    let host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let end = domain.find(|c| !host(c)).unwrap_or(domain.len());
    if touching && end == domain.len() {
        return None;
    }
    let domain = domain[..end].trim_end_matches('.');
    let labels: Vec<&str> = domain.split('.').collect();
    let sound = labels.len() >= 2 && labels.iter().all(|label| !label.is_empty()) && !domain.ends_with(['-', '_']);
    let address = &rest[..local + 1 + domain.len()];
    sound.then(|| Found { range: at..at + address.len(), dest: format!("mailto:{address}") })
}
