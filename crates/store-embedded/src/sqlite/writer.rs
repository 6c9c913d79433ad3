//! The one thread that writes.
//!
//! Lives here: the queue in front of it, group commit, the answers to those who wait.
//! Does not live here: settings of its connection (`connection`).
//!
//! While the disk flushes one transaction, batches queue; the next transaction takes all of them (up to a limit). So
//! under load one flush serves many commits, and without load a commit waits for nothing but its own flush.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use rusqlite::{CachedStatement, Connection, ErrorCode, OptionalExtension};
use store::{Batch, CommitError, Versionstamp};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

/// Batches that may wait for the writer. Whoever comes next waits for a place.
const QUEUE_BATCHES_MAX: usize = 1_024;
/// Bytes of all batches that wait, counted in KiB.
const QUEUE_KIB_MAX: u32 = 64 * 1024;
/// Batches that one transaction takes.
const GROUP_BATCHES_MAX: usize = 256;
/// Versionstamps that are reserved at once. A commit writes whole pages, and the row that counts stamps is on one of its own:
/// so almost every small commit writes one page less. A start goes on after the last one that was reserved.
const STAMPS_RESERVED: u64 = 4_096;

type Answer = Result<Versionstamp, CommitError>;

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
    pub(super) fn start(connection: Connection, stamp_last: u64) -> io::Result<Self> {
        let (queue, jobs) = mpsc::channel(QUEUE_BATCHES_MAX);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || write_all(&connection, stamp_last, jobs))?;
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

/// Versionstamps: those up to `last` were given out, those up to `reserved` may be.
struct Stamps {
    last: u64,
    reserved: u64,
}

fn write_all(connection: &Connection, stamp_last: u64, mut jobs: mpsc::Receiver<Job>) {
    let mut stamps = Stamps {
        last: stamp_last,
        reserved: stamp_last,
    };
    let mut group = Vec::with_capacity(GROUP_BATCHES_MAX);
    while jobs.blocking_recv_many(&mut group, GROUP_BATCHES_MAX) != 0 {
        let answers = match write_group(connection, &mut stamps, &group) {
            Ok(answers) => answers,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a commit failed");
                roll_back(connection);
                let error = failed(error);
                vec![Err(error); group.len()]
            }
        };
        for (job, answer) in group.drain(..).zip(answers) {
            // Whoever no longer waits does not want to know.
            let _ = job.answer.send(answer);
        }
    }
}

/// Applies each batch whose checks hold, all in one transaction.
fn write_group(
    connection: &Connection,
    stamps: &mut Stamps,
    group: &[Job],
) -> rusqlite::Result<Vec<Answer>> {
    let mut statements = Statements::prepare(connection)?;
    statements.begin.execute([])?;
    let mut answers = Vec::with_capacity(group.len());
    for job in group {
        // Stamps are not taken back when the transaction fails: gaps are allowed, repetitions are not.
        answers.push(statements.apply(&job.batch, &mut stamps.last)?);
    }
    let mut reserved = stamps.reserved;
    if reserved < stamps.last {
        reserved = stamps.last.saturating_add(STAMPS_RESERVED);
        let number = i64::try_from(reserved).unwrap_or(i64::MAX);
        statements.keep_stamp.execute([number])?;
    }
    statements.commit.execute([])?;
    stamps.reserved = reserved;
    Ok(answers)
}

fn roll_back(connection: &Connection) {
    if connection.is_autocommit() {
        // SQLite has rolled back by itself.
        return;
    }
    if let Err(error) = connection.execute_batch("ROLLBACK") {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "a failed commit could not be rolled back"
        );
    }
}

struct Statements<'a> {
    begin: CachedStatement<'a>,
    get: CachedStatement<'a>,
    exists: CachedStatement<'a>,
    put: CachedStatement<'a>,
    delete: CachedStatement<'a>,
    keep_stamp: CachedStatement<'a>,
    commit: CachedStatement<'a>,
}

impl<'a> Statements<'a> {
    fn prepare(connection: &'a Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            begin: connection.prepare_cached("BEGIN IMMEDIATE")?,
            get: connection.prepare_cached("SELECT value FROM kv WHERE key = ?1")?,
            exists: connection.prepare_cached("SELECT 1 FROM kv WHERE key = ?1")?,
            put: connection.prepare_cached(
                "INSERT INTO kv (key, value) VALUES (?1, ?2)
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            )?,
            delete: connection.prepare_cached("DELETE FROM kv WHERE key = ?1")?,
            keep_stamp: connection
                .prepare_cached("UPDATE meta SET value = ?1 WHERE name = 'versionstamp'")?,
            commit: connection.prepare_cached("COMMIT")?,
        })
    }

    fn apply(&mut self, batch: &Batch, stamp_last: &mut u64) -> rusqlite::Result<Answer> {
        for (index, check) in batch.checks().iter().enumerate() {
            if !self.holds(check)? {
                return Ok(Err(CommitError::CheckFailed { index }));
            }
        }
        *stamp_last += 1;
        let stamp = Versionstamp::new(*stamp_last);
        for write in batch.writes() {
            match write.stamped(stamp) {
                (key, Some(value)) => self.put.execute([&key[..], &value[..]])?,
                (key, None) => self.delete.execute([&key[..]])?,
            };
        }
        Ok(Ok(stamp))
    }

    fn holds(&mut self, check: &store::Check) -> rusqlite::Result<bool> {
        Ok(match check {
            store::Check::Absent { key } => !self.exists.exists([&key[..]])?,
            store::Check::Present { key } => self.exists.exists([&key[..]])?,
            store::Check::Equals { key, value } => self
                .get
                .query_row([&key[..]], |row| {
                    Ok(row.get_ref(0)?.as_blob()? == &value[..])
                })
                .optional()?
                .unwrap_or(false),
        })
    }
}

fn failed(error: rusqlite::Error) -> CommitError {
    if error.sqlite_error_code() == Some(ErrorCode::DiskFull) {
        return CommitError::DiskFull(Arc::new(error));
    }
    CommitError::Medium(Arc::new(error))
}
