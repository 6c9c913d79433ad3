//! Metrics of services' own, which nobody puts.
//!
//! Lives here: what Lambda counts of functions.
//! Does not live here: metrics that programs put, alarms (`metrics`), those of filters (`engine::append`).

use std::sync::Arc;

use model::arn::Arn;
use model::ids::{AccountId, Region};

use crate::engine::catalogue::{Catalogue, Change, Error};
use crate::engine::keys::Place;
use crate::engine::rows::{Metric, Moment, Statistics};
use crate::engine::state::{State, Step};

/// Seconds that such metrics are summed up over.
const PERIOD_S: i64 = 60;

/// Counts for Lambda.
#[derive(Clone)]
pub struct LambdaMetrics(pub(crate) Arc<Catalogue>);

impl LambdaMetrics {
    /// `RecursiveInvocationsDropped` of a function, once more. What cannot be kept is said, and lost.
    ///
    /// Contract: AWS Lambda Developer Guide, "Types of metrics for Lambda functions": of the function, and of all of them.
    pub async fn count_dropped(&self, function: &Arn) {
        let name = function.function_name();
        let name = name.map(|name| name.to_string()).unwrap_or_default();
        let place = Place {
            account: AccountId::new(function.account.as_str()),
            region: Region::new(function.region.as_str()),
        };
        let moment = Moment {
            at_s: (self.0.now_ms() / 1_000).div_euclid(PERIOD_S) * PERIOD_S,
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
        let decide = |state: &State| {
            let steps = dimensions.into_iter().map(|dimensions| {
                let metric = Metric {
                    namespace: "AWS/Lambda".to_owned(),
                    name: "RecursiveInvocationsDropped".to_owned(),
                    dimensions,
                };
                let now = Statistics::of(1.0, 1.0);
                Step::PutPoint(state.measured(metric, moment.clone(), now))
            });
            Ok::<_, Error>(((), Change::all(steps.collect())))
        };
        if let Err(error) = self.0.change(&place, decide).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "a metric could not be kept");
        }
    }
}
