//! What a reader that stops costs, told by the allocator: nearly nothing, since nothing waits for it.
//!
//! Other tests allocate too, so each flow runs in a process of its own: this binary again, with the one test.

use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::process::Command;

use crate::helpers::TestApp;
use crate::page::Page;
use crate::subscriber::{Sse, Ws, streaming};

/// Counts what is allocated and not freed.
#[global_allocator]
static HEAP: cap::Cap<std::alloc::System> = cap::Cap::new(std::alloc::System, usize::MAX);

const BYTES: &str = "RILLMARK_TEST_FLOW_BYTES";
const STOPS: &str = "RILLMARK_TEST_FLOW_STOPS";
/// How long the reader stops.
const PAUSE: Duration = Duration::from_secs(5);
/// Of one op.
const OP_BYTES: usize = 10_000;

/// Publishes so much to one channel, op after op, over at least `takes`; the mean of what was allocated while a reader
/// that stops takes nothing and everything else has its size.
async fn flow(app: &TestApp, bytes: usize, takes: Duration) -> usize {
    let mut publisher = Ws::open(app, "/ws").await;
    let ops = bytes / OP_BYTES;
    let (began, mut seen) = (Instant::now(), Vec::new());
    for number in 0..ops {
        let html = format!("<p>{number} {}</p>", "x".repeat(OP_BYTES));
        publisher.publish("c", "s", json!([{"op": "replace", "html": html}])).await;
        if (PAUSE / 2..PAUSE).contains(&began.elapsed()) {
            seen.push(HEAP.allocated());
        }
        let due = takes.mul_f64(number as f64 / ops as f64);
        tokio::time::sleep(due.saturating_sub(began.elapsed())).await;
    }
    publisher.publish("c", "s", json!([{"op": "done"}])).await;
    publisher.publish("c", "s", json!([{"op": "event", "name": "end", "detail": {}, "keep": true}])).await;
    assert!(seen.len() > 20, "much flows meanwhile");
    seen.iter().sum::<usize>() / seen.len()
}

/// Reads a channel to its end, after a pause, and holds the page to its last state.
async fn read(mut sse: Sse, pause: Duration, ops: usize) {
    tokio::time::sleep(pause).await;
    let mut page = Page::load(r#"<div dj-stream="s"></div>"#);
    let mut last = None;
    while !page.events().iter().any(|event| event.name == "stream:event") {
        let event = sse.next().await.expect("the same connection goes on");
        // What a `replace` replaces needs no browser.
        match event.data.contains(r#""op":"replace""#) && !event.data.contains(r#""op":"done""#) {
            true => last = Some(event),
            false => last.take().into_iter().chain([event]).for_each(|event| page.sse(&event)),
        }
    }
    page.assert_shows("s", &format!("<p>{} {}</p>", ops - 1, "x".repeat(OP_BYTES)));
}

/// One flow, for [`measure`]: past a reader that reads all, and perhaps one that stops.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the next one, in a process of its own"]
async fn one_flow() {
    let bytes: usize = std::env::var(BYTES).unwrap().parse().unwrap();
    let stops = std::env::var(STOPS).unwrap() == "1";
    let app = Arc::new(streaming(|options| options.oplog.channel_bytes_max = 2 << 20));
    let reads = Sse::open(&app, "/channels/c/sse", "").await;
    let ops = bytes / OP_BYTES;
    let mut reading = vec![tokio::spawn(read(reads, Duration::ZERO, ops))];
    if stops {
        let stopped = Sse::open(&app, "/channels/c/sse", "").await;
        reading.push(tokio::spawn(read(stopped, PAUSE + Duration::from_millis(200), ops)));
    }
    let mean = flow(&app, bytes, PAUSE).await;
    for reading in reading {
        reading.await.unwrap();
    }
    eprintln!("mean heap: {mean}");
}

/// The heap of one flow in bytes.
async fn measure(bytes: usize, stops: bool) -> usize {
    let mut flow = Command::new(std::env::current_exe().unwrap());
    flow.args(["slow_reader::one_flow", "--exact", "--ignored", "--nocapture"]);
    flow.env(BYTES, bytes.to_string()).env(STOPS, if stops { "1" } else { "0" });
    let output = flow.stdout(Stdio::piped()).stderr(Stdio::piped()).output().await.unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    let line = told.lines().find_map(|line| line.strip_prefix("mean heap: ")).expect("it tells");
    line.parse().unwrap()
}

/// Much flows past a reader that stops for five seconds: the heap is larger by less than a mebibyte, and then the same
/// connection ends with the right page.
#[tokio::test]
async fn a_reader_that_stops_costs_no_memory() {
    let bytes = if std::env::var_os("RILLMARK_TEST_LONG").is_some() { 50_000_000 } else { 20_000_000 };
    let (without, with) = (measure(bytes, false).await, measure(bytes, true).await);
    assert!(with < without + (1 << 20), "{without} bytes without it, {with} with it");
}
