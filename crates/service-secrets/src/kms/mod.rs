//! The API of KMS.
//!
//! Lives here: which operation a request names, finding the key that it means, one file for each kind of thing.
//! Does not live here: what keys do to bytes (`engine::cipher`).
//!
//! Contract: AWS Key Management Service API Reference. Keys are symmetric, or for message authentication codes; those that
//! sign, agree or encrypt asymmetrically come later.

mod aliases;
mod bytes;
pub(crate) mod checks;
mod grants;
pub(crate) mod keys;
mod macs;
mod policies;
mod rotation;
mod tags;

use model::arn::Arn;
use serde_json::Value;

use crate::engine::catalogue::Error;
use crate::engine::cipher;
use crate::engine::lookup::{FoundKey, KeyRef};
use crate::fault::{Answer, Fault};
use crate::fields::{Fields, Text};
use crate::service::Context;

pub(crate) use aliases::{Wish as AliasWish, judge as judge_alias, put as put_alias};
pub(crate) use checks::checks;
pub(crate) use policies::read_policy;
pub(crate) use rotation::{USUAL_DAYS, turn_off, turn_on};

/// The operations that are carried out, and those that are refused by name.
pub(crate) const SUPPORTED: &[&str] = &[
    "CancelKeyDeletion",
    "CreateAlias",
    "CreateGrant",
    "CreateKey",
    "Decrypt",
    "DeleteAlias",
    "DescribeKey",
    "DisableKey",
    "DisableKeyRotation",
    "EnableKey",
    "EnableKeyRotation",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "GenerateMac",
    "GenerateRandom",
    "GetKeyPolicy",
    "GetKeyRotationStatus",
    "ListAliases",
    "ListGrants",
    "ListKeyPolicies",
    "ListKeyRotations",
    "ListKeys",
    "ListResourceTags",
    "ListRetirableGrants",
    "PutKeyPolicy",
    "ReEncrypt",
    "RetireGrant",
    "RevokeGrant",
    "RotateKeyOnDemand",
    "ScheduleKeyDeletion",
    "TagResource",
    "UntagResource",
    "UpdateAlias",
    "UpdateKeyDescription",
    "VerifyMac",
];

/// Refused by name: asymmetric keys, imported material, replicas and key stores come later.
pub(crate) const NOT_IMPLEMENTED: &[&str] = &[
    "ConnectCustomKeyStore",
    "Decapsulate",
    "Encapsulate",
    "GetKeyLastUsage",
    "CreateCustomKeyStore",
    "DeleteCustomKeyStore",
    "DeleteImportedKeyMaterial",
    "DeriveSharedSecret",
    "DescribeCustomKeyStores",
    "DisconnectCustomKeyStore",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
    "GetParametersForImport",
    "GetPublicKey",
    "ImportKeyMaterial",
    "ReplicateKey",
    "Sign",
    "UpdateCustomKeyStore",
    "UpdatePrimaryRegion",
    "Verify",
];

/// Ids and ARNs of keys and aliases.
const KEY_ID: Text = Text::long(1, 2_048);
const PAGE_MAX: i64 = 1_000;

pub(crate) async fn run(context: &Context<'_>, operation: &str) -> Answer {
    let fields = Fields::of_body(&context.call.body)?;
    match operation {
        "CreateKey" => keys::create_key(context, fields).await,
        "DescribeKey" => keys::describe_key(context, fields).await,
        "ListKeys" => keys::list_keys(context, fields).await,
        "UpdateKeyDescription" => keys::update_key_description(context, fields).await,
        "EnableKey" => keys::switch(context, fields, true).await,
        "DisableKey" => keys::switch(context, fields, false).await,
        "ScheduleKeyDeletion" => keys::schedule_key_deletion(context, fields).await,
        "CancelKeyDeletion" => keys::cancel_key_deletion(context, fields).await,
        "CreateAlias" => aliases::create_alias(context, fields).await,
        "UpdateAlias" => aliases::update_alias(context, fields).await,
        "DeleteAlias" => aliases::delete_alias(context, fields).await,
        "ListAliases" => aliases::list_aliases(context, fields).await,
        "Encrypt" => bytes::encrypt(context, fields).await,
        "Decrypt" => bytes::decrypt(context, fields).await,
        "ReEncrypt" => bytes::re_encrypt(context, fields).await,
        "GenerateDataKey" => bytes::generate_data_key(context, fields, true).await,
        "GenerateDataKeyWithoutPlaintext" => bytes::generate_data_key(context, fields, false).await,
        "GenerateRandom" => bytes::generate_random(context, fields),
        "GenerateMac" => macs::generate_mac(context, fields).await,
        "VerifyMac" => macs::verify_mac(context, fields).await,
        "GetKeyPolicy" => policies::get_key_policy(context, fields).await,
        "PutKeyPolicy" => policies::put_key_policy(context, fields).await,
        "ListKeyPolicies" => policies::list_key_policies(context, fields).await,
        "CreateGrant" => grants::create_grant(context, fields).await,
        "ListGrants" => grants::list_grants(context, fields).await,
        "ListRetirableGrants" => grants::list_retirable_grants(context, fields).await,
        "RetireGrant" => grants::retire_grant(context, fields).await,
        "RevokeGrant" => grants::revoke_grant(context, fields).await,
        "EnableKeyRotation" => rotation::enable(context, fields).await,
        "DisableKeyRotation" => rotation::disable(context, fields).await,
        "GetKeyRotationStatus" => rotation::status(context, fields).await,
        "ListKeyRotations" => rotation::list(context, fields).await,
        "RotateKeyOnDemand" => rotation::rotate_now(context, fields).await,
        "TagResource" => tags::tag_resource(context, fields).await,
        "UntagResource" => tags::untag_resource(context, fields).await,
        "ListResourceTags" => tags::list_resource_tags(context, fields).await,
        name if NOT_IMPLEMENTED.contains(&name) => {
            Err(Fault::not_implemented(&format!("the operation {name}")))
        }
        name => Err(Fault::unknown_operation(name)),
    }
}

/// A key that has to be there.
pub(crate) async fn find(context: &Context<'_>, given: &str) -> Result<FoundKey, Fault> {
    let wanted = KeyRef::read(given, context.place);
    let is_elsewhere = wanted.place.region != context.place.region;
    if is_elsewhere && Arn::parse(given).is_ok() {
        return Err(not_found(format!("Invalid arn {}", wanted.place.region)));
    }
    match context.catalogue.key(&wanted).await? {
        Some(found) => Ok(found),
        None => Err(missing(&wanted)),
    }
}

/// What is said of a key that is not there.
pub(crate) fn missing(wanted: &KeyRef) -> Fault {
    let arn = wanted.arn();
    not_found(if wanted.name.starts_with("alias/") {
        format!("Alias {arn} is not found.")
    } else if is_id(&wanted.name) {
        format!("Key '{arn}' does not exist")
    } else {
        format!("Invalid keyId '{}'", wanted.name)
    })
}

fn not_found(message: String) -> Fault {
    Fault::new("NotFoundException", message)
}

fn invalid_state(message: String) -> Fault {
    Fault::new("KMSInvalidStateException", message)
}

/// A UUID, or `mrk-` and its digits.
fn is_id(name: &str) -> bool {
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if let Some(digits) = name.strip_prefix("mrk-") {
        return digits.len() == 32 && is_hex(digits);
    }
    let parts: Vec<&str> = name.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    lengths == [8, 4, 4, 4, 12] && parts.iter().all(|part| is_hex(part))
}

/// Refuses a key that is not to be used now, or not for this.
pub(crate) fn judge_use(found: &FoundKey, usage: &str, operation: &str) -> Result<(), Fault> {
    let arn = found.arn();
    if found.key.deleted_at.is_some() {
        return Err(invalid_state(format!("{arn} is pending deletion.")));
    }
    if !found.key.enabled {
        return Err(Fault::new(
            "DisabledException",
            format!("{arn} is disabled."),
        ));
    }
    let has = found.key.spec.usage();
    if has != usage {
        let message = format!("{arn} key usage is {has} which is not valid for {operation}.");
        return Err(Fault::new("InvalidKeyUsageException", message));
    }
    Ok(())
}

/// Takes `EncryptionContext`.
fn encryption_context(fields: &mut Fields, name: &str) -> cipher::Context {
    let given = fields.take(name);
    let members = given.as_ref().and_then(Value::as_object);
    let pairs = members.into_iter().flatten();
    pairs
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

/// Takes what is there for keys elsewhere. Grants hold at once here, so that their tokens say nothing new.
fn take_grant_tokens(fields: &mut Fields) {
    fields.take("GrantTokens");
}

/// Ends what would have been done.
fn end_dry_run(is_dry: Option<bool>) -> Result<(), Fault> {
    match is_dry {
        Some(true) => Err(Fault::new(
            "DryRunOperationException",
            "The request would have succeeded, but the DryRun option is set.",
        )),
        Some(false) | None => Ok(()),
    }
}

/// Tells a page.
fn paged(name: &str, listed: Vec<Value>, marker: Option<String>) -> Value {
    let mut answer = crate::engine::rows::Json::new();
    answer.insert(name.to_owned(), Value::Array(listed));
    answer.insert("Truncated".to_owned(), marker.is_some().into());
    if let Some(marker) = marker {
        answer.insert("NextMarker".to_owned(), marker.into());
    }
    Value::Object(answer)
}

/// Takes `Limit` and `Marker`.
fn page_wanted(fields: &mut Fields, usual: i64) -> (Option<String>, usize) {
    let limit = fields.whole("Limit", 1, PAGE_MAX).unwrap_or(usual);
    let marker = fields.text("Marker", &Text::long(1, 1_024));
    (marker, usize::try_from(limit).unwrap_or(1))
}

/// Changes a key of this account and region.
async fn edit(
    context: &Context<'_>,
    found: &FoundKey,
    edit: impl FnOnce(&mut crate::engine::rows::Key) -> Result<Vec<crate::engine::state::Step>, Fault>,
) -> Result<(), Fault> {
    context
        .catalogue
        .change(&found.place, |state| {
            let there = state.keys.get(&found.key.id);
            let there =
                there.ok_or_else(|| not_found(format!("Key '{}' does not exist", found.arn())))?;
            let mut key = crate::engine::rows::Key::clone(there);
            let mut steps = edit(&mut key)?;
            steps.push(crate::engine::state::Step::PutKey(key));
            Ok(((), steps))
        })
        .await
}

/// The sealed parts of a key do not open: told as KMS tells what went wrong inside.
fn broken(error: Error) -> Fault {
    let fault = Fault::from(error);
    Fault {
        code: "KMSInternalException",
        ..fault
    }
}
