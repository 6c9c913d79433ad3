//! The machine itself, its limits, the cache and the ports.
//!
//! Lives here: what of these is enough.
//! Does not live here: reading them from the kernel (`machine`).

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use super::report::{Finding, Mark};
use crate::commands::dev::{PORT, SERVICES_PORT};
use crate::machine;

/// The ports of `cloudless dev`, with the options that choose others.
const PORTS: [(u16, &str); 2] = [(PORT, "--port"), (SERVICES_PORT, "--services-port")];
/// Fewer open files than this are few: an instance takes about five, a connection one.
const OPEN_FILES_ENOUGH: u64 = 4_096;
/// Fewer processes and threads than this are few.
const PROCESSES_ENOUGH: u64 = 2_048;
/// Less memory than this is little: an interpreter with an SDK takes a tenth of it.
const MEMORY_ENOUGH_BYTES: u64 = 1 << 30;
/// Files and folders of the cache that are looked at for its size; of a larger one is said that it is larger.
const CACHE_ENTRIES_MAX: usize = 500_000;
/// What is written on trial.
const TRIAL_BYTES: usize = 64 * 1024;

/// System, cores, memory and limits.
pub(super) fn of_machine() -> Vec<Finding> {
    let (system, kernel) = (machine::system(), machine::kernel());
    let architecture = std::env::consts::ARCH;
    let says = format!("{system}, kernel {kernel}, {architecture}");
    let mut findings = vec![
        finding("system", Mark::Ok, says)
            .fact("system", system)
            .fact("kernel", kernel)
            .fact("architecture", architecture),
    ];
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    findings.push(finding("cores", Mark::Ok, cores.to_string()).fact("cores", cores));
    findings.extend(memory());
    findings.push(open_files(machine::open_files()));
    findings.extend(machine::processes().map(processes));
    findings
}

/// The folder of what is installed.
pub(super) fn cache(folder: &Path) -> Finding {
    let shown = folder.display().to_string();
    let of = |mark, says: String| {
        Finding::new("cache", "folder", mark, says).fact("path", shown.clone())
    };
    if let Err(error) = can_write(folder) {
        return of(Mark::Problem, format!("{shown} cannot be written"))
            .because(error.to_string())
            .help("mend its permissions, make room, or choose another place: the variable XDG_CACHE_HOME");
    }
    let (bytes, is_all) = size_of(folder, CACHE_ENTRIES_MAX);
    let more = if is_all { "" } else { "more than " };
    of(Mark::Ok, format!("{shown}, {more}{}", size(bytes)))
        .fact("bytes", bytes)
        .fact("bytes_are_all", is_all)
}

/// One finding for each port that `dev` takes unless it is told another one.
pub(super) fn ports() -> Vec<Finding> {
    PORTS
        .iter()
        .map(|(number, option)| port(*number, option))
        .collect()
}

fn port(number: u16, option: &str) -> Finding {
    let finding = |mark, says| {
        Finding::new("ports", &number.to_string(), mark, says).fact("free", mark == Mark::Ok)
    };
    match TcpListener::bind((Ipv4Addr::LOCALHOST, number)) {
        Ok(_) => finding(Mark::Ok, "is free"),
        Err(error) => {
            let other = number.checked_add(1).unwrap_or(8080);
            finding(Mark::Warning, "cannot be listened on")
                .because(error.to_string())
                .help(format!(
                    "stop whoever uses it, unless that is `cloudless dev`, or choose another: {option} {other}"
                ))
        }
    }
}

fn finding(name: &str, mark: Mark, says: impl Into<String>) -> Finding {
    Finding::new("machine", name, mark, says)
}

fn memory() -> Option<Finding> {
    let (total, available) = machine::memory()?;
    let limit = machine::group_memory().filter(|limit| *limit < total);
    let ours = limit.unwrap_or(total).min(available);
    let limited = limit.map_or_else(String::new, |limit| {
        format!(", {} for this control group", size(limit))
    });
    let says = format!("{}, {} available{limited}", size(total), size(available));
    let mark = if ours < MEMORY_ENOUGH_BYTES {
        Mark::Warning
    } else {
        Mark::Ok
    };
    let finding = finding("memory", mark, says)
        .fact("total_bytes", total)
        .fact("available_bytes", available)
        .fact("group_limit_bytes", limit);
    Some(match mark {
        Mark::Ok => finding,
        Mark::Warning | Mark::Problem => {
            finding.help("functions may be killed for want of memory: end other programs")
        }
    })
}

fn open_files(limit: Option<u64>) -> Finding {
    let says = limit.map_or_else(|| "no limit".to_owned(), |limit| limit.to_string());
    match limit {
        Some(few) if few < OPEN_FILES_ENOUGH => finding("open files", Mark::Warning, says)
            .because("each instance of a function takes about five, each connection one")
            .help("raise the limit: `ulimit -Hn`, or `LimitNOFILE=` of the service"),
        Some(_) | None => finding("open files", Mark::Ok, says),
    }
    .fact("limit", limit)
}

fn processes((limit, who): (u64, &str)) -> Finding {
    let says = format!("at most {limit}, by {who}");
    if limit < PROCESSES_ENOUGH {
        finding("processes", Mark::Warning, says)
            .because("each instance of a function is a process, some with several threads")
            .help("raise that limit")
    } else {
        finding("processes", Mark::Ok, says)
    }
    .fact("limit", limit)
}

fn can_write(folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    let trial = folder.join(format!(".doctor.{}", std::process::id()));
    // An empty file can be made on a full disk, too.
    let written = fs::write(&trial, [0; TRIAL_BYTES]);
    fs::remove_file(&trial)?;
    written
}

/// The sizes of all files below a folder, added up, and whether those are all; links are not followed.
fn size_of(folder: &Path, entries_max: usize) -> (u64, bool) {
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    let (mut entries, mut bytes) = (0, 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entries == entries_max {
                return (bytes, false);
            }
            entries += 1;
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => folders.push(entry.path()),
                Ok(metadata) => bytes += metadata.len(),
                // It has gone meanwhile.
                Err(_) => {}
            }
        }
    }
    (bytes, true)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "sizes are shown with one digit after the point"
)]
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut size = bytes as f64 / 1024.0;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    while 1024.0 <= size {
        let Some(larger) = units.next() else {
            break;
        };
        size /= 1024.0;
        unit = Some(larger);
    }
    format!("{size:.1} {}", unit.copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_no_reason_to_stop() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let number = taken.local_addr().unwrap().port();
        let finding = port(number, "--port");
        assert_eq!(finding.mark, Mark::Warning);
        assert!(finding.help.unwrap().contains("--port "));
    }

    #[test]
    fn low_limits_are_warned_of() {
        assert_eq!(open_files(Some(1_024)).mark, Mark::Warning);
        assert_eq!(open_files(Some(1_048_576)).mark, Mark::Ok);
        assert_eq!(open_files(None).mark, Mark::Ok);
        assert_eq!(processes((100, "somebody")).mark, Mark::Warning);
        assert_eq!(processes((32_768, "somebody")).mark, Mark::Ok);
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_a_problem() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(cache(&folder.path().join("new")).mark, Mark::Ok);
        fs::write(folder.path().join("file"), "12345").unwrap();
        let finding = cache(&folder.path().join("file"));
        assert_eq!(finding.mark, Mark::Problem);
    }

    #[test]
    fn of_a_cache_that_is_too_large_is_said_that_it_is_larger() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("folder")).unwrap();
        fs::write(folder.path().join("folder/file"), "12345").unwrap();
        assert_eq!(size_of(folder.path(), 2), (5, true));
        assert_eq!(size_of(folder.path(), 1), (0, false));
    }

    #[test]
    fn sizes_have_a_unit_that_suits_them() {
        for (bytes, expected) in [
            (0, "0.0 KiB"),
            (1_536, "1.5 KiB"),
            (5 << 20, "5.0 MiB"),
            (3 << 29, "1.5 GiB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
    }
}
