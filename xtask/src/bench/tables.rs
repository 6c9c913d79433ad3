//! `PutItem` and `GetItem`, from 1 and 32 connections.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::hello;
use super::load::{Load, load};
use super::peers::Peers;
use crate::http::{self, Connection};
use crate::server::{Server, free_port};

/// Items that are put and got.
const ITEMS: usize = 1_000;
/// From one key to the next. It has no divisor in common with [`ITEMS`], so all keys have their turn.
const KEY_STEP: usize = 617;

struct Row {
    name: &'static str,
    put: [Load; 2],
    get: [Load; 2],
    memory_mib: f64,
}

pub(super) fn measure(peers: &Peers, duration: Duration) -> Result<String> {
    let requests = Requests::new();
    let ours = row(
        "Cloudless (each reply durable)",
        cloudless(peers)?,
        &requests,
        duration,
    )?;
    let rows = vec![
        row(
            "dynalite 4 on disk (does not flush)",
            dynalite(peers)?,
            &requests,
            duration,
        )?,
        row(
            "ministack",
            hello::ministack(peers, "ministack-tables")?,
            &requests,
            duration,
        )?,
        row("moto", moto(peers)?, &requests, duration)?,
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

/// What is put and got, in an order that jumps over the keys.
struct Requests {
    put: Vec<Vec<u8>>,
    get: Vec<Vec<u8>>,
}

impl Requests {
    fn new() -> Self {
        let filler = "x".repeat(200);
        let put = |key: usize| {
            format!(
                r#"{{"TableName":"bench","Item":{{"id":{{"S":"item-{key}"}},"n":{{"N":"42"}},"text":{{"S":"{filler}"}}}}}}"#
            )
        };
        let get =
            |key: usize| format!(r#"{{"TableName":"bench","Key":{{"id":{{"S":"item-{key}"}}}}}}"#);
        let keys = || (0..ITEMS).map(|turn| turn * KEY_STEP % ITEMS);
        Self {
            put: keys().map(|key| called("PutItem", &put(key))).collect(),
            get: keys().map(|key| called("GetItem", &get(key))).collect(),
        }
    }
}

fn called(operation: &str, body: &str) -> Vec<u8> {
    let headers = headers(operation);
    let headers: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    http::request("POST", "/", &headers, body)
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
    requests: &Requests,
    duration: Duration,
) -> Result<Row> {
    const CREATE: &str = r#"{"TableName":"bench","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}],"KeySchema":[{"AttributeName":"id","KeyType":"HASH"}]}"#;
    let (reply, _) = Connection::open(port)?.exchange(&called("CreateTable", CREATE))?;
    ensure!(reply.is_success(), "{name}: {}", reply.body);
    std::thread::sleep(Duration::from_secs(1)); // some peers take their time until a table is active
    let measured = |requests: &[Vec<u8>]| -> Result<[Load; 2]> {
        load(port, requests, 32, Duration::from_secs(2))?; // warm up
        Ok([
            load(port, requests, 1, duration)?,
            load(port, requests, 32, duration)?,
        ])
    };
    let (put, get) = (measured(&requests.put)?, measured(&requests.get)?);
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
    let dev = hello::dev(peers, &folder)?;
    Ok((dev.server, dev.services_port))
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
    let server = hello::start(peers, "dynalite.log", command, port, "/")?;
    Ok((server, port))
}

fn moto(peers: &Peers) -> Result<(Server, u16)> {
    let port = free_port()?;
    let mut command = peers.python("moto_server");
    command.args(["-p", &port.to_string()]);
    let server = hello::start(peers, "moto.log", command, port, "/moto-api/")?;
    Ok((server, port))
}
