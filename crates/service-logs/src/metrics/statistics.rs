//! Reading what was measured, by periods.
//!
//! Contract: `GetMetricStatistics`, `GetMetricData`; the words are those of the recorded answers.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Answered, Context, MetricFault, is_set, list, refuse, required, text, time, whole};
use crate::engine::rows::{Metric, Statistics};
use crate::engine::state::State;
use crate::metrics::data::dimensions;

/// Contract: `GetMetricStatistics`.
const DATAPOINTS_MAX: i64 = 1_440;
/// Contract: `GetMetricData`.
const QUERIES_MAX: usize = 500;
const VALUES_MAX: i64 = 100_800;
const STATISTICS: [&str; 5] = ["SampleCount", "Average", "Sum", "Minimum", "Maximum"];

/// What is asked of a metric.
struct Wanted<'a> {
    metric: Metric,
    unit: Option<&'a str>,
    period: i64,
    from: i64,
    to: i64,
}

impl Wanted<'_> {
    /// What was measured in each period, by its beginning.
    fn periods(&self, state: &State) -> BTreeMap<(i64, String), Statistics> {
        let mut periods: BTreeMap<(i64, String), Statistics> = BTreeMap::new();
        let moments = state.metrics.get(&self.metric).into_iter().flatten();
        // Periods are counted from the beginning of the time that is asked for, which AWS rounds down to whole ones.
        let from = self.from.div_euclid(self.period) * self.period;
        for (moment, statistics) in moments {
            let is_within = from <= moment.at_s && moment.at_s < self.to;
            if is_within && self.unit.is_none_or(|unit| unit == moment.unit) {
                let start = moment.at_s.div_euclid(self.period) * self.period;
                let there = periods.entry((start, moment.unit.clone()));
                there
                    .and_modify(|there| *there = there.and(*statistics))
                    .or_insert(*statistics);
            }
        }
        periods
    }
}

fn value(statistics: &Statistics, name: &str) -> Option<f64> {
    Some(match name {
        "SampleCount" => statistics.count,
        "Average" if statistics.count == 0.0 => 0.0,
        "Average" => statistics.sum / statistics.count,
        "Sum" => statistics.sum,
        "Minimum" => statistics.least,
        "Maximum" => statistics.most,
        _ => return None,
    })
}

fn span(members: &Map<String, Value>) -> Result<(i64, i64), MetricFault> {
    let from = time(members, "StartTime").ok_or_else(|| MetricFault::missing("StartTime"))?;
    let to = time(members, "EndTime").ok_or_else(|| MetricFault::missing("EndTime"))?;
    Ok((from, to))
}

fn period(members: &Map<String, Value>, path: &str) -> Result<i64, MetricFault> {
    let period = whole(members, "Period").ok_or_else(|| MetricFault::missing(path))?;
    let is_known = matches!(period, 1 | 5 | 10 | 20 | 30) || 0 < period && period % 60 == 0;
    let message = || format!("The parameter {path} must be 1, 5, 10, 20, 30, or a multiple of 60.");
    is_known
        .then_some(period)
        .ok_or_else(|| MetricFault::value(message()))
}

pub(super) async fn get_metric_statistics(
    context: &Context<'_>,
    members: &Map<String, Value>,
) -> Answered {
    refuse(members, "GetMetricStatistics", &["ExtendedStatistics"])?;
    let metric = Metric {
        namespace: required(members, "Namespace")?.to_owned(),
        name: required(members, "MetricName")?.to_owned(),
        dimensions: dimensions(members)?,
    };
    let names: Vec<&str> = list(members, "Statistics")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    if names.is_empty() {
        let message = "Must specify either Statistics or ExtendedStatistics";
        return Err(MetricFault::combination(message));
    }
    if let Some(name) = names.iter().find(|name| !STATISTICS.contains(name)) {
        return Err(MetricFault::value(format!(
            "The value {name} for parameter Statistics is invalid."
        )));
    }
    let period = period(members, "Period")?;
    let (from, to) = span(members)?;
    if to <= from {
        return Err(MetricFault::value(
            "The parameter StartTime must be less than the parameter EndTime.",
        ));
    }
    let count = (to - from) / period;
    if DATAPOINTS_MAX < count {
        return Err(MetricFault::combination(format!(
            "You have requested up to {count} datapoints, which exceeds the limit of {DATAPOINTS_MAX}. You may reduce the \
             datapoints requested by increasing Period, or decreasing the time range."
        )));
    }
    let wanted = Wanted {
        metric,
        unit: text(members, "Unit"),
        period,
        from,
        to,
    };
    let shelf = context.catalogue.shelf(context.place).await?;
    let periods = shelf.look(|state| wanted.periods(state));
    let shown = periods.iter().map(|((at, unit), statistics)| {
        let mut point = Map::new();
        point.insert("Timestamp".to_owned(), (*at).into());
        for name in &names {
            point.insert((*name).to_owned(), value(statistics, name).into());
        }
        point.insert("Unit".to_owned(), unit.as_str().into());
        Value::Object(point)
    });
    Ok(json!({"Label": wanted.metric.name, "Datapoints": shown.collect::<Vec<_>>()}))
}

pub(super) async fn get_metric_data(
    context: &Context<'_>,
    members: &Map<String, Value>,
) -> Answered {
    refuse(members, "GetMetricData", &["LabelOptions", "NextToken"])?;
    let queries = list(members, "MetricDataQueries");
    if queries.is_empty() {
        return Err(MetricFault::missing("MetricDataQueries"));
    }
    if QUERIES_MAX < queries.len() {
        let message = format!(
            "The collection MetricDataQueries must not have a size greater than {QUERIES_MAX}."
        );
        return Err(MetricFault::value(message));
    }
    let (from, to) = span(members)?;
    if to <= from {
        let message = "The parameter StartTime must be less than the parameter EndTime.";
        return Err(MetricFault::validation(message));
    }
    let most = whole(members, "MaxDatapoints")
        .unwrap_or(VALUES_MAX)
        .clamp(1, VALUES_MAX);
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let is_ascending = text(members, "ScanBy") == Some("TimestampAscending");
    let differing = Differing::of(queries);
    let shelf = context.catalogue.shelf(context.place).await?;
    let mut results = Vec::new();
    for (query, index) in queries.iter().zip(1..) {
        let empty = Map::new();
        let query = query.as_object().unwrap_or(&empty);
        let path = format!("MetricDataQueries.member.{index}");
        let (id, label, wanted, statistic) = read(query, &path, (from, to))?;
        let is_returned = match query.get("ReturnData") {
            Some(Value::Bool(false)) => false,
            Some(Value::String(text)) => text != "false",
            _ => true,
        };
        let label = label.map_or_else(|| differing.label(&wanted, statistic), str::to_owned);
        if !is_returned {
            continue;
        }
        let periods = shelf.look(|state| wanted.periods(state));
        let mut points: Vec<(i64, f64)> = periods
            .iter()
            .filter_map(|((at, _), statistics)| Some((*at, value(statistics, statistic)?)))
            .collect();
        if !is_ascending {
            points.reverse();
        }
        if most < points.len() {
            let message = format!(
                "more than {most} values; ask for a shorter time, or longer periods: pages of GetMetricData"
            );
            return Err(MetricFault::not_implemented(&message));
        }
        let (times, values): (Vec<i64>, Vec<f64>) = points.into_iter().unzip();
        results.push(json!({
            "Id": id, "Label": label, "Timestamps": times, "Values": values, "StatusCode": "Complete",
        }));
    }
    Ok(json!({"MetricDataResults": results, "Messages": []}))
}

type Read<'q> = (&'q str, Option<&'q str>, Wanted<'q>, &'q str);

fn read<'q>(
    query: &'q Map<String, Value>,
    path: &str,
    (from, to): (i64, i64),
) -> Result<Read<'q>, MetricFault> {
    if is_set(query, "Expression") {
        return Err(MetricFault::not_implemented(
            "GetMetricData with an Expression",
        ));
    }
    if is_set(query, "AccountId") {
        return Err(MetricFault::not_implemented(
            "GetMetricData with an AccountId",
        ));
    }
    let id = text(query, "Id").ok_or_else(|| MetricFault::missing(&format!("{path}.Id")))?;
    let asked = query.get("MetricStat").and_then(Value::as_object);
    let asked = asked.ok_or_else(|| MetricFault::missing(&format!("{path}.MetricStat")))?;
    let named = asked.get("Metric").and_then(Value::as_object);
    let named = named.ok_or_else(|| MetricFault::missing(&format!("{path}.MetricStat.Metric")))?;
    let statistic = text(asked, "Stat")
        .ok_or_else(|| MetricFault::missing(&format!("{path}.MetricStat.Stat")))?;
    if !STATISTICS.contains(&statistic) {
        return Err(MetricFault::not_implemented(&format!(
            "the statistic {statistic}"
        )));
    }
    let wanted = Wanted {
        metric: Metric {
            namespace: required(named, "Namespace")?.to_owned(),
            name: required(named, "MetricName")?.to_owned(),
            dimensions: dimensions(named)?,
        },
        unit: text(asked, "Unit"),
        period: period(asked, &format!("{path}.MetricStat.Period"))?,
        from,
        to,
    };
    Ok((id, text(query, "Label"), wanted, statistic))
}

/// What tells queries apart: their labels say it. Contract: the recorded answers.
struct Differing {
    by_statistic: bool,
    by_period: bool,
}

impl Differing {
    fn of(queries: &[Value]) -> Self {
        let differ = |name: &str| {
            let mut asked = queries
                .iter()
                .filter_map(|query| query.get("MetricStat")?.get(name));
            let first = asked.next();
            asked.any(|other| Some(other) != first)
        };
        Self {
            by_statistic: differ("Stat"),
            by_period: differ("Period"),
        }
    }

    fn label(&self, wanted: &Wanted<'_>, statistic: &str) -> String {
        let mut label = wanted.metric.name.clone();
        if self.by_statistic {
            label.push_str(&format!(" {statistic}"));
        }
        if self.by_period {
            label.push_str(&format!(" {}", wanted.period));
        }
        label
    }
}
