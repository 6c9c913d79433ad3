//! Records: putting them, reading them, in which order, for how long.

use std::collections::BTreeMap;
use std::time::Duration;

use interfaces::record_source::{RecordLimit, Rest, ShardName};
use model::arn::Arn;
use model::delivery::{Message, Sender, SenderPrincipal, Target};
use model::event_source::StartingPosition;
use model::ids::AccountId;
use model::time::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{NOW_US, Server, texts};

const SHARD: &str = "shardId-000000000000";
const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/s";

#[tokio::test]
async fn iterators_begin_where_their_type_says() {
    let server = Server::new();
    server.stream("s", 1).await;
    let (_, first) = server.put("s", "k", "one").await;
    server.clock.advance(Duration::from_secs(10));
    let (_, second) = server.put("s", "k", "two").await;
    assert_eq!((first.len(), second.len()), (56, 56));
    assert!(first < second);
    let from = async |more: Value| {
        let iterator = server.iterator("s", SHARD, more).await;
        server.read(&iterator).await
    };
    let at = |kind: &str, number: &str| json!({"ShardIteratorType": kind, "StartingSequenceNumber": number});
    assert_eq!(
        from(json!({"ShardIteratorType": "TRIM_HORIZON"})).await,
        ["one", "two"]
    );
    assert_eq!(from(at("AT_SEQUENCE_NUMBER", &second)).await, ["two"]);
    assert_eq!(from(at("AFTER_SEQUENCE_NUMBER", &first)).await, ["two"]);
    let time = json!({"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": 1_700_000_005});
    assert_eq!(from(time).await, ["two"]);
    let latest = server
        .iterator("s", SHARD, json!({"ShardIteratorType": "LATEST"}))
        .await;
    assert!(server.read(&latest).await.is_empty());
    server.put("s", "k", "three").await;
    assert_eq!(server.read(&latest).await, ["three"]);
    assert_eq!(server.read(&format!("\"{latest}\"")).await, ["three"]);
    server.clock.advance(Duration::from_secs(301));
    let (code, _) = server
        .refused("GetRecords", json!({"ShardIterator": latest}))
        .await;
    assert_eq!(code, "ExpiredIteratorException");
}

#[tokio::test]
async fn a_page_says_how_far_it_is_behind() {
    let server = Server::new();
    server.stream("s", 1).await;
    let record = |data: &str| json!({"Data": data, "PartitionKey": "k"});
    let body =
        json!({"StreamName": "s", "Records": [record("YQ=="), record("Yg=="), record("Yw==")]});
    let put = server.done("PutRecords", body).await;
    assert_eq!(
        (
            &put["FailedRecordCount"],
            put["Records"].as_array().unwrap().len()
        ),
        (&json!(0), 3)
    );
    server.clock.advance(Duration::from_secs(2));
    let iterator = server
        .iterator("s", SHARD, json!({"ShardIteratorType": "TRIM_HORIZON"}))
        .await;
    let page = server
        .done("GetRecords", json!({"ShardIterator": iterator, "Limit": 2}))
        .await;
    assert_eq!(
        (texts(&page), &page["MillisBehindLatest"]),
        (vec!["a".to_owned(), "b".to_owned()], &json!(2000))
    );
    let rest = server
        .done(
            "GetRecords",
            json!({"ShardIterator": page["NextShardIterator"]}),
        )
        .await;
    assert_eq!(
        (texts(&rest), &rest["MillisBehindLatest"]),
        (vec!["c".to_owned()], &json!(0))
    );
}

#[tokio::test]
async fn records_go_when_their_time_has_passed() {
    let server = Server::new();
    server.stream("s", 2).await;
    server.put("s", "k", "old").await;
    let body = json!({"StreamName": "s", "RetentionPeriodHours": 48});
    server.done("IncreaseStreamRetentionPeriod", body).await;
    let all = json!({"StreamName": "s", "ShardToMerge": SHARD, "AdjacentShardToMerge": "shardId-000000000001"});
    server.done("MergeShards", all).await;
    server.clock.advance(Duration::from_secs(25 * 3_600));
    server.put("s", "k", "young").await;
    assert_eq!(server.shards("s").await.len(), 3);
    let body = json!({"StreamName": "s", "RetentionPeriodHours": 24});
    server.done("DecreaseStreamRetentionPeriod", body).await;
    let shards = server.shards("s").await;
    assert_eq!(shards.len(), 1, "closed shards have no records left");
    assert_eq!(shards[0]["AdjacentParentShardId"], "shardId-000000000001");
    let name = shards[0]["ShardId"].as_str().unwrap();
    let iterator = server
        .iterator("s", name, json!({"ShardIteratorType": "TRIM_HORIZON"}))
        .await;
    assert_eq!(server.read(&iterator).await, ["young"]);
}

#[tokio::test]
async fn a_record_may_have_one_mebibyte() {
    let server = Server::new();
    server.stream("s", 1).await;
    let text = "x".repeat(1_024 * 1_024 - 1);
    server.put("s", "k", &text).await;
    let iterator = server
        .iterator("s", SHARD, json!({"ShardIteratorType": "TRIM_HORIZON"}))
        .await;
    assert_eq!(server.read(&iterator).await, [text]);
    let data = "eHh4".repeat(349_526);
    let body = json!({"StreamName": "s", "PartitionKey": "k", "Data": data});
    let (code, _) = server.refused("PutRecord", body).await;
    assert_eq!(code, "ValidationException");
}

#[tokio::test]
async fn bodies_may_be_cbor() {
    let server = Server::new();
    server.stream("s", 1).await;
    let cbor = "application/x-amz-cbor-1.1";
    let body = b"\xbf\x6aStreamName\x61s\x64Data\x42hi\x6cPartitionKey\x61k\xff".to_vec();
    let (status, answer) = server.raw("PutRecord", cbor, body).await;
    assert_eq!(status, 200);
    assert!(answer.windows(8).any(|window| window == b"\x67ShardId"));
    let iterator = server
        .iterator("s", SHARD, json!({"ShardIteratorType": "TRIM_HORIZON"}))
        .await;
    let mut body = b"\xa1\x6dShardIterator\x79".to_vec();
    body.extend_from_slice(&u16::try_from(iterator.len()).unwrap().to_be_bytes());
    body.extend_from_slice(iterator.as_bytes());
    let (status, answer) = server.raw("GetRecords", cbor, body).await;
    assert_eq!(status, 200);
    assert!(answer.windows(8).any(|window| window == b"\x64Data\x42hi"));
    let times = b"ApproximateArrivalTimestamp\xc1\x1b";
    assert!(answer.windows(times.len()).any(|window| window == times));
}

#[tokio::test]
async fn functions_get_the_records_of_parents_first() {
    let server = Server::new();
    server.stream("s", 1).await;
    let (_, number) = server.put("s", "k", "one").await;
    server
        .done(
            "SplitShard",
            json!({"StreamName": "s", "ShardToSplit": SHARD, "NewStartingHashKey": "9"}),
        )
        .await;
    let source = server.service.record_source();
    let arn = Arn::parse(ARN).unwrap();
    assert!(source.serves(&arn));
    assert!(!source.serves(&Arn::parse(&format!("{ARN}/consumer/c:1")).unwrap()));
    let shards = source.shards(&arn).await.unwrap();
    assert_eq!(shards.len(), 3);
    let first = ShardName(SHARD.to_owned());
    assert_eq!(
        source.parents(&arn, &shards[2]).await.unwrap(),
        std::slice::from_ref(&first)
    );
    let start = StartingPosition::AtTimestamp(Timestamp::from_micros(NOW_US));
    let position = source.position(&arn, &first, start).await.unwrap();
    let limit = RecordLimit {
        records_max: 10,
        bytes_max: 1_000,
    };
    let read = source.read(&arn, &first, &position, limit).await.unwrap();
    assert_eq!(read.rest, Rest::Ended);
    let event: Value = serde_json::from_slice(&read.records[0].payload).unwrap();
    let expected = json!({
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "k",
            "sequenceNumber": number,
            "data": "b25l",
            "approximateArrivalTimestamp": 1_700_000_000.0,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": format!("{SHARD}:{number}"),
        "eventName": "aws:kinesis:record",
        "awsRegion": "us-east-1",
        "eventSourceARN": ARN,
    });
    assert_eq!(event, expected);
}

#[tokio::test]
async fn events_for_a_stream_become_records_of_their_group() {
    let server = Server::new();
    server.stream("s", 1).await;
    let sink = server.service.sink();
    let target = Target::Resource(Arn::parse(ARN).unwrap());
    let sender = Sender {
        principal: SenderPrincipal::Service("events.amazonaws.com".to_owned()),
        source: None,
        account: AccountId::development(),
    };
    let message = Message {
        body: "{}".into(),
        group: Some("orders".to_owned()),
        ..Message::default()
    };
    assert!(sink.serves(&target));
    sink.take(&target, &sender, &message).await.unwrap();
    let iterator = server
        .iterator("s", SHARD, json!({"ShardIteratorType": "TRIM_HORIZON"}))
        .await;
    let read = server
        .done("GetRecords", json!({"ShardIterator": iterator}))
        .await;
    assert_eq!(read["Records"][0]["PartitionKey"], "orders");
    assert_eq!(texts(&read), ["{}"]);
}

/// What is done to a stream.
#[derive(Debug, Clone)]
enum Step {
    Put(u8),
    Split(u8),
    Merge(u8),
    Scale(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any::<u8>().prop_map(Step::Put),
        1 => any::<u8>().prop_map(Step::Split),
        1 => any::<u8>().prop_map(Step::Merge),
        1 => any::<u8>().prop_map(Step::Scale),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn readers_who_follow_shards_see_each_key_in_order(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(check(steps));
    }
}

async fn check(steps: Vec<Step>) {
    let server = Server::new();
    server.stream("s", 2).await;
    let mut put: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (number, step) in steps.into_iter().enumerate() {
        let body = json!({"StreamName": "s", "ShardFilter": {"Type": "AT_LATEST"}});
        let mut open = server.done("ListShards", body).await["Shards"]
            .as_array()
            .unwrap()
            .clone();
        let start = |shard: &Value| {
            shard["HashKeyRange"]["StartingHashKey"]
                .as_str()
                .unwrap()
                .parse::<u128>()
                .unwrap()
        };
        open.sort_by_key(start);
        match step {
            Step::Put(key) => {
                let key = format!("key{}", key % 8);
                server.put("s", &key, &number.to_string()).await;
                put.entry(key).or_default().push(number.to_string());
            }
            Step::Split(which) => {
                let shard = &open[usize::from(which) % open.len()];
                let hash = (start(shard) + 1_000 + u128::from(which)).to_string();
                let body = json!({"StreamName": "s", "ShardToSplit": shard["ShardId"], "NewStartingHashKey": hash});
                let _done = server.call("SplitShard", body).await;
            }
            Step::Merge(which) => {
                let first = usize::from(which) % open.len();
                let Some(second) = open.get(first + 1) else {
                    continue;
                };
                let body = json!({"StreamName": "s", "ShardToMerge": open[first]["ShardId"],
                    "AdjacentShardToMerge": second["ShardId"]});
                server.done("MergeShards", body).await;
            }
            Step::Scale(count) => {
                let body = json!({"StreamName": "s", "TargetShardCount": count % 5 + 1,
                    "ScalingType": "UNIFORM_SCALING"});
                let _done = server.call("UpdateShardCount", body).await;
            }
        }
    }
    assert_eq!(all(&server).await, put);
}

/// All texts by their partition keys, as a reader finds them who reads parents before children.
async fn all(server: &Server) -> BTreeMap<String, Vec<String>> {
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    // Parents have smaller numbers than their children.
    for shard in server.shards("s").await {
        let name = shard["ShardId"].as_str().unwrap();
        let more = json!({"ShardIteratorType": "TRIM_HORIZON"});
        let mut iterator = json!(server.iterator("s", name, more).await);
        let mut last = String::new();
        loop {
            let body = json!({"ShardIterator": iterator, "Limit": 3});
            let page = server.done("GetRecords", body).await;
            for (record, text) in page["Records"].as_array().unwrap().iter().zip(texts(&page)) {
                let number = record["SequenceNumber"].as_str().unwrap().to_owned();
                assert!(last < number, "numbers grow");
                last = number;
                let key = record["PartitionKey"].as_str().unwrap().to_owned();
                seen.entry(key).or_default().push(text);
            }
            let is_open = shard["SequenceNumberRange"]
                .get("EndingSequenceNumber")
                .is_none();
            if page["Records"].as_array().unwrap().is_empty() && is_open {
                break;
            }
            if page.get("NextShardIterator").is_none() {
                assert!(!page["ChildShards"].as_array().unwrap().is_empty());
                break;
            }
            iterator = page["NextShardIterator"].clone();
        }
    }
    seen
}
