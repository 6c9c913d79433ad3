//! Answers of Lambda authorizers that are kept.
//!
//! Lives here: what they are kept under, how many, how long, and that requests at the same time make one call.
//! Does not live here: what an answer lets through: that is looked at for every request (`functions`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Configure a Lambda authorizer", authorization caching, and "Caching
//! authorizer responses" of HTTP APIs: the identity sources are the key.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use interfaces::clock::Clock;
use sha2::{Digest, Sha256};
use tokio::sync::OnceCell;

use super::answer::Answer;
use crate::authorise::refused::NotAuthorised;

/// Answers that are kept of all authorizers together: of 8 KB each at most. The oldest goes first.
const ANSWERS_MAX: usize = 4_096;

/// What an answer is kept under: a digest, since sources are secrets, and long.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

/// The answers of one revision.
#[derive(Default)]
pub(crate) struct Kept {
    flights: Mutex<Flights>,
}

#[derive(Default)]
struct Flights {
    by_key: HashMap<Key, Arc<Flight>>,
    /// The keys in the order in which they were asked for first.
    order: VecDeque<Key>,
}

/// One answer: asked for, or there.
#[derive(Default)]
struct Flight {
    answer: OnceCell<Result<Arc<Answer>, NotAuthorised>>,
    fresh_until: OnceLock<Instant>,
}

/// Whether an answer was there before it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    /// The function gave it for this request.
    Now,
    /// It was kept, or another request was asking for it already.
    Kept,
}

impl Key {
    /// Authorizer, API and stage, and all values of all sources: their lengths keep one from passing for two.
    pub(super) fn new(parts: [&str; 3], sources: &[Vec<String>]) -> Self {
        let mut hash = Sha256::new();
        let mut add = |text: &str| {
            hash.update(text.len().to_be_bytes());
            hash.update(text.as_bytes());
        };
        for part in parts {
            add(part);
        }
        for values in sources {
            add(&values.len().to_string());
            for value in values {
                add(value);
            }
        }
        Self(hash.finalize().into())
    }
}

impl Kept {
    /// The answer under this key: the one that is kept, else the one that `ask` gets. Whoever comes while it is asked
    /// for waits for the same one; a failure is shared with those, and not kept.
    pub(super) async fn get(
        &self,
        key: Key,
        time_to_live: Duration,
        clock: &dyn Clock,
        ask: impl Future<Output = Result<Arc<Answer>, NotAuthorised>>,
    ) -> (Result<Arc<Answer>, NotAuthorised>, Came) {
        let flight = self.flight(key, clock.instant());
        let mut came = Came::Kept;
        let asked = async {
            came = Came::Now;
            ask.await
        };
        let answer = flight.answer.get_or_init(|| asked).await.clone();
        if came == Came::Now {
            match &answer {
                Ok(_) => {
                    // Only whoever asked gets here, so it is set once.
                    let _set = flight.fresh_until.set(clock.instant() + time_to_live);
                }
                Err(_) => self.forget(key, &flight),
            }
        }
        (answer, came)
    }

    fn flight(&self, key: Key, now: Instant) -> Arc<Flight> {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        let Flights { by_key, order } = &mut *flights;
        let flight = match by_key.entry(key) {
            Entry::Occupied(mut known) => {
                let is_over = |until: &Instant| *until <= now;
                if known.get().fresh_until.get().is_some_and(is_over) {
                    known.insert(Arc::default());
                }
                return Arc::clone(known.get());
            }
            Entry::Vacant(new) => Arc::clone(new.insert(Arc::default())),
        };
        order.push_back(key);
        while ANSWERS_MAX < order.len() {
            if let Some(oldest) = order.pop_front() {
                by_key.remove(&oldest);
            }
        }
        flight
    }

    fn forget(&self, key: Key, flight: &Arc<Flight>) {
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |known: &Arc<Flight>| Arc::ptr_eq(known, flight);
        if flights.by_key.get(&key).is_some_and(is_same) {
            flights.by_key.remove(&key);
            flights.order.retain(|other| *other != key);
        }
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Kept").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use test_kit::PausedClock;

    use super::*;

    #[test]
    fn no_two_sets_of_sources_share_a_key() {
        let key = |sources: &[&[&str]]| {
            let sources: Vec<Vec<String>> = sources
                .iter()
                .map(|values| values.iter().map(|value| (*value).to_owned()).collect())
                .collect();
            Key::new(["authorizer", "api", "stage"], &sources)
        };
        let all = [
            key(&[&["a"], &["b"]]),
            key(&[&["a", "b"]]),
            key(&[&["b"], &["a"]]),
            key(&[&["ab"], &[]]),
            key(&[&[], &["ab"]]),
            key(&[&["a,b"]]),
            Key::new(["authorizer", "api", "other"], &[vec!["a".to_owned()]]),
            Key::new(["authorizer", "other", "stage"], &[vec!["a".to_owned()]]),
            key(&[&["a"]]),
        ];
        for (index, one) in all.iter().enumerate() {
            assert!(!all[index + 1..].contains(one), "{index}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_answers_go_when_there_are_too_many() {
        let kept = Kept::default();
        let now = PausedClock::start().instant();
        let key = |number: usize| Key::new(["a", "b", "c"], &[vec![number.to_string()]]);
        let first = kept.flight(key(0), now);
        for number in 1..=ANSWERS_MAX {
            kept.flight(key(number), now);
        }
        let flights = kept.flights.lock().unwrap();
        assert_eq!(flights.by_key.len(), ANSWERS_MAX);
        assert_eq!(flights.order.len(), ANSWERS_MAX);
        assert_eq!(Arc::strong_count(&first), 1);
    }

    impl fmt::Debug for Key {
        fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str(&hex::encode(self.0))
        }
    }
}
