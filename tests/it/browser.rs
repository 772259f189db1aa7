//! What a browser makes of output: only what the table allows, built as the tags spell.

use crate::oracle::dom::{self, Element, Node};
use rillmark::markdown::elements::{ELEMENTS, Shape};
use rillmark::markdown::options::LINK_REL_TOKENS;

/// Panics where the tree of an output holds something that is not in the table of elements.
#[track_caller]
pub(crate) fn assert_in_table(nodes: &[Node], source: &str) {
    assert_only_known_nodes(nodes, source);
    dom::walk(nodes, &mut |element, _| assert_row(element, source));
}

/// Panics where the tree that a browser built is not the one that the tags of the output spell.
#[track_caller]
pub(crate) fn assert_built_as_spelled(html: &str, nodes: &[Node], source: &str) {
    let spelled = spelled(html).unwrap_or_else(|why| panic!("{why} in {html:?} from {source:?}"));
    assert!(nodes == spelled, "{html:?} from {source:?}\n  browser: {nodes:?}\n  spelled: {spelled:?}");
}

fn assert_only_known_nodes(nodes: &[Node], source: &str) {
    for node in nodes {
        match node {
            Node::Other(what) => panic!("{what} from {source:?}"),
            Node::Element(element) => assert_only_known_nodes(&element.children, source),
            Node::Text(_) => {}
        }
    }
}

fn assert_row(element: &Element, source: &str) {
    let row = ELEMENTS.iter().find(|row| row.name == element.name);
    let row = row.unwrap_or_else(|| panic!("<{}> from {source:?}", element.name));
    for (name, value) in &element.attributes {
        let shape = row.attributes.iter().find(|row| row.name == name).map(|row| row.shape);
        let shape = shape.unwrap_or_else(|| panic!("<{} {name}> from {source:?}", element.name));
        assert!(has_shape(value, shape), "<{} {name}={value:?}> from {source:?}", element.name);
    }
}

fn has_shape(value: &str, shape: Shape) -> bool {
    match shape {
        Shape::Word(words) => words.contains(&value),
        Shape::Language => value
            .strip_prefix("language-")
            .is_some_and(|name| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "+#._-".contains(c))),
        Shape::Url => is_safe_url(value),
        Shape::Text => true,
        Shape::Number => !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()),
        Shape::Id => value.starts_with("user-content-"),
        Shape::Rel => value.split(' ').all(|token| LINK_REL_TOKENS.contains(&token)),
    }
}

/// Told apart from the renderer's own judgement: whatever stands before the first colon, if it could be a scheme at all.
fn is_safe_url(url: &str) -> bool {
    let visible: String = url.chars().filter(|c| *c > ' ' && *c != '\u{7F}').collect();
    let Some((scheme, _)) = visible.split_once(':') else { return true };
    scheme.contains(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c)))
        || !scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        || ["http", "https", "mailto", "tel"].contains(&scheme.to_ascii_lowercase().as_str())
}

/// The tree that the tags spell, read strictly: what is opened is closed, in order.
fn spelled(html: &str) -> Result<Vec<Node>, String> {
    let mut open = vec![(String::new(), Vec::new(), Vec::new())];
    let mut rest = html;
    while !rest.is_empty() {
        let text_end = rest.find('<').unwrap_or(rest.len());
        if text_end > 0 {
            let text = unescaped(&rest[..text_end])?;
            // A browser drops the first line feed in a `pre`.
            let starts_pre = open.last().is_some_and(|(name, _, children)| name == "pre" && children.is_empty());
            let text = if starts_pre { text.strip_prefix('\n').map(str::to_owned).unwrap_or(text) } else { text };
            if !text.is_empty() {
                open.last_mut().unwrap().2.push(Node::Text(text));
            }
            rest = &rest[text_end..];
            continue;
        }
        let end = rest.find('>').ok_or("a tag that does not end")?;
        let tag = &rest[1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            let (opened, attributes, children) = open.pop().ok_or("closed too often")?;
            if opened != name || open.is_empty() {
                return Err(format!("</{name}> closes <{opened}>"));
            }
            open.last_mut().unwrap().2.push(Node::Element(Element { name: opened, attributes, children }));
            continue;
        }
        let void = tag.ends_with('/');
        let (name, attributes) = attributes(tag.trim_end_matches('/').trim_end())?;
        if void {
            open.last_mut().unwrap().2.push(Node::Element(Element { name, attributes, children: Vec::new() }));
        } else {
            open.push((name, attributes, Vec::new()));
        }
    }
    match open.pop() {
        Some((_, _, children)) if open.is_empty() => Ok(children),
        _ => Err("an element is left open".into()),
    }
}

fn attributes(tag: &str) -> Result<(String, Vec<(String, String)>), String> {
    let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (key, after) = rest.split_once("=\"").ok_or_else(|| format!("an attribute without a value: {rest}"))?;
        let (value, after) = after.split_once('"').ok_or("a value that does not end")?;
        found.push((key.to_owned(), unescaped(value)?));
        rest = after.trim_start();
    }
    found.sort();
    Ok((name.to_owned(), found))
}

fn unescaped(text: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let (name, after) = after.split_once(';').ok_or("a bare &")?;
        out.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "#39" | "#x27" => '\'',
            "#13" => '\r',
            other => return Err(format!("&{other};")),
        });
        rest = after;
    }
    if rest.contains(|c: char| c < ' ' && !"\t\n\u{C}".contains(c)) {
        return Err("a control character".into());
    }
    out.push_str(rest);
    Ok(out)
}
