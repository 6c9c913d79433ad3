//! Subscriptions of templates.
//!
//! Lives here: `AWS::SNS::Subscription`.

use interfaces::resource_provider::{Made, Properties, ResourceRequest};

use super::{Topics, json_text, text};
use crate::arns::SubscriptionArn;
use crate::operations::{checked_subscription_attribute, subscribing, subscriptions};
use crate::operations::{is_flat_where_it_must_be, subscription_of};
use crate::publishing::digest;
use crate::refusal::Refusal;
use crate::state::catalogue::Change;
use crate::state::subscription::Status;

/// Properties that are attributes of the same name: texts, and JSON.
const TEXTS: [&str; 2] = ["FilterPolicyScope", "RawMessageDelivery"];
const JSON: [&str; 3] = ["FilterPolicy", "RedrivePolicy", "DeliveryPolicy"];

pub(super) fn arn(request: &ResourceRequest) -> String {
    let topic = text(&request.properties, "TopicArn").unwrap_or_default();
    format!("{topic}:{}", id(request))
}

/// The same on every try, and another one for another endpoint.
fn id(request: &ResourceRequest) -> String {
    let part = |name: &str| text(&request.properties, name).unwrap_or_default();
    let (topic, protocol, endpoint) = (part("TopicArn"), part("Protocol"), part("Endpoint"));
    let name = &request.generated_name;
    let digest = digest(&format!("{name}\n{topic}\n{protocol}\n{endpoint}"));
    let part = |range: std::ops::Range<usize>| digest.get(range).unwrap_or_default();
    format!(
        "{}-{}-{}-{}-{}",
        part(0..8),
        part(8..12),
        part(12..16),
        part(16..20),
        part(20..32)
    )
}

/// Templates are deployed by the account itself.
pub(super) fn principal(request: &ResourceRequest) -> String {
    format!("arn:aws:iam::{}:root", request.account)
}

/// Those that are set, and those that are not.
fn attributes_of(properties: &Properties) -> Vec<(String, Option<String>)> {
    let texts = TEXTS.iter().map(|name| (*name, text(properties, name)));
    let json = JSON.iter().map(|name| (*name, json_text(properties, name)));
    let all = texts.chain(json);
    all.map(|(name, value)| (name.to_owned(), value)).collect()
}

impl Topics {
    pub(super) async fn make_subscription(
        &self,
        request: &ResourceRequest,
    ) -> Result<Made, Refusal> {
        let properties = &request.properties;
        let topic_arn = text(properties, "TopicArn").unwrap_or_default();
        let (region, topic_arn) = self.topic_of(&topic_arn).await?;
        let topic = region.topic(&topic_arn.name);
        let topic = topic.ok_or_else(|| Refusal::not_found("Topic"))?;
        let protocol = text(properties, "Protocol").unwrap_or_default();
        let wanted = subscribing::Wanted {
            id: Some(id(request)),
            protocol: subscribing::protocol(&protocol)?,
            endpoint: text(properties, "Endpoint").unwrap_or_default(),
            attributes: Vec::new(),
            principal: principal(request),
            owner: request.account.to_string(),
        };
        let made = subscribing::make(&self.service, &region, &topic, &wanted).await?;
        let _turn = region.turn.lock().await;
        let current = region.subscription(&topic_arn.name, &made.record.id);
        let current = current.filter(|one| one.record.status != Status::Ended);
        let current = current.ok_or_else(|| Refusal::not_found("Subscription"))?;
        let mut record = current.record.clone();
        for (name, value) in attributes_of(properties) {
            let checked = match &value {
                Some(value) => {
                    checked_subscription_attribute(subscription_of(&topic, &record), &name, value)?
                }
                None => None,
            };
            match checked {
                Some(value) => record.attributes.insert(name, value),
                None => record.attributes.remove(&name),
            };
        }
        is_flat_where_it_must_be(&record.attributes)?;
        let arn = current.arn(&topic_arn);
        if record != current.record {
            let change = Change::PutSubscription(Box::new(record));
            self.service
                .catalogue
                .change(&region, vec![change], &[])
                .await?;
        }
        Ok(Made {
            attributes: resource_types::attributes(&[("Arn", &arn)]),
            physical_id: arn,
        })
    }

    pub(super) async fn remove_subscription(&self, physical_id: &str) -> Result<(), Refusal> {
        let arn = SubscriptionArn::read(physical_id, None)?;
        let region = self.service.region_of(&arn.topic).await?;
        subscriptions::end(&self.service, &region, &arn).await
    }
}
