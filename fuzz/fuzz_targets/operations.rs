//! DynamoDB's operations, one after the other on one table: each is answered in JSON, and no fault is the server's own.
//!
//! Each line is the name of an operation, a space, and its body; operations of streams have a `Streams.` before their name.

#![no_main]

use std::sync::Arc;
use std::time::Instant;

use interfaces::clock::Clock;
use interfaces::random::Random;
use interfaces::service::{CloudService, ServiceCall};
use model::ids::{AccountId, Region, RequestId};
use model::principal::Principal;
use model::time::Timestamp;
use service_tables::Service;
use store_embedded::Memory;

/// Operations of one input; more would be slow and find nothing new.
const OPERATIONS_MAX: usize = 8;

/// What every input begins with.
const TABLE: &str = r#"CreateTable {"TableName":"tab","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"p","AttributeType":"S"},{"AttributeName":"s","AttributeType":"N"},{"AttributeName":"n","AttributeType":"N"}],"KeySchema":[{"AttributeName":"p","KeyType":"HASH"},{"AttributeName":"s","KeyType":"RANGE"}],"GlobalSecondaryIndexes":[{"IndexName":"by-n","KeySchema":[{"AttributeName":"n","KeyType":"HASH"}],"Projection":{"ProjectionType":"INCLUDE","NonKeyAttributes":["l"]}}],"LocalSecondaryIndexes":[{"IndexName":"local","KeySchema":[{"AttributeName":"p","KeyType":"HASH"},{"AttributeName":"n","KeyType":"RANGE"}],"Projection":{"ProjectionType":"KEYS_ONLY"}}],"StreamSpecification":{"StreamEnabled":true,"StreamViewType":"NEW_AND_OLD_IMAGES"}}"#;
const ITEM: &str = r#"PutItem {"TableName":"tab","Item":{"p":{"S":"a"},"s":{"N":"1"},"n":{"N":"5"},"l":{"L":[{"S":"x"},{"M":{"k":{"NULL":true}}}]},"ss":{"SS":["a","b"]}}}"#;

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_250_000)
    }

    fn instant(&self) -> Instant {
        Instant::now()
    }
}

impl Random for Still {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
}

async fn carry_out(service: &Service, line: &str) {
    let (operation, body) = line.split_once(' ').unwrap_or((line, ""));
    let target = match operation.strip_prefix("Streams.") {
        Some(operation) => format!("DynamoDBStreams_20120810.{operation}"),
        None => format!("DynamoDB_20120810.{operation}"),
    };
    let Ok(target) = target.parse() else {
        return;
    };
    let call = ServiceCall {
        request_id: RequestId::new("r"),
        caller: Principal::Root {
            account: AccountId::development(),
        },
        account: AccountId::development(),
        region: Region::new("us-east-1"),
        method: http::Method::POST,
        path_and_query: "/".to_owned(),
        headers: http::HeaderMap::from_iter([(
            http::HeaderName::from_static("x-amz-target"),
            target,
        )]),
        body: body.to_owned().into(),
        stream: None,
    };
    let answer = service.execute(call).await;
    serde_json::from_slice::<serde::de::IgnoredAny>(&answer.body).expect("an answer is JSON");
    assert_ne!(answer.status, 500, "{line}: {:?}", answer.body);
}

libfuzzer_sys::fuzz_target!(|text: &str| {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let service = Service::new(Arc::new(Memory::new()), Arc::new(Still), Arc::new(Still));
        for line in [TABLE, ITEM]
            .into_iter()
            .chain(text.lines().take(OPERATIONS_MAX))
        {
            carry_out(&service, line).await;
        }
    });
});
