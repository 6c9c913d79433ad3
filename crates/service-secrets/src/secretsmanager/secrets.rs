//! Secrets: made, changed, told.

use serde_json::{Value, json};
use std::collections::BTreeSet;

use super::values::{Given, Plain, key_of, opened, sealed, take_plain, take_token, usable};
use super::{
    CURRENT, SECRET_ID, SecretRef, invalid, is_over, judge_name, live, present, put_value,
    refuse_tags, told,
};
use crate::engine::catalogue::Catalogue;
use crate::engine::keys::Place;
use crate::engine::rows::{Json, Secret, SecretVersion, Tags};
use crate::engine::state::{KeptSecret, Step};
use crate::fault::{Answer, Fault};
use crate::fields::{self, Fields, Text, insert_some, seconds, shown_tags};
use crate::service::Context;

/// Secrets of an account and region: fewer than in the cloud, since they are in memory.
const SECRETS_MAX: usize = 50_000;
const NAME: Text = Text::long(1, 512);
const DESCRIPTION: Text = Text::long(0, 2_048);
const KEY: Text = Text::long(0, 2_048);
const SUFFIX_CHARACTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const SUFFIX_LENGTH: usize = 6;

/// A secret as somebody wants it.
pub(crate) struct Wish {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) tags: Option<Tags>,
    pub(crate) value: Option<Plain>,
    pub(crate) token: String,
    pub(crate) owner: Option<String>,
}

pub(super) async fn create_secret(context: &Context<'_>, mut fields: Fields) -> Answer {
    let refused = ["AddReplicaRegions", "ForceOverwriteReplicaSecret", "Type"];
    fields.refuse("CreateSecret", &refused)?;
    let token = take_token(&mut fields)?;
    let name = fields.required("Name", &NAME);
    let description = fields.text("Description", &DESCRIPTION);
    let key = fields.text("KmsKeyId", &KEY);
    let value = take_plain(&mut fields)?;
    let tags = fields::tags(&mut fields, "Key", "Value");
    fields.finish()?;
    judge_name(&name)?;
    let tags = tags.map(refuse_tags).transpose()?;
    let wish = Wish {
        name,
        description: description.filter(|text| !text.is_empty()),
        key: key.filter(|key| !key.is_empty()),
        tags,
        value,
        token,
        owner: None,
    };
    let (kept, version) = create(context.catalogue, context.place, wish).await?;
    let mut answer = told(&kept, context.place);
    insert_some(&mut answer, "VersionId", version);
    Ok(Value::Object(answer))
}

/// Makes a secret, or finds the one that was made for the same resource or the same token.
#[expect(clippy::too_many_lines, reason = "each way in which a name is taken")]
pub(crate) async fn create(
    catalogue: &Catalogue,
    place: &Place,
    wish: Wish,
) -> Result<(KeptSecret, Option<String>), Fault> {
    let now = catalogue.clock.now();
    if wish.key.is_some() {
        usable(
            catalogue,
            &key_of(wish.key.as_deref(), place),
            "EncryptionFailure",
        )
        .await?;
    }
    let row = Secret {
        suffix: suffix(catalogue),
        description: wish.description,
        key: wish.key,
        tags: wish.tags,
        policy: None,
        created_at: now,
        changed_at: now,
        accessed_at: None,
        deletion: None,
        owner: wish.owner,
        name: wish.name,
    };
    let wanted = SecretRef::read(&row.name, place);
    let token = wish.token;
    let is_new = catalogue
        .change(place, |state| {
            let there = state.secrets.get(&row.name);
            let mut steps: Vec<Step> = Vec::new();
            match there {
                Some(kept) if is_over(kept, now) => steps.push(kept.drop()),
                Some(kept) if kept.row.deletion.is_some() => {
                    return Err(invalid(
                        "You can't create this secret because a secret with this name is already scheduled for deletion.",
                    ));
                }
                Some(kept) if row.owner.is_some() && kept.row.owner == row.owner => {
                    return Ok((false, Vec::new()));
                }
                Some(kept) if kept.versions.contains_key(&token) => return Ok((false, Vec::new())),
                Some(_) => return Err(exists(&row.name)),
                None if SECRETS_MAX <= state.secrets.len() => {
                    let message = "You've reached the limit of secrets.";
                    return Err(Fault::new("LimitExceededException", message));
                }
                None => {}
            }
            steps.push(Step::PutSecret(row));
            Ok((true, steps))
        })
        .await?;
    let mut version = None;
    if let Some(plain) = wish.value {
        let given = Given {
            plain,
            version: token.clone(),
            stages: BTreeSet::from([CURRENT.to_owned()]),
        };
        let put = put_value(catalogue, &wanted, given).await;
        if is_new && put.is_err() {
            // A secret without the value that was asked for is not what was asked for.
            catalogue
                .change(place, |state| {
                    let there = state.secrets.get(&wanted.name);
                    Ok::<_, Fault>(((), there.map(KeptSecret::drop).into_iter().collect()))
                })
                .await?;
        }
        version = Some(put?.1.id);
    }
    let shelf = catalogue.shelf(place).await?;
    let kept = shelf.look(|state| present(state, &wanted, now).cloned())?;
    Ok((kept, version))
}

fn exists(name: &str) -> Fault {
    let message = format!("The operation failed because the secret {name} already exists.");
    Fault::new("ResourceExistsException", message)
}

fn suffix(catalogue: &Catalogue) -> String {
    let mut drawn = [0; SUFFIX_LENGTH];
    catalogue.random.fill(&mut drawn);
    let character = |byte: u8| {
        let index = usize::from(byte) % SUFFIX_CHARACTERS.len();
        char::from(SUFFIX_CHARACTERS.get(index).copied().unwrap_or(b'A'))
    };
    drawn.into_iter().map(character).collect()
}

pub(super) async fn update_secret(context: &Context<'_>, mut fields: Fields) -> Answer {
    fields.refuse("UpdateSecret", &["Type"])?;
    let token = take_token(&mut fields)?;
    let id = fields.required("SecretId", &SECRET_ID);
    let description = fields.text("Description", &DESCRIPTION);
    let key = fields.text("KmsKeyId", &KEY);
    let value = take_plain(&mut fields)?;
    fields.finish()?;
    let wanted = SecretRef::read(&id, context.place);
    if value.is_some() {
        super::values::refuse_default_key(context, &wanted).await?;
    }
    change(context.catalogue, &wanted, description, key).await?;
    let mut version = None;
    if let Some(plain) = value {
        let given = Given {
            plain,
            version: token,
            stages: BTreeSet::from([CURRENT.to_owned()]),
        };
        version = Some(put_value(context.catalogue, &wanted, given).await?.1.id);
    }
    let shelf = context.catalogue.shelf(&wanted.place).await?;
    let now = context.catalogue.clock.now();
    let answer =
        shelf.look(|state| live(state, &wanted, now).map(|kept| told(kept, &wanted.place)));
    let mut answer = answer?;
    insert_some(&mut answer, "VersionId", version);
    Ok(Value::Object(answer))
}

/// Changes what is said of a secret; under a new key its versions are sealed anew.
pub(crate) async fn change(
    catalogue: &Catalogue,
    wanted: &SecretRef,
    description: Option<String>,
    key: Option<String>,
) -> Result<(), Fault> {
    let now = catalogue.clock.now();
    let shelf = catalogue.shelf(&wanted.place).await?;
    let kept = shelf.look(|state| live(state, wanted, now).cloned())?;
    let key = key.map(|key| Some(key).filter(|key| !key.is_empty()));
    let mut again = Vec::new();
    if let Some(key) = key.as_ref().filter(|key| **key != kept.row.key) {
        let by = key_of(key.as_deref(), &wanted.place);
        let by = usable(catalogue, &by, "EncryptionFailure").await?;
        for version in kept.versions.values() {
            let plain = opened(catalogue, &kept.row, &wanted.place, version).await?;
            let about = (&kept.row, version.id.as_str(), &wanted.place);
            let value = sealed(catalogue, &by, about, &plain.bytes).await?;
            again.push((version.id.clone(), value));
        }
    }
    catalogue
        .change(&wanted.place, |state| {
            let kept = live(state, wanted, now)?;
            let mut row = kept.row.clone();
            row.changed_at = now;
            if let Some(description) = description {
                row.description = Some(description).filter(|text| !text.is_empty());
            }
            if let Some(key) = key {
                row.key = key;
            }
            let mut steps = Vec::new();
            for (id, value) in again {
                if let Some(there) = kept.versions.get(&id) {
                    let version = SecretVersion {
                        value,
                        key: row.key.clone(),
                        ..there.clone()
                    };
                    steps.push(Step::PutSecretVersion(row.name.clone(), version));
                }
            }
            steps.push(Step::PutSecret(row));
            Ok(((), steps))
        })
        .await
}

pub(super) async fn describe_secret(context: &Context<'_>, mut fields: Fields) -> Answer {
    let id = fields.required("SecretId", &SECRET_ID);
    fields.finish()?;
    let wanted = SecretRef::read(&id, context.place);
    let now = context.catalogue.clock.now();
    let shelf = context.catalogue.shelf(&wanted.place).await?;
    shelf.look(|state| {
        let kept = present(state, &wanted, now)?;
        Ok(Value::Object(description(
            kept,
            &wanted.place,
            "VersionIdsToStages",
        )))
    })
}

/// A secret as it is described and listed.
pub(super) fn description(kept: &KeptSecret, place: &Place, stages: &str) -> Json {
    let row = &kept.row;
    let mut shown = told(kept, place);
    insert_some(&mut shown, "Description", row.description.as_deref());
    insert_some(&mut shown, "KmsKeyId", row.key.as_deref());
    shown.insert("CreatedDate".to_owned(), seconds(row.created_at));
    shown.insert("LastChangedDate".to_owned(), seconds(row.changed_at));
    insert_some(&mut shown, "LastAccessedDate", row.accessed_at.map(seconds));
    let deletion = row.deletion.map(|(_, at)| seconds(at));
    insert_some(&mut shown, "DeletedDate", deletion);
    let tags = row.tags.as_ref();
    insert_some(
        &mut shown,
        "Tags",
        tags.map(|tags| shown_tags(tags, "Key", "Value")),
    );
    let mut by_version = Json::new();
    for version in kept.versions.values().filter(|one| !one.stages.is_empty()) {
        by_version.insert(version.id.clone(), json!(version.stages));
    }
    if !by_version.is_empty() {
        shown.insert(stages.to_owned(), Value::Object(by_version));
    }
    shown
}
