//! What a group of batches does to the file.
//!
//! Lives here: one transaction for many batches, their stamps, carrying the log over into the database.
//! Does not live here: who writes when (`writer`), settings of the connection (`connection`).

use std::ffi::c_int;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rusqlite::wal::CheckpointMode;
use rusqlite::{CachedStatement, Connection, MAIN_DB, OptionalExtension};
use store::{Batch, CommitError, ReadError, Versionstamp};

use super::connection::{self, BUSY_WAIT_MAX};
use super::log_room::LogRoom;
use super::readers;

/// Versionstamps that are reserved at once. A commit writes whole pages, and the row that counts stamps is on one of its own:
/// so almost every small commit writes one page less. A start goes on after the last one that was reserved.
const STAMPS_RESERVED: u64 = 4_096;
/// Pages in the log before they are carried over into the database.
const CHECKPOINT_PAGES: u32 = 4_000;
/// Pages that the log grows by until that is tried again, when a reader was in the way.
const CHECKPOINT_AGAIN_PAGES: u32 = 1_000;
/// A disk that takes longer for a commit is none to wait for on a thread that has other work: some milliseconds without
/// a look at the network would show.
const QUICK_MAX: Duration = Duration::from_millis(1);

/// What becomes of a batch.
pub(super) type Answer = Result<Versionstamp, CommitError>;

/// The connection that writes.
#[derive(Debug)]
pub(super) struct Medium {
    connection: Connection,
    stamps: Stamps,
    /// Pages in the log after the last commit.
    log_pages: Arc<AtomicU32>,
    /// With so many it is carried over.
    checkpoint_at: u32,
    /// None once there was no room to be had.
    room: Option<LogRoom>,
    /// Whether the last commit was.
    is_quick: bool,
}

/// Versionstamps: those up to `last` were given out, those up to `reserved` may be.
#[derive(Debug)]
struct Stamps {
    last: u64,
    reserved: u64,
}

impl Medium {
    /// Over this connection, going on after this stamp.
    pub(super) fn new(
        mut connection: Connection,
        room: LogRoom,
        stamp_last: u64,
    ) -> rusqlite::Result<Self> {
        let log_pages = Arc::new(AtomicU32::new(0));
        let noted = Arc::clone(&log_pages);
        // In place of SQLite's own, which would carry the log over before the commit is answered.
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: c_int| {
            noted.store(pages.unsigned_abs(), Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(Self {
            connection,
            stamps: Stamps {
                last: stamp_last,
                reserved: stamp_last,
            },
            log_pages,
            checkpoint_at: CHECKPOINT_PAGES,
            room: Some(room),
            is_quick: false,
        })
    }

    /// Applies each batch whose checks hold, all in one transaction, durable when it returns.
    pub(super) fn write<'a>(
        &mut self,
        group: impl ExactSizeIterator<Item = &'a Batch>,
    ) -> Vec<Answer> {
        let began_at = now();
        let count = group.len();
        let written = self.begin().and_then(|()| self.transact(group));
        self.is_quick = began_at.elapsed() <= QUICK_MAX;
        written.unwrap_or_else(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "a commit failed");
            self.roll_back();
            vec![Err(failed(error)); count]
        })
    }

    /// The same for one batch, by a thread that must not wait for long; none: it would, and nothing was written.
    pub(super) fn write_at_once(&mut self, batch: &Batch) -> Option<Answer> {
        if !self.is_quick || self.wants_care() {
            return None;
        }
        let began_at = now();
        // A foreign tool may hold the file's lock.
        self.connection.busy_timeout(Duration::ZERO).ok()?;
        let begun = self.begin();
        let patient = self.connection.busy_timeout(BUSY_WAIT_MAX);
        if begun.is_err() || patient.is_err() {
            self.roll_back();
            return None;
        }
        let written = self.transact(std::iter::once(batch));
        self.is_quick = began_at.elapsed() <= QUICK_MAX;
        match written {
            Ok(mut answers) => answers.pop(),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a commit failed");
                self.roll_back();
                Some(Err(failed(error)))
            }
        }
    }

    /// The value of a key, as it was last committed; none: this connection has begun what it could not roll back.
    pub(super) fn get(&mut self, key: &[u8]) -> Option<Result<Option<Bytes>, ReadError>> {
        let is_between = self.connection.is_autocommit();
        is_between.then(|| readers::get(&self.connection, key))
    }

    /// Begins a transaction, writes, and does not end it.
    #[cfg(test)]
    pub(super) fn leave_undone(&mut self, batch: &Batch) {
        self.begin().unwrap();
        let mut statements = Statements::prepare(&self.connection).unwrap();
        let answer = statements.apply(batch, &mut self.stamps.last).unwrap();
        answer.unwrap();
    }

    fn begin(&self) -> rusqlite::Result<()> {
        let mut begin = self.connection.prepare_cached("BEGIN IMMEDIATE")?;
        begin.execute([]).map(drop)
    }

    /// What is between a transaction's beginning and its end.
    fn transact<'a>(
        &mut self,
        group: impl ExactSizeIterator<Item = &'a Batch>,
    ) -> rusqlite::Result<Vec<Answer>> {
        let mut statements = Statements::prepare(&self.connection)?;
        let mut answers = Vec::with_capacity(group.len());
        for batch in group {
            // Stamps are not taken back when the transaction fails: gaps are allowed, repetitions are not.
            answers.push(statements.apply(batch, &mut self.stamps.last)?);
        }
        let mut reserved = self.stamps.reserved;
        if reserved < self.stamps.last {
            reserved = self.stamps.last.saturating_add(STAMPS_RESERVED);
            let number = i64::try_from(reserved).unwrap_or(i64::MAX);
            statements.keep_stamp.execute([number])?;
        }
        statements.commit.execute([])?;
        self.stamps.reserved = reserved;
        Ok(answers)
    }

    /// Ends a transaction that was begun and not finished, if there is one.
    pub(super) fn roll_back(&self) {
        if self.connection.is_autocommit() {
            // SQLite has rolled back by itself.
            return;
        }
        if let Err(error) = self.connection.execute_batch("ROLLBACK") {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a failed commit could not be rolled back"
            );
        }
    }

    /// Whether the log needs looking after.
    fn wants_care(&self) -> bool {
        let pages = self.log_pages.load(Ordering::Relaxed);
        let is_short = |room: &LogRoom| room.is_short(pages);
        self.checkpoint_at <= pages || self.room.as_ref().is_some_and(is_short)
    }

    /// Carries a long log over into the database, makes room for a short one. Milliseconds, now and then.
    pub(super) fn take_care(&mut self) {
        if !self.wants_care() {
            return;
        }
        let pages = self.log_pages.load(Ordering::Relaxed);
        if self.checkpoint_at <= pages {
            self.carry_log_over(pages);
            return;
        }
        let made = self.room.as_mut().map_or(Ok(()), |room| room.make(pages));
        if let Err(error) = made {
            // SQLite makes the file longer by itself, or says that it cannot.
            tracing::debug!(%error, "no room is made for the store's log");
            self.room = None;
        }
    }

    /// The next commit begins the log anew, unless a reader is in the way.
    fn carry_log_over(&mut self, pages: u32) {
        let done = self
            .connection
            .wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::PASSIVE);
        self.checkpoint_at = match done {
            Ok((log, carried)) if log == carried => {
                self.log_pages.store(0, Ordering::Relaxed);
                CHECKPOINT_PAGES
            }
            Ok(_) => pages.saturating_add(CHECKPOINT_AGAIN_PAGES),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the store's log could not be carried over; trying again"
                );
                pages.saturating_add(CHECKPOINT_AGAIN_PAGES)
            }
        };
    }
}

struct Statements<'a> {
    get: CachedStatement<'a>,
    exists: CachedStatement<'a>,
    put: CachedStatement<'a>,
    delete: CachedStatement<'a>,
    keep_stamp: CachedStatement<'a>,
    commit: CachedStatement<'a>,
}

impl<'a> Statements<'a> {
    fn prepare(connection: &'a Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            get: connection.prepare_cached("SELECT value FROM kv WHERE key = ?1")?,
            exists: connection.prepare_cached("SELECT 1 FROM kv WHERE key = ?1")?,
            put: connection.prepare_cached(
                "INSERT INTO kv (key, value) VALUES (?1, ?2)
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            )?,
            delete: connection.prepare_cached("DELETE FROM kv WHERE key = ?1")?,
            keep_stamp: connection
                .prepare_cached("UPDATE meta SET value = ?1 WHERE name = 'versionstamp'")?,
            commit: connection.prepare_cached("COMMIT")?,
        })
    }

    fn apply(&mut self, batch: &Batch, stamp_last: &mut u64) -> rusqlite::Result<Answer> {
        for (index, check) in batch.checks().iter().enumerate() {
            if !self.holds(check)? {
                return Ok(Err(CommitError::CheckFailed { index }));
            }
        }
        *stamp_last += 1;
        let stamp = Versionstamp::new(*stamp_last);
        for write in batch.writes() {
            match write.stamped(stamp) {
                (key, Some(value)) => self.put.execute([&key[..], &value[..]])?,
                (key, None) => self.delete.execute([&key[..]])?,
            };
        }
        Ok(Ok(stamp))
    }

    fn holds(&mut self, check: &store::Check) -> rusqlite::Result<bool> {
        Ok(match check {
            store::Check::Absent { key } => !self.exists.exists([&key[..]])?,
            store::Check::Present { key } => self.exists.exists([&key[..]])?,
            store::Check::Equals { key, value } => self
                .get
                .query_row([&key[..]], |row| {
                    Ok(row.get_ref(0)?.as_blob()? == &value[..])
                })
                .optional()?
                .unwrap_or(false),
        })
    }
}

fn failed(error: rusqlite::Error) -> CommitError {
    if connection::is_full(&error) {
        return CommitError::DiskFull(Arc::new(error));
    }
    CommitError::Medium(Arc::new(error))
}

#[expect(
    clippy::disallowed_methods,
    reason = "how fast the disk is decides on nothing that anybody sees"
)]
fn now() -> Instant {
    Instant::now()
}
