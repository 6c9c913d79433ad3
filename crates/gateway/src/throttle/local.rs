//! Counters of this process alone.
//!
//! Lives here: token buckets and counted windows in memory, exact to the nanosecond, bounded.
//! Does not live here: counters that several nodes share.
//!
//! Contract: Amazon API Gateway Developer Guide, "Throttle requests to your REST APIs": the token bucket algorithm, with
//! a steady rate and a burst.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use interfaces::BoxFuture;
use interfaces::counters::{Bucket, Counted, Counters, NotCounted, Taken, Window};
use model::door::Rate;
use model::time::Timestamp;

/// Buckets, and windows, that are kept. A full bucket says no more than none, so these go first; when all others are
/// in use, a request for one more is refused: forgetting would let in who has used up what is his.
const COUNTERS_MAX: usize = 100_000;
/// What one token weighs: a bucket gains its [`Rate::per_1000_s`] each microsecond.
const TOKEN: u128 = 1_000 * 1_000_000;

/// Counters in memory.
#[derive(Debug, Default)]
pub struct LocalCounters {
    counted: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    buckets: HashMap<String, Level>,
    windows: HashMap<String, Use>,
}

/// What is missing in a bucket.
#[derive(Debug, Clone, Copy)]
struct Level {
    missing: u128,
    at: Timestamp,
    per_1000_s: u64,
}

#[derive(Debug, Clone, Copy)]
struct Use {
    began_at: Timestamp,
    uses: u64,
}

impl Level {
    fn full(now: Timestamp) -> Self {
        Self {
            missing: 0,
            at: now,
            per_1000_s: 0,
        }
    }

    /// What is missing at this time. The clock may go back; a bucket does not.
    fn missing_at(self, now: Timestamp) -> u128 {
        let gained = now.since(self.at).as_micros() * u128::from(self.per_1000_s);
        self.missing.saturating_sub(gained)
    }

    fn take(self, rate: Rate, now: Timestamp) -> Option<Self> {
        let missing = self.missing_at(now) + TOKEN;
        (missing <= u128::from(rate.burst) * TOKEN).then_some(Self {
            missing,
            at: now.max(self.at),
            per_1000_s: rate.per_1000_s,
        })
    }
}

impl Counts {
    fn take(&mut self, buckets: &[Bucket<'_>], now: Timestamp) -> Result<Taken, NotCounted> {
        let mut taken = Vec::with_capacity(buckets.len());
        for (place, bucket) in buckets.iter().enumerate() {
            let kept = self.buckets.get(bucket.name).copied();
            let level = kept.unwrap_or_else(|| Level::full(now));
            match level.take(bucket.rate, now) {
                Some(level) => taken.push(level),
                None => return Ok(Taken::Empty { place }),
            }
        }
        self.make_room(buckets.len(), now)?;
        for (bucket, level) in buckets.iter().zip(taken) {
            match self.buckets.get_mut(bucket.name) {
                Some(kept) => *kept = level,
                None => {
                    self.buckets.insert(bucket.name.to_owned(), level);
                }
            }
        }
        Ok(Taken::All)
    }

    fn make_room(&mut self, wanted: usize, now: Timestamp) -> Result<(), NotCounted> {
        if self.buckets.len() + wanted <= COUNTERS_MAX {
            return Ok(());
        }
        self.buckets.retain(|_, level| level.missing_at(now) != 0);
        if self.buckets.len() + wanted <= COUNTERS_MAX {
            return Ok(());
        }
        Err(too_many())
    }

    fn count(&mut self, window: &Window<'_>) -> Result<Counted, NotCounted> {
        let kept = self.windows.get(window.name).copied();
        let uses = match kept {
            Some(kept) if window.began_at <= kept.began_at => kept.uses,
            Some(_) => 0,
            None if COUNTERS_MAX <= self.windows.len() => return Err(too_many()),
            None => window.offset,
        };
        if window.limit <= uses {
            return Ok(Counted::UsedUp);
        }
        let counted = Use {
            began_at: window.began_at,
            uses: uses + 1,
        };
        self.windows.insert(window.name.to_owned(), counted);
        Ok(Counted::Left(window.limit - counted.uses))
    }
}

fn too_many() -> NotCounted {
    NotCounted {
        reason: format!("{COUNTERS_MAX} counters are in use"),
    }
}

impl LocalCounters {
    fn with<T>(&self, act: impl FnOnce(&mut Counts) -> T) -> T {
        act(&mut self.counted.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Counters for LocalCounters {
    fn take<'a>(
        &'a self,
        buckets: &'a [Bucket<'a>],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Taken, NotCounted>> {
        let taken = self.with(|counts| counts.take(buckets, now));
        Box::pin(std::future::ready(taken))
    }

    fn count<'a>(&'a self, window: &'a Window<'a>) -> BoxFuture<'a, Result<Counted, NotCounted>> {
        let counted = self.with(|counts| counts.count(window));
        Box::pin(std::future::ready(counted))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(us: u32) -> Timestamp {
        Timestamp::from_micros(1_000_000_000_000 + i64::from(us))
    }

    fn rate(per_s: u64, burst: u64) -> Rate {
        Rate {
            per_1000_s: per_s * 1_000,
            burst,
        }
    }

    fn one(name: &str, rate: Rate) -> [Bucket<'_>; 1] {
        [Bucket { name, rate }]
    }

    fn take(counts: &mut Counts, buckets: &[Bucket<'_>], us: u32) -> bool {
        counts.take(buckets, at(us)).unwrap() == Taken::All
    }

    #[test]
    fn a_burst_is_let_in_then_one_as_each_token_comes() {
        let mut counts = Counts::default();
        let bucket = one("b", rate(10, 3));
        for (us, expected) in [
            (0, true),
            (0, true),
            (0, true),
            (0, false),
            (99_999, false),
            (100_000, true),
            (100_000, false),
            (300_000, true),
            (300_000, true),
            (300_000, false),
        ] {
            assert_eq!(take(&mut counts, &bucket, us), expected, "{us}");
        }
    }

    #[test]
    fn nothing_is_taken_when_one_bucket_is_empty() {
        let mut counts = Counts::default();
        let both = [
            Bucket {
                name: "wide",
                rate: rate(1, 2),
            },
            Bucket {
                name: "narrow",
                rate: rate(1, 1),
            },
        ];
        assert!(take(&mut counts, &both, 0));
        assert_eq!(counts.take(&both, at(0)), Ok(Taken::Empty { place: 1 }));
        assert!(
            take(&mut counts, &one("wide", rate(1, 2)), 0),
            "the first one kept its token"
        );
    }

    #[test]
    fn a_clock_that_goes_back_gives_no_tokens() {
        let mut counts = Counts::default();
        let bucket = one("b", rate(1, 1));
        assert!(take(&mut counts, &bucket, 2_000_000));
        for us in [0, 1_999_999, 2_999_999] {
            assert!(!take(&mut counts, &bucket, us), "{us}");
        }
        assert!(take(&mut counts, &bucket, 3_000_000));
    }

    #[test]
    fn full_buckets_make_room_and_used_ones_do_not() {
        let mut counts = Counts::default();
        for number in 0..COUNTERS_MAX {
            let name = number.to_string();
            assert!(take(&mut counts, &one(&name, rate(1, 1)), 0));
        }
        assert!(counts.take(&one("more", rate(1, 1)), at(1)).is_err());
        assert!(take(&mut counts, &one("more", rate(1, 1)), 1_000_000));
    }

    #[test]
    fn a_window_counts_up_to_its_limit_and_the_next_begins_anew() {
        let mut counts = Counts::default();
        let window = |us, offset| Window {
            name: "w",
            began_at: at(us),
            limit: 3,
            offset,
        };
        for (us, expected) in [
            (0, Counted::Left(1)),
            (0, Counted::Left(0)),
            (0, Counted::UsedUp),
            (10, Counted::Left(2)),
        ] {
            assert_eq!(counts.count(&window(us, 1)), Ok(expected), "{us}");
        }
    }

    proptest! {
        #[test]
        fn no_stretch_of_time_sees_more_than_its_burst_and_what_came_in_it(
            steps in prop::collection::vec(0_u32..400_000, 1..60),
            per_s in 1_u64..20,
            burst in 0_u64..6,
        ) {
            let mut counts = Counts::default();
            let bucket = one("b", rate(per_s, burst));
            let mut now = 0;
            let mut taken = Vec::new();
            for step in steps {
                now += step;
                if take(&mut counts, &bucket, now) {
                    taken.push(now);
                }
            }
            for (first, from) in taken.iter().enumerate() {
                for (count, to) in taken.iter().skip(first).zip(1_u64..).map(|(to, count)| (count, to)) {
                    let came = u64::from(to - from) * per_s / 1_000_000;
                    prop_assert!(count <= burst + came);
                }
            }
        }
    }
}
