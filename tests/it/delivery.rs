//! Delivery from end to end over real sockets: many subscribers that are cut, reset and slow, and a service that stops.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rillmark::markdown::{Options, Policy, render};
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::helpers::{PATIENCE, TestApp};
use crate::page::Page;
use crate::subscriber::{Sse, Ws, streaming};

const BODY: &str = r#"<div dj-stream="m"></div><p dj-stream="t"></p><div dj-stream="h"></div>"#;

/// How much of it all: a minute's run where that is asked for.
struct Size {
    tokens: usize,
    takes: Duration,
    subscribers: usize,
}

impl Size {
    fn of_this_run() -> Self {
        match std::env::var_os("RILLMARK_TEST_LONG") {
            Some(_) => Self { tokens: 20_000, takes: Duration::from_secs(6), subscribers: 50 },
            None => Self { tokens: 1500, takes: Duration::from_millis(1500), subscribers: 6 },
        }
    }
}

/// A subscriber, whichever way it is connected.
enum Connection {
    Sse(Sse),
    Ws(Ws),
}

impl Connection {
    async fn open(app: &TestApp, websocket: bool, slow: bool, id: Option<&str>) -> Self {
        if websocket {
            let query = id.map(|id| format!("?last_event_id={id}")).unwrap_or_default();
            return Self::Ws(Ws::open(app, &format!("/channels/c/ws{query}")).await);
        }
        let header = id.map(|id| format!("last-event-id: {id}\r\n")).unwrap_or_default();
        let socket = if slow { narrow(app) } else { app.connect().await };
        Self::Sse(Sse::over(socket, "/channels/c/sse", &header).await)
    }

    /// Notes what comes next; how long it was if it was a frame.
    async fn note(&mut self, notes: &mut Notes) -> usize {
        let message: String = match self {
            Self::Sse(sse) => sse.next().await.expect("it goes on").data,
            Self::Ws(ws) => ws.hear().await.expect("it goes on").to_string(),
        };
        if notes.take(serde_json::from_str(&message).unwrap()) { message.len() } else { 0 }
    }

    fn end(self, reset: bool) {
        match self {
            Self::Sse(sse) if reset => sse.reset(),
            Self::Ws(ws) if reset => ws.reset(),
            _ => {}
        }
    }
}

/// A connection that holds little of what it has not read.
fn narrow(app: &TestApp) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(32 * 1024).unwrap();
    socket.connect(&app.address.into()).unwrap();
    socket.set_nonblocking(true).unwrap();
    TcpStream::from_std(socket.into()).unwrap()
}

/// What came between two ids on one connection, in bytes of frames.
struct Leg {
    from: Option<String>,
    to: Option<String>,
    bytes: usize,
}

/// What a subscriber has seen of the channel: what was committed counts.
#[derive(Default)]
struct Notes {
    id: Option<String>,
    committed: Vec<Value>,
    waiting: Vec<Value>,
    over: bool,
}

impl Notes {
    /// Whether it was a frame.
    fn take(&mut self, message: Value) -> bool {
        if message["type"] != "stream" {
            assert_ne!(message["type"], "reset", "nobody has to begin anew");
            return false;
        }
        assert!(message.get("reset").is_none() || self.id.is_none(), "nobody has to begin anew");
        let id = message["id"].as_str().map(str::to_owned);
        self.waiting.push(message);
        if id.is_some() {
            self.id = id;
            let mut ops = self.waiting.iter().flat_map(|frame| frame["ops"].as_array().unwrap());
            self.over = ops.any(|op| op["op"] == "event");
            self.committed.append(&mut self.waiting);
        }
        true
    }

    /// What ops of this name, of which there are no others in the stream, have brought.
    fn written(&self, stream: &str, op: &str, member: &str) -> String {
        let frames = self.committed.iter().filter(|frame| frame["stream"] == stream);
        let ops = frames.flat_map(|frame| frame["ops"].as_array().unwrap());
        ops.filter(|found| found["op"] == op).map(|op| op[member].as_str().unwrap()).collect()
    }

    /// The page that they make; where there is much of it, with the ops of the document alone.
    fn page(&self, document_alone: bool) -> Page {
        let mut page = Page::load(BODY);
        for frame in &self.committed {
            let mut frame = frame.clone();
            if document_alone && frame["stream"] != "m" {
                frame["ops"] = json!([]);
            }
            page.message(&frame.to_string());
        }
        assert!(page.skipped().is_empty() && page.resets() == 0 && page.waiting() == 0);
        page
    }
}

/// One subscriber's way.
#[derive(Default)]
struct Way {
    notes: Notes,
    legs: Vec<Leg>,
    /// Where it stood after how many bytes, on its last connection.
    marks: BTreeMap<String, usize>,
}

/// Follows the channel to its end; cuts the connection after each of these numbers of deliveries.
async fn follow(app: Arc<TestApp>, number: usize, cuts: Vec<usize>, slow: bool) -> Way {
    let mut way = Way::default();
    for leg in 0.. {
        let from = way.notes.id.clone();
        let mut connection = Connection::open(&app, number % 2 == 1, slow, from.as_deref()).await;
        let (mut bytes, mut committed) = (0, 0);
        way.marks.clear();
        for delivery in 1.. {
            bytes += connection.note(&mut way.notes).await;
            if let Some(id) = way.notes.id.clone().filter(|_| way.notes.waiting.is_empty()) {
                committed = bytes;
                way.marks.insert(id, bytes);
            }
            if slow {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            let over = way.notes.over;
            if over || cuts.get(leg) == Some(&delivery) {
                way.legs.push(Leg { from, to: way.notes.id.clone(), bytes: committed });
                way.notes.waiting.clear();
                connection.end((number / 2 + leg).is_multiple_of(2));
                if over {
                    return way;
                }
                break;
            }
        }
    }
    unreachable!("the last leg has no cut");
}

/// What is published, and what the page must show of it in the end.
struct Script {
    ops: Vec<(&'static str, Value)>,
    markdown: String,
    text: String,
    html: String,
}

/// Tokens of three streams, some of each in turn.
fn script(tokens: usize) -> Script {
    let mut script = Script { ops: Vec::new(), markdown: String::new(), text: String::new(), html: String::new() };
    let paragraphs = (0..).flat_map(|n| {
        let text =
            format!("## Part {n}\n\nSome *words* and `code` é {n}.\n\n- one\n- two **{n}**\n\n1. x\n2. [y](/z)\n\n");
        text.chars().collect::<Vec<_>>()
    });
    let mut paragraphs = paragraphs.peekable();
    for token in 0..tokens {
        match token / 8 % 3 {
            0 => {
                let text: String = paragraphs.by_ref().take(4 + token % 5).collect();
                script.markdown += &text;
                script.ops.push(("m", json!({"op": "markdown", "text": text})));
            }
            1 => {
                let text = format!(" w{token}");
                script.text += &text;
                script.ops.push(("t", json!({"op": "text", "text": text})));
            }
            _ => {
                let html = format!("<p>h{token}</p>");
                script.html += &html;
                script.ops.push(("h", json!({"op": "append", "html": html})));
            }
        }
    }
    script
}

/// Publishes all of it evenly over the time, ends the streams, and says that this was the end.
async fn play(app: &TestApp, script: &Script, takes: Duration) {
    const AT_ONCE: usize = 20;
    let mut publisher = Ws::open(app, "/ws").await;
    let began = Instant::now();
    let turns = script.ops.len().div_ceil(AT_ONCE);
    for (turn, ops) in script.ops.chunks(AT_ONCE).enumerate() {
        for (stream, op) in ops {
            let publish = json!({"type": "publish", "channel": "c", "stream": stream, "ops": [op], "ref": turn});
            publisher.say(&publish).await;
        }

        for _ in ops {
            let answer = publisher.hear().await.unwrap();
            assert_eq!(answer["type"], "ack", "{answer}");
        }
        let due = takes.mul_f64((turn + 1) as f64 / turns as f64);
        tokio::time::sleep(due.saturating_sub(began.elapsed())).await;
    }
    for stream in ["m", "t", "h"] {
        publisher.publish("c", stream, json!([{"op": "done"}])).await;
    }
    publisher.publish("c", "t", json!([{"op": "event", "name": "end", "detail": {}, "keep": true}])).await;
}

/// Tokens of markdown, text and HTML in one channel; each subscriber is cut at least three times on the way, half of the
/// cuts are resets, two readers are slow: each ends with every character, none twice, nobody needed a snapshot, and what
/// came again cost no more than what had been missed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_subscriber_ends_with_every_character_once() {
    let size = Size::of_this_run();
    let app = Arc::new(streaming(|_| {}));
    let script = script(size.tokens);
    let expected = render(&script.markdown, &finished(), &Policy::default());
    // Two that are not cut, to compare with.
    let ways = (0..2 + 2 * size.subscribers).map(|number| {
        let cuts: Vec<usize> = match number {
            0 | 1 => Vec::new(),
            _ => (0..3 + number % 2).map(|cut| 3 + (number * 7 + cut * 31) % (8 + size.tokens / 100)).collect(),
        };
        let slow = [4, 6].contains(&number);
        tokio::spawn(follow(Arc::clone(&app), number, cuts, slow))
    });
    let ways = join_all(ways.collect::<Vec<_>>());
    let (ways, ()) = tokio::join!(ways, async {
        crate::helpers::until("all to be there", async || {
            let text = app.get("/metrics").await.text().await.unwrap();
            let of =
                |kind| text.contains(&format!("rillmark_subscribers{{transport=\"{kind}\"}} {}", size.subscribers + 1));
            of("sse") && of("websocket")
        })
        .await;
        play(&app, &script, size.takes).await;
    });
    let ways: Vec<Way> = ways.into_iter().map(Result::unwrap).collect();
    check_pages(&ways, size.tokens, &expected);
    for (number, way) in ways.iter().enumerate() {
        assert_eq!(way.notes.written("t", "text", "text"), script.text, "{number}");
        assert_eq!(way.notes.written("h", "append", "html"), script.html, "{number}");
        assert!(number < 2 || way.legs.len() >= 4, "{number} was cut {} times", way.legs.len() - 1);
        let whole = &ways[number % 2].marks;
        for leg in &way.legs[1..] {
            let at = |id: &Option<String>| id.as_ref().map_or(0, |id| whole[id]);
            let missed = at(&leg.to) - at(&leg.from);
            assert!(leg.bytes <= missed * 6 / 5 + 2048, "{number}: {} for {missed}", leg.bytes);
        }
    }
    let text = app.get("/metrics").await.text().await.unwrap();
    let resyncs: Vec<&str> = text.lines().filter(|line| line.starts_with("rillmark_resyncs_total{")).collect();
    assert!(resyncs.len() == 4 && resyncs.iter().all(|line| line.ends_with(" 0")), "{resyncs:?}");
}

/// Holds what a page makes of it to what the sources say: of some that were not cut, some that were slow and some that
/// were neither; where there is much, which a page takes long for, of one that was cut and slow and one that was cut.
fn check_pages(ways: &[Way], tokens: usize, expected: &str) {
    let much = tokens > 2000;
    std::thread::scope(|scope| {
        for way in if much { &ways[4..6] } else { &ways[..8] } {
            scope.spawn(move || way.notes.page(much).assert_shows("m", expected));
        }
    });
}

fn finished() -> Options {
    Options { provisional: false, dense: true, ..Options::default() }
}

/// Publishes as long as it is taken, and keeps what was; the code with which the connection is closed then.
async fn publish_to_the_end(mut publisher: Ws, number: usize, acknowledged: &RefCell<String>) -> Option<u16> {
    for token in 0.. {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let text = format!("<{number}.{token}>");
        let ops = json!([{"op": "text", "text": text}]);
        let publish =
            json!({"type": "publish", "channel": "c", "stream": format!("s{number}"), "ref": token, "ops": ops});
        publisher.say(&publish).await;
        let answer = publisher.hear().await.expect("it is told why it ends");
        match answer["type"].as_str().unwrap() {
            "ack" => acknowledged.borrow_mut().push_str(&text),
            "refused" => {
                assert_eq!(answer["problem"]["type"], "/problems/draining", "{answer}");
                break;
            }
            _ => {
                assert_eq!(answer["type"], "bye", "{answer}");
                break;
            }
        }
    }
    publisher.close_code().await
}

/// A stop in the middle: no publish was acknowledged that its subscribers did not get, each is told when to come back,
/// at a time of its own, and all is over long before the deadline.
#[tokio::test]
async fn nothing_that_was_acknowledged_is_lost_in_a_stop() {
    const EACH: usize = 20;
    let mut app = streaming(|options| options.server.drain_delay = Duration::from_millis(50));
    let mut publishers = Vec::new();
    for _ in 0..4 {
        publishers.push(Ws::open(&app, "/ws").await);
    }
    let mut sses = Vec::new();
    let mut sockets = Vec::new();
    for _ in 0..EACH {
        let mut sse = Sse::open(&app, "/sse?channel=c&channel=d", "").await;
        sse.control("subscribed").await;
        sses.push(sse);
        let mut ws = Ws::open(&app, "/channels/c/ws").await;
        ws.of_type("subscribed").await;
        sockets.push(ws);
    }
    let acknowledged = Rc::new(RefCell::new(String::new()));
    let publishing = publishers.into_iter().enumerate();
    let publishing = publishing.map(|(number, publisher)| publish_to_the_end(publisher, number, &acknowledged));
    let publishing = join_all(publishing);
    let (codes, (served, began)) = tokio::join!(publishing, async {
        crate::helpers::until("some to be taken", async || acknowledged.borrow().len() > 1000).await;
        (app.stop(), Instant::now())
    });
    assert!(codes.iter().all(|code| *code == Some(1012)), "{codes:?}");
    let mut waits = Vec::new();
    let mut got = Vec::new();
    for mut sse in sses {
        let mut text = String::new();
        while let Some(event) = sse.next().await {
            text += &event.data;
        }
        assert!(sse.complete, "it ended as it should");
        waits.push(sse.reader.retry.unwrap());
        got.push(text);
    }
    for mut ws in sockets {
        let mut text = String::new();
        while let Some(message) = ws.hear().await {
            text += &message.to_string();
            waits.extend(message["after_ms"].as_u64());
        }
        got.push(text);
    }
    timeout(PATIENCE, served).await.unwrap().unwrap().unwrap();
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    let acknowledged = acknowledged.borrow();
    let tokens: Vec<&str> = acknowledged.split(['<', '>']).filter(|token| !token.is_empty()).collect();
    for text in &got {
        let found: BTreeSet<&str> = text.split(['<', '>']).collect();
        let lost: Vec<&str> = tokens.iter().filter(|token| !found.contains(*token)).copied().collect();
        assert!(lost.is_empty(), "{lost:?}");
        assert!(text.contains(r#""come_back":true"#));
    }
    assert_eq!(waits.len(), 2 * EACH);
    let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
    assert!(most - least > 1000 && *most <= 10_000, "spread over some seconds: {waits:?}");
}
