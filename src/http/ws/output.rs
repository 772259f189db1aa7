//! What a WebSocket's client reads beside frames: controls, pongs, pings, the close.
//!
//! **Source:** RFC 6455 §5.2 (no mask from a server), §5.5 (at most 125 bytes in a control frame).

use bytes::Bytes;

use crate::protocol::Close;

/// A ping that asks for nothing but a pong.
pub(super) const PING: Bytes = Bytes::from_static(&[0x89, 0]);

/// A whole text message.
pub(super) fn text(json: &[u8]) -> Bytes {
    frame(0x81, json)
}

/// What answers a ping.
pub(super) fn pong(carried: &[u8]) -> Bytes {
    frame(0x8a, carried)
}

/// Our close.
pub(super) fn close(close: Close) -> Bytes {
    frame(0x88, &[&close.code().to_be_bytes(), close.name().as_bytes()].concat())
}

/// The answer to the client's close: the same code, if it gave one.
pub(super) fn close_back(code: Option<u16>) -> Bytes {
    frame(0x88, code.map(u16::to_be_bytes).as_ref().map_or(&[], |code| &code[..]))
}

fn frame(first: u8, payload: &[u8]) -> Bytes {
    let mut bytes = Vec::with_capacity(payload.len() + 10);
    bytes.push(first);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ ..=125), _) => bytes.push(short),
        (_, Ok(medium)) => {
            bytes.push(126);
            bytes.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            bytes.push(127);
            bytes.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(payload);
    bytes.into()
}
