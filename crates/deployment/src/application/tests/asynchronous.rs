//! Asynchronous invocations and permissions: what they come to.

use std::time::Duration;

use model::function::LATEST;

use super::*;

const QUEUE: &str = "arn:aws:sqs:eu-west-1:000000000000:dead";

fn config(destination: &str) -> Row {
    (
        "Config",
        "AWS::Lambda::EventInvokeConfig",
        "config",
        json!({
            "FunctionName": "hello", "Qualifier": "$LATEST", "MaximumRetryAttempts": 1,
            "MaximumEventAgeInSeconds": "90",
            "DestinationConfig": {"OnFailure": {"Destination": destination}},
        }),
        json!({}),
    )
}

#[test]
fn retries_and_destinations_arrive() {
    let function = hello(json!({"DeadLetterConfig": {"TargetArn": QUEUE}}));
    let (application, problems) = assemble(&[function, config(QUEUE)]);
    assert!(problems.is_empty(), "{problems:?}");
    let name = FunctionName::new("hello");
    let invoke = &application.event_invokes[&name][LATEST];
    assert_eq!(invoke.retries_max, 1);
    assert_eq!(invoke.age_max, Duration::from_secs(90));
    assert_eq!(invoke.on_failure.as_ref().unwrap().to_string(), QUEUE);
    assert_eq!(invoke.on_success, None);
    assert_eq!(application.dead_letters[&name].to_string(), QUEUE);
}

#[test]
fn whoever_cannot_be_told_is_named() {
    let (application, problems) = assemble(&[hello(json!({})), config("arn:aws:s3:::records")]);
    let [problem] = problems.as_slice() else {
        panic!("{problems:?}");
    };
    assert_eq!(problem.code, "deployment::destination-not-told");
    let invoke = &application.event_invokes[&FunctionName::new("hello")][LATEST];
    assert_eq!(invoke.on_failure, None);
}

#[test]
fn permissions_become_the_policy_of_what_they_name() {
    let permission = |id: &'static str, function: &str, principal: &str| -> Row {
        let properties = json!({
            "Action": "lambda:InvokeFunction", "FunctionName": function, "Principal": principal,
            "SourceArn": "arn:aws:sns:eu-west-1:000000000000:news", "SourceAccount": "000000000000",
        });
        (id, "AWS::Lambda::Permission", id, properties, json!({}))
    };
    let arn = "arn:aws:lambda:eu-west-1:000000000000:function:hello";
    let (application, _) = assemble(&[
        hello(json!({})),
        alias("live", json!({"FunctionVersion": "$LATEST"})),
        permission("One", "hello", "sns.amazonaws.com"),
        permission("Two", &format!("{arn}:live"), "123456789012"),
    ]);
    let policies = &application.function_policies[&FunctionName::new("hello")];
    let read = |qualifier: &str| -> Value { serde_json::from_str(&policies[qualifier]).unwrap() };
    assert_eq!(
        read(LATEST)["Statement"],
        json!([{
            "Sid": "One",
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "lambda:InvokeFunction",
            "Resource": arn,
            "Condition": {
                "ArnLike": {"AWS:SourceArn": "arn:aws:sns:eu-west-1:000000000000:news"},
                "StringEquals": {"AWS:SourceAccount": "000000000000"},
            },
        }])
    );
    let statement = &read("live")["Statement"][0];
    assert_eq!(statement["Resource"], format!("{arn}:live"));
    let account = json!({"AWS": "arn:aws:iam::123456789012:root"});
    assert_eq!(statement["Principal"], account);
}
