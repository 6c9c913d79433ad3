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
        return Err(Fault::invalid("Atleast one Tag Key should be provided"));
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
        return Err(Fault::invalid("Atleast one Tag Key should be provided"));
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
            return Err(Fault::invalid(format!(
                "User tag keys cannot begin with the reserved prefix {OF_THE_SERVICE}. Key: {key}"
            )));
        }
        if !is_allowed(key) || !is_allowed(value) {
            return Err(Fault::invalid(format!(
                "A tag has a character that is not allowed; letters, digits, white space and + - = . _ : / @ are. Key: {key}"
            )));
        }
    }
    judge_count(tags)
}

fn judge_count(tags: &BTreeMap<String, String>) -> Result<(), Fault> {
    let own = tags.keys().filter(|key| !key.starts_with(OF_THE_SERVICE));
    if TAGS_MAX < own.count() {
        return Err(Fault::invalid(format!(
            "Too many tags: a table has at most {TAGS_MAX}"
        )));
    }
    Ok(())
}

/// Takes `Tags`.
pub(super) fn take(fields: &mut Fields<'_>) -> Result<Option<BTreeMap<String, String>>, Fault> {
    let Some(structures) = fields.structures("Tags", "Tag")? else {
        return Ok(None);
    };
    let mut tags = BTreeMap::new();
    for (number, mut structure) in (1_usize..).zip(structures) {
        let mut part = |name: &str, path: &str, least: usize, most: usize| {
            let path = format!("tags.{number}.member.{path}");
            let text = structure.text(name)?;
            match text.as_deref().map(|text| text.chars().count()) {
                None => structure.violation(None, &path, "not be null"),
                Some(length) if length < least => {
                    let constraint = format!("have length greater than or equal to {least}");
                    structure.violation(text.as_deref(), &path, &constraint);
                }
                Some(length) if most < length => {
                    let constraint = format!("have length less than or equal to {most}");
                    structure.violation(text.as_deref(), &path, &constraint);
                }
                Some(_) => {}
            }
            Ok::<_, Fault>(text.unwrap_or_default())
        };
        let key = part("Key", "key", 1, KEY_CHARS_MAX)?;
        let value = part("Value", "value", 0, VALUE_CHARS_MAX)?;
        fields.close(structure)?;
        tags.insert(key, value);
    }
    Ok(Some(tags))
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
        return Err(Fault::validation(format!(
            "Invalid TableArn: ARNs must start with 'arn:': {text}"
        )));
    }
    let arn = Arn::parse(text).map_err(|_| invalid())?;
    if arn.service != "dynamodb" || arn.account != context.account.as_str() {
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
