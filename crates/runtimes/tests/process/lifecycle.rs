//! Time limits, ends, and what is left behind.

use std::time::Duration;

use interfaces::clock::Clock;
use interfaces::runtime::Verdict;
use serde_json::json;
use test_kit::RunningClock;

use crate::harness::{
    Bench, Lang, WHO_IN_NODE, WHO_IN_PYTHON, find_outside, json, outside, text, without_walls,
};

/// Whether a process of this number exists and is no zombie.
pub fn is_alive(pid: i64) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(')').unwrap().1.starts_with(" Z"))
}

/// The number of a process's parent.
pub fn parent(pid: i64) -> i64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    after_name
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

/// All that come from a process, of any generation, zombies too.
pub fn descendants(pid: i64) -> Vec<i64> {
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(&pid) = found.get(next) {
        next += 1;
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
        for task in tasks.into_iter().flatten().flatten() {
            let children = std::fs::read_to_string(task.path().join("children"));
            let children = children.unwrap_or_default();
            found.extend(
                children
                    .split_whitespace()
                    .map(|pid| pid.parse::<i64>().unwrap()),
            );
        }
    }
    found.split_off(1)
}

/// Whether nothing at all is left of a process within two seconds.
pub async fn is_gone(pid: i64) -> bool {
    for _ in 0..200 {
        if !std::path::Path::new(&format!("/proc/{pid}")).exists() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

/// Whether an instance was started, and is no fork.
pub fn is_spawned(pid: i64) -> bool {
    let above = parent(pid);
    let name = std::fs::read_to_string(format!("/proc/{above}/comm")).unwrap();
    above == i64::from(std::process::id()) || name == "sandbox-nanny\n"
}

/// Handlers that say which process they are.
fn who() -> [(Lang, String); 2] {
    [
        (
            Lang::Python,
            format!("def handler(event, context):\n    return {WHO_IN_PYTHON}\n"),
        ),
        (
            Lang::Node,
            format!("exports.handler = async () => {WHO_IN_NODE};\n"),
        ),
    ]
}

async fn pid(bench: &mut Bench, instance: &mut Box<dyn interfaces::runtime::Instance>) -> i64 {
    let Verdict::Returned(found) = bench.invoke(instance, "{}").await.verdict else {
        panic!("no pid")
    };
    outside(&text(&found))
}

#[tokio::test]
async fn a_timeout_kills_and_says_so() {
    for (language, source) in [
        (
            Lang::Python,
            "import time\ndef handler(event, context):\n    time.sleep(60)\n",
        ),
        (
            Lang::Python,
            "def handler(event, context):\n    while True: pass\n",
        ),
        (
            Lang::Node,
            "exports.handler = () => new Promise((r) => setTimeout(r, 60000));\n",
        ),
        (Lang::Node, "exports.handler = async () => { for (;;); };\n"),
    ] {
        let mut bench = language.bench(source);
        bench.function.timeout = Duration::from_secs(1);
        let began_at = RunningClock.instant();
        let mut instance = bench.start().await.unwrap();
        let completion = bench.invoke(&mut instance, "{}").await;
        assert!(began_at.elapsed() < Duration::from_secs(4));
        let Verdict::TimedOut(error) = completion.verdict else {
            panic!("{:?}", completion.verdict)
        };
        let message = "RequestId: request-1 Error: Task timed out after 1.00 seconds";
        assert_eq!(
            json(&error),
            json!({"errorType": "Sandbox.Timedout", "errorMessage": message})
        );
        let tail = text(&completion.log_tail);
        assert!(
            tail.contains("Z request-1 Task timed out after 1.00 seconds\nEND RequestId"),
            "{tail}"
        );
        assert!(tail.ends_with("\tStatus: timeout\n"), "{tail}");
        instance.lost().await;
    }
}

#[tokio::test]
async fn an_idle_instance_whose_process_ends_is_lost_and_reaped() {
    for (language, source) in who() {
        let mut bench = language.bench(&source);
        let mut instance = bench.start().await.unwrap();
        let pid = pid(&mut bench, &mut instance).await;
        assert!(
            tokio::time::timeout(Duration::from_millis(50), instance.lost())
                .await
                .is_err()
        );
        let kill = std::process::Command::new("kill")
            .args(["-9", &pid.to_string()])
            .status();
        assert!(kill.unwrap().success());
        tokio::time::timeout(Duration::from_secs(2), instance.lost())
            .await
            .unwrap();
        assert!(is_gone(pid).await);
        // An event that comes all the same is answered.
        let completion = bench.invoke(&mut instance, "{}").await;
        assert!(matches!(completion.verdict, Verdict::Exited(_)));
    }
}

#[tokio::test]
async fn stopping_or_dropping_an_instance_leaves_no_process_and_no_keys() {
    for (language, source) in who() {
        for stops in [true, false] {
            let mut bench = language.bench(&source);
            let mut instance = bench.start().await.unwrap();
            let pid = pid(&mut bench, &mut instance).await;
            assert!(is_alive(pid));
            if stops {
                instance.stop().await;
            } else {
                drop(instance);
            }
            assert!(is_gone(pid).await, "{language:?} {stops}");
            // What instances are forked from, or was started ahead, has keys as well.
            bench.retire();
            assert_eq!(bench.keys.valid(), 0);
        }
    }
}

#[tokio::test]
async fn a_process_that_ignores_the_request_to_stop_is_killed() {
    let mut bench = Lang::Python.bench(
        &format!("import os, signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nimport threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\ndef handler(event, context):\n    return {WHO_IN_PYTHON}\n"),
    );
    let mut instance = bench.start().await.unwrap();
    let pid = pid(&mut bench, &mut instance).await;
    instance.stop().await;
    assert!(is_gone(pid).await);
}

#[tokio::test]
async fn dropping_a_start_or_an_invocation_ends_its_process() {
    let bench = Lang::Python.bench(
        &format!("import time\nprint({WHO_IN_PYTHON}, flush=True)\ntime.sleep(60)\ndef handler(event, context): pass\n"),
    );
    let started = tokio::time::timeout(Duration::from_millis(700), bench.start()).await;
    assert!(started.is_err());
    let told = bench.log.stdout().remove(0);
    for _ in 0..200 {
        if find_outside(&told).is_none() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(find_outside(&told), None);

    // A dropped invocation leaves the instance unusable: its reply would be taken for the next one's.
    let mut bench = Lang::Python.bench(
        "import time\ndef handler(event, context):\n    time.sleep(event)\n    return event\n",
    );
    let mut instance = bench.start().await.unwrap();
    let invocation = bench.invoke(&mut instance, "0.2");
    assert!(
        tokio::time::timeout(Duration::from_millis(50), invocation)
            .await
            .is_err()
    );
    let completion = bench.invoke(&mut instance, "0").await;
    assert!(
        matches!(completion.verdict, Verdict::Exited(_)),
        "{completion:?}"
    );
}

/// Names the file in which the helper below leaves the number of its instance's process.
const HELPER_VARIABLE: &str = "CLOUDLESS_TEST_HOLDS_AN_INSTANCE";

/// The server of the test below, which runs this very binary: it holds an instance until it is killed.
#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "one test process tells another what to do"
)]
async fn a_server_for_the_next_test() {
    let Ok(file) = std::env::var(HELPER_VARIABLE) else {
        return;
    };
    let [(language, source), _] = who();
    let mut bench = language.bench(&source);
    let mut instance = bench.start().await.unwrap();
    let pid = pid(&mut bench, &mut instance).await;
    std::fs::write(format!("{file}.draft"), pid.to_string()).unwrap();
    std::fs::rename(format!("{file}.draft"), file).unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_killed_server_leaves_no_instance_behind() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let mut server = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "lifecycle::a_server_for_the_next_test"])
        .env(HELPER_VARIABLE, &file)
        .env("TMPDIR", folder.path())
        .spawn()
        .unwrap();
    while !file.exists() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let pid: i64 = std::fs::read_to_string(&file).unwrap().parse().unwrap();
    // With it go those that it was forked from, and the one that was forked ahead.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let family = descendants(i64::from(server.id()));
    assert!(family.contains(&pid) && family.iter().all(|&one| is_alive(one)));
    server.kill().unwrap();
    server.wait().unwrap();
    for one in &family {
        assert!(is_gone(*one).await, "{family:?}");
    }
}

#[tokio::test]
async fn an_init_that_takes_too_long_is_tried_once_more_within_the_timeout() {
    // Its first init leaves a mark for its second, which in a sandbox shares nothing with it.
    without_walls();
    // The first init sleeps past ten seconds; the second one finds the mark and is quick.
    let mut bench = Lang::Python.bench(
        "import os, time\nif not os.path.exists('../mark'):\n    open('../mark', 'w').close()\n    time.sleep(60)\ndef handler(event, context):\n    return 'second'\n",
    );
    bench.function.timeout = Duration::from_secs(3);
    assert_eq!(bench.returned("{}").await, "second");
    let lines = bench.log.platform();
    assert!(
        lines
            .iter()
            .any(|line| line.ends_with("Phase: init\tStatus: timeout")),
        "{lines:?}"
    );
}
