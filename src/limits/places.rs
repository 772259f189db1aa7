//! Connections that stay open, counted for each holder of tokens.
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

/// Counts places. A clone is a handle to the same count.
#[derive(Clone)]
pub(super) struct Places {
    taken: Arc<Mutex<HashMap<Subject, usize, RandomState>>>,
    each_max: usize,
}

/// A holder has as many connections open as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the holder of this token has {max} connections open, as many as it may")]
pub struct TooMany {
    /// How many that is.
    pub max: usize,
}

/// One connection's place, to be held as long as it is open. Nobody counts those of a holder that has no name.
#[must_use = "the place is free as soon as this is dropped"]
pub struct SubjectPlace(Option<(Places, Subject)>);

impl Places {
    pub(super) fn new(each_max: usize) -> Self {
        Self { taken: Arc::default(), each_max }
    }

    pub(super) fn take(&self, subject: Option<Subject>) -> Result<SubjectPlace, TooMany> {
        let Some(subject) = subject else { return Ok(SubjectPlace(None)) };
        let mut taken = self.taken.lock();
        let count = taken.get(&subject).copied().unwrap_or(0);
        if count >= self.each_max {
            return Err(TooMany { max: self.each_max });
        }
        taken.insert(subject, count + 1);
        drop(taken);
        Ok(SubjectPlace(Some((self.clone(), subject))))
    }
}

impl Drop for SubjectPlace {
    fn drop(&mut self) {
        let Some((places, subject)) = self.0.take() else { return };
        let mut taken = places.taken.lock();
        if let Entry::Occupied(mut entry) = taken.entry(subject) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
        if taken.capacity() > 1024 && taken.capacity() > 4 * taken.len() {
            taken.shrink_to_fit();
        }
    }
}

impl fmt::Debug for SubjectPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SubjectPlace").field(&self.0.as_ref().map(|(_, subject)| subject)).finish()
    }
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Places").field("each_max", &self.each_max).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back_and_leave_nothing_behind() {
        let places = Places::new(2);
        let [a, b] = ["a", "b"].map(|sub| Some(Subject::of(sub)));
        let first = places.take(a).unwrap();
        let _second = places.take(a).unwrap();
        assert_eq!(places.take(a).unwrap_err(), TooMany { max: 2 });
        let of_another = places.take(b).unwrap();
        let nameless: Vec<_> = (0..9).map(|_| places.take(None).unwrap()).collect();
        drop((first, nameless));
        let again = places.take(a).unwrap();
        assert!(places.take(a).is_err());
        drop((again, of_another, _second));
        assert!(places.taken.lock().is_empty());
    }

    #[test]
    fn threads_together_do_not_pass_the_cap() {
        let places = Places::new(50);
        let held = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..40).for_each(|_| held.lock().extend(places.take(Some(Subject::of("a"))).ok())));
            }
        });
        assert_eq!(held.lock().len(), 50);
        drop(held);
        assert!(places.taken.lock().is_empty());
    }
}
