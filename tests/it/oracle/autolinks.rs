//! GFM's extended autolinks: bare URLs and e-mail addresses in literal text.
//!
//! They are looked for in the text of a run of text events with nothing between them, outside links, images, code and
//! math. A URL begins with `http://`, `https://` or `www.`; one whose scheme is not
//! allowed stays text.
//!
//! **Source:** GFM 0.29, section 6.9.

use std::ops::Range;

use pulldown_cmark::{Event, LinkType, Tag, TagEnd};

use super::links::Url;
use super::write::{Cut, Placed};

/// A link found in a text: what it covers, and where it leads.
struct Found {
    range: Range<usize>,
    dest: String,
    /// More text there may be part of it: it is text until that is decided.
    open: bool,
}

/// Links bare URLs; of an unfinished source not one that touches its end, or markup that is closed for show only: it may
/// go on there.
pub(crate) fn link(events: Vec<Placed>, source: &str, cut: Option<&Cut>, url: &Url<'_>) -> Vec<Placed> {
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
                let edges = cut.map_or(Edges::default(), |cut| Edges::of(&whole, source, cut));
                out.extend(linked(&run.concat(), &whole, before, &edges, url));
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

/// What of an unfinished source stands beside a run of texts.
#[derive(Default)]
struct Edges {
    /// A URL that reaches the end of the run may go on.
    open_end: bool,
    /// The run follows a `_` that is not closed: an address at its front may begin before it.
    open_start: bool,
    /// Stands for a hidden character.
    hidden: Option<char>,
}

impl Edges {
    fn of(run: &Range<usize>, source: &str, cut: &Cut) -> Self {
        let underscores = source[..run.start].bytes().rev().take_while(|b| *b == b'_').count();
        Self {
            open_end: (run.start..=run.end).contains(&cut.end) || cut.openers.contains(&run.end),
            open_start: cut.openers.iter().any(|opener| (run.start - underscores..run.start).contains(opener)),
            hidden: cut.stand_in,
        }
    }

    /// Whether a URL that reaches up to `rest` may go on there.
    fn go_on(&self, rest: &str) -> bool {
        rest.is_empty() && self.open_end || self.hidden.is_some_and(|hidden| rest.starts_with(hidden))
    }
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

fn linked(text: &str, whole: &Range<usize>, outside: Option<char>, edges: &Edges, url: &Url<'_>) -> Vec<Placed> {
    let mut out = Vec::new();
    let mut rest = 0;
    let literal = |part: &str| (Event::Text(part.to_owned().into()), whole.clone());
    let mut at = 0;
    while at < text.len() {
        let before = text[..at].chars().next_back().or(outside);
        let after_hidden = before.is_some_and(|c| edges.hidden == Some(c));
        let seen = text[..at].chars().rev().find(|c| edges.hidden != Some(*c)).or(outside);
        let free = seen.is_none_or(may_stand_before);
        let found = if free && at >= rest {
            url_at(text, at, edges).or_else(|| email_at(text, at, before, edges))
        } else {
            None
        };
        let is_text = |found: &Found| found.open || after_hidden || url.judge(&found.dest) != found.dest;
        if let Some(found) = &found
            && is_text(found)
        {
            at = found.range.end;
        } else if let Some(found) = found {
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

fn may_stand_before(c: char) -> bool {
    c.is_whitespace() || "*_~(".contains(c)
}

fn url_at(text: &str, at: usize, edges: &Edges) -> Option<Found> {
    let rest = &text[at..];
    let (skip, scheme) = if rest.starts_with("http://") {
        (7, "")
    } else if rest.starts_with("https://") {
        (8, "")
    } else if rest.starts_with("www.") {
        (4, "http://")
    } else {
        return None;
    };
    if !valid_domain(&rest[skip..]) {
        return None;
    }
    let whole = rest.find(|c: char| c.is_whitespace() || c == '<').map_or(rest, |stop| &rest[..stop]);
    let open = edges.go_on(&rest[whole.len()..]) || edges.hidden.is_some_and(|hidden| whole.contains(hidden));
    let link = without_trailing(whole);
    Some(Found { range: at..at + link.len(), dest: format!("{scheme}{link}"), open })
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

fn email_at(text: &str, at: usize, before: Option<char>, edges: &Edges) -> Option<Found> {
    let rest = &text[at..];
    let in_local = |c: char| c.is_ascii_alphanumeric() || ".-_+".contains(c);
    let local = rest.find(|c| !in_local(c))?;
    let begins = at == 0 || !before.is_some_and(in_local);
    let holds_url = (at + 1..at + local).any(|inner| {
        let free = text[..inner].chars().next_back().is_some_and(may_stand_before);
        free && url_at(text, inner, edges).is_some()
    });
    if holds_url || !begins || local == 0 || !rest[local..].starts_with('@') {
        return None;
    }
    let domain = &rest[local + 1..];
    let host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let end = domain.find(|c| !host(c)).unwrap_or(domain.len());
    let open = edges.go_on(&domain[end..]) || at == 0 && edges.open_start;
    let domain = domain[..end].trim_end_matches('.');
    let labels: Vec<&str> = domain.split('.').collect();
    let sound = labels.len() >= 2 && labels.iter().all(|label| !label.is_empty()) && !domain.ends_with(['-', '_']);
    let address = &rest[..local + 1 + domain.len()];
    sound.then(|| Found { range: at..at + address.len(), dest: format!("mailto:{address}"), open })
}
