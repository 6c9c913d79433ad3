//! Reading from a socket that nothing may have come through yet, and writing to it.
//!
//! Lives here: waiting for bytes, and reading them; writing as many as there are.
//! Does not live here: bytes with descriptors beside them (`message`).

use std::ffi::{c_int, c_void};
use std::io;
use std::os::fd::RawFd;

use super::message::{Received, receive_some};
use super::{POLLIN, PollDescriptor, check, poll, uninterrupted};

unsafe extern "C" {
    fn read(descriptor: c_int, into: *mut c_void, length: usize) -> isize;
    fn write(descriptor: c_int, from: *const c_void, length: usize) -> isize;
}

/// Reads at least one byte, waiting for it; 0 when the other end is closed, or there is no room.
///
/// It waits in `poll`, and not in `read`: who sleeps there is woken also when the other end has read what was sent to it,
/// for the socket can be written to again, and goes back to sleep. That would be a second switch for each event.
pub(crate) fn read_when_ready(descriptor: RawFd, into: &mut [u8]) -> io::Result<usize> {
    when_ready(descriptor, || read_once(descriptor, into))
}

/// As [`read_when_ready`], with the descriptors beside what is read.
pub(crate) fn receive_when_ready(descriptor: RawFd, into: &mut [u8]) -> io::Result<Received> {
    when_ready(descriptor, || receive_some(descriptor, into))
}

/// As [`read_when_ready`], for a pipe: who sleeps in `read` there is woken by bytes alone.
pub(crate) fn read_at_once(descriptor: RawFd, into: &mut [u8]) -> io::Result<usize> {
    match read_once(descriptor, into) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            read_when_ready(descriptor, into)
        }
        read => read,
    }
}

fn when_ready<T>(descriptor: RawFd, mut read: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    const FOR_EVER: c_int = -1;
    let mut asked = PollDescriptor {
        descriptor,
        wanted: POLLIN as i16,
        found: 0,
    };
    loop {
        // SAFETY: one entry is given.
        uninterrupted(|| check(unsafe { poll(&mut asked, 1, FOR_EVER) }))?;
        match read() {
            // The function may have made the descriptor one that does not wait, and read from it elsewhere.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            read => return read,
        }
    }
}

fn read_once(descriptor: RawFd, into: &mut [u8]) -> io::Result<usize> {
    uninterrupted(|| {
        // SAFETY: no more is written than there is room for.
        let count = unsafe { read(descriptor, into.as_mut_ptr().cast(), into.len()) };
        usize::try_from(count).map_err(|_| io::Error::last_os_error())
    })
}

/// Writes all of these bytes, in one call as a rule.
pub(crate) fn write_all(descriptor: RawFd, bytes: &[u8]) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let written = uninterrupted(|| {
            // SAFETY: no more is read than there is.
            let count = unsafe { write(descriptor, rest.as_ptr().cast(), rest.len()) };
            usize::try_from(count).map_err(|_| io::Error::last_os_error())
        })?;
        rest = rest.get(written..).unwrap_or_default();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;

    use super::super::{send, socket_pair};
    use super::*;

    #[test]
    fn what_has_come_is_read_as_far_as_there_is_room() {
        let [ours, theirs] = socket_pair().unwrap();
        send(ours.as_raw_fd(), b"abc", None).unwrap();
        let mut into = [0; 2];
        let mut read = || {
            let count = read_when_ready(theirs.as_raw_fd(), &mut into).unwrap();
            into[..count].to_vec()
        };
        assert_eq!((read(), read()), (b"ab".to_vec(), b"c".to_vec()));
    }

    #[test]
    fn what_comes_later_is_waited_for() {
        let [ours, theirs] = socket_pair().unwrap();
        std::thread::scope(|scope| {
            let reading = scope.spawn(|| read_when_ready(theirs.as_raw_fd(), &mut [0; 9]).unwrap());
            std::thread::sleep(std::time::Duration::from_millis(20));
            assert!(!reading.is_finished());
            send(ours.as_raw_fd(), b"abc", None).unwrap();
            assert_eq!(reading.join().unwrap(), 3);
        });
    }

    #[test]
    fn nothing_is_read_from_a_socket_that_nobody_holds_the_other_end_of() {
        let [ours, theirs] = socket_pair().unwrap();
        drop(ours);
        assert_eq!(read_when_ready(theirs.as_raw_fd(), &mut [0; 9]).unwrap(), 0);
    }
}
