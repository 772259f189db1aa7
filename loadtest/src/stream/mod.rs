//! What it costs to follow a document while it is written: CPU over one render of the whole, µs a frame, bytes of edits
//! and of frames over the final HTML, visible characters taken back.
//!
//! A stream is tokens of four characters, a frame after each or after eight. For every shape and size there are runs of
//! their own for CPU (nothing else is done), for the time of each frame, and for what the edits hold, so that none
//! disturbs another.
//!
//! **Source:** the aims and bars: multiples of one render of the same document in the same run.

mod back;
mod bars;
mod feed;
mod mixed;
mod sent;
mod shapes;
mod single;

use bars::{Aim, Verdict};
use clap::ValueEnum;
use feed::Payload;
use rillmark::markdown::Options;
use rillmark::markdown::options::Tail;

/// One table of the report.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Mixed documents, both tails, against the whole rendered anew for each frame.
    Mixed,
    /// Documents that are one block, and how their cost grows.
    Shapes,
}

/// What is measured.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Seed of the documents.
    pub(crate) seed: u64,
    /// Runs in which frames are timed; the median of them counts.
    pub(crate) rounds: usize,
    /// A stream that takes longer is given up, in seconds.
    pub(crate) patience: f64,
    /// Only shapes whose name holds this.
    pub(crate) only: Option<String>,
    /// Sizes of the shapes, in bytes.
    pub(crate) sizes: Vec<usize>,
}

/// Prints the tables of `parts`, all if none is named.
pub(crate) fn run(parts: &[Part], settings: &Settings) {
    legend();
    for part in Part::value_variants().iter().filter(|part| parts.is_empty() || parts.contains(part)) {
        match part {
            Part::Mixed => mixed::run(settings),
            Part::Shapes => single::run(settings),
        }
    }
    println!("\n{}", Verdict::sum());
}

/// Both unfinished ends.
const TAILS: [Tail; 2] = [Tail::Complete, Tail::Escape];
/// Tokens a frame.
const FRAMES: [usize; 2] = [1, 8];

fn options(tail: Tail) -> Options {
    Options { tail, dense: true, ..Options::default() }
}

/// How to read the tables.
fn legend() {
    println!(
        "\nA token is 4 characters. `!` stands behind a figure over its aim, `!!` behind one over its bar; the last column \
         says PASS, or which figures miss. CPU is the thread's; p99 is of the wall clock of a push and its frame, the median \
         of the rounds. Naive: the whole view rendered anew and sent for each frame, from {} prefixes. Payload: HTML and text \
         in the edits. Ops: the arrays of ops. Frames: their JSON. SSE and WebSocket: what is written to a socket, chunk and \
         message heads included. All bytes are over those of the finished HTML. Lost and span: visible characters taken back, \
         of 1,000, by a longest common subsequence and from the first changed to the last.",
        feed::SAMPLES
    );
}

/// Bytes that edits or frames take, over those of the finished HTML; a document that shows nothing has edits of nothing.
fn over(bytes: usize, html: usize) -> f64 {
    bytes as f64 / html.max(1) as f64
}

/// What is taken back, by both counts.
fn taken_back(verdict: &mut Verdict, payload: &Payload, tail: Tail) -> String {
    let of = |count: usize| count as f64 * 1e3 / payload.visible.max(1) as f64;
    let judged = |aim: Aim| (tail == Tail::Complete).then_some(aim);
    let lost = verdict.judge("lost", judged(LOST), of(payload.lost), 2);
    format!("{lost} | {}", verdict.judge("span", judged(SPAN), of(payload.span), 1))
}

/// What a reader loses, per 1,000 visible characters, with `complete`.
const LOST: Aim = Aim::of(5.0);
const SPAN: Aim = Aim::of(40.0);
/// Bytes of the compact wire's ops over the finished HTML, at a token a frame.
const OPS: Aim = Aim::of(2.5);

/// Bytes of HTML and text over the finished HTML: in djust's vocabulary (bound for mixed documents only), in the finer one.
fn aims_of_payload(tail: Tail) -> [Aim; 2] {
    match tail {
        Tail::Complete => [Aim::of(2.0), Aim::of(1.4)],
        Tail::Escape => [Aim::of(3.0), Aim::of(2.4)],
    }
}

/// The aim of the compact wire's ops.
fn aim_of_ops(tokens: usize) -> Option<Aim> {
    (tokens == 1).then_some(OPS)
}
