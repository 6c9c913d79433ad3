//! The API of CloudWatch: metrics that are put and read, alarms that are kept.
//!
//! Lives here: which operation a request names, what it may be done by, the members of requests.
//! Does not live here: protocols (`wire`), operations (`data`, `alarms`).
//!
//! Contract: Amazon CloudWatch API Reference.

pub(crate) mod alarms;
mod cbor;
mod data;
mod statistics;
mod wire;

use interfaces::authorize::Check;
use interfaces::service::{ServiceAnswer, ServiceCall};
use model::arn::Arn;
use serde_json::{Map, Value};

use crate::engine::catalogue::Catalogue;
use crate::engine::keys::Place;
pub(crate) use wire::MetricFault;

/// The operations that are carried out.
pub(crate) const SUPPORTED: &[&str] = &[
    "DeleteAlarms",
    "DescribeAlarms",
    "GetMetricData",
    "GetMetricStatistics",
    "ListMetrics",
    "ListTagsForResource",
    "PutMetricAlarm",
    "PutMetricData",
    "TagResource",
    "UntagResource",
];

/// Refused by name: alarms do not fire, and there are no dashboards.
pub(crate) const NOT_IMPLEMENTED: &[&str] = &[
    "AssociateDatasetKmsKey",
    "CreateResourceMetricsConfiguration",
    "DeleteAlarmMuteRule",
    "DeleteAnomalyDetector",
    "DeleteDashboards",
    "DeleteInsightRules",
    "DeleteMetricDataQueryDefinition",
    "DeleteMetricStream",
    "DeleteResourceMetricsConfiguration",
    "DescribeAlarmContributors",
    "DescribeAlarmHistory",
    "DescribeAlarmsForMetric",
    "DescribeAnomalyDetectors",
    "DescribeInsightRules",
    "DisableAlarmActions",
    "DisableInsightRules",
    "DisassociateDatasetKmsKey",
    "EnableAlarmActions",
    "EnableInsightRules",
    "GetAlarmMuteRule",
    "GetDashboard",
    "GetDataset",
    "GetInsightRuleReport",
    "GetMetricDataQueryDefinition",
    "GetMetricStream",
    "GetMetricWidgetImage",
    "GetOTelEnrichment",
    "GetResourceMetricsConfiguration",
    "ListAlarmMuteRules",
    "ListDashboards",
    "ListManagedInsightRules",
    "ListMetricDataQueryDefinitions",
    "ListMetricStreams",
    "PutAlarmMuteRule",
    "PutAnomalyDetector",
    "PutCompositeAlarm",
    "PutDashboard",
    "PutInsightRule",
    "PutLogAlarm",
    "PutManagedInsightRules",
    "PutMetricDataQueryDefinition",
    "PutMetricStream",
    "SetAlarmState",
    "StartMetricStreams",
    "StartOTelEnrichment",
    "StopMetricStreams",
    "StopOTelEnrichment",
    "UpdateOTelEnrichment",
    "UpdateResourceMetricsConfiguration",
];

type Answered = Result<Value, MetricFault>;

/// What an operation works with.
#[derive(Clone, Copy)]
pub(crate) struct Context<'c> {
    pub(crate) catalogue: &'c Catalogue,
    pub(crate) place: &'c Place,
}

/// Whether a request is for an operation that is carried out.
pub(crate) fn is_known(call: &ServiceCall) -> bool {
    SUPPORTED.contains(&wire::read(call).operation.as_str())
}

/// What a request would do, and to what.
pub(crate) fn checks(place: &Place, call: &ServiceCall) -> Vec<Check> {
    let asked = wire::read(call);
    let members = asked.members.unwrap_or_default();
    let Some(resources) = resources(place, &asked.operation, &members) else {
        return Vec::new();
    };
    let action = format!("cloudwatch:{}", asked.operation);
    let check = |resource: String| {
        let mut check = Check::new(action.as_str(), resource, &place.account);
        if let Some(namespace) =
            text(&members, "Namespace").filter(|_| asked.operation == "PutMetricData")
        {
            check.context.set("cloudwatch:namespace", namespace);
        }
        check
    };
    resources.into_iter().map(check).collect()
}

/// Contract: Service Authorization Reference, "Amazon CloudWatch".
fn resources(place: &Place, operation: &str, members: &Map<String, Value>) -> Option<Vec<String>> {
    let alarm = |name: &str| place.arn("cloudwatch", format!("alarm:{name}")).to_string();
    let alarms = || {
        let names = members.get("AlarmNames").and_then(Value::as_array);
        let names = names.into_iter().flatten().filter_map(Value::as_str);
        names.map(alarm).collect::<Vec<_>>()
    };
    Some(match operation {
        "PutMetricData" | "ListMetrics" | "GetMetricData" | "GetMetricStatistics" => {
            vec!["*".to_owned()]
        }
        "PutMetricAlarm" => vec![alarm(text(members, "AlarmName").unwrap_or_default())],
        "DeleteAlarms" if !alarms().is_empty() => alarms(),
        "DeleteAlarms" | "DescribeAlarms" => vec![alarm("*")],
        "ListTagsForResource" | "TagResource" | "UntagResource" => {
            vec![text(members, "ResourceARN").unwrap_or("*").to_owned()]
        }
        _ => return None,
    })
}

pub(crate) async fn execute(context: &Context<'_>, call: &ServiceCall) -> ServiceAnswer {
    let asked = wire::read(call);
    let result = match asked.members.clone() {
        Some(members) => run(context, &asked.operation, &members).await,
        None => Err(MetricFault::new(
            "SerializationException",
            "SerializationException",
            "The body cannot be read.",
        )),
    };
    wire::answer(&asked, call.request_id.as_ref(), result)
}

async fn run(context: &Context<'_>, operation: &str, members: &Map<String, Value>) -> Answered {
    match operation {
        "PutMetricData" => data::put_metric_data(context, members).await,
        "ListMetrics" => data::list_metrics(context, members).await,
        "GetMetricData" => statistics::get_metric_data(context, members).await,
        "GetMetricStatistics" => statistics::get_metric_statistics(context, members).await,
        "PutMetricAlarm" => alarms::put_metric_alarm(context, members).await,
        "DescribeAlarms" => alarms::describe_alarms(context, members).await,
        "DeleteAlarms" => alarms::delete_alarms(context, members).await,
        "ListTagsForResource" => alarms::list_tags(context, members).await,
        "TagResource" => alarms::tag(context, members).await,
        "UntagResource" => alarms::untag(context, members).await,
        name if NOT_IMPLEMENTED.contains(&name) => Err(MetricFault::not_implemented(&format!(
            "the operation {name}"
        ))),
        name => {
            let message = format!("The operation {name} is not known.");
            Err(MetricFault::new(
                "InvalidAction",
                "UnknownOperationException",
                message,
            ))
        }
    }
}

fn text<'m>(members: &'m Map<String, Value>, name: &str) -> Option<&'m str> {
    members.get(name).and_then(Value::as_str)
}

fn required<'m>(members: &'m Map<String, Value>, name: &str) -> Result<&'m str, MetricFault> {
    text(members, name)
        .filter(|text| !text.is_empty())
        .ok_or_else(|| MetricFault::missing(name))
}

fn list<'m>(members: &'m Map<String, Value>, name: &str) -> &'m [Value] {
    members
        .get(name)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// A number, which a form tells as a text.
fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.as_f64(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    number.filter(|number: &f64| number.is_finite())
}

fn whole(members: &Map<String, Value>, name: &str) -> Option<i64> {
    match members.get(name)? {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.as_i64(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A time in seconds since the epoch, which a form tells as ISO 8601.
fn time(members: &Map<String, Value>, name: &str) -> Option<i64> {
    let value = members.get(name)?;
    if let Some(Ok(at)) = value.as_str().map(str::parse::<jiff::Timestamp>) {
        return Some(at.as_second());
    }
    let seconds = jiff::SignedDuration::try_from_secs_f64(number(value)?).ok()?;
    Some(seconds.as_secs())
}

fn is_set(members: &Map<String, Value>, name: &str) -> bool {
    members.get(name).is_some_and(|value| !value.is_null())
}

/// Refuses members that CloudWatch knows and we do not carry out.
fn refuse(
    members: &Map<String, Value>,
    operation: &str,
    names: &[&str],
) -> Result<(), MetricFault> {
    match names.iter().find(|name| is_set(members, name)) {
        Some(name) => Err(MetricFault::not_implemented(&format!(
            "{operation} with the parameter {name}"
        ))),
        None => Ok(()),
    }
}

/// The name of an alarm by its ARN.
fn alarm_in(arn: &str) -> Option<String> {
    let arn = Arn::parse(arn).ok()?;
    arn.resource.strip_prefix("alarm:").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use model::ids::{AccountId, Region};

    use super::*;

    #[test]
    fn every_operation_names_what_it_is_about() {
        let place = Place {
            account: AccountId::development(),
            region: Region::new("us-east-1"),
        };
        for operation in SUPPORTED {
            assert!(
                resources(&place, operation, &Map::new()).is_some(),
                "{operation}"
            );
        }
    }
}
