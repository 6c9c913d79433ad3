//! `TagResource`, `UntagResource` and `ListTagsOfResource`.
//!
//! Lives here: their members, checks and answers, what a tag may be.
//! Does not live here: tags of templates' tables (`resources`).
//!
//! Contract: Amazon DynamoDB Developer Guide, "Tagging restrictions in DynamoDB".

use std::collections::BTreeMap;

use model::arn::Arn;
use serde_json::json;

use super::Context;
use crate::dynamodb::fault::{Fault, Kind};
use crate::dynamodb::fields::Fields;
use crate::engine::catalogue::Error;
use crate::engine::table::Descriptor;

/// Tags of a table that its owner sets.
pub(super) const TAGS_MAX: usize = 50;
/// Characters of a tag's key.
const KEY_CHARS_MAX: usize = 128;
/// Characters of a tag's value.
const VALUE_CHARS_MAX: usize = 256;
/// What keys begin with that only the service sets.
const OF_THE_SERVICE: &str = "aws:";
/// Characters of an ARN.
const ARN_CHARS_MAX: usize = 1_283;

pub(super) async fn tag(context: &Context<'_>, mut fields: Fields<'_>) -> Result<Vec<u8>, Fault> {
    let arn = take_arn(&mut fields)?;
    let tags = take(&mut fields)?;
    if tags.is_none() {
        fields.violation(None, "tags", "not be null");
    }
    fields.finish()?;
    let tags = tags.unwrap_or_default();
    if tags.is_empty() {
        return Err(Fault::validation(
            "Atleast one Tag needs to be provided as Input.",
        ));
    }
    judge(&tags)?;
    alter(context, &arn, |descriptor| {
        let mut all = descriptor.tags.clone();
        all.extend(tags);
        judge_count(&all)?;
        descriptor.tags = all;
        Ok(())
    })
    .await
}

pub(super) async fn untag(context: &Context<'_>, mut fields: Fields<'_>) -> Result<Vec<u8>, Fault> {
    let arn = take_arn(&mut fields)?;
    let keys = fields.texts("TagKeys")?;
    if keys.is_none() {
        fields.violation(None, "tagKeys", "not be null");
    }
    fields.finish()?;
    let keys = keys.unwrap_or_default();
    if keys.is_empty() {
        return Err(Fault::validation(
            "Atleast one Tag Key needs to be provided as Input.",
        ));
    }
    if let Some(key) = keys.iter().find(|key| !is_key(key)) {
        return Err(invalid_key(key));
    }
    alter(context, &arn, |descriptor| {
        descriptor
            .tags
            .retain(|key, _| key.starts_with(OF_THE_SERVICE) || !keys.contains(key));
        Ok(())
    })
    .await
}

pub(super) async fn list(context: &Context<'_>, mut fields: Fields<'_>) -> Result<Vec<u8>, Fault> {
    let arn = take_arn(&mut fields)?;
    let token = fields.text("NextToken")?;
    fields.finish()?;
    let name = table_in(context, &arn)?;
    if token.is_some() {
        // All tags of a table fit one page, so nobody was ever given a token.
        return Err(Fault::validation("Invalid NextToken"));
    }
    let found = context
        .catalogue
        .find(context.account, context.region, &name)
        .await?;
    let table = found.ok_or_else(|| not_found(&arn))?;
    let tags = table.descriptor.tags.iter();
    let tags: Vec<_> = tags
        .map(|(key, value)| json!({ "Key": key, "Value": value }))
        .collect();
    Ok(json!({ "Tags": tags }).to_string().into_bytes())
}

/// Refuses tags that nobody may set.
pub(super) fn judge(tags: &BTreeMap<String, String>) -> Result<(), Fault> {
    for (key, value) in tags {
        if key.starts_with(OF_THE_SERVICE) {
            return Err(Fault::validation(format!(
                "Tag Key cannot be prefixed with aws:, Key: {key}"
            )));
        }
        if !is_key(key) {
            return Err(invalid_key(key));
        }
        if VALUE_CHARS_MAX < value.chars().count() || !is_allowed(value) {
            return Err(invalid_value(value));
        }
    }
    judge_count(tags)
}

fn judge_count(tags: &BTreeMap<String, String>) -> Result<(), Fault> {
    let own = tags.keys().filter(|key| !key.starts_with(OF_THE_SERVICE));
    if TAGS_MAX < own.count() {
        return Err(Fault::validation(
            "Number of Tags exceed the current limit for the provided ResourceArn",
        ));
    }
    Ok(())
}

/// Takes `Tags`.
pub(super) fn take(fields: &mut Fields<'_>) -> Result<Option<BTreeMap<String, String>>, Fault> {
    let Some(structures) = fields.structures("Tags", "Tag")? else {
        return Ok(None);
    };
    let mut tags = BTreeMap::new();
    for mut structure in structures {
        let (key, value) = (structure.text("Key")?, structure.text("Value")?);
        fields.close(structure)?;
        let key = key.ok_or_else(|| invalid_key("null"))?;
        let value = value.ok_or_else(|| invalid_value("null"))?;
        if tags.contains_key(&key) {
            return Err(Fault::validation(format!(
                "Duplicate Tag Keys provided as input: Duplicate Tag Key found {key}"
            )));
        }
        tags.insert(key, value);
    }
    Ok(Some(tags))
}

fn is_key(key: &str) -> bool {
    (1..=KEY_CHARS_MAX).contains(&key.chars().count()) && is_allowed(key)
}

fn invalid_key(key: &str) -> Fault {
    Fault::validation(format!("The Tag Key provided is invalid, Key: {key}"))
}

fn invalid_value(value: &str) -> Fault {
    Fault::validation(format!("The Tag Value provided is invalid, Value: {value}"))
}

fn is_allowed(text: &str) -> bool {
    text.chars()
        .all(|char| char.is_alphanumeric() || char.is_whitespace() || "+-=._:/@".contains(char))
}

fn take_arn(fields: &mut Fields<'_>) -> Result<String, Fault> {
    let arn = fields.text("ResourceArn")?;
    match arn.as_deref().map(|arn| arn.chars().count()) {
        None => fields.violation(None, "resourceArn", "not be null"),
        Some(0) => {
            let constraint = "have length greater than or equal to 1";
            fields.violation(arn.as_deref(), "resourceArn", constraint);
        }
        Some(length) if ARN_CHARS_MAX < length => {
            let constraint = format!("have length less than or equal to {ARN_CHARS_MAX}");
            fields.violation(arn.as_deref(), "resourceArn", &constraint);
        }
        Some(_) => {}
    }
    Ok(arn.unwrap_or_default())
}

/// The table that an ARN names.
fn table_in(context: &Context<'_>, text: &str) -> Result<String, Fault> {
    let invalid = || {
        Fault::validation(format!(
            "Invalid TableArn: Invalid ResourceArn provided as input {text}"
        ))
    };
    if !text.starts_with("arn:") {
        return Err(Fault::invalid(format!(
            "ARNs must start with 'arn:': {text}"
        )));
    }
    let arn = Arn::parse(text).map_err(|_| invalid())?;
    if arn.service != "dynamodb" {
        return Err(Fault::invalid(format!(
            "Provided Arn is not a DynamoDB resource arn: {text}"
        )));
    }
    if arn.account != context.account.as_str() {
        return Err(Fault::new(
            Kind::AccessDenied,
            format!("The caller may not tag the resource {text}"),
        ));
    }
    let name = arn.resource.strip_prefix("table/");
    match name.filter(|_| arn.region == context.region.as_str()) {
        Some(name) if crate::dynamodb::fields::is_table_name(name) => Ok(name.to_owned()),
        Some(name) if name.contains("/stream/") => Err(Fault::validation(format!(
            "Tags of streams are not implemented by Cloudless yet: ResourceArn {text}"
        ))),
        Some(name) if name.contains('/') => Err(Fault::invalid(format!(
            "Invalid resource arn provided, only table or stream is accepted. Provided resource arn: {text}"
        ))),
        Some(_) | None => Err(invalid()),
    }
}

fn not_found(arn: &str) -> Fault {
    Fault::new(
        Kind::ResourceNotFound,
        format!("Requested resource not found: ResourceArn: {arn} not found"),
    )
}

async fn alter(
    context: &Context<'_>,
    arn: &str,
    edit: impl FnOnce(&mut Descriptor) -> Result<(), Fault>,
) -> Result<Vec<u8>, Fault> {
    let name = table_in(context, arn)?;
    let altered = context
        .catalogue
        .alter(context.account, context.region, &name, edit)
        .await;
    match altered {
        Ok(altered) => altered.map(|_| Vec::new()),
        Err(Error::Missing) => Err(not_found(arn)),
        Err(error) => Err(error.into()),
    }
}
