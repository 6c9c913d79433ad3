//! OpenAPI definitions (Swagger 2.0 and OpenAPI 3) as API Gateway imports them.
//!
//! Lives here: the operations of a `Body`, with their integrations and what guards them.
//! Does not live here: what a REST or an HTTP API makes of them (`rest`, `http`).
//!
//! Contract: Amazon API Gateway Developer Guide, "OpenAPI extensions for API Gateway".

use serde_json::Value;

use super::integration::Integration;

const INTEGRATION: &str = "x-amazon-apigateway-integration";
const ANY_METHOD: &str = "x-amazon-apigateway-any-method";
const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];

/// One operation.
#[derive(Debug, Clone)]
pub(super) struct Operation {
    /// As `/pets/{id}`, or `$default`.
    pub(super) path: String,
    /// The keys that lead to it in the definition.
    pub(super) key_path: [String; 3],
    /// `GET`, …, or `ANY`.
    pub(super) http_method: String,
    /// What answers; none: it has no integration.
    pub(super) integration: Option<Integration>,
    /// What guards it and cannot be enforced.
    pub(super) guard: Option<String>,
}

/// The operations of a definition, in order.
pub(super) fn operations(definition: &Value) -> Vec<Operation> {
    let paths = definition.get("paths").and_then(Value::as_object);
    let mut operations = Vec::new();
    for (path, item) in paths.into_iter().flatten() {
        for (key, operation) in item.as_object().into_iter().flatten() {
            let http_method = if key == ANY_METHOD {
                "ANY".to_owned()
            } else if METHODS.contains(&key.to_ascii_lowercase().as_str()) {
                key.to_ascii_uppercase()
            } else {
                continue;
            };
            operations.push(Operation {
                path: if path == "/$default" {
                    "$default".to_owned()
                } else {
                    path.clone()
                },
                key_path: ["paths".to_owned(), path.clone(), key.clone()],
                http_method,
                integration: integration_of(definition, operation),
                guard: guard_of(definition, operation),
            });
        }
    }
    operations
}

/// Parts of a definition that would do something and are not built: name and what becomes of it.
pub(super) fn unbuilt_parts(definition: &Value) -> Vec<(&'static str, &'static str)> {
    [
        (
            "x-amazon-apigateway-gateway-responses",
            "the gateway's own errors keep their standard form",
        ),
        (
            "x-amazon-apigateway-importexport-version",
            "exports of the other version are not told apart",
        ),
    ]
    .into_iter()
    .filter(|(name, _)| definition.get(name).is_some())
    .collect()
}

/// What guards the API as a whole and cannot be enforced.
pub(super) fn guard_of_api(definition: &Value) -> Option<&'static str> {
    definition
        .get("x-amazon-apigateway-policy")
        .map(|_| "a resource policy")
}

fn integration_of(definition: &Value, operation: &Value) -> Option<Integration> {
    let written = operation.get(INTEGRATION)?;
    let pointer = written
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|reference| reference.strip_prefix('#'));
    match pointer {
        None => Some(Integration::of_operation(written)),
        Some(pointer) => definition.pointer(pointer).map(Integration::of_operation),
    }
}

/// An operation's own `security` replaces that of the definition; an empty requirement lets everybody in.
fn guard_of(definition: &Value, operation: &Value) -> Option<String> {
    let validator = "x-amazon-apigateway-request-validator";
    if operation
        .get(validator)
        .or_else(|| definition.get(validator))
        .is_some()
    {
        return Some("a request validator".to_owned());
    }
    if operation
        .get("x-amazon-apigateway-auth")
        .is_some_and(|auth| {
            auth.get("type")
                .and_then(Value::as_str)
                .is_none_or(|kind| !kind.eq_ignore_ascii_case("NONE"))
        })
    {
        return Some("an authorization type".to_owned());
    }
    let security = operation
        .get("security")
        .or_else(|| definition.get("security"))?;
    let requirements = security.as_array()?;
    let names: Vec<&str> = requirements
        .iter()
        .filter_map(Value::as_object)
        .flat_map(|requirement| requirement.keys())
        .map(String::as_str)
        .collect();
    let everybody = requirements.iter().any(|requirement| {
        requirement
            .as_object()
            .is_some_and(serde_json::Map::is_empty)
    });
    if names.is_empty() || everybody {
        return None;
    }
    Some(format!("the authorizer `{}`", names.join("`, `")))
}
