//! Methods of a REST API.
//!
//! Lives here: one for each event, with its integration.
//! Does not live here: `OPTIONS` (`cors`), who may call (`authorizers`), models (`validators`).

use cloudformation::node::Node;

use super::events::{self, Event, Integration};
use super::paths::Paths;
use super::{authorizers, caching, permission_id, validators};
use crate::serverless_framework::build::{self, Object, Part};
use crate::serverless_framework::service::Service;
use crate::serverless_framework::template::Draft;
use crate::serverless_framework::{naming, script};

/// Writes the method and returns its logical id.
pub(super) fn write(
    service: &Service<'_>,
    event: &Event<'_>,
    paths: &Paths,
    draft: &mut Draft,
) -> String {
    let place = &event.place;
    let mut parameters = Object::new(place);
    for (name, setting) in event.request_parameters() {
        parameters.set(&name, events::is_required(setting));
    }
    let integration = caching::key(service, event, &mut parameters, integration(event));
    let properties = Object::new(place)
        .with("HttpMethod", &event.method)
        .with("RequestParameters", parameters)
        .with("ResourceId", paths.id(&event.path))
        .with("RestApiId", service.rest_api_id(place))
        .with_some("OperationName", event.option("operationId"))
        .with("ApiKeyRequired", event.option("private").is_some())
        .with("Integration", integration)
        .with("MethodResponses", Vec::<Node>::new());
    let mut depends_on = vec![permission_id(event.function.key)];
    depends_on.extend(event.function.alias().map(|alias| alias.logical_id));
    let properties = authorizers::authorise(service, event, properties, &mut depends_on, draft);
    let properties = validators::validate(service, event, properties, draft);
    let id = naming::rest_method(&event.path, &event.method);
    let resource =
        build::resource("AWS::ApiGateway::Method", properties).with("DependsOn", depends_on);
    draft.add(&id, resource);
    id
}

fn integration(event: &Event<'_>) -> Object {
    let place = &event.place;
    let response = event.option("response");
    let transfer = script::truthy(response.and_then(|response| response.get("transferMode")));
    let integration = match event.integration {
        Integration::Function => {
            let arn = build::attribute(&event.function.logical_id(), "Arn", place);
            let mut target = vec![arn];
            if let Some(alias) = event.function.alias() {
                target.push(Node::string(":", place));
                target.push(Node::string(alias.name, place));
            }
            let uri = match transfer.and_then(Node::as_str) {
                Some("STREAM") => build::streaming_uri(target, place),
                Some(_) | None => build::invocation_uri(target, place),
            };
            Object::new(place)
                .with("IntegrationHttpMethod", "POST")
                .with("Type", "AWS_PROXY")
                .with("Uri", uri)
        }
        Integration::Server => {
            let request = event.option("request");
            let part = |key: &str| script::truthy(request.and_then(|request| request.get(key)));
            let mut parameters = Object::new(place);
            for (name, setting) in event.request_parameters() {
                let mapped = script::truthy(setting.get("mappedValue")).cloned();
                let target = name.replacen("method.", "integration.", 1);
                parameters.set(&target, mapped.unwrap_or_else(|| name.into_node(place)));
            }
            let connection = event.option("connectionType").and_then(script::text_of);
            let connection = connection.map(|text| text.to_uppercase().replace('-', "_"));
            let is_mapped = !parameters.is_empty();
            Object::new(place)
                .with("IntegrationHttpMethod", &event.method)
                .with("Type", "HTTP_PROXY")
                .with_some("Uri", part("uri"))
                .with_some("ConnectionType", connection.clone())
                .with_some(
                    "ConnectionId",
                    event
                        .option("connectionId")
                        .filter(|_| connection.is_some()),
                )
                .with_some("RequestParameters", is_mapped.then_some(parameters))
        }
    };
    integration.with_some("ResponseTransferMode", transfer)
}
