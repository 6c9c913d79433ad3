//! Churn: load that comes and goes, processes that are killed, code that changes, for as long as one likes; and nothing
//! may grow, no request may go wrong without a reason, nothing may be left at the end.
//!
//! Lives here: the course of a run, and its end.
//! Does not live here: load (`load`), killing and changing (`faults`), what is measured (`samples`).

mod faults;
mod load;
mod samples;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use self::load::Outcomes;
use self::samples::Samples;
use crate::bench::peers;
use crate::http::now;
use crate::processes::{self, Process};
use crate::server::{Dev, Server};

/// `cargo xtask churn`.
#[derive(Debug, Args)]
pub(crate) struct ChurnArguments {
    /// How long it lasts.
    #[arg(long, default_value_t = 30)]
    minutes: u64,
    /// What is drawn at random; a failed run prints its own.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A release build to run, instead of building one.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
}

/// How long a run is left alone at its beginning before it is measured: caches fill, templates are made.
const WARM_UP: Duration = Duration::from_secs(15);
/// Between two samples.
const SAMPLED_EACH: Duration = Duration::from_secs(2);
/// How long the server may take to end once it is asked to.
const END_WAIT_MAX: Duration = Duration::from_secs(40);
/// How long a process may outlive it.
const LEFT_WAIT_MAX: Duration = Duration::from_secs(3);

const PYTHON: &str = "import time\n\ndef handler(event, context):\n    wait = (event.get('queryStringParameters') or {}).get('ms', '0')\n    time.sleep(int(wait) / 1000)\n    return {'statusCode': 200, 'body': 'python'}\n";
const NODE: &str = "exports.handler = async (event) => {\n  const wait = Number(event.queryStringParameters?.ms ?? 0);\n  if (wait > 0) await new Promise((done) => setTimeout(done, wait));\n  return { statusCode: 200, body: 'node' };\n};\n";
const MANIFEST: &str = "service: churn
provider: { name: aws, runtime: python3.11 }
functions:
  python:
    handler: python_app.handler
    events:
      - httpApi: GET /python
  node:
    handler: node_app.handler
    runtime: nodejs22.x
    events:
      - httpApi: GET /node
";
/// Instances come and go all the time.
const SETTINGS: &str = "[limits]\ninstance_idle_seconds = 3\n";

/// The files that are changed while the server runs.
const SOURCES: [(&str, &str); 2] = [("python_app.py", PYTHON), ("node_app.js", NODE)];
/// The paths of the functions.
const PATHS: [&str; 2] = ["/python", "/node"];

pub(crate) fn run(arguments: &ChurnArguments) -> Result<()> {
    let binary = match &arguments.binary {
        Some(binary) => binary.canonicalize()?,
        None => peers::build()?,
    };
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("serverless.yml"), MANIFEST)?;
    std::fs::write(folder.path().join("cloudless.toml"), SETTINGS)?;
    for (file, code) in SOURCES {
        std::fs::write(folder.path().join(file), code)?;
    }
    let log = folder.path().join("server.log");
    let Dev { server, port, .. } = Dev::start(Command::new(&binary), folder.path(), &log)?;
    let outcome = churn(arguments, server, port, folder.path());
    outcome.with_context(|| {
        let kept = keep(&log);
        format!("seed {}; the server's output: {kept}", arguments.seed)
    })
}

fn churn(arguments: &ChurnArguments, server: Server, port: u16, folder: &Path) -> Result<()> {
    let lasts = Duration::from_secs(arguments.minutes * 60);
    let outcomes = Outcomes::default();
    let mut samples = Samples::new(server.id())?;
    let mut seen: BTreeSet<Process> = BTreeSet::new();
    let went = std::thread::scope(|scope| {
        let outcomes = &outcomes;
        let root = server.id();
        for index in 0..load::STEADY {
            let seed = arguments.seed.wrapping_add(index);
            scope.spawn(move || load::steady(port, seed, outcomes));
        }
        let seed = arguments.seed;
        scope.spawn(move || load::bursts(port, outcomes));
        scope.spawn(move || faults::kill(root, seed, outcomes));
        scope.spawn(move || faults::change(folder, outcomes));
        let went = sample(lasts, &mut samples, &mut seen, outcomes);
        outcomes.stop();
        went
    });
    went?;
    say(&format!("{}; now the end", outcomes.summary()));
    outcomes.check()?;
    samples.check()?;
    end(server, seen)
}

/// Samples until the time is over, with a line each minute.
fn sample(
    lasts: Duration,
    samples: &mut Samples,
    seen: &mut BTreeSet<Process>,
    outcomes: &Outcomes,
) -> Result<()> {
    let began = now();
    let mut minutes = 0;
    while began.elapsed() < lasts {
        std::thread::sleep(SAMPLED_EACH);
        let tree = samples.look()?;
        if began.elapsed() < WARM_UP {
            samples.forget();
        }
        seen.extend(tree);
        if minutes < began.elapsed().as_secs() / 60 {
            minutes = began.elapsed().as_secs() / 60;
            say(&format!(
                "minute {minutes}: {}; {}",
                samples.last_minute(SAMPLED_EACH),
                outcomes.summary()
            ));
        }
        outcomes.check()?;
    }
    Ok(())
}

/// Asks the server to end, and sees that all that it ever started has.
fn end(mut server: Server, mut seen: BTreeSet<Process>) -> Result<()> {
    seen.extend(processes::tree(server.id()));
    server.ask_to_end()?;
    let began = now();
    while !server.has_ended()? {
        ensure!(
            began.elapsed() < END_WAIT_MAX,
            "the server did not end within {END_WAIT_MAX:?}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    let began = now();
    loop {
        let left: Vec<String> = seen
            .iter()
            .filter(|process| process.lives())
            .map(|process| format!("{} ({})", process.id, process.command()))
            .collect();
        if left.is_empty() {
            say(&format!("{} processes were seen, none is left", seen.len()));
            return Ok(());
        }
        if LEFT_WAIT_MAX < began.elapsed() {
            bail!("processes outlived the server: {}", left.join(", "));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Moves the log out of the folder that goes; where it is then.
fn keep(log: &Path) -> String {
    let kept = std::env::temp_dir().join(format!("churn-{}.log", std::process::id()));
    match std::fs::copy(log, &kept) {
        Ok(_) => kept.display().to_string(),
        Err(error) => error.to_string(),
    }
}

#[expect(clippy::print_stdout, reason = "progress of a long command")]
fn say(text: &str) {
    println!("{text}");
}
