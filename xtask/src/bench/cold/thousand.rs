//! A thousand instances of ten functions, all busy at once.
//!
//! Lives here: calling them, and adding up their memory while they are.
//! Does not live here: how fast instances start (`starts`).

use std::time::Duration;

use anyhow::{Context, Result};

use super::project::{self, Language, SMALL_INSTANCES, Said, busy_for, said};
use crate::bench::goals::{Row, at_most};
use crate::bench::hello;
use crate::bench::peers::Peers;
use crate::http::{self, Swarm, now};
use crate::processes;

pub(super) const WHAT: &str = "1,000 live instances of 10 small functions on this machine";

/// How long each is busy. All must have started by then.
const HELD: Duration = Duration::from_secs(25);
/// When memory is read if they are not all there earlier: some time before the first ends.
const LOOKED_AT: Duration = Duration::from_secs(22);
const LOOKS: Duration = Duration::from_millis(500);

pub(super) fn measure(peers: &Peers) -> Result<Row> {
    measure_of(peers, WHAT, project::SMALL_FUNCTIONS)
}

/// As many instances, of so many functions of each language.
pub(super) fn measure_of(peers: &Peers, what: &str, functions: usize) -> Result<Row> {
    let folder = project::small(peers, functions)?;
    let dev = hello::dev(peers, &folder)?;
    std::thread::sleep(project::BASES_READY);
    let functions: Vec<String> = Language::ALL
        .into_iter()
        .flat_map(|language| language.small_functions(functions))
        .collect();
    let event = busy_for(HELD);
    let requests: Vec<Vec<u8>> = functions
        .iter()
        .cycle()
        .take(SMALL_INSTANCES)
        .map(|function| http::invoke(function, &event))
        .collect();
    let before = processes::leaves(dev.server.id()).len();
    let swarm = Swarm::open(dev.services_port, SMALL_INSTANCES)?;
    let began = now();
    let calls = std::thread::spawn(move || swarm.burst(&requests));
    while processes::leaves(dev.server.id()).len() < before + SMALL_INSTANCES
        && began.elapsed() < LOOKED_AT
        && !calls.is_finished()
    {
        std::thread::sleep(LOOKS);
    }
    let there_after = began.elapsed();
    let processes = processes::tree(dev.server.id()).len();
    let memory_gib = dev.server.memory_mib() / 1024.0;
    let replies = calls
        .join()
        .ok()
        .context("the thread of the calls panicked")??;
    let all: Vec<Said> = replies
        .iter()
        .map(|(reply, _)| said(reply))
        .collect::<Result<_>>()?;
    let different = project::instances(&all);
    let fault =
        (different < SMALL_INSTANCES).then(|| format!("only {different} were live at once"));
    Ok(Row::new(
        what,
        format!(
            "{different} live, all busy {:.1} s after the first call; {memory_gib:.2} GiB in {processes} processes (proportional)",
            there_after.as_secs_f64()
        ),
        vec![(memory_gib, at_most("", None, Some(6.0), " GiB"))],
    )
    .with_fault(fault))
}
