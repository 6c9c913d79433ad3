//! REST APIs: what `http` events and service proxies become.
//!
//! Lives here: the API itself, its deployment, and the order of its parts.
//! Does not live here: how an event is understood (`events`), its parts (the modules below), serving it (`gateway`).

use cloudformation::node::Node;
use model::problem::Place;

use super::Draft;
use crate::serverless_framework::build::{self, Object};
use crate::serverless_framework::naming;
use crate::serverless_framework::script;
use crate::serverless_framework::service::Service;

mod authorizers;
mod caching;
mod cors;
mod events;
mod keys;
mod methods;
mod paths;
mod service_proxies;
mod templates;
mod validators;

use events::Event;

pub(super) fn write(service: &Service<'_>, draft: &mut Draft) {
    let events = events::read(service, &mut draft.problems);
    let proxies = service_proxies::read(service, &events, draft);
    let places = events.iter().map(|event| &event.place);
    let mut places = places.chain(proxies.iter().map(|proxy| &proxy.place));
    let Some(place) = places.next().cloned() else {
        return;
    };
    write_api(service, &place, draft);
    let paths = paths::write(service, &events, &proxies, draft);
    let mut methods = cors::write(service, &events, &paths, draft);
    for event in &events {
        methods.push(methods::write(service, event, &paths, draft));
    }
    for event in &events {
        authorizers::write(service, event, draft);
    }
    methods.extend(service_proxies::write(service, &proxies, &paths, draft));
    let stage = caching::stage(service, &events, draft);
    write_deployment(service, &methods, (&place, stage), draft);
    // Keys and usage plans come with events: an API of service proxies alone has none.
    if !events.is_empty() {
        keys::write(service, &place, draft);
    }
    for event in &events {
        write_permission(service, event, draft);
        authorizers::write_permission(service, event, draft);
    }
}

/// The logical id of the deployment, new at each time of reading.
pub(super) fn deployment_id(service: &Service<'_>) -> String {
    format!("ApiGatewayDeployment{}", service.request.now_ms)
}

fn write_api(service: &Service<'_>, place: &Place, draft: &mut Draft) {
    let option = |key| service.setting_at(&["apiGateway", key]);
    if script::truthy(option("restApiId")).is_some() {
        return;
    }
    let own_name = script::truthy(service.setting("apiName")).cloned();
    let name = own_name.unwrap_or_else(|| Node::string(service.api_name("apiGateway"), place));
    let endpoint = script::truthy(service.setting("endpointType")).and_then(script::text_of);
    let endpoint = endpoint.unwrap_or_else(|| "EDGE".to_owned()).to_uppercase();
    let endpoints = Object::new(place).with("Types", vec![endpoint]).with_some(
        "VpcEndpointIds",
        script::truthy(service.setting("vpcEndpointIds")),
    );
    let statements = option("resourcePolicy")
        .filter(|policy| policy.as_sequence().is_none_or(|items| !items.is_empty()));
    let policy = match statements {
        Some(statements) => Object::new(&statements.place)
            .with("Version", "2012-10-17")
            .with("Statement", statements)
            .node(),
        None => Node::string("", place),
    };
    let key_source = script::truthy(option("apiKeySourceType")).and_then(script::text_of);
    let properties = Object::new(place)
        .with("Name", name)
        .with_some(
            "BinaryMediaTypes",
            script::truthy(option("binaryMediaTypes")),
        )
        .with_some(
            "DisableExecuteApiEndpoint",
            option("disableDefaultEndpoint"),
        )
        .with("EndpointConfiguration", endpoints)
        .with("Policy", policy)
        .with_some(
            "ApiKeySourceType",
            key_source.map(|text| text.to_uppercase()),
        )
        .with_some("MinimumCompressionSize", option("minimumCompressionSize"))
        .with_some("Description", script::truthy(option("description")));
    let resource = build::resource("AWS::ApiGateway::RestApi", properties);
    draft.add("ApiGatewayRestApi", resource);
}

fn write_deployment(
    service: &Service<'_>,
    methods: &[String],
    (place, description): (&Place, Option<Object>),
    draft: &mut Draft,
) {
    let stage = script::truthy(service.setting_at(&["apiGateway", "stage"])).cloned();
    let properties = Object::new(place)
        .with("RestApiId", service.rest_api_id(place))
        .with(
            "StageName",
            stage.unwrap_or_else(|| Node::string(service.stage.clone(), place)),
        )
        .with_some(
            "Description",
            script::truthy(service.setting_at(&["apiGateway", "description"])),
        )
        .with_some("StageDescription", description);
    let mut depends_on = methods.to_vec();
    let resource = build::resource("AWS::ApiGateway::Deployment", properties)
        .with("DependsOn", std::mem::take(&mut depends_on));
    draft.add(&deployment_id(service), resource);
    let mut parts = vec![Node::string("https://", place), service.rest_api_id(place)];
    parts.extend(build::arn_parts(
        &[".execute-api.", "AWS::Region", ".", "AWS::URLSuffix"],
        place,
    ));
    parts.push(Node::string(format!("/{}", service.stage), place));
    let output = Object::new(place)
        .with("Description", "URL of the service endpoint")
        .with("Value", build::joined("", parts, place));
    draft.add_output("ServiceEndpoint", output);
}

/// Lets the API call the function.
fn write_permission(service: &Service<'_>, event: &Event<'_>, draft: &mut Draft) {
    let place = event.function.place;
    let properties = Object::new(place)
        .with("FunctionName", event.function.target(place))
        .with("Action", "lambda:InvokeFunction")
        .with("Principal", "apigateway.amazonaws.com")
        .with(
            "SourceArn",
            build::api_source_arn(service.rest_api_id(place), "/*/*", place),
        );
    let alias = event.function.alias().map(|alias| alias.logical_id);
    let resource =
        build::resource("AWS::Lambda::Permission", properties).with_some("DependsOn", alias);
    draft.add(&permission_id(event.function.key), resource);
}

fn permission_id(key: &str) -> String {
    format!("{}LambdaPermissionApiGateway", naming::normalised(key))
}
