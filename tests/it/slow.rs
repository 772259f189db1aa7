//! A client that sends its body bit by bit and reads the answer meanwhile, as no library does.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::helpers::{PATIENCE, TestApp};

/// A request whose body goes on.
pub(crate) struct Slow {
    socket: TcpStream,
    /// What came and was not asked for yet.
    read: Vec<u8>,
    closed: bool,
}

/// An answer with a length, read to its end.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Value,
}

impl Answer {
    /// The value of a header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let of = |line: &'_ str| line.split_once(": ").filter(|(known, _)| known.eq_ignore_ascii_case(name)).is_some();
        self.head.lines().find(|line| of(line)).and_then(|line| line.split_once(": ")).map(|(_, value)| value)
    }
}

impl Slow {
    /// Sends the head of a `POST` with a chunked body.
    pub(crate) async fn post(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut socket = app.connect().await;
        socket.set_nodelay(true).unwrap();
        let mut head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n");
        headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
        socket.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
        Self { socket, read: Vec::new(), closed: false }
    }

    /// Sends a piece of the body.
    pub(crate) async fn send(&mut self, piece: &[u8]) {
        assert!(self.try_send(piece).await, "the connection is closed");
    }

    /// Sends a piece of the body if the connection takes it.
    pub(crate) async fn try_send(&mut self, piece: &[u8]) -> bool {
        let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
        self.socket.write_all(&chunk).await.is_ok()
    }

    /// Sends bytes that are no chunk.
    pub(crate) async fn send_raw(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).await.unwrap();
    }

    /// Ends the body.
    pub(crate) async fn end(&mut self) {
        self.socket.write_all(b"0\r\n\r\n").await.unwrap();
    }

    /// Reads until what came has `mark`; takes all up to its end.
    pub(crate) async fn until(&mut self, mark: &str) -> String {
        loop {
            if let Some(at) = find(&self.read, mark.as_bytes()) {
                let taken: Vec<u8> = self.read.drain(..at + mark.len()).collect();
                return String::from_utf8_lossy(&taken).into_owned();
            }
            let so_far = String::from_utf8_lossy(&self.read).into_owned();
            assert!(!self.closed, "closed without {mark:?} after {so_far:?}");
            assert!(self.more(PATIENCE).await, "no {mark:?} after {so_far:?}");
        }
    }

    /// Reads whatever comes within `time`; whether something did.
    pub(crate) async fn more(&mut self, time: Duration) -> bool {
        let mut chunk = [0; 16 * 1024];
        match timeout(time, self.socket.read(&mut chunk)).await {
            Ok(Ok(read @ 1..)) => self.read.extend_from_slice(&chunk[..read]),
            Ok(_) => self.closed = true,
            Err(_) => return false,
        }
        true
    }

    /// Reads to the end of the connection.
    pub(crate) async fn rest(&mut self) -> String {
        while !self.closed {
            assert!(self.more(PATIENCE).await, "the connection stays open");
        }
        String::from_utf8_lossy(&std::mem::take(&mut self.read)).into_owned()
    }

    /// Reads an answer that says its length.
    pub(crate) async fn answer(&mut self) -> Answer {
        let head = self.until("\r\n\r\n").await;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length =
            |line: &str| line.to_ascii_lowercase().strip_prefix("content-length: ").map(|n| n.parse().unwrap());
        let length: usize = head.lines().find_map(length).unwrap_or(0);
        while self.read.len() < length {
            assert!(!self.closed && self.more(PATIENCE).await, "{head} has no body");
        }
        let body: Vec<u8> = self.read.drain(..length).collect();
        let body = serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{error}: {head} {body:?}"));
        Answer { status, head, body }
    }
}

fn find(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    bytes.windows(mark.len()).position(|window| window == mark)
}

/// The payload of chunks; what is not whole yet is left out.
pub(crate) fn dechunked(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let Ok(size) = usize::from_str_radix(size, 16) else { break };
        let Some(piece) = after.get(..size) else { break };
        body += piece;
        rest = after.get(size + 2..).unwrap_or_default();
    }
    body
}
