//! The one thread that writes.
//!
//! Lives here: the queue in front of it, which batches are a group, the answers to those who wait.
//! Does not live here: what a group does to the file (`medium`).
//!
//! While the disk flushes one transaction, batches queue; the next transaction takes all of them (up to a limit). So
//! under load one flush serves many commits, and without load a commit waits for nothing but its own flush.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use store::{Batch, CommitError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::medium::{Answer, Medium};

/// Batches that may wait for the writer. Whoever comes next waits for a place.
const QUEUE_BATCHES_MAX: usize = 1_024;
/// Bytes of all batches that wait, counted in KiB.
const QUEUE_KIB_MAX: u32 = 64 * 1024;
/// Batches that one transaction takes.
const GROUP_BATCHES_MAX: usize = 256;

/// The queue to the writing thread.
#[derive(Debug)]
pub(super) struct Writer {
    /// None only while it is being dropped.
    queue: Option<mpsc::Sender<Job>>,
    room: Arc<Semaphore>,
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
    pub(super) fn start(medium: Medium) -> io::Result<Self> {
        let (queue, jobs) = mpsc::channel(QUEUE_BATCHES_MAX);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || write_all(medium, jobs))?;
        Ok(Self {
            queue: Some(queue),
            room: Arc::new(Semaphore::new(QUEUE_KIB_MAX as usize)),
            thread: Some(thread),
        })
    }

    pub(super) async fn commit(&self, batch: Batch) -> Answer {
        let bytes = batch.measure()?;
        let kib = u32::try_from(bytes / 1024 + 1).unwrap_or(QUEUE_KIB_MAX);
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

fn write_all(mut medium: Medium, mut jobs: mpsc::Receiver<Job>) {
    let mut group = Vec::with_capacity(GROUP_BATCHES_MAX);
    while jobs.blocking_recv_many(&mut group, GROUP_BATCHES_MAX) != 0 {
        let answers = medium.write(group.iter().map(|job| &job.batch));
        for (job, answer) in group.drain(..).zip(answers) {
            // Whoever no longer waits does not want to know.
            let _ = job.answer.send(answer);
        }
        medium.take_care();
    }
}
