//! A page for tests: HTML that edits are applied to by hand, knowing nothing but their paths.

use super::nodes::{Node, children};
use super::{Edit, Step};

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
