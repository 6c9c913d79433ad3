//! `Scan`.
//!
//! Lives here: segments, and the range that a scan walks.
//! Does not live here: reading pages (`pages`).

use store::{Direction, Range};

use super::Context;
use super::expression_fields::Takes;
use super::pages::{PageFields, Rounding, quarter_of};
use super::sources::{Source, invalid_start};
use crate::dynamodb::fault::Fault;
use crate::dynamodb::fields::Fields;
use crate::engine::table::Billing;

/// Amazon DynamoDB API Reference, `Scan`: `TotalSegments`.
const SEGMENTS_MAX: i64 = 1_000_000;

/// One of several parts of a table.
#[derive(Debug, Clone, Copy)]
struct Segment {
    index: i64,
    total: i64,
}

pub(super) async fn run(context: &Context<'_>, mut fields: Fields<'_>) -> Result<Vec<u8>, Fault> {
    let mut page = PageFields::take(&mut fields, Takes::Scan)?;
    let total = fields.integer_within("TotalSegments", "totalSegments", 1, SEGMENTS_MAX)?;
    let index = fields.integer_within("Segment", "segment", 0, SEGMENTS_MAX - 1)?;
    fields.finish()?;
    let start_key = page.judge()?;
    let segment = segment(index, total)?;
    let (table_name, index_name) = (page.table_name.clone(), page.index_name.clone());
    let consistency = page.consistency;
    let request = page.read()?;

    let table = context.table(&table_name).await?;
    let source = Source::find(&table, index_name.as_deref(), consistency)?;
    let mut range = range_of(source, segment);
    if let Some(key) = start_key {
        if source.index.is_some() && !source.has_place_size(&key) {
            return Err(Fault::validation("The provided starting key is invalid"));
        }
        let key = source.row_key(&key)?;
        judge_start(&range, &key, segment)?;
        range = range.after(&key);
    }
    request.expressions.judge_key_paths(&table)?;
    let rounding = rounding(source, &range);
    request
        .answer(context, source, range, Direction::Forward, rounding)
        .await
}

fn segment(index: Option<i64>, total: Option<i64>) -> Result<Segment, Fault> {
    match (index, total) {
        (None, None) => Ok(Segment { index: 0, total: 1 }),
        (Some(_), None) => Err(Fault::validation(
            "The TotalSegments parameter is required but was not present in the request when Segment parameter is present",
        )),
        (None, Some(_)) => Err(Fault::validation(
            "The Segment parameter is required but was not present in the request when parameter TotalSegments is present",
        )),
        (Some(index), Some(total)) if total <= index => Err(Fault::validation(format!(
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: {index} is not less than TotalSegments: {total}"
        ))),
        (Some(index), Some(total)) => Ok(Segment { index, total }),
    }
}

/// A segment is a range of partition hashes: segments share nothing, and together they are the table.
fn range_of(source: Source<'_>, segment: Segment) -> Range {
    let whole = Range::of_prefix(source.prefix().to_vec());
    let bound = |index: i64| {
        // Rounded down; within 32 bits, since `index` is less than `total` wherever the bound is used.
        let hash = (i128::from(index) << 32) / i128::from(segment.total);
        let hash = u32::try_from(hash).unwrap_or(u32::MAX);
        [source.prefix(), &hash.to_be_bytes()].concat()
    };
    let mut range = whole;
    if 0 < segment.index {
        range.start = bound(segment.index);
    }
    if segment.index + 1 < segment.total {
        range.end = Some(bound(segment.index + 1));
    }
    range
}

/// On-demand tables are rounded up part by part; the smallest provisioned ones are one part.
fn rounding(source: Source<'_>, range: &Range) -> Rounding {
    match source.table.descriptor.billing {
        Billing::Provisioned { .. } => Rounding::Together,
        Billing::OnDemand { .. } => {
            let within = range
                .end
                .as_deref()
                .filter(|end| end.starts_with(source.prefix()));
            Rounding::ByQuarter {
                first: quarter_of(source, &range.start),
                // The end is beyond the range; what is not under the prefix is beyond the last quarter.
                last: within.map_or(3, |end| {
                    let hash = end.get(source.prefix().len()..).unwrap_or_default();
                    let starts_quarter = hash.first().is_some_and(|byte| byte & 0x3f == 0)
                        && hash.iter().skip(1).all(|byte| *byte == 0);
                    quarter_of(source, end).saturating_sub(usize::from(starts_quarter))
                }),
            }
        }
    }
}

fn judge_start(range: &Range, key: &[u8], segment: Segment) -> Result<(), Fault> {
    let before = key < range.start.as_slice();
    let behind = range.end.as_deref().is_some_and(|end| end <= key);
    if before || behind {
        return Err(invalid_start(&format!(
            "Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment. TotalSegments: {} Segment: {}",
            segment.total, segment.index
        )));
    }
    Ok(())
}
