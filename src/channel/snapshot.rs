//! Frames that rebuild the state at an id on a fresh page.
//!
//! Every stream's kept ops in the order of the log across streams, as few frames as that allows, each with its stream's
//! state. A document is a `replace` where its run's first text stood.
//!
//! **Invariant:** a fresh page that takes a snapshot is the page that took every tick, but for what was forgotten
//! (`every_way_to_an_id_makes_the_same_page`).
//!
//! **Source:** `openapi/protocol.md`, "Ids".

use super::document::PageDocument;
use super::merge::merge;
use crate::oplog::{Fold, OpAt, StreamFold, What};
use crate::protocol::{DomOp, Frame, Place, RunState, StreamName};

/// The frames of every stream.
pub(super) fn whole(fold: &Fold<PageDocument>) -> Vec<Frame> {
    let mut items: Vec<(Rank, &StreamName, &StreamFold<PageDocument>, DomOp)> = Vec::new();
    for (name, stream) in fold.streams() {
        items.extend(stream.kept().map(|kept| {
            let op = dom_op(&kept.what);
            (Rank { at: kept.at, control: is_control(&op) }, name, stream, op)
        }));
    }
    items.sort_by_key(|(rank, ..)| *rank);
    let mut frames: Vec<Frame> = Vec::new();
    for (_, name, stream, op) in items {
        match frames.last_mut().filter(|frame| frame.stream == *name) {
            Some(frame) => frame.ops.push(op),
            None => frames.push(Frame { state: Some(stream.state()), ..Frame::new(name.clone(), vec![op]) }),
        }
    }
    for frame in &mut frames {
        frame.ops = merge(std::mem::take(&mut frame.ops));
    }
    frames
}

/// The frames of what the active markdown runs show, whole: for who joins without history.
pub(super) fn active_documents(fold: &Fold<PageDocument>) -> Vec<Frame> {
    let active = fold.streams().filter(|(_, stream)| stream.state() == RunState::Active);
    let frames = active.filter_map(|(name, stream)| {
        let document = stream.document()?;
        let start = DomOp::Start { target: None, clear: false };
        let ops = vec![start, replace(document.body.html())];
        Some(Frame { state: Some(stream.state()), ..Frame::new(name.clone(), ops) })
    });
    frames.collect()
}

/// The kept content ops of an ops run, merged: what a page needs beside what it came with.
pub(super) fn ops(stream: &StreamFold<PageDocument>) -> Vec<DomOp> {
    let mut items: Vec<_> = stream.kept().map(|kept| (kept.at, dom_op(&kept.what))).collect();
    items.sort_by_key(|(at, op)| Rank { at: *at, control: is_control(op) });
    merge(items.into_iter().map(|(_, op)| op).collect())
}

/// Where an op stands: what empties an element at a `start` stands before that `start`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    at: OpAt,
    control: bool,
}

fn is_control(op: &DomOp) -> bool {
    matches!(op, DomOp::Start { .. } | DomOp::Done { .. } | DomOp::Error { .. })
}

fn dom_op(what: &What<PageDocument>) -> DomOp {
    match what {
        What::Op(op) => op.clone(),
        What::Document(document) => replace(document.body.html()),
    }
}

fn replace(html: &str) -> DomOp {
    DomOp::Html { place: Place::Replace, target: None, html: html.to_owned() }
}
