//! Descriptors that a fork has in common with the process that it was forked from.
//!
//! Lives here: giving the fork its own of each kind that Node.js holds.
//! Does not live here: which fork needs that: one that enters a sandbox (`child`); the event loop, which makes its own
//! anew (`event_loop`).
//!
//! Besides its event loop Node.js has others, for threads of its own, each with a poller, a counter and a pipe. Whoever
//! could write into those of a base would speak to all that is forked from it.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::fd::{OwnedFd, RawFd};

use crate::system;

/// Standard streams and the channel: whoever forks gave them to the fork.
const OWN_MAX: RawFd = 3;
const PIPE: &str = "pipe:[";
const O_ACCMODE: i32 = 0o3;
const O_WRONLY: i32 = 0o1;

/// Puts something of the fork's own in the place of everything that is shared, `kept` aside. What is of no known kind is
/// closed.
pub(crate) fn part_shared(kept: &[RawFd]) -> io::Result<()> {
    // libuv has made some of its pipes anew at the fork, with something in them.
    let of_parent = pipes_of(system::parent_pid())?;
    let mut pipes: HashMap<String, [OwnedFd; 2]> = HashMap::new();
    let mut pollers = Vec::new();
    for descriptor in numbers()? {
        if descriptor <= OWN_MAX || kept.contains(&descriptor) {
            continue;
        }
        // The listing itself has held one more.
        let Ok(target) = fs::read_link(format!("/proc/self/fd/{descriptor}")) else {
            continue;
        };
        let what = target.to_string_lossy().into_owned();
        if what == "anon_inode:[eventfd]" {
            system::replace_private(descriptor, &system::event_counter()?)?;
        } else if what == "anon_inode:[eventpoll]" {
            pollers.push(descriptor);
        } else if what.starts_with(PIPE) {
            if !of_parent.contains(&what) {
                continue;
            }
            let is_writing = flags(descriptor)? & O_ACCMODE == O_WRONLY;
            if !pipes.contains_key(&what) {
                pipes.insert(what.clone(), system::pipe()?);
            }
            if let Some([reading, writing]) = pipes.get(&what) {
                let end = if is_writing { writing } else { reading };
                system::replace_private(descriptor, end)?;
            }
        } else if what != "/dev/null" {
            system::close_number(descriptor);
        }
    }
    // Last: what they wait for is by now in its place.
    for descriptor in pollers {
        let waited_for = waited_for(&description(descriptor)?);
        system::replace_private(descriptor, &system::poller()?)?;
        for Waited {
            descriptor: of,
            events,
            data,
        } in waited_for
        {
            // One that was closed is waited for no more.
            let _ = system::wait_for_events(descriptor, of, events, data);
        }
    }
    Ok(())
}

fn pipes_of(process: i32) -> io::Result<HashSet<String>> {
    let mut pipes = HashSet::new();
    for entry in fs::read_dir(format!("/proc/{process}/fd"))? {
        // One that was closed meanwhile is none.
        let Ok(target) = fs::read_link(entry?.path()) else {
            continue;
        };
        let what = target.to_string_lossy().into_owned();
        if what.starts_with(PIPE) {
            pipes.insert(what);
        }
    }
    Ok(pipes)
}

fn numbers() -> io::Result<Vec<RawFd>> {
    let entries = fs::read_dir("/proc/self/fd")?;
    let names = entries.map(|entry| entry.map(|entry| entry.file_name()));
    let numbers = names.map(|name| Ok(name?.to_str().and_then(|name| name.parse().ok())));
    let numbers: io::Result<Vec<Option<RawFd>>> = numbers.collect();
    Ok(numbers?.into_iter().flatten().collect())
}

fn description(descriptor: RawFd) -> io::Result<String> {
    fs::read_to_string(format!("/proc/self/fdinfo/{descriptor}"))
}

fn flags(descriptor: RawFd) -> io::Result<i32> {
    let text = description(descriptor)?;
    let line = text.lines().find_map(|line| line.strip_prefix("flags:"));
    line.and_then(|flags| i32::from_str_radix(flags.trim(), 8).ok())
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

#[derive(Debug, PartialEq, Eq)]
struct Waited {
    descriptor: RawFd,
    events: u32,
    data: u64,
}

/// From lines such as `tfd:       13 events:       19 data: d  pos:0 ino:1 sdev:e`.
fn waited_for(description: &str) -> Vec<Waited> {
    let read = |line: &str| {
        let mut words = line.strip_prefix("tfd:")?.split_whitespace();
        let descriptor = words.next()?.parse().ok()?;
        let events = u32::from_str_radix(words.nth(1)?, 16).ok()?;
        let data = u64::from_str_radix(words.nth(1)?, 16).ok()?;
        Some(Waited {
            descriptor,
            events,
            data,
        })
    };
    description.lines().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_poller_waits_for_is_read_from_its_description() {
        let text = "pos:\t0\nflags:\t02000002\ntfd:       13 events:       19 data:                d  pos:0 ino:1 sdev:e\n";
        let expected = Waited {
            descriptor: 13,
            events: 0x19,
            data: 0xd,
        };
        assert_eq!(waited_for(text), [expected]);
    }
}
