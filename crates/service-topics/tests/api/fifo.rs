//! FIFO topics.

use std::sync::Arc;
use std::time::Duration;

use store_embedded::Memory;

use crate::{Server, json};

const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:q.fifo";

async fn publish(server: &Server, topic: &str, message: &str, group: &str) -> (String, String) {
    let parameters = [
        ("TopicArn", topic),
        ("Message", message),
        ("MessageGroupId", group),
    ];
    let (status, answer) = server.execute(crate::call("Publish", &parameters)).await;
    assert_eq!(status, 200, "{answer}");
    let part = |tag: &str| crate::between(&answer, tag).unwrap();
    (part("MessageId"), part("SequenceNumber"))
}

#[tokio::test]
async fn a_message_that_comes_again_within_five_minutes_is_accepted_and_not_delivered() {
    let store = Arc::new(Memory::new());
    let server = Server::over(store.clone());
    let attributes = [("FifoTopic", "true"), ("ContentBasedDeduplication", "true")];
    let topic = server.topic("t.fifo", &attributes).await;
    server.subscribe(&topic, ("sqs", QUEUE), &[]).await;
    let first = publish(&server, &topic, "m", "g").await;
    assert_eq!(first.1.len(), 20);
    assert_eq!(publish(&server, &topic, "m", "other").await, first);
    // A restart does not forget it.
    let server = Server::over(store);
    assert_eq!(publish(&server, &topic, "m", "g").await, first);
    assert_eq!(server.deliveries().await.len(), 1);
    server.clock.advance(Duration::from_secs(300));
    let later = publish(&server, &topic, "m", "g").await;
    assert!(first.1 < later.1, "{first:?} {later:?}");
    let deliveries = server.deliveries().await;
    assert_eq!(deliveries.len(), 2);
    let message = &deliveries[0].message;
    assert_eq!(message.group.as_deref(), Some("g"));
    assert_eq!(message.deduplication.as_ref().unwrap().len(), 64);
    assert_eq!(deliveries[0].order, deliveries[1].order);
    let body = json(&message.body);
    assert_eq!(body["SequenceNumber"], first.1);
    assert!(body.get("Signature").is_none());
}

#[tokio::test]
async fn a_topic_that_is_made_again_remembers_nothing() {
    let store = Arc::new(Memory::new());
    let server = Server::over(store.clone());
    let attributes = [("FifoTopic", "true"), ("ContentBasedDeduplication", "true")];
    let topic = server.topic("t.fifo", &attributes).await;
    let first = publish(&server, &topic, "m", "g").await;
    server.get("", "DeleteTopic", &[("TopicArn", &topic)]).await;
    let server = Server::over(store);
    server.topic("t.fifo", &attributes).await;
    server.clock.advance(Duration::from_secs(1));
    assert_ne!(publish(&server, &topic, "m", "g").await.1, first.1);
}

#[tokio::test]
async fn groups_tell_messages_apart_where_a_topic_wants_it() {
    let server = Server::new();
    let attributes = [
        ("FifoTopic", "true"),
        ("ContentBasedDeduplication", "true"),
        ("FifoThroughputScope", "MessageGroup"),
    ];
    let topic = server.topic("t.fifo", &attributes).await;
    server.subscribe(&topic, ("sqs", QUEUE), &[]).await;
    for group in ["a", "b", "a"] {
        publish(&server, &topic, "m", group).await;
    }
    assert_eq!(server.deliveries().await.len(), 2);
}

#[tokio::test]
async fn what_a_fifo_topic_asks_for_is_said() {
    let server = Server::new();
    let topic = server.topic("t.fifo", &[("FifoTopic", "true")]).await;
    let message = ("Message", "m");
    let on = ("TopicArn", topic.as_str());
    let lacking = server.refused("Publish", &[on, message]).await;
    assert_eq!(
        lacking,
        "Invalid parameter: The MessageGroupId parameter is required for FIFO topics"
    );
    let lacking = server
        .refused("Publish", &[on, message, ("MessageGroupId", "g")])
        .await;
    assert_eq!(
        lacking,
        "Invalid parameter: The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided \
         explicitly"
    );
    let parameters = [
        on,
        ("Protocol", "lambda"),
        ("Endpoint", "arn:aws:lambda:r:1:function:f"),
    ];
    let refused = server.refused("Subscribe", &parameters).await;
    assert_eq!(refused, "Invalid parameter: Invalid protocol type: lambda");
    let archive = crate::entries(
        "Attributes",
        &[
            ("FifoTopic", "true"),
            ("ArchivePolicy", "{\"MessageRetentionPeriod\":1}"),
        ],
    );
    let mut parameters = vec![("Name", "u.fifo")];
    parameters.extend(
        archive
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str())),
    );
    let refused = server.refused("CreateTopic", &parameters).await;
    assert!(refused.contains("ArchivePolicy"), "{refused}");
}
