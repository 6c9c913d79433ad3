//! From deployed resources to an application: the functions that run and the APIs that lead to them.
//!
//! Lives here: reading the resources of one revision as one immutable `model::application::Application`.
//! Does not live here: deploying (the engine), serving (`gateway`), building code (`build`).

mod asynchronous;
mod authorizers;
mod bundle;
mod concurrency;
mod custom;
mod domains;
mod event_sources;
mod function_urls;
mod functions;
mod gateway_responses;
mod http;
mod integration;
mod keys;
mod load_balancers;
mod mock;
mod openapi;
mod policies;
mod proxy;
mod rates;
mod refusals;
mod rest;
mod services;
mod shifts;
mod stages;
#[cfg(test)]
mod tests;
mod triggers;
mod validation;
mod versions;
mod view;
mod websockets;

use std::collections::BTreeMap;

use model::application::Application;
use model::artefact::Built;
use model::ids::{AccountId, LogicalId, Region};
use model::problem::Problem;

use crate::deployed::Deployed;
use functions::Surroundings;
use view::{Resource, View};

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
    let (application, mut problems) = assemble_view(&view, surroundings);
    let looked_up = &deployed.looked_up;
    problems.retain(|problem| !looked_up.is_about_stand_in(problem));
    for problem in &mut problems {
        looked_up.hide_in(problem);
    }
    (application, problems)
}

fn assemble_view(view: &View<'_>, surroundings: Surroundings<'_>) -> (Application, Vec<Problem>) {
    let mut problems = Vec::new();
    let publications = versions::publications(view, &mut problems);
    let granted = concurrency::grant(view, &publications, surroundings.concurrency, &mut problems);
    let functions = functions::functions(view, surroundings, &granted, &mut problems);
    let snapshots = functions::snapshots(view, surroundings, &granted, &mut problems);
    // Routes may lead to any function that is declared: one whose build failed is missed when it is invoked, and its
    // own problem has been reported.
    let callable = versions::callable(view, &publications);
    let (api_keys, usage_plans) = keys::read(view, &mut problems);
    let rest_apis = rest::apis(view, &callable, &mut problems);
    let http_apis = http::apis(view, &callable, &mut problems);
    let websocket_apis = websockets::apis(view, &callable, &mut problems);
    let apis = (&*rest_apis, &*http_apis, &*websocket_apis);
    let domains = domains::read(view, apis, &mut problems);
    let application = Application {
        domains,
        listeners: load_balancers::listeners(view, &callable, &mut problems),
        api_keys,
        usage_plans,
        region: surroundings.region.clone(),
        function_urls: function_urls::urls(view, &callable, &mut problems),
        rest_apis,
        http_apis,
        websocket_apis,
        event_sources: event_sources::mappings(view, &callable, &mut problems),
        triggers: triggers::triggers(view, surroundings.account, &mut problems),
        event_invokes: asynchronous::event_invokes(view, &mut problems),
        dead_letters: asynchronous::dead_letters(view, &mut problems),
        may_recur: shifts::may_recur(view),
        shifts: shifts::shifts(&publications, &mut problems),
        function_policies: asynchronous::policies(view, &functions),
        qualified: versions::qualified(&publications, &functions, &snapshots, &granted),
        functions,
        ..Application::empty(surroundings.revision.clone())
    };
    (application, problems)
}
