//! The specifications' examples: the bytes of the stock writer, and the meaning of the specifications.
//!
//! Where a source has no raw HTML the bytes are the stock writer's, after two rules for what the stock writer lets
//! through and we do not: URLs outside the allow-list, and characters in a language class. No example is named.
//!
//! **Source:** CommonMark 0.31.2; GFM 0.29, its extensions.

use pulldown_cmark::{Event, Parser, html::push_html};
use rillmark::markdown::options::{Options, Policy};

use super::oracle::dom::{self, Element, Node};
use super::{oracle as twin, spec};

type Render = fn(&str, &Options, &Policy) -> String;

fn finished() -> Options {
    Options { provisional: false, ..Options::default() }
}

/// What the stock writer makes of a source; `None` if it holds raw HTML.
fn stock(source: &str, options: &Options) -> Option<String> {
    let events: Vec<_> = Parser::new_ext(source, twin::extensions(options)).collect();
    if events.iter().any(|event| matches!(event, Event::Html(_) | Event::InlineHtml(_))) {
        return None;
    }
    let mut html = String::new();
    push_html(&mut html, events.into_iter());
    Some(html)
}

/// The rules, applied to the values of attributes in HTML that has no raw HTML in it.
fn by_our_rules(html: &str) -> String {
    let mut out = String::new();
    let mut rest = html;
    type Rule = (&'static str, fn(&str) -> String);
    let attributes: [Rule; 3] =
        [("<a href=\"", safe_url), ("<img src=\"", safe_url), ("<code class=\"language-", class_of)];
    while let Some(c) = rest.chars().next() {
        match attributes.iter().find(|(start, _)| rest.starts_with(start)) {
            Some((start, rule)) => {
                let (value, behind) = rest[start.len()..].split_once('"').expect("values are quoted");
                let value = rule(value);
                if value.is_empty() && start.contains("language-") {
                    out += "<code";
                } else {
                    out += &format!("{start}{value}\"");
                }
                rest = behind;
            }
            None => {
                out.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    out
}

fn safe_url(url: &str) -> String {
    let scheme =
        url.split(['/', '?', '#', '&']).next().and_then(|start| start.split_once(':')).map(|(scheme, _)| scheme);
    let is_scheme = |s: &str| {
        s.starts_with(|c: char| c.is_ascii_alphabetic())
            && s.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    };
    let allowed = |scheme: &str| {
        !is_scheme(scheme) || ["http", "https", "mailto", "tel"].contains(&&*scheme.to_ascii_lowercase())
    };
    if scheme.is_none_or(allowed) { url.to_owned() } else { "#".to_owned() }
}

fn class_of(language: &str) -> String {
    language.chars().take_while(|c| c.is_alphanumeric() || "+#._-".contains(*c)).collect()
}

fn examples_without_raw_html_are_the_stock_writers_bytes(render: Render) {
    let Some(examples) = spec::commonmark() else { return };
    let mut same = 0;
    for example in examples {
        let Some(expected) = stock(&example.markdown, &finished()) else { continue };
        let html = render(&example.markdown, &finished(), &Policy::default());
        assert_eq!(html, by_our_rules(&expected), "{} {}: {}", example.section, example.example, example.markdown);
        same += 1;
    }
    assert_eq!(same, 580);
}

fn examples_mean_what_commonmark_says(render: Render) {
    let Some(examples) = spec::commonmark() else { return };
    let options = Options { tables: false, strikethrough: false, ..finished() };
    let mut same = 0;
    for example in examples {
        let Some(stock) = stock(&example.markdown, &options) else { continue };
        if tidied(&stock) != tidied(&example.html) {
            continue;
        }
        let html = render(&example.markdown, &options, &Policy::default());
        assert_eq!(tidied(&html), tidied(&by_our_rules(&example.html)), "{}: {}", example.example, example.markdown);
        same += 1;
    }
    assert_eq!(same, 580, "the stock writer agrees with CommonMark on all of them");
}

fn gfm_examples_mean_what_gfm_says(render: Render) {
    let Some(examples) = spec::gfm() else { return };
    let mut same = 0;
    for example in examples {
        if example.section.starts_with("Disallowed Raw HTML") || example.markdown.contains("ftp://") {
            continue;
        }
        let autolinks = example.section.starts_with("Autolinks");
        let options = Options { autolinks, task_lists: true, ..finished() };
        let html = render(&example.markdown, &options, &Policy::default());
        assert_eq!(tidied(&html), tidied(&example.html), "{}: {}", example.example, example.markdown);
        same += 1;
    }
    assert_eq!(same, 22);
}

/// The tree, without what both sides may spell in their own way: white space between blocks and behind a checkbox,
/// alignment as an attribute or a style, a table body with nothing in it.
fn tidied(html: &str) -> Vec<Node> {
    tidy(dom::parse(html))
}

fn tidy(nodes: Vec<Node>) -> Vec<Node> {
    const INLINE: &[&str] = &["a", "em", "strong", "del", "code", "img", "br"];
    let is_block = |node: Option<&Node>| match node {
        Some(Node::Element(element)) => !INLINE.contains(&&*element.name),
        Some(_) => false,
        None => true,
    };
    let mut out = Vec::new();
    for (i, node) in nodes.iter().enumerate() {
        match node {
            Node::Text(text) => {
                let before = is_block(i.checked_sub(1).and_then(|i| nodes.get(i)).filter(|_| i > 0))
                    && (i > 0 || text.trim().is_empty());
                let text = if before { text.trim_start() } else { text };
                let text = if is_block(nodes.get(i + 1)) && i + 1 < nodes.len() { text.trim_end() } else { text };
                if !text.is_empty() {
                    out.push(Node::Text(text.to_owned()));
                }
            }
            Node::Element(element) if element.name == "tbody" && element.children.iter().all(is_blank) => {}
            Node::Element(element) if element.name == "pre" => out.push(node.clone()),
            Node::Element(element) => out.push(Node::Element(Element {
                name: element.name.clone(),
                attributes: element.attributes.iter().cloned().map(aligned).collect(),
                children: tidy(element.children.clone()),
            })),
            Node::Other(other) => out.push(Node::Other(other.clone())),
        }
    }
    out
}

fn is_blank(node: &Node) -> bool {
    matches!(node, Node::Text(text) if text.trim().is_empty())
}

fn aligned((name, value): (String, String)) -> (String, String) {
    match value.strip_prefix("text-align: ") {
        Some(way) if name == "style" => ("align".to_owned(), way.to_owned()),
        _ => (name, value),
    }
}

/// The tests, over one renderer.
macro_rules! conformance {
    ($name:ident, $render:expr) => {
        mod $name {
            #[test]
            fn examples_without_raw_html_are_the_stock_writers_bytes() {
                super::examples_without_raw_html_are_the_stock_writers_bytes($render);
            }

            #[test]
            fn examples_mean_what_commonmark_says() {
                super::examples_mean_what_commonmark_says($render);
            }

            #[test]
            fn gfm_examples_mean_what_gfm_says() {
                super::gfm_examples_mean_what_gfm_says($render);
            }
        }
    };
}

conformance!(oracle, crate::oracle::render);

conformance!(product, rillmark::markdown::render);
