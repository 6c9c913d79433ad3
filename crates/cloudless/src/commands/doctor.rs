//! `cloudless doctor`: says what this machine can and cannot do.
//!
//! Lives here: what is looked at, in which order, and the exit code.
//! Does not live here: looking at it (`interpreters`, `places`, `sandboxes`, `crate::machine`), how findings look (`report`).

mod interpreters;
mod places;
mod report;
mod sandboxes;

use std::process::ExitCode;
use std::sync::Arc;

use build::{Builder, BuilderConfig, Silent};
use runtimes::process::probe::Prober;

use super::{cache_folder, environment};
use crate::cli::DoctorArguments;
use crate::printer::Printer;
use crate::system::{RealClock, RealRandom};
use report::{Mark, Report};

/// Prints what was found; exit code 1 when something that is needed does not work.
pub async fn run(arguments: &DoctorArguments, printer: &Printer) -> ExitCode {
    let report = examine(printer).await;
    let text = if arguments.json {
        report.as_json()
    } else {
        report.draw(printer)
    };
    printer.print(&text);
    match report.mark() {
        Mark::Ok | Mark::Warning => ExitCode::SUCCESS,
        Mark::Problem => ExitCode::FAILURE,
    }
}

async fn examine(printer: &Printer) -> Report {
    let environment = environment();
    let cache = cache_folder(&environment);
    let builder = Builder::new(BuilderConfig::new(&cache, &environment), Arc::new(Silent));
    let random = Arc::new(RealRandom::default());
    let prober = Prober::new(&cache, Arc::new(RealClock), random);
    let mut findings = places::of_machine();
    findings.extend(sandboxes::all().await);
    findings.extend(interpreters::all(&builder, &prober, printer).await);
    findings.extend(interpreters::runtimes(&builder).await);
    findings.extend(interpreters::npm(&builder));
    findings.push(places::cache(&cache));
    findings.extend(places::ports());
    Report {
        version: env!("CARGO_PKG_VERSION"),
        findings,
    }
}
