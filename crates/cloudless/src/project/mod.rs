//! A project on disk: which manifest it has, and reading it.
//!
//! Lives here: finding the manifest, and answering what its reader asks for.
//! Does not live here: what a manifest means (`manifest`).

mod answer;
mod environment_file;
mod kept;
mod locate;
mod program;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use interfaces::clock::Clock;
use manifest::reading::{Answers, Need, ReadRequest, Reading, Step};
use model::artefact::{Artefact, CodeSource};
use model::ids::AccountId;
use model::problem::Problem;

use crate::cli::ProjectArguments;

pub(crate) use answer::read_file;
pub(crate) use kept::{InState, Kept, StandIns};
pub use locate::{FrontEnd, Located, locate};

/// Rounds of questions and answers; each may ask for many files. A manifest that needs more includes itself.
const ROUNDS_MAX: usize = 64;

/// A project that was read.
pub struct Project {
    /// What the manifest says.
    pub reading: Reading,
    /// The files that the reading depends on, the manifest first.
    pub files: Vec<PathBuf>,
}

/// How to read projects: the arguments with their files read.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    stage: Option<String>,
    region: Option<String>,
    params: BTreeMap<String, String>,
    environment: BTreeMap<String, String>,
}

impl ReadOptions {
    /// Takes the arguments, and the environment that the manifest may see.
    ///
    /// # Errors
    /// A problem when the `--env-file` cannot be read.
    pub fn new(
        arguments: &ProjectArguments,
        environment: BTreeMap<String, String>,
    ) -> Result<Self, Box<Problem>> {
        let mut environment = environment;
        if let Some(path) = &arguments.env_file {
            environment.extend(environment_file::read(path)?);
        }
        Ok(Self {
            stage: arguments.stage.clone(),
            region: arguments.region.clone(),
            params: arguments.params.iter().cloned().collect(),
            environment,
        })
    }
}

/// Reads a project's manifest and all that it refers to. Problems in it are part of the reading.
///
/// # Errors
/// A problem when the manifest itself cannot be read.
pub(crate) async fn read(
    located: &Located,
    options: &ReadOptions,
    clock: &dyn Clock,
    kept: &dyn Kept,
) -> Result<Project, Box<Problem>> {
    let path = located.root.join(&located.manifest);
    let text = answer::read_file(&located.root, &located.manifest)?.ok_or_else(|| {
        Problem::error(
            "project::unreadable",
            format!("cannot read `{}`", located.manifest),
        )
        .because("it is no file any more")
    })?;
    let request = ReadRequest {
        manifest: located.manifest.clone(),
        text,
        folder_name: folder_name(&located.root),
        stage: options.stage.clone(),
        region: options.region.clone(),
        params: options.params.clone(),
        account: AccountId::development(),
        now_ms: clock.now().epoch_ms(),
    };
    let mut answers = Answers::default();
    let mut problems = Vec::new();
    for _round in 0..ROUNDS_MAX {
        let step = match located.front_end {
            FrontEnd::ServerlessFramework => {
                manifest::serverless_framework::read(&request, &answers)
            }
            FrontEnd::CloudFormation => manifest::sam::read(&request, &answers),
        };
        match step {
            Step::Done(reading) => {
                let asked = answers.needs().filter_map(|need| match need {
                    Need::File(file) | Need::Module(file) => Some(located.root.join(file)),
                    Need::Environment(_)
                    | Need::Parameter { .. }
                    | Need::Output { .. }
                    | Need::Object { .. } => None,
                });
                let mut reading = *reading;
                let archives = archives(&reading.artefacts, &located.root);
                let files = std::iter::once(path).chain(asked).chain(archives).collect();
                reading.problems.splice(0..0, problems);
                return Ok(Project { reading, files });
            }
            Step::Needs(needs) => {
                for need in needs {
                    let answer = obtain(&need, located, options, clock, kept).await;
                    // What cannot be had is missing: the reader says what that means for the rest.
                    let answer = answer.unwrap_or_else(|problem| {
                        problems.push(*problem);
                        None
                    });
                    answers.insert(need, answer);
                }
            }
        }
    }
    Err(Box::new(
        Problem::error(
            "project::endless-reading",
            format!("`{}` keeps asking for more files", located.manifest),
        )
        .because(format!(
            "after {ROUNDS_MAX} rounds there was still something to read"
        ))
        .help("look for a file that includes itself through `${file(…)}`"),
    ))
}

/// What a reader asked for, from the folder, from what the services keep, or from where the stage runs.
async fn obtain(
    need: &Need,
    located: &Located,
    options: &ReadOptions,
    clock: &dyn Clock,
    kept: &dyn Kept,
) -> Result<Option<String>, Box<Problem>> {
    match need {
        Need::Parameter { .. } | Need::Output { .. } | Need::Object { .. } => {
            Ok(kept.answer(need).await)
        }
        // Files are waited for, and modules that Node.js evaluates.
        Need::File(_) | Need::Environment(_) | Need::Module(_) => {
            tokio::task::block_in_place(|| {
                answer::answer(need, &located.root, &options.environment, clock)
            })
        }
    }
}

fn folder_name(root: &Path) -> String {
    root.file_name().map_or_else(
        || "project".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// Archives of code, which may lie outside of the project: whoever packs anew means the new one.
fn archives<'a>(artefacts: &'a [Artefact], root: &'a Path) -> impl Iterator<Item = PathBuf> + 'a {
    artefacts
        .iter()
        .filter_map(|artefact| match &artefact.source {
            CodeSource::Archive(path) => Some(root.join(path)),
            CodeSource::Folder(_)
            | CodeSource::Compiled { .. }
            | CodeSource::Package { .. }
            | CodeSource::Packages { .. }
            | CodeSource::Inline(_) => None,
        })
}
