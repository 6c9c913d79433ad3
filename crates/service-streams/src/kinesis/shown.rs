//! What answers tell of streams, shards, records and consumers.

use model::time::Timestamp;
use serde_json::{Value, json};

use crate::engine::keys::Place;
use crate::engine::log::Record;
use crate::engine::numbers;
use crate::engine::rows::{Consumer, Shard, Stream};
use crate::fields::insert;

/// Seconds since the epoch, as JSON 1.1 tells times.
pub(super) fn seconds(at: Timestamp) -> Value {
    let ms = serde_json::Number::from(at.epoch_ms());
    (ms.as_f64().unwrap_or_default() / 1_000.0).into()
}

pub(super) fn stream(stream: &Stream, place: &Place) -> Value {
    json!({
        "StreamName": stream.name,
        "StreamARN": stream.arn(place),
        "StreamStatus": "ACTIVE",
        "StreamModeDetails": {"StreamMode": stream.mode.name()},
        "StreamCreationTimestamp": seconds(stream.created_at),
    })
}

/// What `DescribeStream` and `DescribeStreamSummary` tell.
pub(super) fn details(of: &Stream, place: &Place) -> Value {
    let mut shown = stream(of, place);
    insert(&mut shown, "RetentionPeriodHours", of.retention_hours);
    let metrics: Vec<_> = of.metrics.iter().collect();
    let monitoring = json!([{"ShardLevelMetrics": metrics}]);
    insert(&mut shown, "EnhancedMonitoring", monitoring);
    match &of.key {
        Some(key) => {
            insert(&mut shown, "EncryptionType", "KMS");
            insert(&mut shown, "KeyId", key.as_str());
        }
        None => insert(&mut shown, "EncryptionType", "NONE"),
    }
    shown
}

pub(super) fn hashes(shard: &Shard) -> Value {
    json!({
        "StartingHashKey": shard.first.to_string(),
        "EndingHashKey": shard.last.to_string(),
    })
}

pub(super) fn shard(shard: &Shard) -> Value {
    let mut numbers = json!({
        "StartingSequenceNumber": shard.sequence(numbers::Place::default()),
    });
    if !shard.is_open() {
        let last = shard.sequence(numbers::Place::END);
        insert(&mut numbers, "EndingSequenceNumber", last);
    }
    let mut shown = json!({
        "ShardId": shard.name(),
        "HashKeyRange": hashes(shard),
        "SequenceNumberRange": numbers,
    });
    let parents = ["ParentShardId", "AdjacentParentShardId"];
    for (member, parent) in parents.into_iter().zip(&shard.parents) {
        insert(&mut shown, member, format!("shardId-{parent:012}"));
    }
    shown
}

/// What became of a closed shard.
pub(super) fn children(stream: &Stream, number: u32) -> Vec<Value> {
    let children = stream.children_of(number).map(|child| {
        let parents = child.parents.iter();
        let parents: Vec<String> = parents
            .map(|parent| format!("shardId-{parent:012}"))
            .collect();
        json!({
            "ShardId": child.name(),
            "ParentShards": parents,
            "HashKeyRange": hashes(child),
        })
    });
    children.collect()
}

pub(super) fn record(shard: &Shard, record: &Record) -> Value {
    use base64::Engine as _;
    let mut shown = json!({
        "SequenceNumber": shard.sequence(record.place),
        "ApproximateArrivalTimestamp": seconds(record.at),
        "Data": base64::engine::general_purpose::STANDARD.encode(&record.data),
        "PartitionKey": record.partition_key,
    });
    if record.is_encrypted {
        insert(&mut shown, "EncryptionType", "KMS");
    }
    shown
}

pub(super) fn consumer(consumer: &Consumer, stream_arn: &str, status: &str) -> Value {
    json!({
        "ConsumerName": consumer.name,
        "ConsumerARN": consumer.arn(stream_arn),
        "ConsumerStatus": status,
        "ConsumerCreationTimestamp": seconds(consumer.created_at),
    })
}
