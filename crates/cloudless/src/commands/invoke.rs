//! `cloudless invoke`: runs one function once.
//!
//! Lives here: in the running `cloudless dev` of the project through Lambda's own API, or else in this process.
//! Does not live here: running it (`invoker`), the API (`service-functions`).

mod by_itself;
mod remote;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use bytes::Bytes;
use model::limits::LAMBDA_SYNC_PAYLOAD_BYTES_MAX;
use model::problem::Problem;
use model::suggestion;

use super::dev::state_folder;
use super::fail;
use super::running;
use crate::cli::{InvokeArguments, ProjectArguments};
use crate::development::marker;
use crate::printer::{Printer, harmless};
use crate::{functions, project, settings};

/// Functions that are listed when another one was asked for.
const LISTED_MAX: usize = 10;

/// What a function's run came to, however it was run.
struct Ran {
    payload: Bytes,
    failed: bool,
    log: Bytes,
}

/// Prints the reply on standard output and the log on standard error; exit code 1 when the function failed.
pub async fn run(arguments: InvokeArguments, printer: &Printer) -> ExitCode {
    match invoke(arguments, printer).await {
        Ok(ran) => {
            printer.print_error(harmless(&String::from_utf8_lossy(&ran.log)).trim_end());
            printer.print(&String::from_utf8_lossy(&ran.payload));
            if ran.failed {
                ExitCode::FAILURE
            } else {
                ExitCode::SUCCESS
            }
        }
        Err(problem) => fail(printer, &problem),
    }
}

async fn invoke(arguments: InvokeArguments, printer: &Printer) -> Result<Ran, Box<Problem>> {
    let located = project::locate(&arguments.project.dir)?;
    let (settings, _) = settings::read(&located.root);
    let state = state_folder(arguments.state.clone(), &settings, &located)?;
    let event = read_event(arguments.event.as_deref())?;
    if let Some(marker) = marker::read(&state)
        && running::is_up(marker.services_port).await
    {
        if let Some(problem) = without_effect(&arguments.project) {
            printer.print_error(&format!("{}\n", printer.draw(&problem)));
        }
        return remote::invoke(&marker, &arguments.function, event).await;
    }
    let config = by_itself::config(&located, &settings, state);
    by_itself::invoke(arguments, &located, &config, event, printer).await
}

/// Options that say how the manifest is read, when the running server has read it already.
fn without_effect(project: &ProjectArguments) -> Option<Problem> {
    let given = [
        ("--stage", project.stage.is_some()),
        ("--region", project.region.is_some()),
        ("--param", !project.params.is_empty()),
        ("--env-file", project.env_file.is_some()),
    ];
    let given: Vec<String> = given
        .into_iter()
        .filter(|(_, is_given)| *is_given)
        .map(|(option, _)| format!("`{option}`"))
        .collect();
    if given.is_empty() {
        return None;
    }
    let title = format!("without effect on this run: {}", given.join(", "));
    Some(
        Problem::warning("invoke::option-without-effect", title)
            .because("the function runs in the `cloudless dev` of the project, which has read the manifest with its own options")
            .help("give the options to `cloudless dev`, or stop it first"),
    )
}

fn read_event(file: Option<&Path>) -> Result<Bytes, Box<Problem>> {
    let Some(file) = file else {
        return Ok(Bytes::from_static(b"{}"));
    };
    let name = file.display();
    let unreadable = |cause: String| {
        Problem::error("invoke::event", format!("cannot read the event `{name}`")).because(cause)
    };
    let mut text = Vec::new();
    let limit = LAMBDA_SYNC_PAYLOAD_BYTES_MAX as u64 + 1;
    let read = if file == Path::new("-") {
        std::io::stdin().lock().take(limit).read_to_end(&mut text)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(limit).read_to_end(&mut text))
    };
    read.map_err(|error| unreadable(error.to_string()))?;
    if text.len() > LAMBDA_SYNC_PAYLOAD_BYTES_MAX {
        let cause = format!("it is over Lambda's limit of {LAMBDA_SYNC_PAYLOAD_BYTES_MAX} bytes");
        return Err(Box::new(unreadable(cause)));
    }
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(&text) {
        return Err(Box::new(unreadable(format!("it is not JSON: {error}"))));
    }
    Ok(Bytes::from(text))
}

/// Nothing of this name was deployed; `deployed` holds deployed names by logical id.
fn unknown_function(wanted: &str, deployed: &BTreeMap<String, String>) -> Box<Problem> {
    let title = format!("no function is called `{wanted}` among those deployed");
    let problem = Problem::error("invoke::unknown-function", title);
    let written: Vec<String> = deployed
        .keys()
        .map(|id| functions::written_name(id))
        .collect();
    let listed: Vec<String> = written
        .iter()
        .take(LISTED_MAX)
        .map(|name| format!("`{name}`"))
        .collect();
    let problem = problem.because(match written.len() {
        0 => "the project has no function that runs".to_owned(),
        count if LISTED_MAX < count => format!("there are {} and more", listed.join(", ")),
        _ => format!("there are {}", listed.join(", ")),
    });
    let known = written
        .iter()
        .chain(deployed.keys())
        .chain(deployed.values());
    let meant = suggestion::nearest(wanted, known.map(String::as_str));
    Box::new(
        problem.help(match meant {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => {
                "if the manifest declares it, the problem about it says why it was not deployed"
                    .to_owned()
            }
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_function_is_told_with_the_manifests_names() {
        let deployed = BTreeMap::from([(
            "SendDashmailLambdaFunction".to_owned(),
            "app-dev-send-mail".to_owned(),
        )]);
        for (wanted, deployed, cause, help) in [
            (
                "sendmail",
                &deployed,
                "there are `send-mail`",
                "did you mean `send-mail`?",
            ),
            (
                "app-dev-sendmail",
                &deployed,
                "there are `send-mail`",
                "did you mean `app-dev-send-mail`?",
            ),
            (
                "resize",
                &deployed,
                "there are `send-mail`",
                "if the manifest declares it",
            ),
            (
                "resize",
                &BTreeMap::new(),
                "no function that runs",
                "if the manifest declares it",
            ),
        ] {
            let problem = unknown_function(wanted, deployed);
            let said = (
                problem.cause.unwrap_or_default(),
                problem.help.unwrap_or_default(),
            );
            assert!(said.0.contains(cause) && said.1.contains(help), "{said:?}");
        }
    }
}
