//! `DynamoDB` events of a function: mappings from the streams of tables.
//!
//! Lives here: the mapping of an event, and what the function's generated role may do for it.
//! Does not live here: which sources are read (`deployment::application::event_sources`).
//!
//! Contract: AWS SAM Developer Guide, "EventSource", "DynamoDB".

use cloudformation::node::{Mapping, Node};
use model::problem::Place;

use super::context::{Context, Declared};
use super::function::Target;
use super::nodes::{list, mapping, members, reference, text};
use super::policies::RolePolicies;

const INVALID: &str = "manifest::invalid-event";
const KIND: &str = "DynamoDB";
const POLICY: &str = "arn:aws:iam::aws:policy/service-role/AWSLambdaDynamoDBExecutionRole";

/// Properties that become properties of the mapping as they are.
const PASSED: [&str; 15] = [
    "BatchSize",
    "BisectBatchOnFunctionError",
    "Enabled",
    "FilterCriteria",
    "FunctionResponseTypes",
    "KmsKeyArn",
    "LoggingConfig",
    "MaximumBatchingWindowInSeconds",
    "MaximumRecordAgeInSeconds",
    "MaximumRetryAttempts",
    "MetricsConfig",
    "ParallelizationFactor",
    "StartingPosition",
    "StartingPositionTimestamp",
    "TumblingWindowInSeconds",
];

/// Writes the mapping of an event, if it is one of these.
pub(super) fn write(
    declared: &Declared<'_>,
    target: &Target,
    (name, event, place): (&str, &Node, &Place),
    context: &mut Context<'_>,
) {
    let properties = members(event.get("Properties"));
    let mut written = Mapping::default();
    written.set("FunctionName", place, reference(&target.invoked, place));
    for entry in &properties {
        let known = PASSED.iter().find(|known| **known == entry.key);
        match (known, entry.key.as_str()) {
            (Some(known), _) => written.set(known, &entry.key_place, entry.value.clone()),
            (None, "Stream") => {
                written.set("EventSourceArn", &entry.key_place, entry.value.clone());
            }
            (None, "DestinationConfig") => {
                let config = without_type(&entry.value);
                written.set("DestinationConfig", &entry.key_place, config);
            }
            (None, other) => {
                let title = format!("an event of this type has no property `{other}`");
                context.invalid(INVALID, title, &entry.key_place);
            }
        }
    }
    for required in ["Stream", "StartingPosition"] {
        if !properties.iter().any(|entry| entry.key == required) {
            let title = format!("event `{name}` needs `{required}`");
            context.invalid(INVALID, title, place);
            return;
        }
    }
    let id = format!("{}{name}", declared.logical_id);
    context.write_companion(declared, &id, "AWS::Lambda::EventSourceMapping", written);
}

/// Lets a generated role read the streams of its function's events.
pub(super) fn allow(declared: &Declared<'_>, policies: &mut RolePolicies) {
    let events = members(declared.get("Events"));
    for entry in &events {
        if entry.value.get("Type").and_then(Node::as_str) != Some(KIND) {
            continue;
        }
        policies.manage(text(POLICY, declared.place));
        let failed = entry
            .value
            .at_path(["Properties", "DestinationConfig", "OnFailure"]);
        let kind = failed.and_then(|failed| failed.get("Type")?.as_str());
        let (action, suffix) = match kind {
            Some("SQS") => ("sqs:SendMessage", "SQSPolicy"),
            Some("SNS") => ("sns:publish", "SNSPolicy"),
            Some(_) | None => continue,
        };
        let target = failed.and_then(|failed| failed.get("Destination"));
        let place = &entry.key_place;
        let statement = mapping(
            [
                ("Action", text(action, place)),
                ("Effect", text("Allow", place)),
            ]
            .into_iter()
            .chain(target.map(|target| ("Resource", target.clone()))),
            place,
        );
        let document = mapping([("Statement", list(vec![statement], place))], place);
        let name = format!("{}{}{suffix}", declared.logical_id, entry.key);
        policies.inline(&name, document);
    }
}

/// The kind of a destination only says which policy the role needs.
fn without_type(config: &Node) -> Node {
    let kept = |node: &Node, key: &str| -> Mapping {
        let mut kept = members(Some(node));
        kept.remove(key);
        kept
    };
    let mut outer = members(Some(config));
    if let Some(failed) = config.get("OnFailure") {
        let inner = Node::new(
            cloudformation::node::Kind::Mapping(kept(failed, "Type")),
            &failed.place,
        );
        outer.set("OnFailure", &failed.place, inner);
    }
    Node::new(cloudformation::node::Kind::Mapping(outer), &config.place)
}
