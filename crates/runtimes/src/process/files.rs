//! Files of ours in the cache.
//!
//! Lives here: writing one so that nobody ever sees half of it.
//! Does not live here: what is in them (`bootstrap`, `probe`).

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Tells apart the drafts of this process: two runtimes in it may write the same file at once.
static DRAFTS: AtomicU64 = AtomicU64::new(0);

/// A file appears with all its content or not at all: another process of ours may be reading it.
///
/// # Errors
/// The folder cannot be made, or written to.
pub(super) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let number = DRAFTS.fetch_add(1, Ordering::Relaxed);
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}-{number}.partial", std::process::id()));
    let written = fs::write(&draft, content).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        // On a full disk it would stay for ever.
        drop(fs::remove_file(&draft));
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_written_leaves_no_draft() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("taken");
        fs::create_dir(&taken).unwrap();
        write_whole(&taken, b"content").unwrap_err();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_many_write_at_once_is_there_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/file");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        write_whole(&path, b"content").unwrap();
                    }
                });
            }
        });
        assert_eq!(fs::read(&path).unwrap(), b"content");
        let entries = fs::read_dir(folder.path().join("new")).unwrap();
        assert_eq!(entries.count(), 1);
    }
}
