//! `schedule` events.
//!
//! Lives here: rules of the default bus, or schedules of EventBridge Scheduler, one an expression.
//! Does not live here: when they fire.

use cloudformation::node::{Kind, Node};
use model::problem::Problem;
use serde_json::{Value, json};

use super::{Input, behind_alias, input, permission, state, through_json};
use crate::serverless_framework::build::{self, Object};
use crate::serverless_framework::service::{Function, Service};
use crate::serverless_framework::template::Draft;
use crate::serverless_framework::{naming, script};

/// What EventBridge Scheduler assumes functions' roles as.
const SCHEDULER: &str = "scheduler.amazonaws.com";

pub(in crate::serverless_framework::template) fn write(service: &Service<'_>, draft: &mut Draft) {
    let mut called_by_scheduler: Vec<Node> = Vec::new();
    for function in service.functions() {
        let mut number = 0;
        let mut uses_scheduler = false;
        for event in function.events() {
            let Some(event) = script::truthy(event.get("schedule")) else {
                continue;
            };
            let method = method(event);
            uses_scheduler |= method == Method::Scheduler;
            check(event, method, draft);
            for expression in &expressions(event) {
                number += 1;
                match method {
                    Method::Scheduler => write_schedule(function, event, expression, number, draft),
                    Method::Rule => write_rule(function, event, expression, number, draft),
                }
            }
        }
        if uses_scheduler {
            let name = script::text_of(&function.name(service)).unwrap_or_default();
            let arn = "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:";
            for suffix in ["", ":*"] {
                let arn = format!("{arn}{name}{suffix}");
                called_by_scheduler.push(build::substituted(&arn, function.place));
            }
        }
    }
    let Some(role) = draft
        .role
        .as_mut()
        .filter(|_| !called_by_scheduler.is_empty())
    else {
        return;
    };
    role.let_assume(SCHEDULER);
    let place = service.root.place.clone();
    draft.allow(
        Object::new(&place)
            .with("Effect", "Allow")
            .with("Action", json!(["lambda:InvokeFunction"]))
            .with("Resource", called_by_scheduler)
            .node(),
    );
}

/// What calls the function in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Rule,
    Scheduler,
}

fn method(event: &Node) -> Method {
    match event.get("method").and_then(Node::as_str) {
        Some("scheduler") => Method::Scheduler,
        Some(_) | None => Method::Rule,
    }
}

fn expressions(event: &Node) -> Vec<Node> {
    match &event.kind {
        Kind::Mapping(_) => match event.get("rate") {
            Some(Node {
                kind: Kind::Sequence(items),
                ..
            }) => items.clone(),
            Some(one) => vec![one.clone()],
            None => Vec::new(),
        },
        Kind::Null | Kind::Bool(_) | Kind::Number { .. } | Kind::String(_) | Kind::Sequence(_) => {
            vec![event.clone()]
        }
    }
}

fn check(event: &Node, method: Method, draft: &mut Draft) {
    let mut refuse = |title: String, cause: &'static str, help: &'static str, at: &Node| {
        draft.problems.push(
            Problem::error("manifest::invalid-schedule", title)
                .at(&at.place)
                .because(cause)
                .help(help),
        );
    };
    let expressions = expressions(event);
    if expressions.is_empty() {
        refuse(
            "a `schedule` says no time".to_owned(),
            "it has no `rate`",
            "set `rate`, as `rate: rate(10 minutes)`",
            event,
        );
    }
    if let Some(name) = script::truthy(event.get("name"))
        && 1 < expressions.len()
    {
        refuse(
            "a `schedule` with several expressions has a name".to_owned(),
            "each expression is a rule, and no two of them can have the same name",
            "leave `name` out, or write one event an expression",
            name,
        );
    }
    let (unfit, cause): (&[&str], _) = match method {
        Method::Scheduler => (
            &["inputPath", "inputTransformer"],
            "EventBridge Scheduler sends `input` as it is",
        ),
        Method::Rule => (&["timezone"], "rules go by UTC"),
    };
    for key in unfit {
        if let Some(value) = script::truthy(event.get(key)) {
            refuse(
                format!("`{key}` does not go with this `method`"),
                cause,
                "remove it, or set another `method` (`scheduler` or `eventBus`)",
                value,
            );
        }
    }
}

fn write_rule(
    function: Function<'_>,
    event: &Node,
    expression: &Node,
    number: usize,
    draft: &mut Draft,
) {
    let place = &event.place;
    let constant = constant(event).map(|text| through_json(&text));
    let input: Input = input(event, constant, draft);
    let target = input
        .add_to(Object::new(place))
        .with("Arn", function.target(place))
        .with("Id", format!("{}Schedule", function.key));
    let properties = Object::new(place)
        .with("ScheduleExpression", expression)
        .with("State", state(event))
        .with_some("Name", script::truthy(event.get("name")))
        .with_some("Description", script::truthy(event.get("description")))
        .with("Targets", vec![target]);
    let normalised = naming::normalised(function.key);
    let id = format!("{normalised}EventsRuleSchedule{number}");
    let permission_id = format!("{normalised}LambdaPermissionEventsRuleSchedule{number}");
    let source = build::attribute(&id, "Arn", place);
    draft.add(
        &id,
        behind_alias(function, build::resource("AWS::Events::Rule", properties)),
    );
    draft.add(
        &permission_id,
        permission(function, "events.amazonaws.com", source, place),
    );
}

fn write_schedule(
    function: Function<'_>,
    event: &Node,
    expression: &Node,
    number: usize,
    draft: &mut Draft,
) {
    let place = &event.place;
    let own = draft.resources.get(&function.logical_id());
    let role = own.and_then(|resource| resource.at_path(["Properties", "Role"]));
    let target = Object::new(place)
        .with("Arn", function.target(place))
        .with_some("RoleArn", role)
        .with_some("Input", constant(event));
    let properties = Object::new(place)
        .with("ScheduleExpression", expression)
        .with("State", state(event))
        .with("Target", target)
        .with("FlexibleTimeWindow", json!({"Mode": "OFF"}))
        .with_some("Name", event.get("name"))
        .with_some("Description", event.get("description"))
        .with_some("ScheduleExpressionTimezone", event.get("timezone"));
    let normalised = naming::normalised(function.key);
    let resource = build::resource("AWS::Scheduler::Schedule", properties);
    draft.add(
        &format!("{normalised}SchedulerSchedule{number}"),
        behind_alias(function, resource),
    );
}

/// `input` as a text: of a mapping its JSON, in which `body` may be JSON itself.
fn constant(event: &Node) -> Option<String> {
    let input = script::truthy(event.get("input"))?;
    if let Some(text) = input.as_str() {
        return Some(text.to_owned());
    }
    let mut value = input.to_json();
    if let Some(body) = value.get_mut("body")
        && let Some(parsed) = body.as_str().map(serde_json::from_str::<Value>)
    {
        *body = parsed.unwrap_or_else(|_not_json| body.clone());
    }
    Some(value.to_string())
}
