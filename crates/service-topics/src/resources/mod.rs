//! Topics, subscriptions and policies that templates ask for.
//!
//! Lives here: the provider: which resource is meant, its id, what CloudFormation says of it.
//! Does not live here: the properties (`tables`), making each (`topics`, `subscriptions`, `policies`), the order of resources
//! (`deployment`).
//!
//! Contract: AWS CloudFormation Template Reference, `AWS::SNS::Topic`, `AWS::SNS::Subscription`, `AWS::SNS::TopicPolicy`,
//! `AWS::SNS::TopicInlinePolicy`.

mod policies;
mod subscriptions;
mod tables;
mod topics;

use std::sync::Arc;

use interfaces::BoxFuture;
use interfaces::resource_provider::{
    Made, Properties, PropertyProblem, ProviderError, ResourceProvider, ResourceRequest, UpdatePlan,
};
use resource_types::{document_of, text_of};

use crate::arns::TopicArn;
use crate::refusal::Refusal;
use crate::service::Inner;
use crate::state::catalogue::Region;
use crate::state::keys::Place;

pub use tables::coverage;
use tables::{INLINE_POLICY, POLICY, SUBSCRIPTION, TOPIC, table};

/// The provider of the four types.
pub(crate) struct Topics {
    service: Arc<Inner>,
}

impl Topics {
    pub(crate) fn new(service: Arc<Inner>) -> Self {
        Self { service }
    }

    async fn region(&self, request: &ResourceRequest) -> Result<Arc<Region>, Refusal> {
        let place = Place {
            account: request.account.clone(),
            region: request.region.clone(),
        };
        self.service.catalogue.region(&place).await
    }

    async fn topic_of(&self, arn: &str) -> Result<(Arc<Region>, TopicArn), Refusal> {
        let arn = TopicArn::read("TopicArn", arn, None)?;
        Ok((self.service.region_of(&arn).await?, arn))
    }

    async fn make(
        &self,
        request: &ResourceRequest,
        old: Option<&Properties>,
    ) -> Result<Made, Refusal> {
        match request.resource_type.as_str() {
            TOPIC => self.make_topic(request, old).await,
            SUBSCRIPTION => self.make_subscription(request).await,
            POLICY | INLINE_POLICY => self.set_policies(request, old).await,
            other => Err(unknown(other)),
        }
    }

    async fn remove(&self, physical_id: &str, request: &ResourceRequest) -> Result<(), Refusal> {
        match request.resource_type.as_str() {
            TOPIC => self.remove_topic(physical_id).await,
            SUBSCRIPTION => self.remove_subscription(physical_id).await,
            POLICY | INLINE_POLICY => self.remove_policies(&request.properties).await,
            other => Err(unknown(other)),
        }
    }
}

impl ResourceProvider for Topics {
    fn resource_types(&self) -> &[&'static str] {
        &[TOPIC, SUBSCRIPTION, POLICY, INLINE_POLICY]
    }

    fn check(&self, resource_type: &str, properties: &Properties) -> Vec<PropertyProblem> {
        table(resource_type).map_or_else(Vec::new, |table| table.check(properties))
    }

    fn physical_id(&self, request: &ResourceRequest) -> String {
        match request.resource_type.as_str() {
            TOPIC => topics::arn(request),
            SUBSCRIPTION => subscriptions::arn(request),
            INLINE_POLICY => text(&request.properties, "TopicArn").unwrap_or_default(),
            _ => request.generated_name.clone(),
        }
    }

    fn plan_update(&self, resource_type: &str, old: &Properties, new: &Properties) -> UpdatePlan {
        table(resource_type).map_or(UpdatePlan::Nothing, |table| table.plan_update(old, new))
    }

    fn create<'a>(
        &'a self,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Made, ProviderError>> {
        Box::pin(async move { self.make(request, None).await.map_err(failed) })
    }

    fn update<'a>(
        &'a self,
        _physical_id: &'a str,
        old: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Made, ProviderError>> {
        Box::pin(async move { self.make(request, Some(old)).await.map_err(failed) })
    }

    fn delete<'a>(
        &'a self,
        physical_id: &'a str,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(async move { self.remove(physical_id, request).await.map_err(failed) })
    }
}

fn failed(refusal: Refusal) -> ProviderError {
    ProviderError {
        message: refusal.message,
    }
}

fn unknown(resource_type: &str) -> Refusal {
    Refusal::not_implemented(&format!("the type {resource_type}"))
}

/// The text of a property.
fn text(properties: &Properties, name: &str) -> Option<String> {
    properties.get(name).and_then(text_of)
}

/// A property that is JSON, as an object or as a text.
fn json_text(properties: &Properties, name: &str) -> Option<String> {
    properties.get(name).and_then(document_of)
}
