//! WebSocket APIs, from their resources.

use model::door::{ApiKeySource, Authorization, AuthorizerKind};
use model::websocket_api::{Replies, WebSocketApi, WebSocketIntegration};
use serde_json::{Value, json};

use super::{Row, URI_OF_HELLO, assemble, hello};

const API: &str = "ws12345678";

fn api(mut extra: Value) -> Row {
    extra["ProtocolType"] = "WEBSOCKET".into();
    if extra.get("RouteSelectionExpression").is_none() {
        extra["RouteSelectionExpression"] = "$request.body.action".into();
    }
    ("Chat", "AWS::ApiGatewayV2::Api", API, extra, json!({}))
}

fn of(id: &'static str, kind: &'static str, mut properties: Value) -> Row {
    properties["ApiId"] = API.into();
    (id, kind, id, properties, json!({}))
}

fn stage() -> Row {
    of(
        "Stage",
        "AWS::ApiGatewayV2::Stage",
        json!({"StageName": "dev", "RouteSettings": {"say": {"ThrottlingRateLimit": 2, "ThrottlingBurstLimit": 3}}}),
    )
}

fn integration(properties: Value) -> Row {
    of("Integration", "AWS::ApiGatewayV2::Integration", properties)
}

fn proxy() -> Row {
    integration(json!({"IntegrationType": "AWS_PROXY", "IntegrationUri": URI_OF_HELLO}))
}

fn route(key: &'static str, mut extra: Value) -> Row {
    extra["RouteKey"] = key.into();
    if extra.get("Target").is_none() {
        extra["Target"] = "integrations/Integration".into();
    }
    of(key, "AWS::ApiGatewayV2::Route", extra)
}

fn assembled(rows: &[Row]) -> (WebSocketApi, Vec<String>) {
    let (application, problems) = assemble(rows);
    let said = problems.iter().map(|problem| {
        let cause = problem.cause.clone().unwrap_or_default();
        format!("{}: {cause}", problem.title)
    });
    (application.websocket_apis[0].clone(), said.collect())
}

#[test]
fn routes_call_functions_and_answer_where_they_have_a_response() {
    let answer = of(
        "Answer",
        "AWS::ApiGatewayV2::RouteResponse",
        json!({"RouteId": "say", "RouteResponseKey": "$default"}),
    );
    let two_way = json!({"RouteResponseSelectionExpression": "$default"});
    let authorizer = of(
        "Guard",
        "AWS::ApiGatewayV2::Authorizer",
        json!({"AuthorizerType": "REQUEST", "Name": "guard", "AuthorizerUri": URI_OF_HELLO,
               "IdentitySource": ["route.request.querystring.token"]}),
    );
    let guarded =
        json!({"AuthorizationType": "CUSTOM", "AuthorizerId": "Guard", "ApiKeyRequired": true});
    let (api, problems) = assembled(&[
        hello(json!({})),
        api(json!({"ApiKeySelectionExpression": "$context.authorizer.usageIdentifierKey"})),
        stage(),
        proxy(),
        authorizer,
        route("$connect", guarded),
        route("say", two_way.clone()),
        route("whisper", two_way),
        route("$disconnect", json!({"Target": ""})),
        answer,
    ]);
    assert_eq!(
        problems,
        ["route `$disconnect` is not served: its target `` is not an integration of its API"]
    );
    assert_eq!(api.stage.as_str(), "dev");
    assert_eq!(api.api_key_source, ApiKeySource::Authorizer);
    let [connect, say, whisper, disconnect] = &api.routes[..] else {
        panic!("{:?}", api.routes);
    };
    let Authorization::Authorizer { authorizer, .. } = &connect.guard.authorization else {
        panic!("{connect:?}");
    };
    assert!(
        matches!(&authorizer.kind, AuthorizerKind::Request { result_ttl, .. } if result_ttl.is_zero())
    );
    assert!(connect.guard.api_key_required);
    assert!(
        matches!(&say.integration, WebSocketIntegration::Lambda { timeout, .. } if timeout.as_secs() == 29)
    );
    assert_eq!(
        (say.replies, whisper.replies),
        (Replies::Sent, Replies::Dropped)
    );
    assert_eq!(
        say.throttle.map(|rate| (rate.per_1000_s, rate.burst)),
        Some((2_000, 3))
    );
    assert!(matches!(
        disconnect.integration,
        WebSocketIntegration::NotServed { .. }
    ));
}

#[test]
fn mock_integrations_answer_with_a_fixed_text() {
    let mock = |templates: Value| {
        integration(
            json!({"IntegrationType": "MOCK", "RequestTemplates": templates,
                           "TemplateSelectionExpression": "\\$default"}),
        )
    };
    let response = |key: &'static str, text: &'static str| {
        of(
            key,
            "AWS::ApiGatewayV2::IntegrationResponse",
            json!({"IntegrationId": "Integration", "IntegrationResponseKey": key,
                   "ResponseTemplates": {"$default": text}, "TemplateSelectionExpression": "\\$default"}),
        )
    };
    for (template, expected) in [
        ("{\"statusCode\": 200}", (200, "fine")),
        ("{\"statusCode\": 404}", (404, "nowhere")),
        ("", (200, "fine")),
    ] {
        let (api, problems) = assembled(&[
            hello(json!({})),
            api(json!({})),
            stage(),
            mock(json!({"$default": template})),
            route("ping", json!({})),
            response("$default", "fine"),
            response("/4\\d\\d/", "nowhere"),
        ]);
        assert_eq!(problems, [""; 0], "{template}");
        let (status, text) = expected;
        let body = Some(text.to_owned());
        assert_eq!(
            api.routes[0].integration,
            WebSocketIntegration::Mock { status, body }
        );
    }
    let (_, problems) = assembled(&[
        hello(json!({})),
        api(json!({})),
        stage(),
        mock(json!({"$default": "{\"statusCode\": $input.path('$.status')}"})),
        route("ping", json!({})),
    ]);
    assert!(problems[0].contains("computed"), "{problems:?}");
}

#[test]
fn what_is_not_carried_out_is_named() {
    let iam = json!({"AuthorizationType": "AWS_IAM"});
    for (rows, expected) in [
        (
            vec![proxy(), route("say", iam)],
            "route `say` is not served: it asks who calls, which a WebSocket API does on `$connect` alone",
        ),
        (
            vec![
                integration(
                    json!({"IntegrationType": "HTTP_PROXY", "IntegrationUri": "https://example.com"}),
                ),
                route("say", json!({})),
            ],
            "route `say` is not served: integrations of type `HTTP_PROXY` of WebSocket APIs are not built yet",
        ),
        (
            vec![
                proxy(),
                route("say", json!({"RouteResponseSelectionExpression": "$other"})),
            ],
            "route `say` is not served: its `RouteResponseSelectionExpression` is `$other`; API Gateway knows `$default` alone",
        ),
        (
            vec![
                proxy(),
                route("say", json!({})),
                (
                    "Twice",
                    "AWS::ApiGatewayV2::Route",
                    "Twice",
                    json!({"ApiId": API, "RouteKey": "say"}),
                    json!({}),
                ),
            ],
            "route `say` is not served: its API has another route of this key",
        ),
    ] {
        let rows: Vec<Row> = [hello(json!({})), api(json!({})), stage()]
            .into_iter()
            .chain(rows)
            .collect();
        let (_, problems) = assembled(&rows);
        assert_eq!(problems, [expected]);
    }
    let (application, problems) = assemble(&[
        api(json!({"RouteSelectionExpression": "$context.routeKey"})),
        stage(),
    ]);
    assert!(application.websocket_apis.is_empty());
    assert_eq!(problems[0].code, "deployment::not-served");
}
