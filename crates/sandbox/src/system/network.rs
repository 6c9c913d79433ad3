//! The loopback device of a network namespace, and the routes that make every address local.
//!
//! Lives here: bringing `lo` up, two netlink requests.
//! Does not live here: sockets (`nanny::listeners`), which addresses may be reached (`policy`).

#![expect(unsafe_code, reason = "device flags and netlink have no safe form")]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::checked;

/// The loopback device's number in every network namespace.
const LOOPBACK_INDEX: u32 = 1;

/// Brings `lo` up.
pub(crate) fn bring_loopback_up() -> io::Result<()> {
    // SAFETY: the structure is plain data with the kernel's layout, initialised and alive through the call.
    unsafe {
        let socket = checked(i64::from(libc::socket(
            libc::AF_INET,
            libc::SOCK_DGRAM | libc::SOCK_CLOEXEC,
            0,
        )))?;
        let socket = OwnedFd::from_raw_fd(socket as i32);
        let mut request: libc::ifreq = std::mem::zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(*b"lo") {
            *to = from as libc::c_char;
        }
        request.ifr_ifru.ifru_flags = libc::IFF_UP as i16;
        checked(i64::from(libc::ioctl(
            socket.as_raw_fd(),
            libc::SIOCSIFFLAGS as libc::Ioctl,
            &raw const request,
        )))?;
    }
    Ok(())
}

#[repr(C)]
struct RouteRequest {
    header: libc::nlmsghdr,
    /// Family, lengths of destination and source, kind of service; table, protocol, scope, type; flags.
    family_and_lengths: [u8; 4],
    table_to_type: [u8; 4],
    flags: u32,
    attribute_length: u16,
    attribute_type: u16,
    device: u32,
}

/// Makes every address of a family local: whoever connects to it stays inside, where only we listen.
pub(crate) fn make_every_address_local(family: libc::c_int) -> io::Result<()> {
    let scope = if family == libc::AF_INET {
        libc::RT_SCOPE_HOST
    } else {
        libc::RT_SCOPE_UNIVERSE
    };
    let request = RouteRequest {
        header: libc::nlmsghdr {
            nlmsg_len: size_of::<RouteRequest>() as u32,
            nlmsg_type: libc::RTM_NEWROUTE,
            nlmsg_flags: (libc::NLM_F_REQUEST | libc::NLM_F_CREATE | libc::NLM_F_ACK) as u16,
            nlmsg_seq: 1,
            nlmsg_pid: 0,
        },
        family_and_lengths: [family as u8, 0, 0, 0],
        table_to_type: [
            libc::RT_TABLE_LOCAL,
            libc::RTPROT_BOOT,
            scope,
            libc::RTN_LOCAL,
        ],
        flags: 0,
        attribute_length: 8,
        attribute_type: libc::RTA_OIF,
        device: LOOPBACK_INDEX,
    };
    let mut answer = [0u8; 512];
    // SAFETY: request and answer are plain data of these lengths, alive through the calls.
    let count = unsafe {
        let socket = checked(i64::from(libc::socket(
            libc::AF_NETLINK,
            libc::SOCK_RAW | libc::SOCK_CLOEXEC,
            libc::NETLINK_ROUTE,
        )))?;
        let socket = OwnedFd::from_raw_fd(socket as i32);
        checked(libc::send(
            socket.as_raw_fd(),
            (&raw const request).cast(),
            size_of_val(&request),
            0,
        ) as i64)?;
        checked(libc::recv(
            socket.as_raw_fd(),
            answer.as_mut_ptr().cast(),
            answer.len(),
            0,
        ) as i64)?
    };
    // The answer is a header, then the negated error.
    let error = answer
        .get(16..20)
        .filter(|_| 20 <= count)
        .and_then(|bytes| bytes.try_into().ok())
        .map(i32::from_ne_bytes);
    match error {
        Some(0) => Ok(()),
        Some(error) => Err(io::Error::from_raw_os_error(-error)),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}
