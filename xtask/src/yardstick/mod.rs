//! Public applications that others wrote: which of them can be read, and which do what they should.
//!
//! Lives here: the command line, and the product that is judged.
//! Does not live here: the applications (they are not ours to keep), reading them (`read`), proving them (`run`).

mod features;
mod prepare;
mod read;
mod row;
mod run;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};
use clap::{Args, Subcommand};

use crate::tidy;

/// `cargo xtask yardstick`.
#[derive(Debug, Args)]
pub(crate) struct YardstickArguments {
    #[command(subcommand)]
    task: YardstickTask,
}

#[derive(Debug, Subcommand)]
enum YardstickTask {
    /// Reads each application below DIR, one a folder.
    Read {
        /// The folder of folders.
        dir: PathBuf,
    },
    /// Starts each application of a list, and carries out its proof.
    Run(run::RunArguments),
}

pub(crate) fn run(arguments: &YardstickArguments) -> Result<()> {
    match &arguments.task {
        YardstickTask::Read { dir } => read::run(dir),
        YardstickTask::Run(arguments) => run::run(arguments),
    }
}

/// The product, built for release.
fn product() -> Result<PathBuf> {
    let built = Command::new("cargo")
        .args(["build", "--release", "--package", "cloudless"])
        .current_dir(tidy::root())
        .status()?;
    ensure!(built.success(), "the product does not build");
    Ok(tidy::target().join("release/cloudless"))
}

#[expect(clippy::print_stdout, reason = "the table is what this command is for")]
fn print(table: &str) {
    println!("{table}");
}
