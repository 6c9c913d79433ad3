//! `ListStreams`.
//!
//! Lives here: its members and its answer.
//! Does not live here: which streams there are (`engine::streams`).

use serde_json::json;

use super::{ARN_CHARS, Context, StreamName, invalid_arn, take_optional_text};
use crate::dynamodb::fault::Fault;
use crate::dynamodb::fields::Fields;

/// Streams of one page.
const STREAMS_MAX: i64 = 100;

pub(super) async fn run(context: &Context<'_>, mut fields: Fields<'_>) -> Result<Vec<u8>, Fault> {
    let table_name = fields.text("TableName")?;
    if table_name.is_some() {
        fields.judge_table_name(table_name.as_deref(), "tableName");
    }
    let limit = fields.integer_within("Limit", "limit", 1, STREAMS_MAX)?;
    let path = "exclusiveStartStreamArn";
    let after = take_optional_text(&mut fields, "ExclusiveStartStreamArn", path, ARN_CHARS)?;
    fields.finish()?;
    let after = match after {
        Some(arn) => Some(StreamName::parse(context, &arn).ok_or_else(invalid_arn)?),
        None => None,
    };
    let streams_max = usize::try_from(limit.unwrap_or(STREAMS_MAX)).unwrap_or(usize::MAX);
    let after = after.map(|after| (after.table_name, after.label));
    let (streams, more) = context
        .streams
        .list(
            context.account,
            context.region,
            table_name.as_deref(),
            after.as_ref(),
            streams_max,
        )
        .await?;
    let shown: Vec<_> = streams
        .iter()
        .map(|stream| {
            json!({
                "StreamArn": stream.arn,
                "TableName": stream.row.table_name,
                "StreamLabel": stream.row.label(),
            })
        })
        .collect();
    let mut answer = json!({ "Streams": shown });
    if let (Some(last), Some(members)) = (streams.last().filter(|_| more), answer.as_object_mut()) {
        members.insert("LastEvaluatedStreamArn".to_owned(), last.arn.clone().into());
    }
    Ok(answer.to_string().into_bytes())
}
