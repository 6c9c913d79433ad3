//! `Policies` of a function.
//!
//! Lives here: policy templates, managed policies, documents, and the role that they end in.
//! Does not live here: the templates' documents (`policy_templates.json`), enforcing any of it.
//!
//! Contract: AWS SAM Developer Guide, "AWS SAM policy templates" and "AWS::Serverless::Function", `Policies`.

use cloudformation::node::{Kind, Node};
use model::problem::Place;
use serde_json::{Map, Value};

use super::context::Context;
use super::nodes::{is_intrinsic, json, list, mapping, single, text};

/// The documents of all public policy templates, recorded from the transform.
const TEMPLATES: &str = include_str!("policy_templates.json");

/// Managed policies that stand under `service-role/`; the others stand at the root.
const SERVICE_ROLES: [&str; 8] = [
    "AWSLambdaBasicExecutionRole",
    "AWSLambdaDynamoDBExecutionRole",
    "AWSLambdaENIManagementAccess",
    "AWSLambdaKinesisExecutionRole",
    "AWSLambdaMSKExecutionRole",
    "AWSLambdaRole",
    "AWSLambdaSQSQueueExecutionRole",
    "AWSLambdaVPCAccessExecutionRole",
];

const INVALID: &str = "manifest::invalid-policy";

/// What a role is made of.
#[derive(Debug, Default)]
pub(super) struct RolePolicies {
    pub(super) managed: Vec<Node>,
    pub(super) inline: Vec<Node>,
}

impl RolePolicies {
    /// Adds a managed policy, once.
    pub(super) fn manage(&mut self, policy: Node) {
        let known = self
            .managed
            .iter()
            .any(|other| other.to_json() == policy.to_json());
        if !known {
            self.managed.push(policy);
        }
    }

    /// Adds an inline policy.
    pub(super) fn inline(&mut self, name: &str, document: Node) {
        let place = document.place.clone();
        self.inline.push(mapping(
            [
                ("PolicyName", text(name, &place)),
                ("PolicyDocument", document),
            ],
            &place,
        ));
    }
}

impl RolePolicies {
    /// Adds an inline policy of one statement.
    pub(super) fn allow(&mut self, name: &str, action: &str, resource: Node, place: &Place) {
        let statement = mapping(
            [
                ("Action", text(action, place)),
                ("Effect", text("Allow", place)),
                ("Resource", resource),
            ],
            place,
        );
        let document = mapping([("Statement", list(vec![statement], place))], place);
        self.inline_once(name, document);
    }

    /// Adds what a destination of this type takes; a type that needs no policy adds none.
    pub(super) fn allow_destination(&mut self, kind: &str, id: &str, target: Node) {
        let place = target.place.clone();
        let (action, suffix) = match kind {
            "SQS" => ("sqs:SendMessage", "SQSPolicy"),
            "SNS" => ("sns:publish", "SNSPolicy"),
            "EventBridge" => ("events:PutEvents", "EventBridgePolicy"),
            "Lambda" => ("lambda:InvokeFunction", "LambdaPolicy"),
            "S3" | "S3Bucket" => {
                self.allow_bucket(&format!("{id}S3Policy"), target);
                return;
            }
            _ => return,
        };
        self.allow(&format!("{id}{suffix}"), action, target, &place);
    }

    fn allow_bucket(&mut self, name: &str, bucket: Node) {
        let place = bucket.place.clone();
        let parts = vec![bucket.clone(), text("*", &place)];
        let objects = list(vec![text("/", &place), list(parts, &place)], &place);
        let objects = mapping([("Fn::Join", objects)], &place);
        let statement = |action: &str, resource: Node| {
            mapping(
                [
                    ("Action", text(action, &place)),
                    ("Effect", text("Allow", &place)),
                    ("Resource", resource),
                ],
                &place,
            )
        };
        let statements = vec![
            statement("s3:PutObject", objects),
            statement("s3:ListBucket", bucket),
        ];
        let document = mapping([("Statement", list(statements, &place))], &place);
        self.inline_once(name, document);
    }

    /// Adds an inline policy, unless one has this document.
    fn inline_once(&mut self, name: &str, document: Node) {
        let json = document.to_json();
        let is_known = |policy: &Node| {
            policy
                .get("PolicyDocument")
                .is_some_and(|other| other.to_json() == json)
        };
        if !self.inline.iter().any(is_known) {
            self.inline(name, document);
        }
    }
}

/// The ARN of one of AWS's own policies.
pub(super) fn managed_arn(name: &str) -> String {
    let folder = if SERVICE_ROLES.contains(&name) {
        "service-role/"
    } else {
        ""
    };
    format!("arn:aws:iam::aws:policy/{folder}{name}")
}

/// Reads the property: one entry, or a list of them.
pub(super) fn read(
    node: &Node,
    role: &str,
    policies: &mut RolePolicies,
    context: &mut Context<'_>,
) {
    let entries: Vec<&Node> = match &node.kind {
        Kind::Sequence(items) => items.iter().collect(),
        Kind::Null | Kind::Bool(_) | Kind::Number { .. } | Kind::String(_) | Kind::Mapping(_) => {
            vec![node]
        }
    };
    for (index, entry) in entries.into_iter().enumerate() {
        read_entry(entry, &format!("{role}Policy{index}"), policies, context);
    }
}

fn read_entry(entry: &Node, name: &str, policies: &mut RolePolicies, context: &mut Context<'_>) {
    match &entry.kind {
        Kind::String(policy) if policy.starts_with("arn:") => policies.manage(entry.clone()),
        Kind::String(policy) => policies.manage(text(managed_arn(policy), &entry.place)),
        Kind::Mapping(_) if is_intrinsic(entry) => match single(entry) {
            Some(("Fn::If", branches)) => read_condition(entry, branches, name, policies, context),
            Some(_) | None => policies.manage(entry.clone()),
        },
        Kind::Mapping(document) if document.get("Statement").is_some() => {
            policies.inline(name, entry.clone());
        }
        Kind::Mapping(_) => {
            if let Some(document) = template_document(entry, context) {
                policies.inline(name, document);
            }
        }
        Kind::Null | Kind::Bool(_) | Kind::Number { .. } | Kind::Sequence(_) => context.invalid(
            INVALID,
            format!("a policy cannot be {}", entry.kind_name()),
            &entry.place,
        ),
    }
}

/// `!If [condition, policy, policy]`: both are of one kind, or one is `AWS::NoValue`.
fn read_condition(
    entry: &Node,
    branches: &Node,
    name: &str,
    policies: &mut RolePolicies,
    context: &mut Context<'_>,
) {
    let Some([condition, yes, no]) = branches.as_sequence() else {
        context.invalid(INVALID, "`Fn::If` takes three values", &entry.place);
        return;
    };
    let mut read_branch = |branch: &Node| {
        let mut inner = RolePolicies::default();
        if super::nodes::referred(branch) != Some("AWS::NoValue") {
            read_entry(branch, name, &mut inner, context);
        }
        inner
    };
    let (mut yes_policies, mut no_policies) = (read_branch(yes), read_branch(no));
    let nothing = || super::nodes::reference("AWS::NoValue", &entry.place);
    let joined = |yes: Option<Node>, no: Option<Node>| {
        let branches = vec![
            condition.clone(),
            yes.unwrap_or_else(nothing),
            no.unwrap_or_else(nothing),
        ];
        mapping([("Fn::If", list(branches, &entry.place))], &entry.place)
    };
    if !yes_policies.inline.is_empty() || !no_policies.inline.is_empty() {
        let node = joined(yes_policies.inline.pop(), no_policies.inline.pop());
        policies.inline.push(node);
    }
    if !yes_policies.managed.is_empty() || !no_policies.managed.is_empty() {
        let node = joined(yes_policies.managed.pop(), no_policies.managed.pop());
        policies.manage(node);
    }
}

/// The document of a policy template with its parameters put in.
fn template_document(entry: &Node, context: &mut Context<'_>) -> Option<Node> {
    let Some((name, given)) = single(entry) else {
        context.invalid(
            INVALID,
            "a policy is a document with `Statement`, or one policy template",
            &entry.place,
        );
        return None;
    };
    // The text is our own, and a test reads all of it.
    let templates: Map<String, Value> = serde_json::from_str(TEMPLATES).unwrap_or_default();
    let Some(template) = templates.get(name) else {
        context.invalid(
            INVALID,
            format!("there is no policy template `{name}`"),
            &entry.place,
        );
        return None;
    };
    let parameters: Vec<&str> = template
        .get("parameters")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut complete = true;
    for parameter in &parameters {
        if given.get(parameter).is_none() {
            context.invalid(
                INVALID,
                format!("policy template `{name}` needs `{parameter}`"),
                &given.place,
            );
            complete = false;
        }
    }
    for entry in given.as_mapping().into_iter().flatten() {
        if !parameters.contains(&entry.key.as_str()) {
            context.invalid(
                INVALID,
                format!("policy template `{name}` has no parameter `{}`", entry.key),
                &entry.key_place,
            );
            complete = false;
        }
    }
    if !complete {
        return None;
    }
    let mut statements = json(template.get("statements")?, &entry.place);
    fill(&mut statements, &parameters, given);
    Some(mapping([("Statement", statements)], &entry.place))
}

/// Puts the given values where the document refers to its parameters.
fn fill(node: &mut Node, parameters: &[&str], given: &Node) {
    if let Some(name) = super::nodes::referred(node)
        && parameters.contains(&name)
        && let Some(value) = given.get(name)
    {
        *node = value.clone();
        return;
    }
    match &mut node.kind {
        Kind::Null | Kind::Bool(_) | Kind::Number { .. } | Kind::String(_) => {}
        Kind::Sequence(items) => {
            for item in items {
                fill(item, parameters, given);
            }
        }
        Kind::Mapping(mapping) => {
            let keys: Vec<String> = mapping.iter().map(|entry| entry.key.clone()).collect();
            for key in keys {
                if let Some(value) = mapping.get_mut(&key) {
                    fill(value, parameters, given);
                }
            }
        }
    }
}
