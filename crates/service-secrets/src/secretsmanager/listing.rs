//! Listing secrets.

use serde_json::Value;

use super::secrets::description;
use super::{filters, is_over, page_wanted};
use crate::engine::rows::Json;
use crate::fault::Answer;
use crate::fields::{Fields, Text, insert_some, page};
use crate::service::Context;

pub(super) async fn list_secrets(context: &Context<'_>, mut fields: Fields) -> Answer {
    let with_deleted = fields.flag("IncludePlannedDeletion").unwrap_or(false);
    let order = fields.text("SortOrder", &Text::one_of(&["asc", "desc"]));
    fields.refuse("ListSecrets", &["SortBy"])?;
    let filters = filters::take(&mut fields)?.unwrap_or_default();
    let (token, limit) = page_wanted(&mut fields, 100);
    fields.finish()?;
    let now = context.catalogue.clock.now();
    let shelf = context.catalogue.shelf(context.place).await?;
    shelf.look(|state| {
        let secrets = state.secrets.values().filter(|kept| !is_over(kept, now));
        let wanted = secrets
            .filter(|kept| with_deleted || kept.row.deletion.is_none())
            .filter(|kept| filters::match_all(&filters, &kept.row));
        let mut shown: Vec<(String, Value)> = wanted
            .map(|kept| {
                let at = kept.row.created_at.epoch_us();
                let at = match order.as_deref() {
                    Some("desc") => i64::MAX - at,
                    _ => at,
                };
                let entry = description(kept, context.place, "SecretVersionsToStages");
                (format!("{at:020}/{}", kept.row.name), Value::Object(entry))
            })
            .collect();
        shown.sort_by(|one, other| one.0.cmp(&other.0));
        let (listed, next) = page(shown.into_iter(), token.as_deref(), limit);
        let mut answer = Json::new();
        answer.insert("SecretList".to_owned(), listed.into());
        insert_some(&mut answer, "NextToken", next);
        Ok(Value::Object(answer))
    })
}
