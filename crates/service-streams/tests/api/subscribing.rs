//! Reading as a consumer: the events of a subscription, who holds it, and when it ends.

use std::future::poll_fn;
use std::time::Duration;

use interfaces::service::ServiceAnswer;
use serde_json::{Value, json};

use crate::{Server, texts};

const SHARD: &str = "shardId-000000000000";
const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/s";

async fn consumer(server: &Server) -> String {
    server.stream("s", 1).await;
    let body = json!({"StreamARN": ARN, "ConsumerName": "c"});
    let answer = server.done("RegisterStreamConsumer", body).await;
    answer["Consumer"]["ConsumerARN"]
        .as_str()
        .unwrap()
        .to_owned()
}

async fn subscribe(server: &Server, consumer: &str) -> ServiceAnswer {
    let body = json!({
        "ConsumerARN": consumer, "ShardId": SHARD, "StartingPosition": {"Type": "TRIM_HORIZON"},
    });
    let json = "application/x-amz-json-1.1";
    let answer = server.answer("SubscribeToShard", json, body.to_string().into_bytes());
    answer.await
}

/// The payload of the next event that has records or is the last of a shard; none: the stream is over.
async fn next(answer: &mut ServiceAnswer) -> Option<Value> {
    let rest = answer.rest.as_mut().unwrap();
    loop {
        let event = poll_fn(|context| rest.poll_next(context)).await?;
        let headers = usize::try_from(u32::from_be_bytes(event[4..8].try_into().unwrap())).unwrap();
        let payload: Value = serde_json::from_slice(&event[12 + headers..event.len() - 4]).unwrap();
        if payload["Records"] != json!([]) || payload.get("ChildShards").is_some() {
            return Some(payload);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscription_gets_what_was_there_and_what_comes_until_its_shard_ends() {
    let server = Server::new();
    let consumer = consumer(&server).await;
    server.put("s", "k", "before").await;
    let mut events = subscribe(&server, &consumer).await;
    assert_eq!(events.status, 200);
    let begin = String::from_utf8_lossy(&events.body).into_owned();
    assert!(begin.contains("initial-response"), "{begin}");
    let first = next(&mut events).await.unwrap();
    assert_eq!(
        (texts(&first), &first["MillisBehindLatest"]),
        (vec!["before".to_owned()], &json!(0))
    );
    assert!(first["ContinuationSequenceNumber"].is_string());
    let (second, _) = tokio::join!(next(&mut events), server.put("s", "k", "after"));
    assert_eq!(texts(&second.unwrap()), ["after"]);
    let body = json!({
        "StreamName": "s", "TargetShardCount": 2, "ScalingType": "UNIFORM_SCALING",
    });
    server.done("UpdateShardCount", body).await;
    let last = next(&mut events).await.unwrap();
    assert_eq!(last["ChildShards"].as_array().unwrap().len(), 2);
    assert_eq!(next(&mut events).await, None);
}

#[tokio::test(start_paused = true)]
async fn the_next_subscription_is_refused_for_five_seconds_and_then_ends_the_one_before() {
    let server = Server::new();
    let consumer = consumer(&server).await;
    let mut one = subscribe(&server, &consumer).await;
    let refused = subscribe(&server, &consumer).await;
    assert_eq!(refused.status, 400);
    assert!(String::from_utf8_lossy(&refused.body).contains("ResourceInUseException"));
    tokio::time::advance(Duration::from_secs(6)).await;
    let mut two = subscribe(&server, &consumer).await;
    assert_eq!((two.status, next(&mut one).await), (200, None));
    server.put("s", "k", "text").await;
    assert_eq!(texts(&next(&mut two).await.unwrap()), ["text"]);
    assert_eq!(next(&mut two).await, None, "it is over after five minutes");
    drop((one, two));
    assert_eq!(subscribe(&server, &consumer).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_is_deregistered_reads_no_more() {
    let server = Server::new();
    let consumer = consumer(&server).await;
    let mut events = subscribe(&server, &consumer).await;
    let began = tokio::time::Instant::now();
    let body = json!({"ConsumerARN": consumer});
    let (over, _) = tokio::join!(
        next(&mut events),
        server.done("DeregisterStreamConsumer", body)
    );
    assert_eq!((over, began.elapsed()), (None, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn whoever_reads_does_not_hold_up_a_server_that_stops() {
    let server = Server::new();
    let consumer = consumer(&server).await;
    let mut events = subscribe(&server, &consumer).await;
    let began = tokio::time::Instant::now();
    let stopping = async {
        tokio::task::yield_now().await;
        server.service.stop();
    };
    let (over, ()) = tokio::join!(next(&mut events), stopping);
    assert_eq!((over, began.elapsed()), (None, Duration::ZERO));
    let mut late = subscribe(&server, &consumer).await;
    tokio::time::advance(Duration::from_secs(6)).await;
    assert_eq!(late.status, 400, "the one before began a moment ago");
    late = subscribe(&server, &consumer).await;
    assert_eq!((late.status, next(&mut late).await), (200, None));
}
