//! `AWS::Serverless::Api`: the API, its deployment and its stage.
//!
//! Lives here: what is written for a REST API once all events have been added.
//! Does not live here: its definition (`definition`), events (`events`).
//!
//! Contract: AWS SAM Developer Guide, "AWS::Serverless::Api" and "Generated CloudFormation resources when
//! AWS::Serverless::Api is specified".

use cloudformation::node::{Kind, Mapping, Node};
use serde_json::json;

use super::apis::{Api, Authorship, apply_conditions};
use super::context::{Context, Declared};
use super::definition::{self, Cors};
use super::function::tag_list;
use super::nodes::{is_intrinsic, json, list, mapping, reference, text};
use super::{auth, door, hash, properties};

const INVALID: &str = "manifest::invalid-api";

const STAGE_PROPERTIES: [&str; 7] = [
    "AccessLogSetting",
    "CacheClusterEnabled",
    "CacheClusterSize",
    "CanarySetting",
    "MethodSettings",
    "TracingEnabled",
    "Variables",
];
const API_PROPERTIES: [&str; 9] = [
    "ApiKeySourceType",
    "BinaryMediaTypes",
    "Description",
    "EndpointAccessMode",
    "FailOnWarnings",
    "MinimumCompressionSize",
    "Mode",
    "Name",
    "SecurityPolicy",
];

/// Writes the API, its deployment and its stage.
pub(super) fn transform(mut api: Api<'_>, context: &mut Context<'_>) {
    properties::check(&api.declared, properties::API, context);
    report_unbuilt(&api.declared, context);
    apply_conditions(&mut api, context);
    apply_version(&mut api, context);
    apply_cors(&mut api, context);
    auth::apply(&mut api, context);
    door::apply(&mut api, context);
    modernise(&mut api, context);
    resolve_media_types(&mut api.declared, context);
    apply_extensions(&mut api);
    let Api {
        declared,
        definition,
        remote,
        ..
    } = api;
    let place = declared.place;
    let id = declared.logical_id;
    let named = |node: &&Node| node.as_str() != Some("");
    let Some(stage_name) = declared.get("StageName").filter(named).cloned() else {
        context.invalid(INVALID, format!("API `{id}` has no `StageName`"), place);
        return;
    };
    let mut written = Mapping::default();
    for name in API_PROPERTIES {
        if let Some(value) = declared.get(name) {
            written.set(name, &value.place, value.clone());
        }
    }
    apply_endpoint(&declared, &mut written);
    if let Some(policy) = declared.get("Policy") {
        written.set("Policy", &policy.place, policy.clone());
    }
    let described = definition.as_ref().or(remote.as_ref()).map(Node::to_json);
    match (definition, remote) {
        (Some(definition), _) => written.set("Body", place, definition),
        (None, Some(remote)) => written.set("BodyS3Location", place, remote),
        (None, None) => {}
    }
    context.write(&declared, id, "AWS::ApiGateway::RestApi", written);
    let deployment = write_deployment(&declared, &described.unwrap_or_default(), context);
    let stage = write_stage(&declared, &stage_name, &deployment, context);
    door::write_usage_plan(&declared, &stage, context);
}

fn report_unbuilt(declared: &Declared<'_>, context: &mut Context<'_>) {
    for (name, because) in [
        ("Domain", "the API is served at its own address alone"),
        (
            "MergeDefinitions",
            "events are not merged into the API's own definition",
        ),
    ] {
        if let Some(entry) = declared.properties.entry(name) {
            let what = format!("`{name}`");
            let place = entry.key_place.clone();
            context.not_implemented("manifest::property-not-implemented", &what, because, &place);
        }
    }
}

/// `OpenApiVersion: 3…` makes the definition that events wrote one of OpenAPI 3.
fn apply_version(api: &mut Api<'_>, context: &Context<'_>) {
    let version = api
        .declared
        .get("OpenApiVersion")
        .and_then(|node| context.resolved_text(node))
        .filter(|version| version.starts_with('3'));
    let place = api.declared.place;
    if let (Some(version), Authorship::Events) = (version, api.authorship)
        && let Some(top) = api.definition.as_mut().and_then(definition::top)
    {
        top.remove("swagger");
        top.set("openapi", place, text(version, place));
    }
}

/// The preflights that were added say it as Swagger 2.0 does.
fn modernise(api: &mut Api<'_>, context: &Context<'_>) {
    let version = api
        .declared
        .get("OpenApiVersion")
        .and_then(|node| context.resolved_text(node));
    let place = api.declared.place;
    if let Some(definition) = &mut api.definition
        && version.is_some_and(|version| version.starts_with('3'))
        && api.declared.get("Cors").is_some()
    {
        definition::modernise_preflights(definition, place);
    }
}

fn apply_cors(api: &mut Api<'_>, context: &mut Context<'_>) {
    let Some(node) = api.declared.get("Cors").cloned() else {
        return;
    };
    let place = node.place.clone();
    let mut cors = Cors::default();
    match node.as_mapping() {
        Some(members) if !is_intrinsic(&node) => {
            for entry in members {
                let value = Some(entry.value.clone());
                match entry.key.as_str() {
                    "AllowOrigin" => cors.origin = value,
                    "AllowHeaders" => cors.headers = value,
                    "AllowMethods" => cors.methods = value,
                    "MaxAge" => cors.max_age = value,
                    "AllowCredentials" => {
                        cors.allow_credentials =
                            context.resolved(&entry.value).as_bool() == Some(true);
                    }
                    other => context.invalid(
                        INVALID,
                        format!("`Cors` has no property `{other}`"),
                        &entry.key_place,
                    ),
                }
            }
        }
        Some(_) => cors.origin = Some(node.clone()),
        None if node.as_str().is_some() => cors.origin = Some(node.clone()),
        None => context.invalid(INVALID, "`Cors` is a text or a mapping", &place),
    }
    let any = text("'*'", &place);
    let origin = cors.origin.get_or_insert(any);
    if cors.allow_credentials && origin.as_str() == Some("'*'") {
        context.invalid(
            INVALID,
            "`AllowCredentials` cannot be true when `AllowOrigin` is `'*'` or not set",
            &place,
        );
    }
    match &mut api.definition {
        Some(definition) => definition::add_preflights(definition, &cors, &place),
        None => context.invalid(
            INVALID,
            "`Cors` works only with a definition in the template",
            &place,
        ),
    }
}

fn resolve_media_types(declared: &mut Declared<'_>, context: &Context<'_>) {
    if let Some(Kind::Sequence(types)) = declared
        .properties
        .get_mut("BinaryMediaTypes")
        .map(|node| &mut node.kind)
    {
        for media_type in types {
            *media_type = context.resolved(media_type).clone();
        }
    }
}

/// In `BinaryMediaTypes`, slashes may be written `~1`; in a definition they may not.
fn with_slashes(node: &Node) -> Node {
    let kind = match &node.kind {
        Kind::String(media_type) => Kind::String(media_type.replace("~1", "/")),
        Kind::Sequence(items) => Kind::Sequence(items.iter().map(with_slashes).collect()),
        Kind::Mapping(members) => {
            let mut written = Mapping::default();
            for entry in members {
                written.set(&entry.key, &entry.key_place, with_slashes(&entry.value));
            }
            Kind::Mapping(written)
        }
        Kind::Null | Kind::Bool(_) | Kind::Number { .. } => node.kind.clone(),
    };
    Node::new(kind, &node.place)
}

/// Properties that stand in the definition, too.
fn apply_extensions(api: &mut Api<'_>) {
    let place = api.declared.place;
    let media_types = api.declared.get("BinaryMediaTypes").map(with_slashes);
    let closed = api.declared.get("DisableExecuteApiEndpoint").cloned();
    let Some(top) = api.definition.as_mut().and_then(definition::top) else {
        return;
    };
    if let Some(media_types) = media_types {
        top.set("x-amazon-apigateway-binary-media-types", place, media_types);
    }
    if let Some(closed) = closed {
        let endpoint = mapping([("disableExecuteApiEndpoint", closed)], place);
        let extension = if top.get("openapi").is_some() {
            let server = mapping(
                [("x-amazon-apigateway-endpoint-configuration", endpoint)],
                place,
            );
            ("servers", list(vec![server], place))
        } else {
            ("x-amazon-apigateway-endpoint-configuration", endpoint)
        };
        top.set(extension.0, place, extension.1);
    }
}

fn apply_endpoint(declared: &Declared<'_>, written: &mut Mapping) {
    let Some(endpoint) = declared.get("EndpointConfiguration") else {
        return;
    };
    let place = &endpoint.place;
    let described = endpoint.as_mapping().filter(|_| !is_intrinsic(endpoint));
    let kind = match described {
        Some(members) => members.get("Type").cloned(),
        None => Some(endpoint.clone()),
    };
    let mut configuration = Mapping::default();
    if let Some(kind) = &kind {
        configuration.set("Types", place, list(vec![kind.clone()], place));
        written.set(
            "Parameters",
            place,
            mapping([("endpointConfigurationTypes", kind.clone())], place),
        );
    }
    for (given, name) in [
        ("VPCEndpointIds", "VpcEndpointIds"),
        ("VpcEndpointIds", "VpcEndpointIds"),
        ("IpAddressType", "IpAddressType"),
    ] {
        if let Some(value) = described.and_then(|members| members.get(given)) {
            configuration.set(name, place, value.clone());
        }
    }
    let node = Node::new(Kind::Mapping(configuration), place);
    written.set("EndpointConfiguration", place, node);
}

/// A deployment has a new name whenever the definition changes. Differs: the transform hashes the definition as Python
/// prints it, we its JSON.
fn write_deployment(
    declared: &Declared<'_>,
    described: &serde_json::Value,
    context: &mut Context<'_>,
) -> String {
    let place = declared.place;
    let id = declared.logical_id;
    let canonical = hash::canonical_json(described);
    let deployment = hash::logical_id(&format!("{id}Deployment"), &canonical);
    let mut properties = Mapping::default();
    let digest = hash::sha1_hex(canonical.as_bytes());
    let description = format!("RestApi deployment id: {digest}");
    properties.set("Description", place, text(description, place));
    properties.set("RestApiId", place, reference(id, place));
    if declared.get("OpenApiVersion").is_none() {
        properties.set("StageName", place, text("Stage", place));
    }
    context.write_companion(
        declared,
        &deployment,
        "AWS::ApiGateway::Deployment",
        properties,
    );
    context
        .renamed
        .insert(format!("{id}.Deployment"), deployment.clone());
    deployment
}

fn write_stage(
    declared: &Declared<'_>,
    stage_name: &Node,
    deployment: &str,
    context: &mut Context<'_>,
) -> String {
    let place = declared.place;
    let id = declared.logical_id;
    let stage = match stage_name.as_str() {
        Some(name) if name.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            format!("{id}{name}Stage")
        }
        Some(name) => hash::logical_id(&format!("{id}Stage"), name),
        None => format!("{id}Stage"),
    };
    let mut properties = Mapping::default();
    properties.set("DeploymentId", place, reference(deployment, place));
    properties.set("RestApiId", place, reference(id, place));
    properties.set("StageName", place, stage_name.clone());
    for name in STAGE_PROPERTIES {
        if let Some(value) = declared.get(name) {
            properties.set(name, &value.place, value.clone());
        }
    }
    let tags = tag_list(declared.get("Tags"), declared);
    if !tags.is_empty() {
        properties.set("Tags", place, list(tags, place));
    }
    context.write_companion(declared, &stage, "AWS::ApiGateway::Stage", properties);
    context.renamed.insert(format!("{id}.Stage"), stage.clone());
    stage
}

/// The properties of the implicit API.
pub(super) fn implicit_properties(place: &model::problem::Place) -> Mapping {
    super::nodes::members(Some(&json(&json!({"StageName": "Prod"}), place)))
}
