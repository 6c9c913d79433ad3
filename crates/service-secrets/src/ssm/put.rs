//! Parameters: made, changed, deleted.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{NAME, ParameterRef, SECURE, arn, judge_new, not_found};
use crate::engine::catalogue::{Catalogue, Error};
use crate::engine::cipher::Context as Belongs;
use crate::engine::keys::Place;
use crate::engine::lookup::KeyRef;
use crate::engine::rows::{Parameter, ParameterVersion, Tags};
use crate::engine::state::{KeptParameter, State, Step, bare};
use crate::fault::{Answer, Fault};
use crate::fields::{self, Fields, Text};
use crate::kms;
use crate::service::Context;

/// Parameters of an account and region.
const PARAMETERS_MAX: usize = 100_000;
const VERSIONS_MAX: usize = 100;
const STANDARD_MAX: usize = 4_096;
const ADVANCED_MAX: usize = 8_192;
const NAMES_MAX: usize = 10;
const KINDS: Text = Text::one_of(&["String", "StringList", "SecureString"]);
const TIERS: Text = Text::one_of(&["Standard", "Advanced", "Intelligent-Tiering"]);

/// A parameter as somebody wants it.
pub(crate) struct Wish {
    pub(crate) name: String,
    pub(crate) kind: Option<String>,
    pub(crate) value: String,
    pub(crate) key: Option<String>,
    pub(crate) tier: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) allowed_pattern: Option<String>,
    pub(crate) tags: Tags,
    pub(crate) overwrite: bool,
    pub(crate) by: String,
    pub(crate) owner: Option<String>,
}

pub(super) async fn put_parameter(context: &Context<'_>, mut fields: Fields) -> Answer {
    fields.refuse("PutParameter", &["Policies"])?;
    let name = fields.required("Name", &NAME);
    let value = fields.take("Value").unwrap_or_default();
    let kind = fields.text("Type", &KINDS);
    let tier = fields.text("Tier", &TIERS);
    let data_type = fields.text("DataType", &Text::long(0, 128));
    let tags = fields::tags(&mut fields, "Key", "Value");
    let overwrite = fields.flag("Overwrite").unwrap_or(false);
    let wish = Wish {
        value: value.as_str().unwrap_or_default().to_owned(),
        kind,
        key: fields.text("KeyId", &Text::long(1, 256)),
        tier,
        description: fields.text("Description", &Text::long(0, 1_024)),
        allowed_pattern: fields.text("AllowedPattern", &Text::long(0, 1_024)),
        by: context.call.caller.arn().to_string(),
        owner: None,
        overwrite,
        tags: super::tags::judged(tags.clone().unwrap_or_default())?,
        name,
    };
    if wish.value.is_empty() {
        fields.judge("", "value", &Text::long(1, usize::MAX));
    }
    fields.finish()?;
    judge_data_type(data_type.as_deref())?;
    if overwrite && tags.is_some() {
        return Err(Fault::validation(
            "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or RemoveTagsFromResource.",
        ));
    }
    let (number, tier) = put(context.catalogue, context.place, wish).await?;
    Ok(json!({"Version": number, "Tier": tier}))
}

pub(crate) fn judge_data_type(data_type: Option<&str>) -> Result<(), Fault> {
    match data_type {
        None | Some("" | "text") => Ok(()),
        Some(known @ ("aws:ec2:image" | "aws:ssm:integration")) => Err(Fault::not_implemented(
            &format!("PutParameter with the data type {known}"),
        )),
        Some(other) => Err(Fault::validation(format!(
            "The following data type is not supported: {other} (Data type names are all lowercase)"
        ))),
    }
}

/// Makes a parameter or a version of it, and says its number and tier.
pub(crate) async fn put(
    catalogue: &Catalogue,
    place: &Place,
    wish: Wish,
) -> Result<(u64, String), Fault> {
    let wanted = ParameterRef::read(&wish.name, place);
    let name = wish.name.clone();
    judge_new(&name)?;
    let shelf = catalogue.shelf(place).await?;
    let kind = shelf.look(|state| judge(state, &wanted, &wish))?;
    judge_pattern(&wish)?;
    let now = catalogue.clock.now();
    let key = match (kind.as_str(), &wish.key) {
        (SECURE, key) => Some(key.clone().unwrap_or_else(|| "alias/aws/ssm".to_owned())),
        (_, Some(_)) => {
            let message = "KeyId is required for SecureString type parameter only.";
            return Err(Fault::validation(message));
        }
        (_, None) => None,
    };
    let value = match &key {
        Some(key) => sealed(catalogue, place, (key, &name), &wish.value).await?,
        None => wish.value.clone(),
    };
    catalogue
        .change(place, |state| {
            judge(state, &wanted, &wish)?;
            let there = wanted.find(state);
            let before = there.and_then(KeptParameter::newest);
            let tier = tier_of(&wish, before)?;
            let mut steps = Vec::new();
            if let Some(there) = there {
                steps.extend(outlived(there)?);
            }
            let mut row = there.map_or_else(
                || Parameter {
                    name: name.clone(),
                    kind,
                    tags: wish.tags.clone(),
                    newest: 0,
                    labels: std::collections::BTreeMap::default(),
                    owner: wish.owner.clone(),
                },
                |there| there.row.clone(),
            );
            if wish.owner.is_some() {
                row.tags = wish.tags;
            }
            row.newest += 1;
            let kept = |new: Option<String>, old: fn(&ParameterVersion) -> Option<String>| {
                new.or_else(|| before.and_then(old))
            };
            let version = ParameterVersion {
                number: row.newest,
                value,
                key,
                tier: tier.clone(),
                description: kept(wish.description, |old| old.description.clone()),
                allowed_pattern: wish.allowed_pattern,
                modified_at: now,
                modified_by: wish.by,
            };
            let number = row.newest;
            steps.push(Step::PutParameter(row));
            steps.push(Step::PutParameterVersion(bare(&name).to_owned(), version));
            Ok(((number, tier), steps))
        })
        .await
}

/// The type that it will have, if it may be put.
fn judge(state: &State, wanted: &ParameterRef, wish: &Wish) -> Result<String, Fault> {
    let Some(there) = wanted.find(state) else {
        if PARAMETERS_MAX <= state.parameters.len() {
            let message = "You have exceeded the number of parameters for this AWS account.";
            return Err(Fault::new("ParameterLimitExceeded", message));
        }
        let missing = "A parameter type is required when you create a parameter.";
        return wish.kind.clone().ok_or_else(|| Fault::validation(missing));
    };
    let is_own = wish.owner.is_some() && there.row.owner == wish.owner;
    if !wish.overwrite && !is_own {
        let message = "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.";
        return Err(Fault::new("ParameterAlreadyExists", message));
    }
    if wish
        .kind
        .as_ref()
        .is_some_and(|kind| *kind != there.row.kind)
    {
        let message = "Parameter Store doesn't support changing a parameter type in a hierarchy. For example, you can't change a parameter from a String type to a SecureString type. You must create a new, unique parameter.";
        return Err(Fault::new("HierarchyTypeMismatchException", message));
    }
    Ok(there.row.kind.clone())
}

fn judge_pattern(wish: &Wish) -> Result<(), Fault> {
    let Some(pattern) = wish
        .allowed_pattern
        .as_deref()
        .filter(|text| !text.is_empty())
    else {
        return Ok(());
    };
    let Ok(regex) = regex_lite::Regex::new(pattern) else {
        let message =
            format!("The request does not meet the regular expression requirement: {pattern}");
        return Err(Fault::new("InvalidAllowedPatternException", message));
    };
    if !regex.is_match(&wish.value) {
        let message =
            format!("Parameter value, cannot be validated against allowedPattern: {pattern}");
        return Err(Fault::new("ParameterPatternMismatchException", message));
    }
    Ok(())
}

fn tier_of(wish: &Wish, before: Option<&ParameterVersion>) -> Result<String, Fault> {
    let length = wish.value.chars().count();
    let was_advanced = before.is_some_and(|before| before.tier == "Advanced");
    let tier = match wish.tier.as_deref() {
        Some("Standard") if was_advanced => {
            return Err(Fault::validation(
                "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the advanced-parameter tier to the standard-parameter tier. If necessary, you can delete the advanced parameter and recreate it as a standard parameter.",
            ));
        }
        Some("Intelligent-Tiering") if STANDARD_MAX < length => "Advanced",
        Some("Advanced") => "Advanced",
        _ if was_advanced => "Advanced",
        _ => "Standard",
    };
    if tier == "Standard" && STANDARD_MAX < length {
        return Err(Fault::validation(format!(
            "Standard tier parameters support a maximum parameter value of {STANDARD_MAX} characters. To create a larger parameter value, upgrade the parameter to use the advanced-parameter tier. For more information, see https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html"
        )));
    }
    if ADVANCED_MAX < length {
        return Err(Fault::validation(format!(
            "Advanced tier parameters support a maximum parameter value of {ADVANCED_MAX} characters."
        )));
    }
    Ok(tier.to_owned())
}

/// The oldest version goes when there are a hundred; one with a label does not.
fn outlived(there: &KeptParameter) -> Result<Option<Step>, Fault> {
    if there.versions.len() < VERSIONS_MAX {
        return Ok(None);
    }
    let Some(oldest) = there.versions.keys().next().copied() else {
        return Ok(None);
    };
    let name = &there.row.name;
    if there.row.labels.values().any(|number| *number == oldest) {
        let message = format!(
            "You attempted to create a new version of {name} by calling the PutParameter API with the overwrite flag. Version {oldest}, the oldest version, can't be deleted because it has a label associated with it. Move the label to another version of the parameter, and try again."
        );
        return Err(Fault::new("ParameterMaxVersionLimitExceeded", message));
    }
    Ok(Some(Step::DropParameterVersion(
        bare(name).to_owned(),
        oldest,
    )))
}

/// What a secret value belongs to.
pub(super) fn belongs(place: &Place, name: &str) -> Belongs {
    Belongs::from([("PARAMETER_ARN".to_owned(), arn(place, name))])
}

async fn sealed(
    catalogue: &Catalogue,
    place: &Place,
    (key, name): (&str, &str),
    value: &str,
) -> Result<String, Fault> {
    let invalid = |message: String| Fault::new("InvalidKeyId", message);
    let wanted = KeyRef::read(key, place);
    let found = catalogue.key(&wanted).await?;
    let found = found.ok_or_else(|| invalid(kms::missing(&wanted).message))?;
    let judged = kms::judge_use(&found, "ENCRYPT_DECRYPT", "Encrypt");
    judged.map_err(|fault| invalid(fault.message))?;
    let root = catalogue.root().await?;
    let with = (root, &*catalogue.random);
    let belongs = belongs(place, name);
    let sealed: Result<Vec<u8>, Error> =
        found
            .key
            .encrypt(with, &found.place, &belongs, value.as_bytes());
    Ok(STANDARD.encode(sealed?))
}

pub(super) async fn delete_parameter(context: &Context<'_>, mut fields: Fields) -> Answer {
    let name = fields.required("Name", &NAME);
    fields.finish()?;
    match delete(context.catalogue, context.place, &[name])
        .await?
        .is_empty()
    {
        true => Err(not_found()),
        false => Ok(json!({})),
    }
}

pub(super) async fn delete_parameters(context: &Context<'_>, mut fields: Fields) -> Answer {
    let names = fields.texts("Names").unwrap_or_default();
    fields.finish()?;
    if NAMES_MAX < names.len() {
        return Err(Fault::validation(format!(
            "1 validation error detected: Value at 'names' failed to satisfy constraint: Member must have length less than or equal to {NAMES_MAX}"
        )));
    }
    let deleted = delete(context.catalogue, context.place, &names).await?;
    let invalid: Vec<&String> = names
        .iter()
        .filter(|name| !deleted.contains(name))
        .collect();
    Ok(json!({"DeletedParameters": deleted, "InvalidParameters": invalid}))
}

/// Deletes these, and says which of them were there.
pub(crate) async fn delete(
    catalogue: &Catalogue,
    place: &Place,
    names: &[String],
) -> Result<Vec<String>, Fault> {
    catalogue
        .change(place, |state| {
            let (mut deleted, mut steps) = (Vec::new(), Vec::new());
            for name in names {
                let wanted = ParameterRef::read(name, place);
                if wanted.place == *place
                    && let Some(there) = wanted.find(state)
                {
                    steps.push(there.drop());
                    deleted.push(name.clone());
                }
            }
            Ok((deleted, steps))
        })
        .await
}
