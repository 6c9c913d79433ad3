//! What a fork does before anything else.
//!
//! Lives here: its own descriptors, session and randomness in the place of its parent's.
//! Does not live here: what it then runs, which is JavaScript's.

use std::io;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};

use crate::channel::Ends;
use crate::descriptors;
use crate::entry;
use crate::event_loop::EventLoop;
use crate::preload;
use crate::spare;
use crate::system::{self, SignalAction};

const STDOUT: i32 = 1;
const STDERR: i32 = 2;

/// Its parent, as it was.
pub(crate) struct Parent<'a> {
    pub(crate) pid: i32,
    pub(crate) channel: i32,
    pub(crate) on_ended_children: &'a SignalAction,
    pub(crate) event_loop: &'a EventLoop,
    /// Set where it is in a sandbox.
    pub(crate) inside: Option<Inside>,
}

/// What a fork in a sandbox has to know to become an instance.
#[derive(Clone, Copy)]
pub(crate) struct Inside {
    pub(crate) scopes: u64,
    pub(crate) processes_max: u64,
}

/// The way into a sandbox.
pub(crate) struct Door {
    pub(crate) ticket: OwnedFd,
    /// Takes the number of the process that is inside.
    pub(crate) report: OwnedFd,
}

/// Makes a process of the fork: randomness of its own is what it gets. A fork in which that fails must end.
pub(crate) fn become_child(
    parent: &Parent<'_>,
    ends: Ends,
    door: Option<Door>,
) -> io::Result<[u8; 16]> {
    take(ends, parent.channel)?;
    begin(parent)?;
    if let Some(door) = door {
        enter_sandbox(door)?;
        // Outside it may have got a ring of the kernel's (`io_uring`), on which no call is allowed here: now it gets none.
        set_loop_right(parent)?;
    }
    // Of the process that it is by now.
    preload::note_fork();
    system::random_bytes()
}

/// It goes on as another process, with the same parent: nothing that was open before but is its own may be left.
fn enter_sandbox(door: Door) -> io::Result<()> {
    descriptors::part_shared(&[door.ticket.as_raw_fd(), door.report.as_raw_fd()])?;
    // Both are closed on the way.
    let (ticket, report) = (door.ticket.into_raw_fd(), door.report.into_raw_fd());
    match entry::enter_sandbox(ticket, report) {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(-error)),
    }
}

/// Makes a process of a fork that nobody has asked for yet: randomness of its own is what it gets, and the line in the
/// place of the channel.
pub(crate) fn become_spare(parent: &Parent<'_>, line: OwnedFd) -> io::Result<[u8; 16]> {
    // In the place of the parent's channel, which it may not hold.
    system::replace_private(parent.channel, &line)?;
    drop(line);
    begin(parent)?;
    preload::note_fork();
    system::random_bytes()
}

/// In such a fork: waits for its ends at the line, without which it ends.
pub(crate) fn wait_to_be_asked_for(channel: i32, event_loop: &EventLoop) -> io::Result<()> {
    let Some(ends) = spare::wait_for_ends(channel) else {
        system::exit_now(0)
    };
    take(ends, channel)?;
    event_loop.note_time();
    Ok(())
}

fn take(ends: Ends, channel: i32) -> io::Result<()> {
    system::replace_private(channel, &ends.channel)?;
    system::replace_inherited(STDOUT, &ends.stdout)?;
    system::replace_inherited(STDERR, &ends.stderr)
}

fn begin(parent: &Parent<'_>) -> io::Result<()> {
    system::begin_session()?;
    system::end_with_parent()?;
    // The parent may have died before that: then nobody would ever end this process.
    if system::parent_pid() != parent.pid {
        return Err(io::ErrorKind::NotConnected.into());
    }
    system::restore_ended_children(parent.on_ended_children)?;
    if let Some(Inside {
        scopes,
        processes_max,
    }) = parent.inside
    {
        match entry::enter_instance(scopes, processes_max) {
            0 => {}
            error => return Err(io::Error::from_raw_os_error(-error)),
        }
    }
    set_loop_right(parent)
}

fn set_loop_right(parent: &Parent<'_>) -> io::Result<()> {
    let set = parent.event_loop.set_right_after_fork();
    set.map_err(|_| io::ErrorKind::Other.into())
}

/// Puts nothing in the place of the standard output and the standard error: a parked process has nothing to say.
pub(crate) fn silence(nowhere: &OwnedFd) -> io::Result<()> {
    system::replace_inherited(STDOUT, nowhere)?;
    system::replace_inherited(STDERR, nowhere)
}
