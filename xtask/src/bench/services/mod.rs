//! The services that keep messages and files, ours and the peers; and what events and policies cost of ours.
//!
//! Lives here: the tables of the page, starting the servers.
//! Does not live here: what is done to each service (a file a service).

mod buses;
mod client;
mod delivery;
mod objects;
mod policies;
mod queues;

use std::time::Duration;

use anyhow::Result;

use super::goals::{Goal, Row, Side};
use super::hello;
use super::peers::Peers;
use crate::server::{Server, free_port};

/// A server under test.
struct Subject {
    name: &'static str,
    server: Server,
    port: u16,
}

/// What a service's scenario found.
struct Report {
    /// Absolute figures.
    figures: String,
    /// Ours against its bars.
    rows: Vec<Row>,
}

pub(super) fn measure(peers: &Peers, duration: Duration) -> Result<String> {
    let reports = [
        queues::measure(peers, duration)?,
        objects::measure(peers, duration)?,
        delivery::measure(peers, duration)?,
        buses::measure(peers, duration)?,
        policies::measure()?,
    ];
    Ok(page(&reports))
}

/// Objects alone.
pub(super) fn measure_objects(peers: &Peers, duration: Duration) -> Result<String> {
    Ok(page(&[objects::measure(peers, duration)?]))
}

/// Our queues alone, without the peers.
pub(super) fn measure_queues(peers: &Peers, duration: Duration) -> Result<String> {
    queues::measure_alone(peers, duration)
}

fn page(reports: &[Report]) -> String {
    let mut text = String::from("### Services\n\n");
    for report in reports.iter().filter(|report| !report.figures.is_empty()) {
        text.push_str(&report.figures);
        text.push('\n');
    }
    text.push_str("| what | measured | bar | aim | met |\n| --- | --- | --- | --- | --- |\n");
    let rows = reports.iter().flat_map(|report| &report.rows);
    rows.for_each(|row| text.push_str(&row.line()));
    text
}

fn cloudless(peers: &Peers, folder: &str) -> Result<Subject> {
    let folder = peers.folder(folder)?;
    std::fs::write(
        folder.join("template.yaml"),
        "Resources:\n  Logs:\n    Type: AWS::Logs::LogGroup\n",
    )?;
    let dev = hello::dev(peers, &folder)?;
    Ok(Subject {
        name: "Cloudless (each reply durable)",
        server: dev.server,
        port: dev.services_port,
    })
}

fn ministack(peers: &Peers, folder: &str) -> Result<Subject> {
    let (server, port) = hello::ministack(peers, folder)?;
    Ok(Subject {
        name: "ministack",
        server,
        port,
    })
}

fn moto(peers: &Peers, log: &str) -> Result<Subject> {
    let port = free_port()?;
    let mut command = peers.python("moto_server");
    command.args(["-p", &port.to_string()]);
    let server = hello::start(peers, log, command, port, "/moto-api/")?;
    Ok(Subject {
        name: "moto",
        server,
        port,
    })
}

fn at_least(name: &'static str, bar: f64) -> Goal {
    Goal {
        name,
        side: Side::AtLeast,
        bar: Some(bar),
        aim: None,
        unit: "×",
    }
}
