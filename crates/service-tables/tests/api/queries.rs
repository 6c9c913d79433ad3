//! Queries and scans.
//!
//! Lives here: orders, conditions on keys, pages, segments.
//! Does not live here: what is refused (`refusals`).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::Server;

async fn server() -> Server {
    let server = Server::with_tables().await;
    for at in ["-10", "-2.5", "0", "1", "1.5", "2", "10", "1e20"] {
        for who in ["ann", "ann\u{0}", "bob"] {
            let item = json!({"who": {"S": who}, "at": {"N": at}});
            server
                .ok("PutItem", json!({"TableName": "events", "Item": item}))
                .await;
        }
    }
    server
}

fn query(condition: &str, values: Value) -> Value {
    let mut values = values;
    values[":who"] = json!({"S": "ann"});
    json!({
        "TableName": "events",
        "KeyConditionExpression": condition,
        "ExpressionAttributeNames": {"#at": "at"},
        "ExpressionAttributeValues": values,
    })
}

fn numbers(answer: &Value) -> Vec<&str> {
    let items = answer["Items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["at"]["N"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_partition_is_queried_in_the_order_of_its_numbers() {
    let server = server().await;
    let big = "100000000000000000000";
    for (test, expected) in [
        ("", &["-10", "-2.5", "0", "1", "1.5", "2", "10", big][..]),
        ("#at = :a", &["1"]),
        ("#at < :a", &["-10", "-2.5", "0"]),
        ("#at <= :a", &["-10", "-2.5", "0", "1"]),
        ("#at > :a", &["1.5", "2", "10", big]),
        (":a <= #at", &["1", "1.5", "2", "10", big]),
        ("#at BETWEEN :a AND :b", &["1", "1.5", "2", "10"]),
        ("(#at between :a and :b)", &["1", "1.5", "2", "10"]),
    ] {
        let mut values = json!({});
        if test.contains(":a") {
            values[":a"] = json!({"N": "1.0"});
        }
        if test.contains(":b") {
            values[":b"] = json!({"N": "10"});
        }
        let condition = if test.is_empty() {
            "who = :who".to_owned()
        } else {
            format!("{test} AND who = :who")
        };
        let mut request = query(&condition, values);
        if test.is_empty() {
            request
                .as_object_mut()
                .unwrap()
                .remove("ExpressionAttributeNames");
        }
        let answer = server.ok("Query", request.clone()).await;
        assert_eq!(numbers(&answer), expected, "{condition}");
        assert_eq!(answer["Count"], expected.len());
        request["ScanIndexForward"] = false.into();
        let answer = server.ok("Query", request).await;
        let backwards: Vec<_> = expected.iter().rev().copied().collect();
        assert_eq!(numbers(&answer), backwards, "{condition}, backwards");
    }
}

#[tokio::test]
async fn texts_and_bytes_are_queried_by_their_beginning() {
    let server = Server::new();
    server
        .create_table("files", &[("dir", "N"), ("name", "S")])
        .await;
    server
        .create_table("blobs", &[("dir", "B"), ("name", "B")])
        .await;
    for name in ["a", "ab", "ab\u{0}c", "abd", "ac", "b"] {
        let item = json!({"dir": {"N": "1"}, "name": {"S": name}});
        server
            .ok("PutItem", json!({"TableName": "files", "Item": item}))
            .await;
    }
    let begins = json!({
        "TableName": "files",
        "KeyConditionExpression": "dir = :d AND begins_with(#n, :n)",
        "ExpressionAttributeNames": {"#n": "name"},
        "ExpressionAttributeValues": {":d": {"N": "1"}, ":n": {"S": "ab"}},
    });
    let answer = server.ok("Query", begins).await;
    let names: Vec<_> = answer["Items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["name"]["S"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["ab", "ab\u{0}c", "abd"]);
    for name in ["/w==", "/wA=", "AA=="] {
        let item = json!({"dir": {"B": "AAA="}, "name": {"B": name}});
        server
            .ok("PutItem", json!({"TableName": "blobs", "Item": item}))
            .await;
    }
    let begins = json!({
        "TableName": "blobs",
        "KeyConditionExpression": "dir = :d AND begins_with(#n, :n)",
        "ExpressionAttributeNames": {"#n": "name"},
        "ExpressionAttributeValues": {":d": {"B": "AAA="}, ":n": {"B": "/w=="}},
    });
    assert_eq!(server.ok("Query", begins).await["Count"], 2);
}

#[tokio::test]
async fn pages_end_at_the_limit_and_go_on_after_their_last_key() {
    let server = server().await;
    for forward in [true, false] {
        let mut seen = Vec::new();
        let mut request = query("who = :who AND #at > :low", json!({":low": {"N": "-5"}}));
        request["Limit"] = 3.into();
        request["ScanIndexForward"] = forward.into();
        loop {
            let answer = server.ok("Query", request.clone()).await;
            seen.extend(numbers(&answer).into_iter().map(str::to_owned));
            match answer.get("LastEvaluatedKey") {
                Some(key) => request["ExclusiveStartKey"] = key.clone(),
                None => break,
            }
        }
        let mut expected = vec!["-2.5", "0", "1", "1.5", "2", "10", "100000000000000000000"];
        if !forward {
            expected.reverse();
        }
        assert_eq!(seen, expected);
    }
}

#[tokio::test]
async fn a_filter_counts_what_it_read_and_what_it_passed() {
    let server = Server::with_tables().await;
    for at in 0..6 {
        let item =
            json!({"who": {"S": "w"}, "at": {"N": at.to_string()}, "even": {"BOOL": at % 2 == 0}});
        server
            .ok("PutItem", json!({"TableName": "events", "Item": item}))
            .await;
    }
    let request = json!({
        "TableName": "events", "KeyConditionExpression": "who = :w", "FilterExpression": "even = :yes",
        "ExpressionAttributeValues": {":w": {"S": "w"}, ":yes": {"BOOL": true}},
        "Limit": 5, "ProjectionExpression": "even", "ReturnConsumedCapacity": "TOTAL",
    });
    let even = json!({"even": {"BOOL": true}});
    let expected = json!({
        "Items": [even, even, even], "Count": 3, "ScannedCount": 5,
        "LastEvaluatedKey": {"who": {"S": "w"}, "at": {"N": "4"}},
        "ConsumedCapacity": {"TableName": "events", "CapacityUnits": 0.5},
    });
    server.check("Query", request, expected).await;
    let count = json!({"TableName": "events", "Select": "COUNT"});
    server
        .check("Scan", count, json!({"Count": 6, "ScannedCount": 6}))
        .await;
}

#[tokio::test]
async fn a_scan_sees_every_item_once_in_pages_and_segments() {
    let server = Server::with_tables().await;
    let all: BTreeSet<String> = (0..100).map(|number| format!("pet-{number}")).collect();
    for id in &all {
        server
            .ok(
                "PutItem",
                json!({"TableName": "pets", "Item": {"id": {"S": id}}}),
            )
            .await;
    }
    for total in [1, 2, 3, 7] {
        let mut seen = Vec::new();
        for segment in 0..total {
            let mut request = json!({"TableName": "pets", "Limit": 9, "Segment": segment, "TotalSegments": total});
            loop {
                let answer = server.ok("Scan", request.clone()).await;
                for item in answer["Items"].as_array().unwrap() {
                    seen.push(item["id"]["S"].as_str().unwrap().to_owned());
                }
                match answer.get("LastEvaluatedKey") {
                    Some(key) => request["ExclusiveStartKey"] = key.clone(),
                    None => break,
                }
            }
        }
        assert_eq!(seen.len(), all.len(), "{total} segments");
        assert_eq!(
            seen.into_iter().collect::<BTreeSet<_>>(),
            all,
            "{total} segments"
        );
    }
}

#[tokio::test]
async fn a_page_holds_one_megabyte() {
    let server = Server::with_tables().await;
    for at in 0..5 {
        let item = json!({"who": {"S": "w"}, "at": {"N": at.to_string()}, "b": {"S": "x".repeat(300_000)}});
        server
            .ok("PutItem", json!({"TableName": "events", "Item": item}))
            .await;
    }
    let scan = json!({"TableName": "events"});
    let answer = server.ok("Scan", scan).await;
    // 300,000 bytes each: the fourth reaches 1,048,576.
    assert_eq!(answer["Count"], 4);
    assert_eq!(
        answer["LastEvaluatedKey"],
        json!({"who": {"S": "w"}, "at": {"N": "3"}})
    );
    let rest = json!({"TableName": "events", "ExclusiveStartKey": answer["LastEvaluatedKey"]});
    let answer = server.ok("Scan", rest).await;
    assert_eq!(
        (answer["Count"].as_u64(), answer.get("LastEvaluatedKey")),
        (Some(1), None)
    );
}
