//! What stands before the methods of an `AWS::Serverless::Api`: models, validators, gateway responses, usage plans.
//!
//! Lives here: their short forms, written as the definition and the resources that they stand for.
//! Does not live here: authorizers (`auth`), carrying any of it out (`gateway`).
//!
//! Contract: AWS SAM Developer Guide, "RequestModel", "RequestParameter", "Models", "GatewayResponses" and
//! "ApiUsagePlan"; what the public transform writes.

use cloudformation::node::{Entry, Mapping, Node};
use model::problem::Place;
use serde_json::json;

use super::apis::Api;
use super::context::{Context, Declared};
use super::definition;
use super::nodes::{inner, json, list, mapping, members, reference, single, text};

const VALIDATOR: &str = "x-amazon-apigateway-request-validator";
const VALIDATORS: &str = "x-amazon-apigateway-request-validators";
const GATEWAY_RESPONSES: &str = "x-amazon-apigateway-gateway-responses";
const INVALID: &str = "manifest::invalid-event";

/// The version of a definition, by which bodies are described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// Swagger 2.0.
    Two,
    /// OpenAPI 3.
    Three,
}

/// What an event adds to its method.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// Members of the method.
    pub(super) extras: Vec<(&'static str, Node)>,
    /// `cacheKeyParameters` of the integration.
    pub(super) cache_keys: Vec<Node>,
}

/// The version of an API's definition.
pub(super) fn version_of(declared: &Declared<'_>, context: &Context<'_>) -> Version {
    let said = declared.get("OpenApiVersion");
    match said.and_then(|node| context.resolved_text(node)) {
        Some(version) if version.starts_with('3') => Version::Three,
        Some(_) | None => Version::Two,
    }
}

/// `RequestModel` and `RequestParameters` of an event.
pub(super) fn of_event(
    properties: &Mapping,
    version: Version,
    context: &mut Context<'_>,
    place: &Place,
) -> Asked {
    let mut asked = Asked::default();
    let mut parameters = Vec::new();
    if let Some(model) = properties.get("RequestModel") {
        if let Some(validator) = validator_of(model, context) {
            asked.extras.push((VALIDATOR, text(validator, place)));
        }
        match body(model, version, context) {
            Some(body) if version == Version::Two => parameters.push(body),
            Some(body) => asked.extras.push(("requestBody", body)),
            None => {}
        }
    }
    let listed = properties
        .get("RequestParameters")
        .and_then(Node::as_sequence);
    for entry in listed.unwrap_or_default() {
        match parameter(entry, context) {
            Some((parameter, cache_key)) => {
                parameters.push(parameter);
                asked.cache_keys.extend(cache_key);
            }
            None => {
                let title = "a request parameter is `method.request.header.NAME`, `….querystring.NAME` or `….path.NAME`";
                context.invalid(INVALID, title, &entry.place);
            }
        }
    }
    if !parameters.is_empty() {
        asked.extras.push(("parameters", list(parameters, place)));
    }
    asked
}

/// What of a request is validated; none: nothing is.
fn validator_of(model: &Node, context: &Context<'_>) -> Option<&'static str> {
    let asks = |name: &str| {
        let said = model.get(name).map(|node| context.resolved(node));
        said.and_then(Node::as_bool) == Some(true)
    };
    match (asks("ValidateBody"), asks("ValidateParameters")) {
        (true, true) => Some("body-and-params"),
        (true, false) => Some("body-only"),
        (false, true) => Some("params-only"),
        (false, false) => None,
    }
}

/// The model of a body; names of models are written in small letters.
fn body(model: &Node, version: Version, context: &Context<'_>) -> Option<Node> {
    let named = model.get("Model")?;
    let name = context.resolved_text(named)?.to_lowercase();
    let place = &named.place;
    let required = model.get("Required").cloned();
    let (mut entries, prefix) = match version {
        Version::Two => (
            vec![
                ("in", text("body", place)),
                ("name", text(name.as_str(), place)),
            ],
            "#/definitions/",
        ),
        Version::Three => (Vec::new(), "#/components/schemas/"),
    };
    let schema = mapping([("$ref", text(format!("{prefix}{name}"), place))], place);
    match version {
        Version::Two => entries.push(("schema", schema)),
        Version::Three => {
            let media = mapping([("schema", schema)], place);
            let content = mapping([("application/json", media)], place);
            entries.push(("content", content));
        }
    }
    entries.extend(required.map(|required| ("required", required)));
    Some(mapping(entries, place))
}

/// One parameter, and what it is in the cache's key.
fn parameter(entry: &Node, context: &Context<'_>) -> Option<(Node, Option<Node>)> {
    let (name, settings) = match single(entry) {
        Some((name, settings)) => (name.to_owned(), Some(settings)),
        None => (context.resolved_text(entry)?, None),
    };
    let (location, parameter) = name.strip_prefix("method.request.")?.split_once('.')?;
    let location = match location {
        "querystring" => "query",
        "header" | "path" => location,
        _ => return None,
    };
    let says = |setting: &str| {
        let said = settings.and_then(|settings| settings.get(setting));
        said.map(|node| context.resolved(node))
            .and_then(Node::as_bool)
            == Some(true)
    };
    let place = &entry.place;
    let written = json!({
        "in": location, "name": parameter, "required": says("Required"), "type": "string",
    });
    let cache_key = says("Caching").then(|| text(name.as_str(), place));
    Some((json(&written, place), cache_key))
}

/// Writes models, gateway responses and the validators in use into an API's definition.
pub(super) fn apply(api: &mut Api<'_>, context: &mut Context<'_>) {
    let place = api.declared.place.clone();
    let version = version_of(&api.declared, context);
    let models = members(api.declared.get("Models"));
    let responses = members(api.declared.get("GatewayResponses"));
    let Some(definition) = &mut api.definition else {
        if !models.is_empty() || !responses.is_empty() {
            let title =
                "`Models` and `GatewayResponses` work only with a definition in the template";
            context.invalid("manifest::invalid-api", title, &place);
        }
        return;
    };
    let validators = validators_in_use(definition);
    let Some(top) = definition::top(definition) else {
        return;
    };
    let schemas = match version {
        _ if models.is_empty() => None,
        Version::Two => inner(top, "definitions", &place),
        Version::Three => {
            inner(top, "components", &place).and_then(|parts| inner(parts, "schemas", &place))
        }
    };
    if let Some(schemas) = schemas {
        for model in &models {
            schemas.set(
                &model.key.to_lowercase(),
                &model.key_place,
                model.value.clone(),
            );
        }
    }
    if !responses.is_empty()
        && let Some(written) = inner(top, GATEWAY_RESPONSES, &place)
    {
        for response in &responses {
            written.set(
                &response.key,
                &response.key_place,
                gateway_response(response),
            );
        }
    }
    for name in validators {
        if let Some(written) = inner(top, VALIDATORS, &place)
            && written.get(&name).is_none()
        {
            let looks = json!({
                "validateRequestBody": name.starts_with("body"),
                "validateRequestParameters": name.ends_with("params") || name == "params-only",
            });
            written.set(&name, &place, json(&looks, &place));
        }
    }
}

/// The validators of our own that methods name.
fn validators_in_use(definition: &mut Node) -> Vec<String> {
    let ours = ["body-and-params", "body-only", "params-only"];
    let mut used = Vec::new();
    definition::each_method(definition, &mut |_, _, method| {
        let named = method.get(VALIDATOR).and_then(Node::as_str);
        if let Some(name) = named.filter(|name| ours.contains(name)) {
            used.push(name.to_owned());
        }
    });
    used.sort();
    used.dedup();
    used
}

fn gateway_response(response: &Entry) -> Node {
    let place = &response.value.place;
    let mut parameters = Mapping::default();
    let given = members(response.value.get("ResponseParameters"));
    for (from, to) in [
        ("Headers", "header"),
        ("Paths", "path"),
        ("QueryStrings", "querystring"),
    ] {
        for entry in &members(given.get(from)) {
            let name = format!("gatewayresponse.{to}.{}", entry.key);
            parameters.set(&name, &entry.key_place, entry.value.clone());
        }
    }
    let mut written = Mapping::default();
    let all = mapping(
        parameters
            .iter()
            .map(|entry| (entry.key.as_str(), entry.value.clone())),
        place,
    );
    written.set("responseParameters", place, all);
    let templates = response.value.get("ResponseTemplates").cloned();
    let none = || mapping([], place);
    written.set("responseTemplates", place, templates.unwrap_or_else(none));
    if let Some(status) = response.value.get("StatusCode") {
        let shown = status.as_str().map(str::to_owned);
        let shown = shown.unwrap_or_else(|| status.to_json().to_string());
        written.set("statusCode", &status.place, text(shown, &status.place));
    }
    let entries = written.iter();
    mapping(
        entries.map(|entry| (entry.key.as_str(), entry.value.clone())),
        place,
    )
}

/// Writes the plan, the key and what joins them, of `UsagePlan` of an API's `Auth`.
pub(super) fn write_usage_plan(declared: &Declared<'_>, stage: &str, context: &mut Context<'_>) {
    let Some(plan) = declared
        .get("Auth")
        .and_then(|auth| auth.get("UsagePlan"))
        .cloned()
    else {
        return;
    };
    let place = &plan.place;
    let kind = plan
        .get("CreateUsagePlan")
        .and_then(|node| context.resolved_text(node));
    match kind.as_deref() {
        Some("PER_API") => {}
        Some("NONE") => return,
        Some("SHARED") => {
            let because =
                "the plan would be shared by several APIs: give each its own by `PER_API`";
            let what = "`CreateUsagePlan: SHARED`";
            context.not_implemented("manifest::auth-not-implemented", what, because, place);
            return;
        }
        Some(_) | None => {
            let title = "`CreateUsagePlan` is `PER_API`, `SHARED` or `NONE`";
            context.invalid("manifest::invalid-auth", title, place);
            return;
        }
    }
    let id = declared.logical_id;
    let [plan_id, key_id, link_id] =
        ["UsagePlan", "ApiKey", "UsagePlanKey"].map(|part| format!("{id}{part}"));
    let mut properties = Mapping::default();
    let of_stage = |api: &str, name: &str| {
        let entry = [(api, reference(id, place)), (name, reference(stage, place))];
        list(vec![mapping(entry, place)], place)
    };
    properties.set("ApiStages", place, of_stage("ApiId", "Stage"));
    for name in ["Description", "Quota", "Tags", "Throttle", "UsagePlanName"] {
        if let Some(value) = plan.get(name) {
            properties.set(name, &value.place, value.clone());
        }
    }
    write(
        declared,
        (&plan_id, "AWS::ApiGateway::UsagePlan"),
        properties,
        id,
        context,
    );
    let mut properties = Mapping::default();
    properties.set("Enabled", place, json(&json!(true), place));
    properties.set("StageKeys", place, of_stage("RestApiId", "StageName"));
    write(
        declared,
        (&key_id, "AWS::ApiGateway::ApiKey"),
        properties,
        &plan_id,
        context,
    );
    let mut properties = Mapping::default();
    properties.set("KeyId", place, reference(&key_id, place));
    properties.set("KeyType", place, text("API_KEY", place));
    properties.set("UsagePlanId", place, reference(&plan_id, place));
    write(
        declared,
        (&link_id, "AWS::ApiGateway::UsagePlanKey"),
        properties,
        &key_id,
        context,
    );
}

fn write(
    declared: &Declared<'_>,
    (id, resource_type): (&str, &str),
    properties: Mapping,
    after: &str,
    context: &mut Context<'_>,
) {
    let place = declared.place;
    context.write_companion(declared, id, resource_type, properties);
    if let Some(resource) = inner(&mut context.resources, id, place) {
        let after = list(vec![text(after, place)], place);
        resource.set("DependsOn", place, after);
    }
}
