//! Repository tasks: `cargo xtask --help` lists them.
//!
//! Lives here: the command line; one module a task.
//! Does not live here: anything that the product needs at run time.

mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Repository tasks of Cloudless.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Holds the rules of the house that no lint can: imports, headers, file lengths, decision records.
    Tidy,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Tidy => tidy::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
