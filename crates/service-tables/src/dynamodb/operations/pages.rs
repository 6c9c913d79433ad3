//! Pages of items: what `Query` and `Scan` have in common.
//!
//! Lives here: their shared members, reading a page up to its limits, the answer.
//! Does not live here: which range is read (`query`, `scan`).
//!
//! Contract: Amazon DynamoDB Developer Guide, "Paginating table query results": a page ends with the item that reaches
//! `Limit` or 1 MB, counted before the filter; then the key of that item is answered, even if no more follow.

use store::{Direction, PageLimit, Range};

use super::Context;
use super::expression_fields::{ExpressionFields, Expressions, Takes};
use crate::dynamodb::capacity::{self, Consistency, Consumed, Units, Wanted};
use crate::dynamodb::fault::Fault;
use crate::dynamodb::fields::Fields;
use crate::dynamodb::values::Judged;
use crate::dynamodb::{item_keys, json_write};
use crate::engine::codec;
use crate::engine::items::AccessError;
use crate::engine::table::Table;
use crate::engine::value::Attributes;

/// Rows that are read from the store at once.
const SLICE_ROWS_MAX: usize = 1_000;

const SELECTS: [&str; 4] = [
    "SPECIFIC_ATTRIBUTES",
    "COUNT",
    "ALL_ATTRIBUTES",
    "ALL_PROJECTED_ATTRIBUTES",
];

/// The members that both take.
#[derive(Debug)]
pub(super) struct PageFields {
    pub(super) table_name: String,
    pub(super) start_key: Option<Judged<Attributes>>,
    select: Option<&'static str>,
    wanted: Wanted,
    limit: Option<usize>,
    consistency: Consistency,
    expressions: ExpressionFields,
    takes: Takes,
}

/// A page that is fit to be read.
#[derive(Debug)]
pub(super) struct PageRequest {
    pub(super) expressions: Expressions,
    wanted: Wanted,
    limit: Option<usize>,
    consistency: Consistency,
    returns: Returns,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Returns {
    Items,
    Count,
}

impl PageFields {
    pub(super) fn take(fields: &mut Fields<'_>, takes: Takes) -> Result<Self, Fault> {
        let select = fields.one_of("Select", "select", &SELECTS)?;
        let wanted = Wanted::take(fields)?;
        let table_name = fields.table_name()?;
        let limit = fields.integer_within("Limit", "limit", 1, i64::MAX)?;
        Ok(Self {
            table_name,
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
        let returns = match (self.select, projects) {
            (Some("ALL_PROJECTED_ATTRIBUTES"), _) => {
                return Err(Fault::invalid(
                    "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName",
                ));
            }
            (Some("ALL_ATTRIBUTES"), Some(parameter)) => {
                return Err(Fault::invalid(format!(
                    "Cannot specify the {parameter} when choosing to get ALL_ATTRIBUTES"
                )));
            }
            (Some("COUNT"), Some(parameter)) => {
                return Err(Fault::invalid(format!(
                    "Cannot specify the {parameter} when choosing to get only the Count"
                )));
            }
            (Some("SPECIFIC_ATTRIBUTES"), None) => {
                return Err(Fault::invalid(
                    "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
                ));
            }
            (Some("COUNT"), None) => Returns::Count,
            _ => Returns::Items,
        };
        Ok(PageRequest {
            expressions: self.expressions.read()?,
            wanted: self.wanted,
            limit: self.limit,
            consistency: self.consistency,
            returns,
        })
    }
}

pub(super) fn invalid_start(what: &str) -> Fault {
    Fault::validation(format!("The provided starting key is invalid: {what}"))
}

/// What was read so far.
#[derive(Debug, Default)]
struct Progress {
    items: Vec<u8>,
    count: usize,
    scanned: usize,
    bytes: usize,
    last_key: Option<Attributes>,
}

impl PageRequest {
    /// Reads the page of this range and writes the answer.
    pub(super) async fn answer(
        &self,
        context: &Context<'_>,
        table: &Table,
        mut range: Range,
        direction: Direction,
    ) -> Result<Vec<u8>, Fault> {
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
                if row.key.as_ref() == table.items {
                    continue;
                }
                self.add(table, &row.value, &mut progress)?;
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
        Ok(self.write(table, &progress))
    }

    /// Adds an item, and notes its key if it is the page's last.
    fn add(&self, table: &Table, bytes: &[u8], progress: &mut Progress) -> Result<(), AccessError> {
        progress.scanned += 1;
        progress.bytes += codec::size_of(bytes)?;
        let full = self.limit == Some(progress.scanned)
            || model::limits::DYNAMODB_PAGE_BYTES_MAX <= progress.bytes;
        let plain = self.expressions.filter.is_none() && self.expressions.projection.is_none();
        if plain && !full {
            self.begin_item(progress);
            if self.returns == Returns::Items {
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
        if passes && self.returns == Returns::Items {
            match &self.expressions.projection {
                None => json_write::attributes(&mut progress.items, &item),
                Some(projection) => {
                    json_write::attributes(&mut progress.items, &projection.apply(&item));
                }
            }
        }
        if full {
            progress.last_key = Some(item_keys::key_of(table, &item));
        }
        Ok(())
    }

    fn begin_item(&self, progress: &mut Progress) {
        if self.returns == Returns::Items && progress.count != 0 {
            progress.items.push(b',');
        }
        progress.count += 1;
    }

    fn write(&self, table: &Table, progress: &Progress) -> Vec<u8> {
        let mut out = Vec::with_capacity(progress.items.len() + 256);
        out.push(b'{');
        if self.returns == Returns::Items {
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
            let units = Units::of_read(progress.bytes, self.consistency);
            capacity::write(
                &mut out,
                self.wanted,
                table.name(),
                &Consumed::of_table(units),
            );
        }
        out.push(b'}');
        out
    }
}
