//! Finds the Python that a runtime asks for, or the nearest one.
//!
//! Lives here: where Pythons are, and which of them will do.
//! Does not live here: installing packages for it (`dependencies`, `sdk`).

use model::function::RuntimeName;
use model::problem::{Place, Problem};

use crate::config::BuilderConfig;
use crate::interpreters::{self, Candidate, Interpreter};
use crate::sdk::Installer;

const PROBE: &str =
    "import sys; print('.'.join(map(str, sys.version_info[:3]))); print(sys.executable)";
/// The oldest minor version that the bootstrap of our instances runs on, and the SDK is locked for.
const OLDEST: u32 = 8;
/// The newest one that is looked for.
const NEWEST: u32 = 20;

/// The interpreter for a runtime, with a warning when it is another version.
///
/// # Errors
/// No Python 3 that functions could run on.
pub(crate) async fn find(
    installer: &Installer<'_>,
    runtime: &RuntimeName,
    place: &Place,
) -> Result<(Interpreter, Option<Problem>), Problem> {
    let wanted = runtime.minor;
    if OLDEST <= wanted {
        for candidate in candidates(installer.config, wanted) {
            if let Some(found) = probed(installer, &candidate).await
                && found.major_and_minor() == (3, wanted)
            {
                return Ok((found, None));
            }
        }
    }
    let target = wanted.max(OLDEST);
    let install = format!(
        "install Python 3.{target} (for one, `uv python install 3.{target}` or `pyenv install 3.{target}`)"
    );
    let all = all(installer).await;
    let Some(found) = interpreters::nearest(all, wanted, OLDEST, minor) else {
        let title = format!("no Python for runtime `{runtime}` is installed");
        return Err(Problem::error("build::interpreter-missing", title)
            .at(place)
            .help(install));
    };
    let (cause, help) = if wanted < OLDEST {
        (
            format!(
                "versions before 3.{OLDEST} are not run here, and the cloud takes no new functions for them"
            ),
            "move the function to a runtime that is still supported".to_owned(),
        )
    } else {
        let cause = format!("Python 3.{wanted} was not found; this is the nearest version");
        (cause, install)
    };
    let title = format!("runtime `{runtime}` runs on Python {} here", found.version);
    let warning = Problem::warning("build::interpreter-nearest", title)
        .at(place)
        .because(cause)
        .help(help);
    Ok((found, Some(warning)))
}

/// All that functions can run on: on `PATH`, and of version managers.
pub(crate) async fn all(installer: &Installer<'_>) -> Vec<Interpreter> {
    let mut all: Vec<Interpreter> = Vec::new();
    for wanted in (OLDEST..=NEWEST).rev() {
        for candidate in candidates(installer.config, wanted) {
            if let Some(found) = probed(installer, &candidate).await
                && (3, OLDEST) <= found.major_and_minor()
                && !interpreters::has(&all, &found)
            {
                all.push(found);
            }
        }
    }
    all
}

fn minor(python: &Interpreter) -> u32 {
    python.major_and_minor().1
}

async fn probed(installer: &Installer<'_>, candidate: &Candidate) -> Option<Interpreter> {
    interpreters::probe(installer.config, installer.cache, candidate, &["-c", PROBE]).await
}

/// Binaries that may be this version: on `PATH` by name, then those of version managers, then `PATH`'s unnamed ones.
fn candidates(config: &BuilderConfig, minor: u32) -> Vec<Candidate> {
    let name = format!("python3.{minor}");
    let named = interpreters::candidates_on_path(config, &name);
    let managed = config.python_homes.iter();
    let managed = managed.flat_map(|home| home.candidates(&name));
    let unnamed = ["python3", "python"];
    let unnamed = unnamed.map(|name| interpreters::candidates_on_path(config, name));
    named
        .chain(managed)
        .chain(unnamed.into_iter().flatten())
        .collect()
}
