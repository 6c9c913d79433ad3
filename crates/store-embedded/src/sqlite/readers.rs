//! Reading, on the caller's thread.
//!
//! Lives here: the pool of reading connections and the statements that run on them.
//! Does not live here: settings of a connection (`connection`).

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use bytes::Bytes;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row as SqlRow};
use store::{Direction, Page, PageLimit, Range, ReadError, Row};

use super::{OpenError, connection};

/// Reading connections. A worker that finds all of them taken waits for one, so as many as a server has workers.
const READERS: usize = 8;

/// A small pool of connections that only read.
#[derive(Debug)]
pub(super) struct Readers {
    connections: Vec<Mutex<Connection>>,
    turn: AtomicUsize,
}

impl Readers {
    pub(super) fn open(file: &Path) -> Result<Self, OpenError> {
        let connections = (0..READERS)
            .map(|_| connection::open_reader(file).map(Mutex::new))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            connections,
            turn: AtomicUsize::new(0),
        })
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        let connection = self.take()?;
        get(&connection, key)
    }

    pub(super) fn scan(
        &self,
        range: &Range,
        direction: Direction,
        limit: PageLimit,
    ) -> Result<Page, ReadError> {
        let connection = self.take()?;
        let (statement, bounds) = select(&connection, range, direction).map_err(failed)?;
        fill(statement, &bounds, limit).map_err(failed)
    }

    /// The first free connection from a starting point that moves on, else the one at that point once it is free.
    fn take(&self) -> Result<MutexGuard<'_, Connection>, ReadError> {
        // A panic while one was held cannot have harmed it: statements are reset when they are dropped.
        let start = self.turn.load(Ordering::Relaxed) % READERS;
        let (before, from) = self.connections.split_at(start);
        for connection in from.iter().chain(before) {
            match connection.try_lock() {
                Ok(connection) => return Ok(connection),
                Err(TryLockError::Poisoned(poisoned)) => return Ok(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        self.turn.fetch_add(1, Ordering::Relaxed);
        let connection = from.first().ok_or(ReadError::Closed)?;
        Ok(connection.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The value of a key, by this connection.
pub(super) fn get(connection: &Connection, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
    let mut statement = connection
        .prepare_cached("SELECT value FROM kv WHERE key = ?1")
        .map_err(failed)?;
    statement
        .query_row([key], |row| Ok(Bytes::copy_from_slice(blob(row, 0)?)))
        .optional()
        .map_err(failed)
}

fn select<'a>(
    connection: &'a Connection,
    range: &'a Range,
    direction: Direction,
) -> rusqlite::Result<(CachedStatement<'a>, Vec<&'a [u8]>)> {
    let start = range.start.as_slice();
    Ok(match (range.end.as_deref(), direction) {
        (Some(end), Direction::Forward) => (
            connection.prepare_cached(
                "SELECT key, value FROM kv WHERE ?1 <= key AND key < ?2 ORDER BY key",
            )?,
            vec![start, end],
        ),
        (Some(end), Direction::Backward) => (
            connection.prepare_cached(
                "SELECT key, value FROM kv WHERE ?1 <= key AND key < ?2 ORDER BY key DESC",
            )?,
            vec![start, end],
        ),
        (None, Direction::Forward) => (
            connection.prepare_cached("SELECT key, value FROM kv WHERE ?1 <= key ORDER BY key")?,
            vec![start],
        ),
        (None, Direction::Backward) => (
            connection
                .prepare_cached("SELECT key, value FROM kv WHERE ?1 <= key ORDER BY key DESC")?,
            vec![start],
        ),
    })
}

fn fill(
    mut statement: CachedStatement<'_>,
    bounds: &[&[u8]],
    limit: PageLimit,
) -> rusqlite::Result<Page> {
    let mut rows = statement.query(rusqlite::params_from_iter(bounds))?;
    let mut page = Page::default();
    let mut bytes = 0_usize;
    while let Some(row) = rows.next()? {
        if page.rows.len() == limit.rows_max || limit.bytes_max <= bytes {
            page.more = true;
            break;
        }
        let (key, value) = (blob(row, 0)?, blob(row, 1)?);
        bytes += key.len() + value.len();
        page.rows.push(Row {
            key: Bytes::copy_from_slice(key),
            value: Bytes::copy_from_slice(value),
        });
    }
    Ok(page)
}

fn blob<'a>(row: &'a SqlRow<'_>, column: usize) -> rusqlite::Result<&'a [u8]> {
    Ok(row.get_ref(column)?.as_blob()?)
}

fn failed(error: rusqlite::Error) -> ReadError {
    ReadError::Medium(Arc::new(error))
}
