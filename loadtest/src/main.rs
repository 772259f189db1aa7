//! The benches and their load generator. `README.md` says each command; runs are committed in `runs/`.

#![allow(clippy::print_stdout, reason = "the report is the output")]
#![allow(clippy::disallowed_methods, reason = "a bench paces itself, and blocks nobody")]

mod chance;
mod corpus;
mod families;
mod growth;
mod http;
mod measure;
mod ratio;
mod stream;
mod streams;
mod worst;

use clap::{Parser, Subcommand, ValueEnum};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

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
        /// The service's binary; by default the one beside this program.
        #[arg(long)]
        binary: Option<PathBuf>,
    },
    /// The figures of streams.
    Streams {
        /// Which of them; all if none is named.
        parts: Vec<streams::Part>,
        /// Rounds in which two sides alternate.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// The service's binary; by default the one beside this program.
        #[arg(long)]
        binary: Option<PathBuf>,
    },
    /// The figures of documents that are followed while they are written.
    Stream {
        /// Which of them; all if none is named.
        parts: Vec<stream::Part>,
        /// Seed of the documents.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Runs in which frames are timed; the median counts.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Gives a stream up that takes so many seconds.
        #[arg(long, default_value_t = 30.0)]
        patience: f64,
        /// Only shapes whose name holds this.
        #[arg(long)]
        only: Option<String>,
        /// Sizes of the shapes.
        #[arg(long, value_delimiter = ',', default_values_t = [5_000, 50_000, 500_000])]
        sizes: Vec<usize>,
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
    /// Serves what the service is compared with.
    #[command(hide = true)]
    Plain {
        /// Where to listen.
        address: SocketAddr,
        /// Threads.
        workers: usize,
    },
    /// Serves what streams are compared with.
    #[command(hide = true)]
    Bare {
        /// Where to listen.
        address: SocketAddr,
        /// Threads.
        workers: usize,
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
    /// Requests a second against a plain handler.
    Http,
    /// What others notice while the worst documents render.
    Isolation,
}

fn main() -> io::Result<()> {
    match Arguments::parse().command {
        Command::Render { parts, seed, rounds, only, binary } => {
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
            let binary = binary.map_or_else(beside_this_program, Ok)?;
            if wanted(Part::Http) {
                http::throughput(&binary, seed, rounds.div_ceil(5))?;
            }
            if wanted(Part::Isolation) {
                http::isolation(&binary, seed)?;
            }
        }
        Command::Streams { parts, rounds, binary } => {
            println!("# loadtest streams\n\n{}", measure::machine());
            streams::run(&parts, &binary.map_or_else(beside_this_program, Ok)?, rounds)?;
        }
        Command::Stream { parts, seed, rounds, patience, only, sizes } => {
            println!("# loadtest stream, seed {seed}\n\n{}", measure::machine());
            stream::run(&parts, &stream::Settings { seed, rounds, patience, only, sizes });
        }
        Command::Growth { seconds, seed } => growth::random(seed, seconds),
        Command::Corpus { seed, bytes } => print!("{}", corpus::document(seed, bytes)),
        Command::Plain { address, workers } => http::serve_plain(address, workers)?,
        Command::Bare { address, workers } => streams::serve_bare(address, workers)?,
        Command::One { family, bytes } => worst::one(family, bytes),
    }
    Ok(())
}

/// `rillmark` in the directory of this program.
fn beside_this_program() -> io::Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name("rillmark"))
}
