//! Tests of authorizers, and of what methods and routes ask for.

use std::time::Duration;

use model::door::{Authorization, Authorizer, AuthorizerFormat, AuthorizerKind, IdentitySource};
use serde_json::json;

use super::*;

fn rest_authorizer(properties: Value) -> Row {
    let mut all =
        json!({"RestApiId": "api1234567", "Name": "guard", "AuthorizerUri": URI_OF_HELLO});
    let all_members = all.as_object_mut().unwrap();
    all_members.extend(properties.as_object().unwrap().clone());
    (
        "Guard",
        "AWS::ApiGateway::Authorizer",
        "auth01",
        all,
        json!({}),
    )
}

fn http_authorizer(properties: Value) -> Row {
    let mut all = json!({"ApiId": "web1234567", "Name": "guard", "AuthorizerUri": URI_OF_HELLO});
    let all_members = all.as_object_mut().unwrap();
    all_members.extend(properties.as_object().unwrap().clone());
    (
        "Guard",
        "AWS::ApiGatewayV2::Authorizer",
        "auth01",
        all,
        json!({}),
    )
}

/// What one method asks for, or why it is not served.
fn asked_of_rest(authorizer: Value, asked: Value) -> Result<Authorization, String> {
    let (application, _) = assemble(&[
        hello(json!({})),
        rest_api(json!({})),
        deployment(),
        rest_authorizer(authorizer),
        method("root", "GET", asked),
    ]);
    let method = &application.rest_apis[0].methods[0];
    if let RestIntegration::NotServed { reason } = &method.integration {
        return Err(reason.clone());
    }
    Ok(method.guard.authorization.clone())
}

fn asked_of_http(authorizer: Value, asked: Value) -> Result<Authorization, String> {
    let mut route =
        json!({"ApiId": "web1234567", "RouteKey": "GET /", "Target": "integrations/i1"});
    let members = route.as_object_mut().unwrap();
    members.extend(asked.as_object().unwrap().clone());
    let (application, _) = assemble(&[
        hello(json!({})),
        http_api(json!({"ProtocolType": "HTTP"})),
        (
            "Stage",
            "AWS::ApiGatewayV2::Stage",
            "$default",
            json!({"ApiId": "web1234567", "StageName": "$default"}),
            json!({}),
        ),
        (
            "Integration",
            "AWS::ApiGatewayV2::Integration",
            "i1",
            json!({
                "ApiId": "web1234567", "IntegrationType": "AWS_PROXY", "IntegrationUri": URI_OF_HELLO,
                "PayloadFormatVersion": "2.0",
            }),
            json!({}),
        ),
        http_authorizer(authorizer),
        ("Route", "AWS::ApiGatewayV2::Route", "r1", route, json!({})),
    ]);
    let route = &application.http_apis[0].routes[0];
    if let HttpIntegration::NotServed { reason } = &route.integration {
        return Err(reason.clone());
    }
    Ok(route.guard.authorization.clone())
}

fn authorizer_of(asked: Result<Authorization, String>) -> (Authorizer, Vec<String>) {
    let Authorization::Authorizer { authorizer, scopes } = asked.unwrap() else {
        panic!("it asks for no authorizer");
    };
    ((*authorizer).clone(), scopes)
}

fn custom() -> Value {
    json!({"AuthorizationType": "CUSTOM", "AuthorizerId": "auth01"})
}

#[test]
fn a_token_authorizer_has_its_header_expression_and_time() {
    let (authorizer, _) = authorizer_of(asked_of_rest(
        json!({
            "Type": "TOKEN", "IdentitySource": "method.request.header.X-Token",
            "IdentityValidationExpression": "Bearer .*", "AuthorizerResultTtlInSeconds": "60",
        }),
        custom(),
    ));
    assert_eq!(
        (authorizer.id.as_str(), authorizer.name.as_str()),
        ("auth01", "guard")
    );
    let AuthorizerKind::Token {
        callee,
        identity_source,
        validation,
        result_ttl,
    } = authorizer.kind
    else {
        panic!("it is a token authorizer");
    };
    assert_eq!(callee.function.as_str(), "hello");
    assert_eq!(
        identity_source,
        IdentitySource::Header("X-Token".to_owned())
    );
    assert_eq!(validation.as_deref(), Some("Bearer .*"));
    assert_eq!(result_ttl, Duration::from_secs(60));
}

#[test]
fn a_request_authorizer_has_its_sources() {
    let (authorizer, _) = authorizer_of(asked_of_rest(
        json!({
            "Type": "REQUEST",
            "IdentitySource": "method.request.header.A, method.request.querystring.b,stageVariables.c,context.identity.sourceIp",
        }),
        custom(),
    ));
    let AuthorizerKind::Request {
        identity_sources,
        format,
        result_ttl,
        ..
    } = authorizer.kind
    else {
        panic!("it is a request authorizer");
    };
    assert_eq!(
        identity_sources,
        [
            IdentitySource::Header("A".to_owned()),
            IdentitySource::Query("b".to_owned()),
            IdentitySource::StageVariable("c".to_owned()),
            IdentitySource::Context("identity.sourceIp".to_owned()),
        ]
    );
    assert_eq!(format, AuthorizerFormat::V1);
    assert_eq!(result_ttl, Duration::from_secs(300));
}

#[test]
fn user_pools_and_json_web_tokens_are_told_by_their_issuers() {
    let (authorizer, scopes) = authorizer_of(asked_of_rest(
        json!({
            "Type": "COGNITO_USER_POOLS", "IdentitySource": "method.request.header.Authorization",
            "ProviderARNs": ["arn:aws:cognito-idp:eu-west-1:000000000000:userpool/eu-west-1_abc"],
        }),
        json!({
            "AuthorizationType": "COGNITO_USER_POOLS", "AuthorizerId": "auth01",
            "AuthorizationScopes": ["pets/read"],
        }),
    ));
    assert_eq!(scopes, ["pets/read"]);
    let AuthorizerKind::UserPools { issuers, .. } = authorizer.kind else {
        panic!("it is for user pools");
    };
    assert_eq!(
        issuers,
        ["https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc"]
    );
    let (authorizer, _) = authorizer_of(asked_of_http(
        json!({
            "AuthorizerType": "JWT", "IdentitySource": ["$request.header.Authorization"],
            "JwtConfiguration": {"Issuer": "https://issuer.example", "Audience": ["a"]},
        }),
        json!({"AuthorizationType": "JWT", "AuthorizerId": "auth01"}),
    ));
    let AuthorizerKind::Jwt {
        issuer, audience, ..
    } = authorizer.kind
    else {
        panic!("it is for tokens");
    };
    assert_eq!(
        (issuer.as_str(), audience),
        ("https://issuer.example", vec!["a".to_owned()])
    );
}

#[test]
fn an_http_apis_authorizer_has_its_format() {
    for (version, simple, expected) in [
        ("1.0", false, Ok(AuthorizerFormat::V1)),
        ("2.0", false, Ok(AuthorizerFormat::V2Policy)),
        ("2.0", true, Ok(AuthorizerFormat::V2Simple)),
        (
            "1.0",
            true,
            Err("its authorizer asks for simple responses, which payload format 1.0 does not have"),
        ),
        (
            "3.0",
            true,
            Err("there is no payload format `3.0` of authorizers"),
        ),
    ] {
        let asked = asked_of_http(
            json!({
                "AuthorizerType": "REQUEST", "AuthorizerPayloadFormatVersion": version,
                "EnableSimpleResponses": simple, "IdentitySource": ["$request.header.A"],
            }),
            custom(),
        );
        let format = asked.map(|asked| {
            let kind = authorizer_of(Ok(asked)).0.kind;
            let AuthorizerKind::Request {
                format, result_ttl, ..
            } = kind
            else {
                panic!("it is a request authorizer");
            };
            assert!(result_ttl.is_zero());
            format
        });
        assert_eq!(
            format,
            expected.map_err(str::to_owned),
            "{version} {simple}"
        );
    }
}

#[test]
fn signatures_are_asked_for_without_an_authorizer() {
    let none = || json!({"Type": "TOKEN"});
    let iam = || json!({"AuthorizationType": "AWS_IAM"});
    assert_eq!(asked_of_rest(none(), iam()), Ok(Authorization::Iam));
    assert_eq!(asked_of_rest(none(), json!({})), Ok(Authorization::Open));
    assert_eq!(asked_of_http(none(), iam()), Ok(Authorization::Iam));
}

#[test]
fn what_cannot_be_told_stays_shut() {
    let token = || json!({"Type": "TOKEN"});
    for (authorizer, asked, reason) in [
        (
            token(),
            json!({"AuthorizerId": "auth01"}),
            "it names an authorizer, and has the authorization type `NONE`",
        ),
        (
            token(),
            json!({"AuthorizationType": "CUSTOM", "AuthorizerId": "other"}),
            "its authorizer `other` is not one of its API",
        ),
        (
            token(),
            json!({"AuthorizationType": "CUSTOM"}),
            "its authorization type is `CUSTOM`, and it names no authorizer",
        ),
        (
            token(),
            json!({"AuthorizationType": "COGNITO_USER_POOLS", "AuthorizerId": "auth01"}),
            "its authorization type is `COGNITO_USER_POOLS`, and authorizer `guard` asks for `CUSTOM`",
        ),
        (
            json!({"Type": "TOKEN", "AuthorizerUri": "arn:aws:apigateway:eu-west-1:lambda:path/x"}),
            custom(),
            "`arn:aws:apigateway:eu-west-1:lambda:path/x` of its authorizer does not name a function",
        ),
        (
            json!({"Type": "REQUEST"}),
            custom(),
            "its authorizer keeps answers, and has no identity source to keep them under",
        ),
        (
            json!({"Type": "TOKEN", "AuthorizerResultTtlInSeconds": 3601}),
            custom(),
            "its authorizer keeps answers for 3601 s; 3600 are the most",
        ),
        (
            json!({"Type": "TOKEN", "IdentitySource": "method.request.body.a"}),
            custom(),
            "`method.request.body.a` is no identity source of an authorizer",
        ),
        (
            json!({"Type": "COGNITO_USER_POOLS", "ProviderARNs": ["a"]}),
            json!({"AuthorizationType": "COGNITO_USER_POOLS", "AuthorizerId": "auth01"}),
            "`a` is not the ARN of a user pool",
        ),
    ] {
        assert_eq!(asked_of_rest(authorizer, asked), Err(reason.to_owned()));
    }
}

/// What the one operation of a definition asks for.
fn asked_of_operation(definition: Value, operation: Value) -> Result<Authorization, String> {
    let mut body = definition;
    let mut with_integration = operation;
    with_integration["x-amazon-apigateway-integration"] =
        json!({"type": "aws_proxy", "uri": URI_OF_HELLO});
    body["paths"] = json!({"/": {"get": with_integration}});
    let (application, _) = assemble(&[
        hello(json!({})),
        rest_api(json!({"Body": body})),
        deployment(),
    ]);
    let method = &application.rest_apis[0].methods[0];
    if let RestIntegration::NotServed { reason } = &method.integration {
        return Err(reason.clone());
    }
    Ok(method.guard.authorization.clone())
}

fn schemes() -> Value {
    json!({
        "guard": {
            "type": "apiKey", "name": "X-Token", "in": "header", "x-amazon-apigateway-authtype": "custom",
            "x-amazon-apigateway-authorizer": {
                "type": "token", "authorizerUri": URI_OF_HELLO, "authorizerResultTtlInSeconds": 0,
                "identityValidationExpression": "^x-[a-z]+",
            },
        },
        "pool": {
            "type": "apiKey", "name": "Authorization", "in": "header",
            "x-amazon-apigateway-authtype": "cognito_user_pools",
            "x-amazon-apigateway-authorizer": {
                "type": "cognito_user_pools",
                "providerARNs": ["arn:aws:cognito-idp:eu-west-1:000000000000:userpool/p"],
            },
        },
        "sigv4": {
            "type": "apiKey", "name": "Authorization", "in": "header",
            "x-amazon-apigateway-authtype": "awsSigv4",
        },
        "api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
        "plain": {"type": "http", "scheme": "bearer"},
    })
}

#[test]
fn operations_of_either_version_ask_by_their_schemes() {
    for definition in [
        json!({"swagger": "2.0", "securityDefinitions": schemes()}),
        json!({"openapi": "3.0.1", "components": {"securitySchemes": schemes()}}),
    ] {
        let asked =
            |security: Value| asked_of_operation(definition.clone(), json!({"security": security}));
        let (authorizer, _) = authorizer_of(asked(json!([{"guard": []}])));
        let AuthorizerKind::Token {
            identity_source,
            validation,
            ..
        } = &authorizer.kind
        else {
            panic!("{authorizer:?}");
        };
        assert_eq!(
            *identity_source,
            IdentitySource::Header("X-Token".to_owned())
        );
        assert_eq!(validation.as_deref(), Some("^x-[a-z]+"));
        let (_, scopes) = authorizer_of(asked(json!([{"pool": ["a/b"]}])));
        assert_eq!(scopes, ["a/b"]);
        assert_eq!(asked(json!([{"sigv4": []}])), Ok(Authorization::Iam));
        assert_eq!(
            asked(json!([{"sigv4": [], "api_key": []}])),
            Ok(Authorization::Iam)
        );
        assert_eq!(asked(json!([])), Ok(Authorization::Open));
        assert_eq!(asked(json!([{"NONE": []}])), Ok(Authorization::Open));
        assert_eq!(asked(json!([{"guard": []}, {}])), Ok(Authorization::Open));
        assert_eq!(
            asked(json!([{"guard": []}, {"sigv4": []}])),
            Err("it requires `guard` and `sigv4`; API Gateway takes one of them".to_owned())
        );
        for unknown in ["plain", "nothing"] {
            let why = format!(
                "the security scheme `{unknown}` guards it, and has no `x-amazon-apigateway-authorizer`"
            );
            assert_eq!(asked(json!([{unknown: []}])), Err(why));
        }
    }
}

#[test]
fn an_operation_replaces_what_its_definition_asks_for() {
    let definition = || json!({"securityDefinitions": schemes(), "security": [{"sigv4": []}]});
    for (operation, expected) in [
        (json!({}), Authorization::Iam),
        (json!({"security": []}), Authorization::Open),
        (
            json!({"x-amazon-apigateway-auth": {"type": "NONE"}}),
            Authorization::Open,
        ),
    ] {
        assert_eq!(asked_of_operation(definition(), operation), Ok(expected));
    }
    let iam = json!({"x-amazon-apigateway-auth": {"type": "AWS_IAM"}});
    assert_eq!(asked_of_operation(json!({}), iam), Ok(Authorization::Iam));
}
