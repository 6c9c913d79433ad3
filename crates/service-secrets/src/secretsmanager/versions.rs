//! Versions and their stages.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::values::{STAGE, VERSION_ID};
use super::{
    CURRENT, PREVIOUS, SECRET_ID, SecretRef, invalid, invalid_parameter, live, look, not_found,
    page_wanted, told,
};
use crate::engine::rows::{Json, Secret, SecretVersion};
use crate::engine::state::{KeptSecret, Step};
use crate::fault::{Answer, Fault};
use crate::fields::{Fields, insert_some, page, seconds};
use crate::service::Context;

pub(super) async fn update_secret_version_stage(
    context: &Context<'_>,
    mut fields: Fields,
) -> Answer {
    let id = fields.required("SecretId", &SECRET_ID);
    let stage = fields.required("VersionStage", &STAGE);
    let from = fields.text("RemoveFromVersionId", &VERSION_ID);
    let to = fields.text("MoveToVersionId", &VERSION_ID);
    fields.finish()?;
    let wanted = SecretRef::read(&id, context.place);
    let now = context.catalogue.clock.now();
    context
        .catalogue
        .change(&wanted.place, |state| {
            let kept = live(state, &wanted, now)?;
            judge(kept, &stage, from.as_deref(), to.as_deref())?;
            let name = &kept.row.name;
            let mut steps = Vec::new();
            for there in kept.versions.values() {
                let mut stages: BTreeSet<String> = there.stages.clone();
                let is_target = to.as_ref() == Some(&there.id);
                if is_target {
                    stages.insert(stage.clone());
                } else {
                    stages.remove(&stage);
                }
                if stage == CURRENT && to.is_some() && !is_target {
                    stages.remove(PREVIOUS);
                    if there.stages.contains(CURRENT) {
                        stages.insert(PREVIOUS.to_owned());
                    }
                }
                if stages != there.stages {
                    let moved = SecretVersion {
                        stages,
                        ..there.clone()
                    };
                    steps.push(Step::PutSecretVersion(name.clone(), moved));
                }
            }
            steps.push(Step::PutSecret(Secret {
                changed_at: now,
                ..kept.row.clone()
            }));
            Ok((Value::Object(told(kept, &wanted.place)), steps))
        })
        .await
}

fn judge(
    kept: &KeptSecret,
    stage: &str,
    from: Option<&str>,
    to: Option<&str>,
) -> Result<(), Fault> {
    for id in from.iter().chain(&to) {
        if !kept.versions.contains_key(*id) {
            return Err(not_found(format!(
                "Secrets Manager can't find the specified secret value for VersionId: {id}"
            )));
        }
    }
    let holder = kept.staged(stage).map(|version| version.id.as_str());
    if from.is_some() && from != holder {
        return Err(invalid_parameter(format!(
            "The RemoveFromVersionId parameter specifies a version that {stage} is not attached to."
        )));
    }
    if from.is_none() && holder.is_some() && to != holder {
        return Err(invalid_parameter(format!(
            "The parameter RemoveFromVersionId can't be empty. Staging label {stage} is currently attached to version {}, so you must explicitly reference that version in RemoveFromVersionId.",
            holder.unwrap_or_default()
        )));
    }
    if stage == CURRENT && to.is_none() {
        return Err(invalid(
            "You can't remove AWSCURRENT from a version without moving it to another.",
        ));
    }
    Ok(())
}

pub(super) async fn list_secret_version_ids(context: &Context<'_>, mut fields: Fields) -> Answer {
    let id = fields.required("SecretId", &SECRET_ID);
    let all = fields.flag("IncludeDeprecated").unwrap_or(false);
    let (token, limit) = page_wanted(&mut fields, 100);
    fields.finish()?;
    look(context, &id, |kept, place| {
        let versions = kept.versions.values();
        let mut shown: Vec<(String, Value)> = versions
            .filter(|version| all || !version.stages.is_empty())
            .map(|version| {
                let at = version.created_at.epoch_us();
                (format!("{at:020}/{}", version.id), entry(version))
            })
            .collect();
        shown.sort_by(|one, other| one.0.cmp(&other.0));
        let (listed, next) = page(shown.into_iter(), token.as_deref(), limit);
        let mut answer = told(kept, place);
        answer.insert("Versions".to_owned(), listed.into());
        insert_some(&mut answer, "NextToken", next);
        Ok(Value::Object(answer))
    })
    .await
}

fn entry(version: &SecretVersion) -> Value {
    let mut shown = Json::new();
    shown.insert("VersionId".to_owned(), version.id.as_str().into());
    let stages = (!version.stages.is_empty()).then(|| json!(version.stages));
    insert_some(&mut shown, "VersionStages", stages);
    insert_some(
        &mut shown,
        "LastAccessedDate",
        version.accessed_at.map(seconds),
    );
    shown.insert("CreatedDate".to_owned(), seconds(version.created_at));
    let key = version.key.as_deref().unwrap_or("DefaultEncryptionKey");
    shown.insert("KmsKeyIds".to_owned(), json!([key]));
    Value::Object(shown)
}
