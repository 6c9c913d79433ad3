//! Control groups: how much memory and processor time an instance has, and how many processes.
//!
//! Lives here: making a group, moving a process into it, its end; groups of an earlier run of ours.
//! Does not live here: where groups can be made (`places`), what memory is counted (`memory`), which limits a function has,
//! groups that are held back (`restraint`), what is done where there are no groups (`watchdog`).
//!
//! Contract: Linux kernel documentation, "Control Group v2" and "Memory Resource Controller" (of the first version).

mod entrance;
mod memory;
mod places;
mod restraint;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use entrance::Entrance;
pub use memory::GroupMemory;
use places::Version;
pub use places::{Missing, Places};
use restraint::Restraint;

/// Memory that comes with one whole processor.
///
/// Contract: AWS Lambda Developer Guide, "Configure Lambda function memory": at 1,769 MB, one vCPU.
const MEMORY_MB_PER_PROCESSOR: u64 = 1_769;
/// The time over which processor time is shared out, in microseconds.
const PERIOD_US: u64 = 100_000;
/// The kernel takes no smaller part of a period.
const QUOTA_US_MIN: u64 = 1_000;
/// How often it is tried to take our own folders away when we end, and how long is waited between.
const LAST_LOOKS_MAX: usize = 50;
const LAST_LOOK_PAUSE: Duration = Duration::from_millis(10);
const PREFIX: &str = "cloudless-";

/// What one group may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupLimits {
    /// Memory, files in memory included.
    pub memory_bytes_max: u64,
    /// Processes and threads.
    pub processes_max: u64,
    /// Thousandths of a processor; none: as much as there is.
    pub processor_thousandths: Option<u64>,
    /// Whether it has less of one while it makes processes without end.
    pub is_restrained: bool,
}

/// Thousandths of a processor that come with so much memory.
pub fn processor_thousandths_of(memory_mb: u32) -> u64 {
    (u64::from(memory_mb) * 1000).div_ceil(MEMORY_MB_PER_PROCESSOR)
}

fn quota_us(processor_thousandths: u64) -> u64 {
    (processor_thousandths * PERIOD_US / 1000).max(QUOTA_US_MIN)
}

/// A file of a group could not be written or read.
#[derive(Debug, thiserror::Error)]
#[error("could not {action} `{}`", path.display())]
pub struct GroupError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl GroupError {
    pub(crate) fn reason(&self) -> &io::Error {
        &self.source
    }

    fn of(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self {
            action,
            path,
            source,
        }
    }
}

/// Where this run of ours makes its groups. Dropped, it takes them away.
pub struct Groups {
    version: Version,
    /// Our own folders, one in each hierarchy.
    folders: Vec<Folder>,
    /// Those that have not been taken away.
    still_ours: Mutex<Vec<PathBuf>>,
    leftovers: Arc<Mutex<Vec<PathBuf>>>,
}

#[derive(Debug, Clone)]
struct Folder {
    path: PathBuf,
    holds: Holds,
}

/// What a hierarchy limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Holds {
    memory: bool,
    processes: bool,
    processor: bool,
}

impl Groups {
    /// Makes a folder of our own in every hierarchy, and takes away those of runs that have ended.
    ///
    /// # Errors
    /// A folder cannot be made: there are no groups to be had.
    pub fn open(places: &Places) -> Result<Self, GroupError> {
        let own = std::process::id();
        let started = started_at(own as i32).unwrap_or_default();
        let mut folders = Vec::new();
        for (place, holds) in places.folders() {
            remove_stale(place);
            let path = make_own(place, &format!("{PREFIX}{own}-{started}"))?;
            folders.push(Folder { path, holds });
        }
        let still_ours = folders.iter().map(|folder| folder.path.clone()).collect();
        let groups = Self {
            version: places.version(),
            folders,
            still_ours: Mutex::new(still_ours),
            leftovers: Arc::default(),
        };
        groups.delegate(places)?;
        Ok(groups)
    }

    /// In the second version a group's children have only what it hands down.
    fn delegate(&self, places: &Places) -> Result<(), GroupError> {
        if self.version == Version::First {
            return Ok(());
        }
        for folder in &self.folders {
            let controllers = [
                folder.holds.memory.then_some("+memory"),
                folder.holds.processes.then_some("+pids"),
                folder.holds.processor.then_some("+cpu"),
            ];
            let text = controllers
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(" ");
            places
                .hand_down(&text)
                .map_err(GroupError::of("hand down controllers to", &folder.path))?;
            write(&folder.path.join("cgroup.subtree_control"), &text)?;
        }
        Ok(())
    }

    /// Makes a group. Its name must be new among those that live.
    ///
    /// # Errors
    /// A limit could not be set; nothing is left of the group then.
    pub fn make(&self, name: &str, limits: &GroupLimits) -> Result<Group, GroupError> {
        let group = self.make_without_limits(name)?;
        group.limit(limits)?;
        Ok(group)
    }

    /// As [`Self::make`], of a group that is given its limits later: until then nobody's code may run in it.
    ///
    /// # Errors
    /// It could not be made; nothing is left of it then.
    pub fn make_without_limits(&self, name: &str) -> Result<Group, GroupError> {
        self.remove_leftovers();
        let mut group = Group {
            version: self.version,
            folders: Vec::new(),
            restraint: Mutex::default(),
            leftovers: self.leftovers.clone(),
        };
        for folder in &self.folders {
            let path = folder.path.join(name);
            fs::create_dir(&path).map_err(GroupError::of("make", &path))?;
            // From here on a failure takes it away again.
            group.folders.push(Folder {
                path: path.clone(),
                holds: folder.holds,
            });
        }
        Ok(group)
    }

    /// Takes all groups away, with what is in them. Blocks for as long as the kernel takes to give their memory back, up to
    /// half a second. What is made afterwards fails.
    pub fn clear(&self) {
        let mut still_ours = self
            .still_ours
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for _ in 0..LAST_LOOKS_MAX {
            // One that is gone is never looked at again: its name may be another's by then.
            still_ours.retain(|folder| !remove_with_all(folder));
            if still_ours.is_empty() {
                return;
            }
            // One that still holds something after that is stale, and the next run's to take away.
            std::thread::sleep(LAST_LOOK_PAUSE);
        }
    }

    fn remove_leftovers(&self) {
        let mut leftovers = self
            .leftovers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        leftovers.retain(|path| fs::remove_dir(path).is_err() && path.exists());
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        self.clear();
    }
}

/// One group. It is taken away when this is dropped, or as soon as its processes have ended after that.
pub struct Group {
    version: Version,
    folders: Vec<Folder>,
    restraint: Mutex<Restraint>,
    leftovers: Arc<Mutex<Vec<PathBuf>>>,
}

impl Group {
    /// Moves a process in. What it has used before stays where it was counted, so it should be parked until then.
    ///
    /// # Errors
    /// It has ended, or may not be moved.
    pub fn add(&self, pid: i32) -> Result<(), GroupError> {
        self.entrance().ensure(pid)
    }

    /// Sets what it may use: once.
    ///
    /// # Errors
    /// The kernel refuses a limit: the group is not to be used.
    pub fn limit(&self, limits: &GroupLimits) -> Result<(), GroupError> {
        *self.restraint() = Restraint::of(limits);
        let mut folders = self.folders.iter();
        folders.try_for_each(|folder| limit(self.version, &folder.path, folder.holds, limits))
    }

    /// Gives it so much processor time from now on.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn ration(&self, processor_thousandths: u64) -> Result<(), GroupError> {
        let mut restraint = self.restraint();
        restraint.thousandths = Some(processor_thousandths);
        self.have_processor_time(restraint.processor_thousandths())
    }

    /// None: as much as there is.
    fn have_processor_time(&self, thousandths: Option<u64>) -> Result<(), GroupError> {
        let mut folders = self.folders.iter().filter(|folder| folder.holds.processor);
        folders.try_for_each(|folder| match thousandths {
            Some(thousandths) => ration(self.version, &folder.path, thousandths),
            None => free(self.version, &folder.path),
        })
    }

    fn restraint(&self) -> MutexGuard<'_, Restraint> {
        self.restraint
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// How its memory is counted; nothing where the kernel does not count it.
    pub fn memory(&self) -> Option<GroupMemory> {
        let folder = self.folders.iter().find(|folder| folder.holds.memory)?;
        Some(GroupMemory {
            version: self.version,
            folder: folder.path.clone(),
        })
    }

    /// Whether a process was killed because the group was out of memory.
    pub fn was_out_of_memory(&self) -> bool {
        let file = match self.version {
            Version::First => "memory.oom_control",
            Version::Second => "memory.events",
        };
        let count = self
            .folders
            .iter()
            .filter(|folder| folder.holds.memory)
            .find_map(|folder| {
                let text = fs::read_to_string(folder.path.join(file)).ok()?;
                let line = text
                    .lines()
                    .find_map(|line| line.strip_prefix("oom_kill "))?;
                line.trim().parse::<u64>().ok()
            });
        count.is_some_and(|count| 0 < count)
    }

    /// Kills all that is in it.
    pub fn kill(&self) {
        for folder in &self.folders {
            kill_all(&folder.path);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for folder in &self.folders {
            if fs::remove_dir(&folder.path).is_err() && folder.path.exists() {
                self.leftovers
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(folder.path.clone());
            }
        }
    }
}

/// A folder of this run's: as a rule there is only one. None has the name of another before it, which may still be being
/// taken away.
fn make_own(place: &Path, name: &str) -> Result<PathBuf, GroupError> {
    static LAST_NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = LAST_NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = place.join(format!("{name}.{number}"));
    fs::create_dir(&path).map_err(GroupError::of("make", &path))?;
    Ok(path)
}

fn limit(
    version: Version,
    group: &Path,
    holds: Holds,
    limits: &GroupLimits,
) -> Result<(), GroupError> {
    let memory = limits.memory_bytes_max.to_string();
    if holds.memory {
        match version {
            Version::First => {
                write(&group.join("memory.limit_in_bytes"), &memory)?;
                write_if_there(&group.join("memory.memsw.limit_in_bytes"), &memory)?;
                // What sockets hold is counted beside it there, and the whole machine has so much of it.
                write_if_there(&group.join("memory.kmem.tcp.limit_in_bytes"), &memory)?;
            }
            Version::Second => {
                write(&group.join("memory.max"), &memory)?;
                write_if_there(&group.join("memory.swap.max"), "0")?;
                // One process without the others of its instance is of no use.
                write_if_there(&group.join("memory.oom.group"), "1")?;
            }
        }
    }
    if holds.processes {
        write(&group.join("pids.max"), &limits.processes_max.to_string())?;
    }
    match limits.processor_thousandths {
        Some(thousandths) if holds.processor => ration(version, group, thousandths),
        Some(_) | None => Ok(()),
    }
}

fn ration(version: Version, group: &Path, processor_thousandths: u64) -> Result<(), GroupError> {
    let quota = quota_us(processor_thousandths);
    match version {
        Version::First => {
            write(&group.join("cpu.cfs_period_us"), &PERIOD_US.to_string())?;
            write(&group.join("cpu.cfs_quota_us"), &quota.to_string())
        }
        Version::Second => write(&group.join("cpu.max"), &format!("{quota} {PERIOD_US}")),
    }
}

/// As much processor time as there is.
fn free(version: Version, group: &Path) -> Result<(), GroupError> {
    match version {
        Version::First => write(&group.join("cpu.cfs_quota_us"), "-1"),
        Version::Second => write(&group.join("cpu.max"), &format!("max {PERIOD_US}")),
    }
}

fn write(path: &Path, text: &str) -> Result<(), GroupError> {
    put(path, text).map_err(GroupError::of("write", path))
}

/// Writes to a file that is there: one that is not is no limit.
fn put(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::File::options().write(true).open(path)?;
    io::Write::write_all(&mut file, text.as_bytes())
}

fn write_if_there(path: &Path, text: &str) -> Result<(), GroupError> {
    if path.exists() {
        write(path, text)
    } else {
        Ok(())
    }
}

/// Takes away the folders of runs whose process has ended, with all that is left in them.
fn remove_stale(place: &Path) {
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let run = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX)?.split_once('-'));
        let run = run.map(|(pid, rest)| (pid, rest.split('.').next().unwrap_or(rest)));
        let Some((pid, started)) = run else {
            continue;
        };
        let lives = pid
            .parse()
            .ok()
            .and_then(started_at)
            .is_some_and(|at| at.to_string() == started);
        if !lives {
            remove_with_all(&entry.path());
        }
    }
}

/// Whether it is gone.
fn remove_with_all(folder: &Path) -> bool {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove_with_all(&entry.path());
        }
    }
    kill_all(folder);
    // What was killed just now may hold it for a moment more: then the next start takes it away.
    match fs::remove_dir(folder) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

fn kill_all(group: &Path) {
    if put(&group.join("cgroup.kill"), "1").is_ok() {
        return;
    }
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    for pid in text
        .lines()
        .filter_map(|line| line.parse().ok())
        .filter_map(rustix::process::Pid::from_raw)
    {
        // It fails only when it has ended meanwhile.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

/// When a process began, by the kernel's clock: its number may be another's by now.
fn started_at(pid: i32) -> Option<u64> {
    const FIELD_AFTER_NAME: usize = 19;
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = text.rsplit_once(')')?;
    after_name
        .split_whitespace()
        .nth(FIELD_AFTER_NAME)?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_in_proportion_to_memory() {
        for (memory_mb, expected) in [
            (128, 7_300),
            (512, 29_000),
            (1_769, 100_000),
            (3_538, 200_000),
            (10_240, 578_900),
        ] {
            assert_eq!(
                quota_us(processor_thousandths_of(memory_mb)),
                expected,
                "{memory_mb} MB"
            );
        }
    }

    const ALL: Holds = Holds {
        memory: true,
        processes: true,
        processor: true,
    };

    /// A folder with files of these names, as the kernel makes them.
    fn fake(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            fs::write(folder.path().join(name), "").unwrap();
        }
        folder
    }

    /// What the files of a group say once it is limited to 64 MiB, 20 processes and half a processor.
    fn check_limits(version: Version, expected: &[(&str, &str)]) {
        let names: Vec<&str> = expected.iter().map(|(name, _)| *name).collect();
        let folder = fake(&names);
        let limits = GroupLimits {
            memory_bytes_max: 64 << 20,
            processes_max: 20,
            processor_thousandths: Some(500),
            is_restrained: false,
        };
        limit(version, folder.path(), ALL, &limits).unwrap();
        for (name, text) in expected {
            assert_eq!(
                fs::read_to_string(folder.path().join(name)).unwrap(),
                *text,
                "{name}"
            );
        }
    }

    #[test]
    fn limits_are_written_in_the_words_of_each_version() {
        check_limits(
            Version::First,
            &[
                ("memory.limit_in_bytes", "67108864"),
                ("memory.memsw.limit_in_bytes", "67108864"),
                ("pids.max", "20"),
                ("cpu.cfs_period_us", "100000"),
                ("cpu.cfs_quota_us", "50000"),
            ],
        );
        check_limits(
            Version::Second,
            &[
                ("memory.max", "67108864"),
                ("memory.swap.max", "0"),
                ("memory.oom.group", "1"),
                ("pids.max", "20"),
                ("cpu.max", "50000 100000"),
            ],
        );
    }

    #[test]
    fn a_limit_that_cannot_be_set_is_an_error_and_one_that_nobody_set_is_none() {
        let limits = GroupLimits {
            memory_bytes_max: 1 << 20,
            processes_max: 20,
            processor_thousandths: None,
            is_restrained: false,
        };
        let folder = fake(&["memory.max", "pids.max", "cpu.max"]);
        limit(Version::Second, folder.path(), ALL, &limits).unwrap();
        assert_eq!(
            fs::read_to_string(folder.path().join("cpu.max")).unwrap(),
            ""
        );
        let without = fake(&["memory.max"]);
        let error = limit(Version::Second, without.path(), ALL, &limits).unwrap_err();
        assert!(error.to_string().contains("pids.max"), "{error}");
    }

    #[test]
    fn a_process_that_was_killed_for_its_memory_is_told_by_both_versions() {
        for (version, file, text, expected) in [
            (
                Version::First,
                "memory.oom_control",
                "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
                true,
            ),
            (
                Version::First,
                "memory.oom_control",
                "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n",
                false,
            ),
            (
                Version::Second,
                "memory.events",
                "max 7\noom 2\noom_kill 2\noom_group_kill 1\n",
                true,
            ),
            (
                Version::Second,
                "memory.events",
                "max 7\noom 0\noom_kill 0\noom_group_kill 0\n",
                false,
            ),
        ] {
            let folder = fake(&[]);
            fs::write(folder.path().join(file), text).unwrap();
            let group = Group {
                version,
                folders: vec![Folder {
                    path: folder.path().to_owned(),
                    holds: ALL,
                }],
                restraint: Mutex::default(),
                leftovers: Arc::default(),
            };
            assert_eq!(group.was_out_of_memory(), expected, "{text}");
            drop(group);
        }
    }

    #[test]
    fn folders_of_runs_that_have_ended_are_taken_away() {
        let place = tempfile::tempdir().unwrap();
        let own = format!(
            "{PREFIX}{}-{}.0",
            std::process::id(),
            started_at(std::process::id() as i32).unwrap()
        );
        let folders = [
            own.as_str(),
            "cloudless-1-999999999",
            "cloudless-2147483000-1.3",
            "another",
            "cloudless-x",
        ];
        for folder in folders {
            fs::create_dir_all(place.path().join(folder).join("inner")).unwrap();
        }
        remove_stale(place.path());
        let mut left: Vec<_> = fs::read_dir(place.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        left.sort();
        let mut expected = [own.as_str(), "another", "cloudless-x"];
        expected.sort();
        assert_eq!(left, expected);
    }
}
