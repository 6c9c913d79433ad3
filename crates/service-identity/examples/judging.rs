//! How long it takes to judge one call of a function whose role has 50 statements: `cargo run --release -p service-identity
//! --example judging`. Prints nanoseconds a call.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "it measures real time, and prints it"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use interfaces::authorize::{Authorize as _, Check};
use interfaces::resource_provider::ResourceRequest;
use model::arn::Arn;
use model::ids::{AccountId, FunctionName, LogicalId, Region, StackName};
use model::principal::Principal;
use model::time::Timestamp;
use serde_json::{Value, json};
use store_embedded::Memory;
use test_kit::{CountingRandom, StoppedClock};

const CALLS: u32 = 200_000;
const STATEMENTS: usize = 50;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let service = service_identity::Service::new(
        Arc::new(Memory::new()),
        Arc::new(StoppedClock::at(Timestamp::from_micros(0))),
        Arc::new(CountingRandom::default()),
    );
    let statements: Vec<Value> = (0..STATEMENTS).map(statement).collect();
    let properties = json!({
        "RoleName": "r",
        "AssumeRolePolicyDocument": {"Statement": {
            "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"},
        }},
        "Policies": [{"PolicyName": "p", "PolicyDocument": {"Version": "2012-10-17", "Statement": statements}}],
    });
    let account = AccountId::development();
    let role = ResourceRequest {
        account: account.clone(),
        region: Region::new("us-east-1"),
        stack: StackName::new("bench"),
        logical_id: LogicalId::new("Role"),
        resource_type: "AWS::IAM::Role".to_owned(),
        properties: properties.as_object().unwrap().clone(),
        generated_name: "bench-Role".to_owned(),
        number: None,
    };
    service.provider().create(&role).await.unwrap();
    let principal = Principal::FunctionRole {
        account: account.clone(),
        role: Arn::parse("arn:aws:iam::000000000000:role/r").unwrap(),
        function: FunctionName::new("f"),
    };
    let table = "arn:aws:dynamodb:us-east-1:000000000000:table/orders-49";
    let mut check = Check::new("dynamodb:GetItem", table, &account);
    check.context.set("aws:SourceIp", "127.0.0.1");
    check.context.set("dynamodb:LeadingKeys", "tenant-7");
    let checks = [check];
    service.authorize(&principal, &checks).unwrap();
    let began = Instant::now();
    for _ in 0..CALLS {
        service
            .authorize(black_box(&principal), black_box(&checks))
            .unwrap();
    }
    println!("{}", began.elapsed().as_nanos() / u128::from(CALLS));
}

/// Tables by name, buckets by prefix, queues under a condition: as policies mix them.
fn statement(number: usize) -> Value {
    match number % 3 {
        0 => json!({
            "Effect": "Allow", "Action": ["s3:GetObject*", "s3:PutObject*"], "Resource": format!("arn:aws:s3:::b-{number}/*/x"),
        }),
        1 => json!({
            "Effect": "Allow", "Action": "dynamodb:*", "Resource": format!("arn:aws:dynamodb:*:*:table/orders-{number}"),
        }),
        _ => json!({
            "Effect": "Allow", "Action": "*", "Resource": format!("arn:aws:sqs:*:*:q-{number}"),
            "Condition": {"StringLike": {"dynamodb:LeadingKeys": "${aws:userid}*"}},
        }),
    }
}
