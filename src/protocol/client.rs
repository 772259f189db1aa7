//! What a client says on a WebSocket.
//!
//! **Source:** `openapi/protocol.md`, "WebSocket"; vectors in `tests/vectors/messages.json`.

use std::borrow::Cow;

use serde::Serialize;
use thiserror::Error;

use super::batch::{Batch, BatchError, Sizes};
use super::name::{ChannelName, StreamName};
use super::object::{Envelope, Object};

/// The client's own name for a message: a string of at most 128 bytes or a whole number, told back as it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Reference {
    /// A number.
    Number(u64),
    /// A string.
    Text(String),
}

/// Where a subscription without an id begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SubscribeFrom {
    /// With all that the log holds.
    #[default]
    Beginning,
    /// With what comes next; active documents are sent whole.
    Now,
}

/// A message from a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientMessage {
    /// Watch a channel.
    Subscribe {
        /// Which.
        channel: ChannelName,
        /// The last id that the page has applied, as it was given; whatever it is, it is no error.
        id: Option<String>,
        /// Where to begin without one.
        from: SubscribeFrom,
        /// A token for this and what follows.
        token: Option<String>,
    },
    /// Watch it no longer.
    Unsubscribe {
        /// Which.
        channel: ChannelName,
    },
    /// Append ops.
    Publish {
        /// To which channel.
        channel: ChannelName,
        /// The ops.
        batch: Batch,
        /// The client's name for it.
        reference: Reference,
    },
    /// Stop a run.
    Cancel {
        /// In which channel.
        channel: ChannelName,
        /// Of which stream.
        stream: StreamName,
        /// The client's name for it.
        reference: Reference,
    },
    /// A new token for this connection.
    Token {
        /// It.
        token: String,
    },
}

/// A message that could not be read. With a reference the client is told (`refused`); without one, the connection is
/// closed with 1003 (a type that is not known) or 1008.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}", told(.problem))]
pub struct MessageError {
    /// The client's name for it, where that could be read.
    pub reference: Option<Reference>,
    /// Whether its type is not known.
    pub unknown_type: bool,
    /// What is wrong.
    pub problem: BatchError,
}

/// The problem, in words that fit a message.
fn told(problem: &BatchError) -> String {
    match problem {
        BatchError::Field { op: None, field, detail } if field.is_empty() => format!("the message {detail}"),
        other => other.to_string(),
    }
}

/// Longest token that is read, in bytes: what a request line could carry.
const TOKEN_BYTES_MAX: usize = 8192;

impl ClientMessage {
    /// Reads one text message. Its size is bounded by whoever received it.
    ///
    /// # Errors
    /// Names what is wrong, and whom to tell.
    pub fn parse(json: &[u8], sizes: &Sizes) -> Result<Self, MessageError> {
        let plain = |problem| MessageError { reference: None, unknown_type: false, problem };
        let mut envelope = Envelope::parse(json, sizes.batch_ops_max).map_err(plain)?;
        let reference = read_reference(&mut envelope.members).map_err(plain)?;
        let kind = envelope.members.required("type").map_err(plain)?;
        let known = ["subscribe", "unsubscribe", "publish", "cancel", "token"].contains(&&*kind);
        let read = Self::read(&kind, envelope, reference.clone(), sizes);
        read.map_err(|problem| MessageError { reference, unknown_type: !known, problem })
    }

    fn read(
        kind: &str,
        mut envelope: Envelope<'_>,
        reference: Option<Reference>,
        sizes: &Sizes,
    ) -> Result<Self, BatchError> {
        let members = &mut envelope.members;
        let known = fields_of(kind)
            .ok_or_else(|| members.fault("type", "is none of subscribe, unsubscribe, publish, cancel, token"))?;
        let answered = matches!(kind, "publish" | "cancel");
        let reference = match (answered, reference) {
            (true, None) => return Err(members.fault("ref", "is missing")),
            (false, Some(_)) => return Err(members.fault("ref", format!("is not known here: {known}"))),
            (_, reference) => reference,
        };
        if kind != "publish" && envelope.ops.is_some() {
            return Err(members.fault("ops", format!("is not known here: {known}")));
        }
        let message = match (kind, reference) {
            ("publish", Some(reference)) => {
                let channel = ChannelName::parse(&members.required("channel")?)?;
                Self::Publish { channel, batch: Batch::take(&mut envelope, sizes)?, reference }
            }
            ("cancel", Some(reference)) => Self::Cancel {
                channel: ChannelName::parse(&members.required("channel")?)?,
                stream: StreamName::parse(&members.required("stream")?)?,
                reference,
            },
            ("subscribe", _) => Self::Subscribe {
                channel: ChannelName::parse(&members.required("channel")?)?,
                // An id that cannot be one is none: the page is brought back by a snapshot.
                id: members.string("id")?.map(Cow::into_owned),
                from: read_from(members)?,
                token: members.string("token")?.map(|token| checked_token(members, token)).transpose()?,
            },
            ("unsubscribe", _) => Self::Unsubscribe { channel: ChannelName::parse(&members.required("channel")?)? },
            _ => {
                let token = members.required("token")?;
                Self::Token { token: checked_token(members, token)? }
            }
        };
        envelope.members.finish(known)?;
        Ok(message)
    }
}

/// What a message may have besides `type`; `None` for an unknown one.
fn fields_of(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "subscribe" => "`subscribe` has `channel`, `id`, `from` and `token`",
        "unsubscribe" => "`unsubscribe` has `channel`",
        "publish" => "`publish` has `channel`, `stream`, `ops`, `ref`, `key` and `epoch`",
        "cancel" => "`cancel` has `channel`, `stream` and `ref`",
        "token" => "`token` has `token`",
        _ => return None,
    })
}

fn read_reference(members: &mut Object<'_>) -> Result<Option<Reference>, BatchError> {
    const WANTED: &str = "must be a whole number or a string of at most 128 bytes";
    let Some(value) = members.take("ref") else { return Ok(None) };
    if let Ok(number) = value.get().parse() {
        return Ok(Some(Reference::Number(number)));
    }
    match serde_json::from_str::<String>(value.get()) {
        Ok(text) if text.len() <= 128 => Ok(Some(Reference::Text(text))),
        _ => Err(members.fault("ref", WANTED)),
    }
}

fn read_from(members: &mut Object<'_>) -> Result<SubscribeFrom, BatchError> {
    match members.string("from")?.as_deref() {
        None | Some("beginning") => Ok(SubscribeFrom::Beginning),
        Some("now") => Ok(SubscribeFrom::Now),
        Some(_) => Err(members.fault("from", "must be beginning or now")),
    }
}

fn checked_token(members: &Object<'_>, token: Cow<'_, str>) -> Result<String, BatchError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(members.fault("token", "may have at most 8192 bytes"));
    }
    Ok(token.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<ClientMessage, MessageError> {
        ClientMessage::parse(json.as_bytes(), &Sizes::default())
    }

    #[test]
    fn every_message_is_read() {
        let channel = ChannelName::parse("c").unwrap();
        let check = |json: &str, expected: ClientMessage| assert_eq!(parse(json), Ok(expected), "{json}");
        let subscribe = |id: Option<&str>, from, token: Option<&str>| ClientMessage::Subscribe {
            channel: channel.clone(),
            id: id.map(str::to_owned),
            from,
            token: token.map(str::to_owned),
        };
        check(r#"{"type":"subscribe","channel":"c"}"#, subscribe(None, SubscribeFrom::Beginning, None));
        check(
            r#"{"channel":"c","token":"t","id":"what ever","type":"subscribe"}"#,
            subscribe(Some("what ever"), SubscribeFrom::Beginning, Some("t")),
        );
        check(r#"{"type":"subscribe","channel":"c","from":"now"}"#, subscribe(None, SubscribeFrom::Now, None));
        check(r#"{"type":"unsubscribe","channel":"c"}"#, ClientMessage::Unsubscribe { channel: channel.clone() });
        check(r#"{"type":"token","token":"t"}"#, ClientMessage::Token { token: "t".into() });
        let stream = StreamName::parse("s").unwrap();
        check(
            r#"{"type":"cancel","channel":"c","stream":"s","ref":7}"#,
            ClientMessage::Cancel { channel: channel.clone(), stream, reference: Reference::Number(7) },
        );
        let batch = Batch::parse(br#"{"stream":"s","ops":[{"op":"done"}],"key":"k"}"#, &Sizes::default()).unwrap();
        check(
            r#"{"type":"publish","channel":"c","stream":"s","ops":[{"op":"done"}],"key":"k","ref":"7"}"#,
            ClientMessage::Publish { channel, batch, reference: Reference::Text("7".into()) },
        );
    }

    #[test]
    fn a_message_that_cannot_be_read_says_whom_to_tell() {
        let check = |json: &str, reference: Option<Reference>, unknown: bool, detail: &str| {
            let error = parse(json).unwrap_err();
            assert_eq!((error.reference.clone(), error.unknown_type), (reference, unknown), "{json}: {error}");
            assert_eq!(error.to_string(), detail, "{json}");
        };
        let number = |n| Some(Reference::Number(n));
        check("[]", None, false, "the message must be an object");
        check("{}", None, false, "`type` is missing");
        let known = "`type` is none of subscribe, unsubscribe, publish, cancel, token";
        check(r#"{"type":"fly"}"#, None, true, known);
        check(r#"{"type":"fly","ref":1}"#, number(1), true, known);
        check(r#"{"type":"subscribe"}"#, None, false, "`channel` is missing");
        check(r#"{"type":"cancel","channel":"c","stream":"s"}"#, None, false, "`ref` is missing");
        let wanted = "`ref` must be a whole number or a string of at most 128 bytes";
        check(r#"{"type":"cancel","channel":"c","stream":"s","ref":-1}"#, None, false, wanted);
        check(r#"{"type":"cancel","channel":"c","stream":"s","ref":[]}"#, None, false, wanted);
        let publish = |rest: &str| format!(r#"{{"type":"publish","channel":"c","stream":"s","ref":3,{rest}}}"#);
        check(&publish(r#""ops":[]"#), number(3), false, "`ops` must hold at least one op");
        check(
            &publish(r#""ops":[{"op":"prune","limit":"3"}]"#),
            number(3),
            false,
            "op 0: `limit` must be a whole number from 0 to 4294967295",
        );
        let fields = "is not known here: `publish` has `channel`, `stream`, `ops`, `ref`, `key` and `epoch`";
        check(
            &publish(r#""ops":[{"op":"done"}],"id":"1"}"#.trim_end_matches('}')),
            number(3),
            false,
            &format!("`id` {fields}"),
        );
        check(
            r#"{"type":"token","token":"t","ref":1}"#,
            number(1),
            false,
            "`ref` is not known here: `token` has `token`",
        );
        check(r#"{"type":"token","token":"t","ops":[]}"#, None, false, "`ops` is not known here: `token` has `token`");
        check(r#"{"type":"subscribe","channel":"c","from":"then"}"#, None, false, "`from` must be beginning or now");
        check(
            &format!(r#"{{"type":"token","token":"{}"}}"#, "t".repeat(8193)),
            None,
            false,
            "`token` may have at most 8192 bytes",
        );
    }
}
