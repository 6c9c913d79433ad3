//! What is said of records of a stream that were given up.
//!
//! Lives here: the record that the destination of a mapping gets.
//! Does not live here: when records are given up (`plan`), what is said of asynchronous invocations (`letters`).
//!
//! Contract: AWS Lambda Developer Guide, "Retain discarded batch records for a DynamoDB event source in Lambda" and "…
//! for a Kinesis Data Streams event source": the record says where the batch lies, not what is in it.

use interfaces::record_source::{Record, ShardName};
use model::arn::Arn;
use model::delivery::{Delivery, Message};
use model::event_source::Mapping;
use model::function::Function;
use model::time::Timestamp;
use serde_json::{Map, json};

use crate::letters::{iso_ms, iso_s, letter};

/// Why records were given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Discarded {
    /// Their function failed as often as allowed.
    RetriesExhausted,
    /// They became too old.
    TooOld,
}

/// The last call with them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LastCall {
    pub(crate) request_id: String,
    /// None when the function never ran.
    pub(crate) executed_version: Option<String>,
    /// It raised an error, rather than naming records that failed.
    pub(crate) raised: bool,
    pub(crate) attempts: u32,
}

/// What the destination gets.
pub(crate) fn of_batch(
    (mapping, target): (&Mapping, &Arn),
    function: &Function,
    shard: &ShardName,
    records: &[Record],
    (why, last): (Discarded, &LastCall),
    now: Timestamp,
) -> Option<Delivery> {
    let (first, end) = (records.first()?, records.last()?);
    let condition = match why {
        Discarded::RetriesExhausted => "RetryAttemptsExhausted",
        Discarded::TooOld => "RecordAgeExceeded",
    };
    let arn = match &mapping.callee.qualifier {
        Some(qualifier) => format!("{}:{qualifier}", function.arn),
        None => function.arn.to_string(),
    };
    let is_kinesis = mapping.source.service == "kinesis";
    // Recorded so: milliseconds for streams of Kinesis alone.
    let arrival = if is_kinesis { iso_ms } else { iso_s };
    let batch = json!({
        "shardId": shard.0,
        "startSequenceNumber": first.sequence_number,
        "endSequenceNumber": end.sequence_number,
        "approximateArrivalOfFirstRecord": arrival(first.written_at),
        "approximateArrivalOfLastRecord": arrival(end.written_at),
        "batchSize": records.len(),
        "streamArn": mapping.source.to_string(),
    });
    let mut record = Map::new();
    record.insert(
        "requestContext".to_owned(),
        json!({
            "requestId": last.request_id,
            "functionArn": arn,
            "condition": condition,
            "approximateInvokeCount": last.attempts,
        }),
    );
    // Recorded so: what became too old was given up whatever its function said last.
    if let (Discarded::RetriesExhausted, Some(version)) = (why, &last.executed_version) {
        let context = json!({
            "statusCode": 200,
            "executedVersion": version,
            "functionError": last.raised.then_some("Unhandled"),
        });
        record.insert("responseContext".to_owned(), context);
    }
    record.insert("version".to_owned(), json!("1.0"));
    record.insert("timestamp".to_owned(), json!(iso_ms(now)));
    let name = if is_kinesis {
        "KinesisBatchInfo"
    } else {
        "DDBStreamBatchInfo"
    };
    record.insert(name.to_owned(), batch);
    let message = Message {
        body: serde_json::Value::Object(record).to_string().into(),
        ..Message::default()
    };
    Some(letter(target, function, &last.request_id, message, now))
}
