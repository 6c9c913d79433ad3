//! Alarms: kept and shown. None is ever evaluated, so one that would act is refused.
//!
//! Contract: `PutMetricAlarm`, `DescribeAlarms`.

use serde_json::{Map, Value, json};

use super::{
    Answered, Context, MetricFault, alarm_in, is_set, list, number, refuse, required, text, whole,
};
use crate::engine::catalogue::Change;
use crate::engine::rows::{Alarm, Json, Tags};
use crate::engine::state::{State, Step};
use crate::fields::page;

const ALARMS_MAX: usize = 5_000;
const ACTIONS: [&str; 3] = ["OKActions", "AlarmActions", "InsufficientDataActions"];
/// What is kept and shown.
const SHOWN: [&str; 11] = [
    "AlarmDescription",
    "MetricName",
    "Namespace",
    "Statistic",
    "Unit",
    "ComparisonOperator",
    "TreatMissingData",
    "ExtendedStatistic",
    "EvaluateLowSampleCountPercentile",
    "Metrics",
    "ThresholdMetricId",
];

pub(super) async fn put_metric_alarm(
    context: &Context<'_>,
    members: &Map<String, Value>,
) -> Answered {
    refuse(
        members,
        "PutMetricAlarm",
        &["EvaluationCriteria", "EvaluationInterval"],
    )?;
    let is_enabled = is_enabled(members);
    let acting = ACTIONS
        .iter()
        .find(|name| is_enabled && !list(members, name).is_empty());
    if let Some(name) = acting {
        let what = format!(
            "an alarm that acts ({name}): alarms are kept, but never fire, and one that acts"
        );
        return Err(MetricFault::not_implemented(&what));
    }
    put(context, members, None).await?;
    Ok(Value::Null)
}

fn is_enabled(members: &Map<String, Value>) -> bool {
    match members.get("ActionsEnabled") {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) => text != "false",
        _ => true,
    }
}

/// Makes an alarm, or changes it.
pub(crate) async fn put(
    context: &Context<'_>,
    members: &Map<String, Value>,
    owner: Option<String>,
) -> Result<String, MetricFault> {
    let name = required(members, "AlarmName")?.to_owned();
    required(members, "ComparisonOperator")?;
    if whole(members, "EvaluationPeriods").is_none() {
        return Err(MetricFault::missing("EvaluationPeriods"));
    }
    if !is_set(members, "Metrics") {
        required(members, "MetricName")?;
        required(members, "Namespace")?;
    }
    let mut kept = Json::new();
    for name in SHOWN.iter().filter(|name| is_set(members, name)) {
        kept.insert(
            (*name).to_owned(),
            members.get(*name).cloned().unwrap_or_default(),
        );
    }
    for name in ["Period", "EvaluationPeriods", "DatapointsToAlarm"] {
        if let Some(value) = whole(members, name) {
            kept.insert(name.to_owned(), value.into());
        }
    }
    if let Some(threshold) = members.get("Threshold").and_then(number) {
        kept.insert("Threshold".to_owned(), threshold.into());
    }
    kept.insert("ActionsEnabled".to_owned(), is_enabled(members).into());
    for name in ACTIONS.into_iter().chain(["Dimensions"]) {
        kept.insert(name.to_owned(), list(members, name).into());
    }
    let tags = tags(list(members, "Tags"));
    let decide = |state: &State| {
        let there = state.alarms.get(&name);
        if there.is_none() && ALARMS_MAX <= state.alarms.len() {
            let message = "The maximum number of alarms is reached.";
            return Err(MetricFault::new(
                "LimitExceeded",
                "LimitExceededFault",
                message,
            ));
        }
        let alarm = Alarm {
            tags: there.map_or(tags, |there| there.tags.clone()),
            members: kept,
            updated_ms: context.catalogue.now_ms(),
            owner,
            name: name.clone(),
        };
        Ok((name.clone(), Change::one(Step::PutAlarm(alarm))))
    };
    context.catalogue.change(context.place, decide).await
}

pub(super) async fn describe_alarms(
    context: &Context<'_>,
    members: &Map<String, Value>,
) -> Answered {
    refuse(
        members,
        "DescribeAlarms",
        &["ChildrenOfAlarmName", "ParentsOfAlarmName"],
    )?;
    let names: Vec<&str> = list(members, "AlarmNames")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let types: Vec<&str> = list(members, "AlarmTypes")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let prefix = text(members, "AlarmNamePrefix").unwrap_or_default();
    let wants_state = text(members, "StateValue").is_none_or(|state| state == "INSUFFICIENT_DATA");
    let wants_metric = types.is_empty() || types.contains(&"MetricAlarm");
    let action = text(members, "ActionPrefix");
    let limit = whole(members, "MaxRecords").unwrap_or(50).clamp(1, 100);
    let limit = usize::try_from(limit).unwrap_or(50);
    let token = text(members, "NextToken");
    let shelf = context.catalogue.shelf(context.place).await?;
    let (listed, token) = shelf.look(|state| {
        let acts = |alarm: &Alarm| {
            action.is_none_or(|prefix| {
                let all = ACTIONS.iter().flat_map(|name| list(&alarm.members, name));
                all.filter_map(Value::as_str)
                    .any(|arn| arn.starts_with(prefix))
            })
        };
        let meant = state.alarms.values().filter(|alarm| {
            (names.is_empty() || names.contains(&alarm.name.as_str()))
                && alarm.name.starts_with(prefix)
                && wants_state
                && wants_metric
                && acts(alarm)
        });
        let shown = meant.map(|alarm| (alarm.name.clone(), shown(context, alarm)));
        let invalid = |_| {
            MetricFault::new(
                "InvalidNextToken",
                "InvalidNextToken",
                "The token supplied is invalid.",
            )
        };
        page(shown, limit, token).map_err(invalid)
    })?;
    let mut answer = json!({"MetricAlarms": listed, "CompositeAlarms": [], "LogAlarms": []});
    if let (Some(token), Value::Object(members)) = (token, &mut answer) {
        members.insert("NextToken".to_owned(), token.into());
    }
    Ok(answer)
}

fn shown(context: &Context<'_>, alarm: &Alarm) -> Value {
    let mut shown = alarm.members.clone();
    let arn = context
        .place
        .arn("cloudwatch", format!("alarm:{}", alarm.name))
        .to_string();
    let updated = json!(alarm.updated_ms).as_f64().unwrap_or_default() / 1_000.0;
    let more = [
        ("AlarmName", json!(alarm.name)),
        ("AlarmArn", json!(arn)),
        ("AlarmConfigurationUpdatedTimestamp", json!(updated)),
        ("StateValue", json!("INSUFFICIENT_DATA")),
        ("StateReason", json!("Unchecked: Initial alarm creation")),
        ("StateUpdatedTimestamp", json!(updated)),
        ("StateTransitionedTimestamp", json!(updated)),
    ];
    shown.extend(more.map(|(name, value)| (name.to_owned(), value)));
    Value::Object(shown)
}

pub(super) async fn delete_alarms(context: &Context<'_>, members: &Map<String, Value>) -> Answered {
    let names: Vec<String> = list(members, "AlarmNames")
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    if names.is_empty() {
        return Err(MetricFault::missing("AlarmNames"));
    }
    delete(context, &names).await?;
    Ok(Value::Null)
}

pub(crate) async fn delete(context: &Context<'_>, names: &[String]) -> Result<(), MetricFault> {
    let decide = |state: &State| {
        let there = names.iter().filter(|name| state.alarms.contains_key(*name));
        let steps = there.map(|name| Step::DropAlarm(name.clone()));
        Ok(((), Change::all(steps.collect())))
    };
    context.catalogue.change(context.place, decide).await
}

fn tags(listed: &[Value]) -> Tags {
    let member = |tag: &Value, name: &str| tag.get(name).and_then(Value::as_str).map(str::to_owned);
    listed
        .iter()
        .filter_map(|tag| Some((member(tag, "Key")?, member(tag, "Value")?)))
        .collect()
}

pub(super) async fn list_tags(context: &Context<'_>, members: &Map<String, Value>) -> Answered {
    let name = named(members)?;
    let shelf = context.catalogue.shelf(context.place).await?;
    shelf.look(|state| {
        // Recorded so: an alarm that is gone has no tags.
        let tags = state.alarms.get(&name).map(|alarm| &alarm.tags);
        let tags = tags
            .into_iter()
            .flatten()
            .map(|(key, value)| json!({"Key": key, "Value": value}));
        Ok(json!({"Tags": tags.collect::<Vec<_>>()}))
    })
}

pub(super) async fn tag(context: &Context<'_>, members: &Map<String, Value>) -> Answered {
    let new = tags(list(members, "Tags"));
    edit(context, members, |tags| tags.extend(new)).await
}

pub(super) async fn untag(context: &Context<'_>, members: &Map<String, Value>) -> Answered {
    let keys: Vec<&str> = list(members, "TagKeys")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    edit(context, members, |tags| {
        tags.retain(|key, _| !keys.contains(&key.as_str()))
    })
    .await
}

async fn edit(
    context: &Context<'_>,
    members: &Map<String, Value>,
    change: impl FnOnce(&mut Tags),
) -> Answered {
    let name = named(members)?;
    let decide = |state: &State| {
        let there = state.alarms.get(&name).ok_or_else(|| unknown(&name))?;
        let mut alarm = Alarm::clone(there);
        change(&mut alarm.tags);
        Ok((json!({}), Change::one(Step::PutAlarm(alarm))))
    };
    context.catalogue.change(context.place, decide).await
}

fn named(members: &Map<String, Value>) -> Result<String, MetricFault> {
    let arn = required(members, "ResourceARN")?;
    alarm_in(arn).ok_or_else(|| {
        MetricFault::value(format!(
            "The value {arn} for parameter ResourceARN is invalid."
        ))
    })
}

fn unknown(name: &str) -> MetricFault {
    MetricFault {
        status: 404,
        ..MetricFault::new(
            "ResourceNotFoundException",
            "ResourceNotFoundException",
            format!("Unknown alarm {name}"),
        )
    }
}
