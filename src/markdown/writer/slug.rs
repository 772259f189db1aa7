//! Heading ids: a slug of the heading's text, numbered where it repeats.
//!
//! **Invariant:** no two headings of a document have the same id, and an id depends on nothing behind its heading
//! (`no_slug_is_given_twice`).
//!
//! **Invariant:** a slug has at most [`SLUG_CHARS_MAX`] characters, all of them letters, digits, `_` or `-`
//! (`slugs_keep_letters_digits_and_dashes`).

use std::collections::HashMap;

/// How long a slug may be, in characters; what follows is dropped.
const SLUG_CHARS_MAX: usize = 64;

/// The slugs given so far in one document.
#[derive(Default)]
pub(super) struct Slugs {
    /// Each with the number that is tried next where it comes again.
    given: HashMap<String, usize>,
}

impl Slugs {
    /// The slug of a heading with this text, `None` where nothing of it is left. The second equal one ends in `-1`, the
    /// third in `-2`; a number that would make a slug given before is passed over.
    ///
    /// O(text) over a document: a given slug ends in one number, and is passed over once.
    pub(super) fn give(&mut self, text: &str) -> Option<String> {
        let slug = slug(text);
        if slug.is_empty() {
            return None;
        }
        let Some(&first) = self.given.get(&slug) else {
            self.given.insert(slug.clone(), 1);
            return Some(slug);
        };
        let (number, free) = (first..)
            .map(|number| (number, format!("{slug}-{number}")))
            .find(|(_, numbered)| !self.given.contains_key(numbered))?;
        self.given.insert(slug, number + 1);
        self.given.insert(free.clone(), 1);
        Some(free)
    }
}

fn slug(text: &str) -> String {
    let words = text.split_whitespace().map(|word| {
        let kept = word.chars().flat_map(char::to_lowercase);
        kept.filter(|c| c.is_alphanumeric() || matches!(c, '_' | '-')).collect::<String>()
    });
    words.collect::<Vec<_>>().join("-").chars().take(SLUG_CHARS_MAX).collect()
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
            assert_eq!(slug(text), expected);
        }
        assert_eq!(slug(&"é".repeat(100)).chars().count(), SLUG_CHARS_MAX);
    }

    #[test]
    fn no_slug_is_given_twice() {
        for (headings, expected) in [
            ("a a a-1 a", "a a-1 a-1-1 a-2"),
            ("a-1 a a a", "a-1 a a-2 a-3"),
            ("a-2 a a a", "a-2 a a-1 a-3"),
            ("a-1 a-1 a a", "a-1 a-1-1 a a-2"),
        ] {
            let mut slugs = Slugs::default();
            let given: Vec<_> = headings.split(' ').filter_map(|text| slugs.give(text)).collect();
            assert_eq!(given.join(" "), expected);
        }
    }

    #[test]
    fn equal_slugs_are_counted() {
        let mut slugs = Slugs::default();
        let given: Vec<_> = ["a", "A", "?", "a", "b"].iter().map(|text| slugs.give(text)).collect();
        assert_eq!(given, [Some("a".into()), Some("a-1".into()), None, Some("a-2".into()), Some("b".into())]);
    }
}
