//! Tokens that were verified, so that the next request with one costs a lookup.
//!
//! Lives here: remembering and forgetting them.
//! Does not live here: whether a token still holds (`claims`), which is looked at for every request.
//!
//! A token is remembered whole, so only the very same text is found again, and no longer than its key is trusted. There
//! are two generations of a limited size: what is asked for stays in the young one, and the old one goes at once.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use super::claims::Claims;

/// What one generation holds of one issuer's tokens, in bytes of their texts; claims take about three times as much.
const GENERATION_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Verified tokens of one issuer.
#[derive(Debug, Default)]
pub(super) struct Verified {
    generations: RwLock<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Box<str>, Entry>,
    young_bytes: usize,
    old: HashMap<Box<str>, Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    claims: Arc<Claims>,
    /// When its key has to be asked for anew; none: never.
    trusted_until: Option<Instant>,
}

impl Verified {
    pub(super) fn find(&self, token: &str, now: Instant) -> Option<Arc<Claims>> {
        let holds = |entry: &&Entry| entry.trusted_until.is_none_or(|until| now < until);
        let generations = self
            .generations
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = generations.young.get(token) {
            return Some(entry).filter(holds).map(|it| Arc::clone(&it.claims));
        }
        let entry = generations.old.get(token).filter(holds)?.clone();
        drop(generations);
        self.keep(token, &entry.claims, entry.trusted_until);
        Some(entry.claims)
    }

    pub(super) fn keep(&self, token: &str, claims: &Arc<Claims>, trusted_until: Option<Instant>) {
        let mut generations = self
            .generations
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if GENERATION_BYTES_MAX < generations.young_bytes + token.len() {
            generations.old = std::mem::take(&mut generations.young);
            generations.young_bytes = 0;
        }
        let entry = Entry {
            claims: Arc::clone(claims),
            trusted_until,
        };
        if generations.young.insert(token.into(), entry).is_none() {
            generations.young_bytes += token.len();
        }
    }

    /// Forgets all: the issuer has other keys now.
    pub(super) fn clear(&self) {
        let mut generations = self
            .generations
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *generations = Generations::default();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::Map;

    use super::*;

    #[test]
    fn tokens_are_forgotten_when_there_are_too_many_and_those_in_use_stay() {
        let verified = Verified::default();
        let claims = Arc::new(Claims::new(Map::new()));
        #[expect(clippy::disallowed_methods, reason = "any point in time will do")]
        let now = Instant::now();
        let token = |number: usize| format!("{number:01000}");
        let rounds = 3 * GENERATION_BYTES_MAX / 1_000;
        for number in 0..rounds {
            verified.keep(&token(number), &claims, None);
            assert!(verified.find(&token(0), now).is_some(), "{number}");
        }
        assert!(verified.find(&token(1), now).is_none());
        let held = verified.generations.read().unwrap();
        assert!(held.young_bytes <= GENERATION_BYTES_MAX);
        assert!(held.old.len() * 1_000 <= GENERATION_BYTES_MAX);
    }

    #[test]
    fn a_token_is_not_believed_for_longer_than_its_key() {
        let verified = Verified::default();
        let claims = Arc::new(Claims::new(Map::new()));
        #[expect(clippy::disallowed_methods, reason = "any point in time will do")]
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        verified.keep("token", &claims, Some(later));
        assert!(verified.find("token", now).is_some());
        assert!(verified.find("token", later).is_none());
        verified.clear();
        assert!(verified.find("token", now).is_none());
    }
}
