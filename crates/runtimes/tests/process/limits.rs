//! What an instance may take, and what is said of what it took.

use interfaces::runtime::Verdict;
use model::function::Starts;
use serde_json::{Value, json};

use crate::harness::{self, Bench, Lang, json as parsed, text};

const WAYS: [Starts; 2] = [Starts::Automatic, Starts::Spawned];

/// What `REPORT` says was used, in MB.
fn reported_mb(log_tail: &[u8]) -> u32 {
    let log = text(log_tail);
    let (_, rest) = log.split_once("Max Memory Used: ").unwrap();
    rest.split_once(' ').unwrap().0.parse().unwrap()
}

#[tokio::test]
async fn memory_is_reported_at_its_peak() {
    let python = "def handler(size, context):\n    held = bytearray(b'1') * (size << 20)\n    del held\n    return 'well'\n";
    let node = "exports.handler = async (size) => { let held = Buffer.alloc(size << 20, 1); held = null; return 'well'; };\n";
    for starts in WAYS {
        for (language, source) in [(Lang::Python, python), (Lang::Node, node)] {
            let mut bench = Bench::with_starts(language, source, starts);
            bench.function.memory_mb = 512;
            let completion = bench.once("0").await;
            let before = reported_mb(&completion.log_tail);
            let completion = bench.once("200").await;
            let after = reported_mb(&completion.log_tail);
            assert!(
                (190..260).contains(&(after - before)),
                "{language:?}, {starts:?}: from {before} to {after}"
            );
        }
    }
}

#[tokio::test]
async fn what_children_took_is_reported_too() {
    if sandbox::Places::find().is_err() {
        return;
    }
    let python = "import subprocess, sys\ndef handler(size, context):\n    subprocess.run([sys.executable, '-c', f'held = bytearray(b\"1\") * ({size} << 20)'], check=True)\n    return 'well'\n";
    for starts in WAYS {
        let mut bench = Bench::with_starts(Lang::Python, python, starts);
        bench.function.memory_mb = 512;
        let completion = bench.once("200").await;
        assert!(
            matches!(completion.verdict, Verdict::Returned(_)),
            "{:?}",
            completion.verdict
        );
        let used = reported_mb(&completion.log_tail);
        assert!((200..300).contains(&used), "{starts:?}: {used}");
    }
}

#[tokio::test]
async fn files_in_tmp_are_no_memory_of_the_functions() {
    let python = "def handler(size, context):\n    with open('/tmp/file', 'wb') as file:\n        for _ in range(size): file.write(bytes(1 << 20))\n    return 'well'\n";
    for starts in WAYS {
        let mut bench = Bench::with_starts(Lang::Python, python, starts);
        bench.function.memory_mb = 128;
        bench.function.ephemeral_storage_mb = 512;
        let completion = bench.once("300").await;
        assert!(
            matches!(completion.verdict, Verdict::Returned(_)),
            "{:?}",
            completion.verdict
        );
        let used = reported_mb(&completion.log_tail);
        assert!(used < 100, "{starts:?}: {used}");
    }
}

#[tokio::test]
async fn memory_of_children_above_the_functions_ends_it() {
    let python = "import subprocess, sys, time\ndef handler(size, context):\n    one = f'held = bytearray(b\"1\") * ({size} << 20); import time; time.sleep(10)'\n    children = [subprocess.Popen([sys.executable, '-c', one]) for _ in range(4)]\n    time.sleep(4)\n    for child in children: child.kill()\n    return 'well'\n";
    let mut bench = Lang::Python.bench(python);
    bench.function.memory_mb = 256;
    assert_eq!(bench.returned("20").await, json!("well"));
    let completion = bench.once("100").await;
    let Verdict::Exited(error) = completion.verdict else {
        panic!("{:?}", completion.verdict)
    };
    let error: Value = parsed(&error);
    assert_eq!(error["errorType"], "Runtime.OutOfMemory");
}

#[tokio::test]
async fn a_function_has_1024_open_files() {
    let python = "import os, errno\ndef handler(event, context):\n    opened = []\n    try:\n        while True: opened.append(os.open('/dev/null', os.O_RDONLY))\n    except OSError as error: code = errno.errorcode[error.errno]\n    highest = opened[-1]\n    for one in opened: os.close(one)\n    return [highest, code]\n";
    let node = "const fs = require('fs');\nexports.handler = async () => {\n  const opened = [];\n  let code;\n  try { for (;;) opened.push(fs.openSync('/dev/null')); } catch (error) { code = error.code; }\n  const highest = opened.at(-1);\n  for (const one of opened) fs.closeSync(one);\n  return [highest, code];\n};\n";
    for starts in WAYS {
        for (language, source) in [(Lang::Python, python), (Lang::Node, node)] {
            let mut bench = Bench::with_starts(language, source, starts);
            assert_eq!(
                bench.returned("{}").await,
                json!([1023, "EMFILE"]),
                "{language:?}, {starts:?}"
            );
        }
    }
}

#[tokio::test]
async fn processor_time_comes_with_memory_and_not_for_the_init() {
    if !harness::ration_processors() {
        return;
    }
    let python = "import time\ndef work():\n    start, used = time.monotonic(), time.process_time()\n    while time.process_time() - used < 0.3: pass\n    return time.monotonic() - start\nat_init = work()\ndef handler(event, context):\n    return [at_init, work()]\n";
    for starts in WAYS {
        let mut bench = Bench::with_starts(Lang::Python, python, starts);
        // A tenth of a processor.
        bench.function.memory_mb = 177;
        let found = bench.returned("{}").await;
        let [init, work] = [&found[0], &found[1]].map(|seconds| seconds.as_f64().unwrap());
        assert!(2.0 < work && work < 8.0, "{starts:?}: {found}");
        assert!(init < work / 1.5, "{starts:?}: {found}");
    }
}

#[tokio::test]
async fn who_makes_processes_without_end_is_held_back_and_its_log_says_so() {
    if !harness::ration_processors() {
        return;
    }
    let python = "import os, time\ndef handler(seconds, context):\n    end = time.monotonic() + seconds\n    while time.monotonic() < end:\n        try:\n            if os.fork() == 0:\n                time.sleep(60)\n                os._exit(0)\n        except OSError:\n            pass\n    return 'well'\n";
    let mut bench = Lang::Python.bench(python);
    bench.function.memory_mb = 1_769;
    for (seconds, is_held) in [("0", false), ("0.7", true)] {
        let completion = bench.once(seconds).await;
        assert!(
            matches!(&completion.verdict, Verdict::Returned(reply) if &reply[..] == b"\"well\""),
            "{:?}",
            completion.verdict
        );
        let log = text(&completion.log_tail);
        let said = log.contains(" Processes are made without end: ");
        assert_eq!(said, is_held, "{log}");
    }
}
