//! Groups of schedules.

use model::arn::Arn;
use serde_json::{Value, json};

use super::{Context, conflict, no_group};
use crate::engine::catalogue::Change;
use crate::engine::keys::{Fires, Place};
use crate::engine::rows::{Group, Tags};
use crate::engine::state::{DEFAULT, State, Step};
use crate::events::seconds;
use crate::fault::{Answer, Fault};
use crate::fields::{self, ARN, Fields, SCHEDULE_NAME, Text, page, paged};

/// Groups of an account and region.
const GROUPS_MAX: usize = 500;
const PAGE_MAX: i64 = 100;
/// Schedules of a group that one batch deletes.
const DELETED_AT_ONCE: usize = 1_000;
const TOKEN: Text = Text::long(1, 64);

pub(super) async fn create_schedule_group(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = fields.required("Name", &SCHEDULE_NAME);
    let token = fields.text("ClientToken", &TOKEN);
    let tags = fields::tags(&mut fields)?.unwrap_or_default();
    fields.finish()?;
    let now = context.catalogue.clock.now();
    let wish = Group {
        name,
        tags,
        created_at: now,
        modified_at: now,
        token,
        owner: None,
    };
    create(context, wish).await
}

/// Makes a group, or finds the one that was made by the same request or for the same resource.
pub(crate) async fn create(context: &Context<'_>, wish: Group) -> Answer {
    context
        .catalogue
        .change(context.place, |state| {
            let arn = context.place.group_arn(&wish.name).to_string();
            let answer = json!({"ScheduleGroupArn": arn});
            if let Some(there) = state.groups.get(&wish.name) {
                let is_same = wish.token.is_some() && there.token == wish.token
                    || wish.owner.is_some() && there.owner == wish.owner;
                if !is_same {
                    let name = &wish.name;
                    return Err(conflict(format!("Schedule group {name} already exists.")));
                }
                let group = Group {
                    created_at: there.created_at,
                    ..wish
                };
                return Ok((answer, Change::one(Step::PutGroup(group))));
            }
            if GROUPS_MAX <= state.groups.len() {
                let message = "The number of schedule groups exceeds the quota.";
                let fault = Fault::new("ServiceQuotaExceededException", message);
                return Err(fault.with_status(402));
            }
            Ok((answer, Change::one(Step::PutGroup(wish))))
        })
        .await
}

pub(super) async fn delete_schedule_group(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = fields.required("Name", &SCHEDULE_NAME);
    fields.finish()?;
    if name == DEFAULT {
        return Err(Fault::validation(
            "Cannot delete the default schedule group.",
        ));
    }
    let shelf = context.catalogue.shelf(context.place).await?;
    if !shelf.look(|state| state.groups.contains_key(&name)) {
        return Err(no_group(&name));
    }
    delete(context, &name).await
}

/// Deletes a group with its schedules, some at a time; one that is gone is no error.
pub(crate) async fn delete(context: &Context<'_>, name: &str) -> Answer {
    loop {
        let more = context
            .catalogue
            .change(context.place, |state| Ok::<_, Fault>(part_of(state, name)))
            .await?;
        if !more {
            return Ok(json!({}));
        }
    }
}

/// The next schedules to delete, and whether there may be more; the group goes with the last.
fn part_of(state: &State, name: &str) -> (bool, Change) {
    let mut change = Change::default();
    let schedules = state.schedules.values().filter(|one| one.group == name);
    for schedule in schedules.take(DELETED_AT_ONCE) {
        let key = state.due_key(Fires::Schedule, name, &schedule.name);
        change.steps.push(Step::SetDue(key, None));
        let dropped = Step::DropSchedule(name.to_owned(), schedule.name.clone());
        change.steps.push(dropped);
    }
    let is_empty = change.steps.is_empty();
    if is_empty && state.groups.contains_key(name) {
        change.steps.push(Step::DropGroup(name.to_owned()));
    }
    (!is_empty, change)
}

pub(super) async fn get_schedule_group(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = fields.required("Name", &SCHEDULE_NAME);
    fields.finish()?;
    let shelf = context.catalogue.shelf(context.place).await?;
    shelf.look(|state| {
        let group = state.groups.get(&name).ok_or_else(|| no_group(&name))?;
        Ok(description(context.place, group))
    })
}

pub(super) async fn list_schedule_groups(context: &Context<'_>, mut fields: Fields) -> Answer {
    let prefix = fields
        .text("NamePrefix", &SCHEDULE_NAME)
        .unwrap_or_default();
    let limit = fields.whole("MaxResults", 1, PAGE_MAX).unwrap_or(PAGE_MAX);
    let after = fields.take("NextToken");
    fields.finish()?;
    let shelf = context.catalogue.shelf(context.place).await?;
    shelf.look(|state| {
        let named = state
            .groups
            .iter()
            .filter(|(name, _)| name.starts_with(&prefix));
        let shown = named.map(|(name, group)| (name.clone(), description(context.place, group)));
        let limit = usize::try_from(limit).unwrap_or(1);
        let (groups, token) = page(shown, after.as_ref().and_then(Value::as_str), limit);
        Ok(paged("ScheduleGroups", json!(groups), token))
    })
}

pub(super) async fn tag_resource(context: &Context<'_>, mut fields: Fields) -> Answer {
    let arn = fields.required("ResourceArn", &ARN);
    let tags = fields::tags(&mut fields)?.unwrap_or_default();
    fields.finish()?;
    edit_tags(context, &arn, |there| there.extend(tags)).await
}

pub(super) async fn untag_resource(context: &Context<'_>, mut fields: Fields) -> Answer {
    let arn = fields.required("ResourceArn", &ARN);
    let keys = fields.take("TagKeys").unwrap_or_default();
    fields.finish()?;
    edit_tags(context, &arn, |there| {
        for key in keys
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            there.remove(key);
        }
    })
    .await
}

async fn edit_tags(context: &Context<'_>, arn: &str, edit: impl FnOnce(&mut Tags)) -> Answer {
    context
        .catalogue
        .change(context.place, |state| {
            let mut group = of_arn(state, arn)?.clone();
            edit(&mut group.tags);
            Ok((json!({}), Change::one(Step::PutGroup(group))))
        })
        .await
}

pub(super) async fn list_tags_for_resource(context: &Context<'_>, mut fields: Fields) -> Answer {
    let arn = fields.required("ResourceArn", &ARN);
    fields.finish()?;
    let shelf = context.catalogue.shelf(context.place).await?;
    shelf.look(|state| {
        let tags = crate::events::shown_tags(&of_arn(state, &arn)?.tags);
        Ok(json!({"Tags": tags}))
    })
}

fn of_arn<'s>(state: &'s State, arn: &str) -> Result<&'s Group, Fault> {
    let parsed = Arn::parse(arn)
        .ok()
        .filter(|arn| arn.service == "scheduler");
    let name = parsed
        .as_ref()
        .and_then(|arn| arn.resource.strip_prefix("schedule-group/"));
    let name = name.ok_or_else(|| Fault::validation(format!("Invalid ResourceArn {arn}.")))?;
    let found = state.groups.get(name);
    found.map(|group| &**group).ok_or_else(|| no_group(name))
}

fn description(place: &Place, group: &Group) -> Value {
    json!({
        "Arn": place.group_arn(&group.name).to_string(),
        "Name": group.name,
        "State": "ACTIVE",
        "CreationDate": seconds(group.created_at),
        "LastModificationDate": seconds(group.modified_at),
    })
}
