//! Repository tasks: `cargo xtask --help` lists them.
//!
//! Lives here: the command line; one module a task.
//! Does not live here: anything that the product needs at run time.

mod bench;
mod churn;
mod conformance;
mod crash;
mod fuzz;
mod http;
mod processes;
mod random;
mod server;
mod tidy;
mod yardstick;

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
    /// Measures us and the peers side by side.
    Bench(bench::BenchArguments),
    /// Kills the server again and again under load, and reads back what it acknowledged.
    Crash(crash::CrashArguments),
    /// Loads a server for a while, kills its processes at random, and sees that nothing grows.
    Churn(churn::ChurnArguments),
    /// Runs a suite that others wrote, and writes the ledger of what passes.
    Conformance(conformance::ConformanceArguments),
    /// Runs fuzz targets for a while.
    Fuzz(fuzz::FuzzArguments),
    /// Counts how many public applications read without a problem.
    Yardstick(yardstick::YardstickArguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Tidy => tidy::run(),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Crash(arguments) => crash::run(&arguments),
        Task::Churn(arguments) => churn::run(&arguments),
        Task::Conformance(arguments) => conformance::run(&arguments),
        Task::Fuzz(arguments) => fuzz::run(&arguments),
        Task::Yardstick(arguments) => yardstick::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
