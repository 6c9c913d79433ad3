//! Sizes of item collections: the items of one partition of a table with local indexes.
//!
//! Lives here: `ReturnItemCollectionMetrics`, estimating sizes, the members of answers that tell them.
//! Does not live here: capacity (`capacity`).
//!
//! Contract: Amazon DynamoDB Developer Guide, "Item collections in local secondary indexes". The service tells an estimate as
//! a range one gigabyte wide; this one is the range that the counted size falls into.

use store::{Direction, PageLimit, Range};

use super::Context;
use crate::dynamodb::fault::Fault;
use crate::dynamodb::fields::Fields;
use crate::dynamodb::json_write;
use crate::engine::codec;
use crate::engine::indexes::IndexKind;
use crate::engine::items::AccessError;
use crate::engine::keys::{self, KeyPart};
use crate::engine::table::{ItemKey, Table};
use crate::engine::value::Attributes;

/// Rows that are counted at once.
const SLICE_ROWS_MAX: usize = 1_000;
/// Bytes that are counted at once.
const SLICE_BYTES_MAX: usize = model::limits::DYNAMODB_PAGE_BYTES_MAX;
/// A gigabyte, as the service counts it.
const GB: usize = 1024 * 1024 * 1024;

/// Whether sizes are to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MetricsWanted {
    Nothing,
    Size,
}

impl MetricsWanted {
    pub(super) fn take(fields: &mut Fields<'_>) -> Result<Self, Fault> {
        let found = fields.one_of(
            "ReturnItemCollectionMetrics",
            "returnItemCollectionMetrics",
            &["SIZE", "NONE"],
        )?;
        Ok(if found == Some("SIZE") {
            Self::Size
        } else {
            Self::Nothing
        })
    }
}

/// Item collections that were written to.
#[derive(Debug)]
pub(super) struct Metrics {
    wanted: MetricsWanted,
    collections: Vec<Collection>,
}

#[derive(Debug)]
struct Collection {
    table_name: String,
    /// The partition key alone.
    key: Attributes,
    /// What the keys of its items and of their entries in local indexes begin with.
    prefixes: Vec<Vec<u8>>,
}

impl Metrics {
    pub(super) const fn of(wanted: MetricsWanted) -> Self {
        Self {
            wanted,
            collections: Vec::new(),
        }
    }

    /// Notes the collection of the item with these attributes, if sizes are told of its table.
    pub(super) fn note(&mut self, table: &Table, key: &ItemKey, attributes: &Attributes) {
        if self.wanted == MetricsWanted::Nothing {
            return;
        }
        let partition_key = &table.descriptor.partition_key;
        let locals = || {
            let indexes = table.indexes.iter();
            indexes.filter(|index| index.settings.kind == IndexKind::Local)
        };
        let Some(value) = attributes.get(&partition_key.name) else {
            return;
        };
        let Some(part) = KeyPart::of(value, partition_key.key_type) else {
            return;
        };
        if locals().next().is_none() {
            return;
        }
        let mut prefixes = vec![key.partition().to_vec()];
        let is_known = |known: &Collection| known.prefixes.first() == prefixes.first();
        if self.collections.iter().any(is_known) {
            return;
        }
        prefixes.extend(locals().map(|index| keys::partition(&index.entries, part)));
        self.collections.push(Collection {
            table_name: table.name().to_owned(),
            key: Attributes::from([(partition_key.name.clone(), value.clone())]),
            prefixes,
        });
    }

    /// Writes the member of an answer about one item, and a comma before it, if there is anything to tell.
    pub(super) async fn write_one(
        &self,
        out: &mut Vec<u8>,
        context: &Context<'_>,
    ) -> Result<(), Fault> {
        if let Some(collection) = self.collections.first() {
            json_write::separate(out);
            out.extend_from_slice(b"\"ItemCollectionMetrics\":");
            collection.write(out, context).await?;
        }
        Ok(())
    }

    /// As [`Metrics::write_one`], about items of several tables.
    pub(super) async fn write_by_table(
        &self,
        out: &mut Vec<u8>,
        context: &Context<'_>,
    ) -> Result<(), Fault> {
        if self.collections.is_empty() {
            return Ok(());
        }
        json_write::separate(out);
        out.extend_from_slice(b"\"ItemCollectionMetrics\":{");
        let mut collections: Vec<_> = self.collections.iter().collect();
        collections.sort_by(|left, right| left.table_name.cmp(&right.table_name));
        let groups = collections.chunk_by(|left, right| left.table_name == right.table_name);
        for (position, group) in groups.enumerate() {
            if position != 0 {
                out.push(b',');
            }
            let name = group.first().map_or("", |first| &first.table_name);
            json_write::string(out, name);
            out.extend_from_slice(b":[");
            for (position, collection) in group.iter().enumerate() {
                if position != 0 {
                    out.push(b',');
                }
                collection.write(out, context).await?;
            }
            out.push(b']');
        }
        out.push(b'}');
        Ok(())
    }
}

impl Collection {
    async fn write(&self, out: &mut Vec<u8>, context: &Context<'_>) -> Result<(), Fault> {
        let mut bytes = 0;
        for prefix in &self.prefixes {
            bytes += size_of(context, Range::of_prefix(prefix.clone())).await?;
        }
        out.extend_from_slice(b"{\"ItemCollectionKey\":");
        json_write::attributes(out, &self.key);
        let low = bytes / GB;
        let range = format!(",\"SizeEstimateRangeGB\":[{low}.0,{}.0]}}", low + 1);
        out.extend_from_slice(range.as_bytes());
        Ok(())
    }
}

async fn size_of(context: &Context<'_>, mut range: Range) -> Result<usize, AccessError> {
    let limit = PageLimit {
        rows_max: SLICE_ROWS_MAX,
        bytes_max: SLICE_BYTES_MAX,
    };
    let mut bytes = 0;
    loop {
        let page = context
            .items
            .page(&range, Direction::Forward, limit)
            .await?;
        for row in &page.rows {
            bytes += codec::size_of(&row.value)?;
        }
        match page.rows.last().filter(|_| page.more) {
            Some(last) => range = range.after(&last.key),
            None => return Ok(bytes),
        }
    }
}
