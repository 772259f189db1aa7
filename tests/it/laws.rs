//! The laws of what a reader sees of an unfinished source, over every prefix of every example, for both tails.
//!
//! | law | |
//! |---|---|
//! | nothing invented | no visible character that is neither in the source so far nor in its finished page |
//! | no half URL | no URL whose terminator has not come |
//! | finished is finished | where the next letter begins a new leaf and the last line is blank, the view is the finished page |
//! | little taken back | of 1,000 visible characters at most 5 go again, by a longest-common-subsequence diff |
//!
//! Each is a test over the renderer, and over its naive twin.

use std::collections::HashMap;

use pulldown_cmark::{Event, Parser, Tag};
use rillmark::markdown::options::{Options, Policy, Tail};

use super::corpus;
use super::oracle as twin;
use super::oracle::dom::{self, Node};

pub(crate) type Render = fn(&str, &Options, &Policy) -> String;

/// The options of a stream, and of one with every extension.
pub(crate) fn option_sets(tail: Tail) -> [Options; 2] {
    let plain = Options { tail, dense: true, ..Options::default() };
    let rich = Options { provisional: true, tail, dense: true, ..corpus::everything_on() };
    [plain, rich]
}

/// The page that a reader sees.
pub(crate) fn page(render: Render, source: &str, options: &Options) -> Vec<Node> {
    dom::parse(&render(source, options, &Policy::default()))
}

/// The page of the same source if nothing more comes.
pub(crate) fn finished_page(render: Render, source: &str, options: &Options) -> Vec<Node> {
    page(render, source, &Options { provisional: false, ..options.clone() })
}

/// What can be seen of it, white space left out.
pub(crate) fn ink(page: &[Node]) -> String {
    dom::text(page).chars().filter(|c| !c.is_whitespace()).collect()
}

fn counts(text: &str) -> HashMap<char, usize> {
    let mut counts = HashMap::new();
    for c in text.chars() {
        *counts.entry(c).or_default() += 1;
    }
    counts
}

fn nothing_is_invented(render: Render, tail: Tail, step: usize) {
    let sources = corpus::sources();
    for options in option_sets(tail) {
        for source in corpus::prefixes(&sources, step) {
            let typed = counts(source);
            let finished = counts(&ink(&finished_page(render, source, &options)));
            for (c, shown) in counts(&ink(&page(render, source, &options))) {
                let of = |counts: &HashMap<char, usize>| counts.get(&c).copied().unwrap_or(0);
                let known = match tail {
                    Tail::Complete => of(&typed).max(of(&finished)),
                    Tail::Escape => of(&typed) + of(&finished),
                };
                assert!(shown <= known, "{c:?} is shown {shown} times, of {known}: {source:?} {options:?}");
            }
        }
    }
}

/// What a page would fetch or lead to.
fn urls(page: &[Node]) -> Vec<String> {
    let url = |element: &dom::Element| element.attribute("href").or(element.attribute("src")).map(str::to_owned);
    dom::elements(page).into_iter().filter_map(url).collect()
}

fn no_url_is_shown_before_its_end(render: Render, tail: Tail, step: usize) {
    let sources = corpus::sources();
    for options in option_sets(tail) {
        for source in corpus::prefixes(&sources, step) {
            let shown = urls(&page(render, source, &options));
            if shown.is_empty() {
                continue;
            }
            // Two words: a definition would take one. What stands on complete lines has ended, whatever comes.
            let mut ended = urls(&finished_page(render, &format!("{source}x x"), &options));
            let lines = source.rfind('\n').map_or(0, |at| at + 1);
            ended.extend(urls(&finished_page(render, &source[..lines], &options)));
            for url in shown {
                assert!(ended.contains(&url), "{url} may go on: {source:?} {options:?}");
            }
        }
    }
}

/// Whether a letter typed now would stand alone in a new leaf.
fn next_letter_begins_a_leaf(source: &str, options: &Options) -> bool {
    let probed = format!("{source}\u{E000}");
    let mut before = None;
    for event in Parser::new_ext(&probed, twin::extensions(options)) {
        if matches!(&event, Event::Text(text) | Event::Html(text) if &**text == "\u{E000}") {
            let inline = |tag: &Tag<'_>| {
                matches!(tag, Tag::Emphasis | Tag::Strong | Tag::Strikethrough | Tag::Link { .. } | Tag::Image { .. })
            };
            return match before {
                Some(Event::Start(tag)) => !inline(&tag) && !matches!(tag, Tag::CodeBlock(_)),
                Some(Event::End(_)) => true,
                _ => false,
            };
        }
        before = Some(event);
    }
    false
}

fn a_finished_leaf_is_shown_finished(render: Render, tail: Tail, step: usize) {
    let sources = corpus::sources();
    let mut met = 0;
    for options in option_sets(tail) {
        for source in corpus::prefixes(&sources, step) {
            let blank = source.rsplit('\n').next().is_some_and(|line| line.trim_matches([' ', '\t']).is_empty());
            if !blank || !next_letter_begins_a_leaf(source, &options) {
                continue;
            }
            met += 1;
            let (seen, finished) = (page(render, source, &options), finished_page(render, source, &options));
            assert!(seen == finished, "{source:?} {options:?}\n{seen:?}\n{finished:?}");
        }
    }
    assert!(met >= 10, "the sources hold finished leaves: {met}");
}

/// How many characters of `before` are gone in `after`: by what they have in common in order, and by the span between
/// the first and the last change.
fn taken_back(before: &str, after: &str) -> (usize, usize) {
    let (before, after): (Vec<char>, Vec<char>) = (before.chars().collect(), after.chars().collect());
    let head = before.iter().zip(&after).take_while(|(a, b)| a == b).count();
    let (before, after) = (&before[head..], &after[head..]);
    let tail = before.iter().rev().zip(after.iter().rev()).take_while(|(a, b)| a == b).count();
    let (before, after) = (&before[..before.len() - tail], &after[..after.len() - tail]);
    let mut common = vec![0; after.len() + 1];
    for a in before {
        let mut diagonal = 0;
        for (i, b) in after.iter().enumerate() {
            let above = common[i + 1];
            common[i + 1] = if a == b { diagonal + 1 } else { above.max(common[i]) };
            diagonal = above;
        }
    }
    (before.len() - common[after.len()], before.len())
}

fn little_is_taken_back(render: Render) {
    for options in option_sets(Tail::Complete) {
        let (mut lost, mut span, mut shown) = (0, 0, 0);
        for source in corpus::REPLIES {
            let mut before = String::new();
            for (at, _) in source.char_indices().skip(1).chain([(source.len(), ' ')]) {
                let now = ink(&page(render, &source[..at], &options));
                let (by_diff, by_span) = taken_back(&before, &now);
                if by_diff > 0 {
                    eprintln!("{:?}: {by_diff} {before:?} -> {now:?}", &source[..at]);
                }
                lost += by_diff;
                span += by_span;
                before = now;
            }
            shown += before.chars().count();
        }
        assert!(lost * 1_000 <= 5 * shown, "{lost} of {shown} taken back, {options:?}");
        assert!(span * 1_000 <= 40 * shown, "{span} of {shown} within changed spans, {options:?}");
    }
}

#[test]
fn what_is_taken_back_is_counted() {
    assert_eq!(taken_back("", "abc"), (0, 0));
    assert_eq!(taken_back("abc", "abcd"), (0, 0));
    assert_eq!(taken_back("a**bc", "abc"), (2, 2));
    assert_eq!(taken_back("[x][1] and more", "x and more"), (5, 6));
    assert_eq!(taken_back("abc", ""), (3, 3));
}

/// The laws, over one renderer.
macro_rules! laws {
    ($name:ident, $render:expr) => {
        mod $name {
            use rillmark::markdown::options::Tail;

            #[test]
            fn nothing_is_invented() {
                super::nothing_is_invented($render, Tail::Complete, 9);
                super::nothing_is_invented($render, Tail::Escape, 23);
            }

            #[test]
            fn no_url_is_shown_before_its_end() {
                super::no_url_is_shown_before_its_end($render, Tail::Complete, 9);
                super::no_url_is_shown_before_its_end($render, Tail::Escape, 23);
            }

            #[test]
            fn a_finished_leaf_is_shown_finished() {
                super::a_finished_leaf_is_shown_finished($render, Tail::Complete, 5);
                super::a_finished_leaf_is_shown_finished($render, Tail::Escape, 9);
            }

            #[test]
            fn little_is_taken_back() {
                super::little_is_taken_back($render);
            }
        }
    };
}

laws!(naive, crate::oracle::render);

laws!(product, rillmark::markdown::render);
