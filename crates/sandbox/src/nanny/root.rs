//! The root of a sandbox: an empty file system in memory with read-only views of what it may see.
//!
//! Lives here: which parts of the system are shown, files of our own in `/etc`, devices, `/proc`, `/tmp`.
//! Does not live here: a `/tmp` of an instance (`requests`), what else is shown (the plan), who gets at that later
//! (`picker`).

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::orders::{Fault, INSIDE_GID, INSIDE_UID, INSTANCE_TMP, Plan, Shown};
use crate::system::mounts::{self, Forbids, Purpose};

/// Programs and libraries of the system. What this machine does not have is left out.
const SYSTEM: &[&str] = &[
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/ld.so.cache",
    "/etc/pki",
    "/etc/ssl",
    "/nix/store",
];
/// Devices that hold nothing of anybody.
const DEVICES: &[&str] = &[
    "/dev/full",
    "/dev/null",
    "/dev/random",
    "/dev/urandom",
    "/dev/zero",
];
/// A link to the `/tmp` of whoever looks.
const TMP: &str = "/tmp";
/// Where the new root is built: some folder that every machine has. Only this process sees it there.
const BUILDING_SITES: &[&str] = &["/tmp", "/mnt", "/var"];
/// The root itself holds a few names and small files.
const ROOT_BYTES_MAX: &str = "1m";
const ROOT_FILES_MAX: &str = "4096";
/// An empty file takes no part of the size, but memory of the kernel: so they are counted as if they took a page.
const TMP_BYTES_PER_FILE: u64 = 4096;
const TMP_FILES_MIN: u64 = 1024;
/// Parts of `/proc` that tell of the host: the keys of whoever has our id there.
const MASKED: &[&str] = &["proc/keys", "proc/key-users"];
const DEVICE_LINKS: &[(&str, &str)] = &[
    ("/proc/self/fd", "dev/fd"),
    ("/proc/self/fd/0", "dev/stdin"),
    ("/proc/self/fd/1", "dev/stdout"),
    ("/proc/self/fd/2", "dev/stderr"),
];

/// Something of the host that is to be seen inside.
pub(super) struct Part {
    pub(super) to: PathBuf,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    Link(PathBuf),
    Folder(OwnedFd),
    File(OwnedFd),
    Device(OwnedFd),
}

/// All that is shown, and what lies over what is not.
pub(super) struct Parts {
    shown: Vec<Part>,
    masks: Vec<OwnedFd>,
}

/// A root that the caller is in, without what is still to be shown, and without `/tmp`. Only the caller may write to it.
pub(super) struct Shell {
    root: OwnedFd,
    processes: OwnedFd,
}

/// What a nanny has of the root that it has built.
pub(super) struct Built {
    /// `/proc`, for writing: what is mounted there is for reading.
    pub(super) processes: OwnedFd,
    /// What is shown below `/tmp`, and so in that of every instance.
    pub(super) in_tmp: Vec<InTmp>,
}

/// Something of the host's that is seen below `/tmp`, because it lies there on the host.
pub(super) struct InTmp {
    /// Its path from there.
    below: PathBuf,
    /// It, as it is mounted in the nanny's own.
    shown: OwnedFd,
}

/// Takes hold of all that is shown, before anything changes; of the `trees`, the maker has.
pub(super) fn pick_up(shown: &[Shown], trees: Option<Vec<OwnedFd>>) -> Result<Parts, Fault> {
    let mut parts = Vec::new();
    let nothing = Path::new("/dev/null");
    let masks = MASKED
        .iter()
        .map(|_| mounts::open_tree(nothing))
        .collect::<io::Result<_>>();
    let masks = masks.map_err(Fault::at("pick up", nothing))?;
    for path in SYSTEM.iter().chain(DEVICES).map(Path::new) {
        match pick(path, path) {
            Ok(part) => parts.push(part),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Fault::at("show", path)(error)),
        }
    }
    parts.extend(match trees {
        Some(trees) => picked(shown, trees)?,
        None => pick_all(shown)?,
    });
    // What is inside another part comes after it, or would be covered by it.
    parts.sort_by_key(|part| part.to.components().count());
    Ok(Parts {
        shown: parts,
        masks,
    })
}

/// Takes hold of files and folders of the host.
pub(super) fn pick_all(shown: &[Shown]) -> Result<Vec<Part>, Fault> {
    let picked = shown.iter().map(|Shown { from, to }| {
        // A path with a link on the way is seen where it was asked for, as what the link leads to.
        let real = from.canonicalize().map_err(Fault::at("show", from))?;
        pick(&real, to).map_err(Fault::at("show", from))
    });
    picked.collect()
}

/// What somebody else has taken hold of: root outside, or who still sees the host.
pub(super) fn picked(shown: &[Shown], trees: Vec<OwnedFd>) -> Result<Vec<Part>, Fault> {
    let parts = shown.iter().zip(trees).map(|(shown, tree)| {
        let found = rustix::fs::fstat(&tree);
        let found = found.map_err(|error| Fault::at("show", &shown.from)(error.into()))?;
        let found = FileType::from_raw_mode(found.st_mode);
        let kind = if found.is_dir() {
            Kind::Folder(tree)
        } else if found.is_char_device() {
            Kind::Device(tree)
        } else {
            Kind::File(tree)
        };
        Ok(Part {
            to: shown.to.clone(),
            kind,
        })
    });
    parts.collect()
}

fn pick(from: &Path, to: &Path) -> io::Result<Part> {
    let kind = fs::symlink_metadata(from)?.file_type();
    let kind = if kind.is_symlink() {
        Kind::Link(fs::read_link(from)?)
    } else {
        let tree = mounts::open_tree(from)?;
        if kind.is_dir() {
            Kind::Folder(tree)
        } else if kind.is_char_device() {
            Kind::Device(tree)
        } else {
            Kind::File(tree)
        }
    };
    Ok(Part {
        to: to.to_owned(),
        kind,
    })
}

/// Builds the root and goes there. The caller sees nothing else afterwards, except for the `/proc` that it gets, and for
/// what is to be seen below `/tmp`, which it gets back.
pub(super) fn build(parts: Parts, plan: &Plan) -> Result<(Shell, Vec<Part>), Fault> {
    let fault = |step: &'static str| move |error: io::Error| Fault::of(step, &error);
    mounts::keep_private().map_err(fault("keep mounts private"))?;
    let options = [
        (c"size", text(ROOT_BYTES_MAX)),
        (c"nr_inodes", text(ROOT_FILES_MAX)),
        (c"mode", text("0755")),
    ];
    let root = mounts::memory(&options).map_err(fault("make the root"))?;
    let site = BUILDING_SITES
        .iter()
        .map(Path::new)
        .find(|site| site.is_dir());
    let site = site.ok_or_else(|| Fault {
        step: "find a place to build the root".to_owned(),
        error: libc::ENOENT,
    })?;
    mounts::attach(root.as_fd(), site).map_err(Fault::at("attach the root at", site))?;
    write_own_files(site, plan)?;
    let (below_tmp, others): (Vec<Part>, Vec<Part>) = parts
        .shown
        .into_iter()
        .partition(|part| part.to.starts_with(TMP));
    for part in others {
        let at = site.join(part.to.strip_prefix("/").unwrap_or(&part.to));
        place(site, &at, part.kind).map_err(Fault::at("show", &part.to))?;
    }
    let processes = mounts::processes(Purpose::ToShow).map_err(fault("make `/proc`"))?;
    let attach = |mount: &OwnedFd, name: &str| {
        mounts::attach(mount.as_fd(), &site.join(name))
            .map_err(|error| Fault::of(format!("attach `/{name}`"), &error))
    };
    attach(&processes, "proc")?;
    for (mask, name) in parts.masks.iter().zip(MASKED) {
        // Not every kernel has them.
        if site.join(name).exists() {
            attach(mask, name)?;
        }
    }
    let own_processes = mounts::processes(Purpose::ToWrite).map_err(fault("make `/proc`"))?;
    mounts::change_root(site).map_err(fault("change the root"))?;
    let shell = Shell {
        root,
        processes: own_processes,
    };
    Ok((shell, below_tmp))
}

/// Adds the rest of what is to be seen to a root that the caller is in, and a `/tmp`. Nobody can write to it afterwards.
pub(super) fn furnish(
    shell: Shell,
    mut parts: Vec<Part>,
    tmp_bytes_max: u64,
) -> Result<Built, Fault> {
    let fault = |step: &'static str| move |error: io::Error| Fault::of(step, &error);
    parts.sort_by_key(|part| part.to.components().count());
    let (below_tmp, others): (Vec<Part>, Vec<Part>) =
        parts.into_iter().partition(|part| part.to.starts_with(TMP));
    for part in others {
        place(Path::new("/"), &part.to, part.kind).map_err(Fault::at("show", &part.to))?;
    }
    let tmp = tmp(tmp_bytes_max).map_err(fault("make `/tmp`"))?;
    mounts::attach(tmp.as_fd(), Path::new(INSTANCE_TMP)).map_err(fault("attach `/tmp`"))?;
    let in_tmp = show_in_tmp(below_tmp)?;
    mounts::forbid(shell.root.as_fd(), Forbids::WritingAndDevices)
        .map_err(fault("forbid writing to the root"))?;
    Ok(Built {
        processes: shell.processes,
        in_tmp,
    })
}

/// Into the template's `/tmp`, which has just been attached.
fn show_in_tmp(parts: Vec<Part>) -> Result<Vec<InTmp>, Fault> {
    let tmp = Path::new(INSTANCE_TMP);
    let mut shown = Vec::new();
    for part in parts {
        let below = part.to.strip_prefix(TMP).unwrap_or(&part.to).to_owned();
        let at = tmp.join(&below);
        let placed = place(tmp, &at, part.kind).and_then(|()| {
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            Ok(rustix::fs::open(&at, flags, Mode::empty())?)
        });
        let placed = placed.map_err(Fault::at("show", &part.to))?;
        shown.push(InTmp {
            below,
            shown: placed,
        });
    }
    Ok(shown)
}

impl InTmp {
    /// A copy of it that is attached nowhere, and where it is to be attached in another `/tmp`. What user code has left
    /// in that is not followed.
    pub(super) fn copy_for(&self, tmp: BorrowedFd<'_>) -> io::Result<(OwnedFd, OwnedFd)> {
        let copy = mounts::copy_of(self.shown.as_fd())?;
        let is_folder = FileType::from_raw_mode(rustix::fs::fstat(&self.shown)?.st_mode).is_dir();
        let folder_flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut at = rustix::fs::openat(tmp, ".", folder_flags, Mode::empty())?;
        let mut names = self.below.iter().peekable();
        while let Some(name) = names.next() {
            if names.peek().is_none() && !is_folder {
                let flags = OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
                at = rustix::fs::openat(&at, name, flags, Mode::from_raw_mode(0o600))?;
                break;
            }
            match rustix::fs::mkdirat(&at, name, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            at = rustix::fs::openat(&at, name, folder_flags, Mode::empty())?;
        }
        Ok((copy, at))
    }
}

/// A `/tmp`, attached nowhere.
pub(super) fn tmp(bytes_max: u64) -> io::Result<OwnedFd> {
    mounts::memory(&[
        (c"size", text(&bytes_max.to_string())),
        (
            c"nr_inodes",
            text(
                &(bytes_max / TMP_BYTES_PER_FILE)
                    .max(TMP_FILES_MIN)
                    .to_string(),
            ),
        ),
        (c"mode", text("0700")),
        (c"uid", text(&INSIDE_UID.to_string())),
        (c"gid", text(&INSIDE_GID.to_string())),
    ])
}

fn text(value: &str) -> CString {
    // None of ours holds a zero byte.
    CString::new(value).unwrap_or_default()
}

fn place(site: &Path, at: &Path, kind: Kind) -> io::Result<()> {
    // A plan that climbs out of the root is a mistake of ours, and stops here.
    if !at.starts_with(site) || at.components().any(|part| part == Component::ParentDir) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    if let Some(parent) = at.parent() {
        fs::create_dir_all(parent)?;
    }
    let (tree, forbids) = match kind {
        Kind::Link(target) => return symlink(target, at),
        Kind::Folder(tree) => {
            fs::create_dir_all(at)?;
            (tree, Forbids::Writing)
        }
        Kind::File(tree) => {
            fs::File::create(at)?;
            (tree, Forbids::Writing)
        }
        Kind::Device(tree) => {
            fs::File::create(at)?;
            (tree, Forbids::Privileges)
        }
    };
    mounts::forbid(tree.as_fd(), forbids)?;
    mounts::attach(tree.as_fd(), at)
}

fn write_own_files(site: &Path, plan: &Plan) -> Result<(), Fault> {
    let mut names = plan.own_names.clone();
    names.push(plan.name.clone());
    let names = names.join(" ");
    for folder in ["dev", "etc", "instance/tmp", "opt", "proc", "var/task"] {
        let path = site.join(folder);
        fs::create_dir_all(&path).map_err(Fault::at("make", &path))?;
    }
    for (target, link) in DEVICE_LINKS.iter().chain(&[("instance/tmp", "tmp")]) {
        let path = site.join(link);
        symlink(target, &path).map_err(Fault::at("link", &path))?;
    }
    let files = [
        (
            "etc/group",
            format!("root:x:0:\nsandbox:x:{INSIDE_GID}:\nnogroup:x:65534:\n"),
        ),
        (
            "etc/hosts",
            format!("127.0.0.1 localhost {names}\n::1 localhost {names}\n"),
        ),
        (
            "etc/nsswitch.conf",
            "passwd: files\ngroup: files\nhosts: files dns\nservices: files\n".to_owned(),
        ),
        (
            "etc/passwd",
            format!(
                "root:x:0:0::/:/bin/false\nsandbox:x:{INSIDE_UID}:{INSIDE_GID}::/tmp:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n"
            ),
        ),
        ("etc/resolv.conf", "nameserver 127.0.0.1\n".to_owned()),
        (
            "etc/services",
            "domain 53/tcp\ndomain 53/udp\nhttp 80/tcp\nhttps 443/tcp\n".to_owned(),
        ),
    ];
    for (name, content) in files {
        let path = site.join(name);
        let written = fs::write(&path, content);
        written
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o644)))
            .map_err(Fault::at("write", &path))?;
    }
    Ok(())
}
