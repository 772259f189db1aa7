//! What growing documents hold: a thousand of 100 KB at once, one of 10 MiB, and a snapshot of it.
//!
//! A program of its own, since its allocator counts. What is allocated stands beside what a document may hold at rest
//! (3 × source + 200 × bytes of the open window + 64 KiB) and during a frame (170 × bytes parsed at once more).

#![allow(clippy::print_stdout, reason = "the report is the output")]

#[path = "../chance.rs"]
#[allow(dead_code, reason = "what the corpus needs of it")]
mod chance;
#[path = "../corpus.rs"]
#[allow(dead_code, reason = "documents are made, not counted")]
mod corpus;

use rillmark::markdown::growing::Growing;
use rillmark::markdown::options::Tail;
use rillmark::markdown::{Options, Policy};
use std::alloc::System;
use std::process::ExitCode;
use std::sync::Arc;

#[global_allocator]
static HEAP: cap::Cap<System> = cap::Cap::new(System, usize::MAX);

/// Characters between two frames.
const PIECE: usize = 64;

/// What a snapshot of the largest document may add.
const SNAPSHOT_BYTES_MAX: usize = 64 << 20;

/// A document that was fed, and the most that a frame of it parsed.
struct Fed {
    growing: Growing,
    source: usize,
    parsed: usize,
}

fn feed(source: &str, tail: Tail) -> Fed {
    let options = Options { tail, dense: true, ..Options::default() };
    let mut growing = Growing::new(options, Arc::new(Policy::default()));
    let (mut edits, mut parsed, mut rest) = (Vec::new(), 0, source);
    while !rest.is_empty() {
        let end = rest.char_indices().nth(PIECE).map_or(rest.len(), |(at, _)| at);
        growing.push(&rest[..end]);
        parsed = parsed.max(growing.cost());
        growing.frame(&mut edits);
        edits.clear();
        rest = &rest[end..];
    }
    Fed { growing, source: source.len(), parsed }
}

/// What a document may hold between two frames.
fn at_rest(fed: &Fed) -> usize {
    3 * fed.source + 200 * fed.growing.cost() + (64 << 10)
}

/// A row; whether it holds.
fn row(what: &str, held: usize, allowed: usize) -> bool {
    let mib = |bytes: usize| bytes as f64 / f64::from(1 << 20);
    let holds = held <= allowed;
    let mark = if holds { "" } else { " !!" };
    println!("| {what} | {:.1} | {:.1} | {:.2}{mark} |", mib(held), mib(allowed), held as f64 / allowed as f64);
    holds
}

/// `count` documents of so many bytes, alive at once.
fn many(tail: Tail, count: u64, bytes: usize) -> bool {
    // Made before, so that only what is grown is counted.
    let sources: Vec<String> = (0..10).map(|seed| corpus::document(seed, bytes)).collect();
    let mut documents = Vec::with_capacity(usize::try_from(count).expect("a small number"));
    let before = HEAP.allocated();
    for seed in 0..count {
        documents.push(feed(&sources[usize::try_from(seed % 10).expect("below 10")], tail));
    }
    let (held, most) = (HEAP.allocated() - before, HEAP.max_allocated().saturating_sub(before));
    let allowed: usize = documents.iter().map(at_rest).sum();
    let parsed = documents.iter().map(|fed| fed.parsed).max().unwrap_or(0);
    let name = format!("{count} of {bytes} B, {tail:?}");
    let rests = row(&format!("{name}, at rest"), held, allowed);
    rests & row(&format!("{name}, at most"), most, allowed + 170 * parsed)
}

fn snapshot(tail: Tail, bytes: usize) -> bool {
    let source = corpus::document(1, bytes);
    let fed = feed(&source, tail);
    let before = HEAP.allocated();
    let html = fed.growing.html().to_owned();
    row(&format!("a snapshot of {bytes} B, {tail:?} ({} B)", html.len()), HEAP.allocated() - before, SNAPSHOT_BYTES_MAX)
}

fn main() -> ExitCode {
    println!("# loadtest memory\n\n| what | MiB | allowed | ÷ |\n|---|--:|--:|--:|");
    // The most that was ever allocated is told by the allocator: the small first.
    let mut holds = true;
    for tail in [Tail::Complete, Tail::Escape] {
        holds &= many(tail, 1, 10 << 20);
        holds &= snapshot(tail, 10 << 20);
    }
    for tail in [Tail::Complete, Tail::Escape] {
        holds &= many(tail, 1_000, 100_000);
    }
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
