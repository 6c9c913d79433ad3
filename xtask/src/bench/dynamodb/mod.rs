//! DynamoDB: five operations from 1 and 32 connections, ours and the peers; and a table of millions of items.
//!
//! Lives here: what is measured in which order, the report and its bars.
//! Does not live here: requests (`requests`), starting servers (`servers`), the large table (`large`).

mod large;
mod requests;
mod servers;

use std::fmt::Write as _;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use self::requests::{Operation, Requests};
use self::servers::{Kind, Subject};
use super::goals::{Goal, Row, Side, at_most};
use super::load::{Load, load, try_load};
use super::peers::Peers;
use crate::http::{milliseconds, now, percentile};

/// Connections that send at the same time, in the two loads of each operation.
const CONNECTIONS: [usize; 2] = [1, 32];
/// Bytes of a page of ours.
const FLUSHED_BYTES: usize = 8 * 1024;
/// How long each operation is warmed up.
const WARM_UP: Duration = Duration::from_secs(1);

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// How long each load lasts.
    pub(super) duration: Duration,
    /// Items of the large table; none leaves it out.
    pub(super) items: usize,
}

/// What a server did.
struct Measured {
    name: &'static str,
    /// By operation; none for one that the server does not have.
    loads: Vec<Option<[Load; 2]>>,
    memory_mib: f64,
}

pub(super) fn measure(peers: &Peers, plan: &Plan) -> Result<String> {
    let requests = Requests::new();
    let mut all = vec![measured(servers::cloudless(peers)?, &requests, plan)?];
    all.push(measured(servers::dynalite(peers)?, &requests, plan)?);
    all.push(measured(servers::ministack(peers)?, &requests, plan)?);
    all.push(measured(servers::moto(peers)?, &requests, plan)?);
    let mut rows = bars(&all);
    if plan.items != 0 {
        rows.extend(large::measure(peers, plan)?);
    }
    let flush = format!(
        "Every write of ours waits for its flush; one of {FLUSHED_BYTES} bytes alone, to the same disk: p50 {:.2} ms.",
        flush_p50_ms(&peers.folder("flush")?)?
    );
    Ok(format!("{}\n{flush}\n\n{}", figures(&all)?, table(&rows)))
}

/// What no durable write can be faster than: writing to a file that is long enough, and flushing it.
fn flush_p50_ms(folder: &Path) -> Result<f64> {
    const FLUSHES: u64 = 500;
    let file = File::create(folder.join("flushed"))?;
    let page = vec![7; FLUSHED_BYTES];
    let mut times = Vec::new();
    for lap in 0..2 {
        for place in 0..FLUSHES {
            let began = now();
            file.write_all_at(&page, place * page.len() as u64)?;
            file.sync_data()?;
            if lap == 1 {
                times.push(began.elapsed());
            }
        }
    }
    times.sort_unstable();
    Ok(milliseconds(percentile(&times, 0.5)))
}

/// The large table alone.
pub(super) fn measure_large(peers: &Peers, plan: &Plan) -> Result<String> {
    Ok(table(&large::measure(peers, plan)?))
}

/// Ours without the peers.
pub(super) fn measure_alone(peers: &Peers, plan: &Plan) -> Result<String> {
    figures(&[measured(
        servers::cloudless(peers)?,
        &Requests::new(),
        plan,
    )?])
}

fn table(rows: &[Row]) -> String {
    let lines: String = rows.iter().map(Row::line).collect();
    format!("| what | measured | bar | aim | met |\n| --- | --- | --- | --- | --- |\n{lines}")
}

fn measured(subject: Subject, requests: &Requests, plan: &Plan) -> Result<Measured> {
    requests.prepare(subject.name, subject.port)?;
    let mut loads = Vec::new();
    for operation in Operation::ALL {
        let all = requests.of(operation);
        if !requests::is_known(subject.port, all)? {
            loads.push(None);
            continue;
        }
        let [one, most] = CONNECTIONS;
        try_load(subject.port, all, most, WARM_UP)?;
        let measure = |connections| match subject.kind {
            Kind::Ours => load(subject.port, all, connections, plan.duration),
            // What a peer does under load is its own affair; the report says how often it failed.
            Kind::Peer => try_load(subject.port, all, connections, plan.duration),
        };
        loads.push(Some([measure(one)?, measure(most)?]));
    }
    Ok(Measured {
        name: subject.name,
        loads,
        memory_mib: subject.server.memory_mib(),
    })
}

/// Absolute figures: an operation's column holds both loads.
fn figures(all: &[Measured]) -> Result<String> {
    let mut table = String::from("### DynamoDB\n\nRequests per second (p50 / p99 ms).\n\n");
    table.push_str("| server | connections |");
    for operation in Operation::ALL {
        write!(table, " {} |", operation.name())?;
    }
    table.push_str(" memory MiB |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n");
    for measured in all {
        for (index, connections) in CONNECTIONS.iter().enumerate() {
            write!(table, "| {} | {connections} |", measured.name)?;
            for loads in &measured.loads {
                match loads.as_ref().and_then(|loads| loads.get(index)) {
                    Some(load) => write!(table, " {} |", cell(load))?,
                    None => table.push_str(" not there |"),
                }
            }
            writeln!(table, " {:.0} |", measured.memory_mib)?;
        }
    }
    Ok(table)
}

fn cell(load: &Load) -> String {
    let figures = format!(
        "{:.0} ({:.2} / {:.2})",
        load.per_second, load.p50_ms, load.p99_ms
    );
    match load.failures {
        (0, _) => figures,
        (failed, _) => format!("{figures}, {failed} of {} failed", failed + load.successes),
    }
}

fn bars(all: &[Measured]) -> Vec<Row> {
    let Some((ours, peers)) = all.split_first() else {
        return Vec::new();
    };
    let mut rows = Vec::new();
    for (place, operation) in Operation::ALL.into_iter().enumerate() {
        for (index, connections) in CONNECTIONS.iter().enumerate() {
            let of = |measured: &Measured| -> Option<Load> {
                let loads = measured.loads.get(place)?.as_ref()?;
                loads.get(index).cloned()
            };
            let Some(mine) = of(ours) else { continue };
            let mut checks = Vec::new();
            let mut texts = Vec::new();
            let mut least_p99 = f64::INFINITY;
            for (peer, bar) in peers.iter().zip(operation.bars()) {
                let Some(its) = of(peer) else { continue };
                if its.successes == 0 {
                    continue;
                }
                let ratio = mine.per_second / its.per_second;
                let short = peer.name.split(' ').next().unwrap_or_default();
                texts.push(format!("{ratio:.1}× {short}"));
                checks.push((ratio, bar));
                least_p99 = least_p99.min(its.p99_ms);
            }
            texts.push(format!("p99 {:.2} ms to {least_p99:.2}", mine.p99_ms));
            let p99 = at_most("p99", Some(1.0), None, "× the least of theirs");
            checks.push((mine.p99_ms / least_p99, p99));
            let what = format!("{}, {connections} connections", operation.name());
            rows.push(Row::new(&what, texts.join(", "), checks));
        }
    }
    rows
}

/// A ratio of ours to a peer's.
const fn ratio(name: &'static str, bar: f64) -> Goal {
    Goal {
        name,
        side: Side::AtLeast,
        bar: Some(bar),
        aim: None,
        unit: "×",
    }
}
