//! `AWS::DynamoDB::Table`: tables that templates ask for.
//!
//! Lives here: which properties are carried out, what a change takes, making, changing and deleting the table.
//! Does not live here: what a table may look like (`dynamodb::operations`), the order of resources (`deployment`).
//!
//! Contract: AWS CloudFormation Template Reference, `AWS::DynamoDB::Table`.
//!
//! | property | here |
//! | --- | --- |
//! | `TableName`, `AttributeDefinitions`, `KeySchema`, `DeletionProtectionEnabled`, `Tags` | carried out |
//! | `BillingMode`, `ProvisionedThroughput`, `TableClass` | kept and shown; no throughput is enforced, nothing is billed |
//! | `SSESpecification`, `ContributorInsightsSpecification`, `WarmThroughput` | accepted: nothing of them can be observed through the API that is carried out |
//! | `PointInTimeRecoverySpecification`, `OnDemandThroughput` | a warning: no backup is kept, no ceiling is enforced |
//! | `GlobalSecondaryIndexes`, `LocalSecondaryIndexes`, `StreamSpecification`, `TimeToLiveSpecification`, `KinesisStreamSpecification`, `ImportSourceSpecification`, `ResourcePolicy` | a problem: the table is made without them |

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use interfaces::BoxFuture;
use interfaces::clock::Clock;
use interfaces::random::Random;
use interfaces::resource_provider::{
    Made, Properties, PropertyProblem, ProviderError, ResourceProvider, ResourceRequest, UpdatePlan,
};
use model::coverage::{Coverage, Fate};
use model::problem::Severity;
use serde_json::{Map, Value};

use crate::dynamodb::fault::Fault;
use crate::dynamodb::templates::{PROTECTED, read_table};
use crate::engine::catalogue::{Catalogue, Error};
use crate::engine::table::{Descriptor, Table};
use crate::engine::table_id::TableId;

const TABLE: &str = "AWS::DynamoDB::Table";

/// What becomes a table.
const CARRIED_OUT: [&str; 5] = [
    "TableName",
    "AttributeDefinitions",
    "KeySchema",
    "DeletionProtectionEnabled",
    "Tags",
];

/// What descriptions of the table show, and nothing else comes of.
const SHOWN_ONLY: [&str; 3] = ["BillingMode", "ProvisionedThroughput", "TableClass"];
const SHOWN: &str =
    "kept and shown by `DescribeTable`: no request is throttled, and nothing is billed";

/// What nobody can tell from its absence here.
const WITHOUT_EFFECT: [&str; 3] = [
    "SSESpecification",
    "ContributorInsightsSpecification",
    "WarmThroughput",
];
const UNSEEN: &str = "nothing of it shows in any answer";

/// What is missing, and what that means.
const MISSING: [(&str, Severity, &str); 9] = [
    (
        "PointInTimeRecoverySpecification",
        Severity::Warning,
        "no backups are kept, so there is no earlier point in time to restore",
    ),
    (
        "OnDemandThroughput",
        Severity::Warning,
        "no request is throttled, also above this ceiling",
    ),
    (
        "GlobalSecondaryIndexes",
        Severity::Error,
        "the table is made without its global secondary indexes, and queries that name one are refused",
    ),
    (
        "LocalSecondaryIndexes",
        Severity::Error,
        "the table is made without its local secondary indexes, and queries that name one are refused",
    ),
    (
        "StreamSpecification",
        Severity::Error,
        "the table is made without a stream: nothing is invoked when items change",
    ),
    (
        "TimeToLiveSpecification",
        Severity::Error,
        "items do not expire",
    ),
    (
        "KinesisStreamSpecification",
        Severity::Error,
        "changes of items are not sent to the stream",
    ),
    (
        "ImportSourceSpecification",
        Severity::Error,
        "the table is made empty",
    ),
    (
        "ResourcePolicy",
        Severity::Error,
        "the policy allows and denies nothing",
    ),
];

/// Tags by which a table is known to belong to a resource of a template, as CloudFormation sets them.
const STACK_TAG: &str = "aws:cloudformation:stack-name";
const LOGICAL_ID_TAG: &str = "aws:cloudformation:logical-id";

/// The provider of tables.
pub(crate) struct Tables {
    catalogue: Arc<Catalogue>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Tables {
    pub(crate) fn new(
        catalogue: Arc<Catalogue>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self {
            catalogue,
            clock,
            random,
        }
    }

    fn descriptor(&self, request: &ResourceRequest) -> Result<Descriptor, ProviderError> {
        let body = wish(&request.properties, Some(&request.generated_name));
        let mut descriptor = read_table(&body, TableId::draw(&*self.random), self.clock.now())
            .map_err(|fault| failed(&fault))?;
        descriptor.tags.extend(ownership(request));
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
            let has_same_keys =
                there.partition_key == wished.partition_key && there.sort_key == wished.sort_key;
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
                descriptor.billing = wished.billing;
                descriptor.deletion_protection = wished.deletion_protection;
                descriptor.class = wished.class;
                descriptor.tags.clone_from(&wished.tags);
                Ok::<_, Infallible>(())
            })
            .await;
        match altered {
            Ok(Ok(table)) => Ok(made(&table)),
            Err(error) => Err(refused(name, error)),
        }
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
            .collect();
        // A name stands in for the one that will be generated; time and identity do not matter to the judgement.
        let body = wish(properties, Some("generated"));
        if let Err(fault) = read_table(
            &body,
            TableId::from_bytes([0; 16]),
            model::time::Timestamp::from_micros(0),
        ) {
            problems.push(PropertyProblem {
                path: Vec::new(),
                severity: Severity::Error,
                title: "DynamoDB would refuse this table".to_owned(),
                cause: Some(fault.message),
                help: None,
            });
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
        let replaces = changed.contains(&"TableName") || changed.contains(&"KeySchema");
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

    fn delete<'a>(
        &'a self,
        physical_id: &'a str,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(self.delete_table(physical_id, request))
    }
}

/// What becomes of each property of a table, for the reference.
#[must_use]
pub fn coverage() -> Vec<Coverage> {
    let row = |property: &str, fate| Coverage {
        resource_type: TABLE,
        property: property.to_owned(),
        fate,
    };
    let carried_out = CARRIED_OUT.map(|name| row(name, Fate::CarriedOut));
    let shown_only = SHOWN_ONLY.map(|name| row(name, Fate::NoEffect(SHOWN)));
    let without_effect = WITHOUT_EFFECT.map(|name| row(name, Fate::NoEffect(UNSEEN)));
    let missing = MISSING.map(|(name, _, what)| row(name, Fate::Missing(what)));
    let mut rows = Vec::from(carried_out);
    rows.extend(shown_only);
    rows.extend(without_effect);
    rows.extend(missing);
    rows
}

/// Whether a property goes into the table's description.
fn is_kept(name: &str) -> bool {
    CARRIED_OUT.contains(&name) || SHOWN_ONLY.contains(&name)
}

fn property_problem(name: &str) -> Option<PropertyProblem> {
    if is_kept(name) || WITHOUT_EFFECT.contains(&name) {
        return None;
    }
    let known = MISSING.iter().find(|(missing, _, _)| *missing == name);
    let (severity, title, cause) = match known {
        Some((_, severity, cause)) => (
            *severity,
            format!("`{name}` of a table is not implemented yet"),
            *cause,
        ),
        None => (
            Severity::Error,
            format!("a table has no property `{name}`"),
            "CloudFormation refuses properties that it does not know",
        ),
    };
    Some(PropertyProblem {
        path: vec![name.to_owned()],
        severity,
        title,
        cause: Some(cause.to_owned()),
        help: None,
    })
}

/// The body of the `CreateTable` that these properties come to.
fn wish(properties: &Properties, generated_name: Option<&str>) -> Vec<u8> {
    let mut body: Map<String, Value> = properties
        .iter()
        .filter(|(name, value)| is_kept(name) && !value.is_null())
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if let (None, Some(name)) = (body.get("TableName"), generated_name) {
        body.insert("TableName".to_owned(), name.into());
    }
    keep_key_definitions(&mut body);
    // Parameters of templates are texts; CloudFormation takes them for numbers where numbers are wanted.
    if let Some(Value::Object(units)) = body.get_mut("ProvisionedThroughput") {
        for unit in units.values_mut() {
            if let Some(number) = unit
                .as_str()
                .and_then(|text| text.trim().parse::<u64>().ok())
            {
                *unit = number.into();
            }
        }
    }
    Value::Object(body).to_string().into_bytes()
}

/// Leaves out definitions that only an index needs: a table without its indexes must not have them.
fn keep_key_definitions(body: &mut Map<String, Value>) {
    fn name(entry: &Value) -> Option<&str> {
        entry.get("AttributeName")?.as_str()
    }
    let keys: Vec<String> = match body.get("KeySchema") {
        Some(Value::Array(entries)) => entries.iter().filter_map(name).map(str::to_owned).collect(),
        _ => return,
    };
    if let Some(Value::Array(definitions)) = body.get_mut("AttributeDefinitions") {
        definitions
            .retain(|entry| name(entry).is_none_or(|name| keys.iter().any(|key| key == name)));
    }
}

/// The types of the key attributes: to edit one takes another table.
fn key_types(properties: &Properties) -> BTreeMap<String, Value> {
    let body: Map<String, Value> =
        serde_json::from_slice(&wish(properties, None)).unwrap_or_default();
    let definitions = body.get("AttributeDefinitions").and_then(Value::as_array);
    definitions
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let name = entry.get("AttributeName")?.as_str()?;
            Some((name.to_owned(), entry.get("AttributeType")?.clone()))
        })
        .collect()
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
        attributes: attributes(&table.arn),
    }
}

/// `StreamArn` is not among them: there are no streams yet.
fn attributes(arn: &str) -> Properties {
    Properties::from_iter([("Arn".to_owned(), Value::from(arn))])
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
