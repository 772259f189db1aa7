//! Controls: what the service tells a connection beside frames. On SSE they are events named `rillmark`.
//!
//! **Source:** `openapi/protocol.md`, "Controls"; vectors in `tests/vectors/controls.json`.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use super::client::Reference;
use super::compact::Declared;
use super::json;
use super::name::{ChannelName, StreamName};
use super::position::Position;

/// How a subscription was brought up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// By what it had missed.
    Replay,
    /// By the whole state.
    Snapshot,
}

/// A message that is no frame.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Control {
    /// The subscription stands.
    Subscribed {
        /// The channel.
        channel: ChannelName,
        /// Of a replay the id that it continues from, of a snapshot the id that it leads to.
        id: Position,
        /// Whether that is a replay or a snapshot.
        by: By,
        /// On the compact wire, what is declared for the tick that follows.
        #[serde(flatten, skip_serializing_if = "Option::is_none")]
        declared: Option<Declared>,
    },
    /// The subscription has ended.
    Unsubscribed {
        /// The channel.
        channel: ChannelName,
        /// Why, in a word: `asked`, or a problem's slug.
        reason: &'static str,
    },
    /// A publish or cancel counts.
    Ack {
        /// The client's name for it.
        #[serde(rename = "ref")]
        reference: Reference,
        /// Its place in the log.
        id: Position,
    },
    /// A publish, cancel or subscribe was refused. Nothing of it counts.
    Refused {
        /// The client's name for it, where it had one.
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<Reference>,
        /// The channel, where it was a subscribe.
        #[serde(skip_serializing_if = "Option::is_none")]
        channel: Option<ChannelName>,
        /// The problem as HTTP would have answered it (RFC 9457).
        problem: Box<RawValue>,
        /// Whole seconds after which it may be tried again.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after: Option<u64>,
    },
    /// A run was stopped: told to those who publish to it over this connection.
    Cancelled {
        /// The channel.
        channel: ChannelName,
        /// The stream.
        stream: StreamName,
    },
    /// The channel has ended; nothing will follow.
    Ended {
        /// The channel.
        channel: ChannelName,
    },
    /// The page has to begin anew, and there is nothing to show: a snapshot without streams.
    Reset {
        /// The channel.
        channel: ChannelName,
        /// Where the page stands now.
        id: Position,
        /// `gap` or `epoch`.
        reason: &'static str,
        /// On the compact wire, what is declared for the tick that follows.
        #[serde(flatten, skip_serializing_if = "Option::is_none")]
        declared: Option<Declared>,
    },
    /// The connection is about to be closed.
    Bye {
        /// Why, in a word: a close code's name.
        reason: &'static str,
        /// Whether to come back.
        come_back: bool,
        /// Milliseconds to wait before that.
        after_ms: u64,
    },
}

impl Control {
    /// The message, for a WebSocket.
    #[must_use]
    pub fn json(&self) -> Bytes {
        let mut out = Vec::with_capacity(128);
        json::value(&mut out, self);
        out.into()
    }

    /// The event, for SSE. `id` is written where the control itself moves the page: a reset.
    #[must_use]
    pub fn sse(&self, id: Option<&str>) -> Bytes {
        let mut out = Vec::with_capacity(160);
        json::raw(&mut out, "event: rillmark\ndata: ");
        json::value(&mut out, self);
        if let Some(id) = id {
            json::display(&mut out, format_args!("\nid: {id}"));
        }
        json::raw(&mut out, "\n\n");
        out.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_is_one_named_event() {
        let channel = ChannelName::parse("c").unwrap();
        let id: Position = "1f-7".parse().unwrap();
        let control = Control::Reset { channel: channel.clone(), id, reason: "epoch", declared: None };
        let json = r#"{"type":"reset","channel":"c","id":"1f-7","reason":"epoch"}"#;
        assert_eq!(control.json(), json);
        assert_eq!(control.sse(None), format!("event: rillmark\ndata: {json}\n\n"));
        assert_eq!(control.sse(Some("1f-7")), format!("event: rillmark\ndata: {json}\nid: 1f-7\n\n"));
        let problem = RawValue::from_string(r#"{"type":"/problems/busy"}"#.to_owned()).unwrap();
        let reference = Some(Reference::Number(7));
        let refused = Control::Refused { reference, channel: None, problem, retry_after: Some(2) };
        assert_eq!(refused.json(), r#"{"type":"refused","ref":7,"problem":{"type":"/problems/busy"},"retry_after":2}"#);
        let ack = Control::Ack { reference: Reference::Text("a".into()), id };
        assert_eq!(ack.json(), r#"{"type":"ack","ref":"a","id":"1f-7"}"#);
        let subscribed = Control::Subscribed { channel, id, by: By::Replay, declared: None };
        assert_eq!(subscribed.json(), r#"{"type":"subscribed","channel":"c","id":"1f-7","by":"replay"}"#);
    }
}
