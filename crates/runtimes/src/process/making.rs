//! Making the process of an instance, or of a template.
//!
//! Lives here: its sandbox, its environment, and whether it is forked or started.
//! Does not live here: the init that follows (`process`), processes that ask for their events themselves (`runtime_api`).

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use interfaces::runtime::StartError;
use model::function::Function;
use rustix::process::Pid;

use super::child::{ProgramReport, Reporter};
use super::environment::Names;
use super::instance::{Beginning, Lineage, ProcessInstance};
use super::keys::IssuedKeys;
use super::launch::{self, Launch, LaunchError, Launched};
use super::logs::Logs;
use super::walls::{self, Cell, Furnished, Quarters};
use super::zygote::{Base, Recipe, Spare, Waiting};
use super::{NotLaunched, ProcessRuntime, Source, environment, machine, runtime_api};

/// Where the processes of an instance are, and how its function looks from there.
pub(super) struct Site<'a> {
    /// None: they run as any program of this machine.
    pub(super) cell: Option<Arc<Cell>>,
    pub(super) seen: Cow<'a, Function>,
    services_endpoint: &'a str,
    bootstrap: Option<&'a Path>,
    /// They hear of their runtime's end, and so live longer.
    has_extensions: bool,
}

impl<'a> Site<'a> {
    /// What the environment names there.
    pub(super) fn names(&self, names: Names<'a>) -> Names<'a> {
        Names {
            services_endpoint: self.services_endpoint,
            bootstrap: self.bootstrap,
            ..names
        }
    }
}

/// A process that was started where it belongs.
pub(super) struct Placed {
    pub(super) launched: Launched,
    /// In a sandbox: who says how it ended.
    pub(super) report: Option<Reporter>,
    pub(super) quarters: Option<Quarters>,
}

impl ProcessRuntime {
    pub(super) async fn launch(
        &self,
        function: &Arc<Function>,
        source: Source<'_>,
        deadline: Instant,
    ) -> Result<ProcessInstance, NotLaunched> {
        if source.base.is_none() && runtime_api::is_needed(function) {
            return self.launch_with_api(function, source, deadline).await;
        }
        let id = self.draw_id();
        let keys = Arc::new(IssuedKeys::issue(&self.parts.principals, function));
        let language = function.runtime.language;
        let spare = match source.base {
            Some(base) => self.take_spare(base, function).await,
            None => None,
        };
        let (site, waiting) = match spare {
            Some((furnished, waiting)) => {
                let site = self.site_in(furnished.cell.clone(), function);
                (site, Some((furnished, waiting)))
            }
            None => (self.site(function).await?, None),
        };
        let names = site.names(self.names(function, &id, &keys, source.initialization));
        let placed = match source.base {
            None => {
                let launch = environment::launch(&site.seen, &names);
                let launch = launch.map_err(|error| machine(&error))?;
                self.place_interpreter(launch, &site).await?
            }
            Some(base) => {
                let inside = site.cell.as_ref().map(|cell| environment::Inside {
                    scopes: cell.scopes(),
                    processes_max: walls::PROCESSES_MAX,
                });
                let order = environment::template(&site.seen, &names, inside)
                    .map_err(|error| machine(&error))?;
                let forked = match waiting {
                    Some((furnished, waiting)) => base.zygote.employ(waiting, furnished, &order),
                    None => {
                        let entry = site.cell.clone().map(|cell| (cell, language));
                        base.zygote.fork(&order, entry).await
                    }
                };
                let forked = forked.map_err(|error| machine(&error))?;
                Placed {
                    launched: forked.launched,
                    report: Some(Reporter::Zygote(forked.report)),
                    quarters: forked.quarters,
                }
            }
        };
        let lineage = Lineage {
            undertaker: self.spawner.undertaker(),
            report: placed.report,
            quarters: placed.quarters,
        };
        let beginning = Beginning {
            logs: Logs::new(&self.parts, function.clone(), id),
            companions: None,
            keys,
        };
        Ok(self.attach(placed.launched, beginning, function, lineage)?)
    }

    /// Where a function's next instance, or its template, is to be: in a sandbox of its own, if there are any.
    pub(super) async fn site<'a>(&'a self, function: &'a Function) -> Result<Site<'a>, StartError> {
        let bootstrap = self.bootstraps.folder(function.runtime.language);
        launch::check_directory(&function.code_root).map_err(|error| machine(&error))?;
        let has_extensions = !runtime_api::extensions(function).is_empty();
        let Some(walls) = &self.walls else {
            return Ok(Site {
                cell: None,
                seen: Cow::Borrowed(function),
                services_endpoint: &self.services_endpoint,
                bootstrap,
                has_extensions,
            });
        };
        let cell = walls.make(function, bootstrap).await;
        let cell = cell.map_err(|error| machine(&error))?;
        Ok(self.site_in(cell, function))
    }

    fn site_in(&self, cell: Arc<Cell>, function: &Function) -> Site<'_> {
        let bootstrap = self.bootstraps.folder(function.runtime.language);
        Site {
            cell: Some(cell),
            seen: Cow::Owned(walls::seen(function)),
            services_endpoint: &self.services_endpoint,
            bootstrap: bootstrap.map(|_| Path::new(walls::INSIDE_BOOTSTRAP)),
            has_extensions: !runtime_api::extensions(function).is_empty(),
        }
    }

    /// A fork of the base that waits in a sandbox, which becomes that function's.
    async fn take_spare(&self, base: &Base, function: &Function) -> Option<(Furnished, Waiting)> {
        let walls = self.walls.as_ref()?;
        if runtime_api::is_needed(function) {
            return None;
        }
        let Spare {
            waiting,
            cell,
            room,
        } = base.spares.take()?;
        let bootstrap = self.bootstraps.folder(function.runtime.language);
        let furnished = walls.furnish((cell, room), function, bootstrap).await?;
        Some((furnished, waiting))
    }

    /// Has a base keep a fork ready in a sandbox, for a function that is like this one.
    pub(super) fn want_spare(&self, base: &Base, function: &Arc<Function>) {
        let Some(walls) = &self.walls else {
            return;
        };
        let bootstrap = self.bootstraps.folder(function.runtime.language);
        let recipe = Recipe {
            walls: Arc::downgrade(walls),
            function: function.clone(),
            bootstrap: bootstrap.map(Path::to_owned),
        };
        base.spares.want(recipe, &base.zygote);
    }

    /// Starts an interpreter, which is at the same place inside and outside.
    pub(super) async fn place_interpreter(
        &self,
        launch: Launch,
        site: &Site<'_>,
    ) -> Result<Placed, StartError> {
        launch::check_program(&launch).map_err(|error| machine(&error))?;
        let launch = environment::wrapped(launch, &site.seen);
        let placed = self.place(launch, site).await;
        placed.map_err(|error| machine(&error))
    }

    /// Starts a program where its instance is.
    pub(super) async fn place(
        &self,
        launch: Launch,
        site: &Site<'_>,
    ) -> Result<Placed, LaunchError> {
        let Some(cell) = &site.cell else {
            return Ok(Placed {
                launched: self.spawner.launch(launch).await?,
                report: None,
                quarters: None,
            });
        };
        let (running, ends, kept) = cell.execute(launch).await?;
        let pid = Pid::from_raw(running.process.pid);
        let launched = Launched {
            pid: pid.ok_or(LaunchError::Gone)?,
            pidfd: running.process.pidfd,
            ends,
        };
        let report = ProgramReport::new(running.end).map_err(LaunchError::Unwatched)?;
        Ok(Placed {
            launched,
            report: Some(Reporter::Nanny(report)),
            quarters: Some(if site.has_extensions {
                Quarters::among(cell.clone(), Some(kept))
            } else {
                Quarters::whole(cell.clone(), kept)
            }),
        })
    }
}
