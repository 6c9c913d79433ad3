//! Random histories, compared with a plain map.
//!
//! Lives here: a seeded source of operations, the map that says what must come out.
//! Does not live here: many callers at once (`contention`).

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;

use crate::{
    Batch, Check, CommitError, Direction, Page, PageLimit, Range, Row, Store, Versionstamp, Write,
};

const STEPS: usize = 300;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

pub(super) async fn a_random_history_agrees_with_the_model(store: &dyn Store, seed: u64) {
    let mut random = Random::new(seed);
    let mut model = Model::new();
    let mut last = Versionstamp::new(0);
    for step in 0..STEPS {
        let at = format!("seed {seed}, step {step}");
        match random.below(4) {
            0 => {
                let key = random.key();
                let read = store.get(&key).await.unwrap();
                assert_eq!(read.as_deref(), model.get(&key).map(Vec::as_slice), "{at}");
            }
            1 => {
                let (range, direction, limit) = random.scan();
                let page = store.scan(&range, direction, limit).await.unwrap();
                assert_eq!(page, scan(&model, &range, direction, limit), "{at}");
            }
            _ => {
                let batch = random.batch(&model);
                let expected = batch
                    .checks()
                    .iter()
                    .position(|check| !check.holds(model.get(&check.key()[..]).map(Vec::as_slice)));
                match (store.commit(batch.clone()).await, expected) {
                    (Ok(stamp), None) => {
                        assert!(last < stamp, "{at}");
                        last = stamp;
                        apply(&mut model, &batch, stamp);
                    }
                    (Err(CommitError::CheckFailed { index }), Some(expected)) => {
                        assert_eq!(index, expected, "{at}");
                    }
                    (other, expected) => panic!("{at}: {other:?}, expected {expected:?}"),
                }
            }
        }
    }
}

fn apply(model: &mut Model, batch: &Batch, stamp: Versionstamp) {
    for write in batch.writes() {
        match write.stamped(stamp) {
            (key, Some(value)) => model.insert(key.to_vec(), value.to_vec()),
            (key, None) => model.remove(&key[..]),
        };
    }
}

fn scan(model: &Model, range: &Range, direction: Direction, limit: PageLimit) -> Page {
    if range.is_empty() {
        return Page::default();
    }
    let end = match &range.end {
        Some(end) => Bound::Excluded(end.clone()),
        None => Bound::Unbounded,
    };
    let found = model.range((Bound::Included(range.start.clone()), end));
    let ordered: Vec<_> = match direction {
        Direction::Forward => found.collect(),
        Direction::Backward => found.rev().collect(),
    };
    let mut page = Page::default();
    let mut bytes = 0;
    for (key, value) in ordered {
        if page.rows.len() == limit.rows_max || limit.bytes_max <= bytes {
            page.more = true;
            break;
        }
        bytes += key.len() + value.len();
        page.rows.push(Row {
            key: Bytes::copy_from_slice(key),
            value: Bytes::copy_from_slice(value),
        });
    }
    page
}

/// SplitMix64: small, and the same everywhere, so that a seed replays a history.
struct Random {
    state: u64,
}

impl Random {
    fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Short keys over few letters, so that the same ones come again and begin one another.
    fn key(&mut self) -> Vec<u8> {
        let length = self.below(4);
        (0..length)
            .map(|_| [0x00, 0x61, 0x62, 0xff][usize::try_from(self.below(4)).unwrap()])
            .collect()
    }

    fn value(&mut self) -> Vec<u8> {
        let length = usize::try_from(self.below(30)).unwrap();
        vec![u8::try_from(self.below(256)).unwrap(); length]
    }

    fn scan(&mut self) -> (Range, Direction, PageLimit) {
        let range = Range {
            start: self.key(),
            end: (self.below(4) != 0).then(|| self.key()),
        };
        let direction = [Direction::Forward, Direction::Backward][usize::from(self.below(2) == 0)];
        let limit = PageLimit {
            rows_max: usize::try_from(1 + self.below(20)).unwrap(),
            bytes_max: usize::try_from(1 + self.below(200)).unwrap(),
        };
        (range, direction, limit)
    }

    fn batch(&mut self, model: &Model) -> Batch {
        let mut batch = Batch::new();
        for _ in 0..self.below(3) {
            let key = self.key();
            let current = model.get(&key).cloned();
            let key = Bytes::from(key);
            batch = batch.check(match (self.below(8), current) {
                // Now and then a check that does not hold.
                (0, _) => Check::Present { key },
                (1, Some(_)) | (_, None) => Check::Absent { key },
                (2, Some(_)) => Check::Equals {
                    key,
                    value: self.value().into(),
                },
                (3 | 4, Some(_)) => Check::Present { key },
                (_, Some(current)) => Check::Equals {
                    key,
                    value: current.into(),
                },
            });
        }
        for _ in 0..self.below(5) {
            let key = Bytes::from(self.key());
            let value = Bytes::from(self.value());
            batch = batch.write(match self.below(8) {
                0 | 1 => Write::Delete { key },
                2 => Write::PutVersionstampedKey {
                    prefix: key,
                    suffix: Bytes::from_static(b"/"),
                    value,
                },
                3 => Write::PutVersionstampedValue {
                    key,
                    prefix: value,
                    suffix: Bytes::from_static(b"/"),
                },
                _ => Write::Put { key, value },
            });
        }
        batch
    }
}
