//! What services sent, on its way to sinks and functions that a test holds in its hand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use interfaces::BoxFuture;
use interfaces::authorize::{Authorize, Check, Denied};
use interfaces::event_sink::{EventSink, SinkError};
use interfaces::invoke::{Invocation, Invoke, NotRun, Outcome, Reply, ThrottleLimit, Timings};
use model::application::Application;
use model::arn::Arn;
use model::asynchronous::EventInvoke;
use model::delivery::{Delivery as Sent, Message, Retries, Sender, SenderPrincipal, Target};
use model::function::LATEST;
use model::ids::{AccountId, FunctionName, RevisionId};
use model::principal::Principal;
use outbox::Outbox;
use serde_json::{Value, json};
use store::{Direction, PageLimit, Range, Store};
use store_embedded::Memory;
use test_kit::{CountingRandom, PausedClock};

use super::{Everybody, raised};
use crate::{Delivery, DeliveryLog, Event, EventResult, Parts};

const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:work";
const DEAD: &str = "arn:aws:sqs:us-east-1:000000000000:dead";
const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:news";

pub(super) fn queue(name: &str) -> Arn {
    Arn::parse(&format!("arn:aws:sqs:us-east-1:000000000000:{name}")).unwrap()
}

type Verdict = Box<dyn Fn(&str, &Message) -> Result<(), SinkError> + Send + Sync>;

/// Queues: what each has taken.
pub(super) struct Sink {
    taken: Mutex<BTreeMap<String, Vec<Message>>>,
    verdict: Mutex<Verdict>,
    under_way: Mutex<BTreeMap<String, usize>>,
    most: Mutex<BTreeMap<String, usize>>,
    hangs: Mutex<BTreeSet<String>>,
}

impl Sink {
    pub(super) fn new() -> Self {
        Self {
            taken: Mutex::default(),
            verdict: Mutex::new(Box::new(|_, _| Ok(()))),
            under_way: Mutex::default(),
            most: Mutex::default(),
            hangs: Mutex::default(),
        }
    }

    pub(super) fn bodies(&self, queue: &str) -> Vec<String> {
        let taken = self.taken.lock().unwrap();
        let taken = taken.get(queue).map(Vec::as_slice).unwrap_or_default();
        let bodies = taken.iter();
        bodies
            .map(|it| String::from_utf8(it.body.to_vec()).unwrap())
            .collect()
    }

    fn answer(
        &self,
        verdict: impl Fn(&str, &Message) -> Result<(), SinkError> + Send + Sync + 'static,
    ) {
        *self.verdict.lock().unwrap() = Box::new(verdict);
    }
}

impl EventSink for Sink {
    fn serves(&self, target: &Target) -> bool {
        target.arn().is_some_and(|arn| arn.service == "sqs")
    }

    fn take<'a>(
        &'a self,
        target: &'a Target,
        _sender: &'a Sender,
        message: &'a Message,
    ) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(async move {
            let name = target.arn().unwrap().resource.clone();
            if self.hangs.lock().unwrap().contains(&name) {
                std::future::pending::<()>().await;
            }
            let now = {
                let mut under_way = self.under_way.lock().unwrap();
                let count = under_way.entry(name.clone()).or_default();
                *count += 1;
                *count
            };
            let most = *self
                .most
                .lock()
                .unwrap()
                .entry(name.clone())
                .and_modify(|most| *most = now.max(*most))
                .or_insert(now);
            assert!(most <= 32);
            tokio::time::sleep(Duration::from_millis(5)).await;
            *self.under_way.lock().unwrap().get_mut(&name).unwrap() -= 1;
            let verdict = (self.verdict.lock().unwrap())(&name, message);
            if verdict.is_ok() {
                let mut taken = self.taken.lock().unwrap();
                taken.entry(name).or_default().push(message.clone());
            }
            verdict
        })
    }
}

type Reaction = Box<dyn Fn(usize) -> Result<Outcome, NotRun> + Send + Sync>;

/// A function: what it was called with.
struct Calls {
    calls: Mutex<Vec<(String, Bytes, Duration)>>,
    verdict: Mutex<Reaction>,
    began: tokio::time::Instant,
}

impl Invoke for Calls {
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'_, Result<Reply, NotRun>> {
        let mut calls = self.calls.lock().unwrap();
        let verdict = (self.verdict.lock().unwrap())(calls.len());
        calls.push((
            invocation.request_id.to_string(),
            invocation.payload,
            self.began.elapsed(),
        ));
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            Ok(Reply {
                outcome: verdict?,
                timings: Timings::default(),
                log_tail: Bytes::new(),
                executed_version: LATEST.to_owned(),
            })
        })
    }
}

#[derive(Default)]
struct Told(Mutex<Vec<Event>>);

impl DeliveryLog for Told {
    fn record(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

/// Nobody may do anything.
struct Nobody;

impl Authorize for Nobody {
    fn authorize(&self, _principal: &Principal, checks: &[Check]) -> Result<(), Denied> {
        let check = &checks[0];
        Err(Denied {
            message: "not authorized".to_owned(),
            action: check.action.clone(),
            resource: check.resource.clone(),
            principal: "sns.amazonaws.com".to_owned(),
            refusal: policy::Refusal::NotAllowed(policy::Kind::Resource),
        })
    }

    fn unique_id(&self, _principal: &Principal) -> String {
        String::new()
    }
}

struct Bench {
    sink: Arc<Sink>,
    calls: Arc<Calls>,
    told: Arc<Told>,
    store: Arc<dyn Store>,
    outbox: Outbox,
    clock: Arc<PausedClock>,
    authorize: Arc<dyn Authorize>,
    application: Application,
}

impl Bench {
    fn new() -> Self {
        let store: Arc<dyn Store> = Arc::new(Memory::new());
        let name = FunctionName::new("work");
        let function = Arc::new(test_kit::function("work"));
        Self {
            sink: Arc::new(Sink::new()),
            calls: Arc::new(Calls {
                calls: Mutex::default(),
                verdict: Mutex::new(Box::new(|_| fine())),
                began: tokio::time::Instant::now(),
            }),
            told: Arc::default(),
            outbox: Outbox::new(Arc::clone(&store)),
            store,
            clock: Arc::new(PausedClock::start()),
            authorize: Arc::new(Everybody),
            application: Application {
                functions: BTreeMap::from([(name, function)]),
                ..Application::empty(RevisionId::new("r1"))
            },
        }
    }

    fn delivery(&self) -> Delivery {
        Delivery::new(Parts {
            store: Arc::clone(&self.store),
            outbox: self.outbox.clone(),
            records: Vec::new(),
            messages: Vec::new(),
            sinks: vec![self.sink.clone()],
            invoke: self.calls.clone(),
            clock: self.clock.clone(),
            random: Arc::new(CountingRandom::default()),
            authorize: Arc::clone(&self.authorize),
            log: self.told.clone(),
        })
    }

    fn sent(&self, target: &Arn, body: impl Into<Bytes>) -> Sent {
        use interfaces::clock::Clock as _;
        Sent {
            id: "11111111-2222-4333-8444-555555555555".to_owned(),
            target: Target::Resource(target.clone()),
            sender: Sender {
                principal: SenderPrincipal::Service("sns.amazonaws.com".to_owned()),
                source: Some(Arn::parse(TOPIC).unwrap()),
                account: AccountId::development(),
            },
            message: Message {
                body: body.into(),
                ..Message::default()
            },
            retries: Retries {
                retries_max: 3,
                age_max: Duration::from_secs(3_600),
            },
            dead_letters: None,
            order: None,
            accepted_at: self.clock.now(),
        }
    }

    fn asked(&self, body: &'static str) -> Sent {
        let mut sent = self.sent(&Arn::parse(FUNCTION).unwrap(), body);
        sent.sender.principal = SenderPrincipal::Allowed;
        sent.sender.source = None;
        sent
    }

    async fn run(&self, time: Duration) {
        let delivery = self.delivery();
        delivery.swap(&Arc::new(self.application.clone())).await;
        tokio::time::sleep(time).await;
        delivery.stop().await;
    }

    async fn rows(&self) -> usize {
        let all = Range::of_prefix(Vec::new());
        let page = self
            .store
            .scan(&all, Direction::Forward, PageLimit::rows(10_000));
        page.await.unwrap().rows.len()
    }

    fn calls_at(&self) -> Vec<u64> {
        let calls = self.calls.calls.lock().unwrap();
        calls.iter().map(|(_, _, at)| at.as_secs()).collect()
    }

    fn last_told(&self) -> EventResult {
        self.told.0.lock().unwrap().last().unwrap().result.clone()
    }
}

fn fine() -> Result<Outcome, NotRun> {
    Ok(Outcome::Returned(Bytes::from_static(b"{\"ok\":true}")))
}

fn busy(code: &str) -> Result<(), SinkError> {
    Err(SinkError::Transient {
        code: code.to_owned(),
        message: "later".to_owned(),
    })
}

const HOURS: Duration = Duration::from_secs(2 * 3_600);

#[tokio::test(start_paused = true)]
async fn what_is_accepted_is_delivered_at_once_and_its_rows_are_gone() {
    let bench = Bench::new();
    let delivery = bench.delivery();
    delivery.swap(&Arc::new(bench.application.clone())).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let sent = [bench.sent(&queue("a"), "1"), bench.sent(&queue("b"), "2")];
    bench.outbox.accept(&sent).await.unwrap();
    tokio::time::sleep(Duration::from_millis(8)).await;
    assert_eq!(bench.sink.bodies("a"), ["1"]);
    assert_eq!(bench.sink.bodies("b"), ["2"]);
    assert_eq!(bench.rows().await, 0);
    delivery.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_fails_for_now_is_tried_again_and_then_given_to_the_dead_letters() {
    let bench = Bench::new();
    bench
        .sink
        .answer(|name, _| if name == "dead" { Ok(()) } else { busy("Busy") });
    let mut sent = bench.sent(&queue("a"), "1");
    sent.dead_letters = Some(Arn::parse(DEAD).unwrap());
    bench.outbox.accept(&[sent]).await.unwrap();
    bench.run(HOURS).await;
    assert_eq!(bench.sink.bodies("dead"), ["1"]);
    assert_eq!(bench.told.0.lock().unwrap().len(), 5);
    assert_eq!(bench.rows().await, 0);
}

#[tokio::test(start_paused = true)]
async fn delays_that_a_topic_names_are_kept() {
    let bench = Bench::new();
    bench.sink.answer(|_, _| busy("Busy"));
    let mut sent = bench.sent(&queue("a"), "1");
    sent.message.retry_delays_s = vec![0, 7];
    bench.outbox.accept(&[sent]).await.unwrap();
    bench.run(HOURS).await;
    let next = |event: &Event| match &event.result {
        EventResult::Failed { next, .. } => next.clone(),
        EventResult::Delivered => String::new(),
    };
    let told: Vec<String> = bench.told.0.lock().unwrap().iter().map(next).collect();
    assert_eq!(
        told,
        [
            "tried again in 20 ms",
            "tried again in 7 s",
            "tried again in 7 s",
            "given up after its last retry, and lost: it has no dead letter queue"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_refusal_for_good_is_not_tried_again_and_a_rule_says_why() {
    let bench = Bench::new();
    bench.sink.answer(|name, _| match name {
        "dead" => Ok(()),
        _ => Err(SinkError::Permanent {
            code: "AWS.SimpleQueueService.NonExistentQueue".to_owned(),
            message: "gone".to_owned(),
        }),
    });
    let mut sent = bench.sent(&queue("a"), "1");
    sent.dead_letters = Some(Arn::parse(DEAD).unwrap());
    sent.sender.source = Some(Arn::parse("arn:aws:events:us-east-1:000000000000:rule/r").unwrap());
    bench.outbox.accept(&[sent]).await.unwrap();
    bench.run(HOURS).await;
    let taken = bench.sink.taken.lock().unwrap();
    let attributes: Vec<(&str, &str)> = taken["dead"][0]
        .attributes
        .iter()
        .map(|it| (it.name.as_str(), it.value.as_str()))
        .collect();
    assert_eq!(
        attributes,
        [
            ("RULE_ARN", "arn:aws:events:us-east-1:000000000000:rule/r"),
            ("TARGET_ARN", "arn:aws:sqs:us-east-1:000000000000:a"),
            ("ERROR_CODE", "NO_RESOURCE"),
            ("ERROR_MESSAGE", "gone"),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn one_dead_target_does_not_stop_the_others() {
    let bench = Bench::new();
    bench.sink.hangs.lock().unwrap().insert("slow".to_owned());
    for number in 0..6_000 {
        let sent = bench.sent(&queue("slow"), number.to_string());
        bench.outbox.accept(&[sent]).await.unwrap();
    }
    let sent = bench.sent(&queue("quick"), "1");
    bench.outbox.accept(&[sent]).await.unwrap();
    let delivery = bench.delivery();
    delivery.swap(&Arc::new(bench.application.clone())).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(bench.sink.bodies("quick"), ["1"]);
    bench.sink.hangs.lock().unwrap().clear();
    // Those that hang are given up after a minute; what the lane left in the store is taken up then.
    tokio::time::sleep(Duration::from_secs(600)).await;
    let mut slow = bench.sink.bodies("slow");
    slow.sort();
    slow.dedup();
    assert_eq!(slow.len(), 6_000);
    assert_eq!(bench.rows().await, 0);
    delivery.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_has_an_order_keeps_it_over_failures_and_restarts() {
    let bench = Bench::new();
    let failures = Mutex::new(0);
    bench.sink.answer(move |_, _| {
        let mut failures = failures.lock().unwrap();
        *failures += 1;
        if *failures % 3 == 0 {
            busy("Busy")
        } else {
            Ok(())
        }
    });
    for number in 0..30 {
        let mut sent = bench.sent(&queue("a"), number.to_string());
        sent.order = Some("g".to_owned());
        sent.retries.retries_max = 100;
        bench.outbox.accept(&[sent]).await.unwrap();
    }
    for _ in 0..6 {
        bench.run(Duration::from_millis(1_500)).await;
    }
    bench.run(HOURS).await;
    let expected: Vec<String> = (0..30).map(|number| number.to_string()).collect();
    assert_eq!(bench.sink.bodies("a"), expected);
}

#[tokio::test(start_paused = true)]
async fn an_asynchronous_invocation_has_one_request_id_and_its_record_says_how_it_ended() {
    let mut bench = Bench::new();
    *bench.calls.verdict.lock().unwrap() =
        Box::new(|call| if call < 2 { raised() } else { fine() });
    let config = EventInvoke {
        on_success: Some(queue("done")),
        ..EventInvoke::default()
    };
    let by_qualifier = BTreeMap::from([(LATEST.to_owned(), config)]);
    bench.application.event_invokes = BTreeMap::from([(FunctionName::new("work"), by_qualifier)]);
    bench
        .outbox
        .accept(&[bench.asked("{\"n\":1}")])
        .await
        .unwrap();
    bench.run(HOURS).await;
    assert_eq!(bench.calls_at(), [0, 60, 180]);
    let calls = bench.calls.calls.lock().unwrap();
    let ids: BTreeSet<&str> = calls.iter().map(|(id, _, _)| id.as_str()).collect();
    assert_eq!(
        ids,
        BTreeSet::from(["11111111-2222-4333-8444-555555555555"])
    );
    let record: Value = serde_json::from_str(&bench.sink.bodies("done")[0]).unwrap();
    assert_eq!(
        record,
        json!({
            "version": "1.0",
            "timestamp": record["timestamp"],
            "requestContext": {
                "requestId": "11111111-2222-4333-8444-555555555555",
                "functionArn": format!("{FUNCTION}:$LATEST"),
                "condition": "Success",
                "approximateInvokeCount": 3,
            },
            "requestPayload": {"n": 1},
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
            "responsePayload": {"ok": true},
        })
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_function_never_handled_goes_to_its_dead_letters_and_its_destination() {
    let mut bench = Bench::new();
    *bench.calls.verdict.lock().unwrap() = Box::new(|_| raised());
    let name = FunctionName::new("work");
    let config = EventInvoke {
        retries_max: 0,
        on_failure: Some(queue("failed")),
        ..EventInvoke::default()
    };
    let by_qualifier = BTreeMap::from([(LATEST.to_owned(), config)]);
    bench.application.event_invokes = BTreeMap::from([(name.clone(), by_qualifier)]);
    bench.application.dead_letters = BTreeMap::from([(name, queue("dead"))]);
    bench
        .outbox
        .accept(&[bench.asked("{\"n\":1}")])
        .await
        .unwrap();
    bench.run(HOURS).await;
    assert_eq!(bench.sink.bodies("dead"), ["{\"n\":1}"]);
    let taken = bench.sink.taken.lock().unwrap();
    let names: Vec<&str> = taken["dead"][0]
        .attributes
        .iter()
        .map(|it| it.name.as_str())
        .collect();
    assert_eq!(names, ["RequestID", "ErrorCode", "ErrorMessage"]);
    let record: Value = serde_json::from_slice(&taken["failed"][0].body).unwrap();
    assert_eq!(record["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!(record["responseContext"]["functionError"], "Unhandled");
}

#[tokio::test(start_paused = true)]
async fn a_throttled_function_has_its_event_in_the_end() {
    let bench = Bench::new();
    *bench.calls.verdict.lock().unwrap() = Box::new(|call| {
        if 5 <= call {
            return fine();
        }
        Err(NotRun::Throttled {
            function: FunctionName::new("work"),
            limit: ThrottleLimit::ReservedConcurrency,
        })
    });
    bench.outbox.accept(&[bench.asked("1")]).await.unwrap();
    bench.run(HOURS).await;
    assert_eq!(bench.calls_at(), [0, 1, 3, 7, 15, 31]);
    assert_eq!(bench.last_told(), EventResult::Delivered);
}

#[tokio::test(start_paused = true)]
async fn a_sender_whom_the_functions_policy_does_not_let_in_is_told_which_permission_is_missing() {
    let mut bench = Bench::new();
    bench.authorize = Arc::new(Nobody);
    let mut sent = bench.sent(&Arn::parse(FUNCTION).unwrap(), "{}");
    sent.dead_letters = Some(Arn::parse(DEAD).unwrap());
    bench.outbox.accept(&[sent]).await.unwrap();
    bench.run(HOURS).await;
    assert!(bench.calls_at().is_empty());
    assert_eq!(bench.sink.bodies("dead"), ["{}"]);
    let told = bench.told.0.lock().unwrap();
    let EventResult::Failed { reason, next, .. } = &told[0].result else {
        panic!("{told:?}");
    };
    assert!(reason.contains("`AWS::Lambda::Permission`"), "{reason}");
    assert!(
        reason.contains("`Principal: sns.amazonaws.com`"),
        "{reason}"
    );
    assert!(next.ends_with("sent to `dead`"), "{next}");
}
