//! Forks that are made before anybody asks for them.
//!
//! Lives here: how many there are to be, how they wait, and how one is given what makes a child of it.
//! Does not live here: making one (`park`), a fork's first steps (`child`).
//!
//! Most of what a start takes is the fork: the tables of a large process are copied, and the pages that its first steps
//! write to. Whoever asks next finds that done.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use crate::channel::Ends;
use crate::system;

/// What is sent beside each descriptor: a message has at least one byte.
const NOTHING: u8 = 0;

/// One is made when nobody has asked for one for so long: what was just asked for goes first.
const QUIET_MILLISECONDS: i32 = 1;
/// How many are kept at most: one more whenever the one that is handed over is not there yet.
const KEPT_MAX: usize = 3;
/// All but one go when nobody has asked for so long.
const SURPLUS_MILLISECONDS: i32 = 1_000;

/// A fork that is kept, as its parent has it.
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

    /// Whether it has come as far as to wait for its ends, and so has nothing more to say.
    fn is_there(&self) -> bool {
        system::is_readable_within(&self.line, std::time::Duration::ZERO)
    }
}

/// Those that are kept, and how many are to be.
pub(crate) struct Spares {
    /// Oldest first.
    kept: VecDeque<Spare>,
    wanted: usize,
    /// How many may still be made, one at a time, until somebody asks again: one that ends while nobody needs it is
    /// replaced once.
    left: usize,
}

impl Default for Spares {
    fn default() -> Self {
        Self {
            kept: VecDeque::new(),
            wanted: 1,
            left: 0,
        }
    }
}

impl Spares {
    /// What is waited for when nobody asks; nothing when there is nothing to be done then.
    pub(crate) fn limit(&self) -> Option<i32> {
        if self.wants_one() {
            Some(QUIET_MILLISECONDS)
        } else {
            (1 < self.wanted).then_some(SURPLUS_MILLISECONDS)
        }
    }

    /// Nobody has asked for that long. Whether one is to be made; otherwise those go that are too many by now.
    pub(crate) fn is_quiet(&mut self) -> bool {
        if self.wants_one() {
            self.left -= 1;
            return true;
        }
        self.wanted = 1;
        self.kept.truncate(self.wanted);
        false
    }

    fn wants_one(&self) -> bool {
        self.kept.len() < self.wanted && 0 < self.left
    }

    /// Somebody asks. They are made too slowly when the next one is not there.
    pub(crate) fn note_request(&mut self) {
        let is_late = !self.kept.front().is_some_and(Spare::is_there);
        if is_late && 0 < self.left {
            self.wanted = KEPT_MAX.min(self.wanted + 1);
        }
        self.left = self.wanted + 1;
    }

    pub(crate) fn take(&mut self) -> Option<Spare> {
        self.kept.pop_front()
    }

    pub(crate) fn add(&mut self, spare: Spare) {
        self.kept.push_back(spare);
    }

    /// One has ended, if it is one of them.
    pub(crate) fn forget(&mut self, pid: u32) {
        self.kept.retain(|spare| spare.pid != pid);
    }

    pub(crate) fn clear(&mut self) {
        self.kept.clear();
    }
}

/// In the fork: says that it is there, and waits for its ends; nothing when nobody will need it.
pub(crate) fn wait_for_ends(line: RawFd) -> Option<Ends> {
    // A byte that nobody reads would break the line when it is closed.
    system::say_no_more(line).ok()?;
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
        assert!(!spare.is_there());
        spare.adopt(&ends).unwrap();
        let got = wait_for_ends(theirs.as_raw_fd()).unwrap();
        assert!(spare.is_there());
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

    /// One that is there if its other end has said so.
    fn spare(pid: u32, says_so: bool) -> (Spare, OwnedFd) {
        let [ours, theirs] = system::socket_pair().unwrap();
        if says_so {
            system::say_no_more(theirs.as_raw_fd()).unwrap();
        }
        (Spare::new(pid, ours), theirs)
    }

    /// How many are made until there are enough.
    fn filled(spares: &mut Spares) -> usize {
        let mut made = 0;
        while spares.limit() == Some(QUIET_MILLISECONDS) && spares.is_quiet() {
            made += 1;
            spares.add(spare(made, true).0);
        }
        spares.kept.len()
    }

    #[test]
    fn one_is_kept_from_the_first_request_on_and_more_while_they_are_late() {
        let mut spares = Spares::default();
        assert_eq!((spares.limit(), filled(&mut spares)), (None, 0));
        for (taken, kept) in [(0, 1), (1, 1), (1, 1), (2, 2), (3, 3), (4, 3)] {
            for _ in 0..taken {
                spares.note_request();
                drop(spares.take());
            }
            if taken == 0 {
                spares.note_request();
            }
            assert_eq!(filled(&mut spares), kept, "{taken}");
        }
        // Quiet: the oldest one stays.
        let oldest = spares.kept.front().map(|spare| spare.pid);
        assert_eq!(spares.limit(), Some(SURPLUS_MILLISECONDS));
        assert!(!spares.is_quiet());
        assert_eq!(spares.kept.len(), 1);
        assert_eq!(spares.kept.front().map(|spare| spare.pid), oldest);
        assert_eq!(spares.limit(), None);
    }

    #[test]
    fn one_that_is_still_on_its_way_is_late() {
        let mut spares = Spares::default();
        spares.note_request();
        let (one, _theirs) = spare(1, false);
        assert!(spares.is_quiet());
        spares.add(one);
        spares.note_request();
        assert_eq!(spares.wanted, 2);
    }

    #[test]
    fn those_that_end_by_themselves_are_replaced_once() {
        let mut spares = Spares::default();
        spares.note_request();
        assert_eq!(filled(&mut spares), 1);
        spares.forget(1);
        assert_eq!(filled(&mut spares), 1);
        spares.forget(1);
        assert_eq!(filled(&mut spares), 0);
    }
}
