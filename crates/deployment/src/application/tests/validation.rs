//! Tests of validators and models.

use serde_json::json;

use super::*;

fn validator(extra: Value) -> Row {
    let mut properties = json!({"RestApiId": "api1234567"});
    let members = properties.as_object_mut().unwrap();
    members.extend(extra.as_object().unwrap().clone());
    (
        "Validator",
        "AWS::ApiGateway::RequestValidator",
        "val001",
        properties,
        json!({}),
    )
}

fn pet(schema: Value) -> Row {
    (
        "Pet",
        "AWS::ApiGateway::Model",
        "Pet",
        json!({"RestApiId": "api1234567", "ContentType": "application/json", "Schema": schema}),
        json!({}),
    )
}

fn validated() -> Value {
    json!({
        "RequestValidatorId": "val001",
        "RequestParameters": {
            "method.request.querystring.q": true, "method.request.header.X-A": "true",
            "method.request.path.id": false, "method.request.body.x": true,
        },
        "RequestModels": {"application/json": "Pet", "text/plain": "Empty"},
    })
}

/// What the first method requires, and the types whose bodies are looked at.
fn rules(outcome: &(Application, Vec<Problem>)) -> String {
    let (application, problems) = outcome;
    assert_eq!(problems, &[]);
    let validation = &application.rest_apis[0].methods[0].validation;
    let required: Vec<String> = validation
        .required
        .iter()
        .map(|parameter| format!("{:?} {}", parameter.location, parameter.name))
        .collect();
    let types: Vec<&str> = validation.models.keys().map(String::as_str).collect();
    format!("{} | {}", required.join(", "), types.join(", "))
}

#[test]
fn a_method_is_validated_as_far_as_its_validator_looks() {
    for (looks, expected) in [
        (json!({}), " | "),
        (
            json!({"ValidateRequestParameters": true}),
            "Header X-A, Query q | ",
        ),
        (
            json!({"ValidateRequestBody": "true"}),
            " | application/json, text/plain",
        ),
    ] {
        let outcome = assemble(&[
            hello(json!({})),
            rest_api(json!({})),
            deployment(),
            validator(looks.clone()),
            pet(json!(r#"{"type": "object"}"#)),
            method("root", "POST", validated()),
        ]);
        assert_eq!(rules(&outcome), expected, "{looks}");
    }
    let outcome = assemble(&[
        hello(json!({})),
        rest_api(json!({})),
        deployment(),
        validator(json!({"ValidateRequestBody": true})),
        pet(json!(r#"{"type": "object"}"#)),
        method("root", "POST", validated()),
    ]);
    let model = &outcome.0.rest_apis[0].methods[0].validation.models["application/json"];
    assert_eq!(
        &**model,
        r##"{"$ref":"#/definitions/-","definitions":{"-":{"type":"object"}}}"##
    );
}

#[test]
fn a_method_whose_validator_or_model_is_not_there_stays_shut() {
    let rows = |extra| {
        [
            hello(json!({})),
            rest_api(json!({})),
            deployment(),
            validator(json!({"ValidateRequestBody": true})),
            method("root", "GET", extra),
        ]
    };
    for (extra, why) in [
        (
            json!({"RequestValidatorId": "other"}),
            "its request validator `other` is not one of its API",
        ),
        (validated(), "its model `Pet` is not one of its API"),
    ] {
        check(
            &rows(extra),
            &format!(
                "api1234567/dev GET / -> not served: {why}\nError: method `GET /` is not served: {why}"
            ),
        );
    }
}

fn defined(extra: Value) -> (Application, Vec<Problem>) {
    let mut body = json!({
        "x-amazon-apigateway-request-validators": {
            "all": {"validateRequestBody": true, "validateRequestParameters": true},
        },
        "x-amazon-apigateway-request-validator": "all",
    });
    let members = body.as_object_mut().unwrap();
    members.extend(extra.as_object().unwrap().clone());
    assemble(&[
        hello(json!({})),
        rest_api(json!({"Body": body})),
        deployment(),
    ])
}

#[test]
fn definitions_of_either_version_say_what_is_required() {
    let integration = json!({"type": "aws_proxy", "uri": URI_OF_HELLO});
    let swagger = defined(json!({
        "swagger": "2.0",
        "consumes": ["application/json", "text/json"],
        "parameters": {"Tenant": {"in": "header", "name": "X-Tenant", "required": true}},
        "definitions": {"Pet": {"type": "object"}},
        "paths": {"/pets": {
            "parameters": [{"$ref": "#/parameters/Tenant"}, {"in": "query", "name": "q", "required": true}],
            "post": {
                "parameters": [
                    {"in": "query", "name": "q", "required": false},
                    {"in": "body", "name": "Pet", "required": true, "schema": {"$ref": "#/definitions/Pet"}},
                ],
                "x-amazon-apigateway-integration": integration,
            },
        }},
    }));
    assert_eq!(
        rules(&swagger),
        "Header X-Tenant | application/json, text/json"
    );
    let openapi = defined(json!({
        "openapi": "3.0.1",
        "components": {"schemas": {"Pet": {"type": "object"}}},
        "paths": {"/pets": {"post": {
            "parameters": [{"in": "path", "name": "id", "required": true}],
            "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}},
            "x-amazon-apigateway-integration": integration,
        }}},
    }));
    assert_eq!(rules(&openapi), "Path id | application/json");
}
