//! The tables of the report.

use super::Settings;
use super::bars::Aim;
use super::feed::{Cost, Feed, Payload};
use super::shapes::{SHAPES, Shape};
use crate::chance::Chance;
use crate::corpus;
use crate::measure::log_slope;
use rillmark::markdown::Options;
use rillmark::markdown::options::Tail;

const SIZES_MIXED: [usize; 2] = [100_000, 1_000_000];
const TAILS: [Tail; 2] = [Tail::Complete, Tail::Escape];
const FRAMES: [usize; 2] = [1, 8];

/// What a reader loses, per 1,000 visible characters, with `complete`.
const LOST: Aim = Aim::of(5.0);
const SPAN: Aim = Aim::of(40.0);

fn options(tail: Tail) -> Options {
    Options { tail, dense: true, ..Options::default() }
}

/// CPU of a mixed stream, in renders of the whole.
fn aim_of_mixed(tail: Tail, tokens: usize) -> Aim {
    match (tail, tokens) {
        (Tail::Complete, 1) => Aim::of(40.0),
        (Tail::Complete, _) => Aim::of(15.0),
        (Tail::Escape, 1) => Aim::of(12.0),
        (Tail::Escape, _) => Aim::of(8.0),
    }
}

/// Bytes of edits over the final HTML: in djust's vocabulary (bound for mixed documents only), in the finer one.
fn aims_of_payload(tail: Tail) -> [Aim; 2] {
    match tail {
        Tail::Complete => [Aim::of(2.0), Aim::of(1.4)],
        Tail::Escape => [Aim::of(3.0), Aim::of(2.4)],
    }
}

/// Mixed documents.
pub(crate) fn mixed(settings: &Settings) {
    println!("\n## Mixed documents, tokens of 4 characters\n");
    println!("Behind each figure: ` !` over the aim, ` !!` over the bar, which stand in the column beside it.\n");
    println!(
        "| tail | bytes | tokens a frame | one render, ms | CPU ÷ it | aim (bar) | naive ÷ it | µs a frame, first tenth | last tenth | average | p99 | edits ÷ HTML | finer edits ÷ HTML | naive | lost ‰ | span ‰ |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for tail in TAILS {
        for bytes in SIZES_MIXED {
            for tokens in FRAMES {
                mixed_row(settings, tail, bytes, tokens);
            }
        }
    }
    let told = |tail| aims_of_payload(tail).map(Aim::told).join(" and ");
    println!("\nEdits ÷ HTML: aims (bars) {} with `complete`, {} with `escape`.", told(TAILS[0]), told(TAILS[1]));
    println!("Lost and span, with `complete`: {} and {} of 1,000 visible characters.", LOST.told(), SPAN.told());
    println!("Naive (the whole view anew for each frame) is from samples of the prefixes.");
}

fn mixed_row(settings: &Settings, tail: Tail, bytes: usize, tokens: usize) {
    let feed = Feed::new(corpus::document(settings.seed, bytes), tokens, options(tail), settings.patience);
    let (once, aim) = (feed.once(), aim_of_mixed(tail, tokens));
    let Some(cost) = feed.cost() else {
        println!("| {tail:?} | {} | {tokens} | {:.3} | {} |", feed.source.len(), once * 1e3, given_up(settings));
        return;
    };
    let (payload, (naive_cpu, naive_bytes)) = (feed.payload(), feed.naive());
    println!(
        "| {tail:?} | {} | {tokens} | {:.3} | {} | {} | {:.0} | {:.2} | {:.2} | {:.2} | {:.1} | {} | {:.0} | {} |",
        feed.source.len(),
        once * 1e3,
        aim.judge(cost.total / once, 1),
        aim.told(),
        naive_cpu / once,
        cost.first,
        cost.last,
        cost.average,
        feed.p99(settings.rounds),
        ratios(&payload, tail, true),
        naive_bytes / payload.html as f64,
        taken_back(&payload, tail),
    );
}

fn given_up(settings: &Settings) -> String {
    format!("over {:.0} s, given up", settings.patience)
}

/// Payload in both vocabularies.
fn ratios(payload: &Payload, tail: Tail, mixed: bool) -> String {
    // A document that shows nothing has edits of nothing.
    let html = payload.html.max(1) as f64;
    let [coarse, fine] = aims_of_payload(tail);
    let over = payload.coarse as f64 / html;
    let coarse = if mixed { coarse.judge(over, 2) } else { format!("{over:.2}") };
    format!("{coarse} | {}", fine.judge(payload.fine as f64 / html, 2))
}

fn taken_back(payload: &Payload, tail: Tail) -> String {
    let of = |count: usize| count as f64 * 1e3 / payload.visible.max(1) as f64;
    match tail {
        Tail::Complete => format!("{} | {}", LOST.judge(of(payload.lost), 2), SPAN.judge(of(payload.span), 1)),
        Tail::Escape => format!("{:.2} | {:.1}", of(payload.lost), of(payload.span)),
    }
}

/// Documents that are one block.
pub(crate) fn shapes(settings: &Settings) {
    let wanted = |shape: &&Shape| settings.only.as_ref().is_none_or(|part| shape.name.contains(part.as_str()));
    for tail in TAILS {
        for tokens in FRAMES {
            println!("\n## One block: tail {tail:?}, {tokens} tokens of 4 characters a frame\n");
            println!(
                "| shape | bytes | CPU ÷ one render | µs a frame, first tenth | last tenth | average | p99 | edits ÷ HTML | finer edits ÷ HTML | lost ‰ | span ‰ | slope of CPU | of payload |"
            );
            println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
            for shape in SHAPES.iter().filter(wanted) {
                shape_rows(settings, shape, tail, tokens);
            }
        }
    }
    println!("\nAims (bars): average {} µs", Aim::of(3.0).told());
    println!("(`[a](b ` {}), p99 of fence, lists, quote and table {} µs,", Aim::of(10.0).told(), Aim::of(15.0).told());
    println!("slopes {}; payload of finer edits as for mixed documents.", Aim::SLOPE.told());
}

fn shape_rows(settings: &Settings, shape: &Shape, tail: Tail, tokens: usize) {
    let (mut costs, mut payloads) = (Vec::new(), Vec::new());
    for bytes in &settings.sizes {
        let source = (shape.make)(&mut Chance::new(settings.seed), *bytes);
        let feed = Feed::new(source, tokens, options(tail), settings.patience);
        let Some(cost) = feed.cost() else {
            println!("| {} | {bytes} | {} |", shape.name, given_up(settings));
            break;
        };
        let payload = feed.payload();
        costs.push((feed.source.len() as f64, cost.total));
        payloads.push((feed.source.len() as f64, payload.fine.max(1) as f64));
        let slopes = if costs.len() < 2 {
            " | ".to_owned()
        } else {
            let of = |points: &[(f64, f64)]| Aim::SLOPE.judge(log_slope(points), 2);
            format!("{} | {}", of(&costs), of(&payloads))
        };
        shape_row(settings, shape, &feed, &cost, &payload, tail, tokens, &slopes);
    }
}

#[allow(clippy::too_many_arguments, reason = "the columns of one row")]
fn shape_row(
    settings: &Settings,
    shape: &Shape,
    feed: &Feed,
    cost: &Cost,
    payload: &Payload,
    tail: Tail,
    tokens: usize,
    slopes: &str,
) {
    // The figures are bound for a frame a token.
    let judge = |aim: Option<Aim>, figure: f64| match aim.filter(|_| tokens == 1) {
        Some(aim) => aim.judge(figure, 2),
        None => format!("{figure:.2}"),
    };
    println!(
        "| {} | {} | {:.1} | {:.2} | {:.2} | {} | {} | {} | {} | {slopes} |",
        shape.name,
        feed.source.len(),
        cost.total / feed.once(),
        cost.first,
        cost.last,
        judge(Some(shape.average), cost.average),
        judge(shape.p99, feed.p99(settings.rounds)),
        ratios(payload, tail, false),
        taken_back(payload, tail),
    );
}
