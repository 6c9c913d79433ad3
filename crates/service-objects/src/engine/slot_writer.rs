//! The one thread that writes slots.
//!
//! Lives here: the queue in front of it, writing what waits there, one flush for all of it.
//! Does not live here: which slots are free (`slots`).
//!
//! While the disk flushes some slots, others queue: the next flush is for all of them. Whoever waits can hash the same bytes meanwhile.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;
use rustix::fs::FallocateFlags;
use tokio::sync::{mpsc, oneshot};

use super::blobs::Unkept;
use super::fault::{self, Fault};
use super::slots::{Places, Slot, Taken};

/// Bodies that may wait for the thread. Whoever comes next waits for a place.
const QUEUE_MAX: usize = 256;
/// Bodies that one flush makes durable.
const GROUP_MAX: usize = 64;
/// What a file grows by at once: a disk takes longer for what is new in a file, and longest for what makes it longer.
const GROWTH_BYTES: u64 = 4 * 1024 * 1024;

/// The queue to the thread, which begins with the first body.
pub(super) struct Writer {
    places: Arc<Places>,
    running: Mutex<Option<Running>>,
}

struct Running {
    queue: mpsc::Sender<Job>,
    thread: JoinHandle<()>,
}

struct Job {
    taken: Taken,
    pieces: Vec<Bytes>,
    answer: oneshot::Sender<io::Result<()>>,
}

/// A body that is being written to a slot.
pub(super) struct Written(oneshot::Receiver<io::Result<()>>);

impl Written {
    /// Waits until it is durable.
    ///
    /// # Errors
    /// [`Fault`]: that of the disk.
    pub(super) async fn durable(self) -> Result<(), Fault> {
        Ok(self.0.await.map_err(|_| fault::INTERNAL)??)
    }
}

impl Writer {
    pub(super) fn new(places: Arc<Places>) -> Self {
        Self {
            places,
            running: Mutex::new(None),
        }
    }

    /// Takes a slot, and has these pieces written to it.
    pub(super) async fn begin(&self, pieces: Vec<Bytes>) -> Result<(Slot, Unkept), Fault> {
        let queue = self.queue()?;
        let taken = self
            .places
            .take(pieces.iter().map(Bytes::len).sum())
            .await?;
        let slot = taken.slot.clone();
        let (answer, written) = oneshot::channel();
        let unkept = Unkept::slot(Arc::clone(&self.places), slot.clone(), Written(written));
        let job = Job {
            taken,
            pieces,
            answer,
        };
        queue.send(job).await.map_err(|_| fault::INTERNAL)?;
        Ok((slot, unkept))
    }

    fn queue(&self) -> io::Result<mpsc::Sender<Job>> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = &*running {
            return Ok(running.queue.clone());
        }
        let (queue, jobs) = mpsc::channel(QUEUE_MAX);
        let places = Arc::clone(&self.places);
        let thread = std::thread::Builder::new()
            .name("objects-writer".to_owned())
            .spawn(move || write_all(&places, jobs))?;
        *running = Some(Running {
            queue: queue.clone(),
            thread,
        });
        Ok(queue)
    }
}

impl Drop for Writer {
    /// Waits until everything that was queued is written.
    fn drop(&mut self) {
        let running = self.running.get_mut();
        if let Some(running) = running.unwrap_or_else(PoisonError::into_inner).take() {
            drop(running.queue);
            if running.thread.join().is_err() {
                tracing::error!("the thread that writes objects ended by a panic");
            }
        }
    }
}

/// Writes in the order of the queue: who gives up may see the slot given out again before it is written.
fn write_all(places: &Places, mut jobs: mpsc::Receiver<Job>) {
    let mut group = Vec::with_capacity(GROUP_MAX);
    let mut rooms = HashMap::new();
    while jobs.blocking_recv_many(&mut group, GROUP_MAX) != 0 {
        let mut files: HashMap<String, Arc<File>> = HashMap::new();
        let written: Vec<_> = group
            .drain(..)
            .map(|job| {
                let Taken { slot, file, .. } = &job.taken;
                let written = write(&job, &mut rooms);
                files
                    .entry(slot.file.clone())
                    .or_insert_with(|| Arc::clone(file));
                (job, written)
            })
            .collect();
        // After a failure nobody knows what of a file is durable.
        let mut broken = HashMap::new();
        for (name, file) in files {
            if let Err(error) = file.sync_data() {
                places.give_up(&name);
                rooms.remove(&name);
                broken.insert(name, error);
            }
        }
        for (job, written) in written {
            let answer = match broken.get(&job.taken.slot.file) {
                None => written,
                Some(error) => Err(same(error)),
            };
            // Nobody may wait any more.
            let _ = job.answer.send(answer);
        }
    }
}

fn write(job: &Job, rooms: &mut HashMap<String, u64>) -> io::Result<()> {
    let Taken {
        slot,
        file,
        slot_bytes,
    } = &job.taken;
    let mut offset = u64::from(slot.number) * slot_bytes;
    make_room(file, &slot.file, offset + slot_bytes, rooms)?;
    for piece in &job.pieces {
        file.write_all_at(piece, offset)?;
        offset += piece.len() as u64;
    }
    Ok(())
}

/// Has a file reach to `end` at least.
fn make_room(
    file: &File,
    name: &str,
    end: u64,
    rooms: &mut HashMap<String, u64>,
) -> io::Result<()> {
    let room = match rooms.get_mut(name) {
        Some(room) => room,
        None => rooms
            .entry(name.to_owned())
            .or_insert(file.metadata()?.len()),
    };
    if *room < end {
        let bytes = end - *room + GROWTH_BYTES;
        // Where this cannot be done, writing does it, or says why not.
        *room = match rustix::fs::fallocate(file, FallocateFlags::empty(), *room, bytes) {
            Ok(()) => *room + bytes,
            Err(_) => end,
        };
    }
    Ok(())
}

fn same(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(number) => io::Error::from_raw_os_error(number),
        None => error.kind().into(),
    }
}
