//! Deliveries that are kept, found, tried again and removed, over a store in memory.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use model::arn::Arn;
use model::delivery::{Delivery, Message, Retries, Sender, SenderPrincipal, Target};
use model::ids::AccountId;
use model::time::Timestamp;
use store::{Batch, Direction, PageLimit, Range, Store};
use store_embedded::Memory;

use crate::{Outbox, Stage, Tries};

const QUEUE: &str = "arn:aws:sqs:us-east-1:000000000000:jobs";

fn delivery(id: &str, body: impl Into<Bytes>) -> Delivery {
    Delivery {
        id: id.to_owned(),
        target: Target::Resource(Arn::parse(QUEUE).unwrap()),
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
            retries_max: 3,
            age_max: Duration::from_secs(60),
        },
        dead_letters: None,
        order: None,
        accepted_at: Timestamp::from_micros(5),
    }
}

fn outbox() -> (Outbox, Arc<dyn Store>) {
    let store: Arc<dyn Store> = Arc::new(Memory::new());
    (Outbox::new(Arc::clone(&store)), store)
}

async fn rows_of(store: &Arc<dyn Store>) -> usize {
    let all = Range::of_prefix(Vec::new());
    let page = store.scan(&all, Direction::Forward, PageLimit::rows(1_000));
    page.await.unwrap().rows.len()
}

#[tokio::test]
async fn bodies_of_any_length_and_any_bytes_come_back_as_they_were() {
    for length in [0, 5, 16 * 1024, 600 * 1024, 1024 * 1024, 6 * 1024 * 1024] {
        let (outbox, store) = outbox();
        let body: Vec<u8> = (0_u8..=255).cycle().take(length).collect();
        let mut sent = delivery("1", body.clone());
        sent.message.dead_letter = Some(Box::new(Message {
            body: body.into(),
            ..Message::default()
        }));
        outbox.accept(std::slice::from_ref(&sent)).await.unwrap();
        let fresh = outbox.fresh(None, 10).await.unwrap().rows;
        let waiting = outbox.load(fresh[0].place, Stage::Fresh).await.unwrap();
        let waiting = waiting.unwrap();
        assert_eq!(waiting.delivery, sent, "{length}");
        let batch = outbox.remove(Batch::new(), &waiting);
        store.commit(batch).await.unwrap();
        assert_eq!(rows_of(&store).await, 0, "{length}");
    }
}

#[tokio::test]
async fn deliveries_that_are_added_to_one_batch_in_several_steps_are_all_kept_in_their_order() {
    let (outbox, store) = outbox();
    let batch = outbox.add(Batch::new(), &[delivery("1", "a"), delivery("2", "b")]);
    let batch = outbox.add(batch, &[delivery("3", "c")]);
    store.commit(batch).await.unwrap();
    outbox.accept(&[delivery("4", "d")]).await.unwrap();
    let fresh = outbox.fresh(None, 10).await.unwrap().rows;
    let ids = |found: &[crate::Fresh]| -> Vec<String> {
        let whole = found.iter().filter_map(|it| it.whole.as_ref());
        whole.map(|it| it.delivery.id.clone()).collect()
    };
    assert_eq!(ids(&fresh), ["1", "2", "3", "4"]);
    let rest = outbox.fresh(Some(fresh[1].place), 1).await.unwrap().rows;
    assert_eq!(ids(&rest), ["3"]);
}

#[tokio::test]
async fn a_retry_is_found_at_its_time_with_what_happened_so_far() {
    let (outbox, store) = outbox();
    outbox
        .accept(&[delivery("1", vec![7; 700_000]), delivery("2", "b")])
        .await
        .unwrap();
    for fresh in outbox.fresh(None, 10).await.unwrap().rows {
        let waiting = outbox
            .load(fresh.place, Stage::Fresh)
            .await
            .unwrap()
            .unwrap();
        let tries = Tries {
            attempts: 1,
            refusals: 2,
            request_id: Some("r".to_owned()),
        };
        let seconds = if waiting.delivery.id == "1" { 20 } else { 10 };
        let at = Timestamp::from_micros(seconds * 1_000_000);
        let batch = outbox.retry(Batch::new(), &waiting, &tries, at);
        store.commit(batch).await.unwrap();
    }
    assert!(outbox.fresh(None, 10).await.unwrap().rows.is_empty());
    let retries = outbox.retries(None, 10).await.unwrap().rows;
    let [first, second] = retries.as_slice() else {
        panic!("{retries:?}");
    };
    assert!(first.due_at < second.due_at);
    let later = outbox.retries(Some((first.due_at, first.place)), 10);
    assert_eq!(later.await.unwrap().rows.len(), 1);
    for retry in [first, second] {
        let stage = Stage::Retry(retry.due_at);
        let waiting = outbox.load(retry.place, stage).await.unwrap().unwrap();
        assert_eq!((waiting.tries.attempts, waiting.tries.refusals), (1, 2));
        // Again, and then the end.
        let later = retry.due_at.plus(Duration::from_secs(60));
        let batch = outbox.retry(Batch::new(), &waiting, &Tries::default(), later);
        store.commit(batch).await.unwrap();
        let stage = Stage::Retry(later);
        let waiting = outbox.load(retry.place, stage).await.unwrap().unwrap();
        store
            .commit(outbox.remove(Batch::new(), &waiting))
            .await
            .unwrap();
    }
    assert_eq!(rows_of(&store).await, 0);
}

#[tokio::test]
async fn accepting_rings() {
    let (outbox, _) = outbox();
    outbox.accept(&[delivery("1", "a")]).await.unwrap();
    outbox.news().await;
}
