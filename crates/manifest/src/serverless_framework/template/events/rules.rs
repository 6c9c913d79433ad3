//! `eventBridge` and `cloudwatchEvent` events.
//!
//! Lives here: rules, the buses that these events make, and that rules may call functions.
//! Does not live here: what patterns match, schedules of their own (`schedules`).

use cloudformation::node::Node;
use model::problem::{Place, Problem};

use super::{behind_alias, input, of_type, permission, state, through_json};
use crate::serverless_framework::build::{self, Object};
use crate::serverless_framework::service::{Function, Service};
use crate::serverless_framework::template::Draft;
use crate::serverless_framework::{naming, script};

/// Letters that a rule's name, and a target's, can have.
const NAME_LENGTH_MAX: usize = 64;
/// Letters of a name that is too long which stay in front of its digest, the suffix taken off.
const NAME_KEPT: usize = 31;

/// Writes `cloudwatchEvent` events.
pub(in crate::serverless_framework::template) fn write_cloud_watch(
    service: &Service<'_>,
    draft: &mut Draft,
) {
    for function in service.functions() {
        let events = function.events().iter();
        let events = events.filter_map(|event| script::truthy(event.get("cloudwatchEvent")));
        for (index, event) in events.enumerate() {
            write_cloud_watch_event(function, event, index + 1, draft);
        }
    }
}

fn write_cloud_watch_event(function: Function<'_>, event: &Node, number: usize, draft: &mut Draft) {
    let place = &event.place;
    let constant = script::truthy(event.get("input")).map(|input| {
        let text = input.as_str().map(str::to_owned);
        let text = text.unwrap_or_else(|| input.to_json().to_string());
        through_json(&text.replace("\\n", "").replace("\\r", ""))
    });
    let input = input(event, constant, draft);
    let target = input
        .add_to(Object::new(place))
        .with("Arn", function.target(place))
        .with("Id", format!("{}CloudWatchEvent", function.key));
    let properties = Object::new(place)
        .with_some("EventPattern", event.get("event"))
        .with("State", state(event))
        .with_some("Description", script::truthy(event.get("description")))
        .with_some("Name", script::truthy(event.get("name")))
        .with("Targets", vec![target]);
    let normalised = naming::normalised(function.key);
    let id = format!("{normalised}EventsRuleCloudWatchEvent{number}");
    let source = build::attribute(&id, "Arn", place);
    let resource = build::resource("AWS::Events::Rule", properties);
    draft.merge(&id, behind_alias(function, resource));
    draft.merge(
        &format!("{normalised}LambdaPermissionEventsRuleCloudWatchEvent{number}"),
        permission(function, "events.amazonaws.com", source, place),
    );
}

/// Writes `eventBridge` events.
pub(in crate::serverless_framework::template) fn write_event_bridge(
    service: &Service<'_>,
    draft: &mut Draft,
) {
    for (function, number, event) in of_type(service, "eventBridge") {
        if event.get("pattern").is_none() && event.get("schedule").is_none() {
            draft.problems.push(
                Problem::error(
                    "manifest::rule-without-trigger",
                    format!(
                        "an `eventBridge` event of the function `{}` never happens",
                        function.key
                    ),
                )
                .at(&event.place)
                .because("it has neither a `pattern` nor a `schedule`")
                .help("set one of them"),
            );
            continue;
        }
        let function_name = script::text_of(&function.name(service)).unwrap_or_default();
        let stub = format!("{function_name}-rule-{number}");
        write_rule(function, number, &stub, event, draft);
    }
}

fn write_rule(function: Function<'_>, number: usize, stub: &str, event: &Node, draft: &mut Draft) {
    let place = &event.place;
    let name = script::truthy(event.get("name")).and_then(script::text_of);
    let name = name.unwrap_or_else(|| within_limit(stub, &format!("rule-{number}")));
    let bus = bus(event, draft);
    let target = target(function, &name, event, draft);
    let properties = Object::new(place)
        .with_some("Description", event.get("description"))
        .with_some(
            "EventBusName",
            bus.name
                .as_ref()
                .filter(|name| name.as_str() != Some("default")),
        )
        .with_some("EventPattern", event.get("pattern"))
        .with("Name", &name)
        .with_some("ScheduleExpression", event.get("schedule"))
        .with("State", state(event))
        .with("Targets", vec![target]);
    let mut resource = behind_alias(function, build::resource("AWS::Events::Rule", properties));
    if let Some(made) = bus.made {
        resource.set("DependsOn", made);
    }
    let id = format!("{}EventBridgeRule", naming::alphanumeric(stub));
    draft.add(&id, resource);
    let mut path = vec![Node::string("rule", place)];
    path.extend(bus.name);
    path.push(Node::string(name, place));
    let source = rule_arn(build::joined("/", path, place), place);
    let id = format!(
        "{}EventBridgeLambdaPermission{number}",
        naming::normalised(function.key)
    );
    draft.add(
        &id,
        permission(function, "events.amazonaws.com", source, place),
    );
}

fn target(function: Function<'_>, name: &str, event: &Node, draft: &mut Draft) -> Object {
    let place = &event.place;
    let id = within_limit(&format!("{name}-target"), "target");
    let retries = script::truthy(event.get("retryPolicy")).map(|policy| {
        Object::new(&policy.place)
            .with_some("MaximumEventAgeInSeconds", policy.get("maximumEventAge"))
            .with_some("MaximumRetryAttempts", policy.get("maximumRetryAttempts"))
    });
    let dead_letters = script::truthy(event.get("deadLetterQueueArn"))
        .map(|arn| Object::new(&arn.place).with("Arn", arn));
    let constant = script::truthy(event.get("input")).map(|input| input.to_json().to_string());
    let input = input(event, constant, draft);
    input.add_to(
        Object::new(place)
            .with("Arn", function.target(place))
            .with("Id", id)
            .with_some("RetryPolicy", retries)
            .with_some("DeadLetterConfig", dead_letters),
    )
}

/// The bus of a rule.
struct Bus {
    /// None: the default one.
    name: Option<Node>,
    /// The logical id of the one that the event makes.
    made: Option<String>,
}

fn bus(event: &Node, draft: &mut Draft) -> Bus {
    let Some(bus) = script::truthy(event.get("eventBus")) else {
        return Bus {
            name: None,
            made: None,
        };
    };
    let exists = |name: Node| Bus {
        name: Some(name),
        made: None,
    };
    let Some(text) = bus.as_str() else {
        return exists(bus.clone());
    };
    if text.starts_with("arn") {
        let name = text.split_once('/').map_or(text, |(_, name)| name);
        return exists(Node::string(name, &bus.place));
    }
    if text == "default" {
        return exists(bus.clone());
    }
    let words = text.replace('-', "Dash").replace('_', "Underscore");
    let id = format!("{}EventBridgeEventBus", naming::upper_first(&words));
    let properties = Object::new(&bus.place).with("Name", text);
    draft.add(&id, build::resource("AWS::Events::EventBus", properties));
    Bus {
        name: Some(bus.clone()),
        made: Some(id),
    }
}

fn rule_arn(rule: Node, place: &Place) -> Node {
    let parts = [
        "arn",
        "AWS::Partition",
        "events",
        "AWS::Region",
        "AWS::AccountId",
    ];
    let mut parts = build::arn_parts(&parts, place);
    parts.push(rule);
    build::joined(":", parts, place)
}

/// The name, or its start, its digest and the suffix when it is too long.
fn within_limit(name: &str, suffix: &str) -> String {
    if name.len() <= NAME_LENGTH_MAX {
        return name.to_owned();
    }
    let start: String = name
        .chars()
        .take(NAME_KEPT.saturating_sub(suffix.len()))
        .collect();
    format!("{start}{}-{suffix}", md5(name))
}

fn md5(text: &str) -> String {
    use md5::{Digest as _, Md5};
    hex::encode(Md5::digest(text.as_bytes()))
}
