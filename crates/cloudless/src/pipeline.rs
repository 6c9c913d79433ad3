//! From a project's folder to an application: read, deploy, build, assemble.
//!
//! Lives here: the order of these steps, for a running server and for a check that makes nothing.
//! Does not live here: any of the steps.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use build::{Builder, BuilderConfig};
use cloudformation::template::Template;
use deployment::{DeployRequest, Deployed, Deployer, Emptied, LookedUp, Removals, StateError};
use interfaces::clock::Clock;
use interfaces::objects::ReadObjects;
use interfaces::random::Random;
use interfaces::stored_values::StoredValues;
use invoker::InvokerLimits;
use manifest::reading::Reading;
use model::application::Application;
use model::artefact::{Artefact, BuiltArtefacts};
use model::function::RuntimeName;
use model::ids::{AccountId, LogicalId, Region, StackName, StageName};
use model::problem::{Problem, any_error};
use serde_json::Value;
use store_embedded::Memory;
use tokio::sync::Mutex;

use crate::made_by_api;
use crate::packages::Archives;
use crate::project::{self, InState, Located, Project, ReadOptions, StandIns};
use crate::services::{Services, Shared};
use crate::settings::{self, Settings};
use crate::system::RealRandom;
use crate::telemetry::install::Installations;

/// The type of the resources that keep data.
const TABLE: &str = "AWS::DynamoDB::Table";

/// Loads projects into a server's state.
pub struct Pipeline {
    parts: PipelineParts,
    /// What was loaded last, for joining it with what Lambda's API makes meanwhile.
    last: Mutex<Option<Last>>,
}

/// What a pipeline works with. The limits are those that hold while the server runs, whatever is set meanwhile.
pub(crate) struct PipelineParts {
    pub(crate) deployer: Deployer,
    pub(crate) builder: Builder,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: InvokerLimits,
    /// Lambda's API, with what it makes.
    pub(crate) functions: Arc<service_functions::Service>,
    pub(crate) archives: Archives,
    /// What manifests refer to.
    pub(crate) values: Arc<dyn StoredValues>,
    pub(crate) objects: Arc<dyn ReadObjects>,
}

/// A project, deployed and built.
struct Last {
    root: PathBuf,
    files: Vec<PathBuf>,
    reading: Reading,
    template: Template,
    settings: Settings,
    deployed: Deployed,
    built: BuiltArtefacts,
    /// What is wrong with settings and manifest.
    problems: Vec<Problem>,
}

/// A project that was loaded.
pub struct Loaded {
    /// What it came to; none when its manifest could not be read at all.
    pub application: Option<Arc<Application>>,
    /// Everything that is wrong with it.
    pub problems: Vec<Problem>,
    /// The files that it was read from.
    pub files: Vec<PathBuf>,
    /// The stack's name.
    pub stack: StackName,
    /// The stage, for front ends that know one.
    pub stage: Option<StageName>,
    /// The region.
    pub region: Region,
    /// What `cloudless.toml` says.
    pub settings: Settings,
    /// What became of the resources that keep data.
    pub stored: Stored,
    /// Up to where the application has what Lambda's API made.
    pub generation: u64,
}

/// What a load did to the resources that keep data: tables.
#[derive(Debug, Default)]
pub struct Stored {
    /// The names of those that it made.
    pub added: Vec<String>,
    /// The names of those that it made in the place of others.
    pub replaced: Vec<String>,
    /// What it deleted.
    pub emptied: Vec<Emptied>,
}

impl Stored {
    fn of(deployed: &Deployed) -> Self {
        let names = |changed: &[LogicalId]| {
            let tables = deployed.resources.iter().filter(|resource| {
                resource.resource_type == TABLE && changed.contains(&resource.logical_id)
            });
            tables.map(|table| table.physical_id.clone()).collect()
        };
        let emptied = deployed.emptied.iter();
        let emptied = emptied.filter(|gone| gone.resource_type == TABLE);
        Self {
            added: names(&deployed.changes.created),
            replaced: names(&deployed.changes.replaced),
            emptied: emptied.cloned().collect(),
        }
    }
}

impl Pipeline {
    /// A pipeline over these parts.
    #[must_use]
    pub(crate) fn new(parts: PipelineParts) -> Self {
        Self {
            parts,
            last: Mutex::default(),
        }
    }

    /// Reads the project, deploys what changed, builds what is missing.
    ///
    /// # Errors
    /// A problem when the manifest cannot be opened, or the state cannot be read. What is wrong inside the manifest
    /// is in [`Loaded::problems`].
    pub async fn load(
        &self,
        located: &Located,
        options: &ReadOptions,
    ) -> Result<Loaded, Box<Problem>> {
        let kept = InState {
            values: &self.parts.values,
            objects: &self.parts.objects,
            deployer: &self.parts.deployer,
            looked_up: std::sync::Mutex::default(),
        };
        let clock = self.parts.clock.as_ref();
        let Project { reading, files } = project::read(located, options, clock, &kept).await?;
        let found = kept.looked_up.into_inner();
        let found = found.unwrap_or_else(PoisonError::into_inner);
        let (settings, mut problems) = settings::read(&located.root);
        problems.extend(reading.problems.iter().cloned());
        for problem in &mut problems {
            found.hide_in(problem);
        }
        let account = AccountId::development();
        let Some(template) = template(&reading, &mut problems) else {
            return Ok(Loaded {
                application: None,
                problems,
                files,
                stack: reading.stack.clone(),
                stage: reading.stage.clone(),
                region: reading.region.clone(),
                settings,
                stored: Stored::default(),
                generation: 0,
            });
        };
        let request = request(&account, &reading, &template, &found);
        // Boxed: both hold a good deal between their steps.
        let deploying = Box::pin(self.parts.deployer.deploy(request));
        let building = Box::pin(self.parts.builder.build(&located.root, &reading.artefacts));
        let (deployed, built) = tokio::join!(deploying, building);
        let mut deployed = deployed.map_err(state_failed)?;
        for problem in &mut deployed.problems {
            found.hide_in(problem);
        }
        deployed.looked_up.add(&found);
        let last = Last {
            root: located.root.clone(),
            files,
            reading,
            template,
            settings,
            deployed,
            built,
            problems,
        };
        self.hand_over(&last).await?;
        let mut kept = self.last.lock().await;
        let stored = Stored::of(&last.deployed);
        let loaded = self.finish(kept.insert(last)).await;
        Ok(Loaded { stored, ..loaded })
    }

    /// The project as it was loaded last, with what Lambda's API has made since; none before the first load.
    pub async fn refresh(&self) -> Option<Loaded> {
        let kept = self.last.lock().await;
        match kept.as_ref() {
            Some(last) => Some(self.finish(last).await),
            None => None,
        }
    }

    /// Tells Lambda's API what there is.
    async fn hand_over(&self, last: &Last) -> Result<(), Box<Problem>> {
        let (account, region) = (AccountId::development(), &last.reading.region);
        let functions = &self.parts.functions;
        if last.deployed.looked_up.has_secrets() {
            functions.note_secrets();
        }
        let declared = made_by_api::declared(&last.deployed);
        let adopted = functions.adopt(&account, region, declared).await;
        adopted.map_err(|reason| api_failed(&reason))?;
        let code = made_by_api::code(&last.built.built);
        let taken = functions.take_code(&account, region, &code).await;
        taken.map_err(|reason| api_failed(&reason))
    }

    /// Joins what was loaded with what Lambda's API made, and makes an application of both.
    async fn finish(&self, last: &Last) -> Loaded {
        let account = AccountId::development();
        let everything = self.parts.functions.everything();
        let mut artefacts =
            made_by_api::artefacts(&everything, |digest| self.parts.archives.place(digest));
        let deployed = made_by_api::joined(&last.deployed, &everything);
        artefacts.extend(public_layers(&deployed));
        let mut built = last.built.clone();
        if !artefacts.is_empty() {
            let of_api = Box::pin(self.parts.builder.build(&last.root, &artefacts)).await;
            built.built.extend(of_api.built);
            built.problems.extend(of_api.problems);
        }
        let mut problems = last.problems.clone();
        let parts = Parts {
            template: &last.template,
            deployed: &deployed,
            built: &built,
            settings: &last.settings,
            limits: &self.parts.limits,
        };
        let application = assemble(parts, &last.reading, &account, &mut problems);
        made_by_api::without_places(&mut problems);
        Loaded {
            application: Some(Arc::new(application)),
            problems,
            files: last.files.clone(),
            stack: last.reading.stack.clone(),
            stage: last.reading.stage.clone(),
            region: last.reading.region.clone(),
            settings: last.settings.clone(),
            stored: Stored::default(),
            generation: everything.generation,
        }
    }
}

/// Says what would come of a project: deploys it into a state in memory, and installs nothing.
pub struct Checker {
    deployer: Deployer,
    identity: service_identity::Service,
    builder: Builder,
    clock: Arc<dyn Clock>,
}

/// A project that was checked.
pub struct Checked {
    /// Everything that is wrong with it.
    pub problems: Vec<Problem>,
    /// What it would come to, as far as can be foreseen.
    pub application: Option<Application>,
    /// What the first start would install, as `Node.js 22`.
    pub put_off: BTreeSet<String>,
    /// What `cloudless.toml` says.
    pub settings: Settings,
}

impl Checker {
    /// A checker over a state of its own, in memory.
    #[must_use]
    pub fn new(
        clock: Arc<dyn Clock>,
        cache: &Path,
        environment: &BTreeMap<String, String>,
    ) -> Self {
        let random: Arc<dyn Random> = Arc::new(RealRandom::default());
        let store = Arc::new(Memory::new());
        let shared = Shared::new(store.clone(), Arc::clone(&clock), random, 0, None);
        Self {
            deployer: Deployer::new(
                store,
                Services::new(&shared).providers(),
                Arc::new(StandIns),
            ),
            identity: shared.identity.clone(),
            builder: Builder::new(
                BuilderConfig::new(cache, environment),
                Arc::new(Installations::new()),
            ),
            clock,
        }
    }

    /// Checks a project.
    ///
    /// # Errors
    /// A problem when the manifest cannot be opened.
    pub async fn check(
        &self,
        located: &Located,
        options: &ReadOptions,
    ) -> Result<Checked, Box<Problem>> {
        let clock = self.clock.as_ref();
        let reading = project::read(located, options, clock, &StandIns)
            .await?
            .reading;
        let (settings, mut problems) = settings::read(&located.root);
        problems.extend(reading.problems.iter().cloned());
        let account = AccountId::development();
        let Some(template) = template(&reading, &mut problems) else {
            return Ok(Checked {
                problems,
                application: None,
                put_off: BTreeSet::new(),
                settings,
            });
        };
        let deployed = self
            .deployer
            .deploy(request(&account, &reading, &template, &LookedUp::default()))
            .await
            .map_err(state_failed)?;
        let artefacts = [reading.artefacts.clone(), public_layers(&deployed)].concat();
        let built = self.builder.check(&located.root, &artefacts).await;
        let parts = Parts {
            template: &template,
            deployed: &deployed,
            built: &built,
            settings: &settings,
            limits: &settings.server.limits.here(),
        };
        let application = assemble(parts, &reading, &account, &mut problems);
        problems.extend(self.identity.unfit_roles(&application));
        problems.extend(gateway::routes::check(&application));
        Ok(Checked {
            problems,
            application: Some(application),
            put_off: built.put_off,
            settings,
        })
    }
}

/// Layers that others publish, and of which it is known what is in them.
fn public_layers(deployed: &Deployed) -> Vec<Artefact> {
    let mut found: Vec<Artefact> = Vec::new();
    let functions = deployed.resources.iter();
    for function in functions.filter(|one| one.resource_type == "AWS::Lambda::Function") {
        let runtime = function.properties.get("Runtime").and_then(Value::as_str);
        let Some(Ok(runtime)) = runtime.map(RuntimeName::parse) else {
            continue;
        };
        let layers = function.properties.get("Layers").and_then(Value::as_array);
        for arn in layers.into_iter().flatten().filter_map(Value::as_str) {
            let layer = build::public_layers::artefact(arn, &runtime, &function.place);
            let is_new =
                |layer: &Artefact| found.iter().all(|one| one.logical_id != layer.logical_id);
            found.extend(layer.filter(is_new));
        }
    }
    found
}

fn template(reading: &Reading, problems: &mut Vec<Problem>) -> Option<Template> {
    let (mut template, found) = Template::read(reading.template.as_ref()?);
    problems.extend(found);
    template.unbuilt.clone_from(&reading.unbuilt);
    Some(template)
}

fn request<'a>(
    account: &'a AccountId,
    reading: &'a Reading,
    template: &'a Template,
    looked_up: &'a LookedUp,
) -> DeployRequest<'a> {
    // What a manifest with errors no longer names may only be misspelt, and a table's data does not come back.
    let removals = if any_error(&reading.problems) {
        Removals::Postpone
    } else {
        Removals::ByPolicy
    };
    DeployRequest {
        account,
        region: &reading.region,
        stack: &reading.stack,
        template,
        parameters: &reading.parameters,
        looked_up,
        removals,
    }
}

/// What an application is assembled from.
#[derive(Clone, Copy)]
struct Parts<'a> {
    template: &'a Template,
    deployed: &'a Deployed,
    built: &'a BuiltArtefacts,
    settings: &'a Settings,
    limits: &'a InvokerLimits,
}

fn assemble(
    parts: Parts<'_>,
    reading: &Reading,
    account: &AccountId,
    problems: &mut Vec<Problem>,
) -> Application {
    let Parts {
        template,
        deployed,
        built,
        settings,
        limits,
    } = parts;
    problems.extend(deployed.problems.iter().cloned());
    problems.extend(built.problems.iter().cloned());
    let (mut application, found) = deployment::application::assemble(
        deployed,
        &built.built,
        account,
        &reading.region,
        limits.concurrency_max,
    );
    problems.extend(found);
    let names = names_of_functions(template, deployed);
    problems.extend(settings.apply(&mut application, &names));
    problems.extend(settings::no_room(&application, limits));
    let types = template.resources.values();
    let types = types.map(|resource| resource.resource_type.as_str());
    problems.extend(settings.not_at_engines(types));
    application
}

/// Deployed names by logical ids. Those that were not deployed have no other name.
fn names_of_functions(template: &Template, deployed: &Deployed) -> BTreeMap<String, String> {
    let declared = template
        .resources
        .iter()
        .filter(|(_, resource)| resource.resource_type == "AWS::Lambda::Function");
    let name_of = |id: &LogicalId| {
        let made = deployed
            .resources
            .iter()
            .find(|made| made.logical_id == *id);
        made.map_or_else(|| id.to_string(), |made| made.physical_id.clone())
    };
    declared
        .map(|(id, _)| (id.to_string(), name_of(id)))
        .collect()
}

fn state_failed(error: StateError) -> Box<Problem> {
    let title = "the deployment's state cannot be read or written";
    Box::new(Problem::error("deployment::state", title).because(chain(&error)))
}

fn api_failed(reason: &str) -> Box<Problem> {
    let title = "what Lambda's API has made cannot be read or written";
    Box::new(Problem::error("deployment::state", title).because(reason))
}

/// An error with all its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
