//! A launch: from nothing to full load in one step, and the quiet after it.
//!
//! Lives here: the load, and whether instances and their memory are gone a minute later.
//! Does not live here: what instances cost otherwise (`starts`, `thousand`).

use std::time::Duration;

use anyhow::Result;

use super::progress;
use super::project::{self, Language};
use crate::bench::goals::Row;
use crate::bench::hello;
use crate::bench::load::try_load;
use crate::bench::peers::Peers;
use crate::http;
use crate::processes;

pub(super) const WHAT: &str =
    "load in one step from idle to full; idle instances and their memory gone a minute later";

const CONNECTIONS: usize = 200;
const LASTS: Duration = Duration::from_secs(10);
/// The minute, and what ending the last instances takes.
const QUIET: Duration = Duration::from_secs(65);
/// What may stay beside what was there before, for each function that was called: its template, the fork that it
/// keeps ahead, and the first process of its sandbox. Each base keeps one ahead as well, for the next template.
const KEPT_PER_FUNCTION: usize = 3;
const KEPT_PER_LANGUAGE: usize = 1;
/// The memory of what stays for a function.
const TEMPLATE_MIB_MAX: f64 = 12.0;
/// What the server itself may have grown by: buffers and what allocators keep.
const SERVER_MIB_MAX: f64 = 48.0;

pub(super) fn measure(peers: &Peers) -> Result<Row> {
    let folder = project::small(peers, project::SMALL_FUNCTIONS)?;
    let dev = hello::dev(peers, &folder)?;
    std::thread::sleep(project::BASES_READY);
    let look = || {
        let processes = processes::tree(dev.server.id()).len();
        (processes, dev.server.memory_mib())
    };
    let (processes_before, before_mib) = look();
    let functions: Vec<String> = Language::ALL
        .into_iter()
        .flat_map(|language| language.small_functions(project::SMALL_FUNCTIONS))
        .collect();
    let requests: Vec<Vec<u8>> = functions
        .iter()
        .map(|name| http::get(&format!("/{}", name.rsplit('-').next().unwrap_or(name))))
        .collect();
    let load = try_load(dev.port, &requests, CONNECTIONS, LASTS)?;
    let (processes_full, full_mib) = look();
    progress(&format!(
        "the step: {processes_before} processes before, {processes_full} under load; now a quiet minute"
    ));
    std::thread::sleep(QUIET);
    let (processes_after, after_mib) = look();
    #[expect(clippy::cast_precision_loss, reason = "a handful of functions")]
    let may_stay_mib = TEMPLATE_MIB_MAX * functions.len() as f64 + SERVER_MIB_MAX;
    let may_stay = KEPT_PER_FUNCTION * functions.len() + KEPT_PER_LANGUAGE * Language::ALL.len();
    let fault = if let (failed @ 1.., what) = &load.failures {
        Some(format!(
            "{failed} requests failed, one with: {}",
            what.as_deref().unwrap_or_default()
        ))
    } else if processes_before + may_stay < processes_after {
        Some("there are more processes than templates and what they keep ahead".to_owned())
    } else if before_mib + may_stay_mib < after_mib {
        Some(format!("over {may_stay_mib:.0} MiB stayed"))
    } else {
        None
    };
    Ok(Row::new(
        WHAT,
        format!(
            "{} requests by {CONNECTIONS} connections, {} failed, p99 {:.0} ms; processes {processes_before} before, {processes_full} under load, {processes_after} a minute later; {before_mib:.0}, {full_mib:.0}, {after_mib:.0} MiB",
            load.successes, load.failures.0, load.p99_ms
        ),
        Vec::new(),
    )
    .with_fault(fault))
}
