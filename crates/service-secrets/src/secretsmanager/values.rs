//! Values of secrets: sealed, opened, told.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use interfaces::authorize::Check;
use model::time::Timestamp;
use serde_json::{Value, json};

use super::{
    CURRENT, NO_TOKEN, PENDING, PREVIOUS, SECRET_ID, SecretRef, TOKEN, filters, invalid,
    invalid_parameter, live, not_found, page_wanted, told,
};
use crate::engine::catalogue::{Catalogue, Error};
use crate::engine::cipher::{Blob, Context as Belongs};
use crate::engine::dues::DAY;
use crate::engine::keys::Place;
use crate::engine::lookup::{FoundKey, KeyRef};
use crate::engine::rows::{Secret, SecretVersion};
use crate::engine::state::{KeptSecret, State, Step};
use crate::fault::{Answer, Fault};
use crate::fields::{Fields, Text, insert_some, page, seconds};
use crate::kms;
use crate::service::Context;

/// Bytes of a value.
const VALUE_MAX: usize = 65_536;
/// Versions without a stage that are kept.
const UNSTAGED_MAX: usize = 100;
const STAGES_MAX: usize = 20;
pub(super) const STAGE: Text = Text::long(1, 256);
pub(super) const VERSION_ID: Text = Text::long(32, 64);

/// A value, open.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Plain {
    pub(crate) bytes: Vec<u8>,
    pub(crate) is_binary: bool,
}

/// A value that somebody gives, and what it is to be called.
pub(crate) struct Given {
    pub(crate) plain: Plain,
    pub(crate) version: String,
    pub(crate) stages: BTreeSet<String>,
}

/// Takes `SecretString` or `SecretBinary`.
pub(super) fn take_plain(fields: &mut Fields) -> Result<Option<Plain>, Fault> {
    let text = fields.take("SecretString");
    let text = text.as_ref().and_then(Value::as_str).map(str::to_owned);
    let bytes = fields.bytes("SecretBinary")?;
    let plain = match (text, bytes) {
        (Some(_), Some(_)) => {
            return Err(invalid_parameter(
                "You can't specify both a binary secret value and a string secret value in the same secret.",
            ));
        }
        (Some(text), None) => Plain {
            bytes: text.into_bytes(),
            is_binary: false,
        },
        (None, Some(bytes)) => Plain {
            bytes,
            is_binary: true,
        },
        (None, None) => return Ok(None),
    };
    if VALUE_MAX < plain.bytes.len() {
        return Err(invalid_parameter(format!(
            "The secret value is too long: at most {VALUE_MAX} bytes."
        )));
    }
    Ok(Some(plain))
}

/// Takes `ClientRequestToken`, which the clients of the cloud always send.
pub(super) fn take_token(fields: &mut Fields) -> Result<String, Fault> {
    match fields.text("ClientRequestToken", &TOKEN) {
        Some(token) => Ok(token),
        None => Err(invalid(NO_TOKEN)),
    }
}

/// The key that values of a secret are sealed by.
pub(super) fn key_of(named: Option<&str>, place: &Place) -> KeyRef {
    named.map_or_else(
        || KeyRef::managed("secretsmanager", place),
        |key| KeyRef::read(key, place),
    )
}

fn belongs(secret: &Secret, version: &str, place: &Place) -> Belongs {
    Belongs::from([
        ("SecretARN".to_owned(), secret.arn(place)),
        ("SecretVersionId".to_owned(), version.to_owned()),
    ])
}

/// A key that is there, and may be used now.
pub(super) async fn usable(
    catalogue: &Catalogue,
    wanted: &KeyRef,
    code: &'static str,
) -> Result<FoundKey, Fault> {
    let found = catalogue.key(wanted).await?;
    let found = found.ok_or_else(|| Fault::new(code, kms::missing(wanted).message))?;
    let judged = kms::judge_use(&found, "ENCRYPT_DECRYPT", "GenerateDataKey");
    judged.map_err(|fault| Fault::new(code, fault.message))?;
    Ok(found)
}

/// Seals a value.
pub(super) async fn sealed(
    catalogue: &Catalogue,
    by: &FoundKey,
    (secret, version, place): (&Secret, &str, &Place),
    plain: &[u8],
) -> Result<String, Error> {
    let root = catalogue.root().await?;
    let belongs = belongs(secret, version, place);
    let with = (root, &*catalogue.random);
    let blob = by.key.encrypt(with, &by.place, &belongs, plain)?;
    Ok(STANDARD.encode(blob))
}

/// Opens the value of a version.
pub(crate) async fn opened(
    catalogue: &Catalogue,
    secret: &Secret,
    place: &Place,
    version: &SecretVersion,
) -> Result<Plain, Fault> {
    let bytes = STANDARD.decode(&version.value).unwrap_or_default();
    let blob = Blob::read(&bytes).ok_or(Error::Sealed)?;
    let wanted = KeyRef::read(blob.arn, place);
    let by = usable(catalogue, &wanted, "DecryptionFailure").await?;
    let root = catalogue.root().await?;
    let belongs = belongs(secret, &version.id, place);
    let plain = by.key.decrypt(root, &blob, &belongs)?;
    Ok(Plain {
        bytes: plain.ok_or(Error::Sealed)?,
        is_binary: version.is_binary,
    })
}

pub(super) async fn put_secret_value(context: &Context<'_>, mut fields: Fields) -> Answer {
    fields.refuse("PutSecretValue", &["RotationToken"])?;
    let id = fields.required("SecretId", &SECRET_ID);
    let version = take_token(&mut fields)?;
    let plain = take_plain(&mut fields)?;
    let stages = fields.texts("VersionStages");
    fields.finish()?;
    let Some(plain) = plain else {
        let message = "You must provide either SecretString or SecretBinary.";
        return Err(invalid(message));
    };
    let stages = stages.map_or_else(|| BTreeSet::from([CURRENT.to_owned()]), BTreeSet::from_iter);
    if stages.is_empty() || STAGES_MAX < stages.len() {
        let message = format!("A version has one to {STAGES_MAX} staging labels.");
        return Err(invalid_parameter(message));
    }
    let wanted = SecretRef::read(&id, context.place);
    let given = Given {
        plain,
        version,
        stages,
    };
    refuse_default_key(context, &wanted).await?;
    let kept = put_value(context.catalogue, &wanted, given).await?;
    let mut answer = told(&kept.0, &wanted.place);
    answer.insert("VersionId".to_owned(), kept.1.id.as_str().into());
    answer.insert("VersionStages".to_owned(), json!(kept.1.stages));
    Ok(Value::Object(answer))
}

/// Another account cannot use the key that is the service's own.
pub(super) async fn refuse_default_key(
    context: &Context<'_>,
    wanted: &SecretRef,
) -> Result<(), Fault> {
    if wanted.place.account == *context.call.caller.account() {
        return Ok(());
    }
    let now = context.catalogue.clock.now();
    let shelf = context.catalogue.shelf(&wanted.place).await?;
    shelf.look(|state| match live(state, wanted, now)?.row.key {
        Some(_) => Ok(()),
        None => Err(invalid(
            "You can't access a secret from a different AWS account if you encrypt the secret with the default KMS service key.",
        )),
    })
}

/// Gives a secret a new value; the same one under the same token is given once.
pub(crate) async fn put_value(
    catalogue: &Catalogue,
    wanted: &SecretRef,
    given: Given,
) -> Result<(KeptSecret, SecretVersion), Fault> {
    let now = catalogue.clock.now();
    let shelf = catalogue.shelf(&wanted.place).await?;
    let kept = shelf.look(|state| live(state, wanted, now).cloned())?;
    if let Some(there) = kept.versions.get(&given.version) {
        let plain = opened(catalogue, &kept.row, &wanted.place, there).await?;
        if plain != given.plain {
            let message = "You can't use ClientRequestToken with a different secret value: a version with this ID exists.";
            return Err(Fault::new("ResourceExistsException", message));
        }
        return Ok((kept.clone(), there.clone()));
    }
    let key = key_of(kept.row.key.as_deref(), &wanted.place);
    let by = usable(catalogue, &key, "EncryptionFailure").await?;
    let about = (&kept.row, given.version.as_str(), &wanted.place);
    let value = sealed(catalogue, &by, about, &given.plain.bytes).await?;
    let version = SecretVersion {
        id: given.version,
        value,
        is_binary: given.plain.is_binary,
        key: kept.row.key.clone(),
        stages: given.stages,
        created_at: now,
        accessed_at: None,
    };
    catalogue
        .change(&wanted.place, |state| {
            let kept = live(state, wanted, now)?;
            let mut version = version;
            if kept.staged(CURRENT).is_none() {
                version.stages.insert(CURRENT.to_owned());
            }
            let mut steps = steps_of(kept, &version, now);
            let row = Secret {
                changed_at: now,
                ..kept.row.clone()
            };
            steps.push(Step::PutSecret(row));
            Ok(((kept.clone(), version), steps))
        })
        .await
}

/// A new version, and what its stages take from others.
fn steps_of(kept: &KeptSecret, version: &SecretVersion, _now: Timestamp) -> Vec<Step> {
    let name = &kept.row.name;
    let mut steps = Vec::new();
    let mut unstaged = Vec::new();
    let moves_current = version.stages.contains(CURRENT);
    for there in kept.versions.values() {
        let mut stages: BTreeSet<String> = &there.stages - &version.stages;
        if moves_current {
            stages.remove(PREVIOUS);
            if there.stages.contains(CURRENT) {
                stages.insert(PREVIOUS.to_owned());
                stages.remove(PENDING);
            }
        }
        if stages.is_empty() {
            unstaged.push((there.created_at, there.id.clone()));
        }
        if stages != there.stages {
            let moved = SecretVersion {
                stages,
                ..there.clone()
            };
            steps.push(Step::PutSecretVersion(name.clone(), moved));
        }
    }
    unstaged.sort();
    let gone = unstaged.len().saturating_sub(UNSTAGED_MAX);
    let gone = unstaged.into_iter().take(gone);
    steps.extend(gone.map(|(_, id)| Step::DropSecretVersion(name.clone(), id)));
    steps.push(Step::PutSecretVersion(name.clone(), version.clone()));
    steps
}

pub(super) async fn get_secret_value(context: &Context<'_>, mut fields: Fields) -> Answer {
    let id = fields.required("SecretId", &SECRET_ID);
    let version = fields.text("VersionId", &VERSION_ID);
    let stage = fields.text("VersionStage", &STAGE);
    fields.finish()?;
    value(context, &id, version.as_deref(), stage.as_deref()).await
}

async fn value(
    context: &Context<'_>,
    id: &str,
    version: Option<&str>,
    stage: Option<&str>,
) -> Answer {
    let wanted = SecretRef::read(id, context.place);
    let catalogue = context.catalogue;
    let now = catalogue.clock.now();
    let shelf = catalogue.shelf(&wanted.place).await?;
    let (kept, found) = shelf.look(|state| {
        let kept = live(state, &wanted, now)?;
        let found = chosen(kept, version, stage)?;
        Ok::<_, Fault>((kept.clone(), found.clone()))
    })?;
    refuse_default_key(context, &wanted).await?;
    let plain = opened(catalogue, &kept.row, &wanted.place, &found).await?;
    note_access(catalogue, &wanted, &found.id, now).await?;
    let mut answer = told(&kept, &wanted.place);
    answer.insert("VersionId".to_owned(), found.id.as_str().into());
    if plain.is_binary {
        answer.insert(
            "SecretBinary".to_owned(),
            STANDARD.encode(plain.bytes).into(),
        );
    } else {
        let text = String::from_utf8(plain.bytes).unwrap_or_default();
        answer.insert("SecretString".to_owned(), text.into());
    }
    let stages = (!found.stages.is_empty()).then(|| json!(found.stages));
    insert_some(&mut answer, "VersionStages", stages);
    answer.insert("CreatedDate".to_owned(), seconds(found.created_at));
    Ok(Value::Object(answer))
}

/// The version that is asked for; usually the current one.
pub(crate) fn chosen<'k>(
    kept: &'k KeptSecret,
    version: Option<&str>,
    stage: Option<&str>,
) -> Result<&'k SecretVersion, Fault> {
    let absent = |what: String| {
        not_found(format!(
            "Secrets Manager can't find the specified secret value for {what}"
        ))
    };
    let Some(version) = version else {
        let stage = stage.unwrap_or(CURRENT);
        let found = kept.staged(stage);
        return found.ok_or_else(|| absent(format!("staging label: {stage}")));
    };
    let found = kept.versions.get(version);
    let found = found.ok_or_else(|| absent(format!("VersionId: {version}")))?;
    if stage.is_some_and(|stage| !found.stages.contains(stage)) {
        return Err(invalid(
            "You provided a VersionStage that is not associated to the provided VersionId.",
        ));
    }
    Ok(found)
}

/// Notes the day on which a value was read: once a day.
async fn note_access(
    catalogue: &Catalogue,
    wanted: &SecretRef,
    version: &str,
    now: Timestamp,
) -> Result<(), Fault> {
    let day_us = i64::try_from(DAY.as_micros()).unwrap_or(i64::MAX);
    let today = Timestamp::from_micros(now.epoch_us() - now.epoch_us().rem_euclid(day_us));
    let is_noted = |state: &State| {
        let kept = wanted.find(state);
        let version = kept.and_then(|kept| kept.versions.get(version));
        let of_secret = kept.and_then(|kept| kept.row.accessed_at);
        of_secret == Some(today) && version.and_then(|one| one.accessed_at) == Some(today)
    };
    let shelf = catalogue.shelf(&wanted.place).await?;
    if shelf.look(is_noted) {
        return Ok(());
    }
    catalogue
        .change(&wanted.place, |state| {
            let Some(kept) = wanted.find(state) else {
                return Ok(((), Vec::new()));
            };
            let row = Secret {
                accessed_at: Some(today),
                ..kept.row.clone()
            };
            let mut steps = vec![Step::PutSecret(row)];
            if let Some(there) = kept.versions.get(version) {
                let read = SecretVersion {
                    accessed_at: Some(today),
                    ..there.clone()
                };
                steps.push(Step::PutSecretVersion(kept.row.name.clone(), read));
            }
            Ok(((), steps))
        })
        .await
}

pub(super) async fn batch_get_secret_value(context: &Context<'_>, mut fields: Fields) -> Answer {
    let ids = fields.texts("SecretIdList");
    let wanted = filters::take(&mut fields)?;
    let (token, limit) = page_wanted(&mut fields, 20);
    fields.finish()?;
    if ids.is_some() == wanted.is_some() {
        let message = "Either 'SecretIdList' or 'Filters' must be provided, but not both.";
        return Err(invalid_parameter(message));
    }
    let (ids, next) = match ids {
        Some(ids) => (ids, None),
        None => {
            let filters = wanted.unwrap_or_default();
            let now = context.catalogue.clock.now();
            let shelf = context.catalogue.shelf(context.place).await?;
            shelf.look(|state| {
                let secrets = state.secrets.values();
                let live = secrets.filter(|kept| kept.row.deletion.is_none_or(|(_, at)| now < at));
                let live = live.filter(|kept| kept.row.deletion.is_none());
                let matching = live.filter(|kept| filters::match_all(&filters, &kept.row));
                let keyed = matching.map(|kept| (kept.row.name.clone(), kept.row.name.clone()));
                page(keyed, token.as_deref(), limit)
            })
        }
    };
    let (mut values, mut errors) = (Vec::new(), Vec::new());
    for id in ids {
        let got = match allowed(context, &id).await {
            Ok(()) => value(context, &id, None, None).await,
            Err(fault) => Err(fault),
        };
        match got {
            Ok(value) => values.push(value),
            Err(fault) => errors.push(json!({
                "SecretId": id,
                "ErrorCode": fault.code,
                "Message": fault.message,
            })),
        }
    }
    let mut answer = crate::engine::rows::Json::new();
    answer.insert("SecretValues".to_owned(), values.into());
    answer.insert("Errors".to_owned(), errors.into());
    insert_some(&mut answer, "NextToken", next);
    Ok(Value::Object(answer))
}

/// Whether the caller may read this one: each is asked for by itself.
async fn allowed(context: &Context<'_>, id: &str) -> Result<(), Fault> {
    let (catalogue, place) = (context.catalogue, context.place);
    let checks: Vec<Check> =
        super::checks::reading(catalogue, place, (id, None, None), context.call).await;
    let judged = context.authorize.authorize(&context.call.caller, &checks);
    judged.map_err(|denied| Fault::new("AccessDeniedException", denied.message))
}
