//! Reading many rows in order.
//!
//! Lives here: ranges, directions, limits, pages, and all pages one after the other.
//! Does not live here: what the bounds are made of (`keys`).

use bytes::Bytes;

use crate::errors::ReadError;
use crate::{Store, limits};

/// Keys from `start` (included) to `end` (excluded).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// The first key that belongs to it.
    pub start: Vec<u8>,
    /// The first key that is beyond it; none: there is no end.
    pub end: Option<Vec<u8>>,
}

impl Range {
    /// All keys from `start` to before `end`.
    #[must_use]
    pub fn new(start: Vec<u8>, end: Vec<u8>) -> Self {
        Self {
            start,
            end: Some(end),
        }
    }

    /// All keys that begin with this prefix.
    #[must_use]
    pub fn of_prefix(prefix: Vec<u8>) -> Self {
        Self {
            end: after_prefix(&prefix),
            start: prefix,
        }
    }

    /// The same range without the keys up to and including `key`.
    #[must_use]
    pub fn after(mut self, key: &[u8]) -> Self {
        let next = after_key(key);
        if self.start < next {
            self.start = next;
        }
        self
    }

    /// The same range without the keys from `key` on.
    #[must_use]
    pub fn before(mut self, key: &[u8]) -> Self {
        if self.end.as_deref().is_none_or(|end| key < end) {
            self.end = Some(key.to_vec());
        }
        self
    }

    /// Whether no key can be in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }
}

/// The smallest key after `key`.
#[must_use]
pub fn after_key(key: &[u8]) -> Vec<u8> {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next
}

/// The smallest key after all that begin with `prefix`; none when there is no such key.
#[must_use]
pub fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut next = prefix.to_vec();
    while let Some(last) = next.pop() {
        if let Some(raised) = last.checked_add(1) {
            next.push(raised);
            return Some(next);
        }
    }
    None
}

/// Which end of a range comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// In the order of keys.
    Forward,
    /// Against it.
    Backward,
}

/// When a page is full: whichever comes first. Larger numbers than [`limits`] allows are taken as those.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageLimit {
    /// Rows.
    pub rows_max: usize,
    /// Bytes of keys and values together. The row that reaches it is the page's last, so a page is empty only when
    /// `rows_max` is zero or the range has no more rows.
    pub bytes_max: usize,
}

impl PageLimit {
    /// At most so many rows, and as many bytes as a page may have.
    #[must_use]
    pub const fn rows(rows_max: usize) -> Self {
        Self {
            rows_max,
            bytes_max: limits::PAGE_BYTES_MAX,
        }
    }

    /// The same limit, brought within what the seam allows.
    #[must_use]
    pub fn clamped(self) -> Self {
        Self {
            rows_max: self.rows_max.min(limits::PAGE_ROWS_MAX),
            bytes_max: self.bytes_max.min(limits::PAGE_BYTES_MAX),
        }
    }
}

/// One key and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The key.
    pub key: Bytes,
    /// The value.
    pub value: Bytes,
}

/// A part of a range.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// The rows, in the direction of the scan.
    pub rows: Vec<Row>,
    /// Whether the range has more rows than these.
    pub more: bool,
}

/// All rows of a range, in the order of their keys, page by page: for what its reader keeps in memory anyhow.
///
/// # Errors
/// [`ReadError`] when the medium fails; later calls may succeed.
pub async fn all_rows(store: &dyn Store, mut range: Range) -> Result<Vec<Row>, ReadError> {
    let mut rows = Vec::new();
    loop {
        let limit = PageLimit::rows(limits::PAGE_ROWS_MAX);
        let page = store.scan(&range, Direction::Forward, limit).await?;
        rows.extend(page.rows);
        match rows.last() {
            Some(last) if page.more => range = range.after(&last.key),
            Some(_) | None => return Ok(rows),
        }
    }
}
