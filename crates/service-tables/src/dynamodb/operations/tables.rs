//! `DescribeTable`, `ListTables` and `DeleteTable`.
//!
//! Lives here: their members and answers.
//! Does not live here: `CreateTable`, `UpdateTable` and the description of a table (`description`).

use serde_json::json;

use super::Context;
use super::description::{self, Contents, Moment};
use super::table_fields;
use crate::dynamodb::fault::{Fault, Kind};
use crate::dynamodb::fields::Fields;
use crate::engine::catalogue::Error;

/// Names that one page of `ListTables` has.
const NAMES_MAX: i64 = 100;

pub(super) async fn describe(context: &Context<'_>, fields: Fields<'_>) -> Result<Vec<u8>, Fault> {
    let name = table_fields::take_only_table_name(fields)?;
    let name = context.name_of(&name)?;
    let found = context
        .catalogue
        .find(context.account, context.region, name)
        .await?;
    let table = found.ok_or_else(|| Fault::no_table_called(name))?;
    let contents = Contents::count(context, &table).await?;
    let description = description::of(&table, Moment::Active, &contents);
    Ok(json!({ "Table": description }).to_string().into_bytes())
}

pub(super) async fn list(context: &Context<'_>, mut fields: Fields<'_>) -> Result<Vec<u8>, Fault> {
    let limit = fields.integer_within("Limit", "limit", 1, NAMES_MAX)?;
    let after = fields.text("ExclusiveStartTableName")?;
    if let Some(after) = &after {
        fields.judge_table_name(Some(after), "exclusiveStartTableName");
    }
    fields.finish()?;
    let names_max = usize::try_from(limit.unwrap_or(NAMES_MAX)).unwrap_or(usize::MAX);
    let (names, more) = context
        .catalogue
        .list(context.account, context.region, after.as_deref(), names_max)
        .await?;
    let last = names.last().filter(|_| more).cloned();
    let mut answer = json!({ "TableNames": names });
    if let (Some(last), Some(answer)) = (last, answer.as_object_mut()) {
        answer.insert("LastEvaluatedTableName".to_owned(), last.into());
    }
    Ok(answer.to_string().into_bytes())
}

pub(super) async fn delete(context: &Context<'_>, fields: Fields<'_>) -> Result<Vec<u8>, Fault> {
    let name = table_fields::take_only_table_name(fields)?;
    let name = context.name_of(&name)?;
    let deleted = context
        .catalogue
        .delete(context.account, context.region, name)
        .await;
    let table = deleted.map_err(|error| match error {
        Error::Missing => Fault::no_table_called(name),
        Error::Protected => Fault::validation(PROTECTED),
        error @ (Error::Exists
        | Error::Read(_)
        | Error::Commit(_)
        | Error::Descriptor(_)
        | Error::Format(_)
        | Error::Key(_)) => error.into(),
    })?;
    context.upkeep.ask_to_purge(context.account, context.region);
    let description = description::of(&table, Moment::Deleting, &Contents::default());
    Ok(json!({ "TableDescription": description })
        .to_string()
        .into_bytes())
}

/// What the service says of a table that is protected.
pub(crate) const PROTECTED: &str = "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.";

/// A table of this name is there already.
pub(super) fn exists(name: &str) -> Fault {
    Fault::new(Kind::ResourceInUse, format!("Table already exists: {name}"))
}
