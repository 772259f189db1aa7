//! The finer vocabulary, by cases and by chance, applied by hand to HTML.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::page::{apply, apply_fine};
use super::super::{Edits, Growing};
use super::*;
use crate::markdown::options::Tail;
use crate::markdown::{Options, Policy, render};

/// An edit in the words of the wire.
fn said(edit: &FineEdit) -> String {
    let at = |path: &Path| {
        let step = |step: &Step| match step {
            Step::Child(n) => n.to_string(),
            Step::Last => "last".into(),
        };
        path.iter().map(step).collect::<Vec<_>>().join(".")
    };
    match edit {
        FineEdit::AppendText { path, text } => format!("{} +text {text}", at(path)),
        FineEdit::AppendHtml { path, html } => format!("{} +html {html}", at(path)),
        FineEdit::Trim { path, units } => format!("{} trim {units}", at(path)),
        FineEdit::DeleteLast { path } => format!("{} -last", at(path)),
        FineEdit::Replace { path, html } => format!("{} = {html}", at(path)),
        FineEdit::Splice { path, back, remove, html } => format!("{} splice {back} {remove} {html}", at(path)),
    }
}

fn check(old: &str, new: &str, expected: &[&str]) {
    let mut edits = Vec::new();
    diff(&[], old, new, &mut edits);
    let page = edits.iter().fold(old.to_owned(), |page, edit| apply_fine(&page, edit));
    assert_eq!(page, new, "{edits:?}");
    assert_eq!(edits.iter().map(said).collect::<Vec<_>>(), expected, "{old} → {new}");
}

#[test]
fn fine_edits_lead_from_the_old_to_the_new() {
    check("<p>a</p>", "<p>a</p>", &[]);
    check("", "<p>a</p>", &[" +html <p>a</p>"]);
    check("<p>a</p>", "", &[" -last"]);
    check("<p>a</p><p>b</p><p>c</p>", "<p>a</p>", &[" splice 2 2 "]);
    check("<p>a &amp;</p>", "<p>a &amp; &lt;b</p>", &["last +text  <b"]);
    check("<p>a</p>", "<p>ab <em>c</em></p>", &["last +html b <em>c</em>"]);
    check(
        "<p>a <em>b</em></p>",
        "<p>a <em>bc</em> d</p><hr />",
        &["last.last +text c", "last +text  d", " +html <hr />"],
    );
    check("<p>a</p><p>b</p>", "<p>a</p><h1>b</h1>", &[" splice 1 1 <h1>b</h1>"]);
    check("<p>a</p>", "<h1>a</h1>", &[" = <h1>a</h1>"]);
    check("<p>a<br />\nb</p>", "<p>a<br />\nbc</p>", &["last +text c"]);
}

#[test]
fn what_changes_is_sent_and_no_more() {
    check("<p>some *b</p>", "<p>some <em>b</em></p>", &["last trim 2", "last +html <em>b</em>"]);
    check("<p>a 😀*</p>", "<p>a 😀b</p>", &["last trim 1", "last +text b"]);
    check("<p>a &lt;</p>", "<p>a &gt;</p>", &["last trim 1", "last +text >"]);
    check("<p>a &lt;</p>", "<p>a 😀</p>", &["last trim 1", "last +text 😀"]);
    check("<p>x 😀</p>", "<p>x 😁</p>", &["last trim 2", "last +text 😁"]);
    check("<p>a<br />\nb</p>", "<p>ab</p>", &["last splice 2 2 ", "last +text b"]);
    check("<p>one <em>t</em> x</p>", "<p>one *t</p>", &["last splice 2 2 ", "last +text *t"]);
}

#[test]
fn what_stands_is_not_touched() {
    check(
        "<p>a</p><p>x [b] y</p><p>c</p>",
        "<p>a</p><p>x <a href=\"#\">b</a> y</p><p>c</p>",
        &["2 trim 5", "2 +html <a href=\"#\">b</a> y"],
    );
    check(
        "<p><b>k</b>see [b]<i>k</i></p><p>c</p>",
        "<p><b>k</b>see <a>b</a><i>k</i></p><p>c</p>",
        &["1 splice 2 1 see <a>b</a>"],
    );
    check("<ul><li>a</li><li>b</li></ul>", "<ul><li>a</li><li>b</li><li>c</li></ul>", &["last +html <li>c</li>"]);
    check(
        "<ul><li>a</li><li>b</li></ul>",
        "<ul><li><p>a</p></li><li><p>b</p></li></ul>",
        &["last.1 = <p>a</p>", "last.last = <p>b</p>"],
    );
    check(
        "<p>a [x] b</p><p>[x]</p><p>c *d</p>",
        "<p>a <a>x</a> b</p><p><a>x</a></p><p>c <em>d</em></p>",
        &["1 trim 5", "1 +html <a>x</a> b", "2 = <a>x</a>", "last trim 2", "last +html <em>d</em>"],
    );
    check(
        "<table><tr><td>a</td><td></td></tr></table>",
        "<table><tr><td>ab</td><td></td></tr></table>",
        &["last.last.1 +text b"],
    );
    check("<p>a</p><p>c</p>", "<p>a</p><p>b</p><h1>x</h1><p>c</p>", &[" splice 1 0 <p>b</p><h1>x</h1>"]);
}

/// The page holds more than is compared, all down the right edge.
#[test]
fn what_is_hidden_stands() {
    let hidden = [Hidden { elements: 2, text: false }, Hidden { elements: 1, text: true }];
    let check = |old: &str, new: &str, expected: &str| {
        let page = |shown: &str| {
            let shown = shown.replacen("<ul>", "<ul><li>0</li>text ", 1);
            format!("<p>1</p><p>2</p>{shown}")
        };
        let mut edits = Vec::new();
        diff(&hidden, old, new, &mut edits);
        let after = edits.iter().fold(page(old), |page, edit| apply_fine(&page, edit));
        assert_eq!(after, page(new), "{edits:?}");
        assert_eq!(edits.iter().map(said).collect::<Vec<_>>().join("; "), expected);
    };
    check("<ul>a</ul>", "<ul>ab</ul>", "last +text b");
    check("<ul>a</ul>", "<ul>b</ul>", "last trim 1; last +text b");
    check("<ul>a<li>b</li></ul>", "<ul>x<li>b</li></ul>", "last -last; last trim 1; last +html x<li>b</li>");
    check("<ul>a<li>b</li></ul>", "<ul><li>b</li></ul>", "last -last; last trim 1; last +html <li>b</li>");
    check("<ul>a</ul>", "<ul></ul>", "last trim 1");
    check("<ul><li>b</li><li>c</li></ul>", "<ul><li>x</li><li>c</li></ul>", "last.2 = x");
    check("<ul><li>b</li></ul>", "<ul><li>b</li></ul><p>c</p>", " +html <p>c</p>");
    check("<p>a</p><ul><li>b</li></ul>", "<p>z</p><ul><li>b</li></ul>", "3 = z");
}

/// A tree of elements that meet, and text that shares beginnings.
fn html() -> impl Strategy<Value = String> {
    let text = prop::sample::select(&["a", "ab", "abc &amp;", "abc &lt;", "😀", "a😁", "x &amp; y"][..]);
    let leaf = text.prop_map(str::to_owned);
    let node = leaf.prop_recursive(4, 40, 5, |inner| {
        let names = prop::sample::select(&["p", "em", "li"][..]);
        let inside = prop::collection::vec(inner, 0..5);
        (names, inside).prop_map(|(name, inside)| format!("<{name}>{}</{name}>", inside.concat()))
    });
    prop::collection::vec(node, 0..5).prop_map(|nodes| nodes.concat())
}

/// What stands for a source that is written: lines that begin, go on and end blocks, define and ask.
fn source() -> impl Strategy<Value = String> {
    let pieces = [
        "text ",
        "more of it",
        "\n",
        "\n\n",
        "**bold",
        "** ",
        "*em* ",
        "`code` ",
        "[a](",
        "/u) ",
        "[ref] ",
        "\n\n[ref]: /late\n\n",
        "- item\n",
        "\n  - deep ",
        "> quote ",
        "1. one\n",
        "\n```\n",
        "| a | b |\n|---|---|\n",
        "| c ",
        "\n===\n",
        "# head ",
        "é😀 & <b> ",
        "![i](/x) ",
        "  \nhard ",
        "~~del~~ ",
        "<div>\n",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..50).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_pages_lead_to_each_other(old in html(), new in html()) {
        let mut edits = Vec::new();
        diff(&[], &old, &new, &mut edits);
        let page = edits.iter().fold(old.clone(), |page, edit| apply_fine(&page, edit));
        prop_assert_eq!(page, new, "{} {:?}", old, edits);
    }

    #[test]
    fn both_vocabularies_lead_to_the_same_page(
        source in source(),
        sizes in prop::collection::vec(1usize..20, 1..8),
        complete in any::<bool>(),
    ) {
        let tail = if complete { Tail::Complete } else { Tail::Escape };
        let options = Options { tail, dense: true, task_lists: true, ..Options::default() };
        let mut growing = Growing::new(options.clone(), Arc::new(Policy::default()));
        let (mut page, mut fine_page, mut at) = (String::from("was"), String::from("was"), 0);
        let mut sizes = sizes.iter().cycle();
        while at <= source.len() {
            let mut end = (at + sizes.next().unwrap()).min(source.len());
            while !source.is_char_boundary(end) {
                end += 1;
            }
            growing.push(&source[at..end]);
            let mut edits = Edits::of(true, true);
            let last = end == source.len();
            if last { growing.finish_into(&mut edits) } else { growing.frame_into(&mut edits) }
            let (coarse, fine) = (edits.coarse.unwrap(), edits.fine.unwrap());
            prop_assert_eq!(coarse.is_empty(), fine.is_empty());
            page = coarse.iter().fold(page, |page, edit| apply(&page, edit));
            fine_page = fine.iter().fold(fine_page, |page, edit| apply_fine(&page, edit));
            prop_assert_eq!(&page, growing.html());
            prop_assert_eq!(&fine_page, growing.html(), "{:?} of {:?}", fine, &source[..end]);
            if last {
                break;
            }
            at = end;
        }
    }
}

/// What text and HTML a stream sends, in the finer vocabulary, against what the page holds at its end.
fn payload(source: &str, tail: Tail) -> f64 {
    let options = Options { tail, dense: true, ..Options::default() };
    let mut growing = Growing::new(options.clone(), Arc::new(Policy::default()));
    let mut edits = Edits::of(false, true);
    let tokens: Vec<char> = source.chars().collect();
    for token in tokens.chunks(4) {
        growing.push(&token.iter().collect::<String>());
        growing.frame_into(&mut edits);
    }
    growing.finish_into(&mut edits);
    let bytes = edits.fine.unwrap().into_iter().map(|edit| match edit {
        FineEdit::AppendText { text, .. } => text.len(),
        FineEdit::AppendHtml { html, .. } | FineEdit::Replace { html, .. } | FineEdit::Splice { html, .. } => {
            html.len()
        }
        FineEdit::Trim { .. } | FineEdit::DeleteLast { .. } => 0,
    });
    let finished = Options { provisional: false, ..options };
    bytes.sum::<usize>() as f64 / render(source, &finished, &Policy::default()).len() as f64
}

#[test]
fn what_is_sent_is_little_more_than_what_stands_at_the_end() {
    let part = "# A heading with `code`\n\nA paragraph of some length, with **bold words** and *others*, `code in it` and \
        [a link](https://example.org/a/page) before it goes\non with a second line & an end.\n\n- one item\n- another, with \
        **weight**\n  - and a deeper one\n\n1. first\n2. second `one`\n\n```rust\nfn main() { println!(\"hi\"); }\n```\n\n\
        > A quote that says\n> something *twice*.\n\n| name | value |\n|---|---|\n| one | **1** |\n| two | 2 |\n\n";
    let shapes = [
        part.repeat(4),
        "words and **bold** ones, *more* of [them](/u) and `code`, all in one line; ".repeat(60),
        "- an item with **bold** and `code`\n".repeat(60),
        "  - deep\n    - deeper\n".repeat(30),
    ];
    for source in shapes {
        let ratio = payload(&source, Tail::Complete);
        assert!(ratio <= 1.4, "{ratio:.2} of {}", &source[..40]);
    }
}
