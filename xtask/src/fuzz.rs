//! Runs fuzz targets, one or all, for a while.

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

pub(crate) fn run(arguments: &FuzzArguments) -> Result<()> {
    let targets = match &arguments.target {
        Some(target) => vec![target.clone()],
        None => targets()?,
    };
    for target in targets {
        let status = Command::new("cargo")
            .args(["+nightly", "fuzz", "run", &target, "--"])
            .arg(format!("-max_total_time={}", arguments.seconds))
            .arg(format!("-max_len={INPUT_BYTES_MAX}"))
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

fn targets() -> Result<Vec<String>> {
    let mut targets = Vec::new();
    for entry in std::fs::read_dir(tidy::root().join("fuzz/fuzz_targets"))? {
        let path = entry?.path();
        targets.extend(
            path.file_stem()
                .map(|stem| stem.to_string_lossy().into_owned()),
        );
    }
    targets.sort();
    Ok(targets)
}
