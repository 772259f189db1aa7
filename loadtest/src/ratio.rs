//! CPU of a safe render over CPU of the parser's own writer, on the same documents.

use crate::measure::{quantile, thread_cpu};
use crate::{corpus, measure};
use pulldown_cmark::{Options as Flags, Parser, html};
use rillmark::markdown::{Options, Policy, bounds, normalise::normalise, render};
use std::hint::black_box;

/// Sizes of the documents, in bytes.
const SIZES: [usize; 3] = [2_000, 20_000, 200_000];
/// Documents of one size, so that no single one decides.
const DOCUMENTS: u64 = 8;
/// CPU seconds that one side gets before it is the other's turn.
const TURN_SECONDS: f64 = 0.02;

/// The default options for a finished document.
fn options() -> Options {
    Options { provisional: false, ..Options::default() }
}

fn safe(source: &str, options: &Options, policy: &Policy) -> String {
    render(source, options, policy)
}

fn stock(source: &str) -> String {
    let mut out = String::new();
    html::push_html(&mut out, Parser::new_ext(source, Flags::ENABLE_TABLES | Flags::ENABLE_STRIKETHROUGH));
    out
}

/// Prints the table. `rounds` is how often the two sides alternate.
pub(crate) fn run(seed: u64, rounds: usize) {
    println!("\n## CPU of a safe render ÷ CPU of push_html, same options, same documents, alternating");
    println!("seed {seed}, {DOCUMENTS} documents a size, {rounds} rounds of {} ms a side", TURN_SECONDS * 1000.0);
    println!("aim 1.00, bar 1.15\n");
    println!(
        "| bytes | constructs per 80 B | code | render ns/B | push_html ns/B | ratio, median | middle half | same bytes |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|--|");
    for size in SIZES {
        row(seed, size, rounds);
    }
}

fn row(seed: u64, size: usize, rounds: usize) {
    let documents: Vec<String> = (0..DOCUMENTS).map(|i| corpus::document(seed.wrapping_add(i), size)).collect();
    let bytes: usize = documents.iter().map(String::len).sum();
    let made = corpus::composition(&documents.concat());
    let (options, policy) = (options(), Policy::default());
    let same = documents.iter().filter(|source| safe(source, &options, &policy) == stock(source)).count();

    let ours = || documents.iter().for_each(|source| drop(black_box(safe(black_box(source), &options, &policy))));
    let theirs = || documents.iter().for_each(|source| drop(black_box(stock(black_box(source)))));
    let scan = || {
        documents.iter().for_each(|source| {
            black_box(bounds::trip(&normalise(black_box(source))));
        })
    };
    let scan_time = time(scan, passes(scan)) / bytes as f64 * 1e9;
    let (passes_ours, passes_theirs) = (passes(ours), passes(theirs));
    let mut ratios = Vec::with_capacity(rounds);
    let (mut times_ours, mut times_theirs) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        // Who goes first alternates too.
        let (a, b) = if round % 2 == 0 {
            let a = time(ours, passes_ours);
            (a, time(theirs, passes_theirs))
        } else {
            let b = time(theirs, passes_theirs);
            (time(ours, passes_ours), b)
        };
        ratios.push(a / b);
        times_ours.push(a / bytes as f64 * 1e9);
        times_theirs.push(b / bytes as f64 * 1e9);
    }
    println!(
        "| {size} | {:.2} | {:.0} % | {:.2} | {scan_time:.2} | {:.2} | **{:.3}** | {:.3}–{:.3} | {same} of {DOCUMENTS} |",
        made.constructs as f64 * 80.0 / made.bytes as f64,
        made.code_bytes as f64 * 100.0 / made.bytes as f64,
        quantile(&times_ours, 0.5),
        quantile(&times_theirs, 0.5),
        quantile(&ratios, 0.5),
        quantile(&ratios, 0.25),
        quantile(&ratios, 0.75),
    );
}

/// How many passes fill a turn.
fn passes(work: impl Fn()) -> usize {
    let mut passes = 0;
    let (spent, ()) = measure::cpu_of(|| {
        let start = thread_cpu();
        while thread_cpu() - start < TURN_SECONDS {
            work();
            passes += 1;
        }
    });
    ((passes as f64 * TURN_SECONDS / spent) as usize).max(1)
}

/// CPU seconds of one pass.
fn time(work: impl Fn(), passes: usize) -> f64 {
    let (spent, ()) = measure::cpu_of(|| (0..passes).for_each(|_| work()));
    spent / passes as f64
}
