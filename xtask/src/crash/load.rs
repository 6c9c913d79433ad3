//! What a writer writes until the server is gone.
//!
//! Lives here: the mix of operations, and noting each before and after.
//! Does not live here: what may be found later (`model`).

#![expect(
    clippy::indexing_slicing,
    reason = "JSON by a name that is not there is null: nothing here can panic"
)]

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::calls::{Answer, Api, Calls};
use super::check::TABLE;
use super::model::{COUNTERS, Item, Key, Writer};
use crate::random::Random;

/// Items of one writer, which it writes again and again.
const ITEMS: u64 = 24;
/// Pairs of items of one writer that are written together, and only so.
const PAIRS: u64 = 4;
const KINDS: [Option<&str>; 4] = [Some("cat"), Some("dog"), Some("owl"), None];

/// Writes until the connection is gone.
pub(super) fn write(port: u16, writer: &mut Writer, seed: u64) -> Result<()> {
    let Ok(mut calls) = Calls::open(port) else {
        return Ok(());
    };
    let mut random = Random::new(seed);
    loop {
        let n = random.below(1_000_000_000);
        let kind = random.pick(&KINDS).copied().flatten();
        let item = Item { n, kind };
        let at = random.below(ITEMS);
        let goes_on = match random.below(10) {
            0..3 => single(&mut calls, writer, at, "PutItem", Some(item)),
            3..6 => single(&mut calls, writer, at, "UpdateItem", Some(item)),
            6 => single(&mut calls, writer, at, "DeleteItem", None),
            7 => count(&mut calls, writer),
            _ => transact(&mut calls, writer, random.below(PAIRS), &item),
        }?;
        if !goes_on {
            return Ok(());
        }
    }
}

/// Writes one item; whether the server is still there.
fn single(
    calls: &mut Calls,
    writer: &mut Writer,
    at: u64,
    operation: &str,
    item: Option<Item>,
) -> Result<bool> {
    let key = (writer.name.clone(), at);
    let body = match (operation, &item) {
        ("PutItem", Some(item)) => json!({"TableName": TABLE, "Item": item.to_json(&key)}),
        ("UpdateItem", Some(item)) => update(&key, item),
        _ => json!({"TableName": TABLE, "Key": key_json(&key)}),
    };
    writer.items.entry(key.clone()).or_default().attempt(item);
    let answer = calls.call(Api::Tables, operation, &body);
    let Some(known) = writer.items.get_mut(&key) else {
        return Ok(false);
    };
    match answer {
        Err(_) => Ok(false),
        Ok(Answer::Done(_)) => {
            known.acknowledge();
            writer.acknowledged += 1;
            Ok(true)
        }
        Ok(Answer::Refused(why)) => {
            ensure!(is_conflict(&why), "{operation}: {why}");
            known.refuse();
            Ok(true)
        }
    }
}

fn update(key: &Key, item: &Item) -> Value {
    let mut body = json!({
        "TableName": TABLE, "Key": key_json(key), "ExpressionAttributeValues": {":n": {"N": item.n.to_string()}},
    });
    match item.kind {
        Some(kind) => {
            body["UpdateExpression"] = "SET n = :n, kind = :kind".into();
            body["ExpressionAttributeValues"][":kind"] = json!({"S": kind});
        }
        None => body["UpdateExpression"] = "SET n = :n REMOVE kind".into(),
    }
    body
}

/// Adds one to the counter that everybody adds to.
fn count(calls: &mut Calls, writer: &mut Writer) -> Result<bool> {
    let [additions, _] = &mut writer.counters;
    additions.attempted += 1;
    match calls.call(Api::Tables, "UpdateItem", &addition(0)) {
        Err(_) => Ok(false),
        Ok(Answer::Done(_)) => {
            additions.acknowledged += 1;
            writer.acknowledged += 1;
            Ok(true)
        }
        Ok(Answer::Refused(why)) => {
            ensure!(is_conflict(&why), "UpdateItem: {why}");
            additions.attempted -= 1;
            Ok(true)
        }
    }
}

/// Writes both items of a pair and adds to the other counter, or does nothing.
fn transact(calls: &mut Calls, writer: &mut Writer, pair: u64, item: &Item) -> Result<bool> {
    let keys = [0, 1].map(|side| (format!("{}-pairs", writer.name), 2 * pair + side));
    let mut actions: Vec<Value> = keys
        .iter()
        .map(|key| json!({"Put": {"TableName": TABLE, "Item": item.to_json(key)}}))
        .collect();
    actions.push(json!({"Update": addition(1)}));
    for key in &keys {
        let known = writer.items.entry(key.clone()).or_default();
        known.attempt(Some(item.clone()));
    }
    let [_, additions] = &mut writer.counters;
    additions.attempted += 1;
    let body = json!({"TransactItems": actions});
    match calls.call(Api::Tables, "TransactWriteItems", &body) {
        Err(_) => Ok(false),
        Ok(Answer::Done(_)) => {
            additions.acknowledged += 1;
            writer.acknowledged += 3;
            for key in &keys {
                writer.items.entry(key.clone()).or_default().acknowledge();
            }
            Ok(true)
        }
        Ok(Answer::Refused(why)) => {
            ensure!(is_conflict(&why), "TransactWriteItems: {why}");
            additions.attempted -= 1;
            for key in &keys {
                writer.items.entry(key.clone()).or_default().refuse();
            }
            Ok(true)
        }
    }
}

fn addition(counter: u64) -> Value {
    json!({
        "TableName": TABLE, "Key": key_json(&(COUNTERS.to_owned(), counter)),
        "UpdateExpression": "ADD n :one", "ExpressionAttributeValues": {":one": {"N": "1"}},
    })
}

fn key_json((who, at): &Key) -> Value {
    json!({"who": {"S": who}, "at": {"N": at.to_string()}})
}

/// Another transaction has the item: nothing was done.
fn is_conflict(why: &str) -> bool {
    why.contains("TransactionConflict")
}
