//! Many connections at once: after a restart, every page comes back.

use std::io;
use std::path::Path;

use super::crowd::{Crowd, Reading};
use super::side::{Side, Transport};
use crate::http::Client;
use crate::measure::quantile;

/// Subscribers that come together.
const SUBSCRIBERS: usize = 2_000;
/// How many of them knock at a time.
const AT_ONCE: usize = 256;

/// Subscribers let in each second.
pub(super) fn run(binary: &Path, rounds: usize) -> io::Result<()> {
    println!("\n## Connect storm: {SUBSCRIBERS} subscribers to 100 channels, {AT_ONCE} at a time, {rounds} rounds\n");
    println!("| | rillmark/s | bare/s | ratio, median | middle half |\n|---|--:|--:|--:|--:|");
    for transport in [Transport::Sse, Transport::WebSocket] {
        let (ours, bare) = (Side::rillmark(binary, &[])?, Side::bare()?);
        let mut pairs = Vec::new();
        for round in 0..=rounds {
            let pair = if round % 2 == 0 {
                let a = storm(&ours, transport)?;
                (a, storm(&bare, transport)?)
            } else {
                let b = storm(&bare, transport)?;
                (storm(&ours, transport)?, b)
            };
            if round > 0 {
                pairs.push(pair);
            }
        }
        let all = |value: fn(&(f64, f64)) -> f64, part| quantile(&pairs.iter().map(value).collect::<Vec<f64>>(), part);
        println!(
            "| {transport:?} | {:.0} | {:.0} | **{:.2}** | {:.2}–{:.2} |",
            all(|pair| pair.0, 0.5),
            all(|pair| pair.1, 0.5),
            all(|pair| pair.0 / pair.1, 0.5),
            all(|pair| pair.0 / pair.1, 0.25),
            all(|pair| pair.0 / pair.1, 0.75),
        );
    }
    Ok(())
}

fn storm(side: &Side, transport: Transport) -> io::Result<f64> {
    let mut publisher = Client::connect(side.server.address)?;
    for n in 0..100 {
        publisher.send(&side.publish(&format!("storm-{n}"), 200, transport))?;
    }
    let requests = (0..SUBSCRIBERS).map(|n| side.subscribe(&format!("storm-{}", n % 100), transport)).collect();
    let crowd = Crowd::connect(side.server.address, requests, AT_ONCE, Reading::All)?;
    Ok(SUBSCRIBERS as f64 / crowd.took.as_secs_f64())
}
