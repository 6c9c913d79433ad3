//! A function's folders, as they are seen from inside.
//!
//! Lives here: where its code, its layers and its packages are there.
//! Does not live here: which folders of the host those are (`shown`).
//!
//! Contract: AWS Lambda Developer Guide, "Working with Lambda environment variables" (`LAMBDA_TASK_ROOT`), "Packaging
//! your layer content".

use std::path::{Path, PathBuf};

use model::function::Function;

use super::beyond;

/// Where the bootstrap is.
pub(in crate::process) const INSIDE_BOOTSTRAP: &str = "/var/runtime";
const CODE: &str = "/var/task";
const LAYERS: &str = "/opt";
/// What was installed for a function, besides its code.
const PACKAGES: &str = "/var/packages";

/// The function as a process of its own inside knows it. Code that uses what lies beside it is run at its own place, and
/// is at the usual one besides. Its interpreter and the SDK are where they are outside, since a
/// base has loaded them there.
pub(in crate::process) fn seen(function: &Function) -> Function {
    let mut seen = function.clone();
    seen.code_root = beyond::beyond(function).map_or_else(code, |beyond| beyond.code);
    seen.layers = if function.layers.is_empty() {
        Vec::new()
    } else {
        vec![layers()]
    };
    let packages = function.toolchain.dependency_paths.iter().enumerate();
    seen.toolchain.dependency_paths = packages.map(|(index, path)| package(index, path)).collect();
    seen
}

pub(super) fn code() -> PathBuf {
    CODE.into()
}

pub(super) fn layers() -> PathBuf {
    LAYERS.into()
}

/// Its last name stays: in `node_modules`, packages find one another by it.
pub(super) fn package(index: usize, path: &Path) -> PathBuf {
    let folder = Path::new(PACKAGES).join(index.to_string());
    match path.file_name() {
        Some(name) => folder.join(name),
        None => folder,
    }
}
