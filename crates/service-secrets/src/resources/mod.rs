//! Parameters, secrets and keys that templates ask for.
//!
//! Lives here: the provider: which resource is meant, its id, what CloudFormation says of it.
//! Does not live here: the properties (`tables`), the order of resources (`deployment`).
//!
//! Contract: AWS CloudFormation Template Reference, "Return values" of each type.

mod make;
mod tables;

use std::sync::Arc;

use interfaces::BoxFuture;
use interfaces::resource_provider::{
    Made, Properties, PropertyProblem, ProviderError, ResourceProvider, ResourceRequest, UpdatePlan,
};
use resource_types::{Details as _, problem_at, text_of};
use serde_json::Value;

use crate::engine::catalogue::Catalogue;
use crate::engine::keys::Place;
use crate::fault::Fault;
use crate::{kms, secretsmanager};

pub use tables::coverage;
use tables::{ALIAS, ATTACHMENT, KEY, PARAMETER, ROTATION, SECRET, TYPES, table};

/// The provider of all these types.
pub(crate) struct Secrets {
    catalogue: Arc<Catalogue>,
}

impl Secrets {
    pub(crate) const fn new(catalogue: Arc<Catalogue>) -> Self {
        Self { catalogue }
    }
}

impl ResourceProvider for Secrets {
    fn resource_types(&self) -> &[&'static str] {
        TYPES
    }

    fn check(&self, resource_type: &str, properties: &Properties) -> Vec<PropertyProblem> {
        let refuse = |path: &[&str], title: &str, cause: String| {
            problem_at(path, title.to_owned()).because(cause)
        };
        let mut problems =
            table(resource_type).map_or_else(Vec::new, |table| table.check(properties));
        match resource_type {
            ATTACHMENT => problems.push(refuse(
                &[],
                "secrets cannot be attached to a database",
                "there are no databases here that a secret could describe".to_owned(),
            )),
            ROTATION => problems.push(refuse(
                &[],
                "secrets are not rotated",
                "rotation by a function is not implemented yet".to_owned(),
            )),
            KEY => {
                let (spec, usage) = (text(properties, "KeySpec"), text(properties, "KeyUsage"));
                if let Err(fault) = kms::keys::spec_of(spec.as_deref(), usage.as_deref()) {
                    problems.push(refuse(
                        &["KeySpec"],
                        "this key cannot be made",
                        fault.message,
                    ));
                }
            }
            SECRET
                if properties.contains_key("SecretString")
                    && properties.contains_key("GenerateSecretString") =>
            {
                problems.push(refuse(
                    &["GenerateSecretString"],
                    "a secret has one value",
                    "both SecretString and GenerateSecretString are given".to_owned(),
                ));
            }
            _ => {}
        }
        problems
    }

    fn physical_id(&self, request: &ResourceRequest) -> String {
        let named = match request.resource_type.as_str() {
            ALIAS => text(&request.properties, "AliasName"),
            PARAMETER => text(&request.properties, "Name"),
            // Their ids are drawn when they are made.
            _ => None,
        };
        named.unwrap_or_else(|| request.generated_name.clone())
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

/// The text of a property; an empty one is none.
fn text(properties: &Properties, name: &str) -> Option<String> {
    let text = properties.get(name).and_then(text_of);
    text.filter(|text| !text.is_empty())
}

fn flag(properties: &Properties, name: &str) -> Option<bool> {
    text(properties, name).map(|text| text == "true")
}

/// A property that is JSON, as an object or as a text.
fn json_text(properties: &Properties, name: &str) -> Option<String> {
    match properties.get(name)? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Some(other.to_string())
        }
    }
}

/// The secret of a policy.
fn secret_of(request: &ResourceRequest) -> secretsmanager::SecretRef {
    let id = text(&request.properties, "SecretId").unwrap_or_default();
    secretsmanager::SecretRef::read(&id, &place(request))
}
