//! Sockets whose service is a script, with a clock that is moved.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::{Instant, advance};

use super::super::ongoing::Feed as _;
use super::super::problem::Problem;
use super::super::problem_kinds::Kind;
use super::super::source::script::{Script, at};
use super::desk::{Desk, Work};
use super::socket::{Manner, Only, Socket};
use crate::channel::{Delivery, From};
use crate::protocol::{Batch, By, ChannelName, Position, Sizes, StreamName};
use crate::telemetry::Metrics;

type Answer = oneshot::Sender<Result<Position, Problem>>;

/// What the service does, and what it was asked.
#[derive(Default)]
struct State {
    tokens: BTreeSet<String>,
    known: bool,
    until: Option<Instant>,
    allowed: BTreeSet<String>,
    watched: Vec<(Script, String)>,
    asked: Vec<String>,
    answers: Vec<Answer>,
    /// How much may still be asked in vain; `None`: any number.
    in_vain: Option<usize>,
}

#[derive(Clone, Default)]
struct Service(Arc<Mutex<State>>);

impl Service {
    /// To which a client is known that may watch these.
    fn allowing(channels: &[&str]) -> Self {
        let service = Self::default();
        service.0.lock().known = true;
        service.0.lock().allowed = channels.iter().map(|name| (*name).to_owned()).collect();
        service
    }

    fn script(&self, at: usize) -> Script {
        self.0.lock().watched[at].0.clone()
    }

    fn work(&self, asked: String) -> Work {
        let (answer, work) = oneshot::channel();
        self.0.lock().asked.push(asked);
        self.0.lock().answers.push(answer);
        Box::pin(async { work.await.unwrap() })
    }
}

impl Desk for Service {
    type Source = Script;

    fn is_known(&self) -> bool {
        self.0.lock().known
    }

    fn until(&self) -> Option<Instant> {
        self.0.lock().until
    }

    fn charge(&self) -> Result<(), Problem> {
        let left = &mut self.0.lock().in_vain;
        match left {
            Some(0) => return Err(Problem::new(Kind::RateLimited, "x").retry_after(Duration::from_secs(3))),
            left => *left = left.map(|left| left - 1),
        }
        Ok(())
    }

    fn present(&mut self, token: &str) -> Result<(), Problem> {
        let mut state = self.0.lock();
        if !state.tokens.contains(token) {
            return Err(Problem::new(Kind::Unauthorized, "x"));
        }
        state.known = true;
        Ok(())
    }

    fn may_watch(&self, channel: &ChannelName) -> bool {
        self.0.lock().allowed.contains(channel.as_str())
    }

    fn watch(&mut self, channel: &ChannelName, from: From) -> Result<Script, Problem> {
        let script = Script::new(channel.as_str());
        self.0.lock().watched.push((script.clone(), format!("{from:?}")));
        Ok(script)
    }

    fn publish(&mut self, channel: ChannelName, batch: Batch, _: usize) -> Result<Work, Problem> {
        if channel.as_str() == "busy" {
            return Err(Problem::new(Kind::RateLimited, "x").retry_after(Duration::from_millis(1500)));
        }
        Ok(self.work(format!("publish {channel} {} {}", batch.stream, batch.ops.len())))
    }

    fn cancel(&mut self, channel: ChannelName, stream: StreamName) -> Result<Work, Problem> {
        Ok(self.work(format!("cancel {channel} {stream}")))
    }

    fn stopping(&self) -> std::pin::Pin<Box<dyn Future<Output = u64> + Send>> {
        Box::pin(std::future::pending())
    }

    fn refused(&self, problem: &Problem) -> String {
        problem.json("id")
    }
}

fn manner() -> Arc<Manner> {
    let second = Duration::from_secs;
    let sizes =
        Sizes { op_bytes_max: 10_000, batch_ops_max: 10, batch_bytes_max: 10_000, event_detail_bytes_max: 1000 };
    let (ping, gone, token_wait) = (second(15), second(30), second(10));
    Arc::new(Manner { message_bytes_max: 4096, ping, gone, token_wait, channels_max: 2, sizes })
}

fn several(service: &Service) -> Socket<Service> {
    Socket::new(service.clone(), manner(), Metrics::new(), None)
}

fn one(service: &Service, from: From) -> Socket<Service> {
    let only = Only { channel: ChannelName::parse("c").unwrap(), from: Some(from) };
    Socket::new(service.clone(), manner(), Metrics::new(), Some(only))
}

/// A frame as a client sends it, with a mask that changes nothing.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap();
    [&[first, 0x80 | 126][..], &length.to_be_bytes(), &[0; 4], payload].concat()
}

fn control_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    [&[first, 0x80 | u8::try_from(payload.len()).unwrap()][..], &[0; 4], payload].concat()
}

fn say(socket: &mut Socket<Service>, message: &Value) {
    socket.receive(&frame(0x81, message.to_string().as_bytes()));
}

#[derive(Debug, PartialEq)]
enum Read {
    Json(Value),
    Ping,
    Pong(Vec<u8>),
    Close(u16),
    Over,
}

/// All frames that there are to read now.
fn read(socket: &mut Socket<Service>) -> Vec<Read> {
    let mut bytes = Vec::new();
    let over = loop {
        match socket.poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(piece)) => bytes.extend_from_slice(&piece),
            Poll::Ready(None) => break true,
            Poll::Pending => break false,
        }
    };
    let mut rest = &bytes[..];
    let mut read = Vec::new();
    while let [first, length, after @ ..] = rest {
        let (wide, length) = match length {
            126 => (2, usize::from(u16::from_be_bytes([after[0], after[1]]))),
            length => (0, usize::from(*length)),
        };
        let (payload, next) = after[wide..].split_at(length);
        rest = next;
        read.push(match first {
            0x81 => Read::Json(serde_json::from_slice(payload).unwrap()),
            0x88 => Read::Close(payload.first_chunk().map_or(0, |code| u16::from_be_bytes(*code))),
            0x89 => Read::Ping,
            0x8a => Read::Pong(payload.to_vec()),
            other => panic!("{other:x}"),
        });
    }
    read.extend(over.then_some(Read::Over));
    read
}

/// The messages alone.
fn messages(socket: &mut Socket<Service>) -> Vec<Value> {
    let messages = read(socket).into_iter().filter_map(|read| match read {
        Read::Json(message) => Some(message),
        _ => None,
    });
    messages.collect()
}

/// The code with which it is closed, after a `bye` of the same name.
fn closed(socket: &mut Socket<Service>) -> u16 {
    let read = read(socket);
    let [.., Read::Json(bye), Read::Close(code), Read::Over] = &read[..] else { panic!("{read:?}") };
    assert_eq!(bye["type"], "bye", "{bye}");
    *code
}

#[tokio::test]
async fn the_channel_of_the_path_is_watched_at_once_and_not_named() {
    let service = Service::allowing(&["c"]);
    let mut socket = one(&service, From::At("e-3".to_owned()));
    assert_eq!(service.0.lock().watched[0].1, "At(\"e-3\")");
    service.script(0).say(Delivery::Subscribed { id: at(3), by: By::Replay, declared: None });
    service.script(0).tick(4, "x");
    let [subscribed, frame] = &messages(&mut socket)[..] else { panic!() };
    assert_eq!(*subscribed, json!({"type": "subscribed", "channel": "c", "id": "e-3", "by": "replay"}));
    assert_eq!((&frame["id"], frame.get("channel")), (&json!("e-4"), None));
    say(&mut socket, &json!({"type": "subscribe", "channel": "d"}));
    let refused = &messages(&mut socket)[0];
    assert_eq!((&refused["type"], &refused["channel"]), (&json!("refused"), &json!("d")));
    service.script(0).say(Delivery::Ended);
    assert_eq!(closed(&mut socket), 4101);
}

#[tokio::test]
async fn several_channels_are_named_and_counted() {
    let service = Service::allowing(&["a", "b", "d"]);
    let mut socket = several(&service);
    for channel in ["a", "b", "d", "a", "x"] {
        say(&mut socket, &json!({"type": "subscribe", "channel": channel, "from": "now"}));
    }
    let refused: Vec<_> = messages(&mut socket).into_iter().map(|message| message["channel"].clone()).collect();
    assert_eq!(refused, ["d", "x"], "over the cap of two; not allowed");
    service.script(0).tick(1, "of the first subscription, which was replaced");
    service.script(1).tick(1, "x");
    service.script(2).tick(1, "y");
    let named: Vec<_> = messages(&mut socket).into_iter().map(|message| message["channel"].clone()).collect();
    assert_eq!(named, ["b", "a"]);
    say(&mut socket, &json!({"type": "unsubscribe", "channel": "a"}));
    service.script(2).tick(2, "z");
    let expected = json!({"type": "unsubscribed", "channel": "a", "reason": "asked"});
    assert_eq!(messages(&mut socket), [expected]);
    service.script(1).say(Delivery::Bye { come_back: true, after_ms: 700 });
    assert_eq!(closed(&mut socket), 1012);
}

#[tokio::test]
async fn what_is_said_is_answered_in_order() {
    let service = Service::allowing(&["a"]);
    let mut socket = several(&service);
    let publish = |reference: u32, channel: &str| {
        let ops = json!([{"op": "text", "text": "x"}]);
        json!({"type": "publish", "channel": channel, "stream": "s", "ops": ops, "ref": reference})
    };
    say(&mut socket, &publish(1, "a"));
    say(&mut socket, &publish(2, "busy"));
    say(&mut socket, &json!({"type": "cancel", "channel": "a", "stream": "s", "ref": "three"}));
    say(&mut socket, &json!({"type": "publish", "channel": "a", "ref": 4}));
    assert_eq!(read(&mut socket), []);
    assert_eq!(service.0.lock().asked, ["publish a s 1"], "one after the other");
    service.0.lock().answers.remove(0).send(Ok(at(7))).unwrap();
    let [first, second] = &messages(&mut socket)[..] else { panic!() };
    assert_eq!(*first, json!({"type": "ack", "ref": 1, "id": "e-7"}));
    assert_eq!((&second["ref"], &second["retry_after"]), (&json!(2), &json!(2)));
    assert_eq!(second["problem"]["type"], "/problems/rate-limited");
    service.0.lock().answers.remove(0).send(Err(Problem::new(Kind::Forbidden, "x"))).unwrap();
    let [third, fourth] = &messages(&mut socket)[..] else { panic!() };
    assert_eq!((&third["ref"], &third["problem"]["status"]), (&json!("three"), &json!(403)));
    assert_eq!((&fourth["ref"], &fourth["problem"]["status"]), (&json!(4), &json!(422)));
}

/// A publish whose answer is due holds back the close of a stop, and so is never in doubt.
#[tokio::test]
async fn what_is_under_way_is_answered_before_the_close() {
    let service = Service::allowing(&["c"]);
    let mut socket = one(&service, From::Now);
    say(&mut socket, &json!({"type": "cancel", "channel": "c", "stream": "s", "ref": 1}));
    service.script(0).say(Delivery::Bye { come_back: true, after_ms: 1 });
    assert_eq!(read(&mut socket), []);
    service.0.lock().answers.remove(0).send(Ok(at(1))).unwrap();
    let read = read(&mut socket);
    assert!(matches!(&read[..], [Read::Json(ack), Read::Json(_), Read::Close(1012), Read::Over] if ack["ref"] == 1));
}

#[tokio::test(start_paused = true)]
async fn a_socket_without_a_token_must_bring_one() {
    let service = Service::default();
    service.0.lock().tokens.insert("good".to_owned());
    service.0.lock().allowed.insert("c".to_owned());
    let mut socket = one(&service, From::Beginning);
    say(&mut socket, &json!({"type": "subscribe", "channel": "c", "token": "good"}));
    read(&mut socket);
    assert_eq!(service.0.lock().watched.len(), 2, "by the path, and by the message in its place");
    advance(Duration::from_secs(11)).await;
    assert_eq!(read(&mut socket), []);

    service.0.lock().known = false;
    let mut socket = one(&service, From::Beginning);
    say(&mut socket, &json!({"type": "token", "token": "bad"}));
    assert_eq!(closed(&mut socket), 4100);
    let mut socket = one(&service, From::Beginning);
    advance(Duration::from_secs(9)).await;
    assert_eq!(read(&mut socket), []);
    advance(Duration::from_secs(1)).await;
    assert_eq!(closed(&mut socket), 4104);
}

#[tokio::test(start_paused = true)]
async fn a_token_ends_the_connection_unless_it_is_renewed() {
    let service = Service::allowing(&["c", "d"]);
    let end = Instant::now() + Duration::from_secs(8);
    service.0.lock().until = Some(end);
    service.0.lock().tokens.insert("next".to_owned());
    let mut socket = several(&service);
    for channel in ["c", "d"] {
        say(&mut socket, &json!({"type": "subscribe", "channel": channel}));
    }
    advance(Duration::from_secs(7)).await;
    assert_eq!(read(&mut socket), []);
    service.0.lock().until = Some(end + Duration::from_secs(5));
    service.0.lock().allowed.remove("d");
    say(&mut socket, &json!({"type": "token", "token": "next"}));
    let lost = json!({"type": "unsubscribed", "channel": "d", "reason": "forbidden"});
    assert_eq!(messages(&mut socket), [lost], "what the new one does not allow");
    advance(Duration::from_secs(5)).await;
    assert_eq!(read(&mut socket), []);
    advance(Duration::from_secs(1)).await;
    assert_eq!(closed(&mut socket), 4100);
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_pinged_and_then_closed() {
    let mut socket = several(&Service::allowing(&[]));
    let next = async |socket: &mut Socket<Service>| {
        let began = Instant::now();
        poll_fn(|cx| socket.poll_next(cx)).await;
        began.elapsed().as_secs()
    };
    assert_eq!(next(&mut socket).await, 15);
    socket.receive(&control_frame(0x8a, b""));
    assert_eq!(next(&mut socket).await, 15, "a pong begins it anew");
    assert_eq!(next(&mut socket).await, 15);
    assert_eq!(read(&mut socket).last(), Some(&Read::Over));
    // Any word is a sign of life.
    let mut socket = several(&Service::allowing(&[]));
    for _ in 0..10 {
        advance(Duration::from_secs(14)).await;
        socket.receive(&frame(0x81, b"{\"type\":\"unsubscribe\",\"channel\":\"x\"}"));
        assert!(!read(&mut socket).contains(&Read::Over));
    }
}

/// The ping lies behind much that it has not read yet: it is given the time.
#[tokio::test(start_paused = true)]
async fn a_client_that_is_busy_reading_is_not_taken_for_gone() {
    let service = Service::allowing(&["c"]);
    let mut socket = one(&service, From::Now);
    for offset in 1..=64 {
        service.script(0).tick(offset, &"x".repeat(16 * 1024));
    }
    read(&mut socket);
    for (seconds, expected) in [(15, Some(Read::Ping)), (30, None), (48, None), (2, Some(Read::Over))] {
        advance(Duration::from_secs(seconds)).await;
        assert_eq!(read(&mut socket).pop(), expected, "{seconds}");
    }
}

/// Refusals were once free of any rate, without a token too (CWE-770).
#[tokio::test]
async fn what_is_asked_in_vain_counts() {
    let asked = [
        json!({"type": "subscribe", "channel": "x"}),
        json!({"type": "publish", "channel": "a", "ref": 4}),
        json!({"type": "unsubscribe", "channel": "x"}),
    ];
    for message in &asked {
        let service = Service::allowing(&["a"]);
        service.0.lock().in_vain = Some(1);
        let mut socket = several(&service);
        say(&mut socket, &json!({"type": "subscribe", "channel": "a"}));
        say(&mut socket, &json!({"type": "unsubscribe", "channel": "a"}));
        say(&mut socket, message);
        assert_eq!(messages(&mut socket).len(), 2, "{message}");
        say(&mut socket, message);
        assert_eq!(closed(&mut socket), 4001, "{message}");
    }
    // Who is over the rate of publishes is told when to try again, and stays.
    let service = Service::allowing(&["busy"]);
    service.0.lock().in_vain = Some(0);
    let mut socket = several(&service);
    let ops = json!([{"op": "text", "text": "x"}]);
    say(&mut socket, &json!({"type": "publish", "channel": "busy", "stream": "s", "ops": ops, "ref": 1}));
    let [Read::Json(refused)] = &read(&mut socket)[..] else { panic!() };
    assert_eq!(refused["retry_after"], 2);
}

/// The clock was once looked at only when no channel had anything.
#[tokio::test(start_paused = true)]
async fn a_token_ends_a_connection_that_always_has_something() {
    let service = Service::allowing(&["c"]);
    service.0.lock().until = Some(Instant::now() + Duration::from_secs(8));
    let mut socket = one(&service, From::Now);
    service.script(0).tick(1, "x");
    assert_eq!(messages(&mut socket).len(), 1);
    advance(Duration::from_secs(8)).await;
    service.script(0).tick(2, "too late");
    let [Read::Json(bye), Read::Close(4100), Read::Over] = &read(&mut socket)[..] else { panic!() };
    assert_eq!(bye["type"], "bye");
}

#[tokio::test]
async fn pings_are_answered_and_closes_too() {
    let mut socket = several(&Service::allowing(&[]));
    socket.receive(&control_frame(0x89, b"who"));
    assert_eq!(read(&mut socket), [Read::Pong(b"who".to_vec())]);
    socket.receive(&control_frame(0x88, b"\x03\xe8bye"));
    socket.receive(&control_frame(0x89, b"more"));
    assert_eq!(read(&mut socket), [Read::Close(1000), Read::Over]);
    let mut socket = several(&Service::allowing(&[]));
    socket.receive(&control_frame(0x88, b""));
    assert_eq!(read(&mut socket), [Read::Close(0), Read::Over], "without a code");
}

#[tokio::test]
async fn what_cannot_be_read_is_closed_with_its_code() {
    for (bytes, code) in [
        (frame(0x81, b"not json"), 1008),
        (frame(0x81, b"{\"type\":\"subscribe\"}"), 1008),
        (frame(0x81, b"{\"type\":\"dance\"}"), 1003),
        (frame(0x82, b"{}"), 1003),
        (frame(0x81, b"\xff"), 1007),
        (frame(0xf1, b""), 1002),
        (frame(0x81, &[b' '; 4097]), 1009),
    ] {
        let mut socket = several(&Service::allowing(&[]));
        socket.receive(&bytes);
        assert_eq!(closed(&mut socket), code, "{:?}", String::from_utf8_lossy(&bytes));
        assert!(!socket.has_room());
    }
}

/// Pings without end from a client that reads nothing: what is owed to it stays small.
#[tokio::test]
async fn a_client_that_only_talks_is_not_heard_forever() {
    let mut socket = several(&Service::allowing(&[]));
    let ping = control_frame(0x89, &[b'x'; 125]);
    let mut heard = 0;
    while socket.has_room() {
        socket.receive(&ping);
        heard += ping.len();
        assert!(heard < 10_000);
        // The client takes one answer to every hundred pings.
        if heard % (100 * ping.len()) == 0 {
            let _ = socket.poll_next(&mut Context::from_waker(Waker::noop()));
        }
    }
    // What was heard is answered all the same.
    let pongs = read(&mut socket).len();
    assert_eq!(pongs, heard / ping.len());
    assert!(socket.has_room());
}

/// The longest message that may come, in pieces of any size, is read even if nothing is taken meanwhile.
#[tokio::test]
async fn the_longest_message_has_room() {
    let service = Service::allowing(&["a"]);
    let mut socket = several(&service);
    let text = json!({"type": "unsubscribe", "channel": "a"}).to_string();
    let bytes = frame(0x81, format!("{text:4096}").as_bytes());
    for byte in &bytes {
        assert!(socket.has_room());
        socket.receive(&[*byte]);
    }
    assert_eq!(messages(&mut socket).len(), 1);
}
