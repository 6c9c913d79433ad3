//! Groups that make processes without end: held back, so that others do not wait for them.
//!
//! Lives here: when a group is held back, and when it has its processor time again.
//! Does not live here: who looks, and how often (`watchdog`); how processor time is written (`groups`).
//!
//! The kernel copies a process in one go, which takes it the longer the more of them there are, and on many machines
//! nothing else runs on that processor meanwhile. So a smaller weight does not help others, and less processor time
//! does. Threads are none of it: they are made in no time, and many functions have many.

use std::fs;

use super::places::Version;
use super::{Group, GroupError, GroupLimits};

/// So many processes are a function's own affair. Threads do not count.
const PROCESSES_MANY: u64 = 64;
/// More new ones than this between two looks are too many, of a group that has many.
const NEW_MAX: u64 = 8;
/// Looks for which a group is held back after it has made the last process, or tried to.
const LOOKS_HELD: u64 = 20;
/// Thousandths of a processor that such a group has.
const THOUSANDTHS_HELD: u64 = 50;

/// What is known of a group's processes, and the processor time that it has.
#[derive(Debug, Default)]
pub(super) struct Restraint {
    is_wanted: bool,
    /// What it has when it is not held back; none: as much as there is.
    pub(super) thousandths: Option<u64>,
    /// The look after which it is held back no more.
    until: Option<u64>,
    processes: u64,
    refused: u64,
}

impl Restraint {
    pub(super) fn of(limits: &GroupLimits) -> Self {
        Self {
            is_wanted: limits.is_restrained,
            thousandths: limits.processor_thousandths,
            ..Self::default()
        }
    }

    /// What it has now.
    pub(super) fn processor_thousandths(&self) -> Option<u64> {
        match (self.until, self.thousandths) {
            (Some(_), usual) => {
                Some(usual.map_or(THOUSANDTHS_HELD, |usual| usual.min(THOUSANDTHS_HELD)))
            }
            (None, usual) => usual,
        }
    }

    fn is_held(&self) -> bool {
        self.until.is_some()
    }

    /// Takes in what a look has found. Whether that changes what it has.
    fn note(&mut self, look: u64, found: Found) -> bool {
        let was_held = self.is_held();
        let new_max = if was_held { 0 } else { NEW_MAX };
        let is_growing = PROCESSES_MANY < found.processes
            && self.processes.saturating_add(new_max) < found.processes;
        let refused = found.refused.unwrap_or(self.refused);
        if is_growing || self.refused < refused {
            self.until = Some(look + LOOKS_HELD);
        } else if self.until.is_some_and(|until| until <= look) {
            self.until = None;
        }
        self.processes = found.processes;
        self.refused = refused;
        was_held != self.is_held()
    }
}

/// What a look finds.
#[derive(Debug, Clone, Copy)]
struct Found {
    /// Processes, also such as have ended and that nobody has waited for.
    processes: u64,
    /// How often the kernel has refused one more, where that was looked at.
    refused: Option<u64>,
}

impl Group {
    /// Looks at how many processes it has made since the last look: from time to time, in steps of one. Whether it is
    /// held back for it.
    ///
    /// # Errors
    /// Its processor time could not be changed.
    pub(crate) fn restrain(&self, look: u64) -> Result<bool, GroupError> {
        let mut restraint = self.restraint();
        if !restraint.is_wanted {
            return Ok(false);
        }
        let Some(found) = self.found() else {
            return Ok(restraint.is_held());
        };
        if restraint.note(look, found) {
            self.have_processor_time(restraint.processor_thousandths())?;
        }
        Ok(restraint.is_held())
    }

    fn found(&self) -> Option<Found> {
        let folder = self.folders.iter().find(|folder| folder.holds.processes)?;
        let read = |name| fs::read_to_string(folder.path.join(name)).ok();
        let all: u64 = read("pids.current")?.trim().parse().ok()?;
        if all <= PROCESSES_MANY {
            return Some(Found {
                processes: all,
                refused: None,
            });
        }
        let threads = read(match self.version {
            Version::First => "tasks",
            Version::Second => "cgroup.threads",
        });
        let lines = |text: Option<String>| text.map_or(0, |text| text.lines().count() as u64);
        let beside = lines(threads).saturating_sub(lines(read("cgroup.procs")));
        let events = read("pids.events").unwrap_or_default();
        let refused = events.lines().find_map(|line| line.strip_prefix("max "));
        Some(Found {
            processes: all.saturating_sub(beside),
            refused: refused.and_then(|count| count.parse().ok()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::super::{Folder, Holds};
    use super::*;

    /// Looks at a group in turn that is rationed to half a processor: what each finds, and whether it is held back then.
    fn check(looks: &[(u64, Option<u64>, bool)]) {
        let mut restraint = Restraint {
            thousandths: Some(500),
            ..Restraint::default()
        };
        for (look, (processes, refused, is_held)) in looks.iter().enumerate() {
            let was_held = restraint.is_held();
            let found = Found {
                processes: *processes,
                refused: *refused,
            };
            let changed = restraint.note(look as u64, found);
            assert_eq!(restraint.is_held(), *is_held, "look {look}");
            assert_eq!(changed, was_held != *is_held, "look {look}");
            let expected = if *is_held { THOUSANDTHS_HELD } else { 500 };
            assert_eq!(restraint.processor_thousandths(), Some(expected));
        }
    }

    #[test]
    fn a_group_that_makes_processes_without_end_is_held_back_until_it_stops() {
        let mut looks = vec![
            (1, None, false),
            (60, None, false),
            (90, Some(0), true),
            // A group that is held back makes them slowly.
            (91, Some(0), true),
        ];
        looks.extend([(91, Some(0), true); LOOKS_HELD as usize - 1]);
        looks.extend([(91, Some(0), false), (1, None, false)]);
        check(&looks);
    }

    #[test]
    fn a_group_to_which_the_kernel_refuses_one_more_is_held_back() {
        check(&[
            (1_024, Some(0), true),
            (1_024, Some(7), true),
            (1_024, Some(9), true),
        ]);
        check_from(70, &[(70, Some(0), false), (70, Some(1), true)]);
    }

    /// As [`check`], of a group that had so many before.
    fn check_from(processes: u64, looks: &[(u64, Option<u64>, bool)]) {
        let mut all = Vec::new();
        let mut made = 1;
        while made + NEW_MAX < processes {
            made += NEW_MAX;
            all.push((made, Some(0), false));
        }
        all.extend_from_slice(looks);
        check(&all);
    }

    /// A group of the second version, with files as the kernel has them there.
    struct OfTheSecond {
        folder: tempfile::TempDir,
        group: Group,
    }

    impl OfTheSecond {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let holds = Holds {
                memory: true,
                processes: true,
                processor: true,
            };
            let folders = vec![Folder {
                path: folder.path().to_owned(),
                holds,
            }];
            let files = ["memory.max", "pids.max", "cpu.max"];
            let one = Self {
                group: Group {
                    version: Version::Second,
                    folders,
                    restraint: Mutex::default(),
                    leftovers: Arc::default(),
                },
                folder,
            };
            files.iter().for_each(|name| one.put(name, ""));
            one
        }

        fn put(&self, name: &str, text: &str) {
            fs::write(self.folder.path().join(name), text).unwrap();
        }

        /// So many processes, so many threads besides, and so often the kernel has refused one more.
        fn has(&self, processes: usize, threads: usize, refused: u64) {
            let numbers = |count: usize| "7\n".repeat(count);
            self.put("pids.current", &format!("{}\n", processes + threads));
            self.put("cgroup.procs", &numbers(processes));
            self.put("cgroup.threads", &numbers(processes + threads));
            self.put("pids.events", &format!("max {refused}\n"));
        }

        /// Looks at it: whether it is held back, and what this look has written as its processor time.
        fn check(&self, look: u64, expected: (bool, &str)) {
            self.put("cpu.max", "");
            let is_held = self.group.restrain(look).unwrap();
            let written = fs::read_to_string(self.folder.path().join("cpu.max")).unwrap();
            assert_eq!((is_held, written.as_str()), expected, "look {look}");
        }
    }

    #[test]
    fn a_group_of_the_second_version_is_held_back_in_its_own_words() {
        for (usual, again) in [
            (Some(500), "50000 100000"),
            // In development there is as much as there is.
            (None, "max 100000"),
        ] {
            let one = OfTheSecond::new();
            let limits = GroupLimits {
                memory_bytes_max: 1 << 20,
                processes_max: 1_024,
                processor_thousandths: usual,
                is_restrained: true,
            };
            one.group.limit(&limits).unwrap();
            one.has(1, 0, 0);
            one.check(1, (false, ""));
            // Threads are no processes.
            one.has(60, 400, 0);
            one.check(2, (false, ""));
            one.has(90, 400, 0);
            one.check(3, (true, "5000 100000"));
            one.has(90, 400, 5);
            one.check(4, (true, ""));
            one.check(4 + LOOKS_HELD - 1, (true, ""));
            one.check(4 + LOOKS_HELD, (false, again));
            // Those are refused one more who have as many as they may.
            one.has(90, 400, 6);
            one.check(4 + LOOKS_HELD + 1, (true, "5000 100000"));
            // More time comes with more memory, and not before it is held back no more.
            one.group.ration(1_000).unwrap();
            one.has(1, 0, 6);
            one.check(4 + 2 * LOOKS_HELD + 1, (false, "100000 100000"));
        }
    }

    #[test]
    fn a_group_whose_processes_cannot_be_counted_is_not_held_back() {
        let one = OfTheSecond::new();
        let limits = GroupLimits {
            memory_bytes_max: 1 << 20,
            processes_max: 1_024,
            processor_thousandths: None,
            is_restrained: true,
        };
        one.group.limit(&limits).unwrap();
        one.check(1, (false, ""));
    }

    #[test]
    fn many_processes_that_stay_and_few_that_come_and_go_hold_nobody_back() {
        check_from(200, &[(200, Some(0), false); 40]);
        check(&[(64, None, false), (1, None, false), (64, None, false)]);
    }
}
