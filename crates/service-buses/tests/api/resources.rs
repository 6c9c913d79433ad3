//! Resources of templates.

use std::sync::Arc;

use interfaces::resource_provider::{Properties, ResourceRequest};
use model::ids::{AccountId, LogicalId, Region, StackName};
use model::time::Timestamp;
use serde_json::{Value, json};
use store_embedded::Memory;
use test_kit::StoppedClock;

use super::{QUEUE, ROLE, Server};

fn request(resource_type: &str, logical_id: &str, properties: Value) -> ResourceRequest {
    let Value::Object(properties) = properties else {
        return request(resource_type, logical_id, json!({}));
    };
    ResourceRequest {
        account: AccountId::development(),
        region: Region::new("us-east-1"),
        stack: StackName::new("app"),
        logical_id: LogicalId::new(logical_id),
        resource_type: resource_type.to_owned(),
        properties,
        generated_name: format!("app-{logical_id}-1"),
        number: None,
    }
}

fn server() -> Server {
    let clock = StoppedClock::at(Timestamp::from_micros(0));
    Server::over(Arc::new(Memory::new()), Arc::new(clock))
}

#[tokio::test]
async fn each_type_is_made_twice_as_one_has_its_attributes_and_goes() {
    let server = server();
    let provider = server.service.provider();
    let target = json!({"Id": "1", "Arn": QUEUE, "RetryPolicy": {"MaximumRetryAttempts": "3"}});
    let arn = |resource: &str| format!("arn:aws:events:us-east-1:000000000000:{resource}");
    let of_scheduler =
        |resource: &str| format!("arn:aws:scheduler:us-east-1:000000000000:{resource}");
    let auth = json!({"ApiKeyAuthParameters": {"ApiKeyName": "k", "ApiKeyValue": "v"}});
    for (resource_type, properties, id, arn) in [
        (
            "AWS::Events::EventBus",
            json!({"Name": "own", "Tags": [{"Key": "a", "Value": "b"}]}),
            "own",
            arn("event-bus/own"),
        ),
        (
            "AWS::Events::EventBusPolicy",
            json!({"EventBusName": "own", "StatementId": "s", "Statement": {
            "Effect": "Allow", "Principal": "*", "Action": "events:PutEvents", "Resource": "*"}}),
            "own|s",
            String::new(),
        ),
        (
            "AWS::Events::Rule",
            json!({"EventPattern": {"source": ["a"]}, "Targets": [target]}),
            "app-R-1",
            arn("rule/app-R-1"),
        ),
        (
            "AWS::Events::Rule",
            json!({"Name": "n", "EventBusName": "own", "EventPattern": {"source": ["a"]}}),
            "own|n",
            arn("rule/own/n"),
        ),
        (
            "AWS::Events::Rule",
            json!({"Name": "t", "ScheduleExpression": "rate(1 day)", "State": "DISABLED"}),
            "t",
            arn("rule/t"),
        ),
        (
            "AWS::Events::Connection",
            json!({"AuthorizationType": "API_KEY", "AuthParameters": auth}),
            "app-R-1",
            String::new(),
        ),
        (
            "AWS::Scheduler::ScheduleGroup",
            json!({"Name": "g"}),
            "g",
            of_scheduler("schedule-group/g"),
        ),
        (
            "AWS::Scheduler::Schedule",
            json!({
                "GroupName": "g", "ScheduleExpression": "rate(1 day)", "StartDate": "2030-01-01T00:00:00Z",
                "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": "5"}, "Target": {"Arn": QUEUE, "RoleArn": ROLE},
            }),
            "app-R-1",
            of_scheduler("schedule/g/app-R-1"),
        ),
    ] {
        let request = request(resource_type, "R", properties);
        assert_eq!(
            provider.check(resource_type, &request.properties),
            Vec::new(),
            "{resource_type}"
        );
        assert_eq!(provider.physical_id(&request), id);
        let made = provider.create(&request).await.unwrap();
        assert_eq!(
            provider.create(&request).await.unwrap(),
            made,
            "{resource_type}"
        );
        assert_eq!(made.physical_id, id);
        if !arn.is_empty() {
            assert_eq!(made.attributes["Arn"], arn);
        }
        let mut other = request.clone();
        other.logical_id = LogicalId::new("Other");
        let is_shared = resource_type == "AWS::Events::EventBusPolicy";
        assert_eq!(
            provider.create(&other).await.is_ok(),
            is_shared,
            "{resource_type}"
        );
        if resource_type != "AWS::Events::EventBus"
            && resource_type != "AWS::Scheduler::ScheduleGroup"
        {
            provider.delete(id, &request).await.unwrap();
        }
        if resource_type == "AWS::Events::EventBusPolicy" {
            let (_, bus) = server
                .events("DescribeEventBus", json!({"Name": "own"}))
                .await;
            assert_eq!(bus.get("Policy"), None);
        }
    }
    let bus = request("AWS::Events::EventBus", "R", json!({"Name": "own"}));
    provider.delete("own", &bus).await.unwrap();
    provider.delete("own", &bus).await.unwrap();
}

#[test]
fn what_is_not_carried_out_is_named_at_its_place() {
    let server = server();
    let provider = server.service.provider();
    let target = |target: Value| json!({"EventPattern": {"source": ["a"]}, "Targets": [target]});
    let machine = "arn:aws:states:us-east-1:000000000000:stateMachine:m";
    for (resource_type, properties, path) in [
        (
            "AWS::Events::Rule",
            target(json!({"Id": "1", "Arn": machine})),
            vec!["Targets", "0", "Arn"],
        ),
        (
            "AWS::Events::Rule",
            target(json!({"Id": "1", "Arn": QUEUE, "EcsParameters": {"x": 1}})),
            vec!["Targets", "0", "EcsParameters"],
        ),
        (
            "AWS::Events::Rule",
            json!({"EventPattern": {"source": "a"}}),
            vec!["EventPattern"],
        ),
        (
            "AWS::Events::Rule",
            json!({"ScheduleExpression": "rate(1 days)"}),
            vec!["ScheduleExpression"],
        ),
        (
            "AWS::Events::Archive",
            json!({"SourceArn": "x", "EventPattern": {"source": "a"}}),
            vec!["EventPattern"],
        ),
        (
            "AWS::Scheduler::Schedule",
            json!({
                "ScheduleExpression": "rate(1 day)", "FlexibleTimeWindow": {"Mode": "OFF"},
                "Target": {"Arn": "arn:aws:scheduler:::aws-sdk:sqs:sendMessage", "RoleArn": ROLE},
            }),
            vec!["Target", "Arn"],
        ),
    ] {
        let properties: Properties = properties.as_object().unwrap().clone();
        let problems = provider.check(resource_type, &properties);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].path, path);
    }
}
