//! HTTP APIs: what `httpApi` events become.
//!
//! Lives here: the API, its stage, integrations, routes and permissions.
//! Does not live here: reading events (`events`), authorizers (`authorizers`), serving (`gateway`).

use cloudformation::node::Node;
use model::problem::Place;
use serde_json::json;

use super::{Draft, invocations, roles};
use crate::serverless_framework::build::{self, Object, Part};
use crate::serverless_framework::service::{Function, Service};
use crate::serverless_framework::{naming, script};

mod authorizers;
mod events;

use events::Route;

/// Headers that browsers may send when the manifest names none.
const HEADERS_DEFAULT: &[&str] = &[
    "Content-Type",
    "X-Amz-Date",
    "Authorization",
    "X-Api-Key",
    "X-Amz-Security-Token",
    "X-Amz-User-Agent",
    "X-Amzn-Trace-Id",
];

/// How long an integration may take, in milliseconds: all that HTTP APIs allow.
const TIMEOUT_MS: u32 = 30_000;

/// A line of the access log, when the manifest asks for one without saying how.
const LOG_FORMAT: &[(&str, &str)] = &[
    ("requestId", "$context.requestId"),
    ("ip", "$context.identity.sourceIp"),
    ("requestTime", "$context.requestTime"),
    ("httpMethod", "$context.httpMethod"),
    ("routeKey", "$context.routeKey"),
    ("status", "$context.status"),
    ("protocol", "$context.protocol"),
    ("responseLength", "$context.responseLength"),
];

pub(super) fn write(service: &Service<'_>, draft: &mut Draft) {
    let routes = events::read(service, &mut draft.problems);
    let Some(first) = routes.first() else { return };
    let place = first.place.clone();
    let is_own = script::truthy(service.setting_at(&["httpApi", "id"])).is_none();
    if is_own {
        write_api(service, &routes, &place, draft);
        write_stage(service, &place, draft);
        authorizers::write(service, draft);
    }
    for route in &routes {
        write_permission(service, route.function, draft);
        write_integration(service, route.function, draft);
        write_route(service, route, draft);
    }
}

/// The API's id: generated, or somebody else's.
fn api_id(service: &Service<'_>, place: &Place) -> Node {
    script::truthy(service.setting_at(&["httpApi", "id"]))
        .map_or_else(|| build::reference("HttpApi", place), Node::clone)
}

fn write_api(service: &Service<'_>, routes: &[Route<'_>], place: &Place, draft: &mut Draft) {
    let name = script::truthy(service.setting_at(&["httpApi", "name"])).cloned();
    let name = name.unwrap_or_else(|| Node::string(service.api_name("httpApi"), place));
    let cors = script::truthy(service.setting_at(&["httpApi", "cors"]));
    let properties = Object::new(place)
        .with("Name", name)
        .with("ProtocolType", "HTTP")
        .with_some(
            "DisableExecuteApiEndpoint",
            service.setting_at(&["httpApi", "disableDefaultEndpoint"]),
        )
        .with_some("Tags", script::truthy(service.setting("tags")))
        .with_some("CorsConfiguration", cors.map(|cors| cors_of(cors, routes)));
    draft.add(
        "HttpApi",
        build::resource("AWS::ApiGatewayV2::Api", properties),
    );
}

fn cors_of(cors: &Node, routes: &[Route<'_>]) -> Object {
    let place = &cors.place;
    let list = |key: &str| script::truthy(cors.get(key)).map(invocations::unique);
    let texts = |texts: &[&str]| -> Vec<Node> {
        texts
            .iter()
            .map(|text| Node::string(*text, place))
            .collect()
    };
    let methods = list("allowedMethods").unwrap_or_else(|| texts(&events::methods(routes)));
    let credentials = script::truthy(cors.get("allowCredentials")).map(|_| true);
    Object::new(place)
        .with_some("AllowCredentials", credentials)
        .with(
            "AllowHeaders",
            list("allowedHeaders").unwrap_or_else(|| texts(HEADERS_DEFAULT)),
        )
        .with("AllowMethods", methods)
        .with(
            "AllowOrigins",
            list("allowedOrigins").unwrap_or_else(|| texts(&["*"])),
        )
        .with_some("ExposeHeaders", list("exposedResponseHeaders"))
        .with_some("MaxAge", cors.get("maxAge"))
}

fn write_stage(service: &Service<'_>, place: &Place, draft: &mut Draft) {
    let metrics = script::truthy(service.setting_at(&["httpApi", "metrics"])).cloned();
    let metrics = metrics.unwrap_or_else(|| false.into_node(place));
    let logs = script::truthy(service.setting_at(&["logs", "httpApi"]));
    let mut properties = Object::new(place)
        .with("ApiId", build::reference("HttpApi", place))
        .with("StageName", "$default")
        .with("AutoDeploy", true)
        .with(
            "DefaultRouteSettings",
            Object::new(place).with("DetailedMetricsEnabled", metrics),
        )
        .with_some("Tags", script::truthy(service.setting("tags")));
    if let Some(logs) = logs {
        let name = format!("/aws/http-api/{}", service.stack_name());
        let group = roles::log_group(service, &name, &logs.place);
        draft.add(
            "HttpApiLogGroup",
            build::resource("AWS::Logs::LogGroup", group),
        );
        let format = script::truthy(logs.get("format")).cloned();
        let format = format.unwrap_or_else(|| Node::string(log_format(), place));
        let settings = Object::new(&logs.place)
            .with(
                "DestinationArn",
                build::attribute("HttpApiLogGroup", "Arn", place),
            )
            .with("Format", format);
        properties.set("AccessLogSettings", settings);
    }
    let resource = build::resource("AWS::ApiGatewayV2::Stage", properties)
        .with_some("DependsOn", logs.map(|_| "HttpApiLogGroup"));
    draft.add("HttpApiStage", resource);
    let output = |description: &str, value: Node| {
        Object::new(place)
            .with("Description", description)
            .with("Value", value)
    };
    let id = build::reference("HttpApi", place);
    let mut parts = vec![Node::string("https://", place), id.clone()];
    let host = [".execute-api.", "AWS::Region", ".", "AWS::URLSuffix"];
    parts.extend(build::arn_parts(&host, place));
    draft.add_output("HttpApiId", output("Id of the HTTP API", id));
    let url = output("URL of the HTTP API", build::joined("", parts, place));
    draft.add_output("HttpApiUrl", url);
}

fn log_format() -> String {
    let members = LOG_FORMAT
        .iter()
        .map(|(name, value)| ((*name).to_owned(), json!(value)));
    serde_json::Value::Object(members.collect()).to_string()
}

fn write_permission(service: &Service<'_>, function: Function<'_>, draft: &mut Draft) {
    let place = function.place;
    let properties = Object::new(place)
        .with("FunctionName", function.target(place))
        .with("Action", "lambda:InvokeFunction")
        .with("Principal", "apigateway.amazonaws.com")
        .with(
            "SourceArn",
            build::api_source_arn(api_id(service, place), "/*", place),
        );
    let resource = build::resource("AWS::Lambda::Permission", properties)
        .with_some("DependsOn", function.alias().map(|alias| alias.logical_id));
    let id = format!(
        "{}LambdaPermissionHttpApi",
        naming::normalised(function.key)
    );
    draft.add(&id, resource);
}

fn write_integration(service: &Service<'_>, function: Function<'_>, draft: &mut Draft) {
    let place = function.place;
    let own = script::truthy(function.node.at_path(["httpApi", "payload"]));
    let payload = own.or_else(|| script::truthy(service.setting_at(&["httpApi", "payload"])));
    let payload = payload
        .cloned()
        .unwrap_or_else(|| Node::string("2.0", place));
    let properties = Object::new(place)
        .with("ApiId", api_id(service, place))
        .with("IntegrationType", "AWS_PROXY")
        .with("IntegrationUri", function.target(place))
        .with("PayloadFormatVersion", payload)
        .with("TimeoutInMillis", TIMEOUT_MS);
    let resource = build::resource("AWS::ApiGatewayV2::Integration", properties)
        .with_some("DependsOn", function.alias().map(|alias| alias.logical_id));
    draft.add(&naming::http_api_integration(function.key), resource);
}

fn write_route(service: &Service<'_>, route: &Route<'_>, draft: &mut Draft) {
    let place = &route.place;
    let integration = naming::http_api_integration(route.function.key);
    let key = if route.key == "*" {
        "$default"
    } else {
        &route.key
    };
    let target = vec![
        Node::string("integrations", place),
        build::reference(&integration, place),
    ];
    let properties = Object::new(place)
        .with("ApiId", api_id(service, place))
        .with("RouteKey", key)
        .with("Target", build::joined("/", target, place));
    let properties = authorizers::authorise(service, route, properties, draft);
    let resource =
        build::resource("AWS::ApiGatewayV2::Route", properties).with("DependsOn", integration);
    draft.add(&naming::http_api_route(&route.key), resource);
}
