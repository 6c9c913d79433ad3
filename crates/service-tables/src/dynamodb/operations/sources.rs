//! Where pages of items come from: a table or one of its indexes.
//!
//! Lives here: finding the index that a request names, its keys, what it can tell of items, where a page goes on.
//! Does not live here: which part of it is read (`query`, `scan`), reading it (`pages`).

use crate::dynamodb::capacity::Consistency;
use crate::dynamodb::expressions::placeholders::PathStep;
use crate::dynamodb::fault::Fault;
use crate::dynamodb::item_keys;
use crate::engine::indexes::{Index, IndexKind, IndexStatus};
use crate::engine::keys::{self, KeyPart};
use crate::engine::table::{KeyAttribute, Table};
use crate::engine::value::Attributes;

/// A table, or one of its indexes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) table: &'a Table,
    pub(super) index: Option<&'a Index>,
}

impl<'a> Source<'a> {
    /// What a request names.
    pub(super) fn find(
        table: &'a Table,
        index_name: Option<&str>,
        consistency: Consistency,
    ) -> Result<Self, Fault> {
        let Some(name) = index_name else {
            return Ok(Self { table, index: None });
        };
        let found = table
            .index(name)
            .filter(|index| index.settings.status != IndexStatus::Deleting);
        let Some(index) = found else {
            return Err(Fault::validation(format!(
                "The table does not have the specified index: {name}"
            )));
        };
        let is_global = index.settings.kind == IndexKind::Global;
        if is_global && consistency == Consistency::Strong {
            return Err(Fault::validation(
                "Consistent reads are not supported on global secondary indexes",
            ));
        }
        if index.settings.status == IndexStatus::Creating {
            return Err(Fault::validation(format!(
                "Cannot read from backfilling global secondary index: {name}"
            )));
        }
        Ok(Self {
            table,
            index: Some(index),
        })
    }

    /// What the keys of its rows begin with.
    pub(super) fn prefix(self) -> &'a [u8] {
        self.index.map_or(&self.table.items, |index| &index.entries)
    }

    /// The attributes of its partition key.
    pub(super) fn partition_keys(self) -> &'a [KeyAttribute] {
        match self.index {
            Some(index) => &index.settings.partition_keys,
            None => std::slice::from_ref(&self.table.descriptor.partition_key),
        }
    }

    /// The attributes of its sort key.
    pub(super) fn sort_keys(self) -> &'a [KeyAttribute] {
        match self.index {
            Some(index) => &index.settings.sort_keys,
            None => self.table.descriptor.sort_key.as_slice(),
        }
    }

    /// Whether one of its keys has several attributes.
    pub(super) fn is_composite(self) -> bool {
        1 < self.partition_keys().len() || 1 < self.sort_keys().len()
    }

    /// The attributes of its key.
    pub(super) fn key_attributes(self) -> impl Iterator<Item = &'a KeyAttribute> {
        self.partition_keys().iter().chain(self.sort_keys())
    }

    /// What the keys of the rows of a partition begin with.
    pub(super) fn partition(self, parts: &[KeyPart<'_>]) -> Vec<u8> {
        keys::partition_of_parts(self.prefix(), parts)
    }

    /// The attributes that say where a page has ended.
    fn place_attributes(self) -> Vec<&'a KeyAttribute> {
        match self.index {
            Some(index) => index.entry_attributes(self.table).collect(),
            None => self.table.key_attributes().collect(),
        }
    }

    /// Where a page has ended that ended with this item.
    pub(super) fn place_of(self, item: &Attributes) -> Attributes {
        let attributes = self.place_attributes().into_iter();
        attributes
            .filter_map(|attribute| {
                let value = item.get(&attribute.name)?;
                Some((attribute.name.clone(), value.clone()))
            })
            .collect()
    }

    /// Whether a start key has as many attributes as it must have.
    pub(super) fn has_place_size(self, start_key: &Attributes) -> bool {
        self.place_attributes().len() == start_key.len()
    }

    /// The key of the row after which a page begins.
    pub(super) fn row_key(self, start_key: &Attributes) -> Result<Vec<u8>, Fault> {
        let invalid = |fault: Fault| invalid_start(&fault.message);
        let Some(index) = self.index else {
            let key = item_keys::of_key(self.table, start_key).map_err(invalid)?;
            return Ok(key.as_bytes().to_vec());
        };
        let unfit = || Fault::validation("The provided starting key is invalid");
        for attribute in index.key_attributes() {
            let value = start_key.get(&attribute.name).ok_or_else(unfit)?;
            if KeyPart::of(value, attribute.key_type).is_none() {
                return Err(item_keys::no_match());
            }
        }
        let of_item = item_keys::key_of(self.table, start_key);
        item_keys::of_key(self.table, &of_item).map_err(invalid)?;
        index.entry_key(self.table, start_key).ok_or_else(unfit)
    }

    /// Refuses to read attributes that a global index does not hold.
    pub(super) fn judge_projected<'p>(
        self,
        paths: impl Iterator<Item = &'p [PathStep]>,
    ) -> Result<(), Fault> {
        let Some(index) = self.index else {
            return Ok(());
        };
        if index.settings.kind == IndexKind::Local {
            return Ok(());
        }
        let missing = self.not_held(paths);
        if missing.is_empty() {
            return Ok(());
        }
        Err(Fault::invalid(format!(
            "Global secondary index {} does not project [{}]",
            index.name(),
            missing.join(", ")
        )))
    }

    /// The attributes among these paths that it does not hold.
    pub(super) fn not_held<'p>(self, paths: impl Iterator<Item = &'p [PathStep]>) -> Vec<&'p str> {
        let mut missing = Vec::new();
        for path in paths {
            if let (Some(PathStep::Name(name)), Some(index)) = (path.first(), self.index)
                && !index.projects(self.table, name)
                && !missing.contains(&name.as_str())
            {
                missing.push(name.as_str());
            }
        }
        missing
    }
}

pub(super) fn invalid_start(what: &str) -> Fault {
    Fault::validation(format!("The provided starting key is invalid: {what}"))
}
