//! Putting and listing metrics.
//!
//! Contract: `PutMetricData`, `ListMetrics`; the words are those of the recorded answers.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::{
    Answered, Context, MetricFault, is_set, list, number, refuse, required, text, time, whole,
};
use crate::engine::catalogue::Change;
use crate::engine::rows::{Metric, Moment, Statistics};
use crate::engine::state::{State, Step};

const DATA_MAX: usize = 1_000;
const VALUES_MAX: usize = 150;
const DIMENSIONS_MAX: usize = 30;
/// Contract: "values must be in the range of -2^360 to 2^360".
const VALUE_MAX: f64 = 2.348_542_582_773_833_2e108;
const LISTED_MAX: usize = 500;
const DAY_S: i64 = 24 * 60 * 60;

pub(super) async fn put_metric_data(
    context: &Context<'_>,
    members: &Map<String, Value>,
) -> Answered {
    refuse(
        members,
        "PutMetricData",
        &["EntityMetricData", "StrictEntityValidation"],
    )?;
    let namespace = required(members, "Namespace")?.to_owned();
    if namespace.starts_with("AWS/") {
        return Err(MetricFault::value(
            "The value AWS/ for parameter Namespace is invalid.",
        ));
    }
    let data = list(members, "MetricData");
    if data.is_empty() {
        return Err(MetricFault::missing("MetricData"));
    }
    if DATA_MAX < data.len() {
        let message =
            format!("The collection MetricData must not have a size greater than {DATA_MAX}.");
        return Err(MetricFault::value(message));
    }
    let now_s = context.catalogue.now_ms() / 1_000;
    let mut measured: BTreeMap<(Metric, Moment), Statistics> = BTreeMap::new();
    for (datum, index) in data.iter().zip(1..) {
        let empty = Map::new();
        let datum = datum.as_object().unwrap_or(&empty);
        let path = format!("MetricData.member.{index}");
        let key = (
            metric(&namespace, datum, &path)?,
            moment(datum, &path, now_s)?,
        );
        if let Some(now) = statistics(datum, &path)? {
            let there = measured.entry(key);
            there
                .and_modify(|there| *there = there.and(now))
                .or_insert(now);
        }
    }
    let decide = |state: &State| {
        let points = measured.into_iter();
        let steps = points
            .map(|((metric, moment), now)| Step::PutPoint(state.measured(metric, moment, now)));
        Ok((Value::Null, Change::all(steps.collect())))
    };
    context.catalogue.change(context.place, decide).await
}

fn metric(namespace: &str, datum: &Map<String, Value>, path: &str) -> Result<Metric, MetricFault> {
    let name = text(datum, "MetricName").filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| MetricFault::missing(&format!("{path}.MetricName")))?;
    if 255 < name.chars().count() {
        let message = format!("The value {name} for parameter {path}.MetricName is too long.");
        return Err(MetricFault::value(message));
    }
    Ok(Metric {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        dimensions: dimensions(datum)?,
    })
}

pub(super) fn dimensions(
    members: &Map<String, Value>,
) -> Result<Vec<(String, String)>, MetricFault> {
    let listed = list(members, "Dimensions");
    if DIMENSIONS_MAX < listed.len() {
        let message = format!(
            "The collection Dimensions must not have a size greater than {DIMENSIONS_MAX}."
        );
        return Err(MetricFault::value(message));
    }
    let pair = |one: &Value| {
        let member = |name: &str| one.get(name).and_then(Value::as_str).map(str::to_owned);
        Some((member("Name")?, member("Value")?))
    };
    let mut dimensions: Vec<_> = listed.iter().filter_map(pair).collect();
    if dimensions.len() < listed.len() {
        return Err(MetricFault::missing("Dimensions.member.Value"));
    }
    dimensions.sort();
    Ok(dimensions)
}

fn moment(datum: &Map<String, Value>, path: &str, now_s: i64) -> Result<Moment, MetricFault> {
    let resolution = whole(datum, "StorageResolution").unwrap_or(60);
    if resolution != 1 && resolution != 60 {
        let message = format!("The parameter {path}.StorageResolution must be 1 or 60.");
        return Err(MetricFault::value(message));
    }
    let at_s = time(datum, "Timestamp").unwrap_or(now_s);
    if at_s < now_s - 14 * DAY_S || now_s + 2 * 60 * 60 < at_s {
        let message = format!(
            "The parameter {path}.Timestamp must specify a time no more than two weeks in the past and no more than two \
             hours in the future."
        );
        return Err(MetricFault::value(message));
    }
    Ok(Moment {
        at_s: at_s.div_euclid(resolution) * resolution,
        unit: text(datum, "Unit").unwrap_or("None").to_owned(),
    })
}

fn statistics(datum: &Map<String, Value>, path: &str) -> Result<Option<Statistics>, MetricFault> {
    let others = ["Values", "StatisticValues"];
    let given = others.iter().find(|name| is_set(datum, name));
    if let (true, Some(other)) = (is_set(datum, "Value"), given) {
        return Err(MetricFault::combination(format!(
            "The parameters {path}.Value and {path}.{other} are mutually exclusive and you have specified both."
        )));
    }
    let values = list(datum, "Values");
    let counts = list(datum, "Counts");
    if is_set(datum, "Counts") && counts.len() != values.len() {
        return Err(MetricFault::value(format!(
            "The parameters {path}.Values and {path}.Counts must be of the same size."
        )));
    }
    if VALUES_MAX < values.len() {
        let message =
            format!("The collection {path}.Values must not have a size greater than {VALUES_MAX}.");
        return Err(MetricFault::value(message));
    }
    let in_range = |value: &Value, name: &str| {
        let number = number(value).filter(|number| number.abs() <= VALUE_MAX);
        let message = || {
            MetricFault::value(format!(
                "The value {value} for parameter {path}.{name} is invalid."
            ))
        };
        number.ok_or_else(message)
    };
    if let Some(value) = datum.get("Value").filter(|value| !value.is_null()) {
        return Ok(Some(Statistics::of(in_range(value, "Value")?, 1.0)));
    }
    // AWS takes both of these at once.
    let mut all: Option<Statistics> = None;
    if let Some(set) = datum.get("StatisticValues").and_then(Value::as_object) {
        let member = |name: &str| match set.get(name) {
            Some(value) => in_range(value, &format!("StatisticValues.{name}")),
            None => Err(MetricFault::missing(&format!(
                "{path}.StatisticValues.{name}"
            ))),
        };
        all = Some(Statistics {
            sum: member("Sum")?,
            least: member("Minimum")?,
            most: member("Maximum")?,
            count: member("SampleCount")?,
        });
    }
    for (index, value) in values.iter().enumerate() {
        let count = counts
            .get(index)
            .map_or(Ok(1.0), |count| in_range(count, "Counts"))?;
        let one = Statistics::of(in_range(value, "Values")?, count);
        all = Some(all.map_or(one, |all| all.and(one)));
    }
    match (given.is_none(), all) {
        (true, None) => {
            let message = format!(
                "At least one of the parameters {path}.Value, {path}.Values and {path}.StatisticValues must be specified."
            );
            Err(MetricFault::new(
                "MissingParameter",
                "MissingRequiredParameterException",
                message,
            ))
        }
        (_, all) => Ok(all),
    }
}

pub(super) async fn list_metrics(context: &Context<'_>, members: &Map<String, Value>) -> Answered {
    refuse(members, "ListMetrics", &["OwningAccount"])?;
    let recently = text(members, "RecentlyActive");
    if recently.is_some_and(|recently| recently != "PT3H") {
        let message = "1 validation error detected: Value at 'recentlyActive' failed to satisfy constraint: Member must satisfy enum value set: [PT3H]";
        return Err(MetricFault::validation(message));
    }
    let after =
        match text(members, "NextToken") {
            Some(token) => {
                let decoded = STANDARD.decode(token).ok();
                let read = decoded.and_then(|bytes| serde_json::from_slice::<Metric>(&bytes).ok());
                let message = "The token supplied is invalid.";
                Some(read.ok_or_else(|| {
                    MetricFault::new("InvalidNextToken", "InvalidNextToken", message)
                })?)
            }
            None => None,
        };
    let since = recently.map(|_| context.catalogue.now_ms() / 1_000 - 3 * 60 * 60);
    let is = |name: &str, value: &str| text(members, name).is_none_or(|wanted| wanted == value);
    let filters: Vec<(&str, Option<&str>)> = list(members, "Dimensions")
        .iter()
        .filter_map(|one| {
            Some((
                one.get("Name")?.as_str()?,
                one.get("Value").and_then(Value::as_str),
            ))
        })
        .collect();
    let shelf = context.catalogue.shelf(context.place).await?;
    shelf.look(|state| {
        let meant = state.metrics.iter().filter(|(metric, moments)| {
            let has = |(name, value): &(&str, Option<&str>)| {
                let mut there = metric.dimensions.iter();
                there.any(|(key, one)| key == name && value.is_none_or(|value| one == value))
            };
            is("Namespace", &metric.namespace)
                && is("MetricName", &metric.name)
                && filters.iter().all(has)
                && since.is_none_or(|since| moments.keys().any(|moment| since <= moment.at_s))
                && after.as_ref().is_none_or(|after| after < *metric)
        });
        let meant: Vec<&Metric> = meant
            .map(|(metric, _)| metric)
            .take(LISTED_MAX + 1)
            .collect();
        let shown: Vec<Value> = meant
            .iter()
            .take(LISTED_MAX)
            .map(|metric| shown(metric))
            .collect();
        let mut answer = json!({"Metrics": shown});
        if let (Some(last), true) = (meant.get(LISTED_MAX - 1), LISTED_MAX < meant.len())
            && let Value::Object(members) = &mut answer
        {
            let token = serde_json::to_vec(last).unwrap_or_default();
            members.insert("NextToken".to_owned(), STANDARD.encode(token).into());
        }
        Ok(answer)
    })
}

fn shown(metric: &Metric) -> Value {
    let dimensions = metric
        .dimensions
        .iter()
        .map(|(name, value)| json!({"Name": name, "Value": value}));
    json!({
        "Namespace": metric.namespace,
        "MetricName": metric.name,
        "Dimensions": dimensions.collect::<Vec<_>>(),
    })
}
