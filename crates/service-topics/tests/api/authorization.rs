//! What each operation says that it would do.

use interfaces::service::CloudService as _;
use serde_json::json;
use service_topics::operations;

use crate::{QUEUE, Server, call, visit};

#[tokio::test]
async fn every_operation_that_is_carried_out_is_asked_about_by_its_action() {
    let server = Server::new();
    let topic = server.topic("t", &[]).await;
    let subscription = server.subscribe(&topic, ("sqs", QUEUE), &[]).await;
    for (name, is_carried_out) in operations() {
        let parameters = [
            ("TopicArn", topic.as_str()),
            ("ResourceArn", &topic),
            ("SubscriptionArn", &subscription),
            ("Name", "t"),
        ];
        let call = call(name, &parameters);
        let checks = server.service.checks(&call).await;
        if !is_carried_out {
            assert!(checks.is_empty(), "{name}");
            let (status, answer) = server.execute(call).await;
            assert_eq!(status, 501, "{name}: {answer}");
            assert!(answer.contains(name), "{answer}");
            continue;
        }
        let [check] = checks.as_slice() else {
            panic!("{name}: {checks:?}");
        };
        let action = if name == "PublishBatch" {
            "Publish"
        } else {
            name
        };
        assert_eq!(check.action, format!("sns:{action}"));
        let is_of_topic = check.resource == topic;
        assert!(
            is_of_topic || check.resource == "*",
            "{name}: {}",
            check.resource
        );
        assert!(
            !is_of_topic || name == "CreateTopic" || check.resource_policy.is_some(),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_role_that_a_topic_is_given_has_to_be_handed_over() {
    let server = Server::new();
    let topic = server.topic("t", &[]).await;
    let role = "arn:aws:iam::000000000000:role/logs";
    let one = call(
        "SetTopicAttributes",
        &[
            ("TopicArn", topic.as_str()),
            ("AttributeName", "SQSSuccessFeedbackRoleArn"),
            ("AttributeValue", role),
        ],
    );
    let many = call(
        "CreateTopic",
        &[
            ("Name", "u"),
            ("Attributes.entry.1.key", "SQSFailureFeedbackRoleArn"),
            ("Attributes.entry.1.value", role),
        ],
    );
    for call in [one, many] {
        let checks = server.service.checks(&call).await;
        let passed = checks.last().unwrap();
        assert_eq!(
            (passed.action.as_str(), passed.resource.as_str()),
            ("iam:PassRole", role)
        );
    }
}

#[tokio::test]
async fn conditions_see_the_endpoint_and_the_tags() {
    let server = Server::new();
    let topic = server.topic("t", &[]).await;
    let parameters = [
        ("TopicArn", topic.as_str()),
        ("Protocol", "sqs"),
        ("Endpoint", QUEUE),
    ];
    let checks = server.service.checks(&call("Subscribe", &parameters)).await;
    let policy = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "sns:Subscribe", "Resource": "*",
        "Condition": {"StringEquals": {"sns:Protocol": "sqs"}, "StringLike": {"sns:Endpoint": "arn:aws:sqs:*"}},
    }]});
    let policy = policy::Policy::from_value(&policy).unwrap();
    let caller = policy::Caller::Root {
        account: "000000000000".to_owned(),
    };
    let said = policy.says(&policy::Request {
        action: &checks[0].action,
        resource: &checks[0].resource,
        caller: &caller,
        context: &checks[0].context,
    });
    assert_eq!(said, policy::Said::Allow);
}

#[tokio::test]
async fn a_token_is_right_enough() {
    let server = Server::new();
    let call =
        visit("/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:us-east-1:000000000000:t&Token=a");
    assert!(server.service.checks(&call).await.is_empty());
}
