//! Archives: what they keep, for how long, and sending it again.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use store::{Batch, Range, Store, all_rows};
use store_embedded::Memory;
use test_kit::PausedClock;

use super::{QUEUE, Server, body};

const BUS: &str = "arn:aws:events:us-east-1:000000000000:event-bus/default";
const ARCHIVE: &str = "arn:aws:events:us-east-1:000000000000:archive/a";

async fn done(server: &Server, operation: &str, request: Value) -> Value {
    let (status, answer) = server.events(operation, request).await;
    assert_eq!(status, 200, "{operation}: {answer}");
    answer
}

async fn put(server: &Server, source: &str, n: usize) {
    let entry = json!({"Source": source, "DetailType": "t", "Detail": json!({"n": n}).to_string()});
    done(server, "PutEvents", json!({"Entries": [entry]})).await;
}

async fn replay(server: &Server, name: &str, until: i64, rules: &[&str]) {
    let request = json!({
        "ReplayName": name,
        "EventSourceArn": ARCHIVE,
        "EventStartTime": 0,
        "EventEndTime": until,
        "Destination": {"Arn": BUS, "FilterArns": rules},
    });
    done(server, "StartReplay", request).await;
}

async fn count(server: &Server) -> Value {
    let archive = done(server, "DescribeArchive", json!({"ArchiveName": "a"})).await;
    archive["EventCount"].clone()
}

/// Looks after archives for so long.
async fn run(server: &Server, time: Duration) {
    let _ = tokio::time::timeout(time, server.service.keep()).await;
}

/// Takes all that waits to be delivered; how much it was.
async fn taken(server: &Server, store: &Arc<dyn Store>) -> usize {
    take(server, store, 10_000).await
}

async fn take(server: &Server, store: &Arc<dyn Store>, rows_max: usize) -> usize {
    let found = server.outbox.fresh(None, rows_max).await.unwrap();
    let waiting = found.rows.iter().filter_map(|row| row.whole.as_deref());
    let batch = waiting.fold(Batch::new(), |batch, one| server.outbox.remove(batch, one));
    store.commit(batch).await.unwrap();
    found.rows.len()
}

/// Deletes the rows that this names.
async fn delete(store: &Arc<dyn Store>, is_meant: impl Fn(&[u8]) -> bool) -> usize {
    let rows = all_rows(&**store, Range::of_prefix(Vec::new())).await;
    let rows = rows.unwrap().into_iter();
    let meant: Vec<_> = rows.filter(|row| is_meant(&row.value)).collect();
    let batch = meant
        .iter()
        .fold(Batch::new(), |batch, row| batch.delete(row.key.to_vec()));
    store.commit(batch).await.unwrap();
    meant.len()
}

async fn with_archive(store: &Arc<dyn Store>, more: Value) -> Server {
    let server = Server::over(Arc::clone(store), Arc::new(PausedClock::start()));
    let mut request = json!({"ArchiveName": "a", "EventSourceArn": BUS});
    for (name, value) in more.as_object().unwrap() {
        request[name] = value.clone();
    }
    done(&server, "CreateArchive", request).await;
    for name in ["one", "two"] {
        let rule = json!({"Name": name, "EventPattern": r#"{"source": [{"prefix": ""}]}"#});
        let target = json!({"Id": "1", "Arn": QUEUE});
        server.rule(rule, target).await;
    }
    server
}

#[tokio::test(start_paused = true)]
async fn an_archive_keeps_what_its_pattern_matches_and_a_replay_sends_it_with_its_name() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let pattern = json!({"EventPattern": r#"{"source": ["kept"]}"#});
    let server = with_archive(&store, pattern).await;
    for (n, source) in ["kept", "other", "kept"].into_iter().enumerate() {
        put(&server, source, n).await;
    }
    assert_eq!(count(&server).await, 2);
    let rule = "arn:aws:events:us-east-1:000000000000:rule/two";
    replay(&server, "again", 10, &[rule]).await;
    let deliveries = server.deliveries().await;
    let bodies = deliveries.iter().map(body);
    let replayed: Vec<Value> = bodies
        .filter(|event| event.get("replay-name").is_some())
        .collect();
    let seen: Vec<&Value> = replayed.iter().map(|event| &event["detail"]["n"]).collect();
    assert_eq!(seen, [0, 2]);
    assert_eq!(replayed[0]["replay-name"], "again");
    let told = done(&server, "DescribeReplay", json!({"ReplayName": "again"})).await;
    assert_eq!(told["State"], "COMPLETED");
    assert_eq!(count(&server).await, 2, "what is replayed is not kept anew");
}

#[tokio::test(start_paused = true)]
async fn a_long_replay_goes_on_after_a_restart_and_sends_each_event_once() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let server = with_archive(&store, json!({})).await;
    for n in 0..350 {
        put(&server, "kept", n).await;
    }
    taken(&server, &store).await;
    replay(&server, "long", 10, &[]).await;
    let told = done(&server, "DescribeReplay", json!({"ReplayName": "long"})).await;
    assert_eq!(told["State"], "RUNNING");
    drop(server);
    let server = Server::over(Arc::clone(&store), Arc::new(PausedClock::start()));
    run(&server, Duration::from_secs(1)).await;
    let told = done(&server, "DescribeReplay", json!({"ReplayName": "long"})).await;
    assert_eq!(told["State"], "COMPLETED");
    assert_eq!(server.deliveries().await.len(), 2 * 350);
    let (status, refused) = server
        .events("CancelReplay", json!({"ReplayName": "long"}))
        .await;
    assert_eq!(
        (status, &refused["__type"]),
        (400, &json!("IllegalStatusException"))
    );
}

#[tokio::test(start_paused = true)]
async fn events_go_when_their_days_are_over_and_with_their_archive() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let server = with_archive(&store, json!({"RetentionDays": 1})).await;
    put(&server, "kept", 0).await;
    run(&server, Duration::from_hours(23)).await;
    put(&server, "kept", 1).await;
    assert_eq!(count(&server).await, 2);
    run(&server, Duration::from_hours(2)).await;
    assert_eq!(count(&server).await, 1);
    done(&server, "DeleteArchive", json!({"ArchiveName": "a"})).await;
    let (status, _) = server
        .events("DescribeArchive", json!({"ArchiveName": "a"}))
        .await;
    assert_eq!(status, 400);
    let again = json!({"ArchiveName": "a", "EventSourceArn": BUS});
    done(&server, "CreateArchive", again).await;
    assert_eq!(count(&server).await, 0, "the next of its name begins empty");
}

#[tokio::test(start_paused = true)]
async fn what_a_crash_left_of_a_deleted_archive_is_not_in_the_next_of_its_name() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let server = with_archive(&store, json!({})).await;
    put(&server, "kept", 0).await;
    drop(server);
    // The archive went, and its events were to go next.
    let is_archive = |value: &[u8]| value.windows(14).any(|it| it == b"retention_days");
    assert_eq!(delete(&store, is_archive).await, 1);
    let server = Server::over(Arc::clone(&store), Arc::new(PausedClock::start()));
    let again = json!({"ArchiveName": "a", "EventSourceArn": BUS});
    done(&server, "CreateArchive", again).await;
    assert_eq!(count(&server).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_replay_sends_nothing_that_came_after_it_began() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let server = with_archive(&store, json!({})).await;
    for n in 0..150 {
        put(&server, "kept", n).await;
    }
    replay(&server, "again", 1_000_000, &[]).await;
    tokio::time::advance(Duration::from_millis(1)).await;
    // As a function does that answers what is replayed.
    for n in 150..300 {
        put(&server, "kept", n).await;
    }
    let before = server.deliveries().await.len();
    run(&server, Duration::from_secs(1)).await;
    let told = done(&server, "DescribeReplay", json!({"ReplayName": "again"})).await;
    assert_eq!(told["State"], "COMPLETED");
    // A page was sent at once; the rest went to both rules.
    assert_eq!(server.deliveries().await.len() - before, 2 * 50);
}

#[tokio::test(start_paused = true)]
async fn a_replay_goes_on_as_its_events_are_delivered() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let server = with_archive(&store, json!({})).await;
    let all = 800;
    for n in 0..all {
        put(&server, "kept", n).await;
    }
    taken(&server, &store).await;
    replay(&server, "long", 10, &[]).await;
    let mut sent = 0;
    for _ in 0..4 {
        run(&server, Duration::from_secs(1)).await;
        let waited = taken(&server, &store).await;
        // As many as may wait, and one page to both rules.
        assert!(waited <= 1_000 + 2 * 100, "{waited}");
        sent += waited;
    }
    assert_eq!(sent, 2 * all);
    let told = done(&server, "DescribeReplay", json!({"ReplayName": "long"})).await;
    assert_eq!(told["State"], "COMPLETED");
}

#[tokio::test(start_paused = true)]
async fn replays_that_wait_for_room_get_it_in_turns() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let server = with_archive(&store, json!({})).await;
    for n in 0..1_500 {
        put(&server, "kept", n).await;
    }
    taken(&server, &store).await;
    replay(&server, "long", 10, &[]).await;
    run(&server, Duration::from_secs(1)).await;
    replay(&server, "next", 10, &[]).await;
    let slowly = async {
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_millis(85)).await;
            take(&server, &store, 200).await;
        }
    };
    tokio::select! {
        _ = server.service.keep() => {}
        () = slowly => {}
    }
    for name in ["long", "next"] {
        let told = done(&server, "DescribeReplay", json!({"ReplayName": name})).await;
        assert_eq!(told["State"], "RUNNING", "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn how_much_an_archive_holds_is_known_after_a_restart_without_counting() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let restarted = || Server::over(Arc::clone(&store), Arc::new(PausedClock::start()));
    let server = with_archive(&store, json!({})).await;
    for n in 0..3 {
        put(&server, "kept", n).await;
    }
    // Three that are added to the total, and three that came since, two of them at once.
    run(&server, Duration::from_secs(1)).await;
    put(&server, "kept", 3).await;
    let entry = json!({"Source": "kept", "DetailType": "t", "Detail": "{}"});
    done(&server, "PutEvents", json!({"Entries": [entry, entry]})).await;
    let archive = done(&server, "DescribeArchive", json!({"ArchiveName": "a"})).await;
    drop(server);
    let is_event = |value: &[u8]| value.starts_with(br#"{"about":"#);
    assert_eq!(delete(&store, is_event).await, 6);
    let server = restarted();
    let again = done(&server, "DescribeArchive", json!({"ArchiveName": "a"})).await;
    assert_eq!(
        (&again["EventCount"], &again["SizeBytes"]),
        (&json!(6), &archive["SizeBytes"]),
        "nobody looked at its events"
    );
    put(&server, "kept", 4).await;
    drop(server);
    // As an earlier version left it, which has no total.
    assert!(0 < delete(&store, |value| value.starts_with(br#"{"e":"#)).await);
    let server = restarted();
    put(&server, "kept", 5).await;
    assert_eq!(count(&server).await, 2);
    run(&server, Duration::from_secs(1)).await;
    assert_eq!(count(&restarted()).await, 2);
}
