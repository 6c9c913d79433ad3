//! Which messages of a FIFO topic were published lately.
//!
//! Lives here: remembering them for their five minutes, in memory and as rows; the sequence numbers of a topic.
//! Does not live here: what counts as a duplicate (`publishing::fifo`).

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Amazon SNS Developer Guide, "Amazon SNS message deduplication for FIFO topics": five minutes.
const REMEMBERED_FOR: Duration = Duration::from_mins(5);
/// Rows that one publish removes at most.
pub(crate) const FORGOTTEN_AT_ONCE_MAX: usize = 100;
/// Sequence numbers have twenty digits.
const SEQUENCE_BASE: u64 = 10_000_000_000_000_000_000;

/// A message that was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) message_id: String,
    pub(crate) sequence: u64,
    pub(crate) at: Timestamp,
}

/// Messages of one topic.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recent {
    by_id: BTreeMap<String, Seen>,
    /// Oldest first.
    order: VecDeque<(Timestamp, String)>,
    last: u64,
}

impl Recent {
    /// The message that this one repeats, if it does.
    pub(crate) fn find(&self, id: &str, now: Timestamp) -> Option<&Seen> {
        let seen = self.by_id.get(id)?;
        (now.since(seen.at) < REMEMBERED_FOR).then_some(seen)
    }

    /// The next sequence number.
    pub(crate) fn next(&mut self, now: Timestamp) -> u64 {
        let now = u64::try_from(now.epoch_us()).unwrap_or(0);
        self.last = self.last.saturating_add(1).max(now);
        self.last
    }

    pub(crate) fn add(&mut self, id: String, seen: Seen) {
        self.last = self.last.max(seen.sequence);
        self.order.push_back((seen.at, id.clone()));
        self.by_id.insert(id, seen);
    }

    /// All ids that are remembered.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.by_id.keys().cloned().collect()
    }

    /// Ids that are too old to matter; they are forgotten in memory.
    pub(crate) fn expire(&mut self, now: Timestamp) -> Vec<String> {
        let mut gone = Vec::new();
        while gone.len() < FORGOTTEN_AT_ONCE_MAX {
            let is_old = |(at, _): &(Timestamp, String)| REMEMBERED_FOR <= now.since(*at);
            if !self.order.front().is_some_and(is_old) {
                break;
            }
            let Some((at, id)) = self.order.pop_front() else {
                break;
            };
            // It may have been published again since.
            if self.by_id.get(&id).is_some_and(|seen| seen.at == at) {
                self.by_id.remove(&id);
                gone.push(id);
            }
        }
        gone
    }
}

/// As callers see it.
pub(crate) fn sequence_number(sequence: u64) -> String {
    SEQUENCE_BASE.saturating_add(sequence).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn seen(recent: &mut Recent, seconds: i64) -> Seen {
        Seen {
            message_id: seconds.to_string(),
            sequence: recent.next(at(seconds)),
            at: at(seconds),
        }
    }

    #[test]
    fn a_message_is_known_for_five_minutes() {
        let mut recent = Recent::default();
        let first = seen(&mut recent, 0);
        recent.add("a".to_owned(), first);
        assert!(recent.find("a", at(299)).is_some());
        assert!(recent.find("a", at(300)).is_none());
        assert!(recent.find("b", at(0)).is_none());
        let again = seen(&mut recent, 300);
        recent.add("a".to_owned(), again);
        // The older of the two is not the one that counts.
        assert!(recent.expire(at(301)).is_empty());
        assert!(recent.find("a", at(301)).is_some());
        assert_eq!(recent.expire(at(601)), ["a"]);
    }

    #[test]
    fn numbers_grow_whatever_the_clock_does() {
        let mut recent = Recent::default();
        let numbers: Vec<u64> = [5, 5, 1, 9].map(|seconds| recent.next(at(seconds))).into();
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(sequence_number(5_000_000), "10000000000005000000");
    }
}
