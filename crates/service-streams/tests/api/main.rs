//! Kinesis from outside: bodies in, bodies out.
//!
//! Lives here: the harness; the cases are in the modules.
//! Does not live here: signatures and HTTP (`gateway`), calling functions (`event-delivery`), real clients (`cloudless`).

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "helpers of tests fail as tests do, and a table of cases is as long as its subject"
)]

mod reading;
mod resources;
mod streams;
mod subscribing;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use interfaces::service::{CloudService as _, ServiceAnswer, ServiceCall};
use model::ids::{AccountId, Region, RequestId};
use model::principal::Principal;
use model::time::Timestamp;
use serde_json::{Value, json};
use service_streams::Service;
use store_embedded::Memory;
use test_kit::{Allowing, CountingRandom, StoppedClock};

pub(crate) const NOW_US: i64 = 1_700_000_000_000_000;

pub(crate) struct Server {
    pub(crate) service: Service,
    pub(crate) clock: Arc<StoppedClock>,
}

impl Server {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(StoppedClock::at(Timestamp::from_micros(NOW_US)));
        let service = Service::new(
            Arc::new(Memory::new()),
            clock.clone(),
            Arc::new(CountingRandom::default()),
            Arc::new(Allowing),
        );
        Self { service, clock }
    }

    /// Calls an operation; its status and body.
    pub(crate) async fn call(&self, operation: &str, body: Value) -> (u16, Value) {
        let json = "application/x-amz-json-1.1";
        let body = body.to_string().into_bytes();
        let (status, answer) = self.raw(operation, json, body).await;
        let answer = serde_json::from_slice(&answer).unwrap_or(Value::Null);
        (status, answer)
    }

    /// Calls an operation that has to succeed.
    pub(crate) async fn done(&self, operation: &str, body: Value) -> Value {
        let (status, answer) = self.call(operation, body).await;
        assert_eq!(status, 200, "{operation}: {answer}");
        answer
    }

    /// Calls an operation that has to be refused; the code and the words.
    pub(crate) async fn refused(&self, operation: &str, body: Value) -> (String, String) {
        let (status, answer) = self.call(operation, body).await;
        assert_eq!(status, 400, "{operation}: {answer}");
        let member = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        (member("__type"), member("message"))
    }

    pub(crate) async fn raw(&self, operation: &str, kind: &str, body: Vec<u8>) -> (u16, Bytes) {
        let answer = self.answer(operation, kind, body).await;
        (answer.status, answer.body)
    }

    pub(crate) async fn answer(&self, operation: &str, kind: &str, body: Vec<u8>) -> ServiceAnswer {
        let mut headers = HeaderMap::new();
        let target = format!("Kinesis_20131202.{operation}");
        headers.insert("x-amz-target", HeaderValue::from_str(&target).unwrap());
        headers.insert("content-type", HeaderValue::from_str(kind).unwrap());
        let call = ServiceCall {
            request_id: RequestId::new("r"),
            caller: Principal::Root {
                account: AccountId::development(),
            },
            account: AccountId::development(),
            region: Region::new("us-east-1"),
            method: Method::POST,
            path_and_query: "/".to_owned(),
            headers,
            body: body.into(),
            stream: None,
        };
        self.service.execute(call).await
    }

    pub(crate) async fn stream(&self, name: &str, shards: u32) {
        let body = json!({"StreamName": name, "ShardCount": shards});
        self.done("CreateStream", body).await;
    }

    pub(crate) async fn shards(&self, name: &str) -> Vec<Value> {
        let listed = self.done("ListShards", json!({"StreamName": name})).await;
        listed["Shards"].as_array().unwrap().clone()
    }

    /// Puts a text; its shard and number.
    pub(crate) async fn put(&self, name: &str, key: &str, text: &str) -> (String, String) {
        use base64::Engine as _;
        let data = base64::engine::general_purpose::STANDARD.encode(text);
        let body = json!({"StreamName": name, "PartitionKey": key, "Data": data});
        let answer = self.done("PutRecord", body).await;
        let member = |name: &str| answer[name].as_str().unwrap().to_owned();
        (member("ShardId"), member("SequenceNumber"))
    }

    pub(crate) async fn iterator(&self, name: &str, shard: &str, more: Value) -> String {
        let mut body = json!({"StreamName": name, "ShardId": shard});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        let answer = self.done("GetShardIterator", body).await;
        answer["ShardIterator"].as_str().unwrap().to_owned()
    }

    /// The texts behind an iterator.
    pub(crate) async fn read(&self, iterator: &str) -> Vec<String> {
        let answer = self
            .done("GetRecords", json!({"ShardIterator": iterator}))
            .await;
        texts(&answer)
    }
}

pub(crate) fn texts(answer: &Value) -> Vec<String> {
    use base64::Engine as _;
    let records = answer["Records"].as_array().unwrap().iter();
    let text = |record: &Value| {
        let data = record["Data"].as_str().unwrap();
        let bytes = base64::engine::general_purpose::STANDARD.decode(data);
        String::from_utf8(bytes.unwrap()).unwrap()
    };
    records.map(text).collect()
}
