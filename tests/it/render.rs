//! `POST /render` over real HTTP: forms, negotiation, refusals by name, sizes.

use serde_json::json;

use crate::helpers::{check_problem, spawn_app, spawn_app_with};

#[tokio::test]
async fn json_and_text_bodies_render_the_same() {
    let app = spawn_app();
    let source = "Hello **world** & <b>all</b>\n\n| a |\n|---|\n| ü |\n";
    let options = json!({"provisional": false, "table_align": "attribute", "id_prefix": "r1-"});
    let from_json: serde_json::Value =
        app.render_json(&json!({"source": source, "options": options})).await.json().await.unwrap();
    let query = "?provisional=false&table_align=attribute&id_prefix=r1-";
    let from_text: serde_json::Value = app.render_text(query, source).await.json().await.unwrap();
    assert_eq!(from_json, from_text);
    let html = from_json["html"].as_str().unwrap();
    assert!(html.contains("<strong>world</strong>") && html.contains("&lt;b&gt;"), "{html}");
}

#[tokio::test]
async fn the_answer_has_the_form_that_accept_prefers() {
    let app = spawn_app();
    for (accept, expected) in [
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/html", "text/html; charset=utf-8"),
        ("text/html, application/json;q=0.9", "text/html; charset=utf-8"),
        ("application/json, text/html;q=0.9", "application/json"),
        ("application/pdf", "application/json"),
    ] {
        let request = app.client.post(app.url("/render?provisional=false")).header("accept", accept);
        let answer = request.header("content-type", "text/plain").body("*a*").send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], expected, "{accept}");
        let vary: Vec<_> = answer.headers()["vary"].to_str().unwrap().split(", ").collect();
        assert_eq!(vary, ["Origin", "Accept", "Accept-Encoding"]);
        let fragment = answer.headers().get("content-security-policy").is_some();
        assert_eq!(fragment, expected.starts_with("text/html"));
        let body = answer.text().await.unwrap();
        assert_eq!(body.starts_with("<p><em>a</em></p>"), fragment, "{body}");
    }
}

#[tokio::test]
async fn answers_are_compressed_where_asked_and_worth_it() {
    let app = spawn_app();
    let long = "word ".repeat(2_000);
    for (accept, body, expected) in [
        ("gzip", long.as_str(), Some("gzip")),
        ("br", &long, Some("br")),
        ("zstd", &long, Some("zstd")),
        ("gzip;q=0.5, br;q=0.9", &long, Some("br")),
        ("deflate, identity", &long, None),
        ("gzip", "short", None),
    ] {
        let bare = reqwest::Client::builder().no_proxy().no_gzip().no_brotli().no_zstd().build().unwrap();
        let request = bare.post(app.url("/render?provisional=false")).header("accept-encoding", accept);
        let answer = request.header("content-type", "text/plain").body(body.to_owned()).send().await.unwrap();
        let coding = answer.headers().get("content-encoding").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(coding.as_deref(), expected, "{accept}");
        assert_eq!(answer.headers()["vary"], "Origin, Accept, Accept-Encoding", "{accept}");
        assert_eq!(answer.headers().get_all("vary").iter().count(), 1, "{accept}");
    }
    // reqwest asks for all of them by itself and decodes: what was sent comes back.
    let html = app.render_text("?provisional=false", long.clone()).await.json::<serde_json::Value>().await.unwrap();
    assert_eq!(html["html"], format!("<p>{}</p>\n", long.trim_end()));
}

/// HTTP/1.0 knows no chunks, and `HEAD` is told nothing that `GET` would not be.
#[tokio::test]
async fn compression_keeps_to_the_version_and_to_what_get_says() {
    let app = spawn_app();
    let head_of = async |request: &str, version: &str| {
        let rest = "host: localhost\r\naccept-encoding: gzip\r\nconnection: close";
        let request = format!("{request} /problems HTTP/{version}\r\n{rest}\r\n\r\n");
        let answer = app.converse(request.as_bytes()).await;
        answer.split_once("\r\n\r\n").unwrap().0.to_owned()
    };
    let old = head_of("GET", "1.0").await;
    assert!(!old.contains("transfer-encoding") && !old.contains("content-encoding"), "{old}");
    assert!(old.contains("content-length: "), "{old}");
    for method in ["GET", "HEAD"] {
        let new = head_of(method, "1.1").await;
        assert!(new.contains("content-encoding: gzip") && !new.contains("content-length"), "{method}: {new}");
    }
}

#[tokio::test]
async fn what_is_not_understood_is_refused_by_name() {
    let app = spawn_app();
    for (body, named) in [
        (json!({"source": "a", "options": {"tablse": true}}), "tablse"),
        (json!({"source": "a", "options": {"tables": "yes"}}), "tables"),
        (json!({"source": "a", "sauce": 1}), "sauce"),
        (json!({"source": 1}), "source"),
        (json!({"options": {}}), "source"),
    ] {
        let problem = check_problem(app.render_json(&body).await, 422, "invalid-option").await;
        assert_eq!(problem["option"], named, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(named), "{problem}");
    }
    let problem = check_problem(app.render_text("?maths=1", "a").await, 422, "invalid-option").await;
    assert_eq!(problem["option"], "maths");
    let query = app.client.post(app.url("/render?maths=true")).json(&json!({"source": "a"})).send().await.unwrap();
    assert_eq!(check_problem(query, 422, "invalid-option").await["option"], "maths");
}

#[tokio::test]
async fn bodies_that_are_not_json_or_not_taken_are_refused() {
    let app = spawn_app();
    let send = |content_type: Option<&str>, extra: Option<(&str, &str)>, body: &[u8]| {
        let mut request = app.client.post(app.url("/render")).body(body.to_vec());
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        if let Some((name, value)) = extra {
            request = request.header(name, value);
        }
        async { request.send().await.unwrap() }
    };
    for body in [&b"{"[..], b"", b"{\"source\":\"\xff\"}", b"{\"source\":\"a\"}}"] {
        check_problem(send(Some("application/json"), None, body).await, 400, "invalid-json").await;
    }
    for content_type in [None, Some("text/html"), Some("text/plain; charset=latin1"), Some("nonsense")] {
        let answer = send(content_type, None, b"a").await;
        assert!(answer.headers()["accept-post"].to_str().unwrap().contains("text/markdown"));
        check_problem(answer, 415, "unsupported-media-type").await;
    }
    let coded = send(Some("text/plain"), Some(("content-encoding", "gzip")), b"a").await;
    assert_eq!(coded.headers()["accept-encoding"], "identity");
    check_problem(coded, 415, "unsupported-media-type").await;
}

#[tokio::test]
async fn lone_surrogates_and_broken_utf8_become_replacement_characters() {
    let app = spawn_app();
    let send = |content_type: &'static str, body: &'static [u8]| {
        let request = app.client.post(app.url("/render")).header("content-type", content_type).body(body);
        async { request.send().await.unwrap().json::<serde_json::Value>().await.unwrap()["html"].to_string() }
    };
    let json = send("application/json", br#"{"source":"a\ud83d b","options":{"provisional":false}}"#).await;
    assert!(json.contains("a\u{fffd} b"), "{json}");
    let text = send("text/plain", b"a\xff b\n").await;
    assert!(text.contains("a\u{fffd} b"), "{text}");
}

#[tokio::test]
async fn a_body_over_its_cap_is_refused_and_one_at_it_is_not() {
    let app = spawn_app_with(|options| {
        options.http.render_body_bytes_max = 1000;
        options.http.render_json_bytes_max = 2000;
    });
    assert_eq!(app.render_text("", "a".repeat(1000)).await.status(), 200);
    let problem = check_problem(app.render_text("", "a".repeat(1001)).await, 413, "body-too-large").await;
    assert!(problem["detail"].as_str().unwrap().contains("1000"), "{problem}");
    let overhead = json!({"source": ""}).to_string().len();
    assert_eq!(app.render_json(&json!({"source": "a".repeat(2000 - overhead)})).await.status(), 200);
    let long = app.render_json(&json!({"source": "a".repeat(2001 - overhead)})).await;
    check_problem(long, 413, "body-too-large").await;
    // Without a length the body is refused while it is read.
    let chunks = futures_stream(vec!["a".repeat(600), "a".repeat(600)]);
    check_problem(app.render_text("", reqwest::Body::wrap_stream(chunks)).await, 413, "body-too-large").await;
}

#[tokio::test]
async fn large_sources_are_rendered_whole() {
    let app = spawn_app();
    let line = "a *b* c\n\n";
    let source = line.repeat(200_000 / line.len());
    let text: serde_json::Value = app.render_text("?provisional=false", source.clone()).await.json().await.unwrap();
    assert_eq!(text["html"].as_str().unwrap().matches("<em>b</em>").count(), source.len() / line.len());
    let body = json!({"source": source, "options": {"provisional": false}});
    let json: serde_json::Value = app.render_json(&body).await.json().await.unwrap();
    assert_eq!(json, text);
    let bad = json!({"source": source, "options": {"math": 1}});
    check_problem(app.render_json(&bad).await, 422, "invalid-option").await;
}

fn futures_stream(
    chunks: Vec<String>,
) -> impl futures_util::Stream<Item = Result<String, std::io::Error>> + Send + Sync + 'static {
    futures_util::stream::iter(chunks.into_iter().map(Ok))
}
