//! `cloudless routes`: lists the routes of a project, and what else sets its functions going, without serving it.

use std::process::ExitCode;
use std::sync::Arc;

use gateway::routes::{AnsweredBy, RouteRow, routes_table};
use model::application::Application;
use model::ids::RevisionId;
use model::problem::Problem;
use serde_json::{Value, json};

use super::{cache_folder, environment, fail};
use crate::cli::{ProjectArguments, RoutesArguments};
use crate::development::{route_lines, trigger_lines};
use crate::pipeline::Checker;
use crate::printer::Printer;
use crate::project::{self, ReadOptions};
use crate::system::RealClock;

/// Prints the routes and the ways of events as tables, or the routes as JSON.
pub async fn run(arguments: &RoutesArguments, printer: &Printer) -> ExitCode {
    let application = match application(&arguments.project).await {
        Ok(application) => application,
        Err(problem) => return fail(printer, &problem),
    };
    let rows = routes_table(&application);
    if arguments.json {
        let rows: Vec<Value> = rows.iter().map(as_json).collect();
        printer.print(&format!("{:#}", Value::Array(rows)));
        return ExitCode::SUCCESS;
    }
    let mut lines = route_lines(printer, &rows);
    if lines.is_empty() {
        lines.push("no routes".to_owned());
    }
    lines.extend(trigger_lines(printer, &application.triggers));
    printer.print(&lines.join("\n"));
    ExitCode::SUCCESS
}

/// What the project would be once deployed.
pub(super) async fn application(project: &ProjectArguments) -> Result<Application, Box<Problem>> {
    let environment = environment();
    let located = project::locate(&project.dir)?;
    let options = ReadOptions::new(project, environment.clone())?;
    let checker = Checker::new(
        Arc::new(RealClock),
        &cache_folder(&environment),
        &environment,
    );
    let checked = checker.check(&located, &options).await?;
    Ok(checked
        .application
        .unwrap_or_else(|| Application::empty(RevisionId::new("none"))))
}

fn as_json(row: &RouteRow) -> Value {
    let (function, not_served) = match &row.answered_by {
        AnsweredBy::Function(function) => (Some(function.as_str()), None),
        AnsweredBy::Gateway
        | AnsweredBy::Mock
        | AnsweredBy::Server { .. }
        | AnsweredBy::LoadBalancer { .. } => (None, None),
        AnsweredBy::Nobody { reason } => (None, Some(reason)),
    };
    json!({
        "method": row.method,
        "path": row.path,
        "function": function,
        "not_served": not_served,
        "api": row.kind.as_str(),
        "authorizer": row.authorizer,
        "throttle": row.throttle,
        "cache": row.cache,
        "conditions": row.conditions,
        "place": row.place.as_ref().map(ToString::to_string),
    })
}
