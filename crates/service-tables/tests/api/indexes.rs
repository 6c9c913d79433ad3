//! Secondary indexes.
//!
//! Lives here: making them with their table, what they hold, reading them page by page, what is refused.
//! Does not live here: indexes of live tables (`index_updates`).

use serde_json::{Value, json};

use crate::Server;

/// A table `orders` (`who` S, `at` N) with a global index of each projection on `state` and `at`, and a local one on `total`.
pub(crate) async fn with_orders() -> Server {
    let server = Server::new();
    server.ok("CreateTable", orders()).await;
    server
}

fn orders() -> Value {
    let global = |name: &str, projection: Value| {
        json!({
            "IndexName": name,
            "KeySchema": [
                {"AttributeName": "state", "KeyType": "HASH"},
                {"AttributeName": "at", "KeyType": "RANGE"},
            ],
            "Projection": projection,
        })
    };
    json!({
        "TableName": "orders",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": "who", "AttributeType": "S"},
            {"AttributeName": "at", "AttributeType": "N"},
            {"AttributeName": "state", "AttributeType": "S"},
            {"AttributeName": "total", "AttributeType": "N"},
        ],
        "KeySchema": [
            {"AttributeName": "who", "KeyType": "HASH"},
            {"AttributeName": "at", "KeyType": "RANGE"},
        ],
        "LocalSecondaryIndexes": [{
            "IndexName": "by-total",
            "KeySchema": [
                {"AttributeName": "who", "KeyType": "HASH"},
                {"AttributeName": "total", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }],
        "GlobalSecondaryIndexes": [
            global("all", json!({"ProjectionType": "ALL"})),
            global("keys", json!({"ProjectionType": "KEYS_ONLY"})),
            global("some", json!({"ProjectionType": "INCLUDE", "NonKeyAttributes": ["note"]})),
        ],
    })
}

fn order(who: &str, at: i64, more: Value) -> Value {
    let mut item = json!({"who": {"S": who}, "at": {"N": at.to_string()}});
    for (name, value) in more.as_object().unwrap() {
        item[name] = value.clone();
    }
    item
}

async fn put(server: &Server, item: Value) {
    let body = json!({"TableName": "orders", "Item": item});
    server.ok("PutItem", body).await;
}

/// The items of a query by state, and the rest of the answer.
async fn by_state(server: &Server, index: &str, state: &str, more: Value) -> Value {
    let mut body = json!({
        "TableName": "orders",
        "IndexName": index,
        "KeyConditionExpression": "#s = :s",
        "ExpressionAttributeNames": {"#s": "state"},
        "ExpressionAttributeValues": {":s": {"S": state}},
    });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    server.ok("Query", body).await
}

#[tokio::test]
async fn an_index_holds_what_is_projected_and_only_items_with_its_key() {
    let server = with_orders().await;
    let full = order(
        "ann",
        1,
        json!({"state": {"S": "new"}, "note": {"S": "n"}, "rest": {"BOOL": true}}),
    );
    put(&server, full.clone()).await;
    put(&server, order("ann", 2, json!({"note": {"S": "no state"}}))).await;
    let key = json!({"who": {"S": "ann"}, "at": {"N": "1"}, "state": {"S": "new"}});
    let mut some = key.clone();
    some["note"] = json!({"S": "n"});
    for (index, expected) in [("all", full), ("keys", key), ("some", some)] {
        let found = by_state(&server, index, "new", json!({})).await;
        assert_eq!(found["Items"], json!([expected]), "{index}");
        let scanned = json!({"TableName": "orders", "IndexName": index});
        let scanned = server.ok("Scan", scanned).await;
        assert_eq!(scanned["Items"], json!([expected]), "{index}");
    }
}

#[tokio::test]
async fn an_index_follows_every_kind_of_change() {
    let server = with_orders().await;
    let count =
        async |state: &str| by_state(&server, "all", state, json!({})).await["Count"].clone();
    put(&server, order("ann", 1, json!({"state": {"S": "new"}}))).await;
    let update = |expression: &str, values: Value| {
        let mut body = json!({
            "TableName": "orders",
            "Key": {"who": {"S": "ann"}, "at": {"N": "1"}},
            "UpdateExpression": expression,
            "ExpressionAttributeNames": {"#s": "state"},
        });
        if !values.is_null() {
            body["ExpressionAttributeValues"] = values;
        }
        body
    };
    let moved = update("SET #s = :s", json!({":s": {"S": "paid"}}));
    server.ok("UpdateItem", moved).await;
    assert_eq!(
        (count("new").await, count("paid").await),
        (json!(0), json!(1))
    );
    server
        .ok("UpdateItem", update("REMOVE #s", Value::Null))
        .await;
    assert_eq!(count("paid").await, 0);
    put(&server, order("ann", 1, json!({"state": {"S": "sent"}}))).await;
    assert_eq!(count("sent").await, 1);
    let key = json!({"who": {"S": "ann"}, "at": {"N": "1"}});
    server
        .ok("DeleteItem", json!({"TableName": "orders", "Key": key}))
        .await;
    assert_eq!(count("sent").await, 0);
}

#[tokio::test]
async fn pages_of_an_index_end_with_both_keys_and_go_on_from_there() {
    let server = with_orders().await;
    for at in 0..7 {
        // Two items share each place in the index: only the table's key tells them apart.
        for who in ["ann", "bob"] {
            put(&server, order(who, at, json!({"state": {"S": "new"}}))).await;
        }
    }
    for forward in [true, false] {
        let mut seen = Vec::new();
        let mut more = json!({"Limit": 3, "ScanIndexForward": forward});
        loop {
            let page = by_state(&server, "keys", "new", more.clone()).await;
            assert!(page["Count"].as_u64().unwrap() <= 3);
            seen.extend(page["Items"].as_array().unwrap().clone());
            let Some(last) = page.get("LastEvaluatedKey") else {
                break;
            };
            let names: Vec<_> = last.as_object().unwrap().keys().collect();
            assert_eq!(names, ["at", "state", "who"]);
            more["ExclusiveStartKey"] = last.clone();
        }
        let at = |item: &Value| item["at"]["N"].as_str().unwrap().parse::<i64>().unwrap();
        let order: Vec<_> = seen.iter().map(at).collect();
        let mut expected: Vec<_> = (0..7).flat_map(|at| [at, at]).collect();
        if !forward {
            expected.reverse();
        }
        assert_eq!(order, expected);
    }
}

#[tokio::test]
async fn a_local_index_sorts_anew_and_fetches_what_it_does_not_hold() {
    let server = with_orders().await;
    for (at, total) in [(1, 30), (2, 10), (3, 20)] {
        let more = json!({"total": {"N": total.to_string()}, "note": {"S": "x"}});
        put(&server, order("ann", at, more)).await;
    }
    let query = |more: Value| {
        let mut body = json!({
            "TableName": "orders",
            "IndexName": "by-total",
            "KeyConditionExpression": "who = :w AND #t >= :t",
            "ExpressionAttributeNames": {"#t": "total"},
            "ExpressionAttributeValues": {":w": {"S": "ann"}, ":t": {"N": "20"}},
            "ConsistentRead": true,
        });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    let held = |at: i64, total: i64| order("ann", at, json!({"total": {"N": total.to_string()}}));
    let found = server.ok("Query", query(json!({}))).await;
    assert_eq!(found["Items"], json!([held(3, 20), held(1, 30)]));
    let found = server
        .ok("Query", query(json!({"Select": "ALL_ATTRIBUTES"})))
        .await;
    assert_eq!(found["Items"][0]["note"], json!({"S": "x"}));
    let asked = json!({"ProjectionExpression": "note", "ReturnConsumedCapacity": "INDEXES"});
    let found = server.ok("Query", query(asked)).await;
    assert_eq!(
        found["Items"],
        json!([{"note": {"S": "x"}}, {"note": {"S": "x"}}])
    );
    let consumed = &found["ConsumedCapacity"];
    assert_eq!(consumed["Table"]["CapacityUnits"], 2.0);
    assert_eq!(
        consumed["LocalSecondaryIndexes"]["by-total"]["CapacityUnits"],
        1.0
    );
    assert_eq!(consumed["CapacityUnits"], 3.0);
}

#[tokio::test]
async fn what_an_index_cannot_tell_or_hold_is_refused_in_the_words_of_the_service() {
    let server = with_orders().await;
    let query = |more: Value| {
        let mut body = json!({
            "TableName": "orders",
            "IndexName": "keys",
            "KeyConditionExpression": "#s = :s",
            "ExpressionAttributeNames": {"#s": "state"},
            "ExpressionAttributeValues": {":s": {"S": "new"}},
        });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    for (more, message) in [
        (
            json!({"IndexName": "none"}),
            "The table does not have the specified index: none",
        ),
        (
            json!({"ConsistentRead": true}),
            "Consistent reads are not supported on global secondary indexes",
        ),
        (
            json!({"Select": "ALL_ATTRIBUTES"}),
            "One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported for global secondary index keys because its projection type is not ALL",
        ),
        (
            json!({"ProjectionExpression": "note"}),
            "One or more parameter values were invalid: Global secondary index keys does not project [note]",
        ),
        (
            json!({"ExclusiveStartKey": {"state": {"S": "new"}, "at": {"N": "1"}}}),
            "The provided starting key is invalid",
        ),
        (
            json!({"ExclusiveStartKey": {"state": {"S": "old"}, "at": {"N": "1"}, "who": {"S": "ann"}}}),
            "The provided starting key is outside query boundaries based on provided conditions",
        ),
    ] {
        server
            .refuses("Query", query(more), "ValidationException", message)
            .await;
    }
    for (value, message) in [
        (
            json!({"N": "1"}),
            "One or more parameter values were invalid: Type mismatch for Index Key state Expected: S Actual: N IndexName: all",
        ),
        (
            json!({"S": ""}),
            "One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty string value. IndexName: all, IndexKey: state",
        ),
        (
            json!({"S": "x".repeat(2_049)}),
            "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of2048 bytes",
        ),
    ] {
        let item = order("ann", 1, json!({"state": value}));
        let body = json!({"TableName": "orders", "Item": item});
        server
            .refuses("PutItem", body, "ValidationException", message)
            .await;
    }
}

#[tokio::test]
async fn indexes_are_described_with_what_is_in_them() {
    let server = with_orders().await;
    put(&server, order("ann", 1, json!({"state": {"S": "new"}}))).await;
    put(&server, order("ann", 2, json!({}))).await;
    let table = &server
        .ok("DescribeTable", json!({"TableName": "orders"}))
        .await["Table"];
    assert_eq!(table["ItemCount"], 2);
    let described = &table["GlobalSecondaryIndexes"][2];
    assert_eq!(
        *described,
        json!({
            "IndexName": "some",
            "IndexArn": "arn:aws:dynamodb:us-east-1:000000000000:table/orders/index/some",
            "IndexStatus": "ACTIVE",
            "KeySchema": [
                {"AttributeName": "state", "KeyType": "HASH"},
                {"AttributeName": "at", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["note"]},
            "ProvisionedThroughput": {
                "NumberOfDecreasesToday": 0,
                "ReadCapacityUnits": 0,
                "WriteCapacityUnits": 0,
            },
            "WarmThroughput": {
                "ReadUnitsPerSecond": 12_000,
                "WriteUnitsPerSecond": 4_000,
                "Status": "ACTIVE",
            },
            "IndexSizeBytes": 18,
            "ItemCount": 1,
        })
    );
    let local = &table["LocalSecondaryIndexes"][0];
    assert_eq!(local["IndexName"], "by-total");
    assert_eq!(local["ItemCount"], 0);
    assert_eq!(local.get("IndexStatus"), None);
}

/// An edit of a table, and how it is refused.
type Case<'a> = (&'a dyn Fn(&mut Value), &'a str);

#[tokio::test]
async fn a_table_with_wrong_indexes_is_refused_in_the_words_of_the_service() {
    let server = Server::new();
    let with = |edit: &dyn Fn(&mut Value)| {
        let mut body = orders();
        edit(&mut body);
        body
    };
    let twenty_one: Vec<_> = (0..21)
        .map(|number| {
            let mut index = orders()["GlobalSecondaryIndexes"][0].clone();
            index["IndexName"] = json!(format!("index-{number}"));
            index
        })
        .collect();
    let cases: [Case<'_>; 8] = [
        (
            &|body| body["GlobalSecondaryIndexes"] = json!([]),
            "One or more parameter values were invalid: List of GlobalSecondaryIndexes is empty",
        ),
        (
            &|body| body["GlobalSecondaryIndexes"][1]["IndexName"] = json!("all"),
            "One or more parameter values were invalid: Duplicate index name: all",
        ),
        (
            &|body| body["GlobalSecondaryIndexes"][0]["KeySchema"][0]["AttributeName"] = json!("x"),
            "One or more parameter values were invalid: Some index key attributes are not defined in AttributeDefinitions. Keys: [x, at], AttributeDefinitions: [who, at, state, total]",
        ),
        (
            &|body| body["GlobalSecondaryIndexes"][0]["Projection"] = json!({}),
            "One or more parameter values were invalid: Unknown ProjectionType: null",
        ),
        (
            &|body| {
                body["GlobalSecondaryIndexes"][0]["Projection"]["NonKeyAttributes"] = json!(["a"])
            },
            "One or more parameter values were invalid: ProjectionType is ALL, but NonKeyAttributes is specified",
        ),
        (
            &|body| {
                body["LocalSecondaryIndexes"][0]["KeySchema"][0]["AttributeName"] = json!("state")
            },
            "One or more parameter values were invalid: Index KeySchema does not have the same leading hash key as table KeySchema for index: by-total. index hash key: state, table hash key: who",
        ),
        (
            &|body| body["GlobalSecondaryIndexes"] = json!(twenty_one),
            "One or more parameter values were invalid: GlobalSecondaryIndex count exceeds the per-table limit of 20",
        ),
        (
            &|body| body["GlobalSecondaryIndexes"][0]["IndexName"] = json!("x"),
            "1 validation error detected: Value 'x' at 'globalSecondaryIndexes.1.member.indexName' failed to satisfy constraint: Member must have length greater than or equal to 3",
        ),
    ];
    for (edit, message) in cases {
        server
            .refuses("CreateTable", with(edit), "ValidationException", message)
            .await;
    }
}

#[tokio::test]
async fn an_index_key_of_several_attributes_is_found_from_the_left() {
    let server = Server::new();
    let names = ["id", "a", "b", "c", "d"];
    let definitions: Vec<_> = names
        .iter()
        .map(|name| json!({"AttributeName": name, "AttributeType": "S"}))
        .collect();
    let keys = [("a", "HASH"), ("b", "HASH"), ("c", "RANGE"), ("d", "RANGE")]
        .map(|(name, kind)| json!({"AttributeName": name, "KeyType": kind}));
    let body = json!({
        "TableName": "wide",
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": definitions,
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "GlobalSecondaryIndexes": [{
            "IndexName": "deep",
            "KeySchema": keys,
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }],
    });
    server.ok("CreateTable", body).await;
    for (id, c, d) in [
        ("1", "x", "1"),
        ("2", "x", "2"),
        ("3", "y", "1"),
        ("4", "xx", "1"),
    ] {
        let item = json!({
            "id": {"S": id}, "a": {"S": "a"}, "b": {"S": "b"}, "c": {"S": c}, "d": {"S": d},
        });
        server
            .ok("PutItem", json!({"TableName": "wide", "Item": item}))
            .await;
    }
    let query = |condition: &str, values: Value| {
        json!({
            "TableName": "wide",
            "IndexName": "deep",
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": values,
        })
    };
    let values = json!({":a": {"S": "a"}, ":b": {"S": "b"}, ":c": {"S": "x"}, ":d": {"S": "2"}});
    let pick = |names: &[&str]| -> Value {
        names
            .iter()
            .map(|name| ((*name).to_owned(), values[*name].clone()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    for (condition, used, ids) in [
        (
            "a = :a AND b = :b",
            &[":a", ":b"][..],
            vec!["1", "2", "4", "3"],
        ),
        (
            "a = :a AND b = :b AND c = :c",
            &[":a", ":b", ":c"],
            vec!["1", "2"],
        ),
        (
            "a = :a AND b = :b AND c = :c AND d >= :d",
            &[":a", ":b", ":c", ":d"],
            vec!["2"],
        ),
        (
            "a = :a AND b = :b AND begins_with(c, :c)",
            &[":a", ":b", ":c"],
            vec!["1", "2", "4"],
        ),
        (
            "a = :a AND b = :b AND c > :c",
            &[":a", ":b", ":c"],
            vec!["4", "3"],
        ),
    ] {
        let found = server.ok("Query", query(condition, pick(used))).await;
        let items = found["Items"].as_array().unwrap();
        let found: Vec<_> = items.iter().map(|item| &item["id"]["S"]).collect();
        assert_eq!(found, ids, "{condition}");
    }
}
