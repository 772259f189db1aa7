//! Publishing over real HTTP: batches, lines, whole replies, their ends, and what can be asked about them.

use std::time::{Duration, SystemTime};

use reqwest::{Method, Response};
use rillmark::auth::{NewToken, Tokens};
use rillmark::server::Listen;
use serde_json::{Value, json};

use crate::helpers::{TestApp, check_problem, spawn_app, spawn_app_with, until};
use crate::slow::Slow;

const MARKDOWN: (&str, &str) = ("content-type", "text/markdown");
const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");

async fn ask(app: &TestApp, method: Method, path: &str) -> Response {
    app.client.request(method, app.url(path)).send().await.unwrap()
}

/// Asks, and holds the answer to be JSON with status 200.
async fn json_of(app: &TestApp, method: Method, path: &str) -> Value {
    let answer = ask(app, method, path).await;
    assert_eq!(answer.status(), 200, "{path}");
    assert_eq!(answer.headers()["content-type"], "application/json", "{path}");
    assert_eq!(answer.headers()["cache-control"], "no-store", "{path}");
    answer.json().await.unwrap()
}

async fn publish(app: &TestApp, channel: &str, batch: &Value) -> Response {
    app.client.post(app.url(&format!("/channels/{channel}/ops"))).json(batch).send().await.unwrap()
}

async fn published(app: &TestApp, channel: &str, batch: &Value) -> String {
    let answer = publish(app, channel, batch).await;
    assert_eq!(answer.status(), 200, "{batch}");
    answer.json::<Value>().await.unwrap()["id"].as_str().unwrap().to_owned()
}

/// State and content of a stream of channel `c`.
async fn stream(app: &TestApp, name: &str) -> Value {
    json_of(app, Method::GET, &format!("/channels/c/streams/{name}")).await
}

async fn state(app: &TestApp, name: &str) -> Option<String> {
    let answer = ask(app, Method::GET, &format!("/channels/c/streams/{name}")).await;
    if answer.status() == 404 {
        return None;
    }
    Some(answer.json::<Value>().await.unwrap()["state"].as_str().unwrap().to_owned())
}

async fn until_state(app: &TestApp, name: &str, wanted: &str) {
    until(wanted, async || state(app, name).await.as_deref() == Some(wanted)).await;
}

async fn until_source(app: &TestApp, name: &str, wanted: &str) {
    let ready = async || {
        let answer = ask(app, Method::GET, &format!("/channels/c/streams/{name}")).await;
        answer.json::<Value>().await.unwrap()["source"] == wanted
    };
    until(wanted, ready).await;
}

fn markdown(stream: &str, text: &str) -> Value {
    json!({"stream": stream, "ops": [{"op": "markdown", "text": text}]})
}

fn text(stream: &str, text: &str) -> Value {
    json!({"stream": stream, "ops": [{"op": "text", "text": text}]})
}

fn offset(id: &Value) -> u64 {
    id.as_str().unwrap().split_once('-').unwrap().1.parse().unwrap()
}

#[tokio::test]
async fn a_batch_is_answered_with_its_id_and_can_be_asked_for() {
    let app = spawn_app();
    let first = published(&app, "c", &markdown("response", "Hello **wor")).await;
    let second = published(&app, "c", &text("log", "a < b")).await;
    assert_eq!((offset(&json!(first)), offset(&json!(second))), (1, 2));
    let found = stream(&app, "response").await;
    assert_eq!(found["source"], "Hello **wor");
    assert_eq!(found["html"], "<p>Hello <strong>wor</strong></p>");
    assert_eq!((&found["state"], &found["id"]), (&json!("active"), &json!(second)));
    let log = stream(&app, "log").await;
    let text = log["ops"].as_array().unwrap().iter().find(|op| op["op"] == "text").unwrap();
    assert_eq!((&text["text"], &text["target"]), (&json!("a < b"), &json!("[dj-stream='log']")));
    assert!(log["html"].is_null() && log["source"].is_null());
    let channel = json_of(&app, Method::GET, "/channels/c").await;
    assert_eq!(channel["channel"], "c");
    assert_eq!(
        (&channel["id"], &channel["state"], &channel["subscribers"]),
        (&json!(second), &json!("active"), &json!(0))
    );
    let response = &channel["streams"]["response"];
    assert_eq!((&response["state"], &response["kind"]), (&json!("active"), &json!("markdown")));
    assert!(response["bytes"].as_u64().unwrap() >= 11, "{response}");
    assert_eq!(channel["streams"]["log"]["kind"], "ops");
}

#[tokio::test]
async fn the_fragment_of_a_stream_comes_bare_where_html_is_preferred() {
    let app = spawn_app();
    let id = published(&app, "c", &markdown("response", "*a*\n")).await;
    published(&app, "c", &json!({"stream": "response", "ops": [{"op": "done"}]})).await;
    let get = |accept: &'static str| app.client.get(app.url("/channels/c/streams/response")).header("accept", accept);
    let answer = get("text/html").send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
    assert!(answer.headers()["vary"].to_str().unwrap().contains("Accept"));
    let told = answer.headers()["rillmark-id"].to_str().unwrap().to_owned();
    assert_eq!(offset(&json!(told)), offset(&json!(id)) + 1);
    assert_eq!(answer.text().await.unwrap(), "<p><em>a</em></p>");
    let answer = get("application/json").send().await.unwrap();
    assert_eq!(answer.headers()["rillmark-id"], told.as_str());
    assert_eq!(answer.json::<Value>().await.unwrap()["state"], "done");
    let head = app.client.head(app.url("/channels/c/streams/response")).send().await.unwrap();
    assert_eq!((head.status().as_u16(), head.headers()["content-type"].to_str().unwrap()), (200, "application/json"));
}

#[tokio::test]
async fn a_batch_is_applied_as_a_whole_or_refused_as_a_whole() {
    let app = spawn_app();
    published(&app, "c", &markdown("done", "x")).await;
    published(&app, "c", &json!({"stream": "done", "ops": [{"op": "done"}]})).await;
    let before = json_of(&app, Method::GET, "/channels/c").await;
    let mixed = |last: Value| json!({"stream": "s", "ops": [{"op": "text", "text": "no"}, last]});
    for (batch, status, slug, op, field) in [
        (mixed(json!({"op": "txt"})), 422, "invalid-op", json!(1), json!("op")),
        (mixed(json!({"op": "prune", "limit": "3"})), 422, "invalid-op", json!(1), json!("limit")),
        (mixed(json!({"op": "markdown", "text": "x"})), 409, "stream-kind", json!(1), Value::Null),
        (json!({"stream": "s"}), 422, "invalid-op", Value::Null, json!("ops")),
        (json!({"stream": "a b", "ops": [{"op": "done"}]}), 422, "invalid-name", Value::Null, Value::Null),
        (markdown("done", "y"), 409, "stream-done", json!(0), Value::Null),
    ] {
        let body = check_problem(publish(&app, "c", &batch).await, status, slug).await;
        assert_eq!((&body["op"], &body["field"]), (&op, &field), "{body}");
    }
    let options = json!({"stream": "s", "ops": [{"op": "markdown", "text": "x", "options": {"dense": false}}]});
    let body = check_problem(publish(&app, "c", &options).await, 422, "option-not-streamable").await;
    assert_eq!(body["option"], "dense");
    assert_eq!(json_of(&app, Method::GET, "/channels/c").await, before, "nothing was applied");
}

#[tokio::test]
async fn what_is_no_batch_is_refused_in_true_words() {
    let app = spawn_app();
    let post = |media: &str, body: &str| {
        app.client.post(app.url("/channels/c/ops")).header("content-type", media).body(body.to_owned()).send()
    };
    check_problem(post("application/json", "{").await.unwrap(), 400, "invalid-json").await;
    let answer = post("text/markdown", "x").await.unwrap();
    assert_eq!(answer.headers()["accept-post"], "application/json, application/x-ndjson");
    check_problem(answer, 415, "unsupported-media-type").await;
    let large = format!("{{\"stream\":\"s\",\"x\":\"{}\"}}", "a".repeat(4 << 20));
    check_problem(post("application/json", &large).await.unwrap(), 413, "body-too-large").await;
    let long = text("s", &"a".repeat((1 << 20) + 1));
    let body = check_problem(publish(&app, "c", &long).await, 413, "op-too-large").await;
    assert_eq!(body["op"], 0);
    assert_eq!(ask(&app, Method::GET, "/channels/c").await.status(), 404);
}

#[tokio::test]
async fn names_are_judged_after_they_are_decoded() {
    let app = spawn_app();
    published(&app, "%63%2D1", &text("s", "x")).await;
    assert_eq!(json_of(&app, Method::GET, "/channels/c-1").await["channel"], "c-1");
    for bad in ["a%20b", "a%2Fb", "a%252Db", "%00", "caf%C3%A9", "%FF", &"n".repeat(129)] {
        for (method, path) in [
            (Method::POST, format!("/channels/{bad}/ops")),
            (Method::GET, format!("/channels/{bad}")),
            (Method::DELETE, format!("/channels/{bad}")),
            (Method::POST, format!("/channels/c/streams/{bad}")),
            (Method::GET, format!("/channels/c/streams/{bad}")),
            (Method::DELETE, format!("/channels/{bad}/streams/s")),
        ] {
            let request = app.client.request(method.clone(), app.url(&path)).header(MARKDOWN.0, MARKDOWN.1);
            check_problem(request.send().await.unwrap(), 422, "invalid-name").await;
        }
    }
}

#[tokio::test]
async fn a_repeated_publish_is_answered_alike_and_counts_once() {
    let app = spawn_app();
    let send = |key: &'static str, batch: Value| {
        let request = app.client.post(app.url("/channels/c/ops")).header("idempotency-key", key);
        request.json(&batch).send()
    };
    let first: Value = send("k-1", markdown("s", "a")).await.unwrap().json().await.unwrap();
    let again: Value = send("k-1", markdown("s", "a")).await.unwrap().json().await.unwrap();
    assert_eq!(first, again);
    assert_eq!(stream(&app, "s").await["source"], "a");
    check_problem(send("k-1", markdown("s", "b")).await.unwrap(), 422, "idempotency-mismatch").await;
    send("k-2", markdown("s", "a")).await.unwrap();
    assert_eq!(stream(&app, "s").await["source"], "aa");
    check_problem(send("two words", markdown("s", "a")).await.unwrap(), 400, "invalid-header").await;
    let mut keyed = markdown("s", "a");
    keyed["key"] = json!("k-3");
    let first: Value = publish(&app, "c", &keyed).await.json().await.unwrap();
    let again: Value = publish(&app, "c", &keyed).await.json().await.unwrap();
    assert_eq!(first, again, "the key may stand in the batch");
    assert_eq!(stream(&app, "s").await["source"], "aaa");
}

#[tokio::test]
async fn a_publisher_of_another_epoch_is_told() {
    let app = spawn_app();
    let id = published(&app, "c", &markdown("s", "a")).await;
    let epoch = id.split_once('-').unwrap().0;
    let with = |epoch: &str| json!({"stream": "s", "epoch": epoch, "ops": [{"op": "markdown", "text": "b"}]});
    published(&app, "c", &with(epoch)).await;
    let body = check_problem(publish(&app, "c", &with("1")).await, 409, "epoch-changed").await;
    assert!(body["detail"].as_str().unwrap().contains(epoch), "{body}");
    let post = |query: String| {
        let request = app.client.post(app.url(&format!("/channels/c/streams/t?{query}")));
        request.header(MARKDOWN.0, MARKDOWN.1).body("x").send()
    };
    check_problem(post("epoch=1".to_owned()).await.unwrap(), 409, "epoch-changed").await;
    assert_eq!(post(format!("epoch={epoch}")).await.unwrap().status(), 200);
    assert_eq!(stream(&app, "s").await["source"], "ab");
}

#[tokio::test]
async fn lines_are_applied_as_they_arrive() {
    let app = spawn_app();
    let mut slow = Slow::post(&app, "/channels/c/ops", &[NDJSON]).await;
    let line = format!("{}\n", markdown("s", "Hello "));
    let (left, right) = line.as_bytes().split_at(20);
    slow.send(left).await;
    slow.send(right).await;
    until_source(&app, "s", "Hello ").await;
    slow.send(b"\r\n{\"stream\":\"s\"}\r\nnonsense\n").await;
    slow.send(markdown("s", "world").to_string().as_bytes()).await;
    slow.end().await;
    let answer = slow.answer().await;
    assert_eq!(answer.status, 200);
    assert_eq!((&answer.body["applied"], offset(&answer.body["id"])), (&json!(2), 2));
    let errors = answer.body["errors"].as_array().unwrap();
    let told: Vec<_> = errors.iter().map(|error| (&error["line"], error["type"].as_str().unwrap())).collect();
    assert_eq!(told, [(&json!(3), "/problems/invalid-op"), (&json!(4), "/problems/invalid-json")]);
    assert!(errors[0]["detail"].as_str().unwrap().contains("`ops`"), "{errors:?}");
    assert_eq!(stream(&app, "s").await["source"], "Hello world");
    assert_eq!(state(&app, "s").await.as_deref(), Some("active"), "a body that ends well ends no run");
}

#[tokio::test]
async fn a_line_may_have_a_key_and_the_body_none() {
    let app = spawn_app();
    let mut keyed = markdown("s", "a");
    keyed["key"] = json!("k");
    let post = |body: String| app.client.post(app.url("/channels/c/ops")).header(NDJSON.0, NDJSON.1).body(body);
    let answer: Value = post(format!("{keyed}\n{keyed}\n")).send().await.unwrap().json().await.unwrap();
    assert_eq!((&answer["applied"], &answer["errors"]), (&json!(2), &json!([])));
    assert_eq!(stream(&app, "s").await["source"], "a");
    let refused = post(keyed.to_string()).header("idempotency-key", "k").send().await.unwrap();
    check_problem(refused, 400, "invalid-header").await;
    let nothing: Value = post(String::new()).send().await.unwrap().json().await.unwrap();
    assert_eq!(nothing, json!({"id": null, "applied": 0, "errors": []}));
}

#[tokio::test]
async fn a_line_that_is_too_long_is_told_of_and_the_next_is_read() {
    let app = spawn_app_with(|options| options.hub.batch_bytes_max = 1000);
    let body = format!("{}\n{}\n", text("s", &"a".repeat(2000)), text("s", "b"));
    let request = app.client.post(app.url("/channels/c/ops")).header(NDJSON.0, NDJSON.1).body(body);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["applied"], 1);
    assert_eq!(
        (&answer["errors"][0]["line"], &answer["errors"][0]["type"]),
        (&json!(1), &json!("/problems/body-too-large"))
    );
}

/// A publisher that dies leaves no page waiting for ever.
#[tokio::test]
async fn runs_of_lines_that_break_off_end_with_an_error() {
    for rudely in [true, false] {
        let app = spawn_app();
        published(&app, "c", &json!({"stream": "others", "ops": [{"op": "start"}, {"op": "text", "text": "x"}]})).await;
        let mut slow = Slow::post(&app, "/channels/c/ops", &[NDJSON]).await;
        let start = |stream: &str| json!({"stream": stream, "ops": [{"op": "start"}]});
        let done = |stream: &str| json!({"stream": stream, "ops": [{"op": "done"}]});
        for line in [
            start("started"),
            text("started", "so far"),
            start("ended"),
            done("ended"),
            markdown("grown", "so far"),
            start("taken"),
            start("ultimate"),
            text("feed", "a feed that never starts"),
            text("others", "not its own"),
        ] {
            slow.send(format!("{line}\n").as_bytes()).await;
        }
        until_state(&app, "feed", "active").await;
        ask(&app, Method::DELETE, "/channels/c/streams/taken").await;
        published(&app, "c", &start("taken")).await;
        if rudely {
            slow.send_raw(b"no chunk\r\n").await;
        }
        drop(slow);
        until_state(&app, "started", "error").await;
        until_state(&app, "grown", "error").await;
        until_state(&app, "ultimate", "error").await;
        for (name, expected) in [("ended", "done"), ("feed", "active"), ("others", "active"), ("taken", "active")] {
            assert_eq!(state(&app, name).await.as_deref(), Some(expected), "{name}");
        }
        assert_eq!(stream(&app, "grown").await["source"], "so far");
        ask(&app, Method::DELETE, "/channels/c/streams/feed").await;
        published(&app, "c", &json!({"stream": "grown", "ops": [{"op": "start"}, {"op": "done"}]})).await;
        published(&app, "c", &json!({"stream": "feed", "ops": [{"op": "start"}, {"op": "done"}, {"op": "start"}]}))
            .await;
    }
}

#[tokio::test]
async fn a_reply_starts_grows_and_ends_by_itself() {
    let app = spawn_app();
    let mut slow =
        Slow::post(&app, "/channels/c/streams/response", &[MARKDOWN, ("prefer", "return=representation")]).await;
    until_state(&app, "response", "active").await;
    slow.send(b"caf\xc3").await;
    slow.send(b"\xa9 **bo").await;
    until_source(&app, "response", "café **bo").await;
    assert_eq!(stream(&app, "response").await["html"], "<p>café <strong>bo</strong></p>");
    slow.send(b"ld**").await;
    slow.end().await;
    let answer = slow.answer().await;
    assert_eq!((answer.status, answer.header("preference-applied")), (200, Some("return=representation")));
    assert_eq!(answer.header("connection"), None, "it may be used again");
    assert_eq!((&answer.body["finish"], &answer.body["bytes"]), (&json!("done"), &json!(14)));
    assert_eq!(answer.body["source"], "café **bold**");
    assert_eq!(answer.body["html"], "<p>café <strong>bold</strong></p>");
    let found = stream(&app, "response").await;
    assert_eq!(
        (&found["state"], &found["id"], &found["html"]),
        (&json!("done"), &answer.body["id"], &answer.body["html"])
    );
}

#[tokio::test]
async fn a_reply_takes_options_and_says_no_more_than_asked() {
    let app = spawn_app();
    let post = |query: &str, body: &str| {
        let request = app.client.post(app.url(&format!("/channels/c/streams/s{query}")));
        request.header("content-type", "text/plain").body(body.to_owned()).send()
    };
    let answer = post("?math=true&id_prefix=r1-&heading_ids=1", "# T $x$").await.unwrap();
    assert!(!answer.headers().contains_key("preference-applied"));
    let body: Value = answer.json().await.unwrap();
    let mut names: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["bytes", "finish", "id"]);
    let html = stream(&app, "s").await["html"].as_str().unwrap().to_owned();
    assert!(html.contains("user-content-r1-t") && html.contains("math-inline"), "{html}");
    let empty: Value = post("", "").await.unwrap().json().await.unwrap();
    assert_eq!((&empty["finish"], &empty["bytes"]), (&json!("done"), &json!(0)));
    for (query, slug) in [("?provisional=false", "option-not-streamable"), ("?maths=1", "invalid-option")] {
        check_problem(post(query, "x").await.unwrap(), 422, slug).await;
    }
    let keyed = app.client.post(app.url("/channels/c/streams/s")).header(MARKDOWN.0, MARKDOWN.1);
    check_problem(keyed.header("idempotency-key", "k").body("x").send().await.unwrap(), 400, "invalid-header").await;
}

#[tokio::test]
async fn one_body_at_a_time_writes_a_stream() {
    let app = spawn_app();
    let mut first = Slow::post(&app, "/channels/c/streams/s", &[MARKDOWN]).await;
    until_state(&app, "s", "active").await;
    let mut second = Slow::post(&app, "/channels/c/streams/s", &[MARKDOWN]).await;
    second.send(b"x").await;
    let answer = second.answer().await;
    assert_eq!((answer.status, answer.header("connection")), (409, Some("close")));
    assert_eq!(answer.body["type"], "/problems/stream-busy");
    first.end().await;
    assert_eq!(first.answer().await.body["finish"], "done");
}

/// "Stop generating": whoever pipes a reply in is told at once, and sees the answer although it is still sending.
#[tokio::test]
async fn a_cancel_answers_the_open_body_at_once() {
    let app = spawn_app();
    let mut slow = Slow::post(&app, "/channels/c/streams/s", &[MARKDOWN, ("prefer", "return=representation")]).await;
    slow.send(b"so *far").await;
    until_source(&app, "s", "so *far").await;
    let cancel = json_of(&app, Method::DELETE, "/channels/c/streams/s").await;
    assert_eq!(cancel["cancelled"], true);
    // More than all buffers on the way hold, and nobody has read the answer yet.
    for _ in 0..20 {
        assert!(slow.try_send(&[b'a'; 1 << 19]).await, "it is thrown away, not reset");
    }
    let answer = slow.answer().await;
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert_eq!((&answer.body["finish"], &answer.body["bytes"]), (&json!("cancelled"), &json!(7)));
    assert_eq!(answer.body["id"], cancel["id"]);
    assert_eq!(answer.body["source"], "so *far");
    assert_eq!(slow.rest().await, "", "then it is closed");
    assert_eq!(stream(&app, "s").await["state"], "cancelled");
    let again = json_of(&app, Method::DELETE, "/channels/c/streams/s").await;
    assert_eq!(again, json!({"id": cancel["id"], "cancelled": false}));
    assert_eq!(
        json_of(&app, Method::DELETE, "/channels/never/streams/s").await,
        json!({"id": null, "cancelled": false})
    );
    check_problem(publish(&app, "c", &markdown("s", "x")).await, 409, "stream-cancelled").await;
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_an_error_and_its_text() {
    let app = spawn_app();
    for (name, rudely) in [("gone", false), ("garbled", true)] {
        let mut slow = Slow::post(&app, &format!("/channels/c/streams/{name}"), &[MARKDOWN]).await;
        slow.send(b"so *far\xf0\x9f").await;
        until_source(&app, name, "so *far").await;
        if rudely {
            slow.send_raw(b"no chunk\r\n").await;
        }
        drop(slow);
        until_state(&app, name, "error").await;
        assert_eq!(stream(&app, name).await["source"], "so *far\u{fffd}");
    }
}

#[tokio::test]
async fn a_body_that_falls_silent_ends_with_an_error_and_is_answered() {
    let app = spawn_app_with(|options| options.hub.stream_idle = Duration::from_millis(300));
    let mut slow = Slow::post(&app, "/channels/c/streams/s", &[MARKDOWN]).await;
    slow.send(b"so far").await;
    let answer = slow.answer().await;
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert_eq!((&answer.body["finish"], &answer.body["bytes"]), (&json!("error"), &json!(6)));
    assert!(answer.body["error"].is_string());
    assert_eq!(slow.rest().await, "");
    let mut lines = Slow::post(&app, "/channels/c/ops", &[NDJSON]).await;
    lines.send(format!("{}\n", json!({"stream": "t", "ops": [{"op": "start"}]})).as_bytes()).await;
    assert_eq!(lines.answer().await.status, 408);
    until_state(&app, "t", "error").await;
}

#[tokio::test]
async fn a_reply_that_grows_too_long_ends_with_an_error_and_its_text() {
    let app = spawn_app_with(|options| options.hub.stream_bytes_max = 100);
    let mut slow = Slow::post(&app, "/channels/c/streams/s", &[MARKDOWN, ("prefer", "return=representation")]).await;
    slow.send(&[b'a'; 90]).await;
    until_source(&app, "s", &"a".repeat(90)).await;
    slow.send(&[b'b'; 20]).await;
    let answer = slow.answer().await;
    assert_eq!((&answer.body["finish"], &answer.body["bytes"]), (&json!("error"), &json!(90)));
    assert_eq!(answer.body["source"], "a".repeat(90));
    assert!(answer.body["error"].as_str().unwrap().contains("100 bytes"));
}

#[tokio::test]
async fn an_ended_channel_answers_open_bodies_and_takes_nothing_more() {
    let app = spawn_app();
    let mut slow = Slow::post(&app, "/channels/c/streams/s", &[MARKDOWN]).await;
    slow.send(b"so far").await;
    until_source(&app, "s", "so far").await;
    let ended = json_of(&app, Method::DELETE, "/channels/c").await;
    let answer = slow.answer().await;
    assert_eq!((answer.status, &answer.body["finish"]), (200, &json!("error")));
    assert_eq!(json_of(&app, Method::GET, "/channels/c").await["state"], "ended");
    assert_eq!(stream(&app, "s").await["source"], "so far", "its content is kept");
    check_problem(publish(&app, "c", &text("t", "x")).await, 409, "channel-ended").await;
    let post = app.client.post(app.url("/channels/c/streams/s")).header(MARKDOWN.0, MARKDOWN.1).body("x");
    check_problem(post.send().await.unwrap(), 409, "channel-ended").await;
    assert_eq!(json_of(&app, Method::DELETE, "/channels/c").await, ended, "ending twice changes nothing");
    assert_eq!(json_of(&app, Method::DELETE, "/channels/never").await, json!({"id": null}));
    for path in ["/channels/never", "/channels/never/streams/s", "/channels/c/streams/never"] {
        check_problem(ask(&app, Method::GET, path).await, 404, "not-found").await;
    }
}

#[tokio::test]
async fn a_rate_that_is_used_up_refuses_batches_and_slows_bodies_down() {
    let app = spawn_app_with(|options| {
        options.limits.publish_rate = 20;
        options.limits.burst_seconds = 1;
    });
    let many = json!({"stream": "s", "ops": vec![json!({"op": "text", "text": "x"}); 20]});
    assert_eq!(publish(&app, "c", &many).await.status(), 200);
    let refused = publish(&app, "c", &many).await;
    assert!(refused.headers().contains_key("ratelimit-policy"));
    check_problem(refused, 429, "rate-limited").await;
    until("the rate to recover", async || publish(&app, "c", &text("s", "x")).await.status() == 200).await;
    let began = std::time::Instant::now();
    let lines = format!("{}\n", text("s", "y")).repeat(30);
    let request = || app.client.post(app.url("/channels/c/ops")).header(NDJSON.0, NDJSON.1).body(lines.clone());
    let answer = loop {
        let answer = request().send().await.unwrap();
        if answer.status() != 429 {
            break answer;
        }
    };
    let answer: Value = answer.json().await.unwrap();
    assert_eq!((&answer["applied"], &answer["errors"]), (&json!(30), &json!([])), "none is refused");
    assert!(began.elapsed() > Duration::from_millis(400), "it was read more slowly: {:?}", began.elapsed());
}

#[tokio::test]
async fn a_service_that_stops_takes_no_publish_and_answers_open_bodies() {
    let mut app = spawn_app_with(|options| options.server.drain = Duration::from_secs(10));
    let mut reply = Slow::post(&app, "/channels/c/streams/s", &[MARKDOWN]).await;
    reply.send(b"so far").await;
    until_source(&app, "s", "so far").await;
    let mut lines = Slow::post(&app, "/channels/c/ops", &[NDJSON]).await;
    lines.send(format!("{}\n", text("t", "x")).as_bytes()).await;
    let mut silent = Slow::post(&app, "/channels/c/ops", &[NDJSON]).await;
    silent.send(format!("{}\n", text("u", "x")).as_bytes()).await;
    until_state(&app, "t", "active").await;
    until_state(&app, "u", "active").await;
    let served = app.stop();
    let answer = reply.answer().await;
    assert_eq!((answer.status, &answer.body["type"]), (503, &json!("/problems/draining")));
    assert!(answer.header("retry-after").is_some());
    while lines.try_send(format!("{}\n", text("t", "y")).as_bytes()).await {
        if lines.more(Duration::from_millis(20)).await {
            break;
        }
    }
    assert_eq!((lines.answer().await.status, silent.answer().await.status), (503, 503));
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn publishers_are_served_inside_and_a_cancel_everywhere() {
    let app = spawn_app_with(|options| {
        options.server.internal_listen = vec!["127.0.0.1:0".parse().unwrap()];
    });
    let Some(Listen::Tcp(inside)) = app.internal.first().cloned() else { panic!("no internal port") };
    let inside = |path: &str| format!("http://{inside}{path}");
    let ops = |url: String| app.client.post(url).json(&text("s", "x")).send();
    assert_eq!(ops(inside("/channels/c/ops")).await.unwrap().status(), 200);
    for (method, path, status) in [
        (Method::POST, "/channels/c/ops", 404),
        (Method::GET, "/channels/c", 404),
        (Method::DELETE, "/channels/c", 404),
        (Method::POST, "/render/stream", 404),
        (Method::POST, "/channels/c/streams/s", 405),
        (Method::GET, "/channels/c/streams/s", 405),
    ] {
        let answer = ask(&app, method.clone(), path).await;
        assert_eq!(answer.status(), status, "{method} {path}");
        if status == 405 {
            assert_eq!(answer.headers()["allow"], "DELETE, OPTIONS");
        }
    }
    let cancelled = json_of(&app, Method::DELETE, "/channels/c/streams/s").await;
    assert_eq!(cancelled["cancelled"], true);
    let found = app.client.get(inside("/channels/c/streams/s")).send().await.unwrap();
    assert_eq!(found.json::<Value>().await.unwrap()["state"], "cancelled");
}

#[tokio::test]
async fn a_token_does_what_it_names_and_no_more() {
    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    let app = spawn_app_with(|options| {
        options.auth.api_keys = vec!["backend-key".into()];
        options.auth.token_secrets = vec![SECRET.into()];
    });
    let token = NewToken {
        subject: Some("u7".to_owned()),
        subscribe: Vec::new(),
        publish: vec!["c".parse().unwrap()],
        cancel: vec!["c".parse().unwrap()],
        expires: SystemTime::now() + Duration::from_secs(60),
        until: None,
    };
    let token = Tokens::new(&[SECRET.into()], "rillmark").sign(token).unwrap();
    let with = |key: &str, method: Method, path: &str| {
        app.client.request(method, app.url(path)).header("authorization", format!("Bearer {key}"))
    };
    let batch = text("s", "x");
    for (request, status) in [
        (with("backend-key", Method::POST, "/channels/c/ops").json(&batch), 200),
        (with("wrong", Method::POST, "/channels/c/ops").json(&batch), 401),
        (app.client.post(app.url("/channels/c/ops")).json(&batch), 401),
        (with(&token, Method::POST, "/channels/c/ops").json(&batch), 200),
        (with(&token, Method::POST, "/channels/d/ops").json(&batch), 403),
        (with(&token, Method::GET, "/channels/c"), 403),
        (with(&token, Method::GET, "/channels/c/streams/s"), 403),
        (with(&token, Method::DELETE, "/channels/c"), 403),
        (with(&token, Method::DELETE, "/channels/c/streams/s"), 200),
        (with(&token, Method::DELETE, "/channels/d/streams/s"), 403),
        (with("backend-key", Method::DELETE, "/channels/d/streams/s"), 200),
    ] {
        let request = request.build().unwrap();
        let told = format!("{} {}", request.method(), request.url().path());
        assert_eq!(app.client.execute(request).await.unwrap().status(), status, "{told}");
    }
    let html = json!({"stream": "h", "ops": [{"op": "append", "html": "<b>"}]});
    let refused = with(&token, Method::POST, "/channels/c/ops").json(&html).send().await.unwrap();
    check_problem(refused, 403, "forbidden").await;
}
