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
use super::instance::{Beginning, Lineage, ProcessInstance};
use super::keys::IssuedKeys;
use super::launch::{self, Launch, Launched};
use super::logs::Logs;
use super::walls::{self, Cell, Quarters};
use super::{NotLaunched, ProcessRuntime, Source, environment, machine, runtime_api};

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
        let bootstrap = self.bootstraps.folder(language);
        launch::check_directory(&function.code_root).map_err(|error| machine(&error))?;
        let cell = match &self.walls {
            Some(walls) => Some(walls.make(function, bootstrap).await),
            None => None,
        };
        let cell = cell.transpose().map_err(|error| machine(&error))?;
        let (seen, services_endpoint, bootstrap) = match &cell {
            Some(_) => (
                Cow::Owned(walls::seen(function)),
                walls::SERVICES_ENDPOINT,
                Some(Path::new(walls::INSIDE_BOOTSTRAP)),
            ),
            None => (
                Cow::Borrowed(&**function),
                self.services_endpoint.as_str(),
                bootstrap,
            ),
        };
        let names = environment::Names {
            services_endpoint,
            bootstrap,
            ..self.names(function, &id, &keys, source.initialization)
        };
        let (launched, report, quarters) = match source.base {
            None => {
                let launch = environment::launch(&seen, &names).map_err(|error| machine(&error))?;
                self.launch_program(launch, cell).await?
            }
            Some(base) => {
                let inside = cell.as_ref().map(|cell| environment::Inside {
                    scopes: cell.scopes(),
                    processes_max: walls::PROCESSES_MAX,
                });
                let order = environment::template(&seen, &names, inside)
                    .map_err(|error| machine(&error))?;
                let entry = cell.map(|cell| (cell, language));
                let forked = base.fork(&order, entry).await;
                let forked = forked.map_err(|error| machine(&error))?;
                let report = Reporter::Zygote(forked.report);
                (forked.launched, Some(report), forked.quarters)
            }
        };
        let lineage = Lineage {
            undertaker: self.spawner.undertaker(),
            report,
            quarters,
        };
        let beginning = Beginning {
            logs: Logs::new(&self.parts, function.clone(), id),
            companions: None,
            keys,
        };
        Ok(self.attach(launched, beginning, function, lineage)?)
    }

    /// A process that is not forked, in a sandbox or not.
    async fn launch_program(
        &self,
        launch: Launch,
        cell: Option<Arc<Cell>>,
    ) -> Result<(Launched, Option<Reporter>, Option<Quarters>), StartError> {
        let Some(cell) = cell else {
            let launched = self.spawner.launch(launch).await;
            return Ok((launched.map_err(|error| machine(&error))?, None, None));
        };
        launch::check_program(&launch).map_err(|error| machine(&error))?;
        let executed = cell.execute(launch).await;
        let (running, ours) = executed.map_err(|error| machine(&error))?;
        let unwatched = |error| StartError::Machine {
            reason: format!("could not watch the new process: {error}"),
        };
        let pid = Pid::from_raw(running.process.pid);
        let pid = pid.ok_or_else(|| unwatched(std::io::ErrorKind::InvalidData.into()))?;
        let launched = Launched {
            pid,
            pidfd: running.process.pidfd,
            ends: ours.into(),
        };
        let report = ProgramReport::new(running.end).map_err(unwatched)?;
        let kept = cell.bound(running.process.pid, &launched.pidfd);
        let quarters = Quarters::whole(cell, Some(kept.map_err(unwatched)?));
        Ok((launched, Some(Reporter::Nanny(report)), Some(quarters)))
    }
}
