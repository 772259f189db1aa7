//! What channels and streams hold, for those who ask instead of watching.
//!
//! Both name the id up to which they tell: a page made from it joins there, and misses and repeats nothing.
//!
//! **Invariant:** nobody who publishes waits for who asks (`who_asks_for_the_state_keeps_nobody_from_publishing`).
//!
//! **Source:** `openapi/protocol.md`, "State".

use std::collections::BTreeMap;
use std::sync::Arc;

use super::document::PageDocument;
use super::hub::Hub;
use super::topic::{Scene, Topic};
use super::view::View;
use crate::oplog::{Body as _, StreamFold};
use crate::protocol::{ChannelName, DomOp, Kind, Position, RunState, StreamName};

/// What an op weighs beside what it carries.
const OP_BYTES: usize = 64;

/// A channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelState {
    /// Where its log ends.
    pub id: Position,
    /// What it is.
    pub state: ChannelLife,
    /// Who watches it.
    pub subscribers: usize,
    /// Its streams.
    pub streams: BTreeMap<StreamName, StreamSummary>,
}

/// What a channel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelLife {
    /// A run of it is active.
    Active,
    /// None is.
    Idle,
    /// It was ended.
    Ended,
}

impl ChannelLife {
    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Idle => "idle",
            Self::Ended => "ended",
        }
    }
}

/// A stream, in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamSummary {
    /// What its run has come to.
    pub state: RunState,
    /// What its run is made of; none before the first content.
    pub kind: Option<Kind>,
    /// Of a markdown run its source, of others what is kept for those who come later; in bytes.
    pub bytes: u64,
}

/// A stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamState {
    /// Up to where this tells.
    pub id: Position,
    /// What its run has come to.
    pub state: RunState,
    /// How often it was started.
    pub run: u64,
    /// What it holds.
    pub content: StreamContent,
}

/// What a stream holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamContent {
    /// A document.
    Markdown {
        /// All of its source so far.
        source: String,
        /// What the page shows of it.
        html: String,
    },
    /// The ops that a page needs, in order: what they make of it depends on the page.
    Ops(Vec<DomOp>),
}

impl StreamContent {
    /// What it weighs, in bytes, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Markdown { source, html } => source.len() + html.len(),
            Self::Ops(ops) => ops.iter().map(|op| OP_BYTES + op.bytes()).sum(),
        }
    }
}

impl Hub {
    /// What a channel holds; none where it has no log.
    pub async fn channel_state(&self, channel: &ChannelName) -> Option<ChannelState> {
        let hub = self.inner();
        // Waits for who is writing, and for nothing more: publishers go on while this one has its turn below.
        let (topic, _) = hub.existing(channel).await?;
        topic.flush(hub).await;
        let look = |topic: &Arc<Topic>, _: &_, scene: &mut Scene| {
            let streams = scene.view.as_ref()?.streams();
            let streams = streams.map(|(name, stream)| (name.clone(), summary_of(stream))).collect();
            let feed = topic.feed.lock();
            let state = life_of(feed.is_over(), &streams);
            Some(ChannelState { id: feed.position(), state, subscribers: feed.watchers.len(), streams })
        };
        topic.look(hub, look).await?
    }

    /// What a stream holds; none where there is none of the name.
    pub async fn stream_state(&self, channel: &ChannelName, stream: &StreamName) -> Option<StreamState> {
        let hub = self.inner();
        let topic = hub.known(channel)?;
        topic.flush(hub).await;
        let stream = stream.clone();
        let look = move |topic: &Arc<Topic>, _: &_, scene: &mut Scene| {
            let id = topic.feed.lock().position();
            state_of(scene.view.as_ref()?, id, &stream)
        };
        topic.look(hub, look).await?
    }
}

fn life_of(ended: bool, streams: &BTreeMap<StreamName, StreamSummary>) -> ChannelLife {
    match ended {
        true => ChannelLife::Ended,
        false if streams.values().any(|stream| stream.state == RunState::Active) => ChannelLife::Active,
        false => ChannelLife::Idle,
    }
}

fn summary_of(stream: &StreamFold<PageDocument>) -> StreamSummary {
    let source =
        stream.document().filter(|_| stream.kind() == Some(Kind::Markdown)).map(|document| document.body.source());
    let bytes = source.map_or(stream.bytes(), str::len) as u64;
    StreamSummary { state: stream.state(), kind: stream.kind(), bytes }
}

fn state_of(view: &View, id: Position, name: &StreamName) -> Option<StreamState> {
    let stream = view.stream(name)?;
    let content = match view.markdown(name) {
        Some((source, html)) => StreamContent::Markdown { source: source.to_owned(), html: html.to_owned() },
        None => StreamContent::Ops(view.ops(name)?),
    };
    Some(StreamState { id, state: stream.state(), run: stream.runs(), content })
}
