//! Keys: made, told, switched, deleted.

use std::sync::Arc;

use interfaces::authorize::Check;
use policy::Policy;
use serde_json::{Value, json};

use super::policies::{judge_lockout, read_policy};
use super::{KEY_ID, broken, edit, find, invalid_state, page_wanted, paged, tags};
use crate::engine::cipher::new_material;
use crate::engine::dues::DAY;
use crate::engine::keys::{DueKey, Happens, Place};
use crate::engine::lookup::FoundKey;
use crate::engine::rows::{Json, Key, Spec, Tags};
use crate::engine::state::Step;
use crate::fault::{Answer, Fault};
use crate::fields::{self, Fields, Text, page, seconds};
use crate::service::Context;

/// Keys of an account and region.
const KEYS_MAX: usize = 10_000;
const DESCRIPTION: Text = Text::long(0, 8_192);
const SPECS: Text = Text::one_of(&[
    "RSA_2048",
    "ECC_NIST_P384",
    "ECC_NIST_P256",
    "ECC_NIST_P521",
    "HMAC_384",
    "RSA_3072",
    "ECC_SECG_P256K1",
    "RSA_4096",
    "SYMMETRIC_DEFAULT",
    "HMAC_256",
    "HMAC_224",
    "HMAC_512",
]);
const USAGES: Text = Text::one_of(&["ENCRYPT_DECRYPT", "SIGN_VERIFY", "GENERATE_VERIFY_MAC"]);
const LATER: &[&str] = &[
    "KEY_AGREEMENT",
    "SM2",
    "ML_DSA_44",
    "ML_DSA_65",
    "ML_DSA_87",
    "ECC_NIST_EDWARDS25519",
];

/// A key as somebody wants it.
pub(crate) struct Wish {
    pub(crate) description: String,
    pub(crate) spec: Spec,
    pub(crate) policy: Option<String>,
    pub(crate) tags: Tags,
    pub(crate) multi_region: bool,
    pub(crate) enabled: bool,
    pub(crate) owner: Option<String>,
}

pub(super) async fn create_key(context: &Context<'_>, mut fields: Fields) -> Answer {
    fields.refuse("CreateKey", &["CustomKeyStoreId", "XksKeyId"])?;
    let description = fields.text("Description", &DESCRIPTION);
    let usage = judged(&mut fields, "KeyUsage", &USAGES)?;
    let spec = match judged(&mut fields, "KeySpec", &SPECS)? {
        Some(spec) => Some(spec),
        None => judged(&mut fields, "CustomerMasterKeySpec", &SPECS)?,
    };
    let origin = fields.text("Origin", &Text::long(1, 64));
    let policy = fields.text("Policy", &Text::long(1, 131_072));
    let bypass = fields.flag("BypassPolicyLockoutSafetyCheck");
    let multi_region = fields.flag("MultiRegion").unwrap_or(false);
    let tags = fields::tags(&mut fields, "TagKey", "TagValue").unwrap_or_default();
    fields.finish()?;
    let tags = tags::judge(&Tags::new(), tags)?;
    if origin.as_deref().is_some_and(|origin| origin != "AWS_KMS") {
        return Err(Fault::not_implemented(
            "CreateKey with another Origin than AWS_KMS",
        ));
    }
    let spec = spec_of(spec.as_deref(), usage.as_deref())?;
    if let Some(policy) = &policy {
        read_policy(policy)?;
        if bypass != Some(true) {
            judge_lockout(context, "*", policy)?;
        }
    }
    let wish = Wish {
        description: description.unwrap_or_default(),
        spec,
        policy,
        tags,
        multi_region,
        enabled: true,
        owner: None,
    };
    let found = make(context.catalogue, context.place, wish).await?;
    Ok(json!({"KeyMetadata": metadata(&found)}))
}

fn judged(fields: &mut Fields, name: &str, choices: &Text) -> Result<Option<String>, Fault> {
    let Some(given) = fields.take(name) else {
        return Ok(None);
    };
    let given = given.as_str().unwrap_or_default().to_owned();
    if LATER.contains(&given.as_str()) {
        return Err(Fault::not_implemented(&format!(
            "CreateKey with {name} {given}"
        )));
    }
    let path = match name {
        "KeyUsage" => "keyUsage",
        "KeySpec" => "keySpec",
        _ => "customerMasterKeySpec",
    };
    fields.judge(&given, path, choices);
    Ok(Some(given))
}

/// What keys are made of this, if they are.
pub(crate) fn spec_of(spec: Option<&str>, usage: Option<&str>) -> Result<Spec, Fault> {
    let told = spec.unwrap_or("SYMMETRIC_DEFAULT");
    let spec = match told {
        "SYMMETRIC_DEFAULT" => Spec::Symmetric,
        "HMAC_224" => Spec::Hmac224,
        "HMAC_256" => Spec::Hmac256,
        "HMAC_384" => Spec::Hmac384,
        "HMAC_512" => Spec::Hmac512,
        other => {
            let what = format!("CreateKey with KeySpec {other} (asymmetric keys come later)");
            return Err(Fault::not_implemented(&what));
        }
    };
    match usage {
        None if spec == Spec::Symmetric => Ok(spec),
        None => Err(Fault::validation(
            "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.",
        )),
        Some(usage) if usage == spec.usage() => Ok(spec),
        Some(usage) => Err(Fault::validation(format!(
            "KeyUsage {usage} is not compatible with KeySpec {told}"
        ))),
    }
}

/// Makes a key, or finds the one that was made for the same resource.
pub(crate) async fn make(
    catalogue: &crate::engine::catalogue::Catalogue,
    place: &Place,
    wish: Wish,
) -> Result<FoundKey, Fault> {
    let now = catalogue.clock.now();
    let root = catalogue.root().await.map_err(broken)?;
    let drawn = catalogue.random.request_id().to_string();
    let id = match wish.multi_region {
        true => format!("mrk-{}", drawn.replace('-', "")),
        false => drawn,
    };
    let material = new_material((root, &*catalogue.random), &id, wish.spec, now, false);
    let key = Key {
        description: wish.description,
        spec: wish.spec,
        materials: vec![material.map_err(broken)?],
        policy: wish.policy.unwrap_or_else(|| default_policy(place)),
        tags: wish.tags,
        enabled: wish.enabled,
        multi_region: wish.multi_region,
        created_at: now,
        deleted_at: None,
        rotation: None,
        managed_by: None,
        grants: Vec::new(),
        owner: wish.owner,
        id,
    };
    let made = catalogue
        .change(place, |state| {
            let mut all = state.keys.values();
            let is_there = |there: &&Arc<Key>| key.owner.is_some() && there.owner == key.owner;
            if let Some(there) = all.find(is_there) {
                return Ok((Arc::clone(there), Vec::new()));
            }
            if KEYS_MAX <= state.keys.len() {
                let message = "You have reached the maximum number of keys for this account.";
                return Err(Fault::new("LimitExceededException", message));
            }
            Ok((Arc::new(key.clone()), vec![Step::PutKey(key)]))
        })
        .await?;
    Ok(FoundKey {
        place: place.clone(),
        key: made,
    })
}

/// What a key has if nobody says otherwise: the account decides.
pub(crate) fn default_policy(place: &Place) -> String {
    json!({
        "Version": "2012-10-17",
        "Id": "key-default-1",
        "Statement": [{
            "Sid": "Enable IAM User Permissions",
            "Effect": "Allow",
            "Principal": {"AWS": format!("arn:aws:iam::{}:root", place.account)},
            "Action": "kms:*",
            "Resource": "*",
        }],
    })
    .to_string()
}

pub(super) async fn describe_key(context: &Context<'_>, mut fields: Fields) -> Answer {
    super::take_grant_tokens(&mut fields);
    let id = fields.required("KeyId", &KEY_ID);
    fields.finish()?;
    let found = find(context, &id).await?;
    Ok(json!({"KeyMetadata": metadata(&found)}))
}

pub(super) async fn list_keys(context: &Context<'_>, mut fields: Fields) -> Answer {
    let (marker, limit) = page_wanted(&mut fields, 100);
    fields.finish()?;
    let shelf = context.catalogue.shelf(context.place).await?;
    shelf.look(|state| {
        let told = state.keys.values().map(|key| {
            let told = json!({"KeyId": key.id, "KeyArn": key.arn(context.place)});
            (key.id.clone(), told)
        });
        let (listed, next) = page(told, marker.as_deref(), limit);
        Ok(paged("Keys", listed, next))
    })
}

pub(super) async fn update_key_description(context: &Context<'_>, mut fields: Fields) -> Answer {
    let id = fields.required("KeyId", &KEY_ID);
    let description = fields.required("Description", &DESCRIPTION);
    fields.finish()?;
    let found = find(context, &id).await?;
    edit(context, &found, |key| {
        key.description = description;
        Ok(Vec::new())
    })
    .await?;
    Ok(Value::Null)
}

#[expect(
    clippy::fn_params_excessive_bools,
    reason = "one fact that the name of the argument says"
)]
pub(super) async fn switch(context: &Context<'_>, mut fields: Fields, on: bool) -> Answer {
    let id = fields.required("KeyId", &KEY_ID);
    fields.finish()?;
    let found = find(context, &id).await?;
    edit(context, &found, |key| {
        if key.deleted_at.is_some() {
            return Err(invalid_state(format!(
                "{} is pending deletion.",
                found.arn()
            )));
        }
        key.enabled = on;
        Ok(Vec::new())
    })
    .await?;
    Ok(Value::Null)
}

pub(super) async fn schedule_key_deletion(context: &Context<'_>, mut fields: Fields) -> Answer {
    let id = fields.required("KeyId", &KEY_ID);
    let days = fields.whole("PendingWindowInDays", 7, 30).unwrap_or(30);
    fields.finish()?;
    let found = find(context, &id).await?;
    let at = schedule(context.catalogue, &found, days).await?;
    Ok(json!({
        "KeyId": found.arn(),
        "DeletionDate": seconds(at),
        "KeyState": "PendingDeletion",
        "PendingWindowInDays": days,
    }))
}

/// Says when a key is deleted.
pub(crate) async fn schedule(
    catalogue: &crate::engine::catalogue::Catalogue,
    found: &FoundKey,
    days: i64,
) -> Result<model::time::Timestamp, Fault> {
    let at = catalogue
        .clock
        .now()
        .plus(DAY * u32::try_from(days).unwrap_or(30));
    catalogue
        .change(&found.place, |state| {
            let there = state.keys.get(&found.key.id);
            let there = there.filter(|key| key.deleted_at.is_none());
            let Some(there) = there else {
                return Err(invalid_state(format!(
                    "{} is pending deletion.",
                    found.arn()
                )));
            };
            let key = Key {
                deleted_at: Some(at),
                enabled: false,
                ..Key::clone(there)
            };
            let due = due(found, at);
            Ok((at, vec![Step::PutKey(key), Step::SetDue(due)]))
        })
        .await
}

pub(super) async fn cancel_key_deletion(context: &Context<'_>, mut fields: Fields) -> Answer {
    let id = fields.required("KeyId", &KEY_ID);
    fields.finish()?;
    let found = find(context, &id).await?;
    edit(context, &found, |key| {
        let Some(at) = key.deleted_at.take() else {
            return Err(invalid_state(format!(
                "{} is not pending deletion.",
                found.arn()
            )));
        };
        Ok(vec![Step::DropDue(due(&found, at))])
    })
    .await?;
    Ok(json!({"KeyId": found.arn()}))
}

fn due(found: &FoundKey, at: model::time::Timestamp) -> DueKey {
    DueKey {
        at,
        place: found.place.clone(),
        what: Happens::DeleteKey,
        name: found.key.id.clone(),
    }
}

/// A key as the API tells it.
pub(crate) fn metadata(found: &FoundKey) -> Value {
    let key = &found.key;
    let arn = found.arn();
    let state = match (key.deleted_at, key.enabled) {
        (Some(_), _) => "PendingDeletion",
        (None, true) => "Enabled",
        (None, false) => "Disabled",
    };
    let told = json!({
        "AWSAccountId": found.place.account.as_str(),
        "KeyId": key.id,
        "Arn": arn,
        "CreationDate": seconds(key.created_at),
        "Enabled": state == "Enabled",
        "Description": key.description,
        "KeyUsage": key.spec.usage(),
        "KeyState": state,
        "Origin": "AWS_KMS",
        "KeyManager": if key.managed_by.is_some() { "AWS" } else { "CUSTOMER" },
        "CustomerMasterKeySpec": key.spec.told(),
        "KeySpec": key.spec.told(),
        "MultiRegion": key.multi_region,
    });
    let mut told = match told {
        Value::Object(told) => told,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Json::new()
        }
    };
    if let Some(at) = key.deleted_at {
        told.insert("DeletionDate".to_owned(), seconds(at));
    }
    if key.spec == Spec::Symmetric {
        told.insert(
            "EncryptionAlgorithms".to_owned(),
            json!(["SYMMETRIC_DEFAULT"]),
        );
        let current = key.materials.last().map(|material| material.id.as_str());
        told.insert("CurrentKeyMaterialId".to_owned(), current.into());
    } else {
        let algorithm = super::macs::algorithm(key.spec);
        told.insert("MacAlgorithms".to_owned(), json!([algorithm]));
    }
    if key.multi_region {
        let region = found.place.region.as_str();
        let configuration = json!({
            "MultiRegionKeyType": "PRIMARY",
            "PrimaryKey": {"Arn": arn, "Region": region},
            "ReplicaKeys": [],
        });
        told.insert("MultiRegionConfiguration".to_owned(), configuration);
    }
    Value::Object(told)
}

/// What using a key through a service asks for: of its policy alone.
pub(crate) fn check(found: &FoundKey, policy: Option<Arc<Policy>>, action: &str) -> Check {
    Check::new(action, found.arn(), &found.place.account)
        .with_policy(policy)
        .ruled_by_its_policy()
}
