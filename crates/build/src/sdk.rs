//! The cloud's SDKs, which its runtimes bring along: installed at first need, from lock files of ours.
//!
//! Lives here: which bundle a runtime gets, and installing it.
//! Does not live here: what sources mention (`scan`), a project's own packages (`dependencies`), which win.
//!
//! Contract: AWS Lambda Developer Guide, "Building Lambda functions with Python", "… with Node.js", "Lambda SnapStart
//! runtime hooks for Python": boto3 and snapshot_restore_py come with Python, the AWS SDK for JavaScript v3 with Node.js
//! 18 and later. Differs: version 2, which came with Node.js 16 and earlier, is given to whoever requires it; Python 3.8
//! has no snapshot_restore_py, which needs 3.9.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use model::problem::{Place, Problem};

use crate::cache::{Cache, Entry, key_of};
use crate::config::BuilderConfig;
use crate::interpreters::Interpreter;
use crate::node::{self, Install};
use crate::progress::Progress;
use crate::tool::{Tool, ToolError, package_at_fault};

const PYTHON_3_8: &str = include_str!("sdk/python/requirements-python3.8.txt");
const PYTHON_3_9: &str = include_str!("sdk/python/requirements-python3.9.txt");
const PYTHON_3_10: &str = include_str!("sdk/python/requirements-python3.10.txt");
const NODE_V3: &str = include_str!("sdk/node-v3/package.json");
const NODE_V3_LOCK: &str = include_str!("sdk/node-v3/package-lock.json");
const NODE_V2: &str = include_str!("sdk/node-v2/package.json");
const NODE_V2_LOCK: &str = include_str!("sdk/node-v2/package-lock.json");
const COMPILER: &str = include_str!("compile/esbuild/package.json");
const COMPILER_LOCK: &str = include_str!("compile/esbuild/package-lock.json");
/// The versions of the bundle's packages: the last ones that run on Node.js 18, so that one bundle serves all.
const NODE_V3_VERSIONS: &str = ">=3.940.0 <3.968.0";
/// Additional packages that sources may mention; more than there are clients.
const ADDITIONAL_PACKAGES_MAX: usize = 100;

/// Who installs, and where.
pub(crate) struct Installer<'a> {
    pub(crate) config: &'a BuilderConfig,
    pub(crate) cache: &'a Cache,
    pub(crate) progress: &'a dyn Progress,
    pub(crate) install: Install,
    /// What was not installed because nothing may be.
    pub(crate) put_off: Mutex<BTreeSet<String>>,
    /// Versions of Node.js that could not be fetched, and why: they are not tried for at every reload.
    pub(crate) not_fetched: &'a Mutex<BTreeMap<u32, String>>,
}

/// One thing to install: its name for people, its place in the cache, and who makes it.
pub(crate) struct Order {
    pub(crate) what: String,
    pub(crate) kind: &'static str,
    pub(crate) key: String,
    pub(crate) program: PathBuf,
    /// It is run in the draft's folder.
    pub(crate) arguments: Vec<OsString>,
    /// Files that are put into the folder first.
    pub(crate) files: Vec<(&'static str, String)>,
}

impl Installer<'_> {
    /// Whether nothing may be installed; then this is noted as what would have been.
    pub(crate) fn only_notes(&self, what: &str) -> bool {
        match self.install {
            Install::Allowed => false,
            Install::Never => {
                let mut put_off = self.put_off.lock().unwrap_or_else(PoisonError::into_inner);
                put_off.insert(what.to_owned());
                true
            }
        }
    }

    /// The folder of boto3, what it needs, and snapshot_restore_py, for this interpreter.
    ///
    /// # Errors
    /// What could not be installed, and why.
    pub(crate) async fn for_python(
        &self,
        python: &Interpreter,
        place: &Place,
    ) -> Result<PathBuf, Problem> {
        let (_, minor) = python.major_and_minor();
        let lock = match minor {
            ..=8 => PYTHON_3_8,
            9 => PYTHON_3_9,
            10.. => PYTHON_3_10,
        };
        let arguments = pip_arguments(&[
            "--no-deps",
            "--only-binary",
            ":all:",
            "--require-hashes",
            "--requirement",
            "requirements.txt",
            "--target",
            ".",
        ]);
        let folder = self.install(Order {
            what: format!("AWS SDK for Python 3.{minor}"),
            kind: "sdk-python",
            key: key_of([lock.as_bytes(), minor.to_string().as_bytes()]),
            program: python.path.clone(),
            arguments,
            files: vec![("requirements.txt", lock.to_owned())],
        });
        folder
            .await
            .map_err(|error| failed("the AWS SDK for Python", &error, place))
    }

    /// The `node_modules` of version 3's bundle.
    ///
    /// # Errors
    /// What could not be installed, and why.
    pub(crate) async fn node_v3(&self, place: &Place) -> Result<PathBuf, Problem> {
        let what = "AWS SDK for JavaScript v3";
        self.node_bundle(what, NODE_V3, NODE_V3_LOCK, place).await
    }

    /// The `node_modules` of version 2.
    ///
    /// # Errors
    /// What could not be installed, and why.
    pub(crate) async fn node_v2(&self, place: &Place) -> Result<PathBuf, Problem> {
        let what = "AWS SDK for JavaScript v2";
        self.node_bundle(what, NODE_V2, NODE_V2_LOCK, place).await
    }

    /// The `node_modules` of packages that the bundle lacks.
    ///
    /// # Errors
    /// What could not be installed, and why.
    pub(crate) async fn node_v3_additional(
        &self,
        packages: &BTreeSet<String>,
        place: &Place,
    ) -> Result<PathBuf, Problem> {
        let names: Vec<&String> = packages.iter().take(ADDITIONAL_PACKAGES_MAX).collect();
        let mut arguments = npm_arguments("install");
        arguments.push("--no-save".into());
        for name in &names {
            let versions = if name.starts_with("@aws-sdk/") {
                NODE_V3_VERSIONS
            } else {
                "latest"
            };
            arguments.push(format!("{name}@{versions}").into());
        }
        let key = key_of(
            names
                .iter()
                .map(|name| name.as_bytes())
                .chain([NODE_V3_VERSIONS.as_bytes()]),
        );
        let what = "AWS SDK for JavaScript v3, additional clients";
        self.npm(what, key, arguments, Vec::new(), place).await
    }

    /// The `node_modules` of the compiler of ours, for projects that bring none.
    ///
    /// # Errors
    /// What could not be installed, and why.
    pub(crate) async fn compiler(&self, place: &Place) -> Result<PathBuf, Problem> {
        self.node_bundle("esbuild", COMPILER, COMPILER_LOCK, place)
            .await
    }

    async fn node_bundle(
        &self,
        what: &str,
        manifest: &'static str,
        lock: &'static str,
        place: &Place,
    ) -> Result<PathBuf, Problem> {
        let key = key_of([manifest.as_bytes(), lock.as_bytes()]);
        let files = vec![
            ("package.json", manifest.to_owned()),
            ("package-lock.json", lock.to_owned()),
        ];
        self.npm(what, key, npm_arguments("ci"), files, place).await
    }

    async fn npm(
        &self,
        what: &str,
        key: String,
        arguments: Vec<OsString>,
        files: Vec<(&'static str, String)>,
        place: &Place,
    ) -> Result<PathBuf, Problem> {
        let kind = "sdk-node";
        if let Some(folder) = self.cache.find(kind, &key) {
            return Ok(folder.join("node_modules"));
        }
        let program = node::npm(self.config).ok_or_else(|| npm_missing(what, place))?;
        let order = Order {
            what: what.to_owned(),
            kind,
            key,
            program,
            arguments,
            files,
        };
        let folder = self.install(order).await;
        folder
            .map(|folder| folder.join("node_modules"))
            .map_err(|error| failed(&format!("the {what}"), &error, place))
    }

    pub(crate) async fn install(&self, order: Order) -> Result<PathBuf, ToolError> {
        let program = order.program.clone();
        let io = |source| ToolError::Start {
            program: program.clone(),
            source,
        };
        if let Some(folder) = self.cache.find(order.kind, &order.key) {
            return Ok(folder);
        }
        if self.only_notes(&order.what) {
            return Ok(self.cache.place(order.kind, &order.key));
        }
        let draft = match self.cache.entry(order.kind, &order.key).await.map_err(io)? {
            Entry::Ready(folder) => return Ok(folder),
            Entry::Missing(draft) => draft,
        };
        for (name, text) in &order.files {
            let file = draft.folder.join(name);
            fs::create_dir_all(file.parent().unwrap_or(&draft.folder)).map_err(io)?;
            fs::write(file, text).map_err(io)?;
        }
        self.progress.started(&order.what);
        let tool = Tool {
            program: &order.program,
            arguments: order.arguments,
            directory: &draft.folder,
            environment: &self.config.environment,
            log: &draft.log,
        };
        let result = tool.run(&order.what, self.progress).await;
        self.progress.finished(&order.what);
        result?;
        draft.finish().map_err(io)
    }
}

/// Whether the bundle of version 3 has this package.
pub(crate) fn node_v3_has(package: &str) -> bool {
    NODE_V3_LOCK.contains(&format!("\"node_modules/{package}\""))
}

/// Arguments of an installation by pip, as a module of the interpreter that is to import it: it asks nobody anything.
pub(crate) fn pip_arguments(more: &[&str]) -> Vec<OsString> {
    let install = [
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--no-input",
        "--no-warn-script-location",
    ];
    install.iter().chain(more).map(OsString::from).collect()
}

/// Arguments that every npm run of ours has: packages only, nothing of the user's told to anybody.
pub(crate) fn npm_arguments(command: &str) -> Vec<OsString> {
    [
        command,
        "--omit=dev",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
        // A machine without a network is told so in seconds; by default npm tries for more than a minute.
        "--fetch-retries=2",
        "--fetch-retry-mintimeout=1000",
        "--fetch-retry-factor=2",
    ]
    .map(OsString::from)
    .into()
}

/// The same, but of what a project is developed with, too.
pub(crate) fn npm_arguments_for_building(command: &str) -> Vec<OsString> {
    let mut arguments = npm_arguments(command);
    arguments.retain(|argument| argument != "--omit=dev");
    // The manifest decides, also where the user's environment says that this is a server.
    arguments.push("--include=dev".into());
    // Peers that do not agree are the rule among old tools, and stop nobody who has a lock file of another tool.
    arguments.push("--legacy-peer-deps".into());
    arguments
}

/// The problem for a missing `npm`.
pub(crate) fn npm_missing(what: &str, place: &Place) -> Problem {
    Problem::error(
        "build::npm-missing",
        format!("{what} cannot be installed: there is no `npm` on PATH"),
    )
    .at(place)
    .help("install Node.js with npm")
}

/// The problem for a tool that failed.
pub(crate) fn failed(what: &str, error: &ToolError, place: &Place) -> Problem {
    let text = match error {
        ToolError::Start { source, .. } => format!("{error}: {source}"),
        ToolError::TookTooLong { .. } | ToolError::Failed { .. } => error.to_string(),
    };
    let problem = match package_at_fault(&text) {
        Some(package) => Problem::error(
            "build::install-failed",
            format!("package `{package}` could not be installed"),
        ),
        None => Problem::error(
            "build::install-failed",
            format!("{what} could not be installed"),
        ),
    };
    let problem = problem.at(place);
    if text.contains("No module named pip") {
        return problem
            .because(text)
            .help("install pip for this interpreter: `python -m ensurepip`");
    }
    problem.because(text)
}
