//! Members of a table's properties that there are none of.
//!
//! Lives here: which members the structures of a template's table have, naming the others at their own place. Pure.
//! Does not live here: the properties themselves (`properties`), what a member may be (`dynamodb::operations`).
//!
//! Contract: AWS CloudFormation Template Reference, the property types of `AWS::DynamoDB::Table`.

use interfaces::resource_provider::{Properties, PropertyProblem};
use model::problem::Severity;
use model::suggestion::nearest;
use serde_json::{Map, Value};

/// Structures by the last names of the way to them, with their members.
const STRUCTURES: [(&str, &[&str]); 12] = [
    ("AttributeDefinitions", &["AttributeName", "AttributeType"]),
    ("KeySchema", &["AttributeName", "KeyType"]),
    (
        "GlobalSecondaryIndexes",
        &[
            "IndexName",
            "KeySchema",
            "Projection",
            "ProvisionedThroughput",
            "ContributorInsightsSpecification",
            "OnDemandThroughput",
            "WarmThroughput",
        ],
    ),
    (
        "LocalSecondaryIndexes",
        &["IndexName", "KeySchema", "Projection"],
    ),
    ("Projection", &["ProjectionType", "NonKeyAttributes"]),
    (
        "ProvisionedThroughput",
        &["ReadCapacityUnits", "WriteCapacityUnits"],
    ),
    (
        "OnDemandThroughput",
        &["MaxReadRequestUnits", "MaxWriteRequestUnits"],
    ),
    (
        "WarmThroughput",
        &["ReadUnitsPerSecond", "WriteUnitsPerSecond"],
    ),
    ("StreamSpecification", &["StreamViewType", "ResourcePolicy"]),
    ("TimeToLiveSpecification", &["AttributeName", "Enabled"]),
    (
        "SSESpecification",
        &["SSEEnabled", "SSEType", "KMSMasterKeyId"],
    ),
    ("Tags", &["Key", "Value"]),
];

/// One problem for each member that its structure does not have.
pub(super) fn unknown_members(properties: &Properties) -> Vec<PropertyProblem> {
    let mut problems = Vec::new();
    for (name, value) in properties {
        walk(name, value, vec![name.clone()], &mut problems);
    }
    problems
}

/// No deeper than the structures are nested.
fn walk(name: &str, value: &Value, path: Vec<String>, problems: &mut Vec<PropertyProblem>) {
    let Some((_, members)) = STRUCTURES.iter().find(|(structure, _)| *structure == name) else {
        return;
    };
    match value {
        Value::Object(given) => of_structure(members, given, &path, problems),
        Value::Array(elements) => {
            for (position, element) in elements.iter().enumerate() {
                let mut path = path.clone();
                path.push(position.to_string());
                if let Value::Object(given) = element {
                    of_structure(members, given, &path, problems);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn of_structure(
    members: &[&str],
    given: &Map<String, Value>,
    path: &[String],
    problems: &mut Vec<PropertyProblem>,
) {
    for (name, value) in given {
        let mut path = path.to_vec();
        path.push(name.clone());
        if members.contains(&name.as_str()) {
            walk(name, value, path, problems);
        } else {
            problems.push(unknown(name, path, members));
        }
    }
}

fn unknown(name: &str, path: Vec<String>, members: &[&str]) -> PropertyProblem {
    let owner = path.iter().rev().skip(1);
    let owner = owner
        .into_iter()
        .find(|part| part.parse::<usize>().is_err());
    let owner = owner.map_or("a table", String::as_str);
    let help = match nearest(name, members.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("there are `{}`", members.join("`, `")),
    };
    PropertyProblem {
        title: format!("`{owner}` has no property `{name}`"),
        path,
        severity: Severity::Error,
        cause: Some("CloudFormation refuses properties that it does not know".to_owned()),
        help: Some(help),
    }
}
