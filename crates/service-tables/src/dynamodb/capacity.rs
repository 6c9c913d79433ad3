//! What an operation costs, as the service counts it.
//!
//! Lives here: capacity units, and the member of an answer that tells them.
//! Does not live here: limiting anybody by them (`throughput`).
//!
//! Contract: Amazon DynamoDB Developer Guide, "DynamoDB read and write operations".

use std::collections::BTreeMap;

use super::fault::Fault;
use super::fields::Fields;
use super::json_write;
use crate::engine::indexes::{EntryChange, Index, IndexKind};
use crate::engine::table::Table;
use crate::engine::value::{self, Attributes};

/// Bytes that one read unit pays for.
const READ_UNIT_BYTES: usize = 4 * 1024;
/// Bytes that one write unit pays for.
const WRITE_UNIT_BYTES: usize = 1024;

/// What an answer is to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Nothing.
    Nothing,
    /// All units together.
    Total,
    /// Also by table and index.
    Indexes,
}

/// Half units, so that sums are exact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Units {
    halves: usize,
}

/// Whether a read sees all writes before it. Ours always do; the cheaper kind only costs less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Consistency {
    Eventual,
    Strong,
}

impl Wanted {
    pub(super) fn take(fields: &mut Fields<'_>) -> Result<Self, Fault> {
        let allowed = ["INDEXES", "TOTAL", "NONE"];
        let wanted = fields.one_of("ReturnConsumedCapacity", "returnConsumedCapacity", &allowed)?;
        Ok(match wanted {
            Some("INDEXES") => Self::Indexes,
            Some("TOTAL") => Self::Total,
            _ => Self::Nothing,
        })
    }
}

impl Consistency {
    pub(super) fn take(fields: &mut Fields<'_>) -> Result<Self, Fault> {
        Ok(match fields.boolean("ConsistentRead")? {
            Some(true) => Self::Strong,
            Some(false) | None => Self::Eventual,
        })
    }
}

impl Units {
    pub(super) fn of_read(bytes: usize, consistency: Consistency) -> Self {
        let units = bytes.div_ceil(READ_UNIT_BYTES).max(1);
        Self {
            halves: match consistency {
                Consistency::Eventual => units,
                Consistency::Strong => 2 * units,
            },
        }
    }

    pub(super) fn of_write(bytes: usize) -> Self {
        Self {
            halves: 2 * bytes.div_ceil(WRITE_UNIT_BYTES).max(1),
        }
    }

    pub(super) const fn plus(self, other: Self) -> Self {
        Self {
            halves: self.halves + other.halves,
        }
    }

    pub(super) const fn halves(self) -> usize {
        self.halves
    }

    fn text(self) -> String {
        let fraction = if self.halves.is_multiple_of(2) { 0 } else { 5 };
        format!("{}.{fraction}", self.halves / 2)
    }
}

/// Units of a table and of its indexes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Consumed {
    table: Option<Units>,
    local: BTreeMap<String, Units>,
    global: BTreeMap<String, Units>,
}

/// How the units of a transaction are told once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Also {
    /// They are not.
    Nothing,
    /// As `ReadCapacityUnits`.
    Read,
    /// As `WriteCapacityUnits`.
    Write,
}

impl Consumed {
    /// Units of the table alone.
    pub(super) const fn of_table(units: Units) -> Self {
        Self {
            table: Some(units),
            local: BTreeMap::new(),
            global: BTreeMap::new(),
        }
    }

    /// Units of an index alone.
    pub(super) fn of_index(index: &Index, units: Units) -> Self {
        let mut consumed = Self::default();
        consumed.add_index(index, units);
        consumed
    }

    /// What a write costs that makes this item of that one.
    pub(super) fn of_write(
        table: &Table,
        before: Option<&Attributes>,
        after: Option<&Attributes>,
    ) -> Self {
        let bytes = |item: Option<&Attributes>| item.map_or(0, value::size);
        let mut consumed = Self::of_table(Units::of_write(bytes(before).max(bytes(after))));
        for index in &table.indexes {
            match index.entry_change(table, before, after) {
                EntryChange::Unchanged => {}
                EntryChange::Written { bytes } => {
                    consumed.add_index(index, Units::of_write(bytes));
                }
                EntryChange::Moved {
                    bytes_removed,
                    bytes_added,
                } => {
                    consumed.add_index(index, Units::of_write(bytes_removed));
                    consumed.add_index(index, Units::of_write(bytes_added));
                }
            }
        }
        consumed
    }

    fn add_index(&mut self, index: &Index, units: Units) {
        let units_by_name = match index.settings.kind {
            IndexKind::Local => &mut self.local,
            IndexKind::Global => &mut self.global,
        };
        let sum = units_by_name.entry(index.name().to_owned()).or_default();
        *sum = sum.plus(units);
    }

    /// Both together.
    pub(super) fn add(&mut self, other: Self) {
        if let Some(units) = other.table {
            self.table = Some(self.table.unwrap_or_default().plus(units));
        }
        for (sums, units_by_name) in [
            (&mut self.local, other.local),
            (&mut self.global, other.global),
        ] {
            for (name, units) in units_by_name {
                let sum = sums.entry(name).or_default();
                *sum = sum.plus(units);
            }
        }
    }

    /// Twice as many: what the same costs in a transaction.
    pub(super) fn doubled(&self) -> Self {
        let mut twice = self.clone();
        twice.add(self.clone());
        twice
    }

    /// Who pays: the table, also for its local indexes, and each global index by itself.
    pub(super) fn shares<'a>(
        &'a self,
        table: &'a Table,
    ) -> impl Iterator<Item = (Option<&'a Index>, Units)> {
        let of_table = self.table.iter().chain(self.local.values());
        let of_table = of_table.fold(Units::default(), |sum, units| sum.plus(*units));
        let global = self.global.iter();
        let global = global.filter_map(|(name, units)| Some((Some(table.index(name)?), *units)));
        std::iter::once((None, of_table))
            .filter(|(_, units)| *units != Units::default())
            .chain(global)
    }

    fn total(&self) -> Units {
        let indexes = self.local.values().chain(self.global.values());
        self.table
            .iter()
            .chain(indexes)
            .fold(Units::default(), |sum, units| sum.plus(*units))
    }

    /// Writes the structure, as far as it is wanted.
    pub(super) fn write(&self, out: &mut Vec<u8>, wanted: Wanted, table_name: &str, also: Also) {
        out.extend_from_slice(b"{\"TableName\":");
        json_write::string(out, table_name);
        out.push(b',');
        write_units(out, self.total(), also);
        if wanted == Wanted::Indexes {
            if let Some(units) = self.table {
                out.extend_from_slice(b",\"Table\":{");
                write_units(out, units, also);
                out.push(b'}');
            }
            for (name, units_by_name) in [
                ("LocalSecondaryIndexes", &self.local),
                ("GlobalSecondaryIndexes", &self.global),
            ] {
                write_indexes(out, name, units_by_name, also);
            }
        }
        out.push(b'}');
    }
}

fn write_indexes(
    out: &mut Vec<u8>,
    name: &str,
    units_by_name: &BTreeMap<String, Units>,
    also: Also,
) {
    if units_by_name.is_empty() {
        return;
    }
    out.push(b',');
    json_write::string(out, name);
    out.extend_from_slice(b":{");
    for (position, (index, units)) in units_by_name.iter().enumerate() {
        if position != 0 {
            out.push(b',');
        }
        json_write::string(out, index);
        out.extend_from_slice(b":{");
        write_units(out, *units, also);
        out.push(b'}');
    }
    out.push(b'}');
}

fn write_units(out: &mut Vec<u8>, units: Units, also: Also) {
    let text = units.text();
    let more = match also {
        Also::Nothing => String::new(),
        Also::Read => format!(",\"ReadCapacityUnits\":{text}"),
        Also::Write => format!(",\"WriteCapacityUnits\":{text}"),
    };
    out.extend_from_slice(format!("\"CapacityUnits\":{text}{more}").as_bytes());
}

/// Units by table, in the order in which tables came first.
#[derive(Debug, Default)]
pub(super) struct ConsumedByTable {
    tables: Vec<(String, Consumed)>,
}

impl ConsumedByTable {
    pub(super) fn add(&mut self, table_name: &str, consumed: Consumed) {
        let found = self.tables.iter_mut().find(|(name, _)| name == table_name);
        match found {
            Some((_, sum)) => sum.add(consumed),
            None => self.tables.push((table_name.to_owned(), consumed)),
        }
    }

    /// Those of one table.
    pub(super) fn of(&self, table_name: &str) -> Option<&Consumed> {
        let mut tables = self.tables.iter();
        let found = tables.find(|(name, _)| name == table_name);
        found.map(|(_, consumed)| consumed)
    }

    /// Writes the member `ConsumedCapacity`, if it is wanted, and a comma before it where one is needed.
    pub(super) fn write(&self, out: &mut Vec<u8>, wanted: Wanted, also: Also) {
        if wanted == Wanted::Nothing {
            return;
        }
        json_write::separate(out);
        out.extend_from_slice(b"\"ConsumedCapacity\":[");
        for (position, (name, consumed)) in self.tables.iter().enumerate() {
            if position != 0 {
                out.push(b',');
            }
            consumed.write(out, wanted, name, also);
        }
        out.push(b']');
    }
}

/// Writes the member `ConsumedCapacity`, if it is wanted; commas are the caller's.
pub(super) fn write(out: &mut Vec<u8>, wanted: Wanted, table_name: &str, consumed: &Consumed) {
    if wanted != Wanted::Nothing {
        out.extend_from_slice(b"\"ConsumedCapacity\":");
        consumed.write(out, wanted, table_name, Also::Nothing);
    }
}
