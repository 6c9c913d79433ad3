//! What a function sees of the host.
//!
//! Lives here: the list of files and folders, with layers laid over one another.
//! Does not live here: interpreters (`interpreters`), what lies beside the code (`beyond`), the system's own folders, and how anything is shown (`sandbox`).

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use model::function::Function;
use sandbox::Shown;

use super::{beyond, interpreters, seen};

/// Files and folders of layers that are shown one by one, because several layers have the folder that they are in.
const LAYER_PARTS_MAX: usize = 2_000;
/// Folders in folders that several layers have.
const LAYER_DEPTH_MAX: usize = 32;
/// It cannot be shown.
#[derive(Debug, thiserror::Error)]
pub(in crate::process) enum ShownError {
    #[error("the layer's folder `{}` cannot be read", path.display())]
    Layer { path: PathBuf, source: io::Error },
    #[error(
        "the function's layers have more than {LAYER_PARTS_MAX} files and folders in folders of the same name"
    )]
    LayerParts,
    #[error(
        "the function's code has links to more than {} folders beside its own, or too many files to look for them all",
        beyond::FOLDERS_MAX
    )]
    Beyond,
}

/// All that a function sees besides the system's folders.
pub(super) fn of(
    function: &Function,
    bootstrap: Option<&Path>,
    hidden: &[PathBuf],
    nothing: &Path,
) -> Result<Vec<Shown>, ShownError> {
    let mut shown = vec![Shown::at(&function.code_root, seen::code())];
    shown.extend(of_base(function, bootstrap));
    shown.extend(beside(function)?);
    let packages = function.toolchain.dependency_paths.iter().enumerate();
    let packages = packages.filter(|(_, path)| path.is_dir());
    shown.extend(packages.map(|(index, path)| Shown::at(path, seen::package(index, path))));
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

/// The code at its own place, if it uses what lies beside it, and that.
fn beside(function: &Function) -> Result<Vec<Shown>, ShownError> {
    let Some(beyond) = beyond::beyond(function) else {
        return Ok(Vec::new());
    };
    if beyond.is_cut_off {
        return Err(ShownError::Beyond);
    }
    let all = std::iter::once(beyond.code).chain(beyond.others);
    Ok(all.map(Shown::in_place).collect())
}

/// What all functions of one base see.
pub(super) fn of_base(function: &Function, bootstrap: Option<&Path>) -> Vec<Shown> {
    let mut shown = Vec::new();
    if let Some(bootstrap) = bootstrap {
        shown.push(Shown::at(bootstrap, seen::INSIDE_BOOTSTRAP));
        // A base has loaded it from there, and may have more of it to load.
        shown.push(Shown::in_place(bootstrap));
    }
    let sdk = function.toolchain.sdk_paths.iter();
    shown.extend(sdk.filter(|path| path.is_dir()).map(Shown::in_place));
    shown.extend(interpreters::of(function));
    shown
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

/// The first folder on the way that is closed to others and has another owner than what is shown: as root, functions see
/// what that one owner may, and nothing can be laid over what is in it.
fn closed_above<'a>(hidden: &'a Path, from: &Path) -> Option<&'a Path> {
    const OTHERS_MAY_ENTER: u32 = 0o001;
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let owner = fs::metadata(from).ok()?.uid();
    let is_closed = |folder: &&Path| {
        let found = fs::metadata(folder);
        found.is_ok_and(|found| found.uid() != owner && found.mode() & OTHERS_MAY_ENTER == 0)
    };
    let above = hidden.ancestors().skip(1);
    let between = above.take_while(|folder| *folder != from && folder.starts_with(from));
    between.filter(is_closed).last()
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
