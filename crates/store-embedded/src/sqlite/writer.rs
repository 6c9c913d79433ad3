//! The one thread that writes, and who may write beside it.
//!
//! Lives here: the queue in front of it, which batches are a group, the answers to those who wait; callers who are alone.
//! Does not live here: what a group does to the file (`medium`).
//!
//! While the disk flushes one transaction, batches queue; the next transaction takes all of them (up to a limit). So
//! under load one flush serves many commits, and without load a commit waits for nothing but its own flush.
//!
//! To hand a batch over and be woken for its answer takes two wake-ups, a quarter of a commit that nobody shares. So a caller who
//! is alone writes it on its own thread, if the medium is free and the queue empty. Whoever finds it otherwise queues: nobody
//! but the thread ever waits for the medium, so that none is overtaken and the queue is as fast as without this.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;
use store::{Batch, CommitError, ReadError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::Options;
use super::medium::{Answer, Medium};

/// Batches that may wait for the writer. Whoever comes next waits for a place.
const QUEUE_BATCHES_MAX: usize = 1_024;
/// Bytes of all batches that wait, counted in KiB.
const QUEUE_KIB_MAX: u32 = 64 * 1024;
/// Batches that one transaction takes.
const GROUP_BATCHES_MAX: usize = 256;
/// A larger batch is never written by its caller, in KiB: it would keep its thread for long.
const OWN_KIB_MAX: u32 = 64;

/// The queue to the writing thread.
#[derive(Debug)]
pub(super) struct Writer {
    /// None only while it is being dropped.
    queue: Option<mpsc::Sender<Job>>,
    /// All of it is there when no batch waits or is being written by the thread.
    room: Arc<Semaphore>,
    medium: Arc<Mutex<Medium>>,
    options: Options,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Job {
    batch: Batch,
    answer: oneshot::Sender<Answer>,
    /// Given back when the job is dropped, which is when it is answered.
    _room: OwnedSemaphorePermit,
}

impl Writer {
    pub(super) fn start(medium: Medium, options: Options) -> io::Result<Self> {
        let (queue, jobs) = mpsc::channel(QUEUE_BATCHES_MAX);
        let medium = Arc::new(Mutex::new(medium));
        let shared = Arc::clone(&medium);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || write_all(&shared, jobs))?;
        Ok(Self {
            queue: Some(queue),
            room: Arc::new(Semaphore::new(QUEUE_KIB_MAX as usize)),
            medium,
            options,
            thread: Some(thread),
        })
    }

    pub(super) async fn commit(&self, batch: Batch) -> Answer {
        let bytes = batch.measure()?;
        let kib = u32::try_from(bytes / 1024 + 1).unwrap_or(QUEUE_KIB_MAX);
        if let Some(answer) = self.write_alone(&batch, kib) {
            return answer;
        }
        let room = Arc::clone(&self.room)
            .acquire_many_owned(kib.min(QUEUE_KIB_MAX))
            .await
            .map_err(|_| CommitError::Closed)?;
        let (answer, answered) = oneshot::channel();
        let job = Job {
            batch,
            answer,
            _room: room,
        };
        let queue = self.queue.as_ref().ok_or(CommitError::Closed)?;
        queue.send(job).await.map_err(|_| CommitError::Closed)?;
        answered.await.map_err(|_| CommitError::Closed)?
    }

    /// The value of a key, for who is alone: this connection knows what it wrote last, and any other has to look for it again. None:
    /// the caller is not, or something is being written.
    pub(super) fn get(&self, key: &[u8]) -> Option<Result<Option<Bytes>, ReadError>> {
        self.medium_alone()?.get(key)
    }

    /// Writes the batch on this thread; none: that is not to be done here and now.
    fn write_alone(&self, batch: &Batch, kib: u32) -> Option<Answer> {
        if OWN_KIB_MAX < kib {
            return None;
        }
        let mut medium = self.medium_alone()?;
        // Whoever queued before this caller came here is seen here, and comes first.
        let is_empty = self.room.available_permits() == QUEUE_KIB_MAX as usize;
        if is_empty && (self.options.may_flush)() {
            medium.write_at_once(batch)
        } else {
            None
        }
    }

    /// The medium, if the caller is alone and nobody has it. After a panic it is the thread's to put in order.
    fn medium_alone(&self) -> Option<MutexGuard<'_, Medium>> {
        if !(self.options.is_alone)() {
            return None;
        }
        self.medium.try_lock().ok()
    }
}

impl Drop for Writer {
    /// Waits until everything that was queued is written.
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the store's writer ended by a panic");
        }
    }
}

fn write_all(medium: &Mutex<Medium>, mut jobs: mpsc::Receiver<Job>) {
    let mut group = Vec::with_capacity(GROUP_BATCHES_MAX);
    while jobs.blocking_recv_many(&mut group, GROUP_BATCHES_MAX) != 0 {
        let mut medium = sound(medium);
        let answers = medium.write(group.iter().map(|job| &job.batch));
        for (job, answer) in group.drain(..).zip(answers) {
            // Whoever no longer waits does not want to know.
            let _ = job.answer.send(answer);
        }
        medium.take_care();
    }
}

/// The medium, without what a caller's panic may have left in it.
fn sound(medium: &Mutex<Medium>) -> MutexGuard<'_, Medium> {
    medium.lock().unwrap_or_else(|poisoned: PoisonError<_>| {
        let guard = poisoned.into_inner();
        guard.roll_back();
        medium.clear_poison();
        guard
    })
}

#[cfg(test)]
mod tests {
    use super::super::log_room::LogRoom;
    use std::path::Path;

    use super::super::connection;
    use super::*;

    /// One whose callers are all alone.
    fn writer(folder: &Path) -> Writer {
        let file = folder.join("store.sqlite");
        let (connection, stamp_last) = connection::open_writer(&file, Options::default()).unwrap();
        let room = LogRoom::of(&folder.join("store.sqlite-wal")).unwrap();
        let medium = Medium::new(connection, room, stamp_last).unwrap();
        let options = Options {
            is_alone: || true,
            ..Options::default()
        };
        Writer::start(medium, options).unwrap()
    }

    #[tokio::test]
    async fn what_a_caller_left_undone_by_a_panic_is_rolled_back() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(folder.path());
        let shared = Arc::clone(&writer.medium);
        let panics = std::thread::spawn(move || {
            let mut medium = shared.lock().unwrap();
            medium.leave_undone(&Batch::new().put(vec![1], vec![]));
            panic!("as a fault in a commit would");
        });
        panics.join().unwrap_err();
        for key in 2..20 {
            let after = Batch::new().check_absent(vec![1]).put(vec![key], vec![]);
            writer.commit(after).await.unwrap();
        }
        assert!(!writer.medium.is_poisoned());
    }

    #[test]
    fn what_is_not_committed_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(folder.path());
        assert!(matches!(writer.get(&[1]), Some(Ok(None))));
        let undone = Batch::new().put(vec![1], vec![]);
        writer.medium.lock().unwrap().leave_undone(&undone);
        assert!(writer.get(&[1]).is_none(), "another connection reads");
        writer.medium.lock().unwrap().roll_back();
        assert!(matches!(writer.get(&[1]), Some(Ok(None))));
    }
}
