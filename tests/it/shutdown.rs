//! The order of a shutdown: not ready, no new connections, what runs is answered, and all by the deadline.

use std::time::{Duration, Instant};

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;

use crate::helpers::{PATIENCE, TestApp, read_answer, read_to_end, spawn_app, spawn_app_with, until};

const HALF: &[u8] =
    b"POST /render HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\ncontent-length: 4\r\n\r\nab";

/// A connection whose request the service has begun to answer.
async fn half_sent(app: &TestApp) -> TcpStream {
    let mut socket = app.connect().await;
    socket.write_all(HALF).await.unwrap();
    until("the request to begin", async || {
        let metrics = app.get("/metrics").await.text().await.unwrap();
        metrics.contains("rillmark_http_requests_in_flight 2")
    })
    .await;
    socket
}

#[tokio::test]
async fn a_request_that_runs_when_the_signal_comes_is_answered() {
    let mut app = spawn_app();
    let mut socket = half_sent(&app).await;
    let served = app.stop();
    until("the listener to close", async || TcpStream::connect(app.address).await.is_err()).await;
    assert!(app.readiness.is_draining());
    socket.write_all(b"c\n").await.unwrap();
    let answer = read_to_end(&mut socket).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("connection: close"), "{answer:?}");
    timeout(PATIENCE, served).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn the_drain_cuts_off_what_outlasts_its_deadline() {
    let mut app = spawn_app_with(|options| options.server.drain = Duration::from_millis(400));
    let mut socket = half_sent(&app).await;
    let began = Instant::now();
    timeout(PATIENCE, app.stop()).await.unwrap().unwrap().unwrap();
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(400), "{took:?}");
    assert_eq!(read_to_end(&mut socket).await, "");
}

#[tokio::test]
async fn idle_connections_do_not_hold_the_drain_up() {
    let mut app = spawn_app_with(|options| options.server.drain = Duration::from_secs(60));
    let mut idle = app.connect().await;
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    read_answer(&mut idle).await;
    timeout(PATIENCE, app.stop()).await.expect("long before the deadline").unwrap().unwrap();
    assert_eq!(read_to_end(&mut idle).await, "");
}

#[tokio::test]
async fn the_service_says_that_it_drains_before_it_stops_listening() {
    let mut app = spawn_app_with(|options| {
        options.server.drain = Duration::from_secs(60);
        options.server.drain_delay = Duration::from_secs(20);
    });
    let _served = app.stop();
    until("the service not to be ready", async || app.get("/readyz").await.status() == 503).await;
    assert_eq!(app.get("/healthz").await.status(), 200);
    assert!(TcpStream::connect(app.address).await.is_ok());
}

/// The binary itself: SIGTERM and SIGINT end it with 0, after the request that runs, and the last log line is out.
#[tokio::test]
async fn both_signals_end_the_process_well() {
    for signal in ["TERM", "INT"] {
        let mut service = Command::new(env!("CARGO_BIN_EXE_rillmark"));
        service.env_clear().env("RILLMARK_LISTEN", "127.0.0.1:0").stdout(Stdio::piped()).kill_on_drop(true);
        let mut service = service.spawn().unwrap();
        let mut lines = BufReader::new(service.stdout.take().unwrap()).lines();
        let first = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
        let first: serde_json::Value = serde_json::from_str(&first).unwrap();
        let mut socket = TcpStream::connect(first["address"].as_str().unwrap()).await.unwrap();
        socket.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        read_answer(&mut socket).await;
        socket.write_all(HALF).await.unwrap();
        let pid = service.id().unwrap().to_string();
        assert!(Command::new("kill").args([&format!("-{signal}"), &pid]).status().await.unwrap().success());
        let mut told = Vec::new();
        while !told.iter().any(|line: &String| line.contains("\"draining\"")) {
            told.push(timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().expect("it says that it drains"));
        }
        socket.write_all(b"c\n").await.unwrap();
        assert!(read_to_end(&mut socket).await.starts_with("HTTP/1.1 200 "));
        assert_eq!(timeout(PATIENCE, service.wait()).await.unwrap().unwrap().code(), Some(0), "{signal}");
        let mut last = String::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            last = line;
        }
        assert!(last.contains("\"drained\""), "{last}");
    }
}
