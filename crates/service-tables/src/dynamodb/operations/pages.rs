//! Pages of items: what `Query` and `Scan` have in common.
//!
//! Lives here: their shared members, reading a page up to its limits, the answer.
//! Does not live here: which range is read (`query`, `scan`).
//!
//! Contract: Amazon DynamoDB Developer Guide, "Paginating table query results": a page ends with the item that reaches
//! `Limit` or 1 MB, counted before the filter; then the key of that item is answered, even if no more follow.

use bytes::Bytes;
use store::{Direction, PageLimit, Range, Row};

use super::expression_fields::{ExpressionFields, Expressions, Takes};
use super::sources::{Source, invalid_start};
use super::{Context, index_fields};
use crate::dynamodb::capacity::{self, Consistency, Consumed, Units, Wanted};
use crate::dynamodb::expressions::condition::Condition;
use crate::dynamodb::expressions::projection::Projection;
use crate::dynamodb::fault::Fault;
use crate::dynamodb::fields::Fields;
use crate::dynamodb::json_write;
use crate::dynamodb::throughput::Use;
use crate::dynamodb::values::Judged;
use crate::engine::codec;
use crate::engine::indexes::IndexKind;
use crate::engine::items::AccessError;
use crate::engine::value::Attributes;

/// Rows that are read from the store at once.
const SLICE_ROWS_MAX: usize = 1_000;

const SELECTS: [&str; 4] = [
    "SPECIFIC_ATTRIBUTES",
    "COUNT",
    "ALL_ATTRIBUTES",
    "ALL_PROJECTED_ATTRIBUTES",
];

/// What has to be read besides the rows themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fetch {
    /// Nothing.
    Nothing,
    /// The items that the entries of an index stand for.
    Items,
}

/// How what a page reads is rounded up to units.
///
/// The service keeps an on-demand table in four parts of the hash space at least, and rounds up what a scan reads of each: so
/// the scan of a small table costs four times what its items come to. It is documented nowhere, and seen by everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rounding {
    /// All at once.
    Together,
    /// Each quarter of the hash space that was walked for itself.
    ByQuarter {
        /// The quarter in which the page's range begins.
        first: usize,
        /// The quarter in which it ends.
        last: usize,
    },
}

/// The quarters of the hash space.
const QUARTERS: usize = 4;

/// The members that both take.
#[derive(Debug)]
pub(super) struct PageFields {
    pub(super) table_name: String,
    pub(super) start_key: Option<Judged<Attributes>>,
    pub(super) index_name: Option<String>,
    pub(super) consistency: Consistency,
    select: Option<&'static str>,
    wanted: Wanted,
    limit: Option<usize>,
    expressions: ExpressionFields,
    takes: Takes,
}

/// A page that is fit to be read.
#[derive(Debug)]
pub(super) struct PageRequest {
    /// As it was asked for: an answer calls it so.
    table_name: String,
    pub(super) expressions: Expressions,
    wanted: Wanted,
    limit: Option<usize>,
    consistency: Consistency,
    returns: Returns,
}

/// What is answered of the items that are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Returns {
    /// What the table or the index holds of them.
    Held,
    /// All of them: what an index does not hold is fetched.
    Whole,
    /// Some attributes.
    Specific,
    /// How many there are.
    Count,
}

impl PageFields {
    pub(super) fn take(fields: &mut Fields<'_>, takes: Takes) -> Result<Self, Fault> {
        let select = fields.one_of("Select", "select", &SELECTS)?;
        let index_name = fields.text("IndexName")?;
        if let Some(name) = &index_name {
            index_fields::judge_index_name(fields, name);
        }
        let wanted = Wanted::take(fields)?;
        let table_name = fields.table_name()?;
        let limit = take_limit(fields, takes)?;
        Ok(Self {
            table_name,
            index_name,
            start_key: fields.attributes("ExclusiveStartKey")?,
            select,
            wanted,
            limit: limit.and_then(|limit| usize::try_from(limit).ok()),
            consistency: Consistency::take(fields)?,
            expressions: ExpressionFields::take(fields, takes)?,
            takes,
        })
    }

    /// What is wrong with the start key's values, in the words for it.
    pub(super) fn judge(&mut self) -> Result<Option<Attributes>, Fault> {
        self.expressions.judge(self.takes)?;
        match self.start_key.take() {
            None => Ok(None),
            Some(Ok(key)) => Ok(Some(key)),
            Some(Err(fault)) => {
                // Which texts get the longer form is the service's habit, not a rule.
                let plain = [
                    "contains duplicates",
                    "number set",
                    "numeric value",
                    "significant digits",
                    "number with magnitude",
                ];
                if plain.iter().any(|part| fault.message.contains(part)) {
                    return Err(fault);
                }
                Err(invalid_start(&fault.message))
            }
        }
    }

    pub(super) const fn has_key_condition(&self) -> bool {
        self.expressions.has_key_condition()
    }

    pub(super) fn read(self) -> Result<PageRequest, Fault> {
        let projects = self.expressions.projection_parameter();
        let choosing = match self.select {
            Some("ALL_ATTRIBUTES") => "ALL_ATTRIBUTES",
            Some("ALL_PROJECTED_ATTRIBUTES") => "ALL_PROJECTED_ATTRIBUTES",
            _ => "only the Count",
        };
        let returns = match (self.select, projects) {
            (Some("ALL_PROJECTED_ATTRIBUTES"), _) if self.index_name.is_none() => {
                return Err(Fault::invalid(
                    "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName",
                ));
            }
            (Some("ALL_ATTRIBUTES" | "ALL_PROJECTED_ATTRIBUTES" | "COUNT"), Some(parameter)) => {
                return Err(Fault::invalid(format!(
                    "Cannot specify the {parameter} when choosing to get {choosing}"
                )));
            }
            (Some("SPECIFIC_ATTRIBUTES"), None) => {
                return Err(Fault::invalid(
                    "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
                ));
            }
            (Some("COUNT"), None) => Returns::Count,
            (Some("ALL_ATTRIBUTES"), None) => Returns::Whole,
            (_, Some(_)) => Returns::Specific,
            (_, None) => Returns::Held,
        };
        Ok(PageRequest {
            table_name: self.table_name,
            expressions: self.expressions.read()?,
            wanted: self.wanted,
            limit: self.limit,
            consistency: self.consistency,
            returns,
        })
    }
}

/// What was read so far.
#[derive(Debug, Default)]
struct Progress {
    items: Vec<u8>,
    count: usize,
    scanned: usize,
    bytes: usize,
    /// The same by quarters of the hash space.
    bytes_by_quarter: [usize; QUARTERS],
    /// The quarter of the last row.
    quarter: usize,
    /// What items cost that were fetched from the table.
    fetched: Option<Units>,
    last_key: Option<Attributes>,
}

impl PageRequest {
    /// Refuses what the source cannot tell; whether what it does not hold of items has to be fetched.
    pub(super) fn judge_source(&self, source: Source<'_>) -> Result<Fetch, Fault> {
        let Some(index) = source.index.filter(|index| !index.holds_all()) else {
            return Ok(Fetch::Nothing);
        };
        let projected = self.expressions.projection.iter();
        let mut paths = projected.flat_map(Projection::paths);
        match (self.returns, index.settings.kind) {
            (Returns::Held | Returns::Count, _) => Ok(Fetch::Nothing),
            (Returns::Whole, IndexKind::Local) => Ok(Fetch::Items),
            (Returns::Whole, IndexKind::Global) => Err(Fault::invalid(format!(
                "Select type ALL_ATTRIBUTES is not supported for global secondary index {} because its projection type is not ALL",
                index.name()
            ))),
            (Returns::Specific, IndexKind::Global) => {
                source.judge_projected(&mut paths)?;
                Ok(Fetch::Nothing)
            }
            (Returns::Specific, IndexKind::Local) => {
                let filter = self.expressions.filter.iter().flat_map(Condition::paths);
                let missing = source.not_held(paths.chain(filter));
                Ok(if missing.is_empty() {
                    Fetch::Nothing
                } else {
                    Fetch::Items
                })
            }
        }
    }

    /// Reads the page of this range and writes the answer.
    pub(super) async fn answer(
        &self,
        context: &Context<'_>,
        source: Source<'_>,
        mut range: Range,
        direction: Direction,
        rounding: Rounding,
    ) -> Result<Vec<u8>, Fault> {
        let fetch = self.judge_source(source)?;
        context.admit_read(source.table, source.index)?;
        let mut progress = Progress::default();
        let rows_wanted = self.limit.unwrap_or(usize::MAX);
        while !range.is_empty() && progress.last_key.is_none() {
            let limit = PageLimit {
                rows_max: SLICE_ROWS_MAX.min(rows_wanted - progress.scanned),
                bytes_max: model::limits::DYNAMODB_PAGE_BYTES_MAX,
            };
            let page = context.items.page(&range, direction, limit).await?;
            for row in &page.rows {
                // The first key under a table's prefix is the mark that the table is there.
                if row.key.as_ref() == source.prefix() {
                    continue;
                }
                progress.quarter = quarter_of(source, &row.key);
                let whole = match fetch {
                    Fetch::Nothing => None,
                    Fetch::Items => self.fetch(context, source, row, &mut progress).await?,
                };
                self.add(source, &row.value, whole.as_deref(), &mut progress)?;
                if progress.last_key.is_some() {
                    break;
                }
            }
            let Some(last) = page.rows.last().filter(|_| page.more) else {
                break;
            };
            range = match direction {
                Direction::Forward => range.after(&last.key),
                Direction::Backward => range.before(&last.key),
            };
        }
        let units = self.units(&progress, rounding);
        let consumed = consumed(source, &progress, units);
        context.spend(source.table, Use::Read, &consumed);
        Ok(self.write(&progress, &consumed))
    }

    fn units(&self, progress: &Progress, rounding: Rounding) -> Units {
        let (first, last) = match rounding {
            Rounding::Together => return Units::of_read(progress.bytes, self.consistency),
            Rounding::ByQuarter { first, last } => match &progress.last_key {
                Some(_) => (first, progress.quarter),
                None => (first, last),
            },
        };
        let read = progress.bytes_by_quarter.iter().enumerate();
        let walked = read.filter(|(quarter, _)| (first..=last).contains(quarter));
        walked.fold(Units::default(), |sum, (_, bytes)| {
            sum.plus(Units::of_read(*bytes, self.consistency))
        })
    }

    /// The whole item of an entry; none when it went between the two reads.
    async fn fetch(
        &self,
        context: &Context<'_>,
        source: Source<'_>,
        entry: &Row,
        progress: &mut Progress,
    ) -> Result<Option<Bytes>, AccessError> {
        let part = codec::decode(&entry.value)?;
        let Some(key) = source.table.item_key(&part) else {
            return Ok(None);
        };
        let found = context.items.get(&key).await?;
        let size = found.as_deref().map_or(Ok(0), codec::size_of)?;
        let units = Units::of_read(size, self.consistency);
        progress.fetched = Some(progress.fetched.unwrap_or_default().plus(units));
        Ok(found)
    }

    /// Adds an item, and notes its key if it is the page's last.
    fn add(
        &self,
        source: Source<'_>,
        held: &[u8],
        whole: Option<&[u8]>,
        progress: &mut Progress,
    ) -> Result<(), AccessError> {
        let bytes = whole.unwrap_or(held);
        progress.scanned += 1;
        let size = codec::size_of(held)?;
        progress.bytes += size;
        if let Some(bytes) = progress.bytes_by_quarter.get_mut(progress.quarter) {
            *bytes += size;
        }
        let full = self.limit == Some(progress.scanned)
            || model::limits::DYNAMODB_PAGE_BYTES_MAX <= progress.bytes;
        let plain = self.expressions.filter.is_none() && self.expressions.projection.is_none();
        if plain && !full {
            self.begin_item(progress);
            if self.returns != Returns::Count {
                json_write::encoded_item(&mut progress.items, bytes)?;
            }
            return Ok(());
        }
        let item = codec::decode(bytes)?;
        let passes = self
            .expressions
            .filter
            .as_ref()
            .is_none_or(|filter| filter.holds(&item));
        if passes {
            self.begin_item(progress);
        }
        if passes && self.returns != Returns::Count {
            match &self.expressions.projection {
                None => json_write::attributes(&mut progress.items, &item),
                Some(projection) => {
                    json_write::attributes(&mut progress.items, &projection.apply(&item));
                }
            }
        }
        if full {
            // The entry's own attributes: the item may have changed between the two reads.
            progress.last_key = Some(match whole {
                Some(_) => source.place_of(&codec::decode(held)?),
                None => source.place_of(&item),
            });
        }
        Ok(())
    }

    fn begin_item(&self, progress: &mut Progress) {
        if self.returns != Returns::Count && progress.count != 0 {
            progress.items.push(b',');
        }
        progress.count += 1;
    }

    fn write(&self, progress: &Progress, consumed: &Consumed) -> Vec<u8> {
        let mut out = Vec::with_capacity(progress.items.len() + 256);
        out.push(b'{');
        if self.returns != Returns::Count {
            out.extend_from_slice(b"\"Items\":[");
            out.extend_from_slice(&progress.items);
            out.extend_from_slice(b"],");
        }
        let (count, scanned) = (progress.count, progress.scanned);
        out.extend_from_slice(format!("\"Count\":{count},\"ScannedCount\":{scanned}").as_bytes());
        if let Some(key) = &progress.last_key {
            out.extend_from_slice(b",\"LastEvaluatedKey\":");
            json_write::attributes(&mut out, key);
        }
        if self.wanted != Wanted::Nothing {
            out.push(b',');
            capacity::write(&mut out, self.wanted, &self.table_name, consumed);
        }
        out.push(b'}');
        out
    }
}

fn take_limit(fields: &mut Fields<'_>, takes: Takes) -> Result<Option<i64>, Fault> {
    if takes != Takes::Query {
        return fields.integer_within("Limit", "limit", 1, i64::MAX);
    }
    let limit = fields.integer("Limit")?;
    if limit.is_some_and(|limit| limit < 1) {
        fields.violation_by_name("Limit", "have value greater than or equal to 1");
    }
    Ok(limit)
}

/// What a page has cost.
fn consumed(source: Source<'_>, progress: &Progress, units: Units) -> Consumed {
    match source.index {
        None => Consumed::of_table(units),
        Some(index) => {
            // The service tells the table's part of it also when that is nothing.
            let mut consumed = Consumed::of_table(progress.fetched.unwrap_or_default());
            consumed.add(Consumed::of_index(index, units));
            consumed
        }
    }
}

/// The quarter of the hash space that a key of a source is in.
pub(super) fn quarter_of(source: Source<'_>, key: &[u8]) -> usize {
    let hash = key.get(source.prefix().len()).copied().unwrap_or_default();
    usize::from(hash >> 6)
}
