//! Where groups can be made on this machine.
//!
//! Lives here: which hierarchies there are, which controllers they have, and whether we may write there.
//! Does not live here: the groups (`groups`).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Holds;

/// Which of the kernel's two interfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    First,
    Second,
}

/// The folders below which we may make groups.
#[derive(Debug, Clone)]
pub struct Places {
    version: Version,
    folders: Vec<(PathBuf, Holds)>,
}

/// Why no groups, or not all kinds of them, can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// The machine has none mounted.
    NoHierarchy,
    /// Ours cannot be written to: it was not delegated.
    NotWritable(PathBuf),
    /// A controller is not to be had in ours.
    NoController(&'static str),
}

impl std::fmt::Display for Missing {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoHierarchy => out.write_str("no control groups are mounted"),
            Self::NotWritable(path) => write!(out, "`{}` may not be written to", path.display()),
            Self::NoController(name) => write!(out, "the controller `{name}` is not to be had"),
        }
    }
}

/// A mounted hierarchy, and the names of its controllers (none for the second version).
struct Mounted<'a> {
    at: PathBuf,
    /// What part of the hierarchy is mounted.
    root: &'a str,
    controllers: Vec<&'a str>,
}

impl Places {
    /// Looks at this machine: our own groups, and whether they can be written to.
    ///
    /// # Errors
    /// [`Missing`]: why there are none. `NoController` is no error as long as memory can be limited.
    pub fn find() -> Result<(Self, Vec<Missing>), Missing> {
        let mounts =
            fs::read_to_string("/proc/self/mountinfo").map_err(|_| Missing::NoHierarchy)?;
        let own = fs::read_to_string("/proc/self/cgroup").map_err(|_| Missing::NoHierarchy)?;
        Self::among(&mounts, &own)
    }

    fn among(mounts: &str, own: &str) -> Result<(Self, Vec<Missing>), Missing> {
        let found = match second(mounts, own) {
            Some((folder, holds)) if holds.memory => Self {
                version: Version::Second,
                folders: vec![(folder, holds)],
            },
            Some(_) | None => Self {
                version: Version::First,
                folders: first(mounts, own),
            },
        };
        if found.folders.is_empty() {
            return Err(Missing::NoHierarchy);
        }
        found.check()
    }

    /// Below a folder of each hierarchy of the first version, instead of our own groups.
    pub fn below(memory: PathBuf, processes: PathBuf, processor: PathBuf) -> Self {
        let none = Holds {
            memory: false,
            processes: false,
            processor: false,
        };
        let folders = vec![
            (
                memory,
                Holds {
                    memory: true,
                    ..none
                },
            ),
            (
                processes,
                Holds {
                    processes: true,
                    ..none
                },
            ),
            (
                processor,
                Holds {
                    processor: true,
                    ..none
                },
            ),
        ];
        Self {
            version: Version::First,
            folders,
        }
    }

    /// Below a folder of the second version, instead of our own group, with the controllers that it hands down.
    pub fn below_second(folder: PathBuf) -> Self {
        let holds = handed_down(&folder);
        Self {
            version: Version::Second,
            folders: vec![(folder, holds)],
        }
    }

    pub(super) fn version(&self) -> Version {
        self.version
    }

    pub(super) fn folders(&self) -> impl Iterator<Item = (&Path, Holds)> {
        self.folders
            .iter()
            .map(|(path, holds)| (path.as_path(), *holds))
    }

    /// Hands controllers down from our own group, which then may hold no process: we go into a group below it.
    pub(super) fn hand_down(&self, controllers: &str) -> io::Result<()> {
        for (folder, _) in &self.folders {
            let file = folder.join("cgroup.subtree_control");
            match fs::write(&file, controllers) {
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                    let own = folder.join("cloudless");
                    match fs::create_dir(&own) {
                        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                            return Err(error);
                        }
                        Ok(()) | Err(_) => {}
                    }
                    fs::write(own.join("cgroup.procs"), std::process::id().to_string())?;
                    fs::write(&file, controllers)?;
                }
                written => written?,
            }
        }
        Ok(())
    }

    fn check(mut self) -> Result<(Self, Vec<Missing>), Missing> {
        let mut missing = Vec::new();
        self.folders.retain(|(folder, _)| {
            let may = rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok();
            if !may {
                missing.push(Missing::NotWritable(folder.clone()));
            }
            may
        });
        let has = |which: fn(&Holds) -> bool| self.folders.iter().any(|(_, holds)| which(holds));
        if !has(|holds| holds.memory) {
            return Err(missing
                .into_iter()
                .next()
                .unwrap_or(Missing::NoController("memory")));
        }
        if !has(|holds| holds.processes) {
            missing.push(Missing::NoController("pids"));
        }
        if !has(|holds| holds.processor) {
            missing.push(Missing::NoController("cpu"));
        }
        Ok((self, missing))
    }
}

fn second(mounts: &str, own: &str) -> Option<(PathBuf, Holds)> {
    let mounted = mounted(mounts, "cgroup2").into_iter().next()?;
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let folder = below_mount(&mounted, path)?;
    let holds = handed_down(&folder);
    Some((folder, holds))
}

/// What a group of the second version was given by the one above it.
fn handed_down(folder: &Path) -> Holds {
    let text = fs::read_to_string(folder.join("cgroup.controllers")).unwrap_or_default();
    let has = |name: &str| text.split_whitespace().any(|one| one == name);
    Holds {
        memory: has("memory"),
        processes: has("pids"),
        processor: has("cpu"),
    }
}

fn first(mounts: &str, own: &str) -> Vec<(PathBuf, Holds)> {
    let mut folders = Vec::new();
    for hierarchy in mounted(mounts, "cgroup") {
        let has = |name: &str| hierarchy.controllers.contains(&name);
        let holds = Holds {
            memory: has("memory"),
            processes: has("pids"),
            processor: has("cpu"),
        };
        if !holds.memory && !holds.processes && !holds.processor {
            continue;
        }
        let path = own.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let controllers = parts.next()?;
            let path = parts.next()?;
            controllers
                .split(',')
                .any(|one| hierarchy.controllers.contains(&one))
                .then_some(path)
        });
        folders.extend(
            path.and_then(|path| below_mount(&hierarchy, path))
                .map(|folder| (folder, holds)),
        );
    }
    folders
}

/// In a container our group may be outside of what is mounted, or be its root.
fn below_mount(mounted: &Mounted<'_>, path: &str) -> Option<PathBuf> {
    let rest = if mounted.root == "/" {
        path
    } else {
        path.strip_prefix(mounted.root)?
    };
    Some(mounted.at.join(rest.trim_start_matches('/')))
}

fn mounted<'a>(mounts: &'a str, kind: &str) -> Vec<Mounted<'a>> {
    let lines = mounts.lines().filter_map(|line| {
        let (first, second) = line.split_once(" - ")?;
        let mut first = first.split(' ').skip(3);
        let (root, at) = (first.next()?, first.next()?);
        let mut second = second.split(' ');
        let is_it = second.next()? == kind;
        let controllers = second.nth(1).unwrap_or_default().split(',').collect();
        is_it.then(|| Mounted {
            at: PathBuf::from(at),
            root,
            controllers,
        })
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "\
31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
39 31 0:36 /docker/abc /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
";

    #[test]
    fn hierarchies_of_the_first_version_are_found_where_we_are_in_them() {
        let own = "8:pids:/docker/abc/x\n4:memory:/user/1\n1:cpu,cpuacct:/\n0::/\n";
        let found: Vec<String> = first(FIRST, own)
            .into_iter()
            .map(|(path, _)| path.display().to_string())
            .collect();
        assert_eq!(
            found,
            [
                "/sys/fs/cgroup/cpu,cpuacct/",
                "/sys/fs/cgroup/memory/user/1",
                "/sys/fs/cgroup/pids/x"
            ]
        );
    }

    #[test]
    fn a_group_outside_of_what_is_mounted_is_none() {
        let found = first(FIRST, "8:pids:/elsewhere\n");
        assert!(found.is_empty());
    }

    #[test]
    fn the_second_version_has_one_hierarchy() {
        let mounts = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        let (folder, _) = second(mounts, "0::/user.slice/x.scope\n").unwrap();
        assert_eq!(folder, Path::new("/sys/fs/cgroup/user.slice/x.scope"));
        assert!(second("", "0::/x\n").is_none());
    }
}
