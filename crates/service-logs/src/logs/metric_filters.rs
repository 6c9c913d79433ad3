//! Metric filters: what is counted of what comes in.

use serde_json::{Value, json};

use super::Context;
use super::groups::find;
use crate::engine::catalogue::Change;
use crate::engine::rows::{Json, MetricFilter};
use crate::engine::state::{State, Step};
use crate::fault::{Answer, Fault};
use crate::fields::{Fields, Text, group_name, page, paged};
use crate::filter::Pattern;

/// Contract: CloudWatch Logs quotas.
const FILTERS_MAX: usize = 100;
const MESSAGES_MAX: usize = 50;

pub(super) async fn put_metric_filter(context: &Context<'_>, mut fields: Fields) -> Answer {
    fields.refuse(
        "PutMetricFilter",
        &[
            "applyOnTransformedLogs",
            "fieldSelectionCriteria",
            "emitSystemFieldDimensions",
        ],
    )?;
    let group = group_name(&mut fields, "logGroupName")?;
    let name = fields.required("filterName", &Text::long(1, 512));
    let pattern = fields.required("filterPattern", &Text::long(0, 1_024));
    let transformations = fields.take("metricTransformations").unwrap_or_default();
    let count = transformations.as_array().map_or(0, Vec::len);
    if count != 1 {
        let rule = match count {
            0 => "have length greater than or equal to 1",
            _ => "have length less than or equal to 1",
        };
        fields.violate(Some(&told(&transformations)), "metricTransformations", rule);
    }
    fields.finish()?;
    let filter = read(name, pattern, &transformations, context.catalogue.now_ms())?;
    put(context, &group, filter).await?;
    Ok(Value::Null)
}

/// As the cloud tells what it was given.
fn told(transformations: &Value) -> String {
    let one = |one: &Value| {
        let member = |name: &str| match one.get(name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            Some(other @ (Value::Bool(_) | Value::Array(_) | Value::Object(_))) => {
                other.to_string()
            }
            Some(Value::Null) | None => "null".to_owned(),
        };
        let names = [
            "metricName",
            "metricNamespace",
            "metricValue",
            "defaultValue",
            "unit",
            "dimensions",
        ];
        let members = names.map(|name| format!("{name}={}", member(name)));
        format!("MetricTransformation({})", members.join(", "))
    };
    let all: Vec<String> = transformations
        .as_array()
        .into_iter()
        .flatten()
        .map(one)
        .collect();
    format!("[{}]", all.join(", "))
}

/// Reads a filter.
pub(crate) fn read(
    name: String,
    pattern: String,
    transformations: &Value,
    now_ms: i64,
) -> Result<MetricFilter, Fault> {
    Pattern::parse(&pattern).map_err(|error| Fault::parameter(error.reason))?;
    let given = transformations.as_array().into_iter().flatten();
    let transformations: Vec<Json> = given.filter_map(|one| one.as_object().cloned()).collect();
    for transformation in &transformations {
        for member in ["metricName", "metricNamespace", "metricValue"] {
            let is_there = transformation
                .get(member)
                .and_then(Value::as_str)
                .is_some_and(|text| !text.is_empty());
            if !is_there {
                return Err(Fault::parameter(format!(
                    "A metric transformation needs {member}."
                )));
            }
        }
        let value = transformation
            .get("metricValue")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if !value.starts_with('$') && value.parse::<f64>().is_err() {
            let message = format!(
                "Invalid metric transformation: '{value}' is neither a number nor a field."
            );
            return Err(Fault::parameter(message));
        }
        if transformation.contains_key("defaultValue") && transformation.contains_key("dimensions")
        {
            let message = "Invalid metric transformation: dimensions and default value are mutually exclusive properties.";
            return Err(Fault::parameter(message));
        }
    }
    Ok(MetricFilter {
        name,
        pattern,
        created_ms: now_ms,
        transformations,
    })
}

/// Makes a filter, or changes it.
pub(crate) async fn put(
    context: &Context<'_>,
    group: &str,
    wanted: MetricFilter,
) -> Result<(), Fault> {
    let decide = |state: &State| {
        let mut row = find(state, group)?.row.clone();
        let is_full = FILTERS_MAX <= row.metric_filters.len();
        match row
            .metric_filters
            .iter_mut()
            .find(|there| there.name == wanted.name)
        {
            Some(there) => *there = wanted,
            None if is_full => return Err(Fault::limit()),
            None => row.metric_filters.push(wanted),
        }
        Ok(((), Change::one(Step::PutGroup(row))))
    };
    context.catalogue.change(context.place, decide).await
}

pub(super) async fn delete_metric_filter(context: &Context<'_>, mut fields: Fields) -> Answer {
    let group = group_name(&mut fields, "logGroupName")?;
    let name = fields.required("filterName", &Text::long(1, 512));
    fields.finish()?;
    delete(context, &group, &name).await?;
    Ok(Value::Null)
}

pub(crate) async fn delete(context: &Context<'_>, group: &str, name: &str) -> Result<(), Fault> {
    let decide = |state: &State| {
        let mut row = find(state, group)?.row.clone();
        let before = row.metric_filters.len();
        row.metric_filters.retain(|there| there.name != name);
        match row.metric_filters.len() < before {
            true => Ok(((), Change::one(Step::PutGroup(row)))),
            false => Err(Fault::not_found(
                "The specified metric filter does not exist.",
            )),
        }
    };
    context.catalogue.change(context.place, decide).await
}

pub(super) async fn describe_metric_filters(context: &Context<'_>, mut fields: Fields) -> Answer {
    let group = fields.text("logGroupName", &Text::long(1, 512));
    let prefix = fields
        .text("filterNamePrefix", &Text::long(1, 512))
        .unwrap_or_default();
    let metric = fields.text("metricName", &Text::long(0, 255));
    let namespace = fields.text("metricNamespace", &Text::long(0, 255));
    let limit = fields.limit("limit", 50, 50);
    let token = fields.text("nextToken", &Text::long(1, usize::MAX));
    fields.finish()?;
    if metric.is_some() != namespace.is_some() {
        let message = "metricName and metricNamespace are given together, or not at all.";
        return Err(Fault::parameter(message));
    }
    let shelf = context.catalogue.shelf(context.place).await?;
    shelf.look(|state| {
        if let Some(group) = &group {
            find(state, group)?;
        }
        let counts = |filter: &MetricFilter| {
            metric.is_none()
                || filter.transformations.iter().any(|one| {
                    let is = |name: &str, wanted: &Option<String>| one.get(name).and_then(Value::as_str) == wanted.as_deref();
                    is("metricName", &metric) && is("metricNamespace", &namespace)
                })
        };
        let groups = state.groups.values();
        let groups = groups.filter(|kept| group.as_ref().is_none_or(|name| kept.row.name == *name));
        let all = groups.flat_map(|kept| kept.row.metric_filters.iter().map(move |one| (&kept.row.name, one)));
        let mut all: Vec<_> = all.filter(|(_, one)| one.name.starts_with(&prefix) && counts(one)).collect();
        all.sort_by_key(|(group, one)| (&one.name, *group));
        let shown = all.into_iter().map(|(group, one)| {
            let shown = json!({
                "filterName": one.name,
                "filterPattern": one.pattern,
                "metricTransformations": one.transformations.iter().map(|one| Value::Object(shown(one))).collect::<Vec<_>>(),
                "creationTime": one.created_ms,
                "logGroupName": group,
                "applyOnTransformedLogs": false,
            });
            (format!("{}\u{0}{group}", one.name), shown)
        });
        let (listed, token) = page(shown, limit, token.as_deref())?;
        Ok(paged("metricFilters", listed, token))
    })
}

fn shown(transformation: &Json) -> Json {
    let mut shown = transformation.clone();
    if let Some(value) = shown.get_mut("defaultValue")
        && let Some(number) = value.as_f64()
    {
        *value = number.into();
    }
    shown
}

pub(super) fn test_metric_filter(mut fields: Fields) -> Answer {
    let pattern = fields.required("filterPattern", &Text::long(0, 1_024));
    let messages = fields.texts("logEventMessages").unwrap_or_default();
    if messages.is_empty() || MESSAGES_MAX < messages.len() {
        let rule = format!("have length between 1 and {MESSAGES_MAX}");
        fields.violate(Some("[…]"), "logEventMessages", &rule);
    }
    fields.finish()?;
    let pattern = Pattern::parse(&pattern).map_err(|error| Fault::parameter(error.reason))?;
    let numbered = messages.iter().zip(1..);
    let matched = numbered.filter(|(message, _)| pattern.holds(message));
    let shown = matched.map(|(message, number)| {
        json!({
            "eventNumber": number,
            "eventMessage": message,
            "extractedValues": pattern.extract(message),
        })
    });
    Ok(json!({"matches": shown.collect::<Vec<Value>>()}))
}
