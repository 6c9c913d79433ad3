//! Finds the Python that a runtime asks for, or the nearest one.
//!
//! Lives here: where Pythons are, and which of them will do.
//! Does not live here: installing packages for it (`dependencies`, `sdk`).

use std::fs;
use std::path::PathBuf;

use model::function::RuntimeName;
use model::problem::{Place, Problem};

use crate::cache::Cache;
use crate::config::BuilderConfig;
use crate::interpreters::{self, Interpreter};

const PROBE: &str =
    "import sys; print('.'.join(map(str, sys.version_info[:3]))); print(sys.executable)";
/// The minor versions that are looked for, newest first.
const MINORS: std::ops::RangeInclusive<u32> = 6..=20;

/// The interpreter for a runtime, with a warning when it is another version.
///
/// # Errors
/// No Python 3 at all.
pub(crate) async fn find(
    config: &BuilderConfig,
    cache: &Cache,
    runtime: &RuntimeName,
    place: &Place,
) -> Result<(Interpreter, Option<Problem>), Problem> {
    let wanted = runtime.minor;
    for candidate in candidates(config, wanted) {
        if let Some(found) = probed(config, cache, &candidate).await
            && found.major_and_minor() == (3, wanted)
        {
            return Ok((found, None));
        }
    }
    let mut nearest: Option<Interpreter> = None;
    let distance = |it: &Interpreter| it.major_and_minor().1.abs_diff(wanted);
    for minor in MINORS.rev().filter(|minor| *minor != wanted) {
        for candidate in candidates(config, minor) {
            if let Some(found) = probed(config, cache, &candidate).await
                && found.major_and_minor().0 == 3
                && nearest
                    .as_ref()
                    .is_none_or(|known| distance(&found) < distance(known))
            {
                nearest = Some(found);
            }
        }
    }
    let help = format!(
        "install Python 3.{wanted} (for one, `uv python install 3.{wanted}` or `pyenv install 3.{wanted}`)"
    );
    let Some(found) = nearest else {
        let title = format!("no Python for runtime `{runtime}` is installed");
        return Err(Problem::error("build::interpreter-missing", title)
            .at(place)
            .help(help));
    };
    let title = format!("runtime `{runtime}` runs on Python {} here", found.version);
    let warning = Problem::warning("build::interpreter-nearest", title)
        .at(place)
        .because(format!(
            "Python 3.{wanted} was not found; this is the nearest version"
        ))
        .help(help);
    Ok((found, Some(warning)))
}

async fn probed(
    config: &BuilderConfig,
    cache: &Cache,
    path: &std::path::Path,
) -> Option<Interpreter> {
    interpreters::probe(config, cache, path, &["-c", PROBE]).await
}

/// Binaries that may be this version: on `PATH` by name, then those of pyenv and uv, then `PATH`'s unnamed ones.
fn candidates(config: &BuilderConfig, minor: u32) -> Vec<PathBuf> {
    let name = format!("python3.{minor}");
    let mut candidates = interpreters::on_path(config, &name);
    for home in &config.python_homes {
        let Ok(entries) = fs::read_dir(home) else {
            continue;
        };
        let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        folders.sort();
        let binaries = folders
            .iter()
            .rev()
            .map(|folder| folder.join("bin").join(&name));
        candidates.extend(binaries.filter(|binary| interpreters::is_executable(binary)));
    }
    candidates.extend(interpreters::on_path(config, "python3"));
    candidates.extend(interpreters::on_path(config, "python"));
    candidates
}
