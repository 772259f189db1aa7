//! References as the parser resolved them, judged by the bounds while its events go by.
//!
//! The parser knows no bounds. Where one decides against a reference, most often nothing changes but that it is text:
//! such a reference is written so, and the parser goes on. Where more could change (a bracket before it that its
//! link had disabled, marks inside it), the judge does not know, and the source has to be parsed by the bounds.
//!
//! The parser resolves a reference when it reads its end; its events tell an outer one before an inner one. Taken in the
//! order of events, what was spent before is the truth for one that stands in no other, and too much for the others: so
//! whoever fits here fits.
//!
//! **Invariant:** what the judge lets pass is what a parse by the bounds gives (`watched_events_are_the_bounded_ones`).
//!
//! **Source:** CommonMark 0.31.2 §6.3, and its appendix ("look for link or image").

use super::{Bounds, cost, parser_fuel};
use pulldown_cmark::{CowStr, Event, LinkType, RefDefs, Tag, TagEnd};
use std::ops::Range;

/// Inline events, one after the other, that no block parts: what the parser resolves together.
pub(in crate::markdown) type Run<'s> = Vec<(Event<'s>, Range<usize>)>;

/// Judges references, run by run.
pub(in crate::markdown) struct Watch<'s> {
    source: &'s str,
    bounds: Bounds,
    /// What references have brought into the page.
    spent: usize,
    /// What they may still bring in as the parser counts.
    fuel: usize,
    /// Definitions that start here or later resolve nothing.
    late: usize,
    /// Some definition is too long.
    any_long: bool,
    scratch: String,
}

/// How far a run is free of brackets that a link could disable.
struct Clean<'s> {
    source: &'s str,
    from: usize,
    /// Links and images that are open, and whether the outermost one began in the clean.
    open: usize,
    outermost: bool,
}

impl<'s> Watch<'s> {
    pub(in crate::markdown) fn new(source: &'s str, found: &RefDefs<'_>, bounds: Bounds) -> Self {
        let mut starts: Vec<usize> = found.iter().map(|(_, definition)| definition.span.start).collect();
        let late = match starts.len() > bounds.definitions {
            true => *starts.select_nth_unstable(bounds.definitions).1,
            false => usize::MAX,
        };
        let any_long = found.iter().any(|(_, definition)| definition.span.len() > bounds.definition_bytes);
        Self { source, bounds, spent: 0, fuel: parser_fuel(source), late, any_long, scratch: String::new() }
    }

    /// Makes text of the references in `run` that do not resolve. `paragraph`: where the paragraph starts whose text this
    /// is. `None` if it is not known what the bounds would make of it; what stands in `run` then is of no use.
    pub(in crate::markdown) fn judge(
        &mut self,
        run: &mut Run<'s>,
        paragraph: Option<usize>,
        found: &RefDefs<'_>,
    ) -> Option<()> {
        let mut clean = paragraph.map(|from| Clean { source: self.source, from, open: 0, outermost: false });
        for at in 0..run.len() {
            let (event, range) = &run[at];
            if !matches!(event, Event::Start(Tag::Link { .. } | Tag::Image { .. }) | Event::End(_)) {
                continue;
            }
            if let Some((link_type, url, title, label)) = reference(event)
                && !self.resolves(label, url, title, range.end, found)?
            {
                let alone = link_type == LinkType::Shortcut && holds_plain_text(&run[at..]);
                let clean = clean.as_mut().filter(|clean| alone && clean.is_clean(range.start))?;
                let (start, end) = (range.start, range.end);
                clean.from = end;
                run[at] = self.text(start..start + 1);
                run[at + 2] = self.text(end - 1..end);
            } else if let Some(clean) = &mut clean {
                clean.pass(event, range);
            }
        }
        Some(())
    }

    fn text(&self, range: Range<usize>) -> (Event<'s>, Range<usize>) {
        (Event::Text(CowStr::Borrowed(&self.source[range.clone()])), range)
    }

    /// Whether a reference that the parser resolved does so by the bounds. `None`: the parser's own limit is reached.
    fn resolves(
        &mut self,
        label: &str,
        url: &CowStr<'_>,
        title: &str,
        end: usize,
        found: &RefDefs<'_>,
    ) -> Option<bool> {
        self.fuel = self.fuel.checked_sub(url.len() + title.len()).filter(|left| *left > 0)?;
        if self.any_long || self.late < usize::MAX {
            let at = self.place(url).filter(|_| !self.any_long);
            let long = |length| length > self.bounds.definition_bytes;
            let refused = match at {
                Some(at) => at >= self.late,
                None => found.get(label).is_none_or(|found| found.span.start >= self.late || long(found.span.len())),
            };
            if refused {
                return Some(false);
            }
        }
        let spent = self.spent + cost(url, title, &mut self.scratch);
        let fits = spent <= self.bounds.expansion(end);
        if fits {
            self.spent = spent;
        }
        Some(fits)
    }

    /// Where a definition's URL stands in the source, which tells the definition without a look into the map of them.
    fn place(&self, url: &CowStr<'_>) -> Option<usize> {
        let CowStr::Borrowed(url) = url else { return None };
        let at = url.as_ptr().addr().checked_sub(self.source.as_ptr().addr())?;
        (at < self.source.len()).then_some(at)
    }
}

impl Clean<'_> {
    fn is_clean(&self, to: usize) -> bool {
        self.open == 0 && self.source.get(self.from..to).is_some_and(|text| !text.contains('['))
    }

    fn pass(&mut self, event: &Event<'_>, range: &Range<usize>) {
        match event {
            Event::Start(Tag::Link { .. } | Tag::Image { .. }) => {
                if self.open == 0 {
                    self.outermost = self.is_clean(range.start);
                }
                self.open += 1;
            }
            Event::End(TagEnd::Link | TagEnd::Image) => {
                self.open = self.open.saturating_sub(1);
                if self.open == 0 && self.outermost {
                    self.from = range.end;
                }
            }
            _ => {}
        }
    }
}

/// Kind, URL, title and label of a link or an image that a reference made.
fn reference<'e, 's>(event: &'e Event<'s>) -> Option<(LinkType, &'e CowStr<'s>, &'e str, &'e str)> {
    match event {
        Event::Start(Tag::Link { link_type, dest_url, title, id })
        | Event::Start(Tag::Image { link_type, dest_url, title, id }) => {
            let by_reference = matches!(link_type, LinkType::Reference | LinkType::Collapsed | LinkType::Shortcut);
            by_reference.then_some((*link_type, dest_url, title, id))
        }
        _ => None,
    }
}

/// Whether a link begins here that holds nothing but one piece of text, as it stands in the source.
fn holds_plain_text(events: &[(Event<'_>, Range<usize>)]) -> bool {
    match events {
        [(Event::Start(Tag::Link { .. }), link), (Event::Text(_), text), (Event::End(TagEnd::Link), _), ..] => {
            *text == (link.start + 1..link.end - 1)
        }
        _ => false,
    }
}
