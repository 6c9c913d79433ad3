//! Mappings of queues: batches, failures, order, and how many calls run at once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use interfaces::authorize::{Authorize, Check, Denied};
use interfaces::invoke::{NotRun, Outcome, ThrottleLimit};
use model::application::Application;
use model::arn::Arn;
use model::event_source::{Answers, Mapping};
use model::ids::{FunctionName, RevisionId};
use model::principal::Principal;
use outbox::Outbox;
use serde_json::json;
use store::Store;
use store_embedded::Memory;
use test_kit::{CountingRandom, PausedClock};

use super::fake_queue::{FakeQueue, Kind};
use super::{Everybody, Function, Unread, application, fine, mapping, raised};
use crate::{Delivery, Parts};

const VISIBILITY: Duration = Duration::from_secs(30);

struct Bench {
    queue: Arc<FakeQueue>,
    function: Arc<Function>,
    authorize: Arc<dyn Authorize>,
}

impl Bench {
    fn new(kind: Kind) -> Self {
        Self {
            queue: Arc::new(FakeQueue::new(kind, VISIBILITY)),
            function: Arc::new(Function::new()),
            authorize: Arc::new(Everybody),
        }
    }

    fn delivery(&self) -> Delivery {
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        Delivery::new(Parts {
            outbox: Outbox::new(Arc::clone(&store)),
            store,
            records: Vec::new(),
            messages: vec![self.queue.clone()],
            sinks: Vec::new(),
            invoke: self.function.clone(),
            clock: Arc::new(PausedClock::start()),
            random: Arc::new(CountingRandom::default()),
            authorize: Arc::clone(&self.authorize),
            log: Arc::new(Unread),
        })
    }

    async fn run(&self, mapping: &Mapping, time: Duration) -> Vec<Vec<u64>> {
        let delivery = self.delivery();
        let application = application(std::slice::from_ref(mapping));
        delivery.swap(&application).await;
        tokio::time::sleep(time).await;
        delivery.stop().await;
        self.function.calls()
    }
}

fn of_queue() -> Mapping {
    Mapping {
        source: Arn::parse("arn:aws:sqs:us-east-1:000000000000:jobs").unwrap(),
        batch_records_max: 10,
        ..mapping()
    }
}

fn of_fifo() -> Mapping {
    Mapping {
        source: Arn::parse("arn:aws:sqs:us-east-1:000000000000:jobs.fifo").unwrap(),
        ..of_queue()
    }
}

fn numbers(calls: &[Vec<u64>]) -> Vec<u64> {
    let mut numbers: Vec<u64> = calls.iter().flatten().copied().collect();
    numbers.sort_unstable();
    numbers
}

#[tokio::test(start_paused = true)]
async fn messages_are_handled_once_and_deleted() {
    let bench = Bench::new(Kind::Standard);
    bench.queue.send(0..95);
    let calls = bench.run(&of_queue(), Duration::from_secs(20)).await;
    assert_eq!(numbers(&calls), (0..95).collect::<Vec<u64>>());
    assert_eq!(bench.queue.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_window_gathers_more_than_one_look_finds() {
    let bench = Bench::new(Kind::Standard);
    let mapping = Mapping {
        batch_records_max: 60,
        batch_window: Duration::from_secs(5),
        ..of_queue()
    };
    bench.queue.send(0..75);
    let calls = bench.run(&mapping, Duration::from_secs(20)).await;
    let sizes: Vec<usize> = calls.iter().map(Vec::len).collect();
    assert_eq!(sizes, [60, 15]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_fails_comes_back_after_the_visibility_timeout() {
    let bench = Bench::new(Kind::Standard);
    bench.queue.send(0..3);
    let failed = Mutex::new(false);
    bench.function.behave(move |_| {
        if std::mem::replace(&mut *failed.lock().unwrap(), true) {
            fine()
        } else {
            raised()
        }
    });
    let delivery = bench.delivery();
    delivery.swap(&application(&[of_queue()])).await;
    tokio::time::sleep(Duration::from_secs(25)).await;
    assert_eq!(bench.function.calls().len(), 1);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(bench.function.calls().len(), 2);
    assert_eq!(bench.queue.len(), 0);
    delivery.stop().await;
}

#[tokio::test(start_paused = true)]
async fn only_messages_that_are_reported_come_back() {
    let bench = Bench::new(Kind::Standard);
    bench.queue.send(0..4);
    let first = Mutex::new(true);
    bench.function.behave(move |_| {
        if std::mem::replace(&mut *first.lock().unwrap(), false) {
            let answer = json!({"batchItemFailures": [{"itemIdentifier": "m2"}]});
            return Ok(Outcome::Returned(answer.to_string().into()));
        }
        fine()
    });
    let mapping = Mapping {
        answers: Answers::BatchItemFailures,
        ..of_queue()
    };
    let calls = bench.run(&mapping, Duration::from_secs(60)).await;
    assert_eq!(calls, [vec![0, 1, 2, 3], vec![2]]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_names_no_message_fails_all_of_them() {
    let bench = Bench::new(Kind::Standard);
    bench.queue.send(0..2);
    bench.function.behave(|_| {
        let answer = json!({"batchItemFailures": [{"itemIdentifier": "other"}]});
        Ok(Outcome::Returned(answer.to_string().into()))
    });
    let mapping = Mapping {
        answers: Answers::BatchItemFailures,
        ..of_queue()
    };
    bench.run(&mapping, Duration::from_secs(10)).await;
    assert_eq!(bench.queue.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn messages_that_no_filter_wants_are_deleted() {
    let bench = Bench::new(Kind::Standard);
    bench.queue.send(0..30);
    let mapping = Mapping {
        filters: vec![r#"{"body": ["7", "17"]}"#.to_owned()],
        ..of_queue()
    };
    let calls = bench.run(&mapping, Duration::from_secs(10)).await;
    assert_eq!(numbers(&calls), [7, 17]);
    assert_eq!(bench.queue.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn groups_of_a_fifo_queue_stay_in_order_whatever_fails() {
    let bench = Bench::new(Kind::Fifo);
    bench.queue.send(0..60);
    let count = Mutex::new(0);
    let done = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&done);
    bench.function.behave(move |numbers| {
        let mut count = count.lock().unwrap();
        *count += 1;
        if *count % 3 == 0 {
            return raised();
        }
        seen.lock().unwrap().extend_from_slice(numbers);
        fine()
    });
    bench.run(&of_fifo(), Duration::from_secs(3_600)).await;
    let done = done.lock().unwrap();
    assert_eq!(done.len(), 60);
    for group in 0..3 {
        let of_group: Vec<u64> = done.iter().copied().filter(|it| it % 3 == group).collect();
        assert!(of_group.is_sorted(), "{of_group:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_run_at_once_than_the_mapping_allows() {
    // Five at first, and five more each second.
    for (most, expected) in [(Some(2), 2), (None, 25)] {
        let bench = Bench::new(Kind::Standard);
        bench.function.take_time(Duration::from_secs(10));
        bench.queue.send(0..400);
        let mapping = Mapping {
            concurrency_max: most,
            batch_records_max: 1,
            ..of_queue()
        };
        bench.run(&mapping, Duration::from_secs(4)).await;
        let at_once = bench.function.at_once();
        assert!(at_once <= expected && expected / 2 <= at_once, "{at_once}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_whose_function_is_throttled_is_read_less_and_less() {
    let bench = Bench::new(Kind::Standard);
    bench.queue.send(0..100);
    let begun = tokio::time::Instant::now();
    bench.function.behave(move |_| {
        if Duration::from_secs(300) < begun.elapsed() {
            return fine();
        }
        Err(NotRun::Throttled {
            function: FunctionName::new("follow"),
            limit: ThrottleLimit::ReservedConcurrency,
        })
    });
    bench.run(&of_queue(), Duration::from_secs(280)).await;
    // Five batches found it out; from then on one goes ahead at a time.
    let worn = bench.queue.receives();
    assert!(worn <= 10, "{worn}");
    let calls = bench.function.calls().len();
    assert!(calls <= 100, "{calls}");
    bench.run(&of_queue(), Duration::from_secs(300)).await;
    assert_eq!(bench.queue.len(), 0);
}

/// Refuses one action.
struct Refuses(&'static str);

impl Authorize for Refuses {
    fn authorize(&self, _principal: &Principal, checks: &[Check]) -> Result<(), Denied> {
        match checks.iter().find(|check| check.action == self.0) {
            None => Ok(()),
            Some(check) => Err(Denied {
                message: "not authorized".to_owned(),
                action: check.action.clone(),
                resource: check.resource.clone(),
                principal: "role".to_owned(),
                refusal: policy::Refusal::NotAllowed(policy::Kind::Identity),
            }),
        }
    }

    fn unique_id(&self, _principal: &Principal) -> String {
        String::new()
    }
}

#[tokio::test(start_paused = true)]
async fn a_role_that_may_not_delete_reads_nothing() {
    let mut bench = Bench::new(Kind::Standard);
    bench.authorize = Arc::new(Refuses("sqs:DeleteMessage"));
    bench.queue.send(0..3);
    let calls = bench.run(&of_queue(), Duration::from_secs(60)).await;
    assert!(calls.is_empty());
    assert_eq!(bench.queue.receives(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_function_that_is_switched_off_is_not_called_and_its_queue_not_read() {
    let bench = Bench::new(Kind::Standard);
    bench.queue.send(0..3);
    let mapping = of_queue();
    let function = model::function::Function {
        reserved_concurrency: Some(0),
        ..test_kit::function("follow")
    };
    let off = Arc::new(Application {
        functions: [(function.name.clone(), Arc::new(function))].into(),
        event_sources: vec![mapping.clone()],
        ..Application::empty(RevisionId::new("r2"))
    });
    let delivery = bench.delivery();
    delivery.swap(&off).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(bench.queue.receives(), 0);
    delivery.swap(&application(&[mapping])).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    delivery.stop().await;
    assert_eq!(bench.queue.len(), 0);
}
