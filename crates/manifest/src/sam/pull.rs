//! `SQS`, `Kinesis` and `DynamoDB` events of a function: mappings from what is read to the function.
//!
//! Lives here: the mapping of an event, and what the function's generated role may do for it.
//! Does not live here: which sources are read (`deployment::application::event_sources`).
//!
//! Contract: AWS SAM Developer Guide, "EventSource", "SQS", "Kinesis" and "DynamoDB".

use cloudformation::node::{Mapping, Node};
use model::problem::Place;

use super::context::{Context, Declared};
use super::function::Target;
use super::nodes::{members, reference, text};
use super::policies::{RolePolicies, managed_arn};
use super::push;

const INVALID: &str = "manifest::invalid-event";

/// One type of event that is read.
struct Source {
    kind: &'static str,
    /// The property that names what is read.
    property: &'static str,
    /// The managed policy that lets a function read it.
    policy: &'static str,
    /// Whether the manifest has to say where reading begins.
    needs_position: Position,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    Needed,
    None,
}

const QUEUE: Source = Source {
    kind: "SQS",
    property: "Queue",
    policy: "AWSLambdaSQSQueueExecutionRole",
    needs_position: Position::None,
};

const SOURCES: [Source; 3] = [
    Source {
        kind: "DynamoDB",
        property: "Stream",
        policy: "AWSLambdaDynamoDBExecutionRole",
        needs_position: Position::Needed,
    },
    Source {
        kind: "Kinesis",
        property: "Stream",
        policy: "AWSLambdaKinesisExecutionRole",
        needs_position: Position::Needed,
    },
    QUEUE,
];

/// Properties that become properties of the mapping as they are.
const PASSED: [&str; 17] = [
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
    "ProvisionedPollerConfig",
    "ScalingConfig",
    "StartingPosition",
    "StartingPositionTimestamp",
    "TumblingWindowInSeconds",
];

fn source(event: &Node) -> Option<&'static Source> {
    let kind = event.get("Type").and_then(Node::as_str)?;
    SOURCES.iter().find(|source| source.kind == kind)
}

/// Writes the mapping of an event, if it is one of these.
pub(super) fn write(
    declared: &Declared<'_>,
    target: &Target,
    (name, event, place): (&str, &Node, &Place),
    context: &mut Context<'_>,
) -> bool {
    let Some(source) = source(event) else {
        return false;
    };
    let properties = members(event.get("Properties"));
    let mut written = Mapping::default();
    written.set("FunctionName", place, reference(&target.invoked, place));
    for entry in &properties {
        let known = PASSED.iter().find(|known| **known == entry.key);
        match (known, entry.key.as_str()) {
            (Some(known), _) => written.set(known, &entry.key_place, entry.value.clone()),
            (None, key) if key == source.property => {
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
    let position = (source.needs_position == Position::Needed).then_some("StartingPosition");
    for required in std::iter::once(source.property).chain(position) {
        if !properties.iter().any(|entry| entry.key == required) {
            let title = format!("event `{name}` needs `{required}`");
            context.invalid(INVALID, title, place);
            return true;
        }
    }
    let id = format!("{}{name}", declared.logical_id);
    context.write_companion(declared, &id, "AWS::Lambda::EventSourceMapping", written);
    true
}

/// Lets a generated role read the sources of its function's events.
pub(super) fn allow(declared: &Declared<'_>, policies: &mut RolePolicies) {
    let events = members(declared.get("Events"));
    for entry in &events {
        let is_topic = entry.value.get("Type").and_then(Node::as_str) == Some("SNS");
        let behind_topic = (is_topic && push::uses_queue(&entry.value)).then_some(&QUEUE);
        let Some(source) = source(&entry.value).or(behind_topic) else {
            continue;
        };
        policies.manage(text(managed_arn(source.policy), declared.place));
        let failed = entry
            .value
            .at_path(["Properties", "DestinationConfig", "OnFailure"]);
        let kind = failed.and_then(|failed| failed.get("Type")?.as_str());
        let Some(target) = failed.and_then(|failed| failed.get("Destination")) else {
            continue;
        };
        let id = format!("{}{}", declared.logical_id, entry.key);
        policies.allow_destination(kind.unwrap_or_default(), &id, target.clone());
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
