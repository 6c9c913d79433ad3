//! Batches of reads and of writes.
//!
//! Lives here: `BatchGetItem` and `BatchWriteItem`, what they refuse and what they cost.
//! Does not live here: batches of statements (`partiql_batches`), transactions.

use serde_json::{Value, json};

use crate::Server;

fn put(id: &str) -> Value {
    json!({"PutRequest": {"Item": {"id": {"S": id}, "n": {"N": "1"}}}})
}

fn delete(id: &str) -> Value {
    json!({"DeleteRequest": {"Key": {"id": {"S": id}}}})
}

fn keys(ids: impl IntoIterator<Item = String>) -> Value {
    ids.into_iter().map(|id| json!({"id": {"S": id}})).collect()
}

#[tokio::test]
async fn what_a_batch_writes_another_reads() {
    let server = Server::with_tables().await;
    let body = json!({
        "ReturnConsumedCapacity": "TOTAL",
        "RequestItems": {
            "pets": [put("a"), put("b"), delete("c")],
            "events": [{"PutRequest": {"Item": {"who": {"S": "a"}, "at": {"N": "1"}}}}],
        },
    });
    let (status, answer) = server.call("BatchWriteItem", &body).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["UnprocessedItems"], json!({}));
    let units: f64 = answer["ConsumedCapacity"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["CapacityUnits"].as_f64().unwrap())
        .sum();
    assert!((units - 4.0).abs() < f64::EPSILON, "{answer}");

    let body = json!({
        "ReturnConsumedCapacity": "INDEXES",
        "RequestItems": {"pets": {
            "Keys": keys(["a", "b", "c"].map(str::to_owned)),
            "ConsistentRead": true,
            "ProjectionExpression": "#n",
            "ExpressionAttributeNames": {"#n": "n"},
        }},
    });
    let (status, answer) = server.call("BatchGetItem", &body).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        answer,
        json!({
            "Responses": {"pets": [{"n": {"N": "1"}}, {"n": {"N": "1"}}]},
            "UnprocessedKeys": {},
            "ConsumedCapacity": [
                {"TableName": "pets", "CapacityUnits": 3.0, "Table": {"CapacityUnits": 3.0}},
            ],
        })
    );
}

#[tokio::test]
async fn an_answer_that_grows_too_large_sends_the_other_keys_back() {
    let server = Server::with_tables().await;
    let long = "x".repeat(390_000);
    for number in 0..45 {
        let item = json!({"id": {"S": number.to_string()}, "long": {"S": long}});
        let body = json!({"TableName": "pets", "Item": item});
        assert_eq!(server.call("PutItem", &body).await.0, 200);
    }
    let mut asked = json!({"pets": {
        "Keys": keys((0..45).map(|number| number.to_string())),
        "ExpressionAttributeNames": {"#i": "id"}, "ProjectionExpression": "#i",
    }});
    let mut found = 0;
    let mut rounds = 0;
    while asked != json!({}) {
        let (status, answer) = server
            .call("BatchGetItem", &json!({"RequestItems": asked}))
            .await;
        assert_eq!(status, 200, "{answer}");
        found += answer["Responses"]["pets"].as_array().unwrap().len();
        asked = answer["UnprocessedKeys"].clone();
        rounds += 1;
    }
    assert_eq!((found, rounds), (45, 2));
}

#[tokio::test]
async fn batches_are_refused_in_the_words_of_the_service() {
    let server = Server::with_tables().await;
    let duplicates = "Provided list of item keys contains duplicates";
    let many = |count: u32| keys((0..count).map(|number| number.to_string()));
    for (operation, items, expected) in [
        (
            "BatchWriteItem",
            json!({}),
            "The requestItems parameter is required for BatchWriteItem",
        ),
        (
            "BatchGetItem",
            json!({}),
            "The requestItems parameter is required for BatchGetItem",
        ),
        (
            "BatchWriteItem",
            json!({"pets": [put("a"), delete("a")]}),
            duplicates,
        ),
        (
            "BatchGetItem",
            json!({"pets": {"Keys": keys(["a".to_owned(), "a".to_owned()])}}),
            duplicates,
        ),
        (
            "BatchWriteItem",
            json!({"pets": [{}]}),
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
        ),
        (
            "BatchWriteItem",
            json!({"pets": [{"PutRequest": {"Item": {"n": {"N": "1"}}}}]}),
            "The provided key element does not match the schema",
        ),
        (
            "BatchGetItem",
            json!({"pets": {"Keys": many(101)}}),
            "1 validation error detected: Value at 'RequestItems.pets.member.Keys' failed to satisfy constraint: Member must have length less than or equal to 100",
        ),
        (
            "BatchGetItem",
            json!({"pets": {"Keys": many(60)}, "events": {"Keys": many(60)}}),
            "Too many items requested for the BatchGetItem call",
        ),
        (
            "BatchGetItem",
            json!({"pets": {"Keys": many(1), "AttributesToGet": ["a"], "ProjectionExpression": "a"}}),
            "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {AttributesToGet} Expression parameters: {ProjectionExpression}",
        ),
    ] {
        let (status, answer) = server
            .call(operation, &json!({"RequestItems": items}))
            .await;
        assert_eq!(
            (status, &answer["message"]),
            (400, &json!(expected)),
            "{operation} {items}"
        );
    }
    let (status, answer) = server
        .call(
            "BatchWriteItem",
            &json!({"RequestItems": {"nobody": [put("a")]}}),
        )
        .await;
    assert_eq!(status, 400);
    assert_eq!(answer["message"], "Requested resource not found");
}
