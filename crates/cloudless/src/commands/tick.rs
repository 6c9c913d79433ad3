//! `cloudless tick`: makes a schedule fire now.
//!
//! Lives here: asking the running server, by the name of a rule, of a schedule or of a function that such calls.
//! Does not live here: firing (`service-buses`), finding the running server (`development::marker`).

use std::process::ExitCode;

use model::problem::Problem;
use serde_json::{Value, json};

use super::dev::state_folder;
use super::fail;
use super::running::{self, NotDone};
use crate::cli::TickArguments;
use crate::development::marker;
use crate::printer::{Printer, harmless};
use crate::{functions, project, settings};

/// Says what fired.
pub async fn run(arguments: TickArguments, printer: &Printer) -> ExitCode {
    let json = arguments.json;
    match tick(arguments).await {
        Ok(fired) if json => {
            printer.print(&format!("{:#}", json!({"fired": fired})));
            ExitCode::SUCCESS
        }
        Ok(fired) => {
            for arn in fired {
                printer.print(&harmless(&format!("{arn} fired")));
            }
            ExitCode::SUCCESS
        }
        Err(problem) => fail(printer, &problem),
    }
}

async fn tick(arguments: TickArguments) -> Result<Vec<String>, Box<Problem>> {
    let located = project::locate(&arguments.project.dir)?;
    let (settings, _) = settings::read(&located.root);
    let state = state_folder(arguments.state, &settings, &located)?;
    let marker = marker::read(&state).ok_or_else(no_server)?;
    let port = marker.services_port;
    if !running::is_up(port).await {
        return Err(no_server());
    }
    let wanted = &arguments.name;
    let name = functions::find(&marker.functions, wanted).unwrap_or(wanted);
    let region = arguments.project.region.as_ref().unwrap_or(&marker.region);
    let mut answer = running::events(port, region, "CloudlessFire", &json!({"Name": name})).await;
    if answer.is_err() && name != wanted {
        let by_itself = json!({"Name": wanted});
        answer = running::events(port, region, "CloudlessFire", &by_itself).await;
    }
    match answer {
        Ok(answer) => {
            let fired = answer.get("Fired").and_then(Value::as_array);
            let fired = fired.into_iter().flatten().filter_map(Value::as_str);
            Ok(fired.map(str::to_owned).collect())
        }
        Err(NotDone::Refused { code, .. }) if code == "ResourceNotFoundException" => {
            let title = format!("no schedule is called `{wanted}`");
            Err(Box::new(
                Problem::error("tick::unknown", title)
                    .because("it is no rule with a schedule, no schedule, and no function that one of them calls")
                    .help("`cloudless routes` lists schedules: name the function behind the arrow, or the rule or schedule (also as GROUP/NAME)"),
            ))
        }
        Err(why) => {
            let title = "the running server did not do it";
            Err(Box::new(
                Problem::error("tick::refused", title).because(why.words()),
            ))
        }
    }
}

fn no_server() -> Box<Problem> {
    Box::new(
        Problem::error(
            "tick::no-server",
            "no `cloudless dev` of this project is running",
        )
        .because("schedules fire in a running server")
        .help("start `cloudless dev`, or name its state: --state DIR"),
    )
}
