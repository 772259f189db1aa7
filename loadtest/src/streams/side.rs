//! The two sides of every figure: where each is published to and subscribed at.

use std::io;
use std::path::Path;

use crate::http::{Server, post};

/// Stands twice in a row in every message, and in nothing else that either side sends: a byte alone may be part of a
/// WebSocket frame's length.
pub(super) const MARK: u8 = b'^';

/// How a subscriber is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// Server-Sent Events.
    Sse,
    /// WebSocket.
    WebSocket,
}

/// A server under load.
pub(super) struct Side {
    pub(super) server: Server,
    ours: bool,
}

/// Limits that would refuse the load are lifted: what is measured is the work, not the refusals.
const LIMITS: &[(&str, &str)] = &[
    ("RILLMARK_PUBLISH_RATE", "0"),
    ("RILLMARK_SUBSCRIBE_RATE", "0"),
    ("RILLMARK_CHANNELS_MAX", "1000000"),
    ("RILLMARK_CONNECTIONS_MAX", "30000"),
    ("RILLMARK_CONNECTIONS_PER_ADDRESS_MAX", "30000"),
];

impl Side {
    /// The service, keyless, with `more` settings.
    pub(super) fn rillmark(binary: &Path, more: &[(&str, &str)]) -> io::Result<Self> {
        Ok(Self { server: Server::rillmark_with(binary, workers(), &[LIMITS, more].concat())?, ours: true })
    }

    /// The bare broadcaster.
    pub(super) fn bare() -> io::Result<Self> {
        Ok(Self { server: Server::own("bare", workers())?, ours: false })
    }

    pub(super) fn name(&self) -> &'static str {
        if self.ours { "rillmark" } else { "bare broadcaster" }
    }

    /// A request that publishes one message with `bytes` of text and a mark in it to `channel`. Both sides then send
    /// about the same bytes: the bare one is handed the frame that the service would make.
    pub(super) fn publish(&self, channel: &str, bytes: usize, transport: Transport) -> Vec<u8> {
        let text = "a b^^".to_owned() + &"lorem ip ".repeat(bytes / 9);
        let op = serde_json::json!({ "op": "append", "html": text });
        if self.ours {
            let batch = serde_json::json!({ "stream": "response", "ops": [op] });
            return post(&format!("/channels/{channel}/ops"), "application/json", batch.to_string().as_bytes());
        }
        let frame = serde_json::json!({
            "type": "stream",
            "stream": "response",
            "ops": [{ "op": "append", "target": "[dj-stream='response']", "html": text }],
            "id": "0123456789abcdef-100",
        });
        let body = match transport {
            Transport::Sse => format!("data: {frame}\nid: 0123456789abcdef-100\n\n"),
            Transport::WebSocket => frame.to_string(),
        };
        post(&format!("/publish/{channel}"), "application/octet-stream", body.as_bytes())
    }

    /// A request that subscribes to `channel`.
    pub(super) fn subscribe(&self, channel: &str, transport: Transport) -> Vec<u8> {
        let path = match (self.ours, transport) {
            (true, Transport::Sse) => format!("/channels/{channel}/sse"),
            (true, Transport::WebSocket) => format!("/channels/{channel}/ws"),
            (false, Transport::Sse) => format!("/sse/{channel}"),
            (false, Transport::WebSocket) => format!("/ws/{channel}"),
        };
        let more = match transport {
            Transport::Sse => "accept: text/event-stream\r\n",
            Transport::WebSocket => {
                "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                 sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            }
        };
        format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{more}\r\n").into_bytes()
    }
}

fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
