//! Sockets that are files: connecting to one for a process inside.
//!
//! Lives here: finding the file as the process would, and connecting its socket to it.
//! Does not live here: when that is done (`supervision`).
//!
//! A folder of the host that is shown inside may hold a socket of the host, and a read-only mount does not keep anybody
//! from connecting to it. So only what is in the process's own `/tmp` is connected to, and by us: if we looked and let
//! the process connect, it could put another path in the place of the one we looked at.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::net::SocketAddrUnix;

use crate::orders::INSTANCE_TMP;
use crate::system::processes;

/// Connects a process's socket, by its number there, to a file of its own.
pub(super) fn connect(
    thread: i32,
    socket: i32,
    path: &Path,
    still_waits: impl FnOnce() -> bool,
) -> io::Result<()> {
    let process = processes::open_thread(thread)?;
    let socket = processes::take_descriptor(process.as_fd(), socket)?;
    let folder = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(format!("/proc/{thread}/root"), folder, Mode::empty())?;
    // As the process itself would have it, should it be relative.
    let path = std::fs::read_link(format!("/proc/{thread}/cwd"))?.join(path);
    if !still_waits() {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    let file = find(&root, &path)?;
    let own = find(&root, Path::new(INSTANCE_TMP))?;
    if rustix::fs::fstat(&file)?.st_dev != rustix::fs::fstat(&own)?.st_dev {
        return Err(io::Error::from_raw_os_error(libc::EACCES));
    }
    let address = SocketAddrUnix::new(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    Ok(rustix::net::connect(&socket, &address)?)
}

/// What a path leads to below a root, links included, and never above it.
fn find(root: &OwnedFd, path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    Ok(rustix::fs::openat2(
        root,
        path,
        flags,
        Mode::empty(),
        resolve,
    )?)
}
