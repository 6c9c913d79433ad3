//! The driver: brings a stack to what its template says, one recorded step after another.
//!
//! Lives here: the order of a deployment, and what a fault of one resource means for the others.
//! Does not live here: decisions (`plan`), the steps on one resource (`steps`), records (`state`).
//!
//! Every step is recorded before it is taken and after it. What a crash interrupted is finished at the next
//! deployment, before anything else: a provider that is asked again with the same request finds what it made.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use cloudformation::intrinsics::{Context, Environment, Evaluated};
use cloudformation::order::Order;
use cloudformation::template::{Policy, Resource};
use interfaces::resource_provider::{
    Properties, PropertyProblem, ResourceProvider, ResourceRequest,
};
use interfaces::stored_values::StoredValues;
use model::ids::{AccountId, LogicalId, Region, StackName};
use model::problem::{Problem, Severity, any_error};
use serde_json::Value;
use store::Store;
use store::sealing::Seals;
use tokio::sync::Mutex;

use crate::deployed::{Changes, DeployRequest, Deployed, DeployedResource, Emptied, Removals};
use crate::plan::{self, Step};
use crate::revision;
use crate::scope::{Standing, Stored};
use crate::state::{ExportRecord, ResourceRecord, StackState, StateError};

/// Deploys stacks.
pub struct Deployer {
    store: Arc<dyn Store>,
    providers: Vec<Arc<dyn ResourceProvider>>,
    by_type: HashMap<&'static str, usize>,
    pub(crate) values: Arc<dyn StoredValues>,
    seals: Option<Arc<dyn Seals>>,
    /// One deployment at a time.
    turn: Mutex<()>,
}

impl Deployer {
    /// A deployer over these providers. Of two that know the same type, the first is asked. Dynamic references of templates
    /// are looked up among `values`.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        providers: Vec<Arc<dyn ResourceProvider>>,
        values: Arc<dyn StoredValues>,
    ) -> Self {
        let mut by_type = HashMap::new();
        for (index, provider) in providers.iter().enumerate() {
            for name in provider.resource_types() {
                by_type.entry(*name).or_insert(index);
            }
        }
        Self {
            store,
            providers,
            by_type,
            values,
            seals: None,
            turn: Mutex::new(()),
        }
    }

    /// The same, which seals what it keeps of stacks with secrets.
    #[must_use]
    pub fn sealing(mut self, seals: Arc<dyn Seals>) -> Self {
        self.seals = Some(seals);
        self
    }

    /// Brings the stack to what its template says. What refers to a resource that failed finds a plausible name for it,
    /// so that one mistake is one problem, and everything else runs.
    ///
    /// If the future is dropped, the deployment stops where it is, and the next one finishes what it began.
    ///
    /// # Errors
    /// [`StateError`] when the store fails; the stack is then as after a crash.
    pub async fn deploy(&self, request: DeployRequest<'_>) -> Result<Deployed, StateError> {
        let _turn = self.turn.lock().await;
        let environment = environment(&request);
        let state = StackState::new(
            self.store.as_ref(),
            request.account,
            request.region,
            request.stack,
            self.seals.as_ref(),
        );
        let exports = state.exports().await?;
        // Those of other stacks are theirs to seal.
        state.sealing.note_rewritten();
        let mut stored = Stored::default();
        let parameters = self.parameters(&request, &environment, &exports, &mut stored);
        let (context, mut problems) = parameters.await;
        let order = Order::of(request.template);
        problems.extend(order.problems.iter().cloned());
        let mut run = Run {
            deployer: self,
            request,
            records: state.resources().await?,
            state,
            context,
            environment: &environment,
            exports: &exports,
            stored,
            standing: BTreeMap::new(),
            resources: Vec::new(),
            changes: Changes::default(),
            emptied: Vec::new(),
            is_template_sound: request.template.is_sound && !any_error(&problems),
            problems,
        };
        if run.request.looked_up.has_secrets() || run.stored.looked_up.has_secrets() {
            run.state.sealing.note_secrets();
        }
        run.finish_what_was_begun().await?;
        for (position, id) in order.resources.iter().enumerate() {
            run.resource(id, position).await?;
        }
        run.skip_circles();
        if run.may_delete() {
            run.remove_unwanted().await?;
            run.remove_leftovers().await?;
        }
        let outputs = run.outputs().await?;
        for problem in &mut run.problems {
            run.stored.looked_up.hide_in(problem);
        }
        Ok(Deployed {
            revision: revision::of(request.stack, &run.resources, &outputs),
            resources: run.resources,
            stood_in: run.standing.into_values().filter_map(stand_in).collect(),
            outputs,
            looked_up: run.stored.looked_up,
            changes: run.changes,
            emptied: run.emptied,
            problems: without_repetitions(run.problems),
        })
    }

    /// The outputs of a stack as it was deployed last; none when there is none of this name.
    ///
    /// # Errors
    /// [`StateError`] when the store fails.
    pub async fn outputs(
        &self,
        account: &AccountId,
        region: &Region,
        stack: &StackName,
    ) -> Result<BTreeMap<String, Value>, StateError> {
        let state = StackState::new(
            self.store.as_ref(),
            account,
            region,
            stack,
            self.seals.as_ref(),
        );
        let record = state.stack().await?;
        Ok(record.unwrap_or_default().outputs)
    }

    pub(crate) fn provider(&self, resource_type: &str) -> Option<&dyn ResourceProvider> {
        let index = self.by_type.get(resource_type)?;
        self.providers.get(*index).map(AsRef::as_ref)
    }
}

fn environment(request: &DeployRequest<'_>) -> Environment {
    let (account, region, stack) = (request.account, request.region, request.stack);
    Environment {
        account: account.clone(),
        region: region.clone(),
        stack: stack.clone(),
        // In the cloud a UUID ends it; one stack of a name is all there is here.
        stack_id: format!(
            "arn:aws:cloudformation:{region}:{account}:stack/{stack}/00000000-0000-0000-0000-000000000000"
        ),
    }
}

/// One deployment under way.
pub(crate) struct Run<'a> {
    pub(crate) deployer: &'a Deployer,
    pub(crate) request: DeployRequest<'a>,
    pub(crate) state: StackState<'a>,
    pub(crate) context: Context<'a>,
    pub(crate) environment: &'a Environment,
    pub(crate) exports: &'a BTreeMap<String, ExportRecord>,
    pub(crate) stored: Stored,
    pub(crate) records: BTreeMap<LogicalId, ResourceRecord>,
    pub(crate) standing: BTreeMap<LogicalId, Standing>,
    pub(crate) resources: Vec<DeployedResource>,
    pub(crate) changes: Changes,
    pub(crate) emptied: Vec<Emptied>,
    pub(crate) problems: Vec<Problem>,
    /// Whether the template as a whole could be understood: if not, nothing is deleted.
    is_template_sound: bool,
}

impl Run<'_> {
    async fn resource(&mut self, id: &LogicalId, position: usize) -> Result<(), StateError> {
        let Some(resource) = self.request.template.resources.get(id) else {
            return Ok(());
        };
        if let Some(condition) = &resource.condition {
            match self.context.holds(&condition.name) {
                Some(true) => {}
                Some(false) => return Ok(()),
                None => {
                    let problem = condition_failed(resource, &condition.name);
                    self.problems.push(problem);
                    self.skip(id);
                    return Ok(());
                }
            }
        }
        let deployer = self.deployer;
        let Some(provider) = deployer.provider(&resource.resource_type) else {
            return self.unknown_type(resource, position).await;
        };
        let Some(properties) = self.properties(resource).await else {
            return Ok(());
        };
        let mut checked = provider.check(&resource.resource_type, &properties);
        if self.put_off(&mut checked, &properties) {
            self.stand_in(id);
            return Ok(());
        }
        let found: Vec<Problem> = checked
            .iter()
            .map(|one| at_property(one, resource))
            .collect();
        let is_unusable = any_error(&found);
        self.problems.extend(found);
        if is_unusable {
            self.fail(id);
            return Ok(());
        }
        let old = self.records.get(id);
        let step = plan::decide(
            old,
            &resource.resource_type,
            &properties,
            |before, after| provider.plan_update(&resource.resource_type, before, after),
        );
        let mut record = ResourceRecord {
            resource_type: resource.resource_type.clone(),
            generated_name: self.name_for(id, step).await?,
            number: None,
            properties,
            position,
            is_retained: resource.deletion_policy != Policy::Delete,
            phase: crate::state::Phase::Failed,
        };
        record.number = self.number_for(id, step, &record, provider).await?;
        match step {
            Step::Keep | Step::Note => {
                self.seen(resource, &record, provider).await;
                self.keep(resource, record, provider).await
            }
            Step::Create => self.create(resource, record, provider).await,
            Step::Update => self.update(resource, record, provider).await,
            Step::Replace => self.replace(resource, record, provider).await,
        }
    }

    /// A check sees names in place of what services keep: of those nobody knows whether they fit. Leaves out what is said of them,
    /// and says whether the resource cannot be made for that alone.
    fn put_off(&self, found: &mut Vec<PropertyProblem>, properties: &Properties) -> bool {
        let looked_up = &self.stored.looked_up;
        let properties = Value::Object(properties.clone());
        let (unknown, known): (Vec<_>, Vec<_>) = std::mem::take(found)
            .into_iter()
            .partition(|one| looked_up.is_stood_in(&properties, &one.path));
        *found = known;
        let is_error = |one: &PropertyProblem| one.severity == Severity::Error;
        unknown.iter().any(is_error) && !found.iter().any(is_error)
    }

    /// Shows a provider what stays. What it says of that is told, and the resource stands as it did.
    async fn seen(
        &mut self,
        resource: &Resource,
        record: &ResourceRecord,
        provider: &dyn ResourceProvider,
    ) {
        let id = &resource.logical_id;
        let old = self.records.get(id).and_then(ResourceRecord::made);
        let Some(physical_id) = old.map(|made| made.physical_id.clone()) else {
            return;
        };
        let request = self.request_for(id, record);
        if let Err(error) = provider.keep(&physical_id, &request).await {
            self.problems.push(
                Problem::error(
                    "deployment::failed",
                    format!("resource `{id}` is not there any more, and could not be made anew"),
                )
                .at(&resource.place)
                .because(error.message),
            );
        }
    }

    /// The properties of a resource; none when they could not be evaluated, which is then said.
    async fn properties(&mut self, resource: &Resource) -> Option<Properties> {
        let id = &resource.logical_id;
        let Evaluated {
            value,
            failed,
            problems,
        } = self.evaluate(&resource.properties).await;
        match value {
            Some(Value::Object(properties)) if !failed => Some(properties),
            // What it refers to is in a circle, or its condition is not known: that was said.
            Some(_) | None if problems.is_empty() => {
                self.skip(id);
                None
            }
            Some(_) | None => {
                self.problems.extend(problems);
                self.fail(id);
                None
            }
        }
    }

    /// Whether something in a resource only stands in for what nobody knows yet.
    pub(crate) fn is_stood_in(&self, record: &ResourceRecord) -> bool {
        let properties = Value::Object(record.properties.clone());
        self.stored.looked_up.is_stood_in(&properties, &[])
    }

    pub(crate) fn request_for(&self, id: &LogicalId, record: &ResourceRecord) -> ResourceRequest {
        ResourceRequest {
            account: self.request.account.clone(),
            region: self.request.region.clone(),
            stack: self.request.stack.clone(),
            logical_id: id.clone(),
            resource_type: record.resource_type.clone(),
            properties: record.properties.clone(),
            generated_name: record.generated_name.clone(),
            number: record.number,
        }
    }

    /// What exists is served, and whatever refers to it finds it.
    pub(crate) fn stands(&mut self, resource: &Resource, record: &ResourceRecord) {
        let Some(made) = record.made() else { return };
        self.resources.push(DeployedResource {
            logical_id: resource.logical_id.clone(),
            resource_type: record.resource_type.clone(),
            physical_id: made.physical_id.clone(),
            properties: record.properties.clone(),
            attributes: made.attributes.clone(),
            place: resource.place.clone(),
            node: resource.node.clone(),
        });
        self.standing
            .insert(resource.logical_id.clone(), Standing::Made(made));
    }

    pub(crate) fn fail(&mut self, id: &LogicalId) {
        self.changes.failed.push(id.clone());
        self.stand_in(id);
    }

    fn skip(&mut self, id: &LogicalId) {
        self.changes.skipped.push(id.clone());
        self.stand_in(id);
    }

    pub(crate) fn stand_in(&mut self, id: &LogicalId) {
        let name = match self.records.get(id) {
            Some(record) => record.generated_name.clone(),
            None => format!("{}-{id}", self.request.stack),
        };
        self.standing.insert(id.clone(), Standing::StoodIn { name });
    }

    /// Resources in a circle, or behind one, have no place in the order; the circle itself is reported already.
    fn skip_circles(&mut self) {
        for (id, resource) in &self.request.template.resources {
            let is_absent = resource
                .condition
                .as_ref()
                .is_some_and(|condition| self.context.holds(&condition.name) == Some(false));
            if !is_absent && !self.standing.contains_key(id) {
                self.skip(id);
            }
        }
    }

    /// As in the cloud, things are deleted only when everything else has succeeded: a mistake in a template must not
    /// cost a table's data.
    fn may_delete(&self) -> bool {
        let has_succeeded = self.changes.failed.is_empty() && self.changes.skipped.is_empty();
        match self.request.removals {
            Removals::Postpone => false,
            Removals::ByPolicy => self.is_template_sound && has_succeeded,
        }
    }

    async fn remove_unwanted(&mut self) -> Result<(), StateError> {
        let wanted: BTreeSet<LogicalId> = self.standing.keys().cloned().collect();
        for (id, removal) in plan::removals(&self.records, &wanted) {
            self.remove(&id, removal).await?;
        }
        Ok(())
    }
}

fn stand_in(standing: Standing) -> Option<String> {
    match standing {
        Standing::StoodIn { name } => Some(name),
        Standing::Made(_) => None,
    }
}

/// Two resources that come from the same line of a manifest have the same problem, and it is told once.
fn without_repetitions(problems: Vec<Problem>) -> Vec<Problem> {
    let mut seen = HashSet::new();
    let is_new = |problem: &Problem| {
        seen.insert((problem.code, problem.title.clone(), problem.place.clone()))
    };
    problems.into_iter().filter(is_new).collect()
}

/// A provider's problem, at the property's place.
fn at_property(found: &PropertyProblem, resource: &Resource) -> Problem {
    let place = if found.path.is_empty() {
        &resource.place
    } else {
        resource.properties.place_at(&found.path)
    };
    let title = format!("{}: {}", resource.resource_type, found.title);
    let mut problem = match found.severity {
        Severity::Error => Problem::error("deployment::property", title),
        Severity::Warning => Problem::warning("deployment::property", title),
    };
    problem.cause.clone_from(&found.cause);
    problem.help.clone_from(&found.help);
    problem.at(place)
}

pub(crate) fn unknown_type(resource: &Resource) -> Problem {
    Problem::error(
        "deployment::unknown-type",
        format!("`{}` is not made here", resource.resource_type),
    )
    .at(&resource.type_place)
    .because(format!(
        "`{}` is skipped; references to it get a plausible name, behind which there is nothing",
        resource.logical_id
    ))
}

fn condition_failed(resource: &Resource, condition: &str) -> Problem {
    Problem::error(
        "deployment::skipped",
        format!("`{}` is skipped", resource.logical_id),
    )
    .at(&resource.place)
    .because(format!(
        "it is not known whether its condition `{condition}` holds"
    ))
}
