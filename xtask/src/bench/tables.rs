//! `PutItem` and `GetItem`, from 1 and 32 connections.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::load::{Load, load};
use super::peers::Peers;
use crate::server::{Server, Start, free_port, request, successful};

/// Items that the gets draw from.
const ITEMS: usize = 1_000;

struct Row {
    name: &'static str,
    put: [Load; 2],
    get: [Load; 2],
    memory_mib: f64,
}

pub(super) fn measure(peers: &Peers, duration: Duration) -> Result<String> {
    let scripts = Scripts::write(peers)?;
    let ours = row(
        "Cloudless (each reply durable)",
        cloudless(peers)?,
        &scripts,
        duration,
    )?;
    let rows = vec![
        row(
            "dynalite 4 on disk (does not flush)",
            dynalite(peers)?,
            &scripts,
            duration,
        )?,
        row("ministack", ministack(peers)?, &scripts, duration)?,
        row("moto", moto(peers)?, &scripts, duration)?,
    ];
    let mut table = String::from(
        "### DynamoDB\n\n| server | `PutItem` 1 conn: req/s (p50 / p99 ms) | 32 conn | `GetItem` 1 conn | 32 conn | memory MiB | Cloudless ÷ it, 32 conn: put | get |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for row in std::iter::once(&ours).chain(&rows) {
        let cell = |load: &Load| {
            format!(
                "{:.0} ({:.2} / {:.2})",
                load.per_second, load.p50_ms, load.p99_ms
            )
        };
        let [put_one, put_many] = &row.put;
        let [get_one, get_many] = &row.get;
        let ratio = |ours: &[Load; 2], its: &Load| ours[1].per_second / its.per_second;
        writeln!(
            table,
            "| {} | {} | {} | {} | {} | {:.0} | {:.2} | {:.2} |",
            row.name,
            cell(put_one),
            cell(put_many),
            cell(get_one),
            cell(get_many),
            row.memory_mib,
            ratio(&ours.put, put_many),
            ratio(&ours.get, get_many)
        )?;
    }
    table.push('\n');
    Ok(table)
}

struct Scripts {
    put: PathBuf,
    get: PathBuf,
}

impl Scripts {
    fn write(peers: &Peers) -> Result<Self> {
        let folder = peers.folder("dynamodb")?;
        let script = |operation: &str, body: &str| {
            let headers: String = headers(operation)
                .iter()
                .map(|(name, value)| format!("wrk.headers['{name}'] = '{value}'\n"))
                .collect();
            format!(
                "wrk.method = 'POST'\n{headers}math.randomseed(os.time())\nrequest = function()\n  return wrk.format(nil, '/', nil, {body})\nend\n"
            )
        };
        let filler = "x".repeat(200);
        let put = format!(
            "'{{\"TableName\":\"bench\",\"Item\":{{\"id\":{{\"S\":\"item-' .. math.random({ITEMS}) .. '\"}},\"n\":{{\"N\":\"42\"}},\"text\":{{\"S\":\"{filler}\"}}}}}}'"
        );
        let get = format!(
            "'{{\"TableName\":\"bench\",\"Key\":{{\"id\":{{\"S\":\"item-' .. math.random({ITEMS}) .. '\"}}}}}}'"
        );
        let scripts = Self {
            put: folder.join("put.lua"),
            get: folder.join("get.lua"),
        };
        std::fs::write(&scripts.put, script("PutItem", &put))?;
        std::fs::write(&scripts.get, script("GetItem", &get))?;
        Ok(scripts)
    }
}

fn headers(operation: &str) -> Vec<(&'static str, String)> {
    vec![
        ("Content-Type", "application/x-amz-json-1.0".to_owned()),
        ("X-Amz-Target", format!("DynamoDB_20120810.{operation}")),
        ("X-Amz-Date", "20260101T000000Z".to_owned()),
        (
            "Authorization",
            "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host;x-amz-date;x-amz-target, Signature=0000000000000000000000000000000000000000000000000000000000000000".to_owned(),
        ),
    ]
}

fn row(
    name: &'static str,
    (server, port): (Server, u16),
    scripts: &Scripts,
    duration: Duration,
) -> Result<Row> {
    let call = |operation: &str, body: &str| {
        let headers = headers(operation);
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        successful(port, "POST", "/", &headers, body)
    };
    call(
        "CreateTable",
        r#"{"TableName":"bench","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}],"KeySchema":[{"AttributeName":"id","KeyType":"HASH"}]}"#,
    )?;
    std::thread::sleep(Duration::from_secs(1)); // some peers take their time until a table is active
    let url = format!("http://127.0.0.1:{port}/");
    let measured = |script: &Path| -> Result<[Load; 2]> {
        load(&url, 32, Duration::from_secs(2), Some(script))?; // warm up
        Ok([
            load(&url, 1, duration, Some(script))?,
            load(&url, 32, duration, Some(script))?,
        ])
    };
    let (put, get) = (measured(&scripts.put)?, measured(&scripts.get)?);
    Ok(Row {
        name,
        put,
        get,
        memory_mib: server.memory_mib(),
    })
}

fn cloudless(peers: &Peers) -> Result<(Server, u16)> {
    let folder = peers.folder("cloudless-tables")?;
    std::fs::write(
        folder.join("template.yaml"),
        "Resources:\n  Logs:\n    Type: AWS::Logs::LogGroup\n",
    )?;
    let (port, services) = (free_port()?, free_port()?);
    let mut command = Command::new(&peers.cloudless);
    command.arg("dev").arg(&folder).args([
        "--port",
        &port.to_string(),
        "--services-port",
        &services.to_string(),
    ]);
    let log = peers.work.join("cloudless-tables.log");
    Ok((
        Server::start(Start {
            command,
            log: &log,
            port: services,
            ready_path: "/_cloudless/health",
        })?,
        services,
    ))
}

fn dynalite(peers: &Peers) -> Result<(Server, u16)> {
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
    let log = peers.work.join("dynalite.log");
    Ok((
        Server::start(Start {
            command,
            log: &log,
            port,
            ready_path: "/",
        })?,
        port,
    ))
}

fn ministack(peers: &Peers) -> Result<(Server, u16)> {
    let port = free_port()?;
    let mut command = peers.python("ministack");
    command
        .env("GATEWAY_PORT", port.to_string())
        .current_dir(peers.folder("ministack-tables")?);
    let log = peers.work.join("ministack-tables.log");
    Ok((
        Server::start(Start {
            command,
            log: &log,
            port,
            ready_path: "/_ministack/health",
        })?,
        port,
    ))
}

fn moto(peers: &Peers) -> Result<(Server, u16)> {
    let port = free_port()?;
    let mut command = peers.python("moto_server");
    command.args(["-p", &port.to_string()]);
    let log = peers.work.join("moto.log");
    let server = Server::start(Start {
        command,
        log: &log,
        port,
        ready_path: "/moto-api/",
    })?;
    request(port, "GET", "/moto-api/", &[], "")?;
    Ok((server, port))
}
