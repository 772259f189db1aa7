//! What it costs to follow a document while it is written: CPU over one render of the whole, bytes of edits over the
//! final HTML.

use crate::corpus;
use crate::measure::cpu_of;
use rillmark::markdown::growing::{Edit, Growing};
use rillmark::markdown::options::Tail;
use rillmark::markdown::{Options, Policy, render};
use std::sync::Arc;

/// Bytes of a token.
const TOKEN: usize = 4;

/// Prints the table.
pub(crate) fn run(seed: u64) {
    println!(
        "\n## A growing document, tokens of {TOKEN} B: CPU ÷ one render of the whole, bytes of edits ÷ final HTML\n"
    );
    println!(
        "| tail | source | tokens a frame | one render, ms | all frames ÷ it | µs a frame | edits ÷ HTML |\n|---|--:|--:|--:|--:|--:|--:|"
    );
    for tail in [Tail::Complete, Tail::Escape] {
        for bytes in [2_000, 20_000, 100_000, 1_000_000] {
            for tokens in [1, 8] {
                row(seed, tail, bytes, tokens);
            }
        }
    }
}

fn row(seed: u64, tail: Tail, bytes: usize, tokens: usize) {
    let source = corpus::document(seed, bytes);
    let options = Options { tail, dense: true, ..Options::default() };
    let finished = Options { provisional: false, ..options.clone() };
    let policy = Arc::new(Policy::default());
    let once = (0..9).map(|_| cpu_of(|| render(&source, &finished, &policy)).0).fold(f64::MAX, f64::min);
    let mut frames = 0;
    let (cpu, (sent, html)) = cpu_of(|| {
        let mut growing = Growing::new(options, Arc::clone(&policy));
        let (mut edits, mut at, mut sent) = (Vec::new(), 0, 0);
        while at < source.len() {
            let mut end = source.len().min(at + TOKEN * tokens);
            while !source.is_char_boundary(end) {
                end += 1;
            }
            growing.push(&source[at..end]);
            growing.frame(&mut edits);
            sent += edits.drain(..).map(|edit| size(&edit)).sum::<usize>();
            at = end;
            frames += 1;
        }
        growing.finish(&mut edits);
        sent += edits.drain(..).map(|edit| size(&edit)).sum::<usize>();
        (sent, growing.html().len())
    });
    println!(
        "| {tail:?} | {} | {tokens} | {:.3} | {:.0} | {:.1} | {:.1} |",
        source.len(),
        once * 1e3,
        cpu / once,
        cpu * 1e6 / f64::from(frames),
        sent as f64 / html as f64,
    );
}

fn size(edit: &Edit) -> usize {
    match edit {
        Edit::Replace { html, .. } | Edit::Append { html, .. } => html.len(),
        Edit::Delete { .. } => 0,
    }
}
