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

use std::time::Duration;

use harness::Lang;
use interfaces::clock::Clock;
use interfaces::runtime::Verdict;
use test_kit::RunningClock;

const STARTS: model::function::Starts = model::function::Starts::Automatic;
const ROUNDS: usize = 20_000;

#[tokio::main]
async fn main() {
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
    for (language, source) in hello {
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
            "{language:?}: start {started:?}, warm p50 {:?}, p90 {:?}, p99 {:?}",
            at(50),
            at(90),
            at(99)
        );
    }
}
