//! `EventBridgeRule`, `CloudWatchEvent` and `Schedule` events: rules of a bus.
//!
//! Lives here: the rule and its one target.
//! Does not live here: schedules of EventBridge Scheduler (`scheduler`).

use cloudformation::node::{Mapping, Node};

use super::{INVALID, Push};
use crate::sam::context::Context;
use crate::sam::nodes::{attribute, list, mapping, text};

const PRINCIPAL: &str = "events.amazonaws.com";
const TARGET_SUFFIX: &str = "LambdaTarget";
/// Letters that a target's id can have.
const TARGET_LENGTH_MAX: usize = 64;

const RULE: [&str; 11] = [
    "DeadLetterConfig",
    "Enabled",
    "EventBusName",
    "Input",
    "InputPath",
    "InputTransformer",
    "Pattern",
    "RetryPolicy",
    "RuleName",
    "State",
    "Target",
];
const SCHEDULE: [&str; 9] = [
    "DeadLetterConfig",
    "Description",
    "Enabled",
    "Input",
    "Name",
    "RetryPolicy",
    "RuleName",
    "Schedule",
    "State",
];

pub(super) fn write(event: &Push<'_>, context: &mut Context<'_>) {
    event.check(&RULE, &[], context);
    let mut rule = event.passed(&["EventBusName"]);
    for (given, name) in [("Pattern", "EventPattern"), ("RuleName", "Name")] {
        if let Some(value) = event.get(given) {
            rule.set(name, &value.place, value.clone());
        }
    }
    let inputs = ["Input", "InputPath", "InputTransformer"];
    write_rule(event, rule, &inputs, context);
}

pub(super) fn write_schedule(event: &Push<'_>, context: &mut Context<'_>) {
    if !event.check(&SCHEDULE, &["Schedule"], context) {
        return;
    }
    let mut rule = event.passed(&["Name", "Description"]);
    if let Some(expression) = event.get("Schedule") {
        rule.set("ScheduleExpression", &expression.place, expression.clone());
    }
    write_rule(event, rule, &["Input"], context);
}

fn write_rule(event: &Push<'_>, mut rule: Mapping, inputs: &[&str], context: &mut Context<'_>) {
    let place = event.place;
    let arn = attribute(&event.id, "Arn", place);
    match (event.get("State"), event.get("Enabled")) {
        (Some(_), Some(_)) => {
            let title = format!("event `{}` has both `State` and `Enabled`", event.name);
            context.invalid(INVALID, title, place);
        }
        (Some(state), None) => rule.set("State", &state.place, state.clone()),
        (None, Some(enabled)) => {
            let is_on = context.resolved(enabled).as_bool() != Some(false);
            let state = if is_on { "ENABLED" } else { "DISABLED" };
            rule.set("State", &enabled.place, text(state, &enabled.place));
        }
        (None, None) => {}
    }
    let mut target = Mapping::default();
    target.set("Arn", place, event.function_arn());
    target.set("Id", place, target_id(event));
    for entry in &event.passed(inputs) {
        target.set(&entry.key, &entry.key_place, entry.value.clone());
    }
    if let Some(config) = event.get("DeadLetterConfig")
        && let Some(queue) = event.dead_letters(config, Some(arn.clone()), context)
    {
        let place = &config.place;
        target.set("DeadLetterConfig", place, mapping([("Arn", queue)], place));
    }
    if let Some(policy) = event.get("RetryPolicy") {
        target.set("RetryPolicy", &policy.place, policy.clone());
    }
    let target = Node::new(cloudformation::node::Kind::Mapping(target), place);
    rule.set("Targets", place, list(vec![target], place));
    event.write(&event.id, "AWS::Events::Rule", rule, context);
    event.permit(PRINCIPAL, Some(("SourceArn", arn)), context);
}

fn target_id(event: &Push<'_>) -> Node {
    if let Some(id) = event.get("Target").and_then(|target| target.get("Id")) {
        return id.clone();
    }
    let room = TARGET_LENGTH_MAX.saturating_sub(TARGET_SUFFIX.len());
    let start: String = event.id.chars().take(room).collect();
    text(format!("{start}{TARGET_SUFFIX}"), event.place)
}
