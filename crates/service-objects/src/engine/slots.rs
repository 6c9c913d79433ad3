//! The files that the bytes of middling objects are in: each is a row of slots of one size.
//!
//! Lives here: which slots are free, reading them, what of them earlier processes left.
//! Does not live here: writing them (`slot_writer`), what refers to them (`version`).
//!
//! A store's page takes bytes of this size by the dozen, twice over, and a file of their own costs the disk more than they do. A
//! slot is written over in place, which is what a disk makes durable soonest, and many of them by one flush.
//!
//! Nothing on the disk says which slots are taken but the rows that mark them, written and deleted in the commits that take bytes up
//! and let go of them. A slot is written before anything refers to it and given out again after nothing does, each time under a
//! tag of its own: whoever has read one and finds it under the same tag has read what was meant.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use rustix::io::ReadWriteFlags;
use serde::{Deserialize, Serialize};
use store::{Direction, PageLimit, Store};

use super::blobs::Unkept;
use super::fault::{self, Fault};
use super::keys;
use super::slot_writer::Writer;

/// Bytes of the slots of a file, by the class of the file.
const SLOT_BYTES: [u64; 3] = [64 * 1024, 128 * 1024, 256 * 1024];
/// The most that a slot holds.
pub(crate) const SLOT_BYTES_MAX: usize = 256 * 1024;
/// The tag of a slot that is free.
const FREE: u64 = 0;

/// Where the bytes of something are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Slot {
    #[serde(rename = "f")]
    pub(crate) file: String,
    #[serde(rename = "n")]
    pub(crate) number: u32,
    /// Tells it from what is in the slot at other times.
    #[serde(rename = "t")]
    pub(crate) tag: u64,
}

/// All slots. Clones share everything.
#[derive(Clone)]
pub(crate) struct Slots {
    pub(super) places: Arc<Places>,
    writer: Arc<Writer>,
}

/// Which slots there are.
pub(super) struct Places {
    folder: Option<PathBuf>,
    /// Tells the files of this process from those of earlier ones.
    run: String,
    state: Mutex<State>,
    /// Held by who makes a file: all who need one take slots of the same.
    making: Arc<tokio::sync::Mutex<()>>,
}

/// Files and their slots. A slot is free, or taken under a tag.
#[derive(Default)]
struct State {
    files: HashMap<String, Held>,
    /// Files that were begun.
    begun: usize,
    tag_last: u64,
    classes: [Class; SLOT_BYTES.len()],
}

#[derive(Default)]
struct Class {
    free: Vec<(String, u32)>,
    /// The one that grows when no slot is free.
    growing: Option<String>,
}

struct Held {
    file: Arc<File>,
    /// By the number of the slot. None: it was not taken over yet, and its slots are read alone.
    tags: Option<Vec<u64>>,
    /// Its slots are not given out any more.
    is_given_up: bool,
}

/// A slot that was taken, to be written.
pub(super) struct Taken {
    pub(super) slot: Slot,
    pub(super) file: Arc<File>,
    pub(super) slot_bytes: u64,
}

impl Slots {
    /// Those in this folder; none: there is none to keep objects in. It starts nothing and reads nothing.
    pub(crate) fn new(folder: Option<PathBuf>, run: [u8; 8]) -> Self {
        let places = Arc::new(Places {
            folder,
            run: hex::encode(run),
            state: Mutex::new(State {
                tag_last: u64::from_be_bytes(run),
                ..State::default()
            }),
            making: Arc::default(),
        });
        Self {
            writer: Arc::new(Writer::new(Arc::clone(&places))),
            places,
        }
    }

    /// Whether there is a folder to keep them in.
    pub(crate) fn are_there(&self) -> bool {
        self.places.folder.is_some()
    }

    /// Begins to write these pieces to a slot.
    ///
    /// # Errors
    /// [`Fault`]: there can be none.
    pub(crate) async fn begin(&self, pieces: Vec<Bytes>) -> Result<(Slot, Unkept), Fault> {
        self.writer.begin(pieces).await
    }

    /// So many bytes of a slot, from `start` on; none: something else is in it by now.
    pub(crate) async fn read(
        &self,
        slot: &Slot,
        start: u64,
        length: u64,
    ) -> io::Result<Option<Bytes>> {
        let slot_bytes = bytes_of(&slot.file).ok_or(io::ErrorKind::InvalidData)?;
        let file = match self.places.file(&slot.file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let begins = u64::from(slot.number) * slot_bytes + start;
        let length = usize::try_from(length.min(slot_bytes)).unwrap_or(SLOT_BYTES_MAX);
        let read = filled(file, length, begins).await;
        // Nobody has written to it as long as it was not given out again; what was let go of may have been cut off.
        if !self.places.has_kept(slot) {
            return Ok(None);
        }
        Ok(Some(read?))
    }

    /// Gives a slot out again that nothing refers to any more; one that was given out since is left alone.
    pub(crate) fn free(&self, slot: &Slot) {
        self.places.free(slot);
    }

    /// Takes over the files that earlier processes left, and removes what nothing in them is referred to.
    pub(crate) async fn take_over(&self, store: &dyn Store) -> Result<(), Fault> {
        let places = Arc::clone(&self.places);
        let listed = tokio::task::spawn_blocking(move || places.left_behind()).await;
        for name in listed.map_err(super::blobs::failed)? {
            let mut tags = Vec::new();
            let mut range = keys::slots(&name);
            loop {
                let page = store
                    .scan(&range, Direction::Forward, PageLimit::rows(1_000))
                    .await?;
                for row in &page.rows {
                    let (number, tag) = keys::slot_of(&row.key).ok_or(fault::INTERNAL)?;
                    let number = number as usize;
                    tags.resize(tags.len().max(number + 1), FREE);
                    if let Some(place) = tags.get_mut(number) {
                        *place = tag;
                    }
                }
                match page.rows.last() {
                    Some(last) if page.more => range = range.after(&last.key),
                    Some(_) | None => break,
                }
            }
            let places = Arc::clone(&self.places);
            let taken = tokio::task::spawn_blocking(move || places.take_over(&name, tags)).await;
            taken.map_err(super::blobs::failed)??;
        }
        Ok(())
    }
}

impl Places {
    /// Takes a slot for so many bytes. Where a file is to be made for it, another thread waits for the disk.
    pub(super) async fn take(self: &Arc<Self>, bytes: usize) -> io::Result<Taken> {
        let mut sizes = SLOT_BYTES.into_iter().enumerate();
        let (class, slot_bytes) = sizes
            .find(|(_, slot_bytes)| bytes as u64 <= *slot_bytes)
            .ok_or(io::ErrorKind::FileTooLarge)?;
        if let Some(taken) = self.take_there(class, slot_bytes)? {
            return Ok(taken);
        }
        let making = Arc::clone(&self.making).lock_owned().await;
        // Somebody else may have made it meanwhile.
        if let Some(taken) = self.take_there(class, slot_bytes)? {
            return Ok(taken);
        }
        let places = Arc::clone(self);
        let made = tokio::task::spawn_blocking(move || {
            let _making = making;
            places.make_file(class, slot_bytes)
        });
        made.await.map_err(io::Error::other)??;
        let taken = self.take_there(class, slot_bytes)?;
        taken.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// The same, of the files that are there; none: one more is needed.
    fn take_there(&self, class: usize, slot_bytes: u64) -> io::Result<Option<Taken>> {
        let mut state = self.state();
        let Some((name, number)) = state.place(class)? else {
            return Ok(None);
        };
        // Odd, so that it is not that of a free one.
        state.tag_last = state.tag_last.wrapping_add(2) | 1;
        let tag = state.tag_last;
        let held = state.files.get_mut(&name).ok_or(io::ErrorKind::NotFound)?;
        if let Some(place) = held.place(number) {
            *place = tag;
        }
        Ok(Some(Taken {
            file: Arc::clone(&held.file),
            slot: Slot {
                file: name,
                number,
                tag,
            },
            slot_bytes,
        }))
    }

    /// Makes a file, whose slots are given out from then on.
    fn make_file(&self, class: usize, slot_bytes: u64) -> io::Result<()> {
        let begun = {
            let mut state = self.state();
            state.begun += 1;
            state.begun - 1
        };
        let name = format!("{}k-{}-{begun}", slot_bytes / 1024, self.run);
        let file = self.begin(&name)?;
        let held = Held {
            file: Arc::new(file),
            tags: Some(Vec::new()),
            is_given_up: false,
        };
        let mut state = self.state();
        state.files.insert(name.clone(), held);
        if let Some(class) = state.classes.get_mut(class) {
            class.growing = Some(name);
        }
        Ok(())
    }

    fn begin(&self, name: &str) -> io::Result<File> {
        let folder = self.folder.as_ref().ok_or(io::ErrorKind::NotFound)?;
        if !folder.is_dir() {
            std::fs::create_dir_all(folder)?;
            if let Some(above) = folder.parent() {
                File::open(above)?.sync_all()?;
            }
        }
        let mut options = File::options();
        let options = options.read(true).write(true).create_new(true);
        let file = options.open(folder.join(name))?;
        File::open(folder)?.sync_all()?;
        Ok(file)
    }

    /// Gives out no slot of a file any more: what was written to it may not be there. Its tags stay, for those who read it: what
    /// they read may have been written over before.
    pub(super) fn give_up(&self, name: &str) {
        let mut state = self.state();
        for class in &mut state.classes {
            class.free.retain(|(file, _)| file != name);
            class.growing.take_if(|growing| growing == name);
        }
        if let Some(held) = state.files.get_mut(name) {
            held.is_given_up = true;
        }
    }

    pub(super) fn free(&self, slot: &Slot) {
        let mut state = self.state();
        let Some(held) = state.files.get_mut(&slot.file) else {
            return;
        };
        let is_given_up = held.is_given_up;
        if let Some(place) = held.place(slot.number)
            && *place == slot.tag
        {
            *place = FREE;
            if !is_given_up
                && let Some(class) =
                    class_of(&slot.file).and_then(|class| state.classes.get_mut(class))
            {
                class.free.push((slot.file.clone(), slot.number));
            }
        }
    }

    fn has_kept(&self, slot: &Slot) -> bool {
        let mut state = self.state();
        match state.files.get_mut(&slot.file) {
            Some(held) if held.tags.is_some() => held.place(slot.number).copied() == Some(slot.tag),
            Some(_) | None => true,
        }
    }

    /// The file of this name; one of an earlier process is opened.
    fn file(&self, name: &str) -> io::Result<Arc<File>> {
        if let Some(held) = self.state().files.get(name) {
            return Ok(Arc::clone(&held.file));
        }
        let file = Arc::new(self.open(name)?);
        let held = Held {
            file: Arc::clone(&file),
            tags: None,
            is_given_up: false,
        };
        self.state().files.entry(name.to_owned()).or_insert(held);
        Ok(file)
    }

    fn open(&self, name: &str) -> io::Result<File> {
        let folder = self.folder.as_ref().ok_or(io::ErrorKind::NotFound)?;
        let mut options = File::options();
        options.read(true).write(true).open(folder.join(name))
    }

    /// The files of earlier processes.
    fn left_behind(&self) -> Vec<String> {
        let files = self.folder.as_ref().map(std::fs::read_dir);
        let files = files.into_iter().flatten().flatten().flatten();
        files
            .filter_map(|file| file.file_name().into_string().ok())
            .filter(|name| bytes_of(name).is_some() && !name.contains(&self.run))
            .collect()
    }

    /// Gives out the slots of a file whose others are marked by these tags. What is behind the last of them is cut off.
    fn take_over(&self, name: &str, tags: Vec<u64>) -> io::Result<()> {
        let (Some(slot_bytes), Some(class), Some(folder)) =
            (bytes_of(name), class_of(name), self.folder.as_ref())
        else {
            return Ok(());
        };
        if tags.is_empty() {
            self.state().files.remove(name);
            return removed(&folder.join(name));
        }
        let file = self.file(name)?;
        let end = tags.len() as u64 * slot_bytes;
        if end < file.metadata()?.len() {
            file.set_len(end)?;
        }
        let mut state = self.state();
        let free = (0..).zip(&tags).filter(|(_, tag)| **tag == FREE);
        let free: Vec<_> = free.map(|(number, _)| (name.to_owned(), number)).collect();
        if let Some(class) = state.classes.get_mut(class) {
            class.free.extend(free);
        }
        if let Some(held) = state.files.get_mut(name) {
            held.tags = Some(tags);
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A slot that is free, or one more at the end of the file that grows; none: there is no such file.
    fn place(&mut self, class: usize) -> io::Result<Option<(String, u32)>> {
        let Some(class) = self.classes.get_mut(class) else {
            return Ok(None);
        };
        if let Some(place) = class.free.pop() {
            return Ok(Some(place));
        }
        let Some(name) = class.growing.clone() else {
            return Ok(None);
        };
        let held = self.files.get_mut(&name).ok_or(io::ErrorKind::NotFound)?;
        let tags = held.tags.get_or_insert_default();
        let number = u32::try_from(tags.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
        tags.push(FREE);
        Ok(Some((name, number)))
    }
}

impl Held {
    fn place(&mut self, number: u32) -> Option<&mut u64> {
        let number = usize::try_from(number).ok()?;
        self.tags.as_mut()?.get_mut(number)
    }
}

/// So many bytes of a file. What is in memory is read here, since asking another thread would take longer; what is not, where
/// waiting for a disk holds up nobody.
async fn filled(file: Arc<File>, length: usize, offset: u64) -> io::Result<Bytes> {
    let mut room = vec![0; length];
    let mut slices = [IoSliceMut::new(&mut room)];
    let read = rustix::io::preadv2(&*file, &mut slices, offset, ReadWriteFlags::NOWAIT);
    if read.is_ok_and(|read| read == length) {
        return Ok(room.into());
    }
    let reading = tokio::task::spawn_blocking(move || {
        file.read_exact_at(&mut room, offset)?;
        Ok(room.into())
    });
    reading.await.map_err(io::Error::other)?
}

fn removed(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The bytes of the slots of a file of this name; none: it is none.
fn bytes_of(name: &str) -> Option<u64> {
    class_of(name).and_then(|class| SLOT_BYTES.get(class).copied())
}

fn class_of(name: &str) -> Option<usize> {
    let (kib, _) = name.split_once("k-")?;
    let bytes = kib.parse::<u64>().ok()?.checked_mul(1024)?;
    SLOT_BYTES.iter().position(|there| *there == bytes)
}

#[cfg(test)]
mod tests;
