//! Kept replies, bounded by bytes.
//!
//! Lives here: how long each is kept, and which goes when there is no room.
//! Does not live here: which replies may be kept (`cache`), waiting for one (`flight`).

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::key::Key;
use super::{Begun, body_bytes};
use crate::http::Response;

/// What an entry costs besides its text: its places in the two lists, and what allocations round up.
const ENTRY_BYTES: u64 = 256;
/// What a header costs besides its text.
const HEADER_BYTES: u64 = 64;

/// The replies of one stage.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) bytes_max: u64,
    /// How often something was forgotten on purpose.
    pub(super) emptied: u64,
    bytes: u64,
    entries: HashMap<Key, Entry>,
    /// Who goes next: exactly the keys of the entries, the oldest first. Whoever was asked for since it came, or since it
    /// was its turn, has another turn: nearly the order of last use, and a hit writes nothing but one flag.
    turns: VecDeque<Key>,
}

#[derive(Debug)]
struct Entry {
    response: Response,
    begun_at: Instant,
    expires_at: Instant,
    bytes: u64,
    is_used: AtomicBool,
}

impl Store {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            emptied: 0,
            bytes: 0,
            entries: HashMap::new(),
            turns: VecDeque::new(),
        }
    }

    pub(super) fn find(&self, key: &Key, now: Instant) -> Option<Response> {
        let entry = self.entries.get(key)?;
        if entry.expires_at <= now {
            return None;
        }
        // Written only when it changes, so that cores do not take the line from one another at every hit.
        if !entry.is_used.load(Ordering::Relaxed) {
            entry.is_used.store(true, Ordering::Relaxed);
        }
        Some(entry.response.clone())
    }

    /// Keeps a reply, unless one that was begun later is there, or something was emptied meanwhile.
    pub(super) fn keep(
        &mut self,
        key: &Key,
        response: &Response,
        (begun, expires_at): (Begun, Instant),
    ) {
        let known = self.entries.get(key);
        let is_late = known.is_some_and(|entry| begun.at < entry.begun_at);
        let bytes = cost(key, response);
        if is_late || begun.emptied != self.emptied || self.bytes_max < bytes {
            return;
        }
        let entry = Entry {
            response: response.clone(),
            begun_at: begun.at,
            expires_at,
            bytes,
            is_used: AtomicBool::new(false),
        };
        match self.entries.insert(key.clone(), entry) {
            Some(replaced) => self.bytes -= replaced.bytes,
            None => self.turns.push_back(key.clone()),
        }
        self.bytes += bytes;
        self.make_room();
    }

    pub(super) fn limit(&mut self, bytes_max: u64) {
        self.bytes_max = bytes_max;
        self.make_room();
    }

    pub(super) fn empty(&mut self, is_meant: impl Fn(&Key) -> bool) {
        self.emptied += 1;
        self.turns.retain(|key| !is_meant(key));
        let bytes = &mut self.bytes;
        self.entries.retain(|key, entry| {
            let stays = !is_meant(key);
            if !stays {
                *bytes -= entry.bytes;
            }
            stays
        });
    }

    fn make_room(&mut self) {
        while self.bytes_max < self.bytes {
            let Some(key) = self.turns.pop_front() else {
                return;
            };
            let has_another_turn = self
                .entries
                .get(&key)
                .is_some_and(|entry| entry.is_used.swap(false, Ordering::Relaxed));
            if has_another_turn {
                self.turns.push_back(key);
            } else if let Some(gone) = self.entries.remove(&key) {
                self.bytes -= gone.bytes;
            }
        }
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> (usize, usize, u64) {
        (self.entries.len(), self.turns.len(), self.bytes)
    }
}

fn cost(key: &Key, response: &Response) -> u64 {
    let headers = response.headers.iter();
    let headers = headers.map(|(name, value)| (name.len() + value.len()) as u64 + HEADER_BYTES);
    // The key is shared by the two lists.
    ENTRY_BYTES + key.len() as u64 + body_bytes(response) as u64 + headers.sum::<u64>()
}
