//! `GetRecords`.
//!
//! Lives here: its members and its answer.
//! Does not live here: the JSON of a record (`record_json`).

use super::iterators::{ShardIterator, trimmed};
use super::record_json::{self, Shape};
use super::{Context, not_found, take_text};
use crate::dynamodb::fault::Fault;
use crate::dynamodb::fields::Fields;
use crate::dynamodb::json_write;

/// Records of one answer.
const RECORDS_MAX: i64 = 1_000;
/// Bytes of the records of one answer.
const BYTES_MAX: usize = 1024 * 1024;
/// Characters of an iterator.
const ITERATOR_CHARS: (usize, usize) = (1, 2_048);

pub(super) async fn run(context: &Context<'_>, mut fields: Fields<'_>) -> Result<Vec<u8>, Fault> {
    let text = take_text(
        &mut fields,
        "ShardIterator",
        "shardIterator",
        ITERATOR_CHARS,
    )?;
    let limit = fields.integer_within("Limit", "limit", 1, RECORDS_MAX)?;
    fields.finish()?;
    let now = context.clock.now();
    let iterator = ShardIterator::parse(&text, now)?;
    let stream = context.stream(&iterator.stream_arn).await?;
    if stream.row.shards <= iterator.shard {
        return Err(not_found("Shard does not exist"));
    }
    if let Some(after) = iterator.after
        && after < context.streams.trimmed_to(&stream, iterator.shard).await?
    {
        return Err(trimmed());
    }
    let after = iterator.after.unwrap_or_default();
    let records_max = usize::try_from(limit.unwrap_or(RECORDS_MAX)).unwrap_or(usize::MAX);
    // The stream was looked up before: if it was closed by then, all of its records are there to be read.
    let page = context
        .streams
        .read(
            &stream,
            iterator.shard,
            after,
            (records_max, BYTES_MAX),
            now,
        )
        .await?;
    let mut out = b"{\"Records\":[".to_vec();
    for (index, record) in page.records.iter().enumerate() {
        if 0 < index {
            out.push(b',');
        }
        record_json::write(&mut out, &stream, context.region, record, Shape::Api)
            .map_err(|error| Fault::internal(&error))?;
    }
    out.push(b']');
    if page.more || stream.row.closed_at.is_none() {
        let next = ShardIterator {
            after: Some(page.next),
            issued_at: now,
            ..iterator
        };
        out.extend_from_slice(b",\"NextShardIterator\":");
        json_write::string(&mut out, &next.to_text());
    }
    out.push(b'}');
    Ok(out)
}
