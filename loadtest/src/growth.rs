//! How cost and output grow with the input: over the known families, and over random ones until time is up.

use crate::chance::Chance;
use crate::families::FAMILIES;
use crate::measure::{cpu_of, log_slope};
use rillmark::markdown::options::{Tail, Value};
use rillmark::markdown::{Options, Policy, render};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Sizes at which a family is measured, in bytes: 10 KB to 1 MB.
const SIZES: [usize; 5] = [10_000, 31_600, 100_000, 316_000, 1_000_000];
/// CPU seconds over which one size is repeated; the least time counts.
const REPEAT_SECONDS: f64 = 0.06;
/// Largest slope of log CPU over log bytes.
const SLOPE_MAX: f64 = 1.1;

/// Everything on, so that no construct is left out.
fn everything() -> Options {
    let mut options = Options { provisional: false, id_prefix: "p".repeat(64), ..Options::default() };
    for name in ["task_lists", "autolinks", "footnotes", "alerts", "math", "heading_ids"] {
        options.set(name, Value::Bool(true)).expect("these are flags of the renderer");
    }
    options
}

fn option_sets() -> [(&'static str, Options); 3] {
    let complete = Options { provisional: true, tail: Tail::Complete, ..everything() };
    [
        ("default", Options { provisional: false, ..Options::default() }),
        ("everything on", everything()),
        ("everything on, tail complete", complete),
    ]
}

/// One family at all sizes.
struct Measured {
    nanos_per_byte: Vec<f64>,
    slope: f64,
    /// The most output bytes per source byte, 64 KiB apart.
    factor: f64,
}

fn measure(make: impl Fn(usize) -> String, options: &Options, policy: &Policy) -> Measured {
    let mut points: Vec<(f64, f64)> = Vec::new();
    let mut factor: f64 = 0.0;
    // A second look where the first was steep: something else may have been running.
    for look in 0..2 {
        if look > 0 && log_slope(&points) <= SLOPE_MAX {
            break;
        }
        for (i, size) in SIZES.into_iter().enumerate() {
            let source = make(size);
            let (least, output) = least_cpu(&source, options, policy);
            factor = factor.max(output.saturating_sub(64 * 1024) as f64 / source.len() as f64);
            match points.get_mut(i) {
                Some(point) => point.1 = point.1.min(least),
                None => points.push((source.len() as f64, least)),
            }
        }
    }
    let nanos_per_byte = points.iter().map(|&(bytes, seconds)| seconds / bytes * 1e9).collect();
    Measured { nanos_per_byte, slope: log_slope(&points), factor }
}

/// The least CPU seconds of several renders, and the bytes that came out.
fn least_cpu(source: &str, options: &Options, policy: &Policy) -> (f64, usize) {
    let (mut least, mut spent, mut output) = (f64::INFINITY, 0.0, 0);
    for _ in 0..200 {
        let (seconds, html) = cpu_of(|| render(black_box(source), options, policy));
        output = html.len();
        drop(black_box(html));
        least = least.min(seconds);
        spent += seconds;
        if spent > REPEAT_SECONDS && spent > 2.5 * least {
            break;
        }
    }
    (least, output)
}

/// Prints a table for each set of options, the steepest first. `only` keeps families whose name holds it.
pub(crate) fn families(only: Option<&str>) {
    println!("\n## Families made to hurt, 10 KB to 1 MB: CPU and output");
    println!("slope of log CPU over log bytes: bar {SLOPE_MAX}; output ÷ source, beyond the first 64 KiB\n");
    let policy = Policy::default();
    for (name, options) in option_sets() {
        let mut rows: Vec<(&str, Measured)> = FAMILIES
            .iter()
            .filter(|family| only.is_none_or(|part| family.name.contains(part)))
            .map(|family| (family.name, measure(family.make, &options, &policy)))
            .collect();
        rows.sort_by(|a, b| b.1.slope.total_cmp(&a.1.slope));
        let factor = rows.iter().map(|row| row.1.factor).fold(0.0, f64::max);
        let over = rows.iter().filter(|row| row.1.slope > SLOPE_MAX).count();
        println!("### {name}: {} families, {over} over the bar, output at most {factor:.1} × source\n", rows.len());
        println!("| family | slope | ns/B at 10 KB | 32 KB | 100 KB | 316 KB | 1 MB | output ÷ source |");
        println!("|---|--:|--:|--:|--:|--:|--:|--:|");
        for (family, row) in rows {
            let cells: Vec<String> = row.nanos_per_byte.iter().map(|nanos| format!("{nanos:.1}")).collect();
            println!("| {family} | {:.2} | {} | {:.1} |", row.slope, cells.join(" | "), row.factor);
        }
        println!();
    }
}

/// Pieces of which random programs are made.
const PIECES: &[&str] = &[
    "\n",
    "\n",
    "\n\n",
    " ",
    "  ",
    "    ",
    "\t",
    ">",
    "> ",
    "- ",
    "* ",
    "+ ",
    "1. ",
    "2) ",
    "-\n",
    "#",
    "# ",
    "---\n",
    "===\n",
    "```",
    "~~~",
    "`",
    "``",
    "*",
    "**",
    "_",
    "__",
    "~~",
    "[",
    "]",
    "(",
    ")",
    "![",
    "](",
    "](b)",
    "[a]",
    "[a]: /u\n",
    "[^a]",
    "[^a]: ",
    "<",
    ">",
    "<a ",
    "<b>",
    "</b>",
    "<!--",
    "-->",
    "<?",
    "<!X",
    "<![CDATA[",
    "=\"",
    "\"",
    "'",
    "&",
    "&lt;",
    "&#",
    ";",
    "\\",
    "|",
    "|-",
    "|a|b|\n|-|-|\n",
    "|:-:",
    "$",
    "$$",
    "{",
    "}",
    "www.",
    "http://",
    "a@b.c",
    ".",
    ":",
    "!",
    "x",
    "y z",
    "é",
    "[ ] ",
    "[!NOTE]\n",
    "\u{1}",
    "\u{c}",
    "<ab:c>",
    "  \n",
    "\\\n",
];

/// A random program: up to three parts, each a unit repeated, one of them perhaps once only.
fn program(chance: &mut Chance) -> Vec<(String, bool)> {
    let parts = chance.between(1, 3);
    let mut made = Vec::new();
    for _ in 0..parts {
        let pieces = chance.between(1, 5);
        let unit: String = (0..pieces).map(|_| *chance.pick(PIECES)).collect();
        made.push((unit, chance.percent(80)));
    }
    made
}

fn expand(program: &[(String, bool)], bytes: usize) -> String {
    let repeated = program.iter().filter(|part| part.1).count().max(1);
    let share = bytes / repeated;
    program.iter().map(|(unit, many)| if *many { unit.repeat(share / unit.len() + 1) } else { unit.clone() }).collect()
}

/// Random programs until `seconds` are over: those whose time grows faster than four times from 16 to 64 KB are measured
/// again up to 1 MB, and printed if they stay over the bar or put out too much.
pub(crate) fn random(seed: u64, seconds: u64) {
    println!("\n## Random programs, {seconds} s, seed {seed}");
    let policy = Policy::default();
    let sets = option_sets();
    let mut chance = Chance::new(seed);
    let end = Instant::now() + Duration::from_secs(seconds);
    let (mut tried, mut looked_at, mut found) = (0u64, 0u64, 0u64);
    let mut steepest: f64 = 0.0;
    let mut widest: f64 = 0.0;
    while Instant::now() < end {
        let program = program(&mut chance);
        let (name, options) = &sets[chance.below(sets.len())];
        tried += 1;
        let mut times = [0.0; 2];
        for (time, size) in times.iter_mut().zip([16_000, 64_000]) {
            let source = expand(&program, size);
            let (seconds, html) = cpu_of(|| render(&source, options, &policy));
            *time = seconds;
            widest = widest.max(html.len().saturating_sub(64 * 1024) as f64 / source.len() as f64);
        }
        if times[1] < times[0] * 6.0 {
            continue;
        }
        looked_at += 1;
        let measured = measure(|size| expand(&program, size), options, &policy);
        steepest = steepest.max(measured.slope);
        if measured.slope > SLOPE_MAX + 0.05 {
            found += 1;
            let (slope, nanos) = (measured.slope, measured.nanos_per_byte);
            println!("slope {slope:.2}, ns/B {nanos:.0?}, options {name}: {program:?}");
        }
    }
    println!(
        "{tried} programs, {looked_at} measured up to 1 MB, steepest slope {steepest:.2}, {found} over {:.2}; output at most {widest:.1} × source beyond 64 KiB",
        SLOPE_MAX + 0.05
    );
}
