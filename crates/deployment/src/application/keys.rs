//! API keys and usage plans of an application, from deployed resources.
//!
//! Lives here: keys, plans, and which key is in which plan.
//! Does not live here: which methods ask for a key (`rest`), finding keys and counting (`gateway`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Usage plans and API keys for REST APIs".

use std::collections::{BTreeMap, BTreeSet};

use model::door::{ApiKey, KeyValue, PlanStage, Quota, QuotaPeriod, UsagePlan};
use model::ids::{ApiId, StageName};
use model::problem::{Place, Problem};
use serde_json::Value;

use super::rates::rate_in;
use super::view::{Resource, View};
use crate::records::{KEY_NAME, KEY_VALUE, text_of};

const API_KEY: &str = "AWS::ApiGateway::ApiKey";
const USAGE_PLAN: &str = "AWS::ApiGateway::UsagePlan";
const USAGE_PLAN_KEY: &str = "AWS::ApiGateway::UsagePlanKey";
const REST_API: &str = "AWS::ApiGateway::RestApi";

/// The keys and the plans of these resources.
pub(super) fn read(view: &View<'_>, problems: &mut Vec<Problem>) -> (Vec<ApiKey>, Vec<UsagePlan>) {
    let keys = keys(view, problems);
    report_strays(view, problems);
    let plans: Vec<UsagePlan> = view
        .of_type(USAGE_PLAN)
        .map(|resource| plan(view, resource, problems))
        .collect();
    report_unopened(view, &plans, problems);
    (keys, plans)
}

fn keys(view: &View<'_>, problems: &mut Vec<Problem>) -> Vec<ApiKey> {
    let mut taken: BTreeMap<String, &Place> = BTreeMap::new();
    let mut keys = Vec::new();
    for resource in view.of_type(API_KEY) {
        let kept = |name: &str| resource.attributes.get(name).and_then(text_of);
        let value = kept(KEY_VALUE).unwrap_or_default();
        if let Some(first) = taken.get(&value) {
            problems.push(
                Problem::error(
                    "deployment::api-key-exists",
                    format!("the value of API key `{}` is taken", resource.logical_id),
                )
                .at(&resource.place_of(&["Value"]))
                .because(format!("the key at {first} has it already"))
                .help("give each key a value of its own, or none: it is then given one"),
            );
            continue;
        }
        taken.insert(value.clone(), resource.place);
        keys.push(ApiKey {
            id: resource.physical_id.to_owned(),
            name: kept(KEY_NAME).unwrap_or_else(|| resource.physical_id.to_owned()),
            value: KeyValue::new(value),
            // A key that does not say so is switched off, as `CreateApiKey` documents it.
            is_enabled: resource.is_true("Enabled"),
        });
    }
    keys
}

/// Keys that are put into plans of which one or the other is not of this project.
fn report_strays(view: &View<'_>, problems: &mut Vec<Problem>) {
    for link in view.of_type(USAGE_PLAN_KEY) {
        for (property, resource_type) in [("KeyId", API_KEY), ("UsagePlanId", USAGE_PLAN)] {
            let id = link.text(property).unwrap_or_default();
            let mut known = view.of_type(resource_type);
            if known.any(|one| one.physical_id == id) || view.stood_in.contains(&id) {
                continue;
            }
            problems.push(
                Problem::error(
                    "deployment::api-key-not-in-plan",
                    format!("`{}` puts no key into a plan", link.logical_id),
                )
                .at(&link.place_of(&[property]))
                .because(format!(
                    "its `{property}` `{id}` is not one of this project"
                ))
                .help("name a key and a plan of this project by `Ref`"),
            );
        }
    }
}

/// Stages that a key lists, and that no plan opens for it: the list by itself opens none.
fn report_unopened(view: &View<'_>, plans: &[UsagePlan], problems: &mut Vec<Problem>) {
    for key in view.of_type(API_KEY) {
        let is_of_key =
            |link: &Resource<'_>| link.text("KeyId").as_deref() == Some(key.physical_id);
        let is_elsewhere = |link: &Resource<'_>| {
            let plan = link.text("UsagePlanId");
            plan.is_some_and(|plan| view.stood_in.contains(&plan))
        };
        let mut links = view.of_type(USAGE_PLAN_KEY);
        if links.any(|link| is_of_key(link) && is_elsewhere(link)) {
            continue;
        }
        let of_key = || {
            plans
                .iter()
                .filter(|plan| plan.keys.contains(key.physical_id))
        };
        let listed = key.properties.get("StageKeys").and_then(Value::as_array);
        for (index, listed) in listed.into_iter().flatten().enumerate() {
            let said = |name: &str| listed.get(name).and_then(text_of).unwrap_or_default();
            let (api, stage) = (said("RestApiId"), said("StageName"));
            let is_opened =
                |one: &PlanStage| one.api.as_str() == api && one.stage.as_str() == stage;
            if of_key().flat_map(|plan| &plan.stages).any(is_opened) {
                continue;
            }
            problems.push(
                Problem::warning(
                    "deployment::api-key-opens-nothing",
                    format!(
                        "API key `{}` does not open the stage `{stage}`",
                        key.logical_id
                    ),
                )
                .at(&key.place_of(&["StageKeys", &index.to_string()]))
                .because("a key opens the stages of its usage plans; the list of a key by itself opens none")
                .help(
                    "put the key into a plan (`AWS::ApiGateway::UsagePlanKey`) that has the stage among its `ApiStages`",
                ),
            );
        }
    }
}

fn plan(view: &View<'_>, resource: &Resource<'_>, problems: &mut Vec<Problem>) -> UsagePlan {
    let stages = resource.properties.get("ApiStages");
    let stages = stages.and_then(Value::as_array).into_iter().flatten();
    let stages: Vec<PlanStage> = stages.filter_map(plan_stage).collect();
    for (index, stage) in stages.iter().enumerate() {
        let mut apis = view.of_type(REST_API);
        let id = stage.api.as_str();
        if !apis.any(|api| api.physical_id == id) && !view.stood_in.contains(id) {
            problems.push(
                Problem::warning(
                    "deployment::plan-opens-nothing",
                    format!(
                        "usage plan `{}` opens an API that is not there",
                        resource.logical_id
                    ),
                )
                .at(&resource.place_of(&["ApiStages", &index.to_string(), "ApiId"]))
                .because(format!("`{id}` is not a REST API of this project")),
            );
        }
    }
    let links = view.of_type(USAGE_PLAN_KEY);
    let of_plan =
        |link: &&Resource<'_>| link.text("UsagePlanId").as_deref() == Some(resource.physical_id);
    let keys: BTreeSet<String> = links
        .filter(of_plan)
        .filter_map(|link| link.text("KeyId"))
        .collect();
    UsagePlan {
        id: resource.physical_id.to_owned(),
        name: resource
            .text("UsagePlanName")
            .unwrap_or_else(|| resource.logical_id.to_string()),
        throttle: resource
            .properties
            .get("Throttle")
            .and_then(|throttle| rate_in(|name| throttle.get(name), "BurstLimit", "RateLimit")),
        quota: resource.properties.get("Quota").and_then(quota),
        stages,
        keys,
        place: Some(resource.place.clone()),
    }
}

fn plan_stage(value: &Value) -> Option<PlanStage> {
    let methods = value.get("Throttle").and_then(Value::as_object);
    let methods = methods
        .into_iter()
        .flatten()
        .filter_map(|(path, throttle)| {
            let rate = rate_in(|name| throttle.get(name), "BurstLimit", "RateLimit")?;
            Some((path.clone(), rate))
        });
    Some(PlanStage {
        api: ApiId::new(text_of(value.get("ApiId")?)?),
        stage: StageName::new(text_of(value.get("Stage")?)?),
        methods: methods.collect(),
    })
}

/// A quota without a limit or a period limits nothing.
fn quota(value: &Value) -> Option<Quota> {
    let whole = |name: &str| value.get(name).and_then(text_of)?.parse().ok();
    let period = match value.get("Period").and_then(text_of)?.as_str() {
        "DAY" => QuotaPeriod::Day,
        "WEEK" => QuotaPeriod::Week,
        "MONTH" => QuotaPeriod::Month,
        _ => return None,
    };
    Some(Quota {
        limit: whole("Limit")?,
        offset: whole("Offset").unwrap_or(0),
        period,
    })
}
