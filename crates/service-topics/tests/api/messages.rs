//! What subscribers receive.

use serde_json::json;

use crate::{BASE, QUEUE, Server, json as read};

#[tokio::test]
async fn a_queue_gets_the_notification_laid_out_as_the_service_does() {
    let server = Server::new();
    let topic = server.topic("t", &[]).await;
    let subscription = server.subscribe(&topic, ("sqs", QUEUE), &[]).await;
    let attribute = [
        ("MessageAttributes.entry.1.Name", "n"),
        ("MessageAttributes.entry.1.Value.DataType", "Number"),
        ("MessageAttributes.entry.1.Value.StringValue", "1.5"),
    ];
    let mut parameters = vec![
        ("TopicArn", topic.as_str()),
        ("Message", "a \"b\"\n"),
        ("Subject", "s"),
    ];
    parameters.extend(attribute);
    let id = server.get("MessageId", "Publish", &parameters).await;
    let deliveries = server.deliveries().await;
    let body = String::from_utf8(deliveries[0].message.body.to_vec()).unwrap();
    let expected = format!(
        "{{\n  \"Type\" : \"Notification\",\n  \"MessageId\" : \"{id}\",\n  \"TopicArn\" : \"{topic}\",\n  \
         \"Subject\" : \"s\",\n  \"Message\" : \"a \\\"b\\\"\\n\",\n  \"Timestamp\" : \"2023-11-14T22:13:20.250Z\",\n  \
         \"SignatureVersion\" : \"1\",\n  \"Signature\" : \"SIGNATURE\",\n  \
         \"SigningCertURL\" : \"{BASE}/SimpleNotificationService-1.pem\",\n  \
         \"UnsubscribeURL\" : \"{BASE}/?Action=Unsubscribe&SubscriptionArn={subscription}\",\n  \
         \"MessageAttributes\" : {{\n    \"n\" : {{\"Type\":\"Number\",\"Value\":\"1.5\"}}\n  }}\n}}"
    );
    let signature = read(&deliveries[0].message.body)["Signature"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(body.replace(&signature, "SIGNATURE"), expected);
    let signed = base64(&signature);
    assert_eq!(
        signed,
        format!(
            "Sha1 Message\na \"b\"\n\nMessageId\n{id}\nSubject\ns\nTimestamp\n2023-11-14T22:13:20.250Z\nTopicArn\n{topic}\n\
             Type\nNotification\n"
        )
    );
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(text)
        .unwrap();
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_raw_message_keeps_its_attributes_and_nothing_else() {
    let server = Server::new();
    let topic = server.topic("t", &[]).await;
    server
        .subscribe(&topic, ("sqs", QUEUE), &[("RawMessageDelivery", "TrUe")])
        .await;
    let parameters = [
        ("TopicArn", topic.as_str()),
        ("Message", "m"),
        ("MessageAttributes.entry.1.Name", "b"),
        ("MessageAttributes.entry.1.Value.DataType", "Binary"),
        ("MessageAttributes.entry.1.Value.BinaryValue", "AgME"),
    ];
    server.get("MessageId", "Publish", &parameters).await;
    let message = &server.deliveries().await[0].message;
    assert_eq!(message.body, "m");
    let attribute = &message.attributes[0];
    assert_eq!(
        (attribute.name.as_str(), attribute.value.as_str()),
        ("b", "AgME")
    );
}

#[tokio::test]
async fn a_function_gets_an_event_and_is_given_up_as_a_notification() {
    let server = Server::new();
    let topic = server.topic("t", &[("SignatureVersion", "2")]).await;
    let function = "arn:aws:lambda:us-east-1:000000000000:function:f";
    let subscription = server.subscribe(&topic, ("lambda", function), &[]).await;
    let redrive = json!({"deadLetterTargetArn": QUEUE}).to_string();
    let set = [
        ("SubscriptionArn", subscription.as_str()),
        ("AttributeName", "RedrivePolicy"),
        ("AttributeValue", &redrive),
    ];
    server.get("", "SetSubscriptionAttributes", &set).await;
    server
        .get(
            "MessageId",
            "Publish",
            &[("TopicArn", &topic), ("Message", "m")],
        )
        .await;
    let delivery = &server.deliveries().await[0];
    let event = read(&delivery.message.body);
    let record = &event["Records"][0];
    assert_eq!(record["EventSource"], "aws:sns");
    assert_eq!(record["EventVersion"], "1.0");
    assert_eq!(record["EventSubscriptionArn"], subscription);
    let sns = &record["Sns"];
    assert_eq!(sns["Subject"], json!(null));
    assert_eq!(sns["MessageAttributes"], json!({}));
    // The service says 1 here, though it signs as the topic wants.
    assert_eq!(sns["SignatureVersion"], "1");
    assert!(base64(sns["Signature"].as_str().unwrap()).starts_with("Sha256 Message\nm\n"));
    let given_up = delivery.message.dead_letter.as_ref().unwrap();
    assert_eq!(read(&given_up.body)["Type"], "Notification");
    assert_eq!(delivery.dead_letters.as_ref().unwrap().to_string(), QUEUE);
}

#[tokio::test]
async fn each_protocol_gets_its_own_text_of_a_structured_message() {
    let server = Server::new();
    let topic = server.topic("t", &[]).await;
    server
        .subscribe(&topic, ("sqs", QUEUE), &[("RawMessageDelivery", "true")])
        .await;
    let function = "arn:aws:lambda:us-east-1:000000000000:function:f";
    server.subscribe(&topic, ("lambda", function), &[]).await;
    let message = json!({"default": "d", "sqs": "q", "lambda": {"not": "a text"}}).to_string();
    let parameters = [
        ("TopicArn", topic.as_str()),
        ("Message", &message),
        ("MessageStructure", "json"),
    ];
    server.get("MessageId", "Publish", &parameters).await;
    for delivery in server.deliveries().await {
        let text = String::from_utf8(delivery.message.body.to_vec()).unwrap();
        match delivery.target.arn().unwrap().service.as_str() {
            "sqs" => assert_eq!(text, "q"),
            _ => assert_eq!(
                read(&delivery.message.body)["Records"][0]["Sns"]["Message"],
                "d"
            ),
        }
    }
}

#[tokio::test]
async fn subscriptions_get_what_their_filter_policies_ask_for() {
    let server = Server::new();
    let topic = server.topic("t", &[]).await;
    let queue = |name: &str| format!("arn:aws:sqs:us-east-1:000000000000:{name}");
    let by_attribute = json!({"kind": ["a"], "n": [{"numeric": [">", 1]}]}).to_string();
    let by_body = json!({"order": {"id": [{"prefix": "x"}]}}).to_string();
    for (name, attributes) in [
        ("all", vec![]),
        ("attributes", vec![("FilterPolicy", by_attribute.as_str())]),
        (
            "body",
            vec![
                ("FilterPolicyScope", "MessageBody"),
                ("FilterPolicy", &by_body),
            ],
        ),
    ] {
        server
            .subscribe(&topic, ("sqs", &queue(name)), &attributes)
            .await;
    }
    let attributes = [
        ("MessageAttributes.entry.1.Name", "kind"),
        ("MessageAttributes.entry.1.Value.DataType", "String.Array"),
        (
            "MessageAttributes.entry.1.Value.StringValue",
            r#"["b","a"]"#,
        ),
        ("MessageAttributes.entry.2.Name", "n"),
        ("MessageAttributes.entry.2.Value.DataType", "Number"),
        ("MessageAttributes.entry.2.Value.StringValue", "2"),
    ];
    let mut published = vec![("TopicArn", topic.as_str()), ("Message", "plain")];
    published.extend(attributes);
    server.get("MessageId", "Publish", &published).await;
    let order = r#"{"order":{"id":"x1"}}"#;
    server
        .get(
            "MessageId",
            "Publish",
            &[("TopicArn", &topic), ("Message", order)],
        )
        .await;
    let mut reached: Vec<String> = Vec::new();
    for delivery in server.deliveries().await {
        reached.push(delivery.target.arn().unwrap().resource.clone());
    }
    reached.sort();
    assert_eq!(reached, ["all", "all", "attributes", "body"]);
}

#[tokio::test]
async fn what_a_batch_is_refused_for_and_what_fails_one_entry() {
    let server = Server::new();
    let topic = server.topic("t", &[]).await;
    let entry = |number: usize, member: &str| {
        format!("PublishBatchRequestEntries.member.{number}.{member}")
    };
    let (id, message) = (entry(1, "Id"), entry(1, "Message"));
    let (id_2, message_2, subject_2) = (entry(2, "Id"), entry(2, "Message"), entry(2, "Subject"));
    let parameters = [
        ("TopicArn", topic.as_str()),
        (id.as_str(), "good"),
        (message.as_str(), "m"),
        (id_2.as_str(), "bad"),
        (message_2.as_str(), "m"),
        (subject_2.as_str(), "a\nb"),
    ];
    let failed = server.get("Failed", "PublishBatch", &parameters).await;
    assert!(
        failed.contains("<Id>bad</Id><Code>InvalidParameter</Code>"),
        "{failed}"
    );
    let empty = server
        .refused("PublishBatch", &[("TopicArn", &topic)])
        .await;
    assert_eq!(empty, "The batch request doesn't contain any entries.");
}

#[tokio::test]
async fn ten_thousand_subscriptions_get_a_message_each() {
    let server = Server::new();
    let topic = server.topic("t", &[]).await;
    for number in 0..10_000 {
        let queue = format!("arn:aws:sqs:us-east-1:000000000000:q{number}");
        let policy = json!({"n": [number % 10]}).to_string();
        server
            .subscribe(&topic, ("sqs", &queue), &[("FilterPolicy", &policy)])
            .await;
    }
    let parameters = [
        ("TopicArn", topic.as_str()),
        ("Message", "m"),
        ("MessageAttributes.entry.1.Name", "n"),
        ("MessageAttributes.entry.1.Value.DataType", "Number"),
        ("MessageAttributes.entry.1.Value.StringValue", "3"),
    ];
    server.get("MessageId", "Publish", &parameters).await;
    assert_eq!(server.deliveries().await.len(), 1_000);
}
