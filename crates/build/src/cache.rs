//! A folder of installed things, each under a key that says what it is made of.
//!
//! Lives here: making an entry once, whole, also when two processes want it or one dies in the middle.
//! Does not live here: what an entry holds; the cache never looks inside. Entries are never changed.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

/// The cache's folder.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    root: PathBuf,
    /// Keys of what does not answer; known until this process ends, since that may pass.
    silent: Arc<Mutex<BTreeSet<String>>>,
}

/// An entry that is being made. Dropping it leaves nothing behind but a partial folder, which the next one removes.
pub(crate) struct Draft {
    /// Where its content goes.
    pub(crate) folder: PathBuf,
    /// Where the tool that makes it writes its log; it stays when the tool fails.
    pub(crate) log: PathBuf,
    target: PathBuf,
    /// Held as long as the draft is: the system lets go of it when the process dies, however it does.
    _lock: File,
}

/// What is asked of the cache is there, or has to be made.
pub(crate) enum Entry {
    /// It is there.
    Ready(PathBuf),
    /// It is to be made, and nobody else makes it now.
    Missing(Draft),
}

impl Cache {
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            silent: Arc::default(),
        }
    }

    /// Whether this was noted as not answering.
    pub(crate) fn is_silent(&self, key: &str) -> bool {
        self.silent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(key)
    }

    /// Notes that this does not answer.
    pub(crate) fn note_silent(&self, key: String) {
        self.silent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key);
    }

    /// The entry, if it is there.
    pub(crate) fn find(&self, kind: &str, key: &str) -> Option<PathBuf> {
        let target = self.place(kind, key);
        target.is_dir().then_some(target)
    }

    /// Where the entry is, or will be.
    pub(crate) fn place(&self, kind: &str, key: &str) -> PathBuf {
        self.root.join(kind).join(key)
    }

    /// All whole entries of a kind.
    pub(crate) fn entries(&self, kind: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.root.join(kind)).into_iter().flatten();
        let mut folders: Vec<PathBuf> = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_none() && path.is_dir())
            .collect();
        folders.sort();
        folders
    }

    /// The entry, or the right to make it. Waits while another process makes it.
    ///
    /// # Errors
    /// The cache's folder cannot be written.
    pub(crate) async fn entry(&self, kind: &str, key: &str) -> io::Result<Entry> {
        if let Some(found) = self.find(kind, key) {
            return Ok(Entry::Ready(found));
        }
        let kind_folder = self.root.join(kind);
        let key = key.to_owned();
        let prepared = tokio::task::spawn_blocking(move || prepare(&kind_folder, &key));
        prepared.await.map_err(io::Error::other)?
    }

    /// A short text that was noted under this key.
    pub(crate) fn note(&self, kind: &str, key: &str) -> Option<String> {
        fs::read_to_string(self.root.join(kind).join(key)).ok()
    }

    /// Notes a short text. A note that cannot be written is only found out again the next time.
    pub(crate) fn write_note(&self, kind: &str, key: &str, text: &str) {
        let folder = self.root.join(kind);
        let draft = folder.join(format!("{key}.{}.partial", std::process::id()));
        let written = fs::create_dir_all(&folder)
            .and_then(|()| fs::write(&draft, text))
            .and_then(|()| fs::rename(&draft, folder.join(key)));
        if written.is_err() {
            drop(fs::remove_file(&draft));
        }
    }
}

impl Draft {
    /// Makes the draft the entry.
    ///
    /// # Errors
    /// The folder cannot be renamed.
    pub(crate) fn finish(self) -> io::Result<PathBuf> {
        fs::rename(&self.folder, &self.target)?;
        drop(fs::remove_file(&self.log));
        Ok(self.target)
    }
}

/// A key made of all these parts: 32 hexadecimal digits.
pub(crate) fn key_of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // With its length before it, so that no two lists of parts look the same.
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        hash.update(part);
    }
    let mut key = hex::encode(hash.finalize());
    key.truncate(32);
    key
}

fn prepare(kind_folder: &Path, key: &str) -> io::Result<Entry> {
    fs::create_dir_all(kind_folder)?;
    let lock = File::create(kind_folder.join(format!("{key}.lock")))?;
    lock.lock()?;
    let target = kind_folder.join(key);
    if target.is_dir() {
        return Ok(Entry::Ready(target));
    }
    let folder = kind_folder.join(format!("{key}.partial"));
    if folder.exists() {
        // Whoever made it has died: the lock is ours.
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir(&folder)?;
    Ok(Entry::Missing(Draft {
        folder,
        log: kind_folder.join(format!("{key}.log")),
        target,
        _lock: lock,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn draft(cache: &Cache) -> Draft {
        match cache.entry("things", "key").await.unwrap() {
            Entry::Missing(draft) => draft,
            Entry::Ready(path) => panic!("{} is there", path.display()),
        }
    }

    #[tokio::test]
    async fn a_draft_that_was_given_up_leaves_no_entry() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path());
        let first = draft(&cache).await;
        fs::write(first.folder.join("half"), "").unwrap();
        drop(first);
        assert_eq!(cache.find("things", "key"), None);
        let second = draft(&cache).await;
        assert!(!second.folder.join("half").exists());
        let entry = second.finish().unwrap();
        assert_eq!(cache.find("things", "key"), Some(entry));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whoever_comes_second_waits_and_finds_it_ready() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path());
        let first = draft(&cache).await;
        let finish = async {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            first.finish().unwrap()
        };
        let (made, found) = tokio::join!(finish, cache.entry("things", "key"));
        let Entry::Ready(found) = found.unwrap() else {
            panic!("it was made twice");
        };
        assert_eq!(made, found);
    }

    #[test]
    fn keys_tell_their_parts_apart() {
        let key = |parts: &[&str]| key_of(parts.iter().map(|part| part.as_bytes()));
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_eq!(key(&["a"]).len(), 32);
    }
}
