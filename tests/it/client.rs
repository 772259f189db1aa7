//! The browser client as it is served, and the demo that shows it.

use std::time::Duration;

use rillmark::server::Options;
use serde_json::Value;

use crate::helpers::{TestApp, check_problem, spawn_app, spawn_app_with, until};
use crate::subscriber::{Sse, Ws};

/// Its size as most browsers get it, in bytes.
const BYTES_MAX: usize = 10_000;

#[tokio::test]
async fn the_client_is_the_committed_one_and_small() {
    let app = spawn_app();
    let plain = app.get("/client.js").await;
    assert_eq!(plain.headers()["content-type"], "text/javascript; charset=utf-8");
    let served = plain.text().await.unwrap();
    let committed = include_str!("../../clients/browser/rillmark.js");
    let mut lines = committed.lines().map(str::trim_start);
    for line in served.lines().skip(1) {
        assert!(lines.any(|known| known == line), "not a line of the module, or not in its order: {line}");
    }
    let request = "GET /client.js HTTP/1.1\r\nhost: localhost\r\naccept-encoding: br\r\nconnection: close\r\n\r\n";
    let answer = app.converse(request.as_bytes()).await;
    let header = |name: &str| answer.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
    assert_eq!(header("content-encoding:"), "br");
    let bytes: usize = header("content-length:").parse().unwrap();
    assert!(bytes <= BYTES_MAX, "{bytes} bytes");
}

#[test]
fn the_package_is_of_this_version_and_has_its_licences() {
    let package: Value = serde_json::from_str(include_str!("../../clients/browser/package.json")).unwrap();
    assert_eq!(package["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(package["license"], "MIT OR Apache-2.0");
    assert_eq!(include_str!("../../clients/browser/LICENSE-MIT"), include_str!("../../LICENSE-MIT"));
    assert_eq!(include_str!("../../clients/browser/LICENSE-APACHE"), include_str!("../../LICENSE-APACHE"));
}

#[tokio::test]
async fn each_coding_has_its_own_tag() {
    let app = spawn_app();
    let ask = |coding: &'static str, tag: String| {
        let request = app.client.get(app.url("/client.js")).header("accept-encoding", coding);
        async { if tag.is_empty() { request } else { request.header("if-none-match", tag) }.send().await.unwrap() }
    };
    let mut tags = Vec::new();
    for coding in ["identity", "gzip", "br", "zstd"] {
        let answer = ask(coding, String::new()).await;
        let tag = answer.headers()["etag"].to_str().unwrap().to_owned();
        assert!(tag.starts_with('"') && tag.ends_with('"') && !tags.contains(&tag), "{tag}");
        for known in [tag.clone(), format!("\"other\", W/{tag}"), "*".to_owned()] {
            let unchanged = ask(coding, known).await;
            assert_eq!((unchanged.status().as_u16(), &unchanged.headers()["etag"]), (304, &tag.parse().unwrap()));
            assert!(unchanged.bytes().await.unwrap().is_empty());
        }
        tags.push(tag);
    }
    assert_eq!(ask("gzip", tags[2].clone()).await.status(), 200, "the tag of another coding");
}

#[tokio::test]
async fn a_name_with_the_hash_may_be_kept_for_ever() {
    let app = spawn_app();
    let first = app.get("/client.js").await;
    let name = first.headers()["content-location"].to_str().unwrap().to_owned();
    let twin = app.get(&format!("/{name}")).await;
    assert!(twin.headers()["cache-control"].to_str().unwrap().contains("immutable"));
    assert_eq!(twin.headers()["etag"], first.headers()["etag"]);
    assert_eq!(twin.text().await.unwrap(), first.text().await.unwrap());
    check_problem(app.get("/client-0123456789abcdef.js").await, 404, "not-found").await;
}

/// A page of any site may load it, also from a service without keys; what it then asks for is another matter.
#[tokio::test]
async fn pages_of_any_origin_may_load_the_client() {
    let app = spawn_app();
    for origin in ["https://app.example", "null"] {
        let request = app.client.get(app.url("/client.js")).header("origin", origin);
        let answer = request.header("sec-fetch-site", "cross-site").send().await.unwrap();
        assert_eq!(answer.status(), 200, "{origin}");
        assert_eq!(answer.headers()["access-control-allow-origin"], "*");
        assert_eq!(answer.headers()["cross-origin-resource-policy"], "cross-origin");
        let refused = app.client.get(app.url("/sse?channel=c")).header("origin", origin).send().await.unwrap();
        check_problem(refused, 403, "forbidden").await;
    }
}

async fn play(app: &TestApp, query: &str, source: impl Into<reqwest::Body>) -> reqwest::Response {
    let request = app.client.post(app.url(&format!("/demo{query}"))).header("content-type", "text/markdown");
    request.body(source).send().await.unwrap()
}

async fn channel_of(answer: reqwest::Response) -> String {
    assert_eq!(answer.status(), 200);
    let told: Value = answer.json().await.unwrap();
    let channel = told["channel"].as_str().unwrap().to_owned();
    assert!(channel.starts_with("demo-") && channel.len() > 20, "{channel}");
    channel
}

#[tokio::test]
async fn the_demo_plays_a_reply_and_its_tokens() {
    let app = spawn_app();
    let channel = channel_of(play(&app, "?rate=1000", "Hello **wide** world").await).await;
    let state = || async {
        let raw: Value = app.get(&format!("/channels/{channel}/streams/raw")).await.json().await.unwrap();
        let reply: Value = app.get(&format!("/channels/{channel}/streams/reply")).await.json().await.unwrap();
        (raw, reply)
    };
    until("the reply", async || state().await.1["state"] == "done").await;
    let (raw, reply) = state().await;
    assert_eq!(reply["html"], "<p>Hello <strong>wide</strong> world</p>");
    let texts: String = raw["ops"].as_array().unwrap().iter().filter_map(|op| op["text"].as_str()).collect();
    assert_eq!(texts, "Hello **wide** world");
}

#[tokio::test]
async fn a_cut_ends_the_connections_and_the_reply_goes_on() {
    let app = spawn_app();
    let channel = channel_of(play(&app, "?rate=20", "a b c d e f g h i j k l m n o p q r s t u v w x y z").await).await;
    let (mut sse, mut ws) = (
        Sse::open(&app, &format!("/channels/{channel}/sse"), "").await,
        Ws::open(&app, &format!("/channels/{channel}/ws")).await,
    );
    ws.of_type("subscribed").await;
    sse.control("subscribed").await;
    let cut = app.client.post(app.url(&format!("/demo/{channel}/cut"))).send().await.unwrap();
    assert_eq!(cut.status(), 204);
    let bye = sse.control("bye").await;
    assert_eq!((&bye["come_back"], &bye["after_ms"]), (&true.into(), &1500.into()));
    assert!(sse.next().await.is_none(), "the connection is closed");
    assert_eq!(ws.close_code().await, Some(1012));
    let mut again = Sse::open(&app, &format!("/channels/{channel}/sse"), "").await;
    while !again.next().await.expect("the reply goes on").data.contains(" z") {}
}

#[tokio::test]
async fn the_demo_plays_within_its_bounds() {
    let app = spawn_app_with(|options: &mut Options| options.limits.render_rate = 0);
    check_problem(play(&app, "", "a".repeat(64 * 1024 + 1)).await, 413, "body-too-large").await;
    for query in ["?rate=0", "?rate=1001", "?rate=many", "?speed=1", "?tail=no"] {
        check_problem(play(&app, query, "a").await, 422, "invalid-option").await;
    }
    let json = app.client.post(app.url("/demo")).json(&Value::Null).send().await.unwrap();
    check_problem(json, 415, "unsupported-media-type").await;
    check_problem(app.client.post(app.url("/demo/chat-42/cut")).send().await.unwrap(), 404, "not-found").await;
    let mut last = String::new();
    for _ in 0..50 {
        last = channel_of(play(&app, "?rate=1", "some words that take their time").await).await;
    }
    let refused = play(&app, "", "one more").await;
    assert_eq!(refused.headers()["retry-after"], "5");
    check_problem(refused, 503, "busy").await;
    let stop = app.client.delete(app.url(&format!("/channels/{last}/streams/reply"))).send().await.unwrap();
    assert_eq!(stop.status(), 200);
    until("a place", async || play(&app, "", "one more").await.status() == 200).await;
}

#[tokio::test]
async fn there_is_no_demo_where_keys_are_needed_or_it_is_off() {
    let keyed = spawn_app_with(|options| options.auth.api_keys = vec!["k".repeat(40).into()]);
    let off = spawn_app_with(|options| options.http.demo = false);
    for app in [keyed, off] {
        check_problem(play(&app, "", "a").await, 404, "not-found").await;
    }
    let foreign = spawn_app();
    let request = foreign.client.post(foreign.url("/demo")).header("origin", "https://evil.example");
    check_problem(request.body("a").timeout(Duration::from_secs(5)).send().await.unwrap(), 403, "forbidden").await;
}
