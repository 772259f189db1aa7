//! One page's subscription: a place in the row of ticks, and a waker. What it has not taken is kept for nobody.
//!
//! It is pulled: each poll gives the next thing for the page, or registers who is to be woken. A reader that does not
//! pull costs nothing, and when it pulls again gets the kept ticks, or what [`join`](super::join) finds.
//!
//! **Invariant:** whatever is pulled when, a page gets every entry exactly once and in order
//! (`a_page_gets_every_entry_once_and_in_order`).
//!
//! **Source:** `openapi/protocol.md`, "Ids", "Controls".

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;

use super::feed::{After, KeptTick};
use super::hub::{Hub, Inner};
use super::join::{Joined, Want, What};
use super::refusal::SubscribeError;
use super::topic::Topic;
use crate::protocol::{By, ChannelName, Declared, EncodedTick, Position, ResetReason, StreamName, Wire};
use crate::telemetry::Carrier;

/// What a page has when it comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// Nothing: it is sent everything.
    Beginning,
    /// Nothing, and it wants what comes from now on; documents that are being written are sent whole.
    Now,
    /// The id that it has, as it came: one that can't be read is answered with everything anew, never with an error.
    At(String),
}

/// How it is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watching {
    /// Over what.
    pub transport: Carrier,
    /// Whether [`Delivery::Cancelled`] is wanted.
    pub cancels: bool,
    /// In which form frames are wanted.
    pub wire: Wire,
}

/// One thing for the page, in the order in which they are to be sent.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// The subscription stands: the first delivery of each.
    Subscribed {
        /// What follows continues from here; of a snapshot, it leads to here.
        id: Position,
        /// Whether what follows at once is what the page missed, or everything.
        by: By,
        /// On the compact wire, what is declared for the tick that follows.
        declared: Option<Declared>,
    },
    /// Frames: a tick, a difference or a snapshot. It may hold none, and moves the page's id all the same.
    Tick(Arc<EncodedTick>),
    /// The page has to begin anew, and there is nothing to show.
    Reset {
        /// The id that it has with it.
        id: Position,
        /// Why.
        reason: ResetReason,
        /// On the compact wire, what is declared for the tick that follows.
        declared: Option<Declared>,
    },
    /// A run was stopped in the tick before.
    Cancelled(StreamName),
    /// The channel has ended and all of it was delivered. Nothing follows.
    Ended,
    /// The service is stopping and all of the channel was delivered, or its connections were cut. Nothing follows.
    Bye {
        /// Whether the page is to come back.
        come_back: bool,
        /// After how many milliseconds, spread over the subscribers.
        after_ms: u64,
    },
}

/// A page that watches a channel. Dropped, it watches no longer.
pub struct Subscription {
    hub: Arc<Inner>,
    topic: Arc<Topic>,
    slot: usize,
    number: u64,
    watching: Watching,
    /// Whether [`Delivery::Subscribed`] was delivered.
    told: bool,
    /// What is to be delivered before anything else.
    queue: VecDeque<Delivery>,
    stand: Stand,
    already_over: bool,
    /// How often the channel's connections had been cut when this one came.
    cuts: u64,
    place: Option<Place>,
    /// The id that the page has with all that was delivered.
    has: Option<Position>,
}

/// Where the page stands.
#[derive(Clone, Copy, Debug)]
struct Place {
    generation: u64,
    next: u64,
    position: Position,
}

enum Stand {
    /// What brings it up to date is being made: in a task of its own, since it waits for its turn among others, and a
    /// reader that does not pull must not keep the turn from them.
    Joining(JoinHandle<Joined>),
    /// It takes tick after tick.
    Following,
    /// Nothing follows.
    Over,
}

impl Hub {
    /// Watches a channel, published to or not yet. To be called within the runtime.
    ///
    /// # Errors
    /// Where there are as many subscribers, or names waited for, as may be; and while the service stops.
    pub fn subscribe(
        &self,
        channel: &ChannelName,
        from: From,
        watching: Watching,
    ) -> Result<Subscription, SubscribeError> {
        let want = match from {
            From::Beginning => Want::Whole,
            From::Now => Want::Now,
            From::At(id) => id.parse().map_or(Want::Unknown, Want::After),
        };
        let (topic, slot) = self.inner().enter(channel)?;
        let hub = Arc::clone(self.inner());
        hub.metrics.subscribers(watching.transport).inc();
        let (joined, ended, cuts) = {
            let mut feed = topic.feed.lock();
            feed.wires.add(watching.wire);
            let joined = Topic::join_at_once(&feed, want, watching.wire);
            (joined, feed.is_over().then(|| feed.position()), feed.cuts)
        };
        let already_over = ended.is_some_and(|end| want == Want::After(end));
        let number = hub.next_number();
        let mut subscription = Subscription {
            hub,
            topic,
            slot,
            number,
            watching,
            told: false,
            queue: VecDeque::new(),
            stand: Stand::Following,
            already_over,
            cuts,
            place: None,
            has: None,
        };
        match joined {
            Some(joined) => subscription.stand_at(joined),
            None => subscription.begin_join(want),
        }
        Ok(subscription)
    }
}

impl Hub {
    /// Ends the subscriptions that a channel has now; they are told to come back after a while. For a demonstration, or an
    /// operator who moves load.
    pub fn cut(&self, channel: &ChannelName, away: Duration) {
        let Some(topic) = self.inner().known(channel) else { return };
        let mut waiting = Vec::new();
        {
            let mut feed = topic.feed.lock();
            feed.cuts += 1;
            feed.away_ms = u64::try_from(away.as_millis()).unwrap_or(u64::MAX);
            feed.watchers.take(&mut waiting);
        }
        waiting.into_iter().for_each(std::task::Waker::wake);
    }
}

impl Subscription {
    /// The channel.
    pub fn channel(&self) -> &ChannelName {
        &self.topic.name
    }

    /// The id that the page has with all that was delivered. `None` before the first delivery.
    pub fn position(&self) -> Option<Position> {
        self.has
    }

    /// Whether the page came with the id at which the channel has ended: there is nothing for it, now or later.
    pub fn already_over(&self) -> bool {
        self.already_over
    }

    /// The next thing for the page; none after the last.
    ///
    /// # Cancel safety
    /// Nothing is lost where the future is dropped.
    pub async fn next(&mut self) -> Option<Delivery> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    /// The next thing for the page, or none after the last. Pending, the task is woken when there is one; the last waker
    /// counts.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Delivery>> {
        loop {
            if let Some(delivery) = self.queue.pop_front() {
                self.note(&delivery);
                return Poll::Ready(Some(delivery));
            }
            match &mut self.stand {
                Stand::Over => return Poll::Ready(None),
                Stand::Joining(join) => {
                    let Poll::Ready(joined) = Pin::new(join).poll(context) else { return Poll::Pending };
                    self.stand = Stand::Following;
                    match joined {
                        Ok(joined) => self.stand_at(joined),
                        Err(error) => self.give_way(&error),
                    }
                }
                Stand::Following => match self.follow(context) {
                    Step::Tick(kept) => self.take(kept),
                    Step::Wait => return Poll::Pending,
                    Step::Join => {
                        let want = self.place.map_or(Want::Whole, |place| Want::After(place.position));
                        self.begin_join(want);
                    }
                    Step::Last(delivery) => {
                        self.stand = Stand::Over;
                        return Poll::Ready(Some(delivery));
                    }
                },
            }
        }
    }

    /// Looks at the channel, for a few nanoseconds.
    fn follow(&mut self, context: &Context<'_>) -> Step {
        let Some(place) = self.place else { return Step::Join };
        let mut feed = self.topic.feed.lock();
        if feed.cuts != self.cuts {
            return Step::Last(Delivery::Bye { come_back: true, after_ms: feed.away_ms });
        }
        if place.generation != feed.generation {
            // Its log was given up. Until something new is published, a page that had everything keeps what it shows.
            if feed.head > 0 || !feed.has_all_of_before(place.generation, place.next) {
                return Step::Join;
            }
        } else {
            match feed.ring.after(place.next) {
                After::Tick(kept) if kept.tick.has(self.watching.wire) => return Step::Tick(kept),
                // Or it was being made when the first page of this wire came.
                After::Tick(_) => return Step::Join,
                After::Gone => return Step::Join,
                After::End if feed.is_over() => return Step::Last(Delivery::Ended),
                After::End => {}
            }
        }
        if self.hub.is_closing() {
            let after_ms = self.hub.spread(self.number);
            return Step::Last(Delivery::Bye { come_back: true, after_ms });
        }
        let replaced = feed.watchers.wait(self.slot, context.waker());
        drop(feed);
        drop(replaced);
        Step::Wait
    }

    fn take(&mut self, kept: KeptTick) {
        if let Some(place) = &mut self.place {
            place.next += 1;
            place.position = kept.tick.to();
        }
        self.hub.metrics.reached_socket(Instant::now().duration_since(kept.since));
        self.queue.push_back(Delivery::Tick(kept.tick));
        if self.watching.cancels {
            let cancelled = kept.cancelled.iter().flat_map(|streams| streams.iter().cloned());
            self.queue.extend(cancelled.map(Delivery::Cancelled));
        }
    }

    /// Keeps the page's id.
    fn note(&mut self, delivery: &Delivery) {
        match delivery {
            Delivery::Subscribed { id, by, .. } if *by == By::Replay || self.queue.is_empty() => self.has = Some(*id),
            Delivery::Tick(tick) => self.has = Some(tick.to()),
            Delivery::Reset { id, .. } => self.has = Some(*id),
            _ => {}
        }
    }

    fn begin_join(&mut self, want: Want) {
        let join = Arc::clone(&self.topic).join(Arc::clone(&self.hub), want, self.watching.wire);
        self.stand = Stand::Joining(tokio::spawn(join));
    }

    /// What should bring the page up to date has failed: it may come back and try again.
    fn give_way(&mut self, error: &JoinError) {
        if error.is_panic() {
            tracing::error!(channel = %self.topic.name, %error, "a subscriber could not be brought up to date");
        }
        self.stand = Stand::Over;
        self.queue.push_back(Delivery::Bye { come_back: true, after_ms: self.hub.spread(self.number) });
    }

    fn stand_at(&mut self, joined: Joined) {
        let Joined { generation, next, position, declared, what, resync } = joined;
        let declared = (self.watching.wire == Wire::Compact).then_some(declared);
        if let Some(why) = resync {
            self.hub.metrics.resynced(why);
        }
        if !std::mem::replace(&mut self.told, true) {
            let id = match &what {
                What::Difference(tick) => tick.from().unwrap_or(position),
                _ => position,
            };
            self.queue.push_back(Delivery::Subscribed { id, by: what.by(), declared: declared.clone() });
        }
        match what {
            What::Nothing | What::Snapshot(None) => {}
            What::Difference(tick) | What::Snapshot(Some(tick)) => self.queue.push_back(Delivery::Tick(tick)),
            What::Reset(reason) => self.queue.push_back(Delivery::Reset { id: position, reason, declared }),
        }
        self.place = Some(Place { generation, next, position });
    }
}

enum Step {
    Tick(KeptTick),
    Wait,
    Join,
    Last(Delivery),
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Stand::Joining(join) = &self.stand {
            join.abort();
        }
        self.hub.metrics.subscribers(self.watching.transport).dec();
        self.hub.leave(&self.topic, self.slot);
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription").field("channel", self.channel()).field("position", &self.position()).finish()
    }
}
