//! What brings a page from the id it has to the id the channel has.
//!
//! One way for all: a late joiner, a reload, a reconnect, a reader that was too slow for the kept ticks.
//!
//! ```text
//!  a kept tick starts at the id, in the page's wire ──▶ the kept ticks
//!  the log still reaches the id ──▶ the fold there, and one tick of all that followed
//!  below, above, another epoch, unreadable ──▶ a snapshot, with `reset`
//!  no id ──▶ a snapshot; with `from=now` only the active documents
//! ```
//!
//! **Invariant:** an id within the log is never answered with a snapshot (`every_id_of_the_log_is_resumed_without_a_snapshot`).
//!
//! **Invariant:** a storm of joins makes one snapshot a second (`a_storm_of_joins_shares_a_snapshot`).
//!
//! **Invariant:** of those who come back with one id at one time, one has the difference made
//! (`who_comes_back_with_one_id_shares_the_difference`).
//!
//! **Invariant:** who comes with ids of entries just published does not make ticks come faster than documents earn them
//! (`an_id_just_published_waits_for_its_tick`).
//!
//! **Source:** `openapi/protocol.md`, "Ids".

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep};

use super::feed::Feed;
use super::hub::Inner;
use super::snapshot_cache::Snapshot;
use super::ticker::SMALL_BYTES;
use super::topic::{Scene, Topic};
use super::view::{View, difference};
use crate::oplog::{Folded, OpLog as _, ReadError};
use crate::protocol::{By, Declared, EncodedTick, Position, ResetReason, Wire, Wires};
use crate::telemetry::Resync;

/// How often the way is looked for anew, while the channel changes under it or a tick is waited for.
const ATTEMPTS_MAX: usize = 1_000;

/// How long an entry that someone comes with waits for its tick at the longest.
const TICK_LATEST: Duration = Duration::from_millis(250);

/// What a page has, and so what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// Nothing: it needs everything.
    Whole,
    /// Nothing, and it does not want what was before, but for what is being written.
    Now,
    /// Everything up to this id.
    After(Position),
    /// Something that can't be told.
    Unknown,
}

/// Where a page stands once it has `what`.
#[derive(Clone, Debug)]
pub(super) struct Joined {
    pub(super) generation: u64,
    /// The number of the tick that it needs next.
    pub(super) next: u64,
    pub(super) position: Position,
    /// What that tick takes for told on the compact wire.
    pub(super) declared: Declared,
    pub(super) what: What,
    /// Why a page that had an id has to begin anew.
    pub(super) resync: Option<Resync>,
}

/// What it is sent first.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// Nothing: what comes next continues from what it has.
    Nothing,
    /// One tick that leads from its id to the position.
    Difference(Arc<EncodedTick>),
    /// Everything; nothing, where a fresh page has nothing to show.
    Snapshot(Option<Arc<EncodedTick>>),
    /// That it has to begin anew, with nothing.
    Reset(ResetReason),
}

impl What {
    pub(super) fn by(&self) -> By {
        match self {
            Self::Nothing | Self::Difference(_) => By::Replay,
            Self::Snapshot(_) | Self::Reset(_) => By::Snapshot,
        }
    }
}

/// What is to be done.
#[derive(Debug)]
enum Way {
    Stand(Joined),
    /// The id is of an entry that no tick holds yet.
    Flush,
    /// From this id to the head.
    Fold(Position),
    Snapshot(Part, Option<(ResetReason, Resync)>),
}

/// What of a channel a snapshot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    All,
    Documents,
}

impl Way {
    fn of(want: Want, feed: &Feed, wire: Wire) -> Self {
        let stand = |position: Position, next: u64, what: What, resync: Option<Resync>| {
            let declared = feed.declared_at(next);
            Self::Stand(Joined { generation: feed.generation, next, position, declared, what, resync })
        };
        let anew = |reset: Option<(ResetReason, Resync)>| match reset {
            _ if feed.head > 0 => Self::Snapshot(Part::All, reset),
            None => stand(feed.position(), feed.ring.end(), What::Snapshot(None), None),
            Some((reason, why)) => stand(feed.position(), feed.ring.end(), What::Reset(reason), Some(why)),
        };
        match want {
            Want::After(position) if position.epoch != feed.epoch => anew(Some((ResetReason::Epoch, Resync::Epoch))),
            Want::After(position) => match feed.ring.starting_at(position.offset, feed.head) {
                Some(next) if feed.ring.serves(next, wire) => stand(position, next, What::Nothing, None),
                None if position.offset > feed.log_head => anew(Some((ResetReason::Gap, Resync::Ahead))),
                None if position.offset > feed.head => Self::Flush,
                // Also where the kept tick was made before anybody watched in this wire.
                None | Some(_) => Self::Fold(position),
            },
            Want::Unknown => anew(Some((ResetReason::Gap, Resync::Unreadable))),
            Want::Now if feed.head > 0 => Self::Snapshot(Part::Documents, None),
            Want::Whole | Want::Now => anew(None),
        }
    }
}

/// Differences that are being made, by the id that they start from and the wire. Who asks holds one as long as it waits.
#[derive(Debug, Default)]
pub(super) struct CatchingUp(Vec<(Position, Wire, Weak<Shared>)>);

/// A difference that the first of all who wait for it makes.
type Shared = OnceCell<Option<Joined>>;

impl CatchingUp {
    /// Whether nobody waits for one.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.0.iter().all(|(_, _, made)| made.strong_count() == 0)
    }

    /// The one that starts there.
    fn at(&mut self, from: Position, wire: Wire) -> Arc<Shared> {
        self.0.retain(|(_, _, made)| made.strong_count() > 0);
        let same = |(position, on, _): &&(Position, Wire, Weak<Shared>)| (*position, *on) == (from, wire);
        let known = self.0.iter().find(same).and_then(|(_, _, made)| made.upgrade());
        known.unwrap_or_else(|| {
            let made = Arc::default();
            self.0.push((from, wire, Arc::downgrade(&made)));
            made
        })
    }
}

impl Topic {
    /// Where the page stands, if that needs no work; `feed` is this channel's.
    pub(super) fn join_at_once(feed: &Feed, want: Want, wire: Wire) -> Option<Joined> {
        match Way::of(want, feed, wire) {
            Way::Stand(joined) => Some(joined),
            _ => None,
        }
    }

    /// Finds what brings the page to the head.
    pub(super) async fn join(self: Arc<Self>, hub: Arc<Inner>, want: Want, wire: Wire) -> Joined {
        let mut trimmed = false;
        for _ in 0..ATTEMPTS_MAX {
            let way = Way::of(want, &self.feed.lock(), wire);
            let joined = match way {
                Way::Stand(joined) => Some(joined),
                Way::Flush => {
                    self.wait_for_tick(&hub).await;
                    None
                }
                Way::Fold(_) if trimmed => {
                    self.snapshot(&hub, Part::All, Some((ResetReason::Gap, Resync::Trimmed)), (want, wire)).await
                }
                Way::Fold(position) => self.difference(&hub, position, wire).await.unwrap_or_else(|error| {
                    tracing::debug!(channel = %self.name, %error, "an id is out of the log's reach");
                    trimmed = true;
                    None
                }),
                Way::Snapshot(part, reset) => self.snapshot(&hub, part, reset, (want, wire)).await,
            };
            if let Some(joined) = joined {
                return joined;
            }
            // The channel has changed, and the way is another now; or something failed, and was logged.
            tokio::task::yield_now().await;
        }
        let feed = self.feed.lock();
        let (position, next) = (feed.position(), feed.ring.end());
        let (what, resync) = (What::Reset(ResetReason::Gap), Some(Resync::Trimmed));
        let declared = feed.declared_at(next);
        Joined { generation: feed.generation, next, position, declared, what, resync }
    }

    /// One tick from an id that the log reaches to the head, made once for all who ask for it at the same time. `None`:
    /// the channel's life ended meanwhile.
    async fn difference(
        self: &Arc<Self>,
        hub: &Arc<Inner>,
        from: Position,
        wire: Wire,
    ) -> Result<Option<Joined>, ReadError> {
        let way = self.catching_up.lock().at(from, wire);
        let joined = way.get_or_try_init(|| self.make_difference(hub, from, wire)).await?.clone();
        if joined.is_some() {
            hub.metrics.catch_ups().inc();
        }
        Ok(joined)
    }

    async fn make_difference(
        self: &Arc<Self>,
        hub: &Arc<Inner>,
        from: Position,
        wire: Wire,
    ) -> Result<Option<Joined>, ReadError> {
        let (generation, next, to, declared) = {
            let feed = self.feed.lock();
            (feed.generation, feed.ring.end(), feed.position(), feed.declared.clone())
        };
        let told = declared.clone();
        let done = self.off_the_worker(hub, &hub.joins, move |topic, hub| {
            let runtime = tokio::runtime::Handle::current();
            let Folded { fold, mut later, .. } = runtime.block_on(hub.log.fold_at(&topic.name, Some(from)))?;
            later.retain(|logged| logged.offset <= to.offset);
            let tick = difference(fold, later, Arc::clone(&hub.policy), Instant::now().into_std(), Wires::only(wire));
            let (name, span) = (topic.name.clone(), (Some(from), to));
            Ok(Arc::new(EncodedTick::alone(name, span, &tick.frames, None, (wire, &told))))
        });
        let Some(done) = done.await else { return Ok(None) };
        let what = match done {
            Err(ReadError::OtherEpoch { .. } | ReadError::Missing) => return Ok(None),
            done => What::Difference(done?),
        };
        hub.metrics.differences().inc();
        Ok(Some(Joined { generation, next, position: to, declared, what, resync: None }))
    }

    /// Everything. `None`: there is nothing by now.
    async fn snapshot(
        self: &Arc<Self>,
        hub: &Arc<Inner>,
        part: Part,
        reset: Option<(ResetReason, Resync)>,
        (want, wire): (Want, Wire),
    ) -> Option<Joined> {
        let _alone = self.snapping.lock().await;
        let known = self.usable_snapshot(part, want);
        let snapshot = match known {
            Some(snapshot) => snapshot,
            None => self.look(hub, move |topic, hub, scene| topic.take_snapshot(hub, scene, part)).await??,
        };
        let reason = reset.map(|(reason, _)| reason);
        let encoded = if snapshot.is_at_hand(reason, wire) {
            snapshot.encoded(reason, wire)
        } else {
            let snapshot = Arc::clone(&snapshot);
            self.off_the_worker(hub, &hub.joins, move |_, _| snapshot.encoded(reason, wire)).await?
        };
        let what = match (encoded, reset) {
            (None, Some((reason, _))) => What::Reset(reason),
            (encoded, _) => What::Snapshot(encoded),
        };
        let resync = reset.map(|(_, why)| why);
        let (generation, next, position) = (snapshot.generation, snapshot.next, snapshot.at);
        Some(Joined { generation, next, position, declared: snapshot.declared.clone(), what, resync })
    }

    /// The last snapshot, if the kept ticks lead on from it, it is not old, and it leads nobody back.
    fn usable_snapshot(&self, part: Part, want: Want) -> Option<Arc<Snapshot>> {
        let feed = self.feed.lock();
        let snapshot = feed.snapshots[part as usize].as_ref()?;
        let reached = snapshot.generation == feed.generation && snapshot.next >= feed.ring.first();
        let recent = snapshot.next == feed.ring.end() || snapshot.is_fresh(Instant::now());
        let behind = matches!(want, Want::After(position)
            if position.epoch == snapshot.at.epoch && position.offset > snapshot.at.offset);
        (reached && recent && !behind).then(|| Arc::clone(snapshot))
    }

    fn take_snapshot(self: &Arc<Self>, hub: &Arc<Inner>, scene: &mut Scene, part: Part) -> Option<Arc<Snapshot>> {
        let view = scene.view.as_ref()?;
        let frames = match part {
            Part::All => view.snapshot(),
            Part::Documents => view.active_documents(),
        };
        let mut feed = self.feed.lock();
        let snapshot = Arc::new(Snapshot::new(&feed, self.name.clone(), frames));
        let first = feed.snapshots.iter().all(Option::is_none);
        let before = feed.snapshots[part as usize].replace(Arc::clone(&snapshot));
        drop(feed);
        drop(before);
        if first {
            hub.snapped.lock().push(Arc::clone(self));
        }
        Some(snapshot)
    }

    /// Waits until there may be a tick that was not there before. Where its documents have had no credit for as long as a
    /// reader should ever wait, it is made: so that who comes with ids just published makes few of them.
    async fn wait_for_tick(self: &Arc<Self>, hub: &Arc<Inner>) {
        let latest = self.feed.lock().next_tick + TICK_LATEST;
        if Instant::now() >= latest {
            self.flush(hub).await;
        } else {
            sleep(hub.options.tick.max(Duration::from_millis(1))).await;
        }
    }

    /// Looks at the scene as of the last tick: here where little is kept, else off the worker.
    pub(super) async fn look<R: Send + 'static>(
        self: &Arc<Self>,
        hub: &Arc<Inner>,
        look: impl FnOnce(&Arc<Self>, &Arc<Inner>, &mut Scene) -> R + Send + 'static,
    ) -> Option<R> {
        let small = |scene: &Scene| scene.view.as_ref().map_or(0, View::bytes) <= SMALL_BYTES;
        if let Some(mut scene) = self.scene.try_lock()
            && small(&scene)
        {
            return Some(look(self, hub, &mut scene));
        }
        self.off_the_worker(hub, &hub.joins, |topic, hub| look(topic, hub, &mut topic.scene.lock())).await
    }
}
