//! Starting an instance by forking it.
//!
//! Lives here: finding or making the template, forking it, what happens when a warm process has died.
//! Does not live here: the init itself, its limits and its errors (`process`).

use std::sync::Arc;

use interfaces::runtime::{Initialization, StartError, StartWay, Started};
use model::function::Function;
use model::ids::InstanceId;
use model::limits::LAMBDA_INIT_MAX;
use rustix::process::Signal;

use super::bases::{Base, BaseError, Kind};
use super::templates::Made;
use super::{ForkError, Template, fitness};
use crate::process::child::{Exit, Reporter};
use crate::process::environment;
use crate::process::exchange::{InitEnd, InitFailure};
use crate::process::instance::{Beginning, Lineage, ProcessInstance};
use crate::process::logs::Logs;
use crate::process::{Attempt, Fitness, ProcessRuntime, Ready, Source, describe, machine, report};

/// How many warm processes may die under one start before it gives up.
const DEATHS_MAX: usize = 3;

/// What a start goes on with.
enum Found {
    Template {
        template: Arc<Template>,
        /// Whose log the init has written, when it was done just now.
        first: Option<InstanceId>,
    },
    /// An init that left behind what cannot be forked: its process serves as an instance.
    Instance(Box<ProcessInstance>),
    /// Why, when that has not been said yet.
    Spawned(Option<String>),
}

impl ProcessRuntime {
    /// Starts an instance from the function's template, which is made when there is none.
    pub(in crate::process) async fn start_forked(
        &self,
        function: &Arc<Function>,
        initialization: Initialization,
    ) -> Result<Started, StartError> {
        let began_at = self.parts.clock.instant();
        let started = |instance: ProcessInstance, way| Started {
            instance: Box::new(instance),
            init: self.since(began_at),
            way,
        };
        for deaths_left in (0..DEATHS_MAX).rev() {
            match self.find_template(function, initialization).await? {
                Found::Template { template, first } => {
                    let source = (&*template, first);
                    let forked = self
                        .fork_instance(function, source, initialization, deaths_left)
                        .await?;
                    if let Some(instance) = forked {
                        return Ok(started(instance, StartWay::Forked));
                    }
                }
                Found::Instance(instance) => return Ok(started(*instance, StartWay::Spawned)),
                Found::Spawned(why) => {
                    let mut instance = self.start_spawned(function, initialization).await?;
                    if let Some(why) = why {
                        self.say_not_forked(&mut instance, function, &why);
                    }
                    return Ok(started(instance, StartWay::Spawned));
                }
            }
        }
        Err(gone())
    }

    async fn find_template(
        &self,
        function: &Arc<Function>,
        initialization: Initialization,
    ) -> Result<Found, StartError> {
        let slot = self.templates.slot(function);
        let makings = slot.makings();
        let mut made = slot.made.lock().await;
        match &*made {
            Made::Template(template) if template.zygote.is_open() => {
                return Ok(Found::Template {
                    template: template.clone(),
                    first: None,
                });
            }
            Made::Spawned => return Ok(Found::Spawned(None)),
            Made::Failed { making, error } if makings < *making => return Err(error.clone()),
            Made::Template(_) | Made::Failed { .. } | Made::Nothing => {}
        }
        *made = Made::Nothing;
        let found = self.make_template(function, initialization).await;
        let making = slot.count_making();
        *made = match &found {
            Ok(Found::Template { template, .. }) => Made::Template(template.clone()),
            Ok(Found::Instance(_) | Found::Spawned(_)) => Made::Spawned,
            Err(error) => Made::Failed {
                making,
                error: error.clone(),
            },
        };
        found
    }

    async fn make_template(
        &self,
        function: &Arc<Function>,
        initialization: Initialization,
    ) -> Result<Found, StartError> {
        if let Some(reason) = fitness::needs_own_process(function) {
            return Ok(Found::Spawned(Some(reason)));
        }
        for _ in 0..DEATHS_MAX {
            let base = match self.base_of(function).await? {
                Ok(base) => base,
                Err(reason) => return Ok(Found::Spawned(Some(reason))),
            };
            let source = Source {
                base: Some(&base),
                initialization,
            };
            let made = self.start_within_limits(function, source).await;
            self.want_spare(&base, function);
            let Ready {
                mut instance,
                fitness,
            } = match made {
                // Its base took it along: that says nothing of the function.
                Err(_) if !base.zygote.is_open() => continue,
                made => made?,
            };
            match fitness {
                Fitness::Fit => {}
                Fitness::ForkedAnyway(reasons) => instance.note(forked_anyway(&reasons)),
                Fitness::Unfit(reasons) => {
                    let why = left_behind(&reasons);
                    self.say_not_forked(&mut instance, function, &why);
                    return Ok(Found::Instance(Box::new(instance)));
                }
            }
            let first = Some(instance.id().clone());
            if let Some(template) = instance.into_template() {
                let template = Arc::new(template);
                return Ok(Found::Template { template, first });
            }
        }
        Err(gone())
    }

    /// Starts the base that a function will be forked from. One that does not come up is told to whoever starts an
    /// instance: nobody waits here.
    pub(in crate::process) async fn prepare_base(&self, function: &Arc<Function>) {
        if fitness::needs_own_process(function).is_none()
            && let Ok(Ok(base)) = self.base_of(function).await
        {
            self.want_spare(&base, function);
        }
    }

    /// The base from which a function can be forked; or why from none.
    async fn base_of(&self, function: &Function) -> Result<Result<Arc<Base>, String>, StartError> {
        if let Some(probed) = &self.probed {
            let language = function.runtime.language;
            if let Some(why) = probed.obstacle(language, &function.toolchain).await {
                return Ok(Err(why));
            }
        }
        let mut own_folders = vec![function.code_root.clone()];
        own_folders.extend(environment::module_paths(function));
        let with_sdk = function.toolchain.sdk_paths.clone();
        let mut kinds = vec![with_sdk];
        if !function.toolchain.sdk_paths.is_empty() {
            kinds.push(Vec::new());
        }
        let Some(bootstrap) = self.bootstraps.folder(function.runtime.language) else {
            return Ok(Err("its code brings an executable".to_owned()));
        };
        for sdk_paths in kinds {
            let launch = environment::base(function, &sdk_paths, bootstrap, self.trust())
                .map_err(|error| machine(&error))?;
            let kind = Kind::of(&launch, sdk_paths);
            let base = match self.bases.get(kind, launch, &self.spawner).await {
                Ok(base) => base,
                Err(BaseError::Launch(error)) => return Err(machine(&error)),
                Err(error @ BaseError::Unusable { .. }) => return Ok(Err(describe(&error))),
            };
            if !fitness::shadows(&own_folders, &base.loaded) {
                return Ok(Ok(base));
            }
        }
        Ok(Err(
            "a module of its own has the name of one that the interpreter brings along".to_owned(),
        ))
    }

    fn say_not_forked(&self, instance: &mut ProcessInstance, function: &Function, why: &str) {
        instance.note(not_forked(why));
        (self.not_forked)(function, why);
    }

    /// None: the template has died, or the fork was killed before it could serve, which is nobody's fault unless it happens
    /// each time.
    async fn fork_instance(
        &self,
        function: &Arc<Function>,
        (template, first): (&Template, Option<InstanceId>),
        initialization: Initialization,
        deaths_left: usize,
    ) -> Result<Option<ProcessInstance>, StartError> {
        let began_at = self.parts.clock.instant();
        let writes_init_start = first.is_none();
        let id = first.unwrap_or_else(|| self.draw_id());
        let order = environment::instance(function, &id, self.parts.clock.now(), initialization)
            .map_err(|error| machine(&error))?;
        let forked = match template.zygote.fork(&order, None).await {
            Ok(forked) => forked,
            Err(ForkError::Gone | ForkError::TimedOut | ForkError::Lied) => return Ok(None),
            Err(
                error @ (ForkError::Pipes(_)
                | ForkError::Refused(_)
                | ForkError::Busy
                | ForkError::Bounds(_)
                | ForkError::Entry(_)),
            ) => {
                return Err(machine(&error));
            }
        };
        let lineage = Lineage {
            undertaker: self.spawner.undertaker(),
            report: Some(Reporter::Zygote(forked.report)),
            quarters: forked.quarters,
        };
        let beginning = Beginning {
            logs: Logs::new(&self.parts, function.clone(), id),
            companions: None,
            keys: template.keys.clone(),
        };
        let mut instance = self.attach(forked.launched, beginning, function, lineage)?;
        if writes_init_start {
            instance.log_init_start();
        }
        let end = instance.init(began_at + LAMBDA_INIT_MAX).await;
        if let InitEnd::Failed(InitFailure::Exited(exit)) = &end {
            let was_killed = *exit == Exit::Signal(Signal::KILL.as_raw());
            if !template.zygote.is_open() || was_killed && 0 < deaths_left {
                return Ok(None);
            }
        }
        let init = self.since(began_at);
        match Self::conclude(instance, end, init, report::Phase::Init)? {
            Attempt::Ready(ready) => Ok(Some(ready.instance)),
            Attempt::TimedOut { log_tail } => Err(Self::timed_out(LAMBDA_INIT_MAX, log_tail)),
        }
    }
}

fn left_behind(reasons: &[String]) -> String {
    format!("its init leaves behind {}", counted(reasons).join(", "))
}

/// Each once, in their order, as `2 open sockets`.
fn counted(reasons: &[String]) -> Vec<String> {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for reason in reasons {
        match counts.iter_mut().find(|(known, _)| known == reason) {
            Some((_, count)) => *count += 1,
            None => counts.push((reason, 1)),
        }
    }
    let shown = counts.into_iter().map(|(reason, count)| {
        let thing = ["a ", "an "]
            .iter()
            .find_map(|article| reason.strip_prefix(article));
        match thing {
            _ if count == 1 => reason.to_owned(),
            // What names a file is no plain noun.
            Some(thing) if !thing.contains('/') => format!("{count} {thing}s"),
            _ => format!("{reason} ({count} times)"),
        }
    });
    shown.collect()
}

fn forked_anyway(reasons: &[String]) -> String {
    let why = left_behind(reasons);
    format!("[cloudless] instances of this function are forked, as it asks for, although {why}")
}

fn not_forked(why: &str) -> String {
    format!(
        "[cloudless] instances of this function are started one by one instead of being forked: {why}"
    )
}

fn gone() -> StartError {
    StartError::Machine {
        reason: "the processes that the function's instances are forked from end again and again"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_behind_several_times_is_counted() {
        for (reasons, expected) in [
            (vec!["an open socket"], "an open socket"),
            (
                vec!["an open socket", "a running timer", "an open socket"],
                "2 open sockets, a running timer",
            ),
            (
                vec!["the file /log, open for writing"; 2],
                "the file /log, open for writing (2 times)",
            ),
            (
                vec!["a lock on the file /log"; 3],
                "a lock on the file /log (3 times)",
            ),
        ] {
            let reasons: Vec<String> = reasons.into_iter().map(str::to_owned).collect();
            assert_eq!(
                left_behind(&reasons),
                format!("its init leaves behind {expected}")
            );
        }
    }
}
