//! What other callers notice while the worst documents render: `/healthz` and small renders, timed from outside.

use super::client::{Client, get, post};
use super::servers::Server;
use crate::corpus;
use crate::families::FAMILIES;
use hdrhistogram::Histogram;
use rillmark::markdown::SOURCE_BYTES_MAX;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The families whose 10 MiB cost most, by time or by memory.
const WORST: &[&str] = &[
    "short references",
    "64 quote markers, closed again",
    "lazy lines under 564 levels",
    "empty items of changing lists",
    "full rows of empty centred cells",
    "one long definition, used often",
];
/// Connections that send worst documents, one after the other.
const HEAVY_CONNECTIONS: usize = 2;
/// How long it goes on.
const SECONDS: u64 = 40;
/// Pause between two looks of one kind.
const PAUSE: Duration = Duration::from_millis(5);
/// The slowest of a hundred may take so long.
const P99_MS_MAX: f64 = 50.0;

/// Prints the table.
pub(crate) fn run(binary: &Path, seed: u64) -> io::Result<()> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    println!(
        "\n## While {HEAVY_CONNECTIONS} connections send the worst {SOURCE_BYTES_MAX} bytes over and over, {SECONDS} s"
    );
    println!(
        "p99 bar {P99_MS_MAX} ms; {workers} workers, memory and rate at their defaults but for the number of requests\n"
    );
    let heavy: Vec<Vec<u8>> = WORST.iter().map(|name| heavy_request(name)).collect();
    let body = serde_json::json!({ "source": corpus::document(seed, 2_000) }).to_string();
    let small = post("/render", "application/json", body.as_bytes());
    println!("| load | asked | answers | p50 ms | p99 ms | max ms | refused |\n|---|---|--:|--:|--:|--:|--:|");
    for (load, connections) in [("none", 0), ("worst documents", HEAVY_CONNECTIONS)] {
        let server = Server::rillmark(binary, workers)?;
        let stop = AtomicBool::new(false);
        let (looks, rendered) = std::thread::scope(|scope| -> io::Result<_> {
            let (stop, heavy) = (&stop, &heavy);
            let address = server.address;
            let loads: Vec<_> =
                (0..connections).map(|i| scope.spawn(move || load_on(address, heavy, i, stop))).collect();
            let health = scope.spawn(move || watch(address, &get("/healthz"), stop));
            let renders = scope.spawn({
                let small = &small;
                move || watch(address, small, stop)
            });
            std::thread::sleep(Duration::from_secs(if connections == 0 { SECONDS / 8 } else { SECONDS }));
            stop.store(true, Ordering::Relaxed);
            let looks = [("/healthz", joined(health)?), ("2 KB render", joined(renders)?)];
            let mut rendered = (0, 0);
            for load in loads {
                let (done, refused) = joined(load)?;
                rendered = (rendered.0 + done, rendered.1 + refused);
            }
            Ok((looks, rendered))
        })?;
        for (what, look) in looks {
            let ms = |micros: u64| micros as f64 / 1000.0;
            let times = &look.times;
            println!(
                "| {load} | {what} | {} | {:.2} | **{:.2}** | {:.2} | {} |",
                times.len(),
                ms(times.value_at_quantile(0.5)),
                ms(times.value_at_quantile(0.99)),
                ms(times.max()),
                look.refused
            );
        }
        if connections > 0 {
            println!(
                "\n{} worst documents rendered, {} refused; peak memory of the service {} MiB",
                rendered.0,
                rendered.1,
                server.peak_memory() >> 20
            );
        }
    }
    Ok(())
}

fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, io::Result<T>>) -> io::Result<T> {
    thread.join().expect("a connection's thread does not panic")
}

fn heavy_request(name: &str) -> Vec<u8> {
    let family = FAMILIES.iter().find(|family| family.name == name).expect("it stands in the table of families");
    let mut source = (family.make)(SOURCE_BYTES_MAX);
    source.truncate(source.floor_char_boundary(SOURCE_BYTES_MAX));
    post("/render?provisional=false", "text/markdown", source.as_bytes())
}

/// Sends heavy documents until told to stop. Returns how many were rendered and refused.
fn load_on(address: SocketAddr, heavy: &[Vec<u8>], first: usize, stop: &AtomicBool) -> io::Result<(usize, usize)> {
    let (mut done, mut refused) = (0, 0);
    let mut client = Client::connect(address)?;
    while !stop.load(Ordering::Relaxed) {
        match client.send(&heavy[(first + done + refused) % heavy.len()]) {
            Ok((200, _)) => done += 1,
            // A refusal may close the connection; a client comes back after a moment.
            _ => {
                refused += 1;
                std::thread::sleep(Duration::from_millis(200));
                client = Client::connect(address)?;
            }
        }
    }
    Ok((done, refused))
}

/// What one kind of look saw.
struct Look {
    times: Histogram<u64>,
    refused: usize,
}

/// Asks over and over until told to stop.
fn watch(address: SocketAddr, request: &[u8], stop: &AtomicBool) -> io::Result<Look> {
    let times = Histogram::new_with_bounds(1, 60_000_000, 3).expect("the bounds are in order");
    let mut look = Look { times, refused: 0 };
    let mut client = Client::connect(address)?;
    while !stop.load(Ordering::Relaxed) {
        let start = Instant::now();
        let (status, _) = client.send(request)?;
        let micros = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
        look.times.saturating_record(micros);
        look.refused += usize::from(status != 200);
        std::thread::sleep(PAUSE);
    }
    Ok(look)
}
