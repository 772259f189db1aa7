//! Every frame against a render of the text so far, with sources that give the frames without a parse a chance to err.

use std::cell::Cell;
use std::sync::Arc;

use proptest::prelude::*;

use super::super::Growing;
use super::super::page::apply;
use super::*;
use crate::markdown::parser_calls;
use crate::markdown::{Policy, render};

/// Words, marks and beginnings of lines: most of them mean nothing behind a word, all of them something somewhere.
const PIECES: &[&str] = &[
    "word",
    "word",
    "a",
    "b c",
    " and ",
    " ",
    " ",
    " ",
    "  ",
    "x",
    "1",
    "12",
    "é",
    "中",
    "\u{a0}",
    "\u{3000}",
    "\t",
    ".",
    ",",
    ";",
    ":",
    "'",
    "\"",
    "(",
    ")",
    "?",
    "!",
    "%",
    "+",
    "=",
    ">",
    "<",
    "-",
    "/",
    "@",
    "#",
    "|",
    "$",
    "{",
    "}",
    "^",
    "&",
    "\\",
    "`",
    "``",
    "*",
    "**",
    "_",
    "_x",
    "__",
    "~~",
    "[",
    "]",
    "](",
    "][",
    "![",
    "]: ",
    "[^",
    "www.",
    "http://",
    "a@b.c",
    "&amp",
    "&#",
    "<b",
    "<b>",
    "<!--",
    "-->",
    "a < b",
    "x<y",
    "a & b",
    "AT&T",
    "`code`",
    "[a](b)",
    "[a]",
    "**bold**",
    "*em*",
    "$x$",
    "\n",
    "\n",
    "\n",
    "\n\n",
    "\n\n",
    "\n- ",
    "\n  ",
    "\n    ",
    "\n> ",
    "\n1. ",
    "\n# ",
    "\n```\n",
    "```rust\n",
    "~~~",
    "\n| a | b |\n|---|---|\n| ",
    " | ",
    "\n---\n",
    "\n===\n",
    "\n[a]: /u\n",
    "[ ] ",
    "[!NOTE]",
    "\n<div>\n",
    "\n- ```\n  ",
    "\n> ```\n> ",
    "\n  ```",
    "\n>",
    "\nlazy",
    "](http://a.b/c?d=e&f",
    "[a](b/",
    ":c",
    "<https://a.b/",
    "\n\n[a]: ",
    "[a]:http://",
    "\n\n| a",
    " | b | ",
    " | c d | e |",
    "\n| x | y | ",
];

/// Pushes `source` in pieces of these lengths; after each, what is shown and a page that follows the edits are the
/// render. Returns how many frames there were, and how many of them parsed.
fn check(source: &str, sizes: &[usize], options: &Options) -> Result<(usize, usize), TestCaseError> {
    let policy = Policy::default();
    let mut growing = Growing::new(options.clone(), Arc::new(policy.clone()));
    let (mut at, mut edits, mut page, mut frames) = (0, Vec::new(), String::new(), 0);
    for size in sizes.iter().cycle() {
        let end = source.ceil_char_boundary(at + size);
        growing.push(&source[at..end]);
        at = end;
        growing.frame(&mut edits);
        frames += 1;
        prop_assert_eq!(growing.html(), render(&source[..at], options, &policy), "{:?}", &source[..at]);
        page = edits.drain(..).fold(page, |page, edit| apply(&page, &edit));
        prop_assert_eq!(&page, growing.html(), "the page of {:?}", &source[..at]);
        if at == source.len() {
            break;
        }
    }
    let parses = growing.parses();
    growing.finish(&mut edits);
    let finished = Options { provisional: false, ..options.clone() };
    prop_assert_eq!(growing.html(), render(source, &finished, &policy), "{:?}", source);
    page = edits.drain(..).fold(page, |page, edit| apply(&page, &edit));
    prop_assert_eq!(&page, growing.html(), "the page of {:?}", source);
    Ok((frames, parses))
}

fn options(tail: Tail, more: bool) -> Options {
    let plain = Options { tail, dense: true, ..Options::default() };
    match more {
        true => Options { autolinks: true, math: true, alerts: true, task_lists: true, ..plain },
        false => plain,
    }
}

fn any_options() -> impl Strategy<Value = Options> {
    (any::<bool>(), any::<bool>())
        .prop_map(|(complete, more)| options(if complete { Tail::Complete } else { Tail::Escape }, more))
}

fn source() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(PIECES), 0..40).prop_map(|pieces| pieces.concat())
}

/// What a leaf of text, or of code, may begin with.
const BEGINNINGS: &[&str] = &[
    "",
    "",
    "- ",
    "> ",
    "1. ",
    "# ",
    "> - ",
    "- a\n  - ",
    "- a\n\n  ",
    "- [ ] ",
    "| a | b |\n|---|---|\n| ",
    "| a | b | c | d |\n|---|:--|---|---|\n| x | ",
    "| a | b | c |\n|---|---|---|\nx | ",
    "| ",
    "| a | ",
    "- | a | ",
    "[a](b) ",
    "a `b`",
    "> | a |\n> |-|\n> | ",
    "```\n",
    "- ```\n  ",
    "> ```\n> ",
    "1. a\n   ~~~ x\n   ",
    "    ",
    "- a\n\n      ",
    "<div>\n",
    "> <!--\n> ",
    "[a]: /u\n\n",
    "**",
    "a *",
    "~~",
    "[",
    "`",
    "x\n",
    " ```\n ",
];
const WORDS: &[&str] = &[
    "word ", "word ", "word ", " and ", "a", "b", "c d", " ", ". ", ", ", ": ", "'s ", "\"q\" ", "(x) ", "! ", "!",
    "#", "-", "/", "=", ">", "é", "\u{a0}", "1", "2", "{x}", "@", "`", "*", "**", "_", "_x", "$", "<", "&", ";", "[",
    "]", "\\", "|", "~~", "\t", "\n", "\n", "\n  ", "\nword", "\n> ", "\n>  ", "\n   ", "\n\n", "```", "~~~", "www.",
    "  \n", "http://", " | ", "|", " | x", "`c`", "[a](/b)", "[a](/b", "<a:b", "<a:b>", "https:/", "/b?c=1&d",
    "![a](b)", "[a]: /b",
];

fn prose() -> impl Strategy<Value = String> {
    let leaf = (
        prop::sample::select(BEGINNINGS),
        prop::collection::vec(prop::sample::select(WORDS), 0..24),
        prop::sample::select(&["\n", "\n\n", "\n\n", ""][..]),
    );
    prop::collection::vec(leaf, 0..4).prop_map(|leaves| {
        leaves.into_iter().map(|(begin, words, end)| begin.to_owned() + &words.concat() + end).collect()
    })
}

/// `PROPTEST_CASES` asks for more cases.
fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig { cases: default.cases * 4, failure_persistence: None, ..default }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn frames_without_a_parse_show_the_view(
        source in source(),
        sizes in prop::collection::vec(1usize..8, 1..12),
        options in any_options(),
    ) {
        check(&source, &sizes, &options)?;
    }

    #[test]
    fn text_of_every_leaf_grows_as_it_is(
        source in prose(),
        sizes in prop::collection::vec(1usize..8, 1..12),
        options in any_options(),
    ) {
        check(&source, &sizes, &options)?;
    }
}

thread_local! {
    /// A byte that is let through whatever it means.
    pub(super) static PLANTED: Cell<Option<u8>> = const { Cell::new(None) };
}

#[test]
fn bytes_that_mean_something_are_parsed() {
    for (byte, more, source) in [
        ('|', false, "| a | b |\n|---|---|\n| x | y"),
        ('$', true, "a $x$ b"),
        ('.', true, "see www.a.b "),
        ('.', true, "see me@a.b "),
        ('#', false, "# a #"),
        ('#', false, "# a `b #"),
        ('!', false, "a ![b](c)"),
        ('<', false, "a <https://a.b>"),
        ('&', false, "a &amp; b"),
        ('\\', false, "a \\* b"),
        ('`', false, "a `b` c"),
        ('`', false, "a `b` *c"),
        ('*', false, "a *b* c"),
        ('_', false, "a _b_ c"),
        ('~', false, "a ~~b~~ c"),
        ('[', false, "a [b](c)"),
        (']', false, "a [b](c)"),
        ('\t', false, "a \tb"),
    ] {
        let options = options(Tail::Complete, more);
        let (frames, parses) = check(source, &[1], &options).unwrap();
        assert!(parses < frames, "{source:?}");
        PLANTED.set(Some(byte as u8));
        let planted = check(source, &[1], &options);
        PLANTED.set(None);
        assert!(planted.is_err(), "{byte:?} is let through in {source:?}, and nobody sees it");
    }
}

#[test]
fn the_parser_is_called_by_frames_that_say_so_and_by_nothing_else() {
    let source = "A word, **bold** and `code`.\n\n- item\n\n```\nlet a = 1;\n```\n".repeat(40);
    for tail in [Tail::Complete, Tail::Escape] {
        let mut growing = Growing::new(options(tail, false), Policy::default().into());
        let mut edits = Vec::new();
        for piece in source.as_bytes().chunks(3) {
            let (calls, parses) = (parser_calls(), growing.parses());
            growing.push(std::str::from_utf8(piece).unwrap());
            assert_eq!(parser_calls(), calls, "a push parses");
            growing.frame(&mut edits);
            assert_eq!(parser_calls() > calls, growing.parses() > parses);
        }
    }
}

#[test]
fn most_frames_need_no_parse() {
    let prose = "The quick brown fox, as they say, jumps over it: \"once more\" (and again).\nIt's **really bold of it** \
        to try this - no? A `code span here` is well-known; so is *emphasis*. ";
    let code = "```rust\nfn main() {\n    let a = 1;\n\n    println!(\"{a}\");\n}\n";
    let list = "- ```\n  let a = 1;\n\n  let b = 2;\n  loop {}\n";
    for (source, tail, most) in [
        (prose.repeat(3), Tail::Complete, 30),
        (prose.repeat(3), Tail::Escape, 10),
        (code.to_owned(), Tail::Complete, 20),
        (code.to_owned(), Tail::Escape, 20),
        (list.to_owned(), Tail::Complete, 30),
        (list.to_owned(), Tail::Escape, 30),
    ] {
        let (frames, parses) = check(&source, &[4], &options(tail, false)).unwrap();
        assert!(parses * 100 <= frames * most, "{parses} of {frames} frames parsed, with {tail:?}: {source:?}");
    }
}
