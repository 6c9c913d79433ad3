//! What a builder has to know of the machine.
//!
//! Lives here: the cache's folder and the places where tools are looked for; all of them come in.
//! Does not live here: reading the environment (wiring does), looking for the tools (`interpreters`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::homes::{self, Home};

/// Where a builder keeps things and looks for tools.
#[derive(Debug, Clone)]
pub struct BuilderConfig {
    /// The folder of everything that is installed.
    pub(crate) cache: PathBuf,
    /// The folders of `PATH`.
    pub(crate) search_path: Vec<PathBuf>,
    /// Where version managers keep Node.js.
    pub(crate) node_homes: Vec<Home>,
    /// Where version managers keep Python.
    pub(crate) python_homes: Vec<Home>,
    /// Files and folders of the server's own that may lie in a project: they are no code of its functions.
    pub(crate) left_out: Vec<PathBuf>,
    /// The environment that tools run with, whole.
    pub(crate) environment: BTreeMap<String, String>,
}

impl BuilderConfig {
    /// A cache in this folder, and the user's environment, from which `PATH`, `HOME` and the variables of version
    /// managers are read.
    #[must_use]
    pub fn new(cache: &Path, environment: &BTreeMap<String, String>) -> Self {
        let search_path = environment
            .get("PATH")
            .map(|path| std::env::split_paths(path).collect())
            .unwrap_or_default();
        Self {
            cache: cache.to_owned(),
            search_path,
            node_homes: homes::of_node(environment),
            python_homes: homes::of_python(environment),
            left_out: Vec::new(),
            environment: environment.clone(),
        }
    }

    /// The same, and these files and folders are no code of any function, wherever they lie: the server's state, and
    /// the file that its output goes to.
    #[must_use]
    pub fn leaving_out(mut self, ours: &[PathBuf]) -> Self {
        self.left_out = ours.to_vec();
        self
    }
}
