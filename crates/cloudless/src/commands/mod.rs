//! One file a command: what it does, and what it says.
//!
//! Lives here: the commands, and what several of them say alike.
//! Does not live here: arguments (`cli`), how parts are joined (`wiring`).

pub mod check;
pub mod dev;
pub mod event;
pub mod invoke;
pub mod routes;

use std::collections::BTreeMap;
use std::path::PathBuf;
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

/// Draws one problem that ends the command.
fn fail(printer: &Printer, problem: &Problem) -> ExitCode {
    printer.print_error(&printer.draw(problem));
    ExitCode::FAILURE
}
