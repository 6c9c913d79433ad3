//! Buses, rules, schedules and what belongs to them, that templates ask for.
//!
//! Lives here: the provider: which resource is meant, its id, what CloudFormation says of it.
//! Does not live here: the properties (`tables`), the order of resources (`deployment`).
//!
//! Contract: AWS CloudFormation Template Reference, `AWS::Events` and `AWS::Scheduler`, "Return values" of each type.

mod make;
mod tables;

use std::sync::Arc;

use interfaces::BoxFuture;
use interfaces::resource_provider::{
    Made, Properties, PropertyProblem, ProviderError, ResourceProvider, ResourceRequest, UpdatePlan,
};
use model::arn::Arn;
use patterns::Pattern;
use resource_types::{Details as _, document_of, problem_at, text_in};
use serde_json::Value;

use crate::engine::catalogue::Catalogue;
use crate::engine::keys::Place;
use crate::engine::state::DEFAULT;
use crate::events::targets::judge_arn;
use crate::fault::Fault;
use crate::times::Expression;

pub use tables::coverage;
use tables::{ARCHIVE, BUS, BUS_POLICY, RULE, SCHEDULE, TYPES, table};

/// What helps where a rule's schedule is refused.
const SCHEDULES: &str = "it looks like `rate(1 minute)`, `rate(5 minutes)` or `cron(0 3 * * ? *)`: six fields, in UTC, \
                         and `?` for one of the two days";

/// The provider of all these types.
pub(crate) struct Buses {
    catalogue: Arc<Catalogue>,
}

impl Buses {
    pub(crate) fn new(catalogue: Arc<Catalogue>) -> Self {
        Self { catalogue }
    }
}

impl ResourceProvider for Buses {
    fn resource_types(&self) -> &[&'static str] {
        TYPES
    }

    fn check(&self, resource_type: &str, properties: &Properties) -> Vec<PropertyProblem> {
        let mut problems =
            table(resource_type).map_or_else(Vec::new, |table| table.check(properties));
        match resource_type {
            RULE => problems.extend(rule_problems(properties)),
            ARCHIVE => problems.extend(pattern_problem(properties)),
            SCHEDULE => problems.extend(schedule_problems(properties)),
            _ => {}
        }
        problems
    }

    fn physical_id(&self, request: &ResourceRequest) -> String {
        let properties = &request.properties;
        let name = || text_in(properties, "Name").unwrap_or_else(|| request.generated_name.clone());
        match request.resource_type.as_str() {
            RULE => match bus_of(properties, &place(request)).name.as_str() {
                DEFAULT => name(),
                bus => format!("{bus}|{}", name()),
            },
            BUS_POLICY => {
                let bus = text_in(properties, "EventBusName").unwrap_or_else(|| DEFAULT.to_owned());
                let statement = text_in(properties, "StatementId").unwrap_or_default();
                format!("{bus}|{statement}")
            }
            BUS => text_in(properties, "Name").unwrap_or_default(),
            ARCHIVE => {
                text_in(properties, "ArchiveName").unwrap_or_else(|| request.generated_name.clone())
            }
            _ => name(),
        }
    }

    fn plan_update(&self, resource_type: &str, old: &Properties, new: &Properties) -> UpdatePlan {
        table(resource_type).map_or(UpdatePlan::Nothing, |table| table.plan_update(old, new))
    }

    fn create<'a>(
        &'a self,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Made, ProviderError>> {
        Box::pin(async move { self.make(request).await.map_err(failed) })
    }

    fn update<'a>(
        &'a self,
        _physical_id: &'a str,
        _old: &'a Properties,
        request: &'a ResourceRequest,
    ) -> BoxFuture<'a, Result<Made, ProviderError>> {
        Box::pin(async move { self.make(request).await.map_err(failed) })
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

fn bus_of(properties: &Properties, place: &Place) -> crate::events::BusRef {
    crate::events::BusRef::read(text_in(properties, "EventBusName").as_deref(), place)
}

/// A property that is JSON, as an object or as a text; an empty one is none.
fn json_text(properties: &Properties, name: &str) -> Option<String> {
    let document = properties.get(name).and_then(document_of);
    document.filter(|text| !text.is_empty())
}

fn pattern_problem(properties: &Properties) -> Option<PropertyProblem> {
    let pattern = json_text(properties, "EventPattern")?;
    let error = Pattern::parse(&pattern).err()?;
    let title = "EventBridge would refuse this pattern".to_owned();
    Some(problem_at(&["EventPattern"], title).because(error.reason))
}

fn rule_problems(properties: &Properties) -> Vec<PropertyProblem> {
    let mut problems: Vec<PropertyProblem> = pattern_problem(properties).into_iter().collect();
    let mut refuse = |path: &[&str], title: &str, cause: String| {
        problems.push(problem_at(path, title.to_owned()).because(cause));
    };
    let has = |name: &str| properties.get(name).is_some_and(|value| !value.is_null());
    if !has("EventPattern") && !has("ScheduleExpression") {
        let cause = "Parameter(s) EventPattern or ScheduleExpression must be specified.";
        refuse(&[], "the rule is about nothing", cause.to_owned());
    }
    let targets = properties.get("Targets").and_then(Value::as_array);
    for (number, target) in targets.into_iter().flatten().enumerate() {
        let arn = target.get("Arn").and_then(Value::as_str);
        if let Some(Ok(arn)) = arn.map(Arn::parse)
            && let Err(fault) = judge_arn(&arn)
        {
            let number = number.to_string();
            let path = ["Targets", &number, "Arn"];
            refuse(&path, "events cannot be sent to this target", fault.message);
        }
    }
    if let Some(expression) = text_in(properties, "ScheduleExpression")
        && Expression::of_rule(&expression).is_none()
    {
        let title = "EventBridge would refuse this schedule".to_owned();
        problems.push(PropertyProblem {
            help: Some(SCHEDULES.to_owned()),
            ..problem_at(&["ScheduleExpression"], title)
                .because("Parameter ScheduleExpression is not valid.")
        });
    }
    problems
}

fn schedule_problems(properties: &Properties) -> Vec<PropertyProblem> {
    let mut problems = Vec::new();
    if let Some(expression) = text_in(properties, "ScheduleExpression")
        && Expression::of_schedule(&expression).is_none()
    {
        let title = "the Scheduler would refuse this schedule".to_owned();
        let cause = format!("Invalid Schedule Expression {expression}.");
        problems.push(problem_at(&["ScheduleExpression"], title).because(cause));
    }
    let target = properties.get("Target");
    let arn = target.and_then(|target| target.get("Arn")?.as_str());
    if let Some(Ok(arn)) = arn.map(Arn::parse) {
        let refused = match arn.service.as_str() {
            "scheduler" => Some("universal targets (aws-sdk) are not implemented yet".to_owned()),
            _ => judge_arn(&arn).err().map(|fault| fault.message),
        };
        if let Some(cause) = refused {
            let title = "schedules cannot call this target".to_owned();
            problems.push(problem_at(&["Target", "Arn"], title).because(cause));
        }
    }
    problems
}
