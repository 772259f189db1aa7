//! Where a connection's frames come from: the channels that it watches, each in its turn.
//!
//! **Invariant:** a channel that always has something does not keep the others waiting
//! (`every_channel_gets_its_turn`).

use std::task::{Context, Poll};

use crate::channel::{Delivery, Subscription};
use crate::protocol::ChannelName;

/// A channel that is watched. [`Subscription`] is one; tests have another.
pub(super) trait Source: Send {
    /// The channel.
    fn channel(&self) -> &ChannelName;
    /// What comes next; `None` after the last.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Delivery>>;
}

impl Source for Subscription {
    fn channel(&self) -> &ChannelName {
        self.channel()
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        self.poll_next(cx)
    }
}

/// All channels that a connection watches.
#[derive(Debug)]
pub(super) struct Sources<S> {
    all: Vec<S>,
    /// Whose turn it is.
    turn: usize,
}

impl<S: Source> Sources<S> {
    pub(super) fn new(all: Vec<S>) -> Self {
        Self { all, turn: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn channels(&self) -> impl Iterator<Item = &ChannelName> {
        self.all.iter().map(S::channel)
    }

    /// Watches one more, in place of what it watched of the same channel.
    pub(super) fn put(&mut self, source: S) {
        self.remove(source.channel());
        self.all.push(source);
    }

    /// Watches a channel no more. Whether it did.
    pub(super) fn remove(&mut self, channel: &ChannelName) -> bool {
        let before = self.all.len();
        self.all.retain(|source| source.channel() != channel);
        self.all.len() < before
    }

    /// What comes next, and of which channel. Pending where nothing is watched. A channel that has said its last is
    /// watched no more.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<(ChannelName, Delivery)> {
        let mut left = self.all.len();
        while left > 0 {
            left -= 1;
            let at = self.turn % self.all.len();
            match self.all[at].poll_next(cx) {
                Poll::Pending => self.turn = at + 1,
                Poll::Ready(Some(delivery)) => {
                    self.turn = at + 1;
                    return Poll::Ready((self.all[at].channel().clone(), delivery));
                }
                Poll::Ready(None) => {
                    self.all.remove(at);
                    self.turn = at;
                }
            }
        }
        Poll::Pending
    }
}

/// A channel that says what a test tells it to.
#[cfg(test)]
pub(super) mod script {
    use std::collections::VecDeque;
    use std::sync::Arc;
    use std::task::Waker;

    use parking_lot::Mutex;

    use super::*;
    use crate::protocol::{DomOp, EncodedTick, Epoch, Frame, Position, StreamName};

    /// A handle to one; the clone that is watched is the source.
    #[derive(Clone)]
    pub(in super::super) struct Script {
        channel: ChannelName,
        inner: Arc<Mutex<Inner>>,
    }

    /// What is to be said, and who waits for it.
    type Inner = (VecDeque<Option<Delivery>>, Option<Waker>);

    impl Script {
        pub(in super::super) fn new(channel: &str) -> Self {
            Self { channel: ChannelName::parse(channel).unwrap(), inner: Arc::default() }
        }

        pub(in super::super) fn say(&self, delivery: impl Into<Option<Delivery>>) {
            let mut inner = self.inner.lock();
            inner.0.push_back(delivery.into());
            if let Some(waker) = inner.1.take() {
                waker.wake();
            }
        }

        /// One frame of text, which brings the page to this offset.
        pub(in super::super) fn tick(&self, offset: u64, text: &str) -> Arc<EncodedTick> {
            let op = DomOp::Text { target: None, text: text.to_owned(), mode: None };
            let frame = Frame::new(StreamName::parse("s").unwrap(), vec![op]);
            let tick = EncodedTick::tick(self.channel.clone(), at(offset - 1), at(offset), &[frame]);
            let tick = Arc::new(tick);
            self.say(Delivery::Tick(Arc::clone(&tick)));
            tick
        }
    }

    /// A position of the one epoch there is.
    pub(in super::super) fn at(offset: u64) -> Position {
        Epoch::new(0xe).at(offset)
    }

    impl Source for Script {
        fn channel(&self) -> &ChannelName {
            &self.channel
        }

        fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
            let mut inner = self.inner.lock();
            match inner.0.pop_front() {
                Some(delivery) => Poll::Ready(delivery),
                None => {
                    inner.1 = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::script::Script;
    use super::*;

    fn next(sources: &mut Sources<Script>) -> Option<String> {
        match sources.poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready((channel, _)) => Some(channel.to_string()),
            Poll::Pending => None,
        }
    }

    #[test]
    fn every_channel_gets_its_turn() {
        let [a, b, c] = ["a", "b", "c"].map(Script::new);
        let mut sources = Sources::new(vec![a.clone(), b.clone(), c.clone()]);
        for _ in 0..5 {
            a.say(Delivery::Ended);
        }
        b.say(Delivery::Ended);
        b.say(None);
        c.say(Delivery::Ended);
        c.say(Delivery::Ended);
        let turns: Vec<_> = std::iter::from_fn(|| next(&mut sources)).collect();
        assert_eq!(turns.concat(), "abcacaaa");
        assert_eq!(sources.channels().map(ChannelName::as_str).collect::<String>(), "ac", "b has said its last");
    }

    #[test]
    fn a_channel_is_watched_once() {
        let [old, new] = ["a", "a"].map(Script::new);
        let mut sources = Sources::new(vec![old.clone()]);
        sources.put(new.clone());
        old.say(Delivery::Ended);
        assert_eq!((sources.len(), next(&mut sources)), (1, None));
        new.say(Delivery::Ended);
        assert_eq!(next(&mut sources).as_deref(), Some("a"));
        assert!(sources.remove(new.channel()) && !sources.remove(new.channel()) && sources.is_empty());
        assert_eq!(next(&mut sources), None);
    }
}
