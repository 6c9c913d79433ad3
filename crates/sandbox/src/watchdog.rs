//! What the kernel does not limit, looked at from time to time: a process that has too much memory is killed, a group that
//! makes processes without end is held back.
//!
//! Lives here: the thread that looks, what counts as an instance's own memory.
//! Does not live here: limits that the kernel keeps (`groups`), when a group is held back (`groups::restraint`).
//!
//! The kernel limits a group's memory with its files, and `/tmp` is files in memory. So what processes themselves have
//! is looked at where there are groups, too: for a moment an instance can take what is meant for its `/tmp`.
//!
//! Without groups it is second best: between two looks a process can take more than it may, its children are looked at
//! more seldom, and memory that is in no process's address space is not seen. The kernel is told to end these processes
//! first when the machine runs out.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::Signal;

use crate::groups::{Group, GroupMemory};
use crate::sandbox::user_namespace;

/// How often every process is looked at that is at work.
const INTERVAL: Duration = Duration::from_millis(100);
/// Looks between those at a process that is idle, and does not grow: a thousand of them are looked at in no time.
const IDLE_EVERY: u64 = 10;
/// Looks between those at the children of processes without a group: all processes of the machine are gone through.
const CHILDREN_EVERY: u64 = 10;
/// From 0 to 1,000: which processes the kernel ends first.
const OUT_OF_MEMORY_SCORE: &str = "800";

/// Looks at the memory of processes.
pub struct Watchdog {
    watched: Arc<Mutex<HashMap<i32, Arc<Watched>>>>,
    page_bytes: u64,
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Watched {
    pid: i32,
    pidfd: OwnedFd,
    memory_bytes_max: u64,
    group: Arc<OnceLock<Group>>,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    was_killed: AtomicBool,
    is_idle: AtomicBool,
    was_held_back: AtomicBool,
    peak_bytes: AtomicU64,
}

/// What was seen of a watched process. Dropped, the process is no more watched.
pub struct Watch {
    pid: i32,
    seen: Arc<Seen>,
    watched: Arc<Mutex<HashMap<i32, Arc<Watched>>>>,
}

impl Watchdog {
    /// Starts looking.
    ///
    /// # Errors
    /// No thread was to be had.
    pub fn start() -> io::Result<Self> {
        let watched: Arc<Mutex<HashMap<i32, Arc<Watched>>>> = Arc::default();
        let page_bytes = rustix::param::page_size() as u64;
        let (stop, stopped) = sync_channel(0);
        let looked_at = watched.clone();
        let thread = thread::Builder::new()
            .name("sandbox-memory".to_owned())
            .spawn(move || {
                let mut round: u64 = 0;
                while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                    round = round.wrapping_add(1);
                    // Nobody who begins to be watched waits for the looks.
                    let all: Vec<Arc<Watched>> = lock(&looked_at).values().cloned().collect();
                    let due = all.iter().filter(|watched| watched.is_due(round));
                    due.for_each(|watched| watched.look(round, page_bytes));
                    if round.is_multiple_of(CHILDREN_EVERY) {
                        look_at_children(&all, page_bytes);
                    }
                }
            })?;
        Ok(Self {
            watched,
            page_bytes,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Watches a process, and what else is in its group, which may come later. The pidfd makes sure that it is the one which
    /// is killed.
    pub fn watch(
        &self,
        pid: i32,
        pidfd: OwnedFd,
        memory_bytes_max: u64,
        group: Arc<OnceLock<Group>>,
    ) -> Watch {
        // Not every machine lets us, and it is no more than a wish.
        let _ = fs::write(format!("/proc/{pid}/oom_score_adj"), OUT_OF_MEMORY_SCORE);
        let seen: Arc<Seen> = Arc::default();
        if let Some(bytes) = resident_bytes(pid, self.page_bytes) {
            seen.note(bytes);
        }
        let watched = Watched {
            pid,
            pidfd,
            memory_bytes_max,
            group,
            seen: seen.clone(),
        };
        lock(&self.watched).insert(pid, Arc::new(watched));
        Watch {
            pid,
            seen,
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
        self.seen.was_killed.load(Ordering::Relaxed)
    }

    /// Whether it was held back since this was asked before, because it made processes without end.
    pub fn was_held_back(&self) -> bool {
        self.seen.was_held_back.swap(false, Ordering::Relaxed)
    }

    /// It is at work from now on, as at first.
    pub fn at_work(&self) {
        self.seen.is_idle.store(false, Ordering::Relaxed);
    }

    /// It has nothing to do from now on.
    pub fn idle(&self) {
        self.seen.is_idle.store(true, Ordering::Relaxed);
    }

    /// The most that was seen of it, in bytes, at one of the looks.
    pub fn peak_bytes(&self) -> u64 {
        self.seen.peak_bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watched = lock(&self.watched);
        // The number may be another process's by now, which is watched too.
        let is_ours = |one: &Arc<Watched>| Arc::ptr_eq(&one.seen, &self.seen);
        if watched.get(&self.pid).is_some_and(is_ours) {
            watched.remove(&self.pid);
        }
    }
}

impl Seen {
    fn note(&self, bytes: u64) {
        self.peak_bytes.fetch_max(bytes, Ordering::Relaxed);
    }
}

impl Watched {
    /// Idle ones take turns, by their numbers.
    fn is_due(&self, round: u64) -> bool {
        let turn = round.wrapping_add(u64::from(self.pid.unsigned_abs()));
        !self.seen.is_idle.load(Ordering::Relaxed) || turn.is_multiple_of(IDLE_EVERY)
    }

    /// Cheap as long as all is well: what is resident, or counted, is never less than what is its own.
    fn look(&self, round: u64, page_bytes: u64) {
        if let Some(resident) = resident_bytes(self.pid, page_bytes) {
            self.seen.note(resident);
            if self.memory_bytes_max < resident {
                self.judge(own_bytes(self.pid));
            }
        }
        if let Some(group) = self.counted()
            && group
                .used_bytes()
                .is_some_and(|used| self.memory_bytes_max < used)
        {
            let own = group.own_bytes();
            self.seen.note(own.unwrap_or_default());
            self.judge(own);
        }
        if let Some(group) = self.group.get()
            // It fails only when the group is gone.
            && group.restrain(round).is_ok_and(|is_held| is_held)
        {
            self.seen.was_held_back.store(true, Ordering::Relaxed);
        }
    }

    fn counted(&self) -> Option<GroupMemory> {
        self.group.get().and_then(Group::memory)
    }

    fn judge(&self, bytes: Option<u64>) {
        let is_too_much = bytes.is_some_and(|bytes| self.memory_bytes_max < bytes);
        if is_too_much && !self.seen.was_killed.swap(true, Ordering::Relaxed) {
            // It fails only when it has ended meanwhile.
            let _ = rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL);
        }
    }
}

/// Processes of one instance are those of its user namespace, wherever they have gone.
fn look_at_children(all: &[Arc<Watched>], page_bytes: u64) {
    let without_group = all.iter().filter(|watched| watched.counted().is_none());
    let mut instances: HashMap<u64, (&Arc<Watched>, Vec<i32>)> = without_group
        .filter_map(|watched| Some((user_namespace(watched.pid)?, (watched, Vec::new()))))
        .collect();
    if instances.is_empty() {
        return;
    }
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    for pid in numbers {
        let instance = user_namespace(pid).and_then(|space| instances.get_mut(&space));
        if let Some((_, pids)) = instance {
            pids.push(pid);
        }
    }
    for (watched, pids) in instances.values() {
        let resident: u64 = pids
            .iter()
            .filter_map(|pid| resident_bytes(*pid, page_bytes))
            .sum();
        if watched.memory_bytes_max < resident {
            // What several of them share is each one's in part: they have no more than the sum. It takes the kernel long.
            let shares: u64 = pids.iter().filter_map(|pid| share_bytes(*pid)).sum();
            watched.seen.note(shares);
            watched.judge(Some(shares));
        }
    }
}

/// All that a process has in memory, files included.
fn resident_bytes(pid: i32, page_bytes: u64) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * page_bytes)
}

/// Memory that is not of a file: of a fork, also what it still shares with its template.
fn own_bytes(pid: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    sum_of(&text, ["RssAnon:", "RssShmem:"])
}

/// The same, of what it shares only its part.
fn share_bytes(pid: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    sum_of(&text, ["Pss_Anon:", "Pss_Shmem:"])
}

fn sum_of(text: &str, names: [&str; 2]) -> Option<u64> {
    let of = |name: &str| {
        let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
        rest.split_whitespace().next()?.parse::<u64>().ok()
    };
    let [first, second] = names;
    Some((of(first)? + of(second)?) * 1024)
}

fn lock(watched: &Mutex<HashMap<i32, Arc<Watched>>>) -> MutexGuard<'_, HashMap<i32, Arc<Watched>>> {
    watched.lock().unwrap_or_else(PoisonError::into_inner)
}
