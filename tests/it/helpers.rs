//! A service for one test: bound to a free port, spoken to over real HTTP, stopped when the test is over.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rillmark::http::Readiness;
use rillmark::server::{Listen, Options, Server};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

/// How long a test waits for what must come: long enough for a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running service.
pub(crate) struct TestApp {
    pub(crate) address: SocketAddr,
    pub(crate) listens: Vec<Listen>,
    pub(crate) internal: Vec<Listen>,
    pub(crate) client: reqwest::Client,
    pub(crate) readiness: Readiness,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<io::Result<()>>>,
}

/// A service with the defaults, on a free port, without a rate.
pub(crate) fn spawn_app() -> TestApp {
    spawn_app_with(|_| {})
}

/// As [`spawn_app`], with options changed.
pub(crate) fn spawn_app_with(change: impl FnOnce(&mut Options)) -> TestApp {
    let mut options = Options::default();
    options.server.listen = vec!["127.0.0.1:0".parse().unwrap()];
    options.server.workers = 1;
    options.server.drain_delay = Duration::from_millis(10);
    options.limits.render_rate = 0;
    change(&mut options);
    let server = Server::bind(options).unwrap();
    let (listens, internal) = (server.local_addrs(), server.internal_addrs());
    let address = listens.iter().find_map(|listen| match listen {
        Listen::Tcp(address) => Some(*address),
        Listen::Unix(_) => None,
    });
    let readiness = server.readiness();
    let (stop, stopped) = oneshot::channel();
    let served = tokio::spawn(server.run_until(async {
        // Dropped without a word also means stop.
        let _ = stopped.await;
    }));
    TestApp {
        address: address.unwrap_or_else(|| ([127, 0, 0, 1], 9).into()),
        listens,
        internal,
        client: reqwest::Client::builder().no_proxy().build().unwrap(),
        readiness,
        stop: Some(stop),
        served: Some(served),
    }
}

impl TestApp {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.client.get(self.url(path)).send().await.unwrap()
    }

    pub(crate) async fn render_json(&self, body: &Value) -> reqwest::Response {
        self.client.post(self.url("/render")).json(body).send().await.unwrap()
    }

    pub(crate) async fn render_text(&self, query: &str, body: impl Into<reqwest::Body>) -> reqwest::Response {
        let request = self.client.post(self.url(&format!("/render{query}"))).header("content-type", "text/markdown");
        request.body(body).send().await.unwrap()
    }

    /// A bare connection.
    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// What the service writes to a connection that says `bytes`, until it closes.
    pub(crate) async fn converse(&self, bytes: &[u8]) -> String {
        let mut socket = self.connect().await;
        socket.write_all(bytes).await.unwrap();
        read_to_end(&mut socket).await
    }

    /// Tells the service to stop; what it returns ends with it.
    pub(crate) fn stop(&mut self) -> JoinHandle<io::Result<()>> {
        drop(self.stop.take());
        self.served.take().expect("it is stopped once")
    }
}

/// Reads until the other side closes; a reset ends it too.
pub(crate) async fn read_to_end(socket: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = timeout(PATIENCE, socket.read_to_end(&mut bytes)).await.expect("the service closes the connection");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads one answer with a `content-length` from a connection that stays open.
pub(crate) async fn read_answer(socket: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        let read = timeout(PATIENCE, socket.read(&mut chunk)).await.expect("an answer comes").unwrap();
        assert!(read > 0, "closed after {text:?}");
        bytes.extend_from_slice(&chunk[..read]);
    }
}

/// Asks again and again until `ready` says yes.
pub(crate) async fn until(what: &str, ready: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !ready().await {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Holds an answer to be a problem of this kind, and gives its body.
pub(crate) async fn check_problem(answer: reqwest::Response, status: u16, slug: &str) -> Value {
    assert_eq!(answer.status(), status, "{slug}");
    let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(header("content-type").as_deref(), Some("application/problem+json"), "{slug}");
    let id = header("x-request-id").expect("each answer has a request id");
    assert!(![429, 503].contains(&status) || header("retry-after").is_some(), "{slug} says when to come back");
    let body: Value = answer.json().await.unwrap();
    check_problem_body(&body, status, slug);
    assert_eq!(body["instance"], id, "{slug}");
    body
}

/// Holds a body to be a problem of this kind.
pub(crate) fn check_problem_body(body: &Value, status: u16, slug: &str) {
    assert_eq!(body["type"], format!("/problems/{slug}"), "{body}");
    assert_eq!(body["status"], status, "{body}");
    assert!(body["title"].is_string() && body["detail"].is_string() && body["retryable"].is_boolean(), "{body}");
}

/// The body of an answer that was read as text.
pub(crate) fn body_of(answer: &str) -> Value {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {answer:?}"));
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error} in {answer:?}"))
}
