//! How each version of Node.js is started so that it survives being forked.
//!
//! Lives here: one table, which holds what was found by forking each version and checking the forks.
//! Does not live here: the native half that both ways need (`bootstrap`).
//!
//! After a fork V8 still counts on the threads that it had. Told to do with one thread, as all are, versions 22 and 24
//! need none of them. Versions 18 and 20 hand pieces of a collection to them all the same and wait for the
//! answer, so that a fork hangs in one of its later collections, unless the library that is preloaded has replaced what
//! it waits with.

/// How a base of one version is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::process) enum Way {
    /// With one thread, and nothing else.
    Plain,
    /// The native half is loaded before Node.js itself.
    Preloaded,
}

/// By major version. What is not here has not been seen to work.
const WAYS: [(u32, Way); 4] = [
    (18, Way::Preloaded),
    (20, Way::Preloaded),
    (22, Way::Plain),
    (24, Way::Plain),
];

/// The way of a version as `22.11.0`; or why there is none.
pub(in crate::process) fn way_of(version: &str) -> Result<Way, String> {
    let major = version.split('.').next().unwrap_or_default();
    let major: Option<u32> = major.trim_start_matches('v').parse().ok();
    let known = WAYS.iter().find(|(listed, _)| Some(*listed) == major);
    match known {
        Some((_, Way::Preloaded)) if !CAN_PRELOAD => Err(format!(
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
        let preloaded = CAN_PRELOAD.then_some(Way::Preloaded);
        for (version, expected) in [
            ("18.20.8", preloaded),
            ("20.20.2", preloaded),
            ("22.11.0", Some(Way::Plain)),
            ("24.0.1", Some(Way::Plain)),
            // Works, but leaves a descriptor of OpenSSL's open to programs that a function starts.
            ("16.20.2", None),
            ("23.1.0", None),
            ("240.0.0", None),
            ("", None),
        ] {
            assert_eq!(way_of(version).ok(), expected, "{version}");
        }
    }
}
