//! WebSocket APIs: what `websocket` events become.
//!
//! Lives here: the API, its stage and deployment, integrations, routes and their responses, permissions.
//! Does not live here: reading events (`events`), serving (`gateway`).

use cloudformation::node::Node;
use model::problem::Place;

use super::{Draft, roles};
use crate::serverless_framework::build::{self, Object};
use crate::serverless_framework::service::{Function, Service};
use crate::serverless_framework::{naming, script};

mod events;

use events::{Authorizer, Route};

const API: &str = "WebsocketsApi";
const STAGE: &str = "WebsocketsDeploymentStage";
const LOG_GROUP: &str = "WebsocketsLogGroup";
/// What is said of APIs that say nothing of themselves.
const DESCRIPTION: &str = "Serverless Websockets";
/// How a message chooses its route when the manifest does not say.
const SELECTION: &str = "$request.body.action";
/// A line of the access log, when the manifest asks for one without saying how.
const LOG_FORMAT: &str = "$context.identity.sourceIp $context.identity.caller $context.identity.user \
    [$context.requestTime] \"$context.eventType $context.routeKey $context.connectionId\" $context.requestId";

pub(super) fn write(service: &Service<'_>, draft: &mut Draft) {
    let routes = events::read(service, &mut draft.problems);
    let Some(first) = routes.first() else { return };
    let place = first.place.clone();
    write_api(service, &place, draft);
    for route in &routes {
        write_integration(route.function, draft);
    }
    for route in routes.iter().filter(|route| route.has_response) {
        write_response(route, draft);
    }
    for authorizer in routes.iter().filter_map(|route| route.authorizer.as_ref()) {
        write_authorizer(authorizer, draft);
    }
    for route in &routes {
        write_permission(route.function, draft);
        if let Some(authorizer) = &route.authorizer {
            write_authorizer_permission(authorizer, draft);
        }
    }
    for route in &routes {
        write_route(route, draft);
    }
    write_stage(service, &place, draft);
    write_deployment(service, &routes, &place, draft);
}

fn text_setting<'a>(service: &Service<'a>, key: &str) -> Option<&'a Node> {
    script::truthy(service.setting(key)).filter(|node| node.as_str().is_some())
}

fn description(service: &Service<'_>, place: &Place) -> Node {
    let own = script::truthy(service.setting("websocketsDescription")).cloned();
    own.unwrap_or_else(|| Node::string(DESCRIPTION, place))
}

fn write_api(service: &Service<'_>, place: &Place, draft: &mut Draft) {
    let name = text_setting(service, "websocketsApiName").cloned();
    let name = name.unwrap_or_else(|| {
        Node::string(
            format!("{}-{}-websockets", service.stage, service.name),
            place,
        )
    });
    let selection = script::truthy(service.setting("websocketsApiRouteSelectionExpression"));
    let selection = selection.cloned();
    let has_tags = script::truthy(service.setting_at(&["websocket", "useProviderTags"])).is_some();
    let properties = Object::new(place)
        .with("Name", name)
        .with(
            "RouteSelectionExpression",
            selection.unwrap_or_else(|| Node::string(SELECTION, place)),
        )
        .with("Description", description(service, place))
        .with("ProtocolType", "WEBSOCKET")
        .with_some(
            "Tags",
            script::truthy(service.setting("tags")).filter(|_| has_tags),
        );
    draft.add(API, build::resource("AWS::ApiGatewayV2::Api", properties));
    let statement = Object::new(place)
        .with("Effect", "Allow")
        .with("Action", vec!["execute-api:ManageConnections"])
        .with(
            "Resource",
            vec![build::substituted(
                "arn:${AWS::Partition}:execute-api:*:*:*/@connections/*",
                place,
            )],
        );
    draft.allow(statement.node());
}

fn write_integration(function: Function<'_>, draft: &mut Draft) {
    let place = function.place;
    let properties = Object::new(place)
        .with("ApiId", build::reference(API, place))
        .with("IntegrationType", "AWS_PROXY")
        .with(
            "IntegrationUri",
            build::invocation_uri(vec![function.target(place)], place),
        );
    let resource = build::resource("AWS::ApiGatewayV2::Integration", properties)
        .with_some("DependsOn", function.alias().map(|alias| alias.logical_id));
    draft.add(&naming::websockets_integration(function.key), resource);
}

fn write_response(route: &Route<'_>, draft: &mut Draft) {
    let place = &route.place;
    let id = naming::websockets_route(&route.key);
    let properties = Object::new(place)
        .with("ApiId", build::reference(API, place))
        .with("RouteId", build::reference(&id, place))
        .with("RouteResponseKey", "$default");
    let resource = build::resource("AWS::ApiGatewayV2::RouteResponse", properties);
    draft.add(&format!("{id}Response"), resource);
}

fn write_authorizer(authorizer: &Authorizer<'_>, draft: &mut Draft) {
    let place = &authorizer.place;
    let properties = Object::new(place)
        .with("ApiId", build::reference(API, place))
        .with("Name", &authorizer.name)
        .with("AuthorizerType", "REQUEST")
        .with(
            "AuthorizerUri",
            build::invocation_uri(vec![authorizer.target.clone()], place),
        )
        .with("IdentitySource", authorizer.sources.clone());
    let alias = authorizer.function.and_then(|function| function.alias());
    let resource = build::resource("AWS::ApiGatewayV2::Authorizer", properties)
        .with_some("DependsOn", alias.map(|alias| alias.logical_id));
    draft.add(&naming::websockets_authorizer(&authorizer.name), resource);
}

fn write_permission(function: Function<'_>, draft: &mut Draft) {
    let place = function.place;
    let waits_for = function
        .alias()
        .map_or_else(|| function.logical_id(), |alias| alias.logical_id);
    let resource = permission(
        function.target(place),
        vec![API.to_owned(), waits_for],
        place,
    );
    draft.add(&naming::websockets_permission(function.key), resource);
}

fn write_authorizer_permission(authorizer: &Authorizer<'_>, draft: &mut Draft) {
    let place = &authorizer.place;
    let mut waits_for = vec![API.to_owned()];
    if let Some(function) = authorizer.function {
        waits_for.push(function.logical_id());
        waits_for.extend(function.alias().map(|alias| alias.logical_id));
    }
    let resource = permission(authorizer.target.clone(), waits_for, place);
    draft.add(&naming::websockets_permission(&authorizer.name), resource);
}

fn permission(target: Node, waits_for: Vec<String>, place: &Place) -> Object {
    let properties = Object::new(place)
        .with("FunctionName", target)
        .with("Action", "lambda:InvokeFunction")
        .with("Principal", "apigateway.amazonaws.com");
    build::resource("AWS::Lambda::Permission", properties).with("DependsOn", waits_for)
}

fn write_route(route: &Route<'_>, draft: &mut Draft) {
    let place = &route.place;
    let target = vec![
        Node::string("integrations", place),
        build::reference(&naming::websockets_integration(route.function.key), place),
    ];
    let mut properties = Object::new(place)
        .with("ApiId", build::reference(API, place))
        .with("RouteKey", &route.key)
        .with("AuthorizationType", "NONE")
        .with("Target", build::joined("/", target, place));
    if route.has_response {
        properties.set("RouteResponseSelectionExpression", "$default");
    }
    if let Some(authorizer) = &route.authorizer {
        let id = naming::websockets_authorizer(&authorizer.name);
        properties.set("AuthorizationType", "CUSTOM");
        properties.set("AuthorizerId", build::reference(&id, place));
    } else if route.is_shut {
        // Nobody may connect where its author meant somebody to be asked.
        properties.set("AuthorizationType", "AWS_IAM");
    }
    let resource = build::resource("AWS::ApiGatewayV2::Route", properties);
    draft.add(&naming::websockets_route(&route.key), resource);
}

fn deployment_id(service: &Service<'_>) -> String {
    format!("WebsocketsDeployment{}", service.request.now_ms)
}

fn write_stage(service: &Service<'_>, place: &Place, draft: &mut Draft) {
    let mut properties = Object::new(place)
        .with("ApiId", build::reference(API, place))
        .with("StageName", service.stage.clone())
        .with("Description", description(service, place))
        .with(
            "DeploymentId",
            build::reference(&deployment_id(service), place),
        );
    let logs = script::truthy(service.setting_at(&["logs", "websocket"]));
    // What is not said is on.
    let is_on = |key: &str| {
        let said = logs.and_then(|logs| logs.get(key));
        said.is_none_or(|said| script::truthy(Some(said)).is_some())
    };
    if let Some(logs) = logs.filter(|_| is_on("accessLogging")) {
        let format = script::truthy(logs.get("format")).cloned();
        let format = format.unwrap_or_else(|| Node::string(LOG_FORMAT, place));
        let arn = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:";
        let destination = build::substituted(&format!("{arn}${{{LOG_GROUP}}}"), place);
        let settings = Object::new(place)
            .with("DestinationArn", destination)
            .with("Format", format);
        properties.set("AccessLogSettings", settings);
    }
    draft.add(
        STAGE,
        build::resource("AWS::ApiGatewayV2::Stage", properties),
    );
    if let Some(logs) = logs {
        let name = format!("/aws/websocket/{}-{}", service.name, service.stage);
        let group = roles::log_group(service, &name, &logs.place);
        draft.add(LOG_GROUP, build::resource("AWS::Logs::LogGroup", group));
    }
}

fn write_deployment(service: &Service<'_>, routes: &[Route<'_>], place: &Place, draft: &mut Draft) {
    let waits_for: Vec<String> = routes
        .iter()
        .flat_map(|route| {
            let id = naming::websockets_route(&route.key);
            let response = route.has_response.then(|| format!("{id}Response"));
            response.into_iter().chain([id])
        })
        .collect();
    let properties = Object::new(place)
        .with("ApiId", build::reference(API, place))
        .with("Description", description(service, place));
    let resource =
        build::resource("AWS::ApiGatewayV2::Deployment", properties).with("DependsOn", waits_for);
    draft.add(&deployment_id(service), resource);
    let mut parts = vec![Node::string("wss://", place), build::reference(API, place)];
    let stage = format!("/{}", service.stage);
    let host = [
        ".execute-api.",
        "AWS::Region",
        ".",
        "AWS::URLSuffix",
        &stage,
    ];
    parts.extend(build::arn_parts(&host, place));
    let output = Object::new(place)
        .with("Description", "URL of the service endpoint")
        .with("Value", build::joined("", parts, place));
    draft.add_output("ServiceEndpointWebsocket", output);
}
