//! Single items.
//!
//! Lives here: put, get, delete; conditions, projections, capacity.
//! Does not live here: what is refused (`refusals`).

use std::sync::Arc;

use serde_json::{Value, json};

use crate::Server;

async fn put(server: &Server, item: Value) {
    server
        .ok("PutItem", json!({"TableName": "pets", "Item": item}))
        .await;
}

#[tokio::test]
async fn every_type_comes_back_as_it_was_put() {
    let server = Server::with_tables().await;
    let item = json!({
        "id": {"S": "a"},
        "text": {"S": "\"quotes\" \\ \n \u{1} é 🐈"},
        "empty": {"S": ""},
        "number": {"N": "-12345678901234567890.123456789012345678"},
        "bytes": {"B": "AAH/"},
        "no bytes": {"B": ""},
        "yes": {"BOOL": true},
        "no": {"BOOL": false},
        "null": {"NULL": true},
        "texts": {"SS": ["b", "a"]},
        "numbers": {"NS": ["2", "10"]},
        "blobs": {"BS": ["AA==", "AQ=="]},
        "kids": {"L": [{"S": "x"}, {"L": []}, {"M": {}}]},
        "map": {"M": {"deep": {"M": {"er": {"N": "1"}}}}},
    });
    put(&server, item.clone()).await;
    let key = json!({"TableName": "pets", "Key": {"id": {"S": "a"}}, "ConsistentRead": true});
    server.check("GetItem", key, json!({"Item": item})).await;
}

#[tokio::test]
async fn numbers_are_kept_exactly_and_answered_plainly() {
    let server = Server::with_tables().await;
    put(
        &server,
        json!({"id": {"S": "a"}, "n": {"N": "1.500E+3"}, "s": {"NS": ["1e-2", "007"]}}),
    )
    .await;
    let key = json!({"TableName": "pets", "Key": {"id": {"S": "a"}}});
    let expected =
        json!({"Item": {"id": {"S": "a"}, "n": {"N": "1500"}, "s": {"NS": ["0.01", "7"]}}});
    server.check("GetItem", key, expected).await;
}

#[tokio::test]
async fn a_put_replaces_the_item_and_answers_the_old_one_if_asked() {
    let server = Server::with_tables().await;
    let put = |age: &str| json!({"TableName": "pets", "Item": {"id": {"S": "a"}, "age": {"N": age}}, "ReturnValues": "ALL_OLD"});
    server.check("PutItem", put("1"), json!({})).await;
    let old = |age: &str| json!({"Attributes": {"id": {"S": "a"}, "age": {"N": age}}});
    server.check("PutItem", put("2"), old("1")).await;
    let delete = json!({"TableName": "pets", "Key": {"id": {"S": "a"}}, "ReturnValues": "ALL_OLD"});
    server.check("DeleteItem", delete.clone(), old("2")).await;
    server.check("DeleteItem", delete, json!({})).await;
    let key = json!({"TableName": "pets", "Key": {"id": {"S": "a"}}});
    server.check("GetItem", key, json!({})).await;
}

#[tokio::test]
async fn numbers_that_are_equal_are_the_same_key() {
    let server = Server::with_tables().await;
    for at in ["1", "1.0", "1e0"] {
        let item = json!({"who": {"S": "w"}, "at": {"N": at}, "as": {"S": at}});
        server
            .ok("PutItem", json!({"TableName": "events", "Item": item}))
            .await;
    }
    let key = json!({"TableName": "events", "Key": {"who": {"S": "w"}, "at": {"N": "0.1e1"}}});
    let expected = json!({"Item": {"who": {"S": "w"}, "at": {"N": "1"}, "as": {"S": "1e0"}}});
    server.check("GetItem", key, expected).await;
}

#[tokio::test]
async fn a_write_is_made_only_if_its_condition_holds() {
    let server = Server::with_tables().await;
    let item = json!({
        "id": {"S": "a"}, "n": {"N": "5"}, "name": {"S": "Rex"}, "tags": {"SS": ["x", "y"]},
        "kids": {"L": [{"N": "1"}, {"M": {"k": {"S": "v"}}}]}, "nothing": {"NULL": true},
    });
    put(&server, item).await;
    let values = json!({
        ":five": {"N": "5.0"}, ":ten": {"N": "10"}, ":text": {"S": "Re"}, ":tags": {"SS": ["y", "x"]},
        ":v": {"S": "v"}, ":null": {"S": "NULL"}, ":x": {"S": "x"}, ":two": {"N": "2"},
    });
    for (condition, holds) in [
        ("attribute_exists(id)", true),
        ("attribute_not_exists(id)", false),
        ("attribute_not_exists(absent)", true),
        ("n = :five", true),
        ("n <> :five", false),
        ("n < :ten AND NOT n > :ten", true),
        (":ten >= n and n between :five and :ten", true),
        ("n in (:ten, :five)", true),
        ("n in (:ten)", false),
        ("begins_with(#name, :text)", true),
        ("contains(tags, :x)", true),
        ("contains(kids, :x)", false),
        ("tags = :tags", true),
        ("kids[1].k = :v", true),
        ("kids[7].k = :v", false),
        ("attribute_type(nothing, :null)", true),
        ("size(tags) = :two", true),
        ("size(n) = :two", false),
        ("absent = :v", false),
        ("absent <> :v", true),
        ("n < :v", false),
        ("(n = :ten OR n = :five) AND attribute_exists(#name)", true),
        ("n = :five OR n = :ten AND n = :ten", true),
        ("NOT (n = :ten OR absent = :v)", true),
    ] {
        // Only the placeholders that a condition uses may be sent.
        let used: serde_json::Map<_, _> = values
            .as_object()
            .unwrap()
            .iter()
            .filter(|(key, _)| {
                condition
                    .split(|char: char| !(char.is_alphanumeric() || char == ':'))
                    .any(|word| word == *key)
            })
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let mut request = json!({
            "TableName": "pets", "Key": {"id": {"S": "z"}}, "ConditionExpression": condition,
        });
        // A delete of the same item that the condition is judged on, but never carried out: the sort of a dry run.
        request["Key"] = json!({"id": {"S": "a"}});
        request["ConditionExpression"] = format!("({condition}) AND attribute_exists(stop)").into();
        if !used.is_empty() {
            request["ExpressionAttributeValues"] = used.clone().into();
        }
        if condition.contains("#name") {
            request["ExpressionAttributeNames"] = json!({"#name": "name"});
        }
        let failed = "ConditionalCheckFailedException";
        server
            .refuses(
                "DeleteItem",
                request.clone(),
                failed,
                "The conditional request failed",
            )
            .await;
        // Now without the stop, on a scan, which filters by the same language; key attributes apart.
        if condition.contains("(id)") {
            continue;
        }
        request["FilterExpression"] = condition.into();
        let scan = request.as_object_mut().unwrap();
        scan.remove("Key");
        scan.remove("ConditionExpression");
        let answer = server.ok("Scan", request).await;
        assert_eq!(answer["Count"], u64::from(holds), "{condition}");
        assert_eq!(answer["ScannedCount"], 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_conditional_writers_one_wins() {
    let server = Arc::new(Server::with_tables().await);
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..32 {
        let server = Arc::clone(&server);
        writers.spawn(async move {
            let request = json!({
                "TableName": "pets",
                "Item": {"id": {"S": "lock"}, "holder": {"N": writer.to_string()}},
                "ConditionExpression": "attribute_not_exists(id)",
            });
            server.call("PutItem", &request).await.0 == 200
        });
    }
    let won = writers
        .join_all()
        .await
        .into_iter()
        .filter(|won| *won)
        .count();
    assert_eq!(won, 1);
}

#[tokio::test]
async fn a_projection_answers_parts_of_an_item() {
    let server = Server::with_tables().await;
    let item = json!({
        "id": {"S": "a"}, "n": {"N": "5"},
        "kids": {"L": [{"N": "0"}, {"M": {"k": {"S": "v"}, "l": {"S": "w"}, "m": {"S": "x"}}}, {"N": "2"}]},
    });
    put(&server, item).await;
    for (projection, expected) in [
        ("id", json!({"id": {"S": "a"}})),
        ("absent", json!({})),
        ("#n, id", json!({"id": {"S": "a"}, "n": {"N": "5"}})),
        (
            "kids[2], kids[0], #n",
            json!({"kids": {"L": [{"N": "0"}, {"N": "2"}]}, "n": {"N": "5"}}),
        ),
        (
            "kids[1].l, kids[1].k, #n",
            json!({"kids": {"L": [{"M": {"k": {"S": "v"}, "l": {"S": "w"}}}]}, "n": {"N": "5"}}),
        ),
    ] {
        let mut request = json!({
            "TableName": "pets", "Key": {"id": {"S": "a"}}, "ProjectionExpression": projection,
        });
        if projection.contains("#n") {
            request["ExpressionAttributeNames"] = json!({"#n": "n"});
        }
        server
            .check("GetItem", request, json!({"Item": expected}))
            .await;
    }
}

#[tokio::test]
async fn capacity_is_told_if_asked() {
    let server = Server::with_tables().await;
    let of =
        |units: f64| json!({"ConsumedCapacity": {"TableName": "pets", "CapacityUnits": units}});
    let put = |bytes: usize| json!({"TableName": "pets", "Item": {"id": {"S": "a"}, "b": {"S": "x".repeat(bytes)}}, "ReturnConsumedCapacity": "TOTAL"});
    server.check("PutItem", put(10), of(1.0)).await;
    server.check("PutItem", put(5_000), of(5.0)).await;
    server.check("PutItem", put(10), of(5.0)).await;
    let get = |key: &str, consistent: bool| {
        json!({
            "TableName": "pets", "Key": {"id": {"S": key}}, "ConsistentRead": consistent,
            "ProjectionExpression": "absent", "ReturnConsumedCapacity": "INDEXES",
        })
    };
    for (consistent, units) in [(false, 0.5), (true, 1.0)] {
        let capacity =
            json!({"TableName": "pets", "CapacityUnits": units, "Table": {"CapacityUnits": units}});
        server
            .check(
                "GetItem",
                get("none", consistent),
                json!({"ConsumedCapacity": capacity}),
            )
            .await;
        server
            .check(
                "GetItem",
                get("a", consistent),
                json!({"Item": {}, "ConsumedCapacity": capacity}),
            )
            .await;
    }
    let delete =
        json!({"TableName": "pets", "Key": {"id": {"S": "a"}}, "ReturnConsumedCapacity": "TOTAL"});
    server.check("DeleteItem", delete, of(1.0)).await;
}

#[tokio::test]
async fn an_item_may_have_400_kb_and_not_a_byte_more() {
    let server = Server::with_tables().await;
    let put = |bytes: usize| json!({"TableName": "pets", "Item": {"id": {"S": "a"}, "b": {"S": "x".repeat(bytes)}}});
    // "id", "a" and "b" weigh four.
    server.ok("PutItem", put(400 * 1024 - 4)).await;
    let message = "Item size has exceeded the maximum allowed size";
    server
        .refuses(
            "PutItem",
            put(400 * 1024 - 3),
            "ValidationException",
            message,
        )
        .await;
}

#[tokio::test]
async fn values_may_be_nested_31_deep_in_an_item() {
    let server = Server::with_tables().await;
    let put = |depth: usize| {
        let nested = (0..depth).fold(json!({"S": "x"}), |inner, _| json!({"M": {"a": inner}}));
        json!({"TableName": "pets", "Item": {"id": {"S": "a"}, "nested": nested}})
    };
    server.ok("PutItem", put(31)).await;
    let message = "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit";
    server
        .refuses("PutItem", put(32), "ValidationException", message)
        .await;
    server
        .refuses("PutItem", put(50), "ValidationException", message)
        .await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let (status, answer) = server.send("PutItem", deep).await;
    assert_eq!(
        (status, answer["__type"].as_str()),
        (400, Some("com.amazon.coral.service#SerializationException"))
    );
}
