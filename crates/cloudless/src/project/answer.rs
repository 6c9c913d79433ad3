//! Answering what a manifest's reader asks for: files, variables, what a module exports.
//!
//! Lives here: the I/O that the pure readers may not do, each piece bounded.
//! Does not live here: deciding what is needed (`manifest`).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use interfaces::clock::Clock;
use manifest::reading::Need;
use model::problem::Problem;

use super::program::{self, End};

/// The largest file that is read of a project: its manifest, what that includes, an `--env-file`, and our own.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// How long a module may take to say what it exports.
const MODULE_TIME_MAX: Duration = Duration::from_secs(20);

/// Prints as JSON what a module exports: values, functions called with what the Serverless Framework hands them, and
/// promises awaited, at the top and one level below, where `${file(a.js):name}` finds them. A function that fails
/// gives nothing: the one that is asked for is then missing, and its reader says so.
const EVALUATE_MODULE: &str = "
const { pathToFileURL } = require('node:url');
const given = { options: {}, resolveVariable: async () => undefined, resolveConfigurationProperty: async () => undefined };
const settle = async (value) => (typeof value === 'function' ? await value(given) : await value);
import(pathToFileURL(process.argv[1])).then(async (module) => {
  const value = await settle(module.default === undefined ? { ...module } : module.default);
  if (value !== null && typeof value === 'object' && !Array.isArray(value)) {
    for (const name of Object.keys(value)) value[name] = await settle(value[name]).catch(() => undefined);
  }
  process.stdout.write(JSON.stringify(value === undefined ? null : value));
}).catch((error) => { process.stderr.write(String((error && error.stack) || error)); process.exit(1); });
";

/// The answer to one need; none when there is no such file or variable.
pub(super) fn answer(
    need: &Need,
    root: &Path,
    environment: &BTreeMap<String, String>,
    clock: &dyn Clock,
) -> Result<Option<String>, Box<Problem>> {
    match need {
        Need::Environment(name) => Ok(environment.get(name).cloned()),
        Need::File(file) => read_file(root, file),
        Need::Module(file) => evaluate(root, file, environment, clock),
        // Services answer these.
        Need::Parameter { .. } | Need::Output { .. } | Need::Object { .. } => Ok(None),
    }
}

/// The text of a file of the project; none when there is no such file.
pub(crate) fn read_file(root: &Path, file: &str) -> Result<Option<String>, Box<Problem>> {
    read_text(&root.join(file)).map_err(|error| {
        let title = format!("cannot read `{file}`");
        Box::new(Problem::error("project::unreadable", title).because(error.to_string()))
    })
}

/// The text of a file; none when there is no such file. Devices and pipes, which may have no end, are none.
fn read_text(path: &Path) -> std::io::Result<Option<String>> {
    if !path.is_file() {
        return Ok(None);
    }
    File::open(path).and_then(read_bounded).map(Some)
}

/// The text, unless it is too long.
pub(super) fn read_bounded(file: File) -> std::io::Result<String> {
    let mut text = String::new();
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if FILE_BYTES_MAX < text.len() as u64 {
        let what = format!("it is larger than {FILE_BYTES_MAX} bytes");
        return Err(std::io::Error::other(what));
    }
    Ok(text)
}

fn evaluate(
    root: &Path,
    file: &str,
    environment: &BTreeMap<String, String>,
    clock: &dyn Clock,
) -> Result<Option<String>, Box<Problem>> {
    let path = root.join(file);
    if !path.is_file() {
        return Ok(None);
    }
    let failed = |cause: String| {
        Problem::error(
            "project::module-failed",
            format!("`{file}` could not be evaluated by Node.js"),
        )
        .at(&model::problem::Place::start_of(file))
        .because(cause)
    };
    let mut node = Command::new("node");
    node.args(["-e", EVALUATE_MODULE])
        .arg(&path)
        // What `--env-file` adds is there for modules, too.
        .envs(environment)
        .current_dir(root);
    let ran = program::run(&mut node, MODULE_TIME_MAX, clock).map_err(|error| {
        failed(format!("`node` did not start: {error}"))
            .help("install Node.js, or use serverless.yml")
    })?;
    let said = String::from_utf8_lossy(&ran.stderr);
    match ran.end {
        End::Exited(status) if status.success() => {
            Ok(Some(String::from_utf8_lossy(&ran.stdout).into_owned()))
        }
        End::Exited(status) if said.trim().is_empty() => Err(Box::new(failed(format!(
            "it ended with {status}, and said nothing"
        )))),
        End::Exited(_) => Err(Box::new(failed(said.trim_end().to_owned()))),
        End::TookTooLong => Err(Box::new(failed(format!(
            "it was still running after {} seconds",
            MODULE_TIME_MAX.as_secs()
        )))),
    }
}
