//! Subscribing over Server-Sent Events.

use std::time::{Duration, Instant};

use rillmark::server::Listen;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::helpers::{body_of, check_problem, check_problem_body, until};
use crate::subscriber::{SOON, Sse, Ws, streaming, text_of};

#[tokio::test]
async fn an_event_stream_says_what_browsers_and_proxies_need() {
    let app = streaming(|_| {});
    let mut sse = Sse::open(&app, "/channels/c/sse", "accept-encoding: gzip, br, zstd\r\n").await;
    for line in [
        "http/1.1 200 ok",
        "content-type: text/event-stream",
        "cache-control: no-cache, no-transform",
        "x-accel-buffering: no",
        "transfer-encoding: chunked",
    ] {
        assert!(sse.head.lines().any(|found| found == line), "{line} in {}", sse.head);
    }
    assert!(!sse.head.contains("content-encoding") && sse.head.contains("x-request-id"), "{}", sse.head);
    let subscribed = sse.control("subscribed").await;
    assert_eq!((&subscribed["channel"], sse.reader.retry), (&json!("c"), Some(500)));
    let mut publisher = Ws::open(&app, "/ws").await;
    let id = publisher.text("c", "s", "hello").await;
    let event = sse.next().await.unwrap();
    let frame = json!({"type": "stream", "stream": "s", "id": id, "ops": [
        {"op": "start", "target": "[dj-stream='s']"},
        {"op": "text", "target": "[dj-stream='s']", "text": "hello"},
    ]});
    assert_eq!((event.name.as_str(), event.id.as_str()), ("message", id.as_str()));
    assert_eq!(serde_json::from_str::<serde_json::Value>(&event.data).unwrap(), frame);
}

/// HTTP/1.0 knows no chunks: the events come bare, until the connection ends.
#[tokio::test]
async fn older_clients_get_no_chunks() {
    let mut app = streaming(|_| {});
    let mut socket = app.connect().await;
    socket.write_all(b"GET /channels/c/sse HTTP/1.0\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut answer = vec![0; 4096];
    let mut read = 0;
    while !answer[..read].windows(10).any(|window| window == b"subscribed") {
        read += socket.read(&mut answer[read..]).await.unwrap();
    }
    let _served = app.stop();
    let mut rest = String::new();
    socket.read_to_string(&mut rest).await.unwrap();
    let answer = String::from_utf8(answer[..read].to_vec()).unwrap() + &rest;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(!head.to_lowercase().contains("transfer-encoding"), "{head}");
    assert!(body.starts_with("retry: 500\n\n") && body.ends_with("\n\n") && !body.contains('\r'), "{body:?}");
    assert!(body.contains(r#""type":"bye","reason":"restart","come_back":true"#), "{body:?}");
}

#[tokio::test]
async fn a_page_that_comes_back_gets_what_it_missed() {
    let app = streaming(|_| {});
    let mut publisher = Ws::open(&app, "/ws").await;
    let first = publisher.text("c", "s", "one ").await;
    publisher.text("c", "s", "two ").await;
    let last = publisher.text("c", "s", "three").await;
    let by = async |path: &str, headers: &str| {
        let mut sse = Sse::open(&app, path, headers).await;
        let by = sse.control("subscribed").await["by"].as_str().unwrap().to_owned();
        let mut text = String::new();
        loop {
            let frame = sse.frame().await;
            text += &text_of(&frame);
            if frame["id"] == last.as_str() {
                return (by, text);
            }
        }
    };
    let header = format!("last-event-id: {first}\r\n");
    let (snapshot, replay) = ("snapshot".to_owned(), "replay".to_owned());
    assert_eq!(by("/channels/c/sse", "").await, (snapshot.clone(), "one two three".to_owned()));
    assert_eq!(by("/channels/c/sse", &header).await, (replay.clone(), "two three".to_owned()));
    let query = format!("/channels/c/sse?last_event_id={first}");
    assert_eq!(by(&query, "").await, (replay.clone(), "two three".to_owned()));
    let unreadable = "/channels/c/sse?last_event_id=nonsense";
    assert_eq!(by(unreadable, &header).await, (replay, "two three".to_owned()), "the header beats the query");
    assert_eq!(by(unreadable, "").await, (snapshot, "one two three".to_owned()), "never an error");
}

#[tokio::test]
async fn a_page_may_begin_with_what_comes_next() {
    let app = streaming(|_| {});
    let mut publisher = Ws::open(&app, "/ws").await;
    publisher.text("c", "s", "before").await;
    let mut sse = Sse::open(&app, "/channels/c/sse?from=now", "").await;
    sse.control("subscribed").await;
    publisher.text("c", "s", "after").await;
    assert_eq!(text_of(&sse.frame().await), "after");
}

#[tokio::test]
async fn several_channels_share_a_connection_and_an_id() {
    let app = streaming(|_| {});
    let mut publisher = Ws::open(&app, "/ws").await;
    let path = "/sse?channel=a&channel=b&channel=quiet&channel=a";
    let mut sse = Sse::open(&app, path, "").await;
    for _ in 0..3 {
        sse.control("subscribed").await;
    }
    let a = publisher.text("a", "s", "x").await;
    let event = sse.next().await.unwrap();
    assert!(event.data.contains(r#""channel":"a""#), "{}", event.data);
    assert_eq!(event.id, format!("a={a}"));
    let b = publisher.text("b", "s", "y").await;
    let id = sse.next().await.unwrap().id;
    assert_eq!(id, format!("a={a},b={b}"));
    drop(sse);
    publisher.text("a", "s", "missed").await;
    let mut sse = Sse::open(&app, path, &format!("last-event-id: {id}\r\n")).await;
    let frame = sse.frame().await;
    assert_eq!((text_of(&frame).as_str(), &frame["channel"], frame.get("reset")), ("missed", &json!("a"), None));
}

#[tokio::test]
async fn what_cannot_be_subscribed_to_is_refused() {
    let app = streaming(|options| options.hub.subscribers_per_channel_max = 1);
    let many: String = (0..33).map(|number| format!("channel=c{number}&")).collect();
    for (path, status, slug) in [
        ("/channels/a%20b/sse", 422, "invalid-name"),
        ("/channels/a/sse?from=then", 422, "invalid-option"),
        ("/sse", 422, "invalid-option"),
        (&format!("/sse?{many}"), 422, "invalid-option"),
        ("/sse?channel=", 422, "invalid-name"),
    ] {
        check_problem(app.get(path).await, status, slug).await;
    }
    let head = app.client.head(app.url("/channels/a/sse")).send().await.unwrap();
    assert_eq!((head.status().as_u16(), &head.headers()["allow"]), (405, &"GET, OPTIONS".parse().unwrap()));
    let only = Sse::open(&app, "/channels/full/sse", "").await;
    check_problem(app.get("/channels/full/sse").await, 503, "too-many-connections").await;
    drop(only);
    until("the place to come back", async || app.get("/channels/full/sse").await.status() == 200).await;
}

#[tokio::test]
async fn silence_is_broken_by_comments_on_the_line() {
    let app = streaming(|options| options.http.streams.keep_alive = Duration::from_millis(50));
    let mut sse = Sse::open(&app, "/channels/c/sse", "").await;
    let mut publisher = Ws::open(&app, "/ws").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    publisher.text("c", "s", "x").await;
    sse.frame().await;
    assert!((2..=6).contains(&sse.reader.comments), "{}", sse.reader.comments);
}

/// A client that has gone was once counted for half a minute (CWE-400).
#[tokio::test]
async fn a_subscriber_that_has_gone_is_forgotten_at_once() {
    let app = streaming(|_| {});
    let open = async |kind: &str| {
        let text = app.get("/metrics").await.text().await.unwrap();
        text.contains(&format!("rillmark_subscribers{{transport=\"{kind}\"}} 1\n"))
    };
    let began = Instant::now();
    for round in 0..4 {
        let sse = Sse::open(&app, "/channels/c/sse", "").await;
        until("it to be counted", async || open("sse").await).await;
        if round % 2 == 0 {
            sse.reset()
        } else {
            drop(sse)
        }
        until("it to be gone", async || !open("sse").await).await;
        let ws = Ws::open(&app, "/channels/c/ws").await;
        until("it to be counted", async || open("websocket").await).await;
        if round % 2 == 0 {
            ws.reset()
        } else {
            drop(ws)
        }
        until("it to be gone", async || !open("websocket").await).await;
    }
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    until("its connection to be free", async || {
        app.get("/metrics").await.text().await.unwrap().contains("rillmark_connections 1\n")
    })
    .await;
}

/// One that went before the head of its answer was written once kept its place in the channel for ever (CWE-772).
#[tokio::test]
async fn a_subscriber_that_never_saw_its_answer_is_forgotten() {
    let app = streaming(|_| {});
    for round in 0..300_u64 {
        let mut socket = app.connect().await;
        socket.write_all(b"GET /channels/c/sse HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        // Sooner or later, so that some go between the handler and the head.
        tokio::time::sleep(Duration::from_micros(round % 10 * 50)).await;
        socket.set_zero_linger().unwrap();
    }
    let still =
        ["rillmark_subscribers{transport=\"sse\"} 0", "rillmark_http_requests_in_flight 1", "rillmark_connections 1"];
    until("all to be forgotten", async || {
        let text = app.get("/metrics").await.text().await.unwrap();
        still.iter().all(|wanted| text.lines().any(|line| line == *wanted))
    })
    .await;
}

/// A reader that takes nothing was once kept for ever, since nobody looked (CWE-400). Over a Unix socket, where the
/// kernel has no timer for it.
#[tokio::test]
async fn a_reader_that_never_reads_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let app = streaming(|options| {
        options.server.listen.push(Listen::Unix(path.clone()));
        options.server.write_timeout = Duration::from_millis(300);
    });
    let mut socket = UnixStream::connect(&path).await.unwrap();
    socket.write_all(b"GET /channels/c/sse HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    socket.read_exact(&mut [0; 12]).await.unwrap();
    let mut publisher = Ws::open(&app, "/ws").await;
    let block = "x".repeat(50_000);
    until("it to be cut off", async || {
        let text = app.get("/metrics").await.text().await.unwrap();
        text.contains("rillmark_subscribers{transport=\"sse\"} 0") || {
            // More and more, until its buffers are full.
            Ws::open(&app, "/ws").await.text("c", "s", &block).await;
            false
        }
    })
    .await;
    publisher.text("c", "s", "the others go on").await;
}

#[tokio::test]
async fn an_answer_that_goes_on_is_measured_when_it_ends() {
    let app = streaming(|_| {});
    let mut sse = Sse::open(&app, "/channels/c/sse", "").await;
    sse.control("subscribed").await;
    let counted = "rillmark_http_request_duration_seconds_count{method=\"GET\",\
                   route=\"/channels/{channel}/sse\",status=\"2xx\"} 1";
    assert!(!app.get("/metrics").await.text().await.unwrap().contains(counted));
    drop(sse);
    until("it to be measured", async || app.get("/metrics").await.text().await.unwrap().contains(counted)).await;
}

/// Requests behind a subscription on one connection are never reached; those before it are answered first.
#[tokio::test]
async fn a_subscription_is_the_last_answer_of_its_connection() {
    let mut app = streaming(|_| {});
    let mut socket = app.connect().await;
    let health = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let subscribe = "GET /channels/c/sse HTTP/1.1\r\nhost: localhost\r\n\r\n";
    socket.write_all(format!("{health}{health}{subscribe}{health}").as_bytes()).await.unwrap();
    until("the subscription", async || {
        app.get("/metrics").await.text().await.unwrap().contains("rillmark_subscribers{transport=\"sse\"} 1")
    })
    .await;
    let _served = app.stop();
    let answer = crate::helpers::read_to_end(&mut socket).await;
    assert_eq!((answer.matches("\"ok\"").count(), answer.matches("HTTP/1.1 200 ").count()), (2, 3), "{answer}");
    assert!(answer.ends_with("0\r\n\r\n"), "{answer}");
}

/// Keyless services answer no foreign page.
#[tokio::test]
async fn foreign_pages_may_not_subscribe() {
    let app = streaming(|_| {});
    let head = "GET /channels/c/sse HTTP/1.1\r\nhost: localhost\r\norigin: https://evil.example\r\n\
                connection: close\r\n\r\n";
    let answer = app.converse(head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    check_problem_body(&body_of(&answer), 403, "forbidden");
}

/// The content of a channel that has ended is still there to be read; who has all of it need not come back.
#[tokio::test]
async fn an_ended_channel_is_told_and_then_left() {
    let app = streaming(|_| {});
    let mut publisher = Ws::open(&app, "/ws").await;
    publisher.text("c", "s", "all there is").await;
    let mut watching = Sse::open(&app, "/channels/c/sse", "").await;
    let mut several = Sse::open(&app, "/sse?channel=c&channel=other", "").await;
    several.control("subscribed").await;
    let mut socket = Ws::open(&app, "/channels/c/ws").await;
    assert_eq!(app.client.delete(app.url("/channels/c")).send().await.unwrap().status(), 200);
    watching.control("ended").await;
    assert!(watching.next().await.is_none() && watching.complete);
    assert_eq!(socket.close_code().await, Some(4101));
    several.control("ended").await;
    publisher.text("other", "s", "the other goes on").await;
    assert_eq!(text_of(&several.frame().await), "the other goes on");
    let mut late = Sse::open(&app, "/channels/c/sse", "").await;
    let mut last = String::new();
    let mut text = String::new();
    while let Some(event) = late.next().await {
        text += &event.data;
        last = event.id;
    }
    assert!(text.contains("all there is") && text.contains(r#""type":"ended""#), "{text}");
    let back = app.client.get(app.url("/channels/c/sse")).header("last-event-id", &last).send().await.unwrap();
    assert_eq!(back.status(), 204);
}

/// Over TCP the kernel sees every byte that a reader takes, and ends one that takes none for the write timeout.
#[tokio::test]
async fn over_tcp_a_reader_that_stops_is_cut_off_in_time() {
    let app = streaming(|options| options.server.write_timeout = Duration::from_secs(1));
    let mut stuck = Sse::open(&app, "/channels/c/sse", "").await;
    stuck.control("subscribed").await;
    let mut publisher = Ws::open(&app, "/ws").await;
    let block = json!([{"op": "replace", "html": "x".repeat(50_000)}]);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(15) {
        publisher.publish("c", "s", block.clone()).await;
        let text = app.get("/metrics").await.text().await.unwrap();
        if text.contains("rillmark_subscribers{transport=\"sse\"} 0") {
            assert!(began.elapsed() > Duration::from_secs(1));
            return;
        }
    }
    panic!("it is kept although it takes nothing");
}
