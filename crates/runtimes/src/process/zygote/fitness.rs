//! Which functions can be started by forking at all, and from which base.
//!
//! Lives here: pure questions about a function and what a base has loaded.
//! Does not live here: what a function's init leaves behind: its template says that (`bootstrap`).

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use model::function::{Function, Language};

use super::node_ways;
use crate::process::runtime_api;

/// Beginnings of variables that the loader of an interpreter's libraries, or one of them, reads once when it starts. Not
/// `TZ`: both languages look at that anew when it is set.
const READ_AT_START: [&str; 8] = [
    "LD_",
    "LC_",
    "LANG",
    "MALLOC_",
    "GLIBC_TUNABLES",
    "GCONV_PATH",
    "OPENSSL_",
    "AWS_LAMBDA_EXEC_WRAPPER",
];
const READ_BY_PYTHON: &str = "PYTHON";
/// Names that begin with `NODE_` are popular with packages, too, so these are listed whole. Not `NODE_PATH`, which a
/// template has read anew, nor what Node.js looks at when it needs it.
///
/// Contract: Node.js documentation, "Command-line API", "Environment variables".
const READ_BY_NODE: [&str; 17] = [
    "NODE_COMPILE_CACHE",
    "NODE_DEBUG",
    "NODE_DEBUG_NATIVE",
    "NODE_EXTRA_CA_CERTS",
    "NODE_ICU_DATA",
    "NODE_NO_WARNINGS",
    "NODE_OPTIONS",
    "NODE_PENDING_DEPRECATION",
    "NODE_PENDING_PIPE_INSTANCES",
    "NODE_PRESERVE_SYMLINKS",
    "NODE_PRESERVE_SYMLINKS_MAIN",
    "NODE_REDIRECT_WARNINGS",
    "NODE_TEST_CONTEXT",
    "NODE_USE_ENV_PROXY",
    "NODE_USE_SYSTEM_CA",
    "NODE_V8_COVERAGE",
    "UV_USE_IO_URING",
];

/// Why a function needs a process that is started for itself; none when it may be forked.
pub(in crate::process) fn needs_own_process(function: &Function) -> Option<String> {
    let language = function.runtime.language;
    let mut names = function.environment.keys();
    if let Some(name) = names.find(|name| is_read_at_start(language, name)) {
        return Some(format!("`{name}` is read when a process starts"));
    }
    if language == Language::Node
        && let Err(why) = node_ways::way_of(&function.toolchain.version)
    {
        return Some(why);
    }
    if let Some(extension) = runtime_api::extensions(function).first() {
        return Some(format!(
            "the extension `{}` belongs to one instance",
            extension.display()
        ));
    }
    let own_folders = [function.code_root.clone(), function.code_root.join("lib")];
    let layers = function.layers.iter().map(|layer| layer.join("lib"));
    own_folders
        .into_iter()
        .chain(layers)
        .find(|folder| holds_libraries(folder))
        .map(|folder| {
            format!(
                "the shared libraries in `{}` are searched for when a process starts",
                folder.display()
            )
        })
}

fn is_read_at_start(language: Language, name: &str) -> bool {
    let is_read_by_language = match language {
        Language::Python => name.starts_with(READ_BY_PYTHON),
        Language::Node => READ_BY_NODE.contains(&name),
        Language::Provided | Language::Go => false,
    };
    is_read_by_language || READ_AT_START.iter().any(|start| name.starts_with(start))
}

/// Whether one of these names is a module of the function's own, which it must find instead of what a base has loaded.
pub(super) fn shadows(folders: &[PathBuf], loaded: &HashSet<String>) -> bool {
    folders
        .iter()
        .flat_map(|folder| names_in(folder))
        .any(|name| {
            let module = name.split('.').next().unwrap_or_default();
            loaded.contains(module)
        })
}

fn holds_libraries(folder: &Path) -> bool {
    names_in(folder).any(|name| name.starts_with("lib") && name.contains(".so"))
}

/// A folder that cannot be read holds nothing that could be found in it.
fn names_in(folder: &Path) -> impl Iterator<Item = String> {
    std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_of_the_functions_own_is_noticed_in_every_form() {
        let loaded: HashSet<String> = ["six", "boto3"].map(str::to_owned).into();
        for (name, expected) in [
            ("six.py", true),
            ("six.cpython-311-x86_64-linux-gnu.so", true),
            ("boto3", true),
            ("boto3-1.2.dist-info", false),
            ("sixth.py", false),
        ] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join(name), "").unwrap();
            let folders = [PathBuf::from("/nowhere"), folder.path().to_owned()];
            assert_eq!(shadows(&folders, &loaded), expected, "{name}");
        }
    }
}
