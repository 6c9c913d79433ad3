//! Functions that are not forked: their next instance is started before anybody asks for it.

use std::time::Duration;

use model::function::Starts;

use crate::forking::kill;
use crate::harness::{Bench, Lang, without_walls};
use crate::lifecycle::{is_alive, is_gone};

/// Each init notes its process; the handler answers with its own.
const NOTING: [(Lang, &str); 2] = [
    (
        Lang::Python,
        "import os\nopen('../pids', 'a').write(f'{os.getpid()}\\n')\ndef handler(event, context):\n    return os.getpid()\n",
    ),
    (
        Lang::Node,
        "require('fs').appendFileSync('../pids', `${process.pid}\\n`);\nexports.handler = async () => process.pid;\n",
    ),
];

fn benches() -> impl Iterator<Item = Bench> {
    NOTING
        .into_iter()
        .map(|(language, source)| Bench::with_starts(language, source, Starts::Spawned))
}

/// The processes that have begun their init, once there are so many.
async fn pids(bench: &Bench, count: usize) -> Vec<i64> {
    for _ in 0..500 {
        let text = std::fs::read_to_string(bench.path("pids")).unwrap_or_default();
        let found: Vec<i64> = text.lines().map(|line| line.parse().unwrap()).collect();
        if count <= found.len() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nothing was started ahead")
}

#[tokio::test]
async fn each_start_takes_the_process_that_the_one_before_has_started_ahead() {
    without_walls();
    for mut bench in benches() {
        let first = bench.returned("{}").await.as_i64().unwrap();
        for round in 1..4 {
            let seen = pids(&bench, round + 1).await;
            assert_eq!(seen[0], first);
            assert_eq!(bench.returned("{}").await, seen[round]);
        }
        // One init for each process, one line for each instance that there was.
        let begun = bench.log.platform();
        let begun = begun.iter().filter(|line| line.starts_with("INIT_START"));
        assert_eq!(begun.count(), 4);
    }
}

#[tokio::test]
async fn a_process_started_ahead_that_has_died_is_no_worse_than_none() {
    without_walls();
    for mut bench in benches() {
        bench.returned("{}").await;
        let ahead = pids(&bench, 2).await[1];
        kill(ahead);
        // The last of its threads counts.
        let threads =
            || std::fs::read_dir(format!("/proc/{ahead}/task")).map_or(0, Iterator::count);
        while is_alive(ahead) || 1 < threads() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let next = bench.returned("{}").await;
        assert_ne!(next, ahead);
        assert_eq!(next, pids(&bench, 3).await[2]);
    }
}

#[tokio::test]
async fn a_process_started_ahead_that_has_died_is_collected_though_nobody_takes_it() {
    without_walls();
    for mut bench in benches() {
        bench.returned("{}").await;
        let ahead = pids(&bench, 2).await[1];
        kill(ahead);
        let entry = std::path::PathBuf::from(format!("/proc/{ahead}"));
        for _ in 0..500 {
            if !entry.exists() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(
            !entry.exists(),
            "a dead process stays in the system's table"
        );
        assert_eq!(bench.keys.valid(), 0);
    }
}

#[tokio::test]
async fn a_process_started_ahead_ends_with_its_version_and_with_the_runtime() {
    without_walls();
    for retires in [true, false] {
        for mut bench in benches() {
            bench.returned("{}").await;
            let ahead = pids(&bench, 2).await[1];
            assert!(is_alive(ahead));
            let keys = bench.keys.clone();
            let kept = if retires {
                bench.retire();
                Some(bench)
            } else {
                drop(bench);
                None
            };
            assert!(is_gone(ahead).await);
            assert_eq!(keys.valid(), 0);
            drop(kept);
        }
    }
}

#[tokio::test]
async fn a_process_started_ahead_that_nobody_takes_ends_after_five_minutes() {
    without_walls();
    let mut bench = benches().next().unwrap();
    bench.returned("{}").await;
    let ahead = pids(&bench, 2).await[1];
    for (minutes, is_kept) in [(4, true), (2, false)] {
        tokio::time::pause();
        tokio::time::advance(Duration::from_mins(minutes)).await;
        tokio::time::resume();
        assert_eq!(!is_gone_soon(ahead).await, is_kept);
    }
    assert_eq!(bench.keys.valid(), 0);
}

/// Whether nothing is left of a process within half a second.
async fn is_gone_soon(pid: i64) -> bool {
    let gone = tokio::time::timeout(Duration::from_millis(500), is_gone(pid));
    gone.await.unwrap_or(false)
}

#[tokio::test]
async fn an_init_that_fails_one_time_in_two_is_tried_anew_by_whoever_waits_for_it() {
    without_walls();
    for (language, source) in [
        (
            Lang::Python,
            "import os\nopen('../pids', 'a').write(f'{os.getpid()}\\n')\nif len(open('../pids').readlines()) % 2 == 0: raise ValueError('even')\ndef handler(event, context):\n    return os.getpid()\n",
        ),
        (
            Lang::Node,
            "const fs = require('fs');\nfs.appendFileSync('../pids', `${process.pid}\\n`);\nif (fs.readFileSync('../pids', 'utf8').split('\\n').length % 2 === 1) throw new Error('even');\nexports.handler = async () => process.pid;\n",
        ),
    ] {
        let mut bench = Bench::with_starts(language, source, Starts::Spawned);
        for round in 0..3 {
            let answer = bench.returned("{}").await;
            let seen = pids(&bench, 2 * round + 2).await;
            assert_eq!(answer, seen[2 * round]);
        }
    }
}
