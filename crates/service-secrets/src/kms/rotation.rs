//! New material for keys, by the calendar and on demand.

use serde_json::{Value, json};

use super::bytes::ENCRYPTS;
use super::{KEY_ID, broken, edit, find, judge_use, page_wanted, paged};
use crate::engine::cipher::new_material;
use crate::engine::dues::DAY;
use crate::engine::keys::{DueKey, Happens};
use crate::engine::lookup::FoundKey;
use crate::engine::rows::{Json, Key, Rotation, Spec};
use crate::engine::state::Step;
use crate::fault::{Answer, Fault};
use crate::fields::{Fields, page, seconds};
use crate::service::Context;

/// Rotations on demand of one key.
const ON_DEMAND_MAX: usize = 10;
/// A year, as KMS has it.
pub(crate) const USUAL_DAYS: i64 = 365;

async fn rotatable(context: &Context<'_>, id: &str) -> Result<FoundKey, Fault> {
    let found = find(context, id).await?;
    if found.key.spec != Spec::Symmetric {
        return Err(Fault::bare("UnsupportedOperationException"));
    }
    Ok(found)
}

fn due(found: &FoundKey, rotation: &Rotation) -> DueKey {
    DueKey {
        at: rotation.next_at,
        place: found.place.clone(),
        what: Happens::RotateKey,
        name: found.key.id.clone(),
    }
}

pub(super) async fn enable(context: &Context<'_>, mut fields: Fields) -> Answer {
    let id = fields.required("KeyId", &KEY_ID);
    let days = fields.whole("RotationPeriodInDays", 90, 2_560);
    fields.finish()?;
    let found = rotatable(context, &id).await?;
    judge_use(&found, ENCRYPTS, "EnableKeyRotation")?;
    let now = context.catalogue.clock.now();
    edit(context, &found, |key| {
        Ok(turn_on(&found, key, days.unwrap_or(USUAL_DAYS), now))
    })
    .await?;
    Ok(Value::Null)
}

/// Says that a key is rotated every so many days.
pub(crate) fn turn_on(
    found: &FoundKey,
    key: &mut Key,
    days: i64,
    now: model::time::Timestamp,
) -> Vec<Step> {
    let before = key.rotation.take();
    let mut steps: Vec<Step> = before
        .iter()
        .map(|before| Step::DropDue(due(found, before)))
        .collect();
    let rotation = Rotation {
        days,
        next_at: now.plus(DAY * u32::try_from(days).unwrap_or(365)),
    };
    steps.push(Step::SetDue(due(found, &rotation)));
    key.rotation = Some(rotation);
    steps
}

/// Says that a key is rotated no more.
pub(crate) fn turn_off(found: &FoundKey, key: &mut Key) -> Vec<Step> {
    let before = key.rotation.take();
    let drop = before.map(|before| Step::DropDue(due(found, &before)));
    drop.into_iter().collect()
}

pub(super) async fn disable(context: &Context<'_>, mut fields: Fields) -> Answer {
    let id = fields.required("KeyId", &KEY_ID);
    fields.finish()?;
    let found = rotatable(context, &id).await?;
    judge_use(&found, ENCRYPTS, "DisableKeyRotation")?;
    edit(context, &found, |key| Ok(turn_off(&found, key))).await?;
    Ok(Value::Null)
}

pub(super) async fn status(context: &Context<'_>, mut fields: Fields) -> Answer {
    let id = fields.required("KeyId", &KEY_ID);
    fields.finish()?;
    let found = rotatable(context, &id).await?;
    let mut told = Json::new();
    told.insert("KeyId".to_owned(), found.arn().into());
    let rotation = &found.key.rotation;
    told.insert("KeyRotationEnabled".to_owned(), rotation.is_some().into());
    if let Some(rotation) = rotation {
        told.insert("RotationPeriodInDays".to_owned(), rotation.days.into());
        told.insert("NextRotationDate".to_owned(), seconds(rotation.next_at));
    }
    Ok(Value::Object(told))
}

pub(super) async fn rotate_now(context: &Context<'_>, mut fields: Fields) -> Answer {
    let id = fields.required("KeyId", &KEY_ID);
    fields.finish()?;
    let found = find(context, &id).await?;
    judge_use(&found, found.key.spec.usage(), "RotateKeyOnDemand")?;
    let found = rotatable(context, &id).await?;
    let catalogue = context.catalogue;
    let root = catalogue.root().await.map_err(broken)?;
    let now = catalogue.clock.now();
    edit(context, &found, |key| {
        let demanded = key.materials.iter().filter(|material| material.on_demand);
        if ON_DEMAND_MAX <= demanded.count() {
            let message = format!(
                "The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be performed for this key: {}",
                found.arn()
            );
            return Err(Fault::new("LimitExceededException", message));
        }
        let with = (root, &*catalogue.random);
        key.materials.push(new_material(with, &key.id, key.spec, now, true)?);
        Ok(Vec::new())
    })
    .await?;
    Ok(json!({"KeyId": found.arn()}))
}

pub(super) async fn list(context: &Context<'_>, mut fields: Fields) -> Answer {
    fields.refuse("ListKeyRotations", &["IncludeKeyMaterial"])?;
    let id = fields.required("KeyId", &KEY_ID);
    let (marker, limit) = page_wanted(&mut fields, 100);
    fields.finish()?;
    let found = rotatable(context, &id).await?;
    let rotated = found.key.materials.iter().zip(0..).skip(1);
    let told = rotated.map(|(material, number)| {
        let kind = if material.on_demand {
            "ON_DEMAND"
        } else {
            "AUTOMATIC"
        };
        let told = json!({
            "KeyId": found.arn(),
            "RotationDate": seconds(material.created_at),
            "RotationType": kind,
        });
        (format!("{number:010}"), told)
    });
    let (listed, next) = page(told, marker.as_deref(), limit);
    Ok(paged("Rotations", listed, next))
}
