//! Schedules that fire: on time, once, also over crashes and downtime.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Method;
use interfaces::clock::Clock;
use model::delivery::{SenderPrincipal, Target};
use model::time::Timestamp;
use serde_json::{Value, json};
use store::{
    Batch, BoxFuture, Bytes, CommitError, Direction, Page, PageLimit, Range, ReadError, Store,
    Versionstamp,
};
use store_embedded::Memory;
use test_kit::{PausedClock, StoppedClock};

use super::{QUEUE, ROLE, Server, body};

const FIVE_MINUTES: &str = "rate(5 minutes)";

fn schedule(expression: &str, more: Value) -> Value {
    let mut schedule = json!({
        "ScheduleExpression": expression,
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {"Arn": QUEUE, "RoleArn": ROLE, "Input": "<aws.scheduler.scheduled-time>"},
    });
    for (name, value) in more.as_object().unwrap() {
        schedule[name] = value.clone();
    }
    schedule
}

/// Lets the schedules run for so long.
async fn run(server: &Server, minutes: u64) {
    let time = Duration::from_secs(minutes * 60 + 1);
    let _ = tokio::time::timeout(time, server.service.keep()).await;
}

async fn times(server: &Server) -> Vec<String> {
    let deliveries = server.deliveries().await;
    let text = |delivery: &model::delivery::Delivery| {
        String::from_utf8_lossy(&delivery.message.body).into_owned()
    };
    deliveries.iter().map(text).collect()
}

#[tokio::test(start_paused = true)]
async fn a_rule_fires_at_its_rate_with_the_clouds_event() {
    let server = Server::over(Arc::new(Memory::new()), Arc::new(PausedClock::start()));
    let rule = json!({"Name": "tick", "ScheduleExpression": FIVE_MINUTES});
    server.rule(rule, json!({"Id": "1", "Arn": QUEUE})).await;
    run(&server, 60).await;
    let deliveries = server.deliveries().await;
    let at = |delivery| body(delivery)["time"].as_str().unwrap().to_owned();
    let times: Vec<String> = deliveries.iter().map(at).collect();
    let minutes = (1..=12).map(|round| match round * 5 {
        60 => "1970-01-01T01:00:00Z".to_owned(),
        minute => format!("1970-01-01T00:{minute:02}:00Z"),
    });
    assert_eq!(times, minutes.collect::<Vec<_>>());
    let first = &deliveries[0];
    let event = body(first);
    assert_eq!(
        event,
        json!({
            "version": "0", "id": event["id"], "detail-type": "Scheduled Event", "source": "aws.events",
            "account": "000000000000", "time": "1970-01-01T00:05:00Z", "region": "us-east-1",
            "resources": ["arn:aws:events:us-east-1:000000000000:rule/tick"], "detail": {},
        })
    );
    assert_eq!(first.target.arn().unwrap().to_string(), QUEUE);
    assert_eq!(
        first.sender.principal,
        SenderPrincipal::Service("events.amazonaws.com".to_owned())
    );
    assert_eq!(
        (first.retries.retries_max, first.retries.age_max),
        (185, Duration::from_hours(24))
    );
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_is_put_again_as_it_was_keeps_its_time() {
    let server = Server::over(Arc::new(Memory::new()), Arc::new(PausedClock::start()));
    let rule = || json!({"Name": "tick", "ScheduleExpression": FIVE_MINUTES});
    let target = || json!({"Id": "1", "Arn": QUEUE, "Input": "\"x\""});
    server.rule(rule(), target()).await;
    tokio::time::sleep(Duration::from_mins(4)).await;
    server.rule(rule(), target()).await;
    run(&server, 1).await;
    assert_eq!(times(&server).await, ["\"x\""]);
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_is_off_does_not_fire_and_counts_anew_when_it_is_on() {
    let server = Server::over(Arc::new(Memory::new()), Arc::new(PausedClock::start()));
    let rule = json!({"Name": "tick", "ScheduleExpression": FIVE_MINUTES, "State": "DISABLED"});
    server.rule(rule, json!({"Id": "1", "Arn": QUEUE})).await;
    run(&server, 20).await;
    assert!(server.deliveries().await.is_empty());
    server.events("EnableRule", json!({"Name": "tick"})).await;
    run(&server, 5).await;
    assert_eq!(server.deliveries().await.len(), 1);
    server.events("DisableRule", json!({"Name": "tick"})).await;
    run(&server, 20).await;
    assert_eq!(server.deliveries().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_fell_due_while_nobody_was_there_fires_once() {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    let clock: Arc<dyn Clock> = Arc::new(PausedClock::start());
    let server = Server::over(Arc::clone(&store), Arc::clone(&clock));
    let rule = json!({"Name": "tick", "ScheduleExpression": FIVE_MINUTES});
    server.rule(rule, json!({"Id": "1", "Arn": QUEUE})).await;
    let once = schedule("at(1970-01-01T00:30:00)", json!({}));
    server
        .scheduler(Method::POST, "/schedules/once", once)
        .await;
    run(&server, 10).await;
    assert_eq!(server.deliveries().await.len(), 2);
    drop(server);
    tokio::time::sleep(Duration::from_mins(61)).await;
    let server = Server::over(store, clock);
    run(&server, 1).await;
    assert_eq!(
        server.deliveries().await.len(),
        4,
        "the rule and the schedule, each once"
    );
    run(&server, 5).await;
    assert_eq!(
        server.deliveries().await.len(),
        5,
        "the rule goes on at its grid"
    );
    let last = server.deliveries().await.pop().unwrap();
    assert_eq!(body(&last)["time"], "1970-01-01T01:15:00Z");
}

#[tokio::test(start_paused = true)]
async fn a_schedule_keeps_to_its_zone_its_dates_and_its_end() {
    let server = Server::over(Arc::new(Memory::new()), Arc::new(PausedClock::start()));
    for (name, expression, more) in [
        (
            "zone",
            "cron(0 9 * * ? *)",
            json!({"ScheduleExpressionTimezone": "Europe/Berlin"}),
        ),
        (
            "dates",
            "rate(6 hours)",
            json!({"StartDate": 36_000, "EndDate": 80_000}),
        ),
        // Without a start, a rate begins at once.
        ("rate", "rate(20 hours)", json!({})),
        ("off", "rate(1 minute)", json!({"State": "DISABLED"})),
        ("past", "at(1969-01-01T00:00:00)", json!({})),
    ] {
        let path = format!("/schedules/{name}");
        let (status, answer) = server
            .scheduler(Method::POST, &path, schedule(expression, more))
            .await;
        assert_eq!(status, 200, "{answer}");
        let mut target = schedule(expression, json!({}))["Target"].clone();
        target["Input"] = format!("{name} <aws.scheduler.scheduled-time>").into();
        let (_, mut there) = server.scheduler(Method::GET, &path, Value::Null).await;
        there["Target"] = target;
        let (status, answer) = server.scheduler(Method::PUT, &path, there).await;
        assert_eq!(status, 200, "{answer}");
    }
    run(&server, 47 * 60).await;
    let fired = times(&server).await;
    let of = |name: &str| -> Vec<String> {
        let mine = fired.iter().filter_map(|text| text.strip_prefix(name));
        mine.map(|time| time.trim().to_owned()).collect()
    };
    assert_eq!(of("zone"), ["1970-01-01T08:00:00Z", "1970-01-02T08:00:00Z"]);
    assert_eq!(
        of("dates"),
        [
            "1970-01-01T10:00:00Z",
            "1970-01-01T16:00:00Z",
            "1970-01-01T22:00:00Z"
        ]
    );
    assert_eq!(
        of("rate"),
        [
            "1970-01-01T00:00:00Z",
            "1970-01-01T20:00:00Z",
            "1970-01-02T16:00:00Z"
        ]
    );
    assert!(of("off").is_empty() && of("past").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_schedule_that_is_done_goes_if_it_is_to() {
    let server = Server::over(Arc::new(Memory::new()), Arc::new(PausedClock::start()));
    for (name, after) in [("goes", "DELETE"), ("stays", "NONE")] {
        let once = schedule(
            "at(1970-01-01T00:01:00)",
            json!({"ActionAfterCompletion": after}),
        );
        let path = format!("/schedules/{name}");
        server.scheduler(Method::POST, &path, once).await;
    }
    run(&server, 120).await;
    assert_eq!(server.deliveries().await.len(), 2);
    let get = async |name: &str| {
        let path = format!("/schedules/{name}");
        server.scheduler(Method::GET, &path, Value::Null).await.0
    };
    assert_eq!((get("goes").await, get("stays").await), (404, 200));
}

#[tokio::test(start_paused = true)]
async fn a_flexible_schedule_fires_within_its_window() {
    let clock = Arc::new(PausedClock::start());
    let server = Server::over(Arc::new(Memory::new()), clock);
    let window = json!({"FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}});
    let flexible = schedule("cron(0 * * * ? *)", window);
    server
        .scheduler(Method::POST, "/schedules/flexible", flexible)
        .await;
    run(&server, 4 * 60 + 15).await;
    let deliveries = server.deliveries().await;
    assert_eq!(deliveries.len(), 5);
    for (hour, delivery) in (0_i64..).zip(&deliveries) {
        let late = delivery.accepted_at.epoch_s() - hour * 3_600;
        assert!((0..=900).contains(&late), "{late}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_schedule_can_be_made_to_fire_and_keeps_its_time() {
    let server = Server::over(Arc::new(Memory::new()), Arc::new(PausedClock::start()));
    let function = "arn:aws:lambda:us-east-1:000000000000:function:report";
    let rule = json!({"Name": "tick", "ScheduleExpression": "rate(1 day)"});
    server.rule(rule, json!({"Id": "1", "Arn": function})).await;
    for wanted in ["tick", "report"] {
        let (status, answer) = server
            .events("CloudlessFire", json!({"Name": wanted}))
            .await;
        assert_eq!(
            (status, answer["Fired"].as_array().unwrap().len()),
            (200, 1)
        );
    }
    let (status, _) = server
        .events("CloudlessFire", json!({"Name": "other"}))
        .await;
    assert_eq!((status, server.deliveries().await.len()), (400, 2));
    run(&server, 24 * 60).await;
    assert_eq!(server.deliveries().await.len(), 3);
}

/// A clock that moves whenever it is looked at, as real ones do.
struct Moving(PausedClock, AtomicUsize);

impl Clock for Moving {
    fn now(&self) -> Timestamp {
        let looks = self.1.fetch_add(1, Ordering::Relaxed);
        let looks = u64::try_from(looks).unwrap_or_default();
        self.0.now().plus(Duration::from_micros(looks))
    }

    fn instant(&self) -> std::time::Instant {
        self.0.instant()
    }
}

#[tokio::test(start_paused = true)]
async fn a_rate_begins_at_once_also_when_time_goes_on_meanwhile() {
    let clock = Moving(PausedClock::start(), AtomicUsize::new(0));
    let server = Server::over(Arc::new(Memory::new()), Arc::new(clock));
    let rate = schedule("rate(1 hour)", json!({}));
    server
        .scheduler(Method::POST, "/schedules/rate", rate)
        .await;
    run(&server, 1).await;
    assert_eq!(server.deliveries().await.len(), 1);
}

/// A store whose process dies at its n-th commit: before it, or right after it.
struct Dying {
    store: Arc<Memory>,
    commits: AtomicUsize,
    dies_at: usize,
    is_applied: bool,
}

impl Store for Dying {
    fn get<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Bytes>, ReadError>> {
        self.store.get(key)
    }

    fn scan<'a>(
        &'a self,
        range: &'a Range,
        direction: Direction,
        limit: PageLimit,
    ) -> BoxFuture<'a, Result<Page, ReadError>> {
        self.store.scan(range, direction, limit)
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Versionstamp, CommitError>> {
        let number = self.commits.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            if number < self.dies_at {
                return self.store.commit(batch).await;
            }
            if number == self.dies_at && self.is_applied {
                self.store.commit(batch).await?;
            }
            // Nobody ever hears of it.
            std::future::pending().await
        })
    }
}

#[tokio::test(start_paused = true)]
async fn each_time_comes_to_one_delivery_wherever_the_process_dies() {
    for dies_at in 0..12 {
        for is_applied in [false, true] {
            let memory = Arc::new(Memory::new());
            let clock: Arc<dyn Clock> = Arc::new(PausedClock::start());
            let server = Server::over(memory.clone(), Arc::clone(&clock));
            let rule = json!({"Name": "tick", "ScheduleExpression": "rate(1 minute)"});
            server.rule(rule, json!({"Id": "1", "Arn": QUEUE})).await;
            drop(server);
            let dying = Arc::new(Dying {
                store: memory.clone(),
                commits: AtomicUsize::new(0),
                dies_at,
                is_applied,
            });
            let server = Server::over(dying, Arc::clone(&clock));
            let (_, listed) = server.events("ListRules", json!({})).await;
            assert_eq!(listed["Rules"].as_array().unwrap().len(), 1);
            // It dies at some minute, and is started again within the next.
            let minute = u64::try_from(dies_at).unwrap() + 1;
            let time = Duration::from_secs(minute * 60 + 30);
            let _ = tokio::time::timeout(time, server.service.keep()).await;
            drop(server);
            let server = Server::over(memory, clock);
            run(&server, 3).await;
            let deliveries = server.deliveries().await;
            let times: Vec<_> = deliveries
                .iter()
                .map(|delivery| body(delivery)["time"].clone())
                .collect();
            let mut once = times.clone();
            once.dedup();
            assert_eq!(times, once, "no time twice");
            assert_eq!(
                times.len(),
                dies_at + 4,
                "no time is lost: {dies_at} {is_applied}"
            );
        }
    }
}

#[tokio::test]
async fn targets_of_schedules_that_are_not_served_are_refused_by_name() {
    let clock = StoppedClock::at(Timestamp::from_micros(0));
    let server = Server::over(Arc::new(Memory::new()), Arc::new(clock));
    for (target, message) in [
        (
            json!({"Arn": "arn:aws:scheduler:::aws-sdk:sqs:sendMessage", "RoleArn": ROLE}),
            "a universal target (aws-sdk) is not implemented by Cloudless yet",
        ),
        (
            json!({"Arn": "arn:aws:states:us-east-1:000000000000:stateMachine:m", "RoleArn": ROLE}),
            "a target of the service states is not implemented by Cloudless yet",
        ),
        (
            json!({"Arn": "arn:aws:kinesis:us-east-1:000000000000:stream/s", "RoleArn": ROLE}),
            "KinesisParameters.PartitionKey must be specified for the target arn:aws:kinesis:us-east-1:000000000000:stream/s.",
        ),
        (
            json!({"Arn": QUEUE}),
            "1 validation error detected: Value null at 'target.roleArn' failed to satisfy constraint: Member must not be null",
        ),
    ] {
        let wish = schedule("rate(1 hour)", json!({"Target": target}));
        let (status, answer) = server.scheduler(Method::POST, "/schedules/s", wish).await;
        assert_eq!(
            (status, answer["Message"].as_str().unwrap()),
            (400, message)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_schedule_for_a_bus_or_a_stream_says_what_its_parameters_say() {
    let server = Server::over(Arc::new(Memory::new()), Arc::new(PausedClock::start()));
    let bus = json!({"Target": {
        "Arn": "arn:aws:events:us-east-1:000000000000:event-bus/default", "RoleArn": ROLE, "Input": "{\"a\": 1}",
        "EventBridgeParameters": {"DetailType": "t", "Source": "s"},
    }});
    let stream = json!({"Target": {
        "Arn": "arn:aws:kinesis:us-east-1:000000000000:stream/s", "RoleArn": ROLE,
        "KinesisParameters": {"PartitionKey": "p"},
        "DeadLetterConfig": {"Arn": QUEUE}, "RetryPolicy": {"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 60},
    }});
    for (name, target) in [("bus", bus), ("stream", stream)] {
        let once = schedule("at(1970-01-01T00:01:00)", target);
        let path = format!("/schedules/{name}");
        assert_eq!(server.scheduler(Method::POST, &path, once).await.0, 200);
    }
    run(&server, 2).await;
    let deliveries = server.deliveries().await;
    let entry: Value =
        serde_json::from_str(deliveries[0].message.entry.as_deref().unwrap()).unwrap();
    assert_eq!(
        (&entry["source"], &entry["detail-type"]),
        (&json!("s"), &json!("t"))
    );
    let stream = &deliveries[1];
    assert_eq!(stream.message.group.as_deref(), Some("p"));
    assert_eq!(
        (stream.retries.retries_max, stream.retries.age_max),
        (3, Duration::from_mins(1))
    );
    assert_eq!(stream.dead_letters.as_ref().unwrap().to_string(), QUEUE);
    let default = body(stream);
    assert_eq!(
        (&default["source"], &default["detail"]),
        (&json!("aws.scheduler"), &json!("{}"))
    );
    assert!(matches!(stream.target, Target::Resource(_)));
}
