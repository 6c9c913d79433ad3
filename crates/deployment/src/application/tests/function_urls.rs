//! Tests of function URLs, and of REST APIs that stream.

use model::function_url::{AuthType, InvokeMode};
use serde_json::json;

use super::*;

const ARN: &str = "arn:aws:lambda:eu-west-1:000000000000:function:hello";

fn url(properties: Value) -> Row {
    let mut all = json!({"TargetFunctionArn": ARN, "AuthType": "NONE"});
    let members = all.as_object_mut().unwrap();
    members.extend(properties.as_object().unwrap().clone());
    (
        "HelloUrl",
        "AWS::Lambda::Url",
        ARN,
        all,
        json!({"FunctionUrl": "https://u.lambda-url.eu-west-1.on.aws/", "(id)": "u"}),
    )
}

fn permission(properties: Value) -> Row {
    let mut all = json!({"Action": "lambda:InvokeFunctionUrl", "FunctionName": "hello",
        "Principal": "*", "FunctionUrlAuthType": "NONE"});
    let members = all.as_object_mut().unwrap();
    members.extend(properties.as_object().unwrap().clone());
    ("Open", "AWS::Lambda::Permission", "open", all, json!({}))
}

#[test]
fn a_function_url_is_open_when_a_permission_says_so() {
    for (rows, expected) in [
        (vec![url(json!({}))], AuthType::Nobody),
        (vec![url(json!({})), permission(json!({}))], AuthType::Open),
        (
            vec![url(json!({})), permission(json!({"FunctionName": ARN}))],
            AuthType::Open,
        ),
        (
            vec![
                url(json!({})),
                permission(json!({"FunctionUrlAuthType": "AWS_IAM"})),
            ],
            AuthType::Nobody,
        ),
        (
            vec![
                url(json!({})),
                permission(json!({"Action": "lambda:InvokeFunction"})),
            ],
            AuthType::Nobody,
        ),
        (
            vec![
                url(json!({})),
                permission(json!({"FunctionName": "hello:live"})),
            ],
            AuthType::Nobody,
        ),
        (vec![url(json!({"AuthType": "AWS_IAM"}))], AuthType::Iam),
    ] {
        let rows = [vec![hello(json!({}))], rows].concat();
        let (application, problems) = assemble(&rows);
        assert_eq!(application.function_urls[0].auth, expected, "{rows:?}");
        let is_closed = problems
            .iter()
            .any(|problem| problem.code == "deployment::function-url-closed");
        assert_eq!(is_closed, expected == AuthType::Nobody);
    }
}

#[test]
fn a_function_url_has_its_mode_and_its_cors() {
    let cors = json!({"AllowOrigins": ["https://a.example"], "AllowMethods": ["GET"],
        "AllowCredentials": true, "MaxAge": 60});
    let (application, _) = assemble(&[
        hello(json!({})),
        url(json!({"InvokeMode": "RESPONSE_STREAM", "Cors": cors})),
    ]);
    let url = &application.function_urls[0];
    assert_eq!(url.id.as_str(), "u");
    assert_eq!(url.callee.function.as_str(), "hello");
    assert_eq!(url.invoke_mode, InvokeMode::ResponseStream);
    let cors = url.cors.as_ref().unwrap();
    assert_eq!(cors.allow_origins, ["https://a.example"]);
    assert_eq!((cors.max_age_s, cors.allow_credentials), (Some(60), true));
}

#[test]
fn a_method_streams_when_mode_and_address_say_so() {
    let streaming = URI_OF_HELLO.replace("2015-03-31", "2021-11-15");
    let streaming = streaming.replace("/invocations", "/response-streaming-invocations");
    for (uri, mode, expected) in [
        (URI_OF_HELLO, None, Some(false)),
        (URI_OF_HELLO, Some("BUFFERED"), Some(false)),
        (&streaming, Some("STREAM"), Some(true)),
        (URI_OF_HELLO, Some("STREAM"), None),
        (&streaming, None, None),
    ] {
        let mut integration = json!({"Type": "AWS_PROXY", "Uri": uri});
        if let Some(mode) = mode {
            integration["ResponseTransferMode"] = json!(mode);
        }
        let (application, _) = assemble(&[
            hello(json!({})),
            rest_api(json!({})),
            deployment(),
            method("root", "GET", json!({ "Integration": integration })),
        ]);
        let integration = &application.rest_apis[0].methods[0].integration;
        let found = if let RestIntegration::LambdaProxy { is_streamed, .. } = integration {
            Some(*is_streamed)
        } else {
            None
        };
        assert_eq!(found, expected, "{uri} {mode:?}");
    }
}

#[test]
fn what_another_server_replies_is_not_streamed_yet() {
    let integration = json!({"Type": "HTTP_PROXY", "Uri": "https://a.example",
        "IntegrationHttpMethod": "GET", "ResponseTransferMode": "STREAM"});
    let (application, _) = assemble(&[
        hello(json!({})),
        rest_api(json!({})),
        deployment(),
        method("root", "GET", json!({ "Integration": integration })),
    ]);
    let integration = &application.rest_apis[0].methods[0].integration;
    let is_refused = matches!(integration, RestIntegration::NotServed { reason } if reason.contains("not streamed"));
    assert!(is_refused, "{integration:?}");
}
