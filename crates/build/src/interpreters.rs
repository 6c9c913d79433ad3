//! Finds interpreters on this machine and asks them for their version, once.
//!
//! Lives here: looking through folders, probing a candidate, remembering the answer by path, size and time of change.
//! Does not live here: which version is wanted and what else will do (`node`, `python`).

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::cache::{Cache, key_of};
use crate::config::BuilderConfig;

/// How long an interpreter may take to say its version.
const PROBE_TIME_MAX: Duration = Duration::from_secs(20);

/// An interpreter that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interpreter {
    /// Its binary, as it names it itself: behind links and version switchers.
    pub(crate) path: PathBuf,
    /// As `20.20.2`.
    pub(crate) version: String,
}

impl Interpreter {
    /// The first two numbers of the version.
    pub(crate) fn major_and_minor(&self) -> (u32, u32) {
        let mut numbers = self
            .version
            .split('.')
            .map(|part| part.parse().unwrap_or(0));
        (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
    }
}

/// The executable files of this name on `PATH`, without version switchers: those answer for whatever folder they run
/// in, and cost more than an interpreter does.
pub(crate) fn on_path(config: &BuilderConfig, name: &str) -> Vec<PathBuf> {
    let folders = config.search_path.iter();
    folders
        .filter(|folder| !folder.ends_with("shims"))
        .map(|folder| folder.join(name))
        .filter(|path| is_executable(path))
        .collect()
}

/// Whether it is a file that may be run.
pub(crate) fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}

/// Asks a binary for its version and its real path by this program, unless it was asked before.
/// None: it does not answer.
pub(crate) async fn probe(
    config: &BuilderConfig,
    cache: &Cache,
    path: &Path,
    arguments: &[&str],
) -> Option<Interpreter> {
    let metadata = fs::metadata(path).ok()?;
    let marks = format!(
        "{} {} {}",
        metadata.len(),
        metadata.mtime(),
        metadata.mtime_nsec()
    );
    let key = key_of([path.as_os_str().as_encoded_bytes(), marks.as_bytes()]);
    if let Some(known) = cache.note("interpreters", &key).as_deref().and_then(read) {
        return Some(known);
    }
    let asking = Command::new(path)
        .args(arguments)
        .env_clear()
        .envs(&config.environment)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PROBE_TIME_MAX, asking)
        .await
        .ok()?
        .ok()?;
    if !output.status.success() {
        return None;
    }
    let text = String::from_utf8(output.stdout).ok()?;
    let found = read(&text)?;
    cache.write_note("interpreters", &key, &text);
    Some(found)
}

/// Two lines: version and path.
fn read(text: &str) -> Option<Interpreter> {
    let mut lines = text.lines().map(str::trim);
    let version = lines.next()?.trim_start_matches('v').to_owned();
    let path = PathBuf::from(lines.next()?);
    let is_version = version.starts_with(|first: char| first.is_ascii_digit());
    (is_version && is_executable(&path)).then_some(Interpreter { path, version })
}
