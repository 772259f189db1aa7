//! Dollar signs: which of them may still open math that the text has not closed.
//!
//! The parser pairs dollar signs only where both stand in the same nesting of braces, and never across a third. It
//! counts braces before it knows of code or links; so does this.
//!
//! **Source:** the parser's math extension; CommonMark has none.

/// The dollar signs of a text and how they could pair.
#[derive(Debug, Default)]
pub(super) struct Dollars {
    /// In the order of their places.
    signs: Vec<Sign>,
    /// The nestings of braces that are still open at the end of the text, ascending.
    reachable: Vec<usize>,
    /// Where the dollar signs begin with which the text ends.
    ending: usize,
}

#[derive(Debug)]
struct Sign {
    at: usize,
    /// The nesting of braces it stands in.
    nesting: usize,
    /// The next one in the same nesting.
    next: Option<usize>,
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
        let mut signs: Vec<Sign> = Vec::new();
        let mut open = vec![0];
        // For each nesting: the last sign in it. A brace too many begins a new one: nothing pairs across it.
        let mut last = vec![None];
        let mut bytes = text.bytes().enumerate();
        while let Some((at, byte)) = bytes.next() {
            match byte {
                b'\\' if text.as_bytes().get(at + 1).is_some_and(u8::is_ascii_punctuation) => {
                    bytes.next();
                }
                b'{' | b'}' => {
                    if byte == b'}' {
                        open.pop();
                    }
                    if byte == b'{' || open.is_empty() {
                        open.push(last.len());
                        last.push(None);
                    }
                }
                b'$' => {
                    let nesting = open.last().copied().unwrap_or_default();
                    if let Some(before) = last[nesting].replace(signs.len()) {
                        let before: &mut Sign = &mut signs[before];
                        before.next = Some(at);
                    }
                    signs.push(Sign { at, nesting, next: None });
                }
                _ => {}
            }
        }
        Self { signs, reachable: open, ending: text.trim_end_matches('$').len() }
    }

    fn sign(&self, at: usize) -> Option<&Sign> {
        self.signs.binary_search_by_key(&at, |sign| sign.at).ok().map(|index| &self.signs[index])
    }

    /// Whether the dollar sign at `at`, which closes nothing and pairs with nothing, opens math up to the text's end.
    pub(super) fn opens(&self, text: &str, at: usize) -> Option<OpenMath> {
        let rest = &text[at + 1..];
        let display = rest.starts_with('$');
        let content = at + 1 + usize::from(display);
        let closable = self.sign(at).is_some_and(|sign| self.reachable.binary_search(&sign.nesting).is_ok());
        if !closable || (content > self.ending && !display) {
            return None;
        }
        // A dollar sign that could have closed it and did not: the parser gives up on the opener. A last one may still
        // be half of `$$`.
        let next = self.sign(content - 1).and_then(|sign| sign.next);
        let decided = next.is_some_and(|next| !(display && next >= self.ending));
        if decided || !(display || looks_like_math(text, at)) {
            return None;
        }
        let held = text.get(content..self.ending).unwrap_or_default();
        Some(OpenMath { at, display, blank: held.trim_start().is_empty() })
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
        for text in ["$$", "$$$", "$$ \n", "$$\u{a0}"] {
            assert!(Dollars::new(text).opens(text, 0).is_some_and(|math| math.blank), "{text:?}");
        }
        assert!(Dollars::new("a$b").opens("a$b", 1).is_none());
    }
}
