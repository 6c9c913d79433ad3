//! OpenAPI definitions (Swagger 2.0 and OpenAPI 3) as API Gateway imports them.
//!
//! Lives here: the operations of a `Body`, with their integrations and what guards them.
//! Does not live here: what a REST or an HTTP API makes of them (`rest`, `http`).
//!
//! Contract: Amazon API Gateway Developer Guide, "OpenAPI extensions for API Gateway".

use model::door::Validation;
use serde_json::Value;

use super::integration::{Integration, Refusal};
use super::validation;
use super::view::list_of;

const INTEGRATION: &str = "x-amazon-apigateway-integration";
const ANY_METHOD: &str = "x-amazon-apigateway-any-method";
/// What stands for no scheme.
const NO_SCHEME: &str = "NONE";
/// Where the two versions keep security schemes.
const SCHEMES: [&[&str]; 2] = [&["securityDefinitions"], &["components", "securitySchemes"]];
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
    /// Whether a scheme of its `security` is the one of API keys.
    pub(super) api_key_required: bool,
    /// What its requests must bring, or why that is not known.
    pub(super) validation: Result<Validation, Refusal>,
    /// The operation as it is written.
    pub(super) written: Value,
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
                api_key_required: !requirements(definition, operation, is_api_key).is_empty(),
                validation: validation::of_operation(definition, item, operation),
                written: operation.clone(),
            });
        }
    }
    operations
}

/// Parts of a definition that would do something and are not built: name and what becomes of it.
pub(super) fn unbuilt_parts(definition: &Value) -> Vec<(&'static str, &'static str)> {
    [(
        "x-amazon-apigateway-importexport-version",
        "exports of the other version are not told apart",
    )]
    .into_iter()
    .filter(|(name, _)| definition.get(name).is_some())
    .collect()
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

/// The schemes that guard an operation, but for that of API keys, with the scopes that they are asked for.
pub(super) fn guards<'a>(
    definition: &'a Value,
    operation: &'a Value,
) -> Vec<(&'a str, Vec<String>)> {
    let all = requirements(definition, operation, |scheme| !is_api_key(scheme));
    // AWS SAM writes a scheme `NONE`, which is declared nowhere, where a method has no authorizer.
    let is_open = |name: &str| name == NO_SCHEME && scheme(definition, name).is_none();
    all.into_iter().filter(|(name, _)| !is_open(name)).collect()
}

/// All security schemes: the keys that lead to them, their names, and what they say.
pub(super) fn schemes(
    definition: &Value,
) -> impl Iterator<Item = (&'static [&'static str], &str, &Value)> {
    SCHEMES.iter().flat_map(move |path| {
        let place = path.iter().try_fold(definition, |at, key| at.get(key));
        let schemes = place.and_then(Value::as_object).into_iter().flatten();
        schemes.map(|(name, scheme)| (*path, name.as_str(), scheme))
    })
}

/// The schemes of this sort that an operation requires, in order; none when its requirements let in everybody.
fn requirements<'a>(
    definition: &'a Value,
    operation: &'a Value,
    is_wanted: impl Fn(Option<&Value>) -> bool,
) -> Vec<(&'a str, Vec<String>)> {
    let security = operation
        .get("security")
        .or_else(|| definition.get("security"));
    let requirements = security.and_then(Value::as_array);
    let requirements = || {
        let all = requirements.into_iter().flatten();
        all.filter_map(Value::as_object)
    };
    if requirements().any(serde_json::Map::is_empty) {
        return Vec::new();
    }
    requirements()
        .flatten()
        .filter(|(name, _)| is_wanted(scheme(definition, name)))
        .map(|(name, scopes)| (name.as_str(), list_of(Some(scopes))))
        .collect()
}

/// A scheme by its name, in either version's place.
pub(super) fn scheme<'a>(definition: &'a Value, name: &str) -> Option<&'a Value> {
    schemes(definition)
        .find(|(_, known, _)| *known == name)
        .map(|(_, _, scheme)| scheme)
}

/// Whether a scheme is that of API keys: a key in the header `x-api-key`, and no authorizer that looks at it.
fn is_api_key(scheme: Option<&Value>) -> bool {
    let Some(scheme) = scheme else { return false };
    let says = |member: &str, wanted: &str| {
        let said = scheme.get(member).and_then(Value::as_str);
        said.is_some_and(|said| said.eq_ignore_ascii_case(wanted))
    };
    let has = |member: &str| scheme.get(member).is_some();
    says("type", "apiKey")
        && says("in", "header")
        && says("name", "x-api-key")
        && !has("x-amazon-apigateway-authtype")
        && !has("x-amazon-apigateway-authorizer")
}

/// Where API keys are looked for, as the definition says it.
pub(super) fn api_key_source(definition: &Value) -> Option<String> {
    let said = definition.get("x-amazon-apigateway-api-key-source")?;
    Some(said.as_str()?.to_ascii_uppercase())
}
