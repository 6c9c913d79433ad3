//! Functions that are not forked: what can be foreseen, and what the last `cloudless dev` found, for `cloudless check`.
//!
//! Lives here: keeping what a run found in the state's folder, and saying it.
//! Does not live here: finding it (`runtimes`), asking for another way to start (`settings`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::application::Application;
use model::function::{Function, Starts};
use model::problem::Problem;
use runtimes::process::probe::Prober;
use runtimes::process::{NotForked, forking_obstacle};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::settings::FILE as SETTINGS_FILE;
use crate::{files, functions};

const FILE: &str = "not-forked.json";
/// Findings that wait to be written. One beyond is missing in the next check, and was in the function's log.
const FINDINGS_WAITING_MAX: usize = 256;
/// What a reason begins with that its author can do something about.
const LEFT_BEHIND: &str = "its init leaves behind";

/// What a server finds of the functions that it runs, kept for the next check.
pub struct Findings {
    path: PathBuf,
    known: Arc<Mutex<Known>>,
    sender: mpsc::Sender<(Function, String)>,
    receiver: tokio::sync::Mutex<mpsc::Receiver<(Function, String)>>,
}

struct Known {
    record: Record,
    /// Fingerprints of the versions that are served: what is found of others came too late.
    served: BTreeSet<String>,
}

/// The file's content. It has at most one finding for each function of the application.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    /// What is no code, though it lies in the project.
    left_out: Vec<PathBuf>,
    /// By logical id.
    functions: BTreeMap<String, Finding>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Finding {
    /// Of the version that was run.
    fingerprint: String,
    /// Of its code, as far as a check can tell it: names of tables, and so variables, differ there.
    sources: String,
    why: String,
}

impl Findings {
    /// Those of a state's folder. Nothing in `left_out` is code.
    #[must_use]
    pub fn new(state: &Path, left_out: Vec<PathBuf>) -> Self {
        let (sender, receiver) = mpsc::channel(FINDINGS_WAITING_MAX);
        let path = state.join(FILE);
        let record = Record {
            left_out,
            functions: read(&path).functions,
        };
        let known = Known {
            record,
            served: BTreeSet::new(),
        };
        Self {
            path,
            known: Arc::new(Mutex::new(known)),
            sender,
            receiver: tokio::sync::Mutex::new(receiver),
        }
    }

    /// Takes findings; they are written while [`keep`](Self::keep) runs.
    #[must_use]
    pub fn listener(&self) -> Box<NotForked> {
        let sender = self.sender.clone();
        Box::new(move |function, why| {
            if let Err(error) = sender.try_send((function.clone(), why.to_owned())) {
                tracing::debug!(%error, function = %function.name, "what was found is not kept");
            }
        })
    }

    /// Writes findings as they come, for ever. Cancel-safe, but for one that is being written.
    pub async fn keep(&self) {
        let mut receiver = self.receiver.lock().await;
        while let Some((function, why)) = receiver.recv().await {
            let (path, known) = (self.path.clone(), Arc::clone(&self.known));
            // The digest reads the project's folder.
            let writing =
                tokio::task::spawn_blocking(move || keep_one(&path, &known, function, why));
            let _panicked = writing.await;
        }
    }

    /// Says which versions are served from now on. What was found of others is forgotten.
    pub fn serve(&self, application: &Application) {
        let mut known = lock(&self.known);
        let Known { record, served } = &mut *known;
        let versions = application.versions().into_iter();
        *served = versions
            .map(|function| function.fingerprint.clone())
            .collect();
        let before = record.functions.len();
        record
            .functions
            .retain(|_, finding| served.contains(&finding.fingerprint));
        if record.functions.len() < before {
            write(&self.path, record);
        }
    }
}

fn keep_one(path: &Path, known: &Mutex<Known>, function: Function, why: String) {
    let left_out = lock(known).record.left_out.clone();
    let finding = Finding {
        sources: sources(&function, &left_out),
        fingerprint: function.fingerprint,
        why,
    };
    let mut known = lock(known);
    if known.served.contains(&finding.fingerprint) {
        let id = function.logical_id.to_string();
        known.record.functions.insert(id, finding);
        write(path, &known.record);
    }
}

/// A warning for each function whose instances will be started one by one, though nobody asked for that. `state` is the
/// folder in which the last run kept what it found; the prober knows what was found of interpreters.
#[must_use]
pub fn warnings(application: &Application, state: &Path, prober: &Prober) -> Vec<Problem> {
    let record = read(&state.join(FILE));
    let functions = application.functions.values();
    functions
        .filter_map(|function| {
            let obstacle = forking_obstacle(function).or_else(|| prober.known_obstacle(function));
            if let Some(why) = obstacle {
                return Some(warning(function, &why, why.clone()));
            }
            let finding = record.functions.get(function.logical_id.as_str())?;
            let is_current = function.starts == Starts::Automatic
                && finding.sources == sources(function, &record.left_out);
            let why = &finding.why;
            let cause = format!("as the last `cloudless dev` found, {why}");
            is_current.then(|| warning(function, why, cause))
        })
        .collect()
}

fn warning(function: &Function, why: &str, cause: String) -> Problem {
    let name = functions::written_name(function.logical_id.as_str());
    let meant = format!(
        "if it is meant, write `starts = \"spawned\"` under `[functions.{name}]` in {SETTINGS_FILE}"
    );
    let help = if why.starts_with(LEFT_BEHIND) {
        format!("close or end that at the end of the init; {meant}")
    } else {
        meant
    };
    let title = format!("instances of `{name}` are started one by one instead of being forked");
    let problem = Problem::warning("functions::not-forked", title);
    let problem = match &function.place {
        Some(place) => problem.at(place),
        None => problem,
    };
    problem.because(cause).help(help)
}

/// Changes whenever the function's own code does, or its layers'.
fn sources(function: &Function, left_out: &[PathBuf]) -> String {
    let folders = std::iter::once(&function.code_root).chain(&function.layers);
    let digests = folders.map(|folder| build::source_digest(folder, left_out));
    std::iter::once(function.handler.clone())
        .chain(digests)
        .collect::<Vec<_>>()
        .join(" ")
}

/// A file that is not there, or that another version wrote, holds nothing that could be said.
fn read(path: &Path) -> Record {
    std::fs::read(path)
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default()
}

/// It is a convenience, so a failure is not one of the server's.
fn write(path: &Path, record: &Record) {
    let written = serde_json::to_string(record)
        .map_err(std::io::Error::other)
        .and_then(|text| files::replace(path, &text));
    if let Err(error) = written {
        tracing::warn!(%error, file = %path.display(), "what was found of functions was not written");
    }
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}
