//! The tables of mixed documents: the seeded corpus.

use super::bars::{Aim, Verdict};
use super::feed::Feed;
use super::sent::{Sent, sent, wait};
use super::{FRAMES, LOST, OPS, SPAN, Settings, TAILS, aim_of_ops, aims_of_payload, options, over, taken_back};
use crate::corpus;
use rillmark::markdown::Options;
use rillmark::markdown::options::Tail;
use rillmark::protocol::Wire;

const SIZES: [usize; 2] = [100_000, 1_000_000];

/// A frame that renders the whole, in renders of it.
const WHOLE: Aim = Aim::of(4.0);

/// CPU of a stream, in renders of the whole.
fn aim_of(tail: Tail, tokens: usize) -> Aim {
    match (tail, tokens) {
        (Tail::Complete, 1) => Aim::of(40.0),
        (Tail::Complete, _) => Aim::of(15.0),
        (Tail::Escape, 1) => Aim::of(12.0),
        (Tail::Escape, _) => Aim::of(8.0),
    }
}

/// A row for both tails, each size, each number of tokens.
fn rows(settings: &Settings, row: impl Fn(&Feed, Tail, usize, &mut Verdict) -> Option<String>) {
    for tail in TAILS {
        for bytes in SIZES {
            for tokens in FRAMES {
                let feed = Feed::new(corpus::document(settings.seed, bytes), tokens, options(tail), settings.patience);
                let mut verdict = Verdict::default();
                let cells = row(&feed, tail, tokens, &mut verdict).unwrap_or_else(|| {
                    verdict.give_up("time");
                    format!("over {:.0} s, given up", settings.patience)
                });
                println!("| {tail:?} | {} | {tokens} | {cells} | {} |", feed.source.len(), verdict.told());
            }
        }
    }
}

/// Mixed documents.
pub(crate) fn run(settings: &Settings) {
    println!("\n## Mixed documents: CPU\n");
    println!(
        "| tail | bytes | tokens a frame | one render, ms | CPU ÷ it | aim (bar) | naive ÷ it | µs a frame, first tenth | last tenth | average | average, compact | p99 | parser calls of all pushes | of a frame | frames that parse, % | |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|");
    rows(settings, |feed, tail, tokens, verdict| cpu(settings, feed, aim_of(tail, tokens), verdict));
    println!("\n## Mixed documents: bytes over those of the finished HTML\n");
    println!(
        "| tail | bytes | tokens a frame | payload, djust | payload, compact | naive | ops, djust | ops, compact | frames, djust | frames, compact | SSE, djust | SSE, compact | WebSocket, djust | WebSocket, compact | lost ‰ | span ‰ | |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|");
    rows(settings, |feed, tail, tokens, verdict| Some(bytes(feed, tail, tokens, verdict)));
    let told = |tail| aims_of_payload(tail).map(Aim::told).join(" and ");
    println!("\nPayload: aims (bars) {} with `complete`, {} with `escape`.", told(TAILS[0]), told(TAILS[1]));
    println!("Ops, compact, a frame a token {}.", OPS.told());
    println!("Lost and span, with `complete`: {} and {}.", LOST.told(), SPAN.told());
    extensions(settings);
}

/// What an option costs at the end of a mixed document: as it is, with ids of headings, with footnotes, which have the
/// whole rendered for each frame, so that it is their credit that bounds them.
fn extensions(settings: &Settings) {
    println!("\n## Mixed documents: a frame a token at the end, tail Complete\n");
    println!("The next frame: how long it waits for the credit of the last, if but one more token comes.\n");
    println!("| option | bytes | one render, ms | µs a frame | ÷ one render | next frame, ms | of a core, % | |");
    println!("|---|--:|--:|--:|--:|--:|--:|---|");
    let plain = || options(Tail::Complete);
    for (name, options, bound) in [
        ("none", plain(), None),
        ("heading_ids", Options { heading_ids: true, ..plain() }, None),
        ("footnotes", Options { footnotes: true, ..plain() }, Some(WHOLE)),
    ] {
        for bytes in SIZES {
            let source = "# Notes\n\nOne[^1] and another[^2].\n\n[^1]: The *first*.\n[^2]: The second.\n\n".to_owned()
                + &corpus::document(settings.seed, bytes);
            let feed = Feed::new(source, 1, options.clone(), settings.patience);
            let (once, frame, wait) = (feed.once(), feed.at_the_end(), wait(&feed));
            let mut verdict = Verdict::default();
            let renders = verdict.judge("frame", bound, frame * 1e-6 / once, 2);
            // Where it does not wait, the tokens decide.
            let share =
                if wait.is_zero() { "–".to_owned() } else { format!("{:.1}", frame * 1e-4 / wait.as_secs_f64()) };
            println!(
                "| {name} | {} | {:.3} | {frame:.2} | {renders} | {:.1} | {share} | {} |",
                feed.source.len(),
                once * 1e3,
                wait.as_secs_f64() * 1e3,
                verdict.told(),
            );
        }
    }
    println!("\nWith footnotes: a frame {} renders.", WHOLE.told());
}

fn cpu(settings: &Settings, feed: &Feed, aim: Aim, verdict: &mut Verdict) -> Option<String> {
    let (once, cost, calls) = (feed.once(), feed.cost()?, feed.calls());
    Some(format!(
        "{:.3} | {} | {} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2} | {:.1} | {} | {:.2} | {:.0}",
        once * 1e3,
        verdict.judge("CPU", Some(aim), cost.total / once, 1),
        aim.told(),
        feed.naive().0 / once,
        cost.first,
        cost.last,
        cost.average,
        cost.fine,
        feed.p99(settings.rounds),
        verdict.judge("calls of pushes", Some(Aim::of(0.0)), calls.push as f64, 0),
        calls.frame,
        calls.parsing * 100.0,
    ))
}

fn bytes(feed: &Feed, tail: Tail, tokens: usize, verdict: &mut Verdict) -> String {
    let payload = feed.payload();
    let [djust, compact] = Wire::ALL.map(|wire| sent(feed, wire));
    let [coarse, fine] = aims_of_payload(tail);
    let of = |count: usize| over(count, payload.html);
    let cells = [
        verdict.judge("payload, djust", Some(coarse), of(payload.coarse), 2),
        verdict.judge("payload, compact", Some(fine), of(payload.fine), 2),
        format!("{:.0}", feed.naive().1 / payload.html as f64),
        format!("{:.2}", of(djust.ops)),
        verdict.judge("ops, compact", aim_of_ops(tokens), of(compact.ops), 2),
    ];
    let both = |count: fn(&Sent) -> usize| format!("{:.2} | {:.2}", of(count(&djust)), of(count(&compact)));
    let sockets = [both(|sent| sent.frames), both(|sent| sent.sse), both(|sent| sent.websocket)];
    format!("{} | {} | {}", cells.join(" | "), sockets.join(" | "), taken_back(verdict, &payload, tail))
}
