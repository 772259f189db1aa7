//! Subscribing and publishing over WebSockets.

use std::time::{Duration, Instant};

use rillmark::auth::{NewToken, Tokens};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::helpers::{TestApp, read_to_end, until};
use crate::subscriber::{SOON, Sse, Ws, streaming, text_of};

const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A connection that has become a WebSocket, byte for byte.
pub(crate) async fn raw(app: &TestApp) -> TcpStream {
    let mut socket = app.connect().await;
    socket.write_all(HANDSHAKE.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    assert!(head.contains("\r\nsec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"), "{head}");
    socket
}

/// The code in the close at the end of what the service writes.
async fn raw_close(socket: &mut TcpStream) -> u16 {
    let mut bytes = Vec::new();
    tokio::time::timeout(SOON, socket.read_to_end(&mut bytes)).await.expect("it is closed soon").unwrap();
    let at = bytes.windows(1).rposition(|window| window == [0x88]).expect("a close");
    u16::from_be_bytes([bytes[at + 2], bytes[at + 3]])
}

/// A frame as a client sends it, with a mask that changes nothing.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    assert!(length < 126);
    [&[first, 0x80 | length, 0, 0, 0, 0], payload].concat()
}

#[tokio::test]
async fn what_is_published_is_acknowledged_and_delivered() {
    let app = streaming(|_| {});
    let mut one = Ws::open_with(&app, "/channels/c/ws", &[("sec-websocket-protocol", "x, rillmark.v1")]).await.unwrap();
    assert_eq!(one.subprotocol.as_deref(), Some("rillmark.v1"));
    let subscribed = one.of_type("subscribed").await;
    assert_eq!(subscribed["channel"], "c");
    let mut several = Ws::open(&app, "/ws").await;
    assert_eq!(several.subprotocol, None);
    several.say(&json!({"type": "subscribe", "channel": "c"})).await;
    several.of_type("subscribed").await;
    let id = one.text("c", "s", "hello").await;
    let frame = several.of_type("stream").await;
    assert_eq!((&frame["channel"], &frame["id"], text_of(&frame).as_str()), (&json!("c"), &json!(id), "hello"));
    let id = several.text("c", "s", "again").await;
    let frame = one.of_type("stream").await;
    let frame = if text_of(&frame) == "hello" { one.of_type("stream").await } else { frame };
    assert_eq!((frame.get("channel"), &frame["id"], text_of(&frame).as_str()), (None, &json!(id), "again"));
}

#[tokio::test]
async fn a_cancel_is_answered_and_told_to_who_publishes() {
    let app = streaming(|_| {});
    let mut publisher = Ws::open(&app, "/channels/c/ws").await;
    publisher.publish("c", "s", json!([{"op": "start"}, {"op": "markdown", "text": "so *far"}])).await;
    let mut reader = Ws::open(&app, "/ws").await;
    reader.say(&json!({"type": "cancel", "channel": "c", "stream": "s", "ref": "stop"})).await;
    let ack = reader.of_type("ack").await;
    assert_eq!(ack["ref"], "stop");
    assert_eq!(publisher.of_type("cancelled").await, json!({"type": "cancelled", "channel": "c", "stream": "s"}));
    let text = json!({"type": "publish", "channel": "c", "stream": "s", "ref": 5,
        "ops": [{"op": "markdown", "text": "late"}]});
    publisher.say(&text).await;
    let refused = publisher.of_type("refused").await;
    assert_eq!((&refused["ref"], &refused["problem"]["type"]), (&json!(5), &json!("/problems/stream-cancelled")));
    reader.say(&json!({"type": "cancel", "channel": "nowhere", "stream": "s", "ref": 6})).await;
    assert_eq!(reader.of_type("refused").await["problem"]["status"], 404);
}

#[tokio::test]
async fn what_is_no_websocket_is_told_what_lacks() {
    let app = streaming(|_| {});
    let plain = app.get("/ws").await;
    assert_eq!((plain.status().as_u16(), &plain.headers()["upgrade"]), (426, &"websocket".parse().unwrap()));
    let old = HANDSHAKE.replace("version: 13", "version: 8");
    let answer = app.converse(old.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 426 ") && answer.contains("sec-websocket-version: 13"), "{answer}");
    for path in ["/channels/a%20b/ws", "/channels/c/ws?from=then"] {
        let Err(Error::Http(answer)) = Ws::open_with(&app, path, &[]).await else { panic!("{path}") };
        assert_eq!(answer.status(), 422);
    }
    let Err(Error::Http(answer)) = Ws::open_with(&app, "/ws", &[("origin", "https://evil.example")]).await else {
        panic!("a foreign page was let in")
    };
    assert_eq!(answer.status(), 403);
}

/// One client with a limit of 4 KiB once grew the process by half a gigabyte (CWE-770).
#[tokio::test]
async fn a_message_that_is_announced_too_long_is_refused_by_its_head() {
    let app = streaming(|options| options.http.streams.ws_message_bytes_max = 4096);
    for length in [4097_u64, 512 << 20, u64::MAX] {
        let mut socket = raw(&app).await;
        socket.write_all(&[0x81, 0xff]).await.unwrap();
        socket.write_all(&length.to_be_bytes()).await.unwrap();
        assert_eq!(raw_close(&mut socket).await, 1009, "{length}");
    }
    // A sender that does not stop reads the close all the same.
    let mut socket = raw(&app).await;
    socket.write_all(&[0x81, 0xff]).await.unwrap();
    socket.write_all(&(64_u64 << 20).to_be_bytes()).await.unwrap();
    let (mut reading, mut writing) = socket.split();
    let block = vec![0; 1 << 20];
    let mut answer = Vec::new();
    let write = async { while writing.write_all(&block).await.is_ok() {} };
    let (_, read) = tokio::join!(write, reading.read_to_end(&mut answer));
    assert!(read.is_ok() && answer.windows(4).any(|window| window[0] == 0x88 && window[2..] == [0x03, 0xf1]));
}

#[tokio::test]
async fn fragments_make_a_message_and_pings_are_answered_between_them() {
    let app = streaming(|_| {});
    let mut ws = Ws::open(&app, "/ws").await;
    let text = json!({"type": "subscribe", "channel": "c"}).to_string();
    let (first, rest) = text.split_at(11);
    let data =
        |opcode, payload: &str, last| Message::Frame(Frame::message(payload.to_owned(), OpCode::Data(opcode), last));
    ws.send(data(Data::Text, first, false)).await;
    ws.send(Message::Ping("between".into())).await;
    assert_eq!(ws.next().await, Some(Message::Pong("between".into())));
    ws.send(data(Data::Continue, "", false)).await;
    ws.send(data(Data::Continue, rest, true)).await;
    assert_eq!(ws.of_type("subscribed").await["channel"], "c");
}

#[tokio::test]
async fn what_breaks_a_rule_is_closed_with_its_code() {
    let app = streaming(|options| options.http.streams.ws_message_bytes_max = 100);
    for (bytes, code) in [
        (masked(0x82, b"binary"), 1003),
        (masked(0x81, b"{\"type\":\"dance\"}"), 1003),
        (masked(0x81, b"\xff\xfe"), 1007),
        (masked(0x81, b"no json"), 1008),
        (masked(0x81, b"{\"type\":\"unsubscribe\"}"), 1008),
        (masked(0xc1, b"{}"), 1002),
        (masked(0x80, b"{}"), 1002),
        (masked(0x81, &[b' '; 101]), 1009),
        (vec![0x81, 0x01, b'x'], 1002),
    ] {
        let mut socket = raw(&app).await;
        socket.write_all(&bytes).await.unwrap();
        assert_eq!(raw_close(&mut socket).await, code, "{bytes:x?}");
    }
}

/// A close that waits for a timer of its own failed most of the cases of a conformance suite.
#[tokio::test]
async fn a_close_is_answered_at_once() {
    let app = streaming(|_| {});
    let began = Instant::now();
    for _ in 0..20 {
        let mut ws = Ws::open(&app, "/ws").await;
        ws.close().await;
        assert_eq!(ws.close_code().await, Some(1000));
    }
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    // One that says nothing after its close is not waited for long, and one that just goes even less.
    let mut socket = raw(&app).await;
    socket.write_all(&masked(0x88, b"")).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, [0x88, 0]);
    drop(socket);
    until("the connections to end", async || {
        app.get("/metrics").await.text().await.unwrap().contains("rillmark_connections 1\n")
    })
    .await;
}

/// Half-open peers were once kept for ever (CWE-400).
#[tokio::test]
async fn a_peer_that_answers_no_ping_is_closed() {
    let app = streaming(|options| {
        options.http.streams.ws_ping = Duration::from_millis(100);
        options.http.streams.ws_gone = Duration::from_millis(300);
    });
    let began = Instant::now();
    let mut silent = raw(&app).await;
    let mut bytes = Vec::new();
    tokio::time::timeout(SOON, silent.read_to_end(&mut bytes)).await.unwrap().unwrap();
    assert!(bytes.starts_with(&[0x89, 0]), "pinged first");
    assert!(bytes.windows(4).any(|window| window == [0x88, 2 + 6, 0x0f, 0xa0]), "closed with 4000");
    assert!(began.elapsed() >= Duration::from_millis(290));
    // One that answers stays: the library does it by itself.
    let mut ws = Ws::open(&app, "/ws").await;
    let mut pings = 0;
    while pings < 5 {
        pings += usize::from(matches!(ws.next().await.expect("it stays"), Message::Ping(_)));
    }
}

#[tokio::test]
async fn what_comes_with_the_handshake_is_heard() {
    let app = streaming(|_| {});
    let mut socket = app.connect().await;
    let text = masked(0x81, b"{\"type\":\"unsubscribe\",\"channel\":\"early\"}");
    socket.write_all(&[HANDSHAKE.as_bytes(), &text, &masked(0x88, b"\x03\xe8")].concat()).await.unwrap();
    let answer = read_to_end(&mut socket).await;
    assert!(answer.contains(r#"{"type":"unsubscribed","channel":"early","reason":"asked"}"#), "{answer:?}");
    // Much more than there is a reason to send is the end.
    let mut socket = app.connect().await;
    let much = masked(0x89, &[b'x'; 100]).repeat(2000);
    let all = [HANDSHAKE.as_bytes(), &much].concat();
    let (mut reading, mut writing) = socket.split();
    let mut answer = Vec::new();
    let (_, read) = tokio::join!(writing.write_all(&all), reading.read_to_end(&mut answer));
    read.unwrap();
    let pongs = answer.windows(3).filter(|window| *window == [0x8a, 100, b'x']).count();
    let closed = answer.windows(4).any(|window| window[0] == 0x88 && window[2..] == [0x03, 0xf1]);
    assert!(closed || pongs == 2000, "all of it is heard, or it is told that it is not: {pongs}");
}

/// A ping may carry what looks like a refusal of the server underneath.
#[tokio::test]
async fn a_pong_carries_what_the_ping_did() {
    let app = streaming(|_| {});
    let mut ws = Ws::open(&app, "/ws").await;
    let carried = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
    ws.send(Message::Ping(carried.to_vec().into())).await;
    assert_eq!(ws.next().await, Some(Message::Pong(carried.to_vec().into())));
}

/// Rates hold on a socket as they do elsewhere, and what they refuse can be tried again.
#[tokio::test]
async fn a_publish_over_the_rate_is_refused_for_now() {
    let app = streaming(|options| {
        options.limits.publish_rate = 5;
        options.limits.burst_seconds = 1;
    });
    let mut ws = Ws::open(&app, "/ws").await;
    let ops = json!([{"op": "text", "text": "x"}]);
    for reference in 0..8 {
        ws.say(&json!({"type": "publish", "channel": "c", "stream": "s", "ops": ops, "ref": reference})).await;
    }
    let mut refused = 0;
    for reference in 0..8 {
        let answer = ws.hear().await.unwrap();
        assert_eq!(answer["ref"], reference, "in order");
        if answer["type"] == "refused" {
            assert_eq!(
                (&answer["problem"]["type"], &answer["retry_after"]),
                (&json!("/problems/rate-limited"), &json!(1))
            );
            refused += 1;
        }
    }
    assert!((1..=3).contains(&refused), "{refused}");
}

/// A token for `chat-1` whose connections end so many seconds from now.
fn token(seconds: u64) -> String {
    let now = std::time::SystemTime::now();
    let channels = || vec!["chat-1".parse().unwrap()];
    let new = NewToken {
        subscribe: channels(),
        publish: channels(),
        cancel: Vec::new(),
        subject: Some("u7".to_owned()),
        expires: now + Duration::from_secs(50),
        until: Some(now + Duration::from_secs(seconds)),
    };
    Tokens::new(&[SECRET.into()], "rillmark").sign(new).unwrap()
}

const SECRET: &str = "correct-horse-battery-staple-0123";

fn with_tokens() -> TestApp {
    streaming(|options| {
        options.auth.api_keys = vec!["key".into()];
        options.auth.token_secrets = vec![SECRET.into()];
        options.http.streams.ws_token_wait = Duration::from_millis(300);
    })
}

#[tokio::test]
async fn a_socket_brings_its_token_in_its_first_message() {
    let app = with_tokens();
    let mut late = Ws::open(&app, "/channels/chat-1/ws").await;
    assert_eq!(late.close_code().await, Some(4104));
    let mut wrong = Ws::open(&app, "/channels/chat-1/ws").await;
    wrong.say(&json!({"type": "token", "token": "x.y.z"})).await;
    assert_eq!(wrong.close_code().await, Some(4100));
    let mut other = Ws::open(&app, "/channels/chat-2/ws").await;
    other.say(&json!({"type": "token", "token": token(40)})).await;
    assert_eq!(other.close_code().await, Some(4102));

    let mut ws = Ws::open(&app, "/channels/chat-1/ws").await;
    ws.say(&json!({"type": "token", "token": token(40)})).await;
    ws.of_type("subscribed").await;
    ws.text("chat-1", "s", "hello").await;
    assert_eq!(text_of(&ws.of_type("stream").await), "hello");
    let refused = |ops, channel| json!({"type": "publish", "channel": channel, "stream": "s", "ops": ops, "ref": 2});
    for message in [
        refused(json!([{"op": "append", "html": "<p>"}]), "chat-1"),
        refused(json!([{"op": "text", "text": "x", "target": "#elsewhere"}]), "chat-1"),
        refused(json!([{"op": "text", "text": "x"}]), "chat-2"),
        json!({"type": "cancel", "channel": "chat-1", "stream": "s", "ref": 2}),
    ] {
        ws.say(&message).await;
        assert_eq!(ws.of_type("refused").await["problem"]["status"], 403, "{message}");
    }
}

#[tokio::test]
async fn a_token_ends_what_it_opened_and_says_so() {
    let app = with_tokens();
    let mut sse = Sse::open(&app, &format!("/channels/chat-1/sse?token={}", token(2)), "").await;
    let mut ws = Ws::open(&app, &format!("/channels/chat-1/ws?token={}", token(2))).await;
    let mut renewed = Ws::open(&app, &format!("/channels/chat-1/ws?token={}", token(2))).await;
    renewed.say(&json!({"type": "token", "token": token(40)})).await;
    let bye = sse.control("bye").await;
    assert_eq!((&bye["reason"], &bye["come_back"]), (&json!("token-expired"), &json!(false)));
    assert!(sse.next().await.is_none() && sse.complete);
    assert_eq!(ws.close_code().await, Some(4100));
    renewed.text("chat-1", "s", "still here").await;
}
