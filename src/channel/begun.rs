//! Runs that a sender of batches began, and that end with an error when it is gone.
//!
//! **Invariant:** a run that another began is left alone, though it has taken the place of one's own
//! (`runs_of_lines_that_break_off_end_with_an_error`).
//!
//! **Source:** `openapi/protocol.md`, "NDJSON".

use super::hub::Hub;
use super::ledger::{End, Ledger, Life, RunNumber};
use super::open::INTERRUPTED;
use super::topic::Live;
use crate::protocol::{ChannelName, Epoch, Position, RunState, StreamName};

/// One run of a stream: no later one of its name is equal, in this life of its channel or another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BegunRun {
    epoch: Epoch,
    run: RunNumber,
}

/// A batch that is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Where the channel stands with it.
    pub id: Position,
    /// What it has done to its stream's runs.
    pub effect: RunEffect,
}

/// What a batch has done to the runs of its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunEffect {
    /// It began a run that ends when nobody feeds it, and left it active. A live feed that never starts is none.
    Began(BegunRun),
    /// No run is active after it.
    Ended,
    /// It began none: its ops went on with the run that was there, or it is a repetition that was appended before.
    None,
}

impl RunEffect {
    /// Which run was there `before`, and which is now.
    pub(super) fn of(before: RunNumber, stream: &StreamName, live: &Live) -> Self {
        match live.ledger.life(stream) {
            Some(life) if life.state != RunState::Active => Self::Ended,
            Some(life) if life.run != before && life.expires => {
                Self::Began(BegunRun { epoch: live.head.epoch, run: life.run })
            }
            _ => Self::None,
        }
    }
}

impl Ledger {
    /// The number of a stream's last run, 0 where it had none.
    pub(super) fn last_run(&self, stream: &StreamName) -> RunNumber {
        self.life(stream).map_or(0, |life| life.run)
    }
}

impl BegunRun {
    fn is_last(self, stream: &StreamName, live: &Live) -> bool {
        let same = |life: &Life| life.run == self.run;
        live.head.epoch == self.epoch && live.ledger.life(stream).is_some_and(same)
    }
}

impl Hub {
    /// Ends a run with an error, because who began it is gone; unless it has ended already, whatever came after it.
    ///
    /// # Cancel safety
    /// Dropped, the end was appended or was not.
    pub async fn interrupt(&self, channel: &ChannelName, stream: &StreamName, begun: BegunRun) {
        let hub = self.inner();
        let Some((topic, mut writer)) = hub.existing(channel).await else { return };
        let Some(live) = writer.live.as_mut().filter(|live| begun.is_last(stream, live)) else { return };
        let Some(plan) = live.ledger.plan_end(stream, End::Error(INTERRUPTED)) else { return };
        match hub.append(&topic, live, plan).await {
            Ok(_) => topic.poke(hub),
            Err(error) => tracing::warn!(%channel, %error, "a run whose publisher has gone was not ended"),
        }
    }
}
