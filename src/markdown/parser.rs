//! The one way to the parser: options, events, and references that resolve by our own rules.
//!
//! Almost every document is parsed once and its events pass through as they are. Only where its link references could
//! reach one of the bounds of [`references`](super::references) are they judged as they go by; and only where one of
//! those decides in a way that may change more than its own reference is the source parsed again, with its definitions
//! hidden from the parser, so that each reference is asked for and the answer is ours.
//!
//! **Invariant:** the parser's own limit on link expansion never decides (`references_do_not_depend_on_distant_text`);
//! all three ways give the same events (`watched_events_are_the_bounded_ones`, `hidden_definitions_change_no_event`).

use super::Options;
use super::references::{BOUNDS, Bounds, Definitions, Gaps, Resolver, Run, Watch};
use pulldown_cmark::{CowStr, Event, LinkType, OffsetIter, Options as Flags, Parser, Tag, TagEnd};
use std::cell::{Cell, OnceCell};
use std::mem;
use std::ops::Range;

/// Inline events that are held back to be judged together; of more, it is not known what the bounds make. Twice the
/// memory that the parser itself takes for so many is a few megabytes.
const RUN_EVENTS_MAX: usize = 16_384;

thread_local! {
    /// How often the parser was called on this thread: nobody calls it without its options.
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

/// How often the parser has been called on this thread: what tests and benches hold against what should need no parse.
pub fn parser_calls() -> usize {
    CALLS.get()
}

/// What is switched on in the parser. Nothing that writes attributes, raw URLs or raw HTML ever is.
pub(super) fn parser_options(options: &Options) -> Flags {
    CALLS.set(CALLS.get() + 1);
    let mut flags = Flags::empty();
    flags.set(Flags::ENABLE_TABLES, options.tables);
    flags.set(Flags::ENABLE_STRIKETHROUGH, options.strikethrough);
    flags.set(Flags::ENABLE_TASKLISTS, options.task_lists);
    flags.set(Flags::ENABLE_FOOTNOTES, options.footnotes);
    flags.set(Flags::ENABLE_GFM, options.alerts);
    flags.set(Flags::ENABLE_MATH, options.math);
    flags
}

/// A parsed source.
pub(super) struct Document<'a> {
    source: &'a str,
    flags: Flags,
    bounds: Bounds,
    /// Gone when its events were taken.
    parser: Option<Parser<'a>>,
    /// References could reach a bound.
    near: bool,
    /// What the events borrow from once the source was parsed again.
    hidden: OnceCell<Hidden>,
}

/// A source with its definitions hidden, and what they define.
struct Hidden {
    source: String,
    definitions: Definitions,
}

/// A link reference definition as the parser found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Definition {
    /// The label as it stands in the source, white space collapsed.
    pub label: String,
    pub url: String,
    pub title: String,
    /// Where it stands in the source.
    pub span: Range<usize>,
}

impl<'a> Document<'a> {
    /// What the source defines, the first definition of each label, in the order in which they stand. `None` where a
    /// bound of references is near.
    pub(super) fn definitions(&self) -> Option<Vec<Definition>> {
        let parser = self.parser.as_ref().filter(|_| !self.near)?;
        let found = parser.reference_definitions().iter().map(|(label, found)| Definition {
            label: label.to_owned(),
            url: found.dest.to_string(),
            title: found.title.as_deref().unwrap_or_default().to_owned(),
            span: found.span.clone(),
        });
        let mut all: Vec<Definition> = found.collect();
        all.sort_by_key(|definition| definition.span.start);
        Some(all)
    }

    /// Where the last of them starts.
    pub(super) fn last_definition(&self) -> Option<usize> {
        let all = self.parser.as_ref()?.reference_definitions();
        all.iter().map(|(_, definition)| definition.span.start).max()
    }

    /// Parses the blocks of a normalised source. O(source).
    pub(super) fn new(source: &'a str, options: &Options) -> Self {
        let flags = parser_options(options);
        let parser = Parser::new_ext(source, flags);
        let near = !BOUNDS.are_far(source, parser.reference_definitions());
        Self { source, flags, bounds: BOUNDS, parser: Some(parser), near, hidden: OnceCell::new() }
    }

    /// The events, once, with their places in the source.
    pub(super) fn events(&mut self) -> Events<'_> {
        let Some(parser) = self.parser.take() else { return Events::None };
        if !self.near {
            return Events::Plain(parser.into_offset_iter());
        }
        let watch = Watch::new(self.source, parser.reference_definitions(), self.bounds);
        Events::Watched(Box::new(Watched {
            document: self,
            events: parser.into_offset_iter(),
            watch,
            gaps: Gaps::default(),
            paragraph: None,
            run: Vec::new(),
            next: 0,
            given: 0,
        }))
    }
}

/// Iterator over a document's events.
#[expect(clippy::large_enum_variant, reason = "one at a time, on the stack; the large one is the common one")]
pub(super) enum Events<'s> {
    /// The parser's own.
    Plain(OffsetIter<'s>),
    /// The parser's, judged before they are given.
    Watched(Box<Watched<'s>>),
    /// Those of a parse by the bounds, with the targets of references filled in.
    Bounded(Box<(OffsetIter<'s, Resolver<'s>>, &'s Definitions)>),
    /// They were taken before.
    None,
}

/// Events that are held back until their references are judged.
pub(super) struct Watched<'s> {
    document: &'s Document<'s>,
    events: OffsetIter<'s>,
    watch: Watch<'s>,
    gaps: Gaps,
    /// Where the paragraph starts whose text comes next.
    paragraph: Option<usize>,
    /// What was judged, with the block's event behind it.
    run: Run<'s>,
    /// Which of it is given next.
    next: usize,
    /// How many events were given.
    given: usize,
}

impl<'s> Iterator for Events<'s> {
    type Item = (Event<'s>, Range<usize>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Plain(events) => events.next(),
            Self::Bounded(bounded) => {
                let (event, range) = bounded.0.next()?;
                Some((fill_in(event, bounded.1), range))
            }
            Self::Watched(watched) => match watched.next() {
                Some(next) => next,
                None => {
                    self.parse_by_the_bounds();
                    self.next()
                }
            },
            Self::None => None,
        }
    }
}

impl<'s> Events<'s> {
    /// Parses the source again, and goes on behind the event that was given last.
    #[cold]
    fn parse_by_the_bounds(&mut self) {
        let Self::Watched(watched) = mem::replace(self, Self::None) else { return };
        let Watched { document, events, mut gaps, given, .. } = *watched;
        let definitions = Definitions::new(events.reference_definitions(), &document.bounds);
        // This also drops the parser: not two parses in memory at once.
        events.for_each(|(event, range)| gaps.see(&event, &range));
        let source = gaps.hide(document.source, document.flags.contains(Flags::ENABLE_FOOTNOTES));
        let hidden = document.hidden.get_or_init(|| Hidden { source, definitions });
        let resolver = Resolver::new(&hidden.definitions, document.bounds);
        let parser = Parser::new_with_broken_link_callback(&hidden.source, document.flags, Some(resolver));
        let mut events = parser.into_offset_iter();
        for _ in 0..given {
            events.next();
        }
        *self = Self::Bounded(Box::new((events, &hidden.definitions)));
    }
}

impl<'s> Watched<'s> {
    /// The next event, or that there is none; `None` if that takes a parse by the bounds.
    fn next(&mut self) -> Option<Option<(Event<'s>, Range<usize>)>> {
        if self.next == self.run.len() {
            self.run.clear();
            self.next = 0;
            self.read_run()?;
        }
        let Some(item) = self.run.get_mut(self.next) else { return Some(None) };
        self.next += 1;
        self.given += 1;
        Some(Some(mem::replace(item, (Event::SoftBreak, 0..0))))
    }

    /// Reads on to the end of a block's text, and judges it.
    fn read_run(&mut self) -> Option<()> {
        let block = loop {
            let Some((event, range)) = self.events.next() else { break None };
            self.gaps.see(&event, &range);
            if is_block(&event) {
                break Some((event, range));
            }
            self.run.push((event, range));
            if self.run.len() > RUN_EVENTS_MAX {
                return None;
            }
        };
        self.watch.judge(&mut self.run, self.paragraph, self.events.reference_definitions())?;
        self.paragraph =
            block.as_ref().filter(|block| block.0 == Event::Start(Tag::Paragraph)).map(|block| block.1.start);
        self.run.extend(block);
        Some(())
    }
}

/// Whether the inlines before an event and those behind it are apart.
fn is_block(event: &Event<'_>) -> bool {
    match event {
        Event::Start(tag) => !is_inline(tag.to_end()),
        Event::End(tag) => !is_inline(*tag),
        Event::Rule | Event::Html(_) => true,
        _ => false,
    }
}

fn is_inline(tag: TagEnd) -> bool {
    matches!(tag, TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough | TagEnd::Link | TagEnd::Image)
}

/// Gives a link or an image that a reference made its URL and title.
fn fill_in<'s>(event: Event<'s>, definitions: &'s Definitions) -> Event<'s> {
    let (Event::Start(Tag::Link { link_type, ref id, .. }) | Event::Start(Tag::Image { link_type, ref id, .. })) =
        event
    else {
        return event;
    };
    let Some(known) = known(link_type) else { return event };
    let (url, title) = definitions.get(id).unwrap_or_default();
    let (dest_url, title) = (CowStr::from(url), CowStr::from(title));
    match event {
        Event::Start(Tag::Link { id, .. }) => Event::Start(Tag::Link { link_type: known, dest_url, title, id }),
        Event::Start(Tag::Image { id, .. }) => Event::Start(Tag::Image { link_type: known, dest_url, title, id }),
        other => other,
    }
}

/// The kind of a link whose reference the parser did not know by itself.
fn known(link_type: LinkType) -> Option<LinkType> {
    match link_type {
        LinkType::ReferenceUnknown => Some(LinkType::Reference),
        LinkType::CollapsedUnknown => Some(LinkType::Collapsed),
        LinkType::ShortcutUnknown => Some(LinkType::Shortcut),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Syntax around definitions: containers, duplicates, titles over lines, labels that need care, what only looks so.
    const PIECES: &[&str] = &[
        "[a]: /u\n",
        "[a]: /v 'x'\n",
        "[A]: <w>\n",
        "[a]:\n/u\n'x\ny'\n",
        "[b]: /b \"[a]: t\"\n",
        "[\\]]: /c\n",
        "[é\n ß]: /d\n",
        "[a\\|b]: /e\n",
        "[^a]: foot\n",
        "[^a]: [b]: /x\n",
        "[a",
        "]: /u",
        "[a] ",
        "[b][] ",
        "[x][a] ",
        "[b] ",
        "[x ",
        "](/i) ",
        "]",
        "![a] ",
        "[\\]] ",
        "[É SS] ",
        "[^a] ",
        "[a\\|b] ",
        "> ",
        ">",
        "- ",
        "1. ",
        "  ",
        "    ",
        "\t",
        "\n",
        "\n\n",
        "text",
        "text\n",
        "```\n",
        "<div>\n",
        "<b>",
        "# ",
        "---\n",
        "===\n",
        "|a|\n|-|\n",
        "|",
        "*",
        "**",
        "`",
        "\\",
        "&amp;",
        "[!NOTE]\n",
        "- [ ] ",
        "$",
    ];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn hidden_definitions_change_no_event(
            pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..30),
            on in any::<bool>(),
        ) {
            let source = pieces.concat();
            let options = all(on);
            let mut plain = Document::new(&source, &options);
            prop_assert!(!plain.near);
            let plain: Vec<_> = plain.events().collect();
            let bounded = bounded(&source, &options, BOUNDS);
            prop_assert_eq!(plain, bounded);
        }

        #[test]
        fn watched_events_are_the_bounded_ones(
            pieces in proptest::collection::vec(proptest::sample::select(PIECES), 0..30),
            on in any::<bool>(),
            definition_bytes in 5..20_usize,
            definitions in 0..4_usize,
            expansion_free in 0..12_usize,
            expansion_ratio in 0..2_usize,
        ) {
            let source = pieces.concat();
            let options = all(on);
            let bounds = Bounds { definition_bytes, definitions, expansion_free, expansion_ratio };
            for source in [source.as_str(), &format!("[a]: /u\n[b]: /v 't'\n\n{source}")] {
                let mut watched = near(source, &options, bounds);
                let watched: Vec<_> = watched.events().collect();
                prop_assert_eq!(watched, bounded(source, &options, bounds));
            }
        }
    }

    fn all(on: bool) -> Options {
        Options { footnotes: on, alerts: on, math: on, task_lists: on, ..Options::default() }
    }

    /// A document whose references are judged.
    fn near<'a>(source: &'a str, options: &Options, bounds: Bounds) -> Document<'a> {
        Document { bounds, near: true, ..Document::new(source, options) }
    }

    /// The events of a parse by the bounds.
    fn bounded(source: &str, options: &Options, bounds: Bounds) -> Vec<(Event<'static>, Range<usize>)> {
        let mut document = near(source, options, bounds);
        let mut events = document.events();
        events.parse_by_the_bounds();
        events.map(|(event, range)| (event.into_static(), range)).collect()
    }

    #[test]
    fn a_reference_that_stands_alone_is_text_without_another_parse() {
        let bounds = Bounds { definitions: 1, ..BOUNDS };
        for (source, again) in [
            ("[a]: /u\n[b]: /v\n\n[b]\n\nx [b] *y [b]* [a] [b]\n", false),
            ("[a]: /u\n[b]: /v\n\n[x [b]\n", true),
            ("[a]: /u\n[b]: /v\n\n[x [b] y](/i)\n", true),
            ("[a]: /u\n[b]: /v\n\n[x](/i) [b] ![y][a] [b]\n", false),
            ("[a]: /u\n[b]: /v\n\n[b][]\n", true),
            ("[a]: /u\n[*b*]: /v\n\n[*b*]\n", true),
            ("[a]: /u\n[b]: /v\n\n- [b]\n", true),
            ("[a]: /u\n[b]: /v\n\n# [a]\n", false),
        ] {
            let mut document = near(source, &all(false), bounds);
            let events: Vec<_> = document.events().collect();
            assert_eq!(events, bounded(source, &all(false), bounds), "{source:?}");
            assert_eq!(document.hidden.get().is_some(), again, "{source:?}");
        }
    }
}
