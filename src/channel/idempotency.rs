//! Publishes that are sent again: the same key, by the same caller to the same channel, is applied once.
//!
//! Only what was applied is remembered: a refusal changed nothing, so a retry of it is judged anew. Keys are kept as
//! hashes under a secret of the process, so that one costs the same however long it is.
//!
//! **Invariant:** of publishes with one key that run at the same time one is applied, and the others get its id
//! (`a_retry_waits_for_the_first_and_gets_its_id`, `where_the_first_fails_the_next_takes_its_place`).
//!
//! **Invariant:** never more than the cap is remembered (`the_oldest_answers_give_way`).
//!
//! **Source:** draft-ietf-httpapi-idempotency-key-header; `openapi/protocol.md`, "Retrying".

use std::collections::VecDeque;
use std::hash::Hash;
use std::time::Duration;

use ahash::{AHashMap, RandomState};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::protocol::{ChannelName, Position};

/// Answers that are remembered: at about 100 bytes each, some 10 MiB. Beyond it the oldest are forgotten early.
const ANSWERS_MAX: usize = 100_000;

/// A number that tells one body from another, to be handed in beside a key.
///
/// It is the same for the same bytes within one process only.
pub fn fingerprint(body: &[u8]) -> u64 {
    RandomState::with_seeds(0x72, 0x69, 0x6c, 0x6c).hash_one(body)
}

/// The keys of all channels.
pub(super) struct Keys {
    lifetime: Duration,
    answers_max: usize,
    hashers: [RandomState; 2],
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    slots: AHashMap<u128, Slot>,
    /// Finished ones, oldest first.
    finished: VecDeque<(Instant, u128)>,
}

struct Slot {
    fingerprint: u64,
    state: State,
}

enum State {
    /// The sender is with the first: it sends the id, or is dropped.
    Running(watch::Receiver<Option<Position>>),
    Applied(Position),
}

/// What becomes of a publish with a key.
pub(super) enum Claim<'a> {
    /// It is the first: it is to be applied.
    First(Ticket<'a>),
    /// It was applied.
    Again(Position),
}

/// The key was used with another body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mismatch;

/// Held by the first until it is applied. Dropped before, the key is free again.
pub(super) struct Ticket<'a> {
    keys: &'a Keys,
    id: u128,
    answer: watch::Sender<Option<Position>>,
    applied: bool,
}

impl Keys {
    pub(super) fn new(lifetime: Duration) -> Self {
        Self {
            lifetime,
            answers_max: ANSWERS_MAX,
            hashers: [RandomState::new(), RandomState::new()],
            known: Mutex::default(),
        }
    }

    /// Claims `key`; waits where a publish with it is under way.
    pub(super) async fn claim(
        &self,
        channel: &ChannelName,
        caller: impl Hash,
        key: &str,
        fingerprint: u64,
    ) -> Result<Claim<'_>, Mismatch> {
        let id = self.id(channel, caller, key);
        loop {
            let mut running = {
                let mut known = self.known.lock();
                known.forget(Instant::now(), self.lifetime, self.answers_max);
                match known.slots.get(&id) {
                    None => {
                        let (answer, receiver) = watch::channel(None);
                        known.slots.insert(id, Slot { fingerprint, state: State::Running(receiver) });
                        return Ok(Claim::First(Ticket { keys: self, id, answer, applied: false }));
                    }
                    Some(slot) if slot.fingerprint != fingerprint => return Err(Mismatch),
                    Some(Slot { state: State::Applied(position), .. }) => return Ok(Claim::Again(*position)),
                    Some(Slot { state: State::Running(receiver), .. }) => receiver.clone(),
                }
            };
            if let Ok(answer) = running.wait_for(Option::is_some).await
                && let Some(position) = *answer
            {
                return Ok(Claim::Again(position));
            }
        }
    }

    fn id(&self, channel: &ChannelName, caller: impl Hash, key: &str) -> u128 {
        let [high, low] = [0, 1].map(|at| self.hashers[at].hash_one((channel.as_str(), &caller, key)));
        u128::from(high) << 64 | u128::from(low)
    }
}

impl Known {
    fn forget(&mut self, now: Instant, lifetime: Duration, answers_max: usize) {
        while let Some((since, id)) = self.finished.front() {
            if self.finished.len() < answers_max && now.duration_since(*since) < lifetime {
                break;
            }
            self.slots.remove(id);
            self.finished.pop_front();
        }
    }
}

impl Ticket<'_> {
    /// It was applied at `position`.
    pub(super) fn applied(mut self, position: Position) {
        self.applied = true;
        let mut known = self.keys.known.lock();
        if let Some(slot) = known.slots.get_mut(&self.id) {
            slot.state = State::Applied(position);
        }
        known.finished.push_back((Instant::now(), self.id));
        drop(known);
        self.answer.send_replace(Some(position));
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if !self.applied {
            self.keys.known.lock().slots.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_secs(600);

    fn channel(name: &str) -> ChannelName {
        ChannelName::parse(name).unwrap()
    }

    fn at(offset: u64) -> Position {
        format!("1f-{offset}").parse().unwrap()
    }

    async fn first<'a>(keys: &'a Keys, key: &str) -> Ticket<'a> {
        match keys.claim(&channel("c"), "k", key, 1).await {
            Ok(Claim::First(ticket)) => ticket,
            _ => panic!("`{key}` is new"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_retry_waits_for_the_first_and_gets_its_id() {
        let keys = Keys::new(LIFETIME);
        let (name, ticket) = (channel("c"), first(&keys, "a").await);
        let retries = futures_util::future::join_all((0..3).map(|_| keys.claim(&name, "k", "a", 1)));
        let first = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            ticket.applied(at(7));
        };
        let (answers, ()) = tokio::join!(retries, first);
        assert!(answers.iter().all(|answer| matches!(answer, Ok(Claim::Again(id)) if *id == at(7))));
        assert!(matches!(keys.claim(&name, "k", "a", 1).await, Ok(Claim::Again(id)) if id == at(7)));
    }

    #[tokio::test(start_paused = true)]
    async fn where_the_first_fails_the_next_takes_its_place() {
        let keys = Keys::new(LIFETIME);
        let (name, ticket) = (channel("c"), first(&keys, "a").await);
        let retries = futures_util::future::join_all((0..3).map(|_| async {
            let claim = keys.claim(&name, "k", "a", 1).await;
            match claim {
                Ok(Claim::First(ticket)) => {
                    tokio::task::yield_now().await;
                    ticket.applied(at(8));
                    true
                }
                Ok(Claim::Again(id)) => id != at(8),
                Err(Mismatch) => true,
            }
        }));
        let (firsts, ()) = tokio::join!(retries, async { drop(ticket) });
        assert_eq!(firsts.iter().filter(|first| **first).count(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn another_body_is_a_mismatch_and_another_owner_another_key() {
        let keys = Keys::new(LIFETIME);
        first(&keys, "a").await.applied(at(1));
        assert_eq!(keys.claim(&channel("c"), "k", "a", 2).await.err(), Some(Mismatch));
        for (name, credential) in [("d", "k"), ("c", "l")] {
            assert!(matches!(keys.claim(&channel(name), credential, "a", 2).await, Ok(Claim::First(_))));
        }
        tokio::time::advance(LIFETIME).await;
        assert!(matches!(keys.claim(&channel("c"), "k", "a", 2).await, Ok(Claim::First(_))), "forgotten by then");
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_answers_give_way() {
        let keys = Keys { answers_max: 10, ..Keys::new(LIFETIME) };
        for key in 0..50_u64 {
            first(&keys, &key.to_string()).await.applied(at(key));
            assert!(keys.known.lock().slots.len() <= 10);
        }
        assert!(matches!(keys.claim(&channel("c"), "k", "49", 1).await, Ok(Claim::Again(id)) if id == at(49)));
        assert!(matches!(keys.claim(&channel("c"), "k", "0", 1).await, Ok(Claim::First(_))));
    }

    #[test]
    fn a_fingerprint_tells_bodies_apart() {
        assert_eq!(fingerprint(b"{}"), fingerprint(b"{}"));
        assert_ne!(fingerprint(b"{}"), fingerprint(b"{ }"));
    }
}
