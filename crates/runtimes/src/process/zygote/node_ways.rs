//! How each version of Node.js is started so that it survives being forked.
//!
//! Lives here: one table, which holds what was found by forking each version and checking the forks.
//! Does not live here: the native half that both ways need (`bootstrap`).
//!
//! After a fork V8 still counts on the threads that it had. With `--single-threaded` versions 22 and 24 need none of
//! them. Version 20 hands pieces of a collection to them all the same and waits for the answer, so that a fork hangs in
//! one of its later collections, unless the library that is preloaded has replaced what it waits with.

/// How a base of one version is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::process) struct Way {
    /// V8 is told to do with one thread.
    pub(in crate::process) is_single_threaded: bool,
    /// The native half is loaded before Node.js itself.
    pub(in crate::process) is_preloaded: bool,
}

const PLAIN: Way = Way {
    is_single_threaded: true,
    is_preloaded: false,
};
const PRELOADED: Way = Way {
    is_single_threaded: true,
    is_preloaded: true,
};

/// By major version. What is not here has not been seen to work.
const WAYS: [(u32, Way); 3] = [(20, PRELOADED), (22, PLAIN), (24, PLAIN)];

/// The way of a version as `22.11.0`; or why there is none.
pub(in crate::process) fn way_of(version: &str) -> Result<Way, String> {
    let major = version.split('.').next().unwrap_or_default();
    let major: Option<u32> = major.trim_start_matches('v').parse().ok();
    let known = WAYS.iter().find(|(listed, _)| Some(*listed) == major);
    match known {
        Some((_, way)) if way.is_preloaded && !CAN_PRELOAD => Err(format!(
            "Node.js {version} cannot be forked on this kind of processor"
        )),
        Some((_, way)) => Ok(*way),
        None => Err(format!(
            "it is not known that Node.js {version} can be forked"
        )),
    }
}

/// What is preloaded restores registers of threads, which it knows of one kind of processor.
const CAN_PRELOAD: bool = cfg!(target_arch = "x86_64");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_that_were_seen_to_work_have_a_way_and_no_others() {
        for (version, expected) in [
            ("20.20.2", CAN_PRELOAD.then_some(PRELOADED)),
            ("22.11.0", Some(PLAIN)),
            ("24.0.1", Some(PLAIN)),
            ("18.20.0", None),
            ("23.1.0", None),
            ("240.0.0", None),
            ("", None),
        ] {
            assert_eq!(way_of(version).ok(), expected, "{version}");
        }
    }
}
