//! Calls for which no instance is free: how long they take, what the instances hold, how many come in a second.
//!
//! Lives here: the rounds, and the rows that are ratios of them.
//! Does not live here: first calls of new functions (`first_calls`), crowds (`crowd`, `thousand`).

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use anyhow::{Result, bail};

use super::project::{self, Language, Said, busy_for, said};
use crate::bench::goals::{Goal, Row, Side, at_most, times};
use crate::bench::hello;
use crate::bench::peers::Peers;
use crate::http::{self, Connection, Swarm, milliseconds, percentile};
use crate::processes::{self, Process};
use crate::server::Server;

/// Rounds where each takes hundreds of milliseconds.
const FEW: usize = 20;
/// Between the end of one round and the next: what follows a start is no part of the next one, and what is started
/// ahead is there.
const PAUSE: Duration = Duration::from_millis(60);
/// How long instances of past rounds are kept busy: longer than the run.
const HELD: Duration = Duration::from_secs(500);
/// Instances that are asked for at once.
const BURST: usize = 200;
/// How long they all stay busy, so that none serves two calls.
const BURST_HELD: Duration = Duration::from_secs(5);
/// How long a new connection has to be accepted.
const ACCEPTED: Duration = Duration::from_millis(1);
/// How long a call has to reach the instance that is free. Another one that overtakes it would have an instance started
/// for each, of which a later call would find one that is started already.
const TAKEN: Duration = Duration::from_millis(1);
/// Calls besides that may be given an instance that is there already.
const MISSES_MAX: usize = 20;
/// In how many of the rounds memory is read.
const MEMORY_ROUNDS: usize = 10;

/// Cold starts of one function.
pub(super) struct Start {
    /// From the request sent to the reply read, sorted.
    times: Vec<Duration>,
    /// Median private memory of an instance that has replied and waits.
    idle_mib: f64,
}

impl Start {
    pub(super) fn new(mut times: Vec<Duration>, mut memory: Vec<f64>) -> Self {
        times.sort_unstable();
        memory.sort_by(f64::total_cmp);
        let idle_mib = memory.get(memory.len() / 2).copied().unwrap_or_default();
        Self { times, idle_mib }
    }

    /// Several measurements of the same, as one.
    pub(super) fn joined(all: Vec<Self>) -> Self {
        let memory = all.iter().map(|one| one.idle_mib).collect();
        let times = all.into_iter().flat_map(|one| one.times);
        Self::new(times.collect(), memory)
    }

    pub(super) fn p50_ms(&self) -> f64 {
        milliseconds(percentile(&self.times, 0.5))
    }

    pub(super) fn spread(&self) -> String {
        let at = |share| milliseconds(percentile(&self.times, share));
        format!("{:.1} / {:.1} / {:.1} ms", at(0.0), at(0.5), at(0.99))
    }
}

/// Whether rounds follow one another at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// Each starts when all is quiet.
    Alone,
    /// Each starts as soon as the last one is done: within that time, and while one call is answered, what the next one
    /// needs is made ahead, or is not.
    InARow,
}

/// Each round makes the function's free instance busy, and calls the function.
pub(super) fn measure(
    server: &Server,
    port: u16,
    function: &str,
    rounds: usize,
    pace: Pace,
) -> Result<Start> {
    let (mut times, mut memory) = (Vec::with_capacity(rounds), Vec::new());
    let (mut seen, mut busy) = (HashSet::new(), Vec::with_capacity(rounds));
    let mut connection = Connection::open(port)?;
    // What is there before the first instance is its template's business.
    let (reply, _) = connection.exchange(&http::invoke(function, "{}"))?;
    seen.insert(said(&reply)?.instance);
    let attempts = rounds * 2 + MISSES_MAX;
    for _ in 0..attempts {
        let mut held = Connection::open(port)?;
        std::thread::sleep(ACCEPTED);
        held.send(&http::invoke(function, &busy_for(HELD)))?;
        busy.push(held);
        std::thread::sleep(TAKEN);
        let reads_memory = pace == Pace::Alone && rounds < times.len() + 1 + MEMORY_ROUNDS;
        if pace == Pace::Alone {
            std::thread::sleep(PAUSE);
        }
        let before = reads_memory.then(|| processes::leaves(server.id()));
        let (reply, took) = connection.exchange(&http::invoke(function, "{}"))?;
        // Where both calls are on their way at once, this one may be given the instance that was free.
        if seen.insert(said(&reply)?.instance) {
            times.push(took);
        }
        if let Some(before) = before {
            std::thread::sleep(PAUSE);
            memory.extend(private_mib(server, &before));
        }
        if times.len() == rounds {
            return Ok(Start::new(times, memory));
        }
    }
    bail!(
        "{function}: only {} of {attempts} calls were given a new instance",
        times.len()
    )
}

/// What each process has for itself that was not there before and has no children, in MiB.
pub(super) fn private_mib(server: &Server, before: &BTreeSet<Process>) -> Vec<f64> {
    let after = processes::leaves(server.id());
    after
        .difference(before)
        .map(|new| new.private_mib())
        .collect()
}

/// Instances started in a second: from the requests sent until the last handler began.
pub(super) fn rate(port: u16, function: &str) -> Result<f64> {
    let swarm = Swarm::open(port, BURST)?;
    let event = busy_for(BURST_HELD);
    let requests = vec![http::invoke(function, &event); BURST];
    let sent_ms = project::epoch_ms();
    let all: Vec<Said> = swarm
        .burst(&requests)?
        .iter()
        .map(|(reply, _)| said(reply))
        .collect::<Result<_>>()?;
    let last_ms = all.iter().map(|said| said.began_ms).fold(0.0, f64::max);
    #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
    let count = project::instances(&all) as f64;
    Ok(count * 1000.0 / (last_ms - sent_ms).max(1.0))
}

/// What was measured of one language.
pub(super) struct Measured {
    pub(super) language: Language,
    /// First calls of functions that are spawned.
    pub(super) spawned: Start,
    /// First calls of functions that start as functions do.
    pub(super) new: Start,
    /// Further instances, one now and then.
    pub(super) alone: Start,
    /// Further instances, one after the other.
    pub(super) in_a_row: Start,
    pub(super) per_second: f64,
}

/// The rows that compare forked with spawned.
pub(super) fn rows(all: &[Measured]) -> Vec<Row> {
    const FIRST: Goal = times("", 4.0, 8.0);
    const MEMORY: Goal = at_most("", Some(4.0), Some(1.5), " MiB");
    const RATE: Goal = Goal {
        name: "",
        side: Side::AtLeast,
        bar: Some(150.0),
        aim: Some(400.0),
        unit: "/s",
    };
    let mut rows = Vec::new();
    let (mut first, mut memory, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    for of in all {
        let language = of.language;
        rows.push(forked(of));
        let ratio = of.spawned.p50_ms() / of.new.p50_ms();
        let text = format!("{language} {ratio:.1}× (ours {})", of.new.spread());
        first.push((text, (ratio, FIRST)));
        let (ours, its) = (of.alone.idle_mib, of.spawned.idle_mib);
        let text = format!("{language} {ours:.1} MiB (spawned {its:.0})");
        memory.push((text, (ours, MEMORY)));
        let text = format!("{language} {:.0}/s", of.per_second);
        rates.push((text, (of.per_second, RATE)));
    }
    let row = |what: &str, parts: Vec<(String, (f64, Goal))>| {
        let (texts, checks): (Vec<String>, Vec<_>) = parts.into_iter().unzip();
        Row::new(what, texts.join(", "), checks)
    };
    rows.push(row(
        "the very first call of a new function (template made): spawn ÷ ours",
        first,
    ));
    rows.push(row("private memory of an idle instance", memory));
    rows.push(row("instances started per second", rates));
    rows
}

/// Held to its goals by the starts that leave no time to make much ahead.
fn forked(of: &Measured) -> Row {
    let (what, ratio, p50) = match of.language {
        Language::Python => (
            "cold start to first reply, Python with boto3 table: spawn ÷ fork",
            times("", 60.0, 100.0),
            at_most("p50", None, Some(4.0), " ms"),
        ),
        Language::Node => (
            "cold start to first reply, Node with AWS SDK v3 document client: spawn ÷ fork",
            times("", 25.0, 40.0),
            at_most("p50", None, Some(5.0), " ms"),
        ),
    };
    let forked_ms = of.in_a_row.p50_ms();
    let times = of.spawned.p50_ms() / forked_ms;
    let measured = format!(
        "{times:.0}× (best / p50 / p99: spawned {}, forked {}; forked, one call now and then {})",
        of.spawned.spread(),
        of.in_a_row.spread(),
        of.alone.spread()
    );
    Row::new(what, measured, vec![(times, ratio), (forked_ms, p50)])
}

/// The same rounds with ministack's Lambda, which starts a process for each instance.
pub(super) fn ministack(peers: &Peers, ours: &[Measured]) -> Result<Vec<Row>> {
    let (server, port) = hello::ministack(peers, "ministack-cold")?;
    let (mut texts, mut checks) = (Vec::new(), Vec::new());
    for ours in ours {
        let language = ours.language;
        let goal = match language {
            Language::Python => times("Python", 40.0, 80.0),
            Language::Node => times("Node", 15.0, 30.0),
        };
        let name = language.plain();
        let (file, code) = language.code_with_sdk();
        let runtime = language.runtime(peers);
        hello::ministack_function(peers, port, &name, &runtime, (file, &code), "handler")?;
        let its = measure(&server, port, &name, FEW, Pace::Alone)?;
        let ratio = its.p50_ms() / ours.in_a_row.p50_ms();
        texts.push(format!("{language} {ratio:.0}× (its {})", its.spread()));
        checks.push((ratio, goal));
    }
    Ok(vec![Row::new(
        "cold start of ministack's Lambda ÷ ours",
        texts.join(", "),
        checks,
    )])
}
