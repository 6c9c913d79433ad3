//! Tags of secrets.

use super::{NOTHING, SECRET_ID, edit, invalid_parameter};
use crate::engine::rows::Tags;
use crate::fault::{Answer, Fault};
use crate::fields::{self, Fields, TAGS_MAX};
use crate::service::Context;

/// Refuses tags that are not to be.
pub(crate) fn judged(added: Vec<(String, String)>) -> Result<Tags, Fault> {
    let mut tags = Tags::new();
    for (key, value) in added {
        if key.to_ascii_lowercase().starts_with("aws:") {
            let message = "Tag keys that begin with aws: are reserved.";
            return Err(invalid_parameter(message));
        }
        tags.insert(key, value);
    }
    Ok(tags)
}

pub(super) async fn tag_resource(context: &Context<'_>, mut fields: Fields) -> Answer {
    let id = fields.required("SecretId", &SECRET_ID);
    let added = fields::tags(&mut fields, "Key", "Value").unwrap_or_default();
    fields.finish()?;
    let added = judged(added)?;
    edit(context, &id, |secret| {
        let tags = secret.tags.get_or_insert_default();
        tags.extend(added);
        if TAGS_MAX < tags.len() {
            let message = format!("A secret has {TAGS_MAX} tags at most.");
            return Err(invalid_parameter(message));
        }
        Ok(())
    })
    .await?;
    Ok(NOTHING)
}

pub(super) async fn untag_resource(context: &Context<'_>, mut fields: Fields) -> Answer {
    let id = fields.required("SecretId", &SECRET_ID);
    let gone = fields.texts("TagKeys").unwrap_or_default();
    fields.finish()?;
    edit(context, &id, |secret| {
        if let Some(tags) = &mut secret.tags {
            tags.retain(|key, _| !gone.contains(key));
        }
        Ok(())
    })
    .await?;
    Ok(NOTHING)
}
