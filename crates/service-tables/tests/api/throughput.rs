//! Provisioned throughput, where it is enforced.

use std::time::Duration;

use serde_json::{Value, json};
use service_tables::Throughput;

use super::Server;

const OF_TABLE: &str = "The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning level with the UpdateTable API.";
const OF_INDEX: &str = "The level of configured provisioned throughput for one or more global secondary indexes of the table was exceeded. Consider increasing your provisioning level for the under-provisioned global secondary indexes with the UpdateTable API";
const EXCEEDED: &str = "ProvisionedThroughputExceededException";

/// A server that enforces, with a table `few` of one unit a second, and an index of this many write units.
async fn server(index_write_units: u64) -> Server {
    let mut server = Server::new();
    server.service = server.service.with_throughput(Throughput::Enforced);
    server
        .ok(
            "CreateTable",
            json!({
                "TableName": "few",
                "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 2},
                "AttributeDefinitions": [
                    {"AttributeName": "p", "AttributeType": "S"},
                    {"AttributeName": "g", "AttributeType": "S"},
                ],
                "KeySchema": [{"AttributeName": "p", "KeyType": "HASH"}],
                "GlobalSecondaryIndexes": [{
                    "IndexName": "by-g",
                    "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                    "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": index_write_units},
                }],
            }),
        )
        .await;
    server
}

fn put(p: &str) -> Value {
    json!({"TableName": "few", "Item": {"p": {"S": p}}})
}

fn get() -> Value {
    json!({"TableName": "few", "Key": {"p": {"S": "a"}}, "ConsistentRead": true})
}

#[tokio::test]
async fn requests_beyond_what_is_provisioned_are_refused_until_units_come_back() {
    let server = server(5).await;
    server.ok("PutItem", put("a")).await;
    server.ok("PutItem", put("b")).await;
    server
        .refuses("PutItem", put("c"), EXCEEDED, OF_TABLE)
        .await;
    let (_, answer) = server.call("PutItem", &put("c")).await;
    let reasons = json!([{
        "reason": "TableWriteProvisionedThroughputExceeded",
        "resource": "arn:aws:dynamodb:us-east-1:000000000000:table/few",
    }]);
    assert_eq!(answer["ThrottlingReasons"], reasons);

    server.ok("GetItem", get()).await;
    server.refuses("GetItem", get(), EXCEEDED, OF_TABLE).await;
    let scan = json!({"TableName": "few"});
    server.refuses("Scan", scan, EXCEEDED, OF_TABLE).await;
    let select = json!({"Statement": "SELECT * FROM few WHERE p = 'a'"});
    server
        .refuses("ExecuteStatement", select, EXCEEDED, OF_TABLE)
        .await;

    server.clock.advance(Duration::from_millis(500));
    server.ok("PutItem", put("c")).await;
    server
        .refuses("PutItem", put("d"), EXCEEDED, OF_TABLE)
        .await;
    server.ok("GetItem", get()).await;
}

#[tokio::test]
async fn units_that_nobody_uses_are_kept_for_300_seconds() {
    let server = server(1_000).await;
    server.ok("PutItem", put("a")).await;
    server.clock.advance(Duration::from_secs(10_000));
    for index in 0..600 {
        server.ok("PutItem", put(&format!("{index}"))).await;
    }
    server
        .refuses("PutItem", put("x"), EXCEEDED, OF_TABLE)
        .await;
}

#[tokio::test]
async fn a_large_item_is_let_in_and_its_units_are_owed() {
    let server = server(5).await;
    let item = json!({"p": {"S": "a"}, "t": {"S": "x".repeat(4_000)}});
    server
        .ok("PutItem", json!({"TableName": "few", "Item": item}))
        .await;
    server.clock.advance(Duration::from_secs(1));
    server
        .refuses("PutItem", put("b"), EXCEEDED, OF_TABLE)
        .await;
    server.clock.advance(Duration::from_millis(1));
    server.ok("PutItem", put("b")).await;
}

#[tokio::test]
async fn an_index_without_units_refuses_what_would_change_it_alone() {
    let server = server(1).await;
    let update = json!({"TableName": "few", "ProvisionedThroughput": {"ReadCapacityUnits": 9, "WriteCapacityUnits": 9}});
    server.ok("UpdateTable", update).await;
    let indexed = |p: &str| json!({"TableName": "few", "Item": {"p": {"S": p}, "g": {"S": "g"}}});
    server.ok("PutItem", indexed("a")).await;
    server
        .refuses("PutItem", indexed("b"), EXCEEDED, OF_INDEX)
        .await;
    server.ok("PutItem", put("b")).await;
    let query = json!({
        "TableName": "few", "IndexName": "by-g", "KeyConditionExpression": "g = :g",
        "ExpressionAttributeValues": {":g": {"S": "g"}},
    });
    server.ok("Query", query.clone()).await;
    server.ok("Query", query.clone()).await;
    server.refuses("Query", query, EXCEEDED, OF_INDEX).await;
    server.ok("GetItem", get()).await;
}

#[tokio::test]
async fn a_batch_leaves_what_finds_no_units_and_is_refused_when_that_is_all() {
    let server = server(5).await;
    let requests: Vec<_> = ["a", "b", "c", "d"]
        .iter()
        .map(|p| json!({"PutRequest": {"Item": {"p": {"S": p}}}}))
        .chain([json!({"DeleteRequest": {"Key": {"p": {"S": "z"}}}})])
        .collect();
    let batch = json!({"RequestItems": {"few": requests}});
    let answer = server.ok("BatchWriteItem", batch.clone()).await;
    let left = &batch["RequestItems"]["few"].as_array().unwrap()[2..];
    assert_eq!(answer["UnprocessedItems"], json!({"few": left}));
    server
        .refuses("BatchWriteItem", batch, EXCEEDED, OF_TABLE)
        .await;

    let keys: Vec<_> = (0..8).map(|p| json!({"p": {"S": p.to_string()}})).collect();
    let batch = json!({"RequestItems": {"few": {"Keys": keys, "ConsistentRead": true}}});
    let answer = server.ok("BatchGetItem", batch.clone()).await;
    let left = &answer["UnprocessedKeys"]["few"];
    assert_eq!(left["Keys"].as_array().unwrap().len(), 7, "{answer}");
    assert_eq!(left["ConsistentRead"], true);
    server
        .refuses("BatchGetItem", batch, EXCEEDED, OF_TABLE)
        .await;
}

#[tokio::test]
async fn a_transaction_without_units_is_cancelled_for_that() {
    let server = server(5).await;
    let transaction = |p: &str| {
        let put = put(p);
        json!({"TransactItems": [
            {"Put": put},
            {"ConditionCheck": {
                "TableName": "few", "Key": {"p": {"S": "none"}}, "ConditionExpression": "attribute_not_exists(p)",
            }},
        ]})
    };
    server.ok("TransactWriteItems", transaction("a")).await;
    let (status, answer) = server.call("TransactWriteItems", &transaction("b")).await;
    let reason = json!({"Code": "ProvisionedThroughputExceeded", "Message": OF_TABLE});
    assert_eq!(status, 400);
    assert_eq!(answer["CancellationReasons"], json!([reason, reason]));
    let get = json!({"TransactItems": [{"Get": {"TableName": "few", "Key": {"p": {"S": "a"}}}}]});
    server.ok("TransactGetItems", get.clone()).await;
    let (_, answer) = server.call("TransactGetItems", &get).await;
    assert_eq!(answer["CancellationReasons"], json!([reason]));
    let batch = json!({"Statements": [{"Statement": "SELECT * FROM few WHERE p = 'a'"}]});
    let answer = server.ok("BatchExecuteStatement", batch).await;
    let error = &answer["Responses"][0]["Error"];
    assert_eq!(error["Code"], "ProvisionedThroughputExceeded");
}

#[tokio::test]
async fn a_condition_that_does_not_hold_is_paid_for() {
    let server = server(5).await;
    let mut never = put("a");
    never["ConditionExpression"] = json!("attribute_exists(p)");
    for _ in 0..2 {
        let text = "The conditional request failed";
        let kind = "ConditionalCheckFailedException";
        server.refuses("PutItem", never.clone(), kind, text).await;
    }
    server.refuses("PutItem", never, EXCEEDED, OF_TABLE).await;
}

#[tokio::test]
async fn on_demand_tables_and_servers_that_only_show_refuse_nothing() {
    let mut server = Server::with_tables().await;
    server.service = server.service.with_throughput(Throughput::Enforced);
    for _ in 0..50 {
        let put = json!({"TableName": "pets", "Item": {"id": {"S": "a"}}});
        server.ok("PutItem", put).await;
    }
    let mut server = self::server(1).await;
    server.service = server.service.with_throughput(Throughput::Shown);
    for _ in 0..50 {
        server.ok("PutItem", put("a")).await;
    }
}
