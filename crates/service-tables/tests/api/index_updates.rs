//! Changing tables that are in use.
//!
//! Lives here: `UpdateTable`: indexes that come and go, also over a restart, throughput, streams, what is refused.
//! Does not live here: indexes that come with their table (`indexes`).

use std::sync::Arc;

use serde_json::{Value, json};
use store_embedded::Sqlite;

use crate::Server;

fn create(name: &str, attribute: &str) -> Value {
    json!({
        "TableName": "pets",
        "AttributeDefinitions": [{"AttributeName": attribute, "AttributeType": "S"}],
        "GlobalSecondaryIndexUpdates": [{"Create": {
            "IndexName": name,
            "KeySchema": [{"AttributeName": attribute, "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "ALL"},
        }}],
    })
}

fn delete(name: &str) -> Value {
    json!({
        "TableName": "pets",
        "GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": name}}],
    })
}

async fn put(server: &Server, id: usize, kind: Value) {
    let item = json!({"id": {"S": id.to_string()}, "kind": kind});
    server
        .ok("PutItem", json!({"TableName": "pets", "Item": item}))
        .await;
}

async fn ids(server: &Server) -> Vec<usize> {
    let mut ids = Vec::new();
    let mut body = json!({"TableName": "pets", "IndexName": "by-kind"});
    loop {
        let page = server.ok("Scan", body.clone()).await;
        let items = page["Items"].as_array().unwrap();
        ids.extend(
            items
                .iter()
                .map(|item| item["id"]["S"].as_str().unwrap().parse::<usize>().unwrap()),
        );
        match page.get("LastEvaluatedKey") {
            Some(key) => body["ExclusiveStartKey"] = key.clone(),
            None => break,
        }
    }
    ids.sort_unstable();
    ids
}

async fn index_status(server: &Server) -> Value {
    let table = server
        .ok("DescribeTable", json!({"TableName": "pets"}))
        .await;
    table["Table"]["GlobalSecondaryIndexes"][0]["IndexStatus"].clone()
}

/// How often a slow machine is waited for.
const LOOKS_MAX: usize = 30;

#[tokio::test]
async fn an_index_of_a_live_table_is_filled_and_then_read() {
    let server = Server::with_tables().await;
    for id in 0..1_200 {
        put(&server, id, json!({"S": "cat"})).await;
    }
    // What an index cannot hold is left out of it.
    for (id, kind) in [(2_000, json!({"N": "1"})), (2_001, json!({"S": ""}))] {
        put(&server, id, kind).await;
    }
    let answer = server.ok("UpdateTable", create("by-kind", "kind")).await;
    let index = &answer["TableDescription"]["GlobalSecondaryIndexes"][0];
    assert_eq!(
        (&index["IndexStatus"], &index["Backfilling"]),
        (&json!("CREATING"), &json!(false))
    );
    assert_eq!(index_status(&server).await, "CREATING");
    server
        .refuses(
            "Scan",
            json!({"TableName": "pets", "IndexName": "by-kind"}),
            "ValidationException",
            "Cannot read from backfilling global secondary index: by-kind",
        )
        .await;
    // Written while the index is being made, before the filling comes by.
    put(&server, 5_000, json!({"S": "dog"})).await;
    let gone = json!({"TableName": "pets", "Key": {"id": {"S": "7"}}});
    server.ok("DeleteItem", gone).await;
    server.service.settle().await.unwrap();
    assert_eq!(index_status(&server).await, "ACTIVE");
    let expected: Vec<_> = (0..1_200).filter(|id| *id != 7).chain([5_000]).collect();
    assert_eq!(ids(&server).await, expected);
    // From now on the index has a say in what is written.
    let item = json!({"TableName": "pets", "Item": {"id": {"S": "x"}, "kind": {"N": "1"}}});
    server
        .refuses(
            "PutItem",
            item,
            "ValidationException",
            "One or more parameter values were invalid: Type mismatch for Index Key kind Expected: S Actual: N IndexName: by-kind",
        )
        .await;
    // An item from before the index may be changed elsewhere.
    let update = json!({
        "TableName": "pets",
        "Key": {"id": {"S": "2000"}},
        "UpdateExpression": "SET age = :a",
        "ExpressionAttributeValues": {":a": {"N": "3"}},
    });
    server.ok("UpdateItem", update).await;
}

#[tokio::test]
async fn writers_during_the_filling_leave_no_difference_between_table_and_index() {
    // On disk, where commits take their time, so that writers and the filling come between one another.
    let folder = tempfile::tempdir().unwrap();
    let server = Server::over(Arc::new(Sqlite::open(folder.path()).unwrap()));
    server.create_table("pets", &[("id", "S")]).await;
    for group in 0..80 {
        let puts: Vec<_> = (group * 25..group * 25 + 25)
            .map(|id: usize| {
                let item = json!({"id": {"S": id.to_string()}, "kind": {"S": "cat"}});
                json!({"PutRequest": {"Item": item}})
            })
            .collect();
        let body = json!({"RequestItems": {"pets": puts}});
        server.ok("BatchWriteItem", body).await;
    }
    server.ok("UpdateTable", create("by-kind", "kind")).await;
    let write = async |first: usize| {
        for round in 0..40 {
            let id = (first + round * 53) % 2_000;
            match round % 4 {
                0 => put(&server, id, json!({"S": "dog"})).await,
                1 => {
                    let item = json!({"id": {"S": id.to_string()}});
                    let body = json!({"TableName": "pets", "Item": item});
                    server.ok("PutItem", body).await;
                }
                2 => put(&server, 10_000 + id, json!({"S": "new"})).await,
                _ => {
                    let key = json!({"id": {"S": id.to_string()}});
                    let body = json!({"TableName": "pets", "Key": key});
                    server.ok("DeleteItem", body).await;
                }
            }
        }
    };
    let (filled, (), (), ()) =
        tokio::join!(server.service.settle(), write(3), write(700), write(1_500));
    filled.unwrap();
    let table = server.ok("Scan", json!({"TableName": "pets"})).await;
    let items = table["Items"].as_array().unwrap();
    let mut expected: Vec<_> = items
        .iter()
        .filter(|item| item.get("kind").is_some())
        .map(|item| item["id"]["S"].as_str().unwrap().parse::<usize>().unwrap())
        .collect();
    expected.sort_unstable();
    assert_eq!(ids(&server).await, expected);
}

#[tokio::test]
async fn filling_goes_on_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    {
        let server = Server::over(Arc::new(Sqlite::open(folder.path()).unwrap()));
        server.create_table("pets", &[("id", "S")]).await;
        for id in 0..40 {
            put(&server, id, json!({"S": "cat"})).await;
        }
        server.ok("UpdateTable", create("by-kind", "kind")).await;
    }
    let server = Server::over(Arc::new(Sqlite::open(folder.path()).unwrap()));
    assert_eq!(index_status(&server).await, "CREATING");
    for _ in 0..LOOKS_MAX {
        server.keep_up_until_idle().await;
        if index_status(&server).await == "ACTIVE" {
            break;
        }
    }
    assert_eq!(index_status(&server).await, "ACTIVE");
    assert_eq!(ids(&server).await, (0..40).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_deleted_index_is_gone_at_once_and_a_new_one_of_its_name_is_empty_of_it() {
    let server = Server::with_tables().await;
    for id in 0..30 {
        put(&server, id, json!({"S": "cat"})).await;
    }
    server.ok("UpdateTable", create("by-kind", "kind")).await;
    server.service.settle().await.unwrap();
    let answer = server.ok("UpdateTable", delete("by-kind")).await;
    let index = &answer["TableDescription"]["GlobalSecondaryIndexes"][0];
    assert_eq!(index["IndexStatus"], "DELETING");
    server
        .refuses(
            "Scan",
            json!({"TableName": "pets", "IndexName": "by-kind"}),
            "ValidationException",
            "The table does not have the specified index: by-kind",
        )
        .await;
    server
        .refuses(
            "UpdateTable",
            create("other", "kind"),
            "LimitExceededException",
            "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table",
        )
        .await;
    server.service.settle().await.unwrap();
    let table = server
        .ok("DescribeTable", json!({"TableName": "pets"}))
        .await;
    assert_eq!(table["Table"].get("GlobalSecondaryIndexes"), None);
    assert_eq!(
        table["Table"]["AttributeDefinitions"],
        json!([{"AttributeName": "id", "AttributeType": "S"}])
    );
    server
        .ok(
            "DeleteItem",
            json!({"TableName": "pets", "Key": {"id": {"S": "3"}}}),
        )
        .await;
    server.ok("UpdateTable", create("by-kind", "kind")).await;
    server.service.settle().await.unwrap();
    let expected: Vec<_> = (0..30).filter(|id| *id != 3).collect();
    assert_eq!(ids(&server).await, expected);
}

#[tokio::test]
async fn updates_that_make_no_sense_are_refused_in_the_words_of_the_service() {
    let server = Server::with_tables().await;
    server.ok("UpdateTable", create("by-kind", "kind")).await;
    server.service.settle().await.unwrap();
    let invalid = |what: &str| format!("One or more parameter values were invalid: {what}");
    for (changes, kind, message) in [
        (
            json!({}),
            "ValidationException",
            "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates, SSESpecification, ReplicaUpdates, MultiAccountReplicaReady, ReplicaTransitRoleArn, MultiRegionConsistency, DeletionProtectionEnabled, OnDemandThroughput, WarmThroughput or TableClass is required".to_owned(),
        ),
        (
            create("by-kind", "kind"),
            "ValidationException",
            "Attempting to create an index which already exists".to_owned(),
        ),
        (
            delete("nothing"),
            "ResourceNotFoundException",
            "Requested resource not found: The table does not have the specified index: nothing".to_owned(),
        ),
        (
            json!({
                "AttributeDefinitions": [{"AttributeName": "kind", "AttributeType": "N"}],
                "GlobalSecondaryIndexUpdates": [{"Create": {
                    "IndexName": "two",
                    "KeySchema": [{"AttributeName": "kind", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                }}],
            }),
            "ValidationException",
            invalid("Attributes cannot be redefined. Please check that your attribute has the same type as previously defined. Existing schema: Schema:[SchemaElement: key{kind:S:HASH}] New schema: Schema:[SchemaElement: key{kind:N:HASH}]"),
        ),
        (
            json!({"GlobalSecondaryIndexUpdates": [{}]}),
            "ValidationException",
            invalid("One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, GlobalSecondaryIndexUpdate.Delete must not be null"),
        ),
        (
            json!({"BillingMode": "PROVISIONED"}),
            "ValidationException",
            invalid("ProvisionedThroughput must be specified when BillingMode is PROVISIONED"),
        ),
        (
            json!({
                "BillingMode": "PROVISIONED",
                "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1},
            }),
            "ValidationException",
            invalid("ProvisionedThroughput must be specified for index: by-kind"),
        ),
        (
            json!({"StreamSpecification": {"StreamEnabled": false}}),
            "ValidationException",
            "Table has no stream to disable: TableName: pets".to_owned(),
        ),
        (
            json!({"TableName": "nobody", "BillingMode": "PAY_PER_REQUEST"}),
            "ResourceNotFoundException",
            "Requested resource not found: Table: nobody not found".to_owned(),
        ),
        (
            json!({"ReplicaUpdates": [{}]}),
            "ValidationException",
            "UpdateTable with the parameter ReplicaUpdates is not implemented by Cloudless yet".to_owned(),
        ),
    ] {
        let mut body = json!({"TableName": "pets"});
        for (name, value) in changes.as_object().unwrap() {
            body[name] = value.clone();
        }
        server.refuses("UpdateTable", body, kind, &message).await;
    }
}

#[tokio::test]
async fn an_update_changes_what_it_names_and_nothing_else() {
    let server = Server::with_tables().await;
    let update = |changes: Value| {
        let mut body = json!({"TableName": "pets"});
        for (name, value) in changes.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    let described = async || {
        let body = json!({"TableName": "pets"});
        server.ok("DescribeTable", body).await["Table"].clone()
    };
    let units = json!({"ReadCapacityUnits": 5, "WriteCapacityUnits": 6});
    let provisioned = json!({"BillingMode": "PROVISIONED", "ProvisionedThroughput": units});
    let answer = server.ok("UpdateTable", update(provisioned)).await;
    assert_eq!(answer["TableDescription"]["TableStatus"], "UPDATING");
    let table = described().await;
    assert_eq!(table["ProvisionedThroughput"]["WriteCapacityUnits"], 6);
    assert_eq!(table["TableStatus"], "ACTIVE");
    server
        .ok(
            "UpdateTable",
            update(json!({"TableClass": "STANDARD_INFREQUENT_ACCESS"})),
        )
        .await;
    server
        .ok(
            "UpdateTable",
            update(json!({"DeletionProtectionEnabled": true})),
        )
        .await;
    let stream = json!({"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"});
    server
        .ok(
            "UpdateTable",
            update(json!({"StreamSpecification": stream})),
        )
        .await;
    let table = described().await;
    assert_eq!(table["ProvisionedThroughput"]["ReadCapacityUnits"], 5);
    assert_eq!(
        table["TableClassSummary"]["TableClass"],
        "STANDARD_INFREQUENT_ACCESS"
    );
    assert_eq!(table["DeletionProtectionEnabled"], true);
    assert_eq!(table["StreamSpecification"], stream);
    server
        .ok(
            "UpdateTable",
            update(json!({"BillingMode": "PAY_PER_REQUEST"})),
        )
        .await;
    let table = described().await;
    assert_eq!(
        table["BillingModeSummary"]["BillingMode"],
        "PAY_PER_REQUEST"
    );
    assert_eq!(table["ProvisionedThroughput"]["ReadCapacityUnits"], 0);
}
