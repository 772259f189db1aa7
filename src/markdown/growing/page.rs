//! A page for tests: HTML that edits are applied to by hand, knowing nothing but their paths.

use super::nodes::{Node, children};
use super::{Edit, FineEdit, Step, fine};

/// The page after an edit.
pub(super) fn apply(page: &str, edit: &Edit) -> String {
    let (Edit::Replace { path, .. } | Edit::Append { path, .. } | Edit::Delete { path }) = edit;
    let change = |inner: &str| match edit {
        Edit::Replace { html, .. } => Some(html.clone()),
        Edit::Append { html, .. } => Some(inner.to_owned() + html),
        Edit::Delete { .. } => None,
    };
    at(page, path, &change).expect("the root is never deleted")
}

/// The page after a fine edit.
pub(super) fn apply_fine(page: &str, edit: &FineEdit) -> String {
    let (FineEdit::AppendText { path, .. }
    | FineEdit::AppendHtml { path, .. }
    | FineEdit::Trim { path, .. }
    | FineEdit::DeleteLast { path }
    | FineEdit::Replace { path, .. }
    | FineEdit::Splice { path, .. }) = edit;
    let change = |inner: &str| Some(changed(inner, edit));
    at(page, path, &change).expect("the root is never deleted")
}

fn changed(inner: &str, edit: &FineEdit) -> String {
    let all = children(inner);
    let joined = |nodes: &[Node<'_>]| nodes.iter().map(|node| node.html).collect::<String>();
    match edit {
        FineEdit::AppendText { text, .. } => inner.to_owned() + &spelled(text),
        FineEdit::AppendHtml { html, .. } => inner.to_owned() + html,
        FineEdit::Replace { html, .. } => html.clone(),
        FineEdit::Trim { units, .. } => {
            let (last, before) = all.split_last().expect("there is text to trim");
            assert!(!last.is_element(), "only text is trimmed: {inner}");
            let text: Vec<u16> = fine::plain(last.html).encode_utf16().collect();
            let kept = String::from_utf16(&text[..text.len() - units]).expect("no character is cut");
            joined(before) + &spelled(&kept)
        }
        FineEdit::DeleteLast { .. } => joined(all.split_last().expect("there is a child").1),
        FineEdit::Splice { back, remove, html, .. } => {
            let from = all.len() - back;
            joined(&all[..from]) + html + &joined(&all[from + remove..])
        }
    }
}

fn spelled(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\r', "&#13;")
}

/// `html` with the content of the element at `path` changed, or the element gone.
fn at(html: &str, path: &[Step], change: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let Some((first, rest)) = path.split_first() else { return change(html) };
    let all = children(html);
    let elements: Vec<usize> = (0..all.len()).filter(|at| all[*at].is_element()).collect();
    let place = match first {
        Step::Child(n) => elements[n - 1],
        Step::Last => *elements.last().expect("there is an element"),
    };
    let node = all[place];
    // A void element has nothing inside.
    let (open, close) = if node.close > 0 { (node.open, node.close) } else { (node.html.len(), node.html.len()) };
    let changed = at(&node.html[open..close], rest, change)
        .map_or(String::new(), |inner| format!("{}{inner}{}", &node.html[..open], &node.html[close..]));
    let joined = |nodes: &[Node<'_>]| nodes.iter().map(|node| node.html).collect::<String>();
    Some(joined(&all[..place]) + &changed + &joined(&all[place + 1..]))
}
