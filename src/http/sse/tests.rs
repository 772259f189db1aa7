//! What a connection reads, byte for byte, with channels that do as they are told and a clock that is moved.

use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, advance};

use super::super::ongoing::Feed as _;
use super::super::source::script::{Script, at};
use super::feed::{Events, Manner};
use crate::channel::Delivery;
use crate::protocol::{By, Positions, ResetReason, Wire};
use crate::telemetry::Metrics;

const PLAIN: Manner = Manner {
    chunked: false,
    retry: Duration::from_millis(500),
    keep_alive: Duration::from_secs(15),
    until: None,
    wire: Wire::Djust,
};

fn events(scripts: &[&Script], manner: Manner) -> Events<Script> {
    let positions = (scripts.len() > 1).then(Positions::default);
    Events::new(scripts.iter().map(|script| (*script).clone()).collect(), positions, manner, Metrics::new())
}

/// All that there is to read now, and whether that was the end.
fn read(events: &mut Events<Script>) -> (String, bool) {
    let mut text = String::new();
    let mut cx = std::task::Context::from_waker(Waker::noop());
    loop {
        match events.poll_next(&mut cx) {
            Poll::Ready(Some(bytes)) => text += str::from_utf8(&bytes).unwrap(),
            Poll::Ready(None) => return (text, true),
            Poll::Pending => return (text, false),
        }
    }
}

#[tokio::test]
async fn a_connection_reads_retry_frames_and_controls() {
    let script = Script::new("c");
    let mut events = events(&[&script], PLAIN);
    script.say(Delivery::Subscribed { id: at(4), by: By::Snapshot, declared: None });
    let tick = script.tick(5, "x");
    script.say(Delivery::Reset { id: at(0), reason: ResetReason::Epoch, declared: None });
    script.say(Delivery::Cancelled(crate::protocol::StreamName::parse("s").unwrap()));
    let (text, over) = read(&mut events);
    let sse = String::from_utf8(tick.plain().sse().to_vec()).unwrap();
    let expected = [
        "retry: 500\n\n",
        "event: rillmark\ndata: {\"type\":\"subscribed\",\"channel\":\"c\",\"id\":\"e-4\",\"by\":\"snapshot\"}\n\n",
        &sse,
        "event: rillmark\ndata: {\"type\":\"reset\",\"channel\":\"c\",\"id\":\"e-0\",\"reason\":\"epoch\"}\nid: e-0\n\n",
    ];
    assert_eq!((text, over), (expected.concat(), false));
    script.say(Delivery::Ended);
    let ended = "event: rillmark\ndata: {\"type\":\"ended\",\"channel\":\"c\"}\n\n";
    assert_eq!(read(&mut events), (ended.to_owned(), true));
}

#[tokio::test]
async fn subscribers_get_the_shared_bytes() {
    let script = Script::new("c");
    for (chunked, several) in [(true, false), (false, false), (true, true)] {
        let other = Script::new("d");
        let scripts: &[&Script] = if several { &[&script, &other] } else { &[&script] };
        let mut events = events(scripts, Manner { chunked, ..PLAIN });
        read(&mut events);
        let tick = script.tick(7, &"text".repeat(100));
        let mut pieces: Vec<Bytes> = Vec::new();
        while let Poll::Ready(Some(piece)) = events.poll_next(&mut std::task::Context::from_waker(Waker::noop())) {
            pieces.push(piece);
        }
        let shared = match (chunked, several) {
            (true, false) => tick.plain().sse_chunk(),
            (false, false) => tick.plain().sse(),
            _ => tick.with_channel().sse_without_id(),
        };
        let longest = pieces.iter().max_by_key(|piece| piece.len()).unwrap();
        assert_eq!((longest.as_ptr(), longest.len()), (shared.as_ptr(), shared.len()));
    }
}

#[tokio::test]
async fn chunks_hold_what_bare_bodies_say() {
    let say = |script: &Script| {
        script.say(Delivery::Subscribed { id: at(1), by: By::Replay, declared: None });
        script.tick(2, "x");
        script.say(Delivery::Bye { come_back: true, after_ms: 1234 });
    };
    for several in [false, true] {
        let bodies = [false, true].map(|chunked| {
            let (a, b) = (Script::new("a"), Script::new("b"));
            let scripts: &[&Script] = if several { &[&a, &b] } else { &[&a] };
            let mut events = events(scripts, Manner { chunked, ..PLAIN });
            scripts.iter().for_each(|script| say(script));
            let (text, over) = read(&mut events);
            assert!(over);
            text
        });
        assert_eq!(unchunked(&bodies[1]), bodies[0]);
        let bye = "retry: 1234\nevent: rillmark\ndata: \
            {\"type\":\"bye\",\"reason\":\"restart\",\"come_back\":true,\"after_ms\":1234}\n\n";
        assert!(bodies[0].ends_with(bye) && bodies[0].matches("bye").count() == 1, "{}", bodies[0]);
    }
}

/// The body that chunks hold; the last of them must be there.
fn unchunked(mut chunks: &str) -> String {
    let mut body = String::new();
    loop {
        let (size, rest) = chunks.split_once("\r\n").unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        body += &rest[..size];
        chunks = rest[size..].strip_prefix("\r\n").unwrap();
        if size == 0 {
            assert_eq!(chunks, "");
            return body;
        }
    }
}

#[tokio::test]
async fn an_id_names_every_channel() {
    let (a, b) = (Script::new("a"), Script::new("b"));
    let mut events = events(&[&a, &b], PLAIN);
    a.tick(3, "x");
    b.tick(9, "y");
    a.say(Delivery::Reset { id: at(0), reason: ResetReason::Gap, declared: None });
    let (text, _) = read(&mut events);
    let ids: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("id: ")).collect();
    assert_eq!(ids, ["a=e-3", "a=e-3,b=e-9", "a=e-0,b=e-9"]);
    assert!(text.contains("\"stream\",\"channel\":\"b\""), "{text}");
    // One that ends leaves the other.
    a.say(Delivery::Ended);
    assert!(!read(&mut events).1);
    b.say(Delivery::Ended);
    assert!(read(&mut events).1);
}

#[tokio::test(start_paused = true)]
async fn silence_is_broken_by_comments() {
    let script = Script::new("c");
    let mut events = events(&[&script], PLAIN);
    read(&mut events);
    let next = async |events: &mut Events<Script>| {
        let began = Instant::now();
        let piece = poll_fn(|cx| events.poll_next(cx)).await.unwrap();
        (began.elapsed().as_secs(), piece)
    };
    assert_eq!(next(&mut events).await, (15, Bytes::from_static(b":\n\n")));
    advance(Duration::from_secs(10)).await;
    script.tick(1, "x");
    assert!(read(&mut events).0.starts_with("data: "));
    assert_eq!(next(&mut events).await, (15, Bytes::from_static(b":\n\n")), "counted from the frame");
    assert_eq!(next(&mut events).await, (15, Bytes::from_static(b":\n\n")));
}

#[tokio::test(start_paused = true)]
async fn a_token_ends_the_connection_with_a_reason() {
    let script = Script::new("c");
    let until = Some(Instant::now() + Duration::from_secs(20));
    let mut events = events(&[&script], Manner { until, ..PLAIN });
    read(&mut events);
    advance(Duration::from_millis(19_900)).await;
    assert_eq!(read(&mut events), (":\n\n".to_owned(), false));
    advance(Duration::from_millis(200)).await;
    script.tick(1, "too late");
    let (text, over) = read(&mut events);
    assert!(!text.contains("too late"), "{text}");
    assert!(over && text.contains("\"reason\":\"token-expired\",\"come_back\":false"), "{text}");
    assert!(!text.contains("retry"), "{text}");
}
