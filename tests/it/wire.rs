//! A client that writes every byte itself: for headers that no library would send, over TCP and Unix sockets.
//!
//! It blocks its thread, so tests that use it run on a runtime of several.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use rillmark::server::{Listen, Options};

use crate::helpers::{TestApp, spawn_app_with};

/// Longer than anything takes that ends at all, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a service listens.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// A service that listens on a free port and on a Unix socket, with the documented rate.
pub(crate) struct Service {
    pub(crate) app: TestApp,
    _folder: tempfile::TempDir,
    places: [Place; 2],
}

impl Service {
    pub(crate) fn start(change: impl FnOnce(&mut Options)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("rillmark.sock");
        let app = spawn_app_with(|options| {
            options.limits.render_rate = 200;
            options.server.listen.push(Listen::Unix(socket.clone()));
            change(options);
        });
        let places = [Place::Tcp(app.address), Place::Unix(socket)];
        Self { app, _folder: folder, places }
    }

    /// The port, then the socket.
    pub(crate) fn places(&self) -> &[Place] {
        &self.places
    }

    pub(crate) fn tcp(&self) -> &Place {
        &self.places[0]
    }

    pub(crate) fn unix(&self) -> &Place {
        &self.places[1]
    }
}

/// An answer, read to its end. Header names are in lower case; values of one name are joined by `, `.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The slug of a problem, and that its body is one.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(body["status"], self.status);
        body["type"].as_str().unwrap().strip_prefix("/problems/").unwrap().to_owned()
    }
}

impl fmt::Debug for Answer {
    /// The beginning of the body is enough: some are megabytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let beginning: String = self.body.chars().take(300).collect();
        write!(f, "{} {:?} {beginning:?}", self.status, self.headers)
    }
}

trait Connection: Read + Write + Send {}
impl<T: Read + Write + Send> Connection for T {}

impl Place {
    fn connect(&self) -> Box<dyn Connection> {
        match self {
            Self::Tcp(address) => {
                let stream = TcpStream::connect(address).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                Box::new(stream)
            }
            Self::Unix(path) => {
                let stream = UnixStream::connect(path).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                Box::new(stream)
            }
        }
    }

    /// Sends a request and leaves; what comes back is read by [`Sent::answer`], or never.
    pub(crate) fn send(&self, request_line: &str, headers: &[(&str, &str)], body: &str) -> Sent {
        let mut connection = self.connect();
        let mut head = format!("{request_line} HTTP/1.1\r\nConnection: close\r\n");
        headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
        if !body.is_empty() {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        head += "\r\n";
        connection.write_all(head.as_bytes()).unwrap();
        // A refusal may come, and the connection go, before the body is written.
        drop(connection.write_all(body.as_bytes()));
        Sent(connection)
    }

    /// Sends a request and reads the answer.
    pub(crate) fn ask(&self, request_line: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.send(request_line, headers, body).answer()
    }

    /// `POST /render` of this finished Markdown, with these headers beside `Host: localhost`.
    pub(crate) fn render(&self, headers: &[(&str, &str)], source: &str) -> Answer {
        let standard = [("Host", "localhost"), ("Content-Type", "text/markdown"), ("Accept", "text/html")];
        self.ask("POST /render?provisional=false", &[&standard, headers].concat(), source)
    }
}

/// A request on its way. Dropping it is a client that goes away.
pub(crate) struct Sent(Box<dyn Connection>);

impl Sent {
    pub(crate) fn answer(mut self) -> Answer {
        let mut bytes = Vec::new();
        self.0.read_to_end(&mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let mut headers = BTreeMap::<String, String>::new();
        for line in lines {
            let (name, value) = line.split_once(':').unwrap();
            let joined = headers.entry(name.to_ascii_lowercase()).or_default();
            if !joined.is_empty() {
                joined.push_str(", ");
            }
            joined.push_str(value.trim());
        }
        let body = if headers.contains_key("transfer-encoding") { dechunk(body) } else { body.to_owned() };
        Answer { status, headers, body }
    }
}

fn dechunk(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        body += &after[..size];
        rest = after[size..].strip_prefix("\r\n").unwrap();
    }
    body
}
