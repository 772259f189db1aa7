//! CPU of the server for each message that a subscriber gets.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::crowd::{Crowd, Reading};
use super::side::{Side, Transport};
use crate::http::Client;
use crate::measure::quantile;

/// How long one side is loaded before it is the other's turn.
const TURN: Duration = Duration::from_secs(3);
/// Connections that are opened together.
const AT_ONCE: usize = 64;

/// What is published, and who listens.
struct Load {
    channels: usize,
    subscribers_each: usize,
    text_bytes: usize,
    /// From one message to the next, over all channels.
    every: Duration,
}

/// One turn of one side.
struct Turn {
    cpu_micros: f64,
    wire_bytes: f64,
}

/// One channel, 1,000 subscribers, messages that are further apart than a tick, so that each is a frame.
pub(super) fn fan_out(binary: &Path, rounds: usize) -> io::Result<()> {
    println!("\n## Fan-out: one channel, 1,000 subscribers, 40 messages/s\n");
    for text_bytes in [200, 2_000] {
        let load = Load { channels: 1, subscribers_each: 1_000, text_bytes, every: Duration::from_millis(25) };
        compare(binary, &load, rounds)?;
    }
    Ok(())
}

/// 2,000 channels, one subscriber each.
pub(super) fn channels(binary: &Path, rounds: usize) -> io::Result<()> {
    println!("\n## Many channels: 2,000 with one subscriber each, 2,000 messages/s over all\n");
    let load = Load { channels: 2_000, subscribers_each: 1, text_bytes: 200, every: Duration::from_micros(500) };
    compare(binary, &load, rounds)
}

fn compare(binary: &Path, load: &Load, rounds: usize) -> io::Result<()> {
    println!(
        "{} B of text, {rounds} rounds of {} s a side; CPU of the server per delivered message\n",
        load.text_bytes,
        TURN.as_secs()
    );
    println!(
        "| | rillmark µs | bare µs | ratio, median | middle half | wire B, rillmark | bare |\n|---|--:|--:|--:|--:|--:|--:|"
    );
    for transport in [Transport::Sse, Transport::WebSocket] {
        let (ours, bare) = (Side::rillmark(binary, &[])?, Side::bare()?);
        let mut turns = Vec::new();
        for round in 0..=rounds {
            let pair = if round % 2 == 0 {
                let a = turn(&ours, load, transport)?;
                (a, turn(&bare, load, transport)?)
            } else {
                let b = turn(&bare, load, transport)?;
                (turn(&ours, load, transport)?, b)
            };
            // The first pair warms both up.
            if round > 0 {
                turns.push(pair);
            }
        }
        let all =
            |value: fn(&(Turn, Turn)) -> f64, part| quantile(&turns.iter().map(value).collect::<Vec<f64>>(), part);
        let ratio: fn(&(Turn, Turn)) -> f64 = |pair| pair.0.cpu_micros / pair.1.cpu_micros;
        println!(
            "| {transport:?} | {:.2} | {:.2} | **{:.2}** | {:.2}–{:.2} | {:.0} | {:.0} |",
            all(|pair| pair.0.cpu_micros, 0.5),
            all(|pair| pair.1.cpu_micros, 0.5),
            all(ratio, 0.5),
            all(ratio, 0.25),
            all(ratio, 0.75),
            all(|pair| pair.0.wire_bytes, 0.5),
            all(|pair| pair.1.wire_bytes, 0.5),
        );
    }
    Ok(())
}

fn turn(side: &Side, load: &Load, transport: Transport) -> io::Result<Turn> {
    let names: Vec<String> = (0..load.channels).map(|n| format!("load-{}-{n}", unique())).collect();
    let requests =
        names.iter().flat_map(|name| std::iter::repeat_n(side.subscribe(name, transport), load.subscribers_each));
    let crowd = Crowd::connect(side.server.address, requests.collect(), AT_ONCE, Reading::All)?;
    let messages: Vec<Vec<u8>> = names.iter().map(|name| side.publish(name, load.text_bytes, transport)).collect();
    let mut publisher = Client::connect(side.server.address)?;
    let (start, cpu, bytes) = (Instant::now(), side.server.cpu_seconds(), crowd.bytes());
    let mut sent = 0;
    while start.elapsed() < TURN {
        let due = load.every * sent;
        if let Some(early) = due.checked_sub(start.elapsed()) {
            std::thread::sleep(early);
        }
        let (status, _) = publisher.send(&messages[sent as usize % messages.len()])?;
        if !matches!(status, 200 | 204) {
            return Err(io::Error::other(format!("{} answered {status}", side.name())));
        }
        sent += 1;
    }
    let expected = u64::from(sent) * load.subscribers_each as u64;
    crowd.wait_for(expected, Duration::from_secs(10));
    let (cpu, delivered) = (side.server.cpu_seconds() - cpu, crowd.marks());
    if delivered < expected {
        println!("({}: {delivered} of {expected} messages arrived)", side.name());
    }
    Ok(Turn { cpu_micros: cpu * 1e6 / delivered as f64, wire_bytes: (crowd.bytes() - bytes) as f64 / delivered as f64 })
}

/// Channels of one turn are not those of another.
fn unique() -> u128 {
    Instant::now().duration_since(*START).as_micros()
}

static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
