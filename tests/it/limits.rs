//! How much of it, over real sockets: rates, renders at once, memory, and that large documents hold nobody up.

use std::time::{Duration, Instant};

use rillmark::limits::LimitsOptions;

use crate::helpers::spawn_app;
use crate::wire::{Place, Sent, Service};

fn service(limits: LimitsOptions) -> Service {
    Service::start(|options| options.limits = limits)
}

/// Many small constructs, none of which trips a bound: slow to render for its size.
fn slow_document(bytes: usize) -> String {
    "*a* `b` [c](d) **e** ~~f~~\n\n".repeat(bytes / 28)
}

/// Sends a large document to `POST /render` without waiting for its answer.
fn send_large(place: &Place, source: &str) -> Sent {
    place.send("POST /render", &[("Host", "localhost"), ("Content-Type", "text/markdown")], source)
}

/// The number of a metric.
fn gauge(place: &Place, name: &str) -> u64 {
    let text = place.ask("GET /metrics", &[("Host", "localhost")], "").body;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
}

/// Asks again and again until it is so, or far too long has passed.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_beyond_its_rate_is_told_when_to_return() {
    let service = service(LimitsOptions { render_rate: 1, burst_seconds: 5, ..Default::default() });
    let first = service.tcp().render(&[], "x");
    assert_eq!(first.status, 200);
    assert_eq!(first.header("ratelimit-policy"), Some("\"render\";q=5;w=5"));
    assert_eq!(first.header("ratelimit"), Some("\"render\";r=4;t=1"));
    assert_eq!(first.header("retry-after"), None);
    let refused = (0..1_000).map(|_| service.tcp().render(&[], "x")).find(|answer| answer.status != 200).unwrap();
    assert_eq!((refused.status, refused.problem().as_str()), (429, "rate-limited"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.header("ratelimit"), Some("\"render\";r=0;t=1"));
    assert_eq!(refused.header("ratelimit-policy"), Some("\"render\";q=5;w=5"));
    assert_eq!(service.tcp().ask("GET /healthz", &[("Host", "localhost")], "").status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_is_told_on_refused_renders_too_and_nowhere_else() {
    let service = service(LimitsOptions::default());
    let unknown =
        service.tcp().ask("POST /render?tablse=1", &[("Host", "localhost"), ("Content-Type", "text/plain")], "x");
    assert_eq!(unknown.status, 422);
    assert!(unknown.header("ratelimit").is_some(), "{unknown:?}");
    assert!(service.tcp().ask("GET /healthz", &[("Host", "localhost")], "").header("ratelimit").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_rate_nobody_is_refused_or_told_of_one() {
    let service = service(LimitsOptions { render_rate: 0, ..Default::default() });
    for _ in 0..500 {
        let answer = service.tcp().render(&[], "x");
        assert_eq!((answer.status, answer.header("ratelimit")), (200, None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn small_renders_go_on_beside_the_largest_document() {
    // The five must end before the large one does: it takes a hundred times as long as they do together.
    let document = slow_document(rillmark::markdown::SOURCE_BYTES_MAX);
    for render_concurrency in [1, 2] {
        let service = service(LimitsOptions { render_concurrency, render_queue: 0, ..Default::default() });
        let place = service.tcp();
        let large = send_large(place, &document);
        until("the large one runs", || gauge(place, "rillmark_renders_in_flight") == 1).await;
        let began = Instant::now();
        for _ in 0..5 {
            assert_eq!(place.render(&[], "*x*").body, "<p><em>x</em></p>\n");
        }
        let small = began.elapsed();
        assert_eq!(
            gauge(place, "rillmark_renders_in_flight"),
            1,
            "five small ones took {small:?}, longer than the large one"
        );
        assert_eq!(large.answer().status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_large_document_is_refused_where_nobody_may_wait() {
    let service = service(LimitsOptions { render_concurrency: 2, render_queue: 0, ..Default::default() });
    let (place, document) = (service.tcp(), slow_document(3 << 20));
    let large = send_large(place, &document);
    until("the large one runs", || gauge(place, "rillmark_renders_in_flight") == 1).await;
    let refused = send_large(place, &"x ".repeat(40_000)).answer();
    assert_eq!((refused.status, refused.problem().as_str()), (503, "busy"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert!(refused.header("ratelimit").is_some());
    assert_eq!(large.answer().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn renders_together_stay_within_their_memory() {
    let render_memory_bytes = 64 * 1024 * 1024;
    let limits = LimitsOptions { render_concurrency: 8, render_queue: 64, render_memory_bytes, ..Default::default() };
    let service = service(LimitsOptions { render_queue_wait: Duration::from_secs(600), ..limits });
    let place = service.tcp();
    let document = "*a* `b`\n\n".repeat(100 * 1024 / 9);
    let sent: Vec<Sent> = (0..16).map(|_| send_large(place, &document)).collect();
    let mut seen = 0;
    until("all are done", || {
        let held = gauge(place, "rillmark_render_memory_bytes");
        assert!(held <= render_memory_bytes, "{held}");
        seen = seen.max(held);
        held == 0 && gauge(place, "rillmark_render_source_bytes_total") == 16 * document.len() as u64
    })
    .await;
    assert!(seen >= 170 * document.len() as u64, "{seen}");
    assert!(sent.into_iter().all(|sent| sent.answer().status == 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_gives_up_its_turn_and_its_place() {
    let limits = LimitsOptions { render_concurrency: 2, render_queue: 4, ..Default::default() };
    let service = service(LimitsOptions { render_queue_wait: Duration::from_secs(600), ..limits });
    let (place, document) = (service.tcp(), slow_document(3 << 20));
    let running = send_large(place, &document);
    until("the first runs", || gauge(place, "rillmark_renders_in_flight") == 1).await;
    let waiting = send_large(place, &document);
    until("the second waits", || gauge(place, "rillmark_render_queue_depth") == 1).await;
    drop(waiting);
    until("the second has left the queue", || gauge(place, "rillmark_render_queue_depth") == 0).await;
    drop(running);
    until("the first has given back its place", || gauge(place, "rillmark_renders_in_flight") == 0).await;
    assert_eq!(gauge(place, "rillmark_render_memory_bytes"), 0);
    assert_eq!(send_large(place, &document).answer().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_waits_for_its_turn_still_counts_as_a_body() {
    let limits = LimitsOptions { render_concurrency: 2, render_queue: 4, ..Default::default() };
    let service = Service::start(|options| {
        options.limits = LimitsOptions { render_queue_wait: Duration::from_secs(600), ..limits };
        options.http.bodies_in_flight_bytes_max = 7 << 20;
    });
    let (place, document) = (service.tcp(), slow_document(3 << 20));
    let running = send_large(place, &document);
    until("the first runs", || gauge(place, "rillmark_renders_in_flight") == 1).await;
    let waiting = send_large(place, &document);
    until("the second waits", || gauge(place, "rillmark_render_queue_depth") == 1).await;
    let refused = send_large(place, &document).answer();
    assert_eq!((refused.status, refused.problem().as_str()), (503, "busy"));
    assert_eq!((running.answer().status, waiting.answer().status), (200, 200));
}

/// Sends ampersands, of each of which the answer makes five bytes, and takes none of the answer.
fn ask_and_take_nothing(place: &Place, source_bytes: usize) -> Sent {
    let headers = [("Host", "localhost"), ("Content-Type", "text/plain"), ("Accept", "text/html")];
    place.send("POST /render", &headers, &"&".repeat(source_bytes))
}

/// Answers that nobody takes fill the memory as well as bodies do, however short their sources are (CWE-770).
#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_not_taken_stay_within_their_budget() {
    let service = Service::start(|options| options.http.answers_in_flight_bytes_max = 12 << 20);
    let place = service.tcp();
    let held = ask_and_take_nothing(place, 3 << 20);
    let sent = || gauge(place, "rillmark_render_html_bytes_total");
    until("it is rendered, and waits to be taken", || {
        sent() > 15 << 20 && gauge(place, "rillmark_renders_in_flight") == 0
    })
    .await;
    let refused = place.render(&[], &"&".repeat(60_000));
    assert_eq!((refused.status, refused.problem().as_str()), (503, "busy"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(place.render(&[], "small").status, 200);
    drop(held);
    until("the budget to come back", || place.render(&[], &"&".repeat(60_000)).status == 200).await;
}

/// Lengths that are announced and never come would lock out whoever sends (CWE-400).
#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_only_announced_take_nothing_from_the_budget() {
    let service = Service::start(|options| options.http.bodies_in_flight_bytes_max = 4 << 20);
    let place = service.tcp();
    let announced = [("Host", "localhost"), ("Content-Type", "text/plain"), ("Content-Length", "1000000")];
    let _held: Vec<Sent> = (0..4).map(|_| place.send("POST /render", &announced, "")).collect();
    until("they are waited for", || gauge(place, "rillmark_http_requests_in_flight") == 5).await;
    assert_eq!(place.render(&[], &"a ".repeat(1 << 20)).status, 200);
}

/// To compress a megabyte for whoever asks, as often as they ask, would be cheap for them and dear for us (CWE-400).
/// What is ready has a length; what is compressed on its way has none.
#[tokio::test]
async fn files_are_compressed_before_they_are_asked_for_again() {
    let app = spawn_app();
    for path in ["/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css", "/openapi.json", "/assets/page.css"] {
        let bare = reqwest::Client::builder().no_proxy().no_gzip().no_brotli().no_zstd().build().unwrap();
        let plain = bare.get(app.url(path)).send().await.unwrap();
        assert!(
            !plain.headers().contains_key("content-encoding") && plain.headers()["vary"] == "Origin, Accept-Encoding"
        );
        assert_eq!(app.get(path).await.bytes().await.unwrap(), plain.bytes().await.unwrap(), "{path}");
        for coding in ["zstd", "br", "gzip"] {
            let coded = bare.get(app.url(path)).header("accept-encoding", coding).send().await.unwrap();
            let header = |name: &str| coded.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
            assert_eq!(header("content-encoding").as_deref(), Some(coding), "{path}");
            assert_eq!(header("vary").as_deref(), Some("Origin, Accept-Encoding"), "{path}");
            assert!(header("content-length").is_some(), "{path} in {coding} was compressed on its way");
        }
    }
}
