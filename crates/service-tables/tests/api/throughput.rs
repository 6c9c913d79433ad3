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

#[tokio::test]
async fn ceilings_and_warmth_are_kept_shown_and_judged_in_the_words_of_the_service() {
    let server = Server::new();
    let table = |changes: Value| {
        let mut table = json!({
            "TableName": "pets", "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        });
        for (name, value) in changes.as_object().unwrap() {
            table[name] = value.clone();
        }
        table
    };
    let units = json!({"ReadCapacityUnits": 10, "WriteCapacityUnits": 10});
    let lower = "Requested ReadUnitsPerSecond for WarmThroughput for table is lower than";
    let range =
        "Requested MaxReadRequestUnits for OnDemandThroughput for table is outside of valid range";
    for (changes, text) in [
        (json!({"OnDemandThroughput": {"MaxReadRequestUnits": 0}}), range.to_owned()),
        (json!({"OnDemandThroughput": {"MaxReadRequestUnits": -1}}), range.to_owned()),
        (
            json!({"BillingMode": "PROVISIONED", "ProvisionedThroughput": units, "OnDemandThroughput": {"MaxReadRequestUnits": 1}}),
            "MaxReadRequestUnits for OnDemandThroughput cannot be specified when table BillingMode is PROVISIONED.".to_owned(),
        ),
        (
            json!({"WarmThroughput": {"ReadUnitsPerSecond": 1}}),
            format!("{lower} initial throughput for OnDemand. See: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html#on-demand-capacity-mode-initial"),
        ),
        (
            json!({"BillingMode": "PROVISIONED", "ProvisionedThroughput": units, "WarmThroughput": {"ReadUnitsPerSecond": 5, "WriteUnitsPerSecond": 5}}),
            format!("{lower} ReadCapacityUnits of ProvisionedThroughput"),
        ),
    ] {
        let text = format!("One or more parameter values were invalid: {text}");
        server.refuses("CreateTable", table(changes), "ValidationException", &text).await;
    }
    let wish = json!({"OnDemandThroughput": {"MaxReadRequestUnits": 20, "MaxWriteRequestUnits": 15}, "WarmThroughput": {"ReadUnitsPerSecond": 12_001}});
    server.ok("CreateTable", table(wish)).await;
    let update = async |changes: Value| {
        let mut body = changes;
        body["TableName"] = json!("pets");
        server.ok("UpdateTable", body).await;
        let answer = server
            .ok("DescribeTable", json!({"TableName": "pets"}))
            .await;
        answer["Table"].clone()
    };
    let table = update(json!({"OnDemandThroughput": {"MaxReadRequestUnits": 40}})).await;
    assert_eq!(
        table["OnDemandThroughput"],
        json!({"MaxReadRequestUnits": 40, "MaxWriteRequestUnits": 15})
    );
    let warm =
        json!({"ReadUnitsPerSecond": 12_001, "WriteUnitsPerSecond": 4_000, "Status": "ACTIVE"});
    assert_eq!(table["WarmThroughput"], warm);
    let table = update(json!({"OnDemandThroughput": {"MaxReadRequestUnits": -1}})).await;
    assert_eq!(
        table["OnDemandThroughput"],
        json!({"MaxWriteRequestUnits": 15})
    );
    let cooler = json!({"TableName": "pets", "WarmThroughput": {"ReadUnitsPerSecond": 12_000}});
    let text = format!(
        "One or more parameter values were invalid: {lower} current WarmThroughput, decreasing WarmThroughput is not supported"
    );
    server
        .refuses("UpdateTable", cooler, "ValidationException", &text)
        .await;
    let table = update(json!({"BillingMode": "PROVISIONED", "ProvisionedThroughput": units})).await;
    assert_eq!(table.get("OnDemandThroughput"), None);
    assert_eq!(table["BillingModeSummary"]["BillingMode"], "PROVISIONED");
}

#[tokio::test]
async fn an_on_demand_table_is_held_to_its_ceilings() {
    let mut server = Server::with_tables().await;
    server.service = server.service.with_throughput(Throughput::Enforced);
    let ceilings = json!({"TableName": "pets", "OnDemandThroughput": {"MaxWriteRequestUnits": 1}});
    server.ok("UpdateTable", ceilings).await;
    let put = json!({"TableName": "pets", "Item": {"id": {"S": "a"}}});
    server.ok("PutItem", put.clone()).await;
    let text = "Throughput exceeds the maximum OnDemandThroughput configured on table or index";
    server
        .refuses("PutItem", put.clone(), "ThrottlingException", text)
        .await;
    let (_, answer) = server.call("PutItem", &put).await;
    assert_eq!(
        answer["throttlingReasons"][0]["reason"],
        "TableWriteMaxOnDemandThroughputExceeded"
    );
    server.clock.advance(Duration::from_secs(1));
    server.ok("PutItem", put).await;
}

#[tokio::test]
async fn changes_that_do_not_go_together_are_refused() {
    let server = Server::with_tables().await;
    let stream = json!({"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"});
    let units = json!({"ReadCapacityUnits": 10, "WriteCapacityUnits": 10});
    let delete = json!([{"Delete": {"IndexName": "some"}}]);
    for (changes, text) in [
        (
            json!({"SSESpecification": {"Enabled": true}, "DeletionProtectionEnabled": true}),
            "Server-Side Encryption modification must be the only operation in the request",
        ),
        (
            json!({"TableClass": "STANDARD", "StreamSpecification": stream}),
            "TableClass modification must be the only operation in the request",
        ),
        (
            json!({"DeletionProtectionEnabled": true, "StreamSpecification": stream}),
            "DeletionProtection modification must be the only operation in the request",
        ),
        (
            json!({"BillingMode": "PROVISIONED", "ProvisionedThroughput": units, "StreamSpecification": stream}),
            "You cannot modify stream status while updating table IOPS",
        ),
        (
            json!({"BillingMode": "PROVISIONED", "ProvisionedThroughput": units, "GlobalSecondaryIndexUpdates": delete}),
            "You cannot create or delete index while updating table IOPS",
        ),
        (
            json!({"StreamSpecification": stream, "GlobalSecondaryIndexUpdates": delete}),
            "You cannot create or delete index while changing stream status",
        ),
    ] {
        let mut body = changes;
        body["TableName"] = json!("pets");
        let text = format!("One or more parameter values were invalid: {text}");
        server
            .refuses("UpdateTable", body, "ValidationException", &text)
            .await;
    }
}
