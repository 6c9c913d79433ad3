//! The development loop: load the project, serve it, load it again when its files change.
//!
//! Lives here: what happens on a change, and what the developer is told.
//! Does not live here: noticing changes (`watch`), reading and deploying (`pipeline`), joining parts (`wiring`).

mod banner;
mod changes;
pub mod marker;
pub(crate) mod remedies;
mod stored;
mod watch;

pub(crate) use banner::{route_lines, trigger_lines};

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use interfaces::clock::Clock;
use model::application::Application;
use model::problem::Problem;

use crate::pipeline::Loaded;
use crate::printer::{Printer, Style, harmless};
use crate::project::{Located, ReadOptions};
use crate::settings;
use crate::telemetry::console::Console;
use crate::wiring::Server;

use watch::Watcher;

/// What the loop needs besides the server.
pub struct Loop {
    /// The project.
    pub located: Located,
    /// How to read it.
    pub options: ReadOptions,
    /// Where it talks to the developer.
    pub console: Arc<Console>,
    /// How it draws.
    pub printer: Printer,
    /// For saying how long things took.
    pub clock: Arc<dyn Clock>,
    /// When the command began.
    pub began: Instant,
    /// The settings that only a start can change.
    pub started_with: settings::Server,
}

/// What is served now, to tell whether a change changed anything.
struct Current {
    application: Option<Arc<Application>>,
    problems: Vec<Problem>,
    /// What the server said of the application: roles, routes, ports.
    clashes: Vec<Problem>,
    /// As `cloudless.toml` has them now.
    settings: settings::Server,
}

/// What has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Changed {
    /// Files of the project.
    Files,
    /// Functions, by Lambda's API.
    Functions,
}

impl fmt::Display for Changed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Files => "reloaded",
            Self::Functions => "changed by the Lambda API",
        })
    }
}

impl Loop {
    /// Loads the project once, and then after every change, until it is dropped. A deployment that this interrupts is
    /// finished at the next start.
    ///
    /// # Errors
    /// A problem when the project cannot be loaded the first time.
    pub async fn run(&self, server: &Server) -> Result<Infallible, Box<Problem>> {
        let mut current = Current {
            application: None,
            problems: Vec::new(),
            clashes: Vec::new(),
            settings: self.started_with.clone(),
        };
        // Before the first load, which may install for minutes: what is saved meanwhile is a change, too.
        let (mut watcher, unwatched) = Watcher::start(&self.located.root, server.ours());
        let loaded = server.pipeline.load(&self.located, &self.options).await?;
        if let Some(problem) = unwatched {
            self.show(std::slice::from_ref(&problem));
        }
        watcher.follow(&loaded.files);
        let Some(application) = loaded.application.clone() else {
            self.show_for(server, &loaded.problems);
            return Err(Box::new(nothing_to_serve(&self.located)));
        };
        self.show_for(server, &loaded.problems);
        current.clashes = server.swap(&application).await;
        self.show(&current.clashes);
        Box::pin(server.deliver(&application)).await;
        self.console.notice(banner::banner(
            &self.printer,
            server,
            &loaded,
            &application,
            self.clock.instant() - self.began,
        ));
        server.functions_served(&loaded, &application).await;
        current.problems.clone_from(&loaded.problems);
        current.application = Some(application);
        server.set_ready();
        let following = self.follow(server, watcher, current);
        let (never, (), ()) = tokio::join!(
            following,
            Box::pin(server.keep_services()),
            server.keep_findings()
        );
        Ok(never)
    }

    async fn follow(
        &self,
        server: &Server,
        mut watcher: Watcher,
        mut current: Current,
    ) -> Infallible {
        loop {
            let changed = tokio::select! {
                () = watcher.changed() => Changed::Files,
                () = server.functions_changed() => Changed::Functions,
            };
            let began = self.clock.instant();
            let loaded = match changed {
                Changed::Files => Box::pin(server.pipeline.load(&self.located, &self.options))
                    .await
                    .map(Some),
                Changed::Functions => Ok(Box::pin(server.pipeline.refresh()).await),
            };
            match loaded {
                Ok(Some(loaded)) => {
                    watcher.follow(&loaded.files);
                    self.take(server, &mut current, &loaded, (changed, began))
                        .await;
                    if let Some(application) = &current.application {
                        Box::pin(server.deliver(application)).await;
                        server.functions_served(&loaded, application).await;
                    }
                }
                Ok(None) => {}
                Err(problem) => self.show(std::slice::from_ref(&problem)),
            }
        }
    }

    /// Serves what was loaded, if it differs from what is served.
    async fn take(
        &self,
        server: &Server,
        current: &mut Current,
        loaded: &Loaded,
        (changed, began): (Changed, Instant),
    ) {
        if loaded.problems != current.problems {
            self.show_for(server, &loaded.problems);
            if loaded.problems.is_empty() {
                self.note(Style::Green, "no problems any more");
            }
            current.problems.clone_from(&loaded.problems);
        }
        if loaded.settings.server != current.settings {
            current.settings = loaded.settings.server.clone();
            if current.settings != self.started_with {
                let text =
                    "`[server]` and `[limits]` of cloudless.toml take effect at the next start";
                self.note(Style::Yellow, text);
            }
        }
        for loss in stored::losses(&loaded.stored) {
            self.note(Style::Yellow, &harmless(&loss));
        }
        let Some(application) = loaded.application.clone() else {
            self.note(
                Style::Yellow,
                "the project cannot be loaded as it is now; what was served before goes on",
            );
            return;
        };
        if current.application.as_ref() == Some(&application) {
            return;
        }
        let clashes = server.swap(&application).await;
        self.show(&unheard(&clashes, &current.clashes));
        current.clashes = clashes;
        let stored = stored::changes(&loaded.stored);
        let took = self
            .clock
            .instant()
            .saturating_duration_since(began)
            .as_millis();
        let changes = current
            .application
            .as_ref()
            .map(|before| changes::between(before, &application))
            .into_iter()
            .chain(stored)
            .filter(|changes| !changes.is_empty())
            .collect::<Vec<_>>()
            .join("; ");
        let changes = match changes.as_str() {
            "" => String::new(),
            changes => format!(": {changes}"),
        };
        self.note(
            Style::Green,
            &format!("{changed} in {took} ms{}", harmless(&changes)),
        );
        current.application = Some(application);
    }

    fn show(&self, problems: &[Problem]) {
        for problem in problems {
            self.console
                .notice(format!("{}\n", self.printer.draw(problem)));
        }
    }

    /// The same for problems of a manifest, whose commands are for the usual port of services.
    fn show_for(&self, server: &Server, problems: &[Problem]) {
        let (_, port) = server.ports();
        let mut problems = problems.to_vec();
        remedies::for_port(&mut problems, port);
        self.show(&problems);
    }

    fn note(&self, style: Style, text: &str) {
        self.console.notice(self.printer.paint(style, text));
    }
}

/// What has not been said of the application before: nobody wants to read it again at every save.
fn unheard(clashes: &[Problem], before: &[Problem]) -> Vec<Problem> {
    let is_new = |clash: &&Problem| !before.contains(clash);
    clashes.iter().filter(is_new).cloned().collect()
}

fn nothing_to_serve(located: &Located) -> Problem {
    Problem::error(
        "project::nothing-to-serve",
        format!("`{}` could not be read", located.manifest),
    )
    .help("mend the problems above, and start again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_of_an_application_is_not_said_again() {
        let problem = |title: &str| Problem::warning("identity::unknown-role", title);
        let (said, other) = ([problem("one")], problem("other"));
        assert_eq!(unheard(&said, &[]), said);
        assert_eq!(unheard(&[problem("one"), other.clone()], &said), [other]);
        assert!(unheard(&said, &said).is_empty());
    }
}
