//! Tags of keys.

use serde_json::Value;

use super::{KEY_ID, edit, find, page_wanted, paged};
use crate::engine::rows::Tags;
use crate::fault::{Answer, Fault};
use crate::fields::{self, Fields, TAGS_MAX, page, shown_tags};
use crate::service::Context;

/// The tags that there are after these were added.
pub(crate) fn judge(there: &Tags, added: Vec<(String, String)>) -> Result<Tags, Fault> {
    let refuse = |message: &str| Err(Fault::new("TagException", message));
    let mut seen = Tags::new();
    for (key, value) in added {
        if key.to_ascii_lowercase().starts_with("aws:") {
            return refuse("Tags beginning with aws: are reserved");
        }
        if seen.insert(key, value).is_some() {
            return refuse("Duplicate tag keys");
        }
    }
    let mut tags = there.clone();
    tags.extend(seen);
    if TAGS_MAX < tags.len() {
        return refuse("Too many tags");
    }
    Ok(tags)
}

pub(super) async fn tag_resource(context: &Context<'_>, mut fields: Fields) -> Answer {
    let id = fields.required("KeyId", &KEY_ID);
    let added = fields::tags(&mut fields, "TagKey", "TagValue").unwrap_or_default();
    fields.finish()?;
    let found = find(context, &id).await?;
    edit(context, &found, |key| {
        key.tags = judge(&key.tags, added)?;
        Ok(Vec::new())
    })
    .await?;
    Ok(Value::Null)
}

pub(super) async fn untag_resource(context: &Context<'_>, mut fields: Fields) -> Answer {
    let id = fields.required("KeyId", &KEY_ID);
    let gone = fields.texts("TagKeys").unwrap_or_default();
    fields.finish()?;
    let found = find(context, &id).await?;
    edit(context, &found, |key| {
        key.tags.retain(|name, _| !gone.contains(name));
        Ok(Vec::new())
    })
    .await?;
    Ok(Value::Null)
}

pub(super) async fn list_resource_tags(context: &Context<'_>, mut fields: Fields) -> Answer {
    let id = fields.required("KeyId", &KEY_ID);
    let (marker, limit) = page_wanted(&mut fields, 50);
    fields.finish()?;
    let found = find(context, &id).await?;
    let told = shown_tags(&found.key.tags, "TagKey", "TagValue");
    let keyed = found.key.tags.keys().cloned().zip(told);
    let (listed, next) = page(keyed, marker.as_deref(), limit);
    Ok(paged("Tags", listed, next))
}
