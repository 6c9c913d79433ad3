//! A child of a zygote, found by the number that it has where the zygote is.
//!
//! Lives here: looking for it among the zygote's children.
//! Does not live here: who believes it (`control`).

use std::fs;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// Children that are looked at: a template has so many processes at most.
const CHILDREN_MAX: usize = 64 * 1_024;

/// The child that knows itself by this number. The zygote's word decides which of its own children that is, and no more.
pub(super) fn child(zygote: Pid, named: u32) -> Option<OwnedFd> {
    let tasks = format!("/proc/{}/task", zygote.as_raw_nonzero());
    let lists = fs::read_dir(tasks).ok()?.flatten();
    let lists = lists.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let numbers: Vec<i32> = lists
        .flat_map(|list| numbers_in(&list))
        .take(CHILDREN_MAX)
        .collect();
    numbers.into_iter().find_map(|number| {
        let pidfd = pidfd_open(Pid::from_raw(number)?, PidfdFlags::empty()).ok()?;
        // Looked at after it is held: the number is its own as long as it is there.
        (innermost_number(number)? == named).then_some(pidfd)
    })
}

fn numbers_in(list: &str) -> Vec<i32> {
    let words = list.split_whitespace();
    words.filter_map(|word| word.parse().ok()).collect()
}

fn innermost_number(process: i32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("NSpid:"))?;
    line.split_whitespace().last()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use rustix::process::getpid;

    use super::*;

    #[test]
    fn a_child_is_found_by_its_number_and_a_stranger_is_not() {
        let mut sleeping = std::process::Command::new("sleep")
            .arg("30")
            .spawn()
            .unwrap();
        let found = child(getpid(), sleeping.id());
        assert!(found.is_some());
        let stranger = getpid().as_raw_nonzero().get().unsigned_abs();
        assert!(child(getpid(), stranger).is_none());
        assert!(child(getpid(), 1).is_none());
        sleeping.kill().unwrap();
        sleeping.wait().unwrap();
    }
}
