//! Who may call a route of an HTTP API.
//!
//! Lives here: `provider.httpApi.authorizers`, and the routes that name one of them.
//! Does not live here: asking an authorizer (`gateway`).

use cloudformation::node::{Entry, Kind, Node};
use model::problem::Problem;

use super::api_id;
use super::events::Route;
use crate::serverless_framework::build::{self, Object};
use crate::serverless_framework::service::Service;
use crate::serverless_framework::suggestion;
use crate::serverless_framework::template::{Draft, invocations};
use crate::serverless_framework::{naming, script};

/// Writes the authorizers that the provider describes.
pub(super) fn write(service: &Service<'_>, draft: &mut Draft) {
    for entry in all(service) {
        if let Err(problem) = write_one(service, entry, draft) {
            draft.problems.push(*problem);
        }
    }
}

/// Adds to a route who may call it.
pub(super) fn authorise(
    service: &Service<'_>,
    route: &Route<'_>,
    properties: Object,
    draft: &mut Draft,
) -> Object {
    let Some(node) = route.authorizer else {
        return properties;
    };
    let place = &node.place;
    let kind = node.get("type").and_then(Node::as_str);
    if kind == Some("aws_iam") {
        return properties.with("AuthorizationType", "AWS_IAM");
    }
    let authorization = |kind: Option<&str>| {
        if kind == Some("request") {
            "CUSTOM"
        } else {
            "JWT"
        }
    };
    let scopes = script::truthy(node.get("scopes")).map(invocations::unique);
    if let Some(id) = script::truthy(node.get("id")) {
        return properties
            .with("AuthorizationType", authorization(kind))
            .with("AuthorizerId", id)
            .with_some("AuthorizationScopes", scopes);
    }
    let name = node
        .as_str()
        .or_else(|| node.get("name")?.as_str())
        .unwrap_or_default();
    let Some(entry) = all(service).find(|entry| entry.key == name) else {
        let known: Vec<&str> = all(service).map(|entry| entry.key.as_str()).collect();
        draft.problems.push(
            Problem::error(
                "manifest::unknown-authorizer",
                format!("no authorizer is called `{name}`"),
            )
            .at(place)
            .because("routes name authorizers of `provider.httpApi.authorizers`")
            .help(if known.is_empty() {
                "describe it there".to_owned()
            } else {
                suggestion::help(name, &known)
            }),
        );
        // Nobody may call what its author meant to guard.
        return properties.with("AuthorizationType", "AWS_IAM");
    };
    let id = naming::http_api_authorizer(&display_name(entry));
    let kind = entry.value.get("type").and_then(Node::as_str);
    properties
        .with("AuthorizationType", authorization(kind))
        .with("AuthorizerId", build::reference(&id, place))
        .with_some("AuthorizationScopes", scopes)
}

fn all<'a>(service: &Service<'a>) -> impl Iterator<Item = &'a Entry> + use<'a> {
    let authorizers = service.setting_at(&["httpApi", "authorizers"]);
    authorizers.and_then(Node::as_mapping).into_iter().flatten()
}

fn display_name(entry: &Entry) -> String {
    let own = script::truthy(entry.value.get("name")).and_then(script::text_of);
    own.unwrap_or_else(|| entry.key.clone())
}

fn write_one(service: &Service<'_>, entry: &Entry, draft: &mut Draft) -> Result<(), Box<Problem>> {
    let place = &entry.key_place;
    let option = |key: &str| script::truthy(entry.value.get(key));
    let name = display_name(entry);
    let source = match option("identitySource") {
        Some(Node {
            kind: Kind::Sequence(items),
            ..
        }) => items.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    };
    let properties = Object::new(place)
        .with("ApiId", api_id(service, place))
        .with("Name", &name)
        .with("IdentitySource", source);
    let id = naming::http_api_authorizer(&name);
    if option("type").and_then(Node::as_str) != Some("request") {
        let jwt = Object::new(place)
            .with(
                "Audience",
                option("audience").map_or_else(Vec::new, invocations::unique),
            )
            .with_some("Issuer", option("issuerUrl"));
        let properties = properties
            .with("AuthorizerType", "JWT")
            .with("JwtConfiguration", jwt);
        let resource = build::resource("AWS::ApiGatewayV2::Authorizer", properties);
        draft.add(&id, resource);
        return Ok(());
    }
    let (target, alias) = target(service, entry)?;
    let payload = option("payloadVersion").cloned();
    let properties = properties
        .with("AuthorizerType", "REQUEST")
        .with_some(
            "EnableSimpleResponses",
            entry.value.get("enableSimpleResponses"),
        )
        .with_some(
            "AuthorizerResultTtlInSeconds",
            entry.value.get("resultTtlInSeconds"),
        )
        .with(
            "AuthorizerPayloadFormatVersion",
            payload.unwrap_or_else(|| Node::string("2.0", place)),
        )
        .with(
            "AuthorizerUri",
            build::invocation_uri(vec![target.clone()], place),
        );
    let resource = build::resource("AWS::ApiGatewayV2::Authorizer", properties)
        .with_some("DependsOn", alias.clone());
    draft.add(&id, resource);
    if option("managedExternally").is_none() {
        let permission = Object::new(place)
            .with("FunctionName", target)
            .with("Action", "lambda:InvokeFunction")
            .with("Principal", "apigateway.amazonaws.com")
            .with(
                "SourceArn",
                build::api_source_arn(api_id(service, place), "/*", place),
            );
        let permission =
            build::resource("AWS::Lambda::Permission", permission).with_some("DependsOn", alias);
        let stem = naming::normalised(&name);
        draft.add(
            &format!("{stem}LambdaAuthorizerPermissionHttpApi"),
            permission,
        );
    }
    Ok(())
}

/// What the authorizer calls, and the alias to wait for.
fn target(service: &Service<'_>, entry: &Entry) -> Result<(Node, Option<String>), Box<Problem>> {
    let option = |key: &str| script::truthy(entry.value.get(key));
    let wrong = |title: String| {
        Box::new(
            Problem::error("manifest::invalid-authorizer", title)
                .at(&entry.key_place)
                .help("set `functionName` to a function of this manifest, or `functionArn`"),
        )
    };
    match (option("functionArn"), option("functionName")) {
        (Some(arn), None) => Ok((arn.clone(), None)),
        (None, Some(name)) => {
            let name = script::text_of(name).unwrap_or_default();
            let function = service
                .function(&name)
                .ok_or_else(|| wrong(format!("no function is called `{name}`")))?;
            let alias = function.alias().map(|alias| alias.logical_id);
            Ok((function.target(&entry.key_place), alias))
        }
        (Some(_), Some(_)) => Err(wrong(format!(
            "the authorizer `{}` names two functions",
            entry.key
        ))),
        (None, None) => Err(wrong(format!(
            "the authorizer `{}` names no function",
            entry.key
        ))),
    }
}
