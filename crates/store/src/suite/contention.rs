//! Promises that only many callers at once can break.
//!
//! Lives here: races on one key, order of stamps, atomicity as readers see it.
//! Does not live here: what one caller can check (`basics`).

use std::sync::Arc;

use tokio::task::JoinSet;

use super::basics::{commit, value};
use crate::{Batch, CommitError, Direction, PageLimit, Range, Store, Versionstamp};

const CALLERS: usize = 24;
const TURNS: usize = 20;

pub(super) async fn one_of_many_creators_wins(store: Arc<dyn Store>) {
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let store = Arc::clone(&store);
        callers.spawn(async move {
            let name = caller.to_string();
            let batch = Batch::new()
                .check_absent(&b"lock"[..])
                .put(&b"lock"[..], name.clone());
            match store.commit(batch).await {
                Ok(_) => Some(name),
                Err(CommitError::CheckFailed { index: 0 }) => None,
                Err(error) => panic!("{error:?}"),
            }
        });
    }
    let winners: Vec<_> = callers.join_all().await.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1, "exactly one creator wins");
    let holder = value(&*store, b"lock").await;
    assert_eq!(holder.as_deref(), Some(winners[0].as_bytes()));
}

pub(super) async fn no_increment_is_lost(store: Arc<dyn Store>) {
    commit(&*store, Batch::new().put(&b"counter"[..], &b"0"[..])).await;
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let store = Arc::clone(&store);
        callers.spawn(async move {
            for _ in 0..TURNS {
                increment(&*store).await;
            }
        });
    }
    callers.join_all().await;
    let total = value(&*store, b"counter").await.unwrap();
    assert_eq!(total, (CALLERS * TURNS).to_string());
}

async fn increment(store: &dyn Store) {
    loop {
        let current = value(store, b"counter").await.unwrap();
        let number: usize = std::str::from_utf8(&current).unwrap().parse().unwrap();
        let batch = Batch::new()
            .check_equals(&b"counter"[..], current)
            .put(&b"counter"[..], (number + 1).to_string());
        match store.commit(batch).await {
            Ok(_) => return,
            Err(CommitError::CheckFailed { .. }) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}

pub(super) async fn stamps_follow_the_order_of_commits(store: Arc<dyn Store>) {
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let store = Arc::clone(&store);
        callers.spawn(async move {
            let mut last = Versionstamp::new(0);
            for _ in 0..TURNS {
                let batch =
                    Batch::new().put_versionstamped_key(&b"log/"[..], &b""[..], caller.to_string());
                let stamp = commit(&*store, batch).await;
                assert!(
                    last < stamp,
                    "a caller's later commit has the greater stamp"
                );
                last = stamp;
            }
        });
    }
    // A reader that follows the log must never find a record in front of one that it has read already.
    let mut seen = 0;
    let mut range = Range::of_prefix(b"log/".to_vec());
    while seen < CALLERS * TURNS {
        let page = store
            .scan(&range, Direction::Forward, PageLimit::rows(50))
            .await
            .unwrap();
        seen += page.rows.len();
        if let Some(last) = page.rows.last() {
            range = range.after(&last.key);
        } else {
            tokio::task::yield_now().await;
        }
        if callers.is_empty() && page.rows.is_empty() {
            break;
        }
        while callers.try_join_next().is_some() {}
    }
    assert_eq!(seen, CALLERS * TURNS, "the follower saw every record once");
    callers.join_all().await;
}

pub(super) async fn a_reader_never_sees_half_a_batch(store: Arc<dyn Store>) {
    let mut callers = JoinSet::new();
    for caller in 0..4_usize {
        let store = Arc::clone(&store);
        callers.spawn(async move {
            for turn in 0..TURNS {
                let mark = format!("{caller}.{turn}");
                let batch = (0..10_u8).fold(Batch::new(), |batch, part| {
                    batch.put(vec![b'p', part], mark.clone())
                });
                commit(&*store, batch).await;
            }
        });
    }
    let range = Range::of_prefix(b"p".to_vec());
    while !callers.is_empty() {
        let page = store
            .scan(&range, Direction::Forward, PageLimit::rows(20))
            .await
            .unwrap();
        let same = page
            .rows
            .windows(2)
            .all(|pair| pair[0].value == pair[1].value);
        assert!(same, "a scan sees one moment: {page:?}");
        assert!(page.rows.is_empty() || page.rows.len() == 10);
        while callers.try_join_next().is_some() {}
        tokio::task::yield_now().await;
    }
}
