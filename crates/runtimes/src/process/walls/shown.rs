//! What a function sees of the host.
//!
//! Lives here: the list of files and folders, with layers laid over one another.
//! Does not live here: the system's own folders, and how anything is shown (`sandbox`).

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use model::function::{Function, Language};
use sandbox::Shown;

use super::seen;

/// Files and folders of layers that are shown one by one, because several layers have the folder that they are in.
const LAYER_PARTS_MAX: usize = 2_000;
/// Folders in folders that several layers have.
const LAYER_DEPTH_MAX: usize = 32;
/// What every sandbox shows already.
const SYSTEM: [&str; 5] = ["/usr", "/bin", "/lib", "/lib64", "/nix/store"];

/// It cannot be shown.
#[derive(Debug, thiserror::Error)]
pub(in crate::process) enum ShownError {
    #[error("the layer's folder `{}` cannot be read", path.display())]
    Layer { path: PathBuf, source: io::Error },
    #[error(
        "the function's layers have more than {LAYER_PARTS_MAX} files and folders in folders of the same name"
    )]
    LayerParts,
}

/// All that a function sees besides the system's folders.
pub(super) fn of(
    function: &Function,
    bootstrap: Option<&Path>,
    hidden: &[PathBuf],
    nothing: &Path,
) -> Result<Vec<Shown>, ShownError> {
    let mut shown = vec![Shown::at(&function.code_root, seen::code())];
    if let Some(bootstrap) = bootstrap {
        shown.push(Shown::at(bootstrap, seen::INSIDE_BOOTSTRAP));
        // A base has loaded it from there, and may have more of it to load.
        shown.push(Shown::in_place(bootstrap));
    }
    let packages = function.toolchain.dependency_paths.iter().enumerate();
    let packages = packages.filter(|(_, path)| path.is_dir());
    shown.extend(packages.map(|(index, path)| Shown::at(path, seen::package(index, path))));
    let sdk = function.toolchain.sdk_paths.iter();
    shown.extend(sdk.filter(|path| path.is_dir()).map(Shown::in_place));
    shown.extend(interpreter(function));
    shown.extend(lay_over(&function.layers)?);
    // It holds keys of the developer's as often as not, and no package for the cloud has it.
    let history = function.code_root.join(".git");
    let covers: Vec<Shown> = hidden
        .iter()
        .chain([&history])
        .flat_map(|hidden| places_of(hidden, &shown))
        .map(|place| Shown::at(nothing, place))
        .collect();
    shown.extend(covers);
    Ok(shown)
}

/// Where a folder is to be seen, through whichever folder it lies in.
fn places_of(hidden: &Path, shown: &[Shown]) -> Vec<PathBuf> {
    let Ok(hidden) = hidden.canonicalize() else {
        return Vec::new();
    };
    if !hidden.is_dir() {
        return Vec::new();
    }
    let place = |one: &Shown| {
        let from = one.from.canonicalize().ok()?;
        let hidden = closed_above(&hidden, &from).unwrap_or(&hidden);
        let below = hidden.strip_prefix(from).ok()?;
        (!below.as_os_str().is_empty()).then(|| one.to.join(below))
    };
    shown.iter().filter_map(place).collect()
}

/// The first folder on the way that is closed to others: where functions have ids of their own, nothing can be laid over
/// what is in it, nor is it seen.
fn closed_above<'a>(hidden: &'a Path, from: &Path) -> Option<&'a Path> {
    const OTHERS_MAY_ENTER: u32 = 0o001;
    let is_closed = |folder: &&Path| {
        let found = fs::metadata(folder);
        found.is_ok_and(|found| found.permissions().mode() & OTHERS_MAY_ENTER == 0)
    };
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let above = hidden.ancestors().skip(1);
    let between = above.take_while(|folder| *folder != from && folder.starts_with(from));
    between.filter(is_closed).last()
}

/// A folder of the function's that only its owner may look into.
pub(super) fn closed_to_others(function: &Function) -> Option<PathBuf> {
    const OTHERS_MAY_LOOK: u32 = 0o005;
    let is_closed = |folder: &&PathBuf| {
        let mode = fs::metadata(folder).map(|found| found.permissions().mode());
        mode.is_ok_and(|mode| mode & OTHERS_MAY_LOOK != OTHERS_MAY_LOOK)
    };
    let mut folders = std::iter::once(&function.code_root).chain(&function.layers);
    folders.find(is_closed).cloned()
}

/// The interpreter, and of an installation of its own what belongs to it. Never the whole folder above it: that may be
/// somebody's home.
fn interpreter(function: &Function) -> Vec<Shown> {
    let named = &function.toolchain.interpreter;
    let Ok(real) = named.canonicalize() else {
        // It is missing, which whoever starts it says better.
        return Vec::new();
    };
    let mut parts = Vec::new();
    let folders = real.parent().zip(real.parent().and_then(Path::parent));
    let version = function.runtime.minor;
    let belongs = |prefix: &Path| match function.runtime.language {
        Language::Python => prefix
            .join(format!("lib/python{}.{version}", function.runtime.major))
            .is_dir(),
        Language::Node => prefix.join("include/node").is_dir(),
        Language::Provided | Language::Go => false,
    };
    match folders {
        Some((folder, prefix)) if folder.ends_with("bin") && belongs(prefix) => {
            parts.extend([folder.to_owned(), prefix.join("lib")]);
        }
        Some(_) | None => parts.push(real),
    }
    if !parts.iter().any(|part| named.starts_with(part)) {
        parts.push(named.clone());
    }
    parts.retain(|part| part.exists() && !SYSTEM.iter().any(|system| part.starts_with(system)));
    parts.into_iter().map(Shown::in_place).collect()
}

/// Layers as one folder: of two files of the same name, that of the later layer.
fn lay_over(layers: &[PathBuf]) -> Result<Vec<Shown>, ShownError> {
    let mut shown = Vec::new();
    match layers {
        [] => {}
        [one] => shown.push(Shown::at(one, seen::layers())),
        several => merge(several, &seen::layers(), LAYER_DEPTH_MAX, &mut shown)?,
    }
    Ok(shown)
}

fn merge(
    folders: &[PathBuf],
    to: &Path,
    depth: usize,
    shown: &mut Vec<Shown>,
) -> Result<(), ShownError> {
    let mut names: BTreeMap<std::ffi::OsString, Vec<PathBuf>> = BTreeMap::new();
    for folder in folders {
        let failed = |source| ShownError::Layer {
            path: folder.clone(),
            source,
        };
        for entry in fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            names
                .entry(entry.file_name())
                .or_default()
                .push(entry.path());
        }
    }
    for (name, mut found) in names {
        if LAYER_PARTS_MAX <= shown.len() || depth == 0 {
            return Err(ShownError::LayerParts);
        }
        let to = to.join(name);
        // A file hides what earlier layers have under its name, and a folder hides a file.
        match found.iter().rposition(|path| !path.is_dir()) {
            Some(last) if last + 1 == found.len() => drop(found.drain(..last)),
            Some(last) => drop(found.drain(..=last)),
            None => {}
        }
        match found.as_slice() {
            [one] => shown.push(Shown::at(one, to)),
            several => merge(several, &to, depth - 1, shown)?,
        }
    }
    Ok(())
}
