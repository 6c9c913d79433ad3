//! The invoker as its callers see it, over a runtime whose instances do as the test says, under paused time.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use interfaces::BoxFuture;
use interfaces::invoke::{FunctionErrorKind, Invocation, Invoke, NotRun, Outcome, Reply};
use interfaces::runtime::{
    Completion, Event, Initialization, Instance, Runtime, StartError, StartWay, Started, Verdict,
};
use invoker::{Invoker, InvokerLimits};
use model::application::Application;
use model::function::Function;
use model::ids::{FunctionName, InstanceId, RequestId, RevisionId};
use test_kit::PausedClock;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;

const START: Duration = Duration::from_millis(100);

/// Starts instances after [`START`]; a function's handler name says what its instances do.
#[derive(Default)]
struct FakeRuntime {
    counts: Arc<Counts>,
    retired: Mutex<Vec<String>>,
    prepared: Mutex<Vec<String>>,
}

#[derive(Default)]
struct Counts {
    started: AtomicUsize,
    alive: AtomicUsize,
    stopped: AtomicUsize,
    events: AtomicUsize,
    death: Notify,
    deadline: Mutex<Option<Instant>>,
    invoked_arns: Mutex<Vec<String>>,
    initializations: Mutex<Vec<Initialization>>,
}

impl Counts {
    fn heard(&self, invoked_arn: String) {
        self.invoked_arns.lock().unwrap().push(invoked_arn);
    }
}

struct FakeInstance {
    id: InstanceId,
    counts: Arc<Counts>,
    lifetime: Lifetime,
    is_used: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Lifetime {
    AsLongAsWanted,
    /// It is lost as soon as it is free again.
    OneEvent,
}

impl Runtime for FakeRuntime {
    fn start(
        &self,
        function: Arc<Function>,
        initialization: Initialization,
    ) -> BoxFuture<'_, Result<Started, StartError>> {
        Box::pin(async move {
            self.counts
                .initializations
                .lock()
                .unwrap()
                .push(initialization);
            let number = self.counts.started.fetch_add(1, Ordering::SeqCst);
            let lifetime = match function.handler.as_str() {
                "dies early" => Lifetime::OneEvent,
                _ => {
                    tokio::time::sleep(START).await;
                    Lifetime::AsLongAsWanted
                }
            };
            match function.handler.as_str() {
                "broken" => Err(StartError::Init {
                    payload: Bytes::from_static(br#"{"errorType":"Runtime.ImportModuleError"}"#),
                    log_tail: Bytes::new(),
                }),
                "panics" => panic!("a fault of the runtime"),
                _ => {
                    self.counts.alive.fetch_add(1, Ordering::SeqCst);
                    let instance = FakeInstance {
                        id: InstanceId::new(format!("i-{number}")),
                        counts: Arc::clone(&self.counts),
                        lifetime,
                        is_used: false,
                    };
                    Ok(Started {
                        instance: Box::new(instance),
                        init: START,
                        way: StartWay::Forked,
                    })
                }
            }
        })
    }

    fn prepare(&self, functions: Vec<Arc<Function>>) -> BoxFuture<'_, ()> {
        self.prepared
            .lock()
            .unwrap()
            .extend(functions.iter().map(|it| it.fingerprint.clone()));
        Box::pin(std::future::ready(()))
    }

    fn retire(&self, function: &Function) {
        self.retired
            .lock()
            .unwrap()
            .push(function.fingerprint.clone());
    }
}

impl Instance for FakeInstance {
    fn invoke(&mut self, event: Event) -> BoxFuture<'_, Completion> {
        Box::pin(async move {
            self.is_used = true;
            self.counts.events.fetch_add(1, Ordering::SeqCst);
            *self.counts.deadline.lock().unwrap() = Some(event.deadline);
            self.counts.heard(event.invoked_arn);
            let begun = tokio::time::Instant::now();
            let text = String::from_utf8(event.payload.to_vec()).unwrap();
            let verdict = match text.split_once(' ') {
                Some(("sleep", milliseconds)) => {
                    tokio::time::sleep(Duration::from_millis(milliseconds.parse().unwrap())).await;
                    Verdict::Returned(Bytes::from(self.id.to_string()))
                }
                Some(("raise", why)) => Verdict::Raised(Bytes::from(why.to_owned())),
                Some(("exit", why)) => Verdict::Exited(Bytes::from(why.to_owned())),
                _ => Verdict::Returned(Bytes::from(self.id.to_string())),
            };
            Completion {
                verdict,
                handler: begun.elapsed(),
                log_tail: Bytes::new(),
            }
        })
    }

    fn lost(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if self.lifetime == Lifetime::OneEvent && self.is_used {
                return;
            }
            self.counts.death.notified().await;
        })
    }

    fn stop(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            self.counts.stopped.fetch_add(1, Ordering::SeqCst);
        })
    }
}

impl Drop for FakeInstance {
    fn drop(&mut self) {
        self.counts.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

fn function(name: &str, handler: &str, fingerprint: &str) -> Function {
    Function {
        handler: handler.to_owned(),
        fingerprint: fingerprint.to_owned(),
        ..test_kit::function(name)
    }
}

fn application(functions: Vec<Function>) -> Arc<Application> {
    let mut application = Application::empty(RevisionId::new("r1"));
    for function in functions {
        application
            .functions
            .insert(function.name.clone(), Arc::new(function));
    }
    Arc::new(application)
}

struct Bench {
    runtime: Arc<FakeRuntime>,
    invoker: Arc<Invoker>,
    callers: Mutex<JoinSet<()>>,
}

fn bench(functions: Vec<Function>) -> Bench {
    bench_of(&application(functions), InvokerLimits::for_cores(4))
}

fn bench_of(application: &Arc<Application>, limits: InvokerLimits) -> Bench {
    let runtime = Arc::new(FakeRuntime::default());
    let invoker = Invoker::new(
        Arc::clone(&runtime) as _,
        Arc::new(PausedClock::start()),
        limits,
    );
    invoker.swap(application);
    Bench {
        runtime,
        invoker: Arc::new(invoker),
        callers: Mutex::new(JoinSet::new()),
    }
}

fn works() -> Bench {
    bench(vec![function("f", "works", "1")])
}

fn event(payload: &str) -> Invocation {
    Invocation {
        function: FunctionName::new("f"),
        qualifier: None,
        request_id: RequestId::new("r"),
        payload: Bytes::from(payload.to_owned()),
        wait_until: None,
        trace_id: String::new(),
        client_context: None,
    }
}

impl Bench {
    async fn invoke(&self, payload: &str) -> Result<Reply, NotRun> {
        self.invoker.invoke(event(payload)).await
    }

    fn begin(&self, payload: &str) -> oneshot::Receiver<Result<Reply, NotRun>> {
        let (invoker, event) = (Arc::clone(&self.invoker), event(payload));
        let (sender, receiver) = oneshot::channel();
        self.callers.lock().unwrap().spawn(async move {
            drop(sender.send(invoker.invoke(event).await));
        });
        receiver
    }

    fn count(&self, of: impl Fn(&Counts) -> &AtomicUsize) -> usize {
        of(&self.runtime.counts).load(Ordering::SeqCst)
    }
}

fn returned(reply: Result<Reply, NotRun>) -> String {
    match reply.unwrap().outcome {
        Outcome::Returned(payload) => String::from_utf8(payload.to_vec()).unwrap(),
        Outcome::Failed(error) => panic!("{error:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_cold_start_is_told_from_a_warm_one() {
    let bench = works();
    let cold = bench.invoke("").await.unwrap();
    assert_eq!(cold.timings.init, Some(START));
    assert_eq!(cold.timings.queue, Duration::ZERO);
    let warm = bench.invoke("sleep 5").await.unwrap();
    assert_eq!(warm.timings.init, None);
    assert_eq!(warm.timings.handler, Duration::from_millis(5));
    assert_eq!(bench.count(|it| &it.started), 1);
}

#[tokio::test(start_paused = true)]
async fn the_timeout_counts_from_the_moment_the_instance_has_the_event() {
    let bench = works();
    let begun = tokio::time::Instant::now().into_std();
    bench.invoke("").await.unwrap();
    let deadline = bench.runtime.counts.deadline.lock().unwrap().unwrap();
    assert_eq!(deadline, begun + START + Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn events_at_once_run_on_instances_of_their_own() {
    let bench = works();
    let all = tokio::join!(
        bench.invoke("sleep 500"),
        bench.invoke("sleep 500"),
        bench.invoke("sleep 500")
    );
    let mut ids = vec![returned(all.0), returned(all.1), returned(all.2)];
    ids.sort();
    assert_eq!(ids, ["i-0", "i-1", "i-2"]);
}

#[tokio::test(start_paused = true)]
async fn an_event_waits_for_instances_at_work_only_as_long_as_they_are_quick() {
    let limits = InvokerLimits {
        brisk_busy_max: 2,
        ..InvokerLimits::for_cores(4)
    };
    let bench = bench_of(&application(vec![function("f", "works", "1")]), limits);
    // One that takes no time tells that the function is quick; two at once make two instances.
    bench.invoke("").await.unwrap();
    let _both = tokio::join!(bench.invoke("sleep 1"), bench.invoke("sleep 1"));
    tokio::time::sleep(START).await;
    drop((bench.begin("sleep 2000"), bench.begin("sleep 2000")));
    tokio::time::sleep(Duration::from_millis(5)).await;
    let begun = tokio::time::Instant::now();
    assert_eq!(returned(bench.invoke("").await), "i-2");
    // Both turned out to be long after 10 ms, which is looked at each 4 ms.
    let waited = begun.elapsed() - START;
    let expected = Duration::from_millis(5)..=Duration::from_millis(11);
    assert!(expected.contains(&waited), "{waited:?}");
    assert_eq!(bench.count(|it| &it.started), 3);
}

#[tokio::test(start_paused = true)]
async fn a_function_that_threw_has_replied_and_its_instance_lives() {
    let bench = works();
    let Outcome::Failed(error) = bench.invoke("raise {}").await.unwrap().outcome else {
        panic!("it raised");
    };
    assert_eq!(
        (error.kind, &error.payload[..]),
        (FunctionErrorKind::Raised, &b"{}"[..])
    );
    assert_eq!(returned(bench.invoke("").await), "i-0");
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_exited_is_replaced() {
    let bench = works();
    let Outcome::Failed(error) = bench.invoke("exit {}").await.unwrap().outcome else {
        panic!("it exited");
    };
    assert_eq!(error.kind, FunctionErrorKind::Exited);
    assert_eq!(returned(bench.invoke("").await), "i-1");
}

#[tokio::test(start_paused = true)]
async fn a_failed_init_is_the_reply() {
    let bench = bench(vec![function("f", "broken", "1")]);
    let reply = bench.invoke("").await.unwrap();
    assert_eq!(reply.timings.init, Some(START));
    let Outcome::Failed(error) = reply.outcome else {
        panic!("its init fails");
    };
    assert_eq!(error.kind, FunctionErrorKind::InitFailed);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_runtime_is_an_answer_too() {
    let bench = bench(vec![function("f", "panics", "1")]);
    let not_run = bench.invoke("").await.unwrap_err();
    assert!(matches!(not_run, NotRun::StartFailed { .. }), "{not_run}");
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_dies_while_free_is_not_used() {
    let bench = works();
    bench.invoke("").await.unwrap();
    tokio::task::yield_now().await;
    bench.runtime.counts.death.notify_one();
    tokio::task::yield_now().await;
    assert_eq!(returned(bench.invoke("").await), "i-1");
    assert_eq!(bench.count(|it| &it.alive), 1);
}

#[tokio::test(start_paused = true)]
async fn an_event_that_meets_a_dying_instance_runs_on_another() {
    let bench = works();
    bench.invoke("").await.unwrap();
    bench.runtime.counts.death.notify_one();
    assert_eq!(returned(bench.invoke("").await), "i-1");
    assert_eq!(bench.count(|it| &it.events), 2);
}

/// The death of a free instance and the next event come from different threads, so only many rounds meet all orders.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_event_is_lost_in_the_mailbox_of_an_instance_that_dies() {
    const CALLERS: usize = 8;
    const EVENTS: usize = 2_000;
    let unthrottled = InvokerLimits {
        scaling_instances: u32::MAX,
        ..InvokerLimits::for_cores(4)
    };
    let application = application(vec![function("f", "dies early", "1")]);
    let bench = bench_of(&application, unthrottled);
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let invoker = Arc::clone(&bench.invoker);
        callers.spawn(async move {
            for _ in 0..EVENTS {
                invoker.invoke(event("")).await.unwrap();
            }
        });
    }
    callers.join_all().await;
    assert_eq!(bench.count(|it| &it.events), CALLERS * EVENTS);
}

#[tokio::test(start_paused = true)]
async fn an_invocation_goes_on_when_its_caller_has_gone() {
    let bench = works();
    bench.invoke("").await.unwrap();
    let gone = tokio::time::timeout(Duration::from_millis(10), bench.invoke("sleep 1000")).await;
    assert!(gone.is_err());
    assert_eq!(
        returned(bench.invoke("").await),
        "i-1",
        "the first instance is busy"
    );
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(bench.count(|it| &it.alive), 2);
    assert_eq!(bench.count(|it| &it.events), 3);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_longer_than_the_caller_wants_is_not_run() {
    let bench = works();
    let wait_until = Some(tokio::time::Instant::now().into_std() + Duration::from_millis(50));
    let invocation = Invocation {
        wait_until,
        ..event("")
    };
    let not_run = bench.invoker.invoke(invocation).await.unwrap_err();
    assert!(matches!(not_run, NotRun::WaitedTooLong { .. }), "{not_run}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(bench.count(|it| &it.events), 0);
}

#[tokio::test(start_paused = true)]
async fn instances_without_events_end() {
    let bench = works();
    bench.invoke("").await.unwrap();
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert_eq!(bench.count(|it| &it.alive), 1);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(bench.count(|it| &it.stopped), 1);
    assert_eq!(bench.count(|it| &it.alive), 0);
}

#[tokio::test(start_paused = true)]
async fn a_swap_replaces_changed_functions_and_no_others() {
    let bench = bench(vec![
        function("f", "works", "1"),
        function("g", "works", "1"),
    ]);
    bench.invoke("").await.unwrap();
    bench.invoker.swap(&application(vec![
        function("f", "works", "1"),
        function("g", "works", "2"),
    ]));
    assert_eq!(returned(bench.invoke("").await), "i-0");
    assert_eq!(*bench.runtime.retired.lock().unwrap(), ["1"]);
    bench
        .invoker
        .swap(&application(vec![function("f", "works", "2")]));
    assert_eq!(returned(bench.invoke("").await), "i-1");
    assert_eq!(bench.count(|it| &it.stopped), 1);
}

#[tokio::test(start_paused = true)]
async fn a_swap_lets_busy_instances_finish() {
    let bench = works();
    let under_way = bench.begin("sleep 1000");
    tokio::time::sleep(Duration::from_millis(200)).await;
    bench
        .invoker
        .swap(&application(vec![function("f", "works", "2")]));
    assert_eq!(returned(bench.invoke("").await), "i-1");
    assert_eq!(returned(under_way.await.unwrap()), "i-0");
    tokio::task::yield_now().await;
    assert_eq!(bench.count(|it| &it.stopped), 1);
}

#[tokio::test(start_paused = true)]
async fn events_in_line_move_to_the_new_version() {
    let bench = works();
    let in_line = bench.begin("");
    tokio::time::sleep(Duration::from_millis(50)).await;
    bench
        .invoker
        .swap(&application(vec![function("f", "works", "2")]));
    assert_eq!(returned(in_line.await.unwrap()), "i-1");
    assert_eq!(bench.count(|it| &it.alive), 1);
}

#[tokio::test(start_paused = true)]
async fn stopping_lets_events_finish_and_takes_no_more() {
    let bench = works();
    let under_way = bench.begin("sleep 2000");
    tokio::time::sleep(Duration::from_millis(200)).await;
    let refused = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        bench.invoke("").await.unwrap_err()
    };
    let ((), refused) = tokio::join!(bench.invoker.stop(), refused);
    assert_eq!(refused, NotRun::ShuttingDown);
    assert_eq!(returned(under_way.await.unwrap()), "i-0");
    assert_eq!(bench.count(|it| &it.alive), 0);
}

#[tokio::test(start_paused = true)]
async fn stopping_does_not_wait_for_ever() {
    let bench = works();
    let under_way = bench.begin("sleep 10000000");
    tokio::time::sleep(Duration::from_millis(200)).await;
    bench.invoker.stop().await;
    let Outcome::Failed(error) = under_way.await.unwrap().unwrap().outcome else {
        panic!("it was killed");
    };
    assert_eq!(error.kind, FunctionErrorKind::Exited);
    assert_eq!(bench.count(|it| &it.alive), 0);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_deployed_is_refused() {
    let bench = works();
    for (function, qualifier) in [("g", None), ("f", Some("live")), ("f", Some("1"))] {
        let invocation = Invocation {
            function: FunctionName::new(function),
            qualifier: qualifier.map(str::to_owned),
            ..event("")
        };
        let not_run = bench.invoker.invoke(invocation).await.unwrap_err();
        let function = FunctionName::new(function);
        let expected = match qualifier {
            None => NotRun::UnknownFunction { function },
            Some(qualifier) => NotRun::UnknownQualifier {
                function,
                qualifier: qualifier.to_owned(),
            },
        };
        assert_eq!(not_run, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn the_largest_event_is_taken_and_a_larger_one_refused() {
    let bench = works();
    let bytes_max = InvokerLimits::for_cores(1).payload_bytes_max;
    bench.invoke(&"x".repeat(bytes_max)).await.unwrap();
    let not_run = bench.invoke(&"x".repeat(bytes_max + 1)).await.unwrap_err();
    let bytes = bytes_max + 1;
    assert_eq!(not_run, NotRun::RequestTooLarge { bytes, bytes_max });
}

/// `f`, and its version 1 with an alias `live`.
fn published(provisioned_concurrency: usize) -> Arc<Application> {
    let latest = function("f", "works", "1");
    let version = Arc::new(Function {
        version: "1".to_owned(),
        provisioned_concurrency,
        fingerprint: "1:1".to_owned(),
        ..latest.clone()
    });
    let mut application = Application::empty(RevisionId::new("r1"));
    let name = latest.name.clone();
    application.functions.insert(name.clone(), Arc::new(latest));
    let qualifiers = [("1", &version), ("live", &version)];
    let qualified = qualifiers.map(|(qualifier, version)| (qualifier.to_owned(), version.clone()));
    application.qualified.insert(name, qualified.into());
    Arc::new(application)
}

#[tokio::test(start_paused = true)]
async fn a_qualifier_leads_to_its_version_and_stays_in_the_arn() {
    let bench = bench_of(&published(0), InvokerLimits::for_cores(4));
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:f";
    for (qualifier, executed, instance) in [
        (None, "$LATEST", "i-0"),
        (Some("live"), "1", "i-1"),
        (Some("1"), "1", "i-1"),
        (Some("$LATEST"), "$LATEST", "i-0"),
    ] {
        let invocation = Invocation {
            qualifier: qualifier.map(str::to_owned),
            ..event("")
        };
        let reply = bench.invoker.invoke(invocation).await.unwrap();
        assert_eq!(reply.executed_version, executed, "{qualifier:?}");
        assert_eq!(returned(Ok(reply)), instance, "{qualifier:?}");
    }
    let arns = bench.runtime.counts.invoked_arns.lock().unwrap().clone();
    let qualified = |qualifier: &str| format!("{arn}:{qualifier}");
    assert_eq!(
        arns,
        [
            arn.to_owned(),
            qualified("live"),
            qualified("1"),
            qualified("$LATEST")
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn provisioned_instances_are_there_before_the_first_event_and_stay() {
    let bench = bench_of(&published(3), InvokerLimits::for_cores(4));
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(bench.count(|it| &it.alive), 3);
    let invocation = Invocation {
        qualifier: Some("live".to_owned()),
        ..event("")
    };
    let reply = bench.invoker.invoke(invocation).await.unwrap();
    assert_eq!(reply.timings.init, None);
    assert_eq!(reply.timings.queue, Duration::ZERO);
    let initializations = bench.runtime.counts.initializations.lock().unwrap().clone();
    assert_eq!(initializations, [Initialization::Provisioned; 3]);
    bench.runtime.counts.death.notify_one();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(bench.count(|it| &it.started), 4, "the dead one is replaced");
    bench.invoker.swap(&published(0));
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(bench.count(|it| &it.alive), 0);
    bench.invoker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_event_that_comes_during_a_start_has_waited_for_the_rest_of_it() {
    let bench = bench_of(&published(1), InvokerLimits::for_cores(4));
    tokio::time::sleep(START / 4).await;
    let invocation = Invocation {
        qualifier: Some("live".to_owned()),
        ..event("")
    };
    let reply = bench.invoker.invoke(invocation).await.unwrap();
    assert_eq!(reply.timings.init, Some(START * 3 / 4));
    assert_eq!(reply.timings.queue, Duration::ZERO);
    assert_eq!(bench.count(|it| &it.started), 1);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_first_events_wait_for_one_init_and_are_all_answered() {
    let bench = works();
    let begun = tokio::time::Instant::now();
    let all: Vec<_> = (0..100).map(|_| bench.begin("sleep 1000")).collect();
    tokio::time::sleep(START / 2).await;
    assert_eq!(bench.count(|it| &it.started), 1);
    for reply in all {
        returned(reply.await.unwrap());
    }
    // The first start, then 32 at a time, then the event itself.
    assert_eq!(begun.elapsed(), 5 * START + Duration::from_secs(1));
    assert_eq!(bench.count(|it| &it.alive), 100);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_events_at_a_broken_function_are_told_at_once() {
    let bench = bench(vec![function("f", "broken", "1")]);
    let begun = tokio::time::Instant::now();
    let all: Vec<_> = (0..100).map(|_| bench.begin("")).collect();
    for reply in all {
        let Outcome::Failed(error) = reply.await.unwrap().unwrap().outcome else {
            panic!("its init fails");
        };
        assert_eq!(error.kind, FunctionErrorKind::InitFailed);
    }
    assert_eq!(begun.elapsed(), START);
    assert_eq!(bench.count(|it| &it.started), 1);
}
