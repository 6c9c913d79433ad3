//! Connections and their settings.
//!
//! Lives here: the version that we insist on, pragmas, the two tables.
//! Does not live here: what runs on a connection (`medium`, `readers`).

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{OpenError, Options};

/// SQLite 3.51.3: older ones can lose committed pages when a commit and a checkpoint meet (the WAL-reset fault).
const VERSION_MIN: i32 = 3_051_003;
/// Marks the file as ours: "Clds" in ASCII. `PRAGMA application_id`.
const APPLICATION_ID: i32 = 0x436c_6473;
/// The version of the two tables. `PRAGMA user_version`.
const FORMAT: i32 = 1;
/// Larger pages than SQLite's 4 KiB make scans of items a third cheaper and cost commits nothing that was measured.
pub(super) const PAGE_BYTES: u32 = 8 * 1024;
/// SQLite's own limit of pages in a file.
const PAGES_MAX: u32 = u32::MAX - 1;
/// What is left of the log file once it was carried over into the database, in bytes.
const LOG_BYTES_KEPT: i64 = 64 * 1024 * 1024;
/// Page cache of one connection, in KiB: it fills with whatever was written or read once, and is never given back. What it does
/// not hold comes from the memory map or from the system's page cache, some microseconds away.
const CACHE_KIB: u32 = 2 * 1024;
/// How much of the file is read through the memory map, in bytes. What was read through it counts as memory of this process,
/// so a database of gigabytes must not be mapped as a whole, nor a day's log of requests; the tables that developers keep fit.
const MAP_BYTES: i64 = 32 * 1024 * 1024;
/// Only a foreign tool on the same file can make us wait, as a backup does.
pub(super) const BUSY_WAIT_MAX: Duration = Duration::from_secs(5);
/// SQLite's `SQLITE_IOERR_SHMSIZE`: the file beside the log, which all connections share, has no room to become longer.
const SHARED_MEMORY_GROWS: i32 = 10 | 19 << 8;
/// Prepared statements kept by a connection: more than we have.
const STATEMENTS_MAX: usize = 16;

/// Whether it failed for want of room on the disk.
pub(super) fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| {
        error.code == ErrorCode::DiskFull || error.extended_code == SHARED_MEMORY_GROWS
    })
}

pub(super) fn require_safe_version() -> Result<(), OpenError> {
    if VERSION_MIN <= rusqlite::version_number() {
        return Ok(());
    }
    Err(OpenError::UnsafeVersion {
        found: rusqlite::version().to_owned(),
    })
}

/// The writing connection, and the last versionstamp that was given out.
pub(super) fn open_writer(file: &Path, options: Options) -> Result<(Connection, u64), OpenError> {
    let fail = |source| OpenError::Database {
        file: file.to_owned(),
        source,
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags).map_err(fail)?;
    connection
        .pragma_update(None, "page_size", PAGE_BYTES)
        .map_err(fail)?;
    settle(&connection).map_err(fail)?;
    require_our_format(&connection, file)?;
    prepare_writer(&connection, options).map_err(fail)?;
    let stamp_last: i64 = connection
        .query_row(
            "SELECT value FROM meta WHERE name = 'versionstamp'",
            [],
            |row| row.get(0),
        )
        .map_err(fail)?;
    Ok((connection, stamp_last.unsigned_abs()))
}

pub(super) fn open_reader(file: &Path) -> Result<Connection, OpenError> {
    let fail = |source| OpenError::Database {
        file: file.to_owned(),
        source,
    };
    // A read-only connection could not bring the log's index into being; `query_only` keeps this one from writing.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags).map_err(fail)?;
    settle(&connection)
        .and_then(|()| connection.pragma_update(None, "query_only", true))
        .map_err(fail)?;
    Ok(connection)
}

fn settle(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_WAIT_MAX)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.pragma_update(None, "cache_size", -i64::from(CACHE_KIB))?;
    connection.pragma_update(None, "mmap_size", MAP_BYTES)
}

fn require_our_format(connection: &Connection, file: &Path) -> Result<(), OpenError> {
    let fail = |source| OpenError::Database {
        file: file.to_owned(),
        source,
    };
    let refuse = |problem: String| {
        Err(OpenError::Format {
            file: file.to_owned(),
            problem,
        })
    };
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let application = number("application_id").map_err(fail)?;
    let format = number("user_version").map_err(fail)?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(fail)?;
    match (application, format) {
        (APPLICATION_ID, FORMAT) => Ok(()),
        (0, 0) if tables == 0 => Ok(()),
        (APPLICATION_ID, newer) if FORMAT < newer => refuse(format!(
            "has format {newer}, and this version reads formats up to {FORMAT}: use a newer version"
        )),
        _ => refuse("is a database of another program".to_owned()),
    }
}

fn prepare_writer(connection: &Connection, options: Options) -> rusqlite::Result<()> {
    // The answer of `journal_mode` is the mode that holds now; SQLite refuses WAL where the file system has no locks.
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(rusqlite::Error::InvalidParameterName(format!(
            "journal_mode is `{mode}`, and only `wal` will do"
        )));
    }
    connection.pragma_update(None, "synchronous", "full")?;
    // What was plain and is sealed by now would stay in its page. `on` would write pages only to blank them: those of long values.
    connection.pragma_update_and_check(None, "secure_delete", "fast", |_| Ok(()))?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT)?;
    let pages_max = u32::try_from(options.file_bytes_max / u64::from(PAGE_BYTES));
    connection.pragma_update_and_check(
        None,
        "max_page_count",
        pages_max.unwrap_or(PAGES_MAX).min(PAGES_MAX),
        |_| Ok(()),
    )?;
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE;
         CREATE TABLE IF NOT EXISTS kv (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
         CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
         INSERT OR IGNORE INTO meta (name, value) VALUES ('versionstamp', 0);
         PRAGMA application_id = {APPLICATION_ID};
         PRAGMA user_version = {FORMAT};
         COMMIT;"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `kill -9` leaves the system's page cache alone, so no crash loop would notice if these were weaker.
    #[test]
    fn the_writer_flushes_its_log_at_every_commit_and_a_reader_cannot_write() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("store.sqlite");
        let (writer, _) = open_writer(&file, Options::default()).unwrap();
        let mode: String = writer
            .pragma_query_value(None, "journal_mode", |row| row.get(0))
            .unwrap();
        let synchronous: i32 = writer
            .pragma_query_value(None, "synchronous", |row| row.get(0))
            .unwrap();
        assert_eq!((mode.as_str(), synchronous), ("wal", 2), "2 is FULL");
        let reader = open_reader(&file).unwrap();
        assert!(reader.execute("DELETE FROM kv", []).is_err());
    }

    #[test]
    fn want_of_room_is_told_from_a_broken_disk() {
        let error = |code| rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
        for (code, expected) in [
            (13, true),
            (4_874, true),
            (10, false),
            (778, false),
            (5, false),
        ] {
            assert_eq!(is_full(&error(code)), expected, "{code}");
        }
    }
}
