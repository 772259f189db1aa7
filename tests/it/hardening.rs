//! Abuse of the connection and of bodies, each with what it would do and its CWE.

use std::time::{Duration, Instant};

use rillmark::server::Listen;
use serde_json::json;
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::sleep;

use crate::helpers::{
    TestApp, body_of, check_problem, check_problem_body, read_answer, read_to_end, spawn_app, spawn_app_with, until,
};

const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";

fn hurried() -> TestApp {
    spawn_app_with(|options| {
        options.server.header_timeout = Duration::from_secs(1);
        options.server.keep_alive = Duration::from_secs(2);
        options.http.body_timeout = Duration::from_secs(1);
    })
}

async fn metric(app: &TestApp, line: &str) -> bool {
    app.get("/metrics").await.text().await.unwrap().lines().any(|found| found == line)
}

/// One connection is the one that asks.
async fn all_others_are_gone(app: &TestApp) {
    until("the connections to end", async || metric(app, "rillmark_connections 1").await).await;
}

/// Slow heads: connections that say a byte now and then hold a slot each for as long as they like (CWE-400).
#[tokio::test]
async fn a_head_that_drips_is_ended_with_408() {
    let app = hurried();
    let mut socket = app.connect().await;
    let (mut reading, mut writing) = socket.split();
    let drip = async {
        for byte in HEALTH.iter().cycle() {
            if writing.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_millis(100)).await;
        }
    };
    let mut answer = Vec::new();
    tokio::select! {
        () = drip => {}
        _ = reading.read_to_end(&mut answer) => {}
    }
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer:?}");
    check_problem_body(&body_of(&answer), 408, "timeout");
}

/// The same on a connection that has had an answer, where the HTTP library itself keeps no time (CWE-400).
#[tokio::test]
async fn a_second_head_that_drips_is_ended() {
    let app = hurried();
    let mut socket = app.connect().await;
    socket.write_all(HEALTH).await.unwrap();
    assert!(read_answer(&mut socket).await.starts_with("HTTP/1.1 200 "));
    socket.write_all(b"GET /healthz HT").await.unwrap();
    let answer = read_to_end(&mut socket).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer:?}");
}

/// A head that came half with the request before it: nothing more ever arrives that could start a timer (CWE-400).
#[tokio::test]
async fn a_half_sent_pipelined_head_is_ended() {
    let app = hurried();
    let answer = app.converse(&[HEALTH, b"GET /healthz HT"].concat()).await;
    assert_eq!(answer.matches("HTTP/1.1 200 ").count(), 1, "{answer:?}");
}

/// Connections that say nothing at all, at first or after an answer (CWE-400).
#[tokio::test]
async fn connections_that_say_nothing_are_closed() {
    let app = hurried();
    assert_eq!(app.converse(b"").await, "");
    let began = Instant::now();
    let answer = app.converse(HEALTH).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
    assert!(began.elapsed() >= Duration::from_millis(1900), "kept for another request");
    all_others_are_gone(&app).await;
}

/// Slow bodies: 300 of them were once held for as long as they liked (CWE-400).
#[tokio::test]
async fn bodies_that_never_come_are_answered_408() {
    let app = hurried();
    let head = b"POST /render HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\ncontent-length: 9\r\n\r\nab";
    let mut sockets = Vec::new();
    for _ in 0..50 {
        let mut socket = app.connect().await;
        socket.write_all(head).await.unwrap();
        sockets.push(socket);
    }
    for mut socket in sockets {
        let answer = read_to_end(&mut socket).await;
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("connection: close"), "{answer:?}");
        check_problem_body(&body_of(&answer), 408, "timeout");
    }
    all_others_are_gone(&app).await;
}

/// A sender who sends all before it reads would have its refusal overtaken by a reset; the service lingers (CWE-400).
#[tokio::test]
async fn a_refusal_arrives_although_its_request_is_still_being_sent() {
    let app = spawn_app();
    let body = "host: localhost\r\ncontent-type: text/plain\r\ncontent-length: 25165824\r\n\r\n";
    for (head, status, slug) in [
        (format!("POST /render HTTP/1.1\r\n{body}"), 413, "body-too-large"),
        (format!("PUT /render HTTP/1.1\r\n{body}"), 405, "method-not-allowed"),
        (format!("POST /nothing HTTP/1.1\r\n{body}"), 404, "not-found"),
        ("GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: ".to_owned(), 431, "invalid-header"),
    ] {
        let mut socket = app.connect().await;
        socket.write_all(head.as_bytes()).await.unwrap();
        // More than all buffers on the way hold together.
        let block = vec![b'a'; 1 << 20];
        for sent in 0..24 {
            socket.write_all(&block).await.unwrap_or_else(|error| panic!("{slug} after {sent} MiB: {error}"));
        }
        let answer = read_to_end(&mut socket).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer:?}");
        check_problem_body(&body_of(&answer), status, slug);
    }
}

/// A body that says it is too long is refused before any of it is read (CWE-770).
#[tokio::test]
async fn a_body_that_is_announced_too_long_is_refused_unread() {
    let app = spawn_app();
    let head = "POST /render HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
        content-length: 99999999\r\n\r\n";
    let answer = app.converse(head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer:?}");
}

/// Large bodies that are sent slowly fill the memory together; small renders go on meanwhile (CWE-770).
#[tokio::test]
async fn bodies_together_stay_within_their_budget() {
    let app = spawn_app_with(|options| options.http.bodies_in_flight_bytes_max = 1 << 20);
    let head =
        b"POST /render HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\ncontent-length: 1000000\r\n\r\n";
    let large = "a".repeat(70_000);
    let holder = std::cell::RefCell::new(None);
    until("a holder to be read", async || {
        let mut socket = app.connect().await;
        // If the other is read before it, it is refused, and another holder has to try.
        let _ = socket.write_all(&[&head[..], &[b'a'; 950_000]].concat()).await;
        holder.replace(Some(socket));
        app.render_text("", large.clone()).await.status() == 503
    })
    .await;
    let refused = app.render_text("", large.clone()).await;
    assert_eq!(refused.headers()["retry-after"], "1");
    check_problem(refused, 503, "busy").await;
    assert_eq!(app.render_json(&json!({"source": "small"})).await.status(), 200);
    drop(holder);
    until("the budget to come back", async || app.render_text("", large.clone()).await.status() == 200).await;
}

/// A reader that asks for much and takes nothing holds the answer in memory; the kernel ends it (CWE-400).
#[tokio::test]
async fn a_reader_that_takes_nothing_is_ended() {
    let app = spawn_app_with(|options| options.server.write_timeout = Duration::from_secs(3));
    let socket = ask_for_much(&app).await;
    let began = Instant::now();
    all_others_are_gone(&app).await;
    assert!(began.elapsed() < Duration::from_secs(15), "by the kernel, before the rule for drips would after 18 s");
    drop(socket);
}

/// A reader that takes a little now and then keeps any timer for silence from firing (CWE-400). Over a Unix socket,
/// where the kernel has no such timer.
#[tokio::test]
async fn a_reader_that_drips_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let app = spawn_app_with(|options| {
        options.server.listen.push(Listen::Unix(path.clone()));
        options.server.write_timeout = Duration::from_millis(100);
    });
    let mut socket = UnixStream::connect(&path).await.unwrap();
    let source = vec![b'a'; 2 << 20];
    let head = format!(
        "POST /render HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n",
        source.len()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(&source).await.unwrap();
    let mut few = [0; 512];
    let mut taken = 0;
    while let Ok(read @ 1..) = socket.read(&mut few).await {
        taken += read;
        sleep(Duration::from_millis(20)).await;
        if metric(&app, "rillmark_connections 1").await {
            return;
        }
        assert!(taken < source.len() / 4, "it is never ended");
    }
}

/// A client that has gone while its render waits is noticed at once, and its render never begins (CWE-400).
#[tokio::test]
async fn a_render_whose_client_has_gone_leaves_the_queue() {
    let app = spawn_app_with(|options| {
        options.limits.render_concurrency = 1;
        options.limits.render_queue_wait = Duration::from_secs(60);
    });
    let source = "*a* `b` [c](d)\n\n".repeat(400_000);
    let send = || {
        let request = app.client.post(app.url("/render?provisional=false")).header("content-type", "text/markdown");
        tokio::spawn(request.body(source.clone()).send())
    };
    let runs = send();
    until("the first to run", async || metric(&app, "rillmark_renders_in_flight 1").await).await;
    let waits = send();
    until("the second to wait", async || metric(&app, "rillmark_render_queue_depth 1").await).await;
    waits.abort();
    until("the second to leave", async || metric(&app, "rillmark_render_queue_depth 0").await).await;
    assert!(!runs.is_finished(), "it left before its turn came");
    assert_eq!(runs.await.unwrap().unwrap().status(), 200);
    let text = app.get("/metrics").await.text().await.unwrap();
    assert!(text.contains("rillmark_render_seconds_count 1"), "the second never began");
}

/// A connection that can hold little of an answer.
fn narrow(app: &TestApp) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(8 * 1024).unwrap();
    socket.connect(&app.address.into()).unwrap();
    socket.set_nonblocking(true).unwrap();
    TcpStream::from_std(socket.into()).unwrap()
}

/// Sends a source of 11 MiB through a socket that can hold little of the answer.
async fn ask_for_much(app: &TestApp) -> TcpStream {
    let mut socket = narrow(app);
    let source = vec![b'a'; 11 << 20];
    let head = format!(
        "POST /render HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n",
        source.len()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(&source).await.unwrap();
    let mut first = [0; 12];
    socket.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    socket
}

/// Requests that are no HTTP get a problem too, not the library's bare status.
#[tokio::test]
async fn malformed_requests_are_answered_with_problems() {
    let app = spawn_app();
    for (bytes, status) in [
        (b"nonsense\r\n\r\n".to_vec(), 400),
        (b"GET / HTTP/1.1\r\nbad header\r\n\r\n".to_vec(), 400),
        (b"GET /healthz HTTP/1.1\r\n\r\n".to_vec(), 400), // No Host.
        ([b"GET / HTTP/1.1\r\nhost: a\r\nx: ".to_vec(), vec![b'a'; 200_000]].concat(), 431),
    ] {
        let answer = app.converse(&bytes).await;
        let shown: String = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{shown:?}: {answer:?}");
        assert!(answer.contains("x-request-id: ") && answer.contains("connection: close"), "{answer:?}");
        check_problem_body(&body_of(&answer), status, "invalid-header");
    }
    let nonsense: &[u8] = b"nonsense\r\n\r\n";
    for (before, expected) in [
        (HEALTH, 1),
        (b"GET /healthz HTTP/1.0\r\nhost: localhost\r\nconnection: keep-alive\r\n\r\n", 1),
        (b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n", 0), // No more is answered.
    ] {
        let mut socket = app.connect().await;
        socket.write_all(before).await.unwrap();
        let mut answer = read_answer(&mut socket).await;
        // The client may see the end before it writes.
        let _ = socket.write_all(nonsense).await;
        answer += &read_to_end(&mut socket).await;
        for answer in [answer, app.converse(&[before, nonsense].concat()).await] {
            assert!(answer.contains(r#"{"status":"ok"}"#), "{answer:?}");
            assert_eq!(answer.matches("HTTP/1.").count(), 1 + expected, "{answer:?}");
            let Some((_, refusal)) = answer.split_once(r#"{"status":"ok"}"#).filter(|_| expected == 1) else {
                continue;
            };
            assert!(refusal.starts_with("HTTP/1.1 400 "), "{answer:?}");
            check_problem_body(&body_of(refusal), 400, "invalid-header");
        }
    }
    assert!(metric(&app, r#"rillmark_refusals_total{reason="invalid-header"} 8"#).await);
}

/// A body whose chunks are none is refused once.
#[tokio::test]
async fn broken_chunks_are_refused_once_and_in_true_words() {
    let app = spawn_app();
    let head = "POST /render HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\n\
        transfer-encoding: chunked\r\n\r\n";
    let answer = app.converse(format!("{head}zz\r\nnonsense\r\n").as_bytes()).await;
    assert_eq!(answer.matches("HTTP/1.").count(), 1, "{answer:?}");
    let body = body_of(&answer);
    check_problem_body(&body, 400, "invalid-header");
    assert!(body["detail"].as_str().unwrap().contains("framing"), "{body}");
}

/// Bodies whose length two parties may read differently (CWE-444).
#[tokio::test]
async fn ambiguous_lengths_are_refused() {
    let app = spawn_app();
    for framing in [
        "content-length: 4\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 4",
        "content-length: 4\r\ncontent-length: 5",
        "content-length: +4",
        "content-length: 4, 4",
        "transfer-encoding: chunked, identity",
        "transfer-encoding: \x0bchunked",
    ] {
        let request = format!(
            "POST /render HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\n{framing}\r\n\r\n\
             0\r\n\r\nGET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"
        );
        let answer = app.converse(request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{framing:?}: {answer:?}");
        assert!(!answer.contains("\"status\":\"ok\""), "{framing:?}: a second request was smuggled: {answer:?}");
    }
}

/// More connections than there may be: the next is told so, and the place comes back (CWE-770).
#[tokio::test]
async fn connections_over_the_cap_are_told_and_places_come_back() {
    let app = spawn_app_with(|options| options.server.connections_max = 3);
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut socket = app.connect().await;
        socket.write_all(HEALTH).await.unwrap();
        assert!(read_answer(&mut socket).await.starts_with("HTTP/1.1 200 "));
        held.push(socket);
    }
    let answer = app.converse(HEALTH).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 1"), "{answer:?}");
    check_problem_body(&body_of(&answer), 503, "too-many-connections");
    drop(held);
    until("the places to come back", async || app.converse(b"GET /healthz HTTP/1.0\r\n\r\n").await.contains(" 200 "))
        .await;
}

/// One address with more connections than its share leaves the others theirs (CWE-770).
#[tokio::test]
async fn one_address_cannot_take_all_connections() {
    let app = spawn_app_with(|options| options.server.connections_per_address_max = 1);
    let mut held = app.connect().await;
    held.write_all(HEALTH).await.unwrap();
    assert!(read_answer(&mut held).await.starts_with("HTTP/1.1 200 "));
    assert!(app.converse(HEALTH).await.starts_with("HTTP/1.1 503 "));
}

/// A client that has gone is noticed at once, not after half a minute of half-open (CWE-400).
#[tokio::test]
async fn a_client_that_has_gone_frees_its_connection_at_once() {
    let app = spawn_app();
    let head = b"POST /render HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\ncontent-length: 9\r\n\r\nab";
    let mut socket = app.connect().await;
    socket.write_all(head).await.unwrap();
    until("the request to begin", async || metric(&app, "rillmark_connections 2").await).await;
    drop(socket);
    let began = Instant::now();
    all_others_are_gone(&app).await;
    assert!(began.elapsed() < Duration::from_secs(25), "body and idle deadlines are 30 s");
}

/// Requests sent without waiting are answered in order.
#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let app = spawn_app();
    let render =
        b"POST /render HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\na\n";
    let last = b"GET /nowhere HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let answer = app.converse(&[HEALTH, render, last].concat()).await;
    let at = |what: &str| answer.find(what).unwrap_or_else(|| panic!("no {what} in {answer}"));
    assert!(at("\"status\":\"ok\"") < at("\"html\":") && at("\"html\":") < at("/problems/not-found"));
}
