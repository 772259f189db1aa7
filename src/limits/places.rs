//! Connections that stay open, counted for each holder of tokens and for each address.
//!
//! Addresses are counted here as well as where connections are accepted, since there a proxy speaks for all its clients.
//!
//! **Invariant:** a place comes back exactly once, when it is dropped, and a holder without places takes no memory
//! (`places_come_back_and_leave_nothing_behind`).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::sync::Arc;

use ahash::RandomState;
use parking_lot::Mutex;

use crate::auth::Subject;
use crate::auth::address::ClientAddress;

/// Who has connections open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Holder {
    Subject(Subject),
    Address(ClientAddress),
}

/// Counts places. A clone is a handle to the same count.
#[derive(Clone)]
pub(super) struct Places {
    taken: Arc<Mutex<HashMap<Holder, usize, RandomState>>>,
    subject_max: usize,
    address_max: usize,
}

/// A holder has as many connections open as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the holder of this token, or its address, has {max} connections open, as many as it may")]
pub struct TooMany {
    /// How many that is.
    pub max: usize,
}

/// One connection's place, to be held as long as it is open. Nobody counts those of a holder that has no name.
#[must_use = "the place is free as soon as this is dropped"]
pub struct OpenPlace {
    places: Places,
    holders: [Option<Holder>; 2],
}

impl Places {
    pub(super) fn new(subject_max: usize, address_max: usize) -> Self {
        Self { taken: Arc::default(), subject_max, address_max }
    }

    fn max(&self, holder: Holder) -> usize {
        match holder {
            Holder::Subject(_) => self.subject_max,
            Holder::Address(_) => self.address_max,
        }
    }

    pub(super) fn take(&self, subject: Option<Subject>, address: Option<ClientAddress>) -> Result<OpenPlace, TooMany> {
        let holders = [subject.map(Holder::Subject), address.map(Holder::Address)];
        let mut taken = self.taken.lock();
        let full = |holder: &&Holder| taken.get(holder).copied().unwrap_or(0) >= self.max(**holder);
        if let Some(holder) = holders.iter().flatten().find(full) {
            return Err(TooMany { max: self.max(*holder) });
        }
        for holder in holders.into_iter().flatten() {
            *taken.entry(holder).or_default() += 1;
        }
        drop(taken);
        Ok(OpenPlace { places: self.clone(), holders })
    }
}

impl Drop for OpenPlace {
    fn drop(&mut self) {
        if self.holders == [None, None] {
            return;
        }
        let mut taken = self.places.taken.lock();
        for holder in self.holders.into_iter().flatten() {
            if let Entry::Occupied(mut entry) = taken.entry(holder) {
                *entry.get_mut() -= 1;
                if *entry.get() == 0 {
                    entry.remove();
                }
            }
        }
        if taken.capacity() > 1024 && taken.capacity() > 4 * taken.len() {
            taken.shrink_to_fit();
        }
    }
}

impl fmt::Debug for OpenPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OpenPlace").field(&self.holders).finish()
    }
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject_max, address_max, .. } = self;
        f.debug_struct("Places").field("subject", subject_max).field("address", address_max).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back_and_leave_nothing_behind() {
        let places = Places::new(2, 2);
        let [a, b] = ["a", "b"].map(|sub| Some(Subject::of(sub)));
        let [here, there] = [1, 2].map(|n| Some(ClientAddress::from(std::net::IpAddr::from([192, 0, 2, n]))));
        let first = places.take(a, None).unwrap();
        let second = places.take(a, here).unwrap();
        assert_eq!(places.take(a, there).unwrap_err(), TooMany { max: 2 });
        let of_another = places.take(b, here).unwrap();
        assert!(places.take(b, here).is_err(), "the address has as many as it may");
        assert!(places.take(None, here).is_err());
        let nameless: Vec<_> = (0..9).map(|_| places.take(None, None).unwrap()).collect();
        drop((first, nameless));
        let again = places.take(a, there).unwrap();
        assert!(places.take(a, None).is_err());
        drop((again, of_another, second));
        assert!(places.taken.lock().is_empty());
    }

    #[test]
    fn threads_together_do_not_pass_the_cap() {
        let places = Places::new(50, 1);
        let held = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope
                    .spawn(|| (0..40).for_each(|_| held.lock().extend(places.take(Some(Subject::of("a")), None).ok())));
            }
        });
        assert_eq!(held.lock().len(), 50);
        drop(held);
        assert!(places.taken.lock().is_empty());
    }
}
