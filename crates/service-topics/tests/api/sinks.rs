//! Deliveries for topics and for addresses.

use interfaces::event_sink::SinkError;
use model::arn::Arn;
use model::delivery::{Message, Sender, SenderPrincipal, Target};
use model::ids::AccountId;

use crate::{QUEUE, Server, json};

fn sender(name: &str) -> Sender {
    Sender {
        principal: SenderPrincipal::Service(name.to_owned()),
        source: Some(Arn::parse("arn:aws:s3:::bucket").unwrap()),
        account: AccountId::development(),
    }
}

async fn take(
    server: &Server,
    target: &Target,
    sender: &Sender,
    message: &Message,
) -> Result<(), SinkError> {
    let sinks = server.service.sinks();
    let sink = sinks.iter().find(|sink| sink.serves(target)).unwrap();
    sink.take(target, sender, message).await
}

#[tokio::test]
async fn a_topic_publishes_what_a_service_may_send_it() {
    let server = Server::new();
    let topic = server.topic("t", &[]).await;
    server.subscribe(&topic, ("sqs", QUEUE), &[]).await;
    let target = Target::Resource(Arn::parse(&topic).unwrap());
    let message = Message {
        body: "{}".into(),
        subject: Some("Amazon S3 Notification".to_owned()),
        ..Message::default()
    };
    take(&server, &target, &sender("s3.amazonaws.com"), &message)
        .await
        .unwrap();
    let body = json(&server.deliveries().await[0].message.body);
    assert_eq!(body["Subject"], "Amazon S3 Notification");
    assert_eq!(body["Message"], "{}");
    {
        let asked = server.asked.checks.lock().unwrap();
        assert_eq!(asked[0].1.action, "sns:Publish");
        assert!(asked[0].1.resource_policy.is_some());
    }
    *server.asked.refuses.lock().unwrap() = true;
    let refused = take(&server, &target, &sender("s3.amazonaws.com"), &message).await;
    assert!(
        matches!(refused, Err(SinkError::Permanent { .. })),
        "{refused:?}"
    );
    let allowed = Sender {
        principal: SenderPrincipal::Allowed,
        ..sender("")
    };
    take(&server, &target, &allowed, &message).await.unwrap();
    let gone = Target::Resource(Arn::parse(&format!("{topic}x")).unwrap());
    let missing = take(&server, &gone, &allowed, &message).await.unwrap_err();
    assert_eq!(missing.to_string(), "NotFound: Topic does not exist");
}

#[tokio::test]
async fn an_address_is_called_with_the_headers_and_the_body() {
    let server = Server::new();
    let target = Target::Url("http://127.0.0.1:9/".to_owned());
    let message = Message {
        body: "b".into(),
        attributes: vec![model::delivery::Attribute {
            name: "X-A".to_owned(),
            data_type: "String".to_owned(),
            value: "v".to_owned(),
        }],
        ..Message::default()
    };
    *server.asked.status.lock().unwrap() = 204;
    take(&server, &target, &sender("sns.amazonaws.com"), &message)
        .await
        .unwrap();
    *server.asked.status.lock().unwrap() = 503;
    let failed = take(&server, &target, &sender("sns.amazonaws.com"), &message).await;
    assert!(
        matches!(failed, Err(SinkError::Transient { .. })),
        "{failed:?}"
    );
    let requests = server.asked.requests.lock().unwrap();
    assert_eq!(requests[0].body, "b");
    assert_eq!(requests[0].headers, [("X-A".to_owned(), "v".to_owned())]);
}
