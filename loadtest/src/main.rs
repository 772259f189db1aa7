//! The benches and their load generator. `README.md` says each command; runs are committed in `runs/`.

#![allow(clippy::print_stdout, reason = "the report is the output")]

mod chance;
mod corpus;
mod families;
mod growth;
mod measure;
mod ratio;
mod worst;

use clap::{Parser, Subcommand, ValueEnum};

/// As in the service's binary: what is measured is what is deployed.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(about = "Rillmark's benches")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The figures of the renderer.
    Render {
        /// Which of them; all if none is named.
        parts: Vec<Part>,
        /// Seed of the corpus.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Rounds in which two sides alternate.
        #[arg(long, default_value_t = 101)]
        rounds: usize,
        /// Only families whose name holds this.
        #[arg(long)]
        only: Option<String>,
    },
    /// Renders random repeated programs and prints those whose cost grows faster than their size.
    Growth {
        /// Seconds to go on.
        #[arg(long, default_value_t = 600)]
        seconds: u64,
        /// Seed of the programs.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Prints a document of the corpus.
    Corpus {
        /// Seed of the document.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Its size.
        #[arg(long, default_value_t = 20_000)]
        bytes: usize,
    },
    /// Renders one family once and prints time and peak memory: a process of its own for each.
    #[command(hide = true)]
    One {
        /// Index in the table of families.
        family: usize,
        /// Size of the input.
        bytes: usize,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// CPU of a safe render over the parser's own writer.
    Ratio,
    /// Growth of cost and output over the families.
    Families,
    /// The worst 10 MiB: time and memory.
    Worst,
}

fn main() {
    match Arguments::parse().command {
        Command::Render { parts, seed, rounds, only } => {
            println!("# loadtest render, seed {seed}\n\n{}", measure::machine());
            let wanted = |part| parts.is_empty() || parts.contains(&part);
            if wanted(Part::Ratio) {
                ratio::run(seed, rounds);
            }
            if wanted(Part::Families) {
                growth::families(only.as_deref());
            }
            if wanted(Part::Worst) {
                worst::run(only.as_deref());
            }
        }
        Command::Growth { seconds, seed } => growth::random(seed, seconds),
        Command::Corpus { seed, bytes } => print!("{}", corpus::document(seed, bytes)),
        Command::One { family, bytes } => worst::one(family, bytes),
    }
}
