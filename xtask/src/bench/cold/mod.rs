//! Cold starts: what a first call costs, forked and spawned, ours and the peers'.
//!
//! Lives here: the order of the measurements, and the report.
//! Does not live here: any measurement (a file each), rows and their goals (`goals`), the functions (`project`).

mod crowd;
mod first_calls;
mod project;
mod sandbox;
mod starts;
mod step;
mod thousand;
mod warm;

pub(super) use sandbox::{Misbehaviour, measure as measure_sandboxes};

use std::time::Duration;

use anyhow::{Result, bail};

use self::project::Language;
use self::starts::{Measured, Pace};
use super::hello;
use super::peers::Peers;
use crate::bench::goals::Row;
use crate::server::Dev;

/// What the measurements are told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// How long each warm load lasts.
    pub(super) duration: Duration,
    /// Cold starts of a forked function.
    pub(super) rounds: usize,
    /// What of it is measured.
    pub(super) rows: Rows,
    /// Whether the step is measured, which waits a minute for instances to go.
    pub(super) step: Step,
}

/// Which rows are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rows {
    All,
    /// Those of warm calls, which take a minute.
    Warm,
    /// Those of cold starts.
    Starts,
    /// Those of many instances at once: 1,000 of them, and the step.
    Crowded,
    /// Those of sandboxes' neighbours: all, or one.
    Neighbours(Option<Misbehaviour>),
}

/// The load from idle to full, and the minute after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Measured,
    LeftOut,
}

pub(super) fn measure(peers: &Peers, plan: &Plan) -> Result<String> {
    let mut report = Report::default();
    match plan.rows {
        Rows::All => {
            let starts = starts(peers, plan, &mut report)?;
            thousand(peers, &mut report);
            warm::measure(peers, plan.duration, &mut report);
            progress("cold starts of ministack's Lambda");
            report.add(
                "cold start of ministack's Lambda ÷ ours",
                starts::ministack(peers, &starts),
            );
            step(peers, plan, &mut report);
        }
        Rows::Warm => warm::measure(peers, plan.duration, &mut report),
        Rows::Starts => drop(starts(peers, plan, &mut report)?),
        Rows::Crowded => {
            thousand(peers, &mut report);
            step(peers, plan, &mut report);
        }
        Rows::Neighbours(_) => bail!("`--neighbours` is for `sandbox`"),
    }
    written(peers, &report)
}

fn thousand(peers: &Peers, report: &mut Report) {
    progress("1,000 instances at once");
    let measured = thousand::measure(peers);
    report.add(thousand::WHAT, measured.map(|row| vec![row]));
}

fn step(peers: &Peers, plan: &Plan, report: &mut Report) {
    if plan.step == Step::Measured {
        progress("the step, and the minute after it");
        report.add(step::WHAT, step::measure(peers).map(|row| vec![row]));
    }
}

fn written(peers: &Peers, report: &Report) -> Result<String> {
    Ok(format!(
        "### Cold starts\n\n{}\n\n{}\n",
        peers.versions()?,
        report.table()
    ))
}

/// What needs instances of the functions with an SDK: all in one server.
fn starts(peers: &Peers, plan: &Plan, report: &mut Report) -> Result<Vec<Measured>> {
    let folder = project::with_sdk(peers)?;
    // The first start brings the SDKs into the cache.
    drop(hello::dev(peers, &folder)?);
    let dev = hello::dev(peers, &folder)?;
    std::thread::sleep(project::BASES_READY);
    let mut all = Vec::new();
    for language in Language::ALL {
        progress(&format!("cold starts of {language}"));
        all.push(starts_of(&dev, plan, language)?);
    }
    report.rows.extend(starts::rows(&all));
    progress("100 simultaneous first calls");
    report.add(crowd::WHAT, crowd::measure(dev.port).map(|row| vec![row]));
    Ok(all)
}

fn starts_of(dev: &Dev, plan: &Plan, language: Language) -> Result<Measured> {
    let (server, port) = (&dev.server, dev.services_port);
    let (plain, rounds) = (language.plain(), plan.rounds);
    Ok(Measured {
        language,
        spawned: first_calls::measure(server, port, &language.spawned())?,
        new: first_calls::measure(server, port, &language.new_functions())?,
        alone: starts::measure(server, port, &plain, rounds, Pace::Alone)?,
        in_a_row: starts::measure(server, port, &plain, rounds, Pace::InARow)?,
        per_second: starts::rate(port, &plain)?,
    })
}

/// Rows so far. One that cannot be measured does not take the others along.
#[derive(Default)]
struct Report {
    rows: Vec<Row>,
}

impl Report {
    fn add(&mut self, what: &str, outcome: Result<Vec<Row>>) {
        match outcome {
            Ok(rows) => self.rows.extend(rows),
            Err(error) => {
                progress(&format!("{what}: {error:#}"));
                self.rows.push(Row::failed(what, &error));
            }
        }
    }

    fn table(&self) -> String {
        let rows: String = self.rows.iter().map(Row::line).collect();
        format!("| what | measured | bar | aim | met |\n| --- | --- | --- | --- | --- |\n{rows}")
    }
}

/// Says on standard error how far the run is.
fn progress(what: &str) {
    eprintln!("bench cold: {what}");
}
