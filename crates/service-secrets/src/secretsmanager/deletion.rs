//! Deleting secrets, at once or after some days, and taking that back.

use serde_json::Value;

use super::{SECRET_ID, SecretRef, invalid_parameter, judge_name, live, no_secret, present, told};
use crate::engine::dues::DAY;
use crate::engine::keys::{DueKey, Happens};
use crate::engine::rows::{Json, Secret};
use crate::engine::state::Step;
use crate::fault::{Answer, Fault};
use crate::fields::{Fields, seconds};
use crate::service::Context;

const DAYS: std::ops::RangeInclusive<i64> = 7..=30;

pub(super) async fn delete_secret(context: &Context<'_>, mut fields: Fields) -> Answer {
    let id = fields.required("SecretId", &SECRET_ID);
    let days = fields.whole("RecoveryWindowInDays", i64::MIN, i64::MAX);
    let force = fields.flag("ForceDeleteWithoutRecovery").unwrap_or(false);
    fields.finish()?;
    if force && days.is_some() {
        return Err(invalid_parameter(
            "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
        ));
    }
    let days = days.unwrap_or(*DAYS.end());
    if !DAYS.contains(&days) {
        return Err(invalid_parameter(
            "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).",
        ));
    }
    let wanted = SecretRef::read(&id, context.place);
    judge_name(&wanted.name)?;
    let now = context.catalogue.clock.now();
    context
        .catalogue
        .change(&wanted.place, |state| {
            let found = wanted.find(state);
            if force {
                let mut answer = match found {
                    Some(kept) => told(kept, &wanted.place),
                    // The cloud answers as if it had been there.
                    None => absent(&wanted),
                };
                answer.insert("DeletionDate".to_owned(), seconds(now));
                let steps = found.map(|kept| kept.drop()).into_iter().collect();
                return Ok((Value::Object(answer), steps));
            }
            let kept = live(state, &wanted, now)?;
            let at = now.plus(DAY * u32::try_from(days).unwrap_or(30));
            let row = Secret {
                deletion: Some((now, at)),
                ..kept.row.clone()
            };
            let due = DueKey {
                at,
                place: wanted.place.clone(),
                what: Happens::DeleteSecret,
                name: row.name.clone(),
            };
            let mut answer = told(kept, &wanted.place);
            answer.insert("DeletionDate".to_owned(), seconds(at));
            let steps = vec![Step::PutSecret(row), Step::SetDue(due)];
            Ok((Value::Object(answer), steps))
        })
        .await
}

fn absent(wanted: &SecretRef) -> Json {
    let mut answer = Json::new();
    let arn = wanted
        .place
        .arn("secretsmanager", format!("secret:{}", wanted.name));
    answer.insert("ARN".to_owned(), arn.into());
    answer.insert("Name".to_owned(), wanted.name.as_str().into());
    answer
}

pub(super) async fn restore_secret(context: &Context<'_>, mut fields: Fields) -> Answer {
    let id = fields.required("SecretId", &SECRET_ID);
    fields.finish()?;
    let wanted = SecretRef::read(&id, context.place);
    let now = context.catalogue.clock.now();
    context
        .catalogue
        .change(&wanted.place, |state| {
            let kept = present(state, &wanted, now)?;
            let mut row = kept.row.clone();
            let mut steps = Vec::new();
            if let Some((_, at)) = row.deletion.take() {
                steps.push(Step::DropDue(DueKey {
                    at,
                    place: wanted.place.clone(),
                    what: Happens::DeleteSecret,
                    name: row.name.clone(),
                }));
            }
            steps.push(Step::PutSecret(row));
            Ok((Value::Object(told(kept, &wanted.place)), steps))
        })
        .await
}

/// Deletes a secret at once; one that is gone is no error.
pub(crate) async fn delete_now(
    catalogue: &crate::engine::catalogue::Catalogue,
    wanted: &SecretRef,
) -> Result<(), Fault> {
    let decide = |state: &crate::engine::state::State| match wanted.find(state) {
        Some(kept) => Ok(((), vec![kept.drop()])),
        None => Err(no_secret()),
    };
    match catalogue.change(&wanted.place, decide).await {
        Err(fault) if fault == no_secret() => Ok(()),
        done => done,
    }
}
