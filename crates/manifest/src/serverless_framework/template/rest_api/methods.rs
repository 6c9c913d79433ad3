//! Methods of a REST API.
//!
//! Lives here: one for each event, with its integration.
//! Does not live here: `OPTIONS` (`cors`), who may call (`authorizers`), models (`validators`).

use super::events::{self, Event, Integration};
use super::paths::Paths;
use super::{authorizers, caching, permission_id, templates, validators};
use crate::serverless_framework::build::{self, Object};
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
        .with("MethodResponses", templates::method_responses(event));
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
    match event.integration {
        Integration::Function => Object::new(place)
            .with("IntegrationHttpMethod", "POST")
            .with("Type", "AWS_PROXY")
            .with("Uri", templates::function_uri(event, place))
            .with_some("ResponseTransferMode", transfer),
        Integration::Rewritten => {
            let function = Object::new(place)
                .with("IntegrationHttpMethod", "POST")
                .with("Type", "AWS")
                .with("Uri", templates::function_uri(event, place));
            templates::mapped(event, templates::complete(event, function))
        }
        Integration::Server => {
            let server = server(event, "HTTP_PROXY", &event.method);
            templates::mapped(event, server).with_some("ResponseTransferMode", transfer)
        }
        Integration::RewrittenServer => {
            let request = event.option("request");
            let method = request.and_then(|request| script::truthy(request.get("method")));
            let method = method
                .and_then(script::text_of)
                .map(|text| text.to_uppercase());
            let server = server(event, "HTTP", method.as_ref().unwrap_or(&event.method));
            templates::mapped(event, templates::complete(event, server))
        }
        Integration::Mock => {
            let mock = Object::new(place)
                .with("IntegrationHttpMethod", "POST")
                .with("Type", "MOCK");
            templates::complete(event, mock)
        }
    }
}

fn server(event: &Event<'_>, kind: &str, method: &str) -> Object {
    let request = event.option("request");
    let uri = script::truthy(request.and_then(|request| request.get("uri")));
    let connection = event.option("connectionType").and_then(script::text_of);
    let connection = connection.map(|text| text.to_uppercase().replace('-', "_"));
    Object::new(&event.place)
        .with("IntegrationHttpMethod", method)
        .with("Type", kind)
        .with_some("Uri", uri)
        .with_some("ConnectionType", connection.clone())
        .with_some(
            "ConnectionId",
            event
                .option("connectionId")
                .filter(|_| connection.is_some()),
        )
}
