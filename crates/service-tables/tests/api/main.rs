//! The DynamoDB API from outside: requests and answers as JSON.
//!
//! Lives here: the harness; the cases are in the modules.
//! Does not live here: signatures and HTTP (`gateway`).

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "helpers of tests fail as tests do, and a table of cases is as long as its subject"
)]

mod account;
mod batches;
mod expiry;
mod faults;
mod index_updates;
mod indexes;
mod items;
mod legacy;
mod partiql;
mod partiql_batches;
mod partiql_indexes;
mod queries;
mod refusals;
mod resources;
mod streams;
mod tables;
mod throughput;
mod transactions;
mod updates;

use std::sync::Arc;

use bytes::Bytes;
use interfaces::service::{CloudService, ServiceCall};
use model::ids::{AccountId, Region, RequestId};
use model::principal::Principal;
use model::time::Timestamp;
use serde_json::{Value, json};
use service_tables::Service;
use store::Store;
use store_embedded::Memory;
use test_kit::{CountingRandom, StoppedClock};

pub(crate) struct Server {
    pub(crate) service: Service,
    pub(crate) clock: Arc<StoppedClock>,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self::over(Arc::new(Memory::new()))
    }

    pub(crate) fn over(store: Arc<dyn Store>) -> Self {
        let clock = StoppedClock::at(Timestamp::from_micros(1_700_000_000_250_000));
        let clock = Arc::new(clock);
        let random = Arc::new(CountingRandom::default());
        Self {
            service: Service::new(store, clock.clone(), random),
            clock,
        }
    }

    /// With a table `pets` (partition key `id` S) and one `events` (`who` S, `at` N).
    pub(crate) async fn with_tables() -> Self {
        let server = Self::new();
        server.create_table("pets", &[("id", "S")]).await;
        server
            .create_table("events", &[("who", "S"), ("at", "N")])
            .await;
        server
    }

    /// As a start does: looks for what was left undone, and does it.
    pub(crate) async fn keep_up_until_idle(&self) {
        let wait = std::time::Duration::from_millis(300);
        let kept = self.service.keep_up();
        let _ = tokio::time::timeout(wait, kept).await;
    }

    pub(crate) async fn create_table(&self, name: &str, keys: &[(&str, &str)]) {
        let definitions: Vec<_> = keys
            .iter()
            .map(|(name, kind)| json!({"AttributeName": name, "AttributeType": kind}))
            .collect();
        let schema: Vec<_> = keys
            .iter()
            .zip(["HASH", "RANGE"])
            .map(|((name, _), kind)| json!({"AttributeName": name, "KeyType": kind}))
            .collect();
        let body = json!({
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": definitions,
            "KeySchema": schema,
        });
        let (status, answer) = self.call("CreateTable", &body).await;
        assert_eq!(status, 200, "{answer}");
    }

    pub(crate) async fn call(&self, operation: &str, body: &Value) -> (u16, Value) {
        self.send(operation, body.to_string()).await
    }

    pub(crate) async fn call_streams(&self, operation: &str, body: &Value) -> (u16, Value) {
        let target = format!("DynamoDBStreams_20120810.{operation}");
        self.send_to(&target, body.to_string().into()).await
    }

    pub(crate) async fn send(&self, operation: &str, body: impl Into<Bytes>) -> (u16, Value) {
        let target = format!("DynamoDB_20120810.{operation}");
        self.send_to(&target, body.into()).await
    }

    async fn send_to(&self, target: &str, body: Bytes) -> (u16, Value) {
        let mut headers = http::HeaderMap::new();
        headers.insert("x-amz-target", target.parse().unwrap());
        let call = ServiceCall {
            request_id: RequestId::new("r"),
            caller: Principal::Root {
                account: AccountId::development(),
            },
            account: AccountId::development(),
            region: Region::new("us-east-1"),
            method: http::Method::POST,
            path_and_query: "/".to_owned(),
            headers,
            body,
            stream: None,
        };
        let answer = self.service.execute(call).await;
        let header = |name| {
            answer
                .headers
                .iter()
                .find(|(other, _)| *other == name)
                .unwrap()
        };
        assert_eq!(header("content-type").1, "application/x-amz-json-1.0");
        let checksum = crc32fast::hash(&answer.body).to_string();
        assert_eq!(header("x-amz-crc32").1, checksum);
        // Some operations answer nothing at all.
        let body = match answer.body.as_ref() {
            [] => Value::Null,
            body => serde_json::from_slice(body).unwrap(),
        };
        (answer.status, body)
    }

    /// Expects success, and gives the answer.
    pub(crate) async fn ok(&self, operation: &str, body: Value) -> Value {
        let (status, answer) = self.call(operation, &body).await;
        assert_eq!(status, 200, "{operation} {body}: {answer}");
        answer
    }

    /// Expects this answer.
    pub(crate) async fn check(&self, operation: &str, body: Value, expected: Value) {
        let answer = self.ok(operation, body.clone()).await;
        assert_eq!(answer, expected, "{operation} {body}");
    }

    /// Expects a refusal of this kind with this text.
    pub(crate) async fn refuses(&self, operation: &str, body: Value, kind: &str, message: &str) {
        let (status, answer) = self.call(operation, &body).await;
        let said = answer.get("message").or_else(|| answer.get("Message"));
        let said = said.and_then(Value::as_str).unwrap_or_default();
        let found = answer["__type"].as_str().unwrap_or_default();
        assert_eq!(
            (status, found.rsplit('#').next().unwrap(), said),
            (400, kind, message),
            "{operation} {body}: {answer}"
        );
    }
}
