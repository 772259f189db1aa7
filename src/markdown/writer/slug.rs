//! Heading ids: a slug of the heading's text, numbered where it repeats.
//!
//! **Invariant:** no two headings of a document have the same id, and an id depends on nothing behind its heading
//! (`no_slug_is_given_twice`).
//!
//! **Invariant:** a slug has at most [`SLUG_CHARS_MAX`] characters, all of them letters, digits, `_` or `-`
//! (`slugs_keep_letters_digits_and_dashes`).

use std::collections::HashMap;
use std::sync::Arc;

/// How long a slug may be, in characters; what follows is dropped.
const SLUG_CHARS_MAX: usize = 64;

/// Slugs given, each with the number that is tried next where it comes again.
pub(in crate::markdown) type Given = HashMap<String, usize>;

/// The slugs given so far in one document.
#[derive(Clone, Debug, Default)]
pub(in crate::markdown) struct Slugs {
    /// In what stands before the part that is being written, where it is one.
    before: Option<Arc<Given>>,
    given: Given,
}

impl Slugs {
    /// Goes on behind a part of the document that gave these.
    pub(in crate::markdown) fn behind(before: &Arc<Given>) -> Self {
        Self { before: Some(Arc::clone(before)), given: Given::default() }
    }

    /// The id of the next heading that has this slug. The second ends in `-1`, the third in `-2`; a number that would make
    /// a slug given before is passed over.
    ///
    /// O(slugs) over a document: a given slug ends in one number, and is passed over once.
    pub(in crate::markdown) fn give(&mut self, slug: String) -> String {
        let Some(first) = self.next(&slug) else {
            self.given.insert(slug.clone(), 1);
            return slug;
        };
        let mut number = first;
        let free = loop {
            let numbered = format!("{slug}-{number}");
            number += 1;
            if self.next(&numbered).is_none() {
                break numbered;
            }
        };
        self.given.insert(slug, number);
        self.given.insert(free.clone(), 1);
        free
    }

    fn next(&self, slug: &str) -> Option<usize> {
        self.given.get(slug).or_else(|| self.before.as_ref()?.get(slug)).copied()
    }

    /// What was given, but for what was given before.
    pub(in crate::markdown) fn into_given(self) -> Given {
        self.given
    }
}

/// The slug of a heading with this text, before it is numbered; `None` where nothing of it is left.
pub(super) fn slug(text: &str) -> Option<String> {
    let words = text.split_whitespace().map(|word| {
        let kept = word.chars().flat_map(char::to_lowercase);
        kept.filter(|c| c.is_alphanumeric() || matches!(c, '_' | '-')).collect::<String>()
    });
    let slug: String = words.collect::<Vec<_>>().join("-").chars().take(SLUG_CHARS_MAX).collect();
    (!slug.is_empty()).then_some(slug)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_keep_letters_digits_and_dashes() {
        for (text, expected) in [
            ("Hello, World!", "hello-world"),
            ("  a  b\tc ", "a-b-c"),
            ("Über_die-Brücke 2", "über_die-brücke-2"),
            ("a & b", "a--b"),
            ("!!!", ""),
            ("<script>", "script"),
        ] {
            assert_eq!(slug(text).unwrap_or_default(), expected);
        }
        assert_eq!(slug(&"é".repeat(100)).unwrap().chars().count(), SLUG_CHARS_MAX);
    }

    #[test]
    fn no_slug_is_given_twice() {
        for (headings, expected) in [
            ("a a a-1 a", "a a-1 a-1-1 a-2"),
            ("a-1 a a a", "a-1 a a-2 a-3"),
            ("a-2 a a a", "a-2 a a-1 a-3"),
            ("a-1 a-1 a a", "a-1 a-1-1 a a-2"),
        ] {
            let headings: Vec<String> = headings.split(' ').map(str::to_owned).collect();
            for cut in 0..=headings.len() {
                let mut slugs = Slugs::default();
                let mut given: Vec<String> = headings[..cut].iter().map(|slug| slugs.give(slug.clone())).collect();
                let mut slugs = Slugs::behind(&Arc::new(slugs.into_given()));
                given.extend(headings[cut..].iter().map(|slug| slugs.give(slug.clone())));
                assert_eq!(given.join(" "), expected, "cut at {cut}");
            }
        }
    }

    #[test]
    fn equal_slugs_are_counted() {
        let mut slugs = Slugs::default();
        let given: Vec<_> = ["a", "A", "?", "a", "b"].iter().map(|text| Some(slugs.give(slug(text)?))).collect();
        assert_eq!(given, [Some("a".into()), Some("a-1".into()), None, Some("a-2".into()), Some("b".into())]);
    }
}
