//! What a request would do, and to what.
//!
//! Contract: Service Authorization Reference, "Actions, resources, and condition keys for AWS Secrets Manager".

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use interfaces::authorize::Check;
use interfaces::service::ServiceCall;

use super::{SecretRef, arn_of};
use crate::engine::catalogue::Catalogue;
use crate::engine::cipher::{Blob, Context as Belongs};
use crate::engine::keys::Place;
use crate::engine::lookup::KeyRef;
use crate::engine::rows::SecretVersion;
use crate::engine::state::KeptSecret;
use crate::fields::Asked;
use crate::kms::checks::check_through;

/// About no secret.
const OF_NOTHING: &[&str] = &["BatchGetSecretValue", "GetRandomPassword", "ListSecrets"];

pub(crate) async fn checks(
    catalogue: &Catalogue,
    place: &Place,
    operation: &str,
    call: &ServiceCall,
) -> Vec<Check> {
    let known = super::SUPPORTED.contains(&operation) || operation == "RotateSecret";
    if !known {
        return Vec::new();
    }
    let action = format!("secretsmanager:{operation}");
    if OF_NOTHING.contains(&operation) {
        return vec![Check::new(action, "*", &place.account)];
    }
    let asked = Asked::read(&call.body);
    let id = match operation {
        // An ARN would mean another secret here than the one that is made.
        "CreateSecret" => asked
            .named("Name")
            .filter(|name| !SecretRef::read(name, place).is_arn),
        _ => asked.named("SecretId"),
    };
    let Some(id) = id else {
        let resource = match operation {
            "ValidateResourcePolicy" => "*".to_owned(),
            _ => place.arn("secretsmanager", "*"),
        };
        return vec![Check::new(action, resource, &place.account)];
    };
    let (mut check, key) = of_secret(catalogue, place, &action, &id).await;
    tell(&mut check, &asked);
    let mut checks = vec![check];
    if operation == "CreateSecret" && asked.get("Tags").is_some() {
        let (tagging, _) = of_secret(catalogue, place, "secretsmanager:TagResource", &id).await;
        checks.push(tagging);
    }
    let is_given = asked.get("SecretString").is_some() || asked.get("SecretBinary").is_some();
    let wanted = SecretRef::read(&id, place);
    let new_key = match operation {
        "CreateSecret" => asked.named("KmsKeyId").map(|key| (key, place)),
        "UpdateSecret" => asked.named("KmsKeyId").map(|key| (key, &wanted.place)),
        _ => None,
    };
    let new_key = new_key.map(|(key, place)| KeyRef::read(&key, place));
    let through = (catalogue, place, call);
    let writing: &[&str] = &["kms:Decrypt", "kms:GenerateDataKey"];
    match operation {
        "GetSecretValue" => {
            let (version, stage) = (asked.text("VersionId"), asked.text("VersionStage"));
            let which = |kept: &KeptSecret| one(kept, version.as_deref(), stage.as_deref());
            checks.extend(opening(through, &id, which).await);
        }
        "UpdateSecret" if asked.get("KmsKeyId").is_some() => {
            checks.extend(opening(through, &id, every).await);
            if let Some(key) = new_key {
                checks.extend(using(through, &key, (writing, &id)).await);
            }
        }
        "CreateSecret" | "PutSecretValue" | "UpdateSecret" if is_given => {
            if let Some(key) = new_key.or(key) {
                checks.extend(using(through, &key, (writing, &id)).await);
            }
        }
        _ => {}
    }
    checks
}

/// Sets the condition keys that are members of the request.
fn tell(check: &mut Check, asked: &Asked) {
    for name in [
        "Name",
        "Description",
        "KmsKeyId",
        "VersionId",
        "VersionStage",
    ] {
        if let Some(value) = asked.text(name) {
            check.context.set(&format!("secretsmanager:{name}"), value);
        }
    }
    for name in [
        "ForceDeleteWithoutRecovery",
        "BlockPublicPolicy",
        "RecoveryWindowInDays",
    ] {
        let value = asked.get(name).filter(|value| !value.is_string());
        if let Some(value) = value {
            let key = format!("secretsmanager:{name}");
            check.context.set(&key, value.to_string());
        }
    }
}

/// Where a request goes: the state, its place, and the request.
type Through<'t> = (&'t Catalogue, &'t Place, &'t ServiceCall);

/// Reading one secret of several, or through another service: id, version and stage.
pub(crate) async fn reading(
    catalogue: &Catalogue,
    place: &Place,
    (id, version, stage): (&str, Option<&str>, Option<&str>),
    call: &ServiceCall,
) -> Vec<Check> {
    let (check, _) = of_secret(catalogue, place, "secretsmanager:GetSecretValue", id).await;
    let mut checks = vec![check];
    let which = |kept: &KeptSecret| one(kept, version, stage);
    checks.extend(opening((catalogue, place, call), id, which).await);
    checks
}

/// The key of the version that is chosen.
fn one(kept: &KeptSecret, version: Option<&str>, stage: Option<&str>) -> BTreeSet<String> {
    let chosen = super::chosen(kept, version, stage).ok();
    chosen.and_then(sealed_by).into_iter().collect()
}

/// The keys of all versions.
fn every(kept: &KeptSecret) -> BTreeSet<String> {
    kept.versions.values().filter_map(sealed_by).collect()
}

/// The customer's key that a version is opened with, whatever an alias has led to since.
fn sealed_by(version: &SecretVersion) -> Option<String> {
    version.key.as_ref()?;
    let bytes = STANDARD.decode(&version.value).ok()?;
    Some(Blob::read(&bytes)?.arn.to_owned())
}

/// Opening versions of a secret.
async fn opening(
    through: Through<'_>,
    id: &str,
    which: impl FnOnce(&KeptSecret) -> BTreeSet<String>,
) -> Vec<Check> {
    let (catalogue, place, _) = through;
    let wanted = SecretRef::read(id, place);
    let Ok(shelf) = catalogue.shelf(&wanted.place).await else {
        return Vec::new();
    };
    let keys = shelf.look(|state| wanted.find(state).map(which));
    let mut checks = Vec::new();
    for key in keys.unwrap_or_default() {
        let key = KeyRef::read(&key, &wanted.place);
        checks.extend(using(through, &key, (&["kms:Decrypt"], id)).await);
    }
    checks
}

/// Using a customer's key. That of the service lets in whoever may have the secret.
async fn using(
    (catalogue, place, call): Through<'_>,
    key: &KeyRef,
    (actions, id): (&[&str], &str),
) -> Vec<Check> {
    let wanted = SecretRef::read(id, place);
    let mut belongs = Belongs::new();
    if let Ok(shelf) = catalogue.shelf(&wanted.place).await
        && let Some(arn) = shelf.look(|state| Some(wanted.find(state)?.arn(&wanted.place)))
    {
        belongs.insert("SecretARN".to_owned(), arn);
    }
    let mut checks = Vec::new();
    for action in actions {
        let through = ("secretsmanager", place, call);
        checks.push(check_through(catalogue, key, action, &belongs, through).await);
    }
    checks
}

/// The check of a secret, and the customer's key that seals it.
async fn of_secret(
    catalogue: &Catalogue,
    place: &Place,
    action: &str,
    id: &str,
) -> (Check, Option<KeyRef>) {
    let wanted = SecretRef::read(id, place);
    let account = &wanted.place.account;
    let Ok(shelf) = catalogue.shelf(&wanted.place).await else {
        return (Check::new(action, arn_of(None, &wanted), account), None);
    };
    shelf.look(|state| {
        let kept = wanted.find(state);
        let mut check = Check::new(action, arn_of(kept, &wanted), account);
        if let Some(kept) = kept {
            check = check.with_policy(kept.policy.clone());
            for (key, value) in kept.row.tags.iter().flatten() {
                let name = format!("secretsmanager:ResourceTag/{key}");
                check.context.set(&name, value.as_str());
                check
                    .context
                    .set(&format!("aws:ResourceTag/{key}"), value.as_str());
            }
            check
                .context
                .set("secretsmanager:SecretId", kept.arn(&wanted.place));
        } else {
            check.context.set("secretsmanager:SecretId", id);
        }
        let key = kept.and_then(|kept| kept.row.key.as_deref());
        (check, key.map(|key| KeyRef::read(key, &wanted.place)))
    })
}
