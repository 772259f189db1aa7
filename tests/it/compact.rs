//! The compact wire over real sockets: beside djust's, in every way that it can be asked for.

use std::sync::Arc;
use std::time::Instant;

use rillmark::channel::View;
use rillmark::channel::run_options::streamed;
use rillmark::markdown::options::{Options, Policy};
use rillmark::markdown::render;
use rillmark::oplog::{Fold, Keep};
use rillmark::protocol::{ChannelName, Declared, EncodedTick, Entry, Epoch, Op, StreamName, Wire, Wires};
use serde_json::{Value, json};

use crate::helpers::{TestApp, check_problem};
use crate::page::Page;
use crate::subscriber::{Sse, Ws, streaming};

const PAGE: &str = "<div dj-stream=s></div>";

/// A reply of some length, in tokens of four characters.
fn reply() -> String {
    let part = "# A head\n\nSome *words* and **more** of [them](/u) & `code`,\nwrapped.\n\n- one\n- two\n  - deep\n\n\
        | a | b |\n|---|---|\n| 1 | 2 |\n\n```\ncode\n```\n\n> a quote\n\n";
    part.repeat(3)
}

/// Publishes the reply, a batch a token, and ends it; gives the HTML that it comes to.
async fn publish(app: &TestApp) -> String {
    let mut publisher = Ws::open(app, "/ws").await;
    let source: Vec<char> = reply().chars().collect();
    let tokens = source.chunks(4).map(|token| json!({"op": "markdown", "text": token.iter().collect::<String>()}));
    for op in tokens.chain([json!({"op": "done"})]) {
        publisher.say(&json!({"type": "publish", "channel": "c", "stream": "s", "ref": 1, "ops": [op]})).await;
        publisher.of_type("ack").await;
    }
    let query = "?provisional=false&dense=true&tail=complete";
    let answer = app.render_text(query, reply()).await.json::<Value>().await.unwrap();
    answer["html"].as_str().unwrap().to_owned()
}

/// Whether the run has ended on the page.
fn is_done(page: &Page) -> bool {
    page.events().iter().any(|event| event.name == "stream:done")
}

async fn read_sse(page: &mut Page, sse: &mut Sse) -> usize {
    while !is_done(page) {
        page.sse(&sse.next().await.expect("an event comes"));
    }
    sse.body_bytes
}

async fn read_ws(page: &mut Page, ws: &mut Ws) -> usize {
    while !is_done(page) {
        page.message(&ws.hear().await.expect("a message comes").to_string());
    }
    ws.bytes
}

#[tokio::test]
async fn pages_of_every_wire_and_way_show_the_same() {
    let app = streaming(|_| {});
    let mut djust = (Page::load(PAGE), Sse::open(&app, "/channels/c/sse", "").await);
    let mut compact = (Page::load(PAGE), Sse::open(&app, "/channels/c/sse?wire=compact", "").await);
    let mut several = (Page::load(PAGE), Sse::open(&app, "/sse?channel=c&channel=d&wire=compact", "").await);
    let subprotocol = [("sec-websocket-protocol", "rillmark.v1.compact, rillmark.v1")];
    let socket = Ws::open_with(&app, "/channels/c/ws", &subprotocol).await.unwrap();
    assert_eq!(socket.subprotocol.as_deref(), Some("rillmark.v1.compact"));
    let mut socket = (Page::load(PAGE), socket);
    let mut sockets = (Page::load(PAGE), Ws::open(&app, "/ws?wire=compact").await);
    sockets.1.say(&json!({"type": "subscribe", "channel": "c"})).await;
    let subscribed = sockets.1.of_type("subscribed").await;
    assert_eq!((&subscribed["streams"], &subscribed["cursor"]), (&json!([]), &Value::Null));
    sockets.0.message(&subscribed.to_string());
    let html = publish(&app).await;
    let djust_bytes = read_sse(&mut djust.0, &mut djust.1).await;
    let compact_bytes = read_sse(&mut compact.0, &mut compact.1).await;
    read_sse(&mut several.0, &mut several.1).await;
    let socket_bytes = read_ws(&mut socket.0, &mut socket.1).await;
    read_ws(&mut sockets.0, &mut sockets.1).await;
    for page in [&djust.0, &compact.0, &several.0, &socket.0, &sockets.0] {
        page.assert_shows("s", &html);
        assert_eq!((page.skipped().len(), page.resets()), (0, 0));
    }
    assert_eq!(compact.0.id(), djust.0.id());
    assert_eq!(socket.0.id(), djust.0.id());
    assert!(compact_bytes < djust_bytes, "{compact_bytes} of {djust_bytes}");
    assert!(socket_bytes < compact_bytes, "no `id:` lines: {socket_bytes}, {compact_bytes}");
    // Who comes late has the whole.
    let mut late = (Page::load(PAGE), Sse::open(&app, "/channels/c/sse?wire=compact", "").await);
    read_sse(&mut late.0, &mut late.1).await;
    late.0.assert_shows("s", &html);
}

/// Bytes of all frames of a reply at one token a tick, by wire, and of the compact wire's ops alone.
fn bytes_of(source: &str) -> ([usize; 2], usize) {
    let mut view = View::new(Fold::new(Keep::default()), Arc::new(Policy::default()));
    let mut wires = Wires::only(Wire::Djust);
    wires.add(Wire::Compact);
    view.serve(wires);
    let (mut declared, mut all, mut ops) = (Declared::default(), [0, 0], 0);
    let epoch = Epoch::new(0x1f);
    let tokens: Vec<char> = source.chars().collect();
    for (token, offset) in tokens.chunks(4).zip(1..) {
        let op = Op::Markdown { text: token.iter().collect(), options: None };
        let stream = StreamName::parse("s").unwrap();
        view.apply(offset, Arc::new(Entry { stream, ops: vec![op], at: 0 }));
        let tick = view.tick(Instant::now());
        let span = (epoch.at(tick.from), epoch.at(tick.to));
        let channel = ChannelName::parse("c").unwrap();
        let encoded = EncodedTick::next(channel, span, &tick.frames, wires, &mut declared);
        for wire in Wire::ALL {
            all[wire as usize] += encoded.frames(wire, false).json().map(|json| json.len()).sum::<usize>();
        }
        for json in encoded.frames(Wire::Compact, false).json() {
            ops += serde_json::from_slice::<Value>(&json).unwrap()[2].to_string().len();
        }
    }
    (all, ops)
}

#[test]
fn a_token_a_frame_costs_few_bytes() {
    let line = "a long line of words, and **bold** ones, *more* of [them](/u) and `code`; ".repeat(30);
    for (source, djust_at_least) in [(reply(), 10.0), ("plain words in one line ".repeat(60), 10.0), (line, 10.0)] {
        let options = Options { provisional: false, ..streamed(None).unwrap() };
        let html = render(&source, &options, &Policy::default()).len() as f64;
        let ([djust, compact], ops) = bytes_of(&source);
        let [djust, compact, ops] = [djust, compact, ops].map(|bytes| bytes as f64 / html);
        let figures = format!("djust {djust:.2}, compact {compact:.2}, of it ops {ops:.2} of {:?}", &source[..20]);
        assert!(ops <= 2.6 && compact <= 4.0 && djust >= djust_at_least, "{figures}");
    }
}

#[tokio::test]
async fn a_page_comes_back_in_another_wire_than_it_left() {
    let app = streaming(|_| {});
    let mut publisher = Ws::open(&app, "/ws").await;
    let mut page = Page::load(PAGE);
    let mut id = String::new();
    for (turn, wire) in ["djust", "compact", "compact", "djust", "compact"].into_iter().enumerate() {
        let from = if turn == 0 { String::new() } else { format!("&last_event_id={id}") };
        let mut sse = Sse::open(&app, &format!("/channels/c/sse?wire={wire}{from}"), "").await;
        let ops = json!([{"op": "markdown", "text": format!("word {turn} **and")}]);
        publisher.say(&json!({"type": "publish", "channel": "c", "stream": "s", "ref": 1, "ops": ops})).await;
        id = publisher.of_type("ack").await["id"].as_str().unwrap().to_owned();
        page.cut();
        while page.id() != Some(&id) {
            page.sse(&sse.next().await.expect("an event comes"));
        }
    }
    let answer = app.render_text(
        "?dense=true&tail=complete",
        "word 0 **andword 1 **andword 2 **andword 3 **andword 4 **and".to_owned(),
    );
    let html = answer.await.json::<Value>().await.unwrap()["html"].as_str().unwrap().to_owned();
    page.assert_shows("s", &html);
}

#[tokio::test]
async fn a_rendered_stream_may_be_compact() {
    let app = streaming(|_| {});
    let stream = async |query: &str, accept: &str| {
        let request = app.client.post(app.url(&format!("/render/stream{query}")));
        let request = request.header("content-type", "text/markdown").header("accept", accept).body(reply());
        request.send().await.unwrap().text().await.unwrap()
    };
    let mut page = Page::load("<div dj-stream=response></div>");
    let lines = stream("?wire=compact", "application/x-ndjson").await;
    assert!(lines.starts_with("[\"response\",\""), "{lines}");
    lines.lines().for_each(|line| page.message(line));
    let answer = app.render_text("?provisional=false&dense=true&tail=complete", reply()).await;
    let html = answer.json::<Value>().await.unwrap()["html"].as_str().unwrap().to_owned();
    page.assert_shows("response", &html);
    assert!(stream("?wire=compact", "text/event-stream").await.starts_with("data: [\"response\",\""));
}

#[tokio::test]
async fn an_unknown_wire_is_named() {
    let app = streaming(|_| {});
    for path in ["/channels/c/sse?wire=dense", "/sse?channel=c&wire=dense"] {
        let answer = app.client.get(app.url(path)).send().await.unwrap();
        let body = check_problem(answer, 422, "invalid-option").await;
        assert_eq!(body["option"], "wire", "{path}: {body}");
    }
    assert!(Ws::open_with(&app, "/ws?wire=dense", &[]).await.is_err());
}
