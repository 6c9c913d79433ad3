//! The API of EventBridge Scheduler.
//!
//! Lives here: which operation a request names, what each may be done by.
//! Does not live here: schedules and groups as such (`schedules`, `groups`), firing (`engine::clockwork`).
//!
//! Contract: EventBridge Scheduler API Reference.

mod groups;
mod schedules;

use http::Method;
use interfaces::authorize::Check;
use interfaces::service::ServiceCall;
use model::arn::Arn;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::engine::catalogue::Catalogue;
use crate::engine::keys::Place;
use crate::engine::publish::nested;
use crate::engine::state::DEFAULT;
use crate::fault::{Answer, Fault};
use crate::fields::Fields;

pub(crate) use groups::{create as create_group, delete as delete_group};
pub(crate) use schedules::{delete as delete_schedule, put as put_schedule, read as read_schedule};

/// All operations.
pub(crate) const SUPPORTED: &[&str] = &[
    "CreateSchedule",
    "CreateScheduleGroup",
    "DeleteSchedule",
    "DeleteScheduleGroup",
    "GetSchedule",
    "GetScheduleGroup",
    "ListScheduleGroups",
    "ListSchedules",
    "ListTagsForResource",
    "TagResource",
    "UntagResource",
    "UpdateSchedule",
];

/// What an operation works with.
#[derive(Clone, Copy)]
pub(crate) struct Context<'c> {
    pub(crate) catalogue: &'c Catalogue,
    pub(crate) place: &'c Place,
}

/// A request: its operation, and its members from path, query and body.
struct Request {
    operation: &'static str,
    fields: Fields,
}

pub(crate) async fn run(catalogue: &Catalogue, place: &Place, call: &ServiceCall) -> Answer {
    let context = &Context { catalogue, place };
    let Request { operation, fields } = read(call)?;
    match operation {
        "CreateSchedule" => schedules::create_schedule(context, fields).await,
        "UpdateSchedule" => schedules::update_schedule(context, fields).await,
        "DeleteSchedule" => schedules::delete_schedule(context, fields).await,
        "GetSchedule" => schedules::get_schedule(context, fields).await,
        "ListSchedules" => schedules::list_schedules(context, fields).await,
        "CreateScheduleGroup" => groups::create_schedule_group(context, fields).await,
        "DeleteScheduleGroup" => groups::delete_schedule_group(context, fields).await,
        "GetScheduleGroup" => groups::get_schedule_group(context, fields).await,
        "ListScheduleGroups" => groups::list_schedule_groups(context, fields).await,
        "TagResource" => groups::tag_resource(context, fields).await,
        "UntagResource" => groups::untag_resource(context, fields).await,
        _ => groups::list_tags_for_resource(context, fields).await,
    }
}

fn read(call: &ServiceCall) -> Result<Request, Fault> {
    let (path, query) = match call.path_and_query.split_once('?') {
        Some((path, query)) => (path, query),
        None => (call.path_and_query.as_str(), ""),
    };
    let (kind, name) = match path.trim_start_matches('/').split_once('/') {
        Some((kind, name)) => (kind, Some(decoded(name))),
        None => (path.trim_start_matches('/'), None),
    };
    let operation = operation(&call.method, kind, name.as_deref());
    let operation = operation.ok_or_else(|| {
        Fault::new("UnknownOperationException", "The operation is not known.").with_status(404)
    })?;
    let mut fields = Fields::of_body(&call.body)?;
    let mut keys = Vec::new();
    for (parameter, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        let value = decoded(value);
        match decoded(parameter).as_str() {
            "groupName" => fields.set("GroupName", value.into()),
            "ScheduleGroup" => fields.set("GroupName", value.into()),
            "TagKeys" => keys.push(Value::from(value)),
            "MaxResults" => fields.set("MaxResults", value.parse::<i64>().unwrap_or(-1).into()),
            name @ ("NamePrefix" | "NextToken" | "State" | "clientToken") => {
                fields.set(name, value.into());
            }
            _ => {}
        }
    }
    if !keys.is_empty() {
        fields.set("TagKeys", keys.into());
    }
    if let Some(name) = name {
        let member = if kind == "tags" {
            "ResourceArn"
        } else {
            "Name"
        };
        fields.set(member, name.into());
    }
    Ok(Request { operation, fields })
}

/// Whether a request can be read as one for an operation.
pub(crate) fn is_known(call: &ServiceCall) -> bool {
    read(call).is_ok()
}

fn operation(method: &Method, kind: &str, name: Option<&str>) -> Option<&'static str> {
    Some(match (method.as_str(), kind, name) {
        ("POST", "schedules", Some(_)) => "CreateSchedule",
        ("PUT", "schedules", Some(_)) => "UpdateSchedule",
        ("DELETE", "schedules", Some(_)) => "DeleteSchedule",
        ("GET", "schedules", Some(_)) => "GetSchedule",
        ("GET", "schedules", None) => "ListSchedules",
        ("POST", "schedule-groups", Some(_)) => "CreateScheduleGroup",
        ("DELETE", "schedule-groups", Some(_)) => "DeleteScheduleGroup",
        ("GET", "schedule-groups", Some(_)) => "GetScheduleGroup",
        ("GET", "schedule-groups", None) => "ListScheduleGroups",
        ("POST", "tags", Some(_)) => "TagResource",
        ("DELETE", "tags", Some(_)) => "UntagResource",
        ("GET", "tags", Some(_)) => "ListTagsForResource",
        _ => return None,
    })
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Contract: Service Authorization Reference, "Actions, resources, and condition keys for Amazon EventBridge Scheduler".
pub(crate) fn checks(place: &Place, call: &ServiceCall) -> Vec<Check> {
    let Ok(Request {
        operation,
        mut fields,
    }) = read(call)
    else {
        return Vec::new();
    };
    let mut member = |name: &str| match fields.take(name) {
        Some(Value::String(text)) => Some(text),
        Some(scalar @ (Value::Number(_) | Value::Bool(_))) => Some(scalar.to_string()),
        Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => None,
    };
    let name = member("Name").unwrap_or_default();
    let group = member("GroupName").unwrap_or_else(|| DEFAULT.to_owned());
    let tagged = member("ResourceArn");
    let target = fields.take("Target");
    let resource = match operation {
        "CreateSchedule" | "UpdateSchedule" | "DeleteSchedule" | "GetSchedule" => {
            place.schedule_arn(&group, &name).to_string()
        }
        "CreateScheduleGroup" | "DeleteScheduleGroup" | "GetScheduleGroup" => {
            place.group_arn(&name).to_string()
        }
        "ListSchedules" => place.schedule_arn("*", "*").to_string(),
        "ListScheduleGroups" => place.group_arn("*").to_string(),
        _ => tagged.unwrap_or_else(|| "*".to_owned()),
    };
    let action = format!("scheduler:{operation}");
    let mut checks = vec![Check::new(action, resource, &place.account)];
    let role = target
        .as_ref()
        .and_then(|target| target.get("RoleArn")?.as_str());
    if let Some(role) = role.and_then(|role| Arn::parse(role).ok()) {
        checks.push(Check::pass_role(&role, PRINCIPAL));
    }
    checks
}

/// As whom roles are asked to let the Scheduler in.
const PRINCIPAL: &str = "scheduler.amazonaws.com";

fn no_schedule(name: &str) -> Fault {
    Fault::not_found(format!("Schedule {name} does not exist.")).with_status(404)
}

fn no_group(name: &str) -> Fault {
    Fault::not_found(format!("Schedule group {name} does not exist.")).with_status(404)
}

fn conflict(message: String) -> Fault {
    Fault::new("ConflictException", message).with_status(409)
}

/// Refuses a target that a schedule cannot have here.
fn judge_target(target: &crate::engine::rows::Json) -> Result<(), Fault> {
    let arn = crate::engine::publish::text(target, "Arn").unwrap_or_default();
    let parsed =
        Arn::parse(arn).map_err(|_| Fault::validation("Provided Arn is not in correct format."))?;
    if parsed.service == "scheduler" {
        return Err(Fault::not_implemented("a universal target (aws-sdk)"));
    }
    for name in ["EcsParameters", "SageMakerPipelineParameters"] {
        if target.contains_key(name) {
            return Err(Fault::not_implemented(&format!("Target.{name}")));
        }
    }
    let is_templated = matches!(
        parsed.service.as_str(),
        "lambda" | "sqs" | "sns" | "kinesis"
    ) || parsed.service == "events" && parsed.resource.starts_with("event-bus/");
    if !is_templated {
        let what = format!("a target of the service {}", parsed.service);
        return Err(Fault::not_implemented(&what));
    }
    let needs = |outer: &str, names: &[&str]| match names
        .iter()
        .find(|name| nested(target, outer, name).is_none())
    {
        Some(name) => Err(Fault::validation(format!(
            "{outer}.{name} must be specified for the target {arn}."
        ))),
        None => Ok(()),
    };
    match parsed.service.as_str() {
        "events" => needs("EventBridgeParameters", &["DetailType", "Source"]),
        "kinesis" => needs("KinesisParameters", &["PartitionKey"]),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_a_method_and_a_path() {
        let mut found = Vec::new();
        for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE] {
            for kind in ["schedules", "schedule-groups", "tags"] {
                for name in [Some("x"), None] {
                    found.extend(operation(&method, kind, name));
                }
            }
        }
        found.sort_unstable();
        assert_eq!(found, SUPPORTED);
    }
}
