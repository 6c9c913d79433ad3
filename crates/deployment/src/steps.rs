//! The steps on one resource: record, act, record.
//!
//! Lives here: making, changing, replacing and deleting one resource so that a crash at any point can be mended.
//! Does not live here: which step is taken (`plan`), in which order (`apply`).

use std::cmp::Reverse;

use cloudformation::template::{Policy, Resource};
use interfaces::resource_provider::{Made, ProviderError, ResourceProvider};
use model::ids::LogicalId;
use model::problem::Problem;
use store::Batch;

use crate::apply::{Run, unknown_type};
use crate::deployed::Emptied;
use crate::naming;
use crate::plan::{Removal, Step};
use crate::state::{Leftover, Phase, Replaced, ResourceRecord, StateError};

impl Run<'_> {
    /// The name that a resource has, or gets: a replacement needs one of its own.
    pub(crate) async fn name_for(&self, id: &LogicalId, step: Step) -> Result<String, StateError> {
        let stack = self.request.stack;
        let series = naming::series(stack, id);
        let generation = match (step, self.records.get(id)) {
            (Step::Replace, _) => {
                let (batch, generation) = self.next_generation(Batch::new(), id).await?;
                self.state.commit(batch).await?;
                generation
            }
            (_, None) => self.state.last_number(&series).await?,
            (Step::Keep | Step::Note | Step::Create | Step::Update, Some(old)) => {
                return Ok(old.generated_name.clone());
            }
        };
        Ok(naming::generated(stack, id, generation))
    }

    /// What is there keeps the name that it has: what is made from now on gets another.
    async fn next_generation(
        &self,
        batch: Batch,
        id: &LogicalId,
    ) -> Result<(Batch, u64), StateError> {
        let series = naming::series(self.request.stack, id);
        let generation = self.state.last_number(&series).await?.saturating_add(1);
        let batch = self.state.put_last_number(batch, &series, generation);
        Ok((batch, generation))
    }

    /// The number that a resource of a series has, or gets. It is gone once it is drawn, whatever becomes of the resource:
    /// no number is given twice.
    pub(crate) async fn number_for(
        &self,
        id: &LogicalId,
        step: Step,
        record: &ResourceRecord,
        provider: &dyn ResourceProvider,
    ) -> Result<Option<u64>, StateError> {
        match step {
            Step::Keep | Step::Note | Step::Update => {
                Ok(self.records.get(id).and_then(|old| old.number))
            }
            Step::Create | Step::Replace => {
                let Some(series) = provider.series(&self.request_for(id, record)) else {
                    return Ok(None);
                };
                self.state.draw_number(&series).await.map(Some)
            }
        }
    }

    /// Nothing is made of it; its name is kept, so that references to it stay the same.
    pub(crate) async fn unknown_type(
        &mut self,
        resource: &Resource,
        position: usize,
    ) -> Result<(), StateError> {
        let id = &resource.logical_id;
        self.problems.push(unknown_type(resource));
        let generated_name = self.name_for(id, Step::Create).await?;
        if !self.records.contains_key(id) {
            let record = ResourceRecord {
                resource_type: resource.resource_type.clone(),
                generated_name: generated_name.clone(),
                number: None,
                properties: serde_json::Map::new(),
                position,
                is_retained: false,
                phase: Phase::Failed,
            };
            self.record(id, record).await?;
        }
        self.stand_in(id);
        Ok(())
    }

    /// It exists already; its record may still change.
    pub(crate) async fn keep(
        &mut self,
        resource: &Resource,
        mut record: ResourceRecord,
        provider: &dyn ResourceProvider,
    ) -> Result<(), StateError> {
        let id = &resource.logical_id;
        if let Some(old) = self.records.get(id) {
            record.phase = old.phase.clone();
            let request = self.request_for(id, &record);
            if let (Phase::Made { .. }, Some(made)) = (&record.phase, old.made()) {
                let known = provider.known_by(made, &request);
                record.phase = Phase::Made {
                    physical_id: known.physical_id,
                    attributes: known.attributes,
                };
            }
            if *old != record {
                self.record(id, record.clone()).await?;
            }
        }
        self.stands(resource, &record);
        Ok(())
    }

    pub(crate) async fn create(
        &mut self,
        resource: &Resource,
        mut record: ResourceRecord,
        provider: &dyn ResourceProvider,
    ) -> Result<(), StateError> {
        let id = &resource.logical_id;
        // What a replacement was to take the place of must still go when it is made at last.
        let replaces = match self.records.get(id).map(|old| &old.phase) {
            Some(Phase::Creating { replaces }) => replaces.clone(),
            Some(
                Phase::Failed
                | Phase::Made { .. }
                | Phase::Updating { .. }
                | Phase::Deleting { .. },
            )
            | None => None,
        };
        record.phase = Phase::Creating { replaces };
        self.record(id, record.clone()).await?;
        match self.make(id, &record, provider).await? {
            Ok(made) => {
                self.changes.created.push(id.clone());
                self.stands(resource, &made);
            }
            // In a check nobody knows whether it would.
            Err(_) if self.is_stood_in(&record) => self.stand_in(id),
            Err(error) => {
                self.problems.push(failure(resource, "created", &error));
                self.fail(id);
            }
        }
        Ok(())
    }

    pub(crate) async fn update(
        &mut self,
        resource: &Resource,
        record: ResourceRecord,
        provider: &dyn ResourceProvider,
    ) -> Result<(), StateError> {
        let id = &resource.logical_id;
        let Some(old) = self.records.get(id).cloned() else {
            return Ok(());
        };
        let Some(made) = old.made() else {
            return Ok(());
        };
        let under_way = ResourceRecord {
            phase: Phase::Updating {
                physical_id: made.physical_id,
                attributes: made.attributes,
                next: record.properties,
            },
            position: record.position,
            is_retained: record.is_retained,
            ..old
        };
        self.record(id, under_way.clone()).await?;
        match self.change(id, &under_way, provider).await? {
            Ok(changed) => {
                self.changes.updated.push(id.clone());
                self.stands(resource, &changed);
            }
            Err(error) => {
                self.problems.push(failure(resource, "updated", &error));
                self.still_stands(resource);
            }
        }
        Ok(())
    }

    pub(crate) async fn replace(
        &mut self,
        resource: &Resource,
        mut record: ResourceRecord,
        provider: &dyn ResourceProvider,
    ) -> Result<(), StateError> {
        let id = &resource.logical_id;
        let Some(old) = self.records.get(id).cloned() else {
            return Ok(());
        };
        let physical_id = provider.physical_id(&self.request_for(id, &record));
        let is_same_name = old.resource_type == record.resource_type
            && old
                .made()
                .is_some_and(|made| made.physical_id == physical_id);
        if is_same_name {
            self.problems.push(
                Problem::error(
                    "deployment::custom-name",
                    format!("`{id}` cannot be replaced while it keeps its name"),
                )
                .at(&resource.place)
                .because("CloudFormation: cannot update a stack when a custom-named resource requires replacing")
                .help("give it another name, or take the change back"),
            );
            self.still_stands(resource);
            return Ok(());
        }
        record.phase = Phase::Creating {
            replaces: Some(Box::new(Replaced {
                record: old,
                is_kept: resource.replace_policy != Policy::Delete,
            })),
        };
        self.record(id, record.clone()).await?;
        match self.make(id, &record, provider).await? {
            Ok(made) => {
                self.changes.replaced.push(id.clone());
                self.stands(resource, &made);
            }
            Err(error) => {
                self.problems.push(failure(resource, "replaced", &error));
                self.still_stands(resource);
            }
        }
        Ok(())
    }

    /// A change failed: what was there before goes on serving.
    fn still_stands(&mut self, resource: &Resource) {
        let id = &resource.logical_id;
        self.changes.failed.push(id.clone());
        match self.records.get(id).cloned() {
            Some(old) if old.made().is_some() => self.stands(resource, &old),
            Some(_) | None => self.stand_in(id),
        }
    }

    /// Finishes what a crash interrupted. What cannot be finished is tried anew in its turn, and reported there.
    pub(crate) async fn finish_what_was_begun(&mut self) -> Result<(), StateError> {
        for (id, record) in self.records.clone() {
            let Some(provider) = self.deployer.provider(&record.resource_type) else {
                continue;
            };
            match &record.phase {
                Phase::Made { .. } | Phase::Failed => {}
                Phase::Creating { replaces } => {
                    if self.make(&id, &record, provider).await?.is_ok() {
                        match replaces {
                            Some(_) => self.changes.replaced.push(id),
                            None => self.changes.created.push(id),
                        }
                    }
                }
                Phase::Updating { .. } => {
                    if self.change(&id, &record, provider).await?.is_ok() {
                        self.changes.updated.push(id);
                    }
                }
                Phase::Deleting { .. } => self.remove(&id, Removal::Delete).await?,
            }
        }
        Ok(())
    }

    /// Asks for a resource whose record says `Creating`, and records what came of it.
    async fn make(
        &mut self,
        id: &LogicalId,
        record: &ResourceRecord,
        provider: &dyn ResourceProvider,
    ) -> Result<Result<ResourceRecord, ProviderError>, StateError> {
        let request = self.request_for(id, record);
        let replaced = match &record.phase {
            Phase::Creating { replaces } => replaces.clone(),
            Phase::Failed
            | Phase::Made { .. }
            | Phase::Updating { .. }
            | Phase::Deleting { .. } => None,
        };
        let made = match provider.create(&request).await {
            Ok(made) => made,
            Err(error) => {
                let before = match replaced {
                    Some(replaced) => replaced.record,
                    None => ResourceRecord {
                        phase: Phase::Failed,
                        ..record.clone()
                    },
                };
                self.record(id, before).await?;
                return Ok(Err(error));
            }
        };
        let record = ResourceRecord {
            phase: Phase::Made {
                physical_id: made.physical_id.clone(),
                attributes: made.attributes,
            },
            ..record.clone()
        };
        let mut batch = self.state.put_resource(Batch::new(), id, &record);
        if let Some(replaced) = replaced {
            let physical_id = replaced.record.made().map(|old| old.physical_id);
            match physical_id {
                Some(old) if !replaced.is_kept && old != made.physical_id => {
                    let leftover = Leftover {
                        logical_id: id.clone(),
                        physical_id: old,
                        record: replaced.record,
                    };
                    batch = self.state.put_leftover(batch, &leftover);
                }
                Some(_) | None => {}
            }
        }
        self.state.commit(batch).await?;
        self.records.insert(id.clone(), record.clone());
        Ok(Ok(record))
    }

    /// Asks for the change of a resource whose record says `Updating`, and records what came of it.
    async fn change(
        &mut self,
        id: &LogicalId,
        record: &ResourceRecord,
        provider: &dyn ResourceProvider,
    ) -> Result<Result<ResourceRecord, ProviderError>, StateError> {
        let Phase::Updating {
            physical_id,
            attributes,
            next,
        } = &record.phase
        else {
            return Ok(Ok(record.clone()));
        };
        let mut request = self.request_for(id, record);
        request.properties.clone_from(next);
        let outcome = provider
            .update(physical_id, &record.properties, &request)
            .await;
        let (phase, properties, error) = match outcome {
            Ok(made) => (
                Phase::Made {
                    physical_id: made.physical_id,
                    attributes: made.attributes,
                },
                next.clone(),
                None,
            ),
            // The old properties are what the next deployment compares with, so that it tries again.
            Err(error) => (
                Phase::Made {
                    physical_id: physical_id.clone(),
                    attributes: attributes.clone(),
                },
                record.properties.clone(),
                Some(error),
            ),
        };
        let record = ResourceRecord {
            phase,
            properties,
            ..record.clone()
        };
        self.record(id, record.clone()).await?;
        Ok(match error {
            None => Ok(record),
            Some(error) => Err(error),
        })
    }

    pub(crate) async fn remove(
        &mut self,
        id: &LogicalId,
        removal: Removal,
    ) -> Result<(), StateError> {
        let Some(record) = self.records.get(id).cloned() else {
            return Ok(());
        };
        let mut batch = Batch::new();
        match (removal, record.made()) {
            (Removal::Forget, Some(_)) => {
                (batch, _) = self.next_generation(batch, id).await?;
                self.changes.kept.push(id.clone());
            }
            (Removal::Forget | Removal::Delete, None) => {}
            (
                Removal::Delete,
                Some(Made {
                    physical_id,
                    attributes,
                }),
            ) => {
                // Recorded, or a template that takes its removal back would find a record of what is gone.
                let under_way = ResourceRecord {
                    phase: Phase::Deleting {
                        physical_id: physical_id.clone(),
                        attributes,
                    },
                    ..record.clone()
                };
                self.record(id, under_way).await?;
                if !self.delete(id, &physical_id, &record).await {
                    return self.record(id, record).await;
                }
                self.changes.deleted.push(id.clone());
            }
        }
        let batch = self.state.delete_resource(batch, id);
        self.state.commit(batch).await?;
        self.records.remove(id);
        Ok(())
    }

    /// Deletes what was replaced. What cannot be deleted is tried again at the next deployment.
    pub(crate) async fn remove_leftovers(&mut self) -> Result<(), StateError> {
        let mut leftovers = self.state.leftovers().await?;
        leftovers.sort_by_key(|leftover| Reverse(leftover.record.position));
        for leftover in leftovers {
            let id = &leftover.logical_id;
            if self
                .delete(id, &leftover.physical_id, &leftover.record)
                .await
            {
                let batch = self.state.delete_leftover(Batch::new(), &leftover);
                self.state.commit(batch).await?;
            }
        }
        Ok(())
    }

    /// Whether it is gone; if not, a problem says why.
    async fn delete(&mut self, id: &LogicalId, physical_id: &str, record: &ResourceRecord) -> bool {
        let Some(provider) = self.deployer.provider(&record.resource_type) else {
            return true;
        };
        let request = self.request_for(id, record);
        let items = provider.items(physical_id, &request).await;
        let now = self.records.get(id).and_then(ResourceRecord::made);
        let is_replaced = now.is_some_and(|now| now.physical_id != physical_id);
        match provider.delete(physical_id, &request).await {
            Ok(()) => {
                self.emptied.extend(items.map(|items| Emptied {
                    resource_type: record.resource_type.clone(),
                    physical_id: physical_id.to_owned(),
                    items,
                    is_replaced,
                }));
                true
            }
            Err(error) => {
                self.changes.failed.push(id.clone());
                self.problems.push(
                    Problem::error(
                        "deployment::failed",
                        format!("`{id}` ({physical_id}) could not be deleted"),
                    )
                    .because(error.message),
                );
                false
            }
        }
    }

    async fn record(&mut self, id: &LogicalId, record: ResourceRecord) -> Result<(), StateError> {
        let batch = self.state.put_resource(Batch::new(), id, &record);
        self.state.commit(batch).await?;
        self.records.insert(id.clone(), record);
        Ok(())
    }
}

fn failure(resource: &Resource, what: &str, error: &ProviderError) -> Problem {
    Problem::error(
        "deployment::failed",
        format!(
            "`{}` ({}) could not be {what}",
            resource.logical_id, resource.resource_type
        ),
    )
    .at(&resource.place)
    .because(error.message.clone())
}
