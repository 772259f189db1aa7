//! What each op does to a page: djust's client, step for step, and `event`.
//!
//! Its quirks are kept, since pages live with them: `text` flattens what its target holds; an error counts as taken
//! back only by `start`, `text` and HTML, after they acted; the first `.dj-stream-error` below the target is the one.

use serde_json::{Value, json};

use super::selector::Selector;
use super::touch::Touches;
use super::tree::{NodeId, Tree};

/// An event that bubbled through the page.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PageEvent {
    /// `stream:text` and its like.
    pub name: String,
    /// The stream that it speaks of.
    pub stream: String,
    /// The element: its `dj-stream`, else its `id`, else its name.
    pub at: String,
    /// What it says.
    pub detail: Value,
}

/// Applies one op of `stream`; `Err` says why it was skipped.
pub(super) fn apply(
    tree: &mut Tree,
    touches: &mut Touches,
    events: &mut Vec<PageEvent>,
    stream: &str,
    op: &Value,
) -> Result<(), String> {
    let text_of = |member: &str| op[member].as_str().unwrap_or_default();
    let kind = op["op"].as_str().ok_or("an op without a name")?;
    let selector = op["target"].as_str().ok_or("an op without a target")?;
    let read = Selector::parse(selector).ok_or_else(|| format!("no selector: {selector}"))?;
    let el = read.first(tree).ok_or_else(|| format!("not found: {selector}"))?;
    let mut say = |tree: &Tree, name: &str, mut detail: Value| {
        detail["stream"] = stream.into();
        events.push(PageEvent { name: name.to_owned(), stream: stream.to_owned(), at: place(tree, el), detail });
    };
    if kind != "event" && kind != "delete" {
        touches.note(tree, stream, el);
    }
    match kind {
        "replace" | "append" | "prepend" => {
            put(tree, el, kind, text_of("html"));
            clear_error(tree, touches, stream, el);
            say(tree, "stream:update", json!({ "op": kind }));
        }
        "text" => {
            let mode = op["mode"].as_str().or(tree.attribute(el, "dj-stream-mode")).filter(|mode| !mode.is_empty());
            let mode = mode.unwrap_or("append").to_owned();
            let (text, before) = (text_of("text"), tree.text_content(el));
            let joined = match mode.as_str() {
                "replace" => text.to_owned(),
                "prepend" => format!("{text}{before}"),
                _ => format!("{before}{text}"),
            };
            tree.set_text_content(el, &joined);
            tree.set_attribute(el, "data-stream-active", Some("true"));
            clear_error(tree, touches, stream, el);
            say(tree, "stream:text", json!({ "text": text, "mode": mode }));
        }
        "delete" => {
            say(tree, "stream:remove", json!({}));
            touches.note_removal(tree, stream, el);
            tree.remove(el);
        }
        "prune" => {
            let limit = op["limit"].as_u64().unwrap_or(0);
            let edge = if op["edge"] == "bottom" { "bottom" } else { "top" };
            prune(tree, el, limit, edge);
            say(tree, "stream:prune", json!({ "edge": edge, "limit": limit }));
        }
        "error" => {
            let message = Some(text_of("error")).filter(|text| !text.is_empty()).unwrap_or("Stream error");
            show_error(tree, touches, stream, el, message);
            say(tree, "stream:error", json!({ "error": message }));
        }
        "done" => {
            tree.set_attribute(el, "data-stream-active", None);
            let cancelled = op["cancelled"] == true;
            say(tree, "stream:done", if cancelled { json!({ "cancelled": true }) } else { json!({}) });
        }
        "start" => {
            tree.set_attribute(el, "data-stream-active", Some("true"));
            clear_error(tree, touches, stream, el);
            say(tree, "stream:start", json!({}));
        }
        "event" => say(tree, "stream:event", json!({ "name": op["name"], "detail": op["detail"] })),
        other => return Err(format!("unknown op: {other}")),
    }
    Ok(())
}

/// How a test calls an element.
fn place(tree: &Tree, el: NodeId) -> String {
    let names = [tree.attribute(el, "dj-stream"), tree.attribute(el, "id"), tree.name(el)];
    names.into_iter().flatten().next().unwrap_or_default().to_owned()
}

fn put(tree: &mut Tree, el: NodeId, kind: &str, html: &str) {
    if kind == "replace" {
        let context = tree.name(el).unwrap_or_default().to_owned();
        let nodes = tree.fragment(&context, html);
        tree.set_children(el, nodes);
        return;
    }
    // Through a `template`, so that a table's row may come alone.
    let nodes = tree.fragment("template", html);
    if kind == "append" { tree.append(el, nodes) } else { tree.insert(el, 0, nodes) }
}

fn prune(tree: &mut Tree, el: NodeId, limit: u64, edge: &str) {
    let children = tree.element_children(el);
    let keep = usize::try_from(limit).unwrap_or(usize::MAX).min(children.len());
    let gone = if edge == "top" { &children[..children.len() - keep] } else { &children[keep..] };
    for child in gone {
        tree.remove(*child);
    }
}

fn error_below(tree: &Tree, el: NodeId) -> Option<NodeId> {
    let is_error = |id: &NodeId| {
        tree.attribute(*id, "class").is_some_and(|c| c.split_ascii_whitespace().any(|c| c == "dj-stream-error"))
    };
    tree.descendants(el).into_iter().find(is_error)
}

fn show_error(tree: &mut Tree, touches: &mut Touches, stream: &str, el: NodeId, message: &str) {
    tree.set_attribute(el, "data-stream-error", Some("true"));
    tree.set_attribute(el, "data-stream-active", None);
    let shown = error_below(tree, el).unwrap_or_else(|| {
        let shown = tree.create_element("div");
        tree.set_attribute(shown, "class", Some("dj-stream-error"));
        tree.set_attribute(shown, "role", Some("alert"));
        tree.append(el, vec![shown]);
        shown
    });
    touches.note(tree, stream, shown);
    tree.set_text_content(shown, message);
}

pub(super) fn clear_error(tree: &mut Tree, touches: &mut Touches, stream: &str, el: NodeId) {
    tree.set_attribute(el, "data-stream-error", None);
    if let Some(shown) = error_below(tree, el) {
        // It may stand deeper: then the element that holds it changes, too.
        touches.note_removal(tree, stream, shown);
        tree.remove(shown);
    }
}
