//! Tests of gateway responses and of mock replies.

use model::door::Passthrough;
use serde_json::json;

use super::*;

fn gateway_response(response_type: &str, extra: Value) -> Row {
    let mut properties = json!({"RestApiId": "api1234567", "ResponseType": response_type});
    let members = properties.as_object_mut().unwrap();
    members.extend(extra.as_object().unwrap().clone());
    (
        "Said",
        "AWS::ApiGateway::GatewayResponse",
        "said",
        properties,
        json!({}),
    )
}

#[test]
fn an_api_has_words_of_resources_and_of_its_definition() {
    let (application, problems) = assemble(&[
        rest_api(json!({"Body": {"x-amazon-apigateway-gateway-responses": {
            "UNAUTHORIZED": {"statusCode": "402", "responseParameters": {"gatewayresponse.header.A": "'b'"}},
            "THROTTLED": {"responseTemplates": {"application/json": "defined"}},
            "DEFAULT_4X": {}, "WAF_FILTERED": {},
        }}})),
        deployment(),
        gateway_response(
            "THROTTLED",
            json!({
                "StatusCode": 420,
                "ResponseTemplates": {"application/json": "own"},
                "ResponseParameters": {"gatewayresponse.body": "'x'"},
            }),
        ),
    ]);
    let said = &application.rest_apis[0].gateway_responses;
    let shown = format!("{:?} {:?}", said["UNAUTHORIZED"], said["THROTTLED"]);
    assert_eq!(
        shown,
        "GatewayResponse { status: Some(402), headers: {\"A\": \"'b'\"}, templates: {} } \
         GatewayResponse { status: Some(420), headers: {}, templates: {\"application/json\": \"own\"} }"
    );
    let told: Vec<(&str, Option<&str>)> = problems
        .iter()
        .map(|it| (it.title.as_str(), it.help.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            (
                "there is no gateway response of type `DEFAULT_4X`",
                Some("did you mean `DEFAULT_4XX`?")
            ),
            ("the gateway response `WAF_FILTERED` is never given", None),
            (
                "a gateway response cannot set `gatewayresponse.body`",
                Some("a header is set by `gatewayresponse.header.NAME`")
            ),
        ]
    );
}

fn mocked(requests: Value, passthrough: &str) -> (Application, Vec<Problem>) {
    let integration = json!({"Integration": {
        "Type": "MOCK", "RequestTemplates": requests, "PassthroughBehavior": passthrough,
        "IntegrationResponses": [
            {"StatusCode": "500", "SelectionPattern": "5\\d{2}", "ResponseTemplates": {"application/json": "{\"oh\":\"no\"}"}},
            {"StatusCode": "203", "SelectionPattern": "2..", "ResponseTemplates": {"text/html": "<p>hi</p>"}},
            {"StatusCode": "200", "ResponseTemplates": {"application/json": "{}"}},
        ],
    }});
    assemble(&[
        rest_api(json!({})),
        deployment(),
        method("root", "GET", integration),
    ])
}

#[test]
fn a_mock_replies_by_the_status_that_its_template_names() {
    for (template, expected) in [
        ("{\"statusCode\": 503}", "500 {\"oh\":\"no\"} []"),
        (
            "{statusCode:204}",
            "203 <p>hi</p> [(\"Content-Type\", \"text/html\")]",
        ),
        ("{\"statusCode\": 2041, \"more\": {}}", "200 {} []"),
        ("", "200 {} []"),
    ] {
        let (application, problems) = mocked(json!({"application/json": template}), "NEVER");
        assert_eq!(problems, []);
        let method = &application.rest_apis[0].methods[0];
        let RestIntegration::Mock(reply) = &method.integration else {
            panic!("no mock for {template}");
        };
        let shown = format!("{} {} {:?}", reply.status, reply.body, reply.headers);
        assert_eq!(shown, expected, "{template}");
        let templates = method.validation.templates.as_ref().unwrap();
        assert_eq!(templates.content_types, ["application/json"]);
        assert_eq!(templates.passthrough, Passthrough::Refused);
    }
}

#[test]
fn what_a_mock_has_to_compute_is_made_for_every_request() {
    for requests in [
        json!({"application/json": "#if(true){\"statusCode\": 200}#end"}),
        json!({"application/json": "{\"statusCode\": 200}", "text/xml": "{\"statusCode\": 500}"}),
    ] {
        let (application, problems) = mocked(requests, "WHEN_NO_MATCH");
        assert_eq!(problems, []);
        let integration = &application.rest_apis[0].methods[0].integration;
        assert!(
            matches!(integration, RestIntegration::Custom(_)),
            "{integration:?}"
        );
    }
}

#[test]
fn a_mock_hands_on_what_it_has_no_template_for_or_refuses_it() {
    let json = json!({"application/json": "{\"statusCode\": 200}"});
    for (requests, passthrough, expected) in [
        (&json, "WHEN_NO_MATCH", Passthrough::HandedOn),
        (&json, "WHEN_NO_TEMPLATES", Passthrough::Refused),
        (&json!({}), "WHEN_NO_TEMPLATES", Passthrough::HandedOn),
        (&json!({}), "NEVER", Passthrough::Refused),
    ] {
        let (application, _) = mocked(requests.clone(), passthrough);
        let validation = &application.rest_apis[0].methods[0].validation;
        let templates = validation.templates.as_ref().unwrap();
        assert_eq!(templates.passthrough, expected, "{requests} {passthrough}");
    }
}
