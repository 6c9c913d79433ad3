//! Tags of groups, by both of their APIs, and of nothing else.

use model::arn::Arn;
use serde_json::{Value, json};

use super::Context;
use super::groups::{edit, find, name_in};
use crate::engine::rows::Tags;
use crate::fault::{Answer, Fault};
use crate::fields::{self, Fields, Text, group_name};

pub(super) async fn tag_log_group(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = group_name(&mut fields, "logGroupName")?;
    add(context, &name, fields).await
}

pub(super) async fn untag_log_group(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = group_name(&mut fields, "logGroupName")?;
    let keys = fields.texts("tags").unwrap_or_default();
    remove(context, &name, &keys, &fields).await
}

pub(super) async fn list_tags_log_group(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = group_name(&mut fields, "logGroupName")?;
    list(context, &name, &fields).await
}

pub(super) async fn tag_resource(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = by_arn(&mut fields)?;
    add(context, &name, fields).await
}

pub(super) async fn untag_resource(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = by_arn(&mut fields)?;
    let keys = fields.texts("tagKeys").unwrap_or_default();
    remove(context, &name, &keys, &fields).await
}

pub(super) async fn list_tags_for_resource(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = by_arn(&mut fields)?;
    list(context, &name, &fields).await
}

fn by_arn(fields: &mut Fields) -> Result<String, Fault> {
    let arn = fields.required("resourceArn", &Text::long(1, 1_011));
    fields.finish()?;
    let is_group = Arn::parse(&arn).is_ok_and(|arn| arn.resource.starts_with("log-group:"));
    match is_group {
        true => Ok(name_in(&arn).to_owned()),
        false => Err(Fault::parameter(format!(
            "The ARN {arn} is not that of a log group."
        ))),
    }
}

async fn add(context: &Context<'_>, name: &str, mut fields: Fields) -> Answer {
    let tags = fields::tags(&mut fields)?.unwrap_or_default();
    fields.finish()?;
    edit(context, name, |group| group.tags.extend(tags)).await
}

async fn remove(context: &Context<'_>, name: &str, keys: &[String], fields: &Fields) -> Answer {
    fields.finish()?;
    edit(context, name, |group| {
        group.tags.retain(|key, _| !keys.contains(key))
    })
    .await
}

async fn list(context: &Context<'_>, name: &str, fields: &Fields) -> Answer {
    fields.finish()?;
    let shelf = context.catalogue.shelf(context.place).await?;
    let tags: Tags = shelf.look(|state| find(state, name).map(|kept| kept.row.tags.clone()))?;
    Ok(json!({"tags": Value::from_iter(tags)}))
}
