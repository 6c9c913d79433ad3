//! The network of a sandbox: the loopback device, routes, and the sockets that we serve from outside.
//!
//! Lives here: making them inside.
//! Does not live here: who answers on them (`egress`, `resolver`, and whoever asked for them).

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use crate::orders::{Family, Fault, Listen, SocketKind};
use crate::system::network;

/// Connections that may wait to be accepted.
const BACKLOG_MAX: i32 = 4096;

/// Brings the network up. A socket of a family that this machine does not have is left out.
pub(super) fn make(wanted: &[Listen]) -> Result<Vec<Option<OwnedFd>>, Fault> {
    let fault = |step: &'static str| move |error: io::Error| Fault::of(step, &error);
    network::bring_loopback_up().map_err(fault("bring up the loopback device"))?;
    network::make_every_address_local(libc::AF_INET).map_err(fault("make IPv4 addresses local"))?;
    let has_v6 = match network::make_every_address_local(libc::AF_INET6) {
        Ok(()) => true,
        Err(error) if is_no_family(&error) => false,
        Err(error) => return Err(fault("make IPv6 addresses local")(error)),
    };
    let mut made = Vec::with_capacity(wanted.len());
    for listen in wanted {
        if listen.address.is_ipv6() && !has_v6 {
            made.push(None);
            continue;
        }
        let socket = socket(Family::of(listen.address), listen.kind)
            .and_then(|socket| open(&socket, *listen).map(|()| socket))
            .map_err(|error| Fault::of(format!("listen on {}", listen.address), &error))?;
        made.push(Some(socket));
    }
    Ok(made)
}

/// A socket in the caller's network namespace.
pub(super) fn socket(family: Family, kind: SocketKind) -> io::Result<OwnedFd> {
    let domain = match family {
        Family::V4 => AddressFamily::INET,
        Family::V6 => AddressFamily::INET6,
    };
    let kind = match kind {
        SocketKind::Stream => SocketType::STREAM,
        SocketKind::Datagram => SocketType::DGRAM,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(domain, kind, flags, None)?;
    if family == Family::V6 {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    Ok(socket)
}

/// Has a socket listen where it should. Also called from outside: it stays in its namespace.
pub(crate) fn open(socket: &OwnedFd, listen: Listen) -> io::Result<()> {
    let address = listen.address;
    match listen.kind {
        SocketKind::Stream => {
            // A connection of an earlier listener that is still closing is no reason to refuse.
            sockopt::set_socket_reuseaddr(socket, true)?;
            rustix::net::bind(socket, &address)?;
            rustix::net::listen(socket, BACKLOG_MAX)?;
        }
        // Never with "reuse": a second socket of the function's own could then take the datagrams.
        SocketKind::Datagram => rustix::net::bind(socket, &address)?,
    }
    Ok(())
}

fn is_no_family(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EAFNOSUPPORT | libc::EOPNOTSUPP | libc::ENETDOWN | libc::ENODEV)
    )
}
