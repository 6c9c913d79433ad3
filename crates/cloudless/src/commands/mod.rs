//! One file a command: what it does, and what it says.
//!
//! Lives here: the commands, and what several of them say alike.
//! Does not live here: arguments (`cli`), how parts are joined (`wiring`).

pub mod check;
pub mod dev;
pub mod doctor;
pub mod event;
pub mod invoke;
pub mod logs;
pub mod openapi;
pub mod redrive;
pub mod routes;
mod running;
pub mod tick;
pub mod token;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use model::problem::Problem;

use crate::printer::Printer;

/// The user's environment, as manifests may see it. Read once, here.
fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Where run-time packages are kept: `$XDG_CACHE_HOME/cloudless`, or `~/.cache/cloudless`.
fn cache_folder(environment: &BTreeMap<String, String>) -> PathBuf {
    let set = |name: &str| {
        environment
            .get(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let caches = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    caches.unwrap_or_else(std::env::temp_dir).join("cloudless")
}

/// Files and folders of our own that may lie in a project: its state, and the files that our output goes to.
fn ours(state: &Path) -> Vec<PathBuf> {
    let outputs = ["/proc/self/fd/1", "/proc/self/fd/2"].map(std::fs::read_link);
    let files = outputs
        .into_iter()
        .filter_map(Result::ok)
        .filter(|path| path.is_file());
    std::iter::once(state.to_path_buf()).chain(files).collect()
}

/// Draws one problem that ends the command.
fn fail(printer: &Printer, problem: &Problem) -> ExitCode {
    printer.print_error(&printer.draw(problem));
    ExitCode::FAILURE
}
