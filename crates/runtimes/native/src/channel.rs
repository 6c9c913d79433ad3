//! The channel over which a parked process is asked to fork, and answers.
//!
//! Lives here: whole frames with their descriptors, in and out.
//! Does not live here: what frames look like (`frames`), what is done about them (`park`).

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use crate::frames::{self, FORK_BYTES};
use crate::system;

/// The ends that a child is to have.
pub(crate) struct Ends {
    pub(crate) channel: OwnedFd,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
    /// With this it enters a sandbox.
    pub(crate) ticket: Option<OwnedFd>,
}

/// What was received.
pub(crate) enum Asked {
    Fork {
        number: u32,
        ends: Ends,
    },
    /// The child's ends were sent, but this process may hold no more descriptors.
    NoRoom {
        number: u32,
    },
    /// Nobody will ask any more, or somebody does not keep to the protocol.
    End,
}

pub(crate) struct Channel(RawFd);

impl Channel {
    /// The descriptor stays the caller's, who must keep it open.
    pub(crate) fn new(descriptor: RawFd) -> io::Result<Self> {
        system::make_blocking(descriptor)?;
        Ok(Self(descriptor))
    }

    pub(crate) fn descriptor(&self) -> RawFd {
        self.0
    }

    /// Waits for a whole frame, once its first byte is there.
    pub(crate) fn receive(&self) -> Asked {
        let mut frame = [0; FORK_BYTES];
        let mut have = 0;
        let mut descriptors = Vec::new();
        let mut is_truncated = false;
        while have < FORK_BYTES {
            let into = frame.get_mut(have..).unwrap_or_default();
            let Ok(mut received) = system::receive(self.0, into) else {
                return Asked::End;
            };
            have += received.bytes;
            descriptors.append(&mut received.descriptors);
            is_truncated |= received.is_truncated;
            if received.bytes == 0 || 4 < descriptors.len() {
                return Asked::End;
            }
        }
        let Some(number) = frames::decode_fork(frame) else {
            return Asked::End;
        };
        if is_truncated && descriptors.len() < 4 {
            return Asked::NoRoom { number };
        }
        let ticket = if descriptors.len() == 4 {
            descriptors.pop()
        } else {
            None
        };
        match <[OwnedFd; 3]>::try_from(descriptors) {
            Ok([channel, stdout, stderr]) if !is_truncated => Asked::Fork {
                number,
                ends: Ends {
                    channel,
                    stdout,
                    stderr,
                    ticket,
                },
            },
            Ok(_) | Err(_) => Asked::End,
        }
    }

    /// Sends a whole frame, with a descriptor beside its first byte.
    pub(crate) fn send(&self, frame: &[u8], attached: Option<&OwnedFd>) -> io::Result<()> {
        let mut attached = attached.map(AsRawFd::as_raw_fd);
        let mut rest = frame;
        while !rest.is_empty() {
            let sent = system::send(self.0, rest, attached.take())?;
            rest = rest.get(sent..).unwrap_or_default();
        }
        Ok(())
    }
}
