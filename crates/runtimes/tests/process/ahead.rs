//! Functions that are not forked: their next instance is started before anybody asks for it.

use std::io::Read as _;
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::function::Starts;
use serde_json::Value;

use crate::forking::kill;
use crate::harness::{Bench, Lang, WHO_IN_NODE, WHO_IN_PYTHON, outside, without_walls};
use crate::lifecycle::{is_alive, is_gone};

/// Each init tells us its process; the handler answers with its own.
fn noting(port: u16) -> [(Lang, String); 2] {
    [
        (
            Lang::Python,
            format!(
                "import socket\nwith socket.create_connection(('127.0.0.1', {port})) as line: line.sendall(repr(({WHO_IN_PYTHON})).encode())\n\
                 def handler(event, context):\n    return {WHO_IN_PYTHON}\n"
            ),
        ),
        (
            Lang::Node,
            format!(
                "require('net').connect({port}, '127.0.0.1').end(JSON.stringify({WHO_IN_NODE}));\n\
                 exports.handler = async () => {WHO_IN_NODE};\n"
            ),
        ),
    ]
}

/// A function, and what its inits tell.
struct Noted {
    bench: Bench,
    told: Arc<Mutex<Vec<Value>>>,
}

fn benches() -> impl Iterator<Item = Noted> {
    [0, 1].into_iter().map(|language| {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        let told: Arc<Mutex<Vec<Value>>> = Arc::default();
        let notes = told.clone();
        std::thread::spawn(move || {
            for line in server.incoming() {
                let mut text = String::new();
                line.unwrap().read_to_string(&mut text).unwrap();
                // Somebody may only have looked whether anybody listens.
                if !text.is_empty() {
                    let text = text.replace('(', "[").replace(')', "]");
                    notes
                        .lock()
                        .unwrap()
                        .push(serde_json::from_str(&text).unwrap());
                }
            }
        });
        let (language, source) = &noting(port)[language];
        let bench = Bench::with_starts(*language, source, Starts::Spawned);
        Noted { bench, told }
    })
}

impl Noted {
    /// What the processes that have begun their init say of themselves, once there are so many.
    async fn told(&self, count: usize) -> Vec<Value> {
        for _ in 0..500 {
            let told = self.told.lock().unwrap().clone();
            if count <= told.len() {
                return told;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("nothing was started ahead")
    }

    /// The number out here of the process that is ahead, the second of all.
    async fn ahead(&self) -> i64 {
        outside(&self.told(2).await[1].to_string())
    }
}

#[tokio::test]
async fn each_start_takes_the_process_that_the_one_before_has_started_ahead() {
    for mut noted in benches() {
        let first = noted.bench.returned("{}").await;
        for round in 1..4 {
            let seen = noted.told(round + 1).await;
            assert_eq!(seen[0], first);
            assert_eq!(noted.bench.returned("{}").await, seen[round]);
        }
        // One init for each process, one line for each instance that there was.
        let begun = noted.bench.log.platform();
        let begun = begun.iter().filter(|line| line.starts_with("INIT_START"));
        assert_eq!(begun.count(), 4);
    }
}

#[tokio::test]
async fn a_process_started_ahead_that_has_died_is_no_worse_than_none() {
    for mut noted in benches() {
        noted.bench.returned("{}").await;
        let ahead = noted.ahead().await;
        kill(ahead);
        // The last of its threads counts.
        let threads =
            || std::fs::read_dir(format!("/proc/{ahead}/task")).map_or(0, Iterator::count);
        while is_alive(ahead) || 1 < threads() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let next = noted.bench.returned("{}").await;
        assert_eq!(next, noted.told(3).await[2]);
    }
}

#[tokio::test]
async fn a_process_started_ahead_that_has_died_is_collected_though_nobody_takes_it() {
    for mut noted in benches() {
        noted.bench.returned("{}").await;
        let ahead = noted.ahead().await;
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
        // Its keys go as soon as we have seen that.
        for _ in 0..200 {
            if noted.bench.keys.valid() == 0 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(noted.bench.keys.valid(), 0);
    }
}

#[tokio::test]
async fn a_process_started_ahead_ends_with_its_version_and_with_the_runtime() {
    for retires in [true, false] {
        for mut noted in benches() {
            noted.bench.returned("{}").await;
            let ahead = noted.ahead().await;
            assert!(is_alive(ahead));
            let keys = noted.bench.keys.clone();
            let kept = if retires {
                noted.bench.retire();
                Some(noted)
            } else {
                drop(noted);
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
    let mut noted = benches().next().unwrap();
    noted.bench.returned("{}").await;
    let ahead = noted.ahead().await;
    for (minutes, is_kept) in [(4, true), (2, false)] {
        tokio::time::pause();
        tokio::time::advance(Duration::from_mins(minutes)).await;
        tokio::time::resume();
        assert_eq!(!is_gone_soon(ahead).await, is_kept);
    }
    assert_eq!(noted.bench.keys.valid(), 0);
}

/// Whether nothing is left of a process within half a second.
async fn is_gone_soon(pid: i64) -> bool {
    let gone = tokio::time::timeout(Duration::from_millis(500), is_gone(pid));
    gone.await.unwrap_or(false)
}

#[tokio::test]
async fn an_init_that_fails_one_time_in_two_is_tried_anew_by_whoever_waits_for_it() {
    // The inits count themselves in a file, and share none in sandboxes.
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
            let text = std::fs::read_to_string(bench.path("pids")).unwrap();
            let seen: Vec<i64> = text.lines().map(|line| line.parse().unwrap()).collect();
            assert_eq!(answer, seen[2 * round]);
        }
    }
}
