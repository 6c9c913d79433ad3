//! `AWS::SQS::Queue`, `AWS::SQS::QueuePolicy`, `AWS::SQS::QueueInlinePolicy`: what templates say of queues.
//!
//! Lives here: what becomes of their properties; making, changing and deleting them.
//! Does not live here: what attributes may be (`sqs::attributes`), the order of resources (`deployment`).
//!
//! Contract: AWS CloudFormation Template Reference, "Amazon SQS".

use std::sync::Arc;

use interfaces::BoxFuture;
use interfaces::resource_provider::{
    Made, Properties, PropertyProblem, ProviderError, ResourceProvider, ResourceRequest, UpdatePlan,
};
use model::arn::Arn;
use model::coverage::Coverage;
use model::problem::Severity;
use resource_types::{Fate, Property, Shape, TypeTable, carried, document_of, tags_in, text_of};
use serde_json::Value;

use crate::engine::ask::AskError;
use crate::engine::book::Order;
use crate::engine::catalogue::{Catalogue, CatalogueError, Created, Queue, Reuse};
use crate::engine::descriptor::Descriptor;
use crate::sqs::{attributes, check_dead_letters, check_name, urls};

const QUEUE: &str = "AWS::SQS::Queue";
const POLICY: &str = "AWS::SQS::QueuePolicy";
const INLINE_POLICY: &str = "AWS::SQS::QueueInlinePolicy";

const NOT_ENCRYPTED: Fate =
    Fate::NothingToDo("it is kept and shown; messages are not encrypted here");
const NO_LIMIT: Fate = Fate::NothingToDo("it is kept and shown; no throughput is limited here");

const TAG: Shape = Shape::Object(&[
    carried("Key", Shape::Text).required(),
    carried("Value", Shape::Text).required(),
]);

const fn shown(name: &'static str, shape: Shape, fate: Fate) -> Property {
    let mut property = carried(name, shape);
    property.fate = fate;
    property
}

/// What is known of each type.
const TYPES: &[TypeTable] = &[
    TypeTable {
        name: QUEUE,
        properties: &[
            carried("ContentBasedDeduplication", Shape::Flag),
            carried(
                "DeduplicationScope",
                Shape::Choice(&[
                    ("queue", Fate::CarriedOut),
                    ("messageGroup", Fate::CarriedOut),
                ]),
            ),
            carried("DelaySeconds", Shape::Whole(0, 900)),
            carried("FifoQueue", Shape::Flag).replaces(),
            shown("FifoThroughputLimit", Shape::Any, NO_LIMIT),
            shown("KmsDataKeyReusePeriodSeconds", Shape::Any, NOT_ENCRYPTED),
            shown("KmsMasterKeyId", Shape::Any, NOT_ENCRYPTED),
            carried("MaximumMessageSize", Shape::Whole(1_024, 1_048_576)),
            carried("MessageRetentionPeriod", Shape::Whole(60, 1_209_600)),
            carried("QueueName", Shape::Text).replaces(),
            carried("ReceiveMessageWaitTimeSeconds", Shape::Whole(0, 20)),
            carried("RedriveAllowPolicy", Shape::Any),
            carried("RedrivePolicy", Shape::Any),
            shown("SqsManagedSseEnabled", Shape::Any, NOT_ENCRYPTED),
            carried("Tags", Shape::List(&TAG)),
            carried("VisibilityTimeout", Shape::Whole(0, 43_200)),
        ],
    },
    TypeTable {
        name: POLICY,
        properties: &[
            carried("PolicyDocument", Shape::Any).required(),
            carried("Queues", Shape::List(&Shape::Text)).required(),
        ],
    },
    TypeTable {
        name: INLINE_POLICY,
        properties: &[
            carried("PolicyDocument", Shape::Any).required(),
            carried("Queue", Shape::Text).required().replaces(),
        ],
    },
];

/// What becomes of each property of each type of Amazon SQS.
#[must_use]
pub fn coverage() -> Vec<Coverage> {
    resource_types::coverage(TYPES)
}

/// The provider of queues.
pub(crate) struct Queues {
    catalogue: Catalogue,
    port: u16,
}

impl Queues {
    pub(crate) fn new(catalogue: Catalogue, port: u16) -> Self {
        Self { catalogue, port }
    }

    fn url(&self, arn: &Arn) -> String {
        urls::url(&urls::inside(self.port), arn)
    }

    async fn put_queue(&self, request: &ResourceRequest) -> Result<Made, ProviderError> {
        let name = name_of(request);
        let attributes = attributes_of(&request.properties);
        let order = check_name(&name, &attributes).map_err(|fault| refused(fault.message))?;
        attributes::check(&attributes, order, attributes::Setting::Creating)
            .map_err(|fault| refused(fault.message))?;
        let arn = Arn::new("sqs", &request.region, &request.account, name.clone());
        check_dead_letters(&self.catalogue, &arn, order, &attributes)
            .await
            .map_err(|fault| refused(fault.message))?;
        let owner = (request.stack.to_string(), request.logical_id.to_string());
        let now = self.catalogue.now();
        let fill = |descriptor: &mut Descriptor| {
            // The policy belongs to another resource.
            descriptor.attributes.retain(|name, _| name == "Policy");
            attributes::set(descriptor, &attributes);
            descriptor.tags = tags_in(&request.properties).collect();
            descriptor.owner = Some(owner.clone());
        };
        let created = self
            .catalogue
            .create(
                &request.account,
                &request.region,
                &name,
                Reuse::AtOnce,
                fill,
            )
            .await
            .map_err(|error| failed(&error))?;
        let queue = match created {
            Created::New(queue) => queue,
            Created::There(queue) => {
                if queue.current().descriptor.owner.as_ref() != Some(&owner) {
                    return Err(refused(format!(
                        "Resource of type '{QUEUE}' with identifier '{name}' already exists."
                    )));
                }
                let changed = self.catalogue.alter(&queue, |descriptor| {
                    fill(descriptor);
                    descriptor.modified_at = now;
                    Ok::<_, CatalogueError>(())
                });
                changed.await.map_err(|error| failed(&error))?;
                queue
            }
        };
        Ok(self.made(&queue.shared.arn))
    }

    fn made(&self, arn: &Arn) -> Made {
        let url = self.url(arn);
        let mut attributes = Properties::new();
        attributes.insert("Arn".to_owned(), arn.to_string().into());
        attributes.insert("QueueName".to_owned(), arn.resource.clone().into());
        attributes.insert("QueueUrl".to_owned(), url.clone().into());
        Made {
            physical_id: url,
            attributes,
        }
    }

    async fn find(
        &self,
        url: &str,
        request: &ResourceRequest,
    ) -> Result<Arc<Queue>, ProviderError> {
        let (account, region, name) = urls::read(url, &request.account, &request.region);
        let found = self.catalogue.find(&account, &region, &name).await;
        let found = found.map_err(|error| failed(&error))?;
        found.ok_or_else(|| refused("The specified queue does not exist.".to_owned()))
    }

    async fn put_policy(&self, request: &ResourceRequest) -> Result<Made, ProviderError> {
        let document = request.properties.get("PolicyDocument");
        let document = document.and_then(document_of).unwrap_or_default();
        let policy = [("Policy".to_owned(), document)];
        for url in queues_of(&request.properties) {
            let queue = self.find(&url, request).await?;
            let order = queue.current().settings.kind.order();
            attributes::check(&policy, order, attributes::Setting::Changing)
                .map_err(|fault| refused(fault.message))?;
            let changed = self.catalogue.alter(&queue, |descriptor| {
                attributes::set(descriptor, &policy);
                Ok::<_, CatalogueError>(())
            });
            changed.await.map_err(|error| failed(&error))?;
        }
        let physical_id = self.physical_id(request);
        let mut attributes = Properties::new();
        attributes.insert("Id".to_owned(), physical_id.clone().into());
        Ok(Made {
            physical_id,
            attributes,
        })
    }

    /// Takes the policy from these queues.
    async fn drop_policy(
        &self,
        urls: Vec<String>,
        request: &ResourceRequest,
    ) -> Result<(), ProviderError> {
        for url in urls {
            // A queue that is gone has none.
            let Ok(queue) = self.find(&url, request).await else {
                continue;
            };
            let changed = self.catalogue.alter(&queue, |descriptor| {
                descriptor.attributes.remove("Policy");
                Ok::<_, CatalogueError>(())
            });
            match changed.await {
                Ok(()) | Err(CatalogueError::Missing) => {}
                Err(error) => return Err(failed(&error)),
            }
        }
        Ok(())
    }

    async fn make(&self, request: &ResourceRequest) -> Result<Made, ProviderError> {
        match request.resource_type.as_str() {
            QUEUE => self.put_queue(request).await,
            _ => self.put_policy(request).await,
        }
    }

    async fn change(
        &self,
        physical_id: &str,
        old: &Properties,
        request: &ResourceRequest,
    ) -> Result<Made, ProviderError> {
        if request.resource_type != QUEUE {
            let kept = queues_of(&request.properties);
            let mut left = queues_of(old);
            left.retain(|url| !kept.contains(url));
            self.drop_policy(left, request).await?;
        }
        let made = self.make(request).await?;
        match request.resource_type.as_str() {
            QUEUE => Ok(made),
            _ => Ok(Made {
                physical_id: physical_id.to_owned(),
                ..made
            }),
        }
    }

    async fn remove(&self, url: &str, request: &ResourceRequest) -> Result<(), ProviderError> {
        if request.resource_type != QUEUE {
            return self
                .drop_policy(queues_of(&request.properties), request)
                .await;
        }
        let Ok(queue) = self.find(url, request).await else {
            return Ok(());
        };
        match self.catalogue.delete(&queue).await {
            Ok(()) | Err(CatalogueError::Missing) => Ok(()),
            Err(error) => Err(failed(&error)),
        }
    }

    /// Nothing when they cannot be counted: what fails here fails when the queue is deleted, and is told there.
    async fn messages(&self, url: &str, request: &ResourceRequest) -> Option<u64> {
        if request.resource_type != QUEUE {
            return None;
        }
        let queue = self.find(url, request).await.ok()?;
        let counts: Result<_, AskError> = self.catalogue.count(&queue).await;
        let counts = counts.ok()?;
        Some(counts.visible + counts.in_flight + counts.delayed)
    }
}

impl ResourceProvider for Queues {
    fn resource_types(&self) -> &[&'static str] {
        &[QUEUE, POLICY, INLINE_POLICY]
    }

    fn check(&self, resource_type: &str, properties: &Properties) -> Vec<PropertyProblem> {
        let table = TYPES.iter().find(|table| table.name == resource_type);
        let mut problems = table.map_or_else(Vec::new, |table| table.check(properties));
        if resource_type == QUEUE
            && problems
                .iter()
                .all(|problem| problem.severity != Severity::Error)
        {
            problems.extend(queue_problem(properties));
        }
        problems
    }

    fn physical_id(&self, request: &ResourceRequest) -> String {
        match request.resource_type.as_str() {
            QUEUE => {
                let arn = Arn::new("sqs", &request.region, &request.account, name_of(request));
                self.url(&arn)
            }
            _ => request.generated_name.clone(),
        }
    }

    fn plan_update(&self, resource_type: &str, old: &Properties, new: &Properties) -> UpdatePlan {
        let table = TYPES.iter().find(|table| table.name == resource_type);
        table.map_or(UpdatePlan::InPlace, |table| table.plan_update(old, new))
    }

    fn create<'a>(
        &'a self,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Made, ProviderError>> {
        Box::pin(self.make(request))
    }

    fn update<'a>(
        &'a self,
        physical_id: &'a str,
        old: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Made, ProviderError>> {
        Box::pin(self.change(physical_id, old, request))
    }

    fn known_by(&self, made: Made, request: &ResourceRequest) -> Made {
        if request.resource_type != QUEUE {
            return made;
        }
        let (account, region, name) =
            urls::read(&made.physical_id, &request.account, &request.region);
        self.made(&Arn::new("sqs", &region, &account, name))
    }

    fn items<'a>(
        &'a self,
        physical_id: &'a str,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Option<u64>> {
        Box::pin(self.messages(physical_id, request))
    }

    fn delete<'a>(
        &'a self,
        physical_id: &'a str,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(self.remove(physical_id, request))
    }
}

/// What the API would say of a queue with these properties.
fn queue_problem(properties: &Properties) -> Option<PropertyProblem> {
    let attributes = attributes_of(properties);
    let order = match flag(properties, "FifoQueue") {
        true => Order::ByGroup,
        false => Order::None,
    };
    let name = properties.get("QueueName").and_then(text_of);
    let named = match name {
        Some(name) => check_name(&name, &attributes).map(drop),
        None => Ok(()),
    };
    let checked = attributes::check(&attributes, order, attributes::Setting::Creating);
    let fault = named.and(checked).err()?;
    Some(PropertyProblem {
        path: Vec::new(),
        severity: Severity::Error,
        title: "SQS would refuse this queue".to_owned(),
        cause: Some(fault.message),
        help: None,
    })
}

fn name_of(request: &ResourceRequest) -> String {
    let named = request.properties.get("QueueName").and_then(text_of);
    named.unwrap_or_else(|| {
        let suffix = match flag(&request.properties, "FifoQueue") {
            true => ".fifo",
            false => "",
        };
        // CloudFormation shortens what it generates, so that the suffix fits.
        let length = 80 - suffix.len();
        let name: String = request.generated_name.chars().take(length).collect();
        format!("{name}{suffix}")
    })
}

fn flag(properties: &Properties, name: &str) -> bool {
    let text = properties.get(name).and_then(text_of);
    text.is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

/// The attributes that properties come to.
fn attributes_of(properties: &Properties) -> Vec<(String, String)> {
    let pairs = properties.iter().filter_map(|(name, value)| {
        let value = match name.as_str() {
            "QueueName" | "Tags" => return None,
            // A queue that is asked to be no FIFO queue is asked for nothing.
            "FifoQueue" if !flag(properties, name) => return None,
            "ContentBasedDeduplication"
                if !flag(properties, "FifoQueue") && !flag(properties, name) =>
            {
                return None;
            }
            "RedrivePolicy" | "RedriveAllowPolicy" => document_of(value)?,
            _ => text_of(value)?,
        };
        Some((name.clone(), value))
    });
    pairs.collect()
}

/// The queues that a policy is for.
fn queues_of(properties: &Properties) -> Vec<String> {
    let listed = properties.get("Queues").and_then(Value::as_array);
    let single = properties.get("Queue");
    let all = listed.into_iter().flatten().chain(single);
    all.filter_map(text_of).collect()
}

fn refused(message: String) -> ProviderError {
    ProviderError { message }
}

fn failed(error: &CatalogueError) -> ProviderError {
    let message = error.to_string();
    tracing::error!(
        error = error as &dyn std::error::Error,
        "a queue could not be deployed"
    );
    ProviderError { message }
}
