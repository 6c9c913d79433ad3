//! Topics, subscriptions and policies of templates.

use interfaces::resource_provider::{Properties, ResourceRequest, UpdatePlan};
use model::ids::{AccountId, LogicalId, Region, StackName};
use serde_json::{Value, json};

use crate::{QUEUE, Server};

fn request(resource_type: &str, logical_id: &str, properties: &Value) -> ResourceRequest {
    ResourceRequest {
        account: AccountId::development(),
        region: Region::new("us-east-1"),
        stack: StackName::new("shop"),
        logical_id: LogicalId::new(logical_id),
        resource_type: resource_type.to_owned(),
        properties: object(properties),
        generated_name: format!("shop-{logical_id}-ABC"),
        number: None,
    }
}

fn object(value: &Value) -> Properties {
    value.as_object().cloned().unwrap()
}

#[tokio::test]
async fn a_topic_follows_its_template_with_the_subscriptions_in_it() {
    let server = Server::new();
    let provider = server.service.provider();
    let subscription = |name: &str| {
        let queue = format!("arn:aws:sqs:us-east-1:000000000000:{name}");
        json!({"Protocol": "sqs", "Endpoint": queue})
    };
    let old = json!({"DisplayName": "Orders", "Tags": [{"Key": "team", "Value": "a"}],
        "Subscription": [subscription("a"), subscription("b")]});
    let first = request("AWS::SNS::Topic", "Orders", &old);
    let made = provider.create(&first).await.unwrap();
    let arn = "arn:aws:sns:us-east-1:000000000000:shop-Orders-ABC";
    assert_eq!(made.physical_id, arn);
    assert_eq!(provider.physical_id(&first), arn);
    assert_eq!(made.attributes["TopicName"], "shop-Orders-ABC");
    // After a crash it finds what it made.
    assert_eq!(provider.create(&first).await.unwrap(), made);
    let new = json!({"Subscription": [subscription("b"), subscription("c")]});
    let second = request("AWS::SNS::Topic", "Orders", &new);
    let plan = provider.plan_update("AWS::SNS::Topic", &object(&old), &object(&new));
    assert_eq!(plan, UpdatePlan::InPlace);
    provider.update(arn, &object(&old), &second).await.unwrap();
    let listed = server
        .get(
            "Subscriptions",
            "ListSubscriptionsByTopic",
            &[("TopicArn", arn)],
        )
        .await;
    let has = |name: &str| listed.contains(&format!(":{name}</Endpoint>"));
    assert_eq!(
        (has("a"), has("b"), has("c")),
        (false, true, true),
        "{listed}"
    );
    let shown = server
        .get("Attributes", "GetTopicAttributes", &[("TopicArn", arn)])
        .await;
    assert!(
        shown.contains("<key>DisplayName</key><value></value>"),
        "{shown}"
    );
    // Somebody else's topic of this name is not taken over.
    let other = request(
        "AWS::SNS::Topic",
        "Other",
        &json!({"TopicName": "shop-Orders-ABC"}),
    );
    assert!(provider.create(&other).await.is_err());
    provider.delete(arn, &second).await.unwrap();
    provider.delete(arn, &second).await.unwrap();
    assert_eq!(server.get("Topics", "ListTopics", &[]).await, "");
}

#[tokio::test]
async fn a_subscription_follows_its_template() {
    let server = Server::new();
    let provider = server.service.provider();
    let topic = server.topic("t.fifo", &[("FifoTopic", "true")]).await;
    let queue = format!("{QUEUE}.fifo");
    let old = json!({"TopicArn": topic, "Protocol": "sqs", "Endpoint": queue, "RawMessageDelivery": true,
        "FilterPolicyScope": "MessageBody", "FilterPolicy": {"a": {"b": ["c"]}},
        "RedrivePolicy": {"deadLetterTargetArn": queue}});
    let first = request("AWS::SNS::Subscription", "Sub", &old);
    let made = provider.create(&first).await.unwrap();
    assert_eq!(made.physical_id, provider.physical_id(&first));
    assert_eq!(provider.create(&first).await.unwrap(), made);
    let arn = made.physical_id.as_str();
    let shown = server
        .get(
            "Attributes",
            "GetSubscriptionAttributes",
            &[("SubscriptionArn", arn)],
        )
        .await;
    assert!(shown.contains("{\"a\":{\"b\":[\"c\"]}}"), "{shown}");
    assert!(
        shown.contains("<key>RawMessageDelivery</key><value>true</value>"),
        "{shown}"
    );
    let new = json!({"TopicArn": topic, "Protocol": "sqs", "Endpoint": queue});
    let second = request("AWS::SNS::Subscription", "Sub", &new);
    provider.update(arn, &object(&old), &second).await.unwrap();
    let shown = server
        .get(
            "Attributes",
            "GetSubscriptionAttributes",
            &[("SubscriptionArn", arn)],
        )
        .await;
    assert!(!shown.contains("FilterPolicy"), "{shown}");
    provider.delete(arn, &second).await.unwrap();
    let nested = json!({"TopicArn": topic, "Protocol": "sqs", "Endpoint": queue, "FilterPolicy": {"a": {"b": ["c"]}}});
    let refused = provider
        .create(&request("AWS::SNS::Subscription", "Sub", &nested))
        .await;
    assert!(
        refused
            .unwrap_err()
            .message
            .contains("does not support nested filter policy")
    );
}

#[tokio::test]
async fn a_policy_is_set_on_its_topics_and_taken_back() {
    let server = Server::new();
    let provider = server.service.provider();
    let topic = server.topic("t", &[]).await;
    let document = json!({"Version": "2012-10-17", "Statement": [{"Sid": "mine", "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sns:Publish", "Resource": topic}]});
    for (resource_type, properties) in [
        (
            "AWS::SNS::TopicPolicy",
            json!({"PolicyDocument": document, "Topics": [topic]}),
        ),
        (
            "AWS::SNS::TopicInlinePolicy",
            json!({"PolicyDocument": document, "TopicArn": topic}),
        ),
    ] {
        let request = request(resource_type, "Policy", &properties);
        assert!(
            provider
                .check(resource_type, &request.properties)
                .is_empty()
        );
        let made = provider.create(&request).await.unwrap();
        let on = [("TopicArn", topic.as_str())];
        let shown = server.get("Attributes", "GetTopicAttributes", &on).await;
        assert!(shown.contains("\"mine\""), "{shown}");
        provider.delete(&made.physical_id, &request).await.unwrap();
        let shown = server.get("Attributes", "GetTopicAttributes", &on).await;
        assert!(shown.contains("__default_policy_ID"), "{shown}");
    }
}
