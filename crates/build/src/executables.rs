//! Functions whose code is an executable: nothing is built, and what is missing is named.
//!
//! Lives here: where the executable is expected, and what the folder shows of how it would come there.
//! Does not live here: starting it (`runtimes`), which says in the cloud's words what is wrong with it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use model::artefact::Artefact;
use model::function::{Language, RuntimeName, Toolchain};
use model::problem::Problem;

const BOOTSTRAP: &str = "bootstrap";

/// What a folder holds when its code has yet to be compiled, and how that is done.
const SOURCES: [(&str, &str); 3] = [
    (
        "go.mod",
        "compile it into the code's folder: `GOOS=linux go build -tags lambda.norpc -o bootstrap .`; or let `sam build` do \
         it, and run `cloudless dev .aws-sam/build/template.yaml`",
    ),
    (
        "Cargo.toml",
        "compile it (`cargo lambda build --release`), and let the code's folder be the one with the `bootstrap`, as \
         `target/lambda/NAME`; or let `sam build` do it, and run `cloudless dev .aws-sam/build/template.yaml`",
    ),
    (
        "Makefile",
        "build it before (`sam build`), and run what that made: `cloudless dev .aws-sam/build/template.yaml`",
    ),
];
const OTHERWISE: &str = "put an executable of this name into the code's folder or a layer: a compiled program, a script, \
     or one that starts the language's runtime interface client";

/// What runs an executable: itself.
pub(crate) fn toolchain(runtime: &RuntimeName) -> Toolchain {
    let version = match runtime.language {
        Language::Provided => format!("al{}", runtime.major),
        Language::Go | Language::Python | Language::Node => runtime.major.to_string(),
    };
    Toolchain {
        interpreter: PathBuf::new(),
        version,
        dependency_paths: Vec::new(),
        sdk_paths: Vec::new(),
    }
}

/// Where `cargo lambda build` put the executable of these sources: code that has none of its own, and one made of it.
///
/// Contract: Cargo Lambda, "Building": `target/lambda/NAME/bootstrap`; AWS SAM, `BuildMethod: rust-cargolambda`.
pub(crate) fn compiled(root: &Path, runtime: &RuntimeName) -> Option<PathBuf> {
    let is_rust = runtime.language == Language::Provided
        && !root.join(BOOTSTRAP).exists()
        && root.join("Cargo.toml").is_file();
    if !is_rust {
        return None;
    }
    let made = fs::read_dir(root.join("target/lambda")).ok()?;
    let mut folders = made
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|folder| folder.join(BOOTSTRAP).is_file());
    // Of several, the manifest has to say which: each function's code is then that folder.
    let only = folders.next()?;
    folders.next().is_none().then_some(only)
}

/// A problem when the executable is not in the code's folder.
pub(crate) fn missing(
    root: &Path,
    artefact: &Artefact,
    runtime: &RuntimeName,
    handler: &str,
) -> Option<Problem> {
    let name = name_of(runtime, handler);
    if root.join(name).is_file() {
        return None;
    }
    let help = SOURCES
        .iter()
        .find(|(source, _)| root.join(source).is_file())
        .map_or(OTHERWISE, |(_, help)| *help);
    Some(
        Problem::error(
            "build::bootstrap-missing",
            // Its name follows.
            "there is no executable for",
        )
        .at(&artefact.place)
        .because(format!(
            "functions of `{runtime}` start `{name}`, which is not in the code's folder"
        ))
        .help(help),
    )
}

/// A warning when it is there and cannot be started.
pub(crate) fn not_startable(
    root: &Path,
    artefact: &Artefact,
    runtime: &RuntimeName,
    handler: &str,
) -> Option<Problem> {
    let path = root.join(name_of(runtime, handler));
    let mode = fs::metadata(&path).ok()?.permissions().mode();
    (mode & 0o111 == 0).then(|| {
        Problem::warning(
            "build::bootstrap-not-executable",
            format!("the executable of `{}` is none", artefact.name),
        )
        .at(&artefact.place)
        .because("its file mode does not let anybody execute it: the cloud refuses it with \"permission denied\"")
        .help(format!("chmod +x {}", path.display()))
    })
}

fn name_of<'a>(runtime: &RuntimeName, handler: &'a str) -> &'a str {
    match runtime.language {
        Language::Go => handler,
        Language::Provided | Language::Python | Language::Node => BOOTSTRAP,
    }
}
