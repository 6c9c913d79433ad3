//! Interpreters of this machine: which there are, what runs on them, whether they can be forked.
//!
//! Lives here: turning what `build` and `runtimes` say into findings.
//! Does not live here: finding interpreters (`build`), forking them (`runtimes`).

use std::time::Duration;

use build::{Builder, Installed, Origin, Served};
use model::function::{Language, RuntimeName};
use runtimes::process::probe::{Interpreter, Outcome, Prober, Verdict};

use super::report::{Finding, Mark};
use crate::printer::{Printer, harmless};

/// The runtimes that are looked for: those that the cloud still runs functions on.
///
/// Contract: AWS Lambda Developer Guide, "Lambda runtimes".
const RUNTIMES: [&str; 12] = [
    "nodejs18.x",
    "nodejs20.x",
    "nodejs22.x",
    "nodejs24.x",
    "python3.9",
    "python3.10",
    "python3.11",
    "python3.12",
    "python3.13",
    "python3.14",
    "provided.al2",
    "provided.al2023",
];

/// One finding for each interpreter; each is forked, unless that went well before.
pub(super) async fn all(builder: &Builder, prober: &Prober, printer: &Printer) -> Vec<Finding> {
    let found = builder.interpreters().await;
    if found.is_empty() {
        let finding = Finding::new("interpreters", "none", Mark::Problem, "nothing can run");
        let help = "install Node.js or Python, so that `node` or `python3` is on PATH";
        return vec![finding.help(help)];
    }
    let mut findings = Vec::new();
    for installed in &found {
        let finding = forked(prober, installed, printer).await;
        findings.push(with_pip(finding, builder, installed).await);
    }
    findings
}

/// One finding for each runtime that the cloud knows.
pub(super) async fn runtimes(builder: &Builder) -> Vec<Finding> {
    let mut findings = Vec::new();
    for runtime in RUNTIMES
        .iter()
        .filter_map(|name| RuntimeName::parse(name).ok())
    {
        findings.push(served(&runtime, builder.serving(&runtime).await));
    }
    findings
}

/// Whether packages of Node.js can be installed.
pub(super) fn npm(builder: &Builder) -> Option<Finding> {
    let area = "tools";
    Some(match builder.npm() {
        Some(path) => {
            let path = path.display().to_string();
            Finding::new(area, "npm", Mark::Ok, path.clone()).fact("path", path)
        }
        None => Finding::new(area, "npm", Mark::Warning, "is not on PATH")
            .because(
                "packages of Node.js, its SDK, and versions that this machine lacks come from it",
            )
            .help("install Node.js with npm"),
    })
}

async fn forked(prober: &Prober, installed: &Installed, printer: &Printer) -> Finding {
    let interpreter = Interpreter {
        language: installed.language,
        path: installed.path.clone(),
        version: installed.version.clone(),
    };
    let name = format!("{} {}", name_of(installed.language), installed.version);
    let known = prober.known(&interpreter).ok().flatten();
    // What failed is tried again: whoever asks may have mended it.
    let known = known.filter(|it| matches!(it.outcome, Outcome::Works { .. }));
    let is_known = known.is_some();
    let verdict = match known {
        Some(verdict) => Ok(verdict),
        None => {
            printer.print_error(&format!("forking {} …", harmless(&name)));
            prober.probe(&interpreter).await
        }
    };
    let path = installed.path.display().to_string();
    let origin = origin_of(installed.origin);
    let says = |what: &str| format!("{what} ({origin}: {path})");
    let finding = |mark, what: &str| {
        Finding::new("interpreters", &name, mark, says(what))
            .fact("language", name_of(installed.language))
            .fact("version", installed.version.clone())
            .fact("path", path.clone())
            .fact("origin", origin)
    };
    let verdict = match verdict {
        Ok(verdict) => verdict,
        Err(error) => {
            return finding(Mark::Problem, "could not be tried").because(error.to_string());
        }
    };
    let Verdict { outcome, took } = verdict;
    match outcome {
        Outcome::Works { start } => {
            let probed = if is_known {
                "found before"
            } else {
                "found just now"
            };
            let what = format!("forks in {}, {probed}", ms(start));
            finding(Mark::Ok, &what)
                .fact("forks", true)
                .fact("fork_ms", start.as_secs_f64() * 1_000.0)
        }
        Outcome::Fails { reasons } => finding(Mark::Warning, "cannot be forked")
            .because(reasons.join("\n"))
            .help("functions run all the same, each instance started by itself, and so more slowly")
            .fact("forks", false)
            .fact("reasons", reasons),
    }
    .fact("probe_ms", took.as_secs_f64() * 1_000.0)
    .fact("probed_now", !is_known)
}

async fn with_pip(finding: Finding, builder: &Builder, installed: &Installed) -> Finding {
    if installed.language != Language::Python {
        return finding;
    }
    let has_pip = builder.has_pip(installed).await;
    let finding = finding.fact("pip", has_pip);
    if has_pip || finding.mark != Mark::Ok {
        return finding;
    }
    let path = installed.path.display();
    Finding {
        mark: Mark::Warning,
        ..finding
    }
    .because("it has no pip, with which packages and boto3 are installed for it")
    .help(format!("{path} -m ensurepip"))
}

fn served(runtime: &RuntimeName, served: Served) -> Finding {
    let finding = |mark, says: String| Finding::new("runtimes", &runtime.to_string(), mark, says);
    let on = |found: &Installed| format!("{} {}", name_of(found.language), found.version);
    match served {
        Served::Exactly(found) => finding(Mark::Ok, on(&found))
            .fact("served", "exactly")
            .fact("version", found.version),
        Served::Fetched { what } => {
            let says = format!("{what}, which npm installs when a project asks for it");
            finding(Mark::Ok, says).fact("served", "fetched")
        }
        Served::Nearest(found, problem) => {
            let finding = finding(Mark::Warning, format!("the nearest, {}", on(&found)))
                .fact("served", "nearest")
                .fact("version", found.version);
            explained(finding, problem.cause, problem.help)
        }
        Served::Nothing(problem) => {
            // A problem only for the projects that ask for it.
            let finding = finding(Mark::Warning, "nothing runs it".to_owned());
            explained(finding.fact("served", "no"), problem.cause, problem.help)
        }
        Served::Itself => finding(
            Mark::Ok,
            "the executable that a function's code brings".to_owned(),
        )
        .fact("served", "exactly"),
    }
}

fn explained(finding: Finding, cause: Option<String>, help: Option<String>) -> Finding {
    let finding = cause.into_iter().fold(finding, Finding::because);
    help.into_iter().fold(finding, Finding::help)
}

fn name_of(language: Language) -> &'static str {
    match language {
        Language::Python => "Python",
        Language::Node => "Node.js",
        Language::Provided => "executable",
        Language::Go => "Go",
    }
}

fn origin_of(origin: Origin) -> &'static str {
    match origin {
        Origin::SearchPath => "PATH",
        Origin::Manager(name) => name,
        Origin::Cache => "cache",
    }
}

fn ms(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1_000.0)
}

#[cfg(test)]
mod tests {
    use model::problem::Problem;

    use super::*;

    #[test]
    fn only_runtimes_that_run_on_another_version_or_none_are_warned_of() {
        let runtime = RuntimeName::parse("python3.14").unwrap();
        let installed = Installed {
            language: Language::Python,
            version: "3.13.0".to_owned(),
            path: "/usr/bin/python3.13".into(),
            origin: Origin::SearchPath,
        };
        let problem = Problem::warning("build::interpreter-nearest", "x").help("install it");
        let fetched = Served::Fetched {
            what: "Node.js 22".to_owned(),
        };
        for (how, mark) in [
            (Served::Exactly(installed.clone()), Mark::Ok),
            (fetched, Mark::Ok),
            (Served::Nearest(installed, problem.clone()), Mark::Warning),
            (Served::Nothing(problem), Mark::Warning),
        ] {
            assert_eq!(served(&runtime, how).mark, mark);
        }
    }
}
