//! What a process inside sees of the machine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

mod common;

use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;

use common::{Box, listen};
use sandbox::{Ending, EntryError, Shown, SocketKind};

#[test]
fn a_program_runs_inside_and_its_end_is_told() {
    let inside = Box::new();
    let (ending, text) = inside.run("/bin/sh", &["-c", "echo $$; id -u; hostname; pwd; exit 7"]);
    assert_eq!(ending, Some(Ending::Status(7)));
    assert!(
        text.ends_with("1000\nsandbox-under-test\n/var/task\n"),
        "{text}"
    );
    let (ending, _) = inside.run("/bin/sh", &["-c", "kill -9 $$"]);
    assert_eq!(ending, Some(Ending::Signal(9)));
}

#[test]
fn a_listener_inside_is_served_from_outside() {
    let mut inside = Box::new();
    let socket = inside
        .sandbox
        .take_listener(listen("127.0.0.1:4566", SocketKind::Stream))
        .unwrap();
    let listener = std::net::TcpListener::from(socket);
    listener.set_nonblocking(false).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = [0; 4];
        stream.read_exact(&mut asked).unwrap();
        stream.write_all(b"pong").unwrap();
        asked
    });
    let text = inside.python("import socket; s = socket.create_connection(('127.0.0.1', 4566), 5); s.sendall(b'ping'); print(s.recv(4))");
    assert_eq!(text, "b'pong'");
    assert_eq!(&server.join().unwrap(), b"ping");
}

#[test]
fn only_the_parts_that_are_shown_are_there() {
    let inside = Box::new();
    let text = inside.python(
        "import os; print(sorted(os.listdir('/')), sorted(os.listdir('/dev')), os.listdir('/opt'))",
    );
    assert!(!text.contains("root"), "{text}");
    assert!(!text.contains("home"), "{text}");
    assert!(
        text.contains(
            "'fd', 'full', 'null', 'random', 'stderr', 'stdin', 'stdout', 'urandom', 'zero'"
        ),
        "{text}"
    );
    let text = inside.python("import os; print([n for n in os.listdir('/proc') if n.isdigit()][0], open('/proc/1/comm').read().strip())");
    assert_eq!(text, "1 sandbox-nanny");
}

#[test]
fn nothing_but_tmp_can_be_written() {
    let inside = Box::new();
    let code = "
import os
for path in ('/x', '/etc/x', '/usr/x', '/var/task/x', '/instance/x', '/dev/x', '/proc/self/oom_score_adj', '/proc/sys/kernel/core_pattern', '/tmp/x'):
    try:
        open(path, 'w').write('1'); print(path, 'written')
    except OSError as error:
        pass
";
    assert_eq!(inside.python(code), "/tmp/x written");
}

#[test]
fn every_sandbox_has_a_tmp_of_its_own_and_no_more_of_it_than_planned() {
    let code = "
import os
print(os.listdir('/tmp'))
open('/tmp/mine', 'w').write('x')
n = 0
try:
    with open('/tmp/big', 'wb', buffering=0) as file:
        while True:
            n += file.write(bytes(1 << 20))
except OSError as error:
    print(error.strerror, 14 << 20 < n <= 16 << 20)
";
    for _ in 0..2 {
        assert_eq!(Box::new().python(code), "[]\nNo space left on device True");
    }
}

#[test]
fn a_program_that_is_not_there_is_an_error() {
    let inside = Box::new();
    let program = sandbox::Program {
        path: "/usr/bin/nothing-of-this-name".into(),
        arguments: vec!["nothing".into()],
        variables: Vec::new(),
        directory: "/".into(),
    };
    let null = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    let error = inside
        .sandbox
        .execute(&program, &common::confinement(), &[null], None)
        .unwrap_err();
    let EntryError::Execute(source) = error else {
        panic!("{error}");
    };
    assert_eq!(source.kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn a_file_that_is_no_program_is_an_error() {
    let inside = Box::new();
    let program = sandbox::Program {
        path: "/etc/hosts".into(),
        arguments: vec!["hosts".into()],
        variables: Vec::new(),
        directory: "/".into(),
    };
    let null = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    let error = inside
        .sandbox
        .execute(&program, &common::confinement(), &[null], None)
        .unwrap_err();
    let EntryError::Execute(source) = error else {
        panic!("{error}");
    };
    assert_eq!(source.kind(), std::io::ErrorKind::PermissionDenied);
}

#[test]
fn programs_see_one_tmp_and_one_another() {
    let inside = Box::new();
    let run = |code: &str| {
        let (mut output, theirs) = std::io::pipe().unwrap();
        let null = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        let program = sandbox::Program {
            path: "/bin/sh".into(),
            arguments: ["sh", "-c", code].map(Into::into).into(),
            variables: vec!["PATH=/usr/bin:/bin".into()],
            directory: "/".into(),
        };
        let descriptors = [null(), theirs.into(), null()];
        let running = inside
            .sandbox
            .execute(&program, &common::confinement(), &descriptors, None)
            .unwrap();
        drop(descriptors);
        let mut text = String::new();
        output.read_to_string(&mut text).unwrap();
        (running.end.wait(), text)
    };
    // What it leaves running writes nowhere, so that its output ends.
    let first = "sleep 600 >/dev/null 2>&1 & echo $! >/tmp/other";
    assert_eq!(run(first).0, Some(Ending::Status(0)));
    let second = "cat /proc/$(cat /tmp/other)/comm; grep CapEff /proc/self/status";
    let (_, text) = run(second);
    assert_eq!(text, "sleep\nCapEff:\t0000000000000000\n");
}

#[test]
fn what_lies_in_tmp_outside_is_seen_there_and_nothing_else_of_it() {
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    std::fs::create_dir(folder.path().join("shown")).unwrap();
    std::fs::write(folder.path().join("shown/text"), "tea").unwrap();
    std::fs::write(folder.path().join("alone"), "cake").unwrap();
    std::fs::write(folder.path().join("hidden"), "secret").unwrap();
    let mut plan = common::plan();
    plan.shown
        .push(Shown::in_place(folder.path().join("shown")));
    plan.shown
        .push(Shown::in_place(folder.path().join("alone")));
    let inside = Box::with(plan);
    let at = folder.path().display();
    let code = format!(
        "cat {at}/shown/text {at}/alone; ls {at} | tr '\\n' ' '; \
         (echo x >{at}/shown/text) 2>/dev/null || echo read-only; \
         rm -r {at} 2>/dev/null || echo kept; echo y >/tmp/own; ls /tmp | wc -l"
    );
    for _ in 0..2 {
        let (ending, text) = inside.run("/bin/sh", &["-c", &code]);
        assert_eq!(ending, Some(Ending::Status(0)));
        assert_eq!(text, "teacakealone shown read-only\nkept\n1\n");
    }
}

#[test]
fn pipes_with_names_are_made_and_devices_are_not() {
    let inside = Box::new();
    let code = "import os, stat, threading\n\
                os.mkfifo('/tmp/pipe')\n\
                threading.Thread(target=lambda: open('/tmp/pipe', 'w').write('tea')).start()\n\
                print(open('/tmp/pipe').read())\n\
                for kind in (stat.S_IFCHR, stat.S_IFBLK):\n    \
                    try: os.mknod('/tmp/device', kind | 0o600, os.makedev(1, 3)); print('made')\n    \
                    except PermissionError: print('refused')\n";
    assert_eq!(inside.python(code), "tea\nrefused\nrefused");
}

#[test]
fn nothing_is_left_when_a_sandbox_is_dropped() {
    let inside = Box::new();
    let null = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    let program = sandbox::Program {
        path: "/bin/sh".into(),
        arguments: [
            "sh",
            "-c",
            "(setsid sleep 600 &) ; trap '' TERM INT HUP; sleep 600",
        ]
        .map(Into::into)
        .into(),
        variables: vec!["PATH=/usr/bin:/bin".into()],
        directory: "/".into(),
    };
    let running = inside
        .sandbox
        .execute(
            &program,
            &common::confinement(),
            &[null(), null(), null()],
            None,
        )
        .unwrap();
    drop(inside.sandbox);
    assert_eq!(running.end.wait(), None);
    let mut ready = [rustix::event::PollFd::new(
        &running.process.pidfd,
        rustix::event::PollFlags::IN,
    )];
    rustix::event::poll(
        &mut ready,
        Some(&rustix::event::Timespec {
            tv_sec: 5,
            tv_nsec: 0,
        }),
    )
    .unwrap();
    assert!(!ready[0].revents().is_empty());
}

#[test]
fn all_of_it_holds_for_an_ordinary_user_too() {
    common::again_as_an_ordinary_user("all_of_it_holds_for_an_ordinary_user_too");
}
