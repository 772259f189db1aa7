//! Windows against the whole, and a page that follows the edits, after every frame.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::markdown::growing::page::{apply, apply_fine};
use crate::markdown::growing::{Edits, Growing};
use crate::markdown::options::Tail;
use crate::markdown::render;
use lines::LINES;

mod lines;

/// What a line may stand behind.
const PREFIXES: &[&str] = &[
    "", "", "", "- ", "  ", "  - ", "    ", "   ", "> ", "> - ", ">   ", "1. ", "2) ", "* ", "\t", "- - ", "  > ",
    "    - ",
];

fn source() -> impl Strategy<Value = String> {
    let end = prop::sample::select(&["\n", "\n", "\n", "\n\n", "\n>\n"][..]);
    let times = prop::sample::select(&[1, 1, 1, 1, 4][..]);
    let line = (prop::sample::select(PREFIXES), prop::sample::select(LINES), end, times);
    (prop::collection::vec(line, 0..40), any::<bool>()).prop_map(|(lines, nested)| {
        let spell = |(prefix, line, end, times): (&str, &str, &str, usize)| match nested {
            true => format!("{prefix}{line}{end}").repeat(times),
            false => format!("{line}{}", end.replace('>', "")).repeat(times),
        };
        lines.into_iter().map(spell).collect()
    })
}

/// Pushes `source` in pieces of these lengths, and holds what is shown, and a page that follows the edits alone,
/// against the view of the whole after each.
pub(super) fn check(source: &str, sizes: &[usize], options: &Options) -> Result<usize, TestCaseError> {
    let policy = Policy::default();
    let mut growing = Growing::new(options.clone(), Arc::new(policy.clone()));
    let (mut at, mut pages) = (0, ["<p>what it came with</p>"; 2].map(String::from));
    for size in sizes.iter().cycle() {
        let end = source.ceil_char_boundary(at + size);
        growing.push(&source[at..end]);
        at = end;
        let mut edits = Edits::of(true, true);
        growing.frame_into(&mut edits);
        prop_assert_eq!(growing.html(), render(&source[..at], options, &policy), "{:?}", &source[..at]);
        follow(&mut pages, edits);
        prop_assert_eq!(
            pages.each_ref().map(spelled_alike),
            [growing.html(); 2].map(spelled_alike),
            "the pages of {:?}",
            &source[..at]
        );
        if at == source.len() {
            break;
        }
    }
    let parts = growing.open.as_ref().map_or(0, |open| open.parts.end());
    let mut edits = Edits::of(true, true);
    growing.finish_into(&mut edits);
    let finished = Options { provisional: false, ..options.clone() };
    prop_assert_eq!(growing.html(), render(source, &finished, &policy), "{:?}", source);
    follow(&mut pages, edits);
    prop_assert_eq!(
        pages.each_ref().map(spelled_alike),
        [growing.html(); 2].map(spelled_alike),
        "the pages of {:?}",
        source
    );
    Ok(parts)
}

/// HTML with quotes spelled in one way: what grows as text has lost how they were spelled.
fn spelled_alike(html: impl AsRef<str>) -> String {
    html.as_ref().replace("&quot;", "\"").replace("&#39;", "'")
}

/// Two pages: one follows djust's vocabulary, the other the finer one.
fn follow(pages: &mut [String; 2], edits: Edits) {
    let (coarse, fine) = (edits.coarse.unwrap(), edits.fine.unwrap());
    let [one, other] = std::mem::take(pages);
    *pages = [
        coarse.iter().fold(one, |page, edit| apply(&page, edit)),
        fine.iter().fold(other, |page, edit| apply_fine(&page, edit)),
    ];
}

fn options(tail: Tail) -> Options {
    Options { tail, dense: true, task_lists: true, alerts: true, heading_ids: true, ..Options::default() }
}

/// With `RILLMARK_TEST_LONG` set, many.
#[expect(clippy::disallowed_methods, reason = "the tests' own switch")]
fn cases() -> u32 {
    if std::env::var_os("RILLMARK_TEST_LONG").is_some() { 100_000 } else { 512 }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parts_show_what_the_whole_shows(
        source in source(),
        sizes in prop::collection::vec(1usize..40, 1..12),
        complete in any::<bool>(),
    ) {
        check(&source, &sizes, &options(if complete { Tail::Complete } else { Tail::Escape }))?;
    }
}

#[test]
fn a_late_definition_reaches_the_parts_that_asked() {
    let line = "a line\n\n";
    let source =
        format!("# [a]\n\nsee [a] and [b]\n\n{}[A]: /u 'x'\n\n{}[b]: /v\n[a]: /w\n", line.repeat(9), line.repeat(9));
    for tail in [Tail::Complete, Tail::Escape] {
        let parts = check(&source, &[1], &options(tail)).unwrap();
        assert!(parts > 100, "parts up to {parts}");
    }
}

#[test]
fn ids_are_numbered_over_the_whole_document() {
    let again = "# One\n\nOne\n===\n\n- # one\n  - ## One\n\n  text\n\n> # One\n\n# One-2\n\n";
    let late = "# One\n\n## [x]\n\n> ## [One][y]\n\ntext\n\n";
    let sources = [
        (again.repeat(6), true),
        (format!("{}[x]: /u\n\n# x\n\n# One\n", late.repeat(5)), true),
        // The id of a heading before changes, and with it those of all that follow.
        (format!("{}[y]: /u\n\n# One\n", late.repeat(5)), false),
        (format!("{}- [z]\n  - # One\n\n    # x\n    [z]: /late\n\n# One\n", late.repeat(4)), true),
    ];
    for (source, in_parts) in sources {
        for sizes in [&[1][..], &[3, 40], &[1_000]] {
            for tail in [Tail::Complete, Tail::Escape] {
                let parts = check(&source, sizes, &options(tail)).unwrap();
                assert!(sizes == [1_000] || (parts > 100) == in_parts, "parts up to {parts} of {source:?}");
            }
        }
    }
}

#[test]
fn a_list_is_tight_again_when_what_made_it_loose_is_held_back() {
    let cases = ["- ]\n\n  [f\n|]:|", "2. I\n\n   [o\n|]:| /u", "1. a\n2. *b*\n\n\t`\n|`|", "> - a\n>\n>   [f\n|> ]:|"];
    for case in cases {
        let pieces: Vec<usize> = case.split('|').map(str::len).filter(|bytes| *bytes > 0).collect();
        check(&case.replace('|', ""), &pieces, &options(Tail::Complete)).unwrap();
    }
}

#[test]
fn what_parts_cannot_tell_is_told_by_the_whole() {
    let paragraphs = "[a] [a] [a] [a]\n\n".repeat(60);
    let deep = format!("{paragraphs}{}x\n\nmore\n", ">".repeat(65));
    let dear = format!("{paragraphs}[a]: /{}\n\n{paragraphs}", "x".repeat(1_900));
    let long = format!("{paragraphs}[a]: /{}\n\n{paragraphs}", "x".repeat(2_100));
    for source in [deep, dear, long] {
        assert_eq!(check(&source, &[97, 3], &options(Tail::Complete)).unwrap(), 0, "rendered as a whole");
    }
}

/// The most bytes of text that a frame had before it; `N` in the unit is its number.
fn widest(head: &str, unit: &str, tail: Tail) -> usize {
    let units = (0..12_000 / unit.len()).map(|at| unit.replace('N', &at.to_string()));
    let source = units.fold(head.to_owned(), |source, unit| source + &unit);
    let mut growing = Growing::new(options(tail), Policy::default().into());
    let mut widest = 0;
    for piece in source.as_bytes().chunks(3) {
        growing.push(std::str::from_utf8(piece).unwrap());
        widest = widest.max(growing.cost());
        growing.frame(&mut Vec::new());
    }
    widest
}

#[test]
fn windows_stay_narrow() {
    let shapes = [
        ("", "# heading\n\nA *paragraph*, and\nanother line.\n\n- item\n\n```\ncode\n```\n\n", 120),
        ("", "- an item with **bold**\n", 120),
        ("", "2. an item\n\n", 120),
        ("- top\n", "  - deep\n    - *deeper*\n      - deepest\n", 160),
        ("- top\n\n", "  1. deep\n\n     - *deeper*\n\n", 160),
        ("1.\ttop\n", "\t- deep\n\t\t> quote\n\n", 160),
        ("", "> a quote\n>\n", 120),
        ("", "> - an *item*\n>   > quote\n", 160),
        ("- x\n\n", "  a paragraph\n\n", 120),
        ("| a | b |\n|---|---|\n", "| one | **two** |\n", 120),
        ("- x\n\n  | a | b |\n  |---|---|\n", "  | one | **two** |\n", 120),
        ("", "    code * here\n", 120),
        ("> - x\n>\n", ">       code * here\n", 120),
        ("<div>\n", "text & more\n", 120),
        ("<!--\n", "text & more\n\n", 120),
        ("[a]: /u\n", "[#N]: /v\n", 120),
        ("```\n", "a `line` of * code\n", 9_000),
        ("- x\n  ~~~\n", "  a `line` of * code\n", 9_000),
        ("> ```\n", "> a `line` of * code\n", 9_000),
    ];
    for (head, unit, most) in shapes {
        for tail in [Tail::Complete, Tail::Escape] {
            let widest = widest(head, unit, tail);
            assert!(widest <= most, "{widest} bytes of {head:?} {unit:?} with {tail:?}");
        }
    }
}

#[test]
fn many_references_leave_windows_narrow() {
    let source = format!("[a]: https://example.org/{}\n\n", "x".repeat(25)) + &"see [a] and [b]\n\n".repeat(2_000);
    let mut growing = Growing::new(options(Tail::Complete), Policy::default().into());
    for piece in source.as_bytes().chunks(101) {
        growing.push(std::str::from_utf8(piece).unwrap());
        growing.frame(&mut Vec::new());
    }
    assert!(growing.cost() < 200, "{} bytes", growing.cost());
    let whole = render(&source, &options(Tail::Complete), &Policy::default());
    assert!(growing.html() == whole, "the page is the view");
}

#[test]
fn what_stands_between_leaves_may_still_become_something_else() {
    for source in [
        // A title over lines takes what was a paragraph.
        "[a]: /u\n'ti\ntle'\n\n[a] b\n",
        "> [a]: /u\n> 'ti\n> tle'\n>\n> [a] b\n",
        "- x\n\n  [a]: /u\n  'ti\n  tle'\n\n  [a] b\n",
        "- x\n\n  [a]:\n  /u 'ti\n  tle'\n  [b]: /v\n  text [a] [b]\n",
        "[a]: /u\n    code?\n\n[a]: /v\n    code\n",
        // What an alert begins with is gone, and would be its first line again.
        "> [!NOTE]\n> text\n> > [!TIP]\n> > [!TIP]\n> > more\n>\n> [!TIP]\n",
        "> [!NOTE]\n> [!TIP]\n> x\n>\n> - y\n>   > [!WARNING]\n>   > z\n",
        "- > [!tip] text\n  > [!tip]\n  > more\n- > [!tip]\n\n  > [!tip]\n  x\n",
        "> [!tip] text\n> [!tip]\n\n> [!tip]\n",
        "[^1]: note\n\n    of [^1]\n\n- [^2]: x\n  'y\n  z'\n",
    ] {
        for sizes in [&[1][..], &[4], &[9, 2]] {
            for tail in [Tail::Complete, Tail::Escape] {
                check(source, sizes, &options(tail)).unwrap();
            }
        }
    }
}

#[test]
fn a_dummy_item_swallows_no_line() {
    // The last leaf begins an item of a list that is open: a dummy stands in for the items before it.
    for source in [
        "- a\n - b\n  - c\n   - d\n    - e\n",
        "1. a\n 2. b\n  3. c\n   4. d\n     5. e\n",
        "-\ta\n-\tb\n\t- c\n-\td\n  - e\n",
        "- a\n\n- b\n\n  - c\n\n   - d\n- e\n",
        "- # a\n- ```\n  b\n  ```\n-     c\n- d\n",
        "> 1) a\n> 2) b\n>    - c\n> 3) d\n\n10) x\n11) y\n",
        "-\n-\n  a\n-\n\n  b\n- c\n",
        "*     a\n*     b\n *    c\n",
    ] {
        for sizes in [&[1][..], &[5]] {
            for tail in [Tail::Complete, Tail::Escape] {
                check(source, sizes, &options(tail)).unwrap();
            }
        }
    }
}
