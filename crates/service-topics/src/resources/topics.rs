//! Topics of templates.
//!
//! Lives here: `AWS::SNS::Topic`, with the subscriptions that stand in it.

use std::collections::BTreeMap;

use interfaces::resource_provider::{Made, Properties, ResourceRequest};
use model::arn::Arn;
use serde_json::Value;

use super::{Topics, json_text, text};
use crate::arns::SubscriptionArn;
use crate::operations::topics::{Wanted, make, remove};
use crate::operations::{checked_topic_attribute, subscribing, subscriptions};
use crate::refusal::Refusal;
use crate::state::catalogue::{Change, Region};
use crate::state::subscription::Status;
use crate::state::topic::{Given, Record, Topic};

/// Tags by which a topic is known to belong to a resource of a template, as CloudFormation sets them.
const STACK_TAG: &str = "aws:cloudformation:stack-name";
const LOGICAL_ID_TAG: &str = "aws:cloudformation:logical-id";
const FIFO_SUFFIX: &str = ".fifo";
/// Properties that are attributes of the same name.
const ATTRIBUTES: [&str; 7] = [
    "FifoTopic",
    "DisplayName",
    "ContentBasedDeduplication",
    "FifoThroughputScope",
    "SignatureVersion",
    "KmsMasterKeyId",
    "TracingConfig",
];
/// Those that make no sense for standard topics, and are `false` in templates for both kinds.
const OF_FIFO: [&str; 2] = ["ContentBasedDeduplication", "FifoThroughputScope"];

pub(super) fn arn(request: &ResourceRequest) -> String {
    let name = name(request);
    Arn::new("sns", &request.region, &request.account, name).to_string()
}

fn name(request: &ResourceRequest) -> String {
    let properties = &request.properties;
    text(properties, "TopicName").unwrap_or_else(|| {
        if is_fifo(properties) {
            format!("{}{FIFO_SUFFIX}", request.generated_name)
        } else {
            request.generated_name.clone()
        }
    })
}

fn is_fifo(properties: &Properties) -> bool {
    text(properties, "FifoTopic").as_deref() == Some("true")
}

fn wanted(request: &ResourceRequest) -> Wanted {
    let properties = &request.properties;
    let is_fifo = is_fifo(properties);
    let set = |name: &&str| is_fifo || !OF_FIFO.contains(name);
    let attribute = |name: &str| Some((name.to_owned(), text(properties, name)?));
    let attributes = ATTRIBUTES.iter().filter(|name| set(name));
    let mut tags: Vec<(String, String)> = resource_types::tags_in(properties).collect();
    tags.push((STACK_TAG.to_owned(), request.stack.to_string()));
    tags.push((LOGICAL_ID_TAG.to_owned(), request.logical_id.to_string()));
    Wanted {
        name: name(request),
        attributes: attributes.filter_map(|name| attribute(name)).collect(),
        tags,
        data_protection_policy: json_text(properties, "DataProtectionPolicy"),
    }
}

impl Topics {
    pub(super) async fn make_topic(
        &self,
        request: &ResourceRequest,
        old: Option<&Properties>,
    ) -> Result<Made, Refusal> {
        let region = self.region(request).await?;
        let wanted = wanted(request);
        let topic = match region.topic(&wanted.name) {
            None => make(&self.service, &region, &wanted).await?,
            Some(known) if is_ours(&known.record, &wanted) => self.follow(&region, &wanted).await?,
            Some(_) => {
                return Err(Refusal::invalid(format!("{} already exists", wanted.name)));
            }
        };
        self.follow_subscriptions(&region, &topic, request, old)
            .await?;
        let arn = topic.arn.arn().to_string();
        Ok(Made {
            attributes: resource_types::attributes(&[
                ("TopicArn", &arn),
                ("TopicName", &wanted.name),
            ]),
            physical_id: arn,
        })
    }

    /// Sets what is wanted, and what a template no longer says back to its default.
    async fn follow(&self, region: &Region, wanted: &Wanted) -> Result<Topic, Refusal> {
        let _turn = region.turn.lock().await;
        let known = region.topic(&wanted.name);
        let known = known.ok_or_else(|| Refusal::not_found("Topic"))?;
        let mut kept: BTreeMap<String, String> = known.record.attributes.clone();
        for name in ATTRIBUTES.iter().filter(|name| **name != "FifoTopic") {
            kept.remove(*name);
        }
        for (name, value) in &wanted.attributes {
            let checked = checked_topic_attribute(name, value, known.kind(), Given::AtFirst)?;
            kept.extend(checked.map(|value| (name.clone(), value)));
        }
        let record = Record {
            attributes: kept,
            tags: wanted.tags.clone(),
            data_protection_policy: wanted.data_protection_policy.clone(),
            ..known.record.clone()
        };
        if record == known.record {
            return Ok((*known).clone());
        }
        let topic = Topic::new(record, &region.place);
        let change = Change::PutTopic(topic.clone());
        self.service
            .catalogue
            .change(region, vec![change], &[])
            .await?;
        Ok(topic)
    }

    /// Subscribes those that stand in a topic, and ends what stood in it before.
    async fn follow_subscriptions(
        &self,
        region: &Region,
        topic: &Topic,
        request: &ResourceRequest,
        old: Option<&Properties>,
    ) -> Result<(), Refusal> {
        let wanted = inline(&request.properties);
        for (protocol, endpoint) in &wanted {
            let wanted = subscribing::Wanted {
                id: None,
                protocol: subscribing::protocol(protocol)?,
                endpoint: endpoint.clone(),
                attributes: Vec::new(),
                principal: super::subscriptions::principal(request),
                owner: request.account.to_string(),
            };
            subscribing::make(&self.service, region, topic, &wanted).await?;
        }
        let gone = old.map(inline).unwrap_or_default();
        let gone: Vec<_> = gone
            .into_iter()
            .filter(|one| !wanted.contains(one))
            .collect();
        let known = region.subscriptions(&topic.record.name);
        for subscription in known.values() {
            let record = &subscription.record;
            let is_gone = |(protocol, endpoint): &(String, String)| {
                record.protocol.as_str() == protocol && record.endpoint == *endpoint
            };
            if record.status != Status::Ended && gone.iter().any(is_gone) {
                let arn = SubscriptionArn {
                    topic: topic.arn.clone(),
                    id: record.id.clone(),
                };
                subscriptions::end(&self.service, region, &arn).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn remove_topic(&self, physical_id: &str) -> Result<(), Refusal> {
        let (region, arn) = self.topic_of(physical_id).await?;
        remove(&self.service, &region, &arn.name).await
    }
}

fn is_ours(known: &Record, wanted: &Wanted) -> bool {
    let owner = |name: &str| wanted.tags.iter().find(|(key, _)| key == name);
    let owners = [owner(STACK_TAG), owner(LOGICAL_ID_TAG)];
    owners
        .into_iter()
        .flatten()
        .all(|tag| known.tags.contains(tag))
}

/// Protocols and endpoints.
fn inline(properties: &Properties) -> Vec<(String, String)> {
    let listed = properties.get("Subscription").and_then(Value::as_array);
    let one = |one: &Value| {
        let part = |name: &str| one.get(name).and_then(resource_types::text_of);
        Some((part("Protocol")?, part("Endpoint")?))
    };
    listed.into_iter().flatten().filter_map(one).collect()
}
