//! User code that does its worst. Whatever it does, its caller gets an answer, and the next instance is well.

use std::time::Duration;

use interfaces::clock::Clock;
use interfaces::runtime::Verdict;
use test_kit::RunningClock;

use crate::harness::{Lang, find_outside, json, text};

/// What a hostile handler must come to.
enum Fate {
    /// `Runtime.ExitError` with this text after the request's id.
    Exit(&'static str),
    /// It replied all the same.
    Reply,
}

#[expect(clippy::too_many_lines, reason = "one table")]
#[tokio::test]
async fn whatever_a_handler_does_its_caller_gets_an_answer() {
    use Fate::{Exit, Reply};
    let killed = Exit("Runtime exited with error: signal: killed");
    let rows: Vec<(Lang, &str, &str, Fate)> = vec![
        (
            Lang::Python,
            "exits with 0",
            "import os; os._exit(0)",
            Exit("Runtime exited without providing a reason"),
        ),
        (
            Lang::Python,
            "exits through SystemExit",
            "import sys; sys.exit(4)",
            Exit("Runtime exited with error: exit status 4"),
        ),
        (
            Lang::Python,
            "crashes",
            "import ctypes; ctypes.string_at(0)",
            Exit("Runtime exited with error: signal: segmentation fault"),
        ),
        (
            Lang::Python,
            "aborts",
            "import os; os.abort()",
            Exit("Runtime exited with error: signal: aborted"),
        ),
        (
            Lang::Python,
            "kills itself",
            "import os; os.kill(os.getpid(), 9)",
            Exit("Runtime exited with error: signal: killed"),
        ),
        (
            Lang::Python,
            "kills its group",
            "import os; os.killpg(0, 9)",
            Exit("Runtime exited with error: signal: killed"),
        ),
        (
            Lang::Python,
            "writes garbage into the channel",
            "import os, time; os.write(3, b'\\xff' * 100); time.sleep(9)",
            killed,
        ),
        (
            Lang::Python,
            "announces a frame that never comes",
            "import os, time; os.write(3, b'\\x00\\x00\\xff\\xff\\x12abc'); os._exit(1)",
            Exit("Runtime exited with error: exit status 1"),
        ),
        (
            Lang::Python,
            "announces a frame of 4 GiB",
            "import os; os.write(3, b'\\xff\\xff\\xff\\xff\\x12abc'); os._exit(1)",
            Exit("Runtime exited with error: exit status 1"),
        ),
        (
            Lang::Python,
            "says ready again",
            "import os, time; os.write(3, b'\\x00\\x00\\x00\\x00\\x10'); time.sleep(9)",
            Exit("Runtime exited with error: signal: killed"),
        ),
        (
            Lang::Python,
            "closes the channel and lives on",
            "import os, time; os.close(3); time.sleep(9)",
            Exit("Runtime exited with error: signal: killed"),
        ),
        (
            Lang::Python,
            "closes the channel and returns",
            "import os; os.close(3)",
            Exit("Runtime exited with error: exit status 1"),
        ),
        (
            Lang::Python,
            "closes its output",
            "import os; os.close(1); os.close(2)",
            Reply,
        ),
        (
            Lang::Python,
            "replaces its output",
            "import sys; sys.stdout = None; sys.stderr = 7",
            Reply,
        ),
        (
            Lang::Python,
            "forks, and its child returns too",
            "import os; os.fork()",
            Reply,
        ),
        (
            Lang::Python,
            "leaves a child that holds its output",
            "import subprocess; subprocess.Popen(['sleep', '600'])",
            Reply,
        ),
        (
            Lang::Python,
            "leaves a child that writes without end",
            "import subprocess; subprocess.Popen(['yes'])",
            Reply,
        ),
        (
            Lang::Python,
            "leaves a thread",
            "import threading, time; threading.Thread(target=time.sleep, args=(600,)).start()",
            Reply,
        ),
        (
            Lang::Node,
            "exits with 0",
            "process.exit(0)",
            Exit("Runtime exited without providing a reason"),
        ),
        (
            Lang::Node,
            "exits with 1",
            "process.exit(1)",
            Exit("Runtime exited with error: exit status 1"),
        ),
        (
            Lang::Node,
            "crashes",
            "process.kill(process.pid, 'SIGSEGV'); for (;;);",
            Exit("Runtime exited with error: signal: segmentation fault"),
        ),
        (
            Lang::Node,
            "kills its group",
            "process.kill(0, 'SIGKILL'); for (;;);",
            Exit("Runtime exited with error: signal: killed"),
        ),
        (
            Lang::Node,
            "writes garbage into the channel",
            "fs.writeSync(3, Buffer.alloc(100, 255)); for (;;);",
            Exit("Runtime exited with error: signal: killed"),
        ),
        (
            Lang::Node,
            "closes the channel and lives on",
            "fs.closeSync(3); for (;;);",
            Exit("Runtime exited with error: signal: killed"),
        ),
        (
            Lang::Node,
            "closes its output",
            "fs.closeSync(1); fs.closeSync(2); console.log('x')",
            Reply,
        ),
        (
            Lang::Node,
            "leaves a child that holds its output",
            "require('child_process').spawn('sleep', ['6'], { stdio: 'inherit', detached: true }).unref()",
            Reply,
        ),
        (
            Lang::Node,
            "leaves an interval",
            "setInterval(() => {}, 1)",
            Reply,
        ),
        (
            Lang::Node,
            "breaks JSON for everybody",
            "JSON.parse = JSON.stringify = undefined",
            Exit("Runtime exited"),
        ),
    ];
    for (language, what, body, fate) in rows {
        let source = match language {
            Lang::Python => format!("def handler(event, context):\n    {body}\n"),
            Lang::Node => {
                format!("const fs = require('fs'); exports.handler = async () => {{ {body}; }};\n")
            }
        };
        let mut bench = language.bench(&source);
        let began_at = RunningClock.instant();
        let mut instance = bench.start().await.unwrap();
        let completion = bench.invoke(&mut instance, "{}").await;
        assert!(began_at.elapsed() < Duration::from_secs(6), "{what}");
        let tail = text(&completion.log_tail);
        match (fate, completion.verdict) {
            (Exit(expected), Verdict::Exited(error)) => {
                let error = json(&error);
                let message = error["errorMessage"].as_str().unwrap();
                assert!(message.contains(expected), "{what}: {message}\n{tail}");
            }
            (Reply, Verdict::Returned(_)) => {
                drop(instance);
            }
            (_, verdict) => panic!("{language:?} {what}: {verdict:?}\n{tail}"),
        }
    }
}

/// Each of these runs in a process that did the init itself, so it has to run in a fork, or not be forked.
#[tokio::test]
async fn whatever_an_init_does_to_what_it_finds_its_function_runs() {
    let node = |init: &str| format!("{init}\nexports.handler = async () => process.pid;\n");
    let python = |init: &str| {
        format!("import os\n{init}\ndef handler(event, context):\n    return os.getpid()\n")
    };
    let rows = [
        (Lang::Node, node("Object.freeze(process);")),
        (
            Lang::Node,
            node(
                "Object.defineProperty(process, 'pid', { value: process.pid, configurable: false });",
            ),
        ),
        (Lang::Node, node("Object.prototype.get = () => 1;")),
        (
            Lang::Node,
            node(
                "globalThis.setTimeout = undefined;\nconst fs = require('fs');\nfor (const name of ['readdirSync', 'readlinkSync', 'readFileSync', 'openSync']) fs[name] = undefined;",
            ),
        ),
        (Lang::Node, node("require('fs').openSync('.');")),
        (
            Lang::Node,
            node(
                "const fs = require('fs');\nrequire('child_process').execSync(`mkfifo /tmp/pipe-${process.pid}`);\nfs.openSync(`/tmp/pipe-${process.pid}`, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);",
            ),
        ),
        (
            Lang::Python,
            python("held = os.scandir('.')\nnext(held)\nos.open('.', os.O_RDONLY)"),
        ),
        (Lang::Python, python("os.open(__file__, os.O_PATH)")),
        (
            Lang::Python,
            python("import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (4, 4))"),
        ),
        (
            Lang::Python,
            python(
                "name = f'/tmp/pipe-{os.getpid()}'\nos.mkfifo(name)\nos.open(name, os.O_RDONLY | os.O_NONBLOCK)",
            ),
        ),
    ];
    for (language, source) in rows {
        let mut bench = language.bench(&source);
        for _ in 0..2 {
            let pid = bench.returned("{}").await;
            assert!(pid.is_u64(), "{source}");
        }
    }
}

#[tokio::test]
async fn a_killed_instance_takes_its_children_along() {
    let mut bench = Lang::Python.bench(
        "import os, subprocess, time\ndef handler(event, context):\n    child = subprocess.Popen(['sleep', '600'])\n    print(os.stat('/proc/self/ns/pid').st_ino, child.pid, flush=True)\n    time.sleep(600)\n",
    );
    bench.function.timeout = Duration::from_secs(1);
    let mut instance = bench.start().await.unwrap();
    let completion = bench.invoke(&mut instance, "{}").await;
    assert!(matches!(completion.verdict, Verdict::TimedOut(_)));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(find_outside(&bench.log.stdout()[0]), None);
}

#[tokio::test]
async fn a_reply_given_ahead_of_its_event_ends_the_instance() {
    let mut bench = Lang::Python.bench(
        "import os, threading, time\ndef early():\n    time.sleep(0.1)\n    os.write(3, b'\\x00\\x00\\x00\\x01\\x127')\ndef handler(event, context):\n    threading.Thread(target=early).start()\n    return 1\n",
    );
    let mut instance = bench.start().await.unwrap();
    bench.invoke(&mut instance, "{}").await;
    tokio::time::timeout(Duration::from_secs(2), instance.lost())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_reply_with_more_behind_it_ends_the_instance_instead_of_answering_the_next_event() {
    for (what, more) in [
        ("another reply", r"\x00\x00\x00\x01\x128"),
        ("half a reply", r"\x00\x00\x00\x09\x12ab"),
        ("the beginning of 4 GiB", r"\xff\xff\xff\xff\x12ab"),
    ] {
        let source = format!(
            "import os, time\ndef handler(event, context):\n    os.write(3, b'\\x00\\x00\\x00\\x01\\x127{more}')\n    time.sleep(600)\n"
        );
        for is_idle_between in [true, false] {
            let mut bench = Lang::Python.bench(&source);
            let mut instance = bench.start().await.unwrap();
            let first = bench.invoke(&mut instance, "{}").await;
            let Verdict::Returned(reply) = first.verdict else {
                panic!("{what}: {first:?}")
            };
            assert_eq!(reply, "7");
            if is_idle_between {
                let lost = tokio::time::timeout(Duration::from_secs(2), instance.lost());
                lost.await.unwrap();
            }
            let second = bench.invoke(&mut instance, "{}").await;
            assert!(
                matches!(second.verdict, Verdict::Exited(_)),
                "{what}: {second:?}"
            );
        }
    }
}

#[tokio::test]
async fn whoever_never_ends_a_frame_or_never_reads_one_is_timed_out() {
    for (what, body) in [
        (
            "a frame that does not end",
            "os.write(3, b'\\x00\\x00\\xff\\xff\\x12abc'); time.sleep(600)",
        ),
        (
            "a frame that comes in drops",
            "os.write(3, b'\\x00\\x00\\xff\\xff\\x12')\n    while True: os.write(3, b'x'); time.sleep(0.01)",
        ),
        (
            "4 GiB to throw away, in no hurry",
            "os.write(3, b'\\xff\\xff\\xff\\xff\\x12')\n    while True: os.write(3, bytes(1 << 20)); time.sleep(0.001)",
        ),
        ("a process that stands still", "os.kill(os.getpid(), 19)"),
    ] {
        let source = format!("import os, time\ndef handler(event, context):\n    {body}\n");
        let mut bench = Lang::Python.bench(&source);
        bench.function.timeout = Duration::from_secs(1);
        let began_at = RunningClock.instant();
        let completion = bench.once("{}").await;
        let verdict = completion.verdict;
        assert!(
            matches!(verdict, Verdict::TimedOut(_)),
            "{what}: {verdict:?}"
        );
        assert!(began_at.elapsed() < Duration::from_secs(4), "{what}");
    }

    // Events are larger than what a socket takes at once.
    let mut bench = Lang::Python.bench(
        "import os, threading\ndef stop():\n    os.kill(os.getpid(), 19)\ndef handler(event, context):\n    threading.Timer(0.1, stop).start()\n",
    );
    bench.function.timeout = Duration::from_secs(1);
    let mut instance = bench.start().await.unwrap();
    bench.invoke(&mut instance, "{}").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let large = format!("\"{}\"", "x".repeat(5 << 20));
    let completion = bench.invoke(&mut instance, &large).await;
    assert!(matches!(completion.verdict, Verdict::TimedOut(_)));
}

#[tokio::test]
async fn a_line_that_does_not_end_is_cut_and_kept_within_the_limit() {
    let mut bench = Lang::Python.bench(
        "import os\ndef handler(event, context):\n    for _ in range(64): os.write(1, b'x' * (1 << 20))\n    return 1\n",
    );
    let completion = bench.once("{}").await;
    assert!(matches!(completion.verdict, Verdict::Returned(_)));
    let lines = bench.log.stdout();
    assert!(lines.iter().all(|line| line.len() <= 256 << 10));
    let kept: usize = lines.iter().map(String::len).sum();
    assert!((15 << 20..=16 << 20).contains(&kept), "{kept}");
}
