//! What a deployment would find wrong, without making anything.
//!
//! Lives here: the same walk as a deployment, over what providers foresee.
//! Does not live here: deploying (`apply`).

use std::collections::BTreeMap;

use cloudformation::intrinsics::{Context, Environment, Evaluated};
use cloudformation::order::Order;
use cloudformation::template::Resource;
use interfaces::resource_provider::ResourceRequest;
use model::ids::LogicalId;
use model::problem::{Problem, any_error};
use serde_json::Value;

use crate::apply::{
    Deployer, at_property, condition_failed, environment, unknown_type, without_repetitions,
};
use crate::deployed::DeployRequest;
use crate::naming;
use crate::scope::{Exports, Standing, World};

impl Deployer {
    /// Finds what is wrong with a template and its properties. Makes nothing, and does not look at the store: the
    /// exports of other stacks are taken for granted.
    #[must_use]
    pub fn check(&self, request: &DeployRequest<'_>) -> Vec<Problem> {
        let environment = environment(request);
        let mut standing = BTreeMap::new();
        let (context, mut problems) = {
            let world = world(&environment, &standing);
            Context::new(request.template, &environment, request.parameters, &world)
        };
        let order = Order::of(request.template);
        problems.extend(order.problems);
        for id in &order.resources {
            let Some(resource) = request.template.resources.get(id) else {
                continue;
            };
            let evaluated = {
                let world = world(&environment, &standing);
                context.evaluate(&resource.properties, &world)
            };
            if let Some(condition) = &resource.condition {
                match context.holds(&condition.name) {
                    Some(true) => {}
                    Some(false) => continue,
                    None => {
                        problems.push(condition_failed(resource, &condition.name));
                        standing.insert(id.clone(), Standing::Gone);
                        continue;
                    }
                }
            }
            let stands = self.foresee(request, resource, evaluated, &mut problems);
            standing.insert(id.clone(), stands);
        }
        for output in request.template.outputs.values() {
            let is_there = output
                .condition
                .as_ref()
                .is_none_or(|condition| context.holds(&condition.name) == Some(true));
            if is_there {
                let world = world(&environment, &standing);
                problems.extend(context.evaluate(&output.value, &world).problems);
            }
        }
        without_repetitions(problems)
    }

    fn foresee(
        &self,
        request: &DeployRequest<'_>,
        resource: &Resource,
        evaluated: Evaluated,
        problems: &mut Vec<Problem>,
    ) -> Standing {
        let id = &resource.logical_id;
        let generated_name = naming::foreseen(request.stack, id);
        let Some(provider) = self.provider(&resource.resource_type) else {
            problems.push(unknown_type(resource));
            return Standing::Unknown { generated_name };
        };
        problems.extend(evaluated.problems);
        let (Some(Value::Object(properties)), false) = (evaluated.value, evaluated.failed) else {
            return Standing::Gone;
        };
        let checked = provider.check(&resource.resource_type, &properties);
        let found: Vec<Problem> = checked
            .iter()
            .map(|one| at_property(one, resource))
            .collect();
        let is_unusable = any_error(&found);
        problems.extend(found);
        if is_unusable {
            return Standing::Gone;
        }
        Standing::Made(provider.foresee(&ResourceRequest {
            account: request.account.clone(),
            region: request.region.clone(),
            stack: request.stack.clone(),
            logical_id: id.clone(),
            resource_type: resource.resource_type.clone(),
            properties,
            generated_name,
        }))
    }
}

fn world<'a>(
    environment: &'a Environment,
    standing: &'a BTreeMap<LogicalId, Standing>,
) -> World<'a> {
    World {
        environment,
        standing,
        exports: Exports::Foreseen,
    }
}
