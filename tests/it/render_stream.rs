//! `POST /render/stream`: frames of a source that is still being sent.

use std::time::Duration;

use serde_json::{Value, json};

use crate::helpers::{TestApp, check_problem, spawn_app, spawn_app_with};
use crate::page::Page;
use crate::slow::{Slow, dechunked};

const MARKDOWN: (&str, &str) = ("content-type", "text/markdown");
const LINES: (&str, &str) = ("accept", "application/x-ndjson");

/// The frames in NDJSON.
fn frames(body: &str) -> Vec<Value> {
    body.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// The names of all ops.
fn ops(frames: &[Value]) -> Vec<String> {
    let ops = frames.iter().flat_map(|frame| frame["ops"].as_array().unwrap());
    ops.map(|op| op["op"].as_str().unwrap().to_owned()).collect()
}

/// The page after these frames, of a stream of this name.
fn page(stream: &str, frames: &[Value]) -> Page {
    let mut page = Page::load(&format!("<div dj-stream='{stream}'></div>"));
    frames.iter().for_each(|frame| page.message(&frame.to_string()));
    assert_eq!(page.waiting(), 0, "every tick has ended");
    page
}

async fn one_shot(app: &TestApp, query: &str, source: &str) -> String {
    let answer = app.render_text(&format!("?provisional=false&dense=true{query}"), source.to_owned()).await;
    answer.json::<Value>().await.unwrap()["html"].as_str().unwrap().to_owned()
}

/// Sends a whole source at once and reads the frames.
async fn stream(app: &TestApp, query: &str, source: &str) -> Vec<Value> {
    let request = app.client.post(app.url(&format!("/render/stream{query}")));
    let answer = request.header(MARKDOWN.0, MARKDOWN.1).header(LINES.0, LINES.1).body(source.to_owned()).send();
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/x-ndjson");
    frames(&answer.text().await.unwrap())
}

#[tokio::test]
async fn frames_come_before_the_source_ends() {
    let app = spawn_app();
    let mut slow = Slow::post(&app, "/render/stream", &[MARKDOWN]).await;
    let head = slow.until("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("content-type: text/event-stream\r\n"), "{head}");
    assert!(head.contains("cache-control: no-cache, no-transform\r\n") && head.contains("x-accel-buffering: no\r\n"));
    slow.until(r#""op":"start""#).await;
    for word in ["Hello", " **wor", "ld**\n\n", "- caf\u{e9}"] {
        let mark = word.trim_matches(['*', ' ', '\n', '-']).to_owned();
        let (left, right) = word.as_bytes().split_at(word.len() - 1);
        slow.send(left).await;
        slow.send(right).await;
        slow.until(&mark).await;
    }
    slow.end().await;
    let last = slow.until("0\r\n\r\n").await;
    assert!(last.contains(r#""op":"done""#), "{last}");
}

#[tokio::test]
async fn a_streamed_source_ends_as_the_render_of_the_whole() {
    let app = spawn_app();
    let source = "# T\u{ef}tle\n\n| a | b |\n|---|---|\n| 1 | \u{1f600} |\n\n```rust\nfn x() {}\n```\n\n1. *a\n2. b* <i>\n\n[l](x \"t\")";
    for (query, options) in [("", ""), ("?math=true&id_prefix=a-", "&math=true&id_prefix=a-")] {
        let whole = stream(&app, query, source).await;
        page("response", &whole).assert_shows("response", &one_shot(&app, options, source).await);
        assert_eq!(ops(&whole).first().map(String::as_str), Some("start"));
        assert_eq!(ops(&whole).last().map(String::as_str), Some("done"));
    }
    let mut slow = Slow::post(&app, "/render/stream?stream=s-1", &[MARKDOWN, LINES]).await;
    slow.until("\r\n\r\n").await;
    for byte in source.as_bytes() {
        slow.send(&[*byte]).await;
        if *byte == b'\n' {
            // Not every line shows something at its end.
            slow.more(Duration::from_millis(30)).await;
        }
    }
    slow.end().await;
    let frames = frames(&dechunked(&slow.rest().await));
    assert!(frames.len() > 5, "it came in pieces: {}", frames.len());
    let page = page("s-1", &frames);
    page.assert_shows("s-1", &one_shot(&app, "", source).await);
    assert!(!page.has("[data-stream-active]") && page.skipped().is_empty());
}

#[tokio::test]
async fn events_carry_the_same_frames_as_lines() {
    let app = spawn_app();
    let request = app.client.post(app.url("/render/stream")).header(MARKDOWN.0, MARKDOWN.1).body("a *b*\n");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let text = answer.text().await.unwrap();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect::<Vec<_>>().join("\n");
    page("response", &frames(&data)).assert_shows("response", "<p>a <em>b</em></p>");
    assert!(text.ends_with("\n\n") && text.contains("\nid: "));
}

#[tokio::test]
async fn a_source_that_falls_silent_ends_with_an_error_and_its_text() {
    let app = spawn_app_with(|options| options.hub.stream_idle = Duration::from_millis(300));
    let mut slow = Slow::post(&app, "/render/stream", &[MARKDOWN, LINES]).await;
    slow.until("\r\n\r\n").await;
    slow.send(b"so *far").await;
    let body = slow.rest().await;
    assert!(body.ends_with("\r\n0\r\n\r\n"), "the answer ends as it should: {body}");
    let frames = frames(&dechunked(&body));
    let page = page("response", &frames);
    assert_eq!(ops(&frames).last().map(String::as_str), Some("error"), "{body}");
    let shown = format!("{:?}", page.body());
    assert!(shown.contains("so ") && shown.contains("Interrupted"), "{shown}");
}

#[tokio::test]
async fn the_answer_to_a_source_that_breaks_off_has_no_end() {
    let app = spawn_app();
    let mut slow = Slow::post(&app, "/render/stream", &[MARKDOWN, LINES]).await;
    slow.until("\r\n\r\n").await;
    slow.send(b"so *far").await;
    let mut body = slow.until("far").await;
    slow.send_raw(b"no chunk\r\n").await;
    body += &slow.rest().await;
    assert!(!body.contains("\r\n0\r\n\r\n") && !body.contains(r#""op":"done""#), "{body}");
}

#[tokio::test]
async fn a_source_that_grows_too_long_ends_with_an_error_and_its_text() {
    let app = spawn_app_with(|options| options.hub.stream_bytes_max = 1000);
    let mut slow = Slow::post(&app, "/render/stream", &[MARKDOWN, LINES]).await;
    slow.until("\r\n\r\n").await;
    slow.send(&[b'a'; 1000]).await;
    slow.send(b"zzz").await;
    let body = slow.rest().await;
    let frames = frames(&dechunked(&body));
    let last = frames.last().unwrap()["ops"].as_array().unwrap().last().unwrap();
    assert_eq!(last["error"], "The source is longer than 1000 bytes");
    assert!(body.contains(&"a".repeat(1000)) && !body.contains("zzz"), "{body}");
}

#[tokio::test]
async fn a_quiet_source_is_kept_alive() {
    let app = spawn_app_with(|options| options.http.streams.keep_alive = Duration::from_millis(50));
    let mut slow = Slow::post(&app, "/render/stream", &[MARKDOWN]).await;
    slow.until("\n: keep-alive\n\n").await;
    slow.until(": keep-alive\n\n").await;
    slow.send(b"x").await;
    slow.until(">x<").await;
}

#[tokio::test]
async fn what_is_not_understood_is_refused_before_any_frame() {
    let app = spawn_app();
    for (query, media, status, slug) in [
        ("?maths=1", "text/markdown", 422, "invalid-option"),
        ("?dense=false", "text/markdown", 422, "option-not-streamable"),
        ("?provisional=0", "text/plain", 422, "option-not-streamable"),
        ("?stream=a%20b", "text/markdown", 422, "invalid-name"),
        ("?stream=a&stream=b", "text/markdown", 422, "invalid-option"),
        ("", "application/json", 415, "unsupported-media-type"),
    ] {
        let request = app.client.post(app.url(&format!("/render/stream{query}"))).header("content-type", media);
        check_problem(request.body("x").send().await.unwrap(), status, slug).await;
    }
    // While the body is still open, too.
    let mut slow = Slow::post(&app, "/render/stream?maths=1", &[MARKDOWN]).await;
    slow.send(b"x").await;
    let answer = slow.answer().await;
    assert_eq!((answer.status, answer.header("connection")), (422, Some("close")));
    assert_eq!(answer.body["option"], "maths");
}

#[tokio::test]
async fn streams_count_against_the_rate_of_renders() {
    let app = spawn_app_with(|options| {
        options.limits.render_rate = 1;
        options.limits.burst_seconds = 1;
    });
    let ask =
        async || app.client.post(app.url("/render/stream")).header("content-type", "text/plain").body("x").send().await;
    let first = ask().await.unwrap();
    assert_eq!(first.status(), 200);
    assert_eq!(first.headers()["ratelimit"], "\"render\";r=0;t=1");
    check_problem(ask().await.unwrap(), 429, "rate-limited").await;
}

#[tokio::test]
async fn a_large_document_is_rendered_off_the_worker_and_whole() {
    let app = spawn_app();
    let source = "line *x* `y`\n\n".repeat(30_000);
    let frames = stream(&app, "", &source).await;
    page("response", &frames).assert_shows("response", &one_shot(&app, "", &source).await);
    assert_eq!(json!(ops(&frames).last()), json!("done"));
}
