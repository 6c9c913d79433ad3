//! `cloudless.toml`, as its author meets it.
//!
//! Lives here: what settings do in a running server, what is said of wrong ones, functions that are not forked.
//! Does not live here: each mistake that can be made (`settings::reading`).

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and measure real time"
)]

mod support;

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use support::{Dev, eventually, project, run, text, try_request};

const MANIFEST: &str = "
service: app
provider: { name: aws, runtime: python3.11 }
functions:
  another: { handler: handler.who }
  who-am-i:
    handler: handler.who
    events:
      - httpApi: GET /who
";
const HANDLER: &str = "
import os, time
def who(event, context):
    time.sleep(float((event.get('queryStringParameters') or {}).get('sleep', 0)))
    return {'pid': os.getpid(), 'parent': os.getppid()}
";
/// The same, with something left behind by its init.
const WITH_SOCKET: &str = "
import os, socket
left_open = socket.socket()
def who(event, context):
    return {'pid': os.getpid(), 'parent': os.getppid()}
";

fn write(folder: &Path, settings: &str) {
    std::fs::write(folder.join("cloudless.toml"), settings).unwrap();
}

fn problems_of(folder: &Path, arguments: &[&str]) -> (Option<i32>, Vec<Value>) {
    let output = run(&[&["check", "--json"], arguments].concat(), folder);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let problems = report["problems"].as_array().unwrap().clone();
    (output.status.code(), problems)
}

/// Codes of problems, but for what the interpreters of this machine lead to.
fn codes(problems: &[Value]) -> Vec<&str> {
    let codes = problems.iter().map(|it| it["code"].as_str().unwrap());
    codes.filter(|code| !code.starts_with("build::")).collect()
}

/// The statuses of three requests at the same time, the lowest first.
fn at_once(dev: &Dev, path: &str) -> Vec<u16> {
    let port = dev.port;
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..3)
            .map(|_| scope.spawn(move || try_request(port, "GET", path, &[], b"")))
            .collect();
        let replies = asked.into_iter().map(|reply| reply.join().unwrap());
        let mut statuses: Vec<u16> = replies.map(|reply| reply.unwrap().status).collect();
        statuses.sort_unstable();
        statuses
    })
}

#[test]
fn check_names_what_is_wrong_in_the_settings_with_its_place_and_remedy() {
    let folder = project(&[("serverless.yml", MANIFEST), ("handler.py", HANDLER)]);
    write(
        folder.path(),
        "[functions.who-am-l]\nstarts = 'spawned'\n[limit]\n",
    );
    let output = run(&["check"], folder.path());
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stdout);
    for expected in [
        "error[settings::unknown-function]: no function is called `who-am-l`",
        "--> cloudless.toml:1:12",
        "help: did you mean `who-am-i`?",
        "error[settings::unknown-key]: `limit` is not a key of `cloudless.toml`",
        "--> cloudless.toml:3:2",
        "help: did you mean `limits`?",
    ] {
        assert!(said.contains(expected), "`{expected}` is not in:\n{said}");
    }
    let (_, problems) = problems_of(folder.path(), &[]);
    assert_eq!(
        codes(&problems),
        ["settings::unknown-key", "settings::unknown-function"]
    );
}

#[test]
fn one_port_for_both_listeners_is_refused_by_check_and_by_the_server() {
    let folder = project(&[("serverless.yml", MANIFEST), ("handler.py", HANDLER)]);
    write(folder.path(), "[server]\nport = 4566\n");
    let (code, problems) = problems_of(folder.path(), &[]);
    assert_eq!((code, codes(&problems)), (Some(1), vec!["server::port"]));
    for arguments in [
        &["dev"][..],
        &["dev", "--port", "4600", "--services-port", "4600"][..],
    ] {
        let output = run(arguments, folder.path());
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.contains("for both the application's APIs and the cloud services"),
            "{said}"
        );
    }
}

#[test]
fn a_function_named_twice_is_pointed_out() {
    let folder = project(&[("serverless.yml", MANIFEST), ("handler.py", HANDLER)]);
    write(
        folder.path(),
        "[functions.app-dev-who-am-i]\n[functions.who-am-i]\n",
    );
    let (_, problems) = problems_of(folder.path(), &[]);
    assert_eq!(codes(&problems), ["settings::function-twice"]);
}

#[test]
fn how_a_function_starts_can_be_set_and_changes_with_the_file() {
    let folder = project(&[("serverless.yml", MANIFEST), ("handler.py", HANDLER)]);
    write(folder.path(), "[functions.who-am-i]\nstarts = 'spawned'\n");
    let dev = Dev::start(folder.path(), &folder.path().join("state"));
    let is_spawned = || {
        // A child of the first process of its sandbox, or where there are none, of the server.
        let parent = dev.get("/who").json()["parent"].as_u64().unwrap();
        parent == 1 || parent == u64::from(dev.id())
    };
    assert!(is_spawned());
    write(folder.path(), "");
    let log = dev.wait_for_log("reloaded in");
    let (_, changes) = log.rsplit_once(" ms: ").unwrap();
    assert_eq!(changes.trim_end(), "functions changed: who-am-i");
    assert!(
        !is_spawned(),
        "a forked instance is a child of its template"
    );
    write(folder.path(), "[functions]\nstarts = 'spawned'\n");
    eventually(|| is_spawned().then_some(())).expect("it is spawned again");
    dev.stop();
}

#[test]
fn settings_of_the_server_hold_from_its_start_and_a_change_is_answered_with_a_word() {
    let folder = project(&[("serverless.yml", MANIFEST), ("handler.py", HANDLER)]);
    let settings = "[server]\nport = 1\nstate = 'kept/here'\n[limits]\ninstance_idle_seconds = 1\n";
    write(folder.path(), settings);
    let mut command = support::cloudless();
    command.args(["dev", "--port", "0", "--services-port", "0"]);
    let dev = Dev::start_command(command.current_dir(folder.path()));
    assert_ne!(dev.port, 1, "the command line wins");
    assert!(folder.path().join("kept/here/store.sqlite").is_file());
    let pid = || {
        let told = dev.get("/who").json();
        told["pid"]
            .as_u64()
            .unwrap_or_else(|| panic!("{told} {}", dev.log()))
    };
    let first = pid();
    std::thread::sleep(Duration::from_secs(3));
    assert_ne!(pid(), first, "an instance that was idle has ended");
    write(folder.path(), "[server]\nstate = 'kept/there'\n");
    dev.wait_for_log("`[server]` and `[limits]` of cloudless.toml take effect at the next start");
    dev.stop();
}

#[test]
fn the_concurrency_of_the_account_can_be_set() {
    let folder = project(&[("serverless.yml", MANIFEST), ("handler.py", HANDLER)]);
    write(folder.path(), "[limits]\naccount_concurrency = 1\n");
    let dev = Dev::start(folder.path(), &folder.path().join("state"));
    dev.get("/who");
    assert_eq!(at_once(&dev, "/who?sleep=1"), [200, 503, 503]);
    dev.stop();
}

#[test]
fn check_foresees_which_functions_are_not_forked() {
    let manifest = format!("{MANIFEST}    environment: {{ PYTHONHASHSEED: '1' }}\n");
    let folder = project(&[("serverless.yml", &manifest), ("handler.py", HANDLER)]);
    let (code, problems) = problems_of(folder.path(), &[]);
    assert_eq!(
        (code, codes(&problems)),
        (Some(0), vec!["functions::not-forked"])
    );
    let found = problems.last().unwrap();
    assert_eq!(found["severity"], "warning");
    assert_eq!(found["place"]["line"], 6);
    assert_eq!(
        found["cause"],
        "`PYTHONHASHSEED` is read when a process starts"
    );
    let help = found["help"].as_str().unwrap();
    assert!(help.contains("[functions.who-am-i]"), "{help}");
    write(folder.path(), "[functions.who-am-i]\nstarts = 'spawned'\n");
    let (_, problems) = problems_of(folder.path(), &[]);
    assert_eq!(
        codes(&problems),
        [""; 0],
        "somebody has said that it is meant"
    );
}

#[test]
fn check_tells_what_the_last_run_found_until_the_code_changes() {
    let folder = project(&[("serverless.yml", MANIFEST), ("handler.py", WITH_SOCKET)]);
    let state = folder.path().join("state");
    let check = || problems_of(folder.path(), &["--state", "state"]);
    assert_eq!(codes(&check().1), [""; 0], "nobody has run it yet");
    let dev = Dev::start(folder.path(), &state);
    dev.get("/who");
    eventually(|| state.join("not-forked.json").is_file().then_some(())).expect("it is kept");
    let (code, problems) = check();
    assert_eq!(
        (code, codes(&problems)),
        (Some(0), vec!["functions::not-forked"])
    );
    let found = problems.last().unwrap();
    assert_eq!(
        found["cause"],
        "as the last `cloudless dev` found, its init leaves behind an open socket"
    );
    let help = found["help"].as_str().unwrap();
    assert!(
        help.starts_with("close or end that at the end of the init"),
        "{help}"
    );
    dev.stop();
    assert_eq!(
        codes(&check().1),
        ["functions::not-forked"],
        "it outlives the server"
    );
    write(folder.path(), "[functions]\nstarts = 'forked'\n");
    assert_eq!(codes(&check().1), [""; 0], "somebody knows better");
    write(folder.path(), "");
    assert_eq!(codes(&check().1), ["functions::not-forked"]);
    std::fs::write(folder.path().join("handler.py"), HANDLER).unwrap();
    assert_eq!(codes(&check().1), [""; 0], "this code was never run");
}

#[test]
fn how_fast_a_function_may_grow_and_how_many_instances_there_are_can_be_set() {
    let folder = project(&[("serverless.yml", MANIFEST), ("handler.py", HANDLER)]);
    for (setting, expected) in [
        ("function_scaling_instances", [200, 503, 503]),
        ("machine_instances", [200; 3]),
    ] {
        write(folder.path(), &format!("[limits]\n{setting} = 1\n"));
        let dev = Dev::start(folder.path(), &folder.path().join("state"));
        assert_eq!(at_once(&dev, "/who?sleep=0.5"), expected, "{setting}");
        dev.stop();
    }
}

#[test]
fn what_functions_reserve_and_provision_is_measured_by_the_limits_that_are_set() {
    let concurrency = "    provisionedConcurrency: 2\n    reservedConcurrency: 120\n";
    let folder = project(&[
        ("serverless.yml", &format!("{MANIFEST}{concurrency}")),
        ("handler.py", HANDLER),
    ]);
    let check = |settings: &str, expected: &[&str]| {
        write(folder.path(), settings);
        let (_, problems) = problems_of(folder.path(), &[]);
        assert_eq!(codes(&problems), expected, "{settings}");
    };
    let (granted, room) = (
        "deployment::concurrency-not-granted",
        "functions::no-room-for-provisioned",
    );
    check("", &[]);
    check("[limits]\naccount_concurrency = 219\n", &[granted]);
    check("[limits]\naccount_concurrency = 220\n", &[]);
    check("[limits]\nmachine_instances = 1\n", &[room]);
    check("[limits]\nmachine_instances = 2\n", &[]);
}
