//! What travels: names, positions, ops, batches as published, entries as logged, frames and ticks as sent, controls,
//! messages from clients, close codes. No I/O, no clock, and nothing of the renderer.
//!
//! What a publisher sends becomes a [`Batch`] of [`Op`]s; what the log keeps of it is an [`Entry`]; what leaves for the
//! page is a [`Frame`] of [`DomOp`]s, encoded once for everyone who watches ([`EncodedTick`]), in each wanted [`Wire`].
//!
//! **Source:** `openapi/protocol.md`; its vectors in `tests/vectors/`.

mod batch;
mod client;
mod close;
mod compact;
mod control;
mod detail;
mod entry;
mod frame;
mod json;
mod name;
mod object;
mod op;
mod piece;
mod position;
mod read_op;
mod target;
mod tick;
mod wire;

pub use batch::{Batch, BatchError, Sizes};
pub use client::{ClientMessage, MessageError, Reference, SubscribeFrom};
pub use close::{CLOSES, Close};
pub use compact::{Change, CompactOp, Declared};
pub use control::{By, Control};
pub use detail::Detail;
pub use entry::Entry;
pub use frame::{Frame, Kind, ResetReason, RunState};
pub use name::{ChannelName, InvalidName, NameFault, StreamName};
pub use op::{DomOp, Edge, Mode, Op, Place};
pub use piece::{Joiner, Piece};
pub use position::{Epoch, Position, Positions};
pub use target::Target;
pub use tick::{EncodedFrames, EncodedTick};
pub use wire::{Wire, Wires};
