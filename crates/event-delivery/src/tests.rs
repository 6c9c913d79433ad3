//! Delivery over a source and a function that a test holds in its hand. Time is tokio's: hours pass at once.

mod fake_queue;
mod queues;
mod sent;
mod simulation;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use interfaces::BoxFuture;
use interfaces::authorize::{Authorize, Check, Denied};
use interfaces::clock::Clock;
use interfaces::invoke::{
    FunctionError, FunctionErrorKind, Invocation, Invoke, NotRun, Outcome, Reply, ThrottleLimit,
    Timings,
};
use interfaces::record_source::{
    News, Position, Record, RecordLimit, RecordSource, Records, Rest, ShardName, SourceError,
};
use model::application::Application;
use model::arn::Arn;
use model::door::Callee;
use model::event_source::{Answers, Mapping, MappingState, OnError, StartingPosition};
use model::ids::{FunctionName, RevisionId};
use model::principal::Principal;
use outbox::Outbox;
use serde_json::{Value, json};
use store::Store;
use store_embedded::Memory;
use test_kit::{CountingRandom, PausedClock};

use crate::{Delivery, DeliveryLog, Event, Parts};

const SOURCE: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/things/stream/l";
const RETENTION: Duration = Duration::from_secs(24 * 3_600);

/// Shards of records: each is `{"n": number}`, and what they are about is the number's last digit.
#[derive(Default)]
struct Source {
    shards: Mutex<BTreeMap<String, Vec<Record>>>,
    closed: Mutex<bool>,
}

struct Silent;

impl News for Silent {
    fn wait(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }
}

impl Source {
    fn put(&self, shard: &str, numbers: impl IntoIterator<Item = u64>, clock: &dyn Clock) {
        let mut shards = self.shards.lock().unwrap();
        let records = shards.entry(shard.to_owned()).or_default();
        for number in numbers {
            let place = u64::try_from(records.len() + 1).unwrap();
            records.push(Record {
                position: Position(Bytes::copy_from_slice(&place.to_be_bytes())),
                sequence_number: format!("{shard}-{place}"),
                written_at: clock.now(),
                group: u32::try_from(number % 10).unwrap(),
                payload: json!({"n": number}).to_string().into(),
            });
        }
    }
}

impl RecordSource for Source {
    fn serves(&self, source: &Arn) -> bool {
        source.service == "dynamodb"
    }

    fn retention(&self, _source: &Arn) -> Duration {
        RETENTION
    }

    fn shards<'a>(
        &'a self,
        _source: &'a Arn,
    ) -> BoxFuture<'a, Result<Vec<ShardName>, SourceError>> {
        let shards = self.shards.lock().unwrap();
        let names = shards.keys().cloned().map(ShardName).collect();
        Box::pin(async { Ok(names) })
    }

    fn position<'a>(
        &'a self,
        _source: &'a Arn,
        shard: &'a ShardName,
        start: StartingPosition,
    ) -> BoxFuture<'a, Result<Position, SourceError>> {
        let place = match start {
            StartingPosition::TrimHorizon | StartingPosition::AtTimestamp(_) => 0,
            StartingPosition::Latest => self.shards.lock().unwrap()[&shard.0].len(),
        };
        let place = u64::try_from(place).unwrap();
        Box::pin(async move { Ok(Position(Bytes::copy_from_slice(&place.to_be_bytes()))) })
    }

    fn read<'a>(
        &'a self,
        _source: &'a Arn,
        shard: &'a ShardName,
        after: &'a Position,
        limit: RecordLimit,
    ) -> BoxFuture<'a, Result<Records, SourceError>> {
        let shards = self.shards.lock().unwrap();
        let all = shards[&shard.0].iter();
        let later: Vec<Record> = all.filter(|it| *after < it.position).cloned().collect();
        let records: Vec<Record> = later.iter().take(limit.records_max).cloned().collect();
        let next = records
            .last()
            .map_or(after.clone(), |it| it.position.clone());
        let rest = match (records.len() < later.len(), *self.closed.lock().unwrap()) {
            (true, _) => Rest::More,
            (false, false) => Rest::NothingYet,
            (false, true) => Rest::Ended,
        };
        Box::pin(async move {
            Ok(Records {
                records,
                next,
                rest,
            })
        })
    }

    fn news(&self, _source: &Arn) -> Box<dyn News> {
        Box::new(Silent)
    }
}

/// What the function answers to a batch of numbers.
type Behaviour = Box<dyn Fn(&[u64]) -> Result<Outcome, NotRun> + Send + Sync>;

struct Function {
    calls: Mutex<Vec<Vec<u64>>>,
    behaviour: Mutex<Behaviour>,
    takes: Mutex<Duration>,
    /// Calls that run, and the most that ever did.
    running: Mutex<(usize, usize)>,
}

impl Function {
    fn new() -> Self {
        Self {
            calls: Mutex::default(),
            behaviour: Mutex::new(Box::new(|_| fine())),
            takes: Mutex::new(Duration::from_millis(10)),
            running: Mutex::default(),
        }
    }

    fn calls(&self) -> Vec<Vec<u64>> {
        self.calls.lock().unwrap().clone()
    }

    fn behave(
        &self,
        behaviour: impl Fn(&[u64]) -> Result<Outcome, NotRun> + Send + Sync + 'static,
    ) {
        *self.behaviour.lock().unwrap() = Box::new(behaviour);
    }

    fn take_time(&self, time: Duration) {
        *self.takes.lock().unwrap() = time;
    }

    fn at_once(&self) -> usize {
        self.running.lock().unwrap().1
    }
}

impl Invoke for Function {
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'_, Result<Reply, NotRun>> {
        let event: Value = serde_json::from_slice(&invocation.payload).unwrap();
        let records = event["Records"].as_array().unwrap().iter();
        let numbers: Vec<u64> = records.map(|it| it["n"].as_u64().unwrap()).collect();
        let outcome = (self.behaviour.lock().unwrap())(&numbers);
        self.calls.lock().unwrap().push(numbers);
        let takes = *self.takes.lock().unwrap();
        Box::pin(async move {
            {
                let mut running = self.running.lock().unwrap();
                running.0 += 1;
                running.1 = running.1.max(running.0);
            }
            // A function takes its time.
            tokio::time::sleep(takes).await;
            self.running.lock().unwrap().0 -= 1;
            Ok(Reply {
                outcome: outcome?,
                timings: Timings::default(),
                log_tail: Bytes::new(),
                executed_version: "$LATEST".to_owned(),
            })
        })
    }
}

fn fine() -> Result<Outcome, NotRun> {
    Ok(Outcome::Returned(Bytes::from_static(b"null")))
}

fn raised() -> Result<Outcome, NotRun> {
    Ok(Outcome::Failed(FunctionError {
        kind: FunctionErrorKind::Raised,
        payload: Bytes::from_static(b"{}"),
    }))
}

/// Everybody may do everything.
struct Everybody;

impl Authorize for Everybody {
    fn authorize(&self, _principal: &Principal, _checks: &[Check]) -> Result<(), Denied> {
        Ok(())
    }

    fn unique_id(&self, _principal: &Principal) -> String {
        String::new()
    }
}

struct Unread;

impl DeliveryLog for Unread {
    fn record(&self, _event: Event) {}
}

/// An application with these mappings, whose functions are those that they name.
fn application(mappings: &[Mapping]) -> Arc<Application> {
    let functions = mappings.iter().map(|mapping| {
        let name = mapping.callee.function.clone();
        (name.clone(), Arc::new(test_kit::function(name.as_str())))
    });
    Arc::new(Application {
        functions: functions.collect(),
        event_sources: mappings.to_vec(),
        ..Application::empty(RevisionId::new("r1"))
    })
}

struct Bench {
    source: Arc<Source>,
    function: Arc<Function>,
    store: Arc<dyn Store>,
    clock: Arc<PausedClock>,
    told: Arc<sent::Sink>,
}

impl Bench {
    fn new() -> Self {
        let source = Arc::new(Source::default());
        let clock = Arc::new(PausedClock::start());
        source.put("a", [], clock.as_ref());
        Self {
            source,
            function: Arc::new(Function::new()),
            store: Arc::new(Memory::new()),
            clock,
            told: Arc::new(sent::Sink::new()),
        }
    }

    fn delivery(&self) -> Delivery {
        Delivery::new(Parts {
            store: Arc::clone(&self.store),
            outbox: Outbox::new(Arc::clone(&self.store)),
            records: vec![self.source.clone()],
            messages: Vec::new(),
            sinks: vec![self.told.clone()],
            invoke: self.function.clone(),
            clock: self.clock.clone(),
            random: Arc::new(CountingRandom::default()),
            authorize: Arc::new(Everybody),
            log: Arc::new(Unread),
        })
    }

    fn put(&self, numbers: impl IntoIterator<Item = u64>) {
        self.source.put("a", numbers, self.clock.as_ref());
    }

    /// Delivers by this mapping for a while, then ends in order.
    async fn run(&self, mapping: &Mapping, time: Duration) -> Vec<Vec<u64>> {
        let delivery = self.delivery();
        delivery
            .swap(&application(std::slice::from_ref(mapping)))
            .await;
        tokio::time::sleep(time).await;
        delivery.stop().await;
        self.function.calls()
    }
}

pub(crate) fn mapping() -> Mapping {
    Mapping {
        id: "m".to_owned(),
        source: Arn::parse(SOURCE).unwrap(),
        callee: Callee::unqualified(FunctionName::new("follow")),
        state: MappingState::Enabled,
        start: StartingPosition::TrimHorizon,
        batch_records_max: 3,
        batch_window: Duration::ZERO,
        parallelization: 1,
        on_error: OnError::RetryWhole,
        retries_max: None,
        record_age_max: None,
        answers: Answers::Ignored,
        concurrency_max: None,
        on_failure: None,
        filters: Vec::new(),
    }
}

const A_WHILE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn batches_are_as_large_as_asked_for_and_in_order() {
    let bench = Bench::new();
    bench.put(1..=7);
    let calls = bench.run(&mapping(), A_WHILE).await;
    assert_eq!(calls, [vec![1, 2, 3], vec![4, 5, 6], vec![7]]);
}

#[tokio::test(start_paused = true)]
async fn what_was_delivered_is_not_delivered_again_by_the_next_process() {
    let bench = Bench::new();
    bench.put(1..=3);
    bench.run(&mapping(), A_WHILE).await;
    bench.put(4..=5);
    let calls = bench.run(&mapping(), A_WHILE).await;
    assert_eq!(calls, [vec![1, 2, 3], vec![4, 5]]);
}

#[tokio::test(start_paused = true)]
async fn latest_begins_with_what_is_written_after_the_mapping_was_there() {
    let bench = Bench::new();
    bench.put(1..=3);
    let delivery = bench.delivery();
    let latest = Mapping {
        start: StartingPosition::Latest,
        ..mapping()
    };
    delivery.swap(&application(&[latest])).await;
    bench.put(4..=5);
    tokio::time::sleep(A_WHILE).await;
    delivery.stop().await;
    assert_eq!(bench.function.calls(), [vec![4, 5]]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_waits_for_more_as_long_as_its_window_says() {
    let bench = Bench::new();
    let slow = Mapping {
        batch_window: Duration::from_secs(30),
        batch_records_max: 100,
        ..mapping()
    };
    bench.put([1]);
    let delivery = bench.delivery();
    delivery.swap(&application(&[slow])).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    bench.put([2]);
    assert!(bench.function.calls().is_empty());
    tokio::time::sleep(Duration::from_secs(20)).await;
    delivery.stop().await;
    assert_eq!(bench.function.calls(), [vec![1, 2]]);
}

#[tokio::test(start_paused = true)]
async fn records_that_no_filter_wants_are_passed_over() {
    let bench = Bench::new();
    bench.put(1..=20);
    let filtered = Mapping {
        filters: vec![
            r#"{"n": [{"numeric": [">", 18]}]}"#.to_owned(),
            r#"{"n": [4]}"#.to_owned(),
        ],
        ..mapping()
    };
    let calls = bench.run(&filtered, A_WHILE).await;
    assert_eq!(calls, [vec![4, 19, 20]]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_fails_is_tried_until_it_succeeds_and_nothing_overtakes_it() {
    let bench = Bench::new();
    bench.put(1..=4);
    let left = Mutex::new(3);
    bench.function.behave(move |_| {
        let mut left = left.lock().unwrap();
        if *left == 0 {
            return fine();
        }
        *left -= 1;
        raised()
    });
    let calls = bench.run(&mapping(), A_WHILE).await;
    let first = vec![1, 2, 3];
    assert_eq!(
        calls,
        [first.clone(), first.clone(), first.clone(), first, vec![4]]
    );
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_given_up_after_its_retries() {
    let bench = Bench::new();
    bench.put(1..=4);
    bench.function.behave(|numbers| {
        if numbers.contains(&2) {
            raised()
        } else {
            fine()
        }
    });
    let twice = Mapping {
        retries_max: Some(2),
        ..mapping()
    };
    let calls = bench.run(&twice, A_WHILE).await;
    let first = vec![1, 2, 3];
    assert_eq!(calls, [first.clone(), first.clone(), first, vec![4]]);
}

#[tokio::test(start_paused = true)]
async fn a_destination_is_told_where_a_batch_lies_that_was_given_up() {
    let bench = Bench::new();
    bench.put(1..=4);
    bench.function.behave(|numbers| {
        if numbers.contains(&2) {
            raised()
        } else {
            fine()
        }
    });
    let told = Mapping {
        retries_max: Some(1),
        on_failure: Some(sent::queue("told")),
        ..mapping()
    };
    bench.run(&told, A_WHILE).await;
    let bodies = bench.told.bodies("told");
    let [record] = bodies.as_slice() else {
        panic!("{bodies:?}");
    };
    let record: Value = serde_json::from_str(record).unwrap();
    assert_eq!(
        record,
        json!({
            "requestContext": {
                "requestId": record["requestContext"]["requestId"],
                "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:follow",
                "condition": "RetryAttemptsExhausted",
                "approximateInvokeCount": 2,
            },
            "responseContext": {
                "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled",
            },
            "version": "1.0",
            "timestamp": record["timestamp"],
            "DDBStreamBatchInfo": {
                "shardId": "a",
                "startSequenceNumber": "a-1",
                "endSequenceNumber": "a-3",
                "approximateArrivalOfFirstRecord": "1970-01-01T00:00:00Z",
                "approximateArrivalOfLastRecord": "1970-01-01T00:00:00Z",
                "batchSize": 3,
                "streamArn": SOURCE,
            },
        })
    );
}

#[tokio::test(start_paused = true)]
async fn splitting_finds_the_record_that_fails() {
    let bench = Bench::new();
    bench.put(1..=8);
    bench.function.behave(|numbers| {
        if numbers.contains(&6) {
            raised()
        } else {
            fine()
        }
    });
    let bisecting = Mapping {
        batch_records_max: 8,
        on_error: OnError::Bisect,
        retries_max: Some(1),
        ..mapping()
    };
    let calls = bench.run(&bisecting, A_WHILE).await;
    let expected = [
        (1..=8).collect::<Vec<u64>>(),
        vec![1, 2, 3, 4],
        vec![5, 6, 7, 8],
        vec![5, 6],
        vec![5],
        vec![6],
        vec![6],
        vec![7, 8],
    ];
    assert_eq!(calls, expected);
}

#[tokio::test(start_paused = true)]
async fn records_before_the_first_reported_failure_are_done() {
    let bench = Bench::new();
    bench.put(1..=3);
    let failed = Mutex::new(false);
    bench.function.behave(move |_| {
        let mut failed = failed.lock().unwrap();
        if std::mem::replace(&mut *failed, true) {
            return fine();
        }
        let answer = json!({"batchItemFailures": [{"itemIdentifier": "a-2"}]});
        Ok(Outcome::Returned(answer.to_string().into()))
    });
    let reporting = Mapping {
        answers: Answers::BatchItemFailures,
        ..mapping()
    };
    let calls = bench.run(&reporting, A_WHILE).await;
    assert_eq!(calls, [vec![1, 2, 3], vec![2, 3]]);
}

#[tokio::test(start_paused = true)]
async fn being_throttled_is_no_attempt() {
    let bench = Bench::new();
    bench.put([1]);
    let left = Mutex::new(10);
    bench.function.behave(move |_| {
        let mut left = left.lock().unwrap();
        if *left == 0 {
            return fine();
        }
        *left -= 1;
        Err(NotRun::Throttled {
            function: FunctionName::new("follow"),
            limit: ThrottleLimit::ReservedConcurrency,
        })
    });
    let once = Mapping {
        retries_max: Some(0),
        ..mapping()
    };
    let calls = bench.run(&once, Duration::from_secs(600)).await;
    assert_eq!(calls.len(), 11);
}

#[tokio::test(start_paused = true)]
async fn records_that_grow_too_old_are_dropped() {
    let bench = Bench::new();
    bench.put([1]);
    bench
        .function
        .behave(|numbers| if numbers == [1] { raised() } else { fine() });
    let brief = Mapping {
        record_age_max: Some(Duration::from_secs(60)),
        ..mapping()
    };
    let delivery = bench.delivery();
    delivery.swap(&application(&[brief])).await;
    tokio::time::sleep(Duration::from_secs(50)).await;
    bench.put([2]);
    tokio::time::sleep(Duration::from_secs(100)).await;
    delivery.stop().await;
    let calls = bench.function.calls();
    assert_eq!(calls.last(), Some(&vec![2]));
    assert!(calls.iter().filter(|call| **call == [1]).count() > 3);
}

#[tokio::test(start_paused = true)]
async fn lanes_keep_the_order_of_what_they_are_about() {
    let bench = Bench::new();
    bench.put(0..100);
    let wide = Mapping {
        parallelization: 4,
        batch_records_max: 5,
        ..mapping()
    };
    let calls = bench.run(&wide, A_WHILE).await;
    let order: Vec<u64> = calls.into_iter().flatten().collect();
    assert_eq!(order.len(), 100);
    for digit in 0..10 {
        let of_digit: Vec<u64> = order
            .iter()
            .copied()
            .filter(|it| it % 10 == digit)
            .collect();
        assert!(of_digit.is_sorted(), "{of_digit:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_number_of_lanes_goes_on_where_the_slowest_was() {
    let bench = Bench::new();
    bench.put(0..10);
    bench.run(&mapping(), A_WHILE).await;
    bench.put(10..20);
    let wide = Mapping {
        parallelization: 3,
        ..mapping()
    };
    bench.run(&wide, A_WHILE).await;
    bench.put(20..30);
    let calls = bench.run(&mapping(), A_WHILE).await;
    let mut order: Vec<u64> = calls.into_iter().flatten().collect();
    order.sort_unstable();
    assert_eq!(order, (0..30).collect::<Vec<u64>>());
}

#[tokio::test(start_paused = true)]
async fn a_mapping_that_is_switched_off_keeps_its_place() {
    let bench = Bench::new();
    bench.put([1]);
    let delivery = bench.delivery();
    delivery.swap(&application(&[mapping()])).await;
    tokio::time::sleep(A_WHILE).await;
    let off = Mapping {
        state: MappingState::Disabled,
        ..mapping()
    };
    delivery.swap(&application(&[off])).await;
    tokio::time::sleep(A_WHILE).await;
    bench.put([2]);
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(bench.function.calls(), [vec![1]]);
    delivery.swap(&application(&[mapping()])).await;
    tokio::time::sleep(A_WHILE).await;
    delivery.stop().await;
    assert_eq!(bench.function.calls(), [vec![1], vec![2]]);
}

#[tokio::test(start_paused = true)]
async fn another_revision_ends_the_wait_for_a_retry() {
    let bench = Bench::new();
    bench.put([1]);
    bench.function.behave(|_| raised());
    let delivery = bench.delivery();
    delivery.swap(&application(&[mapping()])).await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    bench.function.behave(|_| fine());
    let before = bench.function.calls().len();
    delivery.swap(&application(&[mapping()])).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(bench.function.calls().len(), before + 1);
    delivery.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_closed_shard_is_read_to_its_end() {
    let bench = Bench::new();
    bench.put(1..=4);
    *bench.source.closed.lock().unwrap() = true;
    let calls = bench.run(&mapping(), A_WHILE).await;
    assert_eq!(calls, [vec![1, 2, 3], vec![4]]);
}

/// Every process is cut off after a random time; the function fails now and then. Nothing may be lost.
#[tokio::test(start_paused = true)]
async fn nothing_is_lost_whenever_the_process_ends() {
    for seed in 0..50_u64 {
        let bench = Bench::new();
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut draw = move |below: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below
        };
        let done = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&done);
        let verdicts = Mutex::new((0..10_000).map(|_| draw(4)).collect::<VecDeque<u64>>());
        bench.function.behave(move |numbers| {
            if verdicts.lock().unwrap().pop_front() == Some(0) {
                return raised();
            }
            seen.lock().unwrap().extend_from_slice(numbers);
            fine()
        });
        let mut draw = {
            let mut state = seed + 7;
            move |below: u64| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                (state >> 33) % below
            }
        };
        let mut written = 0;
        for _process in 0..6 {
            let factor = usize::try_from(1 + draw(3)).unwrap();
            let mapping = Mapping {
                parallelization: factor,
                on_error: if draw(2) == 0 {
                    OnError::Bisect
                } else {
                    OnError::RetryWhole
                },
                ..mapping()
            };
            let delivery = bench.delivery();
            delivery.swap(&application(&[mapping])).await;
            let more = draw(20);
            bench.put(written..written + more);
            written += more;
            tokio::time::sleep(Duration::from_millis(draw(3_000))).await;
            // Cut off in the middle of whatever it does.
            drop(delivery);
        }
        bench.run(&mapping(), Duration::from_secs(3_600)).await;
        let mut done = done.lock().unwrap().clone();
        let mut last: BTreeMap<u64, u64> = BTreeMap::new();
        for number in &done {
            let before = last.insert(number % 10, *number);
            // A record may come again, but none is left out before a later one of what it is about.
            if let Some(before) = before {
                assert!(
                    *number <= before + 10,
                    "seed {seed}: {number} after {before}"
                );
            }
        }
        done.sort_unstable();
        done.dedup();
        assert_eq!(done, (0..written).collect::<Vec<u64>>(), "seed {seed}");
    }
}
