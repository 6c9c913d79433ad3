//! Messages between us, the maker and the nannies: JSON with descriptors, over sockets that keep messages whole.
//!
//! Lives here: one message out, one message in, with the sender's number where it is asked for.
//! Does not live here: what the messages say (`orders`).

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, socketpair,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A message is never longer. Arguments and variables of a program are the largest.
pub(crate) const MESSAGE_BYTES_MAX: usize = 160 * 1024;
/// Descriptors of one message.
pub(crate) const DESCRIPTORS_MAX: usize = 16;

/// A message, and what came with it.
pub(crate) struct Received {
    pub(crate) bytes: Vec<u8>,
    pub(crate) descriptors: Vec<OwnedFd>,
    /// The sender's number as the kernel knows it, on a socket that asks for it.
    pub(crate) sender: Option<i32>,
}

/// Two connected sockets that keep messages whole.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC;
    Ok(socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        flags,
        None,
    )?)
}

pub(crate) fn send_json(
    socket: BorrowedFd<'_>,
    message: &impl Serialize,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    send(socket, &serde_json::to_vec(message)?, descriptors)
}

pub(crate) fn send(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    if MESSAGE_BYTES_MAX < bytes.len() || DESCRIPTORS_MAX < descriptors.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        rights.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    rustix::io::retry_on_intr(|| {
        rustix::net::sendmsg(
            socket,
            &[IoSlice::new(bytes)],
            &mut rights,
            SendFlags::NOSIGNAL,
        )
    })?;
    Ok(())
}

/// The next message; nothing once the other end is closed.
pub(crate) fn receive(socket: BorrowedFd<'_>) -> io::Result<Option<Received>> {
    let mut bytes = vec![0; MESSAGE_BYTES_MAX];
    let mut space =
        [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX), ScmCredentials(1))];
    let mut rights = RecvAncillaryBuffer::new(&mut space);
    let message = rustix::io::retry_on_intr(|| {
        let mut buffers = [IoSliceMut::new(&mut bytes)];
        rustix::net::recvmsg(socket, &mut buffers, &mut rights, RecvFlags::CMSG_CLOEXEC)
    })?;
    let (mut descriptors, mut sender) = (Vec::new(), None);
    for attached in rights.drain() {
        match attached {
            RecvAncillaryMessage::ScmRights(received) => descriptors.extend(received),
            RecvAncillaryMessage::ScmCredentials(credentials) => {
                sender = Some(credentials.pid.as_raw_nonzero().get());
            }
            _ => {}
        }
    }
    if message.bytes == 0 {
        return Ok(None);
    }
    bytes.truncate(message.bytes);
    Ok(Some(Received {
        bytes,
        descriptors,
        sender,
    }))
}

/// The next message, understood. A closed socket is an error.
pub(crate) fn receive_json<T: DeserializeOwned>(
    socket: BorrowedFd<'_>,
) -> io::Result<(T, Vec<OwnedFd>)> {
    let received = receive(socket)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let message = serde_json::from_slice(&received.bytes)?;
    Ok((message, received.descriptors))
}
