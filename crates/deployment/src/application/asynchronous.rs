//! How functions are called asynchronously, and who may call them.
//!
//! Lives here: reading `AWS::Lambda::EventInvokeConfig`, `DeadLetterConfig` and `AWS::Lambda::Permission`.
//! Does not live here: calling them (`event-delivery`), permissions of function URLs (`function_urls`).
//!
//! Contract: AWS Lambda API Reference, `PutFunctionEventInvokeConfig` and `AddPermission`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::arn::Arn;
use model::asynchronous::{AGE_DEFAULT, EventInvoke, RETRIES_DEFAULT};
use model::function::{Function, LATEST};
use model::ids::FunctionName;
use model::problem::Problem;
use serde_json::{Map, Value, json};

use super::versions::function_named;
use super::view::{Resource, View};
use crate::records::text_of;

/// By function, then by qualifier.
type ByQualifier<T> = BTreeMap<FunctionName, BTreeMap<String, T>>;

/// Who is told of asynchronous invocations: the services that take them.
const DESTINATIONS: [&str; 4] = ["sqs", "sns", "lambda", "events"];
/// What can be a dead letter queue of a function.
const DEAD_LETTERS: [&str; 2] = ["sqs", "sns"];
const ACCOUNT_DIGITS: usize = 12;

/// How asynchronous invocations are retried, and who is told of them.
pub(super) fn event_invokes(
    view: &View<'_>,
    problems: &mut Vec<Problem>,
) -> ByQualifier<EventInvoke> {
    let mut all = ByQualifier::new();
    for resource in view.of_type("AWS::Lambda::EventInvokeConfig") {
        let function = function_named(&resource.text("FunctionName").unwrap_or_default());
        let qualifier = resource
            .text("Qualifier")
            .unwrap_or_else(|| LATEST.to_owned());
        let mut destination = |name: &str| {
            let config = resource.properties.get("DestinationConfig")?;
            let text = text_of(config.get(name)?.get("Destination")?)?;
            let place = ["DestinationConfig", name, "Destination"];
            told(resource, (&text, &place), &DESTINATIONS, problems)
        };
        let config = EventInvoke {
            on_success: destination("OnSuccess"),
            on_failure: destination("OnFailure"),
            retries_max: resource
                .whole("MaximumRetryAttempts")
                .and_then(|retries| u32::try_from(retries).ok())
                .unwrap_or(RETRIES_DEFAULT),
            age_max: resource
                .whole("MaximumEventAgeInSeconds")
                .map_or(AGE_DEFAULT, Duration::from_secs),
        };
        all.entry(function).or_default().insert(qualifier, config);
    }
    all
}

/// The dead letter queues of functions.
pub(super) fn dead_letters(
    view: &View<'_>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<FunctionName, Arn> {
    let functions = view.of_type("AWS::Lambda::Function");
    let with_target = functions.filter_map(|function| {
        let config = function.properties.get("DeadLetterConfig")?;
        let text = config.get("TargetArn").and_then(text_of)?;
        let place = ["DeadLetterConfig", "TargetArn"];
        let arn = told(function, (&text, &place), &DEAD_LETTERS, problems)?;
        Some((FunctionName::new(function.physical_id), arn))
    });
    with_target.collect()
}

fn told(
    resource: &Resource<'_>,
    (text, place): (&str, &[&str]),
    services: &[&str],
    problems: &mut Vec<Problem>,
) -> Option<Arn> {
    if text.is_empty() {
        return None;
    }
    let arn = Arn::parse(text).ok();
    let known = arn.filter(|arn| services.contains(&arn.service.as_str()));
    if known.is_none() {
        problems.push(
            Problem::error(
                "deployment::destination-not-told",
                format!(
                    "`{text}` cannot be told of events of `{}`",
                    resource.logical_id
                ),
            )
            .at(&resource.place_of(place))
            .because(format!(
                "ARNs of these services can: {}",
                services.join(", ")
            )),
        );
    }
    known
}

/// The policies of functions: what their permissions say.
pub(super) fn policies(
    view: &View<'_>,
    functions: &BTreeMap<FunctionName, Arc<Function>>,
) -> ByQualifier<Arc<str>> {
    let mut statements: ByQualifier<Vec<Value>> = BTreeMap::new();
    for permission in view.of_type("AWS::Lambda::Permission") {
        let named = permission.text("FunctionName").unwrap_or_default();
        let name = function_named(&named);
        let Some(function) = functions.get(&name) else {
            continue;
        };
        let qualifier = qualifier_in(&named);
        let resource = match &qualifier {
            Some(qualifier) => format!("{}:{qualifier}", function.arn),
            None => function.arn.to_string(),
        };
        let of_function = statements.entry(name).or_default();
        let qualifier = qualifier.unwrap_or_else(|| LATEST.to_owned());
        let of_qualifier = of_function.entry(qualifier).or_default();
        of_qualifier.push(statement(permission, &resource));
    }
    let written = |statements: Vec<Value>| -> Arc<str> {
        let policy = json!({"Version": "2012-10-17", "Id": "default", "Statement": statements});
        policy.to_string().into()
    };
    statements
        .into_iter()
        .map(|(name, by_qualifier)| {
            let by_qualifier = by_qualifier.into_iter();
            let written = by_qualifier.map(|(qualifier, it)| (qualifier, written(it)));
            (name, written.collect())
        })
        .collect()
}

/// Version or alias of an ARN, of a partial one, or of `name:alias`.
fn qualifier_in(text: &str) -> Option<String> {
    let after = text.split_once("function:").map_or(text, |(_, rest)| rest);
    let (_, qualifier) = after.split_once(':')?;
    (!qualifier.is_empty()).then(|| qualifier.to_owned())
}

fn statement(permission: &Resource<'_>, resource: &str) -> Value {
    let text = |name: &str| permission.text(name);
    let principal = text("Principal").unwrap_or_default();
    let is_account =
        principal.len() == ACCOUNT_DIGITS && principal.bytes().all(|it| it.is_ascii_digit());
    let principal = match principal.as_str() {
        "*" => json!("*"),
        account if is_account => json!({"AWS": format!("arn:aws:iam::{account}:root")}),
        arn if arn.starts_with("arn:") => json!({"AWS": arn}),
        service => json!({"Service": service}),
    };
    let mut condition: Map<String, Value> = Map::new();
    let mut add = |operator: &str, key: &str, value: Option<String>| {
        let Some(value) = value else {
            return;
        };
        let tests = condition.entry(operator).or_insert_with(|| json!({}));
        if let Some(tests) = tests.as_object_mut() {
            tests.insert(key.to_owned(), value.into());
        }
    };
    add("ArnLike", "AWS:SourceArn", text("SourceArn"));
    add("StringEquals", "AWS:SourceAccount", text("SourceAccount"));
    add("StringEquals", "aws:PrincipalOrgID", text("PrincipalOrgID"));
    let auth = text("FunctionUrlAuthType");
    add("StringEquals", "lambda:FunctionUrlAuthType", auth);
    let mut statement = json!({
        "Sid": permission.physical_id,
        "Effect": "Allow",
        "Principal": principal,
        "Action": text("Action").unwrap_or_default(),
        "Resource": resource,
    });
    if let (Some(members), false) = (statement.as_object_mut(), condition.is_empty()) {
        members.insert("Condition".to_owned(), Value::Object(condition));
    }
    statement
}
