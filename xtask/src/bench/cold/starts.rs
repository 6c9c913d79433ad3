//! Calls for which no instance is free: how long they take, what the instances hold, how many come in a second.
//!
//! Lives here: the rounds, and the rows that are ratios of them.
//! Does not live here: first calls of new functions (`first_calls`), crowds (`crowd`, `thousand`).

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::goals::{Goal, Row, Side, at_most, times};
use super::project::{self, Language, Said, busy_for, said};
use crate::bench::hello;
use crate::bench::peers::Peers;
use crate::http::{self, Connection, Swarm, milliseconds, percentile};
use crate::processes;
use crate::server::Server;

/// Rounds where each takes hundreds of milliseconds.
pub(super) const FEW: usize = 20;
/// Between the end of one round and the next: what follows a start is no part of the next one.
const PAUSE: Duration = Duration::from_millis(30);
/// How long instances of past rounds are kept busy: longer than the run.
const HELD: Duration = Duration::from_secs(500);
/// Instances that are asked for at once.
const BURST: usize = 200;
/// How long they all stay busy, so that none serves two calls.
const BURST_HELD: Duration = Duration::from_secs(5);
/// In how many of the rounds memory is read.
const MEMORY_ROUNDS: usize = 10;

/// Cold starts of one function.
pub(super) struct Start {
    /// From the request sent to the reply read, sorted.
    pub(super) times: Vec<Duration>,
    /// Median private memory of an instance that has replied and waits.
    idle_mib: f64,
}

impl Start {
    pub(super) fn p50_ms(&self) -> f64 {
        milliseconds(percentile(&self.times, 0.5))
    }

    fn spread(&self) -> String {
        format!(
            "{:.1} / {:.1} ms",
            self.p50_ms(),
            milliseconds(percentile(&self.times, 0.99))
        )
    }
}

/// Each round calls the function while all its instances are busy, then makes the new one busy too.
pub(super) fn measure(server: &Server, port: u16, function: &str, rounds: usize) -> Result<Start> {
    let mut times = Vec::with_capacity(rounds);
    let mut memory = Vec::new();
    let mut seen = HashSet::new();
    let mut busy = Vec::with_capacity(rounds);
    let mut connection = Connection::open(port)?;
    // What is there before the first instance is its template's business.
    let (reply, _) = connection.exchange(&http::invoke(function, "{}"))?;
    seen.insert(said(&reply)?.instance);
    for round in 0..rounds {
        busy.push(occupy(port, function)?);
        std::thread::sleep(PAUSE);
        let reads_memory = rounds < round + 1 + MEMORY_ROUNDS;
        let before = reads_memory.then(|| processes::tree(server.id()));
        let (reply, took) = connection.exchange(&http::invoke(function, "{}"))?;
        ensure!(
            seen.insert(said(&reply)?.instance),
            "{function}: an instance that should have been busy served a call"
        );
        times.push(took);
        if let Some(before) = before {
            std::thread::sleep(PAUSE);
            let after = processes::tree(server.id());
            memory.extend(after.difference(&before).map(|new| new.private_mib()));
        }
    }
    times.sort_unstable();
    memory.sort_by(f64::total_cmp);
    let idle_mib = memory.get(memory.len() / 2).copied().unwrap_or_default();
    Ok(Start { times, idle_mib })
}

/// Gives the function's free instance something to do.
fn occupy(port: u16, function: &str) -> Result<Connection> {
    let mut connection = Connection::open(port)?;
    connection.send(&http::invoke(function, &busy_for(HELD)))?;
    Ok(connection)
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

/// What was measured of one language: cold starts, starts a second, the first calls of new functions.
pub(super) type Measured = (Language, Start, f64, Start);

impl Start {
    /// Of times alone.
    pub(super) fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self {
            times,
            idle_mib: 0.0,
        }
    }
}

/// The rows that compare forked with spawned.
pub(super) fn rows(spawned: &[(Language, Start)], forked: &[Measured]) -> Vec<Row> {
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
    for ((language, slow), (_, fast, rate, new)) in spawned.iter().zip(forked) {
        let (what, ratio, p50) = goals(*language);
        rows.push(Row::new(
            what,
            format!(
                "{:.0}× (p50 / p99: spawned {}, forked {})",
                slow.p50_ms() / fast.p50_ms(),
                slow.spread(),
                fast.spread()
            ),
            vec![(slow.p50_ms() / fast.p50_ms(), ratio), (fast.p50_ms(), p50)],
        ));
        let ratio = slow.p50_ms() / new.p50_ms();
        first.push((
            format!("{language} {ratio:.1}× (ours {})", new.spread()),
            (ratio, FIRST),
        ));
        memory.push((
            format!(
                "{language} {:.1} MiB (spawned {:.0})",
                fast.idle_mib, slow.idle_mib
            ),
            (fast.idle_mib, MEMORY),
        ));
        rates.push((format!("{language} {rate:.0}/s"), (*rate, RATE)));
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

fn goals(language: Language) -> (&'static str, Goal, Goal) {
    match language {
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
    }
}

/// The same rounds with ministack's Lambda, which starts a process for each instance.
pub(super) fn ministack(peers: &Peers, ours: &[(Language, Start)]) -> Result<Vec<Row>> {
    let (server, port) = hello::ministack(peers, "ministack-cold")?;
    let (mut texts, mut checks) = (Vec::new(), Vec::new());
    for (language, ours) in ours {
        let goal = match language {
            Language::Python => times("Python", 40.0, 80.0),
            Language::Node => times("Node", 15.0, 30.0),
        };
        let name = language.forked();
        let (file, code) = language.code_with_sdk();
        let runtime = language.runtime(peers);
        hello::ministack_function(peers, port, &name, &runtime, (file, &code), "handler")?;
        let its = measure(&server, port, &name, FEW)?;
        let ratio = its.p50_ms() / ours.p50_ms();
        texts.push(format!("{language} {ratio:.0}× (its {})", its.spread()));
        checks.push((ratio, goal));
    }
    Ok(vec![Row::new(
        "cold start of ministack's Lambda ÷ ours",
        texts.join(", "),
        checks,
    )])
}
