//! `cloudless openapi`: prints an API of a project as OpenAPI 3.1, without serving it.

use std::process::ExitCode;

use gateway::openapi::{Api, document};
use model::application::Application;
use model::problem::Problem;
use serde_json::Value;

use super::{fail, routes};
use crate::cli::OpenapiArguments;
use crate::printer::Printer;

/// Prints the document.
pub async fn run(arguments: &OpenapiArguments, printer: &Printer) -> ExitCode {
    match written(arguments).await {
        Ok(document) => {
            printer.print(&format!("{document:#}"));
            ExitCode::SUCCESS
        }
        Err(problem) => fail(printer, &problem),
    }
}

async fn written(arguments: &OpenapiArguments) -> Result<Value, Box<Problem>> {
    let application = routes::application(&arguments.project).await?;
    let api = chosen(&application, arguments.api.as_deref())?;
    Ok(document(api, arguments.origin.trim_end_matches('/')))
}

fn chosen<'a>(application: &'a Application, name: Option<&str>) -> Result<Api<'a>, Box<Problem>> {
    let rest = application.rest_apis.iter().map(Api::Rest);
    let http = application.http_apis.iter().map(Api::Http);
    let all: Vec<Api<'a>> = rest.chain(http).collect();
    let refuse = |title: String, help: String| {
        Err(Box::new(
            Problem::error("openapi::which-api", title).help(help),
        ))
    };
    let names = || {
        let names: Vec<&str> = all.iter().map(Api::logical_id).collect();
        names.join(", ")
    };
    match (all.as_slice(), name) {
        ([], _) => refuse(
            "the project has no API".to_owned(),
            "function URLs have no routes to export".to_owned(),
        ),
        ([api], None) => Ok(*api),
        (_, None) => refuse(
            format!("the project has several APIs: {}", names()),
            "choose one: --api NAME".to_owned(),
        ),
        (apis, Some(name)) => {
            let is_meant = |api: &&Api<'_>| api.logical_id() == name || api.name() == name;
            match apis.iter().find(is_meant) {
                Some(api) => Ok(*api),
                None => refuse(
                    format!("the project has no API `{name}`"),
                    format!("it has {}", names()),
                ),
            }
        }
    }
}
