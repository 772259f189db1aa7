//! What a view is written to while it is being made: each attempt is read as it is written, and dropped by the next.
//!
//! A parse costs more than all else a view does, and an attempt is parsed to be judged. So it is written in the same
//! parse; most attempts stand.
//!
//! **Invariant:** what is left is what was written last (`a_view_is_its_last_attempt`).

use super::blocks;
use super::leaf::{self, PROBE, Probed, Probing};
use crate::markdown::writer::{self, Edits, Out, Slugs};
use crate::markdown::{Options, Policy};
use pulldown_cmark::Event;
use std::ops::Range;

/// The end of an output, and how it is written.
pub(super) struct Page<'p> {
    pub(super) options: &'p Options,
    policy: &'p Policy,
    out: &'p mut Out,
    /// Where the view begins in the output.
    from: usize,
    /// Whether definitions are asked for.
    asks: bool,
    /// Slugs of the headings before the view.
    slugs: Slugs,
    /// So many bytes of the source are shown, as the parser takes them with a word behind.
    probed: Option<usize>,
}

impl<'p> Page<'p> {
    pub(super) fn new(options: &'p Options, policy: &'p Policy, out: &'p mut Out) -> Self {
        let (from, asks) = (out.html.len(), out.definitions.is_some());
        let slugs = out.headings.slugs.clone();
        Self { options, policy, out, from, asks, slugs, probed: None }
    }

    /// Writes an attempt, and shows its events to `see`.
    pub(super) fn write(&mut self, source: &str, edits: &Edits<'_>, see: &mut dyn FnMut(&Event<'_>, &Range<usize>)) {
        self.clear();
        writer::write_seen(source, self.options, self.policy, edits, self.out, see);
    }

    /// Writes an attempt that nothing is asked about.
    pub(super) fn write_plain(&mut self, source: &str) {
        self.clear();
        writer::write(source, self.options, self.policy, &Edits::NONE, self.out);
    }

    fn clear(&mut self) {
        self.probed = None;
        self.out.html.truncate(self.from);
        self.out.definitions = self.asks.then(Vec::new);
        if self.options.heading_ids {
            self.out.headings.slugs = self.slugs.clone();
            self.out.headings.found.clear();
        }
        for mark in &mut self.out.marks {
            mark.html = None;
        }
    }

    /// Finds the open leaf of `source`. If it ends in a word or behind its line, it is written on the way as it stands: if nothing in it
    /// turns out to be half-typed, that is the view ([`Page::is_probed`]).
    pub(super) fn probe(&mut self, source: &str) -> Probed {
        if !self.may_be_shown_as_probed(source) {
            return leaf::probe(source, self.options);
        }
        let probed = [source, PROBE].concat();
        // A line feed at the end breaks no line yet.
        let hidden = source.trim_end_matches('\n').len()..probed.len();
        let mut probing = Probing::new(source);
        let edits = Edits { hidden: std::slice::from_ref(&hidden), ..Edits::NONE };
        self.write(&probed, &edits, &mut |event, range| probing.see(event, range));
        self.probed = probing.verbatim.then_some(source.len());
        probing.finish()
    }

    /// Words behind a word, or on the next line, change nothing that stands before them but what may still become something
    /// else, which the rules find. Bare URLs, math and ids of headings look further.
    fn may_be_shown_as_probed(&self, source: &str) -> bool {
        let Options { autolinks, math, heading_ids, .. } = *self.options;
        !(autolinks || math || heading_ids) && blocks::ends_apart(source)
    }

    /// Whether all of a source of so many bytes is what was written last, probed.
    pub(super) fn is_probed(&self, bytes: usize) -> bool {
        self.probed == Some(bytes)
    }
}
