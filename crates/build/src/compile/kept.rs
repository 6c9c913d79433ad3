//! How much compiled code stays in the cache.
//!
//! Lives here: noting what is in use, in this process or another, and removing what was not used for longest.
//! Does not live here: the folders of one function's code, of which its compiler keeps a few (`driver.cjs`).

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::aside;

/// Folders of compiled code that stay, one for each compiler: a project has one, or one for each of its recipes.
const FOLDERS_MAX: usize = 128;
/// Drivers and logs of compilers that stay.
const FILES_MAX: usize = 128;
/// Folders that one process holds. What it compiled before those may be removed.
const HELD_MAX: usize = 64;
/// How often a lock is opened anew because somebody just removed it.
const TRIES_MAX: usize = 8;
const LOCK: &str = "lock";

/// What this process has compiled: it may load from there for as long as it lives.
#[derive(Default)]
pub(super) struct Kept {
    /// The system lets go of the locks when the process ends, however it does.
    held: VecDeque<(PathBuf, File)>,
}

impl Kept {
    /// Holds a folder, which is now the one that was used last.
    ///
    /// # Errors
    /// Its lock cannot be written.
    pub(super) async fn hold(&mut self, folder: &Path) -> io::Result<()> {
        let path = folder.with_extension(LOCK);
        // Somebody may be removing a folder under this lock.
        let lock = aside(move || lock(&path)).await?;
        self.held.retain(|(held, _)| held != folder);
        if HELD_MAX <= self.held.len() {
            self.held.pop_front();
        }
        self.held.push_back((folder.to_owned(), lock));
        Ok(())
    }
}

/// Removes what is too much below these two folders of the cache. What cannot be removed now is tried for the next time.
pub(super) fn prune(compiled: &Path, compilers: &Path) {
    prune_folders(compiled, FOLDERS_MAX);
    for old in beyond(compilers, FILES_MAX, |path| path.is_file()) {
        drop(fs::remove_file(old));
    }
}

fn prune_folders(compiled: &Path, folders_max: usize) {
    let is_folder = |path: &Path| path.is_dir();
    for old in beyond(compiled, folders_max, is_folder) {
        let path = old.with_extension(LOCK);
        // Whoever holds it may load from it.
        let Ok(lock) = opened(&path) else {
            continue;
        };
        if lock.try_lock().is_ok() && fs::remove_dir_all(&old).is_ok() {
            drop(fs::remove_file(&path));
        }
    }
}

/// All but so many of those that were used last.
fn beyond(folder: &Path, kept_max: usize, is_meant: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let entries = entries.map(|entry| entry.path());
    let mut found: Vec<PathBuf> = entries.filter(|path| is_meant(path)).collect();
    if found.len() <= kept_max {
        return Vec::new();
    }
    found.sort_by_cached_key(|path| std::cmp::Reverse(used_at(path)));
    found.split_off(kept_max)
}

fn used_at(path: &Path) -> Option<SystemTime> {
    let modified = |path: &Path| fs::metadata(path).and_then(|found| found.modified()).ok();
    modified(path).max(modified(&path.with_extension(LOCK)))
}

fn opened(lock: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(false).open(lock)
}

/// Holds a lock with others who use the same, but with nobody who removes it.
fn lock(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    for _try in 0..TRIES_MAX {
        let mut lock = opened(path)?;
        lock.lock_shared()?;
        let is_there = fs::metadata(path).is_ok_and(|found| match lock.metadata() {
            Ok(ours) => (found.dev(), found.ino()) == (ours.dev(), ours.ino()),
            Err(_) => false,
        });
        if is_there {
            // What is written tells the time by which folders are ordered.
            lock.write_all(b".")?;
            lock.set_len(0)?;
            return Ok(lock);
        }
    }
    Err(io::Error::other("its lock is removed again and again"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn what_was_not_used_for_longest_goes_unless_somebody_holds_it() {
        let cache = tempfile::tempdir().unwrap();
        let compiled = cache.path().join("compiled");
        let begin = SystemTime::UNIX_EPOCH;
        let mut held = Kept::default();
        for (age, name) in ["held", "old", "touched", "new", "newest"]
            .iter()
            .enumerate()
        {
            let folder = compiled.join(name);
            fs::create_dir_all(folder.join("index")).unwrap();
            if *name == "held" {
                held.hold(&folder).await.unwrap();
            }
            for path in [folder.clone(), folder.with_extension(LOCK)] {
                if let Ok(file) = File::open(path) {
                    let at = begin + Duration::from_secs(age as u64);
                    file.set_modified(at).unwrap();
                }
            }
        }
        let mut other = Kept::default();
        other.hold(&compiled.join("touched")).await.unwrap();
        drop(other);
        prune_folders(&compiled, 3);
        let left = || {
            let mut left: Vec<String> = fs::read_dir(&compiled)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .filter(|name| !name.contains('.'))
                .collect();
            left.sort();
            left
        };
        assert_eq!(left(), ["held", "new", "newest", "touched"]);
        drop(held);
        prune_folders(&compiled, 3);
        assert_eq!(left(), ["new", "newest", "touched"]);
        assert!(!compiled.join("old.lock").exists());
        assert!(!compiled.join("held.lock").exists());
    }

    #[tokio::test]
    async fn nobody_else_waits_while_a_folder_is_being_removed() {
        let cache = tempfile::tempdir().unwrap();
        let folder = cache.path().join("index");
        let removing = opened(&folder.with_extension(LOCK)).unwrap();
        removing.lock().unwrap();
        let mut kept = Kept::default();
        let released = async move {
            tokio::task::yield_now().await;
            drop(removing);
        };
        // Both on one thread: the lock is let go of only if waiting for it leaves the thread.
        let (held, ()) = tokio::join!(kept.hold(&folder), released);
        held.unwrap();
        assert_eq!(kept.held.len(), 1);
    }

    #[test]
    fn drivers_and_logs_are_few() {
        let cache = tempfile::tempdir().unwrap();
        for number in 0..FILES_MAX + 3 {
            let path = cache.path().join(format!("{number}.log"));
            fs::write(&path, "").unwrap();
            let at = SystemTime::UNIX_EPOCH + Duration::from_secs(number as u64);
            File::open(&path).unwrap().set_modified(at).unwrap();
        }
        prune(&cache.path().join("none"), cache.path());
        assert!(!cache.path().join("2.log").exists());
        assert!(cache.path().join("3.log").exists());
    }
}
