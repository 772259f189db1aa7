//! Growing documents against whole renders, at random, as long as one likes.
//!
//! ```console
//! $ tests/fetch                                                        # the specifications' examples, once
//! $ cargo run --profile proof -p proof -- --documents 100000 --seed 7
//! $ cargo run --profile proof -p proof --features eager -- --documents 100000 --seed 7
//! $ cargo run --profile proof -p proof -- replay --options 'tail=complete' '["- a\n","\n- b"]'
//! ```
//!
//! Each document is made from the seed and its number, cut twice and followed after every frame by the quick page of
//! `tests/it/follow`; one in `--full` also by a browser's page, against the twin. With `eager` nothing waits until a
//! document is large, so small ones take all paths. What fails is made small and printed as the command that repeats it.
//! The exit code is 1 if anything failed.

#![allow(clippy::print_stdout, reason = "the report is the output")]
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    unused_imports,
    dead_code,
    reason = "what is included from the tests is written for them"
)]

#[path = "../../it/corpus.rs"]
mod corpus;
#[path = "../../it/follow/mod.rs"]
mod follow;
#[path = "../../it/oracle/mod.rs"]
mod oracle;
#[path = "../../it/page/mod.rs"]
mod page;
#[path = "../../it/spec.rs"]
mod spec;

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand};
use follow::make::Maker;
use follow::{Case, Fault, PANICKED, Tally, check};
use rillmark::markdown::growing::{Edits, Growing};
use rillmark::markdown::options::{Options, Policy, Value};

/// Shrinking a failure ends after this.
const SHRINK: Duration = Duration::from_secs(20);

#[derive(Parser)]
#[command(about = "Growing documents against whole renders, at random")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Documents, each cut twice.
    #[arg(long, default_value_t = 20_000)]
    documents: u64,
    /// What they are made from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The number of the first document.
    #[arg(long, default_value_t = 0)]
    from: u64,
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// A cut has about so many frames at most: fewer make for more documents.
    #[arg(long, default_value_t = follow::make::FRAMES_MAX)]
    frames: usize,
    /// One document in so many is also followed by a browser's page and compared with the twin; 0: none.
    #[arg(long, default_value_t = 64)]
    full: u64,
    /// Stops after so many failures.
    #[arg(long, default_value_t = 3)]
    failures: usize,
    /// Stops after so many seconds.
    #[arg(long)]
    seconds: Option<u64>,
}

#[derive(Subcommand)]
enum Command {
    /// Follows one case and prints what is wrong with it.
    Replay {
        /// A JSON list: the source in pieces, a frame after each.
        pieces: String,
        /// Options that are not the defaults: `tail=complete math=true`.
        #[arg(long, default_value = "")]
        options: String,
        /// No frame after the last piece.
        #[arg(long)]
        unframed: bool,
        /// Prints every frame's edits and page.
        #[arg(long)]
        verbose: bool,
    },
}

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|info| PANICKED.set(info.to_string())));
    let arguments = Arguments::parse();
    let failed = match &arguments.command {
        Some(Command::Replay { pieces, options, unframed, verbose }) => replay(pieces, options, *unframed, *verbose),
        None => run(&arguments),
    };
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn run(arguments: &Arguments) -> bool {
    let (maker, start) = (Maker::new().with_frames(arguments.frames), Instant::now());
    let (next, failures) = (AtomicU64::new(arguments.from), AtomicUsize::new(0));
    let total = Mutex::new((Tally::default(), Vec::new()));
    let over = || {
        failures.load(Ordering::Relaxed) >= arguments.failures
            || arguments.seconds.is_some_and(|seconds| start.elapsed().as_secs() >= seconds)
    };
    let work = || {
        let (mut tally, mut sizes) = (Tally::default(), Vec::new());
        while !over() {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= arguments.from + arguments.documents {
                break;
            }
            let in_full = arguments.full > 0 && index.is_multiple_of(arguments.full);
            let cases = maker.cases(arguments.seed, index);
            sizes.push(cases[0].source.len());
            for case in &cases {
                match check(case, in_full) {
                    Ok(one) => tally.add(one),
                    Err(fault) => {
                        failures.fetch_add(1, Ordering::Relaxed);
                        report(arguments.seed, index, case, &fault, in_full);
                        break;
                    }
                }
            }
        }
        let mut total = total.lock().expect("no thread panicked");
        total.0.add(tally);
        total.1.append(&mut sizes);
    };
    std::thread::scope(|scope| {
        (0..arguments.threads.max(1)).for_each(|_| drop(scope.spawn(work)));
    });
    let (tally, mut sizes) = total.into_inner().expect("no thread panicked");
    sizes.sort_unstable();
    let median = sizes.get(sizes.len() / 2).copied().unwrap_or(0);
    println!(
        "seed {}: {} documents (median {median} B), {} cuts, {} frames compared with the render, {} of them in a browser's page with the twin, {} edits, {} failures, {:.0} s",
        arguments.seed,
        sizes.len(),
        tally.documents,
        tally.frames,
        tally.in_full,
        tally.edits,
        failures.load(Ordering::Relaxed),
        start.elapsed().as_secs_f64(),
    );
    failures.into_inner() > 0
}

/// Prints a failure, made small.
fn report(seed: u64, index: u64, case: &Case, fault: &Fault, in_full: bool) {
    let in_full = in_full && check(case, false).is_ok();
    let small = follow::shrink::shrink(case, fault.at, SHRINK, &|case| check(case, in_full).is_err());
    let fault = check(&small, in_full).err().map_or_else(|| "it fails no more\n".to_owned(), |fault| fault.to_string());
    let mut pieces = small.pieces();
    let unframed = pieces.pop_if(|piece| piece.is_empty()).is_none();
    println!(
        "FAILED: seed {seed}, document {index}{}\n{fault}  replay --options '{}'{} {}\n",
        if small.policy == Policy::default() { "" } else { " (with image prefixes: not what replay has)" },
        small.options_in_words(),
        if unframed { " --unframed" } else { "" },
        quoted(&serde_json::to_string(&pieces).expect("strings are JSON")),
    );
}

/// As an argument of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn replay(pieces: &str, words: &str, unframed: bool, verbose: bool) -> bool {
    let pieces: Vec<String> = serde_json::from_str(pieces).expect("a JSON list of strings");
    let mut options = Options { dense: true, ..Options::default() };
    for word in words.split_whitespace() {
        let (name, value) = word.split_once('=').expect("name=value");
        options.set(name, Value::Raw(value)).unwrap_or_else(|error| panic!("{error}"));
    }
    let mut cuts: Vec<usize> = pieces
        .iter()
        .scan(0, |at, piece| {
            *at += piece.len();
            Some(*at)
        })
        .collect();
    if unframed {
        cuts.pop();
    }
    let case = Case { source: pieces.concat(), cuts, options, policy: Policy::default() };
    if verbose {
        print_frames(&case);
    }
    match check(&case, true) {
        Ok(tally) => println!("{} frames, all as they should be", tally.frames),
        Err(fault) => print!("{fault}"),
    }
    check(&case, true).is_err()
}

fn print_frames(case: &Case) {
    let mut growing = Growing::new(case.options.clone(), case.policy.clone().into());
    for piece in case.pieces() {
        let mut edits = Edits::of(true, true);
        growing.push(piece);
        growing.frame_into(&mut edits);
        println!("{piece:?}");
        edits.coarse.iter().flatten().for_each(|edit| println!("    edit: {edit:?}"));
        edits.fine.iter().flatten().for_each(|edit| println!("    fine: {edit:?}"));
    }
}
