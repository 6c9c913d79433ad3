//! What sets functions and other targets going besides requests, as rows for people.
//!
//! Lives here: reading mappings, rules, schedules, subscriptions and notifications as rows; naming those whose target is
//! not there.
//! Does not live here: what is delivered, and when (the services, `event-delivery`).

use model::application::Trigger;
use model::arn::Arn;
use model::ids::AccountId;
use model::problem::Problem;
use serde_json::Value;

use super::view::{Resource, View};
use crate::records::text_of;

/// Services whose things a template would declare, or the API make, before events can reach them.
const HELD_HERE: [&str; 6] = ["lambda", "sqs", "sns", "events", "kinesis", "logs"];
/// Kinds of notification of a bucket: the list, and the property of its entries that names the target.
const NOTIFICATIONS: [(&str, &str); 3] = [
    ("LambdaConfigurations", "Function"),
    ("QueueConfigurations", "Queue"),
    ("TopicConfigurations", "Topic"),
];

/// One row for each way from a source to a target, in the template's order.
pub(super) fn triggers(
    view: &View<'_>,
    account: &AccountId,
    problems: &mut Vec<Problem>,
) -> Vec<Trigger> {
    let mut rows = Vec::new();
    for resource in &view.resources {
        for (trigger, target) in of_resource(resource) {
            // A mapping whose function is not there is an error of its own.
            let is_mapping = resource.resource_type == "AWS::Lambda::EventSourceMapping";
            if !is_mapping && let Ok(target) = Arn::parse(&target) {
                problems.extend(missing(view, resource, &target, account));
            }
            rows.push(trigger);
        }
    }
    rows
}

/// The rows of one resource, each with its target in full.
fn of_resource(resource: &Resource<'_>) -> Vec<(Trigger, String)> {
    let text = |name: &str| resource.text(name).unwrap_or_default();
    let is_enabled = resource.text("State").is_none_or(|it| it != "DISABLED");
    let (kind, source, is_enabled, targets) = match resource.resource_type {
        "AWS::Lambda::EventSourceMapping" => {
            let source = text("EventSourceArn");
            let service = Arn::parse(&source).map(|arn| arn.service);
            let kind = match service.as_deref() {
                Ok("sqs") => "queue",
                Ok(_) | Err(_) => "stream",
            };
            let is_enabled = resource.text("Enabled").is_none_or(|it| it != "false");
            (kind, short(&source), is_enabled, vec![text("FunctionName")])
        }
        "AWS::Events::Rule" => {
            let targets = texts_in(resource.properties.get("Targets"), "Arn").collect();
            let (kind, source) = match resource.text("ScheduleExpression") {
                Some(expression) => ("schedule", expression),
                None => ("rule", rule_name(resource)),
            };
            (kind, source, is_enabled, targets)
        }
        "AWS::Scheduler::Schedule" => {
            let target = resource.properties.get("Target");
            let target = target.and_then(|it| text_of(it.get("Arn")?));
            let targets = target.into_iter().collect();
            ("schedule", text("ScheduleExpression"), is_enabled, targets)
        }
        "AWS::SNS::Subscription" => {
            let source = short(&text("TopicArn"));
            ("topic", source, true, vec![text("Endpoint")])
        }
        "AWS::SNS::Topic" => {
            let targets = texts_in(resource.properties.get("Subscription"), "Endpoint").collect();
            ("topic", short(resource.physical_id), true, targets)
        }
        "AWS::S3::Bucket" => {
            let source = resource.physical_id.to_owned();
            ("bucket", source, true, told_by_bucket(resource))
        }
        "AWS::Logs::SubscriptionFilter" => {
            let targets = vec![text("DestinationArn")];
            ("log", text("LogGroupName"), true, targets)
        }
        _ => return Vec::new(),
    };
    let row = |target: String| {
        let trigger = Trigger {
            kind: kind.to_owned(),
            source: source.clone(),
            target: short(&target),
            is_enabled,
        };
        (trigger, target)
    };
    targets.into_iter().map(row).collect()
}

/// `nightly on default`.
fn rule_name(rule: &Resource<'_>) -> String {
    let bus = rule.text("EventBusName");
    let bus = bus.map_or_else(|| "default".to_owned(), |bus| short(&bus));
    format!("{} on {bus}", short(rule.physical_id))
}

fn told_by_bucket(bucket: &Resource<'_>) -> Vec<String> {
    let told = bucket.properties.get("NotificationConfiguration");
    let lists = NOTIFICATIONS.iter();
    lists
        .flat_map(|(list, property)| texts_in(told.and_then(|told| told.get(*list)), property))
        .collect()
}

/// A property of each entry of a list.
fn texts_in(list: Option<&Value>, property: &str) -> impl Iterator<Item = String> {
    let entries = list.and_then(Value::as_array).into_iter().flatten();
    entries.filter_map(move |entry| text_of(entry.get(property)?))
}

/// The part of an ARN that people named; any other text as it is.
fn short(text: &str) -> String {
    let Ok(arn) = Arn::parse(text) else {
        return text.rsplit('|').next().unwrap_or_default().to_owned();
    };
    if let Some((name, qualifier)) = arn.function() {
        return match qualifier {
            Some(qualifier) => format!("{name}:{qualifier}"),
            None => name.to_string(),
        };
    }
    if let Some(table) = arn.resource.strip_prefix("table/") {
        return table.split('/').next().unwrap_or_default().to_owned();
    }
    if let Some(group) = arn.resource.strip_prefix("log-group:") {
        return group.trim_end_matches(":*").to_owned();
    }
    let last = arn.resource.rsplit(['/', ':']).next();
    last.unwrap_or_default().to_owned()
}

/// What is reported when nothing of this project is what events are sent to.
fn missing(
    view: &View<'_>,
    resource: &Resource<'_>,
    target: &Arn,
    account: &AccountId,
) -> Option<Problem> {
    let may_be_here =
        HELD_HERE.contains(&target.service.as_str()) && target.account == account.as_str();
    let is_default_bus = target.service == "events" && target.resource == "event-bus/default";
    let name = short(&target.to_string());
    let bare = name.split(':').next().unwrap_or_default();
    let is_known = |other: &Resource<'_>| {
        short(other.physical_id) == bare
            || other
                .attributes
                .values()
                .any(|it| it.as_str() == Some(&target.to_string()))
    };
    if !may_be_here
        || is_default_bus
        || view.stood_in.contains(bare)
        || view.resources.iter().any(is_known)
    {
        return None;
    }
    let problem = Problem::warning(
        "deployment::target-not-there",
        format!(
            "`{}` sends events to `{target}`, which this project does not have",
            resource.logical_id
        ),
    );
    Some(
        problem
            .at(resource.place)
            .because("events for a target that is not there are given up, or become dead letters if a queue is named for them")
            .help("declare it, mend its name, or make it by the API once the server runs"),
    )
}
