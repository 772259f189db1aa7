//! Streams under load: what a delivered frame, an idle subscriber and a new connection cost, beside a broadcaster that
//! does nothing but pass bytes on.

mod bare;
mod crowd;
mod deliver;
mod idle;
mod ops;
mod side;
mod slow;
mod storm;

pub(crate) use bare::serve as serve_bare;

use std::io;
use std::path::Path;

use clap::ValueEnum;

/// One table of the report.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// One channel, 1,000 subscribers.
    FanOut,
    /// 2,000 channels, one subscriber each.
    Channels,
    /// Memory of subscribers that nothing is sent to.
    Idle,
    /// Many connections at once.
    Storm,
    /// Readers that never read.
    Slow,
    /// 10,000 ops a second on one stream, and the first op after quiet.
    Ops,
    /// 10,000 channels come and go, three times.
    Churn,
}

/// Prints the tables of `parts`, all if none is named.
pub(crate) fn run(parts: &[Part], binary: &Path, rounds: usize) -> io::Result<()> {
    for part in Part::value_variants().iter().filter(|part| parts.is_empty() || parts.contains(part)) {
        match part {
            Part::FanOut => deliver::fan_out(binary, rounds)?,
            Part::Channels => deliver::channels(binary, rounds)?,
            Part::Idle => idle::run(binary)?,
            Part::Storm => storm::run(binary, rounds)?,
            Part::Slow => slow::run(binary)?,
            Part::Ops => ops::run(binary)?,
            Part::Churn => idle::churn(binary)?,
        }
    }
    Ok(())
}
