//! A document in parts: those that are done with, and the open text behind them, of which a window is parsed.
//!
//! ```text
//!   text    |  part  |  part  | open block: left out | window |
//!   shown   |  html  |  html  |       hidden       | visible  |   one page
//!                      ↑ asks for a label: rendered anew when its definition comes
//! ```
//!
//! Whenever lines are complete, a narrower window is looked for ([`restart`]); where a long paragraph is open, within its
//! text ([`cut`](super::cut)). It is taken only if it shows the same as
//! the wide one, and given up, for the whole open block, as soon as its guard changes or a definition comes late for what
//! is hidden in the block.
//!
//! **Invariant:** what is shown is the view of the whole text (`parts_show_what_the_whole_shows`).

use std::collections::HashSet;
use std::ops::Range;

use super::headings::{Heading, Headings};
use super::known::Known;
use super::labels::{Digest, of_definition};
use super::parts::{self, Parts};
use super::restart::Restarts;
use super::window::Window;
use super::{Edits, context};
use crate::markdown::parser::Definition;
use crate::markdown::tail::End;
use crate::markdown::writer::{Mark, Out};
use crate::markdown::{Options, Policy, bounds, references, view};

/// A window of fewer bytes of text is not made narrower: it would cost as much as it saves.
/// Tests narrow wherever it can be done.
const NARROW_BYTES_MIN: usize = if cfg!(any(test, feature = "eager")) { 1 } else { 64 };

/// So much text, and as much as the window has after a look, may be appended before the next look: lest the window grows
/// for long where each frame only appends, and the frame that ends it is dear.
const APPENDED_BYTES_MAX: usize = if cfg!(feature = "eager") { 64 } else { 4096 };

/// The document can't be rendered in parts any more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unfit;

/// A place between two top-level blocks.
#[derive(Clone, Copy, Debug, Default)]
struct Anchor {
    /// In the text.
    start: usize,
    /// In what is shown.
    html: usize,
    /// How many elements stand before it.
    elements: usize,
    /// How many `]`: as many references can stand there.
    closers: usize,
}

/// Parts, and the window on what is open.
#[derive(Clone, Debug)]
pub(super) struct Open {
    parts: Parts,
    /// What is defined before the window.
    known: Known,
    /// The headings before the window.
    headings: Headings,
    /// What the window defined at the last frame.
    late: Vec<Definition>,
    /// Where the block begins that the window begins in.
    anchor: Anchor,
    window: Window,
    /// Labels that may be asked for in the block before the window.
    hidden_wanted: HashSet<Digest>,
    /// `]` before the window.
    closers: usize,
    /// No reference before the window may bring in more, lest a bound is reached there.
    dearest_max: usize,
    /// Up to here a narrower window was looked for.
    looked: usize,
    /// A place to cut the open paragraph is next looked for when the text has so many bytes.
    cut_at: usize,
    /// Text of so many bytes is to be looked at, whatever it is.
    due: usize,
    scan: bounds::Scan,
}

/// What a window showed.
struct Shown {
    context: String,
    html: String,
    /// Where a narrower one could begin, and where in the HTML.
    restarts: Restarts,
    marks: Vec<Mark>,
    /// Its headings, by where they start in the text.
    headings: Vec<Heading>,
    end: End,
}

impl Shown {
    fn html_at(&self, source: usize) -> Option<usize> {
        self.marks.iter().find(|mark| mark.source == source)?.html
    }

    /// The headings that start before `at` of the text.
    fn headings_before(&self, at: usize) -> &[Heading] {
        &self.headings[..self.headings.partition_point(|heading| heading.0 < at)]
    }
}

impl Open {
    /// An empty document, if its options allow parts: footnotes are counted over the whole document.
    pub(super) fn new(options: &Options) -> Option<Self> {
        let apart = !options.footnotes;
        apart.then(|| Self {
            parts: Parts::default(),
            known: Known::default(),
            headings: Headings::default(),
            late: Vec::new(),
            anchor: Anchor::default(),
            window: Window::whole_blocks(0, 0, 0),
            hidden_wanted: HashSet::new(),
            closers: 0,
            dearest_max: usize::MAX,
            looked: 0,
            cut_at: 0,
            due: APPENDED_BYTES_MAX,
            scan: bounds::Scan::default(),
        })
    }

    /// Where the window begins.
    pub(super) fn start(&self) -> usize {
        self.window.from
    }

    /// Brings `shown` to the view of `text`, and tells the page how.
    ///
    /// # Errors
    /// [`Unfit`]: what `shown` and `edits` hold is of no use.
    pub(super) fn show(
        &mut self,
        text: &str,
        options: &Options,
        policy: &Policy,
        shown: &mut String,
        edits: &mut Edits,
    ) -> Result<End, Unfit> {
        if self.scan.advance(text).is_some() {
            return Err(Unfit);
        }
        let mark = edits.mark();
        let look = loop {
            if let Some(look) = self.look(text, options, policy, shown, edits)? {
                break look;
            }
            edits.back_to(mark);
            self.widen();
        };
        let (top, inside) = (look.restarts.top.as_ref(), look.restarts.inside.as_ref());
        let narrower = inside.into_iter().chain(top).find_map(|restart| {
            let window = self.narrowed(restart, &look, text, options, policy, shown)?;
            Some((window, restart))
        });
        if let Some((window, restart)) = narrower {
            let anchor = top.and_then(|top| self.anchor_at(top, &look, text, shown));
            self.narrow(window, restart.from, anchor, &look, text);
        } else if options.provisional
            && let Some((window, from)) = self.cut_text(&look, text, options, policy, shown)
        {
            self.narrow(window, from, None, &look, text);
        }
        self.due = text.len() + (text.len() - self.window.from).max(APPENDED_BYTES_MAX);
        Ok(look.end)
    }

    /// Whether a look is due, since the window has grown and may be made narrower.
    pub(super) fn is_due(&self, text: &str) -> bool {
        text.len() >= self.due
    }

    /// Shows what the window shows. `None` if that may not be what the whole would: it is too narrow.
    fn look(
        &mut self,
        text: &str,
        options: &Options,
        policy: &Policy,
        shown: &mut String,
        edits: &mut Edits,
    ) -> Result<Option<Shown>, Unfit> {
        let context = self.known.context([&self.window.prefix, &text[self.window.from..]], &[]);
        if context.len() > context::BYTES_MAX {
            return Err(Unfit);
        }
        let source = self.window.source(&context, text);
        let restarts = self.restarts(text, &source, &context, options);
        let marks = restarts.marks();
        let headings = self.headings.before(&[], context.len() + self.window.prefix.len());
        let mut out = Out { definitions: Some(Vec::new()), marks, headings, ..Out::default() };
        view(&source, self.window.before(&context), None, options, policy, &mut out);
        let mut late = out.definitions.take().ok_or(Unfit)?;
        late.retain(|definition| definition.span.start >= context.len());
        self.judge(&source, &late)?;
        let changed = changed(&self.late, &late);
        if changed.iter().any(|label| self.hidden_wanted.contains(label)) {
            return Ok(None);
        }
        let Some(visible) = out.html.strip_prefix(&*self.window.guard) else { return Ok(None) };
        // The leaf that it began with is held back: it may be what made its list loose.
        if !self.window.prefix.is_empty() && shows_nothing(visible) {
            return Ok(None);
        }
        let (hidden, old) = shown.split_at(self.window.visible);
        if edits.change_visible(&self.window.spine, hidden, old, visible).is_none() {
            return Ok(None);
        }
        let part_html =
            |part: Range<usize>| parts::html_of(text, part, (&self.known, &late), &self.headings, options, policy);
        let grown = self.parts.patch(&changed, part_html, shown, edits)?;
        self.shift(grown);
        shown.truncate(self.window.visible);
        shown.push_str(visible);
        self.late = late;
        let found = out.headings.found.into_iter();
        let headings = found.filter_map(|(at, slug)| Some((self.window.in_text(&context, at)?, slug))).collect();
        Ok(Some(Shown { context, html: out.html, restarts, marks: out.marks, headings, end: out.end }))
    }

    /// Parts before the window grew by so many bytes.
    fn shift(&mut self, grown: isize) {
        if grown != 0 {
            self.anchor.html = self.anchor.html.saturating_add_signed(grown);
            self.window.visible = self.window.visible.saturating_add_signed(grown);
            self.window.spine.shift(grown);
        }
    }

    /// Whether no bound of references is near, neither in the whole document nor in what is parsed of it. The parser's own
    /// limit decides nowhere: in the window it is farther than ours, and where the whole is parsed the bounds decide.
    fn judge(&self, source: &str, late: &[Definition]) -> Result<(), Unfit> {
        let dearest = self.known.dearest(late).ok_or(Unfit)?;
        if dearest == 0 {
            return Ok(());
        }
        let closers = memchr::memchr_iter(b']', source.as_bytes()).count();
        let all = self.closers + closers;
        let fits = dearest <= self.dearest_max
            && references::cannot_spend_much(closers, dearest, 0)
            && references::cannot_spend_much(all, dearest, self.window.from);
        if fits { Ok(()) } else { Err(Unfit) }
    }

    /// Takes the whole open block for the window.
    fn widen(&mut self) {
        let Anchor { start, html, elements, closers } = self.anchor;
        self.window = Window::whole_blocks(start, html, elements);
        self.closers = closers;
        self.hidden_wanted.clear();
        self.headings.back_to(start);
    }
}

/// Whether HTML only closes what is open.
fn shows_nothing(html: &str) -> bool {
    html.split_terminator('>').all(|tag| tag.starts_with("</"))
}

fn closers(text: &str) -> usize {
    memchr::memchr_iter(b']', text.as_bytes()).count()
}

/// The labels whose definitions are in one of the lists alone, in order. What both begin with, mostly all, is only looked at once.
fn changed(before: &[Definition], after: &[Definition]) -> Vec<Digest> {
    type Said<'d> = (&'d str, &'d str, &'d str);
    fn said(definition: &Definition) -> Said<'_> {
        (&definition.label, &definition.url, &definition.title)
    }
    let common = before.iter().zip(after).take_while(|(b, a)| said(b) == said(a)).count();
    let [before, after] = [before, after].map(|list| list[common..].iter().map(said).collect::<HashSet<_>>());
    let differing = before.symmetric_difference(&after);
    let mut changed: Vec<Digest> = differing.map(|(label, ..)| Digest::of(&of_definition(label))).collect();
    changed.sort_unstable();
    changed
}

mod narrow;
mod paragraph;
#[cfg(test)]
mod tests;
