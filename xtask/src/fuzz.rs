//! Runs fuzz targets, one or all, for a while.
//!
//! Lives here: what each target begins with, and the limits of its inputs.
//! Does not live here: the targets and their seeds (`fuzz/`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::tidy;

/// `cargo xtask fuzz`.
#[derive(Debug, Args)]
pub(crate) struct FuzzArguments {
    /// The target, a file name of `fuzz/fuzz_targets`; all of them when left out.
    target: Option<String>,
    /// How long each runs, in seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

/// The longest input that is tried, in bytes.
const INPUT_BYTES_MAX: usize = 8192;

/// The longest that one input may take, in seconds: whatever takes longer is a hang.
const INPUT_SECONDS_MAX: u64 = 10;

/// Cases of tests that are good to begin with, besides `fuzz/seeds/TARGET`.
const CASES: &[(&str, &str)] = &[
    (
        "manifest_serverless",
        "crates/manifest/tests/serverless_framework/cases",
    ),
    ("manifest_sam", "crates/manifest/tests/sam/cases"),
    ("template", "crates/manifest/tests/sam/expected"),
];

pub(crate) fn run(arguments: &FuzzArguments) -> Result<()> {
    let targets = match &arguments.target {
        Some(target) => vec![target.clone()],
        None => targets()?,
    };
    for target in targets {
        let status = Command::new("cargo")
            .args(["+nightly", "fuzz", "run", &target])
            .args(corpus(&tidy::root(), &target)?)
            .arg("--")
            .arg(format!("-max_total_time={}", arguments.seconds))
            .arg(format!("-max_len={INPUT_BYTES_MAX}"))
            .arg(format!("-timeout={INPUT_SECONDS_MAX}"))
            .current_dir(tidy::root())
            .status()
            .context("`cargo fuzz` did not start: cargo install cargo-fuzz, rustup toolchain install nightly")?;
        ensure!(
            status.success(),
            "target `{target}` found something: fuzz/artifacts/{target}; make a plain test of it"
        );
    }
    Ok(())
}

/// The folder that a run writes what it finds into, then those that it begins with.
fn corpus(root: &Path, target: &str) -> Result<Vec<PathBuf>> {
    let found = root.join("fuzz/corpus").join(target);
    fs::create_dir_all(&found).with_context(|| format!("cannot make {}", found.display()))?;
    let seeds = root.join("fuzz/seeds").join(target);
    let cases = CASES
        .iter()
        .filter(|(name, _)| *name == target)
        .map(|(_, folder)| root.join(folder));
    let mut folders = vec![found];
    folders.extend(
        std::iter::once(seeds)
            .chain(cases)
            .filter(|folder| folder.is_dir()),
    );
    Ok(folders)
}

fn targets() -> Result<Vec<String>> {
    let mut targets = Vec::new();
    for entry in fs::read_dir(tidy::root().join("fuzz/fuzz_targets"))? {
        let path = entry?.path();
        targets.extend(
            path.file_stem()
                .map(|stem| stem.to_string_lossy().into_owned()),
        );
    }
    targets.sort();
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_begins_with_something() {
        let root = tidy::root();
        for target in targets().unwrap() {
            assert!(
                root.join("fuzz/seeds").join(&target).is_dir()
                    || CASES.iter().any(|(name, _)| *name == target),
                "{target} has no seeds"
            );
        }
        for (target, folder) in CASES {
            assert!(root.join(folder).is_dir(), "{target}: no folder {folder}");
        }
    }
}
