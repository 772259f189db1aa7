//! What has to be done to a page, in a vocabulary that takes back part of a text and puts nodes before others: so only
//! what changed is sent, and what did not change is not touched.
//!
//! The children of an element are compared from both ends. Of those between, pairs go from the left as long as they are
//! the same element with another content, or both text; what is left is cut out and the new put in its place:
//!
//! ```text
//!   old    =  =  <em>…</em>  text…      <b>…</b>   =
//!   new    =  =  <em>…</em>  text … <a>…</a> …     =
//!                into it     spliced               counted from the end
//! ```
//!
//! Text at the end of an element is trimmed and grows as text, unescaped. A place among child nodes is counted from the
//! end, so that it does not matter what stands before them. Text nodes that touch count as one.
//!
//! **Invariant:** edits applied to the old HTML give the new (`fine_edits_lead_from_the_old_to_the_new`,
//! `random_pages_lead_to_each_other`); what is sent is never more than what the place of the change holds
//! (`what_changes_is_sent_and_no_more`).

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use super::nodes::{Node, children};
use super::spine::Change;
use super::{FineEdit, Path, Step};

/// What stands in an element of the page before the children that are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Hidden {
    /// So many elements.
    pub elements: usize,
    /// Text that the first of the children, if it is text, goes on with: they are one node.
    pub text: bool,
}

/// Appends to `edits` what leads from `old` to `new`. `hidden` says, for the root and each element down its right edge,
/// what stands before what is compared.
pub(super) fn diff(hidden: &[Hidden], old: &str, new: &str, edits: &mut Vec<FineEdit>) {
    if old != new {
        Differ { path: Path::new(), edits }.inside(hidden, old, new);
    }
}

/// The same for one level of a page's spine.
pub(super) fn diff_level(change: &Change<'_>, edits: &mut Vec<FineEdit>) {
    let hidden = Hidden { elements: change.elements, text: change.ends_in_text() };
    Differ { path: change.path.clone(), edits }.inside(&[hidden], change.old, change.new);
}

/// The same for children of the root that others follow: as many as before, and changed inside at most.
pub(super) fn diff_within(before: usize, old: &str, new: &str, edits: &mut Vec<FineEdit>) {
    let mut differ = Differ { path: Path::new(), edits };
    for (at, (b, a)) in children(old).iter().zip(&children(new)).enumerate() {
        differ.step(Step::Child(before + at + 1), &[], b, a);
    }
}

struct Differ<'e> {
    path: Path,
    edits: &'e mut Vec<FineEdit>,
}

/// Children of one element that differ, and what stands around them.
struct Between<'n, 'h> {
    old: &'n [Node<'h>],
    new: &'n [Node<'h>],
    /// Nodes behind them that stand.
    behind: usize,
    /// Elements before them.
    elements: usize,
    /// Whether they are all that the element holds.
    all: bool,
    /// Whether the first of them, if it is text, goes on with hidden text.
    joined: bool,
}

impl Differ<'_> {
    /// What leads from one content of the element at the path to another. Goes no deeper than elements do.
    fn inside(&mut self, hidden: &[Hidden], old: &str, new: &str) {
        if let Some(extra) = new.strip_prefix(old) {
            return self.append(extra);
        }
        let here = hidden.first().copied().unwrap_or_default();
        let (before, after) = (children(old), children(new));
        let same = before.iter().zip(&after).take_while(|(b, a)| b.html == a.html).count();
        let (old, new) = (&before[same..], &after[same..]);
        let joined = same == 0 && here.text;
        let mut behind = old.iter().rev().zip(new.iter().rev()).take_while(|(b, a)| b.html == a.html).count();
        if joined && old.first().is_some_and(|node| !node.is_element()) {
            behind = 0; // It is not cut out, but trimmed, which goes from the end.
        }
        let elements = here.elements + count_elements(&before[..same]);
        let all = same + behind == 0 && here == Hidden::default();
        let old = &old[..old.len() - behind];
        let new = &new[..new.len() - behind];
        let rest = &before[before.len() - behind..];
        let between = Between { old, new, behind, elements, all, joined };
        match self.pairs(hidden, &between, rest) {
            Cut::At(at) => self.cut(&between.from(at)),
            Cut::Text(at) => self.grow_text(&between.from(at), &after[same + at + 1..]),
        }
    }

    /// Follows pairs from the left; says where what is left begins, and how it has to be cut.
    fn pairs(&mut self, hidden: &[Hidden], between: &Between<'_, '_>, rest: &[Node<'_>]) -> Cut {
        let Between { old, new, behind, .. } = *between;
        let mut elements = between.elements;
        for (i, (b, a)) in old.iter().zip(new).enumerate() {
            if b.same_tag(a) {
                let last = i + 1 == old.len() && behind == 0;
                let spine = count_elements(&old[i + 1..]) + count_elements(rest) == 0;
                let below = if spine { hidden.get(1..).unwrap_or_default() } else { &[] };
                let step = if last { Step::Last } else { Step::Child(elements + 1) };
                self.step(step, below, b, a);
            } else if !b.is_element() && !a.is_element() && b.html != a.html {
                let whole = a.html.len();
                let more = new[i + 1..].iter().chain(rest).map(|node| node.html.len()).sum::<usize>();
                let at_end = i + 1 == old.len() && behind == 0;
                if at_end || (i == 0 && between.joined) || whole > whole - common(b.html, a.html) + more {
                    return Cut::Text(i);
                }
                if i + 1 == old.len() {
                    return Cut::At(i);
                }
                let back = old.len() - i + behind;
                self.splice(back, 1, a.html.to_owned());
            } else if b.html != a.html {
                return Cut::At(i);
            }
            elements += usize::from(b.is_element());
        }
        Cut::At(old.len().min(new.len()))
    }

    /// Puts the new nodes in the place of the old.
    fn cut(&mut self, between: &Between<'_, '_>) {
        let Between { old, new, behind, all, joined, .. } = *between;
        match (old, new) {
            ([], []) => {}
            _ if behind > 0 => self.splice(old.len() + behind, old.len(), html_of(new)),
            ([], _) => self.append(&html_of(new)),
            ([text, more @ ..], _) if joined && !text.is_element() => {
                self.remove(more);
                self.trim(text.html);
                self.append(&html_of(new));
            }
            (_, []) => self.remove(old),
            _ if all => {
                let (path, html) = (self.path.clone(), html_of(new));
                self.edits.push(FineEdit::Replace { path, html });
            }
            _ => self.splice(old.len(), old.len(), html_of(new)),
        }
    }

    /// The first text is cut where it differs, with all that follows it, and grows by the rest of the new, and `more`.
    fn grow_text(&mut self, between: &Between<'_, '_>, more: &[Node<'_>]) {
        let (Some(b), Some(a)) = (between.old.first(), between.new.first()) else { return };
        let behind = between.old.len() - 1 + between.behind;
        let keep = common(b.html, a.html);
        if keep == 0 && !between.joined {
            let (path, html) = (self.path.clone(), a.html.to_owned() + &html_of(more));
            return match between.all {
                true => self.edits.push(FineEdit::Replace { path, html }),
                false => self.splice(behind + 1, behind + 1, html),
            };
        }
        self.remove_last(behind);
        self.trim(&b.html[keep..]);
        self.append(&(a.html[keep..].to_owned() + &html_of(more)));
    }

    /// An element that stands: what changed inside it.
    fn step(&mut self, step: Step, hidden: &[Hidden], old: &Node<'_>, new: &Node<'_>) {
        if old.html != new.html {
            self.path.push(step);
            self.inside(hidden, old.inner(), new.inner());
            self.path.pop();
        }
    }

    fn append(&mut self, html: &str) {
        if html.is_empty() {
            return;
        }
        let path = self.path.clone();
        self.edits.push(match html.contains('<') {
            true => FineEdit::AppendHtml { path, html: html.to_owned() },
            false => FineEdit::AppendText { path, text: plain(html).into_owned() },
        });
    }

    fn trim(&mut self, html: &str) {
        if !html.is_empty() {
            let units = plain(html).encode_utf16().count();
            self.edits.push(FineEdit::Trim { path: self.path.clone(), units });
        }
    }

    fn remove(&mut self, nodes: &[Node<'_>]) {
        self.remove_last(nodes.len());
    }

    fn remove_last(&mut self, nodes: usize) {
        match nodes {
            0 => {}
            1 => self.edits.push(FineEdit::DeleteLast { path: self.path.clone() }),
            _ => self.splice(nodes, nodes, String::new()),
        }
    }

    fn splice(&mut self, back: usize, remove: usize, html: String) {
        self.edits.push(FineEdit::Splice { path: self.path.clone(), back, remove, html });
    }
}

/// How what is left after the pairs is changed.
enum Cut {
    /// From this pair on, the old nodes give way to the new.
    At(usize),
    /// This pair is text, and all behind its common beginning goes.
    Text(usize),
}

impl<'n, 'h> Between<'n, 'h> {
    /// What is left from a pair on.
    fn from(&self, at: usize) -> Self {
        Self {
            old: &self.old[at..],
            new: &self.new[at..],
            all: self.all && at == 0,
            joined: self.joined && at == 0,
            ..*self
        }
    }
}

fn count_elements(nodes: &[Node<'_>]) -> usize {
    nodes.iter().filter(|node| node.is_element()).count()
}

fn html_of(nodes: &[Node<'_>]) -> String {
    nodes.iter().map(|node| node.html).collect()
}

/// So many bytes two texts begin with alike: whole characters, as HTML spells them.
fn common(old: &str, new: &str) -> usize {
    let mut same = old.bytes().zip(new.bytes()).take_while(|(b, a)| b == a).count();
    while !old.is_char_boundary(same) {
        same -= 1;
    }
    // Text holds `&` only where a character reference begins.
    match old[..same].rfind('&') {
        Some(at) if !old[at..same].contains(';') => at,
        _ => same,
    }
}

/// The text that our writer spelled so.
pub(super) fn plain(html: &str) -> Cow<'_, str> {
    const SPELLED: [(&str, char); 6] =
        [("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>'), ("&#13;", '\r'), ("&quot;", '"'), ("&#39;", '\'')];
    if !html.contains('&') {
        return Cow::Borrowed(html);
    }
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find('&') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let (spelling, character) =
            SPELLED.into_iter().find(|(spelling, _)| rest.starts_with(spelling)).unwrap_or(("&", '&'));
        text.push(character);
        rest = &rest[spelling.len()..];
    }
    text.push_str(rest);
    Cow::Owned(text)
}
