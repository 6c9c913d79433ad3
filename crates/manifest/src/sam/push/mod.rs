//! Events of a function that another service calls it with: topics, buckets, rules, schedules, log groups.
//!
//! Lives here: what they have in common; one module a type of event.
//! Does not live here: APIs (`events`), mappings that read a source (`pull`), what delivers (`event-delivery`).
//!
//! Contract: AWS SAM Developer Guide, "EventSource"; the output of the public SAM transform.

use cloudformation::node::{Mapping, Node};
use model::problem::Place;
use serde_json::json;

use super::context::{Context, Declared};
use super::function::Target;
use super::hash;
use super::nodes::{attribute, json, list, mapping, members, reference, text};

mod buckets;
mod logs;
mod rules;
mod scheduler;
mod topics;

pub(super) use buckets::{Notification, apply};
pub(super) use topics::uses_queue;

const INVALID: &str = "manifest::invalid-event";

/// One event.
pub(super) struct Push<'e> {
    declared: &'e Declared<'e>,
    target: &'e Target,
    /// What the manifest calls it.
    name: &'e str,
    /// The logical id of what it becomes.
    id: String,
    properties: Mapping,
    place: &'e Place,
}

/// Writes an event, if it is of one of these types.
pub(super) fn write(
    declared: &Declared<'_>,
    target: &Target,
    (name, node, place): (&str, &Node, &Place),
    context: &mut Context<'_>,
) -> bool {
    let event = Push {
        declared,
        target,
        name,
        id: format!("{}{name}", declared.logical_id),
        properties: members(node.get("Properties")),
        place,
    };
    match node.get("Type").and_then(Node::as_str).unwrap_or_default() {
        "CloudWatchEvent" | "EventBridgeRule" => rules::write(&event, context),
        "CloudWatchLogs" => logs::write(&event, context),
        "S3" => buckets::write(&event, context),
        "SNS" => topics::write(&event, context),
        "Schedule" => rules::write_schedule(&event, context),
        "ScheduleV2" => scheduler::write(&event, context),
        _ => return false,
    }
    true
}

impl Push<'_> {
    fn get(&self, name: &str) -> Option<&Node> {
        self.properties.get(name)
    }

    /// Whether all required properties are there; others that the type does not have are named.
    fn check(&self, known: &[&str], required: &[&str], context: &mut Context<'_>) -> bool {
        for entry in &self.properties {
            if !known.contains(&entry.key.as_str()) {
                let title = format!("an event of this type has no property `{}`", entry.key);
                context.invalid(INVALID, title, &entry.key_place);
            }
        }
        let missing = required.iter().find(|name| self.get(name).is_none());
        if let Some(missing) = missing {
            let title = format!("event `{}` needs `{missing}`", self.name);
            context.invalid(INVALID, title, self.place);
        }
        missing.is_none()
    }

    /// What is called: the function, or its alias.
    fn function_arn(&self) -> Node {
        if self.target.invoked == self.target.function {
            attribute(&self.target.function, "Arn", self.place)
        } else {
            reference(&self.target.invoked, self.place)
        }
    }

    /// Properties that go over as they are.
    fn passed(&self, names: &[&str]) -> Mapping {
        let mut written = Mapping::default();
        for name in names {
            if let Some(entry) = self.properties.entry(name) {
                written.set(name, &entry.key_place, entry.value.clone());
            }
        }
        written
    }

    fn write(&self, id: &str, kind: &str, properties: Mapping, context: &mut Context<'_>) {
        context.write_companion(self.declared, id, kind, properties);
    }

    /// Writes that the service may call the function; the permission's logical id.
    fn permit(
        &self,
        principal: &str,
        source: Option<(&str, Node)>,
        context: &mut Context<'_>,
    ) -> String {
        let place = self.place;
        let mut properties = Mapping::default();
        properties.set("Action", place, text("lambda:InvokeFunction", place));
        properties.set(
            "FunctionName",
            place,
            reference(&self.target.invoked, place),
        );
        properties.set("Principal", place, text(principal, place));
        if let Some((name, source)) = source {
            properties.set(name, place, source);
        }
        let id = hash::logical_id(&format!("{}Permission", self.id), "");
        self.write(&id, "AWS::Lambda::Permission", properties, context);
        id
    }

    /// The queue of what could not be delivered: the given one, or one that is made and that a rule may send to.
    fn dead_letters(
        &self,
        config: &Node,
        rule: Option<Node>,
        context: &mut Context<'_>,
    ) -> Option<Node> {
        let place = &config.place;
        let (arn, kind) = (config.get("Arn"), config.get("Type"));
        let fault = match (arn, kind) {
            (Some(_), Some(_)) => Some("`DeadLetterConfig` has either `Arn` or `Type`"),
            (None, None) => Some("`DeadLetterConfig` needs `Arn` or `Type`"),
            (None, Some(kind)) if kind.as_str() != Some("SQS") => {
                Some("`Type` of `DeadLetterConfig` is `SQS`")
            }
            (Some(_), None) | (None, Some(_)) => None,
        };
        if let Some(fault) = fault {
            context.invalid(INVALID, fault, place);
            return None;
        }
        if let Some(arn) = arn {
            return Some(arn.clone());
        }
        let given = match config.get("QueueLogicalId") {
            Some(node) if node.as_str().is_none() => {
                context.invalid(INVALID, "`QueueLogicalId` is a text", place);
                return None;
            }
            given => given.and_then(Node::as_str),
        };
        let queue = given.map_or_else(|| format!("{}Queue", self.id), str::to_owned);
        self.write(&queue, "AWS::SQS::Queue", Mapping::default(), context);
        let arn = attribute(&queue, "Arn", place);
        if let Some(rule) = rule {
            let sender = json(&json!({"Service": "events.amazonaws.com"}), place);
            let policy = format!("{}QueuePolicy", self.id);
            let properties =
                queue_policy(sender, rule, arn.clone(), reference(&queue, place), place);
            self.write(&policy, "AWS::SQS::QueuePolicy", properties, context);
        }
        Some(arn)
    }
}

/// That a source may send messages to a queue.
fn queue_policy(principal: Node, source: Node, queue: Node, url: Node, place: &Place) -> Mapping {
    let condition = mapping(
        [("ArnEquals", mapping([("aws:SourceArn", source)], place))],
        place,
    );
    let statement = mapping(
        [
            ("Action", text("sqs:SendMessage", place)),
            ("Effect", text("Allow", place)),
            ("Principal", principal),
            ("Resource", queue),
            ("Condition", condition),
        ],
        place,
    );
    let document = mapping(
        [
            ("Version", text("2012-10-17", place)),
            ("Statement", list(vec![statement], place)),
        ],
        place,
    );
    let mut properties = Mapping::default();
    properties.set("PolicyDocument", place, document);
    properties.set("Queues", place, list(vec![url], place));
    properties
}
