//! What holds for a caller who is alone and writes by itself.
//!
//! Lives here: the order of its batches among others', locks of foreign tools, disks that are slow to answer.
//! Does not live here: the suite, which such callers pass as well (`conformance`), full disks and sudden ends (`durability`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use std::cell::Cell;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rusqlite::Connection;
use store::{Batch, Store};
use store_embedded::{Options, Sqlite};

thread_local! {
    static IS_ALONE: Cell<bool> = const { Cell::new(false) };
}

fn open(folder: &Path) -> Sqlite {
    let options = Options {
        is_alone: || IS_ALONE.get(),
        ..Options::default()
    };
    Sqlite::open_with(folder, options).unwrap()
}

fn put(key: u8) -> Batch {
    Batch::new().put(vec![key], vec![])
}

/// A commit's answer if the caller itself was kept until it was there; else the batch is in the queue by now.
fn polled<T>(commit: &mut Pin<Box<dyn Future<Output = T> + Send + '_>>) -> Option<T> {
    match commit
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}

/// Waits until the thread has answered and nothing is queued: so many commits, each of which may find it a moment too soon.
async fn settled(store: &Sqlite) {
    for _ in 0..1_000 {
        IS_ALONE.set(true);
        let mut commit = store.commit(put(0));
        match polled(&mut commit) {
            Some(answer) => {
                answer.unwrap();
                return;
            }
            None => drop(commit.await.unwrap()),
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("nobody is ever alone");
}

#[tokio::test]
async fn who_is_alone_writes_by_itself_and_reads_what_it_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    settled(&store).await;
    for key in 1..100 {
        let mut commit = store.commit(put(key));
        if polled(&mut commit).is_none() {
            // A disk that is slow now and then.
            commit.await.unwrap();
            settled(&store).await;
        }
        assert!(store.get(&[key]).await.unwrap().is_some());
        IS_ALONE.set(false);
        assert!(store.get(&[key]).await.unwrap().is_some(), "to others, too");
        IS_ALONE.set(true);
    }
}

#[tokio::test]
async fn who_may_not_keep_its_thread_for_a_flush_queues() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        is_alone: || true,
        may_flush: || IS_ALONE.take(),
        ..Options::default()
    };
    let store = Sqlite::open_with(folder.path(), options).unwrap();
    settled(&store).await;
    let mut commit = store.commit(put(1));
    assert!(polled(&mut commit).is_none());
    commit.await.unwrap();
}

#[tokio::test]
async fn what_was_queued_before_is_not_overtaken() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for turn in 0..200 {
        settled(&store).await;
        IS_ALONE.set(false);
        let mut queued = store.commit(Batch::new().put(vec![1, turn], vec![]));
        // The thread may be so quick that the answer is there already.
        let at_once = polled(&mut queued);
        IS_ALONE.set(true);
        let after = Batch::new().check_present(vec![1, turn]);
        let second = store.commit(after.put(vec![2, turn], vec![])).await;
        let first = match at_once {
            Some(answer) => answer,
            None => queued.await,
        };
        assert!(first.unwrap() < second.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn those_who_queue_and_those_who_do_not_lose_nothing_to_one_another() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(folder.path()));
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..8_u8 {
        let store = Arc::clone(&store);
        callers.spawn(async move {
            for turn in 0..100_u8 {
                // Adds one to a number, unless somebody else came between.
                loop {
                    IS_ALONE.set(caller % 2 == 0);
                    let found = store.get(b"sum").await.unwrap();
                    let sum = found
                        .as_deref()
                        .map_or(0, |bytes| u32::from_be_bytes(bytes.try_into().unwrap()));
                    let batch = match found {
                        Some(bytes) => Batch::new().check_equals(b"sum".to_vec(), bytes),
                        None => Batch::new().check_absent(b"sum".to_vec()),
                    };
                    let batch = batch.put(b"sum".to_vec(), (sum + 1).to_be_bytes().to_vec());
                    let committed = store.commit(batch.put(vec![caller, turn], vec![])).await;
                    IS_ALONE.set(false);
                    if committed.is_ok() {
                        break;
                    }
                }
            }
        });
    }
    callers.join_all().await;
    let sum = store.get(b"sum").await.unwrap().unwrap();
    assert_eq!(&sum[..], 800_u32.to_be_bytes());
}

#[tokio::test]
async fn the_lock_of_a_foreign_tool_is_waited_for_in_the_queue() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    settled(&store).await;
    let tool = Connection::open(folder.path().join("store.sqlite")).unwrap();
    tool.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut commit = store.commit(put(1));
    assert!(polled(&mut commit).is_none(), "its caller is not kept");
    tool.execute_batch("ROLLBACK").unwrap();
    commit.await.unwrap();
    assert!(store.get(&[1]).await.unwrap().is_some());
}
