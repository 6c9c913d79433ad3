//! `AWS::DynamoDB::Table`: tables that templates ask for.
//!
//! Lives here: what a change takes, making, changing and deleting the table.
//! Does not live here: what a table may look like (`dynamodb::operations`), the order of resources (`deployment`).
//!
//! Contract: AWS CloudFormation Template Reference, `AWS::DynamoDB::Table`.
//!
//! | property | here |
//! | --- | --- |
//! | `TableName`, `AttributeDefinitions`, `KeySchema`, `GlobalSecondaryIndexes`, `LocalSecondaryIndexes`, `StreamSpecification`, `TimeToLiveSpecification`, `DeletionProtectionEnabled`, `Tags` | carried out |
//! | `BillingMode`, `ProvisionedThroughput`, `OnDemandThroughput`, `WarmThroughput`, `TableClass`, `SSESpecification` | kept and shown; throughput is enforced where `cloudless.toml` says so, nothing is billed or encrypted |
//! | `PointInTimeRecoverySpecification`, `ContributorInsightsSpecification` | a warning that says what is missing |
//! | `KinesisStreamSpecification`, `ImportSourceSpecification`, `ResourcePolicy` | a problem: the table is made without them |

mod changes;
mod members;
mod properties;

use std::sync::Arc;

use interfaces::BoxFuture;
use interfaces::clock::Clock;
use interfaces::random::Random;
use interfaces::resource_provider::{
    Made, Properties, PropertyProblem, ProviderError, ResourceProvider, ResourceRequest, UpdatePlan,
};
use model::problem::Severity;
use model::time::Timestamp;
use serde_json::Value;

use self::changes::{follow, local_indexes};
use self::members::unknown_members;
pub use self::properties::coverage;
use self::properties::{
    CARRIED_OUT, SHOWN_ONLY, index_problems, key_types, property_problem, time_to_live, wish,
};
use crate::dynamodb::fault::Fault;
use crate::dynamodb::templates::{PROTECTED, read_table};
use crate::engine::catalogue::{Catalogue, Error};
use crate::engine::counts;
use crate::engine::items::Items;
use crate::engine::table::{Descriptor, Table};
use crate::engine::table_id::TableId;
use crate::engine::upkeep::Upkeep;

const TABLE: &str = "AWS::DynamoDB::Table";

/// Tags by which a table is known to belong to a resource of a template, as CloudFormation sets them.
const STACK_TAG: &str = "aws:cloudformation:stack-name";
const LOGICAL_ID_TAG: &str = "aws:cloudformation:logical-id";

/// The provider of tables.
pub(crate) struct Tables {
    catalogue: Arc<Catalogue>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    upkeep: Arc<Upkeep>,
    items: Items,
}

impl Tables {
    pub(crate) fn new(
        catalogue: Arc<Catalogue>,
        upkeep: Arc<Upkeep>,
        items: Items,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self {
            catalogue,
            clock,
            random,
            upkeep,
            items,
        }
    }

    fn descriptor(&self, request: &ResourceRequest) -> Result<Descriptor, ProviderError> {
        let body = wish(&request.properties, Some(&request.generated_name));
        let mut descriptor = read_table(&body, TableId::draw(&*self.random), self.clock.now())
            .map_err(|fault| failed(&fault))?;
        descriptor.tags.extend(ownership(request));
        descriptor.time_to_live = time_to_live(&request.properties, self.clock.now())?;
        Ok(descriptor)
    }

    async fn create_table(&self, request: &ResourceRequest) -> Result<Made, ProviderError> {
        let descriptor = self.descriptor(request)?;
        let created = self
            .catalogue
            .create(&request.account, &request.region, descriptor.clone())
            .await;
        match created {
            Ok(table) => Ok(made(&table)),
            Err(Error::Exists) => self.found_again(request, &descriptor).await,
            Err(error) => Err(refused(&descriptor.name, error)),
        }
    }

    /// A table of this name is there: ours from before a crash, ours that its policy kept when it left the template, or
    /// somebody else's. One of ours with other keys is not what is asked for either.
    async fn found_again(
        &self,
        request: &ResourceRequest,
        wished: &Descriptor,
    ) -> Result<Made, ProviderError> {
        let found = self
            .catalogue
            .find(&request.account, &request.region, &wished.name)
            .await
            .map_err(|error| refused(&wished.name, error))?;
        let is_ours = |table: &Arc<Table>| {
            let there = &table.descriptor;
            let has_same_keys = there.partition_key == wished.partition_key
                && there.sort_key == wished.sort_key
                && local_indexes(there).eq(local_indexes(wished));
            let has_same_owner = ownership(request)
                .iter()
                .all(|(key, value)| there.tags.get(key) == Some(value));
            has_same_keys && has_same_owner
        };
        match found.filter(is_ours) {
            Some(_) => self.alter(request, &wished.name, wished).await,
            None => Err(refused(&wished.name, Error::Exists)),
        }
    }

    async fn update_table(
        &self,
        name: &str,
        request: &ResourceRequest,
    ) -> Result<Made, ProviderError> {
        let wished = self.descriptor(request)?;
        self.alter(request, name, &wished).await
    }

    async fn alter(
        &self,
        request: &ResourceRequest,
        name: &str,
        wished: &Descriptor,
    ) -> Result<Made, ProviderError> {
        let altered = self
            .catalogue
            .alter(&request.account, &request.region, name, |descriptor| {
                follow(descriptor, wished)
            })
            .await;
        let table = match altered {
            Ok(Ok(table)) => table,
            Ok(Err(message)) => return Err(ProviderError { message }),
            Err(error) => return Err(refused(name, error)),
        };
        // As CloudFormation, which ends an update when the index is ready.
        if let Err(error) = self.upkeep.finish(&table).await {
            let message = error.to_string();
            tracing::error!(
                error = &error as &dyn std::error::Error,
                table = name,
                "an index could not be filled or removed"
            );
            self.upkeep.ask(table);
            return Err(ProviderError { message });
        }
        Ok(made(&table))
    }

    /// Nothing when they cannot be counted: what fails here fails when the table is deleted, and is told there.
    async fn count_items(&self, name: &str, request: &ResourceRequest) -> Option<u64> {
        let (account, region) = (&request.account, &request.region);
        let table = self.catalogue.find(account, region, name).await.ok()??;
        let count = counts::count(&self.items, &table.items).await.ok()?;
        Some(count.items)
    }

    async fn delete_table(
        &self,
        name: &str,
        request: &ResourceRequest,
    ) -> Result<(), ProviderError> {
        let (account, region) = (&request.account, &request.region);
        match self.catalogue.delete(account, region, name).await {
            Ok(_) | Err(Error::Missing) => {}
            Err(error) => return Err(refused(name, error)),
        }
        let purged = self.catalogue.purge(account, region).await;
        purged.map_err(|error| refused(name, error))
    }
}

impl ResourceProvider for Tables {
    fn resource_types(&self) -> &[&'static str] {
        &[TABLE]
    }

    fn check(&self, _resource_type: &str, properties: &Properties) -> Vec<PropertyProblem> {
        let mut problems: Vec<_> = properties
            .keys()
            .filter_map(|name| property_problem(name))
            .chain(index_problems(properties))
            .collect();
        let unknown = unknown_members(properties);
        if !unknown.is_empty() {
            // What the table lacks may only be misspelt.
            problems.extend(unknown);
            return problems;
        }
        // A name stands in for the one that will be generated; time and identity do not matter to the judgement.
        let body = wish(properties, Some("generated"));
        let epoch = Timestamp::from_micros(0);
        let table = read_table(&body, TableId::from_bytes([0; 16]), epoch);
        let causes = [
            (Vec::new(), table.err().map(|fault| fault.message)),
            (
                vec!["TimeToLiveSpecification".to_owned()],
                time_to_live(properties, epoch)
                    .err()
                    .map(|error| error.message),
            ),
        ];
        for (path, cause) in causes {
            if cause.is_some() {
                problems.push(PropertyProblem {
                    path,
                    severity: Severity::Error,
                    title: "DynamoDB would refuse this table".to_owned(),
                    cause,
                    help: None,
                });
            }
        }
        problems
    }

    fn physical_id(&self, request: &ResourceRequest) -> String {
        let name = request.properties.get("TableName").and_then(Value::as_str);
        name.unwrap_or(&request.generated_name).to_owned()
    }

    fn plan_update(&self, _resource_type: &str, old: &Properties, new: &Properties) -> UpdatePlan {
        let changed: Vec<_> = CARRIED_OUT
            .into_iter()
            .chain(SHOWN_ONLY)
            .filter(|name| old.get(*name) != new.get(*name))
            .collect();
        let replacing = ["TableName", "KeySchema", "LocalSecondaryIndexes"];
        let replaces = replacing.iter().any(|name| changed.contains(name));
        if replaces || key_types(old) != key_types(new) {
            UpdatePlan::Replace
        } else if changed.is_empty() {
            UpdatePlan::Nothing
        } else {
            UpdatePlan::InPlace
        }
    }

    fn create<'a>(
        &'a self,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Made, ProviderError>> {
        Box::pin(self.create_table(request))
    }

    fn update<'a>(
        &'a self,
        physical_id: &'a str,
        _old: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Made, ProviderError>> {
        Box::pin(self.update_table(physical_id, request))
    }

    fn items<'a>(
        &'a self,
        physical_id: &'a str,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Option<u64>> {
        Box::pin(self.count_items(physical_id, request))
    }

    fn delete<'a>(
        &'a self,
        physical_id: &'a str,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(self.delete_table(physical_id, request))
    }
}

fn ownership(request: &ResourceRequest) -> [(String, String); 2] {
    [
        (STACK_TAG.to_owned(), request.stack.to_string()),
        (LOGICAL_ID_TAG.to_owned(), request.logical_id.to_string()),
    ]
}

fn made(table: &Table) -> Made {
    Made {
        physical_id: table.name().to_owned(),
        attributes: attributes(table),
    }
}

/// `StreamArn` is there while the stream is.
fn attributes(table: &Table) -> Properties {
    let stream = table.descriptor.stream.as_ref();
    let stream_arn = stream
        .filter(|stream| stream.enabled)
        .and_then(|_| table.stream_arn());
    let mut attributes = Properties::new();
    attributes.insert("Arn".to_owned(), table.arn.as_str().into());
    if let Some(arn) = stream_arn {
        attributes.insert("StreamArn".to_owned(), arn.into());
    }
    attributes
}

fn failed(fault: &Fault) -> ProviderError {
    ProviderError {
        message: fault.message.clone(),
    }
}

fn refused(name: &str, error: Error) -> ProviderError {
    ProviderError {
        message: match error {
            Error::Exists => format!("Table already exists: {name}"),
            Error::Missing => format!("Requested resource not found: Table: {name} not found"),
            Error::Protected => PROTECTED.to_owned(),
            error @ (Error::Read(_)
            | Error::Commit(_)
            | Error::Descriptor(_)
            | Error::Format(_)
            | Error::Key(_)) => {
                // Whoever deploys sees the message alone; the chain is for the log.
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    table = name,
                    "a table could not be deployed"
                );
                error.to_string()
            }
        },
    }
}
