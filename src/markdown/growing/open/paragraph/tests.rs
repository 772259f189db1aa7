//! Long paragraphs, cut wherever it can be done, against the whole after every frame.

use proptest::prelude::*;

use super::super::tests::check;
use super::*;
use crate::markdown::growing::Growing;

/// Where a paragraph may stand.
const BEGINNINGS: &[&str] = &[
    "",
    "",
    "",
    "",
    "- ",
    "> ",
    "1. ",
    "> - ",
    "- a\n  - ",
    "- a\n\n  ",
    "- [ ] ",
    "text\n\n",
    "[a]: /u\n\n",
    "[a]: /u\n",
    "> a\n> ",
    "- x\n- ",
    "10) ",
    "  ",
    "| a ",
    "# ",
    "* * ",
    "- > ",
];

/// What it may be made of: marks that pair over a distance or never, and words to cut between.
const PIECES: &[&str] = &[
    "word ",
    "word ",
    "word ",
    "some more words ",
    "a b c d ",
    "x",
    " ",
    "  ",
    "*",
    "**",
    "***",
    "_",
    "__",
    "~~",
    "~",
    "`",
    "``",
    "[",
    "]",
    "](",
    "](/u) ",
    "](/u 't",
    "][",
    "[a] ",
    "[a][",
    "![",
    "!",
    "<",
    "<b ",
    "<b>",
    "<a href=\"",
    "\">",
    "</b> ",
    "<!-- ",
    "--> ",
    "<http://a.b> ",
    "<5@x.y> ",
    "&amp; ",
    "&",
    ";",
    "\\",
    "\\* ",
    "\\` ",
    "\\[",
    "$",
    "$x$ ",
    "$$",
    "{",
    "}",
    "^",
    "*em* ",
    "**bold** ",
    "`code` ",
    "[l](/u) ",
    "[l](/u ",
    "[l](/u [",
    "[a](b c [d](",
    "[l](<u> x ",
    "![i](/u) ",
    "~~del~~ ",
    "a*b ",
    "a_b ",
    "2 * 3 ",
    "* ",
    "** ",
    "_ ",
    "(",
    ")",
    "\"",
    "'",
    "|",
    " | ",
    ": ",
    "www.a.b ",
    "http://c.d/e ",
    "me@x.y ",
    "é",
    "\u{a0}",
    "\u{3000} ",
    "\n",
    "\n",
    "\n> ",
    "\n  ",
    "\n> word ",
    "\\\n",
    "  \n",
    "\n- ",
    "\n# ",
    "\n===\n",
    "\n---\n",
    "\n|---|\n",
    "\n|-|-|\n",
    "\n| ",
    "\n\n",
    "\n\n[a]: /late\n\n",
    "\n```\n",
    "\n    ",
    "\n1. ",
    "\n2. ",
];

fn source() -> impl Strategy<Value = String> {
    let paragraph = (prop::sample::select(BEGINNINGS), prop::collection::vec(prop::sample::select(PIECES), 0..30));
    prop::collection::vec(paragraph, 1..3).prop_map(|all| {
        all.into_iter().map(|(begin, pieces)| begin.to_owned() + &pieces.concat()).collect::<Vec<_>>().join("\n\n")
    })
}

fn options(complete: bool, more: bool) -> Options {
    let tail = if complete { Tail::Complete } else { Tail::Escape };
    Options { tail, dense: true, autolinks: more, math: more, alerts: more, task_lists: more, ..Options::default() }
}

/// `PROPTEST_CASES` asks for more cases.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig { cases: default.cases * 2, failure_persistence: None, ..default }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_cut_paragraph_shows_what_the_whole_shows(
        source in source(),
        sizes in prop::collection::vec(1usize..12, 1..12),
        complete in any::<bool>(),
        more in any::<bool>(),
    ) {
        check(&source, &sizes, &options(complete, more))?;
    }
}

/// Bytes that are parsed at the end of `source`, when it came in tokens.
fn parsed_at_the_end(source: &str, complete: bool) -> usize {
    check(source, &[4], &options(complete, false)).unwrap();
    let mut growing = Growing::new(options(complete, false), Policy::default().into());
    for piece in source.as_bytes().chunks(4) {
        growing.push(std::str::from_utf8(piece).unwrap());
        growing.frame(&mut Vec::new());
    }
    growing.cost()
}

#[test]
fn of_a_long_paragraph_a_few_words_are_parsed() {
    let line = "Some *words* and `code`, a [link](/u) and **more** of it - 2 * 3 is a_b. ";
    let wrapped = line.replace(". ", ".\n");
    for begin in ["", "- ", "> ", "1. a\n   - "] {
        for (line, complete) in [(line, true), (&wrapped, true), (&wrapped, false)] {
            let source = format!("{begin}{}and so on", line.repeat(12));
            let parsed = parsed_at_the_end(&source, complete);
            assert!(parsed < 2 * line.len(), "{parsed} bytes of {source:?}");
        }
    }
}

#[test]
fn a_bracket_in_an_address_closes_none() {
    for sizes in [&[1][..], &[100]] {
        check("[<ps:]> x", sizes, &options(true, false)).unwrap();
        check("[<a@b.c> x](/u) y", sizes, &options(true, false)).unwrap();
    }
}

#[test]
fn a_title_is_known_behind_a_form_feed() {
    check("[c]:>\n\x0c'g'", &[9, 1], &options(true, false)).unwrap();
}

#[test]
fn brackets_that_can_become_no_link_are_cut_off() {
    for (piece, cut) in [
        ("[a](b ", true),
        ("[a](b x ", true),
        ("[one two](/u [", false),
        ("[a](b [c](d e ", true),
        ("[a](b 't ", false),
        ("[a](\n", false),
        ("[a](<b ", false),
        ("[a](<b> c ", true),
        ("[a](b(c d ", true),
    ] {
        for begin in ["", "- ", "word "] {
            let source = format!("{begin}{}", piece.repeat(40));
            let parsed = parsed_at_the_end(&source, true);
            assert_eq!(parsed < 120, cut, "{parsed} bytes of {source:?}");
        }
    }
}

#[test]
fn a_link_whose_tail_may_still_come_is_not_cut_off() {
    for source in [
        "word [a](b 'some words [c](d e [f] g h' ) i",
        "word [a](b\n'some words [c](d e' ) f",
        "word [a](b [c](d e\n\n[a]: /late\n",
        "word [a](b [c](d e\n\n[c]: /late\n",
        "[a](b [a](b [a](b)",
        "[a](b [x [a](b c](d)",
    ] {
        for sizes in [&[1][..], &[2], &[100, 1]] {
            check(source, sizes, &options(true, false)).unwrap();
            check(source, sizes, &options(false, false)).unwrap();
        }
    }
}
