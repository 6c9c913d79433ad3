//! Resources of templates.

use interfaces::resource_provider::{ResourceRequest, UpdatePlan};
use model::ids::{AccountId, LogicalId, Region, StackName};
use serde_json::{Value, json};

use crate::Server;

const STREAM: &str = "AWS::Kinesis::Stream";
const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/s";

fn request(resource_type: &str, properties: Value) -> ResourceRequest {
    ResourceRequest {
        account: AccountId::development(),
        region: Region::new("us-east-1"),
        stack: StackName::new("stack"),
        logical_id: LogicalId::new(resource_type.rsplit(':').next().unwrap()),
        resource_type: resource_type.to_owned(),
        properties: properties.as_object().unwrap().clone(),
        generated_name: "stack-Stream-1".to_owned(),
        number: None,
    }
}

#[tokio::test]
async fn a_stream_is_made_changed_and_deleted() {
    let server = Server::new();
    let provider = server.service.provider();
    let wanted = request(
        STREAM,
        json!({"Name": "s", "ShardCount": "2", "RetentionPeriodHours": 48}),
    );
    for _again in 0..2 {
        let made = provider.create(&wanted).await.unwrap();
        assert_eq!(
            (made.physical_id.as_str(), &made.attributes["Arn"]),
            ("s", &json!(ARN))
        );
    }
    let changed = request(STREAM, json!({"Name": "s", "ShardCount": 4}));
    let plan = provider.plan_update(STREAM, &wanted.properties, &changed.properties);
    assert_eq!(plan, UpdatePlan::InPlace);
    provider
        .update("s", &wanted.properties, &changed)
        .await
        .unwrap();
    let summary = server
        .done("DescribeStreamSummary", json!({"StreamName": "s"}))
        .await;
    let summary = &summary["StreamDescriptionSummary"];
    assert_eq!(
        (&summary["OpenShardCount"], &summary["RetentionPeriodHours"]),
        (&json!(4), &json!(24))
    );
    let consumer = request(
        "AWS::Kinesis::StreamConsumer",
        json!({"ConsumerName": "c", "StreamARN": ARN}),
    );
    let made = provider.create(&consumer).await.unwrap();
    assert_eq!(made.physical_id, format!("{ARN}/consumer/c:1700000000"));
    let statement = json!({"Effect": "Allow", "Principal": "*", "Action": "kinesis:PutRecord", "Resource": ARN});
    let policy = json!({"ResourceArn": ARN, "ResourcePolicy": {"Version": "2012-10-17", "Statement": [statement]}});
    let policy = request("AWS::Kinesis::ResourcePolicy", policy);
    assert_eq!(provider.create(&policy).await.unwrap().physical_id, ARN);
    let told = server
        .done("GetResourcePolicy", json!({"ResourceARN": ARN}))
        .await;
    assert!(
        told["Policy"]
            .as_str()
            .unwrap()
            .contains("kinesis:PutRecord")
    );
    provider.delete(ARN, &policy).await.unwrap();
    provider.delete(&made.physical_id, &consumer).await.unwrap();
    for _again in 0..2 {
        provider.delete("s", &changed).await.unwrap();
    }
}

#[tokio::test]
async fn one_on_demand_has_four_shards_and_no_count() {
    let server = Server::new();
    let provider = server.service.provider();
    let mode = json!({"StreamMode": "ON_DEMAND"});
    let wanted = request(STREAM, json!({"StreamModeDetails": mode}));
    let made = provider.create(&wanted).await.unwrap();
    assert_eq!(server.shards(&made.physical_id).await.len(), 4);
    let both = json!({"StreamModeDetails": mode, "ShardCount": 1});
    assert_eq!(provider.check(STREAM, both.as_object().unwrap()).len(), 1);
}
