//! The files that the bytes of larger objects are in, one each.
//!
//! Lives here: their names and folders, writing one so that it is there whole or not at all, clearing away what nobody refers to.
//! Does not live here: what refers to them (`version`), what is in them (`receiving`, `reading`).

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use interfaces::random::Random;
use store::CommitError;
use tokio::sync::Semaphore;

use super::fault::{self, Fault};
use super::slot_writer::Written;
use super::slots::{Places, Slot, Slots};

/// Where files are in the folder of the state, and where slots.
const FOLDER: &str = "objects";
const SLOTS_FOLDER: &str = "object-slots";
/// Bytes after which a file is made durable while more is written: then little is left to be done at its end.
const WRITTEN_BEHIND_BYTES: usize = 2 * 1024 * 1024;
/// Removals that go on behind the answers of those who asked for them. Whoever comes next waits for one to end.
const REMOVALS_MAX: usize = 32;

/// The folder of files. Clones share everything.
#[derive(Clone)]
pub(crate) struct Blobs {
    inner: Arc<Inner>,
}

struct Inner {
    slots: Slots,
    /// None: in a check, which keeps no objects.
    folder: Option<PathBuf>,
    /// Tells the files of this process from those of earlier ones.
    run: String,
    drawn: AtomicU64,
    readers: Mutex<HashMap<String, usize>>,
    removals: Arc<Semaphore>,
}

/// Somebody reads the parts of this list; they are not cleared away before it is dropped.
pub(crate) struct Reading {
    blobs: Blobs,
    id: String,
}

/// A file that is being written, under the name that it keeps: it counts once something refers to it, and not before.
pub(crate) struct BlobWriter {
    file: Arc<File>,
    unkept: Unkept,
    /// Making its name durable, which goes on beside everything else.
    naming: Flush,
    /// Making what was written durable.
    flushing: Option<Flush>,
    behind: usize,
}

type Flush = JoinHandle<io::Result<()>>;

/// Bytes that are let go of again unless something comes to refer to them.
pub(crate) struct Unkept {
    what: What,
    /// Those that are being written still.
    written: Option<Written>,
}

enum What {
    File(PathBuf),
    Slot(Arc<Places>, Slot),
    /// Nothing: something refers to it, or may, as the next process will find.
    Held,
}

impl Blobs {
    /// In the folder of the state.
    pub(crate) fn new(state: Option<PathBuf>, random: &dyn Random) -> Self {
        let mut run = [0_u8; 8];
        random.fill(&mut run);
        let slots = state.as_ref().map(|state| state.join(SLOTS_FOLDER));
        Self {
            inner: Arc::new(Inner {
                slots: Slots::new(slots, run),
                folder: state.map(|state| state.join(FOLDER)),
                run: hex::encode(run),
                drawn: AtomicU64::new(0),
                readers: Mutex::default(),
                removals: Arc::new(Semaphore::new(REMOVALS_MAX)),
            }),
        }
    }

    /// The slots that smaller ones are in.
    pub(crate) fn slots(&self) -> &Slots {
        &self.inner.slots
    }

    /// A new id, never given before.
    pub(crate) fn draw(&self) -> String {
        let number = self.inner.drawn.fetch_add(1, Ordering::Relaxed);
        format!("{}{number:012x}", self.inner.run)
    }

    /// The file of this id.
    pub(crate) fn path(&self, id: &str) -> Result<PathBuf, Fault> {
        let folder = self.inner.folder.as_ref().ok_or_else(|| {
            Fault::not_implemented("keeping objects over 32 KiB without a folder of state")
        })?;
        let shelf = id.get(id.len().saturating_sub(2)..).unwrap_or_default();
        Ok(folder.join(shelf).join(id))
    }

    /// Makes a second name for the bytes of a file. It blocks.
    pub(crate) fn link(from: &Path, to: &Path) -> io::Result<Unkept> {
        match std::fs::hard_link(from, to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                std::fs::create_dir_all(to.parent().unwrap_or(to))?;
                std::fs::hard_link(from, to)?;
            }
            linked => linked?,
        }
        let unkept = Unkept::file(to.to_owned());
        if let Some(shelf) = to.parent() {
            File::open(shelf)?.sync_all()?;
        }
        Ok(unkept)
    }

    /// Removes files, in a while; one that is gone already is no fault.
    pub(crate) async fn remove(&self, ids: Vec<String>) {
        let paths: Vec<_> = ids.iter().filter_map(|id| self.path(id).ok()).collect();
        let turn = Arc::clone(&self.inner.removals).acquire_owned().await;
        // It ends by itself; what a crash keeps it from is done when the next process begins.
        drop(tokio::task::spawn_blocking(move || {
            for path in paths {
                if let Err(error) = std::fs::remove_file(&path)
                    && error.kind() != io::ErrorKind::NotFound
                {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "the file of a deleted object could not be removed");
                }
            }
            drop(turn);
        }));
    }

    /// Marks the parts of a list as being read.
    pub(crate) fn reading(&self, id: &str) -> Reading {
        let mut readers = self.readers();
        *readers.entry(id.to_owned()).or_default() += 1;
        Reading {
            blobs: self.clone(),
            id: id.to_owned(),
        }
    }

    pub(crate) fn is_read(&self, id: &str) -> bool {
        self.readers().contains_key(id)
    }

    fn readers(&self) -> std::sync::MutexGuard<'_, HashMap<String, usize>> {
        self.inner
            .readers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The files that earlier processes left: those that were never finished, and those that may or may not be referred to.
    pub(crate) async fn left_behind(&self) -> Vec<(PathBuf, Option<String>)> {
        let Some(folder) = self.inner.folder.clone() else {
            return Vec::new();
        };
        let run = self.inner.run.clone();
        tokio::task::spawn_blocking(move || listed(&folder, &run))
            .await
            .unwrap_or_default()
    }
}

fn listed(folder: &Path, run: &str) -> Vec<(PathBuf, Option<String>)> {
    let mut found = Vec::new();
    let shelves = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for shelf in shelves {
        let files = std::fs::read_dir(shelf.path()).into_iter().flatten();
        for file in files.flatten() {
            let path = file.path();
            let name = path.file_stem().and_then(|name| name.to_str());
            let Some(id) = name.filter(|name| !name.starts_with(run)) else {
                continue;
            };
            let id = path.extension().is_none().then(|| id.to_owned());
            found.push((path, id));
        }
    }
    found
}

impl BlobWriter {
    /// Begins a file. It blocks.
    pub(crate) fn begin(path: &Path) -> io::Result<Self> {
        let shelf = path.parent().unwrap_or(path).to_owned();
        let file = match File::create_new(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                std::fs::create_dir_all(&shelf)?;
                if let Some(folder) = shelf.parent() {
                    File::open(folder)?.sync_all()?;
                }
                File::create_new(path)?
            }
            created => created?,
        };
        Ok(Self {
            file: Arc::new(file),
            unkept: Unkept::file(path.to_owned()),
            naming: begun(move || File::open(shelf)?.sync_all())?,
            flushing: None,
            behind: 0,
        })
    }

    /// Writes more. It blocks.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        (&*self.file).write_all(bytes)?;
        self.behind += bytes.len();
        let is_busy = self
            .flushing
            .as_ref()
            .is_some_and(|flushing| !flushing.is_finished());
        if is_busy || self.behind < WRITTEN_BEHIND_BYTES {
            return Ok(());
        }
        // An error of writing is told once alone, so that of each flush counts.
        self.flushing.take().map_or(Ok(()), ended)?;
        let file = Arc::clone(&self.file);
        self.flushing = Some(begun(move || file.sync_data())?);
        self.behind = 0;
        Ok(())
    }

    /// Makes it durable. It blocks.
    pub(crate) fn finish(self) -> io::Result<Unkept> {
        self.flushing.map_or(Ok(()), ended)?;
        self.file.sync_data()?;
        ended(self.naming)?;
        Ok(self.unkept)
    }
}

fn begun(flush: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<Flush> {
    std::thread::Builder::new()
        .name("objects-flush".to_owned())
        .spawn(flush)
}

fn ended(flush: Flush) -> io::Result<()> {
    let broken = |_| Err(io::Error::other("a thread that flushes files broke"));
    flush.join().unwrap_or_else(broken)
}

impl Unkept {
    fn file(path: PathBuf) -> Self {
        Self {
            what: What::File(path),
            written: None,
        }
    }

    pub(super) fn slot(places: Arc<Places>, slot: Slot, written: Written) -> Self {
        Self {
            what: What::Slot(places, slot),
            written: Some(written),
        }
    }

    /// Waits until all of it is durable, commits, and keeps it unless nothing refers to it for certain. Whatever leaves that open,
    /// be it an error or a caller that is gone before the end, leaves it where it is: the next process finds what nobody uses.
    pub(crate) async fn kept_by<T>(
        unkept: impl IntoIterator<Item = Self>,
        commit: impl Future<Output = Result<T, CommitError>>,
    ) -> Result<T, Fault> {
        let mut unkept: Vec<_> = unkept.into_iter().collect();
        for unkept in &mut unkept {
            if let Some(written) = unkept.written.take() {
                written.durable().await?;
            }
        }
        let held: Vec<_> = unkept.iter_mut().map(Self::hold).collect();
        let committed = commit.await;
        if committed.as_ref().is_err_and(applied_nothing) {
            held.into_iter().for_each(|what| {
                drop(Self {
                    what,
                    written: None,
                })
            });
        }
        Ok(committed?)
    }

    fn hold(&mut self) -> What {
        std::mem::replace(&mut self.what, What::Held)
    }
}

impl Drop for Unkept {
    fn drop(&mut self) {
        match &self.what {
            // What cannot be removed now is found when the next process begins.
            What::File(path) => drop(std::fs::remove_file(path)),
            What::Slot(places, slot) => places.free(slot),
            What::Held => {}
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut readers = self.blobs.readers();
        if let Some(count) = readers.get_mut(&self.id) {
            *count -= 1;
            if *count == 0 {
                readers.remove(&self.id);
            }
        }
    }
}

/// Whether it is certain that nothing of a commit was applied.
fn applied_nothing(error: &CommitError) -> bool {
    match error {
        CommitError::CheckFailed { .. }
        | CommitError::TooLarge { .. }
        | CommitError::DiskFull(_) => true,
        // One that was under way when the store closed may have been applied.
        CommitError::Medium(_) | CommitError::Closed => false,
    }
}

/// An error of a file, as the fault of a request.
pub(crate) fn failed(error: tokio::task::JoinError) -> Fault {
    fault::internal(&error, "a thread that reads or writes files broke")
}
