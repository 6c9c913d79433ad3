//! Keeping a second process out of the folder.
//!
//! Lives here: the lock file. The system frees it when its holder ends, however that happens.
//! Does not live here: SQLite's own locks, which would let two processes take turns; caches of ours would not know.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::OpenError;

const LOCK_FILE_NAME: &str = "store.lock";
/// How often a lock that is held is asked for again. A holder that was killed frees it when the system has cleared it
/// away, and a child that it was just starting frees it at its exec: both within milliseconds.
const ATTEMPTS_MAX: u32 = 25;
const ATTEMPT_INTERVAL: Duration = Duration::from_millis(20);

/// The folder is ours while this is alive.
#[derive(Debug)]
pub(super) struct FolderLock {
    file: File,
}

impl Drop for FolderLock {
    /// Closing the file would do, were it not for children: between its fork and its exec each holds a copy of it, and
    /// with it the lock.
    fn drop(&mut self) {
        // When it fails, closing the file frees it a moment later.
        let _ = self.file.unlock();
    }
}

impl FolderLock {
    pub(super) fn take(folder: &Path) -> Result<Self, OpenError> {
        let path = folder.join(LOCK_FILE_NAME);
        let fail = |source| OpenError::Files {
            path: path.clone(),
            source,
        };
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(fail)?;
        match lock_within_attempts(&file) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::InUse {
                    folder: folder.to_owned(),
                    holder: holder(&mut file),
                });
            }
            Err(TryLockError::Error(source)) => return Err(fail(source)),
        }
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| write!(file, "{}", std::process::id()))
            .map_err(fail)?;
        Ok(Self { file })
    }
}

fn lock_within_attempts(file: &File) -> Result<(), TryLockError> {
    for _ in 1..ATTEMPTS_MAX {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(ATTEMPT_INTERVAL),
            Ok(()) => return Ok(()),
            Err(error @ TryLockError::Error(_)) => return Err(error),
        }
    }
    file.try_lock()
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    // Only for the message: whoever cannot be read is not named.
    match file.take(20).read_to_string(&mut text) {
        Ok(_) => match text.trim().parse::<u32>() {
            Ok(process) => format!(" (process {process})"),
            Err(_) => String::new(),
        },
        Err(_) => String::new(),
    }
}
