//! Tables and their life.
//!
//! Lives here: create, describe, list, delete.
//! Does not live here: what is refused (`refusals`), templates (`resources`).

use std::sync::Arc;

use model::ids::{AccountId, Region};
use serde_json::json;
use store::keys::{KeyWriter, Owner};
use store::{Batch, Store};
use store_embedded::Memory;

use crate::Server;

#[tokio::test]
async fn a_table_is_described_as_the_service_prints_it() {
    let server = Server::new();
    let describe = |status: &str| {
        json!({
            "AttributeDefinitions": [
                {"AttributeName": "who", "AttributeType": "S"},
                {"AttributeName": "at", "AttributeType": "N"},
            ],
            "TableName": "events",
            "KeySchema": [
                {"AttributeName": "who", "KeyType": "HASH"},
                {"AttributeName": "at", "KeyType": "RANGE"},
            ],
            "TableStatus": status,
            "CreationDateTime": 1_700_000_000.25,
            "ProvisionedThroughput": {
                "NumberOfDecreasesToday": 0,
                "ReadCapacityUnits": 5,
                "WriteCapacityUnits": 6,
            },
            "TableSizeBytes": 0,
            "ItemCount": 0,
            "TableArn": "arn:aws:dynamodb:us-east-1:000000000000:table/events",
            "TableId": "00000000-0000-4000-8000-000000000000",
            "TableClassSummary": {"TableClass": "STANDARD"},
            "DeletionProtectionEnabled": false,
        })
    };
    let create = json!({
        "TableName": "events",
        "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 6},
        "TableClass": "STANDARD",
        "AttributeDefinitions": [
            {"AttributeName": "at", "AttributeType": "N"},
            {"AttributeName": "who", "AttributeType": "S"},
        ],
        "KeySchema": [
            {"AttributeName": "who", "KeyType": "HASH"},
            {"AttributeName": "at", "KeyType": "RANGE"},
        ],
    });
    server
        .check(
            "CreateTable",
            create,
            json!({"TableDescription": describe("CREATING")}),
        )
        .await;
    let mut going = describe("DELETING");
    for name in ["CreationDateTime", "KeySchema", "AttributeDefinitions"] {
        going.as_object_mut().unwrap().remove(name);
    }
    let mut there = describe("ACTIVE");
    there["WarmThroughput"] =
        json!({"ReadUnitsPerSecond": 5, "WriteUnitsPerSecond": 6, "Status": "ACTIVE"});
    let name = json!({"TableName": "events"});
    server
        .check("DescribeTable", name.clone(), json!({"Table": there}))
        .await;
    server
        .check(
            "DeleteTable",
            name.clone(),
            json!({"TableDescription": going}),
        )
        .await;
    let message = "Requested resource not found: Table: events not found";
    for operation in ["DescribeTable", "DeleteTable"] {
        server
            .refuses(
                operation,
                name.clone(),
                "ResourceNotFoundException",
                message,
            )
            .await;
    }
}

#[tokio::test]
async fn an_on_demand_table_says_so_and_its_items_are_counted() {
    let server = Server::with_tables().await;
    for id in ["a", "b"] {
        let item = json!({"id": {"S": id}, "legs": {"N": "4"}});
        server
            .ok("PutItem", json!({"TableName": "pets", "Item": item}))
            .await;
    }
    let table = &server
        .ok("DescribeTable", json!({"TableName": "pets"}))
        .await["Table"];
    assert_eq!(
        table["BillingModeSummary"],
        json!({"BillingMode": "PAY_PER_REQUEST", "LastUpdateToPayPerRequestDateTime": 1_700_000_000.25})
    );
    assert_eq!(table["ItemCount"], 2);
    // Each: "id" + one letter + "legs" + a number of one digit (2).
    assert_eq!(table["TableSizeBytes"], 2 * (2 + 1 + 4 + 2));
}

#[tokio::test]
async fn tables_are_listed_in_pages_by_name() {
    let server = Server::new();
    for name in ["ccc", "aaa", "bbb"] {
        server.create_table(name, &[("id", "S")]).await;
    }
    for (request, expected) in [
        (json!({}), json!({"TableNames": ["aaa", "bbb", "ccc"]})),
        (
            json!({"Limit": 2}),
            json!({"TableNames": ["aaa", "bbb"], "LastEvaluatedTableName": "bbb"}),
        ),
        (
            json!({"Limit": 2, "ExclusiveStartTableName": "bbb"}),
            json!({"TableNames": ["ccc"]}),
        ),
        (
            json!({"ExclusiveStartTableName": "bb0"}),
            json!({"TableNames": ["bbb", "ccc"]}),
        ),
    ] {
        server.check("ListTables", request, expected).await;
    }
}

#[tokio::test]
async fn a_deleted_table_leaves_nothing_to_a_new_one_of_its_name() {
    let store = Arc::new(Memory::new());
    let server = Server::over(store.clone());
    let item = json!({"TableName": "pets", "Item": {"id": {"S": "a"}}});
    let key = json!({"TableName": "pets", "Key": {"id": {"S": "a"}}});
    server.create_table("pets", &[("id", "S")]).await;
    server.ok("PutItem", item.clone()).await;
    server.ok("DeleteTable", json!({"TableName": "pets"})).await;
    server.service.settle().await.unwrap();
    let everything = store::Range {
        start: Vec::new(),
        end: None,
    };
    let left = store
        .scan(
            &everything,
            store::Direction::Forward,
            store::PageLimit::rows(9),
        )
        .await
        .unwrap();
    assert_eq!(left.rows, [], "nothing is left on the disk");
    let message = "Requested resource not found";
    server
        .refuses("PutItem", item, "ResourceNotFoundException", message)
        .await;
    server.create_table("pets", &[("id", "S")]).await;
    server.check("GetItem", key, json!({})).await;
}

#[tokio::test]
async fn a_protected_table_is_not_deleted() {
    let server = Server::new();
    let create = json!({
        "TableName": "pets",
        "BillingMode": "PAY_PER_REQUEST",
        "DeletionProtectionEnabled": true,
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    });
    server.ok("CreateTable", create).await;
    let message = "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.";
    server
        .refuses(
            "DeleteTable",
            json!({"TableName": "pets"}),
            "ValidationException",
            message,
        )
        .await;
}

#[tokio::test]
async fn tables_and_items_outlive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let item = json!({"id": {"S": "a"}, "n": {"N": "0.10"}});
    for turn in 0..2 {
        let store: Arc<dyn Store> = Arc::new(store_embedded::Sqlite::open(folder.path()).unwrap());
        let server = Server::over(store);
        if turn == 0 {
            server.create_table("pets", &[("id", "S")]).await;
            server
                .ok("PutItem", json!({"TableName": "pets", "Item": item}))
                .await;
        }
        let expected = json!({"Item": {"id": {"S": "a"}, "n": {"N": "0.1"}}});
        let key = json!({"TableName": "pets", "Key": {"id": {"S": "a"}}});
        server.check("GetItem", key, expected).await;
    }
}

/// A descriptor of the format before this one, whose rows have other keys.
#[tokio::test]
async fn a_table_of_an_earlier_format_is_left_alone() {
    let store = Arc::new(Memory::new());
    let (account, region) = (AccountId::development(), Region::new("us-east-1"));
    let key = KeyWriter::new(&account, &region, Owner::Tables)
        .byte(1)
        .text("pets")
        .finish();
    let descriptor = json!({
        "format": 2,
        "id": "00112233-4455-4677-8899-aabbccddeeff",
        "name": "pets",
        "created_at": 1_700_000_000_000_000_i64,
        "partition_key": {"name": "id", "key_type": "S"},
        "sort_key": null,
        "billing": {"OnDemand": {"since": 1_700_000_000_000_000_i64}},
        "deletion_protection": false,
        "class": null,
        "tags": {},
    });
    let batch = Batch::new().put(key.clone(), descriptor.to_string().into_bytes());
    store.commit(batch).await.unwrap();
    let server = Server::over(store.clone());
    let table = json!({"TableName": "pets"});
    for operation in ["DescribeTable", "DeleteTable", "Scan"] {
        let (status, _) = server.call(operation, &table).await;
        assert_eq!(status, 500, "{operation}");
    }
    assert!(store.get(&key).await.unwrap().is_some());
}

#[tokio::test]
async fn a_deleted_table_leaves_nothing_on_the_disk() {
    let store = Arc::new(Memory::new());
    let server = Server::over(store.clone());
    server.create_table("pets", &[("id", "S")]).await;
    let put = json!({"TableName": "pets", "Item": {"id": {"S": "b"}, "kind": {"S": "cat"}}});
    server.ok("PutItem", put).await;
    let update = json!({
        "TableName": "pets",
        "AttributeDefinitions": [{"AttributeName": "kind", "AttributeType": "S"}],
        "GlobalSecondaryIndexUpdates": [{"Create": {
            "IndexName": "by-kind",
            "KeySchema": [{"AttributeName": "kind", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }}],
    });
    server.ok("UpdateTable", update).await;
    server.service.settle().await.unwrap();
    let scan = json!({"TableName": "pets", "IndexName": "by-kind"});
    assert_eq!(server.ok("Scan", scan).await["Count"], 1);
    server.ok("DeleteTable", json!({"TableName": "pets"})).await;
    server.service.settle().await.unwrap();
    let everything = store::Range {
        start: Vec::new(),
        end: None,
    };
    let limit = store::PageLimit::rows(9);
    let left = store.scan(&everything, store::Direction::Forward, limit);
    assert_eq!(left.await.unwrap().rows, [], "nothing is left on the disk");
}

#[tokio::test]
async fn many_items_are_counted_by_samples() {
    let server = Server::with_tables().await;
    let items = 12_000_u64;
    for group in 0..items / 25 {
        let puts: Vec<_> = (group * 25..group * 25 + 25)
            .map(|id| json!({"PutRequest": {"Item": {"id": {"S": format!("{id:08}")}}}}))
            .collect();
        let body = json!({"RequestItems": {"pets": puts}});
        server.ok("BatchWriteItem", body).await;
    }
    let table = server
        .ok("DescribeTable", json!({"TableName": "pets"}))
        .await;
    let count = table["Table"]["ItemCount"].as_u64().unwrap();
    assert!(count.abs_diff(items) < items / 10, "{count}");
    let bytes = table["Table"]["TableSizeBytes"].as_u64().unwrap();
    assert_eq!(bytes / count, 10, "each item weighs ten bytes");
}

#[tokio::test]
async fn a_table_is_called_by_its_arn_wherever_by_its_name() {
    let server = Server::with_tables().await;
    let arn = "arn:aws:dynamodb:us-east-1:000000000000:table/pets";
    let told = json!({"TableName": arn, "CapacityUnits": 1.0});
    let item = json!({"id": {"S": "a"}});
    let mut put = json!({"TableName": arn, "Item": item, "ReturnConsumedCapacity": "TOTAL"});
    let answer = server.ok("PutItem", put.clone()).await;
    assert_eq!(answer["ConsumedCapacity"], told);
    put["TableName"] = json!("pets");
    let answer = server.ok("PutItem", put.clone()).await;
    assert_eq!(answer["ConsumedCapacity"]["TableName"], "pets");

    let batch = json!({"RequestItems": {arn: {"Keys": [item]}}, "ReturnConsumedCapacity": "TOTAL"});
    let answer = server.ok("BatchGetItem", batch).await;
    assert_eq!(answer["Responses"], json!({arn: [item]}));
    assert_eq!(answer["ConsumedCapacity"][0]["TableName"], arn);
    let batch = json!({"RequestItems": {arn: [{"DeleteRequest": {"Key": item}}]}});
    server.ok("BatchWriteItem", batch).await;
    let transaction = json!({"TransactItems": [{"Put": {"TableName": arn, "Item": item}}], "ReturnConsumedCapacity": "TOTAL"});
    let answer = server.ok("TransactWriteItems", transaction).await;
    assert_eq!(answer["ConsumedCapacity"][0]["TableName"], arn);
    let answer = server.ok("Scan", json!({"TableName": arn})).await;
    assert_eq!(answer["Items"], json!([item]));
    let answer = server.ok("DescribeTable", json!({"TableName": arn})).await;
    assert_eq!(answer["Table"]["TableName"], "pets");
    server
        .ok("DescribeTimeToLive", json!({"TableName": arn}))
        .await;
    server.ok("DeleteTable", json!({"TableName": arn})).await;

    put["TableName"] = json!("arn:aws:dynamodb:eu-west-1:000000000000:table/events");
    let kind = "ValidationException";
    let text = "1 validation error detected: Invalid AWS region in 'arn:aws:dynamodb:eu-west-1:000000000000:table/events'";
    server.refuses("PutItem", put.clone(), kind, text).await;
    put["TableName"] = json!("arn:aws:dynamodb:us-east-1:123456789012:table/events");
    let text = "The caller may not use the resource arn:aws:dynamodb:us-east-1:123456789012:table/events: no resource-based policy allows it";
    server
        .refuses("PutItem", put, "AccessDeniedException", text)
        .await;
}

#[tokio::test]
async fn what_is_warmed_and_what_encryption_goes_is_told_at_once() {
    let server = Server::new();
    let table = json!({
        "TableName": "pets",
        "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5},
        "WarmThroughput": {"ReadUnitsPerSecond": 1_000, "WriteUnitsPerSecond": 1_200},
        "SSESpecification": {"Enabled": true},
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    });
    let answer = server.ok("CreateTable", table).await;
    let warm = |status: &str| json!({"ReadUnitsPerSecond": 1_000, "WriteUnitsPerSecond": 1_200, "Status": status});
    assert_eq!(
        answer["TableDescription"]["WarmThroughput"],
        warm("UPDATING")
    );
    let answer = server
        .ok("DescribeTable", json!({"TableName": "pets"}))
        .await;
    assert_eq!(answer["Table"]["WarmThroughput"], warm("ACTIVE"));
    let plain = json!({"TableName": "pets", "SSESpecification": {"Enabled": false}});
    let answer = server.ok("UpdateTable", plain).await;
    let going = &answer["TableDescription"]["SSEDescription"];
    assert_eq!(
        (&going["Status"], &going["SSEType"]),
        (&json!("UPDATING"), &json!("KMS"))
    );
    let answer = server
        .ok("DescribeTable", json!({"TableName": "pets"}))
        .await;
    assert_eq!(answer["Table"].get("SSEDescription"), None);
}
