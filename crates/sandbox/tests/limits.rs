//! What a process inside can take of the machine, and what a machine can limit.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod common;

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::Path;

use common::Box;
use sandbox::{Ending, GroupLimits, Groups, Places, Program, State, Watchdog};

/// Groups of the tests' own: those of the first version at their roots, where they can be had.
fn places() -> Option<Places> {
    let folders = ["memory", "pids", "cpu"].map(|name| Path::new("/sys/fs/cgroup").join(name));
    let may = folders
        .iter()
        .all(|folder| rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok());
    let [memory, processes, processor] = folders;
    may.then(|| Places::below(memory, processes, processor))
}

/// A program that waits for a line before it does anything.
fn parked(inside: &Box, code: &str) -> (sandbox::Running, std::io::PipeWriter) {
    let (stdin, go) = std::io::pipe().unwrap();
    let null = || {
        OwnedFd::from(
            std::fs::File::options()
                .write(true)
                .open("/dev/null")
                .unwrap(),
        )
    };
    let code = format!("import sys; sys.stdin.readline()\n{code}");
    let program = Program {
        path: "/usr/bin/python3".into(),
        arguments: ["python3", "-c", &code].map(OsString::from).into(),
        variables: vec!["PATH=/usr/bin".into()],
        directory: "/tmp".into(),
        home: sandbox::Home::Own,
    };
    let running = inside
        .sandbox
        .execute(
            &program,
            &common::confinement(),
            &[stdin.into(), null(), null()],
        )
        .unwrap();
    (running, go)
}

fn go(mut parked: std::io::PipeWriter) {
    std::io::Write::write_all(&mut parked, b"go\n").unwrap();
}

const LIMITS: GroupLimits = GroupLimits {
    memory_bytes_max: 64 << 20,
    processes_max: 20,
    processor_thousandths: 200,
};

#[test]
fn a_group_keeps_memory_and_processes_and_processor_time() {
    let Some(places) = places() else {
        return;
    };
    let groups = Groups::open(&places).unwrap();
    let inside = Box::new();
    let cases: [(&str, &str, Ending); 5] = [
        (
            "memory below the limit",
            "x = bytearray(30 << 20); exit(3)",
            Ending::Status(3),
        ),
        (
            "memory above the limit",
            "x = bytearray(200 << 20); exit(3)",
            Ending::Signal(9),
        ),
        (
            "files in memory count",
            "open('/tmp/x', 'wb').write(bytes(10 << 20)); x = bytearray(60 << 20); exit(3)",
            Ending::Signal(9),
        ),
        (
            "a fork bomb",
            "import os, time\ntry:\n    for n in range(100):\n        if not os.fork(): time.sleep(60)\nexcept OSError: exit(n)",
            Ending::Status(19),
        ),
        (
            "processor time",
            "import time\nstart = time.monotonic()\nwhile time.process_time() < 0.2: pass\nexit(time.monotonic() - start > 0.6)",
            Ending::Status(1),
        ),
    ];
    for (index, (what, code, expected)) in cases.into_iter().enumerate() {
        let group = groups.make(&index.to_string(), &LIMITS).unwrap();
        let (running, ready) = parked(&inside, code);
        group.add(running.process.pid).unwrap();
        go(ready);
        assert_eq!(running.end.wait(), Some(expected), "{what}");
        assert_eq!(
            group.was_out_of_memory(),
            expected == Ending::Signal(9),
            "{what}"
        );
        assert!(
            group
                .memory_peak_bytes()
                .is_some_and(|peak| 0 < peak && peak <= 64 << 20),
            "{what}"
        );
        group.kill();
    }
}

#[test]
fn nothing_is_left_of_a_group() {
    let Some(places) = places() else {
        return;
    };
    let find = || {
        let entries = std::fs::read_dir("/sys/fs/cgroup/pids").unwrap().flatten();
        entries
            .map(|entry| entry.path().join("left"))
            .find(|path| path.is_dir())
    };
    let groups = Groups::open(&places).unwrap();
    let group = groups.make("left", &LIMITS).unwrap();
    let path = find().unwrap();
    drop(group);
    assert!(!path.exists());
}

#[test]
fn without_groups_a_watchdog_ends_what_takes_too_much() {
    let watchdog = Watchdog::start().unwrap();
    let inside = Box::new();
    for (megabytes, expected) in [(20, Ending::Status(3)), (200, Ending::Signal(9))] {
        let code = format!(
            "import time; x = bytearray(b'1') * ({megabytes} << 20); time.sleep(0.5); exit(3)"
        );
        let (running, ready) = parked(&inside, &code);
        let pidfd = running.process.pidfd.try_clone().unwrap();
        let watch = watchdog.watch(running.process.pid, pidfd, 64 << 20);
        go(ready);
        assert_eq!(running.end.wait(), Some(expected), "{megabytes} MiB");
        assert_eq!(watch.was_killed(), expected == Ending::Signal(9));
    }
}

#[test]
fn a_machine_is_told_what_it_can_do() {
    let program = sandbox::MakerProgram {
        path: common::built("maker"),
        arguments: Vec::new(),
    };
    let abilities = sandbox::look(&program);
    assert!(abilities.has_walls(), "{abilities:#?}");
    let nothing = sandbox::MakerProgram {
        path: "/nothing".into(),
        arguments: Vec::new(),
    };
    let abilities = sandbox::look(&nothing);
    assert!(
        matches!(&abilities.list[0].state, State::Missing(why) if why.contains("could not be started")),
        "{abilities:#?}"
    );
}
