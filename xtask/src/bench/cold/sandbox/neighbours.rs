//! How well a function is served while another misbehaves.
//!
//! Lives here: each misbehaviour, and the calm function's 99th percentile before, beside and after.
//! Does not live here: what holds the wild one back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum as _;

use crate::bench::goals::{Row, at_most};
use crate::bench::hello;
use crate::bench::load::load;
use crate::bench::peers::Peers;
use crate::http::{self, Connection};

/// How long the calm function is measured at a time.
const LASTS: Duration = Duration::from_secs(2);
/// How long the wild one has to get going, and what it leaves to end.
const PAUSE: Duration = Duration::from_millis(500);
/// Rounds of alone and beside, of which the median counts.
const ROUNDS: usize = 3;
/// Calls of the wild function at once.
const WILD: usize = 2;

/// What the wild function does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::bench) enum Misbehaviour {
    Cpu,
    Forks,
    Memory,
    Connects,
    Logs,
    Tmp,
}

impl Misbehaviour {
    /// Its function in the code, and its words in the report.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Cpu => ("cpu", "holds the processor"),
            Self::Forks => ("forks", "forks without end"),
            Self::Memory => ("memory", "takes all memory"),
            Self::Connects => ("connects", "connects without end"),
            Self::Logs => ("logs", "writes its log full"),
            Self::Tmp => ("tmp", "fills `/tmp`"),
        }
    }
}

const CALM: &str = "exports.handler = async () => ({ statusCode: 200, body: 'calm' });\n";
const WILD_CODE: &str = "
import os, socket, sys, threading, time

def cpu(end):
    for _ in range(8):
        if os.fork() == 0:
            while time.monotonic() < end: pass
            os._exit(0)
    while time.monotonic() < end: pass

def forks(end):
    while time.monotonic() < end:
        try:
            if os.fork() == 0:
                time.sleep(max(0, end - time.monotonic()))
                os._exit(0)
        except OSError:
            pass

def memory(end):
    held = []
    while time.monotonic() < end: held.append(bytearray(b'1') * (8 << 20))

def connects(end):
    def flood(n):
        while time.monotonic() < end:
            kind = socket.SOCK_DGRAM if n % 2 else socket.SOCK_STREAM
            with socket.socket(socket.AF_INET, kind) as one:
                one.settimeout(0.01)
                try:
                    one.connect((f'127.0.{n % 250}.{int(time.monotonic() * 1000) % 250 + 2}', 1 + n))
                    one.send(b'x')
                except OSError:
                    pass
    threads = [threading.Thread(target=flood, args=(n,)) for n in range(20)]
    for one in threads: one.start()
    for one in threads: one.join()

def logs(end):
    while time.monotonic() < end: sys.stdout.write('x' * 10000 + '\\n')

def tmp(end):
    while time.monotonic() < end:
        try:
            with open('/tmp/full', 'wb') as file:
                while time.monotonic() < end: file.write(bytes(1 << 20))
        except OSError:
            os.remove('/tmp/full')

def handler(event, context):
    globals()[event['kind']](time.monotonic() + event['seconds'])
";

pub(super) fn measure(peers: &Peers, which: Option<Misbehaviour>) -> Result<Vec<Row>> {
    let folder = peers.folder("sandbox-neighbours")?;
    std::fs::write(folder.join("calm.js"), CALM)?;
    std::fs::write(folder.join("wild.py"), WILD_CODE)?;
    let manifest = format!(
        "service: neighbours\nprovider: {{ name: aws, runtime: {} }}\nfunctions:\n  calm:\n    handler: calm.handler\n    runtime: {}\n    memorySize: 3538\n    events:\n      - httpApi: GET /calm\n  wild:\n    handler: wild.handler\n    memorySize: 512\n    timeout: 60\n",
        peers.python_runtime(),
        peers.node_runtime()
    );
    std::fs::write(folder.join("serverless.yml"), manifest)?;
    // As in the cloud and on a server: processor time in proportion to memory.
    let settings = "[sandbox]\nprocessor = \"rationed\"\n";
    std::fs::write(folder.join("cloudless.toml"), settings)?;
    let dev = hello::dev(peers, &folder)?;
    let calm = || -> Result<f64> {
        let found = load(dev.port, &[http::get("/calm")], 1, LASTS)?;
        Ok(found.p99_ms)
    };
    calm()?;
    let mut rows = Vec::new();
    let all = Misbehaviour::value_variants().iter();
    for one in all.filter(|one| which.is_none_or(|which| which == **one)) {
        let (kind, what) = one.names();
        super::progress(&format!("a neighbour {what}"));
        let (mut alone, mut beside) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            alone.push(calm()?);
            beside.push(while_wild(dev.services_port, kind, calm)?);
            std::thread::sleep(PAUSE);
        }
        let (alone_ms, beside_ms) = (super::median(alone), super::median(beside));
        let ratio = beside_ms / alone_ms;
        rows.push(Row::new(
            &format!("p99 of a function beside one that {what} ÷ alone"),
            format!("{ratio:.2}× (beside {beside_ms:.2} ms, alone {alone_ms:.2} ms)"),
            vec![(ratio, at_most("", Some(2.0), None, "×"))],
        ));
    }
    Ok(rows)
}

/// Measures while calls of the wild function run, one after the other where they end early.
fn while_wild(port: u16, kind: &str, calm: impl Fn() -> Result<f64>) -> Result<f64> {
    let is_over = AtomicBool::new(false);
    let seconds = (LASTS + PAUSE * 2).as_secs_f64();
    let request = http::invoke(
        "neighbours-dev-wild",
        &format!(r#"{{"kind":"{kind}","seconds":{seconds}}}"#),
    );
    std::thread::scope(|scope| {
        for _ in 0..WILD {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    // However it ends: what it does to others is what counts.
                    let called = Connection::open(port).and_then(|mut one| one.exchange(&request));
                    if called.is_err() {
                        std::thread::sleep(PAUSE);
                    }
                }
            });
        }
        std::thread::sleep(PAUSE);
        let measured = calm();
        is_over.store(true, Ordering::Relaxed);
        measured
    })
}
