//! Metrics of services' own, which nobody puts.
//!
//! Lives here: what Lambda counts of functions.
//! Does not live here: metrics that programs put, alarms (`metrics`), those of filters (`engine::append`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::arn::Arn;
use model::ids::{AccountId, Region};

use crate::engine::catalogue::{Catalogue, Change, Error};
use crate::engine::keys::Place;
use crate::engine::rows::{Metric, Moment, Statistics};
use crate::engine::state::{State, Step};

/// Seconds that such metrics are summed up over.
const PERIOD_S: i64 = 60;

/// Counts for Lambda. Clones count together.
#[derive(Clone)]
pub struct LambdaMetrics {
    catalogue: Arc<Catalogue>,
    waiting: Arc<Waiting>,
}

/// What is counted and not kept yet: so many calls may come at once that others would wait for long to change a place.
#[derive(Default)]
struct Waiting {
    dropped: Mutex<HashMap<Arn, u64>>,
    turn: tokio::sync::Mutex<()>,
}

impl Waiting {
    fn dropped(&self) -> MutexGuard<'_, HashMap<Arn, u64>> {
        self.dropped.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LambdaMetrics {
    pub(crate) fn new(catalogue: Arc<Catalogue>) -> Self {
        Self {
            catalogue,
            waiting: Arc::default(),
        }
    }

    /// `RecursiveInvocationsDropped` of a function, once more. What cannot be kept is said, and lost.
    ///
    /// One who counts keeps what all have counted; the others do not wait for that.
    pub async fn count_dropped(&self, function: &Arn) {
        *self.waiting.dropped().entry(function.clone()).or_default() += 1;
        // Again once the turn is over: somebody may have counted at its very end.
        while !self.waiting.dropped().is_empty() {
            let Ok(_turn) = self.waiting.turn.try_lock() else {
                return;
            };
            let counted = std::mem::take(&mut *self.waiting.dropped());
            for (function, count) in counted {
                self.keep_dropped(&function, count).await;
            }
        }
    }

    /// Contract: AWS Lambda Developer Guide, "Types of metrics for Lambda functions": of the function, and of all of them.
    async fn keep_dropped(&self, function: &Arn, count: u64) {
        let name = function.function_name();
        let name = name.map(|name| name.to_string()).unwrap_or_default();
        let place = Place {
            account: AccountId::new(function.account.as_str()),
            region: Region::new(function.region.as_str()),
        };
        let moment = Moment {
            at_s: (self.catalogue.now_ms() / 1_000).div_euclid(PERIOD_S) * PERIOD_S,
            unit: "Count".to_owned(),
        };
        let dimension = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let dimensions = [
            Vec::new(),
            vec![dimension("FunctionName", &name)],
            vec![
                dimension("FunctionName", &name),
                dimension("Resource", &name),
            ],
        ];
        let count = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let decide = |state: &State| {
            let steps = dimensions.into_iter().map(|dimensions| {
                let metric = Metric {
                    namespace: "AWS/Lambda".to_owned(),
                    name: "RecursiveInvocationsDropped".to_owned(),
                    dimensions,
                };
                let now = Statistics::of(1.0, count);
                Step::PutPoint(state.measured(metric, moment.clone(), now))
            });
            Ok::<_, Error>(((), Change::all(steps.collect())))
        };
        if let Err(error) = self.catalogue.change(&place, decide).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "a metric could not be kept");
        }
    }
}

#[cfg(test)]
mod tests {
    use outbox::Outbox;
    use store_embedded::Memory;
    use test_kit::{Allowing, CountingRandom, StoppedClock};

    use super::*;

    #[tokio::test]
    async fn what_many_count_at_once_is_kept_in_a_few_changes_and_none_is_lost() {
        let store = Arc::new(Memory::new());
        let clock = StoppedClock::at(model::time::Timestamp::from_micros(0));
        let catalogue = Arc::new(Catalogue::new(
            store.clone(),
            Arc::new(clock),
            Arc::new(CountingRandom::default()),
            Outbox::new(store),
            Arc::new(Allowing),
        ));
        let metrics = LambdaMetrics::new(Arc::clone(&catalogue));
        let function = Arn::parse("arn:aws:lambda:us-east-1:000000000000:function:f").unwrap();
        let turn = metrics.waiting.turn.try_lock().unwrap();
        for _ in 0..100 {
            // Nobody waits for whoever keeps.
            metrics.count_dropped(&function).await;
        }
        assert_eq!(metrics.waiting.dropped().get(&function), Some(&100));
        drop(turn);
        metrics.count_dropped(&function).await;
        assert!(metrics.waiting.dropped().is_empty());
        let place = Place {
            account: AccountId::development(),
            region: Region::new("us-east-1"),
        };
        let shelf = catalogue.shelf(&place).await.unwrap();
        let sums: Vec<String> = shelf.look(|state| {
            let points = state.metrics.values().flat_map(|moments| moments.values());
            points.map(|point| point.sum.to_string()).collect()
        });
        assert_eq!(sums, ["101"; 3]);
    }
}
