//! Which functions can be started by forking at all, and from which base.
//!
//! Lives here: pure questions about a function and what a base has loaded.
//! Does not live here: what a function's init leaves behind: its template says that (`bootstrap`).

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use model::function::Function;

/// Variables that an interpreter, or the loader of its libraries, reads once when it starts.
const READ_AT_START: [&str; 9] = [
    "PYTHON",
    "LD_",
    "LC_",
    "LANG",
    "MALLOC_",
    "GLIBC_TUNABLES",
    "GCONV_PATH",
    "OPENSSL_",
    "AWS_LAMBDA_EXEC_WRAPPER",
];

/// Why a function needs a process that is started for itself; none when it may be forked.
pub(in crate::process) fn needs_own_process(function: &Function) -> Option<String> {
    let names = function.environment.keys();
    let read_at_start =
        |name: &&String| READ_AT_START.iter().any(|prefix| name.starts_with(prefix));
    if let Some(name) = names.into_iter().find(read_at_start) {
        return Some(format!("`{name}` is read when a process starts"));
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
