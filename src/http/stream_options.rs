//! What the operator decides about connections that stay open.

use std::time::Duration;

/// Times and sizes of subscriptions. `Default` holds the documented defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamOptions {
    /// After how long without a frame an SSE subscriber gets a comment, so that nobody between takes the connection for
    /// dead. 15 s.
    pub keep_alive: Duration,
    /// What `retry:` tells SSE clients: how long they wait before they come back. 0.5 s.
    pub retry: Duration,
    /// Over how long those who are sent away by a stop are spread when they come back. 5 s: so many connects at once as
    /// a service had would be a storm for the next one.
    pub come_back_spread: Duration,
    /// The longest message that a WebSocket may send, in bytes, fragments together. 64 KiB. Longer: close 1009.
    pub ws_message_bytes_max: usize,
    /// After how long of silence a WebSocket is pinged. 15 s.
    pub ws_ping: Duration,
    /// After how long of silence, pings included, a WebSocket is taken for gone. 30 s.
    pub ws_gone: Duration,
    /// How long a WebSocket that came without a token may take to bring one. 10 s. Longer: closed.
    pub ws_token_wait: Duration,
    /// Channels that one connection may watch. 32. More are refused.
    pub channels_per_connection_max: usize,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self {
            keep_alive: Duration::from_secs(15),
            retry: Duration::from_millis(500),
            come_back_spread: Duration::from_secs(5),
            ws_message_bytes_max: 64 * 1024,
            ws_ping: Duration::from_secs(15),
            ws_gone: Duration::from_secs(30),
            ws_token_wait: Duration::from_secs(10),
            channels_per_connection_max: 32,
        }
    }
}
