//! What this machine has to run functions with, for whoever asks without a project.
//!
//! Lives here: the interpreters and installers that are there, and what a runtime would run on.
//! Does not live here: how it is shown (the command line), how they are found (`node`, `python`).

use std::cmp::Reverse;
use std::path::PathBuf;

use model::function::{Language, RuntimeName};
use model::problem::{Place, Problem};

use crate::interpreters::{self, Interpreter, Origin};
use crate::node::{self, Install};
use crate::{Builder, python};

const HAS_PIP: &str =
    "import importlib.util, sys; sys.exit(importlib.util.find_spec('pip') is None)";

/// An interpreter of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Its language.
    pub language: Language,
    /// As `20.20.2`.
    pub version: String,
    /// The binary.
    pub path: PathBuf,
    /// Where it was found.
    pub origin: Origin,
}

/// What a runtime runs on here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Served {
    /// Its own version.
    Exactly(Installed),
    /// Its own version too, once it is installed, which the first start does.
    Fetched {
        /// As `Node.js 22`.
        what: String,
    },
    /// Another version; the problem says why.
    Nearest(Installed, Problem),
    /// Nothing; the problem says why.
    Nothing(Problem),
    /// The executable that each function's code brings along.
    Itself,
}

impl Builder {
    /// All interpreters of this machine that functions can run on, each once. Nothing is installed.
    pub async fn interpreters(&self) -> Vec<Installed> {
        let installer = self.installer(Install::Never);
        let of = |language: Language| move |found: Interpreter| installed(language, found);
        let nodes = node::all(&installer).await;
        let pythons = python::all(&installer).await;
        let nodes = nodes.into_iter().map(of(Language::Node));
        let mut all: Vec<Installed> = nodes
            .chain(pythons.into_iter().map(of(Language::Python)))
            .collect();
        all.sort_by_cached_key(|it| {
            (
                it.language == Language::Python,
                Reverse(numbers(&it.version)),
            )
        });
        all
    }

    /// What functions of a runtime would run on. Nothing is installed.
    pub async fn serving(&self, runtime: &RuntimeName) -> Served {
        let installer = self.installer(Install::Never);
        let nowhere = Place::start_of("");
        let found = match runtime.language {
            Language::Python => python::find(&installer, runtime, &nowhere).await,
            Language::Node => node::find(&installer, runtime, &nowhere).await,
            Language::Provided | Language::Go => return Served::Itself,
        };
        let without_place = |problem: Problem| Problem {
            place: None,
            ..problem
        };
        let put_off = installer.put_off.into_inner().unwrap_or_default();
        match (found, put_off.into_iter().next()) {
            (_, Some(what)) => Served::Fetched { what },
            (Ok((found, None)), None) => Served::Exactly(installed(runtime.language, found)),
            (Ok((found, Some(problem))), None) => {
                let found = installed(runtime.language, found);
                Served::Nearest(found, without_place(problem))
            }
            (Err(problem), None) => Served::Nothing(without_place(problem)),
        }
    }

    /// The `npm` that packages and Node.js versions are installed with.
    #[must_use]
    pub fn npm(&self) -> Option<PathBuf> {
        node::npm(self.config())
    }

    /// Whether a Python has pip, with which packages are installed for it.
    pub async fn has_pip(&self, python: &Installed) -> bool {
        interpreters::succeeds(self.config(), &python.path, &["-c", HAS_PIP]).await
    }
}

fn numbers(version: &str) -> Vec<u32> {
    let numbers = version.split('.').map(|part| part.parse().unwrap_or(0));
    numbers.collect()
}

fn installed(language: Language, found: Interpreter) -> Installed {
    Installed {
        language,
        version: found.version,
        path: found.path,
        origin: found.origin,
    }
}
