//! Room in the file of SQLite's log.
//!
//! Lives here: making the file longer ahead of what is written to it.
//! Does not live here: the log's contents, which are SQLite's; when it begins anew (`medium`).
//!
//! To write over what a file has and flush it takes a disk half as long as to make the file longer: then its length and its blocks
//! are flushed, too. SQLite begins the log of each start as an empty file, so that the first thousands of commits would all be of
//! the slow kind. What is added are zeros, which SQLite takes for no frame: a frame's page is never number 0 (the database file
//! format, "WAL File Format").

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::connection::PAGE_BYTES;

/// What stands before the frames, and before the page of each, in bytes.
const LOG_HEADER_BYTES: u64 = 32;
const FRAME_HEADER_BYTES: u64 = 24;
const FRAME_BYTES: u64 = FRAME_HEADER_BYTES + PAGE_BYTES as u64;
/// A log of fewer pages is not worth the trouble: most starts write no more.
const PAGES_MIN: u32 = 64;
/// Less room than this is made more.
const ROOM_BYTES_MIN: u64 = 256 * 1024;
/// How much is made at once: two milliseconds, every 250 pages.
const ROOM_BYTES: usize = 2 * 1024 * 1024;
/// A log that is longer begins anew before long.
const LOG_BYTES_MAX: u64 = 48 * 1024 * 1024;

/// The log's file.
#[derive(Debug)]
pub(super) struct LogRoom {
    file: File,
    /// How long it is at least.
    length: u64,
}

impl LogRoom {
    /// Of this file, which is there.
    pub(super) fn of(log: &Path) -> io::Result<Self> {
        let file = File::options().write(true).open(log)?;
        let length = file.metadata()?.len();
        Ok(Self { file, length })
    }

    /// Whether a log of so many pages is to get room. Costs nothing.
    pub(super) fn is_short(&self, pages: u32) -> bool {
        let end = end_of(pages);
        PAGES_MIN <= pages && end < LOG_BYTES_MAX && self.length < end + ROOM_BYTES_MIN
    }

    /// Makes room after so many pages. Nobody may write to the log meanwhile.
    pub(super) fn make(&mut self, pages: u32) -> io::Result<()> {
        self.length = self.file.metadata()?.len().max(end_of(pages));
        if !self.is_short(pages) {
            return Ok(());
        }
        self.file.write_all_at(&vec![0; ROOM_BYTES], self.length)?;
        self.file.sync_data()?;
        self.length += ROOM_BYTES as u64;
        Ok(())
    }
}

fn end_of(pages: u32) -> u64 {
    LOG_HEADER_BYTES + u64::from(pages) * FRAME_BYTES
}
