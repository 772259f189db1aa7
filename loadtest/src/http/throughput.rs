//! Requests a second of `POST /render`, against a plain handler that does the same job, in alternating rounds.

use super::client::{Client, post};
use super::servers::Server;
use crate::corpus;
use crate::measure::quantile;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Bytes of Markdown in a request.
const SOURCE_BYTES: usize = 2_000;
/// Connections that send without a pause: enough to keep every core busy.
const CONNECTIONS: usize = 16;
/// How long one server is loaded before it is the other's turn.
const TURN: Duration = Duration::from_secs(2);

/// One turn of one server.
struct Turn {
    per_second: f64,
    cpu_micros: f64,
}

/// Prints the table.
pub(crate) fn run(binary: &Path, seed: u64, rounds: usize) -> io::Result<()> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let ours = Server::rillmark(binary, workers)?;
    let plain = Server::own("plain", workers)?;
    let sources: Vec<String> = (0..16).map(|i| corpus::document(seed + i, SOURCE_BYTES)).collect();
    let requests = |options: serde_json::Value| -> Vec<Vec<u8>> {
        let body = |source: &String| serde_json::json!({ "source": source, "options": options }).to_string();
        sources.iter().map(|source| post("/render", "application/json", body(source).as_bytes())).collect()
    };
    let ours_requests = requests(serde_json::json!({ "provisional": false }));
    let plain_requests = requests(serde_json::json!({}));

    println!("\n## POST /render with {SOURCE_BYTES} B of Markdown, all features on, against a plain actix handler");
    println!(
        "{workers} workers each, {CONNECTIONS} connections, {rounds} rounds of {} s a side; bar 0.85\n",
        TURN.as_secs()
    );
    turn(&ours, &ours_requests)?;
    turn(&plain, &plain_requests)?;
    let mut turns = Vec::new();
    for round in 0..rounds {
        // Who goes first alternates too.
        turns.push(if round % 2 == 0 {
            let a = turn(&ours, &ours_requests)?;
            (a, turn(&plain, &plain_requests)?)
        } else {
            let b = turn(&plain, &plain_requests)?;
            (turn(&ours, &ours_requests)?, b)
        });
    }
    report(&turns);
    Ok(())
}

fn report(turns: &[(Turn, Turn)]) {
    let all = |value: fn(&(Turn, Turn)) -> f64| turns.iter().map(value).collect::<Vec<f64>>();
    let ratios = all(|(ours, plain)| ours.per_second / plain.per_second);
    println!("| | rillmark | plain handler | ratio, median | middle half |\n|---|--:|--:|--:|--:|");
    println!(
        "| requests/s | {:.0} | {:.0} | **{:.3}** | {:.3}–{:.3} |",
        quantile(&all(|t| t.0.per_second), 0.5),
        quantile(&all(|t| t.1.per_second), 0.5),
        quantile(&ratios, 0.5),
        quantile(&ratios, 0.25),
        quantile(&ratios, 0.75),
    );
    let cpu = all(|(ours, plain)| plain.cpu_micros / ours.cpu_micros);
    println!(
        "| CPU µs of the server per request | {:.1} | {:.1} | {:.3} (plain ÷ rillmark) | {:.3}–{:.3} |",
        quantile(&all(|t| t.0.cpu_micros), 0.5),
        quantile(&all(|t| t.1.cpu_micros), 0.5),
        quantile(&cpu, 0.5),
        quantile(&cpu, 0.25),
        quantile(&cpu, 0.75),
    );
}

/// Loads one server for a turn.
fn turn(server: &Server, requests: &[Vec<u8>]) -> io::Result<Turn> {
    let stop = AtomicBool::new(false);
    let (start, cpu) = (Instant::now(), server.cpu_seconds());
    let done = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS)
            .map(|i| {
                scope.spawn({
                    let stop = &stop;
                    move || pump(server.address, requests, i, stop)
                })
            })
            .collect();
        std::thread::sleep(TURN);
        stop.store(true, Ordering::Relaxed);
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a connection's thread does not panic"))
            .sum::<io::Result<usize>>()
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let cpu = server.cpu_seconds() - cpu;
    Ok(Turn { per_second: done as f64 / seconds, cpu_micros: cpu * 1e6 / done as f64 })
}

/// Sends on one connection until told to stop. Returns how many answers came.
fn pump(address: SocketAddr, requests: &[Vec<u8>], first: usize, stop: &AtomicBool) -> io::Result<usize> {
    let mut client = Client::connect(address)?;
    let mut done = 0;
    while !stop.load(Ordering::Relaxed) {
        let (status, _) = client.send(&requests[(first + done) % requests.len()])?;
        if status != 200 {
            return Err(io::Error::other(format!("the server answered {status}")));
        }
        done += 1;
    }
    Ok(done)
}
