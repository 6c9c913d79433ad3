//! Bringing the peers by their package managers, once, into a cache below `target`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::tidy;

/// npm packages, pinned to the lines that the documentation names.
const NPM: &[&str] = &[
    "serverless@3",
    "serverless-offline@13",
    "dynalite@4.0.0",
    "@google-cloud/functions-framework@3",
];
/// PyPI packages.
const PYPI: &[&str] = &[
    "ministack==1.5.33",
    "moto[server,dynamodb]==5.2.5",
    "functions-framework==3.*",
    "boto3",
];

/// Where everything is.
pub(super) struct Peers {
    /// Logs, projects and data of the run.
    pub(super) work: PathBuf,
    node: PathBuf,
    python: PathBuf,
    /// The product, built for release.
    pub(super) cloudless: PathBuf,
}

impl Peers {
    /// Installs what is missing and builds the product.
    pub(super) fn bring() -> Result<Self> {
        let root = tidy::root();
        let target = tidy::target();
        let cache = target.join("bench");
        let (node, python, work) = (cache.join("node"), cache.join("python"), cache.join("work"));
        std::fs::create_dir_all(&node)?;
        let _fresh = std::fs::remove_dir_all(&work);
        std::fs::create_dir_all(&work)?;
        once(&node.join("installed"), &NPM.join(" "), || {
            run(Command::new("npm")
                .args(["install", "--no-audit", "--no-fund", "--prefix"])
                .arg(&node)
                .args(NPM))
        })?;
        once(&cache.join("python-installed"), &PYPI.join(" "), || {
            run(Command::new("python3").args(["-m", "venv"]).arg(&python))?;
            run(Command::new(python.join("bin/pip"))
                .args(["install", "--quiet"])
                .args(PYPI))
        })?;
        run(Command::new("cargo")
            .args(["build", "--release", "--package", "cloudless"])
            .current_dir(&root))?;
        Ok(Self {
            work,
            node,
            python,
            cloudless: target.join("release/cloudless"),
        })
    }

    /// A command of an npm package.
    pub(super) fn npm(&self, name: &str) -> Command {
        Command::new(self.node.join("node_modules/.bin").join(name))
    }

    /// Where npm packages are, for projects that load plugins.
    pub(super) fn node_modules(&self) -> PathBuf {
        self.node.join("node_modules")
    }

    /// A command of the Python environment.
    pub(super) fn python(&self, name: &str) -> Command {
        Command::new(self.python.join("bin").join(name))
    }

    /// A new folder for this run.
    pub(super) fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.work.join(name);
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }
}

/// Does the work unless the marker says that it was done for the same input.
fn once(marker: &Path, input: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    if std::fs::read_to_string(marker).is_ok_and(|done| done == input) {
        return Ok(());
    }
    work()?;
    std::fs::write(marker, input)?;
    Ok(())
}

fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start {command:?}"))?;
    ensure!(status.success(), "{command:?} failed");
    Ok(())
}
