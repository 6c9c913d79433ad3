//! What sandboxes cost: the same project in two servers of one run, one of which locks nothing in.
//!
//! Lives here: the order of the measurements, starts and warm calls beside those without sandboxes.
//! Does not live here: connections to outside (`network`), neighbours that misbehave (`neighbours`), a hundred sandboxes
//! (`hundred`), the functions whose starts are measured (`cold::project`).

mod hundred;
mod neighbours;
mod network;

pub(in crate::bench) use neighbours::Misbehaviour;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use super::project::{self, Language};
use super::starts::{self, Pace, Start};
use super::{Plan, Report, Rows, first_calls};
use crate::bench::goals::{Goal, Row, at_most};
use crate::bench::hello;
use crate::bench::load::load;
use crate::bench::peers::Peers;
use crate::server::Dev;

/// How often the two servers take turns: what the machine does besides falls on both.
const TURNS: usize = 4;
/// Which processor the kernel wakes whom on decides over a tenth of a warm call: for some tenths of a second at a time, so
/// many short turns are compared, and partly for as long as the processes live, so these are several pairs of servers'.
const WARM_PAIRS: usize = 5;
/// Turns of each pair.
const WARM_TURNS: usize = 8;
/// What has functions run as any program does, in `cloudless.toml`.
const WITHOUT: &str = "[sandbox]\ndemands = \"none\"\n";
/// How long a server is called before that.
const WARM_UP: Duration = Duration::from_secs(1);

/// The same project twice.
struct Both<T> {
    with: T,
    without: T,
}

impl<T> Both<T> {
    fn each(&self) -> [&T; 2] {
        [&self.without, &self.with]
    }
}

pub(in crate::bench) fn measure(peers: &Peers, plan: &Plan) -> Result<String> {
    let mut report = Report::default();
    let wanted = |rows| plan.rows == Rows::All || plan.rows == rows;
    if wanted(Rows::Starts)
        && let Err(error) = starts(peers, plan, &mut report)
    {
        report.add("starts", Err(error));
    }
    if wanted(Rows::Warm) {
        progress("warm calls");
        report.add("warm call", warm(peers, plan.duration));
    }
    if wanted(Rows::All) {
        progress("connections to outside");
        report.add("connections", network::measure(peers));
    }
    let misbehaviour = match plan.rows {
        Rows::Neighbours(one) => Some(one),
        Rows::All => Some(None),
        Rows::Warm | Rows::Starts | Rows::Crowded => None,
    };
    if let Some(which) = misbehaviour {
        progress("neighbours that misbehave");
        report.add("neighbours", neighbours::measure(peers, which));
    }
    if wanted(Rows::Crowded) {
        progress("100 sandboxes");
        let hundred = hundred::measure(peers);
        report.add(hundred::WHAT, hundred.map(|row| vec![row]));
    }
    Ok(format!(
        "### Sandboxes\n\n{}\n\n{}\n",
        peers.versions()?,
        report.table()
    ))
}

/// A copy of a project in which nothing is locked in.
fn without(folder: &Path) -> Result<PathBuf> {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push("-without");
    let copy = folder.with_file_name(name);
    let _fresh = std::fs::remove_dir_all(&copy);
    std::fs::create_dir_all(&copy)?;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            std::fs::copy(entry.path(), copy.join(entry.file_name()))?;
        }
    }
    let settings = std::fs::read_to_string(copy.join("cloudless.toml")).unwrap_or_default();
    std::fs::write(copy.join("cloudless.toml"), format!("{settings}{WITHOUT}"))?;
    Ok(copy)
}

fn servers(peers: &Peers, folder: &Path) -> Result<Both<Dev>> {
    let other = without(folder)?;
    // The first start brings the SDKs into the cache.
    drop(hello::dev(peers, folder)?);
    let both = Both {
        with: hello::dev(peers, folder)?,
        without: hello::dev(peers, &other)?,
    };
    std::thread::sleep(project::BASES_READY);
    Ok(both)
}

fn starts(peers: &Peers, plan: &Plan, report: &mut Report) -> Result<()> {
    let both = servers(peers, &project::with_sdk(peers)?)?;
    let (mut demand, mut ahead, mut first, mut spawned) = (vec![], vec![], vec![], vec![]);
    for language in Language::ALL {
        progress(&format!("starts of {language}"));
        let turn = |functions: &[String]| -> Result<Both<Start>> {
            let mut found: [Vec<Start>; 2] = Default::default();
            for function in functions {
                for (of, dev) in found.iter_mut().zip(both.each()) {
                    let one = std::slice::from_ref(function);
                    of.push(first_calls::measure(&dev.server, dev.services_port, one)?);
                }
            }
            Ok(joined(found))
        };
        spawned.push((language, turn(&language.spawned())?));
        first.push((language, turn(&language.new_functions())?));
        let rounds = (plan.rounds / TURNS).max(1);
        let paced = |pace| -> Result<Both<Start>> {
            let mut found: [Vec<Start>; 2] = Default::default();
            for _ in 0..TURNS {
                for (of, dev) in found.iter_mut().zip(both.each()) {
                    let (port, plain) = (dev.services_port, language.plain());
                    of.push(starts::measure(&dev.server, port, &plain, rounds, pace)?);
                }
            }
            Ok(joined(found))
        };
        ahead.push((language, paced(Pace::Alone)?));
        demand.push((language, paced(Pace::InARow)?));
    }
    let rows = [
        (
            "cold start to first reply, forked on demand: with ÷ without",
            demand,
            at_most("", Some(1.5), Some(1.2), "×"),
        ),
        (
            "the same, one call now and then: a fork is ready",
            ahead,
            at_most("", Some(1.5), Some(1.2), "×"),
        ),
        (
            "the very first call of a new function (template made): with ÷ without",
            first,
            at_most("", Some(1.3), None, "×"),
        ),
        (
            "the very first call of a function that is spawned: with ÷ without",
            spawned,
            at_most("", Some(1.5), Some(1.2), "×"),
        ),
    ];
    for (what, measured, goal) in rows {
        report.rows.push(ratios(what, &measured, goal));
    }
    Ok(())
}

fn joined([without, with]: [Vec<Start>; 2]) -> Both<Start> {
    Both {
        with: Start::joined(with),
        without: Start::joined(without),
    }
}

fn ratios(what: &str, measured: &[(Language, Both<Start>)], goal: Goal) -> Row {
    let (mut texts, mut checks) = (Vec::new(), Vec::new());
    for (language, both) in measured {
        let ratio = both.with.p50_ms() / both.without.p50_ms();
        let (with, without) = (both.with.spread(), both.without.spread());
        texts.push(format!(
            "{language} {ratio:.2}× (best / p50 / p99: with {with}, without {without})"
        ));
        checks.push((ratio, goal));
    }
    Row::new(what, texts.join(", "), checks)
}

/// A hello function behind a gateway, on one connection.
fn warm(peers: &Peers, duration: Duration) -> Result<Vec<Row>> {
    let goal = at_most("", Some(1.05), None, "×");
    let (mut texts, mut checks) = (Vec::new(), Vec::new());
    for language in Language::ALL {
        let mut p50_ms: [Vec<f64>; 2] = Default::default();
        for _ in 0..WARM_PAIRS {
            warm_pair(peers, language, duration, &mut p50_ms)?;
        }
        let [without_us, with_us] = p50_ms.map(|all| median(all) * 1000.0);
        let ratio = with_us / without_us;
        texts.push(format!(
            "{language} {ratio:.2}× (p50 with {with_us:.0} µs, without {without_us:.0} µs)"
        ));
        checks.push((ratio, goal));
    }
    let what = "warm call of a hello function, 1 connection: with ÷ without";
    Ok(vec![Row::new(what, texts.join(", "), checks)])
}

/// The turns of two servers that are started for them: p50s without and with.
fn warm_pair(
    peers: &Peers,
    language: Language,
    duration: Duration,
    p50_ms: &mut [Vec<f64>; 2],
) -> Result<()> {
    let lasts = duration.div_f64((WARM_PAIRS * WARM_TURNS) as f64);
    let with = match language {
        Language::Python => hello::cloudless_python(peers)?,
        Language::Node => hello::cloudless_node(peers)?,
    };
    let folder = format!("cloudless-{}", language.runtime(peers));
    let without = hello::dev(peers, &without(&peers.work.join(folder))?)?;
    let ports = [without.port, with.port];
    let requests = std::slice::from_ref(&with.request);
    for port in ports {
        load(port, requests, 1, WARM_UP)?;
    }
    for _ in 0..WARM_TURNS {
        for (of, port) in p50_ms.iter_mut().zip(ports) {
            of.push(load(port, requests, 1, lasts)?.p50_ms);
        }
    }
    Ok(())
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_unstable_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}

/// Says on standard error how far the run is.
fn progress(what: &str) {
    eprintln!("bench sandbox: {what}");
}
