//! Subscribers and publishers of a test, over real sockets: one that reads Server-Sent Events from the bare connection,
//! and one that speaks WebSocket through a library that is not ours.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::helpers::{PATIENCE, TestApp};
use crate::page::{SseEvent, SseReader};

/// A subscriber over SSE.
pub(crate) struct Sse {
    socket: TcpStream,
    /// Status line and headers, in lower case.
    pub(crate) head: String,
    pub(crate) reader: SseReader,
    /// Of the body: chunks that are not whole yet.
    raw: Vec<u8>,
    events: VecDeque<SseEvent>,
    /// Bytes of the body that came, without the framing of chunks.
    pub(crate) body_bytes: usize,
    /// Whether the last chunk came.
    pub(crate) complete: bool,
}

impl Sse {
    /// Subscribes at this path, with these lines as headers; reads the head of the answer.
    pub(crate) async fn open(app: &TestApp, path: &str, headers: &str) -> Self {
        Self::over(app.connect().await, path, headers).await
    }

    /// The same over a connection that is there.
    pub(crate) async fn over(mut socket: TcpStream, path: &str, headers: &str) -> Self {
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut raw = Vec::new();
        let end = loop {
            if let Some(at) = raw.windows(4).position(|window| window == b"\r\n\r\n") {
                break at;
            }
            let read = timeout(PATIENCE, socket.read_buf(&mut raw)).await.expect("a head comes").unwrap();
            assert!(read > 0, "closed after {:?}", String::from_utf8_lossy(&raw));
        };
        let head = String::from_utf8(raw[..end].to_vec()).unwrap().to_lowercase();
        raw.drain(..end + 4);
        let (reader, events) = (SseReader::default(), VecDeque::new());
        let mut sse = Self { socket, head, reader, raw, events, body_bytes: 0, complete: false };
        sse.take_chunks();
        sse
    }

    /// The next event; `None` where the connection has ended, however it did.
    pub(crate) async fn next(&mut self) -> Option<SseEvent> {
        timeout(PATIENCE, self.wait()).await.expect("an event comes, or the end")
    }

    async fn wait(&mut self) -> Option<SseEvent> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            if self.complete || self.socket.read_buf(&mut self.raw).await.unwrap_or(0) == 0 {
                return None;
            }
            self.take_chunks();
        }
    }

    /// The next frame, past all controls.
    pub(crate) async fn frame(&mut self) -> Value {
        loop {
            let event = self.next().await.expect("a frame comes");
            if event.name == "message" {
                return serde_json::from_str(&event.data).unwrap();
            }
        }
    }

    /// The next control of this type, past all else.
    pub(crate) async fn control(&mut self, kind: &str) -> Value {
        loop {
            let event = self.next().await.unwrap_or_else(|| panic!("{kind} comes before the end"));
            let data: Value = serde_json::from_str(&event.data).unwrap();
            if event.name == "rillmark" && data["type"] == kind {
                return data;
            }
        }
    }

    fn take_chunks(&mut self) {
        while let Some(at) = self.raw.windows(2).position(|window| window == b"\r\n") {
            let size = usize::from_str_radix(str::from_utf8(&self.raw[..at]).unwrap(), 16).unwrap();
            let Some(chunk) = self.raw.get(at + 2..at + 2 + size + 2) else { return };
            assert!(chunk.ends_with(b"\r\n"), "a chunk ends in a line's end");
            self.body_bytes += size;
            self.complete = size == 0;
            let events = self.reader.push(&chunk[..size]);
            self.events.extend(events);
            self.raw.drain(..at + 2 + size + 2);
        }
    }

    /// Ends the connection with a reset.
    pub(crate) fn reset(self) {
        self.socket.set_zero_linger().unwrap();
    }
}

/// One side of a WebSocket.
pub(crate) struct Ws {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub(crate) subprotocol: Option<String>,
    /// Bytes of the messages that came.
    pub(crate) bytes: usize,
}

impl Ws {
    pub(crate) async fn open(app: &TestApp, path: &str) -> Self {
        Self::open_with(app, path, &[]).await.unwrap()
    }

    pub(crate) async fn open_with(
        app: &TestApp,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, tungstenite::Error> {
        let mut request = format!("ws://{}{path}", app.address).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let (stream, answer) = tokio_tungstenite::connect_async(request).await?;
        let subprotocol = answer.headers().get("sec-websocket-protocol");
        let subprotocol = subprotocol.map(|name| name.to_str().unwrap().to_owned());
        Ok(Self { stream, subprotocol, bytes: 0 })
    }

    pub(crate) async fn send(&mut self, message: Message) {
        self.stream.send(message).await.unwrap();
    }

    pub(crate) async fn say(&mut self, message: &Value) {
        self.send(Message::text(message.to_string())).await;
    }

    /// What comes next, pongs to our pings too; an error is the end without a close.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        let message = timeout(PATIENCE, self.stream.next()).await.expect("a message comes, or the end")?.ok()?;
        if message.is_text() {
            self.bytes += message.len();
        }
        Some(message)
    }

    /// The next message in JSON; `None` at the end.
    pub(crate) async fn hear(&mut self) -> Option<Value> {
        loop {
            match self.next().await? {
                Message::Text(text) => return Some(serde_json::from_str(&text).unwrap()),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    /// The next message of this type, past all else.
    pub(crate) async fn of_type(&mut self, kind: &str) -> Value {
        loop {
            let message = self.hear().await.unwrap_or_else(|| panic!("{kind} comes before the end"));
            if message["type"] == kind {
                return message;
            }
        }
    }

    /// Reads to the end: the code of the close, if there was one.
    pub(crate) async fn close_code(&mut self) -> Option<u16> {
        let mut code = None;
        while let Some(message) = self.next().await {
            if let Message::Close(close) = message {
                code = Some(close.map_or(1005, |close| close.code.into()));
            }
        }
        code
    }

    pub(crate) async fn close(&mut self) {
        let normal = tungstenite::protocol::CloseFrame { code: CloseCode::Normal, reason: "".into() };
        self.send(Message::Close(Some(normal))).await;
    }

    /// Ends the connection with a reset.
    pub(crate) fn reset(self) {
        let MaybeTlsStream::Plain(socket) = self.stream.get_ref() else { unreachable!() };
        socket.set_zero_linger().unwrap();
    }

    /// Publishes these ops; the id with which they were acknowledged.
    pub(crate) async fn publish(&mut self, channel: &str, stream: &str, ops: Value) -> String {
        self.say(&json!({"type": "publish", "channel": channel, "stream": stream, "ops": ops, "ref": 1})).await;
        loop {
            let answer = self.hear().await.expect("an answer comes");
            match answer["type"].as_str().unwrap() {
                "ack" => return answer["id"].as_str().unwrap().to_owned(),
                "refused" => panic!("{answer}"),
                _ => {}
            }
        }
    }

    /// Publishes some text, as one op.
    pub(crate) async fn text(&mut self, channel: &str, stream: &str, text: &str) -> String {
        self.publish(channel, stream, json!([{"op": "text", "text": text}])).await
    }
}

/// A service without rates, whose connections that stay open are changed by `change`.
pub(crate) fn streaming(change: impl FnOnce(&mut rillmark::server::Options)) -> TestApp {
    crate::helpers::spawn_app_with(|options| {
        options.limits.publish_rate = 0;
        options.limits.publish_bytes_rate = 0;
        options.limits.subscribe_rate = 0;
        change(options);
    })
}

/// The texts of a frame's `text` ops.
pub(crate) fn text_of(frame: &Value) -> String {
    let ops = frame["ops"].as_array().unwrap();
    ops.iter().filter(|op| op["op"] == "text").map(|op| op["text"].as_str().unwrap()).collect()
}

/// Shorter than any timeout of the service, longer than a busy machine takes to do what is to be done at once.
pub(crate) const SOON: Duration = Duration::from_secs(4);
