//! Serverless APIs without the cloud: the command line, and the wiring of all parts.
//!
//! Lives here: commands, reading projects, the development loop, telemetry, and `wiring`, where siblings meet.
//! Does not live here: anything that a second binary would need.

pub mod authority;
mod balancers;
pub mod cli;
pub mod commands;
pub mod development;
mod engines;
mod files;
pub mod forking;
pub mod front;
pub mod functions;
pub mod issuer;
mod loops;
mod machine;
mod made_by_api;
mod notary;
mod packages;
pub mod pipeline;
pub mod printer;
mod processors;
pub mod project;
mod services;
mod serving;
pub mod settings;
mod state;
pub mod system;
pub mod telemetry;
pub mod walls;
pub mod wiring;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use cli::{Arguments, Command};
use printer::Printer;
use telemetry::own_log::OwnLines;

/// The variable that sets how much the server says of itself on standard error: `error`, `warn`, `info`, `debug`, `trace`.
const LOG_VARIABLE: &str = "CLOUDLESS_LOG";

/// Runs one command. Exit codes: 0 it did what was asked, 1 it could not, 2 the call was wrong.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let _closed_pipe = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let printer = Printer::for_terminal(Path::new("."));
    log_to_standard_error();
    allow_many_files();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers())
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            printer.print_error(&format!("error: this machine has no thread left: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(async {
        match arguments.command {
            Command::Dev(arguments) => commands::dev::run(arguments, &printer).await,
            Command::Check(arguments) => commands::check::run(&arguments, &printer).await,
            Command::Invoke(arguments) => commands::invoke::run(arguments, &printer).await,
            Command::Event(arguments) => commands::event::run(&arguments, &printer),
            Command::Tick(arguments) => commands::tick::run(arguments, &printer).await,
            Command::Logs(arguments) => commands::logs::run(arguments, &printer).await,
            Command::Redrive(arguments) => commands::redrive::run(arguments, &printer).await,
            Command::Routes(arguments) => commands::routes::run(&arguments, &printer).await,
            Command::Openapi(arguments) => commands::openapi::run(&arguments, &printer).await,
            Command::Token(arguments) => commands::token::run(&arguments, &printer).await,
            Command::Doctor(arguments) => commands::doctor::run(&arguments, &printer).await,
        }
    });
    // Not dropped, which would wait for blocking calls: one of them may wait for another process that installs.
    runtime.shutdown_background();
    code
}

/// Threads for all but requests (`serving`): events, timers, what leaves sandboxes.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2))
}

/// Lets this process have as many descriptors as its user may: each connection and each instance takes some, and the
/// soft limit of a login shell is made for programs that use `select`.
fn allow_many_files() {
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = rustix::process::setrlimit(rustix::process::Resource::Nofile, limit) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}

/// The watcher warns of each file that is replaced, and editors do that with every save: only its errors are shown.
#[expect(
    clippy::disallowed_methods,
    reason = "asked for once, before there is anybody to hand it to"
)]
fn log_to_standard_error() {
    let chosen = std::env::var(LOG_VARIABLE)
        .ok()
        .and_then(|level| level.parse().ok());
    let targets = Targets::new()
        .with_default(chosen.unwrap_or(Level::WARN))
        .with_target("notify", Level::ERROR);
    let registry = tracing_subscriber::registry().with(targets);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    if chosen.is_some() {
        // Whoever asks for a level looks for when and where. Its colours are a feature that we do not build with; asked
        // for, it says so on every start.
        registry.with(lines.with_ansi(false)).init();
    } else {
        let own = OwnLines::new(Printer::for_terminal(Path::new("")));
        registry.with(lines.event_format(own)).init();
    }
}
