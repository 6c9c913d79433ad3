//! Bytes that travel over a socket together with descriptors.
//!
//! Lives here: `sendmsg` and `recvmsg`, and how descriptors are laid out beside the bytes.
//! Does not live here: what the bytes mean (`frames`), how often one of these is called for a frame (`channel`).

use std::ffi::{c_int, c_void};
use std::io;
use std::mem::size_of;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::ptr;

use super::uninterrupted;

const SOL_SOCKET: c_int = 1;
const SCM_RIGHTS: c_int = 1;
const MSG_CTRUNC: c_int = 0x8;
const MSG_WAITALL: c_int = 0x100;
const MSG_NOSIGNAL: c_int = 0x4000;
const MSG_CMSG_CLOEXEC: c_int = 0x4000_0000;

/// Descriptors that can come with one message. What is beyond them is closed by the system.
pub(crate) const DESCRIPTORS_MAX: usize = 4;

#[repr(C)]
struct Slice {
    start: *mut c_void,
    length: usize,
}

#[repr(C)]
struct MessageHeader {
    name: *mut c_void,
    name_length: u32,
    slices: *mut Slice,
    slices_count: usize,
    beside: *mut c_void,
    beside_length: usize,
    flags: c_int,
}

/// One attachment with descriptors, laid out as the system does: its whole length, whose it is, what it is.
#[repr(C, align(8))]
struct Attachment {
    length: usize,
    level: c_int,
    kind: c_int,
    descriptors: [c_int; DESCRIPTORS_MAX],
}

const ATTACHMENT_HEADER_BYTES: usize = size_of::<usize>() + 2 * size_of::<c_int>();
const DESCRIPTOR_BYTES: usize = size_of::<c_int>();

unsafe extern "C" {
    fn sendmsg(socket: c_int, message: *const MessageHeader, flags: c_int) -> isize;
    fn recvmsg(socket: c_int, message: *mut MessageHeader, flags: c_int) -> isize;
}

/// What one message has brought.
pub(crate) struct Received {
    /// None when nobody holds the other end any more.
    pub(crate) bytes: usize,
    pub(crate) descriptors: Vec<OwnedFd>,
    /// Descriptors were sent that this process has no room for, or more than [`DESCRIPTORS_MAX`].
    pub(crate) is_truncated: bool,
}

/// Sends as many of these bytes as the socket takes, with a descriptor beside the first.
pub(crate) fn send(socket: RawFd, bytes: &[u8], attached: Option<RawFd>) -> io::Result<usize> {
    let mut slice = Slice {
        start: bytes.as_ptr().cast_mut().cast(),
        length: bytes.len(),
    };
    let mut attachment = Attachment {
        length: ATTACHMENT_HEADER_BYTES + DESCRIPTOR_BYTES,
        level: SOL_SOCKET,
        kind: SCM_RIGHTS,
        descriptors: [attached.unwrap_or(-1), -1, -1, -1],
    };
    let beside = match attached {
        Some(_) => ptr::from_mut(&mut attachment).cast(),
        None => ptr::null_mut(),
    };
    let beside_length = match attached {
        // Rounded up to whole words.
        Some(_) => ATTACHMENT_HEADER_BYTES + size_of::<usize>(),
        None => 0,
    };
    let message = header(&mut slice, beside, beside_length);
    uninterrupted(|| {
        // SAFETY: everything that the header points to lives longer than the call, which only reads it.
        let count = unsafe { sendmsg(socket, &message, MSG_NOSIGNAL) };
        usize::try_from(count).map_err(|_| io::Error::last_os_error())
    })
}

/// Receives bytes, as many as there is room for unless the other end is closed, with the descriptors beside them.
pub(crate) fn receive(socket: RawFd, into: &mut [u8]) -> io::Result<Received> {
    receive_as(socket, into, MSG_WAITALL)
}

/// Receives as many bytes as have come, at least one, with the descriptors beside them.
pub(super) fn receive_some(socket: RawFd, into: &mut [u8]) -> io::Result<Received> {
    receive_as(socket, into, 0)
}

fn receive_as(socket: RawFd, into: &mut [u8], flags: c_int) -> io::Result<Received> {
    let mut slice = Slice {
        start: into.as_mut_ptr().cast(),
        length: into.len(),
    };
    let mut attachment = Attachment {
        length: 0,
        level: 0,
        kind: 0,
        descriptors: [-1; DESCRIPTORS_MAX],
    };
    let beside = ptr::from_mut(&mut attachment).cast();
    let mut message = header(&mut slice, beside, size_of::<Attachment>());
    let bytes = uninterrupted(|| {
        // SAFETY: everything that the header points to lives longer than the call, which writes no more than the lengths say.
        let count = unsafe { recvmsg(socket, &mut message, flags | MSG_CMSG_CLOEXEC) };
        usize::try_from(count).map_err(|_| io::Error::last_os_error())
    })?;
    let has_descriptors = ATTACHMENT_HEADER_BYTES < message.beside_length
        && (attachment.level, attachment.kind) == (SOL_SOCKET, SCM_RIGHTS);
    let count = if has_descriptors {
        attachment.length.saturating_sub(ATTACHMENT_HEADER_BYTES) / DESCRIPTOR_BYTES
    } else {
        0
    };
    let numbers = attachment.descriptors.into_iter().take(count);
    Ok(Received {
        bytes,
        // SAFETY: the system has just opened them, and nobody else knows of them.
        descriptors: numbers
            .map(|number| unsafe { OwnedFd::from_raw_fd(number) })
            .collect(),
        is_truncated: message.flags & MSG_CTRUNC != 0,
    })
}

fn header(slice: &mut Slice, beside: *mut c_void, beside_length: usize) -> MessageHeader {
    MessageHeader {
        name: ptr::null_mut(),
        name_length: 0,
        slices: slice,
        slices_count: 1,
        beside,
        beside_length,
        flags: 0,
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;

    use super::super::{nowhere, socket_pair};
    use super::*;

    #[test]
    fn a_descriptor_travels_beside_the_bytes() {
        let [ours, theirs] = socket_pair().unwrap();
        let attached = nowhere().unwrap();
        assert_eq!(
            send(ours.as_raw_fd(), b"abc", Some(attached.as_raw_fd())).unwrap(),
            3
        );
        let mut into = [0; 3];
        let received = receive(theirs.as_raw_fd(), &mut into).unwrap();
        assert_eq!((received.bytes, &into), (3, b"abc"));
        assert_eq!(received.descriptors.len(), 1);
        assert!(!received.is_truncated);
    }

    #[test]
    fn bytes_without_a_descriptor_bring_none() {
        let [ours, theirs] = socket_pair().unwrap();
        send(ours.as_raw_fd(), b"a", None).unwrap();
        let received = receive(theirs.as_raw_fd(), &mut [0]).unwrap();
        assert!(received.descriptors.is_empty());
    }

    #[test]
    fn a_closed_socket_brings_no_bytes() {
        let [ours, theirs] = socket_pair().unwrap();
        drop(ours);
        assert_eq!(receive(theirs.as_raw_fd(), &mut [0; 9]).unwrap().bytes, 0);
    }
}
