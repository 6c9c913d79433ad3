//! Transactions.
//!
//! Lives here: `TransactWriteItems` and `TransactGetItems`: all or nothing, reasons, tokens, conflicts.
//! Does not live here: transactions of statements (`partiql_batches`).

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::Server;

fn put(id: &str, n: &str) -> Value {
    json!({"Put": {"TableName": "pets", "Item": {"id": {"S": id}, "n": {"N": n}}}})
}

fn increment(id: &str) -> Value {
    json!({"Update": {
        "TableName": "pets", "Key": {"id": {"S": id}},
        "UpdateExpression": "ADD n :one", "ExpressionAttributeValues": {":one": {"N": "1"}},
    }})
}

async fn write(server: &Server, items: &[Value]) -> (u16, Value) {
    server
        .call("TransactWriteItems", &json!({"TransactItems": items}))
        .await
}

async fn n_of(server: &Server, id: &str) -> Value {
    let body = json!({"TableName": "pets", "Key": {"id": {"S": id}}});
    server.call("GetItem", &body).await.1["Item"]["n"]["N"].clone()
}

#[tokio::test]
async fn all_actions_are_carried_out_or_none_is() {
    let server = Server::with_tables().await;
    let (status, answer) = write(&server, &[put("a", "1"), put("b", "1"), increment("c")]).await;
    assert_eq!((status, answer), (200, json!({})));
    let failing = json!({"Delete": {
        "TableName": "pets", "Key": {"id": {"S": "b"}},
        "ConditionExpression": "n = :two", "ExpressionAttributeValues": {":two": {"N": "2"}},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }});
    let check = json!({"ConditionCheck": {
        "TableName": "pets", "Key": {"id": {"S": "z"}}, "ConditionExpression": "attribute_exists(id)",
    }});
    let (status, answer) = write(&server, &[increment("a"), failing, check]).await;
    assert_eq!(status, 400);
    assert_eq!(
        answer["Message"],
        "Transaction cancelled, please refer cancellation reasons for specific reasons [None, ConditionalCheckFailed, ConditionalCheckFailed]"
    );
    let failed = "The conditional request failed";
    assert_eq!(
        answer["CancellationReasons"],
        json!([
            {"Code": "None"},
            {"Code": "ConditionalCheckFailed", "Message": failed, "Item": {"id": {"S": "b"}, "n": {"N": "1"}}},
            {"Code": "ConditionalCheckFailed", "Message": failed},
        ])
    );
    assert_eq!(n_of(&server, "a").await, "1");
    assert_eq!(n_of(&server, "c").await, "1");
}

#[tokio::test]
async fn an_action_that_is_not_valid_is_the_reason() {
    let server = Server::with_tables().await;
    let wrong_key = json!({"Put": {"TableName": "pets", "Item": {"id": {"N": "1"}}}});
    let text = json!({"Update": {
        "TableName": "pets", "Key": {"id": {"S": "a"}},
        "UpdateExpression": "SET n = n + :one", "ExpressionAttributeValues": {":one": {"N": "1"}},
    }});
    for (actions, codes) in [
        (vec![put("b", "1"), wrong_key], ["None", "ValidationError"]),
        (vec![text, put("b", "1")], ["ValidationError", "None"]),
    ] {
        let (status, answer) = write(&server, &actions).await;
        assert_eq!(status, 400);
        let reasons = answer["CancellationReasons"].as_array().unwrap();
        let found: Vec<_> = reasons.iter().map(|reason| &reason["Code"]).collect();
        assert_eq!(found, codes, "{answer}");
    }
    assert_eq!(n_of(&server, "b").await, Value::Null);
}

#[tokio::test]
async fn transactions_are_refused_in_the_words_of_the_service() {
    let server = Server::with_tables().await;
    let length = "failed to satisfy constraint: Member must have length";
    let many: Vec<_> = (0..101)
        .map(|number| put(&number.to_string(), "1"))
        .collect();
    let both = json!({"Put": put("a", "1")["Put"], "Update": increment("b")["Update"]});
    let large = |id: u32| {
        json!({"Put": {"TableName": "pets", "Item": {
            "id": {"S": id.to_string()}, "long": {"S": "x".repeat(390_000)},
        }}})
    };
    for (actions, expected) in [
        (vec![], format!("1 validation error detected: Value '[]' at 'transactItems' {length} greater than or equal to 1")),
        (many, format!("1 validation error detected: Value '[101]' at 'transactItems' {length} less than or equal to 100")),
        (vec![put("a", "1"), increment("a")], "Transaction request cannot include multiple operations on one item".to_owned()),
        (vec![both], "TransactItems can only contain one of Check, Put, Update or Delete".to_owned()),
        ((0..11).map(large).collect(), "Transaction size cannot exceed 4194304 bytes".to_owned()),
        (vec![json!({"ConditionCheck": {"TableName": "pets", "Key": {"id": {"S": "a"}}}})],
         "1 validation error detected: Value null at 'transactItems.1.member.conditionCheck.conditionExpression' failed to satisfy constraint: Member must not be null".to_owned()),
    ] {
        let (status, answer) = write(&server, &actions).await;
        assert_eq!((status, &answer["message"]), (400, &json!(expected)));
    }
}

#[tokio::test]
async fn a_token_makes_a_transaction_happen_once_for_ten_minutes() {
    let server = Server::with_tables().await;
    let body = |action: Value| {
        json!({
            "ClientRequestToken": "t", "ReturnConsumedCapacity": "TOTAL", "TransactItems": [action],
        })
    };
    let consumed = |unit: &str| {
        json!({"ConsumedCapacity": [{
            "TableName": "pets", "CapacityUnits": 2.0, unit: 2.0,
        }]})
    };
    let first = server
        .call("TransactWriteItems", &body(increment("a")))
        .await;
    assert_eq!(first, (200, consumed("WriteCapacityUnits")));
    // The same request in another order of its members.
    let again = r#"{"TransactItems":[{"Update":{"ExpressionAttributeValues":{":one":{"N":"1"}},"UpdateExpression":"ADD n :one",
        "Key":{"id":{"S":"a"}},"TableName":"pets"}}],"ReturnConsumedCapacity":"TOTAL","ClientRequestToken":"t"}"#;
    let again = server.send("TransactWriteItems", again.to_owned()).await;
    assert_eq!(again, (200, consumed("ReadCapacityUnits")));
    assert_eq!(n_of(&server, "a").await, "1");
    let (status, answer) = server
        .call("TransactWriteItems", &body(increment("b")))
        .await;
    assert_eq!(status, 400);
    let kind = "com.amazonaws.dynamodb.v20120810#IdempotentParameterMismatchException";
    assert_eq!(answer["__type"], kind);
    server.clock.advance(Duration::from_secs(601));
    let (status, _) = server
        .call("TransactWriteItems", &body(increment("a")))
        .await;
    assert_eq!(status, 200);
    assert_eq!(n_of(&server, "a").await, "2");
}

#[tokio::test]
async fn transactions_on_the_same_items_wait_for_one_another() {
    let server = Arc::new(Server::with_tables().await);
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..20 {
        let server = Arc::clone(&server);
        writers.spawn(async move {
            let mut actions = [increment("a"), increment("b"), increment("c")];
            actions.rotate_left(number % 3);
            write(&server, &actions).await.0
        });
    }
    while let Some(status) = writers.join_next().await {
        assert_eq!(status.unwrap(), 200);
    }
    for id in ["a", "b", "c"] {
        assert_eq!(n_of(&server, id).await, "20");
    }
}

#[tokio::test]
async fn a_transaction_reads_items_in_the_order_asked_for() {
    let server = Server::with_tables().await;
    write(&server, &[put("a", "1"), put("b", "2")]).await;
    let get = |id: &str| {
        json!({"Get": {
            "TableName": "pets", "Key": {"id": {"S": id}}, "ProjectionExpression": "n",
        }})
    };
    let body = json!({
        "ReturnConsumedCapacity": "TOTAL", "TransactItems": [get("b"), get("none"), get("a")],
    });
    let answer = server.call("TransactGetItems", &body).await;
    let expected = json!({
        "Responses": [{"Item": {"n": {"N": "2"}}}, {}, {"Item": {"n": {"N": "1"}}}],
        "ConsumedCapacity": [{"TableName": "pets", "CapacityUnits": 6.0, "ReadCapacityUnits": 6.0}],
    });
    assert_eq!(answer, (200, expected));
}

#[tokio::test]
async fn a_transaction_may_delete_a_hundred_large_items() {
    let server = Server::with_tables().await;
    let long = "x".repeat(390_000);
    for id in 0..100 {
        let item = json!({"id": {"S": id.to_string()}, "long": {"S": long}});
        let body = json!({"TableName": "pets", "Item": item});
        assert_eq!(server.call("PutItem", &body).await.0, 200);
    }
    let delete =
        |id: u32| json!({"Delete": {"TableName": "pets", "Key": {"id": {"S": id.to_string()}}}});
    let actions: Vec<_> = (0..100).map(delete).collect();
    let (status, answer) = write(&server, &actions).await;
    assert_eq!(status, 200, "{answer}");
}

#[tokio::test]
async fn sizes_of_collections_are_told_once_for_each_table() {
    let server = Server::new();
    for table in ["left", "right"] {
        let names = ["p", "c", "x"];
        let define = |name: &&str| json!({"AttributeName": name, "AttributeType": "S"});
        let keys = |range: &str| {
            json!([
                {"AttributeName": "p", "KeyType": "HASH"}, {"AttributeName": range, "KeyType": "RANGE"},
            ])
        };
        let body = json!({
            "TableName": table, "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": names.iter().map(define).collect::<Vec<_>>(),
            "KeySchema": keys("c"),
            "LocalSecondaryIndexes": [{
                "IndexName": "by-x", "KeySchema": keys("x"), "Projection": {"ProjectionType": "ALL"},
            }],
        });
        server.ok("CreateTable", body).await;
    }
    let put = |(table, p): &(&str, &str)| {
        json!({"Put": {
            "TableName": table, "Item": {"p": {"S": p}, "c": {"S": "1"}},
        }})
    };
    let items = [("left", "a"), ("right", "a"), ("left", "b")];
    let body = json!({
        "ReturnItemCollectionMetrics": "SIZE",
        "TransactItems": items.iter().map(put).collect::<Vec<_>>(),
    });
    let told = |p: &str| {
        json!({
            "ItemCollectionKey": {"p": {"S": p}}, "SizeEstimateRangeGB": [0.0, 1.0],
        })
    };
    let expected = json!({"ItemCollectionMetrics": {
        "left": [told("a"), told("b")], "right": [told("a")],
    }});
    server.check("TransactWriteItems", body, expected).await;
}
