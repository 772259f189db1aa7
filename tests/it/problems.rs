//! Refusals: each is a problem, each problem has a page, paths and methods are told apart.

use reqwest::Method;
use rillmark::http::{KINDS, ROUTES};
use serde_json::Value;

use crate::helpers::{check_problem, spawn_app};

#[tokio::test]
async fn every_refusal_is_a_problem() {
    let app = spawn_app();
    let cases = [
        (Method::GET, "/nowhere", 404, "not-found"),
        (Method::POST, "/nowhere", 404, "not-found"),
        (Method::GET, "/render", 405, "method-not-allowed"),
        (Method::DELETE, "/", 405, "method-not-allowed"),
        (Method::GET, "/problems/none", 404, "not-found"),
        (Method::GET, "/docs/none.js", 404, "not-found"),
        (Method::GET, "/assets/none.css", 404, "not-found"),
        (Method::GET, "/healthz/", 404, "not-found"),
        (Method::POST, "/render", 415, "unsupported-media-type"),
    ];
    for (method, path, status, slug) in cases {
        let answer = app.client.request(method.clone(), app.url(path)).send().await.unwrap();
        assert!(answer.headers()["link"].to_str().unwrap().contains(&format!("problems/{slug}>")), "{path}");
        check_problem(answer, status, slug).await;
    }
}

#[tokio::test]
async fn each_route_answers_its_methods_and_no_other() {
    let app = spawn_app();
    for spec in ROUTES {
        let path = spec
            .path
            .replace("{slug}", "busy")
            .replace("{file}", "page.css")
            .replace("{hash}", "0")
            .replace("/docs/page", "/docs/docs");
        let allow = if path == "/" { "GET, HEAD, POST, OPTIONS" } else { spec.allow };
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
            let request = app.client.request(method.parse().unwrap(), app.url(&path));
            let answer = request.send().await.unwrap();
            let allowed = allow.split(", ").any(|known| known == method);
            assert_eq!(answer.status() != 405, allowed, "{method} {path}: {}", answer.status());
            if method == "OPTIONS" || !allowed {
                assert_eq!(answer.headers()["allow"], allow, "{method} {path}");
            }
            if method == "OPTIONS" {
                assert_eq!(answer.status(), 204, "{path}");
            }
        }
    }
}

/// What is said to one page is not kept for another.
#[tokio::test]
async fn every_answer_varies_with_the_page_that_asks() {
    let app = spawn_app();
    for path in ["/", "/healthz", "/metrics", "/problems", "/openapi.json", "/docs/", "/nowhere", "/render"] {
        let answer = app.get(path).await;
        let vary: Vec<_> = answer.headers().get_all("vary").iter().collect();
        assert_eq!(vary.len(), 1, "{path}: {vary:?}");
        assert!(vary[0].to_str().unwrap().split(", ").any(|name| name == "Origin"), "{path}: {vary:?}");
    }
}

#[tokio::test]
async fn head_says_what_get_says_without_a_body() {
    let app = spawn_app();
    for path in ["/healthz", "/", "/problems", "/openapi.json"] {
        let get = app.get(path).await;
        let head = app.client.head(app.url(path)).send().await.unwrap();
        assert_eq!(head.status(), get.status());
        assert_eq!(head.headers()["content-type"], get.headers()["content-type"], "{path}");
        assert!(head.bytes().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn each_problem_is_a_page_and_json() {
    let app = spawn_app();
    let list: Value = app
        .client
        .get(app.url("/problems"))
        .header("accept", "application/json")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(list.as_array().unwrap().len(), KINDS.len());
    let page = app.get("/problems").await.text().await.unwrap();
    for row in KINDS {
        assert!(page.contains(&format!("href=\"problems/{}\"", row.slug)), "{}", row.slug);
        let path = format!("/problems/{}", row.slug);
        let page = app.get(&path).await;
        assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
        assert!(page.text().await.unwrap().contains(row.title));
        let request = app.client.get(app.url(&path)).header("accept", "application/json");
        let json: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!((json["type"].as_str(), json["status"].as_u64()), (Some(path.as_str()), Some(row.status.into())));
    }
}

#[tokio::test]
async fn request_ids_are_kept_if_harmless_and_traces_carried() {
    let app = spawn_app();
    let ask = |name: &'static str, value: &'static str| {
        let request = app.client.get(app.url("/healthz")).header(name, value);
        async { request.send().await.unwrap() }
    };
    assert_eq!(ask("x-request-id", "mine-1.2_3").await.headers()["x-request-id"], "mine-1.2_3");
    let replaced =
        ask("x-request-id", "no spaces, please").await.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(replaced.len(), 36, "{replaced}");
    let traced = ask("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").await;
    let response = traced.headers()["traceresponse"].to_str().unwrap();
    assert!(response.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && response.ends_with("-01"), "{response}");
    assert!(!response.contains("00f067aa0ba902b7"), "the span is ours");
    assert!(ask("traceparent", "junk").await.headers().get("traceresponse").is_none());
}
