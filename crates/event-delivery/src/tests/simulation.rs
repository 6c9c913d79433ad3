//! A seeded simulation of all of it: processes that end at any instant, a store that fails, targets and functions that fail,
//! hang and are throttled. Nothing may be lost, what has an order must keep it, and what runs at once is bounded.
//!
//! `CLOUDLESS_SIMULATION_SEEDS=5000` runs more seeds, `CLOUDLESS_SIMULATION_FIRST=17` begins with another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use interfaces::BoxFuture;
use interfaces::clock::Clock;
use interfaces::event_sink::{EventSink, SinkError};
use interfaces::invoke::{Invocation, Invoke, NotRun, Outcome, Reply, ThrottleLimit, Timings};
use model::application::Application;
use model::arn::Arn;
use model::asynchronous::EventInvoke;
use model::delivery::{Delivery as Sent, Message, Retries, Sender, SenderPrincipal, Target};
use model::event_source::Mapping;
use model::function::LATEST;
use model::ids::{AccountId, FunctionName, RevisionId};
use outbox::Outbox;
use serde_json::Value;
use store::{
    Batch, CommitError, Direction, Page, PageLimit, Range, ReadError, Store, Versionstamp,
};
use store_embedded::Memory;
use test_kit::{CountingRandom, PausedClock};

use super::fake_queue::{FakeQueue, Kind};
use super::{Everybody, Source, Unread, mapping, raised};
use crate::{Delivery, Parts};

const SEEDS: u64 = 200;
/// Seeds that have found something: they are run always.
const TELLING: [u64; 1] = [1_047];
/// How long the last process, in which nothing fails any more, may need.
const PATIENCE: Duration = Duration::from_secs(4 * 3_600);
const FUNCTIONS: [&str; 4] = ["sent", "jobs", "line", "things"];

/// Numbers that are the same for the same seed.
#[derive(Clone)]
struct Dice(Arc<Mutex<u64>>);

impl Dice {
    fn new(seed: u64) -> Self {
        let mixed = seed
            .wrapping_add(1)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(17);
        Self(Arc::new(Mutex::new(mixed | 1)))
    }

    fn below(&self, most: u64) -> u64 {
        let mut state = self.0.lock().unwrap();
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state % most
    }
}

/// What goes wrong, of a thousand times; nothing once the last process runs.
#[derive(Clone)]
struct Faults {
    dice: Dice,
    per_thousand: Arc<Mutex<u64>>,
}

impl Faults {
    fn strike(&self) -> bool {
        let per_thousand = *self.per_thousand.lock().unwrap();
        self.dice.below(1_000) < per_thousand
    }
}

/// A store that fails before a commit, or after it.
struct Faulty {
    inner: Memory,
    faults: Faults,
}

fn broken() -> Arc<dyn std::error::Error + Send + Sync> {
    Arc::new(std::io::Error::other("the medium failed"))
}

impl Store for Faulty {
    fn get<'a>(&'a self, key: &'a [u8]) -> store::BoxFuture<'a, Result<Option<Bytes>, ReadError>> {
        if self.faults.strike() {
            return Box::pin(async { Err(ReadError::Medium(broken())) });
        }
        self.inner.get(key)
    }

    fn scan<'a>(
        &'a self,
        range: &'a Range,
        direction: Direction,
        limit: PageLimit,
    ) -> store::BoxFuture<'a, Result<Page, ReadError>> {
        if self.faults.strike() {
            return Box::pin(async { Err(ReadError::Medium(broken())) });
        }
        self.inner.scan(range, direction, limit)
    }

    fn commit(&self, batch: Batch) -> store::BoxFuture<'_, Result<Versionstamp, CommitError>> {
        let (before, after) = (self.faults.strike(), self.faults.strike());
        let pause = Duration::from_millis(self.faults.dice.below(4));
        Box::pin(async move {
            // A process that ends here has written nothing.
            tokio::time::sleep(pause).await;
            if before {
                return Err(CommitError::Medium(broken()));
            }
            let committed = self.inner.commit(batch).await;
            // And one that ends here has, and does not know.
            tokio::time::sleep(pause).await;
            if after {
                return Err(CommitError::Medium(broken()));
            }
            committed
        })
    }
}

/// Everything outside of delivery, which outlives its processes.
struct World {
    dice: Dice,
    faults: Faults,
    /// What each queue has taken, in order.
    taken: Mutex<BTreeMap<String, Vec<String>>>,
    /// What each function has handled, in order.
    handled: Mutex<BTreeMap<String, Vec<String>>>,
    under_way: Mutex<BTreeMap<String, usize>>,
}

impl World {
    fn enter(&self, name: &str, most: usize) {
        let mut under_way = self.under_way.lock().unwrap();
        let count = under_way.entry(name.to_owned()).or_default();
        *count += 1;
        assert!(*count <= most, "{count} at once for {name}");
    }

    fn leave(&self, name: &str) {
        if let Some(count) = self.under_way.lock().unwrap().get_mut(name) {
            *count -= 1;
        }
    }

    fn of(all: &Mutex<BTreeMap<String, Vec<String>>>, name: &str) -> Vec<String> {
        all.lock().unwrap().get(name).cloned().unwrap_or_default()
    }

    async fn passes(&self) {
        let ms = match self.dice.below(20) {
            0 if self.faults.strike() => 90_000,
            1 => 500,
            _ => self.dice.below(20),
        };
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

/// Counts one that is under way, also when it is dropped.
struct Inside<'w>(&'w World, String);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.leave(&self.1);
    }
}

impl EventSink for World {
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
            self.enter(&name, 32);
            let _inside = Inside(self, name.clone());
            self.passes().await;
            let code = "Fault".to_owned();
            let message_of = || "no".to_owned();
            if self.faults.strike() || self.faults.strike() {
                let message = message_of();
                return Err(SinkError::Transient { code, message });
            }
            if name == "plain" && self.faults.strike() {
                let message = message_of();
                return Err(SinkError::Permanent { code, message });
            }
            let body = String::from_utf8(message.body.to_vec()).unwrap();
            self.taken
                .lock()
                .unwrap()
                .entry(name)
                .or_default()
                .push(body);
            // The answer may get lost.
            if self.faults.strike() {
                let message = message_of();
                return Err(SinkError::Transient { code, message });
            }
            Ok(())
        })
    }
}

impl Invoke for World {
    fn invoke(&self, invocation: Invocation) -> BoxFuture<'_, Result<Reply, NotRun>> {
        Box::pin(async move {
            let name = invocation.function.to_string();
            self.enter(&name, 100);
            let _inside = Inside(self, name.clone());
            if self.faults.strike() {
                return Err(NotRun::Throttled {
                    function: invocation.function,
                    limit: ThrottleLimit::ReservedConcurrency,
                });
            }
            self.passes().await;
            let outcome = if self.faults.strike() {
                raised()
            } else {
                let event: Value = serde_json::from_slice(&invocation.payload).unwrap();
                let mut handled = self.handled.lock().unwrap();
                let handled = handled.entry(name).or_default();
                match event["Records"].as_array() {
                    Some(records) => handled.extend(records.iter().map(|it| it["n"].to_string())),
                    None => handled.push(event["n"].to_string()),
                }
                Ok(Outcome::Returned(Bytes::from_static(b"null")))
            };
            Ok(Reply {
                outcome: outcome?,
                timings: Timings::default(),
                log_tail: Bytes::new(),
                executed_version: LATEST.to_owned(),
            })
        })
    }
}

/// One seed: its world, its sources, and what was put into them.
struct Simulation {
    world: Arc<World>,
    faults: Faults,
    store: Arc<dyn Store>,
    queue: Arc<FakeQueue>,
    fifo: Arc<FakeFifo>,
    stream: Arc<Source>,
    clock: Arc<PausedClock>,
    application: Arc<Application>,
    /// By what they were sent to: those that were acknowledged.
    sent: BTreeMap<&'static str, Vec<u64>>,
    count: u64,
}

/// The FIFO queue answers to its own name alone.
struct FakeFifo(FakeQueue);

impl interfaces::message_source::MessageSource for FakeFifo {
    fn serves(&self, queue: &Arn) -> bool {
        queue.resource.ends_with(".fifo")
    }

    fn receive<'a>(
        &'a self,
        queue: &'a Arn,
        messages_max: usize,
        wait: Duration,
    ) -> BoxFuture<
        'a,
        Result<
            Vec<interfaces::message_source::QueueMessage>,
            interfaces::message_source::QueueError,
        >,
    > {
        self.0.receive(queue, messages_max, wait)
    }

    fn delete<'a>(
        &'a self,
        queue: &'a Arn,
        receipts: &'a [String],
    ) -> BoxFuture<'a, Result<(), interfaces::message_source::QueueError>> {
        self.0.delete(queue, receipts)
    }

    fn release<'a>(
        &'a self,
        queue: &'a Arn,
        receipts: &'a [String],
        after: Duration,
    ) -> BoxFuture<'a, Result<(), interfaces::message_source::QueueError>> {
        self.0.release(queue, receipts, after)
    }
}

fn sqs(name: &str) -> Arn {
    Arn::parse(&format!("arn:aws:sqs:us-east-1:000000000000:{name}")).unwrap()
}

fn served() -> Arc<Application> {
    let functions = FUNCTIONS.iter().map(|name| {
        let function = Arc::new(test_kit::function(name));
        (FunctionName::new(*name), function)
    });
    let of = |id: &str, function: &str, source: Arn| Mapping {
        id: id.to_owned(),
        source,
        callee: model::door::Callee::unqualified(FunctionName::new(function)),
        batch_records_max: 4,
        ..mapping()
    };
    let things = mapping().source;
    let config = EventInvoke {
        on_success: Some(sqs("succeeded")),
        on_failure: Some(sqs("failed")),
        ..EventInvoke::default()
    };
    Arc::new(Application {
        functions: functions.collect(),
        event_sources: vec![
            of("q", "jobs", sqs("jobs")),
            of("f", "line", sqs("line.fifo")),
            of("s", "things", things),
        ],
        event_invokes: [(
            FunctionName::new("sent"),
            [(LATEST.to_owned(), config)].into(),
        )]
        .into(),
        ..Application::empty(RevisionId::new("r1"))
    })
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let dice = Dice::new(seed);
        let faults = Faults {
            per_thousand: Arc::new(Mutex::new(dice.below(120))),
            dice: dice.clone(),
        };
        let clock = Arc::new(PausedClock::start());
        let stream = Arc::new(Source::default());
        stream.put("a", [], clock.as_ref());
        let visibility = Duration::from_secs(30);
        Self {
            world: Arc::new(World {
                dice,
                faults: faults.clone(),
                taken: Mutex::default(),
                handled: Mutex::default(),
                under_way: Mutex::default(),
            }),
            store: Arc::new(Faulty {
                inner: Memory::new(),
                faults: faults.clone(),
            }),
            faults,
            queue: Arc::new(FakeQueue::new(Kind::Standard, visibility)),
            fifo: Arc::new(FakeFifo(FakeQueue::new(Kind::Fifo, visibility))),
            stream,
            clock,
            application: served(),
            sent: BTreeMap::new(),
            count: 0,
        }
    }

    fn process(&self) -> (Delivery, Outbox) {
        let outbox = Outbox::new(Arc::clone(&self.store));
        let delivery = Delivery::new(Parts {
            store: Arc::clone(&self.store),
            outbox: outbox.clone(),
            records: vec![self.stream.clone()],
            messages: vec![self.fifo.clone(), self.queue.clone()],
            sinks: vec![self.world.clone()],
            invoke: self.world.clone(),
            clock: self.clock.clone(),
            random: Arc::new(CountingRandom::default()),
            authorize: Arc::new(Everybody),
            log: Arc::new(Unread),
        });
        (delivery, outbox)
    }

    /// Puts something into one of the sources.
    async fn put(&mut self, outbox: &Outbox) {
        let number = self.count;
        self.count += 1;
        let name = match self.world.dice.below(6) {
            0 => "sent",
            1 => "plain",
            2 => "ordered",
            3 => "jobs",
            4 => "line",
            _ => "things",
        };
        let is_kept = match name {
            "jobs" => {
                self.queue.send([number]);
                true
            }
            "line" => {
                self.fifo.0.send([number]);
                true
            }
            "things" => {
                self.stream.put("a", [number], self.clock.as_ref());
                true
            }
            _ => outbox
                .accept(&[self.delivery_of(name, number)])
                .await
                .is_ok(),
        };
        if is_kept {
            self.sent.entry(name).or_default().push(number);
        }
    }

    fn delivery_of(&self, name: &str, number: u64) -> Sent {
        let target = if name == "sent" {
            Arn::parse("arn:aws:lambda:us-east-1:000000000000:function:sent").unwrap()
        } else {
            sqs(name)
        };
        let body = if name == "sent" {
            format!("{{\"n\":{number}}}")
        } else {
            number.to_string()
        };
        Sent {
            id: format!("{number:08}-0000-4000-8000-000000000000"),
            target: Target::Resource(target),
            sender: Sender {
                principal: SenderPrincipal::Allowed,
                source: None,
                account: AccountId::development(),
            },
            message: Message {
                body: body.into(),
                ..Message::default()
            },
            retries: Retries {
                retries_max: 1_000,
                age_max: Duration::from_secs(30 * 24 * 3_600),
            },
            dead_letters: (name == "plain").then(|| sqs("dead")),
            order: (name == "ordered").then(|| (number % 2).to_string()),
            accepted_at: self.clock.now(),
        }
    }

    async fn run(mut self, seed: u64) {
        for _process in 0..2 + self.world.dice.below(4) {
            let (delivery, outbox) = self.process();
            delivery.swap(&self.application).await;
            for _ in 0..self.world.dice.below(25) {
                self.put(&outbox).await;
                let pause = self.world.dice.below(60);
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
            let pause = self.world.dice.below(4_000);
            tokio::time::sleep(Duration::from_millis(pause)).await;
            // Cut off in the middle of whatever it does.
            drop(delivery);
        }
        let (delivery, _outbox) = self.process();
        delivery.swap(&self.application).await;
        // The last one has to live with faults for a while too: nothing is read anew in it.
        let pause = self.world.dice.below(60);
        tokio::time::sleep(Duration::from_secs(pause)).await;
        *self.faults.per_thousand.lock().unwrap() = 0;
        let until = tokio::time::Instant::now() + PATIENCE;
        while tokio::time::Instant::now() < until && !self.missing().is_empty() {
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        let missing = self.missing();
        assert!(missing.is_empty(), "seed {seed}: lost {missing:?}");
        self.check_order(seed);
        delivery.stop().await;
    }

    /// What was acknowledged and has not reached anybody.
    fn missing(&self) -> Vec<(&'static str, u64)> {
        let mut missing = Vec::new();
        for (name, numbers) in &self.sent {
            let mut reached: BTreeSet<String> =
                World::of(&self.world.handled, name).into_iter().collect();
            reached.extend(World::of(&self.world.taken, name));
            match *name {
                "plain" => reached.extend(World::of(&self.world.taken, "dead")),
                // Each ends with a record, whatever became of it.
                "sent" => {
                    let records =
                        ["succeeded", "failed"].map(|it| World::of(&self.world.taken, it));
                    reached = records.iter().flatten().map(|it| number_in(it)).collect();
                }
                _ => {}
            }
            let lost = numbers
                .iter()
                .filter(|it| !reached.contains(&it.to_string()));
            missing.extend(lost.map(|number| (*name, *number)));
        }
        missing
    }

    /// Something may come twice, but nothing before what stands before it.
    fn check_order(&self, seed: u64) {
        let taken = World::of(&self.world.taken, "ordered");
        let line = World::of(&self.world.handled, "line");
        let things = World::of(&self.world.handled, "things");
        for (name, seen, groups) in [
            ("ordered", taken, 2),
            ("line", line, 3),
            ("things", things, 10),
        ] {
            let seen: Vec<u64> = seen.iter().map(|it| it.parse().unwrap()).collect();
            for group in 0..groups {
                let of_group = |numbers: &[u64]| -> Vec<u64> {
                    let numbers = numbers.iter().copied();
                    numbers.filter(|it| it % groups == group).collect()
                };
                let mut first_seen = Vec::new();
                for number in of_group(&seen) {
                    if !first_seen.contains(&number) {
                        first_seen.push(number);
                    }
                }
                let sent = self.sent.get(name).map(Vec::as_slice).unwrap_or_default();
                // What was never acknowledged may have been kept all the same.
                first_seen.retain(|number| sent.contains(number));
                assert_eq!(
                    first_seen,
                    of_group(sent),
                    "seed {seed}: {name}, group {group}"
                );
            }
        }
    }
}

fn number_in(record: &str) -> String {
    let record: Value = serde_json::from_str(record).unwrap();
    record["requestPayload"]["n"].to_string()
}

#[expect(
    clippy::disallowed_methods,
    reason = "how many seeds a run has is said from outside"
)]
fn number_from(name: &str, default: u64) -> u64 {
    let given = std::env::var(name).ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn nothing_is_lost_and_order_is_kept_whatever_fails() {
    let first = number_from("CLOUDLESS_SIMULATION_FIRST", 0);
    let seeds = number_from("CLOUDLESS_SIMULATION_SEEDS", SEEDS);
    for seed in TELLING.into_iter().chain(first..first + seeds) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async { Simulation::new(seed).run(seed).await });
    }
}
