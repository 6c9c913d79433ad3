//! A fork that is made before anybody asks for it.
//!
//! Lives here: how it waits, and how it is given what makes a child of it.
//! Does not live here: when one is made (`park`), a fork's first steps (`child`).
//!
//! Half of what a start takes is the fork: the tables of a large process are copied. Whoever asks next finds that done.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use crate::channel::Ends;
use crate::system;

/// What is sent beside each descriptor: a message has at least one byte.
const NOTHING: u8 = 0;

/// The fork, as its parent has it.
pub(crate) struct Spare {
    pub(crate) pid: u32,
    /// When this is closed, it ends.
    line: OwnedFd,
}

impl Spare {
    pub(crate) fn new(pid: u32, line: OwnedFd) -> Self {
        Self { pid, line }
    }

    /// Gives it its ends. It fails when it has died.
    pub(crate) fn adopt(&self, ends: &Ends) -> io::Result<()> {
        for end in [&ends.channel, &ends.stdout, &ends.stderr] {
            system::send(self.line.as_raw_fd(), &[NOTHING], Some(end.as_raw_fd()))?;
        }
        Ok(())
    }
}

/// In the fork: waits for its ends; nothing when nobody will need it.
pub(crate) fn wait_for_ends(line: RawFd) -> Option<Ends> {
    let next = || {
        let mut received = system::receive(line, &mut [NOTHING]).ok()?;
        received.descriptors.pop()
    };
    Some(Ends {
        channel: next()?,
        stdout: next()?,
        stderr: next()?,
        // Bases keep no spare one.
        ticket: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ends of which the first two are joined.
    fn ends() -> Ends {
        let [channel, stdout] = system::socket_pair().unwrap();
        Ends {
            channel,
            stdout,
            stderr: system::nowhere().unwrap(),
            ticket: None,
        }
    }

    #[test]
    fn it_gets_its_ends_in_their_order_or_none() {
        let [ours, theirs] = system::socket_pair().unwrap();
        let spare = Spare::new(1, ours);
        let ends = ends();
        spare.adopt(&ends).unwrap();
        let got = wait_for_ends(theirs.as_raw_fd()).unwrap();
        // What goes into the first comes out of the second.
        system::send(got.channel.as_raw_fd(), b"x", None).unwrap();
        let mut into = [0];
        system::receive(got.stdout.as_raw_fd(), &mut into).unwrap();
        assert_eq!(into, *b"x");
        drop(spare);
        assert!(wait_for_ends(theirs.as_raw_fd()).is_none());
    }

    #[test]
    fn one_that_has_died_cannot_be_adopted() {
        let [ours, theirs] = system::socket_pair().unwrap();
        drop(theirs);
        assert!(Spare::new(1, ours).adopt(&ends()).is_err());
    }
}
