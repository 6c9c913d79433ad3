//! `AWS::Serverless::HttpApi`: the API and its stage.
//!
//! Lives here: what is written for an HTTP API once all events have been added.
//! Does not live here: its definition (`definition`), events (`events`).
//!
//! Contract: AWS SAM Developer Guide, "AWS::Serverless::HttpApi" and "Generated CloudFormation resources when
//! AWS::Serverless::HttpApi is specified".

use cloudformation::node::{Kind, Mapping, Node};
use serde_json::json;

use super::apis::{Api, apply_conditions};
use super::context::{Context, Declared};
use super::nodes::{inner, is_intrinsic, json, list, mapping, members, reference, text};
use super::{auth, definition, hash, properties};

const INVALID: &str = "manifest::invalid-api";
const DEFAULT_STAGE: &str = "$default";
const CREATED_BY: &str = "httpapi:createdBy";

const CORS: [(&str, &str); 6] = [
    ("AllowOrigins", "allowOrigins"),
    ("AllowHeaders", "allowHeaders"),
    ("AllowMethods", "allowMethods"),
    ("ExposeHeaders", "exposeHeaders"),
    ("MaxAge", "maxAge"),
    ("AllowCredentials", "allowCredentials"),
];

/// Writes the API and its stage.
pub(super) fn transform(mut api: Api<'_>, context: &mut Context<'_>) {
    properties::check(&api.declared, properties::HTTP_API, context);
    if let Some(entry) = api.declared.properties.entry("Domain") {
        let place = entry.key_place.clone();
        let because = "the API is served at its own address alone";
        context.not_implemented(
            "manifest::property-not-implemented",
            "`Domain`",
            because,
            &place,
        );
    }
    apply_conditions(&mut api, context);
    apply_cors(&mut api, context);
    auth::apply(&mut api, context);
    apply_description(&mut api);
    let Api {
        declared,
        definition,
        remote,
        ..
    } = api;
    let place = declared.place;
    let mut written = Mapping::default();
    if let Some(value) = declared.get("FailOnWarnings") {
        written.set("FailOnWarnings", &value.place, value.clone());
    }
    match (definition, remote) {
        (Some(definition), _) => written.set("Body", place, definition),
        (None, Some(remote)) => written.set("BodyS3Location", place, remote),
        (None, None) => {}
    }
    let id = declared.logical_id;
    // The tag stands in the definition, too; without one the transform adds it nowhere.
    let tags = written.get("Body").is_some().then(|| {
        let mut tags = members(declared.get("Tags"));
        tags.set(CREATED_BY, place, text("SAM", place));
        tags
    });
    context.write(&declared, id, "AWS::ApiGatewayV2::Api", written);
    write_stage(&declared, tags, context);
}

/// `true` lets every origin in; a mapping is taken over, and wins over what the definition says.
fn apply_cors(api: &mut Api<'_>, context: &mut Context<'_>) {
    let Some(node) = api.declared.get("CorsConfiguration") else {
        return;
    };
    let node = context.resolved(node).clone();
    let place = node.place.clone();
    let mut cors = Mapping::default();
    match &node.kind {
        Kind::Bool(false) | Kind::Null => return,
        Kind::Bool(true) => {
            cors.set("allowOrigins", &place, json(&json!(["*"]), &place));
        }
        Kind::Mapping(_) if is_intrinsic(&node) => cors.set("allowOrigins", &place, node.clone()),
        Kind::Mapping(given) => {
            for entry in given {
                match CORS.iter().find(|(name, _)| *name == entry.key) {
                    Some((_, written)) => cors.set(written, &entry.key_place, entry.value.clone()),
                    None => context.invalid(
                        INVALID,
                        format!("`CorsConfiguration` has no property `{}`", entry.key),
                        &entry.key_place,
                    ),
                }
            }
        }
        Kind::String(flag) if flag == "true" => {
            cors.set("allowOrigins", &place, json(&json!(["*"]), &place));
        }
        Kind::Number { .. } | Kind::String(_) | Kind::Sequence(_) => {
            context.invalid(
                INVALID,
                "`CorsConfiguration` is a mapping or `true`",
                &place,
            );
            return;
        }
    }
    let extension = api
        .definition
        .as_mut()
        .and_then(definition::top)
        .and_then(|top| inner(top, "x-amazon-apigateway-cors", &place));
    match extension {
        Some(written) => {
            for entry in &cors {
                written.set(&entry.key, &entry.key_place, entry.value.clone());
            }
        }
        None => context.invalid(
            INVALID,
            "`CorsConfiguration` works only with a definition in the template",
            &place,
        ),
    }
}

/// Title, description, tags and endpoint, which stand in the definition.
fn apply_description(api: &mut Api<'_>) {
    let place = api.declared.place;
    let property = |name: &str| api.declared.get(name).cloned();
    let (name, description) = (property("Name"), property("Description"));
    let closed = property("DisableExecuteApiEndpoint");
    let strict = api
        .declared
        .get("FailOnWarnings")
        .is_some_and(|node| node.as_bool() != Some(false));
    let mut tags = members(api.declared.get("Tags"));
    tags.set(CREATED_BY, place, text("SAM", place));
    let Some(top) = api.definition.as_mut().and_then(definition::top) else {
        return;
    };
    for (key, value) in [("title", name), ("description", description)] {
        if let (Some(value), Some(info)) = (value, inner(top, "info", place)) {
            info.set(key, place, value);
        }
    }
    if let Some(closed) = closed {
        let endpoint = mapping([("disableExecuteApiEndpoint", closed)], place);
        let server = mapping(
            [("x-amazon-apigateway-endpoint-configuration", endpoint)],
            place,
        );
        top.set("servers", place, list(vec![server], place));
    }
    let mut listed = match top.get("tags").map(|node| &node.kind) {
        Some(Kind::Sequence(given)) => given.clone(),
        Some(
            Kind::Null | Kind::Bool(_) | Kind::Number { .. } | Kind::String(_) | Kind::Mapping(_),
        )
        | None => Vec::new(),
    };
    for tag in &tags {
        listed.retain(|node| node.get("name").and_then(Node::as_str) != Some(&tag.key));
        listed.push(mapping(
            [
                ("name", text(tag.key.clone(), place)),
                ("x-amazon-apigateway-tag-value", tag.value.clone()),
            ],
            place,
        ));
    }
    top.set("tags", place, list(listed, place));
    if strict
        && let Some(paths) = inner(top, "paths", place)
        && let Some(item) = paths.remove(DEFAULT_STAGE)
    {
        // An import that fails on warnings refuses a path without a slash.
        paths.set("/$default", place, item);
    }
}

fn write_stage(declared: &Declared<'_>, tags: Option<Mapping>, context: &mut Context<'_>) {
    let place = declared.place;
    let id = declared.logical_id;
    let name = declared.get("StageName").cloned();
    let name = name.unwrap_or_else(|| text(DEFAULT_STAGE, place));
    let stage = match name.as_str() {
        Some(DEFAULT_STAGE) => format!("{id}ApiGatewayDefaultStage"),
        Some(text) if text.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            format!("{id}{text}Stage")
        }
        Some(text) => hash::logical_id(&format!("{id}Stage"), text),
        None => format!("{id}Stage"),
    };
    let mut properties = Mapping::default();
    properties.set("ApiId", place, reference(id, place));
    properties.set("AutoDeploy", place, json(&json!(true), place));
    properties.set("StageName", place, name);
    if let Some(tags) = tags {
        properties.set("Tags", place, Node::new(Kind::Mapping(tags), place));
    }
    for (given, written) in [
        ("AccessLogSettings", "AccessLogSettings"),
        ("DefaultRouteSettings", "DefaultRouteSettings"),
        ("RouteSettings", "RouteSettings"),
        ("StageVariables", "StageVariables"),
    ] {
        if let Some(value) = declared.get(given) {
            properties.set(written, &value.place, value.clone());
        }
    }
    context.write_companion(declared, &stage, "AWS::ApiGatewayV2::Stage", properties);
    context.renamed.insert(format!("{id}.Stage"), stage);
}
