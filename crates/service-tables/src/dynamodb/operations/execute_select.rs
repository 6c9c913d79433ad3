//! Reading what a statement selects.
//!
//! Lives here: pages over all parts of a selection, the token with which the next one goes on.
//! Does not live here: which keys are walked (`partiql::ranges`), judging an item (`expressions::condition`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use store::{Direction, PageLimit, Range};

use super::Context;
use crate::dynamodb::capacity::{Consistency, Consumed, Units};
use crate::dynamodb::expressions::condition::{self, Condition};
use crate::dynamodb::expressions::placeholders::PathStep;
use crate::dynamodb::fault::Fault;
use crate::dynamodb::partiql::{self, Order, Output, Partition, Schema, Select, Walk};
use crate::dynamodb::throughput::Use;
use crate::engine::codec;
use crate::engine::indexes::{Index, IndexKind, IndexStatus};
use crate::engine::items::AccessError;
use crate::engine::table::Table;
use crate::engine::value::{self, Attributes};

/// Rows that are read from the store at once.
const SLICE_ROWS_MAX: usize = 1_000;
/// The form of a token's bytes.
const TOKEN_FORMAT: u8 = 1;

/// How much is read, and from where on.
#[derive(Debug)]
pub(super) struct Paging<'a> {
    /// Items that are judged.
    pub(super) limit: Option<usize>,
    /// The token of the page before.
    pub(super) token: Option<&'a str>,
    /// What tells this statement and its parameters from others.
    pub(super) fingerprint: u32,
    pub(super) consistency: Consistency,
}

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) items: Vec<Attributes>,
    pub(super) consumed: Consumed,
    /// Where the next page begins, if there may be more.
    pub(super) next: Option<Next>,
}

/// Where a page ended.
#[derive(Debug)]
pub(super) struct Next {
    pub(super) token: String,
    pub(super) key: Attributes,
}

/// Reads one page.
pub(super) async fn page(
    context: &Context<'_>,
    table: &Table,
    select: &Select,
    paging: &Paging<'_>,
) -> Result<Page, Fault> {
    let source = Source::of(table, select, paging.consistency)?;
    let walk = partiql::walk(source.schema(), select.condition.as_ref())?;
    source.judge_attributes(select, &walk)?;
    let direction = direction(source.schema(), select, &walk)?;
    let ranges = ranges(source.schema(), select, walk);
    let (first, after) = match paging.token {
        Some(token) => read_token(token, paging.fingerprint, &ranges)?,
        None => (0, None),
    };
    context.admit_read(table, source.index)?;
    let mut reading = Reading {
        context,
        source,
        select,
        paging,
        direction,
        page: Page::default(),
        judged: 0,
        bytes: 0,
    };
    for (index, range) in ranges.into_iter().enumerate().skip(first) {
        let range = match (&after, index == first, direction) {
            (Some(key), true, Direction::Forward) => range.after(key),
            (Some(key), true, Direction::Backward) => range.before(key),
            _ => range,
        };
        reading.range(index, range).await?;
        if reading.page.next.is_some() {
            break;
        }
    }
    let units = Units::of_read(reading.bytes, paging.consistency);
    reading.page.consumed = source.consumed(units);
    context.spend(table, Use::Read, &reading.page.consumed);
    Ok(reading.page)
}

/// The parts of an item that a statement selects.
pub(super) fn projected(outputs: Option<&[Output]>, item: Attributes) -> Attributes {
    let Some(outputs) = outputs else {
        return item;
    };
    let part = |output: &Output| {
        let found = condition::at(&item, &output.path)?;
        Some((output.name.clone(), found.clone()))
    };
    outputs.iter().filter_map(part).collect()
}

/// What is read: a table or one of its indexes.
#[derive(Clone, Copy)]
struct Source<'a> {
    table: &'a Table,
    index: Option<&'a Index>,
}

impl<'a> Source<'a> {
    fn of(table: &'a Table, select: &Select, consistency: Consistency) -> Result<Self, Fault> {
        let Some(name) = &select.index else {
            return Ok(Self { table, index: None });
        };
        let index = table
            .index(name)
            .ok_or_else(|| Fault::validation("The table does not have the specified index"))?;
        match index.settings.status {
            IndexStatus::Active => {}
            IndexStatus::Creating | IndexStatus::Deleting => {
                return Err(Fault::validation(format!(
                    "Cannot read from backfilling global secondary index: {name}"
                )));
            }
        }
        if index.settings.kind == IndexKind::Global && consistency == Consistency::Strong {
            return Err(Fault::validation(
                "Strongly consistent read is not supported on Global Secondary Indexes",
            ));
        }
        if index.is_composite() {
            return Err(Fault::validation(format!(
                "A PartiQL statement on an index whose key has several attributes is not implemented by Cloudless yet: {name}"
            )));
        }
        let index = Some(index);
        Ok(Self { table, index })
    }

    fn schema(self) -> Schema<'a> {
        let keyed = self.index.and_then(|index| {
            let partition_key = index.settings.partition_keys.first()?;
            Some((index, partition_key))
        });
        match keyed {
            None => Schema {
                prefix: &self.table.items,
                partition_key: &self.table.descriptor.partition_key,
                sort_key: self.table.descriptor.sort_key.as_ref(),
            },
            Some((index, partition_key)) => Schema {
                prefix: &index.entries,
                partition_key,
                sort_key: index.settings.sort_keys.first(),
            },
        }
    }

    /// Refuses attributes that an index does not hold. A walk over the whole index takes them for missing.
    fn judge_attributes(self, select: &Select, walk: &Walk) -> Result<(), Fault> {
        let (Some(index), Walk::Partitions(_)) = (self.index, walk) else {
            return Ok(());
        };
        let missing = |paths: &mut dyn Iterator<Item = &[PathStep]>| -> Vec<String> {
            let mut missing: Vec<String> = paths
                .filter_map(|path| match path.first() {
                    Some(PathStep::Name(name)) if !index.projects(self.table, name) => {
                        Some(name.clone())
                    }
                    _ => None,
                })
                .collect();
            missing.sort();
            missing.dedup();
            missing
        };
        let condition = select.condition.iter().flat_map(Condition::paths);
        let filtered = missing(&mut condition.into_iter());
        if !filtered.is_empty() {
            return Err(Fault::invalid(format!(
                "Secondary index {} does not project one or more filter attributes: [{}]",
                index.name(),
                filtered.join(", ")
            )));
        }
        let outputs = select.projection.iter().flatten();
        let selected = missing(&mut outputs.map(|output| output.path.as_slice()));
        if index.settings.kind == IndexKind::Global && !selected.is_empty() {
            return Err(Fault::invalid(format!(
                "Global secondary index {} does not project [{}]",
                index.name(),
                selected.join(", ")
            )));
        }
        Ok(())
    }

    fn consumed(self, units: Units) -> Consumed {
        match self.index {
            None => Consumed::of_table(units),
            Some(index) => Consumed::of_index(index, units),
        }
    }

    /// Whether a statement wants attributes that are in the table alone.
    fn fetches(self, select: &Select) -> bool {
        let Some(index) = self.index else {
            return false;
        };
        index.settings.kind == IndexKind::Local
            && select.projection.iter().flatten().any(|output| {
                matches!(output.path.first(), Some(PathStep::Name(name)) if !index.projects(self.table, name))
            })
    }

    /// The attributes by which a page goes on.
    fn key_of(self, item: &Attributes) -> Attributes {
        let index = self.index.into_iter().flat_map(Index::key_attributes);
        self.table
            .key_attributes()
            .chain(index)
            .filter_map(|attribute| {
                let value = item.get(&attribute.name)?;
                Some((attribute.name.clone(), value.clone()))
            })
            .collect()
    }
}

/// Which way a statement walks, and whether it may ask for that.
fn direction(schema: Schema<'_>, select: &Select, walk: &Walk) -> Result<Direction, Fault> {
    if select.order.is_empty() {
        return Ok(Direction::Forward);
    }
    if select.condition.is_none() {
        return Err(Fault::validation(
            "Must have WHERE clause in the statement when using ORDER BY clause.",
        ));
    }
    let is_sort_key = |name: &str| schema.sort_key.is_some_and(|key| key.name == name);
    for (name, _) in &select.order {
        if *name != schema.partition_key.name && !is_sort_key(name) {
            return Err(Fault::validation(format!(
                "Variable reference {name} in ORDER BY clause must be part of the primary key"
            )));
        }
    }
    let Walk::Partitions(partitions) = walk else {
        return Err(Fault::validation(
            "Must have at least one non-optional hash key condition in WHERE clause when using ORDER BY clause.",
        ));
    };
    let several = partitions
        .windows(2)
        .any(|pair| matches!(pair, [left, right] if left.value != right.value));
    let by_partition = select
        .order
        .iter()
        .any(|(name, _)| *name == schema.partition_key.name);
    if several && !by_partition {
        return Err(Fault::validation(
            "Must have hash key in ORDER BY clause when more than one hash key condition specified in WHERE clause.",
        ));
    }
    let by_sort_key = select.order.iter().find(|(name, _)| is_sort_key(name));
    Ok(match by_sort_key {
        Some((_, Order::Descending)) => Direction::Backward,
        Some((_, Order::Ascending)) | None => Direction::Forward,
    })
}

/// All ranges in the order in which they are walked.
fn ranges(schema: Schema<'_>, select: &Select, walk: Walk) -> Vec<Range> {
    let mut partitions = match walk {
        Walk::Whole(range) => return vec![range],
        Walk::Partitions(partitions) => partitions,
    };
    let order_of = |name: &str| {
        let found = select.order.iter().find(|(other, _)| other == name);
        found.map(|(_, order)| *order)
    };
    let by_partition = order_of(&schema.partition_key.name);
    let by_sort_key = schema.sort_key.and_then(|key| order_of(&key.name));
    if by_partition.is_some() || by_sort_key.is_some() {
        partitions.sort_by(|left, right| {
            let values = condition::order(&left.value, &right.value);
            let values = values.unwrap_or(std::cmp::Ordering::Equal);
            let starts = left.range.start.cmp(&right.range.start);
            turned(by_partition, values).then(turned(by_sort_key, starts))
        });
    }
    partitions
        .into_iter()
        .map(|Partition { range, .. }| range)
        .collect()
}

const fn turned(order: Option<Order>, ordering: std::cmp::Ordering) -> std::cmp::Ordering {
    match order {
        Some(Order::Descending) => ordering.reverse(),
        Some(Order::Ascending) | None => ordering,
    }
}

struct Reading<'a> {
    context: &'a Context<'a>,
    source: Source<'a>,
    select: &'a Select,
    paging: &'a Paging<'a>,
    direction: Direction,
    page: Page,
    judged: usize,
    /// What the items that were judged weigh.
    bytes: usize,
}

impl Reading<'_> {
    /// Reads a range until it or the page is at its end.
    async fn range(&mut self, index: usize, mut range: Range) -> Result<(), Fault> {
        while !range.is_empty() {
            let rows_wanted = self.paging.limit.unwrap_or(usize::MAX);
            let limit = PageLimit {
                rows_max: SLICE_ROWS_MAX.min(rows_wanted.saturating_sub(self.judged).max(1)),
                bytes_max: model::limits::DYNAMODB_PAGE_BYTES_MAX,
            };
            let rows = self
                .context
                .items
                .page(&range, self.direction, limit)
                .await?;
            for row in &rows.rows {
                // The first key under a table's prefix is the mark that the table is there.
                if row.key.as_ref() == self.source.table.items {
                    continue;
                }
                let item = codec::decode(&row.value).map_err(AccessError::from)?;
                self.judged += 1;
                self.bytes += value::size(&item);
                if self.is_full() {
                    self.page.next = Some(Next {
                        token: token(self.paging.fingerprint, index, &row.key),
                        key: self.source.key_of(&item),
                    });
                }
                self.judge(item).await?;
                if self.page.next.is_some() {
                    return Ok(());
                }
            }
            let Some(last) = rows.rows.last().filter(|_| rows.more) else {
                return Ok(());
            };
            range = match self.direction {
                Direction::Forward => range.after(&last.key),
                Direction::Backward => range.before(&last.key),
            };
        }
        Ok(())
    }

    async fn judge(&mut self, item: Attributes) -> Result<(), Fault> {
        let condition = self.select.condition.as_ref();
        if !condition.is_none_or(|condition| condition.holds(&item)) {
            return Ok(());
        }
        let item = if self.source.fetches(self.select) {
            self.whole(item).await?
        } else {
            item
        };
        let part = projected(self.select.projection.as_deref(), item);
        self.page.items.push(part);
        Ok(())
    }

    /// The table's item of an entry of a local index.
    async fn whole(&self, entry: Attributes) -> Result<Attributes, Fault> {
        let Some(key) = self.source.table.item_key(&entry) else {
            return Ok(entry);
        };
        match self.context.items.get(&key).await? {
            Some(bytes) => Ok(codec::decode(&bytes).map_err(AccessError::from)?),
            None => Ok(entry),
        }
    }

    fn is_full(&self) -> bool {
        self.paging.limit == Some(self.judged)
            || model::limits::DYNAMODB_PAGE_BYTES_MAX <= self.bytes
    }
}

/// The token for a page that goes on after this key.
fn token(fingerprint: u32, range: usize, key: &[u8]) -> String {
    let range = u32::try_from(range).unwrap_or(u32::MAX);
    let mut bytes = vec![TOKEN_FORMAT];
    bytes.extend_from_slice(&fingerprint.to_be_bytes());
    bytes.extend_from_slice(&range.to_be_bytes());
    bytes.extend_from_slice(key);
    STANDARD.encode(bytes)
}

/// The range and the key that a token goes on after.
fn read_token(
    token: &str,
    fingerprint: u32,
    ranges: &[Range],
) -> Result<(usize, Option<Vec<u8>>), Fault> {
    let invalid = || Fault::validation("Invalid NextToken");
    let other = || Fault::validation("The provided starting key is invalid");
    let bytes = STANDARD.decode(token).map_err(|_| invalid())?;
    let (head, key) = bytes.split_first_chunk::<9>().ok_or_else(invalid)?;
    let [format, a, b, c, d, e, f, g, h] = *head;
    if format != TOKEN_FORMAT {
        return Err(invalid());
    }
    if u32::from_be_bytes([a, b, c, d]) != fingerprint {
        return Err(other());
    }
    let index = usize::try_from(u32::from_be_bytes([e, f, g, h])).map_err(|_| other())?;
    let range = ranges.get(index).ok_or_else(other)?;
    let within = range.start.as_slice() <= key && range.end.as_deref().is_none_or(|end| key < end);
    if !within {
        return Err(other());
    }
    Ok((index, Some(key.to_vec())))
}

/// Reads a token for any statement: for fuzzing.
pub(in crate::dynamodb) fn try_token(token_text: &str) {
    let ranges = [Range::of_prefix(b"t".to_vec())];
    if let Ok((index, Some(key))) = read_token(token_text, 0, &ranges) {
        let again = token(0, index, &key);
        assert_eq!(read_token(&again, 0, &ranges), Ok((index, Some(key))));
    }
}
