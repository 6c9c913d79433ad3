//! API keys and usage plans.
//!
//! Lives here: keys and plans, alone or in named groups.
//! Does not live here: counting (`gateway`).

use cloudformation::node::{Entry, Node};
use model::problem::{Place, Problem};

use super::deployment_id;
use crate::serverless_framework::build::{self, Object};
use crate::serverless_framework::service::Service;
use crate::serverless_framework::template::Draft;
use crate::serverless_framework::{naming, script};

/// The only plan, where plans have no names.
const PLAN_DEFAULT: &str = "default";

pub(super) fn write(service: &Service<'_>, place: &Place, draft: &mut Draft) {
    let keys = script::truthy(service.setting_at(&["apiGateway", "apiKeys"]));
    let plan = script::truthy(service.setting_at(&["apiGateway", "usagePlan"]));
    if keys.is_none() && plan.is_none() {
        return;
    }
    let named: Vec<&Entry> = plan
        .and_then(Node::as_sequence)
        .unwrap_or_default()
        .iter()
        .filter_map(first_entry)
        .collect();
    if plan.is_some_and(|plan| plan.as_sequence().is_some()) {
        for entry in &named {
            write_plan(
                service,
                &entry.key,
                Some(&entry.value),
                &entry.key_place,
                draft,
            );
        }
    } else {
        write_plan(service, PLAN_DEFAULT, plan, place, draft);
    }
    let mut number = 0;
    for definition in keys.and_then(Node::as_sequence).unwrap_or_default() {
        let group =
            first_entry(definition).filter(|entry| named.iter().any(|plan| plan.key == entry.key));
        match group {
            Some(group) => {
                number = 0;
                for key in group.value.as_sequence().unwrap_or_default() {
                    number += 1;
                    write_key(service, key, Some(&group.key), number, draft);
                }
            }
            None if first_entry(definition)
                .is_some_and(|entry| entry.value.as_sequence().is_some()) =>
            {
                draft.problems.push(without_plan(definition));
            }
            None => {
                number += 1;
                write_key(service, definition, None, number, draft);
            }
        }
    }
}

fn without_plan(definition: &Node) -> Problem {
    Problem::error(
        "manifest::api-keys-without-plan",
        "these API keys have no usage plan of their name",
    )
    .at(&definition.place)
    .help("add a plan with the group's name to `provider.apiGateway.usagePlan`")
}

fn first_entry(node: &Node) -> Option<&Entry> {
    node.as_mapping()?.iter().next()
}

fn plan_id(name: &str) -> String {
    if name == PLAN_DEFAULT {
        return "ApiGatewayUsagePlan".to_owned();
    }
    format!("ApiGatewayUsagePlan{}", naming::upper_first(name))
}

fn write_plan(
    service: &Service<'_>,
    name: &str,
    plan: Option<&Node>,
    place: &Place,
    draft: &mut Draft,
) {
    let (service_name, stage) = (&service.name, &service.stage);
    let (description, plan_name) = if name == PLAN_DEFAULT {
        (
            format!("Usage plan for {service_name} {stage} stage"),
            format!("{service_name}-{stage}"),
        )
    } else {
        (
            format!("Usage plan \"{name}\" for {service_name} {stage} stage"),
            format!("{service_name}-{name}-{stage}"),
        )
    };
    let part = |key: &str, names: &[(&str, &str)]| {
        let source = script::truthy(plan.and_then(|plan| plan.get(key)))?;
        let mut object = Object::new(&source.place);
        for (from, to) in names {
            if let Some(value) = source.get(from) {
                object.set(to, value);
            }
        }
        Some(object)
    };
    let quota = [
        ("limit", "Limit"),
        ("offset", "Offset"),
        ("period", "Period"),
    ];
    let throttle = [("burstLimit", "BurstLimit"), ("rateLimit", "RateLimit")];
    let api_stage = Object::new(place)
        .with("ApiId", service.rest_api_id(place))
        .with("Stage", stage);
    let properties = Object::new(place)
        .with("ApiStages", vec![api_stage])
        .with("Description", description)
        .with("UsagePlanName", plan_name)
        .with_some("Quota", part("quota", &quota))
        .with_some("Throttle", part("throttle", &throttle));
    let resource = build::resource("AWS::ApiGateway::UsagePlan", properties)
        .with("DependsOn", deployment_id(service));
    draft.add(&plan_id(name), resource);
}

fn write_key(
    service: &Service<'_>,
    key: &Node,
    group: Option<&str>,
    number: u32,
    draft: &mut Draft,
) {
    let place = &key.place;
    let suffix = format!(
        "{}{number}",
        group.map(naming::upper_first).unwrap_or_default()
    );
    let id = format!("ApiGatewayApiKey{suffix}");
    let option = |name: &str| key.get(name);
    let name = if key.as_mapping().is_some() {
        option("name")
    } else {
        Some(key)
    };
    let enabled = script::present(option("enabled")).cloned();
    let stage = Object::new(place)
        .with("RestApiId", service.rest_api_id(place))
        .with("StageName", &service.stage);
    let properties = Object::new(place)
        .with(
            "Enabled",
            enabled.unwrap_or_else(|| build::Part::into_node(true, place)),
        )
        .with_some("Name", name)
        .with_some("Value", script::truthy(option("value")))
        .with_some("Description", option("description"))
        .with_some("CustomerId", option("customerId"))
        .with("StageKeys", vec![stage]);
    let resource = build::resource("AWS::ApiGateway::ApiKey", properties)
        .with("DependsOn", deployment_id(service));
    draft.add(&id, resource);
    let plan = plan_id(group.unwrap_or(PLAN_DEFAULT));
    let link = Object::new(place)
        .with("KeyId", build::reference(&id, place))
        .with("KeyType", "API_KEY")
        .with("UsagePlanId", build::reference(&plan, place));
    let link = build::resource("AWS::ApiGateway::UsagePlanKey", link);
    draft.add(&format!("ApiGatewayUsagePlanKey{suffix}"), link);
}
