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
use std::sync::{Arc, OnceLock};

use common::{Box, places};
use sandbox::{Ending, GroupLimits, Groups, Program, State, Watchdog};

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
    };
    let running = inside
        .sandbox
        .execute(
            &program,
            &common::confinement(),
            &[stdin.into(), null(), null()],
            None,
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
    processor_thousandths: Some(200),
    is_restrained: false,
};

#[test]
fn a_group_keeps_memory_and_processes_and_processor_time() {
    let Some(places) = places() else {
        return;
    };
    let groups = Groups::open(&places).unwrap();
    let inside = Box::new();
    let cases: [(&str, &str, Ending); 6] = [
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
            "what sockets hold",
            "import socket\nheld, sent = socket.create_server(('127.0.0.1', 0)), 0\nkept = []\nfor n in range(100):\n    one = socket.create_connection(held.getsockname()); kept += [one, held.accept()[0]]\n    one.setblocking(False)\n    try:\n        while True: sent += one.send(bytes(1 << 18))\n    except OSError: pass\nexit(sent > 150 << 20)",
            Ending::Status(0),
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
                .memory()
                .and_then(|memory| memory.peak_bytes())
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
        let watch = watchdog.watch(running.process.pid, pidfd, 64 << 20, Arc::default());
        go(ready);
        assert_eq!(running.end.wait(), Some(expected), "{megabytes} MiB");
        assert_eq!(watch.was_killed(), expected == Ending::Signal(9));
    }
}

#[test]
fn children_of_a_process_without_a_group_count_too_and_what_they_share_counts_once() {
    let forks = "import os, time\nheld = bytearray(b'1') * (PARENT << 20)\nfor _ in range(4):\n    if not os.fork():\n        os.setsid()\n        own = bytearray(b'1') * (CHILD << 20)\n        time.sleep(60)\ntime.sleep(3)\nos._exit(3)";
    let watchdog = Watchdog::start().unwrap();
    let inside = Box::new();
    for (parent, child, expected) in [
        ("40", "1", Ending::Status(3)),
        ("1", "40", Ending::Signal(9)),
    ] {
        let code = forks.replace("PARENT", parent).replace("CHILD", child);
        let (running, ready) = parked(&inside, &code);
        let pidfd = running.process.pidfd.try_clone().unwrap();
        let watch = watchdog.watch(running.process.pid, pidfd, 100 << 20, Arc::default());
        go(ready);
        assert_eq!(
            running.end.wait(),
            Some(expected),
            "{parent} MiB, each child {child} MiB"
        );
        assert_eq!(watch.was_killed(), expected == Ending::Signal(9));
        assert!(20 << 20 < watch.peak_bytes());
        inside.sandbox.sweep(running.process.pid).unwrap();
    }
}

#[test]
fn children_of_a_process_in_a_group_count_at_once() {
    let Some(places) = places() else {
        return;
    };
    let groups = Groups::open(&places).unwrap();
    let watchdog = Watchdog::start().unwrap();
    let inside = Box::new();
    // The group has room for files besides.
    let limits = GroupLimits {
        memory_bytes_max: 512 << 20,
        ..LIMITS
    };
    for (what, code, expected) in [
        (
            "children",
            "import os, time\nfor _ in range(4):\n    if not os.fork():\n        own = bytearray(b'1') * (40 << 20)\n        time.sleep(60)\ntime.sleep(3)\nos._exit(3)",
            Ending::Signal(9),
        ),
        (
            "files",
            "import os, time\nfor n in range(14): open(f'/tmp/{n}', 'wb').write(bytes(1 << 20))\nheld = bytearray(b'1') * (60 << 20)\ntime.sleep(1)\nos._exit(3)",
            Ending::Status(3),
        ),
    ] {
        let group = groups.make(what, &limits).unwrap();
        let (running, ready) = parked(&inside, code);
        group.add(running.process.pid).unwrap();
        let pidfd = running.process.pidfd.try_clone().unwrap();
        let memory = group.memory();
        let group = Arc::new(OnceLock::from(group));
        let watch = watchdog.watch(running.process.pid, pidfd, 100 << 20, group.clone());
        go(ready);
        assert_eq!(running.end.wait(), Some(expected), "{what}");
        assert_eq!(watch.was_killed(), expected == Ending::Signal(9), "{what}");
        let peak = memory.unwrap().own_peak_bytes().unwrap();
        assert!(60 << 20 < peak, "{what}: {peak}");
        group.get().unwrap().kill();
        inside.sandbox.sweep(running.process.pid).unwrap();
    }
}

#[test]
fn a_group_that_makes_processes_without_end_is_held_back_until_it_stops() {
    let Some(places) = places() else {
        return;
    };
    let groups = Groups::open(&places).unwrap();
    let watchdog = Watchdog::start().unwrap();
    let inside = Box::new();
    let limits = GroupLimits {
        memory_bytes_max: 512 << 20,
        processes_max: 400,
        processor_thousandths: Some(1_000),
        is_restrained: true,
    };
    let group = groups.make("held", &limits).unwrap();
    // As many as there can be, and more are tried for; then it waits.
    let code = "import os, time\nfor _ in range(500):\n    try:\n        if not os.fork(): time.sleep(60)\n    except OSError: pass\ntime.sleep(60)";
    let (running, ready) = parked(&inside, code);
    group.add(running.process.pid).unwrap();
    let place = std::fs::read_to_string(format!("/proc/{}/cgroup", running.process.pid)).unwrap();
    let place = place.lines().find_map(|line| line.split_once(":cpu:"));
    let quota = format!("/sys/fs/cgroup/cpu{}/cpu.cfs_quota_us", place.unwrap().1);
    let comes_to = |expected: &str| {
        let has_come = || std::fs::read_to_string(&quota).unwrap().trim() == expected;
        (0..1_000).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            has_come()
        })
    };
    let pidfd = running.process.pidfd.try_clone().unwrap();
    let group = Arc::new(OnceLock::from(group));
    let watch = watchdog.watch(running.process.pid, pidfd, 512 << 20, group.clone());
    assert_eq!(std::fs::read_to_string(&quota).unwrap().trim(), "100000");
    go(ready);
    assert!(comes_to("5000"), "it is not held back");
    assert!(watch.was_held_back());
    assert!(comes_to("100000"), "it has not its time again");
    group.get().unwrap().kill();
    assert_eq!(running.end.wait(), Some(Ending::Signal(9)));
}

#[test]
fn a_process_has_as_many_open_files_as_its_limit_says() {
    let inside = Box::new();
    let code = "import os, errno, resource\nopened = []\ntry:\n    while True: opened.append(os.open('/dev/null', os.O_RDONLY))\nexcept OSError as error: code = error.errno\nlisted = len(opened) + 3\nprint(listed, errno.errorcode[code])\ntry: resource.setrlimit(resource.RLIMIT_NOFILE, (2048, 2048)); print('raised')\nexcept (ValueError, OSError): print('not raised')";
    assert_eq!(inside.python(code), "1024 EMFILE\nnot raised");
}

#[test]
fn a_group_of_the_second_version_is_killed_whole_and_taken_away() {
    let root = Path::new("/sys/fs/cgroup/unified");
    if rustix::fs::access(root, rustix::fs::Access::WRITE_OK).is_err() {
        return;
    }
    // Its controllers belong to the first version here: what needs none is seen all the same.
    let groups = Groups::open(&sandbox::Places::below_second(root.to_owned())).unwrap();
    let limits = GroupLimits {
        processor_thousandths: None,
        ..LIMITS
    };
    let group = groups.make("killed", &limits).unwrap();
    let inside = Box::new();
    let (running, ready) = parked(
        &inside,
        "import os, time\nfor _ in range(3): os.fork()\ntime.sleep(0.1)\ntime.sleep(60)",
    );
    group.add(running.process.pid).unwrap();
    go(ready);
    std::thread::sleep(std::time::Duration::from_millis(300));
    group.kill();
    assert_eq!(running.end.wait(), Some(Ending::Signal(9)));
    drop(group);
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

#[test]
fn all_of_it_holds_for_an_ordinary_user_too() {
    common::again_as_an_ordinary_user("all_of_it_holds_for_an_ordinary_user_too");
}
