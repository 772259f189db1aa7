//! What a reader never sees while a source is completed (`tail: "complete"`): six rules, over the prefixes of every
//! example, continued by what the rule is about.
//!
//! 1. An opener with content is shown as closed; one with nothing behind it is held back.
//! 2. Link text shows at once; no link and no part of its URL before `)`. An image asks for nothing before `)`.
//! 3. Block markers at the end are not visible and make no heading of the line above.
//! 4. Of a table that is being typed no pipe and no delimiter row is visible; a partial row is a row.
//! 5. A late definition resolves earlier references; definition lines are never visible.
//! 6. No text shows U+FFFD or a control character because it was cut.
//!
//! A rule holds where the continuation means what it looks like: not in code, in a tag, in a link's destination. That is
//! judged by the finished page, never by the view.

use pulldown_cmark::{Event, Parser, Tag};
use rillmark::markdown::options::{Options, Tail};

use super::corpus;
use super::laws::{Render, finished_page, ink, option_sets, page};
use super::oracle as twin;
use super::oracle::dom::{self, Node};

/// A word that no source holds.
const WORD: &str = "qzxw";

/// What may come after a piece of text and take it into something else.
const ENDS: &[&str] = &[
    "", ">", "\">", "'>", "-->", "?>", "]]>", "`", "``", "$", "$$", "}$", "}$$", "}}$", "}}$$", "}}}$$", ")", ">)",
    "\")",
];

/// Whether `element` of the page holds exactly [`WORD`].
fn word_in(page: &[Node], element: &str) -> bool {
    let holds = |e: &&dom::Element| e.name == element && dom::text(&e.children).trim() == WORD;
    dom::elements(page).iter().any(holds)
}

fn an_opener_with_content_is_shown_as_closed(render: Render, step: usize) {
    const MARKS: &[(&str, &str)] =
        &[("**", "strong"), ("*", "em"), ("_", "em"), ("`", "code"), ("``", "code"), ("~~", "del")];
    let sources = corpus::sources();
    let mut met = 0;
    for options in option_sets(Tail::Complete) {
        for (i, source) in corpus::prefixes(&sources, step).into_iter().enumerate() {
            let (mark, element) = MARKS[i % MARKS.len()];
            let opened = format!("{source} {mark}{WORD}");
            let closed =
                |end: &&str| word_in(&finished_page(render, &format!("{opened}{mark}{end}"), &options), element);
            let view = page(render, &opened, &options);
            if !ink(&view).contains(WORD) || may_be_in_definition(source) || !ENDS.iter().all(closed) {
                continue;
            }
            met += 1;
            assert!(word_in(&view, element), "{opened:?} {options:?}\n{view:?}");
            let bare = ink(&page(render, &format!("{source} {mark}"), &options));
            let before = finished_page(render, &format!("{source} "), &options);
            // Where whole lines are held, a complete line above may end in the same mark.
            let mut above = source.match_indices('\n').map(|(feed, _)| &source[..=feed]);
            let held = !bare.ends_with(&mark[..1])
                || ink(&before).ends_with(&mark[..1])
                || above.any(|lines| ink(&finished_page(render, lines, &options)) == bare);
            assert!(held, "{source:?} + {mark:?} {options:?}: {bare:?}");
        }
    }
    assert!(met > 100, "{met}");
}

/// Whether a source may be in the middle of a definition, of which what comes next may make text again.
fn may_be_in_definition(source: &str) -> bool {
    source.rsplit("\n\n").next().is_some_and(|block| block.contains("]:"))
}

fn link_text_shows_at_once_and_its_url_never(render: Render, step: usize) {
    let sources = corpus::sources();
    let mut met = 0;
    for options in option_sets(Tail::Complete) {
        for (i, source) in corpus::prefixes(&sources, step).into_iter().enumerate() {
            let image = if i % 3 == 0 { "!" } else { "" };
            let link = format!("{image}[{WORD}](/vwu/vwu.vwu?vwu (vwu vwu))");
            let linked = |end: &&str| {
                let page = finished_page(render, &format!("{source} q {link}{end}"), &options);
                word_in(&page, "a") || dom::elements(&page).iter().any(|e| e.attribute("alt") == Some(WORD))
            };
            if may_be_in_definition(source) || !ENDS.iter().all(linked) {
                continue;
            }
            met += 1;
            let text_for_sure = |end: &&str| {
                let typed = format!("{source} q {image}[{WORD}{end}\n");
                ink(&finished_page(render, &typed, &options)).contains(WORD)
            };
            // An image that is open anywhere before it takes the text as its own, once all brackets are closed.
            let closers = "](u)".repeat(source.matches('[').count().min(8) + 1);
            let ends = ["'", "\"", "')", "))", "]](u)", &closers];
            let shows = image.is_empty() && ENDS.iter().chain(&ends).all(text_for_sure);
            for cut in 1..link.len() {
                let typed = format!("{source} q {}", &link[..cut]);
                let view = page(render, &typed, &options);
                let text = ink(&view);
                assert!(!text.contains("vwu"), "{typed:?} {options:?}\n{view:?}");
                let asks = |e: &&dom::Element| e.attributes.iter().any(|(_, value)| value.contains("vwu"));
                assert!(!dom::elements(&view).iter().any(asks), "{typed:?} {options:?}\n{view:?}");
                let whole = link[..cut].contains(WORD);
                assert!(!(shows && whole) || text.contains(WORD), "{typed:?} {options:?}\n{view:?}");
            }
        }
    }
    assert!(met > 50, "{met}");
}

fn headings(page: &[Node]) -> usize {
    dom::elements(page).iter().filter(|e| e.name.len() == 2 && e.name.starts_with('h') && e.name != "hr").count()
}

/// Whether what comes next is taken as it stands: in a block of code or HTML.
fn is_verbatim(source: &str, options: &Options) -> bool {
    let probed = format!("{source}{WORD}");
    let mut verbatim = false;
    for event in Parser::new_ext(&probed, twin::extensions(options)) {
        match event {
            Event::Start(Tag::CodeBlock(_) | Tag::HtmlBlock) => verbatim = true,
            Event::End(pulldown_cmark::TagEnd::CodeBlock | pulldown_cmark::TagEnd::HtmlBlock) => verbatim = false,
            Event::Text(text) | Event::Html(text) if text.contains(WORD) => return verbatim,
            _ => {}
        }
    }
    true
}

fn block_markers_at_the_end_are_not_visible(render: Render, step: usize) {
    const MARKERS: &[&str] = &[
        "-", "--", "- -", "---", "*", "***", "_", "___", "+", "1", "12", "1.", "2)", "1. -", "#", "##", "# #", ">",
        "> >", "> -", "`", "``", "```", "```rust", "~~~", "|", "=", "==", "== ", "- [", "- [ ]", "[", "1. > -",
    ];
    let lines: Vec<String> = corpus::sources();
    let ends_line = |source: &&str| source.is_empty() || source.ends_with('\n');
    let mut met = 0;
    for options in option_sets(Tail::Complete) {
        for source in
            corpus::prefixes(&lines, 1).into_iter().filter(ends_line).step_by(if corpus::long() { 1 } else { step })
        {
            if is_verbatim(source, &options) {
                continue;
            }
            let before = page(render, source, &options);
            for marker in MARKERS {
                let typed = format!("{source}{marker}");
                let view = page(render, &typed, &options);
                assert!(headings(&view) <= headings(&before), "{typed:?} {options:?}\n{view:?}");
                if means_something_else(render, source, marker, &options) {
                    met += 1;
                    assert!(ink(&view) == ink(&before), "{typed:?} {options:?}\n{before:?}\n{view:?}");
                }
            }
        }
    }
    assert!(met > 200, "{met}");
}

/// Whether a marker is not sure to be text: behind one of these it is not visible.
fn means_something_else(render: Render, source: &str, marker: &str, options: &Options) -> bool {
    let before = ink(&finished_page(render, source, options));
    let gone = |behind: &str| {
        ink(&finished_page(render, &format!("{source}{marker}{behind}"), options))
            == format!("{before}{}", behind.trim())
    };
    if marker.starts_with('=') { gone("\n") } else { gone(" q") || gone("\n") && !marker.starts_with('[') }
}

fn a_table_being_typed_shows_no_pipes(render: Render, step: usize) {
    const TABLE: &str = "| vw | *wv*\\| |\n| :-- |---|\n| `ww` | vv\nvwv | [wvw](/w) |\n|| **ww** ";
    let sources = corpus::sources();
    let mut met = 0;
    for options in option_sets(Tail::Complete) {
        for source in corpus::prefixes(&sources, step) {
            // Where a paragraph would begin at the root, under a blank line.
            if !source.is_empty() && !source.ends_with("\n\n")
                || dom::text(&page(render, source, &options)).contains(['v', 'w'])
            {
                continue;
            }
            let before = finished_page(render, source, &options);
            let paragraph = finished_page(render, &format!("{source}vw"), &options);
            let is_paragraph = |node: Option<&Node>| matches!(node, Some(Node::Element(e)) if e.name == "p" && dom::text(&e.children) == "vw");
            if paragraph.len() != before.len() + 1 || !is_paragraph(paragraph.last()) {
                continue;
            }
            met += 1;
            let before = ink(&before);
            for (cut, _) in TABLE.char_indices().chain([(TABLE.len(), ' ')]) {
                let typed = format!("{source}{}", &TABLE[..cut]);
                let view = page(render, &typed, &options);
                let text = ink(&view);
                let shown = text.strip_prefix(&before).unwrap_or_else(|| panic!("{typed:?} {options:?}\n{view:?}"));
                let sound = shown.replacen("wv|", "wv", 1).chars().all(|c| "vw".contains(c));
                assert!(sound, "{typed:?} {options:?} shows {shown:?}");
                let in_cells: String = dom::elements(&view)
                    .iter()
                    .filter(|e| e.name == "td" || e.name == "th")
                    .map(|e| ink(&e.children))
                    .collect();
                assert!(in_cells.ends_with(shown), "{typed:?} {options:?}\n{view:?}");
            }
        }
    }
    assert!(met > 5, "{met}");
}

fn a_late_definition_resolves_and_is_never_visible(render: Render, step: usize) {
    const DEFINITIONS: &[&str] =
        &["[vw wv]: /vwvw 'vwvwv'\n", "[VW  wv]:\n  </vwvw>\n  (vw\n  vw)\n", "[vw wv]: /vwvw\n\"vwvwv\"\n"];
    let sources = corpus::sources();
    let mut met = 0;
    for options in option_sets(Tail::Complete) {
        for (i, source) in corpus::prefixes(&sources, step).into_iter().enumerate() {
            let used = format!("{source} [{WORD}][vw wv]\n\n");
            let definition = DEFINITIONS[i % DEFINITIONS.len()];
            let resolved = finished_page(render, &format!("{used}{definition}"), &options);
            if !word_in(&resolved, "a") {
                continue;
            }
            met += 1;
            let before = ink(&page(render, &used, &options));
            for (cut, _) in definition.char_indices().skip(1) {
                let typed = format!("{used}{}", &definition[..cut]);
                let view = page(render, &typed, &options);
                let text = ink(&view);
                assert!(text == before || text == ink(&resolved), "{typed:?} {options:?}\n{view:?}");
            }
            let view = page(render, &format!("{used}{definition}"), &options);
            assert!(view == resolved, "{used:?} {definition:?} {options:?}\n{view:?}");
        }
    }
    assert!(met > 50, "{met}");
}

fn no_cut_shows_a_broken_character(render: Render, step: usize) {
    let sources: Vec<String> = corpus::sources().into_iter().map(|source| source.replace('\n', "\r\n")).collect();
    for options in option_sets(Tail::Complete) {
        for source in corpus::prefixes(&sources, step) {
            let shown = dom::text(&page(render, source, &options));
            let finished = dom::text(&finished_page(render, source, &options));
            let broken = |c: &char| *c == '\u{FFFD}' || c.is_control() && *c != '\n';
            for c in shown.chars().filter(broken) {
                assert!(source.contains(c) && c != '\r' || finished.contains(c), "{c:?} in {source:?} {options:?}");
            }
            if source.ends_with('\r') {
                let whole = page(render, &format!("{source}\n"), &options);
                assert!(page(render, source, &options) == whole, "{source:?} {options:?}");
            }
        }
    }
}

/// The rules, over one renderer.
macro_rules! rules {
    ($name:ident, $render:expr) => {
        mod $name {
            #[test]
            fn an_opener_with_content_is_shown_as_closed() {
                super::an_opener_with_content_is_shown_as_closed($render, 23);
            }

            #[test]
            fn link_text_shows_at_once_and_its_url_never() {
                super::link_text_shows_at_once_and_its_url_never($render, 197);
            }

            #[test]
            fn block_markers_at_the_end_are_not_visible() {
                super::block_markers_at_the_end_are_not_visible($render, 31);
            }

            #[test]
            fn a_table_being_typed_shows_no_pipes() {
                super::a_table_being_typed_shows_no_pipes($render, 7);
            }

            #[test]
            fn a_late_definition_resolves_and_is_never_visible() {
                super::a_late_definition_resolves_and_is_never_visible($render, 111);
            }

            #[test]
            fn no_cut_shows_a_broken_character() {
                super::no_cut_shows_a_broken_character($render, 11);
            }
        }
    };
}

rules!(naive, crate::oracle::render);

rules!(product, rillmark::markdown::render);
