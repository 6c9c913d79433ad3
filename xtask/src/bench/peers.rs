//! Bringing the peers by their package managers, once, into a cache below `target`; and building the product.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::tidy;

/// The version of Node that everything in a run uses, ours and the peers.
const NODE: &str = "22";
/// npm packages, pinned to the lines that the documentation names.
const NPM: &[&str] = &[
    "node@22",
    "serverless@3",
    "serverless-offline@13",
    "dynalite@4.0.0",
    "@google-cloud/functions-framework@3",
    "@aws-sdk/client-dynamodb@3",
    "@aws-sdk/lib-dynamodb@3",
];
/// PyPI packages.
const PYPI: &[&str] = &[
    "ministack==1.5.33",
    "moto[server,dynamodb]==5.2.5",
    "functions-framework==3.*",
    "boto3",
];
/// Those whose versions a report names.
const NPM_NAMED: &[&str] = &[
    "serverless-offline",
    "@google-cloud/functions-framework",
    "@aws-sdk/client-dynamodb",
];
const PYPI_NAMED: &[&str] = &["ministack", "functions-framework", "gunicorn", "boto3"];

/// Where everything is.
pub(crate) struct Peers {
    /// Logs, projects and data of the run.
    pub(crate) work: PathBuf,
    node: PathBuf,
    python: PathBuf,
    /// The product, built for release.
    pub(crate) cloudless: PathBuf,
    /// As `3.11`.
    python_version: String,
}

impl Peers {
    /// Installs what is missing, and builds the product unless it is given.
    pub(crate) fn bring(binary: Option<&Path>) -> Result<Self> {
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
        let cloudless = match binary {
            Some(binary) => binary.canonicalize()?,
            None => build()?,
        };
        let mut peers = Self {
            work,
            node,
            python,
            cloudless,
            python_version: String::new(),
        };
        let version = "import sys; print('%d.%d' % sys.version_info[:2])";
        peers.python_version = said(peers.python("python").args(["-c", version]))?;
        Ok(peers)
    }

    /// The product alone: for what needs no packages.
    pub(super) fn without_packages(binary: Option<&Path>) -> Result<Self> {
        let cache = tidy::target().join("bench");
        let work = cache.join("gateway");
        let _fresh = std::fs::remove_dir_all(&work);
        std::fs::create_dir_all(&work)?;
        Ok(Self {
            work,
            node: cache.join("node"),
            python: cache.join("python"),
            cloudless: match binary {
                Some(binary) => binary.canonicalize()?,
                None => build()?,
            },
            python_version: String::new(),
        })
    }

    /// A program that finds the run's Node before the machine's.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut path = OsString::from(self.node_modules().join(".bin"));
        if let Some(rest) = std::env::var_os("PATH") {
            path.push(":");
            path.push(rest);
        }
        let mut command = Command::new(program);
        command.env("PATH", path);
        command
    }

    /// A command of an npm package.
    pub(super) fn npm(&self, name: &str) -> Command {
        self.command(&self.node_modules().join(".bin").join(name))
    }

    /// Where npm packages are, for projects that load plugins.
    pub(super) fn node_modules(&self) -> PathBuf {
        self.node.join("node_modules")
    }

    /// A command of the Python environment.
    pub(super) fn python(&self, name: &str) -> Command {
        self.command(&self.python.join("bin").join(name))
    }

    /// Lambda's name of the run's Node.
    pub(crate) fn node_runtime(&self) -> String {
        format!("nodejs{NODE}.x")
    }

    /// Lambda's name of the run's Python.
    pub(crate) fn python_runtime(&self) -> String {
        format!("python{}", self.python_version)
    }

    /// What was measured, with versions.
    pub(super) fn versions(&self) -> Result<String> {
        let mut versions = vec![
            said(self.command(&self.cloudless).arg("--version"))?,
            format!("Node {}", said(self.npm("node").arg("--version"))?),
            said(self.python("python").arg("--version"))?,
        ];
        for name in NPM_NAMED {
            let package = self.node_modules().join(name).join("package.json");
            let package: serde_json::Value = serde_json::from_slice(&std::fs::read(package)?)?;
            let version = package.get("version").and_then(serde_json::Value::as_str);
            versions.push(format!("{name} {} (npm)", version.unwrap_or("?")));
        }
        let version = "import importlib.metadata, sys\nfor name in sys.argv[1:]: print(name, importlib.metadata.version(name), '(PyPI)')";
        let named = said(self.python("python").args(["-c", version]).args(PYPI_NAMED))?;
        versions.extend(named.lines().map(str::to_owned));
        Ok(versions.join(", "))
    }

    /// A new folder for this run.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.work.join(name);
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }
}

/// Builds the product for release; where it is.
pub(crate) fn build() -> Result<PathBuf> {
    run(Command::new("cargo")
        .args(["build", "--release", "--package", "cloudless"])
        .current_dir(tidy::root()))?;
    Ok(tidy::target().join("release/cloudless"))
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

/// What a command prints.
fn said(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot start {command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
