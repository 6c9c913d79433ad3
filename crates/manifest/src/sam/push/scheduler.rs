//! `ScheduleV2` events: schedules of EventBridge Scheduler.
//!
//! Lives here: the schedule, and the role by which it calls the function.
//! Does not live here: schedules that are rules (`rules`).

use cloudformation::node::{Mapping, Node};
use serde_json::json;

use super::{INVALID, Push};
use crate::sam::context::Context;
use crate::sam::nodes::{attribute, json, list, mapping, text};
use crate::sam::policies::RolePolicies;

const KNOWN: [&str; 16] = [
    "DeadLetterConfig",
    "Description",
    "EndDate",
    "FlexibleTimeWindow",
    "GroupName",
    "Input",
    "KmsKeyArn",
    "Name",
    "OmitName",
    "PermissionsBoundary",
    "RetryPolicy",
    "RoleArn",
    "ScheduleExpression",
    "ScheduleExpressionTimezone",
    "StartDate",
    "State",
];

pub(super) fn write(event: &Push<'_>, context: &mut Context<'_>) {
    if !event.check(&KNOWN, &["ScheduleExpression"], context) {
        return;
    }
    let place = event.place;
    let mut schedule = event.passed(&[
        "ScheduleExpression",
        "State",
        "Description",
        "FlexibleTimeWindow",
        "StartDate",
        "EndDate",
        "ScheduleExpressionTimezone",
        "GroupName",
        "KmsKeyArn",
    ]);
    if schedule.get("FlexibleTimeWindow").is_none() {
        let off = json(&json!({"Mode": "OFF"}), place);
        schedule.set("FlexibleTimeWindow", place, off);
    }
    let is_unnamed = event.get("OmitName").and_then(Node::as_bool) == Some(true);
    match (is_unnamed, event.get("Name")) {
        (true, Some(name)) => {
            context.invalid(INVALID, "`Name` does not go with `OmitName`", &name.place);
        }
        (true, None) => {}
        (false, name) => {
            let name = name.cloned().unwrap_or_else(|| text(&event.id, place));
            schedule.set("Name", place, name);
        }
    }
    let queue = event
        .get("DeadLetterConfig")
        .and_then(|config| event.dead_letters(config, None, context));
    let role = match event.get("RoleArn") {
        Some(role) => role.clone(),
        None => write_role(event, queue.as_ref(), context),
    };
    let mut target = Mapping::default();
    target.set("Arn", place, event.function_arn());
    target.set("RoleArn", place, role);
    for entry in &event.passed(&["Input", "RetryPolicy"]) {
        target.set(&entry.key, &entry.key_place, entry.value.clone());
    }
    if let Some(queue) = queue {
        target.set("DeadLetterConfig", place, mapping([("Arn", queue)], place));
    }
    let target = Node::new(cloudformation::node::Kind::Mapping(target), place);
    schedule.set("Target", place, target);
    event.write(&event.id, "AWS::Scheduler::Schedule", schedule, context);
}

/// The role's ARN.
fn write_role(event: &Push<'_>, queue: Option<&Node>, context: &mut Context<'_>) -> Node {
    let place = event.place;
    let mut policies = RolePolicies::default();
    policies.allow(
        &format!("{}LambdaPolicy", event.id),
        "lambda:InvokeFunction",
        event.function_arn(),
        place,
    );
    if let Some(queue) = queue {
        let name = format!("{}SQSPolicy", event.id);
        policies.allow(&name, "sqs:SendMessage", queue.clone(), place);
    }
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Action": ["sts:AssumeRole"], "Effect": "Allow",
            "Principal": {"Service": ["scheduler.amazonaws.com"]},
        }],
    });
    let mut properties = Mapping::default();
    properties.set("AssumeRolePolicyDocument", place, json(&trust, place));
    properties.set("Policies", place, list(policies.inline, place));
    if let Some(boundary) = event.get("PermissionsBoundary") {
        properties.set("PermissionsBoundary", &boundary.place, boundary.clone());
    }
    let id = format!("{}Role", event.id);
    event.write(&id, "AWS::IAM::Role", properties, context);
    attribute(&id, "Arn", place)
}
