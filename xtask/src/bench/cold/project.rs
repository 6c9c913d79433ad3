//! The functions whose starts are measured.
//!
//! Lives here: their code, their manifests, and what a call of one says.
//! Does not live here: calling them.

use std::collections::HashSet;
use std::fmt;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::bench::peers::Peers;
use crate::http::{self, Reply};

/// How long a server that just came up is left alone: what it prepares at deploy is not measured with what follows.
pub(super) const BASES_READY: Duration = Duration::from_secs(4);
/// Spawned functions of a language.
const SPAWNED_FUNCTIONS: usize = 12;
/// New functions of a language.
const NEW_FUNCTIONS: usize = 10;
/// Cold functions of a language that a crowd calls.
const CROWD_FUNCTIONS: usize = 3;
/// Instances of all small functions that are live at once.
pub(super) const SMALL_INSTANCES: usize = 1_000;
/// Small functions of a language.
pub(super) const SMALL_FUNCTIONS: usize = 5;

/// With the SDK, as most functions have it: a client is made at init. The handler does nothing unless it is told to
/// stay busy until a moment.
const PYTHON_WITH_SDK: &str = "import boto3\ntable = boto3.resource('dynamodb').Table('things')\n";
const PYTHON: &str = "
import os, time

def handler(event, context):
    began = time.time() * 1000
    wait = event.get('until', 0) - began
    if wait > 0: time.sleep(wait / 1000)
    return {'began': began, 'instance': '%s %d' % (context.log_stream_name, os.getpid())}
";
const NODE_WITH_SDK: &str = "
const { DynamoDBClient } = require('@aws-sdk/client-dynamodb');
const { DynamoDBDocumentClient } = require('@aws-sdk/lib-dynamodb');
const table = DynamoDBDocumentClient.from(new DynamoDBClient({}));
";
const NODE: &str = "
exports.handler = async (event, context) => {
  const began = Date.now();
  const wait = (event.until ?? 0) - began;
  if (wait > 0) await new Promise((done) => setTimeout(done, wait));
  return { began, instance: `${context.logStreamName} ${process.pid}` };
};
";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Python,
    Node,
}

impl Language {
    pub(super) const ALL: [Self; 2] = [Self::Python, Self::Node];

    /// As it is in names of functions.
    fn word(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Node => "node",
        }
    }

    pub(super) fn runtime(self, peers: &Peers) -> String {
        match self {
            Self::Python => peers.python_runtime(),
            Self::Node => peers.node_runtime(),
        }
    }

    /// The deployed name of the function that starts as functions do.
    pub(super) fn plain(self) -> String {
        deployed(self.word())
    }

    /// The same function again and again, told to be spawned.
    pub(super) fn spawned(self) -> Vec<String> {
        (0..SPAWNED_FUNCTIONS)
            .map(|index| deployed(&format!("{}Spawned{index}", self.word())))
            .collect()
    }

    pub(super) fn new_functions(self) -> Vec<String> {
        (0..NEW_FUNCTIONS)
            .map(|index| deployed(&format!("{}New{index}", self.word())))
            .collect()
    }

    pub(super) fn small_functions(self, count: usize) -> Vec<String> {
        (0..count)
            .map(|index| deployed(&format!("{}Small{index}", self.word())))
            .collect()
    }

    /// Paths of cold functions behind the gateway.
    pub(super) fn crowd_paths(self) -> Vec<String> {
        (0..CROWD_FUNCTIONS)
            .map(|index| format!("/{}Crowd{index}", self.word()))
            .collect()
    }

    /// The file of its function with the SDK, and what is in it.
    pub(super) fn code_with_sdk(self) -> (&'static str, String) {
        match self {
            Self::Python => ("with_sdk.py", format!("{PYTHON_WITH_SDK}{PYTHON}")),
            Self::Node => ("with_sdk.js", format!("{NODE_WITH_SDK}{NODE}")),
        }
    }

    fn small_code(self) -> (&'static str, &'static str) {
        match self {
            Self::Python => ("small.py", PYTHON),
            Self::Node => ("small.js", NODE),
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Python => "Python",
            Self::Node => "Node",
        })
    }
}

const SERVICE: &str = "cold";

fn deployed(name: &str) -> String {
    format!("{SERVICE}-dev-{name}")
}

/// Functions with the SDK: one of each language, new ones, spawned ones, and cold ones behind a gateway.
pub(super) fn with_sdk(peers: &Peers) -> Result<PathBuf> {
    let folder = peers.folder("cold-with-sdk")?;
    let (mut functions, mut settings) = (String::new(), String::new());
    for language in Language::ALL {
        let runtime = language.runtime(peers);
        let (file, code) = language.code_with_sdk();
        std::fs::write(folder.join(file), code)?;
        let word = language.word();
        function(&mut functions, word, &runtime, "with_sdk", None)?;
        for index in 0..NEW_FUNCTIONS {
            let name = format!("{word}New{index}");
            function(&mut functions, &name, &runtime, "with_sdk", None)?;
        }
        for index in 0..SPAWNED_FUNCTIONS {
            let name = format!("{word}Spawned{index}");
            function(&mut functions, &name, &runtime, "with_sdk", None)?;
            writeln!(settings, "[functions.{name}]\nstarts = \"spawned\"")?;
        }
        for path in language.crowd_paths() {
            let name = path.trim_start_matches('/');
            function(&mut functions, name, &runtime, "with_sdk", Some(&path))?;
        }
    }
    write(&folder, &functions)?;
    std::fs::write(folder.join("cloudless.toml"), settings)?;
    Ok(folder)
}

/// Functions without an SDK: so many of each language.
pub(super) fn small(peers: &Peers, count: usize) -> Result<PathBuf> {
    let folder = peers.folder(&format!("cold-small-{count}"))?;
    let mut functions = String::new();
    for language in Language::ALL {
        let runtime = language.runtime(peers);
        let (file, code) = language.small_code();
        std::fs::write(folder.join(file), code)?;
        for index in 0..count {
            let name = format!("{}Small{index}", language.word());
            let path = format!("/{name}");
            function(&mut functions, &name, &runtime, "small", Some(&path))?;
        }
    }
    write(&folder, &functions)?;
    // A machine of less memory would have fewer by itself, and the measurement is of these.
    let settings = format!("[limits]\nmachine_instances = {SMALL_INSTANCES}\n");
    std::fs::write(folder.join("cloudless.toml"), settings)?;
    Ok(folder)
}

fn function(
    manifest: &mut String,
    name: &str,
    runtime: &str,
    module: &str,
    path: Option<&str>,
) -> Result<()> {
    writeln!(
        manifest,
        "  {name}:\n    handler: {module}.handler\n    runtime: {runtime}\n    timeout: 600"
    )?;
    if let Some(path) = path {
        writeln!(manifest, "    events:\n      - httpApi: GET {path}")?;
    }
    Ok(())
}

fn write(folder: &std::path::Path, functions: &str) -> Result<()> {
    let manifest = format!(
        "service: {SERVICE}\nprovider: {{ name: aws, runtime: python3.11 }}\nfunctions:\n{functions}"
    );
    Ok(std::fs::write(folder.join("serverless.yml"), manifest)?)
}

/// An event that keeps an instance busy for so long from now on.
pub(super) fn busy_for(duration: Duration) -> String {
    format!(
        r#"{{"until":{:.0}}}"#,
        epoch_ms() + http::milliseconds(duration)
    )
}

/// The wall clock, as functions read it, in milliseconds.
#[expect(
    clippy::disallowed_methods,
    reason = "compared with what functions read from the same clock"
)]
pub(super) fn epoch_ms() -> f64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    http::milliseconds(now.unwrap_or_default())
}

/// What a call of one of the functions said.
pub(super) struct Said {
    /// When the handler began, by [`epoch_ms`].
    pub(super) began_ms: f64,
    /// Which instance it ran in.
    pub(super) instance: String,
}

pub(super) fn said(reply: &Reply) -> Result<Said> {
    ensure!(
        reply.is_success(),
        "a call was answered with status {}: {}",
        reply.status,
        reply.body
    );
    let value: Value = serde_json::from_str(&reply.body)?;
    let read = || {
        Some(Said {
            began_ms: value.get("began")?.as_f64()?,
            instance: value.get("instance")?.as_str()?.to_owned(),
        })
    };
    read().with_context(|| format!("a function said: {}", reply.body))
}

/// How many different instances served.
pub(super) fn instances(all: &[Said]) -> usize {
    let different: HashSet<&str> = all.iter().map(|said| said.instance.as_str()).collect();
    different.len()
}
