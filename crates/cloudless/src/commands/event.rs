//! `cloudless event`: prints an event as a service would send it.

use std::process::ExitCode;

use gateway::events::samples::{self, SampleKind};
use serde_json::Value;

use crate::cli::{EventArguments, EventKind};
use crate::printer::Printer;

/// Prints the event, indented.
pub fn run(arguments: &EventArguments, printer: &Printer) -> ExitCode {
    let kind = match arguments.kind {
        EventKind::Apigateway => SampleKind::ApiGateway,
        EventKind::HttpApi => SampleKind::HttpApi,
        EventKind::Sqs => SampleKind::Sqs,
        EventKind::S3 => SampleKind::S3,
        EventKind::Dynamodb => SampleKind::DynamoDb,
        EventKind::Schedule => SampleKind::Schedule,
    };
    let event = samples::mock(kind);
    let indented = serde_json::from_str::<Value>(&event).map(|event| format!("{event:#}"));
    printer.print(&indented.unwrap_or(event));
    ExitCode::SUCCESS
}
