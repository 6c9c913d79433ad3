//! The gateway beside HAProxy and nginx, in front of the same raw server.
//!
//! Lives here: what is measured in which order, the report and its bars.
//! Does not live here: configurations (`peers`), our project (`project`), load (`super::load`).

mod peers;
mod project;
mod token;

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Result;

use super::goals::{Row, at_most, times};
use super::load::{Load, load};
use super::peers::Peers;
use crate::http;
use crate::processes;
use crate::server::Server;

/// Connections that send at the same time.
const CONNECTIONS: usize = 64;
/// How long each server is warmed up.
const WARM_UP: Duration = Duration::from_secs(1);
/// Routes of the large API.
pub(super) const ROUTES: usize = 1_000;
/// Keys of the cache in the mixed load: more than are asked for twice.
const MIXED_KEYS: usize = 2_000;

/// How long is measured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// Each load.
    pub(super) duration: Duration,
    /// The mixed load.
    pub(super) mixed: Duration,
}

/// What a server did, beside what it took of the processor.
struct Measured {
    load: Load,
    /// Successes in a second of its processors' time.
    per_cpu_second: f64,
}

/// A server that is up.
pub(super) struct Subject {
    pub(super) server: Server,
    pub(super) port: u16,
}

pub(super) fn measure(peers: &Peers, plan: &Plan) -> Result<String> {
    let raw = peers::raw(peers)?;
    let nginx = peers::nginx(peers, raw.port)?;
    let haproxy = peers::haproxy(peers, raw.port)?;
    let project::Ours {
        subject: ours,
        services_port,
        folder,
    } = project::start(peers, raw.port, 1)?;
    let bearer = format!("Bearer {}", token::signed(peers, &folder)?);
    let key_file = token::key_file(peers, services_port)?;
    let verifying = peers::verifying_haproxy(peers, raw.port, &key_file)?;
    let mut report = format!("{}\n\n", peers::versions()?);
    let beside = Beside {
        nginx,
        haproxy,
        verifying,
    };
    let (table, mut rows) = beside_peers(&ours, &beside, &bearer, plan)?;
    report.push_str(&table);
    rows.push(added_latency(&ours, &raw, plan)?);
    rows.push(mixed(&ours, plan)?);
    drop(ours);
    rows.push(routes(peers, raw.port, plan)?);
    report.push_str("\n| what | measured | bar | aim | met |\n| --- | --- | --- | --- | --- |\n");
    for row in rows {
        report.push_str(&row.line());
    }
    Ok(report)
}

/// The peers that are up.
struct Beside {
    nginx: Subject,
    haproxy: Subject,
    verifying: Subject,
}

/// The same requests through us and through each peer.
fn beside_peers(
    ours: &Subject,
    beside: &Beside,
    bearer: &str,
    plan: &Plan,
) -> Result<(String, Vec<Row>)> {
    let Beside {
        nginx,
        haproxy,
        verifying,
    } = beside;
    let mut report = String::from(
        "| load | Cloudless: req/s (per CPU second, p50 ms) | peer | Cloudless ÷ it, per CPU second |\n| --- | --- | --- | --- |\n",
    );
    let key = [("x-api-key", project::KEY), ("authorization", bearer)];
    let with_key = http::request("GET", "/dev/keyed", &key, "");
    let with_token = http::request("GET", "/v2/users", &key, "");
    let mut rows = Vec::new();
    for (what, own, (peer, port, path), bar) in [
        (
            "`HTTP_PROXY`",
            http::get("/v2/proxy"),
            (nginx, nginx.port, "/proxy"),
            0.6,
        ),
        (
            "API key, rate and quota, `HTTP_PROXY`",
            with_key,
            (haproxy, haproxy.port, "/proxy"),
            0.6,
        ),
        (
            "JWT (RS256, key at hand) and rate, `HTTP_PROXY`",
            with_token,
            (verifying, verifying.port, "/proxy"),
            0.6,
        ),
        (
            "cache hit",
            http::get("/dev/cached"),
            (nginx, nginx.port, "/cached"),
            0.8,
        ),
    ] {
        let theirs = http::request("GET", path, &key, "");
        let (own, theirs) = (
            measured(&ours.server, ours.port, &own, plan)?,
            measured(&peer.server, port, &theirs, plan)?,
        );
        let ratio = own.per_cpu_second / theirs.per_cpu_second;
        writeln!(
            report,
            "| {what} | {} | {} | {ratio:.2} |",
            shown(&own),
            shown(&theirs)
        )?;
        rows.push(Row::new(
            what,
            format!("{ratio:.2}×"),
            vec![(ratio, times("", bar, 1.0))],
        ));
    }
    Ok((report, rows))
}

fn shown(measured: &Measured) -> String {
    let Measured {
        load,
        per_cpu_second,
    } = measured;
    format!(
        "{:.0} ({per_cpu_second:.0}, {:.2})",
        load.per_second, load.p50_ms
    )
}

fn measured(server: &Server, port: u16, request: &[u8], plan: &Plan) -> Result<Measured> {
    let requests = [request.to_vec()];
    load(port, &requests, CONNECTIONS, WARM_UP)?;
    let before = cpu(server);
    let load = load(port, &requests, CONNECTIONS, plan.duration)?;
    let took = cpu(server).saturating_sub(before).as_secs_f64();
    #[expect(
        clippy::cast_precision_loss,
        reason = "a count of requests is far below 2^52"
    )]
    let per_cpu_second = load.successes as f64 / took.max(0.01);
    Ok(Measured {
        load,
        per_cpu_second,
    })
}

fn cpu(server: &Server) -> Duration {
    let all = processes::tree(server.id());
    all.iter().map(|process| process.processor_time()).sum()
}

/// What the gateway adds to a request when it has nothing else to do.
fn added_latency(ours: &Subject, raw: &Subject, plan: &Plan) -> Result<Row> {
    let alone = |port: u16, path: &str| load(port, &[http::get(path)], 1, plan.duration);
    let (through, direct) = (alone(ours.port, "/v2/proxy")?, alone(raw.port, "/")?);
    let added_us = (through.p50_ms - direct.p50_ms) * 1_000.0;
    Ok(Row::new(
        "added latency, p50, one connection",
        format!("{added_us:.0} µs (raw {:.0} µs)", direct.p50_ms * 1_000.0),
        vec![(added_us, at_most("", Some(100.0), None, " µs"))],
    ))
}

/// Whether memory grows while all kinds of requests come.
fn mixed(ours: &Subject, plan: &Plan) -> Result<Row> {
    let key = [("x-api-key", project::KEY)];
    let mut requests: Vec<Vec<u8>> = Vec::new();
    for number in 0..MIXED_KEYS {
        requests.push(http::get(&format!("/dev/cached?q={number}")));
        requests.push(http::get("/v2/proxy"));
        requests.push(http::request("GET", "/dev/keyed", &key, ""));
    }
    let quarter = plan.mixed / 4;
    load(ours.port, &requests, CONNECTIONS, quarter)?;
    let early = ours.server.memory_mib();
    load(ours.port, &requests, CONNECTIONS, plan.mixed - quarter)?;
    let late = ours.server.memory_mib();
    let growth = (late - early) / early * 100.0;
    Ok(Row::new(
        &format!(
            "growth of memory in {} s of mixed load, after its first quarter",
            plan.mixed.as_secs()
        ),
        format!("{growth:.1} % ({early:.0} to {late:.0} MiB)"),
        vec![(growth, at_most("", Some(5.0), Some(1.0), " %"))],
    ))
}

/// One route, and a thousand.
fn routes(peers: &Peers, raw: u16, plan: &Plan) -> Result<Row> {
    let mut rates = Vec::new();
    for routes in [1, ROUTES] {
        let subject = project::start(peers, raw, routes)?.subject;
        let request = http::get(&format!("/v2/r{}/7", ROUTES - 1));
        rates.push(measured(&subject.server, subject.port, &request, plan)?.per_cpu_second);
    }
    let cost = match rates.as_slice() {
        [one, many] => (one / many - 1.0) * 100.0,
        _ => f64::NAN,
    };
    Ok(Row::new(
        "what 1,000 routes cost more than one, per CPU second",
        format!("{cost:.1} %"),
        vec![(cost, at_most("", Some(10.0), Some(2.0), " %"))],
    ))
}
