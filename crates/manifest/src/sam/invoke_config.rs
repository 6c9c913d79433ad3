//! `EventInvokeConfig` of a function: what becomes of asynchronous invocations.
//!
//! Lives here: the configuration, and the queues and topics that are made when a destination is not named.
//! Does not live here: retrying and delivering (`event-delivery`).
//!
//! Contract: AWS SAM Developer Guide, "EventInvokeConfiguration"; the output of the public SAM transform.

use cloudformation::node::{Kind, Mapping, Node};

use super::context::{Context, Declared};
use super::function::Target;
use super::nodes::{attribute, list, mapping, members, reference, referred, text};
use super::{hash, policies::RolePolicies};

const INVALID: &str = "manifest::invalid-destination";
const LATEST: &str = "$LATEST";
const KINDS: [&str; 5] = ["SQS", "SNS", "EventBridge", "Lambda", "S3Bucket"];

/// What the function's role may do for a destination.
pub(super) struct Allowed {
    kind: String,
    id: String,
    target: Node,
}

/// Adds what destinations need to a role.
pub(super) fn allow(allowed: &[Allowed], policies: &mut RolePolicies) {
    for one in allowed {
        policies.allow_destination(&one.kind, &one.id, one.target.clone());
    }
}

/// Writes the configuration, if the function has one.
pub(super) fn write(
    declared: &Declared<'_>,
    target: &Target,
    context: &mut Context<'_>,
) -> Vec<Allowed> {
    let Some(config) = declared.get("EventInvokeConfig") else {
        return Vec::new();
    };
    let place = declared.place;
    let id = format!("{}EventInvokeConfig", declared.logical_id);
    let mut allowed = Vec::new();
    let mut destinations = Mapping::default();
    for name in ["OnSuccess", "OnFailure"] {
        let Some(destination) = config.at_path(["DestinationConfig", name]) else {
            continue;
        };
        let id = format!("{id}{name}");
        if let Some(one) = read(declared, destination, &id, context) {
            let node = mapping([("Destination", one.target.clone())], &destination.place);
            destinations.set(name, &destination.place, node);
            allowed.push(one);
        }
    }
    let alias = declared
        .get("AutoPublishAlias")
        .and_then(|alias| context.resolved_text(alias));
    let is_alias = target.invoked != target.function;
    let qualifier = alias.filter(|_| is_alias);
    let mut properties = Mapping::default();
    properties.set("FunctionName", place, reference(declared.logical_id, place));
    let qualifier = qualifier.unwrap_or_else(|| LATEST.to_owned());
    properties.set("Qualifier", place, text(qualifier, place));
    let destinations = Node::new(Kind::Mapping(destinations), place);
    properties.set("DestinationConfig", place, destinations);
    for name in ["MaximumEventAgeInSeconds", "MaximumRetryAttempts"] {
        if let Some(value) = config.get(name) {
            properties.set(name, &value.place, context.resolved(value).clone());
        }
    }
    for entry in &members(Some(config)) {
        let known = [
            "DestinationConfig",
            "MaximumEventAgeInSeconds",
            "MaximumRetryAttempts",
        ];
        if !known.contains(&entry.key.as_str()) {
            let title = format!("`EventInvokeConfig` has no property `{}`", entry.key);
            context.invalid(INVALID, title, &entry.key_place);
        }
    }
    context.write_companion(declared, &id, "AWS::Lambda::EventInvokeConfig", properties);
    if is_alias {
        let depends_on = list(vec![text(&target.invoked, place)], place);
        context.set_attribute(&id, "DependsOn", depends_on);
    }
    allowed
}

fn read(
    declared: &Declared<'_>,
    node: &Node,
    id: &str,
    context: &mut Context<'_>,
) -> Option<Allowed> {
    let kind = node.get("Type").and_then(Node::as_str).unwrap_or_default();
    if !KINDS.contains(&kind) {
        let title = format!("`Type` of a destination is one of {}", KINDS.join(", "));
        context.invalid(INVALID, title, &node.place);
        return None;
    }
    let given = node.get("Destination");
    let choice = given.and_then(|given| choice(declared, given, context));
    let target = match (given, &choice) {
        (Some(given), None) => context.resolved(given).clone(),
        (None, _) | (Some(_), Some(_)) => {
            let (suffix, resource_type) = match kind {
                "SQS" => ("Queue", "AWS::SQS::Queue"),
                "SNS" => ("Topic", "AWS::SNS::Topic"),
                _ => {
                    let title = format!("a destination of type `{kind}` needs `Destination`");
                    context.invalid(INVALID, title, &node.place);
                    return None;
                }
            };
            let made = format!("{id}{suffix}");
            let condition = combined(declared, choice.as_ref(), context);
            context.write_companion(declared, &made, resource_type, Mapping::default());
            if let Some(condition) = condition {
                context.set_attribute(&made, "Condition", text(condition, &node.place));
            }
            let arn = match kind {
                "SQS" => attribute(&made, "Arn", &node.place),
                _topic => reference(&made, &node.place),
            };
            match choice {
                None => arn,
                Some(choice) => {
                    let name = text(choice.condition, &node.place);
                    let branches = list(vec![name, arn, choice.otherwise], &node.place);
                    mapping([("Fn::If", branches)], &node.place)
                }
            }
        }
    };
    Some(Allowed {
        kind: kind.to_owned(),
        id: id.to_owned(),
        target,
    })
}

/// A destination that is made under a condition, and named otherwise.
struct Choice {
    condition: String,
    otherwise: Node,
}

/// `!If [condition, !Ref AWS::NoValue, arn]`, or the two the other way round.
fn choice(declared: &Declared<'_>, given: &Node, context: &mut Context<'_>) -> Option<Choice> {
    let [condition, yes, no] = given.get("Fn::If")?.as_sequence()? else {
        return None;
    };
    let condition = condition.as_str()?;
    let is_nothing = |node: &Node| referred(node) == Some("AWS::NoValue");
    match (is_nothing(yes), is_nothing(no)) {
        (true, true) | (false, false) => None,
        (true, false) => Some(Choice {
            condition: condition.to_owned(),
            otherwise: no.clone(),
        }),
        (false, true) => {
            let place = &given.place;
            let hashed = format!("{}EventInvokeConfig", declared.logical_id);
            let inverse = hash::logical_id(&format!("NOT{condition}"), &hashed);
            let operand = mapping([("Condition", text(condition, place))], place);
            let not = mapping([("Fn::Not", list(vec![operand], place))], place);
            context.conditions.set(&inverse, place, not);
            Some(Choice {
                condition: inverse,
                otherwise: yes.clone(),
            })
        }
    }
}

/// The condition of what is made: the function's, the destination's, or both.
fn combined(
    declared: &Declared<'_>,
    choice: Option<&Choice>,
    context: &mut Context<'_>,
) -> Option<String> {
    let Some(choice) = choice else {
        return declared.condition().map(str::to_owned);
    };
    let Some(own) = declared.condition() else {
        return Some(choice.condition.clone());
    };
    let place = declared.place;
    // The transform wraps each operand once more, in a form that CloudFormation does not read.
    let prefix = format!("{own}AND{}", choice.condition);
    let name = hash::logical_id(&prefix, declared.logical_id);
    let operands = [own, choice.condition.as_str()]
        .map(|condition| mapping([("Condition", text(condition, place))], place))
        .to_vec();
    let and = mapping([("Fn::And", list(operands, place))], place);
    context.conditions.set(&name, place, and);
    Some(name)
}
