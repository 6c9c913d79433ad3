//! What init left in the template's `/tmp`, copied into an instance's.
//!
//! Lives here: the walk over a tree that user code made, without following a link of its.
//! Does not live here: the size of the copy: the file system that it goes to is full when it is full.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};

/// Folders in folders. What is deeper is not copied, and the instance does not start.
const DEPTH_MAX: usize = 64;
/// Files and folders in all.
const ENTRIES_MAX: usize = 16 * 1024;
/// Bytes in all: copying holds up the start of an instance.
const BYTES_MAX: u64 = 512 << 20;
const BUFFER_BYTES: usize = 128 * 1024;

/// Copies all that is in a folder into another, as the same owner. Sockets and pipes are left out: nobody who had them
/// open is there any more.
pub(super) fn copy(from: &Path, to: BorrowedFd<'_>) -> io::Result<()> {
    let from = rustix::fs::open(from, folder_flags(), Mode::empty())?;
    let mut left = Left {
        device: rustix::fs::fstat(&from)?.st_dev,
        entries: ENTRIES_MAX,
        bytes: BYTES_MAX,
    };
    copy_folder(from, to, DEPTH_MAX, &mut left)
}

/// What may still be copied.
struct Left {
    /// Of the file system: another is mounted on it, and is no part of it.
    device: u64,
    entries: usize,
    bytes: u64,
}

fn copy_folder(from: OwnedFd, to: BorrowedFd<'_>, depth: usize, left: &mut Left) -> io::Result<()> {
    let entries = Dir::read_from(&from)?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if depth == 0 || left.entries == 0 {
            return Err(io::Error::from_raw_os_error(libc::EMLINK));
        }
        left.entries -= 1;
        let what = rustix::fs::statat(&from, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if what.st_dev != left.device {
            continue;
        }
        let mode = Mode::from_raw_mode(what.st_mode);
        match FileType::from_raw_mode(what.st_mode) {
            FileType::Directory => {
                let inner = rustix::fs::openat(&from, name, folder_flags(), Mode::empty())?;
                rustix::fs::mkdirat(to, name, mode)?;
                let made = rustix::fs::openat(to, name, folder_flags(), Mode::empty())?;
                copy_folder(inner, made.as_fd(), depth - 1, left)?;
            }
            FileType::RegularFile => copy_file(from.as_fd(), to, (name, mode), left)?,
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(&from, name, Vec::new())?;
                rustix::fs::symlinkat(target.as_c_str(), to, name)?;
            }
            FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => {}
        }
    }
    Ok(())
}

fn copy_file(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    (name, mode): (&std::ffi::CStr, Mode),
    left: &mut Left,
) -> io::Result<()> {
    // Should the file have been exchanged for a pipe meanwhile, opening it does not wait.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let source = rustix::fs::openat(from, name, flags, Mode::empty())?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let target = rustix::fs::openat(to, name, flags, mode)?;
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let count = rustix::io::read(&source, &mut buffer)?;
        let mut rest = buffer.get(..count).unwrap_or_default();
        if rest.is_empty() {
            return Ok(());
        }
        left.bytes = left
            .bytes
            .checked_sub(count as u64)
            .ok_or_else(|| io::Error::from_raw_os_error(libc::EFBIG))?;
        while !rest.is_empty() {
            let written = rustix::io::write(&target, rest)?;
            rest = rest.get(written..).unwrap_or_default();
        }
    }
}

fn folder_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}
