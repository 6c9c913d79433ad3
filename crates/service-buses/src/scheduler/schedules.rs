//! Schedules.

use model::time::Timestamp;
use serde_json::{Value, json};

use super::{Context, conflict, judge_target, no_group, no_schedule};
use crate::engine::catalogue::Change;
use crate::engine::clockwork::due_of_schedule;
use crate::engine::keys::{Fires, Place};
use crate::engine::publish::text;
use crate::engine::rows::{Json, Schedule};
use crate::engine::state::{DEFAULT, ENABLED, State, Step};
use crate::events::seconds;
use crate::fault::{Answer, Fault};
use crate::fields::{ARN, DESCRIPTION, Fields, SCHEDULE_NAME, Text, insert, page, paged};
use crate::roles::{self, By};
use crate::times::{self, Expression};

/// Schedules of an account and region.
const SCHEDULES_MAX: usize = 100_000;
const PAGE_MAX: i64 = 100;
const EXPRESSION: Text = Text::long(1, 256);
const ZONE: Text = Text::long(1, 50);
const TOKEN: Text = Text::long(1, 64);
const STATES: Text = Text::one_of(&[ENABLED, "DISABLED"]);
const AFTER_COMPLETION: Text = Text::one_of(&["NONE", "DELETE"]);
const MODES: Text = Text::one_of(&["OFF", "FLEXIBLE"]);

pub(super) async fn create_schedule(context: &Context<'_>, fields: Fields) -> Answer {
    let schedule = read(fields, context.catalogue.clock.now())?;
    context
        .catalogue
        .change(context.place, |state| {
            let there = state.schedule(&schedule.group, &schedule.name);
            let arn = context.place.schedule_arn(&schedule.group, &schedule.name);
            let answer = json!({"ScheduleArn": arn.to_string()});
            match there {
                Some(there) if there.token.is_some() && there.token == schedule.token => {
                    Ok((answer, Change::default()))
                }
                Some(there) => {
                    let name = &there.name;
                    Err(conflict(format!("Schedule {name} already exists.")))
                }
                None => Ok((answer, placed(context, state, schedule)?)),
            }
        })
        .await
}

pub(super) async fn update_schedule(context: &Context<'_>, fields: Fields) -> Answer {
    let schedule = read(fields, context.catalogue.clock.now())?;
    let (group, name) = (schedule.group.clone(), schedule.name.clone());
    let shelf = context.catalogue.shelf(context.place).await?;
    if shelf.look(|state| state.schedule(&group, &name).is_none()) {
        return Err(no_schedule(&name));
    }
    put(context, schedule).await
}

/// Makes or changes a schedule.
pub(crate) async fn put(context: &Context<'_>, schedule: Schedule) -> Answer {
    context
        .catalogue
        .change(context.place, |state| {
            let arn = context.place.schedule_arn(&schedule.group, &schedule.name);
            let change = placed(context, state, schedule)?;
            Ok((json!({"ScheduleArn": arn.to_string()}), change))
        })
        .await
}

fn placed(context: &Context<'_>, state: &State, wish: Schedule) -> Result<Change, Fault> {
    if !state.groups.contains_key(&wish.group) {
        return Err(no_group(&wish.group));
    }
    let there = state.schedule(&wish.group, &wish.name);
    if there.is_none() && SCHEDULES_MAX <= state.schedules.len() {
        let message = "The number of schedules exceeds the quota.";
        return Err(Fault::new("ServiceQuotaExceededException", message).with_status(402));
    }
    if let Some(role) = text(&wish.target, "RoleArn") {
        let arn = context.place.schedule_arn(&wish.group, &wish.name);
        let by = By::of(wish.owner.as_ref());
        roles::judge(&*context.catalogue.authorize, role, &arn, by)?;
    }
    let now = context.catalogue.clock.now();
    let key = state.due_key(Fires::Schedule, &wish.group, &wish.name);
    let due = state.dues.get(&key).copied();
    // A schedule that is written again as it was goes on as it would have.
    let goes_on = there.filter(|there| {
        there.expression == wish.expression
            && there.zone == wish.zone
            && there.state == wish.state
            && there.starts_at == wish.starts_at
            && there.ends_at == wish.ends_at
            && there.window_min == wish.window_min
    });
    let schedule = Schedule {
        created_at: there.map_or(wish.created_at, |there| there.created_at),
        anchor: goes_on.map_or(wish.anchor, |there| there.anchor),
        ..wish
    };
    // A rate without a start begins at once, which was when the request came in.
    let begins_at = schedule.starts_at.map_or(schedule.anchor, |_| now);
    let before = Timestamp::from_micros(begins_at.epoch_us().saturating_sub(1));
    let next = match goes_on {
        Some(_) => due,
        None => due_of_schedule(&schedule, before, &*context.catalogue.random),
    };
    let mut change = Change::default();
    if next != due {
        change.steps.push(Step::SetDue(key, next));
    }
    change.steps.push(Step::PutSchedule(schedule));
    Ok(change)
}

/// Reads a schedule from the members of a request.
pub(crate) fn read(mut fields: Fields, now: Timestamp) -> Result<Schedule, Fault> {
    let name = fields.required("Name", &SCHEDULE_NAME);
    let group = fields.text("GroupName", &SCHEDULE_NAME);
    let expression = fields.required("ScheduleExpression", &EXPRESSION);
    let zone = fields.text("ScheduleExpressionTimezone", &ZONE);
    let state = fields.text("State", &STATES);
    let after_completion = fields.text("ActionAfterCompletion", &AFTER_COMPLETION);
    let description = fields.text("Description", &DESCRIPTION);
    let kms_key = fields.text("KmsKeyArn", &Text::long(1, 2_048));
    let token = fields.text("ClientToken", &TOKEN);
    let (starts_at, ends_at) = (fields.take("StartDate"), fields.take("EndDate"));
    let window = fields.take("FlexibleTimeWindow");
    let target = fields.take("Target");
    let window_min = window_of(&mut fields, window);
    let target = target_of(&mut fields, target);
    fields.finish()?;
    if Expression::of_schedule(&expression).is_none() {
        let message = format!("Invalid Schedule Expression {expression}.");
        return Err(Fault::validation(message));
    }
    let zone = zone.unwrap_or_else(|| "UTC".to_owned());
    if times::zone(&zone).is_none() {
        let message = format!("Invalid ScheduleExpressionTimezone {zone}.");
        return Err(Fault::validation(message));
    }
    let starts_at = starts_at.as_ref().map(date).transpose()?;
    let ends_at = ends_at.as_ref().map(date).transpose()?;
    if let (Some(starts_at), Some(ends_at)) = (starts_at, ends_at)
        && ends_at <= starts_at
    {
        let message = "The EndDate you specify must come after the StartDate.";
        return Err(Fault::validation(message));
    }
    judge_target(&target)?;
    Ok(Schedule {
        group: group.unwrap_or_else(|| DEFAULT.to_owned()),
        state: state.unwrap_or_else(|| ENABLED.to_owned()),
        after_completion: after_completion.unwrap_or_else(|| "NONE".to_owned()),
        anchor: starts_at.unwrap_or(now),
        created_at: now,
        modified_at: now,
        owner: None,
        name,
        expression,
        zone,
        starts_at,
        ends_at,
        window_min,
        description,
        kms_key,
        target,
        token,
    })
}

fn window_of(fields: &mut Fields, window: Option<Value>) -> Option<i64> {
    let Some(Value::Object(window)) = window else {
        fields.violate(None, "flexibleTimeWindow", "not be null");
        return None;
    };
    let minutes = window.get("MaximumWindowInMinutes").and_then(Value::as_i64);
    match text(&window, "Mode") {
        Some(mode) => fields.judge(mode, "flexibleTimeWindow.mode", &MODES),
        None => fields.violate(None, "flexibleTimeWindow.mode", "not be null"),
    }
    let path = "flexibleTimeWindow.maximumWindowInMinutes";
    let is_flexible = text(&window, "Mode") == Some("FLEXIBLE");
    match minutes.filter(|_| is_flexible) {
        Some(minutes) if !(1..=1_440).contains(&minutes) => {
            let rule = "have value between 1 and 1440";
            fields.violate(Some(&minutes.to_string()), path, rule);
            None
        }
        None if is_flexible => {
            fields.violate(None, path, "not be null");
            None
        }
        minutes => minutes,
    }
}

fn target_of(fields: &mut Fields, target: Option<Value>) -> Json {
    let Some(Value::Object(target)) = target else {
        fields.violate(None, "target", "not be null");
        return Json::new();
    };
    for (name, path) in [("Arn", "target.arn"), ("RoleArn", "target.roleArn")] {
        match text(&target, name) {
            Some(arn) => fields.judge(arn, path, &ARN),
            None => fields.violate(None, path, "not be null"),
        }
    }
    let policy = target.get("RetryPolicy");
    for (name, path, least, most) in [
        (
            "MaximumRetryAttempts",
            "target.retryPolicy.maximumRetryAttempts",
            0,
            185,
        ),
        (
            "MaximumEventAgeInSeconds",
            "target.retryPolicy.maximumEventAgeInSeconds",
            60,
            86_400,
        ),
    ] {
        let number = policy.and_then(|policy| policy.get(name)?.as_i64());
        if let Some(number) = number.filter(|number| !(least..=most).contains(number)) {
            let rule = format!("have value between {least} and {most}");
            fields.violate(Some(&number.to_string()), path, &rule);
        }
    }
    target
}

/// Seconds since the epoch, or a text as templates have it.
fn date(value: &Value) -> Result<Timestamp, Fault> {
    let parsed = match value {
        Value::String(text) => times::parse_iso(text),
        Value::Number(seconds) => seconds.as_f64().and_then(|seconds| {
            let ms = seconds * 1_000.0;
            #[expect(clippy::cast_possible_truncation, reason = "it was bounded just now")]
            let us = (ms.abs() < 1e15).then_some(ms as i64)?.checked_mul(1_000)?;
            Some(Timestamp::from_micros(us))
        }),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    parsed.ok_or_else(|| Fault::validation(format!("Invalid date {value}.")))
}

pub(super) async fn delete_schedule(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = fields.required("Name", &SCHEDULE_NAME);
    let group = fields.text("GroupName", &SCHEDULE_NAME);
    fields.finish()?;
    let group = group.unwrap_or_else(|| DEFAULT.to_owned());
    let shelf = context.catalogue.shelf(context.place).await?;
    if shelf.look(|state| state.schedule(&group, &name).is_none()) {
        return Err(no_schedule(&name));
    }
    delete(context, &group, &name).await
}

/// Deletes a schedule; one that is gone is no error.
pub(crate) async fn delete(context: &Context<'_>, group: &str, name: &str) -> Answer {
    context
        .catalogue
        .change(context.place, |state| {
            let mut change = Change::default();
            if state.schedule(group, name).is_some() {
                let key = state.due_key(Fires::Schedule, group, name);
                change.steps.push(Step::SetDue(key, None));
                let dropped = Step::DropSchedule(group.to_owned(), name.to_owned());
                change.steps.push(dropped);
            }
            Ok((json!({}), change))
        })
        .await
}

pub(super) async fn get_schedule(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = fields.required("Name", &SCHEDULE_NAME);
    let group = fields.text("GroupName", &SCHEDULE_NAME);
    fields.finish()?;
    let group = group.unwrap_or_else(|| DEFAULT.to_owned());
    let shelf = context.catalogue.shelf(context.place).await?;
    shelf.look(|state| {
        let found = state.schedule(&group, &name);
        let schedule = found.ok_or_else(|| no_schedule(&name))?;
        Ok(description(context.place, schedule))
    })
}

pub(super) async fn list_schedules(context: &Context<'_>, mut fields: Fields) -> Answer {
    let prefix = fields
        .text("NamePrefix", &SCHEDULE_NAME)
        .unwrap_or_default();
    let group = fields.text("GroupName", &SCHEDULE_NAME);
    let wanted = fields.text("State", &STATES);
    let limit = fields.whole("MaxResults", 1, PAGE_MAX).unwrap_or(PAGE_MAX);
    let after = fields.take("NextToken");
    fields.finish()?;
    let shelf = context.catalogue.shelf(context.place).await?;
    shelf.look(|state| {
        let is_wanted = |schedule: &&std::sync::Arc<Schedule>| {
            schedule.name.starts_with(&prefix)
                && group.as_deref().is_none_or(|group| group == schedule.group)
                && wanted
                    .as_deref()
                    .is_none_or(|wanted| wanted == schedule.state)
        };
        let listed = state.schedules.values().filter(is_wanted);
        let shown = listed.map(|schedule| {
            let key = format!("{}/{}", schedule.group, schedule.name);
            (key, summary(context.place, schedule))
        });
        let limit = usize::try_from(limit).unwrap_or(1);
        let (schedules, token) = page(shown, after.as_ref().and_then(Value::as_str), limit);
        Ok(paged("Schedules", json!(schedules), token))
    })
}

fn summary(place: &Place, schedule: &Schedule) -> Value {
    json!({
        "Arn": place.schedule_arn(&schedule.group, &schedule.name).to_string(),
        "CreationDate": seconds(schedule.created_at),
        "GroupName": schedule.group,
        "LastModificationDate": seconds(schedule.modified_at),
        "Name": schedule.name,
        "State": schedule.state,
        "Target": {"Arn": text(&schedule.target, "Arn")},
    })
}

fn description(place: &Place, schedule: &Schedule) -> Value {
    let mut shown = summary(place, schedule);
    insert(
        &mut shown,
        "ActionAfterCompletion",
        schedule.after_completion.as_str(),
    );
    insert(
        &mut shown,
        "ScheduleExpression",
        schedule.expression.as_str(),
    );
    insert(
        &mut shown,
        "ScheduleExpressionTimezone",
        schedule.zone.as_str(),
    );
    insert(
        &mut shown,
        "FlexibleTimeWindow",
        match schedule.window_min {
            Some(minutes) => json!({"Mode": "FLEXIBLE", "MaximumWindowInMinutes": minutes}),
            None => json!({"Mode": "OFF"}),
        },
    );
    insert(&mut shown, "Target", with_retries(&schedule.target));
    for (name, value) in [
        (
            "Description",
            schedule.description.as_deref().map(Value::from),
        ),
        ("KmsKeyArn", schedule.kms_key.as_deref().map(Value::from)),
        ("StartDate", schedule.starts_at.map(seconds)),
        ("EndDate", schedule.ends_at.map(seconds)),
    ] {
        if let Some(value) = value {
            insert(&mut shown, name, value);
        }
    }
    shown
}

/// Contract: `GetSchedule` tells the retries that hold, also where none were given.
fn with_retries(target: &Json) -> Value {
    let mut shown = target.clone();
    let retries = json!({"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185});
    shown.entry("RetryPolicy").or_insert(retries);
    Value::Object(shown)
}
