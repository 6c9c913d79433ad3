//! The properties of tables in templates.
//!
//! Lives here: which of them are carried out, the request of `CreateTable` that they come to.
//! Does not live here: making and changing tables (`super`, `changes`).

use std::collections::BTreeMap;

use interfaces::resource_provider::{Properties, PropertyProblem, ProviderError};
use model::coverage::{Coverage, Fate};
use model::problem::Severity;
use model::suggestion::nearest;
use model::time::Timestamp;
use serde_json::{Map, Value};

use super::TABLE;
use crate::engine::table::TimeToLive;

/// What becomes a table.
pub(super) const CARRIED_OUT: [&str; 9] = [
    "TableName",
    "AttributeDefinitions",
    "KeySchema",
    "GlobalSecondaryIndexes",
    "LocalSecondaryIndexes",
    "StreamSpecification",
    "TimeToLiveSpecification",
    "DeletionProtectionEnabled",
    "Tags",
];

/// What descriptions of the table show, and nothing else comes of.
pub(super) const SHOWN_ONLY: [&str; 6] = [
    "BillingMode",
    "ProvisionedThroughput",
    "TableClass",
    "SSESpecification",
    "OnDemandThroughput",
    "WarmThroughput",
];
const SHOWN: &str = "kept and shown by `DescribeTable`: no request is throttled unless `cloudless.toml` says so, nothing is billed, nothing is encrypted";

/// What is missing, and what that means.
const MISSING: [(&str, Severity, &str); 5] = [
    (
        "ContributorInsightsSpecification",
        Severity::Warning,
        "nobody counts which keys are used most",
    ),
    (
        "PointInTimeRecoverySpecification",
        Severity::Warning,
        "no backups are kept, so there is no earlier point in time to restore",
    ),
    (
        "KinesisStreamSpecification",
        Severity::Error,
        "changes of items are not sent to the stream",
    ),
    (
        "ImportSourceSpecification",
        Severity::Error,
        "the table is made empty",
    ),
    (
        "ResourcePolicy",
        Severity::Error,
        "the policy allows and denies nothing",
    ),
];

/// Those of them that a global index has, too.
const MISSING_OF_INDEXES: [&str; 1] = ["ContributorInsightsSpecification"];
/// Structures of numbers, of a table and of its global indexes.
const NUMBERS: [&str; 3] = [
    "ProvisionedThroughput",
    "OnDemandThroughput",
    "WarmThroughput",
];

/// What becomes of each property of a table, for the reference.
#[must_use]
pub fn coverage() -> Vec<Coverage> {
    let row = |property: &str, fate| Coverage {
        resource_type: TABLE,
        property: property.to_owned(),
        fate,
    };
    let carried_out = CARRIED_OUT.map(|name| row(name, Fate::CarriedOut));
    let shown_only = SHOWN_ONLY.map(|name| row(name, Fate::NoEffect(SHOWN)));
    let missing = MISSING.map(|(name, _, what)| row(name, Fate::Missing(what)));
    let mut rows = Vec::from(carried_out);
    rows.extend(shown_only);
    rows.extend(missing);
    rows
}

/// Whether a property goes into the table's description.
fn is_kept(name: &str) -> bool {
    CARRIED_OUT.contains(&name) || SHOWN_ONLY.contains(&name)
}

pub(super) fn property_problem(name: &str) -> Option<PropertyProblem> {
    if is_kept(name) {
        return None;
    }
    let known = MISSING.iter().find(|(missing, _, _)| *missing == name);
    let (severity, title, cause) = match known {
        Some((_, severity, cause)) => (
            *severity,
            format!("`{name}` of a table is not implemented yet"),
            *cause,
        ),
        None => (
            Severity::Error,
            format!("a table has no property `{name}`"),
            "CloudFormation refuses properties that it does not know",
        ),
    };
    let names = CARRIED_OUT.into_iter().chain(SHOWN_ONLY);
    let meant = match known {
        Some(_) => None,
        None => nearest(name, names.chain(MISSING.map(|(missing, _, _)| missing))),
    };
    Some(PropertyProblem {
        path: vec![name.to_owned()],
        severity,
        title,
        cause: Some(cause.to_owned()),
        help: meant.map(|meant| format!("did you mean `{meant}`?")),
    })
}

/// What is missing of a table's global indexes.
pub(super) fn index_problems(properties: &Properties) -> Vec<PropertyProblem> {
    let indexes = properties.get("GlobalSecondaryIndexes");
    let indexes = indexes.and_then(Value::as_array).into_iter().flatten();
    let mut problems = Vec::new();
    for (position, index) in indexes.enumerate() {
        for name in MISSING_OF_INDEXES {
            if index.get(name).is_some()
                && let Some(mut problem) = property_problem(name)
            {
                let way = ["GlobalSecondaryIndexes".to_owned(), position.to_string()];
                problem.path.splice(0..0, way);
                problem.title = format!("`{name}` of an index is not implemented yet");
                problems.push(problem);
            }
        }
    }
    problems
}

/// The body of the `CreateTable` that these properties come to.
pub(super) fn wish(properties: &Properties, generated_name: Option<&str>) -> Vec<u8> {
    let mut body: Map<String, Value> = properties
        .iter()
        .filter(|(name, value)| {
            // Expiry is another operation's in the API.
            is_kept(name) && *name != "TimeToLiveSpecification" && !value.is_null()
        })
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if let (None, Some(name)) = (body.get("TableName"), generated_name) {
        body.insert("TableName".to_owned(), name.into());
    }
    for name in NUMBERS {
        numbers_of_texts(body.get_mut(name));
    }
    if let Some(Value::Array(indexes)) = body.get_mut("GlobalSecondaryIndexes") {
        for index in indexes.iter_mut().filter_map(Value::as_object_mut) {
            for name in NUMBERS {
                numbers_of_texts(index.get_mut(name));
            }
            for name in MISSING_OF_INDEXES {
                index.remove(name);
            }
        }
    }
    // A template's list without an element is one that is not there.
    for name in ["GlobalSecondaryIndexes", "LocalSecondaryIndexes"] {
        if body
            .get(name)
            .and_then(Value::as_array)
            .is_some_and(Vec::is_empty)
        {
            body.remove(name);
        }
    }
    if let Some(Value::Object(stream)) = body.get_mut("StreamSpecification") {
        // A template has no other way to say that there is to be none than to leave it out.
        stream.insert("StreamEnabled".to_owned(), true.into());
    }
    if let Some(Value::Object(encryption)) = body.get_mut("SSESpecification")
        && let Some(enabled) = encryption.remove("SSEEnabled")
    {
        // The only kind there is: templates may leave it out.
        let has_key = encryption.contains_key("KMSMasterKeyId");
        if has_key && enabled != Value::Bool(false) && !encryption.contains_key("SSEType") {
            encryption.insert("SSEType".to_owned(), "KMS".into());
        }
        encryption.insert("Enabled".to_owned(), enabled);
    }
    Value::Object(body).to_string().into_bytes()
}

/// Parameters of templates are texts; CloudFormation takes them for numbers where numbers are wanted.
fn numbers_of_texts(units: Option<&mut Value>) {
    for unit in units.and_then(Value::as_object_mut).into_iter().flatten() {
        let (_, unit) = unit;
        let text = unit.as_str().map(str::trim);
        if let Some(number) = text.and_then(|text| text.parse::<u64>().ok()) {
            *unit = number.into();
        }
    }
}

/// What `TimeToLiveSpecification` asks for.
pub(super) fn time_to_live(
    properties: &Properties,
    now: Timestamp,
) -> Result<Option<TimeToLive>, ProviderError> {
    let Some(Value::Object(members)) = properties.get("TimeToLiveSpecification") else {
        return Ok(None);
    };
    let enabled = match members.get("Enabled") {
        Some(Value::Bool(enabled)) => *enabled,
        Some(Value::String(text)) => text == "true",
        _ => {
            return Err(ProviderError {
                message: "TimeToLiveSpecification: Enabled has to be true or false".to_owned(),
            });
        }
    };
    let attribute = members.get("AttributeName").and_then(Value::as_str);
    match (enabled, attribute) {
        (false, _) => Ok(None),
        (true, Some(attribute)) if !attribute.is_empty() => Ok(Some(TimeToLive {
            attribute: attribute.to_owned(),
            since: now,
        })),
        (true, _) => Err(ProviderError {
            message: "TimeToLiveSpecification: AttributeName is required when Enabled is true"
                .to_owned(),
        }),
    }
}

/// The types of the key attributes: to edit one takes another table.
pub(super) fn key_types(properties: &Properties) -> BTreeMap<String, Value> {
    let body: Map<String, Value> =
        serde_json::from_slice(&wish(properties, None)).unwrap_or_default();
    let elements = |name: &str| {
        body.get(name)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    fn name_of(element: &Value) -> Option<&str> {
        element.get("AttributeName")?.as_str()
    }
    let is_key = |name: &str| elements("KeySchema").any(|element| name_of(element) == Some(name));
    elements("AttributeDefinitions")
        .filter_map(|entry| {
            let name = name_of(entry).filter(|name| is_key(name))?;
            Some((name.to_owned(), entry.get("AttributeType")?.clone()))
        })
        .collect()
}
