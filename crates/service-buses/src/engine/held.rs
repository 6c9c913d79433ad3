//! How much archives hold.
//!
//! Lives here: the total of each, what came and went since, and adding that up.
//! Does not live here: the events themselves (`archives`).
//!
//! What comes or goes is counted in the commit that keeps it or lets go of it, by a row of its own: were the total written each time,
//! every commit would wait for the one before. Now and then these rows are added to the total.

use std::collections::HashMap;
use std::ops::{AddAssign, Neg, Sub};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use store::{Batch, Direction, PageLimit, Range};

use super::catalogue::{Catalogue, Error, json, read};
use super::keys::{self, Place};

/// Rows that are read at once.
const ROWS: usize = 1_000;

/// How much there is in an archive, or how much came or went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    #[serde(rename = "e")]
    pub(crate) events: i64,
    #[serde(rename = "b")]
    pub(crate) bytes: i64,
}

impl Held {
    pub(super) fn of(events: usize, bytes: usize) -> Self {
        let count = |count| i64::try_from(count).unwrap_or(i64::MAX);
        Self {
            events: count(events),
            bytes: count(bytes),
        }
    }
}

impl AddAssign for Held {
    fn add_assign(&mut self, more: Self) {
        self.events += more.events;
        self.bytes += more.bytes;
    }
}

impl Neg for Held {
    type Output = Self;

    fn neg(self) -> Self {
        Self {
            events: -self.events,
            bytes: -self.bytes,
        }
    }
}

impl Sub for Held {
    type Output = Self;

    fn sub(mut self, less: Self) -> Self {
        self += -less;
        self
    }
}

/// What each archive holds, by its place and name, of those that were asked for.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    known: Mutex<HashMap<(Place, String), Held>>,
    /// Held by whoever reads or writes a total.
    totals: tokio::sync::Mutex<()>,
}

impl Counts {
    /// Says what has come or gone by a commit.
    pub(super) fn note(&self, place: &Place, archive: &str, more: Held) {
        let key = (place.clone(), archive.to_owned());
        self.with(|known| *known.entry(key).or_default() += more);
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashMap<(Place, String), Held>) -> T) -> T {
        act(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A batch that also says what comes to an archive by it, or goes.
pub(super) fn tallied(
    batch: Batch,
    place: &Place,
    archive: &str,
    more: Held,
) -> Result<Batch, Error> {
    let prefix = keys::tallies(place, archive);
    Ok(batch.put_versionstamped_key(prefix, Vec::new(), json(&more)?))
}

impl Catalogue {
    /// How much an archive holds. Whoever changes it asks before.
    pub(crate) async fn held(&self, place: &Place, archive: &str) -> Result<Held, Error> {
        let key = (place.clone(), archive.to_owned());
        let known = || self.archives.with(|known| known.get(&key).copied());
        if let Some(held) = known() {
            return Ok(held);
        }
        let _totals = self.archives.totals.lock().await;
        if let Some(held) = known() {
            return Ok(held);
        }
        let since = self.sum(keys::tallies(place, archive), read).await?;
        let total = keys::total(place, archive);
        let mut held = match self.store.get(&total).await? {
            Some(row) => read(&row)?,
            // It is new, or of an earlier version.
            None => {
                let events = keys::archive(place, archive);
                let counted = self.sum(events, |row| Ok(Held::of(1, row.len()))).await?;
                let before = counted - since;
                let batch = Batch::new().put(total, json(&before)?);
                self.store.commit(batch).await.map_err(Error::Commit)?;
                before
            }
        };
        held += since;
        self.archives.with(|known| known.insert(key, held));
        Ok(held)
    }

    /// Adds to the total of an archive what came and went since.
    pub(super) async fn add_up(&self, place: &Place, archive: &str) -> Result<(), Error> {
        let _totals = self.archives.totals.lock().await;
        let key = keys::total(place, archive);
        let Some(total) = self.store.get(&key).await? else {
            return Ok(());
        };
        let mut total: Held = read(&total)?;
        let range = Range::of_prefix(keys::tallies(place, archive));
        loop {
            let limit = PageLimit::rows(ROWS);
            let page = self.store.scan(&range, Direction::Forward, limit).await?;
            if page.rows.is_empty() {
                return Ok(());
            }
            let mut batch = Batch::new();
            for row in &page.rows {
                total += read(&row.value)?;
                batch = batch.delete(row.key.to_vec());
            }
            let batch = batch.put(key.clone(), json(&total)?);
            self.store.commit(batch).await.map_err(Error::Commit)?;
        }
    }

    /// Forgets what an archive held that is empty by now.
    pub(super) async fn forget_held(&self, place: &Place, archive: &str) -> Result<(), Error> {
        self.add_up(place, archive).await?;
        let _totals = self.archives.totals.lock().await;
        let batch = Batch::new().delete(keys::total(place, archive));
        self.store.commit(batch).await.map_err(Error::Commit)?;
        let key = (place.clone(), archive.to_owned());
        self.archives.with(|known| known.remove(&key));
        Ok(())
    }

    /// Of all rows that begin so.
    async fn sum(
        &self,
        prefix: Vec<u8>,
        counted: impl Fn(&[u8]) -> Result<Held, Error>,
    ) -> Result<Held, Error> {
        let mut sum = Held::default();
        let mut range = Range::of_prefix(prefix);
        loop {
            let limit = PageLimit::rows(ROWS);
            let page = self.store.scan(&range, Direction::Forward, limit).await?;
            for row in &page.rows {
                sum += counted(&row.value)?;
            }
            match page.rows.last() {
                Some(last) if page.more => range = range.after(&last.key),
                Some(_) | None => return Ok(sum),
            }
        }
    }
}
