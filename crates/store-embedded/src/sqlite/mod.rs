//! The store in one SQLite file, which anybody can open.
//!
//! Lives here: opening and closing, and the [`Store`] methods, which hand on to the parts below.
//! Does not live here: connections and their settings (`connection`), commits (`writer`, `medium`), reads (`readers`), keeping
//! other processes out (`lock`).
//!
//! One thread writes; it puts everything that queued while the disk was busy into the next transaction, so that one
//! flush serves many commits and nobody waits for a timer. A caller who is alone writes by itself. Reads run on the caller's
//! thread, on a connection of a small pool: a lookup takes about ten microseconds and a full page of a scan about two
//! milliseconds, less than what a trip to a blocking thread and back costs in the common case, and WAL mode lets no reader wait
//! for the writer.

mod connection;
mod lock;
mod log_room;
mod medium;
mod readers;
mod writer;

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use store::{
    Batch, BoxFuture, CommitError, Direction, Page, PageLimit, Range, ReadError, Store,
    Versionstamp,
};

use self::log_room::LogRoom;
use self::medium::Medium;
use self::readers::Readers;
use self::writer::Writer;

/// The database inside the store's folder.
pub const FILE_NAME: &str = "store.sqlite";

/// A store in one SQLite file.
#[derive(Debug)]
pub struct Sqlite {
    // Fields are dropped in their order: the writer finishes its queue first, the lock goes last.
    writer: Writer,
    readers: Readers,
    _lock: lock::FolderLock,
}

/// What can be chosen about a store.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How large the database may grow, in bytes; commits beyond it are refused as if the disk were full.
    pub file_bytes_max: u64,
    /// Whether who asks now is the only one, as far as is known. If so, it is answered sooner.
    pub is_alone: fn() -> bool,
    /// Whether one who is alone may keep its thread for the time of a flush. Asked once for each.
    pub may_flush: fn() -> bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            file_bytes_max: 1024 * 1024 * 1024 * 1024,
            is_alone: || false,
            may_flush: || true,
        }
    }
}

/// The store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The library is too old to be trusted with data.
    #[error(
        "SQLite {found} can lose committed data (its WAL-reset fault was mended in 3.51.3); \
         build with the bundled SQLite"
    )]
    UnsafeVersion {
        /// The version that was linked.
        found: String,
    },
    /// Another process has it open.
    #[error("`{}` is in use by another process{}; stop that one, or choose another folder", folder.display(), holder)]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// ` (process N)`, or nothing when it is not known.
        holder: String,
    },
    /// The file was written by a program that knows more than this one, or is not ours.
    #[error("`{}` {problem}", file.display())]
    Format {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The folder or a file in it could not be made or read.
    #[error("could not open `{}`", path.display())]
    Files {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// SQLite could not open the file.
    #[error("could not open the database `{}`", file.display())]
    Database {
        /// The file.
        file: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
}

impl OpenError {
    /// Whether it is want of room on the disk alone: nothing is wrong with the data.
    #[must_use]
    pub fn is_full_disk(&self) -> bool {
        match self {
            Self::Database { source, .. } => connection::is_full(source),
            Self::Files { source, .. } => source.kind() == io::ErrorKind::StorageFull,
            Self::UnsafeVersion { .. } | Self::InUse { .. } | Self::Format { .. } => false,
        }
    }
}

impl Sqlite {
    /// Opens the store in this folder, and makes it if it is not there. Blocks while it recovers from a crash:
    /// milliseconds.
    ///
    /// # Errors
    /// [`OpenError`], each case with what to do about it.
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        Self::open_with(folder, Options::default())
    }

    /// Opens the store in this folder with these options.
    ///
    /// # Errors
    /// As for [`Sqlite::open`].
    pub fn open_with(folder: &Path, options: Options) -> Result<Self, OpenError> {
        connection::require_safe_version()?;
        let files = |source| OpenError::Files {
            path: folder.to_owned(),
            source,
        };
        std::fs::create_dir_all(folder).map_err(files)?;
        let lock = lock::FolderLock::take(folder)?;
        let file = folder.join(FILE_NAME);
        let (connection, stamp_last) = connection::open_writer(&file, options)?;
        // Without this, a new file's name may be lost with the power although its contents were flushed.
        std::fs::File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(files)?;
        let readers = Readers::open(&file)?;
        let log = folder.join(format!("{FILE_NAME}-wal"));
        let room = LogRoom::of(&log).map_err(|source| OpenError::Files { path: log, source })?;
        let medium = Medium::new(connection, room, stamp_last)
            .map_err(|source| OpenError::Database { file, source })?;
        let writer = Writer::start(medium, options).map_err(files)?;
        Ok(Self {
            writer,
            readers,
            _lock: lock,
        })
    }
}

impl Store for Sqlite {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Bytes>, ReadError>> {
        Box::pin(async move {
            let read = self.writer.get(key);
            read.unwrap_or_else(|| self.readers.get(key))
        })
    }

    fn scan<'a>(
        &'a self,
        range: &'a Range,
        direction: Direction,
        limit: PageLimit,
    ) -> BoxFuture<'a, Result<Page, ReadError>> {
        Box::pin(async move { self.readers.scan(range, direction, limit.clamped()) })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Versionstamp, CommitError>> {
        Box::pin(self.writer.commit(batch))
    }
}
