//! A pair of pipes in place of an instance's socket.
//!
//! Lives here: making them, and giving the instance its ends.
//! Does not live here: what goes through them (`link`), the instance's side (`native/src/inbox.rs`).
//!
//! A pipe costs the system half of what a socket does for an event and its reply: no buffers are made and accounted for, and who
//! sleeps in `read` is woken by what comes alone, so that it need not ask first whether anything has come. An instance that has
//! few events never gets there, and its start costs no more.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::pipe::{PipeFlags, pipe_with};

/// Both pipes, made and not yet in use.
pub(super) struct Pipes {
    pub(super) ours: Ends,
    theirs: Ends,
}

/// What one side holds.
pub(super) struct Ends {
    pub(super) read: OwnedFd,
    pub(super) write: OwnedFd,
}

impl Pipes {
    /// Our ends do not block.
    pub(super) fn new() -> io::Result<Self> {
        let (events, events_write) = pipe_with(PipeFlags::CLOEXEC)?;
        let (replies, replies_write) = pipe_with(PipeFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(replies.as_fd(), true)?;
        rustix::io::ioctl_fionbio(events_write.as_fd(), true)?;
        Ok(Self {
            ours: Ends {
                read: replies,
                write: events_write,
            },
            theirs: Ends {
                read: events,
                write: replies_write,
            },
        })
    }

    /// Sends the instance its ends beside a frame, over a socket that nothing waits in.
    pub(super) fn offer(self, over: &OwnedFd, frame: &[u8]) -> io::Result<Ends> {
        let theirs = [self.theirs.read.as_fd(), self.theirs.write.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        rights.push(SendAncillaryMessage::ScmRights(&theirs));
        let sent = sendmsg(
            over,
            &[IoSlice::new(frame)],
            &mut rights,
            SendFlags::NOSIGNAL,
        )?;
        // A socket takes so few bytes whole or not at all.
        if sent == frame.len() {
            Ok(self.ours)
        } else {
            Err(io::ErrorKind::WriteZero.into())
        }
    }
}
