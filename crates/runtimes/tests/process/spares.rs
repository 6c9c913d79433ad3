//! The fork of a base that waits in a sandbox for the function that needs a template next.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use interfaces::runtime::{Instance, Verdict};
use model::function::Starts;

use crate::forking::kill;
use crate::harness::{Bench, Lang, WHO_IN_NODE, WHO_IN_PYTHON, outside};

fn benches() -> [Bench; 2] {
    let python = format!("def handler(event, context):\n    return {WHO_IN_PYTHON}\n");
    let node = format!("exports.handler = async () => {WHO_IN_NODE};\n");
    [(Lang::Python, python), (Lang::Node, node)]
        .map(|(language, source)| Bench::with_starts(language, &source, Starts::Automatic))
}

fn processes() -> Vec<i64> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.collect()
}

fn space(pid: i64) -> Option<u64> {
    Some(fs::metadata(format!("/proc/{pid}/ns/pid")).ok()?.ino())
}

fn parent(pid: i64) -> Option<i64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = text.rsplit_once(')')?;
    after_name.split_whitespace().nth(1)?.parse().ok()
}

fn is_nanny(pid: i64) -> bool {
    let name = fs::read_to_string(format!("/proc/{pid}/comm"));
    name.is_ok_and(|name| name.trim() == "sandbox-nanny")
}

/// Starts the first instance of a bench: it, the process that makes its sandboxes, and the first of the one it is in.
async fn begin(bench: &mut Bench) -> (Box<dyn Instance>, i64, Vec<i64>) {
    let mut held = bench.start().await.unwrap();
    let first = bench.invoke(&mut held, "{}").await;
    let first = outside(&told(&first.verdict));
    let is_its = |pid: &i64| is_nanny(*pid) && space(*pid) == space(first);
    let known: Vec<i64> = processes().into_iter().filter(is_its).collect();
    let maker = parent(known[0]).unwrap();
    (held, maker, known)
}

/// Waits until the maker has made another sandbox than these; its first process.
async fn next_but(known: &[i64], maker: i64) -> i64 {
    for _ in 0..500 {
        let is_new =
            |pid: &i64| !known.contains(pid) && is_nanny(*pid) && parent(*pid) == Some(maker);
        if let Some(found) = processes().into_iter().find(is_new) {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no sandbox was made ahead")
}

/// Waits until a process of a base's is in a sandbox besides its first.
async fn inhabited(nanny: i64) {
    let is_in = |pid: i64| {
        space(pid) == space(nanny)
            && !["sandbox-nanny", "sandbox-picker"]
                .map(|name| {
                    fs::read_to_string(format!("/proc/{pid}/comm"))
                        .unwrap_or_default()
                        .trim()
                        == name
                })
                .contains(&true)
    };
    for _ in 0..500 {
        if processes().into_iter().any(is_in) {
            // Until it is locked in.
            tokio::time::sleep(Duration::from_millis(100)).await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nobody waits in the sandbox that was made ahead")
}

#[tokio::test]
async fn a_new_version_gets_the_sandbox_that_was_made_ahead_and_it_is_replaced() {
    for mut bench in benches() {
        let (_held, maker, mut known) = begin(&mut bench).await;
        for version in ["second", "third"] {
            let ahead = next_but(&known, maker).await;
            inhabited(ahead).await;
            bench.function.fingerprint = version.to_owned();
            let mut instance = bench.start().await.unwrap();
            let completion = bench.invoke(&mut instance, "{}").await;
            let now = outside(&told(&completion.verdict));
            assert_eq!(space(now), space(ahead), "{version}");
            known.push(ahead);
        }
    }
}

#[tokio::test]
async fn a_sandbox_that_dies_while_nobody_needs_it_is_replaced() {
    for mut bench in benches() {
        let (_held, maker, mut known) = begin(&mut bench).await;
        let ahead = next_but(&known, maker).await;
        inhabited(ahead).await;
        kill(ahead);
        known.push(ahead);
        let next = next_but(&known, maker).await;
        inhabited(next).await;
        bench.function.fingerprint = "second".to_owned();
        let mut instance = bench.start().await.unwrap();
        let completion = bench.invoke(&mut instance, "{}").await;
        assert_eq!(space(outside(&told(&completion.verdict))), space(next));
    }
}

fn told(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Returned(reply) => crate::harness::text(reply),
        other => panic!("{other:?}"),
    }
}
