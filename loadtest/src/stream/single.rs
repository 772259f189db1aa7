//! The tables of documents that are one block, and how their cost grows.

use super::bars::{Aim, Verdict};
use super::feed::{Cost, Feed, Payload};
use super::sent::{Sent, sent};
use super::shapes::{SHAPES, Shape};
use super::{FRAMES, OPS, Settings, TAILS, aim_of_ops, aims_of_payload, options, over, taken_back};
use crate::chance::Chance;
use crate::measure::log_slope;
use rillmark::markdown::options::Tail;
use rillmark::protocol::Wire;

/// djust's wire is not counted where the payload of the edits is more than so many bytes: it says the same over again.
const DJUST_BYTES_MAX: usize = 64 << 20;

/// One table of CPU and one of bytes for both tails and each number of tokens.
pub(crate) fn run(settings: &Settings) {
    for tail in TAILS {
        for tokens in FRAMES {
            table(settings, tail, tokens);
        }
    }
    println!("\nAims (bars), a frame a token: average {} µs", Aim::of(3.0).told());
    println!("(`[a](b ` {}), p99 of fence, lists, quote and table {} µs,", Aim::of(10.0).told(), Aim::of(15.0).told());
    println!("ops, compact, {}. Slopes (over the sizes so far) {},", OPS.told(), Aim::SLOPE.told());
    println!(
        "payload, compact, as of mixed documents. djust's form has no word for what is taken back within a block:"
    );
    println!("there a long paragraph with marks is sent again and again, and only the credit of frames bounds it.");
}

/// Where a shape's figures go: its rows of the second table are printed behind those of the first.
struct Rows {
    costs: Vec<(f64, f64)>,
    payloads: Vec<(f64, f64)>,
    bytes: Vec<String>,
}

fn table(settings: &Settings, tail: Tail, tokens: usize) {
    println!("\n## One block: CPU, tail {tail:?}, tokens a frame: {tokens}\n");
    println!(
        "| shape | bytes | CPU ÷ one render | naive ÷ it | µs a frame, first tenth | last tenth | average | average, compact | p99 | parser calls of all pushes | of a frame | slope of CPU | |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|");
    let wanted = |shape: &&Shape| settings.only.as_ref().is_none_or(|part| shape.name.contains(part.as_str()));
    let mut bytes = Vec::new();
    for shape in SHAPES.iter().filter(wanted) {
        let mut rows = Rows { costs: Vec::new(), payloads: Vec::new(), bytes: Vec::new() };
        for &size in &settings.sizes {
            if !of_size(settings, shape, size, (tail, tokens), &mut rows) {
                break;
            }
        }
        bytes.append(&mut rows.bytes);
    }
    println!("\n## One block: bytes over those of the finished HTML, tail {tail:?}, tokens a frame: {tokens}\n");
    println!(
        "| shape | bytes | payload, djust | payload, compact | naive | ops, compact | frames, djust | frames, compact | SSE, djust | SSE, compact | WebSocket, djust | WebSocket, compact | lost ‰ | span ‰ | slope of payload, compact | |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|");
    bytes.iter().for_each(|row| println!("{row}"));
}

/// Prints a row of CPU, and keeps one of bytes. Whether longer ones may be tried.
fn of_size(settings: &Settings, shape: &Shape, size: usize, how: (Tail, usize), rows: &mut Rows) -> bool {
    let (tail, tokens) = how;
    let feed = Feed::new((shape.make)(&mut Chance::new(settings.seed), size), tokens, options(tail), settings.patience);
    let mut verdict = Verdict::default();
    let Some(cost) = feed.cost() else {
        verdict.give_up("time");
        println!("| {} | {size} | over {:.0} s, given up | {} |", shape.name, settings.patience, verdict.told());
        return false;
    };
    let bytes = feed.source.len();
    let payload = feed.payload();
    let naive = feed.naive();
    rows.costs.push((bytes as f64, cost.total));
    rows.payloads.push((bytes as f64, payload.fine.max(1) as f64));
    let cells = cpu(settings, shape, &feed, (&cost, naive.0), tokens, &mut verdict);
    let grows = slope(&mut verdict, &rows.costs);
    println!("| {} | {bytes} | {cells} | {grows} | {} |", shape.name, verdict.told());
    let mut verdict = Verdict::default();
    let cells = sizes(&feed, &payload, naive.1, how, &mut verdict);
    let grows = slope(&mut verdict, &rows.payloads);
    rows.bytes.push(format!("| {} | {bytes} | {cells} | {grows} | {} |", shape.name, verdict.told()));
    true
}

fn slope(verdict: &mut Verdict, points: &[(f64, f64)]) -> String {
    if points.len() < 2 { String::new() } else { verdict.judge("slope", Some(Aim::SLOPE), log_slope(points), 2) }
}

fn cpu(
    settings: &Settings,
    shape: &Shape,
    feed: &Feed,
    (cost, naive): (&Cost, f64),
    tokens: usize,
    verdict: &mut Verdict,
) -> String {
    // The figures are bound for a frame a token.
    let bound = |aim: Option<Aim>| aim.filter(|_| tokens == 1);
    let (once, calls) = (feed.once(), feed.calls());
    let cells = [
        format!("{:.1}", cost.total / once),
        format!("{:.0}", naive / once),
        format!("{:.2}", cost.first),
        format!("{:.2}", cost.last),
        verdict.judge("average", bound(Some(shape.average)), cost.average, 2),
        format!("{:.2}", cost.fine),
        verdict.judge("p99", bound(shape.p99), feed.p99(settings.rounds), 2),
        verdict.judge("calls of pushes", Some(Aim::of(0.0)), calls.push as f64, 0),
        format!("{:.2}", calls.frame),
    ];
    cells.join(" | ")
}

fn sizes(feed: &Feed, payload: &Payload, naive: f64, (tail, tokens): (Tail, usize), verdict: &mut Verdict) -> String {
    let of = |count: usize| over(count, payload.html);
    let compact = sent(feed, Wire::Compact);
    let djust = (payload.coarse <= DJUST_BYTES_MAX).then(|| sent(feed, Wire::Djust));
    // A document that shows nothing sends no more than that it was read.
    let shows = payload.html > 0;
    let cells = [
        format!("{:.2}", of(payload.coarse)),
        verdict.judge("payload", Some(aims_of_payload(tail)[1]).filter(|_| shows), of(payload.fine), 2),
        format!("{:.0}", naive / payload.html.max(1) as f64),
        verdict.judge("ops", aim_of_ops(tokens).filter(|_| shows), of(compact.ops), 2),
    ];
    let both = |count: fn(&Sent) -> usize| {
        let djust = djust.as_ref().map_or("–".to_owned(), |djust| format!("{:.2}", of(count(djust))));
        format!("{djust} | {:.2}", of(count(&compact)))
    };
    let sockets = [both(|sent| sent.frames), both(|sent| sent.sse), both(|sent| sent.websocket)];
    format!("{} | {} | {}", cells.join(" | "), sockets.join(" | "), taken_back(verdict, payload, tail))
}
