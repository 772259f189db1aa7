//! The definitions that are done with, and which of them a text must know to be rendered alone.
//!
//! **Invariant:** of definitions of one label the first wins, wherever the text is cut (`parts_show_what_the_whole_shows`): what is known stands before the text, and the parser takes the first.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::context;
use super::labels::{Digest, Label, labels, of_definition};
use crate::markdown::parser::Definition;
use crate::markdown::references;

/// Definitions, in order; the first of each label.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    all: Vec<Definition>,
    by_label: HashMap<Label, Vec<usize>>,
    /// The most bytes that a reference to any of them brings in.
    dearest: usize,
    any_long: bool,
}

impl Known {
    /// Adds definitions that stand behind all others.
    pub(super) fn add(&mut self, definitions: impl IntoIterator<Item = Definition>) {
        for definition in definitions {
            self.dearest = self.dearest.max(references::dearest([&definition]));
            self.any_long |= !references::is_short(&definition);
            self.by_label.entry(of_definition(&definition.label)).or_default().push(self.all.len());
            self.all.push(definition);
        }
    }

    pub(super) fn has(&self, label: &Label) -> bool {
        self.by_label.contains_key(label)
    }

    /// How many there are with `late`, and the dearest; `None` if one is too long to resolve, or there are too many.
    pub(super) fn dearest(&self, late: &[Definition]) -> Option<usize> {
        let fits =
            !self.any_long && references::is_few(self.all.len() + late.len()) && late.iter().all(references::is_short);
        fits.then(|| self.dearest.max(references::dearest(late)))
    }

    /// Spells those that `text` and the texts beside it may ask for or define again, and those of `late` too.
    /// O(text + what it asks for).
    pub(super) fn context(&self, texts: [&str; 2], late: &[Definition]) -> String {
        if self.all.is_empty() && late.is_empty() {
            return String::new();
        }
        let mut asked = BTreeSet::<usize>::new();
        let by_late: HashMap<Label, usize> =
            late.iter().enumerate().rev().map(|(at, late)| (of_definition(&late.label), self.all.len() + at)).collect();
        for text in texts {
            labels(text, |label| {
                asked.extend(self.by_label.get(&label).into_iter().flatten());
                asked.extend(by_late.get(&label));
            });
        }
        context::spell(asked.into_iter().map(|at| self.all.get(at).unwrap_or_else(|| &late[at - self.all.len()])))
    }

    /// The labels in `text` that are not known.
    pub(super) fn wanted(&self, text: &str, wanted: &mut HashSet<Digest>) {
        labels(text, |label| {
            if !self.has(&label) {
                wanted.insert(Digest::of(&label));
            }
        });
    }
}
