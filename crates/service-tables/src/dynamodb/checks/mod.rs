//! What a request would do, and to what: for whoever judges whether its caller may.
//!
//! Lives here: the action and the resource of every operation, the members of a request by name.
//! Does not live here: condition keys (`keys`), statements (`statements`), judging (`Authorize`).
//!
//! A request is read as the operations read it, member by member, so that none means one thing here and another there. One
//! that cannot be read asks for everything: whoever may not do everything learns no more.
//!
//! Contract: Service Authorization Reference, "Actions, resources, and condition keys for Amazon DynamoDB".

mod keys;
mod statements;
#[cfg(test)]
mod tests;

use interfaces::authorize::Check;
use model::ids::{AccountId, Region};

use super::fields::table_of_arn;
use super::json_read::Json;
use crate::engine::catalogue::Catalogue;

use keys::Keys;

/// What is asked about a request.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) catalogue: &'a Catalogue,
    pub(super) account: &'a AccountId,
    pub(super) region: &'a Region,
    pub(super) operation: &'a str,
}

/// What an operation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    /// The table, or the table and its index.
    Table,
    /// Items of it, with condition keys that tell of them.
    Items,
    /// Items of several tables: `RequestItems`.
    Batch,
    /// Items of several tables, each with an action of its own: `TransactItems`.
    Transaction,
    /// What one statement says.
    Statement,
    /// What several statements say, in the list of this name.
    Statements(&'static str),
    /// `ResourceArn`.
    Resource,
    /// All tables.
    Tables,
    /// Nothing in particular.
    Nothing,
    /// `StreamArn`.
    Stream,
    /// All streams, or those of a table.
    Streams,
    /// The stream in `ShardIterator`.
    Iterator,
}

/// The operations that are carried out. The action is called as the operation is, unless its requests say otherwise.
const OPERATIONS: &[(&str, About)] = &[
    ("BatchExecuteStatement", About::Statements("Statements")),
    ("BatchGetItem", About::Batch),
    ("BatchWriteItem", About::Batch),
    ("CreateTable", About::Table),
    ("DeleteItem", About::Items),
    ("DeleteTable", About::Table),
    ("DescribeContinuousBackups", About::Table),
    ("DescribeEndpoints", About::Nothing),
    ("DescribeLimits", About::Nothing),
    ("DescribeStream", About::Stream),
    ("DescribeTable", About::Table),
    ("DescribeTimeToLive", About::Table),
    ("ExecuteStatement", About::Statement),
    (
        "ExecuteTransaction",
        About::Statements("TransactStatements"),
    ),
    ("GetItem", About::Items),
    ("GetRecords", About::Iterator),
    ("GetShardIterator", About::Stream),
    ("ListStreams", About::Streams),
    ("ListTables", About::Tables),
    ("ListTagsOfResource", About::Resource),
    ("PutItem", About::Items),
    ("Query", About::Items),
    ("Scan", About::Items),
    ("TagResource", About::Resource),
    ("TransactGetItems", About::Transaction),
    ("TransactWriteItems", About::Transaction),
    ("UntagResource", About::Resource),
    ("UpdateContinuousBackups", About::Table),
    ("UpdateItem", About::Items),
    ("UpdateTable", About::Table),
    ("UpdateTimeToLive", About::Table),
];

/// The operations of Amazon DynamoDB Streams among them.
const OF_STREAMS: [&str; 4] = [
    "DescribeStream",
    "GetRecords",
    "GetShardIterator",
    "ListStreams",
];

/// The operations that are carried out, with whether each is one of streams.
pub(super) fn operations() -> impl Iterator<Item = (&'static str, bool)> {
    let names = OPERATIONS.iter().map(|(name, _)| *name);
    names.map(|name| (name, OF_STREAMS.contains(&name)))
}

/// The members of `TransactItems`, and their actions.
const ACTIONS: [(&str, &str); 5] = [
    ("ConditionCheck", "ConditionCheckItem"),
    ("Delete", "DeleteItem"),
    ("Get", "GetItem"),
    ("Put", "PutItem"),
    ("Update", "UpdateItem"),
];

/// What a request would do. An operation that is not carried out does nothing.
pub(super) async fn of(asked: Asked<'_>, body: &[u8]) -> Vec<Check> {
    let found = OPERATIONS
        .iter()
        .find(|(operation, _)| *operation == asked.operation);
    let Some((_, about)) = found else {
        return Vec::new();
    };
    let request = serde_json::from_slice::<Json<'_>>(body);
    let request = request.ok().filter(|json| matches!(json, Json::Map(_)));
    let Some(request) = request else {
        return vec![asked.check(asked.operation, "*".to_owned())];
    };
    let checks = match about {
        About::Table => asked.table(&request).map(|check| vec![check]),
        About::Items => asked
            .items(asked.operation, &request)
            .await
            .map(|it| vec![it]),
        About::Batch => asked.batch(&request).await,
        About::Transaction => asked.transaction(&request).await,
        About::Statement => Some(statements::one(asked, &request).await),
        About::Statements(list) => statements::all(asked, list, &request).await,
        About::Resource => {
            let arn = text(&request, "ResourceArn");
            arn.map(|arn| vec![asked.check(asked.operation, arn.to_owned())])
        }
        About::Stream => {
            let arn = text(&request, "StreamArn");
            arn.map(|arn| vec![asked.check(asked.operation, arn.to_owned())])
        }
        About::Iterator => {
            let iterator = text(&request, "ShardIterator");
            let arn = iterator.and_then(|text| text.split_once('|'));
            arn.map(|(arn, _)| vec![asked.check(asked.operation, arn.to_owned())])
        }
        About::Tables => Some(vec![asked.check(asked.operation, asked.arn("*"))]),
        About::Streams => {
            let table = text(&request, "TableName").unwrap_or("*");
            let streams = asked.arn(&format!("{table}/stream/*"));
            Some(vec![asked.check(asked.operation, streams)])
        }
        About::Nothing => None,
    };
    checks.unwrap_or_else(|| vec![asked.check(asked.operation, "*".to_owned())])
}

impl Asked<'_> {
    fn check(&self, action: &str, resource: String) -> Check {
        Check::new(format!("dynamodb:{action}"), resource, self.account)
    }

    /// The ARN of a table, or of what stands below one.
    fn arn(&self, table: &str) -> String {
        // A table may be called by its ARN, also one of another account.
        if table.starts_with("arn:") {
            return table.to_owned();
        }
        format!(
            "arn:{}:dynamodb:{}:{}:table/{table}",
            model::arn::PARTITION,
            self.region,
            self.account
        )
    }

    fn table(&self, request: &Json<'_>) -> Option<Check> {
        Some(self.check(self.operation, self.arn(text(request, "TableName")?)))
    }

    /// One action on the items of one table.
    async fn items(&self, action: &str, request: &Json<'_>) -> Option<Check> {
        let name = text(request, "TableName")?;
        let index = text(request, "IndexName");
        let resource = match index {
            Some(index) => self.arn(&format!("{name}/index/{index}")),
            None => self.arn(name),
        };
        let mut check = self.check(action, resource);
        let mut keys = Keys::of(self.partition_key(name, index).await);
        keys.take(request);
        keys.write(&mut check.context);
        Some(check)
    }

    async fn batch(&self, request: &Json<'_>) -> Option<Vec<Check>> {
        let Some(Json::Map(tables)) = member(request, "RequestItems") else {
            return None;
        };
        let mut checks = Vec::with_capacity(tables.len());
        for (name, requested) in tables {
            let mut check = self.check(self.operation, self.arn(name));
            let mut keys = Keys::of(self.partition_key(name, None).await);
            keys.take_batch(requested);
            if let Some(wanted) = text(request, "ReturnConsumedCapacity") {
                check.context.set("dynamodb:ReturnConsumedCapacity", wanted);
            }
            keys.write(&mut check.context);
            checks.push(check);
        }
        Some(checks)
    }

    async fn transaction(&self, request: &Json<'_>) -> Option<Vec<Check>> {
        let Some(Json::List(items)) = member(request, "TransactItems") else {
            return None;
        };
        let mut checks = Vec::with_capacity(items.len());
        for item in items {
            for (name, action) in ACTIONS {
                if let Some(asked) = member(item, name) {
                    let mut check = self.items(action, asked).await?;
                    let enclosing = "dynamodb:EnclosingOperation";
                    check.context.set(enclosing, self.operation);
                    checks.push(check);
                }
            }
        }
        Some(checks)
    }

    /// The attribute that `dynamodb:LeadingKeys` tells of; none: there is no such table or index, and so nothing to reach.
    async fn partition_key(&self, table: &str, index: Option<&str>) -> Option<String> {
        let table = match table_of_arn(table) {
            Some((name, _)) => name,
            None => table,
        };
        let found = self.catalogue.find(self.account, self.region, table).await;
        let table = found.ok().flatten()?;
        let key = match index {
            Some(name) => table.index(name)?.settings.partition_keys.first()?,
            None => &table.descriptor.partition_key,
        };
        Some(key.name.clone())
    }
}

/// The member of this name; null is none, and of two the last holds.
fn member<'a, 'b>(json: &'a Json<'b>, name: &str) -> Option<&'a Json<'b>> {
    let Json::Map(members) = json else {
        return None;
    };
    let found = members.iter().rev().find(|(other, _)| other == name);
    found
        .map(|(_, json)| json)
        .filter(|json| **json != Json::Null)
}

fn text<'a>(json: &'a Json<'_>, name: &str) -> Option<&'a str> {
    match member(json, name)? {
        Json::Text(text) => Some(text),
        Json::Null
        | Json::Bool(_)
        | Json::Integer(_)
        | Json::Decimal(_)
        | Json::List(_)
        | Json::Map(_) => None,
    }
}
