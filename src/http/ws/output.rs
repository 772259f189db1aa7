//! What a WebSocket's client reads beside frames: controls, pongs, pings, the close.
//!
//! **Source:** RFC 6455 §5.2 (no mask from a server), §5.5 (at most 125 bytes in a control frame).

use actix_http::ws::{OpCode, Parser};
use actix_ws::{CloseCode, CloseReason};
use bytes::{Bytes, BytesMut};

use crate::protocol::Close;

/// A ping that asks for nothing but a pong.
pub(super) const PING: Bytes = Bytes::from_static(&[0x89, 0]);

/// A whole text message.
pub(super) fn text(json: &[u8]) -> Bytes {
    frame(OpCode::Text, json)
}

/// What answers a ping.
pub(super) fn pong(carried: &[u8]) -> Bytes {
    frame(OpCode::Pong, carried)
}

/// Our close.
pub(super) fn close(close: Close) -> Bytes {
    close_frame(Some(CloseReason::from((CloseCode::from(close.code()), close.name()))))
}

/// The answer to the client's close: the same code, if it gave one.
pub(super) fn close_back(code: Option<CloseCode>) -> Bytes {
    close_frame(code.map(CloseReason::from))
}

fn close_frame(reason: Option<CloseReason>) -> Bytes {
    let mut bytes = BytesMut::new();
    Parser::write_close(&mut bytes, reason, false);
    bytes.freeze()
}

fn frame(opcode: OpCode, payload: &[u8]) -> Bytes {
    let mut bytes = BytesMut::new();
    Parser::write_message(&mut bytes, payload, opcode, true, false);
    bytes.freeze()
}
