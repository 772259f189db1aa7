//! What a connection and the requests on it tell each other.
//!
//! The connection (in `server`) must know whether a request is being answered, since only then may it lie still; whether
//! the last answer was given before its request was read, since then it must linger; and whether an answer goes on by
//! itself, since then the connection writes it. Both live on one worker thread, so the cells need no lock.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

use super::ongoing::{Beginning, Ongoing};

/// A handle that the connection and its requests share.
#[derive(Clone, Default)]
pub struct Exchange {
    inner: Rc<Inner>,
}

#[derive(Default)]
struct Inner {
    begun: Cell<u64>,
    ended: Cell<u64>,
    unread: Cell<bool>,
    beginning: Cell<Option<Box<Beginning>>>,
}

impl Exchange {
    /// A request was read; the answer ends when the guard is dropped.
    pub fn begin(&self) -> Answering {
        self.inner.begun.set(self.inner.begun.get() + 1);
        self.inner.unread.set(false);
        Answering { exchange: self.clone() }
    }

    /// How many requests have begun.
    pub fn begun(&self) -> u64 {
        self.inner.begun.get()
    }

    /// Whether no request is being answered.
    pub fn is_idle(&self) -> bool {
        self.inner.begun.get() == self.inner.ended.get()
    }

    /// The answer is given before the request was read to its end; what still comes is to be thrown away.
    pub fn leave_unread(&self) {
        self.inner.unread.set(true);
    }

    /// Whether [`Exchange::leave_unread`] was called for the last request.
    pub fn is_unread(&self) -> bool {
        self.inner.unread.get()
    }

    /// The head of an answer is made; the connection writes what follows it.
    pub(super) fn hand_over(&self, beginning: Beginning) {
        self.inner.beginning.set(Some(Box::new(beginning)));
    }

    /// For tests of connections: this feed goes on.
    #[cfg(test)]
    pub fn hand_over_for_tests(&self, feed: Box<dyn super::Begin>) {
        self.hand_over(Beginning { feed, visit: super::access_log::Visit::for_tests(), answering: None });
    }

    /// The answer that the connection has to go on with, once.
    pub fn take_over(&self) -> Option<Box<Ongoing>> {
        self.inner.beginning.take().map(|beginning| beginning.go_on())
    }

    /// Throws away an answer that nobody will go on with.
    pub fn give_up(&self) {
        drop(self.inner.beginning.take());
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("begun", &self.begun()).field("idle", &self.is_idle()).finish_non_exhaustive()
    }
}

/// While it lives, a request is being answered.
#[derive(Debug)]
pub struct Answering {
    exchange: Exchange,
}

impl Drop for Answering {
    fn drop(&mut self) {
        let ended = &self.exchange.inner.ended;
        ended.set(ended.get() + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_is_idle_between_answers() {
        let exchange = Exchange::default();
        assert!(exchange.is_idle());
        let first = exchange.begin();
        let second = exchange.clone().begin();
        drop(first);
        assert!(!exchange.is_idle());
        drop(second);
        assert!(exchange.is_idle());
        assert_eq!(exchange.begun(), 2);
    }

    #[test]
    fn what_was_left_unread_is_forgotten_with_the_next_request() {
        let exchange = Exchange::default();
        drop(exchange.begin());
        exchange.leave_unread();
        assert!(exchange.is_unread());
        drop(exchange.begin());
        assert!(!exchange.is_unread());
    }
}
