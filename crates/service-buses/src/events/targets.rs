//! Targets of rules.

use model::arn::Arn;
use patterns::Path;
use serde_json::{Value, json};

use super::rules::find;
use super::{BusRef, Context};
use crate::engine::catalogue::Change;
use crate::engine::publish::{nested, template, text};
use crate::engine::rows::{Json, Rule};
use crate::engine::state::Step;
use crate::fault::{Answer, Fault};
use crate::fields::{ARN, BUS, Fields, NAME, Text, page, paged};
use crate::roles::{self, By};

/// Targets of a rule.
const TARGETS_MAX: usize = 5;
const PAGE_MAX: i64 = 100;
/// Members of a target that are carried out.
const CARRIED_OUT: &[&str] = &[
    "Id",
    "Arn",
    "RoleArn",
    "Input",
    "InputPath",
    "InputTransformer",
    "KinesisParameters",
    "SqsParameters",
    "HttpParameters",
    "DeadLetterConfig",
    "RetryPolicy",
];

pub(super) async fn put_targets(context: &Context<'_>, mut fields: Fields) -> Answer {
    let rule = fields.required("Rule", &NAME);
    let bus = fields.text("EventBusName", &BUS);
    let targets = read(&mut fields)?;
    fields.finish()?;
    for target in &targets {
        judge(target)?;
    }
    let bus = BusRef::read(bus.as_deref(), context.place);
    let source = bus.place.rule_arn(&bus.name, &rule);
    for role in targets.iter().filter_map(|target| text(target, "RoleArn")) {
        roles::judge(&*context.catalogue.authorize, role, &source, By::Caller)?;
    }
    context
        .catalogue
        .change(&bus.place, |state| {
            let there = &find(state, &bus.name, &rule)?.row;
            let mut all = there.targets.clone();
            for target in targets {
                let is_same = |other: &&mut Json| text(other, "Id") == text(&target, "Id");
                match all.iter_mut().find(is_same) {
                    Some(other) => *other = target,
                    None => all.push(target),
                }
            }
            if TARGETS_MAX < all.len() {
                return Err(Fault::limit());
            }
            let rule = Rule {
                targets: all,
                ..there.clone()
            };
            let answer = json!({"FailedEntryCount": 0, "FailedEntries": []});
            Ok((answer, Change::one(Step::PutRule(rule))))
        })
        .await
}

fn read(fields: &mut Fields) -> Result<Vec<Json>, Fault> {
    let Some(Value::Array(given)) = fields.take("Targets") else {
        fields.violate(None, "targets", "not be null");
        return Ok(Vec::new());
    };
    let mut targets = Vec::new();
    for (number, target) in (1..).zip(given) {
        let Value::Object(target) = target else {
            return Err(Fault::new(
                "SerializationException",
                "A target is an object",
            ));
        };
        for (name, rule) in [("Id", &NAME), ("Arn", &ARN)] {
            let path = format!("targets.{number}.member.{}", name.to_lowercase());
            match text(&target, name) {
                Some(value) => fields.judge(value, &path, rule),
                None => fields.violate(None, &path, "not be null"),
            }
        }
        for (name, path, most) in [("Input", "input", 8_192), ("InputPath", "inputPath", 256)] {
            if let Some(value) = text(&target, name) {
                let path = format!("targets.{number}.member.{path}");
                fields.judge(value, &path, &Text::long(0, most));
            }
        }
        targets.push(target);
    }
    Ok(targets)
}

/// Refuses a target that could not be delivered to.
pub(crate) fn judge(target: &Json) -> Result<(), Fault> {
    let id = text(target, "Id").unwrap_or_default();
    let other = target
        .keys()
        .find(|name| !CARRIED_OUT.contains(&name.as_str()) && !target[*name].is_null());
    if let Some(name) = other {
        return Err(Fault::not_implemented(&format!("{name} of target {id}")));
    }
    let arn = text(target, "Arn").unwrap_or_default();
    let invalid =
        |why: &str| Fault::validation(format!("Parameter {arn} is not valid. Reason: {why}"));
    let parsed = Arn::parse(arn).map_err(|_| invalid("Provided Arn is not in correct format."))?;
    judge_arn(&parsed)?;
    let inputs = ["Input", "InputPath", "InputTransformer"];
    if 1 < inputs
        .iter()
        .filter(|name| target.contains_key(**name))
        .count()
    {
        return Err(Fault::validation(format!(
            "Only one of Input, InputPath, or InputTransformer must be provided for target {id}."
        )));
    }
    let is_bus = parsed.resource.starts_with("event-bus/");
    if is_bus && inputs.iter().any(|name| target.contains_key(*name)) {
        let what = format!("Input of target {id}, which is an event bus,");
        return Err(Fault::not_implemented(&what));
    }
    judge_input(target, id)?;
    if let Some(queue) = nested(target, "DeadLetterConfig", "Arn")
        && Arn::parse(queue).map_or(true, |queue| queue.service != "sqs")
    {
        return Err(Fault::validation(format!(
            "Parameter DeadLetterConfig.Arn of target {id} is not the ARN of a queue."
        )));
    }
    judge_retries(target, id)
}

fn judge_input(target: &Json, id: &str) -> Result<(), Fault> {
    if let Some(input) = text(target, "Input")
        && serde_json::from_str::<serde::de::IgnoredAny>(input).is_err()
    {
        return Err(Fault::validation(format!(
            "JSON syntax error in input for target {id}"
        )));
    }
    let paths = ["InputPath", "KinesisParameters"].map(|name| match name {
        "InputPath" => text(target, name),
        name => nested(target, name, "PartitionKeyPath"),
    });
    if paths
        .into_iter()
        .flatten()
        .any(|path| Path::parse(path).is_err())
    {
        let message = format!("Parameter InputPath of target {id} is not a valid JSON path.");
        return Err(Fault::validation(message));
    }
    let Some(transformer) = target.get("InputTransformer") else {
        return Ok(());
    };
    match template(transformer) {
        Some(Ok(_)) => Ok(()),
        Some(Err(error)) => Err(Fault::validation(format!(
            "InputTemplate for target {id} {error}."
        ))),
        None => Err(Fault::validation(format!(
            "InputTemplate for target {id} must be provided."
        ))),
    }
}

fn judge_retries(target: &Json, id: &str) -> Result<(), Fault> {
    let policy = target.get("RetryPolicy");
    for (name, least, most) in [
        ("MaximumRetryAttempts", 0, 185),
        ("MaximumEventAgeInSeconds", 60, 86_400),
    ] {
        let number = policy.and_then(|policy| policy.get(name));
        let is_within = |number: &Value| {
            number
                .as_i64()
                .is_some_and(|number| (least..=most).contains(&number))
        };
        if number.is_some_and(|number| !is_within(number)) {
            return Err(Fault::validation(format!(
                "{name} of target {id} must be between {least} and {most}."
            )));
        }
    }
    Ok(())
}

/// Refuses what nothing here can take.
pub(crate) fn judge_arn(arn: &Arn) -> Result<(), Fault> {
    let is_known = match arn.service.as_str() {
        "lambda" | "sqs" | "sns" | "kinesis" => true,
        "logs" => arn.resource.starts_with("log-group:"),
        "events" => {
            arn.resource.starts_with("event-bus/") || arn.resource.starts_with("api-destination/")
        }
        _ => false,
    };
    if is_known {
        return Ok(());
    }
    let what = match arn.service.as_str() {
        "states" => "a target that is a state machine of Step Functions".to_owned(),
        service => format!("a target of the service {service}"),
    };
    Err(Fault::not_implemented(&what))
}

pub(super) async fn remove_targets(context: &Context<'_>, mut fields: Fields) -> Answer {
    let rule = fields.required("Rule", &NAME);
    let bus = fields.text("EventBusName", &BUS);
    let ids = fields.take("Ids").unwrap_or_default();
    fields.take("Force");
    fields.finish()?;
    let ids: Vec<&str> = ids
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let bus = BusRef::read(bus.as_deref(), context.place);
    context
        .catalogue
        .change(&bus.place, |state| {
            let there = &find(state, &bus.name, &rule)?.row;
            let mut rule = there.clone();
            rule.targets
                .retain(|target| text(target, "Id").is_none_or(|id| !ids.contains(&id)));
            let answer = json!({"FailedEntryCount": 0, "FailedEntries": []});
            Ok((answer, Change::one(Step::PutRule(rule))))
        })
        .await
}

pub(super) async fn list_targets_by_rule(context: &Context<'_>, mut fields: Fields) -> Answer {
    let rule = fields.required("Rule", &NAME);
    let bus = fields.text("EventBusName", &BUS);
    let limit = fields.whole("Limit", 1, PAGE_MAX).unwrap_or(PAGE_MAX);
    let after = fields.take("NextToken");
    fields.finish()?;
    let bus = BusRef::read(bus.as_deref(), context.place);
    let shelf = context.catalogue.shelf(&bus.place).await?;
    shelf.look(|state| {
        let targets = &find(state, &bus.name, &rule)?.row.targets;
        let numbered = targets.iter().zip(0_u32..);
        let numbered = numbered.map(|(target, number)| (format!("{number:04}"), target));
        let limit = usize::try_from(limit).unwrap_or(1);
        let after = after.as_ref().and_then(Value::as_str);
        let (targets, token) = page(numbered, after, limit);
        Ok(paged("Targets", json!(targets), token))
    })
}

pub(super) async fn list_rule_names_by_target(context: &Context<'_>, mut fields: Fields) -> Answer {
    let target = fields.required("TargetArn", &ARN);
    let bus = fields.text("EventBusName", &BUS);
    let limit = fields.whole("Limit", 1, PAGE_MAX).unwrap_or(PAGE_MAX);
    let after = fields.take("NextToken");
    fields.finish()?;
    let bus = BusRef::read(bus.as_deref(), context.place);
    let shelf = context.catalogue.shelf(&bus.place).await?;
    shelf.look(|state| {
        super::buses::find(state, &bus.name)?;
        let rules = state.rules_of(&bus.name).map(|kept| &kept.row);
        let has_target = |rule: &&Rule| {
            let mut targets = rule.targets.iter();
            targets.any(|one| text(one, "Arn") == Some(&target))
        };
        let named = rules
            .filter(has_target)
            .map(|rule| (rule.name.clone(), rule.name.clone()));
        let limit = usize::try_from(limit).unwrap_or(1);
        let (names, token) = page(named, after.as_ref().and_then(Value::as_str), limit);
        Ok(paged("RuleNames", json!(names), token))
    })
}
