//! What goes wrong on the way to a sandbox: it is whole or not there, and nothing of it is left behind.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed"
)]

mod common;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::Box;
use sandbox::{Ending, Maker, MakerProgram, Program, Supervision};

/// Processes whose command line holds a mark.
fn marked(mark: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let pid = entry.file_name().to_string_lossy().into_owned();
        if pid == std::process::id().to_string()
            || !pid.starts_with(|first: char| first.is_ascii_digit())
        {
            continue;
        }
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&line).contains(mark) {
            found.push(pid);
        }
    }
    found
}

fn all_gone(mark: &str) -> bool {
    for _ in 0..200 {
        if marked(mark).is_empty() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

fn mounts() -> String {
    std::fs::read_to_string("/proc/self/mountinfo").unwrap()
}

/// When a sandbox is made.
#[derive(Clone, Copy, Debug)]
enum When {
    Needed,
    /// What it is for is said afterwards.
    Ahead,
}

/// Makes a sandbox and runs a program in it, by a maker for which a call fails.
fn attempt(program: &MakerProgram, when: When) -> Result<String, String> {
    let chain = |error: &dyn std::error::Error| match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    let supervision = Supervision::start().unwrap();
    let maker = Maker::start(program).map_err(|error| chain(&error))?;
    let sandbox = match when {
        When::Needed => maker
            .make(common::plan(), &supervision)
            .map_err(|error| chain(&error))?,
        When::Ahead => {
            let plan = common::plan();
            let empty = sandbox::Plan {
                shown: Vec::new(),
                ..plan.clone()
            };
            let spare = maker.make_spare(empty, &supervision);
            let spare = spare.map_err(|error| chain(&error))?;
            let furnished = spare.furnish(plan.shown, plan.tmp_bytes_max);
            furnished.map_err(|error| chain(&error))?
        }
    };
    let (mut output, theirs) = std::io::pipe().unwrap();
    let null = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    let code = "ls / | tr '\\n' ' '; echo >/tmp/x && echo >/x || echo read-only; cat /proc/self/status | grep -E 'CapEff|NoNewPrivs|Seccomp:|Groups' | tr '\\n\\t' '  '";
    let inside = Program {
        path: "/bin/sh".into(),
        arguments: ["sh", "-c", code].map(OsString::from).into(),
        variables: vec!["PATH=/usr/bin:/bin".into()],
        directory: "/".into(),
    };
    let running = sandbox
        .execute(
            &inside,
            &common::confinement(),
            &[null(), theirs.into(), null()],
            None,
        )
        .map_err(|error| chain(&error))?;
    let mut text = String::new();
    std::io::Read::read_to_string(&mut output, &mut text).unwrap();
    match running.end.wait() {
        Some(Ending::Status(0)) => Ok(text),
        other => Err(format!("{other:?} {text}")),
    }
}

fn calls() -> BTreeMap<&'static str, i64> {
    BTreeMap::from([
        ("bind", libc::SYS_bind),
        ("capset", libc::SYS_capset),
        ("chdir", libc::SYS_chdir),
        ("chmod", libc::SYS_chmod),
        ("clone", libc::SYS_clone),
        ("clone3", libc::SYS_clone3),
        ("close_range", libc::SYS_close_range),
        ("dup2", libc::SYS_dup2),
        ("fcntl", libc::SYS_fcntl),
        ("fsconfig", libc::SYS_fsconfig),
        ("fsmount", libc::SYS_fsmount),
        ("fsopen", libc::SYS_fsopen),
        ("landlock_add_rule", libc::SYS_landlock_add_rule),
        ("landlock_create_ruleset", libc::SYS_landlock_create_ruleset),
        ("landlock_restrict_self", libc::SYS_landlock_restrict_self),
        ("listen", libc::SYS_listen),
        ("mkdir", libc::SYS_mkdir),
        ("mount", libc::SYS_mount),
        ("mount_setattr", libc::SYS_mount_setattr),
        ("move_mount", libc::SYS_move_mount),
        ("open_tree", libc::SYS_open_tree),
        ("pipe2", libc::SYS_pipe2),
        ("pivot_root", libc::SYS_pivot_root),
        ("poll", libc::SYS_poll),
        ("prctl", libc::SYS_prctl),
        ("prlimit64", libc::SYS_prlimit64),
        ("recvmsg", libc::SYS_recvmsg),
        ("seccomp", libc::SYS_seccomp),
        ("sendmsg", libc::SYS_sendmsg),
        ("sendto", libc::SYS_sendto),
        ("setgroups", libc::SYS_setgroups),
        ("sethostname", libc::SYS_sethostname),
        ("setns", libc::SYS_setns),
        ("setresgid", libc::SYS_setresgid),
        ("setresuid", libc::SYS_setresuid),
        ("setsid", libc::SYS_setsid),
        ("setsockopt", libc::SYS_setsockopt),
        ("signalfd4", libc::SYS_signalfd4),
        ("socket", libc::SYS_socket),
        ("symlink", libc::SYS_symlink),
        ("umount2", libc::SYS_umount2),
        ("unshare", libc::SYS_unshare),
        ("write", libc::SYS_write),
    ])
}

#[test]
fn a_call_that_fails_leaves_no_half_of_a_sandbox() {
    for when in [When::Needed, When::Ahead] {
        every_call_fails_once(when);
    }
}

fn every_call_fails_once(when: When) {
    let before = mounts();
    let program = MakerProgram {
        path: common::built("maker"),
        arguments: Vec::new(),
    };
    let whole = attempt(&program, when).unwrap();
    assert!(
        whole.contains("read-only")
            && whole.contains("CapEff: 0000000000000000")
            && whole.contains("Seccomp: 2"),
        "{whole}"
    );
    for (name, number) in calls() {
        for error in [libc::EAGAIN, libc::ENOMEM, libc::ENOSPC] {
            let mark = format!("fault-{name}-{error}-{}", std::process::id());
            let refuse = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/refuse.py");
            let arguments = [
                refuse.into(),
                number.to_string().into(),
                error.to_string().into(),
                common::built("maker").into(),
                OsString::from(&mark),
            ];
            let program = MakerProgram {
                path: "/usr/bin/python3".into(),
                arguments: arguments.into(),
            };
            let made = attempt(&program, when);
            println!("{when:?} {name:24} {error:3} {made:?}");
            let failed = made.unwrap_or_else(|error| error);
            assert!(
                !failed.contains("CapEff") || failed == whole,
                "half a sandbox for want of {name}: {failed}"
            );
            assert!(all_gone(&mark), "left after {name}: {:?}", marked(&mark));
        }
    }
    assert_eq!(mounts(), before);
}

#[test]
fn a_maker_that_was_killed_is_started_anew_for_the_next_sandbox() {
    let mark = format!("killed-maker-{}", std::process::id());
    let program = MakerProgram {
        path: common::built("maker"),
        arguments: vec![mark.clone().into()],
    };
    let supervision = Supervision::start().unwrap();
    let maker = Maker::start(&program).unwrap();
    for _ in 0..2 {
        let sandbox = maker.make(common::plan(), &supervision).unwrap();
        let is_maker = |pid: &String| {
            let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
            name.is_ok_and(|name| name.trim() == "sandbox-maker")
        };
        let pid = marked(&mark).into_iter().find(is_maker).unwrap();
        let killed = Command::new("kill").args(["-9", &pid]).status();
        assert!(killed.unwrap().success());
        assert!(all_gone(&mark), "left: {:?}", marked(&mark));
        drop(sandbox);
    }
    maker.make(common::plan(), &supervision).unwrap();
    drop(maker);
    assert!(all_gone(&mark), "left: {:?}", marked(&mark));
}

#[test]
#[ignore = "the supervisor that the next test kills"]
fn holds_a_sandbox() {
    let inside = Box::new();
    let null = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    let mark = std::env::var("MARK").unwrap();
    let code = format!(
        "trap '' TERM INT HUP; setsid sh -c 'sleep 600; : {mark}' & (setsid sh -c 'sleep 600; : {mark}' &) ; sleep 600; : {mark}"
    );
    let program = Program {
        path: "/bin/sh".into(),
        arguments: ["sh", "-c", &code].map(OsString::from).into(),
        variables: vec!["PATH=/usr/bin:/bin".into()],
        directory: "/".into(),
    };
    let _running = inside
        .sandbox
        .execute(
            &program,
            &common::confinement(),
            &[null(), null(), null()],
            None,
        )
        .unwrap();
    println!("\nholding");
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn nothing_is_left_when_we_are_killed() {
    let before = mounts();
    for round in 0..3 {
        let mark = format!("mark-{}-{round}", std::process::id());
        let mut supervisor = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "holds_a_sandbox", "--ignored", "--nocapture"])
            .env("MARK", &mark)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(supervisor.stdout.take().unwrap()).lines();
        assert!(lines.map_while(Result::ok).any(|line| line == "holding"));
        while marked(&mark).len() < 3 {
            std::thread::sleep(Duration::from_millis(10));
        }
        supervisor.kill().unwrap();
        supervisor.wait().unwrap();
        assert!(all_gone(&mark), "{:?}", marked(&mark));
    }
    assert_eq!(mounts(), before);
}

#[test]
fn all_of_it_holds_for_an_ordinary_user_too() {
    common::again_as_an_ordinary_user("all_of_it_holds_for_an_ordinary_user_too");
}
