//! Policies of topics in templates.
//!
//! Lives here: `AWS::SNS::TopicPolicy`, `AWS::SNS::TopicInlinePolicy`.

use interfaces::resource_provider::{Made, Properties, ResourceRequest};
use serde_json::Value;

use super::tables::INLINE_POLICY;
use super::{Topics, json_text, text};
use crate::operations::checked_topic_attribute;
use crate::refusal::Refusal;
use crate::state::catalogue::Change;
use crate::state::topic::{Given, Topic};

/// The topics that a policy is of.
fn topics(properties: &Properties) -> Vec<String> {
    let one = text(properties, "TopicArn");
    let listed = properties.get("Topics").and_then(Value::as_array);
    let listed = listed.into_iter().flatten();
    one.into_iter()
        .chain(listed.filter_map(resource_types::text_of))
        .collect()
}

impl Topics {
    pub(super) async fn set_policies(
        &self,
        request: &ResourceRequest,
        old: Option<&Properties>,
    ) -> Result<Made, Refusal> {
        let document = json_text(&request.properties, "PolicyDocument").unwrap_or_default();
        let wanted = topics(&request.properties);
        for topic in old.map(topics).unwrap_or_default() {
            if !wanted.contains(&topic) {
                self.set_policy(&topic, "").await?;
            }
        }
        for topic in &wanted {
            if !self.set_policy(topic, &document).await? {
                return Err(Refusal::not_found("Topic"));
            }
        }
        let physical_id = match request.resource_type.as_str() {
            INLINE_POLICY => text(&request.properties, "TopicArn").unwrap_or_default(),
            _ => request.generated_name.clone(),
        };
        Ok(Made {
            attributes: resource_types::attributes(&[("Id", &physical_id)]),
            physical_id,
        })
    }

    pub(super) async fn remove_policies(&self, properties: &Properties) -> Result<(), Refusal> {
        for topic in topics(properties) {
            self.set_policy(&topic, "").await?;
        }
        Ok(())
    }

    /// Sets a topic's policy; nothing is the one that every topic begins with. Whether there is such a topic.
    async fn set_policy(&self, arn: &str, document: &str) -> Result<bool, Refusal> {
        let (region, arn) = self.topic_of(arn).await?;
        let _turn = region.turn.lock().await;
        let Some(topic) = region.topic(&arn.name) else {
            return Ok(false);
        };
        let mut record = topic.record.clone();
        match checked_topic_attribute("Policy", document, topic.kind(), Given::Later)? {
            Some(policy) => record.attributes.insert("Policy".to_owned(), policy),
            None => record.attributes.remove("Policy"),
        };
        if record != topic.record {
            let change = Change::PutTopic(Topic::new(record, &region.place));
            self.service
                .catalogue
                .change(&region, vec![change], &[])
                .await?;
        }
        Ok(true)
    }
}
