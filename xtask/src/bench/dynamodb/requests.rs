//! The requests of the loads.
//!
//! Lives here: the operations with their bars, what is sent for each, the tables and items that they need.
//! Does not live here: sending them (`bench::load`).

use anyhow::{Result, ensure};

use super::ratio;
use crate::bench::goals::Goal;
use crate::http::{self, Connection};

/// Keys that items are put to and got from.
const ITEMS: usize = 1_000;
/// From one key to the next. It has no divisor in common with [`ITEMS`], so all keys have their turn.
const KEY_STEP: usize = 617;
/// Items of the partition that is queried.
const QUERIED: usize = 50;
/// Items that one transaction writes.
const TRANSACTION_ITEMS: usize = 4;

/// Values that an item takes in turn: a write that leaves what is there already costs a store next to nothing, and nobody
/// is measured by such.
const VALUES: usize = 8;

/// Bytes of the text in each item.
pub(super) const FILLER_BYTES: usize = 200;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Put,
    Get,
    Query,
    HotUpdate,
    Transaction,
}

impl Operation {
    pub(super) const ALL: [Self; 5] = [
        Self::Put,
        Self::Get,
        Self::Query,
        Self::HotUpdate,
        Self::Transaction,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Put => "`PutItem`",
            Self::Get => "`GetItem`",
            Self::Query => "`Query` of 50 items",
            Self::HotUpdate => "`UpdateItem` on one hot item",
            Self::Transaction => "`TransactWriteItems` of 4",
        }
    }

    /// What ours is held to: so many times dynalite, ministack, moto.
    pub(super) const fn bars(self) -> [Goal; 3] {
        let dynalite = match self {
            Self::Put => 1.5,
            Self::Get | Self::Query => 3.0,
            // It has no transactions.
            Self::HotUpdate | Self::Transaction => 2.0,
        };
        [
            ratio("dynalite", dynalite),
            ratio("ministack", 6.0),
            ratio("moto", 30.0),
        ]
    }
}

/// All requests, as bytes.
pub(super) struct Requests {
    put: Vec<Vec<u8>>,
    get: Vec<Vec<u8>>,
    query: Vec<Vec<u8>>,
    hot_update: Vec<Vec<u8>>,
    transaction: Vec<Vec<u8>>,
}

impl Requests {
    pub(super) fn new() -> Self {
        let keys = || (0..ITEMS).map(|turn| turn * KEY_STEP % ITEMS);
        let written = |items: usize| {
            (0..VALUES).flat_map(move |value| keys().take(items).map(move |key| (key, value)))
        };
        let query = r#"{"TableName":"bench-events","KeyConditionExpression":"who = :who","ExpressionAttributeValues":{":who":{"S":"ann"}}}"#;
        let update = r#"{"TableName":"bench","Key":{"id":{"S":"hot"}},"UpdateExpression":"SET n = n + :one","ExpressionAttributeValues":{":one":{"N":"1"}}}"#;
        Self {
            put: written(ITEMS)
                .map(|(key, value)| called("PutItem", &put(key, value)))
                .collect(),
            get: keys().map(|key| called("GetItem", &get(key))).collect(),
            query: vec![called("Query", query)],
            hot_update: vec![called("UpdateItem", update)],
            transaction: written(ITEMS / TRANSACTION_ITEMS)
                .map(|(group, value)| called("TransactWriteItems", &transaction(group, value)))
                .collect(),
        }
    }

    pub(super) fn of(&self, operation: Operation) -> &[Vec<u8>] {
        match operation {
            Operation::Put => &self.put,
            Operation::Get => &self.get,
            Operation::Query => &self.query,
            Operation::HotUpdate => &self.hot_update,
            Operation::Transaction => &self.transaction,
        }
    }

    /// Makes the tables, and the items that reads and updates find.
    pub(super) fn prepare(&self, name: &str, port: u16) -> Result<()> {
        const BENCH: &str = r#"{"TableName":"bench","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}],"KeySchema":[{"AttributeName":"id","KeyType":"HASH"}]}"#;
        const EVENTS: &str = r#"{"TableName":"bench-events","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"who","AttributeType":"S"},{"AttributeName":"at","AttributeType":"N"}],"KeySchema":[{"AttributeName":"who","KeyType":"HASH"},{"AttributeName":"at","KeyType":"RANGE"}]}"#;
        // Some peers close a connection after each reply.
        let send = |request: &[u8]| -> Result<()> {
            let (reply, _) = Connection::open(port)?.exchange(request)?;
            ensure!(reply.is_success(), "{name}: {}", reply.body);
            Ok(())
        };
        send(&called("CreateTable", BENCH))?;
        send(&called("CreateTable", EVENTS))?;
        // Some peers take their time until a table is active.
        std::thread::sleep(std::time::Duration::from_secs(1));
        for request in &self.put {
            send(request)?;
        }
        send(&called(
            "PutItem",
            r#"{"TableName":"bench","Item":{"id":{"S":"hot"},"n":{"N":"0"}}}"#,
        ))?;
        for at in 0..QUERIED {
            let filler = "x".repeat(FILLER_BYTES);
            let item = format!(
                r#"{{"TableName":"bench-events","Item":{{"who":{{"S":"ann"}},"at":{{"N":"{at}"}},"text":{{"S":"{filler}"}}}}}}"#
            );
            send(&called("PutItem", &item))?;
        }
        Ok(())
    }
}

/// Whether the server carries out the first of these requests.
pub(super) fn is_known(port: u16, requests: &[Vec<u8>]) -> Result<bool> {
    let Some(first) = requests.first() else {
        return Ok(false);
    };
    let (reply, _) = Connection::open(port)?.exchange(first)?;
    // Another refusal is a failure of the load, which is counted there.
    Ok(!reply.body.contains("UnknownOperationException"))
}

/// The item of this number with the first of its values, without its table.
pub(super) fn item(key: usize) -> String {
    item_with(key, 0)
}

fn item_with(key: usize, value: usize) -> String {
    let filler = "x".repeat(FILLER_BYTES);
    let n = 42 + value;
    format!(r#"{{"id":{{"S":"item-{key}"}},"n":{{"N":"{n}"}},"text":{{"S":"{filler}"}}}}"#)
}

/// What that item weighs as DynamoDB counts it: its names and its values.
pub(super) fn item_bytes(key: usize) -> usize {
    "id".len() + format!("item-{key}").len() + "n".len() + 2 + "text".len() + FILLER_BYTES
}

fn put(key: usize, value: usize) -> String {
    let item = item_with(key, value);
    format!(r#"{{"TableName":"bench","Item":{item}}}"#)
}

pub(super) fn get(key: usize) -> String {
    format!(r#"{{"TableName":"bench","Key":{{"id":{{"S":"item-{key}"}}}}}}"#)
}

/// Puts of neighbours, so that no two transactions share some of their items and not others.
fn transaction(group: usize, value: usize) -> String {
    let first = group * TRANSACTION_ITEMS;
    let puts: Vec<String> = (first..first + TRANSACTION_ITEMS)
        .map(|key| format!(r#"{{"Put":{}}}"#, put(key, value)))
        .collect();
    format!(r#"{{"TransactItems":[{}]}}"#, puts.join(","))
}

/// A request as it goes over the wire.
pub(super) fn called(operation: &str, body: &str) -> Vec<u8> {
    http::table_request(&format!("DynamoDB_20120810.{operation}"), body)
}
