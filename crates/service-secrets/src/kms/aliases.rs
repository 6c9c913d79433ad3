//! Aliases.

use serde_json::{Value, json};

use super::{KEY_ID, find, invalid_state, missing, page_wanted, paged};
use crate::engine::catalogue::Catalogue;
use crate::engine::keys::Place;
use crate::engine::lookup::{FoundKey, KeyRef};
use crate::engine::rows::Alias;
use crate::engine::state::Step;
use crate::fault::{Answer, Fault};
use crate::fields::{Fields, Text, page, seconds};
use crate::service::Context;

/// Aliases of an account and region.
const ALIASES_MAX: usize = 10_000;
const NAME: Text = Text::long(1, 256).shaped("^[a-zA-Z0-9:/_-]+$", |text| {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b":/_-".contains(&byte);
    text.bytes().all(allowed)
});

/// An alias as somebody wants it.
pub(crate) struct Wish {
    pub(crate) name: String,
    pub(crate) target: FoundKey,
    pub(crate) owner: Option<String>,
    /// Whether it may be there, and points to another key then.
    pub(crate) may_be_there: bool,
}

pub(super) async fn create_alias(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = fields.required("AliasName", &NAME);
    let target = fields.required("TargetKeyId", &KEY_ID);
    fields.finish()?;
    judge(&name)?;
    let wish = Wish {
        name,
        target: target_of(context, &target).await?,
        owner: None,
        may_be_there: false,
    };
    put(context.catalogue, context.place, wish).await?;
    Ok(Value::Null)
}

pub(super) async fn update_alias(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = fields.required("AliasName", &NAME);
    let target = fields.required("TargetKeyId", &KEY_ID);
    fields.finish()?;
    judge(&name)?;
    let target = target_of(context, &target).await?;
    let there = find(context, &name).await?;
    if there.key.spec != target.key.spec {
        let message = "Alias cannot be updated to a key of another type or usage.";
        return Err(Fault::validation(message));
    }
    let wish = Wish {
        name,
        target,
        owner: None,
        may_be_there: true,
    };
    put(context.catalogue, context.place, wish).await?;
    Ok(Value::Null)
}

/// Refuses a name that is not one, or belongs to a service.
pub(crate) fn judge(name: &str) -> Result<(), Fault> {
    if !name.starts_with("alias/") {
        return Err(Fault::validation(
            "Alias must start with the prefix \"alias/\". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html",
        ));
    }
    if name.starts_with("alias/aws/") {
        return Err(Fault::bare("NotAuthorizedException"));
    }
    Ok(())
}

async fn target_of(context: &Context<'_>, id: &str) -> Result<FoundKey, Fault> {
    if id.contains("alias/") {
        return Err(Fault::validation("Aliases must refer to keys. Not aliases"));
    }
    let found = find(context, id).await?;
    if found.key.deleted_at.is_some() {
        return Err(invalid_state(format!(
            "{} is pending deletion.",
            found.arn()
        )));
    }
    Ok(found)
}

/// Makes an alias, or points it to another key.
pub(crate) async fn put(catalogue: &Catalogue, place: &Place, wish: Wish) -> Result<(), Fault> {
    let now = catalogue.clock.now();
    catalogue
        .change(place, |state| {
            let there = state.aliases.get(&wish.name);
            let is_own =
                there.is_some_and(|there| there.owner.is_some() && there.owner == wish.owner);
            if there.is_some() && !wish.may_be_there && !is_own {
                let arn = place.arn("kms", wish.name.as_str());
                let message = format!("An alias with the name {arn} already exists");
                return Err(Fault::new("AlreadyExistsException", message));
            }
            if ALIASES_MAX <= state.aliases.len() {
                return Err(Fault::new("LimitExceededException", "Too many aliases"));
            }
            let alias = Alias {
                target: wish.target.key.id.clone(),
                created_at: there.map_or(now, |there| there.created_at),
                modified_at: now,
                owner: wish
                    .owner
                    .or_else(|| there.and_then(|there| there.owner.clone())),
                name: wish.name,
            };
            Ok(((), vec![Step::PutAlias(alias)]))
        })
        .await
}

pub(super) async fn delete_alias(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = fields.required("AliasName", &NAME);
    fields.finish()?;
    judge(&name)?;
    context
        .catalogue
        .change(context.place, |state| {
            if !state.aliases.contains_key(&name) {
                return Err(missing(&KeyRef::read(&name, context.place)));
            }
            Ok((Value::Null, vec![Step::DropAlias(name)]))
        })
        .await
}

pub(super) async fn list_aliases(context: &Context<'_>, mut fields: Fields) -> Answer {
    let id = fields.text("KeyId", &KEY_ID);
    let (marker, limit) = page_wanted(&mut fields, 50);
    fields.finish()?;
    let of_key = match id {
        Some(id) => Some(find(context, &id).await?.key.id.clone()),
        None => None,
    };
    let shelf = context.catalogue.shelf(context.place).await?;
    shelf.look(|state| {
        let aliases = state.aliases.values();
        let wanted = aliases.filter(|alias| of_key.as_ref().is_none_or(|id| *id == alias.target));
        let told = wanted.map(|alias| {
            let told = json!({
                "AliasName": alias.name,
                "AliasArn": context.place.arn("kms", alias.name.as_str()),
                "TargetKeyId": alias.target,
                "CreationDate": seconds(alias.created_at),
                "LastUpdatedDate": seconds(alias.modified_at),
            });
            (alias.name.clone(), told)
        });
        let (listed, next) = page(told, marker.as_deref(), limit);
        Ok(paged("Aliases", listed, next))
    })
}
