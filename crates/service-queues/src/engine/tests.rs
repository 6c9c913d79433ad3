//! What queues promise, with a clock that a test holds in its hand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::arn::Arn;
use model::ids::{AccountId, Region};
use model::time::Timestamp;
use proptest::prelude::*;
use store::Store;
use store_embedded::Memory;
use test_kit::{CountingRandom, PausedClock};

use super::catalogue::{Catalogue, Created, Queue, Reuse};
use super::hand_out::uuid;
use super::receipt::Receipt;
use super::record::{Body, Message};
use super::request::{Outgoing, ReceiptError, Received, Wish};
use crate::sqs::attributes;

const NAME: &str = "q";
const FIFO: &str = "q.fifo";

struct Setting {
    store: Arc<dyn Store>,
    clock: Arc<PausedClock>,
    catalogue: Catalogue,
}

impl Setting {
    fn new() -> Self {
        Self::over(Arc::new(Memory::new()), Arc::new(PausedClock::start()))
    }

    fn over(store: Arc<dyn Store>, clock: Arc<PausedClock>) -> Self {
        let random = Arc::new(CountingRandom::default());
        let catalogue = Catalogue::new(Arc::clone(&store), clock.clone(), random);
        Self {
            store,
            clock,
            catalogue,
        }
    }

    /// The same store under a new process: nothing of what was in memory is left.
    fn restarted(&self) -> Self {
        Self::over(Arc::clone(&self.store), Arc::clone(&self.clock))
    }

    async fn queue(&self, name: &str, settings: &[(&str, &str)]) -> Arc<Queue> {
        let mut wished: Vec<_> = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        if name.ends_with(".fifo") {
            wished.push(("FifoQueue".to_owned(), "true".to_owned()));
        }
        let (account, region) = place();
        let created = self
            .catalogue
            .create(&account, &region, name, Reuse::AtOnce, |descriptor| {
                attributes::set(descriptor, &wished);
            })
            .await
            .unwrap();
        match created {
            Created::New(queue) | Created::There(queue) => queue,
        }
    }

    async fn send(&self, queue: &Queue, body: &str, group: Option<&str>) -> Option<String> {
        let now = self.catalogue.now();
        let message = Message {
            id: uuid(&**self.catalogue.random()),
            sent_at: now,
            due_us: 0,
            sender: String::new(),
            group: group.map(str::to_owned),
            deduplication: group.map(|_| body.to_owned()),
            trace: None,
            dead_letter_of: None,
            attributes: Vec::new(),
            body: Body::Here(body.to_owned()),
        };
        let outgoing = vec![Outgoing {
            message,
            delay: None,
        }];
        let sent = self.catalogue.send_messages(queue, outgoing).await.unwrap();
        sent[0].sequence.clone()
    }

    async fn receive(&self, queue: &Queue, messages_max: usize, wait_s: u64) -> Vec<Received> {
        let wish = Wish {
            messages_max,
            visibility: None,
            wait: Some(Duration::from_secs(wait_s)),
            attempt: None,
        };
        self.catalogue.receive(queue, wish).await.unwrap()
    }

    async fn bodies(&self, queue: &Queue, messages_max: usize) -> Vec<String> {
        bodies(&self.receive(queue, messages_max, 0).await)
    }

    async fn delete(&self, queue: &Queue, receipt: Receipt) -> Result<(), ReceiptError> {
        let outcomes = self.catalogue.delete_messages(queue, vec![receipt]).await;
        outcomes.unwrap()[0]
    }

    async fn counts(&self, queue: &Queue) -> (u64, u64, u64) {
        let counts = self.catalogue.count(queue).await.unwrap();
        (counts.visible, counts.in_flight, counts.delayed)
    }
}

fn place() -> (AccountId, Region) {
    (AccountId::development(), Region::new("us-east-1"))
}

fn bodies(received: &[Received]) -> Vec<String> {
    received.iter().map(|one| one.body.clone()).collect()
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_is_in_flight_until_its_time_is_over_or_it_is_deleted() {
    let setting = Setting::new();
    let queue = setting.queue(NAME, &[("VisibilityTimeout", "30")]).await;
    setting.send(&queue, "a", None).await;
    assert_eq!(setting.bodies(&queue, 10).await, ["a"]);
    assert_eq!(setting.counts(&queue).await, (0, 1, 0));
    pass(29).await;
    assert!(setting.bodies(&queue, 10).await.is_empty());
    pass(1).await;
    let again = setting.receive(&queue, 10, 0).await;
    assert_eq!(again[0].receives, 2);
    setting.delete(&queue, again[0].receipt).await.unwrap();
    pass(60).await;
    assert!(setting.bodies(&queue, 10).await.is_empty());
    assert_eq!(setting.counts(&queue).await, (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_gets_a_message_as_soon_as_there_is_one() {
    let setting = Setting::new();
    let queue = setting.queue(NAME, &[("VisibilityTimeout", "5")]).await;
    let started = setting.clock.as_ref();
    let before = interfaces::clock::Clock::now(started);
    let (received, ()) = tokio::join!(setting.receive(&queue, 1, 20), async {
        pass(3).await;
        setting.send(&queue, "a", None).await;
    });
    assert_eq!(bodies(&received), ["a"]);
    let after = interfaces::clock::Clock::now(started);
    assert_eq!(after.since(before).as_secs(), 3);
    // So does a message whose time is over wake whoever waits.
    assert_eq!(bodies(&setting.receive(&queue, 1, 20).await), ["a"]);
    let after = interfaces::clock::Clock::now(started);
    assert_eq!(after.since(before).as_secs(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_with_nothing_when_nothing_comes() {
    let setting = Setting::new();
    let queue = setting.queue(NAME, &[]).await;
    assert!(setting.receive(&queue, 1, 20).await.is_empty());
    assert_eq!(interfaces::clock::Clock::now(&*setting.clock).epoch_s(), 20);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_does_not_hold_up_a_server_that_stops() {
    let setting = Setting::new();
    let queue = setting.queue(NAME, &[]).await;
    let waits = [(); 2].map(|()| setting.receive(&queue, 1, 20));
    let [one, two] = waits;
    let (one, two, ()) = tokio::join!(one, two, async {
        pass(3).await;
        setting.catalogue.end_waits();
    });
    assert!(one.is_empty() && two.is_empty());
    assert_eq!(interfaces::clock::Clock::now(&*setting.clock).epoch_s(), 3);
    // Nobody begins to wait either, of this queue or of one that nobody has asked yet; what is there is still handed out.
    let other = setting.queue("other", &[]).await;
    for queue in [&queue, &other] {
        assert!(setting.receive(queue, 1, 20).await.is_empty());
        setting.send(queue, "a", None).await;
        assert_eq!(bodies(&setting.receive(queue, 1, 20).await), ["a"]);
    }
    assert_eq!(interfaces::clock::Clock::now(&*setting.clock).epoch_s(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_a_vanished_client_would_have_got_is_for_the_next() {
    let setting = Setting::new();
    let queue = setting.queue(NAME, &[]).await;
    let waits = setting.receive(&queue, 1, 20);
    assert!(
        tokio::time::timeout(Duration::from_secs(1), waits)
            .await
            .is_err()
    );
    setting.send(&queue, "a", None).await;
    assert_eq!(setting.bodies(&queue, 1).await, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_delayed_message_comes_when_it_is_due() {
    let setting = Setting::new();
    for (name, group) in [(NAME, None), (FIFO, Some("g"))] {
        let queue = setting.queue(name, &[("DelaySeconds", "10")]).await;
        setting.send(&queue, "a", group).await;
        assert!(setting.bodies(&queue, 1).await.is_empty(), "{name}");
        assert_eq!(setting.counts(&queue).await, (0, 0, 1), "{name}");
        assert_eq!(
            bodies(&setting.receive(&queue, 1, 20).await),
            ["a"],
            "{name}"
        );
    }
    assert_eq!(interfaces::clock::Clock::now(&*setting.clock).epoch_s(), 20);
}

#[tokio::test(start_paused = true)]
async fn messages_expire_after_their_retention() {
    let setting = Setting::new();
    for (name, group) in [(NAME, None), (FIFO, Some("g"))] {
        let queue = setting
            .queue(name, &[("MessageRetentionPeriod", "60")])
            .await;
        setting.send(&queue, "a", group).await;
        pass(61).await;
        setting.send(&queue, "b", group).await;
        assert_eq!(setting.bodies(&queue, 10).await, ["b"], "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_received_too_often_goes_to_the_dead_letters() {
    let setting = Setting::new();
    for (source, target, group) in [(NAME, "d", None), (FIFO, "d.fifo", Some("g"))] {
        let dead = setting.queue(target, &[]).await;
        let redrive = format!(
            "{{\"deadLetterTargetArn\":\"{}\",\"maxReceiveCount\":\"2\"}}",
            dead.shared.arn
        );
        let settings = [
            ("RedrivePolicy", redrive.as_str()),
            ("VisibilityTimeout", "1"),
        ];
        let queue = setting.queue(source, &settings).await;
        setting.send(&queue, "poison", group).await;
        setting.send(&queue, "next", group).await;
        for _ in 0..2 {
            assert_eq!(setting.bodies(&queue, 1).await, ["poison"], "{source}");
            pass(2).await;
        }
        assert_eq!(setting.bodies(&queue, 1).await, ["next"], "{source}");
        let received = setting.receive(&dead, 1, 5).await;
        assert_eq!(bodies(&received), ["poison"], "{source}");
        let arn = received[0].message.dead_letter_of.clone();
        assert_eq!(arn, Some(queue.shared.arn.to_string()));
        assert_eq!(received[0].receives, 3, "{source}");
        // And back.
        let moved = setting
            .catalogue
            .move_messages(&dead, 10, None)
            .await
            .unwrap();
        assert_eq!(moved.messages, 0, "it is in flight");
        pass(31).await;
        let moved = setting
            .catalogue
            .move_messages(&dead, 10, None)
            .await
            .unwrap();
        assert_eq!(moved.messages, 1, "{source}");
        pass(2).await;
        let back = setting.receive(&queue, 10, 5).await;
        assert!(bodies(&back).contains(&"poison".to_owned()), "{source}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_is_handed_out_up_to_its_first_message_in_flight() {
    let setting = Setting::new();
    let queue = setting.queue(FIFO, &[]).await;
    for (body, group) in [("a1", "a"), ("a2", "a"), ("b1", "b"), ("a3", "a")] {
        setting.send(&queue, body, Some(group)).await;
    }
    let first = setting.receive(&queue, 2, 0).await;
    assert_eq!(bodies(&first), ["a1", "a2"]);
    assert_eq!(setting.bodies(&queue, 10).await, ["b1"]);
    // The second is deleted first: the group waits for the first.
    setting.delete(&queue, first[1].receipt).await.unwrap();
    assert!(setting.bodies(&queue, 10).await.is_empty());
    setting.delete(&queue, first[0].receipt).await.unwrap();
    assert_eq!(setting.bodies(&queue, 10).await, ["a3"]);
}

#[tokio::test(start_paused = true)]
async fn a_receipt_of_a_fifo_queue_expires_with_the_visibility_timeout() {
    let setting = Setting::new();
    let queue = setting.queue(FIFO, &[("VisibilityTimeout", "5")]).await;
    setting.send(&queue, "a", Some("g")).await;
    let received = setting.receive(&queue, 1, 0).await;
    pass(5).await;
    let receipt = received[0].receipt;
    assert_eq!(
        setting.delete(&queue, receipt).await,
        Err(ReceiptError::Expired)
    );
}

#[tokio::test(start_paused = true)]
async fn duplicates_are_known_for_five_minutes() {
    let setting = Setting::new();
    let queue = setting.queue(FIFO, &[]).await;
    let first = setting.send(&queue, "a", Some("g")).await;
    pass(299).await;
    assert_eq!(
        setting.restarted().send(&queue, "a", Some("h")).await,
        first
    );
    assert_eq!(setting.bodies(&queue, 10).await, ["a"]);
    pass(1).await;
    assert_ne!(setting.send(&queue, "a", Some("h")).await, first);
    assert_eq!(setting.bodies(&queue, 10).await, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_receive_that_is_repeated_gets_the_same_messages() {
    let setting = Setting::new();
    let queue = setting.queue(FIFO, &[]).await;
    setting.send(&queue, "a", Some("g")).await;
    let wish = Wish {
        messages_max: 10,
        visibility: None,
        wait: None,
        attempt: Some("once".to_owned()),
    };
    let first = setting
        .catalogue
        .receive(&queue, wish.clone())
        .await
        .unwrap();
    let again = setting.catalogue.receive(&queue, wish).await.unwrap();
    assert_eq!(first[0].receipt, again[0].receipt);
    setting.delete(&queue, again[0].receipt).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_long_body_reads_back_and_leaves_nothing_behind() {
    let setting = Setting::new();
    let queue = setting.queue(NAME, &[]).await;
    let body = "ä".repeat(512 * 1024);
    setting.send(&queue, &body, None).await;
    let received = setting.receive(&queue, 1, 0).await;
    assert_eq!(received[0].body, body);
    setting.delete(&queue, received[0].receipt).await.unwrap();
    let contents = queue.current().descriptor.contents();
    for range in contents.everything() {
        let limit = store::PageLimit::rows(10);
        let page = setting
            .store
            .scan(&range, store::Direction::Forward, limit)
            .await;
        assert!(page.unwrap().rows.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_purge_takes_all_messages_and_those_in_flight() {
    let setting = Setting::new();
    let queue = setting.queue(NAME, &[]).await;
    setting.send(&queue, "a", None).await;
    setting.send(&queue, "b", None).await;
    let received = setting.receive(&queue, 1, 0).await;
    let contents = setting.catalogue.draw();
    let purged = setting.catalogue.alter(&queue, |descriptor| {
        descriptor.set_contents(contents);
        Ok::<_, super::catalogue::CatalogueError>(())
    });
    purged.await.unwrap();
    assert_eq!(setting.counts(&queue).await, (0, 0, 0));
    assert!(setting.bodies(&queue, 10).await.is_empty());
    setting.delete(&queue, received[0].receipt).await.unwrap();
    setting.send(&queue, "c", None).await;
    assert_eq!(setting.bodies(&queue, 10).await, ["c"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_received_often_does_not_stay_in_memory() {
    let setting = Setting::new();
    for (name, grouped) in [(NAME, false), (FIFO, true)] {
        let queue = setting.queue(name, &[("VisibilityTimeout", "1")]).await;
        for number in 0..1_500 {
            let group = grouped.then(|| format!("g{}", number % 7));
            setting
                .send(&queue, &format!("{number}"), group.as_deref())
                .await;
        }
        while !setting.bodies(&queue, 10).await.is_empty() {}
        pass(2).await;
        for _ in 0..20 {
            // What is too much is put back, some at a time.
            setting.counts(&queue).await;
        }
        assert_eq!(setting.counts(&queue).await, (1_500, 0, 0), "{name}");
        let mut seen = BTreeMap::new();
        loop {
            let received = setting.receive(&queue, 10, 0).await;
            if received.is_empty() {
                break;
            }
            for one in received {
                *seen.entry(one.body.clone()).or_insert(0) += 1;
                setting.delete(&queue, one.receipt).await.unwrap();
            }
        }
        assert_eq!(seen.len(), 1_500, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_is_there_after_a_restart_with_what_was_in_flight() {
    let setting = Setting::new();
    for (name, group) in [(NAME, None), (FIFO, Some("g"))] {
        let queue = setting.queue(name, &[("VisibilityTimeout", "30")]).await;
        setting.send(&queue, "a", group).await;
        setting.send(&queue, "b", group).await;
        let received = setting.receive(&queue, 1, 0).await;
        // What was received of a standard queue is written a little later.
        pass(1).await;
        let later = setting.restarted();
        let queue = later.queue(name, &[]).await;
        assert_eq!(later.counts(&queue).await, (1, 1, 0), "{name}");
        later.delete(&queue, received[0].receipt).await.unwrap();
        assert_eq!(later.bodies(&queue, 10).await, ["b"], "{name}");
    }
}

/// What somebody does to a FIFO queue.
#[derive(Debug, Clone)]
enum Deed {
    Send(u8),
    Receive(usize),
    Delete(usize),
    Release(usize),
    Pass(u64),
    Restart,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => (0..3_u8).prop_map(Deed::Send),
        3 => (1..5_usize).prop_map(Deed::Receive),
        3 => (0..4_usize).prop_map(Deed::Delete),
        1 => (0..4_usize).prop_map(Deed::Release),
        1 => (1..8_u64).prop_map(Deed::Pass),
        1 => Just(Deed::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever is done: a message is handed out only when all earlier ones of its group were deleted, or were handed out
    /// before it in the same turn of its group; and in the end every one was.
    #[test]
    fn groups_keep_their_order(deeds in prop::collection::vec(deed(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(keep_order(deeds))?;
    }
}

async fn keep_order(deeds: Vec<Deed>) -> Result<(), TestCaseError> {
    let mut setting = Setting::new();
    let mut queue = setting.queue(FIFO, &[("VisibilityTimeout", "5")]).await;
    let mut next = 0_u32;
    let mut waiting: BTreeMap<u8, Vec<u32>> = BTreeMap::new();
    let mut held: Vec<Received> = Vec::new();
    for deed in deeds {
        match deed {
            Deed::Send(group) => {
                let body = next.to_string();
                setting.send(&queue, &body, Some(&group.to_string())).await;
                waiting.entry(group).or_default().push(next);
                next += 1;
            }
            Deed::Receive(count) => {
                let received = setting.receive(&queue, count, 0).await;
                check_order(&received, &waiting)?;
                held.extend(received);
            }
            Deed::Delete(index) if index < held.len() => {
                let one = held.remove(index);
                if setting.delete(&queue, one.receipt).await.is_ok() {
                    let number: u32 = one.body.parse().unwrap();
                    waiting
                        .values_mut()
                        .for_each(|group| group.retain(|one| *one != number));
                }
            }
            Deed::Release(index) if index < held.len() => {
                let one = held.remove(index);
                let change = vec![(one.receipt, Duration::ZERO)];
                setting
                    .catalogue
                    .change_visibility(&queue, change)
                    .await
                    .unwrap();
            }
            Deed::Delete(_) | Deed::Release(_) => {}
            Deed::Pass(seconds) => pass(seconds).await,
            Deed::Restart => {
                setting = setting.restarted();
                queue = setting.queue(FIFO, &[]).await;
            }
        }
    }
    let mut left: usize = waiting.values().map(Vec::len).sum();
    pass(10).await;
    while 0 < left {
        let received = setting.receive(&queue, 10, 0).await;
        prop_assert!(!received.is_empty(), "{left} messages are stuck");
        check_order(&received, &waiting)?;
        for one in received {
            setting.delete(&queue, one.receipt).await.unwrap();
            let number: u32 = one.body.parse().unwrap();
            waiting
                .values_mut()
                .for_each(|group| group.retain(|one| *one != number));
            left -= 1;
        }
    }
    Ok(())
}

/// What is received of a group is a run of it, and nothing older that waits was passed over.
fn check_order(
    received: &[Received],
    waiting: &BTreeMap<u8, Vec<u32>>,
) -> Result<(), TestCaseError> {
    for (group, all) in waiting {
        let name = group.to_string();
        let got: Vec<u32> = received
            .iter()
            .filter(|one| one.message.group.as_deref() == Some(name.as_str()))
            .map(|one| one.body.parse().unwrap())
            .collect();
        if !got.is_empty() {
            prop_assert!(all.starts_with(&got), "got {got:?} of {all:?}");
        }
    }
    Ok(())
}

#[test]
fn an_arn_of_another_service_is_no_queue() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let catalogue = Catalogue::new(
            Arc::new(Memory::new()),
            Arc::new(test_kit::StoppedClock::at(Timestamp::from_micros(0))),
            Arc::new(CountingRandom::default()),
        );
        let arn = Arn::parse("arn:aws:sns:us-east-1:000000000000:q").unwrap();
        assert!(catalogue.find_arn(&arn).await.unwrap().is_none());
    });
}
