//! What requests of a REST API must bring, from validators, models and definitions.
//!
//! Lives here: which parameters are required, and which model each content type has.
//! Does not live here: gathering what a model refers to (`bundle`), validating (`gateway`).
//!
//! Contract: Amazon API Gateway Developer Guide, "Request validation for REST APIs in API Gateway",
//! "x-amazon-apigateway-request-validators object"; AWS CloudFormation Template Reference,
//! "AWS::ApiGateway::RequestValidator".

use std::collections::BTreeMap;

use model::door::{Parameter, ParameterLocation, Validation};
use serde_json::{Value, json};

use super::bundle::{Models, bundle};
use super::integration::Refusal;
use super::view::{Resource, View, list_of, texts_of};
use crate::records::text_of;

/// The content type of a body that a definition describes without naming one.
const TYPE_DEFAULT: &str = "application/json";

/// What a validator looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Validator {
    body: Look,
    parameters: Look,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    At,
    Past,
}

impl Validator {
    fn read(value: impl Fn(&str) -> Option<Value>, names: [&str; 2]) -> Self {
        let [body, parameters] = names.map(|name| {
            let said = value(name).as_ref().and_then(text_of);
            match said.as_deref() {
                Some("true") => Look::At,
                Some(_) | None => Look::Past,
            }
        });
        Self { body, parameters }
    }
}

/// What an `AWS::ApiGateway::Method` requires.
///
/// # Errors
/// [`Refusal`]: its validator or a model is not there.
pub(super) fn of_method(
    view: &View<'_>,
    api: &str,
    method: &Resource<'_>,
) -> Result<Validation, Refusal> {
    let id = method.text("RequestValidatorId").unwrap_or_default();
    if id.is_empty() {
        return Ok(Validation::default());
    }
    let validator = view
        .of_api("AWS::ApiGateway::RequestValidator", "RestApiId", api)
        .find(|validator| validator.physical_id == id)
        .ok_or_else(|| {
            Refusal::new(format!(
                "its request validator `{id}` is not one of its API"
            ))
        })?;
    let validator = Validator::read(
        |name| validator.properties.get(name).cloned(),
        ["ValidateRequestBody", "ValidateRequestParameters"],
    );
    let mut validation = Validation::default();
    if validator.parameters == Look::At {
        let parameters = texts_of(method.properties.get("RequestParameters"));
        let required = parameters
            .iter()
            .filter(|(_, said)| said.as_str() == "true");
        validation.required = required.filter_map(|(name, _)| parameter(name)).collect();
    }
    if validator.body == Look::At {
        let models = Models::of_api(models(view, api));
        for (content_type, name) in texts_of(method.properties.get("RequestModels")) {
            let schema = models
                .get(&name)
                .ok_or_else(|| Refusal::new(format!("its model `{name}` is not one of its API")))?;
            let text = bundle(schema, &models).map_err(Refusal::new)?;
            validation.models.insert(content_type, text);
        }
    }
    Ok(validation)
}

/// The models of an API, with those that the cloud gives every API.
fn models(view: &View<'_>, api: &str) -> BTreeMap<String, Value> {
    let given = [
        ("Empty", json!({"title": "Empty Schema", "type": "object"})),
        (
            "Error",
            json!({"title": "Error Schema", "type": "object", "properties": {"message": {"type": "string"}}}),
        ),
    ];
    let mut models: BTreeMap<String, Value> = given
        .into_iter()
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect();
    for model in view.of_api("AWS::ApiGateway::Model", "RestApiId", api) {
        let schema = match model.properties.get("Schema") {
            // What is no JSON is refused where it is compiled.
            Some(Value::String(text)) => {
                serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()))
            }
            Some(schema) => schema.clone(),
            None => json!({}),
        };
        models.insert(model.physical_id.to_owned(), schema);
    }
    models
}

/// `method.request.querystring.q`; none: it is the body, or no such place.
pub(super) fn parameter(text: &str) -> Option<Parameter> {
    let (location, name) = text.strip_prefix("method.request.")?.split_once('.')?;
    let location = match location {
        "path" => ParameterLocation::Path,
        "querystring" => ParameterLocation::Query,
        "multivaluequerystring" => ParameterLocation::MultiValueQuery,
        "header" => ParameterLocation::Header,
        "multivalueheader" => ParameterLocation::MultiValueHeader,
        _ => return None,
    };
    Some(Parameter {
        location,
        name: name.to_owned(),
    })
}

/// What an operation of a definition requires.
///
/// # Errors
/// [`Refusal`]: its validator is not declared, or a model refers to what is not there.
pub(super) fn of_operation(
    definition: &Value,
    item: &Value,
    operation: &Value,
) -> Result<Validation, Refusal> {
    let named = "x-amazon-apigateway-request-validator";
    let name = operation.get(named).or_else(|| definition.get(named));
    let Some(name) = name.and_then(Value::as_str) else {
        return Ok(Validation::default());
    };
    let validator = definition
        .get("x-amazon-apigateway-request-validators")
        .and_then(|validators| validators.get(name))
        .ok_or_else(|| {
            Refusal::new(format!("its request validator `{name}` is not declared"))
                .help("declare it in `x-amazon-apigateway-request-validators`")
        })?;
    let validator = Validator::read(
        |name| validator.get(name).cloned(),
        ["validateRequestBody", "validateRequestParameters"],
    );
    let parameters = parameters(definition, item, operation);
    let mut validation = Validation::default();
    if validator.parameters == Look::At {
        validation.required = parameters.iter().filter_map(required).collect();
    }
    if validator.body == Look::At {
        let models = Models::of_definition(definition);
        for (content_type, schema) in bodies(definition, operation, &parameters) {
            let text = bundle(schema, &models).map_err(Refusal::new)?;
            validation.models.insert(content_type, text);
        }
    }
    Ok(validation)
}

/// The parameters of an operation and those of its path, references followed.
fn parameters<'a>(definition: &'a Value, item: &'a Value, operation: &'a Value) -> Vec<&'a Value> {
    let of = |holder: &'a Value| {
        let list = holder.get("parameters").and_then(Value::as_array);
        list.into_iter().flatten()
    };
    let mut found: Vec<&Value> = Vec::new();
    let named = |one: &Value| (one.get("in").cloned(), one.get("name").cloned());
    for parameter in of(operation).chain(of(item)) {
        let parameter = followed(definition, parameter);
        if !found.iter().any(|one| named(one) == named(parameter)) {
            found.push(parameter);
        }
    }
    found
}

/// What stands where a `$ref` into the same definition leads.
fn followed<'a>(definition: &'a Value, value: &'a Value) -> &'a Value {
    let reference = value.get("$ref").and_then(Value::as_str);
    reference
        .and_then(|reference| definition.pointer(reference.strip_prefix('#')?))
        .unwrap_or(value)
}

fn required(parameter: &&Value) -> Option<Parameter> {
    let text = |name: &str| parameter.get(name).and_then(text_of);
    let location = match text("in")?.as_str() {
        "path" => ParameterLocation::Path,
        "query" => ParameterLocation::Query,
        "header" => ParameterLocation::Header,
        _ => return None,
    };
    (text("required").as_deref() == Some("true")).then_some(Parameter {
        location,
        name: text("name")?,
    })
}

/// The schema of each content type that an operation takes, in either version's words.
fn bodies<'a>(
    definition: &'a Value,
    operation: &'a Value,
    parameters: &[&'a Value],
) -> Vec<(String, &'a Value)> {
    if let Some(body) = operation.get("requestBody") {
        let content = followed(definition, body).get("content");
        let content = content.and_then(Value::as_object).into_iter().flatten();
        return content
            .filter_map(|(content_type, media)| Some((content_type.clone(), media.get("schema")?)))
            .collect();
    }
    let is_body = |one: &&&Value| one.get("in").and_then(Value::as_str) == Some("body");
    let Some(schema) = parameters
        .iter()
        .find(is_body)
        .and_then(|body| body.get("schema"))
    else {
        return Vec::new();
    };
    let mut types = list_of(operation.get("consumes"));
    if types.is_empty() {
        types = list_of(definition.get("consumes"));
    }
    if types.is_empty() {
        types.push(TYPE_DEFAULT.to_owned());
    }
    types.into_iter().map(|name| (name, schema)).collect()
}
