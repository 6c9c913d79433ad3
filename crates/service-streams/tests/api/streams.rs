//! Streams, shards, consumers, settings.

use model::arn::Arn;
use serde_json::{Value, json};
use service_streams::operations;

use crate::Server;

const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/s";

#[tokio::test]
async fn a_stream_is_described_as_in_the_cloud() {
    let server = Server::new();
    server.stream("s", 2).await;
    let answer = server
        .done("DescribeStream", json!({"StreamName": "s"}))
        .await;
    let told = &answer["StreamDescription"];
    assert_eq!(told["StreamARN"], ARN);
    assert_eq!(told["StreamStatus"], "ACTIVE");
    assert_eq!(told["EncryptionType"], "NONE");
    assert_eq!(told["RetentionPeriodHours"], 24);
    assert_eq!(told["StreamModeDetails"]["StreamMode"], "PROVISIONED");
    assert_eq!(told["StreamCreationTimestamp"], 1_700_000_000.0);
    assert_eq!(
        told["EnhancedMonitoring"],
        json!([{"ShardLevelMetrics": []}])
    );
    let second = &told["Shards"][1];
    assert_eq!(second["ShardId"], "shardId-000000000001");
    assert_eq!(
        second["HashKeyRange"]["StartingHashKey"],
        "170141183460469231731687303715884105728"
    );
    let summary = server
        .done("DescribeStreamSummary", json!({"StreamARN": ARN}))
        .await;
    assert_eq!(summary["StreamDescriptionSummary"]["OpenShardCount"], 2);
    let listed = server.done("ListStreams", json!({})).await;
    assert_eq!(listed["StreamNames"], json!(["s"]));
    server
        .done("DeleteStream", json!({"StreamName": "s"}))
        .await;
    let (code, message) = server
        .refused("DescribeStream", json!({"StreamName": "s"}))
        .await;
    assert_eq!(code, "ResourceNotFoundException");
    assert_eq!(message, "Stream s under account 000000000000 not found.");
}

#[tokio::test]
async fn what_is_wrong_is_refused_in_the_clouds_words() {
    let server = Server::new();
    server.stream("s", 1).await;
    let cases = [
        (
            "CreateStream",
            json!({"StreamName": "s", "ShardCount": 1}),
            "ResourceInUseException",
        ),
        ("CreateStream", json!({}), "ValidationException"),
        (
            "CreateStream",
            json!({"StreamName": "a b"}),
            "ValidationException",
        ),
        (
            "CreateStream",
            json!({"StreamName": "t", "ShardCount": 501}),
            "LimitExceededException",
        ),
        (
            "CreateStream",
            json!({"StreamName": "t", "WarmThroughputMiBps": 1}),
            "ValidationException",
        ),
        ("SubscribeToShard", json!({}), "ValidationException"),
        (
            "PutRecord",
            json!({"StreamName": "s", "Data": ""}),
            "ValidationException",
        ),
        (
            "PutRecord",
            json!({"StreamName": "s", "Data": "!", "PartitionKey": "k"}),
            "SerializationException",
        ),
        (
            "PutRecords",
            json!({"StreamName": "s", "Records": []}),
            "ValidationException",
        ),
        (
            "GetRecords",
            json!({"ShardIterator": "x"}),
            "InvalidArgumentException",
        ),
        (
            "MergeShards",
            json!({"StreamName": "s", "ShardToMerge": "shardId-000000000000",
            "AdjacentShardToMerge": "shardId-000000000000"}),
            "InvalidArgumentException",
        ),
        (
            "UpdateShardCount",
            json!({"StreamName": "s", "TargetShardCount": 3,
            "ScalingType": "UNIFORM_SCALING"}),
            "LimitExceededException",
        ),
        (
            "IncreaseStreamRetentionPeriod",
            json!({"StreamName": "s", "RetentionPeriodHours": 9000}),
            "InvalidArgumentException",
        ),
        (
            "DeleteResourcePolicy",
            json!({"ResourceARN": ARN}),
            "ResourceNotFoundException",
        ),
        ("Dance", json!({}), "UnknownOperationException"),
    ];
    for (operation, body, expected) in cases {
        let (code, message) = server.refused(operation, body.clone()).await;
        assert_eq!(code, expected, "{operation} {body}: {message}");
    }
}

#[tokio::test]
async fn every_operation_is_carried_out_or_refused_by_name() {
    let server = Server::new();
    for (operation, is_supported) in operations() {
        let (_, answer) = server.call(operation, json!({})).await;
        let message = answer["message"].as_str().unwrap_or_default();
        assert_eq!(
            !message.contains("not implemented"),
            is_supported,
            "{operation}"
        );
        assert_ne!(answer["__type"], "UnknownOperationException", "{operation}");
    }
}

#[tokio::test]
async fn shards_are_filtered_and_listed_in_pages() {
    let server = Server::new();
    server.stream("s", 2).await;
    let split = json!({"StreamName": "s", "ShardToSplit": "shardId-000000000000", "NewStartingHashKey": "10"});
    server.done("SplitShard", split).await;
    let listed = async |filter: Value| {
        let body = json!({"StreamName": "s", "ShardFilter": filter});
        let answer = server.done("ListShards", body).await;
        let shards = answer["Shards"].as_array().unwrap().clone();
        let number = |shard: &Value| {
            shard["ShardId"].as_str().unwrap()[19..]
                .parse::<u32>()
                .unwrap()
        };
        shards.iter().map(number).collect::<Vec<_>>()
    };
    assert_eq!(listed(json!({"Type": "AT_LATEST"})).await, [1, 2, 3]);
    assert_eq!(
        listed(json!({"Type": "FROM_TRIM_HORIZON"})).await,
        [0, 1, 2, 3]
    );
    let after = json!({"Type": "AFTER_SHARD_ID", "ShardId": "shardId-000000000001"});
    assert_eq!(listed(after).await, [2, 3]);
    let first = server
        .done("ListShards", json!({"StreamName": "s", "MaxResults": 3}))
        .await;
    let rest = server
        .done("ListShards", json!({"NextToken": first["NextToken"]}))
        .await;
    assert_eq!(rest["Shards"][0]["ShardId"], "shardId-000000000003");
    assert_eq!(rest["Shards"][0]["ParentShardId"], "shardId-000000000000");
    assert!(first["Shards"][0]["SequenceNumberRange"]["EndingSequenceNumber"].is_string());
    assert!(rest.get("NextToken").is_none());
}

#[tokio::test]
async fn the_number_of_shards_is_changed_to_ranges_of_one_size() {
    let server = Server::new();
    server.stream("s", 2).await;
    let body = json!({"StreamName": "s", "TargetShardCount": 3, "ScalingType": "UNIFORM_SCALING"});
    let answer = server.done("UpdateShardCount", body).await;
    assert_eq!(answer["CurrentShardCount"], 2);
    let body = json!({"StreamName": "s", "ShardFilter": {"Type": "AT_LATEST"}});
    let open = server.done("ListShards", body).await;
    let mut starts: Vec<_> = open["Shards"]
        .as_array()
        .unwrap()
        .iter()
        .map(|shard| {
            shard["HashKeyRange"]["StartingHashKey"]
                .as_str()
                .unwrap()
                .len()
        })
        .collect();
    starts.sort_unstable();
    assert_eq!(starts, [1, 39, 39]);
}

#[tokio::test]
async fn consumers_tags_and_settings_are_kept() {
    let server = Server::new();
    server.stream("s", 1).await;
    let body = json!({"StreamARN": ARN, "ConsumerName": "c"});
    let made = server.done("RegisterStreamConsumer", body.clone()).await;
    let arn = made["Consumer"]["ConsumerARN"].clone();
    assert_eq!(arn, format!("{ARN}/consumer/c:1700000000"));
    assert!(Arn::parse(arn.as_str().unwrap()).is_ok());
    let told = server
        .done("DescribeStreamConsumer", json!({"ConsumerARN": arn}))
        .await;
    assert_eq!(told["ConsumerDescription"]["ConsumerStatus"], "ACTIVE");
    let (code, _) = server
        .refused("DeleteStream", json!({"StreamName": "s"}))
        .await;
    assert_eq!(code, "ResourceInUseException");
    server.done("DeregisterStreamConsumer", body).await;
    server
        .done(
            "AddTagsToStream",
            json!({"StreamName": "s", "Tags": {"a": "1", "b": "2"}}),
        )
        .await;
    server
        .done(
            "UntagResource",
            json!({"ResourceARN": ARN, "TagKeys": ["a"]}),
        )
        .await;
    let tags = server
        .done("ListTagsForStream", json!({"StreamName": "s"}))
        .await;
    assert_eq!(
        tags,
        json!({"Tags": [{"Key": "b", "Value": "2"}], "HasMoreTags": false})
    );
    let body = json!({"StreamName": "s", "EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"});
    server.done("StartStreamEncryption", body).await;
    server.put("s", "k", "x").await;
    let body = json!({"StreamName": "s", "ShardLevelMetrics": ["ALL"]});
    let answer = server.done("EnableEnhancedMonitoring", body).await;
    assert_eq!(
        answer["DesiredShardLevelMetrics"].as_array().unwrap().len(),
        7
    );
    let iterator = server
        .iterator(
            "s",
            "shardId-000000000000",
            json!({"ShardIteratorType": "TRIM_HORIZON"}),
        )
        .await;
    let read = server
        .done("GetRecords", json!({"ShardIterator": iterator}))
        .await;
    assert_eq!(read["Records"][0]["EncryptionType"], "KMS");
}
