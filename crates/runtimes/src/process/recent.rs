//! Places for what is made once and kept while it is asked for.
//!
//! Lives here: which place goes when there are too many.
//! Does not live here: what is kept (`zygote`, `probe`).

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

/// At most so many places: when one more is asked for, the one goes that was not asked for the longest. Whoever holds that
/// keeps it.
pub(super) struct Recent<K, P> {
    places_max: usize,
    places: HashMap<K, Asked<P>>,
    /// Counts what was asked for: the last one has the highest number.
    asked: u64,
}

struct Asked<P> {
    place: Arc<P>,
    number: u64,
}

impl<K: Clone + Eq + Hash, P: Default> Recent<K, P> {
    pub(super) fn new(places_max: usize) -> Self {
        Self {
            places_max,
            places: HashMap::new(),
            asked: 0,
        }
    }

    /// The place of this key, new when there is none.
    pub(super) fn place(&mut self, key: K) -> Arc<P> {
        self.asked += 1;
        if !self.places.contains_key(&key) && self.places_max <= self.places.len() {
            let oldest = self.places.iter().min_by_key(|(_, asked)| asked.number);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.places.remove(&oldest);
            }
        }
        let asked = self.places.entry(key).or_insert_with(|| Asked {
            place: Arc::default(),
            number: 0,
        });
        asked.number = self.asked;
        asked.place.clone()
    }

    /// Gives up a place.
    pub(super) fn remove(&mut self, key: &K) -> Option<Arc<P>> {
        self.places.remove(key).map(|asked| asked.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_there_are_too_many_the_one_goes_that_was_not_asked_for_the_longest() {
        let mut recent: Recent<usize, ()> = Recent::new(3);
        for key in [0, 1, 2, 0] {
            recent.place(key);
        }
        recent.place(3);
        let kept: Vec<bool> = (0..4).map(|key| recent.places.contains_key(&key)).collect();
        assert_eq!(kept, [true, false, true, true]);
    }

    #[test]
    fn a_place_is_the_same_until_it_is_given_up() {
        let mut recent: Recent<&str, usize> = Recent::new(3);
        let first = recent.place("one");
        assert!(Arc::ptr_eq(&first, &recent.place("one")));
        assert!(recent.remove(&"one").is_some());
        assert!(!Arc::ptr_eq(&first, &recent.place("one")));
    }
}
