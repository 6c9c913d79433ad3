//! A program in Rust, started by the Runtime API: replies, errors, ends, limits, processes started ahead.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::Ordering;
use std::time::Duration;

use interfaces::clock::Clock;
use interfaces::runtime::{StartError, Verdict};
use model::function::Toolchain;
use serde_json::json;
use test_kit::RunningClock;
use tokio::io::AsyncReadExt;

use crate::harness::{Bench, function, json, scratch, text, without_walls};

/// The program, compiled once.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = PROGRAM.get_or_init(|| {
        let folder = tempfile::tempdir_in(scratch()).unwrap();
        let source = folder.path().join("bootstrap.rs");
        std::fs::write(&source, include_str!("programs/bootstrap.rs")).unwrap();
        let path = folder.path().join("bootstrap");
        let status = std::process::Command::new("rustc")
            .args(["--edition=2021", "-o"])
            .args([&path, &source])
            .status();
        assert!(status.unwrap().success());
        (folder, path)
    });
    path
}

/// A function of this runtime with an empty folder of code.
pub fn empty(runtime: &str, handler: &str) -> Bench {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let code_root = folder.path().join("task");
    std::fs::create_dir(&code_root).unwrap();
    let nothing = (PathBuf::new(), "al2023".to_owned());
    let mut function = function(code_root, handler, runtime, nothing);
    function.toolchain = Toolchain {
        interpreter: PathBuf::new(),
        version: "al2023".to_owned(),
        dependency_paths: Vec::new(),
        sdk_paths: Vec::new(),
    };
    Bench::of(folder, function)
}

/// Puts an executable there.
pub fn put(path: &Path, content: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    // Written by another process: a descriptor that is open for writing while some thread of the tests forks would
    // keep the file from being started.
    let draft = path.with_extension("draft");
    std::fs::write(&draft, content).unwrap();
    let status = std::process::Command::new("install")
        .args(["-m", "755"])
        .args([&draft, path])
        .status();
    assert!(status.unwrap().success());
    std::fs::remove_file(draft).unwrap();
    assert_eq!(
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777,
        0o755
    );
}

fn bench(handler: &str) -> Bench {
    let bench = empty("provided.al2023", handler);
    put(
        &bench.path("task/bootstrap"),
        &std::fs::read(program()).unwrap(),
    );
    bench
}

#[tokio::test]
async fn a_program_is_given_its_event_and_replies() {
    let mut bench = bench("headers");
    let mut instance = bench.start().await.unwrap();
    let mut event = bench.event("{}");
    event.client_context = Some("{\n\"a\": 1}".into());
    let Verdict::Returned(found) = instance.invoke(event).await.verdict else {
        panic!("no reply");
    };
    let found = json(&found);
    let lines: Vec<&str> = found.as_str().unwrap().lines().collect();
    for expected in [
        "content-type=application/json",
        "lambda-runtime-aws-request-id=request-0",
        "lambda-runtime-client-context={\"a\":1}",
        "lambda-runtime-invoked-function-arn=arn:aws:lambda:eu-west-1:000000000000:function:shop-dev-hello",
        "lambda-runtime-trace-id=Root=1-5759e988-bd862e3fe1be46a994272793",
    ] {
        assert!(lines.contains(&expected), "{expected} {lines:?}");
    }
    let deadline = lines
        .iter()
        .find_map(|it| it.strip_prefix("lambda-runtime-deadline-ms="));
    let left_ms = deadline.unwrap().parse::<i64>().unwrap() - RunningClock.now().epoch_ms();
    assert!((15_000..=20_000).contains(&left_ms), "{left_ms}");

    let completion = bench.invoke(&mut instance, "{}").await;
    let tail = text(&completion.log_tail);
    assert!(tail.starts_with("START RequestId: request-1"), "{tail}");
    assert!(
        tail.contains("\nevent 2\nEND RequestId: request-1\nREPORT "),
        "{tail}"
    );
    let platform = bench.log.platform();
    assert_eq!(platform[0], "INIT_START Runtime Version: provided:al2023");
}

#[tokio::test]
async fn one_process_serves_many_events_and_its_next_was_started_ahead() {
    let mut bench = bench("pid");
    for _ in 0..3 {
        let mut instance = bench.start().await.unwrap();
        let mut seen = Vec::new();
        for _ in 0..3 {
            match bench.invoke(&mut instance, "{}").await.verdict {
                Verdict::Returned(pid) => seen.push(text(&pid)),
                other => panic!("{other:?}"),
            }
        }
        assert!(seen.iter().all(|pid| *pid == seen[0]), "{seen:?}");
    }
    let issued = || bench.keys.issued.load(Ordering::Relaxed);
    for _ in 0..200 {
        if issued() == 4 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // One for each instance, and one for the next, each with keys of its own.
    assert_eq!(issued(), 4);
    bench.retire();
    assert_eq!(bench.keys.valid(), 0);
}

#[tokio::test]
async fn the_environment_is_the_clouds() {
    let mut bench = bench("environment");
    bench.function.environment = [
        ("COLOUR".to_owned(), "green".to_owned()),
        ("AWS_LAMBDA_RUNTIME_API".to_owned(), "elsewhere".to_owned()),
    ]
    .into();
    let found = bench.returned("{}").await;
    let found: Vec<&str> = found.as_str().unwrap().lines().collect();
    let root = "/var/task";
    assert_eq!(found[0], "_HANDLER=environment");
    assert_eq!(found[1], "AWS_LAMBDA_RUNTIME_API=127.0.0.1:9001");
    assert_eq!(found[2], format!("LAMBDA_TASK_ROOT={root}"));
    // Neither is there for a runtime that the code brings along.
    assert_eq!(found[3..5], ["AWS_EXECUTION_ENV=", "LAMBDA_RUNTIME_DIR="]);
    assert_eq!(found[5], "AWS_REGION=eu-west-1");
    assert_eq!(found[6], "AWS_ACCESS_KEY_ID=ASIAshop-dev-hello");
    assert_eq!(
        found[7..],
        ["COLOUR=green".to_owned(), format!("cwd={root}")]
    );
}

#[tokio::test]
async fn errors_are_passed_on_as_the_program_forms_them() {
    let mut bench = bench("raises");
    let mut instance = bench.start().await.unwrap();
    for (body, expected) in [
        (
            r#"{"errorType":"TeaError","errorMessage":"cold","stackTrace":[]}"#,
            json!({"errorType": "TeaError", "errorMessage": "cold", "stackTrace": []}),
        ),
        // What is no JSON is no error object.
        (
            "cold",
            json!({"errorType": "Function.OutOfTea", "errorMessage": "cold"}),
        ),
    ] {
        match bench.invoke(&mut instance, body).await.verdict {
            Verdict::Raised(payload) => assert_eq!(json(&payload), expected),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_program_that_ends_is_told_with_its_status() {
    for (status, expected) in [
        ("7", "Runtime exited with error: exit status 7"),
        ("0", "Runtime exited without providing a reason"),
    ] {
        let mut bench = bench("exits");
        let completion = bench.once(status).await;
        let message = format!("RequestId: request-1 Error: {expected}");
        match completion.verdict {
            Verdict::Exited(payload) => assert_eq!(
                json(&payload),
                json!({"errorType": "Runtime.ExitError", "errorMessage": message})
            ),
            other => panic!("{other:?}"),
        }
        let tail = text(&completion.log_tail);
        assert!(
            tail.ends_with("\tStatus: error\tError Type: Runtime.ExitError\n"),
            "{tail}"
        );
    }
}

#[tokio::test]
async fn a_reply_counts_though_the_program_ends_right_after_it() {
    let mut bench = bench("replies-and-exits");
    let mut instance = bench.start().await.unwrap();
    let completion = bench.invoke(&mut instance, "{}").await;
    assert_eq!(completion.verdict, Verdict::Returned("1".into()));
    tokio::time::timeout(Duration::from_secs(2), instance.lost())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_timeout_kills_the_program() {
    let mut bench = bench("sleeps");
    bench.function.timeout = Duration::from_secs(1);
    let completion = bench.once("{}").await;
    let message = "RequestId: request-1 Error: Task timed out after 1.00 seconds";
    match completion.verdict {
        Verdict::TimedOut(payload) => assert_eq!(
            json(&payload),
            json!({"errorType": "Sandbox.Timedout", "errorMessage": message})
        ),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_init_that_fails_is_told_with_its_error() {
    for (handler, expected) in [
        (
            "init-fails",
            json!({"errorType": "Shop.Closed", "errorMessage": "no tea"}),
        ),
        (
            "init-exits",
            json!({"errorType": "Runtime.ExitError",
                "errorMessage": "Error: Runtime exited with error: exit status 3"}),
        ),
    ] {
        let bench = bench(handler);
        let (payload, tail) = bench.init_failure().await;
        assert_eq!(payload, expected);
        assert!(
            tail.contains("\tPhase: init\tStatus: error\tError Type: "),
            "{tail}"
        );
    }
}

#[tokio::test]
async fn a_reply_of_the_largest_size_is_passed_on_and_a_byte_more_is_refused() {
    let largest = 6 * 1024 * 1024 + 100;
    let mut bench = bench("large");
    let mut instance = bench.start().await.unwrap();
    match bench
        .invoke(&mut instance, &largest.to_string())
        .await
        .verdict
    {
        Verdict::Returned(payload) => assert_eq!(payload.len(), largest),
        other => panic!("{other:?}"),
    }
    for excess in [1, 20 * 1024 * 1024] {
        let size = (largest + excess).to_string();
        match bench.invoke(&mut instance, &size).await.verdict {
            Verdict::ResponseTooLarge(payload) => {
                assert_eq!(json(&payload)["errorType"], "Function.ResponseSizeTooLarge");
            }
            other => panic!("{other:?}"),
        }
    }
    let told: Vec<String> = bench.log.stdout();
    let refusal = r#"413 {"errorMessage":"Exceeded maximum allowed payload size (6291556 bytes).","errorType":"RequestEntityTooLarge"}"#;
    assert_eq!(
        told.iter().filter(|line| *line == refusal).count(),
        2,
        "{told:?}"
    );
}

#[tokio::test]
async fn a_streamed_reply_is_passed_on_whole_or_as_the_error_in_its_trailers() {
    let mut bench = bench("streams");
    let mut instance = bench.start().await.unwrap();
    let whole = bench.invoke(&mut instance, "false").await.verdict;
    assert_eq!(whole, Verdict::Returned("\"one!\"".into()));
    let broken = bench.invoke(&mut instance, "true").await.verdict;
    assert_eq!(broken, Verdict::Raised(r#"{"errorMessage":"cut"}"#.into()));
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the test awaits it")]
async fn a_streamed_reply_is_passed_on_while_it_comes() {
    let source = "def handle(client, request, event):\n\
        \x20   path = f'{API}/invocation/{request}/response'\n\
        \x20   connection = raw((f'POST {path} HTTP/1.1\\r\\nHost: x\\r\\nTransfer-Encoding: chunked\\r\\nContent-Type: text/x\\r\\n'\n\
        \x20       'Lambda-Runtime-Function-Response-Mode: streaming\\r\\n\\r\\n3\\r\\none\\r\\n').encode())\n\
        \x20   time.sleep(event)\n\
        \x20   if event < 1:\n\
        \x20       connection.sendall(b'3\\r\\ntwo\\r\\n0\\r\\n\\r\\n')\n\
        \x20       assert '202' in first_line(connection)\n\
        \x20   connection.close()\nserve(handle)\n";
    for (sleeps_s, expected) in [("0.1", "onetwo"), ("1.5", "one")] {
        let bench = crate::clients::python_bootstrap(source);
        let mut instance = bench.start().await.unwrap();
        let (sink, mut source) = interfaces::reply_stream::channel();
        let event = bench.event(sleeps_s);
        let running = tokio::spawn(async move { instance.invoke_streamed(event, sink).await });
        assert_eq!(source.begun().await.as_deref(), Some("text/x"));
        let (_, end) = tokio::sync::oneshot::channel();
        let mut stream = source.into_stream(String::new(), end);
        assert_eq!(stream.next().await.unwrap(), "one");
        assert!(!running.is_finished());
        let mut whole = b"one".to_vec();
        while let Some(piece) = stream.next().await {
            whole.extend_from_slice(&piece);
        }
        assert_eq!(text(&whole), expected);
        match running.await.unwrap().verdict {
            Verdict::Returned(rest) => assert!(expected == "onetwo" && rest.is_empty()),
            Verdict::Raised(payload) => {
                assert_eq!(expected, "one");
                assert_eq!(json(&payload)["errorType"], "Runtime.TruncatedResponse");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn dropping_or_stopping_an_instance_ends_its_process_and_its_listener() {
    // In a sandbox the listener is not to be reached from here.
    without_walls();
    for stops in [true, false] {
        let mut bench = bench("environment");
        let mut instance = bench.start().await.unwrap();
        let Verdict::Returned(found) = bench.invoke(&mut instance, "{}").await.verdict else {
            panic!("no reply");
        };
        let found = json(&found);
        let line = found.as_str().unwrap().lines().nth(1).unwrap().to_owned();
        let address = line.strip_prefix("AWS_LAMBDA_RUNTIME_API=").unwrap();
        let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
        if stops {
            instance.stop().await;
        } else {
            drop(instance);
        }
        // The port itself may be somebody else's by now.
        let mut reply = Vec::new();
        let reading = connection.read_to_end(&mut reply);
        let ended = tokio::time::timeout(Duration::from_secs(2), reading).await;
        assert!(ended.is_ok(), "{stops}");
        bench.retire();
        assert_eq!(bench.keys.valid(), 0);
    }
}

#[tokio::test]
async fn an_init_that_takes_too_long_is_given_up() {
    let mut bench = bench("init-sleeps");
    bench.function.timeout = Duration::from_secs(1);
    let began_at = RunningClock.instant();
    match bench.start().await {
        Err(StartError::Init { payload, .. }) => {
            assert_eq!(json(&payload)["errorType"], "Sandbox.Timedout");
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it started"),
    }
    // The init's own ten seconds, and the function's timeout.
    assert!(began_at.elapsed() < Duration::from_secs(14));
}

#[tokio::test]
async fn a_program_in_go_is_given_its_event_and_replies() {
    let folder = tempfile::tempdir_in(scratch()).unwrap();
    let (source, path) = (folder.path().join("main.go"), folder.path().join("main"));
    std::fs::write(&source, include_str!("programs/bootstrap.go")).unwrap();
    let compiled = std::process::Command::new("go")
        .args(["build", "-o"])
        .args([&path, &source])
        .env("GOCACHE", folder.path().join("cache"))
        .env("GO111MODULE", "off")
        .status();
    let Ok(status) = compiled else {
        eprintln!("there is no Go on this machine: only Rust was tested");
        return;
    };
    assert!(status.success());
    for (runtime, place) in [("provided.al2", "bootstrap"), ("go1.x", "main")] {
        let mut bench = empty(runtime, "main");
        put(
            &bench.path("task").join(place),
            &std::fs::read(&path).unwrap(),
        );
        let mut instance = bench.start().await.unwrap();
        for event in ["[1]", "{}"] {
            let verdict = bench.invoke(&mut instance, event).await.verdict;
            assert_eq!(verdict, Verdict::Returned(event.to_owned().into()));
        }
    }
}

#[tokio::test]
async fn a_script_may_name_an_interpreter_of_the_users_own() {
    let script = "
import os, sys, ssl, urllib.request
api = 'http://' + os.environ['AWS_LAMBDA_RUNTIME_API'] + '/2018-06-01/runtime/invocation/'
while True:
    event = urllib.request.urlopen(api + 'next')
    request = event.headers['Lambda-Runtime-Aws-Request-Id']
    urllib.request.urlopen(api + request + '/response', data=event.read()).read()
";
    let (python, _) = crate::harness::interpreter(crate::harness::Lang::Python);
    let bench = empty("provided.al2023", "script");
    let made = std::process::Command::new(&python)
        .args(["-m", "venv", "--without-pip", "--symlinks"])
        .arg(bench.path("home/venv"))
        .status();
    assert!(made.unwrap().success());
    // A home that is closed to others, as that of root.
    let closed = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(bench.path("home"), closed).unwrap();
    for interpreter in [python, bench.path("home/venv/bin/python")] {
        let mut bench = empty("provided.al2023", "script");
        let content = format!("#!{}\n{script}", interpreter.display());
        put(&bench.path("task/bootstrap"), content.as_bytes());
        assert_eq!(bench.returned("[1]").await, json!([1]));
    }
}
