//! Cold starts: what a first call costs, forked and spawned, ours and the peers'.
//!
//! Lives here: the order of the measurements, and the report.
//! Does not live here: any measurement (a file each), rows and their goals (`goals`), the functions (`project`).

mod crowd;
mod first_calls;
mod goals;
mod project;
mod starts;
mod step;
mod thousand;
mod warm;

use std::time::Duration;

use anyhow::Result;

use self::goals::Row;
use self::project::Language;
use self::starts::Start;
use super::hello;
use super::peers::Peers;

/// What the measurements are told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// How long each warm load lasts.
    pub(super) duration: Duration,
    /// Cold starts of a forked function.
    pub(super) rounds: usize,
    /// Whether the step is measured, which waits a minute for instances to go.
    pub(super) step: Step,
}

/// The load from idle to full, and the minute after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Measured,
    LeftOut,
}

pub(super) fn measure(peers: &Peers, plan: &Plan) -> Result<String> {
    let mut report = Report::default();
    let starts = starts(peers, plan, &mut report)?;
    progress("1,000 instances at once");
    report.add(
        thousand::WHAT,
        thousand::measure(peers).map(|row| vec![row]),
    );
    warm::measure(peers, plan.duration, &mut report);
    progress("cold starts of ministack's Lambda");
    report.add(
        "cold start of ministack's Lambda ÷ ours",
        starts::ministack(peers, &starts),
    );
    if plan.step == Step::Measured {
        progress("the step, and the minute after it");
        report.add(step::WHAT, step::measure(peers).map(|row| vec![row]));
    }
    Ok(format!(
        "### Cold starts\n\n{}\n\n{}\n",
        peers.versions()?,
        report.table()
    ))
}

/// What needs instances of the functions with an SDK: all in one server.
fn starts(peers: &Peers, plan: &Plan, report: &mut Report) -> Result<Vec<(Language, Start)>> {
    let folder = project::with_sdk(peers)?;
    // The first start brings the SDKs into the cache.
    drop(hello::dev(peers, &folder)?);
    let dev = hello::dev(peers, &folder)?;
    std::thread::sleep(project::BASES_READY);
    let mut spawned = Vec::new();
    let mut forked = Vec::new();
    for language in Language::ALL {
        let port = dev.services_port;
        progress(&format!("cold starts of {language}"));
        let first = first_calls::measure(port, language)?;
        let slow = starts::measure(&dev.server, port, &language.spawned(), starts::FEW)?;
        let fast = starts::measure(&dev.server, port, &language.forked(), plan.rounds)?;
        let rate = starts::rate(port, &language.forked())?;
        spawned.push((language, slow));
        forked.push((language, fast, rate, first));
    }
    report.rows.extend(starts::rows(&spawned, &forked));
    progress("100 simultaneous first calls");
    report.add(crowd::WHAT, crowd::measure(dev.port).map(|row| vec![row]));
    Ok(forked
        .into_iter()
        .map(|(language, start, ..)| (language, start))
        .collect())
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
