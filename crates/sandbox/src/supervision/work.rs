//! What takes longer than looking an address up: a thread for each sandbox that needs one.
//!
//! Lives here: the thread, its queue, carrying a task out and answering the call that waits for it.
//! Does not live here: the thread that takes the calls (`supervision`).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::Listener;
use crate::entry;
use crate::orders::Listen;
use crate::sandbox::Arriving;
use crate::system::notify::{self, Answer};

/// Calls of one sandbox that may wait for its thread. The next one fails.
const TASKS_WAITING_MAX: usize = 1_024;

/// A call that waits, and what must be done first.
pub(super) struct Task {
    pub(super) listener: Arc<Listener>,
    pub(super) call: u64,
    pub(super) work: Work,
}

pub(super) enum Work {
    /// A process that becomes an instance: its group and its `/tmp`.
    Arrive { number: i32, process: OwnedFd },
    /// Addresses that are to lead somewhere.
    MakeWays(Vec<Listen>),
}

/// A sandbox's own thread, from when it is first needed until the sandbox is dropped.
#[derive(Default)]
pub(crate) struct Worker {
    tasks: Mutex<Option<SyncSender<Task>>>,
}

impl Worker {
    /// Starts the thread before it is needed. Without one, it is started then.
    pub(crate) fn prepare(&self) {
        let _ = started(&mut self.tasks());
    }

    /// Has a task done, and its call answered; or an error, with which to answer it now.
    pub(super) fn add(&self, task: Task) -> Result<(), i32> {
        let mut tasks = self.tasks();
        started(&mut tasks)?
            .try_send(task)
            .map_err(|_| libc::EAGAIN)
    }

    /// Lets the thread end, once it has done what waits.
    pub(crate) fn close(&self) {
        self.tasks().take();
    }

    fn tasks(&self) -> MutexGuard<'_, Option<SyncSender<Task>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn started(tasks: &mut Option<SyncSender<Task>>) -> Result<&SyncSender<Task>, i32> {
    match tasks {
        Some(sender) => Ok(sender),
        None => {
            let (sender, inbox) = sync_channel(TASKS_WAITING_MAX);
            let named = thread::Builder::new().name("sandbox-work".to_owned());
            named.spawn(move || run(&inbox)).map_err(|_| libc::EAGAIN)?;
            Ok(tasks.insert(sender))
        }
    }
}

fn give(listener: &Listener, call: u64, file: BorrowedFd<'_>) -> std::io::Result<i32> {
    notify::give(listener.descriptor.as_fd(), call, file)
}

fn run(inbox: &Receiver<Task>) {
    while let Ok(Task {
        listener,
        call,
        work,
    }) = inbox.recv()
    {
        let inside = &listener.inside;
        let answer = match work {
            Work::Arrive { number, process } => match inside.arrive(number, &process) {
                Ok(Arriving::Here) => Answer::Done(0),
                Ok(Arriving::GoIn(files)) => {
                    // What it was not given it is moved for.
                    let given = files.iter().map(|file| give(&listener, call, file.as_fd()));
                    let numbers: Vec<i32> = given.flatten().collect();
                    if !numbers.is_empty() {
                        let numbers = Answer::Done(entry::entrances_in_one(&numbers));
                        notify::answer(listener.descriptor.as_fd(), call, numbers);
                        inside.furnish(number, &process);
                        continue;
                    }
                    inside.furnish(number, &process);
                    match inside.arrive(number, &process) {
                        Ok(_) => Answer::Done(0),
                        Err(fault) => Answer::Fail(fault.error),
                    }
                }
                Err(fault) => Answer::Fail(fault.error),
            },
            Work::MakeWays(ways) => {
                let mut made = ways.into_iter().map(|listen| match inside.egress() {
                    Some(egress) => egress.make_way(inside, listen),
                    None => Ok(()),
                });
                match made.find_map(Result::err) {
                    Some(error) => Answer::Fail(error),
                    None => Answer::Continue,
                }
            }
        };
        notify::answer(listener.descriptor.as_fd(), call, answer);
    }
}
