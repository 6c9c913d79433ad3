//! Endpoints: their consent, what they receive, the certificate.

use std::time::Duration;

use interfaces::service::{CloudService as _, RequestHead};
use model::delivery::Target;
use serde_json::json;

use crate::{BASE, Server, between, headers, json as read, visit};

const ENDPOINT: &str = "http://127.0.0.1:9/hook";

/// The path of an address of ours.
fn path(url: &serde_json::Value) -> String {
    url.as_str().unwrap().strip_prefix(BASE).unwrap().to_owned()
}

#[tokio::test]
async fn an_endpoint_confirms_receives_and_leaves_without_a_signature() {
    let server = Server::new();
    let topic = server.topic("t", &[]).await;
    let subscription = server.subscribe(&topic, ("http", ENDPOINT), &[]).await;
    let asked = &server.deliveries().await[0];
    assert_eq!(asked.target, Target::Url(ENDPOINT.to_owned()));
    assert_eq!(
        headers(asked)["x-amz-sns-message-type"],
        "SubscriptionConfirmation"
    );
    let request = read(&asked.message.body);
    let message = format!(
        "You have chosen to subscribe to the topic {topic}.\nTo confirm the subscription, visit the SubscribeURL included in \
         this message."
    );
    assert_eq!(request["Message"], message);
    // Nothing is delivered before it has confirmed.
    server
        .get(
            "MessageId",
            "Publish",
            &[("TopicArn", &topic), ("Message", "m")],
        )
        .await;
    assert_eq!(server.deliveries().await.len(), 1);
    let confirm = path(&request["SubscribeURL"]);
    let (status, answer) = server.execute(visit(&confirm)).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(between(&answer, "SubscriptionArn").unwrap(), subscription);
    server
        .get(
            "MessageId",
            "Publish",
            &[("TopicArn", &topic), ("Message", "m")],
        )
        .await;
    let sent = &server.deliveries().await[1];
    assert_eq!(headers(sent)["x-amz-sns-subscription-arn"], subscription);
    assert_eq!(headers(sent)["Content-Type"], "text/plain; charset=UTF-8");
    assert_eq!(sent.message.retry_delays_s, [20, 20, 20]);
    assert_eq!(sent.retries.retries_max, 3);
    let leave = path(&read(&sent.message.body)["UnsubscribeURL"]);
    let (status, _) = server.execute(visit(&leave)).await;
    assert_eq!(status, 200);
    let told = &server.deliveries().await[2];
    assert_eq!(
        headers(told)["x-amz-sns-message-type"],
        "UnsubscribeConfirmation"
    );
    assert!(told.dead_letters.is_none());
    // It may come back.
    let (status, answer) = server
        .execute(visit(&path(&read(&told.message.body)["SubscribeURL"])))
        .await;
    assert_eq!(status, 200, "{answer}");
    let listed = server
        .get(
            "Subscriptions",
            "ListSubscriptionsByTopic",
            &[("TopicArn", &topic)],
        )
        .await;
    assert!(listed.contains(&subscription), "{listed}");
}

#[tokio::test]
async fn tokens_are_for_their_region_and_for_two_days() {
    let server = Server::new();
    let topic = server.topic("t", &[]).await;
    server.subscribe(&topic, ("http", ENDPOINT), &[]).await;
    let token = read(&server.deliveries().await[0].message.body)["Token"].clone();
    let token = token.as_str().unwrap();
    let refused = async |topic: &str, token: &str| {
        let call = visit(&format!(
            "/?Action=ConfirmSubscription&TopicArn={topic}&Token={token}"
        ));
        let (status, answer) = server.execute(call).await;
        assert_eq!(status, 400, "{answer}");
        between(&answer, "Message").unwrap()
    };
    assert_eq!(
        refused("not-an-arn", token).await,
        "Invalid parameter: Topic"
    );
    let elsewhere = topic.replace("us-east-1", "eu-central-1");
    assert_eq!(refused(&elsewhere, token).await, "Invalid parameter: Topic");
    assert_eq!(refused(&topic, "abc123").await, "Invalid parameter: Token");
    assert_eq!(refused(&topic, "random").await, "Invalid token");
    server.clock.advance(Duration::from_hours(49));
    assert_eq!(refused(&topic, token).await, "Invalid parameter: Token");
}

#[tokio::test]
async fn who_confirmed_by_signature_and_asked_for_it_is_ended_by_signature_alone() {
    let server = Server::new();
    let topic = server.topic("t", &[]).await;
    let subscription = server
        .subscribe(&topic, ("https", "https://example.com/hook"), &[])
        .await;
    let token = read(&server.deliveries().await[0].message.body)["Token"].clone();
    let parameters = [
        ("TopicArn", topic.as_str()),
        ("Token", token.as_str().unwrap()),
        ("AuthenticateOnUnsubscribe", "true"),
    ];
    server
        .get("SubscriptionArn", "ConfirmSubscription", &parameters)
        .await;
    let leave = format!("/?Action=Unsubscribe&SubscriptionArn={subscription}");
    assert_eq!(server.execute(visit(&leave)).await.0, 403);
    let signed = [("SubscriptionArn", subscription.as_str())];
    server.get("", "Unsubscribe", &signed).await;
}

#[tokio::test]
async fn delivery_policies_pace_what_an_endpoint_gets_and_name_its_type() {
    let server = Server::new();
    let topic = server.topic("t", &[]).await;
    let policy = json!({
        "healthyRetryPolicy": {"minDelayTarget": 1, "maxDelayTarget": 4, "numRetries": 4},
        "requestPolicy": {"headerContentType": "text/csv"},
    });
    let policy = policy.to_string();
    let attributes = [
        ("DeliveryPolicy", policy.as_str()),
        ("RawMessageDelivery", "true"),
    ];
    server
        .subscribe(&topic, ("http", ENDPOINT), &attributes)
        .await;
    let confirm = path(&read(&server.deliveries().await[0].message.body)["SubscribeURL"]);
    server.execute(visit(&confirm)).await;
    server
        .get(
            "MessageId",
            "Publish",
            &[("TopicArn", &topic), ("Message", "a,b")],
        )
        .await;
    let sent = &server.deliveries().await[1];
    assert_eq!(sent.message.body, "a,b");
    assert_eq!(headers(sent)["Content-Type"], "text/csv");
    assert_eq!(headers(sent)["x-amz-sns-rawdelivery"], "true");
    assert_eq!(sent.message.retry_delays_s, [1, 2, 3, 4]);
}

#[tokio::test]
async fn strangers_may_read_the_certificate_and_nothing_that_is_not_theirs() {
    let server = Server::new();
    let takes = |path: &str| {
        let headers = http::HeaderMap::new();
        server.service.takes_unsigned(&RequestHead {
            method: &http::Method::GET,
            path_and_query: path,
            headers: &headers,
        })
    };
    assert!(takes("/SimpleNotificationService-1.pem"));
    assert!(takes("/?Action=Unsubscribe&SubscriptionArn=a"));
    assert!(!takes("/?Action=Publish&TopicArn=a"));
    assert!(!takes("/bucket?Action=Unsubscribe"));
    let (status, pem) = server
        .execute(visit("/SimpleNotificationService-1.pem"))
        .await;
    assert_eq!((status, pem.as_str()), (200, "PEM"));
    assert_eq!(
        server
            .execute(visit("/SimpleNotificationService-2.pem"))
            .await
            .0,
        404
    );
    assert_eq!(server.execute(visit("/?Action=ListTopics")).await.0, 403);
}
