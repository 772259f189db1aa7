//! `/metrics`: what is counted, and that labels are bounded.

use serde_json::json;

use crate::helpers::{TestApp, spawn_app, until};

async fn metrics(app: &TestApp) -> String {
    app.get("/metrics").await.text().await.unwrap()
}

#[tokio::test]
async fn requests_renders_and_refusals_are_counted() {
    let app = spawn_app();
    assert_eq!(app.render_json(&json!({"source": "12345678"})).await.status(), 200);
    assert_eq!(app.render_json(&json!({"sauce": 1})).await.status(), 422);
    assert_eq!(app.get("/no/such/path-0815").await.status(), 404);
    let odd = app.client.request("BREW".parse().unwrap(), app.url("/render")).send().await.unwrap();
    assert_eq!(odd.status(), 405);
    let line = |route: &str, method: &str, status: &str, count: u32| {
        format!(
            r#"rillmark_http_request_duration_seconds_count{{method="{method}",route="{route}",status="{status}"}} {count}"#
        )
    };
    let expected = [
        line("/render", "POST", "2xx", 1),
        line("/render", "POST", "4xx", 1),
        line("unmatched", "GET", "4xx", 1),
        line("/render", "other", "4xx", 1),
        "rillmark_render_source_bytes_total 8".to_owned(),
        "rillmark_render_seconds_count 1".to_owned(),
        r#"rillmark_refusals_total{reason="invalid-option"} 1"#.to_owned(),
        r#"rillmark_refusals_total{reason="not-found"} 1"#.to_owned(),
        format!(r#"rillmark_build_info{{version="{}"}} 1"#, env!("CARGO_PKG_VERSION")),
        "rillmark_render_queue_depth 0".to_owned(),
        "rillmark_http_requests_in_flight 1".to_owned(),
    ];
    until("all counts", async || {
        let text = metrics(&app).await;
        expected.iter().all(|line| text.contains(line))
    })
    .await;
    let text = metrics(&app).await;
    assert!(!text.contains("0815") && !text.contains("BREW"), "labels are not the caller's words");
    assert!(text.contains("process_resident_memory_bytes") && text.contains("rillmark_connections "));
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let app = spawn_app();
    let answer = app.get("/metrics").await;
    assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    for line in answer.text().await.unwrap().lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with("rillmark_") || name.starts_with("process_"), "{line}");
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
}
