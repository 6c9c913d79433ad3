//! What the kernel says of this machine, and what it allows us.
//!
//! Lives here: reading `/proc`, `/etc/os-release`, the limits of processes and control groups.
//! Does not live here: what is good or bad about it (`commands::doctor`).

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Resource, getrlimit};

/// Where control groups are.
const GROUPS: &str = "/sys/fs/cgroup";
/// A limit of version 1 that is none: the largest number of whole pages.
const NO_LIMIT_FROM: u64 = 1 << 60;

/// The operating system's name, as `Debian GNU/Linux 12 (bookworm)`.
pub(crate) fn system() -> String {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .map(|name| name.trim_matches('"').to_owned());
    name.unwrap_or_else(|| std::env::consts::OS.to_owned())
}

/// The kernel's release, as `6.1.0-28-amd64`.
pub(crate) fn kernel() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    release.trim().to_owned()
}

/// Memory in all, and what of it programs could still have, in bytes.
pub(crate) fn memory() -> Option<(u64, u64)> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    Some((
        kibibytes(&text, "MemTotal:")? * 1024,
        kibibytes(&text, "MemAvailable:")? * 1024,
    ))
}

/// The memory that this process and its children may use, as far as the system says.
pub(crate) fn usable_memory() -> Option<u64> {
    let total = memory().map(|(total, _)| total);
    total.into_iter().chain(group_memory()).min()
}

/// How many files this process may open; none: as many as it likes.
pub(crate) fn open_files() -> Option<u64> {
    getrlimit(Resource::Nofile).maximum
}

/// How many processes and threads may run, with who says so; the smallest limit of all. None: there is none.
pub(crate) fn processes() -> Option<(u64, &'static str)> {
    let of_user = getrlimit(Resource::Nproc).current;
    let of_group = group_limit("pids", "pids.max", "pids.max");
    let of_kernel = number_in(Path::new("/proc/sys/kernel/pid_max"));
    let limits = [
        (of_user, "the user's limit (`ulimit -u`)"),
        (of_group, "the control group's `pids.max`"),
        (of_kernel, "the kernel's `pid_max`"),
    ];
    limits
        .into_iter()
        .filter_map(|(limit, who)| Some((limit?, who)))
        .min_by_key(|(limit, _)| *limit)
}

/// How much memory our control group may have, in bytes; none when nothing limits it.
pub(crate) fn group_memory() -> Option<u64> {
    group_limit("memory", "memory.max", "memory.limit_in_bytes")
}

/// The smallest limit of a group and those above it. Within a container their names may be those of outside, which
/// lead nowhere; then the top that is seen is the container's own.
fn group_limit(controller: &str, file_v2: &str, file_v1: &str) -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    groups
        .lines()
        .filter_map(|line| file_of(line, controller, file_v2, file_v1))
        .flat_map(|(root, group, file)| {
            let groups: Vec<PathBuf> = Path::new(&group).ancestors().map(Path::to_owned).collect();
            groups.into_iter().map(move |group| {
                let below = group.strip_prefix("/").unwrap_or(&group);
                root.join(below).join(&file)
            })
        })
        .filter_map(|path| number_in(&path))
        .filter(|limit| *limit < NO_LIMIT_FROM)
        .min()
}

/// From a line such as `4:memory:/app` or `0::/app`: the controller's root, the group, the limit's file.
fn file_of(
    line: &str,
    controller: &str,
    file_v2: &str,
    file_v1: &str,
) -> Option<(PathBuf, String, String)> {
    let mut parts = line.splitn(3, ':');
    let (_, controllers, group) = (parts.next()?, parts.next()?, parts.next()?);
    let root = Path::new(GROUPS);
    if controllers.is_empty() {
        return Some((root.to_owned(), group.to_owned(), file_v2.to_owned()));
    }
    controllers
        .split(',')
        .any(|it| it == controller)
        .then(|| (root.join(controllers), group.to_owned(), file_v1.to_owned()))
}

/// A file that holds a number; `max` is none.
fn number_in(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn kibibytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_of_both_versions_lead_to_their_limits() {
        let limit = |line: &str| {
            let (root, group, file) = file_of(line, "memory", "memory.max", "limit")?;
            Some(format!("{}{group}/{file}", root.display()))
        };
        for (line, expected) in [
            ("0::/app", Some("/sys/fs/cgroup/app/memory.max")),
            ("4:memory:/app", Some("/sys/fs/cgroup/memory/app/limit")),
            (
                "5:cpu,memory:/a:b",
                Some("/sys/fs/cgroup/cpu,memory/a:b/limit"),
            ),
            ("3:cpuset:/app", None),
            ("nonsense", None),
        ] {
            assert_eq!(limit(line).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn memory_is_told_in_bytes() {
        let text = "MemTotal:        8000 kB\nMemFree: 1 kB\nMemAvailable:    4000 kB\n";
        assert_eq!(kibibytes(text, "MemAvailable:"), Some(4000));
        assert_eq!(kibibytes(text, "Swap:"), None);
    }
}
