//! A document in parts: those that are done with, and the open text behind them.
//!
//! ```text
//!   text    |  part  |  part  |      open text           |
//!   shown   |  html  |  html  |      its view            |   children of the root, in order
//!                      ↑ asks for a label: rendered anew when its definition comes
//! ```
//!
//! **Invariant:** what is shown is the view of the whole text (`parts_show_what_the_whole_shows`).

use std::collections::HashSet;

use unicase::UniCase;

use super::parts::{self, Part};
use super::{Edits, context, nodes};
use crate::markdown::parser::Definition;
use crate::markdown::tail::End;
use crate::markdown::writer::Out;
use crate::markdown::{Options, Policy, bounds, references, render_finished, view};

/// Open text is first looked at for a place to cut when it has so many bytes.
/// Tests cut wherever it can be done.
const CUT_BYTES_MIN: usize = if cfg!(any(test, feature = "eager")) { 1 } else { 1024 };

/// The document can't be rendered in parts any more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unfit;

/// Parts and open text.
#[derive(Clone, Debug, Default)]
pub(super) struct Open {
    parts: Vec<Part>,
    /// What the parts define, in order; the first of each label.
    definitions: Vec<Definition>,
    /// What the open text defined at the last frame.
    late: Vec<Definition>,
    /// Where the open text begins.
    start: usize,
    /// Where its view begins in what is shown.
    html_start: usize,
    /// How many elements stand before it.
    elements: usize,
    /// `]` in the parts: as many references as they can hold.
    closers: usize,
    /// The next try to cut is made at so many bytes.
    cut_at: usize,
    scan: bounds::Scan,
}

impl Open {
    /// An empty document, if its options allow parts: footnotes and ids are counted over the whole document.
    pub(super) fn new(options: &Options) -> Option<Self> {
        let apart = !options.footnotes && !options.heading_ids;
        apart.then(|| Self { cut_at: CUT_BYTES_MIN, ..Self::default() })
    }

    /// Where the open text begins.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// Brings `shown` to the view of `text`, and tells the page how.
    ///
    /// # Errors
    /// [`Unfit`]: `shown` is as it was, what `edits` gained is to be dropped.
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
        let context = context::spell(&self.definitions);
        if context.len() > context::BYTES_MAX.min(self.start) {
            return Err(Unfit);
        }
        let open = context.clone() + &text[self.start..];
        let mut out = Out { definitions: Some(Vec::new()), ..Out::default() };
        view(&open, self.start - context.len(), None, options, policy, &mut out);
        let mut late = out.definitions.take().ok_or(Unfit)?;
        late.retain(|definition| definition.span.start >= context.len());
        self.judge(&open, text.len(), &late)?;
        let patches = self.patches(text, &late, options, policy)?;
        self.patch(patches, shown, edits)?;
        edits.change(self.elements, &shown[self.html_start..], &out.html);
        shown.truncate(self.html_start);
        shown.push_str(&out.html);
        self.late = late;
        if options.provisional && open.len() >= self.cut_at {
            self.cut(text, &open, context.len(), shown, options, policy);
        }
        Ok(out.end)
    }

    /// Whether no bound of references is near, neither in the whole document nor in what is parsed of it.
    fn judge(&self, open: &str, text_bytes: usize, late: &[Definition]) -> Result<(), Unfit> {
        let all = || self.definitions.iter().chain(late);
        let dearest = references::dearest(all());
        let closers = memchr::memchr_iter(b']', open.as_bytes()).count();
        let fits = references::is_few(self.definitions.len() + late.len())
            && all().all(references::is_short)
            && references::cannot_spend_much(closers, dearest, self.start)
            && references::cannot_spend_much(closers, dearest, 0)
            && references::cannot_spend_much(self.closers + closers, dearest, self.start)
            && self.parts.iter().all(|part| references::cannot_spend_much(part.closers, dearest, part.start))
            && references::parser_allows(self.closers + closers, dearest, text_bytes);
        if fits { Ok(()) } else { Err(Unfit) }
    }

    /// The parts that asked for what is defined now and was not, or no more, with their new HTML.
    fn patches(
        &self,
        text: &str,
        late: &[Definition],
        options: &Options,
        policy: &Policy,
    ) -> Result<Vec<(usize, String)>, Unfit> {
        let changed = changed(&self.late, late);
        if changed.is_empty() {
            return Ok(Vec::new());
        }
        let asked =
            self.parts.iter().enumerate().filter(|(_, part)| part.wanted.iter().any(|one| changed.contains(one)));
        asked
            .map(|(at, part)| {
                let end = self.parts.get(at + 1).map_or(self.start, |next| next.start);
                Ok((at, self.html_of(part, &text[part.start..end], late, options, policy)?))
            })
            .collect()
    }

    /// A part's HTML, with the definitions before it and those behind it that it asks for.
    fn html_of(
        &self,
        part: &Part,
        text: &str,
        late: &[Definition],
        options: &Options,
        policy: &Policy,
    ) -> Result<String, Unfit> {
        let behind = self.definitions[part.known..].iter().chain(late);
        let asked = behind.filter(|definition| part.wants(&UniCase::new(definition.label.clone())));
        let context = context::spell(self.definitions[..part.known].iter().chain(asked));
        if context.len() > context::BYTES_MAX {
            return Err(Unfit);
        }
        let options = Options { provisional: false, ..options.clone() };
        let mut out = Out::default();
        render_finished(&(context + text), None, &options, policy, &mut out);
        Ok(out.html)
    }

    /// Puts new HTML into parts that stand.
    fn patch(&mut self, patches: Vec<(usize, String)>, shown: &mut String, edits: &mut Edits) -> Result<(), Unfit> {
        if patches.is_empty() {
            return Ok(());
        }
        let mut whole = String::with_capacity(shown.len());
        let (mut elements, mut at, mut sizes) = (0, 0, Vec::new());
        let mut patches = patches.into_iter().peekable();
        for (index, part) in self.parts.iter().enumerate() {
            let old = &shown[at..at + part.html_bytes];
            let new = patches.next_if(|(patched, _)| *patched == index).map(|(_, html)| html);
            if let Some(new) = &new
                && !edits.change_within(elements, old, new)
            {
                return Err(Unfit);
            }
            let html = new.as_deref().unwrap_or(old);
            whole.push_str(html);
            sizes.push(html.len());
            elements += part.elements;
            at += part.html_bytes;
        }
        self.html_start = whole.len();
        whole.push_str(&shown[at..]);
        *shown = whole;
        for (part, size) in self.parts.iter_mut().zip(sizes) {
            part.html_bytes = size;
        }
        Ok(())
    }

    /// Cuts a part off the open text, if there is a place for it and the part alone is what is shown of it.
    fn cut(&mut self, text: &str, open: &str, from: usize, shown: &str, options: &Options, policy: &Policy) {
        self.cut_at = open.len() + CUT_BYTES_MIN.max(open.len() / 4);
        let Some(end) = parts::cut(open, from, options) else { return };
        let (inside, behind): (Vec<_>, Vec<_>) =
            self.late.iter().cloned().partition(|definition| definition.span.start < end);
        let mut part = Part {
            start: self.start,
            elements: 0,
            html_bytes: 0,
            closers: self.closers + memchr::memchr_iter(b']', &open.as_bytes()[from..end]).count(),
            wanted: parts::wanted(&open[..end], options),
            known: self.definitions.len(),
        };
        let text = &text[self.start..][..end - from];
        let Ok(html) = self.html_of(&part, text, &behind, options, policy) else { return };
        if !shown[self.html_start..].starts_with(&html) {
            return;
        }
        part.html_bytes = html.len();
        part.elements = nodes::children(&html).len();
        self.start += text.len();
        self.html_start += html.len();
        self.elements += part.elements;
        self.closers = part.closers;
        self.cut_at = CUT_BYTES_MIN.max(2 * (open.len() - end));
        self.parts.push(part);
        self.definitions.extend(inside);
        self.late = behind;
    }
}

/// The labels whose definitions are in one of the lists alone. What both begin with, mostly all, is only looked at once.
fn changed(before: &[Definition], after: &[Definition]) -> HashSet<UniCase<String>> {
    let said = |definition: &Definition| -> [String; 3] {
        [definition.label.clone(), definition.url.clone(), definition.title.clone()]
    };
    let same = |(a, b): &(&Definition, &Definition)| (&a.label, &a.url, &a.title) == (&b.label, &b.url, &b.title);
    let common = before.iter().zip(after).take_while(same).count();
    let [before, after] = [before, after].map(|list| list[common..].iter().map(said).collect::<HashSet<_>>());
    before.symmetric_difference(&after).map(|[label, ..]| UniCase::new(label.clone())).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::markdown::growing::page::apply;
    use crate::markdown::growing::{Edit, Growing};
    use crate::markdown::options::Tail;
    use crate::markdown::render;

    /// Lines that begin, go on and end blocks, define and ask.
    const LINES: &[&str] = &[
        "",
        "",
        "",
        "text",
        "text [a] and [b][], **bold",
        "*more* `code` [c](d)",
        "# heading",
        "## [b]",
        "===",
        "---",
        "- item",
        "- [a]",
        "  more of it",
        "1. one",
        "10) ten",
        "    code",
        "> quote",
        "> [b]: /late 'in a quote'",
        "lazy",
        "```",
        "```rust",
        "~~~",
        "| a | b |",
        "|---|---|",
        "| [a] | `x` |",
        "[a]: /u",
        "[a]: /v \"late\"",
        "[b]:",
        "/w",
        "'title",
        "ends'",
        "<div>",
        "</div>",
        "<!-- c",
        "-->",
        "* * *",
        "![a]",
        "\t- tab",
        "***a** b*",
        "[A]: <x y> (t)",
        "- - x",
        "  > [c]: /z",
        "$x$ &amp; <b>",
    ];

    fn source() -> impl Strategy<Value = String> {
        prop::collection::vec((prop::sample::select(LINES), prop::sample::select(&["\n", "\n", "\n\n"][..])), 0..40)
            .prop_map(|lines| lines.into_iter().map(|(line, end)| line.to_owned() + end).collect())
    }

    /// Pushes `source` in pieces of these lengths, and holds what is shown, and a page that follows the edits alone,
    /// against the view of the whole after each.
    fn check(source: &str, sizes: &[usize], options: &Options) -> Result<usize, TestCaseError> {
        let policy = Policy::default();
        let mut growing = Growing::new(options.clone(), Arc::new(policy.clone()));
        let (mut at, mut edits, mut page) = (0, Vec::new(), String::from("<p>what it came with</p>"));
        let mut follow = |edits: &mut Vec<Edit>| {
            page = edits.drain(..).fold(std::mem::take(&mut page), |page, edit| apply(&page, &edit));
            page.clone()
        };
        for size in sizes.iter().cycle() {
            let mut end = source.len().min(at + size);
            while !source.is_char_boundary(end) {
                end += 1;
            }
            growing.push(&source[at..end]);
            at = end;
            growing.frame(&mut edits);
            prop_assert_eq!(growing.html(), render(&source[..at], options, &policy), "{:?}", &source[..at]);
            prop_assert_eq!(follow(&mut edits), growing.html(), "the page of {:?}", &source[..at]);
            if at == source.len() {
                break;
            }
        }
        let parts = growing.open.as_ref().map_or(0, |open| open.parts.len());
        growing.finish(&mut edits);
        let finished = Options { provisional: false, ..options.clone() };
        prop_assert_eq!(growing.html(), render(source, &finished, &policy), "{:?}", source);
        prop_assert_eq!(follow(&mut edits), growing.html(), "the page of {:?}", source);
        Ok(parts)
    }

    fn options(tail: Tail) -> Options {
        Options { tail, dense: true, task_lists: true, alerts: true, ..Options::default() }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn parts_show_what_the_whole_shows(
            source in source(),
            sizes in prop::collection::vec(1usize..40, 1..12),
            complete in any::<bool>(),
        ) {
            check(&source, &sizes, &options(if complete { Tail::Complete } else { Tail::Escape }))?;
        }
    }

    #[test]
    fn a_late_definition_reaches_the_parts_that_asked() {
        let line = "a line\n\n";
        let source = format!(
            "# [a]\n\nsee [a] and [b]\n\n{}[A]: /u 'x'\n\n{}[b]: /v\n[a]: /w\n",
            line.repeat(9),
            line.repeat(9)
        );
        for tail in [Tail::Complete, Tail::Escape] {
            let parts = check(&source, &[1], &options(tail)).unwrap();
            assert!(parts > 2, "{parts} parts");
        }
    }

    #[test]
    fn what_parts_cannot_tell_is_told_by_the_whole() {
        let paragraphs = "[a] [a] [a] [a]\n\n".repeat(60);
        let deep = format!("{paragraphs}{}x\n\nmore\n", ">".repeat(65));
        let dear = format!("{paragraphs}[a]: /{}\n\n{paragraphs}", "x".repeat(1_900));
        let long = format!("{paragraphs}[a]: /{}\n\n{paragraphs}", "x".repeat(2_100));
        for source in [deep, dear, long] {
            assert_eq!(check(&source, &[97, 3], &options(Tail::Complete)).unwrap(), 0, "rendered as a whole");
        }
    }
}
