//! What must be in the table.
//!
//! Lives here: for each key what was acknowledged and what was attempted since, for each counter its bounds.
//! Does not live here: writing (`load`), reading back (`check`).

#![expect(
    clippy::indexing_slicing,
    reason = "JSON by a name that is not there is null: nothing here can panic"
)]

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

/// An item's place: partition and sort key.
pub(super) type Key = (String, u64);

/// An item, as far as it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) n: u64,
    /// The partition key of the global index; an item without it is in no index of that kind.
    pub(super) kind: Option<&'static str>,
}

/// What is known of one item.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// What the last acknowledged write left.
    acknowledged: Option<Item>,
    /// What writes without an answer would have left.
    attempted: Vec<Option<Item>>,
}

/// Writers that add to a counter.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Additions {
    pub(super) acknowledged: u64,
    pub(super) attempted: u64,
}

/// What one writer knows. No other writes to its items.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    pub(super) name: String,
    pub(super) items: BTreeMap<Key, Known>,
    /// By single updates, and by transactions.
    pub(super) counters: [Additions; 2],
    pub(super) acknowledged: u64,
}

/// What all of them know.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) writers: Vec<Writer>,
    counters: [u64; 2],
}

/// The partition of the items that all writers add to.
pub(super) const COUNTERS: &str = "counters";

impl Known {
    /// A write is on its way.
    pub(super) fn attempt(&mut self, item: Option<Item>) {
        self.attempted.push(item);
    }

    /// The last write on its way was answered.
    pub(super) fn acknowledge(&mut self) {
        if let Some(item) = self.attempted.pop() {
            self.acknowledged = item;
        }
        self.attempted.clear();
    }

    /// The last write on its way was refused.
    pub(super) fn refuse(&mut self) {
        self.attempted.pop();
    }

    /// Takes what was found for what is known, if it may be so.
    fn settle(&mut self, found: Option<&Item>) -> Result<()> {
        let fits = self.acknowledged.as_ref() == found
            || self.attempted.iter().any(|item| item.as_ref() == found);
        ensure!(
            fits,
            "acknowledged {:?}, attempted {:?}, found {found:?}",
            self.acknowledged,
            self.attempted
        );
        self.acknowledged = found.cloned();
        self.attempted.clear();
        Ok(())
    }
}

impl Item {
    pub(super) fn to_json(&self, (who, at): &Key) -> Value {
        let mut item =
            json!({"who": {"S": who}, "at": {"N": at.to_string()}, "n": {"N": self.n.to_string()}});
        if let (Some(kind), Some(members)) = (self.kind, item.as_object_mut()) {
            members.insert("kind".to_owned(), json!({"S": kind}));
        }
        item
    }
}

impl Model {
    pub(super) fn new(writers: usize) -> Self {
        let writer = |index| Writer {
            name: format!("writer-{index}"),
            items: BTreeMap::new(),
            counters: [Additions::default(); 2],
            acknowledged: 0,
        };
        Self {
            writers: (0..writers).map(writer).collect(),
            counters: [0; 2],
        }
    }

    /// Compares the whole table with what must be in it, and takes it over.
    pub(super) fn settle(&mut self, table: &BTreeMap<Key, Value>) -> Result<()> {
        let mut expected = 0;
        for writer in &mut self.writers {
            for (key, known) in &mut writer.items {
                let found = table.get(key);
                let acceptable = std::iter::once(&known.acknowledged).chain(&known.attempted);
                let item = acceptable
                    .flatten()
                    .find(|item| found == Some(&item.to_json(key)))
                    .cloned();
                ensure!(
                    item.is_some() || found.is_none(),
                    "{key:?}: found {found:?}, known {known:?}"
                );
                known
                    .settle(item.as_ref())
                    .map_err(|error| error.context(format!("{key:?}")))?;
                expected += usize::from(item.is_some());
            }
        }
        let items = table.keys().filter(|(who, _)| who != COUNTERS).count();
        ensure!(
            items == expected,
            "{items} items are in the table, {expected} must be"
        );
        for index in [0, 1] {
            self.settle_counter(index, table)?;
        }
        Ok(())
    }

    fn settle_counter(&mut self, index: usize, table: &BTreeMap<Key, Value>) -> Result<()> {
        let place = (COUNTERS.to_owned(), index as u64);
        let found = table.get(&place).and_then(|item| item["n"]["N"].as_str());
        let found: u64 = found.map_or(Ok(0), str::parse)?;
        let Some(before) = self.counters.get_mut(index) else {
            return Ok(());
        };
        let mut sum = Additions::default();
        for writer in &mut self.writers {
            if let Some(additions) = writer.counters.get_mut(index) {
                sum.acknowledged += additions.acknowledged;
                sum.attempted += additions.attempted;
                *additions = Additions::default();
            }
        }
        let (least, most) = (*before + sum.acknowledged, *before + sum.attempted);
        ensure!(
            (least..=most).contains(&found),
            "counter {index} is {found}; it was {before}, and {sum:?} were added"
        );
        *before = found;
        Ok(())
    }

    /// How much was acknowledged.
    pub(super) fn words(&self) -> String {
        let sum: u64 = self.writers.iter().map(|writer| writer.acknowledged).sum();
        format!("{sum} acknowledged writes")
    }
}
