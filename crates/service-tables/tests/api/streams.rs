//! Streams of tables: what a change leaves, and how it is read.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use store_embedded::Memory;

use super::Server;

const KEYS: [(&str, &str); 2] = [("p", "S"), ("c", "S")];

struct Stream {
    server: Server,
    arn: String,
}

impl Stream {
    async fn showing(view_type: &str) -> Self {
        let server = Server::over(Arc::new(Memory::new()));
        server.create_table("things", &KEYS).await;
        let arn = switch(
            &server,
            json!({"StreamEnabled": true, "StreamViewType": view_type}),
        )
        .await;
        Self { server, arn }
    }

    async fn put(&self, item: Value) {
        let body = json!({"TableName": "things", "Item": item});
        let (status, answer) = self.server.call("PutItem", &body).await;
        assert_eq!(status, 200, "{answer}");
    }

    async fn update(&self, expression: &str, values: Value) {
        let mut body = json!({
            "TableName": "things",
            "Key": {"p": {"S": "a"}, "c": {"S": "b"}},
            "UpdateExpression": expression,
        });
        if values != json!({}) {
            body["ExpressionAttributeValues"] = values;
        }
        let (status, answer) = self.server.call("UpdateItem", &body).await;
        assert_eq!(status, 200, "{answer}");
    }

    async fn delete(&self) {
        let body = json!({"TableName": "things", "Key": {"p": {"S": "a"}, "c": {"S": "b"}}});
        let (status, answer) = self.server.call("DeleteItem", &body).await;
        assert_eq!(status, 200, "{answer}");
    }

    async fn shards(&self) -> Vec<String> {
        let described = self.described().await;
        let shards = described["Shards"].as_array().unwrap().iter();
        shards
            .map(|shard| shard["ShardId"].as_str().unwrap().to_owned())
            .collect()
    }

    async fn described(&self) -> Value {
        let body = json!({"StreamArn": self.arn});
        let (status, answer) = self.server.call_streams("DescribeStream", &body).await;
        assert_eq!(status, 200, "{answer}");
        answer["StreamDescription"].clone()
    }

    async fn iterator(&self, shard: &str, kind: &str, number: Option<&str>) -> (u16, Value) {
        let mut body = json!({"StreamArn": self.arn, "ShardId": shard, "ShardIteratorType": kind});
        if let Some(number) = number {
            body["SequenceNumber"] = number.into();
        }
        self.server.call_streams("GetShardIterator", &body).await
    }

    async fn read(&self, iterator: &Value, limit: u32) -> (u16, Value) {
        let body = json!({"ShardIterator": iterator, "Limit": limit});
        self.server.call_streams("GetRecords", &body).await
    }

    /// All records of all shards.
    async fn records(&self) -> Vec<Value> {
        let mut records = Vec::new();
        for shard in self.shards().await {
            let (_, answer) = self.iterator(&shard, "TRIM_HORIZON", None).await;
            let (status, answer) = self.read(&answer["ShardIterator"], 1_000).await;
            assert_eq!(status, 200, "{answer}");
            records.extend(answer["Records"].as_array().unwrap().iter().cloned());
        }
        records
    }
}

/// Switches the table's stream; its ARN.
async fn switch(server: &Server, specification: Value) -> String {
    let body = json!({"TableName": "things", "StreamSpecification": specification});
    let (status, answer) = server.call("UpdateTable", &body).await;
    assert_eq!(status, 200, "{answer}");
    let arn = answer["TableDescription"]["LatestStreamArn"].as_str();
    arn.unwrap_or_default().to_owned()
}

fn item(extra: Value) -> Value {
    let mut item = json!({"p": {"S": "a"}, "c": {"S": "b"}});
    let members = item.as_object_mut().unwrap();
    members.extend(extra.as_object().unwrap().clone());
    item
}

#[tokio::test]
async fn each_view_type_shows_its_part_of_a_change() {
    let (new, old) = (
        item(json!({"x": {"N": "2"}})),
        item(json!({"x": {"N": "1"}})),
    );
    let key = item(json!({}));
    for (view_type, inserted, modified, removed) in [
        ("KEYS_ONLY", (None, None), (None, None), (None, None)),
        (
            "NEW_IMAGE",
            (Some(&old), None),
            (Some(&new), None),
            (None, None),
        ),
        (
            "OLD_IMAGE",
            (None, None),
            (None, Some(&old)),
            (None, Some(&new)),
        ),
        (
            "NEW_AND_OLD_IMAGES",
            (Some(&old), None),
            (Some(&new), Some(&old)),
            (None, Some(&new)),
        ),
    ] {
        let stream = Stream::showing(view_type).await;
        stream.put(old.clone()).await;
        stream.update("SET x = :x", json!({":x": {"N": "2"}})).await;
        stream.delete().await;
        let records = stream.records().await;
        let expected = [
            ("INSERT", inserted),
            ("MODIFY", modified),
            ("REMOVE", removed),
        ];
        assert_eq!(records.len(), expected.len());
        for (record, (name, (new, old))) in records.iter().zip(expected) {
            assert_eq!(record["eventName"], name);
            assert_eq!(record["eventVersion"], "1.1");
            assert_eq!(record["eventSource"], "aws:dynamodb");
            assert_eq!(record["awsRegion"], "us-east-1");
            let change = &record["dynamodb"];
            assert_eq!(change["Keys"], key);
            assert_eq!(change.get("NewImage"), new, "{view_type} {name}");
            assert_eq!(change.get("OldImage"), old, "{view_type} {name}");
            assert_eq!(change["StreamViewType"], view_type);
            assert_eq!(change["ApproximateCreationDateTime"], 1_700_000_000);
            assert!(record.get("userIdentity").is_none());
        }
        let mut ids: Vec<_> = records.iter().map(|it| it["eventID"].to_string()).collect();
        ids.dedup();
        assert_eq!(ids.len(), 3);
    }
}

/// The example of the Developer Guide.
#[tokio::test]
async fn a_record_weighs_its_key_and_its_images() {
    let stream = Stream::showing("NEW_AND_OLD_IMAGES").await;
    stream
        .put(item(json!({"Message": {"S": "New item!"}})))
        .await;
    let records = stream.records().await;
    assert_eq!(records[0]["dynamodb"]["SizeBytes"], 4 + 4 + 16);
}

#[tokio::test]
async fn a_write_that_changes_nothing_leaves_no_record() {
    let stream = Stream::showing("NEW_AND_OLD_IMAGES").await;
    stream.delete().await;
    stream.put(item(json!({"s": {"SS": ["x", "y"]}}))).await;
    stream.put(item(json!({"s": {"SS": ["y", "x"]}}))).await;
    stream.update("REMOVE nothing", json!({})).await;
    assert_eq!(stream.records().await.len(), 1);
}

#[tokio::test]
async fn iterators_begin_where_they_say() {
    let stream = Stream::showing("KEYS_ONLY").await;
    for number in 0..5 {
        stream
            .put(item(json!({"x": {"N": number.to_string()}})))
            .await;
    }
    let mut shard = String::new();
    let mut numbers: Vec<String> = Vec::new();
    for name in stream.shards().await {
        let (_, answer) = stream.iterator(&name, "TRIM_HORIZON", None).await;
        let (_, answer) = stream.read(&answer["ShardIterator"], 1_000).await;
        let records = answer["Records"].as_array().unwrap();
        if !records.is_empty() {
            shard = name;
            let all = records
                .iter()
                .map(|it| it["dynamodb"]["SequenceNumber"].as_str().unwrap());
            numbers = all.map(str::to_owned).collect();
        }
    }
    assert_eq!(numbers.len(), 5);
    assert!(numbers.is_sorted() && numbers.iter().all(|number| 21 <= number.len()));
    for (kind, number, expected) in [
        ("TRIM_HORIZON", None, &numbers[..]),
        ("LATEST", None, &[]),
        ("AT_SEQUENCE_NUMBER", Some(&numbers[2]), &numbers[2..]),
        ("AFTER_SEQUENCE_NUMBER", Some(&numbers[2]), &numbers[3..]),
    ] {
        let (status, answer) = stream
            .iterator(&shard, kind, number.map(String::as_str))
            .await;
        assert_eq!(status, 200, "{answer}");
        // One at a time, by the iterator that each answer brings.
        let mut iterator = answer["ShardIterator"].clone();
        let mut read = Vec::new();
        loop {
            let (_, answer) = stream.read(&iterator, 1).await;
            let records = answer["Records"].as_array().unwrap();
            iterator = answer["NextShardIterator"].clone();
            match records.first() {
                Some(record) => read.push(
                    record["dynamodb"]["SequenceNumber"]
                        .as_str()
                        .unwrap()
                        .to_owned(),
                ),
                None => break,
            }
        }
        assert_eq!(read, expected, "{kind}");
    }
}

#[tokio::test]
async fn what_asks_for_too_little_or_too_much_is_refused() {
    let stream = Stream::showing("KEYS_ONLY").await;
    let shard = stream.shards().await.swap_remove(0);
    let number = "1000000000000000000000000";
    for (kind, number, error) in [
        ("AT_SEQUENCE_NUMBER", None, "ValidationException"),
        ("LATEST", Some(number), "ValidationException"),
        ("AT_TIMESTAMP", None, "ValidationException"),
        ("SOMEWHERE", None, "ValidationException"),
        ("AFTER_SEQUENCE_NUMBER", Some("1"), "ValidationException"),
    ] {
        let (status, answer) = stream.iterator(&shard, kind, number).await;
        assert_eq!(status, 400);
        assert!(
            answer["__type"].as_str().unwrap().ends_with(error),
            "{answer}"
        );
    }
    for (operation, body, error) in [
        (
            "GetRecords",
            json!({"ShardIterator": "x"}),
            "ValidationException",
        ),
        (
            "DescribeStream",
            json!({"StreamArn": "x".repeat(40)}),
            "ValidationException",
        ),
        (
            "DescribeStream",
            json!({"StreamArn": format!("{}0", stream.arn)}),
            "ResourceNotFoundException",
        ),
        ("ListStreams", json!({"Limit": 101}), "ValidationException"),
        ("PutRecords", json!({}), "UnknownOperationException"),
    ] {
        let (status, answer) = stream.server.call_streams(operation, &body).await;
        assert_eq!(status, 400, "{operation}");
        assert!(
            answer["__type"].as_str().unwrap().ends_with(error),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_stream_that_was_switched_off_can_be_read_for_a_day() {
    let stream = Stream::showing("KEYS_ONLY").await;
    stream.put(item(json!({}))).await;
    switch(&stream.server, json!({"StreamEnabled": false})).await;
    stream.put(item(json!({"x": {"N": "1"}}))).await;
    let described = stream.described().await;
    assert_eq!(described["StreamStatus"], "DISABLED");
    for shard in described["Shards"].as_array().unwrap() {
        assert!(shard["SequenceNumberRange"]["EndingSequenceNumber"].is_string());
    }
    assert_eq!(stream.records().await.len(), 1);
    let again = switch(
        &stream.server,
        json!({"StreamEnabled": true, "StreamViewType": "NEW_IMAGE"}),
    )
    .await;
    assert_ne!(again, stream.arn);
    let (_, listed) = stream
        .server
        .call_streams("ListStreams", &json!({"TableName": "things"}))
        .await;
    assert_eq!(listed["Streams"].as_array().unwrap().len(), 2);
    stream.server.clock.advance(Duration::from_secs(24 * 3_600));
    assert_eq!(stream.records().await.len(), 0);
}

#[tokio::test]
async fn a_stream_outlives_its_table() {
    let stream = Stream::showing("OLD_IMAGE").await;
    stream.put(item(json!({}))).await;
    let (status, _) = stream
        .server
        .call("DeleteTable", &json!({"TableName": "things"}))
        .await;
    assert_eq!(status, 200);
    assert_eq!(stream.described().await["StreamStatus"], "DISABLED");
    assert_eq!(stream.records().await.len(), 1);
}

#[tokio::test]
async fn images_larger_than_a_row_of_the_store_come_back_whole() {
    let stream = Stream::showing("NEW_AND_OLD_IMAGES").await;
    let large = |letter: &str| item(json!({"x": {"S": letter.repeat(409_000)}}));
    stream.put(large("o")).await;
    stream.put(large("n")).await;
    stream.put(item(json!({}))).await;
    let mut records = Vec::new();
    for shard in stream.shards().await {
        let (_, answer) = stream.iterator(&shard, "TRIM_HORIZON", None).await;
        let mut iterator = answer["ShardIterator"].clone();
        loop {
            let (status, answer) = stream.read(&iterator, 2).await;
            assert_eq!(status, 200);
            let found = answer["Records"].as_array().unwrap();
            if found.is_empty() {
                break;
            }
            records.extend(found.clone());
            iterator = answer["NextShardIterator"].clone();
        }
    }
    assert_eq!(records.len(), 3);
    assert_eq!(records[1]["dynamodb"]["NewImage"], large("n"));
    assert_eq!(records[1]["dynamodb"]["OldImage"], large("o"));
}

#[tokio::test]
async fn an_iterator_of_a_quarter_of_an_hour_ago_has_expired() {
    let stream = Stream::showing("KEYS_ONLY").await;
    let shard = stream.shards().await.swap_remove(0);
    let (_, answer) = stream.iterator(&shard, "LATEST", None).await;
    stream
        .server
        .clock
        .advance(Duration::from_secs(15 * 60 + 1));
    let (status, refused) = stream.read(&answer["ShardIterator"], 1).await;
    assert_eq!(status, 400);
    let error = refused["__type"].as_str().unwrap();
    assert!(error.ends_with("#ExpiredIteratorException"));
}

/// Many write to few items at once, alone and in transactions: what a record shows as old is what the one before it
/// showed as new, and the last one shows the item.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn records_of_an_item_are_a_chain_that_ends_with_the_item() {
    let stream = Arc::new(Stream::showing("NEW_AND_OLD_IMAGES").await);
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let stream = Arc::clone(&stream);
        writers.spawn(async move {
            for round in 0..40 {
                let key = |number: usize| {
                    json!({"p": {"S": format!("i{}", number % 3)}, "c": {"S": "c"}})
                };
                let add = |number: usize| {
                    json!({
                        "TableName": "things", "Key": key(number), "UpdateExpression": "ADD x :one",
                        "ExpressionAttributeValues": {":one": {"N": "1"}},
                    })
                };
                let (operation, body) = match (writer + round) % 4 {
                    0 => ("DeleteItem", json!({"TableName": "things", "Key": key(round)})),
                    1 => {
                        let both = json!([{"Update": add(round)}, {"Update": add(round + 1)}]);
                        ("TransactWriteItems", json!({"TransactItems": both}))
                    }
                    _ => ("UpdateItem", add(round)),
                };
                let (status, answer) = stream.server.call(operation, &body).await;
                let conflict = answer.to_string().contains("TransactionConflict");
                assert!(status == 200 || conflict, "{operation} {answer}");
            }
        });
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    let records = stream.records().await;
    for number in 0..3 {
        let key = json!({"p": {"S": format!("i{number}")}, "c": {"S": "c"}});
        let mut current: Option<Value> = None;
        for record in records.iter().filter(|it| it["dynamodb"]["Keys"] == key) {
            let change = &record["dynamodb"];
            assert_eq!(change.get("OldImage"), current.as_ref(), "{record}");
            current = change.get("NewImage").cloned();
        }
        let body = json!({"TableName": "things", "Key": key});
        let (_, answer) = stream.server.call("GetItem", &body).await;
        assert_eq!(answer.get("Item"), current.as_ref());
    }
}

#[tokio::test]
async fn a_small_provisioned_table_has_one_shard_and_an_on_demand_one_four() {
    let server = Server::new();
    for (name, reads, writes, expected) in [
        ("small", 5, 5, 1),
        ("large", 3_000, 1, 2),
        ("larger", 40_000, 40_000, 4),
        ("demand", 0, 0, 4),
    ] {
        let mut table = json!({
            "TableName": name, "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"},
        });
        if 0 < reads {
            table["BillingMode"] = json!("PROVISIONED");
            table["ProvisionedThroughput"] =
                json!({"ReadCapacityUnits": reads, "WriteCapacityUnits": writes});
        }
        let answer = server.ok("CreateTable", table).await;
        let arn = answer["TableDescription"]["LatestStreamArn"].clone();
        for id in ["a", "b", "c", "d", "e", "f"] {
            let put = json!({"TableName": name, "Item": {"id": {"S": id}}});
            server.ok("PutItem", put).await;
        }
        let body = json!({"StreamArn": arn});
        let (_, answer) = server.call_streams("DescribeStream", &body).await;
        let shards = answer["StreamDescription"]["Shards"].as_array().unwrap();
        assert_eq!(shards.len(), expected, "{name}");
        let mut count = 0;
        for shard in shards {
            let body = json!({"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"});
            let (_, answer) = server.call_streams("GetShardIterator", &body).await;
            let body = json!({"ShardIterator": answer["ShardIterator"]});
            let (_, answer) = server.call_streams("GetRecords", &body).await;
            count += answer["Records"].as_array().unwrap().len();
        }
        assert_eq!(count, 6, "{name}");
    }
}
