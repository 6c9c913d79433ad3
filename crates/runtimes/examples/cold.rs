//! Measures cold starts, from nothing to the first reply, spawned and forked, in sandboxes and without:
//! `cargo run --release -p runtimes --example cold -- [FOLDER_WITH_BOTO3 [NODE_MODULES_WITH_AWS_SDK]]`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    unreachable_pub,
    clippy::wildcard_enum_match_arm,
    dead_code,
    reason = "this is a measurement, made of the tests' parts"
)]

#[path = "../tests/process/harness.rs"]
mod harness;
#[path = "../tests/process/maker.rs"]
mod maker;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use harness::{Bench, Lang, json};
use interfaces::clock::Clock;
use interfaces::runtime::Verdict;
use model::function::Starts;
use test_kit::RunningClock;

const STARTS: Starts = Starts::Automatic;
const ROUNDS: usize = 60;
const PAUSE: Duration = Duration::from_millis(20);
const BURST: usize = 200;
const TOGETHER: usize = 100;

const HELLO: &str = "import os\ndef handler(event, context):\n    return os.getpid()\n";
const TABLE: &str = "import os, boto3\ntable = boto3.resource('dynamodb').Table('things')\ndef handler(event, context):\n    return os.getpid()\n";

const NODE_HELLO: &str = "exports.handler = async () => process.pid;\n";
const DOCUMENTS: &str = "const { DynamoDBClient } = require('@aws-sdk/client-dynamodb');\nconst { DynamoDBDocumentClient } = require('@aws-sdk/lib-dynamodb');\nconst documents = DynamoDBDocumentClient.from(new DynamoDBClient({}));\nexports.handler = async () => process.pid;\n";

fn main() {
    maker::become_maker();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(run());
}

async fn run() {
    let [boto3, node_sdk] = [1, 2].map(|place| std::env::args().nth(place).map(PathBuf::from));
    // On a worker, as in the server: the thread of `main` does not watch sockets itself.
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(measure(boto3, node_sdk));
    tasks.join_all().await;
}

async fn measure(boto3: Option<PathBuf>, node_sdk: Option<PathBuf>) {
    let mut rows = vec![
        (Lang::Python, "Python hello", HELLO, Vec::new()),
        (Lang::Node, "Node hello", NODE_HELLO, Vec::new()),
    ];
    rows.extend(boto3.map(|sdk| (Lang::Python, "boto3 table", TABLE, vec![sdk])));
    rows.extend(node_sdk.map(|sdk| (Lang::Node, "Node document client", DOCUMENTS, vec![sdk])));
    for (language, name, source, sdk_paths) in rows {
        let mut p50 = Vec::new();
        for (starts, has_walls) in [
            (Starts::Spawned, false),
            (Starts::Spawned, true),
            (Starts::Automatic, false),
            (Starts::Automatic, true),
        ] {
            if has_walls {
                harness::with_walls();
            } else {
                harness::without_walls();
            }
            let mut bench = Bench::with_starts(language, source, starts);
            let name = format!("{name}{}", if has_walls { ", in a sandbox" } else { "" });
            let name = name.as_str();
            bench.function.toolchain.sdk_paths.clone_from(&sdk_paths);
            let first = cold(&mut bench).await;
            // The base is there; the function is new.
            bench.function.fingerprint = "second".to_owned();
            let second = cold(&mut bench).await;
            let mut times = Vec::with_capacity(ROUNDS);
            for round in 0..ROUNDS {
                if starts == Starts::Spawned {
                    // Of a version that was started before, one is ready.
                    bench.retire();
                    bench.function.fingerprint = round.to_string();
                }
                times.push(cold(&mut bench).await);
            }
            bench.retire();
            times.sort();
            let (best, median, worst) = (times[0], times[ROUNDS / 2], times[ROUNDS * 99 / 100]);
            println!(
                "{name}, {starts:?}: first of all {first:.1?}, first of a function {second:.1?}, \
                 then best {best:.2?}, p50 {median:.2?}, p99 {worst:.2?}"
            );
            p50.push(median.as_secs_f64());
            if starts == Starts::Automatic {
                on_demand(&mut bench, name).await;
            }
            burst(&mut bench, name, starts).await;
            if starts == Starts::Automatic {
                bench.retire();
                bench.function.fingerprint = "third".to_owned();
                together(bench, name).await;
            }
        }
        println!(
            "{name}: spawn / fork = {:.0}; with / without a sandbox: spawned {:.2}, forked {:.2}",
            p50[1] / p50[3],
            p50[1] / p50[0],
            p50[3] / p50[2]
        );
    }
}

async fn cold(bench: &mut Bench) -> Duration {
    let began_at = RunningClock.instant();
    let completion = bench.once("{}").await;
    let took = began_at.elapsed();
    assert!(matches!(completion.verdict, Verdict::Returned(_)));
    // The end of this instance is no part of the start of the next one.
    tokio::time::sleep(PAUSE).await;
    took
}

/// Starts right after another one, which was given the instance that was forked ahead.
async fn on_demand(bench: &mut Bench, name: &str) {
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let first = bench.start().await.unwrap();
        times.push(cold(bench).await);
        drop(first);
    }
    times.sort();
    println!(
        "{name}, forked on demand: best {:.2?}, p50 {:.2?}, p99 {:.2?}",
        times[0],
        times[ROUNDS / 2],
        times[ROUNDS * 99 / 100]
    );
}

/// Instances that stay: how fast they come, and what they hold while idle.
async fn burst(bench: &mut Bench, name: &str, starts: Starts) {
    let count = match starts {
        Starts::Automatic | Starts::Forked => BURST,
        Starts::Spawned => 10,
    };
    let began_at = RunningClock.instant();
    let mut instances = Vec::with_capacity(count);
    for _ in 0..count {
        instances.push(bench.start().await.unwrap());
    }
    let rate = f64::from(u32::try_from(count).unwrap()) / began_at.elapsed().as_secs_f64();
    let mut private_kb = Vec::new();
    for instance in instances.iter_mut().take(10) {
        let Verdict::Returned(pid) = bench.invoke(instance, "{}").await.verdict else {
            panic!("no reply")
        };
        // In a sandbox it tells another number.
        private_kb.extend(private_memory_kb(json(&pid).as_i64().unwrap()));
    }
    private_kb.sort_unstable();
    println!(
        "{name}, {starts:?}: {rate:.0} starts a second one after the other; idle private memory {:.1} MiB",
        f64::from(
            private_kb
                .get(private_kb.len() / 2)
                .copied()
                .unwrap_or_default()
        ) / 1024.0
    );
}

/// First calls of a function that nobody has started, all at once.
async fn together(bench: Bench, name: &str) {
    let bench = Arc::new(bench);
    let mut calls = tokio::task::JoinSet::new();
    let began_at = RunningClock.instant();
    for _ in 0..TOGETHER {
        let bench = bench.clone();
        calls.spawn(async move {
            let mut instance = bench.start().await.unwrap();
            let completion = instance.invoke(bench.event("{}")).await;
            assert!(matches!(completion.verdict, Verdict::Returned(_)));
            (instance, began_at.elapsed())
        });
    }
    let mut times: Vec<_> = calls.join_all().await;
    times.sort_by_key(|(_, took)| *took);
    let (first, median, last) = (times[0].1, times[TOGETHER / 2].1, times[TOGETHER - 1].1);
    println!(
        "{name}: {TOGETHER} first calls at once: first {first:.1?}, p50 {median:.1?}, last {last:.1?}"
    );
}

fn private_memory_kb(pid: i64) -> Option<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let kb = text
        .lines()
        .filter(|line| line.starts_with("Private_Clean:") || line.starts_with("Private_Dirty:"))
        .map(|line| {
            line.split_whitespace()
                .nth(1)
                .unwrap()
                .parse::<u32>()
                .unwrap()
        })
        .sum();
    (kb != 0).then_some(kb)
}
