//! Mounts: copies of trees, new file systems, the change of the root.
//!
//! Lives here: the calls of the new mount interface, and the few of the old one that have no other form.
//! Does not live here: what is mounted where (`nanny::root`).

#![expect(unsafe_code, reason = "the mount interface has no safe form")]

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;

use super::{c_path, checked};

/// A copy of a tree of mounts that is attached nowhere.
pub(crate) fn open_tree(path: &Path) -> io::Result<OwnedFd> {
    let path = c_path(path)?;
    let flags = libc::OPEN_TREE_CLONE | libc::O_CLOEXEC as u32 | libc::AT_RECURSIVE as u32;
    // SAFETY: the path lives through the call, and a descriptor that it returns belongs to nobody else.
    unsafe {
        let tree = checked(libc::syscall(
            libc::SYS_open_tree,
            libc::AT_FDCWD,
            path.as_ptr(),
            flags,
        ))?;
        Ok(OwnedFd::from_raw_fd(tree as i32))
    }
}

/// A copy of a tree of mounts, by its root in the caller's own namespace. It is attached nowhere.
pub(crate) fn copy_of(root: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let recursively = (libc::AT_RECURSIVE | libc::AT_EMPTY_PATH) as u32;
    let flags = libc::OPEN_TREE_CLONE | libc::O_CLOEXEC as u32 | recursively;
    // SAFETY: the empty path is static, and a descriptor that the call returns belongs to nobody else.
    unsafe {
        let tree = checked(libc::syscall(
            libc::SYS_open_tree,
            root.as_raw_fd(),
            c"".as_ptr(),
            flags,
        ))?;
        Ok(OwnedFd::from_raw_fd(tree as i32))
    }
}

/// What a mount forbids.
#[derive(Clone, Copy)]
pub(crate) enum Forbids {
    /// Writing, and gaining privileges by a program's bits.
    Writing,
    /// Writing, privileges and devices: what is ours alone.
    WritingAndDevices,
    /// Gaining privileges only: a device that is written to.
    Privileges,
}

/// Sets what a mount forbids, and keeps it to its own namespace.
pub(crate) fn forbid(mount: BorrowedFd<'_>, what: Forbids) -> io::Result<()> {
    let set = match what {
        Forbids::Writing => libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID,
        Forbids::WritingAndDevices => {
            libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV
        }
        Forbids::Privileges => libc::MOUNT_ATTR_NOSUID,
    };
    let attributes: [u64; 4] = [set, 0, libc::MS_PRIVATE, 0];
    let recursively = match what {
        Forbids::Writing | Forbids::Privileges => libc::AT_RECURSIVE,
        Forbids::WritingAndDevices => 0,
    };
    // SAFETY: four numbers with the kernel's layout, which live through the call.
    checked(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | recursively,
            attributes.as_ptr(),
            size_of_val(&attributes),
        )
    })?;
    Ok(())
}

/// Has the files of mounts that are attached nowhere seem to belong to others, as a user namespace says, and be read only.
pub(crate) fn map_ids(mount: BorrowedFd<'_>, namespace: BorrowedFd<'_>) -> io::Result<()> {
    let set = libc::MOUNT_ATTR_IDMAP | libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID;
    let attributes: [u64; 4] = [set, 0, libc::MS_PRIVATE, namespace.as_raw_fd() as u64];
    // SAFETY: four numbers with the kernel's layout, which live through the call.
    checked(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | libc::AT_RECURSIVE,
            attributes.as_ptr(),
            size_of_val(&attributes),
        )
    })?;
    Ok(())
}

/// Attaches a mount that is attached nowhere.
pub(crate) fn attach(mount: BorrowedFd<'_>, at: &Path) -> io::Result<()> {
    let at = c_path(at)?;
    // SAFETY: the path lives through the call.
    checked(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_FDCWD,
            at.as_ptr(),
            libc::MOVE_MOUNT_F_EMPTY_PATH,
        )
    })?;
    Ok(())
}

/// As [`attach`], to an open file or folder.
pub(crate) fn attach_to(mount: BorrowedFd<'_>, at: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: the empty paths are static.
    checked(unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount.as_raw_fd(),
            c"".as_ptr(),
            at.as_raw_fd(),
            c"".as_ptr(),
            libc::MOVE_MOUNT_F_EMPTY_PATH | libc::MOVE_MOUNT_T_EMPTY_PATH,
        )
    })?;
    Ok(())
}

/// A new file system in memory, attached nowhere: without devices and without programs that gain privileges.
pub(crate) fn memory(options: &[(&CStr, CString)]) -> io::Result<OwnedFd> {
    file_system(
        c"tmpfs",
        options,
        libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOSUID,
    )
}

/// What a `/proc` is for.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    /// Everybody reads it.
    ToShow,
    /// Its owner writes ids there.
    ToWrite,
}

/// The processes of the caller's own namespace, attached nowhere.
pub(crate) fn processes(purpose: Purpose) -> io::Result<OwnedFd> {
    let safe = libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC;
    let attributes = match purpose {
        Purpose::ToShow => safe | libc::MOUNT_ATTR_RDONLY,
        Purpose::ToWrite => safe,
    };
    file_system(c"proc", &[], attributes)
}

fn file_system(kind: &CStr, options: &[(&CStr, CString)], attributes: u64) -> io::Result<OwnedFd> {
    const SET_STRING: u32 = 1;
    const CREATE: u32 = 6;
    const CLOSE_ON_EXEC: u32 = 1;
    // SAFETY: every string lives through its call, and each returned descriptor belongs to nobody else.
    unsafe {
        let context = checked(libc::syscall(
            libc::SYS_fsopen,
            kind.as_ptr(),
            CLOSE_ON_EXEC,
        ))?;
        let context = OwnedFd::from_raw_fd(context as i32);
        for (name, value) in options {
            checked(libc::syscall(
                libc::SYS_fsconfig,
                context.as_raw_fd(),
                SET_STRING,
                name.as_ptr(),
                value.as_ptr(),
                0,
            ))?;
        }
        let nothing: *const u8 = std::ptr::null();
        checked(libc::syscall(
            libc::SYS_fsconfig,
            context.as_raw_fd(),
            CREATE,
            nothing,
            nothing,
            0,
        ))?;
        let mount = checked(libc::syscall(
            libc::SYS_fsmount,
            context.as_raw_fd(),
            CLOSE_ON_EXEC,
            attributes as u32,
        ))?;
        Ok(OwnedFd::from_raw_fd(mount as i32))
    }
}

/// Keeps every change of a mount in the caller's namespace from others, and theirs from it.
pub(crate) fn keep_private() -> io::Result<()> {
    let nothing: *const libc::c_char = std::ptr::null();
    // SAFETY: the strings live through the call; nulls are allowed where given.
    checked(i64::from(unsafe {
        libc::mount(
            c"".as_ptr(),
            c"/".as_ptr(),
            nothing,
            libc::MS_REC | libc::MS_PRIVATE,
            nothing.cast(),
        )
    }))?;
    Ok(())
}

/// Makes a mount the root, and lets go of the old one.
pub(crate) fn change_root(root: &Path) -> io::Result<()> {
    let root = c_path(root)?;
    // SAFETY: the strings live through the calls.
    unsafe {
        checked(i64::from(libc::chdir(root.as_ptr())))?;
        // The old root comes to lie over the new one, and is then taken off it.
        checked(libc::syscall(
            libc::SYS_pivot_root,
            c".".as_ptr(),
            c".".as_ptr(),
        ))?;
        checked(i64::from(libc::umount2(c".".as_ptr(), libc::MNT_DETACH)))?;
        checked(i64::from(libc::chdir(c"/".as_ptr())))?;
    }
    Ok(())
}

/// Goes to the mount namespace that a descriptor stands for: a process's, or a namespace's own.
pub(crate) fn join_mounts(of: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: plain numbers.
    checked(i64::from(unsafe {
        libc::setns(of.as_raw_fd(), libc::CLONE_NEWNS)
    }))?;
    Ok(())
}

/// Goes to a user namespace, which is below the caller's.
pub(crate) fn join_user(of: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: plain numbers.
    checked(i64::from(unsafe {
        libc::setns(of.as_raw_fd(), libc::CLONE_NEWUSER)
    }))?;
    Ok(())
}
