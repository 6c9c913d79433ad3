//! What the kernel counts as the memory of a group.
//!
//! Lives here: reading it.
//! Does not live here: what is done about too much of it (`watchdog`).
//!
//! A group has all that its processes were the first to touch: their own memory, files in memory (`/tmp`), and pages of
//! files that the kernel keeps because there is room. A limit holds for all of it; what a function uses is the first.

use std::fs;
use std::path::PathBuf;

use super::places::Version;

/// The memory of one group. It can be asked for as long as the group is there, also when its processes have ended.
#[derive(Debug, Clone)]
pub struct GroupMemory {
    pub(super) version: Version,
    pub(super) folder: PathBuf,
}

impl GroupMemory {
    /// All that is counted now, in bytes: one cheap look.
    pub fn used_bytes(&self) -> Option<u64> {
        self.number(match self.version {
            Version::First => "memory.usage_in_bytes",
            Version::Second => "memory.current",
        })
    }

    /// The most that was counted at once, in bytes. Nothing where the kernel does not keep it: before Linux 5.19 in the
    /// second version.
    pub fn peak_bytes(&self) -> Option<u64> {
        self.number(match self.version {
            Version::First => "memory.max_usage_in_bytes",
            Version::Second => "memory.peak",
        })
    }

    /// What belongs to processes and to no file, in bytes. What is shared with a process of another group counts there
    /// if that had it first.
    pub fn own_bytes(&self) -> Option<u64> {
        self.counted(match self.version {
            Version::First => "rss",
            Version::Second => "anon",
        })
    }

    /// The most that processes had at once, in bytes, as far as it is known: files are taken off as they are now. Never
    /// more than it was, unless files have been removed.
    pub fn own_peak_bytes(&self) -> Option<u64> {
        let files = self.counted(match self.version {
            Version::First => "cache",
            Version::Second => "file",
        });
        Some(self.peak_bytes()?.saturating_sub(files?))
    }

    fn number(&self, file: &str) -> Option<u64> {
        let text = fs::read_to_string(self.folder.join(file)).ok()?;
        text.trim().parse().ok()
    }

    fn counted(&self, name: &str) -> Option<u64> {
        let text = fs::read_to_string(self.folder.join("memory.stat")).ok()?;
        text.lines().find_map(|line| {
            let (found, count) = line.split_once(' ')?;
            (found == name).then(|| count.trim().parse().ok())?
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a group's files say: used, peak, own, own peak.
    fn check(version: Version, files: &[(&str, &str)], expected: [Option<u64>; 4]) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let memory = GroupMemory {
            version,
            folder: folder.path().to_owned(),
        };
        let found = [
            memory.used_bytes(),
            memory.peak_bytes(),
            memory.own_bytes(),
            memory.own_peak_bytes(),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn both_versions_say_what_is_a_processs_own() {
        check(
            Version::Second,
            &[
                ("memory.current", "700\n"),
                ("memory.peak", "1000\n"),
                ("memory.stat", "anon 300\nfile 400\nshmem 350\nanon_thp 0\n"),
            ],
            [Some(700), Some(1000), Some(300), Some(600)],
        );
        check(
            Version::First,
            &[
                ("memory.usage_in_bytes", "700\n"),
                ("memory.max_usage_in_bytes", "1000\n"),
                (
                    "memory.stat",
                    "cache 400\nrss 300\nrss_huge 0\nshmem 350\ntotal_rss 900\n",
                ),
            ],
            [Some(700), Some(1000), Some(300), Some(600)],
        );
    }

    #[test]
    fn what_an_older_kernel_does_not_keep_is_not_known() {
        check(
            Version::Second,
            &[
                ("memory.current", "700\n"),
                ("memory.stat", "anon 300\nfile 400\n"),
            ],
            [Some(700), None, Some(300), None],
        );
        check(Version::Second, &[], [None; 4]);
    }
}
