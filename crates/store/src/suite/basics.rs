//! Promises that one caller can check alone.
//!
//! Lives here: reads, checks, scans, stamps, limits.
//! Does not live here: many callers at once (`contention`), random histories (`model`).

use bytes::Bytes;

use crate::limits;
use crate::{Batch, CommitError, Direction, PageLimit, Range, Store, Versionstamp};

pub(super) async fn what_was_committed_is_read(store: &dyn Store) {
    assert_eq!(value(store, b"a").await, None);
    let first = commit(store, Batch::new().put(&b"a"[..], &b"1"[..])).await;
    let second = commit(
        store,
        Batch::new()
            .put(&b"a"[..], &b"2"[..])
            .put(&b"b"[..], &b"x"[..])
            .put(&b"b"[..], &b"y"[..]),
    )
    .await;
    assert!(first < second, "a later commit has a greater stamp");
    assert_eq!(value(store, b"a").await.as_deref(), Some(&b"2"[..]));
    assert_eq!(value(store, b"b").await.as_deref(), Some(&b"y"[..]));
    commit(
        store,
        Batch::new().delete(&b"a"[..]).delete(&b"never was"[..]),
    )
    .await;
    assert_eq!(value(store, b"a").await, None);
}

pub(super) async fn a_failed_check_applies_nothing_and_names_itself(store: &dyn Store) {
    commit(store, Batch::new().put(&b"k"[..], &b"v"[..])).await;
    let write = |batch: Batch| batch.put(&b"other"[..], &b"x"[..]).delete(&b"k"[..]);
    let holding = Batch::new()
        .check_present(&b"k"[..])
        .check_equals(&b"k"[..], &b"v"[..]);
    let failing = [
        holding.clone().check_absent(&b"k"[..]),
        holding.clone().check_present(&b"missing"[..]),
        holding.clone().check_equals(&b"k"[..], &b"w"[..]),
        holding.clone().check_equals(&b"k"[..], &b""[..]),
        holding.check_equals(&b"missing"[..], &b""[..]),
    ];
    for batch in failing {
        match store.commit(write(batch.clone())).await {
            Err(CommitError::CheckFailed { index: 2 }) => {}
            other => panic!("{batch:?} answered {other:?}"),
        }
        assert_eq!(value(store, b"k").await.as_deref(), Some(&b"v"[..]));
        assert_eq!(value(store, b"other").await, None);
    }
}

pub(super) async fn checks_do_not_see_the_writes_of_their_own_batch(store: &dyn Store) {
    let batch = Batch::new()
        .put(&b"k"[..], &b"v"[..])
        .check_absent(&b"k"[..]);
    commit(store, batch).await;
    assert_eq!(value(store, b"k").await.as_deref(), Some(&b"v"[..]));
}

pub(super) async fn scans_keep_range_direction_and_limits(store: &dyn Store) {
    let names = ["a", "aa", "ab", "b", "ba", "c"];
    for name in names {
        commit(store, Batch::new().put(name.as_bytes(), &b"0123456789"[..])).await;
    }
    let everything = Range {
        start: Vec::new(),
        end: None,
    };
    let of = |start: &str, end: &str| Range::new(start.into(), end.into());
    let (forward, backward) = (Direction::Forward, Direction::Backward);
    for (range, direction, rows_max, expected, more) in [
        (everything.clone(), forward, 9, "a aa ab b ba c", false),
        (everything.clone(), forward, 6, "a aa ab b ba c", false),
        (everything.clone(), forward, 2, "a aa", true),
        (everything.clone(), backward, 2, "c ba", true),
        (everything.clone(), forward, 0, "", true),
        (of("aa", "b"), forward, 9, "aa ab", false),
        (of("aa", "b"), backward, 9, "ab aa", false),
        (of("b", "b"), forward, 9, "", false),
        (of("c", "a"), backward, 9, "", false),
        (Range::of_prefix(b"a".into()), forward, 9, "a aa ab", false),
        (of("a", "b").after(b"aa"), forward, 9, "ab", false),
    ] {
        let limit = PageLimit::rows(rows_max);
        let page = store.scan(&range, direction, limit).await.unwrap();
        let keys: Vec<_> = page.rows.iter().map(|row| row.key.as_ref()).collect();
        let expected: Vec<_> = expected.split_whitespace().map(str::as_bytes).collect();
        assert_eq!(keys, expected, "{range:?} {direction:?} {rows_max}");
        assert_eq!(page.more, more, "{range:?} {direction:?} {rows_max}");
    }
    // Rows of 11 and 12 bytes: the second reaches 15.
    let limit = PageLimit {
        rows_max: 9,
        bytes_max: 15,
    };
    let page = store.scan(&everything, forward, limit).await.unwrap();
    assert_eq!((page.rows.len(), page.more), (2, true));
}

pub(super) async fn versionstamps_stand_where_they_were_asked_for(store: &dyn Store) {
    let mut stamps = Vec::new();
    for turn in 0..3_u8 {
        let batch = Batch::new()
            .put_versionstamped_key(&b"log/"[..], &b"/0"[..], vec![turn])
            .put_versionstamped_key(&b"log/"[..], &b"/1"[..], vec![turn])
            .put_versionstamped_value(&b"head"[..], &b"<"[..], &b">"[..]);
        stamps.push(commit(store, batch).await);
    }
    let page = store
        .scan(
            &Range::of_prefix(b"log/".to_vec()),
            Direction::Forward,
            PageLimit::rows(9),
        )
        .await
        .unwrap();
    let found: Vec<_> = page.rows.iter().map(|row| row.key.to_vec()).collect();
    let expected: Vec<_> = stamps
        .iter()
        .flat_map(|stamp| {
            [b"/0", b"/1"].map(|end| [&b"log/"[..], &stamp.to_bytes(), &end[..]].concat())
        })
        .collect();
    assert_eq!(found, expected, "keys sort by commit, then by suffix");
    let head = [&b"<"[..], &stamps[2].to_bytes(), &b">"[..]].concat();
    assert_eq!(value(store, b"head").await.as_deref(), Some(&head[..]));
}

pub(super) async fn sizes_are_limited(store: &dyn Store) {
    let of = |length: usize| Bytes::from(vec![b'x'; length]);
    let fits = [
        Batch::new().put(of(limits::KEY_BYTES_MAX), &b""[..]),
        Batch::new().put(&b"k"[..], of(limits::VALUE_BYTES_MAX)),
    ];
    for batch in fits {
        commit(store, batch).await;
    }
    let many = (0..=limits::BATCH_STEPS_MAX).fold(Batch::new(), |batch, _| batch.delete(&b"k"[..]));
    let large = (0..=limits::BATCH_BYTES_MAX / limits::VALUE_BYTES_MAX)
        .fold(Batch::new(), |batch, _| {
            batch.put(&b"k"[..], of(limits::VALUE_BYTES_MAX))
        });
    let over = [
        Batch::new().put(of(limits::KEY_BYTES_MAX + 1), &b""[..]),
        Batch::new().delete(of(limits::KEY_BYTES_MAX + 1)),
        Batch::new().put(&b"k"[..], of(limits::VALUE_BYTES_MAX + 1)),
        Batch::new().put_versionstamped_key(of(limits::KEY_BYTES_MAX - 7), &b""[..], &b""[..]),
        many,
        large,
    ];
    for (index, batch) in over.into_iter().enumerate() {
        match store.commit(batch).await {
            Err(CommitError::TooLarge { .. }) => {}
            other => panic!("case {index} answered {other:?}"),
        }
    }
    let read = value(store, b"k").await.unwrap_or_default();
    assert_eq!(
        read.len(),
        limits::VALUE_BYTES_MAX,
        "no refused batch was applied"
    );
}

pub(super) async fn keys_and_values_may_be_empty(store: &dyn Store) {
    commit(store, Batch::new().put(&b""[..], &b""[..])).await;
    assert_eq!(value(store, b"").await.as_deref(), Some(&b""[..]));
    commit(store, Batch::new()).await;
}

pub(super) async fn value(store: &dyn Store, key: &[u8]) -> Option<Bytes> {
    store.get(key).await.unwrap()
}

pub(super) async fn commit(store: &dyn Store, batch: Batch) -> Versionstamp {
    store.commit(batch).await.unwrap()
}
