//! The provider of resources that are only records here: nothing has to be made for them to be there.
//!
//! Lives here: which types these are, what becomes of each of their properties, and their ids and attributes.
//! Does not live here: turning them into functions and routes (`application`), resources that keep data (their services).

mod event_sources;
mod gateway_domains;
mod gateway_http;
mod gateway_plans;
mod gateway_rest;
mod identity;
mod lambda;
mod load_balancing;
#[cfg(test)]
mod tests;

pub(crate) use resource_types::{asks_for_nothing, text_of};

pub(crate) use identity::{KEPT_BACK, KEY_NAME, KEY_VALUE, URL_ID};
use interfaces::BoxFuture;
use interfaces::resource_provider::{
    Made, Properties, PropertyProblem, ProviderError, ResourceProvider, ResourceRequest, UpdatePlan,
};

use model::coverage::Coverage;
use resource_types::TypeTable;

const TABLES: [&[TypeTable]; 7] = [
    lambda::TYPES,
    event_sources::TYPES,
    gateway_rest::TYPES,
    gateway_plans::TYPES,
    gateway_http::TYPES,
    gateway_domains::TYPES,
    load_balancing::TYPES,
];

/// What becomes of each property of each type that is only a record.
#[must_use]
pub fn coverage() -> Vec<Coverage> {
    TABLES
        .iter()
        .flat_map(|types| resource_types::coverage(types))
        .collect()
}

/// Provides functions, roles, log groups, gateway APIs and whatever else is a record and no more.
#[derive(Debug)]
pub struct RecordProvider {
    types: Vec<&'static str>,
}

impl RecordProvider {
    /// The provider; it keeps nothing.
    #[must_use]
    pub fn new() -> Self {
        Self {
            types: TABLES
                .iter()
                .flat_map(|types| types.iter())
                .map(|table| table.name)
                .collect(),
        }
    }
}

impl Default for RecordProvider {
    fn default() -> Self {
        Self::new()
    }
}

impl ResourceProvider for RecordProvider {
    fn resource_types(&self) -> &[&'static str] {
        &self.types
    }

    fn check(&self, resource_type: &str, properties: &Properties) -> Vec<PropertyProblem> {
        let mut problems =
            table_of(resource_type).map_or_else(Vec::new, |table| table.check(properties));
        if resource_type == "AWS::Lambda::Function" {
            lambda::check_function(properties, &mut problems);
        }
        if resource_type.starts_with("AWS::ElasticLoadBalancingV2::") {
            load_balancing::check_attributes(properties, &mut problems);
        }
        if resource_type == "AWS::ApiGateway::ApiKey" {
            gateway_plans::check_key(properties, &mut problems);
        }
        problems
    }

    fn physical_id(&self, request: &ResourceRequest) -> String {
        identity::identity(request).physical_id
    }

    fn series(&self, request: &ResourceRequest) -> Option<String> {
        identity::series(request)
    }

    fn plan_update(&self, resource_type: &str, old: &Properties, new: &Properties) -> UpdatePlan {
        table_of(resource_type).map_or(UpdatePlan::InPlace, |table| table.plan_update(old, new))
    }

    fn create<'a>(
        &'a self,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Made, ProviderError>> {
        Box::pin(async move { Ok(identity::identity(request)) })
    }

    fn update<'a>(
        &'a self,
        physical_id: &'a str,
        _old: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Made, ProviderError>> {
        Box::pin(async move {
            let made = identity::identity(request);
            // An update in place never changes what `Ref` gives: what would is a replacement.
            Ok(Made {
                physical_id: physical_id.to_owned(),
                ..made
            })
        })
    }

    fn delete<'a>(
        &'a self,
        _physical_id: &'a str,
        _request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(async { Ok(()) })
    }
}

fn table_of(resource_type: &str) -> Option<&'static TypeTable> {
    TABLES
        .iter()
        .flat_map(|types| types.iter())
        .find(|table| table.name == resource_type)
}
