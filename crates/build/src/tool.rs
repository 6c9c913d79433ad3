//! Running the tools that install things.
//!
//! Lives here: running one with a time limit, its log in a file, and the end of that log when it fails.
//! Does not live here: which tools, and what for.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::progress::Progress;

/// How long one installation may take.
const INSTALL_TIME_MAX: Duration = Duration::from_secs(20 * 60);
/// How often the log is looked at for something to tell.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);
/// How much of a failed tool's log is looked at.
const LOG_TAIL_BYTES_MAX: u64 = 16 * 1024;
/// How many of its last lines are shown.
const LINES_SHOWN_MAX: usize = 12;

/// One run of a tool.
pub(crate) struct Tool<'a> {
    pub(crate) program: &'a Path,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) directory: &'a Path,
    pub(crate) environment: &'a BTreeMap<String, String>,
    pub(crate) log: &'a Path,
}

/// The tool did not do it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ToolError {
    #[error("`{program}` could not be started")]
    Start { program: PathBuf, source: io::Error },
    #[error("`{program}` took longer than {seconds} s")]
    TookTooLong { program: PathBuf, seconds: u64 },
    #[error("`{program}` failed:\n{last_lines}")]
    Failed {
        program: PathBuf,
        last_lines: String,
    },
}

impl Tool<'_> {
    /// Runs it. Dropping the future kills it.
    ///
    /// # Errors
    /// [`ToolError`]
    pub(crate) async fn run(self, what: &str, progress: &dyn Progress) -> Result<(), ToolError> {
        let start_error = |source| ToolError::Start {
            program: self.program.to_owned(),
            source,
        };
        let log = File::create(self.log).map_err(start_error)?;
        let log_too = log.try_clone().map_err(start_error)?;
        let mut child = Command::new(self.program)
            .args(&self.arguments)
            .current_dir(self.directory)
            .env_clear()
            .envs(self.environment)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(log_too)
            .kill_on_drop(true)
            .spawn()
            .map_err(start_error)?;
        let status = tokio::select! {
            status = tokio::time::timeout(INSTALL_TIME_MAX, child.wait()) => status,
            never = tell(self.log, what, progress) => match never {},
        };
        let status = status.map_err(|_| ToolError::TookTooLong {
            program: self.program.to_owned(),
            seconds: INSTALL_TIME_MAX.as_secs(),
        })?;
        if status.map_err(start_error)?.success() {
            return Ok(());
        }
        Err(ToolError::Failed {
            program: self.program.to_owned(),
            last_lines: last_lines(&tail(self.log)),
        })
    }
}

/// The package that a failed tool complains about, as far as its words tell.
pub(crate) fn package_at_fault(last_lines: &str) -> Option<&str> {
    const BEFORE_A_NAME: [&str; 6] = [
        "No matching distribution found for ",
        "that satisfies the requirement ",
        "No matching version found for ",
        "Failed building wheel for ",
        "Failed to build ",
        "404  '",
    ];
    let (_, after) = BEFORE_A_NAME
        .iter()
        .find_map(|before| last_lines.split_once(before))?;
    let name = after.split([' ', '\'', '\n', '(']).next()?;
    let name = name.trim_end_matches('.');
    (!name.is_empty()).then_some(name)
}

/// Passes on the last line of the log, for as long as it is polled.
async fn tell(log: &Path, what: &str, progress: &dyn Progress) -> Infallible {
    loop {
        tokio::time::sleep(PROGRESS_INTERVAL).await;
        let text = tail(log);
        if let Some(line) = text.lines().rev().find(|it| !it.trim().is_empty()) {
            progress.advanced(what, line.trim());
        }
    }
}

fn tail(log: &Path) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(log)?;
        let length = fs::metadata(log)?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES_MAX)))?;
        let mut bytes = Vec::new();
        file.take(LOG_TAIL_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\r', "\n")
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|line| is_telling(line)).collect();
    let shown = lines.len().saturating_sub(LINES_SHOWN_MAX);
    lines.get(shown..).unwrap_or_default().join("\n")
}

/// Whether a line says something to people. Of an error npm prints its own stack and the error's fields, indented.
fn is_telling(line: &str) -> bool {
    const OF_NPM: [&str; 2] = ["npm error", "npm ERR!"];
    let of_npm = OF_NPM.iter().find_map(|prefix| line.strip_prefix(prefix));
    let Some(rest) = of_npm else {
        return !line.trim().is_empty();
    };
    let said = rest.trim();
    !rest.starts_with("  ")
        && !said.is_empty()
        && said != "}"
        && !said.starts_with("A complete log")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_is_named_as_pip_and_npm_name_it() {
        for (text, package) in [
            (
                "ERROR: Could not find a version that satisfies the requirement nope==9 (from versions: none)",
                "nope==9",
            ),
            (
                "ERROR: No matching distribution found for nope==9\n",
                "nope==9",
            ),
            (
                "npm error notarget No matching version found for left-pad@99.",
                "left-pad@99",
            ),
            ("npm error 404  'nope@1' is not in this registry.", "nope@1"),
        ] {
            assert_eq!(package_at_fault(text), Some(package));
        }
        assert_eq!(package_at_fault("npm error network"), None);
    }

    #[test]
    fn of_npms_errors_the_sentences_are_shown() {
        let text = "\
npm error code ECONNREFUSED
npm error FetchError: request to http://127.0.0.1:9/a failed
npm error     at ClientRequest.emit (node:events:524:28)
npm error   errno: 'ECONNREFUSED',
npm error }
npm error
npm error If you are behind a proxy, please look at its settings.
npm error A complete log of this run can be found in: /logs/debug-0.log
";
        assert_eq!(
            last_lines(text).lines().collect::<Vec<_>>(),
            [
                "npm error code ECONNREFUSED",
                "npm error FetchError: request to http://127.0.0.1:9/a failed",
                "npm error If you are behind a proxy, please look at its settings.",
            ]
        );
    }

    #[test]
    fn only_the_last_lines_are_shown() {
        let text: String = (0..40).map(|number| format!("{number}\n\n")).collect();
        assert!(last_lines(&text).starts_with("28\n29"));
    }
}
