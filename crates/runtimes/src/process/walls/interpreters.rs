//! Interpreters that are no part of the system: of version managers, of virtual environments, from the cache.
//!
//! Lives here: which files belong to one, and which one a script names.
//! Does not live here: finding interpreters (`build`), what else is shown (`shown`).
//!
//! Never is the whole folder above an interpreter shown: that may be somebody's home.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use model::function::{Function, Language};
use sandbox::Shown;

/// What every sandbox shows already.
const SYSTEM: [&str; 6] = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/nix/store"];
/// The kernel reads no more of a script's first line.
const LINE_BYTES_MAX: u64 = 256;
const BOOTSTRAP: &str = "bootstrap";

/// The interpreter that a function runs on, or that its executable names.
pub(super) fn of(function: &Function) -> Vec<Shown> {
    match function.runtime.language {
        Language::Python | Language::Node => shown(&function.toolchain.interpreter),
        Language::Provided | Language::Go => {
            let folders = std::iter::once(&function.code_root).chain(&function.layers);
            let named = folders.filter_map(|folder| named_by(&folder.join(BOOTSTRAP)));
            named.flat_map(|interpreter| shown(&interpreter)).collect()
        }
    }
}

fn shown(named: &Path) -> Vec<Shown> {
    let Ok(real) = named.canonicalize() else {
        // It is missing, which whoever starts it says better.
        return Vec::new();
    };
    let mut parts = installation(&real);
    if !parts.iter().any(|part| named.starts_with(part)) {
        parts.extend(environment(named));
        parts.push(named.to_owned());
    }
    parts.retain(|part| part.exists() && !SYSTEM.iter().any(|system| part.starts_with(system)));
    parts.into_iter().map(Shown::in_place).collect()
}

/// An interpreter's own libraries, if it has an installation of its own; otherwise it alone.
fn installation(real: &Path) -> Vec<PathBuf> {
    match real.parent().zip(real.parent().and_then(Path::parent)) {
        Some((folder, prefix)) if folder.ends_with("bin") && is_installation(prefix, real) => {
            vec![folder.to_owned(), prefix.join("lib")]
        }
        Some(_) | None => vec![real.to_owned()],
    }
}

fn is_installation(prefix: &Path, real: &Path) -> bool {
    // Of Python the file has its version's name: `python3.13`.
    let has_libraries = |name| prefix.join("lib").join(name).join("os.py").is_file();
    let is_python = real.file_name().is_some_and(has_libraries);
    is_python || prefix.join("include/node").is_dir()
}

/// A virtual environment: its packages, and what says that it is one.
fn environment(named: &Path) -> Vec<PathBuf> {
    let prefix = named.parent().and_then(Path::parent);
    let mark = prefix.map(|prefix| (prefix, prefix.join("pyvenv.cfg")));
    match mark {
        Some((prefix, mark)) if mark.is_file() => vec![mark, prefix.join("lib")],
        Some(_) | None => Vec::new(),
    }
}

/// The program that the first line of a script names.
fn named_by(script: &Path) -> Option<PathBuf> {
    let mut head = Vec::new();
    let file = File::open(script).ok()?;
    file.take(LINE_BYTES_MAX).read_to_end(&mut head).ok()?;
    let line = head
        .strip_prefix(b"#!")?
        .split(|byte| *byte == b'\n')
        .next()?;
    let mut words = line.trim_ascii().split(u8::is_ascii_whitespace);
    let named = PathBuf::from(std::ffi::OsStr::from_bytes(words.next()?));
    let is_program = named.is_absolute() && fs::metadata(&named).is_ok_and(|it| it.is_file());
    is_program.then_some(named)
}
