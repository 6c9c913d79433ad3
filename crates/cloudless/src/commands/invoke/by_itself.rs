//! Running a function in this process: the whole server, without the APIs' port.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use interfaces::invoke::{Invocation, Invoke as _, Outcome, Reply};
use interfaces::random::Random as _;
use model::ids::FunctionName;
use model::problem::{Problem, Severity};

use super::{Ran, unknown_function};
use crate::balancers::Balancing;
use crate::cli::InvokeArguments;
use crate::commands::{cache_folder, environment, ours};
use crate::functions;
use crate::printer::Printer;
use crate::project::{Located, ReadOptions};
use crate::settings::{FILE, Settings};
use crate::system::RealRandom;
use crate::telemetry::Telemetry;
use crate::wiring::{self, Config, Server};

pub(super) fn config(located: &Located, settings: &Settings, state: PathBuf) -> Config {
    let environment = environment();
    Config {
        balancing: Balancing::default(),
        ours: ours(&state),
        state,
        cache: cache_folder(&environment),
        environment,
        settings_file: located.root.join(FILE),
        limits: settings.server.limits,
        sandbox: settings.server.sandbox.clone(),
        trusted_proxies: settings.server.trusted_proxies.clone(),
        buckets: settings.server.buckets,
        throughput: settings.server.throughput,
        engines: settings.server.engines.clone(),
    }
}

pub(super) async fn invoke(
    arguments: InvokeArguments,
    located: &Located,
    config: &Config,
    event: Bytes,
    printer: &Printer,
) -> Result<Ran, Box<Problem>> {
    let options = ReadOptions::new(&arguments.project, config.environment.clone())?;
    let listeners = wiring::bind(None, 0).await?;
    let server = Server::build(&listeners, config, Telemetry::silent())?;
    let work = async {
        let loaded = server.pipeline.load(located, &options).await?;
        show_errors(&printer.with_root(&located.root), &loaded.problems);
        let Some(application) = loaded.application else {
            return Err(unreadable(&located.root));
        };
        let names: BTreeMap<String, String> = application
            .functions
            .values()
            .map(|function| (function.logical_id.to_string(), function.name.to_string()))
            .collect();
        let Some(name) = functions::find(&names, &arguments.function) else {
            return Err(unknown_function(&arguments.function, &names));
        };
        let application = Arc::new(application.without_provisioned());
        server.swap(&application).await;
        let reply = server.invoker.invoke(invocation(name, event)).await;
        let reply = reply.map_err(|error| {
            Problem::error("invoke::not-run", "the function did not run").because(error.to_string())
        })?;
        Ok(ran(reply))
    };
    server.serve(listeners, work).await
}

fn invocation(name: &str, payload: Bytes) -> Invocation {
    let request_id = RealRandom::default().request_id();
    Invocation {
        function: FunctionName::new(name),
        qualifier: None,
        request_id,
        payload,
        wait_until: None,
        trace_id: String::new(),
        client_context: None,
    }
}

fn ran(reply: Reply) -> Ran {
    let (payload, failed) = match reply.outcome {
        Outcome::Returned(payload) => (payload, false),
        Outcome::Failed(error) => (error.payload, true),
    };
    Ran {
        payload,
        failed,
        log: reply.log_tail,
    }
}

/// What does not work in the project may be why the function does not, or why it is not there.
fn show_errors(printer: &Printer, problems: &[Problem]) {
    let errors = problems
        .iter()
        .filter(|problem| problem.severity == Severity::Error);
    for problem in errors {
        printer.print_error(&printer.draw(problem));
    }
}

fn unreadable(root: &Path) -> Box<Problem> {
    Box::new(Problem::error(
        "project::nothing-to-serve",
        format!("`{}` holds nothing to run", root.display()),
    ))
}
