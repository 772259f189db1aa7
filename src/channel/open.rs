//! A run that one request writes with its open body: `start` when it comes, an end of its own however it goes.
//!
//! **Invariant:** a run whose body is gone is not left active (`a_body_that_is_dropped_leaves_an_error`).
//!
//! **Source:** `openapi/protocol.md`, "Open bodies".

use std::future::Future;
use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio::time::Instant;

use super::hub::Hub;
use super::ledger::{BodyId, End, Ledger, Life, Right, RunNumber};
use super::refusal::{PublishError, PublishRefusal};
use super::state::StreamContent;
use super::topic::{Body, Live};
use crate::protocol::{ChannelName, Epoch, Op, Piece, Position, RunState, StreamName};

/// What a page shows where a publisher is gone before its run has ended.
pub const INTERRUPTED: &str = "Interrupted";

/// What a page shows where a body was longer than a stream may be.
const TOO_LONG: &str = "Too long";

/// Why no more of a body is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenEnd {
    /// The run was stopped.
    #[error("the run was cancelled")]
    Cancelled,
    /// The run was ended by another publish, for idleness or with its channel, or another run has begun.
    #[error("the run has ended")]
    Ended,
    /// With this piece the stream, or its channel, would hold more than it may. The run has ended with an error, and
    /// keeps what was taken before.
    #[error("the stream would hold more than {max} bytes")]
    TooLarge {
        /// Bytes that it may hold.
        max: usize,
    },
    /// The service is stopping. The run has ended with an error.
    #[error("the service is stopping")]
    Draining,
    /// The log can't be reached, or all logs together hold as much as they may. The run has ended with an error, if that
    /// could be appended.
    #[error("the log is not available")]
    Log,
}

/// What an open body came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Where the channel stands, the run's end included.
    pub id: Position,
    /// How: `done`, `cancelled` or `error`.
    pub finish: RunState,
    /// The source that was taken, in bytes.
    pub bytes: u64,
    /// The source, where it was asked for and is still the stream's.
    pub source: Option<String>,
    /// Its HTML.
    pub html: Option<String>,
}

/// An open body. Dropped before [`OpenRun::finish`] or [`OpenRun::fail`], the page shows an error after what is there.
#[derive(Debug)]
pub struct OpenRun {
    hub: Hub,
    channel: ChannelName,
    stream: StreamName,
    run: RunNumber,
    /// Where the channel stood when this run last appended.
    at: Position,
    bytes: u64,
    ended: watch::Receiver<Option<OpenEnd>>,
    /// Whether the run is known to have ended.
    over: bool,
}

impl Hub {
    /// Begins a run that one body writes. The page sees the `start` at once.
    ///
    /// # Errors
    /// Where the stream is written by another body, the options are none, or the channel takes nothing.
    ///
    /// # Cancel safety
    /// Dropped, either nothing was appended, or the run ends with an error as any abandoned one.
    pub async fn open(
        &self,
        channel: &ChannelName,
        stream: &StreamName,
        options: Option<Map<String, Value>>,
        epoch: Option<Epoch>,
    ) -> Result<OpenRun, PublishError> {
        let hub = self.inner();
        let body = BodyId(hub.next_number());
        let (end, ended) = watch::channel(None);
        let plan = |ledger: &Ledger, now| ledger.plan_body(stream, options, body, now);
        let begun = |live: &mut Live| {
            live.bodies.insert(stream.clone(), Body { end });
            live.ledger.life(stream).map_or(0, |life| life.run)
        };
        let (at, run) = hub.write(channel, epoch, plan, begun).await?;
        let (hub, channel, stream) = (self.clone(), channel.clone(), stream.clone());
        Ok(OpenRun { hub, channel, stream, run, at, bytes: 0, ended, over: false })
    }
}

impl OpenRun {
    /// Takes the next bytes of the source, cut anywhere.
    ///
    /// # Errors
    /// [`OpenEnd`], once no more is taken: the run has ended then, and [`OpenRun::finish`] tells how.
    ///
    /// # Cancel safety
    /// Dropped, the bytes were taken or were not.
    pub async fn push(&mut self, bytes: &[u8]) -> Result<Position, OpenEnd> {
        let hub = Arc::clone(self.hub.inner());
        let Some((topic, mut writer)) = hub.existing(&self.channel).await else { return Err(self.told()) };
        topic.room().await;
        let Some(live) = writer.live.as_mut().filter(|live| self.is_own(live)) else { return Err(self.told()) };
        let op = Op::Markdown { text: Piece::from_bytes(bytes.to_vec()), options: None };
        let planned = match hub.make_room().await {
            Ok(()) => live.ledger.plan(&self.stream, vec![op], Right::Backend, Instant::now()).map_err(end_of),
            Err(_) => Err(OpenEnd::Log),
        };
        let plan = match planned {
            Ok(plan) => plan,
            Err(end) => {
                let message = if end == OpenEnd::Log { INTERRUPTED } else { TOO_LONG };
                if let Some(plan) = live.ledger.plan_end(&self.stream, End::Error(message)) {
                    self.at = hub.append(&topic, live, plan).await.unwrap_or(self.at);
                    topic.poke(&hub);
                }
                return Err(end);
            }
        };
        self.at = hub.append(&topic, live, plan).await.map_err(|_| OpenEnd::Log)?;
        self.bytes = live.ledger.life(&self.stream).map_or(0, |life| life.bytes as u64);
        hub.count_op("markdown", 1);
        topic.poke(&hub);
        Ok(self.at)
    }

    /// Ready when somebody else has ended the run.
    pub fn cancelled(&self) -> impl Future<Output = OpenEnd> + Send + 'static {
        let mut ended = self.ended.clone();
        async move {
            let end = ended.wait_for(Option::is_some).await;
            end.ok().and_then(|end| *end).unwrap_or(OpenEnd::Ended)
        }
    }

    /// Ends the run by `done`, unless it has ended already, and tells what became of it; with `representation` also
    /// the text and its HTML.
    pub async fn finish(self, representation: bool) -> Finished {
        self.close(End::Done, representation).await
    }

    /// Ends the run by an error that shows `message`, unless it has ended already.
    pub async fn fail(self, message: &str, representation: bool) -> Finished {
        self.close(End::Error(message), representation).await
    }

    async fn close(mut self, how: End<'_>, representation: bool) -> Finished {
        let finish = self.end_run(how).await;
        self.over = true;
        let mut finished = Finished { id: self.at, finish, bytes: self.bytes, source: None, html: None };
        if representation
            && let Some(state) = self.hub.stream_state(&self.channel, &self.stream).await
            && (state.run, state.id.epoch) == (self.run, self.at.epoch)
            && let StreamContent::Markdown { source, html } = state.content
        {
            (finished.source, finished.html) = (Some(source), Some(html));
        }
        finished
    }

    /// Ends the run if it is still there, and says how it has ended.
    async fn end_run(&mut self, how: End<'_>) -> RunState {
        let hub = Arc::clone(self.hub.inner());
        let Some((topic, mut writer)) = hub.existing(&self.channel).await else { return RunState::Error };
        let Some(live) = writer.live.as_mut().filter(|live| live.head.epoch == self.at.epoch) else {
            return RunState::Error;
        };
        if live.ledger.life(&self.stream).is_none_or(|life| life.run != self.run) {
            // Another run has begun: this one was stopped by it.
            return RunState::Cancelled;
        }
        if let Some(plan) = live.ledger.plan_end(&self.stream, how) {
            match hub.append(&topic, live, plan).await {
                Ok(at) => self.at = at,
                Err(error) => tracing::warn!(channel = %self.channel, %error, "a run's end was not appended"),
            }
            topic.poke(&hub);
        } else {
            self.at = live.head;
        }
        live.ledger.life(&self.stream).map_or(RunState::Error, |life| {
            self.bytes = life.bytes as u64;
            life.state
        })
    }

    fn is_own(&self, live: &Live) -> bool {
        let own = |life: &Life| life.run == self.run && life.state == RunState::Active;
        live.head.epoch == self.at.epoch && live.ledger.life(&self.stream).is_some_and(own)
    }

    /// Why the run is no longer there.
    fn told(&self) -> OpenEnd {
        self.ended.borrow().unwrap_or(OpenEnd::Ended)
    }
}

/// What a refusal of more text means for the body.
fn end_of(refusal: PublishRefusal) -> OpenEnd {
    match refusal {
        PublishRefusal::StreamTooLarge { max } | PublishRefusal::ChannelTooLarge { max } => OpenEnd::TooLarge { max },
        _ => OpenEnd::Ended,
    }
}

impl Drop for OpenRun {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let mut left = Self {
            hub: self.hub.clone(),
            channel: self.channel.clone(),
            stream: self.stream.clone(),
            run: self.run,
            at: self.at,
            bytes: self.bytes,
            ended: self.ended.clone(),
            over: true,
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(async move { left.end_run(End::Error(INTERRUPTED)).await })),
            // Its idle time will end it.
            Err(_) => tracing::warn!(channel = %self.channel, stream = %self.stream, "dropped outside the runtime"),
        }
    }
}
