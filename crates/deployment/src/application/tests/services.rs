//! Tests of integrations that call services.

use model::door::ServiceAction;
use model::http_api::HttpIntegration;
use serde_json::json;

use super::*;

fn integration(
    subtype: &str,
    role: Option<&str>,
    parameters: Value,
) -> (Application, Vec<Problem>) {
    let mut body = json!({
        "type": "aws_proxy", "integrationSubtype": subtype, "payloadFormatVersion": "1.0",
        "requestParameters": parameters,
    });
    if let Some(role) = role {
        body["credentials"] = json!(role);
    }
    assemble(&[
        (
            "Api",
            "AWS::ApiGatewayV2::Api",
            "api1234567",
            json!({"Body": {"openapi": "3.0.1", "paths": {"/": {"post": {"x-amazon-apigateway-integration": body}}}}}),
            json!({}),
        ),
        (
            "Stage",
            "AWS::ApiGatewayV2::Stage",
            "$default",
            json!({"ApiId": "api1234567", "StageName": "$default"}),
            json!({}),
        ),
    ])
}

const ROLE: &str = "arn:aws:iam::000000000000:role/door";

#[test]
fn a_route_may_send_messages_by_itself() {
    let parameters =
        json!({"QueueUrl": "u", "MessageBody": "$request.body", "Region": "eu-west-1"});
    let (application, problems) = integration("SQS-SendMessage", Some(ROLE), parameters);
    let HttpIntegration::Service(called) = &application.http_apis[0].routes[0].integration else {
        panic!("{problems:?}");
    };
    assert_eq!(called.action, ServiceAction::SendMessage);
    assert_eq!(
        called.region.as_ref().map(Region::as_str),
        Some("eu-west-1")
    );
    assert_eq!(called.parameters.len(), 2);
}

#[test]
fn what_is_missing_or_not_carried_out_is_named() {
    let whole = json!({"QueueUrl": "u", "MessageBody": "m"});
    for (subtype, role, parameters, said) in [
        (
            "StepFunctions-StartExecution",
            Some(ROLE),
            json!({}),
            "`StepFunctions-StartExecution` directly",
        ),
        (
            "SQS-SendMessage",
            Some(ROLE),
            json!({"QueueUrl": "u"}),
            "no `MessageBody`",
        ),
        (
            "SQS-PurgeQueue",
            Some(ROLE),
            json!({"QueueUrl": "u", "Odd": "1"}),
            "`Odd`",
        ),
        ("SQS-SendMessage", None, whole, "names no role"),
    ] {
        let (application, problems) = integration(subtype, role, parameters);
        let answer = &application.http_apis[0].routes[0].integration;
        assert!(
            matches!(answer, HttpIntegration::NotServed { .. }),
            "{answer:?}"
        );
        assert!(
            format!("{problems:?}").contains(said),
            "{said}: {problems:?}"
        );
    }
}
