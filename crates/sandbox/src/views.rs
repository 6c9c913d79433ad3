//! Views of the host's files whose owner, inside, is the function.
//!
//! Lives here: taking hold of files and folders as root, with their owner's id mapped to that which a sandbox has; what
//! is done where a file system maps no ids.
//! Does not live here: attaching them (`nanny`), which are shown (the plan).
//!
//! As root each sandbox has an id that nothing on the host has. So what only its owner may read, as a project in a folder
//! of mode 0700, would be closed to it. A mount can say of whom its files seem to be: whoever owns what is shown seems
//! to be the sandbox's id, on this mount alone, and nothing on the disk changes. It shows what the plan says, through
//! folders that are closed to others as well: root has opened them.
//!
//! An ordinary user's sandboxes have that user's own id outside, and need none of this.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use crate::orders::{Fault, OutsideIds, Shown};
use crate::system::mounts;
use crate::system::processes;

/// What is shown, attached nowhere, in the order in which it was asked for.
pub(crate) struct Views {
    /// One for each that was asked for.
    pub(crate) trees: Vec<OwnedFd>,
    /// Whom it can be read by: the ids that were asked for, or those of an owner whose files could not be mapped.
    pub(crate) ids: OutsideIds,
}

/// Takes hold of files and folders for a sandbox with these ids. Where a file system maps none, the sandbox gets those of
/// the first owner there whose files it could not read otherwise.
///
/// # Errors
/// Something cannot be opened, or no namespace be made.
pub(crate) fn take(shown: &[Shown], ids: OutsideIds) -> Result<Views, Fault> {
    let mut namespaces = HashMap::new();
    let mut trees = Vec::new();
    for one in shown {
        match view(one, ids, &mut namespaces)? {
            View::Readable(tree) => trees.push(tree),
            View::NotMapped(owner) => return of_owner(shown, owner),
        }
    }
    Ok(Views { trees, ids })
}

/// The files of one owner as they are, and all others mapped where that can be done.
fn of_owner(shown: &[Shown], owner: OutsideIds) -> Result<Views, Fault> {
    let mut namespaces = HashMap::new();
    let trees = shown.iter().map(|one| {
        view(one, owner, &mut namespaces).map(|view| match view {
            View::Readable(tree) => Ok(tree),
            // Of a second owner on such a file system: what others may read is readable.
            View::NotMapped(_) => open(one).map(|(tree, _)| tree),
        })?
    });
    Ok(Views {
        trees: trees.collect::<Result<_, _>>()?,
        ids: owner,
    })
}

enum View {
    Readable(OwnedFd),
    NotMapped(OutsideIds),
}

fn view(
    shown: &Shown,
    ids: OutsideIds,
    namespaces: &mut HashMap<OutsideIds, OwnedFd>,
) -> Result<View, Fault> {
    let (tree, owner) = open(shown)?;
    if owner == ids {
        return Ok(View::Readable(tree));
    }
    let namespace = match namespaces.entry(owner) {
        std::collections::hash_map::Entry::Occupied(made) => made.into_mut(),
        std::collections::hash_map::Entry::Vacant(missing) => {
            let made = namespace(owner, ids);
            missing.insert(made.map_err(|error| Fault::of("map the ids of files", &error))?)
        }
    };
    match mounts::map_ids(tree.as_fd(), namespace.as_fd()) {
        Ok(()) => Ok(View::Readable(tree)),
        Err(error) if is_refusal(&error) => Ok(View::NotMapped(owner)),
        Err(error) => Err(Fault::at("map the ids of", &shown.from)(error)),
    }
}

/// Of a file system that maps none, or one whose ids are not ours to map: we are root of a container.
fn is_refusal(error: &io::Error) -> bool {
    let refusals = [libc::EINVAL, libc::EPERM, libc::ENOSYS, libc::EOPNOTSUPP];
    error
        .raw_os_error()
        .is_some_and(|error| refusals.contains(&error))
}

fn open(Shown { from, .. }: &Shown) -> Result<(OwnedFd, OutsideIds), Fault> {
    // A path with a link on the way is seen where it was asked for, as what the link leads to.
    let real = from.canonicalize().map_err(Fault::at("show", from))?;
    let tree = mounts::open_tree(&real).map_err(Fault::at("show", from))?;
    let found = rustix::fs::fstat(&tree).map_err(|error| Fault::at("show", from)(error.into()))?;
    let owner = OutsideIds {
        uid: found.st_uid,
        gid: found.st_gid,
    };
    Ok((tree, owner))
}

/// Whether these ids exist here, and are ours to give: root of a container may have fewer.
pub fn gives_ids(from: u32, count: u32) -> bool {
    let Ok(map) = std::fs::read_to_string("/proc/self/uid_map") else {
        return false;
    };
    let holds = |line: &str| {
        let mut numbers = line.split_whitespace().map(str::parse::<u64>);
        let (Some(Ok(first)), Some(Ok(length))) = (numbers.next(), numbers.nth(1)) else {
            return false;
        };
        first <= u64::from(from) && u64::from(from) + u64::from(count) <= first + length
    };
    rustix::process::geteuid().is_root() && map.lines().any(holds)
}

/// Whether files of the system's own file system can be mapped; nobody but root needs that.
pub(crate) fn is_mapped(path: &Path, ids: OutsideIds) -> bool {
    take(&[Shown::in_place(path)], ids).is_ok_and(|views| views.ids == ids)
}

/// A user namespace that says: on the disk `from`, and to whoever looks `to`.
fn namespace(from: OutsideIds, to: OutsideIds) -> io::Result<OwnedFd> {
    processes::in_user_namespace(|process| {
        let write = |file: &str, from: u32, to: u32| {
            std::fs::write(format!("/proc/{process}/{file}"), format!("{from} {to} 1"))
        };
        write("uid_map", from.uid, to.uid)?;
        write("gid_map", from.gid, to.gid)?;
        Ok(File::open(format!("/proc/{process}/ns/user"))?.into())
    })
}
