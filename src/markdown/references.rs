//! Link reference definitions: which resolve, and how much text references may bring in.
//!
//! A definition is written once and copied into the page at every reference, so references amplify. Bounds, each a
//! function of the source up to the reference, so that a growing document never changes its mind:
//!
//! - the first definition of a label wins; one of more than [`DEFINITION_BYTES_MAX`] bytes resolves nothing;
//! - of the labels, the first [`DEFINITIONS_MAX`] resolve;
//! - URL and title that references bring in, as escaped in the page, stay within [`EXPANSION_BYTES_FREE`] +
//!   [`EXPANSION_RATIO`] × the bytes up to the reference's end; a reference that does not fit stays text.
//!
//! **Invariant:** whether a reference is a link depends only on what stands before its end, and on the definitions
//! (`references_do_not_depend_on_distant_text`).
//!
//! **Invariant:** all of it is linear in the source (`hiding_definitions_costs_linear_time`).
//!
//! **Source:** CommonMark 0.31.2 §4.7 and §6.3; the bounds are ours.

use super::escape;
use pulldown_cmark::{BrokenLink, BrokenLinkCallback, CowStr, Event, Options as Flags, Parser, RefDefs, Tag};
use std::collections::HashMap;
use unicase::UniCase;

/// A longer definition, counted in bytes of the source, resolves nothing: real ones are a URL and a title.
const DEFINITION_BYTES_MAX: usize = 2_048;
/// Labels after these do not resolve: no document that people write has so many.
const DEFINITIONS_MAX: usize = 10_000;
/// What references may always bring in, in bytes.
const EXPANSION_BYTES_FREE: usize = 32 * 1024;
/// What they may bring in for each byte up to the reference.
const EXPANSION_RATIO: usize = 8;
/// pulldown-cmark gives up on references once they have brought in this many bytes, or the source's length if larger.
const PARSER_FUEL_MIN: usize = 100_000;
/// References that a view may put behind a source, at most.
const VIEW_REFERENCES_MAX: usize = 16;
/// Stands in the labels of hidden definitions. The normaliser leaves none of it in a source, so no reference names one.
const HIDDEN: u8 = 0x01;

/// Whether, however its references fall, no bound decides in this source, nor the parser's own limit.
pub(super) fn cannot_reach_a_bound(source: &str, found: &RefDefs<'_>) -> bool {
    // The dearest definition, as the page counts and as the parser does.
    let (mut count, mut escaped, mut plain, mut within) = (0, 0, 0, true);
    let mut scratch = String::new();
    for (_, definition) in found.iter() {
        count += 1;
        within &= definition.span.len() <= DEFINITION_BYTES_MAX;
        let (url, title) = (definition.dest.as_ref(), definition.title.as_deref().unwrap_or_default());
        plain = plain.max(url.len() + title.len());
        escaped = escaped.max(cost(url, title, &mut scratch));
    }
    // Every definition takes one `]`, and every reference another.
    let closers = || memchr::memchr_iter(b']', source.as_bytes());
    let references_max = if count == 0 { 0 } else { closers().count().saturating_sub(count) };
    if references_max == 0 {
        return true;
    }
    let fuel = PARSER_FUEL_MIN.max(source.len());
    let fits = |(earlier, at): (usize, usize)| {
        let references = references_max.min(earlier + 1);
        references * escaped <= EXPANSION_BYTES_FREE + EXPANSION_RATIO * at && references * plain < fuel
    };
    within && count <= DEFINITIONS_MAX && closers().enumerate().all(fits)
}

/// Whether a definition is short enough to resolve.
pub(super) fn is_short(definition: &super::parser::Definition) -> bool {
    definition.span.len() <= DEFINITION_BYTES_MAX
}

/// The most bytes that one reference to any of these brings in, by the page's count, which is at least the parser's.
pub(super) fn dearest<'d>(definitions: impl Iterator<Item = &'d super::parser::Definition>) -> usize {
    let mut scratch = String::new();
    definitions.map(|definition| cost(&definition.url, &definition.title, &mut scratch)).max().unwrap_or(0)
}

/// Whether so many references, each bringing in so much, stay within what is allowed at an offset, with room for what a
/// view puts behind a source to look at it.
pub(super) fn cannot_spend_much(references: usize, dearest: usize, at: usize) -> bool {
    (references + VIEW_REFERENCES_MAX) * dearest <= EXPANSION_BYTES_FREE + EXPANSION_RATIO * at
}

/// Whether the parser's own limit is out of their reach in a source of so many bytes.
pub(super) fn parser_allows(references: usize, dearest: usize, source_bytes: usize) -> bool {
    (references + VIEW_REFERENCES_MAX) * dearest < PARSER_FUEL_MIN.max(source_bytes)
}

/// Bytes that a reference to this URL and title brings into the page.
fn cost(url: &str, title: &str, scratch: &mut String) -> usize {
    scratch.clear();
    escape::href(scratch, url);
    escape::attribute(scratch, title);
    scratch.len()
}

/// What a source defines.
pub(super) struct Definitions {
    by_label: HashMap<UniCase<String>, Option<Definition>>,
}

struct Definition {
    url: String,
    title: String,
    /// Bytes that a reference to it brings into the page.
    cost: usize,
}

impl Definitions {
    pub(super) fn new(found: &RefDefs<'_>) -> Self {
        let mut in_order: Vec<_> = found.iter().collect();
        in_order.sort_by_key(|(_, definition)| definition.span.start);
        let resolved = in_order.into_iter().take(DEFINITIONS_MAX).map(|(label, found)| {
            let fits = found.span.len() <= DEFINITION_BYTES_MAX;
            let definition = fits.then(|| Definition::new(&found.dest, found.title.as_deref().unwrap_or_default()));
            (UniCase::new(label.to_owned()), definition)
        });
        Self { by_label: resolved.collect() }
    }

    /// URL and title of a label that resolves.
    pub(super) fn get(&self, label: &str) -> Option<(&str, &str)> {
        self.find(label).map(|definition| (definition.url.as_str(), definition.title.as_str()))
    }

    fn find(&self, label: &str) -> Option<&Definition> {
        self.by_label.get(&UniCase::new(label.to_owned()))?.as_ref()
    }
}

impl Definition {
    fn new(url: &str, title: &str) -> Self {
        Self { url: url.to_owned(), title: title.to_owned(), cost: cost(url, title, &mut String::new()) }
    }
}

/// Answers the parser for each reference, in its order, within the bounds.
pub(super) struct Resolver<'s> {
    definitions: &'s Definitions,
    spent: usize,
}

impl<'s> Resolver<'s> {
    pub(super) fn new(definitions: &'s Definitions) -> Self {
        Self { definitions, spent: 0 }
    }
}

impl<'s> BrokenLinkCallback<'s> for Resolver<'s> {
    /// The answer is empty (URL and title are filled in later), so the parser's own limit is never touched.
    fn handle_broken_link(&mut self, link: BrokenLink<'s>) -> Option<(CowStr<'s>, CowStr<'s>)> {
        let definition = self.definitions.find(&link.reference)?;
        let allowed = EXPANSION_BYTES_FREE + EXPANSION_RATIO * link.span.end;
        let spent = self.spent + definition.cost;
        (spent <= allowed).then(|| {
            self.spent = spent;
            (CowStr::from(""), CowStr::from(""))
        })
    }
}

/// The source, byte for byte as long, with the label of every definition changed so that no reference names it: those
/// that lose against an earlier one of their label too, which the parser does not list. They are found as the parser
/// leaves them: between the leaves of the document there is nothing but definitions and the marks of containers.
pub(super) fn hide(source: &str, flags: Flags) -> String {
    let footnotes = flags.contains(Flags::ENABLE_FOOTNOTES);
    let mut bytes = source.as_bytes().to_vec();
    let mut covered = 0;
    for (event, range) in Parser::new_ext(source, flags).into_offset_iter() {
        if is_container(&event) {
            continue;
        }
        if range.start > covered {
            hide_labels(&mut bytes[covered..range.start], footnotes);
        }
        covered = covered.max(range.end);
    }
    hide_labels(&mut bytes[covered..], footnotes);
    String::from_utf8(bytes).unwrap_or_else(|_| source.to_owned())
}

fn is_container(event: &Event<'_>) -> bool {
    match event {
        Event::Start(tag) => {
            matches!(tag, Tag::BlockQuote(_) | Tag::List(_) | Tag::Item | Tag::FootnoteDefinition(_))
        }
        Event::End(_) => true,
        _ => false,
    }
}

/// Changes every `[label]:` that begins a line in a stretch of definitions. What begins a line inside a title is changed
/// too, which does no harm; a destination is stepped over, since there it would.
fn hide_labels(gap: &mut [u8], footnotes: bool) {
    let mut at = 0;
    while at < gap.len() {
        at = after_containers(gap, at, footnotes);
        if gap.get(at) == Some(&b'[')
            && let Some(close) = label_end(gap, at + 1)
            && gap.get(close + 1) == Some(&b':')
        {
            hide_label(&mut gap[at + 1..close]);
            at = after_destination(gap, close + 2);
        }
        at = memchr::memchr(b'\n', &gap[at..]).map_or(gap.len(), |feed| at + feed + 1);
    }
}

/// Behind the marks of containers that a line begins with.
fn after_containers(gap: &[u8], mut at: usize, footnotes: bool) -> usize {
    loop {
        at += gap[at..].iter().take_while(|b| b" \t>-+*0123456789.)".contains(b)).count();
        if !(footnotes && gap[at..].starts_with(b"[^")) {
            return at;
        }
        match label_end(gap, at + 1).filter(|close| gap.get(close + 1) == Some(&b':')) {
            Some(close) => at = close + 2,
            None => return at,
        }
    }
}

/// Behind the destination of a definition, which may stand on the next line.
fn after_destination(gap: &[u8], at: usize) -> usize {
    let blank = |b: &&u8| matches!(b, b' ' | b'\t');
    let mut start = at + gap[at..].iter().take_while(blank).count();
    if gap.get(start) == Some(&b'\n') {
        start += 1;
        start += gap[start..].iter().take_while(|b| matches!(b, b' ' | b'\t' | b'>')).count();
    }
    start + gap[start..].iter().take_while(|b| !b.is_ascii_whitespace()).count()
}

/// Where the label that begins at `at` ends: at the first `]` that no backslash protects, if no `[` comes before it.
fn label_end(gap: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at += memchr::memchr3(b'[', b']', b'\\', gap.get(at..)?)?;
        match gap[at] {
            b'\\' => at = (at + 2).min(gap.len()),
            b']' => return Some(at),
            _ => return None,
        }
    }
}

/// Overwrites the label's first character that is neither white space nor the mark of a quote on a new line.
fn hide_label(label: &mut [u8]) {
    let mut new_line = false;
    let mut at = 0;
    while at < label.len() {
        match label[at] {
            b'\n' => new_line = true,
            b' ' | b'\t' | b'\r' => {}
            b'>' if new_line => {}
            b'\\' if at + 1 < label.len() && label[at + 1].is_ascii_punctuation() => {
                return label[at..at + 2].fill(HIDDEN);
            }
            byte => {
                let rest = label[at + 1..].iter().take_while(|b| byte >= 0x80 && (**b & 0xC0) == 0x80).count();
                return label[at..=at + rest].fill(HIDDEN);
            }
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_hidden_and_nothing_else_moves() {
        for (source, expected) in [
            ("[a]: /u\n\n[a]", "[\u{1}]: /u\n\n[a]"),
            ("[a]: /u\n[a]: /v\n\ntext [a]: x\n", "[\u{1}]: /u\n[\u{1}]: /v\n\ntext [a]: x\n"),
            ("> [\n> é]: /u\n", "> [\n> \u{1}\u{1}]: /u\n"),
            ("[\\]]: /u\n", "[\u{1}\u{1}]: /u\n"),
            ("- [a]: /u\n- b\n", "- [\u{1}]: /u\n- b\n"),
            ("    [a]: /u\n", "    [a]: /u\n"),
            ("[a]: /u 'x\n[b]: y'\n", "[\u{1}]: /u 'x\n[\u{1}]: y'\n"),
            ("```\n[a]: /u\n```\n[a]: /u", "```\n[a]: /u\n```\n[\u{1}]: /u"),
        ] {
            assert_eq!(hide(source, Flags::empty()), expected, "{source:?}");
        }
        assert_eq!(hide("[^a]: x\n", Flags::ENABLE_FOOTNOTES), "[^a]: x\n");
    }

    #[test]
    fn hiding_definitions_costs_linear_time() {
        // Each of these is one gap between leaves; looked at anew from every line, it takes minutes.
        let lines = 300_000;
        for source in [
            format!("[a]: /{}\n{}", "x".repeat(2_050), "\n".repeat(lines)),
            format!("[a]: /u '{}'\n", "x\n".repeat(lines)),
            format!("[a]: /u '{}'\n", "[x\n".repeat(lines)),
            format!("[a]: /u '{}'\n", "[^x\n".repeat(lines)),
            "[a]: /u\n".repeat(lines / 8),
        ] {
            assert_eq!(hide(&source, Flags::ENABLE_FOOTNOTES).len(), source.len());
        }
    }
}
