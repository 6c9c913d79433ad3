//! Roles that do not let the services in that are to act as them.

use std::sync::Arc;

use http::Method;
use interfaces::resource_provider::ResourceRequest;
use model::ids::{AccountId, LogicalId, Region, StackName};
use model::time::Timestamp;
use serde_json::json;
use store_embedded::Memory;
use test_kit::{Distrusting, StoppedClock};

use super::{QUEUE, ROLE, Server};

fn server() -> Server {
    let clock = Arc::new(StoppedClock::at(Timestamp::from_micros(0)));
    Server::judged(Arc::new(Memory::new()), clock, Arc::new(Distrusting))
}

#[tokio::test]
async fn a_role_that_does_not_let_the_service_in_is_refused_as_it_is_handed_over() {
    let server = server();
    let words =
        format!("Provided role '{ROLE}' cannot be assumed by principal 'events.amazonaws.com'.");
    let pattern = r#"{"source": ["shop"]}"#;
    let rule = json!({"Name": "r", "EventPattern": pattern, "RoleArn": ROLE});
    let (status, answer) = server.events("PutRule", rule).await;
    assert_eq!(
        (status, answer["message"].as_str()),
        (400, Some(words.as_str())),
        "{answer}"
    );
    let plain = json!({"Name": "r", "EventPattern": pattern});
    assert_eq!(server.events("PutRule", plain).await.0, 200);
    let targets = json!({"Rule": "r", "Targets": [{"Id": "1", "Arn": QUEUE, "RoleArn": ROLE}]});
    let (status, answer) = server.events("PutTargets", targets).await;
    assert_eq!(
        (status, answer["message"].as_str()),
        (400, Some(words.as_str())),
        "{answer}"
    );
    let schedule = json!({
        "ScheduleExpression": "rate(5 minutes)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {"Arn": QUEUE, "RoleArn": ROLE},
    });
    let (status, answer) = server
        .scheduler(Method::POST, "/schedules/s", schedule)
        .await;
    let words =
        "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.";
    assert_eq!(
        (status, answer["Message"].as_str()),
        (400, Some(words)),
        "{answer}"
    );
}

#[tokio::test]
async fn so_it_is_in_a_template() {
    let server = server();
    let properties = json!({
        "ScheduleExpression": "rate(5 minutes)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {"Arn": QUEUE, "RoleArn": ROLE},
    });
    let provider = server.service.provider();
    let request = ResourceRequest {
        account: AccountId::development(),
        region: Region::new("us-east-1"),
        stack: StackName::new("shop"),
        logical_id: LogicalId::new("Clock"),
        resource_type: "AWS::Scheduler::Schedule".to_owned(),
        properties: properties.as_object().unwrap().clone(),
        generated_name: "shop-Clock-1".to_owned(),
        number: None,
    };
    let message = provider.create(&request).await.unwrap_err().message;
    assert!(
        message.contains("must allow AWS EventBridge Scheduler"),
        "{message}"
    );
}
