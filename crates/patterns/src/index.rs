//! Many patterns at once: which of them an event matches, without trying all.
//!
//! Lives here: finding the patterns that may match by one text that each of them demands.
//! Does not live here: matching one (`event`).
//!
//! Most patterns demand an exact text of some path, mostly `source` or `detail-type`. Each way to match a pattern is kept
//! under the texts of the one path that the fewest others are kept under; those that demand no exact text are always tried.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use crate::event::Event;
use crate::{Pattern, Way};

/// Patterns with their keys.
#[derive(Debug, Clone)]
pub struct Index<K> {
    entries: Vec<(K, Arc<Pattern>)>,
    /// Positions of entries, by the hash of a path and its text. Two that share a hash only cost a try.
    by_text: HashMap<u64, Vec<u32>>,
    always: Vec<u32>,
}

impl<K: Clone> Index<K> {
    /// These patterns.
    #[must_use]
    pub fn of(entries: Vec<(K, Arc<Pattern>)>) -> Self {
        let mut index = Self {
            entries: Vec::new(),
            by_text: HashMap::new(),
            always: Vec::new(),
        };
        for (position, (_, pattern)) in (0_u32..).zip(&entries) {
            for way in &pattern.ways {
                index.enter(position, way);
            }
        }
        index.entries = entries;
        index
    }

    /// The keys of the patterns that this event matches, in the order in which they were given.
    #[must_use]
    pub fn matching(&self, event: &Event<'_>) -> Vec<K> {
        let listed = event
            .texts()
            .filter_map(|(path, text)| self.by_text.get(&hash(path, text)))
            .flatten();
        let mut candidates: Vec<u32> = listed.chain(&self.always).copied().collect();
        candidates.sort_unstable();
        candidates.dedup();
        candidates
            .into_iter()
            .filter_map(|position| self.entries.get(usize::try_from(position).ok()?))
            .filter(|(_, pattern)| pattern.holds(event))
            .map(|(key, _)| key.clone())
            .collect()
    }

    fn enter(&mut self, position: u32, way: &Way) {
        let hashes = |path: &str, texts: Vec<&str>| -> Vec<u64> {
            texts.into_iter().map(|text| hash(path, text)).collect()
        };
        let keys = way.iter().filter_map(|(path, tests)| {
            let texts: Option<Vec<&str>> = tests.iter().map(|test| test.exact_text()).collect();
            texts.map(|texts| hashes(path, texts))
        });
        let load = |key: &u64| self.by_text.get(key).map_or(0, Vec::len) + 1;
        match keys.min_by_key(|keys| keys.iter().map(load).sum::<usize>()) {
            Some(keys) => {
                for key in keys {
                    self.by_text.entry(key).or_default().push(position);
                }
            }
            None => self.always.push(position),
        }
    }
}

fn hash(path: &str, text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (path, text).hash(&mut hasher);
    hasher.finish()
}
