//! What it costs to follow a document while it is written: CPU over one render of the whole, µs a frame, bytes of edits
//! over the final HTML, visible characters taken back.
//!
//! A stream is tokens of four characters, a frame after each or after eight. For every shape and size there are runs of
//! their own for CPU (nothing else is done), for the time of each frame, and for what the edits hold, so that none
//! disturbs another.
//!
//! **Source:** the aims and bars: multiples of one render of the same document in the same run.

mod back;
mod bars;
mod feed;
mod shapes;
mod tables;

use clap::ValueEnum;

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
    for part in Part::value_variants().iter().filter(|part| parts.is_empty() || parts.contains(part)) {
        match part {
            Part::Mixed => tables::mixed(settings),
            Part::Shapes => tables::shapes(settings),
        }
    }
}
