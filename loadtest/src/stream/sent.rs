//! What a stream sends: the frames of its view as they leave for a socket, in each wire.
//!
//! Made by the service's own view and encoder. A tick is what connections are written, byte for byte: an SSE chunk with its
//! `data:` and `id:` lines, or a WebSocket message with its head.

use super::feed::Feed;
use rillmark::channel::{Readiness, View};
use rillmark::markdown::Policy;
use rillmark::oplog::{Fold, Keep};
use rillmark::protocol::{
    ChannelName, Declared, DomOp, EncodedTick, Entry, Epoch, Op, Position, StreamName, Wire, Wires,
};
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes that one wire takes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sent {
    /// The arrays of ops alone.
    pub(crate) ops: usize,
    /// The frames' JSON.
    pub(crate) frames: usize,
    /// What is written to a socket, as chunks of Server-Sent Events and as WebSocket messages.
    pub(crate) sse: usize,
    pub(crate) websocket: usize,
}

/// What one wire takes for all of a document, its end included.
pub(crate) fn sent(feed: &Feed, wire: Wire) -> Sent {
    let mut view = View::new(Fold::new(Keep::default()), Arc::new(Policy::default()));
    view.serve(Wires::only(wire));
    let stream = StreamName::parse("s").expect("a letter is a name");
    let channel = ChannelName::parse("c").expect("a letter is a name");
    let (epoch, mut declared, mut sent) = (Epoch::new(0x1f), Declared::default(), Sent::default());
    let mut options = feed.published();
    let texts = feed.pieces().map(|text| Op::Markdown { text: text.to_owned(), options: options.take() });
    for (op, offset) in texts.chain([Op::Dom(DomOp::Done { target: None, cancelled: false })]).zip(1..) {
        view.apply(offset, Arc::new(Entry { stream: stream.clone(), ops: vec![op], at: 0 }));
        let tick = view.tick(Instant::now());
        let span: (Position, Position) = (epoch.at(tick.from), epoch.at(tick.to));
        let encoded = EncodedTick::next(channel.clone(), span, &tick.frames, Wires::only(wire), &mut declared);
        let frames = encoded.frames(wire, false);
        sent.sse += frames.sse_chunk().len();
        for (index, json) in frames.json().enumerate() {
            sent.frames += json.len();
            sent.websocket += json.len() + frames.websocket_head(index).map_or(0, |head| head.len());
            sent.ops += ops_of(&json, wire);
        }
    }
    sent
}

/// How long a view lets the next frame of a document wait once all of it but the last token was framed, where nothing but
/// that token comes.
pub(crate) fn wait(feed: &Feed) -> Duration {
    let mut view = View::new(Fold::new(Keep::default()), Arc::new(Policy::default()));
    let stream = StreamName::parse("s").expect("a letter is a name");
    let last = feed.pieces().last().map_or(0, str::len);
    let (before, token) = feed.source.split_at(feed.source.len() - last);
    let (mut options, now) = (feed.published(), Instant::now());
    for (text, offset) in [before, token].into_iter().zip(1..) {
        let op = Op::Markdown { text: text.to_owned(), options: options.take() };
        view.apply(offset, Arc::new(Entry { stream: stream.clone(), ops: vec![op], at: 0 }));
        if offset == 1 {
            view.tick(now);
        }
    }
    match view.ready(now) {
        Readiness::Wait(wait) => wait,
        Readiness::Idle | Readiness::Ready => Duration::ZERO,
    }
}

/// Bytes of the array of ops in a frame.
fn ops_of(json: &[u8], wire: Wire) -> usize {
    let frame: Value = serde_json::from_slice(json).expect("frames are JSON");
    let ops = match wire {
        Wire::Djust => &frame["ops"],
        Wire::Compact => &frame[2],
    };
    ops.to_string().len()
}
