//! The text of a growing document: as it was pushed, and as the parser reads it.
//!
//! **Invariant:** however it is cut, the normalised text is that of the whole (`any_cut_is_normalised_as_the_whole`).

use crate::markdown::normalise::normalise;

/// Text in any pieces, normalised as it comes.
#[derive(Clone, Debug, Default)]
pub(super) struct Text {
    normalised: String,
    /// The text as it was pushed, kept apart only if it differs.
    pushed: Option<String>,
    /// A carriage return came last: what follows says whether it is a line end alone.
    held: bool,
}

impl Text {
    /// Adds a piece. O(piece).
    pub(super) fn push(&mut self, piece: &str) {
        if piece.is_empty() {
            return;
        }
        let (from, first) = (self.normalised.len(), self.normalised.is_empty() && self.pushed.is_none());
        let mut rest = piece;
        grow_by_little(&mut self.normalised);
        if std::mem::take(&mut self.held) {
            self.normalised.push('\n');
            rest = rest.strip_prefix('\n').unwrap_or(rest);
        }
        if let Some(before) = rest.strip_suffix('\r') {
            self.held = true;
            rest = before;
        }
        // Only the first character of all can be a byte order mark.
        if !first && let Some(after) = rest.strip_prefix('\u{feff}') {
            self.normalised.push('\u{feff}');
            rest = after;
            if rest.starts_with('\u{feff}') {
                return self.push_marks(piece, from, rest);
            }
        }
        self.normalised.push_str(&normalise(rest));
        self.keep(piece, from);
    }

    /// Several byte order marks one after the other: each is text.
    fn push_marks(&mut self, piece: &str, from: usize, mut rest: &str) {
        while let Some(after) = rest.strip_prefix('\u{feff}') {
            self.normalised.push('\u{feff}');
            rest = after;
        }
        self.normalised.push_str(&normalise(rest));
        self.keep(piece, from);
    }

    /// Keeps what was pushed, if it is not what was normalised from offset `from` on.
    fn keep(&mut self, piece: &str, from: usize) {
        match &mut self.pushed {
            Some(pushed) => pushed.push_str(piece),
            None if self.normalised[from..] == *piece => {}
            None => self.pushed = Some(self.normalised[..from].to_owned() + piece),
        }
    }

    /// No more text follows: a held carriage return is a line end.
    pub(super) fn finish(&mut self) {
        if std::mem::take(&mut self.held) {
            self.normalised.push('\n');
        }
    }

    /// What the parser reads. A carriage return at the very end is not in it yet.
    pub(super) fn normalised(&self) -> &str {
        &self.normalised
    }

    /// What was pushed.
    pub(super) fn pushed(&self) -> &str {
        self.pushed.as_deref().unwrap_or(&self.normalised)
    }
}

/// A text of so many bytes makes room for half as much at a time.
const LARGE_BYTES: usize = 1 << 20;

/// Makes room at the end of a long text: an eighth of it, a sixteenth of a large one, where it would double by itself and
/// hold twice what it needs.
pub(super) fn grow_by_little(text: &mut String) {
    if text.capacity() - text.len() < text.len() / 64 {
        text.reserve_exact(text.len() / if text.len() < LARGE_BYTES { 8 } else { 16 });
    }
}

/// Makes room in a list that gains so many items: for an eighth more.
pub(super) fn grow_list_by_little<T>(list: &mut Vec<T>, more: usize) {
    if list.capacity() - list.len() < more {
        list.reserve_exact(more.max(list.len() / 8).max(4));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_holds_little_more_than_itself() {
        let mut text = Text::default();
        (0..50_000).for_each(|_| text.push("some bytes"));
        assert!(text.normalised.capacity() <= text.normalised.len() * 9 / 8, "{}", text.normalised.capacity());
    }
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_cut_is_normalised_as_the_whole(
            pieces in prop::collection::vec("[a\r\n\u{0}\u{c}\u{feff}é]{0,4}", 0..8),
        ) {
            let mut text = Text::default();
            pieces.iter().for_each(|piece| text.push(piece));
            let whole = pieces.concat();
            prop_assert_eq!(text.pushed(), &*whole);
            prop_assert_eq!(text.normalised(), &*normalise(whole.strip_suffix('\r').unwrap_or(&whole)));
            text.finish();
            prop_assert_eq!(text.normalised(), &*normalise(&whole));
        }
    }
}
