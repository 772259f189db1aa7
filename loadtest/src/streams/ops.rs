//! One stream that is written as fast as ten thousand ops a second, and one that was quiet.

use std::io::{self, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::crowd::{Crowd, Reading};
use super::side::{Side, Transport};
use crate::http::{Client, KEY};
use crate::measure::quantile;

/// Ops a second.
const RATE: u32 = 10_000;
/// For so long.
const SECONDS: u32 = 5;
/// How often the first op after quiet is timed.
const FIRSTS: usize = 50;

/// Frames a second that leave for 10,000 ops a second that come, and the way of the first op after quiet.
pub(super) fn run(binary: &Path) -> io::Result<()> {
    println!("\n## {RATE} ops/s on one stream for {SECONDS} s, no rate limit; bars 65 frames/s and 5 ms\n");
    let side = Side::rillmark(binary, &[])?;
    println!("| kind of op | ops/s accepted | frames/s out | CPU µs per op |\n|---|--:|--:|--:|");
    for op in ["text", "markdown"] {
        let (accepted, frames, cpu) = flood(&side, op)?;
        println!("| {op} | {accepted:.0} | {frames:.1} | {cpu:.2} |");
    }
    let mut firsts = Vec::new();
    let crowd = Crowd::connect(side.server.address, vec![side.subscribe("quiet", Transport::Sse)], 1, Reading::All)?;
    let mut publisher = Client::connect(side.server.address)?;
    let message = side.publish("quiet", 200, Transport::Sse);
    for n in 0..FIRSTS {
        std::thread::sleep(Duration::from_millis(60));
        let start = Instant::now();
        publisher.send(&message)?;
        crowd.wait_for(n as u64 + 1, Duration::from_secs(1));
        firsts.push(start.elapsed().as_secs_f64() * 1e3);
    }
    println!(
        "\nFirst op after 60 ms of quiet, from the request to the reader: median {:.2} ms, p98 {:.2} ms, most {:.2} ms",
        quantile(&firsts, 0.5),
        quantile(&firsts, 0.98),
        quantile(&firsts, 1.0)
    );
    Ok(())
}

/// Publishes lines at the rate. Returns ops accepted and frames sent, a second, and CPU µs for each op.
fn flood(side: &Side, op: &str) -> io::Result<(f64, f64, f64)> {
    let name = format!("flood-{op}");
    let line = serde_json::json!({ "stream": "response", "ops": [{ "op": op, "text": "word " }] }).to_string() + "\n";
    let crowd = Crowd::connect(side.server.address, vec![side.subscribe(&name, Transport::Sse)], 1, Reading::All)?;
    let frames = || -> io::Result<u64> {
        let text = Client::connect(side.server.address)?.text(&crate::http::get("/metrics"))?;
        let line = text.lines().find(|line| line.starts_with("rillmark_frames_delivered_total{transport=\"sse\"}"));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
            .ok_or_else(|| io::Error::other("no count of frames"))
    };
    let (frames_before, cpu, start) = (frames()?, side.server.cpu_seconds(), Instant::now());
    let mut stream = TcpStream::connect(side.server.address)?;
    stream.set_nodelay(true)?;
    write!(
        stream,
        "POST /channels/{name}/ops HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {KEY}\r\n\
         content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    )?;
    let chunk = line.repeat(10);
    for n in 0..RATE * SECONDS / 10 {
        if let Some(early) = (Duration::from_secs(1) * 10 / RATE * n).checked_sub(start.elapsed()) {
            std::thread::sleep(early);
        }
        write!(stream, "{:x}\r\n{chunk}\r\n", chunk.len())?;
    }
    write!(stream, "0\r\n\r\n")?;
    let answer = io::read_to_string(&mut stream)?;
    let seconds = start.elapsed().as_secs_f64();
    let applied =
        answer.split("\"applied\":").nth(1).and_then(|rest| rest.split([',', '}']).next()?.trim().parse::<f64>().ok());
    let applied = applied.ok_or_else(|| io::Error::other(format!("answered {answer}")))?;
    let frames = frames()? - frames_before;
    let cpu = (side.server.cpu_seconds() - cpu) * 1e6 / applied;
    drop(crowd);
    Ok((applied / seconds, frames as f64 / seconds, cpu))
}
