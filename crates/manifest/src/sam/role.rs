//! The execution role of a function.
//!
//! Lives here: when a role is written, and what it holds besides the given policies.
//! Does not live here: the policies themselves (`policies`).
//!
//! Contract: AWS SAM Developer Guide, "AWS::Serverless::Function", `Role`, and the SAM transform's output.

use cloudformation::node::{Mapping, Node};
use serde_json::json;

use super::context::{Context, Declared};
use super::function::tags;
use super::nodes::{attribute, json, list, mapping, text};
use super::policies::{self, RolePolicies, managed_arn};
use super::{invoke_config, pull};

/// What of a function its generated role depends on.
#[derive(Clone, Copy)]
pub(super) struct Needs<'a> {
    pub(super) tracing: Option<&'a Node>,
    pub(super) destinations: &'a [invoke_config::Allowed],
}

/// A function without a role gets one; so does one whose `Role` is `AWS::NoValue` under a condition, under that condition.
pub(super) fn apply(
    declared: &Declared<'_>,
    written: &mut Mapping,
    needs: Needs<'_>,
    context: &mut Context<'_>,
) {
    let place = declared.place;
    let role = format!("{}Role", declared.logical_id);
    let arn = attribute(&role, "Arn", place);
    let branches = declared
        .get("Role")
        .and_then(|node| context.resolved(node).get("Fn::If"))
        .and_then(Node::as_sequence)
        .map(<[Node]>::to_vec);
    let (condition, yes, no) = match (declared.get("Role"), branches.as_deref()) {
        (None, _) => {
            written.set("Role", place, arn);
            write_role(declared, &role, needs, context);
            return;
        }
        (Some(_), Some([condition, yes, no])) => (condition, yes, no),
        (Some(_), Some(_) | None) => return,
    };
    let is_nothing = |node: &Node| super::nodes::referred(node) == Some("AWS::NoValue");
    let Some(name) = condition.as_str().map(str::to_owned) else {
        return;
    };
    let (chosen, condition) = match (is_nothing(yes), is_nothing(no)) {
        (false, false) => return,
        (true, true) => (arn, None),
        (true, false) => (list_if(&[condition, &arn, no], place), Some(name)),
        (false, true) => {
            let inverse = format!("NOT{name}");
            let operand = mapping([("Condition", text(name, place))], place);
            let not = mapping([("Fn::Not", list(vec![operand], place))], place);
            context.conditions.set(&inverse, place, not);
            (list_if(&[condition, yes, &arn], place), Some(inverse))
        }
    };
    written.set("Role", place, chosen);
    let mut resource = declared.resource.clone();
    if let Some(condition) = condition {
        resource.set("Condition", place, text(condition, place));
    }
    let conditional = Declared {
        logical_id: declared.logical_id,
        properties: declared.properties.clone(),
        resource,
        place,
    };
    write_role(&conditional, &role, needs, context);
}

fn list_if(branches: &[&Node], place: &model::problem::Place) -> Node {
    let branches = branches.iter().copied().cloned().collect();
    mapping([("Fn::If", list(branches, place))], place)
}

fn write_role(declared: &Declared<'_>, role: &str, needs: Needs<'_>, context: &mut Context<'_>) {
    let place = declared.place;
    let managed = |name: &str| text(managed_arn(name), place);
    let mut policies = RolePolicies::default();
    policies.manage(if declared.get("DurableConfig").is_some() {
        text(
            "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicDurableExecutionRolePolicy",
            place,
        )
    } else {
        managed("AWSLambdaBasicExecutionRole")
    });
    if needs.tracing.is_some() {
        policies.manage(managed("AWSXrayWriteOnlyAccess"));
    }
    if declared.get("VpcConfig").is_some() {
        policies.manage(managed("AWSLambdaVPCAccessExecutionRole"));
    }
    if let Some(document) = dead_letter_policy(declared) {
        policies.inline("DeadLetterQueuePolicy", document);
    }
    invoke_config::allow(needs.destinations, &mut policies);
    pull::allow(declared, &mut policies);
    if let Some(given) = declared.get("Policies") {
        policies::read(given, role, &mut policies, context);
    }
    let trust = declared
        .get("AssumeRolePolicyDocument")
        .cloned()
        .unwrap_or_else(|| {
            json(
                &json!({
                    "Version": "2012-10-17",
                    "Statement": [{
                        "Action": ["sts:AssumeRole"], "Effect": "Allow",
                        "Principal": {"Service": ["lambda.amazonaws.com"]},
                    }],
                }),
                place,
            )
        });
    let mut written = Mapping::default();
    written.set("AssumeRolePolicyDocument", place, trust);
    written.set("ManagedPolicyArns", place, list(policies.managed, place));
    if !policies.inline.is_empty() {
        written.set("Policies", place, list(policies.inline, place));
    }
    for (given, name) in [
        ("RolePath", "Path"),
        ("PermissionsBoundary", "PermissionsBoundary"),
    ] {
        if let Some(value) = declared.get(given) {
            written.set(name, &value.place, value.clone());
        }
    }
    written.set("Tags", place, tags(declared));
    context.write_companion(declared, role, "AWS::IAM::Role", written);
}

fn dead_letter_policy(declared: &Declared<'_>) -> Option<Node> {
    let queue = declared.get("DeadLetterQueue")?;
    let action = match queue.get("Type")?.as_str()? {
        "SQS" => "sqs:SendMessage",
        "SNS" => "sns:Publish",
        _ => return None,
    };
    let place = &queue.place;
    let statement = mapping(
        [
            ("Action", text(action, place)),
            ("Effect", text("Allow", place)),
            ("Resource", queue.get("TargetArn")?.clone()),
        ],
        place,
    );
    Some(mapping(
        [
            ("Version", text("2012-10-17", place)),
            ("Statement", list(vec![statement], place)),
        ],
        place,
    ))
}
