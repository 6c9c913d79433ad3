//! Making, changing and deleting the resources of a template.
//!
//! Lives here: the seam between `deployment`, which decides on the order, and the services that own resources.
//! Does not live here: intrinsics (`cloudformation`): properties arrive evaluated.

use model::ids::{AccountId, LogicalId, Region, StackName};
use serde_json::{Map, Value};

use crate::BoxFuture;

/// Properties or attributes of a resource.
pub type Properties = Map<String, Value>;

/// Knows some types of resources.
pub trait ResourceProvider: Send + Sync {
    /// The types that it knows, as `AWS::DynamoDB::Table`.
    fn resource_types(&self) -> &[&'static str];

    /// What is wrong with these properties, as far as can be told without making anything. Every property that
    /// is not carried out is named: nothing is accepted and ignored.
    fn check(&self, resource_type: &str, properties: &Properties) -> Vec<PropertyProblem>;

    /// The id under which [`create`](Self::create) will make this resource. One that replaces another needs an id
    /// of its own, which has to be known before anything is made: both would be the same resource otherwise.
    fn physical_id(&self, request: &ResourceRequest) -> String;

    /// What this resource is one of, if such are numbered 1, 2 and so on, and no number is ever given twice: versions of a
    /// function, for one.
    fn series(&self, _request: &ResourceRequest) -> Option<String> {
        None
    }

    /// What a change from `old` to `new` properties takes.
    ///
    /// Contract: AWS CloudFormation Template Reference, "Update requires" of each property.
    fn plan_update(&self, resource_type: &str, old: &Properties, new: &Properties) -> UpdatePlan;

    /// Makes a resource. Called again after a crash with the same request, it finds what it made.
    fn create<'a>(
        &'a self,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Made, ProviderError>>;

    /// Changes a resource in place.
    fn update<'a>(
        &'a self,
        physical_id: &'a str,
        old: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Made, ProviderError>>;

    /// Sees a resource that stays as it is. Whoever took its type over from another provider makes it if it is not there yet.
    fn keep<'a>(
        &'a self,
        _physical_id: &'a str,
        _request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// What a resource that stays is known by from now on: an address may have another port than when it was made.
    fn known_by(&self, made: Made, _request: &ResourceRequest) -> Made {
        made
    }

    /// How many items of data would go with a resource; none for what keeps no data.
    fn items<'a>(
        &'a self,
        _physical_id: &'a str,
        _request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Option<u64>> {
        Box::pin(std::future::ready(None))
    }

    /// Deletes a resource. One that is gone already is no error.
    fn delete<'a>(
        &'a self,
        physical_id: &'a str,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<(), ProviderError>>;
}

/// A resource as its template wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceRequest {
    /// The account.
    pub account: AccountId,
    /// The region.
    pub region: Region,
    /// The stack.
    pub stack: StackName,
    /// The resource's name in the template.
    pub logical_id: LogicalId,
    /// Its type.
    pub resource_type: String,
    /// Its properties, evaluated.
    pub properties: Properties,
    /// A name for it, for when its properties give none: `stack-logical-SUFFIX`, the same on every try.
    pub generated_name: String,
    /// Its number in its [series](ResourceProvider::series), the same on every try; none when it is of no series, or its
    /// number is only about to be drawn.
    pub number: Option<u64>,
}

/// A resource that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// What `Ref` gives.
    pub physical_id: String,
    /// What `GetAtt` gives, by attribute name; nested names keep their dots.
    pub attributes: Properties,
}

/// What a change takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdatePlan {
    /// Nothing that matters has changed.
    Nothing,
    /// "Update requires: No interruption" (or some).
    InPlace,
    /// "Update requires: Replacement".
    Replace,
}

/// Something wrong with one property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropertyProblem {
    /// The way to it from the resource's properties: names and indexes.
    pub path: Vec<String>,
    /// Whether the resource is unusable, or only this property is not carried out.
    pub severity: model::problem::Severity,
    /// What is wrong.
    pub title: String,
    /// Why, or what the cloud does.
    pub cause: Option<String>,
    /// What to do about it.
    pub help: Option<String>,
}

/// A resource could not be made, changed or deleted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProviderError {
    /// The provider's own words, as CloudFormation's `ResourceStatusReason` shows them.
    pub message: String,
}
