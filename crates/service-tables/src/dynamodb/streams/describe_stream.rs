//! `DescribeStream`.
//!
//! Lives here: its members and its answer.
//! Does not live here: which shards there are (`engine::streams`).

use serde_json::{Value, json};

use super::{ARN_CHARS, Context, SHARD_CHARS, take_optional_text, take_text};
use crate::dynamodb::fault::Fault;
use crate::dynamodb::fields::Fields;
use crate::engine::streams::log::Stream;
use crate::engine::streams::record::Place;

/// Shards of one page.
const SHARDS_MAX: i64 = 100;

pub(super) async fn run(context: &Context<'_>, mut fields: Fields<'_>) -> Result<Vec<u8>, Fault> {
    let arn = take_text(&mut fields, "StreamArn", "streamArn", ARN_CHARS)?;
    let limit = fields.integer_within("Limit", "limit", 1, SHARDS_MAX)?;
    let path = "exclusiveStartShardId";
    let after = take_optional_text(&mut fields, "ExclusiveStartShardId", path, SHARD_CHARS)?;
    let parent = take_filter(&mut fields)?;
    fields.finish()?;
    let stream = context.stream(&arn).await?;
    let limit = usize::try_from(limit.unwrap_or(SHARDS_MAX)).unwrap_or(usize::MAX);
    let from = match (&after, parent) {
        // No shard here has children.
        (_, Some(_)) => stream.row.shards,
        (None, None) => 0,
        (Some(name), None) => stream
            .shard_called(name)
            .map_or(stream.row.shards, |shard| shard.saturating_add(1)),
    };
    let mut shards = Vec::new();
    for shard in (from..stream.row.shards).take(limit) {
        shards.push(shard_json(context, &stream, shard).await?);
    }
    let more = usize::from(stream.row.shards.saturating_sub(from)) > shards.len();
    let last = shards
        .last()
        .and_then(|shard| shard.get("ShardId"))
        .cloned();
    let mut description = json!({
        "StreamArn": stream.arn,
        "StreamLabel": stream.row.label(),
        "StreamStatus": if stream.row.closed_at.is_some() { "DISABLED" } else { "ENABLED" },
        "StreamViewType": stream.row.view_type.name(),
        "CreationRequestDateTime": seconds(&stream),
        "TableName": stream.row.table_name,
        "KeySchema": key_schema(&stream),
        "Shards": shards,
    });
    if let (Some(last), Some(members)) = (last.filter(|_| more), description.as_object_mut()) {
        members.insert("LastEvaluatedShardId".to_owned(), last);
    }
    Ok(json!({ "StreamDescription": description })
        .to_string()
        .into_bytes())
}

/// The shard whose children are asked for.
fn take_filter(fields: &mut Fields<'_>) -> Result<Option<String>, Fault> {
    let Some(mut filter) = fields.structure("ShardFilter", "ShardFilter")? else {
        return Ok(None);
    };
    let kind = filter.one_of("Type", "shardFilter.type", &["CHILD_SHARDS"])?;
    let shard = take_text(&mut filter, "ShardId", "shardFilter.shardId", SHARD_CHARS)?;
    if kind.is_none() {
        filter.violation(None, "shardFilter.type", "not be null");
    }
    filter.nothing_left()?;
    fields.adopt(&mut filter);
    Ok(Some(shard))
}

async fn shard_json(context: &Context<'_>, stream: &Stream, shard: u8) -> Result<Value, Fault> {
    let mut range = json!({ "StartingSequenceNumber": Place::default().sequence_number() });
    if let (Some(_), Some(members)) = (stream.row.closed_at, range.as_object_mut()) {
        let last = context.streams.latest(stream, shard).await?;
        members.insert(
            "EndingSequenceNumber".to_owned(),
            last.sequence_number().into(),
        );
    }
    Ok(json!({ "ShardId": stream.shard_name(shard), "SequenceNumberRange": range }))
}

fn key_schema(stream: &Stream) -> Vec<Value> {
    let keys = std::iter::once(&stream.row.partition_key).chain(&stream.row.sort_key);
    keys.zip(["HASH", "RANGE"])
        .map(|(key, kind)| json!({ "AttributeName": key.name, "KeyType": kind }))
        .collect()
}

fn seconds(stream: &Stream) -> Value {
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds since the epoch are far below 2^53"
    )]
    let seconds = stream.row.since.epoch_ms() as f64 / 1_000.0;
    json!(seconds)
}
