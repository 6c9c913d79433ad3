//! The development loop: starting, reloading, stopping.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and measure real time"
)]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use support::{Dev, eventually, project, try_request};

const MANIFEST: &str = "
service: app
provider: { name: aws, runtime: nodejs20.x }
functions:
  hello:
    handler: handler.hello
    timeout: 20
    events:
      - httpApi: GET /hello
";

fn handler(text: &str) -> String {
    format!("exports.hello = async () => '{text}';\n")
}

#[test]
fn saving_a_handler_reloads_it_and_drops_no_request() {
    let folder = project(&[
        ("serverless.yml", MANIFEST),
        ("handler.js", &handler("one")),
    ]);
    let dev = Dev::start(folder.path(), &folder.path().join("state"));
    assert_eq!(dev.get("/hello").body, "one");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut answers = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                answers.push(
                    try_request(dev.port, "GET", "/hello", &[], b"")
                        .map(|reply| (reply.status, reply.body)),
                );
            }
            answers
        });
        std::fs::write(folder.path().join("handler.js"), handler("two")).unwrap();
        let saved = Instant::now();
        eventually(|| (dev.get("/hello").body == "two").then_some(()))
            .expect("the new code answers");
        println!("reloaded after {:?}", saved.elapsed());
        stop.store(true, Ordering::Relaxed);
        for answer in load.join().unwrap() {
            let (status, body) = answer.expect("no request is dropped");
            assert!(
                status == 200 && (body == "one" || body == "two"),
                "{status} {body}"
            );
        }
    });
    dev.stop();
}

#[test]
fn a_route_added_to_the_manifest_is_served_and_data_stays() {
    const TABLE: &str = "
resources:
  Resources:
    Notes:
      Type: AWS::DynamoDB::Table
      Properties:
        TableName: notes
        BillingMode: PAY_PER_REQUEST
        AttributeDefinitions: [{ AttributeName: id, AttributeType: S }]
        KeySchema: [{ AttributeName: id, KeyType: HASH }]
";
    let folder = project(&[
        ("serverless.yml", &format!("{MANIFEST}{TABLE}")),
        ("handler.js", &handler("one")),
    ]);
    let dev = Dev::start(folder.path(), &folder.path().join("state"));
    let put = dev.service(
        "DynamoDB_20120810.PutItem",
        r#"{"TableName": "notes", "Item": {"id": {"S": "a"}}}"#,
    );
    assert_eq!(put.status, 200, "{put:?}");
    let added = format!("{MANIFEST}      - httpApi: GET /again\n{TABLE}");
    std::fs::write(folder.path().join("serverless.yml"), added).unwrap();
    eventually(|| (dev.get("/again").status == 200).then_some(())).expect("the new route answers");
    dev.wait_for_log("routes added: GET /again");
    let read = dev.service(
        "DynamoDB_20120810.GetItem",
        r#"{"TableName": "notes", "Key": {"id": {"S": "a"}}}"#,
    );
    assert_eq!(read.json(), json!({ "Item": { "id": { "S": "a" } } }));
    std::fs::write(folder.path().join("serverless.yml"), MANIFEST).unwrap();
    dev.wait_for_log("table notes left the template, and was deleted with 1 item");
    dev.wait_for_log("tables removed: notes");
    dev.stop();
}

#[test]
fn a_manifest_that_breaks_while_it_runs_is_explained_and_the_last_good_one_goes_on() {
    let folder = project(&[
        ("serverless.yml", MANIFEST),
        ("handler.js", &handler("one")),
    ]);
    let dev = Dev::start(folder.path(), &folder.path().join("state"));
    std::fs::write(
        folder.path().join("serverless.yml"),
        "service: app\n\tfunctions: {}\n",
    )
    .unwrap();
    dev.wait_for_log("serverless.yml:2:1");
    assert_eq!(dev.get("/hello").body, "one");
    dev.stop();
}

#[test]
fn sigterm_lets_a_request_under_way_finish() {
    let slow =
        "exports.hello = () => new Promise((done) => setTimeout(() => done('late'), 1500));\n";
    let folder = project(&[("serverless.yml", MANIFEST), ("handler.js", slow)]);
    let mut dev = Dev::start(folder.path(), &folder.path().join("state"));
    let port = dev.port;
    let request = std::thread::spawn(move || try_request(port, "GET", "/hello", &[], b""));
    std::thread::sleep(Duration::from_millis(700));
    dev.terminate();
    assert_eq!(
        request.join().unwrap().expect("it is answered").body,
        "late"
    );
    assert!(dev.ended().success());
}

#[test]
fn a_second_sigterm_waits_for_no_request() {
    let slow =
        "exports.hello = () => new Promise((done) => setTimeout(() => done('late'), 15000));\n";
    let folder = project(&[("serverless.yml", MANIFEST), ("handler.js", slow)]);
    let mut dev = Dev::start(folder.path(), &folder.path().join("state"));
    let port = dev.port;
    let request = std::thread::spawn(move || try_request(port, "GET", "/hello", &[], b""));
    std::thread::sleep(Duration::from_millis(700));
    let asked = Instant::now();
    dev.terminate();
    std::thread::sleep(Duration::from_millis(200));
    dev.terminate();
    assert!(dev.ended().success());
    assert!(asked.elapsed() < Duration::from_secs(8), "{asked:?}");
    assert!(
        request
            .join()
            .unwrap()
            .is_none_or(|reply| reply.body != "late")
    );
}

#[test]
fn a_cold_start_and_a_log_line_are_shown_with_their_request() {
    let chatty = "exports.hello = async () => { console.log('from the function'); return 'x'; };\n";
    let folder = project(&[("serverless.yml", MANIFEST), ("handler.js", chatty)]);
    let dev = Dev::start(folder.path(), &folder.path().join("state"));
    dev.get("/hello");
    let log = dev.wait_for_log("from the function");
    assert!(
        log.contains("GET     /hello 200") && log.contains("(cold start"),
        "{log}"
    );
    dev.stop();
}

#[test]
fn nothing_of_it_is_left_after_kill_minus_nine() {
    let folder = project(&[
        ("serverless.yml", MANIFEST),
        (
            "handler.js",
            "exports.hello = async () => [require('fs').readlinkSync('/proc/self/ns/pid'), process.pid];\n",
        ),
    ]);
    let dev = Dev::start(folder.path(), &folder.path().join("state"));
    let told = dev.get("/hello").json();
    let namespace = told[0].as_str().unwrap().to_owned();
    let number = told[1].as_u64().unwrap();
    let instance = support::number_outside(&namespace, number).unwrap();
    dev.kill();
    let process = format!("/proc/{instance}");
    eventually(|| (!std::path::Path::new(&process).exists()).then_some(()))
        .expect("the instance ends with its server");
}

/// Starts a child that has a session of its own and outlives whoever made it, in three languages.
const LEAVING: [(&str, &str); 4] = [
    (
        "serverless.yml",
        "service: app\nprovider: { name: aws, runtime: nodejs20.x }\nfunctions:\n  node: { handler: handler.leave, events: [{ httpApi: GET /node }] }\n  python: { runtime: python3.11, handler: leaving.leave, events: [{ httpApi: GET /python }] }\n  shell: { runtime: provided.al2023, handler: any, events: [{ httpApi: GET /shell }] }\n",
    ),
    (
        "handler.js",
        "const { spawn } = require('child_process');\nexports.leave = async () => { spawn('setsid', ['-f', 'sleep', MARK], { stdio: 'ignore' }); return 'left'; };\n",
    ),
    (
        "leaving.py",
        "import subprocess\ndef leave(event, context):\n    subprocess.run(['setsid', '-f', 'sleep', 'MARK'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n    return {'statusCode': 200, 'body': 'left'}\n",
    ),
    (
        "bootstrap",
        "#!/bin/sh\nAPI=\"http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation\"\nwhile :; do\n  ID=$(curl -sS -D - -o /dev/null \"$API/next\" | grep -Fi Lambda-Runtime-Aws-Request-Id | tr -d '[:space:]' | cut -d: -f2)\n  setsid -f sleep MARK >/dev/null 2>&1\n  curl -sS \"$API/$ID/response\" -d '{\"statusCode\": 200, \"body\": \"left\"}' >/dev/null\ndone\n",
    ),
];

/// The processes that sleep for so long.
fn sleepers(mark: &str) -> usize {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let wanted = format!("sleep\0{mark}\0");
    lines.filter(|line| *line == wanted.as_bytes()).count()
}

/// Control groups that this process made, of those that can be seen.
fn groups_of(server: u32) -> usize {
    let mut folders = vec![std::path::PathBuf::from("/sys/fs/cgroup")];
    let mut found = 0;
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| entry.file_type().is_ok_and(|it| it.is_dir())) {
            let name = entry.file_name();
            let prefix = format!("cloudless-{server}-");
            found += usize::from(name.to_string_lossy().starts_with(&prefix));
            folders.push(entry.path());
        }
    }
    found
}

#[test]
fn children_of_handlers_end_with_the_server_however_it_ends_and_the_next_one_cleans_up() {
    use std::os::unix::fs::PermissionsExt as _;
    for is_killed in [true, false] {
        let mark = format!(
            "{}",
            1_000_000 + std::process::id() * 2 + u32::from(is_killed)
        );
        let files = LEAVING.map(|(name, source)| (name, source.replace("MARK", &mark)));
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, &**text)).collect();
        let folder = project(&files);
        let program = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path().join("bootstrap"), program).unwrap();
        let state = folder.path().join("state");
        let dev = Dev::start(folder.path(), &state);
        for path in ["/node", "/python", "/shell"] {
            let reply = dev.get(path);
            assert_eq!(reply.body, "left", "{path} {reply:?}\n{}", dev.log());
        }
        eventually(|| (sleepers(&mark) == 3).then_some(())).expect("each has left one");
        let server = dev.id();
        if is_killed {
            dev.kill();
        } else {
            dev.stop();
        }
        eventually(|| (sleepers(&mark) == 0).then_some(())).expect("they end with the server");
        let next = Dev::start(folder.path(), &state);
        assert_eq!(next.get("/node").body, "left");
        assert_eq!(groups_of(server), 0, "what it left behind is taken away");
        next.stop();
    }
}

#[test]
fn a_log_in_the_projects_folder_is_no_source() {
    let folder = project(&[
        ("serverless.yml", MANIFEST),
        ("handler.js", &handler("one")),
    ]);
    let log = std::fs::File::create(folder.path().join("server.log")).unwrap();
    let mut child = support::cloudless()
        .args(["dev", "--port", "0", "--services-port", "0"])
        .current_dir(folder.path())
        .stdout(log)
        .spawn()
        .unwrap();
    let log = || std::fs::read_to_string(folder.path().join("server.log")).unwrap();
    let (port, _) = eventually(|| support::ports_in(&log())).expect("it says where it listens");
    let hello = || try_request(port, "GET", "/hello", &[], b"").filter(|reply| reply.status == 200);
    eventually(hello).expect("it is served");
    for _request in 0..20 {
        std::thread::sleep(Duration::from_millis(20));
        let reply = hello().expect("it is served");
        assert!(
            !reply.header("server-timing").unwrap().contains("init"),
            "its instance stays: {reply:?}"
        );
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_state_that_is_removed_ends_the_server_and_is_said() {
    let folder = project(&[
        ("serverless.yml", MANIFEST),
        ("handler.js", &handler("one")),
    ]);
    let state = folder.path().join("state");
    let mut dev = Dev::start(folder.path(), &state);
    std::fs::remove_dir_all(&state).unwrap();
    assert_eq!(dev.ended().code(), Some(1));
    let log = dev.log();
    assert!(log.contains("error[server::state-removed]"), "{log}");
}
