//! The worst inputs at the largest size that is parsed: time and peak memory, a process of its own for each.

use crate::families::FAMILIES;
use crate::measure::{cpu_of, peak_memory};
use rillmark::markdown::options::Value;
use rillmark::markdown::{Options, Policy, SOURCE_BYTES_MAX, render};
use std::process::Command;

/// How many rows are printed.
const ROWS: usize = 25;

/// What one process told.
struct Outcome {
    name: &'static str,
    seconds: f64,
    peak: f64,
    output: f64,
}

/// Renders every family at 10 MiB and prints the slowest and the largest.
pub(crate) fn run(only: Option<&str>) {
    println!("\n## The worst {SOURCE_BYTES_MAX} bytes: CPU, peak memory of the process, output\n");
    let mut outcomes: Vec<Outcome> = FAMILIES
        .iter()
        .enumerate()
        .filter(|(_, family)| only.is_none_or(|part| family.name.contains(part)))
        .filter_map(|(index, family)| spawn(index, family.name))
        .collect();
    let most = |value: fn(&Outcome) -> f64| outcomes.iter().map(value).fold(0.0, f64::max);
    println!(
        "{} families; at most {:.2} s, {:.0} MiB of memory, {:.0} MiB of output. The worst of each kind:\n",
        outcomes.len(),
        most(|o| o.seconds),
        most(|o| o.peak),
        most(|o| o.output)
    );
    println!("| family | CPU s | peak MiB | output MiB |\n|---|--:|--:|--:|");
    outcomes.sort_by(|a, b| (b.seconds + b.peak / 1000.0).total_cmp(&(a.seconds + a.peak / 1000.0)));
    for outcome in outcomes.iter().take(ROWS) {
        println!("| {} | {:.2} | {:.0} | {:.0} |", outcome.name, outcome.seconds, outcome.peak, outcome.output);
    }
}

/// Runs [`one`] in a process of its own.
fn spawn(index: usize, name: &'static str) -> Option<Outcome> {
    let program = std::env::current_exe().expect("a running program has a path");
    let arguments = ["one", &index.to_string(), &SOURCE_BYTES_MAX.to_string()].map(str::to_owned);
    let output = Command::new(program).args(arguments).output().expect("this program runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [seconds, peak, bytes] = numbers[..] else {
        println!("{name}: the process ended with {}", output.status);
        return None;
    };
    Some(Outcome { name, seconds, peak: peak / f64::from(1 << 20), output: bytes / f64::from(1 << 20) })
}

/// Renders a family of `bytes` once with everything on and prints CPU seconds, peak bytes and output bytes.
pub(crate) fn one(index: usize, bytes: usize) {
    let mut source = (FAMILIES[index].make)(bytes);
    source.truncate(source.floor_char_boundary(SOURCE_BYTES_MAX));
    let mut options = Options { provisional: false, ..Options::default() };
    for name in ["task_lists", "autolinks", "footnotes", "alerts", "math", "heading_ids"] {
        options.set(name, Value::Bool(true)).expect("these are flags of the renderer");
    }
    let (seconds, html) = cpu_of(|| render(&source, &options, &Policy::default()));
    println!("{seconds} {} {}", peak_memory(), html.len());
}
