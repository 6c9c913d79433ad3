//! The proof after a kill.
//!
//! Lives here: reading the table, its indexes and its stream, and comparing them.
//! Does not live here: what writers know (`model`).

#![expect(
    clippy::indexing_slicing,
    reason = "JSON by a name that is not there is null: nothing here can panic"
)]

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::calls::{Api, Calls};
use super::model::{Key, Model};

/// The table.
pub(super) const TABLE: &str = "crash";
const GLOBAL_INDEX: &str = "by-kind";
const LOCAL_INDEX: &str = "by-n";
/// Reads of a stream that bring nothing before it is taken to be at its end.
const EMPTY_READS_MAX: usize = 3;

/// What is remembered from one round to the next.
pub(super) struct Checker {
    stream_arn: String,
    /// The last record that was read, by shard.
    read_up_to: BTreeMap<String, String>,
    /// What the records so far have made of the table.
    replica: BTreeMap<Key, Value>,
}

impl Checker {
    /// Makes the table.
    pub(super) fn create(calls: &mut Calls) -> Result<Self> {
        let attribute =
            |name: &str, kind: &str| json!({"AttributeName": name, "AttributeType": kind});
        let key = |hash: &str, range: &str| {
            json!([
                {"AttributeName": hash, "KeyType": "HASH"}, {"AttributeName": range, "KeyType": "RANGE"},
            ])
        };
        let table = json!({
            "TableName": TABLE, "BillingMode": "PAY_PER_REQUEST", "KeySchema": key("who", "at"),
            "AttributeDefinitions": [attribute("who", "S"), attribute("at", "N"), attribute("n", "N"), attribute("kind", "S")],
            "GlobalSecondaryIndexes": [
                {"IndexName": GLOBAL_INDEX, "KeySchema": key("kind", "n"), "Projection": {"ProjectionType": "ALL"}},
            ],
            "LocalSecondaryIndexes": [
                {"IndexName": LOCAL_INDEX, "KeySchema": key("who", "n"), "Projection": {"ProjectionType": "KEYS_ONLY"}},
            ],
            "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        });
        let made = calls.done(Api::Tables, "CreateTable", &table)?;
        let arn = made["TableDescription"]["LatestStreamArn"].as_str();
        Ok(Self {
            stream_arn: arn.context("the table has no stream")?.to_owned(),
            read_up_to: BTreeMap::new(),
            replica: BTreeMap::new(),
        })
    }

    /// Proves that nothing is lost, and that indexes and the stream agree with the table.
    pub(super) fn prove(&mut self, calls: &mut Calls, model: &mut Model) -> Result<()> {
        let table = scanned(calls, None)?;
        model.settle(&table).context("the table")?;
        let in_global: BTreeMap<Key, Value> = table
            .iter()
            .filter(|(_, item)| !item["kind"].is_null())
            .map(|(key, item)| (key.clone(), item.clone()))
            .collect();
        same(
            "the global index",
            &scanned(calls, Some(GLOBAL_INDEX))?,
            &in_global,
        )?;
        let in_local: BTreeMap<Key, Value> = table
            .iter()
            .map(|(key, item)| {
                let keys = json!({"who": item["who"], "at": item["at"], "n": item["n"]});
                (key.clone(), keys)
            })
            .collect();
        same(
            "the local index",
            &scanned(calls, Some(LOCAL_INDEX))?,
            &in_local,
        )?;
        self.follow(calls).context("the stream")?;
        same("the stream", &self.replica, &table)
    }

    /// Applies the records that are new to the replica; each must find the image that it replaces.
    fn follow(&mut self, calls: &mut Calls) -> Result<()> {
        let body = json!({"StreamArn": self.stream_arn});
        let stream = calls.done(Api::Streams, "DescribeStream", &body)?;
        let shards = stream["StreamDescription"]["Shards"].as_array();
        let shards = shards.context("a stream has shards")?.clone();
        for shard in shards {
            let shard = shard["ShardId"].as_str().context("a shard has an id")?;
            self.follow_shard(calls, shard)?;
        }
        Ok(())
    }

    fn follow_shard(&mut self, calls: &mut Calls, shard: &str) -> Result<()> {
        let mut body = json!({"StreamArn": self.stream_arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"});
        if let Some(number) = self.read_up_to.get(shard) {
            body["ShardIteratorType"] = "AFTER_SEQUENCE_NUMBER".into();
            body["SequenceNumber"] = number.as_str().into();
        }
        let mut iterator =
            calls.done(Api::Streams, "GetShardIterator", &body)?["ShardIterator"].clone();
        let mut empty_reads = 0;
        while !iterator.is_null() && empty_reads < EMPTY_READS_MAX {
            let answer = calls.done(
                Api::Streams,
                "GetRecords",
                &json!({"ShardIterator": iterator}),
            )?;
            let records = answer["Records"].as_array().cloned().unwrap_or_default();
            if records.is_empty() {
                empty_reads += 1;
            }
            for record in &records {
                self.apply(record)?;
                let number = record["dynamodb"]["SequenceNumber"].as_str();
                let number = number.context("a record has a number")?;
                self.read_up_to.insert(shard.to_owned(), number.to_owned());
            }
            iterator = answer["NextShardIterator"].clone();
        }
        Ok(())
    }

    fn apply(&mut self, record: &Value) -> Result<()> {
        let change = &record["dynamodb"];
        let key = key_of(&change["Keys"])?;
        let old = Some(&change["OldImage"]).filter(|image| !image.is_null());
        ensure!(
            self.replica.get(&key) == old,
            "{key:?}: a record replaces {old:?}, but records so far have left {:?}",
            self.replica.get(&key)
        );
        let new = &change["NewImage"];
        if new.is_null() {
            self.replica.remove(&key);
        } else {
            self.replica.insert(key, new.clone());
        }
        Ok(())
    }
}

/// Everything in the table or in an index.
fn scanned(calls: &mut Calls, index: Option<&str>) -> Result<BTreeMap<Key, Value>> {
    let mut body = json!({"TableName": TABLE});
    if let Some(index) = index {
        body["IndexName"] = index.into();
    }
    let mut all = BTreeMap::new();
    loop {
        let answer = calls.done(Api::Tables, "Scan", &body)?;
        for item in answer["Items"].as_array().into_iter().flatten() {
            let twice = all.insert(key_of(item)?, item.clone());
            ensure!(twice.is_none(), "{item} is in {index:?} twice");
        }
        if answer["LastEvaluatedKey"].is_null() {
            return Ok(all);
        }
        body["ExclusiveStartKey"] = answer["LastEvaluatedKey"].clone();
    }
}

fn key_of(item: &Value) -> Result<Key> {
    let who = item["who"]["S"].as_str().context("an item has a `who`")?;
    let at = item["at"]["N"].as_str().context("an item has an `at`")?;
    Ok((who.to_owned(), at.parse()?))
}

fn same(what: &str, found: &BTreeMap<Key, Value>, expected: &BTreeMap<Key, Value>) -> Result<()> {
    for (key, item) in expected {
        let other = found.get(key);
        ensure!(
            other == Some(item),
            "{what} has {other:?} for {key:?}, the table has {item}"
        );
    }
    for (key, item) in found {
        ensure!(
            expected.contains_key(key),
            "{what} has {item}, which the table has not"
        );
    }
    Ok(())
}
