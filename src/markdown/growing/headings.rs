//! The headings before the window, where headings have ids: an equal one behind them has the next number.
//!
//! A heading stands here once no window shows it any more: its line is complete, and what could still change its slug is a
//! definition that comes late for a reference in it.
//!
//! **Invariant:** ids are numbered over the whole document, wherever it is cut
//! (`ids_are_numbered_over_the_whole_document`).

use std::ops::Range;
use std::sync::Arc;

use crate::markdown::writer::{self, Given, Slugs};

/// A heading: where it starts in the text, and its slug before it is numbered.
pub(super) type Heading = (usize, String);

/// Headings before the window, in order. None where headings have no ids.
#[derive(Clone, Debug, Default)]
pub(super) struct Headings {
    all: Vec<Heading>,
    /// What they were given.
    given: Arc<Given>,
}

impl Headings {
    /// What a render has to know that goes on behind these and `more`, and whose own text begins at `from` of what it
    /// parses. O(more).
    pub(super) fn before(&self, more: &[Heading], from: usize) -> writer::Headings {
        let mut slugs = if self.all.is_empty() { Slugs::default() } else { Slugs::behind(&self.given) };
        give(&mut slugs, more);
        writer::Headings { slugs, from, found: Vec::new() }
    }

    /// The same for a part of the text that stands before the window, and those in it. O(headings).
    pub(super) fn before_part(&self, part: &Range<usize>) -> (writer::Headings, &[Heading]) {
        let at = |offset: usize| self.all.partition_point(|heading| heading.0 < offset);
        let within = &self.all[at(part.start)..at(part.end)];
        let mut slugs = Slugs::default();
        if !within.is_empty() {
            give(&mut slugs, &self.all[..at(part.start)]);
        }
        (writer::Headings { slugs, ..writer::Headings::default() }, within)
    }

    /// Adds those that follow.
    pub(super) fn add(&mut self, more: &[Heading]) {
        if more.is_empty() {
            return;
        }
        let mut slugs = Slugs::behind(&self.given);
        give(&mut slugs, more);
        let given = slugs.into_given();
        Arc::make_mut(&mut self.given).extend(given);
        self.all.extend_from_slice(more);
    }

    /// Drops those that start at `at` or later. O(headings) if there are any.
    pub(super) fn back_to(&mut self, at: usize) {
        let kept = self.all.partition_point(|heading| heading.0 < at);
        if kept < self.all.len() {
            self.all.truncate(kept);
            let mut slugs = Slugs::default();
            give(&mut slugs, &self.all);
            self.given = Arc::new(slugs.into_given());
        }
    }
}

fn give(slugs: &mut Slugs, headings: &[Heading]) {
    for (_, slug) in headings {
        slugs.give(slug.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headings(all: &[(usize, &str)]) -> Vec<Heading> {
        all.iter().map(|(at, slug)| (*at, (*slug).to_owned())).collect()
    }

    #[test]
    fn what_is_dropped_and_added_again_is_numbered_as_before() {
        let all = headings(&[(0, "a"), (5, "a"), (9, "a-1"), (20, "b"), (30, "a")]);
        let mut once = Headings::default();
        once.add(&all);
        for at in [0, 5, 6, 20, 40] {
            let mut again = once.clone();
            again.back_to(at);
            let kept = again.all.len();
            assert!(again.all.iter().all(|heading| heading.0 < at));
            let mut rest = again.before(&all[kept..], 0).slugs;
            assert_eq!(rest.give("a".to_owned()), "a-3");
            again.add(&all[kept..]);
            assert_eq!(*again.given, *once.given, "from {at}");
        }
    }

    #[test]
    fn a_part_knows_what_stands_before_it() {
        let mut all = Headings::default();
        all.add(&headings(&[(0, "a"), (5, "a"), (9, "c")]));
        let (mut before, within) = all.before_part(&(5..9));
        assert_eq!(within, headings(&[(5, "a")]));
        assert_eq!(before.slugs.give("a".to_owned()), "a-1");
        assert!(all.before_part(&(6..9)).1.is_empty());
    }
}
