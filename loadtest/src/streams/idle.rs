//! Memory of what is there and does nothing, and of what was there.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::crowd::{Crowd, Reading};
use super::side::{Side, Transport};
use crate::http::{Client, get};

/// Idle subscribers.
const SUBSCRIBERS: usize = 4_000;
/// Channels that come and go in a round.
const CHANNELS: usize = 10_000;

/// Bytes of memory for each idle subscriber.
pub(super) fn run(binary: &Path) -> io::Result<()> {
    println!("\n## Idle subscribers: {SUBSCRIBERS} in 100 channels, resident memory for each\n");
    println!("| | rillmark B | bare B | ratio |\n|---|--:|--:|--:|");
    for transport in [Transport::Sse, Transport::WebSocket] {
        let ours = each(&Side::rillmark(binary, &[])?, transport)?;
        let bare = each(&Side::bare()?, transport)?;
        println!("| {transport:?} | {ours:.0} | {bare:.0} | **{:.2}** |", ours / bare);
    }
    Ok(())
}

fn each(side: &Side, transport: Transport) -> io::Result<f64> {
    let crowd = |n: usize| {
        let requests = (0..n).map(|n| side.subscribe(&format!("idle-{}", n % 100), transport)).collect();
        Crowd::connect(side.server.address, requests, 64, Reading::All)
    };
    // What a first crowd leaves behind is the server's, not the subscribers'.
    drop(crowd(200)?);
    settle();
    let before = side.server.memory();
    let _crowd = crowd(SUBSCRIBERS)?;
    settle();
    Ok(side.server.memory().saturating_sub(before) as f64 / SUBSCRIBERS as f64)
}

/// Allocators give back, and timers run, a little later.
fn settle() {
    std::thread::sleep(Duration::from_secs(2));
}

/// Resident memory after each of three rounds of 10,000 channels, each published to once.
pub(super) fn churn(binary: &Path) -> io::Result<()> {
    println!("\n## {CHANNELS} channels come and go three times, kept for one second\n");
    println!("| round | resident MiB after | channels left |\n|---|--:|--:|");
    let side = Side::rillmark(binary, &[("RILLMARK_RETENTION_SECONDS", "1")])?;
    let mut client = Client::connect(side.server.address)?;
    for round in 1..=3 {
        for n in 0..CHANNELS {
            let (status, _) = client.send(&side.publish(&format!("churn-{round}-{n}"), 200, Transport::Sse))?;
            if status != 200 {
                return Err(io::Error::other(format!("publishing was answered {status}")));
            }
        }
        let start = Instant::now();
        let mut left = channels(&mut client)?;
        while left > 0 && start.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(200));
            left = channels(&mut client)?;
        }
        settle();
        println!("| {round} | {:.1} | {left} |", side.server.memory() as f64 / f64::from(1 << 20));
    }
    Ok(())
}

/// The gauge of channels.
fn channels(client: &mut Client) -> io::Result<u64> {
    let text = client.text(&get("/metrics"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("rillmark_channels "));
    line.and_then(|value| value.trim().parse().ok()).ok_or_else(|| io::Error::other("no gauge of channels"))
}
