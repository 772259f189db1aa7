//! Parts of a document that no later text can change, but for references in them whose definitions come late.
//!
//! A part is one or more top-level blocks. The parser keeps nothing across such a place but definitions, so the parts
//! rendered alone, one after the other, are the document. Parts that ask for nothing are put together.
//!
//! **Source:** CommonMark 0.31.2 §5 and §6 (blocks first, inlines after); what the parser keeps was read in its source.

use std::collections::HashSet;
use std::ops::Range;

use super::headings::{Heading, Headings};
use super::known::Known;
use super::labels::Digest;
use super::{Edits, context, text};
use crate::markdown::parser::Definition;
use crate::markdown::writer::Out;
use crate::markdown::{Options, Policy, render_finished};

use super::open::Unfit;

/// A part that is done with. Its text begins where the one before ends.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    /// Where its text ends in the document.
    end: usize,
    /// How many top-level elements it is on the page.
    elements: usize,
    /// Bytes of its HTML on the page.
    html_bytes: usize,
    /// Where the labels end that its references may ask for and nothing before its end defines.
    wanted_end: usize,
}

/// All parts, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    all: Vec<Part>,
    /// The labels that each asks for, those of one part behind those of the part before.
    wanted: Vec<Digest>,
}

impl Parts {
    #[cfg(test)]
    pub(super) fn end(&self) -> usize {
        self.all.last().map_or(0, |part| part.end)
    }

    /// Adds what follows the last part.
    pub(super) fn push(&mut self, end: usize, elements: usize, html_bytes: usize, wanted: &HashSet<Digest>) {
        let before = self.all.len().checked_sub(2).map_or(0, |at| self.all[at].wanted_end);
        match self.all.last_mut() {
            Some(last) if last.wanted_end == before && wanted.is_empty() => {
                last.end = end;
                last.elements += elements;
                last.html_bytes += html_bytes;
            }
            _ => {
                text::grow_list_by_little(&mut self.wanted, wanted.len());
                self.wanted.extend(wanted);
                let wanted_end = self.wanted.len();
                text::grow_list_by_little(&mut self.all, 1);
                self.all.push(Part { end, elements, html_bytes, wanted_end });
            }
        }
    }

    /// Renders anew the parts that asked for what is defined now and was not, or is no more (in order), and puts them into
    /// what is shown. Returns by how much that grew. O(parts + what is shown) if there are any.
    ///
    /// # Errors
    /// [`Unfit`]: `shown` is as it was, what `edits` gained is to be dropped.
    pub(super) fn patch(
        &mut self,
        changed: &[Digest],
        part_html: impl Fn(Range<usize>) -> Result<String, Unfit>,
        shown: &mut String,
        edits: &mut Edits,
    ) -> Result<isize, Unfit> {
        if changed.is_empty() {
            return Ok(0);
        }
        let (mut elements, mut at, mut start, mut wanted) = (0, 0, 0, 0);
        let mut patches = Vec::new();
        for (index, part) in self.all.iter().enumerate() {
            let old = at..at + part.html_bytes;
            if self.wanted[wanted..part.wanted_end].iter().any(|label| changed.binary_search(label).is_ok()) {
                let html = part_html(start..part.end)?;
                if !edits.change_within(elements, &shown[old.clone()], &html) {
                    return Err(Unfit);
                }
                patches.push((index, old, html));
            }
            (start, wanted) = (part.end, part.wanted_end);
            (at, elements) = (at + part.html_bytes, elements + part.elements);
        }
        let before = shown.len();
        for (index, old, html) in patches.into_iter().rev() {
            self.all[index].html_bytes = html.len();
            shown.replace_range(old, &html);
        }
        Ok(shown.len().cast_signed() - before.cast_signed())
    }
}

/// A part's HTML, with the definitions that it may ask for.
///
/// # Errors
/// [`Unfit`]: they are too many, or change the id of a heading in it, which those behind it are numbered by.
pub(super) fn html_of(
    text: &str,
    part: Range<usize>,
    (known, late): (&Known, &[Definition]),
    headings: &Headings,
    options: &Options,
    policy: &Policy,
) -> Result<String, Unfit> {
    let (before, within) = headings.before_part(&part);
    let text = &text[part];
    let context = known.context([text, ""], late);
    if context.len() > context::BYTES_MAX {
        return Err(Unfit);
    }
    let mut out = Out { headings: before, ..Out::default() };
    render_finished(&(context + text), None, options, policy, &mut out);
    let slugs = |found: &[Heading]| found.iter().map(|heading| heading.1.clone()).collect::<Vec<_>>();
    if slugs(&out.headings.found) == slugs(within) { Ok(out.html) } else { Err(Unfit) }
}
