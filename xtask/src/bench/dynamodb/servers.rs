//! Starting ours and the peers.
//!
//! Lives here: one function a server.
//! Does not live here: what they have in common with other scenarios (`bench::hello`, `crate::server`).

use std::path::Path;

use anyhow::Result;

use crate::bench::hello;
use crate::bench::peers::Peers;
use crate::server::{Dev, Server, free_port};

/// Whose a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Ours,
    Peer,
}

/// A server under test.
pub(super) struct Subject {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) server: Server,
    pub(super) port: u16,
}

pub(super) fn cloudless(peers: &Peers) -> Result<Subject> {
    let folder = peers.folder("cloudless-tables")?;
    let dev = cloudless_in(peers, &folder)?;
    Ok(Subject {
        name: "Cloudless (each reply durable)",
        kind: Kind::Ours,
        server: dev.server,
        port: dev.services_port,
    })
}

/// Ours with its data in this folder, new or as it was left.
pub(super) fn cloudless_in(peers: &Peers, folder: &Path) -> Result<Dev> {
    std::fs::write(
        folder.join("template.yaml"),
        "Resources:\n  Logs:\n    Type: AWS::Logs::LogGroup\n",
    )?;
    hello::dev(peers, folder)
}

pub(super) fn dynalite(peers: &Peers) -> Result<Subject> {
    let port = free_port()?;
    let mut command = peers.npm("dynalite");
    command
        .args([
            "--port",
            &port.to_string(),
            "--createTableMs",
            "0",
            "--path",
        ])
        .arg(peers.folder("dynalite-data")?);
    let server = hello::start(peers, "dynalite.log", command, port, "/")?;
    Ok(Subject {
        name: "dynalite 4 on disk (does not flush)",
        kind: Kind::Peer,
        server,
        port,
    })
}

pub(super) fn ministack(peers: &Peers) -> Result<Subject> {
    let (server, port) = hello::ministack(peers, "ministack-tables")?;
    Ok(Subject {
        name: "ministack",
        kind: Kind::Peer,
        server,
        port,
    })
}

pub(super) fn moto(peers: &Peers) -> Result<Subject> {
    let port = free_port()?;
    let mut command = peers.python("moto_server");
    command.args(["-p", &port.to_string()]);
    let server = hello::start(peers, "moto.log", command, port, "/moto-api/")?;
    Ok(Subject {
        name: "moto",
        kind: Kind::Peer,
        server,
        port,
    })
}
