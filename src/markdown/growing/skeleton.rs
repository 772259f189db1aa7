//! The skeleton: a few lines that open the containers in which a leaf stands, in place of all that stands before it.
//!
//! ```text
//!   1. one                      1. x            ← each list in which the leaf stands, opened before its line:
//!      - two                       - x            what opened its item, with `x` for its text
//!      - three          →          - # x        ← ends the paragraph `x`; or a dummy item, where the leaf's line
//!        > four                                   begins another item of an old list
//!                                    > five     ← the leaf's line opens quotes (and new lists) itself
//!        > five
//! ```
//!
//! Each `x` tells whether the parser holds the list for tight or loose: `<li>x` or `<li><p>x</p>`. A list that is loose
//! so far gets the blank line that makes the skeleton's loose.
//!
//! Lines are copied byte for byte up to the text, with markers of outer lists blanked, so indentation counts as it did,
//! tabs included.
//!
//! **Source:** CommonMark 0.31.2 §5.2, §5.3 (items' indentation, tight and loose lists).

use std::ops::Range;

use super::leaves::{Container, Leaf, Looseness};
use super::window::line_of;

/// So many containers a skeleton opens at most: deeper text is parsed from the top-level block on. Far below the depth
/// at which elements are dropped.
const LEVELS_MAX: usize = 16;
/// What stands behind the marker of a dummy item: its content is indented too far for the leaf's line to be part of it.
const DUMMY_PADDING: &str = "    ";

/// Opens the containers of a leaf.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Skeleton {
    pub text: String,
    /// Of each list that it opens, whether that is loose.
    pub loose: Vec<bool>,
}

/// The skeleton for `leaf`, which stands in `source` on the line that starts at `line`. `None` where it is not known how
/// to make one.
pub(super) fn of(source: &str, leaf: &Leaf, line: usize) -> Option<Skeleton> {
    let mut skeleton = Skeleton { text: String::new(), loose: Vec::new() };
    if leaf.containers.len() > 2 * LEVELS_MAX {
        return None;
    }
    // Markers on the line that is being copied, of lists that have their own line already.
    let mut blanked: Vec<Range<usize>> = Vec::new();
    let mut list = None;
    let mut last_prefix = String::new();
    for container in &leaf.containers {
        match *container {
            Container::List { start, ordered, looseness } => list = Some((start, ordered, looseness)),
            Container::Quote { start } if start >= line => break,
            Container::Quote { .. } => {}
            Container::Item { start } => {
                let (list_start, ordered, looseness) = list?;
                let marker = Marker::find(source, start, ordered)?;
                let is_dummy = marker.at >= line;
                if is_dummy && marker_of_list_is_here(source, list_start, line) {
                    break;
                }
                let loose = match looseness {
                    Looseness::Loose => true,
                    Looseness::Tight => false,
                    Looseness::Unknown if has_blank_line(&source[list_start..]) => return None,
                    Looseness::Unknown => false,
                };
                let prefix = blank(source, line_of(source, marker.at), marker.at, &blanked);
                blanked.push(marker.at..marker.end);
                skeleton.text.push_str(&prefix);
                marker.push(source, &mut skeleton.text);
                let padding = if is_dummy { DUMMY_PADDING } else { marker.padding(source) };
                skeleton.text.push_str(padding);
                skeleton.text.push_str("x\n");
                if loose {
                    skeleton.text.push_str(prefix.trim_end());
                    skeleton.text.push('\n');
                }
                skeleton.loose.push(loose);
                if is_dummy {
                    return Some(skeleton);
                }
                last_prefix = prefix;
                last_prefix.extend(std::iter::repeat_n(' ', marker.end - marker.at));
                last_prefix.push_str(padding);
            }
        }
    }
    if !skeleton.loose.is_empty() {
        skeleton.text.push_str(&last_prefix);
        skeleton.text.push_str("# x\n");
    }
    Some(skeleton)
}

/// Whether a list begins on the line that starts at `line`: its items start there or later.
fn marker_of_list_is_here(source: &str, list_start: usize, line: usize) -> bool {
    skip_to_marker(source, list_start) >= line
}

/// The first byte at `at` or later that is neither blank nor a quote's marker. Where tabs are part of an item's
/// indentation, its range begins some bytes too early.
fn skip_to_marker(source: &str, at: usize) -> usize {
    let rest = &source.as_bytes()[at..];
    at + rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'>' | b'\n')).count()
}

fn has_blank_line(text: &str) -> bool {
    text.lines().any(|line| line.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'>' | b'\x0c')))
}

/// The bytes of a line up to a marker, with the markers in `blanked` as blanks.
fn blank(source: &str, from: usize, to: usize, blanked: &[Range<usize>]) -> String {
    let byte = |at: usize| {
        let c = char::from(source.as_bytes()[at]);
        if blanked.iter().any(|range| range.contains(&at)) { ' ' } else { c }
    };
    (from..to).map(byte).collect()
}

/// A list item's marker.
struct Marker {
    at: usize,
    end: usize,
    ordered: bool,
}

impl Marker {
    /// The marker of the item whose range starts at `start`.
    fn find(source: &str, start: usize, ordered: bool) -> Option<Self> {
        let at = skip_to_marker(source, start);
        let rest = &source.as_bytes()[at..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let fits = match rest.get(digits)? {
            b'.' | b')' => ordered && digits > 0,
            b'-' | b'+' | b'*' => !ordered && digits == 0,
            _ => false,
        };
        fits.then_some(Self { at, end: at + digits + 1, ordered })
    }

    /// Appends the marker. Only a list that begins with 1 may stand right below a paragraph.
    fn push(&self, source: &str, out: &mut String) {
        if self.ordered {
            out.extend(std::iter::repeat_n('0', self.end - self.at - 2));
            out.push('1');
        }
        out.push_str(&source[self.end - 1..self.end]);
    }

    /// The blanks behind the marker that belong to the item's indentation.
    fn padding<'s>(&self, source: &'s str) -> &'s str {
        let rest = &source[self.end..];
        let blanks = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        if matches!(rest.as_bytes().get(blanks), None | Some(b'\n' | b'\x0c')) {
            return " ";
        }
        let line = line_of(source, self.end);
        let column = |to: usize| {
            source.as_bytes()[line..to].iter().fold(0, |column, byte| match byte {
                b'\t' => column / 4 * 4 + 4,
                _ => column + 1,
            })
        };
        if column(self.end + blanks) - column(self.end) > 4 { " " } else { &rest[..blanks] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markdown::Options;
    use crate::markdown::growing::leaves;

    /// The skeleton for the last leaf of a source.
    fn skeleton(source: &str) -> Option<Skeleton> {
        let leaf = leaves::last(source, &Options::default()).leaf.unwrap();
        let line = line_of(source, skip_to_marker(source, leaf.range.start));
        of(source, &leaf, line)
    }

    #[test]
    fn lines_open_the_containers_again() {
        for (source, text, loose) in [
            ("a\n\nb\n", "", &[][..]),
            ("> a\n>\n> b\n", "", &[]),
            // The leaf's line goes on with an item, or begins a list in it.
            ("- a\n\n  b\n", "- x\n\n  # x\n", &[true]),
            ("- a\n  - b\n", "- x\n  # x\n", &[false]),
            ("> - a\n>   > b\n", "> - x\n>   # x\n", &[false]),
            ("12. a\n    - b\n\n      c\n", "01. x\n    - x\n\n      # x\n", &[false, true]),
            ("-\ta\n\n\tb\n", "-\tx\n\n \t# x\n", &[true]),
            ("-     a\n\n  b\n", "- x\n\n  # x\n", &[true]),
            // It begins an item of a list that is open: a dummy stands in for those before.
            ("- a\n- b\n", "-    x\n", &[false]),
            ("7) a\n8) b\n", "1)    x\n", &[false]),
            ("- a\n  - b\n  - c\n", "- x\n  -    x\n", &[false, false]),
            ("> - a\n>\n> - b\n", "> -    x\n>\n", &[true]),
        ] {
            let made = skeleton(source).unwrap();
            assert_eq!((made.text.as_str(), made.loose.as_slice()), (text, loose), "{source:?}");
        }
    }

    #[test]
    fn there_is_none_where_a_list_may_be_loose() {
        assert_eq!(skeleton("- # a\n\n- # b\n"), None);
        let deep: String = (0..20).map(|depth| format!("{}- a\n", "  ".repeat(depth))).collect();
        assert_eq!(skeleton(&deep), None, "too deep");
    }

    #[test]
    fn a_skeleton_says_how_loose_its_lists_are() {
        for source in ["- a\n\n  b\n", "- a\n  - b\n\n    c\n", "- a\n- b\n", "> 1. a\n>    - b\n>    - c\n"] {
            let made = skeleton(source).unwrap();
            let options = Options { provisional: false, dense: true, ..Options::default() };
            let html = crate::markdown::render(&made.text, &options, &crate::markdown::Policy::default());
            let items: Vec<bool> = html.split("<li>").skip(1).map(|item| item.starts_with("<p>x</p>")).collect();
            assert_eq!(items, made.loose, "{source:?}: {html}");
        }
    }
}
