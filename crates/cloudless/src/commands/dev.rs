//! `cloudless dev`: serves a project, and reloads it as its files change.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use interfaces::clock::Clock;
use model::problem::Problem;
use tokio::signal::unix::{SignalKind, signal};

use super::{cache_folder, environment, fail, ours};
use crate::balancers::{self, Balancing};
use crate::cli::DevArguments;
use crate::development::Loop;
use crate::front;
use crate::printer::Printer;
use crate::project::{self, Located, ReadOptions};
use crate::settings::{self, Settings};
use crate::system::RealClock;
use crate::telemetry::Telemetry;
use crate::telemetry::console::Console;
use crate::wiring::{self, Config, Server};

/// The port of the application's APIs, when nobody names another.
pub(super) const PORT: u16 = 3000;
/// The port of the cloud services, when nobody names another: the one that existing scripts use.
pub(super) const SERVICES_PORT: u16 = 4566;

/// An end that takes longer than this is explained.
const QUIET_END_MAX: Duration = Duration::from_millis(500);

/// Serves until SIGINT or SIGTERM, then ends in order with exit code 0; at the second signal it ends at once.
pub async fn run(arguments: DevArguments, printer: &Printer) -> ExitCode {
    match Box::pin(serve(arguments, printer)).await {
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
    // What is wrong in it is said with all the rest, once the project is loaded.
    let (settings, _) = settings::read(&located.root);
    let chosen = (arguments.port, arguments.services_port);
    let (port, services_port) = ports(chosen, &settings)?;
    let cache = cache_folder(&environment);
    let own = arguments.https.then_some(cache.as_path());
    let tls = front::tls(&settings.server.tls, &located.root, own)?;
    let mut listeners = wiring::bind(Some(port), services_port).await?;
    if let Some(port) = arguments.websocket_port {
        listeners.web_sockets = Some(wiring::listen(port, "--websocket-port").await?);
    }
    listeners.tls = tls;
    let printer = printer.with_root(&located.root);
    let console =
        Console::start(printer.clone(), Arc::clone(&clock)).map_err(|error| no_thread(&error))?;
    let console = Arc::new(console);
    let balancing = balancing(&arguments, &settings);
    let state = state_folder(arguments.state, &settings, &located)?;
    let config = Config {
        ours: ours(&state),
        state,
        cache,
        environment,
        settings_file: located.root.join(settings::FILE),
        limits: settings.server.limits,
        sandbox: settings.server.sandbox.clone(),
        trusted_proxies: settings.server.trusted_proxies.clone(),
        buckets: settings.server.buckets,
        throughput: settings.server.throughput,
        engines: settings.server.engines.clone(),
        balancing,
    };
    let telemetry = Telemetry::on_console(&console, located.front_end)
        .with_access_logs(config.state.join("access-logs"))
        .map_err(|error| no_thread(&error))?;
    let server = Server::build(&listeners, &config, telemetry)?;
    let development = Loop {
        located,
        options,
        console: Arc::clone(&console),
        printer,
        clock,
        began,
        started_with: settings.server,
    };
    let work = async {
        tokio::select! {
            outcome = development.run(&server) => outcome.map(|never| match never {}),
            problem = server.state_lost() => Err(problem),
            () = asked_to_end(1) => Ok(()),
        }
    };
    let outcome = tokio::select! {
        outcome = server.serve(listeners, work) => outcome,
        // Requests under way may take half a minute; whoever asks again does not want to wait for them.
        () = asked_to_end(2) => Ok(()),
        never = say_what_is_waited_for(&console) => match never {},
    };
    console.stop();
    outcome
}

/// The port of the application's APIs and that of the cloud services: of the options, or as `cloudless.toml` has them.
pub(super) fn ports(
    (port, services_port): (Option<u16>, Option<u16>),
    settings: &Settings,
) -> Result<(u16, u16), Box<Problem>> {
    let server = &settings.server;
    let port = port.or(server.port).unwrap_or(PORT);
    let services_port = services_port
        .or(server.services_port)
        .unwrap_or(SERVICES_PORT);
    // 0 is any that is free.
    if port != services_port || port == 0 {
        return Ok((port, services_port));
    }
    let title =
        format!("port {port} is named for both the application's APIs and the cloud services");
    let problem = Problem::error("server::port", title).because(format!(
        "`--port`, or `port` under `[server]` in {}, is {PORT} unless set, and `--services-port`, or `services_port`, \
         is {SERVICES_PORT}",
        settings::FILE
    ));
    Err(Box::new(
        problem.help("choose another one for either of them"),
    ))
}

/// Where load balancers are found, and below which paths all is: as the options say, or as `cloudless.toml` has it.
fn balancing(arguments: &DevArguments, settings: &Settings) -> Balancing {
    let server = &settings.server;
    let text = |path: &Option<PathBuf>| Some(path.as_ref()?.to_string_lossy().into_owned());
    let base_path = arguments
        .base_path
        .clone()
        .or_else(|| text(&server.base_path));
    let own = arguments.alb_base_path.clone();
    let own = own.or_else(|| text(&server.alb_base_path));
    Balancing {
        port: arguments
            .alb_port
            .or(server.alb_port)
            .unwrap_or(balancers::PORT),
        base_path: own.or_else(|| base_path.clone()),
        base_path_of_apis: base_path,
    }
}

/// `--state`, or what `cloudless.toml` says, or `.cloudless` beside the manifest; without links and `..`, so that it can be told apart from the
/// project's files.
pub(super) fn state_folder(
    chosen: Option<PathBuf>,
    settings: &Settings,
    located: &Located,
) -> Result<PathBuf, Box<Problem>> {
    let set = || settings.server.state.as_deref();
    let own = || located.root.join(set().unwrap_or(Path::new(".cloudless")));
    let folder = real_path(&chosen.unwrap_or_else(own));
    if located.root.starts_with(&folder) {
        let title = format!(
            "the project lies in the state's folder `{}`",
            folder.display()
        );
        return Err(Box::new(
            Problem::error("server::state", title)
                .because("everything in that folder is the server's own: neither code nor watched")
                .help("name a folder that holds nothing else: --state DIR"),
        ));
    }
    Ok(folder)
}

/// The path as the system names it; the part that does not exist yet stays as it is.
fn real_path(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let real = path.ancestors().find_map(|there| {
        let rest = path.strip_prefix(there).ok()?;
        Some(there.canonicalize().ok()?.join(rest))
    });
    real.unwrap_or(path)
}

/// Says why the end takes a while, once it does.
async fn say_what_is_waited_for(console: &Console) -> Infallible {
    asked_to_end(1).await;
    tokio::time::sleep(QUIET_END_MAX).await;
    console.notice("stopping once the requests under way have ended; Ctrl-C again stops at once");
    std::future::pending().await
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::FrontEnd;

    fn located(root: &Path) -> Located {
        Located {
            root: root.to_path_buf(),
            manifest: "serverless.yml".to_owned(),
            front_end: FrontEnd::ServerlessFramework,
        }
    }

    #[test]
    fn the_state_is_named_as_the_system_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("real")).unwrap();
        std::os::unix::fs::symlink(root.join("real"), root.join("link")).unwrap();
        let state = |chosen: &str| {
            state_folder(
                Some(root.join(chosen)),
                &Settings::default(),
                &located(&root),
            )
            .unwrap()
        };
        assert_eq!(state("link/new/state"), root.join("real/new/state"));
        assert_eq!(state("real/../state"), root.join("state"));
        let mut settings = Settings::default();
        let own = |settings: &Settings| state_folder(None, settings, &located(&root)).unwrap();
        assert_eq!(own(&settings), root.join(".cloudless"));
        settings.server.state = Some("link/state".into());
        assert_eq!(own(&settings), root.join("real/state"));
    }

    #[test]
    fn the_ports_are_those_that_the_settings_name() {
        for (name, port) in [("port", PORT), ("services_port", SERVICES_PORT)] {
            let key = settings::keys::KEYS.iter().find(|key| key.name == name);
            assert_eq!(key.unwrap().default, port.to_string());
        }
    }

    #[test]
    fn the_two_ports_are_never_the_same() {
        for (options, set, expected) in [
            ((None, None), (None, None), Some((PORT, SERVICES_PORT))),
            ((Some(0), Some(0)), (None, None), Some((0, 0))),
            ((None, None), (Some(5000), Some(5000)), None),
            ((None, None), (Some(SERVICES_PORT), None), None),
            ((None, None), (None, Some(PORT)), None),
            ((Some(5000), None), (None, Some(5000)), None),
            (
                (Some(5001), None),
                (Some(5000), Some(5000)),
                Some((5001, 5000)),
            ),
        ] {
            let mut settings = Settings::default();
            (settings.server.port, settings.server.services_port) = set;
            let found = ports(options, &settings);
            let code = found.as_ref().err().map(|problem| problem.code);
            assert_eq!(
                found.as_ref().ok(),
                expected.as_ref(),
                "{options:?} {set:?}"
            );
            assert_eq!(code.is_some(), expected.is_none());
            assert!(code.is_none_or(|code| code == "server::port"));
        }
    }

    #[test]
    fn the_state_holds_no_project() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("project");
        for chosen in [root.as_path(), root.parent().unwrap()] {
            let refused = state_folder(
                Some(chosen.to_path_buf()),
                &Settings::default(),
                &located(&root),
            )
            .unwrap_err();
            assert_eq!(refused.code, "server::state");
        }
    }
}
