//! Edits of a page in the vocabularies that are asked for: each is made by a comparison of its own.
//!
//! **Invariant:** both lists lead to the same page (`both_vocabularies_lead_to_the_same_page`).

use super::spine::Spine;
use super::{Edit, FineEdit, Path, Step, diff, fine};

/// Edits in djust's vocabulary, in the finer one, or in both. What is `None` is not asked for and costs nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits {
    /// Children replaced or appended, elements deleted.
    pub coarse: Option<Vec<Edit>>,
    /// What changed and no more.
    pub fine: Option<Vec<FineEdit>>,
}

/// How many edits there are of each kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark(usize, usize);

impl Edits {
    /// Empty lists of what is asked for.
    pub fn of(coarse: bool, fine: bool) -> Self {
        Self { coarse: coarse.then(Vec::new), fine: fine.then(Vec::new) }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.coarse.as_ref().is_none_or(Vec::is_empty) && self.fine.as_ref().is_none_or(Vec::is_empty)
    }

    /// Appends what leads from `old` to `new`, the last children of the root, before which `before` elements stand.
    pub(super) fn change(&mut self, before: usize, old: &str, new: &str) {
        if old == new {
            return;
        }
        if let Some(edits) = &mut self.coarse {
            diff::diff(before, old, new, edits);
        }
        if let Some(edits) = &mut self.fine {
            fine::diff(&[fine::Hidden { elements: before, text: false }], old, new, edits);
        }
    }

    /// The same for the visible part of a page: `old` and `new` follow what is `hidden`, and close its spine. `None` if
    /// they do not; what was gained is to be dropped then.
    pub(super) fn change_visible(&mut self, spine: &Spine, hidden: &str, old: &str, new: &str) -> Option<()> {
        if old == new {
            return Some(());
        }
        for change in spine.changes(hidden, old, new)? {
            if let Some(edits) = &mut self.coarse {
                diff::diff_level(&change, edits);
            }
            if let Some(edits) = &mut self.fine {
                fine::diff_level(&change, edits);
            }
        }
        Some(())
    }

    /// The same for children of the root that others follow: as many as before, and changed inside at most. Whether they
    /// are that.
    pub(super) fn change_within(&mut self, before: usize, old: &str, new: &str) -> bool {
        let fits = match &mut self.coarse {
            Some(edits) => diff::diff_within(before, old, new, edits),
            None => diff::diff_within(before, old, new, &mut Vec::new()),
        };
        if let (true, Some(edits)) = (fits, &mut self.fine) {
            fine::diff_within(before, old, new, edits);
        }
        fits
    }

    /// All children of the root give way to these.
    pub(super) fn replace_root(&mut self, html: &str) {
        if let Some(edits) = &mut self.coarse {
            edits.push(Edit::Replace { path: Path::new(), html: html.to_owned() });
        }
        if let Some(edits) = &mut self.fine {
            edits.push(FineEdit::Replace { path: Path::new(), html: html.to_owned() });
        }
    }

    /// An element gains text at its end, spelled as in HTML.
    pub(super) fn append_text(&mut self, path: &[Step], escaped: String) {
        if let Some(edits) = &mut self.fine {
            edits.push(FineEdit::AppendText { path: path.to_vec(), text: fine::plain(&escaped).into_owned() });
        }
        if let Some(edits) = &mut self.coarse {
            edits.push(Edit::Append { path: path.to_vec(), html: escaped });
        }
    }

    /// An element gains children at its end.
    pub(super) fn append(&mut self, path: &[Step], html: String) {
        if let Some(edits) = &mut self.fine {
            edits.push(FineEdit::AppendHtml { path: path.to_vec(), html: html.clone() });
        }
        if let Some(edits) = &mut self.coarse {
            edits.push(Edit::Append { path: path.to_vec(), html });
        }
    }

    pub(super) fn mark(&self) -> Mark {
        Mark(self.coarse.as_ref().map_or(0, Vec::len), self.fine.as_ref().map_or(0, Vec::len))
    }

    /// Drops what came after the mark.
    pub(super) fn back_to(&mut self, mark: Mark) {
        if let Some(edits) = &mut self.coarse {
            edits.truncate(mark.0);
        }
        if let Some(edits) = &mut self.fine {
            edits.truncate(mark.1);
        }
    }
}
