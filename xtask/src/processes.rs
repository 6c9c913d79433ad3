//! Processes of a server under test, as the kernel shows them.
//!
//! Lives here: the tree below a process, its memory and descriptors.
//! Does not live here: starting and ending servers (`server`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

/// A process that cannot be taken for a later one of the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Process {
    pub(crate) id: u32,
    /// When it was started, in ticks since the machine was.
    started: u64,
}

/// In what the kernel counts processor time, on every machine that this runs on.
const TICK: Duration = Duration::from_millis(10);

/// What `/proc/ID/stat` says.
struct Stat {
    /// Processor time, its own and the kernel's for it.
    ticks: u32,
    started: u64,
    parent: u32,
    group: u32,
    is_zombie: bool,
}

impl Process {
    /// Whether it has not ended. One that only waits to be collected has.
    pub(crate) fn lives(self) -> bool {
        stat(self.id).is_some_and(|stat| stat.started == self.started && !stat.is_zombie)
    }

    /// Its command line, shortened.
    pub(crate) fn command(self) -> String {
        let text = std::fs::read(folder(self.id).join("cmdline")).unwrap_or_default();
        let words = String::from_utf8_lossy(&text).replace('\0', " ");
        words.chars().take(120).collect()
    }

    /// What it has had of the processors.
    pub(crate) fn processor_time(self) -> Duration {
        stat(self.id).map_or(Duration::ZERO, |stat| TICK * stat.ticks)
    }

    /// How many descriptors it has open.
    pub(crate) fn descriptors(self) -> usize {
        std::fs::read_dir(folder(self.id).join("fd")).map_or(0, Iterator::count)
    }

    /// Memory that no other process has, in MiB.
    pub(crate) fn private_mib(self) -> f64 {
        let text = self.rollup();
        (kib(&text, "Private_Clean:") + kib(&text, "Private_Dirty:")) / 1024.0
    }

    /// Its own memory and its part of what it shares, in MiB.
    pub(crate) fn proportional_mib(self) -> f64 {
        kib(&self.rollup(), "Pss:") / 1024.0
    }

    /// All that is mapped and in memory, shared or not, in MiB.
    pub(crate) fn resident_mib(self) -> f64 {
        kib(&self.rollup(), "Rss:") / 1024.0
    }

    fn rollup(self) -> String {
        std::fs::read_to_string(folder(self.id).join("smaps_rollup")).unwrap_or_default()
    }
}

/// The process with this number, if there is one.
pub(crate) fn process(id: u32) -> Option<Process> {
    stat(id).map(|stat| Process {
        id,
        started: stat.started,
    })
}

/// The process, all below it, and all of its process group.
pub(crate) fn tree(root: u32) -> BTreeSet<Process> {
    let all = all();
    let mut found = BTreeSet::new();
    for (id, stat) in &all {
        let in_group = stat.group == root;
        if (in_group || has_ancestor(&all, *id, root)) && !stat.is_zombie {
            found.insert(Process {
                id: *id,
                started: stat.started,
            });
        }
    }
    found
}

/// Those of the tree that have no child: instances, and whatever serves nothing yet.
pub(crate) fn leaves(root: u32) -> BTreeSet<Process> {
    let mut tree = tree(root);
    let parents: BTreeSet<u32> = all()
        .values()
        .filter(|stat| !stat.is_zombie)
        .map(|stat| stat.parent)
        .collect();
    tree.retain(|process| process.id != root && !parents.contains(&process.id));
    tree
}

fn all() -> BTreeMap<u32, Stat> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return BTreeMap::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|id| Some((id, stat(id)?)))
        .collect()
}

/// Processes are never their own ancestors, but two readings of `/proc` are not of one instant.
const GENERATIONS_MAX: usize = 32;

fn has_ancestor(all: &BTreeMap<u32, Stat>, id: u32, root: u32) -> bool {
    let mut at = id;
    for _ in 0..GENERATIONS_MAX {
        if at == root {
            return true;
        }
        match all.get(&at) {
            Some(stat) => at = stat.parent,
            None => return false,
        }
    }
    false
}

fn stat(id: u32) -> Option<Stat> {
    let text = std::fs::read_to_string(folder(id).join("stat")).ok()?;
    // The second field is a name, which may hold anything.
    let fields: Vec<&str> = text.rsplit(") ").next()?.split(' ').collect();
    Some(Stat {
        is_zombie: matches!(*fields.first()?, "Z" | "X"),
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        ticks: fields.get(11)?.parse::<u32>().ok()? + fields.get(12)?.parse::<u32>().ok()?,
        started: fields.get(19)?.parse().ok()?,
    })
}

fn folder(id: u32) -> PathBuf {
    PathBuf::from("/proc").join(id.to_string())
}

fn kib(text: &str, label: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(label));
    line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_child_is_of_the_tree_until_it_has_ended() {
        let mut child = Command::new("sleep")
            .arg("60")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let own = std::process::id();
        let process = process(child.id()).unwrap();
        assert!(tree(own).contains(&process));
        assert!(leaves(own).contains(&process));
        assert!(!leaves(own).iter().any(|leaf| leaf.id == own));
        child.kill().unwrap();
        while process.lives() {
            std::thread::yield_now();
        }
        assert!(!tree(own).contains(&process));
        child.wait().unwrap();
    }

    #[test]
    fn a_process_has_memory_and_descriptors() {
        let own = process(std::process::id()).unwrap();
        assert!(own.private_mib() > 0.0);
        assert!(own.proportional_mib() <= own.resident_mib());
        assert!(own.descriptors() >= 3);
    }
}
