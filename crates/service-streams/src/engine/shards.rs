//! Splitting and merging shards.
//!
//! Lives here: what becomes of the shards of a stream, as a decision about its row.
//! Does not live here: storing the row (`catalogue`), the words of a refusal (`kinesis`).
//!
//! Contract: Amazon Kinesis Data Streams Developer Guide, "Reshard a stream".

use model::time::Timestamp;

use super::rows::{Shard, Stream};

/// The shards of a new stream.
pub(crate) fn new(count: u32, now: Timestamp) -> Vec<Shard> {
    let ranges = uniform(count);
    let numbered = (0_u32..).zip(ranges);
    numbered
        .map(|(number, (first, last))| Shard {
            number,
            first,
            last,
            parents: Vec::new(),
            since: seconds(now),
            opened_at: now,
            closed_at: None,
        })
        .collect()
}

/// All hashes in so many ranges of the same size.
pub(crate) fn uniform(count: u32) -> Vec<(u128, u128)> {
    let count = u128::from(count.max(1));
    // There is one hash more than a number can say.
    let divides = u128::from(u128::MAX % count == count - 1);
    let step = (u128::MAX / count).saturating_add(divides);
    let first = |index: u128| step * index;
    (0..count)
        .map(|index| {
            let last = if index + 1 == count {
                u128::MAX
            } else {
                first(index + 1) - 1
            };
            (first(index), last)
        })
        .collect()
}

/// Splits an open shard in two: the second begins with this hash.
pub(crate) fn split(stream: &mut Stream, number: u32, at: u128, now: Timestamp) {
    let Some(parent) = close(stream, number, now) else {
        return;
    };
    open(stream, (parent.first, at - 1), &[&parent], now);
    open(stream, (at, parent.last), &[&parent], now);
}

/// Makes one shard of two open ones whose ranges touch.
pub(crate) fn merge(stream: &mut Stream, number: u32, other: u32, now: Timestamp) {
    let (Some(one), Some(other)) = (close(stream, number, now), close(stream, other, now)) else {
        return;
    };
    let range = (one.first.min(other.first), one.last.max(other.last));
    open(stream, range, &[&one, &other], now);
}

/// Splits and merges until there are so many open shards, of the same size.
pub(crate) fn scale(stream: &mut Stream, count: u32, now: Timestamp) {
    let wanted = uniform(count);
    for (first, _) in wanted.iter().skip(1) {
        let cut = stream
            .open()
            .find(|shard| shard.first < *first && *first <= shard.last);
        if let Some(number) = cut.map(|shard| shard.number) {
            split(stream, number, *first, now);
        }
    }
    for (first, last) in wanted {
        loop {
            let within = |shard: &&Shard| first <= shard.first && shard.last <= last;
            let mut parts: Vec<&Shard> = stream.open().filter(within).collect();
            parts.sort_by_key(|shard| shard.first);
            let [one, other, ..] = parts.as_slice() else {
                break;
            };
            let (one, other) = (one.number, other.number);
            merge(stream, one, other, now);
        }
    }
}

fn close(stream: &mut Stream, number: u32, now: Timestamp) -> Option<Shard> {
    let mut shards = stream.shards.iter_mut();
    let shard = shards.find(|shard| shard.number == number)?;
    shard.closed_at = Some(now);
    Some(shard.clone())
}

fn open(stream: &mut Stream, (first, last): (u128, u128), parents: &[&Shard], now: Timestamp) {
    let after = parents.iter().map(|parent| parent.since + 1);
    stream.shards.push(Shard {
        number: stream.next_shard,
        first,
        last,
        parents: parents.iter().map(|parent| parent.number).collect(),
        since: after.max().unwrap_or_default().max(seconds(now)),
        opened_at: now,
        closed_at: None,
    });
    stream.next_shard += 1;
    stream.generation += 1;
}

fn seconds(at: Timestamp) -> u64 {
    u64::try_from(at.epoch_s()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::rows::{Mode, Tags};

    fn stream(count: u32) -> Stream {
        Stream {
            name: "s".to_owned(),
            id: 1,
            generation: 0,
            created_at: Timestamp::from_micros(0),
            mode: Mode::Provisioned,
            shards: new(count, Timestamp::from_micros(0)),
            next_shard: count,
            retention_hours: 24,
            tags: Tags::new(),
            metrics: std::collections::BTreeSet::new(),
            key: None,
            consumers: Vec::new(),
            policy: None,
            owner: None,
        }
    }

    /// Open shards have every hash once.
    fn is_whole(stream: &Stream) -> bool {
        let mut ranges: Vec<_> = stream
            .open()
            .map(|shard| (shard.first, shard.last))
            .collect();
        ranges.sort_unstable();
        let begins = ranges.first().map(|(first, _)| *first) == Some(0);
        let ends = ranges.last().map(|(_, last)| *last) == Some(u128::MAX);
        let touch = |pair: &[(u128, u128)]| match pair {
            [(_, last), (first, _)] => last.checked_add(1) == Some(*first),
            _ => false,
        };
        begins && ends && ranges.windows(2).all(touch)
    }

    #[test]
    fn ranges_are_those_of_the_cloud() {
        assert_eq!(uniform(1), [(0, u128::MAX)]);
        let text = |count| uniform(count).get(1).map(|(first, _)| first.to_string());
        assert_eq!(
            text(4).as_deref(),
            Some("85070591730234615865843651857942052864")
        );
        assert_eq!(
            text(3).as_deref(),
            Some("113427455640312821154458202477256070485")
        );
    }

    proptest! {
        #[test]
        fn open_shards_have_every_hash_once(
            count in 1_u32..6,
            steps in prop::collection::vec((0_u8..3, any::<u128>(), 1_u32..9), 0..12),
        ) {
            let mut stream = stream(count);
            for (second, (what, hash, count)) in (1..).zip(steps) {
                let now = Timestamp::from_micros(second);
                let shard = stream.shard_of(hash).unwrap().clone();
                match what {
                    0 if shard.first < hash => split(&mut stream, shard.number, hash, now),
                    1 if shard.last < u128::MAX => {
                        let other = stream.shard_of(shard.last + 1).unwrap().number;
                        merge(&mut stream, shard.number, other, now);
                    }
                    2 => {
                        scale(&mut stream, count, now);
                        let mut ranges: Vec<_> =
                            stream.open().map(|shard| (shard.first, shard.last)).collect();
                        ranges.sort_unstable();
                        prop_assert_eq!(ranges, uniform(count));
                    }
                    _ => {}
                }
                prop_assert!(is_whole(&stream));
                for shard in &stream.shards {
                    for child in stream.children_of(shard.number) {
                        prop_assert!(shard.since < child.since && shard.number < child.number);
                    }
                }
            }
        }
    }
}
