//! What a change of an item entails.
//!
//! Lives here: the one pure function that every write of an item goes through: entries of indexes, the entry by which it expires,
//! the stream's record.
//! Does not live here: the write of the item itself (`items`), what an entry is (`indexes`).

use model::time::Timestamp;
use store::Write;

use super::indexes::Image;
use super::streams::record;
use super::table::{ItemKey, Table};
use super::time_to_live;

/// Why an item changes, and where the change stands in its commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub author: Author,
    /// The place of this change among those of one commit, counted from 0.
    pub ordinal: u32,
}

/// Who changes an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author {
    /// Whoever called.
    Caller,
    /// The service, since the item has expired.
    TimeToLive,
}

/// The writes that go into the same commit as the change of this item. Without `before` the item is new, without `after` it
/// goes.
#[must_use]
pub fn consequences(
    table: &Table,
    key: &ItemKey,
    before: Option<Image<'_>>,
    after: Option<Image<'_>>,
    cause: Cause,
) -> Vec<Write> {
    let mut writes = Vec::new();
    for index in table.indexes.iter().filter(|index| index.takes_entries()) {
        index.follow(table, before, after, &mut writes);
    }
    time_to_live::follow(table, key, (before, after), &mut writes);
    record::follow(table, key, (before, after), cause, &mut writes);
    writes
}
