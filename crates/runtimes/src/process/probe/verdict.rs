//! What a probe found, and keeping it.
//!
//! Lives here: the verdict, the file that it is kept in, what makes it void.
//! Does not live here: finding it (`probe`).

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Interpreter;
use crate::process::files::write_whole;

/// Verdicts that are kept on a machine.
const VERDICTS_MAX: usize = 64;
/// Where the kernel says its release.
const KERNEL_RELEASE: &str = "/proc/sys/kernel/osrelease";

/// Whether an interpreter can be forked on this machine, as a probe found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// What it found.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Forks pass all checks.
    Works {
        /// From asking for an instance to its being ready.
        start: Duration,
    },
    /// They do not: functions of this interpreter are started one by one.
    Fails {
        /// Which check failed, and how.
        reasons: Vec<String>,
    },
}

/// A verdict in its file.
#[derive(Serialize, Deserialize)]
struct Kept {
    identity: String,
    verdict: Verdict,
}

/// All that a verdict hangs on. None: the interpreter has gone.
pub(super) fn identity(interpreter: &Interpreter, programs: &[&Path]) -> Option<String> {
    let metadata = fs::metadata(&interpreter.path).ok()?;
    let kernel = fs::read_to_string(KERNEL_RELEASE).unwrap_or_default();
    let programs: Vec<String> = programs
        .iter()
        .map(|folder| folder.display().to_string())
        .collect();
    Some(format!(
        "{} {} size {} changed {}.{:09} kernel {} with {}",
        interpreter.path.display(),
        interpreter.version,
        metadata.len(),
        metadata.mtime(),
        metadata.mtime_nsec(),
        kernel.trim_end(),
        programs.join(" "),
    ))
}

/// The verdict that is kept for this identity. A file that cannot be read is none.
pub(super) fn read(folder: &Path, interpreter: &Interpreter, identity: &str) -> Option<Verdict> {
    let text = fs::read(file(folder, interpreter)).ok()?;
    let kept: Kept = serde_json::from_slice(&text).ok()?;
    (kept.identity == identity).then_some(kept.verdict)
}

/// Keeps a verdict: whole, or not at all.
///
/// # Errors
/// The cache's folder cannot be written.
pub(super) fn write(
    folder: &Path,
    interpreter: &Interpreter,
    identity: &str,
    verdict: &Verdict,
) -> io::Result<()> {
    let kept = Kept {
        identity: identity.to_owned(),
        verdict: verdict.clone(),
    };
    let text = serde_json::to_vec(&kept)?;
    write_whole(&file(folder, interpreter), &text)?;
    keep_the_newest(folder)
}

/// Lets go of the verdicts that were found the longest ago: interpreters come and go with projects.
fn keep_the_newest(folder: &Path) -> io::Result<()> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|it| it == "json") {
            found.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    found.sort_unstable();
    let surplus = found.len().saturating_sub(VERDICTS_MAX);
    for (_, path) in found.iter().take(surplus) {
        fs::remove_file(path)?;
    }
    Ok(())
}

fn file(folder: &Path, interpreter: &Interpreter) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    interpreter.path.hash(&mut hasher);
    folder.join(format!("{:016x}.json", hasher.finish()))
}

#[cfg(test)]
mod tests {
    use model::function::Language;

    use super::*;

    #[test]
    fn a_verdict_is_kept_until_what_it_hangs_on_changes_or_its_file_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let binary = folder.path().join("python3");
        fs::write(&binary, "one").unwrap();
        let interpreter = Interpreter {
            language: Language::Python,
            path: binary.clone(),
            version: "3.11.7".to_owned(),
        };
        let of = |programs: &[&Path]| identity(&interpreter, programs).unwrap();
        let first = of(&[Path::new("bootstrap-1")]);
        let verdict = Verdict {
            outcome: Outcome::Fails {
                reasons: vec!["collections: no answer".to_owned()],
            },
            took: Duration::from_millis(812),
        };
        let verdicts = folder.path().join("verdicts");
        assert_eq!(read(&verdicts, &interpreter, &first), None);
        write(&verdicts, &interpreter, &first, &verdict).unwrap();
        assert_eq!(read(&verdicts, &interpreter, &first), Some(verdict));

        let other_bootstrap = of(&[Path::new("bootstrap-2")]);
        assert_eq!(read(&verdicts, &interpreter, &other_bootstrap), None);
        fs::write(&binary, "another").unwrap();
        let other_binary = of(&[Path::new("bootstrap-1")]);
        assert_eq!(read(&verdicts, &interpreter, &other_binary), None);

        fs::write(file(&verdicts, &interpreter), "{\"identity\": \"").unwrap();
        assert_eq!(read(&verdicts, &interpreter, &first), None);
        fs::remove_file(&binary).unwrap();
        assert_eq!(identity(&interpreter, &[]), None);
    }

    #[test]
    fn when_there_are_too_many_the_oldest_verdict_goes() {
        let folder = tempfile::tempdir().unwrap();
        let verdict = Verdict {
            outcome: Outcome::Fails {
                reasons: Vec::new(),
            },
            took: Duration::ZERO,
        };
        let interpreter = |number: usize| Interpreter {
            language: Language::Node,
            path: PathBuf::from(format!("node-{number}")),
            version: "20.1.0".to_owned(),
        };
        let is_kept = |number| read(folder.path(), &interpreter(number), "same").is_some();
        write(folder.path(), &interpreter(0), "same", &verdict).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        for number in 1..=VERDICTS_MAX {
            assert!(is_kept(0));
            write(folder.path(), &interpreter(number), "same", &verdict).unwrap();
        }
        assert!(!is_kept(0) && is_kept(1) && is_kept(VERDICTS_MAX));
    }
}
