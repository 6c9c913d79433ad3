//! Work on the pieces of a body, away from the threads that serve connections.
//!
//! Lives here: pieces in line for one worker, which a thread of the pool takes up when enough wait, and lays down when none do.
//! Does not live here: what is done with them (`receiving`).
//!
//! No thread waits for pieces: however many bodies arrive slowly, none can keep others from being worked on.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use super::blobs::failed;
use super::fault::{self, Fault};

/// Bytes that may wait for one worker, counted in KiB: what a disk does not take for some milliseconds.
const WAITING_KIB_MAX: u32 = 4 * 1024;
/// What waits before a worker is woken: waking it for less would cost as much as the work.
const WORTH_WAKING_KIB: u32 = 256;
/// What one piece takes of the room at most, however long it is: less than is left while the worker is not woken.
const PIECE_KIB_MAX: u32 = WAITING_KIB_MAX - WORTH_WAKING_KIB;

/// What is done with pieces.
pub(super) trait Work: Send + 'static {
    /// Takes the next one. It may block.
    ///
    /// # Errors
    /// [`Fault`], after which it is not given more.
    fn take(&mut self, piece: &[u8]) -> Result<(), Fault>;
}

/// A worker and its line. Dropping it lets go of what waits.
pub(super) struct Strand<W: Work> {
    line: Arc<Mutex<Line<W>>>,
    room: Arc<Semaphore>,
    running: Option<JoinHandle<()>>,
}

struct Line<W> {
    /// None while a thread has it.
    idle: Option<W>,
    waiting: VecDeque<(Bytes, OwnedSemaphorePermit)>,
    waiting_kib: u32,
    fault: Option<Fault>,
}

impl<W: Work> Strand<W> {
    pub(super) fn new(work: W) -> Self {
        Self {
            line: Arc::new(Mutex::new(Line {
                idle: Some(work),
                waiting: VecDeque::new(),
                waiting_kib: 0,
                fault: None,
            })),
            room: Arc::new(Semaphore::new(WAITING_KIB_MAX as usize)),
            running: None,
        }
    }

    /// Puts a piece in line; waits while the line is full.
    ///
    /// # Errors
    /// [`Fault`]: that of an earlier piece.
    pub(super) async fn push(&mut self, piece: Bytes) -> Result<(), Fault> {
        let kib = u32::try_from(piece.len().div_ceil(1024)).unwrap_or(u32::MAX);
        let kib = kib.min(PIECE_KIB_MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(kib);
        // It is closed when a piece could not be worked on.
        let Ok(room) = room.await else {
            return Err(self.fault());
        };
        let mut line = lock(&self.line);
        line.waiting_kib += kib;
        line.waiting.push_back((piece, room));
        if line.waiting_kib < WORTH_WAKING_KIB {
            return Ok(());
        }
        let idle = line.idle.take();
        drop(line);
        self.wake(idle);
        Ok(())
    }

    /// The worker, when it has done all.
    ///
    /// # Errors
    /// [`Fault`]: that of a piece.
    pub(super) async fn finish(mut self) -> Result<W, Fault> {
        let idle = {
            let mut line = lock(&self.line);
            if line.waiting.is_empty() {
                None
            } else {
                line.idle.take()
            }
        };
        self.wake(idle);
        if let Some(running) = self.running.take() {
            running.await.map_err(failed)?;
        }
        let done = lock(&self.line).idle.take();
        done.ok_or_else(|| self.fault())
    }

    fn wake(&mut self, idle: Option<W>) {
        if let Some(work) = idle {
            let (line, room) = (Arc::clone(&self.line), Arc::clone(&self.room));
            self.running = Some(tokio::task::spawn_blocking(move || run(&line, &room, work)));
        }
    }

    fn fault(&self) -> Fault {
        let fault = lock(&self.line).fault.take();
        fault.unwrap_or_else(|| fault::INTERNAL.into())
    }
}

impl<W: Work> Drop for Strand<W> {
    fn drop(&mut self) {
        lock(&self.line).waiting.clear();
    }
}

/// Works on what waits until nothing does. After a fault the worker is dropped, and nothing is put in line any more.
fn run<W: Work>(line: &Mutex<Line<W>>, room: &Semaphore, mut work: W) {
    let closing = Closing(Some(room));
    loop {
        let piece = {
            let mut line = lock(line);
            let Some((piece, permit)) = line.waiting.pop_front() else {
                line.idle = Some(work);
                closing.not();
                return;
            };
            let kib = u32::try_from(permit.num_permits()).unwrap_or_default();
            line.waiting_kib = line.waiting_kib.saturating_sub(kib);
            (piece, permit)
        };
        if let Err(fault) = work.take(&piece.0) {
            lock(line).fault = Some(fault);
            return;
        }
    }
}

/// Closes the line, unless the worker has ended well: a panic must not leave anybody waiting for room.
struct Closing<'a>(Option<&'a Semaphore>);

impl Closing<'_> {
    fn not(mut self) {
        self.0 = None;
    }
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        if let Some(room) = self.0 {
            room.close();
        }
    }
}

fn lock<T>(line: &Mutex<T>) -> MutexGuard<'_, T> {
    line.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Joined(Vec<u8>);

    impl Work for Joined {
        fn take(&mut self, piece: &[u8]) -> Result<(), Fault> {
            if piece == b"refused" {
                return Err(fault::INCOMPLETE_BODY.into());
            }
            assert_ne!(piece, b"panic");
            self.0.extend_from_slice(piece);
            Ok(())
        }
    }

    #[tokio::test]
    async fn pieces_are_worked_on_in_order_whatever_their_sizes() {
        for size in [1, 1_000, 100_000, 5_000_000] {
            let mut strand = Strand::new(Joined::default());
            let mut expected = Vec::new();
            for number in 0..40_u8 {
                // Small ones among large ones: what waits unseen must leave room.
                let piece = vec![number; if number % 3 == 0 { 100_000 } else { size }];
                expected.extend_from_slice(&piece);
                strand.push(Bytes::from(piece)).await.unwrap();
            }
            assert!(strand.finish().await.unwrap().0 == expected, "{size}");
        }
    }

    #[tokio::test]
    async fn a_fault_ends_the_line_and_is_told_once() {
        for bad in ["refused", "panic"] {
            let mut strand = Strand::new(Joined::default());
            strand
                .push(Bytes::from_static(bad.as_bytes()))
                .await
                .unwrap();
            let more = Bytes::from(vec![0; 1024 * 1024]);
            let mut pushed = 0;
            while strand.push(more.clone()).await.is_ok() {
                pushed += 1;
                assert!(pushed < 100, "{bad}: nobody learns of it");
            }
            assert!(strand.finish().await.is_err(), "{bad}");
        }
    }
}
