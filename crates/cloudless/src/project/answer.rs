//! Answering what a manifest's reader asks for: files, variables, what a module exports.
//!
//! Lives here: the I/O that the pure readers may not do, each piece bounded.
//! Does not live here: deciding what is needed (`manifest`).

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};

use manifest::reading::Need;
use model::problem::Problem;

/// The largest file that a manifest may include.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Prints as JSON what a module exports: a value, a function that gives one, or a promise of either.
const EVALUATE_MODULE: &str = "
const { pathToFileURL } = require('node:url');
import(pathToFileURL(process.argv[1])).then(async (module) => {
  let value = module.default === undefined ? { ...module } : module.default;
  if (typeof value === 'function') value = await value({ options: {}, resolveConfigurationProperty: async () => undefined });
  process.stdout.write(JSON.stringify(await value));
}).catch((error) => { process.stderr.write(String(error && error.stack || error)); process.exit(1); });
";

/// The answer to one need; none when there is no such file or variable.
pub(super) fn answer(
    need: &Need,
    root: &Path,
    environment: &BTreeMap<String, String>,
) -> Result<Option<String>, Problem> {
    match need {
        Need::Environment(name) => Ok(environment.get(name).cloned()),
        Need::File(file) => read_file(root, file),
        Need::Module(file) => evaluate(root, file),
    }
}

fn read_file(root: &Path, file: &str) -> Result<Option<String>, Problem> {
    let unreadable = |cause: String| {
        Problem::error("project::unreadable", format!("cannot read `{file}`")).because(cause)
    };
    let path = root.join(file);
    if !path.is_file() {
        return Ok(None);
    }
    let opened = std::fs::File::open(&path).map_err(|error| unreadable(error.to_string()))?;
    let mut text = String::new();
    opened
        .take(FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|error| unreadable(error.to_string()))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(unreadable(format!(
            "it is larger than {FILE_BYTES_MAX} bytes"
        )));
    }
    Ok(Some(text))
}

fn evaluate(root: &Path, file: &str) -> Result<Option<String>, Problem> {
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
    let output = Command::new("node")
        .args(["-e", EVALUATE_MODULE])
        .arg(&path)
        .current_dir(root)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| {
            failed(format!("`node` did not start: {error}"))
                .help("install Node.js, or use serverless.yml")
        })?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    Ok(Some(String::from_utf8_lossy(&output.stdout).into_owned()))
}
