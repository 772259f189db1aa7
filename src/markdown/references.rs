//! Link reference definitions: which resolve, and how much text references may bring in.
//!
//! A definition is written once and copied into the page at every reference, so references amplify. Bounds, each a
//! function of the source up to the reference, so that a growing document never changes its mind:
//!
//! - the first definition of a label wins; one of more than [`Bounds::definition_bytes`] bytes resolves nothing;
//! - of the labels, the first [`Bounds::definitions`] resolve;
//! - URL and title that references bring in, as escaped in the page, stay within [`Bounds::expansion_free`] +
//!   [`Bounds::expansion_ratio`] × the bytes up to the reference's end; a reference that does not fit stays text.
//!
//! **Invariant:** whether a reference is a link depends only on what stands before its end, and on the definitions
//! (`references_do_not_depend_on_distant_text`).
//!
//! **Source:** CommonMark 0.31.2 §4.7 and §6.3; the bounds are ours.

mod hiding;
mod watch;

pub(super) use hiding::Gaps;
pub(super) use watch::{Run, Watch};

use super::escape;
use pulldown_cmark::{BrokenLink, BrokenLinkCallback, CowStr, RefDefs};
use std::collections::HashMap;
use unicase::UniCase;

/// pulldown-cmark gives up on references once they have brought in this many bytes, or the source's length if larger.
const PARSER_FUEL_MIN: usize = 100_000;
/// References that a view may put behind a source, at most.
const VIEW_REFERENCES_MAX: usize = 16;

/// What references may do. Tests have smaller numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// A longer definition, counted in bytes of the source, resolves nothing: real ones are a URL and a title.
    pub(super) definition_bytes: usize,
    /// Labels after these do not resolve: no document that people write has so many.
    pub(super) definitions: usize,
    /// What references may always bring in, in bytes.
    pub(super) expansion_free: usize,
    /// What they may bring in for each byte up to the reference.
    pub(super) expansion_ratio: usize,
}

/// The bounds of every document.
pub(super) const BOUNDS: Bounds =
    Bounds { definition_bytes: 2_048, definitions: 10_000, expansion_free: 32 * 1024, expansion_ratio: 8 };

impl Bounds {
    /// What references may have brought in where one ends at `end`.
    fn expansion(&self, end: usize) -> usize {
        self.expansion_free + self.expansion_ratio * end
    }

    /// Whether, however its references fall, no bound decides in this source, nor the parser's own limit.
    pub(super) fn are_far(&self, source: &str, found: &RefDefs<'_>) -> bool {
        // The dearest definition, as the page counts and as the parser does.
        let (mut count, mut escaped, mut plain, mut within) = (0, 0, 0, true);
        let mut scratch = String::new();
        for (_, definition) in found.iter() {
            count += 1;
            within &= definition.span.len() <= self.definition_bytes;
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
        let fuel = parser_fuel(source);
        let fits = |(earlier, at): (usize, usize)| {
            let references = references_max.min(earlier + 1);
            references * escaped <= self.expansion(at) && references * plain < fuel
        };
        within && count <= self.definitions && closers().enumerate().all(fits)
    }
}

/// What the parser lets references bring in, as it counts.
fn parser_fuel(source: &str) -> usize {
    PARSER_FUEL_MIN.max(source.len())
}

/// Whether so many definitions all resolve, as far as their number goes.
pub(super) fn is_few(definitions: usize) -> bool {
    definitions <= BOUNDS.definitions
}

/// Whether a definition is short enough to resolve.
pub(super) fn is_short(definition: &super::parser::Definition) -> bool {
    definition.span.len() <= BOUNDS.definition_bytes
}

/// The most bytes that one reference to any of these brings in, by the page's count, which is at least the parser's.
pub(super) fn dearest<'d>(definitions: impl IntoIterator<Item = &'d super::parser::Definition>) -> usize {
    let mut scratch = String::new();
    definitions.into_iter().map(|definition| cost(&definition.url, &definition.title, &mut scratch)).max().unwrap_or(0)
}

/// Whether so many references, each bringing in so much, stay within what is allowed at an offset, with room for what a
/// view puts behind a source to look at it.
pub(super) fn cannot_spend_much(references: usize, dearest: usize, at: usize) -> bool {
    (references + VIEW_REFERENCES_MAX) * dearest <= BOUNDS.expansion(at)
}

/// The most that each of so many references may bring in, by [`cannot_spend_much`].
pub(super) fn dearest_max(references: usize, at: usize) -> usize {
    BOUNDS.expansion(at) / (references + VIEW_REFERENCES_MAX)
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
    pub(super) fn new(found: &RefDefs<'_>, bounds: &Bounds) -> Self {
        let mut in_order: Vec<_> = found.iter().collect();
        in_order.sort_by_key(|(_, definition)| definition.span.start);
        let resolved = in_order.into_iter().take(bounds.definitions).map(|(label, found)| {
            let fits = found.span.len() <= bounds.definition_bytes;
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
    bounds: Bounds,
    spent: usize,
}

impl<'s> Resolver<'s> {
    pub(super) fn new(definitions: &'s Definitions, bounds: Bounds) -> Self {
        Self { definitions, bounds, spent: 0 }
    }
}

impl<'s> BrokenLinkCallback<'s> for Resolver<'s> {
    /// The answer is empty (URL and title are filled in later), so the parser's own limit is never touched.
    fn handle_broken_link(&mut self, link: BrokenLink<'s>) -> Option<(CowStr<'s>, CowStr<'s>)> {
        let definition = self.definitions.find(&link.reference)?;
        let spent = self.spent + definition.cost;
        (spent <= self.bounds.expansion(link.span.end)).then(|| {
            self.spent = spent;
            (CowStr::from(""), CowStr::from(""))
        })
    }
}
