//! `DescribeContinuousBackups` and `UpdateContinuousBackups`.
//!
//! Lives here: saying that there are none, and refusing to switch them on.
//! Does not live here: backups: none are kept.

use serde_json::json;

use super::Context;
use crate::dynamodb::fault::{Fault, Kind};
use crate::dynamodb::fields::Fields;

pub(super) async fn describe(
    context: &Context<'_>,
    mut fields: Fields<'_>,
) -> Result<Vec<u8>, Fault> {
    let name = fields.table_name()?;
    fields.finish()?;
    answer(context, &name).await
}

/// Switching them off is what they are anyway.
pub(super) async fn update(
    context: &Context<'_>,
    mut fields: Fields<'_>,
) -> Result<Vec<u8>, Fault> {
    let name = fields.table_name()?;
    let member = "PointInTimeRecoverySpecification";
    let mut enabled = None;
    match fields.structure(member, member)? {
        None => fields.violation(None, "pointInTimeRecoverySpecification", "not be null"),
        Some(mut structure) => {
            enabled = structure.boolean("PointInTimeRecoveryEnabled")?;
            let path = "pointInTimeRecoverySpecification.pointInTimeRecoveryEnabled";
            if enabled.is_none() {
                structure.violation(None, path, "not be null");
            }
            fields.close(structure)?;
        }
    }
    fields.finish()?;
    if enabled == Some(true) {
        return Err(Fault::not_implemented(
            "UpdateContinuousBackups",
            "PointInTimeRecoveryEnabled",
        ));
    }
    answer(context, &name).await
}

async fn answer(context: &Context<'_>, name: &str) -> Result<Vec<u8>, Fault> {
    let name = context.name_of(name)?;
    let found = context
        .catalogue
        .find(context.account, context.region, name)
        .await?;
    if found.is_none() {
        return Err(Fault::new(
            Kind::TableNotFound,
            format!("Table not found: {name}"),
        ));
    }
    let answer = json!({
        "ContinuousBackupsDescription": {
            "ContinuousBackupsStatus": "DISABLED",
            "PointInTimeRecoveryDescription": { "PointInTimeRecoveryStatus": "DISABLED" },
        },
    });
    Ok(answer.to_string().into_bytes())
}
