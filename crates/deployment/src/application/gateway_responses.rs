//! What a REST API says in its own words, from resources and definitions.
//!
//! Lives here: reading `AWS::ApiGateway::GatewayResponse` and `x-amazon-apigateway-gateway-responses`.
//! Does not live here: which fault is of which type, and answering (`gateway`).
//!
//! Contract: AWS CloudFormation Template Reference, "AWS::ApiGateway::GatewayResponse"; Amazon API Gateway Developer
//! Guide, "x-amazon-apigateway-gateway-responses object".

use std::collections::BTreeMap;

use model::door::GatewayResponse;
use model::problem::{Place, Problem};
use model::suggestion::nearest;
use serde_json::Value;

use super::view::{Resource, View, texts_of};
use crate::records::text_of;

const EXTENSION: &str = "x-amazon-apigateway-gateway-responses";
const HEADER: &str = "gatewayresponse.header.";

/// All types of responses.
pub(crate) const TYPES: [&str; 21] = [
    "ACCESS_DENIED",
    "API_CONFIGURATION_ERROR",
    "AUTHORIZER_CONFIGURATION_ERROR",
    "AUTHORIZER_FAILURE",
    "BAD_REQUEST_BODY",
    "BAD_REQUEST_PARAMETERS",
    "DEFAULT_4XX",
    "DEFAULT_5XX",
    "EXPIRED_TOKEN",
    "INTEGRATION_FAILURE",
    "INTEGRATION_TIMEOUT",
    "INVALID_API_KEY",
    "INVALID_SIGNATURE",
    "MISSING_AUTHENTICATION_TOKEN",
    "QUOTA_EXCEEDED",
    "REQUEST_TOO_LARGE",
    "RESOURCE_NOT_FOUND",
    "THROTTLED",
    "UNAUTHORIZED",
    "UNSUPPORTED_MEDIA_TYPE",
    "WAF_FILTERED",
];

/// Types of what never happens here, each with the reason.
const NEVER_GIVEN: [(&str, &str); 2] = [
    (
        "RESOURCE_NOT_FOUND",
        "a path that no method takes is answered as `MISSING_AUTHENTICATION_TOKEN`, as API Gateway does",
    ),
    (
        "WAF_FILTERED",
        "there is no web application firewall in front of this gateway",
    ),
];

/// The responses of an API, by type. A resource's goes before one of the definition.
pub(super) fn of_api(
    view: &View<'_>,
    api: &Resource<'_>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, GatewayResponse> {
    let mut responses = BTreeMap::new();
    let definition = api.properties.get("Body");
    let defined = definition.and_then(|definition| definition.get(EXTENSION)?.as_object());
    for (name, value) in defined.into_iter().flatten() {
        let place = api.place_of(&["Body", EXTENSION, name]);
        let names = ["statusCode", "responseParameters", "responseTemplates"];
        let response = response(|name| value.get(name), names, &place, problems);
        keep(name, response, &place, &mut responses, problems);
    }
    for resource in view.of_api(
        "AWS::ApiGateway::GatewayResponse",
        "RestApiId",
        api.physical_id,
    ) {
        let name = resource.text("ResponseType").unwrap_or_default();
        let names = ["StatusCode", "ResponseParameters", "ResponseTemplates"];
        let said = |name: &str| resource.properties.get(name);
        let response = response(said, names, resource.place, problems);
        keep(&name, response, resource.place, &mut responses, problems);
    }
    responses
}

fn keep(
    name: &str,
    response: GatewayResponse,
    place: &Place,
    responses: &mut BTreeMap<String, GatewayResponse>,
    problems: &mut Vec<Problem>,
) {
    if TYPES.contains(&name) {
        if let Some((_, why)) = NEVER_GIVEN.iter().find(|(known, _)| *known == name) {
            problems.push(
                Problem::warning(
                    "deployment::gateway-response-never-given",
                    format!("the gateway response `{name}` is never given"),
                )
                .at(place)
                .because(*why),
            );
        }
        responses.insert(name.to_owned(), response);
        return;
    }
    let problem = Problem::error(
        "deployment::gateway-response",
        format!("there is no gateway response of type `{name}`"),
    )
    .at(place);
    problems.push(match nearest(name, TYPES) {
        Some(meant) => problem.help(format!("did you mean `{meant}`?")),
        None => problem.because(format!("it is one of {}", TYPES.join(", "))),
    });
}

fn response<'a>(
    said: impl Fn(&str) -> Option<&'a Value>,
    [status, parameters, templates]: [&str; 3],
    place: &Place,
    problems: &mut Vec<Problem>,
) -> GatewayResponse {
    let mut headers = BTreeMap::new();
    for (target, value) in texts_of(said(parameters)) {
        match target.strip_prefix(HEADER) {
            Some(name) => {
                headers.insert(name.to_owned(), value);
            }
            None => problems.push(
                Problem::error(
                    "deployment::gateway-response",
                    format!("a gateway response cannot set `{target}`"),
                )
                .at(place)
                .help(format!("a header is set by `{HEADER}NAME`")),
            ),
        }
    }
    GatewayResponse {
        status: said(status)
            .and_then(text_of)
            .and_then(|text| text.parse().ok()),
        headers,
        templates: texts_of(said(templates)),
    }
}
