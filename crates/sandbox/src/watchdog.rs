//! Memory without control groups: looked at from time to time, and a process that has too much is killed.
//!
//! Lives here: the thread that looks, what counts as a process's own memory.
//! Does not live here: limits that the kernel keeps (`groups`).
//!
//! It is second best: between two looks a process can take more than it may, and what its children take counts for each
//! of them alone. The kernel is told to end these processes first when the machine runs out.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::Signal;

/// How often every process is looked at.
const INTERVAL: Duration = Duration::from_millis(100);
/// From 0 to 1,000: which processes the kernel ends first.
const OUT_OF_MEMORY_SCORE: &str = "800";

/// Looks at the memory of processes.
pub struct Watchdog {
    watched: Arc<Mutex<HashMap<i32, Watched>>>,
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Watched {
    pidfd: OwnedFd,
    memory_bytes_max: u64,
    was_killed: Arc<AtomicBool>,
}

/// Whether a watched process was killed. Dropped, the process is no more watched.
pub struct Watch {
    pid: i32,
    was_killed: Arc<AtomicBool>,
    watched: Arc<Mutex<HashMap<i32, Watched>>>,
}

impl Watchdog {
    /// Starts looking.
    ///
    /// # Errors
    /// No thread was to be had.
    pub fn start() -> io::Result<Self> {
        let watched: Arc<Mutex<HashMap<i32, Watched>>> = Arc::default();
        let (stop, stopped) = sync_channel(0);
        let looked_at = watched.clone();
        let thread = thread::Builder::new()
            .name("sandbox-memory".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                    for (pid, watched) in lock(&looked_at).iter() {
                        watched.look(*pid);
                    }
                }
            })?;
        Ok(Self {
            watched,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Watches a process. The pidfd makes sure that it is the one which is killed.
    pub fn watch(&self, pid: i32, pidfd: OwnedFd, memory_bytes_max: u64) -> Watch {
        // Not every machine lets us, and it is no more than a wish.
        let _ = fs::write(format!("/proc/{pid}/oom_score_adj"), OUT_OF_MEMORY_SCORE);
        let was_killed: Arc<AtomicBool> = Arc::default();
        let watched = Watched {
            pidfd,
            memory_bytes_max,
            was_killed: was_killed.clone(),
        };
        lock(&self.watched).insert(pid, watched);
        Watch {
            pid,
            was_killed,
            watched: self.watched.clone(),
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Watch {
    /// Whether it had more than it may, and was killed for it.
    pub fn was_killed(&self) -> bool {
        self.was_killed.load(Ordering::Relaxed)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        lock(&self.watched).remove(&self.pid);
    }
}

impl Watched {
    fn look(&self, pid: i32) {
        let Some(bytes) = own_memory_bytes(pid) else {
            return;
        };
        if self.memory_bytes_max < bytes && !self.was_killed.swap(true, Ordering::Relaxed) {
            // It fails only when it has ended meanwhile.
            let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL);
        }
    }
}

/// Memory that is not of a file: of a fork, also what it still shares with its template.
fn own_memory_bytes(pid: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let of = |name: &str| {
        let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
        rest.split_whitespace().next()?.parse::<u64>().ok()
    };
    Some((of("RssAnon:")? + of("RssShmem:")?) * 1024)
}

fn lock(watched: &Mutex<HashMap<i32, Watched>>) -> MutexGuard<'_, HashMap<i32, Watched>> {
    watched.lock().unwrap_or_else(PoisonError::into_inner)
}
