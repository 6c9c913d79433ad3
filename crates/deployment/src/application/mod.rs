//! From deployed resources to an application: the functions that run and the APIs that lead to them.
//!
//! Lives here: reading the resources of one revision as one immutable `model::application::Application`.
//! Does not live here: deploying (the engine), serving (`gateway`), building code (`build`).

mod authorizers;
mod bundle;
mod concurrency;
mod domains;
mod event_sources;
mod function_urls;
mod functions;
mod gateway_responses;
mod http;
mod integration;
mod keys;
mod mock;
mod openapi;
mod policies;
mod proxy;
mod rates;
mod refusals;
mod rest;
mod stages;
#[cfg(test)]
mod tests;
mod validation;
mod versions;
mod view;

use std::collections::BTreeMap;

use model::application::Application;
use model::artefact::Built;
use model::ids::{AccountId, LogicalId, Region};
use model::problem::Problem;
use serde_json::Value;

use crate::deployed::Deployed;
use functions::Surroundings;
use view::{Resource, View};

/// The Serverless Framework's own bucket, which nothing ever reads from here.
const DEPLOYMENT_BUCKET: &str = "ServerlessDeploymentBucket";

/// The application that these resources are, and what of it does not run or is not served.
///
/// `built` holds the code of functions and layers by their logical ids; a function whose code is missing there is left
/// out, and whoever failed to read or build it has said why. Routes to it stay: whoever calls them is told that there is
/// no such function. `concurrency` is the account's: how many events may run at once, of all functions together.
#[must_use]
pub fn assemble(
    deployed: &Deployed,
    built: &BTreeMap<LogicalId, Built>,
    account: &AccountId,
    region: &Region,
    concurrency: usize,
) -> (Application, Vec<Problem>) {
    let resources = deployed.resources.iter().map(|resource| Resource {
        logical_id: &resource.logical_id,
        resource_type: &resource.resource_type,
        physical_id: &resource.physical_id,
        properties: &resource.properties,
        attributes: &resource.attributes,
        place: &resource.place,
        node: &resource.node,
    });
    let view = View {
        resources: resources.collect(),
        stood_in: &deployed.stood_in,
    };
    let surroundings = Surroundings {
        revision: &deployed.revision,
        account,
        region,
        built,
        concurrency,
    };
    assemble_view(&view, surroundings)
}

fn assemble_view(view: &View<'_>, surroundings: Surroundings<'_>) -> (Application, Vec<Problem>) {
    let mut problems = Vec::new();
    report_what_is_only_recorded(view, &mut problems);
    let publications = versions::publications(view, &mut problems);
    let granted = concurrency::grant(view, &publications, surroundings.concurrency, &mut problems);
    let functions = functions::functions(view, surroundings, &granted, &mut problems);
    // Routes may lead to any function that is declared: one whose build failed is missed when it is invoked, and its
    // own problem has been reported.
    let callable = versions::callable(view, &publications);
    let (api_keys, usage_plans) = keys::read(view, &mut problems);
    let rest_apis = rest::apis(view, &callable, &mut problems);
    let http_apis = http::apis(view, &callable, &mut problems);
    let domains = domains::read(view, (&rest_apis, &http_apis), &mut problems);
    let application = Application {
        domains,
        api_keys,
        usage_plans,
        region: surroundings.region.clone(),
        roles: policies::of_roles(view),
        function_urls: function_urls::urls(view, &callable, &mut problems),
        rest_apis,
        http_apis,
        event_sources: event_sources::mappings(view, &callable, &mut problems),
        qualified: versions::qualified(&publications, &functions, &granted),
        functions,
        ..Application::empty(surroundings.revision.clone())
    };
    (application, problems)
}

/// What every resource of a kind has in common is said once.
fn report_what_is_only_recorded(view: &View<'_>, problems: &mut Vec<Problem>) {
    let policies = view
        .resources
        .iter()
        .find(|resource| states_permissions(resource));
    if let Some(role) = policies {
        problems.push(
            Problem::warning(
                "deployment::policies-not-enforced",
                "permissions are recorded, but not enforced yet",
            )
            .at(role.place)
            .because("a call that the cloud would refuse with AccessDenied is carried out here")
            .help("try in the cloud what depends on a refusal"),
        );
    }
    for bucket in view.of_type("AWS::S3::Bucket") {
        if bucket.logical_id.as_str() != DEPLOYMENT_BUCKET {
            problems.push(
                Problem::error(
                    "deployment::bucket-not-served",
                    format!("bucket `{}` is only a name", bucket.logical_id),
                )
                .at(bucket.place)
                .because("Amazon S3 is not served yet: every call to the bucket is refused"),
            );
        }
    }
}

/// Whether somebody wrote down what may be done. Writing logs and traces is what every tool allows every function, and
/// calls of APIs are looked at.
fn states_permissions(resource: &Resource<'_>) -> bool {
    let documents: Vec<&Value> = match resource.resource_type {
        "AWS::IAM::Policy" | "AWS::IAM::ManagedPolicy" => resource
            .properties
            .get("PolicyDocument")
            .into_iter()
            .collect(),
        "AWS::IAM::Role" => {
            let policies = resource
                .properties
                .get("Policies")
                .and_then(Value::as_array);
            let policies = policies.into_iter().flatten();
            policies
                .filter_map(|policy| policy.get("PolicyDocument"))
                .collect()
        }
        _ => Vec::new(),
    };
    let statements = documents
        .into_iter()
        .filter_map(|document| document.get("Statement"));
    statements
        .flat_map(one_or_many)
        .any(|statement| match statement.get("Action") {
            Some(actions) => one_or_many(actions).any(|action| {
                let action = action.as_str().unwrap_or_default();
                !["logs:", "xray:", "execute-api:"]
                    .iter()
                    .any(|prefix| action.starts_with(prefix))
            }),
            None => true,
        })
}

fn one_or_many(value: &Value) -> impl Iterator<Item = &Value> {
    let many = value.as_array().map(Vec::as_slice);
    many.unwrap_or(std::slice::from_ref(value)).iter()
}
