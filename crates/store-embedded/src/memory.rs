//! A store that forgets everything when it is dropped.
//!
//! Lives here: an ordered map behind a lock; for tests, and for runs that are to leave nothing behind.
//! Does not live here: durability; `commit` returns as soon as the map has changed.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock};

use bytes::Bytes;
use store::{
    Batch, BoxFuture, CommitError, Direction, Page, PageLimit, Range, ReadError, Row, Store,
    Versionstamp,
};

/// A store in memory.
#[derive(Debug, Default)]
pub struct Memory {
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    rows: BTreeMap<Bytes, Bytes>,
    stamp_last: u64,
}

impl Memory {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    // The lock is never held while anything can panic half-way through a change, so a poisoned one is still sound.
    fn read(&self, key: &[u8]) -> Option<Bytes> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.rows.get(key).cloned()
    }

    fn page(&self, range: &Range, direction: Direction, limit: PageLimit) -> Page {
        if range.is_empty() {
            return Page::default();
        }
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let end = range
            .end
            .as_deref()
            .map_or(Bound::Unbounded, Bound::Excluded);
        let found = state
            .rows
            .range::<[u8], _>((Bound::Included(range.start.as_slice()), end));
        match direction {
            Direction::Forward => fill(found, limit.clamped()),
            Direction::Backward => fill(found.rev(), limit.clamped()),
        }
    }

    fn apply(&self, batch: &Batch) -> Result<Versionstamp, CommitError> {
        batch.measure()?;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let failed = batch
            .checks()
            .iter()
            .position(|check| !check.holds(state.rows.get(check.key()).map(|value| &value[..])));
        if let Some(index) = failed {
            return Err(CommitError::CheckFailed { index });
        }
        state.stamp_last += 1;
        let stamp = Versionstamp::new(state.stamp_last);
        for write in batch.writes() {
            match write.stamped(stamp) {
                (key, Some(value)) => state.rows.insert(key, value),
                (key, None) => state.rows.remove(&key),
            };
        }
        Ok(stamp)
    }
}

impl Store for Memory {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Bytes>, ReadError>> {
        Box::pin(async move { Ok(self.read(key)) })
    }

    fn scan<'a>(
        &'a self,
        range: &'a Range,
        direction: Direction,
        limit: PageLimit,
    ) -> BoxFuture<'a, Result<Page, ReadError>> {
        Box::pin(async move { Ok(self.page(range, direction, limit)) })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Versionstamp, CommitError>> {
        Box::pin(async move { self.apply(&batch) })
    }
}

fn fill<'a>(rows: impl Iterator<Item = (&'a Bytes, &'a Bytes)>, limit: PageLimit) -> Page {
    let mut page = Page::default();
    let mut bytes = 0_usize;
    for (key, value) in rows {
        if page.rows.len() == limit.rows_max || limit.bytes_max <= bytes {
            page.more = true;
            break;
        }
        bytes += key.len() + value.len();
        page.rows.push(Row {
            key: key.clone(),
            value: value.clone(),
        });
    }
    page
}
