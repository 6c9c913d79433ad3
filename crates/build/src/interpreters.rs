//! Finds interpreters on this machine and asks them for their version, once.
//!
//! Lives here: looking through folders, probing a candidate, remembering the answer by path, size and time of change.
//! Does not live here: which version is wanted and what else will do (`node`, `python`).

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use crate::cache::{Cache, key_of};
use crate::config::BuilderConfig;

/// How long an interpreter may take to say its version.
const PROBE_TIME_MAX: Duration = Duration::from_secs(20);
/// What says more than this is no interpreter.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// A binary that may be what is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) path: PathBuf,
    pub(crate) origin: Origin,
}

/// Who put an interpreter where it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Its folder is on `PATH`.
    SearchPath,
    /// This version manager, as `nvm`.
    Manager(&'static str),
    /// We did, from npm, in the cache.
    Cache,
}

/// An interpreter that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Interpreter {
    /// Its binary, as it names it itself: behind links and version switchers.
    pub(crate) path: PathBuf,
    /// As `20.20.2`.
    pub(crate) version: String,
    /// Where it was found.
    pub(crate) origin: Origin,
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

/// The same, as candidates.
pub(crate) fn candidates_on_path(
    config: &BuilderConfig,
    name: &str,
) -> impl Iterator<Item = Candidate> + use<> {
    on_path(config, name).into_iter().map(|path| Candidate {
        path,
        origin: Origin::SearchPath,
    })
}

/// Of these, the one whose version is nearest to the wanted one, which is at least `oldest`; a newer one if two are
/// equally near, since what runs on an older version mostly runs on a newer one too.
pub(crate) fn nearest(
    found: Vec<Interpreter>,
    wanted: u32,
    oldest: u32,
    number: impl Fn(&Interpreter) -> u32,
) -> Option<Interpreter> {
    found
        .into_iter()
        .filter(|it| oldest <= number(it))
        .min_by_key(|it| (number(it).abs_diff(wanted), number(it) < wanted))
}

/// Whether it is a file that may be run.
pub(crate) fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}

/// Whether one of these is this binary, by this name or another.
pub(crate) fn has(known: &[Interpreter], found: &Interpreter) -> bool {
    let real = |it: &Interpreter| fs::canonicalize(&it.path).ok();
    let path = real(found);
    known
        .iter()
        .any(|it| it.path == found.path || (path.is_some() && real(it) == path))
}

/// Asks a binary for its version and its real path by this program, unless it was asked before.
/// None: it does not answer.
pub(crate) async fn probe(
    config: &BuilderConfig,
    cache: &Cache,
    candidate: &Candidate,
    arguments: &[&str],
) -> Option<Interpreter> {
    let Candidate { path, origin } = candidate;
    let metadata = fs::metadata(path).ok()?;
    let marks = format!(
        "{} {} {}",
        metadata.len(),
        metadata.mtime(),
        metadata.mtime_nsec()
    );
    let key = key_of([path.as_os_str().as_encoded_bytes(), marks.as_bytes()]);
    let answered = |text: &str| {
        read(text).map(|(path, version)| Interpreter {
            path,
            version,
            origin: *origin,
        })
    };
    let known = cache.note("interpreters", &key);
    if let Some(known) = known.as_deref().and_then(answered) {
        return Some(known);
    }
    if cache.is_silent(&key) {
        return None;
    }
    let answer = match run(config, path, arguments).await {
        Answer::Text(answer) => answer,
        Answer::Failed => return None,
        Answer::Silent => {
            cache.note_silent(key);
            return None;
        }
    };
    let text = String::from_utf8(answer).ok()?;
    let found = answered(&text)?;
    cache.write_note("interpreters", &key, &text);
    Some(found)
}

/// Whether a binary runs this program to a good end.
pub(crate) async fn succeeds(config: &BuilderConfig, path: &Path, arguments: &[&str]) -> bool {
    matches!(run(config, path, arguments).await, Answer::Text(_))
}

/// What came of running a binary.
enum Answer {
    Text(Vec<u8>),
    Failed,
    /// It took too long.
    Silent,
}

async fn run(config: &BuilderConfig, path: &Path, arguments: &[&str]) -> Answer {
    match tokio::time::timeout(PROBE_TIME_MAX, hear_out(config, path, arguments)).await {
        Ok(Some(text)) => Answer::Text(text),
        Ok(None) => Answer::Failed,
        Err(_) => Answer::Silent,
    }
}

/// None: it did not end well, or says more than can be an answer.
async fn hear_out(config: &BuilderConfig, path: &Path, arguments: &[&str]) -> Option<Vec<u8>> {
    let mut child = Command::new(path)
        .args(arguments)
        .env_clear()
        .envs(&config.environment)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .ok()?;
    let mut text = Vec::new();
    let mut stdout = child.stdout.take()?.take(ANSWER_BYTES_MAX);
    stdout.read_to_end(&mut text).await.ok()?;
    // It would wait for ever to be read.
    if stdout.limit() == 0 {
        return None;
    }
    child.wait().await.ok()?.success().then_some(text)
}

/// Two lines: version and path.
fn read(text: &str) -> Option<(PathBuf, String)> {
    let mut lines = text.lines().map(str::trim);
    let version = lines.next()?.trim_start_matches('v').to_owned();
    let path = PathBuf::from(lines.next()?);
    let is_version = version.starts_with(|first: char| first.is_ascii_digit());
    (is_version && is_executable(&path)).then_some((path, version))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[tokio::test]
    async fn a_binary_that_never_stops_talking_is_none_and_takes_no_memory() {
        let config = BuilderConfig::new(Path::new("/none"), &BTreeMap::new());
        let answer = run(&config, Path::new("/usr/bin/yes"), &[]).await;
        assert!(matches!(answer, Answer::Failed));
    }
}
