//! What a request would do, and to what.
//!
//! Contract: Service Authorization Reference, "Actions, resources, and condition keys for AWS Secrets Manager".

use interfaces::authorize::Check;
use interfaces::service::ServiceCall;
use serde_json::Value;

use super::{SecretRef, arn_of};
use crate::engine::catalogue::Catalogue;
use crate::engine::cipher::Context as Belongs;
use crate::engine::keys::Place;
use crate::engine::lookup::KeyRef;
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
    let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    let member = |name: &str| body.get(name).and_then(Value::as_str);
    let id = match operation {
        "CreateSecret" => member("Name"),
        _ => member("SecretId"),
    };
    if id.is_none() && operation == "ValidateResourcePolicy" {
        return vec![Check::new(action, "*", &place.account)];
    }
    let id = id.unwrap_or_default();
    let (mut check, key) = of_secret(catalogue, place, &action, id).await;
    for (key, name) in [
        ("secretsmanager:Name", "Name"),
        ("secretsmanager:Description", "Description"),
        ("secretsmanager:KmsKeyId", "KmsKeyId"),
        ("secretsmanager:VersionId", "VersionId"),
        ("secretsmanager:VersionStage", "VersionStage"),
    ] {
        if let Some(value) = member(name) {
            check.context.set(key, value);
        }
    }
    for name in [
        "ForceDeleteWithoutRecovery",
        "BlockPublicPolicy",
        "RecoveryWindowInDays",
    ] {
        if let Some(value) = body.get(name) {
            let key = format!("secretsmanager:{name}");
            check.context.set(&key, value.to_string());
        }
    }
    let mut checks = vec![check];
    if operation == "CreateSecret" && body.get("Tags").is_some() {
        let (tagging, _) = of_secret(catalogue, place, "secretsmanager:TagResource", id).await;
        checks.push(tagging);
    }
    let is_given = body.get("SecretString").is_some() || body.get("SecretBinary").is_some();
    let key = match member("KmsKeyId").filter(|key| !key.is_empty()) {
        Some(key) => Some(KeyRef::read(key, place)),
        None => key,
    };
    let uses: &[&str] = match operation {
        "GetSecretValue" => &["kms:Decrypt"],
        "CreateSecret" | "PutSecretValue" | "UpdateSecret" if is_given => {
            &["kms:Decrypt", "kms:GenerateDataKey"]
        }
        "UpdateSecret" if member("KmsKeyId").is_some() => &["kms:Decrypt", "kms:GenerateDataKey"],
        _ => &[],
    };
    if let Some(key) = key {
        checks.extend(using(catalogue, place, call, &key, (uses, id)).await);
    }
    checks
}

/// Reading one secret of several.
pub(super) async fn reading(
    catalogue: &Catalogue,
    place: &Place,
    id: &str,
    call: &ServiceCall,
) -> Vec<Check> {
    let (check, key) = of_secret(catalogue, place, "secretsmanager:GetSecretValue", id).await;
    let mut checks = vec![check];
    if let Some(key) = key {
        let uses: &[&str] = &["kms:Decrypt"];
        checks.extend(using(catalogue, place, call, &key, (uses, id)).await);
    }
    checks
}

/// Using a customer's key. That of the service lets in whoever may have the secret.
async fn using(
    catalogue: &Catalogue,
    place: &Place,
    call: &ServiceCall,
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
pub(crate) async fn of_secret(
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
