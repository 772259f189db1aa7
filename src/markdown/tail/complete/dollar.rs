//! Dollar signs: which of them may still open math that the text has not closed.
//!
//! The parser pairs dollar signs only where both stand in the same nesting of braces, and never across a third. It
//! counts braces before it knows of code or links; so does this.
//!
//! **Source:** the parser's math extension; CommonMark has none.

use std::collections::HashMap;

/// The dollar signs of a text and how they could pair.
#[derive(Debug, Default)]
pub(super) struct Dollars {
    /// For each dollar sign: the next one in the same nesting of braces, if there is one.
    next: HashMap<usize, usize>,
    /// The brace nestings that are still open at the end of the text, ascending.
    reachable: Vec<u32>,
    nesting: HashMap<usize, u32>,
    /// Where the dollar signs begin with which the text ends.
    ending: usize,
}

/// An opener of math that is not closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OpenMath {
    /// Where its dollar sign stands.
    pub(super) at: usize,
    /// `$$`.
    pub(super) display: bool,
    /// It holds nothing yet.
    pub(super) blank: bool,
}

impl Dollars {
    /// Reads all dollar signs of a text. O(text).
    pub(super) fn new(text: &str) -> Self {
        let mut dollars = Self::default();
        let mut stack = vec![0];
        let mut fresh = 1;
        let mut last = HashMap::new();
        let mut bytes = text.bytes().enumerate();
        while let Some((at, byte)) = bytes.next() {
            match byte {
                b'\\' if text.as_bytes().get(at + 1).is_some_and(u8::is_ascii_punctuation) => {
                    bytes.next();
                }
                b'{' => {
                    stack.push(fresh);
                    fresh += 1;
                }
                b'}' => {
                    stack.pop();
                    if stack.is_empty() {
                        // A brace too many: nothing pairs across it.
                        stack.push(fresh);
                        fresh += 1;
                    }
                }
                b'$' => {
                    let nesting = stack.last().copied().unwrap_or_default();
                    if let Some(before) = last.insert(nesting, at) {
                        dollars.next.insert(before, at);
                    }
                    dollars.nesting.insert(at, nesting);
                }
                _ => {}
            }
        }
        dollars.reachable = stack;
        dollars.ending = text.trim_end_matches('$').len();
        dollars
    }

    /// Whether the dollar sign at `at`, which closes nothing and pairs with nothing, opens math up to the text's end.
    pub(super) fn opens(&self, text: &str, at: usize) -> Option<OpenMath> {
        let rest = &text[at + 1..];
        let display = rest.starts_with('$');
        let content = at + 1 + usize::from(display);
        let closable = self.nesting.get(&at).is_some_and(|nesting| self.reachable.binary_search(nesting).is_ok());
        if !closable || (content > self.ending && !display) {
            return None;
        }
        // A dollar sign that could have closed it and did not: the parser gives up on the opener. A last one may still
        // be half of `$$`.
        let decided = self.next.get(&(content - 1)).is_some_and(|&next| !(display && next >= self.ending));
        if decided || !(display || looks_like_math(text, at)) {
            return None;
        }
        let held = text.as_bytes().get(content..self.ending).unwrap_or_default();
        Some(OpenMath { at, display, blank: held.trim_ascii_start().is_empty() })
    }
}

/// Whether what surrounds a single dollar sign is math rather than an amount or a shell variable.
fn looks_like_math(text: &str, at: usize) -> bool {
    let rest = &text[at + 1..];
    let Some(first) = rest.chars().next() else { return false };
    let after_word = text[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
    let variable = rest.bytes().take_while(|b| b.is_ascii_uppercase() || *b == b'_').count() >= 2;
    !first.is_whitespace() && !first.is_ascii_digit() && !variable && !after_word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn math_opens_where_it_may_still_close() {
        let cases = [
            ("$x", true),
            ("$$x", true),
            ("$$x$", true),
            ("$$ x", true),
            ("$\\frac{a", true),
            ("$5", false),
            ("$PATH", false),
            ("$P", true),
            ("$ x", false),
            ("$x $", false),
            ("$$", false),
            ("$a}", false),
            ("$\\}a", true),
            ("${$a", true),
        ];
        for (text, expected) in cases {
            let opened = Dollars::new(text).opens(text, 0).filter(|math| !math.blank);
            assert_eq!(opened.is_some(), expected, "{text:?}");
        }
        for text in ["$$", "$$$", "$$ \n"] {
            assert!(Dollars::new(text).opens(text, 0).is_some_and(|math| math.blank), "{text:?}");
        }
        assert!(Dollars::new("a$b").opens("a$b", 1).is_none());
    }
}
