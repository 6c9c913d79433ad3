//! Items that expire: which ones go, when, and what they leave.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use store::Store;
use store_embedded::Memory;

use super::Server;

/// What the harness's clock shows at first, in seconds.
const NOW: i64 = 1_700_000_000;
const YEAR: i64 = 365 * 24 * 3_600;

async fn server() -> Server {
    let server = Server::over(Arc::new(Memory::new()));
    server.create_table("things", &[("id", "S")]).await;
    server
}

async fn switch(server: &Server, attribute: &str, specification: Value) -> (u16, Value) {
    let mut specification = specification;
    specification["AttributeName"] = attribute.into();
    let body = json!({"TableName": "things", "TimeToLiveSpecification": specification});
    server.call("UpdateTimeToLive", &body).await
}

async fn put(server: &Server, id: &str, expires: Value) {
    let item = json!({"id": {"S": id}, "expires": expires, "other": {"N": "1"}});
    let body = json!({"TableName": "things", "Item": item});
    let (status, answer) = server.call("PutItem", &body).await;
    assert_eq!(status, 200, "{answer}");
}

async fn ids(server: &Server) -> Vec<String> {
    let (_, answer) = server.call("Scan", &json!({"TableName": "things"})).await;
    let items = answer["Items"].as_array().unwrap().iter();
    let mut ids: Vec<String> = items
        .map(|item| item["id"]["S"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids
}

/// Lets the service look after its tables for a minute.
async fn keep(server: &Server) {
    tokio::select! {
        never = server.service.keep() => match never {},
        () = tokio::time::sleep(Duration::from_secs(60)) => {}
    }
}

fn at(seconds: i64) -> Value {
    json!({"N": seconds.to_string()})
}

#[tokio::test(start_paused = true)]
async fn only_numbers_of_the_last_five_years_expire() {
    let server = server().await;
    assert_eq!(
        switch(&server, "expires", json!({"Enabled": true})).await.0,
        200
    );
    for (id, expires) in [
        ("past", at(NOW - 10)),
        ("fraction", json!({"N": format!("{}.5", NOW - 10)})),
        ("now", at(NOW)),
        ("soon", at(NOW + 100)),
        ("ancient", at(NOW - 6 * YEAR)),
        ("zero", at(0)),
        ("negative", at(-5)),
        ("huge", json!({"N": "1E+40"})),
        ("text", json!({"S": (NOW - 10).to_string()})),
    ] {
        put(&server, id, expires).await;
    }
    keep(&server).await;
    let stay = ["ancient", "huge", "negative", "soon", "text", "zero"];
    assert_eq!(ids(&server).await, stay);
    server.clock.advance(Duration::from_secs(101));
    keep(&server).await;
    assert!(!ids(&server).await.contains(&"soon".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn items_that_were_there_before_expire_too() {
    let server = server().await;
    for number in 0..2_500 {
        put(&server, &format!("i{number}"), at(NOW - 10)).await;
    }
    put(&server, "later", at(NOW + 1_000)).await;
    switch(&server, "expires", json!({"Enabled": true})).await;
    keep(&server).await;
    assert_eq!(ids(&server).await, ["later"]);
}

#[tokio::test(start_paused = true)]
async fn an_item_that_was_given_longer_stays() {
    let server = server().await;
    switch(&server, "expires", json!({"Enabled": true})).await;
    put(&server, "a", at(NOW + 10)).await;
    put(&server, "a", at(NOW + 1_000)).await;
    put(&server, "b", at(NOW + 10)).await;
    let body = json!({
        "TableName": "things", "Key": {"id": {"S": "b"}}, "UpdateExpression": "REMOVE expires",
    });
    assert_eq!(server.call("UpdateItem", &body).await.0, 200);
    server.clock.advance(Duration::from_secs(100));
    keep(&server).await;
    assert_eq!(ids(&server).await, ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_expires_once_it_is_switched_off_or_means_another_attribute() {
    let server = server().await;
    switch(&server, "expires", json!({"Enabled": true})).await;
    put(&server, "a", at(NOW + 10)).await;
    switch(&server, "expires", json!({"Enabled": false})).await;
    server.clock.advance(Duration::from_secs(100));
    keep(&server).await;
    assert_eq!(ids(&server).await, ["a"]);
    switch(&server, "elsewhere", json!({"Enabled": true})).await;
    keep(&server).await;
    assert_eq!(ids(&server).await, ["a"]);
    switch(&server, "elsewhere", json!({"Enabled": false})).await;
    switch(&server, "expires", json!({"Enabled": true})).await;
    keep(&server).await;
    assert!(ids(&server).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_record_says_that_the_service_has_deleted_the_item() {
    let server = server().await;
    let body = json!({
        "TableName": "things",
        "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "OLD_IMAGE"},
    });
    let (_, answer) = server.call("UpdateTable", &body).await;
    let arn = answer["TableDescription"]["LatestStreamArn"].clone();
    switch(&server, "expires", json!({"Enabled": true})).await;
    put(&server, "a", at(NOW - 10)).await;
    keep(&server).await;
    let (_, answer) = server
        .call_streams("DescribeStream", &json!({"StreamArn": arn}))
        .await;
    let mut records = Vec::new();
    for shard in answer["StreamDescription"]["Shards"].as_array().unwrap() {
        let body = json!({
            "StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON",
        });
        let (_, iterator) = server.call_streams("GetShardIterator", &body).await;
        let (_, answer) = server.call_streams("GetRecords", &iterator).await;
        records.extend(answer["Records"].as_array().unwrap().clone());
    }
    assert_eq!(records.len(), 2);
    assert!(records[0].get("userIdentity").is_none());
    assert_eq!(records[1]["eventName"], "REMOVE");
    assert_eq!(records[1]["dynamodb"]["OldImage"]["id"]["S"], "a");
    let service = json!({"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"});
    assert_eq!(records[1]["userIdentity"], service);
}

#[tokio::test(start_paused = true)]
async fn records_are_removed_after_their_day() {
    let store = Arc::new(Memory::new());
    let server = Server::over(store.clone());
    server.create_table("things", &[("id", "S")]).await;
    let body = json!({
        "TableName": "things",
        "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_IMAGE"},
    });
    let (_, answer) = server.call("UpdateTable", &body).await;
    let arn = answer["TableDescription"]["LatestStreamArn"].clone();
    let list = json!({"TableName": "things"});
    put(&server, "a", at(NOW)).await;
    let (_, described) = server
        .call_streams("DescribeStream", &json!({"StreamArn": arn}))
        .await;
    let mut old = Vec::new();
    for shard in described["StreamDescription"]["Shards"].as_array().unwrap() {
        let start = &shard["SequenceNumberRange"]["StartingSequenceNumber"];
        let body = json!({
            "StreamArn": arn, "ShardId": shard["ShardId"],
            "ShardIteratorType": "AT_SEQUENCE_NUMBER", "SequenceNumber": start,
        });
        old.push(body);
    }
    server.clock.advance(Duration::from_secs(24 * 3_600 + 1));
    keep(&server).await;
    let mut refused = 0;
    for body in &old {
        let (status, answer) = server.call_streams("GetShardIterator", body).await;
        if status == 400 {
            let error = answer["__type"].as_str().unwrap();
            assert!(error.ends_with("#TrimmedDataAccessException"), "{answer}");
            refused += 1;
        }
    }
    assert_eq!(refused, 1);
    assert_eq!(server.call("DeleteTable", &list).await.0, 200);
    let (_, listed) = server.call_streams("ListStreams", &list).await;
    assert_eq!(listed["Streams"].as_array().unwrap().len(), 1);
    server.clock.advance(Duration::from_secs(24 * 3_600));
    // Streams are looked at every five minutes.
    for _ in 0..6 {
        keep(&server).await;
    }
    let (_, listed) = server.call_streams("ListStreams", &list).await;
    assert_eq!(listed["Streams"], json!([]));
}

/// Pages of the store are cut by bytes here, and records lie in two rows each.
#[tokio::test(start_paused = true)]
async fn large_records_are_removed_as_a_whole_and_all_of_them() {
    let store = Arc::new(Memory::new());
    let server = Server::over(store.clone());
    server.create_table("things", &[("id", "S")]).await;
    let body = json!({
        "TableName": "things",
        "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    });
    server.ok("UpdateTable", body).await;
    let rows_of_records = async || {
        let everything = store::Range {
            start: Vec::new(),
            end: None,
        };
        let mut count = 0;
        let mut range = everything;
        loop {
            let limit = store::PageLimit::rows(1_000);
            let page = store.scan(&range, store::Direction::Forward, limit);
            let page = page.await.unwrap();
            count += page
                .rows
                .iter()
                .filter(|row| 200_000 < row.value.len())
                .count();
            match page.rows.last().filter(|_| page.more) {
                Some(last) => range = range.after(&last.key),
                None => return count,
            }
        }
    };
    for letter in "abcdefghi".chars() {
        let text = letter.to_string().repeat(400_000);
        let item = json!({"id": {"S": "a"}, "x": {"S": text}});
        server
            .ok("PutItem", json!({"TableName": "things", "Item": item}))
            .await;
    }
    assert_eq!(
        rows_of_records().await,
        1 + 1 + 8 * 2,
        "the item, and its records"
    );
    server.clock.advance(Duration::from_secs(24 * 3_600 + 1));
    keep(&server).await;
    assert_eq!(rows_of_records().await, 1, "the item");
}

#[tokio::test]
async fn switching_is_refused_in_the_services_words() {
    let server = server().await;
    let enabled = || json!({"Enabled": true});
    let disabled = || json!({"Enabled": false});
    let refused = |(status, answer): (u16, Value)| {
        assert_eq!(status, 400, "{answer}");
        answer["message"].as_str().unwrap().to_owned()
    };
    let told = refused(switch(&server, "a", disabled()).await);
    assert_eq!(told, "TimeToLive is already disabled");
    switch(&server, "a", enabled()).await;
    let told = refused(switch(&server, "a", enabled()).await);
    assert_eq!(told, "TimeToLive is already enabled");
    let told = refused(switch(&server, "b", disabled()).await);
    assert!(told.ends_with("current AttributeName is a"), "{told}");
    let (_, described) = server
        .call("DescribeTimeToLive", &json!({"TableName": "things"}))
        .await;
    let expected = json!({"TimeToLiveStatus": "ENABLED", "AttributeName": "a"});
    assert_eq!(described["TimeToLiveDescription"], expected);
}
