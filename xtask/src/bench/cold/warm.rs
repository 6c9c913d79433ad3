//! Warm calls: the throughput beside others, and what one call costs.
//!
//! Lives here: which servers are loaded, on which cores, and the rows.
//! Does not live here: the servers (`bench::hello`), the load (`bench::load`).

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::{Report, progress};
use crate::bench::goals::{Goal, Row, Side, at_most, times};
use crate::bench::hello::{self, Subject};
use crate::bench::load::{Load, load};
use crate::bench::peers::Peers;

/// Connections of a load.
const CONNECTIONS: usize = 32;
/// How long a server is loaded before it is measured.
const WARM_UP: Duration = Duration::from_secs(2);
/// Cores for the comparison with `node:http`, load generator included.
const CORES: usize = 2;

type Begin = fn(&Peers) -> Result<Subject>;

pub(super) fn measure(peers: &Peers, duration: Duration, report: &mut Report) {
    const RAW: &str =
        "warm Node hello, 32 connections ÷ raw `node:http` (2 cores, load generator included)";
    const ADDED: &str =
        "added by us to one warm call (gateway in → handler → out), 1 connection, p50";
    report.add(RAW, raw(peers, duration, RAW));
    let ours = loaded(peers, hello::cloudless_node, duration).and_then(|node| {
        let python = loaded(peers, hello::cloudless_python, duration)?;
        Ok((node, python))
    });
    let (node, python) = match ours {
        Ok(ours) => ours,
        Err(error) => return report.add("warm calls", Err(error)),
    };
    let goal = at_most("", Some(200.0), Some(80.0), " µs");
    report.rows.push(Row::new(
        ADDED,
        format!(
            "Node {:.0} µs, Python {:.0} µs (end to end, an empty handler and the client's socket included)",
            node.one.p50_ms * 1000.0,
            python.one.p50_ms * 1000.0
        ),
        vec![
            (node.one.p50_ms * 1000.0, goal),
            (python.one.p50_ms * 1000.0, goal),
        ],
    ));
    let rows: [(&str, &Loaded, Begin, Goal); 4] = [
        (
            "warm Python hello ÷ functions-framework (gunicorn)",
            &python,
            hello::framework_python,
            times("", 5.0, 10.0),
        ),
        (
            "warm Node ÷ functions-framework Node",
            &node,
            hello::framework_node,
            times("", 3.0, 6.0),
        ),
        (
            "warm Node ÷ serverless-offline",
            &node,
            hello::serverless_offline,
            times("", 12.0, 25.0),
        ),
        (
            "warm Node ÷ ministack's Lambda",
            &node,
            hello::ministack_node,
            times("", 100.0, 300.0),
        ),
    ];
    for (what, ours, begin, goal) in rows {
        let row = loaded(peers, begin, duration).map(|its| vec![row(what, ours, &its, goal)]);
        report.add(what, row);
    }
}

/// What was measured of one server.
struct Loaded {
    one: Load,
    many: Load,
}

fn loaded(peers: &Peers, begin: Begin, duration: Duration) -> Result<Loaded> {
    let subject = begin(peers)?;
    progress(&format!("warm: {}", subject.name));
    let requests = [subject.request];
    load(subject.port, &requests, CONNECTIONS, WARM_UP)?;
    Ok(Loaded {
        one: load(subject.port, &requests, 1, duration)?,
        many: load(subject.port, &requests, CONNECTIONS, duration)?,
    })
}

fn row(what: &str, ours: &Loaded, its: &Loaded, goal: Goal) -> Row {
    let ratio = ours.many.per_second / its.many.per_second;
    Row::new(
        what,
        format!(
            "{ratio:.2}× ({:.0} and {:.0} a second, p99 {:.1} and {:.1} ms)",
            ours.many.per_second, its.many.per_second, ours.many.p99_ms, its.many.p99_ms
        ),
        vec![(ratio, goal)],
    )
}

/// Ours beside Node's own server, all of it on the same few cores; the other cores are left to others.
fn raw(peers: &Peers, duration: Duration, what: &str) -> Result<Vec<Row>> {
    const GOAL: Goal = Goal {
        name: "",
        side: Side::AtLeast,
        bar: Some(0.4),
        aim: Some(0.8),
        unit: "",
    };
    // Threads and processes inherit the cores, so this thread has them for this measurement alone.
    let both = std::thread::scope(|scope| {
        let measuring = scope.spawn(|| {
            narrow()?;
            let ours = loaded(peers, hello::cloudless_node, duration)?;
            Ok((ours, loaded(peers, hello::raw_node, duration)?))
        });
        measuring.join()
    });
    let both: Result<(Loaded, Loaded)> =
        both.map_err(|_| anyhow::anyhow!("the measuring thread panicked"))?;
    let (ours, its) = both?;
    Ok(vec![row(what, &ours, &its, GOAL)])
}

/// Keeps this thread, and what it starts, on the first cores that it may use.
fn narrow() -> Result<()> {
    let all = sched_getaffinity(None).context("the cores cannot be read")?;
    let mut few = CpuSet::new();
    for core in (0..CpuSet::MAX_CPU)
        .filter(|core| all.is_set(*core))
        .take(CORES)
    {
        few.set(core);
    }
    ensure!(
        usize::try_from(few.count()) == Ok(CORES),
        "the machine has fewer than {CORES} cores"
    );
    sched_setaffinity(None, &few).context("the cores cannot be chosen")
}
