//! Text that stands side by side in a frame leaves as one op, or two.
//!
//! Of one target and one mode: `append` is put together, `prepend` in reverse, of `replace` the last counts. Text
//! without a mode becomes two ops, everything but the last and the last: that is right whether the page's element
//! appends or replaces. HTML of a publisher is never put together, since `<p>a` and `b</p>` are two things and
//! `<p>ab</p>` is one.
//!
//! **Always:** a page that takes the merged ops is the page that takes all (`merged_ops_make_the_same_page`).
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
