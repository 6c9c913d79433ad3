//! Instances that are asked for one right after the other, and templates that wait for long.

use std::time::Duration;

use interfaces::runtime::{Instance, Verdict};
use serde_json::Value;

use crate::harness::{Bench, Lang, WHO_IN_NODE, WHO_IN_PYTHON, json, outside};
use crate::lifecycle::parent;

/// More than are kept ahead.
const IN_A_ROW: usize = 12;
/// How many a template keeps ahead at most.
const AHEAD_MAX: usize = 3;

/// After so long the task is due.
const OLD: Duration = Duration::from_secs(9);

async fn ask(bench: &mut Bench, instance: &mut Box<dyn Instance>) -> Value {
    match bench.invoke(instance, "{}").await.verdict {
        Verdict::Returned(found) => json(&found),
        other => panic!("{other:?}"),
    }
}

/// A function that says which process it is.
fn naming() -> [Bench; 2] {
    [
        Lang::Python.bench(&format!(
            "import os\ndef handler(event, context):\n    return {WHO_IN_PYTHON}\n"
        )),
        Lang::Node.bench(&format!(
            "exports.handler = async () => eval({WHO_IN_NODE:?});\n"
        )),
    ]
}

fn children(pid: i64) -> usize {
    let found = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    found.split_whitespace().count()
}

async fn has_soon(template: i64, forks: usize) -> bool {
    for _ in 0..300 {
        if children(template) == forks {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

#[tokio::test]
async fn more_are_forked_ahead_while_they_are_asked_for_in_a_row_and_all_but_one_go_again() {
    for mut bench in naming() {
        let mut first = bench.start().await.unwrap();
        let template = parent(outside(&ask(&mut bench, &mut first).await.to_string()));
        let mut all = vec![first];
        // Some at once: none of them can be there already, however slow the machine is.
        let (one, two, three, four) =
            tokio::join!(bench.start(), bench.start(), bench.start(), bench.start());
        all.extend([one, two, three, four].map(Result::unwrap));
        while all.len() < IN_A_ROW {
            all.push(bench.start().await.unwrap());
        }
        assert!(has_soon(template, IN_A_ROW + AHEAD_MAX).await);
        assert!(has_soon(template, IN_A_ROW + 1).await);
        let mut numbers = Vec::new();
        for instance in &mut all {
            numbers.push(outside(&ask(&mut bench, instance).await.to_string()));
        }
        // Those that have gone are no instances that could still be made.
        for _ in 0..IN_A_ROW {
            all.push(bench.start().await.unwrap());
        }
        for instance in all.iter_mut().skip(IN_A_ROW) {
            numbers.push(outside(&ask(&mut bench, instance).await.to_string()));
        }
        assert!(numbers.iter().all(|number| parent(*number) == template));
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 2 * IN_A_ROW);
        assert!(has_soon(template, 2 * IN_A_ROW + 1).await);
    }
}

/// V8 shrinks its heap by a task that it runs eight seconds after a start. A fork would inherit that task, and copy its heap
/// before its first event.
#[tokio::test]
async fn a_fork_of_an_old_template_collects_no_garbage_at_its_start() {
    let mut bench = Lang::Node.bench(
        "const kinds = [];
const noted = (list) => kinds.push(...list.getEntries().map((entry) => entry.detail.kind));
const observer = new (require('perf_hooks').PerformanceObserver)(noted);
observer.observe({ entryTypes: ['gc'] });
exports.handler = async () => {
  await new Promise((done) => setTimeout(done, 100));
  noted({ getEntries: () => observer.takeRecords() });
  return kinds;
};
",
    );
    let mut first = bench.start().await.unwrap();
    let collected_at_init = ask(&mut bench, &mut first).await;
    tokio::time::sleep(OLD).await;
    for _ in 0..2 {
        let mut later = bench.start().await.unwrap();
        assert_eq!(ask(&mut bench, &mut later).await, collected_at_init);
    }
    assert_eq!(
        bench
            .log
            .platform()
            .iter()
            .find(|line| line.starts_with('[')),
        None
    );
}
