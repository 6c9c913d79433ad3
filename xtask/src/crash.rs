//! The kill loop: write from many connections, kill the server at a random instant, start it again, and read back
//! every write that was acknowledged.
//!
//! Lives here: the writers, the killing and the checking.
//! Does not live here: how the store survives (`store-embedded`).

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::random::next;
use crate::server::{Dev, Server};
use crate::tidy;

/// `cargo xtask crash`.
#[derive(Debug, Args)]
pub(crate) struct CrashArguments {
    /// How often the server is killed.
    #[arg(long, default_value_t = 200)]
    rounds: u64,
    /// Connections that write at the same time.
    #[arg(long, default_value_t = 16)]
    writers: u64,
    /// The seed of the instants; a failed run prints its own.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(crate) fn run(arguments: &CrashArguments) -> Result<()> {
    let built = Command::new("cargo")
        .args(["build", "--release", "--package", "cloudless"])
        .current_dir(tidy::root())
        .status()?;
    ensure!(built.success(), "the product does not build");
    let folder = tempfile::tempdir()?;
    std::fs::write(
        folder.path().join("template.yaml"),
        "Resources:\n  Logs:\n    Type: AWS::Logs::LogGroup\n",
    )?;
    let mut all: Vec<(String, u64)> = Vec::new();
    let mut recent: Vec<(String, u64)> = Vec::new();
    let mut random = arguments.seed;
    for round in 0..arguments.rounds {
        let (server, port) = start(folder.path())?;
        if round == 0 {
            call(port, "CreateTable", CREATE_TABLE)?;
        }
        check(port, &recent).with_context(|| format!("round {round}, seed {}", arguments.seed))?;
        random = next(random);
        let lifetime = Duration::from_millis(20 + random % 200);
        recent = write_until_killed(server, port, arguments.writers, round, lifetime)?;
        all.extend(recent.iter().cloned());
        if round % 20 == 19 {
            say(&format!(
                "{} rounds, {} writes acknowledged",
                round + 1,
                all.len()
            ));
        }
    }
    let (_server, port) = start(folder.path())?;
    check(port, &all)?;
    say(&format!(
        "{} rounds, {} acknowledged writes, none lost",
        arguments.rounds,
        all.len()
    ));
    Ok(())
}

const CREATE_TABLE: &str = r#"{"TableName":"crash","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}],"KeySchema":[{"AttributeName":"id","KeyType":"HASH"}]}"#;

fn start(folder: &Path) -> Result<(Server, u16)> {
    let command = Command::new(tidy::target().join("release/cloudless"));
    let dev = Dev::start(command, folder, &folder.join("server.log"))?;
    Ok((dev.server, dev.services_port))
}

/// Each writer overwrites its own keys with growing numbers and notes what was acknowledged.
fn write_until_killed(
    server: Server,
    port: u16,
    writers: u64,
    round: u64,
    lifetime: Duration,
) -> Result<Vec<(String, u64)>> {
    let stop = AtomicBool::new(false);
    let numbers = AtomicU64::new(round * 1_000_000);
    let acknowledged = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for writer in 0..writers {
            let (stop, numbers, acknowledged) = (&stop, &numbers, &acknowledged);
            scope.spawn(move || {
                let Ok(mut connection) = Connection::open(port) else { return };
                let mut mine = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let number = numbers.fetch_add(1, Ordering::Relaxed);
                    let id = format!("{writer}-{number}");
                    let body = format!(r#"{{"TableName":"crash","Item":{{"id":{{"S":"{id}"}},"n":{{"N":"{number}"}}}}}}"#);
                    match connection.call("PutItem", &body) {
                        Ok((200, _)) => mine.push((id, number)),
                        Ok(_) | Err(_) => break,
                    }
                }
                if let Ok(mut all) = acknowledged.lock() {
                    all.extend(mine);
                }
            });
        }
        std::thread::sleep(lifetime);
        drop(server); // kill -9 of the whole group
        stop.store(true, Ordering::Relaxed);
    });
    acknowledged
        .into_inner()
        .map_err(|_| anyhow::anyhow!("a writer panicked"))
}

fn check(port: u16, acknowledged: &[(String, u64)]) -> Result<()> {
    let mut connection = Connection::open(port)?;
    for (id, number) in acknowledged {
        let (status, body) = connection.call(
            "GetItem",
            &format!(r#"{{"TableName":"crash","Key":{{"id":{{"S":"{id}"}}}}}}"#),
        )?;
        ensure!(
            status == 200 && body.contains(&format!("\"{number}\"")),
            "the acknowledged item {id} is lost: {status} {body}"
        );
    }
    Ok(())
}

fn call(port: u16, operation: &str, body: &str) -> Result<()> {
    let (status, reply) = Connection::open(port)?.call(operation, body)?;
    ensure!(status == 200, "{operation}: {status} {reply}");
    Ok(())
}

/// A kept connection to the service door.
struct Connection {
    reader: BufReader<TcpStream>,
    port: u16,
}

impl Connection {
    fn open(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self {
            reader: BufReader::new(stream),
            port,
        })
    }

    fn call(&mut self, operation: &str, body: &str) -> Result<(u16, String)> {
        let request = format!(
            "POST / HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/x-amz-json-1.0\r\nX-Amz-Date: 20260101T000000Z\r\n\
             X-Amz-Target: DynamoDB_20120810.{operation}\r\nAuthorization: AWS4-HMAC-SHA256 \
             Credential=test/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host;x-amz-date, Signature={}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.port,
            "0".repeat(64),
            body.len()
        );
        self.reader.get_mut().write_all(request.as_bytes())?;
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        let Some(status) = line.split(' ').nth(1).and_then(|text| text.parse().ok()) else {
            bail!("no status: `{line}`")
        };
        let mut length = 0;
        loop {
            line.clear();
            self.reader.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
        }
        let mut reply = vec![0; length];
        self.reader.read_exact(&mut reply)?;
        Ok((status, String::from_utf8_lossy(&reply).into_owned()))
    }
}

#[expect(clippy::print_stdout, reason = "progress of a long command")]
fn say(text: &str) {
    println!("{text}");
}
