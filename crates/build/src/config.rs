//! What a builder has to know of the machine.
//!
//! Lives here: the cache's folder and the places where tools are looked for; all of them come in.
//! Does not live here: reading the environment (wiring does), looking for the tools (`interpreters`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where a builder keeps things and looks for tools.
#[derive(Debug, Clone)]
pub struct BuilderConfig {
    /// The folder of everything that is installed.
    pub(crate) cache: PathBuf,
    /// The folders of `PATH`.
    pub(crate) search_path: Vec<PathBuf>,
    /// Folders that hold one folder for each installed Python version.
    pub(crate) python_homes: Vec<PathBuf>,
    /// Files and folders of the server's own that may lie in a project: they are no code of its functions.
    pub(crate) left_out: Vec<PathBuf>,
    /// The environment that tools run with, whole.
    pub(crate) environment: BTreeMap<String, String>,
}

impl BuilderConfig {
    /// A cache in this folder, and the user's environment, from which `PATH`, `HOME`, `PYENV_ROOT` and
    /// `UV_PYTHON_INSTALL_DIR` are read.
    #[must_use]
    pub fn new(cache: &Path, environment: &BTreeMap<String, String>) -> Self {
        let search_path = environment
            .get("PATH")
            .map(|path| std::env::split_paths(path).collect())
            .unwrap_or_default();
        let home = environment.get("HOME").map(PathBuf::from);
        let below_home = |folder: &str| home.as_ref().map(|home| home.join(folder));
        let pyenv = environment
            .get("PYENV_ROOT")
            .map(PathBuf::from)
            .or_else(|| below_home(".pyenv"))
            .map(|root| root.join("versions"));
        let uv = environment
            .get("UV_PYTHON_INSTALL_DIR")
            .map(PathBuf::from)
            .or_else(|| below_home(".local/share/uv/python"));
        Self {
            cache: cache.to_owned(),
            search_path,
            python_homes: pyenv.into_iter().chain(uv).collect(),
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
