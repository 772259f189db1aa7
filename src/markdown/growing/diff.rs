//! What has to be done to a page, in djust's vocabulary: children replaced or appended, elements deleted.
//!
//! There is no way to take back part of a text, nor to put anything before something that stands. So children are
//! compared from the left; what is equal stands. Where the last child that the page has is an element that only
//! changed inside, the comparison goes on in it. Elements in the middle that changed inside (a definition came late) get
//! new children. What cannot be had so is deleted from the end and appended anew, or the whole content is replaced; the
//! root's only if nothing in it stands.
//!
//! **Invariant:** edits applied to the old HTML give the new (`edits_lead_from_the_old_to_the_new`).

use super::nodes::{Node, children};
use super::spine::Change;
use super::{Edit, Path, Step};

/// Appends to `edits` what leads from `old` to `new`, the last children of the root, before which `before` elements
/// stand.
pub(super) fn diff(before: usize, old: &str, new: &str, edits: &mut Vec<Edit>) {
    if old != new {
        inside(&mut Path::new(), Hidden { elements: before, html: [""; 2] }, old, new, edits);
    }
}

/// The same for one level of a page's spine.
pub(super) fn diff_level(change: &Change<'_>, edits: &mut Vec<Edit>) {
    let hidden = Hidden { elements: change.elements, html: change.hidden };
    inside(&mut change.path.clone(), hidden, change.old, change.new, edits);
}

/// The same for children of the root that others follow: as many as before, and changed inside at most. Returns whether
/// they are that.
pub(super) fn diff_within(before: usize, old: &str, new: &str, edits: &mut Vec<Edit>) -> bool {
    let (old, new) = (children(old), children(new));
    let fits = old.len() == new.len() && changed_inside(&old, &new);
    if fits {
        step_each(&mut Path::new(), before, &old, &new, edits);
    }
    fits
}

/// What stands in an element before the children that are compared.
#[derive(Clone, Copy, Default)]
struct Hidden<'h> {
    elements: usize,
    html: [&'h str; 2],
}

/// The same for the children of the element at `path`, behind those that are hidden. Goes no deeper than elements do,
/// which the writer bounds.
fn inside(path: &mut Path, hidden: Hidden<'_>, old: &str, new: &str, edits: &mut Vec<Edit>) {
    if let Some(extra) = new.strip_prefix(old) {
        // What was there is balanced, so what follows it is too.
        return edits.push(Edit::Append { path: path.clone(), html: extra.to_owned() });
    }
    let (before, after) = (children(old), children(new));
    let same = before.iter().zip(&after).take_while(|(b, a)| b.html == a.html).count();
    let (old_rest, new_rest) = (&before[same..], &after[same..]);
    match (old_rest, new_rest) {
        ([last], [grown, more @ ..]) if last.same_tag(grown) => {
            step(path, Step::Last, last, grown, edits);
            append(path, more, edits);
        }
        ([text], [grown, more @ ..])
            if !text.is_element() && !grown.is_element() && grown.html.starts_with(text.html) =>
        {
            let extra = &grown.html[text.html.len()..];
            edits.push(Edit::Append { path: path.clone(), html: extra.to_owned() + &joined(more) });
        }
        _ if changed_inside(old_rest, new_rest) => {
            let from = hidden.elements + before[..same].iter().filter(|node| node.is_element()).count();
            step_each(path, from, old_rest, new_rest, edits);
            append(path, &new_rest[old_rest.len()..], edits);
        }
        _ if hidden.elements + same > 0
            && old_rest.iter().all(Node::is_element)
            && (path.is_empty() || hidden.elements > 0 || new_rest.len() <= same) =>
        {
            for _ in old_rest {
                path.push(Step::Last);
                edits.push(Edit::Delete { path: path.clone() });
                path.pop();
            }
            append(path, new_rest, edits);
        }
        _ => edits.push(Edit::Replace { path: path.clone(), html: hidden.html.concat() + new }),
    }
}

/// Whether each old child is an element that still stands, and only its content may differ.
fn changed_inside(old: &[Node<'_>], new: &[Node<'_>]) -> bool {
    !old.is_empty()
        && old.len() <= new.len()
        && old.iter().zip(new).all(|(b, a)| b.html == a.html || b.same_tag(a))
        && old.iter().all(Node::is_element)
}

/// Elements that still stand, behind `from` others: what changed inside each.
fn step_each(path: &mut Path, from: usize, old: &[Node<'_>], new: &[Node<'_>], edits: &mut Vec<Edit>) {
    for (at, (b, a)) in old.iter().zip(new).enumerate() {
        step(path, Step::Child(from + at + 1), b, a, edits);
    }
}

/// One child that still stands: what changed inside it.
fn step(path: &mut Path, step: Step, old: &Node<'_>, new: &Node<'_>, edits: &mut Vec<Edit>) {
    if old.html != new.html {
        path.push(step);
        inside(path, Hidden::default(), old.inner(), new.inner(), edits);
        path.pop();
    }
}

fn append(path: &Path, nodes: &[Node<'_>], edits: &mut Vec<Edit>) {
    if !nodes.is_empty() {
        edits.push(Edit::Append { path: path.clone(), html: joined(nodes) });
    }
}

fn joined(nodes: &[Node<'_>]) -> String {
    nodes.iter().map(|node| node.html).collect()
}

#[cfg(test)]
mod tests {
    use super::super::page::apply;
    use super::*;

    fn check(old: &str, new: &str, expected: &[(&str, &str, &str)]) {
        let mut edits = Vec::new();
        diff(0, old, new, &mut edits);
        let mut page = old.to_owned();
        let mut said = Vec::new();
        for edit in &edits {
            let (name, path, html) = match edit {
                Edit::Replace { path, html } => ("replace", path, html.as_str()),
                Edit::Append { path, html } => ("append", path, html.as_str()),
                Edit::Delete { path } => ("delete", path, ""),
            };
            page = apply(&page, edit);
            let steps: Vec<String> = path
                .iter()
                .map(|step| match step {
                    Step::Child(n) => n.to_string(),
                    Step::Last => "last".into(),
                })
                .collect();
            said.push((name, steps.join("."), html));
        }
        assert_eq!(page, new, "{edits:?}");
        let said: Vec<_> = said.iter().map(|(name, path, html)| (*name, path.as_str(), *html)).collect();
        assert_eq!(said, expected, "{old} → {new}");
    }

    #[test]
    fn edits_lead_from_the_old_to_the_new() {
        check("<p>a</p>", "<p>a</p>", &[]);
        check("<p>a</p>", "<p>a</p><p>b</p>", &[("append", "", "<p>b</p>")]);
        check("<p>a</p>", "<p>ab</p>", &[("append", "last", "b")]);
        check(
            "<p>a <em>b</em></p>",
            "<p>a <em>bc</em> d</p><hr />",
            &[("append", "last.last", "c"), ("append", "last", " d"), ("append", "", "<hr />")],
        );
        check("<p>a *b</p>", "<p>a <em>b</em></p>", &[("replace", "last", "a <em>b</em>")]);
        check("<p>a</p>", "<h1>a</h1>", &[("replace", "", "<h1>a</h1>")]);
        check("<p>a</p><p>b</p>", "<p>a</p><h1>b</h1>", &[("delete", "last", ""), ("append", "", "<h1>b</h1>")]);
        check(
            "<p>a</p><p>[b]</p><p>c</p>",
            "<p>a</p><p><a href=\"#\">b</a></p><p>c</p>",
            &[("replace", "2", "<a href=\"#\">b</a>")],
        );
        check(
            "<ul><li>a</li><li>b</li></ul>",
            "<ul><li><p>a</p></li><li><p>b</p></li></ul>",
            &[("replace", "last.1", "<p>a</p>"), ("replace", "last.2", "<p>b</p>")],
        );
        check("<p>a</p><p>b</p><p>c</p>", "<p>a</p>", &[("delete", "last", ""), ("delete", "last", "")]);
        check("<p>a<br />\nb</p>", "<p>a<br />\nbc</p>", &[("append", "last", "c")]);
        check("<p>a<br />\nb</p>", "<p>ab</p>", &[("replace", "last", "ab")]);
        check("", "<p>a</p>", &[("append", "", "<p>a</p>")]);
        check("<p>a</p>", "", &[("replace", "", "")]);
    }
}
