//! Both stores against the suite of the seam.
//!
//! Lives here: one test a store.
//! Does not live here: the promises (`store::suite`), what only SQLite promises (`durability`).

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::sync::{Arc, Mutex};

use store::Store;
use store_embedded::{Memory, Options, Sqlite};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_keeps_every_promise() {
    store::suite::run(&|| Arc::new(Memory::new()) as Arc<dyn Store>).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_keeps_every_promise() {
    run_sqlite(Options::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_keeps_every_promise_to_callers_who_take_themselves_for_alone() {
    let is_alone = || true;
    let others = Options::default();
    run_sqlite(Options { is_alone, ..others }).await;
}

async fn run_sqlite(options: Options) {
    let folders = Mutex::new(Vec::new());
    store::suite::run(&|| {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Sqlite::open_with(folder.path(), options).unwrap());
        folders.lock().unwrap().push(folder);
        store as Arc<dyn Store>
    })
    .await;
}
