//! Parser events to HTML: pulldown-cmark's bytes, made safe.
//!
//! One pass, one output string, one stack. What is written is what the stock writer would write, but for these rules,
//! each of which holds for every source:
//!
//! 1. raw HTML is text; a block of it stands in a `<p>`;
//! 2. a URL that the policy refuses is `#` (`url`);
//! 3. a language class holds only letters, digits and `+ # . _ -`;
//! 4. nothing that a browser would restructure: no link in a link, no carriage return or control in text;
//! 5. an element deeper than [`DEPTH_MAX`] is its content; a list or a table is kept or dropped whole;
//! 6. ids carry `user-content-` and the caller's prefix;
//! 7. what options ask for: `rel`, `align`, images as text, heading ids, autolinks, no line feeds between blocks.
//!
//! **Invariant:** tags leave only through [`Html`], by a row of [`elements`](super::elements)
//! (`output_stays_inside_the_table`).
//!
//! **Source:** CommonMark 0.31.2; GFM 0.29; the stock writer's output is the yardstick (`tests/it/commonmark.rs`).

mod blocks;
mod html;
mod inlines;
mod slug;

use super::elements::{self as el, Element};
use super::parser::{Definition, Document, Events};
use super::tail::End;
use super::{Options, Policy};
use html::Html;
use pulldown_cmark::{Alignment, CowStr, Event};
pub(super) use slug::{Given, Slugs};
use std::collections::HashMap;
use std::ops::Range;

/// How deep elements may stand, counted from the children of the fragment's root. Browsers cap a page's depth at about
/// 512 and are slow long before; no document that people write comes near.
pub(in crate::markdown) const DEPTH_MAX: usize = 64;

/// What a view of an unfinished source changes about its render.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edits<'e> {
    /// Ranges of the source, ascending and disjoint, that are not shown. They apply to text that stands in the source
    /// as it is written.
    pub hidden: &'e [Range<usize>],
    /// A heading that starts here or later has no id: its line has no line feed yet.
    pub open_line: usize,
    /// Where the source ends for its reader: a bare URL that reaches this offset may still grow, and is text.
    pub cut: usize,
    /// Where something opens that the source does not close, ascending: without it a bare URL before it would go on, so
    /// that is text too.
    pub openers: &'e [usize],
    /// Math that starts here is a stand-in for math that is not closed yet, which holds this.
    pub math: Option<(usize, &'e str)>,
}

impl Edits<'_> {
    /// Nothing is changed.
    pub(super) const NONE: Self =
        Self { hidden: &[], open_line: usize::MAX, cut: usize::MAX, openers: &[], math: None };
}

/// Where HTML goes.
#[derive(Debug, Default)]
pub(super) struct Out {
    /// What was written.
    pub html: String,
    /// What the source defines, if the caller asks for it; nothing left where a bound of references is near.
    pub definitions: Option<Vec<Definition>>,
    /// What is known of the view's end.
    pub end: End,
    /// Places in the source that the caller asks for, ascending.
    pub marks: Vec<Mark>,
    /// The headings that have ids.
    pub headings: Headings,
}

/// The headings of a source that is a part of a document, where they have ids.
#[derive(Debug, Default)]
pub(super) struct Headings {
    /// What those before the part were given.
    pub slugs: Slugs,
    /// Those that start before this offset are none of the part, and have no id.
    pub from: usize,
    /// Those that were given an id: where each starts, and its slug before it was numbered.
    pub found: Vec<(usize, String)>,
}

/// A place in the source, and where the HTML begins that was written for what starts there or later.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub source: usize,
    /// `None`: nothing starts so late, or it goes on with text that began before.
    pub html: Option<usize>,
    /// If nothing starts so late, the end is meant.
    pub or_end: bool,
}

/// Appends the HTML of `source` to `out`. The source is normalised, and no bound trips in it.
pub(super) fn write(source: &str, options: &Options, policy: &Policy, edits: &Edits<'_>, out: &mut Out) {
    let mut document = Document::new(source, options);
    if out.definitions.is_some() {
        out.definitions = document.definitions();
    }
    let Out { html: out, marks, headings, .. } = out;
    out.reserve(source.len() + source.len() / 2);
    let mut writer = Writer::new(source, options, policy, edits, out, headings);
    if !marks.is_empty() {
        return writer.run_past(document.events(), marks);
    }
    // Decided once, not at every event.
    match document.events() {
        Events::Plain(events) => writer.run(events),
        events => writer.run(events),
    }
}

/// As [`write`], and shows each event to `see` before it is written: whoever needs both saves a parse.
pub(super) fn write_seen(
    source: &str,
    options: &Options,
    policy: &Policy,
    edits: &Edits<'_>,
    out: &mut Out,
    see: &mut dyn FnMut(&Event<'_>, &Range<usize>),
) {
    let mut document = Document::new(source, options);
    if out.definitions.is_some() {
        out.definitions = document.definitions();
    }
    let Out { html: out, marks, headings, .. } = out;
    out.reserve(source.len() + source.len() / 2);
    let mut writer = Writer::new(source, options, policy, edits, out, headings);
    let events = document.events().inspect(|(event, range)| see(event, range));
    if marks.is_empty() { writer.run(events) } else { writer.run_past(events, marks) }
}

/// Appends text that is not parsed, as `<pre class>`. A browser drops the first line feed in it, so one more is written.
pub(super) fn preformatted(class: &'static str, text: &str, out: &mut Out) {
    standing_alone(&el::PRE, class, text, &mut out.html);
}

/// Appends text that is not parsed, as `<p class>`.
pub(super) fn paragraph(class: &'static str, text: &str, out: &mut Out) {
    standing_alone(&el::P, class, text, &mut out.html);
}

fn standing_alone(element: &'static Element, class: &'static str, text: &str, out: &mut String) {
    let mut html = Html::new(out, false);
    let written = html.open_with_word(element, "class", class);
    if element.name == "pre" && text.starts_with('\n') {
        html.line_feed();
    }
    html.text(text);
    html.close(element, written);
}

struct Writer<'o, 'e> {
    html: Html<'o>,
    source: &'o str,
    options: &'o Options,
    policy: &'o Policy,
    edits: &'o Edits<'o>,
    /// Text goes straight out: nothing is hidden, and neither bare URLs nor heading ids are looked for.
    plain_text: bool,
    /// An image's text or a run of text is being gathered.
    gathering: bool,
    /// For each open tag of the events: whether its element was written (two entries for a code block).
    written: Vec<bool>,
    /// Open `<a>` elements: one at most.
    links: usize,
    table: Table,
    /// Footnotes by label, numbered by first mention.
    footnotes: HashMap<CowStr<'e>, usize>,
    /// The image whose alternative text is being written.
    image: Option<inlines::Image<'e>>,
    /// The heading whose id is being gathered.
    heading: Option<blocks::HeadingId>,
    headings: &'o mut Headings,
    /// Line feeds of an HTML block, written only if more of it follows.
    html_block_feeds: usize,
    /// Adjacent text, gathered only where bare URLs are looked for.
    run: inlines::Run,
    /// In a code block, where a bare URL is text.
    in_code: bool,
    /// Nothing stands on the line or in its block yet, whatever container prefix the source has there.
    line_begins: bool,
}

/// The table being written; tables do not nest.
#[derive(Default)]
struct Table {
    written: bool,
    alignments: Vec<Alignment>,
    in_head: bool,
    cell: usize,
}

impl<'o, 'e> Writer<'o, 'e> {
    fn new(
        source: &'o str,
        options: &'o Options,
        policy: &'o Policy,
        edits: &'o Edits<'o>,
        out: &'o mut String,
        headings: &'o mut Headings,
    ) -> Self {
        Self {
            html: Html::new(out, options.dense),
            source,
            options,
            policy,
            edits,
            plain_text: edits.hidden.is_empty() && !options.autolinks && !options.heading_ids,
            gathering: false,
            written: Vec::with_capacity(16),
            links: 0,
            table: Table::default(),
            footnotes: HashMap::new(),
            image: None,
            heading: None,
            headings,
            html_block_feeds: 0,
            run: inlines::Run::default(),
            in_code: false,
            line_begins: true,
        }
    }

    fn run(&mut self, mut events: impl Iterator<Item = (Event<'e>, Range<usize>)>) {
        loop {
            // Looked at where the parser has put it: to move an event costs about as much as to write it.
            let mut next = events.next();
            let Some((event, range)) = &mut next else { return };
            self.event(event, range);
        }
    }

    /// Writes the events, and notes where those begin that start at a mark. Text that goes past one is written in two.
    fn run_past(&mut self, events: impl Iterator<Item = (Event<'e>, Range<usize>)>, marks: &mut [Mark]) {
        let mut marks = marks.iter_mut().peekable();
        for (mut event, mut range) in events {
            while let Some(mark) = marks.peek_mut() {
                if mark.source > range.start {
                    let Some(rest) = self.split(&event, &range, mark.source) else { break };
                    event = rest;
                    range.start = mark.source;
                }
                if matches!(&event, Event::Html(line) if !line.trim_end_matches('\n').is_empty()) {
                    self.html_block_feeds();
                }
                let in_run = self.gathering && matches!(event, Event::Text(_));
                if self.gathering && !in_run && self.image.is_none() {
                    self.flush_run();
                }
                mark.html = (!in_run && self.image.is_none()).then(|| self.html.len());
                marks.next();
            }
            self.event(&mut event, &range);
        }
        for mark in marks.filter(|mark| mark.or_end) {
            mark.html = Some(self.html.len());
        }
    }

    /// Writes text as far as it stands before `at`, and returns the rest of it.
    fn split(&mut self, event: &Event<'e>, range: &Range<usize>, at: usize) -> Option<Event<'e>> {
        let Event::Text(CowStr::Borrowed(text)) = event else { return None };
        let gathered = self.image.is_some() || (self.options.autolinks && !self.in_code);
        if gathered || at >= range.end || text.len() != range.len() {
            return None;
        }
        let (before, rest) = text.split_at_checked(at - range.start)?;
        self.event(&mut Event::Text(CowStr::Borrowed(before)), &(range.start..at));
        Some(Event::Text(CowStr::Borrowed(rest)))
    }

    #[inline(always)]
    fn event(&mut self, event: &mut Event<'e>, range: &Range<usize>) {
        if self.gathering && self.gathered(event, range) {
            return;
        }
        match event {
            Event::Text(text) => self.text(text, range),
            Event::Start(tag) => self.start(tag, range.start),
            Event::End(tag) => self.end(*tag),
            Event::SoftBreak | Event::HardBreak if self.is_hidden(range) => {}
            Event::SoftBreak => self.soft_break(),
            Event::Code(text) => self.code(text),
            Event::InlineHtml(text) => self.inline_html(text),
            Event::Html(text) => self.html_block_line(text),
            Event::HardBreak => self.hard_break(),
            Event::Rule => self.rule(),
            Event::TaskListMarker(checked) => self.checkbox(*checked),
            Event::InlineMath(text) => self.math("math math-inline", text, range.start),
            Event::DisplayMath(text) => self.math("math math-display", text, range.start),
            Event::FootnoteReference(label) => self.footnote_reference(label),
        }
    }

    /// Inside an image everything is alternative text; adjacent text ends where anything else begins. Returns whether the
    /// event is done with.
    #[cold]
    fn gathered(&mut self, event: &Event<'e>, range: &Range<usize>) -> bool {
        if self.image.is_some() {
            self.image_event(event, range);
            return true;
        }
        if !matches!(event, Event::Text(_)) {
            self.flush_run();
        }
        false
    }

    /// The number of a footnote: its place in the order of first mention.
    fn footnote_number(&mut self, label: &CowStr<'e>) -> usize {
        let next = self.footnotes.len() + 1;
        *self.footnotes.entry(label.clone()).or_insert(next)
    }

    /// `user-content-`, the caller's prefix, `fn-`, the label.
    fn footnote_id(&self, label: &str) -> String {
        format!("user-content-{}fn-{label}", self.options.id_prefix)
    }
}
