//! Tags of parameters.

use serde_json::json;

use super::{NAME, ParameterRef};
use crate::engine::rows::Tags;
use crate::engine::state::Step;
use crate::fault::{Answer, Fault};
use crate::fields::{self, Fields, TAGS_MAX, Text, shown_tags};
use crate::service::Context;

/// Refuses tags that are not to be.
pub(crate) fn judged(added: Vec<(String, String)>) -> Result<Tags, Fault> {
    let mut tags = Tags::new();
    for (key, value) in added {
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(Fault::validation(format!(
                "Tag keys that begin with aws: are reserved: {key}"
            )));
        }
        tags.insert(key, value);
    }
    if TAGS_MAX < tags.len() {
        return Err(Fault::bare("TooManyTagsError"));
    }
    Ok(tags)
}

fn take(context: &Context<'_>, fields: &mut Fields) -> Result<ParameterRef, Fault> {
    let kind = fields.required("ResourceType", &Text::long(1, 64));
    let id = fields.required("ResourceId", &NAME);
    if kind != "Parameter" {
        return Err(Fault::not_implemented(&format!(
            "tagging the resource type {kind}"
        )));
    }
    Ok(ParameterRef::read(&id, context.place))
}

async fn edit(
    context: &Context<'_>,
    wanted: &ParameterRef,
    edit: impl FnOnce(&mut Tags),
) -> Answer {
    context
        .catalogue
        .change(&wanted.place, |state| {
            let kept = wanted.find(state);
            let kept = kept.ok_or_else(|| Fault::bare("InvalidResourceId"))?;
            let mut row = kept.row.clone();
            edit(&mut row.tags);
            if TAGS_MAX < row.tags.len() {
                return Err(Fault::bare("TooManyTagsError"));
            }
            Ok((json!({}), vec![Step::PutParameter(row)]))
        })
        .await
}

pub(super) async fn add_tags_to_resource(context: &Context<'_>, mut fields: Fields) -> Answer {
    let wanted = take(context, &mut fields)?;
    let added = fields::tags(&mut fields, "Key", "Value").unwrap_or_default();
    fields.finish()?;
    let added = judged(added)?;
    edit(context, &wanted, |tags| tags.extend(added)).await
}

pub(super) async fn remove_tags_from_resource(context: &Context<'_>, mut fields: Fields) -> Answer {
    let wanted = take(context, &mut fields)?;
    let gone = fields.texts("TagKeys").unwrap_or_default();
    fields.finish()?;
    edit(context, &wanted, |tags| {
        tags.retain(|key, _| !gone.contains(key))
    })
    .await
}

pub(super) async fn list_tags_for_resource(context: &Context<'_>, mut fields: Fields) -> Answer {
    let wanted = take(context, &mut fields)?;
    fields.finish()?;
    let shelf = context.catalogue.shelf(&wanted.place).await?;
    shelf.look(|state| {
        let kept = wanted.find(state);
        let kept = kept.ok_or_else(|| Fault::bare("InvalidResourceId"))?;
        Ok(json!({"TagList": shown_tags(&kept.row.tags, "Key", "Value")}))
    })
}
