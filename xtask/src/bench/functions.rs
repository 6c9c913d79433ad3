//! A hello function behind a gateway: ready time, first request, warm requests, memory.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::hello::{self, Subject};
use super::load::{Load, load};
use super::peers::Peers;
use crate::http::Connection;

/// How long a server is loaded before it is measured.
const WARM_UP: Duration = Duration::from_secs(2);

/// One row.
struct Row {
    name: &'static str,
    ready: Duration,
    first: Duration,
    one: Load,
    many: Load,
    memory_mib: f64,
}

pub(super) fn measure(peers: &Peers, duration: Duration) -> Result<String> {
    let ours = row(hello::cloudless_node(peers)?, duration)?;
    let rows = vec![
        row(hello::raw_node(peers)?, duration)?,
        row(hello::cloudless_python(peers)?, duration)?,
        row(hello::serverless_offline(peers)?, duration)?,
        row(hello::framework_node(peers)?, duration)?,
        row(hello::framework_python(peers)?, duration)?,
        row(hello::ministack_node(peers)?, duration)?,
    ];
    let mut table = String::from(
        "### A hello function, warm\n\n| server | ready ms | first request ms | 1 conn: req/s | p50 / p99 ms | 32 conn: req/s | p50 / p99 ms | memory MiB | Cloudless Node ÷ it, 32 conn |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for row in std::iter::once(&ours).chain(&rows) {
        let Row {
            name,
            ready,
            first,
            one,
            many,
            memory_mib,
        } = row;
        let ratio = ours.many.per_second / many.per_second;
        writeln!(
            table,
            "| {name} | {} | {:.1} | {:.0} | {:.2} / {:.2} | {:.0} | {:.2} / {:.2} | {memory_mib:.0} | {ratio:.2} |",
            ready.as_millis(),
            first.as_secs_f64() * 1000.0,
            one.per_second,
            one.p50_ms,
            one.p99_ms,
            many.per_second,
            many.p50_ms,
            many.p99_ms
        )?;
    }
    table.push('\n');
    Ok(table)
}

fn row(subject: Subject, duration: Duration) -> Result<Row> {
    let Subject {
        name,
        server,
        port,
        request,
    } = subject;
    let (reply, first) = Connection::open(port)?.exchange(&request)?;
    ensure!(reply.is_success(), "{name}: {}", reply.body);
    let requests = [request];
    load(port, &requests, 32, WARM_UP)?;
    let one = load(port, &requests, 1, duration)?;
    let many = load(port, &requests, 32, duration)?;
    Ok(Row {
        name,
        ready: server.ready,
        first,
        one,
        many,
        memory_mib: server.memory_mib(),
    })
}
