//! `cloudless check`: says what of a project would not run.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use interfaces::clock::Clock;
use model::problem::{Problem, Severity, any_error};
use runtimes::process::probe::Prober;

use super::dev::{ports, state_folder};
use super::{cache_folder, environment, fail};
use crate::cli::CheckArguments;
use crate::development::remedies;
use crate::forking;
use crate::pipeline::{Checked, Checker};
use crate::printer::{Printer, Style, harmless};
use crate::project::{self, ReadOptions};
use crate::system::{RealClock, RealRandom};

/// Problems that are drawn; nobody reads more at once.
const SHOWN_MAX: usize = 200;

/// Prints every problem; exit code 1 when something would not run.
pub async fn run(arguments: &CheckArguments, printer: &Printer) -> ExitCode {
    let (problems, put_off) = match check(arguments).await {
        Ok((checked, root)) => {
            if !arguments.json {
                show(&printer.with_root(&root), &checked);
            }
            (checked.problems, checked.put_off)
        }
        Err(problem) if arguments.json => (vec![*problem], BTreeSet::new()),
        Err(problem) => return fail(printer, &problem),
    };
    if arguments.json {
        let report = serde_json::json!({ "problems": problems, "put_off": put_off });
        printer.print(&format!("{report:#}"));
    }
    if any_error(&problems) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

async fn check(arguments: &CheckArguments) -> Result<(Checked, PathBuf), Box<Problem>> {
    let environment = environment();
    let cache = cache_folder(&environment);
    let located = project::locate(&arguments.project.dir)?;
    let options = ReadOptions::new(&arguments.project, environment.clone())?;
    let clock: Arc<dyn Clock> = Arc::new(RealClock);
    let checker = Checker::new(Arc::clone(&clock), &cache, &environment);
    let prober = Prober::new(&cache, clock, Arc::new(RealRandom::default()));
    let mut checked = checker.check(&located, &options).await?;
    match ports((None, None), &checked.settings) {
        Ok((_, services_port)) => remedies::for_port(&mut checked.problems, services_port),
        Err(problem) => checked.problems.push(*problem),
    }
    if let Some(application) = &checked.application {
        match state_folder(arguments.state.clone(), &checked.settings, &located) {
            Ok(state) => {
                let warnings = forking::warnings(application, &state, &prober);
                checked.problems.extend(warnings);
            }
            Err(problem) => checked.problems.push(*problem),
        }
    }
    Ok((checked, located.root))
}

fn show(printer: &Printer, checked: &Checked) {
    let problems = &checked.problems;
    for problem in problems.iter().take(SHOWN_MAX) {
        printer.print(&format!("{}\n", printer.draw(problem)));
    }
    if let Some(more) = problems.len().checked_sub(SHOWN_MAX + 1) {
        let more = counted(more + 1, "more problem");
        printer.print(&format!("and {more}: `--json` lists all of them\n"));
    }
    if !checked.put_off.is_empty() {
        let names: Vec<String> = checked.put_off.iter().map(|it| harmless(it)).collect();
        let names = names.join(", ");
        printer.print(&format!("the first start installs {names}"));
    }
    let count = |severity: Severity| {
        problems
            .iter()
            .filter(|problem| problem.severity == severity)
            .count()
    };
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let summary = match (errors, warnings) {
        (0, 0) => printer.paint(Style::Green, "all of it would run"),
        (0, _) => format!(
            "{}, with {}",
            printer.paint(Style::Green, "all of it would run"),
            counted(warnings, "warning")
        ),
        _ => format!(
            "{}, {}",
            printer.paint(Style::Red, &counted(errors, "error")),
            counted(warnings, "warning")
        ),
    };
    printer.print(&summary);
}

/// `1 error`, `2 errors`.
pub(super) fn counted(count: usize, what: &str) -> String {
    if count == 1 {
        format!("1 {what}")
    } else {
        format!("{count} {what}s")
    }
}
