//! A document that grows, followed by a page that knows nothing but its edits: after every frame the page is the view of
//! the text so far, by the twin; at the end it is the finished render, byte for byte.
//!
//! The page is a browser's: each fragment is parsed within the element that takes it.

use std::sync::Arc;
use std::time::Duration;

use rillmark::markdown::growing::{Edit, Growing, Step};
use rillmark::markdown::options::{Options, Policy, Tail, Value};
use rillmark::markdown::render;

use super::corpus::{self, Dice};
use super::follow::{self, Case, make::Maker};
use super::oracle::{self, dom};
use dom::{Element, Node};

/// The element that holds the document.
struct Page(Element);

impl Page {
    fn new() -> Self {
        let children = vec![Node::Text("what the page came with".to_owned())];
        Self(Element { name: "div".to_owned(), attributes: Vec::new(), children })
    }

    fn apply(&mut self, edit: &Edit) {
        match edit {
            Edit::Replace { path, html } => {
                let element = find(&mut self.0, path);
                element.children = dom::parse_in(&element.name, html);
            }
            Edit::Append { path, html } => {
                let element = find(&mut self.0, path);
                element.children.extend(dom::parse_in(&element.name, html));
                join_text(&mut element.children);
            }
            Edit::Delete { path } => {
                let (step, parent) = path.split_last().expect("the root is never deleted");
                let parent = find(&mut self.0, parent);
                let at = place(parent, *step);
                parent.children.remove(at);
                join_text(&mut parent.children);
            }
        }
    }
}

fn find<'p>(root: &'p mut Element, path: &[Step]) -> &'p mut Element {
    path.iter().fold(root, |element, step| {
        let at = place(element, *step);
        let Node::Element(child) = &mut element.children[at] else { unreachable!("a place of an element") };
        child
    })
}

/// Where the element child that a step names stands among all children.
fn place(parent: &Element, step: Step) -> usize {
    let is_element = |node: &Node| matches!(node, Node::Element(_));
    match step {
        Step::Last => parent.children.iter().rposition(is_element).expect("an element child"),
        Step::Child(n) => {
            let mut elements = (0..parent.children.len()).filter(|at| is_element(&parent.children[*at]));
            elements.nth(n - 1).expect("so many element children")
        }
    }
}

fn join_text(nodes: &mut Vec<Node>) {
    for node in std::mem::take(nodes) {
        match (nodes.last_mut(), node) {
            (Some(Node::Text(text)), Node::Text(more)) => text.push_str(&more),
            (_, node) => nodes.push(node),
        }
    }
}

fn option_sets() -> Vec<Options> {
    let complete = Options { tail: Tail::Complete, dense: true, ..Options::default() };
    let rich = Options { provisional: true, tail: Tail::Complete, dense: true, ..corpus::everything_on() };
    // With footnotes a document is rendered as a whole.
    let in_parts = Options { footnotes: false, ..rich.clone() };
    let escape = Options { tail: Tail::Escape, ..complete.clone() };
    vec![complete, rich, in_parts, escape]
}

/// Feeds `source` in random pieces, a frame after some of them, and looks at the page after each frame.
fn follow(source: &str, options: &Options, dice: &mut Dice) {
    let policy = Policy::default();
    let mut growing = Growing::new(options.clone(), Arc::new(policy.clone()));
    let (mut page, mut edits) = (Page::new(), Vec::new());
    let mut at = 0;
    while at < source.len() {
        let mut end = source.len().min(at + 1 + dice.below(12));
        while !source.is_char_boundary(end) {
            end += 1;
        }
        growing.push(&source[at..end]);
        at = end;
        if dice.below(3) == 0 {
            growing.frame(&mut edits);
            edits.drain(..).for_each(|edit| page.apply(&edit));
            let text = source[..at].strip_suffix('\r').unwrap_or(&source[..at]);
            let view = oracle::render(text, options, &policy);
            assert!(
                page.0.children == dom::parse(&view),
                "{text:?} of {source:?}\n{options:?}\nview: {view}\npage: {:?}",
                page.0
            );
        }
    }
    growing.finish(&mut edits);
    edits.drain(..).for_each(|edit| page.apply(&edit));
    let finished = Options { provisional: false, ..options.clone() };
    assert_eq!(growing.html(), render(source, &finished, &policy), "{source:?}");
    assert!(page.0.children == dom::parse(growing.html()), "{source:?}\n{options:?}\npage: {:?}", page.0);
}

#[test]
fn the_page_is_the_view_after_every_frame() {
    let (sets, mut dice) = (option_sets(), Dice::new(0x9A6E));
    for (i, source) in corpus::mixtures(0x6805).enumerate() {
        follow(&source, &sets[i % sets.len()], &mut dice);
    }
}

#[test]
fn a_finished_page_is_the_render() {
    let (sets, mut dice) = (option_sets(), Dice::new(0xF1A1));
    for source in corpus::sources() {
        for options in &sets {
            follow(&source, options, &mut dice);
        }
    }
}

/// Where this fails, `tests/proof` finds the same with less to read.
#[test]
fn any_document_in_any_pieces_is_the_render_of_its_prefix() {
    let (maker, documents) = (Maker::new(), if corpus::long() { 20_000 } else { 150 });
    for index in 0..documents {
        for case in maker.cases(0xC1, index) {
            follow::check(&case, index % 8 == 0).unwrap_or_else(|fault| panic!("document {index}: {fault}"));
        }
    }
}

#[test]
fn a_case_that_fails_is_made_small() {
    let case = Case {
        source: "one\n\ntwo **three** four\n\nfive ~~six~~\n\nseven\n".to_owned(),
        cuts: vec![5, 12, 20, 38],
        options: Options { tail: Tail::Complete, dense: true, ..Options::default() },
        policy: Policy::default(),
    };
    assert!(follow::check(&case, true).is_ok());
    let wrong = |case: &Case| {
        let finished = Options { provisional: false, ..case.options.clone() };
        render(&case.source, &finished, &case.policy).contains("<del>")
    };
    let small = follow::shrink::shrink(&case, case.source.len(), Duration::from_secs(60), &wrong);
    assert_eq!((small.source.len(), small.cuts.len()), (5, 0), "{:?}", small.source);
}

/// What random documents once found, at its smallest: options, and pieces with a frame behind each.
#[test]
fn what_chance_once_found_stays_right() {
    let cases: [(&str, &[&str]); 8] = [
        ("footnotes=true", &["`a\n[^x]", ":", " b"]),
        ("task_lists=true", &["- [ ]\n  [a]", ":", "/", "u\n"]),
        ("task_lists=true", &["- [ ]\n  =", "=", "=\n"]),
        ("", &["1. 0\n   ***\n   [1]:", "/u\n"]),
        ("", &[">   ```\n  > a", "\n  >  a", "\n>   b"]),
        ("", &["[<ps:]> x"]),
        ("", &["[c]:>\n\x0c'g", "'"]),
        ("", &["- ]\n\n  [f\n", "]:"]),
    ];
    for (words, pieces) in cases {
        for tail in [Tail::Complete, Tail::Escape] {
            let mut options = Options { tail, dense: true, ..Options::default() };
            for (name, value) in words.split_whitespace().filter_map(|word| word.split_once('=')) {
                options.set(name, Value::Raw(value)).unwrap();
            }
            let source = pieces.concat();
            let ends = pieces.iter().scan(0, |at, piece| {
                *at += piece.len();
                Some(*at)
            });
            let letters = source.char_indices().map(|(at, c)| at + c.len_utf8());
            for cuts in [ends.collect::<Vec<_>>(), letters.collect()] {
                let case = Case { source: source.clone(), cuts, options: options.clone(), policy: Policy::default() };
                follow::check(&case, true).unwrap_or_else(|fault| panic!("{pieces:?}, {tail:?}: {fault}"));
            }
        }
    }
}
