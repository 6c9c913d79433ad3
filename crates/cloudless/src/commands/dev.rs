//! `cloudless dev`: serves a project, and reloads it as its files change.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use interfaces::clock::Clock;
use model::problem::Problem;
use tokio::signal::unix::{SignalKind, signal};

use super::{cache_folder, environment, fail, ours};
use crate::cli::DevArguments;
use crate::development::Loop;
use crate::printer::Printer;
use crate::project::{self, Located, ReadOptions};
use crate::system::RealClock;
use crate::telemetry::Telemetry;
use crate::telemetry::console::Console;
use crate::wiring::{self, Config, Server};

/// Serves until SIGINT or SIGTERM, then ends in order with exit code 0; at the second signal it ends at once.
pub async fn run(arguments: DevArguments, printer: &Printer) -> ExitCode {
    match serve(arguments, printer).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => fail(printer, &problem),
    }
}

async fn serve(arguments: DevArguments, printer: &Printer) -> Result<(), Box<Problem>> {
    let clock: Arc<dyn Clock> = Arc::new(RealClock);
    let began = clock.instant();
    let environment = environment();
    let located = project::locate(&arguments.project.dir)?;
    let options = ReadOptions::new(&arguments.project, environment.clone())?;
    let listeners = wiring::bind(Some(arguments.port), arguments.services_port).await?;
    let printer = printer.with_root(&located.root);
    let console =
        Console::start(printer.clone(), Arc::clone(&clock)).map_err(|error| no_thread(&error))?;
    let console = Arc::new(console);
    let state = state_folder(arguments.state, &located);
    let config = Config {
        ours: ours(&state),
        state,
        cache: cache_folder(&environment),
        environment,
    };
    let server = Server::build(&listeners, &config, Telemetry::on_console(&console))?;
    let development = Loop {
        located,
        options,
        console: Arc::clone(&console),
        printer,
        clock,
        began,
    };
    let work = async {
        tokio::select! {
            outcome = development.run(&server) => outcome.map(|never| match never {}),
            () = asked_to_end(1) => Ok(()),
        }
    };
    let outcome = tokio::select! {
        outcome = server.serve(listeners, work) => outcome,
        // Requests under way may take half a minute; whoever asks again does not want to wait for them.
        () = asked_to_end(2) => Ok(()),
    };
    console.stop();
    outcome
}

/// `--state`, or `.cloudless` beside the manifest; absolute, so that it can be told apart from the project's files.
pub(super) fn state_folder(chosen: Option<PathBuf>, located: &Located) -> PathBuf {
    let folder = chosen.unwrap_or_else(|| located.root.join(".cloudless"));
    std::path::absolute(&folder).unwrap_or(folder)
}

/// Waits until SIGINT or SIGTERM has come so many times.
async fn asked_to_end(times: usize) {
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return std::future::pending().await;
    };
    for _time in 0..times {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}

fn no_thread(error: &std::io::Error) -> Problem {
    Problem::error("server::thread", "this machine has no thread left").because(error.to_string())
}
