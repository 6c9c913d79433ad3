//! A table of millions of items.
//!
//! Lives here: filling it, and what its reads, memory, start and disk cost.
//! Does not live here: the five operations on a small table (`bench::dynamodb`).

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result, ensure};

use super::requests::{self, called};
use super::{Plan, servers};
use crate::bench::goals::{Row, at_most};
use crate::bench::load::{Load, load};
use crate::bench::peers::Peers;
use crate::http::{Connection, milliseconds};

/// Items of the small table that reads are compared with.
const SMALL_ITEMS: usize = 1_000;
/// Connections that fill the table.
const FILLERS: usize = 8;
/// Items that one request puts.
const BATCH_ITEMS: usize = 25;
/// Reads that are prepared; more would only cost memory.
const READS: usize = 50_000;
/// From one key to the next: prime, so it has no divisor in common with any number of items that is likely.
const KEY_STEP: usize = 1_299_709;
/// Items are small, so a page of the index below them holds many.
const CREATE: &str = r#"{"TableName":"bench","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}],"KeySchema":[{"AttributeName":"id","KeyType":"HASH"}]}"#;

pub(super) fn measure(peers: &Peers, plan: &Plan) -> Result<Vec<Row>> {
    let folder = peers.folder("cloudless-large")?;
    let dev = servers::cloudless_in(peers, &folder)?;
    let (reply, _) =
        Connection::open(dev.services_port)?.exchange(&called("CreateTable", CREATE))?;
    ensure!(reply.is_success(), "{}", reply.body);
    fill(dev.services_port, 0, SMALL_ITEMS)?;
    let small = reads(dev.services_port, SMALL_ITEMS, plan)?;
    fill(dev.services_port, SMALL_ITEMS, plan.items)?;
    let large = reads(dev.services_port, plan.items, plan)?;
    let memory_mib = dev.server.memory_mib();
    drop(dev);
    let own: usize = (0..plan.items).map(requests::item_bytes).sum();
    let disk = bytes_of(&folder)?;
    let again = servers::cloudless_in(peers, &folder)?;
    let ready_ms = milliseconds(again.server.ready);
    let after_start = reads(again.services_port, plan.items, plan)?;
    let memory_after_mib = again.server.memory_mib();
    drop(again);
    std::fs::remove_dir_all(&folder).context("the large table could not be removed")?;
    Ok(rows(
        plan.items,
        &[small, large, after_start],
        &[memory_mib, memory_after_mib],
        ready_ms,
        ratio(disk, own),
    ))
}

fn rows(
    items: usize,
    reads: &[[Load; 2]; 3],
    memory_mib: &[f64; 2],
    ready_ms: f64,
    disk: f64,
) -> Vec<Row> {
    let [small, large, after_start] = reads;
    let mut rows = Vec::new();
    for (index, connections) in super::CONNECTIONS.iter().enumerate() {
        let (Some(small), Some(large), Some(after)) =
            (small.get(index), large.get(index), after_start.get(index))
        else {
            continue;
        };
        let slower = small.per_second / large.per_second;
        rows.push(Row::new(
            &format!("`GetItem` of {items} items ÷ of {SMALL_ITEMS}, {connections} connections"),
            format!(
                "{slower:.2}× (p50 {:.3} ms to {:.3}; {:.0} a second to {:.0}; after a start {:.0})",
                large.p50_ms, small.p50_ms, large.per_second, small.per_second, after.per_second
            ),
            vec![(slower, at_most("", Some(1.5), None, "×"))],
        ));
    }
    let [loaded, started] = memory_mib;
    let memory = at_most("", Some(300.0), None, " MB");
    rows.push(Row::new(
        "memory of the server with that table",
        format!("{loaded:.0} MiB after filling it, {started:.0} MiB after a start and reads"),
        vec![(loaded * 1.048_576, memory), (started * 1.048_576, memory)],
    ));
    rows.push(Row::new(
        "ready after a kill with that table",
        format!("{ready_ms:.0} ms"),
        vec![(ready_ms, at_most("", Some(1000.0), None, " ms"))],
    ));
    rows.push(Row::new(
        "bytes on disk ÷ bytes of the items",
        format!("{disk:.2}×"),
        vec![(disk, at_most("", Some(1.6), None, "×"))],
    ));
    rows
}

/// Puts the items of these numbers.
fn fill(port: u16, from: usize, to: usize) -> Result<()> {
    let next = AtomicUsize::new(from);
    let outcomes: Vec<Result<()>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..FILLERS)
            .map(|_| scope.spawn(|| fill_some(port, &next, to)))
            .collect();
        threads
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| Err(anyhow::anyhow!("a thread that fills panicked")))
            })
            .collect()
    });
    outcomes.into_iter().collect()
}

fn fill_some(port: u16, next: &AtomicUsize, to: usize) -> Result<()> {
    let mut connection = Connection::open(port)?;
    loop {
        let from = next.fetch_add(BATCH_ITEMS, Ordering::Relaxed);
        if to <= from {
            return Ok(());
        }
        let puts: Vec<String> = (from..to.min(from + BATCH_ITEMS))
            .map(|key| format!(r#"{{"PutRequest":{{"Item":{}}}}}"#, requests::item(key)))
            .collect();
        let body = format!(r#"{{"RequestItems":{{"bench":[{}]}}}}"#, puts.join(","));
        let (reply, _) = connection.exchange(&called("BatchWriteItem", &body))?;
        ensure!(reply.is_success(), "{}", reply.body);
    }
}

/// Gets items all over the table.
fn reads(port: u16, items: usize, plan: &Plan) -> Result<[Load; 2]> {
    let requests: Vec<Vec<u8>> = (0..READS)
        .map(|turn| called("GetItem", &requests::get(turn * KEY_STEP % items)))
        .collect();
    let [one, many] = super::CONNECTIONS;
    load(port, &requests, many, super::WARM_UP)?;
    Ok([
        load(port, &requests, one, plan.duration)?,
        load(port, &requests, many, plan.duration)?,
    ])
}

/// Bytes of all files below a folder.
fn bytes_of(folder: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            sum += bytes_of(&entry.path())?;
        } else if kind.is_file() {
            sum += entry.metadata()?.len();
        }
    }
    Ok(sum)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "bytes on a disk are far below 2^52"
)]
fn ratio(left: u64, right: usize) -> f64 {
    left as f64 / right as f64
}
