//! `UpdateTimeToLive` and `DescribeTimeToLive`.
//!
//! Lives here: their members, checks and answers.
//! Does not live here: letting items expire (`engine::time_to_live`).
//!
//! Contract: Amazon DynamoDB API Reference, `UpdateTimeToLive`.
//! Differs: it takes effect at once, and can be changed as often as one likes; the service refuses a second change within
//! an hour.

use serde_json::json;

use super::Context;
use super::table_fields::take_only_table_name;
use crate::dynamodb::fault::Fault;
use crate::dynamodb::fields::Fields;
use crate::engine::catalogue::Error;
use crate::engine::table::{Descriptor, TimeToLive};

/// Characters of the attribute's name.
const NAME_CHARS_MAX: usize = 255;

pub(super) async fn update(
    context: &Context<'_>,
    mut fields: Fields<'_>,
) -> Result<Vec<u8>, Fault> {
    let name = fields.table_name()?;
    let (attribute, enabled) = take_specification(&mut fields)?;
    fields.finish()?;
    let name = context.name_of(&name)?;
    let wished = enabled.then(|| TimeToLive {
        attribute: attribute.clone(),
        since: context.clock.now(),
    });
    let altered = context
        .catalogue
        .alter(context.account, context.region, name, |descriptor| {
            judge(descriptor, &attribute, wished.as_ref())?;
            descriptor.time_to_live = wished;
            Ok::<_, Fault>(())
        })
        .await;
    match altered {
        Ok(altered) => altered?,
        Err(Error::Missing) => return Err(Fault::no_table_called(name)),
        Err(error) => return Err(error.into()),
    };
    context.keeper.hurry();
    let answer = json!({
        "TimeToLiveSpecification": { "AttributeName": attribute, "Enabled": enabled },
    });
    Ok(answer.to_string().into_bytes())
}

pub(super) async fn describe(context: &Context<'_>, fields: Fields<'_>) -> Result<Vec<u8>, Fault> {
    let name = take_only_table_name(fields)?;
    let name = context.name_of(&name)?;
    let found = context
        .catalogue
        .find(context.account, context.region, name)
        .await?;
    let table = found.ok_or_else(|| Fault::no_table_called(name))?;
    let description = match &table.descriptor.time_to_live {
        Some(settings) => {
            json!({ "TimeToLiveStatus": "ENABLED", "AttributeName": settings.attribute })
        }
        None => json!({ "TimeToLiveStatus": "DISABLED" }),
    };
    Ok(json!({ "TimeToLiveDescription": description })
        .to_string()
        .into_bytes())
}

fn take_specification(fields: &mut Fields<'_>) -> Result<(String, bool), Fault> {
    let name = "TimeToLiveSpecification";
    let Some(mut structure) = fields.structure(name, name)? else {
        fields.violation(None, "timeToLiveSpecification", "not be null");
        return Ok((String::new(), false));
    };
    let path = "timeToLiveSpecification.attributeName";
    let attribute = structure.text("AttributeName")?;
    let length = attribute.as_deref().map(|text| text.chars().count());
    match length {
        None => structure.violation(None, path, "not be null"),
        Some(0) => {
            let constraint = "have length greater than or equal to 1";
            structure.violation(attribute.as_deref(), path, constraint);
        }
        Some(length) if NAME_CHARS_MAX < length => {
            let constraint = format!("have length less than or equal to {NAME_CHARS_MAX}");
            structure.violation(attribute.as_deref(), path, &constraint);
        }
        Some(_) => {}
    }
    let enabled = structure.boolean("Enabled")?;
    if enabled.is_none() {
        structure.violation(None, "timeToLiveSpecification.enabled", "not be null");
    }
    fields.close(structure)?;
    Ok((attribute.unwrap_or_default(), enabled.unwrap_or_default()))
}

fn judge(
    descriptor: &Descriptor,
    attribute: &str,
    wished: Option<&TimeToLive>,
) -> Result<(), Fault> {
    match (&descriptor.time_to_live, wished) {
        (Some(now), _) if now.attribute != attribute => Err(Fault::validation(format!(
            "TimeToLive is active on a different AttributeName: current AttributeName is {}",
            now.attribute
        ))),
        (Some(_), Some(_)) => Err(Fault::validation("TimeToLive is already enabled")),
        (None, None) => Err(Fault::validation("TimeToLive is already disabled")),
        (Some(_), None) | (None, Some(_)) => Ok(()),
    }
}
