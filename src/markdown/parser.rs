//! The one way to the parser: options, events, and references that resolve by our own rules.
//!
//! Almost every document is parsed once and its events pass through as they are. Only where its link references could
//! reach one of the bounds of [`references`](super::references) is it parsed again with its definitions hidden from the
//! parser, so that each reference is asked for and the answer is ours.
//!
//! **Invariant:** the parser's own limit on link expansion never decides (`references_do_not_depend_on_distant_text`);
//! where no bound is near, both ways give the same events (`hidden_definitions_change_no_event`).

use super::Options;
use super::references::{self, Definitions, Resolver};
use pulldown_cmark::{CowStr, Event, LinkType, OffsetIter, Options as Flags, Parser, Tag};
use std::ops::Range;

/// What is switched on in the parser. Nothing that writes attributes, raw URLs or raw HTML ever is.
pub(super) fn parser_options(options: &Options) -> Flags {
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
    inner: Inner<'a>,
}

#[expect(clippy::large_enum_variant, reason = "one at a time, on the stack")]
enum Inner<'a> {
    /// No reference can reach a bound.
    Plain(Option<Parser<'a>>),
    /// The source with its definitions hidden, and what they define.
    Bounded { hidden: String, definitions: Definitions, flags: Flags },
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
        let Inner::Plain(Some(parser)) = &self.inner else { return None };
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

    /// Parses the blocks of a normalised source. O(source).
    pub(super) fn new(source: &'a str, options: &Options) -> Self {
        let flags = parser_options(options);
        let parser = Parser::new_ext(source, flags);
        let found = parser.reference_definitions();
        if references::cannot_reach_a_bound(source, found) {
            return Self { inner: Inner::Plain(Some(parser)) };
        }
        let definitions = Definitions::new(found);
        // Not two parses in memory at once.
        drop(parser);
        Self::bounded(source, definitions, flags)
    }

    fn bounded(source: &str, definitions: Definitions, flags: Flags) -> Self {
        let hidden = references::hide(source, flags);
        Self { inner: Inner::Bounded { hidden, definitions, flags } }
    }

    /// The events, once, with their places in the source.
    pub(super) fn events(&mut self) -> Events<'_> {
        match &mut self.inner {
            Inner::Plain(parser) => match parser.take() {
                Some(parser) => Events::Plain(parser.into_offset_iter()),
                None => Events::None,
            },
            Inner::Bounded { hidden, definitions, flags } => {
                let resolver = Resolver::new(definitions);
                let parser = Parser::new_with_broken_link_callback(hidden, *flags, Some(resolver));
                Events::Bounded(Box::new((parser.into_offset_iter(), definitions)))
            }
        }
    }
}

/// Iterator over a document's events.
#[expect(clippy::large_enum_variant, reason = "one at a time, on the stack; the large one is the common one")]
pub(super) enum Events<'s> {
    /// The parser's own.
    Plain(OffsetIter<'s>),
    /// The parser's, with the targets of references filled in.
    Bounded(Box<(OffsetIter<'s, Resolver<'s>>, &'s Definitions)>),
    /// They were taken before.
    None,
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
            Self::None => None,
        }
    }
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
            let options = Options { footnotes: on, alerts: on, math: on, task_lists: on, ..Options::default() };
            let flags = parser_options(&options);
            let mut plain = Document::new(&source, &options);
            let parser = Parser::new_ext(&source, flags);
            let mut bounded = Document::bounded(&source, Definitions::new(parser.reference_definitions()), flags);
            prop_assert!(matches!(plain.inner, Inner::Plain(_)));
            let plain: Vec<_> = plain.events().collect();
            let bounded: Vec<_> = bounded.events().collect();
            prop_assert_eq!(plain, bounded);
        }
    }
}
