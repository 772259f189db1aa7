//! Liveness, readiness, metrics, pages, docs: what operators and people see.

use rillmark::server::Listen;

use crate::helpers::{check_problem, spawn_app, spawn_app_with};

#[tokio::test]
async fn a_service_that_is_told_to_stop_lives_and_is_not_ready() {
    let app = spawn_app();
    assert_eq!(app.get("/healthz").await.text().await.unwrap(), r#"{"status":"ok"}"#);
    assert_eq!(app.get("/readyz").await.text().await.unwrap(), r#"{"status":"ready"}"#);
    app.readiness.drain();
    assert_eq!(app.get("/healthz").await.status(), 200);
    check_problem(app.get("/readyz").await, 503, "draining").await;
}

#[tokio::test]
async fn internal_routes_are_served_only_by_internal_listeners() {
    let app = spawn_app_with(|options| options.server.internal_listen = vec!["127.0.0.1:0".parse().unwrap()]);
    let [Listen::Tcp(internal)] = app.internal[..] else { panic!("{:?}", app.internal) };
    for (path, public) in [
        ("/healthz", 200),
        ("/readyz", 200),
        ("/", 200),
        ("/problems", 200),
        ("/assets/page.css", 200),
        ("/metrics", 404),
        ("/openapi.json", 404),
        ("/docs/", 404),
        ("/render", 404),
    ] {
        assert_eq!(app.get(path).await.status(), public, "public {path}");
        let inside = app.client.get(format!("http://{internal}{path}")).send().await.unwrap().status();
        assert_eq!(inside, if path == "/render" { 405 } else { 200 }, "internal {path}");
    }
    let front = app.get("/").await.text().await.unwrap();
    assert!(!front.contains("<form") && !front.contains("docs/"), "no live render and no docs where none are served");
    check_problem(app.client.post(app.url("/")).send().await.unwrap(), 405, "method-not-allowed").await;
}

#[tokio::test]
async fn pages_forbid_what_they_do_not_need() {
    let app = spawn_app();
    for path in ["/", "/problems", "/problems/busy", "/docs/"] {
        let answer = app.get(path).await;
        assert_eq!(answer.status(), 200, "{path}");
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        let policy = header("content-security-policy");
        for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "script-src 'self'"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("'unsafe-inline'") || path == "/docs/", "{policy}");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "same-origin");
        let html = answer.text().await.unwrap();
        for word in ["<script>", "style=\"", "src=\"http", "href=\"http", "href=\"/", "src=\"/"] {
            assert!(!html.contains(word), "{path} has {word}");
        }
    }
}

#[tokio::test]
async fn what_pages_load_is_there() {
    let app = spawn_app();
    for (page, base) in [("/", "/"), ("/docs/", "/docs/"), ("/problems/busy", "/problems/")] {
        let html = app.get(page).await.text().await.unwrap();
        let links: Vec<&str> = html.split(['"']).skip(1).step_by(2).collect();
        let links = links.into_iter().filter(|link| link.contains('.') && !link.contains([' ', ';']));
        let base = reqwest::Url::parse(&app.url(base)).unwrap();
        let mut seen = 0;
        for link in links.filter(|link| !link.ends_with("./")) {
            seen += 1;
            let answer = app.client.get(base.join(link).unwrap()).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{page} → {link}");
        }
        assert!(seen >= 2, "{page}: {html}");
    }
    let redirect = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let docs = redirect.get(app.url("/docs")).send().await.unwrap();
    assert_eq!((docs.status().as_u16(), &docs.headers()["location"]), (308, &"docs/".parse().unwrap()));
}

#[tokio::test]
async fn the_front_page_renders_a_form_without_scripts() {
    let app = spawn_app();
    let send = |body: String| {
        let request = app.client.post(app.url("/")).header("content-type", "application/x-www-form-urlencoded");
        async { request.body(body).send().await.unwrap() }
    };
    let answer = send("source=Hi+**you**%0D%0A%3Cb%3E%26".to_owned()).await;
    assert_eq!(answer.status(), 200);
    let html = answer.text().await.unwrap();
    assert!(html.contains("Hi <strong>you</strong>"), "{html}");
    assert!(html.contains("Hi **you**\n&lt;b&gt;&amp;</textarea>"), "{html}");
    assert_eq!(send(format!("source={}", "%C3%BC".repeat(1000))).await.status(), 200);
    check_problem(send(format!("source={}", "a".repeat(1001))).await, 413, "body-too-large").await;
    check_problem(send("a".repeat(20_000)).await, 413, "body-too-large").await;
    check_problem(send("sauce=1".to_owned()).await, 422, "invalid-option").await;
}

#[tokio::test]
async fn the_front_page_offers_no_live_render_where_a_key_is_needed() {
    let app = spawn_app_with(|options| options.auth.api_keys = vec!["k".repeat(40).into()]);
    let html = app.get("/").await.text().await.unwrap();
    assert!(!html.contains("<form") && html.contains("authorization: Bearer"), "{html}");
    let quiet = spawn_app_with(|options| options.http.demo = false);
    assert!(!quiet.get("/").await.text().await.unwrap().contains("<form"));
}
