//! Measures what one warm invocation costs: `cargo run --release -p runtimes --example warm`.

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

use std::time::Duration;

use harness::Lang;
use interfaces::clock::Clock;
use interfaces::runtime::Verdict;
use test_kit::RunningClock;

const STARTS: model::function::Starts = model::function::Starts::Automatic;
const ROUNDS: usize = 20_000;

fn main() {
    maker::become_maker();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(run());
}

async fn run() {
    // On a worker, as in the server: the thread of `main` does not watch sockets itself.
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(measure());
    tasks.join_all().await;
}

async fn measure() {
    let hello = [
        (
            Lang::Python,
            "def handler(event, context):\n    return {'statusCode': 200, 'body': 'hello'}\n",
        ),
        (
            Lang::Node,
            "exports.handler = async () => ({ statusCode: 200, body: 'hello' });\n",
        ),
    ];
    let rows = hello
        .into_iter()
        .flat_map(|row| [(row, false), (row, true)]);
    for ((language, source), has_walls) in rows {
        if has_walls {
            harness::with_walls();
        } else {
            harness::without_walls();
        }
        let mut bench = language.bench(source);
        let began_at = RunningClock.instant();
        let mut instance = bench.start().await.unwrap();
        let started = began_at.elapsed();
        let mut times: Vec<Duration> = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            let began_at = RunningClock.instant();
            let completion = bench.invoke(&mut instance, r#"{"path": "/"}"#).await;
            times.push(began_at.elapsed());
            assert!(matches!(completion.verdict, Verdict::Returned(_)));
        }
        bench.log.0.lock().unwrap().clear();
        times.sort();
        let at = |share: usize| times[ROUNDS * share / 100];
        println!(
            "{language:?}{}: start {started:?}, warm p50 {:?}, p90 {:?}, p99 {:?}",
            if has_walls { ", in a sandbox" } else { "" },
            at(50),
            at(90),
            at(99)
        );
    }
}
