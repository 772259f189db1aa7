//! Text that stands side by side in a frame leaves as one op, or two.
//!
//! Of one target and one mode: `append` is put together, `prepend` in reverse, of `replace` the last counts. Text
//! without a mode becomes two ops, everything but the last and the last: that is right whether the page's element
//! appends or replaces. HTML of a publisher is never put together, since `<p>a` and `b</p>` are two things and
//! `<p>ab</p>` is one.
//!
//! **Invariant:** a page that takes the merged ops is the page that takes all (`merged_ops_make_the_same_page`).
//!
//! **Source:** `openapi/protocol.md`, "Merging".

use crate::protocol::{DomOp, Mode, Target};

/// Merges the text that stands side by side. O(bytes).
pub(super) fn merge(ops: Vec<DomOp>) -> Vec<DomOp> {
    let mut merged = Vec::with_capacity(ops.len());
    let mut run: Vec<DomOp> = Vec::new();
    for op in ops {
        if run.last().is_some_and(|last| !joins(last, &op)) {
            flush(&mut run, &mut merged);
        }
        if matches!(op, DomOp::Text { .. }) {
            run.push(op);
        } else {
            merged.push(op);
        }
    }
    flush(&mut run, &mut merged);
    merged
}

fn joins(last: &DomOp, next: &DomOp) -> bool {
    let (DomOp::Text { target, mode, .. }, DomOp::Text { target: next_target, mode: next_mode, .. }) = (last, next)
    else {
        return false;
    };
    target == next_target && mode == next_mode
}

/// Writes a run of texts of one target and mode.
fn flush(run: &mut Vec<DomOp>, merged: &mut Vec<DomOp>) {
    if run.len() < 2 {
        merged.append(run);
        return;
    }
    let texts = run.drain(..).filter_map(|op| match op {
        DomOp::Text { target, text, mode } => Some((target, text, mode)),
        _ => None,
    });
    let mut texts: Vec<(Option<Target>, String, Option<Mode>)> = texts.collect();
    let Some((target, last, mode)) = texts.pop() else { return };
    let mut push = |text, target| merged.push(DomOp::Text { target, text, mode });
    let before = texts.iter().map(|(_, text, _)| text.as_str());
    match mode {
        None => {
            push(before.collect(), target.clone());
            push(last, target);
        }
        Some(Mode::Append) => push(before.chain([last.as_str()]).collect(), target),
        Some(Mode::Prepend) => push([last.as_str()].into_iter().chain(before.rev()).collect(), target),
        Some(Mode::Replace) => push(last, target),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::Place;

    fn text(text: &str, mode: Option<Mode>, target: &str) -> DomOp {
        DomOp::Text { target: Target::parse(target), text: text.to_owned(), mode }
    }

    /// What two elements show, of which one appends and one replaces where an op does not say.
    fn shown(ops: &[DomOp], default: Mode) -> [String; 2] {
        let mut elements = [String::new(), String::new()];
        for op in ops {
            match op {
                DomOp::Text { target, text, mode } => {
                    let element = &mut elements[usize::from(target.is_some())];
                    match mode.unwrap_or(default) {
                        Mode::Append => element.push_str(text),
                        Mode::Prepend => element.insert_str(0, text),
                        Mode::Replace => text.clone_into(element),
                    }
                }
                DomOp::Html { html, .. } => elements[0] += html,
                _ => unreachable!("none is made here"),
            }
        }
        elements
    }

    #[test]
    fn text_without_a_mode_becomes_two_ops() {
        let loose = |words: &[&str]| words.iter().map(|word| text(word, None, "")).collect::<Vec<_>>();
        assert_eq!(merge(loose(&["a"])), loose(&["a"]));
        assert_eq!(merge(loose(&["a", "b"])), loose(&["a", "b"]));
        assert_eq!(merge(loose(&["a", "b", "c", "d"])), loose(&["abc", "d"]));
    }

    #[test]
    fn html_is_never_put_together() {
        let html = |html: &str| DomOp::Html { place: Place::Append, target: None, html: html.to_owned() };
        let ops = vec![html("<p>a"), html("b</p>")];
        assert_eq!(merge(ops.clone()), ops);
    }

    proptest! {
        #[test]
        fn merged_ops_make_the_same_page(draws in proptest::collection::vec((0..10_u8, 0..3_u8), 0..30)) {
            let ops: Vec<DomOp> = draws.iter().enumerate().map(|(i, (kind, target))| {
                let target = if *target == 0 { "#i" } else { "" };
                let modes = [None, Some(Mode::Append), Some(Mode::Prepend), Some(Mode::Replace)];
                match kind {
                    9 => DomOp::Html { place: Place::Append, target: None, html: format!("<{i}>") },
                    _ => text(&format!("{i},"), modes[usize::from(*kind) / 3], target),
                }
            }).collect();
            let merged = merge(ops.clone());
            for default in [Mode::Append, Mode::Replace] {
                prop_assert_eq!(shown(&merged, default), shown(&ops, default));
            }
            let joined = |pair: &[DomOp]| joins(&pair[0], &pair[1]);
            let loose = |op: &DomOp| matches!(op, DomOp::Text { mode: None, .. });
            prop_assert!(merged.windows(2).all(|pair| !joined(pair) || loose(&pair[0])), "{:?}", merged);
            prop_assert!(merged.windows(3).all(|three| !joined(&three[..2]) || !joined(&three[1..])), "{:?}", merged);
        }
    }
}
