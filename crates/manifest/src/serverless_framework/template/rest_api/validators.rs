//! Requests that API Gateway refuses before a function sees them.
//!
//! Lives here: the validator, and models of bodies.
//! Does not live here: validating (`gateway`).

use cloudformation::node::{Entry, Node};

use super::events::{self, Event};
use crate::serverless_framework::build::{self, Object};
use crate::serverless_framework::service::Service;
use crate::serverless_framework::template::Draft;
use crate::serverless_framework::{naming, script};

/// Adds to a method what is checked, and writes what that needs.
pub(super) fn validate(
    service: &Service<'_>,
    event: &Event<'_>,
    properties: Object,
    draft: &mut Draft,
) -> Object {
    let schemas = event
        .option("request")
        .and_then(|request| script::truthy(request.get("schemas")))
        .and_then(Node::as_mapping)
        .filter(|schemas| !schemas.is_empty());
    let has_required = event
        .request_parameters()
        .iter()
        .any(|(_, setting)| script::is_true(&events::is_required(setting)));
    if schemas.is_none() && !has_required {
        return properties;
    }
    let place = &event.place;
    let validator = format!(
        "ApiGateway{}RequestValidator",
        naming::alphanumeric(&service.name)
    );
    let name = format!(
        "{}-{} | Validate request body and querystring parameters",
        service.name, service.stage
    );
    let validator_properties = Object::new(place)
        .with("RestApiId", service.rest_api_id(place))
        .with("ValidateRequestBody", true)
        .with("ValidateRequestParameters", true)
        .with("Name", name);
    let resource = build::resource("AWS::ApiGateway::RequestValidator", validator_properties);
    draft.add(&validator, resource);
    let properties = properties.with("RequestValidatorId", build::reference(&validator, place));
    let Some(schemas) = schemas else {
        return properties;
    };
    let mut models = Object::new(place);
    for schema in schemas {
        let id = write_model(service, event, schema, draft);
        models.set(&schema.key, build::reference(&id, &schema.key_place));
    }
    properties.with("RequestModels", models)
}

/// Writes the model of one content type and returns its logical id.
fn write_model(
    service: &Service<'_>,
    event: &Event<'_>,
    schema: &Entry,
    draft: &mut Draft,
) -> String {
    let place = &schema.key_place;
    let shared = schema.value.as_str().and_then(|key| {
        let known = service.setting_at(&["apiGateway", "request", "schemas"])?;
        Some((key, known.get(key)?))
    });
    let (id, content_type, source) = match shared {
        Some((key, source)) => (naming::shared_model(key), "application/json", source),
        None => (
            naming::method_model(&event.path, &event.method, &schema.key),
            schema.key.as_str(),
            &schema.value,
        ),
    };
    let described = script::truthy(source.get("schema"));
    let option = |key: &str| source.get(key).filter(|_| described.is_some());
    let properties = Object::new(place)
        .with("RestApiId", service.rest_api_id(place))
        .with("ContentType", content_type)
        .with("Schema", described.unwrap_or(source))
        .with_some("Name", option("name"))
        .with_some("Description", option("description"));
    draft.add(&id, build::resource("AWS::ApiGateway::Model", properties));
    id
}
