//! Streams, their consumers and policies, that templates ask for.
//!
//! Lives here: the provider: the properties, the id of each, what CloudFormation says of it.
//! Does not live here: the order of resources (`deployment`).
//!
//! Contract: AWS CloudFormation Template Reference, `AWS::Kinesis::Stream`, `AWS::Kinesis::StreamConsumer`,
//! `AWS::Kinesis::ResourcePolicy`.

use std::sync::Arc;

use interfaces::BoxFuture;
use interfaces::resource_provider::{
    Made, Properties, PropertyProblem, ProviderError, ResourceProvider, ResourceRequest, UpdatePlan,
};
use model::coverage::Coverage;
use resource_types::{
    Details as _, Fate, Property, Shape, TypeTable, attributes, carried, idle, missing, problem_at,
    tags_in, text_in, text_of,
};
use serde_json::Value;

use crate::engine::catalogue::{Catalogue, Change};
use crate::engine::keys::Place;
use crate::engine::rows::{Json, Mode, Stream};
use crate::engine::shards;
use crate::fault::Fault;
use crate::kinesis::{self, Context, RETENTION_HOURS, StreamRef, Wish};

const STREAM: &str = "AWS::Kinesis::Stream";
const CONSUMER: &str = "AWS::Kinesis::StreamConsumer";
const POLICY: &str = "AWS::Kinesis::ResourcePolicy";
const TYPES: &[&str] = &[STREAM, CONSUMER, POLICY];

const MODES: &[(&str, Fate)] = &[
    ("PROVISIONED", Fate::CarriedOut),
    ("ON_DEMAND", Fate::CarriedOut),
];
const KEPT: &str = "kept and shown: nothing is encrypted with it";
const NOT_COUNTED: &str = "kept and shown: nothing of shards is counted";
const SIZE: &str = "a record has 1 MiB at most";

const TAGS: Property = carried(
    "Tags",
    Shape::List(&Shape::Object(&[
        carried("Key", Shape::Text).required(),
        carried("Value", Shape::Text).required(),
    ])),
);

static TABLES: &[TypeTable] = &[
    TypeTable {
        name: STREAM,
        properties: &[
            carried("Name", Shape::Text).replaces(),
            carried("RetentionPeriodHours", Shape::Whole(24, 8_760)),
            carried("ShardCount", Shape::Whole(1, 500)),
            carried(
                "StreamModeDetails",
                Shape::Object(&[carried("StreamMode", Shape::Choice(MODES)).required()]),
            ),
            idle("StreamEncryption", KEPT),
            idle("DesiredShardLevelMetrics", NOT_COUNTED),
            missing("MaxRecordSizeInKiB", SIZE),
            missing("WarmThroughputMiBps", "throughput is not limited"),
            TAGS,
        ],
    },
    TypeTable {
        name: CONSUMER,
        properties: &[
            carried("ConsumerName", Shape::Text).replaces().required(),
            carried("StreamARN", Shape::Text).replaces().required(),
            TAGS,
        ],
    },
    TypeTable {
        name: POLICY,
        properties: &[
            carried("ResourceArn", Shape::Text).replaces().required(),
            carried("ResourcePolicy", Shape::Any).required(),
        ],
    },
];

/// What becomes of each property, for the reference.
#[must_use]
pub fn coverage() -> Vec<Coverage> {
    resource_types::coverage(TABLES)
}

/// The provider of all these types.
pub(crate) struct Streams {
    catalogue: Arc<Catalogue>,
}

impl Streams {
    pub(crate) fn new(catalogue: Arc<Catalogue>) -> Self {
        Self { catalogue }
    }

    async fn make(&self, request: &ResourceRequest) -> Result<Made, Fault> {
        let place = &place(request);
        let context = &Context {
            catalogue: &self.catalogue,
            place,
        };
        match request.resource_type.as_str() {
            STREAM => self.make_stream(context, request).await,
            CONSUMER => make_consumer(context, request).await,
            POLICY => self.make_policy(request).await,
            other => Err(Fault::not_implemented(other)),
        }
    }

    async fn make_stream(
        &self,
        context: &Context<'_>,
        request: &ResourceRequest,
    ) -> Result<Made, Fault> {
        let properties = &request.properties;
        let place = context.place;
        let name = text_in(properties, "Name").unwrap_or_else(|| request.generated_name.clone());
        let mode = inner(properties, "StreamModeDetails", "StreamMode");
        let mode = mode.and_then(|mode| Mode::called(&mode));
        let mode = mode.unwrap_or(Mode::Provisioned);
        let count = whole(properties, "ShardCount");
        let shards = match mode {
            Mode::Provisioned => Some(count.unwrap_or(1)),
            Mode::OnDemand => None,
        };
        let wish = Wish {
            name: name.clone(),
            mode,
            shards,
            tags: tags_in(properties).collect(),
            owner: Some(owner(request)),
        };
        kinesis::create(context, wish).await?;
        let hours = whole(properties, "RetentionPeriodHours").unwrap_or(RETENTION_HOURS);
        let key = inner(properties, "StreamEncryption", "KeyId");
        let now = self.catalogue.clock.now();
        self.catalogue
            .change(place, &name, |there| {
                let there = there.ok_or_else(|| Fault::no_stream(place, &name))?;
                let mut stream = Stream {
                    mode,
                    retention_hours: hours,
                    key: key.clone(),
                    metrics: metrics(properties),
                    tags: tags_in(properties).collect(),
                    ..there.clone()
                };
                let open = u32::try_from(stream.open().count()).unwrap_or(u32::MAX);
                if let Some(count) = shards.filter(|count| *count != open) {
                    shards::scale(&mut stream, count, now);
                }
                Ok::<_, Fault>(((), Change::Put(Box::new(stream))))
            })
            .await?;
        self.catalogue.trim(place, &name).await?;
        let arn = place.stream_arn(&name);
        Ok(Made {
            physical_id: name,
            attributes: attributes(&[("Arn", &arn)]),
        })
    }

    async fn make_policy(&self, request: &ResourceRequest) -> Result<Made, Fault> {
        let properties = &request.properties;
        let arn = text_in(properties, "ResourceArn").unwrap_or_default();
        let policy = match properties.get("ResourcePolicy") {
            Some(Value::String(text)) => text.clone(),
            Some(document) => document.to_string(),
            None => String::new(),
        };
        let policy = kinesis::read_policy(&policy)?;
        self.set_policy(&arn, Some(&policy)).await?;
        Ok(Made {
            attributes: attributes(&[("ResourceArn", &arn)]),
            physical_id: arn,
        })
    }

    async fn set_policy(&self, arn: &str, policy: Option<&Json>) -> Result<(), Fault> {
        let no_arn = || Fault::argument(format!("{arn} is no ARN of a stream."));
        let asked = StreamRef::of_arn(arn).ok_or_else(no_arn)?;
        self.catalogue
            .change(&asked.place, &asked.name, |there| {
                let there = there.ok_or_else(|| Fault::no_stream(&asked.place, &asked.name))?;
                let mut stream = there.clone();
                let stream_arn = asked.arn();
                if arn == stream_arn {
                    stream.policy = policy.cloned();
                } else {
                    let mut consumers = stream.consumers.iter_mut();
                    let consumer = consumers.find(|one| one.arn(&stream_arn) == arn);
                    let consumer = consumer
                        .ok_or_else(|| Fault::not_found(format!("Consumer {arn} not found.")))?;
                    consumer.policy = policy.cloned();
                }
                Ok(((), Change::Put(Box::new(stream))))
            })
            .await
    }

    async fn remove(&self, physical_id: &str, request: &ResourceRequest) -> Result<(), Fault> {
        let place = place(request);
        let removed = match request.resource_type.as_str() {
            STREAM => {
                let decide = |_: Option<&Stream>| Ok(((), Change::Delete));
                self.catalogue.change(&place, physical_id, decide).await
            }
            CONSUMER => {
                let Some(asked) = StreamRef::of_arn(physical_id) else {
                    return Ok(());
                };
                let stream_arn = asked.arn();
                let decide = |there: Option<&Stream>| {
                    let Some(there) = there else {
                        return Ok(((), Change::Nothing));
                    };
                    let mut stream = there.clone();
                    stream
                        .consumers
                        .retain(|one| one.arn(&stream_arn) != physical_id);
                    Ok(((), Change::Put(Box::new(stream))))
                };
                self.catalogue
                    .change(&asked.place, &asked.name, decide)
                    .await
            }
            _ => self.set_policy(physical_id, None).await,
        };
        match removed {
            // What it belonged to went before it did.
            Err(fault) if fault.code == "ResourceNotFoundException" => Ok(()),
            done => done,
        }
    }
}

async fn make_consumer(context: &Context<'_>, request: &ResourceRequest) -> Result<Made, Fault> {
    let properties = &request.properties;
    let arn = text_in(properties, "StreamARN").unwrap_or_default();
    let name = text_in(properties, "ConsumerName").unwrap_or_default();
    let no_arn = || Fault::argument(format!("{arn} is no ARN of a stream."));
    let asked = StreamRef::of_arn(&arn).ok_or_else(no_arn)?;
    let owner = owner(request);
    let tags = tags_in(properties).collect();
    let consumer = kinesis::register(context, &asked, &name, &tags, Some(&owner)).await?;
    if consumer.tags != tags {
        let decide = |there: Option<&Stream>| {
            let there = there.ok_or_else(|| Fault::no_stream(&asked.place, &asked.name))?;
            let mut stream = there.clone();
            let mut consumers = stream.consumers.iter_mut();
            if let Some(one) = consumers.find(|one| one.name == name) {
                one.tags = tags.clone();
            }
            Ok::<_, Fault>(((), Change::Put(Box::new(stream))))
        };
        let catalogue = context.catalogue;
        catalogue.change(&asked.place, &asked.name, decide).await?;
    }
    let consumer_arn = consumer.arn(&asked.arn());
    let since = consumer.created_at.epoch_s().to_string();
    Ok(Made {
        attributes: attributes(&[
            ("ConsumerARN", &consumer_arn),
            ("ConsumerCreationTimestamp", &since),
            ("ConsumerName", &name),
            ("ConsumerStatus", "ACTIVE"),
            ("StreamARN", &arn),
        ]),
        physical_id: consumer_arn,
    })
}

impl ResourceProvider for Streams {
    fn resource_types(&self) -> &[&'static str] {
        TYPES
    }

    fn check(&self, resource_type: &str, properties: &Properties) -> Vec<PropertyProblem> {
        let mut problems =
            table(resource_type).map_or_else(Vec::new, |table| table.check(properties));
        let mode = inner(properties, "StreamModeDetails", "StreamMode");
        let has_count = properties
            .get("ShardCount")
            .is_some_and(|count| !count.is_null());
        if mode.as_deref() == Some(Mode::OnDemand.name()) && has_count {
            let title = "a stream on demand has no ShardCount".to_owned();
            let cause = "Kinesis refuses ShardCount together with the mode ON_DEMAND".to_owned();
            problems.push(problem_at(&["ShardCount"], title).because(cause));
        }
        if resource_type == POLICY
            && let Some(Value::Object(policy)) = properties.get("ResourcePolicy")
            && let Err(fault) = kinesis::read_policy(&Value::Object(policy.clone()).to_string())
        {
            let title = "Kinesis would refuse this policy".to_owned();
            problems.push(problem_at(&["ResourcePolicy"], title).because(fault.message));
        }
        problems
    }

    fn physical_id(&self, request: &ResourceRequest) -> String {
        let properties = &request.properties;
        let member = |name: &str| text_in(properties, name).unwrap_or_default();
        match request.resource_type.as_str() {
            STREAM => text_in(properties, "Name").unwrap_or_else(|| request.generated_name.clone()),
            CONSUMER => format!(
                "{}/consumer/{}",
                member("StreamARN"),
                member("ConsumerName")
            ),
            _ => member("ResourceArn"),
        }
    }

    fn plan_update(&self, resource_type: &str, old: &Properties, new: &Properties) -> UpdatePlan {
        table(resource_type).map_or(UpdatePlan::Nothing, |table| table.plan_update(old, new))
    }

    fn create<'a>(
        &'a self,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Made, ProviderError>> {
        Box::pin(async move { self.make(request).await.map_err(failed) })
    }

    fn update<'a>(
        &'a self,
        _physical_id: &'a str,
        _old: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Made, ProviderError>> {
        Box::pin(async move { self.make(request).await.map_err(failed) })
    }

    fn delete<'a>(
        &'a self,
        physical_id: &'a str,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(async move { self.remove(physical_id, request).await.map_err(failed) })
    }
}

fn table(resource_type: &str) -> Option<&'static TypeTable> {
    TABLES.iter().find(|table| table.name == resource_type)
}

fn failed(fault: Fault) -> ProviderError {
    ProviderError {
        message: fault.message,
    }
}

fn place(request: &ResourceRequest) -> Place {
    Place {
        account: request.account.clone(),
        region: request.region.clone(),
    }
}

/// The resource of a stack, as rows note whose they are.
fn owner(request: &ResourceRequest) -> String {
    format!("{}/{}", request.stack, request.logical_id)
}

fn whole(properties: &Properties, name: &str) -> Option<u32> {
    text_in(properties, name)?.parse().ok()
}

fn inner(properties: &Properties, name: &str, member: &str) -> Option<String> {
    properties.get(name)?.get(member).and_then(text_of)
}

fn metrics(properties: &Properties) -> std::collections::BTreeSet<String> {
    let listed = properties.get("DesiredShardLevelMetrics");
    let listed = listed.and_then(Value::as_array).into_iter().flatten();
    listed.filter_map(text_of).collect()
}
