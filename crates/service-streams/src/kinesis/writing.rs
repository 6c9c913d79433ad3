//! `PutRecord` and `PutRecords`.
//!
//! What a shard takes in a second is not limited.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Context, StreamRef};
use crate::engine::log::{Fresh, Put, hash};
use crate::fault::{Answer, Fault};
use crate::fields::{Fields, HASH_KEY, PARTITION_KEY, SEQUENCE, insert};

/// Bytes of a record with its partition key.
pub(crate) const RECORD_BYTES_MAX: usize = 1_024 * 1_024;
const RECORDS_MAX: usize = 500;
/// Bytes of the records of one request.
const REQUEST_BYTES_MAX: usize = 5 * 1_024 * 1_024;

pub(super) async fn put_record(context: &Context<'_>, mut fields: Fields) -> Answer {
    let asked = StreamRef::take(context, &mut fields)?;
    // Numbers of a shard always grow: there is nothing that this could put in order.
    let _ordering = fields.text("SequenceNumberForOrdering", &SEQUENCE);
    let record = take(&mut fields, "")?;
    fields.finish()?;
    let put = put(context, &asked, &[record]).await?;
    let mut answer = match put.records.first() {
        Some((shard, number)) => json!({"ShardId": shard, "SequenceNumber": number}),
        None => json!({}),
    };
    if put.is_encrypted {
        insert(&mut answer, "EncryptionType", "KMS");
    }
    Ok(answer)
}

pub(super) async fn put_records(context: &Context<'_>, mut fields: Fields) -> Answer {
    let asked = StreamRef::take(context, &mut fields)?;
    let Some(Value::Array(listed)) = fields.take("Records") else {
        fields.violate(None, "records", "not be null");
        fields.finish()?;
        return Ok(Value::Null);
    };
    if listed.is_empty() || RECORDS_MAX < listed.len() {
        let rule = if listed.is_empty() {
            "have length greater than or equal to 1"
        } else {
            "have length less than or equal to 500"
        };
        fields.violate(Some("[PutRecordsRequestEntry]"), "records", rule);
    }
    fields.finish()?;
    let mut records = Vec::with_capacity(listed.len());
    let mut bytes = 0;
    for (number, entry) in (1..).zip(listed) {
        let Value::Object(members) = entry else {
            let message = "A record is an object.";
            return Err(Fault::new("SerializationException", message));
        };
        let mut entry = Fields::of(members);
        let record = take(&mut entry, &format!("records.{number}.member."))?;
        bytes += record.data.len() + record.partition_key.len();
        records.push(record);
    }
    if REQUEST_BYTES_MAX < bytes {
        return Err(Fault::argument("Records size exceeds 5 MB limit"));
    }
    let put = put(context, &asked, &records).await?;
    let shown: Vec<Value> = put
        .records
        .iter()
        .map(|(shard, number)| json!({"SequenceNumber": number, "ShardId": shard}))
        .collect();
    let mut answer = json!({"FailedRecordCount": 0, "Records": shown});
    if put.is_encrypted {
        insert(&mut answer, "EncryptionType", "KMS");
    }
    Ok(answer)
}

async fn put(context: &Context<'_>, asked: &StreamRef, records: &[Fresh]) -> Result<Put, Fault> {
    let put = context.catalogue.put(&asked.place, &asked.name, records);
    let put = put.await?;
    put.ok_or_else(|| Fault::no_stream(&asked.place, &asked.name))
}

/// Takes the members of a record.
fn take(fields: &mut Fields, path: &str) -> Result<Fresh, Fault> {
    let data = fields.bytes("Data")?;
    let partition_key = fields.take("PartitionKey");
    let explicit = fields.text("ExplicitHashKey", &HASH_KEY);
    let member = |name: &str| format!("{path}{name}");
    if data.is_none() {
        fields.violate(None, &member("data"), "not be null");
    }
    let partition_key = match partition_key {
        Some(Value::String(key)) => {
            fields.judge(&key, &member("partitionKey"), &PARTITION_KEY);
            key
        }
        _ => {
            fields.violate(None, &member("partitionKey"), "not be null");
            String::new()
        }
    };
    let data = Bytes::from(data.unwrap_or_default());
    fields.finish()?;
    if RECORD_BYTES_MAX < data.len() + partition_key.len() {
        return Err(Fault::validation(format!(
            "1 validation error detected: Value at '{}' failed to satisfy constraint: Member must have length less than or \
             equal to {RECORD_BYTES_MAX}",
            member("data")
        )));
    }
    let hash = match explicit {
        Some(explicit) => explicit.parse().map_err(|_| {
            Fault::argument(format!(
                "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was {explicit}"
            ))
        })?,
        None => hash(&partition_key),
    };
    Ok(Fresh {
        partition_key,
        hash,
        data,
    })
}
